"""The LZ4 frame format 1.6: headers, and the walk over joined frames. No compression happens here."""

from __future__ import annotations

import struct
from enum import Enum
from typing import NamedTuple

import xxhash

from fpga_accel.errors import FormatError, TruncatedError
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.codecs import SKIPPABLE

MAGIC = 0x184D2204
LEGACY_MAGIC = 0x184C2102
END_MARK = bytes(4)
_MAGICS = (MAGIC.to_bytes(4, "little"), LEGACY_MAGIC.to_bytes(4, "little"))

# Block maximum sizes and their codes in the BD byte.
BLOCK_CODES = {64 << 10: 4, 256 << 10: 5, 1 << 20: 6, 4 << 20: 7}
_BLOCK_SIZES = {code: size for size, code in BLOCK_CODES.items()}
LEGACY_BLOCK = 8 << 20
# What such a block can grow to, as the block format bounds it.
LEGACY_BLOCK_BOUND = LEGACY_BLOCK + LEGACY_BLOCK // 255 + 16

# Flag bits of the FLG byte that are looked at in more than one place.
HAS_CONTENT_SIZE = 0x08
IS_INDEPENDENT = 0x20

# Row flags of the kernels, as in kernels/lz4/params.h.
ROW_STORED = 1
ROW_CHECK = 2
ROW_LINKED = 4
ROW_LINKED_CHECK = 8

# How far back a match may reach.
HISTORY = 64 << 10

# No LZ4 stream grows by more: a length byte of 255 stands for 255 bytes.
MAX_EXPANSION = 255
_WORD = 4


class FrameHeader(NamedTuple):
    """A frame descriptor.

    Attributes
    ----------
    block_size : int
        Largest decoded block, in bytes.
    size : int
        Bytes of the header itself, magic included.
    """

    block_size: int
    independent: bool = True
    block_checksum: bool = False
    content_checksum: bool = False
    content_size: int | None = None
    size: int = 0
    legacy: bool = False

    def pack(self) -> bytes:
        """Return the header's bytes.

        Examples
        --------
        >>> FrameHeader(65536, content_size=5).pack().hex()
        '04224d186840050000000000000061'
        """
        flags = 0x40 | self.independent << 5 | self.flags
        size = b""
        if self.content_size is not None:
            flags |= HAS_CONTENT_SIZE
            size = struct.pack("<Q", self.content_size)
        descriptor = bytes([flags, BLOCK_CODES[self.block_size] << 4]) + size
        return struct.pack("<I", MAGIC) + descriptor + bytes([_header_check(descriptor)])

    @property
    def flags(self) -> int:
        """The bits of the FLG byte that are about checksums."""
        return self.block_checksum << 4 | self.content_checksum << 2

    @property
    def packed_size(self) -> int:
        """Bytes of the header as `pack` makes it."""
        return 7 if self.content_size is None else 15


def is_magic(word: int) -> bool:
    """Whether a word starts a frame of any kind."""
    return word in (MAGIC, LEGACY_MAGIC) or word in SKIPPABLE


def starts(start: bytes) -> bool:
    """Whether data that begins so looks like a frame."""
    return start[:4] in _MAGICS


def header_rest(start: bytes) -> int:
    """Return how many bytes of a header come behind magic, FLG and BD."""
    return 1 + 8 * bool(start[4] & HAS_CONTENT_SIZE) + 4 * (start[4] & 0x01)


def _header_check(descriptor: bytes | memoryview) -> int:
    return xxhash.xxh32_intdigest(bytes(descriptor)) >> 8 & 0xFF


class Sort(Enum):
    """What starts at a position."""

    FRAME = "frame"
    SKIPPABLE = "skippable"
    END = "end"


def word_at(data: Flat, position: int) -> int:
    """Return the little-endian 32-bit word at `position`."""
    if position + _WORD > len(data):
        raise TruncatedError(f"LZ4 data ends at byte {len(data)}, inside a field at {position}")
    return int.from_bytes(data[position : position + _WORD], "little")


def sort_at(data: memoryview, position: int) -> Sort:
    """Tell what starts at `position` by its magic number.

    Raises
    ------
    FormatError
        Nothing that LZ4 knows starts there.
    """
    if position == len(data):
        return Sort.END
    magic = word_at(data, position)
    if magic in SKIPPABLE:
        return Sort.SKIPPABLE
    if magic in (MAGIC, LEGACY_MAGIC):
        return Sort.FRAME
    where = "starts with" if position == 0 else f"goes on at byte {position} with"
    raise FormatError(f"LZ4 data {where} 0x{magic:08x}, which is no LZ4 magic number")


def skip(data: memoryview, position: int) -> int:
    """Return the position behind the skippable frame at `position`."""
    end = position + 2 * _WORD + word_at(data, position + _WORD)
    if end > len(data):
        raise TruncatedError(f"LZ4 data ends at byte {len(data)}, inside a skippable frame up to {end}")
    return end


def parse_header(data: Flat, position: int = 0, *, plausible: bool = True) -> FrameHeader:
    """Read the frame header at `position`; `plausible` compares the content size with the bytes there are.

    Raises
    ------
    TruncatedError, FormatError
        The header is cut off or breaks the format, or wants a dictionary.
    """
    if word_at(data, position) == LEGACY_MAGIC:
        return FrameHeader(LEGACY_BLOCK, size=_WORD, legacy=True)
    start = position + _WORD
    if start + 2 > len(data):
        raise TruncatedError(f"LZ4 data ends at byte {len(data)}, inside a frame header")
    flags, block = data[start], data[start + 1]
    if flags >> 6 != 1:
        raise FormatError(f"LZ4 frame version {flags >> 6}, only 1 is defined")
    if flags & 0x02 or block & 0x8F:
        raise FormatError("LZ4 frame header has reserved bits set")
    if block >> 4 not in _BLOCK_SIZES:
        raise FormatError(f"LZ4 block size code {block >> 4}; 4 to 7 are defined")
    has_size, has_dictionary = bool(flags & HAS_CONTENT_SIZE), bool(flags & 0x01)
    end = start + 2 + 8 * has_size + 4 * has_dictionary
    if end + 1 > len(data):
        raise TruncatedError(f"LZ4 data ends at byte {len(data)}, inside a frame header")
    if data[end] != _header_check(data[start:end]):
        raise FormatError("the checksum of the LZ4 frame header is wrong")
    if has_dictionary:
        raise FormatError("the LZ4 frame needs a dictionary, which is not supported")
    # A declared size of 0 means "unknown" to the LZ4 library, and so to everyone.
    content_size = (int.from_bytes(data[start + 2 : start + 10], "little") or None) if has_size else None
    header = FrameHeader(
        block_size=_BLOCK_SIZES[block >> 4],
        independent=bool(flags & IS_INDEPENDENT),
        block_checksum=bool(flags & 0x10),
        content_checksum=bool(flags & 0x04),
        content_size=content_size,
        size=end + 1 - position,
    )
    if plausible:
        check_plausible(header, len(data) - position)
    return header


def check_plausible(header: FrameHeader, available: int) -> None:
    """Refuse a declared content size that `available` bytes cannot hold, before anything is allocated."""
    if header.content_size is not None and header.content_size > available * MAX_EXPANSION:
        raise FormatError(
            f"the LZ4 frame declares {header.content_size} bytes of content, more than its {available} bytes can hold"
        )
