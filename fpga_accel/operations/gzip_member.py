"""Headers and trailers of gzip members (RFC 1952), zlib streams (RFC 1950) and BGZF blocks (SAM specification 4.1)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from fpga_accel._host import ffi, lib
from fpga_accel.errors import FormatError, TruncatedError
from fpga_accel.operations.buffers import Flat

# Computes CRC-32.
CrcOf = Callable[[Flat], int]

MAGIC = b"\x1f\x8b\x08"
PLAIN_HEADER = 10
# CRC-32 and ISIZE.
TRAILER = 8
ADLER = 4
# Of a zlib header: the method, and log2 of the largest window, 32 KiB, less 8.
_DEFLATE, LARGEST_WINDOW = 8, 7
# 258 bytes of two bits: no stream of so many bytes holds more than this factor.
MAX_EXPANSION = 1032

_STARTS_AT_ONCE = 256

_HAS_TEXT, _HAS_CRC, _HAS_EXTRA, _HAS_NAME, _HAS_COMMENT, _RESERVED = 1, 2, 4, 8, 16, 0xE0
# Flags of parts that nothing has to be checked of.
TEXT_NAME_COMMENT = _HAS_TEXT | _HAS_NAME | _HAS_COMMENT
_BC = b"BC\x02\x00"
# The extra field that `bgzip` writes: its size, and BC as all there is.
_ONLY_BC = b"\x06\x00" + _BC
# ISIZE of a BGZF block is at most this (SAM specification, 4.1).
BGZF_CONTENT = 1 << 16
# The header of a block as `bgzip` writes it; its last 2 bytes are the block's size less 1.
BGZF_HEADER = 18
# An empty member of BGZF, which ends a file.
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


class Header(NamedTuple):
    """The header of a gzip member.

    Attributes
    ----------
    size
        Bytes of the header.
    member_size
        Bytes of the whole member as a BGZF block tells it; 0 where it is none.
    """

    size: int
    member_size: int


class Member(NamedTuple):
    """Where a BGZF block lies: its deflate stream from `start` to `end`, and what its trailer says."""

    start: int
    end: int
    crc: int
    content_size: int


def starts(start: bytes) -> bool:
    """Whether data that begins so is a gzip member, BGZF or not."""
    return start[:3] == MAGIC


def likely_starts(data: Flat) -> Iterator[int]:
    """Yield where a magic number and possible flags stand, by chance or because a member starts there."""
    found, position = ffi.new("uint64_t[]", _STARTS_AT_ONCE), 0
    while count := lib.fa_gzip_starts(ffi.from_buffer("uint8_t[]", data), len(data), position, found, _STARTS_AT_ONCE):
        yield from found[0:count]
        position = found[count - 1] + 1


def bgzf_starts(start: bytes) -> bool:
    """Whether data that begins so is BGZF, as `bgzip` writes it: the BC field is all that is beside the stream."""
    return start[:3] == MAGIC and start[3:4] == b"\x04" and start[10:16] == _ONLY_BC


def bgzf_block_size(start: Flat) -> int:
    """Return the bytes of the BGZF block that begins so."""
    return int.from_bytes(start[BGZF_HEADER - 2 : BGZF_HEADER], "little") + 1


def zlib_starts(start: bytes) -> bool:
    """Whether data that begins so is a zlib stream."""
    if len(start) < 2 or (start[0] << 8 | start[1]) % 31:
        return False
    return start[0] & 15 == _DEFLATE and start[0] >> 4 <= LARGEST_WINDOW


def parse_gzip_header(data: Flat, crc_of: CrcOf, position: int = 0) -> Header:
    """Read the header of the gzip member at `position`; `crc_of` is needed for headers with a check of their own.

    Raises
    ------
    FormatError, TruncatedError
        It is none, or not all there.
    """
    magic = bytes(data[position : position + 3])
    if magic != MAGIC[: len(magic)]:
        raise FormatError(f"no gzip member at byte {position}: it starts with {magic.hex()}")
    if len(data) - position < PLAIN_HEADER:
        raise TruncatedError(f"gzip data ends at byte {len(data)}, inside a header")
    flags = data[position + 3]
    if flags & _RESERVED:
        raise FormatError(f"the gzip member at byte {position} has reserved flags 0x{flags & _RESERVED:02x}")
    at, member_size = position + PLAIN_HEADER, 0
    if flags & _HAS_EXTRA:
        length = _word(data, at)
        at += 2
        if len(data) - at < length:
            raise TruncatedError(f"gzip data ends at byte {len(data)}, inside an extra field")
        member_size = _bgzf_size(bytes(data[at : at + length]))
        at += length
    for flag in (_HAS_NAME, _HAS_COMMENT):
        if flags & flag:
            at = _behind_text(data, at)
    if flags & _HAS_CRC:
        stated = _word(data, at)
        if stated != crc_of(data[position:at]) & 0xFFFF:
            raise FormatError(f"the header of the gzip member at byte {position} has a wrong CRC")
        at += 2
    return Header(at - position, member_size)


def _word(data: Flat, at: int) -> int:
    if len(data) - at < 2:
        raise TruncatedError(f"gzip data ends at byte {len(data)}, inside a header")
    return int.from_bytes(data[at : at + 2], "little")


def _behind_text(data: Flat, at: int) -> int:
    step = 1 << 10
    while at < len(data):
        found = bytes(data[at : at + step]).find(b"\0")
        if found >= 0:
            return at + found + 1
        at += step
    raise TruncatedError(f"gzip data ends at byte {len(data)}, inside a name or comment")


def _bgzf_size(extra: bytes) -> int:
    at = 0
    while len(extra) - at >= 4:
        length = int.from_bytes(extra[at + 2 : at + 4], "little")
        if extra[at : at + 4] == _BC and len(extra) - at >= 6:
            return int.from_bytes(extra[at + 4 : at + 6], "little") + 1
        at += 4 + length
    return 0


def bgzf_members(data: Flat, crc_of: CrcOf) -> Iterator[Member]:
    """Yield where the blocks of BGZF data lie.

    Raises
    ------
    FormatError, TruncatedError
        What stands there is no BGZF block, or not all there.
    """
    position = 0
    while position < len(data):
        start = bytes(data[position : position + BGZF_HEADER])
        if len(start) == BGZF_HEADER and bgzf_starts(start):
            # As `bgzip` writes it: in the least time.
            header = Header(BGZF_HEADER, bgzf_block_size(start))
        else:
            header = parse_gzip_header(data, crc_of, position)
        if not header.member_size:
            raise FormatError(f"the gzip member at byte {position} has no BC field: it is no BGZF block")
        end = position + header.member_size
        if end > len(data):
            raise TruncatedError(f"BGZF data ends at byte {len(data)}, inside the block at byte {position}")
        if header.member_size < header.size + TRAILER:
            raise FormatError(f"the BGZF block at byte {position} claims only {header.member_size} bytes")
        crc, content_size = trailer(data, end - TRAILER)
        yield Member(position + header.size, end - TRAILER, crc, content_size)
        position = end


def content_size(members: Iterable[Member]) -> int:
    """Return the bytes that members hold together, as they declare them."""
    return sum(member.content_size for member in members)


def trailer(data: Flat, position: int) -> tuple[int, int]:
    """Return the CRC-32 and the size modulo 2**32 that stand behind a gzip member's stream.

    Raises
    ------
    TruncatedError
        They are not there.
    """
    if len(data) - position < TRAILER:
        raise TruncatedError(f"gzip data ends at byte {len(data)}, before the trailer of a member")
    crc, size = _TRAILER.unpack_from(data, position)
    return crc, size


_TRAILER = struct.Struct("<II")


def check_zlib_header(data: Flat) -> int:
    """Check the header of a zlib stream; return its size.

    Raises
    ------
    FormatError, TruncatedError
        It is none, it needs a dictionary, or it is not all there.
    """
    if len(data) < 2:
        raise TruncatedError(f"no zlib stream in {len(data)} bytes")
    if not zlib_starts(bytes(data[:2])):
        raise FormatError(f"no zlib stream starts with {bytes(data[:2]).hex()}")
    if data[1] & 0x20:
        raise FormatError("the zlib stream needs a preset dictionary")
    return 2
