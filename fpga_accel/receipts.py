"""Receipts: where a call ran, why, for how long, and whether its output was compared."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

from fpga_accel._objects import Last, Tally
from fpga_accel.runtime import forks
from fpga_accel.segments import Span

log = logging.getLogger(__name__)


class Reason(StrEnum):
    """Why a call ran where it did."""

    ASKED = "asked"
    FASTER = "faster"
    EMPTY = "empty"
    NO_DEVICE = "no_device"
    UNSUPPORTED = "unsupported"
    DISABLED = "disabled"
    BUILD_FAILED = "build_failed"
    DEVICE_FAILED = "device_failed"
    TIMEOUT = "timeout"
    MISMATCH = "mismatch"
    QUARANTINED = "quarantined"
    FORKED = "forked"

    # Enum's own is written in Python, and reasons are keys on the path of the smallest calls.
    __hash__ = str.__hash__


@dataclass(frozen=True)
class Seconds(Mapping[str, float]):
    """Durations of one call in seconds, as attributes and as a mapping; zero where a stage does not exist.

    `overlap` is the part of `transfer` and `kernel` that went on beside other work, so that
    ``queue + transfer + kernel - overlap`` is `total`.

    Examples
    --------
    >>> spent = Seconds(kernel=0.25, total=0.5)
    >>> spent["kernel"], spent.total, dict(spent)["transfer"]
    (0.25, 0.5, 0.0)
    """

    queue: float = 0.0
    transfer: float = 0.0
    kernel: float = 0.0
    total: float = 0.0
    overlap: float = 0.0

    def __getitem__(self, name: str) -> float:
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        value: float = getattr(self, name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dataclass_fields__)

    def __len__(self) -> int:
        return len(self.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The account of one call. It never holds key material or data.

    Attributes
    ----------
    op, algorithm
        For example ``"compress"`` and ``"lz4"``.
    bytes_in, bytes_out
        Sizes over all items of the call.
    backend
        ``"cpu"``, ``"opencl"`` or ``"rtl"``.
    device
        Id of the device, None on the CPU path; several are joined by ``+``.
    variant
        Kernel variant, or the library on the CPU path. That of a chain ends with how its launches were joined:
        "linked" by the device, "by stages" through the host, or both, for different items.
    reason
        Why it ran there.
    fallback
        True where the device chosen or asked for could not do it.
    verified
        True where device output was compared with the CPU path: all of it under ``verify="always"``, part
        of it under ``"sampled"``.
    segments
        Rows launched on the device; 0 on the CPU path.
    seconds
        Durations: ``queue`` (host work and waiting), ``transfer``, ``kernel``, ``total``, ``overlap``.
    items
        Items of a batch; 1 for a single call.
    started
        ``time.perf_counter()`` at the start, for traces.
    thread
        Id of the calling thread.
    spans
        What the device did when, for traces.
    cycles
        Clocks that a simulated core took, 0 elsewhere.
    clock_mhz
        The clock that this core reaches on a chip, by the report of its place and route; 0 where there is none.
    waited
        Seconds that a job waited for its thread before `started`, which ``seconds.queue`` and ``seconds.total``
        include; 0 for other calls.
    """

    op: str
    algorithm: str
    bytes_in: int
    bytes_out: int
    backend: str
    device: str | None
    variant: str
    reason: Reason
    fallback: bool = False
    verified: bool = False
    segments: int = 0
    seconds: Seconds = field(default_factory=Seconds)
    items: int = 1
    started: float = 0.0
    thread: int = 0
    spans: tuple[Span, ...] = ()
    waited: float = 0.0
    cycles: int = 0
    clock_mhz: float = 0.0

    @property
    def bytes_per_cycle(self) -> float:
        """Bytes that a simulated core took in a clock; 0 elsewhere."""
        return self.bytes_in / self.cycles if self.cycles else 0.0

    @property
    def projected_mb_per_s(self) -> float:
        """A projection, nothing measured: MB/s of the simulated core at the clock that it reaches on a chip."""
        return self.bytes_per_cycle * self.clock_mhz

    def after(self, waited: float) -> Receipt:
        """Return the receipt of a job that waited so many seconds before it made this call."""
        if not waited:
            return self
        spent = self.seconds
        seconds = replace(spent, queue=spent.queue + waited, total=spent.total + waited)
        return replace(self, seconds=seconds, waited=self.waited + waited)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        plain = asdict(self)
        if self.cycles:
            plain |= {"bytes_per_cycle": self.bytes_per_cycle, "projected_mb_per_s": self.projected_mb_per_s}
        return plain


class Trace:
    """Receipts gathered by ``with acc.trace() as trace:``, over every thread of that Accelerator."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []

    def save_chrome_trace(self, path: str | PathLike[str]) -> None:
        """Write the calls, and below them what devices did, in Chrome's trace format (for ``chrome://tracing``)."""
        events = [event for receipt in self.receipts for event in _chrome_events(receipt)]
        Path(path).write_text(json.dumps({"traceEvents": events}), encoding="utf-8")


def _chrome_events(receipt: Receipt) -> Iterator[dict[str, Any]]:
    """Yield the call on its thread's row, and what its device did on rows of the device's."""
    name = f"{receipt.algorithm}.{receipt.op}"
    arguments = {key: value for key, value in receipt.as_dict().items() if key != "spans"}
    seconds = receipt.seconds.total - receipt.waited
    yield _chrome_event(name, 0, receipt.thread, receipt.started, seconds) | {"args": arguments}
    for span in receipt.spans:
        device = span.device or receipt.device or ""
        yield _chrome_event(f"{name} {span.name}", device, span.name, span.started, span.seconds)


def _chrome_event(name: str, process: int | str, thread: int | str, started: float, seconds: float) -> dict[str, Any]:
    return {"name": name, "ph": "X", "ts": started * 1e6, "dur": seconds * 1e6, "pid": process, "tid": thread}


class Described(Protocol):
    """What a receipt says of an operation."""

    name: str
    op: ClassVar[str]
    algorithm: str
    library: str


# A call on the CPU path: operation, reason, fallback, items, bytes in, bytes out, start and end.
Direct = tuple[Described, Reason, bool, int, int, int, float, float]


class Placed(Protocol):
    """What a receipt says of where a call was planned to run."""

    @property
    def backend(self) -> str: ...
    @property
    def device(self) -> str | None: ...
    @property
    def variant(self) -> str: ...
    @property
    def reason(self) -> Reason: ...


class Ran:
    """What a receipt says of a call's launches.

    Attributes
    ----------
    transfer, kernel, waited
        Seconds that the device copied and worked, and that the host waited for it.
    rows
        Rows launched.
    checked
        Whether output was compared with the CPU path.
    variants, joined
        The variants that ran, and how launches of a chain were joined: by the device, by the host, or both.
    devices
        Who took part, where there are several devices.
    spans
        What the device did when.
    cycles, clock_mhz
        Clocks of simulated cores, and the clock that the slowest of them reaches on a chip, 0 where one is not known.
    """

    __slots__ = (
        "checked",
        "clock_mhz",
        "cycles",
        "devices",
        "joined",
        "kernel",
        "rows",
        "spans",
        "transfer",
        "variants",
        "waited",
    )

    def __init__(self) -> None:
        self.transfer = self.kernel = self.waited = 0.0
        self.rows = 0
        self.checked = False
        self.variants: dict[str, None] = {}
        self.joined: dict[str, None] = {}
        self.devices: dict[str, None] = {}
        self.spans: list[Span] = []
        self.cycles = 0
        self.clock_mhz = 0.0

    @property
    def told(self) -> str:
        """The variants that ran, and how their launches were joined."""
        return f"{'+'.join(self.variants)} {', '.join(self.joined)}".strip()

    @property
    def overlap(self) -> float:
        """Seconds that the device was busy while the host, or another part of the device, was too."""
        return max(0.0, self.transfer + self.kernel - self.waited)


class OnDevice(NamedTuple):
    """A call that a device did."""

    operation: Described
    plan: Placed
    ran: Ran
    items: int
    bytes_in: int
    bytes_out: int
    started: float
    ended: float
    thread: int

    def receipt(self) -> Receipt:
        """Return the receipt."""
        ran, total = self.ran, self.ended - self.started
        transfer, kernel, overlap = ran.transfer, ran.kernel, ran.overlap
        queue = max(0.0, total - transfer - kernel + overlap)
        return Receipt(
            op=self.operation.op,
            algorithm=self.operation.algorithm,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            backend=self.plan.backend,
            device="+".join(ran.devices) or self.plan.device,
            variant=ran.told or self.plan.variant,
            reason=self.plan.reason,
            verified=ran.checked,
            segments=ran.rows,
            seconds=Seconds(queue, transfer, kernel, total, overlap),
            items=self.items,
            started=self.started,
            thread=self.thread,
            spans=tuple(ran.spans),
            cycles=ran.cycles,
            clock_mhz=ran.clock_mhz,
        )


class Local(threading.local):
    """What the calling thread did last: a `Direct` or an `OnDevice` in ``last.value``."""

    # Seconds that the job waited which the thread runs.
    waited = 0.0

    def __init__(self) -> None:
        # Runs once a thread.
        self.last = Last()


class Ledger(forks.Resettable):
    """Counts and keeps receipts for one Accelerator: thread-safe, bounded memory.

    Calls are filed as tuples and become receipts only where somebody looks, because making a receipt costs more than a
    small call.

    Attributes
    ----------
    local
        Its ``last.value`` is the calling thread's last call.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        # Calls, items, bytes in and bytes out of the CPU path, by operation, reason and fallback.
        self._direct: dict[tuple[str, Reason, bool], list[int]] = {}
        # Calls, items, bytes in, bytes out, segments and checked calls on devices, by backend and reason.
        self._on_device: dict[tuple[str, Reason], list[int]] = {}
        # The same of the shortest way there, by operation and reason.
        self._tallies: dict[tuple[str, Reason], Tally] = {}
        # Told of every receipt. Replaced as a whole, never changed, so that it can be walked without the lock.
        self._observers: dict[object, Callable[[Receipt], None]] = {}
        self.local = Local()

    def tally(self, operation: Described, reason: Reason) -> Tally:
        """Return the tally of small calls of an operation; it is paused while a trace runs."""
        with self._lock:
            tally = self._tallies.setdefault((operation.name, reason), Tally())
            tally.paused = bool(self._observers)
        return tally

    def reset_after_fork(self) -> None:
        """Make a fresh lock: another thread may have held it at the fork."""
        self._lock = threading.Lock()

    def add_device(self, call: OnDevice) -> None:
        """File one call that a device did."""
        self.local.last.value = call
        key = (call.plan.backend, call.plan.reason)
        with self._lock:
            sums = self._on_device.get(key)
            if sums is None:
                sums = self._on_device[key] = [0, 0, 0, 0, 0, 0]
            sums[0] += 1
            sums[1] += call.items
            sums[2] += call.bytes_in
            sums[3] += call.bytes_out
            sums[4] += call.ran.rows
            sums[5] += call.ran.checked
        if self._observers:
            self._tell(call.receipt())

    def add_direct(self, call: Direct) -> None:
        """File one call on the CPU path."""
        self.local.last.value = call
        operation, reason, fallback, items, bytes_in, bytes_out, _, _ = call
        key = (operation.name, reason, fallback)
        with self._lock:
            sums = self._direct.get(key)
            if sums is None:
                sums = self._direct[key] = [0, 0, 0, 0]
            sums[0] += 1
            sums[1] += items
            sums[2] += bytes_in
            sums[3] += bytes_out
        if self._observers:
            self._tell(_receipt(call))

    def _tell(self, receipt: Receipt) -> None:
        told = receipt.after(self.local.waited)
        # Without the lock: what an observer does is its own affair.
        for observer in self._observers.values():
            try:
                observer(told)
            except Exception:
                log.exception("an observer of receipts failed")

    def count(self, name: str) -> None:
        """Count an event that has no receipt of its own."""
        with self._lock:
            self._counts[name] += 1

    def begin_job(self, waited: float) -> None:
        """Say that the calling thread runs a job now, which waited so many seconds."""
        self.local.last.value, self.local.waited = None, waited
        # The short ways to the libraries would not wait for the turn of a thread.
        self.local.last.waits = True

    def end_job(self) -> Callable[[], Receipt] | None:
        """Return what makes the receipt of the last call of the thread's job; None where the job made no call.

        Not the receipt itself: making it takes as long as a small call, and few are looked at.
        """
        last, waited = self.local.last.value, self.local.waited
        self.local.last.value, self.local.waited = None, 0.0
        self.local.last.waits = False
        return partial(_receipt_of_job, last, waited, threading.get_ident()) if last is not None else None

    @property
    def last(self) -> Receipt | None:
        """The calling thread's last receipt."""
        last: Direct | OnDevice | None = self.local.last.value
        return None if last is None else _receipt(last)

    def stats(self) -> dict[str, int]:
        """Return all counts so far, by name."""
        with self._lock:
            counts = self._counts.copy()
            for (backend, reason), (calls, *sizes, segments, checked) in self._on_device.items():
                _count_calls(counts, backend, reason, calls, sizes)
                counts["segments"] += segments
                counts["verified"] += checked
                counts["fallbacks"] += 0
            for (_, reason, fallback), (calls, *sizes) in self._direct.items():
                _count_calls(counts, "cpu", reason, calls, sizes)
                counts["fallbacks"] += calls * fallback
            for (_, reason), tally in self._tallies.items():
                _count_calls(counts, "cpu", reason, tally.calls, (tally.items, tally.bytes_in, tally.bytes_out))
        return dict(counts)

    @contextmanager
    def trace(self) -> Iterator[Trace]:
        """Gather every receipt filed inside the block."""
        trace = Trace()
        end = self.subscribe(trace.receipts.append)
        try:
            yield trace
        finally:
            end()

    def subscribe(self, observer: Callable[[Receipt], None]) -> Callable[[], None]:
        """Let `observer` be called with each receipt, in the thread of its call; return what ends that."""
        key = object()
        with self._lock:
            self._set_observers(self._observers | {key: observer})

        def end() -> None:
            with self._lock:
                self._set_observers({each: told for each, told in self._observers.items() if each is not key})

        return end

    def _set_observers(self, observers: dict[object, Callable[[Receipt], None]]) -> None:
        self._observers = observers
        # Small calls take the long way, where each is filed.
        for tally in self._tallies.values():
            tally.paused = bool(observers)


def _count_calls(counts: Counter[str], backend: str, reason: Reason, calls: int, sizes: Sequence[int]) -> None:
    """Add calls whose `sizes` are items, bytes in and bytes out."""
    counts["calls"] += calls
    for name, size in zip(("items", "bytes_in", "bytes_out"), sizes, strict=True):
        counts[name] += size
    counts[f"backend.{backend}"] += calls
    counts[f"reason.{reason.value}"] += calls


def _receipt_of_job(last: Direct | OnDevice, waited: float, thread: int) -> Receipt:
    return replace(_receipt(last), thread=thread).after(waited)


def _receipt(call: Direct | OnDevice) -> Receipt:
    if isinstance(call, OnDevice):
        return call.receipt()
    operation, reason, fallback, items, bytes_in, bytes_out, started, ended = call
    return Receipt(
        op=operation.op,
        algorithm=operation.algorithm,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
        backend="cpu",
        device=None,
        variant=operation.library,
        reason=reason,
        fallback=fallback,
        seconds=Seconds(total=ended - started),
        items=items,
        started=started,
        thread=threading.get_ident(),
    )
