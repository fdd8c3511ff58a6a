"""Decompression of deflate (RFC 1951), zlib (RFC 1950), gzip (RFC 1952) and BGZF (SAM specification 4.1)."""

from __future__ import annotations

import itertools
import sys
import zlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
from isal import igzip_lib, isal_zlib

from fpga_accel import _objects
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import DeviceError, FormatError, IntegrityError, TruncatedError
from fpga_accel.operations import gzip_member
from fpga_accel.operations.buffers import NEW_MEMORY, BytesSink, Flat, Items, clear, flat, made, memory, require_room
from fpga_accel.operations.codecs import Decompression, DecompressOptions, launch, sample_items
from fpga_accel.operations.contract import (
    DATA_ERRORS,
    Errors,
    Job,
    RowInput,
    RowOutput,
    Run,
    Work,
    kept,
    trial_of,
)
from fpga_accel.operations.gzip_member import BGZF_CONTENT, BGZF_END, BGZF_HEADER, MAX_EXPANSION, TRAILER, Member
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import MAX_ROW, Status, Table, address_of, new_table

_launch = partial(launch, "inflate", "inflate")


class Likely(NamedTuple):
    """What a stream's size and that of its content probably are, in bytes; 0 where nothing tells."""

    stream: int = 0
    content: int = 0


class _Decoded(NamedTuple):
    """The content of a first gzip member, and where the member ends."""

    content: bytes
    end: int


# Decodes the raw stream that bytes start with, of at most so much content; returns content and size of the stream.
StreamDecoder = Callable[[memoryview, Likely, DecompressOptions, int], tuple[bytes, int]]

# The stubs of the library call its error's class an instance.
_Malformed = cast("type[Exception]", isal_zlib.IsalError)

# What the CPU library is given at once of a stream whose end is unknown: twice as much each time.
_FIRST_PIECE, _LARGEST_PIECE = 64 << 10, 4 << 20
# Content that the library decodes in less time than a launch takes.
_SMALL_CONTENT = 256 << 10
# Room for content whose size nothing tells, in bytes for each byte of the stream; what needs more gets as much again.
_GUESS = 4
_LARGEST_ROW = MAX_ROW - 1
# Members from so many bytes on take less time, a tenth where they expand much, if the library is told their size.
_TOLD_FROM = 16 << 10
# What the library is given at once of a member that is written where it belongs.
_PIECE = 256 << 10
# Of a BGZF block with neither time nor system: all of its header but its size.
_USUAL_START = BGZF_END[: BGZF_HEADER - 2]
# Kinds of data: streams that are decoded one symbol after the other, and independent members.
_SINGLE = "single"


def crc32(data: Flat) -> int:
    """Return the CRC-32."""
    value: int = isal_zlib.crc32(data)
    return value


def _check(declared: tuple[int, int], size: int, crc: int) -> None:
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


_by_library: StreamDecoder = partial(_decoded, isal_zlib)
_by_zlib: StreamDecoder = partial(_decoded, zlib)


def _one_more(most: int) -> int:
    """Return the room that tells content of `most` bytes from larger one; in a call of the library, 0 is no limit."""
    return min(most, sys.maxsize - 1) + 1


def _in_one(data: Flat, wbits: int, most: int | None = None) -> bytes | None:
    """Decode what is one stream and nothing else in one call of the library, else return None.

    So for content of more than `most` bytes.
    """
    found = _first(data, wbits, most)
    return found[0] if found is not None and found[1] == len(data) else None


# Of the library's two decoders the one that makes room for all of the content at once where it is told how much, by
# zlib's number of the format.
_DECODERS: Mapping[int, Callable[[], igzip_lib.IgzipDecompressor]] = {
    wbits: partial(igzip_lib.IgzipDecompressor, flag)
    for wbits, flag in ((-15, igzip_lib.DECOMP_DEFLATE), (15, igzip_lib.DECOMP_ZLIB), (31, igzip_lib.DECOMP_GZIP))
}


def _first(data: Flat, wbits: int, most: int | None, likely: int = 0) -> tuple[bytes, int] | None:
    """Return the content of the stream that data starts with, and the stream's size; else None.

    `likely` is how many bytes of content it may have, for which room is made.
    """
    decoder = _DECODERS[wbits]()
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


def _each_in_one(items: Sequence[Flat], wbits: int, ends: Iterable[int]) -> list[bytes] | None:
    """Do the same with many items, whose streams have to end at `ends`; None where one of them does not."""
    new, contents = _DECODERS[wbits], []
    try:
        for item, end in zip(items, ends, strict=True):
            decoder = new()
            contents.append(decoder.decompress(item))
            if not decoder.eof or len(item) - len(decoder.unused_data) != end:
                return None
    except _Malformed:
        return None
    return contents


def _is_for_library(data: Flat, position: int = 0) -> bool:
    """Whether the library looks at all of the header of the gzip member at `position`."""
    return len(data) > position + 3 and data[position + 3] & ~gzip_member.TEXT_NAME_COMMENT == 0


def _members_by_library(data: Flat) -> bytes | None:
    """Decode gzip members by nothing but calls of the library; None where that is not enough."""
    found = _first(data, 31, None, _only(data).content if len(data) >= _TOLD_FROM else 0)
    if found is None or found[1] == len(data):
        return found and found[0]
    contents, end, view = [found[0]], found[1], memoryview(data)
    try:
        while end < len(view):
            if not _is_for_library(view, end):
                return None
            decoder = _DECODERS[31]()
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


def _each_of(decode: Callable[[Flat], bytes | None], items: Sequence[Flat]) -> list[Any] | None:
    """Return what becomes of all items; None at the first that has to go another way."""
    contents: list[Any] = []
    for item in items:
        content = decode(item)
        if content is None:
            return None
        contents.append(content)
    return contents


class _Inflate(Decompression):
    """What the formats around deflate have in common."""

    kernel = "inflate"
    entry = "inflate"
    library = "isal"
    # 330 bytes take 6.5 µs: two threads make 1.5 times of one.
    threads_from = 320
    small = 64 << 10
    call_limit = _SMALL_CONTENT
    # What the library calls the format.
    wbits: ClassVar[int] = -15
    # Bytes in front of a stream and behind it that no content is in.
    header: ClassVar[int] = 0
    tail: ClassVar[int] = 0

    @abstractmethod
    def decode(self, data: memoryview, options: DecompressOptions, stream: StreamDecoder) -> bytes:
        """Decode an item; `stream` decodes what is inside."""

    def is_for_library(self, data: Flat) -> bool:
        """Whether the library looks at all of the header."""
        return True

    def on_cpu(self, data: Flat, options: DecompressOptions, index: int, workers: Workers) -> bytes:
        # The library checks as it goes, in the time that it takes without a check.
        content = _in_one(data, self.wbits, options.max_output) if self.is_for_library(data) else None
        return content if content is not None else self.decode(memoryview(data), options, _by_library)

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        if type(data) is not bytes:
            data = flat(data)
        return _in_one(data, self.wbits) if self.is_for_library(data) else None

    def gains_from_threads(self, item: Flat) -> bool:
        return not _is_stored(item, self.header)

    def library_many(self, items: Sequence[Flat], *arguments: Any) -> list[Any] | None:
        if not all(map(self.is_for_library, items)):
            return None
        return _each_in_one(items, self.wbits, map(len, items))

    def on_cpu_many(self, items: Sequence[Flat], options: DecompressOptions, first: int) -> tuple[list[Any], Errors]:
        results = self.library_many(items) if options.max_output is None else None
        return super().on_cpu_many(items, options, first) if results is None else (results, {})

    def on_device(self, job: Job[DecompressOptions], run: Run) -> Errors:
        guesses = _Guesses(job, self.header, run)
        errors: Errors = {}
        for index in range(len(job.items)):
            try:
                job.sink.put(index, self.decode(job.items.view(index), job.options, guesses.of(index)))
            except DATA_ERRORS as error:
                errors[index] = kept(error)
        return errors

    def confirmed(self, data: Flat, error: Exception) -> Exception | None:
        # The CPU library takes codes that are incomplete; zlib and the kernel do not.
        try:
            self.decode(memoryview(data), self._defaults, _by_zlib)
        except FormatError as strict:
            return kept(strict)
        return None

    def emulate(self, row: RowInput) -> RowOutput:
        # Python's zlib refuses what the kernel refuses; the CPU library reads incomplete codes.
        decoder = zlib.decompressobj(-15)
        try:
            content = decoder.decompress(row.src, row.capacity + 1)
        except zlib.error:
            return RowOutput(b"", Status.BAD_DATA)
        if len(content) > row.capacity:
            return RowOutput(b"", Status.DST_TOO_SMALL)
        if not decoder.eof:
            return RowOutput(b"", Status.TRUNCATED)
        return RowOutput(content, check=len(row.src) - len(decoder.unused_data))

    def agrees(self, row: RowInput, output: RowOutput) -> bool:
        expected = self.emulate(row)
        if expected.status == Status.OK:
            return expected == output
        # Which of several faults is met first may differ.
        return output.status != Status.OK

    def trial(self) -> Trial:
        text = b"".join(b"segment %d of the known-answer test\n" % (i * i) for i in range(5000))
        contents = [text, b"", b"abc" * 40, bytes(range(251)) * 9, bytes(70000)]
        items = [self.packed(content, level) for level in (0, 1, 6, 9) for content in contents]
        return trial_of(self, Job(Items.of(items), DecompressOptions(), BytesSink(len(items))))

    @abstractmethod
    def packed(self, content: bytes, level: int) -> bytes:
        """Return content in this format, by Python's zlib."""

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], DecompressOptions]:
        return sample_items(count, nbytes, kind, lambda content: self.packed(content, 1)), DecompressOptions()


class DeflateDecompress(_Inflate):
    """``deflate.decompress``: one raw stream."""

    algorithm = "deflate"

    def decode(self, data: memoryview, options: DecompressOptions, stream: StreamDecoder) -> bytes:
        content, size = stream(data, Likely(len(data)), options, 0)
        if size < len(data):
            raise FormatError(f"{len(data) - size} bytes stand behind the deflate stream")
        return content

    def packed(self, content: bytes, level: int) -> bytes:
        return _packed(content, level, -15)


class ZlibDecompress(_Inflate):
    """``zlib.decompress``: one stream without a preset dictionary."""

    algorithm = "zlib"
    wbits = 15
    header = 2

    def is_for_library(self, data: Flat) -> bool:
        # It takes windows that are larger than any.
        return len(data) > 0 and data[0] >> 4 <= gzip_member.LARGEST_WINDOW

    def decode(self, data: memoryview, options: DecompressOptions, stream: StreamDecoder) -> bytes:
        start = gzip_member.check_zlib_header(data)
        content, size = stream(data[start:], Likely(len(data)), options, 0)
        end = start + size
        stated = data[end : end + gzip_member.ADLER]
        if len(stated) < gzip_member.ADLER:
            raise TruncatedError(f"zlib data ends at byte {len(data)}, before its checksum")
        if int.from_bytes(stated, "big") != isal_zlib.adler32(content):
            raise IntegrityError("the Adler-32 of the zlib stream is wrong")
        if end + gzip_member.ADLER < len(data):
            raise FormatError(f"{len(data) - end - gzip_member.ADLER} bytes stand behind the zlib stream")
        return content

    def packed(self, content: bytes, level: int) -> bytes:
        return _packed(content, level, 15)


def _is_stored(data: Flat, header: int) -> bool:
    """Whether the first block behind a header is stored (RFC 1951 §3.2.4)."""
    return len(data) > header and data[header] & 0b110 == 0


def _packed(content: bytes, level: int, wbits: int) -> bytes:
    encoder = zlib.compressobj(level, zlib.DEFLATED, wbits)
    return encoder.compress(content) + encoder.flush()


class GzipDecompress(_Inflate):
    """``gzip.decompress``: joined members, which may be followed by zeros."""

    algorithm = "gzip"
    wbits = 31
    kinds: ClassVar[tuple[str, ...]] = ("", _SINGLE)
    # Whether members that do not tell their size are read too.
    any_member: ClassVar[bool] = True

    def decode(self, data: memoryview, options: DecompressOptions, stream: StreamDecoder) -> bytes:
        if not len(data):
            raise TruncatedError("no gzip member in 0 bytes")
        parts: list[bytes] = []
        position = produced = 0
        while position < len(data) and not (parts and _is_padding(data[position:])):
            header = gzip_member.parse_gzip_header(data, crc32, position)
            position += header.size
            likely = Likely(header.member_size) if parts or header.member_size else _only(data)
            content, size = stream(data[position:], likely, options, produced)
            position += size
            crc, declared = gzip_member.trailer(data, position)
            _check((declared, crc), len(content), crc32(content))
            if header.member_size and header.member_size != header.size + size + TRAILER:
                raise FormatError(f"a BGZF block claims {header.member_size} bytes, not {header.size + size + TRAILER}")
            if not self.any_member and len(content) > BGZF_CONTENT:
                raise FormatError(f"a BGZF block holds {len(content)} bytes, more than 64 KiB")
            position += TRAILER
            produced += len(content)
            options.check(produced)
            parts.append(content)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        if type(data) is not bytes:
            data = flat(data)
        if self.is_for_library(data):
            return _members_by_library(data)
        if _objects.bgzf_plain_size(data):
            contents = _each_in_one([data], self.wbits, [gzip_member.bgzf_block_size(data)])
            return contents[0] if contents else None
        return self._blocks_by_library(data)

    def gains_from_threads(self, item: Flat) -> bool:
        if item[3:4] == b"\0":
            return not _is_stored(item, gzip_member.PLAIN_HEADER)
        return not (item[: len(_USUAL_START)] == _USUAL_START and _is_stored(item, BGZF_HEADER))

    def library_many(self, items: Sequence[Flat], *arguments: Any) -> list[Any] | None:
        if all(map(self.is_for_library, items)):
            return _each_of(_members_by_library, items)
        if _objects.bgzf_all_plain(items, BGZF_CONTENT):
            # What stands behind a block is known to be the empty last one.
            return _each_in_one(items, self.wbits, map(gzip_member.bgzf_block_size, items))
        return _each_of(self.library_call, items)

    def is_for_library(self, data: Flat) -> bool:
        return self.any_member and _is_for_library(data)

    def _blocks_by_library(self, data: Flat) -> bytes | None:
        """Decode blocks of BGZF with the header that `bgzip` writes."""
        last = len(data) - len(BGZF_END)
        stop = last if data[-len(BGZF_END) :] == BGZF_END else len(data)
        blocks: list[memoryview] = []
        position, view = 0, memoryview(data)
        while position < stop:
            start = data[position : position + BGZF_HEADER]
            if start[:-2] != _USUAL_START and not gzip_member.bgzf_starts(bytes(start)):
                return None
            blocks.append(view[position : position + gzip_member.bgzf_block_size(start)])
            position += len(blocks[-1])
        contents = _each_in_one(blocks, self.wbits, map(len, blocks)) if position == stop else None
        return b"".join(contents) if contents and max(map(len, contents)) <= BGZF_CONTENT else None

    def on_cpu(self, data: Flat, options: DecompressOptions, index: int, workers: Workers) -> bytes:
        view, first = memoryview(data), self._first_member(data, options)
        if first is not None:
            # The others are not copied for nothing.
            return first.content if first.end == len(view) else self.decode(view, options, _Ahead(view, workers, first))
        members = self._members(data, options)
        if len(members) > 1:
            return made(_content_size(members), lambda out: self._by_threads(view, members, out, workers))
        if len(members) == 1 and members[0].content_size > NEW_MEMORY:
            # If it is not all there is, or claims more than there is memory for, the general way finds out.
            with suppress(*DATA_ERRORS, MemoryError):
                return made(members[0].content_size, lambda out: _write_member(view, members[0], out))
        return self.decode(view, options, _Ahead(view, workers) if len(data) >= self.small else _by_library)

    def on_cpu_into(self, data: Flat, options: DecompressOptions, index: int, workers: Workers, out: memoryview) -> int:
        view, first = memoryview(data), self._first_member(data, options)
        if first is not None:
            whole = first.end == len(view)
            content = first.content if whole else self.decode(view, options, _Ahead(view, workers, first))
            require_room(len(content), len(out))
            out[: len(content)] = content
            return len(content)
        members = self._members(data, options)
        size = _content_size(members)
        if len(members) > 1:
            require_room(size, len(out))
            self._by_threads(view, members, out, workers)
            return size
        if len(members) == 1 and size <= len(out):
            try:
                _write_member(view, members[0], out[:size])
            except DATA_ERRORS:
                clear(out[:size])
            else:
                return size
        return super().on_cpu_into(data, options, index, workers, out)

    def _first_member(self, data: Flat, options: DecompressOptions) -> _Decoded | None:
        """Decode the first member in one pass of the library, where it may be all there is, and is not large."""
        if not self.is_for_library(data):
            return None
        declared = _only(data).content
        if not 0 < declared <= min(options.most, NEW_MEMORY):
            return None
        found = _first(data, self.wbits, declared)
        return None if found is None else _Decoded(*found)

    def _by_threads(self, data: memoryview, members: list[Member], out: memoryview, workers: Workers) -> None:
        """Decode members into `out`, one behind the other."""
        starts = [0, *itertools.accumulate(member.content_size for member in members)]

        def put(some: range) -> None:
            for each in some:
                _write_member(data, members[each], out[starts[each] : starts[each + 1]])

        if not self.gains_from_threads(data):
            put(range(len(members)))
            return
        step = max(1, len(members) // (4 * workers.count))
        workers.map(put, [range(at, min(at + step, len(members))) for at in range(0, len(members), step)])

    def _members(self, data: Flat, options: DecompressOptions) -> list[Member]:
        """Return the members that are decoded where they belong; none of little data, or where they do not tell."""
        return _members(data, options, self.any_member) if len(data) >= self.small else []

    def on_device(self, job: Job[DecompressOptions], run: Run) -> Errors:
        slow = _decode_placed(job, run, self.any_member)
        errors: Errors = {}
        for index in slow:
            try:
                job.sink.put(index, self.decode(job.items.view(index), job.options, _Guesses.alone(run)))
            except DATA_ERRORS as error:
                errors[index] = kept(error)
        return errors

    def work(self, data: Flat) -> Work:
        if len(data) < gzip_member.PLAIN_HEADER + TRAILER:
            return Work(len(data), _SINGLE)
        if not gzip_member.bgzf_starts(bytes(data[:16])):
            return Work(max(1, _only(data).content), _SINGLE)
        size = gzip_member.bgzf_block_size(data)
        declared = gzip_member.trailer(data, size - TRAILER)[1] if TRAILER <= size <= len(data) else size
        return Work(max(1, len(data) * min(declared, 1 << 16) // size))

    def packed(self, content: bytes, level: int) -> bytes:
        return _bgzf_packed(content, level)

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], DecompressOptions]:
        def pack(content: bytes) -> bytes:
            return _packed(content, 1, 31) if kind else _bgzf_packed(content, 1)

        return sample_items(count, nbytes, kind, pack), DecompressOptions()


class BgzfDecompress(GzipDecompress):
    """``bgzf.decompress``: members that all tell their size.

    As `bgzip` does, it reads data whose empty last block is missing.
    """

    algorithm = "bgzf"
    kinds = ("",)
    any_member = False

    def decode(self, data: memoryview, options: DecompressOptions, stream: StreamDecoder) -> bytes:
        # All are looked at before any is decoded.
        for _ in gzip_member.bgzf_members(data, crc32):
            pass
        return super().decode(data, options, stream)

    def work(self, data: Flat) -> Work:
        return Work(super().work(data).nbytes)


def _bgzf_packed(content: bytes, level: int) -> bytes:
    parts = []
    for start in range(0, len(content), _BGZF_CONTENT):
        piece = content[start : start + _BGZF_CONTENT]
        stream = _packed(piece, level, -15)
        head = gzip_member.BGZF_END[:16] + (len(stream) + 25).to_bytes(2, "little")
        parts.append(head + stream + crc32(piece).to_bytes(4, "little") + len(piece).to_bytes(4, "little"))
    return b"".join((*parts, gzip_member.BGZF_END))


# What `bgzip` puts into a block, so that it has at most 64 KiB even if stored.
_BGZF_CONTENT = 0xFF00


def _only(data: Flat) -> Likely:
    """Return the sizes of a first member if it is the only one, as it is most often; of others, more is copied."""
    if len(data) < TRAILER:
        return Likely(len(data))
    _, declared = gzip_member.trailer(data, len(data) - TRAILER)
    return Likely(len(data), min(declared, MAX_EXPANSION * len(data)))


def _is_padding(data: memoryview) -> bool:
    return data[0] == 0 and not any(map(any, (data[at : at + 4096] for at in range(0, len(data), 4096))))


def _members(data: Flat, options: DecompressOptions, any_member: bool) -> list[Member]:
    """Return the members that can be decoded where they belong; none where the general way has to look."""
    try:
        members = list(gzip_member.bgzf_members(data, crc32))
    except (FormatError, TruncatedError):
        members = _only_member(data) if any_member else []
    total = _content_size(members)
    most = _LARGEST_ROW if any_member else BGZF_CONTENT
    possible = all(member.content_size <= min(most, MAX_EXPANSION * (member.end - member.start)) for member in members)
    return members if possible and total <= options.most else []


def _only_member(data: Flat) -> list[Member]:
    """Return the one member that all of the data is, if it is."""
    try:
        start, claimed = gzip_member.parse_gzip_header(data, crc32)
        end = len(data) - TRAILER
        crc, size = gzip_member.trailer(data, end)
    except (FormatError, TruncatedError):
        return []
    if claimed not in (0, len(data)):
        return []
    return [Member(start, end, crc, size)] if start <= end <= _LARGEST_ROW and size <= _LARGEST_ROW else []


def _content_size(members: Iterable[Member]) -> int:
    return sum(member.content_size for member in members)


def _write_member(data: memoryview, member: Member, out: memoryview) -> None:
    """Decode a member into `out`, which has just the room that it declares; through little memory of the library's."""
    stream, most = data[member.start : member.end], len(out)
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
    _check((member.content_size, member.crc), size, crc)


class _Ahead:
    """Decodes the streams of joined members, those behind the first on several threads from where they seem to start.

    Nothing is taken that does not begin where the member before it ends: whoever decodes asks for what starts there.
    """

    def __init__(self, data: memoryview, workers: Workers, first: _Decoded | None = None) -> None:
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
        content, size = self._done.pop(start) if known else _by_library(data, likely, options, produced)
        if not self._looked:
            self._looked = True
            self._done = self._decoded(start + size + TRAILER, options.most - produced - len(content))
        return content, size

    def _decoded(self, position: int, most: int) -> dict[int, tuple[bytes, int]]:
        """Return content and size of streams by their start."""
        starts = [position + found for found in gzip_member.likely_starts(self._data[position:])]
        likely = (self._likely(*bounds) for bounds in itertools.pairwise((*starts, len(self._data))))
        members = [member for member in likely if member is not None]
        if len(members) < 2 or _content_size(members) > most:
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


def _decode_placed(job: Job[DecompressOptions], run: Run, any_member: bool) -> list[int]:
    """Decode members of declared sizes straight into the sink, all in one launch; return the other items."""
    found = [_members(job.items.view(index), job.options, any_member) for index in range(len(job.items))]
    sizes = np.array(list(map(_content_size, found)), np.uint64)
    targets = job.sink.allocate(sizes)
    table = new_table(sum(map(len, found)))
    row = 0
    for index, members in enumerate(found):
        source, target = int(job.items.addresses[index]), int(targets[index])
        for member in members:
            table[row] = (source + member.start, target, member.end - member.start, member.content_size, 0, 0)
            target += member.content_size
            row += 1
    if not row:
        return list(range(len(found)))
    results = run(_launch(table, job.items, job.sink))
    good = results["status"] == Status.OK
    good &= results["dst_size"] == table["dst_capacity"]
    good &= results["check"] == table["src_size"]
    slow, row = [], 0
    for index, members in enumerate(found):
        rows = slice(row, row + len(members))
        row = rows.stop
        if not members or not good[rows].all() or not _crcs_right(table[rows], members):
            slow.append(index)
    return slow


def _crcs_right(table: Table, members: list[Member]) -> bool:
    places = zip(table["dst"].tolist(), members, strict=True)
    return all(crc32(memory(address, member.content_size)) == member.crc for address, member in places)


class _Guesses:
    """Decodes streams of unknown content sizes on a device: the first of every item in one launch."""

    def __init__(self, job: Job[DecompressOptions], header: int, run: Run) -> None:
        self._run = run
        self._options = job.options
        self._first: dict[int, tuple[bytes, int] | Exception] = {}
        streams = [job.items.view(index)[header:] for index in range(len(job.items))]
        self._decode(streams, job.options.most)

    @classmethod
    def alone(cls, run: Run) -> StreamDecoder:
        """Return a decoder of one stream after the other."""

        def stream(data: memoryview, likely: Likely, options: DecompressOptions, produced: int) -> tuple[bytes, int]:
            guesses = cls.__new__(cls)
            guesses._run, guesses._options, guesses._first = run, options, {}
            guesses._decode([data], options.most - produced)
            return guesses._result(0, options, produced)

        return stream

    def of(self, index: int) -> StreamDecoder:
        """Return the decoder of an item's only stream."""
        return lambda data, likely, options, produced: self._result(index, options, produced)

    def _result(self, index: int, options: DecompressOptions, produced: int) -> tuple[bytes, int]:
        found = self._first.pop(index)
        if isinstance(found, Exception):
            raise found
        return found

    def _decode(self, streams: list[memoryview], most: int) -> None:
        rooms = {index: min(most, _GUESS * len(stream) + 1024) for index, stream in enumerate(streams)}
        while rooms:
            larger: dict[int, int] = {}
            for index, found in self._round(streams, rooms).items():
                if found is not None:
                    self._first[index] = found
                elif rooms[index] >= most:
                    self._first[index] = self._too_much(most)
                else:
                    larger[index] = min(most, _GUESS * rooms[index])
            rooms = larger

    def _too_much(self, most: int) -> Exception:
        try:
            self._options.check((self._options.max_output or most) + 1)
        except DATA_ERRORS as error:
            return kept(error)
        raise DeviceError(f"the content has more than {most} bytes")

    def _round(
        self, streams: list[memoryview], rooms: dict[int, int]
    ) -> dict[int, tuple[bytes, int] | Exception | None]:
        """Decode streams into so much room each; None where it was not enough."""
        if any(room > _LARGEST_ROW or len(streams[index]) > _LARGEST_ROW for index, room in rooms.items()):
            raise DeviceError(f"a deflate stream of more than {_LARGEST_ROW} bytes needs another way than one row")
        items = Items.of([streams[index] for index in rooms])
        scratch = POOL.array(sum(rooms.values()))
        table, target = new_table(len(rooms)), address_of(scratch)
        for row, room in enumerate(rooms.values()):
            table[row] = (int(items.addresses[row]), target, int(items.sizes[row]), room, 0, 0)
            target += room
        results = self._run(_launch(table, items, scratch))
        return {index: _outcome(table[row], results[row]) for row, index in enumerate(rooms)}


def _outcome(row: Any, result: Any) -> tuple[bytes, int] | Exception | None:
    status = Status(int(result["status"]))
    if status == Status.OK:
        return bytes(memory(int(row["dst"]), int(result["dst_size"]))), int(result["check"])
    if status == Status.DST_TOO_SMALL:
        return None
    if status == Status.TRUNCATED:
        return TruncatedError(f"a deflate stream is not at its end after {int(row['src_size'])} bytes")
    if status == Status.BAD_DATA:
        return FormatError("malformed deflate stream")
    raise DeviceError(f"inflate ended with status {status.name}")
