"""AES-GCM (SP 800-38D) as a core for FPGAs: the cipher in counter mode, and GHASH over what it takes or gives.

A segment is a row of a message. Its text is the associated data, filled up with zeros to whole blocks, and behind it
the row's text; its result is the row's text and behind it 16 bytes, what the row adds to the tag of its message: the
tag itself where the row is a whole message. Flags of its head are `Flags`. Parameters, a beat each:

- the counter block in front of the row's first; enciphered, it is the mask of a tag (J0 of section 7.1);
- with `factored`, the factor of the last product in place of H, for a row with other rows behind it;
- the block that is hashed behind the text: that of the lengths, or zeros;
- with `factored`, what is added to the hash in the end;
- the round keys, as those of AES-CTR.

The way to a tag is that of every segment, so all segments of the same sizes take the same clocks.
"""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, PureInterface
from fpga_accel.kernels.aes.rtl import QUEUED, Ring
from fpga_accel.kernels.aes.rtl_ctr import connect_keys, counter_source
from fpga_accel.kernels.aes.rtl_pipeline import Pipeline
from fpga_accel.kernels.aes.rtl_rounds import BLOCK_BITS
from fpga_accel.kernels.common.rtl import BEAT_BYTES, CORE, Head, ResultBeat, TextBeat
from fpga_accel.kernels.common.rtl_buffers import SkidBuffer
from fpga_accel.kernels.common.rtl_ctr import KEY_HELD_BIT, CounterSource, Landing, Queue, big_endian, masked
from fpga_accel.kernels.common.rtl_ghash import Ghash, GhashPipeline, Products

# Segments, and parameters of theirs, that the counters are ahead of the text.
AHEAD = 4
AHEAD_VALUES = 8


class Flags(data.Struct):
    """Of a head."""

    decrypt: unsigned(1)
    aad_blocks: unsigned(27)
    masked: unsigned(1)  # the enciphered counter block is added to the hash
    factored: unsigned(1)
    zero: unsigned(1)
    key_held: unsigned(1)  # KEY_HELD_BIT


class Plan(data.Struct):
    """What is to be done with a segment."""

    flags: Flags
    blocks: unsigned(28)  # of associated data and text


class Front(wiring.Component):
    """Reads heads and parameters; makes segments of AES-CTR of them.

    With a new key, one of a block of zeros, which gives H; then one of the mask and the text, or two where the last 32
    bits of the counter wrap (inc32 of section 6.2): the source counts in 128 bits.
    """

    head: In(stream.Signature(Head))
    parameters: In(stream.Signature(BLOCK_BITS))
    ctr_head: Out(stream.Signature(Head))
    ctr_parameters: Out(stream.Signature(BLOCK_BITS))
    plans: Out(stream.Signature(Plan))
    values: Out(stream.Signature(BLOCK_BITS))

    def __init__(self) -> None:
        super().__init__()
        self._plans, self._values = Landing(Plan, AHEAD), Landing(unsigned(BLOCK_BITS), AHEAD_VALUES)
        # Of the text with the mask's, of its part before the counter wraps, and of that until it does, 0 for 2^32.
        self._blocks, self._part, self._until_wrap = Signal(28), Signal(28), Signal(32)
        self._rounds, self._fresh = Signal(4), Signal()
        self._counter = Signal(BLOCK_BITS, reset_less=True)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.plans, m.submodules.values = self._plans, self._values
        wiring.connect(m, self._plans.front, wiring.flipped(self.plans))
        wiring.connect(m, self._values.front, wiring.flipped(self.values))
        m.d.comb += [
            self._plans.item.flags.eq(self.head.payload.flags),
            self._plans.item.blocks.eq((self.head.payload.length + 15) >> 4),
            self._plans.enter.eq(self._plans.push),
            self._values.item.eq(self.parameters.payload),
            self._values.enter.eq(self._values.push),
            self.ctr_head.payload.extra.eq(self._rounds),
            self.ctr_parameters.payload.eq(self.parameters.payload),
        ]
        with m.FSM():
            self._read(m)
            self._give_key(m)
            self._give_text(m)
        return m

    def _read(self, m: Module) -> None:
        head, parameters, blocks = self.head.payload, self.parameters, self._blocks
        plan = data.View(Flags, head.flags)
        aad_blocks, values_left = Signal(27), Signal(2)
        with m.State("HEAD"):
            m.d.comb += [self.head.ready.eq(self._plans.room), self._plans.push.eq(self.head.valid & self._plans.room)]
            m.d.sync += [
                blocks.eq(self._plans.item.blocks),
                aad_blocks.eq(plan.aad_blocks),
                self._fresh.eq(~plan.key_held),
                values_left.eq(Mux(plan.factored, 2, 0)),
                self._rounds.eq(head.extra),
            ]
            with m.If(self._plans.push):
                m.next = "COUNTER"
        with m.State("COUNTER"):
            m.d.comb += parameters.ready.eq(1)
            m.d.sync += self._counter.eq(parameters.payload)
            with m.If(parameters.valid):
                m.d.sync += blocks.eq(blocks - aad_blocks + 1)
                m.next = "VALUES"
        with m.State("VALUES"):
            m.d.comb += [
                parameters.ready.eq(self._values.room),
                self._values.push.eq(parameters.valid & parameters.ready),
            ]
            m.d.sync += self._until_wrap.eq(-big_endian(self._counter)[:32])
            with m.If(self._values.push):
                m.d.sync += values_left.eq(values_left - 1)
                with m.If(values_left == 0):
                    m.next = "PART"
                    with m.If(self._fresh):
                        m.next = "KEY HEAD"

    def _give_key(self, m: Module) -> None:
        head, parameters = self.ctr_head, self.ctr_parameters
        beats_left = Signal(4)
        with m.State("KEY HEAD"):
            m.d.comb += [head.valid.eq(1), head.payload.length.eq(BEAT_BYTES)]
            with m.If(head.ready):
                m.next = "ZEROS"
        with m.State("ZEROS"):
            m.d.comb += [parameters.valid.eq(1), parameters.payload.eq(0)]
            m.d.sync += beats_left.eq(self._rounds)
            with m.If(parameters.ready):
                m.next = "KEYS"
        with m.State("KEYS"):
            m.d.comb += [parameters.valid.eq(self.parameters.valid), self.parameters.ready.eq(parameters.ready)]
            with m.If(parameters.valid & parameters.ready):
                m.d.sync += beats_left.eq(beats_left - 1)
                with m.If(beats_left == 0):
                    m.next = "PART"

    def _give_text(self, m: Module) -> None:
        head, parameters = self.ctr_head, self.ctr_parameters
        until_wrap, blocks = self._until_wrap, self._blocks
        with m.State("PART"):
            m.d.sync += self._part.eq(Mux((until_wrap != 0) & (blocks > until_wrap), until_wrap, blocks))
            m.next = "TEXT HEAD"
        with m.State("TEXT HEAD"):
            m.d.comb += [
                head.valid.eq(1),
                head.payload.length.eq(self._part << 4),
                head.payload.flags[KEY_HELD_BIT].eq(1),
            ]
            with m.If(head.ready):
                m.next = "TEXT COUNTER"
        with m.State("TEXT COUNTER"):
            m.d.comb += [parameters.valid.eq(1), parameters.payload.eq(self._counter)]
            with m.If(parameters.ready):
                m.d.sync += [blocks.eq(blocks - self._part), self._counter[-32:].eq(0), until_wrap.eq(0)]
                m.next = "PART"
                with m.If(blocks == self._part):
                    m.next = "HEAD"


class Sealed(wiring.Component):
    """Text and keystream to the result, with the tag behind.

    Blocks for GHASH wait in a register, so that text and keystream are joined while the product before is made.

    Parameters
    ----------
    ghash
        What hashes them.
    """

    plans: In(stream.Signature(Plan))
    values: In(stream.Signature(BLOCK_BITS))
    keystream: In(stream.Signature(BLOCK_BITS))
    text: In(stream.Signature(TextBeat))
    result: Out(stream.Signature(ResultBeat))

    def __init__(self, ghash: Products) -> None:
        super().__init__()
        self._ghash = ghash
        self._plan, self._aad_left = Signal(Plan), Signal(27)
        self._mask, self._tag = Signal(BLOCK_BITS, reset_less=True), Signal(BLOCK_BITS, reset_less=True)
        # The bytes of text behind the last full block.
        self._tail, self._tail_count = Signal(BLOCK_BITS, reset_less=True), Signal(4)
        self._waiting, self._waits, self._closing = Signal(BLOCK_BITS, reset_less=True), Signal(), Signal()
        self._room = Signal()
        self._given = Signal(ResultBeat, reset_less=True)
        self._text, self._joined = Signal(BLOCK_BITS), Signal(BLOCK_BITS)
        self._hashed, self._advance = Signal(), Signal()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ghash = ghash = self._ghash
        beat, given = self.text.payload, self._given
        m.d.comb += [
            self.result.payload.eq(given),
            ghash.key.eq(self.keystream.payload),
            ghash.factor.eq(self.values.payload),
            ghash.blocks.eq(self._plan.blocks),
            ghash.block.eq(self._waiting),
            ghash.closing.eq(self._closing),
            ghash.start.eq(self._waits),
            self._hashed.eq(ghash.done & ~self._waits),
            self._room.eq(ghash.ready | ~self._waits),
            self._advance.eq(~self.result.valid | self.result.ready),
            self._text.eq(masked(beat.bytes, beat.count)),
            self._joined.eq(self._text ^ masked(self.keystream.payload, beat.count)),
        ]
        with m.If(ghash.ready):
            m.d.sync += self._waits.eq(0)
        with m.If(self._advance):
            m.d.sync += [
                self.result.valid.eq(0),
                given.bytes.eq(self._joined),
                given.count.eq(BEAT_BYTES),
                given.last.eq(0),
            ]
        with m.FSM():
            self._start(m)
            self._take_text(m)
            self._close(m)
            self._give_tag(m)
        return m

    def _start(self, m: Module) -> None:
        keystream, plan = self.keystream, self.plans.payload
        with m.State("PLAN"):
            m.d.comb += self.plans.ready.eq(1)
            m.d.sync += [self._plan.eq(plan), self._aad_left.eq(plan.flags.aad_blocks), self._closing.eq(0)]
            with m.If(self.plans.valid):
                m.next = "MASK"
                with m.If(~plan.flags.key_held):
                    m.next = "HASH KEY"
        with m.State("HASH KEY"):
            m.d.comb += [keystream.ready.eq(1), self._ghash.new_key.eq(keystream.valid)]
            with m.If(keystream.valid):
                m.next = "MASK"
        with m.State("MASK"):
            m.d.comb += [keystream.ready.eq(1), self._ghash.clear.eq(1)]
            m.d.sync += [self._mask.eq(keystream.payload), self._tail.eq(0), self._tail_count.eq(0)]
            with m.If(keystream.valid):
                m.next = "TEXT"
                with m.If(self._aad_left != 0):
                    m.next = "AAD"

    def _take_text(self, m: Module) -> None:
        text, keystream, waits, room = self.text, self.keystream, self._waits, self._room
        beat = text.payload
        with m.State("AAD"):
            m.d.comb += text.ready.eq(room)
            with m.If(room):
                m.d.sync += self._waiting.eq(beat.bytes)
            with m.If(text.valid & room):
                m.d.sync += [waits.eq(1), self._aad_left.eq(self._aad_left - 1)]
                with m.If(beat.last):
                    m.next = "FACTOR"
                with m.Elif(self._aad_left == 1):
                    m.next = "TEXT"
        with m.State("TEXT"):
            empty = beat.count == 0
            take = text.valid & room & self._advance & (keystream.valid | empty)
            m.d.comb += [text.ready.eq(take), keystream.ready.eq(take & ~empty)]
            with m.If(room):
                m.d.sync += [
                    self._waiting.eq(Mux(self._plan.flags.decrypt, self._text, self._joined)),
                    self._tail.eq(Mux(beat.count[4], 0, self._joined)),
                    self._tail_count.eq(beat.count),
                ]
            with m.If(take):
                m.d.sync += [waits.eq(~empty), self.result.valid.eq(beat.count[4])]
                with m.If(beat.last):
                    m.next = "FACTOR"

    def _close(self, m: Module) -> None:
        values, plan = self.values, self._plan.flags
        with m.State("FACTOR"):
            m.d.comb += [
                values.ready.eq(self._hashed & plan.factored),
                self._ghash.new_factor.eq(values.ready & values.valid),
            ]
            with m.If(self._hashed & (values.valid | ~plan.factored)):
                m.next = "CLOSE"
        with m.State("CLOSE"):
            m.d.comb += values.ready.eq(1)
            m.d.sync += [self._waiting.eq(values.payload), self._waits.eq(values.valid), self._closing.eq(1)]
            with m.If(values.valid):
                m.next = "ADD"
        with m.State("ADD"):
            m.d.comb += values.ready.eq(self._hashed & plan.factored)
            added = Mux(plan.masked, self._mask, 0) ^ Mux(plan.factored, values.payload, 0)
            m.d.sync += self._tag.eq(self._ghash.sum ^ added)
            with m.If(self._hashed & (values.valid | ~plan.factored)):
                m.next = "TURN"

    def _give_tag(self, m: Module) -> None:
        """Turn the tag until its first byte is behind the tail's last; its last bytes come round."""
        given, tag, count, turned = self._given, self._tag, self._tail_count, Signal(4)
        behind = masked(tag, count)
        with m.State("TURN"):
            with m.If(turned != count):
                m.d.sync += [tag.eq(tag.rotate_left(8)), turned.eq(turned + 1)]
            with m.Else():
                m.d.sync += turned.eq(0)
                m.next = "TAIL"
        for state, following in (("TAIL", "BEHIND"), ("BEHIND", "PLAN")):
            is_last = (count == 0) | (state == "BEHIND")
            with m.State(state), m.If(self._advance):
                m.d.sync += [
                    self.result.valid.eq(1),
                    given.bytes.eq(behind if state == "BEHIND" else self._tail | (tag ^ behind)),
                    given.count.eq(count if state == "BEHIND" else BEAT_BYTES),
                    given.last.eq(is_last),
                ]
                m.next = following
                with m.If(is_last):
                    m.next = "PLAN"


class _AesGcm(wiring.Component):
    def __init__(self) -> None:
        super().__init__(CORE)

    def _joined(self, m: Module, sealed: Sealed, keys: PureInterface) -> CounterSource:
        """Join all but what enciphers and the text; return the source of its blocks."""
        m.submodules.front = front = Front()
        m.submodules.source = source = counter_source()
        m.submodules.sealed = sealed
        wiring.connect(m, wiring.flipped(self.head), front.head)
        wiring.connect(m, wiring.flipped(self.parameters), front.parameters)
        wiring.connect(m, front.ctr_head, source.head)
        wiring.connect(m, front.ctr_parameters, source.parameters)
        wiring.connect(m, front.plans, sealed.plans)
        wiring.connect(m, front.values, sealed.values)
        wiring.connect(m, sealed.result, wiring.flipped(self.result))
        connect_keys(m, source, keys)
        return source


class AesGcmIterative(_AesGcm):
    """A round a clock: 1.14 bytes a clock with keys of 256 bits."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ring = ring = Ring()
        m.submodules.text = text = SkidBuffer(TextBeat)
        sealed = Sealed(Ghash())
        source = self._joined(m, sealed, ring.keys)
        wiring.connect(m, wiring.flipped(self.text), text.taken)
        wiring.connect(m, text.given, sealed.text)
        wiring.connect(m, source.blocks, ring.blocks)
        wiring.connect(m, ring.keystream, sealed.keystream)
        m.d.comb += source.key_go.eq(ring.idle)
        return m


class AesGcmPipeline(_AesGcm):
    """A block a clock: 16 bytes."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.pipeline = pipeline = Pipeline()
        m.submodules.text = text = Queue(TextBeat, QUEUED)
        m.submodules.keystream = keystream = Queue(unsigned(BLOCK_BITS), QUEUED)
        sealed = Sealed(GhashPipeline())
        source = self._joined(m, sealed, pipeline.keys)
        wiring.connect(m, wiring.flipped(self.text), text.items)
        wiring.connect(m, text.front, sealed.text)
        wiring.connect(m, keystream.front, sealed.keystream)
        credits, pace = Signal(range(QUEUED), init=QUEUED - 2), Signal()
        enter = source.blocks.valid & source.blocks.ready
        leave = keystream.front.valid & keystream.front.ready
        m.d.sync += [credits.eq(credits - enter + leave), source.blocks.ready.eq(credits > 1), pace.eq(~pace)]
        m.d.comb += [
            source.key_go.eq(pace),
            pipeline.blocks.payload.eq(source.blocks.payload),
            pipeline.blocks.valid.eq(enter),
            keystream.items.payload.eq(pipeline.enciphered.payload),
            keystream.items.valid.eq(pipeline.enciphered.valid),
        ]
        return m
