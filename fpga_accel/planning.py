"""Decides where a call runs: opens devices, knows their health, times them against the CPU path, and explains."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from fpga_accel._objects import Direct, DirectMany, Epoch
from fpga_accel.backends import Backend, NoCore
from fpga_accel.backends.cpu import Workers
from fpga_accel.backends.several import SeveralBackend
from fpga_accel.batch import Batch
from fpga_accel.calls import (
    LOOPED,
    BatchCall,
    Call,
    IntoCall,
    ManyCall,
    OneCall,
    Supposed,
    in_threads,
    like_the_first,
)
from fpga_accel.errors import (
    DeviceError,
    DeviceNotFoundError,
    DeviceTimeoutError,
    ForkedContextError,
    refusal,
)
from fpga_accel.launches import Mismatch
from fpga_accel.operations import registry
from fpga_accel.operations.contract import Operation, Work
from fpga_accel.receipts import Ledger, Reason
from fpga_accel.reference import ReferenceBackend
from fpga_accel.routing import (
    BUDGET_SECONDS,
    CPU,
    ITEM,
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
    guessed_cpu_seconds,
    is_small_batch,
)
from fpga_accel.runtime import discovery, forks, manifests
from fpga_accel.runtime.buffers import POOL
from fpga_accel.runtime.health import Health, State
from fpga_accel.runtime.programs import BuildFailed
from fpga_accel.runtime.switches import RTL

log = logging.getLogger(__name__)

# "auto" looks for a device once calls were worth this much CPU time: listing, opening and building take as long.
OPENING_SECONDS = 0.1

# Every case is timed, though those before it took longer than their share; 400 cases of this are 12 s.
LEAST_BUDGET_SECONDS = 0.03
# Methods of operations that are loops of their libraries.
_LOOPS = ("library_many", "library_each")
# Calls that the gate of a `DirectMany` lets through at once: where nothing is known of a case yet or their data may be
# of another kind, and where sizes tell all.
_SOME_CALLS, _ALL_CALLS = 16, 1 << 60
# Shapes of one kind of an operation's data, which take some 100 MB.
_SAMPLES = 15


# What a device that failed before the launch raises under fallback="never", besides FallbackDisabledError.
KINDS: Mapping[Reason, type[DeviceError]] = {
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
MakesSample = Callable[[Operation[Any], int, int, str], tuple[list[bytes], Any]]


class Route(NamedTuple):
    """What "auto" chooses between for one operation."""

    choice: Choice
    candidate: str
    device_plan: Plan
    cpu_plan: Plan


class _Offer(NamedTuple):
    """A device that could do a call."""

    name: str
    choice: Choice
    usable: bool
    note: str
    simulated: bool = False

    def candidate(self, timed: Choice, count: int, nbytes: int) -> Candidate:
        """Return it with the estimate of a call, a guess beside the figures of another device where it has none."""
        choice = self.choice
        if choice.source is Source.PRIOR:
            choice = Router.guessed(timed, simulated=self.simulated)
        source = choice.source_for(count, nbytes)
        return Candidate(self.name, choice.device_seconds(count, nbytes), source, self.usable, self.note)


class Planner(forks.Resettable):
    """Opens the devices of one Accelerator and decides where its calls run. Thread-safe.

    Parameters
    ----------
    device, fallback, allow_reprogram, routing
        As the Accelerator has them.
    workers
        Threads of the CPU path.
    ledger
        Where failures and calibrations are counted.
    timed
        Does a call that nobody waits for, on the CPU or on the device, and returns its seconds.
    """

    def __init__(
        self,
        device: Wanted | tuple[Wanted, ...],
        *,
        fallback: str,
        allow_reprogram: bool,
        routing: str,
        workers: Workers,
        ledger: Ledger,
        timed: Callable[..., float],
    ) -> None:
        super().__init__()
        # Several devices, and what stands for them where there is a name for one.
        self._members = device if isinstance(device, tuple) else ()
        self._device: Wanted = "several" if isinstance(device, tuple) else device
        self._routing = routing
        self._allow_reprogram = allow_reprogram
        self._fallback = fallback
        self._workers = workers
        self._ledger = ledger
        self._time = timed
        self._health: dict[str, Health] = {}
        # Plans for kernels that are built and proved, by operation.
        self._ready: dict[str, Plan] = {}
        self.backend: Backend | None = None
        self._absence: tuple[Reason, str] | None = None
        # Choices of each device against the CPU path, by the device's id.
        self._routers: dict[str, Router] = {}
        self._routes: dict[Case, Route] = {}
        # Ends with every change of what routes and estimates say of batches.
        self._epoch = Epoch()
        # CPU seconds that calls were worth before any device was opened.
        self._unopened = 0.0
        self._lock = threading.Lock()
        if self.asked:
            self._open()

    @property
    def asked(self) -> bool:
        """Whether the caller named a device, so that running elsewhere is a fallback."""
        return self._device not in ("auto", "cpu")

    @property
    def uses_devices(self) -> bool:
        """Whether a call may run on a device."""
        return self._device != CPU

    def describe(self) -> str:
        """Return the device, for a repr."""
        given = self._members or (self._device,)
        names = [each if isinstance(each, str | int) else type(each).__name__ for each in given]
        return f"device={names if self._members else names[0]!r}"

    def close(self) -> None:
        """End the threads of several devices."""
        if isinstance(self.backend, SeveralBackend):
            self.backend.close()

    def reset_after_fork(self) -> None:
        """Make a fresh lock: another thread may have held it at the fork."""
        self._lock = threading.Lock()

    def _open(self) -> None:
        """Open the named devices, or the best one for "auto"; remember why there is none."""
        if not self._members:
            self.backend = self._opened("opencl" if self._device == "auto" else self._device)
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
            self.backend = SeveralBackend(found, self._count_failure)

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
            self._absence = (reason_of(error), str(error))
        return None

    def _count_failure(self, error: DeviceError) -> None:
        self._ledger.count(f"failures.{reason_of(error).value}")

    def plan(self, call: Call) -> tuple[Plan, Route | None]:
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
        if call.beside:
            # Files bound such work, and an OpenCL runtime on the CPU would take the cores of who reads and writes them.
            return Plan(CPU, None, operation.library, Reason.FASTER), None
        return self._auto_plan(operation, call.count, call.work, call.into, supposed=type(call) is Supposed)

    def admitted(self, operation: Operation[Any], plan: Plan) -> Plan:
        """Return the plan of a call that is about to run: another one where someone else tries the device first."""
        if plan.backend == CPU:
            return plan
        health = self.health_of(operation)
        return plan if health.admitted() else _quarantined(operation, health)

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

    def _found(self, operation: Operation[Any], plan: Plan, route: Route | None) -> Plan:
        """Return what the device can do, from the plan of a call where that tells it."""
        if route is not None:
            return route.device_plan
        told = plan.backend != CPU or plan.reason not in (Reason.FASTER, Reason.EMPTY, Reason.UNSUPPORTED)
        return plan if told or self._device == CPU else self._device_plan(operation)

    def _offers(self, operation: Operation[Any], options: Any, case: Case, found: Plan) -> Iterator[_Offer]:
        """Yield the devices that a call could be sent to, our own first."""
        backend = self.backend
        if self._device == CPU or backend is None:
            return
        own, ready = backend.device_id, self._ready.get(operation.name)
        name = f"{own}/{ready.variant}" if ready is not None else own
        problem = f"{found.reason.value}: {found.detail}" if found.backend == CPU else ""
        problem = operation.unsupported(options) or problem
        router = self._router_of(own)
        choice = router.choice(case, name) or Router.prior(case)
        yield _Offer(name, choice, not problem, problem, simulated=backend.name == RTL)
        if self._device != "auto" or not discovery.is_listed(own):
            return
        for device in discovery.devices():
            if device.usable and device.id != own and device.kind != RTL:
                names = self._router_of(device.id).candidates(case, device.id) or [device.id]
                for name in names:
                    choice = self._router_of(device.id).choice(case, name) or Router.prior(case)
                    yield _Offer(name, choice, True, f"not compared: auto takes {own}")

    def direct(
        self,
        operation: Operation[Any],
        call: Callable[..., Any],
        position: int,
        limit: int | None = None,
        target: int = -1,
        other: Callable[..., Any] | None = None,
    ) -> Direct:
        """Return the shortest way to the library, for one small item, which is argument `position` of `call`.

        It does nothing where such items have to be planned, or have `limit` bytes, by default those of `library_call`,
        and leaves to the caller, or `other`, what it does not do. Results are copied into argument `target` where there
        is one.
        """
        reason = self.direct_reason(operation, 1, 1)
        limit = 0 if reason is None else limit or operation.call_limit or operation.small
        tally = self._ledger.tally(operation, reason or Reason.ASKED)
        ours = (tally, self._ledger.local, operation, reason, call)
        rest = () if other is None else (other,)
        return Direct(*ours, position, limit, operation.number_size, target, *rest)

    def direct_many(
        self, operation: Operation[Any], batch_call: Callable[..., Any], other: Callable[..., Any]
    ) -> DirectMany:
        """Return the shortest way to the library's loops over lists and Batches; it does nothing where those lose.

        What is neither goes to `other`, and everything while receipts are watched or the thread waits for turns.
        """
        reason = self.direct_reason(operation, 2, 1)
        has_loop = any(getattr(type(operation), name) is not getattr(Operation, name) for name in _LOOPS)
        small, most = (SMALL_BATCH, LOOPED) if has_loop and reason is not None else (0, 0)

        def gate(items: list[Any] | Batch, nbytes: int, calls: int) -> int:
            return self._loop(operation, items, nbytes, min(calls, _SOME_CALLS))[1]

        reason = reason or Reason.ASKED
        tally = self._ledger.tally(operation, reason)
        ours = (tally, self._ledger.local, operation, reason, operation.library_many)
        return DirectMany(*ours, Batch, batch_call, gate, self._epoch, other, small, ITEM, most, operation.number_size)

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

    def loop_reason(self, operation: Operation[Any], items: Sequence[Any], nbytes: int) -> Reason | None:
        """Return why a batch runs in the library's own loop, without more planning; None where it has to be planned."""
        return self._loop(operation, items, nbytes, 1)[0]

    def _loop(
        self, operation: Operation[Any], items: Sequence[Any], nbytes: int, calls: int
    ) -> tuple[Reason | None, int]:
        """Return the same, and for how many calls with as many items and bytes it holds in this epoch.

        Where nothing is known of them yet, `calls` are what there was since the last look, and are counted.
        """
        count = len(items)
        if nbytes == 0:
            return None, 0
        if is_small_batch(count, nbytes):
            reason = self.direct_reason(operation, count, nbytes)
            return reason, int(reason is not None)
        if nbytes >= LOOPED or in_threads(operation, items[0], count, nbytes, self._workers):
            return None, 0
        # What data is like mostly shows in the first item.
        alike = len(operation.kinds) == 1 and type(operation).gains_from_threads is Operation.gains_from_threads
        most = _ALL_CALLS if alike else _SOME_CALLS
        if self._device == CPU:
            return Reason.ASKED, most
        if self._device != "auto":
            return None, 0
        into = isinstance(items, Batch) and not operation.number_size
        found = self._guessed(operation, items, nbytes, into, calls)
        return (Reason.FASTER, min(found, most)) if found else (None, 0)

    def _guessed(self, operation: Operation[Any], items: Sequence[Any], nbytes: int, into: bool, calls: int) -> int:
        """Return how many calls the CPU does from now on, by what was found for batches like these.

        Larger ones are probed.
        """
        count = len(items)
        work = Work(nbytes) if len(operation.kinds) == 1 else like_the_first(operation, items[0], nbytes)
        if not self._worth_opening(operation, calls * count, calls * work.nbytes):
            return _SOME_CALLS
        case = Case(operation.name, work.kind, large=work.nbytes >= LARGE * count, into=into, many=True)
        route = self._routes.get(case)
        if route is None:
            return 0
        if route.choice.source is Source.PRIOR:
            router = self._router_of(route.device_plan.device or "")
            return 0 if router.due(case, route.candidate, calls * count, calls * work.nbytes) else _SOME_CALLS
        return 0 if route.choice.device_wins(count, work.nbytes) else _ALL_CALLS

    def _device_plan(self, operation: Operation[Any]) -> Plan:
        """Plan for the device, or for the CPU with the reason why the device cannot."""
        ready = self._ready.get(operation.name)
        if ready is not None and self._health[operation.kernel].state is State.OK and not forks.inherited():
            return ready
        library = operation.library
        with self._lock:
            if self.backend is None and self._absence is None:
                self._open()
        if self._absence is not None:
            return Plan(CPU, None, library, self._absence[0], detail=self._absence[1])
        backend = self.backend
        assert backend is not None
        health = self.health_of(operation)
        if not health.open():
            return _quarantined(operation, health)
        try:
            variant = _prepared(operation, backend)
        except DeviceError as error:
            if not isinstance(error, BuildFailed | ForkedContextError | NoCore):
                health.failed(str(error), grave=isinstance(error, DeviceTimeoutError))
            return Plan(CPU, None, library, reason_of(error), detail=str(error))
        ready = self._ready[operation.name] = Plan(backend.name, backend.device_id, variant, Reason.ASKED)
        return ready

    def _auto_plan(
        self, operation: Operation[Any], count: int, work: Work, into: bool, *, supposed: bool = False
    ) -> tuple[Plan, Route | None]:
        if not supposed and not self._worth_opening(operation, count, work.nbytes):
            return Plan(CPU, None, operation.library, Reason.FASTER), None
        found = self._device_plan(operation)
        if found.backend == CPU:
            return found, None
        case = Case(operation.name, work.kind, work.nbytes >= LARGE * count, into, count > 1)
        route = self._routes.get(case)
        if route is None or route.device_plan.variant != found.variant:
            route = self._routes[case] = self._new_route(case, operation, found)
            self._epoch.now += 1
        if route.choice.source is Source.PRIOR and not supposed:
            route = self._timed_in_time(route, case, operation, found, count, work.nbytes)
        return (route.device_plan if route.choice.device_wins(count, work.nbytes) else route.cpu_plan), route

    def _worth_opening(self, operation: Operation[Any], count: int, nbytes: int) -> bool:
        """Whether a device is open, or there was work enough to look for one."""
        if self.backend is not None or self._absence is not None or self._routing == "pinned":
            return True
        self._unopened += guessed_cpu_seconds(operation.name, count, nbytes)
        return self._unopened >= OPENING_SECONDS

    def _new_route(self, case: Case, operation: Operation[Any], found: Plan) -> Route:
        candidate = f"{found.device}/{found.variant}"
        choice = self._router_of(found.device or "").choice(case, candidate) or Router.prior(case)
        device_plan = replace(found, reason=Reason.FASTER)
        return Route(choice, candidate, device_plan, Plan(CPU, None, operation.library, Reason.FASTER))

    def _timed_in_time(
        self, route: Route, case: Case, operation: Operation[Any], found: Plan, count: int, nbytes: int
    ) -> Route:
        """Time a case once there is enough work of it to be worth the wait."""
        router = self._router_of(found.device or "")
        if not router.due(case, route.candidate, count, nbytes):
            return route
        with router.timing() as mine:
            if mine and router.choice(case, route.candidate) is None:
                self._calibrate(router, case, operation, route.candidate)
        timed = self._routes[case] = self._new_route(case, operation, found)
        self._epoch.now += 1
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
        # Kernels that have to be built come first: they are no part of what is timed.
        plans = {operation.name: self._plan_to_time(operation) for operation in operations}
        ends = time.monotonic() + seconds
        # Making what is to be decompressed takes longer than timing it, so results to fresh bytes and into a buffer
        # share it.
        sample = lru_cache(_SAMPLES)(_sample)
        for index, (case, operation) in enumerate(cases):
            told(case)
            found = plans[operation.name]
            candidate = f"{found.device}/{found.variant}"
            budget = max((ends - time.monotonic()) / (len(cases) - index), LEAST_BUDGET_SECONDS)
            router = self._router_of(found.device or "")
            timings = self._calibrate(router, case, operation, candidate, budget, sample)
            if timings is not None:
                done.append((case, candidate, timings))
        self._routes.clear()
        self._epoch.now += 1
        return done

    def _plan_to_time(self, operation: Operation[Any]) -> Plan:
        found = self._device_plan(operation)
        if found.backend != CPU:
            return found
        absent = found.reason in (Reason.NO_DEVICE, Reason.DISABLED)
        kind = DeviceNotFoundError if absent else KINDS.get(found.reason, DeviceError)
        raise kind(f"{operation.name} cannot be timed: {found.reason.value}: {found.detail}")

    def _calibrate(
        self,
        router: Router,
        case: Case,
        operation: Operation[Any],
        candidate: str,
        budget: float = BUDGET_SECONDS,
        sample: MakesSample | None = None,
    ) -> Timings | None:
        """Time a case; None where the device failed."""
        log.info("timing %s on %s and on the CPU, once for this machine", case, candidate)
        calls = _SampleCalls(operation, case, sample or _sample)
        self._ledger.count("calibrations")
        try:
            return router.calibrate(
                case, candidate, lambda name, shape: self._time(calls.next(shape), on_cpu=name == CPU), budget
            )
        except DeviceError as error:
            self.health_of(operation).failed(str(error), grave=True)
            router.refuse(case, candidate)
            return None
        except MemoryError:
            # The caller's own data may fit where samples beside it do not.
            log.warning("there is no memory to time %s; the CPU does it", case)
            router.refuse(case, candidate)
            return None
        finally:
            calls.drop()

    def probe(self, call: Call, route: Route, seconds: float, *, device_ran: bool) -> None:
        """Let the candidate that was not chosen do the same call, now and then: see routing/probes.py."""
        count, nbytes, choice = call.count, call.work.nbytes, route.choice
        if not choice.probe_is_due(count, nbytes, seconds, device_ran=device_ran):
            return
        try:
            twin = call.twin()
            if twin is None:
                return
            self._ledger.count("probes")
            other = self._time(twin, on_cpu=device_ran)
        except DeviceError as error:
            # Nobody asked the device for anything, so nobody is told but its health.
            self.health_of(call.operation).failed(str(error), grave=isinstance(error, DeviceTimeoutError | Mismatch))
            self._ledger.count(f"failures.{reason_of(error).value}")
            return
        except MemoryError:
            # The caller's own result is there.
            return
        cpu, device = (other, seconds) if device_ran else (seconds, other)
        if choice.take_probe(count, nbytes, cpu, device, device_ran=device_ran):
            self._epoch.now += 1
            self._ledger.count("corrections")
            log.info("%s: %d items, %d bytes: estimates corrected by probes", route.candidate, count, nbytes)

    def warm(self, operation: Operation[Any]) -> None:
        """Build and try the kernel of an operation now."""
        if self._device == "cpu":
            return
        plan = self._device_plan(operation)
        log.info("%s: %s", operation.name, plan)

    def health_of(self, operation: Operation[Any]) -> Health:
        """Return how the device fares with the kernel of an operation."""
        found = self._health.get(operation.kernel)
        if found is not None:
            return found
        with self._lock:
            return self._health.setdefault(operation.kernel, Health())


def _prepared(operation: Operation[Any], backend: Backend) -> str:
    """Build and try every kernel folder that an operation needs; return the variants."""
    variants = []
    for kernel, entry in operation.entries:
        trials = [row.trial for row in registry.of_kernel(kernel)]
        variants.append(backend.prepare(manifests.shipped(kernel), trials, entry))
    return "+".join(dict.fromkeys(variants))


def _quarantined(operation: Operation[Any], health: Health) -> Plan:
    detail = f"{health.cause}; next try in {health.seconds_left:.0f} s"
    return Plan(CPU, None, operation.library, Reason.QUARANTINED, detail=detail)


def _why(operation: Operation[Any], plan: Plan, route: Route | None, count: int, nbytes: int) -> str:
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
    # Numbers go into no buffer, and one item that is never planned needs no timing.
    places = (False,) if operation.number_size else (False, True)
    alone = (False, True) if operation.small < LARGE else ()
    for kind, into in itertools.product(operation.kinds, places):
        for large in alone:
            yield Case(operation.name, kind, large, into)
        yield Case(operation.name, kind, large=False, into=into, many=True)


def _sample(operation: Operation[Any], count: int, nbytes: int, kind: str) -> tuple[list[bytes], Any]:
    return operation.sample(count, nbytes, kind)


class _SampleCalls:
    """The calls that a case is timed with.

    There is work of one shape at a time, and the pool keeps nothing of the one before: a program that works on a stream
    in little memory must not need hundreds of megabytes for the timing in between.
    """

    def __init__(self, operation: Operation[Any], case: Case, sample: MakesSample) -> None:
        self._operation = operation
        self._case = case
        self._sample = sample
        self._shape: Shape | None = None
        self._make: Callable[[], Call] | None = None
        self._held: list[Call] = []

    def next(self, shape: Shape) -> Call:
        """Return a call of a shape."""
        if self._make is None or shape != self._shape:
            self.drop()
            self._make, self._shape = self._maker(*shape), shape
        call = self._make()
        # As callers do, the last result is kept until the next is there, but for what comes from the pool, where that
        # makes no difference.
        self._held = [] if type(call) is BatchCall else [*self._held[-1:], call]
        return call

    def drop(self) -> None:
        """Give back what work of the last shape took."""
        self._make = None
        self._held.clear()
        POOL.trim()

    def _maker(self, count: int, nbytes: int) -> Callable[[], Call]:
        operation, into = self._operation, self._case.into
        made, options = self._sample(operation, count, nbytes, self._case.kind)
        if len(made) > 1 and into:
            batch = Batch.from_items(made)
            return lambda: BatchCall(operation, options, batch)
        # Each item is in memory of its own, as callers have it.
        buffers = [bytes(bytearray(each)) for each in made]
        if len(buffers) > 1:
            return lambda: ManyCall(operation, options, buffers)
        if not into:
            return lambda: OneCall(operation, options, buffers[0])
        out = memoryview(bytearray(nbytes + nbytes // 64 + 4096))
        return lambda: IntoCall(operation, options, buffers[0], out)


def _absence_reason() -> Reason:
    if forks.inherited():
        return Reason.FORKED
    return Reason.DISABLED if discovery.disabled() else Reason.NO_DEVICE


def reason_of(error: DeviceError) -> Reason:
    """Return the word for a failure."""
    if isinstance(error, Mismatch):
        return Reason.MISMATCH
    if isinstance(error, NoCore):
        return Reason.UNSUPPORTED
    if isinstance(error, ForkedContextError):
        return Reason.FORKED
    if isinstance(error, DeviceTimeoutError):
        return Reason.TIMEOUT
    if isinstance(error, BuildFailed):
        return Reason.BUILD_FAILED
    return Reason.DEVICE_FAILED
