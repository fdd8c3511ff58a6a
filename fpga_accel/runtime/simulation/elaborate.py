"""Writes the Verilog of a core in its shell to standard output: ``python -m … FOLDER SOURCE CLASS ARGUMENTS``.

Run in a child, so that Amaranth is not loaded where simulations only run.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from fpga_accel import kernels
from fpga_accel.runtime import manifests
from fpga_accel.runtime.simulation.sharing import with_shared_modules

TOP = "top"

# Yosys writes a line for each word of a memory that starts as zero, which Verilator's memories do anyway: a 64 KiB
# history would be megabytes of text. Only inside `initial` blocks: elsewhere such a line is an assignment.
_INITIAL = re.compile(r"^  initial begin\n(.*?)^  end\n", re.MULTILINE | re.DOTALL)
_ZERO_WORD = re.compile(r"^    \S+ ?\[\d+\] = \d+'h0+;\n", re.MULTILINE)


def core_of(folder: Path, source: str, name: str, arguments: dict[str, Any]) -> Any:
    """Return a new core of a kernel folder.

    Raises
    ------
    ImportError
        It imports modules of kernel folders in a way that `Manifest.modules` does not see: the key of a simulation
        would know nothing of them.
    """
    if str(folder.parent) not in kernels.__path__:
        kernels.__path__.insert(0, str(folder.parent))
    kernel = folder.name
    module = importlib.import_module(f"{kernels.__name__}.{kernel}.{source.removesuffix('.py')}")
    loaded = {"/".join(parts[2:]) for each in sys.modules if len(parts := each.split(".")) == 4 and _is_kernel(each)}
    unseen = sorted(loaded - set(manifests.modules_of(folder, [source])))
    if unseen:
        way = f"from {kernels.__name__}.FOLDER.MODULE import NAME"
        raise ImportError(f"{kernel}/{source} imports {', '.join(unseen)} in another way than '{way}'")
    return getattr(module, name)(**arguments)


def _is_kernel(module: str) -> bool:
    return module.startswith(f"{kernels.__name__}.")


def verilog_of(core: Any) -> str:
    """Return a core in its shell as Verilog."""
    from amaranth.back import verilog

    pins = importlib.import_module("fpga_accel.kernels.common.rtl_shell").SimulatedPins(core)
    text = without_zero_words(verilog.convert(pins, name=TOP, strip_internal_attrs=True, emit_src=False))
    return with_shared_modules(text)


def without_zero_words(text: str) -> str:
    """Drop the zeros that memories start with."""
    return _INITIAL.sub(lambda match: f"  initial begin\n{_ZERO_WORD.sub('', match[1])}  end\n", text)


def main() -> None:
    """Do what the command line says."""
    folder, source, name, arguments = sys.argv[1:]
    sys.stdout.write(verilog_of(core_of(Path(folder), source, name, json.loads(arguments))))


if __name__ == "__main__":
    main()
