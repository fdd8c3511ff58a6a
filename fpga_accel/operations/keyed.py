"""Rows of keyed work: how messages become rows and parameter records of kernels with keys (kernels/common/keyed.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from fpga_accel import _objects
from fpga_accel._host import ffi, lib
from fpga_accel.batch import items_of
from fpga_accel.errors import DeviceError
from fpga_accel.operations.buffers import BytesSink, Items, Sizes
from fpga_accel.operations.ciphers import CipherOperation, CipherOptions, too_short
from fpga_accel.operations.contract import Errors, Job, Operation, RowInput, Run, require_success
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import RECORD, SEGMENT, Bytes, Launch, Table, address_of, copy_many, rows_at, words_at

BLOCK = 16
# Of AES (FIPS 197).
KEY_SIZES = (16, 24, 32)

# Row flags, as in kernels/common/keyed.h.
DECRYPT = 1
TAG_IN_DST = 2

_PARTS = ("key", "nonce", "aad")
# Where results hold `partial`, in words of 8 bytes.
_PARTIAL_WORDS = slice(2, 4)

# A message is cut into rows of this many bytes: long enough that a row's key expansion and its power of H
# (about 1 µs) do not show, short enough that 1 MiB keeps two cores busy.
ROW = 256 << 10
# And of this many on a device that works on thousands of rows at once, each slowly.
SHORT_ROW = 4 << 10
# The rows of messages that are one row each.
_EACH = np.arange(1 << 14)
_EACH.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Texts:
    """The messages of a launch: where they are read, where they are written, and their nonces."""

    sources: Sizes
    targets: Sizes
    sizes: Sizes
    nonces: Items


@dataclass(frozen=True, slots=True)
class Cut:
    """How messages are cut into rows.

    Attributes
    ----------
    message
        The message of each row.
    position
        The bytes of the message in front of each row; one for all rows where it is 0.
    first
        The first row of each message.
    row
        Bytes of a row at most, None for no limit.
    """

    message: npt.NDArray[np.int64]
    position: Sizes
    first: npt.NDArray[np.int64]
    row: int | None = None

    @classmethod
    def of(cls, sizes: Sizes, row: int | None = ROW) -> Cut:
        """Cut into rows of `row` bytes, None for no cut; an empty message is one empty row."""
        count = len(sizes)
        if row is None or _objects.sizes_largest(sizes) <= row:
            return cls.none(count)
        rows = np.maximum(-(-sizes.astype(np.int64) // row), 1)
        first = np.cumsum(rows) - rows
        message = np.repeat(np.arange(count), rows)
        return cls(message, ((np.arange(len(message)) - first[message]) * row).astype(np.uint64), first, row)

    @classmethod
    def none(cls, count: int) -> Cut:
        """Leave every message whole, whatever its size."""
        each = _EACH[:count] if count <= len(_EACH) else np.arange(count)
        return cls(each, np.zeros(1, np.uint64), each)

    @property
    def pick(self) -> Any:
        """Return an index that spreads values of messages over their rows."""
        return slice(None) if self.whole else self.message

    @property
    def whole(self) -> bool:
        """Whether every message is one row."""
        return len(self.first) == len(self.message)

    def tags(self, results: Table) -> Bytes:
        """Return the tag of each message, 16 bytes each: the exclusive or of what its rows gave."""
        if self.whole:
            partial: Bytes = results["partial"]
            return partial
        # Two words a row: numpy copies a field of 16 bytes ten times as slowly.
        rows = np.ascontiguousarray(results.view(np.uint64).reshape(len(results), -1)[:, _PARTIAL_WORDS])
        tags: Bytes = np.bitwise_xor.reduceat(rows, self.first, axis=0).view(np.uint8)
        return tags


def row_on(run: Run) -> int:
    """Return the bytes of a row of a message that may be cut."""
    return SHORT_ROW if run.wide else ROW


class KeyedOperation(CipherOperation):
    """What ciphers share on a device."""

    library = "cryptography"
    # Whether a message may be cut into rows.
    cuts: ClassVar[bool] = True
    # Whether its launches can be linked behind or before others' on a device.
    links: ClassVar[bool] = False
    # Flags of a row that is a whole message, and bytes of its result behind the text.
    whole_flags: ClassVar[int] = 0
    whole_room: ClassVar[int] = 0

    def on_device(self, job: Job[CipherOptions], run: Run) -> Errors:
        items, options = job.items, job.options
        overhead = np.uint64(self.overhead(options))
        short: Any = () if self.encrypts else np.flatnonzero(items.sizes < overhead)
        if len(short):
            errors: Errors = {int(i): too_short(int(items.sizes[i]), int(overhead)) for i in short}
            return self._without(errors, job, run)
        nonces = options.nonce_items()
        if nonces is None:
            nonces = self.random_nonces(len(items)) if self.encrypts else self.in_front(items)
        texts = self._texts(job, nonces)
        cut = Cut.of(texts.sizes, row_on(run) if self.cuts else None)
        if not self.cuts:
            require_rows(texts.sizes, self.whole_room)
        table, params = self._rows(texts, cut, options)
        results = run(keyed_launch(self, table, params, options, (job, texts)))
        require_success(self, results)
        return self.finish(job, texts, cut, results)

    def _texts(self, job: Job[CipherOptions], nonces: Items) -> Texts:
        sources, sizes = job.items.addresses, job.items.sizes
        overhead = np.uint64(self.overhead(job.options))
        front = np.uint64(self.nonce_size if job.options.nonces is None else 0)
        if not self.encrypts:
            sizes = sizes - overhead
            return Texts(sources + front, job.sink.allocate(sizes), sizes, nonces)
        targets = job.sink.allocate(self._result_sizes(sizes, job.options))
        if front:
            copy_many(nonces.addresses, targets, nonces.sizes)
        return Texts(sources, targets + front, sizes, nonces)

    def _result_sizes(self, sizes: Sizes, options: CipherOptions) -> Sizes:
        """Return the sizes of results of encryption, with nonces in front where they are made here."""
        return sizes + np.uint64(self.overhead(options))

    def _without(self, errors: Errors, job: Job[CipherOptions], run: Run) -> Errors:
        """Do the other items of a batch in which some are too short."""
        rest = [i for i in range(len(job.items)) if i not in errors]
        if not rest:
            return errors
        sink = BytesSink(len(rest))
        inner = Job(job.items.picked(rest), job.options.picked(rest), sink)
        for position, error in self.on_device(inner, run).items():
            errors[rest[position]] = error
        for position, index in enumerate(rest):
            if index not in errors:
                job.sink.put(index, sink.values[position])
        return errors

    def _rows(self, texts: Texts, cut: Cut, options: CipherOptions) -> tuple[Table, Bytes]:
        """Return the segment table, and the parameters: a record a row, then keys, nonces and associated data."""
        if cut.whole:
            return rows_of_whole(texts, options, self.whole_flags, self.whole_room)
        assert cut.row is not None
        table, params = _rows_of_any(texts, cut, options, cut.row)
        self.mark(table, cut)
        return table, params

    def whole_rows(self, texts: Texts, options: CipherOptions) -> tuple[Table, Bytes]:
        """Return table and parameters with one row for each message, whatever its size, marks included."""
        table, params = self._rows(texts, Cut.none(len(texts.sizes)), options)
        table["src_size"] = texts.sizes
        table["dst_capacity"] = texts.sizes + np.uint64(self.whole_room)
        return table, params

    def mark(self, table: Table, cut: Cut) -> None:
        """Set the flags of rows, and their capacity where results are longer than texts."""

    def forged(self, texts: Texts, cut: Cut, results: Table) -> Sequence[int]:
        """Return the messages whose tags are wrong, by their position in the launch."""
        return ()

    def finish(self, job: Job[CipherOptions], texts: Texts, cut: Cut, results: Table) -> Errors:
        """Combine what rows gave."""
        return {}


def _rows_of_any(texts: Texts, cut: Cut, options: CipherOptions, row: int) -> tuple[Table, Bytes]:
    count, pick = len(cut.message), cut.pick
    sizes = texts.sizes[pick]
    table = POOL.array(count, SEGMENT)
    table["src"] = texts.sources[pick] + cut.position
    table["dst"] = texts.targets[pick] + cut.position
    table["src_size"] = np.minimum(sizes - cut.position, np.uint64(row))
    table["dst_capacity"] = table["src_size"]
    table["param"] = np.arange(count, dtype=np.uint32) * np.uint32(RECORD.itemsize)
    table["flags"] = 0
    parts = _given(texts, options)
    offset = count * RECORD.itemsize
    starts = []
    for part in parts:
        # Each starts at a multiple of 16.
        ends = np.cumsum((part.sizes + np.uint64(BLOCK - 1)) & ~np.uint64(BLOCK - 1)) + np.uint64(offset)
        starts.append(np.concatenate((np.array([offset], np.uint64), ends[:-1])))
        offset = int(ends[-1])
    params: Bytes = POOL.array(_within_limit(offset))
    records = params[: count * RECORD.itemsize].view(RECORD)
    records["position"] = cut.position
    records["total"] = sizes
    records["reserved"] = 0
    for name, part, places in zip(_PARTS, parts, starts, strict=True):
        one_for_all = len(part) == 1
        records[name] = places[0] if one_for_all else places[pick]
        records[f"{name}_size"] = part.sizes[0] if one_for_all else part.sizes[pick]
        copy_many(part.addresses, places + np.uint64(address_of(params)), part.sizes)
    return table, params


def keys_in(table: Table, params: Bytes, options: CipherOptions) -> slice:
    """Return where the parameters of rows hold keys: behind the records, and one for all in front of the rest."""
    start, end = len(table) * RECORD.itemsize, len(params)
    return slice(start, start + memoryview(options.keys[0]).nbytes if len(options.keys) == 1 else end)


def keyed_launch(operation: Operation[Any], table: Table, params: Bytes, options: CipherOptions, keep: Any) -> Launch:
    """Return the launch of rows whose keys are wiped behind it."""
    return Launch(operation.kernel, operation.entry, table, params, keep, keys_in(table, params, options))


def rows_of_whole(texts: Texts, options: CipherOptions, flags: int, room: int) -> tuple[Table, Bytes]:
    """Return table and parameters of messages of one row each, marks included, made in C."""
    count = len(texts.sizes)
    parts = _given(texts, options)
    params: Bytes = POOL.array(_within_limit(count * RECORD.itemsize + sum(map(_room, parts))))
    table: Table = POOL.array(count, SEGMENT)
    used = lib.fa_keyed_rows(
        rows_at(table),
        ffi.cast("uint8_t *", address_of(params)),
        count,
        words_at(texts.sources),
        words_at(texts.targets),
        words_at(texts.sizes),
        [number for part in parts for number in (address_of(part.addresses), address_of(part.sizes), len(part))],
        flags,
        room,
    )
    return table, params[:used]


def rows_of_sectors(texts: Texts, options: CipherOptions, sector: int, step: int) -> tuple[Table, Bytes]:
    """Return table and parameters of sectors that count up, in rows of at most `step` bytes; nonces are numbers."""
    if len(texts.sizes) == 1:
        count = -(-int(texts.sizes[0]) // step)
    else:
        count = int((-(-texts.sizes.astype(np.int64) // step)).sum())
    keys = Items.of(options.keys)
    table: Table = POOL.array(count, SEGMENT)
    params: Bytes = POOL.array(_within_limit(count * (RECORD.itemsize + BLOCK) + _room(keys)))
    used = lib.fa_sector_rows(
        rows_at(table),
        ffi.cast("uint8_t *", address_of(params)),
        count,
        words_at(texts.sources),
        words_at(texts.targets),
        words_at(texts.sizes),
        words_at(texts.nonces.addresses),
        len(texts.sizes),
        [address_of(keys.addresses), address_of(keys.sizes), len(keys)],
        sector,
        step,
    )
    return table, params[:used]


def require_rows(sizes: Sizes, room: int = 0) -> None:
    """Check that messages, which are one row each, fit into rows with their results.

    Raises
    ------
    DeviceError
        One is too large.
    """
    most = _objects.sizes_largest(sizes)
    if most + room >= 2**32:
        raise DeviceError(f"a message of {most} bytes; a device takes less than 4 GiB in one row")


def _given(texts: Texts, options: CipherOptions) -> tuple[Items, Items, Items]:
    """Return keys, nonces and associated data."""
    return Items.of(options.keys), texts.nonces, items_of(options.aads or (b"",))


def _room(part: Items) -> int:
    """Return the bytes that keys, nonces or associated data take, each from a multiple of 16 on."""
    return _objects.sizes_padded(part.sizes)


def _within_limit(nbytes: int) -> int:
    if nbytes >= 2**32:
        raise ValueError(f"{nbytes} bytes of associated data and parameters; one call takes less than 4 GiB")
    return nbytes


def wrong_tags(tags: Bytes, texts: Texts) -> Sequence[int]:
    """Return the messages whose tag is not the one behind their text, in a time that depends on no tag."""
    count = len(texts.sizes)
    wrong: Bytes = np.empty(count, np.uint8)
    found = lib.fa_tags_wrong(
        ffi.cast("uint8_t *", tags.ctypes.data),
        tags.strides[0],
        words_at(texts.sources),
        words_at(texts.sizes),
        count,
        ffi.cast("uint8_t *", address_of(wrong)),
    )
    positions: list[int] = np.flatnonzero(wrong).tolist() if found else []
    return positions


@dataclass(frozen=True, slots=True)
class Record:
    """The parameter record of one row, with the bytes that it points at."""

    key: bytes = field(repr=False)
    nonce: bytes
    aad: bytes
    position: int
    total: int

    @classmethod
    def of(cls, row: RowInput) -> Record:
        """Read the record of a row."""
        raw = row.params[row.param : row.param + RECORD.itemsize].view(RECORD)[0]
        key, nonce, aad = (
            row.params[int(raw[name]) : int(raw[name]) + int(raw[f"{name}_size"])].tobytes() for name in _PARTS
        )
        return cls(key, nonce, aad, int(raw["position"]), int(raw["total"]))


def ctr_stream(cipher: Any, counter: Any) -> Any:
    """Return the key stream of the CPU library's block cipher from a 16-byte counter block on (SP 800-38A §6.5)."""
    return Cipher(cipher, modes.CTR(counter)).encryptor()
