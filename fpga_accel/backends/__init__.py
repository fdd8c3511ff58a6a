"""Backends run one `Launch` and know nothing of formats: `Backend` is what each offers.

The CPU path has no backend here: it does not run segment tables but calls each operation's library (`cpu.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from fpga_accel.errors import DeviceError
from fpga_accel.runtime.manifests import Manifest
from fpga_accel.segments import Launch, Linked, Span, Table


class Trial(NamedTuple):
    """A known-answer test: a launch, and whether its results are right."""

    launch: Launch
    passed: Callable[[Table], bool]


class Outcome(NamedTuple):
    """What a launch gave: one result a row, and the seconds it spent where.

    `device` is who did it, "" where there is one device only. `cycles` are the clocks of a simulated core, and
    `clock_mhz` is the clock that it reaches on a chip, by the report of its place and route; 0 where there is none.
    """

    results: Table
    variant: str
    transfer: float
    kernel: float
    spans: tuple[Span, ...] = ()
    device: str = ""
    cycles: int = 0
    clock_mhz: float = 0.0


class NoCore(DeviceError):
    """The device has nothing that runs this kernel, and never will."""

    code = "unsupported"


class Pending(Protocol):
    """A launch on its way. One of its two methods is called, once."""

    def outcome(self, deadline: float | None) -> Outcome:
        """Wait for the end.

        Raises
        ------
        DeviceError, DeviceTimeoutError
            The device failed or was too slow.
        """

    def abandon(self) -> None:
        """Give it up without waiting: what it uses is never used again."""


class Deferred(NamedTuple):
    """A launch that runs when it is waited for, where two on their way at once would meet."""

    run: Callable[[float | None], Outcome]

    def outcome(self, deadline: float | None) -> Outcome:
        """Run it."""
        return self.run(deadline)

    def abandon(self) -> None:
        """Nothing is on its way."""


class Backend(Protocol):
    """A device that can be sent launches. Thread-safe."""

    name: str

    @property
    def device_id(self) -> str:
        """Id of the device, for receipts and errors."""

    def prepare(self, manifest: Manifest, trials: Sequence[Callable[[], Trial]], entry: str = "") -> str:
        """Build and try a kernel folder once; return the variant chosen.

        `trials` make the known-answer tests, which are only needed the first time. `entry` is the kernel that is
        needed, which a device that builds each apart builds alone.

        Raises
        ------
        DeviceError
            No variant builds and passes its trials.
        NoCore
            The device has nothing for the entry.
        """

    def start(self, launch: Launch) -> Pending:
        """Send a launch of a prepared kernel on its way, and come back at once where the device lets us.

        Raises
        ------
        DeviceError
            The device failed already.
        """

    @property
    def wide(self) -> bool:
        """Whether it works on thousands of rows at once, so that messages are cut into short ones."""

    @property
    def direct(self) -> bool:
        """Whether its kernels work in the host's memory, so that nothing is copied to it and back."""

    @property
    def links(self) -> bool:
        """Whether it runs linked launches; where it does not, each launch goes by way of the host."""

    @property
    def fuses(self) -> bool:
        """Whether it may have entries that are all stages of a chain at once."""

    @property
    def apart(self) -> bool:
        """Whether it prepares each entry of a kernel folder apart, and may have some without others."""

    def start_linked(self, linked: Linked) -> Pending:
        """Send linked launches of prepared kernels on their way; the outcome has the results of all rows.

        Raises
        ------
        DeviceError
            The device failed already.
        """
