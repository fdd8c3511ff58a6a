"""The segment table: the one thing that operations hand to backends.

The layouts are those of ``kernels/common/abi.h``; a test compiles that file and compares.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fpga_accel import _objects
from fpga_accel._host import ffi, lib

ABI_VERSION = 1

SEGMENT = np.dtype(
    [
        ("src", "<u8"),
        ("dst", "<u8"),
        ("src_size", "<u4"),
        ("dst_capacity", "<u4"),
        ("param", "<u4"),
        ("flags", "<u4"),
    ]
)

RESULT = np.dtype([("dst_size", "<u4"), ("status", "<i4"), ("check", "<u8"), ("partial", "u1", (16,))])

Table = npt.NDArray[np.void]
Bytes = npt.NDArray[np.uint8]

# A row's sizes are 32-bit; operations cut their work well below this.
MAX_ROW = 2**31


class Status(IntEnum):
    """What a kernel says of one row (``STATUS_*`` in abi.h)."""

    NOT_RUN = -1
    OK = 0
    DST_TOO_SMALL = 1
    BAD_DATA = 2
    TRUNCATED = 3
    BAD_CHECKSUM = 4
    BAD_PARAM = 5


@dataclass(slots=True)
class Launch:
    """One kernel launch, told without reference to any runtime.

    Parameters
    ----------
    kernel, entry
        Kernel folder and function.
    table
        Rows of dtype `SEGMENT`; ``src`` and ``dst`` are host addresses.
    params
        Parameter bytes that the rows' ``param`` offsets point into.
    keep
        Owners of the memory the table points at, alive until the launch is done.
    secret
        True where params hold keys: every copy of them is wiped afterwards.
    seconds
        How long it may take, None for no limit.
    """

    kernel: str
    entry: str
    table: Table
    params: Bytes = field(repr=False)
    keep: Any = field(default=None, repr=False)
    secret: bool = False
    seconds: float | None = None

    @property
    def nbytes(self) -> int:
        """Bytes the rows read."""
        return int(self.table["src_size"].sum(dtype=np.uint64))


class Span(NamedTuple):
    """What a device did when: ``"kernel"`` or ``"transfer"``, from `started` (``time.perf_counter()``) on.

    `device` is an id where a call runs on several, else "".
    """

    name: str
    started: float
    seconds: float
    device: str = ""


def address_of(array: npt.NDArray[Any]) -> int:
    """Return where an array's bytes are; ten times as fast as ``array.ctypes.data``."""
    return _objects.address(array.data)[0]


def first_failed(results: Table) -> int | None:
    """Return the first row whose status is not OK."""
    pointer = ffi.cast("result_t *", address_of(results))
    row = lib.fa_rows_first_failed(pointer, len(results))
    return None if row < 0 else row


def first_impossible(table: Table, results: Table) -> int | None:
    """Return the first row that claims more than its room, or a status that no kernel ends with."""
    rows, found = ffi.cast("segment_t *", address_of(table)), ffi.cast("result_t *", address_of(results))
    row = lib.fa_rows_first_impossible(rows, found, len(results))
    return None if row < 0 else row


def new_table(count: int) -> Table:
    """Make a table of `count` rows, all zero."""
    return np.zeros(count, SEGMENT)


def new_results(count: int) -> Table:
    """Make `count` results that say "not run"."""
    results = np.zeros(count, RESULT)
    results["status"] = Status.NOT_RUN
    return results
