"""What makes LZ4 frames of blocks, and messages of AES-GCM of frames."""

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.aes.rtl_gcm import Flags
from fpga_accel.kernels.chain.rtl_memory import BEAT_BITS, LENGTH_BITS, READ_CLOCKS, Block, Page, beats_of
from fpga_accel.kernels.common.rtl import BEAT_BYTES, Head, TextBeat
from fpga_accel.kernels.common.rtl_ctr import big_endian

BEAT = 8 * BEAT_BYTES
# Frame format 1.6: magic, FLG, BD, content size, HC; then a block's size, its bytes, and the EndMark.
HEADER_BYTES = 15
WORD_BYTES = 4
# Bytes of the word behind the header that do not fit into the header's beat: all payload is shifted by as many.
CARRIED = HEADER_BYTES + WORD_BYTES - BEAT_BYTES


class Order(data.Struct):
    """A page with what the head says of its message."""

    page: Page
    flags: Flags
    rounds: unsigned(8)


class Frames(wiring.Component):
    """Gives the AES-GCM core a head, parameters and text for each page, once its block is there.

    The beats of parameters are the frame's header, the counter block, the lengths without that of the frame, round keys
    where the key is another one, and the associated data.
    """

    orders: In(stream.Signature(Order))
    blocks: In(stream.Signature(Block))
    parameters: In(stream.Signature(BEAT))
    oldest_page: In(BEAT)
    free_page: Out(BEAT_BITS + 1)
    oldest_block: In(BEAT)
    free_block: Out(BEAT_BITS + 1)
    head: Out(stream.Signature(Head))
    values: Out(stream.Signature(BEAT))
    text: Out(stream.Signature(TextBeat))

    def __init__(self):
        super().__init__()
        self._order, self._block = Signal(Order), Signal(Block)
        self._header, self._word = Signal(8 * HEADER_BYTES, reset_less=True), Signal(8 * WORD_BYTES)
        self._frame_size = Signal(LENGTH_BITS + 1)
        # Of the frame behind its first, and of its payload.
        self._beats_left, self._payload_left = Signal(BEAT_BITS + 2), Signal(BEAT_BITS + 1)
        self._page_beats, self._tail = Signal(BEAT_BITS + 1), Signal(5)
        self._given = Signal(TextBeat, reset_less=True)
        self._left = Signal(27)  # of whatever passes

    def elaborate(self, platform):
        """Do one page after the other."""
        m = Module()
        m.d.comb += self.text.payload.eq(self._given)
        with m.FSM():
            self._start(m)
            self._give_values(m)
            self._give_aad(m)
            self._give_frame(m)
        return m

    def _start(self, m):
        order, block, size = self._order, self._block, self._frame_size
        page = order.page
        there = self.orders.valid & self.blocks.valid & self.parameters.valid
        with m.State("START"):
            m.d.comb += [each.ready.eq(there) for each in (self.orders, self.blocks, self.parameters)]
            m.d.sync += [
                order.eq(self.orders.payload),
                block.eq(self.blocks.payload),
                self._header.eq(self.parameters.payload),
            ]
            with m.If(there):
                m.next = "SIZE"
        with m.State("SIZE"):
            # A page of nothing has no block.
            framing = Mux(page.length == 0, HEADER_BYTES + WORD_BYTES, HEADER_BYTES + 2 * WORD_BYTES)
            m.d.sync += [
                size.eq(block.size + framing),
                self._word.eq(Mux(page.length == 0, 0, Cat(block.size, Const(0, 31 - LENGTH_BITS), block.stored))),
                self._payload_left.eq(beats_of(block.size)),
                self._page_beats.eq(beats_of(page.length)),
            ]
            m.next = "BEATS"
        with m.State("BEATS"):
            m.d.sync += [
                self._beats_left.eq(beats_of(size) - 1),
                self._tail.eq(Cat(size[:4], size[:4] == 0)),
            ]
            with m.If(~block.stored):
                m.d.comb += self.free_page.eq(self._page_beats)
            m.next = "HEAD"
        with m.State("HEAD"):
            m.d.comb += [
                self.head.valid.eq(1),
                self.head.payload.length.eq((order.flags.aad_blocks << 4) + size),
                self.head.payload.flags.eq(order.flags),
                self.head.payload.extra.eq(order.rounds),
            ]
            with m.If(self.head.ready):
                m.next = "COUNTER"

    def _give_values(self, m):
        values, flags, rounds = self.values, self._order.flags, self._order.rounds
        bits = Signal(BEAT)
        with m.State("COUNTER"):
            self._pass_value(m)
            m.d.sync += self._left.eq(rounds)
            with m.If(values.valid & values.ready):
                m.next = "LENGTHS"
        with m.State("LENGTHS"):
            self._pass_value(m)
            m.d.comb += [
                bits.eq(self._frame_size << 3),
                values.payload.eq(self.parameters.payload | big_endian(bits)),
            ]
            with m.If(values.valid & values.ready):
                m.next = "KEYS"
                with m.If(flags.key_held):
                    m.next = "ENTER"
        with m.State("KEYS"):
            self._pass_value(m)
            with m.If(values.valid & values.ready):
                m.d.sync += self._left.eq(self._left - 1)
                with m.If(self._left == 0):
                    m.next = "ENTER"
        with m.State("ENTER"):
            m.d.sync += self._left.eq(flags.aad_blocks)
            m.next = "FIRST"
            with m.If(flags.aad_blocks != 0):
                m.next = "AAD"

    def _pass_value(self, m):
        m.d.comb += [
            self.values.valid.eq(self.parameters.valid),
            self.values.payload.eq(self.parameters.payload),
            self.parameters.ready.eq(self.values.ready),
        ]

    def _give_aad(self, m):
        given = self._given
        with m.State("AAD"):
            m.d.comb += self.parameters.ready.eq(1)
            m.d.sync += [
                given.bytes.eq(self.parameters.payload),
                given.count.eq(BEAT_BYTES),
                given.last.eq(0),
            ]
            with m.If(self.parameters.valid):
                m.d.sync += self._left.eq(self._left - 1)
                m.next = "GIVE AAD"
        with m.State("GIVE AAD"):
            m.d.comb += self.text.valid.eq(1)
            with m.If(self.text.ready):
                m.next = "AAD"
                with m.If(self._left == 0):
                    m.next = "FIRST"

    def _give_frame(self, m):
        given, stored = self._given, self._block.stored
        carried, following = Signal(8 * CARRIED), Signal(BEAT)
        waited = Signal(range(READ_CLOCKS + 1))
        with m.State("FIRST"):
            m.d.sync += [
                given.bytes.eq(Cat(self._header, self._word[:8])),
                given.count.eq(BEAT_BYTES),
                given.last.eq(0),
                carried.eq(self._word[8:]),
            ]
            m.next = "GIVE"
        with m.State("GIVE"):
            m.d.comb += self.text.valid.eq(1)
            m.d.sync += waited.eq(0)
            with m.If(self.text.ready):
                m.next = "READ"
                with m.If(given.last):
                    m.next = "START"
        with m.State("READ"):
            m.d.sync += [
                waited.eq(waited + 1),
                following.eq(Mux(self._payload_left == 0, 0, Mux(stored, self.oldest_page, self.oldest_block))),
            ]
            with m.If(waited == READ_CLOCKS):
                m.next = "SHIFT"
        with m.State("SHIFT"):
            there = self._payload_left != 0
            is_last = self._beats_left == 1
            m.d.sync += [
                given.bytes.eq(Cat(carried, following[: BEAT - 8 * CARRIED])),
                given.count.eq(Mux(is_last, self._tail, BEAT_BYTES)),
                given.last.eq(is_last),
                carried.eq(following[BEAT - 8 * CARRIED :]),
                self._beats_left.eq(self._beats_left - 1),
                self._payload_left.eq(self._payload_left - there),
            ]
            m.d.comb += [self.free_page.eq(there & stored), self.free_block.eq(there & ~stored)]
            m.next = "GIVE"
