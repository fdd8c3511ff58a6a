"""Passphrases and identities of age files: from files or open descriptors, and passphrases from a terminal."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import click

from fpga_accel.cli import files, keys, options
from fpga_accel.cli.failures import UsageError

_MOST_PASSPHRASE = 4 << 10
# Some ten thousand keys.
_MOST_KEYS = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """Where a passphrase comes from: at most one of these."""

    ask: bool = False
    path: str | None = None
    descriptor: int | None = None

    @property
    def named(self) -> bool:
        """Whether there is one."""
        return self.ask or self.path is not None or self.descriptor is not None

    @contextmanager
    def opened(self, *, twice: bool, data_from_stdin: bool) -> Iterator[bytearray | None]:
        """Read the passphrase, None where there is none, and wipe it when the block ends.

        Parameters
        ----------
        twice
            Whether to ask twice, as nobody could open a file that was sealed with a slip of the finger.
        data_from_stdin
            Whether standard input is taken by the data.

        Raises
        ------
        UsageError
            There are several, or it is empty.
        """
        if self.ask + (self.path is not None) + (self.descriptor is not None) > 1:
            raise UsageError("give the passphrase with one of -p, --passphrase-file and --passphrase-fd")
        if data_from_stdin and self.descriptor == 0:
            raise UsageError("the passphrase and the data cannot both come from standard input")
        if not self.named:
            yield None
            return
        passphrase = _asked(twice=twice) if self.ask else self._read()
        try:
            if not passphrase:
                raise UsageError("the passphrase is empty")
            yield passphrase
        finally:
            keys.wipe(passphrase)

    def _read(self) -> bytearray:
        text = keys.content(self.path, self.descriptor, _MOST_PASSPHRASE, "--passphrase-fd")
        for line_end in (b"\r\n", b"\n"):
            if text.endswith(line_end):
                del text[-len(line_end) :]
                break
        if b"\n" in text or len(text) >= _MOST_PASSPHRASE:
            keys.wipe(text)
            raise UsageError(f"a passphrase is one line of less than {_MOST_PASSPHRASE} bytes")
        return text


passphrase = options.joined(
    "passphrase",
    Source,
    {
        "ask": click.option("--passphrase", "-p", "ask", is_flag=True, help="Ask for a passphrase on the terminal."),
        "path": click.option("--passphrase-file", "path", metavar="PATH", help="Passphrase, on one line."),
        "descriptor": click.option(
            "--passphrase-fd", "descriptor", metavar="N", type=int, help="The same, read from open descriptor N."
        ),
    },
)


def _asked(*, twice: bool) -> bytearray:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise UsageError("there is no terminal to ask for a passphrase", hint="use --passphrase-file") from None
    passphrase = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("The same again: ") != passphrase:
        raise UsageError("the two passphrases differ")
    return bytearray(passphrase.encode())


def texts(paths: Sequence[str], *, data_from_stdin: bool) -> list[str]:
    """Return what files of keys hold.

    Raises
    ------
    UsageError
        One is no text, or is standard input that is taken by the data.
    """
    found = []
    for path in paths:
        if files.is_standard(path) and data_from_stdin:
            raise UsageError("the keys and the data cannot both come from standard input")
        if files.is_standard(path):
            with files.reading(path) as standard_input:
                text = bytearray(standard_input.read(_MOST_KEYS))
        else:
            text = keys.content(path, None, _MOST_KEYS, "")
        try:
            if len(text) >= _MOST_KEYS:
                raise UsageError(f"{path} has {_MOST_KEYS} bytes or more, which is no file of keys")
            found.append(text.decode())
        except UnicodeDecodeError:
            raise UsageError(f"{path} is no text, so no file of keys") from None
        finally:
            keys.wipe(text)
    return found
