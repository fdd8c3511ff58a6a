"""The private folder of this process: what PoCL unpacks there, and the loader's list of runtimes.

It goes with the process, or, where that was killed or ended without Python's exit functions, with the next one that
makes its own: a lock on a file in it tells that its process lives.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

PREFIX = "fpga-accel-"
_LOCK = "in-use"


@cache
def folder() -> Path:
    """Return the folder, which the first call makes."""
    made = Path(tempfile.mkdtemp(prefix=PREFIX))
    _lock(made)
    atexit.register(_remove, made, os.getpid())
    _remove_abandoned(made.parent)
    return made


def _lock(made: Path) -> None:
    """Lock the folder until this process and its forked children have ended."""
    unnamed = made / f"{_LOCK}-soon"
    handle = os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o600)
    # Where a file cannot be locked, nobody takes its folder for abandoned.
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unnamed.rename(made / _LOCK)


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    for lock in parent.glob(f"{PREFIX}*/{_LOCK}"):
        with suppress(OSError):
            if lock.parent.lstat().st_uid == os.geteuid():
                _remove_if_abandoned(lock)


def _remove_if_abandoned(lock: Path) -> None:
    handle = os.open(lock, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(lock.parent, ignore_errors=True)
    finally:
        os.close(handle)
