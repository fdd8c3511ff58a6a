"""What cores of ciphers in counter mode share: counters in front of the rounds, and text met by keystream behind."""

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.common.rtl import ResultBeat, TextBeat

BLOCK_BITS = 128
# A head's flag: no round keys follow the counter block, those of the segment before hold.
KEY_HELD_BIT = 31


def big_endian(block: Value) -> Value:
    """Turn a block into a number whose most significant byte is at the lowest address, or back."""
    return Cat(block.word_select(15 - i, 8) for i in range(16))


def masked(block: Value, count: Value) -> Value:
    """Keep the first `count` bytes of a block, with zeros behind."""
    return Cat(Mux(count > i, block.word_select(i, 8), Const(0, 8)) for i in range(16))


class Counter(Elaboratable):
    """The counter block: all 128 bits count (SP 800-38A appendix B.1).

    The upper half plus one is kept in a register of its own, and so is the flag that the lower half is all ones: the
    longest carry is that of 64 bits. Both need a clock between `load` and the first `step`.
    """

    def __init__(self) -> None:
        self.load = Signal()
        self.first = Signal(BLOCK_BITS)
        self.step = Signal()
        self.block = Signal(BLOCK_BITS)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        low, high, next_high = Signal(64, reset_less=True), Signal(64, reset_less=True), Signal(64, reset_less=True)
        wraps = Signal()
        m.d.comb += self.block.eq(big_endian(Cat(low, high)))
        m.d.sync += [next_high.eq(high + 1), wraps.eq(low[1:].all() & (low[0] ^ self.step))]
        with m.If(self.load):
            m.d.sync += Cat(low, high).eq(big_endian(self.first))
        with m.Elif(self.step):
            m.d.sync += low.eq(low + 1)
            with m.If(wraps):
                m.d.sync += high.eq(next_high)
        return m


class Joiner(wiring.Component):
    """Text and keystream to results. A beat of count 0 takes no keystream."""

    text: In(stream.Signature(TextBeat))
    keystream: In(stream.Signature(BLOCK_BITS))
    result: Out(stream.Signature(ResultBeat))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        beat, result = self.text.payload, self.result
        empty = beat.count == 0
        advance = ~result.valid | result.ready
        take = advance & self.text.valid & (self.keystream.valid | empty)
        m.d.comb += [self.text.ready.eq(take), self.keystream.ready.eq(take & ~empty)]
        joined = Signal(ResultBeat, reset_less=True)
        m.d.comb += result.payload.eq(joined)
        with m.If(advance):
            m.d.sync += [
                result.valid.eq(take),
                joined.bytes.eq(beat.bytes ^ self.keystream.payload),
                joined.count.eq(beat.count),
                joined.last.eq(beat.last),
            ]
            with m.If(~beat.count[4]):
                m.d.sync += joined.bytes.eq(masked(beat.bytes ^ self.keystream.payload, beat.count[:4]))
        return m


class Queue(wiring.Component):
    """A FIFO in block RAM. The two registers behind the memory hold when the reader waits: no logic sees its delay.

    `items.ready` comes from a register, and is late by a clock: one entry stays unused.
    """

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        self._shape, self._depth = shape, depth
        super().__init__({"items": In(stream.Signature(shape)), "front": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        places = range(2 * self._depth)
        attributes = {"ram_style": "block", "no_rw_check": 1}
        m.submodules.memory = memory = Memory(shape=self._shape, depth=self._depth, init=[], attrs=attributes)
        writer, reader = memory.write_port(), memory.read_port()
        written, read, level = Signal(places), Signal(places), Signal(range(self._depth + 1))
        push = self.items.valid & self.items.ready
        read_ahead, filled, front = Signal(), Signal(), self.front
        front_moves = ~front.valid | front.ready
        reader_moves = ~read_ahead | front_moves
        m.d.comb += [
            filled.eq(written != read),
            writer.addr.eq(written),
            writer.data.eq(self.items.payload),
            writer.en.eq(push),
            reader.addr.eq(read),
            reader.en.eq(reader_moves),
        ]
        pop = filled & reader_moves
        m.d.sync += [
            written.eq(written + push),
            read.eq(read + pop),
            level.eq(level + push - pop),
            self.items.ready.eq(level < self._depth - 1),
        ]
        with m.If(reader_moves):
            m.d.sync += read_ahead.eq(filled)
        found = Signal(self._shape, reset_less=True)
        m.d.comb += front.payload.eq(found)
        with m.If(front_moves):
            m.d.sync += [front.valid.eq(read_ahead), found.eq(reader.data)]
        return m
