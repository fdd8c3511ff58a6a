"""Says whether an image was made for a device, before a driver sees a byte of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping

from fpga_accel.errors import ImageMismatchError
from fpga_accel.runtime.bitstreams import aocx, ecp5, program, xclbin
from fpga_accel.runtime.bitstreams.image import EMULATION, Image
from fpga_accel.runtime.programs import Identity

# XRT runs hw_emu and sw_emu images instead of a card's while this names the build mode.
_XRT_EMULATION = "XCL_EMULATION_MODE"

_XRT = "xilinx"
_INTEL_CARDS = "fpga sdk for opencl"
_INTEL_EMULATOR = "fpga emulation platform"
_INTEL_EMULATOR_BOARD = "EmulatorDevice"
# Vendor, board and shell: shorter names fit too much.
_FEWEST_WORDS = 3


def matches(image: Image, identity: Identity) -> bool:
    """Whether `image` may be loaded into the device.

    Its name is what the header states; a known-answer test still follows the load.
    """
    return _RULES[image.format](image, identity)


def require_match(image: Image, identity: Identity, usable: Iterable[str] = ()) -> None:
    """Refuse an image that was made for something else.

    Parameters
    ----------
    image, identity
        The image and the device.
    usable
        Names of the images that would fit, for the message.

    Raises
    ------
    ImageMismatchError
        It does not match.
    """
    if matches(image, identity):
        return
    there = tuple(usable)
    device_target = device_target_of(image, identity)
    fitting = f"images that fit: {', '.join(there)}" if there else "the catalogs have no image that fits"
    raise ImageMismatchError(
        f"the {image.format} image is for {image.target}, the device is {device_target}; {fitting}",
        hint=None if there else "build one with `fpga-accel bitstream build`",
        device=identity.device,
        image_target=image.target,
        device_target=device_target,
        usable=there,
    )


def device_target_of(image: Image, identity: Identity) -> str:
    """Return what the device is, in the words that targets of this image's format use."""
    if image.format == program.FORMAT:
        return program.target_text(program.target_of(identity))
    emulation = f", {_XRT_EMULATION}={os.environ[_XRT_EMULATION]}" if os.environ.get(_XRT_EMULATION) else ""
    return f"{identity.device} on {identity.platform}{emulation}"


def _program_fits(image: Image, identity: Identity) -> bool:
    return bool(image.detail["target"] == program.target_of(identity))


def _xclbin_fits(image: Image, identity: Identity) -> bool:
    """Compare platform names.

    XRT names a card's shell ``xilinx_u250_gen3x16_xdma_shell_4_1`` where the tools name the same platform
    ``xilinx_u250_gen3x16_xdma_4_1_202210_1`` or ``xilinx:u250:gen3x16_xdma:4.1``.
    """
    emulated = os.environ.get(_XRT_EMULATION, "")
    if _XRT not in identity.platform.lower() or emulated != _emulation_of(image):
        return False
    shell = [word for word in _words(identity.device) if word != "shell"]
    return len(shell) >= _FEWEST_WORDS and _words(image.target)[: len(shell)] == shell


def _emulation_of(image: Image) -> str:
    return str(image.detail["build_mode"]) if image.mode == EMULATION else ""


def _aocx_fits(image: Image, identity: Identity) -> bool:
    """Compare board names: Intel's runtime calls a device ``board : package (slot)``."""
    platform = identity.platform.lower()
    if image.target == _INTEL_EMULATOR_BOARD:
        return _INTEL_EMULATOR in platform
    return _INTEL_CARDS in platform and identity.device.partition(" : ")[0].strip() == image.target


def _ecp5_fits(image: Image, identity: Identity) -> bool:
    """Look for the device, speed grade and package apart, in the name of the board."""
    return ecp5.device_of(image.target).lower() in re.split(r"[^a-z0-9-]+", identity.device.lower())


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.lower())


_RULES: Mapping[str, Callable[[Image, Identity], bool]] = {
    program.FORMAT: _program_fits,
    xclbin.FORMAT: _xclbin_fits,
    aocx.FORMAT: _aocx_fits,
    ecp5.FORMAT: _ecp5_fits,
}
