"""What is timed: one class an operation, with our calls, and how an output is judged by a stock library.

A new algorithm adds its class to `WORKS`, and its peers to `peers.PEERS`.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Any, ClassVar

import google_crc32c
import lz4.frame
import xxhash
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, AESGCMSIV, ChaCha20Poly1305
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.poly1305 import Poly1305

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
# Two keys behind each other.
XTS_KEY = bytes(range(64))
SECTOR = 4 * KIB
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


class ChaChaEncrypt(Encrypt):
    """ChaCha20-Poly1305."""

    name = "chacha20-poly1305.encrypt"
    operations = ("chacha20-poly1305.encrypt",)
    cipher = "chacha20-poly1305"
    grown = TAG

    def bound(self, acc: Accelerator) -> Call:
        return partial(fpga_accel.ChaCha20Poly1305(KEY, acc).encrypt, self.nonce(0), self.fed[0], None)

    def bound_into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(fpga_accel.ChaCha20Poly1305(KEY, acc).encrypt_into, self.nonce(0), self.fed[0], None, out)

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return ChaCha20Poly1305(KEY).decrypt(self.nonce(index), part, None) == item


class ChaChaDecrypt(Decrypt):
    """ChaCha20-Poly1305."""

    name = "chacha20-poly1305.decrypt"
    operations = ("chacha20-poly1305.decrypt",)
    cipher = "chacha20-poly1305"
    grown = TAG

    def message(self, nonce: bytes, item: bytes) -> bytes:
        return ChaCha20Poly1305(KEY).encrypt(nonce, item, None)

    def bound(self, acc: Accelerator) -> Call:
        return partial(fpga_accel.ChaCha20Poly1305(KEY, acc).decrypt, self.nonce(0), self.fed[0], None)

    def bound_into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(fpga_accel.ChaCha20Poly1305(KEY, acc).decrypt_into, self.nonce(0), self.fed[0], None, out)


class XChaChaEncrypt(Encrypt):
    """XChaCha20-Poly1305."""

    name = "xchacha20-poly1305.encrypt"
    operations = ("xchacha20-poly1305.encrypt",)
    cipher = "xchacha20-poly1305"
    nonce_size = 24
    grown = TAG

    def bound(self, acc: Accelerator) -> Call:
        return partial(fpga_accel.XChaCha20Poly1305(KEY, acc).encrypt, self.nonce(0), self.fed[0], None)

    def bound_into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(fpga_accel.XChaCha20Poly1305(KEY, acc).encrypt_into, self.nonce(0), self.fed[0], None, out)

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bool(_sodium("encrypt")(item, None, self.nonce(index), KEY) == bytes(part))


class XChaChaDecrypt(Decrypt):
    """XChaCha20-Poly1305."""

    name = "xchacha20-poly1305.decrypt"
    operations = ("xchacha20-poly1305.decrypt",)
    cipher = "xchacha20-poly1305"
    nonce_size = 24
    grown = TAG

    def message(self, nonce: bytes, item: bytes) -> bytes:
        return bytes(_sodium("encrypt")(item, None, nonce, KEY))

    def bound(self, acc: Accelerator) -> Call:
        return partial(fpga_accel.XChaCha20Poly1305(KEY, acc).decrypt, self.nonce(0), self.fed[0], None)

    def bound_into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(fpga_accel.XChaCha20Poly1305(KEY, acc).decrypt_into, self.nonce(0), self.fed[0], None, out)


def _sodium(way: str) -> Any:
    """Return libsodium's XChaCha20-Poly1305 in one direction; only benchmarks have it."""
    return resolve_name(f"nacl.bindings:crypto_aead_xchacha20poly1305_ietf_{way}")


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


def padded(item: Buffer) -> bytes:
    """Return a plaintext with the padding of PKCS#7 behind it."""
    size = 16 - len(item) % 16
    return b"".join((item, bytes([size]) * size))


def _block_chain(nonce: bytes, item: Buffer) -> bytes:
    return Cipher(algorithms.AES(KEY), modes.CBC(nonce)).encryptor().update(padded(item))


class CbcEncrypt(Encrypt):
    """AES-256-CBC with padding: serial in each message."""

    name = "aes-cbc.encrypt"
    operations = ("aes-cbc.encrypt",)
    cipher = "aes-cbc"
    nonce_size = 16
    grown = 16
    batches = (*Work.batches, (4096, 16 * KIB))

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == _block_chain(self.nonce(index), item)


class CbcDecrypt(Decrypt):
    """AES-256-CBC with padding."""

    name = "aes-cbc.decrypt"
    operations = ("aes-cbc.decrypt",)
    cipher = "aes-cbc"
    nonce_size = 16

    def message(self, nonce: bytes, item: bytes) -> bytes:
        return _block_chain(nonce, item)


class CcmEncrypt(Encrypt):
    """AES-256-CCM with nonces of 11 bytes, which leave room for any length."""

    name = "aes-ccm.encrypt"
    operations = ("aes-ccm.encrypt",)
    cipher = "aes-ccm"
    nonce_size = 11
    grown = TAG

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return AESCCM(KEY).decrypt(self.nonce(index), bytes(part), None) == item


class CcmDecrypt(Decrypt):
    """AES-256-CCM with nonces of 11 bytes."""

    name = "aes-ccm.decrypt"
    operations = ("aes-ccm.decrypt",)
    cipher = "aes-ccm"
    nonce_size = 11
    grown = TAG

    def message(self, nonce: bytes, item: bytes) -> bytes:
        return AESCCM(KEY).encrypt(nonce, item, None)


class GcmSivEncrypt(Encrypt):
    """AES-256-GCM-SIV."""

    name = "aes-gcm-siv.encrypt"
    operations = ("aes-gcm-siv.encrypt",)
    cipher = "aes-gcm-siv"
    grown = TAG

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == AESGCMSIV(KEY).encrypt(self.nonce(index), item, None)


class GcmSivDecrypt(Decrypt):
    """AES-256-GCM-SIV."""

    name = "aes-gcm-siv.decrypt"
    operations = ("aes-gcm-siv.decrypt",)
    cipher = "aes-gcm-siv"
    grown = TAG

    def message(self, nonce: bytes, item: bytes) -> bytes:
        return AESGCMSIV(KEY).encrypt(nonce, item, None)


def _data_unit(tweak: bytes, data: Buffer) -> bytes:
    return Cipher(algorithms.AES(XTS_KEY), modes.XTS(tweak)).encryptor().update(data)


class XtsEncrypt(Encrypt):
    """AES-256-XTS, each message a data unit."""

    name = "aes-xts.encrypt"
    operations = ("aes-xts.encrypt",)
    cipher = "aes-xts"
    nonce_size = 16
    sizes = (64, KIB, 4 * KIB, 64 * KIB, MIB, 16 * MIB)

    def __init__(self, items: Sequence[bytes]) -> None:
        # A data unit has at least a block.
        super().__init__([bytes(item).ljust(16, b"\0") for item in items])

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.encrypt, self.fed[0], XTS_KEY, self.cipher, nonce=self.nonce(0))

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(acc.encrypt_into, self.fed[0], out, XTS_KEY, self.cipher, nonce=self.nonce(0))

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.encrypt_many, items, XTS_KEY, self.cipher, nonces=self.nonces(len(items)))

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == _data_unit(self.nonce(index), item)


class XtsDecrypt(Decrypt):
    """AES-256-XTS, each message a data unit."""

    name = "aes-xts.decrypt"
    operations = ("aes-xts.decrypt",)
    cipher = "aes-xts"
    nonce_size = 16
    sizes = XtsEncrypt.sizes

    def __init__(self, items: Sequence[bytes]) -> None:
        # A data unit has at least a block.
        super().__init__([bytes(item).ljust(16, b"\0") for item in items])

    def message(self, nonce: bytes, item: bytes) -> bytes:
        return _data_unit(nonce, item)

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.decrypt, self.fed[0], XTS_KEY, self.cipher, nonce=self.nonce(0))

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(acc.decrypt_into, self.fed[0], out, XTS_KEY, self.cipher, nonce=self.nonce(0))

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.decrypt_many, items, XTS_KEY, self.cipher, nonces=self.nonces(len(items)))


def _sectors(first: int, item: bytes) -> bytes:
    """Encrypt sectors by the stock library, the first with this number."""
    parts = (item[at : at + SECTOR] for at in range(0, len(item), SECTOR))
    return b"".join(_data_unit(number.to_bytes(16, "little"), part) for number, part in enumerate(parts, first))


class SectorsEncrypt(Encrypt):
    """AES-256-XTS of sectors of 4 KiB, all of an input in one call."""

    name = "aes-xts-sectors.encrypt"
    operations = ("aes-xts-sectors.encrypt",)
    cipher = "aes-xts-sectors"
    nonce_size = 16
    sizes = (4 * KIB, 64 * KIB, 256 * KIB, MIB, 64 * MIB)
    batches = ()

    def __init__(self, items: Sequence[bytes]) -> None:
        # Whole sectors.
        super().__init__([bytes(item).ljust(-(-len(item) // SECTOR) * SECTOR, b"\0") for item in items])

    def one(self, acc: Accelerator) -> Call:
        return partial(fpga_accel.AESXTS(XTS_KEY, acc).encrypt_sectors, self.fed[0], 0)

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(fpga_accel.AESXTS(XTS_KEY, acc).encrypt_sectors_into, self.fed[0], 0, out)

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.encrypt_many, items, XTS_KEY, self.cipher, nonces=self.nonces(len(items)))

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == _sectors(index, item)


class SectorsDecrypt(Decrypt):
    """AES-256-XTS of sectors of 4 KiB, all of an input in one call."""

    name = "aes-xts-sectors.decrypt"
    operations = ("aes-xts-sectors.decrypt",)
    cipher = "aes-xts-sectors"
    nonce_size = 16
    sizes = SectorsEncrypt.sizes
    batches = ()

    def __init__(self, items: Sequence[bytes]) -> None:
        # Whole sectors.
        super().__init__([bytes(item).ljust(-(-len(item) // SECTOR) * SECTOR, b"\0") for item in items])

    def message(self, nonce: bytes, item: bytes) -> bytes:
        return _sectors(int.from_bytes(nonce, "little"), item)

    def one(self, acc: Accelerator) -> Call:
        return partial(fpga_accel.AESXTS(XTS_KEY, acc).decrypt_sectors, self.fed[0], 0)

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(fpga_accel.AESXTS(XTS_KEY, acc).decrypt_sectors_into, self.fed[0], 0, out)

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.decrypt_many, items, XTS_KEY, self.cipher, nonces=self.nonces(len(items)))


class Checksum(Work):
    """A checksum, which a stock library calculates too."""

    algorithm: ClassVar[str]
    kinds = ("text",)
    # Bytes of the number.
    width: ClassVar[int] = 4

    @abstractmethod
    def reference(self, item: bytes) -> int:
        """Return the checksum by a stock library."""

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.checksum, self.fed[0], self.algorithm)

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.checksum_many, items, self.algorithm)

    def part(self, returned: int) -> Buffer:
        return int(returned).to_bytes(self.width, "big")

    def parts(self, returned: Any) -> Sequence[Buffer]:
        return [self.part(checksum) for checksum in returned]

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bool(part == self.part(self.reference(item)))


class Crc32c(Checksum):
    """CRC-32C."""

    name = "crc32c.checksum"
    operations = ("crc32c.checksum",)
    algorithm = "crc32c"

    def reference(self, item: bytes) -> int:
        return int(google_crc32c.value(item))


class Crc32(Checksum):
    """CRC-32, that of gzip."""

    name = "crc32.checksum"
    operations = ("crc32.checksum",)
    algorithm = "crc32"

    def reference(self, item: bytes) -> int:
        return zlib.crc32(item)


class Crc64Nvme(Checksum):
    """CRC-64/NVME."""

    name = "crc64-nvme.checksum"
    operations = ("crc64-nvme.checksum",)
    algorithm = "crc64-nvme"
    width = 8

    def reference(self, item: bytes) -> int:
        return int(resolve_name("awscrt.checksums:crc64nvme")(item))


class Adler32(Checksum):
    """Adler-32."""

    name = "adler32.checksum"
    operations = ("adler32.checksum",)
    algorithm = "adler32"

    def reference(self, item: bytes) -> int:
        return zlib.adler32(item)


class Xxh32(Checksum):
    """XXH32."""

    name = "xxh32.checksum"
    operations = ("xxh32.checksum",)
    algorithm = "xxh32"

    def reference(self, item: bytes) -> int:
        return xxhash.xxh32_intdigest(item)


class Xxh64(Checksum):
    """XXH64."""

    name = "xxh64.checksum"
    operations = ("xxh64.checksum",)
    algorithm = "xxh64"
    width = 8

    def reference(self, item: bytes) -> int:
        return xxhash.xxh64_intdigest(item)


class Xxh3(Checksum):
    """XXH3 of 64 bits."""

    name = "xxh3-64.checksum"
    operations = ("xxh3-64.checksum",)
    algorithm = "xxh3-64"
    width = 8

    def reference(self, item: bytes) -> int:
        return xxhash.xxh3_64_intdigest(item)


class Digest(Work):
    """A hash."""

    # As the registry and the stock library name it.
    algorithm: ClassVar[str]

    def __init_subclass__(cls) -> None:
        if "algorithm" in vars(cls):
            cls.name = f"{cls.algorithm}.digest"
            cls.operations = (cls.name,)

    def room(self, nbytes: int) -> int:
        return len(digested(self.algorithm, b""))

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.digest, self.fed[0], self.algorithm)

    def into(self, acc: Accelerator, out: memoryview) -> Call | None:
        return partial(acc.digest_into, self.fed[0], out, self.algorithm)

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.digest_many, items, self.algorithm)

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == digested(self.algorithm, item)


class Sha256(Digest):
    """SHA-256."""

    algorithm = "sha256"
    sizes = (64, KIB, 64 * KIB, 64 * MIB)


class Sm3(Sha256):
    """SM3."""

    algorithm = "sm3"


class Sha1(Digest):
    """SHA-1."""

    algorithm = "sha1"
    sizes = (4 * KIB,)
    batches = ((100, 4 * KIB), (10_000, 4 * KIB))


class Sha224(Sha1):
    """SHA-224."""

    algorithm = "sha224"


class Sha384(Sha1):
    """SHA-384."""

    algorithm = "sha384"


class Sha512(Sha1):
    """SHA-512."""

    algorithm = "sha512"


class Sha3(Digest):
    """SHA3-256."""

    algorithm = "sha3-256"
    sizes = Sha256.sizes


class Blake2b(Digest):
    """BLAKE2b."""

    algorithm = "blake2b"
    sizes = Sha256.sizes


class Blake2s(Sha1):
    """BLAKE2s."""

    algorithm = "blake2s"


class Blake3(Digest):
    """BLAKE3."""

    algorithm = "blake3"


class Sha3224(Sha1):
    """SHA3-224."""

    algorithm = "sha3-224"


class Sha3384(Sha1):
    """SHA3-384."""

    algorithm = "sha3-384"


class Sha3512(Sha1):
    """SHA3-512."""

    algorithm = "sha3-512"


class Shake128(Sha1):
    """SHAKE128 with 32 bytes of output."""

    algorithm = "shake128"

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.digest, self.fed[0], self.algorithm, length=32)

    def into(self, acc: Accelerator, out: memoryview) -> Call | None:
        return None

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.digest_many, items, self.algorithm, length=32)


class Shake256(Shake128):
    """SHAKE256 with 32 bytes of output."""

    algorithm = "shake256"


def digested(algorithm: str, item: bytes) -> bytes:
    """Return the digest by the stock library."""
    if algorithm == "blake3":
        return blake3(item).digest()
    if algorithm.startswith("shake"):
        return bytes(getattr(hashlib, algorithm.replace("shake", "shake_"))(item).digest(32))
    if algorithm != "sm3":
        return hashlib.new(algorithm.replace("-", "_"), item).digest()
    sm3 = hashes.Hash(hashes.SM3())
    sm3.update(item)
    return sm3.finalize()


class Mac(Work):
    """A message authentication code under one key."""

    # As the registry names it.
    algorithm: ClassVar[str]

    def __init_subclass__(cls) -> None:
        if "algorithm" in vars(cls):
            cls.name = f"{cls.algorithm}.mac"
            cls.operations = (cls.name,)

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.mac, self.fed[0], KEY, self.algorithm)

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(acc.mac_into, self.fed[0], out, KEY, self.algorithm)

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.mac_many, items, KEY, self.algorithm)


class Hmac(Mac):
    """HMAC; `hash` is its hash as the stock library has it."""

    hash: ClassVar[type[hashes.HashAlgorithm]]
    sizes: ClassVar[tuple[int, ...]] = Sha1.sizes
    batches: ClassVar[tuple[tuple[int, int], ...]] = Sha1.batches

    def room(self, nbytes: int) -> int:
        return self.hash().digest_size

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        code = HMAC(KEY, self.hash())
        code.update(item)
        return bytes(part) == code.finalize()


class HmacSha256(Hmac):
    """HMAC-SHA256."""

    algorithm, hash = "hmac-sha256", hashes.SHA256
    sizes = Sha256.sizes
    batches = Work.batches


class HmacSha1(Hmac):
    """HMAC-SHA1."""

    algorithm, hash = "hmac-sha1", hashes.SHA1


class HmacSha224(Hmac):
    """HMAC-SHA224."""

    algorithm, hash = "hmac-sha224", hashes.SHA224


class HmacSha384(Hmac):
    """HMAC-SHA384."""

    algorithm, hash = "hmac-sha384", hashes.SHA384


class HmacSha512(Hmac):
    """HMAC-SHA512."""

    algorithm, hash = "hmac-sha512", hashes.SHA512


class HmacSm3(Hmac):
    """HMAC-SM3."""

    algorithm, hash = "hmac-sm3", hashes.SM3


class Poly1305Mac(Mac):
    """Poly1305; that all messages have one key makes no difference to its speed, and must not be done elsewhere."""

    algorithm = "poly1305"

    def room(self, nbytes: int) -> int:
        return TAG

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == Poly1305.generate_tag(KEY, item)


class Cmac(Mac):
    """CMAC over AES-256."""

    algorithm = "cmac-aes"

    def room(self, nbytes: int) -> int:
        return TAG

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        code = CMAC(algorithms.AES(KEY))
        code.update(item)
        return bytes(part) == code.finalize()


class Gmac(Mac):
    """GMAC over AES-256."""

    algorithm = "gmac"

    def room(self, nbytes: int) -> int:
        return TAG

    def one(self, acc: Accelerator) -> Call:
        return partial(acc.mac, self.fed[0], KEY, self.algorithm, nonce=self.nonce(0))

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        return partial(acc.mac_into, self.fed[0], out, KEY, self.algorithm, nonce=self.nonce(0))

    def many(self, acc: Accelerator, items: Any) -> Call:
        return partial(acc.mac_many, items, KEY, self.algorithm, nonces=self.nonces(len(items)))

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == AESGCM(KEY).encrypt(self.nonce(index), b"", item)


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


class StockHmac(Mac):
    """HMAC over a hash that Python's own ``hmac`` knows."""

    sizes: ClassVar[tuple[int, ...]] = Sha1.sizes
    batches: ClassVar[tuple[tuple[int, int], ...]] = Sha1.batches

    def room(self, nbytes: int) -> int:
        return len(self._tag(b""))

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == self._tag(item)

    def _tag(self, item: bytes) -> bytes:
        return hmac.digest(KEY, item, self.algorithm.removeprefix("hmac-").replace("-", "_"))


class HmacSha3224(StockHmac):
    """HMAC over sha3-224."""

    algorithm = "hmac-sha3-224"


class HmacSha3256(StockHmac):
    """HMAC over sha3-256."""

    algorithm = "hmac-sha3-256"


class HmacSha3384(StockHmac):
    """HMAC over sha3-384."""

    algorithm = "hmac-sha3-384"


class HmacSha3512(StockHmac):
    """HMAC over sha3-512."""

    algorithm = "hmac-sha3-512"


class HmacBlake2b(StockHmac):
    """HMAC over blake2b."""

    algorithm = "hmac-blake2b"


class HmacBlake2s(StockHmac):
    """HMAC over blake2s."""

    algorithm = "hmac-blake2s"


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


class Sm4Work(CipherWork):
    """SM4 under one key, in the mode and direction that the name tells."""

    key = KEY[:16]

    def __init__(self, items: Sequence[bytes]) -> None:
        # ECB takes whole blocks.
        whole = 16 if self.cipher == "sm4-ecb" else 1
        super().__init__([item + bytes(-len(item) % whole) for item in items])

    @property
    def encrypts(self) -> bool:
        """Whether it is encryption."""
        return self.name.endswith(".encrypt")

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        return list(items) if self.encrypts else [self.message(index, item) for index, item in enumerate(items)]

    def room(self, nbytes: int) -> int:
        return nbytes + self.grown if self.encrypts else nbytes

    def context(self, index: int, tag: bytes | None = None) -> Any:
        """Return the stock library's context for the item at `index`; with a tag, for decryption."""
        mode: Any = {"ecb": modes.ECB, "ctr": modes.CTR, "cbc": modes.CBC, "gcm": modes.GCM}[self.cipher[-3:]]
        nonce = [self.nonce(index)] if self.nonce_size else []
        cipher = Cipher(algorithms.SM4(self.key), mode(*nonce, *([tag] if tag and self.cipher == "sm4-gcm" else [])))
        return cipher.encryptor() if tag is None else cipher.decryptor()

    def message(self, index: int, item: bytes) -> bytes:
        """Return the message of a plaintext, by the stock library."""
        context = self.context(index)
        fill = 16 - len(item) % 16 if self.cipher == "sm4-cbc" else 0
        sealed: bytes = context.update(item + bytes([fill]) * fill) + context.finalize()
        return sealed + context.tag if self.cipher == "sm4-gcm" else sealed

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == (self.message(index, item) if self.encrypts else item)

    def _options(self) -> dict[str, Any]:
        return {"nonce": self.nonce(0)} if self.nonce_size else {}

    def one(self, acc: Accelerator) -> Call:
        call = acc.encrypt if self.encrypts else acc.decrypt
        return partial(call, self.fed[0], self.key, self.cipher, **self._options())

    def into(self, acc: Accelerator, out: memoryview) -> Call:
        call = acc.encrypt_into if self.encrypts else acc.decrypt_into
        return partial(call, self.fed[0], out, self.key, self.cipher, **self._options())

    def many(self, acc: Accelerator, items: Any) -> Call:
        call: Any = acc.encrypt_many if self.encrypts else acc.decrypt_many
        options = {"nonces": self.nonces(len(items))} if self.nonce_size else {}
        return partial(call, items, self.key, self.cipher, **options)


def _sm4(name: str, nonce_size: int, grown: int = 0) -> type[Sm4Work]:
    """Make the work of a mode and direction."""
    fields = {
        "name": name,
        "operations": (name,),
        "cipher": name.split(".", maxsplit=1)[0],
        "nonce_size": nonce_size,
        "grown": grown,
        "__doc__": f"{name.split('.', maxsplit=1)[0].upper()}.",
    }
    return type(name, (Sm4Work,), fields)


SM4_WORKS = (
    _sm4("sm4-ecb.encrypt", 0),
    _sm4("sm4-ecb.decrypt", 0),
    _sm4("sm4-ctr.encrypt", 16),
    _sm4("sm4-ctr.decrypt", 16),
    _sm4("sm4-cbc.encrypt", 16, 16),
    _sm4("sm4-cbc.decrypt", 16),
    _sm4("sm4-gcm.encrypt", 12, TAG),
    _sm4("sm4-gcm.decrypt", 12),
)


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
            ChaChaEncrypt,
            ChaChaDecrypt,
            XChaChaEncrypt,
            XChaChaDecrypt,
            Poly1305Mac,
            CbcEncrypt,
            CbcDecrypt,
            CcmEncrypt,
            CcmDecrypt,
            GcmSivEncrypt,
            GcmSivDecrypt,
            XtsEncrypt,
            XtsDecrypt,
            SectorsEncrypt,
            SectorsDecrypt,
            Cmac,
            Gmac,
            Crc32c,
            Sha1,
            Sha224,
            Sha256,
            Sha384,
            Sha512,
            Sm3,
            Sha3,
            Blake2b,
            Blake2s,
            Blake3,
            Sha3224,
            Sha3384,
            Sha3512,
            Shake128,
            Shake256,
            HmacSha3224,
            HmacSha3256,
            HmacSha3384,
            HmacSha3512,
            HmacBlake2b,
            HmacBlake2s,
            HmacSha1,
            HmacSha224,
            HmacSha256,
            HmacSha384,
            HmacSha512,
            HmacSm3,
            Crc32,
            Crc64Nvme,
            Adler32,
            Xxh32,
            Xxh64,
            Xxh3,
            *SM4_WORKS,
            CompressEncrypt,
            Seal,
            Unseal,
        )
    }
)
