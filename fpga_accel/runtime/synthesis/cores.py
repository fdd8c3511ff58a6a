"""Finds the RTL cores of a kernel folder: the components of its ``rtl.py`` that have the signature of a core."""

from __future__ import annotations

import importlib
import inspect
import sys
import types
import warnings
from typing import Any

from fpga_accel.runtime import manifests
from fpga_accel.runtime.manifests import Manifest

SOURCE = "rtl.py"


def named(manifest: Manifest, name: str | None = None) -> Any:
    """Return a core of a kernel folder, in its shell.

    Parameters
    ----------
    manifest
        The kernel folder.
    name
        Name of the class; not needed where the folder has one core.

    Raises
    ------
    ValueError
        There is no such core, or there are several and none is named.
    """
    found = classes(manifest)
    if name is None and len(found) == 1:
        (name,) = found
    if name not in found:
        raise ValueError(
            f"kernel {manifest.name} has no core {name or '(none is named)'}; there are {', '.join(found)}"
        )
    from fpga_accel.kernels.common.rtl_shell import Shell

    return Shell(found[name]())


def classes(manifest: Manifest) -> dict[str, Any]:
    """Return the cores of a kernel folder by the names of their classes."""
    if not (manifest.folder / SOURCE).is_file():
        raise ValueError(f"kernel {manifest.name} has no {SOURCE}, so there is nothing to synthesise")
    _make_importable()
    from amaranth.hdl import UnusedElaboratable
    from amaranth.lib import wiring

    from fpga_accel.kernels.common.rtl import CORE

    module = importlib.import_module(f"fpga_accel.kernels.{manifest.name}.rtl")
    found: dict[str, Any] = {}
    for name, value in vars(module).items():
        if not (inspect.isclass(value) and issubclass(value, wiring.Component) and value.__module__ == module.__name__):
            continue
        if all(each.default is not each.empty for each in inspect.signature(value).parameters.values()):
            with warnings.catch_warnings():
                # It is made to be asked for its signature alone.
                warnings.simplefilter("ignore", UnusedElaboratable)
                made: Any = value()
                is_core = made.signature == CORE
                del made
            if is_core:
                found[name] = value
    return found


def _make_importable() -> None:
    if "fpga_accel.kernels" not in sys.modules:
        package = types.ModuleType("fpga_accel.kernels")
        package.__path__ = [str(manifests.kernels_dir())]
        sys.modules["fpga_accel.kernels"] = package
