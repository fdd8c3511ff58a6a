"""CMAC over AES (NIST SP 800-38B, RFC 4493)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC

from fpga_accel._objects import Windows
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.ciphers import CipherOptions, as_key
from fpga_accel.operations.contract import Errors
from fpga_accel.operations.keyed import BLOCK, KEY_SIZES
from fpga_accel.operations.macs import MacOperation


class CmacAes(MacOperation):
    """``cmac-aes.mac``: tags of 16 bytes, the key's size picks AES-128, 192 or 256."""

    algorithm = "cmac-aes"
    kernel, entry = "aes_cbc", "aes_cmac"
    key_sizes = KEY_SIZES
    size = block = BLOCK
    takes = Windows

    def tagged(self, data: Flat, key: Any, nonce: Any) -> bytes:
        return _tag(CMAC(algorithms.AES(as_key(key))), data)

    def on_cpu_many(self, items: Sequence[Flat], options: CipherOptions, first: int) -> tuple[list[Any], Errors]:
        if len(options.keys) > 1:
            return super().on_cpu_many(items, options, first)
        return _under_one_key(items, as_key(options.keys[0])), {}

    def library_many(self, items: Sequence[Flat], *arguments: Any) -> list[Any] | None:
        key, nonces = arguments
        if type(key) is not bytes or len(key) not in self.key_sizes or nonces is not None:
            return None
        return _under_one_key(items, key)


def _under_one_key(items: Sequence[Flat], key: Any) -> list[Any]:
    """Do a batch whose key is expanded once."""
    begun = CMAC(algorithms.AES(key))
    return [_tag(begun.copy(), data) for data in items]


def _tag(begun: CMAC, data: Any) -> bytes:
    begun.update(data)
    return begun.finalize()
