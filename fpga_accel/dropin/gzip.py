"""The standard `gzip` on the shared Accelerator, isal and zlib-ng."""

from __future__ import annotations

import argparse
import builtins
import gzip as _standard
import io
import os
import shutil
import struct
import sys
import time
from gzip import READ, WRITE, BadGzipFile
from pathlib import Path
from typing import Any

from isal import igzip, igzip_lib, isal_zlib

from fpga_accel.dropin import calls, zlib
from fpga_accel.dropin.reading import Content

__all__ = ["BadGzipFile", "GzipFile", "compress", "decompress", "open"]

_FAST, _TRADEOFF, _BEST = 1, 6, 9

_MAGIC = b"\x1f\x8b"
_HEADER = struct.Struct("<2sBBIBB")
_TRAILER = struct.Struct("<II")
_DEFLATED = 8
# Header flags, RFC 1952 §2.3.1.
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT = 2, 4, 8, 16

_COPIED_AT_ONCE = 1 << 20
# From here on planning is nothing next to decompression.
_LARGE = 256 << 10

_igzip: Any = igzip
_ISAL_ERROR: Any = igzip_lib.error


def __getattr__(name: str) -> Any:
    """Return what is left as it is."""
    return getattr(_standard, name)


# ---- one call ----


def compress(data: Any, compresslevel: int = _BEST, *, mtime: float | None = None) -> bytes:
    """Return `data` as one gzip member."""
    body = zlib.compress(data, compresslevel, -zlib.MAX_WBITS)
    when = int(time.time() if mtime is None else mtime)
    effort = {_BEST: 2, _FAST: 4}.get(compresslevel, 0)
    head = _HEADER.pack(_MAGIC, _DEFLATED, 0, when, effort, 255)
    return b"".join((head, body, _TRAILER.pack(zlib.crc32(data), memoryview(data).nbytes & 0xFFFFFFFF)))


def decompress(data: Any) -> bytes:
    """Return the content of all members."""
    large = memoryview(data).nbytes >= _LARGE
    content = calls.decompressed(data, "gzip") if large else _at_once(data)
    # The standard says what is wrong, or is not.
    return _standard.decompress(data) if content is None else content


def _at_once(data: Any) -> bytes | None:
    """Return the content of all members; None of data that has to be looked at by another."""
    if not len(data):
        return b""
    try:
        content: bytes = _igzip.decompress(data)
    except (OSError, EOFError, _ISAL_ERROR):
        return None
    return content


# ---- files ----


class _Member:
    """Reads one member: header, content, and the trailer that is compared with it."""

    def __init__(self) -> None:
        self.eof = False
        self.unused_data: bytes | None = b""
        self.mtime: int | None = None
        self.needs_input = True
        self._head: bytes | None = b""
        self._inflate = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE)
        self._tail = b""
        self._crc = 0
        self._size = 0

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if self._head is not None:
            data = self._head + data
            end = self._header_end(data)
            self._head = data if end is None else None
            if end is None:
                return b""
            data = data[end:]
        if self._inflate.eof:
            self._end(self._tail + data)
            return b""
        try:
            content: bytes = self._inflate.decompress(data, max_length)
        except _ISAL_ERROR as failure:
            raise zlib.error(f"Error -3 while decompressing data: {failure}") from None
        self._crc = isal_zlib.crc32(content, self._crc)
        self._size += len(content)
        if self._inflate.eof:
            self._end(self._inflate.unused_data)
        self.needs_input = self._inflate.eof or self._inflate.needs_input
        return content

    def _header_end(self, data: bytes) -> int | None:
        """Return where the header ends; None where it does not yet."""
        if data[:2] != _MAGIC[: len(data)]:
            raise BadGzipFile(f"Not a gzipped file ({data[:2]!r})")
        if len(data) < _HEADER.size:
            return None
        _, method, flags, self.mtime, _, _ = _HEADER.unpack_from(data)
        if method != _DEFLATED:
            raise BadGzipFile("Unknown compression method")
        end = _HEADER.size
        if flags & _FEXTRA:
            end += 2 + int.from_bytes(data[end : end + 2], "little")
        for flag in (_FNAME, _FCOMMENT):
            if flags & flag:
                end = data.find(b"\0", end) + 1
                if not end:
                    return None
        end += 2 if flags & _FHCRC else 0
        return end if end <= len(data) else None

    def _end(self, tail: bytes) -> None:
        self._tail = tail
        if len(tail) < _TRAILER.size:
            return
        crc, size = _TRAILER.unpack_from(tail)
        if crc != self._crc:
            raise BadGzipFile(f"CRC check failed {crc:#x} != {self._crc:#x}")
        if size != self._size & 0xFFFFFFFF:
            raise BadGzipFile("Incorrect length of data produced")
        self.unused_data = tail[_TRAILER.size :]
        self.eof = True


class _Members(Content):
    """The content of all members of a file."""

    def __init__(self, file: Any) -> None:
        self._last_mtime: int | None = None
        super().__init__(file, _Member, self._whole_file)

    def _begin(self) -> None:
        super()._begin()
        self._started = False

    def _whole_file(self, data: bytes) -> bytes | None:
        content = _at_once(data)
        if content is not None and len(data) >= _HEADER.size:
            self._last_mtime = _HEADER.unpack_from(data)[3]
        return content

    def _piece(self, size: int) -> bytes:
        # An empty file has no member, and so no content.
        if not self._started and not self._held:
            self._held = bytes(self._fp.read(_COPIED_AT_ONCE >> 3))
            if not self._held:
                self._decompressor = None
                return b""
        self._started = True
        content = super()._piece(size)
        member = self._decompressor
        if isinstance(member, _Member) and member.mtime is not None:
            self._last_mtime = member.mtime
        return content

    def _between(self, rest: bytes) -> bytes:
        # Zeros may pad each member.
        rest = rest.lstrip(b"\0")
        while not rest:
            more = bytes(self._fp.read(_COPIED_AT_ONCE >> 3))
            if not more:
                return b""
            rest = more.lstrip(b"\0")
        return rest


class GzipFile(_standard.GzipFile):
    """A gzip file, as the standard's class of this name, of which it is one."""

    def __init__(
        self,
        filename: Any = None,
        mode: Any = None,
        compresslevel: int = _BEST,
        fileobj: Any = None,
        mtime: float | None = None,
    ) -> None:
        super().__init__(filename, mode, compresslevel, fileobj, mtime)
        if self.mode == READ:
            self._buffer: Any = io.BufferedReader(_Members(self.fileobj))
        elif self.mode == WRITE:
            self.compress: Any = zlib.compressobj(
                compresslevel, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_DEFAULT_STRATEGY
            )


def open(
    filename: Any,
    mode: str = "rb",
    compresslevel: int = _BEST,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> Any:
    """Open a gzip file by its name, or around a file object; a mode with ``t`` is for text."""
    text = "t" in mode
    if text and "b" in mode:
        raise ValueError(f"Invalid mode: {mode!r}")
    if not text:
        for name, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
            if value is not None:
                raise ValueError(f"Argument {name!r} not supported in binary mode")
    plain = mode.replace("t", "")
    if isinstance(filename, str | bytes | os.PathLike):
        stream = GzipFile(filename, plain, compresslevel)
    elif hasattr(filename, "read") or hasattr(filename, "write"):
        stream = GzipFile(None, plain, compresslevel, filename)
    else:
        raise TypeError("filename must be a str or bytes object, or a file")
    return io.TextIOWrapper(stream, io.text_encoding(encoding), errors, newline) if text else stream


# ---- command line ----


def main() -> None:
    """Compress or decompress files beside themselves, or standard input to standard output."""
    parser = argparse.ArgumentParser(description="Work like gzip, on the shared Accelerator, and keep the input file.")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--fast", action="store_const", dest="level", const=_FAST, help="take little time")
    how.add_argument("--best", action="store_const", dest="level", const=_BEST, help="make it small")
    how.add_argument("-d", "--decompress", action="store_true", help="work like gunzip")
    parser.add_argument("args", nargs="*", default=["-"], metavar="file")
    chosen = parser.parse_args()
    for name in chosen.args:
        if chosen.decompress:
            _decompress_file(name)
        else:
            _compress_file(name, chosen.level or _TRADEOFF)


def _compress_file(name: str, level: int) -> None:
    if name == "-":
        with GzipFile("", "wb", level, sys.stdout.buffer) as made:
            shutil.copyfileobj(sys.stdin.buffer, made, _COPIED_AT_ONCE)
        return
    with Path(name).open("rb") as content, open(f"{name}.gz", "wb", level) as made:
        shutil.copyfileobj(content, made, _COPIED_AT_ONCE)


def _decompress_file(name: str) -> None:
    if name == "-":
        with GzipFile("", "rb", fileobj=sys.stdin.buffer) as content:
            shutil.copyfileobj(content, sys.stdout.buffer, _COPIED_AT_ONCE)
        return
    if not name.endswith(".gz"):
        sys.exit(f"filename doesn't end in .gz: {name!r}")
    with open(name, "rb") as content, builtins.open(name.removesuffix(".gz"), "wb") as made:
        shutil.copyfileobj(content, made, _COPIED_AT_ONCE)


if __name__ == "__main__":
    main()
