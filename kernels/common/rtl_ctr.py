"""What cores of ciphers in counter mode share: counters in front of the rounds, and text met by keystream behind."""

from collections.abc import Sequence

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value, unsigned
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.common.rtl import Head, ResultBeat, TextBeat

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


class KeyBeat(data.Struct):
    """A beat of round keys on its way to the rounds."""

    bits: unsigned(BLOCK_BITS)
    number: unsigned(4)  # of those that leave the source
    extra: unsigned(4)  # of the head that brought the key


class CounterSource(wiring.Component):
    """Reads heads and parameters; sends the beats of a key, if there are some, then counter blocks.

    `keys` carries no ready: a beat leaves after a clock in which `key_go` is set and no block waits. No block comes
    before the key is complete, so `key_go` may say that the rounds are empty.

    What decides whether a parameter is taken and a counter goes on are registers: both enable hundreds of others.

    Parameters
    ----------
    key_beats
        How many beats keys have, ascending. Where there are several counts, `extra` of a head is that of its key less
        one. The last beat has the same number for all keys; the numbers that a shorter one lacks, in front of that,
        are passed over at the same pace.
    whitens
        Whether beat 0 of a key is added to the counters here and goes no further.
    """

    def __init__(self, key_beats: Sequence[int], *, whitens: bool) -> None:
        super().__init__(
            {
                "head": In(stream.Signature(Head)),
                "parameters": In(stream.Signature(BLOCK_BITS)),
                "key_go": In(1),
                "keys": Out(stream.Signature(KeyBeat, always_ready=True)),
                "blocks": Out(stream.Signature(BLOCK_BITS)),
            }
        )
        self._last = key_beats[-1] - 1
        self._one_size = len(key_beats) == 1
        self._whitens = whitens

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.counter = counter = Counter()
        left, stepping = Signal(28), Signal()  # blocks
        held, extra = Signal(), Signal(4)
        go, number, is_first, is_there = Signal(), Signal(4), Signal(), Signal()
        whitening = Signal(BLOCK_BITS, reset_less=True)
        key, block = Signal(KeyBeat, reset_less=True), Signal(BLOCK_BITS, reset_less=True)
        advance = ~self.blocks.valid | self.blocks.ready
        m.d.comb += [
            self.keys.payload.eq(key),
            self.blocks.payload.eq(block),
            counter.first.eq(self.parameters.payload),
            counter.step.eq(stepping & advance),
        ]
        m.d.sync += [
            go.eq(self.key_go & ~self.blocks.valid),
            self.keys.valid.eq(0),
            key.bits.eq(self.parameters.payload),
            key.number.eq(number - self._whitens),
            key.extra.eq(extra),
        ]
        with m.If(advance):
            m.d.sync += [self.blocks.valid.eq(counter.step), block.eq(counter.block ^ whitening)]
        if self._whitens:
            with m.If(is_first):
                m.d.sync += whitening.eq(self.parameters.payload)
        with m.FSM():
            with m.State("HEAD"):
                m.d.comb += self.head.ready.eq(1)
                m.d.sync += [
                    left.eq((self.head.payload.length + 15) >> 4),
                    held.eq(self.head.payload.flags[KEY_HELD_BIT]),
                    extra.eq(self.head.payload.extra),
                    number.eq(0),
                    is_there.eq(1),
                ]
                with m.If(self.head.valid):
                    m.next = "COUNTER"
            with m.State("COUNTER"):
                m.d.comb += [self.parameters.ready.eq(1), counter.load.eq(self.parameters.valid)]
                with m.If(self.parameters.valid):
                    m.d.sync += is_first.eq(~held)
                    m.next = "KEYS"
                    with m.If(held):
                        m.next = "SETTLE"
            with m.State("KEYS"):
                m.d.comb += self.parameters.ready.eq(go & is_there)
                with m.If(go & (self.parameters.valid | ~is_there)):
                    following = number + 1
                    m.d.sync += [
                        number.eq(following),
                        is_first.eq(0),
                        self.keys.valid.eq(is_there & ~is_first if self._whitens else is_there),
                    ]
                    if not self._one_size:
                        m.d.sync += is_there.eq((following < extra) | (following == self._last))
                    with m.If(number == self._last):
                        m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.sync += stepping.eq(left.any())
                m.next = "BLOCKS"
            with m.State("BLOCKS"):
                with m.If(counter.step):
                    m.d.sync += [left.eq(left - 1), stepping.eq(left[1:].any())]
                with m.If(~stepping):
                    m.next = "HEAD"
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


class Landing(wiring.Component):
    """A short FIFO at the end of a pipeline that cannot wait: places are given away as items `enter` the pipeline.

    Parameters
    ----------
    shape
        Of an item.
    depth
        Places, a power of two; up to 16 are one slice of LUT RAM deep.
    """

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        self._shape, self._depth = shape, depth
        super().__init__(
            {
                "enter": In(1),
                "room": Out(1),
                "push": In(1),
                "item": In(shape),
                "front": Out(stream.Signature(shape)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=self._shape, depth=self._depth, init=[])
        writer, reader = memory.write_port(), memory.read_port(domain="comb")
        written, read, promised = (Signal(range(2 * self._depth)) for _ in range(3))
        pop = self.front.valid & self.front.ready
        m.d.comb += [
            writer.addr.eq(written),
            writer.data.eq(self.item),
            writer.en.eq(self.push),
            reader.addr.eq(read),
            self.front.valid.eq(written != read),
            self.front.payload.eq(reader.data),
            self.room.eq(~promised[-1]),
        ]
        m.d.sync += [
            written.eq(written + self.push),
            read.eq(read + pop),
            promised.eq(promised + self.enter - pop),
        ]
        return m


class Queue(wiring.Component):
    """A FIFO in block RAM.

    The memory and the register behind it always run, so the register can be the RAM's own. `items.ready` comes from a
    register, and is late by a clock: one entry stays unused.
    """

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        self._shape, self._depth = shape, depth
        super().__init__({"items": In(stream.Signature(shape)), "front": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        attributes = {"ram_style": "block", "no_rw_check": 1}
        m.submodules.memory = memory = Memory(shape=self._shape, depth=self._depth, init=[], attrs=attributes)
        # A place is taken for five clocks when the reader does not wait.
        m.submodules.landing = landing = Landing(self._shape, 8)
        wiring.connect(m, landing.front, wiring.flipped(self.front))
        writer, reader = memory.write_port(), memory.read_port()
        written, read = Signal(range(2 * self._depth)), Signal(range(2 * self._depth))
        level = Signal(range(self._depth + 1))
        found = Signal(self._shape, reset_less=True)
        on_the_way = Signal(2)
        push = self.items.valid & self.items.ready
        m.d.comb += [
            writer.addr.eq(written),
            writer.data.eq(self.items.payload),
            writer.en.eq(push),
            reader.addr.eq(read),
            landing.enter.eq((written != read) & landing.room),
            landing.push.eq(on_the_way[1]),
            landing.item.eq(found),
        ]
        m.d.sync += [
            found.eq(reader.data),
            on_the_way.eq(Cat(landing.enter, on_the_way)),
            written.eq(written + push),
            read.eq(read + landing.enter),
            level.eq(level + push - landing.enter),
            self.items.ready.eq(level < self._depth - 1),
        ]
        return m
