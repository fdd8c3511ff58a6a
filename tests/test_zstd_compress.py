"""Zstandard frames of every backend, read by python-zstandard, the `zstd` command, backports.zstd and cramjam."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import required
import sizes
import xxhash
import zstandard
from conftest import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import KIB, MIB, around, mixed, noise, text, zeros

import fpga_accel as fa
from fpga_accel.operations.codecs import Start
from fpga_accel.operations.zstd_compress import CompressOptions, Encoder

Contents = Callable[[int], bytes]

BLOCK, ROW = 64 * KIB, MIB
TEXT = text(700 * KIB + 3)
RAW, RLE, COMPRESSED = range(3)
FITTED = 2
SEEKABLE = struct.pack("<I", 0x8F92EAB1)


def read(data: bytes) -> bytes:
    """The content of joined frames, by the reference library; skippable frames are passed over."""
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
        return reader.read()


def blocks_of(frame: bytes) -> list[tuple[int, bytes]]:
    """Types and contents of a frame's blocks, by RFC 8878 section 3.1.1.2."""
    at = zstandard.frame_header_size(frame)
    found, last = [], False
    while not last:
        header = int.from_bytes(frame[at : at + 3], "little")
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        size = 1 if kind == RLE else size
        found.append((kind, frame[at + 3 : at + 3 + size]))
        at += 3 + size
    assert len(frame) - at == 4 * zstandard.get_frame_parameters(frame).has_checksum
    return found


def literals_of(block: bytes) -> tuple[int, int, int, bytes]:
    """Literals' type, size format and regenerated size, and the sequences section (section 3.1.1.3.1)."""
    kind, form = block[0] & 3, block[0] >> 2 & 3
    if kind < COMPRESSED:
        header, shift, width = {0: (1, 3, 5), 1: (2, 4, 12), 2: (1, 3, 5), 3: (3, 4, 20)}[form]
        size = int.from_bytes(block[:header], "little") >> shift & (1 << width) - 1
        return kind, form, size, block[header + (1 if kind == RLE else size) :]
    header, width = {0: (3, 10), 1: (3, 10), 2: (4, 14), 3: (5, 18)}[form]
    both = int.from_bytes(block[:header], "little") >> 4
    return kind, form, both & (1 << width) - 1, block[header + (both >> width) :]


def modes_of(sequences: bytes) -> tuple[int, int, int] | None:
    """The modes of literal lengths, offsets and match lengths; None without sequences."""
    if not sequences[0]:
        return None
    modes = sequences[1 if sequences[0] < 128 else 2]
    return modes >> 6, modes >> 4 & 3, modes >> 2 & 3


@pytest.fixture(scope="session")
def zstd_command() -> str:
    """Path of the `zstd` command."""
    return shutil.which("zstd") or required.missing("zstd", "PATH has no zstd command")


# ---- where it ran ----


def test_work_runs_on_the_backend_and_the_receipt_says_so(acc: fa.Accelerator, backend: Backend) -> None:
    assert read(acc.compress(TEXT, "zstd")) == TEXT
    receipt = acc.last_receipt
    assert receipt is not None
    assert (receipt.op, receipt.algorithm, receipt.bytes_in) == ("compress", "zstd", len(TEXT))
    assert not receipt.fallback
    assert receipt.backend == backend.path


# ---- round trips ----


@pytest.mark.parametrize("contents", sizes.PATTERNS.values(), ids=sizes.PATTERNS)
def test_every_size_comes_back(acc: fa.Accelerator, contents: Contents) -> None:
    edges = around(0, 4, 8, 9, 16, 32, 63, 128, 255, 1023, 4096, BLOCK, 128 * KIB, BLOCK + 256, ROW, ROW + BLOCK)
    items = [contents(size) for size in edges]
    made = acc.compress_many(items, "zstd")
    for item, frame in zip(items, made, strict=True):
        assert read(frame) == item
        assert zstandard.frame_content_size(frame) == len(item)
        assert len(frame) <= acc.compress_bound(len(item), "zstd")
    for item, frame in list(zip(items, made, strict=True))[::5]:
        assert acc.compress(item, "zstd") == frame


@given(data=st.data())
@settings(max_examples=40)
def test_any_mix_of_contents_and_options_comes_back(acc: fa.Accelerator, data: st.DataObject) -> None:
    source = mixed(600 * KIB)
    pieces = data.draw(st.lists(st.tuples(st.integers(0, len(source)), st.integers(0, 150 * KIB)), max_size=4))
    content = b"".join(source[start : start + size] for start, size in pieces) + data.draw(st.binary(max_size=300))
    options: dict[str, Any] = {"level": data.draw(st.sampled_from([-7, -1, 1])), "checksum": data.draw(st.booleans())}
    if data.draw(st.booleans()):
        options |= {"seekable": True, "frame_size": data.draw(st.integers(64 * KIB, 200 * KIB))}
    made = acc.compress(content, "zstd", **options)
    assert read(made) == content
    assert len(made) <= acc.compress_bound(len(content), "zstd")


@given(items=st.lists(st.binary(max_size=600), max_size=30), checked=st.booleans())
@settings(max_examples=40)
def test_any_batch_of_small_items_comes_back(acc: fa.Accelerator, items: list[bytes], checked: bool) -> None:
    assert [read(frame) for frame in acc.compress_many(items, "zstd", checksum=checked)] == items


@given(
    alphabet=st.integers(1, 256),
    size=st.integers(0, 70_000),
    skew=st.sampled_from([0.003, 0.02, 0.1, 0.5, 0.9]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_any_distribution_of_literals_comes_back(
    acc: fa.Accelerator, alphabet: int, size: int, skew: float, seed: int
) -> None:
    drawn = np.random.default_rng(seed).geometric(skew, size) % alphabet
    content = drawn.astype(np.uint8).tobytes()
    assert read(acc.compress(content, "zstd")) == content


def test_codes_that_would_be_too_long_are_limited(acc: fa.Accelerator) -> None:
    # Fibonacci's numbers as counts make Huffman's tree as deep as it gets.
    counts = [1, 1]
    while sum(counts) < 40_000:
        counts.append(counts[-1] + counts[-2])
    literals = np.repeat(np.arange(len(counts), dtype=np.uint8), counts)
    np.random.default_rng(4).shuffle(literals)
    frame = acc.compress(literals.tobytes(), "zstd")
    assert read(frame) == literals.tobytes()
    assert literals_of(blocks_of(frame)[0][1])[0] == COMPRESSED


@pytest.mark.parametrize("period", [1, 2, 3, 4, 5, 7, 8, 9, 15, 31, 33, 255, 257, 4097, 65535, 65537, 131071, 400_000])
def test_short_and_far_periods_come_back(acc: fa.Accelerator, period: int) -> None:
    unit = noise(period)
    items = [(unit * (size // period + 1))[:size] for size in (100, 70_001, 900_000)]
    assert [read(frame) for frame in acc.compress_many(items, "zstd")] == items


def test_lengths_of_every_code_come_back(acc: fa.Accelerator) -> None:
    """Literal runs and matches at each border of the codes (sections 3.1.1.3.2.1.1), by distances that repeat."""
    borders = sorted({*around(3, 16, 18, 20, 24, 28, 32, 40, 48, 64, 128, 131, 256, 259, 512, 515, 1024, 1027, 2051)})
    borders += around(4096, 4099, 8195, 16384, 16387, 32768, 32771)
    fresh, parts, unit = noise(900 * KIB), [], noise(40 * KIB)[::-1]
    at = 0
    for run in borders:
        for match in (run, 40):
            parts += [fresh[at : at + run], unit[:match]]
            at += run
    content = unit + b"".join(parts)
    frame = acc.compress(content, "zstd", checksum=True)
    assert read(frame) == content


def test_repeated_distances_in_turns_come_back(acc: fa.Accelerator) -> None:
    chance = np.random.default_rng(8)
    made = bytearray(noise(3000))
    for _ in range(12_000):
        distance = int(chance.choice([100, 500, 501, 499, 1500, 2999]))
        size = int(chance.integers(4, 30))
        made += made[-distance : -distance + size] if size < distance else made[-distance:]
        made += chance.bytes(int(chance.choice([0, 0, 1, 2, 9])))
    content = bytes(made)
    assert len(content) > 2 * BLOCK
    frame = acc.compress(content, "zstd")
    assert read(frame) == content
    # Rows other than the first cannot know what the frame's earlier rows left.
    joined = noise(ROW - 1) + b"z" + content
    assert read(acc.compress(joined, "zstd")) == joined


@pytest.mark.kernels
def test_a_row_looks_back_into_the_one_before(acc: fa.Accelerator, backend: Backend) -> None:
    # Two rows of half each, in which nothing repeats but the first in the second.
    unit = noise(200 * KIB)
    frame = acc.compress(unit + unit, "zstd")
    assert read(frame) == unit + unit
    assert len(frame) < 1.05 * len(unit)
    with fa.Accelerator(backend.id, fallback="never", verify="always") as checked:
        assert checked.compress(unit + unit, "zstd") == frame


@pytest.mark.slow
def test_content_of_several_launches_comes_back(acc: fa.Accelerator) -> None:
    for size in around(16 * MIB, 33 * MIB):
        content = (text(5 * MIB) + noise(MIB) + zeros(3 * MIB)) * 4
        content = content[:size]
        frame = acc.compress(content, "zstd", checksum=True)
        assert read(frame) == content
        assert zstandard.frame_content_size(frame) == size


def test_files_of_the_corpus_come_back(acc: fa.Accelerator, corpus_file: bytes) -> None:
    content = corpus_file[: 6 * MIB]
    frame = acc.compress(content, "zstd")
    assert read(frame) == content
    assert len(frame) < len(zstandard.compress(content, 1)) / 0.92


# ---- what blocks are made of ----


@pytest.mark.kernels
def test_blocks_are_of_the_type_that_is_smallest(acc: fa.Accelerator) -> None:
    content = text(BLOCK) + zeros(2 * BLOCK) + noise(BLOCK) + text(BLOCK)
    frame = acc.compress(content, "zstd")
    assert [kind for kind, _ in blocks_of(frame)] == [COMPRESSED, RLE, RLE, RAW, COMPRESSED]
    assert read(frame) == content
    # The first block is never RLE.
    assert [kind for kind, _ in blocks_of(acc.compress(zeros(2 * BLOCK), "zstd"))] == [COMPRESSED, RLE]


@pytest.mark.parametrize(
    ("size", "form"),
    [(33, 0), (255, 0), (256, 1), (257, 1), (1023, 1), (1024, 2), (1025, 2), (16383, 2), (16384, 3), (16385, 3)],
)
@pytest.mark.kernels
def test_literals_have_the_streams_of_their_size(acc: fa.Accelerator, size: int, form: int) -> None:
    content = np.random.default_rng(size).geometric(0.2, size).clip(0, 40).astype(np.uint8)
    # Distinct pairs hardly repeat in four bytes: all but a few bytes are literals.
    frame = acc.compress(content.tobytes(), "zstd")
    assert read(frame) == content.tobytes()
    kind, block = blocks_of(frame)[0]
    if kind == COMPRESSED:
        found = literals_of(block)
        if found[2] == size:
            assert found[:2] == (COMPRESSED, form)
    else:
        assert size < 64


@pytest.mark.kernels
def test_all_types_of_literals_and_all_modes_of_tables_occur(acc: fa.Accelerator) -> None:
    items = [TEXT, b"a" * 1000, noise(2000) * 2, b"abcdefgh" * 3, text(300), (noise(40) + b"x" * 40) * 9, zeros(BLOCK)]
    records = b"".join(b"%06d;name;%d\n" % (n * 7, n % 10) for n in range(5000))
    items += [records, b"q" * 50 + noise(20) + b"q" * 700, b"wwww" * 30 + noise(64) + b"wwww" * 50]
    # A block whose literals are the one byte between parts of what the block before repeats.
    unit = noise(60)
    items.append((unit * (BLOCK // 60 + 1))[:BLOCK] + b"".join(unit[at : at + 40] + b"~" for at in range(1, 20, 3)))
    kinds, modes = set(), set()
    for item, frame in zip(items, acc.compress_many(items, "zstd"), strict=True):
        assert read(frame) == item
        for kind, block in blocks_of(frame):
            if kind == COMPRESSED:
                literals, _, _, sequences = literals_of(block)
                kinds.add(literals)
                modes |= set(enumerate(modes_of(sequences) or ()))
    assert kinds == {RAW, RLE, COMPRESSED}
    assert {mode for _, mode in modes} == {0, 1, FITTED}
    assert {(alphabet, FITTED) for alphabet in range(3)} <= modes


# ---- options ----


def test_frames_say_what_was_asked(acc: fa.Accelerator) -> None:
    for content in (b"", b"x", text(255), text(256), text(65535 + 256), text(65536 + 256), TEXT):
        for checksum in (False, True):
            frame = acc.compress(content, "zstd", checksum=checksum)
            found = zstandard.get_frame_parameters(frame)
            assert (found.content_size, bool(found.has_checksum)) == (len(content), checksum)
            if checksum:
                assert frame[-4:] == xxhash.xxh64(content).digest()[::-1][:4]
            assert read(frame) == content


def test_a_wrong_checksum_would_be_seen(acc: fa.Accelerator) -> None:
    frame = bytearray(acc.compress(TEXT, "zstd", checksum=True))
    frame[-1] ^= 1
    with pytest.raises(zstandard.ZstdError):
        read(bytes(frame))


@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("size", [0, 1, 64 * KIB, 64 * KIB + 1, 500_000])
def test_seek_tables_lead_to_every_frame(acc: fa.Accelerator, size: int, checksum: bool) -> None:
    content = text(size)
    made = acc.compress(content, "zstd", seekable=True, frame_size=64 * KIB, checksum=checksum)
    assert read(made) == content
    check_seek_table(made, content, 64 * KIB, checksum)
    assert acc.compress_many([content, b"y"], "zstd", seekable=True, frame_size=64 * KIB, checksum=checksum)[0] == made


def check_seek_table(made: bytes, content: bytes, frame_size: int, checksum: bool) -> None:
    """Compare the table with the frames before it, by the seekable format's specification."""
    count, descriptor = struct.unpack("<IB", made[-9:-4])
    assert (made[-4:], descriptor) == (SEEKABLE, 0x80 if checksum else 0)
    width = 12 if checksum else 8
    entries = made[-9 - width * count : -9]
    table = len(made) - 9 - len(entries) - 8
    assert struct.unpack("<II", made[table : table + 8]) == (0x184D2A5E, len(entries) + 9)
    at = done = 0
    for n in range(count):
        entry = entries[n * width : (n + 1) * width]
        packed, plain = struct.unpack("<II", entry[:8])
        piece = content[done : done + frame_size]
        assert plain == len(piece)
        assert zstandard.decompress(made[at : at + packed]) == piece
        if checksum:
            assert entry[8:] == xxhash.xxh64(piece).digest()[::-1][:4]
        at, done = at + packed, done + plain
    assert (at, done) == (table, len(content))


@pytest.mark.parametrize("level", [0, 2, 3, 19, 22])
def test_a_harder_level_has_no_kernel(acc: fa.Accelerator, backend: Backend, level: int) -> None:
    if backend.is_device:
        with pytest.raises(fa.FallbackDisabledError, match="unsupported"):
            acc.compress(TEXT, "zstd", level=level)
        return
    assert read(acc.compress(TEXT, "zstd", level=level)) == TEXT


@pytest.mark.parametrize("level", [-8, 23, 1000])
def test_a_level_that_is_none_names_the_legal_ones(acc: fa.Accelerator, level: int) -> None:
    with pytest.raises(ValueError, match="-7 to 22"):
        acc.compress(TEXT, "zstd", level=level)


def test_frame_sizes_that_are_none_are_refused(acc: fa.Accelerator) -> None:
    for size in (-1, 0, 64 * KIB - 1, (1 << 30) + 1):
        with pytest.raises(ValueError, match="65536 to 1073741824"):
            acc.compress(TEXT, "zstd", seekable=True, frame_size=size)
    with pytest.raises(ValueError, match="seekable=True"):
        acc.compress(TEXT, "zstd", frame_size=MIB)


def test_the_same_input_gives_the_same_bytes(acc: fa.Accelerator, backend: Backend) -> None:
    content = mixed(1300 * KIB)
    frame = acc.compress(content, "zstd")
    assert acc.compress(content, "zstd") == frame
    assert acc.compress_many([b"", content, TEXT, content], "zstd")[1::2] == [frame, frame]
    out = bytearray(len(frame))
    assert acc.compress_into(content, out, "zstd") == len(frame)
    assert out == frame
    with fa.Accelerator(backend.id, fallback="never", threads=1) as other:
        assert other.compress(content, "zstd") == frame


# ---- other decoders ----


def test_the_zstd_command_reads_ours(acc: fa.Accelerator, zstd_command: str, tmp_path: Path) -> None:
    contents = [b"", b"x", TEXT, noise(200 * KIB), zeros(3 * MIB), mixed(MIB)]
    made = [acc.compress(content, "zstd", checksum=True) for content in contents]
    made += [acc.compress(content, "zstd", seekable=True) for content in contents]
    path = tmp_path / "all.zst"
    path.write_bytes(b"".join(made))
    subprocess.run([zstd_command, "-q", "-t", path], check=True)
    ran = subprocess.run([zstd_command, "-q", "-d", "-c", path], capture_output=True, check=True)
    assert ran.stdout == b"".join(contents) * 2


@pytest.mark.parametrize("decoder", ["backports.zstd", "cramjam"])
def test_other_libraries_read_ours(acc: fa.Accelerator, decoder: str) -> None:
    found = pytest.importorskip(decoder)
    decode = found.decompress if decoder == "backports.zstd" else lambda frame: bytes(found.zstd.decompress(frame))
    for content in (b"x", TEXT, noise(200 * KIB), zeros(MIB), mixed(MIB)):
        assert decode(acc.compress(content, "zstd", checksum=True)) == content


# ---- streams ----


@pytest.mark.parametrize(
    "options", [CompressOptions(), CompressOptions(checksum=True, seekable=True, frame_size=BLOCK)]
)
def test_streams_are_joined_frames(acc: fa.Accelerator, options: CompressOptions) -> None:
    def compress(content: Any, given: CompressOptions) -> Callable[[], bytes]:
        made = acc.compress(content, "zstd", level=given.level, checksum=given.checksum)
        return lambda: made

    started: Start = compress
    for content in (b"", b"x", text(300_000)):
        encoder = Encoder(options, started)
        slabs = [content[at : at + encoder.slab] for at in range(0, len(content), encoder.slab)]
        waits = [encoder.start(slab) for slab in slabs]
        made = b"".join((encoder.begin(), *(wait() for wait in waits), encoder.end()))
        assert read(made) == content
        if options.seekable:
            check_seek_table(made, content, BLOCK, options.checksum)
