"""CRC-32C (RFC 3720), CRC-32 (IEEE 802.3) and CRC-64/NVME, on from a previous checksum."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import Any, ClassVar, NamedTuple

import google_crc32c
import numpy as np
from isal import isal_zlib

from fpga_accel._objects import Windows
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.checksums import ROW, ContinuedChecksum, ContinuedOptions
from fpga_accel.operations.contract import Errors

# From so many bytes on awscrt does CRC-32C at up to twice the speed of google-crc32c; below that shows less than that
# a call takes 0.07 µs more. Where nothing has imported it yet, that pays from the second size on.
_LARGE, _LARGE_AT_FIRST = 4 << 10, 64 << 10


class Polynomial(NamedTuple):
    """Arithmetic modulo a polynomial P over GF(2).

    Attributes
    ----------
    bits
        The degree of P.
    reflected
        P without its highest power; bit i of this and of all elements is x^(bits - 1 - i).
    """

    bits: int
    reflected: int

    def product(self, a: int, b: int) -> int:
        """Return a times b."""
        product = 0
        for bit in range(self.bits - 1, -1, -1):
            if a >> bit & 1:
                product ^= b
            b = b >> 1 ^ (self.reflected if b & 1 else 0)
        return product

    def past(self, nbytes: int) -> int:
        """Return what multiplies a register that so many bytes of zeros go behind: x^(8 nbytes)."""
        power = 1 << (self.bits - 1)
        for bit, digit in enumerate(reversed(f"{nbytes:b}")):
            if digit == "1":
                power = self.product(power, _square(self, bit + 3))
        return power

    def map_past(self, nbytes: int) -> tuple[list[int], ...]:
        """Return what each byte of a register becomes behind so many bytes, a table a byte."""
        power = self.past(nbytes)
        return tuple(
            _table([self.product(1 << bit, power) for bit in range(low, low + 8)]) for low in range(0, self.bits, 8)
        )


@cache
def _square(polynomial: Polynomial, exponent: int) -> int:
    """Return x^(2^exponent)."""
    if exponent == 0:
        return 1 << (polynomial.bits - 2)
    root = _square(polynomial, exponent - 1)
    return polynomial.product(root, root)


def _table(columns: list[int]) -> list[int]:
    """Return the linear map of a byte whose bits map to `columns`."""
    table = [0]
    for column in columns:
        table += [entry ^ column for entry in table]
    return table


@cache
def _past_row(polynomial: Polynomial) -> tuple[list[int], ...]:
    return polynomial.map_past(ROW)


class Crc(ContinuedChecksum):
    """A CRC whose register starts at all ones and is inverted at the end."""

    kernel = "crc"
    polynomial: ClassVar[Polynomial]

    def combined(self, first: int, second: int, nbytes: int) -> int:
        # That of A and B is that of A times x^(8 |B|), plus that of B: what the two inversions add cancels.
        return self.polynomial.product(first, self.polynomial.past(nbytes)) ^ second

    def combined_rows(self, parts: list[int]) -> int:
        tables = _past_row(self.polynomial)
        value = parts[0]
        for part in parts[1:]:
            value, rest = part, value
            for table in tables:
                value ^= table[rest & 255]
                rest >>= 8
        return value


class Crc32c(Crc):
    """``crc32c.checksum``."""

    algorithm = entry = "crc32c"
    title = "CRC-32C"
    library = "google-crc32c or awscrt"
    number_size = 4
    number_type = np.uint32
    takes = Windows
    # google-crc32c lets go of the GIL for `bytes` of 1 MiB, awscrt where it is taken.
    threads_from = 128 << 10
    polynomial = Polynomial(32, 0x82F63B78)

    def plain(self, data: Flat) -> int:
        return self.continued(data, 0)

    def continued(self, data: Flat, value: int) -> int:
        if _is_large(data):
            checksum: int = _awscrt().crc32c(data, value)
        else:
            # The library takes no memoryview, but an array over one.
            checksum = google_crc32c.extend(value, data if type(data) is bytes else np.frombuffer(data, np.uint8))
        return checksum

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return self._each(items, 0)

    def on_cpu_many(self, items: Sequence[Flat], options: ContinuedOptions, first: int) -> tuple[list[Any], Errors]:
        try:
            # Short items cost little more than a look at their type would.
            return list(self._each(items, options.value)), {}
        except TypeError:
            # One of them is a memoryview.
            return super().on_cpu_many(items, options, first)

    @staticmethod
    def _each(items: Sequence[Flat], value: int) -> Iterator[int]:
        """Do items that are taken to be of about the size of the first."""
        if items and _is_large(items[0]):
            return map(_awscrt().crc32c, items, itertools.repeat(value))
        return map(partial(google_crc32c.extend, value) if value else google_crc32c.value, items)


class Crc32(Crc):
    """``crc32.checksum``."""

    algorithm = entry = "crc32"
    title = "CRC-32"
    library = "isal"
    number_size = 4
    number_type = np.uint32
    takes = Windows
    threads_from = 64 << 10
    polynomial = Polynomial(32, 0xEDB88320)

    def plain(self, data: Flat) -> int:
        return self.continued(data, 0)

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return map(isal_zlib.crc32, items)

    def continued(self, data: Flat, value: int) -> int:
        checksum: int = isal_zlib.crc32(data, value)
        return checksum


class Crc64Nvme(Crc):
    """``crc64-nvme.checksum``."""

    algorithm = "crc64-nvme"
    entry = "crc64_nvme"
    title = "CRC-64/NVME"
    library = "awscrt"
    number_size = 8
    number_type = np.uint64
    takes = Windows
    threads_from = 64 << 10
    polynomial = Polynomial(64, 0x9A6C9329AC4BC9B5)

    def plain(self, data: Flat) -> int:
        checksum: int = _awscrt().crc64nvme(data)
        return checksum

    def continued(self, data: Flat, value: int) -> int:
        checksum: int = _awscrt().crc64nvme(data, value)
        return checksum

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return map(_awscrt().crc64nvme, items)


def _is_large(data: Flat) -> bool:
    return len(data) >= (_LARGE if "awscrt.checksums" in sys.modules else _LARGE_AT_FIRST)


@cache
def _awscrt() -> Any:
    # It takes 50 ms to import, which few programs need to spend.
    from awscrt import checksums

    return checksums
