"""The CPU path: each operation's library, on a pool of threads where the library lets go of the GIL."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from fpga_accel.runtime import forks

A = TypeVar("A")
B = TypeVar("B")


def available_cores() -> int:
    """Return the cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Here(threading.local):
    """Whether the calling thread runs jobs."""

    takes_turns = False


_here = _Here()
_AT_ONCE = nullcontext()


def _taken(todo: deque[A]) -> Iterator[A]:
    """Yield what nobody else has taken yet."""
    while True:
        try:
            entry = todo.popleft()
        except IndexError:
            return
        yield entry


def take_turns() -> None:
    """Let the calling thread do CPU work in its turn only, from now on."""
    _here.takes_turns = True


class Workers(forks.Resettable):
    """Threads for work that releases the GIL; made at first use.

    There are `count` turns. A helper holds one while it works, and so does whoever shares work out to helpers. Threads
    that run jobs hold one for all CPU work, however small; other threads are their caller's own. Nobody waits for
    anything but a library and helpers while holding a turn, so that turns cannot deadlock with locks.
    """

    def __init__(self, count: int | None = None) -> None:
        super().__init__()
        self.count = count or available_cores()
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(self.count)
        self._pool: ThreadPoolExecutor | None = None

    def turn(self) -> AbstractContextManager[Any]:
        """Return what the calling thread has to hold around CPU work."""
        return self._turns if _here.takes_turns else _AT_ONCE

    def map(self, work: Callable[[A], B], inputs: Iterable[A]) -> list[B]:
        """Apply `work` to all inputs, in order, on the calling thread and on those of the others that have no work."""
        if self.count == 1:
            return [work(entry) for entry in inputs]
        with _AT_ONCE if _here.takes_turns else self._turns:
            return self._shared_out(work, list(inputs))

    def _shared_out(self, work: Callable[[A], B], entries: list[A]) -> list[B]:
        results: dict[int, B] = {}
        todo = deque(enumerate(entries))

        def take_part() -> None:
            for position, entry in _taken(todo):
                results[position] = work(entry)

        helpers = self._helpers(take_part, len(entries) - 1)
        try:
            take_part()
        finally:
            # Empty already, unless the work failed.
            todo.clear()
            wait(helpers)
        for helper in helpers:
            helper.result()
        return [results[position] for position in range(len(entries))]

    def _helpers(self, work: Callable[[], None], most: int) -> list[Future[None]]:
        """Let others do `work` too, as many as have no work now."""
        helpers: list[Future[None]] = []
        while len(helpers) < most and self._turns.acquire(blocking=False):
            try:
                helpers.append(self._executor().submit(self._help, work))
            except RuntimeError:
                # The interpreter is ending, or `close` came first.
                self._turns.release()
                break
        return helpers

    def _help(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            self._turns.release()

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="fpga-accel")
            return self._pool

    def close(self) -> None:
        """End the threads."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()

    def reset_after_fork(self) -> None:
        """Forget the parent's threads, which do not exist in a child."""
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(self.count)
        self._pool = None
