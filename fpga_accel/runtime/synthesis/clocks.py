"""Measures the clocks of a core in simulation: so many for a segment, and so many for its bytes."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from fpga_accel.runtime.manifests import Core, Manifest
from fpga_accel.runtime.simulation import building, toolchain
from fpga_accel.runtime.simulation.parameters import BEAT, TRANSLATORS, Beats
from fpga_accel.runtime.simulation.simulator import ROW, Rows, Simulator
from fpga_accel.segments import RECORD, Bytes, Table, address_of, new_table

# Two sizes of segment, as many of each as are a good half second of simulation, tell what grows with the bytes.
_SMALL, _LARGE = 256, 64 << 10
_BYTES = 512 << 10
_SECONDS = 600.0
# Room for what does not get smaller: the sequences of a block that cannot be compressed, a tag.
_SLACK = 4096
_WORDS = 400
_KEY_SIZES = (32, 16)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Clocks of a segment of n bytes: ``segment + n / bytes_per_clock``."""

    bytes_per_clock: float
    segment: float


def measure(manifest: Manifest, core: Core) -> Clocks:
    """Run a core on segments of two sizes.

    Raises
    ------
    DeviceError
        A tool of the simulation is missing, or the core does not do what it should.
    """
    content = building.shared_object(manifest, core, toolchain.found(), "rtl")
    simulator = Simulator(content, "rtl")
    text = _text(_BYTES)
    # What a core does once after its reset, as clearing a table, is in none of the two.
    _clocks(simulator, core, text, _LARGE)
    small, large = (_clocks(simulator, core, text, size) for size in (_SMALL, _LARGE))
    by_byte = (large - small) / (_LARGE - _SMALL)
    return Clocks(round(1 / by_byte, 3), round(max(0.0, small - _SMALL * by_byte), 1))


def _text(size: int) -> Bytes:
    """Return words of random letters, some much more frequent than others: it compresses about as prose does."""
    rng = random.Random(1)
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(1, 9))) for _ in range(_WORDS)]
    chosen = rng.choices(words, [1 / rank for rank in range(1, _WORDS + 1)], k=size // 3)
    return np.frombuffer(" ".join(chosen).encode()[:size], np.uint8)


def _clocks(simulator: Simulator, core: Core, text: Bytes, size: int) -> float:
    """Return the clocks of a segment among others under one key.

    That is what the second half of a run takes more than the first: the way through the core, once, is in both.
    """
    rows: Rows = np.zeros(len(text) // size, ROW)
    table = new_table(len(rows))
    result = np.zeros((len(rows), size + _SLACK), np.uint8)
    table["src_size"], table["dst_capacity"] = size, result.shape[1]
    beats = _beats(core, table)
    rows["src"] = np.uint64(address_of(text)) + np.arange(len(rows), dtype=np.uint64) * np.uint64(size)
    rows["dst"] = np.uint64(address_of(result)) + np.arange(len(rows), dtype=np.uint64) * np.uint64(result.shape[1])
    rows["src_size"], rows["dst_capacity"] = size, result.shape[1]
    rows["parameters"] = np.uint64(address_of(beats.content)) + beats.first * np.uint64(BEAT)
    rows["parameter_beats"], rows["flags"], rows["extra"] = beats.count, beats.flags, beats.extra
    half = len(rows) // 2
    whole, first = (simulator.run(rows[:count].copy(), _SECONDS) for count in (len(rows), half))
    return (whole - first) / (len(rows) - half)


def _beats(core: Core, table: Table) -> Beats:
    """Return parameters of all rows: one record with the longest key that the cipher has, if it is one."""
    params = np.zeros(192, np.uint8)
    record = params[: RECORD.itemsize].view(RECORD)
    record["key"], record["nonce"], record["nonce_size"] = 128, 160, 16
    record["total"] = table["src_size"][0]
    for key_size in _KEY_SIZES:
        record["key_size"] = key_size
        with suppress(ValueError):
            return TRANSLATORS[core.parameters](table, params)
    raise ValueError(f"no key of {_KEY_SIZES} bytes fits the parameters {core.parameters!r}")
