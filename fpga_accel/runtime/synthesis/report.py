"""Reads nextpnr's report: the clock after routing, what is used, and the slowest path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fpga_accel.errors import FormatError

# Kinds of step of a path in nextpnr's report.
_WIRE = "routing"
# Nanoseconds.
_SHOWN_FROM = 0.1


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the slowest path: through a cell, or over a wire."""

    kind: str
    nanoseconds: float
    what: str


@dataclass(frozen=True, slots=True)
class Placed:
    """What nextpnr reports of a placed and routed design.

    Attributes
    ----------
    fmax_mhz
        The fastest clock that the slowest path after routing allows.
    used, available
        By type of cell: how many are used and how many the part has.
    critical
        The slowest path between registers.
    """

    fmax_mhz: float
    used: Mapping[str, int]
    available: Mapping[str, int]
    critical: tuple[Step, ...]


def read(report: Mapping[str, Any]) -> Placed:
    """Read the JSON of ``--report``, which is of after routing; the first clock in the log is an estimate of before.

    Raises
    ------
    FormatError
        It has not one clock.
    """
    clocks = report["fmax"]
    if len(clocks) != 1:
        raise FormatError(f"nextpnr reports {len(clocks)} clocks, a core has one")
    (clock,) = clocks
    utilization = report["utilization"]
    return Placed(
        fmax_mhz=round(clocks[clock]["achieved"], 2),
        used={name: row["used"] for name, row in utilization.items()},
        available={name: row["available"] for name, row in utilization.items()},
        critical=tuple(_critical(report, clock)),
    )


def _critical(report: Mapping[str, Any], clock: str) -> Iterator[Step]:
    wanted = f"posedge {clock}"
    for path in report["critical_paths"]:
        if path["from"] != wanted or path["to"] != wanted:
            continue
        for step in path["path"]:
            # A step along a carry chain is nothing to act on.
            if step["delay"] < _SHOWN_FROM:
                continue
            what = step.get("net") if step["type"] == _WIRE else step["from"]["cell"]
            yield Step(step["type"], round(step["delay"], 2), str(what))
        return
