"""What is timed: one class an operation, with our call, the peer's call, and how an output is decoded and checked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import google_crc32c
import lz4.frame
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import fpga_accel
from fpga_accel import Accelerator

Buffer = bytes | memoryview
# A function of the peer library and the arguments of each of its calls.
PeerCalls = tuple[Callable[..., Any], list[tuple[Any, ...]]]

TAG = 16
KEY = bytes(range(32))
# Blocks that can be decoded side by side, of the size that the library has between its least and its largest two.
FRAME_OPTIONS = {"block_linked": False, "block_size": lz4.frame.BLOCKSIZE_MAX256KB}


class Work(ABC):
    """One operation on a list of plaintexts; a list of one is a single call.

    Parameters
    ----------
    items
        Plaintexts.
    """

    name: ClassVar[str]
    peer_name: ClassVar[str]
    # Whether the peer can write into a buffer of the caller.
    peer_into: ClassVar[bool] = False
    # Whether there are calls into a buffer of the caller.
    has_into: ClassVar[bool] = True
    # Whether a compression ratio says anything.
    has_ratio: ClassVar[bool] = False

    def __init__(self, items: Sequence[bytes]) -> None:
        self.items = list(items)
        self.plain = b"".join(items)
        self.nonces = [number.to_bytes(12, "little") for number in range(max(2, len(items)))]
        self.fed = self.feed(self.items)

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        """Return what the operation takes for these plaintexts."""
        return list(items)

    def room(self, nbytes: int) -> int:
        """Return how large an output of `nbytes` of plaintext may be."""
        return nbytes

    @abstractmethod
    def one(self, acc: Accelerator) -> Callable[[], bytes]:
        """Return our call that returns bytes."""

    @abstractmethod
    def into(self, acc: Accelerator, out: Any) -> Callable[[], int]:
        """Return our call that writes into `out`."""

    @abstractmethod
    def many(self, acc: Accelerator) -> Callable[[], list[bytes]]:
        """Return our call for all items at once."""

    def bound(self, acc: Accelerator) -> Callable[[], bytes] | None:
        """Return the call of an object that was bound to its key before, None where there is no such class."""
        return None

    @abstractmethod
    def peer(self, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> PeerCalls:
        """Return the peer's calls; `outs` are the buffers they write into, if any."""

    def decoded(self, parts: Sequence[Buffer]) -> bytes:
        """Return the plaintext of an output, by the peer."""
        return b"".join(parts)


class Lz4Compress(Work):
    """LZ4 frames with each library's own default options."""

    name = "lz4.compress"
    peer_name = "lz4.frame"
    has_ratio = True

    def room(self, nbytes: int) -> int:
        return nbytes + nbytes // 255 + 1024

    def one(self, acc: Accelerator) -> Callable[[], bytes]:
        return partial(acc.compress, self.fed[0])

    def into(self, acc: Accelerator, out: Any) -> Callable[[], int]:
        return partial(acc.compress_into, self.fed[0], out)

    def many(self, acc: Accelerator) -> Callable[[], list[bytes]]:
        return lambda: acc.compress_many(self.fed)

    def peer(self, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> PeerCalls:
        return lz4.frame.compress, [(item,) for item in fed]

    def decoded(self, parts: Sequence[Buffer]) -> bytes:
        return b"".join(lz4.frame.decompress(part) for part in parts)


class Lz4Decompress(Work):
    """LZ4 frames that the peer made, of independent blocks."""

    name = "lz4.decompress"
    peer_name = "lz4.frame"

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        return [lz4.frame.compress(item, **FRAME_OPTIONS) for item in items]

    def one(self, acc: Accelerator) -> Callable[[], bytes]:
        return partial(acc.decompress, self.fed[0], "lz4")

    def into(self, acc: Accelerator, out: Any) -> Callable[[], int]:
        return partial(acc.decompress_into, self.fed[0], out, "lz4")

    def many(self, acc: Accelerator) -> Callable[[], list[bytes]]:
        return lambda: acc.decompress_many(self.fed, "lz4")

    def peer(self, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> PeerCalls:
        return lz4.frame.decompress, [(item,) for item in fed]


class Lz4DecompressLinked(Lz4Decompress):
    """LZ4 frames with the peer's defaults: every block needs the one before it."""

    name = "lz4.decompress linked"

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        return [lz4.frame.compress(item) for item in items]


class GcmEncrypt(Work):
    """AES-256-GCM with the nonce given, no associated data."""

    name = "aes-gcm.encrypt"
    peer_name = "AESGCM"
    peer_into = True

    def room(self, nbytes: int) -> int:
        return nbytes + TAG

    def one(self, acc: Accelerator) -> Callable[[], bytes]:
        return partial(acc.encrypt, self.fed[0], KEY, nonce=self.nonces[0])

    def into(self, acc: Accelerator, out: Any) -> Callable[[], int]:
        return partial(acc.encrypt_into, self.fed[0], out, KEY, nonce=self.nonces[0])

    def many(self, acc: Accelerator) -> Callable[[], list[bytes]]:
        return lambda: acc.encrypt_many(self.fed, KEY, nonces=self.nonces[: len(self.fed)])

    def bound(self, acc: Accelerator) -> Callable[[], bytes] | None:
        return partial(fpga_accel.AESGCM(KEY, acc).encrypt, self.nonces[0], self.fed[0], None)

    def peer(self, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> PeerCalls:
        cipher = AESGCM(KEY)
        if outs is None:
            return cipher.encrypt, [(nonce, item, None) for nonce, item in zip(self.nonces, fed, strict=False)]
        return cipher.encrypt_into, _with_outs(self.nonces, fed, outs)

    def decoded(self, parts: Sequence[Buffer]) -> bytes:
        cipher = AESGCM(KEY)
        return b"".join(cipher.decrypt(nonce, part, None) for nonce, part in zip(self.nonces, parts, strict=False))


class GcmDecrypt(Work):
    """AES-256-GCM of messages that the peer made."""

    name = "aes-gcm.decrypt"
    peer_name = "AESGCM"
    peer_into = True

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        cipher = AESGCM(KEY)
        return [cipher.encrypt(nonce, item, None) for nonce, item in zip(self.nonces, items, strict=False)]

    def one(self, acc: Accelerator) -> Callable[[], bytes]:
        return partial(acc.decrypt, self.fed[0], KEY, nonce=self.nonces[0])

    def into(self, acc: Accelerator, out: Any) -> Callable[[], int]:
        return partial(acc.decrypt_into, self.fed[0], out, KEY, nonce=self.nonces[0])

    def many(self, acc: Accelerator) -> Callable[[], list[bytes]]:
        return lambda: acc.decrypt_many(self.fed, KEY, nonces=self.nonces[: len(self.fed)])

    def bound(self, acc: Accelerator) -> Callable[[], bytes] | None:
        return partial(fpga_accel.AESGCM(KEY, acc).decrypt, self.nonces[0], self.fed[0], None)

    def peer(self, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> PeerCalls:
        cipher = AESGCM(KEY)
        if outs is None:
            return cipher.decrypt, [(nonce, item, None) for nonce, item in zip(self.nonces, fed, strict=False)]
        return cipher.decrypt_into, _with_outs(self.nonces, fed, outs)


class Crc32c(Work):
    """CRC-32C; checksums are compared as four bytes each."""

    name = "crc32c.checksum"
    peer_name = "google-crc32c"
    has_into = False

    def one(self, acc: Accelerator) -> Callable[[], bytes]:
        return lambda: _as_bytes(acc.checksum(self.fed[0], "crc32c"))

    def into(self, acc: Accelerator, out: Any) -> Callable[[], int]:
        raise TypeError("a checksum goes into no buffer")

    def many(self, acc: Accelerator) -> Callable[[], list[bytes]]:
        return lambda: list(map(_as_bytes, acc.checksum_many(self.fed, "crc32c")))

    def peer(self, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> PeerCalls:
        return _peer_checksum, [(item,) for item in fed]

    def decoded(self, parts: Sequence[Buffer]) -> bytes:
        # Two halves, where the peer has two threads, or the items as they are.
        fed = self.fed if len(parts) == len(self.fed) else _halves(self.fed[0])
        return self.plain if list(parts) == [_peer_checksum(item) for item in fed] else b""


def _as_bytes(checksum: int) -> bytes:
    return checksum.to_bytes(4, "big")


def _peer_checksum(data: bytes) -> bytes:
    return _as_bytes(google_crc32c.value(data))


def _halves(item: bytes) -> list[bytes]:
    return [item[: len(item) // 2], item[len(item) // 2 :]]


def _with_outs(nonces: Sequence[bytes], fed: Sequence[bytes], outs: Sequence[memoryview]) -> list[tuple[Any, ...]]:
    return [(nonce, item, None, out) for nonce, item, out in zip(nonces, fed, outs, strict=False)]
