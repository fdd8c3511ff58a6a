"""Deflate streams and gzip members decoded on the CPU by calls of the library alone: one by one, many, and ahead."""

from __future__ import annotations

import itertools
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

from isal import igzip_lib, isal_zlib

from fpga_accel._host import ffi, lib
from fpga_accel._objects import WholeStreams
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import FormatError, IntegrityError, TruncatedError
from fpga_accel.operations import gzip_member
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.codecs import DecompressOptions
from fpga_accel.operations.gzip_member import BGZF_CONTENT, BGZF_END, BGZF_HEADER, MAX_EXPANSION, TRAILER, Member


class Likely(NamedTuple):
    """What a stream's size and that of its content probably are, in bytes; 0 where nothing tells."""

    stream: int = 0
    content: int = 0


class Decoded(NamedTuple):
    """The content of a first gzip member, and where the member ends."""

    content: bytes
    end: int


# Decodes the raw stream that bytes start with, of at most so much content; returns content and size of the stream.
StreamDecoder = Callable[[memoryview, Likely, DecompressOptions, int], tuple[bytes, int]]

# The stubs of the library call its error's class an instance.
_Malformed = cast("type[Exception]", isal_zlib.IsalError)

# Bits of a block's header that are clear where it is stored (RFC 1951 §3.2.3).
STORED_MASK = 0b110
# What the CPU library is given at once of a stream whose end is unknown: twice as much each time.
_FIRST_PIECE, _LARGEST_PIECE = 64 << 10, 4 << 20
# Members from so many bytes on take less time, a tenth where they expand much, if the library is told their size.
_TOLD_FROM = 16 << 10
# What the library is given at once of a member that is written where it belongs.
_PIECE = 256 << 10
# Of a BGZF block with neither time nor system: all of its header but its size.
USUAL_START = BGZF_END[: BGZF_HEADER - 2]


def crc32(data: Flat) -> int:
    """Return the CRC-32."""
    value: int = isal_zlib.crc32(data)
    return value


def check(declared: tuple[int, int], size: int, crc: int) -> None:
    """Check size and CRC-32 of a member's content against those that it declares."""
    if declared[0] != size & 0xFFFFFFFF:
        raise IntegrityError(f"a gzip member declares {declared[0]} bytes and holds {size}")
    if declared[1] != crc:
        raise IntegrityError("the CRC-32 of a gzip member is wrong")


def _within(options: DecompressOptions, produced: int, most: int) -> None:
    """Refuse more than was allowed, where a decoder stopped at more than `most`."""
    options.check(produced + most + 1)


def _decoded(
    library: Any, data: memoryview, likely: Likely, options: DecompressOptions, produced: int
) -> tuple[bytes, int]:
    """Decode a raw stream on the CPU; what stands behind it may be long."""
    most = options.most - produced
    decoder = library.decompressobj(-15)
    parts, size, at, piece = [], 0, 0, max(_FIRST_PIECE, likely.stream)
    # The library makes room as it goes, but for the last time where it knows what it may need: up to 1.3 times as fast.
    expected = likely.content + 1 if likely.content else 0
    try:
        while not decoder.eof:
            part: bytes | memoryview = decoder.unconsumed_tail
            if not part:
                part = data[at : at + piece]
                at, piece = at + len(part), min(2 * piece, max(_LARGEST_PIECE, likely.stream))
            if not part:
                raise TruncatedError(f"a deflate stream is not at its end after {len(data)} bytes")
            room = 0 if options.max_output is None else _one_more(most - size)
            parts.append(decoder.decompress(part, min(room or expected, expected or room)))
            size, expected = size + len(parts[-1]), 0
            if size > most:
                _within(options, produced, most)
    except (_Malformed, zlib.error) as error:
        raise FormatError(f"malformed deflate stream: {error}") from None
    return parts[0] if len(parts) == 1 else b"".join(parts), at - len(decoder.unused_data)


by_library: StreamDecoder = partial(_decoded, isal_zlib)
by_zlib: StreamDecoder = partial(_decoded, zlib)


def _one_more(most: int) -> int:
    """Return the room that tells content of `most` bytes from larger one; in a call of the library, 0 is no limit."""
    return min(most, sys.maxsize - 1) + 1


def in_one(data: Flat, wbits: int, most: int | None = None) -> bytes | None:
    """Decode what is one stream and nothing else in one call of the library, else return None.

    So for content of more than `most` bytes.
    """
    found = first(data, wbits, most)
    return found[0] if found is not None and found[1] == len(data) else None


# What IgzipDecompressor calls the formats, by zlib's numbers: of the library's two decoders the one that makes room for
# all of the content at once where it is told how much.
_FLAGS: Mapping[int, int] = {-15: igzip_lib.DECOMP_DEFLATE, 15: igzip_lib.DECOMP_ZLIB, 31: igzip_lib.DECOMP_GZIP}


def first(data: Flat, wbits: int, most: int | None, likely: int = 0) -> tuple[bytes, int] | None:
    """Return the content of the stream that data starts with, and the stream's size; else None.

    `likely` is how many bytes of content it may have, for which room is made.
    """
    decoder = igzip_lib.IgzipDecompressor(_FLAGS[wbits])
    room = likely if most is None else most
    try:
        content: bytes = decoder.decompress(data, -1 if most is None and not likely else _one_more(room))
        if most is None and likely and not decoder.eof:
            content += decoder.decompress(b"")
    except _Malformed:
        return None
    if not decoder.eof or (most is not None and len(content) > most):
        return None
    return content, len(data) - len(decoder.unused_data)


def each_in_one(
    items: Sequence[Flat],
    wbits: int,
    tail: bytes = b"",
    other: Callable[[Any, bytes, int], bytes | None] | None = None,
) -> Iterator[bytes]:
    """Return the contents of many items one after the other, each a stream and perhaps a tail.

    What is behind another's stream goes to `other`, with the item and that content. ValueError or an error of the
    library for the first that nothing becomes of.
    """
    return WholeStreams(igzip_lib.IgzipDecompressor, _FLAGS[wbits], items, tail, other)


def all_in_one(items: Sequence[Flat], wbits: int, tail: bytes = b"") -> list[bytes] | None:
    """Return the contents of such items, None where one is not."""
    try:
        return list(each_in_one(items, wbits, tail))
    except (ValueError, _Malformed):
        return None


def is_for_library(data: Flat, position: int = 0) -> bool:
    """Whether the library looks at all of the header of the gzip member at `position`."""
    return len(data) > position + 3 and data[position + 3] & ~gzip_member.TEXT_NAME_COMMENT == 0


def members_by_library(data: Flat) -> bytes | None:
    """Decode gzip members by nothing but calls of the library; None where that is not enough."""
    found = first(data, 31, None, only(data).content if len(data) >= _TOLD_FROM else 0)
    if found is None or found[1] == len(data):
        return found and found[0]
    return members_behind(data, found[0], len(data) - found[1])


def members_behind(data: Any, content: bytes, behind: int) -> bytes | None:
    """Do the same with what has a first member of some content, and so many bytes of others behind it."""
    view = memoryview(data)
    contents, end = [content], len(view) - behind
    try:
        while end < len(view):
            if not is_for_library(view, end):
                return None
            decoder = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP)
            # What is behind a member is copied, so most are not given all of it.
            for size in (_FIRST_PIECE, len(view)):
                piece = view[end : end + size]
                contents.append(decoder.decompress(piece))
                end += len(piece)
                if decoder.eof:
                    break
            if not decoder.eof:
                return None
            end -= len(decoder.unused_data)
    except _Malformed:
        return None
    return b"".join(contents)


def blocks_by_library(data: Flat) -> bytes | None:
    """Decode blocks of BGZF with the header that `bgzip` writes."""
    last = len(data) - len(BGZF_END)
    stop = last if data[-len(BGZF_END) :] == BGZF_END else len(data)
    blocks: list[memoryview] = []
    position, view = 0, memoryview(data)
    while position < stop:
        start = data[position : position + BGZF_HEADER]
        if start[:-2] != USUAL_START and not gzip_member.bgzf_starts(bytes(start)):
            return None
        blocks.append(view[position : position + gzip_member.bgzf_block_size(start)])
        position += len(blocks[-1])
    contents = all_in_one(blocks, 31) if position == stop else None
    return b"".join(contents) if contents and max(map(len, contents)) <= BGZF_CONTENT else None


def only(data: Flat) -> Likely:
    """Return the sizes of a first member if it is the only one, as it is most often; of others, more is copied."""
    if len(data) < TRAILER:
        return Likely(len(data))
    _, declared = gzip_member.trailer(data, len(data) - TRAILER)
    return Likely(len(data), min(declared, MAX_EXPANSION * len(data)))


def _copy_stored(stream: memoryview, out: memoryview) -> bool:
    """Write what a stream of nothing but stored blocks holds, if that fills `out`: the library takes twice the time."""
    if not len(stream) or stream[0] & STORED_MASK:
        return False
    source, target = ffi.from_buffer("uint8_t[]", stream), ffi.from_buffer("uint8_t[]", out)
    return bool(lib.fa_stored_copy(source, len(stream), target, len(out)))


def write_member(data: memoryview, member: Member, out: memoryview) -> None:
    """Decode a member into `out`, which has just the room that it declares; through little memory of the library's."""
    stream, most = data[member.start : member.end], len(out)
    if _copy_stored(stream, out):
        check((member.content_size, member.crc), most, isal_zlib.crc32(out))
        return
    decoder, size, crc = isal_zlib.decompressobj(-15), 0, 0
    for at in range(0, len(stream), _PIECE):
        if decoder.eof:
            raise FormatError("a gzip member is larger than its stream")
        try:
            # One byte more than there is room for tells that there is more.
            content = decoder.decompress(stream[at : at + _PIECE], most + 1 - size)
        except _Malformed as error:
            raise FormatError(f"malformed deflate stream: {error}") from None
        if size + len(content) > most:
            raise IntegrityError(f"a gzip member declares {most} bytes and holds more")
        out[size : size + len(content)] = content
        size, crc = size + len(content), isal_zlib.crc32(content, crc)
    if not decoder.eof:
        raise TruncatedError("a deflate stream goes on behind the end of its gzip member")
    if decoder.unused_data:
        raise FormatError("a gzip member is larger than its stream")
    check((member.content_size, member.crc), size, crc)


class Ahead:
    """Decodes the streams of joined members, those behind the first on several threads from where they seem to start.

    Nothing is taken that does not begin where the member before it ends: whoever decodes asks for what starts there.
    """

    def __init__(self, data: memoryview, workers: Workers, first: Decoded | None = None) -> None:
        self._data = data
        self._workers = workers
        self._done: dict[int, tuple[bytes, int]] = {}
        self._looked = workers.count == 1
        if first is not None:
            start = gzip_member.parse_gzip_header(data, crc32).size
            self._done[start] = first.content, first.end - TRAILER - start

    def __call__(
        self, data: memoryview, likely: Likely, options: DecompressOptions, produced: int
    ) -> tuple[bytes, int]:
        start = len(self._data) - len(data)
        known = start in self._done
        content, size = self._done.pop(start) if known else by_library(data, likely, options, produced)
        if not self._looked:
            self._looked = True
            self._done = self._decoded(start + size + TRAILER, options.most - produced - len(content))
        return content, size

    def _decoded(self, position: int, most: int) -> dict[int, tuple[bytes, int]]:
        """Return content and size of streams by their start."""
        starts = [position + found for found in gzip_member.likely_starts(self._data[position:])]
        likely = (self._likely(*bounds) for bounds in itertools.pairwise((*starts, len(self._data))))
        members = [member for member in likely if member is not None]
        if len(members) < 2 or gzip_member.content_size(members) > most:
            return {}

        def contents(some: list[Member]) -> list[tuple[int, tuple[bytes, int]]]:
            return [(member.start, found) for member in some if (found := self._content(member)) is not None]

        each = max(1, len(members) // (4 * self._workers.count))
        shares = [members[at : at + each] for at in range(0, len(members), each)]
        return dict(itertools.chain.from_iterable(self._workers.map(contents, shares)))

    def _likely(self, start: int, end: int) -> Member | None:
        """Return the member that lies there, if one does."""
        data = self._data[start:end]
        try:
            header = gzip_member.parse_gzip_header(data, crc32)
            crc, size = gzip_member.trailer(data, len(data) - TRAILER)
        except FormatError:
            return None
        room = len(data) - TRAILER - header.size
        return Member(start + header.size, end - TRAILER, crc, size) if 0 < size <= MAX_EXPANSION * room else None

    def _content(self, member: Member) -> tuple[bytes, int] | None:
        """Decode a member's stream; None where it does not end there."""
        decoder = isal_zlib.decompressobj(-15)
        try:
            content: bytes = decoder.decompress(self._data[member.start : member.end], member.content_size + 1)
        except _Malformed:
            return None
        whole = decoder.eof and not decoder.unused_data and len(content) == member.content_size
        return (content, member.end - member.start) if whole else None
