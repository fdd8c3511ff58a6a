"""The one table of operations. Adding an algorithm adds its rows here, and nothing else upstream changes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fpga_accel.errors import FormatError
from fpga_accel.operations import (
    adler,
    aes_cbc,
    aes_ccm,
    aes_ctr,
    aes_gcm,
    aes_gcm_siv,
    aes_xts,
    blake2,
    blake3,
    chacha20_poly1305,
    cmac,
    crc,
    deflate_compress,
    deflate_stream,
    gmac,
    gzip_member,
    hashes,
    hmacs,
    inflate,
    keccak,
    lz4_compress,
    lz4_decompress,
    lz4_frame,
    lz4_stream,
    poly1305,
    sm4,
    snappy_compress,
    snappy_decompress,
    snappy_format,
    snappy_stream,
    xchacha20_poly1305,
    xxh,
    zstd_compress,
    zstd_decompress,
    zstd_frame,
    zstd_stream,
)
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.checksums import ContinuedChecksum
from fpga_accel.operations.ciphers import CipherOperation, KeysOperation
from fpga_accel.operations.codecs import SKIPPABLE, START, Format, Stream
from fpga_accel.operations.contract import Operation

_ROWS: tuple[Operation[Any], ...] = (
    lz4_compress.Lz4Compress(),
    lz4_decompress.Lz4Decompress(),
    snappy_compress.SnappyCompress(),
    snappy_compress.RawCompress(),
    snappy_decompress.SnappyDecompress(),
    snappy_decompress.RawDecompress(),
    deflate_compress.DeflateCompress(),
    deflate_compress.ZlibCompress(),
    deflate_compress.GzipCompress(),
    deflate_compress.BgzfCompress(),
    zstd_compress.ZstdCompress(),
    zstd_decompress.ZstdDecompress(),
    inflate.DeflateDecompress(),
    inflate.ZlibDecompress(),
    inflate.GzipDecompress(),
    inflate.BgzfDecompress(),
    aes_gcm.GcmEncrypt(),
    aes_gcm.GcmDecrypt(),
    aes_gcm_siv.GcmSivEncrypt(),
    aes_gcm_siv.GcmSivDecrypt(),
    aes_ctr.CtrEncrypt(),
    aes_ctr.CtrDecrypt(),
    sm4.EcbEncrypt(),
    sm4.EcbDecrypt(),
    sm4.Sm4CbcEncrypt(),
    sm4.Sm4CbcDecrypt(),
    sm4.CtrEncrypt(),
    sm4.CtrDecrypt(),
    sm4.GcmEncrypt(),
    sm4.GcmDecrypt(),
    chacha20_poly1305.ChaChaEncrypt(),
    chacha20_poly1305.ChaChaDecrypt(),
    xchacha20_poly1305.XChaChaEncrypt(),
    xchacha20_poly1305.XChaChaDecrypt(),
    aes_cbc.AesCbcEncrypt(),
    aes_cbc.AesCbcDecrypt(),
    aes_ccm.CcmEncrypt(),
    aes_ccm.CcmDecrypt(),
    aes_xts.XtsEncrypt(),
    aes_xts.XtsDecrypt(),
    aes_xts.SectorsEncrypt(),
    aes_xts.SectorsDecrypt(),
    crc.Crc32c(),
    crc.Crc32(),
    crc.Crc64Nvme(),
    adler.Adler32(),
    xxh.Xxh32(),
    xxh.Xxh64(),
    xxh.Xxh3(),
    hashes.Sha1(),
    hashes.Sha224(),
    hashes.Sha256(),
    hashes.Sha384(),
    hashes.Sha512(),
    hashes.Sm3(),
    hmacs.HmacSha1(),
    hmacs.HmacSha224(),
    hmacs.HmacSha256(),
    hmacs.HmacSha384(),
    hmacs.HmacSha512(),
    hmacs.HmacSm3(),
    keccak.Sha3_224(),
    keccak.Sha3_256(),
    keccak.Sha3_384(),
    keccak.Sha3_512(),
    keccak.Shake128(),
    keccak.Shake256(),
    keccak.HmacSha3_224(),
    keccak.HmacSha3_256(),
    keccak.HmacSha3_384(),
    keccak.HmacSha3_512(),
    blake2.Blake2b(),
    blake2.Blake2s(),
    blake2.HmacBlake2b(),
    blake2.HmacBlake2s(),
    blake3.Blake3(),
    poly1305.Poly1305(),
    cmac.CmacAes(),
    gmac.Gmac(),
)

OPERATIONS: Mapping[str, Operation[Any]] = MappingProxyType({row.name: row for row in _ROWS})

_BY_VERB = {(row.op, row.algorithm): row for row in _ROWS}

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

_FORMATS: tuple[Format, ...] = (
    Format("lz4", (".lz4",), lz4_frame.starts, lz4_compress.compress_bound, lz4_stream.STREAM),
    Format("snappy", (".sz",), snappy_format.starts, snappy_compress.framed_bound, snappy_stream.STREAM),
    Format("snappy-raw", (".snappy",), None, snappy_compress.raw_bound, None),
    Format("zstd", (".zst",), zstd_frame.starts, zstd_compress.compress_bound, zstd_stream.STREAM),
    Format("gzip", (".gz",), gzip_member.starts, deflate_compress.compress_bound, deflate_stream.GZIP),
    Format("bgzf", (".bgz",), None, deflate_compress.compress_bound, deflate_stream.BGZF),
    Format("zlib", (".zz",), gzip_member.zlib_starts, deflate_compress.compress_bound, deflate_stream.ZLIB),
    Format("deflate", (".deflate",), None, deflate_compress.compress_bound, deflate_stream.DEFLATE),
)

FORMATS: Mapping[str, Format] = MappingProxyType({row.name: row for row in _FORMATS})

_STARTS = tuple((row.starts, row.name) for row in _FORMATS if row.starts is not None)

# File name endings of compressed formats.
SUFFIXES: Mapping[str, str] = MappingProxyType({suffix: row.name for row in _FORMATS for suffix in row.suffixes})

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
    operation = _BY_VERB.get((op, algorithm))
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
    return sorted(row.name for row in _FORMATS if row.stream is not None)


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
    return sorted(operation.algorithm for operation in OPERATIONS.values() if operation.op == op)


def of_kernel(kernel: str) -> list[Operation[Any]]:
    """List the operations that a kernel folder serves."""
    return [operation for operation in OPERATIONS.values() if operation.kernel == kernel]


def format_of(data: Flat) -> str:
    """Tell the format by its first bytes, past leading skippable frames.

    Raises
    ------
    FormatError
        No known format starts so.
    """
    return format_of_start(bytes(data[:START])) or _format_behind_skippable(memoryview(data))


def format_of_start(start: bytes) -> str | None:
    """Tell the format by its first bytes, as many as `START` or all there are; None where no known one starts so."""
    # A plain loop: this is part of what small calls take.
    for starts, name in _STARTS:
        if starts(start):
            return name
    return None


def _format_behind_skippable(data: memoryview) -> str:
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
