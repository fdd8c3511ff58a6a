"""Times contestants in turn, one sample each a round, and checks what each of them made."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag

from benchmarks.contestants import Entry
from benchmarks.works import Work

# A sample is as many calls as take about this long, so that the clock and a single interrupt count for little, and so
# that caches hold the contestant's own memory: figures are of warm calls.
SAMPLE_SECONDS = 10e-3
MOST_CALLS = 1000
# Rounds that are done however long they take.
LEAST_ROUNDS = 3
# What the peers raise on bytes that they cannot decode.
UNDECODABLE = (RuntimeError, InvalidTag, ValueError)


class WrongOutputError(Exception):
    """A contestant made something else than it should."""


@dataclass(slots=True)
class Timed:
    """Samples of one contestant on one case: seconds a call.

    Attributes
    ----------
    wall, cpu
        End-to-end time, and processor time of all threads of the process.
    kernel
        What receipts say the kernels took; empty for peers and on the CPU path.
    places
        Where the samples ran, and why, as receipts say.
    size
        Bytes of the output.
    error
        Why it has no samples.
    """

    entry: Entry
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    kernel: list[float] = field(default_factory=list)
    places: Counter[str] = field(default_factory=Counter)
    size: int = 0
    error: str = ""
    kept: list[Any] = field(default_factory=list, repr=False)
    calls: int = 1
    # The last output that was decoded; an equal one needs no decoding.
    checked: list[bytes] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median seconds of a call."""
        return statistics.median(self.wall) if self.wall else math.nan

    @property
    def spread(self) -> float:
        """Distance of the quartiles, as a share of the median."""
        if len(self.wall) < 2:
            return math.nan
        low, _, high = statistics.quantiles(self.wall, n=4, method="inclusive")
        return (high - low) / self.median


def race(entries: Sequence[Entry], work: Work, *, rounds: int, seconds: float) -> list[Timed]:
    """Time all entries: warm each of them up, then one sample each a round, in another order each time.

    Parameters
    ----------
    rounds, seconds
        Most samples an entry, and the time after which no new round begins.

    Returns
    -------
    list of Timed
        One that failed or made wrong bytes says so in ``error`` and was not run again.
    """
    timed = [Timed(entry) for entry in entries]
    for one in timed:
        _attempt(one, work, _warm)
    started = time.perf_counter()
    for number in range(rounds):
        if number >= LEAST_ROUNDS and time.perf_counter() - started > seconds:
            break
        # By lot: who runs behind whom decides what is in the caches.
        for one in random.Random(number).sample(timed, len(timed)):
            if not one.error:
                _attempt(one, work, _keep_sample)
    return timed


def _attempt(one: Timed, work: Work, step: Callable[[Timed, Work], None]) -> None:
    """Let one contestant fail, in whatever way, without ending the race of the others."""
    try:
        step(one, work)
    except Exception as error:
        one.error = f"{type(error).__name__}: {error}"


def _warm(one: Timed, work: Work) -> None:
    """Build and calibrate in a first call, then see how many calls fill a sample."""
    _sample(one, work)
    seconds, _ = _sample(one, work)
    one.calls = min(MOST_CALLS, max(1, round(SAMPLE_SECONDS / seconds)))


def _keep_sample(one: Timed, work: Work) -> None:
    wall, cpu = _sample(one, work)
    one.wall.append(wall)
    one.cpu.append(cpu)
    if one.entry.acc is None:
        return
    receipt = one.entry.acc.last_receipt
    if receipt is None:
        return
    one.places[f"{receipt.device or receipt.backend}/{receipt.variant} ({receipt.reason.value})"] += 1
    if receipt.backend != "cpu":
        one.kernel.append(receipt.seconds.kernel)


def _sample(one: Timed, work: Work) -> tuple[float, float]:
    entry = one.entry
    call = entry.call
    if entry.buffer is not None:
        # Else the last sample's right bytes would hide a call that wrote none.
        entry.buffer[:] = bytes(len(entry.buffer))
    cpu = time.process_time()
    wall = time.perf_counter()
    returned = [call() for _ in range(one.calls)]
    wall = time.perf_counter() - wall
    cpu = time.process_time() - cpu
    for value in returned:
        _check(one, work, [bytes(part) for part in entry.parts(value)])
    # As callers do, results are kept until the next are there: memory that is freed at once would go back to the
    # system, and its first touch would be timed with every sample.
    one.kept = returned
    return wall / one.calls, cpu / one.calls


def _check(one: Timed, work: Work, parts: list[bytes]) -> None:
    if parts == one.checked:
        return
    try:
        right = work.decoded(parts) == work.plain
    except UNDECODABLE as error:
        raise WrongOutputError(f"the peer cannot decode the output of {work.name}: {error}") from error
    if not right:
        raise WrongOutputError(f"the output of {work.name} is not what it should be")
    one.checked = parts
    one.size = sum(map(len, parts))
