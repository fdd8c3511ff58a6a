"""SM4-CTR (GB/T 32907-2016, SP 800-38A section 6.5) as a core for FPGAs: a ring of rounds, 3 clocks each.

With n rounds in the ring a block goes round 32 / n times and 3n blocks are on their way, so a block leaves every
32 / n clocks: 2 bytes a clock with 4 rounds, 16 with all 32. The clocks of a round:

    0: X(i+1) + X(i+2) + X(i+3) + rk(i) is the address of the S-boxes, which are block RAM
    1: the output register of the block RAM
    2: X(i+4) = X(i) + L(S-boxes)

Parameters of a segment: its first counter block, then the 32 round keys in 8 beats. With bit `KEY_HELD_BIT` in the
head's flags they are left out, and those of the segment before hold. The host expands keys: it does so once a key.
"""

from itertools import pairwise

from amaranth import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.common.rtl import CORE, TextBeat
from fpga_accel.kernels.common.rtl_ctr import BLOCK_BITS, CounterSource, Joiner, KeyBeat, Queue
from fpga_accel.kernels.sm4.rtl_schedule import ROUNDS, SBOX

ROUND_CLOCKS = 3
WORD_BITS = 32
# Round keys in a beat, and beats of a key.
BEAT_KEYS = 4
KEY_BEATS = ROUNDS // BEAT_KEYS


def swapped(word: Value) -> Value:
    """Turn the four bytes of a word round: words are big-endian, beats are in memory order."""
    return Cat(word.word_select(3 - i, 8) for i in range(4))


def linear(word: Value) -> Value:
    """L of section 6.2."""
    return word ^ word.rotate_left(2) ^ word.rotate_left(10) ^ word.rotate_left(18) ^ word.rotate_left(24)


class Travel(data.Struct):
    """What goes with the state of a block through the ring."""

    valid: unsigned(1)
    turn: unsigned(3)  # times it has been round


class Round(wiring.Component):
    """One round of the ring, and its round keys: one for each turn.

    `next_turn` is the turn of the block that comes into the round in the next clock: its key is read ahead.
    """

    def __init__(self, number: int, rounds: int) -> None:
        super().__init__(
            {
                "keys": In(stream.Signature(KeyBeat, always_ready=True)),
                "next_turn": In(3),
                "state": In(BLOCK_BITS),
                "next_state": Out(BLOCK_BITS),
            }
        )
        self._number, self._rounds = number, rounds

    def elaborate(self, platform: object) -> Module:
        m = Module()
        key = self._key(m)
        words = [self.state.word_select(i, WORD_BITS) for i in range(4)]
        address = words[1] ^ words[2] ^ words[3] ^ key
        later, latest = (Signal(BLOCK_BITS, name=name, reset_less=True) for name in ("later", "latest"))
        m.d.sync += [later.eq(self.state), latest.eq(later)]
        substituted = Cat(self._boxes(m, address.word_select(half, 16), half) for half in range(2))
        oldest = latest.word_select(0, WORD_BITS)
        newest = Signal(WORD_BITS, reset_less=True)
        kept = Signal(3 * WORD_BITS, reset_less=True)
        m.d.sync += [newest.eq(oldest ^ linear(substituted)), kept.eq(latest[WORD_BITS:])]
        m.d.comb += self.next_state.eq(Cat(kept, newest))
        return m

    def _boxes(self, m: Module, address: Value, half: int) -> Value:
        """Look two bytes up, at both ports of one block RAM, and keep them in its output registers."""
        m.submodules[f"boxes_{half}"] = memory = Memory(
            shape=8, depth=256, init=list(SBOX), attrs={"rom_style": "block", "ram_style": "block"}
        )
        found = []
        for byte in range(2):
            port = memory.read_port()
            register = Signal(8, name=f"box_{half}_{byte}", reset_less=True)
            m.d.comb += [port.addr.eq(address.word_select(byte, 8)), port.en.eq(1)]
            m.d.sync += register.eq(port.data)
            found.append(register)
        return Cat(found)

    def _key(self, m: Module) -> Value:
        """Return the round key of the turn that the state is in."""
        turns = ROUNDS // self._rounds
        beat = self.keys.payload
        mine = swapped(beat.bits.word_select(self._number % BEAT_KEYS, WORD_BITS))
        first_beat = self._number // BEAT_KEYS
        beats_of_turn = self._rounds // BEAT_KEYS
        key = Signal(WORD_BITS, reset_less=True)
        if turns == 1:
            with m.If(self.keys.valid & (beat.number == first_beat)):
                m.d.sync += key.eq(mine)
            return key
        m.submodules.keys = memory = Memory(shape=WORD_BITS, depth=turns, init=[], attrs={"ram_style": "distributed"})
        writer, reader = memory.write_port(), memory.read_port(domain="comb")
        m.d.comb += [
            writer.addr.eq(beat.number // beats_of_turn),
            writer.data.eq(mine),
            writer.en.eq(self.keys.valid & (beat.number % beats_of_turn == first_beat)),
            reader.addr.eq(self.next_turn),
        ]
        m.d.sync += key.eq(reader.data)
        return key


class Ring(wiring.Component):
    """Rounds one behind the other, and the way back. Blocks come out in their order.

    A block enters while `room` says that what comes out is taken, and no other comes back in that clock.

    Parameters
    ----------
    rounds
        How many: 4, 8, 16 or 32.
    """

    def __init__(self, rounds: int) -> None:
        super().__init__(
            {
                "keys": In(stream.Signature(KeyBeat, always_ready=True)),
                "blocks": In(stream.Signature(BLOCK_BITS)),
                "room": In(1),
                "idle": Out(1),
                "enciphered": Out(stream.Signature(BLOCK_BITS, always_ready=True)),
            }
        )
        self._rounds = rounds

    def elaborate(self, platform: object) -> Module:
        m = Module()
        last_turn = ROUNDS // self._rounds - 1
        clocks = ROUND_CLOCKS * self._rounds
        # Where the state of the last round is looked at: it goes back or comes out.
        back, out, next_turn = Signal(), Signal(), Signal(3)
        entering = Mux(back, next_turn, 0)
        travels = [Signal(Travel, name=f"travel_{clock}") for clock in range(clocks)]
        before = travels[-1]
        enter = self.blocks.valid & self.blocks.ready
        m.d.comb += self.blocks.ready.eq(self.room & ~back)
        m.d.sync += [
            *(after.eq(earlier) for earlier, after in pairwise(travels)),
            travels[0].valid.eq(back | enter),
            travels[0].turn.eq(entering),
            back.eq(before.valid & (before.turn != last_turn)),
            out.eq(before.valid & (before.turn == last_turn)),
            next_turn.eq(before.turn + 1),
        ]

        state = Signal(BLOCK_BITS, reset_less=True)
        found = state
        for number in range(self._rounds):
            m.submodules[f"round_{number}"] = step = Round(number, self._rounds)
            m.d.comb += [
                step.keys.payload.eq(self.keys.payload),
                step.keys.valid.eq(self.keys.valid),
                step.next_turn.eq(travels[ROUND_CLOCKS * number - 1].turn if number else entering),
                step.state.eq(found),
            ]
            found = step.next_state
        block = Cat(swapped(self.blocks.payload.word_select(i, WORD_BITS)) for i in range(4))
        m.d.sync += state.eq(Mux(back, found, block))

        # R of section 6.1: the words come out in reverse.
        enciphered = Signal(BLOCK_BITS, reset_less=True)
        m.d.comb += self.enciphered.payload.eq(enciphered)
        m.d.sync += [
            enciphered.eq(Cat(swapped(found.word_select(3 - i, WORD_BITS)) for i in range(4))),
            self.enciphered.valid.eq(out),
        ]

        inside = Signal(range(clocks + 2))
        m.d.sync += [inside.eq(inside + enter - out), self.idle.eq((inside == 0) & ~enter)]
        return m


class Sm4Ctr(wiring.Component):
    """SM4-CTR.

    Parameters
    ----------
    rounds
        Rounds in the ring: 4, 8, 16 or 32.
    """

    def __init__(self, rounds: int = 4) -> None:
        super().__init__(CORE)
        self._rounds = rounds

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Blocks on their way, and the clocks that a block's room takes to come back; a block RAM is 512 deep anyway.
        queued = 2 ** (ROUND_CLOCKS * self._rounds + 12).bit_length()
        m.submodules.source = source = CounterSource((KEY_BEATS,), whitens=False)
        m.submodules.ring = ring = Ring(self._rounds)
        m.submodules.text = text = Queue(TextBeat, queued)
        m.submodules.keystream = keystream = Queue(BLOCK_BITS, queued)
        m.submodules.joiner = joiner = Joiner()
        wiring.connect(m, wiring.flipped(self.head), source.head)
        wiring.connect(m, wiring.flipped(self.parameters), source.parameters)
        wiring.connect(m, wiring.flipped(self.text), text.items)
        wiring.connect(m, source.keys, ring.keys)
        wiring.connect(m, source.blocks, ring.blocks)
        wiring.connect(m, text.front, joiner.text)
        wiring.connect(m, keystream.front, joiner.keystream)
        wiring.connect(m, joiner.result, wiring.flipped(self.result))

        # The ring cannot wait: a block enters only where the queue behind has room for all that are on their way.
        owed = Signal(range(queued + 1))
        enters = ring.blocks.valid & ring.blocks.ready
        leaves = keystream.front.valid & keystream.front.ready
        m.d.sync += [owed.eq(owed + enters - leaves), ring.room.eq(owed < queued - 4)]
        m.d.comb += [
            source.key_go.eq(ring.idle),
            keystream.items.valid.eq(ring.enciphered.valid),
            keystream.items.payload.eq(ring.enciphered.payload),
        ]
        return m
