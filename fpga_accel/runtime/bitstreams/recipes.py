"""Builds images: the emulator's programs with the installed runtime, cards' images with their vendors' tools."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fpga_accel.errors import DeviceError, FpgaAccelError
from fpga_accel.runtime import manifests, programs
from fpga_accel.runtime.bitstreams import aocx, program, xclbin
from fpga_accel.runtime.bitstreams.sources import hash_of
from fpga_accel.runtime.manifests import Manifest, Variant

if TYPE_CHECKING:
    from fpga_accel.runtime.platforms import Listed

EMULATOR = "emulator"


class ToolNotFoundError(FpgaAccelError):
    """A vendor's tool is not installed."""

    code = "tool_not_found"


class ToolFailedError(FpgaAccelError):
    """A vendor's tool ended with an error."""

    code = "tool_failed"


@dataclass(frozen=True, slots=True)
class Tool:
    """A vendor's compiler, and the last release that takes OpenCL C."""

    name: str
    last_release: str


AOC = Tool("aoc", "Intel FPGA SDK for OpenCL 22.4")
VPP = Tool("v++", "AMD Vitis 2024.x")


@dataclass(frozen=True, slots=True)
class Target:
    """One value of ``--target`` that a vendor's tool builds."""

    name: str
    tool: Tool
    options: tuple[str, ...]
    needs_board: bool
    # Format of the image; None where the result is a report.
    format: str | None
    # Kind of device whose variants are built.
    kind: str = "fpga"


TARGETS = {
    target.name: target
    for target in (
        Target("aoc-emulator", AOC, ("-march=emulator",), False, aocx.FORMAT, "fpga-emulator"),
        Target("aoc-report", AOC, ("-rtl", "-report"), False, None),
        Target("aoc-hardware", AOC, ("-report",), True, aocx.FORMAT),
        Target("vitis-hw-emu", VPP, ("-t", "hw_emu"), True, xclbin.FORMAT),
        Target("vitis-hw", VPP, ("-t", "hw"), True, xclbin.FORMAT),
    )
}
NAMES = (EMULATOR, *TARGETS)


@dataclass(frozen=True, slots=True)
class Recipe:
    """The commands that build one image, and the file they leave behind."""

    target: Target
    commands: tuple[tuple[str, ...], ...]
    result: Path


def recipe(target: Target, manifest: Manifest, variant: Variant, board: str | None, folder: Path) -> Recipe:
    """Return the exact commands for a variant of a kernel folder.

    Parameters
    ----------
    target
        What to build.
    manifest, variant
        From which source.
    board
        Name of the board (aoc) or platform (v++).
    folder
        Where the result goes.

    Raises
    ------
    ValueError
        The target needs a board and none is given.
    """
    if target.needs_board and not board:
        raise ValueError(f"{target.name} needs --board, the name of a board of {target.tool.last_release}")
    source = manifest.folder / variant.source
    includes = [f"-I{path}" for path in (manifest.folder, manifests.kernels_dir() / "common")]
    flags = [*includes, *variant.macros(target.kind)]
    made_for = [re.sub("[^A-Za-z0-9]+", "_", board)] if board else []
    stem = folder / "-".join([manifest.name, variant.name, target.name, *made_for])
    if target.tool is AOC:
        return _of_aoc(target, [*flags, str(source)], board, stem)
    return _of_vpp(target, [*flags, str(source)], manifest.entries, str(board), stem)


def _of_aoc(target: Target, source: Sequence[str], board: str | None, stem: Path) -> Recipe:
    result = Path(f"{stem}.aocx" if target.format else f"{stem}.aocr")
    boards = [f"-board={board}"] if board else []
    command = (AOC.name, *target.options, *boards, *source, "-o", str(result))
    return Recipe(target, (command,), result)


def _of_vpp(target: Target, source: Sequence[str], entries: Sequence[str], board: str, stem: Path) -> Recipe:
    """Compile each kernel function into an object of its own, then link them."""
    common = (*target.options, "--platform", board)
    result = Path(f"{stem}.xclbin")
    objects = {entry: f"{stem}-{entry}.xo" for entry in entries}
    compiles = [(VPP.name, "-c", *common, "-k", entry, *source, "-o", made) for entry, made in objects.items()]
    link = (VPP.name, "-l", *common, *objects.values(), "-o", str(result))
    return Recipe(target, (*compiles, link), result)


def run(made: Recipe) -> None:
    """Run the commands of a recipe in the folder of its result; what the tools say goes to standard error.

    Raises
    ------
    ToolNotFoundError
        The tool is not on PATH.
    ToolFailedError
        It failed, or left no result.
    """
    tool = made.target.tool
    if shutil.which(tool.name) is None:
        raise ToolNotFoundError(
            f"{tool.name} is not installed: PATH was searched ({os.environ.get('PATH', 'not set')})",
            hint=f"the last release that builds OpenCL C with it is {tool.last_release}",
        )
    made.result.parent.mkdir(parents=True, exist_ok=True)
    # What an earlier run left behind must not pass for this one's.
    made.result.unlink(missing_ok=True)
    for command in made.commands:
        done = subprocess.run(command, cwd=made.result.parent, stdout=2, check=False)
        if done.returncode != 0:
            raise ToolFailedError(f"{shlex.join(command)} ended with {done.returncode}")
    if not made.result.is_file():
        raise ToolFailedError(f"{tool.name} left no {made.result}")


def build_program(listed: Listed, manifest: Manifest, variant: Variant) -> bytes:
    """Build a variant for an installed emulator and return the image.

    Raises
    ------
    DeviceError
        The device is no emulator, or the source does not build on it.
    """
    if listed.kind != "fpga-emulator":
        raise DeviceError(f"{listed.identity.device} is a {listed.kind}; program images are for the FPGA emulator")
    request = programs.BuildRequest(
        identity=listed.identity,
        source=manifest.source(variant),
        options=(*manifests.LANGUAGE, *variant.macros(listed.kind)),
        warm=(),
    )
    binary = programs.binary(request)
    source = hash_of(manifest, variant)
    return program.pack(listed.identity, manifest.name, variant.name, manifest.entries, source, binary)
