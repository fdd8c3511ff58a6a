"""AES-CTR (FIPS 197, SP 800-38A section 6.5) as cores for FPGAs.

Parameters of a segment: its first counter block, then the expanded key, one beat for each of the `extra` + 1 round
keys, where `extra` is the number of rounds (10, 12 or 14). With bit `KEY_HELD_BIT` in the head's flags the round keys
are left out, and those of the segment before hold. The host expands keys: it does so once a key, and hardware for it
would stand idle.
"""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.aes.rtl_ctr import KeyToken, connect_keys, counter_source
from fpga_accel.kernels.aes.rtl_pipeline import Pipeline
from fpga_accel.kernels.aes.rtl_rounds import (
    BLOCK_BITS,
    MAX_ROUNDS,
    Substitution,
    mixed,
    shifted_rows,
)
from fpga_accel.kernels.common.rtl import CORE, TextBeat
from fpga_accel.kernels.common.rtl_ctr import Joiner, Landing, Queue

# Entries of a queue. A block takes 43 clocks through the rounds, and its credit 5 more to come back.
QUEUED = 64
# Enciphered counters that wait for text in the iterative core, with those on their way.
DONE = 4


class AesCtrIterative(wiring.Component):
    """A round a clock: 1.14 bytes a clock with keys of 256 bits."""

    def __init__(self) -> None:
        super().__init__(CORE)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.source = source = counter_source()
        m.submodules.ring = ring = Ring()
        m.submodules.joiner = joiner = Joiner()
        wiring.connect(m, wiring.flipped(self.head), source.head)
        wiring.connect(m, wiring.flipped(self.parameters), source.parameters)
        wiring.connect(m, wiring.flipped(self.text), joiner.text)
        connect_keys(m, source, ring.keys)
        wiring.connect(m, source.blocks, ring.blocks)
        wiring.connect(m, ring.keystream, joiner.keystream)
        wiring.connect(m, joiner.result, wiring.flipped(self.result))
        m.d.comb += source.key_go.eq(ring.idle)
        return m


class AesCtrPipeline(wiring.Component):
    """A block a clock: 16 bytes."""

    def __init__(self) -> None:
        super().__init__(CORE)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.source = source = counter_source()
        m.submodules.pipeline = pipeline = Pipeline()
        m.submodules.text = text = Queue(TextBeat, QUEUED)
        m.submodules.keystream = keystream = Queue(unsigned(BLOCK_BITS), QUEUED)
        m.submodules.joiner = joiner = Joiner()
        wiring.connect(m, wiring.flipped(self.head), source.head)
        wiring.connect(m, wiring.flipped(self.parameters), source.parameters)
        wiring.connect(m, wiring.flipped(self.text), text.items)
        connect_keys(m, source, pipeline.keys)
        wiring.connect(m, text.front, joiner.text)
        wiring.connect(m, keystream.front, joiner.keystream)
        wiring.connect(m, joiner.result, wiring.flipped(self.result))

        credits = Signal(range(QUEUED), init=QUEUED - 2)
        pace = Signal()
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


class Ring(wiring.Component):
    """Two blocks take turns in two halves of a round: SubBytes with ShiftRows, then the rest.

    A block enters when the place that comes round is empty or has its last round behind it.
    """

    keys: In(stream.Signature(KeyToken, always_ready=True))
    blocks: In(stream.Signature(BLOCK_BITS))
    keystream: Out(stream.Signature(BLOCK_BITS))
    idle: Out(1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.substitution = substitution = Substitution()
        m.submodules.keys = key_memory = Memory(shape=BLOCK_BITS, depth=16, init=[])
        m.submodules.done = done = Landing(unsigned(BLOCK_BITS), DONE)
        wiring.connect(m, done.front, wiring.flipped(self.keystream))

        rounds = Signal(4)
        key_writer, key_reader = key_memory.write_port(), key_memory.read_port(domain="comb")
        m.d.comb += [
            key_writer.addr.eq(self.keys.payload.hops),
            key_writer.data.eq(self.keys.payload.key),
            key_writer.en.eq(self.keys.valid),
        ]
        with m.If(self.keys.valid):
            m.d.sync += rounds.eq(self.keys.payload.rounds)

        state, substituted, key = (Signal(BLOCK_BITS, reset_less=True) for _ in range(3))
        first_valid, second_valid, second_is_last = Signal(), Signal(), Signal()
        first_round, second_round = Signal(4), Signal(4)
        first_is_last = first_round == rounds
        m.d.comb += [
            substitution.state.eq(state),
            key_reader.addr.eq(Mux(first_is_last, MAX_ROUNDS - 1, first_round - 1)),
        ]
        m.d.sync += [
            substituted.eq(shifted_rows(substitution.substituted)),
            key.eq(key_reader.data),
            second_valid.eq(first_valid),
            second_round.eq(first_round),
            second_is_last.eq(first_is_last),
        ]

        enciphered = Signal(BLOCK_BITS)
        enter = Signal()
        m.d.comb += [
            enciphered.eq(Mux(second_is_last, substituted, mixed(substituted)) ^ key),
            self.blocks.ready.eq((~second_valid | second_is_last) & done.room),
            enter.eq(self.blocks.valid & self.blocks.ready),
            done.enter.eq(enter),
            self.idle.eq(~first_valid & ~second_valid),
        ]
        m.d.sync += [
            state.eq(Mux(enter, self.blocks.payload, enciphered)),
            first_round.eq(Mux(enter, 1, second_round + 1)),
            first_valid.eq(enter | (second_valid & ~second_is_last)),
            done.item.eq(enciphered),
            done.push.eq(second_valid & second_is_last),
        ]
        return m
