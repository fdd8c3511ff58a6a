"""Pictures of a run as SVG that is put into a page: no font, no script and no reference to anything outside of it.

Colours are names of the page's, so that one picture is readable on light and on dark ground.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from fpga_accel.bench import growth
from fpga_accel.bench.cases import Phase, size_text
from fpga_accel.bench.contestants import Result
from fpga_accel.bench.results import Row, Run
from fpga_accel.bench.tables import number
from fpga_accel.bench.works.work import KIB

# Colours that nothing else has, and what the page calls them.
INK, FAINT = "#010203", "#010204"
SERIES = ("#010211", "#010212", "#010213", "#010214", "#010215", "#010216")
_NAMES: Mapping[str, str] = MappingProxyType(
    {INK: "var(--ink)", FAINT: "var(--faint)"} | {color: f"var(--series-{i})" for i, color in enumerate(SERIES, 1)}
)
_STYLE: Mapping[Any, Any] = MappingProxyType(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "fpga-accel",
        "font.family": "sans-serif",
        "font.size": 9.0,
        "axes.titlesize": 10.0,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": FAINT,
        "axes.facecolor": "none",
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "grid.color": FAINT,
        "grid.linewidth": 0.5,
        "legend.frameon": False,
        "lines.linewidth": 1.6,
        "lines.markersize": 4.0,
    }
)
_WIDTH, _ROW = 9.6, 2.6
_DASHES: Mapping[str, Any] = MappingProxyType(
    {Result.BYTES: "-", Result.LIST: "-", Result.INTO: (0, (4, 2)), Result.BATCH: (0, (4, 2))}
)
# Below this a launch is nearly all there is to see.
_SPLIT_FROM = 64 * KIB
_UNWANTED = re.compile(r'<\?xml.*?\?>|<!DOCTYPE.*?>|<style.*?</style>|\sxmlns(?::\w+)?="[^"]*"|<!--.*?-->', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture and what it says to those who do not see it."""

    title: str
    caption: str
    svg: str


def charts(run: Run) -> list[Chart]:
    """Draw what a run has figures for."""
    rows = [row for row in run.rows if not row.error]
    with mpl.rc_context(dict(_STYLE)):
        drawn = (_by_size(rows), _batches(rows), _split(rows), _growth(rows))
    return [chart for chart in drawn if chart is not None]


# -- the pictures ----------------------------------------------------------------------------------------------------


def _by_size(rows: Sequence[Row]) -> Chart | None:
    single = [row for row in rows if row.ours and row.phase == Phase.WARM and row.count == 1 and row.speedup > 0]
    lines: dict[str, dict[tuple[str, str], list[tuple[int, float]]]] = {}
    for row in single:
        if row.data == _first_data(single, row.work) and not row.bound:
            key = (row.contestant, row.result)
            lines.setdefault(row.work, {}).setdefault(key, []).append((row.size, row.speedup))
    if not lines:
        return None
    devices = _in_order(device for found in lines.values() for device, _ in found)

    def draw(axes: Axes, work: str) -> None:
        for (device, result), points in lines[work].items():
            sizes, values = zip(*sorted(points), strict=True)
            color = SERIES[devices.index(device) % len(SERIES)]
            label = f"{device}, {result}"
            axes.plot(sizes, values, color=color, linestyle=_DASHES[result], marker="o", label=label)
        axes.axhline(1, color=INK, linewidth=0.8)
        _size_axis(axes, [size for points in lines[work].values() for size, _ in points])
        _ratio_axis(axes.yaxis, axes.set_yscale)
        axes.set_ylabel("times the peer")
        axes.set_title(f"{work}, {_first_data(single, work)}", loc="left")

    worst = min(single, key=lambda row: row.speedup)
    best = max(single, key=lambda row: row.speedup)
    caption = (
        "Speed of single calls by size, as a multiple of the fastest peer on one thread; above 1 is faster. "
        f"From {_figure(worst)} to {_figure(best)}."
    )
    return Chart("Single calls against the best peer", caption, _grid("size", list(lines), draw, caption))


def _batches(rows: Sequence[Row]) -> Chart | None:
    wanted = [row for row in rows if row.ours and row.phase == Phase.WARM and row.count > 1 and row.speedup > 0]
    if not wanted:
        return None
    names = _in_order(row.case for row in wanted)
    kinds = _in_order((row.contestant, row.result) for row in wanted)
    devices = _in_order(device for device, _ in kinds)
    figure = _figure_of(0.24 * len(names) + 1.2)
    axes = figure.subplots()
    for kind in kinds:
        # Beside each other, where they would hide one another.
        aside = 0.16 * (kinds.index(kind) - (len(kinds) - 1) / 2)
        points = [(names.index(r.case) + aside, r.speedup) for r in wanted if (r.contestant, r.result) == kind]
        places, values = zip(*points, strict=True)
        marker = "D" if kind[1] == Result.BATCH else "o"
        color = SERIES[devices.index(kind[0]) % len(SERIES)]
        axes.plot(values, places, marker, color=color, label=", ".join(kind), markersize=5)
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y")
    _ratio_axis(axes.xaxis, axes.set_xscale)
    axes.set_xlabel("times the fastest peer, on any number of threads")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=6)
    worst = min(wanted, key=lambda row: row.speedup)
    best = max(wanted, key=lambda row: row.speedup)
    caption = (
        "Speed of batches, one call each, as a multiple of the fastest peer in a loop, on one thread or on all; right "
        f"of the line at 1 is faster. From {_figure(worst)} to {_figure(best)}."
    )
    return Chart("Batches against the best peer", caption, _svg(figure, "batches", caption))


def _split(rows: Sequence[Row]) -> Chart | None:
    fresh = (Result.BYTES, Result.LIST)
    wanted = [
        row
        for row in rows
        if row.phase == Phase.WARM and row.kernel > 0 and row.result in fresh and row.contestant != "auto"
        if row.size * row.count >= _SPLIT_FROM and row.data == _first_data(rows, row.work)
    ]
    if not wanted:
        return None
    several = len({row.contestant for row in wanted}) > 1
    names = [f"{row.case} ({row.contestant})" if several else row.case for row in wanted]
    figure = _figure_of(0.22 * len(names) + 1.0)
    axes = figure.subplots()
    places = range(len(wanted))
    kernel = [min(100.0, 100 * row.kernel / row.median) for row in wanted]
    copies = [min(100.0 - one, 100 * row.transfer_share) for one, row in zip(kernel, wanted, strict=True)]
    both = [one + other for one, other in zip(kernel, copies, strict=True)]
    axes.barh(places, kernel, color=SERIES[0], label="kernels")
    axes.barh(places, copies, left=kernel, color=SERIES[1], label="copies")
    axes.barh(places, [100 - one for one in both], left=both, color=FAINT, label="host: framing, objects, waiting")
    axes.set_yticks(places, names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of a call, end to end")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    most = max(range(len(wanted)), key=lambda i: kernel[i])
    caption = (
        "Where the time of a call on a device goes, by its receipts: kernels, copies to and from the device, and all "
        f"the rest on the host. Kernels take the most in {names[most]}: {kernel[most]:.0f} %."
    )
    return Chart("Where the time goes", caption, _svg(figure, "split", caption))


def _growth(rows: Sequence[Row]) -> Chart | None:
    found = growth.growths(rows)
    if not found:
        return None
    names = _in_order(one.label for one in found)

    def draw(axes: Axes, work: str) -> None:
        for one in found:
            if one.work != work:
                continue
            sizes, times = zip(*one.points, strict=True)
            color = SERIES[names.index(one.label) % len(SERIES)] if one.ours else INK
            label = f"{one.label}, {one.result}"
            values = [seconds * 1e9 for seconds in times]
            axes.plot(sizes, values, color=color, linestyle=_DASHES[one.result], marker="o", label=label)
        _size_axis(axes, [size for one in found for size, _ in one.points])
        axes.set_ylim(bottom=0)
        axes.grid(axis="y")
        axes.set_ylabel("ns a byte")
        axes.set_title(work, loc="left")

    ours = [one for one in found if one.ours]
    worst = max(ours or found, key=lambda one: one.factor)
    caption = (
        "Time a byte as inputs grow; a level line is linear growth. The most by the least time a byte is "
        f"{number(worst.factor, 3)} at worst, in {worst.work} by {worst.label} ({worst.result}); goal {growth.GOAL}."
    )
    return Chart("Growth", caption, _grid("growth", _in_order(one.work for one in found), draw, caption))


# -- what they share -------------------------------------------------------------------------------------------------


def _figure(row: Row) -> str:
    return f"{number(row.speedup, 3)} ({row.case}, {row.label}, {row.result})"


def _in_order(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _first_data(rows: Iterable[Row], work: str) -> str:
    return next(row.data for row in rows if row.work == work)


def _grid(name: str, works: Sequence[str], draw: Callable[[Axes, str], None], caption: str) -> str:
    """Draw one picture of a panel a work, two beside each other, with one legend."""
    columns = min(2, len(works))
    lines = -(-len(works) // columns)
    figure = _figure_of(_ROW * lines + 0.5)
    panels = figure.subplots(lines, columns, squeeze=False).flatten()
    labels: dict[str, Any] = {}
    for axes, work in zip(panels, works, strict=False):
        draw(axes, work)
        handles, named = axes.get_legend_handles_labels()
        labels |= dict(zip(named, handles, strict=True))
    for axes in panels[len(works) :]:
        axes.set_axis_off()
    figure.legend(list(labels.values()), list(labels), loc="outside upper center", ncols=4)
    return _svg(figure, name, caption)


def _figure_of(height: float) -> Figure:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    figure.patch.set_visible(False)
    return figure


def _size_axis(axes: Axes, sizes: Iterable[int]) -> None:
    ticks = sorted(set(sizes))
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [size_text(size).replace(" ", "\n") for size in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def _ratio_axis(axis: Any, set_scale: Callable[[str], None]) -> None:
    set_scale("log")
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
    axis.grid(True)


def _svg(figure: Figure, name: str, caption: str) -> str:
    """Return an element for a page; `name` keeps its ids apart from those of other pictures."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = _UNWANTED.sub("", text.getvalue()).replace("xlink:href", "href")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    for color, called in _NAMES.items():
        svg = svg.replace(color, called)
    label = html.escape(caption, quote=True)
    svg = re.sub(r'<svg\s+width="[^"]*"\s+height="[^"]*"|<svg(?:\s+(?:width|height)="[^"]*")+', "<svg", svg)
    return svg.strip().replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
