"""Callers' buffers: how they come in (`flat`, `Items`) and where device results go (`Sink`)."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fpga_accel import _objects
from fpga_accel._host import ffi, lib
from fpga_accel.errors import BufferTooSmallError
from fpga_accel.runtime.buffers import POOL, wipe
from fpga_accel.segments import address_of

log = logging.getLogger(__name__)

# What is left beside the likely room of results, as a share of it, and how much is taken for likely.
_SPARE = 16
_MOST_LIKELY = 32 << 20

Sizes = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]
Column = tuple[npt.NDArray[np.uint8], Offsets]
Flat = bytes | memoryview


def flat(data: Any, name: str = "data") -> Flat:
    """Return a buffer as `bytes` or as a one-dimensional view of its bytes, without a copy.

    Raises
    ------
    TypeError
        `data` is a `str` or no buffer.
    BufferError
        `data` is not C-contiguous.
    """
    if type(data) is bytes:
        return data
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"{name} must be a bytes-like object, not {type(data).__name__}") from None
    if view.ndim == 1 and view.format == "B" and view.contiguous:
        return view
    if not view.c_contiguous:
        raise BufferError(f"{name} is not C-contiguous; copy it first")
    if view.format == "O":
        raise TypeError(f"{name} holds Python objects, which have no bytes to work on")
    if not view.nbytes:
        return b""
    return _bytes_of(view)


def _bytes_of(view: memoryview) -> memoryview:
    try:
        return view.cast("B")
    except (TypeError, ValueError):
        # Formats that memoryview does not know, such as numpy records.
        return np.frombuffer(view, np.uint8).data


def flat_writable(out: Any) -> memoryview:
    """Return a writable buffer as a view of its bytes.

    Raises
    ------
    TypeError, BufferError
        `out` is no writable C-contiguous buffer.
    """
    view = out if type(out) is memoryview else memoryview(out)
    if view.readonly:
        raise TypeError(f"the output buffer must be writable, {type(out).__name__} is not")
    if view.ndim == 1 and view.format == "B" and view.contiguous:
        return view
    found = flat(view, "the output buffer")
    return found if isinstance(found, memoryview) else memoryview(bytearray())


def memory(address: int, size: int) -> memoryview:
    """Return a writable view of host memory; the caller keeps its owner alive."""
    if not size:
        return memoryview(bytearray())
    return memoryview(ffi.buffer(ffi.cast("char *", address), size)).cast("B")


# Larger results are new memory of the system's each time, of which `made` asks for huge pages: 1.7 times as fast as the
# libraries' own; smaller ones are warm memory of the heap there.
NEW_MEMORY = 32 << 20


def made(size: int, write: Callable[[memoryview], object]) -> bytes:
    """Return `size` fresh bytes that `write` fills."""
    result, address = _objects.new_bytes(size)
    write(memory(address, size))
    return result


@dataclass(slots=True, eq=False, repr=False)
class Items:
    """Input buffers and where they lie.

    Attributes
    ----------
    addresses, sizes : numpy.ndarray of uint64
        One entry a buffer.
    keep
        Holds the buffers in place.
    """

    addresses: Sizes
    sizes: Sizes
    keep: Any

    @classmethod
    def of(cls, buffers: Sequence[Any]) -> Items:
        """Look at a list of C-contiguous buffers.

        Raises
        ------
        TypeError
            An item is a `str` or no buffer.
        BufferError
            An item is not contiguous.
        """
        listed = buffers if isinstance(buffers, list | tuple) else tuple(buffers)
        count = len(listed)
        addresses, sizes = np.empty(count, np.uint64), np.empty(count, np.uint64)
        keep = _objects.addresses_from_buffers(listed, address_of(addresses), address_of(sizes), count)
        return cls(addresses, sizes, keep)

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def nbytes(self) -> int:
        """Bytes over all items."""
        return int(self.sizes.sum())

    def view(self, index: int) -> memoryview:
        """Return one item's bytes, without a copy."""
        return memory(int(self.addresses[index]), int(self.sizes[index])).toreadonly()

    def picked(self, indices: Sequence[int] | slice) -> Items:
        """Return some of the items."""
        return Items(self.addresses[indices], self.sizes[indices], self.keep)


class Sink(ABC):
    """Where a device's results go."""

    # Whether memory that results lie in can become theirs.
    adopts: ClassVar[bool] = False

    @abstractmethod
    def allocate(self, sizes: Sizes, first: int = 0) -> Sizes:
        """Make room for the results of item `first` and those behind it; return their addresses."""

    def adopt(self, data: npt.NDArray[np.uint8], sizes: Sizes) -> Sizes | None:
        """Take over memory that results of these sizes lie in, one behind the other, if they are all there are.

        Returns
        -------
        numpy.ndarray or None
            Their addresses; None where they have to be copied.
        """
        return None

    @abstractmethod
    def put(self, index: int, data: Flat) -> None:
        """Take one result that exists already."""

    @abstractmethod
    def view(self, index: int) -> Flat:
        """Return one result as it is now, without a copy."""

    @abstractmethod
    def discard(self, index: int) -> None:
        """Wipe what was written for an item whose result must not be released."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes of all results."""


class BytesSink(Sink):
    """Results as fresh `bytes`."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._values: list[Any] | None = None
        self._addresses: Sizes = np.zeros(count, np.uint64)
        self._sizes: Sizes = np.zeros(count, np.uint64)

    @property
    def values(self) -> list[Any]:
        """The results, in order; b"" where there is none yet."""
        if self._values is None:
            self._values = [b""] * self._count
        return self._values

    def allocate(self, sizes: Sizes, first: int = 0) -> Sizes:
        end = first + len(sizes)
        self._sizes[first:end] = sizes
        addresses = self._addresses[first:end]
        made = _objects.new_bytes_list(address_of(self._sizes[first:end]), len(sizes), address_of(addresses))
        if len(made) == self._count:
            self._values = made
        else:
            self.values[first:end] = made
        return addresses

    def put(self, index: int, data: Flat) -> None:
        self.values[index] = bytes(data)
        self._addresses[index] = 0
        self._sizes[index] = len(data)

    @property
    def nbytes(self) -> int:
        return int(self._sizes.sum())

    def view(self, index: int) -> Flat:
        result: bytes = self.values[index]
        return result

    def discard(self, index: int) -> None:
        if self._addresses[index]:
            wipe(int(self._addresses[index]), int(self._sizes[index]))
        self._sizes[index] = 0


_NONE: Sizes = np.zeros(0, np.uint64)
# Results that come in parts, and are likely to be more than this together, are moved together at the end.
_LARGEST_RUN = 1 << 30


class ColumnSink(Sink):
    """Results behind each other in one warm buffer.

    Where the sizes of all are known beforehand, or are allocated at once, or part by part in order, results are written
    where they stay. What then turns out otherwise is moved together at the end.

    Parameters
    ----------
    count
        How many there are.
    sizes
        Theirs, None where nobody knows.
    inputs
        The sizes of what they are made of.
    """

    adopts = True

    def __init__(self, count: int, sizes: Sizes | None = None, inputs: Sizes | None = None) -> None:
        self._count = count
        self._inputs = inputs
        # The buffer and the offsets where all results have it in common, and owners of what is elsewhere.
        self._whole: Column | None = None
        self._keep: list[Any] = []
        # A buffer that the results so far lie in, behind each other: its bytes in use, and how many they are. None once
        # one of them is elsewhere.
        self._run: npt.NDArray[np.uint8] | None = None
        self._run_end = self._run_items = 0
        self._addresses: Sizes = _NONE
        self._sizes: Sizes = _NONE
        if sizes is not None:
            self._lay_out(sizes)

    def _lay_out(self, sizes: Sizes) -> None:
        offsets = offsets_of(sizes)
        data = POOL.array(int(offsets[-1]))
        self._whole = data, offsets
        self._addresses, self._sizes = spans(offsets, address_of(data))

    def allocate(self, sizes: Sizes, first: int = 0) -> Sizes:
        end = first + len(sizes)
        if self._whole is None and len(sizes) == self._count:
            self._lay_out(sizes)
        elif self._whole is None or not same_sizes(self._sizes[first:end], sizes):
            if not first and not len(self._sizes):
                self._begin_run(sizes)
            self._addresses[first:end], self._sizes[first:end] = self._append(sizes, first)
        return self._addresses[first:end]

    def adopt(self, data: npt.NDArray[np.uint8], sizes: Sizes) -> Sizes | None:
        offsets = offsets_of(sizes)
        if self._whole is not None or len(sizes) < self._count or _is_mostly_empty(data, int(offsets[-1])):
            return None
        self._whole = data[: int(offsets[-1])], offsets
        self._addresses, self._sizes = spans(offsets, address_of(data))
        return self._addresses

    def _begin_run(self, sizes: Sizes) -> None:
        """Make room for all results, where the others are like the first; an eighth more, as they are not quite."""
        self._scatter()
        if self._inputs is None:
            return
        taken = int(self._inputs[: len(sizes)].sum())
        if not taken:
            return
        likely = int(sizes.sum()) * int(self._inputs.sum()) // taken
        if likely <= _LARGEST_RUN:
            self._run = POOL.array(likely + (likely >> 3))

    def _append(self, sizes: Sizes, first: int) -> tuple[Sizes, Sizes]:
        offsets = offsets_of(sizes)
        nbytes, run, start = int(offsets[-1]), self._run, self._run_end
        if run is not None and first == self._run_items and nbytes <= len(run) - start:
            self._run_items += len(sizes)
            self._run_end += nbytes
            return spans(offsets, address_of(run) + start)
        self._scatter()
        data = POOL.array(nbytes)
        self._keep.append(data)
        return spans(offsets, address_of(data))

    def put(self, index: int, data: Flat) -> None:
        address, size, keep = _objects.address(data)
        self._scatter()
        self._addresses[index], self._sizes[index] = address, size
        self._keep.append(keep)

    def view(self, index: int) -> Flat:
        return memory(int(self._addresses[index]), int(self._sizes[index])).toreadonly()

    def discard(self, index: int) -> None:
        self._scatter()
        if self._sizes[index]:
            wipe(int(self._addresses[index]), int(self._sizes[index]))
        self._sizes[index] = 0

    def _scatter(self) -> None:
        """Let each result be anywhere."""
        if self._run is not None:
            self._keep.append(self._run)
            self._run = None
        if self._whole is not None:
            self._keep.append(self._whole[0])
            self._whole = None
            # The caller's until now.
            self._addresses, self._sizes = self._addresses.copy(), self._sizes.copy()
        elif len(self._sizes) < self._count:
            self._addresses, self._sizes = np.zeros((2, self._count), np.uint64)

    @property
    def nbytes(self) -> int:
        return int(self._sizes.sum())

    @property
    def column(self) -> Column:
        """The results."""
        if self._run is not None and self._run_items == self._count and not _is_mostly_empty(self._run, self._run_end):
            self._whole = self._run[: self._run_end], offsets_of(self._sizes)
        if self._whole is None:
            self._scatter()
            self._whole = joined(Items(self._addresses, self._sizes, self._keep))
        return self._whole


def _is_mostly_empty(memory_of_all: npt.NDArray[np.uint8], used: int) -> bool:
    """Whether a result would keep more memory than it is worth."""
    return 2 * used < len(memory_of_all)


class NumberSink(Sink):
    """Results that are numbers and need no room."""

    values: npt.NDArray[Any]

    def __init__(self, nbytes_each: int) -> None:
        self._nbytes_each = nbytes_each

    def allocate(self, sizes: Sizes, first: int = 0) -> Sizes:
        raise TypeError("numbers go to `values`")

    def put(self, index: int, data: Flat) -> None:
        raise TypeError("numbers go to `values`")

    def view(self, index: int) -> Flat:
        raise TypeError("numbers are in `values`")

    def discard(self, index: int) -> None:
        raise TypeError("a number holds no data to wipe")

    @property
    def nbytes(self) -> int:
        return self._nbytes_each * len(self.values)


class BufferSink(Sink):
    """One result, into the caller's buffer."""

    def __init__(self, out: memoryview) -> None:
        self._address, self.capacity, self._keep = _objects.address(out, True)
        self.written = 0

    def allocate(self, sizes: Sizes, first: int = 0) -> Sizes:
        (size,) = (int(size) for size in sizes)
        require_room(size, self.capacity)
        self.written = size
        return np.array([self._address], np.uint64)

    def put(self, index: int, data: Flat) -> None:
        address = self.allocate(np.array([len(data)], np.uint64))[index]
        memory(int(address), len(data))[:] = data

    def view(self, index: int) -> Flat:
        return memory(self._address, self.written).toreadonly()

    def discard(self, index: int) -> None:
        wipe(self._address, self.written)
        self.written = 0

    @property
    def nbytes(self) -> int:
        return self.written


class PlacedSink(BufferSink):
    """Many results of known sizes, behind each other in the caller's buffer."""

    def __init__(self, out: memoryview, sizes: Sizes) -> None:
        super().__init__(out)
        self._addresses, self._sizes = spans(offsets_of(sizes), self._address)

    def allocate(self, sizes: Sizes, first: int = 0) -> Sizes:
        end = first + len(sizes)
        if not same_sizes(self._sizes[first:end], sizes):
            raise ValueError("results of other sizes than their places")
        return self._addresses[first:end]

    def put(self, index: int, data: Flat) -> None:
        self.allocate(np.array([len(data)], np.uint64), index)
        memory(int(self._addresses[index]), len(data))[:] = data

    def view(self, index: int) -> Flat:
        return memory(int(self._addresses[index]), int(self._sizes[index])).toreadonly()

    def discard(self, index: int) -> None:
        wipe(int(self._addresses[index]), int(self._sizes[index]))

    @property
    def nbytes(self) -> int:
        return int(self._sizes.sum())


def offsets_of(sizes: Sizes) -> Offsets:
    """Return the offsets of items that lie behind each other."""
    offsets: Offsets = np.empty(len(sizes) + 1, np.int64)
    _objects.column_offsets(np.ascontiguousarray(sizes, np.uint64), offsets)
    return offsets


def same_sizes(sizes: Sizes, others: Sizes) -> bool:
    """Whether as many items have the same sizes."""
    return _objects.sizes_same(sizes, np.ascontiguousarray(others, np.uint64))


def spans(offsets: Offsets, address: int) -> tuple[Sizes, Sizes]:
    """Return addresses and sizes of items that lie behind each other."""
    count = len(offsets) - 1
    addresses, sizes = np.empty(count, np.uint64), np.empty(count, np.uint64)
    _objects.column_spans(address, offsets, addresses, sizes)
    return addresses, sizes


def joined(items: Items) -> Column:
    """Copy items behind each other, into warm memory that comes back when the array is gone."""
    offsets = offsets_of(items.sizes)
    data: npt.NDArray[np.uint8] = POOL.array(int(offsets[-1]))
    join_at(items, offsets, data)
    return data, offsets


def join_at(items: Items, offsets: Offsets, out: npt.NDArray[np.uint8]) -> None:
    """Copy items to their offsets in `out`, which has room for them."""
    lib.fa_join(
        ffi.cast("uint64_t *", address_of(items.addresses)),
        ffi.cast("int64_t *", address_of(offsets)),
        len(items),
        ffi.cast("uint8_t *", address_of(out)),
    )


def joined_columns(columns: Sequence[Column]) -> Column:
    """Put the items of columns behind each other."""
    sizes = [offsets[1:] - offsets[:-1] for _, offsets in columns]
    addresses = [offsets[:-1].view(np.uint64) + np.uint64(address_of(data)) for data, offsets in columns]
    return joined(Items(np.concatenate(addresses), np.concatenate(sizes).view(np.uint64), columns))


def fitted_column(data: npt.NDArray[np.uint8], offsets: Offsets) -> Column:
    """Return results that end before the memory that they were given, and of little of it what they take."""
    end = int(offsets[-1])
    if not _is_mostly_empty(data, end):
        return data[:end], offsets
    smaller: npt.NDArray[np.uint8] = POOL.array(end)
    smaller[:] = data[:end]
    return smaller, offsets


class GrowingColumn:
    """A column that results are copied to as they come: `count` of them, for which `room` bytes are expected."""

    def __init__(self, room: int, count: int) -> None:
        self._data: npt.NDArray[np.uint8] = POOL.array(room)
        self._offsets: list[Offsets] = [np.zeros(1, np.int64)]
        self._end = 0
        self._done = 0
        self._count = count

    def append(self, results: Sequence[Any]) -> None:
        """Add results."""
        items = Items.of(results)
        offsets = offsets_of(items.sizes) + self._end
        self._reserve(int(offsets[-1]), self._done + len(items))
        join_at(items, offsets, self._data)
        self._take(offsets[1:])

    def fill(self, results: Iterator[bytes], count: int) -> bool:
        """Add so many results, each as it comes; False, with none added, where making one raises an error."""
        offsets = np.empty(count + 1, np.int64)
        try:
            rest = _objects.column_from(results, self._data[self._end :], offsets)
        except Exception as error:
            log.debug("%d items go another way: %s", count, type(error).__name__)
            return False
        self._take(offsets[1 : count - len(rest) + 1] + self._end)
        if rest:
            self.append(rest)
        return True

    def _take(self, ends: Offsets) -> None:
        if len(ends):
            self._offsets.append(ends)
            self._end = int(ends[-1])
            self._done += len(ends)

    def _reserve(self, needed: int, done: int) -> None:
        """Make room for what is needed now, and for what then is still to come, if it is like that."""
        if needed <= len(self._data):
            return
        likely = needed * max(self._count, done) // done
        # The first may be the largest by far.
        room = min(likely + likely // _SPARE, max(2 * needed, _MOST_LIKELY))
        larger: npt.NDArray[np.uint8] = POOL.array(room)
        larger[: self._end] = self._data[: self._end]
        self._data = larger

    @property
    def column(self) -> Column:
        """The results so far."""
        return self._data[: self._end], np.concatenate(self._offsets)

    @property
    def fitted(self) -> Column:
        """The same in no more than twice the memory that they take."""
        return fitted_column(self._data, np.concatenate(self._offsets))


def clear(out: memoryview) -> None:
    """Zero a buffer, so that nothing stays there that nobody has checked."""
    if len(out):
        np.frombuffer(out, np.uint8)[:] = 0


def room_for(size: int, out: Any, front: int = 0) -> Any:
    """Return the part of a buffer that the library is to fill, behind `front` bytes; None where there is less room."""
    room = out if type(out) is bytearray else flat_writable(out)
    if front + size == len(room) and not front:
        return room
    return memoryview(room)[front : front + size] if 0 <= size <= len(room) - front else None


def require_room(size: int, capacity: int) -> None:
    """Refuse a result that does not fit.

    Raises
    ------
    BufferTooSmallError
        With the size needed.
    """
    if size > capacity:
        raise BufferTooSmallError(f"the result has {size} bytes, the buffer {capacity}", needed=size)
