"""CRC-32C on every backend, against RFC 3720, the CRC catalogue and google-crc32c."""

from __future__ import annotations

import array
import mmap
import random
from typing import Any

import google_crc32c
import numpy as np
import pytest
import sizes
from conftest import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import MIB, around, noise, periodic

import fpga_accel as fa
from fpga_accel.operations import registry
from fpga_accel.operations.contract import output_of, row_of
from fpga_accel.operations.crc32c import ROW
from fpga_accel.segments import RESULT, Launch, Table

CRC32C = registry.find("checksum", "crc32c")
LARGEST = 2**32 - 1

# 8: a word of the crc32 instruction. 1024: four of its streams. 64, 256, 512: a vector, and groups of four vectors.
KERNEL_EDGES = around(8, 16, 24, 64, 128, 256, 320, 512, 768, 1024, 2048, 4096)
ROW_EDGES = around(ROW, 2 * ROW, 3 * ROW)


def reference(data: bytes, value: int = 0) -> int:
    """What the library gives."""
    return int(google_crc32c.extend(value, data))


# ---- published values ----

# RFC 3720 appendix B.4; it lists the bytes in the order they are sent, the least significant first.
ISCSI_READ = bytes.fromhex(
    "01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000"
)
PUBLISHED = {
    "RFC 3720: 32 bytes of zeros": (bytes(32), "aa36918a"),
    "RFC 3720: 32 bytes of ones": (b"\xff" * 32, "43aba862"),
    "RFC 3720: 32 bytes counting up": (bytes(range(32)), "4e79dd46"),
    "RFC 3720: 32 bytes counting down": (bytes(range(31, -1, -1)), "5cdb3f11"),
    "RFC 3720: an iSCSI read command": (ISCSI_READ, "563a96d9"),
    "CRC catalogue: CRC-32/ISCSI": (b"123456789", "839206e3"),
}


def published(sent: str) -> int:
    return int.from_bytes(bytes.fromhex(sent), "little")


@pytest.mark.parametrize(("data", "sent"), PUBLISHED.values(), ids=PUBLISHED)
def test_published_values(acc: fa.Accelerator, data: bytes, sent: str) -> None:
    assert acc.checksum(data) == published(sent)


def test_published_values_in_one_batch(acc: fa.Accelerator) -> None:
    data, sent = zip(*PUBLISHED.values(), strict=True)
    assert acc.checksum_many(data) == [published(each) for each in sent]


def test_the_library_is_its_compiled_form() -> None:
    assert google_crc32c.implementation == "c"


# ---- where it ran ----


def test_work_runs_on_the_backend_and_the_receipt_says_so(acc: fa.Accelerator, backend: Backend) -> None:
    acc.checksum(periodic(3 * ROW + 1))
    receipt = acc.last_receipt
    assert receipt is not None
    assert (receipt.op, receipt.algorithm) == ("checksum", "crc32c")
    assert (receipt.bytes_in, receipt.bytes_out) == (3 * ROW + 1, 4)
    assert receipt.backend == ("opencl" if backend.is_device else "cpu")
    assert receipt.segments == (4 if backend.is_device else 0)
    assert receipt.verified is backend.is_device


# ---- against the library ----


def test_every_size_is_as_the_library_has_it(acc: fa.Accelerator) -> None:
    items = [noise(size) for size in sorted({*sizes.SMALL, *KERNEL_EDGES, *ROW_EDGES})]
    wanted = [reference(data) for data in items]
    assert acc.checksum_many(items) == wanted
    assert [acc.checksum(data) for data in items] == wanted


def test_every_size_up_to_many_words_is_as_the_library_has_it(acc: fa.Accelerator) -> None:
    items = [periodic(size) for size in range(1200)]
    assert acc.checksum_many(items) == [reference(data) for data in items]


def test_data_at_every_alignment_is_as_the_library_has_it(acc: fa.Accelerator) -> None:
    memory = memoryview(noise(70_000))
    items = [memory[start : start + 5000 + start] for start in range(130)]
    assert acc.checksum_many(items) == [reference(bytes(data)) for data in items]


def test_single_bits_anywhere_show(acc: fa.Accelerator) -> None:
    size = 2048 + 37
    items = [bytes(size), *((1 << bit).to_bytes(size, "little") for bit in range(0, 8 * size, 3))]
    found = acc.checksum_many(items)
    assert found == [reference(data) for data in items]
    assert len(set(found)) == len(items)


def test_a_large_buffer_is_as_the_library_has_it(acc: fa.Accelerator) -> None:
    data = noise(33 * MIB + 12_345)
    assert acc.checksum(data) == reference(data)
    assert acc.checksum(data, value=LARGEST) == reference(data, LARGEST)


def test_a_batch_mixes_sizes_and_empty_items(acc: fa.Accelerator) -> None:
    chance = random.Random(251)
    lengths = [0, 0, *(chance.randrange(5000) for _ in range(300)), ROW + 1, 0, 2 * ROW, 1, 5 * ROW + 77, 0]
    whole = memoryview(noise(6 * MIB))
    items = [whole[:size] for size in lengths]
    for value in (0, 1, 0xDEADBEEF, LARGEST):
        assert acc.checksum_many(items, value=value) == [reference(bytes(data), value) for data in items]


def test_a_batch_of_nothing(acc: fa.Accelerator) -> None:
    assert acc.checksum_many([]) == []
    assert acc.checksum_many([b"", b""], value=7) == [7, 7]
    assert acc.checksum(b"", value=7) == 7


@settings(max_examples=40)
@given(data=st.binary(max_size=3000), value=st.integers(0, LARGEST))
def test_any_bytes_are_as_the_library_has_them(acc: fa.Accelerator, data: bytes, value: int) -> None:
    assert acc.checksum(data, value=value) == reference(data, value)


# ---- parts ----


@settings(max_examples=40)
@given(data=st.binary(max_size=2000), cut=st.integers(0, 2000))
def test_the_checksum_of_one_part_continues_in_the_next(acc: fa.Accelerator, data: bytes, cut: int) -> None:
    assert acc.checksum(data[cut:], value=acc.checksum(data[:cut])) == reference(data)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**16), size=st.integers(ROW - 2, 3 * ROW + 2), value=st.integers(0, LARGEST))
def test_rows_combine_to_the_whole(acc: fa.Accelerator, seed: int, size: int, value: int) -> None:
    data = np.random.default_rng(seed).bytes(size)
    assert acc.checksum(data, value=value) == reference(data, value)


@pytest.mark.parametrize("cut", [0, 1, 63, ROW - 1, ROW, ROW + 1, 2 * ROW])
def test_large_parts_continue(acc: fa.Accelerator, cut: int) -> None:
    data = memoryview(noise(3 * ROW))
    assert acc.checksum(data[cut:], value=acc.checksum(data[:cut])) == reference(bytes(data))


# ---- inputs ----


@pytest.mark.parametrize("nbytes", [40, 4096, ROW + 8])
def test_any_buffer_is_taken(acc: fa.Accelerator, nbytes: int) -> None:
    data = noise(nbytes)
    mapped = mmap.mmap(-1, nbytes)
    mapped[:] = data
    numbers = np.frombuffer(data, np.uint32)
    buffers = [
        bytearray(data),
        memoryview(data),
        memoryview(bytearray(data)),
        mapped,
        array.array("q", data),
        numbers,
        numbers.reshape(2, -1),
        numbers.copy(),
    ]
    wanted = reference(data)
    assert [acc.checksum(buffer) for buffer in buffers] == [wanted] * len(buffers)
    assert acc.checksum_many(buffers) == [wanted] * len(buffers)
    assert acc.checksum(bytearray()) == acc.checksum(np.zeros(0)) == 0


@pytest.mark.parametrize("value", [-1, 2**32, 2**40])
def test_a_value_out_of_range_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match=f"{value}; a CRC-32C is 0 to {LARGEST}"):
        CRC32C.settings(value=value)


@pytest.mark.parametrize("value", [1.0, "1", b"1"])
def test_a_value_that_is_no_int_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=f"value must be an int, not {type(value).__name__}"):
        CRC32C.settings(value=value)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="level"):
        CRC32C.settings(level=1)


# ---- what judges a device ----


def emulated(launch: Launch) -> Table:
    results = np.zeros(len(launch.table), RESULT)
    results["check"] = [CRC32C.emulate(row_of(launch, row)).check for row in range(len(results))]
    return results


def test_the_trial_takes_right_results_and_no_others() -> None:
    trial = CRC32C.trial()
    right = emulated(trial.launch)
    assert trial.passed(right)
    for row in range(len(right)):
        for name, wrong in (("check", right["check"][row] ^ 1), ("status", 2), ("partial", 1)):
            results = right.copy()
            results[name][row] = wrong
            assert not trial.passed(results), (row, name)


def test_a_wrong_checksum_disagrees() -> None:
    trial = CRC32C.trial()
    results = emulated(trial.launch)
    results["check"][3] ^= 1 << 31
    rows = range(len(results))
    agree = [CRC32C.agrees(row_of(trial.launch, row), output_of(trial.launch, results, row)) for row in rows]
    assert [row for row in rows if not agree[row]] == [3]


def test_samples_are_of_the_size_asked_for() -> None:
    items, options = CRC32C.sample(3, 1000, "")
    assert [len(data) for data in items] == [1000] * 3
    assert options == CRC32C.settings()
