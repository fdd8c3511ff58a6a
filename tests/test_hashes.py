"""SHA-1, SHA-2, SM3 and HMAC over them on every backend, against NIST, RFC and GM/T vectors, hashlib and hmac."""

from __future__ import annotations

import array
import hashlib
import hmac
import mmap
import random
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import builds
import numpy as np
import pytest
import required
from conftest import Backend
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st
from launches import launch_of
from sizes import around, noise, periodic

import fpga_accel as fa
from fpga_accel.operations import registry
from fpga_accel.operations.buffers import BytesSink, Items
from fpga_accel.operations.contract import Job, first_launch, output_of, row_of
from fpga_accel.operations.digests import ordered
from fpga_accel.runtime import discovery, manifests
from fpga_accel.segments import RECORD, RESULT, Status, new_table

BLOCKS = {"sha1": 64, "sha224": 64, "sha256": 64, "sha384": 128, "sha512": 128, "sm3": 64}
ALGORITHMS = tuple(BLOCKS)
MACS = tuple(f"hmac-{name}" for name in ALGORITHMS)
KEY = bytes(range(32))

# Where padding needs another block (55, 56; 111, 112), where a block ends, and the widths of copies of a block's rest.
EDGES = tuple(sorted({*range(20), *around(32, 48, 55, 64, 111, 119, 128, 183, 192, 239, 256, 512, 1024, 4096)}))


def reference(algorithm: str, data: bytes) -> bytes:
    """What the library gives."""
    if algorithm == "sm3":
        sm3 = hashes.Hash(hashes.SM3())
        sm3.update(data)
        return sm3.finalize()
    return hashlib.new(algorithm, data).digest()


def mac_reference(algorithm: str, key: bytes, data: bytes) -> bytes:
    """RFC 2104 by its text, with the library's hash."""
    name = algorithm.removeprefix("hmac-")
    block = BLOCKS[name]
    key = (reference(name, key) if len(key) > block else key).ljust(block, b"\0")
    inner = reference(name, bytes(byte ^ 0x36 for byte in key) + data)
    return reference(name, bytes(byte ^ 0x5C for byte in key) + inner)


# ---- published vectors ----


def records(path: Path) -> Iterator[dict[str, bytes]]:
    """Yield the records of a file of NIST's form: of ``Len`` bits are the first of ``Msg``."""
    record: dict[str, bytes] = {}
    for line in path.read_text().splitlines():
        if found := re.fullmatch(r"(Len|Msg|MD|Key) = ([0-9a-fA-F]+)", line.strip()):
            if found[1] == "Len":
                record = {"Len": int(found[2]).to_bytes(8, "big")}
            else:
                record[found[1]] = bytes.fromhex(found[2])
            if found[1] == "MD":
                size = int.from_bytes(record["Len"], "big") // 8
                yield {**record, "Msg": record["Msg"][:size]}


def of_files(folder: Path, pattern: str) -> list[dict[str, bytes]]:
    paths = sorted(folder.glob(pattern))
    found = [record for path in paths for record in records(path)]
    assert found, f"{pattern} finds nothing in {folder}"
    return found


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_digests_are_as_published(acc: fa.Accelerator, vectors: Path, algorithm: str) -> None:
    folder = "SHA1" if algorithm == "sha1" else "SM3" if algorithm == "sm3" else "SHA2"
    pattern = "oscca.txt" if algorithm == "sm3" else f"{algorithm.upper()}[LS]*Msg.rsp"
    found = of_files(vectors / "hashes" / folder, pattern)
    assert len(found) >= (4 if algorithm == "sm3" else 128)
    messages, wanted = [each["Msg"] for each in found], [each["MD"] for each in found]
    assert acc.digest_many(messages, algorithm) == wanted
    for message, digest in list(zip(messages, wanted, strict=True))[::17]:
        assert acc.digest(message, algorithm) == digest


# GB/T 32905-2016 appendix A.
SM3_EXAMPLES = {
    b"abc": "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
    b"abcd" * 16: "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
}

_ALPHABET = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"

# GM/T 0042-2015 appendix D.3.
HMAC_SM3_EXAMPLES = (
    (bytes(range(1, 33)), _ALPHABET * 2, "ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a"),
    (bytes(range(1, 38)), b"\xcd" * 50, "220bf579ded555393f0159f66c99877822a3ecf610d1552154b41d44b94db3ae"),
    (b"\x0b" * 32, b"Hi There", "c0ba18c68b90c88bc07de794bfc7d2c8d19ec31ed8773bc2b390c9604e0be11e"),
    (b"Jefe", b"what do ya want for nothing?", "2e87f1d16862e6d964b50a5200bf2b10b764faa9680a296a2405f24bec39f882"),
)


def test_sm3_is_as_its_standard_says(acc: fa.Accelerator) -> None:
    assert [digest.hex() for digest in acc.digest_many(list(SM3_EXAMPLES), "sm3")] == list(SM3_EXAMPLES.values())


def test_hmac_sm3_is_as_its_standard_says(acc: fa.Accelerator) -> None:
    keys, items, wanted = map(list, zip(*HMAC_SM3_EXAMPLES, strict=True))
    assert [tag.hex() for tag in acc.mac_many(items, keys, "hmac-sm3")] == wanted
    for key, data, tag in HMAC_SM3_EXAMPLES:
        assert acc.mac(data, key, "hmac-sm3").hex() == tag


@pytest.mark.parametrize("algorithm", ["sha1", "sha224", "sha256", "sha384", "sha512"])
def test_hmac_is_as_the_rfcs_say(acc: fa.Accelerator, vectors: Path, algorithm: str) -> None:
    # RFC 2202 and RFC 4231, with keys that are longer than a block.
    found = of_files(vectors / "HMAC", f"rfc-*-{algorithm}.txt")
    keys, items, wanted = ([each[name] for each in found] for name in ("Key", "Msg", "MD"))
    assert max(map(len, keys)) > (64 if algorithm == "sha1" else 128) or algorithm == "sha1"
    assert len(found) >= 6
    assert acc.mac_many(items, keys, f"hmac-{algorithm}") == wanted
    for key, item, tag in zip(keys, items, wanted, strict=True):
        assert acc.mac(item, key, f"hmac-{algorithm}") == tag


def test_the_openssl_command_agrees(acc: fa.Accelerator, tmp_path: Path) -> None:
    command = required.openssl()
    path = tmp_path / "data"
    path.write_bytes(noise(5000))
    for algorithm in ("sha1", "sha224", "sha256", "sha384", "sha512"):
        said = subprocess.run([command, "dgst", f"-{algorithm}", "-r", path], capture_output=True, check=True)
        assert said.stdout.split()[0].decode() == acc.digest(noise(5000), algorithm).hex()


# ---- where it ran ----


@pytest.mark.parametrize("algorithm", ["sha256", "hmac-sha256"])
def test_work_runs_on_the_backend_and_the_receipt_says_so(
    acc: fa.Accelerator, backend: Backend, algorithm: str
) -> None:
    items = [noise(1000)] * 20
    if algorithm == "sha256":
        acc.digest_many(items, algorithm)
    else:
        acc.mac_many(items, KEY, algorithm)
    receipt = acc.last_receipt
    assert receipt is not None
    assert receipt.algorithm == algorithm
    assert (receipt.bytes_in, receipt.bytes_out) == (20_000, 640)
    assert receipt.backend == backend.path
    assert receipt.segments == (20 if backend.is_device else 0)
    assert receipt.verified is backend.is_device


# ---- digests against the library ----


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_size_is_as_the_library_has_it(acc: fa.Accelerator, algorithm: str) -> None:
    items = [noise(size) for size in EDGES]
    wanted = [reference(algorithm, data) for data in items]
    assert acc.digest_many(items, algorithm) == wanted
    for data, digest in list(zip(items, wanted, strict=True))[::5]:
        assert acc.digest(data, algorithm) == digest


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_every_size_up_to_a_few_blocks_is_as_the_library_has_it(acc: fa.Accelerator, algorithm: str) -> None:
    items = [periodic(size) for size in range(600)]
    random.Random(1).shuffle(items)
    assert acc.digest_many(items, algorithm) == [reference(algorithm, data) for data in items]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 15, 16, 17, 33, 37, 100])
def test_any_number_of_equal_messages(acc: fa.Accelerator, algorithm: str, count: int) -> None:
    size = 3 * BLOCKS[algorithm] + count % 3
    whole = noise(size + count)
    items = [whole[start : start + size] for start in range(count)]
    assert acc.digest_many(items, algorithm) == [reference(algorithm, data) for data in items]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_batch_mixes_very_different_sizes(acc: fa.Accelerator, algorithm: str) -> None:
    chance = random.Random(251)
    lengths = [0, 70_001, 0, 1, 64, 128, 300_000, *(chance.randrange(1 << chance.randrange(15)) for _ in range(30))]
    assert len(lengths) == 37
    whole = memoryview(noise(300_000))
    items = [whole[:size] for size in lengths]
    wanted = [reference(algorithm, bytes(data)) for data in items]
    assert acc.digest_many(items, algorithm) == wanted
    batched = acc.digest_many(fa.Batch.from_items([bytes(data) for data in items]), algorithm)
    assert isinstance(batched, fa.Batch)
    assert batched.to_list() == wanted


def test_a_batch_of_thousands_keeps_its_order(acc: fa.Accelerator) -> None:
    chance = random.Random(17)
    items = [chance.randbytes(chance.randrange(300)) for _ in range(3000)]
    assert acc.digest_many(items, "sha256") == [reference("sha256", data) for data in items]
    assert acc.mac_many(items, KEY) == [hmac.digest(KEY, data, "sha256") for data in items]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sm3"])
def test_data_at_every_alignment_is_as_the_library_has_it(acc: fa.Accelerator, algorithm: str) -> None:
    memory = memoryview(noise(2000))
    items = [memory[start : start + 700 + start % 7] for start in range(130)]
    assert acc.digest_many(items, algorithm) == [reference(algorithm, bytes(data)) for data in items]


def test_nothing_and_empty_items(acc: fa.Accelerator) -> None:
    for algorithm in ALGORITHMS:
        assert acc.digest_many([], algorithm) == []
        assert acc.digest_many([b"", b""], algorithm) == [reference(algorithm, b"")] * 2
        assert acc.digest(b"", algorithm) == reference(algorithm, b"")
    assert acc.mac_many([], KEY) == []
    assert acc.mac_many([b"", b""], KEY) == [hmac.digest(KEY, b"", "sha256")] * 2


@settings(max_examples=20)
@given(items=st.lists(st.binary(max_size=400), max_size=40), algorithm=st.sampled_from(ALGORITHMS))
def test_any_batch_is_as_the_library_has_it(acc: fa.Accelerator, items: list[bytes], algorithm: str) -> None:
    assert acc.digest_many(items, algorithm) == [reference(algorithm, data) for data in items]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_flipped_bit_changes_the_digest(acc: fa.Accelerator, algorithm: str) -> None:
    block = BLOCKS[algorithm]
    size = 2 * block + 5
    items = [bytes(size), *((1 << bit).to_bytes(size, "little") for bit in range(0, 8 * size, 11))]
    found = acc.digest_many(items, algorithm)
    assert found == [reference(algorithm, data) for data in items]
    assert len(set(found)) == len(items)


# ---- HMAC against the library ----


@pytest.mark.parametrize("algorithm", MACS)
def test_keys_of_every_size_and_one_for_each_item(acc: fa.Accelerator, algorithm: str) -> None:
    block = BLOCKS[algorithm.removeprefix("hmac-")]
    lengths = [0, 1, 3, 8, 16, 31, 32, block - 1, block, block + 1, 200, 1000]
    keys = [noise(size + 5)[5:] for size in lengths for _ in range(3)]
    items = [noise(size) for size in (0, 1, block - 9, block - 8, block, 3 * block + 7) * 6]
    wanted = [mac_reference(algorithm, key, data) for key, data in zip(keys, items, strict=True)]
    assert acc.mac_many(items, keys, algorithm) == wanted
    for key, data, tag in list(zip(keys, items, wanted, strict=True))[::4]:
        assert acc.mac(data, key, algorithm) == tag


@pytest.mark.parametrize("algorithm", MACS)
def test_one_key_for_all_items(acc: fa.Accelerator, algorithm: str) -> None:
    items = [noise(size) for size in EDGES]
    for key in (b"", KEY, noise(128), noise(200)):
        assert acc.mac_many(items, key, algorithm) == [mac_reference(algorithm, key, data) for data in items]


def test_a_batch_of_macs_is_a_batch(acc: fa.Accelerator) -> None:
    items = [noise(size) for size in (5, 0, 4096, 77)]
    tags = acc.mac_many(fa.Batch.from_items(items), KEY, "hmac-sha512")
    assert isinstance(tags, fa.Batch)
    assert tags.to_list() == [hmac.digest(KEY, data, "sha512") for data in items]


@settings(max_examples=20)
@given(
    pairs=st.lists(st.tuples(st.binary(max_size=150), st.binary(max_size=300)), min_size=1, max_size=40),
    algorithm=st.sampled_from(MACS),
)
def test_any_keys_are_as_the_rfc_says(acc: fa.Accelerator, pairs: list[tuple[bytes, bytes]], algorithm: str) -> None:
    keys, items = [key for key, _ in pairs], [data for _, data in pairs]
    assert acc.mac_many(items, keys, algorithm) == [mac_reference(algorithm, *pair) for pair in pairs]


# ---- buffers and arguments ----


@pytest.mark.parametrize("nbytes", [40, 4096])
def test_any_buffer_is_taken(acc: fa.Accelerator, nbytes: int) -> None:
    data = noise(nbytes)
    mapped = mmap.mmap(-1, nbytes)
    mapped[:] = data
    numbers = np.frombuffer(data, np.uint32)
    buffers = [
        bytearray(data),
        memoryview(data),
        mapped,
        array.array("q", data),
        numbers,
        numbers.reshape(2, -1),
        numbers.copy(),
    ]
    for algorithm in ("sha256", "sm3"):
        wanted = reference(algorithm, data)
        assert [acc.digest(buffer, algorithm) for buffer in buffers] == [wanted] * len(buffers)
        assert acc.digest_many(buffers, algorithm) == [wanted] * len(buffers)
    tag = hmac.digest(KEY, data, "sha256")
    assert [acc.mac(buffer, bytearray(KEY)) for buffer in buffers] == [tag] * len(buffers)
    assert acc.mac_many(buffers, memoryview(KEY)) == [tag] * len(buffers)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_into_takes_the_exact_size_and_no_less(acc: fa.Accelerator, algorithm: str) -> None:
    data, size = noise(1000), len(reference(algorithm, b""))
    out = bytearray(b"\xaa" * (size + 3))
    assert acc.digest_into(data, out, algorithm) == size
    assert out == reference(algorithm, data) + b"\xaa" * 3
    mac = f"hmac-{algorithm}"
    assert acc.mac_into(data, out, KEY, mac) == size
    assert out == mac_reference(mac, KEY, data) + b"\xaa" * 3
    with pytest.raises(fa.BufferTooSmallError):
        acc.digest_into(data, bytearray(size - 1), algorithm)
    with pytest.raises(fa.BufferTooSmallError):
        acc.mac_into(data, bytearray(size - 1), KEY, mac)


def test_wrong_arguments_are_refused(acc: fa.Accelerator) -> None:
    with pytest.raises(TypeError):
        acc.digest("text", "sha256")
    with pytest.raises(TypeError):
        acc.digest_many(["text"], "sha256")
    with pytest.raises(BufferError):
        acc.digest(np.zeros((8, 8), np.uint8)[:, ::2], "sha256")
    with pytest.raises(ValueError, match="sha512"):
        acc.digest(b"", "sha3000")
    with pytest.raises(ValueError, match="length=16; a digest of sha256 has 32 bytes"):
        acc.digest(b"", "sha256", length=16)
    assert acc.digest(b"", "sha256", length=32) == reference("sha256", b"")
    with pytest.raises(TypeError):
        acc.mac("text", KEY)
    with pytest.raises(TypeError):
        acc.mac(b"", "key")
    with pytest.raises(ValueError, match="takes no nonce"):
        acc.mac(b"", KEY, nonce=bytes(12))
    with pytest.raises(ValueError, match="2 keys for 3 items"):
        acc.mac_many([b""] * 3, [KEY, KEY])


def test_a_key_stands_in_no_receipt(acc: fa.Accelerator) -> None:
    key = b"never seen in a receipt or so"
    with acc.trace() as trace:
        acc.mac_many([b"data"] * 40, key)
        acc.mac(b"data", key)
    assert trace.receipts
    for shape in (repr(key), key.hex(), key.decode()):
        assert shape not in repr(trace.receipts)


# ---- rows ----


@pytest.mark.kernels
def test_rows_without_room_are_refused_and_cost_no_other(backend: Backend) -> None:
    _, results, outs = _refusing(backend, "digest", "sha256", {})
    for row in range(len(results)):
        short = row % 3 == 1
        assert results["status"][row] == (Status.DST_TOO_SMALL if short else Status.OK)
        assert results["dst_size"][row] == (0 if short else 32)
        assert bytes(outs[row]) == (b"\xee" * 40 if short else reference("sha256", _message(row)) + b"\xee" * 8)


@pytest.mark.kernels
def test_rows_with_a_key_longer_than_a_block_are_refused(backend: Backend) -> None:
    keys = [noise(64 if row % 4 else 32) for row in range(ROWS)]
    _, results, outs = _refusing(backend, "mac", "hmac-sha256", {"keys": keys})
    for row in range(len(results)):
        short, long = row % 3 == 1, row % 5 == 2
        wanted = Status.BAD_PARAM if long else Status.DST_TOO_SMALL if short else Status.OK
        assert results["status"][row] == wanted, row
        if wanted == Status.OK:
            assert bytes(outs[row]) == hmac.digest(keys[row], _message(row), "sha256") + b"\xee" * 8
        else:
            assert bytes(outs[row]) == b"\xee" * 40


ROWS = 37


def _message(row: int) -> bytes:
    return noise(100 + row * 3)[row:]


def _refusing(backend: Backend, op: str, algorithm: str, given: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Run rows in a row of their own making, of which every third has no room, and every fifth too long a key."""
    operation = registry.find(op, algorithm)
    messages = [_message(row) for row in range(ROWS)]
    job = Job(Items.of(messages), operation.settings(**given, **({"count": ROWS} if given else {})), BytesSink(ROWS))
    launch = first_launch(operation, job)
    by_address = {int(address): row for row, address in enumerate(job.items.addresses)}
    outs = np.full((ROWS, 40), 0xEE, np.uint8)
    order = [by_address[int(address)] for address in launch.table["src"]]
    for place, row in enumerate(order):
        launch.table["dst"][place] = outs[row].__array_interface__["data"][0]
        launch.table["dst_capacity"][place] = 31 if row % 3 == 1 else 40
        if given and row % 5 == 2:
            param = int(launch.table["param"][place])
            launch.params[param : param + RECORD.itemsize].view(RECORD)["key_size"] = 65
    opened = builds.shipped(backend.id, operation.kernel)
    results = opened.start(launch).outcome(time.monotonic() + 60).results
    placed = np.empty(ROWS, RESULT)
    placed[order] = results
    return launch, placed, outs


def test_rows_are_dealt_in_groups_of_about_one_size() -> None:
    chance = np.random.default_rng(5)
    table = new_table(1000)
    table["src_size"] = chance.integers(0, 1 << 20, 1000)
    table["src"] = np.arange(1000)
    dealt = ordered(table)
    assert sorted(dealt["src"].tolist()) == list(range(1000))
    ranks = np.argsort(np.argsort(dealt["src_size"]))
    groups = ranks[: 1000 // 16 * 16].reshape(-1, 16)
    assert (groups.max(axis=1) - groups.min(axis=1) == 15).all()
    # What no group takes is the smallest.
    assert sorted(ranks[1000 // 16 * 16 :].tolist()) == list(range(1000 % 16))
    shares = np.array([part.sum() for part in np.array_split(dealt["src_size"].astype(np.int64), 8)])
    assert shares.max() < 1.15 * shares.mean()
    for count in (0, 1, 15, 16, 17, 31, 32, 33, 48):
        some = ordered(table[:count])
        assert sorted(some["src"].tolist()) == list(range(count))


def test_equal_rows_stay_where_they_are() -> None:
    table = new_table(100)
    table["src_size"] = 4096
    assert ordered(table) is table


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, *MACS])
def test_a_wrong_digest_disagrees(algorithm: str) -> None:
    op = "mac" if algorithm in MACS else "digest"
    operation = registry.find(op, algorithm)
    given = {"keys": [KEY]} if algorithm in MACS else {}
    launch, sink = launch_of(op, algorithm, noise(100), **given, **({"count": 1} if given else {}))
    row = row_of(launch, 0)
    right = operation.emulate(row)
    results = np.zeros(1, RESULT)
    results["dst_size"] = len(right.data)
    target = np.frombuffer(right.data, np.uint8).copy()
    launch.table["dst"] = target.__array_interface__["data"][0]
    assert operation.agrees(row, output_of(launch, results, 0))
    target[-1] ^= 1
    assert not operation.agrees(row, output_of(launch, results, 0))
    assert sink is not None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_samples_are_of_the_size_asked_for(algorithm: str) -> None:
    items, options = registry.find("digest", algorithm).sample(3, 1000, "")
    assert [len(data) for data in items] == [1000] * 3
    assert options.length == len(reference(algorithm, b""))


# ---- variants ----


def check(acc: fa.Accelerator, name: str) -> None:
    chance = random.Random(3)
    items = [noise(size) for size in (*EDGES, *(chance.randrange(2000) for _ in range(50)))]
    keys = [noise(chance.randrange(150)) for _ in items]
    assert acc.digest_many(items, name) == [reference(name, data) for data in items]
    mac = f"hmac-{name}"
    wanted = [mac_reference(mac, key, data) for key, data in zip(keys, items, strict=True)]
    assert acc.mac_many(items, keys, mac) == wanted
    assert acc.mac_many(items, KEY, mac) == [mac_reference(mac, KEY, data) for data in items]
    for count in range(1, 7):
        assert acc.digest_many(items[-count:], name) == [reference(name, data) for data in items[-count:]]


@pytest.mark.parametrize("kernel", ["sha1", "sha256"])
def test_the_sha_instructions_are_put_to_right_use(pocl: str, kernel: str) -> None:
    with builds.on(builds.prepared(pocl, kernel, builds.changed(kernel, "shani", "MODELLED=1"))) as acc:
        for operation in registry.of_kernel(kernel):
            if operation.op == "digest":
                check(acc, operation.algorithm)
        receipt = acc.last_receipt
        assert receipt is not None
        assert receipt.variant == "shani"


@pytest.mark.parametrize(
    ("kernel", "defines"),
    [
        ("sha1", ("WORD_LANES=1", "UNALIGNED=0")),
        ("sha512", ("WORD_LANES=2", "UNALIGNED=0")),
        ("sm3", ("WORD_LANES=4",)),
        ("sm3", ("WORD_LANES=2",)),
        ("sha512", ("WORD_LANES=4", "SHUFFLES=0")),
    ],
)
def test_any_number_of_lanes_is_right(pocl: str, kernel: str, defines: tuple[str, ...]) -> None:
    with builds.on(builds.prepared(pocl, kernel, builds.changed(kernel, "portable", *defines))) as acc:
        check(acc, kernel)


LANES_LENGTH = """
kernel void lengths(global const uint *sizes, global ulong *bits, uint before) {
  group_t group;
  group.before = before;
  words_t w[BLOCK_WORDS];
  for (uint lane = 0; lane < WORD_LANES; lane++)
    WORDS_OF(group.sizes)[lane] = sizes[lane];
  for (uint i = 0; i < BLOCK_WORDS; i++)
    w[i] = (words_t)(0);
  add_length(&group, ~(words_t)(0), w);
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    bits[lane] = WORDS_OF(w[BLOCK_WORDS - 1])[lane];
#if WORD_BITS == 32
    bits[lane] |= (ulong)WORDS_OF(w[BLOCK_WORDS - 2])[lane] << 32;
#endif
  }
}
"""
STREAMS_LENGTH = """
#define WORD_LANES 4
kernel void lengths(global const uint *sizes, global ulong *bits, uint before) {
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    uchar last[2 * HASH_BLOCK];
    ulong blocks = pad_last(last, sizes[lane] % HASH_BLOCK, (ulong)sizes[lane] + before);
    bits[lane] = 0;
    for (uint i = 0; i < 8; i++)
      bits[lane] = bits[lane] << 8 | last[blocks * HASH_BLOCK - 8 + i];
  }
}
"""


@pytest.mark.parametrize(
    ("kernel", "name", "source", "defines"),
    [
        ("sha256", "portable", LANES_LENGTH, ("WORD_LANES=4",)),
        ("sha512", "portable", LANES_LENGTH, ("WORD_LANES=4",)),
        ("sha256", "shani", STREAMS_LENGTH, ("MODELLED=1",)),
    ],
)
def test_lengths_of_gigabytes(pocl: str, kernel: str, name: str, source: str, defines: tuple[str, ...]) -> None:
    from fpga_accel.runtime.opencl import cl

    variant = next(each for each in manifests.shipped(kernel).variants if each.name == name)
    handle = discovery.listed(pocl).handle
    context = cl.Context([handle])
    options = [*manifests.LANGUAGE, *(f"-D{define}" for define in defines)]
    program = cl.Program(context, manifests.shipped(kernel).source(variant) + source).build(options)
    queue, lengths = cl.CommandQueue(context), cl.Kernel(program, "lengths")
    for sizes in ([0, 1, 2**29 - 1, 2**29], [2**32 - 1, 2**32 - 64, 2**32 - 65, 2**31]):
        for before in (0, 64, 128):
            given, bits = np.array(sizes, np.uint32), np.zeros(4, np.uint64)
            flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
            buffers = [cl.Buffer(context, flags, hostbuf=each) for each in (given, bits)]
            lengths(queue, (1,), (1,), *buffers, np.uint32(before))
            cl.enqueue_copy(queue, bits, buffers[1])
            assert bits.tolist() == [8 * (size + before) for size in sizes]
