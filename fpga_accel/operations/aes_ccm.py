"""AES-CCM (NIST SP 800-38C, RFC 3610) with 128, 192 and 256-bit keys and tags of 4 to 16 bytes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag as LibraryInvalidTag
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import FormatError
from fpga_accel.operations.buffers import BytesSink, Flat, Items, clear, flat
from fpga_accel.operations.ciphers import CipherOptions, as_key, spaced, wrong_tag
from fpga_accel.operations.contract import Errors, Job, RowInput, RowOutput, Run, periodic, trial_of
from fpga_accel.operations.keyed import (
    BLOCK,
    DECRYPT,
    KEY_SIZES,
    TAG_IN_DST,
    Cut,
    KeyedOperation,
    Record,
    Texts,
    ctr_stream,
    require_rows,
    rows_of_whole,
)
from fpga_accel.segments import Bytes, Status, Table, address_of, copy_many

TAG = 16
TAGS = tuple(range(4, 17, 2))
# Nonces that `encrypt` makes: three bytes are left for the length.
NONCE = 12
# Where the bytes of the tag are in a row's flags.
_TAG_SHIFT = 16
# Messages of fewer bytes are legal with nonces of any size.
_ALWAYS_FITS = 1 << 16
# The library's calls take so many bytes.
_ONE_STEP = 2**31 - 1


class _Ccm(KeyedOperation):
    kernel = "aes_ccm"
    key_sizes = KEY_SIZES
    algorithm = "aes-ccm"
    entry = "aes_ccm"
    # The MAC is serial in one message: a device wins with many of them, never with one.
    small = 1 << 62
    call_limit = _ONE_STEP
    cuts = False
    nonce_size = NONCE
    nonce_sizes = range(7, 14)
    tag_size = TAG

    def own(self, **given: Any) -> int:
        size = given.pop("tag_length", TAG)
        if given:
            raise TypeError(f"{self.algorithm} has no options {sorted(given)}")
        if not isinstance(size, int):
            raise TypeError(f"tag_length must be an int, not {type(size).__name__}")
        if size not in TAGS:
            raise ValueError(f"tag_length={size}; a tag of {self.algorithm} has {', '.join(map(str, TAGS))} bytes")
        return size

    def overhead(self, options: CipherOptions) -> int:
        return (options.own or TAG) + (NONCE if options.nonces is None else 0)

    def bound(self, key: bytes, own: Any) -> AESCCM:
        return AESCCM(key, own or TAG)

    def keyed(self, options: CipherOptions, index: int) -> AESCCM:
        """Return the library's cipher under the key of an item."""
        position = options.key_position(index)
        cipher = options.expanded.get(position)
        if cipher is None:
            cipher = options.expanded[position] = AESCCM(as_key(options.keys[position]), options.own or TAG)
        assert isinstance(cipher, AESCCM)
        return cipher

    def on_device(self, job: Job[CipherOptions], run: Run) -> Errors:
        nonces, sizes = job.options.nonce_items(), job.items.sizes
        taken = np.uint64(0 if self.encrypts else self.overhead(job.options))
        given = np.full(len(sizes), NONCE, np.uint64) if nonces is None else nonces.sizes
        limits = np.uint64(1) << (np.uint64(8) * (np.uint64(15) - np.maximum(given, np.uint64(8))))
        long = np.flatnonzero((sizes >= taken) & (sizes - np.minimum(sizes, taken) >= limits))
        if len(long):
            return self._without({int(i): too_long(int(sizes[i] - taken), int(given[i])) for i in long}, job, run)
        return super().on_device(job, run)

    def _rows(self, texts: Texts, cut: Cut, options: CipherOptions) -> tuple[Table, Bytes]:
        tag = options.own or TAG
        require_rows(texts.sizes, tag)
        flags, room = (TAG_IN_DST, tag) if self.encrypts else (DECRYPT, 0)
        return rows_of_whole(texts, options, flags | tag << _TAG_SHIFT, room)

    def emulate(self, row: RowInput) -> RowOutput:
        record, decrypting = Record.of(row), bool(row.flags & DECRYPT)
        tag = row.flags >> _TAG_SHIFT
        cipher = AESCCM(record.key, tag)
        if len(row.src) + (0 if decrypting else tag) > row.capacity:
            return RowOutput(b"", Status.DST_TOO_SMALL)
        if not decrypting:
            return RowOutput(cipher.encrypt(record.nonce, row.src, record.aad))
        counter = bytes([14 - len(record.nonce)]) + record.nonce
        plain = ctr_stream(algorithms.AES(record.key), counter + (1).to_bytes(BLOCK - len(counter), "big")).update(
            row.src
        )
        partial = cipher.encrypt(record.nonce, plain, record.aad)[-tag:]
        return RowOutput(plain, partial=partial + bytes(TAG - tag))

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], CipherOptions]:
        key, nonce = bytes(32), bytes(NONCE)
        size = min(nbytes, (1 << 24) - 1)
        data = bytes(size) if self.encrypts else AESCCM(key).encrypt(nonce, bytes(size), b"")
        return [data] * count, CipherOptions([key], [nonce] * count)

    def trial(self) -> Trial:
        sizes = (0, 1, 15, 16, 17, 31, 32, 33, 64, 255, 256, 1023, 4096, 5000)
        texts = [periodic(size) for size in sizes]
        aads = [bytes(range(i * 5)) for i in range(len(sizes) - 1)] + [bytes(0xFF00)]
        nonces = [bytes([i]) * (7 + i % 7) for i in range(len(sizes))]
        keys = [bytes(range(i, i + KEY_SIZES[i % 3])) for i in range(len(sizes))]
        if not self.encrypts:
            texts = [AESCCM(keys[i]).encrypt(nonces[i], texts[i], aads[i]) for i in range(len(sizes))]
        return trial_of(self, Job(Items.of(texts), CipherOptions(keys, nonces, aads), BytesSink(len(sizes))))


class CcmEncrypt(_Ccm):
    """``aes-ccm.encrypt``."""

    op = "encrypt"

    def on_cpu(self, data: Flat, options: CipherOptions, index: int, workers: Workers) -> bytes:
        front = b""
        if options.nonces is None:
            front = nonce = os.urandom(NONCE)
        else:
            nonce = options.nonces[index]
        require_length(len(data), len(nonce))
        sealed = self.keyed(options, index).encrypt(nonce, data, options.aad(index))
        return front + sealed if front else sealed

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        key, nonce, aad = arguments
        try:
            data = flat(data)
            front = b""
            if nonce is None:
                front = nonce = os.urandom(NONCE)
            # The library has no proper error for what does not fit.
            require_length(len(data), len(nonce))
            sealed = AESCCM(key).encrypt(nonce, data, aad)
            return front + sealed if front else sealed
        except (TypeError, ValueError):
            return None

    def on_cpu_many(self, items: Sequence[Flat], options: CipherOptions, first: int) -> tuple[list[Any], Errors]:
        if not options.is_plain or any(len(data) >= _ALWAYS_FITS for data in items):
            return super().on_cpu_many(items, options, first)
        encrypt = self.keyed(options, first).encrypt
        pairs = zip(options.listed_nonces(slice(first, first + len(items))), items, strict=True)
        return [encrypt(nonce, data, None) for nonce, data in pairs], {}


class CcmDecrypt(_Ccm):
    """``aes-ccm.decrypt``."""

    op = "decrypt"

    def on_cpu(self, data: Flat, options: CipherOptions, index: int, workers: Workers) -> bytes:
        nonce, text = self.opened(data, options, index)
        require_length(len(text) - (options.own or TAG), len(nonce))
        try:
            return self.keyed(options, index).decrypt(nonce, text, options.aad(index))
        except LibraryInvalidTag:
            raise wrong_tag() from None

    def on_cpu_into(self, data: Flat, options: CipherOptions, index: int, workers: Workers, out: memoryview) -> int:
        try:
            return super().on_cpu_into(data, options, index, workers, out)
        except type(wrong_tag()):
            size = max(0, len(data) - self.overhead(options))
            clear(out[:size])
            raise

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        key, nonce, aad = arguments
        try:
            data = flat(data)
            if nonce is None:
                whole = memoryview(data)
                nonce, data = whole[:NONCE], whole[NONCE:]
            require_length(len(data) - TAG, len(nonce))
            return AESCCM(key).decrypt(nonce, data, aad)
        except LibraryInvalidTag:
            raise wrong_tag() from None
        except (TypeError, ValueError):
            return None

    def on_cpu_many(self, items: Sequence[Flat], options: CipherOptions, first: int) -> tuple[list[Any], Errors]:
        if not options.is_plain or any(len(data) >= _ALWAYS_FITS for data in items):
            return super().on_cpu_many(items, options, first)
        decrypt = self.keyed(options, first).decrypt
        try:
            pairs = zip(options.listed_nonces(slice(first, first + len(items))), items, strict=True)
            return [decrypt(nonce, data, None) for nonce, data in pairs], {}
        except (LibraryInvalidTag, ValueError):
            # Whatever is wrong with one of them is found again, and told of that one.
            return super().on_cpu_many(items, options, first)

    def finish(self, job: Job[CipherOptions], texts: Texts, cut: Cut, results: Table) -> Errors:
        errors: Errors = {}
        for row in np.flatnonzero(_wrong(texts, results["partial"], job.options.own or TAG)).tolist():
            job.sink.discard(row)
            errors[row] = wrong_tag()
        return errors


def require_length(size: int, nonce: int) -> None:
    """Refuse a message whose length does not fit beside its nonce.

    Raises
    ------
    FormatError
        With the limit.
    """
    if 7 <= nonce <= 13 and size >= 1 << 8 * (15 - nonce):
        raise too_long(size, nonce)
    if size > _ONE_STEP - TAG:
        raise OverflowError(f"a message of {size} bytes; aes-ccm takes less than 2 GiB")


def too_long(size: int, nonce: int) -> FormatError:
    """Return the error of a message that is too long for its nonce."""
    most = (1 << 8 * (15 - nonce)) - 1
    return FormatError(f"a message of {size} bytes; with a nonce of {nonce} bytes aes-ccm takes {most} at most")


def _wrong(texts: Texts, tags: Bytes, size: int) -> npt.NDArray[np.bool_]:
    """Tell which tags are not those behind the texts, in a time that depends on none."""
    count = len(texts.sizes)
    given = np.zeros((count, TAG), np.uint8)
    targets = spaced(address_of(given), count, TAG, size, None)
    copy_many(texts.sources + texts.sizes, targets.addresses, targets.sizes)
    # No reduction with an early end.
    wrong: npt.NDArray[np.bool_] = np.bitwise_or.reduce(given ^ tags, axis=1) != 0
    return wrong
