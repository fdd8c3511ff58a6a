"""Finds devices, proves them, and picks the one a caller names. Nothing here runs at import.

Listing and proving are time-boxed: a runtime that hangs makes its device unusable, not the process.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from fpga_accel.errors import DeviceError, DeviceNotFoundError, DeviceTimeoutError, ForkedContextError
from fpga_accel.runtime import forks, switches
from fpga_accel.runtime.simulation.device import DEVICE_ID as SIMULATOR
from fpga_accel.runtime.simulation.device import SimulatedDevice

if TYPE_CHECKING:
    from fpga_accel.backends.opencl import OpenClBackend
    from fpga_accel.backends.rtl import RtlBackend
    from fpga_accel.runtime.platforms import Listed

# Loading a runtime takes seconds where its files have to come from a disk that others use, and Intel's has 0.9 GB.
LIST_SECONDS = 60.0
# A first start builds the trial kernel, in a child with its own limit.
OPEN_SECONDS = 180.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Device:
    """An OpenCL device or the RTL simulator, and whether it can be used.

    Attributes
    ----------
    id : str
        Stable name, for example ``"pocl-0"``.
    name, platform, version : str
        As the runtime reports them.
    kind : str
        ``"cpu"``, ``"fpga"``, ``"fpga-emulator"``, ``"gpu"`` or ``"rtl"``.
    usable : bool
        True where the trial kernel was built and gave the right bytes. Of the simulator, where its tools are there:
        it builds a core when it is asked for one.
    reason : str
        Why not, where it is not usable.
    """

    id: str
    name: str
    platform: str
    kind: str
    version: str
    usable: bool
    reason: str


# What a run on each kind of device shows: docs/devices.md.
TIERS = {
    "cpu": "CPU OpenCL",
    "gpu": "GPU",
    "fpga-emulator": "vendor emulation",
    "fpga": "card",
    "rtl": "RTL simulation",
}

# The best class of device first: hardware made for the work, then other accelerators, then CPU runtimes.
_PREFERENCE = ("fpga", "gpu", "cpu", "fpga-emulator")
_POCL = "pocl"
CLASSES = ("opencl", "fpga", "fpga-emulator", "gpu", "rtl")

_FORKED = "this process was forked after its parent had opened OpenCL devices"


class _Inventory:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.listed: dict[str, Listed | SimulatedDevice] | None = None
        self.backends: dict[str, OpenClBackend | RtlBackend] = {}
        self.refused: dict[str, DeviceError] = {}
        self.failure: str | None = None

    def reset_lock(self) -> None:
        self.lock = threading.Lock()


_inventory = _Inventory()
forks.on_child(_inventory.reset_lock)


def devices() -> list[Device]:
    """List every OpenCL device with the verdict of its trial, then the simulator of RTL cores.

    Returns
    -------
    list of Device
        OpenCL's in the loader's order; the position is the index that ``Accelerator(device=0)`` takes.
    """
    return [_judged(device_id, listed) for device_id, listed in _listed().items()]


def opencl_devices() -> list[Device]:
    """List the devices that are used without being asked for: all but the simulator."""
    return [device for device in devices() if device.id != SIMULATOR]


def listing_failure() -> str | None:
    """Return why no runtime could be listed at all, None where listing worked."""
    _listed()
    return _inventory.failure


def disabled() -> bool:
    """Whether OpenCL is switched off by FPGA_ACCEL_DISABLE."""
    return switches.OPENCL in switches.disabled()


def calibration_key(device_id: str) -> str:
    """Return the name under which timings of a device are kept."""
    found = _listed().get(device_id)
    # One that no runtime lists, such as a caller's own backend, has nothing but its id.
    return found.identity.digest if found else hashlib.sha256(device_id.encode()).hexdigest()[:16]


def is_listed(device_id: str) -> bool:
    """Whether the device is one of `devices`."""
    return device_id in _listed()


def listed(device_id: str) -> Listed:
    """Return an OpenCL device as its runtime lists it, by its id."""
    found = _listed()[device_id]
    assert not isinstance(found, SimulatedDevice)
    return found


def tier(device_id: str | None) -> str:
    """Return what a run on a device shows, in the words of docs/devices.md; None is the CPU path.

    Examples
    --------
    >>> tier(None)
    'CPU reference'
    """
    found = _listed().get(device_id) if device_id else None
    return TIERS[found.kind] if found else "CPU reference" if device_id is None else "-"


def _judged(device_id: str, listed: Listed | SimulatedDevice) -> Device:
    identity, reason = listed.identity, _rejection(device_id)
    return Device(
        id=device_id,
        name=identity.device,
        platform=identity.platform,
        kind=listed.kind,
        version=identity.device_version,
        usable=not reason,
        reason=reason,
    )


def _rejection(device_id: str) -> str:
    """Return why a device cannot be used; nothing where it can."""
    try:
        open_backend(device_id)
    except DeviceError as error:
        return str(error)
    return ""


def _listed() -> dict[str, Listed | SimulatedDevice]:
    if _inventory.listed is None and forks.inherited():
        return {}
    with _inventory.lock:
        if _inventory.listed is None:
            _inventory.listed = {**_list_now(), SIMULATOR: SimulatedDevice()}
        return _inventory.listed


def _list_now() -> dict[str, Listed]:
    if disabled():
        _inventory.failure = "disabled by FPGA_ACCEL_DISABLE"
        return {}
    try:
        entries = _in_time(_list_platforms, LIST_SECONDS, "listing OpenCL platforms")
    except (ImportError, OSError, DeviceError) as error:
        _inventory.failure = str(error)
        return {}
    found: dict[str, Listed] = {}
    for entry in entries:
        slug = _slug(entry)
        found[f"{slug}-{sum(known.startswith(slug + '-') for known in found)}"] = entry
    return found


def _list_platforms() -> tuple[Listed, ...]:
    from fpga_accel.runtime import platforms

    return platforms.listed()


def _slug(entry: Listed) -> str:
    if entry.kind == "fpga-emulator":
        return "intel-fpga-emulator"
    platform = entry.identity.platform.lower()
    if "portable computing language" in platform:
        return _POCL
    return "-".join(re.findall(r"[a-z0-9]+", platform.replace("(r)", "").replace("(tm)", ""))[:2]) or "opencl"


def _in_time(work: Callable[[], T], seconds: float, what: str) -> T:
    """Run `work` in a thread of its own, so that a runtime that hangs can be left behind."""
    box: list[T | BaseException] = []

    def target() -> None:
        try:
            box.append(work())
        except BaseException as error:
            box.append(error)

    thread = threading.Thread(target=target, name=f"fpga-accel {what}", daemon=True)
    thread.start()
    thread.join(seconds)
    if not box:
        raise DeviceTimeoutError(f"{what} took longer than {seconds:.0f} s")
    result = box[0]
    if isinstance(result, BaseException):
        raise result
    return result


def open_backend(device_id: str) -> OpenClBackend | RtlBackend:
    """Return the one backend of a device, opened and proved.

    Raises
    ------
    DeviceError
        The device is not usable; the same error every time.
    ForkedContextError
        The process inherited the device through fork().
    """
    if forks.inherited():
        raise ForkedContextError(_FORKED, hint="use the spawn or forkserver start method", device=device_id)
    listed = _listed()[device_id]
    with _inventory.lock:
        if device_id in _inventory.refused:
            # One error for all: raised again and again, its traceback would grow.
            raise _inventory.refused[device_id].with_traceback(None)
        backend = _inventory.backends.get(device_id)
        if backend is None:
            try:
                backend = _in_time(lambda: _open(listed, device_id), OPEN_SECONDS, f"opening {device_id}")
            except DeviceError as error:
                _inventory.refused[device_id] = error
                raise
            _inventory.backends[device_id] = backend
        return backend


def _open(listed: Listed | SimulatedDevice, device_id: str) -> OpenClBackend | RtlBackend:
    if isinstance(listed, SimulatedDevice):
        from fpga_accel.backends.rtl import RtlBackend

        return RtlBackend(device_id)
    from fpga_accel.backends.opencl import OpenClBackend
    from fpga_accel.runtime.opencl import cl

    try:
        return OpenClBackend(listed, device_id)
    except cl.Error as error:
        raise DeviceError(f"OpenCL: {error}", device=device_id) from error


def select(wanted: str | int) -> str:
    """Return the id of the device that `wanted` means.

    Parameters
    ----------
    wanted
        A class (``"opencl"`` is the best of all), an index, an id, or a part of the id, name or platform.

    Raises
    ------
    DeviceNotFoundError
        Nothing matches, or more than one device does. ``absent_class`` is true where a class of device is
        merely not there.
    """
    if forks.inherited():
        raise ForkedContextError(_FORKED, hint="use the spawn or forkserver start method")
    if wanted in CLASSES:
        return _best_of(str(wanted))
    listed = _listed()
    ids = list(listed)
    if isinstance(wanted, int) or wanted.isdecimal():
        index = int(wanted)
        matches = ids[index : index + 1] if index >= 0 else []
    elif wanted in listed:
        matches = [wanted]
    else:
        text = wanted.lower()
        matches = [each for each in ids if text in _searchable(each, listed[each])]
    if len(matches) == 1 and not _rejection(matches[0]):
        return matches[0]
    problem = "is ambiguous" if len(matches) > 1 else "matches no usable device"
    raise DeviceNotFoundError(f"device {wanted!r} {problem}; {_inventory_text(devices())}")


def _searchable(device_id: str, listed: Listed | SimulatedDevice) -> str:
    return f"{device_id} {listed.identity.device} {listed.identity.platform}".lower()


def _best_of(wanted: str) -> str:
    """Return the first usable device of a class; others are not even opened."""
    kinds = _PREFERENCE if wanted == "opencl" else (wanted,)
    # PoCL's compiler tells kernels what the CPU can do, which Intel's does not: x86 variants are for PoCL alone.
    listed = sorted(_listed().items(), key=lambda each: not each[0].startswith(_POCL))
    for kind in kinds:
        for device_id, entry in listed:
            if entry.kind == kind and not _rejection(device_id):
                return device_id
    error = DeviceNotFoundError(
        f"no usable {wanted} device; {_inventory_text(devices())}", hint="run `fpga-accel doctor`"
    )
    error.absent_class = True
    raise error


def _inventory_text(found: list[Device]) -> str:
    if forks.inherited():
        return _FORKED
    absent = ""
    if all(device.id == SIMULATOR for device in found):
        absent = f"no OpenCL device is listed{': ' + _inventory.failure if _inventory.failure else ''}; "
    lines = [
        f"{index}: {device.id} ({device.name}, {device.kind}{'' if device.usable else ', rejected: ' + device.reason})"
        for index, device in enumerate(found)
    ]
    return f"{absent}there {'are' if len(found) > 1 else 'is'} {'; '.join(lines)}"
