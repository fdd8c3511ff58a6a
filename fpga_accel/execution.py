"""Runs a call: plans it, sends it to the device, compares, falls back by policy, and files the receipt."""

from __future__ import annotations

import itertools
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from fpga_accel.routing import (
    BUDGET_SECONDS,
    CPU,
    LARGE,
    SMALL_BATCH,
    Candidate,
    Case,
    Choice,
    Plan,
    Router,
    Shape,
    Source,
    Timings,
    cpu_prior,
    is_small_batch,
)
from fpga_accel.runtime import discovery, forks, manifests
from fpga_accel.runtime.health import Health, State
from fpga_accel.runtime.programs import BuildFailed

log = logging.getLogger(__name__)

# "auto" looks for a device once calls were worth this much CPU time: listing, opening and building take as long.
OPENING_SECONDS = 0.1

# Every case is timed at more than one shape, though those before it took longer than their share.
LEAST_BUDGET_SECONDS = 0.1


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


@dataclass(frozen=True, slots=True)
class _Offer:
    """A device that could do a call."""

    name: str
    choice: Choice
    usable: bool
    note: str

    def candidate(self, timed: Choice, count: int, nbytes: int) -> Candidate:
        """Return it with the estimate of a call, a guess beside the figures of another device where it has none."""
        choice = self.choice
        if choice.source is Source.PRIOR:
            choice = Router.guessed(timed)
        source = choice.source_for(count, nbytes)
        return Candidate(self.name, choice.device_seconds(count, nbytes), source, self.usable, self.note)


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
        routing: str = "auto",
    ) -> None:
        super().__init__()
        # Several devices, and what stands for them where there is a name for one.
        self._members = device if isinstance(device, tuple) else ()
        self._device: Wanted = "several" if isinstance(device, tuple) else device
        self._routing = routing
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
        # Choices of each device against the CPU path, by the device's id.
        self._routers: dict[str, Router] = {}
        self._routes: dict[Case, _Route] = {}
        # CPU seconds that calls were worth before any device was opened.
        self._unopened = 0.0
        self._lock = threading.Lock()
        self.ledger = Ledger()
        if self.asked:
            self._open()

    @property
    def asked(self) -> bool:
        """Whether the caller named a device, so that running elsewhere is a fallback."""
        return self._device not in ("auto", "cpu")

    @property
    def threads(self) -> int:
        """Threads of the CPU path."""
        return self._workers.count

    @property
    def uses_devices(self) -> bool:
        """Whether a call may run on a device."""
        return self._device != CPU

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
        return self._auto_plan(operation, call.count, call.work, call.into, supposed=type(call) is Supposed)

    def explain(self, operation: Operation[Any], options: Any, count: int, nbytes: int) -> Plan:
        """Return the plan of a call of this size on usual data, with the figures behind it; nothing is timed."""
        plan, route = self.plan(Supposed(operation, options, count, nbytes))
        case = Case(operation.name, "", nbytes >= LARGE * count, into=False, many=count > 1)
        offers = list(self._offers(operation, options, case, self._found(operation, plan, route)))
        timed = next((offer.choice for offer in offers if offer.choice.source is not Source.PRIOR), Router.prior(case))
        candidates = (
            Candidate(CPU, timed.cpu.seconds(count, nbytes), timed.source),
            *(offer.candidate(timed, count, nbytes) for offer in offers),
        )
        return replace(
            plan,
            candidates=candidates,
            estimates={each.name: each.seconds for each in candidates if each.usable},
            detail=plan.detail or _why(operation, plan, route, count, nbytes),
            margin=None if route is None else route.choice.margin,
        )

    def _found(self, operation: Operation[Any], plan: Plan, route: _Route | None) -> Plan:
        """Return what the device can do, from the plan of a call where that tells it."""
        if route is not None:
            return route.device_plan
        told = plan.backend != CPU or plan.reason not in (Reason.FASTER, Reason.EMPTY, Reason.UNSUPPORTED)
        return plan if told or self._device == CPU else self._device_plan(operation)

    def _offers(self, operation: Operation[Any], options: Any, case: Case, found: Plan) -> Iterator[_Offer]:
        """Yield the devices that a call could be sent to, our own first."""
        backend = self._backend
        if self._device == CPU or backend is None:
            return
        own, ready = backend.device_id, self._ready.get(operation.name)
        name = f"{own}/{ready.variant}" if ready is not None else own
        problem = f"{found.reason.value}: {found.detail}" if found.backend == CPU else ""
        problem = operation.unsupported(options) or problem
        router = self._router_of(own)
        yield _Offer(name, router.choice(case, name) or Router.prior(case), not problem, problem)
        if self._device != "auto" or not discovery.is_listed(own):
            return
        for device in discovery.devices():
            if device.usable and device.id != own:
                names = self._router_of(device.id).candidates(case, device.id) or [device.id]
                for name in names:
                    choice = self._router_of(device.id).choice(case, name) or Router.prior(case)
                    yield _Offer(name, choice, True, f"not compared: auto takes {own}")

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
        try:
            variant = _prepared(operation, backend)
        except DeviceError as error:
            if not isinstance(error, BuildFailed | ForkedContextError):
                health.failed(str(error), grave=isinstance(error, DeviceTimeoutError))
            return Plan(CPU, None, library, _reason_of(error), detail=str(error))
        ready = self._ready[operation.name] = Plan(backend.name, backend.device_id, variant, Reason.ASKED)
        return ready

    def _auto_plan(
        self, operation: Operation[Any], count: int, work: Work, into: bool, *, supposed: bool = False
    ) -> tuple[Plan, _Route | None]:
        if not supposed and not self._worth_opening(operation, count, work.nbytes):
            return Plan(CPU, None, operation.library, Reason.FASTER), None
        found = self._device_plan(operation)
        if found.backend == CPU:
            return found, None
        case = Case(operation.name, work.kind, work.nbytes >= LARGE * count, into, count > 1)
        route = self._routes.get(case)
        if route is None or route.device_plan.variant != found.variant:
            route = self._routes[case] = self._new_route(case, operation, found)
        if route.choice.source is Source.PRIOR and not supposed:
            route = self._timed_in_time(route, case, operation, found, count, work.nbytes)
        return (route.device_plan if route.choice.device_wins(count, work.nbytes) else route.cpu_plan), route

    def _worth_opening(self, operation: Operation[Any], count: int, nbytes: int) -> bool:
        """Whether a device is open, or there was work enough to look for one."""
        if self._backend is not None or self._absence is not None or self._routing == "pinned":
            return True
        self._unopened += cpu_prior(operation.name).seconds(count, nbytes)
        return self._unopened >= OPENING_SECONDS

    def _new_route(self, case: Case, operation: Operation[Any], found: Plan) -> _Route:
        candidate = f"{found.device}/{found.variant}"
        choice = self._router_of(found.device or "").choice(case, candidate) or Router.prior(case)
        device_plan = replace(found, reason=Reason.FASTER)
        return _Route(choice, candidate, device_plan, Plan(CPU, None, operation.library, Reason.FASTER))

    def _timed_in_time(
        self, route: _Route, case: Case, operation: Operation[Any], found: Plan, count: int, nbytes: int
    ) -> _Route:
        """Time a case once there is enough work of it to be worth the wait."""
        router = self._router_of(found.device or "")
        if not router.due(case, route.candidate, count, nbytes):
            return route
        with router.timing() as mine:
            if mine and router.choice(case, route.candidate) is None:
                self._calibrate(router, case, operation, route.candidate)
        timed = self._routes[case] = self._new_route(case, operation, found)
        return timed

    def _router_of(self, device_id: str) -> Router:
        router = self._routers.get(device_id)
        if router is not None:
            return router
        with self._lock:
            key = discovery.calibration_key(device_id)
            made = Router(key, self._workers.count, learns=self._routing == "auto")
            return self._routers.setdefault(device_id, made)

    def calibrate(
        self, operations: Sequence[Operation[Any]], seconds: float, told: Callable[[Case], None]
    ) -> list[tuple[Case, str, Timings]]:
        """Time every case of operations on the device now, within so many seconds or a little more.

        Raises
        ------
        DeviceError
            The device cannot do one of them.
        """
        if self._device == CPU:
            raise ValueError("device='cpu' leaves nothing to compare the CPU with; name a device, or auto")
        cases = [(case, operation) for operation in operations for case in _cases(operation)]
        done = []
        ends = time.monotonic() + seconds
        for index, (case, operation) in enumerate(cases):
            told(case)
            found = self._device_plan(operation)
            if found.backend == CPU:
                absent = found.reason in (Reason.NO_DEVICE, Reason.DISABLED)
                kind = DeviceNotFoundError if absent else _KINDS.get(found.reason, DeviceError)
                raise kind(f"{operation.name} cannot be timed: {found.reason.value}: {found.detail}")
            candidate = f"{found.device}/{found.variant}"
            budget = max((ends - time.monotonic()) / (len(cases) - index), LEAST_BUDGET_SECONDS)
            timings = self._calibrate(self._router_of(found.device or ""), case, operation, candidate, budget)
            if timings is not None:
                done.append((case, candidate, timings))
        self._routes.clear()
        return done

    def _calibrate(
        self,
        router: Router,
        case: Case,
        operation: Operation[Any],
        candidate: str,
        budget: float = BUDGET_SECONDS,
    ) -> Timings | None:
        """Time a case; None where the device failed."""
        log.info("timing %s on %s and on the CPU, once for this machine", case, candidate)
        samples = cache(lambda count, nbytes: _sample(operation, count, nbytes, case.kind))
        outputs = cache(lambda nbytes: memoryview(bytearray(nbytes + nbytes // 64 + 4096)))
        last: list[Call] = []

        def time_one(name: str, shape: Shape) -> float:
            buffers, options = samples(*shape)
            call: Call = ManyCall(operation, options, buffers)
            if len(buffers) == 1 and case.into:
                call = IntoCall(operation, options, buffers[0], outputs(shape[1]))
            elif len(buffers) == 1:
                call = OneCall(operation, options, buffers[0])
            elif case.into:
                call = BatchCall(operation, options, Batch.from_items(buffers))
            seconds = self._time(call, on_cpu=name == CPU)
            # As callers do, the last result is kept until the next is there.
            last[:] = [call]
            return seconds

        self.ledger.count("calibrations")
        try:
            return router.calibrate(case, candidate, time_one, budget)
        except DeviceError as error:
            self._health_of(operation).failed(str(error), grave=True)
            router.refuse(case, candidate)
            return None

    def _time(self, call: Call, *, on_cpu: bool) -> float:
        """Do a call that nobody waits for, and return its seconds."""
        started = time.perf_counter()
        if on_cpu:
            self._on_cpu(call)
        else:
            job = call.job()
            call.take(job, self._on_device(call, job, self._launches(call.operation)))
        return time.perf_counter() - started

    def _probe(self, call: Call, route: _Route, seconds: float, *, device_ran: bool) -> None:
        """Let the candidate that was not chosen do the same call, now and then: see routing/probes.py."""
        count, nbytes, choice = call.count, call.work.nbytes, route.choice
        if not choice.probe_is_due(count, nbytes, seconds, device_ran=device_ran):
            return
        try:
            twin = call.twin()
            if twin is None:
                return
            self.ledger.count("probes")
            other = self._time(twin, on_cpu=device_ran)
        except DeviceError as error:
            # Nobody asked the device for anything, so nobody is told but its health.
            self._health_of(call.operation).failed(str(error), grave=isinstance(error, DeviceTimeoutError | Mismatch))
            self.ledger.count(f"failures.{_reason_of(error).value}")
            return
        except MemoryError:
            # The caller's own result is there.
            return
        cpu, device = (other, seconds) if device_ran else (seconds, other)
        if choice.take_probe(count, nbytes, cpu, device, device_ran=device_ran):
            self.ledger.count("corrections")
            log.info("%s: %d items, %d bytes: estimates corrected by probes", route.candidate, count, nbytes)

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
        reason = self.direct_reason(operation, 1, nbytes)
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
        plan, route = self.plan(call)
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
                self._file_device(call, plan, launches, started)
                if route is not None and not errors:
                    self._probe(call, route, ended - began, device_ran=True)
                return
            fallback = True
        else:
            fallback = self.asked and plan.reason is not Reason.EMPTY
            if fallback:
                self._apply_policy(call.operation, plan.reason, plan.detail, None)
        self._on_cpu(call)
        ended = time.perf_counter()
        row = (call.operation, plan.reason, fallback, call.count, call.nbytes, call.nbytes_out, started, ended)
        self.ledger.add_direct(row)
        if route is not None and not call.errors:
            self._probe(call, route, ended - began, device_ran=False)

    def _launches(self, operation: Operation[Any]) -> Launches:
        assert self._backend is not None
        return Launches(operation, self._backend, self._sampler, self._timeout, self._workers)

    def _on_cpu(self, call: Call) -> None:
        with self._workers.turn():
            call.on_cpu(self._workers)

    def _on_device(self, call: Call, job: Job[Any], launches: Launches) -> Errors:
        try:
            errors = call.operation.on_linking_device(job, launches, launches.linker())
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
        self._health_of(call.operation).succeeded()
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
                variant=launches.told or plan.variant,
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


def _prepared(operation: Operation[Any], backend: Backend) -> str:
    """Build and try every kernel folder that an operation needs; return the variants."""
    variants = []
    for kernel in operation.kernels:
        trials = [row.trial for row in registry.of_kernel(kernel)]
        variants.append(backend.prepare(manifests.shipped(kernel), trials))
    return "+".join(dict.fromkeys(variants))


def _why(operation: Operation[Any], plan: Plan, route: _Route | None, count: int, nbytes: int) -> str:
    """Return in words why a call runs where it is planned."""
    if route is None:
        if plan.reason is Reason.FASTER:
            return (
                f"a launch costs more than the work: an item of less than {operation.small} bytes, or a batch of less "
                f"than {SMALL_BATCH} bytes, goes to the library at once"
            )
        return "there is nothing to do" if plan.reason is Reason.EMPTY else "the caller named where it runs"
    choice = route.choice
    if choice.source is Source.PRIOR:
        return "not timed on this machine yet: the CPU until it has been (fpga-accel calibrate does that now)"
    cpu, device = choice.cpu.seconds(count, nbytes), choice.device_seconds(count, nbytes)
    return (
        f"estimated {cpu * 1e3:.3g} ms on the CPU, {device * 1e3:.3g} ms on {route.candidate} "
        f"({choice.source_for(count, nbytes).value}); the device is chosen below {choice.margin:.2f} of the CPU's time"
    )


def _cases(operation: Operation[Any]) -> Iterator[Case]:
    """Yield what is timed of an operation."""
    # Numbers go into no buffer.
    places = (False,) if operation.number_size else (False, True)
    for kind, into in itertools.product(operation.kinds, places):
        for large in (False, True):
            yield Case(operation.name, kind, large, into)
        yield Case(operation.name, kind, large=False, into=into, many=True)


def _sample(operation: Operation[Any], count: int, nbytes: int, kind: str) -> tuple[list[bytes], Any]:
    """Return work to time, each item in memory of its own, as callers have it."""
    buffers, options = operation.sample(count, nbytes, kind)
    return [bytes(bytearray(each)) for each in buffers], options


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
