"""The AES-CTR cores' source of keys and counters."""

from amaranth import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.aes.rtl_rounds import BLOCK_BITS, MAX_ROUNDS
from fpga_accel.kernels.common.rtl import Head
from fpga_accel.kernels.common.rtl_ctr import KEY_HELD_BIT, Counter


class KeyToken(data.Struct):
    """A round key on its way to the round that is `hops` further."""

    key: unsigned(BLOCK_BITS)
    hops: unsigned(4)
    rounds: unsigned(4)


class CounterSource(wiring.Component):
    """Reads heads and parameters; sends round keys, then counter blocks with round key 0 added.

    `keys` carries no ready: a key leaves in a clock with `key_go`. The last round's is number 14 for every size of key,
    so the numbers from `rounds` to 13 are passed over, at the same pace.
    """

    head: In(stream.Signature(Head))
    parameters: In(stream.Signature(BLOCK_BITS))
    key_go: In(1)
    keys: Out(stream.Signature(KeyToken, always_ready=True))
    blocks: Out(stream.Signature(BLOCK_BITS))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.counter = counter = Counter()
        left, more = Signal(28), Signal()  # blocks
        held = Signal()
        slot, rounds = Signal(4), Signal(4)
        first_key = Signal(BLOCK_BITS, reset_less=True)
        advance = ~self.blocks.valid | self.blocks.ready

        # Every segment has one block at least when it steps, so left == 1 is left[1:] == 0.
        m.d.sync += more.eq(left[1:].any() | (left[0] & ~counter.step))
        token, block = Signal(KeyToken, reset_less=True), Signal(BLOCK_BITS, reset_less=True)
        m.d.comb += [
            self.keys.payload.eq(token),
            self.blocks.payload.eq(block),
            counter.first.eq(self.parameters.payload),
        ]
        m.d.sync += [
            self.keys.valid.eq(0),
            token.key.eq(self.parameters.payload),
            token.hops.eq(slot - 1),
            token.rounds.eq(rounds),
        ]
        with m.If(advance):
            m.d.sync += self.blocks.valid.eq(counter.step)
        with m.If(counter.step):
            m.d.sync += block.eq(counter.block ^ first_key)
        with m.FSM():
            with m.State("HEAD"):
                m.d.comb += self.head.ready.eq(1)
                m.d.sync += [
                    left.eq((self.head.payload.length + 15) >> 4),
                    held.eq(self.head.payload.flags[KEY_HELD_BIT]),
                    rounds.eq(self.head.payload.extra),
                    slot.eq(0),
                ]
                with m.If(self.head.valid):
                    m.next = "COUNTER"
            with m.State("COUNTER"):
                m.d.comb += [self.parameters.ready.eq(1), counter.load.eq(self.parameters.valid)]
                with m.If(self.parameters.valid):
                    m.next = "KEYS"
                    with m.If(held):
                        m.next = "SETTLE"
            with m.State("KEYS"):
                used = (slot < rounds) | (slot == MAX_ROUNDS)
                go = self.key_go & ~self.blocks.valid
                m.d.comb += self.parameters.ready.eq(go & used)
                with m.If(go & (self.parameters.valid | ~used)):
                    m.d.sync += [slot.eq(slot + 1), self.keys.valid.eq(used & (slot != 0))]
                    with m.If(slot == 0):
                        m.d.sync += first_key.eq(self.parameters.payload)
                    with m.If(slot == MAX_ROUNDS):
                        m.next = "SETTLE"
            with m.State("SETTLE"):
                m.next = "BLOCKS"
            with m.State("BLOCKS"):
                m.d.comb += counter.step.eq(more & advance)
                with m.If(~more):
                    m.next = "HEAD"
                with m.If(counter.step):
                    m.d.sync += left.eq(left - 1)
        return m
