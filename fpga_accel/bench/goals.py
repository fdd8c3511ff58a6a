"""How far ``auto`` is from its goals: against the best peer, the worst rows first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fpga_accel.bench.cases import Phase
from fpga_accel.bench.results import Row, peer_label

# Where the peer needs at least so long, the ratio counts, else the time that we need more.
LONG = 20e-6
RATIO = 0.95
# Seconds more than the direct call: for cipher classes, and for methods of an Accelerator.
BOUND_SECONDS = 0.5e-6
CALL_SECONDS = 2e-6
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """One row of ``auto`` against the peer that it stands against.

    Attributes
    ----------
    peer_seconds
        The peer's median.
    ratio, extra
        Times as fast as the peer; seconds more than it.
    goal
        The least ratio, or the most seconds more.
    by_ratio
        Which of the two counts.
    """

    row: Row
    peer: str
    peer_seconds: float
    ratio: float
    extra: float
    goal: float
    by_ratio: bool

    @property
    def badness(self) -> float:
        """What it is as a share of what is allowed: above 1 is beyond the goal."""
        return self.goal / self.ratio if self.by_ratio else self.extra / self.goal

    @property
    def is_beyond(self) -> bool:
        """Whether the goal is missed."""
        return self.badness > 1

    @property
    def text(self) -> str:
        """Return the figure that counts."""
        return f"{self.ratio:.2f} x" if self.by_ratio else f"{self.extra * 1e6:+.2f} µs"

    @property
    def goal_text(self) -> str:
        """Return the goal."""
        return f">= {self.goal:.2f} x" if self.by_ratio else f"<= {self.goal * 1e6:.1f} µs more"


def standings(rows: Iterable[Row]) -> list[Standing]:
    """Return every warm row of ``auto`` that has a peer, the worst first."""
    found = [
        _standing(row)
        for row in rows
        if row.contestant == "auto" and row.ours and row.phase == Phase.WARM and not row.error and row.speedup > 0
    ]
    return sorted(found, key=lambda one: -one.badness)


def _standing(row: Row) -> Standing:
    assert row.against is not None
    peer_seconds = row.speedup * row.median
    by_ratio = peer_seconds >= LONG
    goal = RATIO if by_ratio else BOUND_SECONDS if row.bound else CALL_SECONDS
    return Standing(
        row=row,
        peer=peer_label(*row.against),
        peer_seconds=peer_seconds,
        ratio=row.speedup,
        extra=row.median - peer_seconds,
        goal=goal,
        by_ratio=by_ratio,
    )
