"""Zstandard streams of any length in bounded memory.

Small frames go through the one-shot operation, many at a time; a long one is decoded by the library, block after block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import zstandard

from fpga_accel.errors import FormatError, TruncatedError
from fpga_accel.operations import zstd_frame
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.codecs import SKIPPABLE, DecompressOptions, Source, Start, Stream, pass_skippable
from fpga_accel.operations.contract import one_ahead
from fpga_accel.operations.zstd_compress import Encoder
from fpga_accel.operations.zstd_decompress import library_error, window_refusal
from fpga_accel.operations.zstd_frame import FrameHeader

# Content of one call, and of the longest frame that is decoded in one.
SLAB = 4 << 20
_WORD = 4


def decoded(source: Source, decompress: Start, max_output: int | None) -> Iterator[bytes]:
    """Yield the content of joined frames.

    Raises
    ------
    FormatError, TruncatedError, IntegrityError, OutputLimitError
        Where the stream is found to be bad; what came before it has been yielded.
    """
    if not source.peek(1):
        raise TruncatedError("no Zstandard frame in 0 bytes")
    limit, produced = DecompressOptions(max_output), 0
    frames = _Frames(source)

    def start(group: bytes) -> Callable[[], Flat]:
        return decompress(group, DecompressOptions())

    while source.peek(1):
        for chunk in one_ahead(frames.groups(), start):
            produced += len(chunk)
            limit.check(produced)
            yield bytes(chunk)
        for chunk in frames.long():
            produced += len(chunk)
            limit.check(produced)
            yield chunk


class _Frames:
    """Takes frames from a source: whole ones, or the start of one that is long."""

    def __init__(self, source: Source) -> None:
        self._source = source
        # The start of a long frame: its header, and the blocks that have been taken.
        self._header: FrameHeader | None = None
        self._parts: list[bytes] = []

    def groups(self) -> Iterator[bytes]:
        """Yield joined frames with up to two slabs of content, up to the end or a long frame."""
        group: list[bytes] = []
        content = held = 0
        while self._at_frame():
            most = self._take_frame()
            if most is None:
                break
            group += self._parts
            # Counted as it grows: a sum over all of the group, frame after frame, is quadratic.
            held += sum(map(len, self._parts))
            self._parts = []
            content += most
            if content >= SLAB or held >= SLAB:
                yield b"".join(group)
                group, content, held = [], 0, 0
        if group:
            yield b"".join(group)

    def _at_frame(self) -> bool:
        """Pass skippable frames; False at the end."""
        while int.from_bytes(self._source.peek(_WORD), "little") in SKIPPABLE:
            pass_skippable(self._source)
        start = self._source.peek(_WORD)
        if start and not zstd_frame.starts(start):
            if len(start) < _WORD:
                raise TruncatedError(f"Zstandard data ends with {len(start)} bytes of a frame")
            magic = int.from_bytes(start, "little")
            raise FormatError(f"Zstandard data goes on with 0x{magic:08x}, which is no magic number of it")
        return bool(start)

    def _take_frame(self) -> int | None:
        """Take a frame and return the most that it can hold; None where it is long, and only its start is taken."""
        start = self._source.take(zstd_frame.HEADER_START)
        start += self._source.take(zstd_frame.header_size(start) - len(start))
        header = zstd_frame.parse_header(start)
        self._header, self._parts = header, [start]
        most, held, last = 0, len(start), False
        while not last:
            if most > SLAB or held > SLAB or (header.content_size or 0) > SLAB:
                return None
            block, holds, last = self._take_block(header)
            self._parts.append(block)
            most += holds
            held += len(block)
        if header.checksum:
            self._parts.append(self._source.take(zstd_frame.CHECKSUM))
        self._header = None
        return most

    def _take_block(self, header: FrameHeader) -> tuple[bytes, int, bool]:
        """Return a block with its header, the most that it can hold, and whether it is the last one."""
        start = self._source.take(zstd_frame.BLOCK_HEADER)
        head = int.from_bytes(start, "little")
        kind, size = head >> 1 & 3, head >> 3
        least = zstd_frame.LEAST_COMPRESSED if kind == zstd_frame.COMPRESSED_BLOCK else 0
        if kind == zstd_frame.RESERVED_BLOCK or not least <= size <= header.block_limit:
            raise FormatError(f"a Zstandard block of {size} bytes and type {kind} in a frame that has none such")
        holds = header.block_limit if kind == zstd_frame.COMPRESSED_BLOCK else size
        return start + self._source.take(1 if kind == zstd_frame.RLE_BLOCK else size), holds, bool(head & 1)

    def long(self) -> Iterator[bytes]:
        """Yield the content of the long frame whose start has been taken, if there is one."""
        header, parts = self._header, self._parts
        if header is None:
            return
        self._header, self._parts = None, []
        if header.window > zstd_frame.WINDOW_LIMIT:
            raise window_refusal(header.window)
        decoder = zstandard.ZstdDecompressor().decompressobj()
        try:
            for part in parts:
                yield decoder.decompress(part)
            last = False
            while not last:
                block, _, last = self._take_block(header)
                yield decoder.decompress(block)
            if header.checksum:
                yield decoder.decompress(self._source.take(zstd_frame.CHECKSUM))
        except zstandard.ZstdError as error:
            raise library_error(error) from None
        if not decoder.eof:
            raise TruncatedError("the Zstandard frame ends before its content")


STREAM = Stream(Encoder, decoded)
