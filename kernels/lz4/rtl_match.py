"""The match finder of the LZ4 core: one position a clock, whatever it finds.

A step moves every byte on by a stage. Positions count on from segment to segment; "the position in stage s" is the one
whose first byte has moved there. What happens to it:

    4      its five bytes are there: hash
    5      read the entry of its hash
    6      write it into the entry; the byte goes into the window
    7, 8   the entry comes: the memory's output register, and one where it is needed
    8      distance and tag of the position that was there
    9      is it near enough, and are all five bytes the same?
    10     where its sixth byte lies in the window
    11     DECISION: literal, start of a match, or part of the match that is open

The hash is a bijection of the five bytes onto index and tag, so equal tags in one entry mean equal bytes, and a match
needs no look into the window for its first five. Later bytes are read at the match's distance, one a step. A decision
about position p asks for the byte that p + 5 is compared with; it takes the steps up to then to come:

    1 address   2 memory   3 its output register   4 choice of the half   5 comparison with the byte in stage 10

so the only loop is that of the decision, of four bits.

The entry of the position just before is read while it is written. That the two have one index is seen beside it: all
five bytes are then the same, which is distance 1, or there is no match.
"""

import itertools

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.lz4.rtl_feed import Slot
from fpga_accel.kernels.lz4.rtl_memory import RegisteredMemory

INDEX_BITS = 13
HASHED_BYTES = 5
TAG_BITS = 8 * HASHED_BYTES - INDEX_BITS
WINDOW_BITS = 15
# Bytes are written into the window up to eleven steps before the decision that may need the oldest one.
FARTHEST = (1 << WINDOW_BITS) - 64
# Entries keep this many bits of the position. When it comes round, once in 2 MiB, the table is cleared.
POSITION_BITS = 21
# The last positions before that are no one's candidates, so that an entry from before the clearing is never used.
LAST_POSITIONS = 8
DECISION = 11
# Longer matches are cut, or their length would need more bits. In bytes, about.
LONGEST_BITS = 11
# Rotations of the second and the third 13 bits of the five bytes that are added to the first 13: each bit of the index
# depends on 7 bits. Chosen of 16 random ones by the ratio of the corpus; all were within 0.5 % on text.
ROTATIONS = ((0, 4, 6), (2, 5, 6))


class Decision(data.Struct):
    """What became of a position."""

    byte: unsigned(8)
    literal: unsigned(1)
    starts: unsigned(1)  # a match
    grows: unsigned(1)  # the open match has this byte
    closes: unsigned(1)  # the open match ended before this byte
    end: unsigned(1)  # of the segment
    refused: unsigned(1)
    distance_1: unsigned(WINDOW_BITS)  # with `starts`: distance - 1


def index_of(word):
    """Hash five bytes; with the bits from `INDEX_BITS` on as tag, it can be undone."""
    index = word[:INDEX_BITS]
    for part, rotations in enumerate(ROTATIONS, 1):
        bits = word[part * INDEX_BITS : (part + 1) * INDEX_BITS]
        for count in rotations:
            index = index ^ bits.rotate_left(count)
    return index


class Window(wiring.Component):
    """The last bytes, read one after the other from where a match was found."""

    step: In(1)
    write_address: In(WINDOW_BITS)
    write_byte: In(8)
    jump: In(1)  # go on at `target`
    target: In(WINDOW_BITS)
    byte: Out(8)  # four steps after its address was the target

    def elaborate(self, platform):
        """Write and read two halves, as deep as a block RAM."""
        m = Module()
        halves = [RegisteredMemory(8, WINDOW_BITS - 1) for _ in range(2)]
        address, upper = Signal(WINDOW_BITS), Signal(2)
        for number, half in enumerate(halves):
            m.submodules[f"half_{number}"] = half
            m.d.comb += [
                half.read_address.eq(address),
                half.read_enable.eq(self.step),
                half.write_address.eq(self.write_address),
                half.write_enable.eq(self.step & (self.write_address[-1] == number)),
                half.write_data.eq(self.write_byte),
            ]
        with m.If(self.step):
            m.d.sync += [
                address.eq(Mux(self.jump, self.target, address + 1)),
                upper.eq(Cat(address[-1], upper)),
                self.byte.eq(Mux(upper[1], halves[1].read_data, halves[0].read_data)),
            ]
        return m


class MatchFinder(wiring.Component):
    """Decides about each position, `DECISION` steps after it came."""

    step: In(1)
    slot: In(Slot)
    clearing: Out(1)  # make no steps
    made: Out(1)  # `decision` is new
    decision: Out(Decision)

    def elaborate(self, platform):
        """Lay out the stages."""
        m = Module()
        # stages[s] is the slot in stage s, stages[0] the one that comes.
        self._stages = stages = [self.slot]
        stages += [Signal(Slot, name=f"stage_{number}") for number in range(1, DECISION + 1)]
        with m.If(self.step):
            m.d.sync += [newer.eq(older) for older, newer in itertools.pairwise(stages)]
        self._positions(m)
        entry = self._lookup(m)
        self._candidate(m, entry)
        self._decide(m)
        return m

    def _word(self, stage):
        """Return the five bytes of the position in `stage`."""
        return Cat(self._stages[stage - age].byte for age in range(HASHED_BYTES))

    def _positions(self, m):
        """Count positions; hold the steps to clear the table when they come round."""
        at_5 = Signal(POSITION_BITS, init=(1 << POSITION_BITS) - LAST_POSITIONS)
        at_6, at_7, at_8 = (Signal(POSITION_BITS, name=f"at_{stage}") for stage in (6, 7, 8))
        self._position_at = {5: at_5, 6: at_6, 8: at_8}
        with m.If(self.step):
            m.d.sync += [at_5.eq(at_5 + 1), at_6.eq(at_5), at_7.eq(at_6), at_8.eq(at_7)]

        # The count of rows to clear, then "done" until the positions have come round.
        rows = Signal(INDEX_BITS + 1)
        due = Signal()
        m.d.sync += due.eq(at_5[LAST_POSITIONS.bit_length() - 1 :].all())
        cleared = rows[-1]
        # A step is still made in the clock after the one in which `clearing` is seen.
        waits = Signal(2)
        m.d.comb += self.clearing.eq(due & ~cleared)
        self._clear, self._clear_row = Signal(), rows[:INDEX_BITS]
        m.d.sync += waits.eq(Cat(self.clearing, waits[0]))
        m.d.sync += self._clear.eq(self.clearing & waits.all())
        with m.If(self._clear & ~cleared):
            m.d.sync += rows.eq(rows + 1)
        with m.Elif(~due):
            m.d.sync += rows.eq(0)

    def _lookup(self, m):
        """Return the entry of the position in stage 8, as (position, tag); enter each position.

        Clearing writes the position in stage 6 to every row. Of all others only `LAST_POSITIONS` are near enough to
        take it for theirs, and they take none.
        """
        m.submodules.table = table = RegisteredMemory(POSITION_BITS + TAG_BITS, INDEX_BITS)
        self._index_5, self._index_6 = index_5, index_6 = Signal(INDEX_BITS), Signal(INDEX_BITS)
        with m.If(self.step):
            m.d.sync += index_5.eq(index_of(self._word(4)))
        with m.If(self._clear):
            m.d.sync += index_6.eq(self._clear_row)
        with m.Elif(self.step):
            m.d.sync += index_6.eq(index_5)
        write = Signal()
        m.d.sync += write.eq(self._clear)
        m.d.comb += [
            table.read_address.eq(index_5),
            table.read_enable.eq(self.step),
            table.write_address.eq(index_6),
            table.write_enable.eq(self.step | write),
            table.write_data.eq(Cat(self._position_at[6], self._word(6)[INDEX_BITS:])),
        ]
        entry = Signal(POSITION_BITS + TAG_BITS, reset_less=True)
        with m.If(self.step):
            m.d.sync += entry.eq(table.read_data)
        return entry[:POSITION_BITS], entry[POSITION_BITS:]

    def _candidate(self, m, entry):
        """Find what a match at the position in stage 11 would be."""
        stages = self._stages
        position, tag = entry
        # Bit s: the byte in stage s + 1 is the one before it, too.
        repeats = Signal(HASHED_BYTES)
        # Bit s, of the position in stage s + 6: its five bytes, or its index, are those of the position before it.
        run, same_index = Signal(4), Signal(4)
        distance_9, same_tag = Signal(POSITION_BITS), Signal()
        limit, any_before = Signal(WINDOW_BITS), Signal()
        farthest = Signal()
        valid_10, distance_10 = Signal(), Signal(WINDOW_BITS)
        self._valid, self._distance, self._address = Signal(), Signal(WINDOW_BITS), Signal(WINDOW_BITS)
        restarts = stages[8].first | self._position_at[8][LAST_POSITIONS.bit_length() - 1 :].all()
        with m.If(self.step):
            m.d.sync += [
                repeats.eq(Cat(stages[0].byte == stages[1].byte, repeats)),
                run.eq(Cat(repeats.all(), run)),
                same_index.eq(Cat(self._index_5 == self._index_6, same_index)),
                # Distance - 1.
                distance_9.eq(self._position_at[8] + ~position),
                same_tag.eq(tag == self._word(8)[INDEX_BITS:]),
                limit.eq(Mux(farthest, limit, limit + 1)),
                farthest.eq(limit >= FARTHEST - 1),
                any_before.eq(1),
                valid_10.eq(
                    stages[9].may_start & any_before & Mux(same_index[3], run[3], same_tag & (distance_9 < limit))
                ),
                distance_10.eq(Mux(run[3], 0, distance_9)),
                self._valid.eq(valid_10),
                self._distance.eq(distance_10),
                self._address.eq(self._position_at[6] - distance_10),
            ]
            with m.If(restarts):
                m.d.sync += [limit.eq(0), farthest.eq(0), any_before.eq(0)]

    def _decide(self, m):
        """Open, grow and close matches."""
        m.submodules.window = window = Window()
        stages, decision = self._stages, self.decision
        here = stages[DECISION]
        is_open, full, same = Signal(), Signal(), Signal()
        # Ones for the second to the fifth byte of a match.
        known = Signal(HASHED_BYTES - 1)
        length = Signal(LONGEST_BITS + 1)
        grows, starts = Signal(), Signal()
        m.d.comb += [
            window.step.eq(self.step),
            window.write_address.eq(self._position_at[6]),
            window.write_byte.eq(stages[6].byte),
            window.jump.eq(starts),
            window.target.eq(self._address),
            grows.eq(is_open & (known[0] | same & ~full)),
            starts.eq(self._valid & ~grows),
        ]
        m.d.sync += self.made.eq(self.step)
        with m.If(self.step):
            m.d.sync += [
                same.eq((window.byte == stages[DECISION - 1].byte) & stages[DECISION - 1].may_grow),
                is_open.eq(starts | grows),
                known.eq(Mux(starts, ~0, known >> 1)),
                length.eq(Mux(starts, 0, length + 1)),
                full.eq(length[-1]),
                decision.byte.eq(here.byte),
                decision.literal.eq(here.valid & ~starts & ~grows),
                decision.starts.eq(starts),
                decision.grows.eq(grows),
                decision.closes.eq(is_open & ~grows),
                decision.end.eq(here.end),
                decision.refused.eq(here.refused),
                decision.distance_1.eq(self._distance),
            ]
