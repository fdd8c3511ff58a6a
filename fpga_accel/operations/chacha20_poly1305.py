"""ChaCha20-Poly1305 (RFC 8439): keys of 32 bytes, nonces of 12 and tags of 16."""

from __future__ import annotations

import struct
from typing import Any

from cryptography.exceptions import InvalidTag as LibraryInvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.poly1305 import Poly1305

from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.contract import RowInput, RowOutput
from fpga_accel.operations.keyed import BLOCK, DECRYPT, TAG_IN_DST, Record
from fpga_accel.operations.sealed import NONCE, TAG, Opening, SealedOperation, Sealing, fitted

KEY = 32


class ChaChaOperation(SealedOperation):
    """What both nonce sizes share."""

    kernel = "chacha20_poly1305"
    key_sizes = (KEY,)
    # A message is one row: its parts could be enciphered side by side, but the library does one message as fast.
    cuts = False
    small = 1 << 62
    # From about 20 µs a call on, two threads pass the GIL on without losing what they gain.
    threads_from = 32 << 10

    def inner(self, key: bytes, nonce: bytes) -> tuple[bytes, bytes]:
        """Return key and nonce of RFC 8439 for those of a message."""
        return key, nonce

    def seal_long(self, key: bytes, nonce: bytes, aad: Any, data: Flat, out: memoryview) -> None:
        key, nonce = self.inner(key, nonce)
        key_stream(key, nonce, 1).update_into(data, out[:-TAG])
        out[-TAG:] = tag_of(key, nonce, aad, out[:-TAG])

    def open_long(self, key: bytes, nonce: bytes, aad: Any, text: Flat, out: memoryview) -> None:
        key, nonce = self.inner(key, nonce)
        view = memoryview(text)
        if not bytes_eq(tag_of(key, nonce, aad, view[:-TAG]), bytes(view[-TAG:])):
            raise LibraryInvalidTag
        key_stream(key, nonce, 1).update_into(view[:-TAG], out)

    def emulate(self, row: RowInput) -> RowOutput:
        record = Record.of(row)
        key, nonce = self.inner(record.key, record.nonce)
        cipher = ChaCha20Poly1305(key)
        if row.flags & DECRYPT:
            text = key_stream(key, nonce, 1).update(row.src)
            return fitted(text, cipher.encrypt(nonce, text, record.aad)[-TAG:], row.capacity)
        whole = cipher.encrypt(nonce, row.src, record.aad)
        return fitted(whole if row.flags & TAG_IN_DST else whole[:-TAG], whole[-TAG:], row.capacity)


class _ChaCha(ChaChaOperation):
    algorithm = "chacha20-poly1305"
    entry = "chacha20_poly1305"
    nonce_sizes = range(NONCE, NONCE + 1)
    library_class = ChaCha20Poly1305


class ChaChaEncrypt(_ChaCha, Sealing):
    """``chacha20-poly1305.encrypt``."""


class ChaChaDecrypt(_ChaCha, Opening):
    """``chacha20-poly1305.decrypt``."""


def key_stream(key: bytes, nonce: bytes, block: int) -> Any:
    """Return the CPU library's key stream from a block on (RFC 8439 §2.4)."""
    return Cipher(algorithms.ChaCha20(key, struct.pack("<I", block) + nonce), None).encryptor()


def tag_of(key: bytes, nonce: bytes, aad: Any, ciphertext: memoryview) -> bytes:
    """Return the tag of a message, from the library's parts (RFC 8439 §2.8)."""
    poly = Poly1305(key_stream(key, nonce, 0).update(bytes(KEY)))
    for part in (aad, ciphertext):
        poly.update(part)
        poly.update(bytes(-len(part) % BLOCK))
    poly.update(struct.pack("<QQ", len(aad), len(ciphertext)))
    return poly.finalize()
