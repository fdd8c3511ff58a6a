"""What ciphers with tags of 16 bytes share: both directions by the CPU library, and the tags of a device's rows.

An algorithm names the library's class and does what its kernel does for one row; it is built as
``class GcmEncrypt(_Gcm, Sealing)`` and ``class GcmDecrypt(_Gcm, Opening)``.
"""

from __future__ import annotations

import itertools
import os
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from cryptography.exceptions import InvalidTag as LibraryInvalidTag

from fpga_accel._objects import Window, Windows
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.batch import Batch
from fpga_accel.operations.buffers import (
    BytesSink,
    Flat,
    Items,
    Offsets,
    clear,
    flat,
    flat_writable,
    made,
    memory,
    require_room,
    room_for,
)
from fpga_accel.operations.ciphers import CipherOptions, as_key, too_short, wrong_tag
from fpga_accel.operations.contract import ALONE, Errors, Job, RowOutput, periodic, trial_of
from fpga_accel.operations.keyed import DECRYPT, ROW, TAG_IN_DST, Cut, KeyedOperation, Texts, wrong_tags
from fpga_accel.segments import Status, Table

TAG = 16
NONCE = 12
# From here on results are made first and written in place: the library zeroes what it returns, which is one pass more
# over memory that is touched for the first time.
IN_PLACE = 256 << 10
# The library's one-step calls take so many bytes; longer messages go through its streaming interface.
_ONE_STEP = 2**31 - 1


class SealedOperation(KeyedOperation):
    """A cipher whose messages end in a tag."""

    tag_size = TAG
    nonce_size = NONCE
    takes = Windows
    # The CPU library's class in the shape of pyca's: made of a key, with ``encrypt``, ``encrypt_into`` and the reverse.
    library_class: ClassVar[Any]

    @property
    def call_limit(self) -> int:  # type: ignore[override]
        """All that one step does and no device."""
        return min(self.small, _ONE_STEP)

    into_limit = call_limit

    def bound(self, key: Flat, own: Any) -> Any:
        return self.library_class(key)

    def cipher(self, options: CipherOptions, index: int) -> Any:
        """Return the library's object for an item's key, which is made once for a batch under one key."""
        position = options.key_position(index)
        cipher = options.expanded.get(position)
        if cipher is None:
            cipher = options.expanded[position] = self.bound(as_key(options.keys[position]), options.own)
        return cipher

    def tag_length(self, options: CipherOptions) -> int:
        """Return the bytes of a tag; overridden where that is an option."""
        return self.tag_size

    @abstractmethod
    def seal_long(self, key: bytes, nonce: bytes, aad: Any, data: Flat, out: memoryview) -> None:
        """Write ciphertext and tag of a message that is too long for one step of the library."""

    @abstractmethod
    def open_long(self, key: bytes, nonce: bytes, aad: Any, text: Flat, out: memoryview) -> None:
        """Write the plaintext of such a message; raise the library's InvalidTag where its tag is wrong."""

    def tags(self, cut: Cut, results: Table) -> Any:
        """Return the tags of messages, 16 bytes each, from what their rows gave."""
        return cut.tags(results)

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], CipherOptions]:
        key, nonce = bytes(self.key_sizes[-1]), bytes(self.nonce_size)
        data = bytes(nbytes) if self.encrypts else self.library_class(key).encrypt(nonce, bytes(nbytes), b"")
        return [data] * count, CipherOptions([key], [nonce] * count)

    def trial(self) -> Trial:
        sizes = (0, 1, 15, 16, 17, 64, 255, 256, 1023, 4096, ROW + 33)
        texts = [periodic(size) for size in sizes]
        aads = [bytes(range(i * 7)) for i in range(len(sizes))]
        legal = self.nonce_sizes
        nonces = [bytes([i]) * (self.nonce_size if i % 3 else legal[i % len(legal)]) for i in range(len(sizes))]
        keys = [bytes(range(i, i + self.key_sizes[i % len(self.key_sizes)])) for i in range(len(sizes))]
        if not self.encrypts:
            texts = [self.library_class(keys[i]).encrypt(nonces[i], texts[i], aads[i]) for i in range(len(sizes))]
        return trial_of(self, Job(Items.of(texts), CipherOptions(keys, nonces, aads), BytesSink(len(sizes))))

    def library_many(self, items: Sequence[Flat], *arguments: Any) -> list[Any] | None:
        key, nonces = arguments
        if type(nonces) is not list:
            return None
        try:
            return _under_one_key(getattr(self.library_class(key), self.op), nonces, items)
        except (TypeError, ValueError, OverflowError, LibraryInvalidTag):
            return None

    def library_placed(self, items: Windows, places: Windows, *arguments: Any) -> bool:
        key, nonces = arguments
        if type(nonces) is not list:
            return False
        try:
            _write_under_one_key(getattr(self.library_class(key), f"{self.op}_into"), nonces, items, places)
        except (TypeError, ValueError, OverflowError, LibraryInvalidTag):
            return False
        return True


class Sealing(SealedOperation):
    """The direction that makes tags."""

    op = "encrypt"
    placed_growth = TAG
    whole_flags = TAG_IN_DST
    whole_room = TAG

    def on_cpu(self, data: Flat, options: CipherOptions, index: int, workers: Workers) -> bytes:
        if len(data) >= IN_PLACE:
            size = len(data) + self.overhead(options)
            return made(size, lambda out: self.on_cpu_into(data, options, index, ALONE, out))
        cipher = self.cipher(options, index)
        if options.nonces is not None:
            sealed: bytes = cipher.encrypt(options.nonces[index], data, options.aad(index))
            return sealed
        nonce = os.urandom(self.nonce_size)
        sealed = cipher.encrypt(nonce, data, options.aad(index))
        return nonce + sealed

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        key, nonce, aad = arguments
        try:
            cipher = self.library_class(key)
            if len(data) >= IN_PLACE:
                # Of other buffers and with a nonce in front, the planned way does that too.
                plain = type(data) is bytes and nonce is not None
                return made(len(data) + TAG, partial(cipher.encrypt_into, nonce, data, aad)) if plain else None
            if nonce is not None:
                sealed: bytes = cipher.encrypt(nonce, data, aad)
                return sealed
            nonce = os.urandom(self.nonce_size)
            sealed = nonce + cipher.encrypt(nonce, data, aad)
        except (TypeError, ValueError):
            return None
        return sealed

    def library_into(self, data: Flat, out: Any, *arguments: Any) -> int | None:
        if type(data) is not bytes:
            return self.copied_into(data, out, *arguments)
        key, nonce, aad = arguments
        front, size = b"", len(data) + TAG
        try:
            if nonce is None:
                front = nonce = os.urandom(self.nonce_size)
            target = room_for(size, out, len(front))
            if target is None:
                return None
            written: int = self.library_class(key).encrypt_into(nonce, data, aad, target)
            if front:
                flat_writable(out)[: len(front)] = front
        except (TypeError, ValueError):
            return None
        return len(front) + written

    def on_cpu_into(self, data: Flat, options: CipherOptions, index: int, workers: Workers, out: memoryview) -> int:
        total = len(data) + self.overhead(options)
        require_room(total, len(out))
        front = 0
        if options.nonces is None:
            front, nonce = self.nonce_size, os.urandom(self.nonce_size)
            out[:front] = nonce
        else:
            nonce = options.nonces[index]
        if len(data) > _ONE_STEP:
            self.seal_long(_key(options, index), bytes(nonce), options.aad(index), data, out[front:total])
        else:
            self.cipher(options, index).encrypt_into(nonce, data, options.aad(index), out[front:total])
        return total

    def each_on_cpu(
        self, items: Iterable[Flat], options: CipherOptions, part: slice, most: int
    ) -> Iterator[bytes] | None:
        return _each(options, part, items, self.cipher(options, 0).encrypt)

    def on_cpu_many(self, items: Sequence[Flat], options: CipherOptions, first: int) -> tuple[list[Any], Errors]:
        if not options.is_plain:
            return super().on_cpu_many(items, options, first)
        # The loop that users would write, for batches too small for a device.
        try:
            nonces = options.listed_nonces(slice(first, first + len(items)))
            return _under_one_key(self.cipher(options, 0).encrypt, nonces, items), {}
        except OverflowError:
            # An item is too long for one step.
            return super().on_cpu_many(items, options, first)

    def on_cpu_placed(
        self, items: Batch, options: CipherOptions, first: int, out: memoryview, offsets: Offsets
    ) -> Errors:
        if not options.is_plain or _has_long(offsets):
            return super().on_cpu_placed(items, options, first, out, offsets)
        nonces = options.listed_nonces(slice(first, first + len(items)))
        places = Windows(out, offsets, True)
        _write_under_one_key(self.cipher(options, 0).encrypt_into, nonces, items.windows(), places)
        return {}

    def mark(self, table: Table, cut: Cut) -> None:
        alone = np.bincount(cut.message)[cut.message] == 1
        table["flags"] = np.where(alone, self.whole_flags, 0)
        table["dst_capacity"] += np.where(alone, self.whole_room, 0).astype(np.uint32)

    def finish(self, job: Job[CipherOptions], texts: Texts, cut: Cut, results: Table) -> Errors:
        if not cut.whole:
            assert cut.row is not None
            tags = self.tags(cut, results)
            for index in np.flatnonzero(texts.sizes > cut.row):
                memory(int(texts.targets[index] + texts.sizes[index]), TAG)[:] = tags[index].tobytes()
        return {}


class Opening(SealedOperation):
    """The direction that checks tags."""

    op = "decrypt"
    placed_growth = -TAG
    whole_flags = DECRYPT

    def on_cpu(self, data: Flat, options: CipherOptions, index: int, workers: Workers) -> bytes:
        nonce, text = self.opened(data, options, index)
        if len(text) >= IN_PLACE:
            size = len(text) - self.tag_length(options)
            return made(size, lambda out: self.on_cpu_into(data, options, index, ALONE, out))
        try:
            plain: bytes = self.cipher(options, index).decrypt(nonce, text, options.aad(index))
            return plain
        except LibraryInvalidTag:
            raise wrong_tag() from None

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        key, nonce, aad = arguments
        if nonce is None:
            whole = memoryview(flat(data))
            nonce, data = whole[: self.nonce_size], whole[self.nonce_size :]
        try:
            cipher = self.library_class(key)
            if len(data) < IN_PLACE:
                plain: bytes = cipher.decrypt(nonce, data, aad)
                return plain
            if type(data) is not bytes:
                return None
            write = partial(cipher.decrypt_into, nonce, data, aad)
            plain = made(len(data) - TAG, partial(_fill_or_wipe, write))
        except LibraryInvalidTag:
            raise wrong_tag() from None
        except (TypeError, ValueError):
            return None
        return plain

    def library_into(self, data: Flat, out: Any, *arguments: Any) -> int | None:
        if type(data) is not bytes:
            return self.copied_into(data, out, *arguments)
        key, nonce, aad = arguments
        try:
            if nonce is None:
                whole = memoryview(data)
                nonce, data = whole[: self.nonce_size], whole[self.nonce_size :]
            target = room_for(len(data) - TAG, out)
            if target is None:
                return None
            written: int = self.library_class(key).decrypt_into(nonce, data, aad, target)
        except LibraryInvalidTag:
            raise wrong_tag() from None
        except (TypeError, ValueError):
            return None
        return written

    def on_cpu_many(self, items: Sequence[Flat], options: CipherOptions, first: int) -> tuple[list[Any], Errors]:
        if not options.is_plain:
            return super().on_cpu_many(items, options, first)
        try:
            nonces = options.listed_nonces(slice(first, first + len(items)))
            return _under_one_key(self.cipher(options, 0).decrypt, nonces, items), {}
        except (LibraryInvalidTag, OverflowError):
            # Whatever is wrong with one of them is found again, and told of that one.
            return super().on_cpu_many(items, options, first)

    def on_cpu_into(self, data: Flat, options: CipherOptions, index: int, workers: Workers, out: memoryview) -> int:
        nonce, text = self.opened(data, options, index)
        total = len(text) - self.tag_length(options)
        require_room(total, len(out))
        aad = options.aad(index)
        if len(text) > _ONE_STEP:
            write = partial(self.open_long, _key(options, index), bytes(nonce), aad, text)
        else:
            write = partial(self.cipher(options, index).decrypt_into, nonce, text, aad)
        try:
            _fill_or_wipe(write, out[:total])
        except LibraryInvalidTag:
            raise wrong_tag() from None
        return total

    def each_on_cpu(
        self, items: Iterable[Flat], options: CipherOptions, part: slice, most: int
    ) -> Iterator[bytes] | None:
        return _each(options, part, items, self.cipher(options, 0).decrypt)

    def on_cpu_placed(
        self, items: Batch, options: CipherOptions, first: int, out: memoryview, offsets: Offsets
    ) -> Errors:
        if not options.is_plain or _has_long(offsets):
            return super().on_cpu_placed(items, options, first, out, offsets)
        nonces = options.listed_nonces(slice(first, first + len(items)))
        decrypt_into, tag, errors = self.cipher(options, 0).decrypt_into, self.tag_length(options), Errors()
        triples = zip(nonces, items.windows(), Windows(out, offsets, True), strict=True)
        for index, (nonce, data, place) in enumerate(triples, first):
            if len(data) < tag:
                errors[index] = too_short(len(data), tag)
                continue
            try:
                decrypt_into(nonce, data, None, place)
            except LibraryInvalidTag:
                errors[index] = wrong_tag()
        return errors

    def mark(self, table: Table, cut: Cut) -> None:
        table["flags"] = self.whole_flags

    def forged(self, texts: Texts, cut: Cut, results: Table) -> Sequence[int]:
        return wrong_tags(self.tags(cut, results), texts)

    def finish(self, job: Job[CipherOptions], texts: Texts, cut: Cut, results: Table) -> Errors:
        errors: Errors = {}
        for row in self.forged(texts, cut, results):
            job.sink.discard(row)
            errors[row] = wrong_tag()
        return errors


def fitted(data: bytes, partial: bytes, capacity: int) -> RowOutput:
    """Return what a kernel says of a row whose result may not fit."""
    if len(data) > capacity:
        return RowOutput(b"", Status.DST_TOO_SMALL)
    return RowOutput(data, partial=partial)


def _each(
    options: CipherOptions, part: slice, items: Iterable[Flat], work: Callable[[Any, Flat, Any], bytes]
) -> Iterator[bytes] | None:
    if not options.is_plain:
        return None
    return map(work, options.listed_nonces(part), items, itertools.repeat(None))


def _under_one_key(work: Callable[[Any, Any, Any], bytes], nonces: Sequence[Any], items: Sequence[Flat]) -> list[Any]:
    """Do a batch without associated data; a loop in Python would take 0.05 µs an item more."""
    if len(nonces) != len(items):
        raise ValueError(f"{len(nonces)} nonces for {len(items)} items")
    return list(map(work, nonces, items, itertools.repeat(None)))


def _write_under_one_key(
    work: Callable[[Any, Window, Any, Window], int], nonces: Sequence[Any], items: Windows, places: Windows
) -> None:
    """Do the same with results that are written to their places."""
    if len(nonces) != len(items):
        raise ValueError(f"{len(nonces)} nonces for {len(items)} items")
    deque(map(work, nonces, items, itertools.repeat(None), places), maxlen=0)


def _fill_or_wipe(write: Callable[[memoryview], object], out: memoryview) -> None:
    """Write a plaintext; where its tag is wrong, `out` holds zeros."""
    try:
        write(out)
    except LibraryInvalidTag:
        clear(out)
        raise


def _has_long(offsets: Offsets) -> bool:
    """Whether items between offsets may be too long for one step."""
    return int(offsets[-1] - offsets[0]) > _ONE_STEP - TAG


def _key(options: CipherOptions, index: int) -> bytes:
    return bytes(as_key(options.keys[options.key_position(index)]))
