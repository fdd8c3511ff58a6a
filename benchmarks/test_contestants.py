"""The same contestants under pytest-benchmark: ``pytest benchmarks --benchmark-only``.

Contestants run one after the other here, not in turn: good for watching one of them from commit to commit,
not for comparing two. Sizes above 1 MiB are left to ``python -m benchmarks``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.cases import MIB, Case, cases
from benchmarks.contestants import CONTESTANTS, Contestant, Field, opened

SMALL = [case for case in cases() if case.size * case.count <= MIB]


@pytest.fixture(scope="module")
def field() -> Iterator[Field]:
    """Open every Accelerator once."""
    with opened() as found:
        yield found


@pytest.mark.parametrize("contestant", CONTESTANTS, ids=lambda one: f"{one.label('peer')}{' into' * one.into}")
@pytest.mark.parametrize("case", SMALL, ids=lambda case: f"{case.name} {case.data}")
def test_call(benchmark: BenchmarkFixture, field: Field, case: Case, contestant: Contestant) -> None:
    work = case.work()
    entry = next((entry for entry in field.entries(work) if entry.contestant == contestant), None)
    if entry is None:
        cause = field.absent.get(contestant.device or "", "it has no call of this form")
        pytest.skip(f"{contestant.label(work.peer_name)}: {cause}")
    benchmark.group = f"{case.name} {case.data}"
    returned = benchmark(entry.call)
    assert work.decoded([bytes(part) for part in entry.parts(returned)]) == work.plain
