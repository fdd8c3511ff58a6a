"""From a core to a placed and routed design, and on to a bitstream."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from fpga_accel.runtime.simulation.elaborate import TOP
from fpga_accel.runtime.synthesis import netlist, report, tools
from fpga_accel.runtime.synthesis.netlist import Folded
from fpga_accel.runtime.synthesis.report import Placed

DEFAULT_SEED = 1


@dataclass(frozen=True, slots=True)
class Part:
    """A part that cores are built for.

    Attributes
    ----------
    name
        The value of ``--target``.
    part
        As the bitstream's header names it.
    options
        What tells nextpnr the part.
    goal_mhz
        The clock that placer and router work towards; above what cores reach, so that they do not stop early.
    """

    name: str
    part: str
    options: tuple[str, ...]
    goal_mhz: int


PARTS = {
    part.name: part
    for part in (
        Part("ecp5-85k", "LFE5U-85F-6CABGA381", ("--85k", "--speed", "6", "--package", "CABGA381"), goal_mhz=150),
    )
}


_SYNTHESIS = ("-q", "-p", f"read_verilog -sv {TOP}.v; synth_ecp5 -top {TOP} -json {TOP}.json")


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds after which a tool is stopped."""

    yosys: float = 900
    nextpnr: float = 3600
    ecppack: float = 300


@dataclass(frozen=True, slots=True)
class Built:
    """What came of one core.

    Attributes
    ----------
    placed
        What nextpnr reports, harness included.
    lut, ff, bram
        The core's own LUTs (TRELLIS_COMB), flip-flops and block RAMs (DP16KD), the harness taken off.
    folded
        Registers that went into RAMs.
    bitstream
        The image; empty where only the report was wanted.
    """

    placed: Placed
    lut: int
    ff: int
    bram: int
    folded: Folded
    bitstream: bytes = b""

    @property
    def sha256(self) -> str:
        """Hash of the image."""
        return hashlib.sha256(self.bitstream).hexdigest()


def commands(part: Part, seed: int) -> dict[str, tuple[str, ...]]:
    """Return the arguments of each tool; the netlist pass comes between the first two."""
    route = ("--json", f"{TOP}.folded.json", "--textcfg", f"{TOP}.config", "--report", "report.json")
    goal = ("--freq", str(part.goal_mhz), "--timing-allow-fail", "--lpf-allow-unconstrained")
    return {
        "yosys": _SYNTHESIS,
        "nextpnr-ecp5": (*part.options, *route, *goal, "--seed", str(seed), "--router", "router1", "-q"),
        "ecppack": ("--compress", f"{TOP}.config", f"{TOP}.bit"),
    }


def gates(verilog: str, folder: Path, *, limits: Limits | None = None) -> tuple[str, Folded]:
    """Synthesise a design and return its netlist as Verilog of ECP5 cells, registers folded, with what the cells do.

    Parameters
    ----------
    verilog
        The design.
    folder
        Where the intermediate files and logs are left.
    limits
        Time limits of the tools.
    """
    limits = limits or Limits()
    folder.mkdir(parents=True, exist_ok=True)
    folded = _synthesised(verilog, folder, limits)[1]
    script = f"read_json {TOP}.folded.json; write_verilog -noattr gates.v"
    tools.run("yosys", ("-q", "-p", script), folder, limit_seconds=limits.yosys)
    cells = Path(__file__).with_name("cells.v").read_text(encoding="utf-8")
    return (folder / "gates.v").read_text(encoding="utf-8") + cells, folded


def _synthesised(verilog: str, folder: Path, limits: Limits) -> tuple[netlist.Module, Folded]:
    (folder / f"{TOP}.v").write_text(verilog, encoding="utf-8")
    tools.run("yosys", _SYNTHESIS, folder, limit_seconds=limits.yosys)
    synthesised = json.loads((folder / f"{TOP}.json").read_text(encoding="utf-8"))
    module = netlist.top_of(synthesised, TOP)
    folded = netlist.fold_output_registers(module)
    (folder / f"{TOP}.folded.json").write_text(json.dumps(synthesised), encoding="utf-8")
    return module, folded


def build(
    verilog: str, part: Part, folder: Path, *, seed: int = DEFAULT_SEED, pack: bool = True, limits: Limits | None = None
) -> Built:
    """Synthesise, place and route a design in the harness.

    Parameters
    ----------
    verilog
        The design, as `harness.verilog_of` gives it.
    part
        What it is built for.
    folder
        Where the intermediate files and logs are left.
    seed
        Of placer and router; one seed gives one result.
    pack
        Whether to make the bitstream too.
    limits
        Time limits of the tools.
    """
    tools.require()
    limits = limits or Limits()
    folder.mkdir(parents=True, exist_ok=True)
    arguments = commands(part, seed)
    module, folded = _synthesised(verilog, folder, limits)
    tools.run("nextpnr-ecp5", arguments["nextpnr-ecp5"], folder, limit_seconds=limits.nextpnr)
    placed = report.read(json.loads((folder / "report.json").read_text(encoding="utf-8")))
    extra = netlist.of_the_harness(module)
    if pack:
        tools.run("ecppack", arguments["ecppack"], folder, limit_seconds=limits.ecppack)
    return Built(
        placed=placed,
        lut=placed.used["TRELLIS_COMB"] - extra[netlist.LUT],
        ff=placed.used["TRELLIS_FF"] - extra[netlist.FLIP_FLOP],
        bram=placed.used[netlist.RAM],
        folded=folded,
        bitstream=(folder / f"{TOP}.bit").read_bytes() if pack else b"",
    )
