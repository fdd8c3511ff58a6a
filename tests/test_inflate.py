"""Deflate, zlib, gzip and BGZF read on every backend, against zlib, ISA-L, zlib-ng and streams made by hand."""

from __future__ import annotations

import gzip
import io
import os
import random
import sys
import zlib
from collections.abc import Callable

import pytest
from conftest import Backend
from isal import isal_zlib
from sizes import KIB, around, mixed, noise, periodic, text, zeros
from zlib_ng import zlib_ng

import fpga_accel as fa
from fpga_accel.operations import inflate, inflate_library, registry

CONTENTS = [maker(size) for maker in (text, noise, zeros, periodic, mixed) for size in (0, 1, 300, 5000, 70 * KIB)]
STRATEGIES = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED)
# An empty BGZF block, from the SAM specification, 4.1.2.
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def raw(content: bytes, level: int = 6, strategy: int = 0) -> bytes:
    encoder = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
    return encoder.compress(content) + encoder.flush()


def member(content: bytes, flags: int = 0, fields: bytes = b"", level: int = 6) -> bytes:
    start = bytes([0x1F, 0x8B, 8, flags, 0, 0, 0, 0, 0, 255]) + fields
    start += (zlib.crc32(start) & 0xFFFF).to_bytes(2, "little") if flags & 2 else b""
    return start + raw(content, level) + zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")


def bgzf(content: bytes, block: int = 0xFF00, end: bytes = BGZF_END) -> bytes:
    parts = []
    for at in range(0, len(content), block):
        stream = raw(content[at : at + block])
        field = b"\x06\x00BC\x02\x00" + (len(stream) + 25).to_bytes(2, "little")
        parts.append(member(content[at : at + block], 4, field))
    return b"".join(parts) + end


def by_zlib(stream: bytes) -> tuple[bytes | None, str]:
    """The content of a stream and nothing else, or None and what is wrong."""
    decoder = zlib.decompressobj(-15)
    try:
        content = decoder.decompress(stream)
    except zlib.error as error:
        return None, str(error)
    whole = decoder.eof and not decoder.unused_data
    return (content, "") if whole else (None, "its size")


class Bits:
    """A stream written bit by bit."""

    def __init__(self) -> None:
        self._text = ""

    def put(self, value: int, count: int) -> Bits:
        self._text += "".join(str(value >> bit & 1) for bit in range(count))
        return self

    def code(self, text: str) -> Bits:
        self._text += text
        return self

    def done(self) -> bytes:
        padded = self._text + "0" * (-len(self._text) % 8)
        return bytes(int(padded[at : at + 8][::-1], 2) for at in range(0, len(padded), 8))


def dynamic(symbols: dict[int, int], distances: dict[int, int], counts: tuple[int, int] = (257, 1)) -> Bits:
    """A last block whose code lengths are written one by one, as codes of 4 bits."""
    made = Bits().put(1, 1).put(2, 2).put(counts[0] - 257, 5).put(counts[1] - 1, 5).put(15, 4)
    # All 16 plain lengths have codes of 4 bits, the repeats none.
    for sort in (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15):
        made.put(0 if sort > 15 else 4, 3)
    for lengths, count in zip((symbols, distances), counts, strict=True):
        for symbol in range(count):
            made.code(f"{lengths.get(symbol, 0):04b}")
    return made


GOOD_BLOCKS = {
    "one symbol": (dynamic({256: 1}, {}).code("0").done(), b""),
    "no distances": (dynamic({65: 1, 256: 1}, {}).code("001").done(), b"AA"),
    "one distance": (dynamic({65: 2, 256: 2, 257: 1}, {0: 1}, (258, 1)).code("10" + "0" + "0" + "11").done(), b"AAAA"),
}
BAD_BLOCKS = {
    "block type 3": Bits().put(7, 3).put(0, 29).done(),
    "length of a stored block": b"\x01\x03\x00\xfc\xfe" + b"abc",
    "over-subscribed symbols": dynamic({65: 1, 66: 1, 256: 1}, {}).code("000000").done(),
    "no end of block": dynamic({65: 1, 66: 1}, {}).code("000000").done(),
    "over-subscribed distances": dynamic({65: 1, 256: 1}, {0: 1, 1: 1, 2: 1}, (257, 3)).code("1").done(),
    "287 symbols": dynamic({65: 1, 256: 1}, {}, (287, 1)).code("1").done(),
    "31 distances": dynamic({65: 1, 256: 1}, {}, (257, 31)).code("1").done(),
    "code that is none": dynamic({256: 1}, {}).code("1" * 16).done(),
    "distance that is none": dynamic({65: 2, 256: 2, 257: 1}, {0: 1}, (258, 1)).code("10" + "0" + "1" * 16).done(),
    "distance before the start": Bits().put(1, 1).put(1, 2).code("0000001" + "00000" + "0" * 24).done(),
    "symbol 286": Bits().put(1, 1).put(1, 2).code("11000110" + "0" * 24).done(),
    "distance 30": Bits().put(1, 1).put(1, 2).code("10010001" + "0000001" + "11110" + "0" * 24).done(),
}
# ISA-L reads these: where refusals are verified, the device and the CPU path do not agree.
INCOMPLETE = {
    "symbols": dynamic({65: 2, 256: 2}, {}).code("01").done(),
    "distances": dynamic({65: 1, 256: 1}, {0: 2}).code("1").done(),
}


def test_work_runs_on_the_backend(acc: fa.Accelerator, backend: Backend) -> None:
    content = text(300 * KIB)
    for name, made in (("gzip", gzip.compress(content)), ("bgzf", bgzf(content)), ("deflate", raw(content))):
        assert acc.decompress(made, name) == content
        receipt = acc.last_receipt
        assert receipt is not None
        assert (receipt.algorithm, receipt.bytes_out) == (name, len(content))
        assert receipt.backend == backend.path


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_streams_of_zlib_are_read(acc: fa.Accelerator, strategy: int) -> None:
    for level in (0, 1, 4, 6, 9):
        streams = [raw(content, level, strategy) for content in CONTENTS]
        assert acc.decompress_many(streams, "deflate") == CONTENTS


def test_streams_of_other_encoders_are_read(acc: fa.Accelerator) -> None:
    for level in range(4):
        assert acc.decompress_many([isal_zlib.compress(each, level) for each in CONTENTS], "zlib") == CONTENTS
    for level in (1, 3, 9):
        assert acc.decompress_many([zlib_ng.compress(each, level) for each in CONTENTS], "zlib") == CONTENTS


def test_sizes_around_edges_come_back_in_every_format(acc: fa.Accelerator) -> None:
    for maker in (text, noise, zeros):
        # 24 and 304: where the fast loop ends. 258: the longest match. 0xFF00: a BGZF block.
        items = [maker(size) for size in around(0, 24, 258, 304, 4096, 32 * KIB, 0xFF00)]
        assert acc.decompress_many([zlib.compress(item) for item in items], "zlib") == items
        assert acc.decompress_many([gzip.compress(item) for item in items], "gzip") == items
        assert acc.decompress_many([bgzf(item) for item in items], "bgzf") == items


def test_every_distance_and_length_is_copied(acc: fa.Accelerator) -> None:
    items = [(noise(period) * (40_000 // period + 2))[: 40_000 + period] for period in (*range(1, 40), 257, 258, 32768)]
    assert acc.decompress_many([raw(item) for item in items], "deflate") == items


@pytest.mark.parametrize("name", GOOD_BLOCKS)
def test_codes_of_few_symbols_are_read(acc: fa.Accelerator, name: str) -> None:
    stream, content = GOOD_BLOCKS[name]
    assert zlib.decompress(stream, -15) == content
    assert acc.decompress(stream, "deflate") == content


@pytest.mark.parametrize("name", BAD_BLOCKS)
def test_bad_blocks_are_refused(acc: fa.Accelerator, name: str) -> None:
    for stream in (BAD_BLOCKS[name], BAD_BLOCKS[name] + bytes(400)):
        with pytest.raises(zlib.error):
            zlib.decompress(stream, -15)
        with pytest.raises(fa.FormatError):
            acc.decompress(stream, "deflate")


@pytest.mark.parametrize("name", INCOMPLETE)
@pytest.mark.kernels
def test_incomplete_codes_are_refused_by_devices(backend: Backend, name: str) -> None:
    with pytest.raises(zlib.error):
        zlib.decompress(INCOMPLETE[name], -15)
    with (
        fa.Accelerator(backend.id, fallback="never", verify="always") as strict,
        pytest.raises((fa.FormatError, fa.FallbackDisabledError)),
    ):
        strict.decompress(INCOMPLETE[name], "deflate")


def test_every_truncation_is_told(acc: fa.Accelerator) -> None:
    for level in (0, 1, 9):
        for name, made in (
            ("gzip", gzip.compress(text(900), level)),
            ("zlib", zlib.compress(text(900), level)),
            ("deflate", raw(noise(100) + text(900), level)),
        ):
            cut = [made[:size] for size in range(len(made))]
            found = acc.decompress_many(cut, name, return_exceptions=True)
            assert [type(each) for each in found] == [fa.TruncatedError] * len(cut)


def test_flipped_bits_end_as_with_zlib(acc: fa.Accelerator, backend: Backend) -> None:
    chance = random.Random(3)
    streams = [raw(text(200 + 90 * number), number % 9 + 1, number % 5) for number in range(20)]
    bad = []
    for stream in streams:
        for place in [*range(40), *chance.sample(range(40, 8 * len(stream)), 60)]:
            flipped = bytearray(stream)
            flipped[place >> 3] ^= 1 << (place & 7)
            bad.append(bytes(flipped))
    for stream, found in zip(bad, acc.decompress_many(bad, "deflate", return_exceptions=True), strict=True):
        wanted, fault = by_zlib(stream)
        if wanted is not None:
            assert found == wanted
        elif backend.is_device or "set" not in fault:
            assert isinstance(found, fa.FormatError)


def test_a_flipped_bit_in_a_checksum_is_told(acc: fa.Accelerator) -> None:
    for name, made in (("gzip", gzip.compress(text(900))), ("bgzf", bgzf(text(900), end=b""))):
        for place in range(1, 9):
            with pytest.raises(fa.IntegrityError):
                acc.decompress(made[:-place] + bytes([made[-place] ^ 1]) + made[len(made) - place + 1 :], name)
    made = zlib.compress(text(900))
    with pytest.raises(fa.IntegrityError):
        acc.decompress(made[:-1] + bytes([made[-1] ^ 1]), "zlib")


def test_joined_and_padded_members_are_read(acc: fa.Accelerator) -> None:
    parts = [text(100_000), b"", noise(1000), zeros(70_000)]
    joined = b"".join(gzip.compress(part) for part in parts)
    for made in (joined, joined + bytes(1), joined + bytes(10_000)):
        assert acc.decompress(made, "gzip") == b"".join(parts) == gzip.decompress(made)
    assert acc.decompress(joined + bgzf(parts[0]), "gzip") == b"".join([*parts, parts[0]])
    # Members of which a library's first piece is a part, in front and behind.
    large = [noise(150_000), noise(80_000), text(10), noise(70_000)]
    made, content = b"".join(map(gzip.compress, large)), b"".join(large)
    out = bytearray(b"\xaa" * (len(content) + 100))
    assert acc.decompress(made, "gzip") == content
    assert acc.decompress_into(made, out, "gzip") == len(content)
    assert out == content + b"\xaa" * 100
    with pytest.raises(fa.BufferTooSmallError):
        acc.decompress_into(made, bytearray(len(content) - 1), "gzip")
    assert acc.decompress_many([made, gzip.compress(b"x"), joined], "gzip") == [content, b"x", b"".join(parts)]


@pytest.mark.parametrize("last", [0, 1, 30_000, 90_000, 90_001])
def test_the_size_at_the_end_is_taken_for_no_more_than_a_hint(acc: fa.Accelerator, last: int) -> None:
    # So large that the hint is given, which is right for the last of them.
    first, content = noise(90_000), noise(last)
    members = gzip.compress(first) + gzip.compress(content)
    assert acc.decompress(members, "gzip") == first + content
    assert acc.decompress(members + bytes(20), "gzip") == first + content
    forged = bytearray(gzip.compress(first))
    forged[-4:] = last.to_bytes(4, "little")
    if last != len(first):
        with pytest.raises(fa.IntegrityError):
            acc.decompress(bytes(forged), "gzip")


def test_joined_members_are_decoded_ahead_and_none_is_mistaken() -> None:
    inner = gzip.compress(text(30_000))
    # Stored, so that all of `inner` stands there as if it were a member.
    disguised = member(noise(90_000) + inner + bytes([0x1F, 0x8B, 8, 0]) + inner, level=0)
    named = member(text(50_000), 8, b"name\0")
    parts = [
        gzip.compress(text(200_000)),
        disguised,
        named,
        gzip.compress(b""),
        gzip.compress(noise(70_000)),
        disguised,
    ]
    joined = b"".join(parts)
    content = gzip.decompress(joined)
    with fa.Accelerator("cpu", threads=2) as acc:
        for made in (joined, joined + bytes(10_000), bytearray(joined)):
            assert acc.decompress(made, "gzip") == content
        assert acc.decompress(joined, "gzip", max_output=len(content)) == content
        with pytest.raises(fa.OutputLimitError):
            acc.decompress(joined, "gzip", max_output=len(content) - 1)
        with pytest.raises(fa.TruncatedError):
            acc.decompress(joined[:-1], "gzip")
        for end, error in ((len(joined) - 8, fa.IntegrityError), (len(parts[0]), fa.FormatError)):
            bad = bytearray(joined)
            bad[end] ^= 0x20
            with pytest.raises(error):
                acc.decompress(bad, "gzip")
        with pytest.raises(fa.FormatError):
            acc.decompress(joined + inner[1:], "gzip")


@pytest.mark.parametrize("garbage", [b"x", b"\0\0x", b"\x1f\x8b\x07", bytes(5000) + b"x"])
def test_what_stands_behind_is_refused(acc: fa.Accelerator, garbage: bytes) -> None:
    made = {"gzip": gzip.compress(text(500)), "zlib": zlib.compress(text(500)), "deflate": raw(text(500))}
    for name, data in {**made, "bgzf": bgzf(text(500))}.items():
        with pytest.raises(fa.FormatError):
            acc.decompress(data + garbage, name)


def test_every_field_of_a_header_is_passed_over(acc: fa.Accelerator) -> None:
    extra = b"\x07\x00XY\x03\x00abc"
    for flags, fields in (
        (1, b""),
        (2, b""),
        (4, extra),
        (8, b"name\0"),
        (16, b"a comment\0"),
        (31, extra + b"n\0c\0"),
    ):
        made = member(text(500), flags, fields)
        assert gzip.decompress(made) == acc.decompress(made, "gzip") == text(500)
    with pytest.raises(fa.FormatError):
        acc.decompress(member(b"x", 32), "gzip")
    checked = bytearray(member(b"x", 2))
    checked[10] ^= 1
    with pytest.raises(fa.FormatError):
        acc.decompress(checked, "gzip")


def test_headers_of_zlib_are_checked(acc: fa.Accelerator) -> None:
    good = zlib.compress(text(500))
    encoder = zlib.compressobj(zdict=b"dictionary")
    # A window of 64 KiB, which there is not; the check of the header is right.
    wide = [b"\x88\x1c" + zlib.compress(content)[2:] for content in (text(500), noise(600_000))]
    for bad in (b"\x79" + good[1:], b"\x88" + good[1:], encoder.compress(b"dictionary") + encoder.flush(), *wide):
        with pytest.raises(fa.FormatError):
            acc.decompress(bad, "zlib")
    found = acc.decompress_many([good, *wide], "zlib", return_exceptions=True)
    assert found[0] == text(500)
    assert all(isinstance(error, fa.FormatError) for error in found[1:])


def test_bgzf_members_have_to_tell_their_size(acc: fa.Accelerator) -> None:
    content = text(200_000)
    for made in (bgzf(content), bgzf(content, end=b""), bgzf(content, 5000)):
        assert acc.decompress(made, "bgzf") == acc.decompress(made, "gzip") == content
    for made in (gzip.compress(content), bgzf(content) + gzip.compress(content)):
        with pytest.raises(fa.FormatError):
            acc.decompress(made, "bgzf")
    with pytest.raises(fa.TruncatedError):
        acc.decompress(bgzf(content)[:-1], "bgzf")
    # Of the first block, one byte more or less.
    for change in (-1, 1):
        changed = bytearray(bgzf(content))
        changed[16] = (changed[16] + change) % 256
        with pytest.raises((fa.FormatError, fa.IntegrityError)):
            acc.decompress(changed, "bgzf")


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "deflate": raw,
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bgzf": bgzf,
}


@pytest.mark.parametrize("name", PACKERS)
def test_the_limit_is_exact(acc: fa.Accelerator, name: str) -> None:
    for content in (b"x", text(100_000), zeros(3_000_000)):
        made = PACKERS[name](content)
        assert acc.decompress(made, name, max_output=len(content)) == content
        for limit in (0, len(content) // 2, len(content) - 1):
            with pytest.raises(fa.OutputLimitError):
                acc.decompress(made, name, max_output=limit)
        for limit in (sys.maxsize, 2**64):
            assert acc.decompress(made, name, max_output=limit) == content
        out = bytearray(len(content))
        assert acc.decompress_into(made, out, name) == len(content)
        assert out == content
        with pytest.raises(fa.BufferTooSmallError):
            acc.decompress_into(made, bytearray(len(content) - 1), name)


def test_a_bomb_stops_at_the_limit(acc: fa.Accelerator) -> None:
    bomb = gzip.compress(zeros(100 << 20), 1)
    with pytest.raises(fa.OutputLimitError):
        acc.decompress(bomb, "gzip", max_output=1000)
    with pytest.raises(fa.OutputLimitError):
        acc.decompress(bomb[10:-8], "deflate", max_output=1000)


def test_one_bad_item_loses_none_of_the_others(acc: fa.Accelerator) -> None:
    good = [gzip.compress(text(size)) for size in (0, 10, 100_000)]
    found = acc.decompress_many([good[0], b"bad", good[1], good[2][:-9], b"", good[2]], "gzip", return_exceptions=True)
    assert found[0::2][:2] == [b"", text(10)]
    assert found[5] == text(100_000)
    assert [type(found[place]) for place in (1, 3, 4)] == [fa.FormatError, fa.TruncatedError, fa.TruncatedError]


def test_the_corpus_is_read(acc: fa.Accelerator, corpus_file: bytes) -> None:
    content = corpus_file[: 4 << 20]
    assert acc.decompress(bgzf(content), "bgzf") == content
    assert acc.decompress(gzip.compress(content), "gzip") == content


# ---- large members of the CPU path ----


@pytest.mark.parametrize("threads", [1, 2])
def test_a_large_member_is_decoded_where_it_belongs(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    content = text(300 * KIB) + noise(600 * KIB) + bytes(200 * KIB)
    member, other = gzip.compress(content, 1), gzip.compress(text(200 * KIB))
    monkeypatch.setattr(inflate, "NEW_MEMORY", 100 * KIB)
    monkeypatch.setattr(inflate_library, "_PIECE", 10 * KIB)
    wrong_crc, wrong_size = bytearray(member), bytearray(member)
    wrong_crc[-5] ^= 1
    wrong_size[-1] ^= 0x10
    smaller = member[:-4] + (len(content) - 1).to_bytes(4, "little")
    with fa.Accelerator("cpu", threads=threads) as cpu:
        for data, right in (
            (member, content),
            (member + bytes(1000), content),
            # What the last bytes declare is not the size of all there is.
            (member + other, content + text(200 * KIB)),
            (other + member, text(200 * KIB) + content),
            (member + gzip.compress(b""), content),
        ):
            assert cpu.decompress(data, "gzip") == right
            for room in (len(right), len(right) + 9):
                out = bytearray(room)
                assert cpu.decompress_into(data, out, "gzip") == len(right)
                assert out[: len(right)] == right
            with pytest.raises(fa.OutputLimitError):
                cpu.decompress(data, "gzip", max_output=len(right) - 1)
            with pytest.raises(fa.BufferTooSmallError):
                cpu.decompress_into(data, bytearray(len(right) - 1), "gzip")
        for data, error in (
            (bytes(wrong_crc), fa.IntegrityError),
            (bytes(wrong_size), fa.IntegrityError),
            (smaller, fa.IntegrityError),
            (member[:-9], fa.TruncatedError),
            (member[: len(member) // 2], fa.TruncatedError),
            (member[:-8] + b"x" + member[-8:], fa.IntegrityError),
            (member + b"garbage behind it", fa.FormatError),
        ):
            with pytest.raises(error):
                cpu.decompress(data, "gzip")
            out = bytearray(len(content) + 9)
            with pytest.raises(error):
                cpu.decompress_into(data, out, "gzip")
            # Nothing that nobody has checked.
            assert not any(out)


@pytest.mark.parametrize("name", ["gzip", "bgzf", "zlib", "deflate", "lz4", "zstd"])
def test_threads_share_what_is_not_stored(acc: fa.Accelerator, name: str) -> None:
    operation = registry.find("decompress", name)
    text, noise = acc.compress(b"many words and words " * 500, name), acc.compress(os.urandom(8000), name)
    assert operation.gains_from_threads(text)
    if name not in ("zlib", "deflate"):
        assert not operation.gains_from_threads(noise)


def test_names_in_members_are_not_taken_for_stored_blocks() -> None:
    operation = registry.find("decompress", "gzip")
    for name in ("a", "h", "0"):
        out = io.BytesIO()
        with gzip.GzipFile(name, "wb", fileobj=out) as file:
            file.write(b"many words and words " * 500)
        assert operation.gains_from_threads(out.getvalue())


@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize("size", [1, 70_000, 700_000])
def test_what_is_stored_is_copied_to_where_it_belongs_and_checked(device: str, size: int) -> None:
    content = noise(size)
    member, out = gzip.compress(content, 0), bytearray(size + 9)
    with fa.Accelerator(device) as acc:

        def into(data: bytes) -> int:
            out[:] = b"\7" * len(out)
            return acc.decompress_into(data, out, "gzip")

        blocks = acc.compress(content, "bgzf", level=0)
        for data in (member, member + bytes(30), blocks):
            assert into(data) == size
            assert (bytes(out[:size]), bytes(out[size:])) == (content, b"\7" * 9)
            assert acc.decompress(data, "gzip") == content
        assert acc.decompress_into(blocks, out, "bgzf") == size
        half = size // 2
        joined = gzip.compress(content[:half], 0) + gzip.compress(content[half:], 0)
        assert into(joined) == size
        assert bytes(out[:size]) == content
        # A last block that is not stored.
        encoder = zlib.compressobj(0, zlib.DEFLATED, 31)
        mixed_blocks = encoder.compress(content[:half]) + encoder.flush(zlib.Z_FULL_FLUSH)
        raw = zlib.compressobj(9, zlib.DEFLATED, -15)
        mixed_blocks += raw.compress(content[half:]) + raw.flush()
        mixed_blocks += zlib.crc32(content).to_bytes(4, "little") + size.to_bytes(4, "little")
        assert into(mixed_blocks) == size
        assert bytes(out[:size]) == content
        # What fills the byte of a block's header means nothing.
        assert into(member[:10] + bytes([member[10] ^ 0x40]) + member[11:]) == size
        # The length of the first block and its complement, a byte of content, the checksum and the size.
        for position in (11, 13, 15, -8, -4):
            wrong = bytearray(member)
            wrong[position] ^= 1
            with pytest.raises((fa.FormatError, fa.IntegrityError, fa.TruncatedError)):
                into(bytes(wrong))
            with pytest.raises((fa.FormatError, fa.IntegrityError, fa.TruncatedError)):
                acc.decompress_into(bytes(wrong), bytearray(size), "gzip")
        for cut in (1, 8, 9, len(member) - 12):
            with pytest.raises((fa.FormatError, fa.TruncatedError)):
                into(member[:-cut])
        with pytest.raises(fa.BufferTooSmallError):
            acc.decompress_into(member, bytearray(size - 1), "gzip")
