"""The core that seals pages: frames that `lz4` reads in messages that pyca/cryptography opens, whatever streams do."""

from __future__ import annotations

import importlib
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import lz4.frame
import numpy as np
import pytest
import simulated
import sizes
import xxhash
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

pytest.importorskip("amaranth.sim", reason="amaranth is not installed")
from amaranth.sim import Simulator as AmaranthSimulator
from ctr_bench import BLOCK, Algorithm, Bench

import fpga_accel as fa
from fpga_accel.backends.rtl import RtlBackend
from fpga_accel.operations import chain_fused, links
from fpga_accel.operations.buffers import memory as view
from fpga_accel.operations.chain import ChainOperation, stage_of
from fpga_accel.runtime import manifests
from fpga_accel.runtime.simulation import building, parameters, toolchain
from fpga_accel.runtime.simulation.simulator import ROW, Rows, Simulator
from fpga_accel.segments import RECORD, Status, address_of, new_table

rtl = importlib.import_module("fpga_accel.kernels.chain.rtl")
memory = importlib.import_module("fpga_accel.kernels.chain.rtl_memory")
round_keys = importlib.import_module("fpga_accel.kernels.aes.rtl_schedule").round_keys

MASKED = 1 << 28
KEYS = (bytes(range(32)), bytes(range(16)))
NONCE = bytes(range(12))
SEAL = ("lz4.compress", "aes-gcm.encrypt")
STORED = 1 << 31


# ---- the core in Amaranth's simulator ----


@dataclass(frozen=True)
class Page:
    """A page with what seals it."""

    text: bytes
    key: bytes = KEYS[0]
    aad: bytes = b""
    nonce: bytes = NONCE

    @property
    def header(self) -> bytes:
        described = b"\x68\x40" + len(self.text).to_bytes(8, "little")
        check = xxhash.xxh32_intdigest(described) >> 8 & 0xFF
        return b"\x04\x22\x4d\x18" + described + bytes([check])

    def opened(self, result: bytes) -> tuple[bytes, bool]:
        """The content of a result, and whether its block is stored."""
        frame = AESGCM(self.key).decrypt(self.nonce, result, self.aad)
        assert frame.startswith(self.header)
        stored = bool(int.from_bytes(frame[15:19], "little") & STORED)
        content: bytes = lz4.frame.decompress(frame)
        return content, stored


class Sealing(Algorithm):
    """Heads and parameters of the core."""

    def parameters(self, segment: Any, keys: bytes) -> bytes:
        lengths = (8 * len(segment.aad)).to_bytes(8, "big") + bytes(8)
        front = segment.header + b"\0" + segment.nonce + b"\0\0\0\1" + lengths
        return bytes(front + keys + segment.aad + bytes(-len(segment.aad) % BLOCK))

    def flags(self, segment: Any) -> int:
        return MASKED | -(-len(segment.aad) // BLOCK) << 1


SEALING = Sealing(algorithms.AES, round_keys, lambda key: len(key) // 4 + 6)


def run(pages: list[Page], stalls: float = 0.0) -> Bench:
    bench = Bench(rtl.Lz4AesGcm(), SEALING, pages, stalls)
    bench.run()
    return bench


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("stalls", [0.0, 0.3])
def test_pages_of_all_kinds(stalls: float) -> None:
    pages = [
        Page(b"many words, many words, many words, many words, and " * 6),
        Page(b""),
        Page(noise(47), aad=b"page 2"),
        Page(b"a" * 300, key=KEYS[1], aad=bytes(32)),
        Page(noise(13), key=KEYS[1], aad=bytes(47)),
        Page(b"x", nonce=bytes(12)),
    ]
    found = [page.opened(result) for page, result in zip(pages, run(pages, stalls).results, strict=True)]
    assert [content for content, _ in found] == [page.text for page in pages]
    assert [stored for _, stored in found] == [False, False, True, False, True, True]


def test_payloads_of_every_size_modulo_a_beat() -> None:
    pages = [Page(noise(size)) for size in range(1, 34)]
    assert [page.opened(result) for page, result in zip(pages, run(pages).results, strict=True)] == [
        (page.text, True) for page in pages
    ]


class RingBench:
    """A ring with one port at work at a time."""

    def __init__(self, ring: Any, context: Any) -> None:
        self.ring, self.context = ring, context

    async def pulse(self, signal: Any, value: int = 1) -> None:
        self.context.set(signal, value)
        await self.context.tick()
        self.context.set(signal, 0)

    async def put(self, beats_of: Iterable[int]) -> None:
        for beat in beats_of:
            while not self.context.get(self.ring.room):
                await self.context.tick()
            self.context.set(self.ring.beat, beat)
            await self.pulse(self.ring.put)
        await self.wait(1)

    async def wait(self, clocks: int) -> None:
        for _ in range(clocks):
            await self.context.tick()

    async def oldest(self) -> int:
        await self.wait(memory.READ_CLOCKS)
        found: int = self.context.get(self.ring.oldest)
        return found


def test_a_ring_gives_what_it_took_and_takes_back_what_was_not_marked() -> None:
    ring = memory.Ring()
    depth = 1 << memory.BEAT_BITS
    seen: list[int] = []
    rooms: list[tuple[int, int]] = []

    async def drive(context: Any) -> None:
        bench = RingBench(ring, context)
        await bench.put((1, 2, 3))
        await bench.pulse(ring.mark)
        await bench.put((7, 8, 9))
        await bench.pulse(ring.take_back)
        await bench.put((4,))
        await bench.pulse(ring.mark)
        for _ in range(4):
            seen.append(await bench.oldest())
            await bench.pulse(ring.free)
        for more in (depth - memory.ROOMY, memory.ROOMY):
            await bench.put(range(more))
            await bench.wait(2)
            rooms.append((context.get(ring.room), context.get(ring.is_roomy)))
        await bench.pulse(ring.free, depth - 2)
        seen.append(await bench.oldest())
        rooms.append((context.get(ring.room), context.get(ring.is_roomy)))

    simulator = AmaranthSimulator(ring)
    simulator.add_clock(1e-8)
    simulator.add_testbench(drive)
    simulator.run()
    assert seen == [1, 2, 3, 4, memory.ROOMY - 2]
    assert rooms == [(1, 0), (0, 0), (1, 1)]


# ---- the core as a device runs it ----


@pytest.fixture(scope="module")
def device() -> RtlBackend:
    return simulated.opened()


@pytest.fixture(scope="module")
def acc(device: RtlBackend) -> Iterator[fa.Accelerator]:
    with fa.Accelerator("rtl", fallback="never", verify="always") as opened:
        yield opened


def nonces_for(items: Sequence[Any]) -> list[bytes]:
    return [index.to_bytes(12, "big") for index in range(len(items))]


def told(acc: fa.Accelerator) -> str:
    receipt = acc.last_receipt
    assert receipt is not None
    assert (receipt.backend, receipt.fallback, receipt.verified) == ("rtl", False, True)
    return receipt.variant


def opened(message: bytes, nonce: bytes, aad: bytes = b"", key: bytes = KEYS[0]) -> bytes:
    content: bytes = lz4.frame.decompress(AESGCM(key).decrypt(nonce, message, aad))
    return content


@pytest.mark.parametrize("seed", [0, 3])
def test_a_batch_is_one_launch_and_what_the_separate_calls_make(
    acc: fa.Accelerator, device: RtlBackend, seed: int
) -> None:
    items = [make(size) for size in (0, 1, 300, 4096, 16 << 10) for make in (sizes.text, sizes.noise, sizes.mixed)]
    items += [sizes.text(size) for size in sizes.around(64 << 10) if size <= 64 << 10]
    nonces = nonces_for(items)
    seal = acc.chain(*SEAL)
    if seed:
        seal.many(items[:1], key=KEYS[0], nonces=nonces[:1])
        device.stall(links.KERNEL, chain_fused.ENTRY, seed)
    try:
        results = seal.many(items, key=KEYS[0], nonces=nonces)
    finally:
        device.stall(links.KERNEL, chain_fused.ENTRY, 0)
    assert told(acc) == "rtl-lz4-aes-gcm fused"
    assert [opened(result, nonce) for result, nonce in zip(results, nonces, strict=True)] == items
    if not seed:
        assert results == acc.encrypt_many(acc.compress_many(items), KEYS[0], nonces=nonces)


def test_keys_nonces_and_aads_of_each_item(acc: fa.Accelerator) -> None:
    items = [sizes.text(150 * number) for number in range(1, 20)]
    keys = [bytes([number]) * (16, 24, 32)[number // 3 % 3] for number in range(len(items))]
    nonces = [bytes([number]) * (8 + number) for number in range(len(items))]
    aads = [b"x" * (number * 199) for number in range(len(items))]
    results = acc.chain(*SEAL).many(items, key=keys, nonces=nonces, aads=aads)
    assert told(acc) == "rtl-lz4-aes-gcm fused"
    for item, key, nonce, aad, result in zip(items, keys, nonces, aads, results, strict=True):
        assert opened(result, nonce, aad, key) == item


def test_tiny_pages_with_as_many_parameters_as_can_be(acc: fa.Accelerator) -> None:
    items = [b"%d" % number for number in range(9)] + [sizes.text(500)]
    keys = [bytes([number]) * 32 for number in range(len(items))]
    aads = [bytes([number]) * chain_fused.MOST_AAD for number in range(len(items))]
    nonces = nonces_for(items)
    results = acc.chain(*SEAL).many(items, key=keys, nonces=nonces, aads=aads)
    assert told(acc) == "rtl-lz4-aes-gcm fused"
    for item, key, nonce, aad, result in zip(items, keys, nonces, aads, results, strict=True):
        assert opened(result, nonce, aad, key) == item


def test_what_the_core_cannot_do_runs_by_stages(acc: fa.Accelerator) -> None:
    page = sizes.text(3000)
    items = [page, sizes.text((64 << 10) + 1), page]
    aads = [b"", b"", bytes(chain_fused.MOST_AAD + 1)]
    nonces = nonces_for(items)
    results = acc.chain(*SEAL).many(items, key=KEYS[0], nonces=nonces, aads=aads)
    assert told(acc).endswith("fused, by stages")
    for item, nonce, aad, result in zip(items, nonces, aads, results, strict=True):
        assert opened(result, nonce, aad) == item
    for options in ({"content_checksum": True}, {"block_checksum": True}):
        result = acc.chain(*SEAL, **options)(page, key=KEYS[0], nonce=NONCE)
        assert (opened(result, NONCE), told(acc).endswith(" by stages")) == (page, True)
    result = acc.chain("crc32c", *SEAL)(page, key=KEYS[0], nonce=NONCE)
    assert (opened(result.data, NONCE), told(acc).endswith(" by stages")) == (page, True)
    result = acc.chain(*SEAL)(page, key=KEYS[0], nonce=NONCE, aad=bytes(chain_fused.MOST_AAD))
    assert told(acc) == "rtl-lz4-aes-gcm fused"
    assert opened(result, NONCE, bytes(chain_fused.MOST_AAD)) == page


def test_random_nonces_come_in_front_and_block_sizes_are_those_asked_for(acc: fa.Accelerator) -> None:
    page = sizes.mixed(9000)
    seal = acc.chain(*SEAL, block_size=4 << 20)
    first, second = seal(page, key=KEYS[0]), seal(page, key=KEYS[0])
    assert first[:12] != second[:12]
    frames = [AESGCM(KEYS[0]).decrypt(result[:12], result[12:], None) for result in (first, second)]
    assert frames[0] == frames[1] == acc.compress(page, block_size=4 << 20)
    assert lz4.frame.get_frame_info(frames[0])["block_size"] == 4 << 20


def test_pages_are_compressed_while_others_are_encrypted(acc: fa.Accelerator) -> None:
    pages = [sizes.text(16 << 10)] * 12
    # What cores do once, such as to clear a table of 8,192 places, is done before clocks are compared.
    acc.chain(*SEAL).many(pages[:1], key=KEYS[0], nonces=nonces_for(pages[:1]))
    acc.compress_many(pages[:1])
    acc.chain(*SEAL).many(pages, key=KEYS[0], nonces=nonces_for(pages))
    assert acc.last_receipt is not None
    fused = acc.last_receipt.cycles
    frames = acc.compress_many(pages)
    compressing = acc.last_receipt.cycles
    # A block of AES-256 takes 14 clocks.
    encrypting = 14 / BLOCK * sum(map(len, frames))
    assert compressing + encrypting / len(pages) < fused < compressing + 2 * encrypting / len(pages)


@pytest.mark.parametrize("change", ["byte", "size", "status"])
def test_wrong_results_fail_the_trial(device: RtlBackend, change: str) -> None:
    trial = ChainOperation([stage_of(name) for name in SEAL]).fused_trial()
    device.prepare(manifests.shipped(links.KERNEL), [lambda: trial], chain_fused.ENTRY)
    results = device.start(trial.launch).outcome(time.monotonic() + 60).results
    assert trial.passed(results)
    if change == "byte":
        place = int(trial.launch.table["dst"][2]) + 20
        view(place, 1)[0] ^= 1
    elif change == "size":
        results["dst_size"][2] -= 1
    else:
        results["status"][2] = Status.BAD_PARAM
    assert not trial.passed(results)


def test_a_page_too_long_is_refused_and_the_next_one_sealed(device: RtlBackend) -> None:
    manifest = manifests.shipped(links.KERNEL)
    core = next(core for core in manifest.cores if core.entry == chain_fused.ENTRY)
    simulator = Simulator(building.shared_object(manifest, core, toolchain.found(), simulated.DEVICE), simulated.DEVICE)
    pages = [sizes.text(size) for size in (5000, 70_000, 65_537, 65_536, 100)]
    texts = [np.frombuffer(page, np.uint8) for page in pages]
    heads = list(SEALING.heads([Page(page) for page in pages]))
    given = [np.frombuffer(b"".join(content), np.uint8) for _, content in heads]
    target = np.zeros((len(pages), 80_000), np.uint8)
    rows: Rows = np.zeros(len(pages), ROW)
    rows["src"], rows["src_size"] = [address_of(each) for each in texts], [len(page) for page in pages]
    rows["dst"] = address_of(target) + np.arange(len(pages), dtype=np.uint64) * np.uint64(target.shape[1])
    rows["dst_capacity"] = target.shape[1]
    rows["parameters"] = [address_of(each) for each in given]
    for name, field in (("parameter_beats", "parameters"), ("flags", "flags"), ("extra", "extra")):
        rows[name] = [head[field] for head, _ in heads]
    simulator.run(rows, 60.0)
    assert rows["status"].tolist() == [Status.OK, Status.BAD_PARAM, Status.BAD_PARAM, Status.OK, Status.OK]
    for row in (0, 3, 4):
        result = target[row, : rows["dst_size"][row]].tobytes()
        assert Page(pages[row]).opened(result)[0] == pages[row]


@pytest.mark.parametrize(
    ("field", "value", "cause"),
    [
        ("aad", 300, "ends behind"),
        ("key", 2**32 - 1, "ends behind"),
        ("nonce_size", 0, "empty"),
        ("position", 16, "end"),
    ],
)
def test_records_that_the_core_cannot_serve_are_refused(field: str, value: int, cause: str) -> None:
    params = np.zeros(128, np.uint8)
    records = params[:48].view(RECORD)
    records["key"], records["key_size"], records["nonce"], records["nonce_size"] = 48, 16, 64, 12
    records["aad"], records["aad_size"], records["total"] = 80, 16, 10
    table = new_table(1)
    table["src_size"] = 10
    assert parameters.lz4_aes_gcm(table, params).count.tolist() == [3 + 11 + 1]
    records[field] = value
    with pytest.raises(ValueError, match=cause):
        parameters.lz4_aes_gcm(table, params)


def test_a_page_that_is_too_long_is_refused_by_the_host() -> None:
    table = new_table(1)
    table["src_size"] = (64 << 10) + 1
    params = np.zeros(128, np.uint8)
    records = params[:48].view(RECORD)
    records["key_size"], records["nonce_size"], records["total"] = 16, 12, (64 << 10) + 1
    with pytest.raises(ValueError, match="65536"):
        parameters.lz4_aes_gcm(table, params)
