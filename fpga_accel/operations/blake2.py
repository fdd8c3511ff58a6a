"""BLAKE2 (RFC 7693) without a key and with full digests, and HMAC over it."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import hashes

from fpga_accel.operations.hashes import HashlibDigest
from fpga_accel.operations.hmacs import HmacOperation


class Blake2b(HashlibDigest):
    """``blake2b.digest``."""

    algorithm = kernel = entry = "blake2b"
    size, block = 64, 128
    new = hashlib.blake2b


class Blake2s(HashlibDigest):
    """``blake2s.digest``."""

    algorithm = kernel = entry = "blake2s"
    size, block = 32, 64
    new = hashlib.blake2s


def _full_blake2b() -> hashes.HashAlgorithm:
    return hashes.BLAKE2b(Blake2b.size)


def _full_blake2s() -> hashes.HashAlgorithm:
    return hashes.BLAKE2s(Blake2s.size)


class HmacBlake2b(HmacOperation):
    """``hmac-blake2b.mac``; not the keyed mode that BLAKE2 has of its own."""

    hash, library_hash = Blake2b, _full_blake2b


class HmacBlake2s(HmacOperation):
    """``hmac-blake2s.mac``; not the keyed mode that BLAKE2 has of its own."""

    hash, library_hash = Blake2s, _full_blake2s
