"""What is timed: one class an operation, with our calls, and how an output is judged by a stock library.

A new algorithm adds its class to `WORKS`, and its peers to `peers.PEERS`.
"""

from __future__ import annotations

import hashlib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
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

    def into(self, acc: Accelerator, out: memoryview) -> Call:
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


def digested(algorithm: str, item: bytes) -> bytes:
    """Return the digest by the stock library."""
    if algorithm == "blake3":
        return blake3(item).digest()
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
            ChaChaEncrypt,
            ChaChaDecrypt,
            XChaChaEncrypt,
            XChaChaDecrypt,
            Poly1305Mac,
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
            CompressEncrypt,
        )
    }
)
