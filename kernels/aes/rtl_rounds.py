"""Parts of AES (FIPS 197) that its cores share: the steps of a round.

A block is 128 bits in memory order. FIPS 197 section 3.4 fills the state by columns, so column c is bits 32c + 31
to 32c, with row 0 in its low byte.
"""

from amaranth import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib.memory import Memory
from fpga_accel.kernels.aes.rtl_schedule import DOUBLED_SBOX, SBOX

BLOCK_BITS = 128
MAX_ROUNDS = 14


def shifted_rows(state: Value) -> Value:
    """ShiftRows, section 5.1.2: row r of column c comes from column c + r."""
    return Cat(state.word_select(4 * ((column + row) % 4) + row, 8) for column in range(4) for row in range(4))


def rotated(word: Value, rows: int) -> Value:
    """Rows of a column, `rows` of them moved from the top to the bottom."""
    return word.rotate_right(8 * rows)


def mixed_column(column: Value, doubled: Value) -> Value:
    """MixColumns, section 5.1.3, of a column and twice that column."""
    return doubled ^ rotated(column ^ doubled, 1) ^ rotated(column, 2) ^ rotated(column, 3)


def doubled_column(column: Value) -> Value:
    """Twice each byte of a column."""
    high = column[7:] & 0x01010101
    return ((column & 0x7F7F7F7F) << 1)[:32] ^ high ^ (high << 1) ^ (high << 3) ^ (high << 4)


def mixed(state: Value) -> Value:
    """MixColumns of a whole state."""
    columns = [state.word_select(i, 32) for i in range(4)]
    return Cat(mixed_column(column, doubled_column(column)) for column in columns)


class Substitution(Elaboratable):
    """SubBytes of a whole state in logic, without a register."""

    def __init__(self) -> None:
        self.state = Signal(BLOCK_BITS)
        self.substituted = Signal(BLOCK_BITS)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for i in range(16):
            # A table for each byte: Yosys runs out of memory on one table with 16 ports.
            m.submodules[f"table_{i}"] = table = Memory(shape=8, depth=256, init=SBOX)
            port = table.read_port(domain="comb")
            m.d.comb += [port.addr.eq(self.state.word_select(i, 8)), self.substituted.word_select(i, 8).eq(port.data)]
        return m


class SubstitutionMemory(Elaboratable):
    """SubBytes and ShiftRows of a whole state, and twice the bytes, from block RAM: two clocks.

    A block RAM has two ports of up to 18 bits, so one serves two bytes. The registers behind the memories are those
    that ECP5 has inside.
    """

    def __init__(self) -> None:
        self.state = Signal(BLOCK_BITS)
        self.substituted = Signal(BLOCK_BITS)
        self.doubled = Signal(BLOCK_BITS)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shifted = shifted_rows(self.state)
        rows = [double << 8 | single for single, double in zip(SBOX, DOUBLED_SBOX, strict=True)]
        attributes = {"rom_style": "block"}
        for pair in range(8):
            m.submodules[f"table_{pair}"] = table = Memory(shape=16, depth=256, init=rows, attrs=attributes)
            for i in (2 * pair, 2 * pair + 1):
                port = table.read_port()
                found = Signal(16, name=f"found_{i}", reset_less=True)
                m.d.sync += found.eq(port.data)
                m.d.comb += [
                    port.addr.eq(shifted.word_select(i, 8)),
                    self.substituted.word_select(i, 8).eq(found[:8]),
                    self.doubled.word_select(i, 8).eq(found[8:]),
                ]
        return m
