"""What callers see when a device fails: right bytes or a typed error, by policy, and always a receipt that says so."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import lz4.frame
import numpy as np
import pytest
import sizes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import fpga_accel as fa
from fpga_accel import testing
from fpga_accel.backends import Backend, Outcome
from fpga_accel.launches import Sampler
from fpga_accel.receipts import Reason
from fpga_accel.runtime import discovery, forks, health
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import Launch, Status, new_table
from fpga_accel.testing import FaultyDevice

KEY = bytes.fromhex("f1d2c3b4a5968778695a4b3c2d1e0ff0e1d2c3b4a5968778695a4b3c2d1e0f01")
NONCE = bytes(range(12))
COUNTER = bytes(range(240, 256))
AAD = b"associated"
POLICIES = ("allow", "warn", "never")
FORMS = ("one", "into", "many")
FILL = 0xA5
# Long enough that no timer of the tests can run into it, short enough to wait for once.
TICK = 0.001


# ---- the work ----


@dataclass(frozen=True, slots=True)
class Work:
    """One operation with right answers, in the three forms of a call."""

    method: str
    inputs: tuple[bytes, ...]
    expected: tuple[bytes, ...]
    options: dict[str, Any]
    batch_options: dict[str, Any]

    @property
    def compresses(self) -> bool:
        return self.method == "compress"

    def do(self, acc: fa.Accelerator, form: str) -> None:
        """Call `acc` and check the bytes."""
        if form == "many":
            results = getattr(acc, f"{self.method}_many")(list(self.inputs), **self.batch_options)
            for result, expected in zip(results, self.expected, strict=True):
                self.check(result, expected)
        elif form == "into":
            out = self.buffer()
            written = getattr(acc, f"{self.method}_into")(self.inputs[-1], out, **self.options)
            self.check(bytes(out[:written]), self.expected[-1])
            assert set(out[written:]) == {FILL}
        else:
            self.check(getattr(acc, self.method)(self.inputs[-1], **self.options), self.expected[-1])

    def buffer(self) -> bytearray:
        return bytearray([FILL]) * (max(map(len, self.inputs + self.expected)) + 100)

    def check(self, result: bytes, expected: bytes) -> None:
        if self.compresses:
            result, expected = lz4.frame.decompress(result), lz4.frame.decompress(expected)
        assert result == expected


def gcm(data: bytes) -> bytes:
    return AESGCM(KEY).encrypt(NONCE, data, AAD)


def ctr(data: bytes) -> bytes:
    return bytes(Cipher(algorithms.AES(KEY), modes.CTR(COUNTER)).encryptor().update(data))


@cache
def works() -> dict[str, Work]:
    plain = (b"x", sizes.text(3000), sizes.text(70_000))
    frames = tuple(lz4.frame.compress(data, block_size=4, block_linked=False) for data in plain)
    sealed, streamed = tuple(map(gcm, plain)), tuple(map(ctr, plain))
    count = len(plain)
    gcm_one, gcm_many = {"nonce": NONCE, "aad": AAD}, {"nonces": [NONCE] * count, "aads": [AAD]}
    ctr_one, ctr_many = {"nonce": COUNTER}, {"nonces": [COUNTER] * count}
    lz4_options = {"block_size": 64 << 10}

    def cipher(method: str, name: str, pair: tuple[Any, Any], one: dict[str, Any], many: dict[str, Any]) -> Work:
        common = {"key": KEY, "cipher": name}
        return Work(method, *pair, common | one, common | many)

    return {
        "lz4.compress": Work("compress", plain, frames, lz4_options, lz4_options),
        "lz4.decompress": Work("decompress", frames, plain, {}, {}),
        "aes-gcm.encrypt": cipher("encrypt", "aes-gcm", (plain, sealed), gcm_one, gcm_many),
        "aes-gcm.decrypt": cipher("decrypt", "aes-gcm", (sealed, plain), gcm_one, gcm_many),
        "aes-ctr.encrypt": cipher("encrypt", "aes-ctr", (plain, streamed), ctr_one, ctr_many),
        "aes-ctr.decrypt": cipher("decrypt", "aes-ctr", (streamed, plain), ctr_one, ctr_many),
    }


OPERATIONS = (
    "lz4.compress",
    "lz4.decompress",
    "aes-gcm.encrypt",
    "aes-gcm.decrypt",
    "aes-ctr.encrypt",
    "aes-ctr.decrypt",
)
FAULTS = [(stage, mode) for stage, modes_ in testing.LEGAL.items() for mode in modes_]
LAUNCH_STAGES = ("copy", "run", "result")
LAUNCH_FAULTS = [(stage, mode) for stage, mode in FAULTS if stage in LAUNCH_STAGES]


def reason_of(stage: str, mode: str) -> Reason:
    """Why a call ran where it did, on a device with this fault."""
    if mode == "slow":
        return Reason.ASKED
    if mode == "timeout":
        return Reason.TIMEOUT
    if stage == "open" and mode == "vanish":
        return Reason.NO_DEVICE
    if stage == "build" and mode != "vanish":
        return Reason.BUILD_FAILED
    return Reason.MISMATCH if mode == "corrupt" else Reason.DEVICE_FAILED


# What ``fallback="never"`` raises; each is a FallbackDisabledError besides, but for the device that was never there.
ERRORS: dict[Reason, type[Exception]] = {
    Reason.TIMEOUT: fa.DeviceTimeoutError,
    Reason.NO_DEVICE: fa.DeviceNotFoundError,
    Reason.BUILD_FAILED: fa.DeviceError,
    Reason.MISMATCH: fa.IntegrityError,
    Reason.DEVICE_FAILED: fa.DeviceError,
}


@contextmanager
def caught() -> Iterator[list[warnings.WarningMessage]]:
    """Gather every warning of the block."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield found


def last(acc: fa.Accelerator) -> fa.Receipt:
    receipt = acc.last_receipt
    assert receipt is not None
    return receipt


def faulty(stage: Any, mode: Any, **options: Any) -> FaultyDevice:
    return FaultyDevice(stage, mode, **({"seconds": TICK} | options))


# ---- every fault, policy, operation and form ----


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("stage", "mode"), FAULTS)
def test_every_fault_ends_in_right_bytes_or_a_typed_error(
    stage: str, mode: str, policy: str, name: str, form: str
) -> None:
    work, reason, device = works()[name], reason_of(stage, mode), faulty(stage, mode)
    fails = reason is not Reason.ASKED
    if fails and policy == "never":
        with pytest.raises(ERRORS[reason]) as caught_error:
            work.do(fa.Accelerator(device, fallback=policy, verify="always"), form)
        assert isinstance(caught_error.value, fa.FallbackDisabledError) or reason is Reason.NO_DEVICE
        assert isinstance(caught_error.value, fa.FpgaAccelError)
        return
    with fa.Accelerator(device, fallback=policy, verify="always") as acc, caught() as found:
        work.do(acc, form)
        receipt, stats = last(acc), acc.stats()
    assert [warning.category for warning in found] == [fa.FallbackWarning] * (fails and policy == "warn")
    assert (receipt.op, receipt.reason, receipt.fallback) == (work.method, reason, fails)
    assert (stats["calls"], stats["fallbacks"], stats[f"reason.{reason}"]) == (1, fails, 1)
    assert stats.get(f"failures.{reason}", 0) == (fails and stage in LAUNCH_STAGES)
    if fails:
        assert (receipt.backend, receipt.device, receipt.segments, receipt.verified) == ("cpu", None, 0, False)
        assert stats["backend.cpu"] == 1
        assert device.failures >= 1
    else:
        assert (receipt.backend, receipt.device, receipt.variant) == ("opencl", testing.DEVICE_ID, testing.VARIANT)
        assert receipt.verified
        assert receipt.segments >= (3 if form == "many" else 1)
        assert stats["backend.opencl"] == 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_healthy_device_does_everything(name: str, form: str) -> None:
    device = FaultyDevice()
    with fa.Accelerator(device, fallback="never", verify="always") as acc:
        works()[name].do(acc, form)
        assert (last(acc).backend, last(acc).reason, last(acc).verified) == ("opencl", Reason.ASKED, True)
    assert device.failures == 0
    assert all(device.passes.values())


@pytest.mark.parametrize("every", [2, 3])
@pytest.mark.parametrize(("stage", "mode"), [("run", "error"), ("result", "error"), ("copy", "error")])
def test_every_nth_pass_fails_and_the_others_do_not(stage: str, mode: str, every: int) -> None:
    device = faulty(stage, mode, every=every)
    backends = []
    with fa.Accelerator(device, fallback="allow") as acc:
        for _ in range(6):
            works()["aes-ctr.encrypt"].do(acc, "one")
            backends.append(last(acc).backend)
    assert backends == ["cpu" if number % every == 0 else "opencl" for number in range(1, 7)]
    assert device.failures == 6 // every


def test_a_vanished_device_stays_away_for_every_later_use() -> None:
    device = faulty("result", "vanish", every=2)
    with fa.Accelerator(device, fallback="allow") as acc:
        for _ in range(4):
            works()["aes-ctr.encrypt"].do(acc, "one")
        assert acc.stats()["backend.opencl"] == 1
        assert acc.stats()["failures.device_failed"] == 3
        # The other kernel was not built yet, and cannot be now.
        works()["lz4.compress"].do(acc, "one")
        assert last(acc).reason is Reason.DEVICE_FAILED
    with pytest.raises(fa.DeviceNotFoundError, match="not there any more"):
        fa.Accelerator(device, fallback="never")


def test_slow_beyond_the_timeout_is_a_timeout() -> None:
    with fa.Accelerator(faulty("run", "slow", seconds=30), fallback="allow", timeout=0.01) as acc:
        works()["aes-ctr.encrypt"].do(acc, "one")
        assert last(acc).reason is Reason.TIMEOUT


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"fail_at": "open", "mode": "corrupt"}, "error, timeout, vanish, slow"),
        ({"fail_at": "write"}, "open, build, copy, run, result"),
        ({"fail_at": "run", "mode": "explode"}, "error, timeout, corrupt, vanish, slow"),
        ({"mode": "explode"}, "error, timeout, corrupt, vanish, slow"),
        ({"every": 0}, "1 or more"),
        ({"seconds": -1}, "negative"),
        ({"probability": 1.5}, "from 0 to 1"),
        ({"probability": 0.5, "every": 2}, "exclude"),
        ({"fail_at": ("run", "write")}, "open, build, copy, run, result"),
        ({"fail_at": ("run", "open"), "mode": ("error", "corrupt")}, "error, timeout, vanish, slow"),
        ({"mode": ()}, "error, timeout, corrupt, vanish, slow"),
    ],
)
def test_illegal_faults_are_refused_with_the_legal_ones(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FaultyDevice(**arguments)


def test_a_device_counts_its_passes_and_heals() -> None:
    device = faulty("run", "vanish")
    with fa.Accelerator(device, fallback="allow") as acc:
        works()["lz4.compress"].do(acc, "one")
        device.heal()
        works()["lz4.compress"].do(acc, "one")
        assert last(acc).backend == "opencl"
    assert device.passes == {"open": 1, "build": 1, "copy": 2, "run": 2, "result": 1}
    assert device.failures == 1
    assert repr(device) == "FaultyDevice(fail_at=None, mode='vanish', every=1)"


def test_random_faults_come_as_often_as_told_and_again_with_the_seed() -> None:
    def failed(seed: int) -> list[int]:
        device = faulty(("copy", "run"), ("error", "timeout"), probability=0.25, seed=seed)
        found = []
        for number in range(2000):
            try:
                device.enter("copy" if number % 2 else "run", None)
                device.enter("result", None)
            except (fa.DeviceTimeoutError, fa.DeviceError) as error:
                found.append(number if isinstance(error, fa.DeviceTimeoutError) else -number)
        assert device.failures == len(found)
        return found

    first = failed(1)
    assert first == failed(1) != failed(2)
    # Ten standard deviations.
    assert 306 < len(first) < 694
    # Modes in turns, at either stage.
    assert all((one > 0) != (other > 0) for one, other in itertools.pairwise(first[1:]))
    assert len({number % 2 for number in first}) == 2
    assert "probability=0.25, seed=1" in repr(faulty("run", "error", probability=0.25, seed=1))


def test_a_probability_of_one_is_every_time_and_of_none_is_never() -> None:
    for probability, backend in ((1, "cpu"), (0, "opencl")):
        with fa.Accelerator(faulty("run", "error", probability=probability), fallback="allow") as acc:
            works()["lz4.compress"].do(acc, "one")
            assert last(acc).backend == backend


# ---- verification ----


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stage", LAUNCH_STAGES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_mismatch_is_both_an_integrity_error_and_a_refused_fallback(name: str, stage: str, form: str) -> None:
    with fa.Accelerator(faulty(stage, "corrupt"), fallback="never", verify="always") as acc:
        with pytest.raises(fa.IntegrityError) as error:
            works()[name].do(acc, form)
        assert isinstance(error.value, fa.FallbackDisabledError)
        assert acc.stats()["failures.mismatch"] == 1


@pytest.mark.parametrize("name", OPERATIONS)
def test_sampled_verification_finds_corruption_in_time(name: str) -> None:
    # Slow, so that each launch earns the credit for one comparison.
    device = faulty("run", "corrupt")
    with fa.Accelerator(device, fallback="allow", verify="sampled") as acc:
        real = acc.engine._sampler.rows
        acc.engine._sampler.rows = lambda launch, seconds: real(launch, seconds + 0.05)  # type: ignore[method-assign]
        work = works()[name]
        for _ in range(50):
            getattr(acc, f"{work.method}_many")(list(work.inputs), **work.batch_options, return_exceptions=True)
            if last(acc).fallback:
                break
        assert last(acc).reason is Reason.MISMATCH


def test_a_receipt_says_whether_anything_was_compared() -> None:
    with fa.Accelerator(FaultyDevice(), verify="never") as acc:
        works()["lz4.compress"].do(acc, "one")
        assert not last(acc).verified
        assert acc.stats()["verified"] == 0


@pytest.mark.parametrize("verify", ["never", "sampled", "always"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("stage", "mode"), LAUNCH_FAULTS)
def test_a_wrong_tag_is_invalid_on_a_faulty_device(stage: str, mode: str, form: str, verify: str) -> None:
    forged = bytearray(gcm(sizes.text(3000)))
    forged[-1] ^= 1
    with fa.Accelerator(faulty(stage, mode), fallback="allow", verify=verify) as acc:
        if form == "one":
            with pytest.raises(fa.InvalidTag):
                acc.decrypt(forged, KEY, nonce=NONCE, aad=AAD)
        elif form == "into":
            out = bytearray([FILL]) * len(forged)
            with pytest.raises(fa.InvalidTag):
                acc.decrypt_into(forged, out, KEY, nonce=NONCE, aad=AAD)
            assert not any(out[:3000])
        else:
            good, bad = acc.decrypt_many(
                [gcm(b"good"), forged], KEY, nonces=[NONCE] * 2, aads=[AAD], return_exceptions=True
            )
            assert isinstance(bad, fa.InvalidTag)
            assert good == b"good" or (verify != "always" and mode == "corrupt")
        assert last(acc).bytes_out == (len(b"good") if form == "many" else 0)


def test_a_tag_that_a_device_calls_wrong_is_judged_by_the_cpu_path() -> None:
    with fa.Accelerator(faulty("copy", "corrupt"), fallback="allow", verify="never") as acc:
        assert acc.decrypt(gcm(b"text"), KEY, nonce=NONCE, aad=AAD) == b"text"
        assert last(acc).reason is Reason.MISMATCH


# ---- devices that say what cannot be ----


@contextmanager
def lying(monkeypatch: pytest.MonkeyPatch, lie: Callable[[Launch, Any], None]) -> Iterator[FaultyDevice]:
    """A device whose results `lie` has changed."""
    real = testing._FaultyBackend.run

    def run(self: Any, launch: Launch, deadline: float | None) -> Outcome:
        outcome = real(self, launch, deadline)
        lie(launch, outcome.results)
        return outcome

    with monkeypatch.context() as patch:
        patch.setattr(testing._FaultyBackend, "run", run)
        yield FaultyDevice()


def _beyond(launch: Launch, results: Any, much: int) -> None:
    results["dst_size"][-1] = min(int(launch.table["dst_capacity"][-1]) + much, 2**32 - 1)


def _status(status: int) -> Callable[[Launch, Any], None]:
    def lie(_: Launch, results: Any) -> None:
        results["status"][-1] = status

    return lie


def _no_bytes(_: Launch, results: Any) -> None:
    results["dst_size"] = 0


LIES: dict[str, Callable[[Launch, Any], None]] = {
    "size one beyond the room": lambda launch, results: _beyond(launch, results, 1),
    "size far beyond the room": lambda launch, results: _beyond(launch, results, 2**32),
    "no bytes at all": _no_bytes,
    "not run": _status(Status.NOT_RUN),
    "status of no room": _status(Status.DST_TOO_SMALL),
    "status of bad data": _status(Status.BAD_DATA),
    "status of truncated data": _status(Status.TRUNCATED),
    "status of a bad checksum": _status(Status.BAD_CHECKSUM),
    "status of a bad parameter": _status(Status.BAD_PARAM),
    "status without a name": _status(99),
    "negative status": _status(-7),
}
# A kernel may say that an empty block is what it found: only a comparison shows that it is not.
TOLD = [
    (lie, verify) for lie in LIES for verify in ("never", "always") if (lie, verify) != ("no bytes at all", "never")
]


def lie_works() -> dict[str, Work]:
    linked = lz4.frame.compress(sizes.text(200_000), block_size=4, block_linked=True, store_size=False)
    nameless = lz4.frame.compress(sizes.text(200_000), block_size=4, block_linked=False, store_size=False)
    text = sizes.text(200_000)
    return works() | {
        "lz4.decompress linked": Work("decompress", (linked,), (text,), {}, {}),
        "lz4.decompress unsized": Work("decompress", (nameless,), (text,), {}, {}),
    }


@pytest.mark.parametrize("name", [*OPERATIONS, "lz4.decompress linked", "lz4.decompress unsized"])
@pytest.mark.parametrize(("lie", "verify"), TOLD)
def test_results_that_cannot_be_are_a_failed_device(
    monkeypatch: pytest.MonkeyPatch, lie: str, name: str, verify: str
) -> None:
    """Whatever sizes and states a device reports, memory is safe and callers get right bytes."""
    work = lie_works()[name]
    with (
        lying(monkeypatch, LIES[lie]) as device,
        fa.Accelerator(device, fallback="allow", verify=verify) as acc,
    ):
        for form in FORMS:
            work.do(acc, form)


# ---- buffers of the caller ----


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("stage", "mode"), LAUNCH_FAULTS)
def test_no_unauthenticated_plaintext_stays_in_a_buffer(stage: str, mode: str, policy: str) -> None:
    plain = sizes.text(3000)
    for forged in (False, True):
        sealed = bytearray(gcm(plain))
        sealed[-1] ^= forged
        out = bytearray([FILL]) * len(sealed)
        with fa.Accelerator(faulty(stage, mode), fallback=policy, verify="always") as acc, caught():
            try:
                written = acc.decrypt_into(sealed, out, KEY, nonce=NONCE, aad=AAD)
            except fa.FpgaAccelError:
                assert set(out[: len(plain)]) in ({0}, {FILL})
            else:
                assert not forged
                assert out[:written] == plain


def test_a_device_that_may_still_write_there_gives_up_the_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    real = testing._FaultyBackend.run

    def run(self: Any, launch: Launch, deadline: float | None) -> Outcome:
        try:
            return real(self, launch, deadline)
        except fa.DeviceTimeoutError as error:
            error.buffers_in_use = True
            raise

    monkeypatch.setattr(testing._FaultyBackend, "run", run)
    for form in ("one", "many"):
        with fa.Accelerator(faulty("run", "timeout"), fallback="allow") as acc:
            works()["aes-gcm.decrypt"].do(acc, form)
            assert last(acc).reason is Reason.TIMEOUT
    with fa.Accelerator(faulty("run", "timeout"), fallback="allow") as acc:
        with pytest.raises(fa.DeviceTimeoutError):
            works()["aes-gcm.decrypt"].do(acc, "into")
        # In quarantine the device is not asked, so the buffer is free again.
        works()["aes-gcm.decrypt"].do(acc, "into")


@pytest.mark.parametrize("in_use", [False, True])
def test_memory_is_lost_only_where_a_device_may_still_write(monkeypatch: pytest.MonkeyPatch, in_use: bool) -> None:
    monkeypatch.setattr(fa.DeviceTimeoutError, "buffers_in_use", in_use)
    before = set(POOL._lent)
    with fa.Accelerator(faulty("run", "timeout"), fallback="allow") as acc:
        works()["lz4.compress"].do(acc, "one")
        assert last(acc).reason is Reason.TIMEOUT
    assert bool(set(POOL._lent) - before) == in_use


def test_a_buffer_too_small_is_no_fault_of_the_device() -> None:
    with fa.Accelerator(FaultyDevice(), fallback="never", verify="always") as acc:
        for name, work in works().items():
            with pytest.raises(fa.BufferTooSmallError) as error:
                getattr(acc, f"{work.method}_into")(work.inputs[-1], bytearray(10), **work.options)
            assert error.value.needed > 10, name
        works()["lz4.compress"].do(acc, "one")
        assert last(acc).backend == "opencl"


# ---- quarantine ----


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time that health sees; set ``.now``."""
    made = SimpleNamespace(now=1000.0)
    made.monotonic = lambda: made.now
    monkeypatch.setattr(health, "time", made)
    return made


def encrypt(acc: fa.Accelerator) -> fa.Receipt:
    works()["aes-ctr.encrypt"].do(acc, "one")
    return last(acc)


@pytest.mark.parametrize("mode", ["timeout", "corrupt"])
def test_a_grave_failure_quarantines_at_once(clock: SimpleNamespace, mode: str) -> None:
    device = faulty("run", mode)
    with fa.Accelerator(device, fallback="allow", verify="always") as acc:
        assert encrypt(acc).reason is reason_of("run", mode)
        for _ in range(3):
            receipt = encrypt(acc)
            assert (receipt.reason, receipt.fallback) == (Reason.QUARANTINED, True)
        assert device.passes["run"] == 1

        # One retry when the time has run, which fails and doubles the quarantine.
        clock.now += health.FIRST_QUARANTINE_SECONDS
        assert encrypt(acc).reason is reason_of("run", mode)
        assert encrypt(acc).reason is Reason.QUARANTINED
        clock.now += health.FIRST_QUARANTINE_SECONDS
        assert encrypt(acc).reason is Reason.QUARANTINED
        assert device.passes["run"] == 2
        clock.now += health.FIRST_QUARANTINE_SECONDS

        device.heal()
        assert encrypt(acc).backend == "opencl"
        assert encrypt(acc).backend == "opencl"

        # Recovered: the next quarantine is as short as the first.
        device.fail_at = "run"
        assert encrypt(acc).reason is reason_of("run", mode)
        clock.now += health.FIRST_QUARANTINE_SECONDS
        device.heal()
        assert encrypt(acc).backend == "opencl"


def test_single_errors_are_tolerated_and_many_in_a_row_are_not(clock: SimpleNamespace) -> None:
    device = faulty("run", "error")
    with fa.Accelerator(device, fallback="allow") as acc:
        reasons = [encrypt(acc).reason for _ in range(health.TOLERATED + 2)]
        assert reasons == [Reason.DEVICE_FAILED] * health.TOLERATED + [Reason.QUARANTINED] * 2
        device.heal()
        clock.now += health.FIRST_QUARANTINE_SECONDS
        assert encrypt(acc).backend == "opencl"
        device.fail_at = "run"
        assert encrypt(acc).reason is Reason.DEVICE_FAILED
        assert encrypt(acc).reason is Reason.DEVICE_FAILED


def test_a_quarantine_never_lasts_longer_than_its_limit(clock: SimpleNamespace) -> None:
    device = faulty("run", "timeout")
    with fa.Accelerator(device, fallback="allow") as acc:
        for _ in range(12):
            assert encrypt(acc).reason is Reason.TIMEOUT
            clock.now += health.LONGEST_QUARANTINE_SECONDS
        device.heal()
        assert encrypt(acc).backend == "opencl"


def test_one_kernel_in_quarantine_leaves_the_others_alone(clock: SimpleNamespace) -> None:
    device = faulty("run", "timeout")
    with fa.Accelerator(device, fallback="allow") as acc:
        encrypt(acc)
        device.heal()
        works()["lz4.compress"].do(acc, "one")
        assert last(acc).backend == "opencl"
        assert encrypt(acc).reason is Reason.QUARANTINED


def test_quarantine_under_never_is_refused_with_the_time_left(clock: SimpleNamespace) -> None:
    with fa.Accelerator(faulty("run", "timeout"), fallback="never") as acc:
        with pytest.raises(fa.DeviceTimeoutError):
            encrypt(acc)
        with pytest.raises(fa.FallbackDisabledError, match=r"quarantined.*next try in 5 s"):
            encrypt(acc)


def test_explain_tells_a_quarantine(clock: SimpleNamespace) -> None:
    with fa.Accelerator(faulty("run", "timeout"), fallback="allow") as acc:
        encrypt(acc)
        plan = acc.explain("encrypt", 1000, cipher="aes-ctr")
        assert (plan.backend, plan.reason) == ("cpu", Reason.QUARANTINED)
        assert "next try in 5 s" in plan.detail


# ---- warnings and log lines ----


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("stage", "mode"), [("open", "error"), ("build", "error"), ("run", "error"), ("run", "corrupt")]
)
def test_a_warning_a_call_that_points_at_the_caller(stage: str, mode: str, form: str) -> None:
    with fa.Accelerator(faulty(stage, mode), fallback="warn", verify="always") as acc:
        for _ in range(3):
            with caught() as found:
                works()["lz4.compress"].do(acc, form)
            assert [warning.category for warning in found] == [fa.FallbackWarning]
            assert found[0].filename == __file__
            assert "lz4.compress cannot run on the device" in str(found[0].message)


def test_a_cipher_object_warns_at_its_caller() -> None:
    with fa.Accelerator(faulty("run", "error"), fallback="warn") as acc, caught() as found:
        assert fa.AESGCM(KEY, acc).encrypt(NONCE, b"text", AAD) == gcm(b"text")
    assert [(warning.category, warning.filename) for warning in found] == [(fa.FallbackWarning, __file__)]


def test_warnings_turned_into_errors_reach_the_caller() -> None:
    with fa.Accelerator(faulty("run", "error"), fallback="warn") as acc, warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(fa.FallbackWarning):
            works()["lz4.compress"].do(acc, "one")


def test_the_first_fallback_of_a_kind_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    device = faulty("run", "error")
    with fa.Accelerator(device, fallback="allow", verify="always") as acc:
        for _ in range(health.TOLERATED + 3):
            encrypt(acc)
        device.mode = "corrupt"
        works()["lz4.compress"].do(acc, "one")
    kinds = [record.getMessage().split(": ")[1] for record in caplog.records]
    assert kinds == ["device_failed", "quarantined", "mismatch"]
    assert all(record.name.startswith("fpga_accel") for record in caplog.records)


# ---- why: every reason can be produced ----


def _asked(_: pytest.MonkeyPatch) -> fa.Receipt:
    return _encrypted(FaultyDevice())


def _encrypted(device: Any, data: bytes = b"text") -> fa.Receipt:
    with fa.Accelerator(device, fallback="allow", verify="always") as acc:
        acc.encrypt(data, KEY)
        return last(acc)


def _quarantined(_: pytest.MonkeyPatch) -> fa.Receipt:
    with fa.Accelerator(faulty("run", "timeout"), fallback="allow") as acc:
        acc.encrypt(b"text", KEY)
        acc.encrypt(b"text", KEY)
        return last(acc)


def _unsupported(_: pytest.MonkeyPatch) -> fa.Receipt:
    with fa.Accelerator(FaultyDevice(), fallback="allow") as acc:
        acc.compress(b"text", level=9)
        return last(acc)


def _disabled(patch: pytest.MonkeyPatch) -> fa.Receipt:
    patch.setattr(discovery, "_inventory", discovery._Inventory())
    patch.setenv("FPGA_ACCEL_DISABLE", "opencl")
    return _encrypted("opencl")


def _forked(patch: pytest.MonkeyPatch) -> fa.Receipt:
    # Children that were really forked are in test_runtime.py.
    patch.setattr(discovery, "_inventory", discovery._Inventory())
    patch.setattr(forks._Lineage, "inherited", True)
    return _encrypted("opencl")


PRODUCERS: dict[Reason, Callable[[pytest.MonkeyPatch], fa.Receipt]] = {
    Reason.ASKED: _asked,
    Reason.FASTER: lambda _: _encrypted("auto"),
    Reason.EMPTY: lambda _: _encrypted(FaultyDevice(), b""),
    Reason.NO_DEVICE: lambda _: _encrypted(faulty("open", "vanish")),
    Reason.UNSUPPORTED: _unsupported,
    Reason.DISABLED: _disabled,
    Reason.BUILD_FAILED: lambda _: _encrypted(faulty("build", "error")),
    Reason.DEVICE_FAILED: lambda _: _encrypted(faulty("run", "error")),
    Reason.TIMEOUT: lambda _: _encrypted(faulty("run", "timeout")),
    Reason.MISMATCH: lambda _: _encrypted(faulty("run", "corrupt")),
    Reason.QUARANTINED: _quarantined,
    Reason.FORKED: _forked,
}
NO_FALLBACK = {Reason.ASKED, Reason.FASTER, Reason.EMPTY}


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_can_be_produced(monkeypatch: pytest.MonkeyPatch, reason: Reason) -> None:
    assert reason in PRODUCERS, "a new reason needs a way to produce it here"
    receipt = PRODUCERS[reason](monkeypatch)
    assert receipt.reason is reason
    assert receipt.fallback == (reason not in NO_FALLBACK)
    assert receipt.backend == ("opencl" if reason is Reason.ASKED else "cpu")


def test_work_of_no_bytes_is_no_fallback_under_never() -> None:
    with fa.Accelerator(faulty("run", "error"), fallback="never") as acc:
        assert lz4.frame.decompress(acc.compress(b"")) == b""
        assert (last(acc).reason, last(acc).fallback) == (Reason.EMPTY, False)


def test_unsupported_work_under_never_is_refused() -> None:
    with (
        fa.Accelerator(FaultyDevice(), fallback="never") as acc,
        pytest.raises(fa.FallbackDisabledError, match="level 9"),
    ):
        acc.compress(b"text", level=9)


def test_a_class_of_device_that_is_absent_follows_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "_inventory", discovery._Inventory())
    monkeypatch.setenv("FPGA_ACCEL_DISABLE", "opencl")
    with pytest.raises(fa.DeviceNotFoundError, match="FPGA_ACCEL_DISABLE"):
        fa.Accelerator("opencl", fallback="never")
    with fa.Accelerator("fpga", fallback="allow") as acc:
        assert acc.decompress(acc.compress(b"text")) == b"text"
        assert acc.stats()["fallbacks"] == 2
    with pytest.raises(fa.DeviceNotFoundError, match="no-such-card"):
        fa.Accelerator("no-such-card", fallback="allow")


# ---- keys ----


def spellings(key: bytes) -> list[str]:
    half = len(key) // 2
    return [
        key.hex(),
        key.hex(" "),
        base64.b64encode(key).decode(),
        repr(key)[2:-1],
        str(list(key))[1:-1],
        key[:half].hex(),
    ]


def assert_no_key(text: str) -> None:
    for spelling in spellings(KEY):
        assert spelling not in text
    # As numpy prints arrays.
    assert " ".join(map(str, KEY[:8])) not in " ".join(text.replace(",", " ").split())


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("stage", "mode"), FAULTS)
def test_keys_are_in_no_message_log_line_or_receipt(
    caplog: pytest.LogCaptureFixture, stage: str, mode: str, policy: str
) -> None:
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []
    with caught() as found:
        try:
            with fa.Accelerator(faulty(stage, mode), fallback=policy, verify="always") as acc:
                texts.append(repr(acc))
                with acc.trace() as trace:
                    for name in OPERATIONS[2:]:
                        for form in FORMS:
                            try:
                                works()[name].do(acc, form)
                            except fa.FpgaAccelError as error:
                                texts += _chain(error)
                texts += [repr(trace.receipts), json.dumps([receipt.as_dict() for receipt in trace.receipts])]
                texts.append(repr(acc.stats()))
        except fa.FpgaAccelError as error:
            texts += _chain(error)
    texts += [str(warning.message) for warning in found]
    texts += [f"{record.getMessage()} {record.args!r}" for record in caplog.records]
    for text in texts:
        assert_no_key(text)


def _chain(error: BaseException | None) -> list[str]:
    texts = []
    while error is not None:
        texts.append(f"{error} {error!r} {error.args!r} {vars(error)!r}")
        error = error.__cause__ or error.__context__
    return texts


def test_a_launch_does_not_show_its_parameters() -> None:
    params = np.frombuffer(KEY, np.uint8)
    assert_no_key(repr(Launch("aes", "aes_ctr", new_table(1), params, keys=slice(0, None))))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("stage", "mode"), [(None, "error"), *LAUNCH_FAULTS])
def test_parameters_are_wiped_however_a_launch_ends(
    monkeypatch: pytest.MonkeyPatch, stage: Any, mode: Any, form: str
) -> None:
    seen: list[Launch] = []
    real = testing._FaultyBackend.run

    def run(self: Any, launch: Launch, deadline: float | None) -> Outcome:
        assert launch.keys
        assert KEY in launch.params[launch.keys].tobytes()
        seen.append(launch)
        return real(self, launch, deadline)

    monkeypatch.setattr(testing._FaultyBackend, "run", run)
    for name in OPERATIONS[2:]:
        with fa.Accelerator(faulty(stage, mode), fallback="allow", verify="always") as acc:
            works()[name].do(acc, form)
    assert len(seen) == 4
    assert not any(KEY in launch.params.tobytes() or launch.params[launch.keys].any() for launch in seen)


def test_a_device_keeps_no_key_once_the_call_is_over(acc: fa.Accelerator, backend: Any) -> None:
    for name in OPERATIONS[2:]:
        for form in FORMS:
            works()[name].do(acc, form)
    regions = []
    if backend.is_device:
        pipeline = _pipeline(acc.engine.planner.backend)
        assert pipeline._idle, "the launches used lanes"
        assert not any(lane.held for lane in pipeline._idle)
        regions = [lane._regions["params"].slab for lane in pipeline._idle if "params" in lane._regions]
        assert regions or pipeline.strategy == "direct", "direct launches read the pool's slabs, below"
    for slab in [*regions, *POOL.idle()]:
        assert KEY not in slab.array.tobytes()


def _pipeline(found: Backend | None) -> Any:
    assert found is not None
    return found._pipeline  # type: ignore[attr-defined]


def test_no_part_of_a_receipt_can_hold_data() -> None:
    plain = {"str", "int", "float", "bool", "Reason", "Seconds", "str | None", "tuple[Span, ...]"}
    assert {str(field.type) for field in dataclasses.fields(fa.Receipt)} <= plain


# ---- threads ----


@pytest.mark.parametrize(("stage", "mode"), [("run", "error"), ("result", "corrupt"), ("copy", "timeout")])
def test_threads_share_a_device_that_fails_every_third_time(stage: str, mode: str) -> None:
    device = faulty(stage, mode, every=3)
    threads, rounds = 8, 6
    together = threading.Barrier(threads)

    def work(number: int) -> int:
        together.wait()
        names = [OPERATIONS[(number + turn) % len(OPERATIONS)] for turn in range(rounds)]
        for turn, name in enumerate(names):
            works()[name].do(acc, FORMS[(number + turn) % len(FORMS)])
            assert last(acc).op == works()[name].method
        return rounds

    works()
    with fa.Accelerator(device, fallback="allow", verify="always") as acc, ThreadPoolExecutor(threads) as pool:
        assert sum(pool.map(work, range(threads))) == threads * rounds
        stats = acc.stats()
    assert stats["calls"] == threads * rounds
    assert stats.get("backend.cpu", 0) + stats["backend.opencl"] == threads * rounds
    assert stats["fallbacks"] == stats["backend.cpu"]
    assert device.failures == stats[f"failures.{reason_of(stage, mode)}"]


def test_only_one_call_tries_a_device_whose_quarantine_has_run_out(clock: SimpleNamespace) -> None:
    device = faulty("run", "timeout")
    threads = 8
    together = threading.Barrier(threads)
    with fa.Accelerator(device, fallback="allow") as acc, ThreadPoolExecutor(threads) as pool:
        encrypt(acc)
        clock.now += health.FIRST_QUARANTINE_SECONDS
        device.seconds = 0.2

        def work(_: int) -> Reason:
            together.wait()
            return encrypt(acc).reason

        reasons = list(pool.map(work, range(threads)))
    assert reasons.count(Reason.TIMEOUT) == 1
    assert reasons.count(Reason.QUARANTINED) == threads - 1


def test_asking_what_would_happen_takes_nobodys_turn(clock: SimpleNamespace) -> None:
    device = faulty("run", "timeout")
    with fa.Accelerator(device, fallback="allow") as acc:
        encrypt(acc)
        device.heal()
        clock.now += health.FIRST_QUARANTINE_SECONDS
        for _ in range(3):
            acc.explain("encrypt", 1 << 20, algorithm="aes-ctr")
        assert encrypt(acc).backend == "opencl"


def test_what_fails_beside_the_first_makes_a_quarantine_no_longer(clock: SimpleNamespace) -> None:
    found = health.Health()
    for _ in range(10):
        found.failed("it hangs", grave=True)
    assert found.seconds_left == health.FIRST_QUARANTINE_SECONDS
    clock.now += health.FIRST_QUARANTINE_SECONDS
    assert found.open()
    assert found.admitted()
    assert not found.open()
    for _ in range(10):
        found.failed("it hangs again", grave=True)
    assert found.seconds_left == 2 * health.FIRST_QUARANTINE_SECONDS


def test_rows_to_compare_are_rows_of_their_own_launch() -> None:
    """Another thread's launch comes between the choice and the answer."""

    class Sizes(list[int]):
        def __getitem__(self, index: Any) -> Any:
            if not nested:
                nested.append(True)
                list(sampler.chosen([1] * 10_000, 1.0))
            return super().__getitem__(index)

    nested: list[bool] = []
    sampler = Sampler("sampled")
    assert set(sampler.chosen(Sizes([1] * 3), 1.0)) <= {0, 1, 2}


# ---- the environment ----


def test_the_policy_of_the_environment_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FPGA_ACCEL_FALLBACK", "never")
    with fa.Accelerator(faulty("run", "error")) as acc, pytest.raises(fa.FallbackDisabledError):
        encrypt(acc)
    monkeypatch.setenv("FPGA_ACCEL_FALLBACK", "allow")
    monkeypatch.setenv("FPGA_ACCEL_VERIFY", "always")
    with fa.Accelerator(faulty("run", "corrupt")) as acc:
        assert encrypt(acc).reason is Reason.MISMATCH
