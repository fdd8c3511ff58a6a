"""``fpga-accel bench``: run the suite; compare two runs; make the report and the README's figures of one.

The suite is imported by the functions that need it: other commands start a tenth faster without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fpga_accel.cli import output
from fpga_accel.cli.failures import FAILED, UsageError
from fpga_accel.cli.options import Json

if TYPE_CHECKING:
    from fpga_accel.bench.results import Run

RESULTS = Path("benchmark-results")
_ALL = "all"

app = typer.Typer(
    rich_markup_mode="markdown",
    help="Time this package against the libraries that it stands in for.",
)

_CHOICE = "Which cases"
Devices = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="May be given more than once; all is every usable one. Without it: opencl, auto, cpu.",
        show_default=False,
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="Fewer cases and rounds: 3 minutes on 2 cores, not an hour.")]
Quoted = Annotated[
    bool,
    typer.Option("--quoted", help="The cases of the README's table: a quarter of an hour.", rich_help_panel=_CHOICE),
]
Growth = Annotated[
    bool, typer.Option("--growth", help="Also time a byte from 1 MiB to 1 GiB, and the peak memory of a file.")
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT",
        help='Cases whose name and data hold this, such as "gcm" or "64 MiB text"; all of several.',
        rich_help_panel=_CHOICE,
        show_default=False,
    ),
]
Operation = Annotated[
    list[str] | None,
    typer.Option(
        "--op",
        metavar="OPERATION",
        help="Cases of this operation, such as lz4.compress; any of several.",
        rich_help_panel=_CHOICE,
        show_default=False,
    ),
]
Size = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SIZE",
        help="Cases with items of this size, such as 64KiB; any of several.",
        rich_help_panel=_CHOICE,
        show_default=False,
    ),
]
Listed = Annotated[bool, typer.Option("--list", help="Print the names of the cases and end.")]
Results = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="PATH", help=f"Result file; by default {RESULTS}/DATE.json."),
]
Html = Annotated[Path | None, typer.Option("--html", metavar="PATH", help="Write the report too.")]
Gate = Annotated[bool, typer.Option("--gate", help="End with 1 where a goal is missed.")]
Source = Annotated[Path, typer.Argument(metavar="RESULTS", help="A result file.")]


@app.callback(invoke_without_command=True)
def bench(
    ctx: typer.Context,
    *,
    device: Devices = None,
    quick: Quick = False,
    growth: Growth = False,
    only: Only = None,
    op: Operation = None,
    size: Size = None,
    quoted: Quoted = False,
    listed: Listed = False,
    out: Results = None,
    html: Html = None,
    gate: Gate = False,
    as_json: Json = False,
) -> None:
    """Time this package against the libraries that it stands in for, side by side in one process.

    Every output is checked. The table ends with the rows of auto that are furthest from their goals. Ends with 1
    where a contestant failed or made wrong bytes, and with --gate where a goal is missed.
    """
    if ctx.invoked_subcommand is not None:
        return
    from fpga_accel.bench import cases, suite

    found = cases.cases(growth=growth)
    sizes = [cases.size_of(text) for text in size or ()]
    wanted = cases.chosen(found, only=only or (), operations=op or (), sizes=sizes, quick=quick, quoted=quoted)
    if not wanted:
        raise UsageError("no case is left of these choices", hint="--list shows all cases")
    if listed:
        print("\n".join(f"{case.name}, {case.data}" for case in wanted))
        return
    draw = _report_writer(html)
    run = suite.run(wanted, _devices(device), quick=quick, say=output.say)
    _keep(run, out or RESULTS / f"{datetime.now():%Y-%m-%d-%H%M%S}.json")
    if draw is not None:
        draw(run)
    if as_json:
        print(run.dumped())
    else:
        _show(run)
    _end(run, gate=gate)


def _devices(given: Sequence[str] | None) -> Sequence[str]:
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
        raise typer.Exit(FAILED)


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


Before = Annotated[Path, typer.Argument(metavar="BEFORE", help="The result file of the first run.")]
After = Annotated[Path, typer.Argument(metavar="AFTER", help="The result file of the second run.")]
Tolerance = Annotated[
    float | None,
    typer.Option(metavar="SHARE", min=0, max=1, help="Changes of a ratio up to this are none; 0.05 without it."),
]
WorseGate = Annotated[bool, typer.Option("--gate", help="End with 1 where something is slower or fails.")]
Everything = Annotated[bool, typer.Option("--all", help="Show rows that did not change, too.")]


@app.command()
def compare(
    before: Before,
    after: After,
    *,
    tolerance: Tolerance = None,
    gate: WorseGate = False,
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """Show whose ratios to the peer changed between two runs by more than chance and the tolerance."""
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
        raise typer.Exit(FAILED)


ReportPath = Annotated[Path, typer.Option("--output", "-o", metavar="PATH", help="The HTML file.")]


@app.command()
def report(source: Source, *, out: ReportPath = Path("benchmark-report.html"), as_json: Json = False) -> None:
    """Make the report of a run: one HTML file that needs nothing else."""
    from fpga_accel.bench.results import Run

    run = Run.read(source)
    write = _report_writer(out)
    if write is not None:
        write(run)
    if as_json:
        output.show_json({"report": str(out)})


Write = Annotated[
    Path | None,
    typer.Option("--write", metavar="README", help="Replace the block between its markers in this file."),
]
Summary = Annotated[
    Path | None,
    typer.Option("--summary", metavar="PATH", help="Write the rows that the block shows, as a small result file."),
]


@app.command("readme")
def readme_figures(source: Source, *, write: Write = None, summary: Summary = None, as_json: Json = False) -> None:
    """Make the README's table of figures of a run."""
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
