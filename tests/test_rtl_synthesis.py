"""Synthesis for an ECP5: netlist pass, reports, figures; with the word ``synthesis``, minutes of the tools too."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import required
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from figure_rows import row

from fpga_accel.cli import synthesis as synthesis_commands
from fpga_accel.cli.app import application
from fpga_accel.errors import FormatError
from fpga_accel.runtime import manifests
from fpga_accel.runtime.bitstreams import formats, sources
from fpga_accel.runtime.bitstreams.recipes import ToolFailedError, ToolNotFoundError
from fpga_accel.runtime.manifests import Core, Manifest
from fpga_accel.runtime.synthesis import cores, figures, flow, netlist, report, tools
from fpga_accel.runtime.synthesis.figures import Figures

CLOCK, OTHER_CLOCK, ENABLE = 2, 3, 4


# -- the netlist pass ------------------------------------------------------------------------------------------------


def ram(**changes: Any) -> dict[str, Any]:
    """A block RAM of which port B is read: bits 100 to 108."""
    pins: dict[str, list[Any]] = {f"DO{port}{bit}": [] for port in "AB" for bit in range(18)}
    pins |= {f"DOB{bit}": [100 + bit] for bit in range(9)}
    pins |= {f"{pin}{port}": ["0"] for port in "AB" for pin in ("RST", "WE")}
    pins |= {f"{pin}{port}": ["1"] for port in "AB" for pin in ("CE", "OCE")} | {"CLKA": [CLOCK], "CLKB": [CLOCK]}
    parameters = {f"REGMODE_{port}": "NOREG" for port in "AB"} | {f"CLK{port}MUX": f"CLK{port}" for port in "AB"}
    parameters |= {f"DATA_WIDTH_{port}": f"{9:032b}" for port in "AB"}
    return {
        "type": "DP16KD",
        "parameters": parameters | {name: changes.pop(name) for name in list(changes) if name in parameters},
        "port_directions": {pin: "output" if pin.startswith("DO") else "input" for pin in pins},
        "connections": pins | changes,
    }


def wide_ram(**changes: Any) -> dict[str, Any]:
    """A block RAM that A writes and B reads, 36 bits at a time: bits 100 to 108 come of the pins of B, 9 more of A."""
    widths = {f"DATA_WIDTH_{port}": f"{36:032b}" for port in "AB"}
    return ram(**({f"DOA{bit}": [109 + bit] for bit in range(9)} | widths | {"OCEA": ["0"]} | changes))


def flip_flop(source: int, target: int, pins: dict[str, Any] | None = None, **parameters: str) -> dict[str, Any]:
    """A flip-flop as Yosys writes one that is always enabled and never reset, but for what is said."""
    connections = {"CLK": [CLOCK], "DI": [source], "LSR": ["0"], "Q": [target]} | (pins or {})
    plain = {"CEMUX": "1 ", "CLKMUX": "CLK", "GSR": "DISABLED", "LSRMUX": "LSR", "REGSET": "RESET"}
    return {
        "type": "TRELLIS_FF",
        "parameters": plain | parameters,
        "port_directions": {pin: "output" if pin == "Q" else "input" for pin in connections},
        "connections": connections,
    }


def lut(source: int) -> dict[str, Any]:
    pins = {"A": [source], "Z": [50]}
    return {
        "type": "LUT4",
        "parameters": {},
        "port_directions": {pin: "output" if pin == "Z" else "input" for pin in pins},
        "connections": pins,
    }


def module(**cells: Any) -> dict[str, Any]:
    registers = {f"register_{bit}": flip_flop(100 + bit, 200 + bit) for bit in range(9)}
    return {"cells": {"ram": ram()} | registers | cells, "ports": {}, "netnames": {}}


def test_registers_behind_a_ram_become_its_own() -> None:
    netlisted = module()
    assert netlist.fold_output_registers(netlisted) == netlist.Folded(ports=1, flip_flops=9)
    assert list(netlisted["cells"]) == ["ram"]
    cell = netlisted["cells"]["ram"]
    assert cell["parameters"]["REGMODE_B"] == "OUTREG"
    assert cell["parameters"]["REGMODE_A"] == "NOREG"
    assert [cell["connections"][f"DOB{bit}"] for bit in range(9)] == [[200 + bit] for bit in range(9)]
    assert cell["connections"]["OCEB"] == ["1"]
    assert netlist.fold_output_registers(netlisted) == netlist.Folded(0, 0)


def test_both_halves_of_a_wide_port_are_its_register() -> None:
    behind = {f"register_{bit}": flip_flop(100 + bit, 200 + bit, {"CE": [ENABLE]}, CEMUX="CE") for bit in range(18)}
    netlisted = module(ram=wide_ram(), **behind)
    assert netlist.fold_output_registers(netlisted) == netlist.Folded(ports=1, flip_flops=18)
    cell = netlisted["cells"]["ram"]
    assert [cell["parameters"][f"REGMODE_{port}"] for port in "AB"] == ["OUTREG"] * 2
    assert [cell["connections"][f"OCE{port}"] for port in "AB"] == [[ENABLE]] * 2
    assert [cell["connections"][f"DOA{bit}"] for bit in range(9)] == [[209 + bit] for bit in range(9)]


def test_the_enable_of_registers_becomes_the_rams() -> None:
    held = {f"register_{bit}": flip_flop(100 + bit, 200 + bit, {"CE": [ENABLE]}, CEMUX="CE") for bit in range(9)}
    netlisted = module(**held)
    assert netlist.fold_output_registers(netlisted).flip_flops == 9
    assert netlisted["cells"]["ram"]["connections"]["OCEB"] == [ENABLE]


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param({"register_3": flip_flop(103, 203, REGSET="SET")}, id="starts as one"),
        pytest.param({"register_3": flip_flop(103, 203, {"LSR": [5]})}, id="is reset"),
        pytest.param({"register_3": flip_flop(103, 203, LSRMUX="INV")}, id="is always reset"),
        pytest.param({"register_3": flip_flop(103, 203, CLKMUX="INV")}, id="falling edge"),
        pytest.param({"register_3": flip_flop(103, 203, {"CLK": [OTHER_CLOCK]})}, id="another clock"),
        pytest.param({"register_3": flip_flop(103, 203, {"CE": [ENABLE]}, CEMUX="CE")}, id="one is held"),
        pytest.param({"register_3": flip_flop(103, 203, {"CE": [ENABLE]}, CEMUX="INV")}, id="one is held, inverted"),
        pytest.param({"second": flip_flop(103, 300)}, id="two loads"),
        pytest.param({"ram": ram(RSTB=[5])}, id="the RAM is reset"),
        pytest.param({"ram": ram(OCEB=[5])}, id="the RAM's register is in use"),
        pytest.param({"ram": ram(REGMODE_B="OUTREG")}, id="it has a register already"),
        pytest.param({"ram": ram(CLKA=[OTHER_CLOCK], DATA_WIDTH_B=f"{36:032b}")}, id="36 bits and two clocks"),
        pytest.param({"ram": wide_ram(), "lut": lut(109)}, id="36 bits, a half without registers"),
    ],
)
def test_what_does_not_do_the_same_is_left(cells: dict[str, Any]) -> None:
    netlisted = module(**cells)
    before = json.dumps(netlisted)
    assert netlist.fold_output_registers(netlisted) == netlist.Folded(0, 0)
    assert json.dumps(netlisted) == before


def test_a_bit_that_leaves_the_design_is_a_load() -> None:
    netlisted = module()
    netlisted["ports"]["pin"] = {"direction": "output", "bits": [104]}
    assert netlist.fold_output_registers(netlisted) == netlist.Folded(0, 0)


def test_cells_of_the_harness_are_told_apart() -> None:
    netlisted = module(lut=lut(61), misr=flip_flop(50, 60), feed=flip_flop(61, 62))
    netlisted["netnames"] = {"harness_misr": {"bits": [60]}, "harness_feed": {"bits": [62]}}
    assert netlist.of_the_harness(netlisted) == {"TRELLIS_FF": 2, "LUT4": 1}
    assert netlist.counts(netlisted) == {"DP16KD": 1, "TRELLIS_FF": 11, "LUT4": 1}


# -- reports and tools -----------------------------------------------------------------------------------------------


def nextpnr_report() -> dict[str, Any]:
    step = {"type": "clk-to-q", "delay": 0.52, "from": {"cell": "a"}}
    wire = {"type": "routing", "delay": 1.5, "net": "n", "from": {"cell": "a"}}
    carry = {"type": "logic", "delay": 0.07, "from": {"cell": "c"}}
    return {
        "fmax": {"clk": {"achieved": 123.456, "constraint": 150.0}},
        "utilization": {"TRELLIS_COMB": {"used": 10, "available": 83640}},
        "critical_paths": [
            {"from": "<async>", "to": "posedge clk", "path": [step]},
            {"from": "posedge clk", "to": "posedge clk", "path": [step, wire, carry]},
        ],
    }


def test_the_report_is_read() -> None:
    placed = report.read(nextpnr_report())
    assert (placed.fmax_mhz, placed.used, placed.available) == (
        123.46,
        {"TRELLIS_COMB": 10},
        {"TRELLIS_COMB": 83640},
    )
    assert [(step.kind, step.what) for step in placed.critical] == [("clk-to-q", "a"), ("routing", "n")]


def test_a_core_has_one_clock() -> None:
    with pytest.raises(FormatError, match="2 clocks"):
        report.read(nextpnr_report() | {"fmax": {"a": {"achieved": 1}, "b": {"achieved": 1}}})


def test_a_tool_is_stopped_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "command", lambda name, given: (sys.executable, "-c", *given))
    with pytest.raises(ToolFailedError, match="stopped after 1 s"):
        tools.run("yosys", ["import time; time.sleep(60)"], tmp_path, limit_seconds=1)
    with pytest.raises(ToolFailedError, match="ended with 3: …no such cell"):
        tools.run("yosys", ["import sys; print('no such cell'); sys.exit(3)"], tmp_path, limit_seconds=60)
    assert tools.run("yosys", ["print('done')"], tmp_path, limit_seconds=60) == "done\n"


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ToolNotFoundError, match=r"yosys, nextpnr-ecp5, ecppack, amaranth.*fpga-accel\[bitstream\]"):
        tools.require()


def test_a_core_is_found_by_name() -> None:
    sm4 = manifests.shipped("sm4")
    assert cores.named(sm4, None) == sm4.cores[0]
    assert cores.named(sm4, "rtl-ring").name == "rtl-ring"
    with pytest.raises(ValueError, match="no core 'nothing'; there are rtl"):
        cores.named(sm4, "nothing")
    with pytest.raises(ValueError, match="has no RTL core"):
        cores.named(manifests.shipped("trial"), None)


# -- figures ---------------------------------------------------------------------------------------------------------


def test_figures_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "figures.toml"
    assert figures.load(path) == []
    figures.put(path, row())
    figures.put(path, row(variant="rtl-pipeline"))
    figures.put(path, row(lut=7))
    assert figures.load(path) == [row(variant="rtl-pipeline"), row(lut=7)]
    assert row().megabytes_per_second == 200.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lut": "many"}, "lut is 'many', it must be a int"),
        ({"lut": True}, "lut is True"),
        ({"fmax_mhz": float("nan")}, "fmax_mhz is nan"),
        ({"ff": -1}, "ff is -1"),
        ({"kernel": ""}, "kernel is ''"),
        ({"sha256": "0"}, "sha256 must be a SHA-256"),
        ({"tools": {"yosys": 1}}, "tools must be a table"),
    ],
)
def test_wrong_figures_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "figures.toml"
    figures.save(path, [row(**changes)])
    with pytest.raises(FormatError, match=message):
        figures.load(path)


@pytest.mark.parametrize("text", ["figures = 1", "figures = [1]", "[[figures]]\nkernel = 'a'", "a b", "other = []"])
def test_a_file_that_has_no_figures_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "figures.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FormatError, match=r"figures\.toml"):
        figures.load(path)


def test_figures_of_another_source_are_stale() -> None:
    sm4 = manifests.shipped("sm4")
    today = sources.hash_of_core(sm4, cores.named(sm4, "rtl-ring"))
    assert list(figures.problems(row(source_sha256=today))) == []
    assert "has changed" in next(figures.problems(row()))
    assert "no core" in next(figures.problems(row(variant="nothing")))
    assert "no kernel" in next(figures.problems(row(kernel="nothing")))


def test_the_hash_covers_what_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, name, text in (
        ("one", "rtl", "from fpga_accel.kernels.one.part import A\nfrom fpga_accel.kernels.common.shared import B\n"),
        ("one", "part", "A = 1\n"),
        ("one", "aside", "C = 1\n"),
        ("common", "shared", "B = 1\n"),
        ("common", "rtl_shell", "\n"),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.py").write_text(text)
    monkeypatch.setattr(manifests, "kernels_dir", lambda: tmp_path)
    core = Core(name="rtl", entry="one", source="rtl.py", core="One")
    manifest = Manifest(tmp_path / "one", ("one",), (), (core,))
    hashes = [sources.hash_of_core(manifest, core)]
    for changed in ("one/aside", "one/part", "common/shared", "common/rtl_shell"):
        path = tmp_path / f"{changed}.py"
        path.write_text(path.read_text() + "# more\n")
        hashes.append(sources.hash_of_core(manifest, core))
    assert hashes[1] == hashes[0], "a module that is not imported"
    assert len(set(hashes[1:])) == 4


# -- the command line ------------------------------------------------------------------------------------------------


def invoke(*words: str) -> Result:
    return CliRunner().invoke(application, ["bitstream", *words], prog_name="fpga-accel")


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Figures:
    """One row of figures in place of the shipped ones, of today's source."""
    sm4 = manifests.shipped("sm4")
    only = row(source_sha256=sources.hash_of_core(sm4, cores.named(sm4, "rtl-ring")))
    figures.save(tmp_path / "figures.toml", [only])
    monkeypatch.setattr(figures, "shipped_path", lambda: tmp_path / "figures.toml")
    monkeypatch.setenv("FPGA_ACCEL_CACHE_DIR", str(tmp_path))
    return only


def test_figures_are_listed(shipped: Figures) -> None:
    first = json.loads(invoke("list", "--json").stdout)[0]
    assert first == dataclasses.asdict(shipped)
    assert all(word in invoke("list").stdout for word in ("sm4_ctr", "rtl-ring", "ecp5-85k", "100.0", "200"))
    assert "rtl-ring" in invoke("report").stdout


def test_figures_are_verified(shipped: Figures) -> None:
    found = json.loads(invoke("verify", "--json").stdout)[0]
    assert found == {"file": "sm4_ctr/rtl-ring@ecp5-85k", "ok": True, "problems": []}
    figures.save(figures.shipped_path(), [row()])
    stale = invoke("verify")
    assert stale.exit_code == 1
    assert "the source of sm4/rtl-ring has changed" in stale.stderr


def test_a_rebuild_is_compared(shipped: Figures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis_commands, "_built", lambda *given, **options: None)
    today = replace(shipped, lut=8, fmax_mhz=99.0)
    monkeypatch.setattr(synthesis_commands, "figures_of", lambda *given: today)
    assert invoke("verify").exit_code == 0
    found = json.loads(invoke("verify", "--rebuild", "--json").stdout)[0]
    assert invoke("verify", "--rebuild", "one.bit").exit_code == 2
    assert found["problems"] == ["lut is 8, the table says 1", "fmax_mhz is 99.0, the table says 100.0"]


def test_what_cannot_be_built_is_refused() -> None:
    for words, message in (
        (("sm4", "--target", "ecp5-99k"), "legal ones are"),
        (("sm4", "--target", "ecp5-85k", "--variant", "nothing"), "no core"),
        (("trial", "--target", "ecp5-85k"), "no RTL core"),
        (("sm4", "--target", "ecp5-85k", "--report-only", "--update-figures"), "without --report-only"),
        (("snappy", "--target", "ecp5-85k", "--variant", "all"), "no RTL core"),
        (("sm4", "--target", "ecp5-85k", "--board", "a10"), "ecp5-85k has no boards"),
        (("sm4", "--target", "emulator", "--board", "a10"), "emulator has no boards"),
        (("sm4", "--target", "emulator", "--report-only"), "--report-only goes with ecp5-85k alone"),
        (("sm4", "--target", "aoc-report", "--update-figures"), "--update-figures goes with ecp5-85k alone"),
        (("sm4", "--target", "aoc-report", "--seed", "77"), "--seed goes with ecp5-85k alone"),
    ):
        refused = invoke("build", *words)
        assert refused.exit_code == 2, words
        assert message in refused.stderr


def test_commands_are_shown() -> None:
    shown = invoke("build", "sm4", "--target", "ecp5-85k", "--seed", "7", "--dry-run").stdout
    assert [word in shown for word in ("synth_ecp5", "--85k --speed 6", "--seed 7", "--compress")] == [True] * 4


# -- the tools -------------------------------------------------------------------------------------------------------

# The one that a test has time for.
SMALL = "sm4_ctr/rtl-ring@ecp5-85k"
# By how much a figure may be worse than the committed one: other versions of the tools place a little differently.
WORSE = 0.05


@pytest.fixture
def synthesis() -> None:
    """The tools, where minutes of them are wanted."""
    if "synthesis" not in required.words():
        pytest.skip(f"synthesis takes minutes; {required.VARIABLE}=synthesis runs it")
    tools.require()


@pytest.mark.slow
def test_rtl_figures_hold(synthesis: None, tmp_path: Path) -> None:
    committed = next(each for each in figures.shipped() if each.name == SMALL)
    manifest = manifests.shipped(committed.kernel)
    core = next(each for each in manifest.cores if (each.entry, each.name) == (committed.operation, committed.variant))
    part = flow.PARTS[committed.target]
    limits = flow.Limits(yosys=300, nextpnr=600)
    made = flow.build(cores.verilog_of(manifest, core), part, tmp_path, seed=committed.seed, limits=limits)
    for count in ("lut", "ff", "bram"):
        assert getattr(made, count) <= getattr(committed, count) * (1 + WORSE), count
    assert made.placed.fmax_mhz >= committed.fmax_mhz * (1 - WORSE)
    image = formats.read(made.bitstream)
    assert (image.format, image.target) == ("ecp5", part.part)
    if tools.versions() == committed.tools and not list(figures.problems(committed)):
        assert made.sha256 == committed.sha256, "the same tools make the same image of the same source"


@pytest.mark.slow
def test_rtl_gates_encipher(synthesis: None, tmp_path: Path) -> None:
    """The netlist as it is placed, registers folded into RAMs, does what the core does."""
    from fpga_accel.runtime.simulation import building, toolchain
    from fpga_accel.runtime.simulation.parameters import BEAT, TRANSLATORS
    from fpga_accel.runtime.simulation.simulator import ROW, Simulator
    from fpga_accel.segments import RECORD, address_of, new_table

    manifest = manifests.shipped("sm4")
    core = cores.named(manifest, "rtl-ring")
    found = toolchain.found()
    gates, folded = flow.gates(building.verilog_of(manifest, core, found, "rtl").decode(), tmp_path)
    assert folded.ports > 0
    simulator = Simulator(building.of_verilog(gates.encode(), found, "rtl", building.SLOW_FLAGS), "rtl")

    key, counter, count, size = bytes(range(16)), b"\xff" * 16, 40, 250
    text = np.frombuffer(np.random.default_rng(1).bytes(count * size), np.uint8)
    result = np.zeros(count * size, np.uint8)
    params = np.zeros(192, np.uint8)
    record = params[: RECORD.itemsize].view(RECORD)
    record["key"], record["key_size"], record["nonce"], record["nonce_size"] = 128, 16, 160, 16
    params[128:144], params[160:176] = np.frombuffer(key, np.uint8), np.frombuffer(counter, np.uint8)
    beats = TRANSLATORS[core.parameters](new_table(count), params)
    rows = np.zeros(count, ROW)
    offsets = np.arange(count, dtype=np.uint64) * np.uint64(size)
    rows["src"], rows["dst"] = np.uint64(address_of(text)) + offsets, np.uint64(address_of(result)) + offsets
    rows["src_size"], rows["dst_capacity"] = size, size
    rows["parameters"] = np.uint64(address_of(beats.content)) + beats.first * np.uint64(BEAT)
    rows["parameter_beats"], rows["flags"], rows["extra"] = beats.count, beats.flags, beats.extra
    for seed in (0, 7):
        simulator.stall_seed = seed
        result[:] = 0
        simulator.run(rows, 300)
        for at in range(0, count * size, size):
            stock = Cipher(algorithms.SM4(key), modes.CTR(counter)).encryptor()
            assert result[at : at + size].tobytes() == stock.update(text[at : at + size].tobytes())
