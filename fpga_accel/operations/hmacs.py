"""HMAC (RFC 2104, FIPS 198-1) over the hashes that have a kernel for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from fpga_accel._objects import Windows
from fpga_accel.operations.buffers import Flat, flat
from fpga_accel.operations.ciphers import CipherOptions, as_key
from fpga_accel.operations.contract import Errors, Job, Run
from fpga_accel.operations.digests import DigestOperation
from fpga_accel.operations.hashes import Sha1, Sha224, Sha256, Sha384, Sha512, Sm3
from fpga_accel.operations.macs import MacOperation


class HmacOperation(MacOperation):
    """``hmac-*.mac``."""

    # The hash, as an operation and as the library names it.
    hash: ClassVar[type[DigestOperation]]
    library_hash: ClassVar[Callable[[], hashes.HashAlgorithm]]
    # Any key is legal; one that is longer than a block is hashed first.
    key_sizes = range(1 << 31)
    # The library lets go of the GIL below that too, but too briefly for a second thread to gain.
    threads_from = 8 << 10
    takes = Windows

    def __init__(self) -> None:
        super().__init__()
        self._algorithm = type(self).library_hash()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        found = cls.hash
        cls.algorithm = f"hmac-{found.algorithm}"
        cls.kernel, cls.entry = found.kernel, f"hmac_{found.entry}"
        cls.size, cls.block = found.size, found.block

    def tagged(self, data: Flat, key: Any, nonce: Any) -> bytes:
        return self._tag(HMAC(as_key(key), self._algorithm), data)

    def on_cpu_many(self, items: Sequence[Flat], options: CipherOptions, first: int) -> tuple[list[Any], Errors]:
        if len(options.keys) > 1:
            return super().on_cpu_many(items, options, first)
        return self._under_one_key(items, as_key(options.keys[0])), {}

    def library_many(self, items: Sequence[Flat], *arguments: Any) -> list[Any] | None:
        key, nonces = arguments
        return self._under_one_key(items, key) if type(key) is bytes and nonces is None else None

    def _under_one_key(self, items: Sequence[Flat], key: Flat) -> list[Any]:
        """Do a batch whose key is taken in once; starting from a copy takes half the time of a start anew."""
        begun = HMAC(key, self._algorithm)
        return [self._tag(begun.copy(), data) for data in items]

    @staticmethod
    def _tag(begun: HMAC, data: Flat) -> bytes:
        begun.update(data)
        return begun.finalize()

    def on_device(self, job: Job[CipherOptions], run: Run) -> Errors:
        keys = job.options.keys
        if all(len(flat(key)) <= self.block for key in keys):
            return super().on_device(job, run)
        hashed, size, block = type(self).hash().hashed, self.size, self.block
        short = [hashed(each, size) if len(each) > block else each for each in map(flat, keys)]
        return super().on_device(Job(job.items, CipherOptions(short), job.sink), run)


class HmacSha1(HmacOperation):
    """``hmac-sha1.mac``."""

    hash, library_hash = Sha1, hashes.SHA1


class HmacSha224(HmacOperation):
    """``hmac-sha224.mac``."""

    hash, library_hash = Sha224, hashes.SHA224


class HmacSha256(HmacOperation):
    """``hmac-sha256.mac``."""

    hash, library_hash = Sha256, hashes.SHA256


class HmacSha384(HmacOperation):
    """``hmac-sha384.mac``."""

    hash, library_hash = Sha384, hashes.SHA384


class HmacSha512(HmacOperation):
    """``hmac-sha512.mac``."""

    hash, library_hash = Sha512, hashes.SHA512


class HmacSm3(HmacOperation):
    """``hmac-sm3.mac``."""

    hash, library_hash = Sm3, hashes.SM3
