"""Snappy compression: streams of the framing format, and raw streams of independent fragments of 64 KiB."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import cramjam
import numpy as np

from fpga_accel._host import ffi, lib
from fpga_accel._objects import Windows
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import FormatError
from fpga_accel.operations.buffers import BytesSink, Flat, Items, Sizes, flat
from fpga_accel.operations.codecs import (
    DENSE,
    InParts,
    content_work,
    grouped,
    launch,
    packed,
    pointers,
    put_parts,
    sample_items,
)
from fpga_accel.operations.contract import (
    ALONE,
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
from fpga_accel.operations.snappy_format import (
    BLOCK,
    CHECKSUM,
    CHUNK_HEADER,
    IDENTIFIER,
    LARGEST_RAW,
    PREAMBLE,
    ROW_CHECK,
    ROW_PREAMBLE,
    chunk,
    content_of_raw,
    crc_of,
    head_of,
    write_chunks,
)
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import SEGMENT, Bytes, Status, Table, address_of, words_at

_launch = partial(launch, "snappy", "snappy_compress")
_packed = partial(packed, entry="snappy_compress")

# Content bytes of one thread's turn on the CPU path: whole blocks.
CPU_PART = 1 << 20


@dataclass(frozen=True, slots=True)
class CompressOptions:
    """Snappy has no options."""


def framed_bound(nbytes: int) -> int:
    """Return the largest stream of the framing format that `nbytes` of content can become."""
    return nbytes + len(IDENTIFIER) + (CHUNK_HEADER + CHECKSUM) * -(-nbytes // BLOCK)


def raw_bound(nbytes: int) -> int:
    """Return the largest raw stream that `nbytes` of content can become.

    More than we write, as the library that does it on CPUs may let content grow by a sixth.
    """
    return nbytes + nbytes // 6 + PREAMBLE + 32


class _Compress(InParts[CompressOptions]):
    """What both formats share."""

    op = "compress"
    kernel = "snappy"
    entry = "snappy_compress"
    library = "cramjam"
    kinds = ("", DENSE)
    # 4 KiB take 10 µs, and the library lets go of the GIL.
    threads_from = 2 << 10
    takes = Windows
    framed: ClassVar[bool]
    # What a row is asked for.
    row_flags: ClassVar[int]

    def options(self, **given: Any) -> CompressOptions:
        if given:
            raise TypeError(f"{self.algorithm} has no options, not even {', '.join(sorted(given))}")
        return CompressOptions()

    def _body(self, content: memoryview) -> Flat:
        """Return what whole blocks become, by the library, without the head of a stream."""
        raise NotImplementedError

    def parts_on_cpu(self, data: Flat, options: CompressOptions, workers: Workers) -> Sequence[Flat]:
        view = memoryview(data)
        if len(data) < 2 * CPU_PART or workers.count == 1:
            return [self._head(len(data)), self._body(view)]
        # Blocks are independent, so what parts become makes one stream.
        shares = [view[start : start + CPU_PART] for start in range(0, len(view), CPU_PART)]
        return [self._head(len(data)), *workers.map(self._body, shares)]

    def _head(self, nbytes: int) -> bytes:
        return head_of(nbytes, self.framed)

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return map(self.library_call, items)

    def on_cpu_many(self, items: Sequence[Flat], options: CompressOptions, first: int) -> tuple[list[Any], Errors]:
        return list(map(self.library_call, items)), {}

    def on_device(self, job: Job[CompressOptions], run: Run) -> Errors:
        def start(indices: range) -> Callable[[], None]:
            if len(indices) == 1 and int(job.items.sizes[indices[0]]) > GROUP:
                return partial(self._in_groups, job, indices[0], run)
            return self._start_streams(job, indices, run)

        for _ in one_ahead(grouped(job.items.sizes, GROUP), start):
            pass
        return {}

    def _start_streams(self, job: Job[CompressOptions], indices: range, run: Run) -> Callable[[], None]:
        """Send some contents on their way in one launch; the result waits, and puts their streams into the sink."""
        items = job.items.picked(slice(indices.start, indices.stop))
        table, first_rows, scratch = self._cut(items)
        wait = run.start(_launch(table, items, scratch)) if len(table) else lambda: table

        def finish() -> None:
            results = wait()
            stream_sizes: Sizes = np.empty(len(items), np.uint64)
            parts = (*pointers(table, results), words_at(first_rows), words_at(items.sizes), len(items), self.framed)
            _packed(lib.fa_snappy_stream_sizes(*parts, words_at(stream_sizes)), results)
            targets = job.sink.allocate(stream_sizes, indices.start)
            _packed(lib.fa_snappy_streams(*parts, words_at(targets), words_at(stream_sizes)), results)

        return finish

    def _in_groups(self, job: Job[CompressOptions], index: int, run: Run) -> None:
        """Compress content of any size with scratch memory of two groups."""
        data = job.items.view(index)
        groups = (data[start : start + GROUP] for start in range(0, len(data), GROUP))
        parts: list[Flat] = [self._head(len(data)), *one_ahead(groups, partial(self._start_body, run=run))]
        put_parts(job.sink, index, parts)

    def _start_body(self, data: memoryview, run: Run) -> Callable[[], memoryview]:
        items = Items.of([data])
        table, _, scratch = self._cut(items)
        wait = run.start(_launch(table, items, scratch))

        def packed() -> memoryview:
            results = wait()
            parts = (*pointers(table, results), len(table), self.framed)
            body = POOL.array(_packed(lib.fa_snappy_packed_size(*parts), results))
            room = ffi.cast("uint8_t *", address_of(body))
            _packed(lib.fa_snappy_pack(room, len(body), *parts), results)
            view: memoryview = body.data
            return view

        return packed

    def _cut(self, items: Items) -> tuple[Table, Sizes, Bytes]:
        """Cut contents into rows of a block each, with scratch memory for their slots."""
        scratch: Bytes = POOL.array(items.nbytes)
        sizes = (words_at(items.sizes), len(items))
        table: Table = POOL.array(lib.fa_snappy_cut_count(*sizes), SEGMENT)
        first_rows: Sizes = np.empty(len(items) + 1, np.uint64)
        rows = pointers(table, table)[0]
        slots = address_of(scratch)
        lib.fa_snappy_cut(words_at(items.addresses), *sizes, slots, self.row_flags, rows, words_at(first_rows))
        return table, first_rows, scratch

    def emulate(self, row: RowInput) -> RowOutput:
        check = crc_of(row.src) if row.flags & ROW_CHECK else 0
        stream = bytes(cramjam.snappy.compress_raw(row.src))
        data = stream if row.flags & ROW_PREAMBLE else stream[content_of_raw(stream)[1] :]
        if len(data) > row.capacity:
            return RowOutput(b"", Status.DST_TOO_SMALL, check)
        return RowOutput(data, check=check)

    def agrees(self, row: RowInput, output: RowOutput) -> bool:
        if output.check != (crc_of(row.src) if row.flags & ROW_CHECK else 0):
            return False
        # Any valid elements of the same content are right; what did not fit is stored.
        if output.status != Status.OK:
            return output.status == Status.DST_TOO_SMALL
        head = b"" if row.flags & ROW_PREAMBLE else head_of(len(row.src), framed=False)
        try:
            content = bytes(cramjam.snappy.decompress_raw(head + output.data))
        except cramjam.DecompressionError:
            return False
        return content == row.src

    def trial(self) -> Trial:
        text = b"".join(b"segment %d of the known-answer test\n" % (i * i) for i in range(3000))
        parts = [b"a", b"abc" * 5, bytes(1000), bytes(range(251)) * 9, text, text[:65536], text[7:70000]]
        return trial_of(self, Job(Items.of(parts), CompressOptions(), BytesSink(len(parts))))

    def work(self, data: Flat) -> Work:
        return content_work(data)

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], CompressOptions]:
        return sample_items(count, nbytes, kind), CompressOptions()


class SnappyCompress(_Compress):
    """``snappy.compress``: a stream of the framing format."""

    algorithm = "snappy"
    framed = True
    row_flags = ROW_CHECK | ROW_PREAMBLE

    def library_call(self, data: Flat, *arguments: Any) -> bytes:
        data = flat(data)
        if not 0 < len(data) <= BLOCK:
            return self.on_cpu(data, self._defaults, 0, ALONE)
        return b"".join((IDENTIFIER, *chunk(bytes(data))))

    def _body(self, content: memoryview) -> Flat:
        out: memoryview = POOL.array(framed_bound(len(content))).data
        return out[: write_chunks(content, out)]

    def on_cpu_into(self, data: Flat, options: CompressOptions, index: int, workers: Workers, out: memoryview) -> int:
        threads = workers.count > 1 and len(data) >= 2 * CPU_PART
        if threads or len(out) < framed_bound(len(data)):
            return super().on_cpu_into(data, options, index, workers, out)
        head = self._head(len(data))
        out[: len(head)] = head
        return len(head) + write_chunks(memoryview(data), out[len(head) :])


class RawCompress(_Compress):
    """``snappy-raw.compress``: the size of the content, and fragments."""

    algorithm = "snappy-raw"
    framed = False
    row_flags = 0

    def library_call(self, data: Flat, *arguments: Any) -> bytes:
        data = flat(data)
        _require_size(len(data))
        return bytes(cramjam.snappy.compress_raw(data))

    def parts_on_cpu(self, data: Flat, options: CompressOptions, workers: Workers) -> Sequence[Flat]:
        if len(data) < 2 * CPU_PART or workers.count == 1:
            return [self.library_call(data)]
        return super().parts_on_cpu(data, options, workers)

    def _head(self, nbytes: int) -> bytes:
        _require_size(nbytes)
        return super()._head(nbytes)

    def _body(self, content: memoryview) -> Flat:
        stream = memoryview(cramjam.snappy.compress_raw(content))
        return stream[content_of_raw(stream)[1] :]


def _require_size(nbytes: int) -> None:
    if nbytes > LARGEST_RAW:
        raise FormatError(
            f"{nbytes} bytes of content; a raw Snappy stream has at most {LARGEST_RAW}", hint="use the format snappy"
        )
