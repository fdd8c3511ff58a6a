"""The README's figures: a table made of a run, between two markers."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from fpga_accel.bench.cases import is_quoted
from fpga_accel.bench.contestants import Result
from fpga_accel.bench.results import Row, Run
from fpga_accel.bench.tables import thread_counts

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
# Columns of ours: device, and the forms of result that they show.
_COLUMNS = (
    ("opencl", (Result.BYTES, Result.LIST), "`opencl`, fresh bytes"),
    ("opencl", (Result.INTO, Result.BATCH), "`opencl`, into a buffer or `Batch`"),
    ("auto", (Result.BYTES, Result.LIST), "`auto`, fresh bytes"),
)


def block(run: Run) -> str:
    """Return what stands between the markers."""
    cores = int(run.environment["cores"])
    counts = ", ".join(f"{threads}T" for threads in thread_counts(cores))
    head = ["case", "data", *(f"{title}: {counts}" for _, _, title in _COLUMNS), "compression: ours, peer's"]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in filter(_is_shown, run.rows):
        groups.setdefault((row.case, row.data), []).append(row)
    lines = [_line([case, data, *_figures(group, cores)]) for (case, data), group in groups.items()]
    table = "\n".join((_line(head), _line(["---"] * len(head)), *lines))
    return f"{_machine(run)}\n\n{table}\n"


def summary(run: Run) -> Run:
    """Return the run with no more than `block` needs, which it makes the same block of."""
    kept = [replace(row, samples=[]) for row in run.rows if _is_shown(row) and _is_kept(row)]
    return replace(run, rows=kept)


def written(text: str, run: Run) -> str:
    """Return a README with its block made anew.

    Raises
    ------
    ValueError
        It has no markers.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN} or, behind it, no {END}")
    return f"{before}{begin}\n{block(run)}{end}{after}"


def _is_shown(row: Row) -> bool:
    return is_quoted(row.work, row.data, row.size, row.count, row.phase)


def _is_kept(row: Row) -> bool:
    if row.ours:
        return not row.bound and any(row.contestant == device and row.result in forms for device, forms, _ in _COLUMNS)
    return row.threads == 1 and row.result in (Result.BYTES, Result.LIST)


def _figures(group: list[Row], cores: int) -> list[str]:
    ours = [_pair(_find(group, device, forms), cores) for device, forms, _ in _COLUMNS]
    device, forms, _ = _COLUMNS[0]
    mine = _find(group, device, forms)
    peer = next((row for row in group if not row.ours and row.threads == 1), None)
    both = [row.ratio if row else math.nan for row in (mine, peer)]
    return [*ours, "-" if math.isnan(both[0]) else ", ".join(map(_two_digits, both))]


def _find(group: Iterable[Row], device: str, forms: tuple[Result, ...]) -> Row | None:
    found = (row for row in group if row.ours and not row.bound and row.contestant == device and row.result in forms)
    return next(found, None)


def _pair(row: Row | None, cores: int) -> str:
    if row is None or not row.versus:
        return "-"
    return ", ".join(_two_digits(row.best(threads)) for threads in thread_counts(cores))


def _two_digits(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "-"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _machine(run: Run) -> str:
    """Return a sentence on what the figures were measured on, in lines of the README's width."""
    about: dict[str, Any] = run.environment
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    peers = ", ".join(name for name, version in about["peers"].items() if version)
    data = "; ".join(f"{name}: {origin}" for name, origin in about["data"].items())
    commit = f", commit {about['commit']}" if about.get("commit") else ""
    text = (
        f"One run of {run.settings['started'][:10]}{commit}: {about['cpu']}, {about['cores']} cores, {packages}, "
        f"liblz4 {about['liblz4']}. Peers: {peers}. Data: {data}."
    )
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)
