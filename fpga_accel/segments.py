"""The segment table: the one thing that operations hand to backends.

The layouts are those of ``kernels/common/abi.h``; a test compiles that file and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, NamedTuple, Protocol

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

# The parameters of a row with a key, as in kernels/common/keyed.h.
RECORD = np.dtype(
    [
        ("key", "<u4"),
        ("key_size", "<u4"),
        ("nonce", "<u4"),
        ("nonce_size", "<u4"),
        ("aad", "<u4"),
        ("aad_size", "<u4"),
        ("position", "<u8"),
        ("total", "<u8"),
        ("reserved", "<u8"),
    ]
)

Table = npt.NDArray[np.void]
Bytes = npt.NDArray[np.uint8]

# A row's sizes are 32-bit; operations cut their work well below this.
MAX_ROW = 2**31

# ---- rows of RTL cores ----

# A core's head counts parameter beats in 8 bits.
MOST_PARAMETER_BEATS = 255
# Of the core that seals pages (kernels/chain/rtl.py): the largest page, and where the flags of a row hold FLG, BD and
# HC of the frame's header: above those of keyed rows, below bit 31, which is the core's.
MOST_PAGE = 64 << 10
FRAME_FLAGS_AT = (7, 15, 23)


class Status(IntEnum):
    """What a kernel says of one row (``STATUS_*`` in abi.h)."""

    NOT_RUN = -1
    OK = 0
    DST_TOO_SMALL = 1
    BAD_DATA = 2
    TRUNCATED = 3
    BAD_CHECKSUM = 4
    BAD_PARAM = 5


class Helpers(Protocol):
    """Threads of the caller's for copies."""

    count: int

    def map(self, work: Callable[[Any], Any], inputs: Iterable[Any], /) -> object:
        """Apply `work` to all inputs, on the calling thread and on those that have nothing else to do."""


# Nobody compares it, and it shows nothing, as params may hold keys. It is defined in a quarter of the time, for which
# the first call of every process waits; other internal classes are like it.
@dataclass(slots=True, eq=False, repr=False)
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
    keys
        Where params hold keys, None where they hold none: every copy of them is wiped afterwards.
    seconds
        How long it may take, None for no limit.
    workers
        Who helps with copies, None for the calling thread alone.
    """

    kernel: str
    entry: str
    table: Table
    params: Bytes
    keep: Any = None
    keys: slice | None = None
    seconds: float | None = None
    workers: Helpers | None = None
    # Not of a copy with another table.
    _nbytes: int | None = field(default=None, init=False)

    @property
    def nbytes(self) -> int:
        """Bytes the rows read."""
        if self._nbytes is None:
            self._nbytes = lib.fa_rows_bytes(rows_at(self.table), len(self.table))
        return self._nbytes


# ---- linked launches ----

# The kernel folder that joins the others.
LINKING = "chain"


class Space(Enum):
    """Memory that the rows of a linked launch point into."""

    INPUT = "input"
    SCRATCH = "scratch"
    OUTPUT = "output"
    # Those of another launch of the same sequence, for kernels that link.
    TABLE = "table"
    RESULTS = "results"
    PARAMS = "params"


class Place(NamedTuple):
    """A space; `step` says whose table, results or parameters."""

    space: Space
    step: int = 0


INPUT, SCRATCH, OUTPUT = Place(Space.INPUT), Place(Space.SCRATCH), Place(Space.OUTPUT)

Addresses = npt.NDArray[np.uint64]
# Where each item of a space starts: as for rows that are gathered, and so that no two empty ones are in one place.
ALIGNMENT = 64


def spread(sizes: Addresses) -> tuple[Addresses, int]:
    """Return aligned places for items of these sizes, one behind the other, and the bytes they take together."""
    rooms = (sizes | np.uint64(ALIGNMENT - 1)) + np.uint64(1)
    ends = np.cumsum(rooms, dtype=np.uint64)
    return ends - rooms, int(ends[-1]) if len(ends) else 0


@dataclass(slots=True, eq=False, repr=False)
class Scattered:
    """Items of host memory, seen by rows as one space in which they lie one behind the other.

    Attributes
    ----------
    addresses, sizes
        Where they are, and their bytes.
    starts, nbytes
        Their places in the space, and its size.
    """

    addresses: Addresses
    sizes: Addresses
    starts: Addresses
    nbytes: int

    @classmethod
    def of(cls, addresses: Addresses, sizes: Addresses) -> Scattered:
        """Lay items out."""
        return cls(addresses, sizes, *spread(sizes))

    def absolute(self, offsets: Addresses) -> Addresses:
        """Return the host addresses of places in the space."""
        items = np.searchsorted(self.starts, offsets, side="right") - 1
        return self.addresses[items] + (offsets - self.starts[items])


@dataclass(slots=True, eq=False, repr=False)
class Step:
    """One launch of a linked sequence.

    Parameters
    ----------
    kernel, entry
        Kernel folder and function.
    table
        Rows of dtype `SEGMENT`; ``src`` and ``dst`` are offsets in the places of that name.
    params
        Parameter bytes, or the place of another launch that the kernel reads instead.
    keys
        Where params hold keys, None where they hold none: every copy of them is wiped afterwards.
    """

    kernel: str
    entry: str
    table: Table
    params: Bytes | Place
    src: Place = INPUT
    dst: Place = SCRATCH
    keys: slice | None = None


@dataclass(slots=True, eq=False, repr=False)
class Linked:
    """Launches that run one behind the other on a device; what is in between stays there.

    Parameters
    ----------
    steps
        The launches. Tables may be filled in by earlier ones.
    inputs
        What `Space.INPUT` is.
    scratch
        Bytes of `Space.SCRATCH`, which starts with undefined content.
    outputs
        What `Space.OUTPUT` is: memory of the host, or so many bytes that `collect` is given.
    keep
        Owners of the memory of inputs and outputs, alive until the end.
    private
        Whether scratch memory is wiped at the end.
    then
        Given the results of every step, returns what goes on with the same scratch memory, None for nothing.
    collect
        Given the results of every step, an output of so many bytes, and whether it may keep that, takes what it needs.
    """

    steps: list[Step]
    inputs: Scattered
    scratch: int
    outputs: Scattered | int
    keep: Any = None
    private: bool = False
    then: Callable[[list[Table]], Linked | None] | None = None
    collect: Callable[[list[Table], Bytes, bool], None] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the inputs."""
        return int(self.inputs.sizes.sum())


class Span(NamedTuple):
    """What a device did when: ``"kernel"`` or ``"transfer"``, from `started` (``time.perf_counter()``) on.

    `device` is an id where a call runs on several, else "".
    """

    name: str
    started: float
    seconds: float
    device: str = ""


def address_of(array: npt.NDArray[Any]) -> int:
    """Return where an array's bytes are; ten times as fast as ``array.ctypes.data``.

    ``array.data`` would take as long for a table: numpy then spells out what its fields are.
    """
    return _objects.start_of(array)


def rows_at(table: Table) -> Any:
    """Return rows as the C library takes them."""
    return ffi.cast("segment_t *", address_of(table))


def words_at(values: Addresses) -> Any:
    """Return addresses or sizes as the C library takes them."""
    return ffi.cast("uint64_t *", address_of(values))


def copy_many(sources: Addresses, targets: Addresses, sizes: Addresses) -> None:
    """Copy `sizes` bytes from each host address to another."""
    lib.fa_copy_many(words_at(sources), words_at(targets), words_at(sizes), len(sizes))


def first_failed(results: Table) -> int | None:
    """Return the first row whose status is not OK."""
    pointer = ffi.cast("result_t *", address_of(results))
    row = lib.fa_rows_first_failed(pointer, len(results))
    return None if row < 0 else row


def first_impossible(table: Table, results: Table) -> int | None:
    """Return the first row that claims more than its room, or a status that no kernel ends with."""
    row = lib.fa_rows_first_impossible(rows_at(table), ffi.cast("result_t *", address_of(results)), len(results))
    return None if row < 0 else row


def new_table(count: int) -> Table:
    """Make a table of `count` rows, all zero."""
    return np.zeros(count, SEGMENT)


def new_results(count: int) -> Table:
    """Make `count` results that say "not run"."""
    results = np.zeros(count, RESULT)
    results["status"] = Status.NOT_RUN
    return results
