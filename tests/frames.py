"""LZ4 frames made by hand, to the specification of the frame format 1.6; nothing here is from fpga_accel."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import lz4.block
import xxhash

MAGIC, LEGACY_MAGIC, SKIPPABLE_MAGIC = 0x184D2204, 0x184C2102, 0x184D2A50
END = bytes(4)
LEGACY_BLOCK = 8 << 20


def word(value: int) -> bytes:
    """Return 32 bits, little-endian."""
    return struct.pack("<I", value)


def xxh32(data: bytes) -> bytes:
    """Return a checksum as it stands in a frame."""
    return word(xxhash.xxh32_intdigest(data))


def header(
    code: int = 4,
    *,
    independent: bool = True,
    block_checksum: bool = False,
    content_checksum: bool = False,
    content_size: int | None = None,
    dictionary: int | None = None,
    flags: int = 0,
    block_flags: int = 0,
) -> bytes:
    """Return a frame header; `flags` and `block_flags` are set besides."""
    has_size, has_dictionary = content_size is not None, dictionary is not None
    flags |= 0x40 | independent << 5 | block_checksum << 4 | has_size << 3 | content_checksum << 2 | has_dictionary
    descriptor = bytes([flags, code << 4 | block_flags])
    if content_size is not None:
        descriptor += struct.pack("<Q", content_size)
    if dictionary is not None:
        descriptor += word(dictionary)
    return word(MAGIC) + descriptor + bytes([xxhash.xxh32_intdigest(descriptor) >> 8 & 0xFF])


def block(payload: bytes, *, stored: bool = False, checksum: bool = False) -> bytes:
    """Return a block: its header, the payload, and its checksum."""
    return word(len(payload) | stored << 31) + payload + (xxh32(payload) if checksum else b"")


def packed(data: bytes) -> bytes:
    """Return LZ4 block data."""
    made: bytes = lz4.block.compress(data, store_size=False)
    return made


def stored_frame(data: bytes, block_size: int = 64 << 10) -> bytes:
    """Return a frame of uncompressed blocks."""
    pieces = (data[start : start + block_size] for start in range(0, len(data), block_size))
    return header() + b"".join(block(piece, stored=True) for piece in pieces) + END


def skippable(data: bytes, number: int = 0) -> bytes:
    """Return a skippable frame, of which there are 16 numbers."""
    return word(SKIPPABLE_MAGIC + number) + word(len(data)) + data


def legacy(data: bytes) -> bytes:
    """Return a frame of the format before 2012: 8 MiB blocks, no EndMark."""
    pieces = (data[start : start + LEGACY_BLOCK] for start in range(0, len(data), LEGACY_BLOCK))
    return word(LEGACY_MAGIC) + b"".join(block(packed(piece)) for piece in pieces)


def linked_by_hand(pieces: Sequence[bytes], *, checksum: bool = False) -> bytes:
    """Return a linked frame with one block a piece, whatever the pieces' sizes."""
    made, history = header(independent=False, block_checksum=checksum), b""
    for piece in pieces:
        payload = lz4.block.compress(piece, store_size=False, dict=history[-65536:])
        made += block(payload, checksum=checksum)
        history += piece
    return made + END


def block_ends(frame: bytes, *, checksum: bool = False) -> list[int]:
    """Return the positions behind the header and behind each block of a frame without dictionary."""
    position = 7 + 8 * bool(frame[4] & 0x08)
    ends = [position]
    while (size := int.from_bytes(frame[position : position + 4], "little")) != 0:
        position += 4 + (size & 0x7FFFFFFF) + 4 * checksum
        ends.append(position)
    return ends


def has_offset_0(payload: bytes) -> bool:
    """Whether block data holds a match of offset 0: invalid by the format, yet the library decodes it (to zeros)."""
    at = 0

    def length(nibble: int) -> int:
        nonlocal at
        while nibble >= 15 and at < len(payload):
            at += 1
            nibble += payload[at - 1]
            if payload[at - 1] != 255:
                break
        return nibble

    while at < len(payload):
        token = payload[at]
        at += 1
        at += length(token >> 4)
        if at + 2 > len(payload):
            break
        if payload[at : at + 2] == b"\0\0":
            return True
        at += 2
        length(token & 15)
    return False


def may_have_offset_0(data: bytes) -> bool:
    """Whether any block of any frame in `data`, legacy or not, may hold a match of offset 0."""
    magics = word(MAGIC), word(LEGACY_MAGIC)
    return any(_frame_has_offset_0(data[at:]) for at in range(len(data) - 7) if data[at : at + 4] in magics)


def _frame_has_offset_0(frame: bytes) -> bool:
    legacy_frame = frame[:4] == word(LEGACY_MAGIC)
    position, checksum = (4, 0) if legacy_frame else (7 + 8 * bool(frame[4] & 8), frame[4] & 16)
    while position + 4 <= len(frame) and (size := int.from_bytes(frame[position : position + 4], "little")):
        start = position + 4
        position = start + (size & 0x7FFFFFFF) + (4 if checksum else 0)
        if not size >> 31 and has_offset_0(frame[start : start + size]):
            return True
    return False
