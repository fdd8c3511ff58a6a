"""Zstandard files of other writers, damaged and hostile ones, streams in slices, and random access."""

from __future__ import annotations

import gc
import io
import shutil
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import required
import zstandard
from conftest import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import KIB, MIB, around, mixed, noise, text, zeros

import fpga_accel as fa
from fpga_accel import zstd_seekable
from fpga_accel.operations import zstd_stream

MAGIC = bytes.fromhex("28b52ffd")
RAW, RLE, COMPRESSED, TREELESS = range(4)
PREDEFINED, ONE_SYMBOL, FITTED, REPEAT = range(4)
BLOCK = 128 * KIB
# Around blocks, and where the content size takes another field.
SIZES = (0, 1, *around(255, 256, 65_535 + 256, 127 * KIB, BLOCK, 129 * KIB))


def skippable(content: bytes, number: int = 0) -> bytes:
    return struct.pack("<II", 0x184D2A50 + number, len(content)) + content


def read(data: bytes) -> bytes:
    """The content of joined frames, by the reference library."""
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
        return reader.read()


def frame(data: bytes, level: int = 3, *, checked: bool = False, sized: bool = True) -> bytes:
    made = zstandard.ZstdCompressor(level=level, write_checksum=checked, write_content_size=sized)
    return made.compress(data)


def framed(*blocks: tuple[int, int, bytes], content: int | None = None, window: int = 0x38) -> bytes:
    """Make a frame of blocks (type, size, bytes) by hand; by default with a window of 128 KiB."""
    head = MAGIC + bytes([0x80 if content is not None else 0, window])
    head += b"" if content is None else struct.pack("<I", content)
    body = b"".join(
        (size << 3 | kind << 1 | (number == len(blocks))).to_bytes(3, "little") + data
        for number, (kind, size, data) in enumerate(blocks, 1)
    )
    return head + body


# ---- the zstd command and other libraries ----


@pytest.fixture(scope="session")
def command() -> str:
    """Path of the `zstd` command."""
    return shutil.which("zstd") or required.missing("zstd", "PATH has no zstd command")


def ran(command: str, *arguments: str, data: bytes) -> bytes:
    done = subprocess.run([command, "-q", "-c", *arguments], input=data, capture_output=True, check=True)
    return done.stdout


WAYS = (
    ("-1",),
    ("-3",),
    ("-9",),
    ("-19",),
    ("--ultra", "-22"),
    ("--fast=5",),
    ("-3", "--long=27"),
    ("-1", "-T2", "-B512K"),
    ("-3", "--no-check"),
    ("-3", "--no-content-size"),
    ("-5", "--rsyncable", "-T2"),
    ("-7", "--target-compressed-block-size=1500"),
)


def test_files_of_the_command_are_read(acc: fa.Accelerator, command: str, tmp_path: Path) -> None:
    contents = (b"", b"x", text(5000), mixed(700 * KIB))
    made, items = [], []
    path = tmp_path / "content"
    for content in contents:
        path.write_bytes(content)
        for way in WAYS:
            # From a file the size is known, from a pipe it is not.
            made += [ran(command, *way, str(path), data=b""), ran(command, *way, data=content)]
            items += [content, content]
    assert acc.decompress_many(made, "zstd") == items
    with fa.open(io.BytesIO(b"".join(made)), "rb", accelerator=acc) as stream:
        assert stream.read() == b"".join(items)


def test_the_command_reads_ours(acc: fa.Accelerator, command: str) -> None:
    contents = (b"", b"x", text(BLOCK + 1), noise(BLOCK), mixed(700 * KIB))
    for content in contents:
        for options in ({}, {"checksum": True}, {"seekable": True}, {"level": -5}):
            assert ran(command, "-d", data=acc.compress(content, "zstd", **options)) == content
        held = io.BytesIO()
        with fa.open(held, "wb", "zstd", accelerator=acc, checksum=True) as stream:
            stream.write(content)
        assert ran(command, "-d", data=held.getvalue()) == content


@pytest.mark.parametrize("name", ["zstandard", "backports.zstd", "cramjam"])
def test_libraries_and_we_read_each_other(acc: fa.Accelerator, name: str) -> None:
    library: Any = pytest.importorskip(name)
    if name == "cramjam":
        library = library.zstd
    contents = (b"x", text(20_000), noise(3000), mixed(300 * KIB), zeros(BLOCK + 1))
    for level in (1, 3, 9, 19):
        made = [bytes(library.compress(content, level)) for content in contents]
        assert acc.decompress_many(made, "zstd") == list(contents)
    for content, ours in zip(contents, acc.compress_many(list(contents), "zstd", checksum=True), strict=True):
        assert bytes(library.decompress(ours)) == content


# ---- windows ----


def test_the_largest_window_is_read(acc: fa.Accelerator, command: str) -> None:
    content = mixed(300 * KIB)
    for way in (("--long=27",), ("--ultra", "-22")):
        made = ran(command, *way, data=content)
        assert zstandard.get_frame_parameters(made).window_size == 128 * MIB
        assert acc.decompress(made, "zstd") == content


def test_larger_windows_are_refused(acc: fa.Accelerator, command: str) -> None:
    for log in (28, 30):
        made = ran(command, f"--long={log}", data=text(3000))
        assert zstandard.get_frame_parameters(made).window_size == 1 << log
        with pytest.raises(fa.FormatError, match=f"window of {1 << log} bytes"):
            acc.decompress(made, "zstd")
        assert isinstance(acc.decompress_many([made], "zstd", return_exceptions=True)[0], fa.FormatError)
        with (
            fa.open(io.BytesIO(made), "rb", "zstd", accelerator=acc) as stream,
            pytest.raises(fa.FormatError, match=f"window of {1 << log} bytes"),
        ):
            stream.read()


def test_all_forms_treat_a_large_window_of_a_declared_size_alike(acc: fa.Accelerator) -> None:
    made = framed((RAW, 5, b"hello"), content=5, window=0x98)
    assert zstandard.get_frame_parameters(made).window_size == 512 * MIB
    joined = made + frame(b"world")
    assert acc.decompress(made, "zstd") == b"hello"
    assert acc.decompress(joined, "zstd") == b"helloworld"
    assert acc.decompress_many([made, joined], "zstd") == [b"hello", b"helloworld"]
    out = bytearray(5)
    assert acc.decompress_into(made, out, "zstd") == 5
    with fa.open(io.BytesIO(joined), "rb", "zstd", accelerator=acc) as stream:
        assert stream.read() == b"helloworld"


# ---- rare ways to code, each of which must occur ----


def blocks_of(whole: bytes) -> Iterator[tuple[int, bytes]]:
    """Types and contents of a frame's blocks (RFC 8878, 3.1.1.2)."""
    at, last = zstandard.frame_header_size(whole), False
    while not last:
        head = int.from_bytes(whole[at : at + 3], "little")
        last, kind, size = bool(head & 1), head >> 1 & 3, head >> 3
        size = 1 if kind == RLE else size
        yield kind, whole[at + 3 : at + 3 + size]
        at += 3 + size


def ways_of(block: bytes) -> Iterator[tuple[str, int]]:
    """Yield how a compressed block is coded (3.1.1.3)."""
    kind, form = block[0] & 3, block[0] >> 2 & 3
    yield "literals", kind
    if kind in (RAW, RLE):
        size, shift = ((1, 3), (2, 4), (1, 3), (3, 4))[form]
        count = int.from_bytes(block[:size], "little") >> shift
        at = size + (1 if kind == RLE else count)
    else:
        size, width = ((3, 10), (3, 10), (4, 14), (5, 18))[form]
        at = size + (int.from_bytes(block[:size], "little") >> 4 + width)
        yield "streams", 4 if form else 1
        if kind == COMPRESSED:
            yield "direct weights", block[size] >= 128
    if block[at]:
        yield from _sequence_ways(block, at)


def _sequence_ways(block: bytes, at: int) -> Iterator[tuple[str, int]]:
    first = block[at]
    at += 1 if first < 128 else 3 if first == 255 else 2
    yield "bytes of the count", 1 if first < 128 else 3 if first == 255 else 2
    modes = block[at]
    lengths, offsets, matches = modes >> 6, modes >> 4 & 3, modes >> 2 & 3
    yield from (("literal lengths", lengths), ("offsets", offsets), ("match lengths", matches))
    if offsets == ONE_SYMBOL and lengths != FITTED:
        # Offset codes 0 and 1 are those of repeated offsets alone (3.1.1.5).
        yield "all offsets of code", block[at + 1 + (lengths == ONE_SYMBOL)]


def _records(count: int, size: int, changed: int) -> bytes:
    """Records that differ in one byte each: every match repeats the offset before."""
    unit = noise(size)
    chance = np.random.default_rng(size)
    made = []
    for _ in range(count):
        at = int(chance.integers(1, size - 1)) if changed < 0 else changed
        made.append(unit[:at] + chance.bytes(1) + unit[at + 1 :])
    return b"".join(made)


@cache
def rare() -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Contents, and frames of them at several levels."""
    chance = np.random.default_rng(3)
    digits = bytes(chance.integers(0, 7, 3000, np.uint8))
    contents = [
        text(400 * KIB),
        mixed(600 * KIB),
        digits,
        bytes(chance.geometric(0.02, 20_000).clip(0, 255).astype(np.uint8)),
        text(300),
        b"".join(b"%06d;name;%d\n" % (n * 7, n % 10) for n in range(30_000)),
        _records(3000, 100, 50),
        _records(2000, 200, -1),
        zeros(300 * KIB),
        b"abcdefgh" * 3 + b"x",
        (noise(40) + b"x" * 40) * 9,
        (b"abcd" * 10 + b"efgh" * 10) * 2000,
    ]
    made, items = [], []
    for level in (-5, 1, 3, 6, 9, 13, 19, 22):
        for content in contents:
            items.append(content)
            made.append(frame(content, level, checked=level % 2 == 0))
    return tuple(items), tuple(made)


def test_every_way_to_code_occurs_and_is_read(acc: fa.Accelerator) -> None:
    items, made = rare()
    found = Counter[tuple[str, int]]()
    for each in made:
        for kind, block in blocks_of(each):
            found["block", kind] += 1
            if kind == COMPRESSED:
                found.update(ways_of(block))
    wanted = {("block", kind) for kind in (RAW, RLE, COMPRESSED)}
    wanted |= {("literals", kind) for kind in (RAW, RLE, COMPRESSED, TREELESS)}
    wanted |= {("streams", 1), ("streams", 4), ("direct weights", 0), ("direct weights", 1)}
    wanted |= {("bytes of the count", count) for count in (1, 2)}
    for table in ("literal lengths", "offsets", "match lengths"):
        wanted |= {(table, mode) for mode in (PREDEFINED, ONE_SYMBOL, FITTED, REPEAT)}
    wanted |= {("all offsets of code", 0)}
    assert wanted - found.keys() == set()
    assert acc.decompress_many(list(made), "zstd") == list(items)


# ---- damage ----


@cache
def small_frames() -> tuple[bytes, ...]:
    chance = np.random.default_rng(9)
    contents = [
        b"",
        b"x",
        b"ab" * 40,
        text(120),
        text(450),
        noise(60),
        bytes(chance.integers(0, 5, 300, np.uint8)),
        bytes(chance.geometric(0.2, 420).astype(np.uint8)),
        _records(8, 40, 20),
        zeros(3000),
    ]
    return tuple(
        frame(content, 19 if number % 2 else 1, checked=checked, sized=(number + checked) % 3 > 0)
        for number, content in enumerate(contents)
        for checked in (False, True)
    )


def by_library(data: bytes) -> bytes | None:
    """The content of exactly one frame, by the reference library; None where it refuses it."""
    decoder = zstandard.ZstdDecompressor().decompressobj()
    try:
        content = decoder.decompress(data)
    except zstandard.ZstdError:
        return None
    return content if decoder.eof and not decoder.unused_data else None


def by_stream(acc: fa.Accelerator, data: bytes) -> bytes | Exception:
    try:
        with fa.open(io.BytesIO(data), "rb", "zstd", accelerator=acc, max_output=MIB) as stream:
            content: bytes = stream.read()
            return content
    except fa.FpgaAccelError as error:
        return error


def alone(acc: fa.Accelerator, data: bytes | memoryview) -> bytes | Exception:
    try:
        return acc.decompress(data, "zstd", max_output=MIB)
    except fa.FpgaAccelError as error:
        return error


def outcome(result: object) -> object:
    """Contents as they are; of an error, its type."""
    return type(result) if isinstance(result, Exception) else result


def test_every_truncation_is_told_as_one_by_every_form(acc: fa.Accelerator) -> None:
    cuts = [whole[:end] for whole in small_frames() for end in range(len(whole))]
    assert len(cuts) > 1000
    found = acc.decompress_many(cuts, "zstd", return_exceptions=True, max_output=MIB)
    assert {type(error) for error in found} == {fa.TruncatedError}
    for cut in cuts:
        assert by_library(cut) is None
    for cut in cuts[::7]:
        assert outcome(alone(acc, cut)) is fa.TruncatedError
        assert outcome(by_stream(acc, cut)) is fa.TruncatedError


@cache
def flipped() -> tuple[bytes, ...]:
    made = []
    for number, whole in enumerate(small_frames()):
        for bit in range(number % 3, 8 * len(whole), 1 if len(whole) < 40 else 5):
            changed = bytearray(whole)
            changed[bit // 8] ^= 1 << bit % 8
            made.append(bytes(changed))
    return tuple(made)


def test_flipped_bits_end_alike_in_every_form_and_library(acc: fa.Accelerator) -> None:
    items = list(flipped())
    found = acc.decompress_many(items, "zstd", return_exceptions=True, max_output=MIB)
    stricter = 0
    for item, result in zip(items, found, strict=True):
        expected = by_library(item)
        if isinstance(result, Exception) and expected is not None:
            # The differences: Huffman streams that do not end with their last symbol, codes of 12 bits, and compressed
            # blocks of no bytes.
            assert "Huffman" in str(result) or "block of a size" in str(result)
            stricter += 1
        else:
            assert (None if isinstance(result, fa.FpgaAccelError) else result) == expected
    assert len(items) > 1000
    assert stricter < len(items) // 10
    for item, result in list(zip(items, found, strict=True))[::5]:
        assert outcome(alone(acc, item)) == outcome(result)
        streamed = by_stream(acc, item)
        assert isinstance(streamed, Exception) == isinstance(result, Exception)
        assert isinstance(streamed, Exception) or streamed == result


def test_compressed_blocks_of_no_bytes_are_refused_by_every_form(acc: fa.Accelerator) -> None:
    for content in (None, 0):
        for size in (0, 1):
            made = framed((RAW, 0, b""), (COMPRESSED, size, bytes(size)), content=content)
            for whole in (made, frame(b"x") + made):
                assert outcome(alone(acc, whole)) is fa.FormatError
                assert outcome(by_stream(acc, whole)) is fa.FormatError
    made = framed(*[(RLE, BLOCK, b"a")] * 40, (COMPRESSED, 0, b""))
    with fa.open(io.BytesIO(made), "rb", "zstd", accelerator=acc) as stream, pytest.raises(fa.FormatError):
        stream.read()


def test_errors_in_cycles_are_collected(acc: fa.Accelerator) -> None:
    whole = frame(text(450), sized=False)
    bad = [whole[:-1], whole[:20] + bytes(9) + whole[29:], framed((3, 1, b"x")), frame(text(450))[:-4] + bytes(4)]
    # Collections look at what is made from here on alone; all of a test process takes half a second each.
    gc.freeze()
    for each in bad * 12:
        error = alone(acc, memoryview(each))
        assert isinstance(error, fa.FpgaAccelError)
        # The error holds itself, and so does each view: only a collection ends them.
        kept: list[object] = [error]
        kept.append(kept)
        error.__dict__["itself"] = kept
        del error, kept
        gc.collect()
    gc.unfreeze()


# ---- bombs ----

BOMB = 200 << 20
# A small buffer on a device, the slabs of a stream, and what else comes by.
MEMORY = 48 << 20
SECONDS = 3.0


@cache
def bombs() -> dict[str, bytes]:
    blocks = [(RLE, BLOCK, b"\0")] * (BOMB // BLOCK)
    piece = zeros(BOMB)
    return {
        "sized": frame(piece, 1),
        "unsized": frame(piece, 1, sized=False),
        "RLE blocks": framed(*blocks),
        "RLE blocks, sized": framed(*blocks, content=BOMB),
        "joined": frame(zeros(MIB), 1) * 200,
        "joined, unsized": frame(zeros(MIB), 1, sized=False) * 200,
    }


def peak_growth(call: Callable[[], object]) -> int:
    """Bytes by which the process grows at most during a call."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pytest.skip("/proc/self/clear_refs cannot be written")
    before = _resident("VmRSS")
    call()
    return _resident("VmHWM") - before


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * KIB


def limited(acc: fa.Accelerator, form: str, bomb: bytes) -> None:
    if form == "one-shot":
        acc.decompress(bomb, "zstd", max_output=1000)
    elif form == "into":
        acc.decompress_into(bomb, bytearray(5000), "zstd", max_output=1000)
    else:
        with fa.open(io.BytesIO(bomb), "rb", "zstd", accelerator=acc, max_output=1000) as stream:
            stream.read()


@pytest.mark.parametrize("form", ["one-shot", "batch", "into", "stream"])
@pytest.mark.parametrize("name", ["sized", "unsized", "RLE blocks", "RLE blocks, sized", "joined", "joined, unsized"])
def test_bombs_are_refused_soon_and_in_little_memory(acc: fa.Accelerator, name: str, form: str) -> None:
    bomb = bombs()[name]
    alone(acc, frame(b"x"))

    def call() -> None:
        if form == "batch":
            found = acc.decompress_many([bomb] * 3, "zstd", max_output=1000, return_exceptions=True)
            assert {type(each) for each in found} == {fa.OutputLimitError}
            return
        with pytest.raises(fa.OutputLimitError):
            limited(acc, form, bomb)

    began = time.process_time()
    assert peak_growth(call) < MEMORY
    assert time.process_time() - began < SECONDS


# ---- streams in slices, skippable frames ----

SOURCE = mixed(400 * KIB)


@given(
    slices=st.lists(st.tuples(st.integers(0, 300 * KIB), st.integers(0, 90 * KIB), st.booleans()), max_size=6),
    reads=st.lists(st.integers(1, 100 * KIB), min_size=1, max_size=5),
    checked=st.booleans(),
)
@settings(max_examples=25)
def test_streams_in_any_slices_come_back(
    acc: fa.Accelerator, slices: list[tuple[int, int, bool]], reads: list[int], checked: bool
) -> None:
    held, content = io.BytesIO(), b""
    with fa.open(held, "wb", "zstd", accelerator=acc, checksum=checked) as writer:
        for start, size, flush in slices:
            piece = SOURCE[start : start + size]
            assert writer.write(piece) == len(piece)
            content += piece
            if flush:
                writer.flush()
                assert read(held.getvalue()) == content
    made = held.getvalue()
    assert read(made) == content
    assert acc.decompress(made, "zstd") == content
    parts: list[bytes] = []
    with fa.open(io.BytesIO(made), "rb", accelerator=acc) as reader:
        while part := reader.read(reads[len(parts) % len(reads)]):
            parts.append(part)
    assert b"".join(parts) == content


@given(data=st.data())
@settings(max_examples=25)
def test_skippable_frames_anywhere_are_passed_over(acc: fa.Accelerator, data: st.DataObject) -> None:
    made, content = b"", b""
    for _ in range(data.draw(st.integers(0, 4))):
        for _ in range(data.draw(st.integers(0, 2))):
            made += skippable(data.draw(st.binary(max_size=40)), data.draw(st.integers(0, 15)))
        start = data.draw(st.integers(0, 300 * KIB))
        piece = SOURCE[start : start + data.draw(st.integers(0, 3000))]
        made += frame(piece, data.draw(st.sampled_from([-3, 1, 5, 12])), sized=data.draw(st.booleans()))
        content += piece
    made += skippable(data.draw(st.binary(max_size=40)), data.draw(st.integers(0, 15)))
    assert acc.decompress(made, "zstd") == content
    assert acc.decompress_many([made, made], "zstd") == [content, content]
    out = bytearray(len(content) + 1)
    assert acc.decompress_into(made, out, "zstd") == len(content)
    assert out[: len(content)] == content
    with fa.open(io.BytesIO(made), "rb", "zstd", accelerator=acc) as stream:
        assert stream.read() == content


def test_the_work_for_small_frames_is_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, frames = 0, 500

    def summed(sizes: Iterator[int]) -> int:
        nonlocal counted
        each = list(sizes)
        counted += len(each)
        return sum(each)

    monkeypatch.setattr(zstd_stream, "sum", summed, raising=False)
    data = b"".join(frame(b"row %d of a table" % number) for number in range(frames))
    with fa.open(io.BytesIO(data), accelerator=fa.Accelerator("cpu")) as stream:
        assert stream.read().count(b"row") == frames
    # Each frame has a header and one block.
    assert counted <= 4 * frames


# ---- random access ----


@given(data=st.data())
@settings(max_examples=15)
def test_seekable_files_are_read_at_random_positions(acc: fa.Accelerator, data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([0, 1, 64 * KIB, 64 * KIB + 1, 300 * KIB + 7]))
    content = SOURCE[:size]
    options: dict[str, Any] = {"checksum": data.draw(st.booleans())}
    options["frame_size"] = data.draw(st.sampled_from([64 * KIB, 100_000]))
    if data.draw(st.booleans()):
        made = acc.compress(content, "zstd", seekable=True, **options)
    else:
        held = io.BytesIO()
        with fa.open(held, "wb", "zstd", accelerator=acc, seekable=True, **options) as writer:
            writer.write(content)
        made = held.getvalue()
    assert read(made) == content
    with zstd_seekable.open(io.BytesIO(made), accelerator=acc) as reader:
        assert reader.size == len(content)
        expected = io.BytesIO(content)
        for _ in range(data.draw(st.integers(1, 6))):
            at, count = data.draw(st.integers(0, size + 9)), data.draw(st.integers(0, 120 * KIB))
            assert reader.seek(at) == expected.seek(at)
            assert reader.read(count) == expected.read(count)
            assert reader.tell() == expected.tell()


def test_damaged_seekable_files_are_refused(acc: fa.Accelerator) -> None:
    content = SOURCE[: 200 * KIB]
    made = acc.compress(content, "zstd", seekable=True, frame_size=64 * KIB, checksum=True)
    entries = 4
    table = len(made) - 9 - 12 * entries
    for at, wrong in ((table, fa.FormatError), (table + 4, fa.FpgaAccelError), (table + 8, fa.IntegrityError)):
        changed = bytearray(made)
        changed[at] ^= 1
        with pytest.raises(wrong), zstd_seekable.open(io.BytesIO(changed), accelerator=acc) as reader:
            reader.read()
    for end in (0, 5, len(made) - 1, len(made) // 2):
        with pytest.raises(fa.FormatError):
            zstd_seekable.open(io.BytesIO(made[:end]), accelerator=acc)


# ---- sizes and levels ----


def test_contents_around_blocks_go_both_ways(acc: fa.Accelerator) -> None:
    for contents in (text, noise, zeros):
        items = [contents(size) for size in SIZES]
        for level in (-3, 1, 7):
            for sized in (False, True):
                made = [frame(item, level, checked=True, sized=sized) for item in items]
                assert acc.decompress_many(made, "zstd") == items
        ours = acc.compress_many(items, "zstd")
        assert [read(each) for each in ours] == items
        assert acc.decompress_many(ours, "zstd") == items


@pytest.mark.parametrize("level", range(-7, 23))
def test_every_legal_level_is_written_where_it_can_be(acc: fa.Accelerator, backend: Backend, level: int) -> None:
    content = text(30_000)
    assert acc.decompress(frame(content, level), "zstd") == content
    if backend.is_device and (level == 0 or level > 1):
        with pytest.raises(fa.FallbackDisabledError):
            acc.compress(content, "zstd", level=level)
        return
    assert read(acc.compress(content, "zstd", level=level)) == content


@pytest.mark.parametrize("level", [-(1 << 17) - 1, -8, 23, 100])
def test_illegal_levels_are_refused_by_every_form(acc: fa.Accelerator, tmp_path: Path, level: int) -> None:
    path = tmp_path / "never.zst"
    calls: tuple[Callable[[], object], ...] = (
        lambda: acc.compress(b"x", "zstd", level=level),
        lambda: acc.compress_many([b"x", b"y"], "zstd", level=level),
        lambda: acc.compress_into(b"x", bytearray(100), "zstd", level=level),
        lambda: fa.open(path, "wb", accelerator=acc, level=level),
    )
    for call in calls:
        with pytest.raises(ValueError, match="-7 to 22"):
            call()
    assert not path.exists()
