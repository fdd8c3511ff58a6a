"""CRC-32C and CRC-32 of one segment, 16 bytes a clock.

A CRC register is linear in itself and in the bytes. Of a beat of 16 bytes, `r' = M r + L bytes` over GF(2): `L bytes`
comes from a register, so that only `M r` is in the loop. The last beat of a segment is filled up with zeros, and the
steps that these were too many are taken back: a step of a register by zeros has an inverse, because the polynomial has
a constant term. That takes four clocks, for 1, 2, 4 and 8 bytes, behind the loop.

The head's flags are the checksum of what comes before the segment, 0 where that is nothing.
"""

from functools import reduce
from operator import xor

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import fifo, wiring
from fpga_accel.kernels.common.rtl import BEAT_BYTES, CORE

WIDTH = 32
ONES = (1 << WIDTH) - 1
# Segments between their head and their result; LUT RAM is that deep.
IN_FLIGHT = 16


def _after_bit(register, polynomial):
    """Step a register, reflected as usual, by a zero bit."""
    return register >> 1 ^ (polynomial if register & 1 else 0)


def _before_bit(register, polynomial):
    """Take a step by a zero bit back."""
    odd = register >> WIDTH - 1
    return ((register ^ (polynomial if odd else 0)) << 1 | odd) & ONES


def _after(register, polynomial, data):
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = _after_bit(register, polynomial)
    return register


def _before(register, polynomial, zeros):
    for _ in range(8 * zeros):
        register = _before_bit(register, polynomial)
    return register


def _product(columns, vector):
    """Multiply a matrix over GF(2), by its columns, with a vector."""
    rows = []
    for row in range(WIDTH):
        terms = [vector[index] for index, column in enumerate(columns) if column >> row & 1]
        rows.append(reduce(xor, terms, Const(0, 1)))
    return Cat(rows)


class Crc32(wiring.Component):
    """A CRC of 32 bits; the result is its four bytes, the least significant first.

    Parameters
    ----------
    polynomial
        Reflected: bit 31 is the coefficient of 1.
    """

    def __init__(self, polynomial):
        super().__init__(CORE)
        unit = [1 << bit for bit in range(WIDTH)]
        text = [(1 << bit).to_bytes(BEAT_BYTES, "little") for bit in range(8 * BEAT_BYTES)]
        self._of_register = [_after(each, polynomial, bytes(BEAT_BYTES)) for each in unit]
        self._of_text = [_after(0, polynomial, each) for each in text]
        self._back = [[_before(each, polynomial, 1 << power) for each in unit] for power in range(4)]

    def elaborate(self, platform):
        """Join a register for the beat, the loop, the way back, and a queue of results that always has room."""
        m = Module()
        m.submodules.queue = queue = fifo.SyncFIFO(width=WIDTH, depth=IN_FLIGHT)
        left = Signal(range(IN_FLIGHT + 1), init=IN_FLIGHT)
        in_text = Signal()
        start, start_stepped = Signal(WIDTH), Signal(WIDTH)
        first = Signal()
        front = self.head.payload.flags ^ ONES
        takes_head = self.head.valid & self.head.ready
        done = self.result.valid & self.result.ready
        m.d.comb += [
            self.head.ready.eq(~in_text & (left != 0)),
            self.parameters.ready.eq(1),
            self.text.ready.eq(in_text),
        ]
        m.d.sync += left.eq(left - takes_head + done)
        with m.If(takes_head):
            m.d.sync += [
                in_text.eq(1),
                first.eq(1),
                start.eq(front),
                start_stepped.eq(_product(self._of_register, front)),
            ]

        text = self.text.payload
        takes_text = self.text.valid & in_text
        beat, beat_first, beat_last, there = Signal(WIDTH), Signal(), Signal(), Signal()
        too_many = Signal(4)
        of_text = _product(self._of_text, text.bytes)
        m.d.sync += there.eq(takes_text)
        with m.If(takes_text):
            m.d.sync += [
                # What is empty leaves the register as it was.
                beat.eq(Mux(text.count == 0, start, of_text ^ Mux(first, start_stepped, 0))),
                beat_first.eq(first),
                beat_last.eq(text.last),
                too_many.eq(Mux(text.count == 0, 0, BEAT_BYTES - text.count)),
                first.eq(0),
                in_text.eq(~text.last),
            ]

        register, ended, over = Signal(WIDTH), Signal(), Signal(4)
        m.d.sync += [ended.eq(there & beat_last), over.eq(too_many)]
        with m.If(there):
            m.d.sync += register.eq(beat ^ Mux(beat_first, 0, _product(self._of_register, register)))

        for power, columns in enumerate(self._back):
            taken_back, has_ended, remaining = Signal(WIDTH), Signal(), Signal(4)
            m.d.sync += [
                taken_back.eq(Mux(over[power], _product(columns, register), register)),
                has_ended.eq(ended),
                remaining.eq(over),
            ]
            register, ended, over = taken_back, has_ended, remaining

        m.d.comb += [
            queue.w_data.eq(register ^ ONES),
            queue.w_en.eq(ended),
            self.result.payload.bytes.eq(queue.r_data),
            self.result.payload.count.eq(WIDTH // 8),
            self.result.payload.last.eq(1),
            self.result.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.result.ready),
        ]
        return m
