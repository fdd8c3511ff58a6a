"""What all checksums share: numbers as results, and for those that can go on from a value, rows that are combined."""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.operations.buffers import Flat, Items, NumberSink, Sizes
from fpga_accel.operations.contract import (
    Errors,
    Job,
    Operation,
    RowInput,
    RowOutput,
    Run,
    periodic,
    require_success,
    trial_of,
)
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import SEGMENT, Bytes, Launch, Table

# An item is cut into rows of this many bytes: 30 µs of work for a core, less than a launch costs. Rows of 256 KiB and
# of 4 MiB are as fast on the device, but each row costs the host 0.3 µs to combine.
ROW = 1 << 20
# A parameter record: one number.
RECORD = 16

Checksums = npt.NDArray[Any]
RowCounts = npt.NDArray[np.int64]
OptionsT = TypeVar("OptionsT")


class ChecksumOperation(Operation[OptionsT]):
    """A checksum, whose result is a number of `number_size` bytes."""

    op = "checksum"
    # As the standard writes it.
    title: ClassVar[str]

    @property
    def largest(self) -> int:
        """The largest number of its size."""
        return (1 << 8 * self.number_size) - 1

    @abstractmethod
    def plain(self, data: Flat) -> int:
        """Return the checksum of `data` with default options, by the CPU library."""

    @abstractmethod
    def numbered(self, data: Flat, options: OptionsT) -> int:
        """Return the checksum of `data` by the CPU library."""

    def on_cpu(self, data: Flat, options: OptionsT, index: int, workers: Workers) -> int:
        return self.numbered(data, options)

    def on_cpu_many(self, items: Sequence[Flat], options: OptionsT, first: int) -> tuple[list[Any], Errors]:
        numbered = self.numbered
        return [numbered(data, options) for data in items], {}

    def library_call(self, data: Flat, *arguments: Any) -> int:
        return self.plain(data)

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return map(self.plain, items)

    def number(self, name: str, given: Any) -> int:
        """Return an option that is a number of the checksum's size.

        Raises
        ------
        TypeError, ValueError
            It is none.
        """
        try:
            number = operator.index(given)
        except TypeError:
            raise TypeError(f"{name} must be an int, not {type(given).__name__}") from None
        if not 0 <= number <= self.largest:
            raise ValueError(f"{name} is {number}; a {self.title} is 0 to {self.largest}")
        return number


class ContinuedOptions(NamedTuple):
    """Options of a checksum: `value` is that of the bytes in front."""

    value: int


class ContinuedChecksum(ChecksumOperation[ContinuedOptions]):
    """A checksum that goes on from that of the bytes in front, and so is combined of those of parts.

    The checksum in front is in a row's `flags`, or where it is longer in the parameter record.
    """

    # The checksum of nothing.
    initial: ClassVar[int] = 0
    # Libraries do 10 to 30 GB/s on a core, 4 MiB in about what a launch takes.
    small = 4 << 20

    @abstractmethod
    def continued(self, data: Flat, value: int) -> int:
        """Return the checksum of `data` behind bytes whose checksum is `value`, by the CPU library."""

    @abstractmethod
    def combined(self, first: int, second: int, nbytes: int) -> int:
        """Return the checksum of two parts behind each other, the second of so many bytes."""

    def numbered(self, data: Flat, options: ContinuedOptions) -> int:
        return self.continued(data, options.value)

    def options(self, **given: Any) -> ContinuedOptions:
        value = given.pop("value", self.initial)
        if "seed" in given:
            raise ValueError(f"{self.algorithm} has no seed; value= goes on from the checksum of what comes in front")
        if given:
            raise TypeError(f"{self.algorithm} has no options {sorted(given)}")
        return ContinuedOptions(self.number("value", value))

    @property
    def in_flags(self) -> bool:
        """Whether a row's flags have room for the checksum in front."""
        return self.number_size == 4

    def on_device(self, job: Job[ContinuedOptions], run: Run) -> Errors:
        rows = row_counts(job.items.sizes)
        table, params = self._rows(job.items, rows, job.options.value)
        results = run(Launch(self.kernel, self.entry, table, params, keep=job))
        require_success(self, results)
        assert isinstance(job.sink, NumberSink)
        job.sink.values = self._joined(results["check"].astype(self.number_type), rows)
        return {}

    def _rows(self, items: Items, rows: RowCounts, value: int) -> tuple[Table, Bytes]:
        """Return table and parameters. An item's first row is the one that is not whole: the others weigh the same."""
        count = int(rows.sum())
        table = zeroed(count)
        field, params = ("flags", np.zeros(RECORD, np.uint8)) if self.in_flags else ("param", record(0, value))
        initial, front = (self.initial, value) if self.in_flags else (0, RECORD)
        first: Any = slice(None)
        sizes = items.sizes
        if count > len(rows):
            ends = np.cumsum(rows)
            first = ends - rows
            sizes = sizes - (rows - 1).astype(np.uint64) * np.uint64(ROW)
            behind = (np.repeat(ends, rows) - np.arange(count)).astype(np.uint64)
            table["src"] = np.repeat(items.addresses + items.sizes, rows) - behind * np.uint64(ROW)
            table["src_size"] = ROW
            table[field] = initial
        table["src"][first] = items.addresses
        table["src_size"][first] = sizes
        table[field][first] = front
        return table, params

    def _joined(self, checks: Checksums, rows: RowCounts) -> Checksums:
        """Return the checksum of each item from those of its rows."""
        if len(checks) == len(rows):
            return checks
        firsts = np.cumsum(rows) - rows
        joined: Checksums = checks[firsts]
        for item in np.flatnonzero(rows > 1):
            first = firsts[item]
            joined[item] = self.combined_rows(checks[first : first + rows[item]].tolist())
        return joined

    def combined_rows(self, parts: list[int]) -> int:
        """Return the checksum of rows in sequence, all but the first of `ROW` bytes."""
        value = parts[0]
        for part in parts[1:]:
            value = self.combined(value, part, ROW)
        return value

    def emulate(self, row: RowInput) -> RowOutput:
        value = row.flags if self.in_flags else number_at(row.params, row.param)
        return RowOutput(b"", check=self.continued(row.src, value))

    def trial(self) -> Trial:
        # The steps of the kernels have 8, 16, 64, 128, 256, 1024 and 1280 bytes.
        edges = (16, 64, 128, 256, 512, 1024, 1280)
        sizes = sorted({0, 1, 7, 8, 9, *range(16, 34), *(edge + more for edge in edges for more in (-1, 0, 1, 17))})
        data = [periodic(size) for size in (*sizes, 4096 + 65, ROW + 33)]
        value = 0x12345678 if self.in_flags else 0x123456789ABCDEF0
        return trial_of(self, Job(Items.of(data), ContinuedOptions(value), NumberSink(self.number_size)))

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], ContinuedOptions]:
        # Not zeros: those would be one page of memory, read from the cache.
        return [b"\x55" * nbytes] * count, ContinuedOptions(self.initial)


def row_counts(sizes: Sizes) -> RowCounts:
    """Return into how many rows each item is cut; an empty one is one empty row."""
    if not len(sizes) or int(sizes.max()) <= ROW:
        return np.ones(len(sizes), np.int64)
    return np.maximum(-(-sizes.astype(np.int64) // ROW), 1)


def zeroed(count: int) -> Table:
    """Return a table of so many rows in warm memory, all zero."""
    table: Table = POOL.array(count, SEGMENT)
    # At once: field by field it takes three times as long.
    table.view(np.uint8)[:] = 0
    return table


def record(*numbers: int) -> npt.NDArray[np.uint8]:
    """Return parameter records, one a number of 64 bits."""
    return np.frombuffer(b"".join(number.to_bytes(RECORD, "little") for number in numbers), np.uint8)


def number_at(params: Bytes, offset: int) -> int:
    """Return the number of a parameter record."""
    return int.from_bytes(bytes(params[offset : offset + 8]), "little")
