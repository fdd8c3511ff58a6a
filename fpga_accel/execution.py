"""Runs a call: plans it, sends it to the device, compares, falls back by policy, and files the receipt."""

from __future__ import annotations

import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol

from fpga_accel._objects import Direct
from fpga_accel.backends import Backend
from fpga_accel.backends.cpu import Workers
from fpga_accel.calls import Call, IntoCall, ManyCall, OneCall, Supposed, apart, sink_is_callers
from fpga_accel.errors import (
    BufferTooSmallError,
    DeviceError,
    DeviceNotFoundError,
    DeviceTimeoutError,
    FallbackWarning,
    ForkedContextError,
    refusal,
)
from fpga_accel.operations import registry
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.contract import DATA_ERRORS, Errors, Job, Operation, Work, kept, output_of, row_of
from fpga_accel.receipts import Ledger, Reason, Receipt, Seconds
from fpga_accel.routing import CPU, LARGE, Case, Choice, Plan, Router, is_small_batch
from fpga_accel.runtime import discovery, forks, manifests
from fpga_accel.runtime.buffers import wipe
from fpga_accel.runtime.health import Health, State
from fpga_accel.runtime.programs import BuildFailed
from fpga_accel.segments import Launch, Status, Table, address_of, first_impossible

log = logging.getLogger(__name__)

# Without a timeout a launch gets this long, and a second more for so many bytes: emulators are slow.
DEFAULT_SECONDS = 120.0
SLOWEST_BYTES_PER_SECOND = 1 << 20

# verify="sampled" spends this share of the device's time and saves up no more than so many seconds of it.
SAMPLED_SHARE = 0.02
SAMPLED_CREDIT = 0.25
# What checking one row is expected to cost before it is done.
CHECK_SECONDS = 200e-6
CHECK_BYTES_PER_SECOND = 300e6


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


class Mismatch(DeviceError):
    """What a device wrote differs from the CPU path."""

    code = "mismatch"


@dataclass(slots=True)
class _Account:
    """What the launches of one call add up to."""

    transfer: float = 0.0
    kernel: float = 0.0
    rows: int = 0
    checked: bool = False
    variant: str = ""


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
        device: str | int | OpensBackend,
        *,
        fallback: str,
        verify: str,
        timeout: float | None,
        threads: int | None,
        allow_reprogram: bool,
    ) -> None:
        super().__init__()
        self._device = device
        self._allow_reprogram = allow_reprogram
        self._fallback = fallback
        self._timeout = timeout
        self._sampler = _Sampler(verify)
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
        device = self._device if isinstance(self._device, str | int) else type(self._device).__name__
        return f"device={device!r}, fallback={self._fallback!r}, verify={self._sampler.policy!r}"

    def close(self) -> None:
        """End the CPU threads."""
        self._workers.close()

    def reset_after_fork(self) -> None:
        """Make a fresh lock: another thread may have held it at the fork."""
        self._lock = threading.Lock()

    # -- choosing -------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Open the named device, or the best one for "auto"; remember why there is none."""
        wanted = self._device
        try:
            if isinstance(wanted, str | int):
                found = discovery.open_backend(discovery.select("opencl" if wanted == "auto" else wanted))
                found.allow_reprogram |= self._allow_reprogram
                self._backend = found
            else:
                self._backend = wanted.open_backend()
        except DeviceNotFoundError as error:
            if self.asked and (self._fallback == "never" or not error.absent_class):
                raise
            self._absence = (_absence_reason(), str(error))
        except DeviceError as error:
            if self.asked and self._fallback == "never":
                raise refusal(error) from error
            self._absence = (_reason_of(error), str(error))

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

    def direct(self, operation: Operation[Any], call: Callable[..., bytes | None], position: int) -> Direct:
        """Return the shortest way to the library, for one small item, which is argument `position` of `call`.

        It does nothing where such items have to be planned, and leaves to the caller what it does not do.
        """
        reason = self.direct_reason(operation, 1, 1)
        limit = 0 if reason is None else operation.call_limit or operation.small
        tally = self.ledger.tally(operation, reason or Reason.ASKED)
        return Direct(tally, self.ledger.local, operation, reason, call, position, limit)

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
            started = time.perf_counter()
            if name == CPU:
                self._on_cpu(call)
            else:
                job = call.job()
                call.take(job, self._on_device(call, job, _Account()))
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
        with self._workers.turn():
            result = operation.on_cpu(data, options, 0, self._workers)
        self.ledger.add_direct((operation, reason, False, 1, nbytes, len(result), started, time.perf_counter()))
        return result

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

    def many(self, operation: Operation[Any], options: Any, buffers: Sequence[Any]) -> ManyCall:
        """Do many items; the call that comes back has the results and the errors."""
        call = ManyCall(operation, options, buffers)
        self.run(call)
        return call

    def run(self, call: Call) -> None:
        """Do a call and file its receipt; errors of single items are in the call."""
        started = time.perf_counter()
        plan, _ = self.plan(call)
        if plan.backend != CPU:
            job, account = call.job(), _Account()
            try:
                errors = self._on_device(call, job, account)
            except DeviceError as error:
                plan = self._after_failure(call, plan, job, error)
            else:
                call.take(job, errors)
                self._file_device(call, plan, account, started)
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

    def _on_cpu(self, call: Call) -> None:
        with self._workers.turn():
            call.on_cpu(self._workers)

    def _on_device(self, call: Call, job: Job[Any], account: _Account) -> Errors:
        operation, backend = call.operation, self._backend
        assert backend is not None

        def launch(work: Launch) -> Table:
            try:
                return self._launched(work, operation, backend, account)
            finally:
                if work.secret:
                    wipe(address_of(work.params), work.params.nbytes)

        errors = operation.on_device(job, launch)
        if errors:
            self._second_opinion(call, job, errors)
        self._health_of(operation).succeeded()
        return errors

    def _launched(self, work: Launch, operation: Operation[Any], backend: Backend, account: _Account) -> Table:
        seconds = self._timeout or DEFAULT_SECONDS + work.nbytes / SLOWEST_BYTES_PER_SECOND
        began = time.perf_counter()
        outcome = backend.run(work, time.monotonic() + seconds)
        account.transfer += outcome.transfer
        account.kernel += outcome.kernel
        account.rows += len(work.table)
        account.variant = outcome.variant
        _refuse_impossible(work, outcome.results, backend.device_id)
        rows = self._sampler.rows(work, time.perf_counter() - began)
        self._compare(operation, work, outcome.results, rows, account)
        return outcome.results

    def _compare(
        self,
        operation: Operation[Any],
        launch: Launch,
        results: Table,
        rows: Iterable[int],
        account: _Account,
    ) -> None:
        began = time.perf_counter()
        with self._workers.turn():
            for row in rows:
                account.checked = True
                if not operation.agrees(row_of(launch, row), output_of(launch, results, row)):
                    raise Mismatch(f"{launch.entry} gave wrong bytes in row {row} of {len(results)}")
        self._sampler.spent(time.perf_counter() - began)

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

    def _file_device(self, call: Call, plan: Plan, account: _Account, started: float) -> None:
        total = time.perf_counter() - started
        busy = account.transfer + account.kernel
        self.ledger.add(
            Receipt(
                op=call.operation.op,
                algorithm=call.operation.algorithm,
                bytes_in=call.nbytes,
                bytes_out=call.nbytes_out,
                backend=plan.backend,
                device=plan.device,
                variant=account.variant or plan.variant,
                reason=plan.reason,
                verified=account.checked,
                segments=account.rows,
                seconds=Seconds(max(0.0, total - busy), account.transfer, account.kernel, total),
                items=call.count,
                started=started,
                thread=threading.get_ident(),
            )
        )


def _refuse_impossible(work: Launch, results: Table, device: str) -> None:
    """Refuse sizes and states that no kernel may report: what reads them next trusts them with memory."""
    row = first_impossible(work.table, results)
    if row is None:
        return
    size, status = int(results["dst_size"][row]), int(results["status"][row])
    if status == Status.NOT_RUN:
        raise DeviceError("the launch ended and left rows undone", device=device)
    if size > int(work.table["dst_capacity"][row]):
        raise DeviceError(f"{work.entry} claims to have written more than there is room for", device=device)
    raise DeviceError(f"{work.entry} ended a row with a status that has no meaning", device=device)


class _Sampler:
    """Chooses the rows of a launch that are compared with the CPU path."""

    def __init__(self, policy: str) -> None:
        self.policy = policy
        self._credit = 0.0
        self._next = 0

    def rows(self, launch: Launch, seconds: float) -> Iterable[int]:
        count = len(launch.table)
        if self.policy == "always":
            return range(count)
        if self.policy == "never":
            return ()
        self._credit = min(self._credit + SAMPLED_SHARE * seconds, SAMPLED_CREDIT)
        # A stride that is prime to most counts visits all rows in time.
        self._next = (self._next + 7919) % count
        size = int(launch.table["src_size"][self._next])
        expected = CHECK_SECONDS + size / CHECK_BYTES_PER_SECOND
        return (self._next,) if self._credit >= expected else ()

    def spent(self, seconds: float) -> None:
        """Account for time spent comparing; a debt is paid off by later launches."""
        if self.policy == "sampled":
            self._credit -= seconds


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
