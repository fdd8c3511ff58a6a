"""The standard `zlib` on the shared Accelerator and zlib-ng."""

from __future__ import annotations

import operator
import zlib as _standard
from collections.abc import Callable
from typing import Any
from zlib import (
    DEF_BUF_SIZE,
    DEF_MEM_LEVEL,
    DEFLATED,
    MAX_WBITS,
    Z_BEST_COMPRESSION,
    Z_BEST_SPEED,
    Z_BLOCK,
    Z_DEFAULT_COMPRESSION,
    Z_DEFAULT_STRATEGY,
    Z_FILTERED,
    Z_FINISH,
    Z_FIXED,
    Z_FULL_FLUSH,
    Z_HUFFMAN_ONLY,
    Z_NO_COMPRESSION,
    Z_NO_FLUSH,
    Z_PARTIAL_FLUSH,
    Z_RLE,
    Z_SYNC_FLUSH,
    Z_TREES,
    ZLIB_RUNTIME_VERSION,
    ZLIB_VERSION,
    error,
)

from isal import isal_zlib
from zlib_ng import zlib_ng

from fpga_accel.accelerator import default_accelerator

__all__ = [
    "DEFLATED",
    "DEF_BUF_SIZE",
    "DEF_MEM_LEVEL",
    "MAX_WBITS",
    "ZLIB_RUNTIME_VERSION",
    "ZLIB_VERSION",
    "Z_BEST_COMPRESSION",
    "Z_BEST_SPEED",
    "Z_BLOCK",
    "Z_DEFAULT_COMPRESSION",
    "Z_DEFAULT_STRATEGY",
    "Z_FILTERED",
    "Z_FINISH",
    "Z_FIXED",
    "Z_FULL_FLUSH",
    "Z_HUFFMAN_ONLY",
    "Z_NO_COMPRESSION",
    "Z_NO_FLUSH",
    "Z_PARTIAL_FLUSH",
    "Z_RLE",
    "Z_SYNC_FLUSH",
    "Z_TREES",
    "adler32",
    "compress",
    "compressobj",
    "crc32",
    "decompress",
    "decompressobj",
    "error",
]

_NG_ERROR: Any = zlib_ng.error

# From here on planning is nothing next to a checksum, and next to compression.
_LARGE = 1 << 20
_LARGE_CONTENT = 256 << 10
_ADLER_MODULUS = 65521
# The formats of the Accelerator; others have smaller windows.
_FORMATS = {MAX_WBITS: "zlib", -MAX_WBITS: "deflate", MAX_WBITS + 16: "gzip"}
_LEVELS = {Z_DEFAULT_COMPRESSION: 6} | {level: level for level in range(10)}


def __getattr__(name: str) -> Any:
    """Return what only some versions of the standard module have."""
    return getattr(_standard, name)


# ---- one call ----


def compress(data: Any, /, level: int = Z_DEFAULT_COMPRESSION, wbits: int = MAX_WBITS) -> bytes:
    """Return `data` compressed: as zlib, raw (negative `wbits`) or gzip (`wbits` of 25 and more)."""
    if wbits in _FORMATS and level in _LEVELS and _nbytes(data) >= _LARGE_CONTENT:
        return default_accelerator().compress(data, _FORMATS[wbits], level=_LEVELS[level])
    try:
        compressed: bytes = zlib_ng.compress(data, level, wbits)
    except _NG_ERROR as failure:
        raise error(*failure.args) from None
    return compressed


def _nbytes(data: Any) -> int:
    return len(data) if type(data) is bytes else memoryview(data).nbytes


def decompress(data: Any, /, wbits: int = MAX_WBITS, bufsize: int = DEF_BUF_SIZE) -> bytes:
    """Return the content of the stream that `data` begins with."""
    try:
        content: bytes = zlib_ng.decompress(data, wbits, bufsize)
    except _NG_ERROR as failure:
        raise error(*failure.args) from None
    return content


# ---- checksums ----


def crc32(data: Any, value: int = 0, /) -> int:
    """Return the CRC-32 of `data`, going on from `value`."""
    return _checksum("crc32", isal_zlib.crc32, data, value)


def adler32(data: Any, value: int = 1, /) -> int:
    """Return the Adler-32 of `data`, going on from `value`."""
    return _checksum("adler32", zlib_ng.adler32, data, value)


def _checksum(algorithm: str, library: Callable[[Any, int], int], data: Any, value: int) -> int:
    if _nbytes(data) < _LARGE:
        return library(data, value)
    start = operator.index(value) & 0xFFFFFFFF
    if algorithm == "adler32" and max(start >> 16, start & 0xFFFF) >= _ADLER_MODULUS:
        # What is no Adler-32 is a start only for the library.
        return library(data, value)
    return default_accelerator().checksum(data, algorithm, value=start)


# ---- in pieces ----


class _Wrapped:
    """An object of zlib-ng whose errors are the standard's."""

    __slots__ = ("_inner",)
    _inner: Any

    def __new__(cls) -> _Wrapped:
        raise TypeError(f"cannot create '{cls.__module__}.{cls.__name__}' instances")

    @classmethod
    def _of(cls, inner: Any) -> Any:
        made = object.__new__(cls)
        made._inner = inner
        return made

    def copy(self) -> Any:
        """Return another one in the same state."""
        return self._of(self._inner.copy())

    __copy__ = copy

    def __deepcopy__(self, memo: object, /) -> Any:
        return self.copy()

    def __reduce__(self) -> str:
        raise TypeError(f"cannot pickle '{type(self).__module__}.{type(self).__name__}' object")


class Compress(_Wrapped):
    """What `compressobj` returns."""

    __slots__ = ()

    def compress(self, data: Any, /) -> bytes:
        """Take `data` and return what is compressed so far."""
        try:
            made: bytes = self._inner.compress(data)
        except _NG_ERROR as failure:
            raise error(*failure.args) from None
        return made

    def flush(self, mode: int = Z_FINISH, /) -> bytes:
        """Return what is pending; by default this ends the stream."""
        try:
            made: bytes = self._inner.flush(mode)
        except _NG_ERROR as failure:
            raise error(*failure.args) from None
        return made


class Decompress(_Wrapped):
    """What `decompressobj` returns."""

    __slots__ = ()

    @property
    def unused_data(self) -> bytes:
        """What was found behind the stream."""
        found: bytes = self._inner.unused_data
        return found

    @property
    def unconsumed_tail(self) -> bytes:
        """What was not taken because of `max_length`."""
        found: bytes = self._inner.unconsumed_tail
        return found

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""
        return bool(self._inner.eof)

    def decompress(self, data: Any, /, max_length: int = 0) -> bytes:
        """Take `data` and return content, at most `max_length` bytes where that is not 0."""
        try:
            content: bytes = self._inner.decompress(data, max_length)
        except _NG_ERROR as failure:
            raise error(*failure.args) from None
        return content

    def flush(self, length: int = DEF_BUF_SIZE, /) -> bytes:
        """Return the rest of the content."""
        try:
            content: bytes = self._inner.flush(length)
        except _NG_ERROR as failure:
            raise error(*failure.args) from None
        return content


def compressobj(
    level: int = Z_DEFAULT_COMPRESSION,
    method: int = DEFLATED,
    wbits: int = MAX_WBITS,
    memLevel: int = DEF_MEM_LEVEL,  # noqa: N803 (the standard's name)
    strategy: int = Z_DEFAULT_STRATEGY,
    zdict: Any = None,
) -> Compress:
    """Return an object that compresses in pieces."""
    made: Compress = Compress._of(
        zlib_ng.compressobj(level, method, wbits, memLevel, strategy, *(() if zdict is None else (zdict,)))
    )
    return made


def decompressobj(wbits: int = MAX_WBITS, zdict: Any = b"") -> Decompress:
    """Return an object that decompresses in pieces."""
    made: Decompress = Decompress._of(zlib_ng.decompressobj(wbits, zdict))
    return made
