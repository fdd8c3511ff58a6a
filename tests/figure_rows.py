"""Figures of a core, for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fpga_accel.runtime.synthesis.figures import Figures


def row(**changes: Any) -> Figures:
    whole = Figures(
        kernel="sm4",
        variant="rtl-ring",
        operation="sm4_ctr",
        target="ecp5-85k",
        lut=1,
        ff=2,
        bram=3,
        fmax_mhz=100.0,
        bytes_per_clock=2.0,
        segment_clocks=5.0,
        seed=1,
        tools={"yosys": "1"},
        source_sha256="0" * 64,
        sha256="1" * 64,
        size=9,
    )
    return replace(whole, **changes)
