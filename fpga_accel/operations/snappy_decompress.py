"""Snappy decompression: streams of the framing format, and raw streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

import cramjam
import numpy as np
import numpy.typing as npt

from fpga_accel import _objects
from fpga_accel._objects import Windows
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.operations.buffers import BytesSink, Flat, Items, clear, flat, made, memory, room_for
from fpga_accel.operations.codecs import DENSE, Decompression, DecompressOptions, each_of, launch, sample_items
from fpga_accel.operations.contract import Errors, Job, RowInput, RowOutput, Run, Work, row_of, trial_of
from fpga_accel.operations.snappy_format import (
    ROW_STORED,
    Found,
    content_of_chunk,
    content_of_elements,
    decoded_row,
    look_at,
    read_chunk,
    read_chunks,
)
from fpga_accel.segments import Launch, Status, address_of, new_results

_launch = partial(launch, "snappy", "snappy_decompress")

# Content that is copied once more in less time than the look takes which tells where to decode it to.
_SMALL_CONTENT = 128 << 10
# Streams of this size are decoded by several threads: a chunk takes 20 to 80 µs, and threads 0.2 ms to begin.
_THREADS_FROM = 512 << 10
# CRC-32C of each row.
Checks = npt.NDArray[np.uint32]


class _Decompress(Decompression):
    """What both formats share."""

    kernel = "snappy"
    entry = "snappy_decompress"
    library = "cramjam"
    kinds = ("", DENSE)
    # Below, handing over the GIL costs more than it gains.
    threads_from = 16 << 10
    # Compressed bytes, which can hold twice as much text.
    small = 512 << 10
    framed: ClassVar[bool]

    def _quickly(self, data: Flat, most: int) -> bytes | None:
        """Decode in one call of the library; None where that is not enough, or too much, or fails."""
        raise NotImplementedError

    def _write(self, launch: Launch, checks: Checks, out: memoryview, workers: Workers) -> None:
        """Write the content by calls of the library, which raises an error where something is wrong."""
        raise NotImplementedError

    def _write_stream(self, data: Flat, out: memoryview) -> None:
        """Write the content of a sound stream, which fills `out`, on the calling thread; raise the same error."""
        raise NotImplementedError

    def on_cpu(self, data: Flat, options: DecompressOptions, index: int, workers: Workers) -> bytes:
        quick = self._quickly(data, min(options.most, _SMALL_CONTENT))
        if quick is not None:
            return quick
        size = self._size_on_one_thread(data, options, workers)
        if size:
            with suppress(cramjam.DecompressionError):
                return made(size, lambda out: self._write_stream(data, out))
        found = self._found(data, options)
        return made(int(found.contents[0]), lambda out: self._decode(data, found, out, workers))

    def on_cpu_into(self, data: Flat, options: DecompressOptions, index: int, workers: Workers, out: memoryview) -> int:
        quick = self._quickly(data, min(options.most, len(out), _SMALL_CONTENT))
        if quick is not None:
            out[: len(quick)] = quick
            return len(quick)
        size = self._size_on_one_thread(data, options, workers)
        if 0 < size <= len(out) and self._fills(data, out[:size]):
            return size
        found = self._found(data, options)
        size = int(found.contents[0])
        self._decode(data, found, out[:size], workers)
        return size

    def _fills(self, data: Flat, out: memoryview) -> bool:
        """Whether the content of a stream now fills `out`; if the library refuses it, nothing of it is left there."""
        try:
            self._write_stream(data, out)
        except cramjam.DecompressionError:
            clear(out)
            return False
        return True

    def _size_on_one_thread(self, data: Flat, options: DecompressOptions, workers: Workers) -> int:
        """Return the content of a sound stream that no threads gain from; 0 of all others."""
        size, sound = look_at(data, self.framed)
        gains = self.framed and workers.count > 1 and _THREADS_FROM <= len(data) < size
        return size if sound and size <= options.most and not gains else 0

    def _found(self, data: Flat, options: DecompressOptions) -> Found:
        found = Found(Items.of([data]), self.framed, options)
        for error in found.errors.values():
            raise error
        return found

    def _decode(self, data: Flat, found: Found, out: memoryview, workers: Workers) -> None:
        base = address_of(np.frombuffer(out, np.uint8)) if len(out) else 0
        table, checks = found.placed(np.array([base], np.uint64))
        launch = _launch(table, data, out)
        with suppress(cramjam.DecompressionError):
            self._write(launch, checks, out, workers)
            return
        # What the library refuses as a whole may have large skippable chunks; if not, its rows say what is wrong.
        clear(out)
        results = new_results(len(table))
        for index in range(len(table)):
            output = self.emulate(row_of(launch, index))
            results[index] = (len(output.data), output.status, output.check, 0)
            if output.status == Status.OK and output.check == checks[index]:
                memory(int(table["dst"][index]), len(output.data))[:] = output.data
        found.check(table, results, checks)
        for error in found.errors.values():
            raise error

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        return self._quickly(flat(data), _SMALL_CONTENT)

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return each_of(partial(self._quickly, most=_SMALL_CONTENT), items)

    def on_cpu_many(self, items: Sequence[Flat], options: DecompressOptions, first: int) -> tuple[list[Any], Errors]:
        most = min(options.most, _SMALL_CONTENT)
        results: list[Any] = [self._quickly(item, most) for item in items]
        errors: Errors = {}
        for index in [index for index, content in enumerate(results) if content is None]:
            (results[index],), failed = super().on_cpu_many(items[index : index + 1], options, first + index)
            errors |= failed
        return results, errors

    def on_device(self, job: Job[DecompressOptions], run: Run) -> Errors:
        found = Found(job.items, self.framed, job.options)
        targets = job.sink.allocate(found.contents)
        if found.rows:
            table, checks = found.placed(targets)
            found.check(table, run(_launch(table, job.items, job.sink)), checks)
        return found.errors

    def emulate(self, row: RowInput) -> RowOutput:
        return decoded_row(row)

    def agrees(self, row: RowInput, output: RowOutput) -> bool:
        expected = self.emulate(row)
        if expected.status == Status.OK:
            return expected == output
        # Which of several things that are wrong is found first is not the same everywhere.
        return output.status != Status.OK

    def trial(self) -> Trial:
        text = b"".join(b"segment %d of the known-answer test\n" % (i * i) for i in range(5000))
        job = Job(Items.of([self._library_stream(text), self._library_stream(b"a")]), DecompressOptions(), BytesSink(2))
        return trial_of(self, job)

    def _library_stream(self, content: bytes) -> bytes:
        raise NotImplementedError

    def work(self, data: Flat) -> Work:
        content, sound = look_at(data, self.framed)
        return Work(content, DENSE if content <= len(data) else "") if sound else Work(len(data))

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], DecompressOptions]:
        return sample_items(count, nbytes, kind, self._library_stream), DecompressOptions()


class SnappyDecompress(_Decompress):
    """``snappy.decompress``: streams of the framing format, joined or not."""

    algorithm = "snappy"
    framed = True

    def _quickly(self, data: Flat, most: int) -> bytes | None:
        return content_of_chunk(data, most)

    def _library_stream(self, content: bytes) -> bytes:
        return bytes(cramjam.snappy.compress(content))

    def _write_stream(self, data: Flat, out: memoryview) -> None:
        if read_chunks(memoryview(data), out) != len(out):
            raise cramjam.DecompressionError("a content of another size than declared")

    def _write(self, launch: Launch, checks: Checks, out: memoryview, workers: Workers) -> None:
        rows = list(zip(*(launch.table[name].tolist() for name in _ROW), checks.tolist(), strict=True))
        share = max(1, len(rows) // (4 * workers.count))
        workers.map(_decode_chunks, [rows[first : first + share] for first in range(0, len(rows), share)])


class RawDecompress(_Decompress):
    """``snappy-raw.decompress``: one stream, of any compressor."""

    takes = Windows
    algorithm = "snappy-raw"
    framed = False

    def _quickly(self, data: Flat, most: int) -> bytes | None:
        return content_of_elements(data, most)

    def library_into(self, data: Flat, out: Any, *arguments: Any) -> int | None:
        # Bytes share no memory with a buffer that is written to.
        size = _objects.snappy_plain_size(data) if type(data) is bytes else 0
        if not 0 < size <= _SMALL_CONTENT:
            return super().library_into(data, out)
        target = room_for(size, out)
        return size if target is not None and self._fills(data, target) else None

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return _contents(items, _SMALL_CONTENT)

    def on_cpu_many(self, items: Sequence[Flat], options: DecompressOptions, first: int) -> tuple[list[Any], Errors]:
        contents = _contents(items, min(options.most, _SMALL_CONTENT))
        if contents is not None:
            with suppress(cramjam.DecompressionError):
                return list(contents), {}
        # Looked at one by one, which Windows do not offer.
        return super().on_cpu_many([memoryview(item) for item in items], options, first)

    def _library_stream(self, content: bytes) -> bytes:
        return bytes(cramjam.snappy.compress_raw(content))

    def _write(self, launch: Launch, checks: Checks, out: memoryview, workers: Workers) -> None:
        row = launch.table[0]
        self._write_stream(memory(int(row["src"]), int(row["src_size"])), out)

    def _write_stream(self, data: Flat, out: memoryview) -> None:
        if cramjam.snappy.decompress_raw_into(data, out) != len(out):
            raise cramjam.DecompressionError("a content of another size than declared")


def _contents(streams: Sequence[Flat], most: int) -> Iterator[bytes] | None:
    """Decode raw streams in the loop that users would write; None where one of them needs more than that."""
    if not _objects.snappy_all_plain(streams, most):
        return None
    return map(bytes, map(cramjam.snappy.decompress_raw, streams))


# Columns of a row that decoding needs.
_ROW = ("src", "src_size", "dst", "dst_capacity", "flags")


def _decode_chunks(rows: Sequence[tuple[int, ...]]) -> None:
    """Decode chunks to where they belong."""
    for src, size, dst, capacity, flags, check in rows:
        place = memory(dst, capacity)
        if read_chunk(memory(src, size), bool(flags & ROW_STORED), check, place) != capacity:
            raise cramjam.DecompressionError("a chunk of another size than declared")
