"""PEP 784's `compression.zstd`: the standard's from Python 3.14 on, before that `backports.zstd`."""

from __future__ import annotations

import sys
from typing import Any

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
compress = _standard.compress
decompress = _standard.decompress
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


def __getattr__(name: str) -> Any:
    """Return what only one of the two has."""
    return getattr(_standard, name)
