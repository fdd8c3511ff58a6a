"""Decompression of deflate (RFC 1951), zlib (RFC 1950), gzip (RFC 1952) and BGZF (SAM specification 4.1)."""

from __future__ import annotations

import itertools
import sys
import zlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

import numpy as np
from isal import isal_zlib

from fpga_accel import _objects
from fpga_accel._objects import Windows
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import DeviceError, FormatError, IntegrityError, TruncatedError
from fpga_accel.operations import gzip_member, inflate_library
from fpga_accel.operations.buffers import NEW_MEMORY, BytesSink, Flat, Items, clear, flat, made, memory, require_room
from fpga_accel.operations.codecs import Decompression, DecompressOptions, each_of, launch, sample_items
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
from fpga_accel.operations.inflate_library import (
    USUAL_START,
    Ahead,
    Decoded,
    Likely,
    StreamDecoder,
    by_library,
    by_zlib,
    crc32,
)
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import MAX_ROW, Status, Table, address_of, new_table

_launch = partial(launch, "inflate", "inflate")

# Content that the library decodes in less time than a launch takes.
_SMALL_CONTENT = 256 << 10
# Room for content whose size nothing tells, in bytes for each byte of the stream; what needs more gets as much again.
_GUESS = 4
_LARGEST_ROW = MAX_ROW - 1
# Kinds of data: streams that are decoded one symbol after the other, and independent members.
_SINGLE = "single"


class _Inflate(Decompression):
    """What the formats around deflate have in common."""

    takes = Windows
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
        content = inflate_library.in_one(data, self.wbits, options.max_output) if self.is_for_library(data) else None
        return content if content is not None else self.decode(memoryview(data), options, by_library)

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        if type(data) is not bytes:
            data = flat(data)
        return inflate_library.in_one(data, self.wbits) if self.is_for_library(data) else None

    def gains_from_threads(self, item: Flat) -> bool:
        return not _is_stored(item, self.header)

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return inflate_library.each_in_one(items, self.wbits)

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
            self.decode(memoryview(data), self._defaults, by_zlib)
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

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return super().library_each(items) if _objects.zlib_all_plain(items, sys.maxsize) else None

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
    return len(data) > header and data[header] & inflate_library.STORED_MASK == 0


def _is_stored_member(data: Flat) -> bool:
    """Whether the first block of a gzip member without name and extra field is stored."""
    return len(data) > 3 and data[3] == 0 and _is_stored(data, gzip_member.PLAIN_HEADER)


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
            likely = Likely(header.member_size) if parts or header.member_size else inflate_library.only(data)
            content, size = stream(data[position:], likely, options, produced)
            position += size
            crc, declared = gzip_member.trailer(data, position)
            inflate_library.check((declared, crc), len(content), crc32(content))
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
            return inflate_library.members_by_library(data)
        if _objects.bgzf_plain_size(data):
            contents = inflate_library.all_in_one([data], self.wbits, BGZF_END)
            return contents[0] if contents else None
        return inflate_library.blocks_by_library(data)

    def gains_from_threads(self, item: Flat) -> bool:
        if item[3:4] == b"\0":
            return not _is_stored(item, gzip_member.PLAIN_HEADER)
        return not (item[: len(USUAL_START)] == USUAL_START and _is_stored(item, BGZF_HEADER))

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        if self.any_member and _objects.gzip_all_plain(items, sys.maxsize):
            return inflate_library.each_in_one(items, self.wbits, other=inflate_library.members_behind)
        if _objects.bgzf_all_plain(items, BGZF_CONTENT):
            return inflate_library.each_in_one(items, self.wbits, BGZF_END)
        return each_of(self.library_call, items)

    def is_for_library(self, data: Flat) -> bool:
        return self.any_member and inflate_library.is_for_library(data)

    def on_cpu(self, data: Flat, options: DecompressOptions, index: int, workers: Workers) -> bytes:
        view, first = memoryview(data), self._first_member(data, options)
        if first is not None:
            # The others are not copied for nothing.
            return first.content if first.end == len(view) else self.decode(view, options, Ahead(view, workers, first))
        members = self._members(data, options)
        if len(members) > 1:
            return made(gzip_member.content_size(members), lambda out: self._by_threads(view, members, out, workers))
        if len(members) == 1 and members[0].content_size > NEW_MEMORY:
            # If it is not all there is, or claims more than there is memory for, the general way finds out.
            with suppress(*DATA_ERRORS, MemoryError):
                return made(members[0].content_size, lambda out: inflate_library.write_member(view, members[0], out))
        return self.decode(view, options, Ahead(view, workers) if len(data) >= self.small else by_library)

    def on_cpu_into(self, data: Flat, options: DecompressOptions, index: int, workers: Workers, out: memoryview) -> int:
        view = memoryview(data)
        # What is stored is copied once, to where it belongs.
        first = None if _is_stored_member(data) else self._first_member(data, options)
        if first is not None:
            whole = first.end == len(view)
            content = first.content if whole else self.decode(view, options, Ahead(view, workers, first))
            require_room(len(content), len(out))
            out[: len(content)] = content
            return len(content)
        members = self._members(data, options)
        size = gzip_member.content_size(members)
        if len(members) > 1:
            require_room(size, len(out))
            self._by_threads(view, members, out, workers)
            return size
        if len(members) == 1 and size <= len(out):
            try:
                inflate_library.write_member(view, members[0], out[:size])
            except DATA_ERRORS:
                clear(out[:size])
            else:
                return size
        return super().on_cpu_into(data, options, index, workers, out)

    def _first_member(self, data: Flat, options: DecompressOptions) -> Decoded | None:
        """Decode the first member in one pass of the library, where it may be all there is, and is not large."""
        if not self.is_for_library(data):
            return None
        declared = inflate_library.only(data).content
        if not 0 < declared <= min(options.most, NEW_MEMORY):
            return None
        found = inflate_library.first(data, self.wbits, declared)
        return None if found is None else Decoded(*found)

    def _by_threads(self, data: memoryview, members: list[Member], out: memoryview, workers: Workers) -> None:
        """Decode members into `out`, one behind the other."""
        starts = [0, *itertools.accumulate(member.content_size for member in members)]

        def put(some: range) -> None:
            for each in some:
                inflate_library.write_member(data, members[each], out[starts[each] : starts[each + 1]])

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
            return Work(max(1, inflate_library.only(data).content), _SINGLE)
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


def _is_padding(data: memoryview) -> bool:
    return data[0] == 0 and not any(map(any, (data[at : at + 4096] for at in range(0, len(data), 4096))))


def _members(data: Flat, options: DecompressOptions, any_member: bool) -> list[Member]:
    """Return the members that can be decoded where they belong; none where the general way has to look."""
    try:
        members = list(gzip_member.bgzf_members(data, crc32))
    except (FormatError, TruncatedError):
        members = _only_member(data) if any_member else []
    total = gzip_member.content_size(members)
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


def _decode_placed(job: Job[DecompressOptions], run: Run, any_member: bool) -> list[int]:
    """Decode members of declared sizes straight into the sink, all in one launch; return the other items."""
    found = [_members(job.items.view(index), job.options, any_member) for index in range(len(job.items))]
    sizes = np.array(list(map(gzip_member.content_size, found)), np.uint64)
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
