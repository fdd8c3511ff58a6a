"""DEFLATE streams of any length in bounded memory, raw and wrapped: slabs that go through the one-shot operations."""

from __future__ import annotations

from collections.abc import Callable

from fpga_accel.operations import inflate_stream
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.codecs import Start, Stream
from fpga_accel.operations.deflate_compress import (
    HISTORY,
    CompressOptions,
    GzipWrapper,
    PieceOptions,
    Wrapper,
    ZlibWrapper,
)
from fpga_accel.operations.gzip_member import BGZF_END

# Content bytes of one call: many rows, so that a launch is worth it, and few enough that a stream stays small.
SLAB = 4 << 20
# An empty block of fixed codes that is the last.
_LAST = b"\x03\0"


class Encoder:
    """Writes one stream, slab by slab; each may refer back to the one before."""

    wrapper = Wrapper()

    def __init__(self, options: CompressOptions, compress: Start) -> None:
        self.slab = SLAB
        self._options = options
        self._compress = compress
        self._check, self._size = self.wrapper.start, 0
        self._history = b""

    def begin(self) -> bytes:
        """Return what stands before the blocks."""
        return self.wrapper.head(self._options)

    def start(self, content: Flat) -> Callable[[], bytes]:
        """Send a slab on its way; what is returned waits for its blocks."""
        self._check = self.wrapper.check(content, self._check)
        self._size += len(content)
        options = PieceOptions(self._options.level, self._options.block_size, len(self._history))
        data = self._history + content
        self._history = data[-HISTORY:]
        return self._compress(data, options)

    def end(self) -> bytes:
        """Return the last block, which is empty, and what stands behind it."""
        return _LAST + self.wrapper.tail(self._check, self._size)


class ZlibEncoder(Encoder):
    """Writes one zlib stream."""

    wrapper = ZlibWrapper()


class GzipEncoder(Encoder):
    """Writes one gzip member."""

    wrapper = GzipWrapper()


class BgzfEncoder:
    """Writes members."""

    def __init__(self, options: CompressOptions, compress: Start) -> None:
        self.slab = SLAB - SLAB % options.block
        self._options = options
        self._compress = compress

    def begin(self) -> bytes:
        """Return nothing: members begin at once."""
        return b""

    def start(self, content: Flat) -> Callable[[], memoryview]:
        """Send a slab on its way; what is returned waits for its members."""
        wait = self._compress(content, self._options)
        return lambda: memoryview(wait())[: -len(BGZF_END)]

    def end(self) -> bytes:
        """Return the empty member."""
        return BGZF_END


DEFLATE = Stream(Encoder, inflate_stream.deflate_decoded, joins=False)
ZLIB = Stream(ZlibEncoder, inflate_stream.zlib_decoded, joins=False)
GZIP = Stream(GzipEncoder, inflate_stream.gzip_decoded)
BGZF = Stream(BgzfEncoder, inflate_stream.bgzf_decoded)
