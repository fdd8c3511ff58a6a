"""Waits for a device with a deadline, and lets Ctrl-C through.

``clWaitForEvents`` has no deadline and ignores SIGINT, so the event's status is polled with growing pauses. Every poll
takes some of a core that a runtime on the CPU has work for, so few are done before the end is likely (`Pace`).
"""

from __future__ import annotations

import math
import time
from typing import Protocol

from fpga_accel._host import lib
from fpga_accel.errors import DeviceError, DeviceTimeoutError

# A pause is this share of the time waited so far, so that polling adds about 1.5 % to a launch.
_SHARE = 1 / 32
_LONGEST_PAUSE = 2e-3
# Of the time that a launch is expected to take, what is waited with few looks; shorter waits gain nothing. On two cores
# launches of 3 to 10 ms take a tenth less so.
_UNLIKELY_SHARE = 0.92
_UNLIKELY_FROM = 0.5e-3
# The pauses then, for a launch that is faster than all before: it is noticed at most a quarter later.
_EARLY_SHARE = 1 / 4
_SHORTEST_EARLY_PAUSE = 0.25e-3
# What was fastest is believed a little less with every launch.
_FADING = 1.05


class Event(Protocol):
    """What is asked of an OpenCL event."""

    @property
    def command_execution_status(self) -> int:
        """0 is complete, a negative number is an error."""


class Pace:
    """How fast the launches of each entry went lately, a byte.

    The fastest counts: what disturbs one launch says nothing of the next.
    """

    def __init__(self) -> None:
        self._byte_seconds: dict[str, float] = {}

    def unlikely(self, entry: str, nbytes: int, queued: float) -> float:
        """Return the seconds from now on in which a launch is not likely to end; none where nothing is known.

        `queued` is when it was put on its queue (``time.perf_counter()``).
        """
        seconds = _UNLIKELY_SHARE * nbytes * self._byte_seconds.get(entry, 0.0)
        return queued + seconds - time.perf_counter() if seconds >= _UNLIKELY_FROM else 0.0

    def took(self, entry: str, nbytes: int, seconds: float) -> None:
        """Note how long a launch took."""
        if nbytes and seconds > 0:
            before = self._byte_seconds.get(entry, math.inf)
            self._byte_seconds[entry] = min(seconds / nbytes, before * _FADING)


def wait(event: Event, deadline: float | None, device: str, *, unlikely: float = 0.0) -> None:
    """Return when `event` is complete.

    Parameters
    ----------
    event
        An enqueued and flushed command.
    deadline
        ``time.monotonic()`` value, None for no limit.
    device
        Id for the error.
    unlikely
        Seconds from now on in which it is not likely to end.

    Raises
    ------
    DeviceTimeoutError
        The deadline passed; the command may still be running.
    DeviceError
        The command ended with an error.
    """
    started = time.monotonic()
    while True:
        status = event.command_execution_status
        if status == 0:
            return
        if status < 0:
            raise DeviceError(f"the launch ended with OpenCL error {status}", device=device)
        now = time.monotonic()
        if deadline is not None and now >= deadline:
            raise DeviceTimeoutError(f"no answer after {now - started:.3f} s", device=device)
        waited = now - started
        if waited < unlikely:
            early = max(waited * _EARLY_SHARE, _SHORTEST_EARLY_PAUSE)
            lib.fa_pause(int(min(unlikely - waited, early, _LONGEST_PAUSE) * 1e9))
        else:
            lib.fa_pause(int(min(waited * _SHARE, _LONGEST_PAUSE) * 1e9))
