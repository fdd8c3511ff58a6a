"""LZ4 compression into frames of independent blocks (frame format 1.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import lz4.block
import lz4.frame
import numpy as np
import xxhash

from fpga_accel._host import ffi, lib
from fpga_accel._objects import Windows
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.operations import lz4_frame
from fpga_accel.operations.buffers import BytesSink, Flat, Items, Sizes
from fpga_accel.operations.codecs import (
    DENSE,
    InParts,
    between,
    content_work,
    grouped,
    launch,
    packed,
    pointers,
    put_parts,
    sample_items,
)
from fpga_accel.operations.contract import (
    GROUP,
    Errors,
    Job,
    RowInput,
    RowOutput,
    Run,
    Work,
    one_ahead,
    trial_of,
)
from fpga_accel.operations.lz4_frame import ROW_CHECK, FrameHeader
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import SEGMENT, Bytes, Status, Table, address_of, words_at

_launch = partial(launch, "lz4", "lz4_compress")
_packed = partial(packed, entry="lz4_compress")

# Content bytes of one thread's turn on the CPU path.
CPU_PART = 1 << 20

# Content of one block of the least size: the library's own defaults make the frame of ours, as one block is linked to
# none.
_ONE_BLOCK = 64 << 10
_only_block: Callable[[Flat], bytes] = lz4.frame.compress

LEVELS = range(-65536, 13)
# Levels from here on are the library's high-compression search, for which there is no kernel.
FIRST_HC_LEVEL = 3


@dataclass(frozen=True, slots=True)
class CompressOptions:
    """Options of ``lz4.compress``.

    Parameters
    ----------
    level
        0 to 2 is the default effort, 3 to 12 searches harder (CPU only), below 0 is faster at a lower ratio.
    block_size
        64 KiB, 256 KiB, 1 MiB or 4 MiB; None is 64 KiB for content up to that size, else 256 KiB.
    content_checksum, block_checksum
        Whether the frame carries XXH32 of the content and of each block.
    """

    level: int = 0
    block_size: int | None = None
    content_checksum: bool = False
    block_checksum: bool = False

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"lz4 level {self.level}; legal ones are {LEVELS[0]} to {LEVELS[-1]}")
        if self.block_size is not None and self.block_size not in lz4_frame.BLOCK_CODES:
            legal = ", ".join(str(size) for size in lz4_frame.BLOCK_CODES)
            raise ValueError(f"lz4 block_size {self.block_size}; legal ones are {legal}")

    @property
    def acceleration(self) -> int:
        """What the kernel and the block library take: 1 is the default, more is faster."""
        return max(1, 1 - self.level)

    def block_for(self, nbytes: int) -> int:
        """Return the block size for content of `nbytes`.

        256 KiB keeps at least 0.98 of the ratio of linked blocks on text, tables and databases (64 KiB blocks
        reach 0.89 on repetitive tables) and leaves 1 MiB of content four blocks to run in parallel.
        """
        small, large = self.blocks
        return small if nbytes <= small else large

    @property
    def blocks(self) -> tuple[int, int]:
        """The block sizes of content that fits the first, and of larger content."""
        return (_ONE_BLOCK, 256 << 10) if self.block_size is None else (self.block_size, self.block_size)

    def blocks_for(self, sizes: Any) -> Any:
        """Return the block size for each of many contents."""
        if self.block_size is not None:
            return np.full(len(sizes), self.block_size, np.int64)
        return np.where(sizes <= _ONE_BLOCK, _ONE_BLOCK, self.block_for(_ONE_BLOCK + 1)).astype(np.int64)

    def tail(self, content: Flat) -> bytes:
        """Return what ends a frame: the EndMark, and the content's checksum where the frame carries one."""
        if not self.content_checksum:
            return lz4_frame.END_MARK
        return lz4_frame.END_MARK + xxhash.xxh32(content).digest()[::-1]

    def header(self, nbytes: int | None, block_size: int | None = None) -> FrameHeader:
        """Return the header of a frame with `nbytes` of content (None: not declared)."""
        return FrameHeader(
            block_size=block_size or self.block_for(nbytes or 0),
            block_checksum=self.block_checksum,
            content_checksum=self.content_checksum,
            content_size=nbytes,
        )


def compress_bound(nbytes: int) -> int:
    """Return the largest frame that `nbytes` of content can become."""
    smallest_block = 64 << 10
    blocks = -(-nbytes // smallest_block)
    # Header with content size, EndMark and content checksum; header and checksum a block.
    return nbytes + 15 + 8 + 8 * blocks


class Lz4Compress(InParts[CompressOptions]):
    """``lz4.compress``."""

    op = "compress"
    algorithm = "lz4"
    kernel = "lz4"
    entry = "lz4_compress"
    library = "lz4"
    kinds = ("", DENSE)
    # 4 KiB take 10 µs: two threads make 1.5 times of one.
    threads_from = 2 << 10
    takes = Windows

    def options(self, **given: Any) -> CompressOptions:
        return CompressOptions(**given)

    def unsupported(self, options: CompressOptions) -> str | None:
        if options.level >= FIRST_HC_LEVEL:
            return f"level {options.level} is a high-compression level, which has no kernel"
        return None

    def limits(self) -> dict[str, dict[str, Any]]:
        kernels = range(LEVELS[0], FIRST_HC_LEVEL)
        return {
            "level": between(LEVELS) | {"on_device": between(kernels)},
            "block_size": {"values": list(lz4_frame.BLOCK_CODES)},
        }

    def parts_on_cpu(self, data: Flat, options: CompressOptions, workers: Workers) -> Sequence[Flat]:
        block_size = options.block_for(len(data))
        part = max(CPU_PART, block_size)
        if len(data) < 2 * part or workers.count == 1:
            return [_library_frame(data, block_size, options)]
        # Blocks are independent, so frames of parts, without their headers and EndMarks, make one frame.
        plain, view = replace(options, content_checksum=False), memoryview(data)
        parts = [view[start : start + part] for start in range(0, len(view), part)]
        frames = workers.map(lambda each: _library_frame(each, block_size, plain), parts)
        head, tail = options.header(len(data), block_size).pack(), options.tail(data)
        bodies = (memoryview(frame)[len(head) : -len(lz4_frame.END_MARK)] for frame in frames)
        return [head, *bodies, tail]

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        size = len(data) if type(data) is bytes else memoryview(data).nbytes
        if size <= _ONE_BLOCK:
            return _only_block(data)
        return _library_frame(data, self._defaults.block_for(size), self._defaults)

    def library_many(self, items: Sequence[Flat], *arguments: Any) -> list[Any] | None:
        return list(map(_only_block, items)) if max(map(len, items)) <= _ONE_BLOCK else None

    def on_cpu_many(self, items: Sequence[Flat], options: CompressOptions, first: int) -> tuple[list[Any], Errors]:
        if options != self._defaults or max(map(len, items), default=0) > _ONE_BLOCK:
            return super().on_cpu_many(items, options, first)
        # The loop that users would write: every argument more would show.
        return list(map(_only_block, items)), {}

    def each_on_cpu(
        self, items: Iterable[Flat], options: CompressOptions, part: slice, most: int
    ) -> Iterator[bytes] | None:
        return map(_only_block, items) if options == self._defaults and most <= _ONE_BLOCK else None

    def on_device(self, job: Job[CompressOptions], run: Run) -> Errors:
        def start(indices: range) -> Callable[[], None]:
            if len(indices) == 1 and int(job.items.sizes[indices[0]]) > GROUP:
                return partial(self._frame_in_groups, job, indices[0], run)
            return self._start_frames(job, indices, run)

        for _ in one_ahead(grouped(job.items.sizes, GROUP), start):
            pass
        return {}

    def _start_frames(self, job: Job[CompressOptions], indices: range, run: Run) -> Callable[[], None]:
        """Send some contents on their way in one launch; the result waits, and puts their frames into the sink."""
        items, options = job.items.picked(slice(indices.start, indices.stop)), job.options
        blocks = options.blocks
        table, first_rows, scratch = _cut(items, blocks, options)
        wait = run.start(_launch(table, items, scratch)) if len(table) else lambda: table

        def finish() -> None:
            results = wait()
            flags = options.header(None, blocks[0]).flags
            frame_sizes: Sizes = np.empty(len(items), np.uint64)
            parts = (*pointers(table, results), words_at(first_rows))
            _packed(lib.fa_lz4_frame_sizes(*parts, len(items), flags, words_at(frame_sizes)), results)
            targets = job.sink.allocate(frame_sizes, indices.start)
            contents = (words_at(items.addresses), words_at(items.sizes), len(items))
            places = (words_at(targets), words_at(frame_sizes))
            _packed(lib.fa_lz4_frames(*parts, *contents, blocks, flags, *places), results)

        return finish

    def _frame_in_groups(self, job: Job[CompressOptions], index: int, run: Run) -> None:
        """Compress content of any size with scratch memory of two groups."""
        data, options = job.items.view(index), job.options
        block = options.block_for(len(data))
        groups = (data[start : start + GROUP] for start in range(0, len(data), GROUP))
        bodies = list(one_ahead(groups, lambda group: _start_blocks(group, block, options, run)))
        head, tail = options.header(len(data), block).pack(), options.tail(data if options.content_checksum else b"")
        parts: list[Flat] = [head, *bodies, tail]
        put_parts(job.sink, index, parts)

    def emulate(self, row: RowInput) -> RowOutput:
        data = lz4.block.compress(row.src, mode="fast", acceleration=row.param, store_size=False)
        if len(data) > row.capacity:
            return RowOutput(b"", Status.DST_TOO_SMALL)
        return RowOutput(data, check=xxhash.xxh32_intdigest(data) if row.flags & ROW_CHECK else 0)

    def agrees(self, row: RowInput, output: RowOutput) -> bool:
        # Any valid block of the same content is right; one that did not fit is stored raw.
        if output.status == Status.DST_TOO_SMALL:
            return True
        if output.status != Status.OK:
            return False
        try:
            content = lz4.block.decompress(output.data, uncompressed_size=len(row.src))
        except lz4.block.LZ4BlockError:
            return False
        check = xxhash.xxh32_intdigest(output.data) if row.flags & ROW_CHECK else 0
        return content == row.src and output.check == check

    def trial(self) -> Trial:
        text = b"".join(b"segment %d of the known-answer test\n" % (i * i) for i in range(3000))
        parts = [b"a", b"abc" * 5, bytes(1000), bytes(range(251)) * 9, text, text[:65536], text[7:70000]]
        job = Job(Items.of(parts), CompressOptions(block_checksum=True), BytesSink(len(parts)))
        return trial_of(self, job)

    def work(self, data: Flat) -> Work:
        return content_work(data)

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], CompressOptions]:
        return sample_items(count, nbytes, kind), CompressOptions()


def _start_blocks(data: memoryview, block: int, options: CompressOptions, run: Run) -> Callable[[], memoryview]:
    """Send `data` on its way; the result waits for it as blocks of a frame: no header, no EndMark."""
    items = Items.of([data])
    table, _, scratch = _cut(items, (block, block), options)
    wait = run.start(_launch(table, items, scratch))

    def packed() -> memoryview:
        results = wait()
        body = POOL.array(_packed_size(table, results, options))
        _pack_blocks(body, table, results, options)
        view: memoryview = body.data
        return view

    return packed


def _library_options(block_size: int, options: CompressOptions) -> dict[str, Any]:
    return {
        "compression_level": options.level,
        "block_size": lz4_frame.BLOCK_CODES[block_size],
        "block_linked": False,
        "content_checksum": options.content_checksum,
        "block_checksum": options.block_checksum,
    }


def _library_frame(data: Flat, block_size: int, options: CompressOptions) -> bytes:
    frame: bytes = lz4.frame.compress(data, **_library_options(block_size, options))
    return frame


def cut(
    sources: Sizes, sizes: Sizes, blocks: tuple[int, int], slots: int, options: CompressOptions
) -> tuple[Table, Sizes]:
    """Cut contents into rows of a block each, whose slots follow each other from `slots` on.

    Returns
    -------
    table, first_rows
        `first_rows` has one more entry than contents.
    """
    count = lib.fa_lz4_cut_count(words_at(sizes), len(sizes), blocks)
    table: Table = POOL.array(count, SEGMENT)
    first_rows: Sizes = np.empty(len(sizes) + 1, np.uint64)
    lib.fa_lz4_cut(
        words_at(sources),
        words_at(sizes),
        len(sizes),
        blocks,
        slots,
        options.acceleration,
        ROW_CHECK if options.block_checksum else 0,
        pointers(table, table)[0],
        words_at(first_rows),
    )
    return table, first_rows


def _cut(items: Items, blocks: tuple[int, int], options: CompressOptions) -> tuple[Table, Sizes, Bytes]:
    """Do the same with scratch memory for the slots."""
    scratch: Bytes = POOL.array(items.nbytes)
    return *cut(items.addresses, items.sizes, blocks, address_of(scratch), options), scratch


def _packed_size(table: Table, results: Table, options: CompressOptions) -> int:
    return _packed(lib.fa_lz4_packed_size(*pointers(table, results), len(table), options.block_checksum), results)


def _pack_blocks(out: Bytes, table: Table, results: Table, options: CompressOptions) -> None:
    room = ffi.cast("uint8_t *", address_of(out))
    _packed(lib.fa_lz4_pack(room, len(out), *pointers(table, results), len(table), options.block_checksum), results)
