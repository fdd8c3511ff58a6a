"""Rows as a terminal and the report show them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fpga_accel.bench import growth
from fpga_accel.bench.cases import size_text
from fpga_accel.bench.comparison import Change
from fpga_accel.bench.goals import SHOWN, Standing
from fpga_accel.bench.growth import Growth
from fpga_accel.bench.results import Row

CHANGE_COLUMNS = (
    "case",
    "data",
    "contestant",
    "result",
    "against",
    ">before",
    ">after",
    ">factor",
    ">noise",
    "verdict",
)
WORST_COLUMNS = (
    "case",
    "data",
    "contestant",
    "result",
    "against",
    ">its ms",
    ">figure",
    ">goal",
    ">spread",
    "",
    "ran on",
)

GROWTH_COLUMNS = ("work", "contestant", "result", "ns a byte, by size", ">most by least", ">goal", "")
MEMORY_COLUMNS = ("command", "device", ">file", ">peak MB", ">goal MB", "")
BEYOND = "BEYOND"


def columns(cores: int) -> tuple[str, ...]:
    """Return the columns of `cells`; one that starts with ``>`` is aligned to the right."""
    versus = [f">vs {threads}T" for threads in thread_counts(cores)]
    head = ("case", "data", "contestant", "result", ">ms", ">spread", ">MB/s")
    return (*head, *versus, ">kernel ms", ">kernel x", ">copies", ">CPU ms", ">ratio", "ran on")


def thread_counts(cores: int) -> list[int]:
    """Return how many threads peers ran on."""
    return list(dict.fromkeys((1, cores)))


def cells(row: Row, cores: int) -> tuple[str, ...]:
    """Return the cells of a row."""
    return (
        row.case,
        row.data,
        row.label,
        row.result,
        number(row.median * 1e3, 4),
        percent(row.spread),
        number(row.megabytes_a_second, 3),
        *(number(row.best(threads), 3) for threads in thread_counts(cores)),
        number(row.kernel * 1e3, 4),
        number(row.kernel_speedup, 3),
        percent(row.transfer_share),
        number(row.cpu * 1e3, 4),
        number(row.ratio, 4),
        f"FAILED: {row.error}" if row.error else row.ran,
    )


def worst_cells(found: Sequence[Standing]) -> list[tuple[str, ...]]:
    """Return the cells of the worst standings, for `WORST_COLUMNS`."""
    return [
        (
            one.row.case,
            one.row.data,
            one.row.label,
            one.row.result,
            one.peer,
            number(one.peer_seconds * 1e3, 3),
            one.text,
            one.goal_text,
            percent(one.row.spread),
            BEYOND if one.is_beyond else "",
            one.row.ran,
        )
        for one in found[:SHOWN]
    ]


def growth_cells(found: Iterable[Growth]) -> list[tuple[str, ...]]:
    """Return the cells of time a byte, for `GROWTH_COLUMNS`; a peer has no goal and is there to compare."""
    return [
        (
            one.work,
            one.label,
            one.result,
            ", ".join(f"{size_text(size)}: {number(seconds * 1e9, 3)}" for size, seconds in one.points),
            number(one.factor, 3),
            f"<= {growth.GOAL}" if one.ours else "-",
            BEYOND if one.ours and one.factor > growth.GOAL else "",
        )
        for one in found
    ]


def memory_cells(found: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return the cells of peak memory, for `MEMORY_COLUMNS`."""
    return [
        (
            one["command"],
            one["device"],
            size_text(one["nbytes"]),
            number(one.get("peak", math.nan) / 1e6, 3),
            f"< {growth.MEMORY_GOAL / 1e6:.0f}",
            f"FAILED: {one['error']}" if "error" in one else BEYOND * (one["peak"] >= growth.MEMORY_GOAL),
        )
        for one in found
    ]


def change_cells(found: Iterable[Change]) -> list[tuple[str, ...]]:
    """Return the cells of changes, for `CHANGE_COLUMNS`."""
    return [
        (
            one.row.case,
            one.row.data,
            one.row.label,
            one.row.result,
            one.peer or "-",
            number(one.before, 3),
            number(one.after, 3),
            number(one.factor, 3),
            percent(one.noise),
            f"{one.verdict}: {one.row.error}" if one.row.error else str(one.verdict),
        )
        for one in found
    ]


def number(value: float, digits: int) -> str:
    """Write a number with so many digits that count, without an exponent.

    Examples
    --------
    >>> number(1234.56, 3), number(0.012345, 3), number(math.nan, 3)
    ('1235', '0.0123', '-')
    """
    if not math.isfinite(value):
        return "-"
    whole = math.floor(math.log10(value)) + 1 if value > 0 else 1
    return f"{value:.{max(0, digits - whole)}f}"


def percent(value: float) -> str:
    """Write a share.

    Examples
    --------
    >>> percent(0.123), percent(math.nan)
    ('12%', '-')
    """
    return f"{value:.0%}" if math.isfinite(value) else "-"
