"""How chains become linked launches: encoding (compress, then encrypt) and decoding (decrypt, then decompress).

An item is one row a stage. Compressed blocks are written where the frame's payloads belong; `lz4_frames` makes the
frame around them, and `link` tells the cipher's row how long it became. On the way back `lz4_measure` says what a
frame holds, the host allocates, and `lz4_rows` writes the rows of its blocks. A checksum stage takes the bytes where
they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import xxhash

from fpga_accel.errors import DeviceError, FormatError, IntegrityError, OutputLimitError
from fpga_accel.operations import links, lz4_compress, lz4_frame
from fpga_accel.operations.buffers import Items, memory
from fpga_accel.operations.checksums import ContinuedChecksum
from fpga_accel.operations.ciphers import CipherOptions, wrong_tag
from fpga_accel.operations.contract import GROUP, Errors, Job, Operation
from fpga_accel.operations.keyed import Cut, KeyedOperation, Texts, keys_in
from fpga_accel.operations.lz4_compress import Lz4Compress
from fpga_accel.operations.lz4_decompress import Lz4Decompress
from fpga_accel.segments import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Addresses,
    Bytes,
    Linked,
    Place,
    Scattered,
    Space,
    Status,
    Step,
    Table,
    address_of,
    copy_many,
    new_table,
    spread,
)

# Bytes of items that share a submission: enough to hide its cost, few enough that transfers of one overlap with kernels
# of another. On the way back, of 2, 4, 8, 16, 32 and 64 MiB this took the least CPU time, 1.0 to 1.5 times less (PoCL
# 3.0, 2 cores, 36 MiB of last cache).
BATCH = 16 << 20
# A Batch of up to so much is one submission on the way there where kernels work in the host's memory: there are no
# transfers, and results stay where they were written. 4,096 pages of 16 KiB took 48 ms, by the other 53 (PoCL 3.0, 2
# cores, 32 MiB of last cache).
DIRECT_BATCH = 64 << 20
BATCH_ITEMS = 1 << 14
# A larger item is cut into rows by the stages' own launches, which keeps every core busy: 1 MiB, with room to seal it.
MOST_LINKED = (1 << 20) + (4 << 10)
_NO_PARAMS = 16
_CHECKSUM_OF_NOTHING = xxhash.xxh32_intdigest(b"")
_BLOCK_SIZES = tuple(lz4_frame.BLOCK_CODES)


Checksums = npt.NDArray[Any]


@dataclass(slots=True)
class ChainOptions:
    """Options of a call of a chain.

    Attributes
    ----------
    stages
        The options of each stage.
    checksums
        A row an item and a column a checksum stage, filled in by the call.
    expected
        What the checksums must be, None where they are only taken.
    """

    stages: tuple[Any, ...] = field(repr=False)
    checksums: Checksums
    expected: Checksums | None = None


class Chain(Protocol):
    """What linking has to know of a chain: its stages, those that change the data, and the columns of checksums."""

    stages: tuple[Operation[Any], ...]
    data_stages: list[Operation[Any]]
    columns: dict[int, int]


def way_of(stages: Sequence[Operation[Any]]) -> type[Encoding] | type[Decoding] | None:
    """Return how stages are linked, None where they cannot be."""
    data = [stage for stage in stages if stage.op != "checksum"]
    checks = [stage for stage in stages if stage.op == "checksum"]
    if len(stages) < 2 or not data or not all(map(_rides_along, checks)):
        return None
    ciphers = [stage for stage in data if isinstance(stage, KeyedOperation)]
    if len(ciphers) > 1 or len(data) - len(ciphers) > 1 or not all(cipher.links for cipher in ciphers):
        return None
    if isinstance(data[0], Lz4Compress) and all(cipher.encrypts for cipher in ciphers):
        return Encoding
    if isinstance(data[0], KeyedOperation) and len(data) == 1:
        return Encoding if data[0].encrypts else Decoding
    if isinstance(data[0], KeyedOperation) and not data[0].encrypts and isinstance(data[1], Lz4Decompress):
        return Decoding
    return None


def _rides_along(stage: Operation[Any]) -> bool:
    """Whether a checksum has one row an item, with all it needs in the row."""
    return isinstance(stage, ContinuedChecksum) and stage.in_flags


def grouped(stages: Sequence[Operation[Any]], job: Job[ChainOptions], most: int, apart: list[int]) -> Iterator[range]:
    """Yield items in a row that share a submission of up to `most` bytes; `apart` gets those linked with no others."""
    least = np.uint64(_overhead(stages, job.options))
    sizes = job.items.sizes
    fits = (sizes <= np.uint64(MOST_LINKED)) & (sizes >= least)
    apart += np.flatnonzero(~fits).tolist()
    # Where a run of items that fit begins or ends.
    edges = np.flatnonzero(np.diff(np.concatenate(([False], fits, [False])).astype(np.int8)))
    ends = np.cumsum(sizes, dtype=np.uint64)
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        start = first
        while start < end:
            before = int(ends[start] - sizes[start])
            stop = int(np.searchsorted(ends, before + most, side="right"))
            stop = min(max(stop, start + 1), start + BATCH_ITEMS, end)
            yield range(start, stop)
            start = stop


def _overhead(stages: Sequence[Operation[Any]], options: ChainOptions) -> int:
    """Return the bytes that an item to be decrypted has at least."""
    for stage, each in zip(stages, options.stages, strict=True):
        if isinstance(stage, KeyedOperation) and not stage.encrypts:
            return stage.overhead(each)
    return 0


class _Data(NamedTuple):
    """The bytes of the items between two stages.

    Attributes
    ----------
    place, starts
        Where they are.
    sizes
        How many there are, or can be at most.
    step
        The launch whose results say how many there are; None where `sizes` does.
    between
        The bytes between items that lie one behind the other, as that launch's results say, the first of them where
        `starts` tells; None where `starts` tells of each.
    """

    place: Place
    starts: Addresses
    sizes: Addresses
    step: int | None = None
    between: int | None = None


def wrong_checksum(algorithm: str) -> IntegrityError:
    """Return the error of a checksum that does not match."""
    return IntegrityError(f"the {algorithm} checksum does not match: the bytes at that stage are others")


class _Coding:
    """One submission under construction.

    Attributes
    ----------
    errors
        Of single items, by their position in the call.
    apart
        Items that have to be done by the stages' own launches.
    """

    def __init__(self, chain: Chain, job: Job[ChainOptions], indices: range) -> None:
        self._chain = chain
        self._job = job
        self._first = indices.start
        self._items = job.items.picked(slice(indices.start, indices.stop))
        self._inputs = Scattered.of(self._items.addresses, self._items.sizes)
        self._count = len(indices)
        self._steps: list[Step] = []
        self.errors: Errors = {}
        self.apart: list[int] = []

    def _options(self, number: int) -> Any:
        options = self._job.options.stages[number]
        if isinstance(options, CipherOptions) and self._count < len(self._job.items):
            return options.sliced(slice(self._first, self._first + self._count))
        return options

    def _checksum(self, number: int, steps: list[Step], data: _Data, values: Any = None) -> int:
        """Add the checksum of a stage, of the data, on from `values` where they are given; return the launch."""
        stage = self._chain.stages[number]
        assert isinstance(stage, ContinuedChecksum)
        table = new_table(len(data.starts))
        table["src"], table["src_size"], table["flags"] = (
            data.starts,
            data.sizes,
            (stage.initial if values is None else values),
        )
        following = len(steps) + (data.step is not None) + (data.between is not None)
        if data.step is not None:
            steps.append(links.sizes_to_rows(len(table), data.step, following, 0))
            if data.between is not None:
                steps.append(links.places_behind(len(table), data.step, following, data.between, "src"))
        steps.append(Step(stage.kernel, stage.entry, table, np.zeros(_NO_PARAMS, np.uint8), data.place, data.place))
        return len(steps) - 1

    def _refuse_failed(self, results: list[Table], *but: str) -> None:
        for step, each in zip(self._steps, results, strict=True):
            failed = np.flatnonzero(each["status"] != Status.OK)
            if len(failed) and step.entry not in but:
                status = each["status"][failed[0]]
                raise DeviceError(f"{step.entry} ended row {failed[0]} of {len(each)} with status {status}")


class Encoding(_Coding):
    """Compression, encryption, or both."""

    @staticmethod
    def most(job: Job[ChainOptions], direct: bool) -> int:
        """Return the bytes of a submission; `direct` where kernels work in the host's memory."""
        alone = job.items.nbytes <= DIRECT_BATCH and len(job.items) <= BATCH_ITEMS
        return DIRECT_BATCH if alone and direct and job.sink.adopts else BATCH

    def linked(self) -> Linked:
        """Return the launches."""
        data = _Data(INPUT, self._inputs.starts, self._items.sizes)
        self._sums: list[tuple[int, int]] = []
        self._nonces: Items | None = None
        self._scratch = self._output = 0
        self._frames: int | None = None
        self._packed = False
        for number, stage in enumerate(self._chain.stages):
            if isinstance(stage, Lz4Compress):
                data = self._compress(stage is self._chain.data_stages[-1], self._options(number))
            elif isinstance(stage, KeyedOperation):
                data = self._encrypt(stage, data, self._options(number))
            else:
                step = self._checksum(number, self._steps, data, self._front_checksums(stage))
                self._sums.append((self._chain.columns[number], step))
        self._data = data
        return Linked(self._steps, self._inputs, self._scratch, self._output, (self, self._job), collect=self._collect)

    def _compress(self, last: bool, options: lz4_compress.CompressOptions) -> _Data:
        sizes = self._items.sizes.astype(np.int64)
        blocks = options.blocks_for(sizes)
        header = options.header(0)
        bounds = links.frame_bounds(sizes, blocks, header).astype(np.uint64)
        slots, nbytes = spread(bounds)
        table, firsts = lz4_compress.cut(self._inputs.starts, self._items.sizes, options.blocks, 0, options)
        first_rows = firsts.astype(np.int64)
        # Payloads lie as in a frame of blocks that did not get smaller.
        item = np.repeat(np.arange(self._count), np.diff(first_rows))
        within = np.arange(len(table)) - first_rows[item]
        apart = blocks[item] + links.WORD * (1 + options.block_checksum)
        table["dst"] = slots[item] + (links.HEADER + links.WORD + within * apart).astype(np.uint64)
        place = OUTPUT if last else SCRATCH
        self._add("lz4", "lz4_compress", table, INPUT, place)
        frames = new_table(self._count)
        frames["src"], frames["src_size"] = self._inputs.starts, sizes
        frames["dst"], frames["dst_capacity"] = slots, bounds
        frames["param"] = first_rows[:-1] * 32
        codes, which = np.unique(blocks, return_inverse=True)
        descriptors = [links.descriptor(options.header(0, int(code))) for code in codes]
        frames["flags"] = np.array(descriptors, np.uint32)[which]
        params = Place(Space.RESULTS, len(self._steps) - 1)
        self._steps.append(Step(links.KERNEL, links.FRAMES, frames, params, INPUT, place))
        self._frames = len(self._steps) - 1
        self._scratch, self._output = (0, nbytes) if last else (nbytes, 0)
        return _Data(place, slots, bounds, self._frames)

    def _add(self, kernel: str, entry: str, table: Table, src: Place, dst: Place) -> None:
        self._steps.append(Step(kernel, entry, table, np.zeros(_NO_PARAMS, np.uint8), src, dst))

    def _encrypt(self, cipher: KeyedOperation, data: _Data, options: CipherOptions) -> _Data:
        nonces = options.nonce_items()
        if nonces is None:
            nonces = self._nonces = cipher.random_nonces(self._count)
        # One behind the other, with room for nonces in front; where sizes are not known yet, `pack` puts them there.
        front = 0 if self._nonces is None else cipher.nonce_size
        bounds = data.sizes + np.uint64(cipher.whole_room)
        ends = np.cumsum(bounds + np.uint64(front), dtype=np.uint64)
        slots = ends - bounds if data.step is None else np.full(self._count, front, np.uint64)
        self._output, self._packed = int(ends[-1]), True
        table, params = cipher.whole_rows(Texts(data.starts, slots, data.sizes, nonces), options)
        if data.step is not None:
            following = len(self._steps) + 3
            self._steps += [
                links.sizes_to_rows(self._count, data.step, following, cipher.whole_room),
                links.sizes_to_records(self._count, data.step, following),
                links.places_behind(self._count, data.step, following, cipher.whole_room + front, "dst"),
            ]
        self._steps.append(
            Step(cipher.kernel, cipher.entry, table, params, data.place, OUTPUT, keys=keys_in(table, params, options))
        )
        return _Data(OUTPUT, slots, bounds, len(self._steps) - 1, None if data.step is None else front)

    def _front_checksums(self, stage: Operation[Any]) -> Any:
        """Return the checksums of what comes in front of the data and is not on the device."""
        if self._nonces is None:
            return None
        fronts = [bytes(self._nonces.view(index)) for index in range(self._count)]
        found, _ = stage.on_cpu_many(fronts, stage.settings(), 0)
        return np.array(found, np.uint32)

    def _collect(self, results: list[Table], output: Bytes, kept: bool) -> None:
        """Make results of what was written, whose sizes are known now."""
        self._refuse_failed(results, "lz4_compress")
        assert self._data.step is not None
        sizes = results[self._data.step]["dst_size"].astype(np.uint64)
        if (sizes > self._data.sizes).any() or (sizes != self._expected(results, sizes)).any():
            raise DeviceError("the device claims to have written more or less than it was told")
        front = np.uint64(0) if self._nonces is None else self._nonces.sizes[0]
        whole = sizes + front
        targets = self._job.sink.adopt(output, whole) if kept and self._packed else None
        if targets is None:
            starts = np.cumsum(whole, dtype=np.uint64) - sizes if self._packed else self._data.starts
            targets = self._job.sink.allocate(whole, self._first)
            copy_many(starts + np.uint64(address_of(output)), targets + front, sizes)
        if self._nonces is not None:
            copy_many(self._nonces.addresses, targets, self._nonces.sizes)
        rows = slice(self._first, self._first + self._count)
        for column, step in self._sums:
            self._job.options.checksums[rows, column] = results[step]["check"]

    def _expected(self, results: list[Table], sizes: Addresses) -> Addresses:
        """Return the sizes of the results by what came before the last stage."""
        if self._frames is None:
            return self._data.sizes
        if self._frames == self._data.step:
            return sizes
        cipher = self._chain.data_stages[-1]
        assert isinstance(cipher, KeyedOperation)
        return results[self._frames]["dst_size"].astype(np.uint64) + np.uint64(cipher.whole_room)


class Decoding(_Coding):
    """Decryption, with or without decompression behind it."""

    @staticmethod
    def most(job: Job[ChainOptions], direct: bool) -> int:
        """Return the bytes of a submission."""
        return BATCH

    def linked(self) -> Linked:
        """Return the launches that come before the sizes of the contents are known."""
        data = _Data(INPUT, self._inputs.starts, self._items.sizes)
        # Stages whose verdict is there before anything is decompressed, with their launches.
        self._verdicts: list[tuple[int, int]] = []
        self._behind: list[int] = []
        self._unpacks: int | None = None
        self._scratch, outputs = 0, Scattered.of(np.zeros(0, np.uint64), np.zeros(0, np.uint64))
        for number, stage in enumerate(self._chain.stages):
            if isinstance(stage, Lz4Decompress):
                self._unpacks = number
                self._measure = self._add_measure(data)
            elif self._unpacks is not None:
                self._behind.append(number)
            elif isinstance(stage, KeyedOperation):
                data, outputs = self._decrypt(stage, self._options(number))
                self._verdicts.append((number, len(self._steps) - 1))
            else:
                self._verdicts.append((number, self._checksum(number, self._steps, data)))
        self._data = data
        keep = (self, self._job)
        return Linked(self._steps, self._inputs, self._scratch, outputs, keep, private=True, then=self._judge)

    def _decrypt(self, cipher: KeyedOperation, options: CipherOptions) -> tuple[_Data, Scattered]:
        overhead = np.uint64(cipher.overhead(options))
        front = np.uint64(cipher.nonce_size if options.nonces is None else 0)
        sizes = self._items.sizes - overhead
        nonces = options.nonce_items() or cipher.in_front(self._items)
        self._cipher = cipher
        self._texts = Texts(self._items.addresses + front, self._items.addresses, sizes, nonces)
        outputs = Scattered.of(np.zeros(0, np.uint64), np.zeros(0, np.uint64))
        if self._chain.data_stages[-1] is cipher:
            outputs = Scattered.of(self._job.sink.allocate(sizes, self._first), sizes)
            data = _Data(OUTPUT, outputs.starts, sizes)
        else:
            slots, self._scratch = spread(sizes)
            data = _Data(SCRATCH, slots, sizes)
        texts = Texts(self._inputs.starts + front, data.starts, sizes, nonces)
        table, params = cipher.whole_rows(texts, options)
        self._steps.append(
            Step(cipher.kernel, cipher.entry, table, params, INPUT, data.place, keys=keys_in(table, params, options))
        )
        return data, outputs

    def _add_measure(self, data: _Data) -> int:
        table = new_table(self._count)
        table["src"], table["src_size"] = data.starts, data.sizes
        params = np.zeros(_NO_PARAMS, np.uint8)
        self._steps.append(Step(links.KERNEL, links.MEASURE, table, params, data.place, data.place))
        return len(self._steps) - 1

    def _judge(self, results: list[Table]) -> Linked | None:
        """Check tags and checksums; go on with the frames that are plain."""
        self._refuse_failed(results, links.MEASURE)
        for number, step in self._verdicts:
            if number in self._chain.columns:
                self._check(number, range(self._count), results[step]["check"])
                continue
            if (results[step]["dst_size"] != self._texts.sizes).any():
                raise DeviceError(f"{self._cipher.entry} wrote more or less than it was told")
            for position in self._cipher.forged(self._texts, Cut.none(self._count), results[step]):
                self._fail(position, wrong_tag())
        if self._unpacks is None:
            for index in self.errors:
                self._job.sink.discard(index)
            return None
        self._frames = self._sound_frames(results[self._measure])
        self._next = 0
        return self._group()

    def _check(self, number: int, positions: Sequence[int], found: Any) -> None:
        column, options = self._chain.columns[number], self._job.options
        indices = np.fromiter(positions, np.int64, len(positions)) + self._first
        options.checksums[indices, column] = found
        if options.expected is None:
            return
        for row in np.flatnonzero(options.expected[indices, column] != options.checksums[indices, column]):
            self._fail(positions[int(row)], wrong_checksum(self._chain.stages[number].algorithm))

    def _fail(self, position: int, error: Exception) -> None:
        self.errors.setdefault(self._first + position, error)

    def _sound_frames(self, results: Table) -> Any:
        """Return what the frames hold, with no blocks where there is nothing to decode here."""
        assert self._unpacks is not None
        said, options = links.measured(results).copy(), self._options(self._unpacks)
        plain = results["status"] == Status.OK
        whole = said["block_size"] * said["blocks"].astype(np.int64)
        fits = (whole >= said["content"]) & (whole - said["block_size"] < said["content"])
        if (plain & ~(fits & np.isin(said["block_size"], _BLOCK_SIZES))).any():
            raise DeviceError(f"{links.MEASURE} reports blocks that are no frame's")
        # The stages' own launches say what is wrong with a frame that promises more than it can hold.
        plain &= said["content"] <= self._data.sizes * np.uint64(lz4_frame.MAX_EXPANSION)
        plain &= (said["content"] > 0) | (results["check"] == 0) | (said["checksum"] == _CHECKSUM_OF_NOTHING)
        for position in range(self._count) if not plain.all() or self.errors else ():
            if self._first + position in self.errors:
                plain[position] = False
            elif not plain[position]:
                self.apart.append(self._first + position)
        for position in np.flatnonzero(plain & (said["content"] > options.most)).tolist():
            plain[position] = False
            try:
                options.check(int(said["content"][position]))
            except OutputLimitError as error:
                self._fail(position, error.with_traceback(None))
        said[~plain] = 0
        self._checked = results["check"]
        for number in self._behind:
            # Of nothing no row is made.
            self._check(number, np.flatnonzero(plain & (said["content"] == 0)).tolist(), self._of_nothing(number))
        return said

    def _of_nothing(self, number: int) -> int:
        stage = self._chain.stages[number]
        assert isinstance(stage, ContinuedChecksum)
        return stage.initial

    def _group(self) -> Linked | None:
        """Return the launches that decode the next frames, at most `GROUP` bytes of content or one frame."""
        if self._next == self._count:
            return None
        first = self._next
        ends = np.cumsum(self._frames["content"][first:], dtype=np.uint64)
        self._next = first + max(1, int(np.searchsorted(ends, GROUP, side="right")))
        frames = self._frames[first : self._next]
        targets = self._job.sink.allocate(frames["content"].astype(np.uint64), self._first + first)
        chosen = np.flatnonzero(frames["blocks"])
        if not len(chosen):
            return self._group()
        self._positions = (chosen + first).tolist()
        self._said = frames[chosen]
        self._outputs = Scattered.of(targets[chosen], self._said["content"].astype(np.uint64))
        return self._decompress()

    def _decompress(self) -> Linked:
        said, starts = self._said, self._outputs.starts
        rows = said["blocks"].astype(np.int64)
        first_rows = links.positions(rows)
        item = np.repeat(np.arange(len(said)), rows)
        before = (np.arange(len(item)) - first_rows[item].astype(np.int64)) * said["block_size"][item]
        blocks = new_table(len(item))
        blocks["dst"] = starts[item] + before.astype(np.uint64)
        blocks["dst_capacity"] = np.minimum(said["content"][item] - before, said["block_size"][item])
        blocks["param"] = 1
        frames = new_table(len(said))
        frames["src"], frames["src_size"] = (self._data.starts[self._positions], self._data.sizes[self._positions])
        frames["dst"], frames["dst_capacity"] = first_rows * np.uint64(32), rows * 32
        self._blocks, self._first_rows = blocks["dst_capacity"].copy(), first_rows
        none = np.zeros(_NO_PARAMS, np.uint8)
        self._steps = [
            Step(links.KERNEL, links.ROWS, frames, none, SCRATCH, Place(Space.TABLE, 1)),
            Step("lz4", "lz4_decompress", blocks, none, SCRATCH, OUTPUT),
        ]
        data = _Data(OUTPUT, starts, self._outputs.sizes)
        self._sums = [(number, self._checksum(number, self._steps, data)) for number in self._behind]
        empty = np.zeros(0, np.uint64)
        return Linked(self._steps, Scattered.of(empty, empty), 0, self._outputs, self, then=self._accept)

    def _accept(self, results: list[Table]) -> Linked | None:
        """Check what was decoded, and go on."""
        self._refuse_failed(results, "lz4_decompress")
        right = (results[1]["status"] == Status.OK) & (results[1]["dst_size"] == self._blocks)
        whole = np.logical_and.reduceat(right, self._first_rows.astype(np.int64))
        for row in np.flatnonzero(~whole).tolist():
            self._fail(self._positions[row], FormatError("malformed LZ4 block"))
        for row in np.flatnonzero(whole & (self._checked[self._positions] != 0)).tolist():
            content = memory(int(self._outputs.addresses[row]), int(self._outputs.sizes[row]))
            if xxhash.xxh32_intdigest(content) != self._said["checksum"][row]:
                self._fail(self._positions[row], IntegrityError("the content checksum of the LZ4 frame is wrong"))
        for number, step in self._sums:
            self._check(number, self._positions, results[step]["check"])
        group = range(self._first + self._positions[0], self._first + self._positions[-1] + 1)
        for index in self.errors.keys() & group:
            self._job.sink.discard(index)
        return self._group()
