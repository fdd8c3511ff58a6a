"""Compression and encryption on OpenCL accelerators, with an honest CPU path.

Importing the package loads nothing, not even NumPy: what a name needs is imported when the name is first used, and
devices are looked for at the first call that may use one. The functions here are the methods of `Accelerator` on one
shared default Accelerator.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fpga_accel.accelerator import Accelerator, default_accelerator
    from fpga_accel.aead import AESCCM, AESGCM, AESGCMSIV, SM4GCM, ChaCha20Poly1305, XChaCha20Poly1305
    from fpga_accel.age.streams import seal_stream, unseal_stream
    from fpga_accel.batch import Batch
    from fpga_accel.chains import Chain, Chained
    from fpga_accel.device_capabilities import capabilities
    from fpga_accel.errors import (
        BatchError,
        BufferTooSmallError,
        ConcurrentUseError,
        DeviceError,
        DeviceNotFoundError,
        DeviceTimeoutError,
        FallbackDisabledError,
        FallbackWarning,
        ForkedContextError,
        FormatError,
        FpgaAccelError,
        ImageMismatchError,
        IntegrityError,
        InvalidTag,
        NoMatchError,
        OutputLimitError,
        TruncatedError,
    )
    from fpga_accel.jobs import Job
    from fpga_accel.receipts import Reason, Receipt, Seconds, Trace
    from fpga_accel.routing import Plan
    from fpga_accel.runtime.discovery import Device, devices
    from fpga_accel.sectors import AESXTS
    from fpga_accel.streams import open  # noqa: A004 (like gzip.open)

    # What `__getattr__` gives: methods of the default Accelerator.
    _acc = Accelerator()
    astream = _acc.astream
    chain = _acc.chain
    checksum = _acc.checksum
    checksum_combine = _acc.checksum_combine
    checksum_many = _acc.checksum_many
    compress = _acc.compress
    compress_bound = _acc.compress_bound
    compress_into = _acc.compress_into
    compress_many = _acc.compress_many
    decompress = _acc.decompress
    decompress_into = _acc.decompress_into
    decompress_many = _acc.decompress_many
    decrypt = _acc.decrypt
    decrypt_into = _acc.decrypt_into
    decrypt_many = _acc.decrypt_many
    digest = _acc.digest
    digest_into = _acc.digest_into
    digest_many = _acc.digest_many
    encrypt = _acc.encrypt
    encrypt_into = _acc.encrypt_into
    encrypt_many = _acc.encrypt_many
    explain = _acc.explain
    mac = _acc.mac
    mac_into = _acc.mac_into
    mac_many = _acc.mac_many
    seal = _acc.seal
    stats = _acc.stats
    stream = _acc.stream
    submit = _acc.submit
    trace = _acc.trace
    unseal = _acc.unseal
    warmup = _acc.warmup

__version__ = "0.1.0"

# Where the public names live that are not methods of the default Accelerator.
_MODULES = {
    "accelerator": ("Accelerator", "default_accelerator"),
    "aead": ("AESCCM", "AESGCM", "AESGCMSIV", "SM4GCM", "ChaCha20Poly1305", "XChaCha20Poly1305"),
    "age.streams": ("seal_stream", "unseal_stream"),
    "batch": ("Batch",),
    "device_capabilities": ("capabilities",),
    "chains": ("Chain", "Chained"),
    "errors": (
        "BatchError",
        "BufferTooSmallError",
        "ConcurrentUseError",
        "DeviceError",
        "DeviceNotFoundError",
        "DeviceTimeoutError",
        "FallbackDisabledError",
        "FallbackWarning",
        "ForkedContextError",
        "FormatError",
        "FpgaAccelError",
        "ImageMismatchError",
        "IntegrityError",
        "InvalidTag",
        "NoMatchError",
        "OutputLimitError",
        "TruncatedError",
    ),
    "jobs": ("Job",),
    "receipts": ("Reason", "Receipt", "Seconds", "Trace"),
    "routing": ("Plan",),
    "runtime.discovery": ("Device", "devices"),
    "sectors": ("AESXTS",),
    "streams": ("open",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AESCCM",
    "AESGCM",
    "AESGCMSIV",
    "AESXTS",
    "SM4GCM",
    "Accelerator",
    "Batch",
    "BatchError",
    "BufferTooSmallError",
    "ChaCha20Poly1305",
    "Chain",
    "Chained",
    "ConcurrentUseError",
    "Device",
    "DeviceError",
    "DeviceNotFoundError",
    "DeviceTimeoutError",
    "FallbackDisabledError",
    "FallbackWarning",
    "ForkedContextError",
    "FormatError",
    "FpgaAccelError",
    "ImageMismatchError",
    "IntegrityError",
    "InvalidTag",
    "Job",
    "NoMatchError",
    "OutputLimitError",
    "Plan",
    "Reason",
    "Receipt",
    "Seconds",
    "Trace",
    "TruncatedError",
    "XChaCha20Poly1305",
    "astream",
    "capabilities",
    "chain",
    "checksum",
    "checksum_combine",
    "checksum_many",
    "compress",
    "compress_bound",
    "compress_into",
    "compress_many",
    "decompress",
    "decompress_into",
    "decompress_many",
    "decrypt",
    "decrypt_into",
    "decrypt_many",
    "default_accelerator",
    "devices",
    "digest",
    "digest_into",
    "digest_many",
    "encrypt",
    "encrypt_into",
    "encrypt_many",
    "explain",
    "mac",
    "mac_into",
    "mac_many",
    "open",
    "seal",
    "seal_stream",
    "stats",
    "stream",
    "submit",
    "trace",
    "unseal",
    "unseal_stream",
    "warmup",
]


def __getattr__(name: str) -> Any:
    """Import a public name, or bind a method of the default Accelerator, at its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULE_OF.get(name, 'accelerator')}")
    value = getattr(module if name in _MODULE_OF else module.default_accelerator(), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return sorted({*__all__, *globals()})
