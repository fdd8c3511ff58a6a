"""Two runs against each other: ratios to the peer, as times differ from machine to machine and from day to day."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fpga_accel.bench.results import Row, Run, peer_label

TOLERANCE = 0.05
# A median of n samples with quartiles a share q apart has a standard error of 1.2533 s / sqrt(n), where s = q / 1.349.
_ERROR_OF_SPREAD = 1.2533 / 1.349
# Standard errors that chance alone exceeds in one of a hundred rows.
_SIGMAS = 2.58


class Verdict(StrEnum):
    """What became of a row."""

    SLOWER = "slower"
    FASTER = "faster"
    SAME = "same"
    FAILED = "failed"
    ONLY_BEFORE = "only before"
    ONLY_AFTER = "only after"


@dataclass(frozen=True, slots=True)
class Change:
    """A row of ours in two runs.

    Attributes
    ----------
    peer
        Whom both ratios are against; "" where there is none in both.
    before, after
        Ratios to the peer.
    noise
        The relative change that chance alone makes, by the spreads of both runs.
    """

    row: Row
    peer: str
    before: float
    after: float
    noise: float
    verdict: Verdict

    @property
    def factor(self) -> float:
        """How many times the old ratio the new one is."""
        return self.after / self.before if self.before > 0 else math.nan

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; what cannot be told is None."""
        case, data, contestant, result = self.row.key
        figures = {"before": self.before, "after": self.after, "factor": self.factor, "noise": self.noise}
        return {
            "case": case,
            "data": data,
            "contestant": contestant,
            "result": result,
            "against": self.peer or None,
            **{name: value if math.isfinite(value) else None for name, value in figures.items()},
            "verdict": self.verdict.value,
            "error": self.row.error or None,
        }

    @property
    def is_worse(self) -> bool:
        """Whether the new run is worse here."""
        return self.verdict in (Verdict.SLOWER, Verdict.FAILED)


def changes(before: Run, after: Run, *, tolerance: float = TOLERANCE) -> list[Change]:
    """Compare the rows of ours, the worst changes first."""
    old, new = _ours(before.rows), _ours(after.rows)
    found = [_change(old[key], new[key], before, after, tolerance) for key in old if key in new]
    gone = [_alone(row, Verdict.ONLY_BEFORE) for key, row in old.items() if key not in new]
    come = [_alone(row, Verdict.ONLY_AFTER) for key, row in new.items() if key not in old]
    order = {Verdict.FAILED: 0, Verdict.SLOWER: 1, Verdict.FASTER: 2}
    found.sort(key=lambda one: (order.get(one.verdict, 3), one.factor if one.factor > 0 else math.inf))
    return [*found, *gone, *come]


def _ours(rows: Iterable[Row]) -> dict[tuple[str, str, str, str], Row]:
    return {row.key: row for row in rows if row.ours}


def _alone(row: Row, verdict: Verdict) -> Change:
    return Change(row, "", math.nan, math.nan, math.nan, verdict)


def _change(old: Row, new: Row, before: Run, after: Run, tolerance: float) -> Change:
    if new.error:
        return _alone(new, Verdict.SAME if old.error else Verdict.FAILED)
    peer = _common_peer(old, new)
    if old.error or peer is None:
        return _alone(new, Verdict.ONLY_AFTER)
    threads, name = peer
    first, second = old.versus[threads][name], new.versus[threads][name]
    errors = [*_errors(old, peer, before.rows), *_errors(new, peer, after.rows)]
    noise = _SIGMAS * math.sqrt(sum(error * error for error in errors))
    return Change(new, peer_label(*peer), first, second, noise, _verdict(second / first, max(noise, tolerance)))


def _verdict(factor: float, bound: float) -> Verdict:
    if factor < 1 / (1 + bound):
        return Verdict.SLOWER
    return Verdict.FASTER if factor > 1 + bound else Verdict.SAME


def _common_peer(old: Row, new: Row) -> tuple[int, str] | None:
    """Return the peer that the old row stands against, or else any that both have: not all are installed everywhere."""
    both = [
        (threads, name)
        for threads, found in old.versus.items()
        for name in found
        if name in new.versus.get(threads, {})
    ]
    if old.against in both:
        return old.against
    return min(both, default=None)


def _errors(row: Row, peer: tuple[int, str], rows: Sequence[Row]) -> list[float]:
    """Return the relative standard errors of a row's median and of its peer's."""
    theirs = [
        one
        for one in rows
        if not one.ours and (one.threads, one.contestant) == peer and (one.case, one.data) == (row.case, row.data)
    ]
    alike = [one for one in theirs if one.result == row.result] or theirs
    return [_error(one) for one in (row, *alike[:1])]


def _error(row: Row) -> float:
    if not math.isfinite(row.spread):
        return 0.0
    return _ERROR_OF_SPREAD * row.spread / math.sqrt(max(row.rounds, 1))
