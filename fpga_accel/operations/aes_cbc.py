"""AES-CBC (NIST SP 800-38A §6.2) with 128, 192 and 256-bit keys; the 16-byte nonce is the IV."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import algorithms

from fpga_accel.operations.cbc import CbcDecrypt, CbcEncrypt
from fpga_accel.operations.keyed import KEY_SIZES


class AesCbcEncrypt(CbcEncrypt):
    """``aes-cbc.encrypt``."""

    algorithm = "aes-cbc"
    kernel, entry = "aes_cbc", "aes_cbc_encrypt"
    key_sizes = KEY_SIZES
    block_cipher = algorithms.AES


class AesCbcDecrypt(CbcDecrypt):
    """``aes-cbc.decrypt``."""

    algorithm = "aes-cbc"
    kernel, entry = "aes_cbc", "aes_cbc_decrypt"
    key_sizes = KEY_SIZES
    block_cipher = algorithms.AES
