"""LZ4 compression and AES-GCM in one fabric: a page in, a sealed frame out.

A segment is a page of up to 64 KiB; its result is the ciphertext of an LZ4 frame of one block, and the tag behind it.
A page that does not get smaller is stored in its frame. Flags and `extra` of its head are those of AES-GCM, but for
`factored`. Parameters, a beat each:

- the frame's header, 15 bytes, and a zero;
- the counter block in front of the text's first (J0 of SP 800-38D section 7.1);
- the block of lengths, that of the ciphertext 0: the core adds it once it knows it;
- the round keys, as those of AES-CTR;
- the associated data, filled up with zeros to whole blocks.

While a page is encrypted, the next one is compressed.
"""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from fpga_accel.kernels.aes.rtl_gcm import AesGcmIterative
from fpga_accel.kernels.chain.rtl_frames import BEAT, Frames, Order
from fpga_accel.kernels.chain.rtl_memory import PAGE_BITS, STATUS_BAD_PARAM, STATUS_OK, Blocks, Page, Ring
from fpga_accel.kernels.common.rtl import CORE
from fpga_accel.kernels.common.rtl_buffers import SkidBuffer
from fpga_accel.kernels.common.rtl_ctr import Landing, Queue, masked
from fpga_accel.kernels.lz4.rtl import Lz4Compress

# Pages between the way in and the way out.
AHEAD = 8
# A page has up to so many beats of parameters.
MOST_PARAMETERS = 255
PARAMETERS = 2 * (MOST_PARAMETERS + 1)
# A head of this length has its text passed over by the LZ4 core.
_TOO_LONG = (1 << 32) - 1


class Lz4AesGcm(wiring.Component):
    """Seals one page after the other."""

    def __init__(self):
        super().__init__(CORE)

    def elaborate(self, platform):
        """Join the two cores by what is between them."""
        m = Module()
        m.submodules.compress = compress = Lz4Compress()
        m.submodules.seal = seal = AesGcmIterative()
        m.submodules.ring = ring = Ring()
        m.submodules.blocks = blocks = Blocks()
        m.submodules.frames = frames = Frames()
        m.submodules.parameters = parameters = Queue(unsigned(BEAT), PARAMETERS)
        wiring.connect(m, wiring.flipped(self.parameters), parameters.items)
        wiring.connect(m, parameters.front, frames.parameters)
        wiring.connect(m, compress.result, blocks.compressed)
        wiring.connect(m, blocks.blocks, frames.blocks)
        wiring.connect(m, frames.head, seal.head)
        m.submodules.values = values = SkidBuffer(unsigned(BEAT))
        wiring.connect(m, frames.values, values.taken)
        wiring.connect(m, values.given, seal.parameters)
        wiring.connect(m, frames.text, seal.text)
        m.d.comb += [
            ring.free.eq(frames.free_page),
            frames.oldest_page.eq(ring.oldest),
            blocks.free.eq(frames.free_block),
            frames.oldest_block.eq(blocks.oldest),
        ]
        room = Signal()
        m.d.comb += room.eq(ring.is_roomy & self._has_parameter_room(m, parameters))
        refused = self._take_heads(m, compress, blocks, frames, room)
        self._take_text(m, compress, ring, refused)
        self._give(m, seal)
        return m

    def _has_parameter_room(self, m, parameters):
        """Return whether all parameters of another page have room."""
        waiting, is_there = Signal(range(PARAMETERS + 1)), Signal()
        enter = parameters.items.valid & parameters.items.ready
        leave = parameters.front.valid & parameters.front.ready
        m.d.sync += [
            waiting.eq(waiting + enter - leave),
            is_there.eq(waiting < PARAMETERS - MOST_PARAMETERS),
        ]
        return is_there

    def _take_heads(self, m, compress, blocks, frames, has_room):
        """Tell all parts of a page; return whether its text is passed over.

        A page whose text cannot come would hold up the end of the one before in the LZ4 core, and with it the room that
        it waits for: so a head waits until there is room.
        """
        m.submodules.pages = pages = Landing(Page, AHEAD)
        m.submodules.orders = orders = Landing(Order, AHEAD)
        m.submodules.statuses = self._statuses = statuses = Landing(unsigned(1), AHEAD)
        wiring.connect(m, pages.front, blocks.pages)
        wiring.connect(m, orders.front, frames.orders)
        head, refused = self.head.payload, Signal()
        is_long = (head.length[:PAGE_BITS] != 0) & head.length[PAGE_BITS] | (head.length[PAGE_BITS + 1 :] != 0)
        order = Signal(Order)
        # The other two are never fuller: a status goes last.
        room = statuses.room & has_room
        take = self.head.valid & self.head.ready
        m.d.comb += [
            self.head.ready.eq(room & compress.head.ready),
            compress.head.valid.eq(self.head.valid & room),
            compress.head.payload.length.eq(Mux(is_long, _TOO_LONG, head.length)),
            order.page.length.eq(Mux(is_long, 0, head.length)),
            order.page.refused.eq(is_long),
            order.flags.eq(head.flags),
            order.rounds.eq(head.extra),
            pages.item.eq(order.page),
            orders.item.eq(order),
            statuses.item.eq(is_long),
        ]
        for queue in (pages, orders, statuses):
            m.d.comb += [queue.push.eq(take), queue.enter.eq(take)]
        with m.If(take):
            m.d.sync += refused.eq(is_long)
        return refused

    def _take_text(self, m, compress, ring, refused):
        """Give the text to the LZ4 core and to the ring at once."""
        m.d.comb += [
            self.text.ready.eq(compress.text.ready & ring.room),
            compress.text.valid.eq(self.text.valid & ring.room),
            compress.text.payload.eq(self.text.payload),
            ring.put.eq(self.text.valid & self.text.ready & ~refused & (self.text.payload.count != 0)),
            ring.beat.eq(masked(self.text.payload.bytes, self.text.payload.count)),
        ]

    def _give(self, m, seal):
        """Say of a page that was refused that it was."""
        status = self._statuses.front
        m.d.comb += [
            self.result.valid.eq(seal.result.valid),
            self.result.payload.eq(seal.result.payload),
            self.result.payload.status.eq(Mux(status.payload, STATUS_BAD_PARAM, STATUS_OK)),
            seal.result.ready.eq(self.result.ready),
            status.ready.eq(seal.result.valid & self.result.ready & seal.result.payload.last),
        ]
