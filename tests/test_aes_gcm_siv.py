"""AES-GCM-SIV on every backend, against RFC 8452 and pyca/cryptography."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import builds
import nist
import numpy as np
import pytest
from conftest import Backend
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import SMALL, noise, periodic

import fpga_accel as fa
from fpga_accel.operations import registry
from fpga_accel.operations.buffers import BytesSink, Items
from fpga_accel.operations.ciphers import CipherOptions
from fpga_accel.operations.contract import Job, first_launch
from fpga_accel.runtime.manifests import Variant
from fpga_accel.segments import RECORD

NAME = "aes-gcm-siv"
TAG = 16
KEYS = tuple(bytes(range(size, 2 * size)) for size in (16, 24, 32))
KEY, NONCE, AAD = KEYS[2], bytes(range(12)), b"header"

# RFC 8452 appendix C: key, nonce, and tag of the empty message without associated data, which the files leave out.
EMPTY = (
    ("01" + "00" * 15, "03" + "00" * 11, "dc20e2d83f25705bb49e439eca56de25"),
    ("e66021d5eb8e4f4066d4adb9c33560e4", "f46e44bb3da0015c94f70887", "a4194b79071b01a87d65f706e3949578"),
    ("01" + "00" * 31, "03" + "00" * 11, "07f5f4169bbf55a8400cd47ea6fd400f"),
    (
        "e66021d5eb8e4f4066d4adb9c33560e4f46e44bb3da0015c94f7088736864200",
        "e0eaf5284d884a0e77d31646",
        "169fbb2fbf389a995f6390af22228a62",
    ),
)
WRAPS = "ffffffff000000000000000000000000"


def rfc_vectors(vectors: Path) -> list[dict[str, bytes]]:
    """Appendix C.1 to C.3; the file is OpenSSL's copy of it."""
    found = list(nist.records(vectors / "ciphers" / "AES" / "GCM-SIV" / "openssl.txt"))
    # Those whose counter wraps, C.3.
    assert sum(one["TAG"] == WRAPS for one in found) == 2
    found += [{"KEY": key, "IV": nonce, "PLAINTEXT": "", "CIPHERTEXT": "", "TAG": tag} for key, nonce, tag in EMPTY]
    assert len(found) == 50
    assert {len(one["KEY"]) for one in found} == {32, 64}
    return [read(one) for one in found]


def openssl_vectors(vectors: Path) -> list[dict[str, bytes]]:
    """Of keys of 24 bytes, which the RFC has not."""
    found = list(nist.records(vectors / "ciphers" / "AES" / "GCM-SIV" / "aes-192-gcm-siv.txt"))
    assert len(found) > 20
    return [read(one) for one in found]


def read(record: nist.Record) -> dict[str, bytes]:
    return {
        "key": bytes.fromhex(record["KEY"]),
        "nonce": bytes.fromhex(record["IV"]),
        "aad": bytes.fromhex(record.get("AAD", "")),
        "text": bytes.fromhex(record["PLAINTEXT"]),
        "sealed": bytes.fromhex(record["CIPHERTEXT"] + record["TAG"]),
    }


@pytest.mark.parametrize("read_all", [rfc_vectors, openssl_vectors])
def test_it_is_as_the_vectors_say(acc: fa.Accelerator, vectors: Path, read_all: Any) -> None:
    found = read_all(vectors)
    names = ("key", "nonce", "aad", "text", "sealed")
    keys, nonces, aads, texts, sealed = ([one[name] for one in found] for name in names)
    assert acc.encrypt_many(texts, keys, NAME, nonces=nonces, aads=aads) == sealed
    assert acc.decrypt_many(sealed, keys, NAME, nonces=nonces, aads=aads) == texts
    batch = acc.encrypt_many(fa.Batch.from_items(texts), keys, NAME, nonces=nonces, aads=aads)
    assert batch.to_list() == sealed
    for one in found[::7]:
        cipher = fa.AESGCMSIV(one["key"], acc)
        assert cipher.encrypt(one["nonce"], one["text"], one["aad"]) == one["sealed"]
        assert cipher.decrypt(one["nonce"], one["sealed"], one["aad"]) == one["text"]


def unaligned(data: bytes) -> memoryview:
    return memoryview(b"?" + data)[1:]


def test_every_size_is_as_the_library_has_it(acc: fa.Accelerator) -> None:
    plain = [noise(size) for size in (*range(150), *SMALL, 70_001)]
    chance = random.Random(5)
    keys = [KEYS[number % 3] for number in range(len(plain))]
    nonces = [chance.randbytes(12) for _ in plain]
    aads = [noise(number % 70) for number in range(len(plain))]
    for at, size in enumerate((128, 129, 511, 512, 513, 70_000)):
        aads[at * 9] = noise(size)
    pairs = zip(keys, nonces, plain, aads, strict=True)
    sealed = [AESGCMSIV(key).encrypt(nonce, data, aad) for key, nonce, data, aad in pairs]
    assert acc.encrypt_many(plain, keys, NAME, nonces=nonces, aads=aads) == sealed
    assert acc.decrypt_many([unaligned(data) for data in sealed], keys, NAME, nonces=nonces, aads=aads) == plain
    batch = acc.decrypt_many(fa.Batch.from_items(sealed), keys, NAME, nonces=nonces, aads=aads)
    assert batch.to_list() == plain
    one_key = [AESGCMSIV(KEY).encrypt(nonce, data, None) for nonce, data in zip(nonces, plain, strict=True)]
    assert acc.encrypt_many(plain, KEY, NAME, nonces=nonces) == one_key
    with_nonces = acc.encrypt_many(plain, KEY, NAME)
    assert [len(each) for each in with_nonces] == [12 + len(data) + TAG for data in plain]
    assert acc.decrypt_many(with_nonces, KEY, NAME) == plain
    opened = [AESGCMSIV(KEY).decrypt(each[:12], each[12:], None) for each in with_nonces]
    assert opened == plain


@pytest.mark.parametrize("size", [0, 1, 16, 127, 128, 5000, 300_000])
def test_one_message_in_every_form(acc: fa.Accelerator, size: int) -> None:
    data, cipher = periodic(size), fa.AESGCMSIV(KEY, acc)
    sealed = AESGCMSIV(KEY).encrypt(NONCE, data, AAD)
    assert cipher.encrypt(NONCE, unaligned(data), AAD) == sealed
    assert cipher.decrypt(NONCE, unaligned(sealed), AAD) == data
    for room in (0, 33):
        out = bytearray(b"\xaa" * (len(sealed) + room))
        assert cipher.encrypt_into(NONCE, data, AAD, out) == len(sealed)
        assert out == sealed + b"\xaa" * room
        out = bytearray(b"\xaa" * (size + room))
        assert cipher.decrypt_into(NONCE, sealed, AAD, out) == size
        assert out == data + b"\xaa" * room
    buffer = bytearray(data) + bytes(TAG)
    assert acc.encrypt_into(memoryview(buffer)[:size], buffer, KEY, NAME, nonce=NONCE, aad=AAD) == len(sealed)
    assert buffer == sealed
    assert acc.decrypt_into(memoryview(buffer), buffer, KEY, NAME, nonce=NONCE, aad=AAD) == size
    assert buffer[:size] == data
    assert cipher.open(cipher.seal(data, AAD), AAD) == data
    with pytest.raises(fa.BufferTooSmallError):
        cipher.encrypt_into(NONCE, data, AAD, bytearray(len(sealed) - 1))


@pytest.mark.parametrize("size", [0, 100, 300_000])
def test_what_is_not_opened(acc: fa.Accelerator, size: int) -> None:
    cipher = fa.AESGCMSIV(KEY, acc)
    sealed = cipher.encrypt(NONCE, periodic(size), AAD)
    places = {0, size // 2, size - 1, size, size + 7, size + 15} & set(range(len(sealed)))
    changed = [bytes([*sealed[:at], sealed[at] ^ 0x80, *sealed[at + 1 :]]) for at in sorted(places)]
    refused = [*changed, sealed[:-1], sealed[: TAG - 1], b"", sealed + b"x"]
    for wrong in refused:
        with pytest.raises(InvalidTag):
            cipher.decrypt(NONCE, wrong, AAD)
    items = [sealed, *refused]
    results = cipher.decrypt_many([NONCE] * len(items), items, [AAD] * len(items), return_exceptions=True)
    assert results[0] == periodic(size)
    assert {type(result) for result in results[1:]} == {fa.InvalidTag}
    for nonce, aad in ((NONCE, b""), (NONCE, AAD + b"\0"), (bytes(12), AAD)):
        with pytest.raises(fa.InvalidTag):
            cipher.decrypt(nonce, sealed, aad)
    out = bytearray(b"\xaa" * (size + 3))
    with pytest.raises(fa.InvalidTag):
        cipher.decrypt_into(NONCE, changed[-1], AAD, out)
    assert out == bytes(size) + b"\xaa" * 3


@given(data=st.data())
@settings(max_examples=25)
def test_any_batch_is_as_the_library_has_it(acc: fa.Accelerator, data: st.DataObject) -> None:
    item = st.tuples(st.sampled_from(KEYS), st.binary(min_size=12, max_size=12), st.integers(0, 2000), st.binary())
    items = data.draw(st.lists(item, min_size=1, max_size=40))
    keys, nonces, lengths, aads = (list(values) for values in zip(*items, strict=True))
    plain = [noise(length) for length in lengths]
    pairs = zip(keys, nonces, plain, aads, strict=True)
    sealed = [AESGCMSIV(key).encrypt(nonce, text, aad) for key, nonce, text, aad in pairs]
    assert acc.encrypt_many(plain, keys, NAME, nonces=nonces, aads=aads) == sealed
    assert acc.decrypt_many(sealed, keys, NAME, nonces=nonces, aads=aads) == plain


def test_what_it_does_not_take(acc: fa.Accelerator) -> None:
    for size in (0, 11, 13, 16):
        with pytest.raises(ValueError, match="has 12 bytes"):
            acc.encrypt(b"data", KEY, NAME, nonce=bytes(size))
        with pytest.raises(ValueError, match="has 12 bytes"):
            fa.AESGCMSIV(KEY, acc).encrypt_many([bytes(size)], [b"data"])
    for size in (0, 15, 20, 33, 64):
        with pytest.raises(ValueError, match="16, 24, 32"):
            fa.AESGCMSIV(bytes(size), acc)
    with pytest.raises(TypeError, match="tag_length"):
        acc.encrypt(b"data", KEY, NAME, tag_length=8)
    assert [len(fa.AESGCMSIV.generate_key(bits)) for bits in (128, 192, 256)] == [16, 24, 32]


# ---- kernels ----


@pytest.mark.parametrize(
    ("source", "defines"),
    [
        ("x86.cl", ("BLOCKS=4", "MODELLED=1")),
        ("x86.cl", ("BLOCKS=2", "MODELLED=1")),
        ("portable.cl", ("LANES=1", "UNALIGNED=0")),
    ],
)
def test_every_build_gives_the_known_answers(pocl: str, source: str, defines: tuple[str, ...]) -> None:
    builds.prepared(pocl, "aes_gcm_siv", Variant("tried", source, defines))


@pytest.mark.parametrize("op", ["encrypt", "decrypt"])
@pytest.mark.kernels
def test_rows_that_cannot_be_done_are_refused_and_the_others_done(backend: Backend, op: str) -> None:
    operation: Any = registry.find(op, NAME)
    texts = [periodic(size) for size in (100, 32, 50, 16, 0, 1000)]
    sealed = [AESGCMSIV(KEY).encrypt(NONCE, text, None) for text in texts]
    given, wanted = (texts, sealed) if op == "encrypt" else (sealed, texts)
    job = Job(Items.of(given), CipherOptions([KEY], [NONCE] * len(texts)), BytesSink(len(texts)))
    launch = first_launch(operation, job)
    records = launch.params[: len(texts) * RECORD.itemsize].view(RECORD)
    launch.table["dst_capacity"][0] -= 1
    records["nonce_size"][2] = 11
    records["key_size"][3] = 20
    before = [bytes(job.sink.view(index)) for index in (0, 2, 3)]
    device = builds.shipped(backend.id, "aes_gcm_siv")
    if op == "decrypt":
        launch.table["src_size"][5] = 15
    results = device.start(launch).outcome(None).results
    assert results["status"].tolist() == [1, 0, 5, 5, 0, 0 if op == "encrypt" else 3]
    done = (1, 4, 5) if op == "encrypt" else (1, 4)
    assert [job.sink.view(index) for index in done] == [wanted[index] for index in done]
    assert [job.sink.view(index) for index in (0, 2, 3)] == before
    if op == "decrypt":
        tags = np.array([list(sealed[index][-TAG:]) for index in done], np.uint8)
        assert (results["partial"][list(done)] == tags).all()
