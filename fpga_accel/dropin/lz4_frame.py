"""python-lz4's `lz4.frame` on the shared Accelerator."""

from __future__ import annotations

import io
from typing import Any

import lz4.frame as _stock
from lz4.frame import (
    BLOCKSIZE_DEFAULT,
    BLOCKSIZE_MAX1MB,
    BLOCKSIZE_MAX4MB,
    BLOCKSIZE_MAX64KB,
    BLOCKSIZE_MAX256KB,
    COMPRESSIONLEVEL_MAX,
    COMPRESSIONLEVEL_MIN,
    COMPRESSIONLEVEL_MINHC,
    LZ4FrameCompressor,
    LZ4FrameDecompressor,
    compress_begin,
    compress_chunk,
    compress_flush,
    create_compression_context,
    create_decompression_context,
    decompress_chunk,
    get_frame_info,
    reset_decompression_context,
)

from fpga_accel.accelerator import default_accelerator
from fpga_accel.dropin.calls import decompressed
from fpga_accel.dropin.reading import Content
from fpga_accel.dropin.slabs import Slabs
from fpga_accel.errors import FormatError
from fpga_accel.operations.buffers import flat
from fpga_accel.operations.lz4_compress import LEVELS
from fpga_accel.operations.lz4_frame import parse_header

__all__ = [
    "BLOCKSIZE_DEFAULT",
    "BLOCKSIZE_MAX1MB",
    "BLOCKSIZE_MAX4MB",
    "BLOCKSIZE_MAX64KB",
    "BLOCKSIZE_MAX256KB",
    "COMPRESSIONLEVEL_MAX",
    "COMPRESSIONLEVEL_MIN",
    "COMPRESSIONLEVEL_MINHC",
    "LZ4FrameCompressor",
    "LZ4FrameDecompressor",
    "LZ4FrameFile",
    "compress",
    "compress_begin",
    "compress_chunk",
    "compress_flush",
    "create_compression_context",
    "create_decompression_context",
    "decompress",
    "decompress_chunk",
    "get_frame_info",
    "open",
    "reset_decompression_context",
]

# python-lz4's block sizes in ours; its default leaves the choice to us.
_BLOCK_SIZES = {
    BLOCKSIZE_DEFAULT: None,
    BLOCKSIZE_MAX64KB: 64 << 10,
    BLOCKSIZE_MAX256KB: 256 << 10,
    BLOCKSIZE_MAX1MB: 1 << 20,
    BLOCKSIZE_MAX4MB: 4 << 20,
}
# Less content goes to the library at once, as methods of an Accelerator do with it, and in a tenth of their time.
_LARGE = 256 << 10
_MODES = tuple(direction + kind for direction in "wax" for kind in ("", "b"))


def _options(level: int, block_size: int, content_checksum: Any, block_checksum: Any) -> dict[str, Any] | None:
    """Return these options as ours; None where the library has to say something about them."""
    if not isinstance(level, int) or level < LEVELS[0] or block_size not in _BLOCK_SIZES:
        return None
    return {
        # Higher ones are the highest.
        "level": min(level, LEVELS[-1]),
        "block_size": _BLOCK_SIZES[block_size],
        "content_checksum": bool(content_checksum),
        "block_checksum": bool(block_checksum),
    }


def compress(
    data: Any,
    compression_level: int = COMPRESSIONLEVEL_MIN,
    block_size: int = BLOCKSIZE_DEFAULT,
    content_checksum: Any = False,
    block_linked: Any = True,
    store_size: Any = True,
    return_bytearray: Any = False,
    block_checksum: Any = False,
) -> bytes | bytearray:
    """Return `data` as one frame. The blocks of a large one are independent, whatever `block_linked` is."""
    options = None if _is_small(data) else _options(compression_level, block_size, content_checksum, block_checksum)
    if options is None or not store_size or isinstance(data, str):
        made: bytes | bytearray = _stock.compress(
            data,
            compression_level=compression_level,
            block_size=block_size,
            content_checksum=content_checksum,
            block_linked=block_linked,
            store_size=store_size,
            return_bytearray=return_bytearray,
            block_checksum=block_checksum,
        )
        return made
    frame = default_accelerator().compress(data, "lz4", **options)
    return bytearray(frame) if return_bytearray else frame


def decompress(data: Any, return_bytearray: Any = False, return_bytes_read: Any = False) -> Any:
    """Return the content of the frame that `data` begins with."""
    content = None if _is_small(data) or return_bytes_read or isinstance(data, str) else _of_one_frame(data)
    if content is None:
        return _stock.decompress(data, return_bytearray=return_bytearray, return_bytes_read=return_bytes_read)
    return bytearray(content) if return_bytearray else content


def _is_small(data: Any) -> bool:
    return type(data) is bytes and len(data) < _LARGE


def _of_one_frame(data: Any) -> bytes | None:
    """Return the content of a frame that declares its size and has nothing behind it; None of all else."""
    view = flat(data)
    try:
        size = parse_header(view).content_size
    except FormatError:
        return None
    content = None if size is None else decompressed(view, "lz4", size)
    return None if content is None or len(content) != size else content


def _whole_file(data: bytes) -> bytes | None:
    """Return the content of all frames of a file; None where they have to be read one by one."""
    return decompressed(data, "lz4") if data else None


class _FrameInSlabs(LZ4FrameCompressor):  # type: ignore[misc]
    """In the place of a file's compressor. A frame's header comes with its first slab."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self._of_ours = options

    def begin(self, source_size: int = 0) -> bytes:
        self._context = Slabs("lz4", **self._of_ours)
        self._started = True
        return b""

    def compress(self, data: Any) -> bytes:
        made: bytes = self._context.compress(data)
        return made

    def flush(self) -> bytes:
        made: bytes = self._context.finish()
        self.reset()
        return made


class LZ4FrameFile(_stock.LZ4FrameFile):  # type: ignore[misc]
    """An LZ4 file, as python-lz4's class of this name, of which it is one."""

    def __init__(
        self,
        filename: Any = None,
        mode: str = "r",
        block_size: int = BLOCKSIZE_DEFAULT,
        block_linked: Any = True,
        compression_level: int = COMPRESSIONLEVEL_MIN,
        content_checksum: Any = False,
        block_checksum: Any = False,
        auto_flush: Any = False,
        return_bytearray: Any = False,
        source_size: int = 0,
    ) -> None:
        options = _options(compression_level, block_size, content_checksum, block_checksum)
        if mode not in _MODES or auto_flush or source_size:
            options = None
        # What `_compressor` becomes while the file is opened.
        self._in_slabs = None if options is None else _FrameInSlabs(**options)
        super().__init__(
            filename,
            mode,
            block_size=block_size,
            block_linked=block_linked,
            compression_level=compression_level,
            content_checksum=content_checksum,
            block_checksum=block_checksum,
            auto_flush=auto_flush,
            return_bytearray=return_bytearray,
            source_size=source_size,
        )
        if self.readable():
            self._buffer = io.BufferedReader(Content(self._fp, LZ4FrameDecompressor, _whole_file))

    @property
    def _compressor(self) -> Any:
        return self._compresses

    @_compressor.setter
    def _compressor(self, stock: Any) -> None:
        self._compresses = stock and (self._in_slabs or stock)

    def read(self, size: int | None = -1) -> bytes:
        self._check_can_read()
        content: bytes = self._buffer.read(size)
        return content

    def readall(self) -> bytes:
        return self.read()


def open(
    filename: Any,
    mode: str = "rb",
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    **options: Any,
) -> Any:
    """Open an LZ4 file by its name, or around a file object; a mode with ``t`` is for text."""
    text = "t" in mode
    if text and "b" in mode:
        raise ValueError(f"Invalid mode: {mode!r}")
    if not text:
        for name, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
            if value is not None:
                raise ValueError(f"Argument {name!r} not supported in binary mode")
    stream = LZ4FrameFile(filename, mode.replace("t", ""), **options)
    return io.TextIOWrapper(stream, encoding, errors, newline) if text else stream
