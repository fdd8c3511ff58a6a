"""SM4 (GB/T 32907-2016, ISO/IEC 18033-3) in ECB, CBC, CTR and GCM (RFC 8998), with 128-bit keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidTag as LibraryInvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import FormatError
from fpga_accel.operations.buffers import BytesSink, Flat, Items, require_room
from fpga_accel.operations.cbc import CbcDecrypt, CbcEncrypt
from fpga_accel.operations.ciphers import CipherOptions, as_key
from fpga_accel.operations.contract import Errors, Job, RowInput, RowOutput, Run, kept, periodic, trial_of
from fpga_accel.operations.ctr import CtrDecryption, CtrEncryption, CtrOperation
from fpga_accel.operations.gcm import GcmOperation
from fpga_accel.operations.keyed import BLOCK, DECRYPT, ROW, KeyedOperation, Record
from fpga_accel.operations.sealed import TAG, Opening, Sealing
from fpga_accel.segments import Status

KEY_SIZES = (16,)
# OpenSSL does 0.12 to 0.14 GB/s on a core: so much takes it as long as a launch.
SMALL = 8 << 10
# From here on two threads are worth it.
_THREAD_BYTES = 64 << 10


class Sm4Gcm:
    """SM4-GCM by the CPU library, in the shape of its AEAD classes."""

    def __init__(self, key: Any) -> None:
        self._cipher = algorithms.SM4(key)

    def encrypt(self, nonce: Any, data: Flat, aad: Any) -> bytes:
        """Return ciphertext and tag."""
        encryptor = Cipher(self._cipher, modes.GCM(bytes(nonce))).encryptor()
        if aad:
            encryptor.authenticate_additional_data(aad)
        sealed: bytes = encryptor.update(data) + encryptor.finalize()
        return sealed + encryptor.tag

    def decrypt(self, nonce: Any, data: Flat, aad: Any) -> bytes:
        """Return the plaintext, once the tag is found to be right."""
        if len(data) < TAG:
            raise LibraryInvalidTag
        view = memoryview(data)
        decryptor = Cipher(self._cipher, modes.GCM(bytes(nonce), bytes(view[-TAG:]))).decryptor()
        if aad:
            decryptor.authenticate_additional_data(aad)
        text: bytes = decryptor.update(view[:-TAG])
        return text + decryptor.finalize()

    def encrypt_into(self, nonce: Any, data: Flat, aad: Any, out: memoryview) -> int:
        """Fill `out` with ciphertext and tag; it must have their size, as with the library's classes."""
        target = _of_size(out, len(data) + TAG)
        encryptor = Cipher(self._cipher, modes.GCM(bytes(nonce))).encryptor()
        if aad:
            encryptor.authenticate_additional_data(aad)
        encryptor.update_into(data, target)
        encryptor.finalize()
        target[-TAG:] = encryptor.tag
        return len(target)

    def decrypt_into(self, nonce: Any, data: Flat, aad: Any, out: memoryview) -> int:
        """Fill `out`, which must have its size, with a plaintext that is right only if this raises nothing."""
        target = _of_size(out, len(data) - TAG)
        view = memoryview(data)
        decryptor = Cipher(self._cipher, modes.GCM(bytes(nonce), bytes(view[-TAG:]))).decryptor()
        if aad:
            decryptor.authenticate_additional_data(aad)
        decryptor.update_into(view[:-TAG], target)
        decryptor.finalize()
        return len(target)


class _Sm4Gcm(GcmOperation):
    algorithm = "sm4-gcm"
    kernel = "sm4"
    entry = "sm4_gcm"
    key_sizes = KEY_SIZES
    small = SMALL
    threads_from = 1 << 10
    library_class = Sm4Gcm
    block_cipher = algorithms.SM4


class GcmEncrypt(_Sm4Gcm, Sealing):
    """``sm4-gcm.encrypt``."""


class GcmDecrypt(_Sm4Gcm, Opening):
    """``sm4-gcm.decrypt``."""


class _Sm4Ctr(CtrOperation):
    algorithm = "sm4-ctr"
    kernel = "sm4"
    entry = "sm4_ctr"
    key_sizes = KEY_SIZES
    small = SMALL
    thread_bytes = _THREAD_BYTES
    threads_from = 1 << 10
    block_cipher = algorithms.SM4


class CtrEncrypt(_Sm4Ctr, CtrEncryption):
    """``sm4-ctr.encrypt``."""


class CtrDecrypt(_Sm4Ctr, CtrDecryption):
    """``sm4-ctr.decrypt``."""


class Sm4CbcEncrypt(CbcEncrypt):
    """``sm4-cbc.encrypt``."""

    algorithm = "sm4-cbc"
    kernel, entry = "sm4", "sm4_cbc_encrypt"
    key_sizes = KEY_SIZES
    block_cipher = algorithms.SM4


class Sm4CbcDecrypt(CbcDecrypt):
    """``sm4-cbc.decrypt``."""

    algorithm = "sm4-cbc"
    kernel, entry = "sm4", "sm4_cbc_decrypt"
    key_sizes = KEY_SIZES
    small = SMALL
    block_cipher = algorithms.SM4


class _Sm4Ecb(KeyedOperation):
    """ECB shows where plaintext blocks are alike: for single blocks, and for protocols that build on it."""

    algorithm = "sm4-ecb"
    kernel = "sm4"
    entry = "sm4_ecb"
    key_sizes = KEY_SIZES
    nonce_size = 0
    nonce_sizes = range(1)
    tag_size = 0
    small = SMALL
    threads_from = 1 << 10

    def on_cpu(self, data: Flat, options: CipherOptions, index: int, workers: Workers) -> bytes:
        _require_whole(len(data))
        result: bytes = self._context(options.keys[options.key_position(index)]).update(data)
        return result

    def on_cpu_into(self, data: Flat, options: CipherOptions, index: int, workers: Workers, out: memoryview) -> int:
        _require_whole(len(data))
        require_room(len(data), len(out))
        key = options.keys[options.key_position(index)]
        source, target, each = memoryview(data), out, _part(len(data), workers.count)

        def part(at: int) -> None:
            # The library wants room for a block more than what it writes.
            rest = source[at : at + each]
            context, head = self._context(key), max(0, len(rest) - BLOCK)
            context.update_into(rest[:head], target[at : at + len(rest)])
            target[at + head : at + len(rest)] = context.update(rest[head:])

        workers.map(part, range(0, len(data), each))
        return len(data)

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        key, nonce, aad = arguments
        if nonce is not None or aad or len(data) % BLOCK:
            return None
        try:
            result: bytes = self._context(key).update(data)
        except (TypeError, ValueError):
            return None
        return result

    def _context(self, key: Any) -> Any:
        block_cipher: Any = algorithms.SM4
        cipher = Cipher(block_cipher(as_key(key)), modes.ECB())
        return cipher.encryptor() if self.encrypts else cipher.decryptor()

    def on_device(self, job: Job[CipherOptions], run: Run) -> Errors:
        partial = np.flatnonzero(job.items.sizes % np.uint64(BLOCK))
        if len(partial):
            errors: Errors = {int(i): kept(_not_whole(int(job.items.sizes[i]))) for i in partial}
            return self._without(errors, job, run)
        return super().on_device(job, run)

    @property
    def whole_flags(self) -> int:  # type: ignore[override]
        """The direction, for the kernel."""
        return 0 if self.encrypts else DECRYPT

    def mark(self, table: Any, cut: Any) -> None:
        table["flags"] = self.whole_flags

    def emulate(self, row: RowInput) -> RowOutput:
        if len(row.src) > row.capacity:
            return RowOutput(b"", Status.DST_TOO_SMALL)
        return RowOutput(self._context_of(row).update(row.src))

    def _context_of(self, row: RowInput) -> Any:
        cipher = Cipher(algorithms.SM4(Record.of(row).key), modes.ECB())
        return cipher.decryptor() if row.flags & DECRYPT else cipher.encryptor()

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], CipherOptions]:
        return [bytes(-(-nbytes // BLOCK) * BLOCK)] * count, CipherOptions([bytes(16)])

    def trial(self) -> Trial:
        sizes: Sequence[int] = (0, 16, 32, 240, 256, 496, 1024, 2032, 2048, 2064, 4096, ROW + 48)
        data = [periodic(size) for size in sizes]
        keys = [bytes(range(i, i + 16)) for i in range(len(sizes))]
        return trial_of(self, Job(Items.of(data), CipherOptions(keys), BytesSink(len(sizes))))


class EcbEncrypt(_Sm4Ecb):
    """``sm4-ecb.encrypt``."""

    op = "encrypt"


class EcbDecrypt(_Sm4Ecb):
    """``sm4-ecb.decrypt``."""

    op = "decrypt"


def _part(size: int, threads: int) -> int:
    """Return the bytes that a thread takes."""
    count = min(threads, size // _THREAD_BYTES) or 1
    return max(BLOCK, -(-size // (count * BLOCK)) * BLOCK)


def _of_size(out: Any, size: int) -> memoryview:
    """Return the bytes of a buffer, which must be flat and as large as the result."""
    view = memoryview(out)
    if view.ndim != 1 or view.format != "B" or view.nbytes != size or not view.contiguous:
        raise ValueError(f"the buffer must be {size} bytes, in one piece")
    return view


def _require_whole(size: int) -> None:
    if size % BLOCK:
        raise _not_whole(size)


def _not_whole(size: int) -> FormatError:
    return FormatError(f"{size} bytes are no whole number of blocks of {BLOCK}, and ECB does not pad")
