"""Where a call runs: a cost model per operation and candidate, measured once per machine and device.

A call of `count` items with `nbytes` bytes is estimated at ``start + count * item + nbytes * byte`` seconds. The
three constants come from a calibration of some 0.1 s per operation, which is kept in the cache.
"""

from __future__ import annotations

import json
import logging
import math
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fpga_accel import config
from fpga_accel.receipts import Reason
from fpga_accel.runtime import forks

log = logging.getLogger(__name__)

CPU = "cpu"

# A batch below this is worth less than the 60 µs of a launch, so no device is even opened. Each item counts for
# so many bytes besides its own: what the setting up of one library call costs.
SMALL_BATCH = 128 << 10
_ITEM = 1 << 10
# A device must be estimated this much faster: a wrong choice of the CPU costs less than a wrong launch, which does not
# hold for large work, where a launch is nothing.
ADVANTAGE = 0.93
_FORMAT = 2

# What is timed: (items, bytes of work an item).
SHAPES = ((1, 64 << 10), (1, 8 << 20), (256, 4 << 10))
REPEATS = 4
# From 32 MiB on the C library gives every result fresh pages, whose first touch can cost more than the work.
LARGE = 32 << 20
LARGE_SHAPE = (1, 48 << 20)


class Case(NamedTuple):
    """Calls that share their costs: one operation, kind of data, size class, and place of results."""

    operation: str
    kind: str
    large: bool
    into: bool

    def __str__(self) -> str:
        return " ".join((self.operation, self.kind or "usual", *(["large"] * self.large), *(["into"] * self.into)))


def is_small_batch(count: int, nbytes: int) -> bool:
    """Whether no launch can pay for itself."""
    return nbytes + count * _ITEM < SMALL_BATCH


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
        if LARGE_SHAPE in timings:
            return cls(0.0, 0.0, timings[LARGE_SHAPE] / LARGE_SHAPE[1])
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


@dataclass(frozen=True, slots=True)
class Choice:
    """The two candidates of a case: the CPU library and one kernel variant.

    Receipts do not correct them: what these show of one candidate is first of all what its data is like, which would
    count against the one that happens to run.
    """

    cpu: Cost
    device: Cost
    # What the device's estimate must be below, as a share of the CPU's.
    margin: float

    def device_wins(self, count: int, nbytes: int) -> bool:
        """Whether the device is estimated to be faster by enough."""
        return self.device.seconds(count, nbytes) < self.margin * self.cpu.seconds(count, nbytes)


# An estimate that never wins.
HOPELESS = Cost(3600.0, 0.0, 1e-9)


class Router(forks.Resettable):
    """Choices for one device against the CPU path, calibrated once per machine and device."""

    def __init__(self, device_key: str) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._path = config.cache_dir() / "calibration" / f"{device_key}.json"
        self._costs = _load(self._path)
        self._choices: dict[tuple[Case, str], Choice] = {}

    def choice(self, case: Case, variant: str) -> Choice | None:
        """Return the candidates of a case, None where they have not been timed here."""
        made = self._choices.get((case, variant))
        if made is not None:
            return made
        with self._lock:
            costs = [self._costs.get(_key(case, name)) for name in (CPU, variant)]
            cpu, device = costs
            if cpu is None or device is None:
                return None
            margin = 1.0 if case.large else ADVANTAGE
            return self._choices.setdefault((case, variant), Choice(cpu, device, margin))

    def calibrate(self, case: Case, variant: str, time_one: Callable[[str, tuple[int, int]], float]) -> None:
        """Time both candidates; ``time_one(candidate, shape)`` returns seconds of one verified call."""
        shapes = (LARGE_SHAPE,) if case.large else SHAPES
        best: dict[str, dict[tuple[int, int], float]] = {CPU: {}, variant: {}}
        for shape in shapes:
            # In turns, so that a slow moment of the machine meets both.
            for _ in range(REPEATS):
                for candidate, timings in best.items():
                    timings[shape] = min(time_one(candidate, shape), timings.get(shape, math.inf))
        with self._lock:
            for candidate, timings in best.items():
                self._costs[_key(case, candidate)] = Cost.fitted(timings)
        self._save()

    def refuse(self, case: Case, variant: str) -> None:
        """Rate a candidate that failed while it was timed so that it never wins in this process."""
        with self._lock:
            self._costs[_key(case, variant)] = HOPELESS
            self._costs.setdefault(_key(case, CPU), Cost(0.0, 0.0, 1e-9))

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


def _key(case: Case, candidate: str) -> str:
    return f"{case} {candidate}"


def _load(path: Path) -> dict[str, Cost]:
    """Read a calibration; a missing or damaged one is no calibration."""
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != _FORMAT:
            return {}
        return {str(key): _cost(values) for key, values in data["costs"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log.warning("the calibration %s is damaged (%s); measuring again", path, error)
        return {}


def _cost(values: Any) -> Cost:
    start, item, byte = (float(value) for value in values)
    if not (0 <= start < 60 and 0 <= item < 60 and 0 < byte < 1):
        raise ValueError(f"implausible costs {values}")
    return Cost(start, item, byte)
