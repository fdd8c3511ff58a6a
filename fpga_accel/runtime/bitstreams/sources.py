"""What an image is built from: a variant of a kernel folder, and the hash that tells when it has changed."""

from __future__ import annotations

import hashlib

from fpga_accel.runtime import manifests
from fpga_accel.runtime.manifests import Core, Manifest, Variant
from fpga_accel.segments import ABI_VERSION


def kind_of(build_mode: str) -> str:
    """Return the kind of device that images of a build mode run on."""
    return "fpga-emulator" if build_mode == "emulator" else "fpga"


def source_sha256(kernel: str, variant: str, kind: str) -> str:
    """Return the hash of today's source of a shipped kernel, as it is built for a kind of device.

    Raises
    ------
    ValueError
        There is no such kernel or variant.
    """
    manifest = manifest_of(kernel)
    core = next((core for core in manifest.cores if core.name == variant), None)
    if core is not None:
        return hash_of_core(manifest, core)
    return hash_of(manifest, variant_of(manifest, variant, kind))


def hash_of(manifest: Manifest, variant: Variant) -> str:
    """Return the SHA-256 over ABI, macros and source with its includes in place."""
    parts = (ABI_VERSION, variant.defines, manifest.source(variant))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def hash_of_core(manifest: Manifest, core: Core) -> str:
    """Return the hash of what a core, and the others of its variant, are made from.

    That is the ABI, their arguments, and every module of kernel folders that they import.
    """
    chosen = [each for each in manifest.cores if each.name == core.name]
    made = [(each.entry, each.core, sorted(each.arguments.items())) for each in chosen]
    parts = (ABI_VERSION, made, manifest.modules(chosen))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def manifest_of(kernel: str) -> Manifest:
    """Return a shipped kernel folder by name."""
    if kernel not in manifests.shipped_names():
        raise ValueError(f"there is no kernel {kernel!r}; there are {', '.join(manifests.shipped_names())}")
    return manifests.shipped(kernel)


def variant_of(manifest: Manifest, name: str, kind: str) -> Variant:
    """Return a variant of a kernel folder by name; one name may mean another source for each kind of device."""
    served = [variant for variant in manifest.variants if variant.serves(kind)]
    for variant in served:
        if variant.name == name:
            return variant
    names = ", ".join(variant.name for variant in served)
    raise ValueError(f"kernel {manifest.name} has no variant {name!r} for {kind}; there are {names}")


def variants_for(manifest: Manifest, kind: str, *, channels: bool = True) -> list[Variant]:
    """Return the variants to try for a kind of device, best first.

    Variants that name the kind come before all others; where none does, the plainest is left.

    Parameters
    ----------
    manifest
        The kernel folder.
    kind
        ``"fpga"`` or ``"fpga-emulator"``.
    channels
        Whether the device has channels; variants of several stages need them.
    """
    made_for = [variant for variant in manifest.variants if kind in variant.kinds]
    fitting = [variant for variant in made_for if channels or not variant.stages]
    return fitting or [manifest.variants[-1]]
