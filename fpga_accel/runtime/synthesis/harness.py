"""What a core is measured in: inputs come from one pin by a shift register, outputs end in one pin by a MISR.

A core has hundreds of ports. As pins of a package they would pull its registers to the pads, and wires would be
measured. Here every input comes straight from a flip-flop, every output goes straight into one, and none can be
optimised away.
"""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

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
