"""What is timed: one class an operation, with our calls, and how an output is judged by a stock library.

A new algorithm adds its class to `WORKS`, and its peers to `peers.PEERS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, ClassVar

import google_crc32c
import lz4.frame
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import fpga_accel
from fpga_accel import Accelerator
from fpga_accel.bench import inputs
from fpga_accel.operations import registry

# What a library takes and gives: bytes, a memoryview, or a buffer type of its own.
Buffer = Any
Call = Callable[[], Any]

KIB, MIB = 1 << 10, 1 << 20
TAG = 16
KEY = bytes(range(32))
# Blocks that can be decoded side by side, of the size that the library has between its least and its largest two.
FRAME_OPTIONS = MappingProxyType({"block_linked": False, "block_size": lz4.frame.BLOCKSIZE_MAX256KB})
# What the judges raise on bytes that they cannot decode.
UNDECODABLE = (RuntimeError, InvalidTag, ValueError)


class Work(ABC):
    """One operation on a list of plaintexts; a list of one is a single call.

    A call that this operation does not have is None.

    Parameters
    ----------
    items
        Plaintexts.
    """

    # As cases and peers name it; that of the registry, or one of several works of the same operation.
    name: ClassVar[str]
    # The operations of the registry that it needs.
    operations: ClassVar[tuple[str, ...]]
    # Kinds of data that differ in speed; others are not worth a case.
    kinds: ClassVar[tuple[str, ...]] = (inputs.RANDOM,)
    # Sizes of single inputs; items and their size of batches.
    sizes: ClassVar[tuple[int, ...]] = (64, KIB, 4 * KIB, 64 * KIB, MIB, 64 * MIB, 256 * MIB)
    batches: ClassVar[tuple[tuple[int, int], ...]] = ((100, 256), (100, 4 * KIB), (10_000, 256), (10_000, 4 * KIB))
    # Whether time a byte is followed up to the largest inputs.
    grows: ClassVar[bool] = False
    # Whether a compression ratio says anything.
    has_ratio: ClassVar[bool] = False
    nonce_size: ClassVar[int] = 12

    def __init__(self, items: Sequence[bytes]) -> None:
        self.items = list(items)
        self.nbytes = sum(map(len, self.items))
        self.fed = self.feed(self.items)

    @classmethod
    def missing(cls) -> str:
        """Tell why this package cannot do it, "" where it can."""
        absent = [name for name in cls.operations if name not in registry.OPERATIONS]
        return f"there is no operation {absent[0]}" if absent else ""

    @classmethod
    def is_main(cls) -> bool:
        """Whether it is the usual work of its operations, not a special one."""
        return cls.name == " > ".join(cls.operations)

    def nonce(self, index: int) -> bytes:
        """Return the nonce of the message at `index`."""
        return index.to_bytes(self.nonce_size, "little")

    def nonces(self, count: int) -> list[bytes]:
        """Return the nonces of so many messages."""
        return [self.nonce(index) for index in range(count)]

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        """Return what the operation takes for these plaintexts."""
        return list(items)

    def room(self, nbytes: int) -> int:
        """Return how large an output for `nbytes` of plaintext may be."""
        return nbytes

    def one(self, acc: Accelerator) -> Call | None:
        """Return our call for one item, that gives new bytes."""
        return None

    def into(self, acc: Accelerator, out: memoryview) -> Call | None:
        """Return our call for one item that writes into `out`."""
        return None

    def bound(self, acc: Accelerator) -> Call | None:
        """Return `one` of an object that was bound to its key before."""
        return None

    def bound_into(self, acc: Accelerator, out: memoryview) -> Call | None:
        """Return `into` of an object that was bound to its key before."""
        return None

    @abstractmethod
    def many(self, acc: Accelerator, items: Any) -> Call | None:
        """Return our call for all items, given as a list or as a `Batch`."""

    def parts(self, returned: Any) -> Sequence[Buffer]:
        """Return the outputs that a call for many items returned."""
        return list(returned)

    def part(self, returned: Any) -> Buffer:
        """Return the output that a call for one item returned."""
        return returned

    @abstractmethod
    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        """Whether a stock library makes `item` of the output for the item at `index`, or the reverse.

        Raises
        ------
        UNDECODABLE
            It cannot.
        """


class Lz4Compress(Work):
    """LZ4 frames with each library's own default options."""

    name = "lz4.compress"
    operations = ("lz4.compress",)
    kinds: ClassVar[tuple[str, ...]] = ("text", "table", "binary", "markup", inputs.RANDOM)
    grows = True
    has_ratio = True

    def room(self, nbytes: int) -> int:
        return nbytes + nbytes // 255 + 1024

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.compress, self.fed[0])

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(acc.compress_into, self.fed[0], out)

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.compress_many, items)

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bool(lz4.frame.decompress(part) == item)


class Lz4Decompress(Work):
    """LZ4 frames that the stock library made, of independent blocks."""

    name = "lz4.decompress"
    operations = ("lz4.decompress",)
    kinds: ClassVar[tuple[str, ...]] = Lz4Compress.kinds

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        return [lz4.frame.compress(item, **FRAME_OPTIONS) for item in items]

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.decompress, self.fed[0], "lz4")

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(acc.decompress_into, self.fed[0], out, "lz4")

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.decompress_many, items, "lz4")

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == item


class Lz4DecompressLinked(Lz4Decompress):
    """LZ4 frames with the stock library's defaults: every block needs the one before it."""

    name = "lz4.decompress linked"
    kinds = ("text",)
    sizes = (MIB, 64 * MIB)
    batches = ()

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        return [lz4.frame.compress(item) for item in items]


class CipherWork(Work):
    """A cipher under one key, with nonces given and no associated data."""

    cipher: ClassVar[str]
    # Bytes that a message has more than its plaintext.
    grown: ClassVar[int] = 0


class Encrypt(CipherWork):
    """Plaintexts are encrypted."""

    grows = True

    def room(self, nbytes: int) -> int:
        return nbytes + self.grown

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.encrypt, self.fed[0], KEY, self.cipher, nonce=self.nonce(0))

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(acc.encrypt_into, self.fed[0], out, KEY, self.cipher, nonce=self.nonce(0))

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.encrypt_many, items, KEY, self.cipher, nonces=self.nonces(len(items)))


class Decrypt(CipherWork):
    """Messages that the stock library made are decrypted."""

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        return [self.message(nonce, item) for nonce, item in zip(self.nonces(len(items)), items, strict=True)]

    @abstractmethod
    def message(self, nonce: bytes, item: bytes) -> bytes:
        """Return the message of a plaintext, by the stock library."""

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.decrypt, self.fed[0], KEY, self.cipher, nonce=self.nonce(0))

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(acc.decrypt_into, self.fed[0], out, KEY, self.cipher, nonce=self.nonce(0))

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.decrypt_many, items, KEY, self.cipher, nonces=self.nonces(len(items)))

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == item


class GcmEncrypt(Encrypt):
    """AES-256-GCM."""

    name = "aes-gcm.encrypt"
    operations = ("aes-gcm.encrypt",)
    cipher = "aes-gcm"
    grown = TAG

    def bound(self, acc: Accelerator) -> Call:
        return partial(fpga_accel.AESGCM(KEY, acc).encrypt, self.nonce(0), self.fed[0], None)

    def bound_into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(fpga_accel.AESGCM(KEY, acc).encrypt_into, self.nonce(0), self.fed[0], None, out)

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return AESGCM(KEY).decrypt(self.nonce(index), part, None) == item


class GcmDecrypt(Decrypt):
    """AES-256-GCM."""

    name = "aes-gcm.decrypt"
    operations = ("aes-gcm.decrypt",)
    cipher = "aes-gcm"
    grown = TAG

    def message(self, nonce: bytes, item: bytes) -> bytes:
        return AESGCM(KEY).encrypt(nonce, item, None)

    def bound(self, acc: Accelerator) -> Call:
        return partial(fpga_accel.AESGCM(KEY, acc).decrypt, self.nonce(0), self.fed[0], None)

    def bound_into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(fpga_accel.AESGCM(KEY, acc).decrypt_into, self.nonce(0), self.fed[0], None, out)


def _ctr(nonce: bytes, data: Buffer) -> bytes:
    """Encrypt or decrypt with the stock library: in counter mode they are the same."""
    return Cipher(algorithms.AES(KEY), modes.CTR(nonce)).encryptor().update(data)


class CtrEncrypt(Encrypt):
    """AES-256-CTR."""

    name = "aes-ctr.encrypt"
    operations = ("aes-ctr.encrypt",)
    cipher = "aes-ctr"
    nonce_size = 16

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return _ctr(self.nonce(index), part) == item


class CtrDecrypt(Decrypt):
    """AES-256-CTR."""

    name = "aes-ctr.decrypt"
    operations = ("aes-ctr.decrypt",)
    cipher = "aes-ctr"
    nonce_size = 16

    def message(self, nonce: bytes, item: bytes) -> bytes:
        return _ctr(nonce, item)


class Crc32c(Work):
    """CRC-32C."""

    name = "crc32c.checksum"
    operations = ("crc32c.checksum",)
    kinds = ("text",)

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.checksum, self.fed[0], "crc32c")

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.checksum_many, items, "crc32c")

    def part(self, returned: int) -> Buffer:
        return int(returned).to_bytes(4, "big")

    def parts(self, returned: Any) -> Sequence[Buffer]:
        return [self.part(checksum) for checksum in returned]

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bool(part == google_crc32c.value(item).to_bytes(4, "big"))


class Sealed(Work):
    """Age files for one recipient (c2sp.org/age)."""

    operations = ("chacha20-poly1305.encrypt",)
    # Smaller ones are X25519's time.
    sizes = (64 * KIB, MIB, 64 * MIB)
    batches = ()
    # That of the examples in the specification.
    identity = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
    recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

    @classmethod
    def missing(cls) -> str:
        absent = "" if find_spec("pyrage") else "pyrage, the judge, is not installed"
        return super().missing() or absent

    @abstractmethod
    def call(self, acc: Accelerator, item: Buffer) -> bytes:
        """Do one item."""

    def one(self, acc: Accelerator) -> Call:
        return partial(self.call, acc, self.fed[0])

    def many(self, acc: Accelerator, items: Any) -> Call:
        return lambda: [self.call(acc, item) for item in items]


class Seal(Sealed):
    """Contents are sealed."""

    name = "age.seal"

    def call(self, acc: Accelerator, item: Buffer) -> bytes:
        return acc.seal(item, recipients=self.recipient)

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        import pyrage

        return bool(pyrage.decrypt(bytes(part), [pyrage.x25519.Identity.from_str(self.identity)]) == item)


class Unseal(Sealed):
    """Files that the stock library made are opened."""

    name = "age.unseal"

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        import pyrage

        return [pyrage.encrypt(item, [pyrage.x25519.Recipient.from_str(self.recipient)]) for item in items]

    def call(self, acc: Accelerator, item: Buffer) -> bytes:
        return acc.unseal(item, identities=self.identity)

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == item


class CompressEncrypt(Work):
    """LZ4 frames, each encrypted with AES-256-GCM, in one chain."""

    name = "lz4.compress > aes-gcm.encrypt"
    operations = ("lz4.compress", "aes-gcm.encrypt")
    kinds = ("text",)
    sizes = ()
    batches = ((4096, 16 * KIB),)
    has_ratio = True

    def many(self, acc: Accelerator, items: Any) -> Call | None:
        plan = acc.chain(*self.operations)
        return partial(plan.many, items, key=KEY, nonces=self.nonces(len(items)))

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        frame = AESGCM(KEY).decrypt(self.nonce(index), part, None)
        return bool(lz4.frame.decompress(frame) == item)


WORKS: Mapping[str, type[Work]] = MappingProxyType(
    {
        work.name: work
        for work in (
            Lz4Compress,
            Lz4Decompress,
            Lz4DecompressLinked,
            GcmEncrypt,
            GcmDecrypt,
            CtrEncrypt,
            CtrDecrypt,
            Crc32c,
            CompressEncrypt,
            Seal,
            Unseal,
        )
    }
)
