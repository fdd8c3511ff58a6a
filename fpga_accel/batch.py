"""Many items in one buffer: how a batch goes in and comes out without a Python object for each item."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from fpga_accel import _objects
from fpga_accel._host import ffi, lib
from fpga_accel.operations.buffers import Column, Items, Offsets, flat, joined, memory, spans
from fpga_accel.segments import address_of

# Bytes of a list that the interpreter joins at least as fast as what starts up for larger ones.
_SHORT = 64 << 10


class Batch(Sequence[memoryview]):
    """Items behind each other in one buffer, with the offsets where they start and end.

    This is the layout of Arrow's ``large_binary``. Every ``_many`` call that is given a Batch returns one.

    Parameters
    ----------
    buffer
        Any C-contiguous buffer. It is not copied: while a Batch lives, its bytes must stay as they are.
    offsets
        ``n + 1`` integers for n items, not descending, inside the buffer; item i is
        ``buffer[offsets[i] : offsets[i + 1]]``. They are copied.

    Attributes
    ----------
    errors : dict of int to Exception
        Why items failed, by position, in what a call with ``return_exceptions=True`` returned. Such items are empty.

    Raises
    ------
    TypeError
        `buffer` is no buffer, or `offsets` are no integers.
    ValueError
        There are no offsets, or one is out of order or outside of the buffer; the message says which.

    Examples
    --------
    >>> batch = Batch(b"onetwothree", [0, 3, 6, 11])
    >>> batch
    Batch(3 items, 11 bytes)
    >>> bytes(batch[-1]), batch[:2].to_list(), batch.sizes.tolist()
    (b'three', [b'one', b'two'], [3, 3, 5])
    """

    __slots__ = ("__weakref__", "_address", "_offsets", "_view", "errors")

    def __init__(self, buffer: Any, offsets: npt.ArrayLike) -> None:
        view = memoryview(flat(buffer, "the buffer")).toreadonly()
        self._set(view, _checked(offsets, len(view)))

    def _set(self, view: memoryview, offsets: Offsets) -> None:
        offsets.setflags(write=False)
        self._view = view
        self._offsets = offsets
        self._address = _objects.start_of(view)
        self.errors: dict[int, Exception] = {}

    @classmethod
    def _of(cls, view: memoryview, offsets: Offsets) -> Batch:
        """Make a Batch of parts that are known to fit."""
        made = cls.__new__(cls)
        made._set(view, offsets)
        return made

    @classmethod
    def of_column(cls, column: Column, errors: Mapping[int, Exception] = MappingProxyType({})) -> Batch:
        """Make a Batch of bytes and offsets that fit, with the errors of its items."""
        data, offsets = column
        made = cls._of(data.data.toreadonly(), offsets)
        if errors:
            made.errors.update(errors)
        return made

    @classmethod
    def from_items(cls, items: Sequence[Any]) -> Batch:
        """Copy a list of buffers into a Batch.

        Examples
        --------
        >>> Batch.from_items([b"one", bytearray(b"two")]).to_list()
        [b'one', b'two']
        """
        if isinstance(items, list):
            offsets = np.empty(len(items) + 1, np.int64)
            if 0 <= _objects.bytes_total(items, address_of(offsets), len(items)) <= _SHORT:
                return cls._of(memoryview(b"".join(items)), offsets)
        return cls.of_column(joined(Items.of(items)))

    @classmethod
    def from_arrow(cls, array: Any) -> Batch:
        """Look at a binary or string array of any library that speaks the Arrow C data interface.

        The data is not copied and lives as long as the Batch. Text is taken as its UTF-8 bytes.

        Parameters
        ----------
        array
            An object with ``__arrow_c_array__``, such as a ``pyarrow.Array``; of a chunked array, make one chunk first.

        Raises
        ------
        TypeError
            `array` is no such object, or of another type.
        ValueError
            It has nulls, which a Batch cannot say.
        """
        export = getattr(array, "__arrow_c_array__", None)
        if export is None:
            chunked = hasattr(array, "__arrow_c_stream__")
            hint = "; make one chunk of its chunks first" if chunked else ""
            raise TypeError(f"{type(array).__name__} has no __arrow_c_array__{hint}")
        column = _objects.arrow_column(*export())
        offsets = np.zeros(1, np.int64)
        if column.count:
            kind = np.int64 if column.width == 8 else np.int32
            raw = memory(column.offsets, (column.count + 1) * column.width)
            offsets = np.frombuffer(raw, kind).astype(np.int64)
        return cls(column, offsets)

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]:
        """Export a ``large_binary`` array, without a copy; `requested_schema` is only a wish, and not granted.

        Returns
        -------
        tuple of two PyCapsule
            Named ``arrow_schema`` and ``arrow_array``.
        """
        owner = (self._view, self._offsets)
        return _objects.arrow_capsules(owner, len(self), address_of(self._offsets), self._address)

    @property
    def buffer(self) -> memoryview:
        """The whole buffer, to read."""
        return self._view[:]

    @property
    def offsets(self) -> Offsets:
        """The ``n + 1`` offsets of n items in `buffer`, to read."""
        return self._offsets

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Bytes of each item."""
        return self._offsets[1:] - self._offsets[:-1]

    @property
    def nbytes(self) -> int:
        """Bytes over all items."""
        return int(self._offsets[-1] - self._offsets[0])

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, index: int) -> memoryview: ...
    @overload
    def __getitem__(self, index: slice) -> Batch: ...
    def __getitem__(self, index: int | slice) -> memoryview | Batch:
        if isinstance(index, slice):
            return self._sliced(range(*index.indices(len(self))))
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"item {index} of a Batch of {len(self)}")
        return self._view[self._offsets[position] : self._offsets[position + 1]]

    def _sliced(self, picked: range) -> Batch:
        if picked.step == 1:
            made = self._of(self._view, self._offsets[picked.start : max(picked.start, picked.stop) + 1])
        else:
            made = self.of_column(joined(self.spans().picked(list(picked))))
        made.errors = {picked.index(position): error for position, error in self.errors.items() if position in picked}
        return made

    def __iter__(self) -> Iterator[memoryview]:
        view = self._view
        return (view[start:end] for start, end in itertools.pairwise(self._offsets.tolist()))

    def chunks(self, items: int, nbytes: int) -> Iterator[tuple[int, Batch]]:
        """Yield the position of the first item and a Batch, of at most so many items and bytes, or of one item."""
        first, offsets = 0, self._offsets
        while first < len(self):
            most = int(np.searchsorted(offsets, offsets[first] + nbytes, side="right")) - 1
            stop = min(len(self), first + items, max(first + 1, most))
            yield first, self[first:stop]
            first = stop

    def to_list(self) -> list[bytes]:
        """Return the items as a list of `bytes`."""
        count = len(self)
        return _objects.bytes_list_from_column(self._address, address_of(self._offsets), count) if count else []

    def windows(self) -> _objects.Windows:
        """Return the items for a loop of library calls: each a buffer, made in a tenth of the time of a view."""
        return _objects.Windows(self._view, self._offsets)

    def spans(self) -> Items:
        """Return where the items lie, as the operations take them."""
        return Items(*spans(self._offsets, self._address), self._view)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Batch):
            return NotImplemented
        return np.array_equal(self.sizes, other.sizes) and np.array_equal(self._content(), other._content())

    # Like other containers of memory that may change.
    __hash__ = None  # type: ignore[assignment]

    def _content(self) -> npt.NDArray[np.uint8]:
        return np.frombuffer(self._view[self._offsets[0] : self._offsets[-1]], np.uint8)

    def __repr__(self) -> str:
        failed = f", {len(self.errors)} failed" if self.errors else ""
        return f"Batch({len(self)} items, {self.nbytes} bytes{failed})"


def _checked(offsets: npt.ArrayLike, limit: int) -> Offsets:
    """Return a copy of offsets that are known to be right."""
    given = np.asarray(offsets)
    if given.ndim != 1 or not len(given):
        raise ValueError(f"offsets have the shape {given.shape}; n items have n + 1 offsets in one dimension")
    if given.dtype.kind not in "iu":
        raise TypeError(f"offsets must be integers of 64 bits, not {given.dtype}")
    made = given.astype(np.int64)
    wrong = lib.fa_offsets_first_wrong(ffi.cast("int64_t *", address_of(made)), len(made) - 1, limit)
    if wrong < 0:
        return made
    before = f" behind {given[wrong - 1]}" if wrong else ""
    raise ValueError(f"offset {wrong} is {given[wrong]}{before}; offsets do not descend and stay in {limit} bytes")


def items_of(buffers: Any) -> Items:
    """Look at the buffers of a Batch, of the rows of a two-dimensional array, or of a sequence."""
    if isinstance(buffers, np.ndarray) and buffers.ndim == 2:
        buffers = of_rows(buffers)
    return buffers.spans() if isinstance(buffers, Batch) else Items.of(buffers)


def of_rows(array: npt.NDArray[Any]) -> Batch:
    """Return the rows of a two-dimensional array as a Batch, without a copy."""
    count, width = len(array), array.shape[1] * array.itemsize
    offsets = np.arange(0, count * width + 1, width) if width else np.zeros(count + 1, np.int64)
    return Batch._of(memoryview(flat(array, "the buffer")).toreadonly(), offsets)
