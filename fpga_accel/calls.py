"""The forms of a call: to fresh bytes, into a buffer, and many at once. Each can be done on a device or on the CPU."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from fpga_accel import _objects
from fpga_accel.backends.cpu import Workers
from fpga_accel.batch import Batch
from fpga_accel.operations.buffers import (
    BufferSink,
    BytesSink,
    ColumnSink,
    Flat,
    GrowingColumn,
    Items,
    NumberSink,
    Offsets,
    PlacedSink,
    Sink,
    Sizes,
    flat,
    joined_columns,
    offsets_of,
)
from fpga_accel.operations.contract import DATA_ERRORS, FEW, FEW_BYTES, Errors, Job, Operation, Work, kept
from fpga_accel.routing import guessed_cpu_seconds

# A thread's turn costs about 20 µs, and the interpreter's lock changes hands for each item: batches of less than this
# a thread stay on the caller's. Two threads lost on all that took one of them less than half a millisecond.
_THREAD_BYTES = 256 << 10
_THREAD_SECONDS = 0.5e-3
# Batches of fewer bytes may be done without planning, which takes 50 to 100 µs: that shows up to some 1 ms of work.
LOOPED = 1 << 20
# Bytes that an item grows by at most: padding, or the header and the end of a frame. Room for less would be left, and
# all that is there moved, for the last few items.
_GROWN = 64

# Items whose results tell how large those of the others are.
_SAMPLED = 16

T = TypeVar("T")


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
    beside
        Other threads of the caller that have work meanwhile: so many fewer share the items on the CPU.
    """

    __slots__ = ("_work", "count", "errors", "nbytes", "operation", "options")

    into = False
    beside = 0

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
        return OneCall(self.operation, self.operation.fresh(self.options), self.data)

    def weigh(self) -> Work:
        return self.operation.work(self.data)

    def job(self) -> Job[Any]:
        return Job(Items.of((self.data,)), self.options, _list_sink(self.operation, 1))

    def take(self, job: Job[Any], errors: Errors) -> None:
        self.errors = errors
        (self.result,) = _listed(job.sink)

    def on_cpu(self, workers: Workers) -> None:
        try:
            self.result = self.operation.on_cpu(self.data, self.options, 0, workers)
        except DATA_ERRORS as error:
            self.errors = {0: kept(error)}

    @property
    def nbytes_out(self) -> int:
        return 0 if self.errors else self.operation.number_size or len(self.result)


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
        return IntoCall(self.operation, self.operation.fresh(self.options), self.data, scratch)

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

    __slots__ = ("_items", "_nbytes_out", "buffers", "results")

    def __init__(self, operation: Operation[Any], options: Any, buffers: Sequence[Any]) -> None:
        self.buffers = buffers if isinstance(buffers, list | tuple) else tuple(buffers)
        # Where the items lie is only looked at for a device, or where that is most likely; but whether they are
        # buffers, for both.
        self._items: Items | None = None
        nbytes = -1 if seems_large(self.buffers) else _objects.bytes_total(self.buffers)
        if nbytes < 0:
            self._items = Items.of(self.buffers)
            nbytes = self._items.nbytes
        super().__init__(operation, options, len(self.buffers), nbytes)
        self.results: list[Any] = []
        self._nbytes_out = 0

    @property
    def items(self) -> Items:
        """Where the items lie."""
        if self._items is None:
            self._items = Items.of(self.buffers)
        if len(self._items) != self.count:
            raise ValueError(f"the list of items had {self.count} of them at first, and now {len(self._items)}")
        return self._items

    def twin(self) -> Call:
        return ManyCall(self.operation, self.operation.fresh(self.options), self.buffers)

    def weigh(self) -> Work:
        if not self.count:
            return Work(0)
        return like_the_first(self.operation, self.buffers[0], self.nbytes)

    def job(self) -> Job[Any]:
        return Job(self.items, self.options, _list_sink(self.operation, self.count))

    def take(self, job: Job[Any], errors: Errors) -> None:
        self.results, self.errors = _listed(job.sink), errors
        self._nbytes_out = job.sink.nbytes
        for index, error in errors.items():
            self.results[index] = error

    def on_cpu(self, workers: Workers) -> None:
        data = (
            self.buffers
            if self._items is None or self._items.keep.all_bytes()
            else [flat(each) for each in self.buffers]
        )

        def part(first: int, end: int) -> tuple[list[Any], Errors]:
            # A slice of all is a copy.
            items = data if end - first == self.count else data[first:end]
            return self.operation.on_cpu_many(items, self.options, first)

        done = _in_parts(self, data, workers, part)
        if len(done) == 1:
            ((self.results, self.errors),) = done
        else:
            self.results = list(itertools.chain.from_iterable(results for results, _ in done))
            self.errors = _all_errors(errors for _, errors in done)
        if len(self.results) != self.count:
            raise ValueError(f"the list of items had {self.count} of them at first, and now {len(self.results)}")
        grown, size = self.operation.grown(self.options), self.operation.result_size(self.options)
        if self.operation.number_size:
            self._nbytes_out = self.count * self.operation.number_size
        elif size is not None:
            self._nbytes_out = (self.count - len(self.errors)) * size
        elif self.errors:
            self._nbytes_out = sum(len(result) for result in self.results if type(result) is bytes)
        elif grown is None:
            self._nbytes_out = sum(map(len, self.results))
        else:
            self._nbytes_out = self.nbytes + self.count * grown

    @property
    def nbytes_out(self) -> int:
        return self._nbytes_out


class BatchCall(Call):
    """Many items of one buffer, to one buffer.

    Attributes
    ----------
    results
        A Batch in which the items that failed are empty, or an array of numbers.
    """

    __slots__ = ("batch", "results")

    def __init__(self, operation: Operation[Any], options: Any, batch: Batch) -> None:
        super().__init__(operation, options, len(batch), batch.nbytes)
        self.batch = batch
        self.results: Any = None

    @property
    def into(self) -> bool:  # type: ignore[override]
        """Whether results go to memory that is in use already, as all but numbers do."""
        return not self.operation.number_size

    def twin(self) -> Call:
        return BatchCall(self.operation, self.operation.fresh(self.options), self.batch)

    def weigh(self) -> Work:
        return like_the_first(self.operation, self.batch[0], self.nbytes) if self.count else Work(0)

    def job(self) -> Job[Any]:
        number, items = self.operation.number_size, self.batch.spans()
        sink = NumberSink(number) if number else ColumnSink(self.count, self._known_sizes(items.sizes), items.sizes)
        return Job(items, self.options, sink)

    def _known_sizes(self, sizes: Sizes) -> Sizes | None:
        """Return the sizes of the results where they do not depend on the data; 0 for items that are too short."""
        size = self.operation.result_size(self.options)
        if size is not None:
            return np.full(self.count, size, np.uint64)
        grown = self.operation.grown(self.options)
        if grown is None:
            return None
        return sizes + np.uint64(grown) if grown >= 0 else sizes - np.minimum(sizes, np.uint64(-grown))

    def take(self, job: Job[Any], errors: Errors) -> None:
        self.errors = errors
        if isinstance(job.sink, NumberSink):
            self.results = job.sink.values
            return
        assert isinstance(job.sink, ColumnSink)
        for index in errors:
            job.sink.discard(index)
        self.results = Batch.of_column(job.sink.column, errors)

    def on_cpu(self, workers: Workers) -> None:
        if self.operation.number_size:
            self._numbers(workers)
            return
        sizes = self._known_sizes(self.batch.spans().sizes)
        if sizes is None:
            self._appended(workers)
        else:
            self._placed(workers, sizes)

    def _numbers(self, workers: Workers) -> None:
        done = _in_parts(
            self, self.batch, workers, lambda first, end: [results for _, results, _ in self._chunks(first, end)]
        )
        every = itertools.chain.from_iterable(itertools.chain.from_iterable(done))
        self.results = np.fromiter(every, self.operation.number_type, self.count)

    def _appended(self, workers: Workers) -> None:
        """Put results of sizes that nobody knows behind each other as they come."""
        has_each = type(self.operation).library_each is not Operation.library_each
        plain = has_each and self.options == self.operation.settings()

        def part(first: int, end: int) -> tuple[GrowingColumn, Errors]:
            room = self.nbytes * (end - first) // max(1, self.count) + (end - first) * _GROWN
            column, found = GrowingColumn(room, end - first), Errors()
            for start, some in self._pieces(first, end):
                found |= self._append(column, start, some, plain)
            return column, found

        done = _in_parts(self, self.batch, workers, part)
        self.errors = _all_errors(errors for _, errors in done)
        columns = [column for column, _ in done]
        whole = columns[0].fitted if len(columns) == 1 else joined_columns([column.column for column in columns])
        self.results = Batch.of_column(whole, self.errors)

    def _append(self, column: GrowingColumn, first: int, some: Batch, plain: bool) -> Errors:
        items = self.operation.library_items(some)
        each = self.operation.library_each(items) if plain else None
        if each is not None and column.fill(each, len(some)):
            return {}
        alone = self.operation.on_cpu_many if each is None else self.operation.on_cpu_alone
        results, errors = alone(items, self.options, first)
        for index in errors:
            results[index - first] = b""
        column.append(results)
        return errors

    def _pieces(self, first: int, end: int) -> Iterator[tuple[int, Batch]]:
        """Yield the first item and some items at a time, at first so few that they tell how large results are."""
        for start, stop in ((first, min(first + _SAMPLED, end)), (first + _SAMPLED, end)):
            for at, some in self.batch[start:stop].chunks(FEW, FEW_BYTES):
                yield start + at, some

    def _placed(self, workers: Workers, sizes: Sizes) -> None:
        """Write results of known sizes where they belong."""
        sink = ColumnSink(self.count, sizes)
        data, offsets = sink.column
        self.errors = _all_errors(_in_parts(self, self.batch, workers, self._into(data.data, offsets)))
        for index in self.errors:
            sink.discard(index)
        self.results = Batch.of_column(sink.column, self.errors)

    def _into(self, out: memoryview, offsets: Offsets) -> Callable[[int, int], Errors]:
        """Return what does items from one to before another, each to its offset in `out`."""

        def part(first: int, end: int) -> Errors:
            return self.operation.on_cpu_placed(
                self.batch[first:end], self.options, first, out, offsets[first : end + 1]
            )

        return part

    def _chunks(self, first: int, end: int) -> Iterator[tuple[int, list[Any], Errors]]:
        """Yield the first item, the results and the errors of some items at a time."""
        for at, some in self.batch[first:end].chunks(FEW, FEW_BYTES):
            items = self.operation.library_items(some)
            yield first + at, *self.operation.on_cpu_many(items, self.options, first + at)

    @property
    def nbytes_out(self) -> int:
        return int(self.results.nbytes)


class PlacedCall(BatchCall):
    """Many items of one buffer, behind each other into the caller's; their sizes tell the results' sizes.

    The place of an item that fails holds zeros.
    """

    __slots__ = ("beside", "out")

    into = True

    def __init__(self, operation: Operation[Any], options: Any, batch: Batch, out: memoryview, beside: int = 0) -> None:
        super().__init__(operation, options, batch)
        self.out = out
        self.beside = beside

    def twin(self) -> Call:
        scratch = memoryview(bytearray(b"\1") * len(self.out))
        return PlacedCall(self.operation, self.operation.fresh(self.options), self.batch, scratch, self.beside)

    def job(self) -> Job[Any]:
        return Job(self.batch.spans(), self.options, PlacedSink(self.out, self._places()))

    def _places(self) -> Sizes:
        sizes = self._known_sizes(self.batch.spans().sizes)
        assert sizes is not None, "an operation whose results have sizes of their own"
        return sizes

    def take(self, job: Job[Any], errors: Errors) -> None:
        self.errors = errors
        for index in errors:
            job.sink.discard(index)

    def on_cpu(self, workers: Workers) -> None:
        offsets = offsets_of(self._places())
        part = self._into(self.out, offsets)
        free = workers.count - self.beside
        self.errors = _all_errors(_in_parts(self, self.batch, workers, part) if free > 1 else [part(0, self.count)])
        for index in self.errors:
            start, end = offsets[index : index + 2].tolist()
            self.out[start:end] = bytes(end - start)

    @property
    def nbytes_out(self) -> int:
        sizes = self._places()
        return int(sizes.sum()) - sum(int(sizes[index]) for index in self.errors)


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


def seems_large(items: Sequence[Any]) -> bool:
    """Whether a list is most likely of more bytes than are done without planning; a look at all takes as long as that.

    A guess: items need not be like the first.
    """
    return len(items) > 1 and type(items[0]) is bytes and len(items) * len(items[0]) >= 2 * LOOPED


def like_the_first(operation: Operation[Any], first: Any, nbytes: int) -> Work:
    """Return the work of a batch of so many bytes whose items are taken to be like the first."""
    first = flat(first)
    work = operation.work(first)
    return work._replace(nbytes=work.nbytes * nbytes // len(first) if len(first) else nbytes)


def in_threads(operation: Operation[Any], first: Any, count: int, nbytes: int, workers: Workers) -> bool:
    """Whether the CPU path shares a batch out to threads, whose items are taken to be like the first."""
    least = operation.threads_from
    if least is None or count < 2 or nbytes < max(_THREAD_BYTES * workers.count, least * count):
        return False
    work = like_the_first(operation, first, nbytes)
    if guessed_cpu_seconds(operation.name, count, work.nbytes) < _THREAD_SECONDS * workers.count:
        return False
    return operation.gains_from_threads(flat(first))


def _in_parts(call: Call, items: Sequence[Any], workers: Workers, work: Callable[[int, int], T]) -> list[T]:
    """Do ranges of a call's items on threads where that pays, else all on the calling thread."""
    count = call.count
    if not count or not in_threads(call.operation, items[0], count, call.nbytes, workers):
        return [work(0, count)]
    parts = min(2 * workers.count, count)
    bounds = [count * part // parts for part in range(parts + 1)]
    return workers.map(lambda bound: work(*bound), itertools.pairwise(bounds))


def _all_errors(parts: Iterable[Errors]) -> Errors:
    return {index: error for errors in parts for index, error in errors.items()}


def _list_sink(operation: Operation[Any], count: int) -> Sink:
    return NumberSink(operation.number_size) if operation.number_size else BytesSink(count)


def _listed(sink: Sink) -> list[Any]:
    if isinstance(sink, NumberSink):
        numbers: list[Any] = sink.values.tolist()
        return numbers
    assert isinstance(sink, BytesSink)
    return sink.values


def apart(data: Flat, out: memoryview) -> Flat:
    """Return data that shares no memory with the output buffer: itself, or a copy."""
    start, size, _ = _objects.address(data)
    target, room, _ = _objects.address(out)
    return bytes(data) if start < target + room and target < start + size else data


def sink_is_callers(sink: Sink) -> bool:
    """Whether results go into the caller's own memory."""
    return isinstance(sink, BufferSink)
