"""What is timed: one class an operation, with our calls, and how an output is judged by a stock library.

The modules are domains. A new algorithm adds its class to one of them and to `WORKS`, and its peers to `peers.PEERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fpga_accel.bench.works.chains import CompressEncrypt
from fpga_accel.bench.works.checksums import Adler32, Crc32, Crc32c, Crc64Nvme, Xxh3, Xxh32, Xxh64
from fpga_accel.bench.works.ciphers import (
    SM4_WORKS,
    CbcDecrypt,
    CbcEncrypt,
    CcmDecrypt,
    CcmEncrypt,
    ChaChaDecrypt,
    ChaChaEncrypt,
    CtrDecrypt,
    CtrEncrypt,
    GcmDecrypt,
    GcmEncrypt,
    SectorsDecrypt,
    SectorsEncrypt,
    XChaChaDecrypt,
    XChaChaEncrypt,
    XtsDecrypt,
    XtsEncrypt,
)
from fpga_accel.bench.works.codecs import Lz4Compress, Lz4Decompress, Lz4DecompressLinked, ZstdCompress
from fpga_accel.bench.works.digests import (
    Blake2b,
    Blake2s,
    Blake3,
    Sha1,
    Sha3,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha3224,
    Sha3384,
    Sha3512,
    Shake128,
    Shake256,
    Sm3,
)
from fpga_accel.bench.works.files import Seal, Unseal
from fpga_accel.bench.works.macs import (
    Cmac,
    Gmac,
    HmacBlake2b,
    HmacBlake2s,
    HmacSha1,
    HmacSha224,
    HmacSha256,
    HmacSha384,
    HmacSha512,
    HmacSha3224,
    HmacSha3256,
    HmacSha3384,
    HmacSha3512,
    HmacSm3,
    Poly1305Mac,
)
from fpga_accel.bench.works.work import Work

WORKS: Mapping[str, type[Work]] = MappingProxyType(
    {
        work.name: work
        for work in (
            Lz4Compress,
            Lz4Decompress,
            Lz4DecompressLinked,
            ZstdCompress,
            GcmEncrypt,
            GcmDecrypt,
            CtrEncrypt,
            CtrDecrypt,
            ChaChaEncrypt,
            ChaChaDecrypt,
            XChaChaEncrypt,
            XChaChaDecrypt,
            Poly1305Mac,
            CbcEncrypt,
            CbcDecrypt,
            CcmEncrypt,
            CcmDecrypt,
            XtsEncrypt,
            XtsDecrypt,
            SectorsEncrypt,
            SectorsDecrypt,
            Cmac,
            Gmac,
            Crc32c,
            Sha1,
            Sha224,
            Sha256,
            Sha384,
            Sha512,
            Sm3,
            Sha3,
            Blake2b,
            Blake2s,
            Blake3,
            Sha3224,
            Sha3384,
            Sha3512,
            Shake128,
            Shake256,
            HmacSha3224,
            HmacSha3256,
            HmacSha3384,
            HmacSha3512,
            HmacBlake2b,
            HmacBlake2s,
            HmacSha1,
            HmacSha224,
            HmacSha256,
            HmacSha384,
            HmacSha512,
            HmacSm3,
            Crc32,
            Crc64Nvme,
            Adler32,
            Xxh32,
            Xxh64,
            Xxh3,
            *SM4_WORKS,
            CompressEncrypt,
            Seal,
            Unseal,
        )
    }
)
