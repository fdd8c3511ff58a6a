"""What went wrong, as an exit code, one line of text, or a JSON object."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import click
from click.exceptions import Exit

from fpga_accel.errors import DeviceNotFoundError, FallbackDisabledError, FpgaAccelError

FAILED = 1
USAGE = 2
NO_DEVICE = 3
INTERRUPTED = 130


class UsageError(ValueError):
    """The command line asks for something that cannot be done as it stands."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class OutputExistsError(FpgaAccelError):
    """An output file is there already and ``-f`` was not given."""

    code = "output_exists"


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure, ready to be shown."""

    exit_code: int
    code: str
    message: str
    hint: str | None = None

    def about(self, subject: str) -> Failure:
        """Return the same failure with the file it concerns in front."""
        if self.message.startswith(subject):
            return self
        return replace(self, message=f"{subject}: {self.message}")

    def as_dict(self) -> dict[str, str | None]:
        """Return what ``--json`` prints."""
        return {"error": self.code, "message": self.message, "hint": self.hint}

    def show(self, *, as_json: bool) -> None:
        """Write one line to standard error."""
        hint = f" ({self.hint})" if self.hint else ""
        line = json.dumps(self.as_dict()) if as_json else f"fpga-accel: {self.message}{hint}"
        print(line, file=sys.stderr)


def failure_of(error: BaseException) -> Failure | None:
    """Return how an exception is shown, None for those that are bugs and deserve their traceback."""
    if isinstance(error, FpgaAccelError):
        refused = isinstance(error, DeviceNotFoundError | FallbackDisabledError)
        message = str(error.args[0]) if error.args and error.args[0] else _words(error.code)
        return Failure(NO_DEVICE if refused else FAILED, error.code, _one_line(message), error.hint)
    if isinstance(error, KeyboardInterrupt):
        return Failure(INTERRUPTED, "interrupted", "interrupted")
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, MemoryError):
        return Failure(FAILED, "no_memory", "out of memory")
    if isinstance(error, ValueError):
        return Failure(USAGE, "usage", _one_line(str(error)), getattr(error, "hint", None))
    return _of_parser(error) if isinstance(error, click.UsageError) else None


def _of_system(error: OSError) -> Failure:
    code = errno.errorcode.get(error.errno or 0, "os_error").lower()
    message = error.strerror or str(error) or type(error).__name__
    subject = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes | os.PathLike) else ""
    return Failure(FAILED, code, _one_line(f"{subject}{message}"))


def _of_parser(error: click.UsageError) -> Failure:
    path = error.ctx.command_path if error.ctx else "fpga-accel"
    return Failure(USAGE, "usage", _one_line(error.format_message().rstrip(".")), f"see {path} --help")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _words(code: str) -> str:
    return code.replace("_", " ")


@contextmanager
def reported(*, as_json: bool) -> Iterator[None]:
    """Turn exceptions of a command into a line on standard error and an exit code.

    Raises
    ------
    Exit
        With the exit code of the failure.
    """
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except (Exit, click.Abort):
        raise
    except BrokenPipeError:
        raise Exit(FAILED) from None
    except (Exception, KeyboardInterrupt) as error:
        failure = failure_of(error)
        if failure is None:
            raise
        failure.show(as_json=as_json)
        raise Exit(failure.exit_code) from None
    finally:
        _settle_output()


def _settle_output() -> None:
    """Drop what standard output does not take, or the interpreter complains about it at its end."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()


def _drop_output() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, sys.stdout.fileno())
    finally:
        os.close(null)
