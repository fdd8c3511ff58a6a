"""The AES-CTR cores in Amaranth's simulator, against FIPS 197, SP 800-38A and pyca/cryptography."""

from __future__ import annotations

import importlib
import itertools
import random
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers import algorithms

pytest.importorskip("amaranth.sim", reason="amaranth is not installed")
from ctr_bench import BLOCK, Algorithm, Bench, Segment

rtl = importlib.import_module("fpga_accel.kernels.aes.rtl")
round_keys: Callable[[bytes], bytes] = importlib.import_module("fpga_accel.kernels.aes.rtl_schedule").round_keys

CORES = ("AesCtrIterative", "AesCtrPipeline")
KEYS = tuple(bytes(range(size)) for size in (16, 24, 32))
AES = Algorithm(algorithms.AES, round_keys, lambda key: len(key) // 4 + 6)


def run(name: str, segments: list[Segment], *, stalls: float = 0.0) -> Bench:
    bench = Bench(getattr(rtl, name)(), AES, segments, stalls)
    bench.run()
    return bench


def check(name: str, segments: list[Segment], *, stalls: float = 0.0) -> None:
    found = run(name, segments, stalls=stalls).results
    assert found == [AES.expected(segment) for segment in segments]


@pytest.mark.parametrize("name", CORES)
def test_example_vectors_of_fips_197(name: str) -> None:
    """Appendix C: as counters of an all-zero text, the plaintexts give the ciphertexts."""
    plaintext = bytes.fromhex("00112233445566778899aabbccddeeff")
    found = run(name, [Segment(key, plaintext, bytes(BLOCK)) for key in KEYS]).results
    assert [block.hex() for block in found] == [
        "69c4e0d86a7b0430d8cdb78070b4c55a",
        "dda97ca4864cdfe06eaf70a0ec0d7191",
        "8ea2b7ca516745bfeafc49904b496089",
    ]


@pytest.mark.parametrize("name", CORES)
def test_ctr_vectors_of_sp_800_38a(name: str) -> None:
    """Appendices F.5.1 and F.5.5, first and last blocks."""
    counter = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
    text = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    short = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    long = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    first, second = run(name, [Segment(short, counter, text), Segment(long, counter, text)]).results
    assert first[:BLOCK].hex() == "874d6191b620e3261bef6864990db6ce"
    assert first[-BLOCK:].hex() == "1e031dda2fbe03d1792170a0f3009cee"
    assert second[:BLOCK].hex() == "601ec313775789a5b7a7f504bbf3d228"
    assert second[-BLOCK:].hex() == "dfc9c58db67aada613c2dd08457941a6"


@pytest.mark.parametrize("low", [2**128 - 1, 2**128 - 3, 2**64 - 2, 2**65 - 1, 0x7F << 64 | 2**64 - 5])
@pytest.mark.parametrize("name", CORES)
def test_the_counter_carries_through_all_bits(name: str, low: int) -> None:
    check(name, [Segment(KEYS[2], low.to_bytes(BLOCK, "big"), bytes(7 * BLOCK))])


@pytest.mark.parametrize("stalls", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("name", CORES)
def test_segments_of_all_sizes_and_keys(name: str, stalls: float) -> None:
    """Keys change between sizes, and are held, with texts from nothing to some blocks."""
    rng = random.Random(9)
    sizes = [0, 1, 15, 16, 17, 0, 0, 31, 33, 48, 64, 200] + [rng.randrange(120) for _ in range(24)]
    keys = [rng.randbytes(rng.choice((16, 24, 32))) for _ in range(5)]
    check(name, [Segment(rng.choice(keys), rng.randbytes(BLOCK), rng.randbytes(size)) for size in sizes], stalls=stalls)


def test_a_new_key_follows_the_text_before_it() -> None:
    """Each pair of key sizes, with the pipeline full when the key comes."""
    rng = random.Random(2)
    order = [0, 0, 1, 1, 2, 2, 0, 2, 1, 0]
    sizes = (16, 24, 32)
    segments = [Segment(rng.randbytes(sizes[i]), rng.randbytes(BLOCK), rng.randbytes(70 * BLOCK)) for i in order]
    check("AesCtrPipeline", segments)


@pytest.mark.parametrize(("name", "clocks"), [("AesCtrIterative", 904), ("AesCtrPipeline", 68)])
def test_clocks_of_a_kibibyte_with_a_held_key(name: str, clocks: int) -> None:
    segments = [Segment(KEYS[2], bytes(BLOCK), bytes(1024))] * 4
    ends = run(name, segments).ends
    assert [later - earlier for earlier, later in itertools.pairwise(ends)] == [clocks] * 3
