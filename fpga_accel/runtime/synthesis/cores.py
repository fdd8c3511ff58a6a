"""Finds the RTL cores of a kernel folder, and writes their Verilog."""

from __future__ import annotations

import json
import subprocess
import sys

from fpga_accel.runtime import programs
from fpga_accel.runtime.bitstreams.recipes import ToolFailedError
from fpga_accel.runtime.manifests import Core, Manifest


def named(manifest: Manifest, name: str | None) -> Core:
    """Return a core of a kernel folder by the name of its variant, the first one if none is given.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    names = [core.name for core in manifest.cores]
    if not names:
        raise ValueError(f"kernel {manifest.name} has no RTL core, so there is nothing to synthesise")
    wanted = name or names[0]
    if wanted not in names:
        raise ValueError(f"kernel {manifest.name} has no core {wanted!r}; there are {', '.join(names)}")
    return manifest.cores[names.index(wanted)]


def verilog_of(manifest: Manifest, core: Core) -> str:
    """Return the Verilog of a core in its shell, in the harness.

    Raises
    ------
    ToolFailedError
        The core does not elaborate.
    """
    arguments = [str(manifest.folder), core.source, core.core, json.dumps(dict(core.arguments))]
    command = [sys.executable, "-m", "fpga_accel.runtime.synthesis.harness", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=programs.child_environment(), check=False)
    if done.returncode != 0:
        raise ToolFailedError(f"{manifest.name}/{core.name} does not elaborate: {done.stderr.strip()[-2000:]}")
    return done.stdout
