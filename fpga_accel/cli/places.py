"""The devices that selftest and demo go over."""

from __future__ import annotations

from dataclasses import dataclass

from fpga_accel.cli import output
from fpga_accel.runtime import discovery

CPU = "cpu"
ALL = "auto"


@dataclass(frozen=True, slots=True)
class Places:
    """Ids of usable devices, and ``"cpu"`` for the CPU path, which is always last.

    Attributes
    ----------
    missing : str
        Why there is no device to go over, where one was wanted.
    """

    names: tuple[str, ...]
    missing: str = ""


def found(wanted: str | None, *, as_json: bool) -> Places:
    """Find what to go over: every usable device, or the one named, and the CPU path.

    Raises
    ------
    DeviceNotFoundError
        The device named is not there or not usable.
    """
    if wanted == CPU:
        return Places((CPU,))
    if wanted not in (None, ALL):
        return Places((discovery.select(wanted), CPU))
    listed = discovery.opencl_devices()
    usable = tuple(device.id for device in listed if device.usable)
    for device in listed:
        # JSON has its place for causes in `devices --json`.
        if not device.usable and not as_json:
            output.say(f"fpga-accel: {device.id} is passed over: {' '.join(device.reason.split())}")
    return Places((*usable, CPU), "" if usable else _cause(bool(listed)))


def _cause(any_listed: bool) -> str:
    if any_listed:
        return "no usable OpenCL device (see fpga-accel doctor)"
    failure = discovery.listing_failure()
    return f"no OpenCL device is listed{': ' + failure if failure else ''} (see fpga-accel doctor)"
