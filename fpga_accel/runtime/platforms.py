"""The OpenCL devices of this process, with the identity that binaries are bound to."""

from __future__ import annotations

import logging
from functools import cache
from typing import NamedTuple

from fpga_accel.runtime import forks, quirks, switches
from fpga_accel.runtime.opencl import cl
from fpga_accel.runtime.programs import Identity

log = logging.getLogger(__name__)

_EMULATOR = "FPGA Emulation"


class Listed(NamedTuple):
    """A device as its runtime lists it: nothing is proved yet."""

    handle: cl.Device
    identity: Identity
    kind: str


@cache
def listed() -> tuple[Listed, ...]:
    """List every device of every platform, in the loader's order."""
    forks.note_opened()
    try:
        platforms = cl.get_platforms()
    except cl.LogicError as error:
        log.info("no OpenCL platform: %s", error)
        return ()
    found: list[Listed] = []
    disabled = switches.disabled()
    for platform in platforms:
        for handle in _devices_of(platform):
            cpu_name = quirks.name_pocl_cpu(handle, disabled) or ""
            identity = Identity(
                platform=platform.name.strip(),
                platform_version=platform.version.strip(),
                device=handle.name.strip(),
                device_version=handle.version.strip(),
                driver=handle.driver_version.strip(),
                cpu_name=cpu_name,
                index=len(found),
            )
            found.append(Listed(handle, identity, _kind(handle)))
    return tuple(found)


def _devices_of(platform: cl.Platform) -> list[cl.Device]:
    try:
        return list(platform.get_devices())
    except (cl.LogicError, cl.RuntimeError) as error:
        log.info("platform %s lists no devices: %s", platform.name, error)
        return []


def _kind(handle: cl.Device) -> str:
    if _EMULATOR in handle.platform.name:
        return "fpga-emulator"
    if handle.type & cl.device_type.ACCELERATOR:
        return "fpga"
    if handle.type & cl.device_type.GPU:
        return "gpu"
    return "cpu"


def find(identity: Identity) -> cl.Device | None:
    """Return the device with this identity, None where this process does not see it."""
    return next((entry.handle for entry in listed() if entry.identity == identity), None)
