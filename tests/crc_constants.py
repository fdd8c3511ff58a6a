"""Makes ``kernels/common/crc_constants.h``: run this file to write it anew. ``test_crc.py`` fails where it is stale.

Everything in it is a power of x modulo a polynomial P. Registers are reflected: bit i of a register of W bits is
x^(W - 1 - i). A CRC of 32 bits is taken as one of 64 bits modulo P x^32, whose register is that of 32 bits with zeros
in its upper half: bytes m behind a register of 0 make it m x^32 mod P, and (m x^32 mod P) x^32 = m x^64 mod P x^32.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FORMATTER = Path(sys.executable).parent / "clang-format"
PATH = Path(__file__).resolve().parent.parent / "kernels" / "common" / "crc_constants.h"

# Bytes of a word of the FPGA variant, and of a stream of the crc32 instruction.
WORD, STREAM = 64, 256
# Blocks of 128 bits that a sum is moved over.
DISTANCES = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16)


@dataclass(frozen=True, slots=True)
class Crc:
    """A reflected CRC: register of `bits` ones at the start, inverted at the end.

    Attributes
    ----------
    polynomial
        As the standard writes it, without its highest power.
    tables
        How many there are: bytes that a step by tables takes.
    """

    name: str
    bits: int
    polynomial: int
    source: str
    tables: int = 16

    @property
    def modulus(self) -> int:
        """P, bit i being x^i."""
        return 1 << self.bits | self.polynomial

    def power(self, exponent: int) -> int:
        """Return x^exponent mod P, reflected."""
        return reflected(power_of_x(exponent, self.modulus), self.bits)

    def wide_power(self, exponent: int) -> int:
        """Return x^exponent modulo P of 64 bits, reflected."""
        return reflected(power_of_x(exponent, self.modulus << (64 - self.bits)), 64)


CRCS = (
    Crc("CRC32C", 32, 0x1EDC6F41, "RFC 3720 section 12.1"),
    Crc("CRC32", 32, 0x04C11DB7, "IEEE 802.3, RFC 1952 section 8"),
    Crc("CRC64_NVME", 64, 0xAD93D23594C93659, "NVM Command Set Specification, 64b CRC", tables=8),
)


def reflected(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)


def power_of_x(exponent: int, modulus: int) -> int:
    """Return a power of x, bit i being x^i; a negative one divides."""
    top = 1 << (modulus.bit_length() - 1)
    value = 1
    for _ in range(exponent):
        value <<= 1
        value ^= modulus if value & top else 0
    for _ in range(-exponent):
        # P has the constant term 1, so adding it makes an odd value divisible by x.
        value = (value ^ (modulus if value & 1 else 0)) >> 1
    return value


def quotient(exponent: int, modulus: int) -> int:
    """Return x^exponent divided by a polynomial."""
    rest, found, degree = 1 << exponent, 0, modulus.bit_length() - 1
    for bit in range(exponent - degree, -1, -1):
        if rest >> (bit + degree) & 1:
            rest ^= modulus << bit
            found |= 1 << bit
    return found


def lines_of(crc: Crc) -> list[str]:
    digits = crc.bits // 4
    suffix = "u" if crc.bits == 32 else "UL"

    def number(value: int) -> str:
        return f"0x{value:0{digits}x}{suffix}"

    def table(first: int) -> str:
        """What the bits of a byte become: bit j of a byte is x^(7 - j), and x^first lies behind it."""
        return f"TABLE({', '.join(number(crc.power(first + 7 - bit)) for bit in range(8))})"

    def define(name: str, *values: str) -> str:
        return f"#define {crc.name}_{name} {', '.join(values)}"

    def wide(value: int) -> str:
        # A cast, as the upper half of the numbers is negative where it is signed.
        return f"(long)0x{value:016x}UL"

    modulus = crc.modulus << (64 - crc.bits)
    lines = [
        f"/* ---- {crc.name}: {crc.source} ---- */",
        define("POLYNOMIAL", number(reflected(crc.polynomial, crc.bits))),
        *(
            define(f"MOVED_{128 * n}", wide(crc.wide_power(128 * n + 63)), wide(crc.wide_power(128 * n - 1)))
            for n in DISTANCES
        ),
        define("SHORTER", wide(crc.wide_power(127))),
        define(
            "BARRETT",
            wide(reflected(quotient(128, modulus) & (1 << 64) - 1, 64)),
            wide(reflected(modulus & (1 << 64) - 1, 64)),
        ),
        define("TABLE", "{" + table(crc.bits) + "}"),
        define("TABLES", "{" + ", ".join(table(crc.bits + 8 * k) for k in range(crc.tables)) + "}"),
        define("POWER_WORD", number(crc.power(8 * WORD))),
        define("POWERS_OF_LANES", *(number(crc.power(n)) for n in range(8 * WORD, 0, -crc.bits))),
        define("POWERS_BEFORE", *(number(crc.power(-(8 << n))) for n in range(7))),
    ]
    if crc.name == "CRC32C":
        # A register's bit i is x^(31 - i).
        columns = [[crc.power(8 * STREAM + 31 - bit) for bit in range(low, low + 8)] for low in (0, 8, 16, 24)]
        tables = ", ".join(f"TABLE({', '.join(map(number, column))})" for column in columns)
        lines.append(define("PAST_STREAM", "{" + tables + "}"))
    return lines


_HEAD = f"""\
/* Constants of the CRCs, made by tests/crc_constants.py, which says what they are.
 *
 *   POLYNOMIAL       P without its highest power; as all here, reflected
 *   MOVED_D          x^(D + 63) and x^(D - 1) modulo P of 64 bits: they move a block of 128 bits
 *                    by D bits
 *   SHORTER          x^127, which makes 128 bits with 64 zeros behind them 128 bits
 *   BARRETT          x^128 / P without its highest power, and P of 64 bits without it
 *   TABLES           what a byte with k bytes of a step behind it adds to the register
 *   TABLE            the first of them
 *   PAST_STREAM      what each byte of a register becomes behind {STREAM} bytes of zeros
 *   POWER_WORD       x^{8 * WORD}: one word of the FPGA variant further
 *   POWERS_OF_LANES  from each lane of a word to the register behind it
 *   POWERS_BEFORE    x^-8, x^-16, ... x^-{8 * WORD}
 */
#ifndef FPGA_ACCEL_CRC_CONSTANTS_H
#define FPGA_ACCEL_CRC_CONSTANTS_H
"""


def text() -> str:
    """Return the file."""
    body = "\n\n".join("\n".join(lines_of(crc)) for crc in CRCS)
    return f"{_HEAD}\n{body}\n\n#endif\n"


def tokens(made: str) -> str:
    """Return what a formatter leaves as it is."""
    return "".join(made.replace("\\\n", " ").split())


def main() -> None:
    PATH.write_text(text(), encoding="utf-8")
    subprocess.run([FORMATTER, "-i", PATH], check=True)


if __name__ == "__main__":
    main()
