"""SHA-3 and SHAKE (FIPS 202), and HMAC over SHA-3."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from cryptography.hazmat.primitives import hashes

from fpga_accel._objects import Windows
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.contract import Errors
from fpga_accel.operations.digests import DigestOperation, DigestOptions
from fpga_accel.operations.hashes import HashlibDigest
from fpga_accel.operations.hmacs import HmacOperation


class Sha3(HashlibDigest):
    """SHA-3 of one size."""

    kernel = "keccak"
    # The library lets go of the GIL from 2 KiB on, where it takes 6 µs and more.
    threads_from = 2 << 10


class Sha3_224(Sha3):  # noqa: N801
    """``sha3-224.digest``."""

    algorithm, entry = "sha3-224", "sha3_224"
    size, block = 28, 144
    new = hashlib.sha3_224


class Sha3_256(Sha3):  # noqa: N801
    """``sha3-256.digest``."""

    algorithm, entry = "sha3-256", "sha3_256"
    size, block = 32, 136
    new = hashlib.sha3_256


class Sha3_384(Sha3):  # noqa: N801
    """``sha3-384.digest``."""

    algorithm, entry = "sha3-384", "sha3_384"
    size, block = 48, 104
    new = hashlib.sha3_384


class Sha3_512(Sha3):  # noqa: N801
    """``sha3-512.digest``."""

    algorithm, entry = "sha3-512", "sha3_512"
    size, block = 64, 72
    new = hashlib.sha3_512


class Shake(DigestOperation):
    """An extendable output of FIPS 202; it has no size of its own, so callers name one."""

    kernel = "keccak"
    xof = True
    size = 0
    threads_from = 2 << 10
    takes = Windows
    new: ClassVar[Callable[..., Any]]

    def hashed(self, data: Flat, length: int) -> bytes:
        output: bytes = type(self).new(data).digest(length)
        return output

    def on_cpu_many(self, items: Sequence[Flat], options: DigestOptions, first: int) -> tuple[list[Any], Errors]:
        new, length = type(self).new, options.length
        return [new(data).digest(length) for data in items], {}


class Shake128(Shake):
    """``shake128.digest``."""

    algorithm = entry = "shake128"
    block = 168
    new = hashlib.shake_128


class Shake256(Shake):
    """``shake256.digest``."""

    algorithm = entry = "shake256"
    block = 136
    new = hashlib.shake_256


class HmacSha3_224(HmacOperation):  # noqa: N801
    """``hmac-sha3-224.mac``."""

    hash, library_hash = Sha3_224, hashes.SHA3_224


class HmacSha3_256(HmacOperation):  # noqa: N801
    """``hmac-sha3-256.mac``."""

    hash, library_hash = Sha3_256, hashes.SHA3_256


class HmacSha3_384(HmacOperation):  # noqa: N801
    """``hmac-sha3-384.mac``."""

    hash, library_hash = Sha3_384, hashes.SHA3_384


class HmacSha3_512(HmacOperation):  # noqa: N801
    """``hmac-sha3-512.mac``."""

    hash, library_hash = Sha3_512, hashes.SHA3_512
