"""Adler-32 (RFC 1950), on from a previous checksum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from zlib_ng import zlib_ng

from fpga_accel._objects import Windows
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.checksums import ContinuedChecksum

# The largest prime below 2^16.
BASE = 65521


def combined(first: int, second: int, nbytes: int) -> int:
    """Return the Adler-32 of data and `nbytes` more behind it, of those of both."""
    before = (first & 0xFFFF) - 1
    low = (before + (second & 0xFFFF)) % BASE
    # Each of the second part's sums lacks what came before.
    high = ((first >> 16) + (second >> 16) + nbytes * before) % BASE
    return high << 16 | low


class Adler32(ContinuedChecksum):
    """``adler32.checksum``: the sum of 1 and all bytes, and above it the sum of these sums, each modulo `BASE`."""

    algorithm = kernel = entry = "adler32"
    title = "Adler-32"
    library = "zlib-ng"
    number_size = 4
    number_type = np.uint32
    initial = 1
    takes = Windows
    threads_from = 64 << 10

    def plain(self, data: Flat) -> int:
        return self.continued(data, 1)

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return map(zlib_ng.adler32, items)

    def number(self, name: str, given: Any) -> int:
        number = super().number(name, given)
        if max(number & 0xFFFF, number >> 16) >= BASE:
            raise ValueError(f"{name} is {number:#x}; both halves of an {self.title} are below {BASE}")
        return number

    def continued(self, data: Flat, value: int) -> int:
        checksum: int = zlib_ng.adler32(data, value)
        return checksum

    def combined(self, first: int, second: int, nbytes: int) -> int:
        return combined(first, second, nbytes)
