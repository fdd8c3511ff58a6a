"""What is told of a choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fpga_accel.receipts import Reason

CPU = "cpu"


class Source(StrEnum):
    """What an estimate rests on: shipped guesses, timings of this machine, or these corrected by probes."""

    PRIOR = "prior"
    CALIBRATED = "calibrated"
    REFINED = "refined"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One place where a call could run.

    Attributes
    ----------
    name
        ``"cpu"``, or device and variant: ``"pocl-0/vaes"``. Without a variant, its kernel is not built yet.
    seconds
        Estimate of the call there.
    source
        What the estimate rests on.
    usable
        Whether the call could be sent there now.
    note
        Why it cannot or would not be, where there is something to say.
    """

    name: str
    seconds: float
    source: Source
    usable: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a call would run, and why.

    Attributes
    ----------
    backend, device, variant
        As in a `Receipt`.
    reason
        A word of `Reason`.
    estimates
        Seconds by name of each usable candidate; empty in plans that `Accelerator.explain` did not make.
    detail
        The reason in words.
    candidates
        All that `Accelerator.explain` looked at, the CPU first.
    margin
        The device's estimate must be below this share of the CPU's; None where they were not compared.
    """

    backend: str
    device: str | None
    variant: str
    reason: Reason
    estimates: Mapping[str, float] = field(default_factory=dict)
    detail: str = ""
    candidates: tuple[Candidate, ...] = ()
    margin: float | None = None
