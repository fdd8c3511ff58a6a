"""LZ4 decompression: independent and linked blocks, skippable, joined and legacy frames (frame format 1.6)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import cramjam
import lz4.block
import lz4.frame
import numpy as np
import numpy.typing as npt
import xxhash

from fpga_accel import _objects
from fpga_accel._host import ffi, lib
from fpga_accel._objects import Windows
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import (
    BufferTooSmallError,
    DeviceError,
    FormatError,
    IntegrityError,
    OutputLimitError,
    TruncatedError,
)
from fpga_accel.operations import lz4_block, lz4_frame
from fpga_accel.operations.buffers import (
    NEW_MEMORY,
    BytesSink,
    Flat,
    Items,
    Sizes,
    clear,
    flat,
    flat_writable,
    made,
    memory,
)
from fpga_accel.operations.codecs import (
    DENSE,
    Decompression,
    DecompressOptions,
    launch,
    rows_and_checks,
    sample_items,
)
from fpga_accel.operations.contract import (
    ALONE,
    DATA_ERRORS,
    GROUP,
    Errors,
    Job,
    RowInput,
    RowOutput,
    Run,
    Work,
    kept,
    one_ahead,
    trial_of,
)
from fpga_accel.operations.lz4_frame import (
    HISTORY,
    ROW_CHECK,
    ROW_LINKED,
    ROW_LINKED_CHECK,
    ROW_STORED,
    FrameHeader,
    Sort,
)
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import (
    SEGMENT,
    Status,
    Table,
    address_of,
    first_failed,
    new_results,
    new_table,
    rows_at,
    words_at,
)

_launch = partial(launch, "lz4", "lz4_decompress")

# Content that the library decodes in less time than a launch and its page faults take: 0.3 ms for text.
_SMALL_CONTENT = 1 << 20
# The most that frames may hold which do not declare their size: one block of those that `lz4` writes.
_UNSIZED_CONTENT = 4 << 20
# Frames of more content are decoded in place; others take less time by the library that does not, and a copy.
_IN_PLACE = 64 << 10
_LARGEST_CONTENT = 2**64 - 1
# Frames from this size on are decoded by several threads: each block is copied once more, which takes a fifth of the
# time that decoding it does.
_THREADS_FROM = 4 << 20


class Lz4Decompress(Decompression):
    """``lz4.decompress``: independent and linked blocks, skippable, joined and legacy frames."""

    takes = Windows
    algorithm = "lz4"
    kernel = "lz4"
    entry = "lz4_decompress"
    library = "lz4"
    kinds = ("", DENSE)
    # 4 KiB take 2 µs, in which handing over the GIL costs more than it gains.
    threads_from = 32 << 10
    # Compressed bytes, which can hold twice as much text.
    small = 512 << 10
    # With a look at the content's size, which can be less than that of its frame.
    call_limit = 2 * _SMALL_CONTENT
    into_limit = call_limit

    def on_cpu(self, data: Flat, options: DecompressOptions, index: int, workers: Workers) -> bytes:
        frame = _regular_for_threads(data, options, workers)
        if frame is not None:
            with suppress(_Refused):
                return made(frame.size, lambda out: _write_blocks(frame, out, workers))
        with suppress(_Refused, MemoryError):
            return _large_plain_frame(data, options.most)
        content = _plain_frames(data, options.most)
        return content if content is not None else _decode(memoryview(data), options, _frame_on_cpu)

    def on_cpu_into(self, data: Flat, options: DecompressOptions, index: int, workers: Workers, out: memoryview) -> int:
        frame = _regular_for_threads(data, options, workers)
        if frame is None or frame.size > len(out):
            written = _plain_frame_into(data, options.most, out)
            return written or super().on_cpu_into(data, options, index, ALONE, out)
        try:
            _write_blocks(frame, out[: frame.size], workers)
        except _Refused:
            return super().on_cpu_into(data, options, index, ALONE, out)
        return frame.size

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        content = _plain_frames(data, _SMALL_CONTENT)
        if content is not None or _objects.lz4_plain_size(data):
            return content
        # What does not declare its size holds mostly far less than the most.
        return _plain_frames(data, _UNSIZED_CONTENT)

    def library_into(self, data: Flat, out: Any, *arguments: Any) -> int | None:
        # Bytes share no memory with a buffer that is written to.
        if type(data) is bytes and _objects.lz4_plain_most(data) > _IN_PLACE:
            written = _plain_frame_into(data, _SMALL_CONTENT, flat_writable(out))
            if written:
                return written
        return super().library_into(data, out)

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return map(lz4.frame.decompress, items) if _objects.lz4_all_plain(items, _SMALL_CONTENT) else None

    def on_cpu_many(self, items: Sequence[Flat], options: DecompressOptions, first: int) -> tuple[list[Any], Errors]:
        if not _objects.lz4_all_plain(items, options.most):
            return super().on_cpu_many(items, options, first)
        # The loop that users would write.
        try:
            return list(map(lz4.frame.decompress, items)), {}
        except RuntimeError:
            return super().on_cpu_many(items, options, first)

    def each_on_cpu(
        self, items: Iterable[Flat], options: DecompressOptions, part: slice, most: int
    ) -> Iterator[bytes] | None:
        return _plain_contents(iter(items), options.most)

    def on_device(self, job: Job[DecompressOptions], run: Run) -> Errors:
        errors: Errors = {}
        slow = _decode_placed(job, run, errors)

        def frame_on_device(data: memoryview, header: FrameHeader, limit: int | None) -> tuple[bytes, int]:
            return _frame_on_device(data, header, limit, run)

        for index in slow:
            try:
                job.sink.put(index, _decode(job.items.view(index), job.options, frame_on_device))
            except DATA_ERRORS as error:
                errors[index] = kept(error)
        return errors

    def emulate(self, row: RowInput) -> RowOutput:
        return _emulated(row, _by_library)

    def agrees(self, row: RowInput, output: RowOutput) -> bool:
        expected = self.emulate(row)
        if expected.status == Status.OK:
            return expected == output
        # The library refuses some blocks only for how they end, and not the same ones in every release; and it does
        # not tell kinds of failure apart.
        return output.status != Status.OK or _emulated(row, lz4_block.decoded) == output

    def trial(self) -> Trial:
        text = b"".join(b"segment %d of the known-answer test\n" % (i * i) for i in range(5000))
        frame = lz4.frame.compress(text, block_size=4, block_linked=False, block_checksum=True)
        job = Job(Items.of([frame]), DecompressOptions(), BytesSink(1))
        return trial_of(self, job)

    def work(self, data: Flat) -> Work:
        if data[:4] != _MAGIC_BYTES or len(data) < _SMALLEST_SIZED_FRAME:
            return Work(len(data))
        flags = data[4]
        kind = "" if flags & lz4_frame.IS_INDEPENDENT else _LINKED
        if not flags & lz4_frame.HAS_CONTENT_SIZE:
            return Work(len(data), kind)
        size = min(int.from_bytes(data[6:14], "little"), len(data) * lz4_frame.MAX_EXPANSION)
        return Work(size, DENSE if size <= len(data) else kind)

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], DecompressOptions]:
        pack = partial(lz4.frame.compress, block_size=5, block_linked=kind == _LINKED)
        return sample_items(count, nbytes, kind, pack), DecompressOptions()


# Frames that a device can only decode block after block.
_LINKED = "linked"
_MAGIC_BYTES = lz4_frame.MAGIC.to_bytes(4, "little")
# Magic, flags, block size, content size, header checksum, EndMark.
_SMALLEST_SIZED_FRAME = 4 + 2 + 8 + 1 + 4

FrameDecoder = Callable[[memoryview, FrameHeader, "int | None"], tuple[bytes, int]]


def _decode(data: memoryview, options: DecompressOptions, decode_frame: FrameDecoder) -> bytes:
    """Decode joined frames; `decode_frame` returns the content and the size of the frame it is given."""
    if not len(data):
        raise TruncatedError("no LZ4 frame in 0 bytes")
    parts: list[bytes] = []
    position = produced = 0
    while (sort := lz4_frame.sort_at(data, position)) is not Sort.END:
        if sort is Sort.SKIPPABLE:
            position = lz4_frame.skip(data, position)
            continue
        rest = data[position:]
        header = lz4_frame.parse_header(rest)
        limit = None if options.max_output is None else options.max_output - produced
        if header.content_size is not None:
            options.check(produced + header.content_size)
        content, size = decode_frame(rest, header, limit)
        position += size
        produced += len(content)
        options.check(produced)
        parts.append(content)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _plain_frames(data: Flat, most: int) -> bytes | None:
    """Decode the usual cases, one frame or joined ones with content, by nothing but calls of the library.

    None stands for everything else, bad input included: the general way says what is wrong with it.
    """
    try:
        if 0 < _objects.lz4_plain_most(data) <= most:
            content: bytes = lz4.frame.decompress(data)
            return content
        ends = _objects.lz4_plain_ends(data, most)
        if not ends:
            return None
        view = memoryview(flat(data))
        return b"".join([lz4.frame.decompress(view[start:end]) for start, end in itertools.pairwise([0, *ends])])
    except RuntimeError:
        return None


def _plain_frame_into(data: Flat, most: int, out: memoryview) -> int:
    """Decode one frame in place, and return the size of the content.

    0 stands for everything but one frame with content, and for content that is stored, which `lz4` copies twice in
    less time.
    """
    declared, room = _objects.lz4_plain_size(data), min(most, len(out))
    # What does not declare its size is tried in the room that there is.
    size = declared or min(room, _objects.lz4_plain_most(data))
    if not len(data) < size <= room:
        return 0
    try:
        written: int = cramjam.lz4.decompress_into(data, out[:size])
    except cramjam.DecompressionError:
        written = 0
    if not written or (declared and written != size):
        clear(out[:size])
        return 0
    return written


def _large_plain_frame(data: Flat, most: int) -> bytes:
    """Decode such a frame in place, in new memory."""
    size = _objects.lz4_plain_size(data)
    if not NEW_MEMORY < size <= min(most, len(data) * lz4_frame.MAX_EXPANSION):
        raise _Refused

    def fill(out: memoryview) -> None:
        if not _plain_frame_into(data, most, out):
            raise _Refused

    return made(size, fill)


def _plain_contents(frames: Iterator[Flat], most: int) -> Iterator[bytes]:
    """Decode frames of the usual kind, a few at a time."""

    def contents(few: list[Flat]) -> Iterator[bytes]:
        if not _objects.lz4_all_plain(few, most):
            raise FormatError("not all are single frames that declare a size within the limit")
        return map(lz4.frame.decompress, few)

    # No step of Python's own for each frame: it would show on pages of 4 KiB.
    return itertools.chain.from_iterable(map(contents, iter(lambda: list(itertools.islice(frames, 8)), [])))


class _Refused(Exception):
    """Something is wrong with the blocks of a frame; the general way says what."""


def _regular_for_threads(data: Flat, options: DecompressOptions, workers: Workers) -> _Regular | None:
    """Return a frame whose blocks are worth decoding on several threads."""
    if workers.count == 1 or len(data) < _THREADS_FROM:
        return None
    found = _Regular(Items.of([data]), options.most)
    return found if found.rows >= 2 * workers.count else None


def _write_blocks(frame: _Regular, out: memoryview, workers: Workers) -> None:
    target = np.frombuffer(out, np.uint8)
    base = address_of(target)
    table = frame.placed(np.array([base], np.uint64))
    results = new_results(len(table))

    def write_some(blocks: Any) -> None:
        for block in blocks:
            row = table[block]
            source = memory(int(row["src"]), int(row["src_size"]))
            size, start = int(row["dst_capacity"]), int(row["dst"]) - base
            content = source if row["flags"] & ROW_STORED else _by_library(source, size, b"")
            if content is None or len(content) != size:
                raise _Refused
            # By numpy, which lets go of the GIL.
            target[start : start + size] = np.frombuffer(content, np.uint8)
            check = xxhash.xxh32_intdigest(source) if row["flags"] & ROW_CHECK else 0
            results[block] = (size, Status.OK, check, 0)

    workers.map(write_some, np.array_split(np.arange(len(table)), 2 * workers.count))
    if frame.refused(results):
        raise _Refused


def _frame_on_cpu(data: memoryview, header: FrameHeader, limit: int | None) -> tuple[bytes, int]:
    if header.legacy:
        return _legacy_on_cpu(data, header, limit)
    try:
        if header.content_size is not None:
            content, size = lz4.frame.decompress(data, return_bytes_read=True)
            return content, size
        size = _frame_size(data, header)
        decoder = lz4.frame.LZ4FrameDecompressor()
        # One byte more than allowed tells "as much as allowed" from "more".
        content = decoder.decompress(data[:size], max_length=-1 if limit is None else limit + 1)
    except RuntimeError as error:
        raise _library_error(error) from None
    if not decoder.eof and (limit is None or len(content) <= limit):
        raise TruncatedError("the LZ4 frame is incomplete")
    return content, size


def _library_error(error: RuntimeError) -> FormatError | IntegrityError:
    text = str(error)
    if "ncomplete" in text:
        return TruncatedError(f"the LZ4 frame is incomplete: {text}")
    if "hecksum_invalid" in text:
        return IntegrityError(f"a checksum in the LZ4 frame is wrong: {text}")
    return FormatError(f"malformed LZ4 frame: {text}")


def _legacy_on_cpu(data: memoryview, header: FrameHeader, limit: int | None) -> tuple[bytes, int]:
    parts, produced = [], 0
    walk = _Walk(data, header)
    for rows in walk.groups():
        for row in rows:
            source = memory(int(row["src"]), int(row["src_size"]))
            try:
                parts.append(lz4.block.decompress(source, uncompressed_size=lz4_frame.LEGACY_BLOCK))
            except lz4.block.LZ4BlockError as error:
                raise FormatError(f"malformed LZ4 legacy block: {error}") from None
            produced += len(parts[-1])
            DecompressOptions(limit).check(produced)
    return b"".join(parts), walk.position


class _Walk:
    """Reads the block headers of one frame, a group at a time."""

    def __init__(self, data: memoryview, header: FrameHeader) -> None:
        self._data = data
        self._header = header
        self.position = header.size
        self.start = header.size
        self.ended = False
        self.checksums: Any = np.zeros(0, np.uint32)
        self._rows_each = max(1, GROUP // header.block_size)

    def groups(self) -> Iterator[Table]:
        """Yield rows without destinations until the EndMark."""
        while not self.ended:
            self.start = self.position
            rows = self._legacy_rows() if self._header.legacy else self._rows()
            if len(rows):
                yield rows

    def _rows(self) -> Table:
        table = new_table(self._rows_each)
        self.checksums = np.zeros(self._rows_each, np.uint32)
        position, ended = ffi.new("uint64_t *", self.position), ffi.new("int *")
        count = lib.fa_lz4_scan(
            ffi.from_buffer("uint8_t[]", self._data),
            len(self._data),
            position,
            self._header.block_size,
            self._header.block_checksum,
            rows_at(table),
            len(table),
            ended,
            ffi.cast("uint32_t *", address_of(self.checksums)),
        )
        if count == -Status.TRUNCATED:
            raise TruncatedError(f"LZ4 data ends at byte {len(self._data)}, before the frame's EndMark")
        if count < 0:
            raise FormatError(f"the LZ4 block at byte {self.position} is larger than the frame allows")
        self.position, self.ended = int(position[0]), bool(ended[0])
        self.checksums = self.checksums[:count]
        return table[:count]

    def _legacy_rows(self) -> Table:
        """Legacy frames have no EndMark: they end with the data or where another frame starts."""
        table = new_table(self._rows_each)
        base = address_of(np.frombuffer(self._data, np.uint8))
        count = 0
        while count < len(table):
            if self.position == len(self._data):
                self.ended = True
                break
            size = lz4_frame.word_at(self._data, self.position)
            if lz4_frame.is_magic(size):
                self.ended = True
                break
            start = self.position + 4
            if start + size > len(self._data):
                raise TruncatedError(f"LZ4 data ends at byte {len(self._data)}, inside a legacy block")
            table[count] = (base + start, 0, size, lz4_frame.LEGACY_BLOCK, 1, 0)
            self.position = start + size
            count += 1
        return table[:count]

    def last_group(self) -> memoryview:
        """Return the bytes of the blocks last yielded, with their headers and without an EndMark."""
        end = self.position - len(lz4_frame.END_MARK) if self.ended else self.position
        return self._data[self.start : end]

    def tail(self) -> bytes:
        """Return the content checksum behind the EndMark, and step over it."""
        if not self._header.content_checksum:
            return b""
        if self.position + 4 > len(self._data):
            raise TruncatedError(f"LZ4 data ends at byte {len(self._data)}, before the content checksum")
        self.position += 4
        return bytes(self._data[self.position - 4 : self.position])


def _frame_size(data: memoryview, header: FrameHeader) -> int:
    walk = _Walk(data, header)
    for _ in walk.groups():
        pass
    walk.tail()
    return walk.position


class _Regular:
    """The regular ones among some items: one frame of independent blocks and nothing else, which declares its size.

    Their blocks can be decoded where they belong.

    Attributes
    ----------
    contents
        What each item declares to hold; 0 where it is not regular.
    rows
        Blocks of all.
    """

    def __init__(self, items: Items, most: int) -> None:
        self._items = items
        count = len(items)
        self.contents: Sizes = np.empty(count, np.uint64)
        self._kinds: npt.NDArray[np.uint16] = np.empty(count, np.uint16)
        self._kinds_at = ffi.cast("uint16_t *", address_of(self._kinds))
        self._sources = (words_at(items.addresses), words_at(items.sizes), words_at(self.contents), count)
        addresses, sizes, contents, _ = self._sources
        self.rows = int(lib.fa_lz4_look(addresses, sizes, count, most, contents, self._kinds_at))

    @property
    def size(self) -> int:
        """Bytes of the first content."""
        return int(self.contents[0])

    def indices(self, kind: int) -> list[int]:
        """Return the items of a kind."""
        found: list[int] = np.flatnonzero(self._kinds == kind).tolist()
        return found

    def placed(self, targets: Sizes) -> Table:
        """Return a row for each block, which goes to where it belongs in the contents at `targets`."""
        self._targets = targets
        table: Table = POOL.array(self.rows, SEGMENT)
        self._table = table
        self._checksums: Any = np.empty(self.rows, np.uint32)
        lib.fa_lz4_place(*self._sources, self._kinds_at, words_at(targets), *rows_and_checks(table, self._checksums))
        return table

    def refused(self, results: Table) -> int:
        """Compare sizes and checksums; items that are not right are regular no more. Return how many."""
        table, checksums = rows_and_checks(self._table, self._checksums)
        results_at = ffi.cast("result_t *", address_of(results))
        found: int = lib.fa_lz4_check(
            *self._sources, words_at(self._targets), table, results_at, checksums, self._kinds_at
        )
        return found


def _decode_placed(job: Job[DecompressOptions], run: Run, errors: Errors) -> list[int]:
    """Decode regular frames straight into the sink, all items in one launch; return the other items."""
    found = _Regular(job.items, job.options.most)
    for index in found.indices(lib.FA_LZ4_TOO_LARGE):
        errors[index] = _refusal(job.options, int(found.contents[index]))
        found.contents[index] = 0
    targets = job.sink.allocate(found.contents)
    if found.rows:
        found.refused(run(_launch(found.placed(targets), job.items, job.sink)))
    return found.indices(lib.FA_LZ4_OTHER)


def _refusal(options: DecompressOptions, nbytes: int) -> Exception:
    try:
        options.check(nbytes)
    except (OutputLimitError, BufferTooSmallError) as error:
        return kept(error)
    raise AssertionError(f"{nbytes} bytes are not too many")


def _frame_on_device(data: memoryview, header: FrameHeader, limit: int | None, run: Run) -> tuple[bytes, int]:
    """Decode any frame in groups of blocks, with scratch memory of two groups."""
    walk, allowed = _Walk(data, header), DecompressOptions(limit)
    groups = _independent_groups if header.independent else _linked_groups
    parts: list[bytes] = []
    produced, hasher = 0, xxhash.xxh32()
    for chunk in groups(walk, header, run):
        produced += len(chunk)
        allowed.check(produced)
        parts.append(chunk)
        if header.content_checksum:
            hasher.update(chunk)
    if header.content_size not in (None, produced):
        raise FormatError(f"the LZ4 frame declares {header.content_size} bytes and holds {produced}")
    tail = walk.tail()
    if tail and tail != hasher.digest()[::-1]:
        raise IntegrityError("the content checksum of the LZ4 frame is wrong")
    return b"".join(parts), walk.position


def _independent_groups(walk: _Walk, header: FrameHeader, run: Run) -> Iterator[bytes]:
    return one_ahead(walk.groups(), lambda rows: _start_group(rows, walk.checksums, header, run))


def _start_group(rows: Table, checksums: Any, header: FrameHeader, run: Run) -> Callable[[], bytes]:
    scratch = POOL.array(len(rows) * header.block_size)
    places = np.arange(len(rows), dtype=np.uint64) * np.uint64(header.block_size)
    rows["dst"] = places + np.uint64(address_of(scratch))
    wait = run.start(_launch(rows, scratch))

    def content() -> bytes:
        results = wait()
        _check_blocks(results)
        if header.block_checksum and (results["check"] != checksums).any():
            raise IntegrityError("the checksum of an LZ4 block is wrong")
        size = lib.fa_rows_compact(
            ffi.NULL,
            ffi.cast("result_t *", address_of(results)),
            rows_at(rows),
            len(rows),
        )
        return bytes(scratch[:size])

    return content


def _linked_groups(walk: _Walk, header: FrameHeader, run: Run) -> Iterator[bytes]:
    history = b""
    for rows in walk.groups():
        chunk = _linked_group(walk, rows, history, header, run)
        history = (history + chunk)[-HISTORY:]
        yield chunk


def _linked_group(walk: _Walk, rows: Table, history: bytes, header: FrameHeader, run: Run) -> bytes:
    body = walk.last_group()
    capacity = len(history) + len(rows) * header.block_size
    with POOL.take(len(history) + len(body)) as source, POOL.take(capacity) as target:
        memory(source.address, len(history))[:] = history
        memory(source.address + len(history), len(body))[:] = body
        flags = ROW_LINKED | (ROW_LINKED_CHECK if header.block_checksum else 0)
        table = new_table(1)
        table[0] = (source.address, target.address, len(history) + len(body), capacity, len(history), flags)
        results = run(_launch(table, source, target))
        _check_blocks(results)
        size = int(results["dst_size"][0])
        if size < len(history):
            raise DeviceError(f"lz4_decompress reports {size} bytes behind a history of {len(history)}")
        return bytes(memory(target.address + len(history), size - len(history)))


def _check_blocks(results: Table) -> None:
    failed = first_failed(results)
    if failed is None:
        return
    status = Status(int(results["status"][failed]))
    if status == Status.BAD_CHECKSUM:
        raise IntegrityError("the checksum of an LZ4 block is wrong")
    if status == Status.TRUNCATED:
        raise TruncatedError("an LZ4 block ends inside a sequence")
    if status == Status.DST_TOO_SMALL:
        raise FormatError("an LZ4 block holds more than the frame's block size")
    if status == Status.BAD_DATA:
        raise FormatError("malformed LZ4 block")
    raise DeviceError(f"lz4_decompress ended with status {status.name}")


# Decodes a block: payload, capacity, history. None for a block that it refuses.
BlockDecoder = Callable[[bytes, int, bytes], bytes | None]


def _by_library(payload: Flat, capacity: int, history: bytes) -> bytes | None:
    try:
        content: bytes = lz4.block.decompress(payload, uncompressed_size=capacity, dict=history)
    except lz4.block.LZ4BlockError:
        return None
    return content


def _emulated(row: RowInput, decode: BlockDecoder) -> RowOutput:
    """Do what the kernel does for one row."""
    if row.flags & ROW_LINKED:
        return _emulated_linked(row, decode)
    check = xxhash.xxh32_intdigest(row.src) if row.flags & ROW_CHECK else 0
    if row.flags & ROW_STORED:
        if len(row.src) > row.capacity:
            return RowOutput(b"", Status.DST_TOO_SMALL, check)
        return RowOutput(bytes(row.src), check=check)
    content = decode(bytes(row.src), row.capacity, b"")
    return RowOutput(b"", Status.BAD_DATA, check) if content is None else RowOutput(content, check=check)


def _emulated_linked(row: RowInput, decode: BlockDecoder) -> RowOutput:
    """Walk linked blocks, each with what comes before it as its history."""
    content, position = bytes(row.src[: row.param]), row.param
    while position < len(row.src):
        if position + 4 > len(row.src):
            return RowOutput(b"", Status.TRUNCATED)
        word = lz4_frame.word_at(row.src, position)
        size, stored = word & 0x7FFFFFFF, bool(word >> 31)
        payload = bytes(row.src[position + 4 : position + 4 + size])
        position += 4 + size
        if len(payload) < size:
            return RowOutput(b"", Status.TRUNCATED)
        if row.flags & ROW_LINKED_CHECK:
            stated = bytes(row.src[position : position + 4])
            position += 4
            if stated != xxhash.xxh32(payload).digest()[::-1]:
                return RowOutput(b"", Status.BAD_CHECKSUM)
        block = payload if stored else decode(payload, row.capacity - len(content), content[-HISTORY:])
        if block is None:
            return RowOutput(b"", Status.BAD_DATA)
        content += block
    if len(content) > row.capacity:
        return RowOutput(b"", Status.DST_TOO_SMALL)
    return RowOutput(content)
