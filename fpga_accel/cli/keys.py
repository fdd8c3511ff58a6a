"""The key of a command, from a file or an open descriptor: never from the command line, never by a prompt."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from fpga_accel.cli.failures import UsageError

# Of all ciphers; which of them a cipher takes it says itself.
SIZES = (16, 24, 32, 64)
# More than any legal key file holds; what is longer need not be read.
_MOST = 256
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")


@contextmanager
def opened_key(path: str | None, descriptor: int | None, *, data_from_stdin: bool) -> Iterator[bytearray]:
    """Read a key, and wipe it when the block ends.

    Parameters
    ----------
    path, descriptor
        ``--key-file`` and ``--key-fd``; exactly one is given.
    data_from_stdin
        Whether standard input is taken by the data.

    Raises
    ------
    UsageError
        None or both are given, or what is there is no key. The message never shows the content.
    """
    if (path is None) == (descriptor is None):
        raise UsageError("give the key with either --key-file or --key-fd")
    if descriptor == 0 and data_from_stdin:
        raise UsageError("the key and the data cannot both come from standard input")
    text = content(path, descriptor, _MOST, "--key-fd")
    try:
        key = _parsed(text, path or f"descriptor {descriptor}")
    finally:
        wipe(text)
    try:
        yield key
    finally:
        wipe(key)


def wipe(secret: bytearray) -> None:
    """Overwrite a buffer with zeros."""
    secret[:] = bytes(len(secret))


def content(path: str | None, descriptor: int | None, most: int, option: str) -> bytearray:
    """Return up to `most` bytes of a secret from a file or an open descriptor, which `option` names in errors."""
    buffer = bytearray(most)
    filled = 0
    source: str | int = path if path is not None else descriptor or 0
    try:
        # Unbuffered, so that no copy stays behind in a buffer that cannot be wiped.
        with open(source, "rb", buffering=0, closefd=path is not None) as file, memoryview(buffer) as view:
            while filled < most and (count := file.readinto(view[filled:])):
                filled += count
    except OSError as error:
        wipe(buffer)
        subject = path if path is not None else f"{option} {descriptor}"
        raise OSError(error.errno, os.strerror(error.errno or 0), subject) from error
    except BaseException:
        wipe(buffer)
        raise
    del buffer[filled:]
    return buffer


def _parsed(text: bytearray, where: str) -> bytearray:
    """Return the key in raw bytes or in hex digits; text of hex digits alone is always taken as hex."""
    digits = len(text) - 1 if text.endswith(b"\n") else len(text)
    digits -= text[:digits].endswith(b"\r")
    if digits // 2 in SIZES and digits % 2 == 0 and _HEX_DIGITS.issuperset(text[:digits]):
        return bytearray(int(text[at : at + 2], 16) for at in range(0, digits, 2))
    if len(text) in SIZES:
        return bytearray(text)
    size = f"{len(text)} bytes" if len(text) < _MOST else f"{_MOST} bytes or more"
    raise UsageError(
        f"{where} holds {size}, which is no key",
        hint="16, 24, 32 or 64 raw bytes, or the same as hex digits; `openssl rand -out FILE 32` makes one",
    )
