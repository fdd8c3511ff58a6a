"""Timing of the two candidates of a case, in turns and within a budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from fpga_accel.routing.costs import Cost, Shape
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
GRACE = 3.0

TimeOne = Callable[[str, Shape], float]


class Timings(NamedTuple):
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

    The first shape is timed whatever it takes. Others get two rounds where these are expected to end within `GRACE`
    times the budget, and more while the budget lasts. What is left out is extrapolated by `Cost`.

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
    for shape in shapes:
        if cpu and clock() + 2 * _expected(cpu, device, shape) > latest:
            continue
        ours, theirs = _rounds(time_one, candidate, shape, deadline, clock)
        cpu[shape], device[shape] = _typical(ours), _typical(theirs)
    return Timings(cpu, device)


def _expected(cpu: Mapping[Shape, float], device: Mapping[Shape, float], shape: Shape) -> float:
    count, nbytes = shape
    return sum(Cost(each).seconds(count, count * nbytes) for each in (cpu, device))


def _rounds(
    time_one: TimeOne, candidate: str, shape: Shape, deadline: float, clock: Callable[[], float]
) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    theirs: list[float] = []
    sides = [(CPU, ours), (candidate, theirs)]
    for turn in range(ROUNDS):
        # In turns, so that a slow moment of the machine meets both, and the caches are warm for either.
        for name, samples in sides:
            samples.append(time_one(name, shape))
        sides.reverse()
        low, high = sorted((min(ours), min(theirs)))
        enough = high > CLEAR * low or clock() > deadline or (high > LONG_SECONDS and turn + 1 >= LONG_ROUNDS)
        # The first is cold.
        if turn and enough:
            break
    return ours, theirs


def _typical(samples: list[float]) -> float:
    """Return the lower quartile."""
    return sorted(samples)[len(samples) // 4]
