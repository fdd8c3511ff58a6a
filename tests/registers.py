"""Registers of this CPU, for builds of kernels with models of the instructions that it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

_NEEDED = {"BLOCKS=4": "avx512bw", "BLOCKS=2": "avx2"}


def skip_where_narrower(defines: tuple[str, ...]) -> None:
    """Skip the test where registers are narrower than a build with `defines` has them."""
    flags = Path("/proc/cpuinfo").read_text().split()
    for define, flag in _NEEDED.items():
        if define in defines and flag not in flags:
            pytest.skip(f"the CPU has no {flag}")
