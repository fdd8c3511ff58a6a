"""A core that copies its text, and misbehaves where the flags of a row say so."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from fpga_accel.kernels.common.rtl import CORE
from fpga_accel.kernels.common.rtl_engines import Engines


class Odd(wiring.Component):
    """Copies. By the flags of its head it answers nothing any more (1), without an end (2), or once too often (4)."""

    def __init__(self):
        super().__init__(CORE)

    def elaborate(self, platform):
        """Go from the head to the text, and back."""
        m = Module()
        mute, endless, twice = troubles = [Signal() for _ in range(3)]
        text, result = self.text.payload, self.result
        m.d.comb += [
            self.parameters.ready.eq(1),
            result.payload.bytes.eq(text.bytes),
            result.payload.count.eq(text.count),
            result.payload.last.eq(text.last),
        ]
        with m.FSM():
            with m.State("HEAD"):
                m.d.comb += self.head.ready.eq(1)
                m.d.sync += [trouble.eq(self.head.payload.flags[bit]) for bit, trouble in enumerate(troubles)]
                with m.If(self.head.valid):
                    m.next = "TEXT"
            with m.State("TEXT"):
                m.d.comb += [result.valid.eq(self.text.valid), self.text.ready.eq(result.ready)]
                with m.If(mute):
                    m.d.comb += [result.valid.eq(0), self.text.ready.eq(0)]
                with m.If(endless):
                    m.d.comb += [self.text.ready.eq(0), result.payload.count.eq(16), result.payload.last.eq(0)]
                with m.If(self.text.valid & self.text.ready & text.last):
                    m.next = "HEAD"
                    with m.If(twice):
                        m.next = "AGAIN"
            with m.State("AGAIN"):
                m.d.comb += [result.valid.eq(1), result.payload.count.eq(0), result.payload.last.eq(1)]
                with m.If(result.ready):
                    m.next = "HEAD"
        return m


class Three(Engines):
    """Three of them, to which rows are dealt out."""

    def __init__(self):
        super().__init__(Odd() for _ in range(3))
