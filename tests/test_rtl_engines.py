"""Several cores behind one stream: each row has its own bytes, whichever engine had it, and one that hangs is named."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import simulated

import fpga_accel as fa
from fpga_accel.backends import Outcome
from fpga_accel.backends.rtl import RtlBackend
from fpga_accel.runtime import manifests
from fpga_accel.segments import Bytes, Launch, Status, address_of, new_table

FOLDER = Path(__file__).parent / "rtl_cores"
ENTRY = "three"
ENGINES = 3
FILL = 0xA5
MUTE = 1
ROOM = 1024


@pytest.fixture(scope="module")
def device() -> RtlBackend:
    backend = simulated.opened()
    backend.prepare(manifests.load(FOLDER), [], ENTRY)
    return backend


def launch_of(items: list[bytes], flags: dict[int, int] | None = None) -> tuple[Launch, Bytes]:
    sources = [np.frombuffer(item or b"\0", np.uint8) for item in items]
    target = np.full((len(items), ROOM + 16), FILL, np.uint8)
    table = new_table(len(items))
    table["src"] = [address_of(source) for source in sources]
    table["src_size"] = [len(item) for item in items]
    table["dst"] = address_of(target) + np.arange(len(items), dtype=np.uint64) * np.uint64(target.shape[1])
    table["dst_capacity"] = ROOM
    for row, flag in (flags or {}).items():
        table["flags"][row] = flag
    return Launch("rtl_cores", ENTRY, table, np.zeros(16, np.uint8), keep=(sources, target)), target


def outcome(device: RtlBackend, launch: Launch) -> Outcome:
    return device.start(launch).outcome(time.monotonic() + 60)


def check(device: RtlBackend, items: list[bytes]) -> int:
    """Copy the items; return the clocks it took."""
    launch, target = launch_of(items)
    found = outcome(device, launch)
    assert (found.results["status"] == Status.OK).all()
    assert found.results["dst_size"].tolist() == [len(item) for item in items]
    for item, row in zip(items, target, strict=True):
        assert row[: len(item)].tobytes() == item
        assert (row[len(item) :] == FILL).all()
    return found.cycles


def items_of(count: int) -> list[bytes]:
    rng = np.random.default_rng(count)
    return [rng.bytes(int(rng.choice([0, 1, 15, 16, 17, 100, 1000, ROOM]))) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 50])
@pytest.mark.parametrize("seed", [0, 3])
def test_rows_are_dealt_out(device: RtlBackend, count: int, seed: int) -> None:
    device.stall("rtl_cores", ENTRY, seed)
    try:
        check(device, items_of(count))
    finally:
        device.stall("rtl_cores", ENTRY, 0)


def test_an_engine_that_hangs_is_named(device: RtlBackend) -> None:
    """Row 4 is the second one's, of which the other engines know nothing; the simulation works again."""
    launch, _ = launch_of(items_of(9), {4: MUTE})
    with pytest.raises(fa.DeviceTimeoutError, match="row 4 "):
        outcome(device, launch)
    check(device, items_of(9))


def test_results_take_turns(device: RtlBackend) -> None:
    """An engine answers in every third clock: one row takes three times as long as its share of three."""
    items = [np.random.default_rng(row).bytes(ROOM) for row in range(ENGINES)]
    assert check(device, items[:1]) > 0.8 * check(device, items)
