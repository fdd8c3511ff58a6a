"""LZ4 frames of any length in bounded memory: whole slabs of blocks go through the one-shot operations.

A slab of blocks is itself a small standard frame, so streams run on whatever the one-shot call runs on, with the
same receipts and the same fallback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import xxhash

from fpga_accel.errors import FormatError, IntegrityError, TruncatedError
from fpga_accel.operations import lz4_frame
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.codecs import SKIPPABLE, DecompressOptions, Source, Start, Stream, pass_skippable
from fpga_accel.operations.contract import one_ahead
from fpga_accel.operations.lz4_compress import CompressOptions
from fpga_accel.operations.lz4_frame import HISTORY, FrameHeader

# Content bytes of one call: many blocks, so that a launch is worth it, and few enough that a stream, which holds some
# ten times as much, stays below 100 MB. Blocks of more than a quarter of it make it larger.
SLAB = 4 << 20
_BLOCKS = 4
_STORED_BIT = 1 << 31
_WORD = 4


class Encoder:
    """Writes one frame, slab by slab."""

    def __init__(self, options: CompressOptions, compress: Start) -> None:
        block_size = options.block_for(SLAB)
        self.slab = max(SLAB, _BLOCKS * block_size)
        self._header = options.header(None, block_size)
        self._slab_options = replace(options, block_size=block_size, content_checksum=False)
        self._compress = compress
        self._hash = xxhash.xxh32() if options.content_checksum else None

    def begin(self) -> bytes:
        """Return the frame's header."""
        return self._header.pack()

    def start(self, content: Flat) -> Callable[[], memoryview]:
        """Send a slab on its way; what is returned waits for its blocks."""
        if self._hash is not None:
            self._hash.update(content)
        wait = self._compress(content, self._slab_options)
        start = self._slab_options.header(len(content)).packed_size
        return lambda: memoryview(wait())[start : -len(lz4_frame.END_MARK)]

    def end(self) -> bytes:
        """Return the frame's end."""
        return lz4_frame.END_MARK + (self._hash.digest()[::-1] if self._hash is not None else b"")


def decoded(source: Source, decompress: Start, max_output: int | None) -> Iterator[bytes]:
    """Yield the content of joined frames.

    Raises
    ------
    FormatError, TruncatedError, IntegrityError, OutputLimitError
        Where the stream is found to be bad; what came before it has been yielded.
    """
    if not source.peek(1):
        raise TruncatedError("no LZ4 frame in 0 bytes")
    limit, produced = DecompressOptions(max_output), 0
    while source.peek(1):
        start = source.peek(_WORD)
        if len(start) < _WORD:
            raise TruncatedError(f"LZ4 data ends {_WORD - len(start)} bytes too early, inside a magic number")
        magic = int.from_bytes(start, "little")
        if magic in SKIPPABLE:
            pass_skippable(source)
            continue
        if not lz4_frame.is_magic(magic):
            raise FormatError(f"LZ4 data goes on with 0x{magic:08x} after {produced} bytes of content: no magic number")
        contents = _legacy(source, decompress) if magic == lz4_frame.LEGACY_MAGIC else _frame(source, decompress, limit)
        for content in contents:
            produced += len(content)
            limit.check(produced)
            yield content


def _frame(source: Source, decompress: Start, limit: DecompressOptions) -> Iterator[bytes]:
    start = source.take(_WORD + 2)
    header = lz4_frame.parse_header(start + source.take(lz4_frame.header_rest(start)), plausible=False)
    if header.content_size is not None:
        limit.check(header.content_size)
    hasher, produced = xxhash.xxh32(), 0
    inner = header._replace(content_checksum=False, content_size=None)
    for chunk in (_independent if header.independent else _linked)(_groups(source, header), inner, decompress):
        if header.content_checksum:
            hasher.update(chunk)
        produced += len(chunk)
        yield chunk
    if header.content_size not in (None, produced):
        raise FormatError(f"the LZ4 frame declares {header.content_size} bytes and holds {produced}")
    if header.content_checksum and source.take(_WORD) != hasher.digest()[::-1]:
        raise IntegrityError("the content checksum of the LZ4 frame is wrong")


def _independent(groups: Iterator[list[bytes]], header: FrameHeader, decompress: Start) -> Iterator[bytes]:
    def start(blocks: list[bytes]) -> Callable[[], bytes]:
        return decompress(b"".join((header.pack(), *blocks)), DecompressOptions())

    return one_ahead(groups, start)


def _linked(groups: Iterator[list[bytes]], header: FrameHeader, decompress: Start) -> Iterator[bytes]:
    history = b""
    for blocks in groups:
        frame = b"".join((header.pack(), _remembered(history, header), *blocks))
        content = decompress(frame, DecompressOptions())()
        yield content[len(history) :] if history else content
        history = content[-min(HISTORY, header.block_size) :]


def _remembered(history: bytes, header: FrameHeader) -> bytes:
    """Return what linked blocks refer back to, as a stored block in front of them."""
    if not history:
        return b""
    check = xxhash.xxh32(history).digest()[::-1] if header.block_checksum else b""
    return (len(history) | _STORED_BIT).to_bytes(_WORD, "little") + history + check


def _groups(source: Source, header: FrameHeader) -> Iterator[list[bytes]]:
    """Yield slabs of blocks with their headers; the last one ends with the EndMark."""
    most = max(_BLOCKS, SLAB // header.block_size)
    group: list[bytes] = []
    while True:
        word = source.take(_WORD)
        size = int.from_bytes(word, "little") & ~_STORED_BIT
        if size == 0 and word == lz4_frame.END_MARK:
            break
        if size > header.block_size:
            raise FormatError(f"an LZ4 block of {size} bytes is larger than the frame's {header.block_size}")
        group.append(word + source.take(size + (_WORD if header.block_checksum else 0)))
        if len(group) == most:
            yield [*group, lz4_frame.END_MARK]
            group.clear()
    if group:
        yield [*group, lz4_frame.END_MARK]


def _legacy(source: Source, decompress: Start) -> Iterator[bytes]:
    """Yield the blocks of a legacy frame, which ends with the data or where another frame starts."""
    magic = source.take(_WORD)
    while word := source.peek(_WORD):
        size = int.from_bytes(word, "little")
        if len(word) == _WORD and lz4_frame.is_magic(size):
            return
        if size > lz4_frame.LEGACY_BLOCK_BOUND:
            raise FormatError(f"an LZ4 legacy block of {size} bytes; {lz4_frame.LEGACY_BLOCK_BOUND} is the most")
        yield decompress(magic + source.take(_WORD) + source.take(size), DecompressOptions())()


STREAM = Stream(Encoder, decoded)
