"""AES-GCM and AES-CTR on every backend, against NIST's vectors and pyca/cryptography."""

from __future__ import annotations

import base64
import logging
import mmap
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cryptography.exceptions
import numpy as np
import pytest
import sizes
from conftest import Backend
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import AES_ROW, MIB, noise, periodic

import fpga_accel as fa

TAG, NONCE, BLOCK = 16, 12, 16
KEYS = tuple(bytes(range(size, 2 * size)) for size in (16, 24, 32))
CIPHERS = ("aes-gcm", "aes-ctr")
KEY = KEYS[2]

Vector = dict[str, bytes]


def ctr(key: bytes, counter: bytes, data: bytes) -> bytes:
    """What the library gives for CTR."""
    return Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor().update(data)


def reference(cipher: str, key: bytes, nonce: bytes, data: bytes, aad: bytes = b"") -> bytes:
    """What the library gives."""
    return AESGCM(key).encrypt(nonce, data, aad) if cipher == "aes-gcm" else ctr(key, nonce, data)


def nonce_for(cipher: str, number: int) -> bytes:
    return (number + 1).to_bytes(NONCE if cipher == "aes-gcm" else BLOCK, "big")


# ---- vectors of NIST ----


def read_vectors(path: Path) -> Iterator[Vector]:
    """Yield each record of a .rsp or .txt file; FAIL is the key of a record that must fail."""
    shared: Vector = {}
    for paragraph in re.split(r"\r?\n\r?\n", path.read_text()):
        record: Vector = {}
        for line in paragraph.splitlines():
            if found := re.fullmatch(r"\[(\w+) = (\d+)\]", line):
                shared[found[1]] = int(found[2]).to_bytes(4, "big")
            elif found := re.fullmatch(r"(\w+) = ?([0-9a-fA-F]*)", line.strip()):
                value = found[2]
                record[found[1].upper()] = value.encode() if found[1].upper() == "COUNT" else bytes.fromhex(value)
            elif line.strip() == "FAIL":
                record["FAIL"] = b"FAIL"
        if "COUNT" in record:
            yield shared | record


def gcm_vectors(vectors: Path, pattern: str) -> list[Vector]:
    """Vectors of the files with 16-byte tags and nonces that pyca takes."""
    paths = sorted((vectors / "ciphers" / "AES" / "GCM").glob(pattern))
    assert len(paths) == 3, f"{pattern} finds {paths}"
    found = [vector for path in paths for vector in read_vectors(path) if len(vector["TAG"]) == TAG]
    assert {len(vector["KEY"]) for vector in found} == {16, 24, 32}
    usable = [vector for vector in found if len(vector["IV"]) >= 8]
    assert {len(vector["IV"]) for vector in usable} == {12, 128}
    assert len(usable) > 1000
    return usable


def ctr_vectors(vectors: Path) -> list[Vector]:
    paths = sorted((vectors / "ciphers" / "AES" / "CTR").glob("*.txt"))
    assert len(paths) == 3, paths
    found = [vector for path in paths for vector in read_vectors(path)]
    assert len(found) >= 9
    return found


def column(found: list[Vector], name: str) -> list[bytes]:
    return [vector[name] for vector in found]


def test_gcm_encrypts_as_nist_says(acc: fa.Accelerator, vectors: Path) -> None:
    found = gcm_vectors(vectors, "gcmEncrypt*.rsp")
    sealed = [vector["CT"] + vector["TAG"] for vector in found]
    keys, nonces, aads, plain = (column(found, name) for name in ("KEY", "IV", "AAD", "PT"))
    assert acc.encrypt_many(plain, keys, nonces=nonces, aads=aads) == sealed
    assert acc.decrypt_many(sealed, keys, nonces=nonces, aads=aads) == plain
    for vector, wanted in list(zip(found, sealed, strict=True))[::53]:
        options: dict[str, Any] = {"nonce": vector["IV"], "aad": vector["AAD"]}
        assert acc.encrypt(vector["PT"], vector["KEY"], **options) == wanted
        out = bytearray(len(wanted))
        assert acc.encrypt_into(vector["PT"], out, vector["KEY"], **options) == len(wanted)
        assert out == wanted


def test_gcm_decrypts_as_nist_says(acc: fa.Accelerator, vectors: Path) -> None:
    found = gcm_vectors(vectors, "gcmDecrypt*.rsp")
    sealed = [vector["CT"] + vector["TAG"] for vector in found]
    bad = [index for index, vector in enumerate(found) if "FAIL" in vector]
    assert 0 < len(bad) < len(found)
    keys, nonces, aads = (column(found, name) for name in ("KEY", "IV", "AAD"))
    opened = acc.decrypt_many(sealed, keys, nonces=nonces, aads=aads, return_exceptions=True)
    for index, (vector, plain) in enumerate(zip(found, opened, strict=True)):
        if "FAIL" in vector:
            assert type(plain) is fa.InvalidTag, index
        else:
            assert plain == vector["PT"], index
    for index in (*range(0, len(found), 97), *bad[::61]):
        vector = found[index]
        options = {"nonce": vector["IV"], "aad": vector["AAD"]}
        out = bytearray(b"\xaa" * len(vector["CT"]))
        if "FAIL" in vector:
            with pytest.raises(fa.InvalidTag):
                acc.decrypt(sealed[index], vector["KEY"], **options)
            with pytest.raises(fa.InvalidTag):
                acc.decrypt_into(sealed[index], out, vector["KEY"], **options)
            assert not any(out)
        else:
            assert acc.decrypt(sealed[index], vector["KEY"], **options) == vector["PT"]
            assert acc.decrypt_into(sealed[index], out, vector["KEY"], **options) == len(out)
            assert out == vector["PT"]


def test_ctr_is_as_rfc_3686_says(acc: fa.Accelerator, vectors: Path) -> None:
    found = ctr_vectors(vectors)
    keys, nonces, plain, sealed = (column(found, name) for name in ("KEY", "IV", "PLAINTEXT", "CIPHERTEXT"))
    assert acc.encrypt_many(plain, keys, "aes-ctr", nonces=nonces) == sealed
    assert acc.decrypt_many(sealed, keys, "aes-ctr", nonces=nonces) == plain
    for key, nonce, data, wanted in zip(keys, nonces, plain, sealed, strict=True):
        assert acc.encrypt(data, key, "aes-ctr", nonce=nonce) == wanted
        assert acc.decrypt(wanted, key, "aes-ctr", nonce=nonce) == data
        out = bytearray(len(wanted))
        assert acc.encrypt_into(data, out, key, "aes-ctr", nonce=nonce) == len(wanted)
        assert out == wanted
        assert acc.decrypt_into(wanted, out, key, "aes-ctr", nonce=nonce) == len(wanted)
        assert out == data


# ---- where it ran ----


@pytest.mark.parametrize("cipher", CIPHERS)
def test_work_runs_on_the_backend_and_the_receipt_says_so(acc: fa.Accelerator, backend: Backend, cipher: str) -> None:
    sealed = acc.encrypt(periodic(70_000), KEY, cipher)
    assert acc.decrypt(sealed, KEY, cipher) == periodic(70_000)
    receipt = acc.last_receipt
    assert receipt is not None
    assert (receipt.op, receipt.algorithm) == ("decrypt", cipher)
    assert (receipt.bytes_in, receipt.bytes_out) == (len(sealed), 70_000)
    assert receipt.backend == backend.path
    assert receipt.device == (backend.id if backend.is_device else None)
    assert receipt.verified is backend.is_device
    assert not receipt.fallback


# ---- against the library ----


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("key", KEYS, ids=["128", "192", "256"])
def test_every_size_is_as_the_library_has_it(acc: fa.Accelerator, cipher: str, key: bytes) -> None:
    plain = [noise(size) for size in sizes.AES]
    nonces = [nonce_for(cipher, number) for number in range(len(plain))]
    sealed = [reference(cipher, key, nonce, data) for nonce, data in zip(nonces, plain, strict=True)]
    assert acc.encrypt_many(plain, key, cipher, nonces=nonces) == sealed
    assert acc.decrypt_many(sealed, key, cipher, nonces=nonces) == plain
    for nonce, data, wanted in zip(nonces, plain, sealed, strict=True):
        assert acc.encrypt(data, key, cipher, nonce=nonce) == wanted
        assert acc.decrypt(wanted, key, cipher, nonce=nonce) == data


@pytest.mark.parametrize("cipher", CIPHERS)
def test_every_size_up_to_many_blocks_is_as_the_library_has_it(acc: fa.Accelerator, cipher: str) -> None:
    plain = [periodic(size) for size in range(700)]
    nonces = [nonce_for(cipher, number) for number in range(len(plain))]
    keys = [KEYS[size % 3] for size in range(len(plain))]
    triples = list(zip(keys, nonces, plain, strict=True))
    sealed = [reference(cipher, *triple) for triple in triples]
    assert acc.encrypt_many(plain, keys, cipher, nonces=nonces) == sealed
    assert acc.decrypt_many(sealed, keys, cipher, nonces=nonces) == plain


def test_associated_data_of_every_size_is_authenticated(acc: fa.Accelerator) -> None:
    aads = [periodic(size) for size in (*range(270), 1023, 1024, 1025, 4096, 65537, AES_ROW + 1, MIB)]
    nonces = [nonce_for("aes-gcm", number) for number in range(len(aads))]
    for size in (0, 1, 16, 100, AES_ROW + 5):
        items = [noise(size)] * len(aads)
        sealed = [AESGCM(KEY).encrypt(*triple) for triple in zip(nonces, items, aads, strict=True)]
        assert acc.encrypt_many(items, KEY, nonces=nonces, aads=aads) == sealed
        assert acc.decrypt_many(sealed, KEY, nonces=nonces, aads=aads) == items


@pytest.mark.parametrize("size", [0, 33, AES_ROW + 17])
def test_nonces_of_every_legal_size_are_taken(acc: fa.Accelerator, size: int) -> None:
    nonces = [noise(length) for length in range(8, 129)]
    items = [periodic(size)] * len(nonces)
    sealed = [AESGCM(KEY).encrypt(nonce, items[0], b"aad") for nonce in nonces]
    assert acc.encrypt_many(items, KEY, nonces=nonces, aads=[b"aad"] * len(items)) == sealed
    assert acc.decrypt_many(sealed, KEY, nonces=nonces, aads=[b"aad"] * len(items)) == items


@given(data=st.data())
@settings(max_examples=60)
def test_any_batch_is_as_the_library_has_it(acc: fa.Accelerator, data: st.DataObject) -> None:
    cipher = data.draw(st.sampled_from(CIPHERS))
    nonce = st.binary(min_size=8, max_size=128) if cipher == "aes-gcm" else st.binary(min_size=16, max_size=16)
    item = st.tuples(st.sampled_from(KEYS), nonce, st.integers(0, 3000), st.binary(max_size=100))
    items = data.draw(st.lists(item, min_size=1, max_size=12))
    keys, nonces, lengths, aads = (list(values) for values in zip(*items, strict=True))
    plain = [noise(length) for length in lengths]
    options: dict[str, Any] = {"nonces": nonces} | ({"aads": aads} if cipher == "aes-gcm" else {})
    wanted = [reference(cipher, *values) for values in zip(keys, nonces, plain, aads, strict=True)]
    assert acc.encrypt_many(plain, keys, cipher, **options) == wanted
    assert acc.decrypt_many(wanted, keys, cipher, **options) == plain


# ---- counters that wrap ----


def test_the_ctr_counter_wraps_at_every_width(acc: fa.Accelerator) -> None:
    # The low 32, 64, 96 and 128 bits run over after 0, 1, … blocks, within vectors, between them, and between rows.
    counters, plain = [], []
    for width in (8, 16, 32, 64, 96, 128):
        for before in (0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 100, AES_ROW // BLOCK - 1):
            low = (1 << width) - 1 - before
            if low < 0:
                continue
            counters.append(((noise_int(128) >> width << width) | low).to_bytes(BLOCK, "big"))
            plain.append(periodic(2 * AES_ROW + 40 if before > 100 else 130 * BLOCK + 7))
    counters.append(b"\xff" * BLOCK)
    plain.append(noise(AES_ROW + 5 * BLOCK))
    keys = [KEYS[number % 3] for number in range(len(plain))]
    sealed = [ctr(*triple) for triple in zip(keys, counters, plain, strict=True)]
    assert acc.encrypt_many(plain, keys, "aes-ctr", nonces=counters) == sealed
    assert acc.decrypt_many(sealed, keys, "aes-ctr", nonces=counters) == plain
    for number in range(0, len(plain), 9):
        assert acc.encrypt(plain[number], keys[number], "aes-ctr", nonce=counters[number]) == sealed[number]


def noise_int(bits: int) -> int:
    return random.Random(bits).getrandbits(bits)


# GF(2^128) of SP 800-38D §6.3, to make nonces whose counter starts where a test wants it.
_POLYNOMIAL = 0xE1 << 120


def field_product(a: int, b: int) -> int:
    product = 0
    for bit in range(127, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product


def field_inverse(a: int) -> int:
    # a^(2^128 - 2)
    inverse, power = 1 << 127, a
    for _ in range(127):
        power = field_product(power, power)
        inverse = field_product(inverse, power)
    return inverse


def nonce_with_counter(key: bytes, j0: int) -> bytes:
    """Return the 16-byte nonce whose pre-counter block (§7.1 step 2) is `j0`."""
    inverse = field_inverse(int.from_bytes(ctr(key, bytes(16), bytes(16)), "big"))
    return field_product(field_product(j0, inverse) ^ 128, inverse).to_bytes(16, "big")


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("size", [4 * MIB - 1, 4 * MIB, 6 * MIB + 7])
def test_long_ctr_on_threads_is_one_stream(threads: int, size: int) -> None:
    # The counter wraps at 128 bits in the second thread's part.
    counter, data = (2**128 - size // 16 // 2 - 9).to_bytes(16, "big"), periodic(size)
    expected = Cipher(algorithms.AES(bytes(32)), modes.CTR(counter)).encryptor().update(data)
    out = bytearray(size)
    with fa.Accelerator("cpu", threads=threads) as acc:
        assert acc.encrypt(data, bytes(32), "aes-ctr", nonce=counter) == expected
        assert acc.decrypt_into(expected, out, bytes(32), "aes-ctr", nonce=counter) == size
        assert out == data
        in_front = acc.encrypt(data, bytes(32), "aes-ctr")
        assert acc.decrypt(in_front, bytes(32), "aes-ctr") == data


def test_the_gcm_counter_wraps_at_32_bits_alone(acc: fa.Accelerator) -> None:
    prefix = (1 << 96) - 1
    nonces, plain = [], []
    for before in (0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, AES_ROW // BLOCK - 1):
        j0 = prefix << 32 | (2**32 - 1 - before)
        nonces.append(nonce_with_counter(KEY, j0))
        plain.append(periodic(2 * AES_ROW + 40 if before > 100 else 130 * BLOCK + 7))
    # The nonces do what they are for: the first block is made with J0 + 1, whose low 32 bits wrapped to 0.
    first = AESGCM(KEY).encrypt(nonces[0], bytes(BLOCK), b"")[:BLOCK]
    assert first == ctr(KEY, (prefix << 32).to_bytes(16, "big"), bytes(BLOCK))
    sealed = [AESGCM(KEY).encrypt(nonce, data, b"aad") for nonce, data in zip(nonces, plain, strict=True)]
    aads = [b"aad"] * len(plain)
    assert acc.encrypt_many(plain, KEY, nonces=nonces, aads=aads) == sealed
    assert acc.decrypt_many(sealed, KEY, nonces=nonces, aads=aads) == plain
    for nonce, data, wanted in zip(nonces, plain, sealed, strict=True):
        assert acc.encrypt(data, KEY, nonce=nonce, aad=b"aad") == wanted
        assert acc.decrypt(wanted, KEY, nonce=nonce, aad=b"aad") == data


# ---- nonces in front ----


@pytest.mark.parametrize("size", [0, 1, 4096, AES_ROW + 1])
@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_random_nonce_stands_in_front(acc: fa.Accelerator, cipher: str, size: int) -> None:
    data, front = periodic(size), len(nonce_for(cipher, 0))
    sealed = [acc.encrypt(data, KEY, cipher) for _ in range(4)] + acc.encrypt_many([data] * 30, KEY, cipher)
    out = bytearray(len(sealed[0]))
    assert acc.encrypt_into(data, out, KEY, cipher) == len(out)
    sealed.append(bytes(out))
    assert len({each[:front] for each in sealed}) == len(sealed)
    for each in sealed:
        assert each[front:] == reference(cipher, KEY, each[:front], data)
    assert acc.decrypt_many(sealed, KEY, cipher) == [data] * len(sealed)
    assert acc.decrypt(sealed[0], KEY, cipher) == data
    back = bytearray(size)
    assert acc.decrypt_into(sealed[0], back, KEY, cipher) == size
    assert back == data


def test_a_nonce_in_front_goes_with_associated_data(acc: fa.Accelerator) -> None:
    sealed = acc.encrypt(b"data", KEY, aad=b"header")
    assert AESGCM(KEY).decrypt(sealed[:NONCE], sealed[NONCE:], b"header") == b"data"
    assert acc.decrypt(sealed, KEY, aad=b"header") == b"data"
    assert acc.decrypt(
        AESGCM(KEY).encrypt(sealed[:NONCE], b"data", b"header"), KEY, nonce=sealed[:NONCE], aad=b"header"
    )


# ---- refusals ----


def forged(size: int) -> dict[str, tuple[bytes, bytes, bytes, bytes]]:
    """Each way for a message of `size` bytes to be wrong: (sealed, key, nonce, associated data)."""
    nonce, aad = bytes(range(NONCE)), b"header"
    sealed = AESGCM(KEY).encrypt(nonce, periodic(size), aad)

    def flipped(data: bytes, place: int) -> bytes:
        changed = bytearray(data)
        changed[place] ^= 1
        return bytes(changed)

    cases = {
        "key": (sealed, flipped(KEY, 31), nonce, aad),
        "key of another size": (sealed, KEYS[0], nonce, aad),
        "nonce": (sealed, KEY, flipped(nonce, 11), aad),
        "nonce of another size": (sealed, KEY, nonce + b"\0", aad),
        "associated data": (sealed, KEY, nonce, flipped(aad, 0)),
        "associated data with a zero": (sealed, KEY, nonce, aad + b"\0"),
        "no associated data": (sealed, KEY, nonce, b""),
        "tag, first byte": (flipped(sealed, size), KEY, nonce, aad),
        "tag, last byte": (flipped(sealed, -1), KEY, nonce, aad),
        "a byte more": (sealed + b"\0", KEY, nonce, aad),
        "a byte less": (sealed[:-1], KEY, nonce, aad),
        "nothing": (b"", KEY, nonce, aad),
        "15 bytes": (sealed[:15], KEY, nonce, aad),
    }
    if size:
        cases["first byte"] = (flipped(sealed, 0), KEY, nonce, aad)
        cases["last byte"] = (flipped(sealed, size - 1), KEY, nonce, aad)
    return cases


@pytest.mark.parametrize("size", [0, 1, 100, 5000, AES_ROW, 2 * AES_ROW + 3])
def test_a_forgery_is_an_invalid_tag_and_leaves_no_plaintext(acc: fa.Accelerator, size: int) -> None:
    cases = forged(size)
    for what, (sealed, key, nonce, aad) in cases.items():
        with pytest.raises(fa.InvalidTag) as caught:
            acc.decrypt(sealed, key, nonce=nonce, aad=aad)
        assert isinstance(caught.value, cryptography.exceptions.InvalidTag)
        assert type(caught.value) is fa.InvalidTag
        out = bytearray(b"\xaa" * (len(sealed) + 64))
        with pytest.raises(fa.InvalidTag):
            acc.decrypt_into(sealed, out, key, nonce=nonce, aad=aad)
        written = len(sealed) - TAG
        if written > 0:
            assert not any(out[:written]), f"{what}: plaintext is left"
    sealed_items, keys, nonces, aads = (list(values) for values in zip(*cases.values(), strict=True))
    found = acc.decrypt_many(sealed_items, keys, nonces=nonces, aads=aads, return_exceptions=True)
    assert [type(outcome) for outcome in found] == [fa.InvalidTag] * len(cases)


@pytest.mark.parametrize("size", [100, AES_ROW + 3])
def test_one_forgery_of_a_batch_loses_none_of_the_others(acc: fa.Accelerator, size: int) -> None:
    plain = [noise(size), b"", periodic(size), b"x", noise(70_000)]
    nonces = [nonce_for("aes-gcm", number) for number in range(5)]
    sealed = [AESGCM(KEY).encrypt(nonce, data, b"") for nonce, data in zip(nonces, plain, strict=True)]
    for place in range(5):
        others = plain[:place] + plain[place + 1 :]
        for bad in (sealed[place][:-1] + bytes([sealed[place][-1] ^ 1]), b"short"):
            items = [*sealed[:place], bad, *sealed[place + 1 :]]
            found = acc.decrypt_many(items, KEY, nonces=nonces, return_exceptions=True)
            assert type(found[place]) is fa.InvalidTag
            assert found[:place] + found[place + 1 :] == others
            with pytest.raises(fa.BatchError, match=f"item {place}") as caught:
                acc.decrypt_many(items, KEY, nonces=nonces)
            assert type(caught.value.results[place]) is fa.InvalidTag
            assert caught.value.results[:place] + caught.value.results[place + 1 :] == others
    found = acc.decrypt_many([sealed[0], sealed[2]], KEY, nonces=[nonces[2], nonces[0]], return_exceptions=True)
    assert [type(outcome) for outcome in found] == [fa.InvalidTag] * 2


def test_too_short_for_a_nonce_in_front(acc: fa.Accelerator) -> None:
    for size in (0, 1, NONCE, NONCE + TAG - 1):
        with pytest.raises(fa.InvalidTag):
            acc.decrypt(bytes(size), KEY)
    with pytest.raises((fa.InvalidTag, fa.FormatError)):
        acc.decrypt(bytes(BLOCK - 1), KEY, "aes-ctr")
    found = acc.decrypt_many([bytes(5), acc.encrypt(b"good", KEY), bytes(27)], KEY, return_exceptions=True)
    assert found[1] == b"good"
    assert type(found[0]) is type(found[2]) is fa.InvalidTag


@pytest.mark.parametrize("cipher", CIPHERS)
def test_sizes_of_keys_and_nonces_are_checked(acc: fa.Accelerator, cipher: str) -> None:
    nonce = nonce_for(cipher, 0)
    for call in (acc.encrypt, acc.decrypt):
        for size in (0, 1, 15, 17, 23, 25, 31, 33, 64):
            with pytest.raises(ValueError, match=r"16, 24(,| or) 32"):
                call(bytes(100), bytes(size), cipher, nonce=nonce)
        legal = "8 to 128" if cipher == "aes-gcm" else "16"
        for size in (0, 1, 7, 129, 1000) if cipher == "aes-gcm" else (0, 8, 12, 15, 17):
            with pytest.raises(ValueError, match=legal):
                call(bytes(100), KEY, cipher, nonce=bytes(size))
    for many in (acc.encrypt_many, acc.decrypt_many):
        with pytest.raises(ValueError, match=r"16, 24(,| or) 32"):
            many([bytes(100)] * 2, [KEY, bytes(5)], cipher, nonces=[nonce] * 2)
        with pytest.raises(ValueError, match=legal):
            many([bytes(100)] * 2, KEY, cipher, nonces=[nonce, b""])
        with pytest.raises(ValueError, match="nonces for 2 items"):
            many([bytes(100)] * 2, KEY, cipher, nonces=[nonce])
        with pytest.raises(ValueError, match="keys for 2 items"):
            many([bytes(100)] * 2, [KEY] * 3, cipher, nonces=[nonce] * 2)


def test_wrong_types_are_refused(acc: fa.Accelerator) -> None:
    nonce = bytes(NONCE)
    for call in (acc.encrypt, acc.decrypt):
        with pytest.raises(TypeError, match="str"):
            call("text", KEY)
        with pytest.raises(TypeError):
            call(bytes(100), "k" * 32)
        with pytest.raises(TypeError):
            call(bytes(100), KEY, nonce="n" * 12)
        with pytest.raises(TypeError):
            call(bytes(100), KEY, nonce=nonce, aad="header")
        with pytest.raises(TypeError):
            call(None, KEY)
        with pytest.raises(BufferError):
            call(memoryview(bytes(200))[::2], KEY)
        with pytest.raises(ValueError, match="aes-ctr, aes-gcm"):
            call(bytes(100), KEY, "rot13")
        with pytest.raises(ValueError, match="associated data"):
            call(bytes(100), KEY, "aes-ctr", nonce=bytes(16), aad=b"header")


# ---- buffers ----


@pytest.mark.parametrize("cipher", CIPHERS)
def test_into_takes_the_exact_size_and_no_less(acc: fa.Accelerator, cipher: str) -> None:
    nonce = nonce_for(cipher, 5)
    for size in (0, 1, 100, 5000, AES_ROW + 3):
        data = noise(size)
        for given_nonce in (nonce, None):
            sealed = acc.encrypt(data, KEY, cipher, nonce=given_nonce)
            out = bytearray(b"\xaa" * (len(sealed) + 100))
            assert acc.encrypt_into(data, out, KEY, cipher, nonce=given_nonce) == len(sealed)
            assert out[len(sealed) :] == b"\xaa" * 100
            assert acc.decrypt(out[: len(sealed)], KEY, cipher, nonce=given_nonce) == data
            exact = bytearray(len(sealed))
            assert acc.encrypt_into(data, exact, KEY, cipher, nonce=given_nonce) == len(sealed)
            assert acc.decrypt(exact, KEY, cipher, nonce=given_nonce) == data
            if given_nonce is not None:
                assert exact == sealed
            back = bytearray(b"\xaa" * (size + 100))
            assert acc.decrypt_into(sealed, back, KEY, cipher, nonce=given_nonce) == size
            assert back == data + b"\xaa" * 100
            for capacity in {0, len(sealed) // 2, len(sealed) - 1} - {len(sealed), -1}:
                with pytest.raises(fa.BufferTooSmallError) as caught:
                    acc.encrypt_into(data, bytearray(capacity), KEY, cipher, nonce=given_nonce)
                assert caught.value.needed == len(sealed)
            for capacity in {0, size - 1} - {size, -1}:
                with pytest.raises(fa.BufferTooSmallError) as caught:
                    acc.decrypt_into(sealed, bytearray(capacity), KEY, cipher, nonce=given_nonce)
                assert caught.value.needed == size


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("shift", [0, 1, 16, 1000])
def test_input_and_output_may_share_memory(acc: fa.Accelerator, cipher: str, shift: int) -> None:
    data, nonce = noise(AES_ROW + 500), nonce_for(cipher, 1)
    sealed = reference(cipher, KEY, nonce, data)
    room = memoryview(bytearray(len(data) + 3000))
    room[shift : shift + len(data)] = data
    written = acc.encrypt_into(room[shift : shift + len(data)], room, KEY, cipher, nonce=nonce)
    assert room[:written] == sealed
    room[shift : shift + len(sealed)] = sealed
    assert acc.decrypt_into(room[shift : shift + len(sealed)], room, KEY, cipher, nonce=nonce) == len(data)
    assert room[: len(data)] == data


@pytest.mark.parametrize("cipher", CIPHERS)
def test_any_buffer_will_do_for_every_argument(acc: fa.Accelerator, cipher: str) -> None:
    data, nonce = noise(16 * 1000), nonce_for(cipher, 2)
    aad: Any = b"header12" if cipher == "aes-gcm" else b""
    sealed = reference(cipher, KEY, nonce, data, aad)
    mapped = mmap.mmap(-1, len(data))
    mapped[:] = data
    wrappers: list[Callable[[bytes], Any]] = [bytearray, memoryview, lambda each: np.frombuffer(each, np.uint16)]
    for wrap in wrappers:
        for buffer in (wrap(data), mapped, np.frombuffer(data, np.float64).reshape(10, -1)):
            options = {"nonce": wrap(nonce), "aad": wrap(aad) if aad else aad}
            assert acc.encrypt(buffer, wrap(KEY), cipher, **options) == sealed
            assert acc.encrypt_many(
                [buffer], [wrap(KEY)], cipher, nonces=[wrap(nonce)], aads=[wrap(aad)] if aad else None
            ) == [sealed]
        assert acc.decrypt(wrap(sealed), wrap(KEY), cipher, **options) == data
        assert acc.encrypt_many([data] * 2, wrap(KEY), cipher, nonces=[nonce] * 2, aads=[aad] * 2 if aad else None) == [
            sealed,
            sealed,
        ]


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_batch_of_thousands_keeps_its_order(acc: fa.Accelerator, cipher: str) -> None:
    plain = [periodic(number * 7 % 600) + number.to_bytes(4, "big") for number in range(3000)]
    plain[::50] = [b""] * 60
    nonces = [nonce_for(cipher, number) for number in range(len(plain))]
    sealed = [reference(cipher, KEY, nonce, data) for nonce, data in zip(nonces, plain, strict=True)]
    assert acc.encrypt_many(plain, KEY, cipher, nonces=nonces) == sealed
    assert acc.decrypt_many(tuple(sealed), KEY, cipher, nonces=tuple(nonces)) == plain
    assert acc.encrypt_many([], KEY, cipher) == []
    assert acc.decrypt_many([], KEY, cipher, nonces=[]) == []


# ---- keys stay secret ----

# Printable, so that it would be found in a message that holds it as text, too.
SECRET = b"0zK!correct-horse-battery-staple"


def spellings(key: bytes) -> set[str]:
    """How a key could stand in a text, down to 8 of its bytes."""
    found = set()
    for start in range(0, len(key) - 7, 4):
        part = key[start : start + 8]
        numbers = ", ".join(map(str, part))
        found |= {part.decode("latin-1"), part.hex(), part.hex(" "), numbers, numbers.replace(",", "")}
        found.add(repr(part)[2:-1])
    encoded = base64.b64encode(key).decode()
    return found | {encoded[:12], encoded.replace("+", "-")[:12]}


def test_a_key_stands_in_no_message(acc: fa.Accelerator, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []

    def failing(call: Callable[..., Any], *args: Any, **options: Any) -> None:
        with pytest.raises((fa.FpgaAccelError, ValueError, TypeError)) as caught:
            call(*args, **options)
        error: BaseException | None = caught.value
        while error is not None:
            texts.extend((str(error), repr(error), repr(vars(error)), repr(error.args)))
            error = error.__cause__ or error.__context__

    with fa.Accelerator(backend.id, fallback="never", verify="always") as fresh, fresh.trace() as trace:
        for each in (acc, fresh):
            each.warmup("aes-gcm.encrypt", "aes-ctr.decrypt")
            for cipher in CIPHERS:
                sealed = each.encrypt(periodic(1000), SECRET, cipher)
                each.decrypt(sealed, SECRET, cipher)
                each.encrypt_into(b"data", bytearray(100), bytearray(SECRET), cipher)
                each.decrypt_many(each.encrypt_many([b"a", b"b" * 999], [SECRET] * 2, cipher), SECRET, cipher)
                failing(each.decrypt, b"short", SECRET, cipher)
                failing(each.encrypt, b"data", SECRET + b"?", cipher)
                failing(each.encrypt, b"data", SECRET.decode(), cipher)
                failing(each.encrypt, b"data", SECRET, cipher, nonce=b"?")
                failing(each.encrypt, b"data", SECRET, cipher, nonce=5)
                failing(each.encrypt, "data", SECRET, cipher)
                failing(each.encrypt, b"data", SECRET, "rot13")
                failing(each.encrypt_into, b"data", bytearray(3), SECRET, cipher)
                failing(each.encrypt_many, [b"data"] * 2, [SECRET] * 3, cipher)
                failing(each.encrypt_many, [b"data"] * 2, [SECRET, SECRET[:31]], cipher)
                texts += [repr(each), repr(each.last_receipt), repr(each.stats()), repr(vars(each))]
                texts.append(repr(each.explain("encrypt", 4096, cipher=cipher)))
            wrong = bytearray(each.encrypt(periodic(1000), SECRET))
            wrong[-1] ^= 1
            failing(each.decrypt, wrong, SECRET)
            failing(each.decrypt_into, wrong, bytearray(1000), SECRET)
            failing(each.decrypt_many, [wrong, wrong], SECRET)
    texts += [repr(receipt) + repr(receipt.as_dict()) for receipt in trace.receipts]
    for record in caplog.records:
        texts += [record.getMessage(), repr(record.args), record.exc_text or ""]
    assert trace.receipts
    everything = "\n".join(texts)
    assert not [spelling for spelling in spellings(SECRET) if spelling in everything]
