"""Every error the package raises on purpose, with a code, a hint and the device it concerns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from cryptography.exceptions import InvalidTag as _LibraryInvalidTag

__all__ = [
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
]


class FpgaAccelError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    message
        What happened, with which numbers.
    hint
        What to do about it.
    device
        Id of the device concerned, if any.

    Attributes
    ----------
    code : str
        A stable machine-readable name, one per class.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str = "", *, hint: str | None = None, device: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.device = device

    def __str__(self) -> str:
        message = str(self.args[0]) if self.args else ""
        return f"{message} ({self.hint})" if self.hint else message


class DeviceNotFoundError(FpgaAccelError):
    """No device, or more than one, matches what was asked for.

    Attributes
    ----------
    absent_class : bool
        True where the name is a class of device ("fpga", say) of which none is there: the fallback policy then
        decides. A name that matches nothing is always an error.
    """

    code = "device_not_found"
    absent_class = False


class DeviceError(FpgaAccelError):
    """A device, its runtime or its compiler failed."""

    code = "device_error"


class DeviceTimeoutError(DeviceError, TimeoutError):
    """A device did not finish within its deadline.

    Attributes
    ----------
    buffers_in_use : bool
        True where the device may still write into the caller's output buffer.
    """

    code = "device_timeout"
    buffers_in_use = False


class ForkedContextError(DeviceError):
    """A forked child used a device that its parent had opened."""

    code = "forked_context"


class FallbackDisabledError(FpgaAccelError):
    """The device cannot do the work and ``fallback="never"`` forbids the CPU path."""

    code = "fallback_disabled"


class ImageMismatchError(DeviceError):
    """A bitstream or program image was made for another device.

    Attributes
    ----------
    image_target, device_target : str
        What the image is for, and what the device is.
    usable : tuple of str
        The images of the catalogs that would fit.
    """

    code = "image_mismatch"

    def __init__(
        self,
        message: str = "",
        *,
        image_target: str = "",
        device_target: str = "",
        usable: Sequence[str] = (),
        hint: str | None = None,
        device: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, device=device)
        self.image_target = image_target
        self.device_target = device_target
        self.usable = tuple(usable)


class FormatError(FpgaAccelError, ValueError):
    """The input breaks its format."""

    code = "bad_format"


class TruncatedError(FormatError, EOFError):
    """The input ends before its format says it should."""

    code = "truncated"


class OutputLimitError(FpgaAccelError):
    """Decoding would produce more than ``max_output`` bytes."""

    code = "output_limit"


class BufferTooSmallError(FpgaAccelError, ValueError):
    """The caller's output buffer is too small; ``needed`` bytes would do."""

    code = "buffer_too_small"

    def __init__(
        self, message: str = "", *, needed: int = 0, hint: str | None = None, device: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, device=device)
        self.needed = needed


class IntegrityError(FpgaAccelError):
    """A checksum differs, or what a device wrote differs from the CPU path."""

    code = "integrity"


class InvalidTag(FpgaAccelError, _LibraryInvalidTag):
    """An authentication tag does not match: wrong key, nonce, data or associated data."""

    code = "invalid_tag"


class NoMatchError(InvalidTag):
    """No identity, or not the passphrase, opens a sealed file."""

    code = "no_match"


class ConcurrentUseError(FpgaAccelError):
    """An object with one owner was used by two threads at once."""

    code = "concurrent_use"


class BatchError(FpgaAccelError):
    """Some items of a batch failed.

    Attributes
    ----------
    results : list
        One entry an item, in order: its result, or the exception it raised.
    """

    code = "batch"

    def __init__(
        self,
        message: str = "",
        *,
        results: Sequence[Any] = (),
        hint: str | None = None,
        device: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, device=device)
        self.results = list(results)


class FallbackWarning(RuntimeWarning):
    """Work ran on the CPU path because the device could not do it."""


class RefusedDeviceError(FallbackDisabledError, DeviceError):
    """A device failed and ``fallback="never"`` forbids the CPU path: both errors in one."""


class RefusedTimeoutError(FallbackDisabledError, DeviceTimeoutError):
    """A device timed out and ``fallback="never"`` forbids the CPU path."""


class RefusedForkError(FallbackDisabledError, ForkedContextError):
    """A forked child used a device and ``fallback="never"`` forbids the CPU path."""


class RefusedMismatchError(FallbackDisabledError, IntegrityError):
    """A device gave wrong bytes and ``fallback="never"`` forbids the CPU path."""


def refusal(error: DeviceError | None, message: str | None = None) -> FallbackDisabledError:
    """Return the error of ``fallback="never"``, which is also an error of the kind that caused it."""
    kinds: dict[str, type[FallbackDisabledError]] = {
        DeviceTimeoutError.code: RefusedTimeoutError,
        ForkedContextError.code: RefusedForkError,
        "mismatch": RefusedMismatchError,
    }
    hint = 'fallback="never" forbids the CPU path'
    if error is None:
        return FallbackDisabledError(message or "", hint=hint)
    kind = kinds.get(error.code, RefusedDeviceError)
    return kind(message or str(error), hint=hint, device=error.device)
