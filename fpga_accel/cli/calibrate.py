"""``fpga-accel calibrate``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click
from rich.console import Console

from fpga_accel.cli import options, output, session
from fpga_accel.cli.failures import UsageError
from fpga_accel.cli.options import Where
from fpga_accel.operations import registry
from fpga_accel.routing import Calibration

_COLUMNS = ("operation", "data", "results", "device", ">shapes", "device wins from", ">best, times the CPU")


@click.command()
@click.argument("operations", metavar="[OPERATION]...", nargs=-1)
@options.where("device", "threads", "timeout")
@click.option(
    "--seconds",
    metavar="SECONDS",
    type=click.FloatRange(0.1, 3600),
    default=30.0,
    show_default=True,
    help="How long the timing may take, once kernels are built.",
)
@options.as_json
def calibrate(operations: Sequence[str], *, where: Where, seconds: float, as_json: bool) -> None:
    """Time every operation on the device and on the CPU now.

    Else that is done when a program first has enough of it. With one OPERATION or more, such as lz4.compress, only
    these are timed. The timings are kept in the cache for this machine and device; --device auto chooses by them.
    """
    unknown = sorted(set(operations) - set(registry.OPERATIONS))
    if unknown:
        raise UsageError(f"unknown operation {unknown[0]!r}; legal ones are {', '.join(registry.OPERATIONS)}")
    if where.device == "cpu":
        raise UsageError("the CPU is what devices are compared with; name a device, or auto")
    there = replace(where, fallback="never")
    with session.accelerator(there, as_json=as_json) as acc, _progress(shown=not as_json) as told:
        done = acc.calibrate(*operations, seconds=seconds, progress=told)
    if as_json:
        output.show_json([_plain(each) for each in done])
    else:
        output.show_table(_COLUMNS, [_cells(each) for each in done])


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[str], None]]:
    """Name what is being timed, on a terminal alone."""
    if not (shown and sys.stderr.isatty()):
        yield lambda case: None
        return
    with Console(stderr=True).status("timing") as status:
        yield lambda case: status.update(f"timing {case}")


def _plain(calibration: Calibration) -> dict[str, Any]:
    timings = calibration.timings
    return calibration.case._asdict() | {
        "candidate": calibration.candidate,
        "timings": [
            {"items": items, "item_bytes": nbytes, "cpu": seconds, "device": timings.device[items, nbytes]}
            for (items, nbytes), seconds in timings.cpu.items()
        ],
    }


def _cells(calibration: Calibration) -> tuple[object, ...]:
    case, first = calibration.case, calibration.wins_from
    return (
        case.operation,
        f"{case.kind or 'usual'}{', large' * case.large}",
        "into a buffer" if case.into else "list" if case.many else "bytes",
        calibration.candidate,
        len(calibration.timings.cpu),
        f"{first[0]} x {first[1]} B" if first else "never",
        f"{calibration.best_ratio:.2f}",
    )
