"""Streams of deflate, zlib, gzip and BGZF of any length in bounded memory.

Runs of BGZF blocks go through the one-shot operation, many at a time. Other streams are decoded one symbol after the
other wherever they are decoded, so the CPU library does it, piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from isal import isal_zlib

from fpga_accel.errors import FormatError, IntegrityError, TruncatedError
from fpga_accel.operations import gzip_member
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.codecs import DecompressOptions, Source, Start
from fpga_accel.operations.contract import one_ahead
from fpga_accel.operations.gzip_member import ADLER, BGZF_CONTENT, TRAILER, Header
from fpga_accel.operations.inflate_library import crc32

# Content of one piece, and compressed bytes that are looked at for it: the first of a member is small, as all of a file
# may be small members, and what stands behind one is copied.
_SLAB = 4 << 20
_FIRST_PIECE, _PIECE = 8 << 10, 1 << 20
# BGZF blocks of one call: each holds up to 64 KiB.
_BLOCKS = _SLAB >> 16
_BGZF_START = 18
# A header may have an extra field of up to 64 KiB, and texts that nothing bounds; most are short.
_HEADER, _LONGEST_HEADER = 256, 16 << 20

_Malformed = cast("type[Exception]", isal_zlib.IsalError)


def deflate_decoded(source: Source, decompress: Start, max_output: int | None) -> Iterator[bytes]:
    """Yield the content of one raw stream.

    Raises
    ------
    FormatError, TruncatedError, IntegrityError, OutputLimitError
        Where the stream is found to be bad; what came before it has been yielded. This goes for all formats here.
    """
    yield from _limited(_raw(source), max_output)
    _require_end(source)


def zlib_decoded(source: Source, decompress: Start, max_output: int | None) -> Iterator[bytes]:
    """Yield the content of one zlib stream."""
    source.take(gzip_member.check_zlib_header(source.peek(2)))
    check = 1
    for chunk in _limited(_raw(source), max_output):
        check = isal_zlib.adler32(chunk, check)
        yield chunk
    if int.from_bytes(source.take(ADLER), "big") != check:
        raise IntegrityError("the Adler-32 of the zlib stream is wrong")
    _require_end(source)


def gzip_decoded(source: Source, decompress: Start, max_output: int | None) -> Iterator[bytes]:
    """Yield the content of joined members, which may be followed by zeros."""
    return _limited(_members(source, decompress, any_member=True), max_output)


def bgzf_decoded(source: Source, decompress: Start, max_output: int | None) -> Iterator[bytes]:
    """Yield the content of joined BGZF blocks."""
    return _limited(_members(source, decompress, any_member=False), max_output)


def _limited(chunks: Iterator[bytes], max_output: int | None) -> Iterator[bytes]:
    limit, produced = DecompressOptions(max_output), 0
    for chunk in chunks:
        produced += len(chunk)
        limit.check(produced)
        yield chunk


def _require_end(source: Source) -> None:
    if source.peek(1):
        raise FormatError("more bytes stand behind the end of the stream")


def _raw(source: Source) -> Iterator[bytes]:
    """Yield the content of a raw stream; what stands behind it is left."""
    decoder = isal_zlib.decompressobj(-15)
    size = _FIRST_PIECE
    while not decoder.eof:
        piece = source.peek(size)
        size = min(2 * size, _PIECE)
        try:
            chunk = decoder.decompress(piece, _SLAB)
        except _Malformed as error:
            raise FormatError(f"malformed deflate stream: {error}") from None
        left = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
        source.take(len(piece) - len(left))
        if chunk:
            yield chunk
        elif not decoder.eof and len(left) == len(piece):
            raise TruncatedError("the deflate stream is not at its end where the data ends")


def _members(source: Source, decompress: Start, *, any_member: bool) -> Iterator[bytes]:
    if not source.peek(1):
        raise TruncatedError("no gzip member in 0 bytes")

    def start(blocks: bytes) -> Callable[[], Flat]:
        return decompress(blocks, DecompressOptions())

    first = True
    while begin := source.peek(1):
        if _block_size(source):
            yield from (bytes(content) for content in one_ahead(_groups(source), start) if len(content))
        elif any_member and not first and begin == b"\0":
            _pass_padding(source)
        else:
            yield from _member(source, any_member=any_member)
        first = False


def _block_size(source: Source) -> int:
    """Return the bytes of the BGZF block that comes next; 0 where it is none, or one that may hold more than 64 KiB.

    What is none for this is looked at closely as a member: so many large ones at once would take any memory.
    """
    start = source.peek(_BGZF_START)
    if len(start) < _BGZF_START or not gzip_member.bgzf_starts(start):
        return 0
    size = gzip_member.bgzf_block_size(start)
    block = source.peek(size)
    is_whole = len(block) == size >= _BGZF_START + TRAILER
    return size if is_whole and int.from_bytes(block[-4:], "little") <= BGZF_CONTENT else 0


def _groups(source: Source) -> Iterator[bytes]:
    """Yield runs of BGZF blocks."""
    blocks: list[bytes] = []
    while size := _block_size(source):
        blocks.append(source.take(size))
        if len(blocks) == _BLOCKS:
            yield b"".join(blocks)
            blocks.clear()
    if blocks:
        yield b"".join(blocks)


def _header(source: Source) -> Header:
    """Take the header of a member."""
    size = _HEADER
    while True:
        start = source.peek(size)
        try:
            header = gzip_member.parse_gzip_header(start, crc32)
        except TruncatedError:
            if len(start) < size:
                raise
            if size >= _LONGEST_HEADER:
                raise FormatError(f"the header of a gzip member is longer than {size} bytes") from None
            size *= 2
            continue
        source.take(header.size)
        return header


class _Counted:
    """A source that counts what is taken of it."""

    def __init__(self, source: Source) -> None:
        self.peek = source.peek
        self._source = source
        self.taken = 0

    def take(self, count: int) -> bytes:
        """Return exactly `count` bytes."""
        self.taken += count
        return self._source.take(count)


def _member(whole: Source, *, any_member: bool) -> Iterator[bytes]:
    source = _Counted(whole)
    claimed = _header(source).member_size
    if not any_member and not claimed:
        raise FormatError("a gzip member has no BC field: it is no BGZF block")
    crc = size = 0
    for chunk in _raw(source):
        crc = isal_zlib.crc32(chunk, crc)
        size += len(chunk)
        if not any_member and size > BGZF_CONTENT:
            raise FormatError("a BGZF block holds more than 64 KiB")
        yield chunk
    stated, declared = gzip_member.trailer(source.take(TRAILER), 0)
    if declared != size & 0xFFFFFFFF:
        raise IntegrityError(f"a gzip member declares {declared} bytes and holds {size}")
    if stated != crc:
        raise IntegrityError("the CRC-32 of a gzip member is wrong")
    if claimed and claimed != source.taken:
        raise FormatError(f"a BGZF block claims {claimed} bytes, not {source.taken}")


def _pass_padding(source: Source) -> None:
    while zeros := source.peek(_PIECE):
        if zeros.strip(b"\0"):
            raise FormatError("bytes that are no gzip member and no zeros stand behind the last member")
        source.take(len(zeros))
