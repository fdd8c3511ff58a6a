"""Runs a call: plans it, sends it to the device, compares, falls back by policy, and files the receipt."""

from __future__ import annotations

import itertools
import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from fpga_accel.backends import Backend
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import (
    DeviceError,
    DeviceNotFoundError,
    DeviceTimeoutError,
    FallbackWarning,
    ForkedContextError,
    refusal,
)
from fpga_accel.operations import registry
from fpga_accel.operations.contract import (
    DATA_ERRORS,
    BufferSink,
    BytesSink,
    Errors,
    Items,
    Job,
    Operation,
    Sink,
    output_of,
    row_of,
)
from fpga_accel.receipts import Ledger, Reason, Receipt, Seconds
from fpga_accel.routing import ADVANTAGE, CPU, SMALL, Plan, Router
from fpga_accel.runtime import discovery, forks, manifests
from fpga_accel.runtime.health import Health, State
from fpga_accel.runtime.programs import BuildFailed
from fpga_accel.segments import Launch, Status, Table

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

# A thread's turn costs about 20 µs, so batches of less than this a thread stay on the caller's.
_THREAD_BYTES = 256 << 10

S = TypeVar("S", bound=Sink)


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


class Executor:
    """The engine behind one Accelerator. Thread-safe; no lock is held while a device works."""

    def __init__(
        self,
        device: str | int | OpensBackend,
        *,
        fallback: str,
        verify: str,
        timeout: float | None,
        threads: int | None,
    ) -> None:
        self._device = device
        self._fallback = fallback
        self._timeout = timeout
        self._sampler = _Sampler(verify)
        self._workers = Workers(threads)
        self._health: dict[str, Health] = {}
        self._warned: set[Reason] = set()
        self._backend: Backend | None = None
        self._absence: tuple[Reason, str] | None = None
        self._router: Router | None = None
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
        device = self._device if isinstance(self._device, str | int) else type(self._device).__name__
        return f"device={device!r}, fallback={self._fallback!r}, verify={self._sampler.policy!r}"

    def close(self) -> None:
        """End the CPU threads."""
        self._workers.close()

    # -- choosing -------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Open the named device, or the best one for "auto"; remember why there is none."""
        wanted = self._device
        try:
            if isinstance(wanted, str | int):
                self._backend = discovery.open_backend(discovery.select("opencl" if wanted == "auto" else wanted))
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

    def plan(self, operation: Operation[Any], options: Any, count: int, nbytes: int) -> Plan:
        """Decide where a call runs."""
        library = operation.library
        if self._device == "cpu":
            return Plan(CPU, None, library, Reason.ASKED)
        if nbytes == 0:
            return Plan(CPU, None, library, Reason.EMPTY)
        unsupported = operation.unsupported(options)
        if unsupported:
            return Plan(CPU, None, library, Reason.UNSUPPORTED, detail=unsupported)
        if self.asked:
            return self._device_plan(operation)
        if nbytes < SMALL:
            detail = f"less than {SMALL} bytes: a launch costs more than the work"
            return Plan(CPU, None, library, Reason.FASTER, detail=detail)
        return self._auto_plan(operation, count, nbytes)

    def _device_plan(self, operation: Operation[Any]) -> Plan:
        """Plan for the device, or for the CPU with the reason why the device cannot."""
        library = operation.library
        with self._lock:
            if self._backend is None and self._absence is None:
                self._open()
        if self._absence is not None:
            return Plan(CPU, None, library, self._absence[0], detail=self._absence[1])
        backend = self._backend
        assert backend is not None
        health = self._health_of(operation)
        if health.state is State.QUARANTINED:
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
        return Plan(backend.name, backend.device_id, variant, Reason.ASKED)

    def _auto_plan(self, operation: Operation[Any], count: int, nbytes: int) -> Plan:
        found = self._device_plan(operation)
        if found.backend == CPU:
            return found
        router = self._router_of(found)
        candidate = f"{found.device}/{found.variant}"
        if not router.calibrated(operation.name, candidate):
            self._calibrate(router, operation, candidate)
        estimates = router.estimates(operation.name, candidate, count, nbytes)
        if estimates[candidate] < ADVANTAGE * estimates[CPU]:
            return replace(found, reason=Reason.FASTER, estimates=estimates)
        detail = f"the library needs about {estimates[CPU]:.2g} s, the device {estimates[candidate]:.2g} s"
        return Plan(CPU, None, operation.library, Reason.FASTER, estimates, detail)

    def _router_of(self, plan: Plan) -> Router:
        with self._lock:
            if self._router is None:
                self._router = Router(discovery.calibration_key(plan.device or ""))
            return self._router

    def _calibrate(self, router: Router, operation: Operation[Any], candidate: str) -> None:
        log.info("timing %s on %s and on the CPU, once for this machine", operation.name, candidate)

        def time_one(name: str, shape: tuple[int, int]) -> float:
            buffers, options = operation.sample(*shape)
            job = Job(Items.of(buffers), options, BytesSink(len(buffers)))
            started = time.perf_counter()
            if name == CPU:
                self._on_cpu(operation, job)
            else:
                self._on_device(operation, job, _Account())
            return time.perf_counter() - started

        try:
            router.calibrate(operation.name, candidate, time_one)
        except DeviceError as error:
            self._health_of(operation).failed(str(error), grave=True)
            router.refuse(operation.name, candidate)

    def warm(self, operation: Operation[Any]) -> None:
        """Build and try the kernel of an operation now."""
        if self._device == "cpu":
            return
        plan = self._device_plan(operation)
        log.info("%s: %s", operation.name, plan)

    def _health_of(self, operation: Operation[Any]) -> Health:
        with self._lock:
            return self._health.setdefault(operation.kernel, Health())

    # -- running --------------------------------------------------------------------------------------------------

    def run(
        self, operation: Operation[Any], items: Items, options: Any, make_sink: Callable[[], S]
    ) -> tuple[S, Errors]:
        """Do one call and file its receipt; errors of single items come back by index."""
        started = time.perf_counter()
        plan = self.plan(operation, options, len(items), items.nbytes)
        fallback = False
        if plan.backend != CPU:
            job, account = Job(items, options, make_sink()), _Account()
            try:
                errors = self._on_device(operation, job, account)
            except DeviceError as error:
                plan = self._after_failure(operation, plan, job, error)
                fallback = True
            else:
                plan = replace(plan, variant=account.variant or plan.variant)
                self._file(operation, job, plan, account, started, fallback=False)
                return job.sink, errors
        elif self.asked and plan.reason is not Reason.EMPTY:
            self._apply_policy(operation, plan.reason, plan.detail, None)
            fallback = True
        job = Job(items, options, make_sink())
        errors = self._on_cpu(operation, job)
        self._file(operation, job, plan, _Account(), started, fallback=fallback)
        return job.sink, errors

    def _on_device(self, operation: Operation[Any], job: Job[Any], account: _Account) -> Errors:
        backend = self._backend
        assert backend is not None

        def launch(work: Launch) -> Table:
            seconds = self._timeout or DEFAULT_SECONDS + work.nbytes / SLOWEST_BYTES_PER_SECOND
            began = time.perf_counter()
            outcome = backend.run(work, time.monotonic() + seconds)
            account.transfer += outcome.transfer
            account.kernel += outcome.kernel
            account.rows += len(work.table)
            account.variant = outcome.variant
            if (outcome.results["status"] == Status.NOT_RUN).any():
                raise DeviceError("the launch ended and left rows undone", device=backend.device_id)
            rows = self._sampler.rows(work, time.perf_counter() - began)
            self._compare(operation, work, outcome.results, rows, account)
            return outcome.results

        errors = operation.on_device(job, launch)
        self._second_opinion(operation, job, errors)
        self._health_of(operation).succeeded()
        return errors

    def _compare(
        self,
        operation: Operation[Any],
        launch: Launch,
        results: Table,
        rows: Iterable[int],
        account: _Account,
    ) -> None:
        began = time.perf_counter()
        for row in rows:
            account.checked = True
            if not operation.agrees(row_of(launch, row), output_of(launch, results, row)):
                raise Mismatch(f"{launch.entry} gave wrong bytes in row {row} of {len(results)}")
        self._sampler.spent(time.perf_counter() - began)

    def _second_opinion(self, operation: Operation[Any], job: Job[Any], errors: Errors) -> None:
        """Let the CPU path confirm what a device calls bad input; its errors are the ones callers see."""
        for index in list(errors):
            opinion = Job(job.items, job.options, BytesSink(len(job.items)))
            try:
                operation.on_cpu(opinion, index, self._workers)
            except DATA_ERRORS as error:
                errors[index] = error
                continue
            if isinstance(errors[index], DATA_ERRORS[3]):
                # The caller's buffer is too small, which the CPU path has not looked at.
                continue
            raise Mismatch(f"the device calls item {index} bad input, the CPU path does not")

    def _on_cpu(self, operation: Operation[Any], job: Job[Any]) -> Errors:
        if len(job.items) == 1:
            work = operation.on_cpu_into if isinstance(job.sink, BufferSink) else _into_sink(operation)
            try:
                work(job, 0, self._workers)
            except DATA_ERRORS as error:
                return {0: error}
            return {}
        threaded = operation.releases_gil and job.items.nbytes >= _THREAD_BYTES * self._workers.count
        parts = 4 * self._workers.count if threaded else 1
        bounds = [len(job.items) * part // parts for part in range(parts + 1)]
        ranges = [range(first, end) for first, end in itertools.pairwise(bounds)]

        def one_range(indices: range) -> Errors:
            return _items_on_cpu(operation, job, indices)

        done = self._workers.map(one_range, ranges) if threaded else [one_range(ranges[0])]
        return {index: error for errors in done for index, error in errors.items()}

    # -- policy and receipts --------------------------------------------------------------------------------------

    def _after_failure(self, operation: Operation[Any], plan: Plan, job: Job[Any], error: DeviceError) -> Plan:
        reason = _reason_of(error)
        grave = isinstance(error, DeviceTimeoutError | Mismatch)
        self._health_of(operation).failed(str(error), grave=grave)
        self.ledger.count(f"failures.{reason.value}")
        self._apply_policy(operation, reason, str(error), error)
        if isinstance(job.sink, BufferSink) and isinstance(error, DeviceTimeoutError) and error.buffers_in_use:
            # The kernel may yet write into the caller's buffer, so no right bytes can be promised there.
            raise error
        return replace(plan, backend=CPU, device=None, variant=operation.library, reason=reason)

    def _apply_policy(self, operation: Operation[Any], reason: Reason, detail: str, error: DeviceError | None) -> None:
        """Raise, warn or stay silent as ``fallback`` says; the first fallback of a kind is always logged."""
        message = f"{operation.name} cannot run on the device: {reason.value}: {detail}"
        if self._fallback == "never":
            raise refusal(error, message) from error
        if reason not in self._warned:
            self._warned.add(reason)
            log.warning("%s; running on the CPU", message)
        if self._fallback == "warn":
            warnings.warn(f"{message}; ran on the CPU", FallbackWarning, stacklevel=5)

    def _file(
        self,
        operation: Operation[Any],
        job: Job[Any],
        plan: Plan,
        account: _Account,
        started: float,
        *,
        fallback: bool,
    ) -> None:
        total = time.perf_counter() - started
        if self._router is not None and not fallback:
            candidate = CPU if plan.backend == CPU else f"{plan.device}/{plan.variant}"
            self._router.learn(operation.name, candidate, len(job.items), job.items.nbytes, total)
        busy = account.transfer + account.kernel
        self.ledger.add(
            Receipt(
                op=operation.op,
                algorithm=operation.algorithm,
                bytes_in=job.items.nbytes,
                bytes_out=job.sink.nbytes,
                backend=plan.backend,
                device=plan.device,
                variant=plan.variant,
                reason=plan.reason,
                fallback=fallback,
                verified=account.checked,
                segments=account.rows,
                seconds=Seconds(max(0.0, total - busy), account.transfer, account.kernel, total),
                items=len(job.items),
                started=started,
                thread=threading.get_ident(),
            )
        )


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


def _into_sink(operation: Operation[Any]) -> Callable[[Job[Any], int, Workers], None]:
    def work(job: Job[Any], index: int, workers: Workers) -> None:
        job.sink.put(index, operation.on_cpu(job, index, workers))

    return work


_ALONE = Workers(1)


def _items_on_cpu(operation: Operation[Any], job: Job[Any], indices: range) -> Errors:
    errors: Errors = {}
    for index in indices:
        try:
            job.sink.put(index, operation.on_cpu(job, index, _ALONE))
        except DATA_ERRORS as error:
            errors[index] = error
    return errors


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
