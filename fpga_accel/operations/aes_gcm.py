"""AES-GCM (NIST SP 800-38D) with 128, 192 and 256-bit keys and 16-byte tags."""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidTag as LibraryInvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.batch import Batch
from fpga_accel.operations import ghash
from fpga_accel.operations.buffers import BytesSink, Flat, Items, flat, made, memory, require_room
from fpga_accel.operations.ciphers import CipherOptions, as_key, too_short, wrong_tag
from fpga_accel.operations.contract import ALONE, Errors, Job, RowInput, RowOutput, trial_of
from fpga_accel.operations.keyed import (
    BLOCK,
    DECRYPT,
    KEY_SIZES,
    ROW,
    TAG_IN_DST,
    Cut,
    KeyedOperation,
    Record,
    Texts,
    ctr_stream,
    wrong_tags,
)
from fpga_accel.segments import Status, Table

TAG = 16
NONCE = 12
# From here on results are made first and written in place: the library zeroes what it returns, which is one pass more
# over memory that is touched for the first time.
_IN_PLACE = 256 << 10
# The library's one-step calls take so many bytes; longer messages go through its streaming interface.
_ONE_STEP = 2**31 - 1


class _Gcm(KeyedOperation):
    kernel = "aes"
    key_sizes = KEY_SIZES
    # The library is as fast a core; two cores at most halve what remains above a launch's cost.
    small = 4 << 20
    links = True
    algorithm = "aes-gcm"
    entry = "aes_gcm"
    nonce_size = NONCE
    # What the CPU library takes, so that every backend takes the same.
    nonce_sizes = range(8, 129)
    tag_size = TAG
    call_limit = _IN_PLACE

    def bound(self, key: bytes, own: Any) -> AESGCM:
        return AESGCM(key)

    def emulate(self, row: RowInput) -> RowOutput:
        record, decrypting = Record.of(row), bool(row.flags & DECRYPT)
        if not decrypting and record.total == len(row.src):
            # A whole message: the library does it in one step.
            whole = AESGCM(record.key).encrypt(record.nonce, row.src, record.aad)
            output, partial = whole[:-TAG], whole[-TAG:]
            return _fitted(whole if row.flags & TAG_IN_DST else output, partial, row.capacity)
        output = _gctr(record, row.src)
        if record.total == len(row.src):
            partial = AESGCM(record.key).encrypt(record.nonce, output, record.aad)[-TAG:]
            return _fitted(output, partial, row.capacity)
        ciphertext = bytes(row.src) if decrypting else output
        return _fitted(output, _contribution(record, ciphertext), row.capacity)

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], CipherOptions]:
        key, nonce = bytes(32), bytes(NONCE)
        data = bytes(nbytes) if self.encrypts else AESGCM(key).encrypt(nonce, bytes(nbytes), b"")
        return [data] * count, CipherOptions([key], [nonce] * count)

    def trial(self) -> Trial:
        sizes = (0, 1, 15, 16, 17, 64, 255, 256, 1023, 4096, ROW + 33)
        texts = [(bytes(range(251)) * (size // 251 + 1))[:size] for size in sizes]
        aads = [bytes(range(i * 7)) for i in range(len(sizes))]
        nonces = [bytes([i]) * (NONCE if i % 3 else 8 + i) for i in range(len(sizes))]
        keys = [bytes(range(i, i + KEY_SIZES[i % 3])) for i in range(len(sizes))]
        if not self.encrypts:
            texts = [AESGCM(keys[i]).encrypt(nonces[i], texts[i], aads[i]) for i in range(len(sizes))]
        return trial_of(self, Job(Items.of(texts), CipherOptions(keys, nonces, aads), BytesSink(len(sizes))))


class GcmEncrypt(_Gcm):
    """``aes-gcm.encrypt``."""

    op = "encrypt"
    whole_flags = TAG_IN_DST
    whole_room = TAG

    def on_cpu(self, data: Flat, options: CipherOptions, index: int, workers: Workers) -> bytes:
        if len(data) >= _IN_PLACE:
            size = len(data) + self.overhead(options)
            return made(size, lambda out: self.on_cpu_into(data, options, index, ALONE, out))
        cipher = _cipher(options, index)
        if options.nonces is not None:
            return cipher.encrypt(options.nonces[index], data, options.aad(index))
        nonce = os.urandom(NONCE)
        return nonce + cipher.encrypt(nonce, data, options.aad(index))

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        key, nonce, aad = arguments
        try:
            if nonce is not None:
                return AESGCM(key).encrypt(nonce, data, aad)
            nonce = os.urandom(NONCE)
            return nonce + AESGCM(key).encrypt(nonce, data, aad)
        except (TypeError, ValueError):
            return None

    def library_many(self, items: list[bytes], *arguments: Any) -> list[Any] | None:
        key, nonces = arguments
        return _by_library(items, key, nonces, "encrypt")

    def on_cpu_into(self, data: Flat, options: CipherOptions, index: int, workers: Workers, out: memoryview) -> int:
        total = len(data) + self.overhead(options)
        require_room(total, len(out))
        front = 0
        if options.nonces is None:
            front, nonce = NONCE, os.urandom(NONCE)
            out[:front] = nonce
        else:
            nonce = options.nonces[index]
        if len(data) > _ONE_STEP:
            _seal_long(options, index, nonce, data, out[front:total])
        else:
            _cipher(options, index).encrypt_into(nonce, data, options.aad(index), out[front:total])
        return total

    def each_on_cpu(
        self, items: Iterable[Flat], options: CipherOptions, part: slice, most: int
    ) -> Iterator[bytes] | None:
        return _each(options, part, items, _cipher(options, 0).encrypt)

    def on_cpu_many(self, items: Sequence[Flat], options: CipherOptions, first: int) -> tuple[list[Any], Errors]:
        if not _is_plain(options):
            return super().on_cpu_many(items, options, first)
        # The loop that users would write, for batches too small for a device.
        encrypt, nonces = _cipher(options, 0).encrypt, _nonces(options, first, items)
        try:
            return [encrypt(nonce, data, None) for nonce, data in zip(nonces, items, strict=True)], {}
        except OverflowError:
            # An item is too long for one step.
            return super().on_cpu_many(items, options, first)

    def on_cpu_placed(
        self, items: Sequence[Flat], options: CipherOptions, first: int, out: memoryview, offsets: Sequence[int]
    ) -> Errors:
        if not _is_plain(options) or _has_long(offsets):
            return super().on_cpu_placed(items, options, first, out, offsets)
        encrypt_into = _cipher(options, 0).encrypt_into
        for nonce, data, (start, end) in zip(
            _nonces(options, first, items), items, itertools.pairwise(offsets), strict=True
        ):
            encrypt_into(nonce, data, None, out[start:end])
        return {}

    def mark(self, table: Table, cut: Cut) -> None:
        alone = np.bincount(cut.message)[cut.message] == 1
        table["flags"] = np.where(alone, self.whole_flags, 0)
        table["dst_capacity"] += np.where(alone, self.whole_room, 0).astype(np.uint32)

    def finish(self, job: Job[CipherOptions], texts: Texts, cut: Cut, results: Table) -> Errors:
        if not cut.whole:
            tags = cut.tags(results)
            for index in np.flatnonzero(texts.sizes > ROW):
                memory(int(texts.targets[index] + texts.sizes[index]), TAG)[:] = tags[index].tobytes()
        return {}


class GcmDecrypt(_Gcm):
    """``aes-gcm.decrypt``."""

    op = "decrypt"
    whole_flags = DECRYPT

    def on_cpu(self, data: Flat, options: CipherOptions, index: int, workers: Workers) -> bytes:
        nonce, text = self.opened(data, options, index)
        if len(text) >= _IN_PLACE:
            return made(len(text) - TAG, lambda out: self.on_cpu_into(data, options, index, ALONE, out))
        try:
            return _cipher(options, index).decrypt(nonce, text, options.aad(index))
        except LibraryInvalidTag:
            raise wrong_tag() from None

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        key, nonce, aad = arguments
        if nonce is None:
            whole = memoryview(flat(data))
            nonce, data = whole[:NONCE], whole[NONCE:]
        try:
            return AESGCM(key).decrypt(nonce, data, aad)
        except LibraryInvalidTag:
            raise wrong_tag() from None
        except (TypeError, ValueError):
            return None

    def on_cpu_many(self, items: Sequence[Flat], options: CipherOptions, first: int) -> tuple[list[Any], Errors]:
        if not _is_plain(options):
            return super().on_cpu_many(items, options, first)
        assert options.nonces is not None
        decrypt, nonces = _cipher(options, 0).decrypt, options.nonces[first : first + len(items)]
        try:
            return [decrypt(nonce, data, None) for nonce, data in zip(nonces, items, strict=True)], {}
        except (LibraryInvalidTag, OverflowError):
            # Whatever is wrong with one of them is found again, and told of that one.
            return super().on_cpu_many(items, options, first)

    def library_many(self, items: list[bytes], *arguments: Any) -> list[Any] | None:
        key, nonces = arguments
        return _by_library(items, key, nonces, "decrypt")

    def on_cpu_into(self, data: Flat, options: CipherOptions, index: int, workers: Workers, out: memoryview) -> int:
        nonce, text = self.opened(data, options, index)
        total = len(text) - TAG
        require_room(total, len(out))
        try:
            if len(text) > _ONE_STEP:
                _open_long(options, index, nonce, text, out[:total])
            else:
                _cipher(options, index).decrypt_into(nonce, text, options.aad(index), out[:total])
        except LibraryInvalidTag:
            out[:total] = bytes(total)
            raise wrong_tag() from None
        return total

    def each_on_cpu(
        self, items: Iterable[Flat], options: CipherOptions, part: slice, most: int
    ) -> Iterator[bytes] | None:
        return _each(options, part, items, _cipher(options, 0).decrypt)

    def on_cpu_placed(
        self, items: Sequence[Flat], options: CipherOptions, first: int, out: memoryview, offsets: Sequence[int]
    ) -> Errors:
        if not _is_plain(options) or _has_long(offsets):
            return super().on_cpu_placed(items, options, first, out, offsets)
        decrypt_into, errors = _cipher(options, 0).decrypt_into, Errors()
        parts = zip(_nonces(options, first, items), items, itertools.pairwise(offsets), strict=True)
        for index, (nonce, data, (start, end)) in enumerate(parts, first):
            if len(data) < TAG:
                errors[index] = too_short(len(data), TAG)
                continue
            try:
                decrypt_into(nonce, data, None, out[start:end])
            except LibraryInvalidTag:
                errors[index] = wrong_tag()
        return errors

    def mark(self, table: Table, cut: Cut) -> None:
        table["flags"] = self.whole_flags

    def forged(self, texts: Texts, cut: Cut, results: Table) -> Sequence[int]:
        return wrong_tags(cut.tags(results), texts)

    def finish(self, job: Job[CipherOptions], texts: Texts, cut: Cut, results: Table) -> Errors:
        errors: Errors = {}
        for row in self.forged(texts, cut, results):
            job.sink.discard(texts.first + row)
            errors[texts.first + row] = wrong_tag()
        return errors


def _by_library(items: list[bytes], key: Any, nonces: Any, method: str) -> list[Any] | None:
    if type(nonces) is not list:
        return None
    try:
        call = getattr(AESGCM(key), method)
        return [call(nonce, data, None) for nonce, data in zip(nonces, items, strict=True)]
    except (TypeError, ValueError, LibraryInvalidTag):
        return None


def _is_plain(options: CipherOptions) -> bool:
    """Whether the loop that users would write serves: one key, given nonces, no associated data."""
    return options.nonces is not None and len(options.keys) == 1 and not options.aads


def _each(
    options: CipherOptions, part: slice, items: Iterable[Flat], work: Callable[[Any, Flat, Any], bytes]
) -> Iterator[bytes] | None:
    if not _is_plain(options):
        return None
    assert options.nonces is not None
    nonces = options.nonces[part]
    return map(work, nonces.to_list() if isinstance(nonces, Batch) else nonces, items, itertools.repeat(None))


def _nonces(options: CipherOptions, first: int, items: Sequence[Flat]) -> Sequence[Any]:
    """Return the nonces of items `first` and on, as the library takes them fastest."""
    assert options.nonces is not None
    nonces = options.nonces[first : first + len(items)]
    return nonces.to_list() if isinstance(nonces, Batch) else nonces


def _has_long(offsets: Sequence[int]) -> bool:
    """Whether items between offsets may be too long for one step."""
    return offsets[-1] - offsets[0] > _ONE_STEP - TAG


def _cipher(options: CipherOptions, index: int) -> AESGCM:
    position = options.key_position(index)
    cipher = options.expanded.get(position)
    if cipher is None:
        cipher = options.expanded[position] = AESGCM(as_key(options.keys[position]))
    assert isinstance(cipher, AESGCM)
    return cipher


def _streaming(options: CipherOptions, index: int, nonce: Any, tag: Any = None) -> Any:
    key = as_key(options.keys[options.key_position(index)])
    return Cipher(algorithms.AES(key), modes.GCM(bytes(nonce), tag))


def _seal_long(options: CipherOptions, index: int, nonce: Any, data: Flat, out: memoryview) -> None:
    encryptor = _streaming(options, index, nonce).encryptor()
    encryptor.authenticate_additional_data(options.aad(index))
    encryptor.update_into(data, out)
    encryptor.finalize()
    out[-TAG:] = encryptor.tag


def _open_long(options: CipherOptions, index: int, nonce: Any, text: Flat, out: memoryview) -> None:
    view = memoryview(text)
    decryptor = _streaming(options, index, nonce, bytes(view[-TAG:])).decryptor()
    decryptor.authenticate_additional_data(options.aad(index))
    decryptor.update_into(view[:-TAG], out)
    decryptor.finalize()


# -- what a kernel does for one row, from the library's parts ----------------------------------------------------------


def _fitted(data: bytes, partial: bytes, capacity: int) -> RowOutput:
    if len(data) > capacity:
        return RowOutput(b"", Status.DST_TOO_SMALL)
    return RowOutput(data, partial=partial)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def _blocks(nbytes: int) -> int:
    return -(-nbytes // BLOCK)


def _hash_key(key: bytes) -> int:
    return int.from_bytes(ctr_stream(key, bytes(BLOCK)).update(bytes(BLOCK)), "big")


def _pre_counter(key: bytes, nonce: bytes) -> bytes:
    """Return J0 (SP 800-38D §7.1 step 2)."""
    if len(nonce) == NONCE:
        return nonce + struct.pack(">I", 1)
    lengths = struct.pack(">QQ", 0, 8 * len(nonce))
    return ghash.ghash(_hash_key(key), _padded(nonce) + lengths).to_bytes(BLOCK, "big")


def _gctr(record: Record, data: memoryview) -> bytes:
    """Apply the key stream of GCM from the record's position on: GCTR counts modulo 2^32 (§6.5)."""
    j0 = _pre_counter(record.key, record.nonce)
    start = int.from_bytes(j0[12:], "big") + 1 + record.position // BLOCK
    before_wrap = (2**32 - start % 2**32) * BLOCK
    first = ctr_stream(record.key, j0[:12] + struct.pack(">I", start % 2**32)).update(data[:before_wrap])
    return bytes(first) + bytes(ctr_stream(record.key, j0[:12] + bytes(4)).update(data[before_wrap:]))


def _hashed_times_h(cipher: AESGCM, data: bytes) -> int:
    """Return GHASH(data) times H, from the library's GMAC, which is linear in the data.

    A zero message of the same length cancels the encrypted counter and the length block.
    """
    nonce = bytes(NONCE)
    ours, zero = cipher.encrypt(nonce, b"", data), cipher.encrypt(nonce, b"", bytes(len(data)))
    return int.from_bytes(ours, "big") ^ int.from_bytes(zero, "big")


def _contribution(record: Record, ciphertext: bytes) -> bytes:
    """Return what a row adds to the tag: the exclusive or over a message's rows is its tag."""
    cipher, h = AESGCM(record.key), _hash_key(record.key)
    after = _blocks(record.total) - record.position // BLOCK - _blocks(len(ciphertext))
    part = ghash.multiply(_hashed_times_h(cipher, _padded(ciphertext)), ghash.power(h, after))
    if record.position == 0:
        lengths = int.from_bytes(struct.pack(">QQ", 8 * len(record.aad), 8 * record.total), "big")
        hashed = _hashed_times_h(cipher, _padded(record.aad))
        part ^= ghash.multiply(hashed, ghash.power(h, _blocks(record.total))) ^ ghash.multiply(lengths, h)
        part ^= int.from_bytes(cipher.encrypt(record.nonce, b"", b""), "big")
    return part.to_bytes(TAG, "big")
