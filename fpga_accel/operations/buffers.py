"""Callers' buffers: how they come in (`flat`, `Items`) and where device results go (`Sink`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fpga_accel import _objects
from fpga_accel._host import ffi
from fpga_accel.errors import BufferTooSmallError
from fpga_accel.runtime.buffers import wipe
from fpga_accel.segments import address_of

Sizes = npt.NDArray[np.uint64]
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
    view = memoryview(out)
    if view.readonly:
        raise TypeError(f"the output buffer must be writable, {type(out).__name__} is not")
    found = flat(view, "the output buffer")
    return found if isinstance(found, memoryview) else memoryview(bytearray())


def memory(address: int, size: int) -> memoryview:
    """Return a writable view of host memory; the caller keeps its owner alive."""
    if not size:
        return memoryview(bytearray())
    return memoryview(ffi.buffer(ffi.cast("char *", address), size)).cast("B")


def made(size: int, write: Callable[[memoryview], object]) -> bytes:
    """Return `size` fresh bytes that `write` fills."""
    result, address = _objects.new_bytes(size)
    write(memory(address, size))
    return result


@dataclass(slots=True)
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
    keep: Any = field(repr=False)

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
        keep = _objects.addresses_from_buffers(listed, address_of(addresses), address_of(sizes))
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

    @abstractmethod
    def allocate(self, sizes: Sizes, first: int = 0) -> Sizes:
        """Make room for the results of item `first` and those behind it; return their addresses."""

    @abstractmethod
    def put(self, index: int, data: Flat) -> None:
        """Take one result that exists already."""

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

    def discard(self, index: int) -> None:
        if self._addresses[index]:
            wipe(int(self._addresses[index]), int(self._sizes[index]))
        self._sizes[index] = 0


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

    def discard(self, index: int) -> None:
        wipe(self._address, self.written)
        self.written = 0

    @property
    def nbytes(self) -> int:
        return self.written


def require_room(size: int, capacity: int) -> None:
    """Refuse a result that does not fit.

    Raises
    ------
    BufferTooSmallError
        With the size needed.
    """
    if size > capacity:
        raise BufferTooSmallError(f"the result has {size} bytes, the buffer {capacity}", needed=size)
