"""Zstandard compression (RFC 8878), and the seekable format of frames with a seek table."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import xxhash
import zstandard

from fpga_accel._host import ffi, lib
from fpga_accel._objects import Windows
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.operations.buffers import BytesSink, Flat, Items, Sizes, memory
from fpga_accel.operations.codecs import (
    DENSE,
    Start,
    between,
    content_work,
    grouped,
    launch,
    packed,
    pointers,
    put_parts,
    sample_items,
)
from fpga_accel.operations.contract import (
    GROUP,
    Errors,
    Job,
    Operation,
    RowInput,
    RowOutput,
    Run,
    Work,
    one_ahead,
    trial_of,
)
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import SEGMENT, Bytes, Status, Table, address_of, words_at

_launch = partial(launch, "zstd_compress", "zstd_compress")
_packed = partial(packed, entry="zstd_compress", may_not_fit=False)

MAGIC_BYTES = bytes.fromhex("28b52ffd")

LEVELS = range(-7, 23)
# Levels that devices have; 0 is the library's default, which is 3.
KERNEL_LEVELS = tuple(level for level in range(-7, 2) if level)
# Content bytes of the frames of the seekable format, where nothing else is asked for.
FRAME_SIZE = 1 << 20
FRAME_SIZES = range(64 << 10, (1 << 30) + 1)

# Content from which the library's own threads pay.
_THREADS_FROM = 4 << 20

# Content bytes of a stream's frames: many rows, and as little memory as LZ4's slabs take.
_SLAB = 4 << 20

# As in kernels/zstd_compress/params.h.
_ROW_LAST = 1
_BLOCK = 64 << 10
_RAW_LAST = 1
# Of a frame without content size, whose window is the most that a row reads.
_PLAIN_HEADER = MAGIC_BYTES + bytes([0x00, 0x50])
_EMPTY_LAST_BLOCK = b"\x01\x00\x00"

# The seekable format's table, a skippable frame: entries of compressed size, content size, and XXH64's low half.
_SEEK_TABLE_MAGIC = 0x184D2A5E
_SEEKABLE_MAGIC = 0x8F92EAB1
_CHECKED_ENTRIES = 0x80
_TABLE_ENDS = 8 + 9


@dataclass(frozen=True, slots=True)
class CompressOptions:
    """Options of ``zstd.compress``.

    Parameters
    ----------
    level
        1 is the default; 2 to 22 search harder and 0 is the library's own default (all CPU only), below 0 is faster
        at a lower ratio on the CPU and the same as 1 on devices.
    checksum
        Whether a frame ends with the low 32 bits of the content's XXH64. Off, as in the library; the zstd command's
        default is on.
    seekable
        Whether to write the seekable format: independent frames, and a seek table behind them.
    frame_size
        Content bytes of a frame of the seekable format, 64 KiB to 1 GiB; None is 1 MiB.
    """

    level: int = 1
    checksum: bool = False
    seekable: bool = False
    frame_size: int | None = None

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"zstd level {self.level}; legal ones are {LEVELS[0]} to {LEVELS[-1]}")
        if self.frame_size is None:
            return
        if not self.seekable:
            raise ValueError("zstd frame_size is an option of the seekable format: pass seekable=True as well")
        if self.frame_size not in FRAME_SIZES:
            raise ValueError(f"zstd frame_size {self.frame_size}; legal are {FRAME_SIZES[0]} to {FRAME_SIZES[-1]}")

    def piece_for(self, nbytes: int) -> int:
        """Return the content bytes of a frame, for content of `nbytes`."""
        return (self.frame_size or FRAME_SIZE) if self.seekable else max(nbytes, 1)


def compress_bound(nbytes: int) -> int:
    """Return the largest that `nbytes` of content can become, with any options."""
    # The library's blocks grow by less than a 256th; a frame of the seekable format by 14 + 4 bytes and its entry.
    return nbytes + (nbytes >> 8) + 64 * (nbytes // FRAME_SIZES[0] + 1) + 64


def seek_table(frames: list[tuple[int, int, int]], checksum: bool) -> bytes:
    """Return the seekable format's table for frames of so many bytes, content bytes, and XXH64.

    Examples
    --------
    >>> seek_table([(9, 0, 0)], checksum=False)[:20].hex()
    '5e2a4d1811000000090000000000000001000000'
    """
    entries = b"".join(
        struct.pack("<II", size, content) + (struct.pack("<I", check & 0xFFFFFFFF) if checksum else b"")
        for size, content, check in frames
    )
    footer = struct.pack("<IBI", len(frames), _CHECKED_ENTRIES if checksum else 0, _SEEKABLE_MAGIC)
    return struct.pack("<II", _SEEK_TABLE_MAGIC, len(entries) + len(footer)) + entries + footer


class _Compressors(threading.local):
    """The library's compressors, which serve one thread at a time and take long to make."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, bool, int], zstandard.ZstdCompressor] = {}
        # The one of default options, on the calling thread.
        self.usual = self.of(1, False, 0)

    def of(self, level: int, checksum: bool, threads: int) -> zstandard.ZstdCompressor:
        """Return the one with these settings."""
        key = level, checksum, threads
        found = self._made.get(key)
        if found is None:
            found = zstandard.ZstdCompressor(level=level, write_checksum=checksum, threads=threads)
            self._made[key] = found
        return found


_compressors = _Compressors()


class ZstdCompress(Operation[CompressOptions]):
    """``zstd.compress``."""

    op = "compress"
    algorithm = "zstd"
    kernel = "zstd_compress"
    entry = "zstd_compress"
    library = "zstandard"
    kinds = ("", DENSE)
    threads_from = 2 << 10
    takes = Windows

    def options(self, **given: Any) -> CompressOptions:
        return CompressOptions(**given)

    def limits(self) -> dict[str, dict[str, Any]]:
        return {
            "level": between(LEVELS) | {"on_device": {"values": list(KERNEL_LEVELS)}},
            "frame_size": between(FRAME_SIZES),
        }

    def unsupported(self, options: CompressOptions) -> str | None:
        if options.level not in KERNEL_LEVELS:
            return f"level {options.level} searches harder than the kernel, which is for level 1 and negative ones"
        return None

    def on_cpu(self, data: Flat, options: CompressOptions, index: int, workers: Workers) -> bytes:
        if options.seekable:
            return _seekable_on_cpu(memoryview(data), options, workers)
        threads = workers.count if len(data) >= _THREADS_FROM and workers.count > 1 else 0
        return _compressors.of(options.level, options.checksum, threads).compress(data)

    def library_call(self, data: Flat, *arguments: Any) -> bytes:
        return _compressors.usual.compress(data)

    def level_call(self, data: Flat, level: Any) -> bytes | None:
        if type(level) is not int or level not in LEVELS:
            return None
        return _compressors.of(level, False, 0).compress(data)

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        return map(_compressors.usual.compress, items)

    def on_cpu_many(self, items: Sequence[Flat], options: CompressOptions, first: int) -> tuple[list[Any], Errors]:
        if options != self._defaults:
            return super().on_cpu_many(items, options, first)
        return list(map(_compressors.usual.compress, items)), {}

    def on_device(self, job: Job[CompressOptions], run: Run) -> Errors:
        def start(indices: range) -> Callable[[], None]:
            if len(indices) == 1 and not job.options.seekable and int(job.items.sizes[indices[0]]) > GROUP:
                return lambda: _frame_in_groups(job, indices[0], run)
            return _start_items(job, indices, run)

        for _ in one_ahead(grouped(job.items.sizes, GROUP), start):
            pass
        return {}

    def emulate(self, row: RowInput) -> RowOutput:
        """Return raw blocks: those of a library's frame may need what only a frame's start gives."""
        return RowOutput(_raw_blocks(row.src[row.param :], last=bool(row.flags & _ROW_LAST)))

    def agrees(self, row: RowInput, output: RowOutput) -> bool:
        # Any valid blocks of the same content are right.
        if output.status != Status.OK:
            return False
        history = _raw_blocks(row.src[: row.param], last=False) if row.param else b""
        end = b"" if row.flags & _ROW_LAST else _EMPTY_LAST_BLOCK
        decoder = zstandard.ZstdDecompressor().decompressobj()
        try:
            content = decoder.decompress(b"".join((_PLAIN_HEADER, history, output.data, end)))
        except zstandard.ZstdError:
            return False
        return decoder.eof and not decoder.unused_data and content == row.src

    def trial(self) -> Trial:
        text = b"".join(b"segment %d of the known-answer test\n" % (i * i) for i in range(9000))
        skewed = np.random.default_rng(5).geometric(0.1, 70000).clip(0, 255).astype(np.uint8).tobytes()
        parts = [b"", b"a", b"abc" * 5, bytes(140000), bytes(range(251)) * 9, text, text[7:70000], skewed]
        job = Job(Items.of(parts), CompressOptions(), BytesSink(len(parts)))
        return trial_of(self, job)

    def work(self, data: Flat) -> Work:
        return content_work(data)

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], CompressOptions]:
        return sample_items(count, nbytes, kind), CompressOptions()


def _raw_blocks(content: Flat, *, last: bool) -> bytes:
    """Return content as blocks that are not compressed; nothing is one block."""
    starts = range(0, max(len(content), 1), _BLOCK)
    blocks: list[Flat] = []
    for at in starts:
        block = content[at : at + _BLOCK]
        blocks += [(len(block) << 3 | (_RAW_LAST if last and at == starts[-1] else 0)).to_bytes(3, "little"), block]
    return b"".join(blocks)


def _seekable_on_cpu(view: memoryview, options: CompressOptions, workers: Workers) -> bytes:
    plain, step = replace(options, seekable=False, frame_size=None), options.piece_for(len(view))
    pieces = [view[at : at + step] for at in range(0, max(len(view), 1), step)]
    frames = workers.map(lambda each: _compressors.of(plain.level, plain.checksum, 0).compress(each), pieces)
    checks = [xxhash.xxh64_intdigest(each) if options.checksum else 0 for each in pieces]
    entries = [(len(frame), len(piece), check) for frame, piece, check in zip(frames, pieces, checks, strict=True)]
    return b"".join((*frames, seek_table(entries, options.checksum)))


def _pieces(items: Items, options: CompressOptions) -> tuple[Items, Sizes]:
    """Cut items into what becomes a frame each; the second result has each item's first, and one entry more."""
    if not options.seekable:
        return items, np.arange(len(items) + 1, dtype=np.uint64)
    step = np.uint64(options.piece_for(0))
    counts = np.maximum((items.sizes + step - np.uint64(1)) // step, 1)
    firsts: Sizes = np.zeros(len(items) + 1, np.uint64)
    np.cumsum(counts, out=firsts[1:])
    of_item = np.repeat(np.arange(len(items)), counts.astype(np.int64))
    starts = (np.arange(len(of_item), dtype=np.uint64) - firsts[of_item]) * step
    sizes = np.minimum(items.sizes[of_item] - starts, step)
    return Items(items.addresses[of_item] + starts, sizes, items.keep), firsts


def _cut(items: Items, begins: bool, ends: bool) -> tuple[Table, Sizes, Bytes]:
    """Cut contents into rows with scratch memory for their blocks."""
    table: Table = POOL.array(lib.fa_zstd_cut_count(words_at(items.sizes), len(items)), SEGMENT)
    first_rows: Sizes = np.empty(len(items) + 1, np.uint64)
    given = (words_at(items.addresses), words_at(items.sizes), len(items), begins, ends)
    scratch: Bytes = POOL.array(lib.fa_zstd_cut(*given, 0, ffi.NULL, words_at(first_rows)))
    lib.fa_zstd_cut(*given, address_of(scratch), pointers(table, table)[0], words_at(first_rows))
    return table, first_rows, scratch


def _start_items(job: Job[CompressOptions], indices: range, run: Run) -> Callable[[], None]:
    """Send some items on their way in one launch; the result waits, and puts them into the sink."""
    options, items = job.options, job.items.picked(slice(indices.start, indices.stop))
    pieces, firsts = _pieces(items, options)
    table, first_rows, scratch = _cut(pieces, True, True)
    wait = run.start(_launch(table, items, scratch))
    checks = np.zeros(len(pieces), np.uint64)
    if options.checksum:
        checks[:] = [xxhash.xxh64_intdigest(pieces.view(index)) for index in range(len(pieces))]

    def finish() -> None:
        results = wait()
        parts = (*pointers(table, results), words_at(first_rows), words_at(pieces.sizes), len(pieces), options.checksum)
        sizes: Sizes = np.empty(len(pieces), np.uint64)
        _packed(lib.fa_zstd_frame_sizes(*parts, words_at(sizes)), results)
        ends = np.concatenate((np.zeros(1, np.uint64), np.cumsum(sizes, dtype=np.uint64)))
        frames: Sizes = np.diff(ends[firsts])
        counts: Sizes = np.diff(firsts)
        whole: Sizes = frames
        if options.seekable:
            whole = frames + np.uint64(_TABLE_ENDS) + counts * np.uint64(12 if options.checksum else 8)
        places = job.sink.allocate(whole, indices.start)
        targets = np.repeat(places - ends[firsts[:-1]], counts.astype(np.int64)) + ends[:-1]
        lib.fa_zstd_frames(*parts, words_at(checks), words_at(targets))
        if not options.seekable:
            return
        entries = list(zip(sizes.tolist(), pieces.sizes.tolist(), checks.tolist(), strict=True))
        for item, place in enumerate(places):
            made = seek_table(entries[int(firsts[item]) : int(firsts[item + 1])], options.checksum)
            memory(int(place) + int(frames[item]), len(made))[:] = made

    return finish


def _start_body(view: memoryview, begins: bool, ends: bool, run: Run) -> Callable[[], memoryview]:
    """Send a part of a frame's content on its way; the result waits for its blocks."""
    items = Items.of([view])
    table, _, scratch = _cut(items, begins, ends)
    wait = run.start(_launch(table, items, scratch))

    def joined() -> memoryview:
        results = wait()
        parts = (*pointers(table, results), len(table))
        body = POOL.array(_packed(lib.fa_zstd_joined_size(*parts), results))
        lib.fa_zstd_join(*parts, ffi.cast("uint8_t *", address_of(body)))
        made: memoryview = body.data
        return made

    return joined


def _frame_in_groups(job: Job[CompressOptions], index: int, run: Run) -> None:
    """Compress content of any size into one frame, with scratch memory of two groups."""
    data, options = job.items.view(index), job.options
    header = ffi.new("uint8_t[]", lib.FA_ZSTD_HEADER_MOST)
    size = lib.fa_zstd_header(len(data), options.checksum, header)
    starts = range(0, len(data), GROUP)
    bodies = one_ahead(starts, lambda at: _start_body(data[at : at + GROUP], at == 0, at + GROUP >= len(data), run))
    tail = struct.pack("<I", xxhash.xxh64_intdigest(data) & 0xFFFFFFFF) if options.checksum else b""
    parts: list[Flat] = [bytes(ffi.buffer(header, size)), *bodies, tail]
    put_parts(job.sink, index, parts)


class Encoder:
    """Writes a stream of joined frames, one a slab, and the seek table where options ask for it."""

    def __init__(self, options: CompressOptions, compress: Start) -> None:
        self.slab = options.piece_for(_SLAB)
        self._options = options
        self._plain = replace(options, seekable=False, frame_size=None)
        self._compress = compress
        self._frames: list[tuple[int, int, int]] = []

    def begin(self) -> bytes:
        """Return nothing: every slab brings its header."""
        return b""

    def start(self, content: Flat) -> Callable[[], bytes]:
        """Send a slab on its way; what is returned waits for its frame."""
        check = xxhash.xxh64_intdigest(content) if self._options.seekable and self._options.checksum else 0
        wait, nbytes = self._compress(content, self._plain), len(content)

        def finish() -> bytes:
            frame = wait()
            self._frames.append((len(frame), nbytes, check))
            return frame

        return finish

    def end(self) -> bytes:
        """Return the seek table where there is one, and an empty frame where nothing else was written."""
        empty = b""
        if not self._frames:
            empty = _compressors.of(1, self._options.checksum, 0).compress(b"")
            self._frames.append((len(empty), 0, xxhash.xxh64_intdigest(b"")))
        return empty + (seek_table(self._frames, self._options.checksum) if self._options.seekable else b"")
