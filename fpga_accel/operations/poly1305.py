"""Poly1305 (RFC 8439 §2.5): a code whose key of 32 bytes may serve for one message only.

Two messages under one key let anyone who sees both tags make tags for other messages. So every item of a batch needs
a key of its own; a key that was never used before, such as the first 32 bytes of a cipher's key stream, is the
caller's to find.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.poly1305 import Poly1305 as Library

from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.macs import MacOperation


class Poly1305(MacOperation):
    """``poly1305``."""

    algorithm = "poly1305"
    kernel = "chacha20_poly1305"
    entry = "poly1305"
    key_sizes = (32,)
    size = 16
    block = 16

    def tagged(self, data: Flat, key: Any, nonce: Any) -> bytes:
        return Library.generate_tag(key, data)
