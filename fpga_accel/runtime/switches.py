"""``FPGA_ACCEL_DISABLE``: backends, kernel variants and quirks that are switched off by name."""

from __future__ import annotations

from functools import cache

from fpga_accel import config
from fpga_accel.runtime import manifests, quirks

OPENCL = "opencl"
RTL = manifests.RTL


def disabled() -> frozenset[str]:
    """Return the names that are switched off.

    Raises
    ------
    ValueError
        One of them is unknown; the message lists the legal ones.
    """
    names = config.names("disable")
    unknown = sorted(names - legal_names()) if names else ()
    if unknown:
        source = config.setting("disable").source
        raise ValueError(
            f"disable names {', '.join(unknown)} from {source}; legal ones are {', '.join(sorted(legal_names()))}"
        )
    return names


@cache
def legal_names() -> frozenset[str]:
    """Return every name that can be switched off."""
    folders = [manifests.shipped(name) for name in manifests.shipped_names()]
    variants = {variant.name for folder in folders for variant in folder.variants}
    cores = {core.name for folder in folders for core in folder.cores}
    return frozenset({OPENCL, RTL} | quirks.NAMES | variants | cores)
