"""Zstandard frames (RFC 8878): their headers, the walk over joined ones, and seek tables. Nothing is decoded here."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from fpga_accel._host import ffi, lib
from fpga_accel.errors import FormatError, TruncatedError
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.codecs import SKIPPABLE
from fpga_accel.segments import Status

MAGIC = 0xFD2FB528
MAGIC_BYTES = MAGIC.to_bytes(4, "little")

# The most that a block holds, whatever the window (RFC 8878, 3.1.1.2.4).
BLOCK_LIMIT = 128 << 10
BLOCK_HEADER = 3
RLE_BLOCK = 1
COMPRESSED_BLOCK = 2
# A byte each of the headers of literals and sequences.
LEAST_COMPRESSED = 2
RESERVED_BLOCK = 3
CHECKSUM = 4

# Streams keep a window of the content in memory; the zstd command refuses more by default, too.
WINDOW_LIMIT = 128 << 20
# Windows of 2 GiB and more are refused by the reference decoder, whatever its limit.
_MOST_EXPONENT = 21

# Magic number and descriptor.
HEADER_START = 5
_WORD = 4


class FrameHeader(NamedTuple):
    """A frame's header.

    Attributes
    ----------
    size
        Bytes of the header itself, magic number included.
    window
        How far back matches may reach, in bytes.
    content_size
        None where it is not declared.
    checksum
        Whether the blocks are followed by the low 32 bits of the content's XXH64.
    """

    size: int
    window: int
    content_size: int | None
    checksum: bool

    @property
    def block_limit(self) -> int:
        """The most bytes that a block may take or hold."""
        return min(self.window, BLOCK_LIMIT)


def starts(start: bytes) -> bool:
    """Whether data that begins so looks like Zstandard."""
    return start[:4] == MAGIC_BYTES


def header_size(start: bytes) -> int:
    """Return the size of the header that begins with magic number and descriptor."""
    single, content, identifier = _fields(start[_WORD])
    return HEADER_START + (not single) + identifier + content


def _fields(descriptor: int) -> tuple[bool, int, int]:
    """Return whether the content is a single segment, and the sizes of content size and dictionary number."""
    single, code = bool(descriptor & 0x20), descriptor >> 6
    return single, (1 << code) if code else int(single), (1 << (descriptor & 3)) >> 1


def parse_header(data: Flat, position: int = 0) -> FrameHeader:
    """Read the frame header at `position`, whose magic number has been looked at.

    Raises
    ------
    TruncatedError, FormatError
        The header is cut off or breaks the format, or wants a dictionary.
    """
    start = bytes(data[position : position + HEADER_START])
    if len(start) < HEADER_START or len(data) - position < header_size(start):
        raise TruncatedError(f"Zstandard data ends at byte {len(data)}, inside a frame header")
    descriptor, at = start[_WORD], position + HEADER_START
    if descriptor & 0x08:
        raise FormatError("the Zstandard frame header has its reserved bit set")
    single, content_bytes, identifier_bytes = _fields(descriptor)
    window = 0
    if not single:
        exponent, mantissa = data[at] >> 3, data[at] & 7
        if exponent > _MOST_EXPONENT:
            raise FormatError(f"the Zstandard frame has a window of 2^{10 + exponent} bytes or more; 2^31 are the most")
        window = (8 + mantissa) << (7 + exponent)
        at += 1
    identifier = int.from_bytes(data[at : at + identifier_bytes], "little")
    if identifier:
        raise FormatError(f"the Zstandard frame needs dictionary {identifier}; dictionaries are not supported")
    at += identifier_bytes
    content = None
    if content_bytes:
        content = int.from_bytes(data[at : at + content_bytes], "little") + (256 if content_bytes == 2 else 0)
    return FrameHeader(
        size=header_size(start),
        window=content or 0 if single else window,
        content_size=content,
        checksum=bool(descriptor & 0x04),
    )


class Frame(NamedTuple):
    """A frame with content, whose headers are all there and in order.

    Attributes
    ----------
    start, size
        Where it lies.
    content
        Bytes that it declares to hold or, where not `known`, the most that its blocks can hold.
    window
        How far back its matches may reach.
    """

    start: int
    size: int
    content: int
    window: int
    known: bool


def frames(data: memoryview) -> Iterator[Frame]:
    """Yield the frames with content; skippable ones are passed over.

    Raises
    ------
    TruncatedError, FormatError
        At the first frame that is cut off or broken, by its headers alone.
    """
    if not len(data):
        raise TruncatedError("no Zstandard frame in 0 bytes")
    about = ffi.new("uint64_t[]", lib.FA_ZSTD_ABOUT)
    position = 0
    while position < len(data):
        # No buffer is held where an error leaves: its traceback would hold it and `data`, and a garbage collection of
        # both crashes.
        size = lib.fa_zstd_frame(ffi.from_buffer("uint8_t[]", data) + position, len(data) - position, about)
        if size < 0:
            raise _refusal(data, position, Status(-size), int(about[0]))
        if about[2] != lib.FA_ZSTD_SKIPPABLE:
            yield Frame(position, size, int(about[0]), int(about[1]), about[2] == lib.FA_ZSTD_KNOWN)
        position += size


def _refusal(data: memoryview, position: int, status: Status, content: int) -> FormatError:
    """Say what is wrong with the frame at `position`."""
    if status == Status.TRUNCATED:
        return TruncatedError(f"Zstandard data ends at byte {len(data)}, inside the frame at {position}")
    magic = int.from_bytes(data[position : position + _WORD], "little")
    if magic != MAGIC:
        where = "starts with" if position == 0 else f"goes on at byte {position} with"
        return FormatError(f"Zstandard data {where} 0x{magic:08x}, which is no magic number of it")
    try:
        header = parse_header(data, position)
    except FormatError as error:
        return error
    if header.content_size is not None and content == header.content_size:
        return FormatError(
            f"the Zstandard frame at byte {position} declares {content} bytes of content, more than its blocks can hold"
        )
    return FormatError(f"the Zstandard frame at byte {position} has a block of a size or type that is none")


# ---- the seekable format, version 0.1.0: a skippable frame at the end lists all frames ----

_SEEK_MAGIC = 0x8F92EAB1
_SEEK_FRAME = SKIPPABLE[0xE]
# Number of frames, descriptor, magic number.
SEEK_FOOTER = struct.Struct("<IBI")
_SEEK_HEAD = struct.Struct("<II")
_HAS_CHECKSUMS = 0x80
_RESERVED = 0x7C


class SeekEntry(NamedTuple):
    """What a seek table says of one frame: its size, that of its content, and the low 32 bits of that one's XXH64."""

    compressed: int
    content: int
    checksum: int | None = None


def seek_table_size(footer: bytes) -> int:
    """Return the size of the skippable frame that holds the seek table and ends with `footer`.

    Raises
    ------
    FormatError
        It is no footer of a seek table.
    """
    if len(footer) < SEEK_FOOTER.size:
        raise TruncatedError(f"{len(footer)} bytes hold no seek table")
    count, descriptor, magic = SEEK_FOOTER.unpack(footer[-SEEK_FOOTER.size :])
    if magic != _SEEK_MAGIC:
        raise FormatError("the data ends with no seek table", hint="only the seekable format has random access")
    if descriptor & _RESERVED:
        raise FormatError("the seek table has reserved bits set")
    size: int = _SEEK_HEAD.size + count * (12 if descriptor & _HAS_CHECKSUMS else 8) + SEEK_FOOTER.size
    return size


def parse_seek_table(table: bytes) -> list[SeekEntry]:
    """Read the skippable frame that holds a seek table.

    Raises
    ------
    FormatError
        It does not hold one.
    """
    magic, size = _SEEK_HEAD.unpack_from(table)
    if magic != _SEEK_FRAME or size != len(table) - _SEEK_HEAD.size:
        raise FormatError("the seek table is in no skippable frame of its size")
    count, descriptor, _ = SEEK_FOOTER.unpack(table[-SEEK_FOOTER.size :])
    entry = struct.Struct("<III" if descriptor & _HAS_CHECKSUMS else "<II")
    body = table[_SEEK_HEAD.size : _SEEK_HEAD.size + count * entry.size]
    return [SeekEntry(*fields) for fields in entry.iter_unpack(body)]
