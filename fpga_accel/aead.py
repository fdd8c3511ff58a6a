"""AEAD ciphers as classes, in the shape of pyca/cryptography's: bound once to a key, then called often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, overload

import numpy.typing as npt
from cryptography.exceptions import InvalidTag as LibraryInvalidTag
from cryptography.hazmat.primitives.ciphers import aead as library

from fpga_accel.accelerator import Accelerator, default_accelerator
from fpga_accel.batch import Batch
from fpga_accel.operations import aes_gcm, registry
from fpga_accel.operations.buffers import flat, flat_writable
from fpga_accel.operations.ciphers import CipherOperation, CipherOptions


class AESGCM:
    """AES-GCM (NIST SP 800-38D) under one key.

    Messages too small for a device go to the library with next to nothing in between; larger ones and batches are
    routed like every call of the `Accelerator`. May be shared between threads.

    Parameters
    ----------
    key
        16, 24 or 32 bytes.
    accelerator
        Where larger work runs; by default the shared one of the module-level functions.

    Raises
    ------
    ValueError
        The key has another size.

    Examples
    --------
    >>> cipher = AESGCM(bytes(32), accelerator=Accelerator("cpu"))
    >>> sealed = cipher.encrypt(bytes(12), b"text", b"header")
    >>> cipher.decrypt(bytes(12), sealed, b"header")
    b'text'
    """

    _ALGORITHM: ClassVar[str] = "aes-gcm"

    def __init__(self, key: Any, accelerator: Accelerator | None = None) -> None:
        self._acc = accelerator or default_accelerator()
        self._engine = self._acc.engine
        self._encrypts = registry.cipher("encrypt", self._ALGORITHM)
        self._decrypts = registry.cipher("decrypt", self._ALGORITHM)
        # A copy of our own: the caller's buffer may change.
        self._key = bytes(flat(key, "key"))
        self._encrypts.single(self._key, None, None)
        self._library = library.AESGCM(self._key)
        self._seals = self._engine.planner.direct(self._encrypts, self._library.encrypt, 1)
        self._opens = self._engine.planner.direct(self._decrypts, self._library.decrypt, 1)
        self._seals_into = self._engine.planner.direct(self._encrypts, self._library.encrypt_into, 1)
        self._opens_into = self._engine.planner.direct(self._decrypts, self._library.decrypt_into, 1)

    @staticmethod
    def generate_key(bit_length: int = 256) -> bytes:
        """Return a random key of 128, 192 or 256 bits."""
        return library.AESGCM.generate_key(bit_length)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(accelerator={self._acc!r})"

    def encrypt(self, nonce: Any, data: Any, associated_data: Any = None) -> bytes:
        """Return ciphertext and tag.

        Parameters
        ----------
        nonce
            8 to 128 bytes, never used twice under one key; 12 are best.
        data, associated_data
            Buffers.
        """
        try:
            result = self._seals.run(nonce, data, associated_data)
        except TypeError:
            # The planned way takes more kinds of buffers, and says what is wrong with others.
            result = None
        return self._planned(self._encrypts, nonce, data, associated_data) if result is None else result

    def decrypt(self, nonce: Any, data: Any, associated_data: Any = None) -> bytes:
        """Return the plaintext of ciphertext and tag.

        Raises
        ------
        InvalidTag
            Wrong key, nonce, associated data or ciphertext.
        """
        try:
            result = self._opens.run(nonce, data, associated_data)
        except LibraryInvalidTag:
            raise aes_gcm.wrong_tag() from None
        except TypeError:
            result = None
        return self._planned(self._decrypts, nonce, data, associated_data) if result is None else result

    def _planned(self, operation: CipherOperation, nonce: Any, data: Any, aad: Any) -> bytes:
        """Do what is not small, or comes in a buffer that the library does not take, such as an array."""
        return self._engine.one(operation, self._options(operation, nonce, aad), flat(data))

    def _options(self, operation: CipherOperation, nonce: Any, aad: Any) -> CipherOptions:
        if nonce is None:
            raise TypeError("nonce must be bytes-like, not None: seal and open have their own")
        options = operation.single(self._key, nonce, aad)
        # The key is expanded already.
        options.expanded[0] = self._library
        return options

    def encrypt_into(self, nonce: Any, data: Any, associated_data: Any, buf: Any) -> int:
        """Write ciphertext and tag into `buf`, which may be larger, and return the bytes written."""
        # Bytes share no memory with a buffer that is written to.
        if type(data) is bytes:
            try:
                written: Any = self._seals_into.run(nonce, data, associated_data, _cut(buf, len(data) + aes_gcm.TAG))
            except (TypeError, ValueError):
                # A buffer of another size, or what the planned way says is wrong.
                written = None
            if written is not None:
                return int(written)
        options = self._options(self._encrypts, nonce, associated_data)
        return self._engine.into(self._encrypts, options, flat(data), flat_writable(buf))

    def decrypt_into(self, nonce: Any, data: Any, associated_data: Any, buf: Any) -> int:
        """Write the plaintext into `buf`, which is wiped when the tag is wrong, and return the bytes written."""
        if type(data) is bytes:
            try:
                written: Any = self._opens_into.run(nonce, data, associated_data, _cut(buf, len(data) - aes_gcm.TAG))
            except LibraryInvalidTag:
                size = max(0, len(data) - aes_gcm.TAG)
                flat_writable(buf)[:size] = bytes(size)
                raise aes_gcm.wrong_tag() from None
            except (TypeError, ValueError):
                written = None
            if written is not None:
                return int(written)
        options = self._options(self._decrypts, nonce, associated_data)
        return self._engine.into(self._decrypts, options, flat(data), flat_writable(buf))

    @overload
    def encrypt_many(
        self,
        nonces: Sequence[Any] | npt.NDArray[Any],
        items: Batch,
        aads: Sequence[Any] | None = None,
        *,
        return_exceptions: bool = False,
    ) -> Batch: ...
    @overload
    def encrypt_many(
        self,
        nonces: Sequence[Any] | npt.NDArray[Any],
        items: Sequence[Any],
        aads: Sequence[Any] | None = None,
        *,
        return_exceptions: bool = False,
    ) -> list[Any]: ...
    def encrypt_many(
        self,
        nonces: Sequence[Any] | npt.NDArray[Any],
        items: Sequence[Any],
        aads: Sequence[Any] | None = None,
        *,
        return_exceptions: bool = False,
    ) -> list[Any] | Batch:
        """Encrypt each item under a nonce of its own, in one launch where that is faster; a Batch to a Batch."""
        return self._acc.encrypt_many(
            items, self._key, self._ALGORITHM, nonces=nonces, aads=aads, return_exceptions=return_exceptions
        )

    @overload
    def decrypt_many(
        self,
        nonces: Sequence[Any] | npt.NDArray[Any],
        items: Batch,
        aads: Sequence[Any] | None = None,
        *,
        return_exceptions: bool = False,
    ) -> Batch: ...
    @overload
    def decrypt_many(
        self,
        nonces: Sequence[Any] | npt.NDArray[Any],
        items: Sequence[Any],
        aads: Sequence[Any] | None = None,
        *,
        return_exceptions: bool = False,
    ) -> list[Any]: ...
    def decrypt_many(
        self,
        nonces: Sequence[Any] | npt.NDArray[Any],
        items: Sequence[Any],
        aads: Sequence[Any] | None = None,
        *,
        return_exceptions: bool = False,
    ) -> list[Any] | Batch:
        """Decrypt each item; a wrong tag loses that item alone."""
        return self._acc.decrypt_many(
            items, self._key, self._ALGORITHM, nonces=nonces, aads=aads, return_exceptions=return_exceptions
        )

    def seal(self, data: Any, associated_data: Any = None) -> bytes:
        """Return a fresh random nonce, ciphertext and tag."""
        return self._acc.encrypt(data, self._key, self._ALGORITHM, aad=associated_data)

    def open(self, sealed: Any, associated_data: Any = None) -> bytes:
        """Return the plaintext of what `seal` made."""
        return self._acc.decrypt(sealed, self._key, self._ALGORITHM, aad=associated_data)


def _cut(buf: Any, size: int) -> Any:
    """Return the part of a buffer that the library fills: it takes none that is larger."""
    return memoryview(buf)[:size] if type(buf) is bytearray and 0 <= size < len(buf) else buf
