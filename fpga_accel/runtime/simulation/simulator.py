"""A simulation that is loaded: rows go in, results and clocks come back."""

from __future__ import annotations

import ctypes
import os
import queue
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from fpga_accel.errors import DeviceError, DeviceTimeoutError
from fpga_accel.runtime import forks
from fpga_accel.segments import address_of

# The layout of rtl_row in kernels/common/rtl_shim.cpp.
ROW = np.dtype(
    [
        ("src", "<u8"),
        ("dst", "<u8"),
        ("parameters", "<u8"),
        ("src_size", "<u4"),
        ("dst_capacity", "<u4"),
        ("flags", "<u4"),
        ("parameter_beats", "<u2"),
        ("extra", "<u2"),
        ("reserved", "<u4", (3,)),
        ("dst_size", "<u4"),
        ("status", "<i4"),
        ("cycles", "<u4"),
    ]
)
Rows = npt.NDArray[np.void]

# Clocks in which no beat goes in or out, after which a core hangs. The longest silence of a sound one is the clearing
# of a hash table or a long match, some thousands of clocks.
IDLE_CLOCKS = 200_000

_DONE, _IDLE, _DEADLINE, _WRONG_TAG, _WRONG_LENGTH = range(5)


class _Limits(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_double), ("idle_clocks", ctypes.c_uint64), ("stall_seed", ctypes.c_uint64))


class _Report(ctypes.Structure):
    _fields_ = (("cycles", ctypes.c_uint64), ("row", ctypes.c_uint32), ("end", ctypes.c_int32))


class Simulator(forks.Resettable):
    """Instances of a core. Thread-safe: each does a run at a time, and a run takes whichever is free.

    Parameters
    ----------
    content
        The shared object; whoever gives it has checked where it is from.
    device
        Id of the device, for errors.
    instances
        How many there are.
    """

    def __init__(self, content: bytes, device: str, instances: int = 1) -> None:
        super().__init__()
        self._device = device
        self.instances = instances
        # Random pauses of both streams where it is not 0.
        self.stall_seed = 0
        try:
            self._library = ctypes.CDLL(_placed(content))
        except OSError as error:
            raise DeviceError(f"the simulation does not load: {error}", device=device) from error
        self._library.rtl_open.restype = ctypes.c_void_p
        self._library.rtl_reset.argtypes = [ctypes.c_void_p]
        self._library.rtl_reset.restype = None
        self._library.rtl_run.argtypes = [
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_uint32,
            ctypes.POINTER(_Limits),
            ctypes.POINTER(_Report),
        ]
        self._library.rtl_run.restype = ctypes.c_int32
        self._library.rtl_engines.argtypes = [ctypes.c_void_p]
        self._library.rtl_engines.restype = ctypes.c_uint32
        self._handles = [self._opened() for _ in range(instances)]
        self._free = _queued(self._handles)
        # How many rows a core does beside each other.
        self.engines = int(self._library.rtl_engines(self._handles[0]))

    def _opened(self) -> ctypes.c_void_p:
        handle = self._library.rtl_open()
        if not handle:
            raise DeviceError("no memory for the simulation", device=self._device)
        return ctypes.c_void_p(handle)

    @contextmanager
    def _taken(self, seconds: float) -> Iterator[ctypes.c_void_p]:
        free = self._free
        try:
            handle = free.get(timeout=min(seconds, threading.TIMEOUT_MAX))
        except queue.Empty:
            raise DeviceTimeoutError("other launches held the core until the deadline", device=self._device) from None
        try:
            yield handle
        finally:
            free.put(handle)

    def run(self, rows: Rows, seconds: float, first: int = 0) -> int:
        """Run rows of dtype `ROW`, whose last fields are filled in; return the clocks it took.

        Parameters
        ----------
        rows
            Changed in place.
        seconds
            Until the deadline.
        first
            Number of the first row, for errors.

        Raises
        ------
        DeviceTimeoutError
            The core hangs, or the time was over; it is reset.
        DeviceError
            It answers what no core may; it is reset.
        """
        if not len(rows):
            return 0
        report, ends = _Report(), time.monotonic() + seconds
        with self._taken(seconds) as handle:
            limits = _Limits(max(0.0, ends - time.monotonic()), IDLE_CLOCKS, self.stall_seed)
            arguments = (ctypes.c_void_p(address_of(rows)), len(rows), ctypes.byref(limits), ctypes.byref(report))
            end = self._library.rtl_run(handle, *arguments)
            if end != _DONE:
                self._library.rtl_reset(handle)
        if end != _DONE:
            raise self._error(end, report, first, seconds)
        return int(report.cycles)

    def _error(self, end: int, report: _Report, first: int, seconds: float) -> DeviceError:
        where = f"row {first + report.row} after {report.cycles} clocks"
        if end == _IDLE:
            message = f"the core hangs in {where}: nothing went in or out for {IDLE_CLOCKS} clocks"
            return DeviceTimeoutError(message, device=self._device)
        if end == _DEADLINE:
            message = f"the core was at {where} when its {seconds:.3g} s were over"
            return DeviceTimeoutError(message, device=self._device)
        what = "answered another row" if end == _WRONG_TAG else "gave another number of bytes than its trailer says"
        return DeviceError(f"the core {what} in {where}", device=self._device)

    def reset_after_fork(self) -> None:
        """Free all instances: the child has them for itself, and starts them anew."""
        self._free = _queued(self._handles)
        for handle in self._handles:
            self._library.rtl_reset(handle)


def _queued(handles: list[ctypes.c_void_p]) -> queue.LifoQueue[ctypes.c_void_p]:
    # The one used last is warm in the cache, and holds its key.
    free: queue.LifoQueue[ctypes.c_void_p] = queue.LifoQueue()
    for handle in handles:
        free.put(handle)
    return free


def _placed(content: bytes) -> str:
    """Return a path that a shared object can be loaded from, which nobody else can write to.

    The loader knows libraries by their path, so each has a descriptor of its own, for as long as the process lives.
    """
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("fpga-accel-rtl", os.MFD_CLOEXEC)
    else:
        handle, path = tempfile.mkstemp(prefix="fpga-accel-rtl-", suffix=".so")
        os.unlink(path)
    with os.fdopen(handle, "wb", closefd=False) as file:
        file.write(content)
    return f"/proc/self/fd/{handle}"
