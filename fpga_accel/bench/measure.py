"""Times contestants in turn, one sample each a round, and checks what each of them made."""

from __future__ import annotations

import gc
import math
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xxhash

from fpga_accel.bench.contestants import Entry, Result
from fpga_accel.bench.works.work import UNDECODABLE, Buffer
from fpga_accel.receipts import Receipt
from fpga_accel.routing import is_small_batch

# A sample is as many calls as take at least this long, so that the clock and a single interrupt count for little.
SAMPLE_SECONDS = 10e-3
MOST_CALLS = 20_000
# Rounds that are done however long they take.
LEAST_ROUNDS = 3
# Calls of a case are worth timing to `auto` after 0.1 s, which open the device, and 0.25 s more, by guesses of how long
# they take: where the machine is slow that is 1 s.
SETTLING_SECONDS = 1.5
# A contestant whose first two calls take so long, such as an emulator, is left at the second: seconds a call.
TOO_SLOW = 15.0
# From 32 MiB on the C library gives every result fresh pages anyway: keeping the last one changes nothing but memory.
KEPT_BELOW = 32 << 20
# What a buffer holds before a sample, else the last sample's right bytes would hide a call that wrote none.
STALE = 0xA5


class WrongOutputError(Exception):
    """A contestant made something else than it should."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long one case is timed.

    Parameters
    ----------
    rounds
        Most samples a contestant.
    seconds
        After so many no new round begins, once `LEAST_ROUNDS` are done.
    fills
        Whether a sample has as many calls as fill `SAMPLE_SECONDS`; else it has one, of which only the bytes count.
    """

    rounds: int
    seconds: float
    fills: bool = True


@dataclass(slots=True)
class Timed:
    """Samples of one contestant on one case: seconds a call.

    Attributes
    ----------
    wall, cpu
        End-to-end time, and processor time of all threads of the process.
    receipts
        Of the last call of each sample; empty for peers.
    size
        Bytes of the output.
    error
        Why it has no samples.
    """

    entry: Entry
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    size: int = 0
    error: str = ""
    kept: Any = field(default=None, repr=False)
    calls: int = 1

    @property
    def places(self) -> Counter[str]:
        """Where the samples ran, and why, as receipts say."""
        return Counter(f"{one.device or one.backend}/{one.variant} ({one.reason.value})" for one in self.receipts)


def median(values: Iterable[float]) -> float:
    """Return the median, NaN of nothing."""
    listed = list(values)
    return statistics.median(listed) if listed else math.nan


def spread(values: Sequence[float]) -> float:
    """Return the distance of the quartiles, as a share of the median; NaN where there are too few.

    Examples
    --------
    >>> spread([1.0, 2.0, 3.0, 4.0, 5.0])
    0.6666666666666666
    """
    if len(values) < 2:
        return math.nan
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / middle if middle else math.nan


class Race:
    """Times entries in turn.

    Parameters
    ----------
    effort
        How many rounds.
    clock, cpu_clock
        Seconds; tests have their own.
    """

    def __init__(
        self,
        effort: Effort,
        *,
        clock: Callable[[], float] = time.perf_counter,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        self._effort = effort
        self._clock = clock
        self._cpu_clock = cpu_clock
        # Whether an untimed call goes before those of a sample: before everyone's or nobody's.
        self._leads = False
        # Outputs that a stock library has judged right, by work: equal ones need no second judgement.
        self._right: set[tuple[int, int, bytes]] = set()

    def run(self, entries: Sequence[Entry]) -> list[Timed]:
        """Warm each entry up, then take one sample each a round, in another order each time.

        Returns
        -------
        list of Timed
            One that failed or made wrong bytes says so in ``error`` and was not run again.
        """
        timed = [Timed(entry) for entry in entries]
        for one in timed:
            self._attempt(one, self._warm)
        started = self._clock()
        self._leads = any(one.calls > 1 for one in timed)
        for number in range(self._effort.rounds):
            if number >= LEAST_ROUNDS and self._clock() - started > self._effort.seconds:
                break
            # By lot: who runs behind whom decides what is in the caches.
            for one in random.Random(number).sample(timed, len(timed)):
                if not one.error and not _is_too_slow(one):
                    self._attempt(one, self._keep_sample)
        return timed

    def _attempt(self, one: Timed, step: Callable[[Timed], None]) -> None:
        """Let one contestant fail, in whatever way, without ending the race of the others."""
        try:
            step(one)
        except Exception as error:
            one.error = f"{type(error).__name__}: {error}"

    def _warm(self, one: Timed) -> None:
        """Build and calibrate, then see how many calls fill a sample."""
        self._settle(one)
        while self._effort.fills:
            wall, cpu = self._sample(one)
            if wall > TOO_SLOW:
                self._keep(one, wall, cpu)
            if wall * one.calls >= SAMPLE_SECONDS or one.calls == MOST_CALLS:
                return
            # A tenth more, so that samples do not end below; at most tenfold, as few calls tell little.
            wanted = math.ceil(1.1 * SAMPLE_SECONDS / wall) if wall else MOST_CALLS
            one.calls = min(MOST_CALLS, 10 * one.calls, max(wanted, one.calls + 1))

    def _settle(self, one: Timed) -> None:
        """Call once; where `auto` chooses, until it has timed both candidates, which it does for work worth a wait."""
        ends = self._clock() + SETTLING_SECONDS
        self._sample(one)
        while _chooses(one.entry) and self._clock() < ends:
            self._sample(one)

    def _keep_sample(self, one: Timed) -> None:
        self._keep(one, *self._sample(one))

    def _keep(self, one: Timed, wall: float, cpu: float) -> None:
        one.wall.append(wall)
        one.cpu.append(cpu)
        receipt = one.entry.acc.last_receipt if one.entry.acc is not None else None
        if receipt is not None:
            one.receipts.append(receipt)

    def _sample(self, one: Timed) -> tuple[float, float]:
        entry = one.entry
        call, calls = entry.call, range(one.calls)
        if entry.out:
            np.frombuffer(entry.out, np.uint8).fill(STALE)
        # As in timeit: a collection would be one contestant's bad luck.
        collects = gc.isenabled()
        gc.disable()
        try:
            value, one.kept = one.kept, None
            if self._leads:
                # Figures are of warm calls: this one finds the caches as another contestant left them.
                value = call()
            cpu = self._cpu_clock()
            wall = self._clock()
            # As callers do, one result is kept until the next is there: memory that is freed at once would go back to
            # the system, and its first touch would be timed with every call. To keep more than that would let who makes
            # most calls a sample work in the coldest memory.
            for _ in calls:
                value = call()
            wall = self._clock() - wall
            cpu = self._cpu_clock() - cpu
        finally:
            if collects:
                gc.enable()
        self._check(one, entry.parts(value))
        one.kept = value if _is_kept(entry) else None
        return wall / one.calls, cpu / one.calls

    def _check(self, one: Timed, parts: Sequence[Buffer]) -> None:
        digest = xxhash.xxh3_128()
        size = 0
        for part in parts:
            length = memoryview(part).nbytes
            size += length
            digest.update(length.to_bytes(8, "little"))
            digest.update(part)
        seen = (id(one.entry.work), len(parts), digest.digest())
        if seen not in self._right:
            judge(one.entry, parts)
            self._right.add(seen)
        one.size = size


def judge(entry: Entry, parts: Sequence[Buffer]) -> None:
    """Let a stock library judge all outputs of a call.

    Raises
    ------
    WrongOutputError
        One of them is not what it should be, or there are too many or too few.
    """
    work = entry.work
    if len(parts) != len(entry.items):
        raise WrongOutputError(f"{work.name} gave {len(parts)} outputs for {len(entry.items)} items")
    for index, (part, item) in enumerate(zip(parts, entry.items, strict=True)):
        try:
            right = work.is_right(index, part, item)
        except UNDECODABLE as error:
            raise WrongOutputError(f"a stock library cannot decode output {index} of {work.name}: {error}") from error
        if not right:
            raise WrongOutputError(f"output {index} of {work.name} is not what it should be")


def _chooses(entry: Entry) -> bool:
    """Whether the contestant compares candidates, which it does not for the smallest calls."""
    if entry.contestant.name != "auto":
        return False
    return not is_small_batch(len(entry.work.items), entry.work.nbytes)


def _is_kept(entry: Entry) -> bool:
    """Whether the last result of a sample stays until the next sample.

    Not a Batch: its memory is the page pool's, which keeps as much as one user needs, not as all contestants do.
    """
    large = entry.work.nbytes >= KEPT_BELOW and len(entry.work.items) == 1
    return not large and entry.contestant.result is not Result.BATCH


def _is_too_slow(one: Timed) -> bool:
    return bool(one.wall) and one.wall[0] > TOO_SLOW
