"""The SM4-CTR cores on Amaranth's simulator: vectors of the standard, and the stock cipher on texts of all sizes."""

from __future__ import annotations

import importlib
import itertools
import random
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers import algorithms

pytest.importorskip("amaranth.sim", reason="amaranth is not installed")
from ctr_bench import BLOCK, Algorithm, Bench, Segment

rtl = importlib.import_module("fpga_accel.kernels.sm4.rtl")
schedule = importlib.import_module("fpga_accel.kernels.sm4.rtl_schedule")
round_keys: Callable[[bytes], bytes] = schedule.round_keys

SM4 = Algorithm(algorithms.SM4, round_keys, lambda key: 0)
KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")
ROUNDS = (4, 32)


def run(rounds: int, segments: list[Segment], *, stalls: float = 0.0) -> Bench:
    bench = Bench(rtl.Sm4Ctr(rounds), SM4, segments, stalls)
    bench.run()
    return bench


def check(rounds: int, segments: list[Segment], *, stalls: float = 0.0) -> None:
    assert run(rounds, segments, stalls=stalls).results == [SM4.expected(segment) for segment in segments]


def test_round_keys_of_the_standard() -> None:
    """GB/T 32907-2016 appendix A.1, first and last."""
    keys = round_keys(KEY)
    assert (len(keys), keys[:8].hex(), keys[-8:].hex()) == (128, "f12186f941662b61", "01cf72e59124a012")


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_keys_of_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"16 bytes, not {size}"):
        round_keys(bytes(size))


def test_the_substitution_is_the_stock_ciphers() -> None:
    """It is a permutation, and all of it shows in the keys of many ciphers."""
    assert len(set(schedule.SBOX)) == 256
    assert (schedule.SBOX[0x00], schedule.SBOX[0xEF], schedule.SBOX[0xFF]) == (0xD6, 0x84, 0x48)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_the_example_of_the_standard(rounds: int) -> None:
    """Appendix A.1, the plaintext as a counter of an all-zero text."""
    assert run(rounds, [Segment(KEY, KEY, bytes(BLOCK))]).results == [bytes.fromhex("681edf34d206965e86b3e94f536e4246")]


@pytest.mark.parametrize("low", [2**128 - 1, 2**64 - 2, 2**65 - 1, 0x7F << 64 | 2**64 - 5])
def test_the_counter_carries_through_all_bits(low: int) -> None:
    check(4, [Segment(KEY, low.to_bytes(BLOCK, "big"), bytes(7 * BLOCK))])


@pytest.mark.parametrize("stalls", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("rounds", ROUNDS)
def test_segments_of_all_sizes_and_keys(rounds: int, stalls: float) -> None:
    """Keys change between sizes, and are held, with texts from nothing to some blocks."""
    rng = random.Random(9)
    sizes = [0, 1, 15, 16, 17, 0, 0, 31, 33, 48, 64, 200] + [rng.randrange(120) for _ in range(12)]
    keys = [rng.randbytes(16) for _ in range(3)]
    segments = [Segment(rng.choice(keys), rng.randbytes(BLOCK), rng.randbytes(size)) for size in sizes]
    check(rounds, segments, stalls=stalls)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_new_key_waits_for_a_full_ring(rounds: int) -> None:
    rng = random.Random(2)
    sizes = (130, 5, 130)
    check(rounds, [Segment(rng.randbytes(16), rng.randbytes(BLOCK), rng.randbytes(size * BLOCK)) for size in sizes])


@pytest.mark.parametrize("rounds", [8, 16])
def test_rings_between(rounds: int) -> None:
    segment = Segment(KEY, bytes(range(BLOCK)), bytes(range(250)))
    check(rounds, [segment, segment])


@pytest.mark.parametrize(("rounds", "clocks"), [(4, 8 * 64 + 8), (32, 64 + 4)])
def test_clocks_of_a_kibibyte_with_a_held_key(rounds: int, clocks: int) -> None:
    ends = run(rounds, [Segment(KEY, bytes(BLOCK), bytes(1024))] * 4).ends
    assert max(later - earlier for earlier, later in itertools.pairwise(ends)) <= clocks
