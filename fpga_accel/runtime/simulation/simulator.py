"""A simulation that is loaded: rows go in, results and clocks come back."""

from __future__ import annotations

import ctypes
import os
import tempfile
import threading
import time
from dataclasses import dataclass

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


@dataclass(slots=True)
class Clocks:
    """What a simulation has done so far."""

    cycles: int = 0
    nbytes: int = 0


class Simulator(forks.Resettable):
    """One instance of a core. Thread-safe: runs take turns.

    Parameters
    ----------
    content
        The shared object; whoever gives it has checked where it is from.
    device
        Id of the device, for errors.
    """

    def __init__(self, content: bytes, device: str) -> None:
        super().__init__()
        self._device = device
        self._turn = threading.Lock()
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
        handle = self._library.rtl_open()
        if not handle:
            raise DeviceError("no memory for the simulation", device=device)
        self._handle = ctypes.c_void_p(handle)

    def run(self, rows: Rows, seconds: float) -> int:
        """Run rows of dtype `ROW`, whose last fields are filled in; return the clocks it took.

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
        if not self._turn.acquire(timeout=min(seconds, threading.TIMEOUT_MAX)):
            raise DeviceTimeoutError("other launches held the core until the deadline", device=self._device)
        try:
            limits = _Limits(max(0.0, ends - time.monotonic()), IDLE_CLOCKS, self.stall_seed)
            arguments = (ctypes.c_void_p(address_of(rows)), len(rows), ctypes.byref(limits), ctypes.byref(report))
            end = self._library.rtl_run(self._handle, *arguments)
            if end != _DONE:
                self._library.rtl_reset(self._handle)
        finally:
            self._turn.release()
        if end != _DONE:
            raise self._error(end, report, len(rows), seconds)
        return int(report.cycles)

    def _error(self, end: int, report: _Report, count: int, seconds: float) -> DeviceError:
        where = f"row {report.row} of {count} after {report.cycles} clocks"
        if end == _IDLE:
            message = f"the core hangs in {where}: nothing went in or out for {IDLE_CLOCKS} clocks"
            return DeviceTimeoutError(message, device=self._device)
        if end == _DEADLINE:
            message = f"the core was at {where} when its {seconds:.3g} s were over"
            return DeviceTimeoutError(message, device=self._device)
        what = "answered another row" if end == _WRONG_TAG else "gave another number of bytes than its trailer says"
        return DeviceError(f"the core {what} in {where}", device=self._device)

    def reset_after_fork(self) -> None:
        """Make a fresh lock; the child has the instance for itself, and starts it anew."""
        self._turn = threading.Lock()
        self._library.rtl_reset(self._handle)


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
