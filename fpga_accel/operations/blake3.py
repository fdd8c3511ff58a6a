"""BLAKE3, hash mode: a tree, so that a device takes one big buffer in parallel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from blake3 import blake3

from fpga_accel._objects import Windows
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.operations import blake3_tree
from fpga_accel.operations.blake3_tree import CHUNK, VALUE
from fpga_accel.operations.buffers import BytesSink, Flat, Items, Sizes
from fpga_accel.operations.contract import (
    Errors,
    Job,
    RowInput,
    RowOutput,
    Run,
    first_launch,
    output_of,
    periodic,
    require_success,
    row_of,
)
from fpga_accel.operations.digests import DigestOperation, DigestOptions, ordered
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import SEGMENT, Bytes, Launch, Status, Table, address_of

# What a row is, as in kernels/blake3/params.h.
WHOLE, SUBTREE, JOIN = range(3)
RECORD = np.dtype([("first", "<u8"), ("kind", "<u4"), ("reserved", "<u4")])

# A message of more bytes is cut into rows. Shorter rows would join more values in the second launch, a serial chain of
# 0.2 µs each; longer ones would leave lanes of the kernel idle for messages of some hundred KiB.
ROW = 16 << 10
# Rows of one message at most, or its rows get longer: 512 values are joined in about 0.1 ms.
ROWS = 512


class Blake3(DigestOperation):
    """``blake3.digest``; its output goes on for as long as wanted."""

    algorithm = kernel = entry = "blake3"
    library = "blake3"
    size = VALUE
    xof = True
    block = 64
    # One big buffer is work for many lanes, but two launches take as long as the library does with 1 to 2 MiB. So do
    # its threads, which it makes anew for each call of more than one.
    small = 2 << 20
    # It lets go of the GIL from 2 KiB on; two threads gain from some µs of work on.
    threads_from = 16 << 10
    takes = Windows
    by_items = True

    def hashed(self, data: Flat, length: int) -> bytes:
        digest: bytes = blake3(data).digest(length)
        return digest

    def on_cpu(self, data: Flat, options: DigestOptions, index: int, workers: Workers) -> bytes:
        if workers.count == 1 or len(data) < self.small:
            return self.hashed(data, options.length)
        digest: bytes = blake3(data, max_threads=workers.count).digest(options.length)
        return digest

    def on_cpu_many(self, items: Sequence[Flat], options: DigestOptions, first: int) -> tuple[list[Any], Errors]:
        length = options.length
        return [blake3(data).digest(length) for data in items], {}

    def on_device(self, job: Job[DigestOptions], run: Run) -> Errors:
        items, length = job.items, job.options.length
        targets = job.sink.allocate(np.full(len(items), length, np.uint64))
        rows = _rows_of(items.sizes)
        cut = np.flatnonzero(rows.counts > 1)
        if not len(cut):
            table = _table(items.addresses, items.sizes, targets, length)
            require_success(self, run(Launch(self.kernel, self.entry, ordered(table), _records(0), keep=job)))
            return {}
        values = POOL.array(int(rows.counts[cut].sum()) * VALUE, np.uint8)
        starts = address_of(values) + VALUE * (np.cumsum(rows.counts[cut]) - rows.counts[cut]).astype(np.uint64)
        table, params = _parts(items, rows, cut, starts)
        whole = np.flatnonzero(rows.counts == 1)
        if len(whole):
            more = _table(items.addresses[whole], items.sizes[whole], targets[whole], length)
            table = np.concatenate((table, more))
        launch = Launch(self.kernel, self.entry, ordered(table), params, keep=(job, values))
        require_success(self, run(launch))
        sizes = rows.counts[cut].astype(np.uint64) * np.uint64(VALUE)
        table = _table(starts, sizes, targets[cut], length)
        table["param"] = RECORD.itemsize
        params = _records(1)
        params.view(RECORD)["kind"][1] = JOIN
        launch = Launch(self.kernel, self.entry, ordered(table), params, keep=(job, values))
        require_success(self, run(launch))
        return {}

    def emulate(self, row: RowInput) -> RowOutput:
        record = _record(row)
        if record["kind"] == SUBTREE:
            return RowOutput(blake3_tree.chaining_value(row.src, int(record["first"])))
        if record["kind"] == JOIN:
            return RowOutput(blake3_tree.joined(row.src, row.flags))
        return RowOutput(self.hashed(row.src, row.flags))

    def agrees(self, row: RowInput, output: RowOutput) -> bool:
        if _record(row)["kind"] == SUBTREE:
            # The library gives no chaining values: `agrees_on` sees what has become of them.
            return output.status == Status.OK and len(output.data) == VALUE
        return super().agrees(row, output)

    def agrees_on(self, job: Job[DigestOptions], index: int) -> bool:
        return self.hashed(job.items.view(index), job.options.length) == job.sink.view(index)

    def trial(self) -> Trial:
        sizes = [0, 1, 63, 64, 65, *(n * CHUNK + more for n in (1, 2, 3, 4, 7, 8) for more in (-1, 0, 1)), ROW]
        data = [periodic(size) for size in sizes]
        job = Job(Items.of(data), DigestOptions(2 * self.block + 3), BytesSink(len(data)))
        launch = first_launch(self, job)
        # Rows of the other kinds: parts of the last message, and those of a few values to join.
        params = _records(3)
        records = params.view(RECORD)
        records["kind"] = WHOLE, SUBTREE, SUBTREE, JOIN
        records["first"][1:3] = 1, (1 << 32) + 16
        parts, joins = [CHUNK - 1, CHUNK, 5 * CHUNK + 7, ROW], [2 * VALUE, 3 * VALUE, 21 * VALUE]
        more = POOL.array(len(parts) + len(joins), SEGMENT)
        outputs = POOL.array(len(more) * 2 * VALUE, np.uint8)
        more["src"] = job.items.addresses[-1]
        more["src_size"] = parts + joins
        more["dst"] = address_of(outputs) + np.arange(len(more), dtype=np.uint64) * np.uint64(2 * VALUE)
        more["dst_capacity"] = more["flags"] = [VALUE] * len(parts) + [2 * VALUE] * len(joins)
        more["param"] = np.array([1, 1, 2, 2] + [3] * len(joins)) * RECORD.itemsize
        table = np.concatenate((launch.table, more))
        whole = Launch(self.kernel, self.entry, table, params, keep=(launch.keep, outputs))

        def passed(results: Table) -> bool:
            return all(self.emulate(row_of(whole, i)) == output_of(whole, results, i) for i in range(len(table)))

        return Trial(whole, passed)


# ---- rows ----


class _Rows:
    """How many rows each message is cut into, and the bytes of all but its last."""

    def __init__(self, counts: Any, nbytes: Any) -> None:
        self.counts = counts
        self.nbytes = nbytes


def _rows_of(sizes: Sizes) -> _Rows:
    nbytes = np.full(len(sizes), ROW, np.int64)
    whole = sizes.astype(np.int64)
    while (long := whole > nbytes * ROWS).any():
        nbytes[long] *= 2
    return _Rows(np.maximum(-(-whole // nbytes), 1), nbytes)


def _table(sources: Sizes, sizes: Sizes, targets: Sizes, length: int) -> Table:
    table: Table = POOL.array(len(sizes), SEGMENT)
    table["src"], table["src_size"], table["dst"] = sources, sizes, targets
    table["dst_capacity"] = table["flags"] = length
    table["param"] = 0
    return table


def _parts(items: Items, rows: _Rows, cut: Any, starts: Sizes) -> tuple[Table, Bytes]:
    """Return the rows of the messages that are cut, whose chaining values go to `starts` and on, and their records."""
    counts, nbytes = rows.counts[cut], np.repeat(rows.nbytes[cut], rows.counts[cut])
    message = np.repeat(np.arange(len(cut)), counts)
    number = np.arange(len(message)) - (np.cumsum(counts) - counts)[message]
    before = number * nbytes
    table = _table(
        items.addresses[cut][message] + before.astype(np.uint64),
        np.minimum(items.sizes[cut][message].astype(np.int64) - before, nbytes).astype(np.uint64),
        starts[message] + (number * VALUE).astype(np.uint64),
        VALUE,
    )
    table["param"] = (np.arange(len(message)) + 1) * RECORD.itemsize
    params = _records(len(message))
    records = params.view(RECORD)
    records["first"][1:] = before // CHUNK
    records["kind"][1:] = SUBTREE
    return table, params


def _records(more: int) -> Bytes:
    """Return the record of whole messages, and room for more behind it."""
    return np.zeros(more + 1, RECORD).view(np.uint8)


def _record(row: RowInput) -> Any:
    return row.params[row.param : row.param + RECORD.itemsize].view(RECORD)[0]
