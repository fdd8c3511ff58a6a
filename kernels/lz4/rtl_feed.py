"""The way into the LZ4 core: segments cut into bytes, one a clock, with what the format says of a block's end."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.common.rtl import BEAT_BYTES, Head, TextBeat

WORD_BYTES = 4
WORDS = BEAT_BYTES // WORD_BYTES
# Bytes of a row are counted in 24 bits; a longer row has STATUS_BAD_PARAM.
LENGTH_BITS = 24
# The last match of a block starts 12 bytes before its end or earlier, and the last 5 bytes are literals.
LAST_START = 12
LAST_LITERALS = 5


class Slot(data.Struct):
    """One step of the match finder: a byte, or none to push the bytes before it on."""

    byte: unsigned(8)
    valid: unsigned(1)  # there is a byte
    first: unsigned(1)  # of a segment
    fresh: unsigned(1)  # with `first`: positions start again, with an empty table
    end: unsigned(1)  # of a segment: its last byte, or no byte
    refused: unsigned(1)  # with `end`: the segment is too long
    may_start: unsigned(1)  # a match may start here
    may_grow: unsigned(1)  # a match may reach this byte


class Words(wiring.Component):
    """Cuts the beats of a segment into bytes; what is left of the beat with a segment's last byte is dropped."""

    text: In(stream.Signature(TextBeat))
    skip: In(1)  # drop beats up to the segment's last
    skipped: Out(1)
    byte: Out(8)
    there: Out(1)
    take: In(1)
    last: In(1)  # with `take`: the segment's last byte

    def elaborate(self, platform):
        """Load a word in the clock in which the one before is used up."""
        m = Module()
        beat, full, index = Signal(8 * BEAT_BYTES, reset_less=True), Signal(), Signal(range(WORDS))
        word, left = Signal(8 * WORD_BYTES, reset_less=True), Signal(range(WORD_BYTES + 1))
        lane = Signal(range(WORD_BYTES))
        ready = Signal()
        arrives = Signal()
        m.d.comb += [
            self.text.ready.eq(ready),
            arrives.eq(ready & self.text.valid),
            self.byte.eq(word.word_select(lane, 8)),
            self.there.eq(left != 0),
            self.skipped.eq(self.skip & arrives & self.text.payload.last),
        ]
        loads = Signal()
        m.d.comb += loads.eq(full & (~self.there | self.take & (left == 1)))
        with m.If(self.take):
            m.d.sync += [left.eq(left - 1), lane.eq(lane + 1)]
        with m.If(loads):
            m.d.sync += [
                word.eq(beat.word_select(index, 8 * WORD_BYTES)),
                left.eq(WORD_BYTES),
                lane.eq(0),
                index.eq(index + 1),
            ]
        with m.If(self.take & self.last):
            m.d.sync += left.eq(0)

        with m.If(self.take & self.last | loads & (index == WORDS - 1)):
            m.d.sync += full.eq(0)
        with m.If(ready):
            m.d.sync += beat.eq(self.text.payload.bytes)
        with m.If(arrives & ~self.skip):
            m.d.sync += [full.eq(1), index.eq(0), ready.eq(0)]
        with m.Else():
            m.d.sync += ready.eq(~full & ~self.skipped)
        return m


class Feed(wiring.Component):
    """Hands out the bytes of segments.

    Parameters
    ----------
    flush
        Steps after the last byte of a segment when no other segment follows.
    """

    def __init__(self, flush):
        super().__init__(
            {
                "head": In(stream.Signature(Head)),
                "text": In(stream.Signature(TextBeat)),
                "room": In(1),  # steps may be made from the clock after the next one on
                "crowded": In(1),  # positions have to start again before they come round
                "step": Out(1),  # `slot` is new
                "slot": Out(Slot),
            }
        )
        self._flush = flush

    def elaborate(self, platform):
        """Count the bytes of a segment down."""
        m = Module()
        m.submodules.words = words = Words()
        wiring.connect(m, words.text, wiring.flipped(self.text))
        running, skipping, ending = Signal(), Signal(), Signal()
        left, is_last, first, too_long = Signal(LENGTH_BITS), Signal(), Signal(), Signal()
        pushes, pushing = Signal(range(self._flush + 1)), Signal()
        room, fire = Signal(), Signal()
        ends = ending | running & is_last
        m.d.sync += [room.eq(self.room), self.step.eq(fire)]
        m.d.comb += [
            fire.eq(room & Mux(running, words.there, ending | pushing)),
            words.take.eq(room & running & words.there),
            words.last.eq(is_last),
            words.skip.eq(skipping),
        ]
        slot = self.slot
        with m.If(fire):
            m.d.sync += [
                slot.byte.eq(words.byte),
                slot.valid.eq(running),
                slot.first.eq(first),
                # Of positions and lengths below half of what is counted, the sum is counted too.
                slot.fresh.eq(first & running & (self.crowded | left[-1])),
                slot.end.eq(ends),
                slot.refused.eq(ending & too_long),
                slot.may_start.eq(running & (left >= LAST_START)),
                slot.may_grow.eq(running & (left > LAST_LITERALS)),
                first.eq(0),
                left.eq(left - 1),
                is_last.eq(left == 2),
            ]
            with m.If(ends):
                m.d.sync += [running.eq(0), ending.eq(0), pushes.eq(self._flush), pushing.eq(1)]
            with m.Elif(~running):
                m.d.sync += [pushes.eq(pushes - 1), pushing.eq(pushes != 1)]
        with m.If(words.skipped):
            m.d.sync += [skipping.eq(0), ending.eq(1)]
        self._heads(m, (running, skipping, ending), (left, is_last, first, too_long))
        return m

    def _heads(self, m, states, counts):
        """Take the head of the next segment once the one before is through."""
        running, skipping, ending = states
        left, is_last, first, too_long = counts
        length = self.head.payload.length
        is_long = length[LENGTH_BITS:] != 0
        ready = Signal()
        m.d.comb += self.head.ready.eq(ready)
        with m.If(ready & self.head.valid):
            skips = is_long | (length == 0)
            m.d.sync += [
                ready.eq(0),
                left.eq(length),
                is_last.eq(length == 1),
                first.eq(1),
                too_long.eq(is_long),
                skipping.eq(skips),
                running.eq(~skips),
            ]
        with m.Else():
            m.d.sync += ready.eq(~(running | skipping | ending))
