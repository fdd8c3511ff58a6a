"""Inputs and outputs of commands: files, ``-``, temporary names, and the refusal to overwrite."""

from __future__ import annotations

import io
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from fpga_accel.cli.failures import OutputExistsError, UsageError

# Standard input or output.
STANDARD = "-"


def is_standard(name: str) -> bool:
    """Whether a name stands for standard input or output."""
    return name == STANDARD


def size_of(name: str) -> int | None:
    """Return the size of a regular file, None for anything without one."""
    if is_standard(name):
        return None
    status = Path(name).stat()
    return status.st_size if stat.S_ISREG(status.st_mode) else None


@contextmanager
def reading(name: str) -> Iterator[BinaryIO]:
    """Open an input for reading."""
    if is_standard(name):
        yield _binary(sys.stdin, "input")
        return
    with Path(name).open("rb") as file:
        yield file


@contextmanager
def writing(name: str, *, force: bool, like: str = STANDARD) -> Iterator[BinaryIO]:
    """Open an output that appears under its name only once it is complete.

    Parameters
    ----------
    name
        A path or ``-``. A pipe or device is written to directly.
    force
        Overwrite what is there.
    like
        The input, whose permissions the output gets if it is a regular file.

    Raises
    ------
    OutputExistsError
        The file is there and `force` is not given.
    """
    if is_standard(name):
        file = _binary(sys.stdout, "output")
        yield file
        file.flush()
        return
    given = Path(name)
    # Opened by the name that was given: where /dev/stdout is a pipe, the name that it leads to cannot be opened.
    if given.exists() and not given.is_file():
        with given.open("wb") as special:
            yield special
        return
    path = Path(os.path.realpath(name))
    _refuse_to_overwrite(name, path, force)
    temporary, mode = path.with_name(f".fpga-accel-{secrets.token_hex(8)}.tmp"), _mode_like(like)
    try:
        with _private(temporary) as file:
            yield file
            os.fchmod(file.fileno(), mode)
        _refuse_to_overwrite(name, path, force)
        os.replace(temporary, path)
    except FileNotFoundError as error:
        # The folder is missing: name the output, not the temporary file that could not be made.
        raise FileNotFoundError(error.errno, error.strerror, name) from error
    finally:
        temporary.unlink(missing_ok=True)


def _private(path: Path) -> BinaryIO:
    """Make a file that nobody else can read while it is written."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _mode_like(name: str) -> int:
    """Return the permissions of an output: those of a regular input, else those of any new file."""
    if not is_standard(name):
        status = Path(name).stat()
        if stat.S_ISREG(status.st_mode):
            # Neither set-uid nor set-gid: what was a program is data now.
            return status.st_mode & 0o777
    return 0o666 & ~_umask()


def _umask() -> int:
    # It is read by setting it: another thread's files are private meanwhile, at worst.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


class Outlet(io.RawIOBase):
    """Counts what goes into an output, and cuts it off where the work fails.

    Closing the stream of a frame writes the frame's end. After a failure that end must not reach a pipe, or its
    reader would take the part for the whole.
    """

    def __init__(self, target: BinaryIO) -> None:
        super().__init__()
        self._target = target
        self._cut = False
        self.written = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any, /) -> int:
        """Pass data on, whole."""
        size = memoryview(data).nbytes
        if not self._cut:
            self._target.write(data)
            self.written += size
        return size

    @contextmanager
    def fed_by(self, stream: Any) -> Iterator[None]:
        """Close `stream` at the end, and let it finish its output only if all went well."""
        with closing(stream):
            try:
                yield
            except BaseException:
                self._cut = True
                raise


class Inlet(io.RawIOBase):
    """Counts what is taken from an input, and tells `advanced` how much that is so far."""

    def __init__(self, source: BinaryIO, advanced: Callable[[int], None] | None = None) -> None:
        super().__init__()
        self._source: Any = source
        self._advanced = advanced
        self.taken = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer."""
        count: int = self._source.readinto(buffer)
        self.taken += count
        if self._advanced is not None:
            self._advanced(self.taken)
        return count


def _refuse_to_overwrite(name: str, path: Path, force: bool) -> None:
    # A link that leads nowhere is there, too.
    if not force and (path.exists() or os.path.lexists(name)):
        raise OutputExistsError(f"{name} exists", hint="-f overwrites it")


def refuse_terminal_output(name: str, *, force: bool) -> None:
    """Refuse to write binary data to a terminal."""
    if is_standard(name) and not force and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError(
            "standard output is a terminal and the data is binary", hint="name a file with -o, or -f writes it anyway"
        )


def refuse_terminal_input(files: Sequence[str]) -> None:
    """Refuse to wait for a terminal where no input was named at all."""
    if not files and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError("no FILE is given and standard input is a terminal", hint="- reads the terminal anyway")


def _binary(stream: TextIO | None, which: str) -> BinaryIO:
    if stream is None:
        raise OSError(f"standard {which} is closed")
    return stream.buffer
