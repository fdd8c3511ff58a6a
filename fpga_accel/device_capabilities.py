"""What a device can do, as plain data: nothing is built or run for it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fpga_accel.errors import DeviceNotFoundError
from fpga_accel.operations import registry
from fpga_accel.operations.contract import Operation
from fpga_accel.runtime import discovery, manifests, switches
from fpga_accel.runtime.discovery import Device


def capabilities(device: str | int = "auto") -> dict[str, Any]:
    """Return what can be done on a device and on the CPU path, and the legal options.

    Parameters
    ----------
    device
        As `Accelerator` takes it, for one device; "cpu" is the libraries alone.

    Returns
    -------
    dict
        Numbers, strings, lists and dicts alone, so that it can be stored as JSON. ``"device"`` has the fields of
        `Device`, or is None where work can only run on the CPU. ``"operations"`` has, by names such as
        ``"gzip.compress"``: ``op``, ``algorithm``, ``library`` (of the CPU path), ``kernel``, ``variants`` that are
        tried on the device, best first (none: it runs on the CPU), and ``limits`` of options: ``minimum`` and
        ``maximum``, or ``values``; ``on_device`` holds those that have a kernel, where not all have.

    Raises
    ------
    DeviceNotFoundError
        The device is unknown or ambiguous.

    Examples
    --------
    >>> capabilities("cpu")["operations"]["lz4.compress"]["limits"]["level"]["maximum"]
    12
    """
    found = _found(device)
    return {
        "device": None if found is None else asdict(found),
        "operations": {name: _row(operation, found) for name, operation in registry.OPERATIONS.items()},
    }


def _found(device: str | int) -> Device | None:
    if device == "cpu":
        return None
    try:
        chosen = discovery.select("opencl" if device == "auto" else device)
    except DeviceNotFoundError as error:
        if not error.absent_class:
            raise
        return None
    return next(each for each in discovery.devices() if each.id == chosen)


def _row(operation: Operation[Any], device: Device | None) -> dict[str, Any]:
    return {
        "op": operation.op,
        "algorithm": operation.algorithm,
        "library": operation.library,
        "kernel": operation.kernel,
        "variants": [] if device is None else _variants(operation, device.kind),
        "limits": operation.limits(),
    }


def _variants(operation: Operation[Any], kind: str) -> list[str]:
    off, manifest = switches.disabled(), manifests.shipped(operation.kernel)
    if kind == switches.RTL:
        names = [each.name for each in manifest.cores if each.entry == operation.entry]
    else:
        names = [each.name for each in manifest.variants if each.serves(kind)]
    return list(dict.fromkeys(name for name in names if name not in off))
