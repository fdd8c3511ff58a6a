"""XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): ChaCha20-Poly1305 with nonces of 24 bytes, that can be random."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from fpga_accel.operations.chacha20_poly1305 import KEY, ChaChaOperation
from fpga_accel.operations.sealed import Opening, Sealing

NONCE = 24
# What HChaCha20 takes of a nonce.
_FIRST = 16
_CONSTANTS = b"expand 32-byte k"
_ZEROS = bytes(64)
# The highest bit of each of eight 32-bit words, and the others.
_HIGHEST = int.from_bytes(b"\0\0\0\x80" * 8, "little")
_OTHERS = _HIGHEST ^ (2**256 - 1)


def hchacha20(key: Any, nonce: bytes) -> bytes:
    """Return the subkey for the first 16 bytes of a nonce (§2.2).

    Examples
    --------
    >>> hchacha20(bytes(32), bytes(16)).hex()[:16]
    '1140704c328d1d5d'
    """
    return _subkey(_stream(key, nonce), nonce)


def _stream(key: Any, nonce: bytes) -> Any:
    return Cipher(algorithms.ChaCha20(key, nonce), None).encryptor()


def _subkey(stream: Any, nonce: bytes) -> bytes:
    """Return the subkey from the library's key stream, at the start of which it stands.

    HChaCha20 is a block of ChaCha20 without the addition of its input at the end, of which words 0 to 3 and 12 to 15
    count: the library's block less that input, which is not secret in these places.
    """
    block = stream.update(_ZEROS)
    total = int.from_bytes(block[:16] + block[48:], "little")
    added = int.from_bytes(_CONSTANTS + nonce, "little")
    # Eight subtractions modulo 2^32 in one: no word borrows from the next while its highest bit is set.
    rest = ((total | _HIGHEST) - (added & _OTHERS)) ^ ((total ^ added ^ _HIGHEST) & _HIGHEST)
    return rest.to_bytes(KEY, "little")


class XChaCha20Poly1305:
    """The cipher from the library's parts, in the shape of the library's classes."""

    def __init__(self, key: Any) -> None:
        # For the library's checks of a key.
        ChaCha20Poly1305(key)
        self._key = bytes(key)
        # A new stream takes four times as long as another nonce for one. Each thread takes one out, or makes its own.
        self._streams: list[Any] = []

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
        whole = _checked(bytes(memoryview(nonce)))
        first = whole[:_FIRST]
        try:
            stream = self._streams.pop()
            stream.reset_nonce(first)
        except IndexError:
            stream = _stream(self._key, first)
        subkey = _subkey(stream, first)
        self._streams.append(stream)
        return ChaCha20Poly1305(subkey), _rest(whole)


def _checked(nonce: bytes) -> bytes:
    if len(nonce) != NONCE:
        raise ValueError(f"a nonce has {NONCE} bytes, not {len(nonce)}")
    return nonce


def _rest(nonce: bytes) -> bytes:
    return bytes(4) + nonce[_FIRST:]


def inner(key: bytes, nonce: bytes) -> tuple[bytes, bytes]:
    """Return key and nonce of RFC 8439 (§2.3)."""
    return hchacha20(key, _checked(nonce)[:_FIRST]), _rest(nonce)


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
