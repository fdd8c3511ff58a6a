"""Processes of their own for tests: a hang is a failure of one test, not a hung run."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import fpga_accel as fa
from fpga_accel.runtime import scratch

PACKAGE_PARENT = str(Path(fa.__file__).resolve().parent.parent)
# No child here works for more than a few seconds; machines that are busy with other tests take longer.
CHILD_SECONDS = 90


def environment(**changes: str | None) -> dict[str, str]:
    """The environment of a child: this package, and none of the settings but the cache folder and `changes`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FPGA_ACCEL_")}
    # What this process prepared for its own OpenCL loader is not the child's.
    for name in ("OCL_ICD_VENDORS", "POCL_CACHE_DIR"):
        if kept.get(name, "").startswith(str(scratch.folder())):
            del kept[name]
    kept["FPGA_ACCEL_CACHE_DIR"] = os.environ["FPGA_ACCEL_CACHE_DIR"]
    kept["PYTHONPATH"] = PACKAGE_PARENT
    for name, value in changes.items():
        kept.pop(name, None)
        if value is not None:
            kept[name] = value
    return kept


def start(code: str, *arguments: str, **changes: str | None) -> subprocess.Popen[str]:
    """Start Python on `code`, with pipes to all three streams."""
    command = [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(code), *arguments]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, env=environment(**changes), text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def finish(child: subprocess.Popen[str], seconds: float = CHILD_SECONDS) -> tuple[str, str]:
    """Wait for a child that must succeed; return what it printed and what it logged."""
    with child:
        try:
            out, err = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            pytest.fail(f"the child did not end within {seconds} s\n{out}\n{err}")
    assert child.returncode == 0, f"{out}\n{err}"
    return out, err


@contextmanager
def all_ended(children: Sequence[subprocess.Popen[str]]) -> Iterator[None]:
    """End what is still running when a test fails between some children and others.

    One that is left alone ends as a warning that nobody can raise, in whatever test is next.
    """
    try:
        yield
    finally:
        for child in children:
            child.kill()
            with child:
                pass


def run(code: str, *arguments: str, **changes: str | None) -> tuple[str, str]:
    return finish(start(code, *arguments, **changes))
