"""SHA-1, SHA-2 (FIPS 180-4) and SM3 (GB/T 32905)."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from cryptography.hazmat.primitives import hashes

from fpga_accel._objects import Windows
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.contract import Errors
from fpga_accel.operations.digests import DigestOperation, DigestOptions


class HashlibDigest(DigestOperation):
    """A hash of fixed size of which ``hashlib`` has a constructor."""

    # The constructor of the library.
    new: ClassVar[Callable[..., Any]]
    # The library lets go of the GIL from 2 KiB on, and two threads gain from twice that on.
    threads_from = 4 << 10
    takes = Windows

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


def _begun_sm3() -> tuple[Any, str, str]:
    """Return a started SM3, the name of what ends it, and its library: OpenSSL may be built without it for Python."""
    try:
        return hashlib.new("sm3"), "digest", "hashlib"
    except ValueError:
        return hashes.Hash(hashes.SM3()), "finalize", "cryptography"


class Sm3(DigestOperation):
    """``sm3.digest``."""

    algorithm = kernel = entry = "sm3"
    size = 32
    block = 64
    threads_from = 4 << 10
    takes = Windows

    def __init__(self) -> None:
        super().__init__()
        # A copy takes two thirds of the time of a start.
        begun, ended, self.library = _begun_sm3()
        self._copy: Callable[[], Any] = begun.copy
        self._end: Callable[[Any], bytes] = operator.methodcaller(ended)

    def hashed(self, data: Flat, length: int) -> bytes:
        copied = self._copy()
        copied.update(data)
        return self._end(copied)
