"""AES-CTR (NIST SP 800-38A §6.5) with 128, 192 and 256-bit keys."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import algorithms

from fpga_accel.operations.ctr import CtrDecryption, CtrEncryption, CtrOperation
from fpga_accel.operations.keyed import KEY_SIZES


class _AesCtr(CtrOperation):
    algorithm = "aes-ctr"
    kernel = "aes"
    entry = "aes_ctr"
    key_sizes = KEY_SIZES
    # The library is as fast a core; two cores at most halve what remains above a launch's cost.
    small = 4 << 20
    links = True
    block_cipher = algorithms.AES


class CtrEncrypt(_AesCtr, CtrEncryption):
    """``aes-ctr.encrypt``."""


class CtrDecrypt(_AesCtr, CtrDecryption):
    """``aes-ctr.decrypt``."""
