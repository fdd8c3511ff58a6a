"""Snappy decompression: streams of the framing format, and raw streams."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import Any, ClassVar

import cramjam
import numpy as np

from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.operations.buffers import BytesSink, Flat, Items, flat, made, memory
from fpga_accel.operations.codecs import DENSE, Decompression, DecompressOptions, sample_data
from fpga_accel.operations.contract import Errors, Job, RowInput, RowOutput, Run, Work, row_of, trial_of
from fpga_accel.operations.snappy_format import CHECKSUM, CHUNK_HEADER, IDENTIFIER, Found, decoded_row, look_at
from fpga_accel.segments import Launch, Status, Table, address_of, new_results

# Content that the library decodes in less time than a launch and its page faults take.
_SMALL_CONTENT = 1 << 20
# Streams from this size on are decoded by several threads: their bytes are copied once more.
_THREADS_FROM = 1 << 20


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

    def _whole(self, data: Flat) -> Any:
        """Return the library's content."""
        raise NotImplementedError

    def _write(self, data: Flat, launch: Launch, out: memoryview, workers: Workers) -> None:
        """Write the content by a few calls of the library."""
        raise NotImplementedError

    def on_cpu(self, data: Flat, options: DecompressOptions, index: int, workers: Workers) -> bytes:
        quick = self._quickly(data, min(options.most, _SMALL_CONTENT))
        if quick is not None:
            return quick
        found = self._found(data, options)
        return made(int(found.contents[0]), lambda out: self._decode(data, found, out, workers))

    def on_cpu_into(self, data: Flat, options: DecompressOptions, index: int, workers: Workers, out: memoryview) -> int:
        found = self._found(data, options)
        size = int(found.contents[0])
        self._decode(data, found, out[:size], workers)
        return size

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
            self._write(data, launch, out, workers)
            return
        # What the library refuses as a whole may have large skippable chunks; if not, its rows say what is wrong.
        results = new_results(len(table))
        for index in range(len(table)):
            output = self.emulate(row_of(launch, index))
            results[index] = (len(output.data), output.status, output.check, 0)
            if output.status == Status.OK:
                memory(int(table["dst"][index]), len(output.data))[:] = output.data
        found.check(table, results, checks)
        for error in found.errors.values():
            raise error

    def _quickly(self, data: Flat, most: int) -> bytes | None:
        """Decode in one call of the library; None where that is not enough, or too much, or fails."""
        content, sound = look_at(data, self.framed)
        if not sound or not 0 < content <= most:
            return None
        try:
            return bytes(self._whole(data))
        except cramjam.DecompressionError:
            return None

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        return self._quickly(flat(data), _SMALL_CONTENT)

    def library_many(self, items: list[bytes], *arguments: Any) -> list[Any] | None:
        contents = [self._quickly(item, _SMALL_CONTENT) for item in items]
        return None if None in contents else contents

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
        return [self._library_stream(sample_data(nbytes, kind))] * count, DecompressOptions()


class SnappyDecompress(_Decompress):
    """``snappy.decompress``: streams of the framing format, joined or not."""

    algorithm = "snappy"
    framed = True

    def _whole(self, data: Flat) -> Any:
        return cramjam.snappy.decompress(data)

    def _library_stream(self, content: bytes) -> bytes:
        return bytes(cramjam.snappy.compress(content))

    def _write(self, data: Flat, launch: Launch, out: memoryview, workers: Workers) -> None:
        table = launch.table
        if workers.count == 1 or len(data) < _THREADS_FROM or len(table) < 2 * workers.count:
            _require(cramjam.snappy.decompress_into(data, out), len(out))
            return
        # Each thread has some chunks in a row, with an identifier in front.
        source, target = address_of(np.frombuffer(data, np.uint8)), int(table["dst"][0])
        view = memoryview(data)
        marks = np.linspace(0, len(table), 4 * workers.count + 1).astype(int).tolist()

        def write_some(part: tuple[int, int]) -> None:
            first, last = table[part[0]], table[part[1] - 1]
            start = int(first["src"]) - source - CHUNK_HEADER - CHECKSUM
            end = int(last["src"]) - source + int(last["src_size"])
            place = out[int(first["dst"]) - target : int(last["dst"]) - target + int(last["dst_capacity"])]
            _require(cramjam.snappy.decompress_into(IDENTIFIER + view[start:end], place), len(place))

        workers.map(write_some, [part for part in pairwise(marks) if part[0] < part[1]])


class RawDecompress(_Decompress):
    """``snappy-raw.decompress``: one stream, of any compressor."""

    algorithm = "snappy-raw"
    framed = False

    def _whole(self, data: Flat) -> Any:
        return cramjam.snappy.decompress_raw(data)

    def _library_stream(self, content: bytes) -> bytes:
        return bytes(cramjam.snappy.compress_raw(content))

    def _write(self, data: Flat, launch: Launch, out: memoryview, workers: Workers) -> None:
        _require(cramjam.snappy.decompress_raw_into(data, out), len(out))


def _require(written: int, wanted: int) -> None:
    if written != wanted:
        raise cramjam.DecompressionError(f"{written} bytes instead of {wanted}")


def _launch(table: Table, *keep: Any) -> Launch:
    return Launch("snappy", "snappy_decompress", table, np.zeros(16, np.uint8), keep=keep)
