"""Corrections of a choice while calls run.

What a receipt shows of the candidate that ran is first of all what its data was like, so receipts correct nothing: on
slow data every device would look slow, and the other candidate would look better without having been tried. Only
*probes* do: now and then the candidate that was not chosen does the same call again, right behind the one that was, its
result is thrown away, and the ratio of the two times is what counts. Data, load and clock are the same for both.

- **Price.** Every size class saves 1 % of the time that its calls take, and a probe is done when that has paid for it.
- **Evidence.** Ratios in favour of the candidate that was not chosen add up, less an allowance of 10 % each (a CUSUM
  test); one in favour of the other takes off. One sample counts as a factor of 2 at most, so that no single stall
  decides. At `LIMIT` the estimates of this size class are corrected by the median of what was measured, and the count
  starts at nothing again, which is the hysteresis: the way back needs as much evidence.
- **Settling.** Where both candidates are equally fast and single times differ by ±30 %, chance alone changes a choice
  about once in 100,000 calls; a device that becomes 3 times slower, and thereby slower than the CPU, is left after 4 to
  25 probes, within 2,500 calls where the CPU is then 1.5 times as fast, and is taken again in the same way.

Nothing decays by time: a correction is undone by evidence alone. Corrections end with the process.
"""

from __future__ import annotations

import math
import threading
from collections import deque

from fpga_accel.runtime import forks

# Share of the time of calls that probes may take.
SHARE = 0.01
# A probe holds a second result in memory.
LARGEST = 256 << 20

# Natural logarithms of ratios of times.
ALLOWANCE = math.log(1.1)
MOST_A_SAMPLE = math.log(2)
LIMIT = 2.0
MOST_CORRECTED = math.log(32)
# Deviations kept of a run of evidence.
_KEPT = 15


class _Evidence:
    """That the candidate which is not chosen is the faster one."""

    __slots__ = ("deviations", "weight")

    def __init__(self) -> None:
        self.weight = 0.0
        self.deviations: deque[float] = deque(maxlen=_KEPT)

    def add(self, advantage: float, deviation: float) -> bool:
        """Take one measured ratio; return whether that is enough."""
        step = max(-MOST_A_SAMPLE, min(advantage, MOST_A_SAMPLE)) - ALLOWANCE
        self.weight = max(0.0, self.weight + step)
        if self.weight:
            self.deviations.append(deviation)
        else:
            self.deviations.clear()
        return self.weight >= LIMIT


class SizeClass:
    """The account of calls that differ in size by less than a factor of 2."""

    __slots__ = ("correction", "credit", "evidence")

    def __init__(self) -> None:
        self.credit = 0.0
        self.correction = 0.0
        # Against the CPU and against the device: where one line divides a class, both are chosen within it.
        self.evidence = (_Evidence(), _Evidence())

    @property
    def factor(self) -> float:
        """What the device's estimate is to be multiplied by."""
        return math.exp(self.correction)

    def weigh(self, advantage: float, deviation: float, *, device_ran: bool) -> bool:
        """Take one measured ratio; return whether the correction changed."""
        evidence = self.evidence[device_ran]
        if not evidence.add(advantage, deviation):
            return False
        median = sorted(evidence.deviations)[len(evidence.deviations) // 2]
        self.correction = max(-MOST_CORRECTED, min(median, MOST_CORRECTED))
        self.evidence = (_Evidence(), _Evidence())
        return True


class Probes(forks.Resettable):
    """When to probe, and what came of it, for one case and device. Thread-safe; some hundred size classes at most.

    Attributes
    ----------
    version
        How often estimates were corrected.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._classes: dict[tuple[int, int], SizeClass] = {}
        self.version = 0

    def size_class(self, count: int, nbytes: int) -> SizeClass:
        """Return the account of calls like one of `count` items with `nbytes` bytes together."""
        # Powers of 2 of bytes an item, and of 4 of items.
        key = min(nbytes // max(count, 1), 1 << 40).bit_length(), min(count, 1 << 32).bit_length() // 2
        with self._lock:
            return self._classes.setdefault(key, SizeClass())

    def due(self, account: SizeClass, seconds: float, price: float) -> bool:
        """Account for a call that took `seconds`; return whether a probe that costs `price` is paid for."""
        with self._lock:
            # What is saved in a long quiet time must not be spent all at once.
            account.credit = min(account.credit + SHARE * seconds, price)
            if account.credit < price:
                return False
            # Another thread must not probe meanwhile.
            account.credit = 0.0
            return True

    def take(
        self, account: SizeClass, *, estimated: float, measured: float, device_ran: bool, overspent: float = 0.0
    ) -> bool:
        """Take the result of a probe.

        Parameters
        ----------
        account
            The size class of the call.
        estimated, measured
            Seconds on the device by seconds on the CPU, the estimate without a correction.
        device_ran
            Whether the device was the one that was chosen.
        overspent
            Seconds that the probe took beyond its price, negative where it took less.

        Returns
        -------
        bool
            Whether estimates changed.
        """
        ratio = math.log(measured)
        with self._lock:
            # What a probe took less than its price is left for the next.
            account.credit -= overspent
            changed = account.weigh(ratio if device_ran else -ratio, ratio - math.log(estimated), device_ran=device_ran)
            self.version += changed
            return changed

    def reset_after_fork(self) -> None:
        """Make a fresh lock."""
        self._lock = threading.Lock()
