"""Several devices behind one Accelerator: shared work, and what happens when one of them fails in the middle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import children
import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

import fpga_accel as fa
from fpga_accel.backends import Outcome, several
from fpga_accel.backends.several import GRAIN, _Share
from fpga_accel.segments import Launch, new_results, new_table
from fpga_accel.testing import LEGAL, FaultyDevice, Mode, Stage

KEY = bytes(range(32))
TEXT = b"".join(b"line %d of a file that several devices share\n" % (i * i) for i in range(120_000))
ITEMS = [TEXT[i * 8192 : (i + 1) * 8192] for i in range(400)]
NONCES = [i.to_bytes(12, "big") for i in range(len(ITEMS))]
# What can go wrong with a launch, of a kind that is noticed.
FAULTS = [
    (stage, mode) for stage in ("copy", "run", "result") for mode in LEGAL[stage] if mode not in ("corrupt", "slow")
]


def work(acc: fa.Accelerator) -> None:
    """Do work large enough for pieces, and check it."""
    frame = acc.compress(TEXT)
    assert fa.decompress(frame) == TEXT
    assert acc.decompress(frame) == TEXT
    cipher = AESGCM(KEY)
    sealed = [cipher.encrypt(nonce, item, None) for nonce, item in zip(NONCES, ITEMS, strict=True)]
    assert acc.encrypt_many(ITEMS, KEY, nonces=NONCES) == sealed
    assert acc.decrypt_many(sealed, KEY, nonces=NONCES) == ITEMS
    assert acc.checksum(TEXT) == fa.Accelerator("cpu").checksum(TEXT)


def last(acc: fa.Accelerator) -> fa.Receipt:
    assert acc.last_receipt is not None
    return acc.last_receipt


def test_two_devices_share_a_call_and_the_receipt_names_both(tmp_path: Path) -> None:
    with fa.Accelerator([FaultyDevice(), "cpu"], fallback="never", verify="always") as acc, acc.trace() as trace:
        work(acc)
    devices = {name for receipt in trace.receipts for name in str(receipt.device).split("+")}
    assert devices == {"faulty-0", "cpu"}
    assert {receipt.backend for receipt in trace.receipts} == {"opencl"}
    trace.save_chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert {"faulty-0", "cpu"} & {event["pid"] for event in events}
    assert not acc.stats()["fallbacks"]


def test_a_real_device_and_the_cpu_share_a_call(backend: Any) -> None:
    with fa.Accelerator([backend.id, "cpu"], fallback="never", verify="always") as acc:
        for _ in range(3):
            work(acc)
        assert acc.stats()["backend.opencl"] == acc.stats()["calls"]


@pytest.mark.parametrize(("stage", "mode"), FAULTS)
def test_a_device_that_fails_in_the_middle_loses_nothing(stage: Stage, mode: Mode) -> None:
    device = FaultyDevice(stage, mode, every=2, seconds=0.01)
    with fa.Accelerator([device, "cpu"], fallback="never", verify="always") as acc:
        for _ in range(3):
            work(acc)
        stats = acc.stats()
    assert device.failures
    assert not stats["fallbacks"]
    assert sum(count for name, count in stats.items() if name.startswith("failures.")) >= 1


def test_wrong_bytes_of_one_device_are_done_again_on_the_cpu_path() -> None:
    with fa.Accelerator([FaultyDevice("run", "corrupt"), "cpu"], fallback="allow", verify="always") as acc:
        work(acc)
        assert acc.stats()["reason.mismatch"]


@pytest.mark.parametrize("fallback", ["allow", "warn", "never"])
def test_when_all_of_them_fail_the_policy_decides(fallback: str) -> None:
    devices = [FaultyDevice("run"), FaultyDevice("run", "timeout", seconds=0.01)]
    with fa.Accelerator(devices, fallback=fallback) as acc:
        if fallback == "never":
            with pytest.raises(fa.FallbackDisabledError):
                acc.compress(TEXT)
            return
        if fallback == "warn":
            with pytest.warns(fa.FallbackWarning):
                acc.compress(TEXT)
        else:
            work(acc)
        assert last(acc).fallback
        assert last(acc).backend == "cpu"


def test_a_device_that_cannot_build_is_left_out() -> None:
    with fa.Accelerator([FaultyDevice("build"), "cpu"], fallback="never", verify="always") as acc:
        work(acc)
        assert last(acc).device == "cpu"


@pytest.mark.parametrize("absent", [FaultyDevice("open"), FaultyDevice("open", "vanish")])
def test_an_absent_device_follows_the_policy(absent: FaultyDevice) -> None:
    with fa.Accelerator([absent, "cpu"], fallback="allow", verify="always") as acc:
        work(acc)
        assert last(acc).device == "cpu"
    with pytest.raises((fa.DeviceNotFoundError, fa.FallbackDisabledError)):
        fa.Accelerator([absent, "cpu"], fallback="never")


def test_little_work_goes_to_one_device_and_to_the_next_one_only_if_that_fails() -> None:
    first, second = FaultyDevice(), FaultyDevice()
    with fa.Accelerator([first, second], fallback="never", verify="always") as acc:
        acc.encrypt(b"text", KEY)
        assert (first.passes["run"], second.passes["run"]) == (1, 0)
        first.fail_at = "run"
        acc.encrypt(b"text", KEY)
        assert second.passes["run"] == 1


def test_names_with_commas_between_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "'cpu', 'cpu'" in repr(fa.Accelerator("cpu, cpu"))
    monkeypatch.setenv("FPGA_ACCEL_DEVICE", "cpu,cpu")
    with fa.Accelerator(fallback="never", verify="always") as acc:
        assert fa.decompress(acc.compress(TEXT)) == TEXT
        assert last(acc).device == "cpu"


def test_what_is_no_list_of_devices_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        fa.Accelerator([])
    with pytest.raises(fa.DeviceNotFoundError, match="no-such"):
        fa.Accelerator(["no-such", "cpu"])
    assert "'cpu', 'FaultyDevice'" in repr(fa.Accelerator(["cpu", FaultyDevice()]))


# ---- how rows are handed out ----


def _share(sizes: list[int], members: int) -> _Share:
    table = new_table(len(sizes))
    table["src_size"] = sizes
    return _Share(Launch("k", "e", table, np.zeros(16, np.uint8)), dict.fromkeys(range(members)))


@given(
    st.lists(st.integers(0, 3 * GRAIN), min_size=1, max_size=60),
    st.lists(st.integers(1, 10**10), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_every_row_is_done_once_whatever_the_speeds(sizes: list[int], speeds: list[int], random: Any) -> None:
    share, seen = _share(sizes, len(speeds)), np.zeros(len(sizes), int)
    out: list[tuple[int, tuple[int, int]]] = []

    def finish(member: int, piece: tuple[int, int]) -> None:
        seen[slice(*piece)] += 1
        outcome = Outcome(new_results(piece[1] - piece[0]), "v", 0.0, 0.0)
        share.done(piece, outcome, str(member), member, float(speeds[member]))

    def offered(member: int) -> Iterator[tuple[int, int]]:
        # `take` would wait where others are still at it.
        piece = share._offered(member)
        if piece is not None:
            share._out += 1
            yield piece

    failed = False
    while not share.complete:
        member = random.randrange(len(speeds))
        out += [(member, piece) for piece in offered(member)]
        if out and random.random() < 0.6:
            who, piece = out.pop(random.randrange(len(out)))
            if not failed and random.random() < 0.2:
                failed = True
                share.hand_back(piece, fa.DeviceError("as told"))
            else:
                finish(who, piece)
    assert (seen == 1).all()


def test_after_close_and_in_a_child_the_work_is_done() -> None:
    acc = fa.Accelerator([FaultyDevice(), "cpu"], fallback="never")
    acc.compress(TEXT)
    acc.close()
    assert fa.decompress(acc.compress(TEXT)) == TEXT
    code = """
        import os
        import fpga_accel as fa
        from fpga_accel.testing import FaultyDevice
        for devices in (["cpu"], [FaultyDevice(), "cpu"]):
            acc = fa.Accelerator(devices, fallback="never")
            acc.compress(b"text" * 50_000)
            if not os.fork():
                acc.compress(b"text" * 50_000)
                os.write(1, f"{acc.last_receipt.reason}\\n".encode())
                os._exit(0)
            os.wait()
    """
    assert children.run(code)[0].split() == ["asked", "asked"]


def test_jobs_are_finished_at_the_end_of_the_interpreter() -> None:
    code = """
        import os
        import fpga_accel as fa
        from fpga_accel.testing import FaultyDevice
        acc = fa.Accelerator([FaultyDevice("run", "slow", seconds=0.02), "cpu"], fallback="never")
        data = os.urandom(3 << 20)
        for _ in range(12):
            job = acc.submit("compress", data)
            job.add_done_callback(lambda job: os.write(1, f"{type(job.exception())}\\n".encode()))
    """
    assert set(children.run(code)[0].split("\n")) == {"<class 'NoneType'>", ""}


def test_after_an_interrupt_nobody_writes_into_the_callers_buffer() -> None:
    """What waits is interrupted while one member works and more pieces are left."""
    share = _Share(Launch("trial", "trial", new_table(4), np.zeros(16, np.uint8)), {1: None})
    first: Future[None] = Future()

    class Interrupted:
        waits = 0

        def __call__(self, turns: Any) -> None:
            self.waits += 1
            if self.waits == 1:
                raise KeyboardInterrupt
            assert share.stopped

    interrupted = Interrupted()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(several, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            several._Shared(share, [first], [], "both").outcome(None)
    assert interrupted.waits == 2
    assert share.take(1) is None
