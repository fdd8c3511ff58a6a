"""Who an age file is for: X25519 recipients and their identities, and passphrases (scrypt)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag as LibraryInvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from fpga_accel.age import bech32
from fpga_accel.age.header import Header, Stanza, decoded, encoded
from fpga_accel.age.secret import KEY_SIZE, derived, random, wipe, wiped
from fpga_accel.errors import FormatError, NoMatchError
from fpga_accel.operations.buffers import flat

FILE_KEY_SIZE = 16
# log2 of scrypt's work factor: on sealing, and the most that is taken on opening; it takes 1 KiB of memory times
# two to its power, so 256 MiB and 4 GiB.
WORK_FACTOR = 18
MOST_WORK_FACTOR = 22

_X25519 = "X25519"
_SCRYPT = "scrypt"
_X25519_INFO = b"age-encryption.org/v1/X25519"
_SCRYPT_LABEL = b"age-encryption.org/v1/scrypt"
_SALT_SIZE = 16
_BODY_SIZE = FILE_KEY_SIZE + 16
# A wrap key is used once.
_NONCE = bytes(12)
_RECIPIENT_PREFIX = "age"
_IDENTITY_PREFIX = "AGE-SECRET-KEY-"
_SCRYPT_BLOCK = 8


@dataclass(frozen=True, slots=True)
class Recipient:
    """A public key, ``age1…``."""

    point: bytes

    @classmethod
    @lru_cache(1024)
    def parse(cls, text: str) -> Recipient:
        """Read a recipient.

        Raises
        ------
        ValueError
            It is none of X25519.
        """
        try:
            prefix, point = bech32.decode(text)
        except ValueError as error:
            raise ValueError(f"{_shown(text)} is no age recipient: {error}") from None
        if prefix.upper().startswith(_IDENTITY_PREFIX):
            raise ValueError("a secret key is no recipient; `fpga-accel keygen -y` tells its public key")
        if prefix != _RECIPIENT_PREFIX:
            kinds = f"it starts with {prefix[:16]!r}" if prefix.startswith("age") else "it is none of age"
            raise ValueError(f"{_shown(text)} is no X25519 recipient, age1...: {kinds}")
        if len(point) != KEY_SIZE:
            raise ValueError(f"{_shown(text)} holds {len(point)} bytes; a recipient has {KEY_SIZE}")
        return cls(bytes(point))

    def __str__(self) -> str:
        return bech32.encode(_RECIPIENT_PREFIX, self.point)

    def wrap(self, file_key: bytearray) -> Stanza:
        """Return a stanza that only the identity can open."""
        ephemeral = X25519PrivateKey.generate()
        share = ephemeral.public_key().public_bytes_raw()
        try:
            shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(self.point))
        except ValueError:
            raise ValueError(f"{self} is no usable recipient: a point of low order") from None
        with wiped(derived(shared, share + self.point, _X25519_INFO)) as wrap_key:
            return Stanza((_X25519, encoded(share)), _wrapped(wrap_key, file_key))


class Identity:
    """A secret key, ``AGE-SECRET-KEY-1…``."""

    __slots__ = ("_key", "point")

    def __init__(self, scalar: bytearray) -> None:
        self._key = X25519PrivateKey.from_private_bytes(scalar)
        self.point = self._key.public_key().public_bytes_raw()

    @classmethod
    def parse(cls, text: str) -> Identity:
        """Read an identity.

        Raises
        ------
        ValueError
            It is none of X25519. The message does not show it.
        """
        try:
            prefix, scalar = bech32.decode(text)
        except ValueError as error:
            raise ValueError(f"an age identity cannot be read: {error}") from None
        with wiped(scalar):
            if prefix != _IDENTITY_PREFIX:
                told = "of another type, which is not supported" if prefix.startswith("AGE-") else "none of age"
                raise ValueError(f"an identity is {told}; those of X25519 start with {_IDENTITY_PREFIX}1")
            if len(scalar) != KEY_SIZE:
                raise ValueError(f"an age identity holds {len(scalar)} bytes, not {KEY_SIZE}")
            return cls(scalar)

    @property
    def recipient(self) -> Recipient:
        """The public key."""
        return Recipient(self.point)

    def __repr__(self) -> str:
        return f"Identity({self.recipient})"

    def unwrap(self, wrap: _X25519Wrap) -> bytearray | None:
        """Return the file key, None where the stanza is for somebody else.

        Raises
        ------
        FormatError
            The share is a point of low order.
        """
        try:
            shared = self._key.exchange(X25519PublicKey.from_public_bytes(wrap.share))
        except ValueError:
            raise FormatError("an X25519 stanza of the age header has a share of low order") from None
        with wiped(derived(shared, wrap.share + self.point, _X25519_INFO)) as wrap_key:
            return _unwrapped(wrap_key, wrap.body)


class Passphrase:
    """A passphrase, held until `wipe`.

    Raises
    ------
    ValueError
        It is empty.
    """

    __slots__ = ("_secret",)

    def __init__(self, passphrase: Any) -> None:
        text = passphrase.encode() if isinstance(passphrase, str) else flat(passphrase, "passphrase")
        if not len(text):
            raise ValueError("the passphrase is empty")
        self._secret = bytearray(text)

    def __repr__(self) -> str:
        return "Passphrase()"

    def wipe(self) -> None:
        """Forget it."""
        wipe(self._secret)

    def wrap(self, file_key: bytearray, work_factor: int) -> Stanza:
        """Return a stanza that only this passphrase can open."""
        salt = bytes(random(_SALT_SIZE))
        with wiped(self._key(salt, work_factor)) as wrap_key:
            body = _wrapped(wrap_key, file_key)
        return Stanza((_SCRYPT, encoded(salt), str(work_factor)), body)

    def unwrap(self, wrap: _ScryptWrap, most: int) -> bytearray | None:
        """Return the file key, None where the passphrase is wrong.

        Raises
        ------
        FormatError
            The work factor is above `most`.
        """
        if wrap.work_factor > most:
            raise FormatError(
                f"the age header wants a scrypt work factor of 2^{wrap.work_factor}",
                hint=f"the most is 2^{most}; a higher one takes gigabytes of memory, and max_work_factor= allows it",
            )
        with wiped(self._key(wrap.salt, wrap.work_factor)) as wrap_key:
            return _unwrapped(wrap_key, wrap.body)

    def _key(self, salt: bytes, work_factor: int) -> bytearray:
        made = bytearray(KEY_SIZE)
        scrypt = Scrypt(_SCRYPT_LABEL + salt, KEY_SIZE, 1 << work_factor, _SCRYPT_BLOCK, 1)
        scrypt.derive_into(self._secret, made)
        return made


@dataclass(frozen=True, slots=True)
class _X25519Wrap:
    """What an X25519 stanza says."""

    share: bytes
    body: bytes

    @classmethod
    def of(cls, stanza: Stanza) -> _X25519Wrap:
        """Read a stanza."""
        _require_arguments(stanza, 2)
        share = decoded(stanza.arguments[1].encode(), "the share of an X25519 stanza")
        if len(share) != KEY_SIZE:
            raise FormatError(f"an X25519 stanza of the age header has a share of {len(share)} bytes, not {KEY_SIZE}")
        return cls(share, _file_key_body(stanza))


@dataclass(frozen=True, slots=True)
class _ScryptWrap:
    """What a scrypt stanza says."""

    salt: bytes
    work_factor: int
    body: bytes

    @classmethod
    def of(cls, stanza: Stanza) -> _ScryptWrap:
        """Read a stanza."""
        _require_arguments(stanza, 3)
        salt = decoded(stanza.arguments[1].encode(), "the salt of a scrypt stanza")
        if len(salt) != _SALT_SIZE:
            raise FormatError(f"the scrypt stanza of the age header has a salt of {len(salt)} bytes, not {_SALT_SIZE}")
        digits = stanza.arguments[2]
        # More than two digits are beyond any limit, and may be too many to convert.
        if not (digits.isdecimal() and digits[0] != "0" and len(digits) <= 2):
            raise FormatError("the work factor of the scrypt stanza is no number from 1 to 99")
        return cls(salt, int(digits), _file_key_body(stanza))


@dataclass(frozen=True, slots=True)
class Wraps:
    """The stanzas of a header that this package knows."""

    x25519: tuple[_X25519Wrap, ...]
    scrypt: _ScryptWrap | None
    kinds: tuple[str, ...]

    @classmethod
    def of(cls, header: Header) -> Wraps:
        """Read the stanzas of a header; those of unknown types are passed over.

        Raises
        ------
        FormatError
            One of a known type is malformed, or one of scrypt is not alone.
        """
        stanzas = header.stanzas
        scrypt = [_ScryptWrap.of(stanza) for stanza in stanzas if stanza.kind == _SCRYPT]
        if scrypt and len(stanzas) > 1:
            raise FormatError("the age header has a scrypt stanza that is not alone")
        x25519 = tuple(_X25519Wrap.of(stanza) for stanza in stanzas if stanza.kind == _X25519)
        return cls(x25519, scrypt[0] if scrypt else None, tuple(dict.fromkeys(stanza.kind for stanza in stanzas)))


@dataclass(frozen=True, slots=True)
class Openers:
    """What may open a file: identities, a passphrase, or both."""

    identities: tuple[Identity, ...]
    passphrase: Passphrase | None = field(repr=False)
    max_work_factor: int

    @classmethod
    def of(cls, identities: Any, passphrase: Any, max_work_factor: int | None = None) -> Openers:
        """Check what a caller gives; without a work factor, the default.

        Raises
        ------
        ValueError
            There is none, or an identity cannot be read.
        """
        if max_work_factor is None:
            max_work_factor = MOST_WORK_FACTOR
        if max_work_factor < 1:
            raise ValueError(f"max_work_factor={max_work_factor}; it must be 1 or more")
        found = tuple(Identity.parse(line) for line in _lines(identities, "identities"))
        if not found and passphrase is None:
            raise ValueError("nothing to open the file with: give identities= or passphrase=")
        return cls(found, None if passphrase is None else Passphrase(passphrase), max_work_factor)

    def wipe(self) -> None:
        """Forget the passphrase."""
        if self.passphrase is not None:
            self.passphrase.wipe()

    def file_key(self, header: Header) -> bytearray:
        """Return the file key of a header whose MAC is right.

        Raises
        ------
        FormatError
            The header is malformed.
        NoMatchError
            Nothing here opens it.
        InvalidTag
            Its MAC is wrong.
        """
        wraps = Wraps.of(header)
        file_key = self._unwrapped(wraps)
        if file_key is None:
            raise self._no_match(wraps)
        try:
            header.check(file_key)
        except BaseException:
            wipe(file_key)
            raise
        return file_key

    def _unwrapped(self, wraps: Wraps) -> bytearray | None:
        if wraps.scrypt is not None:
            return None if self.passphrase is None else self.passphrase.unwrap(wraps.scrypt, self.max_work_factor)
        found = (identity.unwrap(wrap) for wrap in wraps.x25519 for identity in self.identities)
        return next((file_key for file_key in found if file_key is not None), None)

    def _no_match(self, wraps: Wraps) -> NoMatchError:
        if wraps.scrypt is not None:
            given = self.passphrase is not None
            return NoMatchError("the passphrase is wrong" if given else "the file is sealed with a passphrase")
        kinds = ", ".join(kind[:32] for kind in wraps.kinds[:4])
        if not self.identities:
            return NoMatchError(f"the file is sealed for recipients ({kinds}), not with a passphrase")
        return NoMatchError(f"none of {len(self.identities)} identities opens the file; its recipients are of {kinds}")


@dataclass(frozen=True, slots=True)
class Closers:
    """Whom a file is sealed for: recipients, or everybody who knows a passphrase."""

    recipients: tuple[Recipient, ...]
    passphrase: Passphrase | None = field(repr=False)
    work_factor: int

    @classmethod
    def of(cls, recipients: Any, passphrase: Any, work_factor: int | None = None) -> Closers:
        """Check what a caller gives; without a work factor, the default.

        Raises
        ------
        ValueError
            There is none, or both, or a recipient cannot be read.
        """
        found = tuple(Recipient.parse(line) for line in _lines(recipients, "recipients"))
        if found and passphrase is not None:
            raise ValueError("recipients and a passphrase: age allows a passphrase alone")
        if not found and passphrase is None:
            raise ValueError("nobody could open the file: give recipients= or passphrase=")
        if work_factor is None:
            work_factor = WORK_FACTOR
        if not 1 <= work_factor <= MOST_WORK_FACTOR:
            raise ValueError(f"work_factor={work_factor}; it must be 1 to {MOST_WORK_FACTOR}")
        return cls(found, None if passphrase is None else Passphrase(passphrase), work_factor)

    def wipe(self) -> None:
        """Forget the passphrase."""
        if self.passphrase is not None:
            self.passphrase.wipe()

    def stanzas(self, file_key: bytearray) -> list[Stanza]:
        """Return the file key as each of them can read it."""
        if self.passphrase is not None:
            return [self.passphrase.wrap(file_key, self.work_factor)]
        return [recipient.wrap(file_key) for recipient in self.recipients]


def new_identity() -> str:
    """Return a new secret key, ``AGE-SECRET-KEY-1…``, which opens what is sealed for `recipient_of` it.

    Examples
    --------
    >>> new_identity()[:16]
    'AGE-SECRET-KEY-1'
    """
    with wiped(random(KEY_SIZE)) as scalar:
        return bech32.encode(_IDENTITY_PREFIX, scalar)


def recipient_of(identity: str) -> str:
    """Return the public key of an identity.

    Raises
    ------
    ValueError
        It is no identity.

    Examples
    --------
    >>> recipient_of("AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX")
    'age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj'
    """
    return str(Identity.parse(identity).recipient)


def _lines(given: Sequence[str] | str, name: str) -> Iterator[str]:
    """Yield the keys among lines of texts; blank lines and comments are passed over."""
    texts: Iterable[Any] = (given,) if isinstance(given, str) else given
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"{name} must be strings, not {type(text).__name__}")
        yield from key_lines(text)


def key_lines(text: str) -> Iterator[str]:
    """Yield the keys among the lines of a text; blank lines and comments are passed over."""
    # As age does: were lines to end at other characters too, the rest of a comment could be a key that none sees.
    for line in text.split("\n"):
        key = line.strip(" \t\r")
        if key and not key.startswith("#"):
            yield key


def _shown(text: str) -> str:
    """Return a recipient as messages show it; whatever looks secret is not shown."""
    if text[:3].lower() != "age" or text.upper().startswith(_IDENTITY_PREFIX):
        return "what was given"
    return repr(text if len(text) <= 80 else f"{text[:40]}...")


def _require_arguments(stanza: Stanza, count: int) -> None:
    if len(stanza.arguments) != count:
        given = len(stanza.arguments)
        raise FormatError(f"the {stanza.kind} stanza of the age header has {given} arguments, not {count}")


def _file_key_body(stanza: Stanza) -> bytes:
    # Checked before any decryption: a body of another size could be made to open under several keys.
    if len(stanza.body) != _BODY_SIZE:
        raise FormatError(f"the {stanza.kind} stanza of the age header has {len(stanza.body)} bytes, not {_BODY_SIZE}")
    return stanza.body


def _wrapped(wrap_key: bytearray, file_key: bytearray) -> bytes:
    return ChaCha20Poly1305(wrap_key).encrypt(_NONCE, file_key, None)


def _unwrapped(wrap_key: bytearray, body: bytes) -> bytearray | None:
    file_key = bytearray(FILE_KEY_SIZE)
    try:
        ChaCha20Poly1305(wrap_key).decrypt_into(_NONCE, body, None, file_key)
    except LibraryInvalidTag:
        return None
    return file_key
