"""DEFLATE compression (RFC 1951): raw, and as zlib (RFC 1950), gzip (RFC 1952) and BGZF (SAM specification §4.1).

Content is cut into rows whose matches may reach back into the content before them; the rows of one content are one
stream. BGZF cuts it into members of their own.
"""

from __future__ import annotations

import itertools
import struct
import threading
import zlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, ClassVar

import numpy as np
from isal import isal_zlib
from zlib_ng import zlib_ng

from fpga_accel._host import ffi, lib
from fpga_accel._objects import Windows
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.operations import adler
from fpga_accel.operations.buffers import BytesSink, Flat, Items, Sizes, flat, memory
from fpga_accel.operations.codecs import DENSE, InParts, between, content_work, grouped, put_parts, sample_items
from fpga_accel.operations.contract import (
    ALONE,
    GROUP,
    Errors,
    Job,
    RowInput,
    RowOutput,
    Run,
    Work,
    first_launch,
    one_ahead,
    output_of,
    require_success,
    row_of,
)
from fpga_accel.operations.gzip_member import BGZF_END, BGZF_HEADER, PLAIN_HEADER
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import SEGMENT, Bytes, Launch, Status, Table, address_of, words_at

LEVELS = range(10)
DEFAULT_LEVEL = 1
# The efforts of the kernel, by level.
_EFFORTS = (0, 1, 1, 3, 3, 3, 6, 6, 6, 9)

# Content bytes of a row. Each ends its own blocks and reads 32 KiB again: 64 KiB costs 1 % of ratio, and 256 KiB leaves
# less to run in parallel.
BLOCK_SIZES = tuple(1 << bits for bits in range(16, 21))
_BLOCK = 128 << 10
# The most that a BGZF member should hold, so that it stays below 64 KiB even where it is stored.
BGZF_BLOCK = 65280
_BGZF_LEAST = 4096

# How far back a match may reach.
HISTORY = 32 << 10

# Row flags of the kernel, as in kernels/deflate/params.h.
ROW_FINAL = 1
_EFFORT_SHIFT = 8

# Content bytes of one thread's turn on the CPU path.
CPU_PART = 1 << 20

_RAW = -15
_DEFLATED = 8
_MEMORY_LEVEL = 8
# The levels that isal has; zlib-ng has the others, and more effort.
_LEVELS_OF_ISAL = (1, 2)


@dataclass(frozen=True, slots=True)
class CompressOptions:
    """Options of ``deflate.compress`` and ``zlib.compress``.

    Parameters
    ----------
    level
        0 stores, 1 is fast and the default, 9 searches hardest. Devices have four efforts beside 0: of levels 1 and 2,
        3 to 5, 6 to 8, and 9.
    block_size
        Content that is compressed as one piece: 64 KiB to 1 MiB, powers of two; None is 128 KiB.
    """

    level: int = DEFAULT_LEVEL
    block_size: int | None = None

    def __post_init__(self) -> None:
        _check_level(self.level)
        if self.block_size is not None and self.block_size not in BLOCK_SIZES:
            legal = ", ".join(map(str, BLOCK_SIZES))
            raise ValueError(f"deflate block_size {self.block_size}; legal ones are {legal}")

    @property
    def block(self) -> int:
        """Content bytes of a row."""
        return self.block_size or _BLOCK

    @property
    def row_flags(self) -> int:
        """What the kernel is told."""
        return _EFFORTS[self.level] << _EFFORT_SHIFT


@dataclass(frozen=True, slots=True)
class GzipOptions(CompressOptions):
    """Options of ``gzip.compress``.

    Parameters
    ----------
    name
        The file name that the header carries.
    """

    name: str = ""

    def __post_init__(self) -> None:
        CompressOptions.__post_init__(self)
        if not isinstance(self.name, str):
            raise TypeError(f"name must be a str, not {type(self.name).__name__}")
        if "\0" in self.name or any(ord(letter) > 0xFF for letter in self.name):
            raise ValueError(f"gzip name {self.name!r}; legal are names of ISO 8859-1 letters without NUL")


@dataclass(frozen=True, slots=True)
class BgzfOptions(CompressOptions):
    """Options of ``bgzf.compress``.

    Parameters
    ----------
    block_size
        Content bytes of a member: 4096 to 65280, which is the default.
    """

    def __post_init__(self) -> None:
        _check_level(self.level)
        if self.block_size is not None and not _BGZF_LEAST <= self.block_size <= BGZF_BLOCK:
            raise ValueError(f"bgzf block_size {self.block_size}; legal ones are {_BGZF_LEAST} to {BGZF_BLOCK}")

    @property
    def block(self) -> int:
        """Content bytes of a member."""
        return self.block_size or BGZF_BLOCK


@dataclass(frozen=True, slots=True)
class PieceOptions(CompressOptions):
    """A piece of a stream: raw blocks that end at a byte and are not the last.

    Parameters
    ----------
    history
        So many bytes of the data are what comes before the piece.
    """

    history: int = 0


def _check_level(level: int) -> None:
    if level not in LEVELS:
        raise ValueError(f"deflate level {level}; legal ones are {LEVELS[0]} to {LEVELS[-1]}")


# ---- what is around a stream ----


class Wrapper:
    """Nothing: raw DEFLATE."""

    # How libraries name it.
    wbits: ClassVar[int] = _RAW
    # The checksum of nothing.
    start: ClassVar[int] = 0
    tail_size: ClassVar[int] = 0

    def head(self, options: CompressOptions) -> bytes:
        """Return what stands before the blocks."""
        return b""

    def check(self, data: Flat, value: int) -> int:
        """Return the checksum of content that goes on with `data`; `value` is the one before."""
        return 0

    def check_of_part(self, data: Flat, crc: int) -> int:
        """Return the checksum of a part, whose CRC-32 is known."""
        return self.check(data, self.start)

    def combined(self, first: int, second: int, nbytes: int) -> int:
        """Return the checksum of content and `nbytes` more behind it, of those of both."""
        return 0

    def tail(self, check: int, size: int) -> bytes:
        """Return what stands behind the blocks of `size` bytes of content."""
        return b""


class ZlibWrapper(Wrapper):
    """RFC 1950: two bytes, and the Adler-32 of the content."""

    wbits = 15
    start = 1
    tail_size = 4

    def head(self, options: CompressOptions) -> bytes:
        # A window of 32 KiB; how hard was searched; and what makes it a multiple of 31.
        effort = (0, 0, 1, 1, 1, 1, 2, 3, 3, 3)[options.level]
        head = 0x7800 | effort << 6
        return (head + 31 - head % 31).to_bytes(2, "big")

    def check(self, data: Flat, value: int) -> int:
        check: int = zlib_ng.adler32(data, value)
        return check

    def combined(self, first: int, second: int, nbytes: int) -> int:
        return adler.combined(first, second, nbytes)

    def tail(self, check: int, size: int) -> bytes:
        return check.to_bytes(4, "big")


class GzipWrapper(Wrapper):
    """RFC 1952: a header without a time, the CRC-32 of the content and its size modulo 2^32."""

    wbits = 31
    tail_size = 8

    def head(self, options: CompressOptions) -> bytes:
        name = options.name.encode("latin-1") + b"\0" if isinstance(options, GzipOptions) and options.name else b""
        effort = {1: 4, 9: 2}.get(options.level, 0)
        # FNAME; no time; an unknown system, so that the bytes are the same everywhere.
        return struct.pack("<HBBIBB", 0x8B1F, _DEFLATED, 8 if name else 0, 0, effort, 255) + name

    def check(self, data: Flat, value: int) -> int:
        check: int = isal_zlib.crc32(data, value)
        return check

    def check_of_part(self, data: Flat, crc: int) -> int:
        return crc

    def combined(self, first: int, second: int, nbytes: int) -> int:
        check: int = isal_zlib.crc32_combine(first, second, nbytes)
        return check

    def tail(self, check: int, size: int) -> bytes:
        return struct.pack("<II", check, size & 0xFFFFFFFF)


# ---- the CPU path ----


def _library(level: int) -> Any:
    return isal_zlib if level in _LEVELS_OF_ISAL else zlib_ng


def _deflated(content: Flat, history: Flat, level: int, *, final: bool) -> list[bytes]:
    library = _library(level)
    arguments = (level, _DEFLATED, _RAW, _MEMORY_LEVEL, 0)
    made = library.compressobj(*arguments, history) if len(history) else library.compressobj(*arguments)
    return [made.compress(content), made.flush(zlib.Z_FINISH if final else zlib.Z_SYNC_FLUSH)]


class _Compressors(threading.local):
    """A thread's compressors of parts, by level: their memory serves one part after the other.

    A new compressor a part is new memory a part, whose page faults are a tenth of the time. isal has them for its own
    threads and does not promise them to others.
    """

    make: ClassVar[Any] = getattr(isal_zlib, "_ParallelCompress", None)

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}

    def of(self, level: int) -> Any:
        """Return the one for a level; None where no library has one."""
        if level not in _LEVELS_OF_ISAL or self.make is None:
            return None
        if level not in self._made:
            # What no search finds a match in is stored, with a few bytes for each 64 KiB.
            self._made[level] = self.make(CPU_PART + CPU_PART // 16, level)
        return self._made[level]


_COMPRESSORS = _Compressors()

# The last block of a stream: fixed codes, and nothing but their end (RFC 1951 §3.2.6).
_END = b"\x03\0"


def _bodies(view: memoryview, first: int, level: int, workers: Workers, wrapper: Wrapper) -> tuple[list[bytes], int]:
    """Return the blocks of content from `first` on, whose parts each begin anew with the content before them.

    They end at a byte, and none is the last of a stream. And the checksum of that content, which is cheapest while a
    part is in the cache.
    """

    def part(start: int) -> tuple[list[bytes], int]:
        content, history = view[start : start + CPU_PART], view[max(0, start - HISTORY) : start]
        compressor = _COMPRESSORS.of(level)
        if compressor is None:
            return _deflated(content, history, level, final=False), wrapper.check(content, wrapper.start)
        made, crc = compressor.compress_and_crc(content, history)
        return [made], wrapper.check_of_part(content, crc)

    starts = range(first, len(view), CPU_PART)
    bodies, check = [], wrapper.start
    for start, (made, own) in zip(starts, workers.map(part, starts), strict=True):
        bodies += made
        check = wrapper.combined(check, own, min(CPU_PART, len(view) - start))
    return bodies, check


# ---- rows ----


class _Rows:
    """Contents cut into rows, and where their output goes."""

    def __init__(
        self, addresses: Sizes, sizes: Sizes, options: CompressOptions, *, history: int, linked: bool, final: bool
    ) -> None:
        self.count = len(sizes)
        room = ffi.new("uint64_t *")
        rows = lib.fa_deflate_cut_count(words_at(sizes), self.count, options.block, linked, room)
        self.table: Table = POOL.array(rows, SEGMENT)
        self.first_rows: Sizes = np.empty(self.count + 1, np.uint64)
        self.scratch: Bytes = POOL.array(room[0])
        lib.fa_deflate_cut(
            words_at(addresses),
            words_at(sizes),
            self.count,
            options.block,
            history,
            linked,
            final,
            address_of(self.scratch),
            options.row_flags,
            self._at(self.table, "segment_t *"),
            words_at(self.first_rows),
        )

    @staticmethod
    def _at(table: Table, kind: str) -> Any:
        return ffi.cast(kind, address_of(table))

    def start(self, run: Run, *keep: Any) -> Callable[[], Table]:
        """Send the rows on their way."""
        if not len(self.table):
            return lambda: self.table
        return run.start(
            Launch("deflate", "deflate_compress", self.table, np.zeros(16, np.uint8), keep=(*keep, self.scratch))
        )

    def result_sizes(self, results: Table, each_item: int, each_row: int) -> Sizes:
        """Return the size of each content's result, with so many bytes more for each content and each row."""
        sizes: Sizes = np.empty(self.count, np.uint64)
        arguments = (self._at(results, "result_t *"), words_at(self.first_rows), self.count)
        lib.fa_deflate_sizes(*arguments, each_item, each_row, words_at(sizes))
        return sizes

    def join(self, results: Table, head: bytes, tails: bytes, targets: Sizes) -> None:
        """Write each content's result to its target."""
        lib.fa_deflate_join(
            self._at(self.table, "segment_t *"),
            self._at(results, "result_t *"),
            words_at(self.first_rows),
            self.count,
            head,
            len(head),
            tails,
            len(tails) // self.count,
            words_at(targets),
        )

    def join_members(self, results: Table, checks: Any, targets: Sizes) -> None:
        """Write each content's members to its target."""
        lib.fa_bgzf_join(
            self._at(self.table, "segment_t *"),
            self._at(results, "result_t *"),
            words_at(self.first_rows),
            self.count,
            ffi.cast("uint32_t *", address_of(checks)),
            words_at(targets),
        )

    def checks(self) -> Any:
        """Return the CRC-32 of each row."""
        places = zip(self.table["src"].tolist(), self.table["src_size"].tolist(), strict=True)
        return np.array([isal_zlib.crc32(memory(address, size)) for address, size in places], np.uint32)


# ---- the operations ----


class _Compress(InParts[CompressOptions]):
    """What raw DEFLATE and all that wraps it have in common."""

    op = "compress"
    kernel = "deflate"
    entry = "deflate_compress"
    library = "isal"
    kinds = ("", DENSE)
    # 4 KiB take 20 µs, and the libraries let go of the GIL.
    threads_from = 2 << 10
    takes = Windows

    def limits(self) -> dict[str, dict[str, Any]]:
        return {"level": between(LEVELS), "block_size": {"values": list(BLOCK_SIZES)}}

    def work(self, data: Flat) -> Work:
        return content_work(data)

    def on_device(self, job: Job[CompressOptions], run: Run) -> Errors:
        def start(indices: range) -> Callable[[], None]:
            if len(indices) == 1 and (
                isinstance(job.options, PieceOptions) or int(job.items.sizes[indices[0]]) > GROUP
            ):
                return partial(self._in_groups, job, indices[0], run)
            return self._start_items(job, indices, run)

        for _ in one_ahead(grouped(job.items.sizes, GROUP), start):
            pass
        return {}

    @abstractmethod
    def _start_items(self, job: Job[CompressOptions], indices: range, run: Run) -> Callable[[], None]:
        """Send some contents on their way in one launch; the result waits, and puts what they became into the sink."""

    @abstractmethod
    def _in_groups(self, job: Job[CompressOptions], index: int, run: Run) -> None:
        """Compress content of any size with scratch memory of two groups."""

    def emulate(self, row: RowInput) -> RowOutput:
        content, history = row.src[row.param :], row.src[: row.param]
        effort = row.flags >> _EFFORT_SHIFT
        data = b"".join(_deflated(content, history, effort, final=bool(row.flags & ROW_FINAL)))
        return RowOutput(b"", Status.DST_TOO_SMALL) if len(data) > row.capacity else RowOutput(data)

    def agrees(self, row: RowInput, output: RowOutput) -> bool:
        # Any blocks of the same content are right.
        if output.status != Status.OK:
            return False
        history = bytes(row.src[: row.param])
        reader = zlib.decompressobj(_RAW, history) if history else zlib.decompressobj(_RAW)
        size = len(row.src) - row.param
        try:
            content = reader.decompress(output.data, size + 1)
        except zlib.error:
            return False
        ended = reader.eof if row.flags & ROW_FINAL else output.data.endswith(b"\0\0\xff\xff") and not reader.eof
        return content == row.src[row.param :] and ended and not reader.unused_data and not reader.unconsumed_tail

    def trial(self) -> Trial:
        text = b"".join(b"segment %d of the known-answer test\n" % (i * i) for i in range(3000))
        parts = [b"", b"a", b"abc" * 5, bytes(1000), bytes(range(251)) * 9, text[:65536], text * 2]
        job = Job(Items.of(parts), self.options(), BytesSink(len(parts)))
        launch = first_launch(self, job)
        for row, effort in zip(range(len(launch.table)), (1, 3, 0, 6, 9) * 3, strict=False):
            launch.table["flags"][row] = launch.table["flags"][row] & ROW_FINAL | effort << _EFFORT_SHIFT

        def passed(results: Table) -> bool:
            rows = range(len(launch.table))
            return all(self.agrees(row_of(launch, i), output_of(launch, results, i)) for i in rows)

        return Trial(launch, passed)

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], CompressOptions]:
        return sample_items(count, nbytes, kind), self.options()


class DeflateCompress(_Compress):
    """``deflate.compress``: one stream an item."""

    algorithm = "deflate"
    wrapper: ClassVar[Wrapper] = Wrapper()

    def options(self, **given: Any) -> CompressOptions:
        return CompressOptions(**given)

    def _whole(self, data: Flat, options: CompressOptions) -> bytes:
        made: bytes = _library(options.level).compress(data, options.level, self.wrapper.wbits)
        return made

    def parts_on_cpu(self, data: Flat, options: CompressOptions, workers: Workers) -> Sequence[Flat]:
        view, wrapper = memoryview(data), self.wrapper
        if isinstance(options, PieceOptions):
            return _bodies(view, options.history, options.level, workers, Wrapper())[0]
        # The library writes no name.
        named = isinstance(options, GzipOptions) and options.name
        if not named and (len(view) < 2 * CPU_PART or workers.count == 1):
            return [self._whole(data, options)]
        bodies, check = _bodies(view, 0, options.level, workers, wrapper)
        return [wrapper.head(options), *bodies, _END, wrapper.tail(check, len(view))]

    def _tail(self, content: Flat) -> bytes:
        return self.wrapper.tail(self.wrapper.check(content, self.wrapper.start), len(content))

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        made: bytes = isal_zlib.compress(data, DEFAULT_LEVEL, self.wrapper.wbits)
        return made

    def level_call(self, data: Flat, level: Any) -> bytes | None:
        if type(level) is not int or level not in LEVELS:
            return None
        made: bytes = _library(level).compress(data, level, self.wrapper.wbits)
        return made

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return self._each(items)

    def on_cpu_many(self, items: Sequence[Flat], options: CompressOptions, first: int) -> tuple[list[Any], Errors]:
        if options != self._defaults:
            return super().on_cpu_many(items, options, first)
        return list(self._each(items)), {}

    def each_on_cpu(
        self, items: Iterable[Flat], options: CompressOptions, part: slice, most: int
    ) -> Iterator[bytes] | None:
        return self._each(items) if options == self._defaults else None

    def _each(self, items: Iterable[Flat]) -> Iterator[bytes]:
        """Do the loop that users would write."""
        return map(isal_zlib.compress, items, itertools.repeat(DEFAULT_LEVEL), itertools.repeat(self.wrapper.wbits))

    def _start_items(self, job: Job[CompressOptions], indices: range, run: Run) -> Callable[[], None]:
        items = job.items.picked(slice(indices.start, indices.stop))
        rows = _Rows(items.addresses, items.sizes, job.options, history=0, linked=True, final=True)
        wait = rows.start(run, items)
        # While the device works.
        tails = b"".join(self._tail(items.view(index)) for index in range(len(items)))

        def finish() -> None:
            results = wait()
            require_success(self, results)
            head = self.wrapper.head(job.options)
            sizes = rows.result_sizes(results, len(head) + self.wrapper.tail_size, 0)
            rows.join(results, head, tails, job.sink.allocate(sizes, indices.start))

        return finish

    def _start_group(
        self, items: Items, start: int, size: int, options: CompressOptions, run: Run, *, final: bool
    ) -> Callable[[], memoryview]:
        """Send content of one item on its way; the result waits for its blocks."""
        place, sizes = items.addresses + np.uint64(start), np.array([size], np.uint64)
        rows = _Rows(place, sizes, options, history=min(start, HISTORY), linked=True, final=final)
        wait = rows.start(run, items)

        def joined() -> memoryview:
            results = wait()
            require_success(self, results)
            body = POOL.array(int(rows.result_sizes(results, 0, 0)[0]))
            rows.join(results, b"", b"", np.array([address_of(body)], np.uint64))
            view: memoryview = body.data
            return view

        return joined

    def _in_groups(self, job: Job[CompressOptions], index: int, run: Run) -> None:
        items, options = job.items.picked(slice(index, index + 1)), job.options
        is_piece = isinstance(options, PieceOptions)
        first, end = options.history if isinstance(options, PieceOptions) else 0, int(items.sizes[0])

        def start(at: int) -> Callable[[], memoryview]:
            size = min(GROUP, end - at)
            return self._start_group(items, at, size, options, run, final=not is_piece and at + size == end)

        bodies = list(one_ahead(range(first, end, GROUP), start))
        head, tail = (b"", b"") if is_piece else (self.wrapper.head(options), self._tail(items.view(0)))
        put_parts(job.sink, index, [head, *bodies, tail])


class ZlibCompress(DeflateCompress):
    """``zlib.compress``."""

    algorithm = "zlib"
    wrapper = ZlibWrapper()


class GzipCompress(DeflateCompress):
    """``gzip.compress``: one member an item."""

    algorithm = "gzip"
    wrapper = GzipWrapper()

    def options(self, **given: Any) -> CompressOptions:
        return GzipOptions(**given)


class BgzfCompress(_Compress):
    """``bgzf.compress``: members of their own, and an empty one at the end."""

    algorithm = "bgzf"

    def options(self, **given: Any) -> CompressOptions:
        return BgzfOptions(**given)

    def limits(self) -> dict[str, dict[str, Any]]:
        return {"level": between(LEVELS), "block_size": {"minimum": _BGZF_LEAST, "maximum": BGZF_BLOCK}}

    def parts_on_cpu(self, data: Flat, options: CompressOptions, workers: Workers) -> Sequence[Flat]:
        view, block, level = memoryview(data), options.block, options.level
        parts = [view[start : start + block] for start in range(0, len(view), block)]
        members = (
            workers.map(lambda part: _member(part, level), parts) if len(parts) > 1 else map(_member, parts, [level])
        )
        return [*chain.from_iterable(members), BGZF_END]

    def library_call(self, data: Flat, *arguments: Any) -> bytes:
        data = flat(data)
        if not 0 < len(data) <= BGZF_BLOCK:
            return self.on_cpu(data, self._defaults, 0, ALONE)
        return b"".join((*_member(data, DEFAULT_LEVEL), BGZF_END))

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return map(self.library_call, items)

    def on_cpu_many(self, items: Sequence[Flat], options: CompressOptions, first: int) -> tuple[list[Any], Errors]:
        if options != self._defaults:
            return super().on_cpu_many(items, options, first)
        return list(map(self.library_call, items)), {}

    def _start_items(self, job: Job[CompressOptions], indices: range, run: Run) -> Callable[[], None]:
        items = job.items.picked(slice(indices.start, indices.stop))
        rows = _Rows(items.addresses, items.sizes, job.options, history=0, linked=False, final=True)
        wait = rows.start(run, items)
        checks = rows.checks()

        def finish() -> None:
            results = wait()
            if len(results):
                require_success(self, results)
            sizes = rows.result_sizes(results, len(BGZF_END), _MEMBER_FRAME)
            rows.join_members(results, checks, job.sink.allocate(sizes, indices.start))

        return finish

    def _start_group(
        self, items: Items, start: int, size: int, options: CompressOptions, run: Run
    ) -> Callable[[], memoryview]:
        place, sizes = items.addresses + np.uint64(start), np.array([size], np.uint64)
        rows = _Rows(place, sizes, options, history=0, linked=False, final=True)
        wait = rows.start(run, items)
        checks = rows.checks()

        def joined() -> memoryview:
            results = wait()
            require_success(self, results)
            body = POOL.array(int(rows.result_sizes(results, len(BGZF_END), _MEMBER_FRAME)[0]))
            rows.join_members(results, checks, np.array([address_of(body)], np.uint64))
            view: memoryview = body.data
            return view[: -len(BGZF_END)]

        return joined

    def _in_groups(self, job: Job[CompressOptions], index: int, run: Run) -> None:
        items, options = job.items.picked(slice(index, index + 1)), job.options
        end, group = int(items.sizes[0]), GROUP - GROUP % options.block

        def start(at: int) -> Callable[[], memoryview]:
            return self._start_group(items, at, min(group, end - at), options, run)

        bodies = list(one_ahead(range(0, end, group), start))
        put_parts(job.sink, index, [*bodies, BGZF_END])


# ---- BGZF members ----

# Bytes around the blocks of a member, and those of them that a plain gzip member does not have.
_MEMBER_FRAME = BGZF_HEADER + GzipWrapper.tail_size
_BGZF_EXTRA = BGZF_HEADER - PLAIN_HEADER
_BGZF_START = BGZF_END[: BGZF_HEADER - 2]
_BGZF_LARGEST = 1 << 16


def _member(content: Flat, level: int) -> tuple[bytes, bytes, bytes]:
    """Return a member in parts: the library's plain one with another header."""
    wbits = GzipWrapper.wbits
    made: bytes = _library(level).compress(content, level, wbits)
    if len(made) + _BGZF_EXTRA > _BGZF_LARGEST:
        made = zlib_ng.compress(content, 0, wbits)
    return _BGZF_START, (len(made) + _BGZF_EXTRA - 1).to_bytes(2, "little"), made[PLAIN_HEADER:]


def compress_bound(nbytes: int) -> int:
    """Return the largest result that `nbytes` of content can become, in any of the formats.

    Stored blocks take 5 bytes more for each 65535, and a row of the least size ends with 6; a BGZF member of the least
    size has 26 around it. A gzip header's name comes on top.
    """
    return nbytes + (nbytes >> 6) + 128
