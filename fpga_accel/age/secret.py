"""Keys in memory of our own, which is wiped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_SIZE = 32


def random(size: int) -> bytearray:
    """Return random bytes of the system's."""
    return bytearray(os.urandom(size))


def derived(key: bytes | bytearray, salt: bytes, info: bytes) -> bytearray:
    """Return the 32 bytes that HKDF-SHA-256 (RFC 5869) makes of a key."""
    made = bytearray(KEY_SIZE)
    HKDF(SHA256(), KEY_SIZE, salt, info).derive_into(key, made)
    return made


@contextmanager
def wiped(secret: bytearray) -> Iterator[bytearray]:
    """Overwrite a secret with zeros when the block ends."""
    try:
        yield secret
    finally:
        wipe(secret)


def wipe(secret: bytearray) -> None:
    """Overwrite a secret with zeros."""
    secret[:] = bytes(len(secret))
