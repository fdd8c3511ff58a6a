"""Compression."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar

import cramjam
import lz4.frame
import numpy as np
import numpy.typing as npt
import zstandard

from fpga_accel import Accelerator, compress_bound
from fpga_accel.bench import inputs
from fpga_accel.bench.works.work import KIB, MIB, Buffer, Call, Work
from fpga_accel.operations.snappy_format import IDENTIFIER

# Blocks that can be decoded side by side, of the size that the library has between its least and its largest two.
FRAME_OPTIONS = MappingProxyType({"block_linked": False, "block_size": lz4.frame.BLOCKSIZE_MAX256KB})

# Of what is not the format's main work.
_EVERYDAY = (4 * KIB, 64 * KIB, MIB)


class Lz4Compress(Work):
    """LZ4 frames with each library's own default options."""

    name = "lz4.compress"
    operations = ("lz4.compress",)
    kinds: ClassVar[tuple[str, ...]] = ("text", "table", "binary", "markup", inputs.RANDOM)
    grows = True
    has_ratio = True

    def room(self, nbytes: int) -> int:
        return nbytes + nbytes // 255 + 1024

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.compress, self.fed[0])

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(acc.compress_into, self.fed[0], out)

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.compress_many, items)

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bool(lz4.frame.decompress(part) == item)


class Lz4Decompress(Work):
    """LZ4 frames that the stock library made, of independent blocks."""

    name = "lz4.decompress"
    operations = ("lz4.decompress",)
    kinds: ClassVar[tuple[str, ...]] = Lz4Compress.kinds

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        return [lz4.frame.compress(item, **FRAME_OPTIONS) for item in items]

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.decompress, self.fed[0], "lz4")

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(acc.decompress_into, self.fed[0], out, "lz4")

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.decompress_many, items, "lz4")

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == item


class Lz4DecompressLinked(Lz4Decompress):
    """LZ4 frames with the stock library's defaults: every block needs the one before it."""

    name = "lz4.decompress linked"
    kinds = ("text",)
    sizes = (MIB, 64 * MIB)
    batches = ()

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        return [lz4.frame.compress(item) for item in items]


class Lz4DecompressUnsized(Lz4Decompress):
    """LZ4 frames as the `lz4` command writes them: they do not declare how much they hold."""

    name = "lz4.decompress unsized"
    kinds = ("text",)
    sizes = _EVERYDAY
    batches = ((100, 4 * KIB),)

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        pack = partial(lz4.frame.compress, block_size=lz4.frame.BLOCKSIZE_MAX4MB, block_linked=False)
        return [pack(item, store_size=False, content_checksum=True) for item in items]


class FormatCompress(Work):
    """A format with the default options."""

    kinds: ClassVar[tuple[str, ...]] = Lz4Compress.kinds
    has_ratio = True
    format: ClassVar[str]
    # A function of the stock library.
    stock_decompress: ClassVar[Any]

    def room(self, nbytes: int) -> int:
        return compress_bound(nbytes, self.format)

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.compress, self.fed[0], self.format)

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(acc.compress_into, self.fed[0], out, self.format)

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.compress_many, items, self.format)

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(self.stock_decompress(part)) == item


class FormatDecompress(Work):
    """A format as the stock library makes it."""

    kinds: ClassVar[tuple[str, ...]] = Lz4Compress.kinds
    format: ClassVar[str]
    # A function of the stock library.
    stock_compress: ClassVar[Any]

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        return [bytes(self.stock_compress(item)) for item in items]

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.decompress, self.fed[0], self.format)

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(acc.decompress_into, self.fed[0], out, self.format)

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.decompress_many, items, self.format)

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == item


class SnappyCompress(FormatCompress):
    """Streams of the framing format."""

    name = "snappy.compress"
    operations = ("snappy.compress",)
    format = "snappy"
    stock_decompress = staticmethod(cramjam.snappy.decompress)


class SnappyDecompress(FormatDecompress):
    """Streams of the framing format that the stock library made; of nothing, it makes less than one."""

    name = "snappy.decompress"
    operations = ("snappy.decompress",)
    format = "snappy"
    stock_compress = staticmethod(cramjam.snappy.compress)

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        return [fed or IDENTIFIER for fed in super().feed(items)]


class SnappyRawCompress(FormatCompress):
    """Raw streams."""

    name = "snappy-raw.compress"
    operations = ("snappy-raw.compress",)
    kinds = ("text",)
    format = "snappy-raw"
    stock_decompress = staticmethod(cramjam.snappy.decompress_raw)


class SnappyRawDecompress(FormatDecompress):
    """Raw streams that the stock library made."""

    name = "snappy-raw.decompress"
    operations = ("snappy-raw.decompress",)
    kinds = ("text",)
    format = "snappy-raw"
    stock_compress = staticmethod(cramjam.snappy.compress_raw)


class GzipCompress(FormatCompress):
    """Members of gzip."""

    name = "gzip.compress"
    operations = ("gzip.compress",)
    format = "gzip"
    stock_decompress = staticmethod(gzip.decompress)


class GzipDecompress(FormatDecompress):
    """Members of gzip, one an item."""

    name = "gzip.decompress"
    operations = ("gzip.decompress",)
    format = "gzip"
    stock_compress = staticmethod(gzip.compress)


class GzipDecompressNamed(GzipDecompress):
    """Members of gzip as the `gzip` command writes them: they carry the name of their file."""

    name = "gzip.decompress named"
    kinds = ("text",)
    sizes = _EVERYDAY
    batches = ((100, 4 * KIB),)

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        return list(map(_named_member, items))


class GzipDecompressJoined(GzipDecompress):
    """Files of gzip that were written in turns: four members each."""

    name = "gzip.decompress joined"
    kinds = ("text",)
    sizes = _EVERYDAY
    batches = ()

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        return [b"".join(gzip.compress(part.tobytes()) for part in _quarters(item)) for item in items]


def _quarters(content: bytes) -> list[npt.NDArray[np.uint8]]:
    return np.array_split(np.frombuffer(content, np.uint8), 4)


def _named_member(content: bytes) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile("report-2024.csv", "wb", fileobj=out) as member:
        member.write(content)
    return out.getvalue()


class ZlibDecompress(FormatDecompress):
    """Streams of zlib."""

    name = "zlib.decompress"
    operations = ("zlib.decompress",)
    kinds = ("text",)
    format = "zlib"
    stock_compress = staticmethod(zlib.compress)


class DeflateDecompress(FormatDecompress):
    """Raw streams of DEFLATE."""

    name = "deflate.decompress"
    operations = ("deflate.decompress",)
    kinds = ("text",)
    format = "deflate"
    stock_compress = staticmethod(partial(zlib.compress, wbits=-15))


class BgzfDecompress(FormatDecompress):
    """Blocks that are independent; no library of Python's makes them, so this package's CPU path does."""

    name = "bgzf.decompress"
    operations = ("bgzf.decompress",)
    format = "bgzf"
    stock_compress = staticmethod(partial(Accelerator("cpu").compress, format="bgzf", level=6))


class BgzfCompress(FormatCompress):
    """Blocks that readers can start at."""

    name = "bgzf.compress"
    operations = ("bgzf.compress",)
    kinds = ("text",)
    format = "bgzf"
    stock_decompress = staticmethod(gzip.decompress)


class ZlibCompress(FormatCompress):
    """Streams of zlib."""

    name = "zlib.compress"
    operations = ("zlib.compress",)
    kinds = ("text",)
    format = "zlib"
    stock_decompress = staticmethod(zlib.decompress)


class DeflateCompress(FormatCompress):
    """Raw streams of DEFLATE."""

    name = "deflate.compress"
    operations = ("deflate.compress",)
    kinds = ("text",)
    format = "deflate"
    stock_decompress = staticmethod(partial(zlib.decompress, wbits=-15))


class ZstdCompress(FormatCompress):
    """Frames of Zstandard."""

    name = "zstd.compress"
    operations = ("zstd.compress",)
    format = "zstd"
    stock_decompress = staticmethod(zstandard.decompress)


class ZstdDecompress(FormatDecompress):
    """Frames of Zstandard."""

    name = "zstd.decompress"
    operations = ("zstd.decompress",)
    format = "zstd"
    stock_compress = staticmethod(partial(zstandard.compress, level=1))


class ZstdDecompressUnsized(ZstdDecompress):
    """Frames of Zstandard as the `zstd` command writes them in a pipe: they do not declare how much they hold."""

    name = "zstd.decompress unsized"
    kinds = ("text",)
    sizes = _EVERYDAY
    batches = ((100, 4 * KIB),)

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        pack = zstandard.ZstdCompressor(write_checksum=True, write_content_size=False).compress
        return list(map(pack, items))
