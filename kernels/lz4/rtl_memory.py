"""The block RAMs of the LZ4 core."""

from amaranth import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out


class RegisteredMemory(wiring.Component):
    """A memory with a port to read and one to write. What is read while it is written is undefined.

    Rows of an even number of bits and a depth up to 16,384 are cut by width: a block RAM is as deep as the memory, so
    that no multiplexer follows it. The register straight after it becomes its own.

    Parameters
    ----------
    width, address_bits
        Bits of a row; rows are 2**`address_bits`.
    """

    def __init__(self, width, address_bits):
        super().__init__(
            {
                "read_address": In(address_bits),
                "read_enable": In(1),
                "read_data": Out(width),  # two steps of `read_enable` later
                "write_address": In(address_bits),
                "write_enable": In(1),
                "write_data": In(width),
            }
        )
        self._width, self._depth = width, 1 << address_bits

    def elaborate(self, platform):
        """Say that no collision has to be looked for, which Yosys would add logic for."""
        m = Module()
        m.submodules.rows = rows = memory.Memory(
            shape=self._width, depth=self._depth, init=[], attrs={"no_rw_check": 1}
        )
        write, read = rows.write_port(), rows.read_port()
        out = Signal(self._width, reset_less=True)
        m.d.comb += [
            write.addr.eq(self.write_address),
            write.en.eq(self.write_enable),
            write.data.eq(self.write_data),
            read.addr.eq(self.read_address),
            read.en.eq(self.read_enable),
            self.read_data.eq(out),
        ]
        with m.If(self.read_enable):
            m.d.sync += out.eq(read.data)
        return m
