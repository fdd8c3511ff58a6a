"""Waits for a device with a deadline, and lets Ctrl-C through.

``clWaitForEvents`` has no deadline and ignores SIGINT, so the event's status is polled with growing pauses.
"""

from __future__ import annotations

import time
from typing import Protocol

from fpga_accel._host import lib
from fpga_accel.errors import DeviceError, DeviceTimeoutError

# For this long the pauses are zero, which only yields the core: small launches end within it.
_BUSY_SECONDS = 150e-6
# A pause is this share of the time waited so far, so that polling adds about 1.5 % to a launch.
_SHARE = 1 / 32
_LONGEST_PAUSE = 2e-3


class Event(Protocol):
    """What is asked of an OpenCL event."""

    @property
    def command_execution_status(self) -> int:
        """0 is complete, a negative number is an error."""


def wait(event: Event, deadline: float | None, device: str) -> None:
    """Return when `event` is complete.

    Parameters
    ----------
    event
        An enqueued and flushed command.
    deadline
        ``time.monotonic()`` value, None for no limit.
    device
        Id for the error.

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
        if waited < _BUSY_SECONDS:
            time.sleep(0)
        else:
            lib.fa_pause(int(min(waited * _SHARE, _LONGEST_PAUSE) * 1e9))
