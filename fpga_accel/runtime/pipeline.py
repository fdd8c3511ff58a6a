"""Runs a launch on one OpenCL device under one of three memory strategies.

direct
    The table holds host addresses; nothing is copied. For CPU devices that read the process's memory.
wrapped
    Slabs of the page pool are the buffers (unified memory): gather, run, scatter.
staged
    Slabs of the runtime's own host memory are copied to and from buffers of the device's. Two pieces are in flight,
    or one for each thread that the launch may use.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import numpy as np

from fpga_accel._host import ffi, lib
from fpga_accel.errors import DeviceError, DeviceTimeoutError
from fpga_accel.runtime import waits
from fpga_accel.runtime.buffers import POOL, Slab, pooled, size_class, wipe
from fpga_accel.runtime.manifests import Variant
from fpga_accel.runtime.opencl import cl
from fpga_accel.segments import (
    RESULT,
    SEGMENT,
    Bytes,
    Launch,
    Linked,
    Span,
    Status,
    Table,
    address_of,
    new_results,
    rows_at,
)

# Bytes of one piece of a gathered launch: large enough to hide a launch's cost, small enough that some fit anywhere.
PIECE = 16 << 20
# Threads that copy pieces of a launch to where the device sees them, and back, each with memory for one of them.
_THREADS = 8
ROW_ALIGNMENT = 64
_ROWS_A_PIECE = 1 << 20
_QUEUED, _START, _END = cl.profiling_info.QUEUED, cl.profiling_info.START, cl.profiling_info.END


_forsaken: list[Any] = []


class Strategy(StrEnum):
    """How a device reaches host memory."""

    DIRECT = "direct"
    WRAPPED = "wrapped"
    STAGED = "staged"


@dataclass(slots=True, eq=False, repr=False)
class Elapsed:
    """What a device did for a launch."""

    spans: list[Span] = field(default_factory=list)

    def seconds(self, name: str) -> float:
        """Return the time over all spans of a name."""
        return sum(span.seconds for span in self.spans if span.name == name)


# Steps of a launch: started at once, then sent the deadline of the wait for what is on its way.
Steps = Generator[None, float | None, tuple[Table, Elapsed]]
# First row and end of a piece, and the bytes that it takes of both slabs.
_Cut = tuple[int, int, int, int]


class WorkShape:
    """How many work-items a launch of so many rows gets."""

    def __init__(self, handle: cl.Device) -> None:
        gpu = bool(handle.type & cl.device_type.GPU)
        self._units = int(handle.max_compute_units)
        # A GPU runs work-items in warps: one of them a row, in groups of 32.
        self.local = 32 if gpu else 1
        self._gpu_items = self._units * 256 if gpu else 0

    def items(self, rows: int, variant: Variant) -> int:
        """Return the global size for `rows` rows."""
        if variant.single:
            return 1
        wanted = min(rows, self._gpu_items or self._cpu_items(rows, variant))
        return max(1, -(-wanted // self.local)) * self.local

    def _cpu_items(self, rows: int, variant: Variant) -> int:
        most = self._units * variant.items_per_unit
        if variant.rows_per_item == 1:
            return most
        # As many for each unit: with one more, all others would wait for it.
        return max(self._units, min(most, rows // (self._units * variant.rows_per_item) * self._units))


class _Pinned:
    """Host memory that the runtime allocates for copies, which a card reads and writes by itself.

    From other memory its driver copies a second time: 14 GB/s were measured where these went at 54.
    """

    def __init__(self, context: cl.Context, queue: cl.CommandQueue) -> None:
        self._context = context
        self._queue = queue
        self._mapped: dict[int, tuple[cl.Buffer, Any]] = {}

    def take(self, size: int) -> Slab:
        """Return new memory of at least `size` bytes."""
        rounded = size_class(size)
        flags = cl.mem_flags
        buffer = cl.Buffer(self._context, flags.READ_WRITE | flags.ALLOC_HOST_PTR, size=rounded)
        access: Any = cl.map_flags.READ | cl.map_flags.WRITE
        array: Bytes = cl.enqueue_map_buffer(self._queue, buffer, access, 0, (rounded,), np.dtype(np.uint8))[0]
        slab = Slab(self, address_of(array), rounded)
        self._mapped[slab.address] = buffer, array
        return slab

    def give_back(self, slab: Slab) -> None:
        """Free memory."""
        buffer, array = self._mapped.pop(slab.address)
        array.base.release(self._queue)
        buffer.release()


class _Region:
    """A host slab wrapped or mirrored as one buffer of the device."""

    def __init__(self, context: cl.Context, size: int, pinned: _Pinned | None) -> None:
        flags = cl.mem_flags.READ_WRITE
        if pinned is not None:
            self.slab = pinned.take(size)
            self.buffer = cl.Buffer(context, flags, size=self.slab.size)
        else:
            self.slab = POOL.take(size)
            self.buffer = cl.Buffer(context, flags | cl.mem_flags.USE_HOST_PTR, hostbuf=self.slab.array)

    def release(self) -> None:
        self.buffer.release()
        self.slab.release()


@dataclass(slots=True, eq=False, repr=False)
class _Kernel:
    """A kernel object and its arguments, which it keeps from one launch to the next.

    Setting all six takes as long as a third of an empty launch, and mostly the pool lends the same memory again.
    """

    kernel: cl.Kernel
    # Held, so that no other buffer can be taken for one of them.
    _arguments: tuple[Any, ...] = ()

    def bind(self, arguments: tuple[Any, ...]) -> cl.Kernel:
        """Set the arguments, the last of which is a number and the others buffers, and return the kernel."""
        before, self._arguments = self._arguments, ()
        if len(before) != len(arguments):
            self.kernel.set_args(*arguments)
        else:
            for index, (old, new) in enumerate(zip(before, arguments, strict=True)):
                if old is not new and not (isinstance(new, np.uint32) and old == new):
                    self.kernel.set_arg(index, new)
        self._arguments = arguments
        return self.kernel


class Lane:
    """A queue with the buffers for tables, results, parameters and slabs; one owner at a time."""

    NAMES = ("table", "results", "params", "src", "dst")

    def __init__(self, context: cl.Context, handle: cl.Device, strategy: Strategy) -> None:
        self._context = context
        self._handle = handle
        self.queue = self._new_queue()
        # A queue for each further stage of a channel pipeline: two stages on one in-order queue would wait for
        # each other for ever.
        self._stage_queues: list[cl.CommandQueue] = []
        self._pinned = _Pinned(context, self.queue) if strategy is Strategy.STAGED else None
        self._regions: dict[str, _Region] = {}
        self._kernels: dict[tuple[int, str], _Kernel] = {}
        # Copies of the launch in flight. Dropping one waits for it, so an abandoned lane keeps them.
        self.copies: list[Command] = []
        # Arrays that a direct launch in flight reads and writes.
        self.held: list[Any] = []

    def _new_queue(self) -> cl.CommandQueue:
        return cl.CommandQueue(self._context, self._handle, properties=cl.command_queue_properties.PROFILING_ENABLE)

    def stage_queues(self, count: int) -> list[cl.CommandQueue]:
        """Return a queue for each of `count` stages; the first is the lane's own."""
        while len(self._stage_queues) < count - 1:
            self._stage_queues.append(self._new_queue())
        return [self.queue, *self._stage_queues[: count - 1]]

    def kernel(self, program: cl.Program, entry: str) -> _Kernel:
        """Return this lane's own kernel object: its arguments are not shared between threads."""
        key = (program.int_ptr, entry)
        found = self._kernels.get(key)
        if found is None:
            found = self._kernels[key] = _Kernel(cl.Kernel(program, entry))
        return found

    def region(self, name: str, size: int) -> _Region:
        """Return a region of at least `size` bytes."""
        region = self._regions.get(name)
        if region is None or region.slab.size < size:
            if region is not None:
                region.release()
            region = self._regions[name] = _Region(self._context, size, self._pinned)
        return region

    def push(self, region: _Region, size: int) -> None:
        """Make host writes to the first `size` bytes visible to the device."""
        if self._pinned is not None and size:
            data = region.slab.array[:size]
            self.copies.append(Command.of(cl.enqueue_copy(self.queue, region.buffer, data, is_blocking=False)))

    def pull(self, region: _Region, size: int) -> None:
        """Make device writes to the first `size` bytes visible to the host."""
        if self._pinned is not None and size:
            data = region.slab.array[:size]
            self.copies.append(Command.of(cl.enqueue_copy(self.queue, data, region.buffer, is_blocking=False)))

    def take_copies(self) -> list[Span]:
        """Return when the finished copies ran, and forget them."""
        spans = [span_of("transfer", [copy]) for copy in self.copies]
        self.copies.clear()
        return spans

    def wipe_keys(self, keys: slice) -> None:
        """Zero that part of the parameters on the host and on the device."""
        region = self._regions["params"]
        part = region.slab.array[keys]
        wipe(region.slab.address + keys.start, len(part))
        if self._pinned is not None and len(part):
            cl.enqueue_copy(self.queue, region.buffer, part, dst_offset=keys.start, is_blocking=True)

    def wipe_host_secrets(self) -> None:
        """Zero the parameter bytes on the host, where a launch failed and the device is not to be asked."""
        region = self._regions.get("params")
        if region is not None:
            wipe(region.slab.address, region.slab.size)

    def release(self) -> None:
        """Free everything."""
        for region in self._regions.values():
            region.release()
        self._regions.clear()


class Command(NamedTuple):
    """A command on a queue, and when it was put there."""

    event: cl.Event
    queued: float

    @classmethod
    def of(cls, event: cl.Event) -> Command:
        """Note a command that was just put there."""
        return cls(event, time.perf_counter())


@dataclass(slots=True, eq=False, repr=False)
class _Piece:
    """Rows in flight on one lane."""

    lane: Lane
    rows: Table
    placed: Table
    results: Table
    dst: _Region
    done: cl.Event
    stages: list[Command]


class OnLanes(Protocol):
    """What is on its way over lanes of a pipeline."""

    @property
    def lanes(self) -> list[Lane]:
        """Those it has and nobody else."""

    def abandon(self) -> None:
        """Give it up without waiting."""


class Flight(NamedTuple):
    """A launch on its way over some lanes."""

    pipeline: Pipeline
    launch: Launch
    lanes: list[Lane]
    steps: Steps

    def outcome(self, deadline: float | None) -> tuple[Table, Elapsed]:
        """Wait for the end and return the results of the rows.

        Raises
        ------
        DeviceTimeoutError, DeviceError
            What the launch used is never used again.
        """
        with self.pipeline.giving_up(self):
            try:
                self.steps.send(deadline)
            except StopIteration as end:
                outcome: tuple[Table, Elapsed] = end.value
        self.pipeline.give_back(self.lanes)
        return outcome

    def abandon(self) -> None:
        """Give it up without waiting."""
        self.pipeline.abandon(self.lanes, self.launch)


class Pipeline:
    """The lanes of one device, and how launches go over them."""

    def __init__(self, context: cl.Context, handle: cl.Device, strategy: Strategy, device_id: str) -> None:
        self.context = context
        self.handle = handle
        self.strategy = strategy
        self.shape = WorkShape(handle)
        self._context_key = int(context.int_ptr)
        self._device_id = device_id
        self._idle: list[Lane] = []
        self._lock = threading.Lock()
        self.pace = waits.Pace()
        # Lanes whose launch was given up: the device may still write there, so nothing of them is ever reused or
        # freed, not even once this pipeline is gone.
        self._abandoned: list[tuple[list[Lane], Launch | Linked]] = []
        _forsaken.append(self._abandoned)

    def start(self, program: cl.Program, launch: Launch, variant: Variant) -> Flight:
        """Send a launch on its way: all of it, or its first two pieces.

        Raises
        ------
        DeviceError
            With ``buffers_in_use`` true where the device may still write to the launch's memory.
        """
        lanes: list[Lane] = []
        direct = self.strategy is Strategy.DIRECT
        steps = (self._direct if direct else self._gathered)(lanes, program, launch, variant)
        flight = Flight(self, launch, lanes, steps)
        with self.giving_up(flight):
            next(steps)
        return flight

    @contextmanager
    def giving_up(self, work: OnLanes) -> Iterator[None]:
        """Give work up whose step fails."""
        try:
            yield
        except BaseException as error:
            work.abandon()
            if isinstance(error, cl.Error | DeviceError) and not isinstance(error, DeviceTimeoutError):
                for lane in work.lanes:
                    lane.wipe_host_secrets()
            if isinstance(error, cl.Error):
                raise DeviceError(f"OpenCL: {error}", device=self._device_id) from error
            raise

    def abandon(self, lanes: list[Lane], launch: Launch | Linked) -> None:
        """Never use or free what a launch has again."""
        self._abandoned.append((lanes, launch))
        for array in itertools.chain.from_iterable(lane.held for lane in lanes):
            POOL.forsake(address_of(array))

    def give_back(self, lanes: list[Lane]) -> None:
        """Take the lanes of what has ended."""
        for lane in lanes:
            lane.held = []
        with self._lock:
            self._idle.extend(lanes)

    def borrow(self, lanes: list[Lane]) -> Lane:
        """Add a lane to those that somebody has, and return it."""
        with self._lock:
            lane = self._idle.pop() if self._idle else None
        lane = lane or Lane(self.context, self.handle, self.strategy)
        lanes.append(lane)
        return lane

    def _direct(self, lanes: list[Lane], program: cl.Program, launch: Launch, variant: Variant) -> Steps:
        lane = self.borrow(lanes)
        count = len(launch.table)
        results: Table = POOL.array(count, RESULT)
        results["status"] = Status.NOT_RUN
        # An abandoned lane holds them.
        lane.held = [pooled(launch.table), results, pooled(launch.params, secret=launch.keys is not None)]
        arguments = (None, None, *[self.wrapped(array) for array in lane.held], np.uint32(count))
        stages = self.enqueue(lane, program, launch.entry, variant, arguments)
        deadline = yield
        nbytes = launch.nbytes
        unlikely = self.pace.unlikely(launch.entry, nbytes, stages[0].queued)
        for stage in stages:
            waits.wait(stage.event, deadline, self._device_id, unlikely=unlikely)
            unlikely = 0.0
        span = span_of("kernel", stages)
        self.pace.took(launch.entry, nbytes, span.seconds)
        return results, Elapsed([span])

    def wrapped(self, array: Any) -> cl.Buffer:
        """Return an array of the page pool as a buffer of the device."""
        slab = POOL.lent_at(address_of(array))
        assert slab is not None, "arrays of the page pool start where slabs do"
        buffer = slab.wrapped.get(self._context_key)
        if buffer is None:
            flags = cl.mem_flags.READ_WRITE | cl.mem_flags.USE_HOST_PTR
            buffer = slab.wrapped[self._context_key] = cl.Buffer(self.context, flags, hostbuf=slab.array)
        return buffer

    def _bind(self, lane: Lane, launch: Launch, table: Table, src: cl.Buffer, dst: cl.Buffer) -> tuple[Any, ...]:
        """Fill the lane's small buffers and send them on their way; return the arguments of the kernel."""
        count = len(table)
        rows = lane.region("table", count * SEGMENT.itemsize)
        results = lane.region("results", count * RESULT.itemsize)
        params = lane.region("params", len(launch.params))
        rows.slab.array[: count * SEGMENT.itemsize] = table.view(np.uint8)
        _results_view(lane, count)["status"] = Status.NOT_RUN
        params.slab.array[: len(launch.params)] = launch.params
        params.slab.secret |= launch.keys is not None
        lane.push(rows, count * SEGMENT.itemsize)
        lane.push(results, count * RESULT.itemsize)
        lane.push(params, len(launch.params))
        return src, dst, rows.buffer, results.buffer, params.buffer, np.uint32(count)

    def enqueue(
        self, lane: Lane, program: cl.Program, entry: str, variant: Variant, arguments: tuple[Any, ...]
    ) -> list[Command]:
        """Start the kernels of an entry behind the copies on the lane's queue, and flush."""
        names = variant.stages.get(entry, (entry,))
        size = (self.shape.items(int(arguments[-1]), variant),)
        behind = [copy.event for copy in lane.copies] if len(names) > 1 else None
        stages, queues = [], lane.stage_queues(len(names))
        if behind:
            # The other queues wait for the copies, which are only sure to start once this one is flushed.
            lane.queue.flush()
        for queue, name in zip(queues, names, strict=True):
            kernel = lane.kernel(program, name).bind(arguments)
            event = cl.enqueue_nd_range_kernel(queue, kernel, size, (self.shape.local,), wait_for=behind)
            stages.append(Command.of(event))
            queue.flush()
        return stages

    def _gathered(self, lanes: list[Lane], program: cl.Program, launch: Launch, variant: Variant) -> Steps:
        results = new_results(len(launch.table))
        elapsed = Elapsed()
        free: list[Lane] = []
        cuts = list(self._cuts(launch.table))
        # Threads take from it what nobody has taken, and the rest where one has failed.
        todo = iter(cuts)

        def started(cut: _Cut) -> _Piece:
            first, end, src_bytes, dst_bytes = cut
            try:
                lane = free.pop()
            except IndexError:
                lane = self.borrow(lanes)
            piece = self._start(lane, program, launch, launch.table[first:end], src_bytes, dst_bytes, variant)
            piece.results = results[first:end]
            return piece

        def finish(piece: _Piece) -> None:
            free.append(self._finish(piece, launch, elapsed, deadline))

        # Channels belong to the program, so two pieces in flight would mix in them.
        most = 1 if launch.entry in variant.stages else 2
        threads = min(_THREADS, len(cuts), launch.workers.count) if launch.workers and most > 1 else 1
        each = most if threads == 1 else 1
        ahead = [started(cut) for cut in itertools.islice(todo, each)]
        deadline = yield

        def carry(held: list[_Piece]) -> None:
            """Keep as many pieces on their way as are one thread's, until none is left."""
            try:
                for cut in todo:
                    if len(held) == each:
                        finish(held.pop(0))
                    held.append(started(cut))
                for piece in held:
                    finish(piece)
            except BaseException:
                list(todo)
                raise

        if launch.workers and threads > 1:
            launch.workers.map(carry, [ahead[number::threads] for number in range(threads)])
        else:
            carry(ahead)
        return results, elapsed

    def _cuts(self, table: Table) -> Iterator[_Cut]:
        src_bytes, dst_bytes = ffi.new("size_t *"), ffi.new("size_t *")
        largest = int(self.handle.max_mem_alloc_size)
        first = 0
        while first < len(table):
            rest = table[first : first + _ROWS_A_PIECE]
            pointer = rows_at(rest)
            count = 0
            for limit in (PIECE, largest):
                count = lib.fa_rows_fit(pointer, len(rest), limit, limit, ROW_ALIGNMENT, src_bytes, dst_bytes)
                if count:
                    break
            if not count:
                raise DeviceError(
                    f"a row needs more than the {largest} bytes the device can allocate",
                    device=self._device_id,
                )
            yield first, first + count, int(src_bytes[0]), int(dst_bytes[0])
            first += count

    def _start(
        self,
        lane: Lane,
        program: cl.Program,
        launch: Launch,
        rows: Table,
        src_bytes: int,
        dst_bytes: int,
        variant: Variant,
    ) -> _Piece:
        src, dst = lane.region("src", src_bytes), lane.region("dst", dst_bytes)
        placed = np.empty(len(rows), SEGMENT)
        lib.fa_rows_gather(
            rows_at(rows),
            rows_at(placed),
            len(rows),
            ffi.cast("uint8_t *", src.slab.address),
            ROW_ALIGNMENT,
        )
        lane.push(src, src_bytes)
        arguments = self._bind(lane, launch, placed, src.buffer, dst.buffer)
        stages = self.enqueue(lane, program, launch.entry, variant, arguments)
        if len(stages) > 1:
            cl.enqueue_barrier(lane.queue, wait_for=[stage.event for stage in stages])
        lane.pull(lane.region("results", len(rows) * RESULT.itemsize), len(rows) * RESULT.itemsize)
        lane.pull(dst, dst_bytes)
        done = cl.enqueue_marker(lane.queue)
        lane.queue.flush()
        return _Piece(lane, rows, placed, placed, dst, done, stages)

    def _finish(self, piece: _Piece, launch: Launch, elapsed: Elapsed, deadline: float | None) -> Lane:
        lane = piece.lane
        waits.wait(piece.done, deadline, self._device_id)
        count = len(piece.rows)
        piece.results[:] = _results_view(lane, count)
        lib.fa_rows_scatter(
            rows_at(piece.rows),
            rows_at(piece.placed),
            ffi.cast("result_t *", address_of(piece.results)),
            count,
            ffi.cast("uint8_t *", piece.dst.slab.address),
        )
        elapsed.spans += [span_of("kernel", piece.stages), *lane.take_copies()]
        if launch.keys:
            lane.wipe_keys(launch.keys)
        return lane

    def reset_after_fork(self) -> None:
        """Make a fresh lock; the lanes are the parent's and stay untouched."""
        self._lock = threading.Lock()


def _results_view(lane: Lane, count: int) -> Table:
    view: Table = lane.region("results", count * RESULT.itemsize).slab.array[: count * RESULT.itemsize].view(RESULT)
    return view


def span_of(name: str, commands: list[Command]) -> Span:
    """Return the time from the first start to the last end of commands that have ended."""
    # Some runtimes say an event is complete a moment before its profile can be read.
    for _ in range(100):
        try:
            # Not `event.profile`: looking its attributes up takes ten times as long.
            told: list[Any] = [command.event.get_profiling_info for command in commands]
            first = min(int(ask(_START)) for ask in told)
            waited = first - int(told[0](_QUEUED))
            seconds = (max(int(ask(_END)) for ask in told) - first) * 1e-9
        except cl.LogicError:
            time.sleep(1e-5)
            continue
        return Span(name, commands[0].queued + waited * 1e-9, seconds)
    return Span(name, commands[0].queued, 0.0)
