"""The scaling model: what engines do behind links, the page of it, and that the page is of today's figures."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import figure_rows
import pytest

from fpga_accel.bench import scaling
from fpga_accel.bench.scaling import LINKS, Link
from fpga_accel.runtime.synthesis import figures

PAGE = Path(__file__).resolve().parent.parent / "docs" / "scaling.md"
ETHERNET, ON_CHIP = LINKS[0], LINKS[-1]
ROW = figure_rows.row(lut=2000, ff=4000, bram=16, fmax_mhz=125.0, segment_clocks=64.0)


def test_clocks_of_a_segment_are_its_own_and_its_bytes() -> None:
    # 64 + 512 clocks of 8 ns for 1,024 bytes.
    assert scaling.engine_rate(ROW, 1024) == pytest.approx(1024 / (576 * 8e-9))
    assert scaling.engine_rate(ROW, 1 << 30) == pytest.approx(250e6, rel=1e-6)


def test_the_scarcest_resource_bounds_the_engines() -> None:
    assert scaling.engines_that_fit(ROW) == 10  # four fifths of 208 block RAMs, 16 each
    assert scaling.engines_that_fit(replace(ROW, bram=0)) == 16  # 83,640 flip-flops, 4,000 each
    assert scaling.engines_that_fit(replace(ROW, bram=0, lut=20_000)) == 3


def test_a_link_bounds_the_rate() -> None:
    one = scaling.engine_rate(ROW, 1 << 20)
    assert scaling.rate(ROW, ETHERNET, 1 << 20, 1) == pytest.approx(125e6 * 1472 / 1538, rel=1e-4)
    assert scaling.rate(ROW, LINKS[1], 1 << 20, 3) == pytest.approx(3 * one)
    # A head and a counter go with each block of text.
    assert scaling.rate(ROW, Link("slow", 1e6, ""), 16, 8) == pytest.approx(1e6 / 3)
    assert scaling.rate(replace(ROW, operation="sha256"), Link("slow", 1e6, ""), 16, 8) == pytest.approx(1e6 / 2)


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.name)
def test_more_engines_and_longer_segments_are_never_slower(link: Link) -> None:
    by_count = [scaling.rate(ROW, link, 4096, count) for count in range(1, 20)]
    by_size = [scaling.rate(ROW, link, 16 << step, 4) for step in range(16)]
    assert by_count == sorted(by_count)
    assert by_size == sorted(by_size)


def test_no_engine_takes_more_than_a_beat_a_clock() -> None:
    wide = replace(ROW, bytes_per_clock=16.0, segment_clocks=0.0)
    assert scaling.rate(wide, ON_CHIP, 64, 1) == pytest.approx(16 * 125e6 * 64 / 96)


def test_the_cpu_path_is_timed() -> None:
    assert scaling.cpu_rate("crc32c") > 1e6
    assert scaling.cpu_rate("nothing") == 0


def test_page_and_plot_have_every_core() -> None:
    rows = [ROW, replace(ROW, variant="rtl-pipeline")]
    page = scaling.page(rows, {"sm4_ctr": 100e6}, "plot.svg")
    assert page.count("| sm4_ctr | rtl-ring |") == page.count("| sm4_ctr | rtl-pipeline |") == 3
    assert "| sm4_ctr | rtl-ring | 2,000 | 4,000 | 16 | 125.0 | 2 | 64 | 250 |" in page
    assert "](plot.svg)" in page
    drawing = scaling.plot(rows, {"sm4_ctr": 100e6})
    root = ET.fromstring(drawing)
    assert root.tag.endswith("svg")
    assert {"sm4_ctr, rtl-ring", "sm4_ctr, rtl-pipeline"} <= {"".join(text.itertext()) for text in root.iter()}
    assert scaling.plot(rows, {"sm4_ctr": 100e6}) == drawing


def test_the_page_is_of_the_shipped_figures() -> None:
    shipped = figures.shipped()
    text = PAGE.read_text(encoding="utf-8")
    assert shipped
    for row in shipped:
        assert math.isfinite(row.megabytes_per_second)
        assert (
            f"| {row.operation} | {row.variant} | {row.lut:,} | {row.ff:,} | {row.bram:,} | {row.fmax_mhz:.1f} |"
            in text
        )
