"""The report of a run: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jinja2

from fpga_accel.bench import charts, goals, growth, tables
from fpga_accel.bench.cases import Phase
from fpga_accel.bench.results import Row, Run

_TEMPLATE = "page.html"


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name, and whether it holds numbers."""

    name: str
    is_number: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]


def page(run: Run) -> str:
    """Return the report as HTML."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(resources.files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8"))
    standings = goals.standings(run.rows)
    return template.render(
        started=run.settings["started"],
        facts=_facts(run),
        failed=[row for row in run.rows if row.error],
        beyond=sum(one.is_beyond for one in standings),
        standings=len(standings),
        worst=_table("The worst rows of auto", tables.WORST_COLUMNS, tables.worst_cells(standings)),
        charts=charts.charts(run),
        growth=_grown(run),
        rows=_rows(run),
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    return Table(title, [Column(name.lstrip(">"), name.startswith(">")) for name in columns], rows)


def _facts(run: Run) -> list[tuple[str, str]]:
    """Return the environment in words."""
    about: dict[str, Any] = run.environment
    devices = [f"{one['id']}: {one['name']} ({one['kind']}; {one['platform']})" for one in about["devices"]]
    absent = [f"{name}: {cause}" for name, cause in run.settings.get("absent", {}).items()]
    found = [
        ("Started", run.settings["started"]),
        ("Processor", f"{about['cpu']}, {about['cores']} cores"),
        ("System", f"{about.get('system', '-')}, Python {about['python']}"),
        ("This package", f"{about['fpga_accel']}{', commit ' + about['commit'] if about.get('commit') else ''}"),
        ("Devices", "; ".join(devices) or "none"),
        ("Devices absent", "; ".join(absent) or "none"),
        ("Peers", ", ".join(f"{name} {version or '(absent)'}" for name, version in about["peers"].items())),
        ("Packages", ", ".join(f"{name} {version}" for name, version in about["packages"].items())),
        ("Data", "; ".join(f"{name}: {origin}" for name, origin in about["data"].items())),
    ]
    return [(name, str(value)) for name, value in found]


def _grown(run: Run) -> list[Table]:
    found = growth.growths(run.rows)
    shown = []
    if found:
        shown.append(_table("Time a byte as inputs grow", tables.GROWTH_COLUMNS, tables.growth_cells(found)))
    if run.memory:
        shown.append(_table("Peak memory of a file", tables.MEMORY_COLUMNS, tables.memory_cells(run.memory)))
    return shown


def _rows(run: Run) -> list[Table]:
    """Return all rows, a table a work and phase."""
    cores = int(run.environment["cores"])
    groups: dict[str, list[Row]] = {}
    for row in run.rows:
        groups.setdefault(row.work if row.phase == Phase.WARM else f"{row.work}, {row.phase}", []).append(row)
    return [
        _table(title, tables.columns(cores), [tables.cells(row, cores) for row in group])
        for title, group in groups.items()
    ]
