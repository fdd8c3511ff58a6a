"""Which work is timed, on which data, at which sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import inputs
from benchmarks.works import Crc32c, GcmDecrypt, GcmEncrypt, Lz4Compress, Lz4Decompress, Lz4DecompressLinked, Work

KIB, MIB = 1 << 10, 1 << 20
SIZES = (4 * KIB, 64 * KIB, MIB, 64 * MIB)
BATCH = 10_000
# Kinds of data at every size; the others at the largest only.
MAIN_DATA = ("text", "binary", inputs.RANDOM)


@dataclass(frozen=True, slots=True)
class Case:
    """One work on one kind of data; `count` items of `size` bytes."""

    kind: type[Work]
    data: str
    size: int
    count: int = 1

    @property
    def name(self) -> str:
        """Return operation and shape."""
        shape = size_text(self.size)
        return f"{self.kind.name} {shape if self.count == 1 else f'{self.count:,} x {shape}'}"

    def work(self) -> Work:
        """Make the inputs."""
        data = inputs.data(self.data, self.size * self.count)
        return self.kind([data[at : at + self.size] for at in range(0, len(data), self.size)])


def size_text(nbytes: int) -> str:
    """Write a size.

    Examples
    --------
    >>> size_text(256), size_text(64 << 10), size_text(1 << 20)
    ('256 B', '64 KiB', '1 MiB')
    """
    if nbytes >= MIB:
        return f"{nbytes // MIB} MiB"
    return f"{nbytes // KIB} KiB" if nbytes >= KIB else f"{nbytes} B"


def cases() -> Iterator[Case]:
    """List all cases in the order of the table."""
    yield from _codecs()
    yield from _ciphers()
    yield from _checksums()


def _codecs() -> Iterator[Case]:
    for kind in (Lz4Compress, Lz4Decompress):
        for data in inputs.names():
            for size in SIZES if data in MAIN_DATA else SIZES[-1:]:
                yield Case(kind, data, size)
    for size in (MIB, 64 * MIB):
        yield Case(Lz4DecompressLinked, "text", size)
    for kind in (Lz4Compress, Lz4Decompress):
        yield Case(kind, "text", 4 * KIB, BATCH)


def _ciphers() -> Iterator[Case]:
    for cipher in (GcmEncrypt, GcmDecrypt):
        for size in SIZES:
            yield Case(cipher, inputs.RANDOM, size)
    for size in (4 * KIB, 256):
        for cipher in (GcmEncrypt, GcmDecrypt):
            yield Case(cipher, inputs.RANDOM, size, BATCH)


def _checksums() -> Iterator[Case]:
    for size in SIZES:
        yield Case(Crc32c, "text", size)
    for size in (4 * KIB, 256):
        yield Case(Crc32c, "text", size, BATCH)
