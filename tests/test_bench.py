"""The benchmark suite: what it calls, that it catches wrong bytes, what it makes of figures. Nothing is timed here."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import weakref
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import html5lib
import lz4.frame
import pytest
import required
from click.testing import CliRunner, Result

import fpga_accel as fa
from fpga_accel.bench import cases, cold, comparison, contestants, goals, growth, inputs, peers, readme, results, suite
from fpga_accel.bench.cases import Case, Phase
from fpga_accel.bench.comparison import Verdict
from fpga_accel.bench.contestants import Contestant, Entry
from fpga_accel.bench.measure import LEAST_ROUNDS, MOST_CALLS, SAMPLE_SECONDS, TOO_SLOW, Effort, Race, Timed
from fpga_accel.bench.results import Row, Run
from fpga_accel.bench.works import WORKS
from fpga_accel.bench.works.work import KIB, MIB
from fpga_accel.cli.app import application
from fpga_accel.operations import registry

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "benchmarks" / "reference.json"
FEW = Effort(rounds=2, seconds=0.0)
TINY = (0, 1, 64, KIB)


# ---- contestants made up ----


@dataclass
class Clock:
    """Time that goes on by what calls say they take."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Fake:
    """A contestant that compresses `item` and takes `seconds`; `says` tells what it returns at which call."""

    item: bytes
    clock: Clock
    seconds: float = 0.02
    says: Callable[[int, bytes], Any] = lambda number, frame: frame
    calls: int = 0
    frame: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.frame = lz4.frame.compress(self.item)

    def __call__(self) -> Any:
        self.calls += 1
        self.clock.now += self.seconds
        return self.says(self.calls, self.frame)

    def entry(self, name: str = "fake") -> Entry:
        work = WORKS["lz4.compress"]([self.item])
        who = Contestant(name, False, contestants.Result.BYTES, threads=1)
        return Entry(who, work, self, lambda returned: [returned], [self.item])


def raced(*fakes: Fake, effort: Effort = FEW) -> list[Timed]:
    clock = fakes[0].clock
    return Race(effort, clock=clock, cpu_clock=clock).run([fake.entry() for fake in fakes])


def test_samples_are_seconds_of_a_call() -> None:
    fake = Fake(b"text" * 100, Clock(), seconds=0.004)
    (timed,) = raced(fake)
    assert not timed.error
    assert timed.calls * fake.seconds >= SAMPLE_SECONDS
    assert timed.wall == pytest.approx([0.004] * FEW.rounds)
    assert timed.size == len(fake.frame)


def test_a_call_goes_before_those_of_a_sample_untimed() -> None:
    fake = Fake(b"text" * 100, Clock(), seconds=0.004)
    cold = Fake(b"text" * 100, fake.clock, seconds=0.02)
    # The first of every sample finds the memory of another.
    calls = math.ceil(1.1 * SAMPLE_SECONDS / fake.seconds)
    warming = 2 + calls

    def first_is_slow(number: int, frame: bytes) -> bytes:
        fake.clock.now += 1.0 if number > warming and (number - warming - 1) % (calls + 1) == 0 else 0.0
        return frame

    fake.says = first_is_slow
    timed = raced(fake, cold)
    assert timed[0].wall == pytest.approx([0.004] * FEW.rounds)
    assert timed[1].calls == 1
    assert cold.calls == 2 + 2 * FEW.rounds, "all are warm, or nobody"


def test_no_call_goes_before_where_every_sample_has_one() -> None:
    slow, slower = Fake(b"x", Clock()), Fake(b"x", Clock(), seconds=0.05)
    slower.clock = slow.clock
    raced(slow, slower)
    assert slow.calls == slower.calls == 2 + FEW.rounds


def test_rounds_end_with_their_time() -> None:
    timed = raced(Fake(b"x", Clock(), seconds=1.0), effort=Effort(rounds=20, seconds=5.0))
    assert len(timed[0].wall) == 6


def test_call_that_takes_no_time_ends_warming_up() -> None:
    fake = Fake(b"x", Clock(), seconds=0.0)
    (timed,) = raced(fake, effort=Effort(rounds=1, seconds=0.0))
    assert timed.calls == MOST_CALLS


def test_slow_contestant_is_left_at_one_sample() -> None:
    clock = Clock()
    slow, other = Fake(b"x", clock, seconds=2 * TOO_SLOW), Fake(b"x", clock)
    timed = raced(slow, other)
    assert [len(one.wall) for one in timed] == [1, 2]
    assert slow.calls == 2


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (lambda number, frame: frame[:-1], "cannot decode"),
        (lambda number, frame: lz4.frame.compress(b"something else"), "not what it should be"),
        # Right at first.
        (lambda number, frame: frame if number < 4 else lz4.frame.compress(b""), "not what it should be"),
        (lambda number, frame: 1 / 0, "ZeroDivisionError"),
        (lambda number, frame: None, "TypeError"),
    ],
    ids=["damaged", "other bytes", "right at first", "raises", "nothing"],
)
def test_lying_contestant_is_reported_and_the_others_go_on(says: Callable[[int, bytes], Any], error: str) -> None:
    clock = Clock()
    timed = raced(Fake(b"text" * 100, clock), Fake(b"text" * 100, clock, says=says))
    assert error in timed[1].error
    assert not timed[0].error
    assert len(timed[0].wall) == FEW.rounds
    row = results.rows(Case(WORKS["lz4.compress"], "text", 400), timed)[1]
    assert row.error == timed[1].error
    assert not row.versus


class Frame(bytearray):
    """A result that can be counted."""

    __hash__ = object.__hash__  # type: ignore[assignment]


def test_one_result_is_kept_until_the_next_is_there() -> None:
    alive: weakref.WeakSet[Frame] = weakref.WeakSet()
    most: list[int] = []

    def frame(number: int, right: bytes) -> Frame:
        most.append(len(alive))
        result = Frame(right)
        alive.add(result)
        return result

    (timed,) = raced(Fake(b"text", Clock(), seconds=0.001, says=frame))
    assert not timed.error
    assert timed.calls > 5
    # The first call of all finds none; every later one finds its predecessor's.
    assert most[0] == 0
    assert set(most[1:]) == {1}


def test_buffer_that_nobody_writes_is_caught() -> None:
    item = b"text" * 100
    work = WORKS["aes-gcm.decrypt"]([item])
    out = memoryview(bytearray(item))
    who = Contestant("fake", True, contestants.Result.INTO)
    entry = Entry(who, work, lambda: len(item), lambda size: [out[:size]], [item], out)
    (timed,) = Race(FEW).run([entry])
    assert "not what it should be" in timed.error


def test_too_few_outputs_are_caught() -> None:
    items = [b"one", b"two"]
    work = WORKS["lz4.compress"](items)
    frames = [lz4.frame.compress(item) for item in items]
    who = Contestant("fake", False, contestants.Result.LIST, threads=1)
    (timed,) = Race(FEW).run([Entry(who, work, lambda: frames[:1], list, items)])
    assert "1 outputs for 2 items" in timed.error


# ---- cases, works and peers ----


def test_every_operation_has_a_work_and_every_work_a_peer() -> None:
    done = {name for work in WORKS.values() for name in work.operations}
    assert set(registry.OPERATIONS) <= done
    assert {peer.work for peer in peers.PEERS} == set(WORKS)


@pytest.mark.parametrize("size", TINY)
@pytest.mark.parametrize("work", cases.works(), ids=lambda work: work.name)
def test_calls_of_a_work_give_right_bytes(work: Any, size: int) -> None:
    """Every contestant, at sizes where nothing is to be seen but bytes."""
    item = inputs.data(inputs.RANDOM, size) if size else b""
    with contestants.opened(("cpu", "auto"), cores=3) as field:
        for items in [[item]] * bool(work.sizes) + [[item, b"", item]]:
            made = work(items)
            timed = Race(Effort(rounds=1, seconds=0.0, fills=False)).run(field.entries(made))
            assert [f"{one.entry.contestant.label}: {one.error}" for one in timed if one.error] == []
            assert all(len(one.entry.items) == len(items) for one in timed)
            names = {one.entry.contestant.name for one in timed}
            found = {peer.name for peer in peers.of(work.name) if len(items) == 1 or peer.in_batches}
            assert names == {"cpu", "auto"} | found


def test_threads_of_peers_share_one_input() -> None:
    item = inputs.data("text", contestants.THREADS_FROM + 1)
    with contestants.opened(("cpu",), cores=3) as field:
        for name in ("lz4.compress", "lz4.decompress", "aes-gcm.encrypt", "aes-ctr.decrypt", "crc32c.checksum"):
            timed = Race(Effort(rounds=1, seconds=0.0)).run(field.entries(WORKS[name]([item])))
            assert [one.error for one in timed if one.error] == []
            assert {one.entry.contestant.threads for one in timed} == {0, 1, 3}
            assert {len(one.entry.items) for one in timed} == {1, 3}


def test_device_gives_right_bytes(acc: fa.Accelerator, backend: Any) -> None:
    with contestants.opened((backend.id,)) as field:
        assert not field.absent
        work = WORKS["aes-gcm.encrypt"]([bytes(KIB)] * 3)
        timed = Race(Effort(rounds=1, seconds=0.0)).run(field.entries(work))
    ours = [row for row in results.rows(Case(type(work), inputs.RANDOM, KIB, 3), timed) if row.ours]
    # As a list and as a Batch.
    assert len(ours) == 2
    for row in ours:
        assert not row.error
        assert row.ran.startswith(f"{backend.id}/")
        assert (row.kernel > 0) is backend.is_device


def test_absent_device_and_peer_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = peers.Peer("crc32c.checksum", "nobody.crc", "nobody-has-this", peers.function("nobody:crc"))
    monkeypatch.setattr(peers, "PEERS", (*peers.PEERS, absent))
    said: list[str] = []
    run = suite.run([], ["cpu", "fpga"], quick=True, say=said.append)
    assert any(line.startswith("no nobody.crc: it is not installed") for line in said)
    assert any(line.startswith("no fpga: ") for line in said)
    assert run.environment["peers"]["nobody.crc"] is None
    assert list(run.settings["absent"]) == ["fpga"]


def test_batches_run_as_lists_and_as_columns() -> None:
    with contestants.opened(("cpu",), cores=2) as field:
        timed = Race(Effort(rounds=1, seconds=0.0)).run(field.entries(WORKS["crc32c.checksum"]([b"one", b"two"])))
    assert [one.error for one in timed if one.error] == []
    assert [one.entry.contestant.result for one in timed if one.entry.contestant.ours] == ["list", "batch"]


def test_a_chain_runs_against_its_peers_in_sequence() -> None:
    case, pages = [case for case in cases.cases() if len(case.kind.operations) > 1]
    assert case.name == pages.name == "lz4.compress > aes-gcm.encrypt 4,096 x 16 KiB"
    assert (case.data, pages.data) == ("text", "binary")
    with contestants.opened(("cpu",), cores=2) as field:
        timed = Race(Effort(rounds=1, seconds=0.0)).run(field.entries(case.kind([b"one" * 99, b"two"])))
    assert [one.error for one in timed if one.error] == []
    assert [one.entry.contestant.label for one in timed] == [
        "cpu", "cpu", "lz4.frame then AESGCM 1T", "lz4.frame then AESGCM 2T",
    ]  # fmt: skip


def test_peer_of_the_standard_library_is_one_row() -> None:
    peer = peers.Peer("x", "zlib", "", peers.function("zlib:crc32"))
    assert peer.version()
    call, arguments = peer.calls(WORKS["crc32c.checksum"]([b"a"]), [b"123456789"], None)
    assert [call(*one) for one in arguments] == [0xCBF43926]


def test_cases_are_chosen() -> None:
    found = cases.cases(growth=True)
    assert len({(case.name, case.data) for case in found}) == len(found)
    assert {case.size for case in found if case.phase is Phase.WARM and case.count == 1} >= {
        64, KIB, 4 * KIB, 64 * KIB, 256 * KIB, MIB, 64 * MIB, 256 * MIB,
    }  # fmt: skip
    assert {case.count for case in found} >= {1, 100, 10_000}
    gcm = cases.chosen(found, operations=["aes-gcm.encrypt"], sizes=[64], only=["random"])
    assert [case.name for case in gcm] == ["aes-gcm.encrypt 64 B"]
    quick = cases.chosen(found, quick=True)
    assert quick
    assert max(case.size for case in quick) == cases.FULL
    assert cases.chosen(found, only=["no such text"]) == []


def test_the_readme_quotes_each_of_its_works() -> None:
    quoted = cases.chosen(cases.cases(growth=True), quoted=True)
    missing = {work.name for work in WORKS.values() if work.missing()}
    assert {case.kind.name for case in quoted} == set(cases.QUOTED) - missing
    assert {case.phase for case in quoted} == {Phase.WARM}
    assert {case.data for case in quoted if case.kind.name == "zstd.compress"} == {
        data for data in cases.QUOTED_KINDS if data in inputs.names()
    }


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "1.5MiB", "4 parsecs", "KiB"])
def test_size_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        cases.size_of(text)


@pytest.mark.parametrize("name", inputs.SUBSTITUTES)
def test_data_without_the_corpus(name: str) -> None:
    data = inputs.substitute(name)
    assert len(data) > MIB
    assert len(lz4.frame.compress(data)) < 0.9 * len(data)


def test_inputs_repeat_what_there_is() -> None:
    whole = inputs.data(inputs.RANDOM, inputs.SUBSTITUTE_BYTES + 5)
    assert whole[:5] == whole[-5:]


# ---- figures made up ----


def row(median: float, contestant: str = "auto", result: str = "bytes", **more: Any) -> Row:
    ours = more.pop("ours", contestant in ("auto", "opencl", "cpu"))
    known: dict[str, Any] = {
        "work": "lz4.compress",
        "size": MIB,
        "count": 1,
        "data": "text",
        "spread": 0.01,
        "rounds": 9,
    }
    return Row(
        contestant=contestant,
        ours=ours,
        result=result,
        threads=more.pop("threads", 0 if ours else 1),
        median=median,
        **(known | more),
    )


def run_of(*rows: Row) -> Run:
    groups: dict[tuple[str, str], list[Row]] = {}
    for one in rows:
        groups.setdefault((one.case, one.data), []).append(one)
    environment: dict[str, Any] = {"cpu": "Some <CPU> & more", "cores": 2, "python": "3.11.1", "fpga_accel": "0.1.0"}
    environment |= {"commit": None, "liblz4": "1.9", "packages": {"lz4": "4.4"}, "devices": []}
    environment |= {"peers": {"lz4.frame": "4.4", "other": None}, "data": {"text": "a file"}}
    settings = {"started": "2026-01-02T03:04:05+00:00", "devices": ["auto"], "quick": True}
    return Run(settings, environment, [one for group in groups.values() for one in results.compared(group)])


def test_single_call_stands_against_one_thread_and_its_own_form() -> None:
    found = run_of(
        row(1.0),
        row(1.0, result="into"),
        row(1.0, "slow"),
        row(0.8, "fast"),
        row(0.5, "fast", threads=2),
        row(0.9, "slow", "into"),
    ).rows
    assert found[0].against == (1, "fast")
    assert found[0].versus == {1: {"slow": 1.0, "fast": 0.8}, 2: {"fast": 0.5}}
    assert found[1].against == (1, "slow")
    assert found[1].versus[1] == {"slow": 0.9, "fast": 0.8}
    assert found[0].best(1) == 0.8
    assert math.isnan(found[0].best(3))


def test_what_is_given_the_key_in_each_call_stands_against_peers_that_are_too() -> None:
    made, keyed = "AESGCM", "AESGCM(key)"
    rows = [row(0.5, made), row(0.8, keyed), row(0.4, made, "into"), row(0.9, keyed, "into")]
    found = run_of(row(1.0), row(1.0, bound=True), row(1.0, result="into"), *rows).rows
    assert [one.against for one in found[:3]] == [(1, keyed), (1, made), (1, keyed)]
    alone = run_of(row(1.0, bound=True), row(0.8, keyed)).rows
    assert alone[0].against is None
    # In batches all stand.
    many = run_of(row(1.0, count=9), row(0.5, made, count=9), row(0.8, keyed, count=9)).rows
    assert many[0].against == (1, made)


def test_batch_stands_against_any_number_of_threads() -> None:
    found = run_of(
        row(1.0, result="list", count=9),
        row(1.0, result="batch", count=9),
        row(0.9, "peer", "list", count=9),
        row(0.7, "peer", "list", count=9, threads=2),
    ).rows
    assert [one.against for one in found[:2]] == [(2, "peer")] * 2


def test_form_that_no_peer_has_stands_against_the_form_it_has() -> None:
    found = run_of(row(1.0, result="into"), row(2.0, "peer")).rows
    assert found[0].speedup == 2.0


def test_failed_peer_is_no_measure() -> None:
    found = run_of(row(1.0), row(0.1, "peer", error="wrong bytes")).rows
    assert found[0].against is None
    assert goals.standings(found) == []


def test_worst_rows() -> None:
    found = run_of(
        # A long call at 0.9 of the peer: beyond 0.95.
        row(1.0, data="slow"), row(0.9, "peer", data="slow"),
        # At 0.96.
        row(1.0, data="right"), row(0.96, "peer", data="right"),
        # 1.5 µs more than a peer of 10 µs: too much for a class, not for a method of the Accelerator.
        row(11.5e-6, data="class", bound=True), row(10e-6, "peer", data="class"),
        row(11.5e-6, data="call"), row(10e-6, "peer", data="call"),
        # 5 µs more, and faster than the peer.
        row(15e-6, data="calls"), row(10e-6, "peer", data="calls"),
        row(5e-6, data="faster"), row(10e-6, "peer", data="faster"),
        # None of these count.
        row(9.0, "opencl", data="slow"),
        row(9.0, data="cold", phase=Phase.COLD), row(1.0, "peer", data="cold", phase=Phase.COLD),
        row(9.0, data="failed", error="wrong"), row(1.0, "peer", data="failed"),
    ).rows  # fmt: skip
    worst = goals.standings(found)
    assert [one.row.data for one in worst] == ["class", "calls", "slow", "right", "call", "faster"]
    assert [one.row.data for one in worst if one.is_beyond] == ["class", "calls", "slow"]
    assert {one.row.data: one.text for one in worst} == {
        "class": "+1.50 µs", "call": "+1.50 µs", "calls": "+5.00 µs", "faster": "-5.00 µs", "slow": "0.90 x",
        "right": "0.96 x",
    }  # fmt: skip


def verdict(before: Sequence[Row], after: Sequence[Row], **options: float) -> comparison.Change:
    (found,) = comparison.changes(run_of(*before), run_of(*after), **options)
    return found


@pytest.mark.parametrize(
    ("after", "spread", "expected"),
    [
        (1.0, 0.01, Verdict.SAME),
        (1.04, 0.01, Verdict.SAME),
        (1.2, 0.01, Verdict.SLOWER),
        (0.8, 0.01, Verdict.FASTER),
        # Within what samples so far apart say.
        (1.2, 0.2, Verdict.SAME),
        (2.0, 0.2, Verdict.SLOWER),
    ],
)
def test_verdicts_of_a_comparison(after: float, spread: float, expected: Verdict) -> None:
    # The machine was half as fast the second time, for everybody.
    found = verdict(
        [row(1.0, spread=spread), row(1.0, "peer", spread=spread)],
        [row(2 * after, spread=spread), row(2.0, "peer", spread=spread)],
    )
    assert found.verdict is expected
    assert found.factor == pytest.approx(1 / after)


def test_tolerance_of_a_comparison() -> None:
    rows = [row(1.0), row(1.0, "peer")], [row(1.2), row(1.0, "peer")]
    assert verdict(*rows).is_worse
    assert not verdict(*rows, tolerance=0.3).is_worse


def test_comparison_takes_a_peer_that_both_runs_have() -> None:
    found = verdict([row(1.0), row(0.5, "gone"), row(1.0, "kept")], [row(1.0), row(1.0, "kept"), row(0.1, "new")])
    assert found.peer == "kept 1T"
    assert found.verdict is Verdict.SAME
    assert verdict([row(1.0), row(1.0, "gone")], [row(1.0), row(1.0, "new")]).verdict is Verdict.ONLY_AFTER


def test_comparison_shows_what_failed_or_is_in_one_run() -> None:
    peer = row(1.0, "peer")
    assert verdict([row(1.0), peer], [row(1.0, error="wrong"), peer]).verdict is Verdict.FAILED
    assert verdict([row(1.0, error="wrong"), peer], [row(1.0, error="wrong"), peer]).verdict is Verdict.SAME
    assert verdict([row(1.0), peer], [peer]).verdict is Verdict.ONLY_BEFORE
    assert verdict([peer], [row(1.0), peer]).verdict is Verdict.ONLY_AFTER


def test_growth_is_the_most_time_a_byte_by_the_least() -> None:
    found = growth.growths(
        [
            *(row(size * 1e-9, size=size, nbytes=size, phase=Phase.GROWTH) for size in (MIB, 16 * MIB)),
            row(64 * MIB * 1.5e-9, size=64 * MIB, nbytes=64 * MIB, phase=Phase.GROWTH),
            row(1.0, nbytes=MIB),
            row(9.0, size=4 * MIB, nbytes=4 * MIB, phase=Phase.GROWTH, error="wrong"),
        ]
    )
    assert [one.factor for one in found] == [pytest.approx(1.5)]
    assert [size for size, _ in found[0].points] == [MIB, 16 * MIB, 64 * MIB]


# ---- JSON ----


def small_run() -> Run:
    wanted = [
        Case(WORKS["aes-gcm.encrypt"], inputs.RANDOM, 64),
        Case(WORKS["lz4.compress"], "text", KIB),
        Case(WORKS["lz4.compress"], "text", 64, 5),
        *(Case(WORKS["lz4.compress"], "text", size, phase=Phase.GROWTH) for size in (KIB, 2 * KIB)),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suite, "QUICK", FEW)
        patch.setattr(growth, "EFFORT", FEW)
        patch.setattr(suite, "GIB", 4 * MIB)
        return suite.run(wanted, ["cpu", "auto"], quick=True)


@pytest.fixture(scope="module")
def measured() -> Run:
    """A run of the suite, of few calls."""
    return small_run()


def test_run_becomes_json_and_back(measured: Run) -> None:
    assert measured.rows
    assert not [one.error for one in measured.rows if one.error]
    text = measured.dumped()
    again = Run.loaded(text)
    assert again.dumped() == text
    assert [one.key for one in again.rows] == [one.key for one in measured.rows]
    for one, other in zip(measured.rows, again.rows, strict=True):
        assert other.samples == pytest.approx(one.samples, rel=1e-5)
        assert other.against == one.against
        assert math.isnan(other.kernel)
        assert other.calls == one.calls
    json.loads(text, parse_constant=pytest.fail)
    assert comparison.changes(measured, again)
    assert not [one for one in comparison.changes(measured, again) if one.verdict is not Verdict.SAME]


def test_run_names_no_machine(measured: Run) -> None:
    text = measured.dumped()
    assert len(measured.memory) == 2
    for secret in (socket.gethostname(), str(Path.home()), str(ROOT), sys.prefix, os.environ["FPGA_ACCEL_CACHE_DIR"]):
        assert secret not in text
    assert measured.environment["cores"] >= 1
    assert measured.environment["peers"]["lz4.frame"]


def test_peak_memory_of_a_file_is_that_of_its_process(measured: Run) -> None:
    for one in measured.memory:
        assert "error" not in one
        assert 20e6 < one["peak"] < growth.MEMORY_GOAL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"format": 2}',
        '{"format": 1}',
        '{"format": 1, "settings": {}, "environment": {}, "rows": [{}]}',
    ],
)
def test_file_that_is_no_result(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"x\.json"):
        Run.read(path)


# ---- first calls ----


@pytest.mark.parametrize(("name", "ours"), [("cpu", True), ("lz4.frame", False)])
def test_first_call(name: str, ours: bool) -> None:
    said = cold.first_call("lz4.compress", "text", KIB, name, ours=ours)
    assert said["seconds"] > 0
    assert said["ran"] == ("cpu/lz4 (asked)" if ours else "library")


def test_first_calls_are_of_new_processes() -> None:
    case = Case(WORKS["aes-gcm.encrypt"], inputs.RANDOM, KIB, phase=Phase.COLD)
    found = cold.rows(case, ["cpu", "no such device"], rounds=1)
    assert {one.label: bool(one.error) for one in found} == {"cpu": False, "no such device": True, "AESGCM 1T": False}
    assert found[0].speedup > 0
    assert "DeviceNotFoundError" in found[1].error


# ---- the README's figures ----


def test_figures_of_the_readme_are_made_of_the_reference() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.written(text, Run.read(REFERENCE)) == text, "run: fpga-accel bench readme RESULTS --write README.md"


def test_summary_makes_the_same_block() -> None:
    full = partial(row, size=cases.FULL)
    run = run_of(
        full(1.0, "opencl", ratio=2.0, samples=[1.0]), full(2.0, "opencl", "into"), full(1.5), full(1.5, bound=True),
        full(3.0, "peer", ratio=1.9), full(2.0, "peer", threads=2), row(1.0), row(1.0, "cpu", size=cases.FULL),
    )  # fmt: skip
    small = readme.summary(run)
    assert readme.block(small) == readme.block(run)
    assert "| lz4.compress 64 MiB | text | 3.00, 2.00 | 1.50, 1.00 | 2.00, 1.33 | 2.00, 1.90 |" in readme.block(run)
    assert len(small.rows) == 4
    assert not any(one.samples for one in small.rows)


def test_readme_without_markers() -> None:
    with pytest.raises(ValueError, match="figures"):
        readme.written("text", run_of())


# ---- the report ----


@pytest.fixture(scope="module")
def report(measured: Run) -> str:
    """A report with every part, of figures partly made up."""
    from fpga_accel.bench import page

    sizes, batch = (64, KIB, MIB), {"count": 100, "nbytes": 100 * MIB}
    ours = [(who, form) for who in ("opencl", "auto") for form in ("bytes", "into")]
    made_up = run_of(
        *(row(size * 1e-9, who, form, size=size, nbytes=size) for size in sizes for who, form in ours),
        *(row(size * 2e-9, "lz4.frame", size=size, nbytes=size) for size in sizes),
        *(row(0.01, "opencl", form, kernel=0.006, transfer=0.001, **batch) for form in ("list", "batch")),
        row(0.01, "lz4.frame", "list", **batch),
        row(1.0, "auto", data="binary", error="<script>alert(1)</script> & more"),
    )
    return page.page(replace(made_up, rows=[*made_up.rows, *measured.rows], memory=measured.memory))


def elements(report: str) -> Iterator[Any]:
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    yield from parser.parse(report).iter()


def test_report_is_valid_and_accessible(report: str) -> None:
    found = [one for one in elements(report) if isinstance(one.tag, str)]
    tags = [re.sub("{.*}", "", one.tag) for one in found]
    (page,) = [one for one in found if one.tag == "html"]
    assert page.get("lang") == "en"
    assert [one.text for one in found if one.tag == "title"] == ["fpga-accel benchmarks, 2026-01-02"]
    assert tags.count("h1") == 1
    assert tags.count("svg") == tags.count("figcaption") == 4
    assert all(one.get("scope") in ("col", "row") for one in found if one.tag == "th")
    assert all(one.text or len(one) for one in found if one.tag == "th")
    assert tags.count("table") == tags.count("caption") >= 5
    ids = [one.get("id") for one in found if one.get("id")]
    assert len(ids) == len(set(ids))
    labels = {one.get("aria-labelledby") for one in found} - {None}
    assert labels <= set(ids)
    assert "script" not in tags


def test_pictures_are_well_formed_and_say_what_they_show(report: str) -> None:
    pictures = re.findall(r"<svg.*?</svg>", report, re.DOTALL)
    assert len(pictures) == 4
    for picture in pictures:
        root = ET.fromstring(picture)
        assert root.get("role") == "img"
        assert len(root.get("aria-label", "")) > 40
        assert root.get("viewBox")
        here = {one.get("id") for one in root.iter()}
        links = re.findall(r'(?:href="|url\()#([^")]+)', picture)
        assert set(links) <= here
        # Each colour is one of the page's names, for light and for dark ground.
        assert not re.search(r"(?:fill|stroke): #", picture)
        assert "var(--ink)" in picture


def test_report_asks_for_nothing_from_outside(report: str) -> None:
    assert "http" not in report
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)""", report)
    assert not re.search(r"url\((?!#)|@import|<link", report)
    assert "&lt;script&gt;alert(1)" in report


# Puts what a browser makes of the page into the page.
PROBE = """
<script>
const seen = {
  dark: matchMedia("(prefers-color-scheme: dark)").matches,
  ground: getComputedStyle(document.body).backgroundColor,
  requests: performance.getEntriesByType("resource").length,
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  texts: [...new Set([...document.querySelectorAll("svg text, h1, th, td, dt, dd, figcaption")].map(
    one => one.closest("svg") ? getComputedStyle(one).fill : getComputedStyle(one).color))],
  lines: [...new Set([...document.querySelectorAll("svg path, svg use")].map(one => getComputedStyle(one).stroke))],
  widths: [...document.querySelectorAll("svg")].map(one => one.getBoundingClientRect().width),
};
const out = document.createElement("pre");
out.id = "probe";
out.textContent = JSON.stringify(seen);
document.body.append(out);
</script>
"""


def browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    return required.missing("browser", "PATH has no chromium, chromium-browser or google-chrome")


def luminance(color: str) -> float:
    numbers = [int(number) / 255 for number in re.findall(r"\d+", color)[:3]]
    linear = [n / 12.92 if n <= 0.04045 else ((n + 0.055) / 1.055) ** 2.4 for n in numbers]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("scheme", "setting"), [("light", 1), ("dark", 0)])
@pytest.mark.parametrize("width", [1280, 500])
def test_report_in_a_browser(report: str, tmp_path: Path, scheme: str, setting: int, width: int) -> None:
    path = tmp_path / "report.html"
    path.write_text(report.replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900"]
    command += [f"--blink-settings=preferredColorScheme={setting}", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    seen = json.loads(found[1])
    assert seen["dark"] is (scheme == "dark")
    assert seen["requests"] == 0
    assert seen["overflow"] <= 0
    assert len(seen["widths"]) == 4
    # No narrower than text in it can be read: a small window scrolls.
    assert all(700 < one <= max(width, 710) for one in seen["widths"])
    # WCAG 2: 4.5 for text, 3 for what is drawn. Grid lines are neither.
    assert [color for color in seen["texts"] if contrast(color, seen["ground"]) < 4.5] == []
    strong = [color for color in seen["lines"] if color != "none" and contrast(color, seen["ground"]) >= 3]
    assert len(strong) >= 3


# ---- the command ----


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(application, ["bench", *map(str, arguments)])


def test_command_runs_and_keeps_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "QUICK", FEW)
    path, page = tmp_path / "new" / "x.json", tmp_path / "x.html"
    done = invoke("--quick", "--device", "auto", "--op", "crc32c", "--size", "64B", "--output", path, "--html", page)
    assert done.exit_code == 0, done.output
    assert "auto against the best peer" in done.stdout
    assert {one.case for one in Run.read(path).rows} == {"crc32c.checksum 64 B"}
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    as_json = invoke("--quick", "--device", "cpu", "--op", "crc32c", "--size", "64B", "--output", path, "--json")
    assert Run.loaded(as_json.stdout).settings["devices"] == ["cpu"]


def test_run_that_is_late_has_the_least_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "QUICK_SECONDS", 0.0)
    monkeypatch.setattr(suite, "QUICK", Effort(rounds=50, seconds=60.0))
    run = suite.run([Case(WORKS["crc32c.checksum"], "text", 64)], ["cpu"], quick=True)
    assert {one.rounds for one in run.rows} == {LEAST_ROUNDS}


def test_command_fails_where_bytes_are_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "QUICK", FEW)
    monkeypatch.setattr(fa.Accelerator, "checksum", lambda self, data, algorithm: 1)
    done = invoke("--quick", "--device", "cpu", "--op", "crc32c", "--size", "64B", "--output", tmp_path / "x.json")
    assert done.exit_code == 1
    assert "FAILED: crc32c.checksum 64 B, text, cpu, bytes: WrongOutputError" in done.stderr


@pytest.mark.parametrize(("median", "code"), [(1.0, 0), (2.0, 1)])
def test_gate_on_the_goals(median: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(row(median), row(1.0, "peer"))
    monkeypatch.setattr(suite, "run", lambda *arguments, **options: run)
    path = tmp_path / "x.json"
    assert invoke("--output", path).exit_code == 0
    assert invoke("--output", path, "--gate").exit_code == code


def test_command_lists_cases() -> None:
    done = invoke("--list", "--growth", "--op", "lz4.compress")
    assert done.exit_code == 0
    assert "growth lz4.compress 1 GiB, text" in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "nothing is called so"), "no case is left"),
        (("--size", "4 parsecs"), "is no size"),
        (("report", "/dev/null"), "/dev/null: "),
    ],
)
def test_usage(arguments: tuple[str, ...], said: str) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_report_without_its_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "fpga_accel.bench.page", raising=False)
    monkeypatch.delattr("fpga_accel.bench.page", raising=False)
    done = invoke("--list", "--html", tmp_path / "x.html")
    assert done.exit_code == 0
    done = invoke("report", REFERENCE, "-o", tmp_path / "x.html")
    assert done.exit_code == 2
    assert "fpga-accel[bench]" in done.stderr


def test_command_compares(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.json", "b.json")]
    for path, median in zip(paths, (1.0, 1.5), strict=True):
        path.write_text(run_of(row(median), row(1.0, "peer")).dumped())
    done = invoke("compare", *paths)
    assert done.exit_code == 0
    assert "slower" in done.stdout
    assert invoke("compare", *paths, "--gate").exit_code == 1
    assert invoke("compare", *paths, "--gate", "--tolerance", "0.6").exit_code == 0
    assert invoke("compare", *reversed(paths), "--gate").exit_code == 0
    (change,) = json.loads(invoke("compare", *paths, "--json").stdout)
    assert (change["before"], change["after"], change["verdict"]) == (1.0, pytest.approx(2 / 3), "slower")


def test_command_makes_report_and_block(tmp_path: Path) -> None:
    page, text, small = (tmp_path / name for name in ("x.html", "README.md", "small.json"))
    assert invoke("report", REFERENCE, "--output", page).exit_code == 0
    assert "<svg" in page.read_text(encoding="utf-8")
    text.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    assert invoke("readme", REFERENCE, "--write", text, "--summary", small).exit_code == 0
    lines = text.read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert "old" not in lines
    assert invoke("readme", small).stdout == readme.block(Run.read(REFERENCE))
