"""A warm pool of page-aligned host memory.

First touch of fresh memory can cost 10 µs a page in virtual machines, so slabs are kept and reused.
"""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fpga_accel import _objects
from fpga_accel._host import ffi, lib
from fpga_accel.errors import DeviceTimeoutError
from fpga_accel.runtime import forks
from fpga_accel.segments import Bytes, address_of

PAGE = 4096
# Slabs kept when nobody uses them, in bytes; those unused for longest go back to the system.
KEEP_LIMIT = 256 << 20
# Slabs of more bytes come in eighths of a power of two.
_FINE_FROM = 4 << 20
# How far behind the start of a page files are read to.
_FILE_OFFSET = 512


class Lender(Protocol):
    """Whose memory slabs are."""

    def give_back(self, slab: Slab) -> None:
        """Take a slab back."""


class Slab:
    """Memory on loan, page-aligned where it is of the pool; give it back by ``with`` or `release`.

    Attributes
    ----------
    address : int
        Host address.
    size : int
        Usable bytes.
    array : numpy.ndarray
        The bytes.
    wrapped : dict
        What runtimes made of this memory, by their own keys, so that they make it once. Each is told to ``release``
        before the memory goes.
    returned : int
        The larger, the later it came back to the pool.
    """

    __slots__ = ("_pool", "address", "array", "returned", "secret", "size", "wrapped")

    def __init__(self, pool: Lender, address: int, size: int) -> None:
        self._pool = pool
        self.address = address
        self.size = size
        self.secret = False
        self.returned = 0
        self.wrapped: dict[int, Any] = {}
        view = np.frombuffer(ffi.buffer(ffi.cast("char *", address), size), np.uint8)
        self.array: Bytes = view

    def release(self) -> None:
        """Return the memory, wiped first where it held secrets."""
        if self.secret:
            wipe(self.address, self.size)
            self.secret = False
        self._pool.give_back(self)

    def __enter__(self) -> Slab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A device that was given up on may still write here, so the memory is never handed out again.
        given_up = not isinstance(error, Exception | None)
        if isinstance(error, DeviceTimeoutError):
            given_up = error.buffers_in_use
        if not given_up:
            self.release()


def size_class(size: int) -> int:
    """Return the bytes of the slab that serves `size`: powers of two from one page up, larger ones in eighths.

    Else what is just above a power of two would keep twice its size, and so push other slabs out.
    """
    if size <= PAGE:
        return PAGE
    rounded = 1 << (size - 1).bit_length()
    if rounded <= _FINE_FROM:
        return rounded
    step = rounded >> 3
    return -(-size // step) * step


class PagePool(forks.Resettable):
    """Slabs by size class."""

    def __init__(self, keep_limit: int = KEEP_LIMIT) -> None:
        super().__init__()
        self._keep_limit = keep_limit
        self._free: defaultdict[int, list[Slab]] = defaultdict(list)
        self._lent: dict[int, Slab] = {}
        self._kept = 0
        self._returns = itertools.count()
        # The collector may give a slab back in the middle of any step of the thread that holds it.
        self._lock = threading.RLock()

    def take(self, size: int) -> Slab:
        """Lend a slab of at least `size` bytes; its content is undefined."""
        rounded = size_class(size)
        with self._lock:
            free = self._free[rounded]
            if free:
                self._kept -= rounded
                slab = free.pop()
                self._lent[slab.address] = slab
                return slab
        address = int(ffi.cast("uintptr_t", lib.fa_pages_alloc(rounded)))
        if not address:
            raise MemoryError(f"no memory for a slab of {rounded} bytes")
        slab = self._lent[address] = Slab(self, address, rounded)
        return slab

    def lent_at(self, address: int) -> Slab | None:
        """Return the slab on loan that starts at an address."""
        return self._lent.get(address)

    def array(self, count: int, dtype: npt.DTypeLike = np.uint8) -> Any:
        """Return an array of undefined content in warm memory, which comes back when the array is gone.

        For tables of many rows: fresh memory of that size is page faults at every call.
        """
        slab = self.take(count if dtype is np.uint8 else count * np.dtype(dtype).itemsize)
        memory: Any = _objects.Lease(slab, slab.address, slab.size)
        return np.ndarray(count, dtype, memory)

    def forsake(self, address: int) -> None:
        """Never use or free the slab on loan at an address again: a device may still write there."""
        with self._lock:
            self._lent.pop(address, None)

    def give_back(self, slab: Slab) -> None:
        """Take a slab back that is on loan; a surplus is returned to the system."""
        size = slab.size
        with self._lock:
            if self._lent.pop(slab.address, None) is None:
                return
            if size > self._keep_limit:
                surplus = [slab]
            else:
                slab.returned = next(self._returns)
                self._free[size].append(slab)
                self._kept += size
                if self._kept <= self._keep_limit:
                    return
                surplus = self._surplus()
        for each in surplus:
            _free_slab(each)

    def _surplus(self) -> list[Slab]:
        """Take out those that nobody has used for longest, until the others are within the limit."""
        found: list[Slab] = []
        while self._kept > self._keep_limit and (classes := [slabs for slabs in list(self._free.values()) if slabs]):
            slab = min(classes, key=lambda slabs: slabs[0].returned).pop(0)
            self._kept -= slab.size
            found.append(slab)
        return found

    def trim(self) -> None:
        """Return every idle slab to the system."""
        with self._lock:
            free, self._free = self._free, defaultdict(list)
            self._kept = 0
        for slab in itertools.chain.from_iterable(free.values()):
            _free_slab(slab)

    def idle(self) -> list[Slab]:
        """List the slabs nobody uses, for tests of key hygiene."""
        with self._lock:
            return [slab for free in self._free.values() for slab in free]

    def reset_after_fork(self) -> None:
        """Make a fresh lock: another thread may have held it at the fork."""
        self._lock = threading.RLock()


def _free_slab(slab: Slab) -> None:
    # Not only forgotten: a kernel object may hold one that it was given last.
    for wrapped in slab.wrapped.values():
        wrapped.release()
    slab.wrapped.clear()
    lib.fa_pages_free(ffi.cast("void *", slab.address), slab.size)


def wipe(address: int, size: int) -> None:
    """Zero memory in a way that the compiler cannot drop."""
    lib.fa_wipe(ffi.cast("void *", address), size)


POOL = PagePool()


def file_buffer(size: int) -> memoryview:
    """Return memory to read files into.

    The system copies them from pages with ``rep movsb``. AMD's Zen 3 takes four times as long for that where the target
    lies less than 32 bytes behind the source's place in a page, as the content of a large `bytearray` does (16), and
    some of its kin where both are the same (glibc bug 30994).
    """
    return memoryview(POOL.array(_FILE_OFFSET + size)[_FILE_OFFSET:])


def pooled(array: Any, *, secret: bool = False) -> Any:
    """Return an array of the page pool as it is, or another one in a copy there, wiped when it is gone."""
    if POOL.lent_at(address_of(array)) is not None:
        return array
    copy = POOL.array(max(array.nbytes, 1))[: array.nbytes]
    copy[:] = array.view(np.uint8)
    slab = POOL.lent_at(address_of(copy))
    assert slab is not None
    slab.secret = secret
    return copy.view(array.dtype)
