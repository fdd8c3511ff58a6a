"""What every operation offers, and the job it is handed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from fpga_accel import _objects
from fpga_accel._host import ffi
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import (
    BufferTooSmallError,
    FormatError,
    IntegrityError,
    InvalidTag,
    OutputLimitError,
)
from fpga_accel.runtime.buffers import wipe
from fpga_accel.segments import Bytes, Launch, Status, Table

# What bad input raises, whichever path it takes: errors of the item, not of a device.
DATA_ERRORS = (FormatError, IntegrityError, OutputLimitError, BufferTooSmallError, InvalidTag)

Sizes = npt.NDArray[np.uint64]
Run = Callable[[Launch], Table]


def memory(address: int, size: int) -> memoryview:
    """Return a writable view of host memory; the caller keeps its owner alive."""
    if not size:
        return memoryview(b"")
    return memoryview(ffi.buffer(ffi.cast("char *", address), size)).cast("B")


@dataclass(slots=True)
class Items:
    """Input buffers and where they lie.

    Attributes
    ----------
    addresses, sizes : numpy.ndarray of uint64
        One entry a buffer.
    keep
        Holds the buffers in place.
    """

    addresses: Sizes
    sizes: Sizes
    keep: Any = field(repr=False)

    @classmethod
    def of(cls, buffers: Sequence[Any]) -> Items:
        """Look at a list of C-contiguous buffers.

        Raises
        ------
        TypeError
            An item is a `str` or no buffer.
        BufferError
            An item is not contiguous.
        """
        count = len(buffers)
        addresses, sizes = np.empty(count, np.uint64), np.empty(count, np.uint64)
        keep = _objects.addresses_from_buffers(buffers, addresses.ctypes.data, sizes.ctypes.data)
        return cls(addresses, sizes, keep)

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def nbytes(self) -> int:
        """Bytes over all items."""
        return int(self.sizes.sum())

    def view(self, index: int) -> memoryview:
        """Return one item's bytes, without a copy."""
        return memory(int(self.addresses[index]), int(self.sizes[index])).toreadonly()


class Sink(ABC):
    """Where results go."""

    @abstractmethod
    def allocate(self, sizes: Sizes) -> Sizes:
        """Make room for results of these sizes and return their addresses."""

    @abstractmethod
    def put(self, index: int, data: bytes | memoryview) -> None:
        """Take one result that exists already."""

    @abstractmethod
    def discard(self, index: int) -> None:
        """Wipe what was written for an item whose result must not be released."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes of all results."""


class BytesSink(Sink):
    """Results as fresh `bytes`."""

    def __init__(self, count: int) -> None:
        self.values: list[Any] = [b""] * count
        self._addresses: Sizes = np.zeros(count, np.uint64)
        self._sizes: Sizes = np.zeros(count, np.uint64)

    def allocate(self, sizes: Sizes) -> Sizes:
        self._sizes = np.ascontiguousarray(sizes, np.uint64)
        self._addresses = np.zeros(len(sizes), np.uint64)
        self.values = _objects.new_bytes_list(self._sizes.ctypes.data, len(sizes), self._addresses.ctypes.data)
        return self._addresses

    def put(self, index: int, data: bytes | memoryview) -> None:
        self.values[index] = bytes(data)
        self._addresses[index] = 0
        self._sizes[index] = len(data)

    @property
    def nbytes(self) -> int:
        return int(self._sizes.sum())

    def discard(self, index: int) -> None:
        if self._addresses[index]:
            wipe(int(self._addresses[index]), int(self._sizes[index]))


class BufferSink(Sink):
    """One result, into the caller's buffer."""

    def __init__(self, out: Any) -> None:
        self._address, self.capacity, self._keep = _objects.address(out, True)
        self.written = 0

    def allocate(self, sizes: Sizes) -> Sizes:
        (size,) = (int(size) for size in sizes)
        if size > self.capacity:
            raise BufferTooSmallError(f"the result has {size} bytes, the buffer {self.capacity}", needed=size)
        self.written = size
        return np.array([self._address], np.uint64)

    def put(self, index: int, data: bytes | memoryview) -> None:
        address = self.allocate(np.array([len(data)], np.uint64))[index]
        memory(int(address), len(data))[:] = data

    def discard(self, index: int) -> None:
        wipe(self._address, self.written)
        self.written = 0

    @property
    def nbytes(self) -> int:
        return self.written

    def overlaps(self, items: Items) -> bool:
        """Whether the buffer shares memory with an input."""
        starts, ends = items.addresses, items.addresses + items.sizes
        mine = np.uint64(self._address), np.uint64(self._address + self.capacity)
        return bool(((starts < mine[1]) & (ends > mine[0])).any())


OptionsT = TypeVar("OptionsT")


@dataclass(slots=True)
class Job(Generic[OptionsT]):
    """One call: its inputs, options and sink."""

    items: Items
    options: OptionsT = field(repr=False)
    sink: Sink


@dataclass(frozen=True, slots=True)
class RowOutput:
    """What a kernel says and writes for one row."""

    data: bytes
    status: int = Status.OK
    check: int = 0
    partial: bytes = bytes(16)


@dataclass(frozen=True, slots=True)
class RowInput:
    """One row of a launch, with its bytes at hand."""

    src: memoryview = field(repr=False)
    capacity: int
    flags: int
    param: int
    params: Bytes = field(repr=False)


Errors = dict[int, Exception]


class Operation(ABC, Generic[OptionsT]):
    """One algorithm in one direction."""

    op: ClassVar[str]
    algorithm: ClassVar[str]
    kernel: ClassVar[str]
    entry: ClassVar[str]
    # The CPU library, as receipts name it, and whether its calls let other threads run.
    library: ClassVar[str]
    releases_gil: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """For example ``"lz4.compress"``."""
        return f"{self.algorithm}.{self.op}"

    @abstractmethod
    def settings(self, **options: Any) -> OptionsT:
        """Validate options; None stands for "not given".

        Raises
        ------
        ValueError, TypeError
            An option is illegal or unknown; the message names the legal ones.
        """

    def bounded(self, options: OptionsT, capacity: int) -> OptionsT:
        """Return options for a call into a buffer of `capacity` bytes."""
        return options

    @abstractmethod
    def on_cpu(self, job: Job[OptionsT], index: int, workers: Workers) -> bytes:
        """Return one item's result from the CPU library, on `workers` threads at most."""

    def on_cpu_into(self, job: Job[OptionsT], index: int, workers: Workers) -> None:
        """Put one item's result into the job's sink; overridden where the library writes in place."""
        job.sink.put(index, self.on_cpu(job, index, workers))

    def unsupported(self, options: OptionsT) -> str | None:
        """Return why no device can do it with these options, None where one can."""
        return None

    @abstractmethod
    def on_device(self, job: Job[OptionsT], run: Run) -> Errors:
        """Do all items through kernel launches; return the errors of single items by index."""

    @abstractmethod
    def emulate(self, row: RowInput) -> RowOutput:
        """Do what the kernel does for one row, with the CPU library."""

    def agrees(self, row: RowInput, output: RowOutput) -> bool:
        """Whether what a device wrote for a row is right."""
        return self.emulate(row) == output

    @abstractmethod
    def trial(self) -> Trial:
        """Return a known-answer test for a device."""

    @abstractmethod
    def sample(self, count: int, nbytes: int) -> tuple[list[bytes], OptionsT]:
        """Return representative work for calibration: `count` items of about `nbytes` bytes each."""


def row_of(launch: Launch, index: int) -> RowInput:
    """Return one row of a launch with its bytes."""
    row = launch.table[index]
    return RowInput(
        src=memory(int(row["src"]), int(row["src_size"])).toreadonly(),
        capacity=int(row["dst_capacity"]),
        flags=int(row["flags"]),
        param=int(row["param"]),
        params=launch.params,
    )


def output_of(launch: Launch, results: Table, index: int) -> RowOutput:
    """Return what a device wrote for one row."""
    result = results[index]
    size = min(int(result["dst_size"]), int(launch.table["dst_capacity"][index]))
    return RowOutput(
        data=bytes(memory(int(launch.table["dst"][index]), size)),
        status=int(result["status"]),
        check=int(result["check"]),
        partial=bytes(result["partial"]),
    )


class _Captured(Exception):
    """Ends an operation once its first launch is known."""

    def __init__(self, launch: Launch) -> None:
        super().__init__()
        self.launch = launch


def trial_of(operation: Operation[Any], job: Job[Any]) -> Trial:
    """Make a trial of the first launch that `operation` does for `job`, judged by the CPU library."""

    def capture(launch: Launch) -> Table:
        raise _Captured(launch)

    try:
        operation.on_device(job, capture)
    except _Captured as captured:
        launch = captured.launch
    else:
        raise ValueError(f"{operation.name}: the trial job needs no launch")

    def passed(results: Table) -> bool:
        rows = range(len(launch.table))
        return all(operation.agrees(row_of(launch, i), output_of(launch, results, i)) for i in rows)

    # The sink owns the memory that the table points at.
    launch.keep = (launch.keep, job)
    return Trial(launch, passed)
