"""Builds kernels in a child process and keeps the binaries in hashed containers.

Why a child: a compiler cannot be interrupted, may abort the process (PoCL does on some attributes) and writes
to standard error. The child has a deadline, its chatter becomes log lines, and its end harms nobody.

Why containers: runtimes check nothing. A truncated or flipped binary aborts PoCL and crashes Intel's runtime, and
Intel's CPU and emulator accept each other's. So nothing reaches a driver before the SHA-256 of the container is
right and its key equals the device, driver, options and source at hand. A bad one is rebuilt, with a log line.

Of processes that want the same program at the same time one builds it, and the others wait for it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from fpga_accel import config
from fpga_accel.errors import DeviceError, DeviceTimeoutError
from fpga_accel.segments import ABI_VERSION

log = logging.getLogger(__name__)

MAGIC = b"fpga-accel program 1\n"
_DIGEST = hashlib.sha256().digest_size
BUILD_SECONDS = 120.0
# Between looks at whether another process has built what is wanted.
_LOOK_SECONDS = 0.05
# A failed build is remembered as a container whose payload starts so; its log follows.
_FAILED = b"FAILED\n"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a binary is bound to besides its source."""

    platform: str
    platform_version: str
    device: str
    device_version: str
    driver: str
    cpu_name: str
    index: int

    @property
    def digest(self) -> str:
        """Short name of this device for file names; the index does not count."""
        fields = {key: value for key, value in asdict(self).items() if key != "index"}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


class WarmRow(NamedTuple):
    """Rows for one launch in the child, so that run-time specialisation is in the binary too."""

    entry: str
    table: bytes
    params: bytes
    src: bytes
    dst_size: int
    work_items: int
    local_size: int


class BuildRequest(NamedTuple):
    """What the child is asked to build."""

    identity: Identity
    source: str
    options: tuple[str, ...]
    warm: tuple[WarmRow, ...]

    @property
    def key(self) -> str:
        """SHA-256 over everything that determines the binary."""
        parts = (self.identity.digest, ABI_VERSION, self.options, self.source)
        return hashlib.sha256(repr(parts).encode()).hexdigest()


class BuildFailed(DeviceError):
    """A kernel does not build on this device; the compiler's words are in the message."""

    code = "build_failed"


def binary(request: BuildRequest) -> bytes:
    """Return the program binary for `request`, from the cache or from a build.

    Raises
    ------
    BuildFailed
        The source does not build on this device.
    DeviceTimeoutError
        The build took longer than `BUILD_SECONDS`.
    """
    payload = kept(_path(request), request.key, lambda: _build_in_child(request), BUILD_SECONDS)
    if payload.startswith(_FAILED):
        raise BuildFailed(payload[len(_FAILED) :].decode(errors="replace"), device=request.identity.device)
    return payload


def forget(request: BuildRequest) -> None:
    """Drop a cached binary that the driver refused."""
    try:
        _path(request).unlink(missing_ok=True)
    except OSError as error:
        log.warning("cannot remove %s (%s)", _path(request), error)


def _path(request: BuildRequest) -> Path:
    return config.cache_dir() / "programs" / request.identity.digest / f"{request.key[:32]}.bin"


def kept(path: Path, key: str, build: Callable[[], bytes], seconds: float) -> bytes:
    """Return the payload of a container, which is built where it is not there.

    Parameters
    ----------
    path, key
        Of the container.
    build
        Makes the payload.
    seconds
        How long to wait for another process that makes it.
    """
    payload = read_container(path, key)
    if payload is not None:
        return payload
    with _turn(path.with_suffix(".lock"), seconds) as waited:
        payload = read_container(path, key) if waited else None
        if payload is None:
            payload = build()
            write_container(path, key, payload)
        return payload


@contextmanager
def _turn(path: Path, seconds: float) -> Iterator[bool]:
    """Hold the lock of a file, where it can be had in time; say whether somebody else held it.

    Whoever waited for a file that is removed meanwhile has the lock of no name, beside one who made the name anew:
    both may build, which costs time alone.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield False
        return
    ends, waited = time.monotonic() + seconds, False
    try:
        while not _locked(handle) and time.monotonic() < ends:
            waited = True
            time.sleep(_LOOK_SECONDS)
        yield waited
    finally:
        with suppress(OSError):
            path.unlink()
        _unlock(handle)


def _locked(handle: int) -> bool:
    """Lock a file, or say that somebody else has; a file that cannot be locked counts as locked."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _unlock(handle: int) -> None:
    # By name: a child that was forked meanwhile has the file open too, and closing it here leaves it locked.
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_UN)
    os.close(handle)


def read_container(path: Path, key: str) -> bytes | None:
    """Return the payload of a container, None where it is absent, damaged or for something else."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("cannot read %s (%s); rebuilding", path, error)
        return None
    header = MAGIC + bytes.fromhex(key)
    body = data[len(header) + _DIGEST :]
    stated = data[len(header) : len(header) + _DIGEST]
    if not data.startswith(header) or stated != hashlib.sha256(header + body).digest():
        log.warning("cached program %s is damaged or not ours; rebuilding", path)
        return None
    return body


def write_container(path: Path, key: str, payload: bytes) -> None:
    """Write a container whole or not at all; a cache that cannot be written costs only time."""
    header = MAGIC + bytes.fromhex(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(header + hashlib.sha256(header + payload).digest() + payload)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        log.warning("cannot keep %s (%s); it will be built again", path, error)


def _build_in_child(request: BuildRequest) -> bytes:
    import subprocess  # a process whose programs are all in the cache starts 6 ms earlier

    command = [sys.executable, "-m", "fpga_accel.runtime.compiler"]
    log.info("building a kernel for %s", request.identity.device)
    try:
        done = subprocess.run(
            command,
            input=pickle.dumps(request),
            capture_output=True,
            timeout=BUILD_SECONDS,
            env=child_environment(),
            check=False,
        )
    except (OSError, TypeError, ValueError) as error:
        # Where Python is a part of another program, sys.executable is empty or that program.
        raise BuildFailed(
            f"Python, {sys.executable!r}, does not start as a compiler process: {error}", device=request.identity.device
        ) from error
    except subprocess.TimeoutExpired as error:
        raise DeviceTimeoutError(
            f"building a kernel took longer than {BUILD_SECONDS:.0f} s", device=request.identity.device
        ) from error
    chatter = done.stderr.decode(errors="replace").strip()
    if chatter:
        log.debug("compiler: %s", chatter)
    if done.returncode != 0:
        # Not cached: a crash may be a passing lack of memory.
        raise BuildFailed(
            f"the compiler process ended with {done.returncode}: {chatter[-2000:]}",
            device=request.identity.device,
        )
    try:
        ok, payload = pickle.loads(done.stdout)
    except Exception as error:
        # Whatever pickle makes of another program's output.
        raise BuildFailed(
            f"{sys.executable!r} did not answer as a compiler process", device=request.identity.device
        ) from error
    return bytes(payload) if ok else _FAILED + str(payload).encode()


def child_environment() -> dict[str, str]:
    """Return the environment of a build: in it, Python finds this package wherever we did."""
    environment = dict(os.environ)
    # The child makes its own PoCL folder and finds this package wherever the parent did.
    environment.pop("POCL_CACHE_DIR", None)
    # NumPy's BLAS would start threads that spin at first.
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")
    # pyopencl's cache holds unhashed binaries and keeps failed sources: ours replaces it.
    environment["PYOPENCL_NO_CACHE"] = "1"
    package_parent = str(Path(__file__).resolve().parents[2])
    known = environment.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = f"{package_parent}{os.pathsep}{known}" if known else package_parent
    # Nothing is imported from the folder that happens to be the current one.
    environment["PYTHONSAFEPATH"] = "1"
    return environment
