"""The table of peers: what a Python program would call instead of this package, one row an operation and library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pkgutil import resolve_name
from platform import python_version
from typing import Any

from fpga_accel.bench.works import KEY, Seal, Sealed, Work

# A function of the library and the arguments of each of its calls.
Calls = tuple[Callable[..., Any], list[tuple[Any, ...]]]
# Makes them for inputs and, where results go into buffers of the caller, for these.
Maker = Callable[[Work, Sequence[bytes], Sequence[memoryview] | None], Calls]


@dataclass(frozen=True, slots=True)
class Peer:
    """A library that does what a work does.

    Parameters
    ----------
    work
        Name of the work.
    name
        As tables name it.
    distribution
        The package whose version counts; "" is Python itself.
    calls
        Its calls that return new memory.
    into
        Its calls that write into the caller's, None where it has none.
    """

    work: str
    name: str
    distribution: str
    calls: Maker
    into: Maker | None = None

    def version(self) -> str | None:
        """Return the version, None where it is not installed."""
        if not self.distribution:
            return python_version()
        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            return None


def function(path: str, **options: Any) -> Maker:
    """Take a function of one input, and of one output where it writes into one; `path` is "module:name"."""

    def make(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
        found = resolve_name(path)
        call = partial(found, **options) if options else found
        return call, [(item,) for item in fed] if outs is None else list(zip(fed, outs, strict=True))

    return make


def aead(name: str, method: str) -> Maker:
    """Take a method of a class of ``cryptography.hazmat.primitives.ciphers.aead``."""

    def make(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
        cipher = resolve_name(f"cryptography.hazmat.primitives.ciphers.aead:{name}")(KEY)
        nonces = work.nonces(len(fed))
        if outs is None:
            return getattr(cipher, method), [(nonce, item, None) for nonce, item in zip(nonces, fed, strict=True)]
        into = [(nonce, item, None, out) for nonce, item, out in zip(nonces, fed, outs, strict=True)]
        return getattr(cipher, method), into

    return make


def counter_mode(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
    """Take pyca's AES-CTR; encryption and decryption are the same."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    key = algorithms.AES(KEY)

    def call(nonce: bytes, item: bytes) -> bytes:
        return Cipher(key, modes.CTR(nonce)).encryptor().update(item)

    def call_into(nonce: bytes, item: bytes, out: memoryview) -> int:
        return Cipher(key, modes.CTR(nonce)).encryptor().update_into(item, out)

    nonces = work.nonces(len(fed))
    if outs is None:
        return call, list(zip(nonces, fed, strict=True))
    return call_into, list(zip(nonces, fed, outs, strict=True))


def compress_then_encrypt(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
    """Take lz4.frame and AESGCM one after the other, item by item."""
    compress = resolve_name("lz4.frame:compress")
    encrypt = resolve_name("cryptography.hazmat.primitives.ciphers.aead:AESGCM")(KEY).encrypt

    def call(nonce: bytes, item: bytes) -> Any:
        return encrypt(nonce, compress(item), None)

    return call, list(zip(work.nonces(len(fed)), fed, strict=True))


def age_file(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
    """Take pyrage, with keys that are read once."""
    assert isinstance(work, Sealed)
    if isinstance(work, Seal):
        recipients = [resolve_name("pyrage:x25519").Recipient.from_str(work.recipient)]
        return resolve_name("pyrage:encrypt"), [(item, recipients) for item in fed]
    identities = [resolve_name("pyrage:x25519").Identity.from_str(work.identity)]
    return resolve_name("pyrage:decrypt"), [(item, identities) for item in fed]


# cramjam's default is a level of high compression; 0 is the one that other libraries have as their default.
_CRAMJAM = "cramjam:lz4."

PEERS = (
    Peer("lz4.compress", "lz4.frame", "lz4", function("lz4.frame:compress")),
    Peer(
        "lz4.compress",
        "cramjam.lz4",
        "cramjam",
        function(_CRAMJAM + "compress", level=0),
        function(_CRAMJAM + "compress_into", level=0),
    ),
    Peer("lz4.decompress", "lz4.frame", "lz4", function("lz4.frame:decompress")),
    Peer(
        "lz4.decompress",
        "cramjam.lz4",
        "cramjam",
        function(_CRAMJAM + "decompress"),
        function(_CRAMJAM + "decompress_into"),
    ),
    Peer("lz4.decompress linked", "lz4.frame", "lz4", function("lz4.frame:decompress")),
    Peer("aes-gcm.encrypt", "AESGCM", "cryptography", aead("AESGCM", "encrypt"), aead("AESGCM", "encrypt_into")),
    Peer("aes-gcm.decrypt", "AESGCM", "cryptography", aead("AESGCM", "decrypt"), aead("AESGCM", "decrypt_into")),
    Peer("aes-ctr.encrypt", "Cipher CTR", "cryptography", counter_mode, counter_mode),
    Peer("aes-ctr.decrypt", "Cipher CTR", "cryptography", counter_mode, counter_mode),
    Peer("crc32c.checksum", "google-crc32c", "google-crc32c", function("google_crc32c:value")),
    Peer("age.seal", "pyrage", "pyrage", age_file),
    Peer("age.unseal", "pyrage", "pyrage", age_file),
    Peer("lz4.compress > aes-gcm.encrypt", "lz4.frame then AESGCM", "lz4", compress_then_encrypt),
)


def of(work: str) -> list[Peer]:
    """Return the peers of a work that are installed."""
    return [peer for peer in PEERS if peer.work == work and peer.version() is not None]


def versions() -> Mapping[str, str | None]:
    """Return the version of each peer by its name, None where it is not installed."""
    return {peer.name: peer.version() for peer in PEERS}
