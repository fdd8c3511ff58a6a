"""Random access to BGZF files (SAM specification 4.1), with the ``.gzi`` index that ``bgzip -i`` writes or without."""

from __future__ import annotations

import builtins
import io
import itertools
import struct
from bisect import bisect_right
from dataclasses import dataclass
from os import PathLike
from typing import IO, Any

import numpy as np

from fpga_accel.accelerator import Accelerator, default_accelerator
from fpga_accel.errors import FormatError, TruncatedError
from fpga_accel.operations import gzip_member
from fpga_accel.operations.inflate_library import crc32
from fpga_accel.seekable import SeekableReader, Source, opened

# Bytes that hold the header of any block that `bgzip` writes.
_HEADER = 18
# Content of a byte of DEFLATE is at most 1032 bytes.
_MOST_CONTENT = 1032
_COUNT = struct.Struct("<Q")
_PAIR = np.dtype([("start", "<u8"), ("content", "<u8")])


@dataclass(frozen=True, slots=True)
class Index:
    """Where blocks start.

    Attributes
    ----------
    starts, contents
        Offsets of each block in the file and of its content, from the first block, at 0 and 0, to the end of the file.
    """

    starts: tuple[int, ...]
    contents: tuple[int, ...]

    @classmethod
    def of(cls, file: IO[bytes]) -> Index:
        """Walk the blocks of a file; only headers and trailers are read.

        Raises
        ------
        FormatError, TruncatedError
            It is no BGZF file.
        """
        return cls(*_walked(file, [0], [0]))

    @classmethod
    def read(cls, index: str | bytes | PathLike[Any] | IO[bytes], file: IO[bytes]) -> Index:
        """Read a ``.gzi`` index of `file`.

        Raises
        ------
        FormatError, TruncatedError
            It is none, or not that of the file.
        """
        data = _bytes_of(index)
        count = _COUNT.unpack_from(data)[0] if len(data) >= _COUNT.size else 0
        if len(data) != _COUNT.size + count * _PAIR.itemsize:
            raise FormatError(f"a .gzi index of {count} entries has {_COUNT.size + count * 16} bytes, not {len(data)}")
        pairs = np.frombuffer(data, _PAIR, count, _COUNT.size)
        starts, contents = [0, *pairs["start"].tolist()], [0, *pairs["content"].tolist()]
        if any(later <= earlier for earlier, later in itertools.pairwise(starts)):
            raise FormatError("the offsets of the .gzi index do not ascend")
        # Blocks may be empty.
        if any(later < earlier for earlier, later in itertools.pairwise(contents)):
            raise FormatError("the offsets of content of the .gzi index do not ascend")
        end = file.seek(0, io.SEEK_END)
        if starts[-1] > end or contents[-1] > _MOST_CONTENT * end:
            raise FormatError(f"the .gzi index goes on behind byte {end}, where the file ends")
        # The index ends where the last block that it knows starts.
        return cls(*_walked(file, starts, contents))

    def write(self, file: IO[bytes]) -> None:
        """Write the index as ``.gzi``: every block but the first, and not the empty last one."""
        ends = len(self.starts) - 1
        while ends > 1 and self.contents[ends - 1] == self.contents[ends]:
            ends -= 1
        pairs = np.empty(max(0, ends - 1), _PAIR)
        pairs["start"], pairs["content"] = self.starts[1:ends], self.contents[1:ends]
        file.write(_COUNT.pack(len(pairs)) + pairs.tobytes())


def _walked(file: IO[bytes], starts: list[int], contents: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Go on from the last of these starts to the end of the file."""
    end = file.seek(0, io.SEEK_END)
    while starts[-1] < end:
        file.seek(starts[-1])
        start = file.read(_HEADER)
        size = _block_size(file, starts[-1], start)
        file.seek(starts[-1] + size - gzip_member.TRAILER)
        _, content = gzip_member.trailer(file.read(gzip_member.TRAILER), 0)
        starts.append(starts[-1] + size)
        contents.append(contents[-1] + content)
    return tuple(starts), tuple(contents)


def _bytes_of(index: str | bytes | PathLike[Any] | IO[bytes]) -> bytes:
    if not isinstance(index, str | bytes | PathLike):
        return index.read()
    with builtins.open(index, "rb") as file:
        return file.read()


def _block_size(file: IO[bytes], position: int, start: bytes) -> int:
    if not gzip_member.bgzf_starts(start):
        # Its BC field may not be the first.
        start += file.read(1 << 16)
        header = gzip_member.parse_gzip_header(start, crc32)
        if not header.member_size:
            raise FormatError(f"the gzip member at byte {position} has no BC field: it is no BGZF block")
        return _checked(header.member_size, header.size, position)
    if len(start) < _HEADER:
        raise TruncatedError(f"BGZF data ends inside the header at byte {position}")
    return _checked(gzip_member.bgzf_block_size(start), _HEADER, position)


def _checked(size: int, header: int, position: int) -> int:
    if size < header + gzip_member.TRAILER:
        raise FormatError(f"the BGZF block at byte {position} says that it has {size} bytes, too few for its header")
    return size


class BgzfReader(SeekableReader):
    """Reads the content of a BGZF file at any position; made by `open`."""

    def seek_virtual(self, offset: int) -> int:
        """Move to a virtual offset: that of a block in the file, times 65,536, and the offset in its content.

        Raises
        ------
        ValueError
            No block starts there, or its content is shorter.
        """
        start, within = offset >> 16, offset & 0xFFFF
        block = bisect_right(self._starts, start) - 1
        if start < 0 or self._starts[block] != start:
            raise ValueError(f"no BGZF block starts at byte {start}")
        if block + 1 < len(self._contents) and within > self._contents[block + 1] - self._contents[block]:
            raise ValueError(f"the BGZF block at byte {start} holds fewer than {within} bytes")
        return self.seek(self._contents[block] + within)

    def tell_virtual(self) -> int:
        """Return the position as a virtual offset."""
        position = min(self.tell(), self.size)
        block = bisect_right(self._contents, position) - 1
        return self._starts[block] << 16 | position - self._contents[block]


def open(
    file: Source,
    index: str | bytes | PathLike[Any] | IO[bytes] | None = None,
    *,
    accelerator: Accelerator | None = None,
) -> BgzfReader:
    r"""Open a BGZF file for reading at any position.

    Parameters
    ----------
    file
        A path, or a binary file object that can seek, which stays open when the reader is closed.
    index
        A ``.gzi`` index, as a path or a binary file object; without one the file's blocks are walked.
    accelerator
        Where blocks are decompressed; by default the shared one.

    Raises
    ------
    FormatError, TruncatedError
        It is no BGZF file, or the index is not that of the file.

    Examples
    --------
    >>> from fpga_accel import Accelerator
    >>> acc = Accelerator("cpu")
    >>> with open(io.BytesIO(acc.compress(bytes(range(250)) * 1000, "bgzf")), accelerator=acc) as reader:
    ...     reader.seek(100_001), reader.read(3), reader.tell_virtual() & 0xFFFF
    (100001, b'\x01\x02\x03', 34724)
    """
    with opened(file) as (source, owned):
        found = Index.of(source) if index is None else Index.read(index, source)
        acc = accelerator or default_accelerator()
        return BgzfReader(source, acc, "bgzf", found.starts, found.contents, owned=owned)
