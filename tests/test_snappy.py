"""Snappy on every backend, against cramjam, and streams made by hand to google/snappy's format descriptions."""

from __future__ import annotations

import io
import itertools
import random
import struct
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cramjam
import google_crc32c
import pytest
import sizes
from conftest import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import KIB, MIB, mixed, noise, periodic, text, zeros

import fpga_accel as fa
from fpga_accel.operations import snappy_stream

BLOCK = 64 * KIB
FORMATS = ("snappy", "snappy-raw")
IDENTIFIER = bytes.fromhex("ff060000734e61507059")
TEXT = text(300 * KIB + 3)
# Where the kernels' fast loops end, where tags get longer, and around blocks.
SIZES = tuple(sorted({*sizes.SMALL, *sizes.around(48, 60, 80, 128, BLOCK, 2 * BLOCK), 300 * KIB}))

Contents = Callable[[int], bytes]


# ---- streams by hand ----


def library_compress(data: bytes, name: str) -> bytes:
    """Compress as cramjam does; of nothing, it makes a stream of the framing format that has no identifier."""
    if name == "snappy":
        return bytes(cramjam.snappy.compress(data)) or IDENTIFIER
    return bytes(cramjam.snappy.compress_raw(data))


def library_decompress(data: bytes, name: str) -> bytes:
    """Decompress as cramjam does."""
    return bytes(cramjam.snappy.decompress(data) if name == "snappy" else cramjam.snappy.decompress_raw(data))


def varint(value: int) -> bytes:
    """Return a little-endian varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def literal(data: bytes) -> bytes:
    """Return a literal with the shortest tag."""
    less = len(data) - 1
    if less < 60:
        return bytes([less << 2]) + data
    size = (less.bit_length() + 7) // 8
    return bytes([(59 + size) << 2]) + less.to_bytes(size, "little") + data


def copy1(offset: int, length: int) -> bytes:
    """Return a copy of 4 to 11 bytes from less than 2 KiB back."""
    return bytes([1 | (length - 4) << 2 | offset >> 8 << 5, offset & 255])


def copy2(offset: int, length: int) -> bytes:
    """Return a copy with 16 bits of offset."""
    return bytes([2 | (length - 1) << 2]) + struct.pack("<H", offset)


def copy4(offset: int, length: int) -> bytes:
    """Return a copy with 32 bits of offset."""
    return bytes([3 | (length - 1) << 2]) + struct.pack("<I", offset)


def masked(data: bytes) -> bytes:
    """Return a checksum as it stands in a chunk."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def chunk(kind: int, data: bytes) -> bytes:
    """Return a chunk of any type."""
    return bytes([kind]) + len(data).to_bytes(3, "little") + data


def compressed(data: bytes) -> bytes:
    """Return a compressed chunk."""
    return chunk(0, masked(data) + bytes(cramjam.snappy.compress_raw(data)))


def stored(data: bytes) -> bytes:
    """Return an uncompressed chunk."""
    return chunk(1, masked(data) + data)


def chunks_of(stream: bytes) -> list[tuple[int, bytes]]:
    """Return the types and the data of a stream's chunks."""
    found, at = [], 0
    while at < len(stream):
        size = int.from_bytes(stream[at + 1 : at + 4], "little")
        found.append((stream[at], stream[at + 4 : at + 4 + size]))
        at += 4 + size
    return found


def ends_of_chunks(stream: bytes) -> set[int]:
    """Return where a stream may end: behind each of its chunks."""
    return set(itertools.accumulate(4 + len(data) for _, data in chunks_of(stream)))


# ---- where it ran ----


@pytest.mark.parametrize("name", FORMATS)
def test_work_runs_on_the_backend_and_the_receipt_says_so(acc: fa.Accelerator, backend: Backend, name: str) -> None:
    stream = acc.compress(TEXT, name)
    for given_stream in (stream, library_compress(TEXT, name)):
        assert acc.decompress(given_stream, name) == TEXT
        receipt = acc.last_receipt
        assert receipt is not None
        assert (receipt.op, receipt.algorithm) == ("decompress", name)
        assert (receipt.bytes_in, receipt.bytes_out) == (len(given_stream), len(TEXT))
        assert receipt.backend == backend.path
        assert (receipt.segments > 0) is backend.is_device


# ---- vectors: the examples of the format description ----

# Elements by hand; None is no stream.
RAW_VECTORS = {
    "00": b"",
    "0308616263": b"abc",
    "03f002616263": b"abc",
    "03f40200616263": b"abc",
    "03fc02000000616263": b"abc",
    # "xababab", the description's own example of a copy that overlaps itself: in each sort of copy.
    "07087861620102": b"xababab",
    "07087861620e0200": b"xababab",
    "07087861620f02000000": b"xababab",
    "fe01f4fd00" + "61" * 254: b"a" * 254,
    "410061fe0100": b"a" * 65,
    # No literal, one that is cut, and one byte too many or too few.
    "": None,
    "03086162": None,
    "020061": None,
    "0208616263": None,
    "0408616263": None,
    # Copies from before the start, of distance 0, and beyond the size.
    "07087861620104": None,
    "07087861620100": None,
    "06087861620102": None,
    "07087861620e02": None,
    # A size of 33 bits.
    "8080808010": None,
}


def test_vectors_of_raw_streams(acc: fa.Accelerator) -> None:
    for made, wanted in RAW_VECTORS.items():
        stream = bytes.fromhex(made)
        if wanted is None:
            with pytest.raises(cramjam.DecompressionError):
                cramjam.snappy.decompress_raw(stream)
            with pytest.raises(fa.FormatError):
                acc.decompress(stream, "snappy-raw")
        else:
            assert library_decompress(stream, "snappy-raw") == wanted
            assert acc.decompress(stream, "snappy-raw") == wanted
    # The varints of the format description.
    assert acc.compress(b"a" * 64, "snappy-raw").startswith(b"\x40")
    assert acc.compress(bytes(2097150), "snappy-raw").startswith(bytes.fromhex("feff7f"))


def test_vectors_of_the_framing_format(acc: fa.Accelerator) -> None:
    assert acc.compress(b"", "snappy") == IDENTIFIER
    assert acc.compress(b"a", "snappy") == IDENTIFIER + stored(b"a")
    # The checksum is that of RFC 3720 B.4 for 32 bytes of zeros, 0x8A9136AA, rotated and added to by hand.
    zeros_by_hand = bytes.fromhex("00 0a0000 faffd70f 20 00 00 7a0100".replace(" ", ""))
    assert acc.decompress(IDENTIFIER + zeros_by_hand) == bytes(32)


# ---- round trips ----


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("contents", sizes.PATTERNS.values(), ids=sizes.PATTERNS)
def test_every_size_comes_back(acc: fa.Accelerator, contents: Contents, name: str) -> None:
    items = [contents(size) for size in SIZES]
    made = acc.compress_many(items, name)
    assert [library_decompress(stream, name) for stream in made] == items
    assert acc.decompress_many(made, name) == items
    assert acc.decompress_many([library_compress(item, name) for item in items], name) == items
    for item, stream in list(zip(items, made, strict=True))[::5]:
        assert len(stream) <= acc.compress_bound(len(item), name)
        assert acc.compress(item, name) == stream
        assert acc.decompress(stream, name) == item


@pytest.mark.parametrize("name", FORMATS)
def test_content_beyond_a_group_comes_back(acc: fa.Accelerator, name: str) -> None:
    data = text(12 * MIB) + noise(3 * MIB) + zeros(2 * MIB + 1)
    stream = acc.compress(data, name)
    assert library_decompress(stream, name) == data
    assert acc.decompress(stream, name) == data
    assert len(stream) <= acc.compress_bound(len(data), name)


@given(data=st.data())
@settings(max_examples=40)
def test_any_mix_of_contents_comes_back(acc: fa.Accelerator, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(FORMATS))
    source = mixed(600 * KIB)
    pieces = data.draw(st.lists(st.tuples(st.integers(0, len(source)), st.integers(0, 90 * KIB)), max_size=4))
    content = b"".join(source[start : start + size] for start, size in pieces) + data.draw(st.binary(max_size=300))
    stream = acc.compress(content, name)
    assert library_decompress(stream, name) == content
    assert acc.decompress(stream, name) == content


@given(items=st.lists(st.binary(max_size=600), max_size=40), name=st.sampled_from(FORMATS))
@settings(max_examples=40)
def test_any_batch_of_small_items_comes_back(acc: fa.Accelerator, items: list[bytes], name: str) -> None:
    made = acc.compress_many(items, name)
    assert [library_decompress(stream, name) for stream in made] == items
    assert acc.decompress_many(made, name) == items


def test_short_periods_and_overlapping_matches_come_back(acc: fa.Accelerator) -> None:
    units = [noise(period) for period in (*range(1, 40), 63, 64, 65, 2046, 2047, 2048, 65533, 65534, 65535)]
    items = [(unit * (size // len(unit) + 1))[:size] for unit in units for size in (100, 4000, BLOCK)]
    for name in FORMATS:
        made = acc.compress_many(items, name)
        assert [library_decompress(stream, name) for stream in made] == items
        assert acc.decompress_many(made, name) == items


def test_the_same_input_gives_the_same_bytes(acc: fa.Accelerator, backend: Backend) -> None:
    data = mixed(400 * KIB)
    for name in FORMATS:
        stream = acc.compress(data, name)
        assert acc.compress_many([b"", data, TEXT, data], name)[1::2] == [stream, stream]
        out = bytearray(len(stream))
        assert acc.compress_into(data, out, name) == len(stream)
        assert out == stream
        with fa.Accelerator(backend.id, fallback="never", threads=1) as other:
            assert other.compress(data, name) == stream


def test_the_corpus_is_as_small_as_the_library_makes_it(acc: fa.Accelerator, corpus_file: bytes) -> None:
    data = corpus_file[: 4 * MIB]
    for name in FORMATS:
        stream = acc.compress(data, name)
        assert library_decompress(stream, name) == data
        assert acc.decompress(stream, name) == data
        assert len(stream) <= len(library_compress(data, name)) / 0.97


# ---- what streams are made of ----


def test_chunks_are_64_kib_and_stored_where_that_is_smaller(acc: fa.Accelerator) -> None:
    data = text(BLOCK) + noise(BLOCK) + text(1000)
    found = chunks_of(acc.compress(data, "snappy"))
    assert [kind for kind, _ in found] == [0xFF, 0, 1, 0]
    parts = [data[:BLOCK], data[BLOCK : 2 * BLOCK], data[2 * BLOCK :]]
    assert [part[:4] for _, part in found[1:]] == [masked(part) for part in parts]
    assert found[2][1][4:] == parts[1]


def test_fragments_of_a_raw_stream_are_independent(acc: fa.Accelerator) -> None:
    part = text(BLOCK)
    alone, three = acc.compress(part, "snappy-raw"), acc.compress(part * 3, "snappy-raw")
    body = alone.removeprefix(varint(BLOCK))
    assert three == varint(3 * BLOCK) + body * 3
    dense = acc.compress(noise(BLOCK), "snappy-raw")
    assert len(dense) <= BLOCK + 64


# ---- foreign streams ----


def test_skippable_chunks_and_repeated_identifiers_are_passed_over(acc: fa.Accelerator) -> None:
    skipped = [chunk(kind, noise(size)) for kind, size in ((0x80, 0), (0xFD, 5), (0xA0, 70_000), (0xFE, 100))]
    parts = [compressed(TEXT[:BLOCK]), stored(b"tail"), stored(b""), compressed(b"a" * 99), IDENTIFIER, *skipped]
    random.Random(1).shuffle(parts)
    stream = IDENTIFIER + b"".join(parts)
    wanted = b""
    for kind, data in chunks_of(stream):
        if kind < 2:
            wanted += library_decompress(data[4:], "snappy-raw") if kind == 0 else data[4:]
    assert acc.decompress(stream) == wanted
    assert acc.decompress(stream * 2) == 2 * wanted
    for no_content in (IDENTIFIER, IDENTIFIER * 3, IDENTIFIER + chunk(0xFE, bytes(7)), IDENTIFIER + stored(b"")):
        assert acc.decompress(no_content) == b""
    # Beyond the format's own, whose largest chunk has 16 MiB: cramjam refuses to skip more than 75 KiB.
    large = IDENTIFIER + chunk(0xFE, bytes(2**24 - 1)) + stored(b"x")
    with pytest.raises(cramjam.DecompressionError):
        library_decompress(large, "snappy")
    assert acc.decompress(large) == b"x"


@pytest.mark.parametrize("kind", [0x02, 0x40, 0x7F])
def test_reserved_chunks_are_refused(acc: fa.Accelerator, kind: int) -> None:
    for stream in (IDENTIFIER + chunk(kind, b""), IDENTIFIER + stored(b"a") + chunk(kind, b"abc")):
        with pytest.raises(cramjam.DecompressionError):
            library_decompress(stream, "snappy")
        with pytest.raises(fa.FormatError, match="reserved"):
            acc.decompress(stream, "snappy")


BAD_FRAMING = {
    "nothing": (b"", fa.TruncatedError),
    "no identifier": (stored(b"a"), fa.FormatError),
    "half an identifier": (IDENTIFIER[:7], fa.TruncatedError),
    "another identifier": (IDENTIFIER[:-1] + b"y" + stored(b"a"), fa.FormatError),
    "a long identifier": (chunk(0xFF, b"sNaPpYY"), fa.FormatError),
    "a bad identifier later": (IDENTIFIER + stored(b"a") + chunk(0xFF, b"sNaPpy"), fa.FormatError),
    "no checksum": (IDENTIFIER + chunk(1, b"abc"), fa.FormatError),
    "a large stored chunk": (IDENTIFIER + stored(bytes(BLOCK + 1)), fa.FormatError),
    "a large content": (IDENTIFIER + compressed(bytes(BLOCK + 1)), fa.FormatError),
    "no preamble": (IDENTIFIER + chunk(0, masked(b"")), fa.FormatError),
    "an impossible content": (IDENTIFIER + chunk(0, masked(b"") + varint(BLOCK) + copy2(1, 64) * 9), fa.FormatError),
    "a cut header": (IDENTIFIER + stored(b"a") + b"\x00\x01", fa.TruncatedError),
    "a cut chunk": (IDENTIFIER + stored(b"abcd")[:-1], fa.TruncatedError),
    "a wrong checksum": (IDENTIFIER + chunk(1, masked(b"a") + b"b"), fa.IntegrityError),
    "a wrong checksum of elements": (
        IDENTIFIER + chunk(0, masked(b"a") + varint(1) + literal(b"b")),
        fa.IntegrityError,
    ),
    "elements that are cut": (IDENTIFIER + chunk(0, masked(b"ab") + varint(2) + literal(b"ab")[:-1]), fa.FormatError),
}


@pytest.mark.parametrize("case", BAD_FRAMING)
def test_bad_framing_is_refused(acc: fa.Accelerator, case: str) -> None:
    stream, kind = BAD_FRAMING[case]
    if stream:
        with pytest.raises(cramjam.DecompressionError):
            library_decompress(stream, "snappy")
    with pytest.raises(kind) as caught:
        acc.decompress(stream, "snappy")
    assert isinstance(caught.value, fa.FormatError | fa.IntegrityError)
    found = acc.decompress_many([IDENTIFIER + stored(b"x"), stream], "snappy", return_exceptions=True)
    assert found[0] == b"x"
    assert type(found[1]) is type(caught.value)


def test_raw_streams_of_any_size_and_reach_are_read(acc: fa.Accelerator) -> None:
    head = noise(200_000)
    elements = literal(head) + copy4(200_000, 64) + copy4(65_536, 1) + copy4(65_535, 3) + copy2(65_535, 64)
    elements += copy1(2047, 11) + copy1(1, 4) + literal(b"end") + copy4(199_000, 64) * 50
    content = bytearray(head)
    moves = [(200_000, 64), (65_536, 1), (65_535, 3), (65_535, 64), (2047, 11), (1, 4)]
    for offset, length in moves:
        for _ in range(length):
            content.append(content[-offset])
    content += b"end"
    for _ in range(50 * 64):
        content.append(content[-199_000])
    stream = varint(len(content)) + elements
    assert library_decompress(stream, "snappy-raw") == content
    assert acc.decompress(stream, "snappy-raw") == content
    items = [stream, bytes(cramjam.snappy.compress_raw(TEXT))] * 3
    assert acc.decompress_many(items, "snappy-raw") == [bytes(content), TEXT] * 3


def test_copies_reach_back_to_the_start_of_content_around_64_kib(acc: fa.Accelerator) -> None:
    made, wanted = [], []
    for size, length in itertools.product((BLOCK - 65, BLOCK - 64, BLOCK - 1, BLOCK, BLOCK + 1), (1, 17, 64)):
        head = noise(size)
        copy = copy2(size, length) if size < BLOCK else copy4(size, length)
        for again in (b"", copy4(length, length)):
            content = head + head[:length] * (2 if again else 1)
            made.append(varint(len(content)) + literal(head) + copy + again)
            wanted.append(content)
    assert [library_decompress(stream, "snappy-raw") for stream in made] == wanted
    assert acc.decompress_many(made, "snappy-raw") == wanted


def test_literals_and_copies_of_every_length_are_read(acc: fa.Accelerator) -> None:
    made, wanted = [], []
    for size in (*range(1, 70), 255, 256, 257, 300, 65_536, 65_537):
        data = noise(size)
        for distance in (1, 2, 3, 7, 8, 9, 15, 16, 17, size):
            if distance > size:
                continue
            for length in (1, 4, 8, 11, 12, 16, 17, 33, 63, 64):
                content = bytearray(data)
                for _ in range(length):
                    content.append(content[-distance])
                copies = copy4(distance, length)
                # Far from the end, where the kernel takes its fast way, and at the end.
                for tail in (b"", noise(300)):
                    behind = literal(tail) if tail else b""
                    made.append(varint(len(content) + len(tail)) + literal(data) + copies + behind)
                    wanted.append(bytes(content) + tail)
    assert acc.decompress_many(made, "snappy-raw") == wanted


# ---- malformed input, with cramjam as the judge ----


def outcomes(acc: fa.Accelerator, streams: Iterable[bytes], name: str) -> list[Any]:
    """What each stream gives: its content, or its typed error."""
    found = acc.decompress_many(list(streams), name, return_exceptions=True)
    for outcome in found:
        assert isinstance(outcome, bytes | fa.FormatError | fa.IntegrityError), repr(outcome)
    return found


def check_with_library(acc: fa.Accelerator, streams: list[bytes], name: str) -> None:
    """Compare with cramjam what is accepted, and its content."""
    for stream, found in zip(streams, outcomes(acc, streams, name), strict=True):
        try:
            wanted: Any = library_decompress(stream, name)
        except cramjam.DecompressionError:
            wanted = None
        assert (found if isinstance(found, bytes) else None) == wanted, (stream.hex()[:200], found, wanted)


def small_streams(name: str) -> list[bytes]:
    contents = [b"a", b"abcd" * 30, text(300), text(80) + noise(80) + text(80)]
    made = [library_compress(content, name) for content in contents]
    if name == "snappy-raw":
        return [*made, varint(300) + literal(noise(100)) + copy4(99, 64) * 3 + copy2(3, 8)]
    return [*made, made[2] + chunk(0x80, b"skipped") + IDENTIFIER + stored(b"tail")]


@pytest.mark.parametrize("name", FORMATS)
def test_streams_that_end_too_early_are_refused(acc: fa.Accelerator, name: str) -> None:
    for stream in small_streams(name):
        cuts = [stream[:end] for end in range(len(stream))]
        ends = ends_of_chunks(stream) if name == "snappy" else set()
        for cut, found in zip(cuts, outcomes(acc, cuts, name), strict=True):
            if len(cut) in ends:
                # The framing format has no end mark.
                assert found == library_decompress(cut, name)
            else:
                assert isinstance(found, fa.TruncatedError), (len(cut), len(stream), found)


@pytest.mark.parametrize("name", FORMATS)
def test_flipped_bits_are_judged_as_the_library_does(acc: fa.Accelerator, name: str) -> None:
    for stream in small_streams(name):
        flipped = []
        for position, bit in itertools.product(range(len(stream)), range(8)):
            changed = bytearray(stream)
            changed[position] ^= 1 << bit
            flipped.append(bytes(changed))
        check_with_library(acc, flipped, name)


@given(data=st.data())
@settings(max_examples=60)
def test_any_elements_are_judged_as_the_library_does(acc: fa.Accelerator, data: st.DataObject) -> None:
    element = st.one_of(
        st.builds(literal, st.binary(min_size=1, max_size=90)),
        st.builds(copy1, st.integers(0, 2047), st.integers(4, 11)),
        st.builds(copy2, st.integers(0, 400), st.integers(1, 64)),
        st.builds(copy4, st.integers(0, 400), st.integers(1, 64)),
        st.binary(max_size=6),
    )
    elements = st.lists(element, max_size=30).map(b"".join)
    streams = []
    for _ in range(10):
        body = data.draw(elements)
        streams.append(varint(data.draw(st.integers(0, 2 * len(body) + 70))) + body)
    check_with_library(acc, streams, "snappy-raw")


def test_a_preamble_of_more_than_five_bytes_is_no_size(acc: fa.Accelerator) -> None:
    # The format bounds it; cramjam passes over zeros at its end.
    stream = b"\x81\x80\x80\x80\x80\x00" + literal(b"a")
    assert library_decompress(stream, "snappy-raw") == b"a"
    for bad in (stream, b"\xff\xff\xff\xff\x1f" + literal(b"a"), b"\x80" * 12):
        with pytest.raises(fa.FormatError):
            acc.decompress(bad, "snappy-raw")
    # Five bytes may be longer than they need to be.
    longer = b"\x81\x80\x80\x80\x00" + literal(b"a")
    assert library_decompress(longer, "snappy-raw") == acc.decompress(longer, "snappy-raw") == b"a"


def test_damage_in_a_large_stream_is_found(acc: fa.Accelerator) -> None:
    content = text(3 * MIB) + noise(2 * MIB)
    stream = bytearray(library_compress(content, "snappy"))
    for position in (20, len(stream) // 3, len(stream) - BLOCK, len(stream) - 3):
        stream[position] ^= 0x40
        with pytest.raises((fa.IntegrityError, fa.FormatError)):
            acc.decompress(bytes(stream), "snappy")
        with pytest.raises((fa.IntegrityError, fa.FormatError)):
            acc.decompress_into(stream, bytearray(len(content)), "snappy")
        stream[position] ^= 0x40
    assert acc.decompress(bytes(stream), "snappy") == content


# ---- limits ----


@pytest.mark.parametrize("name", FORMATS)
def test_the_limit_is_exact(acc: fa.Accelerator, name: str) -> None:
    for data in (b"x", zeros(65536), TEXT, noise(200_000)):
        stream = acc.compress(data, name)
        assert acc.decompress(stream, name, max_output=len(data)) == data
        for limit in (0, len(data) // 2, len(data) - 1):
            with pytest.raises(fa.OutputLimitError):
                acc.decompress(stream, name, max_output=limit)
    assert acc.decompress(acc.compress(b"", name), name, max_output=0) == b""
    made = [acc.compress(text(size), name) for size in (999, 1000, 1001, 5)]
    found = acc.decompress_many(made, name, max_output=1000, return_exceptions=True)
    assert found[:2] == [text(999), text(1000)]
    assert isinstance(found[2], fa.OutputLimitError)
    assert found[3] == text(5)


@pytest.mark.parametrize("name", FORMATS)
def test_a_bomb_stops_at_the_limit(acc: fa.Accelerator, name: str) -> None:
    bomb = library_compress(zeros(300 * MIB), name)
    tracemalloc.start()
    try:
        with pytest.raises(fa.OutputLimitError):
            acc.decompress(bomb, name, max_output=1000)
        with pytest.raises(fa.BufferTooSmallError):
            acc.decompress_into(bomb, bytearray(1000), name)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("declared", [1000, 2**31, 2**32 - 1])
def test_a_size_that_cannot_be_is_refused_before_any_allocation(acc: fa.Accelerator, declared: int) -> None:
    stream = varint(declared) + literal(b"x") + copy2(1, 64)
    acc.compress(b"warm", "snappy-raw")
    tracemalloc.start()
    try:
        with pytest.raises(fa.FormatError, match=str(declared)):
            acc.decompress(stream, "snappy-raw")
        found = acc.decompress_many([stream, varint(1) + literal(b"g")], "snappy-raw", return_exceptions=True)
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
    assert isinstance(found[0], fa.FormatError)
    assert found[1] == b"g"


@pytest.mark.parametrize("name", FORMATS)
def test_buffers_are_written_and_tell_what_they_need(acc: fa.Accelerator, name: str) -> None:
    for data in (b"x", TEXT, noise(70 * KIB)):
        stream = acc.compress(data, name)
        for capacity in (0, len(stream) - 1):
            with pytest.raises(fa.BufferTooSmallError) as caught:
                acc.compress_into(data, bytearray(capacity), name)
            assert caught.value.needed == len(stream)
        for capacity in (0, len(data) - 1):
            with pytest.raises(fa.BufferTooSmallError) as caught:
                acc.decompress_into(stream, bytearray(capacity), name)
            assert caught.value.needed == len(data)
        out = bytearray(b"\xaa" * (len(data) + 1000))
        assert acc.decompress_into(stream, out, name) == len(data)
        assert out == data + b"\xaa" * 1000
    # Blocks that the library makes larger than they are, in front of one that becomes very small.
    data = noise(256 * KIB) + b"a"
    room = acc.compress_bound(len(data), name) + 100_000
    out = bytearray(b"\xaa" * room)
    size = acc.compress_into(data, out, name)
    assert acc.decompress(out[:size], name) == data
    assert out[size:] == b"\xaa" * (room - size)


@pytest.mark.parametrize("threads", [1, 2])
def test_no_content_stays_that_does_not_match_its_checksum(threads: int) -> None:
    content = text(2 * MIB)
    stream = bytearray(library_compress(content, "snappy"))
    # The checksum of the first chunk.
    stream[14] ^= 1
    out = bytearray(len(content))
    with fa.Accelerator("cpu", threads=threads) as acc, pytest.raises(fa.IntegrityError):
        acc.decompress_into(stream, out, "snappy")
    assert not any(out[:BLOCK])


@pytest.mark.parametrize("name", FORMATS)
def test_options_and_wrong_inputs_are_refused(acc: fa.Accelerator, name: str) -> None:
    for options in ({"level": 1}, {"block_size": 1024}, {"windowsize": 1}):
        with pytest.raises(TypeError, match=next(iter(options))):
            acc.compress(TEXT, name, **options)
    for call in (acc.compress, acc.decompress):
        with pytest.raises(TypeError, match="str"):
            call("text", name)
        with pytest.raises(BufferError):
            call(memoryview(TEXT)[::2], name)
    view = memoryview(b"??" + TEXT[:4000])[2:]
    assert acc.compress(view, name) == acc.compress(bytearray(view), name) == acc.compress(bytes(view), name)


@pytest.mark.parametrize("name", FORMATS)
def test_rows_beside_a_row_do_not_change_its_bytes(acc: fa.Accelerator, name: str) -> None:
    items = sizes.beside_each_other()
    alone = [acc.compress(item, name) for item in items]
    assert [library_decompress(frame, name) for frame in alone] == items
    for seed in range(4):
        order = random.Random(seed).sample(range(len(items)), len(items))
        assert acc.compress_many([items[index] for index in order], name) == [alone[index] for index in order]


# ---- streams ----


def test_files_are_written_and_read(acc: fa.Accelerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snappy_stream, "SLAB", 4 * BLOCK)
    monkeypatch.setattr(snappy_stream.Encoder, "slab", 4 * BLOCK)
    content = mixed(900 * KIB) + b"end"
    path = tmp_path / "file.sz"
    with fa.open(path, "wb", accelerator=acc) as file:
        for start in range(0, len(content), 37_000):
            file.write(content[start : start + 37_000])
    written = path.read_bytes()
    assert written == acc.compress(content, "snappy")
    assert library_decompress(written, "snappy") == content
    with fa.open(path, accelerator=acc) as file:
        assert file.read(10) == content[:10]
        assert file.read() == content[10:]
    with fa.open(path, "ab", accelerator=acc) as file:
        file.write(b"more")
    with fa.open(path, accelerator=acc) as file:
        assert file.read() == content + b"more"
    with pytest.raises(fa.OutputLimitError), fa.open(path, accelerator=acc, max_output=len(content)) as file:
        file.read()


def read(acc: fa.Accelerator, stream: bytes) -> bytes:
    """Return the content of a stream that is read as a file."""
    with fa.open(io.BytesIO(stream), format="snappy", accelerator=acc) as file:
        content: bytes = file.read()
        return content


def test_bad_files_are_refused(acc: fa.Accelerator) -> None:
    for stream, kind in BAD_FRAMING.values():
        with pytest.raises(kind):
            read(acc, stream)
    for reserved in (0x02, 0x7F):
        with pytest.raises(fa.FormatError, match="reserved"):
            read(acc, IDENTIFIER + stored(b"a") + chunk(reserved, b""))
    parts = IDENTIFIER + chunk(0x99, bytes(100_000)) + stored(b"a") + IDENTIFIER + compressed(periodic(5000))
    assert read(acc, parts) == b"a" + periodic(5000)


def test_raw_streams_are_no_files(acc: fa.Accelerator, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="formats of streams are"):
        fa.open(tmp_path / "file.snappy", "wb", "snappy-raw", accelerator=acc)
    with pytest.raises(ValueError, match="formats of streams are"):
        fa.open(io.BytesIO(acc.compress(b"a", "snappy-raw")), "rb", "snappy-raw", accelerator=acc)
    assert not (tmp_path / "file.snappy").exists()


# ---- threads of the CPU path ----


@pytest.mark.parametrize("name", FORMATS)
def test_threads_make_the_same_streams(name: str) -> None:
    content = text(5 * MIB) + noise(3 * MIB + 5) + zeros(MIB)
    with fa.Accelerator("cpu", threads=2) as acc, fa.Accelerator("cpu", threads=1) as alone:
        stream = acc.compress(content, name)
        assert stream == alone.compress(content, name) == library_compress(content, name)
        assert acc.decompress(stream, name) == content
        out = bytearray(len(content) + 9)
        assert acc.decompress_into(stream, out, name) == len(content)
        assert out[: len(content)] == content
