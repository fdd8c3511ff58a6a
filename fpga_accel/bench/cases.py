"""Which work is timed, on which data, at which sizes; works are found through the registry of operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fpga_accel.bench import inputs
from fpga_accel.bench.works import WORKS
from fpga_accel.bench.works.work import KIB, MIB, Work

GIB = 1 << 30
# The size at which all kinds of data are timed, those that otherwise say nothing new included.
FULL = 64 * MIB
COLD = MIB
GROWTH = (MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB, GIB)
# Other kinds of data are timed at the size `FULL` alone.
MAIN = ("text", "table", "binary", inputs.RANDOM)
# The README quotes these works: the size `FULL` of some kinds of data, and batches of pages.
QUOTED = (
    *("lz4.compress", "lz4.decompress", "snappy.compress", "snappy.decompress", "gzip.compress", "gzip.decompress"),
    *("bgzf.decompress", "zstd.compress", "zstd.decompress", "lz4.compress > aes-gcm.encrypt"),
    *("aes-gcm.encrypt", "aes-gcm.decrypt", "aes-ctr.encrypt", "aes-cbc.encrypt", "aes-xts-sectors.encrypt"),
    *("chacha20-poly1305.encrypt", "sm4-ctr.encrypt", "sm4-gcm.encrypt"),
    *("sha256.digest", "sm3.digest", "sha3-256.digest", "blake2b.digest", "blake3.digest", "hmac-sha256.mac"),
    *("crc32c.checksum", "crc64-nvme.checksum", "xxh64.checksum", "age.seal", "age.unseal"),
)
QUOTED_KINDS = ("text", "table")
QUOTED_COUNT, QUOTED_ITEM = 4096, 4 * KIB
# In a quick run.
QUICK_KINDS = ("text", inputs.RANDOM)
QUICK_COUNT = 4096


class Phase(StrEnum):
    """What of a contestant is timed."""

    WARM = "warm"
    COLD = "cold"
    GROWTH = "growth"


@dataclass(frozen=True, slots=True)
class Case:
    """One work on one kind of data; `count` items of `size` bytes."""

    kind: type[Work]
    data: str
    size: int
    count: int = 1
    phase: Phase = Phase.WARM

    @property
    def name(self) -> str:
        """Return phase, work and shape."""
        return case_name(self.kind.name, self.size, self.count, self.phase)

    @property
    def is_quick(self) -> bool:
        """Whether it belongs to a quick run."""
        if self.phase is Phase.GROWTH:
            return self.size <= FULL
        if not self.kind.is_main() or self.size > FULL or 1 < self.count < QUICK_COUNT:
            return False
        return self.data == self.kind.kinds[0] or (self.data in QUICK_KINDS and self.size < FULL)

    @property
    def is_quoted(self) -> bool:
        """Whether the README's table has it."""
        return is_quoted(self.kind.name, self.data, self.size, self.count, self.phase)

    def work(self) -> Work:
        """Make the inputs."""
        data = inputs.data(self.data, self.size * self.count)
        return self.kind([data[at : at + self.size] for at in range(0, len(data), self.size)])


def is_quoted(work: str, data: str, size: int, count: int, phase: str) -> bool:
    """Whether the README's table has a case."""
    if work not in QUOTED or phase != Phase.WARM:
        return False
    if count > 1:
        return count >= QUOTED_COUNT and size >= QUOTED_ITEM
    return size == FULL and (data in QUOTED_KINDS or data == WORKS[work].kinds[0])


def case_name(work: str, size: int, count: int, phase: str) -> str:
    """Write phase, work and shape.

    Examples
    --------
    >>> case_name("lz4.compress", 4096, 100, "warm"), case_name("lz4.compress", 1 << 20, 1, "cold")
    ('lz4.compress 100 x 4 KiB', 'cold lz4.compress 1 MiB')
    """
    shape = size_text(size) if count == 1 else f"{count:,} x {size_text(size)}"
    return " ".join((*([] if phase == Phase.WARM else [phase]), work, shape))


def size_text(nbytes: int) -> str:
    """Write a size.

    Examples
    --------
    >>> size_text(256), size_text(64 << 10), size_text(1 << 20), size_text(1 << 30)
    ('256 B', '64 KiB', '1 MiB', '1 GiB')
    """
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if nbytes >= unit:
            return f"{nbytes // unit} {name}"
    return f"{nbytes} B"


def size_of(text: str) -> int:
    """Read a size.

    Raises
    ------
    ValueError
        It is none.

    Examples
    --------
    >>> size_of("64 B"), size_of("4KiB"), size_of("1 MiB"), size_of("1024")
    (64, 4096, 1048576, 1024)
    """
    compact = text.replace(" ", "").lower()
    for unit, name in ((GIB, "gib"), (MIB, "mib"), (KIB, "kib"), (1, "b"), (1, "")):
        number = compact.removesuffix(name)
        if compact.endswith(name) and number.isdecimal() and int(number):
            return int(number) * unit
    raise ValueError(f"{text!r} is no size; write one like 4KiB, 64MiB or 1GiB")


def works() -> list[type[Work]]:
    """Return the works that this package can do."""
    return [work for work in WORKS.values() if not work.missing()]


def cases(*, growth: bool = False) -> list[Case]:
    """Return all cases in the order of the table; those of `growth` take minutes and gigabytes."""
    found = [case for work in works() for case in _warm(work)]
    found += [
        Case(work, _kinds(work)[0], COLD, phase=Phase.COLD) for work in works() if work.is_main() and COLD in work.sizes
    ]
    if growth:
        found += [Case(w, _kinds(w)[0], size, phase=Phase.GROWTH) for w in works() if w.grows for size in GROWTH]
    return found


def chosen(
    found: Sequence[Case],
    *,
    only: Sequence[str] = (),
    operations: Sequence[str] = (),
    sizes: Sequence[int] = (),
    quick: bool = False,
    quoted: bool = False,
) -> list[Case]:
    """Return the cases that hold all the texts, and whose work, size of an item and length are among those asked."""
    return [
        case
        for case in found
        if all(text in f"{case.name} {case.data}" for text in only)
        and (not operations or any(operation in case.kind.name for operation in operations))
        and (not sizes or case.size in sizes)
        and (case.is_quick or not quick)
        and (case.is_quoted or not quoted)
    ]


def _warm(work: type[Work]) -> Iterator[Case]:
    for size in work.sizes:
        for data in _kinds(work):
            if _is_wanted(work, data, size):
                yield Case(work, data, size)
    for count, size in work.batches:
        for data in _kinds(work) if work.batches_of_all_kinds else _kinds(work)[:1]:
            yield Case(work, data, size, count)


def _is_wanted(work: type[Work], data: str, size: int) -> bool:
    if size > FULL:
        # What is larger differs by its size, not by its kind.
        return data == _kinds(work)[0]
    return data in MAIN or size == FULL


def _kinds(work: type[Work]) -> list[str]:
    there = inputs.names()
    return [data for data in work.kinds if data in there]
