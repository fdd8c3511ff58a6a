"""The host library: fpga_accel._host (C through cffi) and fpga_accel._objects (CPython)."""

from __future__ import annotations

import array
import gc
import mmap
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cramjam
import lz4.block
import lz4.frame
import numpy as np
import numpy.typing as npt
import pytest
import xxhash
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from fpga_accel import _objects
from fpga_accel._host import ffi, lib
from fpga_accel.accelerator import Accelerator
from fpga_accel.batch import Batch
from fpga_accel.runtime.buffers import file_buffer
from fpga_accel.segments import RESULT, SEGMENT, address_of

ROOT = Path(__file__).parent.parent
OK, TOO_SMALL = lib.STATUS_OK, lib.STATUS_DST_TOO_SMALL
BAD_DATA, TRUNCATED = lib.STATUS_BAD_DATA, lib.STATUS_TRUNCATED
STORED, CHECK = 1, 2  # kernels/lz4/params.h
END_MARK = bytes(4)

Array = npt.NDArray[Any]


def rows_of(table: Array) -> Any:
    return ffi.cast("segment_t *", table.ctypes.data)


def results_of(table: Array) -> Any:
    return ffi.cast("result_t *", table.ctypes.data)


def bytes_of(data: Array) -> Any:
    return ffi.cast("uint8_t *", data.ctypes.data)


def columns(items: list[Any] | tuple[Any, ...], **kwargs: Any) -> tuple[Array, Array, _objects.Keep]:
    """Addresses and sizes of items, in arrays that are never of length 0."""
    addresses, sizes = np.zeros((2, len(items) + 1), np.uint64)
    keep = _objects.addresses_from_buffers(
        items, addresses.ctypes.data, sizes.ctypes.data, len(items), bool(kwargs.get("writable"))
    )
    return addresses[:-1], sizes[:-1], keep


def read(address: int, size: int) -> bytes:
    return bytes(ffi.buffer(ffi.cast("char *", int(address)), int(size))) if size else b""


# ---- the layout of the tables ----


def test_numpy_dtypes_have_the_layout_that_the_compiler_gave() -> None:
    layout = np.zeros(lib.FA_ABI_LAYOUT_LENGTH, np.uint32)
    lib.fa_abi_layout(ffi.cast("uint32_t *", layout.ctypes.data))
    expected = [lib.ABI_VERSION]
    for dtype in (SEGMENT, RESULT):
        assert dtype.fields is not None
        expected += [dtype.itemsize, *(field[1] for field in dtype.fields.values())]
    assert layout.tolist() == expected


# ---- pages ----


@pytest.mark.parametrize("size", [1, 4096, 4097, (4 << 20) - 1, 4 << 20, (9 << 20) + 5])
def test_pages_are_aligned_zeroed_and_writable(size: int) -> None:
    pages = lib.fa_pages_alloc(size)
    try:
        address = int(ffi.cast("uintptr_t", pages))
        assert address % (mmap.PAGESIZE if size < 4 << 20 else 2 << 20) == 0
        view = np.frombuffer(ffi.buffer(ffi.cast("char *", pages), size), np.uint8)
        assert not view.any()
        view[-1] = 9
    finally:
        assert lib.fa_pages_free(pages, size) == 0


@pytest.mark.parametrize("size", [0, 2**64 - 1, 2**63])
def test_pages_that_cannot_be_had_are_null(size: int) -> None:
    assert lib.fa_pages_alloc(size) == ffi.NULL


@pytest.mark.parametrize("size", [1, 5000, 5 << 20])
def test_files_are_read_to_where_the_system_copies_fast(size: int, tmp_path: Path) -> None:
    content, path = os.urandom(size), tmp_path / "content"
    path.write_bytes(content)
    first, second = file_buffer(size), file_buffer(size)
    with path.open("rb") as file:
        assert file.readinto(first) == size
    second[:] = bytes(size)
    assert first == content
    for buffer in (first, second):
        # From a page's start, and from the 16 bytes of an allocator, far enough both ways.
        assert 64 <= address_of(np.frombuffer(buffer, np.uint8)) % mmap.PAGESIZE <= mmap.PAGESIZE // 2


def test_wipe_zeroes_the_range_and_nothing_else() -> None:
    data = np.full(1000, 255, np.uint8)
    lib.fa_wipe(bytes_of(data) + 10, 500)
    assert data[:10].all()
    assert not data[10:510].any()
    assert data[510:].all()


# ---- rows ----


@given(
    items=st.lists(st.tuples(st.binary(max_size=200), st.integers(0, 200)), max_size=30),
    align=st.sampled_from([1, 2, 64, 4096]),
    seed=st.integers(0, 2**32 - 1),
)
def test_gather_and_scatter_are_a_round_trip(items: list[tuple[bytes, int]], align: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    count = len(items)
    table, placed, results = np.zeros(count, SEGMENT), np.zeros(count, SEGMENT), np.zeros(count, RESULT)
    outputs = [bytearray(b"\xaa" * capacity) for _, capacity in items]
    table["src"], table["src_size"], _keep = columns([data for data, _ in items])
    table["dst"], table["dst_capacity"], _out = columns(outputs, writable=True)
    table["flags"] = np.arange(count)
    used = ffi.new("size_t[2]")
    assert lib.fa_rows_fit(rows_of(table), count, 2**63, 2**63, align, used, used + 1) == count
    source, result = (random.integers(0, 256, int(size) + 1, np.uint8) for size in used)

    lib.fa_rows_gather(rows_of(table), rows_of(placed), count, bytes_of(source), align)
    for row, (data, _) in zip(placed, items, strict=True):
        assert source[row["src"] : row["src"] + row["src_size"]].tobytes() == data
        assert row["src"] % align == row["dst"] % align == 0
    assert (placed["flags"] == table["flags"]).all()

    results["status"] = random.integers(0, 2, count)
    # Devices are not trusted: some report more than the row's capacity.
    results["dst_size"] = random.integers(0, 250, count)
    lib.fa_rows_scatter(rows_of(table), rows_of(placed), results_of(results), count, bytes_of(result))
    for row, said, output in zip(placed, results, outputs, strict=True):
        size = min(int(said["dst_size"]), len(output)) if said["status"] == OK else 0
        assert output[:size] == result[row["dst"] : row["dst"] + size].tobytes()
        assert output[size:] == b"\xaa" * (len(output) - size)


@given(
    sizes=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=20),
    src_limit=st.integers(0, 1500),
    dst_limit=st.integers(0, 1500),
    align=st.sampled_from([1, 16, 64]),
)
def test_fit_is_the_longest_prefix_that_fits(
    sizes: list[tuple[int, int]], src_limit: int, dst_limit: int, align: int
) -> None:
    table = np.zeros(len(sizes), SEGMENT)
    fits, ends = 0, (0, 0)
    for index, (src, dst) in enumerate(sizes):
        table[index]["src_size"], table[index]["dst_capacity"] = src, dst
    for src, dst in sizes:
        after = (-(-ends[0] // align) * align + src, -(-ends[1] // align) * align + dst)
        if after[0] > src_limit or after[1] > dst_limit:
            break
        fits, ends = fits + 1, after
    used = ffi.new("size_t[2]")
    assert lib.fa_rows_fit(rows_of(table), len(table), src_limit, dst_limit, align, used, used + 1) == fits
    assert tuple(used) == ends


def test_fit_counts_beyond_32_bits() -> None:
    table = np.zeros(5, SEGMENT)
    table["src_size"] = table["dst_capacity"] = 2**32 - 1
    used = ffi.new("size_t[2]")
    assert lib.fa_rows_fit(rows_of(table), 5, 2**34, 2**34, 64, used, used + 1) == 4
    assert used[0] == 2**34 - 1


def test_first_failed() -> None:
    results = np.zeros(5, RESULT)
    assert lib.fa_rows_first_failed(results_of(results), 5) == -1
    results["status"][3] = lib.STATUS_NOT_RUN
    assert lib.fa_rows_first_failed(results_of(results), 5) == 3
    assert lib.fa_rows_first_failed(results_of(results), 3) == -1


@given(sizes=st.lists(st.integers(0, 50), min_size=1, max_size=20), absolute=st.booleans())
def test_compact_moves_outputs_together(sizes: list[int], absolute: bool) -> None:
    slab = np.random.default_rng(2).integers(0, 256, 50 * len(sizes), np.uint8)
    expected = b"".join(slab[50 * i : 50 * i + size].tobytes() for i, size in enumerate(sizes))
    table, results = np.zeros(len(sizes), SEGMENT), np.zeros(len(sizes), RESULT)
    first = slab.ctypes.data if absolute else 0
    table["dst"] = first + 50 * np.arange(len(sizes), dtype=np.uint64)
    table["dst_capacity"], results["dst_size"] = 50, sizes
    base = ffi.NULL if absolute else bytes_of(slab)
    assert lib.fa_rows_compact(base, results_of(results), rows_of(table), len(sizes)) == len(expected)
    assert slab[: len(expected)].tobytes() == expected
    assert table["dst"].tolist() == [first + sum(sizes[:i]) for i in range(len(sizes))]


@pytest.mark.parametrize(("field", "value"), [("status", BAD_DATA), ("dst_size", 51)])
def test_compact_names_the_row_that_it_cannot_take(field: str, value: int) -> None:
    table, results = np.zeros(3, SEGMENT), np.zeros(3, RESULT)
    slab = np.arange(150, dtype=np.uint8)
    table["dst"], table["dst_capacity"], results["dst_size"] = [0, 50, 100], 50, 10
    results[2][field] = value
    assert lib.fa_rows_compact(bytes_of(slab), results_of(results), rows_of(table), 3) == -3
    assert (slab == np.arange(150)).all()


def test_copy_many_copies_each_pair() -> None:
    source = [b"", b"a", bytes(range(256)) * 40]
    target = [bytearray(len(data)) for data in source]
    from_, sizes, _from = columns(source)
    to, _, _to = columns(target, writable=True)
    pairs = [ffi.cast("uint64_t *", column.ctypes.data) for column in (from_, to, sizes)]
    lib.fa_copy_many(pairs[0], pairs[1], pairs[2], len(source))
    assert target == source


# ---- columns ----


def int64s(values: Array) -> Any:
    return ffi.cast("int64_t *", values.ctypes.data)


def uint64s(values: Array) -> Any:
    return ffi.cast("uint64_t *", values.ctypes.data)


@given(
    offsets=st.lists(st.integers(-3, 12), min_size=1, max_size=6),
    limit=st.integers(0, 10),
)
def test_the_first_wrong_offset_is_found(offsets: list[int], limit: int) -> None:
    wrong = [i for i, each in enumerate(offsets) if each < ([0, *offsets][i]) or each > limit]
    found = lib.fa_offsets_first_wrong(int64s(np.array(offsets, np.int64)), len(offsets) - 1, limit)
    assert found == (wrong[0] if wrong else -1)


@given(sizes=st.lists(st.integers(0, 2**64 - 1) | st.integers(7, 130), max_size=20))
def test_the_first_size_outside_is_found(sizes: list[int]) -> None:
    outside = [i for i, size in enumerate(sizes) if not 8 <= size <= 128]
    column = np.array([*sizes, 0], np.uint64)
    assert lib.fa_sizes_first_outside(uint64s(column), len(sizes), 8, 128) == (outside[0] if outside else -1)


@given(bits=st.lists(st.booleans(), max_size=40), data=st.data())
def test_unset_bits_are_counted(bits: list[bool], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(bits)))
    packed = np.packbits([*bits, False], bitorder="little")
    assert lib.fa_unset_bits(bytes_of(packed), first, len(bits) - first) == bits[first:].count(False)


def test_tags_are_compared_one_by_one() -> None:
    tags = np.random.default_rng(3).integers(0, 256, (40, 16), np.uint8)
    stated = tags.copy()
    for row in range(1, 33):
        stated[row, row % 16] ^= 1 << row % 8
    sources, sizes, _keep = columns([memoryview(row) for row in stated])
    wrong = np.full(40, 7, np.uint8)
    starts, none = sources + np.uint64(0), np.zeros(40, np.uint64)
    found = lib.fa_tags_wrong(bytes_of(tags), 16, uint64s(starts), uint64s(none), 40, bytes_of(wrong))
    assert found == 32
    assert wrong.tolist() == [0, *[1] * 32, *[0] * 7]
    assert sizes.tolist() == [16] * 40


# ---- LZ4 frames ----


@given(data=st.binary(max_size=300), seed=st.integers(0, 2**32 - 1))
def test_xxh32_is_xxh32(data: bytes, seed: int) -> None:
    assert lib.fa_xxh32(ffi.from_buffer("uint8_t[]", data), len(data), seed) == xxhash.xxh32_intdigest(data, seed)


def sample(size: int) -> bytes:
    """Text-like, with a stretch that does not compress."""
    random = np.random.default_rng(size)
    words = [bytes(random.integers(97, 123, 5, np.uint8)) for _ in range(50)]
    text = b" ".join(words[i] for i in random.integers(0, 50, size // 6 + 1))
    noise = bytes(random.integers(0, 256, size // 3, np.uint8))
    return (text[: size // 3] + noise + text)[:size]


def pack(data: bytes, block_size: int, checksum: bool) -> bytes:
    """The blocks of data's frame: compressed by lz4.block, packed by us."""
    blocks = [data[i : i + block_size] for i in range(0, len(data), block_size)]
    payloads = [lz4.block.compress(block, store_size=False) for block in blocks]
    table, results = np.zeros(len(blocks), SEGMENT), np.zeros(len(blocks), RESULT)
    table["src"], table["src_size"], _src = columns(blocks)
    table["dst"], table["dst_capacity"], _dst = columns(payloads)
    results["dst_size"] = table["dst_capacity"]
    results["check"] = [xxhash.xxh32_intdigest(payload) for payload in payloads]
    # What kernels say of a block that does not fit: nothing but the status.
    results[results["dst_size"] >= table["src_size"]] = np.zeros(1, RESULT)
    results["status"][results["dst_size"] == 0] = TOO_SMALL
    size = lib.fa_lz4_packed_size(rows_of(table), results_of(results), len(blocks), checksum)
    out = np.zeros(size + 1, np.uint8)
    assert lib.fa_lz4_pack(bytes_of(out), size, rows_of(table), results_of(results), len(blocks), checksum) == size
    if size:
        too_small = lib.fa_lz4_pack(bytes_of(out), size - 1, rows_of(table), results_of(results), len(blocks), checksum)
        assert too_small == -TOO_SMALL
    return out[:size].tobytes()


def frame_header(checksum: bool) -> bytes:
    """Version 1, independent blocks of at most 64 KiB."""
    descriptor = bytes([0x60 | (0x10 if checksum else 0), 0x40])
    return b"\x04\x22\x4d\x18" + descriptor + bytes([xxhash.xxh32_intdigest(descriptor) >> 8 & 0xFF])


@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("size", [0, 1, 5, 65536, 65537, 500_000])
def test_lz4_decodes_what_we_pack(size: int, checksum: bool) -> None:
    data = sample(size)
    frame = frame_header(checksum) + pack(data, 65536, checksum) + END_MARK
    assert lz4.frame.decompress(frame) == data


def scan(
    data: bytes, start: int, block_max: int, checksum: bool, at_once: int = 7
) -> Iterator[tuple[Array, Array, int, int, bool]]:
    """Walk to the end or the first failure: rows, checksums, return value, position, ended."""
    position, ended = ffi.new("uint64_t *", start), ffi.new("int *")
    pointer = ffi.from_buffer("uint8_t[]", data)
    while True:
        rows, checks = np.zeros(at_once, SEGMENT), np.zeros(at_once, np.uint32)
        found = lib.fa_lz4_scan(
            pointer,
            len(data),
            position,
            block_max,
            checksum,
            rows_of(rows),
            at_once,
            ended,
            ffi.cast("uint32_t *", checks.ctypes.data),
        )
        yield rows[: max(0, found)], checks[: max(0, found)], found, position[0], bool(ended[0])
        if found < 0 or ended[0]:
            return


@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("size", [0, 1, 65537, 500_000])
def test_we_scan_what_lz4_writes(size: int, checksum: bool) -> None:
    data = sample(size)
    frame = lz4.frame.compress(
        data,
        block_size=lz4.frame.BLOCKSIZE_MAX64KB,
        block_linked=False,
        block_checksum=checksum,
        store_size=False,
    )
    decoded, position, ended = b"", 7, False
    for rows, checks, found, position, ended in scan(frame, 7, 65536, checksum):  # noqa: B007
        assert found == len(rows)
        for row, check in zip(rows, checks, strict=True):
            payload = read(row["src"], row["src_size"])
            assert (row["dst_capacity"], row["param"], row["dst"]) == (65536, 1, 0)
            assert bool(row["flags"] & CHECK) == checksum
            assert check == (xxhash.xxh32_intdigest(payload) if checksum else 0)
            decoded += payload if row["flags"] & STORED else lz4.block.decompress(payload, 65536)
    assert decoded == data
    assert ended
    assert position == len(frame)


@pytest.mark.parametrize("checksum", [False, True])
def test_scan_of_every_truncation_says_truncated(checksum: bool) -> None:
    blocks = pack(sample(4000), 1000, checksum)
    boundaries = []
    for whole in range(len(blocks) + 1):
        steps = list(scan(blocks[:whole], 0, 1000, checksum))
        assert steps[-1][2] == -TRUNCATED
        assert sum(len(step[0]) for step in steps) <= 4
        boundaries.append(steps[-1][3])
    # The position is always in front of the block that is cut off.
    assert len(set(boundaries)) == 5


def test_scan_refuses_a_block_larger_than_the_frame_allows() -> None:
    blocks = pack(sample(4000), 1000, checksum=False)
    steps = list(scan(blocks, 0, 50, checksum=False))
    assert [step[2] for step in steps] == [-BAD_DATA]
    assert steps[0][3] == 0


@given(flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), max_size=5), checksum=st.booleans())
def test_scan_of_damaged_frames_stays_inside(flips: list[tuple[int, int]], checksum: bool) -> None:
    damaged = bytearray(pack(sample(3000), 1000, checksum) + END_MARK)
    for where, mask in flips:
        damaged[where % len(damaged)] ^= mask
    data = bytes(damaged)
    low, size, _keep = _objects.address(data)
    last = -1
    for rows, _, _, position, _ in scan(data, 0, 1000, checksum):
        assert last <= position <= size
        last = position
        assert (rows["src"] >= low).all()
        assert (rows["src"] + rows["src_size"] <= low + size).all()


# ---- objects: buffers to addresses ----

BUFFERS: list[tuple[str, Callable[[], Any]]] = [
    ("bytes", lambda: b"hello"),
    ("empty", lambda: b""),
    ("bytearray", lambda: bytearray(b"hello")),
    ("memoryview", lambda: memoryview(b"xhellox")[1:6]),
    ("array", lambda: array.array("d", [1.0, 2.0])),
    ("numpy", lambda: np.arange(5, dtype=np.int32)),
    ("numpy 2-D", lambda: np.ones((3, 4))),
    ("datetime64", lambda: np.zeros(3, "datetime64[s]")),
    ("readonly numpy", lambda: np.frombuffer(b"hello", np.uint8)),
    ("bytes subclass", lambda: type("Sub", (bytes,), {})(b"hello")),
    ("mmap", lambda: mmap.mmap(-1, 4096)),
]


@pytest.mark.parametrize("make", [make for _, make in BUFFERS], ids=[name for name, _ in BUFFERS])
def test_address_of_any_buffer(make: Callable[[], Any]) -> None:
    buffer = make()
    content = buffer.tobytes() if isinstance(buffer, np.ndarray) else bytes(memoryview(buffer).cast("B"))
    size = len(content)
    address, nbytes, keep = _objects.address(buffer)
    assert nbytes == size
    assert read(address, nbytes) == content
    assert _objects.start_of(buffer) == address
    keep.release()
    keep.release()
    addresses, sizes, many = columns([buffer, b"z", buffer])
    assert sizes.tolist() == [size, 1, size]
    assert [read(a, s) for a, s in zip(addresses, sizes, strict=True)] == [content, b"z", content]
    many.release()


def fortran() -> Any:
    return np.ones((3, 4), order="F")


BAD: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("str", lambda: "hello", TypeError, "not str: encode it first"),
    ("int", lambda: 5, TypeError, "not int"),
    ("None", lambda: None, TypeError, "not NoneType"),
    ("list", lambda: [1], TypeError, "not list"),
    ("strided memoryview", lambda: memoryview(b"hello")[::2], BufferError, "contiguous"),
    ("strided numpy", lambda: np.arange(10)[::2], BufferError, "contiguous"),
    ("Fortran order", fortran, BufferError, "contiguous"),
]


@pytest.mark.parametrize(("make", "error", "text"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_no_buffer_is_refused(make: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        _objects.address(make())
    with pytest.raises(error, match=text):
        _objects.start_of(make())
    held = bytearray(b"held")
    with pytest.raises(error, match=f"item 2: .*{text}"):
        columns([b"a", held, make(), b"b"])
    held.append(1)  # the views opened before the failure are closed


def test_a_released_memoryview_is_an_error() -> None:
    view = memoryview(b"hello")
    view.release()
    with pytest.raises(BufferError, match="released"):
        _objects.address(view)


@pytest.mark.parametrize("make", [lambda: b"hello", lambda: np.frombuffer(b"hello", np.uint8)])
def test_readonly_buffers_are_not_writable(make: Callable[[], Any]) -> None:
    with pytest.raises(BufferError):
        _objects.address(make(), True)
    with pytest.raises(BufferError, match="item 1: "):
        columns([bytearray(1), make()], writable=True)


def test_writable_addresses_reach_the_buffer() -> None:
    target = bytearray(5)
    address, nbytes, _keep = _objects.address(target, True)
    ffi.memmove(ffi.cast("void *", address), b"hello", nbytes)
    assert target == b"hello"


def test_a_keep_holds_the_export_until_it_is_released_or_dropped() -> None:
    data = bytearray(b"hello")
    _, _, keep = _objects.address(data)
    with pytest.raises(BufferError):
        data.append(1)
    keep.release()
    data.append(1)
    with _objects.address(data)[2], pytest.raises(BufferError):
        data.append(1)
    data.append(1)
    _, _, many = columns([data, b"x", data])
    with pytest.raises(BufferError):
        data.append(1)
    del many
    data.append(1)


def test_a_keep_holds_items_that_the_list_no_longer_has() -> None:
    items = [bytes([i]) * 100 for i in range(50)]
    expected = list(items)
    addresses, sizes, _keep = columns(items)
    items.clear()
    assert [read(a, s) for a, s in zip(addresses, sizes, strict=True)] == expected


def test_references_are_given_back() -> None:
    plain, other = os.urandom(50), bytearray(50)
    before = sys.getrefcount(plain), sys.getrefcount(other)
    for _ in range(100):
        _objects.address(plain)
        _objects.address(other)
        columns([plain, other, plain])
        with pytest.raises(TypeError):
            columns([plain, other, "no"])
        with pytest.raises(ValueError, match="items for"):
            _objects.addresses_from_buffers([plain], 8, 8, 2)
    assert (sys.getrefcount(plain), sys.getrefcount(other)) == before


def test_the_collector_sees_through_a_keep() -> None:
    class Holder:
        keep: Any = None

    class Data(bytearray):
        holder: Any = None

    holder, data = Holder(), Data(b"hello")
    holder.keep = _objects.address(data)[2]
    data.holder = holder  # data -> holder -> keep -> data
    gone = weakref.ref(holder)
    del holder, data
    gc.collect()
    assert gone() is None


def test_keep_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError):
        _objects.Keep()


def test_no_items() -> None:
    assert columns([])[0].size == 0
    assert columns(())[0].size == 0


@pytest.mark.parametrize("items", ["abc", b"abc", iter([b"a"]), {b"a"}, None])
def test_items_are_a_list_or_a_tuple(items: Any) -> None:
    room = np.zeros(8, np.uint64).ctypes.data
    with pytest.raises(TypeError, match="list or a tuple"):
        _objects.addresses_from_buffers(items, room, room)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((0, 8), ValueError),
        ((8, 0), ValueError),
        ((12, 8), ValueError),
        ((8, 8, -1), ValueError),
        ((8, 8, 2), ValueError),
        ((8, 8, "1"), TypeError),
        (("8", 8), TypeError),
        ((8,), TypeError),
        ((8, 8, 1, False, 0), TypeError),
        ((-8, 8, 2), ValueError),
        ((2**64, 8), OverflowError),
    ],
)
def test_arguments_of_addresses_from_buffers(arguments: tuple[Any, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        _objects.addresses_from_buffers([b"a"], *arguments)


def test_ten_thousand_mixed_items() -> None:
    makers: list[Callable[[bytes], Any]] = [
        bytes,
        bytearray,
        memoryview,
        lambda data: np.frombuffer(data, np.uint8),
        lambda data: array.array("B", data),
    ]
    contents = [os.urandom(i % 97) for i in range(10_000)]
    items = [makers[i % len(makers)](data) for i, data in enumerate(contents)]
    addresses, sizes, keep = columns(items)
    assert [
        ffi.buffer(ffi.cast("char *", int(at)), int(size))[:] for at, size in zip(addresses, sizes, strict=True)
    ] == contents
    keep.release()
    items[1].append(0)


def test_an_item_may_have_4_gib() -> None:
    with mmap.mmap(-1, 2**32, flags=mmap.MAP_PRIVATE | getattr(mmap, "MAP_NORESERVE", 0)) as large:
        _, sizes, keep = columns([b"a", large])
        assert sizes.tolist() == [1, 2**32]
        keep.release()


def test_the_bytes_of_a_list_are_counted() -> None:
    assert _objects.bytes_total([b"ab", b"", b"c"]) == _objects.bytes_total((b"abc",)) == 3
    assert _objects.bytes_total([]) == 0
    for other in (bytearray(b"x"), memoryview(b"x"), "x", None, 5):
        assert _objects.bytes_total([b"ab", other]) == -1
    wrong: Any = 5
    with pytest.raises(TypeError, match="list or a tuple"):
        _objects.bytes_total(wrong)


def test_offsets_of_a_list_are_told() -> None:
    offsets = np.full(5, -1, np.int64)
    at = offsets.ctypes.data
    assert _objects.bytes_total([b"ab", b"", b"c"], at, 3) == 3
    assert offsets.tolist() == [0, 2, 2, 3, -1]
    assert _objects.bytes_total((), at, 0) == 0
    for count in (0, 2, 4):
        with pytest.raises(ValueError, match=f"3 items for {count} rows"):
            _objects.bytes_total([b"ab", b"", b"c"], at, count)
    for arguments in ((at,), (0, 3), (at + 1, 3), (at, -1), (at, 3, 3)):
        with pytest.raises((TypeError, ValueError)):
            _objects.bytes_total([b"ab", b"", b"c"], *arguments)


def test_a_list_that_another_thread_changes_does_no_harm() -> None:
    items: list[Any] = [b"x"] * 100
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            items.append(b"y")
            items.pop()

    thread = threading.Thread(target=churn)
    thread.start()
    room = np.zeros((2, 100), np.uint64)
    try:
        for _ in range(2000):
            try:
                _objects.addresses_from_buffers(items, room[0].ctypes.data, room[1].ctypes.data, 100)
            except ValueError as error:
                assert str(error) == "101 items for 100 rows"  # noqa: PT017
    finally:
        stop.set()
        thread.join()


# ---- objects: memory to bytes ----


def test_new_bytes_are_fresh_and_take_what_is_written() -> None:
    data, address = _objects.new_bytes(1000)
    content = os.urandom(1000)
    ffi.memmove(ffi.cast("void *", address), content, 1000)
    assert data == content
    assert hash(data) == hash(content)
    assert _objects.new_bytes(0) == (b"", 0)


@pytest.mark.parametrize("size", [(4 << 20) - 34, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, (6 << 20) + 4095, 37 << 20])
def test_new_bytes_of_huge_pages_hold_what_is_written(size: int) -> None:
    beside = _objects.new_bytes(size)
    data, address = _objects.new_bytes(size)
    content = os.urandom(4096) * (size // 4096) + bytes(size % 4096)
    ffi.memmove(ffi.cast("void *", address), content, size)
    ffi.memmove(ffi.cast("void *", beside[1]), b"\xff" * size, size)
    assert data == content


def test_large_new_bytes_ask_for_huge_pages() -> None:
    flags = Path("/proc/self/smaps")
    if not Path("/sys/kernel/mm/transparent_hugepage").exists() or "VmFlags" not in flags.read_text():
        pytest.skip("this system has no huge pages, or does not tell where they are wanted")
    data, address = _objects.new_bytes(16 << 20)
    inside, found = address + len(data) // 2, ""
    for line in flags.read_text().splitlines():
        if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            within = int(match[1], 16) <= inside < int(match[2], 16)
        elif within and line.startswith("VmFlags"):
            found = line
    assert "hg" in found.split()


def test_one_byte_objects_are_fresh_and_not_the_shared_ones() -> None:
    """What host/objects.c relies on; CPython shares one-byte objects that are made from content."""
    shared = [bytes([i]) for i in range(256)]
    sizes, addresses = np.ones(300, np.uint64), np.zeros(300, np.uint64)
    made = _objects.new_bytes_list(sizes.ctypes.data, 300, addresses.ctypes.data)
    assert len({id(data) for data in made} | {id(data) for data in shared}) == 556
    for address in addresses:
        ffi.memmove(ffi.cast("void *", int(address)), b"Q", 1)
    assert made == [b"Q"] * 300
    assert [data[0] for data in shared] == list(range(256))


@given(sizes=st.lists(st.integers(0, 700), max_size=50))
def test_new_bytes_list_is_filled_through_its_addresses(sizes: list[int]) -> None:
    wanted, addresses = np.zeros((2, len(sizes) + 1), np.uint64)
    wanted[:-1] = sizes
    made = _objects.new_bytes_list(wanted.ctypes.data, len(sizes), addresses.ctypes.data)
    assert [len(data) for data in made] == sizes
    assert [bool(address) for address in addresses[:-1]] == [bool(size) for size in sizes]
    contents = [os.urandom(size) for size in sizes]
    for address, content in zip(addresses, contents, strict=False):
        ffi.memmove(ffi.cast("void *", int(address)), content, len(content))
    assert made == contents


def test_bytes_are_copied_from_memory() -> None:
    source = os.urandom(5000)
    address, nbytes, _keep = _objects.address(source)
    assert nbytes == len(source)
    offsets = np.array([1, 4, 4, 204], np.int64)
    made = _objects.bytes_list_from_column(address, offsets.ctypes.data, 3)
    assert made == [source[1:4], b"", source[4:204]]
    assert _objects.bytes_list_from_column(0, np.zeros(3, np.int64).ctypes.data, 2) == [b"", b""]
    with pytest.raises(ValueError, match="null address"):
        _objects.bytes_list_from_column(0, offsets.ctypes.data, 3)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: _objects.new_bytes(-1), ValueError),
        (lambda: _objects.new_bytes(2**63 - 1), (MemoryError, OverflowError)),
        (lambda: _objects.new_bytes(2**64), OverflowError),
        (lambda: _objects.new_bytes("5"), TypeError),  # type: ignore[arg-type]
        (lambda: _objects.new_bytes_list(0, 5, 8), ValueError),
        (lambda: _objects.new_bytes_list(8, 5, 0), ValueError),
        (lambda: _objects.new_bytes_list(8, -5, 8), ValueError),
        (lambda: _objects.bytes_list_from_column(8, 0, 1), ValueError),
    ],
)
def test_arguments_of_the_bytes_makers(call: Callable[[], object], error: Any) -> None:
    with pytest.raises(error):
        call()


def test_a_list_with_an_impossible_size_leaks_nothing() -> None:
    sizes, addresses = np.array([10, 2**64 - 1, 10], np.uint64), np.zeros(3, np.uint64)
    with pytest.raises(MemoryError):
        _objects.new_bytes_list(sizes.ctypes.data, 3, addresses.ctypes.data)
    assert _objects.new_bytes_list(sizes.ctypes.data, 0, addresses.ctypes.data) == []


# ---- the C sources themselves ----

SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
INCLUDE = ["-I", str(ROOT / "kernels" / "common")]
REQUIRED = "sanitizers" in os.environ.get("FPGA_ACCEL_REQUIRE", "")


def missing(reason: str) -> None:
    if REQUIRED:
        pytest.fail(f"FPGA_ACCEL_REQUIRE has sanitizers, but {reason}")
    pytest.skip(reason)


@pytest.fixture
def compiler() -> str:
    found = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if not found:
        missing("there is no C compiler")
    return str(found)


def run(*command: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout, check=False)


# They know Python objects.
OBJECTS = (
    "module.c",
    "objects.c",
    "arrays.c",
    "arrow.c",
    "direct.c",
    "direct_many.c",
    "frames.c",
    "lease.c",
    "loops.c",
    "sectors.c",
    "windows.c",
)


def test_every_source_compiles_without_warnings(compiler: str, tmp_path: Path) -> None:
    include = sysconfig.get_paths()["include"]
    for source in sorted((ROOT / "host").glob("*.c")):
        flags = ["-DPy_LIMITED_API=0x030B0000", "-isystem", include] if source.name in OBJECTS else []
        done = run(compiler, *STRICT, *INCLUDE, "-O3", *flags, "-c", source, "-o", tmp_path / "out.o")
        assert done.returncode == 0, done.stderr


def test_sanitizers_find_nothing(compiler: str, tmp_path: Path) -> None:
    probe = tmp_path / "probe.c"
    probe.write_text("int main(void) { return 0; }\n", encoding="ascii")
    if run(compiler, *SANITIZERS, probe, "-o", tmp_path / "probe").returncode != 0:
        missing("the compiler has no sanitizers")
    sources = [path for path in (ROOT / "host").glob("*.c") if path.name not in OBJECTS]
    program = tmp_path / "host_test"
    driver = ROOT / "tests" / "host" / "host_test.c"
    built = run(compiler, *STRICT, *INCLUDE, *SANITIZERS, "-g", "-O1", driver, *sources, "-o", program)
    assert built.returncode == 0, built.stderr
    done = run(program, 1000)
    assert done.returncode == 0, done.stdout + done.stderr


# ---- arrays of sizes and offsets ----


@given(st.lists(st.integers(0, 2**40), max_size=70), st.integers(0, 2**60))
def test_offsets_and_spans_are_those_of_items_behind_each_other(listed: list[int], address: int) -> None:
    sizes, count = np.array(listed, np.uint64), len(listed)
    offsets = np.full(count + 1, -1, np.int64)
    assert _objects.column_offsets(sizes, offsets) == sum(listed)
    assert offsets.tolist() == [sum(listed[:index]) for index in range(count + 1)]
    places, again = np.empty(count, np.uint64), np.empty(count, np.uint64)
    _objects.column_spans(address, offsets, places, again)
    assert places.tolist() == [address + offset for offset in offsets[:-1].tolist()]
    assert again.tolist() == listed
    assert _objects.sizes_same(sizes, again)
    assert _objects.sizes_largest(sizes) == max(listed, default=0)
    assert _objects.sizes_padded(sizes) == sum(-(-size // 16) * 16 for size in listed)


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(-60, 60), st.integers(0, 9))
def test_grown_offsets_are_those_of_longer_items(sizes: list[int], change: int, start: int) -> None:
    offsets = np.cumsum([start, *sizes], dtype=np.int64)
    grown = np.empty_like(offsets)
    longer = [size + change for size in sizes]
    if min(longer, default=0) < 0:
        assert _objects.column_grown(offsets, change, grown) == -1
        return
    assert _objects.column_grown(offsets, change, grown) == sum(longer)
    assert grown.tolist() == np.cumsum([0, *longer]).tolist()


# ---- windows ----


@given(st.lists(st.binary(max_size=20), max_size=20), st.binary(max_size=5))
def test_windows_are_the_items_of_a_column(items: list[bytes], front: bytes) -> None:
    offsets = np.cumsum([len(front), *map(len, items)], dtype=np.int64)
    windows = _objects.Windows(front + b"".join(items) + b"behind", offsets)
    assert len(windows) == len(items)
    assert [bytes(window) for window in windows] == items
    assert [len(window) for window in windows] == [len(item) for item in items]
    assert [bytes(windows[index]) for index in range(len(items))] == items
    for index in (len(items), -len(items) - 1):
        with pytest.raises(IndexError):
            windows[index]


def test_a_window_moves_on_only_where_nobody_holds_it() -> None:
    windows = _objects.Windows(b"onetwosix", np.array([0, 3, 6, 9]))
    loop = iter(windows)
    first = next(loop)
    second = next(loop)
    assert (bytes(first), bytes(second)) == (b"one", b"two")
    view, address = memoryview(second), id(second)
    del first, second
    third = next(loop)
    assert id(third) != address, "a view is held"
    assert (bytes(view), bytes(third)) == (b"two", b"six")
    with pytest.raises(StopIteration):
        next(loop)
    many = _objects.Windows(bytes(9), np.arange(10))
    assert len({id(window) for window in many}) == 2, "the one before is held while the next is made"
    assert len(set(map(id, many))) == 1
    assert len({id(window) for window in list(many)}) == 9


def test_a_window_holds_the_memory() -> None:
    memory = bytearray(b"abcdef")
    window = next(iter(_objects.Windows(memory, np.array([1, 3]))))
    gc.collect()
    with pytest.raises(BufferError):
        memory.extend(b"more")
    assert bytes(window) == b"bc"
    with pytest.raises(TypeError):
        memoryview(window)[0] = 1
    del window
    memory.extend(b"more")


def test_windows_may_be_written_to() -> None:
    memory = bytearray(9)
    for index, window in enumerate(_objects.Windows(memory, np.array([1, 3, 3, 8]), True)):
        view = memoryview(window)
        view[:] = bytes([index + 1]) * len(view)
    assert memory == b"\0\1\1\3\3\3\3\3\0"
    with pytest.raises((BufferError, TypeError)):
        _objects.Windows(b"text", np.array([0, 4]), True)


@pytest.mark.parametrize(
    ("offsets", "error"),
    [
        (np.array([0, 3, 2]), ValueError),
        (np.array([-1, 3]), ValueError),
        (np.array([0, 10]), ValueError),
        (np.array([], np.int64), ValueError),
        (np.zeros(3, np.int32), ValueError),
        (np.zeros(17, np.uint8)[1:], ValueError),
        (np.zeros(4, np.int64)[::2], (ValueError, BufferError)),
        (None, TypeError),
    ],
)
def test_windows_of_wrong_offsets_are_refused(offsets: Any, error: Any) -> None:
    with pytest.raises(error):
        _objects.Windows(bytes(9), offsets)


def test_windows_do_not_follow_offsets_that_change() -> None:
    offsets = np.array([0, 3, 6])
    windows = _objects.Windows(bytes(9), offsets)
    loop = iter(windows)
    next(loop)
    offsets[2] = 10**9
    with pytest.raises(ValueError, match="changed"):
        next(loop)
    with pytest.raises(ValueError, match="changed"):
        windows[1]


def test_windows_are_made_by_windows_alone() -> None:
    windows = _objects.Windows(b"abc", np.array([0, 3]))
    for made in (type(windows[0]), type(iter(windows))):
        with pytest.raises(TypeError):
            made()
    wrong: Any = _objects.Windows
    with pytest.raises(TypeError):
        wrong(b"abc", offsets=np.array([0, 3]))


def test_sizes_that_differ_anywhere_are_not_the_same() -> None:
    sizes = np.arange(5, dtype=np.uint64)
    for index in range(5):
        other = sizes.copy()
        other[index] += np.uint64(1 << 33)
        assert not _objects.sizes_same(sizes, other)
    assert not _objects.sizes_same(sizes, sizes[:-1])


untyped: Any = _objects


@pytest.mark.parametrize(
    "call",
    [
        lambda a: _objects.column_offsets(a[:3], np.empty(3, np.int64)),
        lambda a: _objects.column_spans(0, a[:3], a[:3].copy(), a[:2].copy()),
        lambda a: _objects.column_spans(0, a[:3], a[:2].copy(), a[:3].copy()),
        lambda a: _objects.column_spans(-1, a[:3], a[:2].copy(), a[:2].copy()),
        lambda a: _objects.column_grown(a[:3], 1, a[:2].copy()),
        lambda a: _objects.column_grown(a[:0], 1, a[:0].copy()),
        lambda a: _objects.column_grown(a[:3], 2**70, a[:3].copy()),
        lambda a: _objects.sizes_largest(a.view(np.uint8)[:7]),
        lambda a: _objects.sizes_padded(a.view(np.uint8)[1:9]),
        lambda a: _objects.sizes_largest(a[::2]),
        lambda a: untyped.column_offsets(a[:3], b"x" * 32),
        _objects.sizes_same,
        lambda a: untyped.sizes_largest(f"{a}"),
    ],
)
def test_arrays_that_are_none_or_do_not_belong_together_are_refused(call: Callable[[Any], object]) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError, BufferError)):
        call(np.arange(8, dtype=np.uint64))


# ---- memory on loan ----


class _Owner:
    def __init__(self) -> None:
        self.memory = np.zeros(64, np.uint8)
        self.released = 0

    def release(self) -> None:
        self.released += 1

    def lend(self, size: int = 64) -> _objects.Lease:
        return _objects.Lease(self, address_of(self.memory), size)


def test_memory_comes_back_with_the_last_array_over_it() -> None:
    owner = _Owner()
    lease: Any = owner.lend()
    whole = np.ndarray(8, np.uint64, lease)
    del lease
    part: Any = whole[2:4]
    part[:] = 7
    view = memoryview(part)
    del whole, part
    gc.collect()
    assert (owner.released, owner.memory[16], owner.memory[15]) == (0, 7, 0)
    del view
    assert owner.released == 1


def _fail_and_drop(held: list[Any]) -> None:
    try:
        raise KeyError("kept")
    finally:
        held.clear()


def test_an_error_of_who_lent_it_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    owner = _Owner()
    monkeypatch.setattr(owner, "release", lambda: 1 // 0)
    lease = owner.lend()
    assert len(memoryview(lease)) == 64
    held = [lease]
    del lease
    # In the middle of an error that has nothing to do with it.
    with pytest.raises(KeyError, match="kept"):
        _fail_and_drop(held)
    assert [each.exc_type for each in told] == [ZeroDivisionError]


@pytest.mark.parametrize("arguments", [(), (None, 0, 1), (None, 8, -1), (None, 0, -1), (None, "8", 1)])
def test_a_lease_of_no_memory_is_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        _objects.Lease(*arguments)


# ---- direct calls ----


class _Local(threading.local):
    def __init__(self) -> None:
        self.last = _objects.Last()


def direct(call: Any, position: int = 0, limit: int = 1000) -> tuple[_objects.Direct, _objects.Tally, _Local]:
    tally, local = _objects.Tally(), _Local()
    return _objects.Direct(tally, local, "operation", "reason", call, position, limit), tally, local


def test_direct_counts_and_times_calls() -> None:
    found, tally, local = direct(lambda head, data, tail=b"": head + data + tail, 1)
    before = time.perf_counter()
    assert found.run(b"a", b"bc", b"def") == b"abcdef"
    assert found.run(b"", bytearray(b"xy")) == b"xy"
    record = local.last.value
    assert record[:6] == ("operation", "reason", False, 1, 2, 2)
    assert before < record[6] <= record[7] < time.perf_counter()
    assert (tally.calls, tally.bytes_in, tally.bytes_out) == (2, 4, 8)


def test_direct_copies_results_into_a_target() -> None:
    given: list[tuple[Any, ...]] = []

    def call(*arguments: Any) -> Any:
        given.append(arguments)
        return memoryview(arguments[0] * 2) if arguments[0] != b"none" else None

    tally, local = _objects.Tally(), _Local()
    found = _objects.Direct(tally, local, "operation", "reason", call, 0, 100, 0, 1)
    targets: list[Any] = [bytearray(8), memoryview(bytearray(8)), np.zeros(4, np.uint16), np.zeros((2, 4), np.uint8)]
    for target in targets:
        assert found.run(b"abc", target, "key") == 6
        assert bytes(memoryview(target).cast("B")) == b"abcabc\0\0"
    assert given == [(b"abc", "key")] * 4
    assert local.last.value[4:6] == (3, 6)
    assert (tally.calls, tally.bytes_in, tally.bytes_out) == (4, 12, 24)
    exact = bytearray(6)
    assert found.run(b"xyz", exact) == 6
    assert exact == b"xyzxyz"
    # The long way says what is wrong with these.
    refused: list[Any] = [bytearray(5), b"12345678", np.zeros(16, np.uint8)[::2], None, "text"]
    # Whose bytes are references, or nothing that a memoryview knows.
    held = np.array(["held"] * 8, object)
    fields = np.zeros(8, np.dtype([("one", np.int32), ("other", object)]))
    untouched: Any = held
    refused += [held, memoryview(untouched), fields, np.zeros(8, "datetime64[s]")]
    for target in refused:
        assert found.run(b"abc", target) is None
    assert held.tolist() == ["held"] * 8
    assert found.run(b"none", bytearray(9)) is None
    assert tally.calls == 5
    with pytest.raises(TypeError, match="2 to 5 arguments"):
        found.run(b"abc")
    for positions in ((0, 0), (1, 5), (0, -2)):
        with pytest.raises(TypeError, match="different positions"):
            _objects.Direct(tally, local, "", "", call, positions[0], 100, 0, positions[1])


def test_direct_tells_when_a_result_has_no_bytes_to_copy() -> None:
    tally = _objects.Tally()
    found = _objects.Direct(tally, _Local(), "", "", lambda data: 5, 0, 100, 0, 1)
    with pytest.raises(TypeError):
        found.run(b"abc", bytearray(9))
    assert tally.calls == 0


def test_direct_keeps_the_last_call_of_each_thread() -> None:
    found, tally, local = direct(bytes)
    found.run(b"here")

    def there() -> None:
        found.run(b"in the thread")
        assert local.last.value[4] == 13

    thread = threading.Thread(target=there)
    thread.start()
    thread.join()
    assert local.last.value[4] == 4
    assert tally.calls == 2
    local.last.value = "set"
    assert local.last.value == "set"
    found.run(b"again")
    assert local.last.value[4] == 5


def test_many_directs_keep_apart_what_threads_did_last() -> None:
    made = [direct(bytes) for _ in range(40)]

    def use(first: int) -> None:
        for turn in range(3):
            for index, (found, _, local) in enumerate(made):
                found.run(bytes(first + index))
                assert local.last.value[4] == first + index, turn

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, (1, 100, 200, 300)))
    assert [tally.calls for _, tally, _ in made] == [12] * 40


def test_a_direct_that_is_gone_leaves_its_record_and_nothing_else() -> None:
    def call(data: bytes) -> bytes:
        return data

    for _ in range(5):
        found, _, local = direct(call)
        found.run(b"abc")
        last = local.last
        gone = weakref.ref(local)
        del found, local
        gc.collect()
        assert gone() is None
        assert last.value[:3] == ("operation", "reason", False)
    assert sys.getrefcount(call) < 10


def test_direct_wants_a_last_in_its_local() -> None:
    class Wrong:
        last = "something else"

    found = _objects.Direct(_objects.Tally(), Wrong(), "", "", bytes, 0, 100)
    with pytest.raises(TypeError, match="is no Last"):
        found.run(b"a")
    nothing = _objects.Direct(_objects.Tally(), object(), "", "", bytes, 0, 100)
    with pytest.raises(AttributeError):
        nothing.run(b"a")


@pytest.mark.parametrize(
    "data",
    [b"", bytes(10), "text", [1], None, np.zeros(3), memoryview(bytes(9))[::2], memoryview(b"")],
    ids=["empty", "limit", "str", "list", "None", "array", "strided", "empty view"],
)
def test_direct_leaves_to_the_caller_what_it_does_not_do(data: Any) -> None:
    found, tally, local = direct(pytest.fail, limit=10)
    assert found.run(data) is None
    assert not tally.calls
    assert local.last.value is None


def test_direct_counts_numbers_as_what_they_are_said_to_be() -> None:
    tally, local = _objects.Tally(), _Local()
    found = _objects.Direct(tally, local, "op", "reason", len, 0, 100, 4)
    assert found.run(b"12345") == 5
    assert (tally.calls, tally.bytes_in, tally.bytes_out) == (1, 5, 4)
    assert _objects.Direct(tally, local, "op", "reason", len, 0, 100).run(b"12345") == 5
    assert (tally.calls, tally.bytes_in, tally.bytes_out) == (2, 10, 9)
    with pytest.raises(TypeError):
        _objects.Direct(tally, local, "op", "reason", lambda data: 1.5, 0, 100).run(b"12345")
    with pytest.raises(ValueError, match="negative"):
        _objects.Direct(tally, local, "op", "reason", lambda data: -1, 0, 100).run(b"12345")


def test_direct_counts_nothing_that_fails_or_is_refused() -> None:
    def refused(data: bytes) -> None:
        raise ZeroDivisionError

    found, tally, _ = direct(refused)
    with pytest.raises(ZeroDivisionError):
        found.run(b"a")
    refuses, refusals, _ = direct(lambda data: None)
    assert refuses.run(b"a") is None
    paused, pauses, _ = direct(bytes)
    pauses.paused = True
    assert paused.run(b"a") is None
    pauses.paused = False
    assert paused.run(b"a") == b"a"
    assert (tally.calls, refusals.calls, pauses.calls) == (0, 0, 1)


def test_direct_refuses_wrong_arguments() -> None:
    found, tally, local = direct(bytes, 1)
    for arguments in ((), (b"a",), (b"a",) * 6):
        with pytest.raises(TypeError, match="takes 2 to 5 arguments"):
            found.run(*arguments)
    for wrong in (object(), None, local):
        with pytest.raises(TypeError):
            _objects.Direct(wrong, local, "", "", bytes, 0, 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        _objects.Direct(tally, local, "", "", bytes, 5, 1)
    with pytest.raises(AttributeError):
        tally.calls = 5


def direct_many(
    call: Any,
    *,
    batch_call: Any = pytest.fail,
    gate: Any = lambda items, nbytes, calls: 1,
    epoch: Any = None,
    other: Any = pytest.fail,
    number_size: int = 0,
) -> tuple[_objects.DirectMany, _objects.Tally, _Local]:
    """Return a way for up to 10 bytes and one an item without a gate, up to 100 bytes with it."""
    tally, local = _objects.Tally(), _Local()
    ours = (tally, local, "operation", "reason", call, Batch, batch_call, gate, epoch or _objects.Epoch(), other)
    return _objects.DirectMany(*ours, 10, 1, 100, number_size), tally, local


def test_direct_many_counts_calls_and_items() -> None:
    found, tally, local = direct_many(lambda items, key="": [item * 2 for item in items])
    before = time.perf_counter()
    assert found.run([b"a", b"bc"], "key") == [b"aa", b"bcbc"]
    record = local.last.value
    assert record[:6] == ("operation", "reason", False, 2, 3, 6)
    assert before < record[6] <= record[7] < time.perf_counter()
    assert found.run([b"xyz"]) == [b"xyzxyz"]
    assert (tally.calls, tally.items, tally.bytes_in, tally.bytes_out) == (2, 3, 6, 12)
    numbers, sums, _ = direct_many(lambda items: list(map(len, items)), number_size=4)
    assert numbers.run([b"a", b"bc"]) == [1, 2]
    assert (sums.calls, sums.items, sums.bytes_in, sums.bytes_out) == (1, 2, 3, 8)


def test_direct_many_asks_the_gate_for_what_is_not_small() -> None:
    asked: list[tuple[int, int]] = []

    def gate(items: list[bytes], nbytes: int, calls: int) -> bool:
        asked.append((len(items), nbytes))
        return nbytes < 50

    found, tally, _ = direct_many(list, gate=gate)
    assert found.run([bytes(4), bytes(3)]) is not None
    assert not asked
    assert found.run([bytes(4), bytes(4)]) is not None
    assert found.run([bytes(40)] * 2) is None
    assert found.run([b""] * 12 + [b"a"]) is not None
    assert asked == [(2, 8), (2, 80), (13, 1)]
    assert tally.calls == 3
    broken, _, _ = direct_many(list, gate=lambda items, nbytes, calls: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        broken.run([bytes(20)])


@pytest.mark.parametrize(
    "items",
    [[], [b""], [bytes(100)], [bytes(60)] * 4, [b"a", bytearray(b"b")], [memoryview(b"a")], ["a"], [None], [b"a", 5]],
)
def test_direct_many_leaves_to_the_caller_what_it_does_not_do(items: list[Any]) -> None:
    found, tally, local = direct_many(pytest.fail)
    assert found.run(items) is None
    assert not tally.calls
    assert local.last.value is None


def test_direct_many_asks_the_gate_again_when_its_calls_are_used_up_or_the_epoch_ends() -> None:
    asked: list[int] = []
    told: list[int] = []
    let_through = [3]

    def gate(items: list[bytes], nbytes: int, calls: int) -> int:
        asked.append(nbytes)
        told.append(calls)
        return let_through[0]

    epoch = _objects.Epoch()
    found, _, _ = direct_many(list, batch_call=lambda batch: batch, gate=gate, epoch=epoch)
    items = [bytes(20)] * 2
    for _ in range(6):
        assert found.run(items) == items
    assert asked == [40, 40]
    # This one, and with it those that it was not asked about.
    assert told == [1, 3]
    # Other sizes, as many bytes in other items, and a Batch of the same are other shapes.
    for _ in range(3):
        assert found.run([bytes(20)] * 3) is not None
        assert found.run([bytes(10)] * 4) is not None
        assert found.run(Batch.from_items(items)) is not None
    assert asked == [40, 40, 60, 40, 40]
    let_through[0] = 2
    assert found.run(items) == items
    epoch.now += 1
    let_through[0] = 0
    assert found.run(items) is None
    assert found.run(items) is None
    assert asked[5:] == [40, 40, 40]
    assert told[5:] == [3, 1, 1]


def test_direct_many_counts_batches() -> None:
    def doubled(batch: Batch, key: str = "") -> Batch:
        return Batch.from_items([bytes(item) * 2 for item in batch])

    found, tally, local = direct_many(pytest.fail, batch_call=doubled)
    batch = Batch(b"-abc-", [1, 2, 4])
    assert found.run(batch, "key").to_list() == [b"aa", b"bcbc"]
    assert local.last.value[:6] == ("operation", "reason", False, 2, 3, 6)
    assert found.run(Batch(b"", [0])) is None
    assert found.run(Batch(b"abc", [1, 1])) is None
    assert found.run(Batch(bytes(200), [0, 100])) is None
    assert (tally.calls, tally.items, tally.bytes_in, tally.bytes_out) == (1, 2, 3, 6)
    numbers, sums, _ = direct_many(pytest.fail, batch_call=lambda batch: np.array([1, 2], np.uint32), number_size=4)
    assert numbers.run(batch).tolist() == [1, 2]
    assert (sums.calls, sums.items, sums.bytes_in, sums.bytes_out) == (1, 2, 3, 8)
    for wrong in (doubled(batch)[:1], [b"a", b"b"], 5, np.zeros(2)):
        other, nothing, _ = direct_many(pytest.fail, batch_call=lambda batch, wrong=wrong: wrong)
        with pytest.raises(TypeError):
            other.run(batch)
        assert not nothing.calls
    refuses, nothing, _ = direct_many(pytest.fail, batch_call=lambda batch: None)
    assert refuses.run(batch) is None
    assert not nothing.calls


@pytest.mark.parametrize("kind", [np.uint32, np.uint64])
def test_numbers_of_a_loop_fill_an_array(kind: Any) -> None:
    most = int(np.iinfo(kind).max)
    numbers = np.zeros(3, kind)
    _objects.numbers_from(iter([0, 5, most]), numbers)
    assert numbers.tolist() == [0, 5, most]
    _objects.numbers_from([], np.zeros(0, kind))
    cases: tuple[tuple[Any, type[Exception]], ...] = (
        ([1, 2], ValueError),
        ([1, 2, 3, 4], ValueError),
        ([1, 2, most + 1], OverflowError),
        ([1, 2, -1], OverflowError),
        ([1, 2, b"3"], TypeError),
        ((1 // number for number in [1, 0, 1]), ZeroDivisionError),
        (5, TypeError),
    )
    for wrong, error in cases:
        with pytest.raises(error):
            _objects.numbers_from(wrong, numbers)
    odd = np.zeros(13, np.uint8)[1:].view(np.uint32)
    for out in (
        np.zeros(3, np.uint16),
        np.zeros(6, np.uint8),
        np.zeros(3),
        np.zeros(3, np.int64),
        np.zeros(3, "O"),
        odd,
    ):
        with pytest.raises((ValueError, BufferError)):
            _objects.numbers_from([1, 2, 3], out)


def test_bytes_of_a_loop_fill_a_column_and_the_rest_comes_back() -> None:
    out, offsets = np.full(8, 7, np.uint8), np.full(5, -1, np.int64)
    results = [b"ab", b"", b"cde", b"f"]
    assert _objects.column_from(iter(results), out, offsets) == []
    assert (offsets.tolist(), out.tobytes()) == ([0, 2, 2, 5, 6], b"abcdef\7\7")
    # Nothing is put behind what had no room, even where it would fit.
    assert _objects.column_from([b"ab", b"1234567", b"c", b"d"], out, offsets) == [b"1234567", b"c", b"d"]
    assert offsets.tolist() == [0, 2, 2, 2, 2]
    assert _objects.column_from([], out, np.zeros(1, np.int64)) == []
    assert _objects.column_from([b"b", b"c"], out, offsets[:4], b"a") == []
    assert (offsets[:4].tolist(), out.tobytes()[:3]) == ([0, 1, 2, 3], b"abc")
    cases: tuple[tuple[Any, type[Exception]], ...] = (
        (results[:3], ValueError),
        ([*results, b""], ValueError),
        ([b"a", b"b", bytearray(b"c"), b"d"], TypeError),
        ((b"a" * (1 // number) for number in [1, 1, 0, 1]), ZeroDivisionError),
        (None, TypeError),
    )
    for wrong, error in cases:
        with pytest.raises(error):
            _objects.column_from(wrong, out, offsets)
    wrong_offsets: tuple[Any, ...] = (np.zeros(0, np.int64), np.zeros(9, np.uint8))
    for places in wrong_offsets:
        with pytest.raises(ValueError, match="offsets"):
            _objects.column_from([b"a"], out, places)
    read_only = np.zeros(8, np.uint8)
    read_only.setflags(write=False)
    with pytest.raises((ValueError, BufferError)):
        _objects.column_from(results, read_only, offsets)


def test_whole_streams_are_decoded_one_after_the_other() -> None:
    contents = [b"", b"abc" * 50, bytes(5000)]
    packed = [zlib.compress(content) for content in contents]

    def decoded(items: Any, tail: bytes = b"") -> list[bytes]:
        return list(_objects.WholeStreams(zlib.decompressobj, 15, items, tail))

    assert decoded(packed) == contents
    assert decoded([item + b"end" for item in packed], b"end") == contents
    assert decoded([packed[0], packed[1] + b"end"], b"end") == contents[:2]
    for wrong in (packed[1] + b"x", packed[1] + b"enden", packed[1][:-1], b""):
        with pytest.raises(ValueError, match="not one whole stream"):
            decoded([packed[0], wrong], b"end")
    with pytest.raises(zlib.error):
        decoded([packed[0], b"malformed"])
    # An item that ends with the tail has it behind its stream, and not in it.
    stored = zlib.compressobj(0)
    ends_so = stored.compress(b"content") + stored.flush()
    with pytest.raises(ValueError, match="not one whole stream"):
        decoded([ends_so], ends_so[-3:])

    def joined(item: bytes, first: bytes, behind: int) -> bytes | None:
        return first + zlib.decompress(item[-behind:]) if item[-behind] == packed[0][0] else None

    two = [packed[1], packed[1] + packed[2], packed[2]]
    assert list(_objects.WholeStreams(zlib.decompressobj, 15, two, b"", joined)) == [
        contents[1],
        contents[1] + contents[2],
        contents[2],
    ]
    for wrong in (packed[1] + b"?", packed[1][:-1]):
        with pytest.raises(ValueError, match="not one whole stream"):
            list(_objects.WholeStreams(zlib.decompressobj, 15, [wrong], b"", joined))
    with pytest.raises(zlib.error):
        list(_objects.WholeStreams(zlib.decompressobj, 15, [packed[1] + packed[2][:-3] + b"abc"], b"", joined))
    with pytest.raises(AttributeError):
        next(_objects.WholeStreams(lambda flag: object(), 15, packed, b""))
    with pytest.raises(TypeError):
        _objects.WholeStreams(zlib.decompressobj, 15, packed, "tail")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        _objects.WholeStreams(zlib.decompressobj, 15, 5, b"")  # type: ignore[arg-type]


def test_direct_many_hands_on_what_is_no_list() -> None:
    found, tally, _ = direct_many(pytest.fail, other=lambda *arguments: arguments)
    for items in ((b"a",), b"abc", None, type("Other", (list,), {})()):
        assert found.run(items, "key") == (items, "key")
    assert not tally.calls


def test_direct_many_counts_nothing_that_fails_or_is_refused() -> None:
    for call, error in (
        (lambda items: items[0] / 0, TypeError),
        (lambda items: [*items, b"more"], TypeError),
        (tuple, TypeError),
        (lambda items: [5], TypeError),
    ):
        found, tally, local = direct_many(call)
        with pytest.raises(error):
            found.run([b"a"])
        assert not tally.calls
        assert local.last.value is None
    refuses, tally, _ = direct_many(lambda items: None)
    assert refuses.run([b"a"]) is None
    paused, pauses, _ = direct_many(list, other=lambda *arguments: arguments)
    pauses.paused = True
    assert paused.run([b"a"], "key") == ([b"a"], "key")
    assert (tally.calls, pauses.calls) == (0, 0)
    for arguments in ((), ([b"a"],) * 6):
        with pytest.raises(TypeError, match="takes 1 to 5 arguments"):
            paused.run(*arguments)
    wrong: Any = _objects.DirectMany
    with pytest.raises(TypeError):
        wrong(object(), _Local(), "", "", list, Batch, list, list, _objects.Epoch(), list, 1, 1, 1, 0)
    with pytest.raises(TypeError):
        wrong(_objects.Tally(), _Local(), "", "", list, Batch, list, list, object(), list, 1, 1, 1, 0)
    with pytest.raises(TypeError):
        wrong(_objects.Tally(), _Local(), "", "", list, 5, list, list, _objects.Epoch(), list, 1, 1, 1, 0)
    with pytest.raises(TypeError):
        wrong(
            _objects.Tally(), _Local(), "", "", list, Batch, list, list, _objects.Epoch(), list, 1, 1, 1, number_size=0
        )


def test_direct_leaves_threads_alone_that_wait_for_turns() -> None:
    one, tally, local = direct(bytes)
    many, sums, other = direct_many(list, other=lambda *arguments: arguments)
    local.last.waits = other.last.waits = True
    assert one.run(b"a") is None
    assert many.run([b"a"]) == ([b"a"],)
    local.last.waits = other.last.waits = False
    assert one.run(b"a") == b"a"
    assert many.run([b"a"]) == [b"a"]
    assert (tally.calls, sums.calls) == (1, 1)


def test_a_list_that_changes_under_the_loop_goes_another_way() -> None:
    items = [b"a", b"b"]

    def loop(given: list[bytes]) -> list[bytes]:
        items.append(b"c")
        return list(given)

    found, tally, _ = direct_many(loop)
    assert found.run(items) is None
    assert not tally.calls


def test_bound_takes_another_way_where_the_short_one_is_not_enough() -> None:
    def other(*arguments: Any, **named: Any) -> Any:
        return "other", arguments, named

    def call(nonce: bytes, data: bytes, aad: Any) -> Any:
        if aad == b"none":
            return None
        if aad == b"memory":
            raise MemoryError
        if aad == b"stop":
            raise KeyboardInterrupt
        return bytes(nonce) + data + (aad or b"")

    tally, local = _objects.Tally(), _Local()
    found = _objects.Direct(tally, local, "operation", "reason", call, 1, 10, 0, -1, other)
    assert found.bound(b"1", b"a") == b"1a"
    assert found.bound(b"1", b"a", b"b") == b"1ab"
    assert tally.calls == 2
    assert found.bound(5.5, b"a") == ("other", (5.5, b"a"), {}), "what the call raises"
    assert found.bound(b"1", bytes(10)) == ("other", (b"1", bytes(10)), {}), "the limit"
    assert found.bound(b"1", b"a", b"none") == ("other", (b"1", b"a", b"none"), {})
    assert found.bound(b"1", data=b"a") == ("other", (b"1",), {"data": b"a"})
    assert found.bound(b"1", b"a", aad=b"b") == ("other", (b"1", b"a"), {"aad": b"b"})
    assert found.bound() == ("other", (), {})
    assert found.bound(1, 2, 3, 4) == ("other", (1, 2, 3, 4), {})
    assert tally.calls == 2
    with pytest.raises(MemoryError):
        found.bound(b"1", b"a", b"memory")
    with pytest.raises(KeyboardInterrupt):
        found.bound(b"1", b"a", b"stop")
    alone, _, _ = direct(bytes)
    with pytest.raises(TypeError, match="another way"):
        alone.bound(b"1", b"a")


def test_bound_calls_into_buffers_take_bytes_alone() -> None:
    def call(nonce: bytes, data: bytes, aad: bytes | None, out: bytearray) -> int:
        out[:] = nonce + data + (aad or b"")
        if aad == b"none":
            raise LookupError
        return len(out)

    def other(*args: Any, **named: Any) -> Any:
        return "other", args[1:2], named

    tally, local = _objects.Tally(), _Local()
    found = _objects.Direct(tally, local, "operation", "reason", call, 1, 10, 0, -1, other)
    out = bytearray()
    assert found.bound_into(b"1", b"data", None, out) == len(out) == 5
    assert found.bound_into(b"1", b"data", b"a", out) == len(out) == 6
    assert (tally.calls, tally.bytes_out) == (2, 11)
    for data in (bytearray(b"data"), memoryview(b"data"), bytes(10), b""):
        assert found.bound_into(b"1", data, None, out) == ("other", (data,), {})
    assert found.bound_into(b"1", b"data", b"none", out) == ("other", (b"data",), {})
    assert found.bound_into(b"1", b"data", None) == ("other", (b"data",), {})
    assert found.bound_into(b"1", b"data", None, buf=out) == ("other", (b"data",), {"buf": out})
    assert tally.calls == 2
    alone, _, _ = direct(bytes)
    with pytest.raises(TypeError, match="another way"):
        alone.bound_into(b"1", b"a", None, out)


def test_direct_many_is_collected_in_a_cycle() -> None:
    class Holder:
        direct: Any

        def call(self, *_: Any) -> None:
            pass

    holder = Holder()
    holder.direct, _, _ = direct_many(holder.call, gate=holder.call, other=holder.call)
    gone = weakref.ref(holder)
    del holder
    gc.collect()
    assert gone() is None


def test_direct_is_collected_in_a_cycle() -> None:
    class Holder:
        direct: Any

        def call(self, data: bytes) -> bytes:
            return data

    holder = Holder()
    holder.direct, _, _ = direct(holder.call)
    gone = weakref.ref(holder)
    del holder
    gc.collect()
    assert gone() is None


# ---- frames ----


def test_plain_frames_are_told_from_others() -> None:
    content = b"segment " * 100
    frame = lz4.frame.compress(content)
    assert _objects.lz4_plain_size(frame) == len(content)
    checked = lz4.frame.compress(content * 999, block_checksum=True, content_checksum=True, block_linked=False)
    assert _objects.lz4_plain_size(checked) == len(content) * 999
    unsized = lz4.frame.compress(content, store_size=False)
    assert _objects.lz4_plain_size(memoryview(frame)) == _objects.lz4_plain_size(bytearray(frame)) == len(content)
    others = [frame + frame, frame + b"x", frame[:-1], frame[:10], b"", b"text", memoryview(frame)[::2], None]
    assert [_objects.lz4_plain_size(other) for other in (*others, unsized)] == [0] * (len(others) + 1)
    assert [_objects.lz4_plain_most(other) for other in others] == [0] * len(others)
    bomb = bytearray(frame)
    bomb[6:14] = (2**40).to_bytes(8, "little")
    assert _objects.lz4_plain_size(bytes(bomb)) == _objects.lz4_plain_most(bytes(bomb)) == 0
    reserved = bytearray(unsized)
    reserved[5] = 0x30
    assert _objects.lz4_plain_most(bytes(reserved)) == 0, "blocks of no size"


def test_frames_that_do_not_declare_their_size_have_a_bound() -> None:
    compress = partial(lz4.frame.compress, store_size=False, block_size=4, block_linked=False)
    noise = np.random.default_rng(3).bytes(70_000)
    assert _objects.lz4_plain_most(lz4.frame.compress(b"segment " * 100)) == 800
    assert _objects.lz4_plain_most(compress(noise)) == len(noise), "stored"
    text = b"segment of text " * 9000
    assert len(text) <= _objects.lz4_plain_most(compress(text)) <= 3 * 65536
    assert _objects.lz4_plain_most(compress(b"x" * 50)) <= 255 * 30
    assert _objects.lz4_plain_most(compress(b"")) == 0
    assert _objects.lz4_all_plain([compress(noise), lz4.frame.compress(text)], len(text))
    assert not _objects.lz4_all_plain([compress(noise)], len(noise) - 1)


def test_the_ends_of_joined_frames_are_found() -> None:
    one, two = lz4.frame.compress(b"segment " * 100), lz4.frame.compress(bytes(70_000), content_checksum=True)
    three = lz4.frame.compress(np.random.default_rng(3).bytes(500), store_size=False, block_checksum=True)
    ends = [len(one), len(one + two), len(one + two + three)]
    assert _objects.lz4_plain_ends(one + two + three, 71_300) == ends
    assert _objects.lz4_plain_ends(memoryview(one + two + three), 71_299) is None
    skippable = bytes.fromhex("502a4d1801000000ff")
    others = [
        one + b"x",
        one + two[:-1],
        one + skippable,
        one + lz4.frame.compress(b""),
        memoryview(one)[::2],
        None,
        "x",
    ]
    assert [_objects.lz4_plain_ends(other, 2**64 - 1) for other in others] == [None] * len(others)
    assert _objects.lz4_plain_ends(b"", 0) == []
    with pytest.raises(TypeError):
        _objects.lz4_plain_ends(one)  # type: ignore[call-arg]


def test_plain_frames_of_zstandard_are_told_from_others() -> None:
    content = b"segment " * 100
    compress = zstandard.ZstdCompressor(write_checksum=True).compress
    frame = compress(content)
    assert _objects.zstd_plain_most(frame) == len(content)
    assert _objects.zstd_plain_most(memoryview(frame)) == _objects.zstd_plain_most(bytearray(frame)) == len(content)
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(content)
    skippable = bytes.fromhex("502a4d1801000000ff")
    others = [frame + frame, frame + b"x", frame + skippable, skippable, frame[:-1], frame[:5], b"", b"text"]
    assert [_objects.zstd_plain_most(other) for other in (*others, None, memoryview(frame)[::2])] == [0] * 10
    assert _objects.zstd_plain_most(unsized) == 1 << 10, "its window, and so what its block may hold"
    assert not _objects.zstd_all_plain([unsized], 1 << 10)
    stored = compress(np.random.default_rng(1).bytes(300))
    assert stored[5:7] == (300 - 256).to_bytes(2, "little")
    assert _objects.zstd_plain_most(stored) == 300
    assert _objects.zstd_plain_most(stored[:5] + b"\xff\xff" + stored[7:]) == 0, "more than its blocks can hold"
    assert _objects.zstd_all_plain([frame, memoryview(frame)], len(content))
    assert not _objects.zstd_all_plain((frame, compress(content * 2)), len(content))
    assert not _objects.zstd_all_plain([frame, unsized], len(content))


def test_a_plain_raw_snappy_stream_declares_what_it_can_hold() -> None:
    content = b"page " * 200
    stream = bytes(cramjam.snappy.compress_raw(content))
    assert _objects.snappy_plain_size(stream) == _objects.snappy_plain_size(memoryview(stream)) == len(content)
    # A preamble of 6 bytes, one of more than 32 bits, one without an end, a size that the elements cannot have.
    others = [
        b"\x80" * 5 + b"\0" + stream[2:],
        b"\xff\xff\xff\xff\x10" + stream[2:],
        b"\x80",
        b"",
        b"\xff\x7f" + stream[2:],
    ]
    assert [_objects.snappy_plain_size(other) for other in (*others, None, memoryview(stream)[::2])] == [0] * 7
    assert _objects.snappy_plain_size(b"\xc0\0" + bytes(3)) == 64
    assert _objects.snappy_plain_size(b"\xc1\0" + bytes(3)) == 0
    assert _objects.snappy_all_plain([stream, memoryview(stream)], len(content))
    assert not _objects.snappy_all_plain((stream, b"\0"), len(content)), "nothing"
    assert not _objects.snappy_all_plain([stream], len(content) - 1)


def test_a_plain_bgzf_item_is_one_block_and_perhaps_the_last() -> None:
    accelerator = Accelerator("cpu")
    content = b"page " * 200
    item = accelerator.compress(content, "bgzf")
    block, last = item[:-28], item[-28:]
    assert last == bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
    assert _objects.bgzf_plain_size(item) == _objects.bgzf_plain_size(memoryview(block)) == len(content)
    two = accelerator.compress(bytes(100_000), "bgzf")
    others = [
        last,
        block + block,
        two,
        item + b"x",
        item[:-1],
        block[:-1],
        item[1:],
        b"",
        accelerator.compress(content, "gzip"),
    ]
    assert [_objects.bgzf_plain_size(other) for other in (*others, None, memoryview(item)[::2])] == [0] * 11
    for position in (0, 1, 2, 3, *range(10, 18)):
        wrong = bytearray(block)
        wrong[position] ^= 1
        assert _objects.bgzf_plain_size(wrong) == 0, position
    assert _objects.bgzf_all_plain([item, memoryview(block)], len(content))
    assert not _objects.bgzf_all_plain((item, last), len(content)), "nothing"
    assert not _objects.bgzf_all_plain([item], len(content) - 1)


def test_all_plain_looks_at_every_frame() -> None:
    frames = [lz4.frame.compress(bytes(size)) for size in (1, 10, 70000)]
    assert _objects.lz4_all_plain(frames, 70000)
    assert _objects.lz4_all_plain(tuple(frames), 2**64 - 1)
    assert _objects.lz4_all_plain([], 0)
    assert not _objects.lz4_all_plain(frames, 69999)
    assert not _objects.lz4_all_plain([*frames, lz4.frame.compress(b"")], 70000), "size 0 stands for unknown"
    assert _objects.lz4_all_plain([*frames, memoryview(frames[0])], 70000)
    assert not _objects.lz4_all_plain([*frames, "text"], 70000)
    assert not _objects.lz4_all_plain(frames[0], 5), "bytes are numbers, one by one"
    nothing: Any = 5
    with pytest.raises(TypeError):
        _objects.lz4_all_plain(nothing, 5)
    with pytest.raises(KeyError):
        _objects.lz4_all_plain(map(dict(enumerate(frames[:2])).__getitem__, range(3)), 70000)
    with pytest.raises(OverflowError):
        _objects.lz4_all_plain(frames, -1)
