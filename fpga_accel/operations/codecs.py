"""What all compression formats share: the row of a format, limits of output, streams, and data to time with."""

from __future__ import annotations

import sysconfig
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from fpga_accel._host import ffi
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import BufferTooSmallError, DeviceError, OutputLimitError
from fpga_accel.operations.buffers import Flat, Items, Sink, Sizes, made, memory, require_room
from fpga_accel.operations.contract import ALONE, COPIED, Operation, OptionsT, Work
from fpga_accel.segments import Launch, Status, Table, address_of, copy_many, rows_at

# Data that does not get smaller, which libraries pass over several times as fast as text; and how much of it tells.
DENSE = "dense"
_PROBE = 1 << 10
# Text that is repeated beyond what any kernel's matches reach back, so that the copies do not show.
_TEXT_SIZE = 256 << 10
# Content of a batch that differs: more than a core's branch predictors learn.
_DIFFERENT = 1 << 20
_TEXTS = ("pydoc_data/topics.py", "typing.py", "argparse.py", "inspect.py", "tarfile.py", "subprocess.py")

_LARGEST_CONTENT = 2**64 - 1

# From here on threads share the copies of a result's parts: they wait for memory, and for pages that are new.
_SHARED_OUT = 1 << 20

# Magic numbers of frames that hold no content and that decoders pass over, in LZ4 (frame format 1.6) and in
# Zstandard (RFC 8878 §3.1.2) alike.
SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_WORD = 4
_SKIPPED_AT_ONCE = 4 << 20


class Source(Protocol):
    """Where compressed bytes come from."""

    def take(self, count: int) -> bytes:
        """Return exactly `count` bytes.

        Raises
        ------
        TruncatedError
            There are fewer.
        """

    def peek(self, count: int) -> bytes:
        """Return up to `count` bytes without taking them; fewer only at the end."""


# Send a piece of a stream on its way through a one-shot operation; what is returned waits for its result.
Start = Callable[[Flat, Any], Callable[[], bytes]]


class Encoder(Protocol):
    """Writes a stream, slab by slab."""

    # Content bytes of a slab: many blocks, so that a launch is worth it.
    slab: int

    def begin(self) -> bytes:
        """Return what a stream begins with."""

    def start(self, content: Flat) -> Callable[[], bytes | memoryview]:
        """Send a slab on its way; what is returned waits for what it became. All but the last have `slab` bytes."""

    def end(self) -> bytes:
        """Return what a stream ends with."""


class Stream(NamedTuple):
    """How a format is written and read as a stream: an encoder's class, and a generator over decoded chunks.

    The encoder is made of compress options; the generator is given the most bytes of output. `joins` says whether
    another stream may follow, so that files can be appended to.
    """

    encoder: Callable[[Any, Start], Encoder]
    decoder: Callable[[Source, Start, int | None], Iterator[bytes]]
    joins: bool = True


class Format(NamedTuple):
    """A compression format.

    Attributes
    ----------
    suffixes
        Endings of file names; what is written gets the first.
    starts
        Whether data that begins with so many as `START` bytes, or all there are, looks like it; None where the format
        has nothing to tell it by.
    bound
        The largest size that so many bytes can become.
    stream
        None where the format needs the size of the content first.
    """

    name: str
    suffixes: tuple[str, ...]
    starts: Callable[[bytes], bool] | None
    bound: Callable[[int], int]
    stream: Stream | None


# Bytes that tell every format.
START = 16


@dataclass(frozen=True, slots=True)
class DecompressOptions:
    """Options of all decompression: at most `max_output` bytes an item."""

    max_output: int | None = None
    # True where the limit is the size of the caller's buffer.
    by_buffer: bool = False

    def __post_init__(self) -> None:
        if self.max_output is not None and self.max_output < 0:
            raise ValueError(f"max_output is {self.max_output}; it must not be negative")

    @property
    def most(self) -> int:
        """Bytes that an item may become."""
        return _LARGEST_CONTENT if self.max_output is None else min(self.max_output, _LARGEST_CONTENT)

    def check(self, nbytes: int) -> None:
        """Refuse more output than was allowed."""
        if self.max_output is None or nbytes <= self.max_output:
            return
        if self.by_buffer:
            raise BufferTooSmallError(
                f"the content has at least {nbytes} bytes, the buffer {self.max_output}", needed=nbytes
            )
        raise OutputLimitError(f"the content has at least {nbytes} bytes, max_output is {self.max_output}")

    def bounded(self, capacity: int) -> DecompressOptions:
        """Return the options for a call into a buffer of `capacity` bytes."""
        if self.max_output is not None and self.max_output <= capacity:
            return self
        return DecompressOptions(capacity, by_buffer=True)


class Decompression(Operation[DecompressOptions]):
    """What decompression of every format has in common."""

    op = "decompress"
    takes: ClassVar[type] = memoryview
    # The planned way also knows how much room there is.
    into_limit = COPIED

    def options(self, **given: Any) -> DecompressOptions:
        return DecompressOptions(**given)

    def gains_from_threads(self, item: Flat) -> bool:
        # What is stored is copied, which one core does as fast as memory does.
        return self.work(item).kind != DENSE

    def bounded(self, options: DecompressOptions, capacity: int) -> DecompressOptions:
        return options.bounded(capacity)


class Refused(Exception):
    """An item that has to go another way than in a library's loop."""


def each_of(decode: Callable[[Flat], bytes | None], items: Sequence[Flat]) -> Iterator[bytes]:
    """Return what becomes of items one after the other; raise `Refused` at the first of which nothing does."""
    for item in items:
        content = decode(item)
        if content is None:
            raise Refused
        yield content


def between(legal: range) -> dict[str, Any]:
    """Return a range as `Operation.limits` has it."""
    return {"minimum": legal[0], "maximum": legal[-1]}


def launch(kernel: str, entry: str, table: Table, *keep: Any) -> Launch:
    """Return a launch of a kernel that takes no parameters."""
    return Launch(kernel, entry, table, np.zeros(16, np.uint8), keep=keep)


def pointers(table: Table, results: Table) -> tuple[Any, Any]:
    """Return rows and their results as the host library takes them."""
    return rows_at(table), ffi.cast("result_t *", address_of(results))


def rows_and_checks(table: Table, checks: npt.NDArray[np.uint32]) -> tuple[Any, Any]:
    """Return rows and a checksum of each as the host library takes them."""
    return rows_at(table), ffi.cast("uint32_t *", address_of(checks))


def packed(found: int, results: Table, *, entry: str, may_not_fit: bool = True) -> int:
    """Return what a packing function of the host library returned.

    `may_not_fit` tells that rows which did not fit are stored instead.

    Raises
    ------
    DeviceError
        The function refused what the device gave.
    """
    if found >= 0:
        return found
    status = results["status"]
    bad = np.flatnonzero((status != Status.OK) & ~(may_not_fit & (status == Status.DST_TOO_SMALL)))
    if len(bad):
        raise DeviceError(f"{entry} ended row {bad[0]} with status {status[bad[0]]}")
    raise DeviceError(f"{entry} gave {len(results)} rows that cannot be joined (status {-found})")


def pass_skippable(source: Source) -> None:
    """Take the skippable frames that a stream goes on with."""
    while int.from_bytes(source.peek(_WORD), "little") in SKIPPABLE:
        left = int.from_bytes(source.take(2 * _WORD)[_WORD:], "little")
        while left:
            left -= len(source.take(min(left, _SKIPPED_AT_ONCE)))


def grouped(sizes: Sizes, most: int) -> Iterator[range]:
    """Yield ranges of items that hold at most `most` bytes together, or one item that is larger."""
    ends = np.cumsum(sizes, dtype=np.uint64)
    first, before = 0, 0
    while first < len(sizes):
        end = max(int(np.searchsorted(ends, before + most, side="right")), first + 1)
        yield range(first, end)
        first, before = end, int(ends[end - 1])


class InParts(Operation[OptionsT]):
    """An operation whose CPU path makes a result in parts, on threads."""

    @abstractmethod
    def parts_on_cpu(self, data: Flat, options: OptionsT, workers: Workers) -> Sequence[Flat]:
        """Return what is the result when one lies behind the other."""

    def on_cpu(self, data: Flat, options: OptionsT, index: int, workers: Workers) -> bytes:
        parts = self.parts_on_cpu(data, options, workers)
        if len(parts) == 1 and type(parts[0]) is bytes:
            return parts[0]
        return _joined(parts, workers)

    def on_cpu_into(self, data: Flat, options: OptionsT, index: int, workers: Workers, out: memoryview) -> int:
        parts = self.parts_on_cpu(data, options, workers)
        size = sum(map(len, parts))
        require_room(size, len(out))
        _put(parts, out[:size], workers)
        return size


def _joined(parts: Sequence[Flat], workers: Workers) -> bytes:
    """Return parts as one, copied on threads where that is worth it."""
    size = sum(map(len, parts))
    if size < _SHARED_OUT:
        return b"".join(parts)
    return made(size, lambda out: _put(parts, out, workers))


def _put(parts: Sequence[Flat], out: memoryview, workers: Workers) -> None:
    if len(out) < _SHARED_OUT:
        at = 0
        for part in parts:
            out[at : at + len(part)] = part
            at += len(part)
        return
    items = Items.of(parts)
    targets = np.cumsum(items.sizes) - items.sizes + np.uint64(address_of(np.frombuffer(out, np.uint8)))

    def put(some: slice) -> None:
        copy_many(items.addresses[some], targets[some], items.sizes[some])

    # A part is one thread's, so a head, a body and a tail are no work for two.
    each = max(1, len(parts) // (4 * workers.count)) if len(parts) > 3 else len(parts)
    workers.map(put, [slice(start, start + each) for start in range(0, len(parts), each)])


def put_parts(sink: Sink, index: int, parts: list[Flat]) -> None:
    """Put an item's result, which is in parts, into the sink."""
    size = sum(map(len, parts))
    (target,) = sink.allocate(np.array([size], np.uint64), index)
    _put(parts, memory(int(target), size), ALONE)


def content_work(data: Flat) -> Work:
    """Return what compressing `data` means for the time it takes, by a look at its middle."""
    # Ciphers and hashes import this module and do without the library.
    import lz4.block

    middle = len(data) // 2
    probe = data[middle : middle + _PROBE]
    dense = len(lz4.block.compress(probe, store_size=False)) >= len(probe)
    return Work(len(data), DENSE if dense else "")


def sample_data(nbytes: int, kind: str) -> bytes:
    """Return bytes to time with: dense ones, or text of the kind that users have."""
    if kind == DENSE:
        return np.random.default_rng(3).bytes(nbytes)
    text = _text()
    return (text * (nbytes // len(text) + 1))[:nbytes]


def sample_items(count: int, nbytes: int, kind: str, pack: Callable[[bytes], bytes] | None = None) -> list[bytes]:
    """Return the items of a batch to time with, each through `pack` where that is given.

    They differ, as far as `_DIFFERENT` bytes reach: one item over and over is worked on several times as fast.
    """
    different = min(count, max(1, _DIFFERENT // max(1, nbytes)))
    content = sample_data(different * nbytes, kind)
    parts = (content[at * nbytes : (at + 1) * nbytes] for at in range(different))
    items = list(parts if pack is None else map(pack, parts))
    return (items * (count // max(1, different) + 1))[:count]


@cache
def _text() -> bytes:
    """Return sources and manual texts of Python's library; made-up words where it is not in files."""
    folder = Path(sysconfig.get_path("stdlib"))
    parts = [path.read_bytes() for name in _TEXTS if (path := folder / name).is_file()]
    joined = b"".join(parts)
    if len(joined) >= _TEXT_SIZE:
        return joined
    words = np.random.default_rng(1).integers(97, 123, (4096, 6), np.uint8)
    return words[np.random.default_rng(2).zipf(1.3, 1 << 18) % 4096].tobytes()
