"""Estimates of calls: interpolated between timed shapes, or a prior where nothing was timed.

Straight lines through few points misjudge what lies between them: caches, page faults and the start of threads bend
the curve. So each kind of call is timed at shapes no more than 4 to 16 times apart, and nothing is fitted across them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType
from typing import NamedTuple

# Items, and bytes of work an item.
Shape = tuple[int, int]

# A batch below this is worth less than the 60 µs of a launch, so no device is even opened. Each item counts for
# so many bytes besides its own: what the setting up of one library call costs.
SMALL_BATCH = 128 << 10
ITEM = 1 << 10

# From 32 MiB on the C library gives every result fresh pages, whose first touch can cost more than the work.
LARGE = 32 << 20

_ONE: tuple[Shape, ...] = tuple((1, nbytes << 10) for nbytes in (64, 256, 1024, 4096, 16384))
# The first tells how long the others are going to take, which on an emulator is too long. From the second on threads
# of the CPU path have work: where there is no time for the third, the first alone would tell nothing of large items.
_LARGE: tuple[Shape, ...] = ((1, 1 << 20), (1, 4 << 20), (1, 36 << 20))
# No batch is larger than 16 MiB: a first call that waits for the timing holds two to four times that
# beside its own. Larger ones cost in proportion.
_MANY: tuple[Shape, ...] = (
    (100, 256),
    (100, 4 << 10),
    (1000, 256),
    (10_000, 256),
    (1000, 4 << 10),
    (100, 64 << 10),
    (250, 64 << 10),
    (4000, 4 << 10),
)


class Case(NamedTuple):
    """Calls that share their costs: operation, kind of data, size class, place of results, one item or many."""

    operation: str
    kind: str
    large: bool
    into: bool
    many: bool = False

    def __str__(self) -> str:
        flags = (("large", self.large), ("into", self.into), ("many", self.many))
        return " ".join((self.operation, self.kind or "usual", *(name for name, on in flags if on)))

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """What is timed, the shortest first."""
        if self.large:
            return _LARGE
        return _MANY if self.many else _ONE


def is_small_batch(count: int, nbytes: int) -> bool:
    """Whether no launch can pay for itself."""
    return nbytes + count * ITEM < SMALL_BATCH


class Cost:
    """Seconds of calls by their shape, from the seconds of some shapes.

    Between timed sizes and counts estimates follow straight lines; beyond them the last line goes on, and below
    the first shape no call is estimated cheaper than its share of it. A larger item is never
    cheaper than a smaller one.

    Examples
    --------
    >>> cost = Cost({(1, 1000): 1.0, (1, 3000): 2.0})
    >>> cost.seconds(1, 2000), cost.seconds(1, 5000), cost.seconds(2, 2000)
    (1.5, 3.0, 2.0)
    """

    __slots__ = ("_one", "_rows", "_sizes", "timings")

    def __init__(self, timings: Mapping[Shape, float]) -> None:
        if not timings:
            raise ValueError("no timings: an estimate needs at least one")
        self.timings: Mapping[Shape, float] = MappingProxyType(dict(timings))
        by_size: dict[int, list[tuple[int, float]]] = {}
        for (count, nbytes), seconds in sorted(timings.items()):
            by_size.setdefault(nbytes, []).append((count, seconds))
        self._sizes = sorted(by_size)
        self._rows = [_Line(*zip(*by_size[size], strict=True)) for size in self._sizes]
        self._one = self._at(1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cost) and self.timings == other.timings

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Cost({dict(self.timings)})"

    def seconds(self, count: int, nbytes: int) -> float:
        """Estimate one call of `count` items with `nbytes` bytes together."""
        if not count:
            return 0.0
        return self._one.at(nbytes) if count == 1 else self._at(count).at(nbytes / count)

    def _at(self, count: int) -> _Line:
        return _Line(self._sizes, [row.at(count) for row in self._rows])

    @classmethod
    def affine(cls, start: float, item: float, byte: float) -> Cost:
        """Return the cost ``start + count * item + nbytes * byte``."""
        shapes = ((count, nbytes) for count in (1, 1000) for nbytes in (1, 1 << 20))
        return cls({(n, each): start + n * item + n * each * byte for n, each in shapes})


class _Line:
    """A function through points, straight in between; it never falls."""

    __slots__ = ("xs", "ys")

    def __init__(self, xs: Sequence[int], ys: Sequence[float]) -> None:
        self.xs = xs
        self.ys = list(accumulate(ys, max))

    def at(self, x: float) -> float:
        xs, ys = self.xs, self.ys
        if len(xs) == 1:
            return ys[0] * x / xs[0]
        right = min(max(bisect_left(xs, x), 1), len(xs) - 1)
        left = right - 1
        y = ys[left] + (x - xs[left]) * (ys[right] - ys[left]) / (xs[right] - xs[left])
        if x < xs[0]:
            # The line may have been bent by what happens to larger calls alone.
            return max(y, ys[0] * x / xs[0])
        return y


_SM4_MODES = ("ecb", "cbc", "ctr", "gcm")
# Guesses of the CPU path, in seconds an item and seconds a byte, from a 2.5 GHz server core rounded up. They count work
# that has not been timed, and stand in explanations; no device is taken to be faster before it has been timed.
_CPU_PRIORS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "lz4.compress": (1e-6, 1 / 0.3e9),
        "lz4.decompress": (1e-6, 1 / 1.2e9),
        "aes-gcm.encrypt": (1e-6, 1 / 2e9),
        "aes-gcm.decrypt": (1e-6, 1 / 2e9),
        "aes-ctr.encrypt": (8e-6, 1 / 2e9),
        "aes-ctr.decrypt": (8e-6, 1 / 2e9),
        "chacha20-poly1305.encrypt": (2e-6, 1 / 1.2e9),
        "chacha20-poly1305.decrypt": (2e-6, 1 / 1.2e9),
        **{f"sm4-{mode}.{op}": (3e-6, 1 / 0.15e9) for mode in _SM4_MODES for op in ("encrypt", "decrypt")},
        "sm3.digest": (1e-6, 1 / 0.25e9),
        "hmac-sm3.mac": (2e-6, 1 / 0.25e9),
        "blake3.digest": (0.5e-6, 1 / 3e9),
        "crc32c.checksum": (0.3e-6, 1 / 6e9),
        "crc32.checksum": (0.2e-6, 1 / 10e9),
        "crc64-nvme.checksum": (0.3e-6, 1 / 10e9),
        "adler32.checksum": (0.2e-6, 1 / 10e9),
        "xxh32.checksum": (0.2e-6, 1 / 4e9),
        "xxh64.checksum": (0.2e-6, 1 / 8e9),
        "xxh3-64.checksum": (0.2e-6, 1 / 12e9),
    }
)
_OTHER_PRIOR = (2e-6, 1 / 0.5e9)
# Dispatch, waiting and a first row on a CPU runtime of OpenCL.
LAUNCH_SECONDS = 300e-6


def cpu_prior(operation: str) -> Cost:
    """Return the guess for the CPU path."""
    return Cost.affine(0.0, *_CPU_PRIORS.get(operation, _OTHER_PRIOR))


def guessed_cpu_seconds(operation: str, count: int, nbytes: int) -> float:
    """Return what `cpu_prior` says of one call, in a time that small calls can spend."""
    item, byte = _CPU_PRIORS.get(operation, _OTHER_PRIOR)
    return count * item + nbytes * byte


def device_prior(cpu: Cost) -> Cost:
    """Return the guess for any device: a launch, and then no faster than the CPU path."""
    return Cost({shape: seconds + LAUNCH_SECONDS for shape, seconds in cpu.timings.items()})


def simulator_prior() -> Cost:
    """Return the guess for the simulator of RTL cores: a million clocks a second, and about a byte in each of them."""
    return Cost.affine(LAUNCH_SECONDS, 0.0, 1e-6)
