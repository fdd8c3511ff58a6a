"""LZ4 frames on every backend, against python-lz4, the `lz4` command, and frames made by hand."""

from __future__ import annotations

import array
import itertools
import mmap
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import frames
import lz4.frame
import numpy as np
import pytest
import sizes
from conftest import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import KIB, MIB, mixed, noise, periodic, text, zeros

import fpga_accel as fa
from fpga_accel.operations import lz4_decompress

TEXT = text(700 * KIB + 3)
LEVELS_OF_KERNEL = (-65536, -100, -5, -1, 0, 1, 2)
HC_LEVELS = (3, 9, 12)

Contents = Callable[[int], bytes]


def blocks_of(frame: bytes) -> list[int]:
    """The block headers of a frame without block checksums."""
    ends = frames.block_ends(frame)
    return [int.from_bytes(frame[end : end + 4], "little") for end in ends[:-1]]


# ---- where it ran ----


def test_work_runs_on_the_backend_and_the_receipt_says_so(acc: fa.Accelerator, backend: Backend) -> None:
    for frame in (acc.compress(TEXT), lz4.frame.compress(TEXT), lz4.frame.compress(TEXT, block_linked=False)):
        assert acc.decompress(frame) == TEXT
        receipt = acc.last_receipt
        assert receipt is not None
        assert (receipt.op, receipt.algorithm) == ("decompress", "lz4")
        assert (receipt.bytes_in, receipt.bytes_out) == (len(frame), len(TEXT))
        assert not receipt.fallback
        assert receipt.reason is fa.Reason.ASKED
        assert receipt.backend == backend.path
        assert receipt.device == (backend.id if backend.is_device else None)
        assert receipt.verified is backend.is_device
        assert (receipt.segments > 0) is backend.is_device


# ---- round trips ----


@pytest.mark.parametrize("contents", sizes.PATTERNS.values(), ids=sizes.PATTERNS)
def test_every_size_comes_back_alone(acc: fa.Accelerator, contents: Contents) -> None:
    for size in sizes.LZ4:
        if size > MIB + 1:
            continue
        data = contents(size)
        frame = acc.compress(data)
        assert len(frame) <= acc.compress_bound(size)
        assert acc.decompress(frame) == data
        assert lz4.frame.decompress(frame) == data


@pytest.mark.parametrize("block_size", sizes.LZ4_BLOCKS)
@pytest.mark.parametrize("contents", sizes.PATTERNS.values(), ids=sizes.PATTERNS)
def test_every_size_comes_back_in_a_batch(
    acc: fa.Accelerator, backend: Backend, contents: Contents, block_size: int
) -> None:
    if backend.kind == "rtl" and block_size >= MIB:
        pytest.skip("a minute on the simulator, whose rows of 256 KiB have met all that a larger one meets")
    # Up to four blocks and a byte.
    items = [contents(size) for size in sizes.LZ4 if size <= 4 * block_size + 1]
    made = acc.compress_many(items, block_size=block_size)
    assert [lz4.frame.decompress(frame) for frame in made] == items
    assert acc.decompress_many(made) == items


@pytest.mark.slow
@pytest.mark.bulk
@pytest.mark.parametrize("contents", [text, noise], ids=["text", "noise"])
def test_sizes_around_a_group_of_blocks_come_back(acc: fa.Accelerator, contents: Contents) -> None:
    for size in sizes.GROUPS:
        data = contents(size)
        frame = acc.compress(data, content_checksum=True)
        assert lz4.frame.decompress(frame) == data
        assert acc.decompress(frame) == data


@pytest.mark.slow
@pytest.mark.bulk
def test_batches_around_a_group_of_blocks_come_back(acc: fa.Accelerator) -> None:
    for total in sizes.GROUPS:
        items = [text(30 * MIB), periodic(total - 60 * MIB), b"", noise(30 * MIB)]
        made = acc.compress_many(items)
        assert [lz4.frame.decompress(frame) for frame in made] == items
        assert acc.decompress_many(made) == items


@given(data=st.data())
@settings(max_examples=60)
def test_any_mix_of_contents_and_options_comes_back(acc: fa.Accelerator, data: st.DataObject) -> None:
    source = mixed(600 * KIB)
    pieces = data.draw(st.lists(st.tuples(st.integers(0, len(source)), st.integers(0, 300 * KIB)), max_size=4))
    content = b"".join(source[start : start + size] for start, size in pieces) + data.draw(st.binary(max_size=300))
    options: dict[str, Any] = {
        "level": data.draw(st.integers(-70, 2)),
        "block_size": data.draw(st.sampled_from([None, *sizes.LZ4_BLOCKS])),
        "content_checksum": data.draw(st.booleans()),
        "block_checksum": data.draw(st.booleans()),
    }
    frame = acc.compress(content, **options)
    assert lz4.frame.decompress(frame) == content
    assert acc.decompress(frame) == content
    assert len(frame) <= acc.compress_bound(len(content))


@given(items=st.lists(st.binary(max_size=600), max_size=40), checked=st.booleans())
@settings(max_examples=60)
def test_any_batch_of_small_items_comes_back(acc: fa.Accelerator, items: list[bytes], checked: bool) -> None:
    made = acc.compress_many(items, content_checksum=checked, block_checksum=checked)
    assert [lz4.frame.decompress(frame) for frame in made] == items
    assert acc.decompress_many(made, "lz4") == items


def test_short_periods_and_overlapping_matches_come_back(acc: fa.Accelerator) -> None:
    items = []
    for period in (*range(1, 40), 63, 64, 65, 255, 256, 65534, 65535, 65536, 65537):
        unit = noise(period)
        items += [(unit * (size // period + 1))[:size] for size in (100, 4000, 3 * 65536)]
    made = acc.compress_many(items, block_size=256 * KIB)
    assert [lz4.frame.decompress(frame) for frame in made] == items
    assert acc.decompress_many(made) == items
    by_library = [lz4.frame.compress(item, block_linked=False) for item in items]
    assert acc.decompress_many(by_library) == items


# ---- options and the frame header ----


@pytest.mark.parametrize("block_size", sizes.LZ4_BLOCKS)
@pytest.mark.parametrize("checks", list(itertools.product([False, True], repeat=2)))
def test_the_header_says_what_was_asked(acc: fa.Accelerator, block_size: int, checks: tuple[bool, bool]) -> None:
    content, block = checks
    for data in (TEXT, b"x", noise(70 * KIB)):
        frame = acc.compress(data, block_size=block_size, content_checksum=content, block_checksum=block)
        info = lz4.frame.get_frame_info(frame)
        # A block larger than the content may be declared smaller, as the library does.
        assert info["block_size"] == block_size or len(data) <= info["block_size"] < block_size
        assert info["content_size"] == len(data)
        assert info["content_checksum"] is content
        assert info["block_checksum"] is block
        assert not info["block_linked"]
        assert not info["skippable"]
        assert lz4.frame.decompress(frame) == data
        # Behind the EndMark stands nothing but the checksum.
        tail = frames.END + frames.xxh32(data) if content else frames.END
        assert frame.endswith(tail)
        assert frames.block_ends(frame, checksum=block)[-1] + len(tail) == len(frame)


@pytest.mark.parametrize("level", LEVELS_OF_KERNEL)
def test_a_fast_level_gives_a_valid_frame(acc: fa.Accelerator, level: int) -> None:
    frame = acc.compress(TEXT, level=level)
    assert lz4.frame.decompress(frame) == TEXT
    assert len(frame) <= acc.compress_bound(len(TEXT))


def test_a_lower_level_is_no_smaller(acc: fa.Accelerator, backend: Backend) -> None:
    made = [len(acc.compress(TEXT, level=level)) for level in (0, -10, -1000)]
    if backend.path == "rtl":
        # The core takes a clock for a byte at any effort, so it has one only.
        assert made[0] == made[1] == made[2]
    else:
        assert made[0] < made[1] < made[2]


@pytest.mark.parametrize("level", HC_LEVELS)
def test_a_high_compression_level_has_no_kernel(acc: fa.Accelerator, backend: Backend, level: int) -> None:
    if backend.is_device:
        with pytest.raises(fa.FallbackDisabledError, match="unsupported"):
            acc.compress(TEXT, level=level)
        with pytest.raises(fa.FallbackDisabledError, match="unsupported"):
            acc.compress_many([TEXT, b"x"], level=level)
        return
    frame = acc.compress(TEXT, level=level)
    assert lz4.frame.decompress(frame) == TEXT
    assert len(frame) < len(acc.compress(TEXT))


def test_a_high_compression_level_falls_back_as_the_policy_says(backend: Backend) -> None:
    with fa.Accelerator(backend.id, fallback="allow") as allowing:
        frame = allowing.compress(TEXT, level=9)
        receipt = allowing.last_receipt
    assert lz4.frame.decompress(frame) == TEXT
    assert receipt is not None
    reason = fa.Reason.UNSUPPORTED if backend.is_device else fa.Reason.ASKED
    assert (receipt.backend, receipt.reason, receipt.fallback) == ("cpu", reason, backend.is_device)
    if not backend.is_device:
        # Nothing to fall back from, so nothing to warn of.
        with fa.Accelerator(backend.id, fallback="never") as strict:
            assert strict.compress(TEXT, level=9) == frame
        return
    with fa.Accelerator(backend.id, fallback="warn") as warning, pytest.warns(fa.FallbackWarning, match="level 9"):
        assert warning.compress(TEXT, level=9) == frame


@pytest.mark.parametrize("level", [-65537, 13, 1000])
def test_a_level_that_is_none_names_the_legal_ones(acc: fa.Accelerator, level: int) -> None:
    with pytest.raises(ValueError, match=r"-65536 to 12"):
        acc.compress(TEXT, level=level)


@pytest.mark.parametrize("block_size", [-1, 0, 1, 65535, 65537, 8 * MIB])
def test_a_block_size_that_is_none_names_the_legal_ones(acc: fa.Accelerator, block_size: int) -> None:
    with pytest.raises(ValueError, match="65536, 262144, 1048576, 4194304"):
        acc.compress(TEXT, block_size=block_size)


def test_unknown_formats_and_options_are_refused(acc: fa.Accelerator) -> None:
    with pytest.raises(ValueError, match="lz4"):
        acc.compress(TEXT, "lz5")
    with pytest.raises(ValueError, match="lz4"):
        acc.decompress(lz4.frame.compress(TEXT), "lz5")
    with pytest.raises(ValueError, match="lz4"):
        acc.compress_bound(5, "lz5")
    with pytest.raises(TypeError, match="windowsize"):
        acc.compress(TEXT, windowsize=1)
    with pytest.raises(ValueError, match="negative"):
        acc.compress_bound(-1)


def test_incompressible_blocks_are_stored(acc: fa.Accelerator) -> None:
    data = noise(300 * KIB)
    frame = acc.compress(data, block_size=64 * KIB)
    assert blocks_of(frame) == [0x80000000 | 65536] * 4 + [0x80000000 | 300 * KIB % 65536]
    assert len(frame) == len(data) + 15 + 4 * 5 + 4


def test_the_same_input_gives_the_same_bytes(acc: fa.Accelerator, backend: Backend) -> None:
    for block_size in (None, 64 * KIB):
        data = mixed(900 * KIB)
        frame = acc.compress(data, block_size=block_size)
        assert {acc.compress(data, block_size=block_size) for _ in range(3)} == {frame}
        assert acc.compress_many([b"", data, TEXT, data], block_size=block_size)[1::2] == [frame, frame]
        out = bytearray(len(frame))
        assert acc.compress_into(data, out, block_size=block_size) == len(frame)
        assert out == frame
        with fa.Accelerator(backend.id, fallback="never", threads=1) as other:
            assert other.compress(data, block_size=block_size) == frame


def test_rows_beside_a_row_do_not_change_its_bytes(acc: fa.Accelerator) -> None:
    items = sizes.beside_each_other()
    alone = [acc.compress(item) for item in items]
    assert [lz4.frame.decompress(frame) for frame in alone] == items
    for seed in range(4):
        order = random.Random(seed).sample(range(len(items)), len(items))
        assert acc.compress_many([items[index] for index in order]) == [alone[index] for index in order]


# ---- frames of others ----


@pytest.mark.parametrize("linked", [False, True], ids=["independent", "linked"])
@pytest.mark.parametrize("sized", [False, True], ids=["unsized", "sized"])
def test_frames_of_python_lz4_are_read(acc: fa.Accelerator, linked: bool, sized: bool) -> None:
    items, made = [], []
    for code, checked, level in itertools.product((4, 5, 6, 7), (False, True), (-10, 0, 9)):
        for data in (b"", b"x", TEXT, mixed(500 * KIB), zeros(MIB + 1), noise(130 * KIB)):
            items.append(data)
            frame = lz4.frame.compress(
                data,
                compression_level=level,
                block_size=code,
                block_linked=linked,
                content_checksum=checked,
                block_checksum=checked,
                store_size=sized,
            )
            made.append(frame)
    assert acc.decompress_many(made) == items
    for frame, data in list(zip(made, items, strict=True))[::7]:
        assert acc.decompress(frame) == data


@pytest.mark.parametrize("options", ["-B4", "-B5 -BX", "-B7 --content-size", "-B4 -BD", "-BD -BX --no-frame-crc", "-l"])
def test_frames_of_the_lz4_command_are_read(acc: fa.Accelerator, lz4_command: str, options: str) -> None:
    for data in (TEXT, mixed(9 * MIB) if options in ("-B4 -BD", "-l") else b"x"):
        ran = subprocess.run([lz4_command, "-q", *options.split(), "-c"], input=data, capture_output=True, check=True)
        assert acc.decompress(ran.stdout) == data


def test_the_lz4_command_reads_ours(acc: fa.Accelerator, lz4_command: str, tmp_path: Path) -> None:
    datas = [b"", b"x", TEXT, noise(200 * KIB), zeros(5 * MIB)]
    made = [
        acc.compress(data, block_size=block_size, content_checksum=checked, block_checksum=checked)
        for data, block_size, checked in itertools.product(datas, (None, 64 * KIB), (False, True))
    ]
    # Frames of one file are joined, so one process reads all.
    path = tmp_path / "all.lz4"
    path.write_bytes(b"".join(made))
    ran = subprocess.run([lz4_command, "-d", "-c", "-q", path], capture_output=True, check=True)
    assert ran.stdout == b"".join(data for data in datas for _ in range(4))


def test_blocks_of_any_sizes_are_read(acc: fa.Accelerator) -> None:
    pieces = [text(10), b"", text(65536), noise(3), zeros(65535), periodic(1000), text(65536), b"y"]
    content = b"".join(pieces)
    for checked in (False, True):
        body = b"".join(
            frames.block(piece, stored=True, checksum=checked)
            if number % 3 == 0 and piece
            else frames.block(frames.packed(piece), checksum=checked)
            for number, piece in enumerate(pieces)
        )
        for size in (None, len(content)):
            frame = frames.header(block_checksum=checked, content_checksum=True, content_size=size)
            frame += body + frames.END + frames.xxh32(content)
            assert lz4.frame.decompress(frame) == content
            assert acc.decompress(frame) == content


def test_linked_blocks_of_any_sizes_are_read(acc: fa.Accelerator) -> None:
    pieces = [text(100), text(65536), b"", text(200), text(65000), zeros(60000), text(3), noise(70), noise(70)] * 4
    for checked in (False, True):
        frame = frames.linked_by_hand(pieces, checksum=checked)
        assert lz4.frame.decompress(frame) == b"".join(pieces)
        assert acc.decompress(frame) == b"".join(pieces)


def test_uncompressed_blocks_are_read(acc: fa.Accelerator) -> None:
    for size in (1, 15, 16, 17, 65535, 65536, 65537, 200_000):
        assert acc.decompress(frames.stored_frame(noise(size))) == noise(size)


@pytest.mark.parametrize("linked", [False, True], ids=["independent", "linked"])
def test_empty_frames_are_read(acc: fa.Accelerator, linked: bool) -> None:
    for size, checked in itertools.product((None, 0), (False, True)):
        frame = frames.header(independent=not linked, content_size=size, content_checksum=checked) + frames.END
        frame += frames.xxh32(b"") if checked else b""
        assert acc.decompress(frame) == b""
        assert acc.decompress_many([frame, frame]) == [b"", b""]
        assert acc.decompress(frame + lz4.frame.compress(TEXT) + frame) == TEXT
    assert acc.decompress(lz4.frame.compress(b"", block_linked=linked)) == b""


def test_an_empty_input_is_an_empty_frame_not_nothing(acc: fa.Accelerator) -> None:
    frame = acc.compress(b"")
    assert lz4.frame.decompress(frame) == b""
    assert acc.decompress(frame) == b""
    with pytest.raises(fa.TruncatedError):
        acc.decompress(b"", "lz4")
    with pytest.raises(fa.FormatError):
        acc.decompress(b"")


def test_skippable_frames_are_passed_over(acc: fa.Accelerator) -> None:
    ours, theirs = acc.compress(TEXT), lz4.frame.compress(b"second", store_size=False)
    for number, payload in itertools.product((0, 7, 15), (b"", b"metadata", noise(100_000))):
        skipped = frames.skippable(payload, number)
        assert acc.decompress(skipped + ours) == TEXT
        assert acc.decompress(ours + skipped) == TEXT
        assert acc.decompress(skipped * 2 + ours + skipped + theirs + skipped) == TEXT + b"second"
        assert acc.decompress(skipped) == b""
        assert acc.decompress_many([skipped + ours, ours, skipped + theirs]) == [TEXT, TEXT, b"second"]
        assert acc.decompress_into(skipped + ours + skipped, bytearray(len(TEXT))) == len(TEXT)


def test_joined_frames_are_all_read(acc: fa.Accelerator) -> None:
    parts = [
        acc.compress(TEXT),
        lz4.frame.compress(b"linked" * 30_000, block_size=4),
        lz4.frame.compress(b"unsized", store_size=False),
        frames.stored_frame(noise(100)),
        acc.compress(b""),
        acc.compress(noise(90_000), content_checksum=True),
    ]
    content = TEXT + b"linked" * 30_000 + b"unsized" + noise(100) + noise(90_000)
    joined = b"".join(parts)
    assert acc.decompress(joined) == content
    assert acc.decompress_many([joined, parts[0], joined]) == [content, TEXT, content]
    out = bytearray(len(content))
    assert acc.decompress_into(joined, out) == len(content)
    assert out == content


@pytest.mark.parametrize("size", [0, 1, 100_000, frames.LEGACY_BLOCK - 1, frames.LEGACY_BLOCK, frames.LEGACY_BLOCK + 1])
def test_legacy_frames_are_read(acc: fa.Accelerator, size: int) -> None:
    data = text(size)
    frame = frames.legacy(data)
    assert acc.decompress(frame) == data
    assert acc.decompress(frame, max_output=size) == data
    if size:
        with pytest.raises(fa.OutputLimitError):
            acc.decompress(frame, max_output=size - 1)


def test_legacy_frames_may_be_joined_with_any(acc: fa.Accelerator) -> None:
    legacy, ours = frames.legacy(TEXT), acc.compress(b"ours")
    assert acc.decompress(legacy + ours) == TEXT + b"ours"
    assert acc.decompress(ours + legacy) == b"ours" + TEXT
    assert acc.decompress(legacy + frames.legacy(b"again")) == TEXT + b"again"
    assert acc.decompress(legacy + frames.skippable(b"meta") + ours) == TEXT + b"ours"
    assert acc.decompress_many([legacy, ours, legacy + ours]) == [TEXT, b"ours", TEXT + b"ours"]


# ---- the corpus ----


@pytest.mark.bulk
def test_the_corpus_goes_both_ways(acc: fa.Accelerator, corpus_file: bytes) -> None:
    ours = acc.compress(corpus_file)
    assert lz4.frame.decompress(ours) == corpus_file
    assert acc.decompress(ours) == corpus_file
    for linked in (False, True):
        theirs = lz4.frame.compress(corpus_file, block_linked=linked, block_checksum=True)
        assert acc.decompress(theirs) == corpus_file


def test_the_corpus_compresses_as_well_as_with_the_library(acc: fa.Accelerator, corpus_file: bytes) -> None:
    ours, theirs = acc.compress(corpus_file), lz4.frame.compress(corpus_file)
    assert len(theirs) / len(ours) >= 0.98
    assert lz4.frame.decompress(ours) == corpus_file


def test_pages_compress_about_as_well_as_with_the_library(acc: fa.Accelerator, corpus_file: bytes) -> None:
    pages = [corpus_file[start : start + 16 * KIB] for start in range(0, MIB, 16 * KIB)]
    ours, theirs = acc.compress_many(pages), [lz4.frame.compress(page) for page in pages]
    assert sum(map(len, theirs)) / sum(map(len, ours)) >= 0.9
    assert [lz4.frame.decompress(frame) for frame in ours] == pages


# ---- into the caller's buffer ----


def test_a_buffer_of_the_exact_size_is_enough(acc: fa.Accelerator) -> None:
    for data in (b"", b"x", TEXT, noise(70 * KIB), zeros(MIB)):
        frame = acc.compress(data)
        out = bytearray(len(frame))
        assert acc.compress_into(data, out) == len(frame)
        assert out == frame
        for source in (frame, lz4.frame.compress(data), lz4.frame.compress(data, store_size=False)):
            back = bytearray(len(data))
            assert acc.decompress_into(source, back) == len(data)
            assert back == data


def test_bytes_behind_the_result_stay(acc: fa.Accelerator) -> None:
    frame = acc.compress(TEXT)
    out = bytearray(b"\xaa" * (len(TEXT) + 1000))
    assert acc.compress_into(TEXT, out) == len(frame)
    assert out == frame + b"\xaa" * (len(out) - len(frame))
    for source in (frame, lz4.frame.compress(TEXT, store_size=False)):
        out = bytearray(b"\xaa" * (len(TEXT) + 1000))
        assert acc.decompress_into(source, out) == len(TEXT)
        assert out == TEXT + b"\xaa" * 1000


@pytest.mark.parametrize("sized", [True, False])
def test_frames_of_the_command_are_written_where_they_belong(acc: fa.Accelerator, sized: bool) -> None:
    # As `lz4` writes them: blocks of up to 4 MiB, a checksum, and mostly no size.
    pack = partial(lz4.frame.compress, block_size=7, block_linked=False, content_checksum=True, store_size=sized)
    for data in (b"x", text(5000), text(300_000), noise(70 * KIB), zeros(MIB)):
        frame = pack(data)
        for spare in (0, 100):
            out = bytearray(b"\xaa" * (len(data) + spare))
            assert acc.decompress_into(frame, out, "lz4") == len(data)
            assert out == data + b"\xaa" * spare
        with pytest.raises(fa.BufferTooSmallError):
            acc.decompress_into(frame, bytearray(len(data) - 1), "lz4")
        with pytest.raises(fa.OutputLimitError):
            acc.decompress(frame, "lz4", max_output=len(data) - 1)
        bad = frame[:-1] + bytes([frame[-1] ^ 1])
        with pytest.raises(fa.IntegrityError):
            acc.decompress_into(bad, out, "lz4")
        with pytest.raises(fa.IntegrityError):
            acc.decompress(bad, "lz4")
        joined = frame + lz4.frame.compress(b"second", store_size=False) + frame
        assert acc.decompress(joined, "lz4") == data + b"second" + data
        with pytest.raises(fa.OutputLimitError):
            acc.decompress(joined, "lz4", max_output=2 * len(data) + 5)
        with pytest.raises(fa.TruncatedError):
            acc.decompress(joined[:-2], "lz4")


def test_a_buffer_too_small_tells_what_is_needed(acc: fa.Accelerator) -> None:
    for data in (b"x", TEXT, noise(70 * KIB), zeros(MIB)):
        frame = acc.compress(data)
        for capacity in (0, 1, len(frame) // 2, len(frame) - 1):
            with pytest.raises(fa.BufferTooSmallError) as caught:
                acc.compress_into(data, bytearray(capacity))
            assert acc.compress_into(data, bytearray(caught.value.needed)) == len(frame)
        for capacity in (0, len(data) - 1):
            with pytest.raises(fa.BufferTooSmallError) as caught:
                acc.decompress_into(frame, bytearray(capacity))
            assert caught.value.needed == len(data)
            assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("linked", [False, True], ids=["independent", "linked"])
def test_large_content_is_decoded_in_place_on_one_thread(monkeypatch: pytest.MonkeyPatch, linked: bool) -> None:
    monkeypatch.setattr(lz4_decompress, "NEW_MEMORY", len(TEXT) - 1)
    frame = lz4.frame.compress(TEXT, block_linked=linked, content_checksum=True)
    with fa.Accelerator("cpu", threads=1) as cpu:
        assert cpu.decompress(frame) == TEXT
        with pytest.raises(fa.OutputLimitError):
            cpu.decompress(frame, max_output=len(TEXT) - 1)
        for position in (100, len(frame) - 1):
            wrong = bytearray(frame)
            wrong[position] ^= 0x40
            with pytest.raises((fa.FormatError, fa.IntegrityError)):
                cpu.decompress(bytes(wrong))
        with pytest.raises(fa.TruncatedError):
            cpu.decompress(frame[:-5])
        # A size that no such frame can hold gets no memory.
        bomb = frames.header(independent=not linked, content_size=2**50) + frames.END
        with pytest.raises((fa.FormatError, fa.OutputLimitError)):
            cpu.decompress(bomb)


@pytest.mark.parametrize("linked", [False, True], ids=["independent", "linked"])
def test_a_needed_size_that_the_frame_does_not_tell_leads_on(acc: fa.Accelerator, linked: bool) -> None:
    frame = lz4.frame.compress(TEXT, store_size=False, block_size=4, block_linked=linked)
    capacity = 10
    while capacity < len(TEXT):
        with pytest.raises(fa.BufferTooSmallError) as caught:
            acc.decompress_into(frame, bytearray(capacity))
        assert capacity < caught.value.needed <= len(TEXT)
        capacity = max(2 * capacity, caught.value.needed)
    assert acc.decompress_into(frame, bytearray(capacity)) == len(TEXT)


def test_a_limit_below_the_buffer_is_a_limit(acc: fa.Accelerator) -> None:
    frame = acc.compress(TEXT)
    with pytest.raises(fa.OutputLimitError):
        acc.decompress_into(frame, bytearray(len(TEXT)), max_output=len(TEXT) - 1)
    assert acc.decompress_into(frame, bytearray(len(TEXT)), max_output=len(TEXT)) == len(TEXT)


@pytest.mark.parametrize("shift", [0, 1, 1000])
def test_input_and_output_may_share_memory(acc: fa.Accelerator, shift: int) -> None:
    frame, size = acc.compress(TEXT), len(TEXT)
    room = memoryview(bytearray(size + 2000))
    room[shift : shift + size] = TEXT
    written = acc.compress_into(room[shift : shift + size], room)
    assert room[:written] == frame
    room[shift : shift + len(frame)] = frame
    assert acc.decompress_into(room[shift : shift + len(frame)], room) == size
    assert room[:size] == TEXT


def test_output_buffers_of_any_kind_are_written(acc: fa.Accelerator, tmp_path: Path) -> None:
    data = text(80_000)
    frame = acc.compress(data)
    # A device without decoder skips here: no buffer may be exported when its mapping closes.
    assert acc.decompress(frame) == data
    path = tmp_path / "out"
    path.write_bytes(bytes(len(data)))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        array_of_words = array.array("I", bytes(len(data)))
        matrix = np.zeros((100, 100), np.float64)
        for out in (mapped, array_of_words, matrix, memoryview(bytearray(len(data)))):
            assert acc.decompress_into(frame, out) == len(data)
            assert bytes(out) == data
        mapped.flush()
    assert path.read_bytes() == data


def test_output_buffers_that_cannot_be_written_are_refused(acc: fa.Accelerator) -> None:
    frame = acc.compress(TEXT)
    for out in (bytes(len(TEXT)), memoryview(bytes(len(TEXT)))):
        with pytest.raises((TypeError, BufferError)):
            acc.decompress_into(frame, out)
    with pytest.raises(BufferError):
        acc.decompress_into(frame, memoryview(bytearray(2 * len(TEXT)))[::2])
    with pytest.raises(TypeError):
        acc.decompress_into(frame, "x" * len(TEXT))


# ---- batches ----


def test_a_batch_keeps_its_order(acc: fa.Accelerator) -> None:
    items = [mixed(size * 37 % 5000) + size.to_bytes(4, "little") for size in range(1000)]
    items[::10] = [b""] * 100
    made = acc.compress_many(items)
    assert [lz4.frame.decompress(frame) for frame in made] == items
    assert acc.decompress_many(tuple(made)) == items
    assert acc.compress_many([]) == []
    assert acc.decompress_many([]) == []
    assert acc.decompress_many([], "lz4") == []


def test_one_bad_item_loses_none_of_the_others(acc: fa.Accelerator) -> None:
    good = [acc.compress(text(size)) for size in (0, 10, 100_000, 300_000)]
    wanted: list[Any] = [text(size) for size in (0, 10, 100_000, 300_000)]
    bads = [
        (good[2][:-20], fa.TruncatedError),
        (b"no frame at all", fa.FormatError),
        (b"", fa.TruncatedError),
        (acc.compress(TEXT, content_checksum=True)[:-1] + b"?", fa.IntegrityError),
    ]
    for place, (bad, kind) in itertools.product(range(1, 5), bads):
        items = [*good[:place], bad, *good[place:]]
        found = acc.decompress_many(items, "lz4", return_exceptions=True)
        assert isinstance(found[place], kind)
        assert found[:place] + found[place + 1 :] == wanted
        with pytest.raises(fa.BatchError, match=f"item {place}") as caught:
            acc.decompress_many(items, "lz4")
        assert isinstance(caught.value.results[place], kind)
        assert caught.value.results[:place] + caught.value.results[place + 1 :] == wanted


def test_a_limit_counts_for_each_item(acc: fa.Accelerator) -> None:
    made = [acc.compress(text(size)) for size in (999, 1000, 1001, 5)]
    found = acc.decompress_many(made, max_output=1000, return_exceptions=True)
    assert found[:2] == [text(999), text(1000)]
    assert isinstance(found[2], fa.OutputLimitError)
    assert found[3] == text(5)


# ---- inputs ----


def buffers(data: bytes) -> list[Any]:
    """`data`, whose size is a multiple of 16, in every sort of buffer."""
    mapped = mmap.mmap(-1, len(data))
    mapped[:] = data
    words = np.frombuffer(data, np.uint32)
    return [
        bytearray(data),
        memoryview(data),
        memoryview(b"??" + data)[2:],
        memoryview(data).cast("I"),
        mapped,
        array.array("H", data),
        words.copy(),
        words.reshape(2, -1),
        np.frombuffer(data, "<f8").reshape(1, -1, 1),
        np.frombuffer(data, [("a", "<u2"), ("b", "<i4"), ("c", "S10")]),
    ]


def test_any_contiguous_buffer_is_counted_in_bytes(acc: fa.Accelerator) -> None:
    data = TEXT[: 16 * 5000]
    frame = acc.compress(data)
    for buffer in buffers(data):
        assert acc.compress(buffer) == frame
        assert acc.compress_into(buffer, bytearray(len(frame))) == len(frame)
    assert acc.compress_many(buffers(data)) == [frame] * len(buffers(data))
    padded = frame + frames.skippable(bytes(-len(frame) % 16 + 8))
    assert len(padded) % 16 == 0
    for buffer in buffers(padded):
        assert acc.decompress(buffer) == data
    assert acc.decompress_many(buffers(padded)) == [data] * len(buffers(padded))


def test_what_is_no_contiguous_buffer_is_refused(acc: fa.Accelerator) -> None:
    for call in (acc.compress, acc.decompress):
        with pytest.raises(TypeError, match="str"):
            call("text")
        for wrong in (None, 5, ["list"], [1, 2]):
            with pytest.raises(TypeError):
                call(wrong)
        for strided in (memoryview(TEXT)[::2], np.arange(100).reshape(10, 10).T, np.zeros(10, np.uint8)[::-1]):
            with pytest.raises(BufferError):
                call(strided)
    for many in (acc.compress_many, acc.decompress_many):
        with pytest.raises(TypeError, match="str"):
            many([acc.compress(b"good"), "text"])
        with pytest.raises(BufferError):
            many([acc.compress(b"good"), memoryview(TEXT)[::2]])


# ---- limits ----


def test_the_bound_holds_and_is_close(acc: fa.Accelerator) -> None:
    for size in sizes.LZ4:
        if size <= MIB + 1:
            for block_size, checked in itertools.product((None, 64 * KIB), (False, True)):
                options: dict[str, Any] = {"content_checksum": checked, "block_checksum": checked}
                frame = acc.compress(noise(size), block_size=block_size, **options)
                assert len(frame) <= acc.compress_bound(size)
        assert acc.compress_bound(size) <= size + size // 1000 + 64
    assert acc.compress_bound(2**40) > 2**40


@pytest.mark.parametrize("sized", [False, True], ids=["unsized", "sized"])
@pytest.mark.parametrize("linked", [False, True], ids=["independent", "linked"])
def test_the_limit_is_exact(acc: fa.Accelerator, sized: bool, linked: bool) -> None:
    for data in (b"x", zeros(65536), TEXT, noise(200_000)):
        frame = lz4.frame.compress(data, store_size=sized, block_linked=linked, block_size=4)
        assert acc.decompress(frame, max_output=len(data)) == data
        assert acc.decompress(frame, max_output=len(data) + 1) == data
        assert acc.decompress(frame * 2, max_output=2 * len(data)) == data * 2
        for limit in (0, len(data) // 2, len(data) - 1):
            with pytest.raises(fa.OutputLimitError):
                acc.decompress(frame, max_output=limit)
        with pytest.raises(fa.OutputLimitError):
            acc.decompress(frame * 2, max_output=2 * len(data) - 1)
    empty = lz4.frame.compress(b"", store_size=sized, block_linked=linked)
    assert acc.decompress(empty, max_output=0) == b""
    with pytest.raises(ValueError, match="negative"):
        acc.decompress(empty, max_output=-1)


@pytest.mark.parametrize("declared", [2**31, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("linked", [False, True], ids=["independent", "linked"])
def test_a_declared_size_that_cannot_be_is_refused_before_any_allocation(
    acc: fa.Accelerator, declared: int, linked: bool
) -> None:
    frame = frames.header(7, independent=not linked, content_size=declared) + frames.block(b"\x10x") + frames.END
    assert len(frame) < 32
    acc.compress(b"warm")
    tracemalloc.start()
    try:
        for limit in (None, 2**64):
            with pytest.raises(fa.FormatError, match=str(declared)):
                acc.decompress(frame, max_output=limit)
        with pytest.raises(fa.FormatError):
            acc.decompress_into(frame, bytearray(100))
        found = acc.decompress_many([frame, acc.compress(b"good")], return_exceptions=True)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
    assert isinstance(found[0], fa.FormatError)
    assert found[1] == b"good"


@pytest.mark.parametrize("linked", [False, True], ids=["independent", "linked"])
def test_a_bomb_stops_at_the_limit(acc: fa.Accelerator, linked: bool) -> None:
    frame = lz4.frame.compress(zeros(500 * MIB), store_size=False, block_linked=linked, block_size=7)
    tracemalloc.start()
    try:
        with pytest.raises(fa.OutputLimitError):
            acc.decompress(frame, max_output=1000)
        assert tracemalloc.get_traced_memory()[1] < 256 * MIB
    finally:
        tracemalloc.stop()


def test_a_content_size_that_is_wrong_is_malformed(acc: fa.Accelerator) -> None:
    for linked, declared in itertools.product((False, True), (1, 99, 101, 20_000)):
        frame = frames.header(independent=not linked, content_size=declared) + frames.block(frames.packed(text(100)))
        with pytest.raises(fa.FormatError):
            acc.decompress(frame + frames.END)


def test_a_content_size_of_0_means_unknown_as_in_the_library(acc: fa.Accelerator) -> None:
    for linked in (False, True):
        frame = frames.header(independent=not linked, content_size=0) + frames.block(frames.packed(text(100)))
        frame += frames.END
        assert lz4.frame.decompress(frame) == text(100)
        assert acc.decompress(frame) == text(100)
        assert acc.decompress_into(frame, bytearray(100)) == 100
        with pytest.raises(fa.OutputLimitError):
            acc.decompress(frame, max_output=99)


def test_a_content_size_of_0_does_not_hide_a_bomb(acc: fa.Accelerator) -> None:
    block = frames.block(frames.packed(zeros(4 * MIB)))
    frame = frames.header(7, content_size=0) + block * 100 + frames.END
    tracemalloc.start()
    try:
        with pytest.raises(fa.OutputLimitError):
            acc.decompress(frame, max_output=1000)
        with pytest.raises(fa.BufferTooSmallError):
            acc.decompress_into(frame, bytearray(1000))
        assert tracemalloc.get_traced_memory()[1] < 256 * MIB
    finally:
        tracemalloc.stop()


# ---- garbage ----

CYCLES = """
import gc, sys
import fpga_accel as fa

acc = fa.Accelerator(sys.argv[1], fallback="never")
frame = acc.compress(b"abc" * 1000)
for _ in range(10):
    for call, data in ((acc.compress_into, b"abc" * 1000), (acc.decompress_into, frame)):
        for out in (bytearray(10), memoryview(bytearray(10))):
            try:
                call(data, out)
            except fa.BufferTooSmallError as error:
                cycle = [error]
                cycle.append(cycle)
                del cycle
    gc.collect()
"""


def test_an_error_in_a_reference_cycle_is_collected(backend: Backend) -> None:
    # CPython before 3.11.8 and 3.12.2 crashes where a cycle has a memoryview with a buffer that is still held
    # (python/cpython#77894), as the traceback of an error may have. In a process of its own, to outlive that.
    command = [sys.executable, "-W", "ignore", "-c", CYCLES, backend.id]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


# ---- threads of the CPU path ----


@pytest.mark.parametrize("options", [{}, {"block_checksum": True}, {"content_checksum": True}])
def test_large_frames_are_decoded_on_threads(options: dict[str, bool]) -> None:
    content = text(7 * MIB) + noise(3 * MIB + 5) + zeros(MIB)
    frame = lz4.frame.compress(content, block_linked=False, block_size=5, **options)
    assert len(frame) > 4 * MIB
    with fa.Accelerator("cpu", threads=2) as acc:
        assert acc.decompress(frame) == content
        out = bytearray(len(content) + 9)
        assert acc.decompress_into(frame, out) == len(content)
        assert out[: len(content)] == content
        with pytest.raises(fa.BufferTooSmallError):
            acc.decompress_into(frame, bytearray(len(content) - 1))
        with pytest.raises(fa.OutputLimitError):
            acc.decompress(frame, max_output=len(content) - 1)


@pytest.mark.parametrize("into", [False, True])
@pytest.mark.parametrize("options", [{"block_checksum": True}, {"content_checksum": True}])
def test_damage_in_a_large_frame_is_what_the_library_says(options: dict[str, bool], into: bool) -> None:
    content = text(7 * MIB) + noise(3 * MIB)
    frame = bytearray(lz4.frame.compress(content, block_linked=False, block_size=5, **options))
    with fa.Accelerator("cpu", threads=2) as threads, fa.Accelerator("cpu", threads=1) as alone:
        for position in (14, 15, 16, 20, len(frame) // 2, len(frame) - 3 * MIB // 2, len(frame) - 9, len(frame) - 3):
            frame[position] ^= 0x40
            errors = []
            for acc in (threads, alone):
                with pytest.raises(fa.FpgaAccelError) as error:
                    acc.decompress_into(frame, bytearray(len(content))) if into else acc.decompress(frame)
                errors.append(type(error.value))
            assert errors[0] is errors[1]
            frame[position] ^= 0x40
