"""SHA-1, SHA-2 (FIPS 180-4) and SM3 (GB/T 32905)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from cryptography.hazmat.primitives import hashes

from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.contract import Errors
from fpga_accel.operations.digests import DigestOperation, DigestOptions


class HashlibDigest(DigestOperation):
    """A hash of fixed size that ``hashlib`` has."""

    # The constructor of the library.
    new: ClassVar[Callable[..., Any]]
    # Below, the library keeps the GIL.
    threads_from = 16 << 10
    takes_views = True

    def hashed(self, data: Flat, length: int) -> bytes:
        digest: bytes = type(self).new(data).digest()
        return digest

    def on_cpu_many(self, items: Sequence[Flat], options: DigestOptions, first: int) -> tuple[list[Any], Errors]:
        new = type(self).new
        return [new(data).digest() for data in items], {}


class Sha1(HashlibDigest):
    """``sha1.digest``; collisions of it are known, so it is for what others demand."""

    algorithm = kernel = entry = "sha1"
    size = 20
    block = 64
    new = hashlib.sha1


class Sha224(HashlibDigest):
    """``sha224.digest``."""

    algorithm = entry = "sha224"
    kernel = "sha256"
    size = 28
    block = 64
    new = hashlib.sha224


class Sha256(HashlibDigest):
    """``sha256.digest``."""

    algorithm = kernel = entry = "sha256"
    size = 32
    block = 64
    new = hashlib.sha256


class Sha384(HashlibDigest):
    """``sha384.digest``."""

    algorithm = entry = "sha384"
    kernel = "sha512"
    size = 48
    block = 128
    new = hashlib.sha384


class Sha512(HashlibDigest):
    """``sha512.digest``."""

    algorithm = kernel = entry = "sha512"
    size = 64
    block = 128
    new = hashlib.sha512


class _PycaSm3:
    """SM3 in the shape of ``hashlib``: Python's OpenSSL may be built without it."""

    def __init__(self, data: Flat) -> None:
        self._hash = hashes.Hash(hashes.SM3())
        self._hash.update(data)

    def digest(self) -> bytes:
        """Return the digest."""
        return self._hash.finalize()


class Sm3(HashlibDigest):
    """``sm3.digest``."""

    algorithm = kernel = entry = "sm3"
    library = "cryptography"
    size = 32
    block = 64
    new = _PycaSm3
