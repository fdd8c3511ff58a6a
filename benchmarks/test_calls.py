"""Representative calls of the suite under pytest-benchmark: ``pytest benchmarks --benchmark-only``.

Contestants run one after the other here, not in turn: good for watching one of them from commit to commit, not for
comparing two, which is what ``fpga-accel bench`` is for.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from fpga_accel.bench.cases import Case
from fpga_accel.bench.contestants import DEVICES, Contestant, Field, Result, opened
from fpga_accel.bench.inputs import RANDOM
from fpga_accel.bench.measure import judge
from fpga_accel.bench.works import WORKS
from fpga_accel.bench.works.work import KIB, MIB, Work

CASES = (
    Case(WORKS["lz4.compress"], "text", 64 * KIB),
    Case(WORKS["lz4.decompress"], "text", MIB),
    Case(WORKS["lz4.compress"], "text", 4 * KIB, 100),
    Case(WORKS["aes-gcm.encrypt"], RANDOM, KIB),
    Case(WORKS["aes-gcm.encrypt"], RANDOM, 4 * KIB, 100),
    Case(WORKS["crc32c.checksum"], "text", MIB),
)


def contestants(case: Case) -> Iterator[Contestant]:
    fresh = Result.BYTES if case.count == 1 else Result.LIST
    yield from (Contestant(device, True, fresh) for device in DEVICES)
    if case.count == 1 and case.kind.into is not Work.into:
        yield Contestant("auto", True, Result.INTO)
    if case.count == 1 and case.kind.bound is not Work.bound:
        yield Contestant("auto", True, Result.BYTES, bound=True)


@pytest.fixture(scope="module")
def field() -> Iterator[Field]:
    """Open every Accelerator once."""
    with opened() as found:
        yield found


@pytest.mark.parametrize(
    ("case", "contestant"),
    [
        pytest.param(case, who, id=f"{case.name}-{who.label}-{who.result}")
        for case in CASES
        for who in contestants(case)
    ],
)
def test_call(benchmark: BenchmarkFixture, field: Field, case: Case, contestant: Contestant) -> None:
    work = case.work()
    if contestant.name in field.absent:
        pytest.skip(field.absent[contestant.name])
    entry = next(entry for entry in field.entries(work) if entry.contestant == contestant)
    benchmark.group = f"{case.name} {case.data}"
    judge(entry, entry.parts(benchmark(entry.call)))
