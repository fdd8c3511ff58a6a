"""Runs a call: plans it, sends it to the device, compares, falls back by policy, and files the receipt."""

from __future__ import annotations

import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol

from fpga_accel._objects import Direct
from fpga_accel.backends import Backend
from fpga_accel.backends.cpu import Workers
from fpga_accel.backends.several import SeveralBackend
from fpga_accel.batch import Batch
from fpga_accel.calls import BatchCall, Call, IntoCall, ManyCall, OneCall, Supposed, apart, sink_is_callers
from fpga_accel.errors import (
    BufferTooSmallError,
    DeviceError,
    DeviceNotFoundError,
    DeviceTimeoutError,
    FallbackWarning,
    ForkedContextError,
    refusal,
)
from fpga_accel.launches import Launches, Mismatch, Sampler
from fpga_accel.operations import registry
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.contract import DATA_ERRORS, Errors, Job, Operation, Work, kept
from fpga_accel.receipts import Ledger, Reason, Receipt, Seconds
from fpga_accel.reference import ReferenceBackend
from fpga_accel.routing import CPU, LARGE, Case, Choice, Plan, Router, is_small_batch
from fpga_accel.runtime import discovery, forks, manifests
from fpga_accel.runtime.health import Health, State
from fpga_accel.runtime.programs import BuildFailed

log = logging.getLogger(__name__)

# What a device that failed before the launch raises under fallback="never", besides FallbackDisabledError.
_KINDS: Mapping[Reason, type[DeviceError]] = {
    Reason.TIMEOUT: DeviceTimeoutError,
    Reason.FORKED: ForkedContextError,
    Reason.BUILD_FAILED: BuildFailed,
    Reason.DEVICE_FAILED: DeviceError,
}


class OpensBackend(Protocol):
    """What ``Accelerator(device=...)`` takes besides names: an object that opens its own backend."""

    def open_backend(self) -> Backend:
        """Return the backend."""


Wanted = str | int | OpensBackend


@dataclass(frozen=True, slots=True)
class _Route:
    """What "auto" chooses between for one operation."""

    choice: Choice
    candidate: str
    device_plan: Plan
    cpu_plan: Plan


class Executor(forks.Resettable):
    """The engine behind one Accelerator. Thread-safe; no lock is held while a device works."""

    def __init__(
        self,
        device: Wanted | tuple[Wanted, ...],
        *,
        fallback: str,
        verify: str,
        timeout: float | None,
        threads: int | None,
        allow_reprogram: bool,
    ) -> None:
        super().__init__()
        # Several devices, and what stands for them where there is a name for one.
        self._members = device if isinstance(device, tuple) else ()
        self._device: Wanted = "several" if isinstance(device, tuple) else device
        self._allow_reprogram = allow_reprogram
        self._fallback = fallback
        self._timeout = timeout
        self._sampler = Sampler(verify)
        self._workers = Workers(threads)
        self._health: dict[str, Health] = {}
        # Plans for kernels that are built and proved, by operation.
        self._ready: dict[str, Plan] = {}
        self._warned: set[Reason] = set()
        self._backend: Backend | None = None
        self._absence: tuple[Reason, str] | None = None
        self._router: Router | None = None
        self._routes: dict[Case, _Route] = {}
        self._lock = threading.Lock()
        self.ledger = Ledger()
        if self.asked:
            self._open()

    @property
    def asked(self) -> bool:
        """Whether the caller named a device, so that running elsewhere is a fallback."""
        return self._device not in ("auto", "cpu")

    def describe(self) -> str:
        """Return the settings, for a repr."""
        given = self._members or (self._device,)
        names = [each if isinstance(each, str | int) else type(each).__name__ for each in given]
        device = names if self._members else names[0]
        return f"device={device!r}, fallback={self._fallback!r}, verify={self._sampler.policy!r}"

    def close(self) -> None:
        """End the threads."""
        if isinstance(self._backend, SeveralBackend):
            self._backend.close()
        self._workers.close()

    def reset_after_fork(self) -> None:
        """Make a fresh lock: another thread may have held it at the fork."""
        self._lock = threading.Lock()

    # -- choosing -------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Open the named devices, or the best one for "auto"; remember why there is none."""
        if not self._members:
            self._backend = self._opened("opencl" if self._device == "auto" else self._device)
            return
        found = []
        for wanted in self._members:
            backend = self._opened(wanted)
            if backend is None and self._absence is not None:
                log.warning("device %r is left out: %s", wanted, self._absence[1])
            elif backend is not None:
                found.append(backend)
        if found:
            self._absence = None
            self._backend = SeveralBackend(found, self._count_failure)

    def _opened(self, wanted: Wanted) -> Backend | None:
        if wanted == CPU:
            return ReferenceBackend(self._workers)
        try:
            if not isinstance(wanted, str | int):
                return wanted.open_backend()
            found = discovery.open_backend(discovery.select(wanted))
            found.allow_reprogram |= self._allow_reprogram
            return found
        except DeviceNotFoundError as error:
            if self.asked and (self._fallback == "never" or not error.absent_class):
                raise
            self._absence = (_absence_reason(), str(error))
        except DeviceError as error:
            if self.asked and self._fallback == "never":
                raise refusal(error) from error
            self._absence = (_reason_of(error), str(error))
        return None

    def _count_failure(self, error: DeviceError) -> None:
        self.ledger.count(f"failures.{_reason_of(error).value}")

    def plan(self, call: Call) -> tuple[Plan, _Route | None]:
        """Decide where a call runs; the route is what "auto" chose between."""
        operation = call.operation
        reason = self.direct_reason(operation, call.count, call.nbytes)
        if reason is not None:
            return Plan(CPU, None, operation.library, reason), None
        unsupported = operation.unsupported(call.options)
        if unsupported:
            return Plan(CPU, None, operation.library, Reason.UNSUPPORTED, detail=unsupported), None
        if self.asked:
            return self._device_plan(operation), None
        return self._auto_plan(operation, call.count, call.work, call.into)

    def explain(self, operation: Operation[Any], options: Any, count: int, nbytes: int) -> Plan:
        """Return the plan of a call of this size on usual data, with the figures behind it."""
        plan, route = self.plan(Supposed(operation, options, count, nbytes))
        if plan.reason is not Reason.FASTER:
            return plan
        if route is None:
            return replace(plan, detail="a launch costs more than the work")
        cpu, device = route.choice.cpu.seconds(count, nbytes), route.choice.device.seconds(count, nbytes)
        detail = f"estimated {cpu * 1e3:.3g} ms on the CPU, {device * 1e3:.3g} ms there"
        return replace(plan, estimates={CPU: cpu, route.candidate: device}, detail=detail)

    def direct(self, operation: Operation[Any], call: Callable[..., Any], position: int) -> Direct:
        """Return the shortest way to the library, for one small item, which is argument `position` of `call`.

        It does nothing where such items have to be planned, and leaves to the caller what it does not do.
        """
        reason = self.direct_reason(operation, 1, 1)
        limit = 0 if reason is None else operation.call_limit or operation.small
        tally = self.ledger.tally(operation, reason or Reason.ASKED)
        return Direct(tally, self.ledger.local, operation, reason, call, position, limit, operation.number_size)

    def direct_reason(self, operation: Operation[Any], count: int, nbytes: int) -> Reason | None:
        """Return why a call needs no planning and runs on the CPU; None where it has to be planned."""
        if self._device == "auto":
            if nbytes == 0:
                return Reason.EMPTY
            small = nbytes < operation.small if count == 1 else is_small_batch(count, nbytes)
            return Reason.FASTER if small else None
        if self._device == CPU:
            return Reason.ASKED
        return Reason.EMPTY if nbytes == 0 else None

    def _device_plan(self, operation: Operation[Any]) -> Plan:
        """Plan for the device, or for the CPU with the reason why the device cannot."""
        ready = self._ready.get(operation.name)
        if ready is not None and self._health[operation.kernel].state is State.OK and not forks.inherited():
            return ready
        library = operation.library
        with self._lock:
            if self._backend is None and self._absence is None:
                self._open()
        if self._absence is not None:
            return Plan(CPU, None, library, self._absence[0], detail=self._absence[1])
        backend = self._backend
        assert backend is not None
        health = self._health_of(operation)
        if not health.admitted():
            detail = f"{health.cause}; next try in {health.seconds_left:.0f} s"
            return Plan(CPU, None, library, Reason.QUARANTINED, detail=detail)
        manifest = manifests.shipped(operation.kernel)
        trials = [row.trial for row in registry.of_kernel(operation.kernel)]
        try:
            variant = backend.prepare(manifest, trials)
        except DeviceError as error:
            if not isinstance(error, BuildFailed | ForkedContextError):
                health.failed(str(error), grave=isinstance(error, DeviceTimeoutError))
            return Plan(CPU, None, library, _reason_of(error), detail=str(error))
        ready = self._ready[operation.name] = Plan(backend.name, backend.device_id, variant, Reason.ASKED)
        return ready

    def _auto_plan(self, operation: Operation[Any], count: int, work: Work, into: bool) -> tuple[Plan, _Route | None]:
        found = self._device_plan(operation)
        if found.backend == CPU:
            return found, None
        case = Case(operation.name, work.kind, work.nbytes >= LARGE * count, into)
        route = self._routes.get(case)
        if route is None or route.device_plan.variant != found.variant:
            route = self._routes[case] = self._new_route(case, operation, found)
        return (route.device_plan if route.choice.device_wins(count, work.nbytes) else route.cpu_plan), route

    def _new_route(self, case: Case, operation: Operation[Any], found: Plan) -> _Route:
        with self._lock:
            if self._router is None:
                self._router = Router(discovery.calibration_key(found.device or ""))
        candidate = f"{found.device}/{found.variant}"
        choice = self._router.choice(case, candidate)
        if choice is None:
            self._calibrate(self._router, case, operation, candidate)
            choice = self._router.choice(case, candidate)
        assert choice is not None, "calibration leaves a cost for both"
        device_plan = replace(found, reason=Reason.FASTER)
        return _Route(choice, candidate, device_plan, Plan(CPU, None, operation.library, Reason.FASTER))

    def _calibrate(self, router: Router, case: Case, operation: Operation[Any], candidate: str) -> None:
        log.info("timing %s on %s and on the CPU, once for this machine", case, candidate)
        samples = cache(lambda count, nbytes: operation.sample(count, nbytes, case.kind))
        outputs = cache(lambda nbytes: memoryview(bytearray(nbytes + nbytes // 64 + 4096)))
        last: list[Call] = []

        def time_one(name: str, shape: tuple[int, int]) -> float:
            buffers, options = samples(*shape)
            call: Call = ManyCall(operation, options, buffers)
            if len(buffers) == 1 and case.into:
                call = IntoCall(operation, options, buffers[0], outputs(shape[1]))
            elif len(buffers) == 1:
                call = OneCall(operation, options, buffers[0])
            elif case.into:
                call = BatchCall(operation, options, Batch.from_items(buffers))
            started = time.perf_counter()
            if name == CPU:
                call.on_cpu(self._workers)
            else:
                job = call.job()
                call.take(job, self._on_device(call, job, self._launches(operation)))
            seconds = time.perf_counter() - started
            # As callers do, the last result is kept until the next is there.
            last[:] = [call]
            return seconds

        try:
            router.calibrate(case, candidate, time_one)
        except DeviceError as error:
            self._health_of(operation).failed(str(error), grave=True)
            router.refuse(case, candidate)

    def warm(self, operation: Operation[Any]) -> None:
        """Build and try the kernel of an operation now."""
        if self._device == "cpu":
            return
        plan = self._device_plan(operation)
        log.info("%s: %s", operation.name, plan)

    def _health_of(self, operation: Operation[Any]) -> Health:
        found = self._health.get(operation.kernel)
        if found is not None:
            return found
        with self._lock:
            return self._health.setdefault(operation.kernel, Health())

    # -- running --------------------------------------------------------------------------------------------------

    def one(self, operation: Operation[Any], options: Any, data: Flat) -> bytes:
        """Do one item to fresh bytes."""
        nbytes = len(data)
        reason = self.direct_reason(operation, 1, nbytes)
        if reason is None:
            call = OneCall(operation, options, data)
            self.run(call)
            call.raise_error()
            return call.result
        # The short way to the library: every microsecond around it shows.
        started = time.perf_counter()
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
        reason = self.direct_reason(operation, 1, nbytes)
        if reason is None:
            call = IntoCall(operation, options, data, out)
            self.run(call)
            call.raise_error()
            return call.written
        started = time.perf_counter()
        written = operation.on_cpu_into(data, options, 0, self._workers, out)
        self.ledger.add_direct((operation, reason, False, 1, nbytes, written, started, time.perf_counter()))
        return written

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
        plan, _ = self.plan(call)
        if plan.backend != CPU:
            job, launches = call.job(), self._launches(call.operation)
            try:
                errors = self._on_device(call, job, launches)
            except DeviceError as error:
                plan = self._after_failure(call, plan, job, error)
            else:
                call.take(job, errors)
                self._file_device(call, plan, launches, started)
                return
            fallback = True
        else:
            fallback = self.asked and plan.reason is not Reason.EMPTY
            if fallback:
                self._apply_policy(call.operation, plan.reason, plan.detail, None)
        call.on_cpu(self._workers)
        ended = time.perf_counter()
        row = (call.operation, plan.reason, fallback, call.count, call.nbytes, call.nbytes_out, started, ended)
        self.ledger.add_direct(row)

    def _launches(self, operation: Operation[Any]) -> Launches:
        assert self._backend is not None
        return Launches(operation, self._backend, self._sampler, self._timeout)

    def _on_device(self, call: Call, job: Job[Any], launches: Launches) -> Errors:
        try:
            errors = call.operation.on_device(job, launches)
            launches.drain()
        except Exception:
            launches.drain()
            raise
        except BaseException:
            launches.abandon()
            raise
        if errors:
            self._second_opinion(call, job, errors)
        self._health_of(call.operation).succeeded()
        return errors

    def _second_opinion(self, call: Call, job: Job[Any], errors: Errors) -> None:
        """Let the CPU path confirm what a device calls bad input; its errors are the ones callers see."""
        for index, found in list(errors.items()):
            if isinstance(found, BufferTooSmallError):
                # About the caller's buffer, which the CPU path does not look at.
                continue
            try:
                call.operation.on_cpu(job.items.view(index), call.options, index, self._workers)
            except DATA_ERRORS as error:
                errors[index] = kept(error)
                continue
            raise Mismatch(f"the device calls item {index} bad input, the CPU path does not")

    # -- policy and receipts --------------------------------------------------------------------------------------

    def _after_failure(self, call: Call, plan: Plan, job: Job[Any], error: DeviceError) -> Plan:
        operation, reason = call.operation, _reason_of(error)
        grave = isinstance(error, DeviceTimeoutError | Mismatch)
        self._health_of(operation).failed(str(error), grave=grave)
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
            kind = _KINDS.get(reason)
            raise refusal(error or (kind(detail) if kind else None), message) from error
        if reason not in self._warned:
            self._warned.add(reason)
            log.warning("%s; running on the CPU", message)
        if self._fallback == "warn":
            warnings.warn(f"{message}; ran on the CPU", FallbackWarning, stacklevel=_callers_level())

    def _file_device(self, call: Call, plan: Plan, launches: Launches, started: float) -> None:
        total = time.perf_counter() - started
        transfer, kernel, overlap = launches.transfer, launches.kernel, launches.overlap
        queue = max(0.0, total - transfer - kernel + overlap)
        self.ledger.add(
            Receipt(
                op=call.operation.op,
                algorithm=call.operation.algorithm,
                bytes_in=call.nbytes,
                bytes_out=call.nbytes_out,
                backend=plan.backend,
                device="+".join(launches.devices) or plan.device,
                variant=launches.variant or plan.variant,
                reason=plan.reason,
                verified=launches.checked,
                segments=launches.rows,
                seconds=Seconds(queue, transfer, kernel, total, overlap),
                items=call.count,
                started=started,
                thread=threading.get_ident(),
                spans=tuple(launches.spans),
            )
        )


def _callers_level() -> int:
    """Return the ``stacklevel`` with which a warning of the calling function points outside this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "fpga_accel":
        level, frame = level + 1, frame.f_back
    return level


def _absence_reason() -> Reason:
    if forks.inherited():
        return Reason.FORKED
    return Reason.DISABLED if discovery.disabled() else Reason.NO_DEVICE


def _reason_of(error: DeviceError) -> Reason:
    if isinstance(error, Mismatch):
        return Reason.MISMATCH
    if isinstance(error, ForkedContextError):
        return Reason.FORKED
    if isinstance(error, DeviceTimeoutError):
        return Reason.TIMEOUT
    if isinstance(error, BuildFailed):
        return Reason.BUILD_FAILED
    return Reason.DEVICE_FAILED
