"""Where calls run: estimates, timing, the saved calibration, probes, and choices of an Accelerator."""

from __future__ import annotations

import itertools
import json
import logging
import math
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

import fpga_accel as fa
from fpga_accel import config
from fpga_accel.backends.cpu import Workers
from fpga_accel.calls import BatchCall
from fpga_accel.errors import DeviceError
from fpga_accel.operations import registry
from fpga_accel.receipts import Reason
from fpga_accel.routing import (
    ADVANTAGE,
    BUDGET_SECONDS,
    CPU,
    PATIENCE_SECONDS,
    Case,
    Choice,
    Cost,
    Router,
    Shape,
    Source,
    Timings,
    is_small_batch,
    probes,
    saved,
    timing,
)
from fpga_accel.runtime import manifests
from fpga_accel.runtime.buffers import POOL
from fpga_accel.testing import DEVICE_ID, VARIANT, FaultyDevice

CANDIDATE = f"{DEVICE_ID}/{VARIANT}"
ONE = Case("lz4.compress", "", large=False, into=False)
LARGE_ONE = Case("lz4.compress", "", large=True, into=False)
MANY = Case("lz4.compress", "", large=False, into=False, many=True)
KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FPGA_ACCEL_CACHE_DIR", str(tmp_path / "cache"))


# ---- estimates ----

_SECONDS = st.floats(1e-6, 10, allow_nan=False)
_SHAPES = st.dictionaries(st.tuples(st.integers(1, 20_000), st.integers(1, 1 << 24)), _SECONDS, min_size=1, max_size=9)


@given(_SHAPES, st.integers(1, 100_000), st.integers(1, 1 << 26))
def test_estimates_are_positive_and_finite(timings: dict[Shape, float], count: int, nbytes: int) -> None:
    seconds = Cost(timings).seconds(count, count * nbytes)
    assert 0 < seconds < math.inf


@given(st.lists(_SECONDS, min_size=5, max_size=5), st.lists(st.integers(1, 1 << 26), min_size=2, max_size=9))
def test_a_larger_item_is_never_estimated_cheaper(seconds: list[float], sizes: list[int]) -> None:
    cost = Cost(dict(zip(ONE.shapes, seconds, strict=True)))
    found = [cost.seconds(1, size) for size in sorted(sizes)]
    assert all(low <= high * (1 + 1e-9) for low, high in itertools.pairwise(found))


@given(st.lists(_SECONDS, min_size=len(MANY.shapes), max_size=len(MANY.shapes)), st.integers(256, 1 << 16))
def test_more_items_are_never_estimated_cheaper(seconds: list[float], size: int) -> None:
    cost = Cost(dict(zip(MANY.shapes, seconds, strict=True)))
    found = [cost.seconds(count, count * size) for count in (1, 2, 99, 100, 101, 999, 10_000, 10_001, 10**6)]
    assert all(low <= high * (1 + 1e-9) for low, high in itertools.pairwise(found))


@pytest.mark.parametrize("case", [ONE, MANY], ids=str)
def test_timed_shapes_are_estimated_as_they_were_timed(case: Case) -> None:
    timings = {shape: 1e-4 + 1e-6 * shape[0] + 1e-9 * shape[0] * shape[1] for shape in case.shapes}
    cost = Cost(timings)
    for (count, nbytes), seconds in timings.items():
        assert cost.seconds(count, count * nbytes) == pytest.approx(seconds)


@pytest.mark.parametrize(("start", "item", "byte"), [(3e-4, 0, 1e-9), (0, 2e-6, 1e-10), (1e-4, 1e-6, 1e-9)])
@pytest.mark.parametrize("case", [ONE, MANY], ids=str)
def test_costs_on_a_line_are_met_between_and_beyond_the_shapes(
    case: Case, start: float, item: float, byte: float
) -> None:
    def truth(count: int, each: int) -> float:
        return start + count * item + count * each * byte

    cost = Cost({shape: truth(*shape) for shape in case.shapes})
    counts = (150, 2000, 7777, 50_000) if case.many else (1,)
    for count, each in itertools.product(counts, (300, 1000, 20_000, 500_000, 3 * MIB, 30 * MIB)):
        assert cost.seconds(count, count * each) == pytest.approx(truth(count, each), rel=1e-6)


def test_a_bend_of_one_place_does_not_show_at_others() -> None:
    """What a fit of a line through three points gets wrong: caches bend the curve at one end."""
    flat = {shape: 1e-9 * shape[1] for shape in ONE.shapes}
    bent = flat | {ONE.shapes[-1]: 5 * flat[ONE.shapes[-1]]}
    for nbytes in (64 * KIB, 300 * KIB, MIB, 3 * MIB):
        assert Cost(bent).seconds(1, nbytes) == pytest.approx(Cost(flat).seconds(1, nbytes))


def test_below_the_first_shape_no_call_is_cheaper_than_its_share() -> None:
    cost = Cost({(1, 100): 1.0, (1, 200): 9.0})
    assert cost.seconds(1, 50) == 0.5
    assert Cost({(1, 100): 1.0, (1, 200): 1.1}).seconds(1, 50) == pytest.approx(0.95)
    assert cost.seconds(0, 0) == 0


def test_one_shape_is_scaled() -> None:
    cost = Cost({(1, 48 * MIB): 0.3})
    assert cost.seconds(1, 96 * MIB) == pytest.approx(0.6)
    assert cost.seconds(3, 3 * 48 * MIB) == pytest.approx(0.9)


def test_a_cost_needs_a_timing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Cost({})


def test_priors_never_let_a_device_win() -> None:
    for name in (*registry.OPERATIONS, "a chain of something"):
        for many, large in ((False, False), (True, False), (False, True)):
            choice = Router.prior(Case(name, "", large=large, into=False, many=many))
            assert choice.source is Source.PRIOR
            for count, each in itertools.product((1, 10, 10_000), (1, 256, MIB, 1 << 32)):
                assert not choice.device_wins(count, count * each)
                assert choice.cpu.seconds(count, count * each) < choice.device_seconds(count, count * each)


@pytest.mark.parametrize(
    ("count", "nbytes", "small"), [(1, 0, True), (10, 10, True), (200, 200, False), (1, MIB, False)]
)
def test_small_batches(count: int, nbytes: int, small: bool) -> None:
    assert is_small_batch(count, nbytes) is small


# ---- timing ----


class Clock:
    """A machine whose calls take what the test says."""

    def __init__(self, cpu: Callable[[Shape], float], device: Callable[[Shape], float]) -> None:
        self.now = 0.0
        self.seconds = {CPU: cpu, CANDIDATE: device}
        self.ran: list[tuple[str, Shape]] = []

    def __call__(self) -> float:
        return self.now

    def one(self, candidate: str, shape: Shape) -> float:
        seconds = self.seconds[candidate](shape)
        self.now += seconds
        self.ran.append((candidate, shape))
        return seconds

    def timed(self, case: Case, budget: float = BUDGET_SECONDS) -> Timings:
        return timing.timed(self.one, CANDIDATE, case.shapes, budget, self)


def _bytes(rate: float) -> Callable[[Shape], float]:
    return lambda shape: shape[0] * shape[1] / rate


def test_candidates_are_timed_in_turns() -> None:
    clock = Clock(_bytes(1e9), _bytes(2e9))
    found = clock.timed(ONE, 1e9)
    rounds = [tuple(name for name, _ in clock.ran[at : at + 10]) for at in range(0, len(clock.ran), 10)]
    turns = (CPU, CANDIDATE, CANDIDATE, CPU, CPU, CANDIDATE, CANDIDATE, CPU, CPU, CANDIDATE)
    assert rounds == [turns] * len(ONE.shapes)
    assert list(found.cpu) == list(found.device) == list(ONE.shapes)
    assert found.cpu[1, MIB] == pytest.approx(MIB / 1e9)
    assert found.device[1, MIB] == pytest.approx(MIB / 2e9)


def test_one_slow_sample_is_not_believed() -> None:
    samples = itertools.cycle((9.0, 1.0, 1.1, 7.0, 1.2))
    found = Clock(lambda shape: 1e-6 * next(samples), lambda shape: 1e-6).timed(ONE, 10)
    assert all(seconds <= 1.2e-6 for seconds in found.cpu.values())


@given(st.floats(1e4, 1e12), st.floats(1e4, 1e12), st.floats(0, 1), st.sampled_from([ONE, MANY, LARGE_ONE]))
def test_timing_ends_when_its_budget_does(cpu: float, device: float, start: float, case: Case) -> None:
    clock = Clock(_bytes(cpu), lambda shape: start + shape[0] * shape[1] / device)
    found = clock.timed(case)
    first = clock.seconds[CPU](case.shapes[0]) + clock.seconds[CANDIDATE](case.shapes[0])
    assert case.shapes[0] in found.cpu
    assert clock.now <= max(2.1 * first, (timing.GRACE + 1) * BUDGET_SECONDS)


def test_a_hopeless_candidate_is_not_timed_often() -> None:
    clock = Clock(_bytes(1e9), _bytes(1e7))
    clock.timed(ONE, 1e9)
    assert len(clock.ran) == 4 * len(ONE.shapes)


# ---- the saved calibration ----

MACHINE = saved.machine(2, 2)
TIMINGS = Timings({(1, 1000): 0.001, (1, 9000): 0.002}, {(1, 1000): 0.002, (1, 9000): 0.001})


def _written() -> dict[str, Any]:
    made = saved.CalibrationFile("device", MACHINE)
    made.add({"case d/v": TIMINGS})
    data: dict[str, Any] = json.loads(made.path.read_text())
    return data


def _with(point: Any) -> bytes:
    data = _written()
    data["timings"]["case d/v"]["cpu"][0] = point
    return json.dumps(data).encode()


DAMAGES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "half": lambda: json.dumps(_written()).encode()[:60],
    "no text": lambda: b"\xff\xfe\x00" * 30,
    "a list": lambda: b"[]",
    "null": lambda: b"null",
    "no timings": lambda: json.dumps(_written() | {"timings": None}).encode(),
    "timings of a list": lambda: json.dumps(_written() | {"timings": []}).encode(),
    "no shapes": lambda: json.dumps(_written() | {"timings": {"case d/v": {"cpu": [], "device": []}}}).encode(),
    "two numbers": lambda: _with([1, 2]),
    "text": lambda: _with(["a", "b", "c"]),
    "negative": lambda: _with([1, 1000, -0.001]),
    "nothing": lambda: _with([1, 1000, 0]),
    "not a number": lambda: _with([1, 1000, math.nan]),
    "infinite": lambda: _with([1, 1000, math.inf]),
    "no items": lambda: _with([0, 1000, 0.001]),
    "half an item": lambda: _with([0.5, 1000, 0.001]),
    "one candidate alone": lambda: _with([1, 1001, 0.001]),
    "more than a float holds": lambda: _with([1, 1000, 10**400]),
    "items beyond reason": lambda: _with([10**400, 1000, 0.001]),
    "too many": lambda: json.dumps(
        _written()
        | {"timings": {"case d/v": {side: [[1, n + 1, 0.1] for n in range(1000)] for side in ("cpu", "device")}}}
    ).encode(),
    "deep": lambda: b"[" * 200_000,
    "another version": lambda: json.dumps(_written() | {"format": 2}).encode(),
    "another machine": lambda: json.dumps(_written() | {"machine": saved.machine(2, 3)}).encode(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_calibration_is_measured_again(damage: str) -> None:
    content = DAMAGES[damage]()
    made = saved.CalibrationFile("device", MACHINE)
    made.add({"case d/v": TIMINGS})
    assert made.load() == {"case d/v": TIMINGS}
    made.path.write_bytes(content)
    assert made.load() == {}
    made.add({"case d/v": TIMINGS})
    assert made.load() == {"case d/v": TIMINGS}
    assert [path.suffix for path in made.path.parent.iterdir()] == [".json"]


def test_another_machine_has_another_file() -> None:
    files = {
        saved.CalibrationFile("device", machine).path
        for machine in (
            *(MACHINE, saved.machine(4, 2), saved.machine(2, 4)),
            *(MACHINE | {"cpu": "another"}, MACHINE | {"kernels": "others"}),
        )
    }
    assert len(files) == 5
    assert MACHINE["cpu"]


def test_other_kernels_have_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "kernels_dir", lambda: tmp_path)
    monkeypatch.setattr(manifests, "digest", manifests.digest.__wrapped__)
    source = tmp_path / "lz4" / "portable.cl"
    source.parent.mkdir()
    found = []
    for text, name in (("one", "notes.md"), ("one", "more.h"), ("two", "more.h")):
        source.write_text(text)
        (source.parent / name).touch()
        found.append(saved.machine(2, 2)["kernels"])
    assert len(set(found)) == 3
    (source.parent / "notes.md").write_text("of no kernel")
    assert saved.machine(2, 2)["kernels"] == found[-1]


def test_processes_keep_the_timings_of_others() -> None:
    first, second = (saved.CalibrationFile("device", MACHINE) for _ in range(2))
    first.add({"a": TIMINGS})
    second.add({"b": TIMINGS})
    assert first.load() == {"a": TIMINGS, "b": TIMINGS}


def test_a_calibration_that_cannot_be_kept_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FPGA_ACCEL_CACHE_DIR", str(tmp_path / "file"))
    router = Router("device")
    router.calibrate(ONE, CANDIDATE, lambda name, shape: 1e-3)
    assert router.choice(ONE, CANDIDATE) is not None
    assert "cannot keep the calibration" in caplog.text


# ---- the router ----


def test_a_calibration_is_found_again() -> None:
    router = Router("device")
    assert router.choice(ONE, CANDIDATE) is None
    assert router.candidates(ONE, DEVICE_ID) == []
    router.calibrate(ONE, CANDIDATE, Clock(_bytes(1e9), _bytes(2e9)).one)
    for each in (router, Router("device"), Router("device", learns=False)):
        choice = each.choice(ONE, CANDIDATE)
        assert choice is not None
        assert choice.device_wins(1, MIB)
        assert choice.source_for(1, MIB) is Source.CALIBRATED
        assert each.candidates(ONE, DEVICE_ID) == [CANDIDATE]
        assert each.choice(ONE, f"{DEVICE_ID}/other") is None
        assert each.choice(ONE._replace(into=True), CANDIDATE) is None
    assert Router("another device").choice(ONE, CANDIDATE) is None
    assert Router("device", threads=99).choice(ONE, CANDIDATE) is None


def test_a_case_is_due_once_there_is_work_worth_the_timing() -> None:
    router, mib = Router("device"), Router.prior(ONE).cpu.seconds(1, MIB)
    calls = math.ceil(PATIENCE_SECONDS / mib)
    assert 5 < calls < 1000, "a call of 1 MiB is neither large nor nothing"
    due = [router.due(ONE, CANDIDATE, 1, MIB) for _ in range(calls + 2)]
    assert due.index(True) in (calls - 1, calls)
    assert all(due[due.index(True) :])
    assert not router.due(ONE._replace(into=True), CANDIDATE, 1, MIB), "another case"
    assert router.due(ONE._replace(large=True), CANDIDATE, 1, 1 << 30), "large work does not wait"


def test_a_candidate_that_failed_is_not_due_again() -> None:
    router = Router("device")
    router.refuse(ONE, CANDIDATE)
    assert not router.due(ONE, CANDIDATE, 1, 1 << 40)
    assert router.due(ONE, f"{DEVICE_ID}/other", 1, 1 << 40)


def test_a_pinned_router_is_never_due_and_has_no_probes() -> None:
    Router("device").calibrate(ONE, CANDIDATE, Clock(_bytes(1e9), _bytes(2e9)).one)
    router = Router("device", learns=False)
    assert not router.due(MANY, CANDIDATE, 1, 1 << 50)
    choice = router.choice(ONE, CANDIDATE)
    assert choice is not None
    assert choice.probes is None
    assert not choice.probe_is_due(1, MIB, 1e9, device_ran=True)
    assert not choice.take_probe(1, MIB, 1.0, 9.0, device_ran=True)


def test_one_thread_times_and_others_do_not_wait() -> None:
    router = Router("device")
    seen: list[bool] = []
    with router.timing() as mine:
        assert mine

        def other() -> None:
            with router.timing() as theirs:
                seen.append(theirs)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    with router.timing() as again:
        assert again
    assert seen == [False]


# ---- probes, on a simulated machine ----


class Machine:
    """Two candidates whose calls of one size take what the test says, and an Accelerator's loop around them."""

    def __init__(self, cpu: float, device: float, *, noise: float = 0.0, model: float | None = None, seed: int = 1):
        self.cpu, self.device, self.noise = cpu, device, noise
        self.chance = random.Random(seed)
        estimate = device if model is None else model
        self.choice = Choice(Cost({(1, MIB): cpu}), Cost({(1, MIB): estimate}), ADVANTAGE, probes=probes.Probes())
        self.spent = self.probed = 0.0
        self.on_device: list[bool] = []

    def _one(self, on_device: bool) -> float:
        return (self.device if on_device else self.cpu) * self.chance.uniform(1 - self.noise, 1 + self.noise)

    def run(self, calls: int) -> Machine:
        for _ in range(calls):
            chosen = self.choice.device_wins(1, MIB)
            seconds = self._one(chosen)
            self.spent += seconds
            self.on_device.append(chosen)
            if self.choice.probe_is_due(1, MIB, seconds, device_ran=chosen):
                other = self._one(not chosen)
                self.probed += other
                pair = (other, seconds) if chosen else (seconds, other)
                self.choice.take_probe(1, MIB, *pair, device_ran=chosen)
        return self

    @property
    def switches(self) -> int:
        return sum(a != b for a, b in itertools.pairwise(self.on_device))

    def calls_until(self, on_device: bool, limit: int) -> int:
        """Run until that candidate is chosen; return the calls it took."""
        for calls in range(limit):
            if self.choice.device_wins(1, MIB) is on_device:
                return calls
            self.run(1)
        raise AssertionError(f"no switch within {limit} calls")


# So many calls of the slower candidate pass before the other is chosen, at most: 10 probes at 1 % of the time.
SWITCHED_WITHIN = 2500


@given(st.floats(0.05, 20), st.floats(0.05, 20), st.integers(0, 1 << 30))
@settings(max_examples=15)
def test_a_steady_machine_is_settled_after_one_change_at_most(device: float, model: float, seed: int) -> None:
    machine = Machine(1.0, device, model=model, seed=seed).run(6000)
    assert machine.switches <= 1
    if not 0.8 < device < 1.25:
        assert machine.on_device[-1] is (device < 1)


@given(st.floats(0.3, 3), st.integers(0, 1 << 30))
@settings(max_examples=15)
def test_noise_makes_no_choice_flap(device: float, seed: int) -> None:
    assert Machine(1.0, device, noise=0.3, seed=seed).run(10_000).switches <= 1


@given(st.floats(0.42, 0.7), st.sampled_from([0.0, 0.3]), st.integers(0, 1 << 30))
@settings(max_examples=15)
def test_a_device_that_becomes_three_times_slower_is_left_and_taken_again(
    device: float, noise: float, seed: int
) -> None:
    machine = Machine(1.0, device, noise=noise, seed=seed).run(500)
    assert machine.on_device[-1]
    machine.device = 3 * device
    assert machine.calls_until(False, 2 * SWITCHED_WITHIN if machine.device < 1.5 else SWITCHED_WITHIN) > 0
    machine.run(500)
    assert not machine.on_device[-1]
    machine.device = device
    machine.calls_until(True, 2 * SWITCHED_WITHIN)
    machine.run(500)
    assert machine.on_device[-1]


@given(st.floats(0.01, 100), st.floats(0, 0.5), st.integers(0, 1 << 30))
@settings(max_examples=15)
def test_probes_take_one_percent_of_the_time(device: float, noise: float, seed: int) -> None:
    machine = Machine(1.0, device, noise=noise, seed=seed).run(3000)
    longest = max(1.0, device) * (1 + noise)
    assert machine.probed <= probes.SHARE * machine.spent + longest


def test_slow_data_does_not_count_against_the_candidate_that_ran() -> None:
    machine = Machine(1.0, 0.8).run(1000)
    machine.cpu, machine.device = 20.0, 16.0
    assert machine.run(3000).switches == 0


def test_one_stall_does_not_decide() -> None:
    machine = Machine(1.0, 0.5)
    machine.choice.take_probe(1, MIB, 1.0, 1000.0, device_ran=True)
    assert machine.choice.device_wins(1, MIB)
    for _ in range(20):
        machine.choice.take_probe(1, MIB, 1.0, 0.5, device_ran=True)
    machine.choice.take_probe(1, MIB, 1.0, 1000.0, device_ran=True)
    assert machine.choice.device_wins(1, MIB)


def test_corrections_stay_in_their_size_class_and_show() -> None:
    machine = Machine(1.0, 3.0, model=0.5)
    machine.calls_until(False, SWITCHED_WITHIN)
    assert machine.choice.source_for(1, MIB) is Source.REFINED
    assert machine.choice.source_for(1, 16 * MIB) is Source.CALIBRATED
    assert machine.choice.device_wins(1, 16 * MIB)
    assert machine.choice.device_seconds(1, MIB) == pytest.approx(3.0, rel=0.1)


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 1 << 50), st.floats(0, 1e6)), max_size=60))
def test_memory_is_bounded(calls: list[tuple[int, int, float]]) -> None:
    found = probes.Probes()
    for count, nbytes, seconds in calls:
        account = found.size_class(count, nbytes)
        found.due(account, seconds, 1.0)
        found.take(account, estimated=1.0, measured=0.5 + seconds, device_ran=nbytes % 2 == 0)
    for _ in range(1000):
        found.take(found.size_class(1, MIB), estimated=1.0, measured=1.15, device_ran=True)
    assert len(found._classes) <= 42 * 17
    assert all(len(side.deviations) <= 15 for each in found._classes.values() for side in each.evidence)


def test_estimates_that_are_kept_are_few_and_not_out_of_date() -> None:
    machine = Machine(1.0, 3.0, model=0.5)
    for nbytes in range(1, 5000):
        machine.choice.device_wins(1, nbytes)
    assert len(machine.choice._known) <= 512
    assert machine.choice.device_wins(1, MIB)
    machine.calls_until(False, SWITCHED_WITHIN)
    assert machine.choice.device_seconds(1, MIB) == pytest.approx(3.0, rel=0.1)


def test_nothing_large_is_probed() -> None:
    choice = Machine(1.0, 0.5).choice
    assert not choice.probe_is_due(1, probes.LARGEST + 1, 1e9, device_ran=True)
    assert not choice.probe_is_due(1, 0, 1e9, device_ran=True)
    assert not choice.take_probe(1, MIB, 0.0, 1.0, device_ran=True)


# ---- an Accelerator ----

TEXT = b"".join(b"row %d of a table\n" % number for number in range(60_000))


def _calibrated(cpu: float, device: float, *cases: Case) -> None:
    """Save a calibration in which the candidates do so many bytes a second."""
    router = Router(_key(), None)
    for case in cases or (ONE, ONE._replace(into=True), MANY):
        router.calibrate(case, CANDIDATE, Clock(_bytes(cpu), _bytes(device)).one)


def _key() -> str:
    from fpga_accel.runtime import discovery

    return discovery.calibration_key(DEVICE_ID)


@pytest.fixture
def auto() -> Iterator[Callable[..., fa.Accelerator]]:
    """Make an Accelerator whose "auto" compares a `FaultyDevice` with the CPU."""
    made: list[fa.Accelerator] = []

    def make(device: FaultyDevice | None = None, **settings: Any) -> fa.Accelerator:
        acc = fa.Accelerator("auto", **settings)
        acc.engine.planner.backend = (device or FaultyDevice()).open_backend()
        made.append(acc)
        return acc

    yield make
    for acc in made:
        acc.close()


Make = Callable[..., fa.Accelerator]


def test_middling_work_runs_on_the_cpu_and_is_not_held_up(auto: Make) -> None:
    acc = auto()
    for _ in range(5):
        acc.compress(TEXT[:MIB])
        assert (acc.last_receipt.backend, acc.last_receipt.reason) == ("cpu", Reason.FASTER)  # type: ignore[union-attr]
    assert "calibrations" not in acc.stats()


def test_no_device_is_looked_for_before_there_is_work_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[bool] = []
    with fa.Accelerator("auto") as acc:
        monkeypatch.setattr(acc.engine.planner, "_open", lambda: opened.append(True))
        acc.engine.planner._absence = None
        acc.compress(TEXT)
        assert not opened
        assert acc.last_receipt is not None
        assert (acc.last_receipt.backend, acc.last_receipt.reason) == ("cpu", Reason.FASTER)
        acc.engine.planner._unopened = 1.0
        monkeypatch.setattr(acc.engine.planner, "_absence", (Reason.NO_DEVICE, "none"))
        acc.compress(TEXT)
        assert (acc.last_receipt.backend, acc.last_receipt.reason) == ("cpu", Reason.NO_DEVICE)
    with fa.Accelerator("auto", routing="pinned") as acc:
        # The first call runs where all do.
        assert acc.engine.planner._worth_opening(registry.find("compress", "lz4"), 1, 1)


def test_a_case_is_timed_once_there_is_enough_work(auto: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpga_accel.routing.router.PATIENCE_SECONDS", 0.01)
    acc = auto()
    for _ in range(6):
        acc.compress(TEXT[:MIB])
    assert acc.stats()["calibrations"] == 1
    assert acc.explain("compress", MIB).candidates[1].source is Source.CALIBRATED
    with auto() as other:
        assert other.explain("compress", MIB).candidates[1].source is Source.CALIBRATED


def test_a_device_that_fails_while_it_is_timed_is_left(auto: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpga_accel.routing.router.PATIENCE_SECONDS", 0.0)
    acc = auto(FaultyDevice("run", "error"))
    assert fa.decompress(acc.compress(TEXT)) == TEXT
    assert acc.stats()["calibrations"] == 1
    plan = acc.explain("compress", len(TEXT))
    assert plan.reason is Reason.QUARANTINED


def test_no_memory_to_time_a_case_is_no_reason_to_fail_it(auto: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpga_accel.routing.router.PATIENCE_SECONDS", 0.0)
    acc = auto()

    def no_memory(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(acc.engine.planner, "_time", no_memory)
    for _ in range(2):
        assert fa.decompress(acc.compress(TEXT)) == TEXT
    assert acc.stats()["calibrations"] == 1


def test_a_probe_leaves_the_checksums_of_a_chain_alone(auto: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    device = FaultyDevice()
    acc = auto(device, verify="always")
    chain = acc.chain("crc32c", "lz4.compress")
    pages = [TEXT[start : start + 4096] for start in range(0, 64 * 4096, 4096)]
    want = fa.Accelerator("cpu").checksum_many(pages)
    for _ in range(30):
        chain.many(pages)
    monkeypatch.setattr("fpga_accel.routing.router.Choice.probe_is_due", lambda *_, **__: True)
    device.fail_at, device.mode = ("copy",), ("corrupt",)
    found = chain.many(pages)
    assert device.failures
    assert [each.checksums[0] for each in found] == want


@pytest.mark.parametrize("into", [False, True])
@pytest.mark.parametrize("device_is_faster", [False, True])
def test_the_faster_one_is_chosen(auto: Make, device_is_faster: bool, into: bool) -> None:
    _calibrated(1e9, 5e9 if device_is_faster else 2e8)
    acc = auto()
    if into:
        out = bytearray(acc.compress_bound(len(TEXT)))
        assert fa.decompress(out[: acc.compress_into(TEXT, out)]) == TEXT
    else:
        assert fa.decompress(acc.compress(TEXT)) == TEXT
    receipt = acc.last_receipt
    assert receipt is not None
    assert (receipt.backend, receipt.reason) == ("opencl" if device_is_faster else "cpu", Reason.FASTER)
    assert not receipt.fallback
    assert acc.compress_many([TEXT[:KIB]] * 1000)[0] == acc.compress(TEXT[:KIB])


def test_explain_tells_all_candidates_and_why(auto: Make) -> None:
    _calibrated(1e9, 5e9)
    plan = auto().explain("compress", MIB)
    assert [each.name for each in plan.candidates] == [CPU, CANDIDATE]
    assert all(each.usable and each.source is Source.CALIBRATED for each in plan.candidates)
    assert plan.estimates == {CPU: pytest.approx(MIB / 1e9), CANDIDATE: pytest.approx(MIB / 5e9)}
    assert (plan.backend, plan.reason, plan.margin) == ("opencl", Reason.FASTER, ADVANTAGE)
    assert "1.05 ms on the CPU" in plan.detail
    assert "0.93" in plan.detail


def test_explain_tells_what_was_not_timed_and_times_nothing(auto: Make) -> None:
    acc = auto()
    for _ in range(3):
        plan = acc.explain("compress", 1 << 33)
        assert plan.backend == CPU
        assert "not timed on this machine yet" in plan.detail
        assert [each.source for each in plan.candidates] == [Source.PRIOR] * 2
        assert plan.estimates[CPU] < plan.estimates[CANDIDATE]
    assert "calibrations" not in acc.stats()


def test_explain_tells_that_work_is_small_empty_or_unsupported(auto: Make) -> None:
    acc = auto()
    small, batch, empty = (
        acc.explain("compress", 100),
        acc.explain("compress", 100, count=9),
        acc.explain("compress", 0),
    )
    high = acc.explain("compress", MIB, level=9)
    assert str(registry.find("compress", "lz4").small) in small.detail
    assert "batch" in batch.detail
    assert (empty.reason, empty.detail) == (Reason.EMPTY, "there is nothing to do")
    assert (high.reason, high.candidates[1].usable) == (Reason.UNSUPPORTED, False)
    assert "level 9" in high.detail
    assert all(len(each.candidates) == 2 for each in (small, batch, empty, high))


def test_a_quarantined_device_is_not_chosen_and_explain_says_why(auto: Make) -> None:
    _calibrated(1e9, 5e9)
    device = FaultyDevice("run", "timeout")
    acc = auto(device, fallback="allow")
    acc.compress(TEXT)
    assert acc.last_receipt is not None
    assert (acc.last_receipt.reason, acc.last_receipt.fallback) == (Reason.TIMEOUT, True)
    plan = acc.explain("compress", MIB)
    assert (plan.backend, plan.reason) == (CPU, Reason.QUARANTINED)
    cpu, other = plan.candidates
    assert (cpu.usable, other.usable, other.name) == (True, False, CANDIDATE)
    assert other.note.startswith("quarantined: ")
    assert "next try in" in other.note
    assert plan.estimates.keys() == {CPU}
    device.heal()
    acc.engine.planner._health["lz4"].succeeded()
    assert acc.explain("compress", MIB).backend == "opencl"


def test_explain_with_a_named_place() -> None:
    with fa.Accelerator("cpu") as acc:
        plan = acc.explain("compress", MIB)
        assert [each.name for each in plan.candidates] == [CPU]
        assert (plan.reason, plan.detail) == (Reason.ASKED, "the caller named where it runs")
    with fa.Accelerator(FaultyDevice()) as acc:
        plan = acc.explain("encrypt", 100, cipher="aes-ctr")
        assert [each.name for each in plan.candidates] == [CPU, CANDIDATE]
        assert plan.backend == "opencl"


# ---- pinned ----


def test_pinned_runs_the_same_calls_at_the_same_place(auto: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpga_accel.routing.router.PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(probes, "SHARE", 1e9)
    _calibrated(1e9, 5e9, ONE)
    monkeypatch.setattr(timing, "timed", pytest.fail)
    acc = auto(routing="pinned")
    for _ in range(3):
        acc.compress(TEXT)
        assert acc.last_receipt is not None
        assert acc.last_receipt.backend == "opencl"
        acc.decompress(acc.compress(TEXT * 2), max_output=len(TEXT) * 2)
        assert acc.last_receipt.backend == "cpu"
    assert not {"probes", "calibrations", "corrections"} & acc.stats().keys()


def test_routing_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.setting("routing").value == "auto"
    monkeypatch.setenv("FPGA_ACCEL_ROUTING", "pinned")
    with fa.Accelerator("cpu") as acc:
        assert acc.engine.planner._routing == "pinned"
    with fa.Accelerator("cpu", routing="auto") as acc:
        assert acc.engine.planner._routing == "auto"
    with pytest.raises(ValueError, match="legal values are auto, pinned"):
        fa.Accelerator("cpu", routing="fixed")


# ---- probes of an Accelerator ----


@pytest.mark.parametrize("form", ["one", "into", "many"])
@pytest.mark.parametrize("device_is_faster", [False, True])
def test_probes_run_the_other_candidate_and_leave_results_alone(
    auto: Make, monkeypatch: pytest.MonkeyPatch, device_is_faster: bool, form: str
) -> None:
    _calibrated(1e9, 5e9 if device_is_faster else 2e8)
    monkeypatch.setattr(probes, "SHARE", 1e9)
    device = FaultyDevice()
    acc = auto(device)
    out = bytearray(acc.compress_bound(len(TEXT)))
    with acc.trace() as trace:
        for _ in range(3):
            if form == "one":
                assert fa.decompress(acc.compress(TEXT)) == TEXT
            elif form == "into":
                assert fa.decompress(out[: acc.compress_into(TEXT, out)]) == TEXT
            else:
                # Smaller ones go where larger ones were found to be faster, without planning and so without probes.
                assert fa.decompress(acc.compress_many([TEXT[:KIB]] * 1100)[1099]) == TEXT[:KIB]
    assert len(trace.receipts) == acc.stats()["calls"] == 3
    assert acc.stats()["probes"] == device.passes["run"] == 3


def test_a_device_that_fails_in_a_probe_is_not_the_callers_business(
    auto: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    _calibrated(1e9, 2e8)
    monkeypatch.setattr(probes, "SHARE", 1e9)
    acc = auto(FaultyDevice("run", "corrupt"), fallback="never", verify="always")
    for _ in range(3):
        assert fa.decompress(acc.compress(TEXT)) == TEXT
    stats = acc.stats()
    assert (stats["probes"], stats["failures.mismatch"], stats["fallbacks"]) == (1, 1, 0)
    assert acc.explain("compress", MIB).reason is Reason.QUARANTINED


def test_a_wrong_calibration_is_corrected(auto: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device is said to be the faster one, and it is 20 ms slower."""
    _calibrated(1e9, 5e9)
    monkeypatch.setattr(probes, "SHARE", 1e9)
    acc = auto(FaultyDevice("run", "slow", seconds=0.02))
    for _ in range(30):
        acc.compress(TEXT)
    assert acc.last_receipt is not None
    assert (acc.last_receipt.backend, acc.last_receipt.reason) == ("cpu", Reason.FASTER)
    plan = acc.explain("compress", len(TEXT))
    assert plan.candidates[1].source is Source.REFINED
    assert "refined" in plan.detail
    assert acc.stats()["corrections"] >= 1


def _looked_at(acc: fa.Accelerator, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return where it is noted that a batch is looked at before the library's loop takes it: items of each."""
    looked: list[int] = []
    loop = acc.engine.planner._loop

    def noted(operation: Any, items: Any, nbytes: int, calls: int) -> Any:
        looked.append(len(items))
        return loop(operation, items, nbytes, calls)

    monkeypatch.setattr(acc.engine.planner, "_loop", noted)
    return looked


# Batches neither so small that nobody looks, nor so large that threads share them.
LOOPS = Case("xxh64.checksum", "", large=False, into=False, many=True)
PAGES = [TEXT[:4096]] * 60


def test_batches_of_unknown_cost_are_looked_at_now_and_then(auto: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    acc = auto()
    acc.checksum_many(PAGES, "xxh64")
    looked = _looked_at(acc, monkeypatch)
    for _ in range(33):
        assert acc.checksum_many(PAGES, "xxh64")[0] == xxhash.xxh64_intdigest(PAGES[0])
    assert len(looked) == 3
    assert acc.stats()["calls"] == 34


def test_batches_of_known_cost_are_looked_at_once_until_estimates_change(
    auto: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    _calibrated(4e9, 1e9, LOOPS)
    acc = auto()
    operation, batch = registry.find("checksum", "xxh64"), fa.Batch.from_items(PAGES)
    call = BatchCall(operation, operation.settings(), batch)
    _, route = acc.engine.planner.plan(call)
    assert route is not None
    looked = _looked_at(acc, monkeypatch)
    for _ in range(40):
        assert acc.checksum_many(batch, "xxh64").tolist() == acc.checksum_many(PAGES, "xxh64")
        acc.checksum_many(PAGES[:50], "xxh64")
    assert looked == [60, 60, 50]
    call.on_cpu(Workers(1))
    monkeypatch.setattr(Choice, "probe_is_due", lambda *arguments, **named: True)
    monkeypatch.setattr(Choice, "take_probe", lambda *arguments, **named: True)
    acc.engine.planner.probe(call, route, 1.0, device_ran=False)
    acc.checksum_many(PAGES, "xxh64")
    assert looked[3:] == [60]


# ---- calibrating on purpose ----


def test_calibrate_times_every_case(auto: Make) -> None:
    acc = auto()
    told: list[str] = []
    done = acc.calibrate("crc32c.checksum", "aes-ctr.encrypt", seconds=0.5, progress=told.append)
    assert len(done) == len(told) == 9
    assert {each.case.operation for each in done} == {"crc32c.checksum", "aes-ctr.encrypt"}
    assert {(each.case.large, each.case.into, each.case.many) for each in done} == {
        (False, False, False),
        (False, True, False),
        (True, False, False),
        (True, True, False),
        (False, False, True),
        (False, True, True),
    }
    for each in done:
        assert each.candidate == CANDIDATE
        assert each.timings.cpu.keys() == each.timings.device.keys() <= set(each.case.shapes)
        assert each.best_ratio > 0
    assert acc.explain("checksum", 8 * MIB).candidates[0].source is Source.CALIBRATED


def test_timing_leaves_no_memory_behind(auto: Make) -> None:
    acc = auto()
    POOL.trim()
    acc.calibrate("aes-ctr.encrypt", seconds=2.0)
    assert not POOL.idle()


def test_a_first_call_is_timed_with_little() -> None:
    """What is timed of batches in front of a call is held in memory beside what the call has."""
    for shape in Case("lz4.compress", "", large=False, into=True, many=True).shapes:
        assert math.prod(shape) <= 16 * MIB


def test_calibrate_needs_a_device_that_works(auto: Make) -> None:
    with fa.Accelerator("cpu") as acc, pytest.raises(ValueError, match="nothing to compare"):
        acc.calibrate()
    with pytest.raises(DeviceError, match="build_failed"):
        auto(FaultyDevice("build", "error")).calibrate("lz4.compress")
    with pytest.raises(ValueError, match="legal ones"):
        auto().calibrate("lz4.digest")


def test_nothing_is_printed_and_no_logging_is_set_up(
    auto: Make, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpga_accel.routing.router.PATIENCE_SECONDS", 0.0)
    before = list(logging.getLogger().handlers)
    acc = auto()
    acc.compress(TEXT)
    acc.explain("compress", MIB)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger().handlers == before
    assert not logging.getLogger("fpga_accel").handlers
    assert logging.getLogger("fpga_accel").level == logging.NOTSET


# How long decompression takes is up to the content, whose size its short way looks at.
@pytest.mark.parametrize("name", sorted(name for name, row in registry.OPERATIONS.items() if row.op != "decompress"))
def test_short_ways_end_where_a_device_may_be_faster(name: str) -> None:
    operation = registry.OPERATIONS[name]
    assert (operation.call_limit or operation.small) <= operation.small
    assert (operation.into_limit or 0) <= operation.small
