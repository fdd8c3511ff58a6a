"""Message authentication codes under one key."""

from __future__ import annotations

import hmac
from functools import partial
from typing import Any, ClassVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.poly1305 import Poly1305

from fpga_accel import Accelerator
from fpga_accel.bench.works.digests import Sha1, Sha256
from fpga_accel.bench.works.work import KEY, TAG, Buffer, Call, Work


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
        return partial(acc.mac_many, items, KEY, self.algorithm, nonces=self.nonces_for(items))

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == AESGCM(KEY).encrypt(self.nonce(index), b"", item)
