"""Age files from the library's parts, right or wrong in one place: what the tests of age compare with.

It shares no code with `fpga_accel.age`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

CHUNK = 64 << 10
FILE_KEY = bytes(range(16))
NONCE = bytes(range(100, 116))
EPHEMERAL = bytes(range(1, 33))
# The identity and the recipient of the specification's examples.
IDENTITY = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
RECIPIENT = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
SCALAR = b"\x42" * 32
VERSION = b"age-encryption.org/v1\n"
KIT = Path(__file__).parent / "vectors" / "age" / "testkit.zip"


def b64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    extracted = hmac.digest(salt or bytes(32), key, hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)


def body_lines(body: bytes) -> bytes:
    text = b64(body)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    if not lines or len(lines[-1]) == 64:
        lines.append(b"")
    return b"".join(line + b"\n" for line in lines)


def x25519_stanza(file_key: bytes = FILE_KEY, *, scalar: bytes = SCALAR, ephemeral: bytes = EPHEMERAL) -> bytes:
    recipient = X25519PrivateKey.from_private_bytes(scalar).public_key().public_bytes_raw()
    secret = X25519PrivateKey.from_private_bytes(ephemeral)
    share = secret.public_key().public_bytes_raw()
    shared = secret.exchange(X25519PublicKey.from_public_bytes(recipient))
    wrap_key = hkdf(shared, share + recipient, b"age-encryption.org/v1/X25519")
    body = ChaCha20Poly1305(wrap_key).encrypt(bytes(12), file_key, None)
    return b"-> X25519 " + b64(share) + b"\n" + body_lines(body)


def scrypt_stanza(passphrase: bytes, log_n: int, file_key: bytes = FILE_KEY, salt: bytes = bytes(range(16))) -> bytes:
    label = b"age-encryption.org/v1/scrypt" + salt
    wrap_key = hashlib.scrypt(passphrase, salt=label, n=1 << log_n, r=8, p=1, dklen=32, maxmem=1 << 30)
    body = ChaCha20Poly1305(wrap_key).encrypt(bytes(12), file_key, None)
    return b"-> scrypt " + b64(salt) + b" %d\n" % log_n + body_lines(body)


def header(stanzas: bytes, file_key: bytes = FILE_KEY) -> bytes:
    covered = VERSION + stanzas + b"---"
    return covered + b" " + b64(hmac.digest(hkdf(file_key, b"", b"header"), covered, hashlib.sha256)) + b"\n"


def chunks(content: bytes, file_key: bytes = FILE_KEY, nonce: bytes = NONCE) -> list[bytes]:
    parts = [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)] or [b""]
    return [chunk(part, index, index == len(parts) - 1, file_key, nonce) for index, part in enumerate(parts)]


def chunk(part: bytes, index: int, final: bool, file_key: bytes = FILE_KEY, nonce: bytes = NONCE) -> bytes:
    key = hkdf(file_key, nonce, b"payload")
    return ChaCha20Poly1305(key).encrypt(index.to_bytes(11, "big") + bytes([final]), part, None)


def sealed(content: bytes, stanzas: bytes | None = None) -> bytes:
    return header(x25519_stanza() if stanzas is None else stanzas) + NONCE + b"".join(chunks(content))


def armored(data: bytes, line_end: bytes = b"\n") -> bytes:
    text = base64.b64encode(data)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    ends = (b"-----BEGIN AGE ENCRYPTED FILE-----", *lines, b"-----END AGE ENCRYPTED FILE-----")
    return b"".join(line + line_end for line in ends)


@dataclass(frozen=True, slots=True)
class Vector:
    """One file of the test kit."""

    name: str
    fields: dict[str, list[str]]
    data: bytes

    @property
    def expect(self) -> str:
        return self.fields["expect"][0]

    @property
    def identities(self) -> Sequence[str]:
        return self.fields.get("identity", [])

    @property
    def passphrases(self) -> Sequence[str]:
        return self.fields.get("passphrase", [])

    @property
    def digest(self) -> str:
        """SHA-256 of all that may be released."""
        return self.fields["payload"][0]

    @property
    def is_hybrid(self) -> bool:
        return any(identity.startswith("AGE-SECRET-KEY-PQ-") for identity in self.identities)


def kit() -> list[Vector]:
    """All vectors of the test kit."""
    with zipfile.ZipFile(io.BytesIO(KIT.read_bytes())) as archive:
        return [_vector(name, archive.read(name)) for name in archive.namelist()]


def _vector(name: str, raw: bytes) -> Vector:
    text, _, data = raw.partition(b"\n\n")
    fields: dict[str, list[str]] = {}
    for line in text.decode().splitlines():
        key, _, value = line.partition(": ")
        fields.setdefault(key, []).append(value)
    return Vector(name, fields, zlib.decompress(data) if fields.get("compressed") == ["zlib"] else data)
