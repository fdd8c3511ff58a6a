"""The LZ4 core: the blocks of a model of its search, bit for bit, which `lz4` decodes, whatever the streams do."""

from __future__ import annotations

import importlib
import random
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any, NamedTuple

import lz4.block
import lz4.frame
import numpy as np
import pytest
import required

import fpga_accel as fa

simulation = pytest.importorskip("amaranth.sim", reason="amaranth is not installed")
rtl = importlib.import_module("fpga_accel.kernels.lz4.rtl")
rtl_feed = importlib.import_module("fpga_accel.kernels.lz4.rtl_feed")
rtl_match = importlib.import_module("fpga_accel.kernels.lz4.rtl_match")

BEAT = 16
OK, DST_TOO_SMALL, BAD_PARAM = 0, 1, 5
WINDOW = (1 << 15) - 64
INDEX_BITS = 13
# Where the table is to be cleared often.
FEW_INDEX_BITS, POSITION_BITS = 6, 11
HASHED = 5
# A position is in the table for those as far behind it; one closer reads the row while it is written.
ENTERED = 10
# A match is cut at this length, and a block with a run of this many literals is not compressed.
LONGEST_MATCH = 2050
LONGEST_RUN = 4032
CLOCK_LIMIT = 30_000


def index_of(word: int, bits: int) -> int:
    """The index of five bytes, as the core computes it."""
    mask = (1 << bits) - 1
    index = word & mask
    for place, rotations in enumerate(((0, 4, 6), (2, 5, 6), (1,)), 1):
        part = word >> place * bits & mask
        for count in rotations:
            index ^= (part << count | part >> bits - count) & mask
    return index


def print_of(text: bytes) -> int:
    """Five bits of three bytes."""
    word, folded = int.from_bytes(text, "little"), 0
    while word:
        word, folded = word >> 5, folded ^ word & 31
    return folded


def length_bytes(length: int) -> bytes:
    """What follows a token for one of its lengths."""
    return b"" if length < 15 else b"\xff" * ((length - 15) // 255) + bytes([(length - 15) % 255])


def sequence(literals: bytes, distance: int = 0, length: int = 4) -> bytes:
    """One sequence of the block format; the last one of a block has no distance."""
    token = bytes([min(len(literals), 15) << 4 | min(length - 4, 15)])
    start = token + length_bytes(len(literals)) + literals
    return start + distance.to_bytes(2, "little") + length_bytes(length - 4) if distance else start


class Found(NamedTuple):
    """A match of five bytes: its distance, whether three more seem to be the same, and whether the one before is."""

    distance: int
    is_long: bool
    back: bool


class Search:
    """The table of the core, and what it finds at each position."""

    def __init__(self, text: bytes, index_bits: int) -> None:
        self.text = text
        words = [int.from_bytes(text[at : at + HASHED], "little") for at in range(len(text))]
        self.indexes = [index_of(word, index_bits) for word in words]
        self.entries: dict[int, int] = {}
        # Positions that are in an open match for five bytes or more are not entered.
        self.entered = bytearray(b"\1" * len(text))

    def at(self, position: int) -> Found | None:
        """What there is for a position; to be asked for each, in order."""
        newest, writing = position - ENTERED, position - ENTERED + 1
        if newest >= 0 and self.entered[newest]:
            self.entries[self.indexes[newest]] = newest
        if position > len(self.text) - 12 or position == 0:
            return None
        text = self.text[position - 1 : position + 8]
        if len(set(text[:6])) == 1:
            return Found(1, len(set(text)) == 1, False)
        index = self.indexes[position]
        there = self.entries.get(index)
        if there is None or position - there > WINDOW:
            return None
        if writing >= 0 and self.entered[writing] and self.indexes[writing] == index:
            return None
        if self.text[there : there + HASHED] != text[1:6]:
            return None
        is_long = print_of(self.text[there + 5 : there + 8]) == print_of(text[6:])
        back = there > 0 and self.text[there - 1] == text[0]
        return Found(position - there, is_long, back)


def chosen(own: Found | None, following: Found | None) -> int:
    """The distance of the match that starts at a position, 0 for none: its own, or that of the position behind it."""
    longer = following is not None and following.is_long and not (own is not None and own.is_long)
    if following is not None and following.back and (own is None or longer):
        return following.distance
    return 0 if own is None or longer else own.distance


def model(text: bytes, index_bits: int = INDEX_BITS) -> bytes:
    """The search of the core, and the block that it writes."""
    search = Search(text, index_bits)
    block, anchor, end = b"", 0, 0
    own, following = None, search.at(0) if text else None
    for position in range(len(text)):
        own, following = following, search.at(position + 1)
        if position < end:
            continue
        distance = chosen(own, following)
        if not distance:
            continue
        end, limit = position + HASHED, min(len(text) - 5, position + LONGEST_MATCH)
        while end < limit and text[end] == text[end - distance]:
            end += 1
        search.entered[position + HASHED : end] = bytes(end - position - HASHED)
        block += sequence(text[anchor:position], distance, end - position)
        anchor = end
    return block + sequence(text[anchor:])


class Bench:
    """The core between a source and a sink that pause at random."""

    def __init__(
        self,
        segments: list[bytes],
        pauses: int = 0,
        claims: dict[int, int] | None = None,
        index_bits: int = INDEX_BITS,
    ) -> None:
        self.core = rtl.Lz4Compress(index_bits)
        self.segments, self.pauses = segments, pauses
        # The lengths that heads give where they are not those of the texts.
        self.claims = claims or {}
        self.rng = random.Random(pauses)
        self.results: list[tuple[int, bytes]] = []
        self.clocks = 0

    def run(self) -> None:
        simulator = simulation.Simulator(self.core)
        simulator.add_clock(1e-8)
        simulator.add_process(self.feed)
        simulator.add_testbench(self.drain)
        simulator.add_testbench(self.watch, background=True)
        simulator.run()

    async def pause(self, context: Any) -> None:
        # Most beats come at once, some much later.
        if self.pauses and self.rng.random() < 0.2:
            for _ in range(self.rng.randrange(self.pauses)):
                await context.tick()

    async def send(self, context: Any, port: Any, payload: Any) -> None:
        await self.pause(context)
        context.set(port.valid, 1)
        context.set(port.payload, payload)
        await context.tick().until(port.ready)
        context.set(port.valid, 0)

    async def feed(self, context: Any) -> None:
        for number, text in enumerate(self.segments):
            length = self.claims.get(number, len(text))
            head = {"length": length, "capacity": len(text), "flags": 0, "parameters": 0, "extra": 0, "tag": 0}
            await self.send(context, self.core.head, head)
            for start in range(0, max(1, len(text)), BEAT):
                part = text[start : start + BEAT]
                filled = int.from_bytes(part.ljust(BEAT, b"\xee"), "little")
                beat = {"bytes": filled, "count": len(part), "last": start + BEAT >= len(text)}
                await self.send(context, self.core.text, beat)

    async def drain(self, context: Any) -> None:
        block = b""
        while len(self.results) < len(self.segments):
            await self.pause(context)
            context.set(self.core.result.ready, 1)
            beat = (await context.tick().sample(self.core.result.payload).until(self.core.result.valid))[0]
            context.set(self.core.result.ready, 0)
            block += beat.bytes.to_bytes(BEAT, "little")[: beat.count]
            if beat.last:
                self.results.append((beat.status, block))
                block = b""

    async def watch(self, context: Any) -> None:
        while True:
            await context.tick()
            self.clocks += 1
            assert self.clocks < CLOCK_LIMIT, f"{len(self.results)} results after {CLOCK_LIMIT} clocks"


def random_bytes(size: int, seed: int = 1) -> bytes:
    return np.random.default_rng([size, seed]).bytes(size)


def words(size: int, seed: int = 1) -> bytes:
    """Text of a few words."""
    rng = random.Random(seed)
    known = [bytes(rng.choices(range(97, 123), k=rng.randint(2, 9))) for _ in range(60)]
    return b" ".join(rng.choices(known, k=size // 3))[:size]


SHORT = [b"", b"a", b"", b"ab" * 3, *(b"a" * size for size in (5, 11, 12, 13, 16, 17, 18, 32, 33, 300))]
SHORT += [b"abc" * 10, b"abcdefgh" * 5, words(900), random_bytes(290) + words(40) * 2, words(40), bytes(2600)]


def check(bench: Bench, index_bits: int) -> None:
    """Run it and compare all blocks."""
    bench.run()
    for text, (status, block) in zip(bench.segments, bench.results, strict=True):
        assert status == OK
        assert block == model(text, index_bits)
        assert lz4.block.decompress(block, uncompressed_size=len(text)) == text


@pytest.mark.parametrize(("pauses", "index_bits"), [(0, 12), (0, INDEX_BITS), (60, INDEX_BITS)])
def test_blocks_are_those_of_the_model(pauses: int, index_bits: int) -> None:
    check(Bench(SHORT, pauses, index_bits=index_bits), index_bits)


@pytest.mark.parametrize("pauses", [0, 40])
def test_positions_start_again(pauses: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 11 bits of position: the table is cleared a dozen times, between segments of all sizes, and none sees it."""
    for module, name in ((rtl_feed, "LENGTH_BITS"), (rtl_match, "POSITION_BITS")):
        monkeypatch.setattr(module, name, POSITION_BITS)
    half = 1 << POSITION_BITS - 1
    text = words(half * 2 - 1)
    segments = [text[: half - 30], *(text[:size] for size in range(1, 18)), text[:900], text, b"z", text[:half]]
    segments += [text[:14], b"", text[: half + 1], text[:60], text[:1500], *([text[:300]] * 4), b"", text[:13]]
    check(Bench(segments, pauses, index_bits=FEW_INDEX_BITS), FEW_INDEX_BITS)


def test_no_segment_is_waited_for() -> None:
    """The results of a segment come without another one behind it."""
    bench = Bench([b"x" * 40])
    bench.run()
    assert lz4.block.decompress(bench.results[0][1], uncompressed_size=40) == b"x" * 40


def test_a_segment_of_24_bits_is_refused() -> None:
    """The core says so once the last beat has come; there are fewer here than the head says."""
    bench = Bench([words(40), b"yz"], claims={0: 1 << 24})
    bench.run()
    assert [status for status, _ in bench.results] == [BAD_PARAM, OK]
    assert bench.results[1][1] == model(b"yz")


@pytest.fixture(scope="module")
def acc() -> Iterator[fa.Accelerator]:
    try:
        opened = fa.Accelerator("rtl", fallback="never", verify="always")
    except fa.DeviceError as error:
        required.missing("rtl", f"the simulator is not usable: {error}")
    with opened:
        yield opened


def blocks_of(frame: bytes, header: int = 15) -> list[tuple[bool, bytes]]:
    """Whether each block of a frame is stored, and its bytes."""
    found, at = [], header
    while size := int.from_bytes(frame[at : at + 4], "little"):
        stored, size = size >> 31 == 1, size & 0x7FFFFFFF
        found.append((stored, frame[at + 4 : at + 4 + size]))
        at += 4 + size
    return found


def test_frames(acc: fa.Accelerator) -> None:
    """Blocks of 64 KiB whose entries are left over from the blocks before."""
    far = random_bytes(3000)
    text = words(150_000) + far + words(WINDOW - 3000, 2) + far + words(1000, 3) + bytes(100_000)
    frame = acc.compress(text, "lz4", block_size=64 << 10)
    assert lz4.frame.decompress(frame) == text
    parts = [text[start : start + (64 << 10)] for start in range(0, len(text), 64 << 10)]
    assert blocks_of(frame)[1:] == [(False, model(part)) for part in parts[1:]]


def test_runs_of_literals(acc: fa.Accelerator) -> None:
    """A run that the queue holds is written, a longer one makes the block a stored one; the next block is right."""
    tail = words(4000)
    for size, stored in ((LONGEST_RUN - 1, False), (LONGEST_RUN, True), (60_000, True)):
        noise = random_bytes(size)
        text = (noise + noise[-50:]).ljust(64 << 10, b".") + tail
        frame = acc.compress(text, "lz4", block_size=64 << 10)
        assert lz4.frame.decompress(frame) == text
        assert [flag for flag, _ in blocks_of(frame)] == [stored, False]
    noise = random_bytes(200_000)
    assert lz4.frame.decompress(acc.compress(noise, "lz4", block_checksum=True, content_checksum=True)) == noise


def test_the_same_text_gives_the_same_bytes_after_others(acc: fa.Accelerator) -> None:
    """Positions are half used up in 8 MiB, after which the table is cleared before the next segment."""
    text = (words(100_001) * 30)[: (2 << 20) + 100_000]
    frame = acc.compress(text, "lz4", block_size=4 << 20)
    assert lz4.frame.decompress(frame) == text
    assert {acc.compress(text, "lz4", block_size=4 << 20) for _ in range(4)} == {frame}


def test_the_lz4_command_reads_it(acc: fa.Accelerator) -> None:
    if shutil.which("lz4") is None:
        required.missing("lz4", "there is no lz4 command")
    text = words(70_000)
    frame = acc.compress(text, "lz4")
    assert subprocess.run(["lz4", "-dc"], input=frame, capture_output=True, check=True).stdout == text
