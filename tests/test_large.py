"""Inputs above 4 GiB, whose sizes and offsets fit no 32 bits. Each needs about 5 GiB of memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

import lz4.frame
import numpy as np
import pytest
from conftest import Backend
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from sizes import MIB

import fpga_accel as fa

pytestmark = pytest.mark.slow

SIZE = (1 << 32) + 1
KEY = bytes(range(32))
# All but the high 64 bits run over inside the message.
COUNTER = ((7 << 64) | (2**64 - 2**28 - 5)).to_bytes(16, "big")


@pytest.fixture
def large(backend: Backend) -> Iterator[fa.Accelerator]:
    """An Accelerator that compares samples: the tests compare all."""
    with fa.Accelerator(backend.id, fallback="never", verify="sampled") as acc:
        yield acc
        receipt = acc.last_receipt
        assert receipt is not None
        assert receipt.backend == backend.path


@pytest.fixture
def zeros() -> Iterator[mmap.mmap]:
    """4 GiB and a byte of zeros, which take no memory as long as they are only read."""
    with private(SIZE) as mapped:
        yield mapped


def private(size: int) -> mmap.mmap:
    mapped = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # A million page faults take longer than the work.
    if hasattr(mmap, "MADV_HUGEPAGE"):
        mapped.madvise(mmap.MADV_HUGEPAGE)
    return mapped


def test_ctr_of_more_than_4_gib(large: fa.Accelerator, zeros: mmap.mmap) -> None:
    piece = 64 * MIB
    expected = bytearray(piece + 15)
    key_stream = Cipher(algorithms.AES(KEY), modes.CTR(COUNTER)).encryptor()
    with private(SIZE) as out:
        assert large.encrypt_into(zeros, out, KEY, "aes-ctr", nonce=COUNTER) == SIZE
        with memoryview(out) as found, memoryview(zeros) as plain:
            for start in range(0, SIZE, piece):
                size = key_stream.update_into(plain[start : start + piece], expected)
                ours = np.frombuffer(found[start : start + piece], np.uint8)
                assert np.array_equal(ours, np.frombuffer(expected, np.uint8, size)), f"from byte {start} on"
                del ours


@pytest.fixture
def not_the_emulator(backend: Backend) -> None:
    """CTR shows of it that it counts in 64 bits."""
    if backend.kind == "fpga-emulator":
        pytest.skip("a minute on the emulator")


def test_lz4_of_more_than_4_gib(not_the_emulator: None, large: fa.Accelerator, zeros: mmap.mmap) -> None:
    frame = large.compress(zeros)
    assert lz4.frame.get_frame_info(frame)["content_size"] == SIZE
    assert len(frame) < SIZE // 200
    with private(SIZE) as out:
        # What must be overwritten, at the ends and on both sides of 4 GiB.
        for place in (0, 2**31, 2**32 - 1, 2**32):
            out[place] = 0xAA
        assert large.decompress_into(frame, out) == SIZE
        with memoryview(out) as content:
            for start in range(0, SIZE, 64 * MIB):
                assert not np.frombuffer(content[start : start + 64 * MIB], np.uint8).any()
