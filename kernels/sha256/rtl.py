"""SHA-256 (FIPS 180-4 §6.2), one round a clock and 65 clocks a block of 64 bytes.

The two halves of the state are computed apart. With a(t) and e(t) the first and the fifth word after t rounds,

    e(t+1) = a(t-3) + e(t-3) + K(t) + W(t) + Sigma1(e(t)) + Ch(e(t), e(t-1), e(t-2))
    a(t+1) = e(t+1) - a(t-3) + Sigma0(a(t)) + Maj(a(t), a(t-1), a(t-2))

e needs no a that is younger than three rounds, so a runs two clocks behind, and all but the functions of the youngest
word is added up in the clocks before: no clock has more than one carry-save step and one addition. "Clock t" below is
the one in which the register e holds e(t); clock 64 is followed by clock 0 of the next block. Then

    clock t-5: U(t) = W(t-16) + sigma0(W(t-15)) + W(t-7), or the word of the message for t < 16
    clock t-4: W(t) = U(t) + sigma1(W(t-2))
    clock t-3: K(t) + W(t)     clock t-2: + e(t-3)     clock t-1: + a(t-3)
    clock t:   e(t+1)          clock t+1: e(t+1) - a(t-3)          clock t+2: a(t+1)

The hash value is kept in two shift registers. When the words of the last four rounds come by, the oldest first, they
are added to the words that leave, which gives the hash value and, in the same clocks, the first state of the block
that follows.
"""

import math

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.common.rtl import BEAT_BYTES, CORE, Head, TextBeat

BLOCK_BEATS = 4
# Four blocks: the next one is there while one is worked on, and LUT RAM is as deep anyway.
QUEUE_BEATS = 16
LAST_CLOCK = 64
# A block's first word is needed in the clock after this one; whether there is a block is decided one before.
FIRST_LOAD = 59


def _primes(count):
    found = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


def _cube_root(number):
    root = round(number ** (1 / 3))
    while root**3 > number:
        root -= 1
    while (root + 1) ** 3 <= number:
        root += 1
    return root


# The first 32 bits of the fractional parts of square and cube roots of primes (FIPS 180-4 §5.3.3, §4.2.2).
START = [math.isqrt(prime << 64) & 0xFFFFFFFF for prime in _primes(8)]
ROUND = [_cube_root(prime << 96) & 0xFFFFFFFF for prime in _primes(64)]


def _big_sigma_0(x):
    return x.rotate_right(2) ^ x.rotate_right(13) ^ x.rotate_right(22)


def _big_sigma_1(x):
    return x.rotate_right(6) ^ x.rotate_right(11) ^ x.rotate_right(25)


def _sigma_0(x):
    return x.rotate_right(7) ^ x.rotate_right(18) ^ x.shift_right(3)


def _sigma_1(x):
    return x.rotate_right(17) ^ x.rotate_right(19) ^ x.shift_right(10)


def _choice(x, y, z):
    return (x & y) | (~x & z)


def _majority(x, y, z):
    return (x & y) | (x & z) | (y & z)


def _sum_of_three(x, y, z):
    """Add three words with one carry chain, after a carry-save step."""
    carry = _majority(x, y, z)
    return ((x ^ y ^ z) + Cat(Const(0, 1), carry[:31]))[:32]


def _words_swapped(beat):
    """Turn each four bytes of a beat from big-endian into a word, or back."""
    return Cat(beat[32 * word + 24 - 8 * byte :][:8] for word in range(4) for byte in range(4))


class PaddedBeat(data.Struct):
    """A beat of the padded message; `final` marks its end."""

    bytes: unsigned(128)
    final: unsigned(1)


class Padding(wiring.Component):
    """Appends the padding of FIPS 180-4 §5.1.1 to each message: whole blocks of four beats."""

    head: In(stream.Signature(Head))
    text: In(stream.Signature(TextBeat))
    padded: Out(stream.Signature(PaddedBeat))

    def elaborate(self, platform):
        """Pass the text on, with the mark of its end in the first byte that is free."""
        m = Module()
        index = Signal(2)
        length = Signal(32)
        marked = Signal()
        # The length in bits, big-endian, is the last eight bytes of a block.
        bits = Cat(Const(0, 3), length, Const(0, 29))
        length_bytes = Cat(Const(0, 64), *(bits[56 - 8 * byte :][:8] for byte in range(8)))
        text, padded = self.text.payload, self.padded.payload
        mark = Const(0x80, 128) << Cat(Const(0, 3), text.count[:4])
        fits = text.last & (index == BLOCK_BEATS - 1) & (text.count < BEAT_BYTES // 2)

        with m.If(self.padded.valid & self.padded.ready):
            m.d.sync += index.eq(index + 1)
        with m.FSM():
            with m.State("HEAD"):
                m.d.comb += self.head.ready.eq(1)
                m.d.sync += length.eq(self.head.payload.length)
                with m.If(self.head.valid):
                    m.next = "TEXT"
            with m.State("TEXT"):
                m.d.comb += [
                    self.padded.valid.eq(self.text.valid),
                    self.text.ready.eq(self.padded.ready),
                    padded.bytes.eq(
                        text.bytes | Mux(text.last & ~text.count[4], mark[:128], 0) | Mux(fits, length_bytes, 0)
                    ),
                    padded.final.eq(fits),
                ]
                m.d.sync += marked.eq(~text.count[4])
                with m.If(self.text.valid & self.padded.ready & text.last):
                    m.next = "PADDING"
                    with m.If(fits):
                        m.next = "HEAD"
            with m.State("PADDING"):
                ends = index == BLOCK_BEATS - 1
                m.d.comb += [
                    self.padded.valid.eq(1),
                    padded.bytes.eq(Mux(marked, 0, 0x80) | Mux(ends, length_bytes, 0)),
                    padded.final.eq(ends),
                ]
                with m.If(self.padded.ready):
                    m.d.sync += marked.eq(1)
                    with m.If(ends):
                        m.next = "HEAD"
        return m


class Sha256(wiring.Component):
    """Hashes one segment after the other; the result is the digest. Parameters are not looked at."""

    def __init__(self):
        super().__init__(CORE)

    def elaborate(self, platform):
        """Join the padding, the message schedule, the rounds and the hash value."""
        m = Module()
        m.submodules.padding = padding = Padding()
        m.submodules.queue = queue = fifo.SyncFIFO(width=PaddedBeat.as_shape().size, depth=QUEUE_BEATS)
        m.d.comb += [
            padding.head.payload.eq(self.head.payload),
            padding.head.valid.eq(self.head.valid),
            self.head.ready.eq(padding.head.ready),
            padding.text.payload.eq(self.text.payload),
            padding.text.valid.eq(self.text.valid),
            self.text.ready.eq(padding.text.ready),
            self.parameters.ready.eq(1),
            queue.w_data.eq(padding.padded.payload),
            queue.w_en.eq(padding.padded.valid),
            padding.padded.ready.eq(queue.w_rdy),
        ]
        self._control(m, queue)
        self._schedule(m, queue)
        self._rounds(m)
        self._results(m)
        return m

    def _control(self, m, queue):
        """Count the clocks of a block; start the next one at the end of one, or when its text is there."""
        self._clock = clock = Signal(range(LAST_CLOCK + 1))
        self._busy = busy = Signal()
        # Whether the block being worked on is a message's last, and whether its digest has to be sent.
        self._final = final = Signal(init=1)
        self._sending = Signal()
        self._follows = follows = Signal()
        there = Signal()
        m.d.sync += there.eq(queue.level >= BLOCK_BEATS)

        # What is added up at the end of a block: the start of a message, or the hash value and the state. A block
        # that did not follow at once finds the hash value as it is.
        self._fresh_e, self._fresh_a, self._adds_e, self._adds_a = (Signal() for _ in range(4))
        self._window_e, self._window_a = Signal(), Signal()
        before = {name: Signal() for name in ("fresh", "adds", "window")}
        m.d.sync += [
            before["fresh"].eq(self._fresh_e),
            self._fresh_a.eq(before["fresh"]),
            before["adds"].eq(self._adds_e),
            self._adds_a.eq(before["adds"]),
            before["window"].eq(self._window_e),
            self._window_a.eq(before["window"]),
            self._window_e.eq(busy & (clock >= 60) & (clock < LAST_CLOCK)),
        ]
        settled = ~(self._window_e | before["window"] | self._window_a)

        with m.If(busy):
            m.d.sync += clock.eq(clock + 1)
            with m.If(clock == FIRST_LOAD - 1):
                m.d.sync += [follows.eq(there & ~final), self._adds_e.eq(1), self._fresh_e.eq(0)]
            with m.If(clock == LAST_CLOCK):
                m.d.sync += [clock.eq(0), busy.eq(follows), self._sending.eq(final & ~follows)]
        with m.Elif(settled & there & ~self._sending):
            m.d.sync += [
                busy.eq(1),
                clock.eq(FIRST_LOAD),
                follows.eq(1),
                self._adds_e.eq(0),
                self._fresh_e.eq(final),
            ]

        # The first words leave the queue in the last clocks of the block before.
        loads_before = follows & ((clock == FIRST_LOAD) | (clock == FIRST_LOAD + 4))
        loads_within = (clock == 2) | (clock == 6)
        self._load = Signal()
        m.d.comb += self._load.eq(busy & (loads_before | loads_within))
        m.d.comb += queue.r_en.eq(self._load)
        with m.If(self._load):
            m.d.sync += final.eq(data.View(PaddedBeat, queue.r_data).final)
        self._settled = settled

    def _schedule(self, m, queue):
        """Compute K(t) + W(t)."""
        words = Signal(128)
        with m.If(self._load):
            m.d.sync += words.eq(_words_swapped(data.View(PaddedBeat, queue.r_data).bytes))
        with m.Else():
            m.d.sync += words.eq(words >> 32)

        from_message = Signal()
        was_from_message = Signal()
        with m.If((self._clock == FIRST_LOAD) & self._follows):
            m.d.sync += from_message.eq(1)
        with m.Elif(self._clock == 10):
            m.d.sync += from_message.eq(0)
        m.d.sync += was_from_message.eq(from_message)

        w = [Signal(32, name=f"w{age}", reset_less=True) for age in range(15)]
        u = Signal(32, reset_less=True)
        m.d.sync += [newer.eq(older) for newer, older in zip(w[1:], w, strict=False)]
        m.d.sync += u.eq(Mux(from_message, words[:32], _sum_of_three(w[14], _sigma_0(w[13]), w[5])))
        m.d.sync += w[0].eq(u + (_sigma_1(w[1]) & ~was_from_message.replicate(32)))

        index = Signal(range(64))
        constant = Signal(32)
        m.d.sync += index.eq(Mux(self._clock == 60, 0, index + 1))
        with m.Switch(index):
            for number, value in enumerate(ROUND):
                with m.Case(number):
                    m.d.sync += constant.eq(value)
        self._round_word = Signal(32, reset_less=True)
        m.d.sync += self._round_word.eq(constant + w[0])

    def _rounds(self, m):
        """Compute the state, and at the end of a block the hash value."""
        e, f, g = (Signal(32, name=name, reset_less=True) for name in "efg")
        a, b, c = (Signal(32, name=name, reset_less=True) for name in "abc")
        # The hash value from its youngest word to its oldest.
        self._hash_e = hash_e = [Signal(32, name=f"hash_e{age}", reset_less=True) for age in range(4)]
        self._hash_a = hash_a = [Signal(32, name=f"hash_a{age}", reset_less=True) for age in range(4)]
        with_e, with_a, difference = (Signal(32, reset_less=True) for _ in range(3))
        clock = self._clock

        sum_e = self._end_of_block(m, "e", self._window_e, hash_e, (e, self._adds_e), self._fresh_e, START[4:])
        sum_a = self._end_of_block(m, "a", self._window_a, hash_a, (a, self._adds_a), self._fresh_a, START[:4])

        # Up to clock 2 the words of rounds before the first are those of the hash value.
        takes_hash_e, takes_hash_a = Signal(), Signal()
        m.d.sync += takes_hash_e.eq((clock == 62) | (clock == 63) | (clock == LAST_CLOCK))
        m.d.sync += takes_hash_a.eq((clock == 63) | (clock == LAST_CLOCK) | (clock == 0))
        m.d.sync += with_e.eq(self._round_word + Mux(takes_hash_e, hash_e[1], f))
        m.d.sync += with_a.eq(with_e + Mux(takes_hash_a, hash_a[0], a))

        starts_e, starts_a = Signal(), Signal()
        m.d.sync += [starts_e.eq(clock == LAST_CLOCK - 1), starts_a.eq(clock == 0)]
        m.d.sync += [
            e.eq(Mux(starts_e, sum_e, _sum_of_three(with_a, _big_sigma_1(e), _choice(e, f, g)))),
            f.eq(Mux(starts_e, hash_e[0], e)),
            g.eq(Mux(starts_e, hash_e[1], f)),
            difference.eq(e - Mux(starts_a, hash_a[2], c)),
            a.eq(Mux(starts_a, sum_a, _sum_of_three(difference, _big_sigma_0(a), _majority(a, b, c)))),
            b.eq(Mux(starts_a, hash_a[0], a)),
            c.eq(Mux(starts_a, hash_a[1], b)),
        ]

    def _end_of_block(self, m, half, window, hash_value, state, fresh, start):
        """Shift one half of the hash value while `window` lasts; return what goes in."""
        word, adds = state
        # Oldest first.
        turn = Signal(2, name=f"turn_{half}")
        m.d.sync += turn.eq(Mux(window, turn + 1, 0))
        with m.Switch(turn):
            first = Signal(32, name=f"start_{half}")
            for number, value in enumerate(reversed(start)):
                with m.Case(number):
                    m.d.comb += first.eq(value)
        summed = (Mux(fresh, first, hash_value[3]) + (word & adds.replicate(32)))[:32]
        with m.If(window):
            m.d.sync += hash_value[0].eq(summed)
            m.d.sync += [older.eq(newer) for older, newer in zip(hash_value[1:], hash_value, strict=False)]
        return summed

    def _results(self, m):
        """Send the digest once the last block is added up, in two beats."""
        second = Signal()
        result = self.result
        halves = [_words_swapped(Cat(words)) for words in (self._hash_a, self._hash_e)]
        m.d.comb += [
            result.valid.eq(self._sending & self._settled & ~self._busy),
            result.payload.bytes.eq(Mux(second, halves[1], halves[0])),
            result.payload.count.eq(BEAT_BYTES),
            result.payload.last.eq(second),
        ]
        with m.If(result.valid & result.ready):
            m.d.sync += second.eq(~second)
            with m.If(second):
                m.d.sync += self._sending.eq(0)
