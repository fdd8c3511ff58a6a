"""Timing of the two candidates of a case, in turns and within a budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fpga_accel.routing.costs import Shape
from fpga_accel.routing.plans import CPU

# Rounds of one shape; the first is cold. Of 5 the second fastest counts: the fastest can be luck, slower ones are
# mostly the neighbours'.
ROUNDS = 5
# Calls this long need fewer rounds: what disturbs them is a smaller share.
LONG_SECONDS = 0.02
LONG_ROUNDS = 3
# A candidate that is so many times slower is not going to be chosen, however often it is timed.
CLEAR = 3.0
# A long shape is worth waiting for, but not for ever.
GRACE = 4.0

TimeOne = Callable[[str, Shape], float]


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds by shape, of the CPU path and of one device, measured side by side."""

    cpu: Mapping[Shape, float]
    device: Mapping[Shape, float]


def timed(
    time_one: TimeOne,
    candidate: str,
    shapes: tuple[Shape, ...],
    budget: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Timings:
    """Time both candidates at shapes, shortest first, until the budget is spent.

    The first shape is timed whatever it takes. Others get one round where that is expected to end within `GRACE` times
    the budget, and more while the budget lasts. What is left out is extrapolated by `Cost`.

    Parameters
    ----------
    time_one
        ``time_one(candidate, shape)`` runs one call and returns its seconds.
    candidate
        Name of the device; the other is `CPU`.
    budget
        Seconds.
    clock
        Tells the time; for tests.
    """
    deadline, latest = clock() + budget, clock() + GRACE * budget
    cpu: dict[Shape, float] = {}
    device: dict[Shape, float] = {}
    pace = 0.0
    for shape in shapes:
        nbytes = shape[0] * shape[1]
        if cpu and clock() + pace * nbytes > latest:
            continue
        samples = _rounds(time_one, candidate, shape, deadline, clock)
        cpu[shape], device[shape] = (_typical(each) for each in zip(*samples, strict=True))
        pace = (cpu[shape] + device[shape]) / nbytes
    return Timings(cpu, device)


def _rounds(
    time_one: TimeOne, candidate: str, shape: Shape, deadline: float, clock: Callable[[], float]
) -> list[tuple[float, float]]:
    samples: list[tuple[float, float]] = []
    # In turns, so that a slow moment of the machine meets both.
    for turn in range(ROUNDS):
        samples.append((time_one(CPU, shape), time_one(candidate, shape)))
        low, high = sorted(map(min, zip(*samples, strict=True)))
        if turn and high > CLEAR * low:
            break
        if clock() > deadline or (high > LONG_SECONDS and turn + 1 >= LONG_ROUNDS):
            break
    return samples


def _typical(samples: tuple[float, ...]) -> float:
    """Return the lower quartile."""
    return sorted(samples)[len(samples) // 4]
