"""CBC (NIST SP 800-38A §6.2) of any block cipher with 16-byte blocks, with PKCS#7 padding (RFC 5652 §6.3) or none.

It does not authenticate: whoever can change a ciphertext can change the plaintext, and whoever learns which ciphertexts
have good padding can learn the plaintext. Errors therefore say nothing but that one constant text; new designs take an
AEAD cipher.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import FormatError
from fpga_accel.operations.buffers import BytesSink, Flat, Items, Sizes, flat, made, require_room
from fpga_accel.operations.ciphers import CipherOptions, as_key
from fpga_accel.operations.contract import (
    DATA_ERRORS,
    Errors,
    Job,
    RowInput,
    RowOutput,
    Run,
    kept,
    periodic,
    require_success,
    trial_of,
)
from fpga_accel.operations.keyed import (
    BLOCK,
    DECRYPT,
    ROW,
    Cut,
    KeyedOperation,
    Record,
    Texts,
    keyed_launch,
    require_rows,
    row_on,
    rows_of_whole,
)
from fpga_accel.segments import Bytes, Status, Table, address_of, copy_many

# Row flag of kernels: encryption pads, and the result of decryption is up to a block shorter than its input.
PADDED = 16

_PADDINGS = tuple(bytes([size]) * size for size in range(BLOCK + 1))
# From here on results are made first and written in place.
_IN_PLACE = 256 << 10
_BLOCK = np.uint64(BLOCK)


def malformed() -> FormatError:
    """Return the one error of what cannot be a ciphertext under this key."""
    return FormatError("the data is no CBC ciphertext of this key: wrong key, length or padding")


def not_whole(size: int) -> FormatError:
    """Return the error of a plaintext that needs padding and gets none."""
    return FormatError(f"{size} bytes are no whole number of blocks of {BLOCK}; padding=None takes only these")


class CbcOperation(KeyedOperation):
    """A block cipher in CBC mode, in one direction; ``own`` of its options tells whether there is no padding."""

    nonce_size = BLOCK
    nonce_sizes = range(BLOCK, BLOCK + 1)
    tag_size = 0
    # A ciphertext block depends on all before it.
    cuts = False
    # The library's block cipher, made from a key.
    block_cipher: ClassVar[type[Any]]

    def own(self, **given: Any) -> bool:
        padding = given.pop("padding", "pkcs7")
        if given:
            raise TypeError(f"{self.algorithm} has no options {sorted(given)}")
        if padding not in ("pkcs7", None):
            raise ValueError(f"padding={padding!r}; {self.algorithm} has 'pkcs7', or None for whole blocks")
        return padding is None

    def grown(self, options: CipherOptions) -> int | None:  # type: ignore[override]
        return super().grown(options) if options.own else None

    def keyed(self, options: CipherOptions, index: int) -> Any:
        """Return the library's block cipher under the key of an item."""
        position = options.key_position(index)
        found = options.expanded.get(position)
        if found is None:
            found = options.expanded[position] = type(self).block_cipher(as_key(options.keys[position]))
        return found

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], CipherOptions]:
        whole = bytes(-(-nbytes // BLOCK) * BLOCK)
        return [whole] * count, CipherOptions([bytes(self._any_key_size)], [bytes(BLOCK)] * count, own=True)

    @property
    def _any_key_size(self) -> int:
        return self.key_sizes[-1]

    def _trial_texts(self) -> tuple[list[bytes], CipherOptions]:
        """Return plaintexts of all kinds of sizes, each under a key and nonce of its own."""
        sizes = (0, 1, 15, 16, 17, 31, 32, 64, 100, 255, 256, 257, 400, 1023, 1024, 4096, 5000, 16, 3, 160)
        texts = [periodic(size) for size in sizes]
        keys = [bytes(range(i, i + self.key_sizes[i % len(self.key_sizes)])) for i in range(len(sizes))]
        nonces = [bytes(range(i, i + BLOCK)) for i in range(len(sizes))]
        return texts, CipherOptions(keys, nonces)


class CbcEncrypt(CbcOperation):
    """CBC encryption: serial in one message, so that a device wins with many of them."""

    op = "encrypt"
    small = 1 << 62

    # -- on the CPU -----------------------------------------------------------------------------------------------

    def on_cpu(self, data: Flat, options: CipherOptions, index: int, workers: Workers) -> bytes:
        padding = _padding(len(data), options)
        front, nonce = (b"", options.nonces[index]) if options.nonces is not None else _fresh()
        return front + _encrypted(self.keyed(options, index), nonce, data, padding)

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        key, nonce, aad = arguments
        if aad or len(key) not in self.key_sizes:
            return None
        try:
            data = flat(data)
            front, nonce = _fresh() if nonce is None else (b"", nonce)
            cipher = type(self).block_cipher(key)
            return front + _encrypted(cipher, nonce, data, _PADDINGS[BLOCK - len(data) % BLOCK])
        except (TypeError, ValueError, BufferError):
            return None

    def on_cpu_into(self, data: Flat, options: CipherOptions, index: int, workers: Workers, out: memoryview) -> int:
        padding = _padding(len(data), options)
        front, nonce = (b"", options.nonces[index]) if options.nonces is not None else _fresh()
        total = len(front) + len(data) + len(padding)
        require_room(total, len(out))
        out[: len(front)] = front
        _encrypt_into(self.keyed(options, index), nonce, data, padding, out[len(front) : total])
        return total

    def on_cpu_many(self, items: Sequence[Flat], options: CipherOptions, first: int) -> tuple[list[Any], Errors]:
        if options.own or options.nonces is None or len(options.keys) > 1:
            return super().on_cpu_many(items, options, first)
        nonces = options.listed_nonces(slice(first, first + len(items)))
        return self._under_one_key(items, self.keyed(options, first), nonces), {}

    def library_many(self, items: Sequence[Flat], *arguments: Any) -> list[Any] | None:
        key, nonces = arguments
        if type(nonces) is not list or type(key) is not bytes or len(key) not in self.key_sizes:
            return None
        try:
            return self._under_one_key(items, type(self).block_cipher(key), nonces)
        except (TypeError, ValueError):
            return None

    @staticmethod
    def _under_one_key(items: Sequence[Flat], cipher: Any, nonces: Sequence[Any]) -> list[Any]:
        """Do the loop that users would write."""
        pairs = zip(nonces, items, strict=True)
        return [_encrypted(cipher, nonce, data, _PADDINGS[BLOCK - len(data) % BLOCK]) for nonce, data in pairs]

    # -- on a device ----------------------------------------------------------------------------------------------

    def on_device(self, job: Job[CipherOptions], run: Run) -> Errors:
        if job.options.own:
            partial = np.flatnonzero(job.items.sizes % _BLOCK)
            if len(partial):
                errors: Errors = {int(i): not_whole(int(job.items.sizes[i])) for i in partial}
                return self._without(errors, job, run)
        return super().on_device(job, run)

    def _result_sizes(self, sizes: Sizes, options: CipherOptions) -> Sizes:
        return _results(sizes, options) + np.uint64(self.nonce_size if options.nonces is None else 0)

    def _rows(self, texts: Texts, cut: Cut, options: CipherOptions) -> tuple[Table, Bytes]:
        require_rows(texts.sizes, BLOCK)
        table, params = rows_of_whole(texts, options, 0 if options.own else PADDED, 0)
        table["dst_capacity"] = _results(texts.sizes, options)
        return table, params

    def emulate(self, row: RowInput) -> RowOutput:
        record = Record.of(row)
        padding = _PADDINGS[BLOCK - len(row.src) % BLOCK] if row.flags & PADDED else b""
        if len(row.src) + len(padding) > row.capacity:
            return RowOutput(b"", Status.DST_TOO_SMALL)
        return RowOutput(_encrypted(type(self).block_cipher(record.key), record.nonce, row.src, padding))

    def trial(self) -> Trial:
        texts, options = self._trial_texts()
        return trial_of(self, Job(Items.of(texts), options, BytesSink(len(texts))))


class CbcDecrypt(CbcOperation):
    """CBC decryption: every block by itself, so that long messages are many rows."""

    op = "decrypt"
    # The library is as fast a core; two cores at most halve what remains above a launch's cost.
    small = 4 << 20

    # -- on the CPU -----------------------------------------------------------------------------------------------

    def opened(self, data: Flat, options: CipherOptions, index: int) -> tuple[Any, Flat]:
        given = options.nonces is not None
        front = 0 if given else BLOCK
        least = front if options.own else front + BLOCK
        if len(data) < least or len(data) % BLOCK:
            raise malformed()
        if options.nonces is not None:
            return options.nonces[index], data
        view = memoryview(data)
        return bytes(view[:BLOCK]), view[BLOCK:]

    def on_cpu(self, data: Flat, options: CipherOptions, index: int, workers: Workers) -> bytes:
        nonce, text = self.opened(data, options, index)
        cipher = self.keyed(options, index)
        if len(text) >= _IN_PLACE:
            size = len(text) - (0 if options.own else _last_padding(cipher, nonce, text))
            return made(size, lambda out: _decrypt_into(cipher, nonce, text, out))
        plain: bytes = _decryptor(cipher, nonce).update(text)
        return plain if options.own else plain[: len(plain) - _padding_of(plain)]

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        key, nonce, aad = arguments
        if aad or len(key) not in self.key_sizes:
            return None
        try:
            data = flat(data)
            if nonce is None:
                whole = memoryview(data)
                nonce, data = whole[:BLOCK], whole[BLOCK:]
            if len(data) % BLOCK or not len(data):
                # The planned way says it.
                return None
            plain: bytes = _decryptor(type(self).block_cipher(key), nonce).update(data)
        except (TypeError, ValueError, BufferError):
            return None
        return plain[: len(plain) - _padding_of(plain)]

    def on_cpu_into(self, data: Flat, options: CipherOptions, index: int, workers: Workers, out: memoryview) -> int:
        nonce, text = self.opened(data, options, index)
        cipher = self.keyed(options, index)
        # What is wrong with the padding is known before the buffer is touched.
        size = len(text) - (0 if options.own else _last_padding(cipher, nonce, text))
        require_room(size, len(out))
        _decrypt_into(cipher, nonce, text, out[:size])
        return size

    def on_cpu_many(self, items: Sequence[Flat], options: CipherOptions, first: int) -> tuple[list[Any], Errors]:
        if options.own or options.nonces is None or len(options.keys) > 1:
            return super().on_cpu_many(items, options, first)
        cipher, nonces = self.keyed(options, first), options.listed_nonces(slice(first, first + len(items)))
        results: list[Any] = []
        errors: Errors = {}
        for index, (nonce, data) in enumerate(zip(nonces, items, strict=True), first):
            try:
                if not data or len(data) % BLOCK:
                    raise malformed()
                plain = _decryptor(cipher, nonce).update(data)
                results.append(plain[: len(plain) - _padding_of(plain)])
            except DATA_ERRORS as error:
                results.append(error)
                errors[index] = kept(error)
        return results, errors

    def library_many(self, items: Sequence[Flat], *arguments: Any) -> list[Any] | None:
        key, nonces = arguments
        if type(nonces) is not list or type(key) is not bytes or len(key) not in self.key_sizes:
            return None
        if len(nonces) != len(items) or any(len(nonce) != BLOCK for nonce in nonces):
            return None
        results, errors = self.on_cpu_many(items, CipherOptions([key], nonces), 0)
        return None if errors else results

    # -- on a device ----------------------------------------------------------------------------------------------

    def on_device(self, job: Job[CipherOptions], run: Run) -> Errors:
        items, options = job.items, job.options
        front = np.uint64(0 if options.nonces is not None else BLOCK)
        least = front if options.own else front + _BLOCK
        wrong = np.flatnonzero((items.sizes < least) | (items.sizes % _BLOCK != 0))
        if len(wrong):
            return self._without({int(i): malformed() for i in wrong}, job, run)
        nonces = options.nonce_items() or self.in_front(items)
        sources, sizes = items.addresses + front, items.sizes - front
        results = sizes
        if not options.own:
            padding = self._paddings(sources, sizes, nonces, options)
            wrong = np.flatnonzero(padding == 0)
            if len(wrong):
                return self._without({int(i): malformed() for i in wrong}, job, run)
            results = sizes - padding
        texts = Texts(sources, job.sink.allocate(results), sizes, nonces)
        table, params = self._rows_of(texts, results, options, row_on(run))
        require_success(self, run(keyed_launch(self, table, params, options, (job, nonces))))
        return {}

    def _rows_of(self, texts: Texts, results: Sizes, options: CipherOptions, row: int) -> tuple[Table, Bytes]:
        """Return a row for each part of a message; the block in front of it is its nonce."""
        cut = Cut.of(texts.sizes, row)
        pick, position = cut.pick, cut.position
        starts = texts.sources[pick] + position
        sizes = np.minimum(texts.sizes[pick] - position, np.uint64(row))
        before = np.where(position == 0, texts.nonces.addresses[pick], starts - _BLOCK)
        keys = options.keys if len(options.keys) == 1 or cut.whole else [options.keys[i] for i in cut.message]
        parts = Texts(
            np.ascontiguousarray(starts),
            np.ascontiguousarray(texts.targets[pick] + position),
            sizes,
            Items(before, np.full(len(sizes), BLOCK, np.uint64), texts.nonces.keep),
        )
        table, params = rows_of_whole(parts, CipherOptions(keys), DECRYPT if options.own else DECRYPT | PADDED, 0)
        table["dst_capacity"] = np.minimum(results[pick] - position, np.uint64(row))
        return table, params

    def _paddings(self, sources: Sizes, sizes: Sizes, nonces: Items, options: CipherOptions) -> npt.NDArray[np.uint64]:
        """Return the size of the padding of each message, 0 where it is bad, in a time that depends on none.

        The CPU library deciphers last blocks at once: so every size is known before a device starts, and nothing is
        moved behind it.
        """
        count = len(sizes)
        ends = sources + sizes
        before = np.where(sizes > _BLOCK, ends - np.uint64(2 * BLOCK), nonces.addresses)
        blocks = np.empty((2, count, BLOCK), np.uint8)
        each = np.full(count, BLOCK, np.uint64)
        for rows, addresses in zip(blocks, (before, ends - _BLOCK), strict=True):
            targets = np.arange(count, dtype=np.uint64) * _BLOCK + np.uint64(address_of(rows))
            copy_many(np.ascontiguousarray(addresses), targets, each)
        if len(options.keys) == 1:
            deciphered = _deciphered(self.keyed(options, 0), blocks[1].tobytes())
        else:
            deciphered = b"".join(_deciphered(self.keyed(options, i), blocks[1, i].tobytes()) for i in range(count))
        plain = np.frombuffer(deciphered, np.uint8).reshape(count, BLOCK) ^ blocks[0]
        padding = plain[:, -1]
        outside = np.arange(BLOCK) < BLOCK - padding.astype(np.int64)[:, None]
        good = (outside | (plain == padding[:, None])).all(axis=1) & (padding >= 1) & (padding <= BLOCK)
        return np.where(good, padding, 0).astype(np.uint64)

    def emulate(self, row: RowInput) -> RowOutput:
        record = Record.of(row)
        if len(row.src) > row.capacity + (BLOCK if row.flags & PADDED else 0):
            return RowOutput(b"", Status.DST_TOO_SMALL)
        plain = _decryptor(type(self).block_cipher(record.key), record.nonce).update(row.src)
        return RowOutput(plain[: row.capacity])

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], CipherOptions]:
        # Zeros are a ciphertext of something, without padding.
        return super().sample(count, nbytes, kind)

    def trial(self) -> Trial:
        texts, options = self._trial_texts()
        texts.append(bytes(range(256)) * ((ROW + 512) // 256))
        options.keys = [*options.keys, options.keys[0]]
        options.nonces = [*(options.nonces or ()), bytes(BLOCK)]
        sealed = [
            _encrypted(self.keyed(options, i), options.nonces[i], text, _PADDINGS[BLOCK - len(text) % BLOCK])
            for i, text in enumerate(texts)
        ]
        return trial_of(self, Job(Items.of(sealed), options, BytesSink(len(sealed))))


# -- the library's calls -----------------------------------------------------------------------------------------------


def _fresh() -> tuple[bytes, bytes]:
    """Return a random nonce twice: to stand in front, and to be used."""
    nonce = os.urandom(BLOCK)
    return nonce, nonce


def _padding(size: int, options: CipherOptions) -> bytes:
    if not options.own:
        return _PADDINGS[BLOCK - size % BLOCK]
    if size % BLOCK:
        raise not_whole(size)
    return b""


def _results(sizes: Sizes, options: CipherOptions) -> Sizes:
    """Return the sizes of ciphertexts."""
    return sizes if options.own else (sizes // _BLOCK + np.uint64(1)) * _BLOCK


def _encrypted(cipher: Any, nonce: Any, data: Flat, padding: bytes) -> bytes:
    if len(data) >= _IN_PLACE:
        return made(len(data) + len(padding), lambda out: _encrypt_into(cipher, nonce, data, padding, out))
    # Joining takes memoryviews too.
    result: bytes = Cipher(cipher, modes.CBC(nonce)).encryptor().update(b"".join((data, padding)) if padding else data)
    return result


def _encrypt_into(cipher: Any, nonce: Any, data: Flat, padding: bytes, out: memoryview) -> None:
    """Fill `out` with the ciphertext of data and padding."""
    encryptor = Cipher(cipher, modes.CBC(nonce)).encryptor()
    # The library wants room for a block more than what it writes, for nothing too; the last block goes by itself.
    head = max(0, len(out) - BLOCK)
    view = memoryview(data)
    if head:
        encryptor.update_into(view[:head], out)
    out[head:] = encryptor.update(bytes(view[head:]) + padding)


def _decryptor(cipher: Any, nonce: Any) -> Any:
    return Cipher(cipher, modes.CBC(nonce)).decryptor()


def _decrypt_into(cipher: Any, nonce: Any, text: Flat, out: memoryview) -> None:
    """Fill `out`, which is up to a block shorter than the ciphertext."""
    decryptor = _decryptor(cipher, nonce)
    head = max(0, len(text) - 2 * BLOCK)
    view = memoryview(text)
    if head:
        decryptor.update_into(view[:head], out)
    out[head:] = decryptor.update(view[head:])[: len(out) - head]


def _deciphered(cipher: Any, blocks: bytes) -> bytes:
    result: bytes = Cipher(cipher, modes.ECB()).decryptor().update(blocks)
    return result


def _last_padding(cipher: Any, nonce: Any, text: Flat) -> int:
    """Return the size of the padding, by the last block alone."""
    view = memoryview(text)
    before = view[-2 * BLOCK : -BLOCK] if len(text) > BLOCK else nonce
    return _padding_of(_decryptor(cipher, before).update(view[-BLOCK:]))


def _padding_of(plain: bytes) -> int:
    """Return the size of the padding behind a plaintext.

    Raises
    ------
    FormatError
        It is bad.
    """
    size = plain[-1]
    if not 1 <= size <= BLOCK or not plain.endswith(_PADDINGS[size]):
        raise malformed()
    return size
