"""AEAD ciphers as classes, in the shape of pyca/cryptography's: bound once to a key, then called often."""

from __future__ import annotations

import itertools
import operator
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, overload

import numpy.typing as npt
from cryptography.exceptions import InternalError
from cryptography.exceptions import InvalidTag as LibraryInvalidTag
from cryptography.hazmat.primitives.ciphers import aead as library

from fpga_accel._objects import Direct
from fpga_accel.accelerator import Accelerator, default_accelerator
from fpga_accel.batch import Batch
from fpga_accel.execution import Executor
from fpga_accel.operations import registry
from fpga_accel.operations.buffers import Flat, flat, flat_writable, room_for
from fpga_accel.operations.ciphers import CipherOperation, CipherOptions

# Messages under one key with random nonces of 96 bits: beyond, two alike are no longer out of the question
# (SP 800-38D §8.3).
MOST_SEALED = 2**32
# From here on the planned way is faster, which writes results in place.
_PLAIN = 4 << 20
_OWN_NONCES = "seal and open have their own"


class Aead:
    """An authenticating cipher under one key.

    Messages too small for a device go to the library with next to nothing in between; larger ones and batches are
    routed like every call of the `Accelerator`. May be shared between threads.

    Parameters
    ----------
    key
        The key.
    accelerator
        Where larger work runs; by default the shared one of the module-level functions.

    Raises
    ------
    ValueError
        The key has another size than the cipher's.
    """

    _ALGORITHM: ClassVar[str]
    # How many messages `seal` takes; None where its nonces are long enough for any number.
    _MOST_SEALED: ClassVar[int | None] = MOST_SEALED

    def __init__(self, key: Any, accelerator: Accelerator | None = None) -> None:
        self._bind(key, accelerator, {})

    def _bind(self, key: Any, accelerator: Accelerator | None, own: Mapping[str, Any]) -> None:
        """Take the key, and the options of the cipher's own."""
        self._acc = accelerator or default_accelerator()
        self._engine = self._acc.engine
        self._encrypts = registry.cipher("encrypt", self._ALGORITHM)
        self._decrypts = registry.cipher("decrypt", self._ALGORITHM)
        # A copy of our own: the caller's buffer may change.
        self._key = bytes(flat(key, "key"))
        self._own = dict(own)
        self._tag_size = self._encrypts.overhead(self._encrypts.single(self._key, None, None, own))
        self._tag_size -= self._encrypts.nonce_size
        self._library = self._encrypts.bound(self._key, self._encrypts.own(**own))
        self._sealed = itertools.count(1)
        # The planned way takes more kinds of buffers, and says what is wrong with others.
        self._sealing = _Direction(self._engine, self._encrypts, self._key, self._own, self._library)
        self._opening = _Direction(self._engine, self._decrypts, self._key, self._own, self._library)
        direct = self._engine.planner.direct
        limits = [min(each.call_limit or each.small, _PLAIN) for each in (self._encrypts, self._decrypts)]
        self._seals = direct(self._encrypts, self._library.encrypt, 1, limits[0], other=self._sealing)
        self._opens = direct(self._decrypts, self._library.decrypt, 1, limits[1], other=self._opening)
        self._seals_into = self._into(self._encrypts, self._sealing, self._tag_size)
        self._opens_into = self._into(self._decrypts, self._opening, -self._tag_size)
        # A frame of Python around these is a tenth of a call of 4 KiB.
        ways = {
            "encrypt": self._seals.bound,
            "decrypt": self._opens.bound,
            "encrypt_into": self._seals_into.bound_into,
            "decrypt_into": self._opens_into.bound_into,
        }
        for name, way in ways.items():
            if getattr(type(self), name) is getattr(Aead, name):
                self.__dict__[name] = way

    def _into(self, operation: CipherOperation, planned: _Direction, growth: int) -> Direct:
        """Return the library's call of one direction that writes into a buffer."""
        call, direct = getattr(self._library, f"{operation.op}_into", _nothing), self._engine.planner.direct
        return direct(operation, call, 1, other=_Into(planned, direct(operation, call, 1), growth))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(accelerator={self._acc!r})"

    def encrypt(self, nonce: Any, data: Any, associated_data: Any = None) -> bytes:
        """Return ciphertext and tag.

        Parameters
        ----------
        nonce
            As the cipher takes it, never used twice under one key.
        data, associated_data
            Buffers.
        """
        sealed: bytes = self._seals.bound(nonce, data, associated_data)
        return sealed

    def decrypt(self, nonce: Any, data: Any, associated_data: Any = None) -> bytes:
        """Return the plaintext of ciphertext and tag.

        Raises
        ------
        InvalidTag
            Wrong key, nonce, associated data or ciphertext.
        """
        plain: bytes = self._opens.bound(nonce, data, associated_data)
        return plain

    def encrypt_into(self, nonce: Any, data: Any, associated_data: Any, buf: Any) -> int:
        """Write ciphertext and tag into `buf`, which may be larger, and return the bytes written."""
        written: int = self._seals_into.bound_into(nonce, data, associated_data, buf)
        return written

    def decrypt_into(self, nonce: Any, data: Any, associated_data: Any, buf: Any) -> int:
        """Write the plaintext into `buf`, which is wiped when the tag is wrong, and return the bytes written."""
        written: int = self._opens_into.bound_into(nonce, data, associated_data, buf)
        return written

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
            items,
            self._key,
            self._ALGORITHM,
            nonces=_given(nonces),
            aads=_each_aad(aads),
            return_exceptions=return_exceptions,
            **self._own,
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
            items,
            self._key,
            self._ALGORITHM,
            nonces=_given(nonces),
            aads=_each_aad(aads),
            return_exceptions=return_exceptions,
            **self._own,
        )

    def seal(self, data: Any, associated_data: Any = None) -> bytes:
        """Return a fresh random nonce, ciphertext and tag.

        Raises
        ------
        OverflowError
            So many messages have been sealed that random nonces may soon repeat: 2^32 with nonces of 96 bits.
        """
        most = self._MOST_SEALED
        if most is not None and next(self._sealed) > most:
            raise OverflowError(f"{most} messages have been sealed under this key; random nonces allow no more")
        return self._acc.encrypt(data, self._key, self._ALGORITHM, aad=associated_data, **self._own)

    def open(self, sealed: Any, associated_data: Any = None) -> bytes:
        """Return the plaintext of what `seal` made."""
        return self._acc.decrypt(sealed, self._key, self._ALGORITHM, aad=associated_data, **self._own)


class AESGCM(Aead):
    """AES-GCM (NIST SP 800-38D) under one key of 16, 24 or 32 bytes, with nonces of 8 to 128 bytes; 12 are best.

    Examples
    --------
    >>> cipher = AESGCM(bytes(32), accelerator=Accelerator("cpu"))
    >>> sealed = cipher.encrypt(bytes(12), b"text", b"header")
    >>> cipher.decrypt(bytes(12), sealed, b"header")
    b'text'
    """

    _ALGORITHM = "aes-gcm"

    @staticmethod
    def generate_key(bit_length: int = 256) -> bytes:
        """Return a random key of 128, 192 or 256 bits."""
        return library.AESGCM.generate_key(bit_length)


class AESCCM(Aead):
    """AES-CCM (NIST SP 800-38C, RFC 3610) under one key of 16, 24 or 32 bytes, with nonces of 7 to 13 bytes.

    A nonce of n bytes leaves 15 - n bytes for the length: with 13 a message has less than 64 KiB, with 12 less than
    16 MiB, with 11 and fewer less than 2 GiB, which is the library's limit.

    Parameters
    ----------
    key
        The key.
    tag_length
        Bytes of the tag: 4, 6, 8, 10, 12, 14 or 16, which None is too.
    accelerator
        Where larger work runs; by default the shared one of the module-level functions.

    Examples
    --------
    >>> cipher = AESCCM(bytes(16), tag_length=8, accelerator=Accelerator("cpu"))
    >>> sealed = cipher.encrypt(bytes(12), b"text", b"header")
    >>> len(sealed), cipher.decrypt(bytes(12), sealed, b"header")
    (12, b'text')
    """

    _ALGORITHM = "aes-ccm"

    def __init__(self, key: Any, tag_length: int | None = 16, accelerator: Accelerator | None = None) -> None:
        self._bind(key, accelerator, {} if tag_length is None else {"tag_length": operator.index(tag_length)})

    @staticmethod
    def generate_key(bit_length: int = 256) -> bytes:
        """Return a random key of 128, 192 or 256 bits."""
        return library.AESCCM.generate_key(bit_length)


class AESGCMSIV(Aead):
    """AES-GCM-SIV (RFC 8452) under one key of 16, 24 or 32 bytes, with nonces of 12 bytes.

    A nonce used twice tells whether both messages, associated data included, are the same, and nothing else. A message
    has less than 2 GiB, which is the library's limit.

    Examples
    --------
    >>> cipher = AESGCMSIV(bytes(32), accelerator=Accelerator("cpu"))
    >>> sealed = cipher.encrypt(bytes(12), b"text", b"header")
    >>> cipher.decrypt(bytes(12), sealed, b"header")
    b'text'
    """

    _ALGORITHM = "aes-gcm-siv"

    @staticmethod
    def generate_key(bit_length: int = 256) -> bytes:
        """Return a random key of 128, 192 or 256 bits."""
        return library.AESGCMSIV.generate_key(bit_length)


class SM4GCM(Aead):
    """SM4-GCM (GB/T 32907, RFC 8998) under one key of 16 bytes, with nonces of 8 to 128 bytes; 12 are best.

    Examples
    --------
    >>> cipher = SM4GCM(bytes(16), accelerator=Accelerator("cpu"))
    >>> cipher.open(cipher.seal(b"text", b"header"), b"header")
    b'text'
    """

    _ALGORITHM = "sm4-gcm"

    @staticmethod
    def generate_key() -> bytes:
        """Return a random key of 128 bits."""
        return os.urandom(16)


class ChaCha20Poly1305(Aead):
    """ChaCha20-Poly1305 (RFC 8439) under one key of 32 bytes, with nonces of 12 bytes.

    Examples
    --------
    >>> cipher = ChaCha20Poly1305(bytes(32), accelerator=Accelerator("cpu"))
    >>> sealed = cipher.encrypt(bytes(12), b"text", b"header")
    >>> cipher.decrypt(bytes(12), sealed, b"header")
    b'text'
    """

    _ALGORITHM = "chacha20-poly1305"

    @staticmethod
    def generate_key() -> bytes:
        """Return a random key of 256 bits."""
        return library.ChaCha20Poly1305.generate_key()


class XChaCha20Poly1305(Aead):
    """XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) under one key of 32 bytes, with nonces of 24 bytes.

    Random nonces of that size do not meet, so `seal` has no limit.

    Examples
    --------
    >>> cipher = XChaCha20Poly1305(bytes(32), accelerator=Accelerator("cpu"))
    >>> cipher.open(cipher.seal(b"text", b"header"), b"header")
    b'text'
    """

    _ALGORITHM = "xchacha20-poly1305"
    _MOST_SEALED = None

    @staticmethod
    def generate_key() -> bytes:
        """Return a random key of 256 bits."""
        return library.ChaCha20Poly1305.generate_key()


class _Direction:
    """The planned way of one direction under one key: for what is not small, or comes in any buffer."""

    __slots__ = ("_engine", "_key", "_library", "_operation", "_own")

    def __init__(
        self, engine: Executor, operation: CipherOperation, key: bytes, own: Mapping[str, Any], library: Any
    ) -> None:
        self._engine = engine
        self._operation = operation
        self._key = key
        self._own = own
        self._library = library

    def __call__(self, nonce: Any, data: Any, associated_data: Any = None) -> bytes:
        return self._engine.one(self._operation, self.options(nonce, associated_data), flat(data))

    def into(self, nonce: Any, data: Flat, aad: Any, out: memoryview) -> int:
        """Do the same into a buffer."""
        return self._engine.into(self._operation, self.options(nonce, aad), data, out)

    def options(self, nonce: Any, aad: Any) -> CipherOptions:
        """Check what a call is given."""
        if nonce is None:
            raise TypeError(f"nonce must be bytes-like, not None: {_OWN_NONCES}")
        options = self._operation.single(self._key, nonce, aad, self._own)
        # The key is expanded already.
        options.expanded[0] = self._library
        return options


class _Into:
    """The same into a buffer, which may be larger than the library takes."""

    __slots__ = ("_direct", "_growth", "_planned")

    def __init__(self, planned: _Direction, direct: Direct, growth: int) -> None:
        self._planned = planned
        self._direct = direct
        # Bytes that a result has more than its message.
        self._growth = growth

    def __call__(self, nonce: Any, data: Any, associated_data: Any, buf: Any) -> int:
        # Bytes share no memory with a buffer that is written to.
        plain = type(data) is bytes and type(buf) is bytearray
        room = room_for(len(data) + self._growth, buf) if plain else None
        if room is not None and room is not buf:
            try:
                written: Any = self._direct.run(nonce, data, associated_data, room)
            except (TypeError, ValueError, InternalError, LibraryInvalidTag):
                # The planned way says what is wrong.
                written = None
            if written is not None:
                return int(written)
        return self._planned.into(nonce, flat(data), associated_data, flat_writable(buf))


def _nothing(*_: Any) -> None:
    """Stand for a call that a library does not have: what it would do takes the planned way."""


def _given(nonces: Any) -> Any:
    """Return nonces, which are not left out: what is sealed under random ones is counted, and that is `seal`'s."""
    if nonces is None:
        raise TypeError(f"nonces must be a sequence, not None: {_OWN_NONCES}")
    return nonces


def _each_aad(aads: Any) -> Any:
    """Return associated data of items, where None is none, as for a single message."""
    if type(aads) in (list, tuple) and any(aad is None for aad in aads):
        return [b"" if aad is None else aad for aad in aads]
    return aads
