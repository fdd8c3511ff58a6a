"""Finds the RTL cores of a kernel folder and puts them into their shell."""

from __future__ import annotations

import importlib
from typing import Any

from fpga_accel.runtime.manifests import Core, Manifest
from fpga_accel.runtime.simulation import elaborate


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


def in_shell(manifest: Manifest, core: Core) -> Any:
    """Return a core as a component that speaks the protocol of segments."""
    made = elaborate.core_of(manifest.name, core.source, core.core, dict(core.arguments))
    return importlib.import_module("fpga_accel.kernels.common.rtl_shell").Pins(made)
