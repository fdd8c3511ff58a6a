"""The Snappy formats: streams of the framing format, raw streams, and what is wrong with them.

No compression happens here.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

import cramjam
import google_crc32c
import numpy as np
import numpy.typing as npt

from fpga_accel import _objects
from fpga_accel._host import ffi, lib
from fpga_accel.errors import (
    BufferTooSmallError,
    DeviceError,
    FormatError,
    IntegrityError,
    OutputLimitError,
    TruncatedError,
)
from fpga_accel.operations.buffers import Flat, Items, Sizes
from fpga_accel.operations.codecs import DecompressOptions, rows_and_checks
from fpga_accel.operations.contract import Errors, RowInput, RowOutput, kept
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import SEGMENT, Status, Table, address_of, words_at

# The content of a chunk of the framing format, and of what compressors cut raw streams into.
BLOCK = 64 << 10
IDENTIFIER = b"\xff\x06\x00\x00sNaPpY"
# Type and size in front of a chunk, and its checksum.
CHUNK_HEADER = 4
CHECKSUM = 4
# Chunk types.
COMPRESSED = 0
UNCOMPRESSED = 1
_MASK_DELTA = 0xA282EAD8
# Type and size of a chunk in one word, and its checksum.
_CHUNK = struct.Struct("<II")
# The size of the content in front of a raw stream is a varint of 32 bits.
LARGEST_RAW = 2**32 - 1
PREAMBLE = 5

# Elements that make 64 KiB of content, none of which is useless, are at most as many bytes: an element of two bytes
# each. Chunks that are larger are not decoded by streams, which bounds their memory.
LARGEST_CHUNK = CHECKSUM + 2 * BLOCK + 5
_ONE_CHUNK = len(IDENTIFIER) + CHUNK_HEADER + CHECKSUM

# Row flags of the kernels, as in kernels/snappy/params.h.
ROW_CHECK = 1
ROW_PREAMBLE = 2
ROW_STORED = 4

_ITEM: npt.DTypeLike = np.dtype([("content", "<u8"), ("rows", "<u8"), ("position", "<u8"), ("fault", "<u8")])


def starts(start: bytes) -> bool:
    """Whether data that starts so is a stream of the framing format."""
    return start.startswith(IDENTIFIER)


def head_of(nbytes: int, framed: bool) -> bytes:
    """Return what a stream with `nbytes` of content begins with.

    Examples
    --------
    >>> head_of(2097150, framed=False).hex()
    'feff7f'
    """
    out = ffi.new("uint8_t[]", len(IDENTIFIER))
    return bytes(ffi.buffer(out)[: lib.fa_snappy_head(out, nbytes, framed)])


def content_of_raw(stream: Flat) -> tuple[int, int]:
    """Return how many bytes a raw stream declares to hold, and the bytes that say so; 0 of these where none do."""
    content = ffi.new("uint64_t *")
    size = lib.fa_snappy_preamble(ffi.from_buffer("uint8_t[]", stream), len(stream), content)
    return int(content[0]), int(size)


class Found:
    """What some compressed items hold, by a look at everything but their elements.

    Attributes
    ----------
    rows
        To decode all that is sound so far by.
    errors
        Of the items that are not, or whose content is too large.
    """

    def __init__(self, items: Items, framed: bool, options: DecompressOptions) -> None:
        count = len(items)
        self._items = np.empty(count, _ITEM)
        self._items_at = ffi.cast("fa_snappy_t *", address_of(self._items))
        self._sources = (words_at(items.addresses), words_at(items.sizes), count, framed)
        # What `_sources` points at.
        self._inputs = items
        self._options = options
        self.rows = int(lib.fa_snappy_look(*self._sources, self._items_at))
        self.errors: Errors = {}
        self._note_faults()
        self._note_large()

    @property
    def contents(self) -> Sizes:
        """Bytes of each content, 0 where there is an error."""
        return np.where(self._items["fault"] == lib.FA_SNAPPY_SOUND, self._items["content"], 0).astype(np.uint64)

    def _note_large(self) -> None:
        large = (self._items["content"] > self._options.most) & (self._items["fault"] == lib.FA_SNAPPY_SOUND)
        for index in np.flatnonzero(large).tolist():
            try:
                self._options.check(int(self._items["content"][index]))
            except (OutputLimitError, BufferTooSmallError) as error:
                self.errors[index] = kept(error)
            self.rows -= int(self._items["rows"][index])
            # Not decoded, as items with a fault are not.
            self._items["fault"][index] = lib.FA_SNAPPY_NOT_DONE

    def _note_faults(self) -> None:
        for index in np.flatnonzero(self._items["fault"] != lib.FA_SNAPPY_SOUND).tolist():
            if index not in self.errors:
                item = self._items[index]
                position, content = int(item["position"]), int(item["content"])
                self.errors[index] = _FAULTS[int(item["fault"])](position, int(self._inputs.sizes[index]), content)

    def placed(self, targets: Sizes) -> tuple[Table, npt.NDArray[np.uint32]]:
        """Return rows for all sound items, whose contents go to `targets`, and the checksums they have to have."""
        table: Table = POOL.array(self.rows, SEGMENT)
        checks: npt.NDArray[np.uint32] = np.empty(self.rows, np.uint32)
        rows, checks_at = rows_and_checks(table, checks)
        lib.fa_snappy_place(*self._sources, self._items_at, words_at(targets), rows, checks_at)
        return table, checks

    def check(self, table: Table, results: Table, checks: npt.NDArray[np.uint32]) -> None:
        """Note what is wrong with the rows of `placed`.

        Raises
        ------
        DeviceError
            A row was not done.
        """
        rows, checks_at = rows_and_checks(table, checks)
        done = ffi.cast("result_t *", address_of(results))
        if lib.fa_snappy_check(len(self._items), rows, done, checks_at, self._items_at):
            for index in np.flatnonzero(self._items["fault"] == lib.FA_SNAPPY_NOT_DONE).tolist():
                if index not in self.errors:
                    raise DeviceError(f"snappy_decompress did not do row {self._items['position'][index]} of an item")
            self._note_faults()


# Makes an error of a position, the size of the input, and the content that it declares.
_FAULTS: dict[int, Callable[[int, int, int], Exception]] = {
    lib.FA_SNAPPY_CUT: lambda at, size, _: TruncatedError(
        f"Snappy data ends at byte {size}, inside the chunk or preamble at {at}" if size else "no Snappy in 0 bytes"
    ),
    lib.FA_SNAPPY_NO_IDENTIFIER: lambda at, size, _: FormatError(
        "Snappy data does not begin with a stream identifier", hint="raw streams are snappy-raw"
    ),
    lib.FA_SNAPPY_BAD_IDENTIFIER: lambda at, size, _: FormatError(f"bad Snappy stream identifier at byte {at}"),
    lib.FA_SNAPPY_RESERVED: lambda at, size, _: FormatError(
        f"the Snappy chunk at byte {at} is of a reserved type that must not be skipped"
    ),
    lib.FA_SNAPPY_BAD_SIZE: lambda at, size, _: FormatError(
        f"the Snappy chunk at byte {at} cannot hold the content that it declares, of which {BLOCK} bytes are the most"
    ),
    lib.FA_SNAPPY_BAD_PREAMBLE: lambda at, size, _: FormatError("the Snappy stream does not begin with a size"),
    lib.FA_SNAPPY_IMPLAUSIBLE: lambda at, size, content: TruncatedError(
        f"the Snappy stream declares {content} bytes of content, more than its {size} bytes can hold"
    ),
    lib.FA_SNAPPY_TOO_LONG: lambda at, size, _: FormatError(
        f"a raw Snappy stream of {size} bytes; {LARGEST_RAW} are the most"
    ),
    lib.FA_SNAPPY_BAD_ELEMENTS: lambda at, size, _: FormatError(f"malformed elements in block {at} of Snappy data"),
    lib.FA_SNAPPY_ELEMENTS_CUT: lambda at, size, _: TruncatedError(
        f"block {at} of Snappy data ends before all its content is there"
    ),
    lib.FA_SNAPPY_CHECKSUM: lambda at, size, _: IntegrityError(f"the checksum of Snappy chunk {at} is wrong"),
}


def crc_of(content: Flat) -> int:
    """Return CRC-32C."""
    # The library takes no views.
    return int(google_crc32c.value(content if isinstance(content, bytes) else bytes(content)))


def _masked(content: bytes) -> int:
    """Return the checksum as chunks hold it."""
    crc: int = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def _unmasked(check: int) -> int:
    crc = (check - _MASK_DELTA) & 0xFFFFFFFF
    return (crc << 15 | crc >> 17) & 0xFFFFFFFF


def chunk(content: bytes) -> tuple[bytes, Any]:
    """Return head and payload of the chunk that a block becomes, by the library."""
    payload: Any = cramjam.snappy.compress_raw(content)
    size, kind = len(payload), COMPRESSED
    if size >= len(content):
        payload, size, kind = content, len(content), UNCOMPRESSED
    return _CHUNK.pack(size + CHECKSUM << 8 | kind, _masked(content)), payload


def write_chunks(content: memoryview, out: memoryview) -> int:
    """Write the chunks that blocks become, by the library, into a buffer with room for the largest; return their bytes.

    Nothing is written behind them.
    """
    at = 0
    for start in range(0, len(content), BLOCK):
        for part in chunk(bytes(content[start : start + BLOCK])):
            out[at : at + len(part)] = part
            at += len(part)
    return at


def content_of_chunk(stream: Flat, most: int) -> bytes | None:
    """Decode a stream of one chunk by the library; None for all others, and where something is wrong."""
    if not _ONE_CHUNK < len(stream) < _ONE_CHUNK + LARGEST_CHUNK:
        return None
    held = stream if type(stream) is bytes else bytes(stream)
    if not held.startswith(IDENTIFIER):
        return None
    head, check = _CHUNK.unpack_from(held, len(IDENTIFIER))
    payload, kind = held[_ONE_CHUNK:], head & 0xFF
    if head >> 8 != len(payload) + CHECKSUM or kind > UNCOMPRESSED:
        return None
    content = payload if kind == UNCOMPRESSED else content_of_elements(payload, min(most, BLOCK))
    if content is None or len(content) > min(most, BLOCK) or _masked(content) != check:
        return None
    return content


def read_chunks(stream: memoryview, out: memoryview) -> int:
    """Write the content of a sound stream, by the library; return its bytes.

    Raises
    ------
    cramjam.DecompressionError
        There are elements that do not decode, a wrong checksum, or no room.
    """
    at = size = 0
    while at < len(stream):
        kind, end = stream[at], at + CHUNK_HEADER + int.from_bytes(stream[at + 1 : at + CHUNK_HEADER], "little")
        if kind <= UNCOMPRESSED:
            check = int.from_bytes(stream[at + CHUNK_HEADER : at + CHUNK_HEADER + CHECKSUM], "little")
            payload = stream[at + CHUNK_HEADER + CHECKSUM : end]
            size += read_chunk(payload, kind == UNCOMPRESSED, _unmasked(check), out[size : size + BLOCK])
        at = end
    return size


def read_chunk(payload: memoryview, stored: bool, check: int, out: memoryview) -> int:
    """Write the content of one chunk whose CRC-32C is to be `check`, in the same way."""
    if stored:
        size = len(payload)
        if size > len(out):
            raise cramjam.DecompressionError("no room for a chunk")
        out[:size] = payload
    else:
        size = cramjam.snappy.decompress_raw_into(payload, out)
    if crc_of(out[:size]) != check:
        raise cramjam.DecompressionError("a chunk with another checksum than declared")
    return size


def content_of_elements(stream: Flat, most: int) -> bytes | None:
    """Decode a raw stream by the library; None for none and more than `most` bytes, and where something is wrong."""
    if not 0 < _objects.snappy_plain_size(stream) <= most:
        return None
    try:
        return bytes(cramjam.snappy.decompress_raw(stream))
    except cramjam.DecompressionError:
        return None


def look_at(stream: Flat, framed: bool) -> tuple[int, bool]:
    """Return the content that one item declares, and whether it is sound so far; in the least time."""
    item = ffi.new("fa_snappy_t *")
    held = ffi.from_buffer("uint8_t[]", stream)
    sources, sizes = ffi.new("uint64_t *", int(ffi.cast("uintptr_t", held))), ffi.new("uint64_t *", len(held))
    lib.fa_snappy_look(sources, sizes, 1, framed, item)
    return int(item.content), item.fault == lib.FA_SNAPPY_SOUND


def decoded_row(row: RowInput) -> RowOutput:
    """Do what the decompression kernel does for one row, by the library."""
    if row.flags & ROW_STORED:
        if len(row.src) > row.capacity:
            return RowOutput(b"", Status.DST_TOO_SMALL)
        return _checked(bytes(row.src), row.flags)
    content, preamble = content_of_raw(row.src)
    if not preamble:
        return RowOutput(b"", Status.TRUNCATED if len(row.src) < PREAMBLE else Status.BAD_DATA)
    if content > row.capacity:
        return RowOutput(b"", Status.DST_TOO_SMALL)
    try:
        return _checked(bytes(cramjam.snappy.decompress_raw(row.src)), row.flags)
    except cramjam.DecompressionError as error:
        return RowOutput(b"", _status_of(str(error)))


def _checked(content: bytes, flags: int) -> RowOutput:
    return RowOutput(content, check=crc_of(content) if flags & ROW_CHECK else 0)


def _status_of(error: str) -> Status:
    """Tell input that ends too early from other bad input, by what the library says."""
    short = re.search(r"(?:literal|copy) read of length (\d+); remaining src: (\d+)", error)
    if short is not None:
        return Status.TRUNCATED if int(short[1]) > int(short[2]) else Status.BAD_DATA
    return Status.TRUNCATED if "header mismatch" in error else Status.BAD_DATA
