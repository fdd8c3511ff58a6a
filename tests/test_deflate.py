"""DEFLATE compression on every backend, raw and wrapped, read by zlib, isal and the gzip, pigz and bgzip commands."""

from __future__ import annotations

import gzip
import platform
import random
import shutil
import struct
import subprocess
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import required
import sizes
from conftest import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import isal_zlib
from launches import launch_of
from sizes import KIB, MIB, around, mixed, noise, text, zeros

import fpga_accel as fa
from fpga_accel.backends.opencl import OpenClBackend
from fpga_accel.operations import deflate_compress, deflate_stream, registry
from fpga_accel.operations.codecs import Start
from fpga_accel.operations.contract import row_of
from fpga_accel.runtime import discovery, manifests
from fpga_accel.segments import Launch, Status, address_of, new_table

Contents = Callable[[int], bytes]

WBITS = {"deflate": -15, "zlib": 15, "gzip": 31}
FORMATS = (*WBITS, "bgzf")
# One level of each effort.
LEVELS = (0, 1, 3, 6, 9)
BLOCK, MEMBER = 128 * KIB, 65280
TEXT = text(300 * KIB + 3)

# The longest match, where the search ends before the end, a stored block, the window, a row, a member.
EDGES = around(3, 4, 8, 16, 258, 32 * KIB, 65535, MEMBER, BLOCK)
SIZES = tuple(sorted({*sizes.SMALL, *EDGES, 2 * BLOCK + 1, 3 * MEMBER}))

STORED, FIXED, DYNAMIC = range(3)


def by_zlib(data: bytes, format: str) -> bytes:
    """Decode by zlib: all of the data, and every member of BGZF."""
    if format == "bgzf":
        return b"".join(members(data))
    reader = zlib.decompressobj(WBITS[format])
    content = reader.decompress(data)
    assert reader.eof
    assert not reader.unused_data
    return content


def members(data: bytes) -> list[bytes]:
    """The content of each member of BGZF, whose header must say where it ends."""
    found, at = [], 0
    while at < len(data):
        assert data[at : at + 16] == bytes.fromhex("1f8b08040000000000ff0600") + b"BC\2\0"
        size = int.from_bytes(data[at + 16 : at + 18], "little") + 1
        reader = zlib.decompressobj(31)
        found.append(reader.decompress(data[at : at + size]))
        assert reader.eof
        assert not reader.unused_data
        at += size
    assert data.endswith(bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000"))
    return found


class Bits:
    """Reads a raw stream bit by bit."""

    def __init__(self, data: bytes) -> None:
        self._value, self._at = int.from_bytes(data, "little"), 0

    def take(self, count: int) -> int:
        """The next bits, the first one lowest."""
        taken = self._value >> self._at & ((1 << count) - 1)
        self._at += count
        return taken


ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)


def block_type(raw: bytes) -> int:
    """The type of the first block."""
    return raw[0] >> 1 & 3


def code_lengths(raw: bytes) -> list[int]:
    """The code lengths of the first block, which is a dynamic one (RFC 1951, section 3.2.7)."""
    bits = Bits(raw[:1000])
    assert bits.take(3) >> 1 == DYNAMIC
    literals, distances, sent = bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4
    of_lengths = dict.fromkeys(range(19), 0)
    for symbol in ORDER[:sent]:
        of_lengths[symbol] = bits.take(3)
    codes, code = {}, 0
    for length in range(1, 8):
        code <<= 1
        for symbol in (symbol for symbol in of_lengths if of_lengths[symbol] == length):
            codes[length, code] = symbol
            code += 1
    lengths: list[int] = []
    while len(lengths) < literals + distances:
        length, code = 0, 0
        while (length, code) not in codes:
            length, code = length + 1, code << 1 | bits.take(1)
        symbol = codes[length, code]
        repeats = {16: (2, 3), 17: (3, 3), 18: (7, 11)}.get(symbol)
        if repeats is None:
            lengths.append(symbol)
        else:
            lengths += [lengths[-1] if symbol == 16 else 0] * (bits.take(repeats[0]) + repeats[1])
    assert len(lengths) == literals + distances
    return lengths


# ---- where it ran ----


@pytest.mark.parametrize("format", FORMATS)
def test_work_runs_on_the_backend_and_the_receipt_says_so(acc: fa.Accelerator, backend: Backend, format: str) -> None:
    made = acc.compress(TEXT, format)
    receipt = acc.last_receipt
    assert receipt is not None
    assert (receipt.op, receipt.algorithm) == ("compress", format)
    assert (receipt.bytes_in, receipt.bytes_out) == (len(TEXT), len(made))
    assert receipt.backend == backend.path
    assert receipt.verified is backend.is_device
    assert (receipt.segments > 0) is backend.is_device


# ---- round trips ----


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("contents", sizes.PATTERNS.values(), ids=sizes.PATTERNS)
def test_every_size_comes_back_alone(acc: fa.Accelerator, contents: Contents, format: str) -> None:
    for size in SIZES[:: 1 if format == "gzip" else 5]:
        data = contents(size)
        made = acc.compress(data, format)
        assert len(made) <= acc.compress_bound(size, format)
        assert by_zlib(made, format) == data


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("level", LEVELS)
def test_every_size_comes_back_in_a_batch(acc: fa.Accelerator, level: int, format: str) -> None:
    items = [contents(size) for size in SIZES[level % 2 :: 2] for contents in sizes.PATTERNS.values()]
    made = acc.compress_many(items, format, level=level)
    for item, each in zip(items, made, strict=True):
        assert by_zlib(each, format) == item
        assert len(each) <= acc.compress_bound(len(item), format)


@given(data=st.data())
@settings(max_examples=40)
def test_any_mix_of_contents_and_options_comes_back(acc: fa.Accelerator, data: st.DataObject) -> None:
    source = mixed(400 * KIB)
    pieces = data.draw(st.lists(st.tuples(st.integers(0, len(source)), st.integers(0, 200 * KIB)), max_size=4))
    content = b"".join(source[start : start + size] for start, size in pieces) + data.draw(st.binary(max_size=300))
    format = data.draw(st.sampled_from(FORMATS))
    block_sizes = [None, 4096, 10_007, MEMBER] if format == "bgzf" else [None, *deflate_compress.BLOCK_SIZES]
    level, block_size = data.draw(st.integers(0, 9)), data.draw(st.sampled_from(block_sizes))
    made = acc.compress(content, format, level=level, block_size=block_size)
    assert by_zlib(made, format) == content
    assert len(made) <= acc.compress_bound(len(content), format)


@given(items=st.lists(st.binary(max_size=600), max_size=40), level=st.sampled_from(LEVELS))
@settings(max_examples=30)
def test_any_batch_of_small_items_comes_back(acc: fa.Accelerator, items: list[bytes], level: int) -> None:
    for format in ("gzip", "bgzf"):
        made = acc.compress_many(items, format, level=level)
        assert [by_zlib(each, format) for each in made] == items


def test_short_periods_and_overlapping_matches_come_back(acc: fa.Accelerator) -> None:
    items = []
    for period in (*range(1, 20), 63, 64, 65, 257, 258, 259, 32767, 32768, 32769):
        unit = noise(period)
        items += [(unit * (size // period + 1))[:size] for size in (100, 4000, 3 * 65536)]
    for level in LEVELS[1:]:
        made = acc.compress_many(items, "deflate", level=level, block_size=64 * KIB)
        assert [by_zlib(each, "deflate") for each in made] == items


@pytest.mark.parametrize("format", ["gzip", "bgzf"])
def test_content_of_more_than_one_launch_comes_back(acc: fa.Accelerator, format: str) -> None:
    data = text(9 * MIB) + noise(MIB) + zeros(7 * MIB + 5)
    assert by_zlib(acc.compress(data, format), format) == data
    assert by_zlib(acc.compress_many([b"", data, TEXT], format)[1], format) == data


# ---- blocks ----


def test_content_is_stored_where_nothing_is_smaller(acc: fa.Accelerator, backend: Backend) -> None:
    data = noise(200 * KIB)
    for level in LEVELS:
        made = acc.compress(data, "deflate", level=level)
        # The libraries choose otherwise at times.
        assert block_type(made) == STORED or not backend.is_device
        assert len(made) < len(data) + 200
        assert by_zlib(made, "deflate") == data


def test_short_content_takes_the_fixed_codes_and_text_its_own(acc: fa.Accelerator, backend: Backend) -> None:
    for level in LEVELS[1:]:
        short, long = acc.compress_many([b"a short sentence", TEXT], "deflate", level=level)
        assert (block_type(short), block_type(long)) == (FIXED, DYNAMIC) or not backend.is_device
        assert (by_zlib(short, "deflate"), by_zlib(long, "deflate")) == (b"a short sentence", TEXT)


def test_one_symbol_alone_comes_back(acc: fa.Accelerator) -> None:
    items = [b"z" * size for size in (*around(3, 4, 258, 259, 1000), BLOCK, 400 * KIB)]
    for level in LEVELS[1:]:
        for format in FORMATS:
            made = acc.compress_many(items, format, level=level)
            assert [by_zlib(each, format) for each in made] == items
            assert len(made[-1]) < 3000


def fibonacci(symbols: int) -> bytes:
    """Bytes whose frequencies want codes of up to `symbols` bits."""
    counts = [1, 1]
    while len(counts) < symbols:
        counts.append(counts[-1] + counts[-2])
    data = [symbol for symbol, count in enumerate(counts) for _ in range(count)]
    random.Random(2).shuffle(data)
    return bytes(data)


def test_codes_that_want_to_be_too_long_are_cut(acc: fa.Accelerator, backend: Backend) -> None:
    items = [fibonacci(symbols) for symbols in range(14, 24)]
    for level in LEVELS[1:]:
        made = acc.compress_many(items, "deflate", level=level)
        assert [by_zlib(each, "deflate") for each in made] == items
        longest = max(max(code_lengths(each)) for each in made)
        # Matches take away from the frequencies, the less of them the lower the level.
        assert longest >= (14 if level == 1 else 13)
        assert longest == 14 or level != 1 or not backend.is_device


def test_codes_use_all_there_is(acc: fa.Accelerator) -> None:
    # Symbols of each frequency that a code of one to many symbols can have, with and without matches.
    items = [bytes(range(count)) * repeats for count in (1, 2, 3, 17, 143, 144, 145, 256) for repeats in (1, 2, 30)]
    for level in LEVELS[1:]:
        made = acc.compress_many(items, "deflate", level=level)
        assert [by_zlib(each, "deflate") for each in made] == items
        for lengths in (code_lengths(each) for each in made if block_type(each) == DYNAMIC):
            assert sum(2.0**-length for length in lengths[:257] if length) <= 1


# ---- history ----


@pytest.mark.parametrize("level", LEVELS[1:])
def test_a_row_looks_back_into_the_one_before(acc: fa.Accelerator, backend: Backend, level: int) -> None:
    unit = noise(30_000)
    data = unit * 20
    made = acc.compress(data, "gzip", level=level, block_size=64 * KIB)
    assert by_zlib(made, "gzip") == data
    # Level 1 looks at few positions where it has found nothing for long, so maybe finds nothing in the first row; and
    # the library's at hardly any.
    most = 64 * KIB + len(unit) / 2 if level == 1 else 1.3 * len(unit)
    assert len(made) < most or (level == 1 and not backend.is_device)


def test_the_whole_window_is_used_and_no_more(acc: fa.Accelerator, backend: Backend) -> None:
    for level in LEVELS[1:]:
        made = acc.compress_many([noise(32768) * 8, noise(32769) * 8], "deflate", level=level, block_size=64 * KIB)
        assert [by_zlib(each, "deflate") for each in made] == [noise(32768) * 8, noise(32769) * 8]
        if backend.is_device:
            assert len(made[0]) < (80_000 if level == 1 else 40_000)
        assert len(made[1]) > 8 * 32769


def test_members_of_bgzf_stand_alone(acc: fa.Accelerator) -> None:
    data = noise(30_000) * 8
    for block_size in (None, 4096, 65280, 12_345):
        made = acc.compress(data, "bgzf", block_size=block_size)
        parts = members(made)
        assert [len(part) for part in parts[:-2]] == [block_size or MEMBER] * (len(parts) - 2)
        assert parts[-1] == b""
        assert b"".join(parts) == data


# ---- headers and options ----


def test_the_gzip_header_has_no_time_and_the_name_that_was_given(acc: fa.Accelerator) -> None:
    for name in ("", "note.txt", "caf\xe9"):
        made = acc.compress(TEXT, "gzip", name=name)
        assert made[:4] == bytes([0x1F, 0x8B, 8, 8 if name else 0])
        assert made[4:8] == bytes(4)
        assert not name or made[10:].startswith(name.encode("latin-1") + b"\0")
        assert struct.unpack("<II", made[-8:]) == (zlib.crc32(TEXT), len(TEXT))
        assert gzip.decompress(made) == TEXT
        assert gzip.decompress(acc.compress(b"", "gzip", name=name)) == b""


def test_a_zlib_stream_is_what_isal_and_zlib_read(acc: fa.Accelerator) -> None:
    for level in range(10):
        made = acc.compress(TEXT, "zlib", level=level)
        assert int.from_bytes(made[:2], "big") % 31 == 0
        assert made[-4:] == zlib.adler32(TEXT).to_bytes(4, "big")
        assert zlib.decompress(made) == isal_zlib.decompress(made) == TEXT


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("level", [-1, 10, 100])
def test_a_level_that_is_none_names_the_legal_ones(acc: fa.Accelerator, format: str, level: int) -> None:
    with pytest.raises(ValueError, match="0 to 9"):
        acc.compress(TEXT, format, level=level)


def test_a_block_size_that_is_none_names_the_legal_ones(acc: fa.Accelerator) -> None:
    for block_size in (-1, 0, 65535, 65537, 2 * MIB):
        with pytest.raises(ValueError, match="65536, 131072, 262144, 524288, 1048576"):
            acc.compress(TEXT, "gzip", block_size=block_size)
    for block_size in (-1, 0, 4095, 65281):
        with pytest.raises(ValueError, match="4096 to 65280"):
            acc.compress(TEXT, "bgzf", block_size=block_size)


def test_a_name_that_gzip_cannot_hold_is_refused(acc: fa.Accelerator) -> None:
    for name in ("a\0b", "\u20ac"):
        with pytest.raises(ValueError, match="ISO 8859-1"):
            acc.compress(TEXT, "gzip", name=name)
    with pytest.raises(TypeError, match="str"):
        acc.compress(TEXT, "gzip", name=b"bytes")
    with pytest.raises(TypeError, match="name"):
        acc.compress(TEXT, "zlib", name="x")


def test_the_same_input_gives_the_same_bytes(acc: fa.Accelerator, backend: Backend) -> None:
    data = mixed(600 * KIB)
    for format in FORMATS:
        made = acc.compress(data, format)
        assert {acc.compress(data, format) for _ in range(2)} == {made}
        # Elsewhere in memory, and with others beside it.
        shifted = memoryview(b"12345" + data)[5:]
        assert acc.compress_many([b"", shifted, TEXT, data], format)[1::2] == [made, made]
        out = bytearray(len(made))
        assert acc.compress_into(data, out, format) == len(made)
        assert out == made
        with pytest.raises(fa.BufferTooSmallError):
            acc.compress_into(data, bytearray(len(made) - 1), format)
    if backend.is_device:
        with fa.Accelerator(backend.id, fallback="never", threads=1) as other:
            assert other.compress(data, "gzip") == acc.compress(data, "gzip")


def test_a_higher_level_is_smaller(acc: fa.Accelerator) -> None:
    made = [len(acc.compress(TEXT, "gzip", level=level)) for level in (0, 1, 3, 6, 9)]
    assert made[0] > made[1] > made[2] > made[3] >= made[4]


# ---- commands ----


def command(name: str) -> str:
    """Path of a command."""
    return shutil.which(name) or required.missing(name, f"PATH has no {name} command")


def read_by(name: str, path: Path) -> bytes:
    """What a command makes of a file."""
    return subprocess.run([command(name), "-d", "-c", path], capture_output=True, check=True).stdout


@pytest.mark.parametrize("format", ["gzip", "bgzf"])
@pytest.mark.parametrize("name", ["gzip", "pigz", "bgzip"])
def test_commands_read_ours(acc: fa.Accelerator, tmp_path: Path, name: str, format: str) -> None:
    path = tmp_path / "made.gz"
    for data in (b"", b"x", TEXT, mixed(500 * KIB)):
        for level in (0, 1, 6):
            path.write_bytes(acc.compress(data, format, level=level))
            assert read_by(name, path) == data
            subprocess.run([command(name), "-t", path], check=True)


def test_gzip_tells_the_name(acc: fa.Accelerator, tmp_path: Path) -> None:
    (tmp_path / "held.gz").write_bytes(acc.compress(TEXT, "gzip", name="note.txt"))
    subprocess.run([command("gzip"), "-d", "-N", "held.gz"], cwd=tmp_path, check=True)
    assert (tmp_path / "note.txt").read_bytes() == TEXT


# ---- streams ----


def starting(acc: fa.Accelerator, format: str) -> Start:
    """What an encoder sends its pieces to."""

    def start(content: Any, options: Any) -> Callable[[], bytes]:
        made = acc.engine.one(registry.find("compress", format), options, content)
        return lambda: made

    return start


ENCODERS: dict[str, Any] = {
    "deflate": deflate_stream.Encoder,
    "zlib": deflate_stream.ZlibEncoder,
    "gzip": deflate_stream.GzipEncoder,
    "bgzf": deflate_stream.BgzfEncoder,
}


@pytest.mark.parametrize("format", FORMATS)
def test_a_stream_is_one_stream_whatever_its_slabs(acc: fa.Accelerator, format: str) -> None:
    options = registry.find("compress", format).settings(level=1)
    unit = noise(30_000)
    slabs = [unit * 10, b"x", unit, text(5 * MIB), b"", unit, unit]
    encoder = ENCODERS[format](options, starting(acc, format))
    made = [encoder.begin(), *(bytes(encoder.start(slab)()) for slab in slabs if slab), encoder.end()]
    assert by_zlib(b"".join(made), format) == b"".join(slabs)
    if format != "bgzf":
        # The last slab is like the one before it.
        assert len(made[-2]) < 1000


@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_stream_is_a_stream(acc: fa.Accelerator, format: str) -> None:
    encoder = ENCODERS[format](registry.find("compress", format).settings(), starting(acc, format))
    assert by_zlib(encoder.begin() + encoder.end(), format) == b""


# ---- rows ----

GUARD = bytes([0xA5] * 64)


class Rows:
    """Runs rows on a device by itself."""

    def __init__(self, backend: Backend, variant: str | None = None) -> None:
        manifest = manifests.shipped("deflate")
        if variant is not None:
            manifest = manifest._replace(variants=tuple(each for each in manifest.variants if each.name == variant))
        self._device = OpenClBackend(discovery.listed(backend.id), backend.id)
        self.variant = self._device.prepare(manifest, [row.trial for row in registry.of_kernel("deflate")])

    def __call__(self, contents: list[bytes], capacities: list[int], param: int, flags: int) -> list[tuple[int, bytes]]:
        """Return the status and the output of each; what is behind the room of each must stay as it is."""
        table = new_table(len(contents))
        sources = [np.frombuffer(content, np.uint8) for content in contents]
        targets = [np.frombuffer(bytes(capacity) + GUARD, np.uint8).copy() for capacity in capacities]
        table["src"], table["dst"] = list(map(address_of, sources)), list(map(address_of, targets))
        table["src_size"], table["dst_capacity"] = list(map(len, contents)), capacities
        table["param"], table["flags"] = param, flags
        launch = Launch("deflate", "deflate_compress", table, np.zeros(16, np.uint8), keep=(sources, targets))
        results = self._device.start(launch).outcome(time.monotonic() + 60).results
        assert results is not None
        assert all(target[-len(GUARD) :].tobytes() == GUARD for target in targets)
        sizes = results["dst_size"].tolist()
        outputs = [target[:size].tobytes() for target, size in zip(targets, sizes, strict=True)]
        return list(zip(results["status"].tolist(), outputs, strict=True))


@pytest.mark.parametrize("final", [0, 1])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.kernels
def test_a_row_fits_its_room_or_says_that_it_does_not(backend: Backend, level: int, final: int) -> None:
    run = Rows(backend)
    for content in (text(2000), noise(500), b"abc", zeros(70_000)):
        (whole,) = run([content], [len(content) + 500], 0, level << 8 | final)
        capacities = [*range(min(len(whole[1]) + 12, 800)), len(whole[1]) + 12]
        for capacity, (status, output) in zip(
            capacities, run([content] * len(capacities), capacities, 0, level << 8 | final), strict=True
        ):
            assert status == (Status.OK if output else Status.DST_TOO_SMALL)
            # Near its end the room may be refused for what the writer of codes overshoots.
            assert status == Status.OK or capacity < len(whole[1]) + 9
            reader = zlib.decompressobj(-15)
            assert status != Status.OK or (reader.decompress(output), reader.eof) == (content, bool(final))


@pytest.fixture
def interleaved(backend: Backend) -> Rows:
    """The variant for x86 CPUs."""
    if not backend.id.startswith("pocl") or platform.machine() != "x86_64":
        pytest.skip("the variant for x86 CPUs is tried on PoCL")
    run = Rows(backend, "interleaved")
    assert run.variant == "interleaved"
    return run


def awkward() -> list[bytes]:
    """Contents with literals in runs of all lengths, more than are gathered at once, and up to the end."""
    parts = [text(9), noise(5), text(40), noise(17), text(5000), noise(4200), zeros(700), noise(40), mixed(30_000)]
    runs = [b"abcdefgh" + noise(size) for size in range(40)]
    contents = [b"".join(parts), b"".join(runs) + text(300), TEXT[:140_000], noise(70_000) + text(70_000), b""]
    contents += [text(3000) + noise(size) for size in range(20)] + [mixed(size) for size in range(60, 120)]
    # More than MOST_SEQUENCES and, a byte each, more than MOST_CONTENT.
    chance = np.random.default_rng(3)
    contents.append(b"".join(b"%03d" % number + chance.bytes(2) for number in chance.integers(0, 99, 30_000)))
    return [*contents, text(150_000) + zeros(131_072), zeros(300_000)]


@pytest.mark.kernels
def test_hard_levels_of_all_variants_write_the_same_bytes(backend: Backend, interleaved: Rows) -> None:
    plain, contents = Rows(backend, "portable"), awkward()
    rooms = [len(content) + 200 for content in contents]
    for level in (0, 3, 9):
        written = interleaved(contents, rooms, 0, level << 8 | 1)
        assert all(status == Status.OK for status, _ in written)
        assert written == plain(contents, rooms, 0, level << 8 | 1)


@pytest.mark.parametrize("history", [0, 9, 3000, 32 * KIB])
@pytest.mark.kernels
def test_rows_do_not_depend_on_those_beside_them(interleaved: Rows, history: int) -> None:
    contents = [TEXT[: history // 2] + noise(history - history // 2) + content for content in awkward()]
    rooms = [len(content) + 200 for content in contents]
    written = interleaved(contents, rooms, history, 1 << 8 | 1)
    for content, (status, output) in zip(contents, written, strict=True):
        assert status == Status.OK
        reader = zlib.decompressobj(-15, content[:history]) if history else zlib.decompressobj(-15)
        assert reader.decompress(output) == content[history:]
        assert reader.eof
    assert interleaved(contents[::-1], rooms[::-1], history, 1 << 8 | 1) == written[::-1]
    for index in (0, 3, len(contents) - 1):
        assert interleaved([contents[index]], [rooms[index]], history, 1 << 8 | 1) == [written[index]]


@pytest.mark.kernels
def test_a_row_whose_history_is_none_is_refused(backend: Backend) -> None:
    run = Rows(backend)
    for content, param in ((b"abcd", 5), (text(40_000), 32769), (text(40_000), 2**32 - 1)):
        assert run([content], [50_000], param, 1 << 8 | 1) == [(Status.BAD_PARAM, b"")]
    for content, param in ((text(40_000), 32768), (b"abcd", 4), (b"abcd", 3), (text(40_000), 1)):
        for level in LEVELS:
            ((status, output),) = run([content], [50_000], param, level << 8 | 1)
            assert status == Status.OK
            assert zlib.decompressobj(-15, content[:param]).decompress(output) == content[param:]


def test_what_a_device_wrote_wrongly_is_found(backend: Backend) -> None:
    operation = registry.find("compress", "deflate")
    for level, block_size in ((1, None), (1, 64 * KIB), (0, None)):
        launch, _ = launch_of("compress", "deflate", TEXT, level=level, block_size=block_size)
        for index in range(len(launch.table)):
            row = row_of(launch, index)
            right = operation.emulate(row)
            assert operation.agrees(row, right)
            for data in (right.data[:-1], right.data + b"x", bytes([right.data[0] ^ 1]) + right.data[1:], b""):
                assert not operation.agrees(row, right._replace(data=data))
            assert not operation.agrees(row, right._replace(status=Status.DST_TOO_SMALL))


# ---- threads of the CPU path ----


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("level", LEVELS)
def test_large_content_is_compressed_on_threads(format: str, level: int) -> None:
    data = noise(30_000) * 40 + text(2 * MIB) + noise(300 * KIB)
    with fa.Accelerator("cpu", threads=2) as acc:
        made = acc.compress(data, format, level=level)
        assert len(made) <= acc.compress_bound(len(data), format)
    with fa.Accelerator("cpu", threads=1) as alone:
        assert by_zlib(alone.compress(data, format, level=level), format) == by_zlib(made, format) == data
        # Parts look back into the ones before.
        assert len(made) < 1.01 * len(alone.compress(data, format, level=level)) + 100


@pytest.mark.parametrize("data", [noise(3 * MIB + 1), zeros(2 * MIB), text(4 * MIB)], ids=["noise", "zeros", "text"])
def test_parts_need_no_compressor_that_is_kept(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    with fa.Accelerator("cpu", threads=2) as acc:
        kept = acc.compress(data, "gzip")
        monkeypatch.setattr(type(deflate_compress._COMPRESSORS), "make", None)
        new = acc.compress(data, "gzip")
    assert gzip.decompress(kept) == gzip.decompress(new) == data
    assert abs(len(kept) - len(new)) <= len(data) // 2000 + 64


# ---- ratio ----


def test_ratios_are_those_of_libraries(acc: fa.Accelerator, corpus_file: bytes) -> None:
    data = corpus_file[: 3 * MIB]
    fast, hard = (len(acc.compress(data, "zlib", level=level)) for level in (1, 6))
    assert len(isal_zlib.compress(data, 1)) / fast >= 0.98
    assert len(zlib.compress(data, 6)) / hard >= 0.97
