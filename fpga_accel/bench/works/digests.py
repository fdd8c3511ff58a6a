"""Hashes."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any, ClassVar

from blake3 import blake3
from cryptography.hazmat.primitives import hashes

from fpga_accel import Accelerator
from fpga_accel.bench.works.work import KIB, MIB, Buffer, Call, Work


class Digest(Work):
    """A hash."""

    # As the registry and the stock library name it.
    algorithm: ClassVar[str]

    def __init_subclass__(cls) -> None:
        if "algorithm" in vars(cls):
            cls.name = f"{cls.algorithm}.digest"
            cls.operations = (cls.name,)

    def room(self, nbytes: int) -> int:
        return len(digested(self.algorithm, b""))

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.digest, self.fed[0], self.algorithm)

    def into(self, acc: Accelerator, out: memoryview) -> Call | None:
        return partial(acc.digest_into, self.fed[0], out, self.algorithm)

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.digest_many, items, self.algorithm)

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == digested(self.algorithm, item)


class Sha256(Digest):
    """SHA-256."""

    algorithm = "sha256"
    sizes = (64, KIB, 64 * KIB, 64 * MIB)


class Sm3(Sha256):
    """SM3."""

    algorithm = "sm3"


class Sha1(Digest):
    """SHA-1."""

    algorithm = "sha1"
    sizes = (4 * KIB,)
    batches = ((100, 4 * KIB), (10_000, 4 * KIB))


class Sha224(Sha1):
    """SHA-224."""

    algorithm = "sha224"


class Sha384(Sha1):
    """SHA-384."""

    algorithm = "sha384"


class Sha512(Sha1):
    """SHA-512."""

    algorithm = "sha512"


class Sha3(Digest):
    """SHA3-256."""

    algorithm = "sha3-256"
    sizes = Sha256.sizes


class Blake2b(Digest):
    """BLAKE2b."""

    algorithm = "blake2b"
    sizes = Sha256.sizes


class Blake2s(Sha1):
    """BLAKE2s."""

    algorithm = "blake2s"


class Blake3(Digest):
    """BLAKE3."""

    algorithm = "blake3"


class Sha3224(Sha1):
    """SHA3-224."""

    algorithm = "sha3-224"


class Sha3384(Sha1):
    """SHA3-384."""

    algorithm = "sha3-384"


class Sha3512(Sha1):
    """SHA3-512."""

    algorithm = "sha3-512"


class Shake128(Sha1):
    """SHAKE128 with 32 bytes of output."""

    algorithm = "shake128"

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.digest, self.fed[0], self.algorithm, length=32)

    def into(self, acc: Accelerator, out: memoryview) -> Call | None:
        return None

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.digest_many, items, self.algorithm, length=32)


class Shake256(Shake128):
    """SHAKE256 with 32 bytes of output."""

    algorithm = "shake256"


def digested(algorithm: str, item: bytes) -> bytes:
    """Return the digest by the stock library."""
    if algorithm == "blake3":
        return blake3(item).digest()
    if algorithm.startswith("shake"):
        return bytes(getattr(hashlib, algorithm.replace("shake", "shake_"))(item).digest(32))
    if algorithm != "sm3":
        return hashlib.new(algorithm.replace("-", "_"), item).digest()
    sm3 = hashes.Hash(hashes.SM3())
    sm3.update(item)
    return sm3.finalize()
