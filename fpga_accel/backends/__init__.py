"""Backends run one `Launch` and know nothing of formats: `Backend` is what each offers.

The CPU path has no backend here: it does not run segment tables but calls each operation's library (`cpu.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fpga_accel.runtime.manifests import Manifest
from fpga_accel.segments import Launch, Linked, Table


@dataclass(frozen=True, slots=True)
class Trial:
    """A known-answer test: a launch, and whether its results are right."""

    launch: Launch
    passed: Callable[[Table], bool]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a launch gave: one result a row, and the seconds it spent where."""

    results: Table
    variant: str
    transfer: float
    kernel: float


class Backend(Protocol):
    """A device that can be sent launches. Thread-safe."""

    name: str

    @property
    def device_id(self) -> str:
        """Id of the device, for receipts and errors."""

    def prepare(self, manifest: Manifest, trials: Sequence[Callable[[], Trial]]) -> str:
        """Build and try a kernel folder once; return the variant chosen.

        `trials` make the known-answer tests, which are only needed the first time.

        Raises
        ------
        DeviceError
            No variant builds and passes its trials.
        """

    def run(self, launch: Launch, deadline: float | None) -> Outcome:
        """Run a launch of a prepared kernel.

        Raises
        ------
        DeviceError, DeviceTimeoutError
            The device failed or was too slow.
        """

    @property
    def links(self) -> bool:
        """Whether it runs linked launches; where it does not, each launch goes by way of the host."""

    def run_linked(self, linked: Linked, deadline: float | None) -> Outcome:
        """Run linked launches of prepared kernels; the outcome has the results of all rows.

        Raises
        ------
        DeviceError, DeviceTimeoutError
            The device failed or was too slow.
        """
