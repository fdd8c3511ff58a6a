"""Bounded reads of an image file: nothing is taken past its end, nor more in all than a header can need."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

from fpga_accel.errors import FormatError, TruncatedError

# Bytes of headers, tables and text sections taken from one image. Large platforms have a few hundred sections of
# 40 bytes and some KiB of text; the bitstream itself is only hashed.
HEADER_LIMIT = 1 << 20
_CHUNK = 1 << 20

Buffer: TypeAlias = bytes | bytearray | memoryview


class Content(Protocol):
    """Bytes at positions: a buffer, or an open file."""

    size: int

    def at(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from `offset` on."""


class _Buffer:
    def __init__(self, data: Buffer) -> None:
        self._view = memoryview(data).cast("B")
        self.size = self._view.nbytes

    def at(self, offset: int, count: int) -> bytes:
        return bytes(self._view[offset : offset + count])


class _File:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def at(self, offset: int, count: int) -> bytes:
        return os.pread(self._descriptor, count, offset)


class Reader:
    """Takes ranges of one image and says what is wrong with those that cannot be taken."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._left = HEADER_LIMIT
        self.size = content.size

    def take(self, offset: int, count: int, what: str) -> bytes:
        """Return exactly `count` bytes from `offset` on.

        Raises
        ------
        TruncatedError
            The range reaches past the end.
        FormatError
            Headers would take more than `HEADER_LIMIT`.
        """
        self.check(offset, count, what)
        if count > self._left:
            raise FormatError(f"{what} has {count} bytes; headers are read up to {HEADER_LIMIT} bytes in all")
        self._left -= count
        data = self._content.at(offset, count)
        if len(data) != count:
            raise TruncatedError(f"{what} ends after {len(data)} of {count} bytes: the file became shorter")
        return data

    def check(self, offset: int, count: int, what: str) -> None:
        """Refuse a range that the image does not have."""
        if offset + count > self.size:
            raise TruncatedError(
                f"{what} takes {count} bytes from byte {offset} on, but the image ends at byte {self.size}"
            )

    def start(self, count: int) -> bytes:
        """Return the first `count` bytes, fewer where the image is shorter."""
        return self.take(0, min(count, self.size), "the start")

    def sha256(self, *parts: tuple[int, int]) -> str:
        """Return the SHA-256 of `parts`, each from one byte up to another; without any, of the whole image."""
        hashed = hashlib.sha256()
        for start, end in parts or ((0, self.size),):
            for offset in range(start, end, _CHUNK):
                hashed.update(self._content.at(offset, min(_CHUNK, end - offset)))
        return hashed.hexdigest()


@contextmanager
def reading(source: str | os.PathLike[str] | Buffer) -> Iterator[Reader]:
    """Open a path, or bytes, for bounded reads."""
    if not isinstance(source, str | os.PathLike):
        yield Reader(_Buffer(source))
        return
    with Path(source).open("rb") as file:
        yield Reader(_File(file.fileno()))


def before_nul(data: bytes) -> bytes:
    """Return what comes before the first NUL, without space around it."""
    return data.partition(b"\0")[0].strip()


def text(data: bytes, what: str) -> str:
    r"""Return the text before the first NUL, which must be printable ASCII.

    Examples
    --------
    >>> text(b"pac_a10\0\0", "board")
    'pac_a10'
    """
    found = before_nul(data)
    if not found:
        raise FormatError(f"{what} is empty")
    if not found.isascii() or not found.decode("ascii").isprintable():
        raise FormatError(f"{what} is no printable ASCII: {found[:32]!r}")
    return found.decode("ascii")
