"""What all hashes share: one row an item, and the digest as its result."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from fpga_accel._host import lib
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.operations.buffers import BytesSink, Flat, Items
from fpga_accel.operations.contract import (
    GROUP,
    Errors,
    Job,
    Operation,
    RowInput,
    RowOutput,
    Run,
    periodic,
    require_success,
    trial_of,
)
from fpga_accel.operations.keyed import require_rows
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import SEGMENT, Launch, Table, rows_at, words_at

# Most bytes of an extendable output: what a row may hold, and more than anyone asks for.
MOST = 1 << 24
# Most messages that a kernel hashes side by side; it is a multiple of all such counts.
_LANES = 16


class DigestOptions(NamedTuple):
    """Options of a hash: `length` is the bytes of the digest."""

    length: int


class DigestOperation(Operation[DigestOptions]):
    """A hash function."""

    op = "digest"
    library = "hashlib"
    # A hash is serial in one message: a device wins with many of them, never with one.
    small = 1 << 62
    # Bytes of the digest; of an extendable output where none is asked for, 0 where one has to be asked for.
    size: ClassVar[int]
    # Whether callers may choose the length.
    xof: ClassVar[bool] = False
    # Bytes that one step of the hash takes.
    block: ClassVar[int]

    def options(self, **given: Any) -> DigestOptions:
        length = given.pop("length", None)
        if given:
            raise TypeError(f"{self.algorithm} has no options {sorted(given)}")
        if length is None:
            length = self.size
        if not isinstance(length, int):
            raise TypeError(f"length must be an int, not {type(length).__name__}")
        if self.xof:
            if not 1 <= length <= MOST:
                raise ValueError(f"length={length}; a digest of {self.algorithm} has 1 to {MOST} bytes, name it")
        elif length != self.size:
            raise ValueError(f"length={length}; a digest of {self.algorithm} has {self.size} bytes")
        return DigestOptions(length)

    @abstractmethod
    def hashed(self, data: Flat, length: int) -> bytes:
        """Return the digest of `data` by the CPU library."""

    def result_size(self, options: DigestOptions) -> int:
        return options.length

    def on_cpu(self, data: Flat, options: DigestOptions, index: int, workers: Workers) -> bytes:
        return self.hashed(data, options.length)

    def on_cpu_many(self, items: Sequence[Flat], options: DigestOptions, first: int) -> tuple[list[Any], Errors]:
        hashed, length = self.hashed, options.length
        return [hashed(data, length) for data in items], {}

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        length = self._length(*arguments)
        try:
            return self.hashed(data, length) if length else None
        except (TypeError, BufferError):
            # Such as an array of two dimensions, which libraries do not take.
            return None

    def library_many(self, items: Sequence[Flat], *arguments: Any) -> list[Any] | None:
        length = self._length(*arguments)
        # Long digests, which are more than the items, go where they belong on the planned way.
        return self.on_cpu_many(items, DigestOptions(length), 0)[0] if 0 < length * len(items) <= GROUP else None

    def _length(self, asked: Any) -> int:
        """Return the length of a digest by what a caller asks for; 0 where `options` has to look at it."""
        if asked is None:
            return self.size
        if type(asked) is not int:
            return 0
        return asked if asked == self.size or (self.xof and 1 <= asked <= MOST) else 0

    def on_device(self, job: Job[DigestOptions], run: Run) -> Errors:
        items, length = job.items, job.options.length
        require_rows(items.sizes)
        table = POOL.array(len(items), SEGMENT)
        targets = job.sink.allocate(np.full(len(items), length, np.uint64))
        sources, sizes, places = map(words_at, (items.addresses, items.sizes, targets))
        lib.fa_rows_fill(rows_at(table), len(items), sources, sizes, places, length, length)
        launch = Launch(self.kernel, self.entry, ordered(table), np.zeros(16, np.uint8), keep=job)
        require_success(self, run(launch))
        return {}

    def emulate(self, row: RowInput) -> RowOutput:
        return RowOutput(self.hashed(row.src, row.flags))

    def trial(self) -> Trial:
        block = self.block
        sizes = sorted({0, 1, *(n * block + more for n in (1, 2, 4) for more in range(-20, 2)), 16 * block + 3, 4096})
        items = Items.of([periodic(size) for size in sizes if size >= 0])
        return trial_of(self, Job(items, DigestOptions(self.size or 2 * block + 1), BytesSink(len(items))))

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], DigestOptions]:
        return [b"\x55" * nbytes] * count, DigestOptions(self.size or 32)


def ordered(table: Table) -> Table:
    """Return rows in an order that suits kernels which take a few at once and give each work-item an even share.

    Every `_LANES` rows in sequence are of about one size, and every range of them has its share of large ones.
    """
    count = len(table)
    if lib.fa_rows_even(rows_at(table), count):
        return table
    by_size = np.argsort(table["src_size"], kind="stable")
    groups, rest = divmod(count, _LANES)
    if groups > 1:
        # Multiples of about the golden section of a circle leave no gap and no crowd on it, wherever one stops. What
        # fills no group is the smallest: its lanes are the ones that are wasted.
        step = round(groups * 0.618034)
        while math.gcd(step, groups) > 1:
            step += 1
        dealt = by_size[rest:].reshape(groups, _LANES)[np.arange(groups) * step % groups]
        by_size = np.concatenate((dealt.reshape(-1), by_size[:rest]))
    placed: Table = table[by_size]
    return placed
