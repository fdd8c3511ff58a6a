"""Runs a call: sends it where it is planned, compares, falls back by policy, and files the receipt."""

from __future__ import annotations

import logging
import sys
import threading
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fpga_accel import _objects
from fpga_accel.backends.cpu import Workers
from fpga_accel.batch import Batch, of_rows
from fpga_accel.calls import (
    BatchCall,
    Call,
    IntoCall,
    ManyCall,
    OneCall,
    apart,
    seems_large,
    sink_is_callers,
)
from fpga_accel.errors import (
    BufferTooSmallError,
    DeviceError,
    DeviceTimeoutError,
    FallbackWarning,
    refusal,
)
from fpga_accel.launches import Launches, Mismatch, Sampler
from fpga_accel.operations.buffers import Flat, fitted_column
from fpga_accel.operations.contract import DATA_ERRORS, Errors, Job, Operation, kept
from fpga_accel.planning import KINDS, Planner, Wanted, reason_of
from fpga_accel.receipts import Ledger, OnDevice, Reason
from fpga_accel.routing import CPU, Plan
from fpga_accel.runtime.buffers import POOL

log = logging.getLogger(__name__)

# Results of up to so many bytes take less time to make and copy together than to write where they stay.
_SHORT = 512
# Results of so few bytes, which codes and digests have, are taken to be followed by others as short.
_TAG = 64
# Room for others at most: the first of a batch may be unlike them.
_MOST_ROOM = 8 << 20
# Keys and nonces of more items are not made a list for the library's own loop.
_MOST_LISTED = 8 << 10


class Executor:
    """The engine behind one Accelerator. Thread-safe; no lock is held while a device works.

    Attributes
    ----------
    planner
        Decides where calls run.
    ledger
        Their receipts.
    """

    def __init__(
        self,
        device: Wanted | tuple[Wanted, ...],
        *,
        fallback: str,
        verify: str,
        timeout: float | None,
        threads: int | None,
        allow_reprogram: bool,
        routing: str = "auto",
    ) -> None:
        self._fallback = fallback
        self._timeout = timeout
        self._sampler = Sampler(verify)
        self._workers = Workers(threads)
        self._warned: set[Reason] = set()
        self.ledger = Ledger()
        self.planner = Planner(
            device,
            fallback=fallback,
            allow_reprogram=allow_reprogram,
            routing=routing,
            workers=self._workers,
            ledger=self.ledger,
            timed=self._time,
        )

    @property
    def threads(self) -> int:
        """Threads of the CPU path."""
        return self._workers.count

    def describe(self) -> str:
        """Return the settings, for a repr."""
        return f"{self.planner.describe()}, fallback={self._fallback!r}, verify={self._sampler.policy!r}"

    def close(self) -> None:
        """End the threads."""
        self.planner.close()
        self._workers.close()

    def one(self, operation: Operation[Any], options: Any, data: Flat) -> bytes:
        """Do one item to fresh bytes."""
        nbytes = len(data)
        reason = self.planner.direct_reason(operation, 1, nbytes)
        if reason is None:
            call = OneCall(operation, options, data)
            self.run(call)
            call.raise_error()
            return call.result
        # The short way to the library: every microsecond around it shows.
        started = time.perf_counter()
        with self._workers.turn():
            result: bytes = operation.on_cpu(data, options, 0, self._workers)
        size = operation.number_size or len(result)
        self.ledger.add_direct((operation, reason, False, 1, nbytes, size, started, time.perf_counter()))
        return result

    def number(self, operation: Operation[Any], options: Any, data: Flat) -> int:
        """Do one item whose result is a number."""
        number: Any = self.one(operation, options, data)
        return int(number)

    def into(self, operation: Operation[Any], options: Any, data: Flat, out: memoryview) -> int:
        """Do one item into a buffer; return the bytes written."""
        options, data, nbytes = operation.bounded(options, len(out)), apart(data, out), len(data)
        reason = self.planner.direct_reason(operation, 1, nbytes)
        if reason is None:
            call = IntoCall(operation, options, data, out)
            self.run(call)
            call.raise_error()
            return call.written
        started = time.perf_counter()
        with self._workers.turn():
            written = operation.on_cpu_into(data, options, 0, self._workers, out)
        self.ledger.add_direct((operation, reason, False, 1, nbytes, written, started, time.perf_counter()))
        return written

    def few(self, operation: Operation[Any], items: Any, *arguments: Any) -> Any:
        """Do a list or a Batch in the library's own loop where that is best; None for what has to be planned.

        That is what a `DirectMany` leaves to this: while somebody watches receipts, or the thread waits for turns.
        `arguments` are those of `Operation.library_many`, as `listed` gives them. Results come as `many` gives them.
        """
        batch = items if isinstance(items, Batch) else None
        if batch is None and (not isinstance(items, list) or seems_large(items)):
            return None
        nbytes = _objects.bytes_total(items) if batch is None else batch.nbytes
        if nbytes < 0:
            return None
        reason = self.planner.loop_reason(operation, items, nbytes)
        if reason is None:
            return None
        count = len(items)
        started = time.perf_counter()
        with self._workers.turn():
            if batch is None:
                results: Any = operation.library_many(items, *arguments)
            else:
                results = few_of_batch(operation, batch, *arguments)
        if results is None:
            return None
        size = operation.number_size * count or (_objects.bytes_total(results) if batch is None else results.nbytes)
        self.ledger.add_direct((operation, reason, False, count, nbytes, size, started, time.perf_counter()))
        return results

    def many(self, operation: Operation[Any], options: Any, buffers: Sequence[Any]) -> ManyCall | BatchCall:
        """Do many items; the call that comes back has the results and the errors."""
        call: ManyCall | BatchCall
        if isinstance(buffers, Batch):
            call = BatchCall(operation, options, buffers)
        else:
            call = ManyCall(operation, options, buffers)
        self.run(call)
        return call

    def run(self, call: Call) -> None:
        """Do a call and file its receipt; errors of single items are in the call."""
        started = time.perf_counter()
        wanted, route = self.planner.plan(call)
        plan = self.planner.admitted(call.operation, wanted)
        if plan is not wanted:
            route = None
        began = time.perf_counter()
        if plan.backend != CPU:
            job, launches = call.job(), self._launches(call.operation)
            try:
                errors = self._on_device(call, job, launches)
            except DeviceError as error:
                plan, route = self._after_failure(call, plan, job, error), None
            else:
                call.take(job, errors)
                ended = time.perf_counter()
                sizes, thread = (call.count, call.nbytes, call.nbytes_out), threading.get_ident()
                self.ledger.add_device(OnDevice(call.operation, plan, launches.ran, *sizes, started, ended, thread))
                if route is not None and not errors:
                    self.planner.probe(call, route, ended - began, device_ran=True)
                return
            fallback = True
        else:
            fallback = self.planner.asked and plan.reason is not Reason.EMPTY
            if fallback:
                self._apply_policy(call.operation, plan.reason, plan.detail, None)
        self._on_cpu(call)
        ended = time.perf_counter()
        row = (call.operation, plan.reason, fallback, call.count, call.nbytes, call.nbytes_out, started, ended)
        self.ledger.add_direct(row)
        if route is not None and not call.errors:
            self.planner.probe(call, route, ended - began, device_ran=False)

    def _launches(self, operation: Operation[Any]) -> Launches:
        backend = self.planner.backend
        assert backend is not None
        return Launches(operation, backend, self._sampler, self._timeout, self._workers)

    def _time(self, call: Call, *, on_cpu: bool) -> float:
        """Do a call that nobody waits for, and return its seconds."""
        started = time.perf_counter()
        if on_cpu:
            self._on_cpu(call)
        else:
            job = call.job()
            call.take(job, self._on_device(call, job, self._launches(call.operation)))
        return time.perf_counter() - started

    def _on_cpu(self, call: Call) -> None:
        with self._workers.turn():
            call.on_cpu(self._workers)

    def _on_device(self, call: Call, job: Job[Any], launches: Launches) -> Errors:
        try:
            errors = call.operation.on_joining_device(job, launches, launches.linker(), fuses=launches.fuses())
            launches.drain()
        except Exception:
            launches.drain()
            raise
        except BaseException:
            launches.abandon()
            raise
        if errors:
            self._second_opinion(call, job, errors)
        if call.operation.by_items:
            launches.compare_items(job, errors)
        self.planner.health_of(call.operation).succeeded()
        return errors

    def _second_opinion(self, call: Call, job: Job[Any], errors: Errors) -> None:
        """Let the CPU path confirm what a device calls bad input; its errors are the ones callers see."""
        for index, found in list(errors.items()):
            if isinstance(found, BufferTooSmallError):
                # About the caller's buffer, which the CPU path does not look at.
                continue
            try:
                with self._workers.turn():
                    call.operation.on_cpu(job.items.view(index), call.options, index, self._workers)
            except DATA_ERRORS as error:
                errors[index] = kept(error)
                continue
            strict = call.operation.confirmed(job.items.view(index), found)
            if strict is None:
                raise Mismatch(f"the device calls item {index} bad input, the CPU path does not")
            errors[index] = strict

    # -- policy and receipts --------------------------------------------------------------------------------------

    def _after_failure(self, call: Call, plan: Plan, job: Job[Any], error: DeviceError) -> Plan:
        operation, reason = call.operation, reason_of(error)
        grave = isinstance(error, DeviceTimeoutError | Mismatch)
        self.planner.health_of(operation).failed(str(error), grave=grave)
        self.ledger.count(f"failures.{reason.value}")
        if sink_is_callers(job.sink):
            # What is there may be plaintext whose tag nobody has checked.
            job.sink.discard(0)
        self._apply_policy(operation, reason, str(error), error)
        if sink_is_callers(job.sink) and isinstance(error, DeviceTimeoutError) and error.buffers_in_use:
            # The kernel may yet write into the caller's buffer, so no right bytes can be promised there.
            raise error
        return replace(plan, backend=CPU, device=None, variant=operation.library, reason=reason)

    def _apply_policy(self, operation: Operation[Any], reason: Reason, detail: str, error: DeviceError | None) -> None:
        """Raise, warn or stay silent as ``fallback`` says; the first fallback of a kind is always logged."""
        message = f"{operation.name} cannot run on the device: {reason.value}: {detail}"
        if self._fallback == "never":
            kind = KINDS.get(reason)
            raise refusal(error or (kind(detail) if kind else None), message) from error
        if reason not in self._warned:
            self._warned.add(reason)
            log.warning("%s; running on the CPU", message)
        if self._fallback == "warn":
            warnings.warn(f"{message}; ran on the CPU", FallbackWarning, stacklevel=_callers_level())


def few_of_batch(operation: Operation[Any], batch: Batch, *arguments: Any) -> Any:
    """Return what the library's own loop makes of a Batch, None where that is not enough."""
    if operation.placed_growth is not None and batch.nbytes > _SHORT * len(batch):
        return _placed(operation, batch, arguments)
    items = operation.library_items(batch)
    results: Iterable[Any] | None = operation.library_each(items, *arguments)
    if results is None:
        results = operation.library_many(items, *arguments)
    if results is None:
        return None
    try:
        if not operation.number_size:
            return _column(results, batch)
        numbers = np.empty(len(batch), operation.number_type)
        _objects.numbers_from(results, numbers)
    except Exception as error:
        log.debug("%s: %d items go another way: %s", operation.name, len(batch), type(error).__name__)
        return None
    return numbers


def _column(results: Iterable[bytes], batch: Batch) -> Batch:
    """Return what comes of a Batch as one, each result copied as it comes."""
    coming, count = iter(results), len(batch)
    first, offsets = next(coming), np.empty(count + 1, np.int64)
    if len(first) <= _TAG:
        data = np.empty(count * len(first), np.uint8)
    else:
        # As much of the others as of the first, and half of that; for what has no room there, all is copied once more.
        likely = batch.nbytes * len(first) // max(1, len(batch[0]))
        data = POOL.array(min(likely + likely // 2 + _SHORT, _MOST_ROOM))
    rest = _objects.column_from(coming, data, offsets, first)
    if rest:
        return Batch.from_items([*Batch.of_column((data, offsets))[: count - len(rest)].to_list(), *rest])
    return Batch.of_column(fitted_column(data, offsets))


def _placed(operation: Operation[Any], batch: Batch, arguments: tuple[Any, ...]) -> Batch | None:
    """Return what the library writes where it stays."""
    assert operation.placed_growth is not None
    offsets = np.empty(len(batch) + 1, np.int64)
    size = _objects.column_grown(batch.offsets, operation.placed_growth, offsets)
    if size < 0:
        return None
    data = POOL.array(size)
    if operation.library_placed(batch.windows(), _objects.Windows(data, offsets, True), *arguments):
        return Batch.of_column((data, offsets))
    # Plaintext whose tag is wrong, perhaps.
    data.fill(0)
    return None


def listed(argument: Any) -> Any:
    """Return keys and nonces as a library's loop takes them: of a batch, as a list."""
    if type(argument) in (list, bytes) or (hasattr(argument, "__len__") and len(argument) > _MOST_LISTED):
        return argument
    if isinstance(argument, np.ndarray) and argument.ndim == 2:
        argument = of_rows(argument)
    return argument.to_list() if isinstance(argument, Batch) else argument


def _callers_level() -> int:
    """Return the ``stacklevel`` with which a warning of the calling function points outside this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "fpga_accel":
        level, frame = level + 1, frame.f_back
    return level
