"""Where a call runs: costs measured once per machine and device, refined while calls run, or pinned.

costs.py
    Estimates of one candidate by interpolation between timed shapes, and the priors used before there are any.
timing.py
    How shapes are timed: both candidates in turns, within a budget of seconds.
saved.py
    Timings in the cache, one file a device and machine.
probes.py
    Corrections of a choice, from runs of both candidates on the same data.
router.py
    The choices of one device against the CPU path.
plans.py
    What is told of a choice: `Plan`, `Candidate`.
"""

from __future__ import annotations

from fpga_accel.routing.costs import (
    ITEM,
    LARGE,
    SMALL_BATCH,
    Case,
    Cost,
    Shape,
    guessed_cpu_seconds,
    is_small_batch,
)
from fpga_accel.routing.plans import CPU, Candidate, Plan, Source
from fpga_accel.routing.router import ADVANTAGE, BUDGET_SECONDS, PATIENCE_SECONDS, Calibration, Choice, Router
from fpga_accel.routing.timing import Timings

__all__ = [
    "ADVANTAGE",
    "BUDGET_SECONDS",
    "CPU",
    "ITEM",
    "LARGE",
    "PATIENCE_SECONDS",
    "SMALL_BATCH",
    "Calibration",
    "Candidate",
    "Case",
    "Choice",
    "Cost",
    "Plan",
    "Router",
    "Shape",
    "Source",
    "Timings",
    "guessed_cpu_seconds",
    "is_small_batch",
]
