"""Streams of the Snappy framing format of any length in bounded memory.

A slab of chunks behind an identifier is itself a stream, so streams run on whatever the one-shot call runs on, with
the same receipts and the same fallback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fpga_accel.errors import FormatError, TruncatedError
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.codecs import DecompressOptions, Source, Start, Stream
from fpga_accel.operations.contract import one_ahead
from fpga_accel.operations.snappy_compress import CompressOptions
from fpga_accel.operations.snappy_format import BLOCK, CHUNK_HEADER, IDENTIFIER, LARGEST_CHUNK

# Content bytes of one call.
SLAB = 4 << 20
_DATA = range(0x00, 0x02)
_RESERVED = range(0x02, 0x80)
_IDENTIFIER_TYPE = IDENTIFIER[0]


class Encoder:
    """Writes one stream, slab by slab."""

    slab = SLAB

    def __init__(self, options: CompressOptions, compress: Start) -> None:
        self._options = options
        self._compress = compress

    def begin(self) -> bytes:
        """Return the stream's identifier."""
        return IDENTIFIER

    def start(self, content: Flat) -> Callable[[], memoryview]:
        """Send a slab on its way; what is returned waits for its chunks."""
        wait = self._compress(content, self._options)
        return lambda: memoryview(wait())[len(IDENTIFIER) :]

    def end(self) -> bytes:
        """Return nothing: the format has no end."""
        return b""


def decoded(source: Source, decompress: Start, max_output: int | None) -> Iterator[bytes]:
    """Yield the content of joined streams.

    Raises
    ------
    FormatError, TruncatedError, IntegrityError, OutputLimitError
        Where the stream is found to be bad; what came before it has been yielded.
    """
    limit, produced = DecompressOptions(max_output), 0

    def start(chunks: list[bytes]) -> Callable[[], bytes]:
        return decompress(b"".join((IDENTIFIER, *chunks)), DecompressOptions())

    for content in one_ahead(_groups(source), start):
        produced += len(content)
        limit.check(produced)
        yield content


def _groups(source: Source) -> Iterator[list[bytes]]:
    """Yield slabs of chunks that hold data."""
    _take_first_identifier(source)
    group: list[bytes] = []
    while header := source.peek(CHUNK_HEADER):
        _require_known(header)
        source.take(CHUNK_HEADER)
        size = int.from_bytes(header[1:], "little")
        if header[0] == _IDENTIFIER_TYPE:
            if header + source.take(min(size, len(IDENTIFIER))) != IDENTIFIER:
                raise FormatError("bad Snappy stream identifier")
        elif header[0] in _DATA:
            if size > LARGEST_CHUNK:
                raise FormatError(f"a Snappy chunk of {size} bytes; {LARGEST_CHUNK} are the most")
            group.append(header + source.take(size))
        else:
            source.take(size)
        if len(group) == SLAB // BLOCK:
            yield group
            group = []
    if group:
        yield group


def _take_first_identifier(source: Source) -> None:
    start = source.peek(len(IDENTIFIER))
    if not IDENTIFIER.startswith(start):
        raise FormatError("Snappy data does not begin with a stream identifier", hint="raw streams are snappy-raw")
    if start != IDENTIFIER:
        raise TruncatedError(f"Snappy data ends at byte {len(start)}, inside its stream identifier")
    source.take(len(IDENTIFIER))


def _require_known(header: bytes) -> None:
    if header[0] in _RESERVED:
        raise FormatError(f"a Snappy chunk of type 0x{header[0]:02x}, which is reserved and must not be skipped")


STREAM = Stream(Encoder, decoded)
