"""Checksums."""

from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from pkgutil import resolve_name
from typing import Any, ClassVar

import google_crc32c
import xxhash

from fpga_accel import Accelerator
from fpga_accel.bench.works.work import Buffer, Call, Work


class Checksum(Work):
    """A checksum, which a stock library calculates too."""

    algorithm: ClassVar[str]
    kinds = ("text",)
    # Bytes of the number.
    width: ClassVar[int] = 4

    @abstractmethod
    def reference(self, item: bytes) -> int:
        """Return the checksum by a stock library."""

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.checksum, self.fed[0], self.algorithm)

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.checksum_many, items, self.algorithm)

    def part(self, returned: int) -> Buffer:
        return int(returned).to_bytes(self.width, "big")

    def parts(self, returned: Any) -> Sequence[Buffer]:
        return [self.part(checksum) for checksum in returned]

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bool(part == self.part(self.reference(item)))


class Crc32c(Checksum):
    """CRC-32C."""

    name = "crc32c.checksum"
    operations = ("crc32c.checksum",)
    algorithm = "crc32c"

    def reference(self, item: bytes) -> int:
        return int(google_crc32c.value(item))


class Crc32(Checksum):
    """CRC-32, that of gzip."""

    name = "crc32.checksum"
    operations = ("crc32.checksum",)
    algorithm = "crc32"

    def reference(self, item: bytes) -> int:
        return zlib.crc32(item)


class Crc64Nvme(Checksum):
    """CRC-64/NVME."""

    name = "crc64-nvme.checksum"
    operations = ("crc64-nvme.checksum",)
    algorithm = "crc64-nvme"
    width = 8

    def reference(self, item: bytes) -> int:
        return int(resolve_name("awscrt.checksums:crc64nvme")(item))


class Adler32(Checksum):
    """Adler-32."""

    name = "adler32.checksum"
    operations = ("adler32.checksum",)
    algorithm = "adler32"

    def reference(self, item: bytes) -> int:
        return zlib.adler32(item)


class Xxh32(Checksum):
    """XXH32."""

    name = "xxh32.checksum"
    operations = ("xxh32.checksum",)
    algorithm = "xxh32"

    def reference(self, item: bytes) -> int:
        return xxhash.xxh32_intdigest(item)


class Xxh64(Checksum):
    """XXH64."""

    name = "xxh64.checksum"
    operations = ("xxh64.checksum",)
    algorithm = "xxh64"
    width = 8

    def reference(self, item: bytes) -> int:
        return xxhash.xxh64_intdigest(item)


class Xxh3(Checksum):
    """XXH3 of 64 bits."""

    name = "xxh3-64.checksum"
    operations = ("xxh3-64.checksum",)
    algorithm = "xxh3-64"
    width = 8

    def reference(self, item: bytes) -> int:
        return xxhash.xxh3_64_intdigest(item)
