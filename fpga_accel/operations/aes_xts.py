"""AES-XTS (IEEE 1619, NIST SP 800-38E) of data units: single ones, and sectors whose numbers are their tweaks.

It does not authenticate: a changed block deciphers to something else, and nothing says so.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Mapping, Sequence
from hmac import compare_digest
from types import MappingProxyType
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import FormatError
from fpga_accel.operations.buffers import BytesSink, Flat, Items, flat, made, require_room
from fpga_accel.operations.ciphers import CipherOptions, as_key
from fpga_accel.operations.contract import Errors, Job, RowInput, RowOutput, Run, periodic, require_success, trial_of
from fpga_accel.operations.keyed import BLOCK, SHORT_ROW, KeyedOperation, Record, Texts, keyed_launch, rows_of_sectors
from fpga_accel.operations.xts_units import SPARE, UnitsCipher
from fpga_accel.segments import RECORD, Status, copy_many

# Two keys behind each other, of AES-128 or AES-256.
KEY_SIZES = (32, 64)
# SP 800-38E section 4: a data unit has at most 2^20 blocks.
MOST = BLOCK << 20
SECTOR = 4096

# Rows of sectors: at least so many bytes, so that what a row costs does not show, and at most so many, so that all
# cores work to the end.
_LEAST_ROW, _MOST_ROW = 16 << 10, 256 << 10
_ROWS_AIMED_AT = 16
# Numbers of sectors wrap.
_NUMBERS = (1 << 128) - 1


class _Xts(KeyedOperation):
    kernel = "aes_xts"
    key_sizes = KEY_SIZES
    nonce_size = BLOCK
    nonce_sizes = range(BLOCK, BLOCK + 1)
    tag_size = 0
    # A data unit is serial in its tweaks.
    cuts = False

    def single(self, key: Any, nonce: Any, aad: Any, own: Mapping[str, Any] = MappingProxyType({})) -> CipherOptions:
        made = super().single(key, nonce, aad, own)
        self._require_unequal(made.keys)
        return made

    def _check(self, options: CipherOptions, count: int) -> None:
        super()._check(options, count)
        self._require_unequal(options.keys)

    def _require_unequal(self, keys: Sequence[Any]) -> None:
        if any(_halves_are_equal(flat(key)) for key in keys):
            raise ValueError(f"the two halves of a key of {self.algorithm} must differ")

    def unit(self, options: CipherOptions, size: int) -> int:
        """Return the bytes of each data unit of an item."""
        return options.own or size

    def wrong_size(self, options: CipherOptions, size: int) -> FormatError | None:
        """Tell what is wrong with the size of an item, None where nothing is."""
        raise NotImplementedError

    def _split(self, data: Flat, options: CipherOptions, index: int) -> tuple[bytes, Any, Flat]:
        """Return what stands in front of the result, the first tweak, and the text."""
        front, text = b"", data
        if options.nonces is not None:
            nonce = options.nonces[index]
        elif self.encrypts:
            front = nonce = os.urandom(BLOCK)
        else:
            view = memoryview(data)
            if len(view) < BLOCK:
                raise _no_tweak(len(view))
            nonce, text = bytes(view[:BLOCK]), view[BLOCK:]
        error = self.wrong_size(options, len(text))
        if error is not None:
            raise error
        return front, nonce, text

    def keyed(self, options: CipherOptions, index: int) -> UnitsCipher:
        """Return the cipher under the key of an item."""
        position = options.key_position(index)
        found: UnitsCipher | None = options.expanded.get(position)
        # The same options may serve both directions, one after the other.
        if found is None or found.encrypts != self.encrypts:
            found = options.expanded[position] = self.bound(as_key(options.keys[position]), None)
        return found

    def bound(self, key: Flat, own: Any) -> UnitsCipher:
        """Return the CPU path's cipher for a key; it has no class in the shape of pyca's."""
        return UnitsCipher(key, encrypts=self.encrypts)

    def _units(self, key: bytes, nonce: bytes, text: Flat, unit: int) -> Iterator[bytes]:
        """Yield each data unit's result, by the library's own XTS: the second opinion."""
        view, number, stream = memoryview(text), int.from_bytes(nonce, "little"), self.bound(key, None).stream
        for at in range(0, len(text), unit):
            tweak = ((number + at // unit) & _NUMBERS).to_bytes(BLOCK, "little")
            yield stream(tweak).update(view[at : at + unit])

    def _write(self, keyed: UnitsCipher, nonce: Any, text: Flat, unit: int, out: memoryview) -> None:
        if keyed.serves(unit, len(text) // unit):
            keyed.fill(nonce, text, unit, out)
            return
        view, number, start = memoryview(text), int.from_bytes(nonce, "little"), keyed.stream
        for at in range(0, len(text), unit):
            stream, end = start((number & _NUMBERS).to_bytes(BLOCK, "little")), at + unit
            number += 1
            if end + SPARE <= len(out):
                stream.update_into(view[at:end], out[at : end + SPARE])
            else:
                # A data unit goes in one piece.
                out[at:end] = stream.update(view[at:end])

    def on_cpu(self, data: Flat, options: CipherOptions, index: int, workers: Workers) -> bytes:
        front, nonce, text = self._split(data, options, index)
        keyed, unit = self.keyed(options, index), self.unit(options, len(text))
        if len(text) > unit:
            return made(len(front) + len(text), lambda out: self._fill(front, keyed, nonce, text, unit, out))
        # No stream of nothing.
        result: bytes = keyed.stream(nonce).update(text) if text else b""
        return front + result if front else result

    def _fill(self, front: bytes, keyed: UnitsCipher, nonce: Any, text: Flat, unit: int, out: memoryview) -> None:
        out[: len(front)] = front
        self._write(keyed, nonce, text, unit, out[len(front) :])

    def on_cpu_into(self, data: Flat, options: CipherOptions, index: int, workers: Workers, out: memoryview) -> int:
        front, nonce, text = self._split(data, options, index)
        total = len(front) + len(text)
        require_room(total, len(out))
        self._fill(front, self.keyed(options, index), nonce, text, self.unit(options, len(text)), out[:total])
        return total

    def on_device(self, job: Job[CipherOptions], run: Run) -> Errors:
        front = 0 if job.options.nonces is not None or self.encrypts else BLOCK
        errors: Errors = {}
        for size in np.unique(job.items.sizes).tolist():
            error = _no_tweak(size) if size < front else self.wrong_size(job.options, size - front)
            if error is not None:
                found = np.flatnonzero(job.items.sizes == size).tolist()
                errors |= dict.fromkeys(found, error)
        if errors:
            return self._without(errors, job, run)
        return super().on_device(job, run)

    def emulate(self, row: RowInput) -> RowOutput:
        record = Record.of(row)
        if len(row.src) > row.capacity:
            return RowOutput(b"", Status.DST_TOO_SMALL)
        raw = row.params[row.param : row.param + RECORD.itemsize].view(RECORD)[0]
        unit = int(raw["reserved"]) or len(row.src)
        return RowOutput(b"".join(self._units(record.key, record.nonce, row.src, unit)))


class XtsOperation(_Xts):
    """One data unit an item, of 16 bytes or more; the nonce is its tweak."""

    algorithm = "aes-xts"
    # One is serial in its tweaks: a device wins with many of them.
    small = 1 << 62

    def wrong_size(self, options: CipherOptions, size: int) -> FormatError | None:
        return None if BLOCK <= size <= MOST else _no_unit(size)

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        key, nonce, aad = arguments
        if aad or nonce is None or type(key) is not bytes or len(key) not in KEY_SIZES or _halves_are_equal(key):
            return None
        try:
            data = flat(data)
            if not BLOCK <= len(data) <= MOST:
                return None
            both = Cipher(algorithms.AES(key), modes.XTS(nonce))
            stream = both.encryptor() if self.op == "encrypt" else both.decryptor()
            result: bytes = stream.update(data)
            return result
        except (TypeError, ValueError, BufferError):
            return None

    def on_cpu_many(self, items: Sequence[Flat], options: CipherOptions, first: int) -> tuple[list[Any], Errors]:
        if options.nonces is None or len(options.keys) > 1 or not all(BLOCK <= len(data) <= MOST for data in items):
            return super().on_cpu_many(items, options, first)
        nonces, stream = options.listed_nonces(slice(first, first + len(items))), self.keyed(options, first).stream
        return [stream(nonce).update(data) for nonce, data in zip(nonces, items, strict=True)], {}

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], CipherOptions]:
        data = bytes(min(max(nbytes, BLOCK), MOST))
        return [data] * count, CipherOptions([_SAMPLE_KEY], [bytes(BLOCK)] * count)

    def trial(self) -> Trial:
        sizes = (16, 17, 31, 32, 33, 127, 128, 129, 143, 144, 145, 512, 520, 600, 4096, 4111, 20_000)
        texts = [periodic(size) for size in sizes]
        keys = [bytes(range(i, i + KEY_SIZES[i % 2])) for i in range(len(sizes))]
        nonces = [bytes(range(i, i + BLOCK)) for i in range(len(sizes))]
        return trial_of(self, Job(Items.of(texts), CipherOptions(keys, nonces), BytesSink(len(sizes))))


class SectorsOperation(_Xts):
    """Sectors of one size behind each other; the nonce is the number of the first, little-endian."""

    algorithm = "aes-xts-sectors"
    # About where a launch takes as long as the library's block cipher on one core.
    small = 512 << 10

    def own(self, **given: Any) -> int:
        size = as_int(given.pop("sector_size", SECTOR), "sector_size")
        if given:
            raise TypeError(f"{self.algorithm} has no options {sorted(given)}")
        if not BLOCK <= size <= MOST:
            raise ValueError(f"sector_size={size}; a sector has {BLOCK} to {MOST} bytes")
        return size

    def unit(self, options: CipherOptions, size: int) -> int:
        return options.own or SECTOR

    def wrong_size(self, options: CipherOptions, size: int) -> FormatError | None:
        unit = self.unit(options, size)
        return FormatError(f"{size} bytes are no whole number of sectors of {unit}") if size % unit else None

    def on_device(self, job: Job[CipherOptions], run: Run) -> Errors:
        items, options = job.items, job.options
        front = 0 if options.nonces is not None else BLOCK
        taken = 0 if self.encrypts else front
        unit = self.unit(options, 0)
        # Each step of numpy shows where a launch is short, so none is done for nothing.
        sizes = items.sizes - np.uint64(taken) if taken else items.sizes
        wrong: Any = sizes % np.uint64(unit)
        if taken:
            wrong |= items.sizes < taken
        if wrong.any():
            found = np.flatnonzero(wrong).tolist()
            return self._without({i: self._told(int(items.sizes[i]), taken, unit) for i in found}, job, run)
        nonces = options.nonce_items()
        if nonces is None:
            nonces = self.random_nonces(len(items)) if self.encrypts else self.in_front(items)
        grown = np.uint64(front - taken)
        targets = job.sink.allocate(sizes + grown if grown else sizes)
        if grown:
            copy_many(nonces.addresses, targets, nonces.sizes)
            targets = targets + grown
        nbytes = int(sizes.sum())
        if not nbytes:
            return {}
        texts = Texts(items.addresses + np.uint64(taken) if taken else items.addresses, targets, sizes, nonces)
        table, params = rows_of_sectors(texts, options, unit, _row_bytes(nbytes, unit, run.wide))
        require_success(self, run(keyed_launch(self, table, params, options, (job, nonces))))
        return {}

    @staticmethod
    def _told(size: int, front: int, unit: int) -> FormatError:
        if size < front:
            return _no_tweak(size)
        return FormatError(f"{size - front} bytes are no whole number of sectors of {unit}")

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], CipherOptions]:
        data = bytes(max(1, nbytes // SECTOR) * SECTOR)
        return [data] * count, CipherOptions([_SAMPLE_KEY], [bytes(BLOCK)] * count, own=SECTOR)

    def trial(self) -> Trial:
        sizes = (33 * 521, 521, 40 * 521)
        texts = [periodic(size) for size in sizes]
        keys = [bytes(range(i, i + KEY_SIZES[i % 2])) for i in range(len(sizes))]
        nonces = [bytes(BLOCK), b"\xff" * BLOCK, b"\xfe" + b"\xff" * 7 + bytes(8)]
        return trial_of(self, Job(Items.of(texts), CipherOptions(keys, nonces, own=521), BytesSink(len(sizes))))


class XtsEncrypt(XtsOperation):
    """``aes-xts.encrypt``."""

    op = "encrypt"
    entry = "aes_xts_encrypt"


class XtsDecrypt(XtsOperation):
    """``aes-xts.decrypt``."""

    op = "decrypt"
    entry = "aes_xts_decrypt"


class SectorsEncrypt(SectorsOperation):
    """``aes-xts-sectors.encrypt``."""

    op = "encrypt"
    entry = "aes_xts_encrypt"


class SectorsDecrypt(SectorsOperation):
    """``aes-xts-sectors.decrypt``."""

    op = "decrypt"
    entry = "aes_xts_decrypt"


_SAMPLE_KEY = bytes(range(KEY_SIZES[-1]))


def as_int(number: Any, name: str) -> int:
    """Return a whole number of any type, such as numpy's."""
    try:
        return operator.index(number)
    except TypeError:
        raise TypeError(f"{name} must be an int, not {type(number).__name__}") from None


def _row_bytes(nbytes: int, unit: int, wide: bool) -> int:
    """Return the bytes of a row of whole sectors, for so many bytes over all."""
    aimed = SHORT_ROW if wide else min(max(nbytes // _ROWS_AIMED_AT, _LEAST_ROW), _MOST_ROW)
    return max(1, aimed // unit) * unit


def _halves_are_equal(key: Any) -> bool:
    """Compare in a time that does not depend on where they differ."""
    view, half = memoryview(key), len(key) // 2
    return compare_digest(view[:half], view[half:])


def _no_tweak(size: int) -> FormatError:
    return FormatError(f"{size} bytes are shorter than the first tweak, which stands in front ({BLOCK})")


def _no_unit(size: int) -> FormatError:
    return FormatError(f"a data unit of aes-xts has {BLOCK} to {MOST} bytes, not {size}")
