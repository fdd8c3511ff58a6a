"""Broken LZ4 frames: every backend refuses the same ones, with the same typed errors, and survives them all."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import frames
import lz4.frame
import pytest
from conftest import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import KIB, mixed, noise, text, zeros

import fpga_accel as fa
from fpga_accel.operations import lz4_block, lz4_frame

# What malformed input may raise; exactly these, not the refusals of a device that derive from them.
TYPES = (fa.FormatError, fa.TruncatedError, fa.IntegrityError, fa.OutputLimitError)


@pytest.fixture(scope="module")
def cpu() -> Iterator[fa.Accelerator]:
    """The CPU path, whose verdict each backend must share."""
    with fa.Accelerator("cpu") as accelerator:
        yield accelerator


@pytest.fixture
def step(backend: Backend) -> int:
    """Of how many inputs that are much alike one is tried: a frame takes the emulator 10 ms."""
    return 4 if backend.kind == "fpga-emulator" else 1


def outcomes(acc: fa.Accelerator, inputs: list[bytes]) -> list[Any]:
    """What each input gives: its content, or the type of its error."""
    found = acc.decompress_many(inputs, "lz4", return_exceptions=True)
    for index, outcome in enumerate(found):
        assert isinstance(outcome, bytes) or type(outcome) in TYPES, (index, repr(outcome))
    return [outcome if isinstance(outcome, bytes) else type(outcome) for outcome in found]


def check(acc: fa.Accelerator, cpu: fa.Accelerator, inputs: Iterable[bytes], whole: bytes | None = None) -> None:
    """Compare a backend with the CPU path, and with the library, on inputs most of which are broken.

    `whole` is the one content that frames with checksums may give.
    """
    waiting = list(inputs)
    assert waiting
    for start in range(0, len(waiting), 150):
        group = waiting[start : start + 150]
        found, expected = outcomes(acc, group), outcomes(cpu, group)
        for position, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
            if isinstance(mine, bytes) and not isinstance(theirs, bytes):
                # The library refuses some blocks only for how they end; a kernel may decode them.
                assert judged(group[position]) == mine
                assert whole is None
                continue
            if isinstance(mine, bytes):
                agrees_with_library(group[position], mine, whole)
            # No assert on the contents, which would be printed.
            if mine == theirs:
                continue
            # One thing the library takes although it is invalid; a kernel may refuse it.
            if mine is not fa.FormatError or not frames.may_have_offset_0(group[position]):
                pytest.fail(f"input {start + position}: {describe(mine)}, on the CPU path {describe(theirs)}")


def judged(frame: bytes) -> bytes | None:
    """Return the content of one frame by the block format alone, None where it is malformed."""
    header = lz4_frame.parse_header(frame)
    content, position = b"", header.size
    while frame[position : position + 4] != frames.END:
        size = int.from_bytes(frame[position : position + 4], "little")
        payload = frame[position + 4 : position + 4 + (size & 0x7FFFFFFF)]
        position += 4 + len(payload) + 4 * header.block_checksum
        history = b"" if header.independent else content[-65536:]
        part = payload if size >> 31 else lz4_block.decoded(payload, header.block_size, history)
        if part is None:
            return None
        content += part
    return content


def describe(outcome: Any) -> str:
    return f"{len(outcome)} bytes" if isinstance(outcome, bytes) else outcome.__name__


def agrees_with_library(frame: bytes, content: bytes, whole: bytes | None) -> None:
    if frame[:4] == frames.word(frames.MAGIC):
        assert lz4.frame.decompress(frame) == content
        assert whole is None or content == whole


# ---- frames to break ----


def small_frame(*, linked: bool, checked: bool, sized: bool) -> tuple[bytes, bytes]:
    """A frame of about 300 bytes in five blocks, one of them stored, and its content."""
    pieces = [text(150), zeros(400), noise(40), text(300)[150:], b"abcabcabcabcabcabc" * 3]
    content = b"".join(pieces)
    made = frames.header(
        independent=not linked,
        block_checksum=checked,
        content_checksum=checked,
        content_size=len(content) if sized else None,
    )
    for piece in pieces:
        if piece == pieces[2]:
            made += frames.block(piece, stored=True, checksum=checked)
        else:
            made += frames.block(frames.packed(piece), checksum=checked)
    made += frames.END + (frames.xxh32(content) if checked else b"")
    assert lz4.frame.decompress(made) == content
    return made, content


def large_frame(*, linked: bool, checked: bool, sized: bool) -> tuple[bytes, bytes]:
    """A frame of about 100 KB in four blocks, and its content."""
    content = mixed(220 * KIB)
    made = lz4.frame.compress(
        content,
        block_size=4,
        block_linked=linked,
        content_checksum=checked,
        block_checksum=checked,
        store_size=sized,
    )
    return made, content


def legacy_frame() -> tuple[bytes, bytes]:
    content = text(200) + zeros(300) + noise(50)
    return frames.legacy(content), content


KINDS: Mapping[str, Mapping[str, bool]] = {
    "plain": {"linked": False, "checked": False, "sized": True},
    "checked": {"linked": False, "checked": True, "sized": True},
    "unsized": {"linked": False, "checked": False, "sized": False},
    "linked": {"linked": True, "checked": False, "sized": True},
    "linked-checked": {"linked": True, "checked": True, "sized": False},
}
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def places(frame: bytes, checked: bool) -> list[int]:
    """Offsets to break a large frame at: its ends, its block headers, and a sample."""
    chosen = {*range(300), *range(len(frame) - 300, len(frame))}
    for end in frames.block_ends(frame, checksum=checked):
        chosen.update(range(end - 6, end + 8))
    chosen.update(random.Random(7).sample(range(len(frame)), 300))
    return sorted(place for place in chosen if 0 <= place < len(frame))


def flipped(frame: bytes, place: int, bits: int) -> bytes:
    return frame[:place] + bytes([frame[place] ^ bits]) + frame[place + 1 :]


# ---- cut off ----


@kinds
def test_a_small_frame_cut_off_anywhere_is_truncated(
    acc: fa.Accelerator, cpu: fa.Accelerator, kind: Mapping[str, bool]
) -> None:
    frame, content = small_frame(**kind)
    cut = [frame[:size] for size in range(len(frame))]
    assert set(outcomes(acc, cut)) == {fa.TruncatedError}
    check(acc, cpu, [*cut, frame], content)
    for size in range(0, len(frame), 17):
        with pytest.raises(fa.FormatError):
            acc.decompress(frame[:size])
        with pytest.raises(fa.FormatError):
            acc.decompress_into(frame[:size], bytearray(len(content)))


@kinds
def test_a_large_frame_cut_off_anywhere_is_truncated(
    acc: fa.Accelerator, cpu: fa.Accelerator, step: int, kind: Mapping[str, bool]
) -> None:
    frame, content = large_frame(**kind)
    cut = [frame[:size] for size in places(frame, kind["checked"])[::step]]
    for start, outcome in zip(cut, outcomes(acc, cut), strict=True):
        # A declared size that the rest of a frame cannot hold, at 255 times its size, may be called malformed.
        hopeless = kind["sized"] and len(start) * 255 < len(content)
        assert outcome is fa.TruncatedError or (outcome is fa.FormatError and hopeless)
    check(acc, cpu, [*cut[::3], frame], content)


def test_joined_frames_cut_off_anywhere_are_truncated_or_end_with_a_frame(
    acc: fa.Accelerator, cpu: fa.Accelerator
) -> None:
    first, content = small_frame(linked=False, checked=True, sized=True)
    second, more = small_frame(linked=True, checked=False, sized=False)
    skipped = frames.skippable(b"metadata")
    joined = skipped + first + skipped + second
    ends = {
        len(skipped): b"",
        len(skipped + first): content,
        len(skipped + first + skipped): content,
        len(joined): content + more,
    }
    found = outcomes(acc, [joined[:size] for size in range(len(joined) + 1)])
    assert found == [ends.get(size, fa.TruncatedError) for size in range(len(joined) + 1)]


def test_a_legacy_frame_cut_off_anywhere_is_refused_or_ends_with_a_block(
    acc: fa.Accelerator, cpu: fa.Accelerator
) -> None:
    frame, _ = legacy_frame()
    check(acc, cpu, [frame[:size] for size in range(len(frame) + 1)])
    assert set(outcomes(acc, [frame[:size] for size in range(5, len(frame))])) == {fa.TruncatedError}


# ---- changed ----


CHANGES = (0x01, 0x10, 0x80, 0xFF)


@kinds
@pytest.mark.parametrize("bits", CHANGES)
def test_a_small_frame_with_any_byte_changed_is_refused_or_right(
    acc: fa.Accelerator, cpu: fa.Accelerator, step: int, kind: Mapping[str, bool], bits: int
) -> None:
    frame, content = small_frame(**kind)
    # Every byte, in one of the four ways at least.
    changed = [flipped(frame, place, bits) for place in range(CHANGES.index(bits) % step, len(frame), step)]
    check(acc, cpu, changed, content if kind["checked"] else None)


@kinds
def test_a_large_frame_with_a_byte_changed_is_refused_or_right(
    acc: fa.Accelerator, cpu: fa.Accelerator, step: int, kind: Mapping[str, bool]
) -> None:
    frame, content = large_frame(**kind)
    chance = random.Random(11)
    changed = [flipped(frame, place, chance.randrange(1, 256)) for place in places(frame, kind["checked"])[::step]]
    check(acc, cpu, changed, content if kind["checked"] else None)


@pytest.mark.parametrize("bits", [0x01, 0x80, 0xFF])
def test_a_legacy_frame_with_any_byte_changed_is_refused_or_decoded(
    acc: fa.Accelerator, cpu: fa.Accelerator, bits: int
) -> None:
    frame, _ = legacy_frame()
    check(acc, cpu, [flipped(frame, place, bits) for place in range(len(frame))])


def test_one_broken_frame_at_a_time_gives_the_same(acc: fa.Accelerator, cpu: fa.Accelerator) -> None:
    frame, content = small_frame(linked=False, checked=False, sized=True)
    for place in range(0, len(frame), 5):
        broken = flipped(frame, place, 0x11)
        (expected,) = outcomes(cpu, [broken])
        out = bytearray(len(content))
        if isinstance(expected, bytes):
            assert acc.decompress(broken, "lz4") == expected
            assert acc.decompress_into(broken, out, "lz4") == len(expected)
            assert out[: len(expected)] == expected
        else:
            with pytest.raises(TYPES) as caught:
                acc.decompress(broken, "lz4")
            assert type(caught.value) is expected
            with pytest.raises((*TYPES, fa.BufferTooSmallError)):
                acc.decompress_into(broken, out, "lz4")


# ---- anything ----


def test_noise_is_refused(acc: fa.Accelerator, cpu: fa.Accelerator) -> None:
    chance = random.Random(3)
    inputs = [chance.randbytes(chance.randrange(400)) for _ in range(300)]
    assert not any(isinstance(outcome, bytes) for outcome in outcomes(acc, inputs))
    check(acc, cpu, inputs)


@pytest.mark.parametrize("linked", [False, True], ids=["independent", "linked"])
def test_noise_in_blocks_is_refused_or_what_the_library_makes_of_it(
    acc: fa.Accelerator, cpu: fa.Accelerator, step: int, linked: bool
) -> None:
    chance = random.Random(5)

    def payload() -> bytes:
        # Few different bytes make short literals and offsets, so some of it decodes.
        return bytes(chance.choices((0, 1, 2, 3, 16, 17, 31, 32, 240, 255), k=chance.randrange(1, 60)))

    inputs = [
        frames.header(independent=not linked)
        + b"".join(frames.block(payload()) for _ in range(chance.randrange(1, 4)))
        + frames.END
        for _ in range(1500 // step)
    ]
    check(acc, cpu, inputs)


@given(parts=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 400), st.integers(0, 60)), max_size=8))
@settings(max_examples=100)
def test_any_splice_of_frames_is_refused_or_decoded(
    acc: fa.Accelerator, cpu: fa.Accelerator, parts: list[tuple[int, int, int]]
) -> None:
    sources = [small_frame(**kind)[0] for kind in KINDS.values()]
    spliced = b"".join(sources[number][start : start + size] for number, start, size in parts)
    check(acc, cpu, [spliced, frames.header() + spliced, sources[0][:40] + spliced])


# ---- each rule of the format ----

ONE = frames.block(frames.packed(text(100)))
STORED = frames.block(b"stored", stored=True)

BROKEN: Mapping[str, tuple[bytes, type[Exception]]] = {
    "nothing": (b"", fa.TruncatedError),
    "no magic number": (b"\x00\x00\x00\x00" + ONE, fa.FormatError),
    "another format": (b"\x1f\x8b\x08\x00" + bytes(20), fa.FormatError),
    "header checksum": (flipped(frames.header(), 6, 1) + ONE + frames.END, fa.FormatError),
    "reserved flag": (frames.header(flags=0x02) + ONE + frames.END, fa.FormatError),
    "reserved block flag": (frames.header(block_flags=0x01) + ONE + frames.END, fa.FormatError),
    "version 2": (frames.header(flags=0x80) + ONE + frames.END, fa.FormatError),
    "block size code 3": (frames.header(3) + ONE + frames.END, fa.FormatError),
    "block size code 8": (frames.header(8) + ONE + frames.END, fa.FormatError),
    "dictionary": (frames.header(dictionary=1) + ONE + frames.END, fa.FormatError),
    "no EndMark": (frames.header() + ONE + STORED, fa.TruncatedError),
    "stored block too large": (
        frames.header() + frames.block(bytes(65537), stored=True) + frames.END,
        fa.FormatError,
    ),
    "block too large": (frames.header() + frames.block(bytes(70_000)) + frames.END, fa.FormatError),
    "block size 2^31-1": (frames.header() + frames.word(0x7FFFFFFF) + bytes(100), fa.FormatError),
    "block that becomes too large": (
        frames.header() + frames.block(frames.packed(zeros(65537))) + frames.END,
        fa.FormatError,
    ),
    "block checksum": (
        frames.header(block_checksum=True) + STORED + frames.word(1) + frames.END,
        fa.IntegrityError,
    ),
    "block checksum of compressed data": (
        frames.header(block_checksum=True) + ONE + frames.word(1) + frames.END,
        fa.IntegrityError,
    ),
    "content checksum": (
        frames.header(content_checksum=True) + ONE + frames.END + frames.word(1),
        fa.IntegrityError,
    ),
    "content checksum of nothing": (
        frames.header(content_checksum=True, content_size=0) + frames.END + frames.word(1),
        fa.IntegrityError,
    ),
    "content checksum missing": (frames.header(content_checksum=True) + ONE + frames.END, fa.TruncatedError),
    "content longer than declared": (frames.header(content_size=99) + ONE + frames.END, fa.FormatError),
    "content shorter than declared": (frames.header(content_size=101) + ONE + frames.END, fa.FormatError),
    "bytes behind the frame": (frames.header() + ONE + frames.END + b"more bytes", fa.FormatError),
    "1 byte behind the frame": (frames.header() + ONE + frames.END + b"?", fa.FormatError),
    "offset before the start": (
        frames.header() + frames.block(b"\x30abc\x04\x00\x80defghijk") + frames.END,
        fa.FormatError,
    ),
    "offset before the block": (
        frames.header() + STORED + frames.block(b"\x30abc\x04\x00\x80defghijk") + frames.END,
        fa.FormatError,
    ),
    "linked offset before the frame": (
        frames.header(independent=False) + STORED + frames.block(b"\x30abc\x0a\x00\x80defghijk") + frames.END,
        fa.FormatError,
    ),
    "literals behind the block": (frames.header() + frames.block(b"\xf0\xff\xffabc") + frames.END, fa.FormatError),
    "endless literal length": (frames.header() + frames.block(b"\xf0" + b"\xff" * 500) + frames.END, fa.FormatError),
    "endless match length": (
        frames.header() + frames.block(b"\x1fa\x01\x00" + b"\xff" * 500) + frames.END,
        fa.FormatError,
    ),
    "match at the end": (frames.header() + frames.block(b"\x14a\x01\x00") + frames.END, fa.FormatError),
    "token alone": (frames.header() + frames.block(b"\x40") + frames.END, fa.FormatError),
    "skippable frame cut off": (frames.skippable(b"metadata")[:-1], fa.TruncatedError),
    "skippable frame of 4 GiB": (frames.word(frames.SKIPPABLE_MAGIC) + b"\xff" * 20, fa.TruncatedError),
    "legacy block of 4 GiB": (frames.word(frames.LEGACY_MAGIC) + b"\xfe\xff\xff\xff" + bytes(50), fa.TruncatedError),
    "legacy block of noise": (frames.word(frames.LEGACY_MAGIC) + frames.block(b"\xf0" * 40), fa.FormatError),
    "legacy block too large": (
        frames.word(frames.LEGACY_MAGIC) + frames.block(frames.packed(zeros((8 << 20) + 1))),
        fa.FormatError,
    ),
}


@pytest.mark.parametrize(("broken", "kind"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_has_its_class_of_error(acc: fa.Accelerator, broken: bytes, kind: type[Exception]) -> None:
    good = acc.compress(text(1000))
    with pytest.raises(kind) as caught:
        acc.decompress(broken, "lz4")
    assert type(caught.value) in TYPES
    assert str(caught.value)
    found = acc.decompress_many([good, broken, good], "lz4", return_exceptions=True)
    assert [type(outcome) for outcome in found] == [bytes, type(caught.value), bytes]
    with pytest.raises(kind):
        acc.decompress_into(broken, bytearray(1 << 20), "lz4")


@pytest.mark.parametrize("linked", [False, True], ids=["independent", "linked"])
@pytest.mark.parametrize(
    "payload", [b"\x34abc\x00\x00\x50defgh", b"\x04\x00\x00\x50defgh", b"\x1fa\x00\x00\x50\x50bcdef"]
)
def test_offset_0_is_refused_or_zeros_as_in_the_library(acc: fa.Accelerator, payload: bytes, linked: bool) -> None:
    frame = frames.header(independent=not linked) + frames.block(payload) + frames.END
    assert frames.may_have_offset_0(frame)
    (outcome,) = outcomes(acc, [frame])
    assert outcome is fa.FormatError or outcome == lz4.frame.decompress(frame)
    assert acc.decompress_many([acc.compress(b"good"), frame], return_exceptions=True)[0] == b"good"


ODD: Mapping[str, bytes] = {
    "fewer than 5 literals at the end": frames.block(b"\x10a\x01\x00\x10b"),
    "match close to the end": frames.block(b"\x1fa\x01\x00\x50\x50bcdef"),
    "only a match before 5 literals": frames.block(b"\x10a\x01\x00\x50bcdef"),
    "literals alone": frames.block(b"\x40abcd"),
    "empty block": frames.block(b"\x00"),
    "stored block of 0 bytes": frames.block(b"", stored=True) + ONE,
    "zero length byte": frames.block(b"\xf0\x00" + bytes(15)),
    "match of length 15 + 0": frames.block(b"\x1fa\x01\x00\x00\x50bcdef" + b""),
    "token behind a match": frames.block(b"\x1fa\x01\x00\x00\x00"),
    "reserved token bits at the end": frames.block(b"\x4fabcd"),
}


@pytest.mark.parametrize("linked", [False, True], ids=["independent", "linked"])
@pytest.mark.parametrize("blocks", ODD.values(), ids=ODD)
def test_what_the_library_takes_or_not_each_backend_does(
    acc: fa.Accelerator, cpu: fa.Accelerator, blocks: bytes, linked: bool
) -> None:
    odd = frames.header(independent=not linked) + blocks + frames.END
    check(acc, cpu, [odd, frames.header(independent=not linked) + ONE + blocks + ONE + frames.END])
    try:
        content = lz4.frame.decompress(odd)
    except RuntimeError:
        (outcome,) = outcomes(acc, [odd])
        assert not isinstance(outcome, bytes) or outcome == judged(odd)
    else:
        assert outcomes(acc, [odd]) == [content]
