"""The one table of operations. Adding an algorithm adds its rows here, and nothing else upstream changes.

Rows name their kernel folder and their class, as ``kernel: module.Class``: a module, with the library of its CPU path,
is imported when one of its rows is first used, so that a process that hashes does not wait for all codecs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from fpga_accel.errors import FormatError
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.checksums import ContinuedChecksum
from fpga_accel.operations.ciphers import CipherOperation, KeysOperation
from fpga_accel.operations.codecs import SKIPPABLE, START, Format, Stream
from fpga_accel.operations.contract import Operation

R = TypeVar("R")
T = TypeVar("T")

_ROWS = MappingProxyType(
    {
        "lz4.compress": "lz4: lz4_compress.Lz4Compress",
        "lz4.decompress": "lz4: lz4_decompress.Lz4Decompress",
        "snappy.compress": "snappy: snappy_compress.SnappyCompress",
        "snappy-raw.compress": "snappy: snappy_compress.RawCompress",
        "snappy.decompress": "snappy: snappy_decompress.SnappyDecompress",
        "snappy-raw.decompress": "snappy: snappy_decompress.RawDecompress",
        "deflate.compress": "deflate: deflate_compress.DeflateCompress",
        "zlib.compress": "deflate: deflate_compress.ZlibCompress",
        "gzip.compress": "deflate: deflate_compress.GzipCompress",
        "bgzf.compress": "deflate: deflate_compress.BgzfCompress",
        "zstd.compress": "zstd_compress: zstd_compress.ZstdCompress",
        "zstd.decompress": "zstd_decompress: zstd_decompress.ZstdDecompress",
        "deflate.decompress": "inflate: inflate.DeflateDecompress",
        "zlib.decompress": "inflate: inflate.ZlibDecompress",
        "gzip.decompress": "inflate: inflate.GzipDecompress",
        "bgzf.decompress": "inflate: inflate.BgzfDecompress",
        "aes-gcm.encrypt": "aes: aes_gcm.GcmEncrypt",
        "aes-gcm.decrypt": "aes: aes_gcm.GcmDecrypt",
        "aes-gcm-siv.encrypt": "aes_gcm_siv: aes_gcm_siv.GcmSivEncrypt",
        "aes-gcm-siv.decrypt": "aes_gcm_siv: aes_gcm_siv.GcmSivDecrypt",
        "aes-ctr.encrypt": "aes: aes_ctr.CtrEncrypt",
        "aes-ctr.decrypt": "aes: aes_ctr.CtrDecrypt",
        "sm4-ecb.encrypt": "sm4: sm4.EcbEncrypt",
        "sm4-ecb.decrypt": "sm4: sm4.EcbDecrypt",
        "sm4-cbc.encrypt": "sm4: sm4.Sm4CbcEncrypt",
        "sm4-cbc.decrypt": "sm4: sm4.Sm4CbcDecrypt",
        "sm4-ctr.encrypt": "sm4: sm4.CtrEncrypt",
        "sm4-ctr.decrypt": "sm4: sm4.CtrDecrypt",
        "sm4-gcm.encrypt": "sm4: sm4.GcmEncrypt",
        "sm4-gcm.decrypt": "sm4: sm4.GcmDecrypt",
        "chacha20-poly1305.encrypt": "chacha20_poly1305: chacha20_poly1305.ChaChaEncrypt",
        "chacha20-poly1305.decrypt": "chacha20_poly1305: chacha20_poly1305.ChaChaDecrypt",
        "xchacha20-poly1305.encrypt": "chacha20_poly1305: xchacha20_poly1305.XChaChaEncrypt",
        "xchacha20-poly1305.decrypt": "chacha20_poly1305: xchacha20_poly1305.XChaChaDecrypt",
        "aes-cbc.encrypt": "aes_cbc: aes_cbc.AesCbcEncrypt",
        "aes-cbc.decrypt": "aes_cbc: aes_cbc.AesCbcDecrypt",
        "aes-ccm.encrypt": "aes_ccm: aes_ccm.CcmEncrypt",
        "aes-ccm.decrypt": "aes_ccm: aes_ccm.CcmDecrypt",
        "aes-xts.encrypt": "aes_xts: aes_xts.XtsEncrypt",
        "aes-xts.decrypt": "aes_xts: aes_xts.XtsDecrypt",
        "aes-xts-sectors.encrypt": "aes_xts: aes_xts.SectorsEncrypt",
        "aes-xts-sectors.decrypt": "aes_xts: aes_xts.SectorsDecrypt",
        "crc32c.checksum": "crc: crc.Crc32c",
        "crc32.checksum": "crc: crc.Crc32",
        "crc64-nvme.checksum": "crc: crc.Crc64Nvme",
        "adler32.checksum": "adler32: adler.Adler32",
        "xxh32.checksum": "xxh: xxh.Xxh32",
        "xxh64.checksum": "xxh: xxh.Xxh64",
        "xxh3-64.checksum": "xxh: xxh.Xxh3",
        "sha1.digest": "sha1: hashes.Sha1",
        "sha224.digest": "sha256: hashes.Sha224",
        "sha256.digest": "sha256: hashes.Sha256",
        "sha384.digest": "sha512: hashes.Sha384",
        "sha512.digest": "sha512: hashes.Sha512",
        "sm3.digest": "sm3: hashes.Sm3",
        "hmac-sha1.mac": "sha1: hmacs.HmacSha1",
        "hmac-sha224.mac": "sha256: hmacs.HmacSha224",
        "hmac-sha256.mac": "sha256: hmacs.HmacSha256",
        "hmac-sha384.mac": "sha512: hmacs.HmacSha384",
        "hmac-sha512.mac": "sha512: hmacs.HmacSha512",
        "hmac-sm3.mac": "sm3: hmacs.HmacSm3",
        "sha3-224.digest": "keccak: keccak.Sha3_224",
        "sha3-256.digest": "keccak: keccak.Sha3_256",
        "sha3-384.digest": "keccak: keccak.Sha3_384",
        "sha3-512.digest": "keccak: keccak.Sha3_512",
        "shake128.digest": "keccak: keccak.Shake128",
        "shake256.digest": "keccak: keccak.Shake256",
        "hmac-sha3-224.mac": "keccak: keccak.HmacSha3_224",
        "hmac-sha3-256.mac": "keccak: keccak.HmacSha3_256",
        "hmac-sha3-384.mac": "keccak: keccak.HmacSha3_384",
        "hmac-sha3-512.mac": "keccak: keccak.HmacSha3_512",
        "blake2b.digest": "blake2b: blake2.Blake2b",
        "blake2s.digest": "blake2s: blake2.Blake2s",
        "hmac-blake2b.mac": "blake2b: blake2.HmacBlake2b",
        "hmac-blake2s.mac": "blake2s: blake2.HmacBlake2s",
        "blake3.digest": "blake3: blake3.Blake3",
        "poly1305.mac": "chacha20_poly1305: poly1305.Poly1305",
        "cmac-aes.mac": "aes_cbc: cmac.CmacAes",
        "gmac.mac": "gmac: gmac.Gmac",
    }
)


def _named(path: str) -> Any:
    """Return what ``module.name`` says, of the modules beside this one."""
    module, name = path.split(".")
    return getattr(import_module(f"{__package__}.{module}"), name)


class _Rows(Mapping[str, T]):
    """Rows by name; each is made when it is first asked for."""

    def __init__(self, rows: Mapping[str, R], make: Callable[[str, R], T]) -> None:
        self._rows = rows
        self._make = make
        self._made: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        made = self._made.get(name)
        if made is None:
            # Threads that make the same row at once all get the one that came first.
            made = self._made.setdefault(name, self._make(name, self._rows[name]))
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _operation(name: str, row: str) -> Operation[Any]:
    made: Operation[Any] = _named(row.partition(": ")[2])()
    return made


OPERATIONS: Mapping[str, Operation[Any]] = _Rows(_ROWS, _operation)

# What a verb does where no algorithm is named.
DEFAULTS = MappingProxyType(
    {
        "compress": "lz4",
        "decompress": "lz4",
        "encrypt": "aes-gcm",
        "decrypt": "aes-gcm",
        "digest": "sha256",
        "mac": "hmac-sha256",
        "checksum": "crc32c",
    }
)


class _FormatRow(NamedTuple):
    """A `Format` whose parts are named."""

    suffixes: tuple[str, ...]
    starts: str | None
    bound: str
    stream: str | None


_FORMATS = MappingProxyType(
    {
        "lz4": _FormatRow((".lz4",), "lz4_frame.starts", "lz4_compress.compress_bound", "lz4_stream.STREAM"),
        "snappy": _FormatRow((".sz",), "snappy_format.starts", "snappy_compress.framed_bound", "snappy_stream.STREAM"),
        "snappy-raw": _FormatRow((".snappy",), None, "snappy_compress.raw_bound", None),
        "zstd": _FormatRow((".zst",), "zstd_frame.starts", "zstd_compress.compress_bound", "zstd_stream.STREAM"),
        "gzip": _FormatRow((".gz",), "gzip_member.starts", "deflate_compress.compress_bound", "deflate_stream.GZIP"),
        "bgzf": _FormatRow((".bgz",), None, "deflate_compress.compress_bound", "deflate_stream.BGZF"),
        "zlib": _FormatRow(
            (".zz",), "gzip_member.zlib_starts", "deflate_compress.compress_bound", "deflate_stream.ZLIB"
        ),
        "deflate": _FormatRow((".deflate",), None, "deflate_compress.compress_bound", "deflate_stream.DEFLATE"),
    }
)


def _format(name: str, row: _FormatRow) -> Format:
    starts = None if row.starts is None else _named(row.starts)
    return Format(name, row.suffixes, starts, _named(row.bound), None if row.stream is None else _named(row.stream))


FORMATS: Mapping[str, Format] = _Rows(_FORMATS, _format)

# File name endings of compressed formats.
SUFFIXES: Mapping[str, str] = MappingProxyType(
    {suffix: name for name, row in _FORMATS.items() for suffix in row.suffixes}
)

# Formats that a magic number of four bytes tells, looked up in a quarter of the time of asking one format after the
# other, which small calls would notice.
_BY_MAGIC = MappingProxyType(
    {
        b"\x04\x22\x4d\x18": "lz4",
        b"\x28\xb5\x2f\xfd": "zstd",
        b"\xff\x06\x00\x00": "snappy",
        # Without flags, and with a name; BGZF has an extra field.
        b"\x1f\x8b\x08\x00": "gzip",
        b"\x1f\x8b\x08\x08": "gzip",
    }
)

# Characters of an unknown name in a message; no name is as long.
_MOST_SHOWN = 24


def find(op: str, algorithm: str) -> Operation[Any]:
    """Return an operation.

    Raises
    ------
    TypeError
        The algorithm is no string.
    ValueError
        There is none of that name; the message lists the legal ones.
    """
    if not isinstance(algorithm, str):
        raise TypeError(f"algorithm must be a str, not {type(algorithm).__name__}")
    return _found(op, algorithm)


# This is part of what small calls take.
@cache
def _found(op: str, algorithm: str) -> Operation[Any]:
    operation = OPERATIONS.get(f"{algorithm}.{op}")
    if operation is None:
        legal = ", ".join(algorithms(op))
        raise ValueError(f"unknown algorithm {shown(algorithm)} for {shortened(op)}; legal ones are {legal}")
    return operation


def shown(name: str) -> str:
    """Return how messages show a name that is unknown."""
    return repr(shortened(name))


def shortened(name: str) -> str:
    """Return a name, or its start: what stands in the wrong place may be a secret."""
    return name if len(name) <= _MOST_SHOWN else f"{name[:_MOST_SHOWN]}..."


def streaming(name: str) -> Stream:
    """Return how a format is written and read as a stream.

    Raises
    ------
    ValueError
        There is no such format, or it has no streams.
    """
    find("compress", name)
    stream = FORMATS[name].stream
    if stream is None:
        raise ValueError(f"{name} needs the size of its content first; formats of streams are {', '.join(streamed())}")
    return stream


def streamed() -> list[str]:
    """List the formats that streams and files can have."""
    return sorted(name for name, row in _FORMATS.items() if row.stream is not None)


def cipher(op: str, algorithm: str) -> CipherOperation:
    """Return the operation of a cipher; errors as in `find`."""
    operation = find(op, algorithm)
    if not isinstance(operation, CipherOperation):
        raise ValueError(f"{algorithm} is no cipher")
    return operation


def combining(algorithm: str) -> ContinuedChecksum:
    """Return the operation of a checksum that is combined of those of parts; errors as in `find`."""
    operation = find("checksum", algorithm)
    if not isinstance(operation, ContinuedChecksum):
        raise ValueError(f"{algorithm} cannot be combined: it is no function of the results of parts")
    return operation


def keyed(op: str, algorithm: str) -> KeysOperation:
    """Return an operation that needs a key; errors as in `find`."""
    operation = find(op, algorithm)
    if not isinstance(operation, KeysOperation):
        raise ValueError(f"{algorithm} takes no key")
    return operation


def algorithms(op: str) -> list[str]:
    """List what can be done for one verb, for example ``"compress"``."""
    return sorted(name.removesuffix(f".{op}") for name in _ROWS if name.endswith(f".{op}"))


def of_kernel(kernel: str) -> list[Operation[Any]]:
    """List the operations that a kernel folder serves."""
    return [OPERATIONS[name] for name, row in _ROWS.items() if row.startswith(f"{kernel}: ")]


def format_of(data: Flat) -> str:
    """Tell the format by its first bytes, past leading skippable frames.

    Raises
    ------
    FormatError
        No known format starts so.
    """
    found = _BY_MAGIC.get(bytes(data[:4]))
    return found or format_of_start(bytes(data[:START])) or _format_behind_skippable(memoryview(data))


def format_of_start(start: bytes) -> str | None:
    """Tell the format by its first bytes, as many as `START` or all there are; None where no known one starts so."""
    # A plain loop: this is part of what small calls take.
    for starts, name in _starts():
        if starts(start):
            return name
    return None


@cache
def _starts() -> tuple[tuple[Callable[[bytes], bool], str], ...]:
    return tuple((_named(row.starts), name) for name, row in _FORMATS.items() if row.starts is not None)


def _format_behind_skippable(data: memoryview) -> str:
    from fpga_accel.operations import lz4_frame  # as late as all codecs are imported

    position = 0
    while position + 8 <= len(data) and lz4_frame.word_at(data, position) in SKIPPABLE:
        position = min(lz4_frame.skip(data, position), len(data))
        if position == len(data):
            # Nothing but skippable frames: LZ4 decodes that to nothing.
            return "lz4"
    start = bytes(data[position : position + START])
    found = format_of_start(start)
    if found is None:
        raise unknown_start(start)
    return found


def unknown_start(start: bytes) -> FormatError:
    """Return the error for data that no known format starts with."""
    return FormatError(f"no known format starts with {start[:8].hex() or 'nothing'}", hint="name it with format=...")
