"""Builds of kernels that no device chooses by itself: other numbers of lanes, models of instructions that a CPU lacks.

They show that a kernel's text is right in each of its forms, so the compiler need not optimise, which is most of its
time. What is shipped is built in the other tests as users have it.
"""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import pytest

import fpga_accel as fa
from fpga_accel.backends.opencl import OpenClBackend
from fpga_accel.operations import registry
from fpga_accel.runtime import discovery, manifests
from fpga_accel.runtime.manifests import Variant

_PLAINLY = (*manifests.LANGUAGE, "-cl-opt-disable")


def shipped(device: str, kernel: str) -> OpenClBackend:
    """Return a backend of its own, so that what a test does to it meets no other, with a kernel as it is shipped."""
    backend = OpenClBackend(discovery.listed(device), device)
    backend.prepare(manifests.shipped(kernel), [row.trial for row in registry.of_kernel(kernel)])
    return backend


def prepared(device: str, kernel: str, variant: Variant) -> OpenClBackend:
    """Return a backend of its own that has built one variant of a kernel, which has passed its trials.

    The test is skipped where the CPU lacks what the variant cannot do without.
    """
    backend = OpenClBackend(discovery.listed(device), device)
    manifest = manifests.shipped(kernel)._replace(variants=(variant,))
    try:
        with mock.patch.object(manifests, "LANGUAGE", _PLAINLY):
            chosen = backend.prepare(manifest, [row.trial for row in registry.of_kernel(kernel)])
    except fa.DeviceError as error:
        if "this variant needs" not in str(error):
            raise
        pytest.skip(str(error))
    assert chosen == variant.name
    return backend


def changed(kernel: str, name: str, *defines: str) -> Variant:
    """Return a shipped variant with further macros."""
    variant = next(each for each in manifests.shipped(kernel).variants if each.name == name)
    return variant._replace(defines=(*variant.defines, *defines))


def on(backend: OpenClBackend) -> fa.Accelerator:
    """Return an Accelerator all of whose work is done by a backend, and verified."""
    return fa.Accelerator(SimpleNamespace(open_backend=lambda: backend), fallback="never", verify="always")
