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
    gmac,
    hashes,
    hmacs,
    keccak,
    lz4_compress,
    lz4_decompress,
    lz4_frame,
    lz4_stream,
    poly1305,
    sm4,
    xchacha20_poly1305,
    xxh,
)
from fpga_accel.operations.buffers import Flat
from fpga_accel.operations.checksums import ContinuedChecksum
from fpga_accel.operations.ciphers import CipherOperation, KeysOperation
from fpga_accel.operations.contract import Operation

_ROWS: tuple[Operation[Any], ...] = (
    lz4_compress.Lz4Compress(),
    lz4_decompress.Lz4Decompress(),
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

# First bytes of each self-describing format.
_BY_MAGIC = {
    lz4_frame.MAGIC.to_bytes(4, "little"): "lz4",
    lz4_frame.LEGACY_MAGIC.to_bytes(4, "little"): "lz4",
}

COMPRESS_BOUNDS = MappingProxyType({"lz4": lz4_compress.compress_bound})

# How streams write and read a format: the encoder's class, and a generator over decoded chunks.
ENCODERS = MappingProxyType({"lz4": lz4_stream.Encoder})
DECODERS = MappingProxyType({"lz4": lz4_stream.decoded})

# File name endings of compressed formats.
SUFFIXES = MappingProxyType({".lz4": "lz4"})


def find(op: str, algorithm: str) -> Operation[Any]:
    """Return an operation.

    Raises
    ------
    ValueError
        There is none of that name; the message lists the legal ones.
    """
    operation = _BY_VERB.get((op, algorithm))
    if operation is None:
        raise ValueError(f"unknown algorithm {algorithm!r} for {op}; legal ones are {', '.join(algorithms(op))}")
    return operation


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
    """Tell the format by its magic number, past leading skippable frames.

    Raises
    ------
    FormatError
        No known format starts so.
    """
    name = _BY_MAGIC.get(bytes(data[:4]))
    return name or _format_behind_skippable(memoryview(data))


def format_of_start(start: bytes) -> str:
    """Tell the format of a stream by its first four bytes.

    Raises
    ------
    FormatError
        No known format starts so.
    """
    if int.from_bytes(start, "little") in lz4_frame.SKIPPABLE:
        # Skippable frames are LZ4's, and its decoder passes over them.
        return "lz4"
    return format_of(start)


def _format_behind_skippable(data: memoryview) -> str:
    position = 0
    while position + 8 <= len(data) and lz4_frame.word_at(data, position) in lz4_frame.SKIPPABLE:
        position = min(lz4_frame.skip(data, position), len(data))
        if position == len(data):
            # Nothing but skippable frames: LZ4 decodes that to nothing.
            return "lz4"
    start = bytes(data[position : position + 4])
    if start in _BY_MAGIC:
        return _BY_MAGIC[start]
    raise FormatError(f"no known format starts with {start.hex() or 'nothing'}", hint="name it with format=...")
