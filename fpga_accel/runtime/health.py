"""Whether a device may be trusted with work just now.

Failures make a device suspect, more of them put it into quarantine for a while; then one call may try again.
"""

from __future__ import annotations

import threading
import time
from enum import StrEnum

from fpga_accel.runtime import forks

# Failures in a row that lead to quarantine; a timeout or wrong bytes do so at once.
TOLERATED = 3
FIRST_QUARANTINE_SECONDS = 5.0
LONGEST_QUARANTINE_SECONDS = 300.0


class State(StrEnum):
    """Health of one device for one kernel."""

    OK = "ok"
    SUSPECT = "suspect"
    QUARANTINED = "quarantined"


class Health(forks.Resettable):
    """Failures in a row, and when to try again."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._failures = 0
        self._quarantine = FIRST_QUARANTINE_SECONDS
        self._until = 0.0
        # Somebody tries the device after a quarantine; the others wait as if it went on.
        self._trying = False
        self.cause = ""

    @property
    def state(self) -> State:
        """The state at this moment; a quarantine that has run out counts as suspect."""
        if not self._failures:
            return State.OK
        return State.QUARANTINED if time.monotonic() < self._until else State.SUSPECT

    def open(self) -> bool:
        """Whether there is no quarantine at this moment; takes nobody's turn."""
        return not self._failures or time.monotonic() >= self._until

    def admitted(self) -> bool:
        """Whether a call that is about to use the device may; of those behind a quarantine, one may."""
        if not self._failures:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._until:
                return False
            if self._until:
                self._until = now + self._quarantine
                self._trying = True
            return True

    @property
    def seconds_left(self) -> float:
        """Seconds until the next try."""
        return max(0.0, self._until - time.monotonic())

    def succeeded(self) -> None:
        """Forget past failures."""
        if not self._failures:
            return
        with self._lock:
            self._failures = 0
            self._until = 0.0
            self._trying = False
            self._quarantine = FIRST_QUARANTINE_SECONDS
            self.cause = ""

    def failed(self, cause: str, *, grave: bool) -> None:
        """Count a failure; a `grave` one (timeout, wrong bytes) quarantines at once.

        What was under way when a quarantine began, and fails too, makes it no longer.
        """
        with self._lock:
            if time.monotonic() < self._until and not self._trying:
                return
            self._failures += 1
            self._trying = False
            self.cause = cause
            if not grave and self._failures < TOLERATED:
                return
            self._until = time.monotonic() + self._quarantine
            self._quarantine = min(2 * self._quarantine, LONGEST_QUARANTINE_SECONDS)

    def reset_after_fork(self) -> None:
        """Make a fresh lock."""
        self._lock = threading.Lock()
