"""LZ4 compression: one byte of text a clock, one byte of the block a clock.

A segment is one block. A block with a run of literals too long for the queue has STATUS_DST_TOO_SMALL, which says
"store it raw", as in the other variants; so has, from the host's side, one that does not fit.
"""

from amaranth import Module
from amaranth.lib import wiring
from fpga_accel.kernels.common.rtl import CORE
from fpga_accel.kernels.common.rtl_engines import Engines
from fpga_accel.kernels.lz4.rtl_encode import Beats, Gather, Literals, Sequences, Writer
from fpga_accel.kernels.lz4.rtl_feed import Feed
from fpga_accel.kernels.lz4.rtl_match import DECISION, MatchFinder


class Lz4Compress(wiring.Component):
    """Compresses one segment after the other. Flags and parameters are not looked at.

    Parameters
    ----------
    index_bits
        The table of matches has 2**`index_bits` entries.
    """

    def __init__(self, index_bits=13):
        super().__init__(CORE)
        self._index_bits = index_bits

    def elaborate(self, platform):
        """Join feed, match finder, queues and writer. Only the feed is ever held up."""
        m = Module()
        m.submodules.feed = feed = Feed(flush=DECISION + 1)
        m.submodules.finder = finder = MatchFinder(self._index_bits)
        m.submodules.gather = gather = Gather()
        m.submodules.literals = literals = Literals()
        m.submodules.sequences = sequences = Sequences()
        m.submodules.writer = writer = Writer()
        m.submodules.beats = beats = Beats()
        for mine, inner in ((self.head, feed.head), (self.text, feed.text), (self.result, beats.result)):
            wiring.connect(m, wiring.flipped(mine), inner)
        m.d.comb += [
            self.parameters.ready.eq(1),
            feed.room.eq(literals.room & sequences.room & ~finder.clearing),
            feed.crowded.eq(finder.crowded),
            finder.step.eq(feed.step),
            finder.slot.eq(feed.slot),
            gather.made.eq(finder.made),
            gather.decision.eq(finder.decision),
            literals.put.eq(gather.literal),
            literals.byte.eq(gather.byte),
            sequences.put.eq(gather.there),
            sequences.sequence.eq(gather.sequence),
            writer.there.eq(sequences.there),
            writer.sequence.eq(sequences.oldest),
            sequences.take.eq(writer.take),
            literals.take.eq(writer.take_literal),
            writer.go.eq(beats.go),
            beats.made.eq(writer.made),
            beats.literal.eq(literals.oldest),
        ]
        return m


class Lz4CompressEngines(Engines):
    """Several of them.

    Parameters
    ----------
    count
        How many.
    index_bits
        Of each.
    """

    def __init__(self, count, index_bits):
        super().__init__(Lz4Compress(index_bits) for _ in range(count))
