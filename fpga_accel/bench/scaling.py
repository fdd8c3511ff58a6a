"""What placed and routed cores would do behind a link: a model, of measured clocks and of figures after routing.

An engine is a core in its shell. It takes ``segment_clocks + bytes / bytes_per_clock`` clocks a segment, engines work
side by side, and a link carries both ways at once what segments need on it. The slowest of the three is the rate.
Nothing here ran on a board, so every rate of an engine is a projection, and is called so where it is shown.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fpga_accel as fa
from fpga_accel.bench import environment
from fpga_accel.runtime.synthesis.figures import Figures

BEAT = 16
# Of a part's resources, what placer and router get along with.
_FILLED = 0.8
# LFE5U-85F: LUTs, flip-flops, block RAMs (Lattice FPGA-DS-02012, table 1.1).
PART = {"lut": 83_640, "ff": 83_640, "bram": 208}
SIZES = (1 << 10, 64 << 10)
_ROUNDS = 5
_CPU_BYTES = 4 << 20
_KEY, _NONCE = bytes(range(32)), bytes(range(16))


@dataclass(frozen=True, slots=True)
class Link:
    """A way between host and engines, the same both ways.

    Attributes
    ----------
    name
        What it is.
    bytes_per_second
        Payload that it carries each way; 0 for one beat each way and clock of each engine.
    why
        Where the figure is from.
    """

    name: str
    bytes_per_second: float
    why: str


LINKS = (
    Link("Gigabit Ethernet", 125e6 * 1472 / 1538, "125 MB/s; 1,472 bytes of UDP payload in the 1,538 of a full frame"),
    Link(
        "PCIe Gen3 x8",
        8 * 8e9 * 128 / 130 / 8 * 256 / 280,
        "8 GT/s a lane, 128b/130b; 256 bytes of payload in the 280 of a TLP with its framing",
    ),
    Link(
        "PCIe Gen3 x16",
        16 * 8e9 * 128 / 130 / 8 * 256 / 280,
        "twice that",
    ),
    Link("on-chip", 0.0, "a stream of 128 bits each way for each engine, as the shell has it"),
)

# The same work on the CPU path: entry of the core, and the call.
CPU_CALLS: Mapping[str, Callable[[fa.Accelerator, bytes], Any]] = {
    "aes_ctr": lambda acc, data: acc.encrypt(data, _KEY, "aes-ctr", nonce=_NONCE),
    "aes_gcm": lambda acc, data: acc.encrypt(data, _KEY, "aes-gcm", nonce=_NONCE[:12]),
    "sm4_ctr": lambda acc, data: acc.encrypt(data, _KEY[:16], "sm4-ctr", nonce=_NONCE),
    "sha256": lambda acc, data: acc.digest(data, "sha256"),
    "crc32c": lambda acc, data: acc.checksum(data, "crc32c"),
    "crc32": lambda acc, data: acc.checksum(data, "crc32"),
    "lz4_compress": lambda acc, data: acc.compress(data, "lz4"),
    "lz4_aes_gcm": lambda acc, data: acc.chain("lz4.compress", "aes-gcm.encrypt")(data, key=_KEY, nonce=_NONCE[:12]),
}

# Beats that go in with a segment's text: its head, and of ciphers what they need beside a key that is held.
_BEATS = {"aes_ctr": 2, "sm4_ctr": 2, "aes_gcm": 3, "lz4_aes_gcm": 4}


def engines_that_fit(row: Figures) -> int:
    """Return how many engines four fifths of the part have room for."""
    taken = {"lut": row.lut, "ff": row.ff, "bram": row.bram}
    return min(int(PART[name] * _FILLED // count) for name, count in taken.items() if count)


def engine_rate(row: Figures, size: int) -> float:
    """Return the bytes a second of one engine on segments of `size` bytes."""
    return size / (row.segment_clocks + size / row.bytes_per_clock) * row.fmax_mhz * 1e6


def link_rate(row: Figures, link: Link, size: int, engines: int) -> float:
    """Return the bytes a second that a link has room for: with each segment go its head, its counter and its trailer.

    A result is taken to be as long as its text, which none is longer than but by a few bytes.
    """
    carried = link.bytes_per_second or engines * BEAT * row.fmax_mhz * 1e6
    return carried * size / (size + BEAT * _BEATS.get(row.operation, 1))


def rate(row: Figures, link: Link, size: int, engines: int) -> float:
    """Return the bytes a second of engines behind a link."""
    return min(engines * engine_rate(row, size), link_rate(row, link, size, engines))


def cpu_rate(operation: str) -> float:
    """Return the bytes a second of CPU time of the CPU path, 0 for an operation that is not known here."""
    call = CPU_CALLS.get(operation)
    if call is None:
        return 0.0
    data = b"".join(b"%d of %d; " % (number, number * number) for number in range(_CPU_BYTES // 8))[:_CPU_BYTES]
    taken = []
    with fa.Accelerator("cpu") as acc:
        call(acc, data)
        for _ in range(_ROUNDS):
            began = time.process_time()
            call(acc, data)
            taken.append(time.process_time() - began)
    return len(data) / statistics.median(taken)


def page(rows: Sequence[Figures], cpu: Mapping[str, float], picture: str) -> str:
    """Return the page of the model in Markdown.

    Parameters
    ----------
    rows
        Figures of the cores.
    cpu
        `cpu_rate` of each operation.
    picture
        Name of the file of `plot`.
    """
    parts = (
        _HEAD,
        _table(_PLACED, [_placed(row) for row in rows]),
        "Tools: " + "; ".join(_tools(rows)) + ". Seed " + ", ".join(sorted({str(row.seed) for row in rows})) + ".",
        _MODEL,
        _table(("link", "MB/s each way", "from"), [_link(link) for link in LINKS]),
        _READING,
        *(_of_size(rows, cpu, size) for size in SIZES),
        f"![Projected rate against the number of engines]({picture})",
        _CPU.format(cpu=environment.described()["cpu"], mib=_CPU_BYTES >> 20, rounds=_ROUNDS),
    )
    return "\n\n".join(parts) + "\n"


_HEAD = """# What the RTL cores would do behind a link

This page is made: `fpga-accel bitstream report --write docs`. **Every rate of an engine is a projection:** clocks are
measured, by simulation of the core in its shell; MHz are what nextpnr states after routing, for an LFE5U-85F of speed
grade 6 with one seed; no core has run on a board.

## After routing"""
_PLACED = ("operation", "core", "LUT", "FF", "block RAM", "MHz", "bytes a clock", "clocks a segment", "MB/s")
_MODEL = f"""Counts are the core's in its shell, without the measuring harness. MB/s is of long segments.

## The model

- An engine is a core in its shell. A segment of n bytes takes `clocks a segment + n / bytes a clock` clocks. The two
  were measured on segments of 256 bytes and of 64 KiB that follow one another, under one key, which is sent once.
- Engines have a stream each and work side by side. As many fit as {_FILLED * 100:.0f} % of the part's LUTs, flip-flops
  and block RAMs allow; that all of them reach the MHz of one is assumed.
- A link carries both ways at once. With each segment go a head of {BEAT} bytes, for ciphers one to three beats of
  as many, and a trailer on the way back; results count as long as their texts.
- The rate is the least of what engines and link do. Time on the host, for gathering and for system calls, is left
  out."""
_READING = """PCIe is there to show what it would leave of the engines: an ECP5 has no PCIe by open tools, so Ethernet
is what a board with this part really has."""
_CPU = """The CPU path is the kept library that the SDK falls back to, one call of {mib} MiB on {cpu}: bytes by CPU
seconds, the median of {rounds} calls. So "times a CPU core" sets a projection against a measurement."""


def _placed(row: Figures) -> tuple[object, ...]:
    counts = tuple(f"{count:,}" for count in (row.lut, row.ff, row.bram))
    clocks = (f"{row.bytes_per_clock:.3g}", f"{row.segment_clocks:.0f}", f"{row.megabytes_per_second:,.0f}")
    return (row.operation, row.variant, *counts, f"{row.fmax_mhz:.1f}", *clocks)


def _tools(rows: Sequence[Figures]) -> list[str]:
    return sorted({", ".join(f"{name} {version}" for name, version in row.tools.items()) for row in rows})


def _link(link: Link) -> tuple[object, ...]:
    return link.name, f"{link.bytes_per_second / 1e6:,.0f}" if link.bytes_per_second else "16 x MHz x engines", link.why


def _of_size(rows: Sequence[Figures], cpu: Mapping[str, float], size: int) -> str:
    head = (
        *("operation", "core", "one engine", "engines that fit"),
        *(f"all, {link.name}" for link in LINKS),
        *("CPU path, one core", "one engine, times a CPU core", "all on chip, times a CPU core"),
    )
    lines = [_of_row(row, cpu.get(row.operation, 0.0), size) for row in rows]
    return f"## Segments of {size >> 10} KiB: projected MB/s\n\n{_table(head, lines)}"


def _of_row(row: Figures, cpu: float, size: int) -> tuple[object, ...]:
    engines, on_chip = engines_that_fit(row), LINKS[-1]
    one, whole = rate(row, on_chip, size, 1), rate(row, on_chip, size, engines)
    compared = (f"{cpu / 1e6:,.0f}", f"{one / cpu:.2g}", f"{whole / cpu:.2g}") if cpu else ("-", "-", "-")
    linked = (f"{rate(row, link, size, engines) / 1e6:,.0f}" for link in LINKS)
    return (row.operation, row.variant, f"{one / 1e6:,.0f}", engines, *linked, *compared)


def _table(head: Sequence[object], lines: Sequence[Sequence[object]]) -> str:
    whole = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in whole)


def plot(rows: Sequence[Figures], cpu: Mapping[str, float]) -> str:
    """Draw the rate on 64 KiB segments against the number of engines, and the links and the CPU core across; as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fpga-accel", "font.size": 9.0}):
        columns = 2
        figure = Figure(figsize=(9.6, 2.8 * ((len(rows) + 1) // columns)), layout="constrained")
        for index, row in enumerate(rows, 1):
            axes = figure.add_subplot((len(rows) + 1) // columns, columns, index)
            _draw(axes, row, cpu.get(row.operation, 0.0))
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _draw(axes: Any, row: Figures, cpu: float) -> None:
    size, most = SIZES[-1], engines_that_fit(row)
    counts = range(1, most + 1)
    for link in LINKS:
        rates = [rate(row, link, size, count) / 1e6 for count in counts]
        axes.plot(counts, rates, marker=".", label=link.name)
    if cpu:
        axes.axhline(cpu / 1e6, color="0.4", linestyle="--", label="CPU path, one core")
    axes.set_yscale("log")
    axes.set_title(f"{row.operation}, {row.variant}", loc="left")
    axes.set_xlabel("engines")
    axes.set_ylabel("projected MB/s")
    axes.grid(alpha=0.3)
