"""AES-CBC, AES-XTS, AES-CCM, CMAC and GMAC on every backend, against published vectors and pyca/cryptography."""

from __future__ import annotations

import random
import subprocess
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import builds
import cryptography.exceptions
import nist
import numpy as np
import pytest
import required
from conftest import Backend
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import AES_ROW, SMALL, noise, periodic

import fpga_accel as fa
from fpga_accel.operations import registry
from fpga_accel.operations.buffers import BytesSink, Items
from fpga_accel.operations.cbc import PADDED
from fpga_accel.operations.ciphers import CipherOptions
from fpga_accel.operations.contract import Job, first_launch
from fpga_accel.operations.xts_units import UnitsCipher
from fpga_accel.runtime.manifests import Variant

BLOCK = 16
KEYS = tuple(bytes(range(size, 2 * size)) for size in (16, 24, 32))
KEY = KEYS[2]
XTS_KEYS = tuple(bytes(range(size)) for size in (32, 64))
IV = bytes(range(100, 116))


# ---- what the library gives ----


def padded(data: bytes) -> bytes:
    padder = padding.PKCS7(128).padder()
    return padder.update(data) + padder.finalize()


def cbc(key: bytes, iv: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor().update(data)


def xts(key: bytes, tweak: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.XTS(tweak)).encryptor().update(data)


def cmac(key: bytes, data: bytes) -> bytes:
    begun = CMAC(algorithms.AES(key))
    begun.update(data)
    return begun.finalize()


def gmac(key: bytes, nonce: bytes, data: bytes) -> bytes:
    return AESGCM(key).encrypt(nonce, b"", data)


def sectors(key: bytes, first: int, size: int, data: bytes) -> bytes:
    numbers = range(len(data) // size)
    parts = (xts(key, (first + n).to_bytes(16, "little"), data[n * size : (n + 1) * size]) for n in numbers)
    return b"".join(parts)


def unaligned(data: bytes) -> memoryview:
    return memoryview(b"?" + data)[1:]


# ---- AES-CBC ----


def cbc_vectors(vectors: Path) -> list[nist.Record]:
    paths = nist.files(vectors / "ciphers" / "AES" / "CBC", "*.rsp", 15)
    found = [record for path in paths for record in nist.records(path)]
    assert len(found) > 2000
    return found


def test_cbc_is_as_nist_says(acc: fa.Accelerator, vectors: Path) -> None:
    found = cbc_vectors(vectors)
    keys, ivs, plain, sealed = (
        [bytes.fromhex(one[name]) for one in found] for name in ("KEY", "IV", "PLAINTEXT", "CIPHERTEXT")
    )
    assert {len(key) for key in keys} == {16, 24, 32}
    assert acc.encrypt_many(plain, keys, "aes-cbc", nonces=ivs, padding=None) == sealed
    assert acc.decrypt_many(sealed, keys, "aes-cbc", nonces=ivs, padding=None) == plain
    batch = acc.encrypt_many(fa.Batch.from_items(plain), keys, "aes-cbc", nonces=ivs, padding=None)
    assert batch.to_list() == sealed
    for index in range(0, len(found), 331):
        options: dict[str, Any] = {"nonce": ivs[index], "padding": None}
        assert acc.encrypt(plain[index], keys[index], "aes-cbc", **options) == sealed[index]
        assert acc.decrypt(sealed[index], keys[index], "aes-cbc", **options) == plain[index]
        out = bytearray(len(plain[index]))
        assert acc.decrypt_into(sealed[index], out, keys[index], "aes-cbc", **options) == len(out)
        assert out == plain[index]


CBC_SIZES = (*range(70), *SMALL, AES_ROW - 16, AES_ROW - 1, AES_ROW, AES_ROW + 1, 2 * AES_ROW + 17)


def test_padded_cbc_of_every_size_is_as_the_library_has_it(acc: fa.Accelerator) -> None:
    plain = [noise(size) for size in CBC_SIZES]
    keys = [KEYS[number % 3] for number in range(len(plain))]
    ivs = [(number + 1).to_bytes(16, "big") for number in range(len(plain))]
    sealed = [cbc(key, iv, padded(data)) for key, iv, data in zip(keys, ivs, plain, strict=True)]
    assert acc.encrypt_many(plain, keys, "aes-cbc", nonces=ivs) == sealed
    assert acc.decrypt_many(sealed, keys, "aes-cbc", nonces=ivs) == plain
    batch = acc.decrypt_many(fa.Batch.from_items(sealed), keys, "aes-cbc", nonces=ivs)
    assert batch.to_list() == plain
    assert acc.encrypt_many(fa.Batch.from_items(plain), keys, "aes-cbc", nonces=ivs).to_list() == sealed
    one_key = [cbc(KEY, iv, padded(data)) for iv, data in zip(ivs, plain, strict=True)]
    assert acc.encrypt_many(plain, KEY, "aes-cbc", nonces=ivs) == one_key
    assert acc.decrypt_many([unaligned(data) for data in one_key], KEY, "aes-cbc", nonces=ivs) == plain


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 100, 4096, AES_ROW + 5, 600_000])
def test_one_cbc_message_in_every_form(acc: fa.Accelerator, size: int) -> None:
    data = periodic(size)
    sealed = cbc(KEY, IV, padded(data))
    assert acc.encrypt(unaligned(data), KEY, "aes-cbc", nonce=IV) == sealed
    assert acc.decrypt(unaligned(sealed), KEY, "aes-cbc", nonce=IV) == data
    for room in (0, 33):
        out = bytearray(b"\xaa" * (len(sealed) + room))
        assert acc.encrypt_into(data, out, KEY, "aes-cbc", nonce=IV) == len(sealed)
        assert out == sealed + b"\xaa" * room
        out = bytearray(b"\xaa" * (size + room))
        assert acc.decrypt_into(sealed, out, KEY, "aes-cbc", nonce=IV) == size
        assert out == data + b"\xaa" * room
    with_nonce = acc.encrypt(data, KEY, "aes-cbc")
    assert with_nonce == with_nonce[:16] + cbc(KEY, with_nonce[:16], padded(data))
    assert acc.decrypt(with_nonce, KEY, "aes-cbc") == data
    assert acc.decrypt_many(acc.encrypt_many([data] * 3, KEY, "aes-cbc"), KEY, "aes-cbc") == [data] * 3
    if size:
        with pytest.raises(fa.BufferTooSmallError) as caught:
            acc.decrypt_into(sealed, bytearray(size - 1), KEY, "aes-cbc", nonce=IV)
        assert caught.value.needed == size


@pytest.mark.parametrize(("cipher", "key"), [("aes-cbc", KEY), ("sm4-cbc", KEYS[0])], ids=["aes", "sm4"])
def test_short_cbc_messages_go_into_buffers_on_the_planned_way(acc: fa.Accelerator, cipher: str, key: bytes) -> None:
    own: dict[str, Any] = {"nonce": IV, "padding": "pkcs7"}
    for size in range(34):
        data = noise(size)
        sealed = acc.encrypt(data, key, cipher, nonce=IV)
        for more in (0, 20):
            out, back = bytearray(len(sealed) + more), bytearray(size + more)
            assert acc.encrypt_into(data, out, key, cipher, **own) == len(sealed)
            assert out == sealed + bytes(more)
            assert acc.decrypt_into(sealed, back, key, cipher, **own) == size
            assert back == data + bytes(more)
        back = bytearray(size)
        assert acc.submit("decrypt_into", sealed, back, key, cipher, nonce=IV).result() == size
        assert back == data
        with acc.trace():
            assert acc.decrypt_into(sealed, bytearray(size), key, cipher, nonce=IV) == size
    for size in (0, 16, 32):
        out, back = bytearray(size), bytearray(size)
        assert acc.encrypt_into(noise(size), out, key, cipher, nonce=IV, padding=None) == size
        assert acc.decrypt_into(out, back, key, cipher, nonce=IV, padding=None) == size
        assert back == noise(size)
    items = [b"", noise(16), b"", noise(48)]
    for padding_ in ("pkcs7", None):
        batch = acc.encrypt_many(fa.Batch.from_items(items), key, cipher, padding=padding_)
        assert acc.decrypt_many(batch, key, cipher, padding=padding_).to_list() == items


def bad_paddings() -> list[bytes]:
    """Plaintexts of whole blocks whose end is no padding."""
    return [
        bytes(15) + b"\x00",
        bytes(15) + b"\x11",
        bytes(15) + b"\xff",
        bytes(14) + b"\x01\x02",
        bytes(12) + b"\x00\x04\x04\x04",
        b"\x0f" + b"\x10" * 15,
        b"\x10" * 15 + b"\x0f",
        bytes(16) + b"\x03\x03\x02" + b"\x10" * 13,
        bytes(30) + b"\x03\x03",
    ]


def test_bad_padding_of_every_kind_is_one_error(acc: fa.Accelerator) -> None:
    bad = [cbc(KEY, IV, plain) for plain in bad_paddings()] + [b"", b"x", bytes(15), bytes(17), bytes(100)]
    good = cbc(KEY, IV, padded(b"good"))
    items = [item for each in bad for item in (each, good)]
    for given_items in (items, fa.Batch.from_items(items)):
        options: dict[str, Any] = {"nonces": [IV] * len(items), "return_exceptions": True}
        results: Any = acc.decrypt_many(given_items, KEY, "aes-cbc", **options)
        errors = results.errors if isinstance(results, fa.Batch) else dict(enumerate(results[::2]))
        assert len(errors) == len(bad)
        assert {type(error) for error in errors.values()} == {fa.FormatError}
        assert len({str(error) for error in errors.values()}) == 1
        listed = results.to_list() if isinstance(results, fa.Batch) else results
        assert listed[1::2] == [b"good"] * len(bad)
    texts = set()
    for item in bad:
        with pytest.raises(fa.FormatError) as caught:
            acc.decrypt(item, KEY, "aes-cbc", nonce=IV)
        texts.add(str(caught.value))
        out = bytearray(b"\xaa" * 200)
        with pytest.raises(fa.FormatError) as caught:
            acc.decrypt_into(item, out, KEY, "aes-cbc", nonce=IV)
        texts.add(str(caught.value))
        with pytest.raises(fa.FormatError) as caught:
            acc.decrypt(IV + item, KEY, "aes-cbc")
        texts.add(str(caught.value))
    with pytest.raises(fa.FormatError) as caught:
        acc.decrypt(bytes(8), KEY, "aes-cbc")
    assert {str(caught.value)} == texts


def test_without_padding_only_whole_blocks_are_taken(acc: fa.Accelerator) -> None:
    assert acc.encrypt(b"", KEY, "aes-cbc", nonce=IV, padding=None) == b""
    assert acc.decrypt(b"", KEY, "aes-cbc", nonce=IV, padding=None) == b""
    for size in (1, 15, 17, 4095):
        with pytest.raises(ValueError, match="whole number of blocks"):
            acc.encrypt(bytes(size), KEY, "aes-cbc", nonce=IV, padding=None)
        with pytest.raises(fa.FormatError):
            acc.decrypt(bytes(size), KEY, "aes-cbc", nonce=IV, padding=None)
    mixed = [bytes(16), bytes(17), bytes(32)]
    options: dict[str, Any] = {"nonces": [IV] * 3, "padding": None, "return_exceptions": True}
    results = acc.encrypt_many(mixed, KEY, "aes-cbc", **options)
    assert results[::2] == [cbc(KEY, IV, mixed[0]), cbc(KEY, IV, mixed[2])]
    assert isinstance(results[1], ValueError)


def test_options_of_cbc_are_checked(acc: fa.Accelerator) -> None:
    with pytest.raises(ValueError, match="pkcs7"):
        acc.encrypt(b"data", KEY, "aes-cbc", padding="zeros")
    with pytest.raises(TypeError, match="color"):
        acc.encrypt(b"data", KEY, "aes-cbc", color="red")
    with pytest.raises(ValueError, match="associated data"):
        acc.encrypt(b"data", KEY, "aes-cbc", aad=b"header")
    for size in (0, 15, 17, 33, 64):
        with pytest.raises(ValueError, match="16, 24, 32"):
            acc.encrypt(b"data", bytes(size), "aes-cbc")
    for size in (0, 12, 17):
        with pytest.raises(ValueError, match="nonce"):
            acc.encrypt(b"data", KEY, "aes-cbc", nonce=bytes(size))


@given(data=st.data())
@settings(max_examples=30)
def test_any_cbc_batch_is_as_the_library_has_it(acc: fa.Accelerator, data: st.DataObject) -> None:
    item = st.tuples(st.sampled_from(KEYS), st.binary(min_size=16, max_size=16), st.integers(0, 2000))
    items = data.draw(st.lists(item, min_size=1, max_size=40))
    keys, ivs, lengths = (list(values) for values in zip(*items, strict=True))
    plain = [noise(length) for length in lengths]
    sealed = [cbc(key, iv, padded(text)) for key, iv, text in zip(keys, ivs, plain, strict=True)]
    assert acc.encrypt_many(plain, keys, "aes-cbc", nonces=ivs) == sealed
    assert acc.decrypt_many(sealed, keys, "aes-cbc", nonces=ivs) == plain


@pytest.mark.parametrize("size", [0, 5, 16, 1000])
def test_the_openssl_command_reads_cbc(acc: fa.Accelerator, size: int) -> None:
    command = [required.openssl(), "enc", "-aes-256-cbc", "-K", KEY.hex(), "-iv", IV.hex()]
    sealed = acc.encrypt(periodic(size), KEY, "aes-cbc", nonce=IV)
    assert subprocess.run([*command, "-d"], input=sealed, capture_output=True, check=True).stdout == periodic(size)
    theirs = subprocess.run(command, input=periodic(size), capture_output=True, check=True).stdout
    assert acc.decrypt(theirs, KEY, "aes-cbc", nonce=IV) == periodic(size)


# ---- AES-XTS ----

# IEEE 1619-2007, annex B: key, sector number, plaintext, ciphertext; the last four end in a part of a block.
_KEY_15 = "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0"
IEEE_1619 = (
    (
        "11" * 16 + "22" * 16,
        0x3333333333,
        b"\x44" * 32,
        "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
    ),
    (_KEY_15, 0x123456789A, bytes(range(17)), "6c1625db4671522d3d7599601de7ca09ed"),
    (_KEY_15, 0x123456789A, bytes(range(18)), "d069444b7a7e0cab09e24447d24deb1fedbf"),
    (_KEY_15, 0x123456789A, bytes(range(19)), "e5df1351c0544ba1350b3363cd8ef4beedbf9d"),
    (_KEY_15, 0x123456789A, bytes(range(20)), "9d84c813f719aa2c7be3f66171c7c5c2edbf9dac"),
)


def test_xts_is_as_ieee_1619_says(acc: fa.Accelerator) -> None:
    for key, sector, plain, sealed in IEEE_1619:
        disk, wanted = fa.AESXTS(bytes.fromhex(key), acc), bytes.fromhex(sealed)
        assert disk.encrypt_sectors(plain, sector, len(plain)) == wanted
        assert disk.decrypt_sectors(wanted, sector, len(plain)) == plain
        tweak = sector.to_bytes(16, "little")
        assert acc.encrypt(plain, bytes.fromhex(key), "aes-xts", nonce=tweak) == wanted


def xts_vectors(vectors: Path) -> list[tuple[bytes, bytes, bytes, bytes]]:
    paths = nist.files(vectors / "ciphers" / "AES" / "XTS", "*/*.rsp", 4)
    found = []
    for record in (record for path in paths for record in nist.records(path)):
        # Other lengths than of whole bytes are not for us.
        if int(record["DATAUNITLEN"]) % 8:
            continue
        number = record.get("DATAUNITSEQNUMBER")
        tweak = int(number).to_bytes(16, "little") if number else bytes.fromhex(record["I"])
        found.append((bytes.fromhex(record["KEY"]), tweak, bytes.fromhex(record["PT"]), bytes.fromhex(record["CT"])))
    assert len(found) > 1000
    assert any(len(plain) % 16 for _, _, plain, _ in found)
    return found


def test_xts_is_as_nist_says(acc: fa.Accelerator, vectors: Path) -> None:
    keys, tweaks, plain, sealed = (list(each) for each in zip(*xts_vectors(vectors), strict=True))
    assert acc.encrypt_many(plain, keys, "aes-xts", nonces=tweaks) == sealed
    assert acc.decrypt_many(sealed, keys, "aes-xts", nonces=tweaks) == plain
    for index in range(0, len(plain), 211):
        out = bytearray(len(plain[index]))
        assert acc.encrypt_into(plain[index], out, keys[index], "aes-xts", nonce=tweaks[index]) == len(out)
        assert out == sealed[index]
        assert acc.decrypt(sealed[index], keys[index], "aes-xts", nonce=tweaks[index]) == plain[index]


def test_xts_of_every_size_is_as_the_library_has_it(acc: fa.Accelerator) -> None:
    plain = [noise(size) for size in (*range(16, 300), *(size for size in SMALL if size > 300), 70_001)]
    keys = [XTS_KEYS[number % 2] for number in range(len(plain))]
    tweaks = [noise(16 + number)[:16] for number in range(len(plain))]
    sealed = [xts(*each) for each in zip(keys, tweaks, plain, strict=True)]
    assert acc.encrypt_many(plain, keys, "aes-xts", nonces=tweaks) == sealed
    assert acc.decrypt_many([unaligned(data) for data in sealed], keys, "aes-xts", nonces=tweaks) == plain
    with_tweaks = acc.encrypt_many(plain, keys, "aes-xts")
    assert acc.decrypt_many(with_tweaks, keys, "aes-xts") == plain
    assert acc.decrypt_many(fa.Batch.from_items(with_tweaks), keys, "aes-xts").to_list() == plain


@pytest.mark.parametrize("sector_size", [16, 17, 512, 520, 4096, 65536])
@pytest.mark.parametrize("first", [0, 7, 2**64 - 3, 2**128 - 2])
def test_sectors_are_as_a_loop_over_the_library_has_them(acc: fa.Accelerator, sector_size: int, first: int) -> None:
    count = max(3, 70_000 // sector_size)
    count = min(count, 400)
    data = noise(count * sector_size)
    numbers = [(first + n) % 2**128 for n in range(count)]
    parts = [data[n * sector_size : (n + 1) * sector_size] for n in range(count)]
    wanted = b"".join(xts(XTS_KEYS[1], n.to_bytes(16, "little"), part) for n, part in zip(numbers, parts, strict=True))
    disk = fa.AESXTS(XTS_KEYS[1], acc)
    assert disk.encrypt_sectors(data, first, sector_size) == wanted
    assert disk.decrypt_sectors(unaligned(wanted), first, sector_size) == data
    for room in (0, 40):
        out = bytearray(b"\xaa" * (len(data) + room))
        assert disk.encrypt_sectors_into(data, first, out, sector_size) == len(data)
        assert out == wanted + b"\xaa" * room
        out = bytearray(b"\xaa" * (len(data) + room))
        assert disk.decrypt_sectors_into(wanted, first, memoryview(out), sector_size) == len(data)
        assert out == data + b"\xaa" * room


@pytest.mark.parametrize(("sector_size", "count"), [(16, 1500), (528, 1100), (16384, 5), (16400, 3)])
def test_more_sectors_than_are_done_at_once(acc: fa.Accelerator, sector_size: int, count: int) -> None:
    data, first = noise(count * sector_size), 2**64 - 700
    sealed = sectors(XTS_KEYS[0], first, sector_size, data)
    disk = fa.AESXTS(XTS_KEYS[0], acc)
    for text in (data, bytearray(data)):
        assert disk.encrypt_sectors(text, first, sector_size) == sealed
    assert disk.decrypt_sectors(sealed, first, sector_size) == data


def test_sectors_of_one_key_on_many_threads() -> None:
    disk = fa.AESXTS(XTS_KEYS[0], fa.Accelerator("cpu"))
    texts = [noise(4096 * (1 + number)) for number in range(16)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(disk.encrypt_sectors, texts, range(16)))
        assert list(pool.map(disk.decrypt_sectors, made, range(16))) == texts
    assert made == [sectors(XTS_KEYS[0], number, 4096, text) for number, text in enumerate(texts)]


def test_nothing_of_sectors_stays_in_scratch_memory() -> None:
    cipher, out = UnitsCipher(XTS_KEYS[0], encrypts=False), memoryview(bytearray(40_000))
    for size in (40_000, 32, 4096):
        cipher.fill(bytes(16), noise(size), 16, out)
        (bench,) = cipher._idle
        assert not any(bench.texts)
        assert not any(bench.firsts)


def test_sectors_go_into_buffers_of_any_kind(acc: fa.Accelerator) -> None:
    disk, data = fa.AESXTS(XTS_KEYS[0], acc), noise(8192)
    sealed = sectors(XTS_KEYS[0], 1, 4096, data)
    for out in (array("I", bytes(8200)), memoryview(array("I", bytes(8200))), memoryview(bytearray(9000))):
        assert disk.encrypt_sectors_into(data, 1, out) == len(data)
        assert bytes(out)[: len(data)] == sealed
    same = bytearray(data)
    assert disk.encrypt_sectors_into(same, 1, same) == len(data)
    assert same == sealed
    with pytest.raises((TypeError, BufferError)):
        disk.encrypt_sectors_into(data, 1, bytes(8192))


def test_many_sectors_are_rows_of_one_launch(acc: fa.Accelerator, backend: Backend) -> None:
    data = noise(2 << 20)
    disk = fa.AESXTS(XTS_KEYS[0], acc)
    assert disk.encrypt_sectors(data, 5) == sectors(XTS_KEYS[0], 5, 4096, data)
    assert acc.last_receipt is not None
    assert acc.last_receipt.backend == backend.path
    assert not backend.is_device or 1 < acc.last_receipt.segments < (1024 if backend.kind == "gpu" else 64)
    items = [data[:8192], b"", data[:4096]]
    nonces = [n.to_bytes(16, "little") for n in (1, 2, 3)]
    sealed = [sectors(XTS_KEYS[0], n, 4096, item) for n, item in zip((1, 2, 3), items, strict=True)]
    assert acc.encrypt_many(items, XTS_KEYS[0], "aes-xts-sectors", nonces=nonces) == sealed
    with_nonces = acc.encrypt_many(items, XTS_KEYS[0], "aes-xts-sectors", sector_size=2048)
    assert acc.decrypt_many(with_nonces, XTS_KEYS[0], "aes-xts-sectors", sector_size=2048) == items


def test_what_xts_does_not_take(acc: fa.Accelerator) -> None:
    tweak = bytes(16)
    for size in (0, 16, 31, 33, 48):
        with pytest.raises(ValueError, match="32, 64"):
            acc.encrypt(bytes(16), bytes(range(size)), "aes-xts", nonce=tweak)
        with pytest.raises(ValueError, match="32, 64"):
            fa.AESXTS(bytes(range(size)), acc)
    for key in (bytes(32), XTS_KEYS[0] * 2):
        with pytest.raises(ValueError, match="differ"):
            acc.encrypt(bytes(16), key, "aes-xts", nonce=tweak)
        with pytest.raises(ValueError, match="differ"):
            acc.encrypt_many([bytes(16)], [key], "aes-xts", nonces=[tweak])
        with pytest.raises(ValueError, match="differ"):
            fa.AESXTS(key, acc)
    for size in (0, 1, 15):
        with pytest.raises(ValueError, match="16 to"):
            acc.encrypt(bytes(size), XTS_KEYS[0], "aes-xts", nonce=tweak)
        with pytest.raises(ValueError, match="16 to"):
            acc.decrypt(bytes(size), XTS_KEYS[0], "aes-xts", nonce=tweak)
    with pytest.raises(ValueError, match="nonce"):
        acc.encrypt(bytes(16), XTS_KEYS[0], "aes-xts", nonce=bytes(15))
    disk = fa.AESXTS(XTS_KEYS[0], acc)
    for size in (1, 4095, 4097):
        with pytest.raises(ValueError, match="sectors of 4096"):
            disk.encrypt_sectors(bytes(size), 0)
        with pytest.raises(ValueError, match="sectors of 4096"):
            disk.decrypt_sectors_into(bytes(size), 0, bytearray(5000))
    assert disk.encrypt_sectors(b"", 0) == b""
    with pytest.raises(ValueError, match="sector_size=15"):
        disk.encrypt_sectors(bytes(15), 0, 15)
    with pytest.raises(TypeError, match="sector_size"):
        disk.encrypt_sectors(bytes(15), 0, 1.5)  # type: ignore[arg-type]
    for first in (-1, 2**128):
        with pytest.raises(ValueError, match="first_sector"):
            disk.encrypt_sectors(bytes(4096), first)
    with pytest.raises(TypeError, match="first_sector"):
        disk.encrypt_sectors(bytes(4096), "1")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        disk.encrypt_sectors("text", 0)
    with pytest.raises(fa.BufferTooSmallError):
        disk.encrypt_sectors_into(bytes(4096), 0, bytearray(4095))


@pytest.mark.parametrize("cipher", ["aes-xts", "aes-xts-sectors"])
def test_what_cannot_hold_its_tweak_is_refused_everywhere(acc: fa.Accelerator, backend: Backend, cipher: str) -> None:
    key = XTS_KEYS[1]
    sealed = acc.encrypt_many([periodic(8192)] * 3, key, cipher)
    items = [bytes(size) for size in range(17)]
    # No sector is none too many; a data unit has a block at least.
    least = 16 if cipher == "aes-xts-sectors" else 17
    for given_items in (items, fa.Batch.from_items(items)):
        results: Any = acc.decrypt_many(given_items, key, cipher, return_exceptions=True)
        errors = results.errors if isinstance(results, fa.Batch) else dict(enumerate(results[:least]))
        assert sorted(errors) == list(range(least))
        assert {type(error) for error in errors.values()} == {fa.FormatError}
    for item in items[:least]:
        with pytest.raises(fa.FormatError):
            acc.decrypt(item, key, cipher)
        with pytest.raises(fa.FormatError):
            acc.decrypt_into(item, bytearray(100), key, cipher)
    if least == 16:
        assert acc.decrypt(items[16], key, cipher) == b""
        assert acc.decrypt_into(items[16], bytearray(100), key, cipher) == 0
    # A device and the CPU path that differ would put the device out of use.
    assert acc.decrypt_many(sealed, key, cipher) == [periodic(8192)] * 3
    assert acc.last_receipt is not None
    assert acc.last_receipt.backend == backend.path


def test_numbers_of_sectors_may_be_of_numpy(acc: fa.Accelerator) -> None:
    disk, data, number, size = fa.AESXTS(XTS_KEYS[1], acc), periodic(2048), np.uint64(2**63 + 5), np.int32(512)
    sealed = sectors(XTS_KEYS[1], 2**63 + 5, 512, data)
    assert disk.encrypt_sectors(data, number, size) == sealed  # type: ignore[arg-type]
    out = bytearray(2048)
    assert disk.decrypt_sectors_into(sealed, number, out, size) == 2048  # type: ignore[arg-type]
    assert out == data
    assert acc.encrypt(data, XTS_KEYS[1], "aes-xts-sectors", nonce=bytes(16), sector_size=size) == sectors(
        XTS_KEYS[1], 0, 512, data
    )


def test_a_key_of_xts_is_made() -> None:
    assert len(fa.AESXTS.generate_key()) == 64
    assert len(fa.AESXTS.generate_key(256)) == 32
    with pytest.raises(ValueError, match="bit_length"):
        fa.AESXTS.generate_key(128)
    assert "AESXTS" in repr(fa.AESXTS(XTS_KEYS[0]))


# ---- AES-CCM ----


def ccm_vectors(vectors: Path) -> list[dict[str, Any]]:
    """Records with key, nonce, aad, text, sealed, tag; text is None where the tag is wrong."""
    folder = vectors / "ciphers" / "AES" / "CCM"
    paths = nist.files(folder, "[DV]*.rsp", 15)
    found = []
    for record in (record for path in paths for record in nist.records(path)):
        sizes = {name: int(record[name]) for name in ("ALEN", "PLEN", "TLEN")}
        good = record.get("RESULT", "Pass") == "Pass"
        found.append(
            {
                "key": bytes.fromhex(record["KEY"]),
                "nonce": bytes.fromhex(record["NONCE"]),
                "aad": bytes.fromhex(record["ADATA"])[: sizes["ALEN"]],
                "text": bytes.fromhex(record["PAYLOAD"])[: sizes["PLEN"]] if good else None,
                "sealed": bytes.fromhex(record["CT"]),
                "tag": sizes["TLEN"],
            }
        )
    assert len(found) > 2500
    assert {one["tag"] for one in found} == {4, 6, 8, 10, 12, 14, 16}
    return found


@pytest.mark.parametrize("tag", [4, 6, 8, 10, 12, 14, 16])
def test_ccm_is_as_nist_says(acc: fa.Accelerator, vectors: Path, tag: int) -> None:
    found = [one for one in ccm_vectors(vectors) if one["tag"] == tag]
    keys, nonces, aads, sealed = ([one[name] for one in found] for name in ("key", "nonce", "aad", "sealed"))
    options: dict[str, Any] = {"nonces": nonces, "aads": aads, "tag_length": tag, "return_exceptions": True}
    opened = acc.decrypt_many(sealed, keys, "aes-ccm", **options)
    for one, plain in zip(found, opened, strict=True):
        assert plain == one["text"] if one["text"] is not None else type(plain) is fa.InvalidTag
    good = [one for one in found if one["text"] is not None]
    options = {"nonces": [one["nonce"] for one in good], "aads": [one["aad"] for one in good], "tag_length": tag}
    made = acc.encrypt_many([one["text"] for one in good], [one["key"] for one in good], "aes-ccm", **options)
    assert made == [one["sealed"] for one in good]
    for one in found[::97]:
        cipher = fa.AESCCM(one["key"], tag, acc)
        out = bytearray(b"\xaa" * (len(one["sealed"]) - tag))
        if one["text"] is None:
            with pytest.raises(fa.InvalidTag):
                cipher.decrypt(one["nonce"], one["sealed"], one["aad"])
            with pytest.raises(fa.InvalidTag):
                cipher.decrypt_into(one["nonce"], one["sealed"], one["aad"], out)
            assert not any(out)
        else:
            assert cipher.decrypt(one["nonce"], one["sealed"], one["aad"]) == one["text"]
            assert cipher.encrypt(one["nonce"], one["text"], one["aad"]) == one["sealed"]
            assert cipher.decrypt_into(one["nonce"], one["sealed"], one["aad"], out) == len(out)
            assert out == one["text"]


def test_ccm_of_every_size_is_as_the_library_has_it(acc: fa.Accelerator) -> None:
    plain = [noise(size) for size in (*range(130), *SMALL, 65_535, 70_000)]
    chance = random.Random(3)
    keys = [KEYS[number % 3] for number in range(len(plain))]
    nonces = [noise(7 + chance.randrange(7 if len(data) < 65_536 else 6)) for data in plain]
    aads = [noise(number % 70) for number in range(len(plain))]
    for at, size in enumerate((0xFEFF, 0xFF00, 0xFF01, 70_000, 13, 14, 15)):
        aads[at * 9] = noise(size)
    sealed = [
        AESCCM(key).encrypt(nonce, data, aad) for key, nonce, data, aad in zip(keys, nonces, plain, aads, strict=True)
    ]
    assert acc.encrypt_many(plain, keys, "aes-ccm", nonces=nonces, aads=aads) == sealed
    assert acc.decrypt_many([unaligned(data) for data in sealed], keys, "aes-ccm", nonces=nonces, aads=aads) == plain
    batch = acc.decrypt_many(fa.Batch.from_items(sealed), keys, "aes-ccm", nonces=nonces, aads=aads)
    assert batch.to_list() == plain
    with_nonces = acc.encrypt_many(plain, KEY, "aes-ccm")
    assert acc.decrypt_many(with_nonces, KEY, "aes-ccm") == plain
    assert len(with_nonces[0]) == 12 + 16


@pytest.mark.parametrize("tag", [4, 10, 16])
def test_what_ccm_does_not_open(acc: fa.Accelerator, tag: int) -> None:
    cipher, nonce = fa.AESCCM(KEY, tag, acc), bytes(range(11))
    sealed = cipher.encrypt(nonce, periodic(100), b"header")
    changed = [bytes([*sealed[:at], sealed[at] ^ 1, *sealed[at + 1 :]]) for at in (0, 50, 99, 100, len(sealed) - 1)]
    refused = [*changed, sealed[:-1], sealed[:tag], sealed[: tag - 1], b"", sealed + b"x"]
    for wrong in refused:
        with pytest.raises(cryptography.exceptions.InvalidTag):
            cipher.decrypt(nonce, wrong, b"header")
    items = [sealed, *refused]
    results = cipher.decrypt_many([nonce] * len(items), items, [b"header"] * len(items), return_exceptions=True)
    assert results[0] == periodic(100)
    assert {type(result) for result in results[1:]} == {fa.InvalidTag}
    for other in ((nonce, sealed, b""), (bytes(11), sealed, b"header")):
        with pytest.raises(fa.InvalidTag):
            cipher.decrypt(*other)
    for size in {4, 10, 16} - {tag}:
        with pytest.raises(fa.InvalidTag):
            fa.AESCCM(KEY, size, acc).decrypt(nonce, sealed, b"header")
    out = bytearray(b"\xaa" * 100)
    with pytest.raises(fa.InvalidTag):
        cipher.decrypt_into(nonce, changed[1], b"header", out)
    assert not any(out)
    assert cipher.open(cipher.seal(b"text", b"header"), b"header") == b"text"


def test_limits_of_ccm_are_those_of_its_nonces(acc: fa.Accelerator) -> None:
    nonce = bytes(13)
    assert acc.decrypt(acc.encrypt(bytes(65_535), KEY, "aes-ccm", nonce=nonce), KEY, "aes-ccm", nonce=nonce)
    with pytest.raises(ValueError, match="65535 at most"):
        acc.encrypt(bytes(65_536), KEY, "aes-ccm", nonce=nonce)
    with pytest.raises(ValueError, match="65535 at most"):
        acc.decrypt(bytes(65_536 + 16), KEY, "aes-ccm", nonce=nonce)
    results = acc.encrypt_many([b"a", bytes(65_536)], KEY, "aes-ccm", nonces=[nonce] * 2, return_exceptions=True)
    assert results[0] == AESCCM(KEY).encrypt(nonce, b"a", None)
    assert isinstance(results[1], ValueError)
    with pytest.raises(ValueError, match="65535 at most"):
        fa.AESCCM(KEY, 16, acc).encrypt(nonce, bytes(65_536), None)
    with pytest.raises(ValueError, match="65535 at most"):
        fa.AESCCM(KEY, 16, acc).encrypt_into(nonce, bytes(65_536), None, bytearray(65_552))
    with pytest.raises(ValueError, match="65535 at most"):
        fa.AESCCM(KEY, 16, acc).decrypt_into(nonce, bytes(65_552), None, bytearray(65_536))
    for size in (0, 6, 14):
        with pytest.raises(ValueError, match="7 to 13"):
            fa.AESCCM(KEY, 16, acc).encrypt_many([bytes(size)], [b"data"])
    for tag in (0, 3, 5, 15, 17):
        with pytest.raises(ValueError, match="tag_length"):
            fa.AESCCM(KEY, tag, acc)
    with pytest.raises(TypeError, match="tag_length"):
        acc.encrypt(b"data", KEY, "aes-ccm", tag_length="16")
    with pytest.raises(ValueError, match="16, 24, 32"):
        fa.AESCCM(bytes(20), 16, acc)


def test_tag_lengths_of_ccm_may_be_of_numpy_or_none(acc: fa.Accelerator) -> None:
    nonce = bytes(12)
    for given_length, length in ((None, 16), (np.int64(8), 8), (4, 4)):
        cipher = fa.AESCCM(KEY, given_length, acc)  # type: ignore[arg-type]
        sealed = cipher.encrypt(nonce, b"text", b"aad")
        assert sealed == AESCCM(KEY, length).encrypt(nonce, b"text", b"aad")
        assert cipher.decrypt(nonce, sealed, b"aad") == b"text"
    with pytest.raises(TypeError):
        fa.AESCCM(KEY, "16", acc)  # type: ignore[arg-type]


# ---- CMAC and GMAC ----


def test_cmac_is_as_nist_says(acc: fa.Accelerator, vectors: Path) -> None:
    found = [record for path in nist.files(vectors / "CMAC", "*aes*.txt", 3) for record in nist.records(path)]
    assert len(found) >= 12
    keys, messages, tags = ([bytes.fromhex(one[name]) for one in found] for name in ("KEY", "MESSAGE", "OUTPUT"))
    assert acc.mac_many(messages, keys, "cmac-aes") == tags
    for key, message, tag in zip(keys, messages, tags, strict=True):
        assert acc.mac(message, key, "cmac-aes") == tag


def test_cmac_of_every_size_is_as_the_library_has_it(acc: fa.Accelerator) -> None:
    messages = [noise(size) for size in (*range(100), *SMALL, 70_001)]
    keys = [KEYS[number % 3] for number in range(len(messages))]
    tags = [cmac(key, message) for key, message in zip(keys, messages, strict=True)]
    assert acc.mac_many(messages, keys, "cmac-aes") == tags
    assert acc.mac_many(messages, KEY, "cmac-aes") == [cmac(KEY, message) for message in messages]
    assert acc.mac_many(fa.Batch.from_items(messages), keys, "cmac-aes").to_list() == tags
    out = bytearray(20)
    assert acc.mac_into(unaligned(messages[50]), out, KEY, "cmac-aes") == 16
    assert out == cmac(KEY, messages[50]) + bytes(4)
    with pytest.raises(ValueError, match="no nonce"):
        acc.mac(b"data", KEY, "cmac-aes", nonce=bytes(12))
    with pytest.raises(ValueError, match="16, 24, 32"):
        acc.mac(b"data", bytes(20), "cmac-aes")


def test_gmac_is_the_tag_of_gcm_without_text(acc: fa.Accelerator, vectors: Path) -> None:
    folder = vectors / "ciphers" / "AES" / "GCM"
    paths = nist.files(folder, "gcmEncrypt*.rsp", 3)
    wanted = {"PTLEN": "0", "TAGLEN": "128"}
    found = [
        one for path in paths for one in nist.records(path) if wanted.items() <= one.items() and len(one["IV"]) >= 16
    ]
    assert len(found) > 300
    keys, nonces, messages, tags = ([bytes.fromhex(one[name]) for one in found] for name in ("KEY", "IV", "AAD", "TAG"))
    assert acc.mac_many(messages, keys, "gmac", nonces=nonces) == tags
    for index in range(0, len(found), 59):
        assert acc.mac(messages[index], keys[index], "gmac", nonce=nonces[index]) == tags[index]


def test_gmac_of_every_size_is_as_the_library_has_it(acc: fa.Accelerator) -> None:
    messages = [noise(size) for size in (*range(300), *SMALL, 70_001)]
    nonces = [noise(8 + number % 121) for number in range(len(messages))]
    keys = [KEYS[number % 3] for number in range(len(messages))]
    tags = [gmac(*each) for each in zip(keys, nonces, messages, strict=True)]
    assert acc.mac_many(messages, keys, "gmac", nonces=nonces) == tags
    assert acc.mac_many(fa.Batch.from_items(messages), keys, "gmac", nonces=nonces).to_list() == tags
    one_key = [gmac(KEY, nonce, message) for nonce, message in zip(nonces, messages, strict=True)]
    assert acc.mac_many(messages, KEY, "gmac", nonces=nonces) == one_key
    out = bytearray(16)
    assert acc.mac_into(messages[70], out, KEY, "gmac", nonce=nonces[70]) == 16
    assert out == one_key[70]
    with pytest.raises(ValueError, match="nonce"):
        acc.mac(b"data", KEY, "gmac")
    with pytest.raises(ValueError, match="8 to 128"):
        acc.mac(b"data", KEY, "gmac", nonce=bytes(7))


# ---- kernels ----

FOUR, TWO = ("BLOCKS=4", "MODELLED=1"), ("BLOCKS=2", "MODELLED=1")
# Each takes seconds to compile: what differs from the shipped variants is tried where it differs most.
BUILDS = {
    "aes_cbc": (("x86.cl", FOUR), ("x86.cl", TWO), ("portable.cl", ("LANES=1", "UNALIGNED=0"))),
    "aes_xts": (("x86.cl", FOUR), ("x86.cl", TWO), ("portable.cl", ("LANES=2",))),
    "aes_ccm": (("x86.cl", FOUR), ("x86.cl", TWO)),
    "gmac": (("x86.cl", FOUR), ("x86.cl", TWO)),
    "aes": (("x86.cl", FOUR), ("x86.cl", TWO)),
}
TRIED = [(kernel, *build) for kernel, builds in BUILDS.items() for build in builds]


@pytest.mark.parametrize(("kernel", "source", "defines"), TRIED)
def test_every_build_gives_the_known_answers(pocl: str, kernel: str, source: str, defines: tuple[str, ...]) -> None:
    builds.prepared(pocl, kernel, Variant("tried", source, defines))


@pytest.mark.kernels
def test_rows_that_cannot_be_done_are_refused_and_the_others_done(backend: Backend) -> None:
    operation = registry.find("encrypt", "aes-cbc")
    texts = [periodic(size) for size in (100, 32, 50, 16, 0, 1000)]
    job = Job(Items.of(texts), CipherOptions([KEY], [IV] * len(texts)), BytesSink(len(texts)))
    launch = first_launch(operation, job)
    launch.table["dst_capacity"][0] -= 1
    launch.table["flags"][2] &= ~np.uint32(PADDED)
    device = builds.shipped(backend.id, "aes_cbc")
    before = [bytes(job.sink.view(index)) for index in (0, 2)]
    results = device.start(launch).outcome(None).results
    assert results["status"].tolist() == [1, 0, 5, 0, 0, 0]
    assert [job.sink.view(index) for index in (1, 3, 4, 5)] == [cbc(KEY, IV, padded(texts[i])) for i in (1, 3, 4, 5)]
    assert [job.sink.view(index) for index in (0, 2)] == before
