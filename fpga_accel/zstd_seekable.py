"""Random access to files of the seekable Zstandard format: only the frames that are needed are decompressed."""

from __future__ import annotations

import builtins
import io
from bisect import bisect_right
from itertools import accumulate
from os import PathLike
from typing import IO, Any

import xxhash

from fpga_accel.accelerator import Accelerator, default_accelerator
from fpga_accel.errors import FormatError, IntegrityError, TruncatedError
from fpga_accel.operations import zstd_frame
from fpga_accel.operations.buffers import flat_writable

# Content that is decompressed at once, unless a single frame holds more.
_AT_ONCE = 16 << 20


def open(file: str | bytes | PathLike[Any] | IO[bytes], *, accelerator: Accelerator | None = None) -> SeekableReader:
    """Open a file of the seekable format for reading.

    Parameters
    ----------
    file
        A path, or a binary file object that can seek, which stays open when the reader is closed.
    accelerator
        Where frames are decompressed; by default the shared one.

    Raises
    ------
    FormatError
        The file ends with no seek table, or with one that does not fit it.
    """
    if isinstance(file, str | bytes | PathLike):
        opened = builtins.open(file, "rb")  # noqa: SIM115
        try:
            return SeekableReader(opened, accelerator or default_accelerator(), owned=True)
        except BaseException:
            opened.close()
            raise
    return SeekableReader(file, accelerator or default_accelerator(), owned=False)


class SeekableReader(io.BufferedIOBase):
    """Reads the content of a seekable file at any position; made by `open`.

    Attributes
    ----------
    size
        Bytes of the content.
    """

    def __init__(self, file: IO[bytes], acc: Accelerator, *, owned: bool) -> None:
        super().__init__()
        self._file = file
        self._acc = acc
        self._owned = owned
        self._entries = _seek_table(file)
        # Where each frame and its content start, and one entry more for where the last one ends.
        self._starts = [0, *accumulate(entry.compressed for entry in self._entries)]
        self._contents = [0, *accumulate(entry.content for entry in self._entries)]
        self.size = self._contents[-1]
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
        """Return content from the position on: what is held, else of the frames that hold the next `wanted` bytes."""
        behind = self._position - self._held_from
        if not 0 <= behind < len(self._held):
            first = bisect_right(self._contents, self._position) - 1
            last, end = first + 1, self._position + min(wanted, _AT_ONCE)
            while self._contents[last] < end:
                last += 1
            self._held, self._held_from = memoryview(self._frames(first, last)), self._contents[first]
            behind = self._position - self._held_from
        return self._held[behind:]

    def _frames(self, first: int, last: int) -> bytes:
        """Decompress some frames and compare them with the seek table."""
        start, end = self._starts[first], self._starts[last]
        self._file.seek(start)
        data = self._file.read(end - start)
        if len(data) != end - start:
            raise TruncatedError(f"the file ends {end - start - len(data)} bytes before frame {last - 1} does")
        size = self._contents[last] - self._contents[first]
        content = self._acc.decompress(data, "zstd", max_output=size)
        if len(content) != size:
            raise FormatError(f"frames {first} to {last - 1} hold {len(content)} bytes, the seek table says {size}")
        view = memoryview(content)
        for number in range(first, last):
            checksum = self._entries[number].checksum
            place = slice(
                self._contents[number] - self._contents[first], self._contents[number + 1] - self._contents[first]
            )
            if checksum is not None and xxhash.xxh64_intdigest(view[place]) & 0xFFFFFFFF != checksum:
                raise IntegrityError(f"the seek table's checksum of frame {number} is wrong")
        return content


def _seek_table(file: IO[bytes]) -> list[zstd_frame.SeekEntry]:
    end = file.seek(0, io.SEEK_END)
    file.seek(max(0, end - zstd_frame.SEEK_FOOTER.size))
    size = zstd_frame.seek_table_size(file.read(zstd_frame.SEEK_FOOTER.size))
    if size > end:
        raise TruncatedError(f"the seek table takes {size} bytes, the file has {end}")
    file.seek(end - size)
    entries = zstd_frame.parse_seek_table(file.read(size))
    if sum(entry.compressed for entry in entries) + size != end:
        raise FormatError("the frames of the seek table do not fill the file")
    return entries
