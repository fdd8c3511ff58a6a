"""The AES-GCM core in Amaranth's simulator, against SP 800-38D's arithmetic, its test cases and pyca/cryptography."""

from __future__ import annotations

import importlib
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

pytest.importorskip("amaranth.sim", reason="amaranth is not installed")
from amaranth.sim import Simulator
from ctr_bench import BLOCK, Algorithm, Bench

from fpga_accel.runtime.ghash import ghash, multiply, power
from fpga_accel.runtime.simulation.simulator import ROW
from fpga_accel.runtime.simulation.tagged import TaggedRows, Tagging
from fpga_accel.segments import Status, address_of, copy_many, new_results, new_table

rtl = importlib.import_module("fpga_accel.kernels.aes.rtl_gcm")
common = importlib.import_module("fpga_accel.kernels.common.rtl_ghash")
round_keys: Callable[[bytes], bytes] = importlib.import_module("fpga_accel.kernels.aes.rtl_schedule").round_keys

DECRYPT, MASKED, FACTORED = 1, 1 << 28, 1 << 29
NONCE = bytes(range(12))
CORES = ("AesGcmIterative", "AesGcmPipeline")


@dataclass(frozen=True)
class Segment:
    """A message, or its bytes `[start, start + rows)` as a row of it."""

    key: bytes
    content: bytes
    aad: bytes = b""
    nonce: bytes = NONCE
    decrypt: bool = False
    start: int = 0
    size: int | None = None

    @property
    def row(self) -> bytes:
        whole = self.ciphertext[:-BLOCK] if self.decrypt else self.content
        return whole[self.start :][: self.size]

    @property
    def ciphertext(self) -> bytes:
        return AESGCM(self.key).encrypt(self.nonce, self.content, self.aad)

    @property
    def behind(self) -> int:
        return -(-len(self.content) // BLOCK) - -(-(self.start + len(self.row)) // BLOCK)

    @property
    def text(self) -> bytes:
        return (padded(self.aad) if self.start == 0 else b"") + self.row

    @property
    def hash_key(self) -> int:
        cipher = Cipher(algorithms.AES(self.key), modes.ECB()).encryptor()
        return int.from_bytes(cipher.update(bytes(BLOCK)), "big")

    def parameters(self) -> bytes:
        """Return the beats in front of the key's."""
        h, first = self.hash_key, self.start == 0
        j0 = self.nonce + bytes((0, 0, 0, 1))
        if len(self.nonce) != 12:
            hashed = padded(self.nonce) + (8 * len(self.nonce)).to_bytes(BLOCK, "big")
            j0 = ghash(h, hashed).to_bytes(BLOCK, "big")
        low = (int.from_bytes(j0[12:], "big") + self.start // BLOCK) % 2**32
        lengths = 8 * len(self.aad) << 64 | 8 * len(self.content)
        counter = j0[:12] + low.to_bytes(4, "big")
        if not self.behind:
            return counter + (lengths * first).to_bytes(BLOCK, "big")
        values = power(h, self.behind + 1), 0, multiply(lengths, h) * first
        return counter + b"".join(value.to_bytes(BLOCK, "big") for value in values)

    @property
    def flags(self) -> int:
        blocks = (len(self.text) - len(self.row)) // BLOCK
        return DECRYPT * self.decrypt | blocks << 1 | MASKED * (self.start == 0) | FACTORED * (self.behind > 0)


class Gcm(Algorithm):
    """Heads and parameters of the core."""

    def parameters(self, segment: Any, keys: bytes) -> bytes:
        return bytes(segment.parameters() + keys)

    def flags(self, segment: Any) -> int:
        return int(segment.flags)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def run(name: str, segments: list[Segment], stalls: float = 0.0) -> Bench:
    gcm = Gcm(algorithms.AES, round_keys, lambda key: len(key) // 4 + 6)
    bench = Bench(getattr(rtl, name)(), gcm, segments, stalls)
    bench.run()
    return bench


def expected(segment: Segment) -> bytes:
    sealed = segment.ciphertext
    return segment.content + sealed[-BLOCK:] if segment.decrypt else sealed


@pytest.mark.parametrize(("name", "clocks"), [("Ghash", 10), ("GhashPipeline", 1)])
def test_sums_of_products(name: str, clocks: int) -> None:
    """As sections 6.3 and 6.4 have them bit by bit, for a closing block with the key and with a factor of its own."""
    rng = random.Random(3)
    factors = [1, (1 << 128) - 1, rng.getrandbits(128)]
    core = getattr(common, name)()

    async def take(context: Any, block: int, closing: bool) -> int:
        waited = 1
        context.set(core.block, wire(block))
        context.set(core.closing, closing)
        context.set(core.start, 1)
        while not context.get(core.ready):
            await context.tick()
            waited += 1
        await context.tick()
        context.set(core.start, 0)
        return waited

    async def strobe(context: Any, signal: Any) -> None:
        context.set(signal, 1)
        await context.tick()
        context.set(signal, 0)

    async def bench(context: Any) -> None:
        for factor in factors:
            context.set(core.key, wire(factor))
            await strobe(context, core.new_key)
            for count in (0, 1, 5, 6, 7, 20):
                blocks = [rng.choice(factors) ^ rng.getrandbits(128) for _ in range(count)]
                context.set(core.blocks, count)
                await strobe(context, core.clear)
                waited = [await take(context, block, closing=False) for block in blocks]
                assert set(waited[7:]) <= {clocks}
                total = int.from_bytes(ghash_of(factor, blocks), "big")
                await context.tick().until(core.done)
                other = rng.getrandbits(128) if count % 2 else factor
                if count % 2:
                    context.set(core.factor, wire(other))
                    await strobe(context, core.new_factor)
                await take(context, blocks[0] if blocks else 5, closing=True)
                await context.tick().until(core.done)
                total = multiply(total ^ (blocks[0] if blocks else 5), other)
                assert context.get(core.sum) == wire(total)

    simulator = Simulator(core)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


def ghash_of(factor: int, blocks: list[int]) -> bytes:
    return ghash(factor, b"".join(block.to_bytes(BLOCK, "big") for block in blocks)).to_bytes(BLOCK, "big")


def wire(block: int) -> int:
    """A block as a beat."""
    return int.from_bytes(block.to_bytes(BLOCK, "big"), "little")


@pytest.mark.parametrize("name", CORES)
def test_vectors(name: str) -> None:
    """Test cases 2, 4, 13, 14, 16 of the GCM specification (McGrew, Viega), which SP 800-38D points at."""
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308")
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    text = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    zeros = bytes(BLOCK)
    segments = [
        Segment(zeros, zeros, nonce=bytes(12)),
        Segment(key, text, aad, nonce),
        Segment(zeros * 2, b"", nonce=bytes(12)),
        Segment(zeros * 2, zeros, nonce=bytes(12)),
        Segment(key * 2, text, aad, nonce),
    ]
    found = run(name, segments).results
    assert found[0].hex() == "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"
    assert found[1].hex() == (
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
        "5bc94fbc3221a5db94fae95ae7121a47"
    )
    assert found[2].hex() == "530f8afbc74536b9a963b4f1c4cb738b"
    assert found[3].hex() == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    assert found[4].hex() == (
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b"
    )


@pytest.mark.parametrize("stalls", [0.0, 0.5])
@pytest.mark.parametrize("name", CORES)
def test_messages_of_all_sizes_and_keys(name: str, stalls: float) -> None:
    rng = random.Random(9)
    sizes = [0, 1, 15, 16, 17, 0, 33, 48, 200, 5, 130, 32, 0, 77]
    keys = [rng.randbytes(size) for size in (16, 24, 32, 32)]
    segments = [
        Segment(
            rng.choice(keys),
            rng.randbytes(size),
            rng.randbytes(rng.choice((0, 0, 1, 16, 20, 48, 100))),
            rng.randbytes(rng.choice((12, 12, 8, 16, 21))),
            rng.random() < 0.5,
        )
        for size in sizes
    ]
    assert run(name, segments, stalls).results == [expected(segment) for segment in segments]


@pytest.mark.parametrize("name", CORES)
def test_the_counter_wraps_in_its_last_32_bits(name: str) -> None:
    """A nonce of 16 bytes whose J0 ends in ones."""
    key = bytes(range(32))
    h = Segment(key, b"").hash_key
    inverse = power(h, 2**128 - 2)
    # GHASH(nonce, lengths) = (nonce * H + lengths) * H.
    j0 = int.from_bytes(bytes(range(12)), "big") << 32 | 0xFFFFFFFE
    nonce = multiply(multiply(j0, inverse) ^ 128, inverse).to_bytes(BLOCK, "big")
    segment = Segment(key, bytes(range(100)), b"aad", nonce)
    assert segment.parameters()[:BLOCK] == j0.to_bytes(BLOCK, "big")
    assert run(name, [segment]).results == [segment.ciphertext]


@pytest.mark.parametrize("decrypt", [False, True])
@pytest.mark.parametrize("name", CORES)
def test_rows_of_a_message(name: str, decrypt: bool) -> None:
    """What rows add to the tag is the tag together."""
    whole = Segment(bytes(range(24)), bytes(range(150)), bytes(33), decrypt=decrypt)
    cuts = [(0, 32), (32, 80), (112, 38)]
    rows = [Segment(whole.key, whole.content, whole.aad, start=at, size=size, decrypt=decrypt) for at, size in cuts]
    found = run(name, rows).results
    tag = 0
    for row in found:
        tag ^= int.from_bytes(row[-BLOCK:], "big")
    assert b"".join(row[:-BLOCK] for row in found) + tag.to_bytes(BLOCK, "big") == expected(whole)


@pytest.mark.parametrize(("name", "clocks"), [("AesGcmIterative", [914, 909, 911]), ("AesGcmPipeline", [83, 83, 83])])
def test_clocks_of_a_kibibyte_with_a_held_key(name: str, clocks: list[int]) -> None:
    ends = run(name, [Segment(bytes(32), bytes(1024))] * 4).ends
    assert [later - earlier for earlier, later in itertools.pairwise(ends)] == clocks


def test_texts_and_tags_go_where_they_belong() -> None:
    """Three rows: the tag behind the text, apart from it, and apart with too little room; the second has AAD."""
    params, source, target = (np.arange(size, dtype=np.uint8) for size in (20, 30, 60))
    before = target.copy()
    table, results, rows = new_table(3), new_results(3), np.zeros(3, ROW)
    table["src"] = np.uint64(address_of(source)) + np.array([0, 10, 20], np.uint64)
    table["dst"] = np.uint64(address_of(target)) + np.array([0, 30, 45], np.uint64)
    table["src_size"], table["dst_capacity"] = 10, [26, 10, 9]
    for name in ("src", "dst", "src_size", "dst_capacity"):
        rows[name] = table[name]
    aad, sizes = np.zeros(3, np.uint64), np.array([0, 20, 0], np.uint64)
    tagged = TaggedRows(table, params, Tagging(aad, sizes, np.array([True, False, False])), rows)
    assert rows["src_size"].tolist() == [10, 42, 10]
    text = np.zeros(42, np.uint8)
    copy_many(rows["src"][1:2].copy(), np.array([address_of(text)], np.uint64), np.array([42], np.uint64))
    assert text.tobytes() == params.tobytes() + bytes(12) + source[10:20].tobytes()
    replies = [bytes([0xF0 + row]) * 10 + bytes([row + 1]) * BLOCK for row in range(3)]
    given = np.frombuffer(b"".join(replies), np.uint8)
    starts = np.uint64(address_of(given)) + np.array([0, 26, 52], np.uint64)
    copy_many(starts, rows["dst"].copy(), rows["dst_capacity"].astype(np.uint64))
    results["status"] = 0
    tagged.take(results)
    assert results["status"].tolist() == [Status.OK, Status.OK, Status.DST_TOO_SMALL]
    assert results["dst_size"].tolist() == [26, 10, 0]
    assert [bytes(partial) for partial in results["partial"][:2]] == [replies[0][10:], replies[1][10:]]
    assert target[:26].tobytes() == replies[0]
    assert target[30:40].tobytes() == replies[1][:10]
    assert (target[26:30] == before[26:30]).all()
    assert (target[40:] == before[40:]).all()
