"""The memories of the sealing core: pages until it is known what became of them, and blocks until they leave.

Both are rings of beats in block RAM, as large as the largest page. Text arrives about once in 16 clocks, as LZ4 takes
a byte a clock, so nothing here has to be done every clock.
"""

from amaranth import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.common.rtl import BEAT_BYTES, ResultBeat
from fpga_accel.kernels.common.rtl_ctr import masked
from fpga_accel.kernels.lz4.rtl_memory import RegisteredMemory

# The largest page is 2**PAGE_BITS bytes.
PAGE_BITS = 16
BEAT_BITS = PAGE_BITS - 4
LENGTH_BITS = PAGE_BITS + 1
# Clocks from a change of what is oldest until it is read: the address, the RAM, the register behind it.
READ_CLOCKS = 3
# The LZ4 core lets the end of a page go when it is pushed by no next page, or by 32 bytes or more of one.
ROOMY = 8

STATUS_OK = 0
STATUS_BAD_PARAM = 5


class Page(data.Struct):
    """What is to become of a page."""

    length: unsigned(LENGTH_BITS)
    refused: unsigned(1)  # it is too long: it is not kept, and its length is 0


class Block(data.Struct):
    """What became of a page."""

    size: unsigned(LENGTH_BITS)  # of the payload
    stored: unsigned(1)  # as it is: it did not get smaller


def beats_of(length):
    """Return how many beats so many bytes are."""
    return (length + (BEAT_BYTES - 1)) >> 4


class Ring(wiring.Component):
    """Beats of which the oldest can be read, and of which the newest can be taken back to a mark.

    After `put`, `room` is away for two clocks: it is a register, and so is what is written, as the RAMs lie far apart.
    """

    put: In(1)
    beat: In(8 * BEAT_BYTES)
    room: Out(1)
    is_roomy: Out(1)  # for `ROOMY` beats
    # Not in the clock after `put`:
    mark: In(1)  # what is there stays
    take_back: In(1)  # what came since the last mark goes
    free: In(BEAT_BITS + 1)  # as many of the oldest go
    oldest: Out(8 * BEAT_BYTES)  # `READ_CLOCKS` after the last change

    def elaborate(self, platform):
        """Keep two positions and a mark, which go round twice the ring: full and empty differ."""
        m = Module()
        m.submodules.rows = rows = RegisteredMemory(8 * BEAT_BYTES, BEAT_BITS)
        written, marked, read = (Signal(BEAT_BITS + 1, name=name) for name in ("written", "marked", "read"))
        level = Signal(BEAT_BITS + 1)
        writes, beat = Signal(), Signal(8 * BEAT_BYTES, reset_less=True)
        m.d.comb += [
            rows.write_address.eq(written),
            rows.write_data.eq(beat),
            rows.write_enable.eq(writes),
            rows.read_address.eq(read),
            rows.read_enable.eq(1),
            self.oldest.eq(rows.read_data),
            level.eq(written - read),
        ]
        m.d.sync += [
            writes.eq(self.put),
            beat.eq(self.beat),
            read.eq(read + self.free),
            self.room.eq(~self.put & ~writes & ~level[-1]),
            self.is_roomy.eq(level < (1 << BEAT_BITS) - ROOMY),
        ]
        with m.If(self.take_back):
            m.d.sync += written.eq(marked)
        with m.Elif(writes):
            m.d.sync += written.eq(written + 1)
        with m.If(self.mark):
            m.d.sync += marked.eq(written)
        return m


class Blocks(wiring.Component):
    """Keeps the blocks that got smaller than their pages, and says of all what became of them."""

    pages: In(stream.Signature(Page))
    compressed: In(stream.Signature(ResultBeat))
    blocks: Out(stream.Signature(Block))
    free: In(BEAT_BITS + 1)
    oldest: Out(8 * BEAT_BYTES)

    def elaborate(self, platform):
        """Take a beat in a few clocks: one comes in 16."""
        m = Module()
        m.submodules.ring = ring = Ring()
        beat, taken = self.compressed.payload, Signal(ResultBeat, reset_less=True)
        # Of the page, and of those that may still be kept: a block of as many is no smaller.
        length, beats_left = Signal(LENGTH_BITS), Signal(BEAT_BITS + 1)
        size, is_smaller = Signal(LENGTH_BITS), Signal()
        block = Signal(Block)
        m.d.comb += [
            ring.beat.eq(taken.bytes),
            ring.free.eq(self.free),
            self.oldest.eq(ring.oldest),
            self.blocks.payload.eq(block),
        ]
        with m.FSM():
            with m.State("PAGE"):
                m.d.comb += self.pages.ready.eq(1)
                m.d.sync += [
                    length.eq(self.pages.payload.length),
                    beats_left.eq(beats_of(self.pages.payload.length)),
                    size.eq(0),
                ]
                with m.If(self.pages.valid):
                    m.next = "BEAT"
            with m.State("BEAT"):
                m.d.comb += self.compressed.ready.eq(ring.room)
                m.d.sync += [
                    taken.bytes.eq(masked(beat.bytes, beat.count)),
                    taken.count.eq(beat.count),
                    taken.last.eq(beat.last),
                    taken.status.eq(beat.status),
                ]
                with m.If(self.compressed.valid & ring.room):
                    m.next = "KEEP"
            with m.State("KEEP"):
                keeps = beats_left != 0
                m.d.comb += ring.put.eq(keeps)
                # What is not kept is not counted, either: it is too much already.
                with m.If(keeps):
                    m.d.sync += [beats_left.eq(beats_left - 1), size.eq(size + taken.count)]
                m.next = "BEAT"
                with m.If(taken.last):
                    m.next = "COMPARE"
            with m.State("COMPARE"):
                m.d.sync += is_smaller.eq((size < length) & (taken.status == STATUS_OK))
                m.next = "JUDGE"
            with m.State("JUDGE"):
                m.d.comb += [ring.mark.eq(is_smaller), ring.take_back.eq(~is_smaller)]
                m.d.sync += [block.size.eq(size), block.stored.eq(~is_smaller)]
                with m.If(~is_smaller):
                    m.d.sync += block.size.eq(length)
                m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += self.blocks.valid.eq(1)
                with m.If(self.blocks.ready):
                    m.next = "PAGE"
        return m
