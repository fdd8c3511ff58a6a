"""Launches of one call that overlap: their order, what is left of them when one fails, and what receipts say."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import fpga_accel as fa
from fpga_accel import testing
from fpga_accel.backends import Outcome, Pending
from fpga_accel.operations import chain_linked, lz4_stream
from fpga_accel.operations.contract import GROUP, one_ahead
from fpga_accel.segments import Launch, Linked, new_table
from fpga_accel.testing import FaultyDevice

KEY = bytes(range(32))
TEXT = b"".join(b"row %d of a text of several groups\n" % (i * i) for i in range(2_000_000))[: 3 * GROUP - 77]
COUNT = 2053
ITEMS = [bytes([i % 251]) * (i % 300) for i in range(COUNT)]
NONCES = [i.to_bytes(12, "big") for i in range(COUNT)]


def last(acc: fa.Accelerator) -> fa.Receipt:
    assert acc.last_receipt is not None
    return acc.last_receipt


# ---- one ahead ----


def _waits(events: list[str], name: str) -> Callable[[], str]:
    events.append(f"start {name}")

    def wait() -> str:
        events.append(f"wait {name}")
        return name

    return wait


def test_the_next_is_started_before_one_is_waited_for() -> None:
    events: list[str] = []
    assert list(one_ahead("abc", lambda name: _waits(events, name))) == ["a", "b", "c"]
    assert events == ["start a", "start b", "wait a", "start c", "wait b", "wait c"]
    assert not list(one_ahead("", lambda name: _waits(events, name)))
    events.clear()
    assert list(one_ahead("abc", lambda name: _waits(events, name), 2)) == ["a", "b", "c"]
    assert events == ["start a", "start b", "start c", "wait a", "wait b", "wait c"]


def test_what_was_started_before_a_failure_is_still_given() -> None:
    def start(name: str) -> Callable[[], str]:
        if name == "c":
            raise ValueError(name)
        return lambda: name

    found = one_ahead("abcd", start)
    assert [next(found), next(found)] == ["a", "b"]
    with pytest.raises(ValueError, match="c"):
        next(found)


# ---- launches of one call ----


class _Watched:
    """A device that notes when launches are started and waited for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, method: str = "start") -> None:
        self.events: list[str] = []
        real = getattr(testing._FaultyBackend, method)
        launches: list[Launch | Linked] = []

        def start(backend: Any, launch: Launch | Linked) -> Pending:
            number = len(launches)
            launches.append(launch)
            self.events.append(f"start {number}")
            pending = real(backend, launch)
            return _WatchedPending(pending, lambda: self.events.append(f"wait {number}"))

        monkeypatch.setattr(testing._FaultyBackend, method, start)


class _WatchedPending:
    def __init__(self, pending: Pending, note: Callable[[], None]) -> None:
        self._pending = pending
        self._note = note

    def outcome(self, deadline: float | None) -> Outcome:
        self._note()
        return self._pending.outcome(deadline)

    def abandon(self) -> None:
        self._pending.abandon()


AHEAD = ["start 0", "start 1", "wait 0", "start 2", "wait 1", "wait 2"]


def test_the_bytes_of_a_launch_are_those_of_its_own_table() -> None:
    launch = Launch("kernel", "entry", new_table(3), np.zeros(16, np.uint8))
    launch.table["src_size"] = 10, 20, 2**32 - 1
    assert launch.nbytes == launch.nbytes == 2**32 + 29
    assert replace(launch, table=launch.table[:2]).nbytes == 30


def test_groups_of_a_large_frame_go_one_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = _Watched(monkeypatch)
    with fa.Accelerator(FaultyDevice(), fallback="never") as acc:
        frame = acc.compress(TEXT)
    assert lz4.frame.decompress(frame) == TEXT
    assert watched.events == AHEAD


def test_groups_of_a_frame_of_unknown_size_go_one_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = lz4.frame.compress(TEXT, block_linked=False, block_size=7, store_size=False)
    watched = _Watched(monkeypatch)
    with fa.Accelerator(FaultyDevice(), fallback="never") as acc:
        assert acc.decompress(frame) == TEXT
    assert watched.events == AHEAD


@pytest.mark.parametrize("way", ["seal", "open"])
def test_groups_of_a_chain_go_one_ahead(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(chain_linked, "BATCH", 1000)
    monkeypatch.setattr(chain_linked, "DIRECT_BATCH", 1000)
    items = [TEXT[:900]] * 3
    chain = fa.Accelerator("cpu").chain("crc32c", "aes-gcm.encrypt")
    sealed, checksums = zip(*chain.many(items, key=KEY, nonces=NONCES[:3]), strict=True)
    watched = _Watched(monkeypatch, "start_linked")
    with fa.Accelerator(FaultyDevice(), fallback="never") as acc:
        there = acc.chain("crc32c", "aes-gcm.encrypt")
        if way == "seal":
            assert [each.data for each in there.many(items, key=KEY, nonces=NONCES[:3])] == list(sealed)
        else:
            assert there.inverse().many(sealed, key=KEY, nonces=NONCES[:3], checksums=checksums) == items
    assert watched.events == AHEAD


def test_a_large_batch_is_that_of_the_library(acc: fa.Accelerator) -> None:
    cipher = AESGCM(KEY)
    sealed = [cipher.encrypt(nonce, item, b"aad") for nonce, item in zip(NONCES, ITEMS, strict=True)]
    assert acc.encrypt_many(ITEMS, KEY, nonces=NONCES, aads=[b"aad"]) == sealed
    assert acc.decrypt_many(sealed, KEY, nonces=NONCES, aads=[b"aad"]) == ITEMS
    in_front = acc.encrypt_many(ITEMS, KEY)
    assert acc.decrypt_many(in_front, KEY) == ITEMS
    wrong = [3, 1025, COUNT - 1]
    for index in wrong:
        sealed[index] = sealed[index][:-1] + bytes([sealed[index][-1] ^ 1])
    sealed[7] = b"short"
    found = acc.decrypt_many(sealed, KEY, nonces=NONCES, aads=[b"aad"], return_exceptions=True)
    assert [index for index, each in enumerate(found) if isinstance(each, fa.InvalidTag)] == sorted([*wrong, 7])
    assert all(found[index] == ITEMS[index] for index in range(COUNT) if index not in (*wrong, 7))


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize(("stage", "mode"), [("run", "error"), ("result", "timeout"), ("run", "corrupt")])
def test_a_failure_of_any_launch_leaves_none_on_its_way(stage: Any, mode: Any, every: int) -> None:
    device = FaultyDevice(stage, mode, every=every, seconds=0.01)
    with fa.Accelerator(device, fallback="allow", verify="always") as acc:
        assert lz4.frame.decompress(acc.compress(TEXT)) == TEXT
        assert last(acc).fallback
        assert device.passes["copy"] <= 3


def test_bad_blocks_in_one_group_leave_the_others_done(acc: fa.Accelerator) -> None:
    frame = bytearray(lz4.frame.compress(TEXT, block_linked=False, block_size=7, store_size=False, block_checksum=True))
    frame[40] ^= 1
    for _ in range(2):
        found = acc.decompress_many([bytes(frame), lz4.frame.compress(b"text")], return_exceptions=True)
        assert isinstance(found[0], fa.FpgaAccelError)
        assert found[1] == b"text"


def test_a_receipt_adds_up_and_its_spans_are_drawn(acc: fa.Accelerator, backend: Any, tmp_path: Path) -> None:
    with acc.trace() as trace:
        acc.compress(TEXT)
    seconds = last(acc).seconds
    if backend.is_device:
        assert seconds.queue + seconds.transfer + seconds.kernel - seconds.overlap == pytest.approx(seconds.total)
        assert sum(span.name == "kernel" for span in last(acc).spans) >= 3
        ends = last(acc).started + seconds.total
        assert all(last(acc).started - 0.01 <= span.started <= ends for span in last(acc).spans)
    trace.save_chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert len(events) == 1 + len(last(acc).spans)
    assert {event["ph"] for event in events} == {"X"}


# ---- streams ----


def test_a_stream_does_not_see_what_becomes_of_the_callers_buffer(acc: fa.Accelerator) -> None:
    content, held = bytearray(TEXT[: lz4_stream.SLAB + 99]), io.BytesIO()
    with fa.open(held, "wb", accelerator=acc) as stream:
        for number in range(3):
            content[:] = bytes([number]) * len(content)
            stream.write(content)
    expected = b"".join(bytes([number]) * len(content) for number in range(3))
    assert lz4.frame.decompress(held.getvalue()) == expected


def test_a_stream_says_what_ran_on_the_owners_thread(acc: fa.Accelerator) -> None:
    held = io.BytesIO()
    with fa.open(held, "wb", accelerator=acc) as stream:
        stream.write(TEXT)
    assert last(acc).op == "compress"
    held.seek(0)
    with fa.open(held, accelerator=acc) as stream:
        assert stream.read() == TEXT
    assert last(acc).op == "decompress"


def test_a_stream_gives_what_came_before_the_damage(acc: fa.Accelerator) -> None:
    held = io.BytesIO()
    with fa.open(held, "wb", accelerator=acc) as stream:
        stream.write(TEXT)
    with fa.open(io.BytesIO(held.getvalue()[:-9]), accelerator=acc) as stream:
        assert stream.read(lz4_stream.SLAB) == TEXT[: lz4_stream.SLAB]
        with pytest.raises(fa.TruncatedError):
            stream.read()


def test_an_error_of_the_file_reaches_the_writer_and_ends_the_thread(acc: fa.Accelerator) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any, /) -> int:
            raise OSError("no space left")

    stream = fa.open(Full(), "wb", accelerator=acc)
    with pytest.raises(OSError, match="no space"):
        stream.write(TEXT)
    with pytest.raises(ValueError, match="earlier write"):
        stream.write(TEXT)
    stream.close()
    assert stream.closed
