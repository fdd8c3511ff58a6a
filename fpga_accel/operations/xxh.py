"""XXH32, XXH64 and XXH3 of 64 bits (the xxHash specification), with a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import xxhash

from fpga_accel._objects import Windows
from fpga_accel.backends import Trial
from fpga_accel.operations.buffers import Flat, Items, NumberSink
from fpga_accel.operations.checksums import ChecksumOperation, number_at, record, zeroed
from fpga_accel.operations.contract import Errors, Job, RowInput, RowOutput, Run, periodic, require_success, trial_of
from fpga_accel.operations.keyed import require_rows
from fpga_accel.segments import Launch


class SeedOptions(NamedTuple):
    """Options of a hash function: with another `seed` it is another function."""

    seed: int = 0


class Xxh(ChecksumOperation[SeedOptions]):
    """A hash of the xxHash family: one row an item, as none can go on from a result."""

    kernel = "xxh"
    library = "xxhash"
    # One message is serial, and the library reads it as fast as memory gives it.
    small = 1 << 62
    takes = Windows
    # Below 100 kB the library keeps the GIL.
    threads_from = 128 << 10
    hashed: ClassVar[Callable[..., int]]

    def options(self, **given: Any) -> SeedOptions:
        if "value" in given:
            raise ValueError(f"{self.title} cannot go on from a result: hash the parts as one; seed= is its own option")
        seed = given.pop("seed", 0)
        if given:
            raise TypeError(f"{self.algorithm} has no options {sorted(given)}")
        return SeedOptions(self.number("seed", seed))

    def plain(self, data: Flat) -> int:
        return type(self).hashed(data)

    def numbered(self, data: Flat, options: SeedOptions) -> int:
        return type(self).hashed(data, options.seed)

    def on_cpu_many(self, items: Sequence[Flat], options: SeedOptions, first: int) -> tuple[list[Any], Errors]:
        hashed, seed = type(self).hashed, options.seed
        return list(map(hashed, items)) if not seed else [hashed(data, seed) for data in items], {}

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return map(type(self).hashed, items)

    def on_device(self, job: Job[SeedOptions], run: Run) -> Errors:
        sizes = job.items.sizes
        require_rows(sizes)
        table = zeroed(len(sizes))
        # Messages that run side by side end together.
        alike = not len(sizes) or int(sizes.min()) == int(sizes.max())
        order: Any = slice(None) if alike else np.argsort(sizes, kind="stable")
        table["src"], table["src_size"] = job.items.addresses[order], sizes[order]
        results = run(Launch(self.kernel, self.entry, table, record(job.options.seed), keep=job))
        require_success(self, results)
        assert isinstance(job.sink, NumberSink)
        values = np.empty(len(sizes), self.number_type)
        values[order] = results["check"]
        job.sink.values = values
        return {}

    def emulate(self, row: RowInput) -> RowOutput:
        return RowOutput(b"", check=type(self).hashed(row.src, number_at(row.params, row.param)))

    def trial(self) -> Trial:
        # Where XXH3 changes its way, stripes and blocks of all three, and more messages than any kernel takes at once.
        edges = (0, 4, 9, 17, 33, 65, 97, 129, 241, 1025, 1089, 2049)
        sizes = sorted({max(0, edge + more) for edge in edges for more in (-1, 0, 1)} | set(range(0, 500, 7)))
        data = [periodic(size) for size in (*sizes, *[3000] * 40, 10_000)]
        return trial_of(self, Job(Items.of(data), SeedOptions(self.largest // 3), NumberSink(self.number_size)))

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], SeedOptions]:
        return [b"\x55" * nbytes] * count, SeedOptions()


class Xxh32(Xxh):
    """``xxh32.checksum``."""

    algorithm = entry = "xxh32"
    title = "XXH32"
    number_size = 4
    number_type = np.uint32
    hashed = staticmethod(xxhash.xxh32_intdigest)


class Xxh64(Xxh):
    """``xxh64.checksum``."""

    algorithm = entry = "xxh64"
    title = "XXH64"
    number_size = 8
    number_type = np.uint64
    hashed = staticmethod(xxhash.xxh64_intdigest)


class Xxh3(Xxh):
    """``xxh3-64.checksum``."""

    algorithm = "xxh3-64"
    entry = "xxh3_64"
    title = "XXH3"
    number_size = 8
    number_type = np.uint64
    hashed = staticmethod(xxhash.xxh3_64_intdigest)
