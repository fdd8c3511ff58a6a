"""The CPU path: each operation's library, on a pool of threads where the library lets go of the GIL."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fpga_accel.runtime import forks

A = TypeVar("A")
B = TypeVar("B")


def available_cores() -> int:
    """Return the cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers(forks.Resettable):
    """Threads for work that releases the GIL; made at first use."""

    def __init__(self, count: int | None = None) -> None:
        super().__init__()
        self.count = count or available_cores()
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def map(self, work: Callable[[A], B], inputs: Iterable[A]) -> list[B]:
        """Apply `work` to all inputs, in order; on the caller's thread where there is one core."""
        if self.count == 1:
            return [work(entry) for entry in inputs]
        return list(self._executor().map(work, inputs))

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
        self._pool = None
