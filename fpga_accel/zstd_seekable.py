"""Random access to files of the seekable Zstandard format: only the frames that are needed are decompressed."""

from __future__ import annotations

import io
from itertools import accumulate
from typing import IO

import xxhash

from fpga_accel.accelerator import Accelerator, default_accelerator
from fpga_accel.errors import FormatError, IntegrityError, TruncatedError
from fpga_accel.operations import zstd_frame
from fpga_accel.seekable import SeekableReader, Source, opened


def open(file: Source, *, accelerator: Accelerator | None = None) -> SeekableReader:
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
    with opened(file) as (source, owned):
        entries = _seek_table(source)
        return _Reader(source, accelerator or default_accelerator(), entries, owned=owned)


class _Reader(SeekableReader):
    """Compares frames with the checksums of the seek table."""

    def __init__(self, file: IO[bytes], acc: Accelerator, entries: list[zstd_frame.SeekEntry], *, owned: bool) -> None:
        self._entries = entries
        starts = [0, *accumulate(entry.compressed for entry in self._entries)]
        contents = [0, *accumulate(entry.content for entry in self._entries)]
        super().__init__(file, acc, "zstd", starts, contents, owned=owned)

    def _parts(self, first: int, last: int) -> bytes:
        content = super()._parts(first, last)
        view, before = memoryview(content), self._contents[first]
        for number in range(first, last):
            checksum = self._entries[number].checksum
            part = view[self._contents[number] - before : self._contents[number + 1] - before]
            if checksum is not None and xxhash.xxh64_intdigest(part) & 0xFFFFFFFF != checksum:
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
