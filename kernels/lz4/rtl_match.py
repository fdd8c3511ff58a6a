"""The match finder of the LZ4 core: one position a clock, whatever it finds.

A step moves every byte on by a stage; "the position in stage s" is the one whose first byte has moved there. What
happens to it:

    4      its five bytes are there: hash
    5      read the entry of its hash
    6      the byte goes into the window
    7, 8   the entry comes: the memory's output register, and one where it is needed
    8      distance, tag, print and byte before of the position that was there
    9      is it near enough, and are all five bytes the same?
    10     the position before it looks whether this one has more
    11     its own match, or that of the position behind it
    12     where its sixth byte lies in the window
    13     DECISION: literal, start of a match, or part of the match that is open
    14     ENTRY: write it into the table, unless it is the sixth byte of a match or a later one

The hash is a bijection of the five bytes onto index and tag, so equal tags in one entry mean equal bytes, and a match
needs no look into the window for its first five. Later bytes are read at the match's distance, one a step. A decision
about position p asks for the byte that p + 5 is compared with; it takes the steps up to then to come:

    1 address   2 memory   3 its output register   4 choice of the half   5 comparison with the byte in stage 12

so the only loop is that of the decision, of four bits.

An entry is found by positions ten steps behind its own and later ones. A row that is read in the clock in which it is
written has no match. What repeats its byte before is a match at distance 1, beside the table.

Positions count on from segment to segment; what a segment finds lies in it, as the distance is compared with the count
of its bytes. Before positions come round the table is cleared, between two segments: no result depends on when.
"""

import itertools

from amaranth import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.lz4.rtl_feed import LENGTH_BITS, Slot
from fpga_accel.kernels.lz4.rtl_memory import RegisteredMemory

HASHED_BYTES = 5
# Of the three bytes after those an entry has a print: which of two neighbours has the longer match is a guess.
PRINT_BYTES = 3
PRINT_BITS = 5
WINDOW_BITS = 15
# Bytes are written into the window up to eleven steps before the decision that may need the oldest one.
FARTHEST = (1 << WINDOW_BITS) - 64
# As many as a segment has.
POSITION_BITS = LENGTH_BITS
DECISION = 13
ENTRY = DECISION + 1
# Longer matches are cut, or their length would need more bits. In bytes, about.
LONGEST_BITS = 11
# Rotations of the further parts of the five bytes, as wide as the index, that are added to the first: each bit of the
# index depends on 7 bits. Chosen of 16 random ones by the ratio of the corpus; all were within 0.5 % on text.
ROTATIONS = ((0, 4, 6), (2, 5, 6), (1,))


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


def entry_of(index_bits):
    """Return the layout of what the table keeps of a position."""
    return data.StructLayout(
        {
            "position": unsigned(POSITION_BITS),
            "tag": unsigned(8 * HASHED_BYTES - index_bits),
            "print": unsigned(PRINT_BITS),
            "before": unsigned(8),  # the byte before it
        }
    )


def index_of(word, index_bits):
    """Hash five bytes; with the bits from `index_bits` on as tag, it can be undone."""
    index = word[:index_bits]
    for part, rotations in enumerate(ROTATIONS, 1):
        bits = word[part * index_bits : (part + 1) * index_bits]
        padded = Cat(bits, Const(0, index_bits - len(bits)))
        for count in rotations:
            index = index ^ padded.rotate_left(count)
    return index


def print_of(word):
    """Fold three bytes."""
    parts = [word[start : start + PRINT_BITS] for start in range(0, len(word), PRINT_BITS)]
    folded = parts[0]
    for part in parts[1:]:
        folded = folded ^ part
    return folded


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
    """Decides about each position, `DECISION` steps after it came.

    Parameters
    ----------
    index_bits
        The table has 2**`index_bits` entries.
    """

    step: In(1)
    slot: In(Slot)
    crowded: Out(1)  # the next segment's first slot is to be `fresh`
    clearing: Out(1)  # make no steps
    made: Out(1)  # `decision` is new
    decision: Out(Decision)

    def __init__(self, index_bits):
        super().__init__()
        self._index_bits = index_bits

    def elaborate(self, platform):
        """Lay out the stages."""
        m = Module()
        # stages[s] is the slot in stage s, stages[0] the one that comes.
        self._stages = stages = [self.slot]
        stages += [Signal(Slot, name=f"stage_{number}") for number in range(1, ENTRY + 1)]
        with m.If(self.step):
            m.d.sync += [newer.eq(older) for older, newer in itertools.pairwise(stages)]
        # The position in stage `ENTRY` goes into the table.
        self._enters = Signal()
        self._clearing(m)
        self._positions(m)
        self._lookup(m)
        self._candidate(m)
        self._choose(m)
        self._decide(m)
        return m

    def _word(self, stage, count=HASHED_BYTES):
        """Return the `count` bytes that begin in `stage`."""
        return Cat(self._stages[stage - age].byte for age in range(count))

    def _clearing(self, m):
        """Hold the steps at the first slot of a segment that is to be fresh, and go through the rows."""
        due, row = Signal(), Signal(self._index_bits)
        # Positions from before the clearing are in the stages: they must not enter the table any more.
        self._stale = Signal()
        with m.If(self.step):
            m.d.sync += self._stale.eq(Cat(stage.fresh for stage in self._stages[: ENTRY - 1]).any())
        with m.If(self.step & self.slot.fresh):
            m.d.sync += due.eq(1)
        # A step is still made in the clock after the one in which `clearing` is seen.
        waits = Signal(2)
        self._clear, self._clear_row = Signal(), row
        m.d.comb += self.clearing.eq(due)
        last = self._clear & row.all()
        m.d.sync += [waits.eq(Cat(due, waits[0])), self._clear.eq(due & waits.all() & ~last)]
        with m.If(self._clear):
            m.d.sync += row.eq(row + 1)
        with m.If(last):
            m.d.sync += due.eq(0)

    def _positions(self, m):
        """Count positions."""
        # From half of them on a segment may find no room, so the first one starts at the first position.
        at = Signal(POSITION_BITS, init=1 << (POSITION_BITS - 1))
        self._position_at = positions = {5: at}
        for stage in range(6, ENTRY + 1):
            positions[stage] = Signal(POSITION_BITS, name=f"at_{stage}")
        with m.If(self.step):
            m.d.sync += at.eq(Mux(self._stages[4].fresh, 0, at + 1))
            m.d.sync += [newer.eq(older) for older, newer in itertools.pairwise(positions.values())]
        with m.If(self._clear):
            # No position is behind this one.
            m.d.sync += positions[ENTRY].eq(~0)
        m.d.comb += self.crowded.eq(at[-1] & ~self._stale)

    def _lookup(self, m):
        """Read the entry of the position in stage 5, which is there in stage 8; enter the position in stage `ENTRY`."""
        layout = entry_of(self._index_bits)
        m.submodules.table = table = RegisteredMemory(layout.size, self._index_bits)
        reads, writes = Signal(self._index_bits), Signal(self._index_bits)
        new_print, new_before = Signal(PRINT_BITS), Signal(8)
        clears = Signal()
        m.d.sync += clears.eq(self._clear)
        with m.If(self._clear):
            m.d.sync += writes.eq(self._clear_row)
        with m.Elif(self.step):
            m.d.sync += writes.eq(index_of(self._word(ENTRY - 1), self._index_bits))
        with m.If(self.step):
            m.d.sync += [
                reads.eq(index_of(self._word(4), self._index_bits)),
                new_print.eq(print_of(self._word(ENTRY - 1 - HASHED_BYTES, PRINT_BYTES))),
                new_before.eq(self._stages[ENTRY].byte),
            ]
        enters = self._enters & ~self._stale
        m.d.comb += [
            table.read_address.eq(reads),
            table.read_enable.eq(self.step),
            table.write_address.eq(writes),
            table.write_enable.eq(self.step & enters | clears),
            table.write_data.eq(
                Cat(self._position_at[ENTRY], self._word(ENTRY)[self._index_bits :], new_print, new_before)
            ),
        ]
        self._entry = Signal(layout, reset_less=True)
        # Of the positions in stage 6 to 9: its row was written while it was read.
        self._collided = Signal(4)
        with m.If(self.step):
            m.d.sync += [
                self._entry.eq(table.read_data),
                self._collided.eq(Cat(enters & (reads == writes), self._collided)),
            ]

    def _candidate(self, m):
        """Find what a match at the position in stage 10 would be."""
        stages, entry = self._stages, self._entry
        # Bit s: the byte in stage s + 1 is the one before it, too.
        repeats = Signal(HASHED_BYTES + PRINT_BYTES)
        # Bit s, of the position in stage s + 6: its five bytes are those of the position before it.
        run, long_run = Signal(4), Signal()
        distance, print_8 = Signal(POSITION_BITS), Signal(PRINT_BITS)
        same_tag, same_print, same_before = Signal(), Signal(), Signal()
        # Bytes before the position in stage 9, and before the one behind it, up to `FARTHEST`.
        limit, limit_before, farthest, any_before = Signal(WINDOW_BITS), Signal(WINDOW_BITS), Signal(), Signal()
        known = same_tag & (distance < limit) & ~self._collided[3]
        self._valid_10, self._long_10, self._back_10 = Signal(), Signal(), Signal()
        self._distance_10 = Signal(WINDOW_BITS)
        with m.If(self.step):
            m.d.sync += [
                repeats.eq(Cat(stages[0].byte == stages[1].byte, repeats)),
                run.eq(Cat(repeats[:HASHED_BYTES].all(), run)),
                long_run.eq(repeats.all()),
                print_8.eq(print_of(self._word(7 - HASHED_BYTES, PRINT_BYTES))),
                # Distance - 1.
                distance.eq(self._position_at[8] + ~entry.position),
                same_tag.eq(entry.tag == self._word(8)[self._index_bits :]),
                same_print.eq(entry.print == print_8),
                same_before.eq(entry.before == stages[9].byte),
                limit.eq(Mux(farthest, limit, limit + 1)),
                limit_before.eq(limit),
                farthest.eq(limit >= FARTHEST - 1),
                any_before.eq(1),
                self._valid_10.eq(stages[9].may_start & any_before & (run[3] | known)),
                self._long_10.eq(Mux(run[3], long_run, same_print)),
                # The match may begin a byte earlier. One of a run does so by itself.
                self._back_10.eq(same_before & (distance < limit_before) & ~run[3]),
                self._distance_10.eq(Mux(run[3], 0, distance)),
            ]
            with m.If(stages[8].first):
                m.d.sync += [limit.eq(0), limit_before.eq(0), farthest.eq(0), any_before.eq(0)]

    def _choose(self, m):
        """Take the match of the position in stage 11, that of the one behind it from here on, or none for that one."""
        valid_11, long_11, distance_11 = Signal(), Signal(), Signal(WINDOW_BITS)
        valid_12, distance_12 = Signal(), Signal(WINDOW_BITS)
        self._valid, self._distance, self._address = Signal(), Signal(WINDOW_BITS), Signal(WINDOW_BITS)
        longer, back = Signal(), Signal()
        m.d.comb += [
            longer.eq(self._valid_10 & self._long_10 & ~long_11),
            back.eq(self._valid_10 & self._back_10 & (~valid_11 | longer)),
        ]
        with m.If(self.step):
            m.d.sync += [
                valid_11.eq(self._valid_10),
                long_11.eq(self._long_10),
                distance_11.eq(self._distance_10),
                valid_12.eq(back | valid_11 & ~longer),
                distance_12.eq(Mux(back, self._distance_10, distance_11)),
                self._valid.eq(valid_12),
                self._distance.eq(distance_12),
                self._address.eq(self._position_at[8] - distance_12),
            ]

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
                self._enters.eq(here.may_start & (~grows | known[0])),
                decision.byte.eq(here.byte),
                decision.literal.eq(here.valid & ~starts & ~grows),
                decision.starts.eq(starts),
                decision.grows.eq(grows),
                decision.closes.eq(is_open & ~grows),
                decision.end.eq(here.end),
                decision.refused.eq(here.refused),
                decision.distance_1.eq(self._distance),
            ]
