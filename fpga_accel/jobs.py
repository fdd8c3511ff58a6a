"""Asynchronous calls: jobs, the queue they wait in, the threads that run them, and streams of them.

A job is one call on another thread. Its arguments are not copied: buffers among them are held, so that they cannot be
resized, until the job is done.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any

from fpga_accel.backends import cpu
from fpga_accel.errors import ForkedContextError
from fpga_accel.operations.buffers import Items
from fpga_accel.receipts import Ledger, Receipt
from fpga_accel.runtime import forks

log = logging.getLogger(__name__)

# Jobs that wait before `submit` blocks. Enough for every thread to find the next one, few enough that what they hold
# stays small next to the memory of a machine.
QUEUE_DEPTH = 64
# Job threads besides those of the CPU path: while one launch runs, the next waits behind it, and the CPU path keeps its
# threads. On CPU runtimes, whose work fills the cores anyway, 0, 2 and 6 make no difference that shows.
DEVICE_WAITERS = 2


class Job(Future[Any]):
    """What `Accelerator.submit` returns: a `concurrent.futures.Future` with a receipt, which can also be awaited.

    ``cancel()`` works until a thread has taken the job. Awaiting it works in any event loop; a task that is cancelled
    while it awaits a job cancels the job, if that has not started.

    Examples
    --------
    >>> from fpga_accel import Accelerator
    >>> with Accelerator("cpu") as acc:
    ...     job = acc.submit("checksum", b"123456789")
    ...     print(hex(job.result()), job.receipt.backend)
    0xe3069283 cpu
    """

    def __init__(self, jobs: Jobs, call: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> None:
        super().__init__()
        self._jobs: Jobs | None = jobs
        self._call: Callable[[], Any] | None = partial(call, *args, **options)
        self._held = [held for each in (*args, *options.values()) if (held := _hold(each)) is not None]
        self._submitted = time.perf_counter()
        self._filed: Callable[[], Receipt] | None = None

    @property
    def receipt(self) -> Receipt | None:
        """The receipt of the call, of the last one where a callable made several; None until the job is done.

        A call that failed has one too, unless it was refused before it began.
        """
        return self._filed and self._filed()

    def cancel(self) -> bool:
        """Cancel the job if it has not started; return whether it is cancelled."""
        jobs = self._jobs
        if jobs is None or not jobs.withdraw(self):
            # A thread has it, or had it.
            return super().cancel()
        self._release()
        super().cancel()
        # What a thread does with a job that it finds cancelled: wake those who wait for it.
        self.set_running_or_notify_cancel()
        return True

    def __await__(self) -> Generator[Any, None, Any]:
        import asyncio

        return asyncio.wrap_future(self).__await__()

    def _run(self, ledger: Ledger) -> None:
        """Make the call on the calling thread, unless the job was cancelled."""
        call = self._call
        if not self.set_running_or_notify_cancel() or call is None:
            self._release()
            return
        ledger.begin_job(time.perf_counter() - self._submitted)
        try:
            result = call()
        except BaseException as error:
            self._filed = ledger.end_job()
            del call
            self._release()
            self.set_exception(_without_locals(error))
        else:
            self._filed = ledger.end_job()
            del call
            self._release()
            self.set_result(result)

    def _release(self) -> None:
        """Let go of the arguments, and of the queue with its threads."""
        self._call = self._jobs = None
        self._held.clear()

    def _abandon(self) -> None:
        """Fail in a forked child, where the thread that would end it does not exist."""
        self._release()
        # Another thread may have held the lock, and whoever is to be called back is the parent's.
        self._condition = threading.Condition()
        self._waiters: list[Any] = []
        self._done_callbacks: list[Any] = []
        with suppress(InvalidStateError):
            self.set_exception(ForkedContextError("this process was forked from one that had not finished the job"))


class Jobs(forks.Resettable):
    """The jobs of one Accelerator. Threads are made with the first ones and sleep when there are none.

    Parameters
    ----------
    ledger
        Where the calls of jobs are filed.
    threads
        Jobs that run at once.
    depth
        Jobs that may wait.
    """

    def __init__(self, ledger: Ledger, threads: int, depth: int) -> None:
        super().__init__()
        self._ledger = ledger
        self._threads = threads
        self._depth = depth
        # Its lock can be taken twice by one thread, as a garbage collection within may end a stream, which cancels.
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._running: set[Job] = set()
        # Threads that take jobs until there are none.
        self._taking = 0
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False

    def put(self, job: Job, *, bounded: bool = True) -> None:
        """Queue a job; where it is `bounded`, wait until there is room, but never on a job thread.

        Raises
        ------
        RuntimeError
            `close` was called, or the interpreter is ending.
        """
        with self._changed:
            while bounded and not self._closed and len(self._waiting) >= self._depth and _here.job is None:
                self._changed.wait()
            if self._closed:
                raise RuntimeError("the Accelerator is closed, so it takes no more jobs")
            self._waiting.append(job)
            if self._taking < self._threads:
                self._wake_thread()

    def _wake_thread(self) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, "fpga-accel-job", initializer=cpu.take_turns)
        self._taking += 1
        try:
            self._pool.submit(self._take)
        except RuntimeError:
            # The interpreter is ending. Threads that work still take what there is.
            self._taking -= 1
            if not self._taking:
                self._waiting.pop()
                raise

    def _take(self) -> None:
        job = self._next(None)
        while job is not None:
            _here.job = job
            try:
                job._run(self._ledger)
            except BaseException:
                log.critical("somebody else has ended a job, or its callback ended the thread", exc_info=True)
            _here.job = None
            job = self._next(job)

    def _next(self, done: Job | None) -> Job | None:
        with self._changed:
            if done is not None:
                self._running.discard(done)
            if not self._waiting:
                self._taking -= 1
                return None
            job = self._waiting.popleft()
            self._running.add(job)
            self._changed.notify()
            return job

    def withdraw(self, job: Job) -> bool:
        """Take a job out of the queue; False where it is not there."""
        with self._changed:
            try:
                self._waiting.remove(job)
            except ValueError:
                return False
            self._changed.notify()
            return True

    def close(self, *, cancel: bool = False) -> None:
        """Take no more jobs, cancel or finish those that wait, and end the threads; a job thread waits for none."""
        with self._changed:
            self._closed = True
            waiting = list(self._waiting) if cancel else []
            self._changed.notify_all()
        for job in waiting:
            job.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=_here.job is None)

    def reset_after_fork(self) -> None:
        """Forget the parent's threads; jobs that they had not finished fail, but for one that forked."""
        forking = {job for job in self._running if job is _here.job}
        lost = [*(self._running - forking), *self._waiting]
        self._changed = threading.Condition()
        self._running = forking
        self._taking = len(forking)
        self._waiting.clear()
        self._pool = None
        for job in lost:
            job._abandon()


class _Here(threading.local):
    """The job that the calling thread runs."""

    job: Job | None = None


_here = _Here()


# ---- streams ----

Submit = Callable[[Any], Future[Any]]
Inputs = Iterable[Any] | AsyncIterable[Any]


def stream(submit: Submit, inputs: Iterable[Any], in_flight: int) -> Generator[Any, None, None]:
    """Yield the result of a job an input, in order, with `in_flight` of them under way."""
    jobs = _jobs_of(submit, inputs)
    under_way: deque[Future[Any]] = deque()
    try:
        while True:
            under_way.extend(islice(jobs, in_flight - len(under_way)))
            if not under_way:
                return
            under_way[0].exception()
            yield under_way.popleft().result()
    finally:
        _cancel(under_way)
        # A garbage collection may end a stream on any thread, also on one that runs a job of it.
        if _here.job is None:
            wait(under_way)


async def astream(
    submit: Submit, inputs: Iterable[Any] | AsyncIterable[Any], in_flight: int
) -> AsyncGenerator[Any, None]:
    """Yield as `stream` does; `inputs` may be asynchronous."""
    import asyncio

    jobs = _async_jobs_of(submit, inputs)
    under_way: deque[Future[Any]] = deque()
    try:
        while True:
            with suppress(StopAsyncIteration):
                while len(under_way) < in_flight:
                    under_way.append(await anext(jobs))
            if not under_way:
                return
            if not under_way[0].done():
                await asyncio.gather(asyncio.wrap_future(under_way[0]), return_exceptions=True)
            yield under_way.popleft().result()
    finally:
        _cancel(under_way)
        await asyncio.gather(*map(asyncio.wrap_future, under_way), return_exceptions=True)
        await jobs.aclose()


def _jobs_of(submit: Submit, inputs: Iterable[Any]) -> Iterator[Future[Any]]:
    """Yield a job an input; inputs that raise end in a job that failed so."""
    try:
        # Not a loop: its variable would hold the last input.
        yield from map(submit, inputs)
    except Exception as error:
        yield _failed(error)


async def _async_jobs_of(
    submit: Submit, inputs: Iterable[Any] | AsyncIterable[Any]
) -> AsyncGenerator[Future[Any], None]:
    if not isinstance(inputs, AsyncIterable):
        for job in _jobs_of(submit, inputs):
            yield job
        return
    try:
        async for data in inputs:
            job = submit(data)
            del data
            yield job
    except Exception as error:
        yield _failed(error)


def _failed(error: Exception) -> Future[Any]:
    failed: Future[Any] = Future()
    failed.set_exception(error)
    return failed


def _cancel(jobs: Iterable[Future[Any]]) -> None:
    for job in jobs:
        job.cancel()


# ---- arguments ----


def _hold(argument: Any) -> Any:
    """Take hold of a buffer, or of a list of buffers, so that nobody can resize them; None for what is neither.

    What is wrong with an argument is for the call to say.
    """
    if argument is None or isinstance(argument, bytes | str | int):
        return None
    try:
        return Items.of(argument).keep if isinstance(argument, list | tuple) else memoryview(argument)
    except (TypeError, ValueError, BufferError):
        return None


def _without_locals(error: BaseException) -> BaseException:
    """Return an error whose traceback holds nothing but lines: the variables of its frames would hold the data."""
    chain: list[BaseException | None] = [error]
    seen: set[int] = set()
    while chain:
        each = chain.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        traceback.clear_frames(each.__traceback__)
        chain += (each.__cause__, each.__context__)
    # Without the frame that runs the job, which holds it.
    return error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
