"""AES-GCM-SIV (RFC 8452): nonces of 12 bytes, of which one used twice tells no more than equal messages.

Keys have 16 or 32 bytes, or 24 as OpenSSL has it beyond the RFC.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.ciphers import CipherOptions
from fpga_accel.operations.contract import RowInput, RowOutput
from fpga_accel.operations.keyed import BLOCK, DECRYPT, KEY_SIZES, Cut, Record, Texts, require_rows
from fpga_accel.operations.sealed import NONCE, TAG, Opening, SealedOperation, Sealing, fitted
from fpga_accel.segments import Bytes, Status, Table

# What a derived half has, and the halves of the key that authenticates (RFC 8452 §4).
_HALF = 8
_AUTHENTICATING = 2
# Where the highest bit of the last of a counter block's four words is.
_HIGHEST = np.uint32(1 << 31)


class _GcmSiv(SealedOperation):
    algorithm = "aes-gcm-siv"
    kernel = "aes_gcm_siv"
    entry = "aes_gcm_siv"
    key_sizes = KEY_SIZES
    nonce_sizes = range(NONCE, NONCE + 1)
    # The counters start from the tag of the whole message.
    cuts = False
    # The library takes 0.35 ms for so many bytes, as long as a launch does.
    small = 128 << 10
    library_class = AESGCMSIV

    def seal_long(self, key: bytes, nonce: bytes, aad: Any, data: Flat, out: memoryview) -> None:
        raise _too_long(len(data))

    def open_long(self, key: bytes, nonce: bytes, aad: Any, text: Flat, out: memoryview) -> None:
        raise _too_long(len(text) - TAG)

    def _rows(self, texts: Texts, cut: Cut, options: CipherOptions) -> tuple[Table, Bytes]:
        table, params = super()._rows(texts, cut, options)
        if not self.encrypts:
            # The tag behind a text starts its counters, so a kernel reads it too.
            require_rows(texts.sizes, TAG)
            table["src_size"] += np.uint32(TAG)
        return table, params

    def emulate(self, row: RowInput) -> RowOutput:
        record = Record.of(row)
        cipher = AESGCMSIV(record.key)
        if not row.flags & DECRYPT:
            sealed = cipher.encrypt(record.nonce, row.src, record.aad)
            return RowOutput(sealed) if len(sealed) <= row.capacity else RowOutput(b"", Status.DST_TOO_SMALL)
        if len(row.src) < TAG:
            return RowOutput(b"", Status.TRUNCATED)
        plain = _ciphered(record.key, record.nonce, bytes(row.src[:-TAG]), bytes(row.src[-TAG:]))
        return fitted(plain, cipher.encrypt(record.nonce, plain, record.aad)[-TAG:], row.capacity)


class GcmSivEncrypt(_GcmSiv, Sealing):
    """``aes-gcm-siv.encrypt``."""


class GcmSivDecrypt(_GcmSiv, Opening):
    """``aes-gcm-siv.decrypt``."""


def _too_long(size: int) -> OverflowError:
    return OverflowError(f"a message of {size} bytes; aes-gcm-siv takes less than 2 GiB")


def _block_cipher(key: bytes) -> Any:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor()


def _message_key(key: bytes, nonce: bytes) -> bytes:
    """Return the key that enciphers a message (§4)."""
    numbers = range(_AUTHENTICATING, _AUTHENTICATING + len(key) // _HALF)
    blocks = _block_cipher(key).update(b"".join(struct.pack("<I", number) + nonce for number in numbers))
    return b"".join(blocks[at : at + _HALF] for at in range(0, len(blocks), BLOCK))


def _ciphered(key: bytes, nonce: bytes, data: bytes, tag: bytes) -> bytes:
    """Return data with the key stream that a tag starts: its first word counts, modulo 2^32 (§4)."""
    counters = np.empty((-(-len(data) // BLOCK), 4), "<u4")
    counters[:] = np.frombuffer(tag, "<u4")
    counters[:, 0] += np.arange(len(counters), dtype=np.uint32)
    counters[:, 3] |= _HIGHEST
    stream = np.frombuffer(_block_cipher(_message_key(key, nonce)).update(counters.tobytes()), np.uint8)
    return (stream[: len(data)] ^ np.frombuffer(data, np.uint8)).tobytes()
