"""CTR (NIST SP 800-38A §6.5) over any cipher of 16-byte blocks; the 16-byte nonce is the first counter block."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, ClassVar

from fpga_accel._objects import Windows
from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.batch import Batch
from fpga_accel.operations.buffers import BytesSink, Flat, Items, Offsets, flat, made, require_room, room_for
from fpga_accel.operations.ciphers import CipherOptions, as_key
from fpga_accel.operations.contract import Errors, Job, RowInput, RowOutput, periodic, trial_of
from fpga_accel.operations.keyed import BLOCK, ROW, KeyedOperation, Record, ctr_stream
from fpga_accel.segments import Status

# From here on results are made first and written in place, as those of AES-GCM are.
_IN_PLACE = 256 << 10


class CtrOperation(KeyedOperation):
    """CTR in one direction; both do the same."""

    # The CPU library's block cipher, made of a key.
    block_cipher: ClassVar[Any]
    # A thread gets no less: on a busy machine handing it over takes long.
    thread_bytes: ClassVar[int] = 2 << 20
    nonce_size = BLOCK
    nonce_sizes = range(BLOCK, BLOCK + 1)
    tag_size = 0
    takes = Windows
    placed_growth = 0
    # The library writes in place.
    into_limit = None  # type: ignore[assignment]

    def on_cpu(self, data: Flat, options: CipherOptions, index: int, workers: Workers) -> bytes:
        front, nonce, text = self._split(data, options, index)
        if len(text) >= _IN_PLACE:
            return made(
                len(front) + len(text), lambda out: self._write(front, nonce, text, options, index, workers, out)
            )
        output: bytes = self.stream(_key(options, index), nonce).update(text)
        return front + output if front else output

    def library_into(self, data: Flat, out: Any, *arguments: Any) -> int | None:
        key, nonce, aad = arguments
        if type(data) is not bytes or nonce is None:
            return self.copied_into(data, out, *arguments)
        target = None if aad else room_for(len(data), out)
        if target is None:
            return None
        try:
            written: int = self.stream(key, nonce).update_into(data, target)
        except (TypeError, ValueError):
            return None
        return written

    def library_many(self, items: Sequence[Flat], *arguments: Any) -> list[Any] | None:
        key, nonces = arguments
        if type(nonces) is not list:
            return None
        try:
            return self._under_one_key(key, nonces, items)
        except (TypeError, ValueError):
            return None

    def library_placed(self, items: Windows, places: Windows, *arguments: Any) -> bool:
        key, nonces = arguments
        if type(nonces) is not list:
            return False
        try:
            self._write_under_one_key(key, nonces, items, places)
        except (TypeError, ValueError):
            return False
        return True

    def _under_one_key(self, key: Any, nonces: Sequence[Any], items: Iterable[Flat]) -> list[Any]:
        """Do a batch whose key is expanded once: a stream that starts anew takes a tenth of the time of a new one."""
        stream = self.stream(key, bytes(BLOCK))
        restart, update = stream.reset_nonce, stream.update
        # Starting anew returns None.
        return [restart(nonce) or update(data) for nonce, data in zip(nonces, items, strict=True)]

    def _write_under_one_key(self, key: Any, nonces: Sequence[Any], items: Windows, places: Windows) -> None:
        """Do the same with results that are written to their places."""
        stream = self.stream(key, bytes(BLOCK))
        for nonce, data, place in zip(nonces, items, places, strict=True):
            stream.reset_nonce(nonce)
            stream.update_into(data, place)

    def on_cpu_many(self, items: Sequence[Flat], options: CipherOptions, first: int) -> tuple[list[Any], Errors]:
        if not options.is_plain or max(map(len, items), default=0) >= _IN_PLACE:
            return super().on_cpu_many(items, options, first)
        nonces = options.listed_nonces(slice(first, first + len(items)))
        return self._under_one_key(_key(options, 0), nonces, items), {}

    def on_cpu_placed(
        self, items: Batch, options: CipherOptions, first: int, out: memoryview, offsets: Offsets
    ) -> Errors:
        if not options.is_plain:
            return super().on_cpu_placed(items, options, first, out, offsets)
        nonces = options.listed_nonces(slice(first, first + len(items)))
        self._write_under_one_key(_key(options, 0), nonces, items.windows(), Windows(out, offsets, True))
        return {}

    def on_cpu_into(self, data: Flat, options: CipherOptions, index: int, workers: Workers, out: memoryview) -> int:
        front, nonce, text = self._split(data, options, index)
        total = len(front) + len(text)
        require_room(total, len(out))
        self._write(front, nonce, text, options, index, workers, out[:total])
        return total

    def stream(self, key: Any, counter: Any) -> Any:
        """Return the CPU library's key stream."""
        return ctr_stream(self.block_cipher(key), counter)

    def _whole(self, key: Any, nonce: Any, data: Flat) -> bytes:
        """Return ciphered data of one stream, on the calling thread."""
        stream = self.stream(key, nonce)
        if len(data) >= _IN_PLACE and type(data) is bytes:
            return made(len(data), partial(stream.update_into, data))
        output: bytes = stream.update(data)
        return output

    def _write(
        self,
        front: bytes,
        nonce: Any,
        text: Flat,
        options: CipherOptions,
        index: int,
        workers: Workers,
        out: memoryview,
    ) -> None:
        """Write `front` and the ciphered text, on threads where it is worth it: each starts at a counter of its own."""
        out[: len(front)] = front
        source, target = memoryview(text), out[len(front) :]
        count = min(workers.count, len(text) // self.thread_bytes) or 1
        each = -(-len(text) // (count * BLOCK)) * BLOCK
        start = int.from_bytes(nonce, "big")

        def part(at: int) -> None:
            counter = (start + at // BLOCK) % 2**128
            stream = self.stream(_key(options, index), counter.to_bytes(BLOCK, "big"))
            stream.update_into(source[at : at + each], target[at : at + each])

        if count == 1:
            part(0)
        else:
            workers.map(part, range(0, len(text), each))

    def _split(self, data: Flat, options: CipherOptions, index: int) -> tuple[bytes, Any, Flat]:
        """Return what stands in front of the result, the counter block, and the text."""
        if not self.encrypts:
            return b"", *self.opened(data, options, index)
        if options.nonces is not None:
            return b"", options.nonces[index], data
        nonce = os.urandom(BLOCK)
        return nonce, nonce, data

    def emulate(self, row: RowInput) -> RowOutput:
        record = Record.of(row)
        if len(row.src) > row.capacity:
            return RowOutput(b"", Status.DST_TOO_SMALL)
        counter = (int.from_bytes(record.nonce, "big") + record.position // BLOCK) % 2**128
        return RowOutput(self.stream(record.key, counter.to_bytes(BLOCK, "big")).update(row.src))

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], CipherOptions]:
        return [bytes(nbytes)] * count, CipherOptions([bytes(self.key_sizes[-1])], [bytes(BLOCK)] * count)

    def trial(self) -> Trial:
        sizes = (0, 1, 16, 17, 64, 255, 1023, 4096, ROW + 33)
        data = [periodic(size) for size in sizes]
        keys = [bytes(range(i, i + self.key_sizes[i % len(self.key_sizes)])) for i in range(len(sizes))]
        # Counters that wrap after i blocks.
        nonces = [(2**128 - 1 - i).to_bytes(16, "big") for i in range(len(sizes))]
        return trial_of(self, Job(Items.of(data), CipherOptions(keys, nonces), BytesSink(len(sizes))))


class CtrEncryption(CtrOperation):
    """The direction that makes nonces."""

    op = "encrypt"

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        key, nonce, aad = arguments
        if aad:
            return None
        try:
            if nonce is not None:
                return self._whole(key, nonce, data)
            nonce = os.urandom(BLOCK)
            return nonce + self._whole(key, nonce, data)
        except (TypeError, ValueError):
            return None


class CtrDecryption(CtrOperation):
    """The direction that finds them in front."""

    op = "decrypt"

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        key, nonce, aad = arguments
        if aad:
            return None
        if nonce is None:
            whole = memoryview(flat(data))
            nonce, data = whole[:BLOCK], whole[BLOCK:]
        try:
            return self._whole(key, nonce, data)
        except (TypeError, ValueError):
            return None


def _key(options: CipherOptions, index: int) -> Flat:
    return as_key(options.keys[options.key_position(index)])
