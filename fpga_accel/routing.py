"""Where a call runs: a cost model per operation and candidate, measured once per machine and device.

A call of `count` items with `nbytes` bytes is estimated at ``start + count * item + nbytes * byte`` seconds. The
three constants come from a calibration of some 0.1 s per operation, kept in the cache, and are scaled by what
receipts show.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fpga_accel import config
from fpga_accel.receipts import Reason
from fpga_accel.runtime import forks

log = logging.getLogger(__name__)

CPU = "cpu"

# Below this a launch's 60 µs alone exceed what any library here needs, so no device is even opened.
SMALL = 64 << 10
# A device must be estimated this much faster: a wrong choice of the CPU costs less than a wrong launch.
ADVANTAGE = 0.93
_WEIGHT = 0.1
_SCALE_LIMITS = (0.5, 2.0)
_FORMAT = 1

# What is timed: (items, bytes an item).
SHAPES = ((1, 64 << 10), (1, 8 << 20), (256, 4 << 10))
REPEATS = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a call: ``start + count * item + nbytes * byte``."""

    start: float
    item: float
    byte: float

    def seconds(self, count: int, nbytes: int) -> float:
        """Estimate one call."""
        return self.start + count * self.item + nbytes * self.byte

    @classmethod
    def fitted(cls, timings: Mapping[tuple[int, int], float]) -> Cost:
        """Solve for the three constants from the three timed shapes, none of them negative."""
        (one, small), (_, large), (many, each) = SHAPES
        small_s, large_s, many_s = (timings[shape] for shape in SHAPES)
        byte = max((large_s - small_s) / (large - small), 1e-13)
        per_call = max(small_s - small * byte, 0.0)
        item = max((many_s - many * each * byte - per_call) / (many - one), 0.0)
        return cls(max(per_call - item, 0.0), item, byte)


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a call would run, and why.

    Attributes
    ----------
    backend, device, variant
        As in a `Receipt`.
    reason
        A word of `Reason`.
    estimates
        Seconds by candidate; empty where nothing had to be compared.
    """

    backend: str
    device: str | None
    variant: str
    reason: Reason
    estimates: Mapping[str, float] = field(default_factory=dict)
    detail: str = ""


class Router(forks.Resettable):
    """Estimates for one device against the CPU path."""

    def __init__(self, device_key: str) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._path = config.cache_dir() / "calibration" / f"{device_key}.json"
        self._costs = _load(self._path)
        self._scales: dict[str, float] = {}

    def calibrated(self, operation: str, variant: str) -> bool:
        """Whether both candidates of an operation have been timed here."""
        return all(_key(operation, name) in self._costs for name in (CPU, variant))

    def calibrate(self, operation: str, variant: str, time_one: Callable[[str, tuple[int, int]], float]) -> None:
        """Time both candidates; ``time_one(candidate, shape)`` returns seconds of one verified call."""
        for candidate in (CPU, variant):
            timings = {shape: min(time_one(candidate, shape) for _ in range(REPEATS + 1)) for shape in SHAPES}
            with self._lock:
                self._costs[_key(operation, candidate)] = Cost.fitted(timings)
        self._save()

    def refuse(self, operation: str, variant: str) -> None:
        """Rate a candidate that failed while it was timed so that it never wins in this process."""
        hopeless = Cost(3600.0, 0.0, 1e-9)
        with self._lock:
            self._costs[_key(operation, variant)] = hopeless
            self._costs.setdefault(_key(operation, CPU), Cost(0.0, 0.0, 1e-9))

    def estimates(self, operation: str, variant: str, count: int, nbytes: int) -> dict[str, float]:
        """Return seconds by candidate."""
        return {
            name: self._costs[_key(operation, name)].seconds(count, nbytes)
            * self._scales.get(_key(operation, name), 1.0)
            for name in (CPU, variant)
        }

    def learn(self, operation: str, candidate: str, count: int, nbytes: int, seconds: float) -> None:
        """Let a receipt correct the scale of an estimate, slowly and within limits."""
        key = _key(operation, candidate)
        cost = self._costs.get(key)
        if cost is None or nbytes < SMALL:
            return
        low, high = _SCALE_LIMITS
        seen = min(max(seconds / cost.seconds(count, nbytes), low), high)
        with self._lock:
            scale = self._scales.get(key, 1.0)
            self._scales[key] = scale + _WEIGHT * (seen - scale)

    def _save(self) -> None:
        data = {
            "format": _FORMAT,
            "costs": {key: [cost.start, cost.item, cost.byte] for key, cost in self._costs.items()},
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._path.parent, suffix=".tmp")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(data, file)
            os.replace(temporary, self._path)
        except OSError as error:
            log.warning("cannot keep the calibration %s: %s", self._path, error)

    def reset_after_fork(self) -> None:
        """Make a fresh lock."""
        self._lock = threading.Lock()


def _key(operation: str, candidate: str) -> str:
    return f"{operation} {candidate}"


def _load(path: Path) -> dict[str, Cost]:
    """Read a calibration; a missing or damaged one is no calibration."""
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != _FORMAT:
            return {}
        return {str(key): _cost(values) for key, values in data["costs"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("the calibration %s is damaged (%s); measuring again", path, error)
        return {}


def _cost(values: Any) -> Cost:
    start, item, byte = (float(value) for value in values)
    if not (0 <= start < 60 and 0 <= item < 60 and 0 < byte < 1):
        raise ValueError(f"implausible costs {values}")
    return Cost(start, item, byte)
