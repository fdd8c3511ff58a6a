"""python-snappy's module: raw Snappy, and its framing in pieces."""

from __future__ import annotations

import copy
from typing import Any

from fpga_accel.accelerator import default_accelerator
from fpga_accel.errors import FallbackDisabledError
from fpga_accel.operations.contract import DATA_ERRORS

__all__ = [
    "StreamCompressor",
    "StreamDecompressor",
    "UncompressError",
    "compress",
    "decompress",
    "isValidCompressed",
    "stream_compress",
    "stream_decompress",
    "uncompress",
]

# Content of a chunk, and so what streams read at once.
_BLOCK = 64 << 10
# What a framed stream starts with (framing format §4.1).
_START = b"\xff\x06\x00\x00sNaPpY"
_CHUNK_HEAD = 4


class UncompressError(Exception):
    """The data is no Snappy data, or does not end where it should."""


# ---- one call ----


def compress(data: Any, encoding: str = "utf-8") -> bytes:
    """Return `data` as one raw Snappy block; text is encoded first."""
    return default_accelerator().compress(data.encode(encoding) if isinstance(data, str) else data, "snappy-raw")


def uncompress(data: Any, decoding: str | None = None) -> Any:
    """Return the content of a raw Snappy block, as text where `decoding` is given."""
    if isinstance(data, str):
        raise UncompressError("Snappy data is bytes, not str")
    content = _decompressed(data, "snappy-raw")
    return content.decode(decoding) if decoding else content


decompress = uncompress


def _decompressed(data: Any, format: str) -> bytes:
    try:
        return default_accelerator().decompress(data, format)
    except FallbackDisabledError:
        # One kind of it is also an error of data.
        raise
    except DATA_ERRORS as failure:
        raise UncompressError(str(failure)) from failure


def isValidCompressed(data: Any) -> bool:  # noqa: N802 (python-snappy's name)
    """Whether `data` is a raw Snappy block."""
    try:
        uncompress(data.encode() if isinstance(data, str) else data)
    except UncompressError:
        return False
    return True


# ---- the framing format, in pieces ----


class StreamCompressor:
    """Makes a framed stream; each piece that is given becomes chunks of its own."""

    def __init__(self) -> None:
        self._begun = False

    def add_chunk(self, data: Any, compress: bool | None = None) -> bytes:
        """Return the chunks of `data`, the first time behind the stream identifier. `compress` changes nothing."""
        framed = default_accelerator().compress(data, "snappy")
        start = len(_START) if self._begun else 0
        self._begun = True
        return framed[start:]

    compress = add_chunk

    def flush(self) -> bytes:
        """Return nothing: nothing is ever pending."""
        return b""

    def copy(self) -> StreamCompressor:
        """Return another one in the same state."""
        return copy.copy(self)


class StreamDecompressor:
    """Reads a framed stream in pieces."""

    def __init__(self) -> None:
        self._begun = False
        self._held = b""

    @staticmethod
    def check_format(fin: Any) -> bool:
        """Whether a file goes on with a framed stream."""
        return bool(fin.read(len(_START)) == _START)

    def decompress(self, data: Any) -> bytes:
        """Return the content of the chunks that are complete."""
        held = self._held + bytes(data)
        if not self._begun and held[: len(_START)] != _START[: len(held)]:
            raise UncompressError(f"a framed Snappy stream does not start with {held[: len(_START)].hex()}")
        end = _chunks_end(held)
        self._held = held[end:]
        if not end:
            return b""
        chunks = (_START if self._begun else b"") + held[:end]
        self._begun = True
        return _decompressed(chunks, "snappy")

    def flush(self) -> bytes:
        """Return nothing; this is where a stream may end.

        Raises
        ------
        UncompressError
            It ends inside a chunk.
        """
        if self._held:
            raise UncompressError(f"the stream ends inside a chunk, of which there are {len(self._held)} bytes")
        return b""

    def copy(self) -> StreamDecompressor:
        """Return another one in the same state."""
        return copy.copy(self)


def _chunks_end(data: bytes) -> int:
    """Return where the last complete chunk ends."""
    end = 0
    while len(data) - end >= _CHUNK_HEAD:
        size = _CHUNK_HEAD + int.from_bytes(data[end + 1 : end + _CHUNK_HEAD], "little")
        if size > len(data) - end:
            break
        end += size
    return end


def stream_compress(src: Any, dst: Any, blocksize: int = _BLOCK, compressor_cls: Any = StreamCompressor) -> None:
    """Compress one file into another."""
    compressor = compressor_cls()
    while data := src.read(blocksize):
        dst.write(compressor.add_chunk(data))


def stream_decompress(
    src: Any,
    dst: Any,
    blocksize: int = _BLOCK,
    decompressor_cls: Any = StreamDecompressor,
    start_chunk: Any = None,
) -> None:
    """Decompress one file into another; `start_chunk` is what was read of it already."""
    decompressor = decompressor_cls()
    data = start_chunk or src.read(blocksize)
    while data:
        dst.write(decompressor.decompress(data))
        data = src.read(blocksize)
    decompressor.flush()
