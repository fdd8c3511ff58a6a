"""Receipts: where a call ran, why, for how long, and whether its output was compared."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from os import PathLike
from pathlib import Path
from typing import Any


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


@dataclass(frozen=True, slots=True)
class Seconds:
    """Durations of one call in seconds; zero where a stage does not exist."""

    queue: float = 0.0
    transfer: float = 0.0
    kernel: float = 0.0
    total: float = 0.0


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
        Id of the device, None on the CPU path.
    variant
        Kernel variant, or the library on the CPU path.
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
        Durations.
    items
        Items of a batch; 1 for a single call.
    started
        ``time.perf_counter()`` at the start, for traces.
    thread
        Id of the calling thread.
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

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


class Trace:
    """Receipts gathered by ``with acc.trace() as trace:``, over every thread of that Accelerator."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []

    def save_chrome_trace(self, path: str | PathLike[str]) -> None:
        """Write the calls in Chrome's trace format (load it at ``chrome://tracing``)."""
        events = [_chrome_event(receipt) for receipt in self.receipts]
        Path(path).write_text(json.dumps({"traceEvents": events}), encoding="utf-8")


def _chrome_event(receipt: Receipt) -> dict[str, Any]:
    return {
        "name": f"{receipt.algorithm}.{receipt.op}",
        "ph": "X",
        "ts": receipt.started * 1e6,
        "dur": receipt.seconds.total * 1e6,
        "pid": 0,
        "tid": receipt.thread,
        "args": receipt.as_dict(),
    }


class Ledger:
    """Counts and keeps receipts for one Accelerator: thread-safe, bounded memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._traces: list[Trace] = []
        self._local = threading.local()
        # Small calls on the bound CPU path only add a number here; they become receipts when somebody looks.
        self.tracing = False

    def add(self, receipt: Receipt) -> None:
        """File one receipt."""
        self._local.last = receipt
        with self._lock:
            counts = self._counts
            counts["calls"] += 1
            counts["items"] += receipt.items
            counts["bytes_in"] += receipt.bytes_in
            counts["bytes_out"] += receipt.bytes_out
            counts["segments"] += receipt.segments
            counts[f"backend.{receipt.backend}"] += 1
            counts[f"reason.{receipt.reason.value}"] += 1
            counts["fallbacks"] += receipt.fallback
            counts["verified"] += receipt.verified
            for trace in self._traces:
                trace.receipts.append(receipt)

    def add_small(self, fields: tuple[str, str, int, int, str]) -> None:
        """File a small CPU call: (op, algorithm, bytes in, bytes out, variant), made a Receipt on demand."""
        self._local.last = fields
        self._counts["small_calls"] += 1

    def count(self, name: str) -> None:
        """Count an event that has no receipt of its own."""
        with self._lock:
            self._counts[name] += 1

    @property
    def last(self) -> Receipt | None:
        """The calling thread's last receipt."""
        last = getattr(self._local, "last", None)
        if not isinstance(last, tuple):
            return last
        op, algorithm, bytes_in, bytes_out, variant = last
        return Receipt(op, algorithm, bytes_in, bytes_out, "cpu", None, variant, Reason.FASTER)

    def stats(self) -> dict[str, int]:
        """Return all counts so far, by name."""
        with self._lock:
            return dict(self._counts)

    @contextmanager
    def trace(self) -> Iterator[Trace]:
        """Gather every receipt filed inside the block."""
        trace = Trace()
        with self._lock:
            self._traces.append(trace)
            self.tracing = True
        try:
            yield trace
        finally:
            with self._lock:
                self._traces.remove(trace)
                self.tracing = bool(self._traces)
