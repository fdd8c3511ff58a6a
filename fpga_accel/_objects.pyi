# host/objects.c and what it adds: arrays.c, arrow.c, direct.c, direct_many.c, frames.c, lease.c, loops.c, sectors.c
# and windows.c. Addresses are plain ints; the caller vouches for them.
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self, final, overload

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer

@final
class Keep:
    """Holds buffers, so that their addresses stay valid until release() or the end."""

    def release(self) -> None: ...
    def all_bytes(self) -> bool: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

def addresses_from_buffers(
    items: list[Any] | tuple[Any, ...],
    addresses: int,
    sizes: int,
    count: int | None = None,
    writable: bool = False,
    /,
) -> Keep: ...
@overload
def bytes_total(items: list[Any] | tuple[Any, ...], /) -> int: ...
@overload
def bytes_total(items: list[Any] | tuple[Any, ...], offsets: int, count: int, /) -> int: ...
def address(buffer: Buffer | npt.NDArray[Any], writable: bool = False, /) -> tuple[int, int, Keep]: ...
def start_of(buffer: Buffer | npt.NDArray[Any], /) -> int: ...
def new_bytes(size: int, /) -> tuple[bytes, int]: ...
def new_bytes_list(sizes: int, count: int, addresses: int, /) -> list[bytes]: ...
def bytes_list_from_column(address: int, offsets: int, count: int, /) -> list[bytes]: ...

@final
class ArrowColumn(Buffer):
    """A binary array of someone else's; its buffer is the data that its offsets count in."""

    offsets: int
    count: int
    width: int

def arrow_capsules(owner: object, count: int, offsets: int, data: int, /) -> tuple[Any, Any]: ...
def arrow_column(schema: Any, array: Any, /) -> ArrowColumn: ...

@final
class Lease(Buffer):
    """A buffer of memory on loan; `owner.release()` is called when nobody holds it."""

    def __new__(cls, owner: Any, address: int, size: int, /) -> Self: ...

@final
class Window(Buffer):
    """The item that a loop over Windows is at."""

    def __len__(self) -> int: ...

@final
class Windows:
    """The items of a column, to loop over: each the same object as the one before where nobody has kept that."""

    def __new__(
        cls, buffer: Buffer | npt.NDArray[Any], offsets: npt.NDArray[Any], writable: bool = False, /
    ) -> Self: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Window: ...
    def __iter__(self) -> Iterator[Window]: ...

@final
class Tally:
    """Counts of the calls of any number of `Direct` objects."""

    calls: int
    items: int
    bytes_in: int
    bytes_out: int
    # True: Direct objects do nothing.
    paused: bool

@final
class Last:
    """What one thread did last; `Direct` objects write to it."""

    # True: the thread takes turns, and Direct objects do nothing in it.
    waits: bool
    # What was set, or the record of a later call of a `Direct`.
    value: Any

@final
class Direct:
    """A library's call for one small item, counted and timed."""

    def __new__(
        cls,
        tally: Tally,
        local: Any,
        operation: object,
        reason: object,
        call: Callable[..., Any],
        position: int,
        limit: int,
        number_size: int = 0,
        target: int = -1,
        other: Callable[..., Any] = ...,
        /,
    ) -> Self: ...
    def run(self, *arguments: Any) -> Any: ...
    def bound(self, *arguments: Any, **named: Any) -> Any: ...
    def bound_into(self, *arguments: Any, **named: Any) -> Any: ...

@final
class Epoch:
    """How long the answers of gates hold."""

    now: int

@final
class DirectMany:
    """A library's loops over a list and over a batch of items, counted and timed."""

    def __new__(
        cls,
        tally: Tally,
        local: Any,
        operation: object,
        reason: object,
        call: Callable[..., Any],
        batch_type: type,
        batch_call: Callable[..., Any],
        gate: Callable[[Any, int, int], int],
        epoch: Epoch,
        other: Callable[..., Any],
        small: int,
        each: int,
        most: int,
        number_size: int,
        /,
    ) -> Self: ...
    def run(self, items: Any, *arguments: Any) -> Any: ...

def column_offsets(sizes: npt.NDArray[Any], offsets: npt.NDArray[Any], /) -> int: ...
def column_grown(offsets: npt.NDArray[Any], change: int, grown: npt.NDArray[Any], /) -> int: ...
def column_spans(
    address: int, offsets: npt.NDArray[Any], addresses: npt.NDArray[Any], sizes: npt.NDArray[Any], /
) -> None: ...

@final
class WholeStreams:
    """The contents of items that are one stream each, by a decoder of its own for each."""

    def __new__(
        cls,
        decoder_type: Callable[[Any], Any],
        flag: object,
        items: Iterable[Any],
        tail: bytes,
        other: Callable[[Any, bytes, int], bytes | None] | None = None,
        /,
    ) -> Self: ...
    def __iter__(self) -> Iterator[bytes]: ...
    def __next__(self) -> bytes: ...

def numbers_from(results: Iterable[int], numbers: npt.NDArray[Any], /) -> None: ...
def column_from(
    results: Iterable[bytes],
    out: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    first: bytes | None = None,
    /,
) -> list[bytes]: ...
def sizes_same(sizes: npt.NDArray[Any], others: npt.NDArray[Any], /) -> bool: ...
def sizes_largest(sizes: npt.NDArray[Any], /) -> int: ...
def sizes_padded(sizes: npt.NDArray[Any], /) -> int: ...
def lz4_plain_size(frame: object, /) -> int: ...
def lz4_plain_most(frame: object, /) -> int: ...
def lz4_plain_ends(frames: object, most: int, /) -> list[int] | None: ...
def lz4_all_plain(frames: Iterable[object], most: int, /) -> bool: ...
def snappy_plain_size(stream: object, /) -> int: ...
def snappy_all_plain(streams: Iterable[object], most: int, /) -> bool: ...
def bgzf_plain_size(data: object, /) -> int: ...
def gzip_all_plain(items: Iterable[object], most: int, /) -> bool: ...
def zlib_all_plain(items: Iterable[object], most: int, /) -> bool: ...
def bgzf_all_plain(items: Iterable[object], most: int, /) -> bool: ...
def xts_numbers(first: int, skip: int, count: int, numbers: int, /) -> None: ...
def xts_combine(text: int, firsts: int, units: int, unit: int, result: int, /) -> None: ...
def zstd_plain_most(frame: object, /) -> int: ...
def zstd_all_plain(frames: Iterable[object], most: int, /) -> bool: ...
