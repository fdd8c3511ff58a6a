"""XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): ChaCha20-Poly1305 with nonces of 24 bytes, that can be random."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from fpga_accel._host import ffi, lib
from fpga_accel.operations.chacha20_poly1305 import KEY, ChaChaOperation
from fpga_accel.operations.sealed import Opening, Sealing

NONCE = 24
# What HChaCha20 takes of a nonce.
_FIRST = 16


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """Return the subkey for the first 16 bytes of a nonce (§2.2).

    Raises
    ------
    ValueError
        The key has other than 32 bytes, or the nonce other than 16.

    Examples
    --------
    >>> hchacha20(bytes(32), bytes(16)).hex()[:16]
    '1140704c328d1d5d'
    """
    if len(key) != KEY or len(nonce) != _FIRST:
        raise ValueError(f"HChaCha20 takes {KEY} and {_FIRST} bytes, not {len(key)} and {len(nonce)}")
    made = ffi.new("uint8_t[32]")
    lib.fa_hchacha20(key, nonce, made)
    subkey = bytes(ffi.buffer(made))
    lib.fa_wipe(made, KEY)
    return subkey


class XChaCha20Poly1305:
    """The cipher from the library's parts, in the shape of the library's classes."""

    def __init__(self, key: Any) -> None:
        if type(key) is not bytes or len(key) != KEY:
            # For the library's checks of a key.
            ChaCha20Poly1305(key)
        self._key = bytes(key)

    def encrypt(self, nonce: Any, data: Any, aad: Any) -> bytes:
        """Return ciphertext and tag."""
        cipher, rest = self._inner(nonce)
        return cipher.encrypt(rest, data, aad)

    def decrypt(self, nonce: Any, data: Any, aad: Any) -> bytes:
        """Return the plaintext."""
        cipher, rest = self._inner(nonce)
        return cipher.decrypt(rest, data, aad)

    def encrypt_into(self, nonce: Any, data: Any, aad: Any, buf: Any) -> int:
        """Write ciphertext and tag, and return their size."""
        cipher, rest = self._inner(nonce)
        return cipher.encrypt_into(rest, data, aad, buf)

    def decrypt_into(self, nonce: Any, data: Any, aad: Any, buf: Any) -> int:
        """Write the plaintext and return its size."""
        cipher, rest = self._inner(nonce)
        return cipher.decrypt_into(rest, data, aad, buf)

    def _inner(self, nonce: Any) -> tuple[ChaCha20Poly1305, bytes]:
        subkey, rest = inner(self._key, nonce if type(nonce) is bytes else bytes(memoryview(nonce)))
        return ChaCha20Poly1305(subkey), rest


def _checked(nonce: bytes) -> bytes:
    if len(nonce) != NONCE:
        raise ValueError(f"a nonce has {NONCE} bytes, not {len(nonce)}")
    return nonce


def inner(key: bytes, nonce: bytes) -> tuple[bytes, bytes]:
    """Return key and nonce of RFC 8439 (§2.3)."""
    return hchacha20(key, _checked(nonce)[:_FIRST]), bytes(4) + nonce[_FIRST:]


class _XChaCha(ChaChaOperation):
    algorithm = "xchacha20-poly1305"
    entry = "xchacha20_poly1305"
    nonce_size = NONCE
    nonce_sizes = range(NONCE, NONCE + 1)
    library_class = XChaCha20Poly1305

    def inner(self, key: bytes, nonce: bytes) -> tuple[bytes, bytes]:
        return inner(key, nonce)


class XChaChaEncrypt(_XChaCha, Sealing):
    """``xchacha20-poly1305.encrypt``."""


class XChaChaDecrypt(_XChaCha, Opening):
    """``xchacha20-poly1305.decrypt``."""
