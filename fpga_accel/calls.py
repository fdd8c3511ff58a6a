"""The forms of a call: to fresh bytes, into a buffer, and many at once. Each can be done on a device or on the CPU."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from fpga_accel import _objects
from fpga_accel.backends.cpu import Workers
from fpga_accel.operations.buffers import BufferSink, BytesSink, Flat, Items, Sink, flat
from fpga_accel.operations.contract import DATA_ERRORS, Errors, Job, Operation, Work, kept

# A thread's turn costs about 20 µs, so batches of less than this a thread stay on the caller's.
_THREAD_BYTES = 256 << 10


class Call(ABC):
    """One call of an operation.

    Attributes
    ----------
    count, nbytes
        Items, and bytes over all of them.
    errors
        Errors of single items by position, once the call is done.
    into
        Whether results go into the caller's memory, which costs no page faults.
    """

    __slots__ = ("_work", "count", "errors", "nbytes", "operation", "options")

    into = False

    def __init__(self, operation: Operation[Any], options: Any, count: int, nbytes: int) -> None:
        self.operation = operation
        self.options = options
        self.count = count
        self.nbytes = nbytes
        self.errors: Errors = {}
        self._work: Work | None = None

    @property
    def work(self) -> Work:
        """What the call means for the time it takes."""
        if self._work is None:
            self._work = self.weigh()
        return self._work

    @abstractmethod
    def weigh(self) -> Work:
        """Look at the data for `work`."""

    @abstractmethod
    def job(self) -> Job[Any]:
        """Return the call as a device takes it, with a fresh sink."""

    @abstractmethod
    def take(self, job: Job[Any], errors: Errors) -> None:
        """Take the results of a job that is done."""

    @abstractmethod
    def on_cpu(self, workers: Workers) -> None:
        """Do the call with the CPU library."""

    def twin(self) -> Call | None:
        """Return the same call with results of its own, to compare what doing it elsewhere takes; None: it has none."""
        return None

    def raise_error(self) -> None:
        """Raise the error of a call with one item, if there is one."""
        if self.errors:
            # Not bound to a name: the frame would hold the error that holds the frame.
            raise self.errors.pop(0)

    @property
    @abstractmethod
    def nbytes_out(self) -> int:
        """Bytes of the results."""


class OneCall(Call):
    """One item, to fresh bytes."""

    __slots__ = ("data", "result")

    def __init__(self, operation: Operation[Any], options: Any, data: Flat) -> None:
        super().__init__(operation, options, 1, len(data))
        self.data = data
        self.result = b""

    def twin(self) -> Call:
        return OneCall(self.operation, self.options, self.data)

    def weigh(self) -> Work:
        return self.operation.work(self.data)

    def job(self) -> Job[Any]:
        return Job(Items.of((self.data,)), self.options, BytesSink(1))

    def take(self, job: Job[Any], errors: Errors) -> None:
        self.errors = errors
        assert isinstance(job.sink, BytesSink)
        self.result = job.sink.values[0]

    def on_cpu(self, workers: Workers) -> None:
        try:
            self.result = self.operation.on_cpu(self.data, self.options, 0, workers)
        except DATA_ERRORS as error:
            self.errors = {0: kept(error)}

    @property
    def nbytes_out(self) -> int:
        return 0 if self.errors else len(self.result)


class IntoCall(Call):
    """One item, into the caller's buffer."""

    __slots__ = ("data", "out", "written")

    into = True

    def __init__(self, operation: Operation[Any], options: Any, data: Flat, out: memoryview) -> None:
        super().__init__(operation, options, 1, len(data))
        self.data = data
        self.out = out
        self.written = 0

    def twin(self) -> Call:
        # Written once, as page faults are not what is compared.
        scratch = memoryview(bytearray(b"\1") * len(self.out))
        return IntoCall(self.operation, self.options, self.data, scratch)

    def weigh(self) -> Work:
        return self.operation.work(self.data)

    def job(self) -> Job[Any]:
        return Job(Items.of((self.data,)), self.options, BufferSink(self.out))

    def take(self, job: Job[Any], errors: Errors) -> None:
        self.errors = errors
        self.written = job.sink.nbytes

    def on_cpu(self, workers: Workers) -> None:
        try:
            self.written = self.operation.on_cpu_into(self.data, self.options, 0, workers, self.out)
        except DATA_ERRORS as error:
            self.errors = {0: kept(error)}

    @property
    def nbytes_out(self) -> int:
        return 0 if self.errors else self.written


class ManyCall(Call):
    """Many items, each to fresh bytes; `results` holds an exception where an item failed."""

    __slots__ = ("_nbytes_out", "buffers", "items", "results")

    def __init__(self, operation: Operation[Any], options: Any, buffers: Sequence[Any]) -> None:
        self.buffers = buffers if isinstance(buffers, list | tuple) else tuple(buffers)
        self.items = Items.of(self.buffers)
        super().__init__(operation, options, len(self.items), self.items.nbytes)
        self.results: list[Any] = []
        self._nbytes_out = 0

    def twin(self) -> Call:
        return ManyCall(self.operation, self.options, self.buffers)

    def weigh(self) -> Work:
        if not self.count:
            return Work(0)
        first = self.operation.work(flat(self.buffers[0]))
        size = int(self.items.sizes[0])
        # The others are taken to be like the first.
        return first._replace(nbytes=first.nbytes * self.nbytes // size if size else self.nbytes)

    def job(self) -> Job[Any]:
        return Job(self.items, self.options, BytesSink(self.count))

    def take(self, job: Job[Any], errors: Errors) -> None:
        assert isinstance(job.sink, BytesSink)
        self.results, self.errors = job.sink.values, errors
        self._nbytes_out = job.sink.nbytes
        for index, error in errors.items():
            self.results[index] = error

    def on_cpu(self, workers: Workers) -> None:
        data = self.buffers if self.items.keep.all_bytes() else [flat(each) for each in self.buffers]
        least = self.operation.threads_from
        threaded = least is not None and self.nbytes >= max(_THREAD_BYTES * workers.count, least * self.count)
        if threaded and self.count > 1:
            self._on_threads(data, workers)
        elif data:
            self.results, self.errors = self.operation.on_cpu_many(data, self.options, 0)
        grown = self.operation.grown(self.options)
        if self.errors:
            self._nbytes_out = sum(len(result) for result in self.results if type(result) is bytes)
        elif grown is None:
            self._nbytes_out = sum(map(len, self.results))
        else:
            self._nbytes_out = self.nbytes + self.count * grown

    def _on_threads(self, data: Sequence[Flat], workers: Workers) -> None:
        parts = min(2 * workers.count, self.count)
        bounds = [self.count * part // parts for part in range(parts + 1)]
        ranges = list(itertools.pairwise(bounds))
        done = workers.map(
            lambda bound: self.operation.on_cpu_many(data[slice(*bound)], self.options, bound[0]), ranges
        )
        self.results = list(itertools.chain.from_iterable(results for results, _ in done))
        self.errors = {index: error for _, errors in done for index, error in errors.items()}

    @property
    def nbytes_out(self) -> int:
        return self._nbytes_out


class Supposed(Call):
    """A call that is only asked about: sizes and no data, taken to be usual."""

    def weigh(self) -> Work:
        return Work(self.nbytes)

    def job(self) -> Job[Any]:
        raise TypeError("this call has no data")

    def take(self, job: Job[Any], errors: Errors) -> None:
        raise TypeError("this call has no data")

    def on_cpu(self, workers: Workers) -> None:
        raise TypeError("this call has no data")

    @property
    def nbytes_out(self) -> int:
        return 0


def apart(data: Flat, out: memoryview) -> Flat:
    """Return data that shares no memory with the output buffer: itself, or a copy."""
    start, size, _ = _objects.address(data)
    target, room, _ = _objects.address(out)
    return bytes(data) if start < target + room and target < start + size else data


def sink_is_callers(sink: Sink) -> bool:
    """Whether results go into the caller's own memory."""
    return isinstance(sink, BufferSink)
