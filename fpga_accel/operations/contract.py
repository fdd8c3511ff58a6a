"""What every operation offers, and the job it is handed."""

from __future__ import annotations

import itertools
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, NamedTuple, NoReturn, Protocol, TypeVar, cast

from fpga_accel._objects import Windows
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.batch import Batch
from fpga_accel.errors import (
    BufferTooSmallError,
    DeviceError,
    FormatError,
    IntegrityError,
    InvalidTag,
    OutputLimitError,
)
from fpga_accel.operations.buffers import Flat, Items, Offsets, Sink, flat_writable, memory, require_room
from fpga_accel.segments import Bytes, Launch, Linked, Status, Table, first_failed

log = logging.getLogger(__name__)

# What bad input raises, whichever path it takes: errors of the item, not of a device.
DATA_ERRORS = (FormatError, IntegrityError, OutputLimitError, BufferTooSmallError, InvalidTag)

# Errors of single items, by their position in the call.
Errors = dict[int, Exception]

OptionsT = TypeVar("OptionsT")
InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")

# No threads but the caller's.
ALONE = Workers(1)

# Content bytes of one launch of a codec, and the room that decoding gets at a time: bounds the memory of any call. Rows
# of Zstandard divide it.
GROUP = 16 << 20
# Items of a Batch of up to so many bytes each are copied in less time than a view of them is made.
_SMALL = 512
# Results of a fixed size up to this are made first and copied into place together.
_SHORT = 4 << 10
# The items of a Batch that are handed to a library at once: few enough that they, as `bytes`, and their results stay
# in the cache and take no fresh memory, and enough that the steps around it do not show.
FEW, FEW_BYTES = 1 << 10, 1 << 20
# Results of `library_call` that are copied in less time than a call is planned in.
COPIED = 128 << 10


class Linker(NamedTuple):
    """What sends linked launches on their way.

    Attributes
    ----------
    start
        Does; what it returns waits for them.
    direct
        Whether kernels work in the host's memory.
    """

    start: Callable[[Linked], Callable[[], None]]
    direct: bool


class Run(Protocol):
    """Where an operation sends its launches."""

    def __call__(self, launch: Launch) -> Table:
        """Run a launch to its end and return the results of its rows."""

    def start(self, launch: Launch) -> Callable[[], Table]:
        """Send a launch on its way; what is returned waits for its results. Each is waited for, in order."""

    @property
    def wide(self) -> bool:
        """Whether short rows, of which there are more, keep the device busier."""


@dataclass(slots=True, eq=False, repr=False)
class Job(Generic[OptionsT]):
    """One call: its inputs, options and sink."""

    items: Items
    options: OptionsT
    sink: Sink


class Work(NamedTuple):
    """What an item means for the time it takes.

    Attributes
    ----------
    nbytes
        Bytes that are worked on, such as the content of a compressed item.
    kind
        A class of data that has costs of its own, such as what cannot be compressed; mostly "".
    """

    nbytes: int
    kind: str = ""


class RowOutput(NamedTuple):
    """What a kernel says and writes for one row."""

    data: bytes
    status: int = Status.OK
    check: int = 0
    partial: bytes = bytes(16)


@dataclass(slots=True, eq=False, repr=False)
class RowInput:
    """One row of a launch, with its bytes at hand."""

    src: memoryview
    capacity: int
    flags: int
    param: int
    params: Bytes


class Operation(ABC, Generic[OptionsT]):
    """One algorithm in one direction."""

    op: ClassVar[str]
    algorithm: str
    kernel: ClassVar[str]
    entry: ClassVar[str]
    # The CPU library, as receipts name it.
    library: str
    # Batches whose items have so many bytes on average run on threads, None where the library's calls are too short
    # or hold the GIL.
    threads_from: int | None = None
    # One item of fewer bytes is never worth a launch, whatever the device: it is not even planned.
    small: ClassVar[int] = 128 << 10
    # Whether what a device made is also compared item by item, with `agrees_on`.
    by_items: bool = False
    # Kinds of data that `work` tells apart, each with costs of its own.
    kinds: ClassVar[tuple[str, ...]] = ("",)
    # One item of fewer bytes goes to `library_call` first; None stands for `small`.
    call_limit: ClassVar[int | None] = None
    # The same for `library_into`: `COPIED` where it copies a result that the planned way writes in place.
    into_limit: ClassVar[int | None] = None
    # What the library takes in the least time of the items of a Batch: `bytes`; views of them; or Windows, where all
    # that is done with an item is to hand it to a library that takes any buffer.
    takes: ClassVar[type] = bytes
    # Bytes that a result has more than its item where `library_placed` may do a batch, else None.
    placed_growth: ClassVar[int | None] = None
    # An entry of the same kernel folder that does all stages of a chain at once, where a device has it.
    fused_entry: str | None = None
    # Bytes of a result that is a number, and its type in arrays; 0 where results are bytes.
    number_size: ClassVar[int] = 0
    number_type: ClassVar[Any] = None

    def __init__(self) -> None:
        # For example "lz4.compress".
        self.name = f"{self.algorithm}.{self.op}"

    def settings(self, **options: Any) -> OptionsT:
        """Validate options; None stands for "not given".

        Raises
        ------
        ValueError, TypeError
            An option is illegal or unknown; the message names the legal ones.
        """
        if not any(value is not None for value in options.values()):
            return self._defaults
        return self.options(**{name: value for name, value in options.items() if value is not None})

    @cached_property
    def _defaults(self) -> OptionsT:
        return self.options()

    @abstractmethod
    def options(self, **given: Any) -> OptionsT:
        """Validate the options that are given."""

    def fresh(self, options: OptionsT) -> OptionsT:
        """Return options for the same call once more: what a call writes into them is the new ones' own."""
        return options

    def bounded(self, options: OptionsT, capacity: int) -> OptionsT:
        """Return options for a call into a buffer of `capacity` bytes."""
        return options

    @abstractmethod
    def on_cpu(self, data: Flat, options: OptionsT, index: int, workers: Workers) -> Any:
        """Return one item's result from the CPU library, on `workers` threads at most.

        Raises
        ------
        FpgaAccelError
            One of `DATA_ERRORS`.
        """

    def on_cpu_into(self, data: Flat, options: OptionsT, index: int, workers: Workers, out: memoryview) -> int:
        """Write one item's result into `out`; overridden where the library writes in place."""
        result = self.on_cpu(data, options, index, workers)
        require_room(len(result), len(out))
        out[: len(result)] = result
        return len(result)

    def library_items(self, batch: Batch) -> Sequence[Flat]:
        """Return items of a Batch as the library takes them in the least time, what is around its calls counted."""
        if self.takes is Windows:
            windows: Any = batch.windows()
            return cast("Sequence[Flat]", windows)
        # Large items are not worth copying for a library that is faster with `bytes`, nor small ones a view.
        viewed = batch.nbytes > (_SMALL * len(batch) if self.takes is memoryview else FEW_BYTES)
        return list(batch) if viewed else batch.to_list()

    def on_cpu_many(self, items: Sequence[Flat], options: OptionsT, first: int) -> tuple[list[Any], Errors]:
        """Do items `first` and on, on the calling thread; an item that fails leaves its error in its place."""
        return self.on_cpu_alone(items, options, first)

    def on_cpu_alone(self, items: Sequence[Flat], options: OptionsT, first: int) -> tuple[list[Any], Errors]:
        """Do the same item by item, where a loop of the library does not do them."""
        results: list[Any] = []
        errors: Errors = {}
        for index, item in enumerate(items, first):
            data = item if type(item) is bytes else memoryview(item)
            try:
                results.append(self.on_cpu(data, options, index, ALONE))
            except DATA_ERRORS as error:
                results.append(error)
                errors[index] = kept(error)
        return results, errors

    def each_on_cpu(self, items: Iterable[Flat], options: OptionsT, part: slice, most: int) -> Iterator[bytes] | None:
        """Return what does items `part` of a call, each of at most `most` bytes, one after the other in the least time.

        None where there is nothing faster than `on_cpu_many`. Any error says no more than that one of the items has to
        go another way.
        """
        return None

    def on_cpu_placed(self, items: Batch, options: OptionsT, first: int, out: memoryview, offsets: Offsets) -> Errors:
        """Do items `first` and on, of known sizes, on the calling thread, each to its offset in `out`."""
        size = self.result_size(options)
        if size is None or size > _SHORT:
            return self._each_placed(items, options, first, out, offsets)
        # A few at a time, the fastest loop and one copy take less time than some calls more for each.
        errors: Errors = {}
        for at, some in items.chunks(min(FEW, FEW_BYTES // max(1, size)), FEW_BYTES):
            bounds = offsets[at : at + len(some) + 1]
            results, failed = self.on_cpu_many(self.library_items(some), options, first + at)
            if failed:
                errors |= self._each_placed(some, options, first + at, out, bounds)
            else:
                out[bounds[0] : bounds[-1]] = b"".join(results)
        return errors

    def _each_placed(self, items: Batch, options: OptionsT, first: int, out: memoryview, offsets: Offsets) -> Errors:
        errors: Errors = {}
        bounds = itertools.pairwise(offsets.tolist())
        for index, (data, (start, end)) in enumerate(zip(items, bounds, strict=True), first):
            try:
                self.on_cpu_into(data, options, index, ALONE, out[start:end])
            except DATA_ERRORS as error:
                errors[index] = kept(error)
        return errors

    def library_call(self, data: Flat, *arguments: Any) -> Any:
        """Do one item with default options in one call of the CPU library, in the least time.

        None where that is not enough, which the planned way then does, or says what is wrong. Ciphers are given key,
        nonce and associated data, hashes the length that was asked for or None.
        """
        return None

    def level_call(self, data: Flat, level: Any) -> Any:
        """Do the same at a level, with default options else; None where `options` has to look at it."""
        return None

    def library_into(self, data: Flat, out: Any, *arguments: Any) -> int | None:
        """Do the same into a writable buffer and return the bytes written; None also where it is too small."""
        result = self.library_call(data, *arguments)
        if result is None:
            return None
        target = out if type(out) is bytearray else flat_writable(out)
        size = len(result)
        if size > len(target):
            return None
        target[:size] = result
        return size

    def library_many(self, items: Sequence[Flat], *arguments: Any) -> list[Any] | None:
        """Do a few items with default options in the loop that users would write.

        None where that is not enough, as for `library_call`, and where an item fails. Ciphers are given key and
        nonces, hashes a length.
        """
        results = self.library_each(items, *arguments)
        if results is None:
            return None
        try:
            return list(results)
        except Exception as error:
            log.debug("%s: %d items go another way: %s", self.name, len(items), type(error).__name__)
            return None

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        """Return what does the same one after the other, so that results can be put where they stay as they come.

        Any error says no more than that one of the items has to go another way. None where there is nothing faster than
        `library_many`.
        """
        return None

    def library_placed(self, items: Windows, places: Windows, *arguments: Any) -> bool:
        """Do the same with each result written to its place, which is `placed_growth` bytes longer than its item.

        False where that is not enough; what is in the places then is not to be looked at.
        """
        return False

    def grown(self, options: OptionsT) -> int | None:
        """Return how many bytes each result has more than its input; None where that depends on the data."""
        return None

    def result_size(self, options: OptionsT) -> int | None:
        """Return how many bytes each result has, whatever its input; None where that depends on it."""
        return None

    def work(self, data: Flat) -> Work:
        """Return what an item means for the time it takes; cheap next to the work itself."""
        return Work(len(data))

    def gains_from_threads(self, item: Flat) -> bool:
        """Whether threads gain from a batch of such items, where their number and size are enough."""
        return True

    def unsupported(self, options: OptionsT) -> str | None:
        """Return why no device can do it with these options, None where one can."""
        return None

    def limits(self) -> dict[str, dict[str, Any]]:
        """Return the legal values of options as plain data: ``minimum`` and ``maximum``, or ``values``.

        ``on_device`` holds the same for those that have a kernel, where not all have.
        """
        return {}

    @property
    def entries(self) -> tuple[tuple[str, str], ...]:
        """What a device needs for it: kernel folders, and the entry of each."""
        return ((self.kernel, self.entry),)

    def of_rows(self, launch: Launch) -> Operation[Any]:
        """Return the operation that knows what rows of a launch mean."""
        return self

    def on_joining_device(self, job: Job[OptionsT], run: Run, link: Linker | None, *, fuses: bool) -> Errors:
        """Do all items as `on_device` does, or in fewer launches.

        That is with those that a device links by itself where `link` is given, and with `fused_entry` where it `fuses`.
        """
        return self.on_device(job, run)

    @abstractmethod
    def on_device(self, job: Job[OptionsT], run: Run) -> Errors:
        """Do all items through kernel launches; return the errors of single items by index."""

    @abstractmethod
    def emulate(self, row: RowInput) -> RowOutput:
        """Do what the kernel does for one row, with the CPU library."""

    def agrees(self, row: RowInput, output: RowOutput) -> bool:
        """Whether what a device wrote for a row is right."""
        return self.emulate(row) == output

    def agrees_on(self, job: Job[OptionsT], index: int) -> bool:
        """Whether what a device made of one item is right."""
        raise NotImplementedError(f"{self.name} is compared row by row alone")

    def confirmed(self, data: Flat, error: Exception) -> Exception | None:
        """Return the error of an item that a device refuses and the CPU library takes, where the device is right.

        A library may be less strict than its format; None where the device is wrong.
        """
        return None

    @abstractmethod
    def trial(self) -> Trial:
        """Return a known-answer test for a device."""

    def fused_trial(self) -> Trial:
        """Return one of `fused_entry`."""
        raise NotImplementedError(f"{self.name} has no fused entry")

    @abstractmethod
    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], OptionsT]:
        """Return representative work for calibration: `count` items of about `nbytes` bytes of work each."""


def one_ahead(
    inputs: Iterable[InputT], start: Callable[[InputT], Callable[[], OutputT]], depth: int = 1
) -> Iterator[OutputT]:
    """Yield what each input gives, in order; `depth` more are on their way while one is waited for and finished.

    What was started before an input that fails is still yielded.
    """
    waiting: deque[Callable[[], OutputT]] = deque()
    entries = iter(inputs)
    failure: Exception | None = None
    while True:
        try:
            waiting.append(start(next(entries)))
        except StopIteration:
            break
        except Exception as error:
            failure = error
            break
        if len(waiting) > depth:
            yield waiting.popleft()()
    while waiting:
        yield waiting.popleft()()
    if failure is not None:
        raise failure


def kept(error: Exception) -> Exception:
    """Return an error that is stored rather than raised: its traceback would hold buffers, and itself in a cycle."""
    return error.with_traceback(None)


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


class _Captures:
    """Runs nothing, and ends the operation."""

    wide = False

    def __call__(self, launch: Launch) -> NoReturn:
        raise _Captured(launch)

    start = __call__


def first_launch(operation: Operation[Any], job: Job[Any]) -> Launch:
    """Return the first launch that `operation` does for `job`, without running it."""
    try:
        operation.on_device(job, _Captures())
    except _Captured as captured:
        # The sink owns the memory that the table points at.
        captured.launch.keep = (captured.launch.keep, job)
        return captured.launch
    raise ValueError(f"{operation.name}: the job needs no launch")


def trial_of(operation: Operation[Any], job: Job[Any]) -> Trial:
    """Make a trial of the first launch that `operation` does for `job`, judged by the CPU library."""
    launch = first_launch(operation, job)

    def passed(results: Table) -> bool:
        rows = range(len(launch.table))
        return all(operation.agrees(row_of(launch, i), output_of(launch, results, i)) for i in rows)

    return Trial(launch, passed)


def periodic(size: int) -> bytes:
    """Return bytes of a prime period, so that swapped blocks show."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def require_success(operation: Operation[Any], results: Table) -> None:
    """Check that all rows of a launch have been done.

    Raises
    ------
    DeviceError
        One has not.
    """
    failed = first_failed(results)
    if failed is not None:
        status = results["status"][failed]
        raise DeviceError(f"{operation.entry} ended row {failed} of {len(results)} with status {status}")
