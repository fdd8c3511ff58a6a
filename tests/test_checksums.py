"""Checksums on every backend, against published values and stock libraries."""

from __future__ import annotations

import array
import mmap
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import builds
import crc_constants
import google_crc32c
import numpy as np
import pytest
import sizes
import xxhash
import zlib_ng.zlib_ng
from awscrt import checksums as awscrt
from conftest import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import isal_zlib
from sizes import MIB, around, noise, periodic

import fpga_accel as fa
from fpga_accel.operations import registry
from fpga_accel.operations.checksums import ROW, ChecksumOperation
from fpga_accel.operations.contract import output_of, row_of
from fpga_accel.operations.crc import Crc
from fpga_accel.runtime.manifests import Variant
from fpga_accel.segments import RESULT, Launch, Table

# Of the crc kernels: a word, a block, vectors of 64 bytes, groups of 128 and 256 bytes, four streams of 256, a step of
# the pipeline. Of adler32: 64 and 1024 bytes, and a span of 64 KiB. Of xxh: stripes of 16, 32 and 64 bytes, 240 bytes,
# and blocks of 1024.
KERNEL_EDGES = around(8, 16, 32, 64, 128, 240, 256, 512, 768, 1024, 2048, 4096, 64 << 10)
ROW_EDGES = around(ROW, 2 * ROW, 3 * ROW)


@dataclass(frozen=True)
class Checksum:
    """What a test knows of a checksum; `option` is what may be given, the value in front or the seed."""

    bits: int
    library: Callable[..., int]
    check: int
    option: str = "value"
    initial: int = 0
    others: tuple[Callable[..., int], ...] = ()


def _crc32c(data: bytes, value: int = 0) -> int:
    return int(google_crc32c.extend(value, data))


CHECKSUMS = {
    "crc32c": Checksum(32, _crc32c, 0xE3069283, others=(awscrt.crc32c,)),
    "crc32": Checksum(32, zlib.crc32, 0xCBF43926, others=(isal_zlib.crc32, zlib_ng.zlib_ng.crc32)),
    "crc64-nvme": Checksum(64, awscrt.crc64nvme, 0xAE8B14860A799888),
    "adler32": Checksum(32, zlib.adler32, 0x091E01DE, initial=1, others=(isal_zlib.adler32, zlib_ng.zlib_ng.adler32)),
    "xxh32": Checksum(32, xxhash.xxh32_intdigest, 0x937BAD67, "seed"),
    "xxh64": Checksum(64, xxhash.xxh64_intdigest, 0x8CB841DB40E6AE83, "seed"),
    "xxh3-64": Checksum(64, xxhash.xxh3_64_intdigest, 0x72DCB18B67A17DFF, "seed"),
}
CONTINUED = [name for name, known in CHECKSUMS.items() if known.option == "value"]
CRCS = [name for name in CONTINUED if name.startswith("crc")]
HASHES = [name for name in CHECKSUMS if name not in CONTINUED]
every = pytest.mark.parametrize("name", CHECKSUMS)
continued = pytest.mark.parametrize("name", CONTINUED)


def operation(name: str) -> ChecksumOperation[Any]:
    found = registry.find("checksum", name)
    assert isinstance(found, ChecksumOperation)
    return found


def options_of(name: str) -> list[int]:
    """Numbers to start from, each legal."""
    if name == "adler32":
        return [1, 0, 0x00010000, 0x12345678, 65520 << 16 | 65520]
    largest = (1 << CHECKSUMS[name].bits) - 1
    return [0, 1, largest, largest // 3]


# ---- published values ----

# RFC 3720 appendix B.4; it lists the bytes in the order they are sent, the least significant first.
ISCSI_READ = bytes.fromhex(
    "01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000"
)


def sent(digits: str) -> int:
    return int.from_bytes(bytes.fromhex(digits), "little")


DIGITS = b"123456789"
ALL_BYTES = bytes(range(32))
PUBLISHED = {
    "RFC 3720: 32 bytes of zeros": ("crc32c", bytes(32), sent("aa36918a")),
    "RFC 3720: 32 bytes of ones": ("crc32c", b"\xff" * 32, sent("43aba862")),
    "RFC 3720: 32 bytes counting up": ("crc32c", ALL_BYTES, sent("4e79dd46")),
    "RFC 3720: 32 bytes counting down": ("crc32c", ALL_BYTES[::-1], sent("5cdb3f11")),
    "RFC 3720: an iSCSI read command": ("crc32c", ISCSI_READ, sent("563a96d9")),
    "CRC catalogue: CRC-32/ISCSI": ("crc32c", DIGITS, 0xE3069283),
    "CRC catalogue: CRC-32/ISO-HDLC": ("crc32", DIGITS, 0xCBF43926),
    "CRC catalogue: CRC-64/NVME": ("crc64-nvme", DIGITS, 0xAE8B14860A799888),
    # NVM Command Set Specification, 64b CRC test cases.
    "NVM Express: 4 KiB of zeros": ("crc64-nvme", bytes(4096), 0x6482D367EB22B64E),
    "NVM Express: 4 KiB of ones": ("crc64-nvme", b"\xff" * 4096, 0xC0DDBA7302ECA3AC),
    "zlib: nothing": ("adler32", b"", 1),
    "Wikipedia, Adler-32": ("adler32", b"Wikipedia", 0x11E60398),
    "xxHash specification: XXH32 of nothing": ("xxh32", b"", 0x02CC5D05),
    "xxHash specification: XXH64 of nothing": ("xxh64", b"", 0xEF46DB3751D8E999),
    "xxHash specification: XXH3 of nothing": ("xxh3-64", b"", 0x2D06800538D394C2),
}


@pytest.mark.parametrize(("name", "data", "wanted"), PUBLISHED.values(), ids=PUBLISHED)
def test_published_values(acc: fa.Accelerator, name: str, data: bytes, wanted: int) -> None:
    assert acc.checksum(data, name) == wanted
    assert acc.checksum_many([data, data], name) == [wanted] * 2
    batch = acc.checksum_many(fa.Batch.from_items([data]), name)
    assert batch.tolist() == [wanted]


def test_the_default_is_crc32c(acc: fa.Accelerator) -> None:
    assert acc.checksum(DIGITS) == 0xE3069283


def test_the_library_is_its_compiled_form() -> None:
    assert google_crc32c.implementation == "c"


# ---- where it ran ----


@every
def test_work_runs_on_the_backend_and_the_receipt_says_so(acc: fa.Accelerator, backend: Backend, name: str) -> None:
    acc.checksum(periodic(3 * ROW + 1), name)
    receipt = acc.last_receipt
    assert receipt is not None
    assert (receipt.op, receipt.algorithm) == ("checksum", name)
    assert (receipt.bytes_in, receipt.bytes_out) == (3 * ROW + 1, CHECKSUMS[name].bits // 8)
    assert receipt.backend == backend.path
    rows = 4 if name in CONTINUED else 1
    assert receipt.segments == (rows if backend.is_device else 0)
    assert receipt.verified is backend.is_device


@every
def test_arrays_have_numbers_of_the_size_of_the_checksum(acc: fa.Accelerator, name: str) -> None:
    known = CHECKSUMS[name]
    found = acc.checksum_many(fa.Batch.from_items([DIGITS, b"", DIGITS]), name)
    assert found.dtype == np.dtype(f"uint{known.bits}")
    assert found.tolist() == [known.check, known.library(b""), known.check]


# ---- against the libraries ----


@every
def test_every_size_is_as_the_library_has_it(acc: fa.Accelerator, name: str) -> None:
    items = [noise(size) for size in sorted({*sizes.SMALL, *KERNEL_EDGES, *ROW_EDGES})]
    wanted = [CHECKSUMS[name].library(data) for data in items]
    assert acc.checksum_many(items, name) == wanted
    assert [acc.checksum(data, name) for data in items] == wanted
    assert acc.checksum_many(fa.Batch.from_items(items), name).tolist() == wanted


@every
def test_every_size_up_to_many_words_is_as_the_library_has_it(acc: fa.Accelerator, name: str) -> None:
    items = [periodic(size) for size in range(1300)]
    assert acc.checksum_many(items, name) == [CHECKSUMS[name].library(data) for data in items]


@every
def test_data_at_every_alignment_is_as_the_library_has_it(acc: fa.Accelerator, name: str) -> None:
    memory = memoryview(noise(70_000))
    items = [memory[start : start + 5000 + start] for start in range(130)]
    assert acc.checksum_many(items, name) == [CHECKSUMS[name].library(bytes(data)) for data in items]


@every
def test_single_bits_anywhere_show(acc: fa.Accelerator, name: str) -> None:
    size = 2048 + 37
    items = [bytes(size), *((1 << bit).to_bytes(size, "little") for bit in range(0, 8 * size, 3))]
    found = acc.checksum_many(items, name)
    assert found == [CHECKSUMS[name].library(data) for data in items]
    assert len(set(found)) == len(items)


@every
@pytest.mark.parametrize("byte", [0, 255])
def test_constant_bytes_do_not_overflow_any_sum(acc: fa.Accelerator, name: str, byte: int) -> None:
    data = bytes([byte]) * (ROW + 1000)
    assert acc.checksum(data, name) == CHECKSUMS[name].library(data)


@every
def test_a_large_buffer_is_as_the_library_has_it(acc: fa.Accelerator, name: str) -> None:
    known, data = CHECKSUMS[name], noise(9 * MIB + 12_345)
    assert acc.checksum(data, name) == known.library(data)
    number = options_of(name)[-1]
    assert acc.checksum(data, name, **{known.option: number}) == known.library(data, number)


@every
def test_a_batch_mixes_sizes_and_empty_items(acc: fa.Accelerator, name: str) -> None:
    known, chance = CHECKSUMS[name], random.Random(251)
    lengths = [0, 0, *(chance.randrange(5000) for _ in range(300)), ROW + 1, 0, 2 * ROW, 1, 5 * ROW + 77, 0]
    whole = memoryview(noise(6 * MIB))
    items = [whole[:size] for size in lengths]
    for number in options_of(name):
        wanted = [known.library(bytes(data), number) for data in items]
        assert acc.checksum_many(items, name, **{known.option: number}) == wanted


@every
def test_a_batch_of_nothing(acc: fa.Accelerator, name: str) -> None:
    known = CHECKSUMS[name]
    assert acc.checksum_many([], name) == []
    assert acc.checksum(b"", name) == known.library(b"")
    assert acc.checksum_many([b"", b""], name, **{known.option: 7}) == [known.library(b"", 7)] * 2


@settings(max_examples=40)
@given(data=st.binary(max_size=3000), name=st.sampled_from([*CHECKSUMS]), chance=st.randoms(use_true_random=False))
def test_any_bytes_are_as_the_library_has_them(
    acc: fa.Accelerator, data: bytes, name: str, chance: random.Random
) -> None:
    known = CHECKSUMS[name]
    number = chance.getrandbits(known.bits)
    if name == "adler32":
        number = number % 65521 << 16 | (number >> 16) % 65521
    assert acc.checksum(data, name, **{known.option: number}) == known.library(data, number)


@every
def test_other_libraries_agree(name: str) -> None:
    data = noise(100_003)
    for library in CHECKSUMS[name].others:
        assert library(data) == CHECKSUMS[name].library(data)


# ---- parts ----


@settings(max_examples=40)
@given(data=st.binary(max_size=2000), cut=st.integers(0, 2000), name=st.sampled_from(CONTINUED))
def test_the_checksum_of_one_part_continues_in_the_next(acc: fa.Accelerator, data: bytes, cut: int, name: str) -> None:
    whole = CHECKSUMS[name].library(data)
    assert acc.checksum(data[cut:], name, value=acc.checksum(data[:cut], name)) == whole


@settings(max_examples=12)
@given(seed=st.integers(0, 2**16), size=st.integers(ROW - 2, 3 * ROW + 2), name=st.sampled_from(CONTINUED))
def test_rows_combine_to_the_whole(acc: fa.Accelerator, seed: int, size: int, name: str) -> None:
    data = np.random.default_rng(seed).bytes(size)
    for value in options_of(name):
        assert acc.checksum(data, name, value=value) == CHECKSUMS[name].library(data, value)


@continued
@pytest.mark.parametrize("cut", [0, 1, 63, ROW - 1, ROW, ROW + 1, 2 * ROW])
def test_large_parts_continue(acc: fa.Accelerator, cut: int, name: str) -> None:
    data = memoryview(noise(3 * ROW))
    assert acc.checksum(data[cut:], name, value=acc.checksum(data[:cut], name)) == CHECKSUMS[name].library(bytes(data))


@settings(max_examples=60)
@given(first=st.binary(max_size=700), second=st.binary(max_size=700), name=st.sampled_from(CONTINUED))
def test_checksums_of_parts_combine(first: bytes, second: bytes, name: str) -> None:
    library = CHECKSUMS[name].library
    assert fa.checksum_combine(library(first), library(second), len(second), name) == library(first + second)


@settings(max_examples=30)
@given(parts=st.lists(st.binary(max_size=99), min_size=3, max_size=3), name=st.sampled_from(CONTINUED))
def test_combining_is_associative(parts: list[bytes], name: str) -> None:
    (a, b, c), combine = map(CHECKSUMS[name].library, parts), fa.checksum_combine
    behind = len(parts[2])
    left = combine(combine(a, b, len(parts[1]), name), c, behind, name)
    assert left == combine(a, combine(b, c, behind, name), len(parts[1]) + behind, name)


@continued
def test_large_parts_combine(name: str) -> None:
    library, first, second = CHECKSUMS[name].library, noise(1000), noise(3 * MIB + 1)
    assert fa.checksum_combine(library(first), library(second), len(second), name) == library(first + second)


@continued
def test_nothing_combines_to_nothing_more(name: str) -> None:
    known = CHECKSUMS[name]
    assert fa.checksum_combine(known.check, known.initial, 0, name) == known.check
    assert fa.checksum_combine(known.initial, known.check, 9, name) == known.check


@pytest.mark.parametrize("name", CRCS)
def test_a_part_may_be_of_exabytes(name: str) -> None:
    """x^n has a period of 2^bits - 1 at most: as many bytes of zeros leave a register as it is."""
    crc = operation(name)
    assert isinstance(crc, Crc)
    period = (1 << crc.polynomial.bits) - 1
    one = 1 << (crc.polynomial.bits - 1)
    if crc.polynomial.reflected == crc_constants.reflected(0x04C11DB7, 32):
        # A primitive polynomial.
        assert crc.polynomial.past(period) == one
    assert crc.polynomial.product(crc.polynomial.past(1 << 60), one) == crc.polynomial.past(1 << 60)


# ---- options ----


@pytest.mark.parametrize("name", HASHES)
def test_a_hash_takes_a_seed_and_no_value(acc: fa.Accelerator, name: str) -> None:
    assert acc.checksum(b"data", name, seed=0) == acc.checksum(b"data", name)
    assert acc.checksum(b"data", name, seed=1) != acc.checksum(b"data", name)
    with pytest.raises(ValueError, match="cannot go on from a result"):
        acc.checksum(b"data", name, value=0)
    with pytest.raises(ValueError, match="cannot be combined"):
        acc.checksum_combine(1, 2, 3, name)


@continued
def test_a_checksum_takes_a_value_and_no_seed(acc: fa.Accelerator, name: str) -> None:
    initial = CHECKSUMS[name].initial
    assert acc.checksum(b"data", name, value=initial) == acc.checksum(b"data", name)
    seven: Any = np.uint32(7)
    assert acc.checksum(b"data", name, value=seven) == acc.checksum(b"data", name, value=7)
    with pytest.raises(ValueError, match="has no seed"):
        acc.checksum_many([b"data"], name, seed=1)


def test_adler32_goes_on_from_0_as_zlib_does(acc: fa.Accelerator) -> None:
    assert acc.checksum(b"data", "adler32", value=0) == zlib.adler32(b"data", 0) != zlib.adler32(b"data")


@pytest.mark.parametrize("value", [0xFFF10000, 0xFFF1, 0xFFFFFFFF])
def test_numbers_that_no_adler32_is_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match="both halves of an Adler-32 are below 65521"):
        operation("adler32").settings(value=value)


@every
@pytest.mark.parametrize("number", [-1, 1 << 64, 1 << 90])
def test_a_number_out_of_range_is_refused(name: str, number: int) -> None:
    known = CHECKSUMS[name]
    with pytest.raises(ValueError, match=f"{number}; an? .* is 0 to {2**known.bits - 1}"):
        operation(name).settings(**{known.option: number})


@every
@pytest.mark.parametrize("number", [1.0, "1", b"1"])
def test_a_number_that_is_no_int_is_refused(name: str, number: Any) -> None:
    option = CHECKSUMS[name].option
    with pytest.raises(TypeError, match=f"{option} must be an int, not {type(number).__name__}"):
        operation(name).settings(**{option: number})


@every
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match="level"):
        operation(name).settings(level=1)


def test_parts_of_negative_size_are_refused() -> None:
    with pytest.raises(ValueError, match="nbytes is -1"):
        fa.checksum_combine(1, 2, -1)
    with pytest.raises(ValueError, match="first is"):
        fa.checksum_combine(1 << 32, 2, 1)


# ---- inputs ----


@every
@pytest.mark.parametrize("nbytes", [40, 4096, ROW + 8])
def test_any_buffer_is_taken(acc: fa.Accelerator, nbytes: int, name: str) -> None:
    data = noise(nbytes)
    mapped = mmap.mmap(-1, nbytes)
    mapped[:] = data
    numbers = np.frombuffer(data, np.uint32)
    buffers = [
        bytearray(data),
        memoryview(data),
        memoryview(bytearray(data)),
        mapped,
        array.array("q", data),
        numbers,
        numbers.reshape(2, -1),
        numbers.copy(),
    ]
    wanted = CHECKSUMS[name].library(data)
    assert [acc.checksum(buffer, name) for buffer in buffers] == [wanted] * len(buffers)
    assert acc.checksum_many(buffers, name) == [wanted] * len(buffers)
    assert acc.checksum(bytearray(), name) == acc.checksum(np.zeros(0), name) == CHECKSUMS[name].library(b"")


# ---- chains ----


@every
def test_a_checksum_rides_along_in_a_chain(acc: fa.Accelerator, name: str) -> None:
    library, key = CHECKSUMS[name].library, bytes(32)
    seal = acc.chain(name, "lz4.compress", name, "aes-gcm.encrypt", name)
    items = [sizes.text(5000), b"", periodic(70_000)]
    sealed = seal.many(items, key=key)
    for item, (data, found) in zip(items, sealed, strict=True):
        assert (found[0], found[2]) == (library(item), library(data))
    data, found = zip(*sealed, strict=True)
    assert seal.inverse().many(data, key=key, checksums=found) == items
    wrong = [(each[0] ^ 1, *each[1:]) for each in found]
    opened = seal.inverse().many(data, key=key, checksums=wrong, return_exceptions=True)
    assert all(isinstance(each, fa.IntegrityError) for each in opened)


# ---- what judges a device ----


def emulated(of: ChecksumOperation[Any], launch: Launch) -> Table:
    results = np.zeros(len(launch.table), RESULT)
    results["check"] = [of.emulate(row_of(launch, row)).check for row in range(len(results))]
    return results


@every
def test_the_trial_takes_right_results_and_no_others(name: str) -> None:
    of = operation(name)
    trial = of.trial()
    right = emulated(of, trial.launch)
    assert trial.passed(right)
    for row in range(len(right)):
        for field, wrong in (("check", right["check"][row] ^ np.uint64(1)), ("status", 2), ("partial", 1)):
            results = right.copy()
            results[field][row] = wrong
            assert not trial.passed(results), (row, field)


@every
def test_a_wrong_checksum_disagrees(name: str) -> None:
    of = operation(name)
    trial = of.trial()
    results = emulated(of, trial.launch)
    results["check"][3] ^= np.uint64(1 << (CHECKSUMS[name].bits - 1))
    rows = range(len(results))
    agree = [of.agrees(row_of(trial.launch, row), output_of(trial.launch, results, row)) for row in rows]
    assert [row for row in rows if not agree[row]] == [3]


@every
def test_samples_are_of_the_size_asked_for(name: str) -> None:
    items, options = operation(name).sample(3, 1000, "")
    assert [len(data) for data in items] == [1000] * 3
    assert options == operation(name).settings()


# ---- the kernels' constants and variants ----


def test_the_constants_are_what_their_generator_makes() -> None:
    made = crc_constants.PATH.read_text(encoding="utf-8")
    assert crc_constants.tokens(made) == crc_constants.tokens(crc_constants.text())


# Every source with all macros that its head lists, and the kernel folder.
VARIANTS = [
    ("crc", "x86.cl", "FOLD=512"),
    ("crc", "x86.cl", "FOLD=512 MODELLED=1"),
    ("crc", "x86.cl", "FOLD=128"),
    ("crc", "x86.cl", "FOLD=0"),
    ("crc", "portable.cl", ""),
    ("adler32", "portable.cl", "UNALIGNED=1"),
    ("adler32", "portable.cl", "UNALIGNED=0"),
    *[("xxh", "portable.cl", f"MESSAGES={count}") for count in (1, 8, 16)],
    ("xxh", "portable.cl", "MESSAGES=16 UNALIGNED=0"),
]


@pytest.mark.parametrize(("folder", "source", "defines"), VARIANTS)
@pytest.mark.kernels
def test_every_variant_passes_the_trials(backend: Backend, folder: str, source: str, defines: str) -> None:
    if backend.kind == "fpga-emulator":
        pytest.skip("variants for CPUs and GPUs are kernels of theirs")
    builds.prepared(backend.id, folder, Variant("tried", source, tuple(defines.split())))
