"""The way out of the LZ4 core: decisions gathered into sequences, and sequences written byte by byte."""

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.common.rtl import BEAT_BYTES, ResultBeat
from fpga_accel.kernels.lz4.rtl_match import LONGEST_BITS, WINDOW_BITS, Decision
from fpga_accel.kernels.lz4.rtl_memory import RegisteredMemory

STATUS_OK = 0
STATUS_DST_TOO_SMALL = 1
STATUS_BAD_PARAM = 5
MIN_MATCH = 4
# A length from this one on has further bytes.
LONG = 15
LITERAL_BITS = 12
# Bytes between the feed and the queue of literals when that has no more room, and some to spare.
ON_THE_WAY = 32
# A block with a run of this many literals is not compressed: a run waits in its queue for its length.
LONGEST_RUN = (1 << LITERAL_BITS) - 2 * ON_THE_WAY
SEQUENCE_BITS = 5


class Sequence(data.Struct):
    """Literals and a match, or the end of the segment."""

    literals: unsigned(LITERAL_BITS)
    no_literals: unsigned(1)
    long_literals: unsigned(1)  # `LONG` or more
    length: unsigned(LONGEST_BITS + 1)  # of the match, less `MIN_MATCH`
    long_length: unsigned(1)
    distance_1: unsigned(WINDOW_BITS)
    ends: unsigned(1)  # the segment: there is no match
    status: unsigned(4)  # STATUS_* of abi.h, of a segment that ends


class Gather(wiring.Component):
    """Counts literals and lengths. Literals and sequences go into queues that the room is kept in."""

    made: In(1)
    decision: In(Decision)
    literal: Out(1)
    byte: Out(8)
    there: Out(1)
    sequence: Out(Sequence)

    def elaborate(self, platform):
        """Hand a sequence out when its match closes, or after the last byte of the segment."""
        m = Module()
        decision = self.decision
        literals, length, distance_1 = Signal(LITERAL_BITS), Signal(LONGEST_BITS + 2), Signal(WINDOW_BITS)
        failed, ends, refused = Signal(), Signal(), Signal()
        closes, literal = Signal(), Signal()
        m.d.comb += [
            literal.eq(self.made & decision.literal & (~failed | ends)),
            closes.eq(self.made & decision.closes & ~failed),
            self.literal.eq(literal),
            self.byte.eq(decision.byte),
        ]
        m.d.sync += [ends.eq(self.made & decision.end), refused.eq(decision.refused)]
        with m.If(self.made):
            m.d.sync += length.eq(length + 1)
            with m.If(decision.starts):
                # The first byte counts, too.
                m.d.sync += [length.eq(1 - MIN_MATCH), distance_1.eq(decision.distance_1)]
        with m.If(closes | ends):
            m.d.sync += literals.eq(literal)
        with m.Elif(literal):
            m.d.sync += literals.eq(literals + 1)
        with m.If(ends):
            m.d.sync += failed.eq(0)
        with m.Elif(literals >= LONGEST_RUN):
            m.d.sync += failed.eq(1)

        sequence = self.sequence
        m.d.sync += [
            self.there.eq(closes | ends),
            sequence.literals.eq(literals),
            sequence.no_literals.eq(literals == 0),
            sequence.long_literals.eq(literals >= LONG),
            sequence.length.eq(Mux(ends, 0, length)),
            sequence.long_length.eq(~ends & (length[: LONGEST_BITS + 1] >= LONG)),
            sequence.distance_1.eq(distance_1),
            sequence.ends.eq(ends),
            sequence.status.eq(Mux(refused, STATUS_BAD_PARAM, Mux(failed, STATUS_DST_TOO_SMALL, STATUS_OK))),
        ]
        return m


class Sequences(wiring.Component):
    """A queue of sequences in LUT RAM; the oldest one is in a register."""

    put: In(1)
    sequence: In(Sequence)
    room: Out(1)  # for all that is on the way
    there: Out(1)
    oldest: Out(Sequence)
    take: In(1)

    def elaborate(self, platform):
        """Count what is in memory and on the way out of it."""
        m = Module()
        depth = 1 << SEQUENCE_BITS
        m.submodules.rows = rows = memory.Memory(shape=Sequence, depth=depth, init=[])
        write, read = rows.write_port(), rows.read_port(domain="comb")
        waiting = Signal(SEQUENCE_BITS + 1)
        moves = Signal()
        m.d.comb += [
            write.data.eq(self.sequence),
            write.en.eq(self.put),
            moves.eq((waiting != 0) & (~self.there | self.take)),
        ]
        m.d.sync += [
            waiting.eq(waiting + self.put - moves),
            self.room.eq(waiting < depth // 2),
        ]
        with m.If(self.put):
            m.d.sync += write.addr.eq(write.addr + 1)
        with m.If(moves):
            m.d.sync += [self.oldest.eq(read.data), self.there.eq(1), read.addr.eq(read.addr + 1)]
        with m.Elif(self.take):
            m.d.sync += self.there.eq(0)
        return m


class Literals(wiring.Component):
    """A queue of literals in block RAM."""

    put: In(1)
    byte: In(8)
    room: Out(1)  # for all that is on the way
    take: In(1)
    oldest: Out(8)  # two clocks after `take`

    def elaborate(self, platform):
        """Count what is in memory."""
        m = Module()
        m.submodules.rows = rows = RegisteredMemory(8, LITERAL_BITS)
        waiting = Signal(LITERAL_BITS + 1)
        m.d.comb += [
            rows.write_data.eq(self.byte),
            rows.write_enable.eq(self.put),
            rows.read_enable.eq(1),
            self.oldest.eq(rows.read_data),
        ]
        m.d.sync += [
            waiting.eq(waiting + self.put - self.take),
            self.room.eq(waiting < (1 << LITERAL_BITS) - ON_THE_WAY),
        ]
        with m.If(self.put):
            m.d.sync += rows.write_address.eq(rows.write_address + 1)
        with m.If(self.take):
            m.d.sync += rows.read_address.eq(rows.read_address + 1)
        return m


class Step(data.Struct):
    """One byte of the block."""

    byte: unsigned(8)
    valid: unsigned(1)
    literal: unsigned(1)  # the byte comes from the queue of literals
    last: unsigned(1)  # of the block
    status: unsigned(4)


class Writer(wiring.Component):
    """Writes sequences, one byte a clock: token, lengths, literals, distance (block format, "Compressed block")."""

    there: In(1)
    sequence: In(Sequence)
    take: Out(1)
    go: In(1)  # there is room for a byte
    take_literal: Out(1)
    made: Out(Step)

    def elaborate(self, platform):
        """Write the token from the queue and everything else from registers."""
        m = Module()
        sequence, made = self.sequence, self.made
        literals, is_last_literal = Signal(LITERAL_BITS), Signal()
        literals_left, length_left = Signal(LITERAL_BITS), Signal(LONGEST_BITS + 1)
        distance, long_length, ends, status = Signal(16), Signal(), Signal(), Signal(4)
        with m.If(self.take):
            m.d.sync += [
                literals.eq(sequence.literals),
                is_last_literal.eq(sequence.literals == 1),
                literals_left.eq(sequence.literals - LONG),
                length_left.eq(sequence.length - LONG),
                distance.eq(sequence.distance_1 + 1),
                long_length.eq(sequence.long_length),
                ends.eq(sequence.ends),
                status.eq(sequence.status),
            ]
        m.d.comb += [made.valid.eq(self.go), made.status.eq(status)]
        with m.FSM():
            with m.State("TOKEN"):
                m.d.comb += [
                    made.valid.eq(self.go & self.there),
                    made.byte.eq(
                        Cat(
                            sequence.length[:4] | sequence.long_length.replicate(4),
                            sequence.literals[:4] | sequence.long_literals.replicate(4),
                        )
                    ),
                    made.last.eq(sequence.ends & sequence.no_literals),
                    made.status.eq(sequence.status),
                    self.take.eq(made.valid),
                ]
                with m.If(self.take):
                    with m.If(sequence.long_literals):
                        m.next = "LITERALS LENGTH"
                    with m.Elif(~sequence.no_literals):
                        m.next = "LITERALS"
                    with m.Elif(~sequence.ends):
                        m.next = "DISTANCE LOW"
            with m.State("LITERALS LENGTH"):
                self._put_length(m, literals_left, "LITERALS")
            with m.State("LITERALS"):
                m.d.comb += [
                    made.literal.eq(1),
                    made.last.eq(is_last_literal & ends),
                    self.take_literal.eq(self.go),
                ]
                with m.If(self.go):
                    m.d.sync += [literals.eq(literals - 1), is_last_literal.eq(literals == 2)]
                    with m.If(is_last_literal):
                        m.next = "DISTANCE LOW"
                        with m.If(ends):
                            m.next = "TOKEN"
            with m.State("DISTANCE LOW"):
                m.d.comb += made.byte.eq(distance[:8])
                with m.If(self.go):
                    m.next = "DISTANCE HIGH"
            with m.State("DISTANCE HIGH"):
                m.d.comb += made.byte.eq(distance[8:])
                with m.If(self.go):
                    m.next = "TOKEN"
                    with m.If(long_length):
                        m.next = "LENGTH"
            with m.State("LENGTH"):
                self._put_length(m, length_left, "TOKEN")
        return m

    def _put_length(self, m, left, after):
        """Write a length's further bytes: 255 means that another one follows."""
        follows = left >= 255
        m.d.comb += self.made.byte.eq(left[:8] | follows.replicate(8))
        with m.If(self.go):
            m.d.sync += left.eq(left - 255)
            with m.If(~follows):
                m.next = after


class Beats(wiring.Component):
    """Gathers bytes into beats: one is filled while the one before waits to be taken."""

    made: In(Step)
    literal: In(8)  # two clocks after its step
    go: Out(1)
    result: Out(stream.Signature(ResultBeat))

    def elaborate(self, platform):
        """Let a byte begin a beat only where that beat has a place; the rest follows without a look back."""
        m = Module()
        made, result = self.made, self.result
        lane, is_open, free = Signal(range(BEAT_BYTES)), Signal(), Signal(range(3), init=2)
        begins, taken = Signal(), Signal()
        m.d.comb += [
            self.go.eq(is_open | (free != 0)),
            begins.eq(made.valid & ~is_open),
            taken.eq(result.valid & result.ready),
        ]
        m.d.sync += free.eq(free - begins + taken)
        with m.If(made.valid):
            m.d.sync += [
                lane.eq(Mux(made.last, 0, lane + 1)),
                is_open.eq(~made.last & (lane != BEAT_BYTES - 1)),
            ]

        # The steps that wait for their literal.
        steps = [Signal(Step, name=f"step_{age}") for age in (1, 2)]
        lanes = [Signal(range(BEAT_BYTES), name=f"lane_{age}") for age in (1, 2)]
        m.d.sync += [steps[0].eq(made), steps[1].eq(steps[0]), lanes[0].eq(lane), lanes[1].eq(lanes[0])]
        step = Signal(Step)
        number, here = Signal(range(BEAT_BYTES)), Signal(BEAT_BYTES)
        m.d.sync += [
            step.eq(steps[1]),
            number.eq(lanes[1]),
            here.eq(Mux(steps[1].valid, Const(1, BEAT_BYTES) << lanes[1], 0)),
        ]
        with m.If(steps[1].literal):
            m.d.sync += step.byte.eq(self.literal)

        filled, full = Signal(ResultBeat, reset_less=True), Signal()
        for position in range(BEAT_BYTES):
            with m.If(here[position]):
                m.d.sync += filled.bytes.word_select(position, 8).eq(step.byte)
        moves = full & (~result.valid | result.ready)
        with m.If(moves):
            m.d.sync += [result.payload.eq(filled), result.valid.eq(1), full.eq(0)]
        with m.Elif(result.ready):
            m.d.sync += result.valid.eq(0)
        with m.If(step.valid & (step.last | here[-1])):
            m.d.sync += [
                full.eq(1),
                filled.count.eq(number + 1),
                filled.last.eq(step.last),
                filled.status.eq(step.status),
            ]
        return m
