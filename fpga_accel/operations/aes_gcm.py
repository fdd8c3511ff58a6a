"""AES-GCM (NIST SP 800-38D) with 128, 192 and 256-bit keys and 16-byte tags."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fpga_accel.operations.gcm import GcmOperation
from fpga_accel.operations.keyed import KEY_SIZES
from fpga_accel.operations.sealed import TAG, Opening, Sealing

__all__ = ["TAG", "GcmDecrypt", "GcmEncrypt"]


class _AesGcm(GcmOperation):
    algorithm = "aes-gcm"
    kernel = "aes"
    entry = "aes_gcm"
    key_sizes = KEY_SIZES
    # The library is as fast a core; two cores at most halve what remains above a launch's cost.
    small = 4 << 20
    links = True
    library_class = AESGCM
    block_cipher = algorithms.AES


class GcmEncrypt(_AesGcm, Sealing):
    """``aes-gcm.encrypt``."""


class GcmDecrypt(_AesGcm, Opening):
    """``aes-gcm.decrypt``."""
