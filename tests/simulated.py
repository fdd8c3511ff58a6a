"""The simulator of RTL cores, for tests that hand it launches themselves."""

from __future__ import annotations

import required

from fpga_accel.backends.rtl import RtlBackend
from fpga_accel.errors import DeviceError
from fpga_accel.runtime import discovery

DEVICE = "rtl-0"


def opened() -> RtlBackend:
    """Return it; without it the test is skipped, or fails where it was required."""
    try:
        backend = discovery.open_backend(DEVICE)
    except DeviceError as error:
        required.missing("rtl", f"the simulator is not usable: {error}")
    assert isinstance(backend, RtlBackend)
    return backend
