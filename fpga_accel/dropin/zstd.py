"""PEP 784's `compression.zstd`: the standard's from Python 3.14 on, before that `backports.zstd`."""

from __future__ import annotations

import sys
from typing import Any

from fpga_accel.accelerator import default_accelerator
from fpga_accel.dropin import calls
from fpga_accel.operations.zstd_compress import LEVELS

if sys.version_info >= (3, 14):
    from compression import zstd as _standard
else:
    from backports import zstd as _standard

COMPRESSION_LEVEL_DEFAULT = _standard.COMPRESSION_LEVEL_DEFAULT
CompressionParameter = _standard.CompressionParameter
DecompressionParameter = _standard.DecompressionParameter
Strategy = _standard.Strategy
ZstdCompressor = _standard.ZstdCompressor
ZstdDecompressor = _standard.ZstdDecompressor
ZstdDict = _standard.ZstdDict
ZstdError = _standard.ZstdError
ZstdFile = _standard.ZstdFile
finalize_dict = _standard.finalize_dict
get_frame_info = _standard.get_frame_info
get_frame_size = _standard.get_frame_size
open = _standard.open
train_dict = _standard.train_dict
zstd_version = _standard.zstd_version
zstd_version_info = _standard.zstd_version_info

__all__ = [
    "COMPRESSION_LEVEL_DEFAULT",
    "CompressionParameter",
    "DecompressionParameter",
    "Strategy",
    "ZstdCompressor",
    "ZstdDecompressor",
    "ZstdDict",
    "ZstdError",
    "ZstdFile",
    "compress",
    "decompress",
    "finalize_dict",
    "get_frame_info",
    "get_frame_size",
    "open",
    "train_dict",
    "zstd_version",
    "zstd_version_info",
]


# From here on planning is nothing next to the work.
_LARGE = 256 << 10


def compress(data: Any, level: int | None = None, options: Any = None, zstd_dict: Any = None) -> bytes:
    """Return `data` as one frame."""
    plain = options is None and zstd_dict is None
    if plain and (level is None or level in LEVELS) and memoryview(data).nbytes >= _LARGE:
        return default_accelerator().compress(data, "zstd", level=COMPRESSION_LEVEL_DEFAULT if level is None else level)
    made: bytes = _standard.compress(data, level, options, zstd_dict)
    return made


def decompress(data: Any, zstd_dict: Any = None, options: Any = None) -> bytes:
    """Return the content of all frames."""
    plain = options is None and zstd_dict is None
    content = calls.decompressed(data, "zstd") if plain and memoryview(data).nbytes >= _LARGE else None
    if content is not None:
        return content
    # The standard says what is wrong, or is not.
    found: bytes = _standard.decompress(data, zstd_dict, options)
    return found


def __getattr__(name: str) -> Any:
    """Return what only one of the two has."""
    return getattr(_standard, name)
