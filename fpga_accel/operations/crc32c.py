"""CRC-32C (RFC 3720 appendix B.4), on from a previous checksum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import DeviceError
from fpga_accel.operations.buffers import Flat, Items, NumberSink, Sizes
from fpga_accel.operations.contract import Errors, Job, Operation, RowInput, RowOutput, Run, trial_of
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import SEGMENT, Launch, Table, first_failed

# The Castagnoli polynomial 0x1EDC6F41 with its bits in the order of the checksum's: bit 31 is x^0.
POLYNOMIAL = 0x82F63B78
SIZE = 4
# An item is cut into rows of this many bytes: 30 µs of work for a core, less than a launch costs. Rows of 256 KiB and
# of 4 MiB are as fast on the device, but each row costs the host 0.3 µs to combine.
ROW = 1 << 20

_LARGEST = 2**32 - 1

Checksums = npt.NDArray[np.uint32]
RowCounts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ChecksumOptions:
    """Options of a checksum: `value` is that of the bytes in front, 0 where there are none."""

    value: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.value, int):
            raise TypeError(f"value must be an int, not {type(self.value).__name__}")
        if not 0 <= self.value <= _LARGEST:
            raise ValueError(f"value is {self.value}; a CRC-32C is 0 to {_LARGEST}")


class Crc32c(Operation[ChecksumOptions]):
    """``crc32c.checksum``."""

    op = "checksum"
    algorithm = "crc32c"
    kernel = "crc32c"
    entry = "crc32c"
    library = "google-crc32c"
    # The library lets go of the GIL for `bytes` of at least so many.
    threads_from = 1 << 20
    # The library does 14 GB/s on a core, 4 MiB in about what a launch takes.
    small = 4 << 20
    number_size = SIZE
    number_type = np.uint32

    def options(self, **given: Any) -> ChecksumOptions:
        return ChecksumOptions(**given)

    def on_cpu(self, data: Flat, options: ChecksumOptions, index: int, workers: Workers) -> int:
        return _by_library(options.value, data)

    def library_call(self, data: Flat, *arguments: Any) -> int:
        return _by_library(0, data)

    def library_many(self, items: list[bytes], *arguments: Any) -> list[Any] | None:
        return list(map(google_crc32c.value, items))

    def on_cpu_many(self, items: Sequence[Flat], options: ChecksumOptions, first: int) -> tuple[list[Any], Errors]:
        value = options.value
        try:
            # Short items cost little more than a look at their type would.
            return list(map(partial(google_crc32c.extend, value) if value else google_crc32c.value, items)), {}
        except TypeError:
            # One of them is a memoryview.
            return [_by_library(value, data) for data in items], {}

    def on_device(self, job: Job[ChecksumOptions], run: Run) -> Errors:
        sizes = job.items.sizes
        rows = _row_counts(sizes)
        table = _rows(job.items, rows, job.options.value)
        results = run(Launch(self.kernel, self.entry, table, np.zeros(16, np.uint8), keep=job))
        failed = first_failed(results)
        if failed is not None:
            status = results["status"][failed]
            raise DeviceError(f"{self.entry} ended row {failed} of {len(results)} with status {status}")
        assert isinstance(job.sink, NumberSink)
        job.sink.values = _joined(results["check"].astype(np.uint32), rows)
        return {}

    def emulate(self, row: RowInput) -> RowOutput:
        return RowOutput(b"", check=_by_library(row.flags, row.src))

    def trial(self) -> Trial:
        # The steps of the kernels have 8, 16, 64, 256 and 1024 bytes.
        sizes = (0, 1, 7, 8, 15, 16, 63, 64, 65, 255, 256, 511, 512, 1023, 1024, 4096 + 65, ROW + 33)
        data = [(bytes(range(251)) * (size // 251 + 1))[:size] for size in sizes]
        return trial_of(self, Job(Items.of(data), ChecksumOptions(0x12345678), NumberSink(SIZE)))

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], ChecksumOptions]:
        # Not zeros: those would be one page of memory, read from the cache.
        return [b"\x55" * nbytes] * count, ChecksumOptions()


def _by_library(value: int, data: Flat) -> int:
    """Return the checksum of `data` behind bytes whose checksum is `value`."""
    # The library takes no memoryview, but an array over one.
    checksum: int = google_crc32c.extend(value, data if type(data) is bytes else np.frombuffer(data, np.uint8))
    return checksum


# ---- rows ----


def _row_counts(sizes: Sizes) -> RowCounts:
    """Return into how many rows each item is cut; an empty one is one empty row."""
    return np.maximum(-(-sizes.astype(np.int64) // ROW), 1)


def _rows(items: Items, rows: RowCounts, value: int) -> Table:
    """Return the table. An item's first row is the one that is not whole: the others all weigh the same."""
    count, ends = int(rows.sum()), np.cumsum(rows)
    table: Table = POOL.array(count, SEGMENT)
    for name in ("dst", "dst_capacity", "param"):
        table[name] = 0
    first: Any = slice(None)
    if count > len(rows):
        first = ends - rows
        behind = (np.repeat(ends, rows) - np.arange(count)).astype(np.uint64)
        table["src"] = np.repeat(items.addresses + items.sizes, rows) - behind * np.uint64(ROW)
        table["src_size"] = ROW
        table["flags"] = 0
    table["src"][first] = items.addresses
    table["src_size"][first] = items.sizes - (rows - 1).astype(np.uint64) * np.uint64(ROW)
    table["flags"][first] = value
    return table


def _joined(checks: Checksums, rows: RowCounts) -> Checksums:
    """Return the checksum of each item from those of its rows."""
    if len(checks) == len(rows):
        return checks
    firsts = np.cumsum(rows) - rows
    joined: Checksums = checks[firsts]
    for item in np.flatnonzero(rows > 1):
        first = firsts[item]
        joined[item] = _combined(checks[first : first + rows[item]].tolist())
    return joined


def _combined(parts: list[int]) -> int:
    """Return the checksum of rows in sequence, all but the first of `ROW` bytes.

    That of A and B is that of A times x^(8 |B|), plus that of B: what the two inversions add cancels.
    """
    first, second, third, fourth = _past_row()
    value = parts[0]
    for part in parts[1:]:
        value = first[value & 255] ^ second[value >> 8 & 255] ^ third[value >> 16 & 255] ^ fourth[value >> 24] ^ part
    return value


# ---- polynomials modulo P, bit 31 is x^0 ----


@cache
def _past_row() -> tuple[list[int], ...]:
    """Return tables of what each byte of a checksum becomes behind `ROW` more bytes."""
    power = _power_of_x(8 * ROW)
    return tuple(_table([_product(1 << bit, power) for bit in range(low, low + 8)]) for low in (0, 8, 16, 24))


def _table(columns: list[int]) -> list[int]:
    """Return the linear map of a byte whose bits map to `columns`."""
    table = [0]
    for column in columns:
        table += [entry ^ column for entry in table]
    return table


def _power_of_x(exponent: int) -> int:
    power = 1 << 31
    for digit in f"{exponent:b}":
        power = _product(power, power)
        if digit == "1":
            power = _product(power, 1 << 30)
    return power


def _product(a: int, b: int) -> int:
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (POLYNOMIAL if b & 1 else 0)
    return product
