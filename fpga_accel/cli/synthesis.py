"""The part of ``fpga-accel bitstream`` that is about RTL cores on an ECP5."""

from __future__ import annotations

from fpga_accel import config
from fpga_accel.cli import output
from fpga_accel.runtime.manifests import Manifest
from fpga_accel.runtime.synthesis import cores, flow, tools
from fpga_accel.runtime.synthesis.flow import Built, Part

# Characters of a cell's name that are shown.
_LONGEST = 90


def build(manifest: Manifest, variant: str | None, part: Part, seed: int, *, report_only: bool, as_json: bool) -> None:
    """Synthesise, place and route a core in its shell, and say what came of it."""
    tools.require()
    core = cores.named(manifest, variant)
    folder = (config.cache_dir() / "images" / "work" / f"{manifest.name}-{core.name}-{part.name}-{seed}").absolute()
    made = flow.build(cores.verilog_of(manifest, core), part, folder, seed=seed, pack=not report_only)
    _show(made, str(folder), as_json)


def _show(made: Built, folder: str, as_json: bool) -> None:
    figures = {"lut": made.lut, "ff": made.ff, "bram": made.bram, "fmax_mhz": made.placed.fmax_mhz}
    if as_json:
        output.show_json(figures | {"folder": folder})
        return
    rows = [
        ("LUT (TRELLIS_COMB)", f"{made.lut} of {made.placed.available['TRELLIS_COMB']}"),
        ("FF", f"{made.ff}"),
        ("block RAM (DP16KD)", f"{made.bram} of {made.placed.available['DP16KD']}"),
        ("Fmax after routing", f"{made.placed.fmax_mhz} MHz"),
        ("RAM registers folded", f"{made.folded.ports} ports, {made.folded.flip_flops} flip-flops"),
        ("files", folder),
    ]
    output.show_table(("figure", "value"), rows)
    path = [(f"{step.nanoseconds:.2f}", step.kind, _short(step.what)) for step in made.placed.critical]
    output.show_table((">ns", "slowest path", "cell or net"), path)


def _short(name: str) -> str:
    """Cut what Yosys puts behind the name of a register or net to make a cell's name of it."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
