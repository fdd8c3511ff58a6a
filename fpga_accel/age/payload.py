"""The body of age files: chunks of 64 KiB under ChaCha20-Poly1305 (c2sp.org/age, "Payload"), many a call.

Chunks lie behind each other, each with its tag, so that a range of them is one batch over the caller's memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fpga_accel.age.secret import derived, wipe
from fpga_accel.batch import Batch
from fpga_accel.calls import PlacedCall
from fpga_accel.errors import FormatError, InvalidTag, TruncatedError
from fpga_accel.execution import Executor
from fpga_accel.operations import registry
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.contract import Errors, kept

CHUNK = 64 << 10
TAG = 16
SEALED_CHUNK = CHUNK + TAG
NONCE = 16
CIPHER = "chacha20-poly1305"
_CHUNK_NONCE = 12
# Where the counter's low 8 bytes lie among 11; a file of more chunks than they count is 2^80 bytes.
_COUNTER = slice(3, 11)


def sealed_size(nbytes: int) -> int:
    """Return the bytes of the chunks that hold so many; nothing is one empty chunk."""
    return nbytes + max(1, -(-nbytes // CHUNK)) * TAG


def content_size(nbytes: int) -> int:
    """Return how many bytes the chunks of so many hold at most; too few at the end are no chunk."""
    whole, rest = divmod(nbytes, SEALED_CHUNK)
    return whole * CHUNK + max(0, rest - TAG)


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of a range of chunks.

    Attributes
    ----------
    good
        Bytes of content that are verified, from the start on.
    error
        Why there are no more; None where all are good.
    """

    good: int
    error: Exception | None = field(repr=False)


class Payload:
    """The chunks of one file, in either direction; wiped with `wipe`.

    Parameters
    ----------
    engine
        Runs the calls.
    file_key, nonce
        What the payload's key is derived from.

    Attributes
    ----------
    beside
        Threads that read and write while one calls `seal` or `open`.
    """

    def __init__(self, engine: Executor, file_key: bytearray, nonce: bytes) -> None:
        self._engine = engine
        self.beside = 0
        self._key = derived(file_key, nonce, b"payload")

    def __repr__(self) -> str:
        return "Payload()"

    def wipe(self) -> None:
        """Forget the key."""
        wipe(self._key)

    def seal(self, content: Flat, out: memoryview, first: int, *, final: bool) -> int:
        """Write chunks and return their bytes.

        Parameters
        ----------
        content
            Whole chunks, but for the last one of the file.
        out
            Room for `sealed_size`.
        first
            The number of the first chunk.
        final
            Whether the last chunk is that of the file.
        """
        size = sealed_size(len(content))
        count = max(1, -(-len(content) // CHUNK))
        errors = self._run("encrypt", content, CHUNK, out[:size], _nonces(first, count, final=final))
        if errors:
            raise errors[min(errors)]
        return size

    def open(self, sealed: Flat, out: memoryview, first: int, *, final: bool) -> Opened:
        """Write the content of chunks; arguments as in `seal`, `out` with room for `content_size`."""
        whole, rest = divmod(len(sealed), SEALED_CHUNK)
        count, cut_off = whole + (rest >= TAG), 0 < rest < TAG or not len(sealed)
        last = final and not cut_off
        opened = Opened(0, None)
        if count:
            opened = self._opened(memoryview(sealed)[: len(sealed) - rest * cut_off], out, first, count, last)
        if opened.error is None and cut_off:
            there = f"{rest} bytes" if rest else "nothing"
            return Opened(opened.good, TruncatedError(f"of chunk {first + count} of the age file {there} is there"))
        return opened

    def _opened(self, sealed: memoryview, out: memoryview, first: int, count: int, final: bool) -> Opened:
        size = content_size(len(sealed))
        errors = self._run("decrypt", sealed, SEALED_CHUNK, out[:size], _nonces(first, count, final=final))
        if errors:
            bad = min(errors)
            rest = sealed[bad * SEALED_CHUNK : (bad + 1) * SEALED_CHUNK], out[bad * CHUNK : (bad + 1) * CHUNK]
            good, error = self._otherwise(*rest, first + bad, final and bad == count - 1)
            out[bad * CHUNK + good : size] = bytes(size - bad * CHUNK - good)
            return Opened(bad * CHUNK + good, error)
        if final and first + count > 1 and size == (count - 1) * CHUNK:
            return Opened(size, FormatError("the last chunk of the age file is empty, though it is not its only one"))
        return Opened(size, None)

    def _otherwise(self, sealed: memoryview, out: memoryview, number: int, final: bool) -> tuple[int, Exception]:
        """Open a chunk, which does not open as what it should be, as what it should not: the last one, or not.

        Then it is content, and where it stands is what is wrong.
        """
        size = content_size(len(sealed))
        if self._run("decrypt", sealed, SEALED_CHUNK, out[:size], _nonces(number, 1, final=not final)):
            return 0, InvalidTag(f"chunk {number} of the age file is not what was sealed: it was changed or cut off")
        if final and size == CHUNK:
            return size, TruncatedError(f"the age file ends behind chunk {number}, which is not its last")
        if final:
            out[:size] = bytes(size)
            return 0, FormatError(f"chunk {number} of the age file has {size} bytes and is not marked as its last")
        return size, FormatError(f"there is more behind chunk {number} of the age file, which is its last")

    def _run(self, op: str, data: Flat, step: int, out: memoryview, nonces: npt.NDArray[np.uint8]) -> Errors:
        """Do some chunks in one call, and return the errors of those that fail, whose places in `out` are wiped."""
        operation, count = registry.cipher(op, CIPHER), len(nonces)
        if count == 1:
            # A small file: the short way, which says the same of one chunk.
            try:
                self._engine.into(operation, operation.single(self._key, nonces.tobytes(), None), data, out)
            except InvalidTag as error:
                return {0: kept(error)}
            return {}
        offsets = np.minimum(np.arange(count + 1, dtype=np.int64) * step, len(data))
        options = operation.options(keys=(self._key,), nonces=nonces, count=count)
        call = PlacedCall(operation, options, Batch(data, offsets), out, self.beside)
        self._engine.run(call)
        return call.errors


def _nonces(first: int, count: int, *, final: bool) -> npt.NDArray[np.uint8]:
    """Return the nonces of chunks: 11 bytes of their number, big-endian, and a mark on the file's last."""
    nonces = np.zeros((count, _CHUNK_NONCE), np.uint8)
    numbers = np.arange(first, first + count, dtype=np.uint64)
    nonces[:, _COUNTER] = numbers.astype(">u8").view(np.uint8).reshape(count, 8)
    if final:
        nonces[-1, -1] = 1
    return nonces
