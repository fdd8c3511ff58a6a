"""What a core is measured in: inputs come from one pin by a shift register, outputs end in one pin by a MISR.

A core has hundreds of ports. As pins of a package they would pull its registers to the pads, and wires would be
measured. Here every input comes straight from a flip-flop, every output goes straight into one, and none can be
optimised away.

``python -m … FOLDER SOURCE CLASS ARGUMENTS`` writes the Verilog of a core in its shell in the harness: in a child of
its own, so that each core is made from a fresh import.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from amaranth import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fpga_accel.runtime.simulation.elaborate import TOP, core_of, without_zero_words
from fpga_accel.runtime.synthesis.netlist import FEED, OUTPUT, SEEN, SIGNATURE

CORE = "core"


class Harness(wiring.Component):  # type: ignore[misc]
    """A core between a serial input and a multiple-input signature register.

    Parameters
    ----------
    core
        Any component.
    """

    def __init__(self, core: Any) -> None:
        super().__init__({"harness_in": In(1), OUTPUT: Out(1)})
        self._core = core

    def elaborate(self, platform: Any) -> Module:
        """Connect every bit of the core's ports."""
        m = Module()
        m.submodules[CORE] = self._core
        leaves = list(self._core.signature.flatten(self._core))
        driven = Cat(Value.cast(port) for _, member, port in leaves if member.flow is In)
        read = Cat(Value.cast(port) for _, member, port in leaves if member.flow is Out)
        feed = Signal(len(driven), name=FEED, reset_less=True)
        seen = Signal(len(read), name=SEEN, reset_less=True)
        misr = Signal(len(read), name=SIGNATURE)
        m.d.comb += driven.eq(feed)
        m.d.sync += [
            feed.eq(Cat(self.harness_in, feed[:-1])),
            seen.eq(read),
            misr.eq(misr.rotate_left(1) ^ seen),
            getattr(self, OUTPUT).eq(misr[-1]),
        ]
        return m


def verilog_of(component: Any) -> str:
    """Return the Verilog of a component in the harness, as the synthesis takes it."""
    from amaranth.back import verilog

    return without_zero_words(verilog.convert(Harness(component), name=TOP, strip_internal_attrs=True, emit_src=False))


def main() -> None:
    """Do what the command line says."""
    folder, source, name, arguments = sys.argv[1:]
    core = core_of(Path(folder), source, name, json.loads(arguments))
    sys.stdout.write(verilog_of(importlib.import_module("fpga_accel.kernels.common.rtl_shell").Pins(core)))


if __name__ == "__main__":
    main()
