"""The choices of one device against the CPU path: timed, saved, and corrected."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from fpga_accel.backends.cpu import available_cores
from fpga_accel.routing.costs import Case, Cost, Shape, cpu_prior, device_prior, guessed_cpu_seconds, simulator_prior
from fpga_accel.routing.plans import Source
from fpga_accel.routing.probes import LARGEST, Probes, SizeClass
from fpga_accel.routing.saved import CalibrationFile, machine
from fpga_accel.routing.timing import TimeOne, Timings, timed
from fpga_accel.runtime import forks

log = logging.getLogger(__name__)

# A device must be estimated this much faster: a wrong choice of the CPU costs less than a wrong launch, which does not
# hold for large work, where a launch is nothing.
ADVANTAGE = 0.93

# A case is timed once calls of it were worth this much CPU time by the prior, so that no short program waits for that:
# some dozen calls of 1 MiB are not worth it, one of 512 MiB is.
PATIENCE_SECONDS = 0.25
# What timing in front of a call may take; see `timing.GRACE` for what is longer.
BUDGET_SECONDS = 0.5

# Estimates kept of a case, so that calls of one size are not estimated again and again.
_REMEMBERED = 512


class _Estimate(NamedTuple):
    cpu: float
    # With and without what probes correct.
    device: float
    uncorrected: float
    device_wins: bool
    # None where nothing is probed.
    account: SizeClass | None


@dataclass(slots=True, eq=False, repr=False)
class Choice:
    """The two candidates of a case: the CPU library and one kernel variant.

    Attributes
    ----------
    cpu, device
        Estimates, without corrections.
    margin
        What the device's estimate must be below, as a share of the CPU's.
    source
        What the estimates rest on.
    probes
        Corrections; None where estimates stay as they are.
    """

    cpu: Cost
    device: Cost
    margin: float
    source: Source = Source.CALIBRATED
    probes: Probes | None = None
    _known: dict[tuple[int, int, int], _Estimate] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """A number that changes with the estimates."""
        return 0 if self.probes is None else self.probes.version

    def device_wins(self, count: int, nbytes: int) -> bool:
        """Whether the device is estimated to be faster by enough."""
        return self._estimate(count, nbytes).device_wins

    def device_seconds(self, count: int, nbytes: int) -> float:
        """Estimate the device, corrections included."""
        return self._estimate(count, nbytes).device

    def source_for(self, count: int, nbytes: int) -> Source:
        """Return what the estimate of a call rests on."""
        account = self._estimate(count, nbytes).account
        return Source.REFINED if account is not None and account.correction else self.source

    def probe_is_due(self, count: int, nbytes: int, seconds: float, *, device_ran: bool) -> bool:
        """Whether a call that took `seconds` is to be done by the other candidate too."""
        found = self._estimate(count, nbytes)
        if self.probes is None or found.account is None:
            return False
        return self.probes.due(found.account, seconds, found.cpu if device_ran else found.device)

    def take_probe(self, count: int, nbytes: int, cpu: float, device: float, *, device_ran: bool) -> bool:
        """Take the seconds of both candidates on one call; return whether estimates changed."""
        found = self._estimate(count, nbytes)
        if self.probes is None or found.account is None or not (cpu > 0 and device > 0):
            return False
        return self.probes.take(
            found.account,
            estimated=found.uncorrected / found.cpu,
            measured=device / cpu,
            device_ran=device_ran,
            overspent=cpu - found.cpu if device_ran else device - found.device,
        )

    def _estimate(self, count: int, nbytes: int) -> _Estimate:
        key = (count, nbytes, self.version)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[key] = self._estimated(count, nbytes)
        return found

    def _estimated(self, count: int, nbytes: int) -> _Estimate:
        cpu, uncorrected = self.cpu.seconds(count, nbytes), self.device.seconds(count, nbytes)
        account = None
        if self.probes is not None and 0 < nbytes <= LARGEST:
            account = self.probes.size_class(count, nbytes)
        device = uncorrected if account is None else uncorrected * account.factor
        wins = self.source is not Source.PRIOR and device < self.margin * cpu
        return _Estimate(cpu, device, uncorrected, wins, account)


class Router(forks.Resettable):
    """Choices for one device against the CPU path.

    Parameters
    ----------
    device_key
        Tells the device and its runtime.
    threads
        Threads of the CPU path.
    learns
        False pins choices: to what is saved now, else to the priors. Nothing is timed.
    """

    def __init__(self, device_key: str, threads: int | None = None, *, learns: bool = True) -> None:
        super().__init__()
        cores = available_cores()
        self._file = CalibrationFile(device_key, machine(cores, threads or cores))
        self._learns = learns
        self._lock = threading.Lock()
        self._timing = threading.Lock()
        self._timings = self._file.load()
        self._refused: set[str] = set()
        self._choices: dict[tuple[Case, str], Choice] = {}
        # Seconds of CPU time that calls were worth, by case that has not been timed.
        self._waited: dict[Case, float] = {}

    def choice(self, case: Case, candidate: str) -> Choice | None:
        """Return the candidates of a case, None where they have not been timed here."""
        made = self._choices.get((case, candidate))
        if made is not None:
            return made
        with self._lock:
            found = self._timings.get(_key(case, candidate))
            if found is None:
                return None
            choice = Choice(
                Cost(found.cpu),
                Cost(found.device),
                _margin(case),
                probes=Probes() if self._learns else None,
            )
            return self._choices.setdefault((case, candidate), choice)

    @staticmethod
    def prior(case: Case) -> Choice:
        """Return the candidates of a case by guesses, under which the CPU runs everything."""
        cpu = cpu_prior(case.operation)
        return Choice(cpu, device_prior(cpu), _margin(case), Source.PRIOR)

    @staticmethod
    def guessed(timed: Choice, *, simulated: bool) -> Choice:
        """Return the guess for a device that has not been timed where another has."""
        device = simulator_prior() if simulated else device_prior(timed.cpu)
        return Choice(timed.cpu, device, timed.margin, Source.PRIOR)

    def candidates(self, case: Case, device_id: str) -> list[str]:
        """List the variants of a device that have been timed here for a case."""
        start = _key(case, f"{device_id}/")
        with self._lock:
            return [key[len(f"{case} ") :] for key in self._timings if key.startswith(start)]

    def due(self, case: Case, candidate: str, count: int, nbytes: int) -> bool:
        """Count a call that runs on a guess; return whether its case is to be timed before it."""
        if not self._learns or _key(case, candidate) in self._refused:
            return False
        seconds = guessed_cpu_seconds(case.operation, count, nbytes)
        with self._lock:
            waited = self._waited[case] = self._waited.get(case, 0.0) + seconds
        return waited >= PATIENCE_SECONDS

    @contextmanager
    def timing(self) -> Iterator[bool]:
        """Hold the turn to time; False where another thread has it, which then is not waited for."""
        mine = self._timing.acquire(blocking=False)
        try:
            yield mine
        finally:
            if mine:
                self._timing.release()

    def calibrate(self, case: Case, candidate: str, time_one: TimeOne, budget: float = BUDGET_SECONDS) -> Timings:
        """Time both candidates; ``time_one(candidate, shape)`` returns seconds of one verified call."""
        found = timed(time_one, candidate, case.shapes, budget)
        with self._lock:
            self._timings[_key(case, candidate)] = found
            self._choices.pop((case, candidate), None)
        self._file.add({_key(case, candidate): found})
        return found

    def refuse(self, case: Case, candidate: str) -> None:
        """Give up a candidate that failed while it was timed, for this process."""
        with self._lock:
            self._refused.add(_key(case, candidate))

    def reset_after_fork(self) -> None:
        """Make fresh locks."""
        self._lock = threading.Lock()
        self._timing = threading.Lock()


class Calibration(NamedTuple):
    """What was timed of one case.

    Attributes
    ----------
    case
        Operation, kind of data, size class, place of results, one item or many.
    candidate
        Device and variant.
    timings
        Seconds by shape (items, bytes an item) of both candidates.
    """

    case: Case
    candidate: str
    timings: Timings

    @property
    def wins_from(self) -> Shape | None:
        """The first shape at which the device was faster by enough; None where it never was."""
        margin = _margin(self.case)
        return next((shape for shape, ratio in self._ratios().items() if ratio * margin > 1), None)

    @property
    def best_ratio(self) -> float:
        """How many times as fast as the CPU the device was at its best shape."""
        return max(self._ratios().values())

    def _ratios(self) -> dict[Shape, float]:
        cpu, device = self.timings.cpu, self.timings.device
        ratios = {shape: cpu[shape] / device[shape] for shape in cpu}
        # Of large items the last shape alone is one; the others led to it.
        return dict([ratios.popitem()]) if self.case.large else ratios


def _margin(case: Case) -> float:
    return 1.0 if case.large else ADVANTAGE


def _key(case: Case, candidate: str) -> str:
    return f"{case} {candidate}"
