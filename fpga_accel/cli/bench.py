"""``fpga-accel bench``: run the suite; compare two runs; make the report and the README's figures of one.

The suite is imported by the functions that need it: other commands start a tenth faster without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from fpga_accel.cli import options, output
from fpga_accel.cli.failures import FAILED, UsageError

if TYPE_CHECKING:
    from fpga_accel.bench.results import Run

RESULTS = Path("benchmark-results")
_ALL = "all"


@click.group(invoke_without_command=True)
@click.option(
    "--device",
    "devices",
    metavar="DEVICE",
    multiple=True,
    help="May be given more than once; all is every usable one. Without it: opencl, auto, cpu.",
)
@click.option("--quick", is_flag=True, help="Fewer cases and rounds: 3 minutes on 2 cores, not an hour.")
@click.option("--growth", is_flag=True, help="Also time a byte from 1 MiB to 1 GiB, and the peak memory of a file.")
@click.option(
    "--only",
    metavar="TEXT",
    multiple=True,
    help='Cases whose name and data hold this, such as "gcm" or "64 MiB text"; all of several.',
)
@click.option(
    "--op",
    metavar="OPERATION",
    multiple=True,
    help="Cases of this operation, such as lz4.compress; any of several.",
)
@click.option(
    "--size", metavar="SIZE", multiple=True, help="Cases with items of this size, such as 64KiB; any of several."
)
@click.option("--quoted", is_flag=True, help="The cases of the README's table: a quarter of an hour.")
@click.option("--list", "listed", is_flag=True, help="Print the names of the cases and end.")
@click.option(
    "--output", "-o", "out", metavar="PATH", type=options.PATH, help=f"Result file; by default {RESULTS}/DATE.json."
)
@click.option("--html", metavar="PATH", type=options.PATH, help="Write the report too.")
@click.option("--gate", is_flag=True, help="End with 1 where a goal is missed.")
@options.as_json
@click.pass_context
def bench(
    ctx: click.Context,
    *,
    devices: Sequence[str],
    quick: bool,
    growth: bool,
    only: Sequence[str],
    op: Sequence[str],
    size: Sequence[str],
    quoted: bool,
    listed: bool,
    out: Path | None,
    html: Path | None,
    gate: bool,
    as_json: bool,
) -> None:
    """Time this package against the libraries it stands in for.

    All run side by side in one process, and an output of every sample is checked. The table ends with the rows of auto
    that are furthest from their goals. Ends with 1 where a contestant failed or made wrong bytes, and with --gate where
    a goal is missed.
    """
    if ctx.invoked_subcommand is not None:
        return
    from fpga_accel.bench import cases, suite

    found = cases.cases(growth=growth)
    sizes = [cases.size_of(text) for text in size]
    wanted = cases.chosen(found, only=only, operations=op, sizes=sizes, quick=quick, quoted=quoted)
    if not wanted:
        raise UsageError("no case is left of these choices", hint="--list shows all cases")
    if listed:
        print("\n".join(f"{case.name}, {case.data}" for case in wanted))
        return
    draw = _report_writer(html)
    run = suite.run(wanted, _devices(devices), quick=quick, say=output.say)
    _keep(run, out or RESULTS / f"{datetime.now():%Y-%m-%d-%H%M%S}.json")
    if draw is not None:
        draw(run)
    if as_json:
        print(run.dumped())
    else:
        _show(run)
    _end(run, gate=gate)


def _devices(given: Sequence[str]) -> Sequence[str]:
    from fpga_accel.bench.contestants import DEVICES, usable_devices

    if not given:
        return DEVICES
    return usable_devices() if _ALL in given else given


def _keep(run: Run, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(run.dumped(), encoding="utf-8")
    output.say(f"figures are in {path}")


def _show(run: Run) -> None:
    from fpga_accel.bench import goals, growth, tables

    cores = int(run.environment["cores"])
    output.show_table(tables.columns(cores), [tables.cells(row, cores) for row in run.rows])
    grown = growth.growths(run.rows)
    if grown:
        print()
        output.show_table(tables.GROWTH_COLUMNS, tables.growth_cells(grown), title="Time a byte as inputs grow")
    if run.memory:
        print()
        output.show_table(tables.MEMORY_COLUMNS, tables.memory_cells(run.memory), title="Peak memory")
    standings = goals.standings(run.rows)
    if standings:
        print()
        output.show_table(
            tables.WORST_COLUMNS, tables.worst_cells(standings), title="auto against the best peer, the worst rows"
        )


def _end(run: Run, *, gate: bool) -> None:
    """End with 1 where something is wrong."""
    failed = [row for row in run.rows if row.error]
    for row in failed:
        output.say(f"FAILED: {row.case}, {row.data}, {row.label}, {row.result}: {row.error}")
    if failed or (gate and _missed(run)):
        raise Exit(FAILED)


def _missed(run: Run) -> bool:
    from fpga_accel.bench import goals, growth

    grown = [one for one in growth.growths(run.rows) if one.ours]
    return (
        any(one.is_beyond for one in goals.standings(run.rows))
        or any(one.factor > growth.GOAL for one in grown)
        or any(one.get("peak", growth.MEMORY_GOAL) >= growth.MEMORY_GOAL for one in run.memory)
    )


def _report_writer(path: Path | None) -> Callable[[Run], None] | None:
    """Return what writes the report, so that what it lacks is said before minutes of measuring."""
    if path is None:
        return None
    try:
        from fpga_accel.bench import page
    except ImportError as error:
        raise UsageError(
            f"the report needs {error.name}, which is not installed", hint="pip install 'fpga-accel[bench]'"
        ) from None

    def write(run: Run) -> None:
        path.write_text(page.page(run), encoding="utf-8")
        output.say(f"the report is in {path}")

    return write


@bench.command()
@click.argument("before", type=options.PATH)
@click.argument("after", type=options.PATH)
@click.option(
    "--tolerance",
    metavar="SHARE",
    type=click.FloatRange(0, 1),
    help="Changes of a ratio up to this are none; 0.05 without it.",
)
@click.option("--gate", is_flag=True, help="End with 1 where something is slower or fails.")
@click.option("--all", "everything", is_flag=True, help="Show rows that did not change, too.")
@options.as_json
def compare(before: Path, after: Path, *, tolerance: float | None, gate: bool, everything: bool, as_json: bool) -> None:
    """Show what is faster or slower in the second of two runs.

    Shown are rows whose ratio to the peer changed by more than chance and the tolerance. BEFORE and AFTER are the
    result files of the runs.
    """
    from fpga_accel.bench import comparison, tables
    from fpga_accel.bench.results import Run

    allowed = comparison.TOLERANCE if tolerance is None else tolerance
    found = comparison.changes(Run.read(before), Run.read(after), tolerance=allowed)
    shown = [one for one in found if everything or one.verdict != comparison.Verdict.SAME]
    if as_json:
        output.show_json([one.as_dict() for one in shown])
    elif shown:
        output.show_table(tables.CHANGE_COLUMNS, tables.change_cells(shown))
    worse = sum(one.is_worse for one in found)
    output.say(f"{len(found)} rows, {worse} of them worse, by ratios to the peer")
    if gate and worse:
        raise Exit(FAILED)


@bench.command()
@click.argument("source", metavar="RESULTS", type=options.PATH)
@click.option(
    "--output",
    "-o",
    "out",
    metavar="PATH",
    type=options.PATH,
    default="benchmark-report.html",
    show_default=True,
    help="The HTML file.",
)
@options.as_json
def report(source: Path, *, out: Path, as_json: bool) -> None:
    """Make the report of a run: one HTML file.

    The file needs nothing else. RESULTS is the result file of the run.
    """
    from fpga_accel.bench.results import Run

    run = Run.read(source)
    write = _report_writer(out)
    if write is not None:
        write(run)
    if as_json:
        output.show_json({"report": str(out)})


@bench.command("readme")
@click.argument("source", metavar="RESULTS", type=options.PATH)
@click.option(
    "--write", metavar="README", type=options.PATH, help="Replace the block between its markers in this file."
)
@click.option(
    "--summary",
    metavar="PATH",
    type=options.PATH,
    help="Write the rows that the block shows, as a small result file.",
)
@options.as_json
def readme_figures(source: Path, *, write: Path | None, summary: Path | None, as_json: bool) -> None:
    """Make the README's table of figures of a run.

    RESULTS is the result file of the run.
    """
    from fpga_accel.bench import readme
    from fpga_accel.bench.results import Run

    run = Run.read(source)
    if write is not None:
        write.write_text(readme.written(write.read_text(encoding="utf-8"), run), encoding="utf-8")
    if summary is not None:
        summary.write_text(readme.summary(run).dumped(), encoding="utf-8")
    if as_json:
        output.show_json({"block": readme.block(run)})
    elif write is None and summary is None:
        print(readme.block(run), end="")
