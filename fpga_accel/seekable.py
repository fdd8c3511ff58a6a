"""Random access to compressed files of independent parts."""

from __future__ import annotations

import builtins
import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import IO, Any

from fpga_accel.accelerator import Accelerator
from fpga_accel.errors import FormatError, TruncatedError
from fpga_accel.operations.buffers import flat_writable

# Content that is decompressed at once, unless a single part holds more.
_AT_ONCE = 16 << 20

Source = str | bytes | PathLike[Any] | IO[bytes]


@contextmanager
def opened(file: Source) -> Iterator[tuple[IO[bytes], bool]]:
    """Give a file object and whether it was opened here; it is closed again where the block fails."""
    if not isinstance(file, str | bytes | PathLike):
        yield file, False
        return
    made = builtins.open(file, "rb")  # noqa: SIM115
    try:
        yield made, True
    except BaseException:
        made.close()
        raise


class SeekableReader(io.BufferedIOBase):
    """Reads content at any position by decompressing only the parts that are needed.

    Parameters
    ----------
    file
        A binary file object that can seek.
    acc, format
        What decompresses the parts, and their format.
    starts, contents
        Where each part of the file and its content start, and one entry more for where the last one ends.
    owned
        Whether closing the reader closes the file.

    Attributes
    ----------
    size
        Bytes of the content.
    """

    def __init__(
        self,
        file: IO[bytes],
        acc: Accelerator,
        format: str,
        starts: Sequence[int],
        contents: Sequence[int],
        *,
        owned: bool,
    ) -> None:
        super().__init__()
        self._file = file
        self._acc = acc
        self._format = format
        self._owned = owned
        self._starts = starts
        self._contents = contents
        self.size = contents[-1]
        self._position = 0
        # Content that was decompressed last, and where it starts.
        self._held, self._held_from = memoryview(b""), 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in the content."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to a position in the content, also behind its end, and return it."""
        self._check_open()
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}
        if whence not in bases:
            raise ValueError(f"whence is {whence}; legal ones are 0, 1 and 2")
        if bases[whence] + offset < 0:
            raise ValueError(f"position {bases[whence] + offset} lies before the start")
        self._position = bases[whence] + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes from the position on, by default all."""
        self._check_open()
        left = max(0, self.size - self._position)
        left = left if size is None or size < 0 else min(left, size)
        parts = []
        while left:
            part = self._ready(left)[:left]
            parts.append(part)
            self._position += len(part)
            left -= len(part)
        return b"".join(parts)

    read1 = read

    def readinto(self, buffer: Any, /) -> int:
        """Read into a writable buffer, as much as there is and fits."""
        out = flat_writable(buffer)
        data = self.read(len(out))
        out[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the reader, and the file if it was opened by name."""
        if not self.closed:
            self._held = memoryview(b"")
            if self._owned:
                self._file.close()
        super().close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _ready(self, wanted: int) -> memoryview:
        """Return content from the position on: what is held, else of the parts that hold the next `wanted` bytes."""
        behind = self._position - self._held_from
        if not 0 <= behind < len(self._held):
            first = bisect_right(self._contents, self._position) - 1
            last, end = first + 1, self._position + min(wanted, _AT_ONCE)
            while self._contents[last] < end:
                last += 1
            self._held, self._held_from = memoryview(self._parts(first, last)), self._contents[first]
            behind = self._position - self._held_from
        return self._held[behind:]

    def _parts(self, first: int, last: int) -> bytes:
        """Decompress some parts."""
        start, end = self._starts[first], self._starts[last]
        self._file.seek(start)
        data = self._file.read(end - start)
        if len(data) != end - start:
            raise TruncatedError(f"the file ends {end - start - len(data)} bytes before part {last - 1} does")
        size = self._contents[last] - self._contents[first]
        content = self._acc.decompress(data, self._format, max_output=size)
        if len(content) != size:
            raise FormatError(f"parts {first} to {last - 1} hold {len(content)} bytes, the index says {size}")
        return content
