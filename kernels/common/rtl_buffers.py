"""Buffers that cut the paths of a stream, shared by the shell and the cores."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class SkidBuffer(wiring.Component):
    """Two entries between a source and a sink: full rate, with every output a register.

    `taken.ready` says "one entry is free whatever happens", so no path leads through the buffer in either direction.

    Parameters
    ----------
    shape
        What one transfer carries.
    """

    def __init__(self, shape):
        super().__init__(
            {
                "taken": In(stream.Signature(shape)),
                "given": Out(stream.Signature(shape)),
            }
        )
        # What came in the clock in which the sink stalled.
        self.aside = Signal(shape, reset_less=True)
        self._shape = shape

    def elaborate(self, platform):
        """Keep what arrives in the cycle in which the sink stalls aside until it goes on."""
        m = Module()
        aside = self.aside
        ready = Signal(init=1)
        m.d.comb += self.taken.ready.eq(ready)
        given_valid, given = Signal(), Signal(self._shape, reset_less=True)
        m.d.comb += [self.given.valid.eq(given_valid), self.given.payload.eq(given)]

        with m.If(ready):
            m.d.sync += aside.eq(self.taken.payload)
        with m.If(self.given.ready | ~given_valid):
            m.d.sync += [
                given.eq(aside),
                given_valid.eq(self.taken.valid | ~ready),
                ready.eq(1),
            ]
            with m.If(ready):
                m.d.sync += given.eq(self.taken.payload)
        with m.Elif(self.taken.valid):
            m.d.sync += ready.eq(0)
        return m
