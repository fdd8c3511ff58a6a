"""Jobs and streams: their results, receipts, bounds, ends, and what they hold of their callers' data."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import itertools
import json
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import children
import google_crc32c
import lz4.frame
import numpy as np
import pytest
import sizes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import fpga_accel as fa
from fpga_accel.backends import cpu
from fpga_accel.backends.cpu import Workers
from fpga_accel.operations import lz4_compress
from fpga_accel.testing import FaultyDevice

KEY = bytes(range(32))
NONCE = bytes(range(12))
TEXT = sizes.text(5000)
FRAME = lz4.frame.compress(TEXT)
SEALED = AESGCM(KEY).encrypt(NONCE, TEXT, None)
# Nothing here takes this long; a test that would hang fails.
PATIENCE = 60.0


class Data(bytearray):
    """A buffer that a test can see die."""


class Gate:
    """A callable for `submit` that keeps its thread until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self._open = threading.Event()

    def __call__(self, result: Any = None) -> Any:
        self.entered.release()
        assert self._open.wait(PATIENCE)
        return result

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open()


@pytest.fixture
def one_thread() -> Iterator[fa.Accelerator]:
    """An Accelerator with one job thread, so that a gate keeps every other job waiting."""
    with fa.Accelerator("cpu", threads=1, queue_depth=4) as made:
        yield made


def blocked(acc: fa.Accelerator, gate: Gate) -> fa.Job:
    """Occupy a job thread until the gate opens."""
    job = acc.submit(gate)
    assert gate.entered.acquire(timeout=PATIENCE)
    return job


def receipt_of(job: fa.Job) -> fa.Receipt:
    assert job.receipt is not None
    return job.receipt


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


# ---- results ----


def test_every_verb_can_be_a_job(acc: fa.Accelerator) -> None:
    sealed, text, frame = bytearray(len(SEALED)), bytearray(len(TEXT)), bytearray(len(TEXT))
    jobs: list[tuple[fa.Job, Any]] = [
        (acc.submit("decompress", FRAME), TEXT),
        (acc.submit("decompress_many", [FRAME, FRAME]), [TEXT, TEXT]),
        (acc.submit("encrypt", TEXT, KEY, nonce=NONCE), SEALED),
        (acc.submit("encrypt_into", TEXT, sealed, KEY, nonce=NONCE), len(SEALED)),
        (acc.submit("encrypt_many", [TEXT], KEY, nonces=[NONCE]), [SEALED]),
        (acc.submit("decrypt", SEALED, key=KEY, cipher="aes-gcm", nonce=NONCE), TEXT),
        (acc.submit("decrypt_many", [SEALED], KEY, nonces=[NONCE]), [TEXT]),
        (acc.submit("checksum", TEXT, "crc32c"), google_crc32c.value(TEXT)),
        (acc.submit("checksum_many", [TEXT, b""]), [google_crc32c.value(TEXT), 0]),
        (acc.submit("decompress_into", FRAME, text), len(TEXT)),
    ]
    assert [job.result() for job, _ in jobs] == [result for _, result in jobs]
    assert (bytes(sealed), bytes(text)) == (SEALED, TEXT)
    assert acc.submit("decrypt_into", SEALED, text, KEY, nonce=NONCE).result() == len(TEXT)
    size = acc.submit("compress_into", TEXT, frame).result()
    assert lz4.frame.decompress(frame[:size]) == TEXT
    assert lz4.frame.decompress(acc.submit("compress", TEXT, format="lz4").result()) == TEXT
    assert [lz4.frame.decompress(each) for each in acc.submit("compress_many", [TEXT, b""]).result()] == [TEXT, b""]


def test_many_threads_submit_at_once(acc: fa.Accelerator) -> None:
    def submitter(number: int) -> None:
        texts = [bytes([number]) * (1 + 997 * each) for each in range(40)]
        frames = [acc.submit("compress", text) for text in texts]
        checks = [acc.submit("checksum", text) for text in texts]
        assert [lz4.frame.decompress(job.result()) for job in frames] == texts
        assert [job.result() for job in checks] == [google_crc32c.value(text) for text in texts]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(submitter, range(8)))


def test_a_callable_is_a_job_too(one_thread: fa.Accelerator) -> None:
    def plan(data: bytes, *, key: bytes) -> bytes:
        return one_thread.encrypt(one_thread.compress(data), key, nonce=NONCE)

    job = one_thread.submit(plan, TEXT, key=KEY)
    assert lz4.frame.decompress(AESGCM(KEY).decrypt(NONCE, job.result(), None)) == TEXT
    assert receipt_of(job).op == "encrypt"
    without = one_thread.submit(threading.get_ident)
    assert without.result() != threading.get_ident()
    assert without.receipt is None


def test_an_unknown_verb_is_refused_with_the_legal_ones(one_thread: fa.Accelerator) -> None:
    for verb in ("shrink", "close", "submit", "compress_bound", "_many", ""):
        with pytest.raises(ValueError, match=r"legal ones are compress, compress_into, compress_many, decompress,"):
            one_thread.submit(verb, TEXT)
        with pytest.raises(ValueError, match="legal ones"):
            one_thread.stream(verb, [TEXT])
        with pytest.raises(ValueError, match="legal ones"):
            one_thread.astream(verb, [TEXT])


@pytest.mark.parametrize(
    ("call", "options", "error"),
    [
        (("compress", TEXT), {"format": "zip"}, ValueError),
        (("compress", TEXT), {"wrong": 1}, TypeError),
        (("compress", "text"), {}, TypeError),
        (("compress",), {}, TypeError),
        (("encrypt", TEXT, b"short"), {}, ValueError),
        (("compress_many", [TEXT, "text"]), {}, TypeError),
        (("compress", memoryview(TEXT)[::2]), {}, BufferError),
        (("decompress", FRAME[:-9]), {}, fa.TruncatedError),
        (("decompress_into", FRAME, bytearray(9)), {}, fa.BufferTooSmallError),
        (("decompress_many", [FRAME, b"no frame at all"], "lz4"), {}, fa.BatchError),
        (("decrypt", SEALED[::-1], KEY), {"nonce": NONCE}, fa.InvalidTag),
    ],
)
def test_what_is_wrong_is_raised_by_the_job(
    one_thread: fa.Accelerator, call: tuple[Any, ...], options: dict[str, Any], error: type[Exception]
) -> None:
    job = one_thread.submit(*call, **options)
    with pytest.raises(error):
        job.result()
    assert isinstance(job.exception(), error)


def test_module_functions_are_those_of_the_default_accelerator() -> None:
    job = fa.submit("checksum", b"123456789")
    assert isinstance(job, fa.Job)
    assert job.result() == 0xE3069283
    assert list(fa.stream("checksum", [b"123456789"])) == [0xE3069283]


# ---- receipts ----


def test_a_receipt_has_the_time_in_the_queue(one_thread: fa.Accelerator, gate: Gate) -> None:
    first = blocked(one_thread, gate)
    with one_thread.trace() as trace:
        job = one_thread.submit("compress", TEXT)
        other = one_thread.submit("encrypt_many", [TEXT], KEY)
        assert job.receipt is None
        time.sleep(0.05)
        gate.open()
        assert concurrent.futures.wait([first, job, other]).not_done == set()
    for each, op in ((job, "compress"), (other, "encrypt")):
        receipt = receipt_of(each)
        assert (receipt.op, receipt.backend, receipt.bytes_in) == (op, "cpu", len(TEXT))
        assert 0.05 <= receipt.waited <= receipt.seconds.queue < receipt.seconds.total < PATIENCE
        assert receipt.thread != threading.get_ident()
        assert receipt in trace.receipts
    assert first.receipt is None
    assert one_thread.compress(TEXT)
    after = one_thread.last_receipt
    assert after is not None
    assert (after.waited, after.seconds.queue) == (0, 0)


def test_a_receipt_of_a_device_adds_the_time_in_the_queue(tmp_path: Path) -> None:
    with fa.Accelerator(FaultyDevice(), fallback="never", threads=1) as acc, acc.trace() as trace:
        jobs = [acc.submit("compress", TEXT * 40) for _ in range(12)]
        receipts = [receipt_of(job) for job in jobs if job.result()]
    for receipt in receipts:
        assert receipt.backend == "opencl"
        assert 0 < receipt.waited <= receipt.seconds.queue
        parts = receipt.seconds.queue + receipt.seconds.transfer + receipt.seconds.kernel
        assert parts == pytest.approx(receipt.seconds.total)
    assert {receipt.started for receipt in trace.receipts} == {receipt.started for receipt in receipts}
    trace.save_chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    for lane in {event["tid"] for event in events}:
        spans = sorted((event["ts"], event["ts"] + event["dur"]) for event in events if event["tid"] == lane)
        # A thread does one thing at a time.
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


def test_a_job_that_is_done_holds_no_device() -> None:
    opened = []

    class Watched(FaultyDevice):
        def open_backend(self) -> Any:
            backend = super().open_backend()
            opened.append(weakref.ref(backend))
            return backend

    acc = fa.Accelerator(Watched(), fallback="never")
    job = acc.submit("encrypt", TEXT, KEY, nonce=NONCE)
    assert job.result() == SEALED
    acc.close()
    del acc
    gc.collect()
    assert [backend() for backend in opened] == [None]
    assert receipt_of(job).backend == "opencl"


def test_a_call_that_failed_has_its_receipt() -> None:
    with fa.Accelerator(FaultyDevice(), fallback="never") as acc:
        job = acc.submit("decompress", FRAME[:-9])
        assert isinstance(job.exception(), fa.TruncatedError)
        assert receipt_of(job).backend == "opencl"
        refused = acc.submit("decompress", FRAME, "zip")
        assert isinstance(refused.exception(), ValueError)
        assert refused.receipt is None


def test_a_failing_device_falls_back_in_a_job() -> None:
    with fa.Accelerator(FaultyDevice("run"), fallback="allow") as acc:
        job = acc.submit("encrypt", TEXT, KEY, nonce=NONCE)
        assert job.result() == SEALED
        assert (receipt_of(job).backend, receipt_of(job).fallback) == ("cpu", True)
    with fa.Accelerator(FaultyDevice("run"), fallback="never") as acc:
        assert isinstance(acc.submit("encrypt", TEXT, KEY).exception(), fa.FallbackDisabledError)


# ---- cancelling ----


def test_a_job_can_be_cancelled_until_it_starts(one_thread: fa.Accelerator, gate: Gate) -> None:
    running = blocked(one_thread, gate)
    calls: list[int] = []
    waiting = one_thread.submit(calls.append, 1)
    heard: list[concurrent.futures.Future[Any]] = []
    waiting.add_done_callback(heard.append)
    assert not running.cancel()
    assert waiting.cancel()
    assert waiting.cancel()
    assert waiting.cancelled()
    assert heard == [waiting]
    # Also for those who wait for it.
    assert concurrent.futures.wait([waiting], timeout=PATIENCE).done == {waiting}
    with pytest.raises(concurrent.futures.CancelledError):
        waiting.result()
    gate.open()
    assert running.result() is None
    assert not running.cancel()
    assert one_thread.submit(len, b"12").result() == 2
    assert calls == []
    assert waiting.receipt is None


def test_many_cancellations_lose_and_repeat_nothing() -> None:
    ran: list[int] = []
    with fa.Accelerator("cpu", threads=2) as acc:
        jobs = []
        for number in range(2000):
            jobs.append(acc.submit(ran.append, number))
            if number % 3 == 0:
                jobs[-1].cancel()
    cancelled = {number for number, job in enumerate(jobs) if job.cancelled()}
    assert sorted(ran) == [number for number in range(2000) if number not in cancelled]
    assert all(job.done() for job in jobs)


# ---- the bound of the queue ----


def test_submit_waits_while_the_queue_is_full(one_thread: fa.Accelerator, gate: Gate) -> None:
    blocked(one_thread, gate)
    jobs = [one_thread.submit(len, b"12") for _ in range(4)]
    with ThreadPoolExecutor(1) as pool:
        fifth = pool.submit(one_thread.submit, len, b"123")
        time.sleep(0.05)
        assert not fifth.done()
        gate.open()
        assert fifth.result(PATIENCE).result(PATIENCE) == 3
    assert [job.result() for job in jobs] == [2] * 4


def test_a_cancelled_job_makes_room(one_thread: fa.Accelerator, gate: Gate) -> None:
    blocked(one_thread, gate)
    jobs = [one_thread.submit(len, b"12") for _ in range(4)]
    with ThreadPoolExecutor(1) as pool:
        fifth = pool.submit(one_thread.submit, len, b"123")
        jobs[2].cancel()
        fifth.result(PATIENCE)


def test_a_callback_and_a_callable_may_submit_to_a_full_queue(one_thread: fa.Accelerator, gate: Gate) -> None:
    more: list[fa.Job] = []
    first = blocked(one_thread, gate)
    first.add_done_callback(lambda _: more.extend(one_thread.submit(len, b"123") for _ in range(20)))
    jobs = [one_thread.submit(lambda: more.append(one_thread.submit(len, b"12"))) for _ in range(4)]
    gate.open()
    concurrent.futures.wait(jobs)
    assert [job.result(PATIENCE) for job in more] == [3] * 20 + [2] * 4


@pytest.mark.parametrize("depth", [0, -1])
def test_a_queue_has_a_place_at_least(depth: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        fa.Accelerator("cpu", queue_depth=depth)


# ---- callers' buffers ----


def fails(data: Any, *_: Any) -> None:
    try:
        raise KeyError(len(data))
    except KeyError as error:
        raise ValueError("as told") from error


@pytest.mark.parametrize("end", ["result", "error", "plan's error", "cancel"])
def test_buffers_are_held_until_a_job_is_done(one_thread: fa.Accelerator, gate: Gate, end: str) -> None:
    first = blocked(one_thread, gate)
    data, other, out = Data(TEXT), Data(TEXT), Data(10_000 if end == "result" else 9)
    if end == "plan's error":
        jobs = [one_thread.submit(fails, data, out), one_thread.submit(fails, [other])]
    else:
        jobs = [one_thread.submit("compress_into", data, out=out)]
        jobs.append(one_thread.submit("compress_many", [other, b"" if end == "result" else "no buffer"]))
    held = [data, out] + [other] * (end in ("result", "plan's error"))
    for each in held:
        with pytest.raises(BufferError):
            each.append(1)
    if end == "cancel":
        assert all(job.cancel() for job in jobs)
        gate.open()
    else:
        gate.open()
        failed = [job.exception() is not None for job in jobs]
        assert failed == [end != "result"] * 2
    for each in (data, other, out):
        each.append(1)
    gone = [weakref.ref(each) for each in (data, other, out)]
    del data, other, out, held, each
    first.result()
    assert [reference() for reference in gone] == [None] * 3, "a job that is done holds its data"
    if end != "cancel":
        error = jobs[0].exception()
        assert error is None or error.__traceback__ is not None


def test_a_finished_job_keeps_no_threads() -> None:
    before = threading.active_count()
    acc = fa.Accelerator("cpu")
    job = acc.submit("compress", TEXT)
    assert lz4.frame.decompress(job.result()) == TEXT
    del acc
    gc.collect()
    eventually(lambda: threading.active_count() == before)
    assert receipt_of(job).op == "compress"


# ---- awaiting ----


def test_jobs_can_be_awaited(acc: fa.Accelerator) -> None:
    async def main() -> list[Any]:
        assert await acc.submit("decompress", FRAME) == TEXT
        with pytest.raises(fa.TruncatedError):
            await acc.submit("decompress", FRAME[:-9])
        done = acc.submit("checksum", TEXT)
        done.result()
        assert [await done, await done] == [google_crc32c.value(TEXT)] * 2
        return await asyncio.gather(*(acc.submit("decompress", FRAME) for _ in range(20)))

    with ThreadPoolExecutor(2) as loops:
        for found in loops.map(lambda _: asyncio.run(main()), range(2)):
            assert found == [TEXT] * 20


def test_a_cancelled_task_cancels_a_job_that_has_not_started(one_thread: fa.Accelerator, gate: Gate) -> None:
    async def main() -> None:
        running = blocked(one_thread, gate)
        waiting = one_thread.submit(len, b"")

        async def wait_for(job: fa.Job) -> Any:
            return await job

        tasks = [asyncio.create_task(wait_for(job)) for job in (running, waiting)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        assert [type(each) for each in await asyncio.gather(*tasks, return_exceptions=True)] == [
            asyncio.CancelledError
        ] * 2
        assert waiting.cancelled()
        assert running.running()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await running
        gate.open()
        assert await running is None

    asyncio.run(main())


# ---- streams ----


@pytest.mark.parametrize("in_flight", [1, 2, 8, 1000])
def test_a_stream_gives_results_in_order(acc: fa.Accelerator, in_flight: int) -> None:
    texts = [sizes.text(1 + 7919 * number % 20_000) for number in range(30)]
    frames = acc.stream("compress", iter(texts), in_flight, format="lz4")
    assert [lz4.frame.decompress(frame) for frame in frames] == texts
    assert list(acc.stream("checksum", texts, in_flight=in_flight)) == [google_crc32c.value(text) for text in texts]
    sealed = acc.stream("encrypt", texts, in_flight, key=KEY, nonce=NONCE)
    assert list(acc.stream("decrypt", sealed, in_flight, key=KEY, nonce=NONCE)) == texts


def test_results_keep_their_order_whichever_call_ends_first() -> None:
    def slow_at_first(number: int) -> int:
        time.sleep(0.02 if number % 4 == 0 else 0)
        return number

    with fa.Accelerator("cpu", threads=4) as acc:
        assert list(acc.stream(slow_at_first, range(40), 6)) == list(range(40))
        assert list(acc.stream("compress", [])) == []


@contextmanager
def counted_inputs() -> Iterator[tuple[Iterator[Data], Callable[[], int], Callable[[], int]]]:
    """Endless inputs, how many have been taken, and how many are in memory."""
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    taken = itertools.count()

    class Input(Data):
        __hash__ = object.__hash__  # type: ignore[assignment]

    def inputs() -> Iterator[Data]:
        while True:
            made = Input(1000 + next(taken))
            alive.add(made)
            yield made
            del made

    yield inputs(), lambda: int(repr(taken)[6:-1]), lambda: len(alive)


@pytest.mark.parametrize("in_flight", [1, 3, 100])
def test_a_stream_is_lazy_and_holds_no_more_inputs_than_are_in_flight(in_flight: int) -> None:
    with counted_inputs() as (inputs, taken, alive), fa.Accelerator("cpu", queue_depth=1) as acc:
        stream = acc.stream("compress", inputs, in_flight)
        assert taken() == 0
        for number in range(200):
            assert len(lz4.frame.decompress(next(stream))) == 1000 + number
            assert taken() == number + in_flight
            assert alive() <= in_flight + 1, "the last one is still with the generator that made it"
        stream.close()


def broken_inputs() -> Iterator[bytes]:
    yield from [TEXT] * 5
    raise LookupError("the source is broken")


def test_an_input_that_raises_does_so_in_its_place(acc: fa.Accelerator) -> None:
    stream = acc.stream("checksum", broken_inputs(), 3)
    assert [next(stream) for _ in range(5)] == [google_crc32c.value(TEXT)] * 5
    with pytest.raises(LookupError, match="the source is broken"):
        next(stream)
    assert list(stream) == []


def test_the_first_error_is_raised_in_its_place_and_ends_the_stream(acc: fa.Accelerator) -> None:
    frames = [FRAME, FRAME, FRAME[:-9], FRAME, b"no frame either", FRAME]
    stream = acc.stream("decompress", frames, 4, format="lz4")
    assert [next(stream), next(stream)] == [TEXT, TEXT]
    with pytest.raises(fa.TruncatedError):
        next(stream)
    assert list(stream) == []


def test_a_stream_that_is_closed_early_cancels_what_waits_and_waits_for_the_rest(gate: Gate) -> None:
    calls: list[int] = []
    blocks = {1: gate}

    def call(number: int) -> int:
        calls.append(number)
        blocks.get(number, len)(b"")
        return number

    with fa.Accelerator("cpu", threads=1) as acc:
        stream = acc.stream(call, itertools.count(), 5)
        assert next(stream) == 0
        assert gate.entered.acquire(timeout=PATIENCE)
        with ThreadPoolExecutor(1) as pool:
            closing = pool.submit(stream.close)
            time.sleep(0.05)
            assert not closing.done()
            gate.open()
            closing.result(PATIENCE)
        assert calls == [0, 1]
        # No thread is left with it.
        assert acc.submit(len, b"12").result(PATIENCE) == 2


def test_a_stream_that_is_dropped_ends_too() -> None:
    with counted_inputs() as (inputs, taken, alive), fa.Accelerator("cpu") as acc:
        for _ in acc.stream("compress", inputs, 4):
            break
        del inputs
        gc.collect()
        eventually(lambda: alive() == 0)
        assert taken() == 4


@pytest.mark.parametrize("in_flight", [0, -1])
def test_a_stream_has_something_in_flight(one_thread: fa.Accelerator, in_flight: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        one_thread.stream("compress", [TEXT], in_flight)
    with pytest.raises(ValueError, match="1 or more"):
        one_thread.astream("compress", [TEXT], in_flight)


async def slowly(inputs: Any) -> AsyncIterator[Any]:
    for each in inputs:
        await asyncio.sleep(0)
        yield each


@pytest.mark.parametrize("wrap", [iter, slowly])
def test_asynchronous_streams(acc: fa.Accelerator, wrap: Callable[[Any], Any]) -> None:
    async def main() -> None:
        texts = [sizes.text(1 + 7919 * number % 20_000) for number in range(20)]
        for in_flight in (1, 3, 100):
            frames = acc.astream("compress", wrap(texts), in_flight, format="lz4")
            assert [lz4.frame.decompress(frame) async for frame in frames] == texts
        assert [each async for each in acc.astream("compress", wrap([]))] == []

        frames = acc.astream("decompress", wrap([FRAME, FRAME[:-9], FRAME]), 2)
        assert await anext(frames) == TEXT
        with pytest.raises(fa.TruncatedError):
            await anext(frames)
        with pytest.raises(StopAsyncIteration):
            await anext(frames)

        checks = acc.astream("checksum", wrap(broken_inputs()), 3)
        assert [await anext(checks) for _ in range(5)] == [google_crc32c.value(TEXT)] * 5
        with pytest.raises(LookupError):
            await anext(checks)

    asyncio.run(main(), debug=True)


@pytest.mark.parametrize("wrap", [iter, slowly])
def test_an_asynchronous_stream_that_ends_early(gate: Gate, wrap: Callable[[Any], Any]) -> None:
    calls: list[int] = []

    def call(number: int) -> int:
        calls.append(number)
        if number == 1:
            gate()
        return number

    async def main(acc: fa.Accelerator) -> None:
        stream = acc.astream(call, wrap(itertools.count()), 5)
        assert await anext(stream) == 0
        task = asyncio.create_task(anext(stream))
        await asyncio.to_thread(gate.entered.acquire, timeout=PATIENCE)
        task.cancel()
        await asyncio.sleep(0.01)
        # It waits for the call that runs, whose buffers are in use.
        assert not task.done()
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert calls == [0, 1]
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        unfinished = acc.astream(call, wrap(itertools.count(10)), 5)
        assert await anext(unfinished) == 10
        await unfinished.aclose()

    with fa.Accelerator("cpu", threads=1) as acc:
        asyncio.run(main(acc), debug=True)


def test_an_asynchronous_stream_leaves_the_loop_to_others(one_thread: fa.Accelerator, gate: Gate) -> None:
    """Not even a full queue stops the loop."""

    async def main() -> None:
        blocked(one_thread, gate)
        full = [one_thread.submit(len, b"") for _ in range(4)]
        stream = asyncio.create_task(anext(one_thread.astream(len, iter([b"12"]))))
        await asyncio.sleep(0.01)
        gate.open()
        assert await stream == 2
        assert [await job for job in full] == [0] * 4

    asyncio.run(main())


# ---- the end ----


def test_close_finishes_the_jobs(gate: Gate) -> None:
    before = set(threading.enumerate())
    with ThreadPoolExecutor(1) as pool:
        with fa.Accelerator("cpu", threads=1, queue_depth=3) as acc:
            jobs = [blocked(acc, gate), *(acc.submit("compress", TEXT) for _ in range(3))]
            late = pool.submit(acc.submit, "compress", TEXT)
            time.sleep(0.02)
            assert not late.done()
            late.add_done_callback(lambda _: gate.open())
        # Who was waiting to submit is told first; the jobs that were there are done.
        with pytest.raises(RuntimeError, match="closed"):
            late.result()
        assert all(job.done() for job in jobs)
        assert jobs[0].result() is None
        assert lz4.frame.decompress(jobs[-1].result()) == TEXT
    for refused in (lambda: acc.submit("compress", TEXT), lambda: next(acc.stream("compress", [TEXT]))):
        with pytest.raises(RuntimeError, match="closed"):
            refused()
    acc.close()
    assert set(threading.enumerate()) == before
    # Plain calls need no threads.
    assert lz4.frame.decompress(acc.compress(TEXT)) == TEXT


def test_close_can_cancel_what_waits(gate: Gate) -> None:
    with fa.Accelerator("cpu", threads=1) as acc, ThreadPoolExecutor(1) as pool:
        running = blocked(acc, gate)
        waiting = [acc.submit("compress", TEXT) for _ in range(3)]
        closing = pool.submit(acc.close, cancel_jobs=True)
        assert concurrent.futures.wait(waiting, PATIENCE).not_done == set()
        assert all(job.cancelled() for job in waiting)
        assert not closing.done()
        gate.open()
        closing.result(PATIENCE)
        assert running.done()
        assert not running.cancelled()


def test_a_job_may_close_its_accelerator() -> None:
    acc = fa.Accelerator("cpu", threads=1)
    closing = acc.submit(acc.close)
    assert closing.result(PATIENCE) is None
    acc.close()


def test_no_thread_is_left(acc: fa.Accelerator) -> None:
    before = set(threading.enumerate())
    for _ in range(3):
        with fa.Accelerator("cpu", threads=3) as made:
            for job in [made.submit("compress", sizes.text(3 << 20)) for _ in range(6)]:
                job.result()
            assert set(threading.enumerate()) > before
        assert set(threading.enumerate()) == before


def test_a_callback_that_raises_takes_no_thread_away(one_thread: fa.Accelerator, gate: Gate, caplog: Any) -> None:
    def raises(_: Any) -> None:
        raise SystemExit("as told")

    def ends_itself() -> None:
        jobs[0].set_result("by somebody else")

    blocked(one_thread, gate).add_done_callback(raises)
    jobs = [one_thread.submit(len, b"12")]
    jobs.insert(0, one_thread.submit(ends_itself))
    gate.open()
    assert jobs[1].result(PATIENCE) == 2
    assert jobs[0].result() == "by somebody else"
    assert one_thread.submit(len, b"1").result(PATIENCE) == 1
    assert "its callback" in caplog.text


EXIT = """
    import sys, threading
    import fpga_accel as fa, lz4.frame

    device, form = sys.argv[1:]
    acc = fa.Accelerator(device, fallback="allow", threads=2)
    texts = [b"%d " % number * 1_200_000 for number in range(10)]

    def check(frame, number):
        # In one write.
        print("right\\n" if lz4.frame.decompress(frame) == texts[number] else "wrong\\n", end="", flush=True)

    def called_back(number):
        return lambda job: check(job.result(), number)

    def work():
        for number, text in enumerate(texts):
            acc.submit("compress", text).add_done_callback(called_back(number))

    if form == "thread":
        # It goes on to submit while the interpreter ends.
        threading.Thread(target=work).start()
    elif form == "stream":
        stream = acc.stream("compress", texts, 4)
        check(next(stream), 0)
    else:
        work()
"""


@pytest.mark.parametrize("form", ["jobs", "stream"])
def test_the_interpreter_ends_with_jobs_in_flight(backend: Any, form: str) -> None:
    out, err = children.run(EXIT, backend.id, form, FPGA_ACCEL_VERIFY="never")
    assert out.split() == ["right"] * (10 if form == "jobs" else 1)
    assert "Traceback" not in err


def test_the_interpreter_ends_while_a_thread_submits() -> None:
    """As with executors, what comes too late is a RuntimeError of the thread that submits."""
    out, err = children.run(EXIT, "cpu", "thread")
    assert set(out.split()) <= {"right"}
    assert err.count("Traceback") <= 1
    assert "Traceback" not in err or "RuntimeError" in err


FORK = """
    import os, signal, sys, threading
    import fpga_accel as fa

    acc = fa.Accelerator("cpu", threads=1)
    entered, leave = threading.Event(), threading.Event()

    def gate():
        entered.set()
        return leave.wait()

    running = acc.submit(gate)
    entered.wait()
    running.add_done_callback(lambda _: print("a callback of", "parent" if os.getpid() == parent else "child"))
    waiting = acc.submit("checksum", b"123456789")
    parent = os.getpid()
    sys.stdout.flush()
    locks = [acc._jobs._changed, running._condition, acc._executor._workers._lock]
    held = threading.Event()

    def hold():
        for lock in locks:
            lock.acquire()
        held.set()
        forked.wait()
        for lock in locks:
            lock.release()

    forked = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    pid = os.fork()
    if not pid:
        signal.alarm(60)
        for job in (running, waiting):
            try:
                job.result()
            except fa.ForkedContextError as error:
                print(error)
        print(hex(acc.submit("checksum", b"123456789").result()), bool(acc.submit("compress", bytes(8 << 20)).result()))
        acc.close()
        sys.stdout.flush()
        os._exit(0)
    forked.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    leave.set()
    print(running.result(), hex(waiting.result()))
    acc.close()
"""


def test_a_forked_child_has_threads_of_its_own_and_no_jobs_of_its_parent() -> None:
    out, err = children.run(FORK)
    lost = "this process was forked from one that had not finished the job"
    lines = [lost, lost, "0xe3069283 True", "a callback of parent", "True 0xe3069283"]
    assert sorted(out.splitlines()) == sorted(lines)
    assert err == ""


# ---- threads of the CPU path ----


class Crowd:
    """How many threads are in a library's call at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()
        monkeypatch.setattr(lz4_compress, "_library_frame", self._counted(lz4_compress._library_frame))
        monkeypatch.setattr(lz4_compress, "_only_block", self._counted(lz4_compress._only_block))

    def _counted(self, call: Callable[..., bytes]) -> Callable[..., bytes]:
        def counted(*args: Any) -> bytes:
            with self._lock:
                self._now += 1
                self.most = max(self.most, self._now)
            try:
                time.sleep(0.001)
                return call(*args)
            finally:
                with self._lock:
                    self._now -= 1

        return counted


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("device", ["cpu", "auto", FaultyDevice("run")])
def test_jobs_use_as_many_threads_as_the_cpu_path_has(
    monkeypatch: pytest.MonkeyPatch, threads: int, device: Any
) -> None:
    crowd = Crowd(monkeypatch)
    text = sizes.text(4 << 20)
    with fa.Accelerator(device, fallback="allow", threads=threads) as acc:
        calls: list[Any] = [("compress", text[:size]) for size in (100, 70_000)] * 10
        calls += [("compress_many", [text[:60_000]] * 20), ("compress", text)] * 3
        for job in [acc.submit(*call) for call in calls]:
            job.result()
    assert crowd.most == threads


def test_one_large_call_still_has_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd(monkeypatch)
    with fa.Accelerator("cpu", threads=3) as acc:
        assert lz4.frame.decompress(acc.submit("compress", bytes(8 << 20)).result()) == bytes(8 << 20)
        assert crowd.most == 3
        crowd.most = 0
        assert lz4.frame.decompress(acc.compress(bytes(8 << 20))) == bytes(8 << 20)
        assert crowd.most == 3


def test_workers_keep_the_order_and_raise_what_fails() -> None:
    with pytest.raises(ZeroDivisionError):
        Workers(3).map(lambda number: 1 // (number - 20), range(40))
    for count in (1, 2, 5):
        workers = Workers(count)
        assert workers.map(str, range(100)) == list(map(str, range(100)))
        assert workers.map(str, []) == []
        with pytest.raises(IndexError, match="as told"):
            workers.map(raise_index_error, range(4))
        # All turns are back.
        assert [workers._turns.acquire(blocking=False) for _ in range(count + 1)] == [True] * count + [False]
        workers.close()


def raise_index_error(_: int) -> None:
    raise IndexError("as told")


def test_workers_that_are_closed_meanwhile_still_end_their_work() -> None:
    workers = Workers(3)
    with ThreadPoolExecutor(4) as pool:
        mapped = [pool.submit(workers.map, str, range(50)) for _ in range(200)]
        for _ in range(50):
            workers.close()
        assert all(each.result() == list(map(str, range(50))) for each in mapped)
    workers.close()


def test_only_job_threads_take_turns() -> None:
    workers = Workers(1)
    with workers.turn(), workers.turn():
        pass
    with ThreadPoolExecutor(1, initializer=cpu.take_turns) as pool:
        assert pool.submit(lambda: workers.turn() is workers._turns).result()


def test_arrays_can_be_given_to_jobs(acc: fa.Accelerator) -> None:
    array = np.arange(10_000, dtype=np.uint32)
    job = acc.submit("checksum", array)
    assert job.result() == google_crc32c.value(array.tobytes())
