"""Compression."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar

import lz4.frame
import zstandard

from fpga_accel import Accelerator
from fpga_accel.bench import inputs
from fpga_accel.bench.works.work import MIB, Buffer, Call, Work

# Blocks that can be decoded side by side, of the size that the library has between its least and its largest two.
FRAME_OPTIONS = MappingProxyType({"block_linked": False, "block_size": lz4.frame.BLOCKSIZE_MAX256KB})


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


class ZstdCompress(Lz4Compress):
    """Zstandard frames of level 1, without checksum."""

    name = "zstd.compress"
    operations = ("zstd.compress",)

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.compress, self.fed[0], "zstd")

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(acc.compress_into, self.fed[0], out, "zstd")

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.compress_many, items, "zstd")

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bool(zstandard.decompress(part) == item)
