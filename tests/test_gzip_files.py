"""Files of the DEFLATE family: commands and libraries both ways, damage, bombs, and streams of any slices."""

from __future__ import annotations

import gzip
import io
import random
import shutil
import subprocess
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import required
from conftest import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import igzip, isal_zlib
from sizes import KIB, MIB, mixed, noise, text, zeros
from test_inflate import BGZF_END, bgzf, member, raw
from zlib_ng import zlib_ng

import fpga_accel as fa
from fpga_accel.operations import inflate_stream
from fpga_accel.streams import Source

FORMATS = ("gzip", "zlib", "deflate", "bgzf")
WBITS = {"deflate": -15, "zlib": 15, "gzip": 31}
TYPED = (fa.FormatError, fa.TruncatedError, fa.IntegrityError)
TEXT = text(300 * KIB + 7)

# A subfield of 7 bytes.
EXTRA = b"\x0b\x00XY\x07\x00abcdefg"
HEADERS = {
    "plain": (0, b""),
    "text": (1, b""),
    "checked": (2, b""),
    "extra": (4, EXTRA),
    "empty extra": (4, b"\0\0"),
    "largest extra": (4, b"\xff\xff" + bytes(65535)),
    "name": (8, b"a name\0"),
    "empty name": (8, b"\0"),
    "long name": (8, b"n" * 200_000 + b"\0"),
    "comment": (16, b"a comment\0"),
    "all": (31, EXTRA + b"name\0comment\0"),
}


# ---- forms of reading ----


def whole(acc: fa.Accelerator, data: bytes, format: str) -> bytes:
    return acc.decompress(data, format)


def batched(acc: fa.Accelerator, data: bytes, format: str) -> bytes:
    first, second = acc.decompress_many([data, data], format, return_exceptions=True)
    if isinstance(first, Exception):
        assert type(first) is type(second)
        raise first
    assert first == second
    return bytes(first)


def into(acc: fa.Accelerator, data: bytes, format: str) -> bytes:
    out = bytearray(MIB)
    return bytes(out[: acc.decompress_into(data, out, format)])


def streamed(acc: fa.Accelerator, data: bytes, format: str) -> bytes:
    with fa.open(io.BytesIO(data), "rb", format, accelerator=acc) as stream:
        return bytes(stream.read())


FORMS: dict[str, Callable[[fa.Accelerator, bytes, str], bytes]] = {
    "whole": whole,
    "batched": batched,
    "into": into,
    "streamed": streamed,
}
forms = pytest.mark.parametrize("read", FORMS.values(), ids=FORMS)


def outcome(
    read: Callable[[fa.Accelerator, bytes, str], bytes], acc: fa.Accelerator, data: bytes, format: str
) -> object:
    """The content, or the class of the error."""
    try:
        return read(acc, data, format)
    except TYPED as error:
        return type(error)


def written(acc: fa.Accelerator, content: bytes, format: str, **options: Any) -> bytes:
    held = io.BytesIO()
    with fa.open(held, "wb", format, accelerator=acc, **options) as stream:
        stream.write(content)
    return held.getvalue()


# ---- commands and libraries ----


def command(name: str, *arguments: str, data: bytes) -> bytes:
    """What a command makes of data."""
    path = shutil.which(name) or required.missing(name, f"PATH has no {name} command")
    return subprocess.run([path, *arguments], input=data, capture_output=True, check=True).stdout


PACKS = [
    ("gzip", "gzip", ["-1"]),
    ("gzip", "gzip", ["-9"]),
    ("pigz", "gzip", ["-6", "-b", "128", "-p", "2"]),
    ("pigz", "gzip", ["-i", "-b", "128"]),
    ("pigz", "zlib", ["-z"]),
    ("pigz", "gzip", ["-0"]),
    ("bgzip", "bgzf", ["-c"]),
    ("bgzip", "gzip", ["-c", "-l", "9"]),
    ("bgzip", "bgzf", ["-c", "-l", "0"]),
]


@pytest.mark.parametrize(("name", "format", "options"), PACKS, ids="".join)
def test_what_commands_write_is_read(acc: fa.Accelerator, name: str, format: str, options: list[str]) -> None:
    for content in (b"", b"x", TEXT, noise(200 * KIB), mixed(500 * KIB)):
        made = command(name, *options, data=content)
        for read in FORMS.values():
            assert read(acc, made, format) == content


@pytest.mark.parametrize(
    ("name", "format"), [("gzip", "gzip"), ("gzip", "bgzf"), ("pigz", "gzip"), ("pigz", "zlib"), ("bgzip", "bgzf")]
)
def test_commands_read_what_is_written(acc: fa.Accelerator, name: str, format: str) -> None:
    for content in (b"", b"x", TEXT, noise(200 * KIB)):
        for level in (0, 1, 9):
            made = [acc.compress(content, format, level=level), written(acc, content, format, level=level)]
            assert [command(name, "-dc", data=each) for each in made] == [content] * 2
            for each in made:
                command(name, "-t", data=each)


def test_files_that_gzip_wrote_are_told_by_their_start(acc: fa.Accelerator, tmp_path: Path) -> None:
    path = tmp_path / "a name"
    path.write_bytes(TEXT)
    command("gzip", str(path), data=b"")
    packed = tmp_path / "a name.gz"
    assert b"a name\0" in packed.read_bytes()[:30]
    with fa.open(packed, accelerator=acc) as stream:
        assert stream.read() == TEXT
    with fa.open(packed, "wb", accelerator=acc, name="other") as stream:
        stream.write(TEXT)
    command("gzip", "-d", str(packed), data=b"")
    assert path.read_bytes() == TEXT


def test_libraries_read_what_is_written_and_back(acc: fa.Accelerator) -> None:
    for content in (b"", b"x", TEXT, noise(100 * KIB)):
        for format, wbits in WBITS.items():
            for made in (acc.compress(content, format), written(acc, content, format)):
                assert zlib.decompress(made, wbits) == zlib_ng.decompress(made, wbits) == content
                assert isal_zlib.decompress(made, wbits) == content
            for library in (zlib, zlib_ng, isal_zlib):
                encoder = library.compressobj(2, zlib.DEFLATED, wbits)
                # A flush makes an empty stored block, or a full one, in the middle.
                pieces = [encoder.compress(content[:1000]), encoder.flush(library.Z_SYNC_FLUSH)]
                pieces += [encoder.compress(content[1000:]), encoder.flush(library.Z_FULL_FLUSH), encoder.flush()]
                for read in FORMS.values():
                    assert read(acc, b"".join(pieces), format) == content
        by_isal = igzip.decompress(written(acc, content, "bgzf"))  # type: ignore[no-untyped-call]
        assert by_isal == content


# ---- headers, joined members, what stands behind ----


@forms
@pytest.mark.parametrize("name", HEADERS)
def test_fields_of_headers_are_passed_over(
    acc: fa.Accelerator, read: Callable[[fa.Accelerator, bytes, str], bytes], name: str
) -> None:
    flags, fields = HEADERS[name]
    made = member(text(700), flags, fields)
    assert gzip.decompress(made) == text(700)
    assert read(acc, made, "gzip") == text(700)
    assert read(acc, gzip.compress(b"first") + made + made, "gzip") == b"first" + 2 * text(700)


@forms
def test_reserved_flags_and_wrong_header_checks_are_refused(
    acc: fa.Accelerator, read: Callable[[fa.Accelerator, bytes, str], bytes]
) -> None:
    good = gzip.compress(text(500))
    bad = [member(text(500), flag) for flag in (0x20, 0x40, 0x80, 0xE0)]
    for flags, fields in ((2, b""), (31, EXTRA + b"name\0comment\0")):
        checked = bytearray(member(text(500), flags, fields))
        checked[4] ^= 1
        bad.append(bytes(checked))
    for each in bad:
        for data in (each, good + each):
            with pytest.raises(fa.FormatError):
                read(acc, data, "gzip")


@forms
def test_members_may_be_joined_and_padded(
    acc: fa.Accelerator, read: Callable[[fa.Accelerator, bytes, str], bytes]
) -> None:
    parts = [text(90_000), b"", noise(1000), zeros(70_000)]
    kinds = [gzip.compress(parts[0]), bgzf(parts[1]), bgzf(parts[2], 300), member(parts[3], *HEADERS["all"])]
    for made in (b"".join(kinds), b"".join(kinds[::-1]), kinds[0] + BGZF_END + kinds[2]):
        content = gzip.decompress(made)
        for padding in (0, 1, 511, 70_000):
            assert read(acc, made + bytes(padding), "gzip") == content
    with pytest.raises(fa.FormatError):
        read(acc, kinds[2] + kinds[0], "bgzf")


@forms
@pytest.mark.parametrize("format", FORMATS)
def test_what_stands_behind_is_refused(
    acc: fa.Accelerator, read: Callable[[fa.Accelerator, bytes, str], bytes], format: str
) -> None:
    made = PACKERS[format](TEXT)
    for garbage in (b"x", b"\0x", b"\x1f\x8b\x07", bytes(70_000) + b"x", b"\0" + made):
        with pytest.raises(fa.FormatError):
            read(acc, made + garbage, format)
    if format != "gzip":
        with pytest.raises(fa.FormatError):
            read(acc, made + bytes(4096), format)


# ---- damage ----

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "deflate": raw,
    "bgzf": bgzf,
}


@cache
def small_files() -> list[tuple[str, bytes, bytes]]:
    """Format, file and content of 22 files."""
    contents = [b"", b"a", text(400), noise(150), zeros(3000)]
    files = [("gzip", gzip.compress(content, mtime=1), content) for content in contents]
    files += [("gzip", member(text(300), *header), text(300)) for header in list(HEADERS.values())[1:5]]
    files += [("gzip", gzip.compress(text(200)) + gzip.compress(b"") + bgzf(text(90)), text(200) + text(90))]
    files += [("gzip", member(text(300), level=0), text(300))]
    files += [("zlib", zlib.compress(content, level), content) for level, content in enumerate(contents, 2)]
    files += [("zlib", isal_zlib.compress(text(300), 0), text(300))]
    files += [("bgzf", bgzf(content, 200), content) for content in (*contents[:4], zeros(900))]
    return files


def test_every_truncation_is_told_in_every_form(acc: fa.Accelerator) -> None:
    for format, made, content in small_files():
        cut = [made[:size] for size in range(len(made))]
        found = acc.decompress_many(cut, format, return_exceptions=True)
        for data, each in zip(cut, found, strict=True):
            by_stream = outcome(streamed, acc, data, format)
            if isinstance(each, bytes):
                # A file of joined members is a file where one of them ends.
                assert each == content[: len(each)] == by_stream
                assert gzip.decompress(data) == each
            else:
                assert type(each) is by_stream is fa.TruncatedError


def flips(made: bytes) -> Iterator[bytes]:
    """The data with one bit changed: all bits of what is around a small stream, and some of the others."""
    bits = 8 * len(made)
    edges = {*range(min(bits, 150)), *range(max(0, bits - 70), bits)}
    chosen = {*random.Random(5).sample(range(bits), min(bits, 60)), *random.Random(6).sample(sorted(edges), 60)}
    for place in sorted(chosen):
        changed = bytearray(made)
        changed[place >> 3] ^= 1 << (place & 7)
        yield bytes(changed)


def test_a_flipped_bit_is_told_or_changes_nothing(acc: fa.Accelerator) -> None:
    for format, made, content in small_files():
        bad = list(flips(made))
        for data, each in zip(bad, acc.decompress_many(bad, format, return_exceptions=True), strict=True):
            by_stream = outcome(streamed, acc, data, format)
            if isinstance(each, bytes):
                assert each == by_stream == content
            else:
                assert isinstance(each, TYPED)
                # Streams are read by ISA-L, which takes the incomplete codes that devices refuse.
                assert by_stream in TYPED or (by_stream == content and "set" in str(each))


def test_a_block_of_another_size_than_it_claims_is_refused(acc: fa.Accelerator) -> None:
    # The BC field is not the first: it is not what `bgzip` writes, and as binding.
    stream = raw(text(300))
    for change in (-1, 0, 1):
        size = 12 + 6 + 6 + len(stream) + 8
        fields = b"\x0c\0XY\2\0abBC\2\0" + (size - 1 + change).to_bytes(2, "little")
        made = member(text(300), 4, fields)
        assert len(made) == size
        for read in FORMS.values():
            for format in ("gzip", "bgzf"):
                for data in (made, made + BGZF_END):
                    if change:
                        assert outcome(read, acc, data, format) in TYPED
                    else:
                        assert read(acc, data, format) == text(300)


# ---- bombs ----

BOMB = 200_000_000


def packed_zeros(wbits: int, size: int = BOMB) -> bytes:
    encoder = isal_zlib.compressobj(1, zlib.DEFLATED, wbits)
    piece = zeros(size // 20)
    return b"".join([*(encoder.compress(piece) for _ in range(20)), encoder.flush()])


def block(stream: bytes, content: bytes) -> bytes:
    field = b"\x06\x00BC\x02\x00" + (len(stream) + 25).to_bytes(2, "little")
    start = bytes([0x1F, 0x8B, 8, 4, 0, 0, 0, 0, 0, 255]) + field
    return start + stream + zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")


@cache
def bombs() -> dict[str, tuple[str, bytes]]:
    """Format and file of bombs."""
    made = {format: (format, packed_zeros(wbits)) for format, wbits in WBITS.items()}
    one = bgzf(zeros(0xFF00), end=b"")
    made["bgzf"] = "bgzf", one * (BOMB // 0xFF00) + BGZF_END
    made["joined"] = "gzip", gzip.compress(zeros(MIB)) * (BOMB // MIB)
    # Blocks of BGZF hold 64 KiB; these are as large as a block can say that its stream is.
    large = raw(zeros(40_000_000))
    made["large blocks"] = "gzip", block(large, zeros(40_000_000)) * 5
    return made


@contextmanager
def within(nbytes: int) -> Iterator[None]:
    """Allow so much memory of Python objects."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < nbytes


@pytest.mark.parametrize("name", [*FORMATS, "joined", "large blocks"])
def test_bombs_stop_at_the_limit_in_every_form(acc: fa.Accelerator, name: str) -> None:
    format, bomb = bombs()[name]
    assert len(bomb) < 2 * MIB
    acc.decompress(PACKERS[format](b"warm"), format)
    out = bytearray(10_000)
    with within(24 * MIB):
        with pytest.raises(fa.OutputLimitError):
            acc.decompress(bomb, format, max_output=1000)
        with pytest.raises(fa.OutputLimitError):
            acc.decompress_into(bomb, out, format, max_output=1000)
        with pytest.raises(fa.BufferTooSmallError):
            acc.decompress_into(bomb, out, format)
        good = PACKERS[format](b"good")
        found = acc.decompress_many([good, bomb, bomb, good], format, max_output=1000, return_exceptions=True)
        assert [found[0], found[3]] == [b"good"] * 2
        assert [type(each) for each in found[1:3]] == [fa.OutputLimitError] * 2
        with (
            fa.open(io.BytesIO(bomb), "rb", format, accelerator=acc, max_output=1000) as stream,
            pytest.raises(fa.OutputLimitError),
        ):
            stream.read()


@pytest.mark.parametrize("name", [*FORMATS, "joined", "large blocks"])
def test_a_little_of_a_bomb_is_read_in_little_memory(acc: fa.Accelerator, name: str) -> None:
    format, bomb = bombs()[name]
    with (
        within(40 * MIB),
        fa.open(io.BytesIO(bomb), "rb", format, accelerator=acc) as stream,
    ):
        assert stream.read(5000) == bytes(5000)


def test_a_block_that_holds_more_than_it_declares_is_refused(acc: fa.Accelerator) -> None:
    made = block(packed_zeros(-15, 40_000_000), zeros(100)) * 5
    with within(160 * MIB):
        for read in (whole, batched, streamed):
            for format in ("gzip", "bgzf"):
                assert outcome(read, acc, made, format) is fa.IntegrityError
        for format in ("gzip", "bgzf"):
            with pytest.raises((fa.IntegrityError, fa.OutputLimitError)):
                acc.decompress(made, format, max_output=1000)


def test_blocks_of_more_than_64_kib_are_no_bgzf(acc: fa.Accelerator) -> None:
    for size in (65536, 65537, 300_000):
        content = text(size)[:100] * (size // 100) + text(size % 100)
        made = block(raw(content), content) + BGZF_END
        for read in FORMS.values():
            assert read(acc, made, "gzip") == content
            if size <= 65536:
                assert read(acc, made, "bgzf") == content
            else:
                with pytest.raises(fa.FormatError):
                    read(acc, made, "bgzf")


# ---- streams ----


def by_zlib(made: bytes, format: str) -> bytes:
    """The content of exactly one stream; of BGZF, of all members."""
    if format == "bgzf":
        assert made.endswith(BGZF_END)
        return gzip.decompress(made)
    reader = zlib.decompressobj(WBITS[format])
    content = reader.decompress(made)
    assert reader.eof
    assert reader.unused_data == b""
    return content


SOURCE = mixed(600 * KIB)


@given(data=st.data())
@settings(max_examples=40)
@pytest.mark.parametrize("format", FORMATS)
def test_any_slices_written_and_read_are_the_content(acc: fa.Accelerator, format: str, data: st.DataObject) -> None:
    slices = st.tuples(st.integers(0, len(SOURCE)), st.sampled_from([0, 1, 100, 5000, 65280, 200_000]), st.booleans())
    held, written_content = io.BytesIO(), b""
    with fa.open(held, "wb", format, accelerator=acc, level=data.draw(st.sampled_from([0, 1, 6]))) as stream:
        for start, size, flush in data.draw(st.lists(slices, max_size=6)):
            piece = SOURCE[start : start + size]
            assert stream.write(piece) == len(piece)
            written_content += piece
            if flush:
                stream.flush()
                if format != "bgzf":
                    # All that was written can be read by now.
                    assert zlib.decompressobj(WBITS[format]).decompress(held.getvalue()) == written_content
    made = held.getvalue()
    assert by_zlib(made, format) == written_content
    assert acc.decompress(made, format) == written_content
    found = bytearray()
    with fa.open(io.BytesIO(made), "rb", format, accelerator=acc) as stream:
        while part := stream.read(data.draw(st.integers(1, 300_000))):
            found += part
        assert stream.tell() == len(written_content)
    assert found == written_content


def test_streams_of_many_slabs_are_one_member_that_commands_test(acc: fa.Accelerator, backend: Backend) -> None:
    content = noise(9 * MIB) + text(MIB) if not backend.is_device else noise(MIB) + text(8 * MIB + 5)
    for format in ("gzip", "bgzf"):
        made = written(acc, content, format)
        assert by_zlib(made, format) == content
        command("bgzip" if format == "bgzf" else "gzip", "-t", data=made)
        with fa.open(io.BytesIO(made), accelerator=acc) as stream:
            assert stream.read(5 * MIB) + stream.read() == content


class Pieces(io.RawIOBase):
    """A file that gives a piece at a time, of any size."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__()
        self._held, self._size = io.BytesIO(data), size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._held.read(min(size, self._size) if size >= 0 else self._size)


@pytest.mark.parametrize("kind", ["gzip", "zlib", "deflate", "bgzf", "joined", "stored"])
def test_foreign_streams_of_many_slabs_are_read_in_bounded_memory(
    acc: fa.Accelerator, tmp_path: Path, kind: str
) -> None:
    unit = text(2 * MIB) + noise(MIB // 2) + zeros(MIB // 2)
    content = unit * 10
    made, format = foreign(content, kind), {"joined": "gzip", "stored": "gzip"}.get(kind, kind)
    assert len(made) > 10 * MIB
    path = tmp_path / "foreign"
    path.write_bytes(made)
    del made
    at, right = 0, True
    with within(24 * MIB), fa.open(path, "rb", format, accelerator=acc) as stream:
        while part := stream.read(256 * KIB):
            right &= part == content[at : at + len(part)]
            at += len(part)
    assert (at, right) == (len(content), True)


def foreign(content: bytes, kind: str) -> bytes:
    """A file that libraries made."""
    if kind == "bgzf":
        return b"".join(block(isal_zlib.compress(part, 1, -15), part) for part in cut(content, 0xFF00)) + BGZF_END
    if kind == "joined":
        return b"".join(igzip.compress(part, 1) for part in cut(content, 3 * MIB + 1))
    encoder = zlib if kind == "stored" else isal_zlib
    wbits = WBITS["gzip" if kind == "stored" else kind]
    made: bytes = encoder.compress(content, 0 if kind == "stored" else 1, wbits=wbits)
    return made


def cut(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def test_files_that_give_little_at_a_time_are_read(acc: fa.Accelerator) -> None:
    for format in FORMATS:
        made = PACKERS[format](TEXT)
        for size in (1000, 65_537):
            with fa.open(Pieces(made, size), "rb", format, accelerator=acc) as stream:
                assert stream.read() == TEXT


class Counting(Source):
    """A source that counts the bytes it hands out to look at."""

    peeked = 0

    def peek(self, count: int) -> bytes:
        found = super().peek(count)
        self.peeked += len(found)
        return found


def test_what_stands_behind_small_members_is_not_copied_for_each(acc: fa.Accelerator) -> None:
    content = noise(3000)
    source = Counting(io.BytesIO(gzip.compress(content) * 1000))
    found = b"".join(inflate_stream.gzip_decoded(source, lambda data, options: lambda: b"", None))
    assert found == content * 1000
    assert source.peeked < 10 * len(found)
    assert streamed(acc, gzip.compress(content) * 1000, "gzip") == found


@pytest.mark.parametrize("form", [list, fa.Batch.from_items])
def test_a_batch_of_one_block_items_is_judged_item_by_item(form: Callable[[list[bytes]], Any]) -> None:
    contents = [b"page %d " % number * 100 for number in range(5)]
    with fa.Accelerator("cpu") as acc:
        items = acc.compress_many(contents, "bgzf")
        assert list(acc.decompress_many(form(items), "bgzf")) == contents
        # Without the last block; two blocks; a wrong checksum; a block that says that it ends a byte later.
        wrong, late = bytearray(items[2]), bytearray(items[3])
        wrong[-36] ^= 1
        late[16] += 1
        mixed = [items[0][:-28], items[1][:-28] + items[1], bytes(wrong), bytes(late), items[4]]
        found = acc.decompress_many(form(mixed), "bgzf", return_exceptions=True)
        assert [found[0], found[1], found[4]] == [contents[0], contents[1] * 2, contents[4]]
        errors = found.errors if isinstance(found, fa.Batch) else {2: found[2], 3: found[3]}
        assert isinstance(errors[2], fa.IntegrityError)
        assert isinstance(errors[3], fa.FormatError)
