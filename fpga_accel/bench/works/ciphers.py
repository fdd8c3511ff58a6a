"""Encryption under one key, the second of each pair decryption."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from pkgutil import resolve_name
from typing import Any, ClassVar

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, AESGCMSIV, ChaCha20Poly1305

import fpga_accel
from fpga_accel import Accelerator
from fpga_accel.bench.works.work import KEY, KIB, MIB, TAG, Buffer, Call, Work

# Two keys behind each other.
XTS_KEY = bytes(range(64))
SECTOR = 4 * KIB


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
        return partial(acc.encrypt_many, items, KEY, self.cipher, nonces=self.nonces_for(items))


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
        return partial(acc.decrypt_many, items, KEY, self.cipher, nonces=self.nonces_for(items))

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
        return partial(acc.encrypt_many, items, XTS_KEY, self.cipher, nonces=self.nonces_for(items))

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
        return partial(acc.decrypt_many, items, XTS_KEY, self.cipher, nonces=self.nonces_for(items))


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
        return partial(acc.encrypt_many, items, XTS_KEY, self.cipher, nonces=self.nonces_for(items))

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
        return partial(acc.decrypt_many, items, XTS_KEY, self.cipher, nonces=self.nonces_for(items))


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
        options = {"nonces": self.nonces_for(items)} if self.nonce_size else {}
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
