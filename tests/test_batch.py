"""Batches of one buffer: what they are made of, what every call does with them, and the way to Arrow and back."""

from __future__ import annotations

import ctypes
import gc
import gzip
import itertools
import mmap
import os
import sys
import threading
import weakref
import zlib
from collections.abc import Callable
from typing import Any

import google_crc32c
import lz4.frame
import numpy as np
import pytest
import required
import sizes
from conftest import Backend
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

import fpga_accel as fa
from fpga_accel import _objects
from fpga_accel.calls import ManyCall
from fpga_accel.operations import registry
from fpga_accel.operations.buffers import ColumnSink, GrowingColumn, Items, memory
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import address_of
from fpga_accel.testing import FaultyDevice

KEY = bytes(range(32))
AES_SIZES = (*sizes.around(0, 16, 64, 256, 4096), *sizes.around(sizes.AES_ROW))
LZ4_SIZES = (*sizes.around(0, 16, 4096, 64 << 10), 300_000)

items_of_bytes = st.lists(st.binary(max_size=40), max_size=12)


def nonces_for(count: int) -> list[bytes]:
    return [index.to_bytes(12, "big") for index in range(count)]


def sealed_by_library(items: list[bytes], nonces: list[bytes], aads: list[bytes] | None = None) -> list[bytes]:
    aads = aads or [b""] * len(items)
    return [AESGCM(KEY).encrypt(*each) for each in zip(nonces, items, aads, strict=True)]


# ---- what a Batch is ----


@given(items=items_of_bytes)
def test_a_batch_has_the_items_of_its_list(items: list[bytes]) -> None:
    batch = fa.Batch.from_items(items)
    assert len(batch) == len(items)
    assert batch.to_list() == items
    assert [bytes(item) for item in batch] == items
    assert [bytes(batch[i]) for i in range(-len(items), len(items))] == items + items
    assert batch.sizes.tolist() == [len(item) for item in items]
    assert batch.nbytes == len(b"".join(items))
    assert bytes(batch.buffer) == b"".join(items)
    assert batch == fa.Batch(b"xy" + b"".join(items), batch.offsets + 2)


@given(
    items=items_of_bytes, start=st.none() | st.integers(-15, 15), stop=st.none() | st.integers(-15, 15), data=st.data()
)
def test_slices_are_those_of_the_list(items: list[bytes], start: int | None, stop: int | None, data: Any) -> None:
    step = data.draw(st.sampled_from([None, 1, 2, 3, -1, -2]))
    batch = fa.Batch.from_items(items)
    part = batch[start:stop:step]
    assert part.to_list() == items[start:stop:step]
    assert part == fa.Batch.from_items(items[start:stop:step])
    if step in (None, 1):
        assert part.spans().keep is batch.spans().keep
        assert part[1:].to_list() == items[start:stop][1:]


@pytest.mark.parametrize(
    "make",
    [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, "<u2"), lambda data: np.frombuffer(data, "u1")],
)
def test_any_buffer_is_taken_without_a_copy(make: Callable[[bytes], Any]) -> None:
    content = b"abcdefgh"
    buffer = make(content)
    batch = fa.Batch(buffer, [1, 4, 8])
    assert batch.to_list() == [b"bcd", b"efgh"]
    assert batch.spans().addresses[0] == _objects.address(buffer)[0] + 1
    assert batch[0].readonly
    assert batch.buffer.readonly


def test_a_mapped_file_is_a_buffer(tmp_path: Any) -> None:
    path = tmp_path / "items"
    path.write_bytes(b"onetwo")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        batch = fa.Batch(mapped, [0, 3, 6])
        assert batch.to_list() == [b"one", b"two"]
        del batch


def test_a_batch_holds_its_buffer() -> None:
    buffer = bytearray(b"abc")
    batch = fa.Batch(buffer, [0, 3])
    batch.buffer.release()
    with pytest.raises(BufferError):
        buffer.append(0)
    del batch
    buffer.append(0)


def test_offsets_are_copied_and_cannot_be_written() -> None:
    offsets = np.array([0, 1, 2])
    batch = fa.Batch(b"ab", offsets)
    offsets[:] = 2**40
    assert batch.to_list() == [b"a", b"b"]
    with pytest.raises(ValueError, match="read-only"):
        batch.offsets[0] = 1


@pytest.mark.parametrize(
    ("offsets", "error", "text"),
    [
        ([], ValueError, r"\(0,\)"),
        ([[0, 1]], ValueError, r"\(1, 2\)"),
        (5, ValueError, r"\(\)"),
        ([0.0, 1.0], TypeError, "float64"),
        (["0"], TypeError, "integers"),
        ([-1, 2], ValueError, "offset 0 is -1;"),
        ([0, 3, 2], ValueError, "offset 2 is 2 behind 3;"),
        ([0, 4], ValueError, "offset 1 is 4 behind 0;.* 3 bytes"),
        ([4], ValueError, "offset 0 is 4;"),
        (np.array([0, 2**63], np.uint64), ValueError, f"offset 1 is {2**63} behind 0"),
        ([0, 2**70], TypeError, "64 bits"),
    ],
)
def test_wrong_offsets_are_named(offsets: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        fa.Batch(b"abc", offsets)


@pytest.mark.parametrize(
    ("buffer", "error"),
    [("abc", TypeError), (5, TypeError), (np.arange(8, dtype="u1")[::2], BufferError), (None, TypeError)],
)
def test_what_is_no_buffer_is_refused(buffer: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        fa.Batch(buffer, [0, 3])


@pytest.mark.parametrize("index", [2, -3, 2**70])
def test_an_item_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError, match="of a Batch of 2"):
        fa.Batch(b"ab", [0, 1, 2])[index]


def test_equality_is_about_items_and_not_about_where_they_lie() -> None:
    batch = fa.Batch(b"abab", [0, 2, 4])
    assert batch[0:1] == batch[1:2]
    assert batch != fa.Batch(b"abab", [0, 1, 4])
    assert batch != fa.Batch(b"abac", [0, 2, 4])
    assert batch != [b"ab", b"ab"]
    assert fa.Batch(b"", [0]) == fa.Batch(b"xyz", [2])
    with pytest.raises(TypeError):
        hash(batch)


def test_the_repr_shows_no_data() -> None:
    assert repr(fa.Batch(b"secret", [0, 3, 6])) == "Batch(2 items, 6 bytes)"


def test_sequences_of_the_library_know_it() -> None:
    batch = fa.Batch(b"aba", [0, 1, 2, 3])
    assert batch.count(b"a") == 2
    assert batch.index(b"b") == 1
    assert b"a" in batch
    assert [bytes(item) for item in reversed(batch)] == [b"a", b"b", b"a"]


def test_memory_comes_back_to_the_pool() -> None:
    batch = fa.Batch.from_items([bytes(5 << 20)])
    address = int(batch.spans().addresses[0])
    view = batch[0]
    del batch
    gc.collect()
    assert all(slab.address != address for slab in POOL.idle())
    del view
    assert any(slab.address == address for slab in POOL.idle())


def results_in_parts(parts: list[tuple[int, list[bytes]]], count: int) -> tuple[list[int], ColumnSink]:
    """Write results part by part, each with its first item; return where each part was put."""
    # Of what they are made tells how much room all of them are likely to take.
    inputs = np.full(count, 1000, np.uint64)
    sink, places = ColumnSink(count, None, inputs), []
    for first, results in parts:
        addresses = sink.allocate(np.array([len(result) for result in results], np.uint64), first)
        for address, result in zip(addresses.tolist(), results, strict=True):
            memory(address, len(result))[:] = result
        places.append(int(addresses[0]))
    return places, sink


def in_column(sink: ColumnSink) -> list[bytes]:
    data, offsets = sink.column
    return [data[start:end].tobytes() for start, end in itertools.pairwise(offsets)]


def test_results_that_come_in_order_are_not_moved() -> None:
    results = [bytes([each]) * (9000 + each) for each in range(12)]
    places, sink = results_in_parts([(0, results[:4]), (4, results[4:8]), (8, results[8:])], 12)
    assert in_column(sink) == results
    assert address_of(sink.column[0]) == places[0]
    assert np.diff(places).tolist() == [sum(map(len, results[:4])), sum(map(len, results[4:8]))]


@pytest.mark.parametrize(
    "order", [[0, 2, 1], [2, 1, 0], [1, 0, 2], [0, 1, 1, 2], [0, 1, 2, 1]], ids=lambda order: "-".join(map(str, order))
)
def test_results_that_come_in_another_order_or_twice(order: list[int]) -> None:
    results = [bytes([each]) * (100 * each) for each in range(9)]
    _, sink = results_in_parts([(3 * part, results[3 * part : 3 * part + 3]) for part in order], 9)
    assert in_column(sink) == results


def test_results_that_are_larger_than_the_first_made_likely() -> None:
    results = [b"a", b"bb", b"c" * 100_000, b"d" * 200_000, b"", b"e"]
    _, sink = results_in_parts([(0, results[:2]), (2, results[2:4]), (4, results[4:])], 6)
    assert in_column(sink) == results


def test_memory_that_results_lie_in_is_taken_over() -> None:
    results = [b"one", b"", b"three" * 100]
    memory_of_all: Any = np.frombuffer(b"".join(results) + bytes(400), np.uint8)
    sizes_of_all = np.array([len(result) for result in results], np.uint64)
    sink = ColumnSink(3)
    addresses = sink.adopt(memory_of_all, sizes_of_all)
    assert addresses is not None
    assert addresses[0] == address_of(memory_of_all) == address_of(sink.column[0])
    assert in_column(sink) == results
    sink.discard(2)
    assert in_column(sink) == [b"one", b"", b""]


@pytest.mark.parametrize(("count", "spare"), [(4, 0), (3, 504)], ids=["some of the results", "mostly empty"])
def test_memory_that_is_not_taken_over(count: int, spare: int) -> None:
    memory_of_all: Any = np.zeros(503 + spare, np.uint8)
    assert ColumnSink(count).adopt(memory_of_all, np.array([3, 0, 500], np.uint64)) is None


@pytest.mark.parametrize("inputs", [[9 << 20, *[100] * 50_000], [1, *[4 << 20] * 50_000]], ids=["small", "large"])
def test_the_size_of_the_first_part_makes_no_more_likely_than_there_can_be(inputs: list[int]) -> None:
    """As many results as the first would be terabytes, or are."""
    sink = ColumnSink(len(inputs), None, np.array(inputs, np.uint64))
    sink.allocate(np.array(inputs[:1], np.uint64), 0)
    assert sink._run is None or len(sink._run) < 2 * sum(inputs) < 40 << 20


def test_the_largest_results_in_front_make_no_more_likely_than_a_few_megabytes() -> None:
    column = GrowingColumn(10, 10**6)
    assert column.fill(iter([bytes(1 << 20)] * 16), 16)
    assert column._data.nbytes <= 32 << 20
    assert column.fill(iter([b"a"] * 5), 5)
    column.append([b"b", b"", b"c"])
    data, offsets = column.column
    assert (len(data), len(offsets), data[-7:].tobytes()) == ((16 << 20) + 7, 25, b"aaaaabc")
    # What fails adds nothing.
    assert not column.fill((b"a" * (1 // number) for number in (1, 0)), 2)
    assert not column.fill(iter([b"a"]), 2)
    assert len(column.column[1]) == 25


def test_results_much_smaller_than_the_first_made_likely_are_moved() -> None:
    results = [bytes([each]) * (50_000 if each < 2 else 100) for each in range(20)]
    places, sink = results_in_parts([(first, results[first : first + 2]) for first in range(0, 20, 2)], 20)
    assert in_column(sink) == results
    assert address_of(sink.column[0]) != places[0]


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_result_is_discarded_or_replaced_between_parts(after: int) -> None:
    results = [bytes([each]) * 5000 for each in range(1, 10)]
    sink = ColumnSink(9, None, np.full(9, 5000, np.uint64))
    for part in range(3):
        addresses = sink.allocate(np.full(3, 5000, np.uint64), 3 * part)
        for address, result in zip(addresses.tolist(), results[3 * part : 3 * part + 3], strict=True):
            memory(address, 5000)[:] = result
        if part + 1 == after:
            sink.discard(1)
            sink.put(0, b"another")
    assert in_column(sink) == [b"another", b"", *results[2:]]


def test_the_collector_may_end_a_batch_while_the_pool_is_at_work() -> None:
    kept = [fa.Batch.from_items([b"abc"])]

    def end_it_inside() -> None:
        with POOL._lock:
            kept.clear()

    thread = threading.Thread(target=end_it_inside, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


# ---- calls on every backend ----


@pytest.mark.parametrize("given_nonces", [list, fa.Batch.from_items, "array"])
def test_aes_gcm_of_every_size(acc: fa.Accelerator, given_nonces: Any) -> None:
    items = [sizes.periodic(size) for size in AES_SIZES]
    listed = nonces_for(len(items))
    nonces = given_nonces(listed) if callable(given_nonces) else np.array([list(each) for each in listed], np.uint8)
    sealed = acc.encrypt_many(fa.Batch.from_items(items), KEY, nonces=nonces)
    assert isinstance(sealed, fa.Batch)
    assert sealed.to_list() == sealed_by_library(items, listed)
    opened = acc.decrypt_many(sealed, KEY, nonces=nonces)
    assert isinstance(opened, fa.Batch)
    assert opened.to_list() == items
    assert not opened.errors
    receipt = acc.last_receipt
    assert receipt is not None
    assert (receipt.items, receipt.bytes_in, receipt.bytes_out) == (len(items), sealed.nbytes, opened.nbytes)


@pytest.mark.parametrize("cipher", ["aes-gcm", "aes-ctr"])
def test_random_nonces_stand_in_front(acc: fa.Accelerator, cipher: str) -> None:
    items = [sizes.periodic(size) for size in AES_SIZES]
    sealed = acc.encrypt_many(fa.Batch.from_items(items), KEY, cipher)
    size = 12 if cipher == "aes-gcm" else 16
    assert len({bytes(each[:size]) for each in sealed}) == len(items)
    assert acc.decrypt_many(sealed, KEY, cipher).to_list() == items
    assert acc.decrypt_many(sealed.to_list(), KEY, cipher) == items


def test_keys_and_associated_data_of_each_item(acc: fa.Accelerator) -> None:
    items = [sizes.periodic(size) for size in AES_SIZES]
    keys = [bytes([i]) * (16, 24, 32)[i % 3] for i in range(len(items))]
    aads = [sizes.periodic(i * 7) for i in range(len(items))]
    nonces = [bytes([i]) * (8 + i) for i in range(len(items))]
    wanted = [AESGCM(keys[i]).encrypt(nonces[i], items[i], aads[i]) for i in range(len(items))]
    for given_aads in (aads, fa.Batch.from_items(aads)):
        options: Any = {"nonces": fa.Batch.from_items(nonces), "aads": given_aads}
        sealed = acc.encrypt_many(fa.Batch.from_items(items), keys, **options)
        assert sealed.to_list() == wanted
        assert acc.encrypt_many(items, keys, **options) == wanted
        assert acc.decrypt_many(sealed, keys, **options).to_list() == items


def test_a_class_takes_batches(acc: fa.Accelerator) -> None:
    cipher, items = fa.AESGCM(KEY, acc), [b"one", b"", b"three"]
    nonces = nonces_for(3)
    sealed = cipher.encrypt_many(fa.Batch.from_items(nonces), fa.Batch.from_items(items))
    assert sealed.to_list() == sealed_by_library(items, nonces)
    assert cipher.decrypt_many(nonces, sealed).to_list() == items


def test_lz4_frames_of_every_size(acc: fa.Accelerator) -> None:
    items = [data(size) for size in LZ4_SIZES for data in (sizes.text, sizes.noise, sizes.zeros)]
    batch = fa.Batch.from_items(items)
    for options in ({}, {"block_size": 65536}, {"block_checksum": True, "content_checksum": True}, {"level": -5}):
        frames = acc.compress_many(batch, **options)
        assert isinstance(frames, fa.Batch)
        assert frames.to_list() == acc.compress_many(items, **options)
        assert [lz4.frame.decompress(frame) for frame in frames] == items
        assert acc.decompress_many(frames) == batch
        assert acc.decompress_many(frames.to_list()) == items


def test_lz4_frames_of_other_writers(acc: fa.Accelerator) -> None:
    """Joined, linked and legacy-free frames that go the general way, between such that do not."""
    content = sizes.text(200_000)
    frames = [
        lz4.frame.compress(
            content, block_linked=linked, store_size=sized, content_checksum=sized, block_checksum=linked
        )
        for linked in (False, True)
        for sized in (False, True)
    ]
    joined, skippable = frames[1] + frames[2], bytes.fromhex("502a4d1802000000abcd")
    batch = fa.Batch.from_items([*frames, joined, skippable + frames[1], skippable, lz4.frame.compress(b"")])
    assert acc.decompress_many(batch).to_list() == [*[content] * 4, 2 * content, content, b"", b""]


def test_checksums_are_an_array_for_a_batch_and_a_list_for_a_list(acc: fa.Accelerator) -> None:
    items = [sizes.periodic(size) for size in (*sizes.SMALL, *sizes.around(1 << 20))]
    batch = fa.Batch.from_items(items)
    for value in (0, 7):
        wanted = [google_crc32c.extend(value, item) for item in items]
        found = acc.checksum_many(batch, value=value)
        assert isinstance(found, np.ndarray)
        assert found.dtype == np.uint32
        assert found.tolist() == wanted
        assert acc.checksum_many(items, value=value) == wanted
        receipt = acc.last_receipt
        assert receipt is not None
        assert receipt.bytes_out == 4 * len(items)


def test_a_batch_of_nothing(acc: fa.Accelerator) -> None:
    empty = fa.Batch(b"", [0])
    for call in (acc.compress_many, acc.decompress_many):
        assert call(empty) == empty
    assert acc.encrypt_many(empty, KEY) == acc.decrypt_many(empty, KEY) == empty
    assert acc.encrypt_many(empty, KEY, nonces=np.zeros((0, 12), np.uint8)) == empty
    assert acc.checksum_many(empty).tolist() == []
    empties = fa.Batch(b"", [0, 0, 0])
    assert acc.decompress_many(acc.compress_many(empties)) == empties
    assert acc.decrypt_many(acc.encrypt_many(empties, KEY), KEY) == empties
    assert acc.checksum_many(empties).tolist() == [0, 0]


@settings(max_examples=25)
@given(items=items_of_bytes)
def test_a_batch_and_a_list_give_the_same(acc: fa.Accelerator, items: list[bytes]) -> None:
    batch, nonces = fa.Batch.from_items([b"front", *items])[1:], nonces_for(len(items))
    assert acc.compress_many(batch).to_list() == acc.compress_many(items)
    sealed = acc.encrypt_many(batch, KEY, nonces=nonces)
    assert sealed.to_list() == acc.encrypt_many(items, KEY, nonces=nonces)
    assert acc.decrypt_many(sealed, KEY, nonces=nonces) == batch
    assert acc.checksum_many(batch).tolist() == acc.checksum_many(items)


def test_thousands_of_items(acc: fa.Accelerator) -> None:
    """More than a device takes in one part, and a library in one chunk."""
    items = [sizes.periodic(i % 300) for i in range(5000)]
    batch, nonces = fa.Batch.from_items(items), fa.Batch.from_items(nonces_for(5000))
    sealed = acc.encrypt_many(batch, KEY, nonces=nonces)
    assert sealed.to_list() == sealed_by_library(items, nonces_for(5000))
    assert acc.decrypt_many(sealed, KEY, nonces=nonces) == batch
    assert acc.decompress_many(acc.compress_many(batch)) == batch
    assert acc.checksum_many(batch).tolist() == list(map(google_crc32c.value, items))


def test_results_are_inputs_of_the_next_call(acc: fa.Accelerator) -> None:
    batch = fa.Batch.from_items([sizes.text(size) for size in LZ4_SIZES])
    sealed = acc.encrypt_many(acc.compress_many(batch), KEY)
    assert acc.decompress_many(acc.decrypt_many(sealed[3:], KEY)) == batch[3:]


def test_auto_takes_batches() -> None:
    batch = fa.Batch.from_items([sizes.text(4096)] * 600)
    with fa.Accelerator("auto", fallback="never") as acc:
        sealed = acc.encrypt_many(acc.compress_many(batch), KEY)
        assert acc.decompress_many(acc.decrypt_many(sealed, KEY)) == batch
        assert acc.checksum_many(batch).tolist() == [google_crc32c.value(sizes.text(4096))] * 600


def test_a_list_that_grows_during_the_call_is_refused() -> None:
    items = [b"a", b"b"]
    operation = registry.find("compress", "lz4")
    call = ManyCall(operation, operation.settings(), items)
    items.append(b"c")
    with pytest.raises(ValueError, match="2 of them at first, and now 3"):
        call.job()


# ---- items that fail ----


def broken(sealed: fa.Batch, *positions: int) -> fa.Batch:
    items = sealed.to_list()
    for position in positions:
        items[position] = items[position][:-1] + bytes([items[position][-1] ^ 1])
    return fa.Batch.from_items(items)


def test_a_wrong_tag_loses_its_item_alone(acc: fa.Accelerator) -> None:
    items = [sizes.periodic(size) for size in AES_SIZES]
    last = len(items) - 1
    bad = broken(acc.encrypt_many(fa.Batch.from_items(items), KEY), 0, 5, last)
    found = acc.decrypt_many(bad, KEY, return_exceptions=True)
    assert sorted(found.errors) == [0, 5, last]
    assert all(isinstance(error, fa.InvalidTag) for error in found.errors.values())
    assert found.to_list() == [b"" if i in found.errors else item for i, item in enumerate(items)]
    assert repr(found).endswith(" bytes, 3 failed)")
    assert sorted(found[5:].errors) == [0, last - 5]
    assert sorted(found[::-1].errors) == [0, last - 5, last]
    assert not found[1:5].errors
    with pytest.raises(fa.BatchError, match=f"3 of {len(items)} items failed; item 0") as raised:
        acc.decrypt_many(bad, KEY)
    for index, result in enumerate(raised.value.results):
        assert isinstance(result, fa.InvalidTag) if index in found.errors else result == items[index]


def test_many_small_items_under_nonces_of_their_own(acc: fa.Accelerator) -> None:
    """More than a piece of what the CPU path hands to its library at once."""
    items = [sizes.periodic(number % 300) for number in range(2500)]
    nonces = nonces_for(len(items))
    sealed = acc.encrypt_many(fa.Batch.from_items(items), KEY, nonces=nonces)
    stock = AESGCM(KEY)
    assert sealed.to_list() == [stock.encrypt(*each, None) for each in zip(nonces, items, strict=True)]
    assert acc.decrypt_many(sealed, KEY, nonces=nonces).to_list() == items
    wrong = {0, 1023, 1024, 2499}
    found = acc.decrypt_many(broken(sealed, *wrong), KEY, nonces=nonces, return_exceptions=True)
    assert set(found.errors) == wrong
    assert found.to_list() == [b"" if index in wrong else item for index, item in enumerate(items)]


@pytest.mark.parametrize("nonces", [None, nonces_for(4)])
def test_items_too_short_to_be_sealed(acc: fa.Accelerator, nonces: list[bytes] | None) -> None:
    sealed = acc.encrypt_many(fa.Batch.from_items([b"a", b"bb", b"ccc", b"dddd"]), KEY, nonces=nonces).to_list()
    bad = fa.Batch.from_items([sealed[0], b"short", b"", sealed[3]])
    found = acc.decrypt_many(bad, KEY, nonces=nonces, return_exceptions=True)
    assert found.to_list() == [b"a", b"", b"", b"dddd"]
    assert sorted(found.errors) == [1, 2]
    assert {type(error) for error in found.errors.values()} == {fa.InvalidTag}


def test_plaintext_of_a_wrong_tag_is_not_in_the_buffer(acc: fa.Accelerator) -> None:
    secret = b"attack at dawn. " * 300
    bad = broken(acc.encrypt_many(fa.Batch.from_items([secret, b"good", secret]), KEY), 0, 2)
    found = acc.decrypt_many(bad, KEY, return_exceptions=True)
    assert found.to_list() == [b"", b"good", b""]
    assert bytes(found.buffer) == b"good"


def test_malformed_frames_lose_themselves_alone(acc: fa.Accelerator) -> None:
    content = sizes.text(5000)
    frame = lz4.frame.compress(content, content_checksum=True, block_linked=False)
    damaged = bytearray(frame)
    damaged[-1] ^= 1
    items = [frame, frame[:-3], b"", bytes(damaged), b"no frame at all", frame]
    found = acc.decompress_many(fa.Batch.from_items(items), return_exceptions=True, format="lz4")
    assert found.to_list() == [content, b"", b"", b"", b"", content]
    listed = acc.decompress_many(items, return_exceptions=True, format="lz4")
    assert {index: type(error) for index, error in found.errors.items()} == {
        index: type(error) for index, error in enumerate(listed) if isinstance(error, Exception)
    }
    assert [type(found.errors[index]) for index in (1, 2, 3, 4)] == [
        fa.TruncatedError,
        fa.TruncatedError,
        fa.IntegrityError,
        fa.FormatError,
    ]


def test_max_output_counts_for_each_item(acc: fa.Accelerator) -> None:
    frames = acc.compress_many(fa.Batch.from_items([sizes.text(100), sizes.text(101), sizes.text(99)]))
    found = acc.decompress_many(frames, max_output=100, return_exceptions=True)
    assert found.sizes.tolist() == [100, 0, 99]
    assert isinstance(found.errors[1], fa.OutputLimitError)


@pytest.mark.parametrize(
    ("nonces", "text"),
    [
        (np.zeros((2, 12), np.uint8), "2 nonces for 3 items"),
        (np.zeros((3, 7), np.uint8), "nonce 0 has 7"),
        (fa.Batch(bytes(40), [0, 12, 24, 40]), None),
        (fa.Batch(bytes(140), [0, 12, 24, 140 + 0]), None),
        (fa.Batch(bytes(300), [0, 12, 24, 300]), "nonce 2 has 276"),
    ],
)
def test_nonces_are_checked(acc: fa.Accelerator, nonces: Any, text: str | None) -> None:
    batch = fa.Batch(b"abc", [0, 1, 2, 3])
    if text is None:
        assert acc.decrypt_many(acc.encrypt_many(batch, KEY, nonces=nonces), KEY, nonces=nonces) == batch
        return
    with pytest.raises(ValueError, match=text):
        acc.encrypt_many(batch, KEY, nonces=nonces)


def test_an_array_of_nonces_that_is_not_contiguous_is_refused(acc: fa.Accelerator) -> None:
    with pytest.raises(BufferError):
        acc.encrypt_many(fa.Batch(b"abc", [0, 1, 2, 3]), KEY, nonces=np.zeros((3, 24), np.uint8)[:, ::2])


@pytest.mark.parametrize(("fail_at", "mode"), [("run", "error"), ("result", "error"), ("result", "corrupt")])
def test_a_device_that_fails_leaves_a_whole_batch_to_the_library(fail_at: Any, mode: Any) -> None:
    batch = fa.Batch.from_items([sizes.text(size) for size in (0, 5, 3000, 70_000)])
    nonces = nonces_for(4)
    with fa.Accelerator(FaultyDevice(fail_at=fail_at, mode=mode), fallback="allow", verify="always") as acc:
        sealed = acc.encrypt_many(batch, KEY, nonces=nonces)
        assert sealed.to_list() == sealed_by_library(batch.to_list(), nonces)
        assert acc.decompress_many(acc.compress_many(batch)) == batch
        assert acc.checksum_many(batch).tolist() == [google_crc32c.value(bytes(item)) for item in batch]
        assert acc.stats()["fallbacks"] >= 1


@pytest.mark.kernels
def test_python_does_nothing_for_an_item_on_a_device(acc: fa.Accelerator, backend: Backend) -> None:
    """Calls of Python's, and of what Python calls, are counted while 3,000 items go through each verb."""
    batch = fa.Batch.from_items([sizes.text(100)] * 3000)
    nonces = np.arange(3000 * 12, dtype=np.uint32).astype(np.uint8).reshape(3000, 12)
    with fa.Accelerator(backend.id, fallback="never", verify="never") as fast:
        sealed, frames = fast.encrypt_many(batch, KEY, nonces=nonces), fast.compress_many(batch)
        calls: list[Callable[[], Any]] = [
            lambda: fast.encrypt_many(batch, KEY, nonces=nonces, aads=batch),
            lambda: fast.decrypt_many(sealed, KEY, nonces=nonces),
            lambda: fast.compress_many(batch),
            lambda: fast.decompress_many(frames),
            lambda: fast.checksum_many(batch),
        ]
        for call in calls:
            call()
            assert _calls_during(call) < 2500


def _calls_during(call: Callable[[], Any]) -> int:
    count = 0

    def on_event(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(on_event)
    try:
        call()
    finally:
        sys.setprofile(None)
    return count


# ---- Arrow ----


@pytest.fixture
def arrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        required.missing("pyarrow", "pyarrow is not installed")
    return pyarrow


@settings(max_examples=60)
@given(items=items_of_bytes, data=st.data())
def test_arrow_sees_what_a_batch_holds(arrow: Any, items: list[bytes], data: Any) -> None:
    start = data.draw(st.integers(0, len(items)))
    batch = fa.Batch.from_items(items)[start:]
    array = arrow.array(batch)
    array.validate(full=True)
    assert array.type == arrow.large_binary()
    assert array.null_count == 0
    assert array.to_pylist() == items[start:]
    if batch.nbytes:
        assert array.buffers()[2].address == batch.spans().addresses[0] - batch.offsets[0]
    assert fa.Batch.from_arrow(array) == batch


@settings(max_examples=60)
@given(items=items_of_bytes, data=st.data())
def test_a_batch_sees_what_arrow_holds(arrow: Any, items: list[bytes], data: Any) -> None:
    kind = data.draw(st.sampled_from([arrow.binary(), arrow.large_binary()]))
    array = arrow.array(items, kind)
    start, size = data.draw(st.integers(0, len(items))), data.draw(st.integers(0, len(items)))
    part = array[start : start + size]
    batch = fa.Batch.from_arrow(part)
    assert batch.to_list() == items[start : start + size]
    if batch.nbytes:
        assert batch.spans().addresses[0] == part.buffers()[2].address + batch.offsets[0]


def test_text_is_its_utf8_bytes(arrow: Any) -> None:
    words = ["ä", "", "日本"]
    for kind in (arrow.string(), arrow.large_string()):
        assert fa.Batch.from_arrow(arrow.array(words, kind)).to_list() == [word.encode() for word in words]


def test_chunks_are_made_one_by_the_caller(arrow: Any) -> None:
    chunked = arrow.chunked_array([arrow.array([b"a", b"bc"]), arrow.array([b"def"])])
    with pytest.raises(TypeError, match="one chunk"):
        fa.Batch.from_arrow(chunked)
    assert fa.Batch.from_arrow(chunked.combine_chunks()).to_list() == [b"a", b"bc", b"def"]


def test_nulls_are_refused_and_counted(arrow: Any) -> None:
    array = arrow.array([b"a", None, b"b", None, b"c"] * 5)
    with pytest.raises(ValueError, match="10 of 25 items are null"):
        fa.Batch.from_arrow(array)
    with pytest.raises(ValueError, match="2 of 5 items are null"):
        fa.Batch.from_arrow(array[7:12])
    # A slice without nulls of an array with some: it has a validity bitmap, and nobody counted.
    assert fa.Batch.from_arrow(array[4:6]).to_list() == [b"c", b"a"]


@pytest.mark.parametrize("values", [[1, 2], [1.5], [True], [[b"a"]], [{"a": b"b"}], [None]])
def test_other_types_are_refused(arrow: Any, values: list[Any]) -> None:
    with pytest.raises(TypeError, match="format"):
        fa.Batch.from_arrow(arrow.array(values))


def test_dictionaries_views_and_fixed_sizes_are_refused(arrow: Any) -> None:
    others = [
        arrow.array([b"a", b"a"]).dictionary_encode(),
        arrow.array([b"a"], arrow.binary_view()),
        arrow.array([b"a"], arrow.binary(1)),
    ]
    for other in others:
        with pytest.raises(TypeError, match="format"):
            fa.Batch.from_arrow(other)


@pytest.mark.parametrize("other", [b"abc", [b"a"], None, np.arange(3)])
def test_what_does_not_speak_arrow_is_refused(other: Any) -> None:
    with pytest.raises(TypeError, match="__arrow_c_array__"):
        fa.Batch.from_arrow(other)


def test_calls_go_from_arrow_to_arrow(arrow: Any) -> None:
    array = arrow.array([sizes.text(size) for size in (0, 1, 5000)])
    with fa.Accelerator("cpu") as acc:
        frames = arrow.array(acc.compress_many(fa.Batch.from_arrow(array)))
        assert [lz4.frame.decompress(frame) for frame in frames.to_pylist()] == array.to_pylist()


# ---- whose memory it is ----


class Watched(np.ndarray[Any, Any]):
    """An array whose end can be seen."""


def watched(content: bytes) -> Watched:
    return np.frombuffer(content, np.uint8).copy().view(Watched)


def test_a_consumer_holds_what_a_batch_held(arrow: Any) -> None:
    buffer = watched(b"onetwo")
    gone = weakref.ref(buffer)
    array = arrow.array(fa.Batch(buffer, [0, 3, 6]))
    part = array[1:]
    del buffer, array
    gc.collect()
    assert gone() is not None
    assert part.to_pylist() == [b"two"]
    del part
    gc.collect()
    assert gone() is None


def test_a_batch_holds_what_a_producer_held(arrow: Any) -> None:
    before = arrow.total_allocated_bytes()
    batch = fa.Batch.from_arrow(arrow.array([os.urandom(100_000), b"x" * 1000]))
    gc.collect()
    assert arrow.total_allocated_bytes() >= before + 100_000
    view = batch[1]
    del batch
    gc.collect()
    assert bytes(view) == b"x" * 1000
    assert arrow.total_allocated_bytes() >= before + 100_000
    del view
    gc.collect()
    assert arrow.total_allocated_bytes() == before


def test_capsules_that_nobody_takes_let_go() -> None:
    buffer = watched(b"abc")
    gone = weakref.ref(buffer)
    batch = fa.Batch(buffer, [0, 3])
    del buffer
    schema, array = batch.__arrow_c_array__()
    del batch
    gc.collect()
    assert gone() is not None
    del schema
    assert gone() is not None
    del array
    assert gone() is None


def test_an_array_is_taken_once() -> None:
    class Producer:
        def __init__(self) -> None:
            self.capsules = fa.Batch(b"abc", [0, 1, 3]).__arrow_c_array__()

        def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
            return self.capsules

    producer = Producer()
    assert fa.Batch.from_arrow(producer).to_list() == [b"a", b"bc"]
    with pytest.raises(ValueError, match="taken before"):
        fa.Batch.from_arrow(producer)


def test_capsules_of_another_kind_are_refused() -> None:
    schema, array = fa.Batch(b"abc", [0, 3]).__arrow_c_array__()
    for pair in ((array, schema), (None, array), (schema, b"")):
        with pytest.raises(ValueError, match="apsule"):
            _objects.arrow_column(*pair)


class _Array(ctypes.Structure):
    """ArrowArray of the Arrow C data interface."""


_Release = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))
_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.c_void_p),
    ("dictionary", ctypes.c_void_p),
    ("release", _Release),
    ("private_data", ctypes.c_void_p),
]


class Producer:
    """A producer of its own that counts how often it is told to release."""

    def __init__(self, offsets: list[int], data: bytes, **fields: Any) -> None:
        self.released = 0
        self._offsets = (ctypes.c_int64 * len(offsets))(*offsets)
        self._data = ctypes.create_string_buffer(data, len(data))
        self._buffers = (ctypes.c_void_p * 3)(None, ctypes.addressof(self._offsets), ctypes.addressof(self._data))
        self._callback = _Release(self._release)
        self.array = _Array(len(offsets) - 1, 0, 0, 3, 0, self._buffers, None, None, self._callback, None)
        for name, value in fields.items():
            setattr(self.array, name, value)

    def _release(self, array: Any) -> None:
        self.released += 1
        array.contents.release = _Release()

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        schema, _ = fa.Batch(b"", [0]).__arrow_c_array__()
        return schema, new(ctypes.addressof(self.array), b"arrow_array", None)


def test_a_producer_is_told_once_when_the_last_view_is_gone() -> None:
    producer = Producer([0, 1, 3], b"abc")
    batch = fa.Batch.from_arrow(producer)
    view, part = batch[1], batch[:1]
    del batch
    gc.collect()
    assert producer.released == 0
    assert (bytes(view), part.to_list()) == (b"bc", [b"a"])
    del view
    assert producer.released == 0
    del part
    gc.collect()
    assert producer.released == 1


@pytest.mark.parametrize(
    ("offsets", "fields", "text", "taken"),
    [
        ([0, 3], {"length": -1}, "length -1", False),
        ([0, 3], {"offset": -1}, "offset -1", False),
        ([0, 3], {"offset": 2**63 - 1}, "malformed", False),
        ([0, 3], {"n_buffers": 2}, "2 buffers", False),
        ([0, 3], {"null_count": 1}, "1 of 1 items are null", False),
        ([0, -3], {}, "ends at -3", False),
        ([0, 3, 2], {}, "offset 2 is 2 behind 3|offset 1 is 3 behind 0", True),
        ([-1, 3], {}, "offset 0 is -1", True),
    ],
)
def test_a_producer_that_lies_is_refused(offsets: list[int], fields: dict[str, int], text: str, taken: bool) -> None:
    producer = Producer(offsets, b"abc", **fields)
    with pytest.raises(ValueError, match=text):
        fa.Batch.from_arrow(producer)
    gc.collect()
    assert producer.released == taken


def test_an_array_of_nothing_may_have_no_buffers() -> None:
    producer = Producer([0], b"")
    producer._buffers[1] = producer._buffers[2] = None
    assert fa.Batch.from_arrow(producer).to_list() == []


def test_items_of_a_batch_hold_its_buffer() -> None:
    buffer = watched(b"abc")
    gone = weakref.ref(buffer)
    batch = fa.Batch(buffer, [0, 3])
    found: Items = batch.spans()
    del buffer, batch
    gc.collect()
    assert gone() is not None
    assert bytes(found.view(0)) == b"abc"
    del found
    gc.collect()
    assert gone() is None


# ---- batches that no launch pays for ----


def few_items() -> list[bytes]:
    return [sizes.text(size) for size in (1, 16, 255, 1000)]


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_few_small_items_are_what_the_library_makes_of_them(device: str) -> None:
    items, nonces = few_items(), nonces_for(4)
    with fa.Accelerator(device) as acc, acc.trace() as trace:
        sealed = acc.encrypt_many(items, KEY, nonces=nonces)
        assert sealed == sealed_by_library(items, nonces)
        assert acc.decrypt_many(sealed, KEY, nonces=nonces) == items
        frames = acc.compress_many(items)
        assert [lz4.frame.decompress(frame) for frame in frames] == items
        assert acc.decompress_many(frames) == items
        assert acc.checksum_many(items) == [google_crc32c.value(item) for item in items]
        stats = acc.stats()
    assert [(receipt.items, receipt.bytes_in) for receipt in trace.receipts] == [
        (4, sum(map(len, given))) for given in (items, sealed, items, frames, items)
    ]
    assert trace.receipts[0].bytes_out == sum(map(len, sealed))
    assert trace.receipts[-1].bytes_out == 16
    assert (stats["calls"], stats["items"], stats["backend.cpu"]) == (5, 20, 5)
    assert acc.last_receipt == trace.receipts[-1]


@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize("format", registry.algorithms("compress"))
def test_a_few_of_any_format_are_there_and_back(device: str, format: str) -> None:
    # Text; what becomes 4 bytes and more of each; noise, which is stored; and nothing.
    for contents in (few_items(), [bytes(9000)] * 7, [os.urandom(700), b"", sizes.text(3000)]):
        batch = fa.Batch.from_items(contents)
        with fa.Accelerator(device) as acc:
            packed, listed = acc.compress_many(batch, format), acc.compress_many(contents, format)
            assert acc.last_receipt is not None
            assert (acc.last_receipt.items, acc.last_receipt.bytes_in) == (len(contents), batch.nbytes)
            assert acc.last_receipt.bytes_out == sum(map(len, listed))
            for given in (packed, fa.Batch.from_items(listed)):
                assert acc.decompress_many(given, format).to_list() == contents
                assert acc.last_receipt.bytes_out == batch.nbytes
            assert acc.decompress_many(listed, format) == contents
            broken = fa.Batch.from_items([*listed, listed[0][: len(listed[0]) // 2]])
            with pytest.raises(fa.BatchError) as error:
                acc.decompress_many(broken, format)
            assert error.value.results[: len(contents)] == contents


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_few_of_joined_members_and_other_headers(device: str) -> None:
    plain = [sizes.text(size) for size in (1, 100, 3000)]
    joined = [gzip.compress(item) + gzip.compress(item, 0) for item in plain]
    with fa.Accelerator(device) as acc:
        assert acc.decompress_many(fa.Batch.from_items(joined), "gzip").to_list() == [item * 2 for item in plain]
        padded = [gzip.compress(item) + bytes(20) for item in plain]
        assert acc.decompress_many(fa.Batch.from_items(padded), "gzip").to_list() == plain
        blocks = acc.compress_many(plain, "bgzf")
        assert acc.decompress_many(fa.Batch.from_items(blocks), "gzip").to_list() == plain
        without_end = fa.Batch.from_items([block[:-28] for block in blocks])
        assert acc.decompress_many(without_end, "bgzf").to_list() == plain
        for wrong in (zlib.compress(plain[2]) + b"more", b"\x88\x1c" + zlib.compress(plain[2])[2:]):
            with pytest.raises(fa.BatchError):
                acc.decompress_many(fa.Batch.from_items([zlib.compress(plain[1]), wrong]), "zlib")


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_what_is_wrong_with_one_of_a_few_is_said_as_for_many(device: str) -> None:
    items, nonces = few_items(), nonces_for(4)
    with fa.Accelerator(device) as acc:
        sealed = acc.encrypt_many(items, KEY, nonces=nonces)
        sealed[2] = sealed[2][:-1] + bytes([sealed[2][-1] ^ 1])
        with pytest.raises(fa.BatchError) as error:
            acc.decrypt_many(sealed, KEY, nonces=nonces)
        assert isinstance(error.value.results[2], fa.InvalidTag)
        assert error.value.results[3] == items[3]
        for wrong in (nonces[:3], [*nonces, nonces[0]], [b"short", *nonces[1:]]):
            with pytest.raises(ValueError, match="nonce"):
                acc.encrypt_many(items, KEY, nonces=wrong)
        with pytest.raises(ValueError, match="key"):
            acc.encrypt_many(items, KEY[:5], nonces=nonces)
        with pytest.raises(TypeError):
            acc.encrypt_many([*items, "text"], KEY, nonces=nonces_for(5))
        with pytest.raises(fa.BatchError):
            acc.decompress_many([lz4.frame.compress(b"text"), b"no frame"], "lz4")
        assert acc.encrypt_many([bytearray(item) for item in items], KEY, nonces=nonces) == sealed_by_library(
            items, nonces
        )
        assert acc.encrypt_many([], KEY, nonces=[]) == []
        assert acc.checksum_many([b"", b""]) == [0, 0]
