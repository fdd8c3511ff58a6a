"""The part of ``fpga-accel bitstream`` that is about RTL cores on an ECP5."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fpga_accel import config
from fpga_accel.cli import output
from fpga_accel.cli.failures import UsageError
from fpga_accel.runtime import manifests
from fpga_accel.runtime.bitstreams import catalog, formats, sources
from fpga_accel.runtime.bitstreams.entries import Entry
from fpga_accel.runtime.manifests import Core, Manifest
from fpga_accel.runtime.synthesis import clocks, cores, figures, flow, tools
from fpga_accel.runtime.synthesis.figures import Figures
from fpga_accel.runtime.synthesis.flow import Built, Part
from fpga_accel.segments import ABI_VERSION

# Value of ``--variant`` for every core of a kernel folder.
ALL = "all"
_PAGE, _PLOT = "scaling.md", "scaling.svg"
# Characters of a cell's name that are shown.
_LONGEST = 90
_TESTED = "placed and routed in a measuring harness; it ran on no board"
_COLUMNS = ("operation", "core", "target", ">LUT", ">FF", ">block RAM", ">MHz", ">bytes a clock", ">MB/s")


def build(
    manifest: Manifest,
    variant: str | None,
    part: Part,
    seed: int,
    *,
    report_only: bool,
    update: bool,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Synthesise, place and route cores of a kernel folder, and say what came of it."""
    first = cores.named(manifest, None if variant == ALL else variant)
    chosen = manifest.cores if variant == ALL else (first,)
    if dry_run:
        _show_commands(part, seed, as_json)
        return
    tools.require()
    rows = []
    for core in chosen:
        # Of what is built: the files may change while the tools run.
        source = sources.hash_of_core(manifest, core)
        made = _built(manifest, core, part, seed, pack=not report_only)
        added = None if report_only else _add(manifest, core, part, made, source)
        row = figures_of(manifest, core, part, seed, made, source) if update else None
        if row is not None:
            figures.put(figures.shipped_path(), row)
        if as_json:
            rows.append(_row(core, made, added))
        else:
            _show(core, made, added)
    if as_json:
        output.show_json(rows if variant == ALL else rows[0])


def _folder(manifest: Manifest, core: Core, part: Part, seed: int) -> Path:
    name = f"{core.entry}-{core.name}-{part.name}-{seed}"
    return (config.cache_dir() / "images" / "work" / name).absolute()


def _built(manifest: Manifest, core: Core, part: Part, seed: int, *, pack: bool) -> Built:
    output.say(f"fpga-accel: {core.entry}/{core.name}: synthesis, then place and route")
    verilog = cores.verilog_of(manifest, core)
    return flow.build(verilog, part, _folder(manifest, core, part, seed), seed=seed, pack=pack)


def _add(manifest: Manifest, core: Core, part: Part, made: Built, source: str) -> Path:
    """Put the image into the user's catalog."""
    image = formats.read(made.bitstream)
    entry = Entry(
        path=f"{core.entry}-{core.name}-{part.name}.bit",
        format=image.format,
        target=image.target,
        mode=image.mode,
        build_mode=str(image.detail["build_mode"]),
        abi=ABI_VERSION,
        kernel=manifest.name,
        variant=core.name,
        entries=(core.entry,),
        sha256=image.sha256,
        source_sha256=source,
        tested=_TESTED,
        clock_mhz=made.placed.fmax_mhz,
        resources={"lut": made.lut, "ff": made.ff, "bram": made.bram},
    )
    return catalog.add(made.bitstream, entry)


def figures_of(manifest: Manifest, core: Core, part: Part, seed: int, made: Built, source: str) -> Figures:
    """Return the row of a core that was built, its clocks measured in simulation."""
    counted = clocks.measure(manifest, core)
    return Figures(
        kernel=manifest.name,
        variant=core.name,
        operation=core.entry,
        target=part.name,
        lut=made.lut,
        ff=made.ff,
        bram=made.bram,
        fmax_mhz=made.placed.fmax_mhz,
        bytes_per_clock=counted.bytes_per_clock,
        segment_clocks=counted.segment,
        seed=seed,
        tools=tools.versions(),
        source_sha256=source,
        sha256=made.sha256,
        size=len(made.bitstream),
    )


def _show_commands(part: Part, seed: int, as_json: bool) -> None:
    commands = [shlex.join(tools.command(name, given)) for name, given in flow.commands(part, seed).items()]
    if as_json:
        output.show_json({"commands": commands})
        return
    print("\n".join(commands))


def _row(core: Core, made: Built, added: Path | None) -> dict[str, Any]:
    counted = {"lut": made.lut, "ff": made.ff, "bram": made.bram, "fmax_mhz": made.placed.fmax_mhz}
    return {"operation": core.entry, "variant": core.name, "file": str(added) if added else None} | counted


def _show(core: Core, made: Built, added: Path | None) -> None:
    rows = [
        ("LUT (TRELLIS_COMB)", f"{made.lut} of {made.placed.available['TRELLIS_COMB']}"),
        ("FF", f"{made.ff}"),
        ("block RAM (DP16KD)", f"{made.bram} of {made.placed.available['DP16KD']}"),
        ("Fmax after routing", f"{made.placed.fmax_mhz} MHz"),
        ("RAM registers folded", f"{made.folded.ports} ports, {made.folded.flip_flops} flip-flops"),
    ]
    output.show_table(("core", f"{core.entry}/{core.name}"), [*rows, ("image", str(added))] if added else rows)
    path = [(f"{step.nanoseconds:.2f}", step.kind, _short(step.what)) for step in made.placed.critical]
    output.show_table((">ns", "slowest path", "cell or net"), path)


def _short(name: str) -> str:
    """Cut what Yosys puts behind the name of a register or net to make a cell's name of it."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


# -- figures ---------------------------------------------------------------------------------------------------------


def as_json(row: Figures) -> dict[str, Any]:
    """Return the row as ``bitstream list --json`` prints it."""
    return asdict(row)


def show_figures(rows: list[Figures]) -> None:
    """Print the table of shipped figures."""
    shown = [
        (
            row.operation,
            row.variant,
            row.target,
            row.lut,
            row.ff,
            row.bram,
            row.fmax_mhz,
            row.bytes_per_clock,
            round(row.megabytes_per_second),
        )
        for row in rows
    ]
    output.show_table(_COLUMNS, shown)


def problems(row: Figures, *, rebuild: bool) -> Iterator[str]:
    """Yield what is wrong with shipped figures: a changed source, and with `rebuild` another result."""
    stale = list(figures.problems(row))
    yield from stale
    if stale or not rebuild:
        return
    manifest, part = manifests.shipped(row.kernel), flow.PARTS[row.target]
    core = next(core for core in manifest.cores if (core.entry, core.name) == (row.operation, row.variant))
    made = _built(manifest, core, part, row.seed, pack=True)
    today = figures_of(manifest, core, part, row.seed, made, row.source_sha256)
    for name, value in asdict(today).items():
        if getattr(row, name) != value:
            yield f"{name} is {value}, the table says {getattr(row, name)}"


def write_report(folder: Path, rows: list[Figures]) -> None:
    """Write the page of the scaling model and its plot."""
    from fpga_accel.bench import scaling

    if not rows:
        raise UsageError("there are no figures; see fpga-accel bitstream build --update-figures")
    cpu = {operation: scaling.cpu_rate(operation) for operation in {row.operation for row in rows}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _PLOT).write_text(scaling.plot(rows, cpu), encoding="utf-8")
    (folder / _PAGE).write_text(scaling.page(rows, cpu, _PLOT), encoding="utf-8")
    print(folder / _PAGE)
