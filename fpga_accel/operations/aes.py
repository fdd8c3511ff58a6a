"""AES-GCM (NIST SP 800-38D) and AES-CTR (SP 800-38A §6.5) with 128, 192 and 256-bit keys."""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from cryptography.exceptions import InvalidTag as LibraryInvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fpga_accel._host import ffi, lib
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import InvalidTag
from fpga_accel.operations import ghash
from fpga_accel.operations.contract import (
    BytesSink,
    Errors,
    Items,
    Job,
    Operation,
    RowInput,
    RowOutput,
    Run,
    Sizes,
    memory,
    trial_of,
)
from fpga_accel.segments import Bytes, Launch, Status, Table, new_table

TAG = 16
BLOCK = 16
KEY_SIZES = (16, 24, 32)
GCM_NONCE = 12

# Row flags, as in kernels/aes/params.h.
_DECRYPT = 1
_TAG_IN_DST = 2

_RECORD = np.dtype(
    [
        ("key", "<u4"),
        ("key_size", "<u4"),
        ("nonce", "<u4"),
        ("nonce_size", "<u4"),
        ("aad", "<u4"),
        ("aad_size", "<u4"),
        ("position", "<u8"),
        ("total", "<u8"),
        ("reserved", "<u8"),
    ]
)

# A message is cut into rows of this many bytes: long enough that a row's key expansion and its power of H
# (about 1 µs) do not show, short enough that 1 MiB keeps two cores busy.
ROW = 256 << 10
# SP 800-38D §5.2.1.1: at most 2^39 - 256 bits of plaintext under one nonce.
MAX_GCM = 2**36 - 32


@dataclass(slots=True)
class CipherOptions:
    """Keys, nonces and associated data of the items of a job.

    `keys` and `aads` have one entry for all items or one an item. `nonces` is None where each item carries its
    nonce in front (decrypt) or gets a random one there (encrypt).
    """

    keys: Sequence[Any] = field(repr=False)
    nonces: Sequence[Any] | None = None
    aads: Sequence[Any] | None = None
    # CPU library objects by key position, so that a batch under one key expands it once.
    ciphers: dict[int, Any] = field(default_factory=dict, repr=False)

    def key(self, index: int) -> Any:
        """Return the key of an item."""
        return self.keys[index if len(self.keys) > 1 else 0]

    def aad(self, index: int) -> Any:
        """Return the associated data of an item."""
        if not self.aads:
            return b""
        return self.aads[index if len(self.aads) > 1 else 0]


def check_options(options: CipherOptions, count: int, nonce_sizes: range) -> None:
    """Refuse keys, nonces and associated data of wrong number, type or size.

    Raises
    ------
    TypeError, ValueError
        With the legal sizes.
    """
    for name, values in (("key", options.keys), ("aad", options.aads)):
        if values is not None and len(values) not in (1, count):
            raise ValueError(f"{len(values)} {name}s for {count} items; give one for all or one an item")
    if options.nonces is not None and len(options.nonces) != count:
        raise ValueError(f"{len(options.nonces)} nonces for {count} items; every item needs its own")
    for key in options.keys:
        if _nbytes("key", key) not in KEY_SIZES:
            raise ValueError(f"an AES key has 16, 24 or 32 bytes, not {_nbytes('key', key)}")
    for nonce in options.nonces or ():
        if _nbytes("nonce", nonce) not in nonce_sizes:
            legal = f"{nonce_sizes[0]} to {nonce_sizes[-1]}" if len(nonce_sizes) > 1 else f"{nonce_sizes[0]}"
            raise ValueError(f"a nonce has {legal} bytes here, not {_nbytes('nonce', nonce)}")
    for aad in options.aads or ():
        _nbytes("aad", aad)


def _nbytes(name: str, value: Any) -> int:
    if isinstance(value, str):
        raise TypeError(f"{name} must be bytes-like, not str")
    if type(value) is bytes:
        return len(value)
    with memoryview(value) as view:
        return view.nbytes


class _AesOperation(Operation[CipherOptions]):
    """What the four AES operations share: rows, parameter records, nonces in front."""

    kernel = "aes"
    library = "cryptography"
    nonce_size: ClassVar[int]
    nonce_sizes: ClassVar[range]
    tag_size: ClassVar[int]

    def settings(self, **options: Any) -> CipherOptions:
        count = options.pop("count", 0)
        made = CipherOptions(options.pop("keys", ()), options.pop("nonces", None), options.pop("aads", None))
        if options:
            raise TypeError(f"{self.algorithm} has no options {sorted(options)}")
        if made.aads and not self.tag_size:
            raise ValueError(f"{self.algorithm} does not authenticate: it takes no associated data")
        if count:
            check_options(made, count, self.nonce_sizes)
        return made

    @property
    def _encrypts(self) -> bool:
        return self.op == "encrypt"

    def overhead(self, options: CipherOptions) -> int:
        """Bytes a result has more than its plaintext."""
        return self.tag_size + (self.nonce_size if options.nonces is None else 0)

    def on_device(self, job: Job[CipherOptions], run: Run) -> Errors:
        items, options = job.items, job.options
        front = self.nonce_size if options.nonces is None else 0
        overhead = np.uint64(front + self.tag_size)
        if self._encrypts:
            sizes = items.sizes
            sources = items.addresses
            targets = job.sink.allocate(sizes + overhead) + np.uint64(front)
            nonces = options.nonces
            if nonces is None:
                nonces = _random_nonces(len(items), front)
                _copy(_addresses(nonces), targets - np.uint64(front), _sizes(nonces))
        else:
            short = np.flatnonzero(items.sizes < overhead)
            if len(short):
                errors = {int(i): _too_short(int(items.sizes[i]), int(overhead)) for i in short}
                return self._without(errors, job, run)
            sizes = items.sizes - overhead
            sources = items.addresses + np.uint64(front)
            targets = job.sink.allocate(sizes)
            nonces = options.nonces
            if nonces is None:
                nonces = [bytes(memory(int(address), front)) for address in items.addresses]
        launch, first_rows = self._launch(sources, targets, sizes, nonces, options)
        launch.keep = (items, job.sink)
        results = run(launch)
        return self._finish(job, results, first_rows, sizes, sources, targets)

    def _without(self, errors: Errors, job: Job[CipherOptions], run: Run) -> Errors:
        """Do the other items of a batch in which some are too short."""
        rest = [i for i in range(len(job.items)) if i not in errors]
        if not rest:
            return errors
        options, items = job.options, job.items
        picked = CipherOptions(
            keys=[options.key(i) for i in rest],
            nonces=None if options.nonces is None else [options.nonces[i] for i in rest],
            aads=[options.aad(i) for i in rest],
        )
        sink = BytesSink(len(rest))
        inner = Job(Items(items.addresses[rest], items.sizes[rest], items.keep), picked, sink)
        for position, error in self.on_device(inner, run).items():
            errors[rest[position]] = error
        for position, index in enumerate(rest):
            if index not in errors:
                job.sink.put(index, sink.values[position])
        return errors

    def _launch(
        self, sources: Sizes, targets: Sizes, sizes: Sizes, nonces: Sequence[Any], options: CipherOptions
    ) -> tuple[Launch, Sizes]:
        """Cut messages into rows; return the launch and each message's first row."""
        count = len(sizes)
        rows_each = np.maximum(-(-sizes.astype(np.int64) // ROW), 1)
        first_rows = np.concatenate(([0], np.cumsum(rows_each)[:-1])).astype(np.int64)
        total_rows = int(rows_each.sum())
        item = np.repeat(np.arange(count), rows_each)
        position = ((np.arange(total_rows) - first_rows[item]) * ROW).astype(np.uint64)
        table = new_table(total_rows)
        table["src"] = sources[item] + position
        table["dst"] = targets[item] + position
        table["src_size"] = np.minimum(sizes[item] - position, np.uint64(ROW))
        table["dst_capacity"] = table["src_size"]
        if self.tag_size and self._encrypts:
            whole = rows_each[item] == 1
            table["flags"] = np.where(whole, _TAG_IN_DST, 0)
            table["dst_capacity"] += np.where(whole, TAG, 0).astype(np.uint32)
        elif self.tag_size:
            table["flags"] = _DECRYPT
        records, params = _params(total_rows, nonces, options, count)
        records["position"] = position
        records["total"] = sizes[item]
        for name in ("key", "key_size", "nonce", "nonce_size", "aad", "aad_size"):
            records[name] = params.of_items[name][item]
        table["param"] = np.arange(total_rows, dtype=np.uint32) * np.uint32(_RECORD.itemsize)
        params.array[: records.nbytes] = records.view(np.uint8)
        launch = Launch(self.kernel, self.entry, table, params.array, secret=True)
        return launch, first_rows

    def _finish(
        self,
        job: Job[CipherOptions],
        results: Table,
        first_rows: Sizes,
        sizes: Sizes,
        sources: Sizes,
        targets: Sizes,
    ) -> Errors:
        return {}


def _too_short(size: int, overhead: int) -> InvalidTag:
    return InvalidTag(f"{size} bytes are shorter than nonce and tag together ({overhead})")


def _random_nonces(count: int, size: int) -> list[bytes]:
    # One system call for the batch.
    pool = os.urandom(count * size)
    return [pool[i : i + size] for i in range(0, count * size, size)]


def _addresses(buffers: Sequence[Any]) -> Sizes:
    return Items.of(buffers).addresses


def _sizes(buffers: Sequence[Any]) -> Sizes:
    return np.fromiter(map(len, buffers), np.uint64, len(buffers))


def _copy(sources: Sizes, targets: Sizes, sizes: Sizes) -> None:
    lib.fa_copy_many(
        ffi.cast("uint64_t *", sources.ctypes.data),
        ffi.cast("uint64_t *", targets.ctypes.data),
        ffi.cast("uint64_t *", sizes.ctypes.data),
        len(sizes),
    )


@dataclass(slots=True)
class _Params:
    array: Bytes = field(repr=False)
    of_items: Table


def _params(rows: int, nonces: Sequence[Any], options: CipherOptions, count: int) -> tuple[Table, _Params]:
    """Lay out records, keys, nonces and associated data, each 16-byte aligned."""
    parts: list[Sequence[Any]] = [options.keys, nonces, options.aads or (b"",)]
    of_items = np.zeros(count, _RECORD)
    offset = rows * _RECORD.itemsize
    places: list[tuple[Items, Sizes]] = []
    for name, values in zip(("key", "nonce", "aad"), parts, strict=True):
        found = Items.of(values)
        padded = (found.sizes + np.uint64(BLOCK - 1)) // np.uint64(BLOCK) * np.uint64(BLOCK)
        starts = np.concatenate((np.zeros(1, np.uint64), np.cumsum(padded)[:-1])) + np.uint64(offset)
        offset += int(padded.sum())
        of_items[name] = starts if len(found) == count else starts[0]
        of_items[f"{name}_size"] = found.sizes if len(found) == count else found.sizes[0]
        places.append((found, starts))
    if offset >= 2**32:
        raise ValueError(f"{offset} bytes of associated data and parameters; one call takes less than 4 GiB")
    array: Bytes = np.zeros(offset, np.uint8)
    for found, starts in places:
        _copy(found.addresses, starts + np.uint64(array.ctypes.data), found.sizes)
    return np.zeros(rows, _RECORD), _Params(array, of_items)


class _Gcm(_AesOperation):
    algorithm = "aes-gcm"
    entry = "aes_gcm"
    nonce_size = GCM_NONCE
    # What the CPU library takes, so that every backend takes the same.
    nonce_sizes = range(8, 129)
    tag_size = TAG

    def _cipher(self, options: CipherOptions, index: int) -> AESGCM:
        position = index if len(options.keys) > 1 else 0
        cipher = options.ciphers.get(position)
        if cipher is None:
            cipher = options.ciphers[position] = AESGCM(options.keys[position])
        assert isinstance(cipher, AESGCM)
        return cipher

    def emulate(self, row: RowInput) -> RowOutput:
        record = _record(row)
        key, nonce = _part(row, record, "key"), _part(row, record, "nonce")
        aad, decrypting = _part(row, record, "aad"), bool(row.flags & _DECRYPT)
        if not decrypting and int(record["total"]) == len(row.src):
            # A whole message: the library does it in one step.
            whole = AESGCM(key).encrypt(nonce, row.src, aad)
            output, partial = whole[:-TAG], whole[-TAG:]
            return _fitted(whole if row.flags & _TAG_IN_DST else output, partial, row.capacity)
        output = _gcm_stream(key, nonce, int(record["position"]), row.src)
        ciphertext = bytes(row.src) if decrypting else output
        return _fitted(output, _contribution(key, nonce, aad, ciphertext, record), row.capacity)

    def sample(self, count: int, nbytes: int) -> tuple[list[bytes], CipherOptions]:
        key, nonce = bytes(32), bytes(GCM_NONCE)
        data = bytes(nbytes) if self._encrypts else AESGCM(key).encrypt(nonce, bytes(nbytes), b"")
        return [data] * count, CipherOptions([key], [nonce] * count)

    def _trial_job(self) -> Job[CipherOptions]:
        sizes = (0, 1, 15, 16, 17, 64, 255, 256, 1023, 4096, ROW + 33)
        plain = [(bytes(range(251)) * (size // 251 + 1))[:size] for size in sizes]
        aads = [bytes(range(i * 7)) for i in range(len(sizes))]
        nonces = [bytes([i]) * (GCM_NONCE if i % 3 else 8 + i) for i in range(len(sizes))]
        keys = [bytes(range(i, i + KEY_SIZES[i % 3])) for i in range(len(sizes))]
        if not self._encrypts:
            plain = [AESGCM(keys[i]).encrypt(nonces[i], plain[i], aads[i]) for i in range(len(sizes))]
        return Job(Items.of(plain), CipherOptions(keys, nonces, aads), BytesSink(len(sizes)))

    def trial(self) -> Trial:
        return trial_of(self, self._trial_job())


class GcmEncrypt(_Gcm):
    """``aes-gcm.encrypt``."""

    op = "encrypt"

    def on_cpu(self, job: Job[CipherOptions], index: int, workers: Workers) -> bytes:
        options = job.options
        cipher = self._cipher(options, index)
        if options.nonces is not None:
            return cipher.encrypt(options.nonces[index], job.items.view(index), options.aad(index))
        nonce = os.urandom(GCM_NONCE)
        return nonce + cipher.encrypt(nonce, job.items.view(index), options.aad(index))

    def on_cpu_into(self, job: Job[CipherOptions], index: int, workers: Workers) -> None:
        options, data = job.options, job.items.view(index)
        (address,) = job.sink.allocate(np.array([len(data) + self.overhead(options)], np.uint64))
        front = 0
        nonce = options.nonces[index] if options.nonces is not None else os.urandom(GCM_NONCE)
        if options.nonces is None:
            front = GCM_NONCE
            memory(int(address), front)[:] = nonce
        out = memory(int(address) + front, len(data) + TAG)
        self._cipher(options, index).encrypt_into(nonce, data, options.aad(index), out)

    def _finish(
        self,
        job: Job[CipherOptions],
        results: Table,
        first_rows: Sizes,
        sizes: Sizes,
        sources: Sizes,
        targets: Sizes,
    ) -> Errors:
        partials = np.bitwise_xor.reduceat(results["partial"], first_rows, axis=0)
        for index in np.flatnonzero(sizes > ROW):
            memory(int(targets[index] + sizes[index]), TAG)[:] = partials[index].tobytes()
        return {}


class GcmDecrypt(_Gcm):
    """``aes-gcm.decrypt``."""

    op = "decrypt"

    def on_cpu(self, job: Job[CipherOptions], index: int, workers: Workers) -> bytes:
        nonce, data = self._split(job, index)
        try:
            return self._cipher(job.options, index).decrypt(nonce, data, job.options.aad(index))
        except LibraryInvalidTag:
            raise _wrong_tag() from None

    def on_cpu_into(self, job: Job[CipherOptions], index: int, workers: Workers) -> None:
        nonce, data = self._split(job, index)
        if len(data) < TAG:
            raise _too_short(len(data), TAG)
        (address,) = job.sink.allocate(np.array([len(data) - TAG], np.uint64))
        out = memory(int(address), len(data) - TAG)
        try:
            self._cipher(job.options, index).decrypt_into(nonce, data, job.options.aad(index), out)
        except LibraryInvalidTag:
            job.sink.discard(index)
            raise _wrong_tag() from None

    def _split(self, job: Job[CipherOptions], index: int) -> tuple[Any, memoryview]:
        data = job.items.view(index)
        if job.options.nonces is not None:
            return job.options.nonces[index], data
        if len(data) < GCM_NONCE + TAG:
            raise _too_short(len(data), GCM_NONCE + TAG)
        return data[:GCM_NONCE], data[GCM_NONCE:]

    def _finish(
        self,
        job: Job[CipherOptions],
        results: Table,
        first_rows: Sizes,
        sizes: Sizes,
        sources: Sizes,
        targets: Sizes,
    ) -> Errors:
        computed = np.bitwise_xor.reduceat(results["partial"], first_rows, axis=0)
        stated = np.empty((len(sizes), TAG), np.uint8)
        places = np.uint64(stated.ctypes.data) + np.arange(len(sizes), dtype=np.uint64) * np.uint64(TAG)
        _copy(sources + sizes, places, np.full(len(sizes), TAG, np.uint64))
        if hmac.compare_digest(computed.tobytes(), stated.tobytes()):
            return {}
        errors: Errors = {}
        for index in range(len(sizes)):
            if not hmac.compare_digest(computed[index].tobytes(), stated[index].tobytes()):
                job.sink.discard(index)
                errors[index] = _wrong_tag()
        return errors


def _wrong_tag() -> InvalidTag:
    return InvalidTag("the tag does not match: wrong key, nonce, data or associated data")


class _Ctr(_AesOperation):
    algorithm = "aes-ctr"
    entry = "aes_ctr"
    nonce_size = BLOCK
    nonce_sizes = range(BLOCK, BLOCK + 1)
    tag_size = 0

    def on_cpu(self, job: Job[CipherOptions], index: int, workers: Workers) -> bytes:
        front, nonce, data = self._split(job, index)
        return front + _ctr(job.options.key(index), nonce).update(data)

    def on_cpu_into(self, job: Job[CipherOptions], index: int, workers: Workers) -> None:
        front, nonce, data = self._split(job, index)
        (address,) = job.sink.allocate(np.array([len(front) + len(data)], np.uint64))
        out = memory(int(address), len(front) + len(data))
        out[: len(front)] = front
        _ctr(job.options.key(index), nonce).update_into(data, out[len(front) :])

    def _split(self, job: Job[CipherOptions], index: int) -> tuple[bytes, Any, memoryview]:
        """Return (bytes in front of the result, counter block, data)."""
        data = job.items.view(index)
        if job.options.nonces is not None:
            return b"", job.options.nonces[index], data
        if self._encrypts:
            nonce = os.urandom(BLOCK)
            return nonce, nonce, data
        if len(data) < BLOCK:
            raise _too_short(len(data), BLOCK)
        return b"", bytes(data[:BLOCK]), data[BLOCK:]

    def emulate(self, row: RowInput) -> RowOutput:
        record = _record(row)
        if len(row.src) > row.capacity:
            return RowOutput(b"", Status.DST_TOO_SMALL)
        key, counter = _part(row, record, "key"), _part(row, record, "nonce")
        return RowOutput(_ctr_at(key, counter, int(record["position"])).update(row.src))

    def sample(self, count: int, nbytes: int) -> tuple[list[bytes], CipherOptions]:
        return [bytes(nbytes)] * count, CipherOptions([bytes(32)], [bytes(BLOCK)] * count)

    def trial(self) -> Trial:
        sizes = (0, 1, 16, 17, 64, 255, 1023, 4096, ROW + 33)
        data = [(bytes(range(251)) * (size // 251 + 1))[:size] for size in sizes]
        keys = [bytes(range(i, i + KEY_SIZES[i % 3])) for i in range(len(sizes))]
        # Counters that wrap after i blocks.
        nonces = [(2**128 - 1 - i).to_bytes(16, "big") for i in range(len(sizes))]
        return trial_of(self, Job(Items.of(data), CipherOptions(keys, nonces), BytesSink(len(sizes))))


class CtrEncrypt(_Ctr):
    """``aes-ctr.encrypt``."""

    op = "encrypt"


class CtrDecrypt(_Ctr):
    """``aes-ctr.decrypt``: the same key stream."""

    op = "decrypt"


def _ctr(key: Any, counter: Any) -> Any:
    return Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()


def _ctr_at(key: bytes, counter: bytes, position: int) -> Any:
    value = (int.from_bytes(counter, "big") + position // BLOCK) % 2**128
    return _ctr(key, value.to_bytes(BLOCK, "big"))


def _fitted(data: bytes, partial: bytes, capacity: int) -> RowOutput:
    if len(data) > capacity:
        return RowOutput(b"", Status.DST_TOO_SMALL)
    return RowOutput(data, partial=partial)


def _record(row: RowInput) -> Any:
    return row.params[row.param : row.param + _RECORD.itemsize].view(_RECORD)[0]


def _part(row: RowInput, record: Any, name: str) -> bytes:
    start = int(record[name])
    return row.params[start : start + int(record[f"{name}_size"])].tobytes()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def _blocks(nbytes: int) -> int:
    return -(-nbytes // BLOCK)


def _hash_key(key: bytes) -> int:
    return int.from_bytes(_ctr(key, bytes(BLOCK)).update(bytes(BLOCK)), "big")


def _pre_counter(key: bytes, nonce: bytes) -> bytes:
    """Return J0 (SP 800-38D §7.1 step 2)."""
    if len(nonce) == GCM_NONCE:
        return nonce + struct.pack(">I", 1)
    lengths = struct.pack(">QQ", 0, 8 * len(nonce))
    return ghash.ghash(_hash_key(key), _padded(nonce) + lengths).to_bytes(BLOCK, "big")


def _gcm_stream(key: bytes, nonce: bytes, position: int, data: memoryview) -> bytes:
    """Apply the key stream of GCM from `position` on: GCTR counts modulo 2^32 (§6.5)."""
    j0 = _pre_counter(key, nonce)
    start = int.from_bytes(j0[12:], "big") + 1 + position // BLOCK
    before_wrap = (2**32 - start % 2**32) * BLOCK
    first = _ctr(key, j0[:12] + struct.pack(">I", start % 2**32)).update(data[:before_wrap])
    return bytes(first) + bytes(_ctr(key, j0[:12] + bytes(4)).update(data[before_wrap:]))


def _hashed_times_h(cipher: AESGCM, data: bytes) -> int:
    """Return GHASH(data) times H, from the library's GMAC, which is linear in the data.

    A zero message of the same length cancels the encrypted counter and the length block.
    """
    nonce = bytes(GCM_NONCE)
    ours, zero = cipher.encrypt(nonce, b"", data), cipher.encrypt(nonce, b"", bytes(len(data)))
    return int.from_bytes(ours, "big") ^ int.from_bytes(zero, "big")


def _contribution(key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes, record: Any) -> bytes:
    """Return what a row adds to the tag: the exclusive or over a message's rows is its tag."""
    cipher, h = AESGCM(key), _hash_key(key)
    position, total = int(record["position"]), int(record["total"])
    after = _blocks(total) - position // BLOCK - _blocks(len(ciphertext))
    part = ghash.multiply(_hashed_times_h(cipher, _padded(ciphertext)), ghash.power(h, after))
    if position == 0:
        lengths = int.from_bytes(struct.pack(">QQ", 8 * len(aad), 8 * total), "big")
        hashed = _hashed_times_h(cipher, _padded(aad))
        part ^= ghash.multiply(hashed, ghash.power(h, _blocks(total))) ^ ghash.multiply(lengths, h)
        part ^= int.from_bytes(cipher.encrypt(nonce, b"", b""), "big")
    return part.to_bytes(TAG, "big")
