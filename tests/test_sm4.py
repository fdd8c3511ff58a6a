"""SM4 in ECB, CBC, CTR and GCM on every backend, against vectors of the standard and of RFCs, and pyca/cryptography."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import builds
import cryptography.exceptions
import numpy as np
import pytest
import sizes
from conftest import Backend
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import AES_ROW as ROW
from sizes import noise, periodic
from test_aes import column, field_inverse, field_product, read_vectors

import fpga_accel as fa
from fpga_accel.runtime import manifests
from fpga_accel.runtime.manifests import Variant

TAG, BLOCK = 16, 16
KEY = bytes(range(16, 32))
OTHER = bytes(range(100, 116))
CIPHERS = ("sm4-ecb", "sm4-ctr", "sm4-gcm")

# Vectors of blocks, steps and groups of the kernels (7, 8, 19, 20 vectors of 4 blocks; batches of 16, 32, 64
# and 128 blocks), each with a block and a byte less and more.
EDGES = tuple(
    sorted({*sizes.SMALL, *(n * BLOCK + d for n in (3, 28, 32, 76, 80, 127, 128, 256) for d in (-16, -1, 0, 1, 16))})
)
SIZES = tuple(sorted({*EDGES, *sizes.around(ROW, 2 * ROW)}))


def library(cipher: str, key: bytes, nonce: bytes, data: bytes, aad: bytes = b"") -> bytes:
    """What the library gives."""
    mode: Any = {"sm4-ecb": modes.ECB, "sm4-ctr": modes.CTR, "sm4-gcm": modes.GCM}[cipher]
    encryptor: Any = Cipher(algorithms.SM4(key), mode() if cipher == "sm4-ecb" else mode(nonce)).encryptor()
    if cipher == "sm4-gcm":
        encryptor.authenticate_additional_data(aad)
    text: bytes = encryptor.update(data) + encryptor.finalize()
    return text + encryptor.tag if cipher == "sm4-gcm" else text


def nonce_for(cipher: str, number: int) -> bytes:
    return (number + 1).to_bytes({"sm4-ecb": 4, "sm4-ctr": BLOCK, "sm4-gcm": 12}[cipher], "big")


def given_nonce(cipher: str, nonce: bytes) -> dict[str, Any]:
    return {} if cipher == "sm4-ecb" else {"nonce": nonce}


def given_nonces(cipher: str, nonces: list[bytes]) -> dict[str, Any]:
    return {} if cipher == "sm4-ecb" else {"nonces": nonces}


def fitting(cipher: str, size: int) -> int:
    """The size, or the next of whole blocks."""
    return -(-size // BLOCK) * BLOCK if cipher == "sm4-ecb" else size


# ---- vectors ----

VECTORS = {
    # GB/T 32907-2016 appendix A (example 1) and draft-ribose-cfrg-sm4-10 appendix A.
    "sm4-ecb": ("draft-ribose-cfrg-sm4-10-ecb.txt", 4),
    "sm4-ctr": ("draft-ribose-cfrg-sm4-10-ctr.txt", 2),
    # RFC 8998 appendix A.1.
    "sm4-gcm": ("rfc8998.txt", 1),
}


@pytest.mark.parametrize("cipher", CIPHERS)
def test_vectors_of_the_standards(acc: fa.Accelerator, vectors: Path, cipher: str) -> None:
    name, count = VECTORS[cipher]
    found = list(read_vectors(vectors / "ciphers" / "SM4" / name))
    assert len(found) == count
    plain, keys = column(found, "PLAINTEXT"), column(found, "KEY")
    sealed = [vector["CIPHERTEXT"] + vector.get("TAG", b"") for vector in found]
    shared: dict[str, Any] = given_nonces(cipher, [vector.get("IV", b"") for vector in found])
    if cipher == "sm4-gcm":
        shared["aads"] = column(found, "AAD")
    assert acc.encrypt_many(plain, keys, cipher, **shared) == sealed
    assert acc.decrypt_many(sealed, keys, cipher, **shared) == plain
    batch = acc.encrypt_many(fa.Batch.from_items(plain), keys, cipher, **shared)
    assert isinstance(batch, fa.Batch)
    assert batch.to_list() == sealed
    for vector, data, wanted in zip(found, plain, sealed, strict=True):
        options = given_nonce(cipher, vector.get("IV", b""))
        if cipher == "sm4-gcm":
            options["aad"] = vector["AAD"]
        assert acc.encrypt(data, vector["KEY"], cipher, **options) == wanted
        assert acc.decrypt(wanted, vector["KEY"], cipher, **options) == data
        out = bytearray(len(wanted))
        assert acc.encrypt_into(data, out, vector["KEY"], cipher, **options) == len(wanted)
        assert out == wanted
        assert acc.decrypt_into(wanted, out, vector["KEY"], cipher, **options) == len(data)
        assert out[: len(data)] == data


# ---- against the library ----


@pytest.mark.parametrize("cipher", CIPHERS)
def test_every_size_is_as_the_library_has_it(acc: fa.Accelerator, cipher: str) -> None:
    plain = [noise(fitting(cipher, size)) for size in SIZES]
    nonces = [nonce_for(cipher, number) for number in range(len(plain))]
    keys = [KEY if number % 3 else OTHER for number in range(len(plain))]
    sealed = [library(cipher, *triple) for triple in zip(keys, nonces, plain, strict=True)]
    options = given_nonces(cipher, nonces)
    assert acc.encrypt_many(plain, keys, cipher, **options) == sealed
    assert acc.decrypt_many(sealed, keys, cipher, **options) == plain
    for key, nonce, data, wanted in list(zip(keys, nonces, plain, sealed, strict=True))[::5]:
        assert acc.encrypt(data, key, cipher, **given_nonce(cipher, nonce)) == wanted
        assert acc.decrypt(wanted, key, cipher, **given_nonce(cipher, nonce)) == data


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_batch_of_many_sizes_keeps_its_order(acc: fa.Accelerator, cipher: str) -> None:
    plain = [periodic(fitting(cipher, size * 7 % 900)) for size in range(1000)]
    nonces = [nonce_for(cipher, number) for number in range(len(plain))]
    sealed = [library(cipher, KEY, nonce, data) for nonce, data in zip(nonces, plain, strict=True)]
    options = given_nonces(cipher, nonces)
    assert acc.encrypt_many(plain, KEY, cipher, **options) == sealed
    assert acc.decrypt_many(sealed, KEY, cipher, **options) == plain
    assert acc.encrypt_many([], KEY, cipher) == []


@pytest.mark.parametrize("cipher", CIPHERS)
def test_input_may_lie_anywhere_and_be_overwritten(acc: fa.Accelerator, cipher: str) -> None:
    data, nonce = noise(ROW + 512), nonce_for(cipher, 1)
    wanted = library(cipher, KEY, nonce, data)
    options = given_nonce(cipher, nonce)
    for shift in (0, 1, 16, 1000):
        room = memoryview(bytearray(len(data) + 3000))
        room[shift : shift + len(data)] = data
        assert acc.encrypt(room[shift : shift + len(data)], KEY, cipher, **options) == wanted
        written = acc.encrypt_into(room[shift : shift + len(data)], room, KEY, cipher, **options)
        assert room[:written] == wanted
        room[shift : shift + len(wanted)] = wanted
        assert acc.decrypt_into(room[shift : shift + len(wanted)], room, KEY, cipher, **options) == len(data)
        assert room[: len(data)] == data


@given(data=st.data())
@settings(max_examples=40)
def test_any_batch_is_as_the_library_has_it(acc: fa.Accelerator, data: st.DataObject) -> None:
    cipher = data.draw(st.sampled_from(CIPHERS))
    nonce = st.binary(min_size=8, max_size=128) if cipher == "sm4-gcm" else st.binary(min_size=16, max_size=16)
    item = st.tuples(st.sampled_from([KEY, OTHER]), nonce, st.integers(0, 5000), st.binary(max_size=100))
    items = data.draw(st.lists(item, min_size=1, max_size=12))
    keys, nonces, lengths, aads = (list(values) for values in zip(*items, strict=True))
    plain = [noise(fitting(cipher, length)) for length in lengths]
    options = given_nonces(cipher, nonces) | ({"aads": aads} if cipher == "sm4-gcm" else {})
    wanted = [library(cipher, *values) for values in zip(keys, nonces, plain, aads, strict=True)]
    assert acc.encrypt_many(plain, keys, cipher, **options) == wanted
    assert acc.decrypt_many(wanted, keys, cipher, **options) == plain


# ---- nonces and associated data ----


def test_associated_data_of_every_size_is_authenticated(acc: fa.Accelerator) -> None:
    aads = [periodic(size) for size in (*range(0, 270, 7), 1023, 1024, 1025, 2048, 2049, 65537)]
    nonces = [nonce_for("sm4-gcm", number) for number in range(len(aads))]
    for size in (0, 100, ROW + 5):
        items = [noise(size)] * len(aads)
        sealed = [library("sm4-gcm", KEY, *each) for each in zip(nonces, items, aads, strict=True)]
        assert acc.encrypt_many(items, KEY, "sm4-gcm", nonces=nonces, aads=aads) == sealed
        assert acc.decrypt_many(sealed, KEY, "sm4-gcm", nonces=nonces, aads=aads) == items


@pytest.mark.parametrize("size", [0, 33, 3000])
def test_nonces_of_every_legal_size_are_taken(acc: fa.Accelerator, size: int) -> None:
    nonces = [noise(length) for length in range(8, 129)]
    items = [periodic(size)] * len(nonces)
    sealed = [library("sm4-gcm", KEY, nonce, items[0], b"aad") for nonce in nonces]
    aads = [b"aad"] * len(items)
    assert acc.encrypt_many(items, KEY, "sm4-gcm", nonces=nonces, aads=aads) == sealed
    assert acc.decrypt_many(sealed, KEY, "sm4-gcm", nonces=nonces, aads=aads) == items


@pytest.mark.parametrize("cipher", ["sm4-ctr", "sm4-gcm"])
@pytest.mark.parametrize("size", [0, 1, 4096, ROW + 1])
def test_a_random_nonce_stands_in_front(acc: fa.Accelerator, cipher: str, size: int) -> None:
    data, front = noise(size), {"sm4-ctr": 16, "sm4-gcm": 12}[cipher]
    first, second = acc.encrypt_many([data] * 2, KEY, cipher)
    assert first[:front] != second[:front]
    for sealed in (first, second, acc.encrypt(data, KEY, cipher)):
        assert sealed[front:] == library(cipher, KEY, sealed[:front], data)
        assert acc.decrypt(sealed, KEY, cipher) == data
    assert acc.decrypt_many([first, second], KEY, cipher) == [data] * 2


# ---- counters that wrap ----

BEFORE_WRAP = (0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, ROW // BLOCK - 1)


def length_past(before: int) -> int:
    return ROW + 40 if before > 200 else 260 * BLOCK + 7


def test_the_ctr_counter_wraps_at_every_width(acc: fa.Accelerator) -> None:
    counters, plain = [], []
    for width in (8, 32, 64, 96, 128):
        for before in BEFORE_WRAP:
            low = (1 << width) - 1 - before
            if low < 0:
                continue
            high = random.Random(width).getrandbits(128) >> width << width
            counters.append((high | low).to_bytes(BLOCK, "big"))
            plain.append(periodic(length_past(before)))
    sealed = [library("sm4-ctr", KEY, *each) for each in zip(counters, plain, strict=True)]
    assert acc.encrypt_many(plain, KEY, "sm4-ctr", nonces=counters) == sealed
    assert acc.decrypt_many(sealed, KEY, "sm4-ctr", nonces=counters) == plain


def test_the_gcm_counter_wraps_at_32_bits_alone(acc: fa.Accelerator) -> None:
    # Nonces of 16 bytes whose pre-counter block J0 (SP 800-38D section 7.1 step 2) ends in such a count.
    inverse = field_inverse(int.from_bytes(library("sm4-ecb", KEY, b"", bytes(BLOCK)), "big"))
    prefix = (1 << 96) - 1
    blocks = [prefix << 32 | (2**32 - 1 - before) for before in BEFORE_WRAP]
    numbers = [field_product(field_product(j0, inverse) ^ 128, inverse) for j0 in blocks]
    nonces = [number.to_bytes(BLOCK, "big") for number in numbers]
    plain = [periodic(length_past(before)) for before in BEFORE_WRAP]
    sealed = [library("sm4-gcm", KEY, nonce, data, b"aad") for nonce, data in zip(nonces, plain, strict=True)]
    # The nonces do what they are for: the first block is made with J0 + 1, whose low 32 bits wrapped to 0.
    first = library("sm4-gcm", KEY, nonces[0], bytes(BLOCK))[:BLOCK]
    assert first == library("sm4-ecb", KEY, b"", (prefix << 32).to_bytes(BLOCK, "big"))
    aads = [b"aad"] * len(plain)
    assert acc.encrypt_many(plain, KEY, "sm4-gcm", nonces=nonces, aads=aads) == sealed
    assert acc.decrypt_many(sealed, KEY, "sm4-gcm", nonces=nonces, aads=aads) == plain


# ---- forgeries ----


@pytest.mark.parametrize("size", [0, 100, 5000, ROW + 3])
def test_a_forgery_releases_nothing(acc: fa.Accelerator, size: int) -> None:
    nonce, aad = bytes(range(12)), b"header"
    sealed = library("sm4-gcm", KEY, nonce, noise(size), aad)
    places = {0, len(sealed) // 2, len(sealed) - 1, len(sealed) - TAG}
    changed = [sealed[:place] + bytes([sealed[place] ^ 0x10]) + sealed[place + 1 :] for place in sorted(places)]
    cases: list[tuple[bytes, bytes, bytes, bytes]] = [(each, KEY, nonce, aad) for each in (*changed, sealed[:-1], b"")]
    cases += [(sealed, OTHER, nonce, aad), (sealed, KEY, nonce[::-1], aad), (sealed, KEY, nonce, b"Header")]
    for bad, key, each_nonce, each_aad in cases:
        with pytest.raises(cryptography.exceptions.InvalidTag) as caught:
            acc.decrypt(bad, key, "sm4-gcm", nonce=each_nonce, aad=each_aad)
        assert type(caught.value) is fa.InvalidTag
        out = bytearray(b"\xaa" * len(sealed))
        with pytest.raises(fa.InvalidTag):
            acc.decrypt_into(bad, out, key, "sm4-gcm", nonce=each_nonce, aad=each_aad)
        if len(bad) > TAG:
            assert not any(out[: len(bad) - TAG])
    items, keys, nonces, aads = (list(values) for values in zip(*cases, (sealed, KEY, nonce, aad), strict=True))
    found = acc.decrypt_many(items, keys, "sm4-gcm", nonces=nonces, aads=aads, return_exceptions=True)
    assert [type(outcome) for outcome in found[:-1]] == [fa.InvalidTag] * len(cases)
    assert found[-1] == noise(size)


# ---- arguments ----


@pytest.mark.parametrize("cipher", CIPHERS)
def test_sizes_are_checked(acc: fa.Accelerator, cipher: str) -> None:
    options = given_nonce(cipher, nonce_for(cipher, 0))
    for call in (acc.encrypt, acc.decrypt):
        for size in (0, 15, 17, 24, 32):
            with pytest.raises(ValueError, match="16 bytes"):
                call(bytes(160), bytes(size), cipher, **options)
        for size in {"sm4-ecb": (1, 16), "sm4-ctr": (0, 12, 17), "sm4-gcm": (0, 7, 129)}[cipher]:
            with pytest.raises(ValueError, match="nonce"):
                call(bytes(160), KEY, cipher, nonce=bytes(size))
        with pytest.raises(TypeError, match="padding"):
            call(bytes(160), KEY, cipher, **options, padding=None)
        with pytest.raises(TypeError):
            call("text", KEY, cipher, **options)
        if cipher != "sm4-gcm":
            with pytest.raises(ValueError, match="associated data"):
                call(bytes(160), KEY, cipher, **options, aad=b"header")


@pytest.mark.parametrize("size", [1, 15, 17, ROW + 1])
def test_ecb_takes_whole_blocks_alone(acc: fa.Accelerator, size: int) -> None:
    for call in (acc.encrypt, acc.decrypt):
        with pytest.raises(ValueError, match="whole number of blocks"):
            call(bytes(size), KEY, "sm4-ecb")
    for many in (acc.encrypt_many, acc.decrypt_many):
        found = many([bytes(16), bytes(size), bytes(32)], KEY, "sm4-ecb", return_exceptions=True)
        assert isinstance(found[1], ValueError)
        assert [len(found[0]), len(found[2])] == [16, 32]


@pytest.mark.parametrize("cipher", CIPHERS)
def test_into_takes_the_exact_size_and_no_less(acc: fa.Accelerator, cipher: str) -> None:
    options = given_nonce(cipher, nonce_for(cipher, 5))
    for size in (0, 16, 112, 5008, ROW + 48):
        data = noise(size)
        sealed = acc.encrypt(data, KEY, cipher, **options)
        out = bytearray(b"\xaa" * (len(sealed) + 100))
        assert acc.encrypt_into(data, out, KEY, cipher, **options) == len(sealed)
        assert out == sealed + b"\xaa" * 100
        back = bytearray(size)
        assert acc.decrypt_into(sealed, back, KEY, cipher, **options) == size
        assert back == data
        if sealed:
            with pytest.raises(fa.BufferTooSmallError) as caught:
                acc.encrypt_into(data, bytearray(len(sealed) - 1), KEY, cipher, **options)
            assert caught.value.needed == len(sealed)


# ---- the class ----


def test_the_class_is_bound_to_its_key(acc: fa.Accelerator) -> None:
    cipher = fa.SM4GCM(KEY, accelerator=acc)
    for size in (0, 100, 4096, 100_000):
        data, nonce = noise(size), size.to_bytes(12, "big")
        wanted = library("sm4-gcm", KEY, nonce, data, b"aad")
        assert cipher.encrypt(nonce, data, b"aad") == wanted
        assert cipher.decrypt(nonce, wanted, b"aad") == data
        out = bytearray(len(wanted))
        assert cipher.encrypt_into(nonce, data, b"aad", out) == len(wanted)
        assert out == wanted
        back = bytearray(size)
        assert cipher.decrypt_into(nonce, wanted, b"aad", back) == size
        assert back == data
        assert cipher.open(cipher.seal(data, b"aad"), b"aad") == data
        with pytest.raises(fa.InvalidTag):
            cipher.decrypt(nonce, wanted, b"Aad")
    assert len(fa.SM4GCM.generate_key()) == 16
    with pytest.raises(ValueError, match="16"):
        fa.SM4GCM(bytes(32))


@pytest.mark.parametrize("kind", [bytearray, memoryview, np.array])
def test_the_class_writes_into_larger_buffers_of_any_kind(acc: fa.Accelerator, kind: Any) -> None:
    def made(size: int) -> Any:
        return np.zeros(size, np.uint8) if kind is np.array else kind(bytearray(size))

    cipher, nonce = fa.SM4GCM(KEY, accelerator=acc), bytes(12)
    for size in (0, 1, 100, 4096, 100_000):
        data = noise(size)
        sealed = cipher.encrypt(nonce, data, b"aad")
        for more in (0, 1, 16, 100):
            out = made(len(sealed) + more)
            assert cipher.encrypt_into(nonce, data, b"aad", out) == len(sealed)
            assert bytes(out) == sealed + bytes(more)
            back = made(size + more)
            assert cipher.decrypt_into(nonce, sealed, b"aad", back) == size
            assert bytes(back) == data + bytes(more)
        forged = made(size + 5)
        memoryview(forged)[-5:] = b"12345"
        with pytest.raises(fa.InvalidTag):
            cipher.decrypt_into(nonce, sealed[:-1] + bytes([sealed[-1] ^ 1]), b"aad", forged)
        assert bytes(forged) == bytes(size) + b"12345"
    with pytest.raises(fa.InvalidTag):
        cipher.decrypt_into(nonce, bytes(15), b"aad", made(100))


# ---- variants that the device does not choose by itself ----

VARIANTS = (
    Variant("gfni", "x86.cl", ("MODELLED=1",)),
    Variant("vpclmul", "x86_sliced.cl", ("BLOCKS=4", "MODELLED=1")),
    Variant("vpclmul-avx2", "x86_sliced.cl", ("BLOCKS=2", "MODELLED=1")),
    Variant("portable", "portable.cl", ("LANES=1", "UNALIGNED=0")),
)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: "-".join((variant.name, *variant.defines)))
def test_other_variants_are_as_the_library_has_it(pocl: str, variant: Variant) -> None:
    with builds.on(builds.prepared(pocl, "sm4", variant)) as acc:
        for cipher in CIPHERS:
            plain = [noise(fitting(cipher, size)) for size in SIZES]
            nonces = [(2**32 - 70 + number).to_bytes(16, "big") for number in range(len(plain))]
            keys = [KEY if number % 7 else OTHER for number in range(len(plain))]
            sealed = [library(cipher, *each) for each in zip(keys, nonces, plain, strict=True)]
            options = given_nonces(cipher, nonces)
            assert acc.encrypt_many(plain, keys, cipher, **options) == sealed
            assert acc.decrypt_many(sealed, keys, cipher, **options) == plain
            receipt = acc.last_receipt
            assert receipt is not None
            assert receipt.variant == variant.name


# ---- CBC ----

IV = bytes(range(50, 66))


def cbc(key: bytes, iv: bytes, data: bytes, *, padded: bool = True) -> bytes:
    """What the library gives, with PKCS#7 padding."""
    fill = BLOCK - len(data) % BLOCK
    text = data + bytes([fill]) * fill if padded else data
    return Cipher(algorithms.SM4(key), modes.CBC(iv)).encryptor().update(text)


def test_cbc_vectors_of_the_draft(acc: fa.Accelerator, vectors: Path) -> None:
    found = list(read_vectors(vectors / "ciphers" / "SM4" / "draft-ribose-cfrg-sm4-10-cbc.txt"))
    assert len(found) == 2
    keys, ivs, plain, sealed = (column(found, name) for name in ("KEY", "IV", "PLAINTEXT", "CIPHERTEXT"))
    options: dict[str, Any] = {"nonces": ivs, "padding": None}
    assert acc.encrypt_many(plain, keys, "sm4-cbc", **options) == sealed
    assert acc.decrypt_many(sealed, keys, "sm4-cbc", **options) == plain
    for key, iv, data, wanted in zip(keys, ivs, plain, sealed, strict=True):
        assert acc.encrypt(data, key, "sm4-cbc", nonce=iv, padding=None) == wanted
        assert acc.decrypt(wanted, key, "sm4-cbc", nonce=iv, padding=None) == data


def test_the_standards_million_encryptions(acc: fa.Accelerator, backend: Backend) -> None:
    """GB/T 32907-2016 appendix A, example 2: CBC of zeros enciphers its IV again and again."""
    if backend.kind == "fpga-emulator":
        pytest.skip("minutes on the emulator")
    key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    sealed = acc.encrypt(bytes(BLOCK * 1_000_000), key, "sm4-cbc", nonce=key, padding=None)
    assert sealed[:BLOCK].hex() == "681edf34d206965e86b3e94f536e4246"
    assert sealed[-BLOCK:].hex() == "595298c7c6fd271f0402f804c33d3f66"


def test_cbc_of_every_size_is_as_the_library_has_it(acc: fa.Accelerator) -> None:
    plain = [noise(size) for size in (*SIZES, *range(60))]
    ivs = [(7**number % 2**128).to_bytes(BLOCK, "big") for number in range(len(plain))]
    for keys in ([KEY], [KEY if number % 3 else OTHER for number in range(len(plain))]):
        each = keys * (len(plain) // len(keys))
        sealed = [cbc(*triple) for triple in zip(each, ivs, plain, strict=True)]
        given_keys: Any = each if len(keys) > 1 else KEY
        assert acc.encrypt_many(plain, given_keys, "sm4-cbc", nonces=ivs) == sealed
        assert acc.decrypt_many(sealed, given_keys, "sm4-cbc", nonces=ivs) == plain
        assert acc.encrypt_many(fa.Batch.from_items(plain), given_keys, "sm4-cbc", nonces=ivs).to_list() == sealed


def test_cbc_messages_take_turns_in_any_order(acc: fa.Accelerator) -> None:
    chance = random.Random(5)
    plain = [noise(chance.choice((0, 5, 16, 100, 3000)) + chance.randrange(700)) for _ in range(500)]
    keys = [chance.randbytes(16) for _ in plain]
    ivs = [chance.randbytes(BLOCK) for _ in plain]
    sealed = [cbc(*triple) for triple in zip(keys, ivs, plain, strict=True)]
    assert acc.encrypt_many(plain, keys, "sm4-cbc", nonces=ivs) == sealed
    assert acc.decrypt_many(sealed, keys, "sm4-cbc", nonces=ivs) == plain


@pytest.mark.parametrize("size", [0, 15, 16, 5000, ROW + 100])
def test_one_cbc_message_in_every_form(acc: fa.Accelerator, size: int) -> None:
    data = noise(size)
    sealed = cbc(KEY, IV, data)
    shifted = memoryview(b"?" + data)[1:]
    assert acc.encrypt(shifted, KEY, "sm4-cbc", nonce=IV) == sealed
    assert acc.decrypt(memoryview(b"?" + sealed)[1:], KEY, "sm4-cbc", nonce=IV) == data
    out = bytearray(b"\xaa" * (len(sealed) + 20))
    assert acc.encrypt_into(data, out, KEY, "sm4-cbc", nonce=IV) == len(sealed)
    assert out == sealed + b"\xaa" * 20
    back = bytearray(b"\xaa" * (size + 20))
    assert acc.decrypt_into(sealed, back, KEY, "sm4-cbc", nonce=IV) == size
    assert back == data + b"\xaa" * 20
    room = memoryview(bytearray(sealed))
    assert acc.decrypt_into(room, room, KEY, "sm4-cbc", nonce=IV) == size
    assert room[:size] == data
    front = acc.encrypt(data, KEY, "sm4-cbc")
    assert front[BLOCK:] == cbc(KEY, front[:BLOCK], data)
    assert acc.decrypt(front, KEY, "sm4-cbc") == data


def test_bad_cbc_padding_is_one_error(acc: fa.Accelerator) -> None:
    ends = (b"\x00", b"\x11", b"\xff", b"\x01\x02", b"\x04\x03\x04\x04")
    bad = [cbc(KEY, IV, bytes(48 - len(end)) + end, padded=False) for end in ends] + [b"", b"x" * 17]
    texts = set()
    for item in bad:
        with pytest.raises(fa.FormatError) as caught:
            acc.decrypt(item, KEY, "sm4-cbc", nonce=IV)
        texts.add(str(caught.value))
    assert len(texts) == 1
    found = acc.decrypt_many([*bad, cbc(KEY, IV, b"good")], KEY, "sm4-cbc", nonces=[IV] * 8, return_exceptions=True)
    assert {str(error) for error in found[:-1]} == texts
    assert found[-1] == b"good"
    with pytest.raises(ValueError, match="whole number of blocks"):
        acc.encrypt(bytes(17), KEY, "sm4-cbc", nonce=IV, padding=None)


# ---- the maps of gfni.h ----


def _product(a: int, b: int, polynomial: int) -> int:
    product = 0
    for bit in range(8):
        product ^= a << bit if b >> bit & 1 else 0
    for bit in range(14, 7, -1):
        product ^= polynomial << (bit - 8) if product >> bit & 1 else 0
    return product


def _inverse(a: int, polynomial: int) -> int:
    power = 1
    for _ in range(254):
        power = _product(power, a, polynomial)
    return power


def _affine(x: int, rows: Sequence[int], constant: int) -> int:
    """Row i gives bit i."""
    return constant ^ sum(((rows[bit] & x).bit_count() & 1) << bit for bit in range(8))


def test_the_maps_of_the_gfni_variant_make_the_s_box() -> None:
    source = (manifests.kernels_dir() / "sm4" / "gfni.h").read_text()
    defined = dict(re.findall(r"#define (SM4_\w+) (0x[0-9A-F]+)", source))
    into, back = (int(defined[f"SM4_{name}_MATRIX"], 16) for name in ("INTO", "BACK"))
    into_constant, back_constant = (int(defined[f"SM4_{name}_CONSTANT"], 16) for name in ("INTO", "BACK"))
    # The standard's S-box: one affine map before and behind an inversion in its own field.
    rows = [0b10100111, 0b01001111, 0b10011110, 0b00111101, 0b01111010, 0b11110100, 0b11101001, 0b11010011]
    standard = [_affine(_inverse(_affine(x, rows, 0xD3), 0x1F5), rows, 0xD3) for x in range(256)]
    # The first row of its table.
    assert bytes(standard[:16]).hex() == "d690e9fecce13db716b614c228fb2c05"
    # GFNI: byte 7 - i of a matrix is the row of bit i, and the field is AES's.
    matrices = [[matrix >> 8 * (7 - bit) & 255 for bit in range(8)] for matrix in (into, back)]
    made = [_affine(x, matrices[0], into_constant) for x in range(256)]
    assert [_affine(_inverse(y, 0x11B), matrices[1], back_constant) for y in made] == standard
