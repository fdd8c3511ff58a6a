"""A raw file over decompressor objects, with a way for all of a file at once."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Protocol

ENDED_EARLY = "Compressed file ended before the end-of-stream marker was reached"

# Compressed bytes read from the file at once.
_CHUNK = 128 << 10


class Decompressor(Protocol):
    """One stream of a file, in pieces: the shape of `bz2.BZ2Decompressor`."""

    eof: bool
    needs_input: bool
    unused_data: bytes | None

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Take `data` and return at most `max_length` bytes of content."""


class Content(io.RawIOBase):
    """The content of the streams of a file, one behind the other.

    Parameters
    ----------
    file
        Where the compressed bytes come from.
    new_decompressor
        Makes what reads one stream. It may stop, with ``eof``, before the data ends.
    whole
        Decompresses all of a file at once, or returns None for what has to be read in pieces, as bad files have.
    """

    def __init__(
        self, file: Any, new_decompressor: Callable[[], Decompressor], whole: Callable[[bytes], bytes | None]
    ) -> None:
        super().__init__()
        self._fp = file
        self._new_decompressor = new_decompressor
        self._whole = whole
        self._begin()

    def _begin(self) -> None:
        self._decompressor: Decompressor | None = self._new_decompressor()
        self._held = b""
        self._fresh = True
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._fp.seekable())

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        self._decompressor = None
        self._held = b""
        super().close()

    def readinto(self, buffer: Any, /) -> int:
        with memoryview(buffer) as view, view.cast("B") as target:
            content = self.read(len(target))
            target[: len(content)] = content
        return len(content)

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes, at least one of them unless at the end."""
        if size is None or size < 0:
            return self.readall()
        self._fresh = self._fresh and not size
        while size and self._ready():
            content = self._piece(size)
            if content:
                self._position += len(content)
                return content
        return b""

    def readall(self) -> bytes:
        """Return all of the rest."""
        content = self._all_at_once() if self._fresh else None
        if content is not None:
            self._position += len(content)
            return content
        parts: list[bytes] = []
        while part := self.read(_CHUNK):
            parts.append(part)
        return b"".join(parts)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move by reading on, from the start again where that is behind."""
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            while self.read(_CHUNK):
                pass
            offset += self._position
        elif whence != io.SEEK_SET:
            raise ValueError(f"Invalid value for whence: {whence}")
        if offset < self._position:
            self._fp.seek(0)
            self._begin()
        while self._position < offset and self.read(min(_CHUNK, offset - self._position)):
            pass
        return self._position

    def _all_at_once(self) -> bytes | None:
        parts: list[bytes] = []
        while part := self._fp.read(-1):
            parts.append(part)
        self._held = b"".join(parts)
        self._fresh = False
        content = self._whole(self._held)
        if content is not None:
            self._held = b""
            self._decompressor = None
        return content

    def _ready(self) -> bool:
        """Have a decompressor that is inside a stream, or will find its start; False at the end."""
        if self._decompressor is None:
            return False
        if not self._decompressor.eof:
            return True
        self._held = self._between(bytes(self._decompressor.unused_data or b"") + self._held)
        self._decompressor = self._new_decompressor() if self._held else None
        return self._decompressor is not None

    def _between(self, rest: bytes) -> bytes:
        """Return what follows a stream; empty at the end of the file."""
        return rest or bytes(self._fp.read(_CHUNK))

    def _piece(self, size: int) -> bytes:
        decompressor = self._decompressor
        assert decompressor is not None
        data = b""
        if decompressor.needs_input:
            data = self._held or bytes(self._fp.read(_CHUNK))
            self._held = b""
            if not data:
                raise EOFError(ENDED_EARLY)
        return decompressor.decompress(data, size)
