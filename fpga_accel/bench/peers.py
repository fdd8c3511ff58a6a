"""The table of peers: what a Python program would call instead of this package, one row an operation and library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pkgutil import resolve_name
from platform import python_version
from typing import Any

from fpga_accel.bench.works.ciphers import SECTOR, SM4_WORKS, XTS_KEY, Sm4Work, padded
from fpga_accel.bench.works.files import Seal, Sealed
from fpga_accel.bench.works.work import KEY, Work

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
    keyed
        Whether each call begins with the key, as a call of an Accelerator does. Other rows of the library have made
        its object before, as a cipher class has. For single calls; in batches that is once for all.
    always
        Whether it begins with the key in batches too, as it has no other form.
    """

    work: str
    name: str
    distribution: str
    calls: Maker
    into: Maker | None = None
    keyed: bool = False
    always: bool = False

    @property
    def in_batches(self) -> bool:
        """Whether it stands in batches too."""
        return self.always or not self.keyed

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


def aead(name: str, method: str, *, keyed: bool = False) -> Maker:
    """Take a method of a class of ``cryptography.hazmat.primitives.ciphers.aead``."""

    def make(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
        cipher = resolve_name(f"cryptography.hazmat.primitives.ciphers.aead:{name}")

        def call(*arguments: Any) -> Any:
            return getattr(cipher(KEY), method)(*arguments)

        made = call if keyed else getattr(cipher(KEY), method)
        nonces = work.nonces(len(fed))
        if outs is None:
            return made, [(nonce, item, None) for nonce, item in zip(nonces, fed, strict=True)]
        return made, [(nonce, item, None, out) for nonce, item, out in zip(nonces, fed, outs, strict=True)]

    return make


def counter_mode(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None, *, keyed: bool = False) -> Calls:
    """Take pyca's AES-CTR; encryption and decryption are the same."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    made = algorithms.AES(KEY)

    def call(nonce: bytes, item: bytes) -> bytes:
        key = algorithms.AES(KEY) if keyed else made
        return Cipher(key, modes.CTR(nonce)).encryptor().update(item)

    def call_into(nonce: bytes, item: bytes, out: memoryview) -> int:
        key = algorithms.AES(KEY) if keyed else made
        return Cipher(key, modes.CTR(nonce)).encryptor().update_into(item, out)

    nonces = work.nonces(len(fed))
    if outs is None:
        return call, list(zip(nonces, fed, strict=True))
    return call_into, list(zip(nonces, fed, outs, strict=True))


def hashlib_digest(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
    """Take a constructor of ``hashlib``."""
    new = resolve_name(f"hashlib:{work.name.removesuffix('.digest').replace('-', '_')}")

    def call(item: bytes) -> Any:
        return new(item).digest()

    return call, [(item,) for item in fed]


def hashlib_shake(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
    """Take an extendable output of ``hashlib``."""
    new = resolve_name(f"hashlib:{work.name.removesuffix('.digest').replace('shake', 'shake_')}")

    def call(item: bytes) -> bytes:
        output: bytes = new(item).digest(32)
        return output

    return call, [(item,) for item in fed]


def blake3_threads(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
    """Take the threads that blake3 gives one message."""
    from blake3 import blake3

    def call(item: bytes) -> bytes:
        return blake3(item, max_threads=blake3.AUTO).digest()

    return call, [(item,) for item in fed]


def blake3_alone(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
    """Take blake3 on the calling thread, its default."""
    from blake3 import blake3

    def call(item: bytes) -> bytes:
        return blake3(item).digest()

    return call, [(item,) for item in fed]


def pyca_sm3(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
    """Take pyca's SM3."""
    from cryptography.hazmat.primitives import hashes

    sm3 = hashes.SM3()

    def call(item: bytes) -> bytes:
        hashed = hashes.Hash(sm3)
        hashed.update(item)
        return hashed.finalize()

    return call, [(item,) for item in fed]


def hmac_digest(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
    """Take ``hmac.digest``."""
    name = work.name.removeprefix("hmac-").removesuffix(".mac").replace("-", "_")
    return resolve_name("hmac:digest"), [(KEY, item, name) for item in fed]


def pyca_hmac(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None, *, keyed: bool = False) -> Calls:
    """Take pyca's HMAC, or copies of one which has taken the key in once."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.hmac import HMAC

    name = work.name.removeprefix("hmac-").removesuffix(".mac")
    hashed = getattr(hashes, name.upper())
    begun = HMAC(KEY, hashed())

    def call(item: bytes) -> bytes:
        code = HMAC(KEY, hashed()) if keyed else begun.copy()
        code.update(item)
        return code.finalize()

    return call, [(item,) for item in fed]


def sm4(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
    """Take pyca's SM4 in the mode of the work."""
    assert isinstance(work, Sm4Work)

    def encrypt(index: int, item: bytes) -> bytes:
        return work.message(index, item)

    def decrypt(index: int, item: bytes) -> bytes:
        tagged = work.cipher == "sm4-gcm"
        context = work.context(index, item[-16:] if tagged else b"")
        plain: bytes = context.update(item[:-16] if tagged else item) + context.finalize()
        return plain[: -plain[-1]] if work.cipher == "sm4-cbc" else plain

    return encrypt if work.encrypts else decrypt, list(enumerate(fed))


def pyca_poly1305(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
    """Take pyca's Poly1305."""
    tag = resolve_name("cryptography.hazmat.primitives.poly1305:Poly1305").generate_tag
    return tag, [(KEY, item) for item in fed]


def pyca_cbc(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None, *, keyed: bool = False) -> Calls:
    """Take pyca's AES-CBC; padding is put there and taken away by hand, which is faster than its own way."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    made = algorithms.AES(KEY)

    def encrypt(nonce: bytes, item: bytes) -> bytes:
        key = algorithms.AES(KEY) if keyed else made
        return Cipher(key, modes.CBC(nonce)).encryptor().update(padded(item))

    def decrypt(nonce: bytes, item: bytes) -> bytes:
        key = algorithms.AES(KEY) if keyed else made
        plain = Cipher(key, modes.CBC(nonce)).decryptor().update(item)
        size = plain[-1]
        if not 1 <= size <= 16 or not plain.endswith(bytes([size]) * size):
            raise ValueError("bad padding")
        return plain[:-size]

    call = encrypt if work.name.endswith(".encrypt") else decrypt
    return call, list(zip(work.nonces(len(fed)), fed, strict=True))


def pyca_xts(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None, *, keyed: bool = False) -> Calls:
    """Take pyca's AES-XTS, one data unit after the other."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    made, encrypts = algorithms.AES(XTS_KEY), work.name.endswith(".encrypt")

    def call(nonce: bytes, item: bytes) -> bytes:
        both = Cipher(algorithms.AES(XTS_KEY) if keyed else made, modes.XTS(nonce))
        return (both.encryptor() if encrypts else both.decryptor()).update(item)

    return call, list(zip(work.nonces(len(fed)), fed, strict=True))


def sectors(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
    """Take pyca's AES-XTS, one sector after the other, each with its number as tweak."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    key = algorithms.AES(XTS_KEY)
    encrypts = work.name.endswith(".encrypt")

    def sector(view: memoryview, first: int, n: int) -> bytes:
        both = Cipher(key, modes.XTS((first + n).to_bytes(16, "little")))
        stream = both.encryptor() if encrypts else both.decryptor()
        return stream.update(view[n * SECTOR : (n + 1) * SECTOR])

    def call(first: int, item: bytes) -> bytes:
        view = memoryview(item)
        return b"".join([sector(view, first, n) for n in range(len(item) // SECTOR)])

    def call_into(first: int, item: bytes, out: memoryview) -> int:
        # Its own call that writes in place wants 15 bytes more than it fills.
        view = memoryview(item)
        for n in range(len(item) // SECTOR):
            out[n * SECTOR : (n + 1) * SECTOR] = sector(view, first, n)
        return len(item)

    if outs is None:
        return call, list(enumerate(fed))
    return call_into, [(first, item, out) for first, (item, out) in enumerate(zip(fed, outs, strict=True))]


def pyca_gmac(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None, *, keyed: bool = False) -> Calls:
    """Take the tag of pyca's AESGCM for an empty text."""
    cipher = resolve_name("cryptography.hazmat.primitives.ciphers.aead:AESGCM")
    encrypt = cipher(KEY).encrypt

    def call(nonce: bytes, item: bytes) -> Any:
        return cipher(KEY).encrypt(nonce, b"", item)

    nonces = work.nonces(len(fed))
    if keyed:
        return call, list(zip(nonces, fed, strict=True))
    return encrypt, [(nonce, b"", item) for nonce, item in zip(nonces, fed, strict=True)]


def pyca_cmac(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None, *, keyed: bool = False) -> Calls:
    """Take pyca's CMAC, or copies of one which has expanded the key once."""
    from cryptography.hazmat.primitives.ciphers import algorithms
    from cryptography.hazmat.primitives.cmac import CMAC

    begun = CMAC(algorithms.AES(KEY))

    def call(item: bytes) -> bytes:
        code = CMAC(algorithms.AES(KEY)) if keyed else begun.copy()
        code.update(item)
        return code.finalize()

    return call, [(item,) for item in fed]


def sodium(way: str) -> Maker:
    """Take libsodium's XChaCha20-Poly1305 in one direction."""

    def make(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
        call = resolve_name(f"nacl.bindings:crypto_aead_xchacha20poly1305_ietf_{way}")
        return call, [(item, None, nonce, KEY) for nonce, item in zip(work.nonces(len(fed)), fed, strict=True)]

    return make


def zstandard_threads(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
    """Take zstandard's own threads. A compressor serves one caller at a time, and callers may be several."""
    new = resolve_name("zstandard:ZstdCompressor")
    return lambda item: new(level=1, threads=2).compress(item), [(item,) for item in fed]


def zstandard_stream(work: Work, fed: Sequence[bytes], outs: Sequence[memoryview] | None) -> Calls:
    """Take zstandard's object for frames that do not declare how much they hold."""
    new = resolve_name("zstandard:ZstdDecompressor")().decompressobj
    return lambda item: new().decompress(item), [(item,) for item in fed]


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
_SPONGES_AND_BLAKE = ("sha3-224", "sha3-256", "sha3-384", "sha3-512", "blake2b", "blake2s")
_SHA = ("sha1", "sha224", "sha256", "sha384", "sha512")

_BOTH = ("encrypt", "decrypt")
_AEADS = {
    "aes-gcm": "AESGCM",
    "aes-ccm": "AESCCM",
    "aes-gcm-siv": "AESGCMSIV",
    "chacha20-poly1305": "ChaCha20Poly1305",
}

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
    *(
        Peer(
            f"{name}.{op}",
            "cramjam.snappy",
            "cramjam",
            function(f"cramjam:snappy.{op}{ending}"),
            function(f"cramjam:snappy.{op}{ending}_into"),
        )
        for name, ending in (("snappy", ""), ("snappy-raw", "_raw"))
        for op in ("compress", "decompress")
    ),
    Peer("gzip.compress", "isal", "isal", function("isal.igzip:compress", compresslevel=1)),
    Peer("gzip.compress", "zlib-ng", "zlib-ng", function("zlib_ng.gzip_ng:compress", compresslevel=1)),
    # No library of Python's makes BGZF: plain gzip is what it is compared with.
    Peer("bgzf.compress", "isal gzip", "isal", function("isal.igzip:compress", compresslevel=1)),
    Peer("gzip.decompress", "isal", "isal", function("isal.igzip:decompress")),
    Peer("gzip.decompress", "zlib-ng", "zlib-ng", function("zlib_ng.gzip_ng:decompress")),
    Peer("bgzf.decompress", "isal", "isal", function("isal.igzip:decompress")),
    Peer("zlib.decompress", "isal", "isal", function("isal.isal_zlib:decompress")),
    Peer("deflate.decompress", "isal", "isal", function("isal.isal_zlib:decompress", wbits=-15)),
    Peer("zlib.compress", "isal", "isal", function("isal.isal_zlib:compress", level=1)),
    Peer("deflate.compress", "isal", "isal", function("isal.isal_zlib:compress", level=1, wbits=-15)),
    Peer("zstd.compress", "zstandard", "zstandard", function("zstandard:compress", level=1)),
    Peer("zstd.compress", "zstandard 2 threads", "zstandard", zstandard_threads),
    Peer("zstd.decompress", "zstandard", "zstandard", function("zstandard:decompress")),
    Peer("zstd.decompress unsized", "zstandard", "zstandard", zstandard_stream),
    *(
        Peer(f"lz4.decompress {kind}", "lz4.frame", "lz4", function("lz4.frame:decompress"))
        for kind in ("linked", "unsized")
    ),
    *(
        Peer(f"gzip.decompress {kind}", "isal", "isal", function("isal.igzip:decompress"))
        for kind in ("joined", "named")
    ),
    *(
        Peer(
            f"{algorithm}.{op}",
            f"{name}(key)" if keyed else name,
            "cryptography",
            aead(name, op, keyed=keyed),
            None if name == "AESCCM" else aead(name, f"{op}_into", keyed=keyed),
            keyed,
        )
        for algorithm, name in _AEADS.items()
        for op in _BOTH
        for keyed in (False, True)
    ),
    *(
        Peer(
            f"aes-{mode}.{op}",
            f"Cipher {mode.upper()}, AES(key)" if keyed else f"Cipher {mode.upper()}",
            "cryptography",
            partial(calls, keyed=keyed),
            partial(calls, keyed=keyed) if mode == "ctr" else None,
            keyed,
        )
        for mode, calls in (("ctr", counter_mode), ("cbc", pyca_cbc), ("xts", pyca_xts))
        for op in _BOTH
        for keyed in (False, True)
    ),
    *(Peer(f"aes-xts-sectors.{op}", "Cipher XTS", "cryptography", sectors, sectors) for op in _BOTH),
    Peer("gmac.mac", "AESGCM", "cryptography", pyca_gmac),
    Peer("gmac.mac", "AESGCM(key)", "cryptography", partial(pyca_gmac, keyed=True), keyed=True),
    Peer("cmac-aes.mac", "CMAC.copy", "cryptography", pyca_cmac),
    Peer("cmac-aes.mac", "CMAC(AES(key))", "cryptography", partial(pyca_cmac, keyed=True), keyed=True),
    *(Peer(f"xchacha20-poly1305.{way}", "libsodium", "pynacl", sodium(way)) for way in ("encrypt", "decrypt")),
    Peer("poly1305.mac", "Poly1305", "cryptography", pyca_poly1305),
    Peer("crc32c.checksum", "google-crc32c", "google-crc32c", function("google_crc32c:value")),
    Peer("age.seal", "pyrage", "pyrage", age_file),
    Peer("age.unseal", "pyrage", "pyrage", age_file),
    *(Peer(f"{name}.digest", "hashlib", "", hashlib_digest) for name in _SHA),
    *(Peer(f"{name}.digest", "hashlib", "", hashlib_digest) for name in _SPONGES_AND_BLAKE),
    *(Peer(f"{name}.digest", "hashlib", "", hashlib_shake) for name in ("shake128", "shake256")),
    *(Peer(f"hmac-{name}.mac", "hmac.digest", "", hmac_digest, None, True, True) for name in _SPONGES_AND_BLAKE),
    Peer("blake3.digest", "blake3", "blake3", blake3_alone),
    Peer("blake3.digest", "blake3, threads", "blake3", blake3_threads),
    Peer("sm3.digest", "SM3", "cryptography", pyca_sm3),
    *(Peer(f"hmac-{name}.mac", "hmac.digest", "", hmac_digest, None, True, True) for name in _SHA),
    *(Peer(f"hmac-{name}.mac", "HMAC.copy", "cryptography", pyca_hmac) for name in (*_SHA, "sm3")),
    *(
        Peer(f"hmac-{name}.mac", "HMAC(key)", "cryptography", partial(pyca_hmac, keyed=True), None, True)
        for name in (*_SHA, "sm3")
    ),
    Peer("crc32c.checksum", "awscrt", "awscrt", function("awscrt.checksums:crc32c")),
    Peer("crc32.checksum", "zlib", "", function("zlib:crc32")),
    Peer("crc32.checksum", "isal", "isal", function("isal.isal_zlib:crc32")),
    Peer("crc32.checksum", "zlib-ng", "zlib-ng", function("zlib_ng.zlib_ng:crc32")),
    Peer("crc64-nvme.checksum", "awscrt", "awscrt", function("awscrt.checksums:crc64nvme")),
    Peer("adler32.checksum", "zlib", "", function("zlib:adler32")),
    Peer("adler32.checksum", "isal", "isal", function("isal.isal_zlib:adler32")),
    Peer("adler32.checksum", "zlib-ng", "zlib-ng", function("zlib_ng.zlib_ng:adler32")),
    Peer("xxh32.checksum", "xxhash", "xxhash", function("xxhash:xxh32_intdigest")),
    Peer("xxh64.checksum", "xxhash", "xxhash", function("xxhash:xxh64_intdigest")),
    Peer("xxh3-64.checksum", "xxhash", "xxhash", function("xxhash:xxh3_64_intdigest")),
    *(Peer(work.name, "Cipher SM4", "cryptography", sm4) for work in SM4_WORKS),
    Peer("lz4.compress > aes-gcm.encrypt", "lz4.frame then AESGCM", "lz4", compress_then_encrypt),
)

# The peers that begin with the key, by name.
KEYED = frozenset(peer.name for peer in PEERS if peer.keyed)


def of(work: str) -> list[Peer]:
    """Return the peers of a work that are installed."""
    return [peer for peer in PEERS if peer.work == work and peer.version() is not None]


def versions() -> Mapping[str, str | None]:
    """Return the version of each peer by its name, None where it is not installed."""
    return {peer.name: peer.version() for peer in PEERS}
