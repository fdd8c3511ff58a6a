"""Compression and encryption on OpenCL accelerators, with an honest CPU path.

Importing the package touches no OpenCL; devices are looked for at the first call that may use one. The functions
here are the methods of `Accelerator` on one shared default Accelerator.
"""

from __future__ import annotations

from fpga_accel.accelerator import Accelerator
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
    OutputLimitError,
    TruncatedError,
)
from fpga_accel.receipts import Reason, Receipt, Seconds, Trace
from fpga_accel.routing import Plan
from fpga_accel.runtime.discovery import Device, devices

__version__ = "0.1.0"

__all__ = [
    "Accelerator",
    "BatchError",
    "BufferTooSmallError",
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
    "OutputLimitError",
    "Plan",
    "Reason",
    "Receipt",
    "Seconds",
    "Trace",
    "TruncatedError",
    "devices",
]
