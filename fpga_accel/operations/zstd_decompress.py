"""Zstandard decompression (RFC 8878): joined and skippable frames, without dictionaries."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from fpga_accel import _objects
from fpga_accel._host import ffi, lib
from fpga_accel._objects import Windows
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import DeviceError, FormatError, IntegrityError, TruncatedError
from fpga_accel.operations import zstd_block, zstd_frame
from fpga_accel.operations.buffers import NEW_MEMORY, BytesSink, Flat, Items, Sizes, made, memory
from fpga_accel.operations.codecs import DENSE, Decompression, DecompressOptions, launch, sample_items
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
from fpga_accel.operations.zstd_frame import Frame
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import MAX_ROW, SEGMENT, Status, Table, address_of, new_table, rows_at, words_at

_launch = partial(launch, "zstd_decompress", "zstd_decompress")

# Content that the library decodes in less time than a launch takes.
_SMALL_CONTENT = 512 << 10
# Joined frames from this size on are decoded by several threads.
_THREADS_FROM = 256 << 10
# Items of several frames, which a device decodes side by side.
JOINED = "joined"
# Where a frame does not declare its content, room is this many times its own size at first, and grows by as much.
_GROWTH = 8
_FIRST_ROOM = 1 << 20


class ZstdDecompress(Decompression):
    """``zstd.decompress``."""

    takes = Windows
    algorithm = "zstd"
    kernel = "zstd_decompress"
    entry = "zstd_decompress"
    library = "zstandard"
    kinds = ("", DENSE, JOINED)
    # 2 KiB take 8 µs.
    threads_from = 2 << 10
    # A frame alone is one row, which no core decodes faster than the library does.
    small = 512 << 10
    call_limit = 2 * _SMALL_CONTENT

    def on_cpu(self, data: Flat, options: DecompressOptions, index: int, workers: Workers) -> bytes:
        plain = _one_plain_frame(data, min(options.most, NEW_MEMORY))
        return plain if plain is not None else _decode(memoryview(data), options, workers)

    def on_cpu_into(self, data: Flat, options: DecompressOptions, index: int, workers: Workers, out: memoryview) -> int:
        view = memoryview(data)
        found = _regular_frames(view, min(len(out), options.most))
        if found is None:
            return super().on_cpu_into(data, options, index, workers, out)
        size = sum(frame.content for frame in found)
        _write_frames(view, found, out[:size], workers)
        return size

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        return _one_plain_frame(data, _SMALL_CONTENT)

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return _each_plain(items, _SMALL_CONTENT)

    def on_cpu_many(self, items: Sequence[Flat], options: DecompressOptions, first: int) -> tuple[list[Any], Errors]:
        results = _each_plain(items, options.most)
        if results is not None:
            with suppress(zstandard.ZstdError):
                return list(results), {}
        return super().on_cpu_many(items, options, first)

    def on_device(self, job: Job[DecompressOptions], run: Run) -> Errors:
        errors: Errors = {}
        for index in _decode_placed(job, run, errors):
            try:
                job.sink.put(index, _decode_alone(job.items.view(index), job.options, run))
            except DATA_ERRORS as error:
                errors[index] = kept(error)
        return errors

    def confirmed(self, data: Flat, error: Exception) -> Exception | None:
        if not isinstance(error, zstd_block.BlockError):
            return None
        found = zstd_block.forbidden(memoryview(data)[error.frame :], error.block)
        return FormatError(f"malformed Zstandard frame: {found}") if found else None

    def emulate(self, row: RowInput) -> RowOutput:
        try:
            frame = _whole_frame(row.src)
            # One byte more than there is room for tells that it does not fit.
            content = _content(row.src, frame, row.capacity + 1)
        except TruncatedError:
            return RowOutput(b"", Status.TRUNCATED)
        except IntegrityError:
            return RowOutput(b"", Status.BAD_CHECKSUM)
        except FormatError:
            return RowOutput(b"", Status.BAD_DATA)
        if len(content) > row.capacity:
            return RowOutput(b"", Status.DST_TOO_SMALL)
        return RowOutput(content)

    def agrees(self, row: RowInput, output: RowOutput) -> bool:
        expected = self.emulate(row)
        if output.status == Status.OK:
            return expected == output
        # The library does not tell kinds of failure apart, and takes some blocks that the format forbids.
        if expected.status != Status.OK:
            return True
        return output.status == Status.BAD_DATA and zstd_block.forbidden(row.src, output.check) is not None

    def trial(self) -> Trial:
        text = b"".join(b"segment %d of the known-answer test\n" % (i * i) for i in range(3000))
        noise = np.random.default_rng(5).bytes(3000)
        parts = [b"", b"a", bytes(70_000), noise, text, text[:700], noise[:300] * 200]
        made = [
            zstandard.ZstdCompressor(level=level, write_checksum=checksum).compress(part)
            for part, level, checksum in zip(parts, (1, 3, 1, 1, 3, 19, -5), (True, False) * 4, strict=False)
        ]
        return trial_of(self, Job(Items.of(made), DecompressOptions(), BytesSink(len(made))))

    def work(self, data: Flat) -> Work:
        about = ffi.new("uint64_t[]", lib.FA_ZSTD_ABOUT)
        size = lib.fa_zstd_frame(ffi.from_buffer("uint8_t[]", data), len(data), about)
        if size <= 0:
            return Work(len(data))
        content = int(about[0])
        if size < len(data):
            # Joined frames are mostly alike.
            return Work(max(content, size) * len(data) // size, JOINED)
        return Work(content, DENSE if content <= size else "")

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], DecompressOptions]:
        compress = zstandard.ZstdCompressor(level=1).compress
        step = max(1, -(-nbytes // (8 if kind == JOINED else 1)))

        def pack(content: bytes) -> bytes:
            return b"".join(compress(content[start : start + step]) for start in range(0, max(1, nbytes), step))

        return sample_items(count, nbytes, "" if kind == JOINED else kind, pack), DecompressOptions()


# ---- the CPU library ----


class _Here(threading.local):
    """What the calling thread decodes with: the library's objects serve one thread at a time."""

    def __init__(self) -> None:
        self.decompressor = zstandard.ZstdDecompressor()


_here = _Here()


def _one_plain_frame(data: Flat, most: int) -> bytes | None:
    """Decode the usual case, one frame with content, with one call of the library.

    None stands for everything else, bad input included: the general way says what is wrong with it.
    """
    # The library does not look at the blocks of a frame that declares to be empty.
    room = _objects.zstd_plain_most(data)
    if not 0 < room <= most:
        return None
    try:
        content: bytes = _here.decompressor.decompress(data, room)
    except zstandard.ZstdError:
        return None
    return content


def _each_plain(items: Sequence[Flat], most: int) -> Iterator[bytes] | None:
    """Decode items that are one frame each by the loop that users would write; None where one is not."""
    if _objects.zstd_all_plain(items, most):
        return map(_here.decompressor.decompress, items)
    # Not all declare their size.
    rooms = list(map(_objects.zstd_plain_most, items))
    if not all(0 < room <= min(most, NEW_MEMORY) for room in rooms):
        return None
    return map(_here.decompressor.decompress, items, rooms)


def library_error(error: zstandard.ZstdError) -> FormatError | IntegrityError:
    """Return what an error of the library means."""
    if "checksum" in str(error):
        return IntegrityError("the content checksum of the Zstandard frame is wrong")
    return FormatError(f"malformed Zstandard frame: {error}")


def _regular_frames(data: memoryview, most: int) -> list[Frame] | None:
    """Return frames that can be decoded where they belong, None where that is not known or there is no room."""
    try:
        found = list(zstd_frame.frames(data))
    except FormatError:
        return None
    return found if all(frame.known for frame in found) and sum(frame.content for frame in found) <= most else None


def _decode(data: memoryview, options: DecompressOptions, workers: Workers) -> bytes:
    """Decode joined frames."""
    found = list(zstd_frame.frames(data))
    size = 0
    for frame in found:
        if frame.known:
            size += frame.content
            options.check(size)
    if len(found) > 1 and all(frame.known for frame in found):
        return made(size, lambda out: _write_frames(data, found, out, workers))
    parts: list[bytes] = []
    produced = 0
    for frame in found:
        left = None if options.max_output is None else options.max_output - produced
        content = _content(data[frame.start : frame.start + frame.size], frame, None if left is None else left + 1)
        produced += len(content)
        options.check(produced)
        parts.append(content)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _write_frames(data: memoryview, found: list[Frame], out: memoryview, workers: Workers) -> None:
    """Decode frames of known sizes to where they belong in `out`, which they fill."""
    places, end = [], 0
    for frame in found:
        places.append((frame, end))
        end += frame.content

    def write(some: list[tuple[Frame, int]]) -> None:
        for frame, start in some:
            _content_into(data[frame.start : frame.start + frame.size], out[start : start + frame.content])

    if len(found) == 1 or end < _THREADS_FROM or workers.count == 1:
        write(places)
        return
    share = max(1, len(places) // (4 * workers.count))
    workers.map(write, [places[first : first + share] for first in range(0, len(places), share)])


def _content_into(frame: memoryview, out: memoryview) -> None:
    try:
        with _here.decompressor.stream_reader(frame) as reader:
            size = reader.readinto(out) if len(out) else 0
            more = reader.read(1)
    except zstandard.ZstdError as error:
        raise library_error(error) from None
    if size != len(out) or more:
        raise FormatError(f"the Zstandard frame declares {len(out)} bytes of content and holds others")


def _content(data: Flat, frame: Frame, most: int | None) -> bytes:
    """Return a frame's content, and no more than `most` bytes of one that does not declare its size."""
    if frame.known:
        return made(frame.content, lambda out: _content_into(memoryview(data), out))
    if frame.window > zstd_frame.WINDOW_LIMIT:
        raise window_refusal(frame.window)
    room = frame.content if most is None else min(frame.content, most)
    try:
        with _here.decompressor.stream_reader(data) as reader:
            parts = [reader.read(min(room, zstd_frame.BLOCK_LIMIT))] if room else []
            left = room - sum(map(len, parts))
            while left > 0 and (part := reader.read(min(left, _FIRST_ROOM))):
                parts.append(part)
                left -= len(part)
            if left > 0 or room == frame.content:
                # To the checksum's end.
                parts.append(reader.read(1))
    except zstandard.ZstdError as error:
        raise library_error(error) from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


def window_refusal(window: int) -> FormatError:
    """Return the error for a frame whose window is too large to be kept."""
    return FormatError(
        f"the Zstandard frame has a window of {window} bytes and does not fit in memory at once; "
        f"{zstd_frame.WINDOW_LIMIT} are the most"
    )


def _whole_frame(data: memoryview) -> Frame:
    found = list(zstd_frame.frames(data))
    if len(found) != 1 or found[0].size != len(data):
        raise FormatError("a row is not one frame")
    return found[0]


# ---- devices ----


class _Regular:
    """The regular ones among some items: joined frames that all declare their size, whose contents can be placed.

    Attributes
    ----------
    contents
        What each item declares to hold; 0 where it is not regular.
    frames
        Frames with content of each.
    rows
        Frames of all regular items.
    """

    def __init__(self, items: Items, most: int) -> None:
        count = len(items)
        self.contents: Sizes = np.empty(count, np.uint64)
        self.frames: npt.NDArray[np.uint32] = np.empty(count, np.uint32)
        self._items = items
        self._frames_at = ffi.cast("uint32_t *", address_of(self.frames))
        self._sources = (words_at(items.addresses), words_at(items.sizes))
        self.rows = int(lib.fa_zstd_look(*self._sources, count, most, words_at(self.contents), self._frames_at))

    def indices(self, kind: int) -> list[int]:
        """Return the items of a kind."""
        found: list[int] = np.flatnonzero(self.frames == kind).tolist()
        return found

    def placed(self, targets: Sizes) -> Table:
        """Return a row for each frame, which goes to where it belongs in the contents at `targets`."""
        table: Table = POOL.array(self.rows, SEGMENT)
        rows = rows_at(table)
        count, contents = len(self.contents), words_at(self.contents)
        lib.fa_zstd_place(*self._sources, contents, count, self._frames_at, words_at(targets), rows)
        return table

    def check(self, table: Table, results: Table) -> None:
        """Make items that were not decoded as declared regular no more."""
        rows, found = rows_at(table), ffi.cast("result_t *", address_of(results))
        lib.fa_zstd_check(len(self.contents), rows, found, self._frames_at)


def _decode_placed(job: Job[DecompressOptions], run: Run, errors: Errors) -> list[int]:
    """Decode regular items straight into the sink, all in one launch; return the other items."""
    found = _Regular(job.items, job.options.most)
    for index in found.indices(lib.FA_ZSTD_TOO_LARGE):
        try:
            job.options.check(int(found.contents[index]))
        except DATA_ERRORS as error:
            errors[index] = kept(error)
        found.contents[index] = 0
    targets = job.sink.allocate(found.contents)
    if found.rows:
        table = found.placed(targets)
        found.check(table, run(_launch(table, job.items, job.sink)))
    return found.indices(lib.FA_ZSTD_OTHER)


def _decode_alone(data: memoryview, options: DecompressOptions, run: Run) -> bytes:
    """Decode an item frame by frame."""
    parts: list[bytes] = []
    produced = 0
    for frame in zstd_frame.frames(data):
        if frame.known:
            options.check(produced + frame.content)
        content = _frame_on_device(data, frame, options, produced, run)
        produced += len(content)
        parts.append(content)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _frame_on_device(data: memoryview, frame: Frame, options: DecompressOptions, produced: int, run: Run) -> bytes:
    """Decode a frame into scratch memory, which grows where it does not declare its content."""
    if not frame.known and frame.window > zstd_frame.WINDOW_LIMIT:
        raise window_refusal(frame.window)
    most = min(frame.content, options.most - produced)
    room = most if frame.known else min(most, max(_FIRST_ROOM, _GROWTH * frame.size))
    if frame.size >= MAX_ROW:
        raise DeviceError(f"a Zstandard frame of {frame.size} bytes is no row: {MAX_ROW - 1} bytes are the most")
    while True:
        if room >= MAX_ROW:
            raise DeviceError(f"the content of a Zstandard frame is no row: {MAX_ROW - 1} bytes are the most")
        with POOL.take(max(room, 1)) as target:
            table = new_table(1)
            source = int(ffi.cast("uintptr_t", ffi.from_buffer("uint8_t[]", data))) + frame.start
            table[0] = (source, target.address, frame.size, room, 0, 0)
            result = run(_launch(table, data, target))[0]
            if result["status"] == Status.OK:
                return bytes(memory(target.address, int(result["dst_size"])))
        if result["status"] != Status.DST_TOO_SMALL or room == frame.content:
            raise _row_error(frame, Status(int(result["status"])), int(result["check"]))
        if room == most:
            options.check(produced + room + 1)
        room = min(most, _GROWTH * room)


def _row_error(frame: Frame, status: Status, block: int) -> Exception:
    if status == Status.BAD_CHECKSUM:
        return IntegrityError("the content checksum of the Zstandard frame is wrong")
    if status in (Status.BAD_DATA, Status.DST_TOO_SMALL):
        return zstd_block.BlockError(frame.start, block)
    return DeviceError(f"zstd_decompress ended with status {status.name}")
