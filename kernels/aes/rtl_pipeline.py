"""The rounds of AES in a row: a block enters each clock, without a way to wait."""

from amaranth import Cat, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.aes.rtl_ctr import KeyToken
from fpga_accel.kernels.aes.rtl_rounds import (
    BLOCK_BITS,
    MAX_ROUNDS,
    SubstitutionMemory,
    mixed_column,
)

# Two in the block RAM, one behind MixColumns and AddRoundKey.
ROUND_CLOCKS = 3


def _delayed(m: Module, bit: Value, clocks: int) -> Signal:
    line = Signal(clocks)
    m.d.sync += line.eq(Cat(bit, line))
    return line[-1]


class KeyStation(wiring.Component):
    """Where round keys pass a round: the one with no hops left stays, the others go on a clock later."""

    keys: In(stream.Signature(KeyToken, always_ready=True))
    onward: Out(stream.Signature(KeyToken, always_ready=True))
    held: Out(KeyToken)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        token = self.keys.payload
        arrived = token.hops == 0
        passing, held = Signal(KeyToken, reset_less=True), Signal(KeyToken, reset_less=True)
        m.d.comb += [self.onward.payload.eq(passing), self.held.eq(held)]
        m.d.sync += [
            self.onward.valid.eq(self.keys.valid & ~arrived),
            passing.eq(token),
            passing.hops.eq(token.hops - 1),
        ]
        with m.If(self.keys.valid & arrived):
            m.d.sync += held.eq(token)
        return m


class Round(wiring.Component):
    """A round with MixColumns (FIPS 197 section 5.1)."""

    keys: In(stream.Signature(KeyToken, always_ready=True))
    onward: Out(stream.Signature(KeyToken, always_ready=True))
    state: In(BLOCK_BITS)
    next_state: Out(BLOCK_BITS)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.station = station = KeyStation()
        m.submodules.substitution = substitution = SubstitutionMemory()
        wiring.connect(m, wiring.flipped(self.keys), station.keys)
        wiring.connect(m, station.onward, wiring.flipped(self.onward))
        state = Signal(BLOCK_BITS, reset_less=True)
        m.d.comb += [substitution.state.eq(self.state), self.next_state.eq(state)]
        for column in range(4):
            single = substitution.substituted.word_select(column, 32)
            double = substitution.doubled.word_select(column, 32)
            key = station.held.key.word_select(column, 32)
            m.d.sync += state.word_select(column, 32).eq(mixed_column(single, double) ^ key)
        return m


class Pipeline(wiring.Component):
    """All rounds. Blocks come out in their order, `valid` with them.

    Keys of 128 and 192 bits leave out the rounds in front of the last one, whose key is number 14 for all. The key of
    round i passes 2i clocks behind the first, so it follows the data in front of it and no data need wait for it.
    """

    keys: In(stream.Signature(KeyToken, always_ready=True))
    blocks: In(stream.Signature(BLOCK_BITS, always_ready=True))
    enciphered: Out(stream.Signature(BLOCK_BITS, always_ready=True))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        keys, state, valid = wiring.flipped(self.keys), self.blocks.payload, self.blocks.valid
        ends = {}
        for number in range(1, MAX_ROUNDS):
            m.submodules[f"round_{number}"] = step = Round()
            wiring.connect(m, keys, step.keys)
            m.d.comb += step.state.eq(state)
            keys, state, valid = step.onward, step.next_state, _delayed(m, valid, ROUND_CLOCKS)
            ends[number + 1] = (state, valid)

        m.submodules.station = station = KeyStation()
        m.submodules.last = last = SubstitutionMemory()
        wiring.connect(m, keys, station.keys)
        mixed, mixed_valid = Signal(BLOCK_BITS, reset_less=True), Signal()
        with m.Switch(station.held.rounds):
            for rounds in (10, 12):
                with m.Case(rounds):
                    m.d.sync += [mixed.eq(ends[rounds][0]), mixed_valid.eq(ends[rounds][1])]
            with m.Default():
                m.d.sync += [mixed.eq(ends[MAX_ROUNDS][0]), mixed_valid.eq(ends[MAX_ROUNDS][1])]
        m.d.comb += last.state.eq(mixed)
        enciphered = Signal(BLOCK_BITS, reset_less=True)
        m.d.sync += enciphered.eq(last.substituted ^ station.held.key)
        m.d.comb += [
            self.enciphered.payload.eq(enciphered),
            self.enciphered.valid.eq(_delayed(m, mixed_valid, ROUND_CLOCKS)),
        ]
        return m
