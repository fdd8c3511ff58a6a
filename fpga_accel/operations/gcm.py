"""GCM (NIST SP 800-38D) with 16-byte tags, over any cipher of 16-byte blocks."""

from __future__ import annotations

import struct
from typing import Any, ClassVar

from cryptography.hazmat.primitives.ciphers import Cipher, modes

from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.contract import RowInput, RowOutput
from fpga_accel.operations.keyed import BLOCK, DECRYPT, TAG_IN_DST, Record, ctr_stream
from fpga_accel.operations.sealed import NONCE, TAG, SealedOperation, fitted
from fpga_accel.runtime import ghash


class GcmOperation(SealedOperation):
    """GCM in one direction."""

    # The CPU library's block cipher, made of a key.
    block_cipher: ClassVar[Any]
    # What the CPU library takes, so that every backend takes the same.
    nonce_sizes = range(8, 129)

    def seal_long(self, key: bytes, nonce: bytes, aad: Any, data: Flat, out: memoryview) -> None:
        encryptor = Cipher(self.block_cipher(key), modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(aad)
        encryptor.update_into(data, out)
        encryptor.finalize()
        out[-TAG:] = encryptor.tag

    def open_long(self, key: bytes, nonce: bytes, aad: Any, text: Flat, out: memoryview) -> None:
        view = memoryview(text)
        decryptor = Cipher(self.block_cipher(key), modes.GCM(nonce, bytes(view[-TAG:]))).decryptor()
        decryptor.authenticate_additional_data(aad)
        decryptor.update_into(view[:-TAG], out)
        decryptor.finalize()

    def emulate(self, row: RowInput) -> RowOutput:
        record, decrypting = Record.of(row), bool(row.flags & DECRYPT)
        if not decrypting and record.total == len(row.src):
            # A whole message: the library does it in one step.
            whole = self.library_class(record.key).encrypt(record.nonce, row.src, record.aad)
            output, partial = whole[:-TAG], whole[-TAG:]
            return fitted(whole if row.flags & TAG_IN_DST else output, partial, row.capacity)
        output = self._gctr(record, row.src)
        if record.total == len(row.src):
            partial = self.library_class(record.key).encrypt(record.nonce, output, record.aad)[-TAG:]
            return fitted(output, partial, row.capacity)
        ciphertext = bytes(row.src) if decrypting else output
        return fitted(output, self._contribution(record, ciphertext), row.capacity)

    # -- what a kernel does for one row, from the library's parts --

    def _stream(self, key: bytes, counter: bytes) -> Any:
        return ctr_stream(self.block_cipher(key), counter)

    def _hash_key(self, key: bytes) -> int:
        return int.from_bytes(self._stream(key, bytes(BLOCK)).update(bytes(BLOCK)), "big")

    def _pre_counter(self, key: bytes, nonce: bytes) -> bytes:
        """Return J0 (SP 800-38D §7.1 step 2)."""
        if len(nonce) == NONCE:
            return nonce + struct.pack(">I", 1)
        lengths = struct.pack(">QQ", 0, 8 * len(nonce))
        return ghash.ghash(self._hash_key(key), _padded(nonce) + lengths).to_bytes(BLOCK, "big")

    def _gctr(self, record: Record, data: memoryview) -> bytes:
        """Apply the key stream of GCM from the record's position on: GCTR counts modulo 2^32 (§6.5)."""
        j0 = self._pre_counter(record.key, record.nonce)
        start = int.from_bytes(j0[12:], "big") + 1 + record.position // BLOCK
        before_wrap = (2**32 - start % 2**32) * BLOCK
        first = self._stream(record.key, j0[:12] + struct.pack(">I", start % 2**32)).update(data[:before_wrap])
        return bytes(first) + bytes(self._stream(record.key, j0[:12] + bytes(4)).update(data[before_wrap:]))

    def _contribution(self, record: Record, ciphertext: bytes) -> bytes:
        """Return what a row adds to the tag: the exclusive or over a message's rows is its tag."""
        cipher, h = self.library_class(record.key), self._hash_key(record.key)
        after = _blocks(record.total) - record.position // BLOCK - _blocks(len(ciphertext))
        part = ghash.multiply(_hashed_times_h(cipher, _padded(ciphertext)), ghash.power(h, after))
        if record.position == 0:
            lengths = int.from_bytes(struct.pack(">QQ", 8 * len(record.aad), 8 * record.total), "big")
            hashed = _hashed_times_h(cipher, _padded(record.aad))
            part ^= ghash.multiply(hashed, ghash.power(h, _blocks(record.total))) ^ ghash.multiply(lengths, h)
            part ^= int.from_bytes(cipher.encrypt(record.nonce, b"", b""), "big")
        return part.to_bytes(TAG, "big")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def _blocks(nbytes: int) -> int:
    return -(-nbytes // BLOCK)


def _hashed_times_h(cipher: Any, data: bytes) -> int:
    """Return GHASH(data) times H, from the library's GMAC, which is linear in the data.

    A zero message of the same length cancels the encrypted counter and the length block.
    """
    nonce = bytes(NONCE)
    ours, zero = cipher.encrypt(nonce, b"", data), cipher.encrypt(nonce, b"", bytes(len(data)))
    return int.from_bytes(ours, "big") ^ int.from_bytes(zero, "big")
