"""GMAC over AES (NIST SP 800-38D §3): the tag of GCM for a message that is all associated data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fpga_accel._objects import Windows
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.ciphers import CipherOptions, as_key
from fpga_accel.operations.contract import Errors
from fpga_accel.operations.keyed import BLOCK, KEY_SIZES
from fpga_accel.operations.macs import MacOperation

# The library's calls take so many bytes.
_ONE_STEP = 2**31 - 1


class Gmac(MacOperation):
    """``gmac.mac``: tags of 16 bytes; no two messages under one key may have the same nonce."""

    algorithm = "gmac"
    kernel, entry = "gmac", "gmac"
    key_sizes = KEY_SIZES
    # What the CPU library takes, so that every backend takes the same.
    nonce_sizes = range(8, 129)
    size = block = BLOCK
    takes = Windows

    def tagged(self, data: Flat, key: Any, nonce: Any) -> bytes:
        if len(data) > _ONE_STEP:
            raise OverflowError(f"a message of {len(data)} bytes; gmac takes less than 2 GiB")
        return AESGCM(as_key(key)).encrypt(nonce, b"", data)

    def on_cpu_many(self, items: Sequence[Flat], options: CipherOptions, first: int) -> tuple[list[Any], Errors]:
        if len(options.keys) > 1:
            return super().on_cpu_many(items, options, first)
        nonces = options.listed_nonces(slice(first, first + len(items)))
        return list(_under_one_key(items, as_key(options.keys[0]), nonces)), {}

    def library_each(self, items: Sequence[Flat], *arguments: Any) -> Iterator[Any] | None:
        key, nonces = arguments
        if type(key) is not bytes or len(key) not in self.key_sizes or type(nonces) is not list:
            return None
        return _under_one_key(items, key, nonces) if len(nonces) == len(items) else None


def _under_one_key(items: Sequence[Flat], key: Any, nonces: Sequence[Any]) -> Iterator[bytes]:
    """Do a batch whose key is expanded once."""
    return map(AESGCM(key).encrypt, nonces, itertools.repeat(b""), items)
