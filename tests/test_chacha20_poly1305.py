"""ChaCha20-Poly1305, XChaCha20-Poly1305 and Poly1305 on every backend, against the RFC, the draft and the libraries."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import builds
import numpy as np
import pytest
import required
from conftest import Backend
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.poly1305 import Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings as sodium
from sizes import KIB, around, noise, periodic

import fpga_accel as fa
from fpga_accel.operations import registry, sealed
from fpga_accel.operations.buffers import BytesSink, Items
from fpga_accel.operations.ciphers import CipherOptions
from fpga_accel.operations.contract import Job, first_launch
from fpga_accel.operations.xchacha20_poly1305 import hchacha20
from fpga_accel.runtime.manifests import Variant

TAG = 16
CIPHERS = ("chacha20-poly1305", "xchacha20-poly1305")
NONCE = {"chacha20-poly1305": 12, "xchacha20-poly1305": 24}
KEY, OTHER = bytes(range(32)), bytes(range(100, 132))
# Blocks of Poly1305 and ChaCha20, vectors of 2, 4 and 8 blocks and pairs of them, passes of 2, 4, 8 and 16 blocks,
# what is enciphered in one turn.
SIZES = around(0, 16, 32, 64, 112, 128, 256, 512, 1024, 1088, 2048, 4096, 16 * KIB, 17 * KIB)


def reference(cipher: str, key: bytes, nonce: bytes, data: bytes, aad: bytes | None = None) -> bytes:
    """What the libraries give: OpenSSL, or libsodium for long nonces."""
    if cipher == "chacha20-poly1305":
        return ChaCha20Poly1305(key).encrypt(nonce, data, aad)
    return sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(data, aad, nonce, key)


def nonce_for(cipher: str, number: int) -> bytes:
    return (number * 0x01000193 + 1).to_bytes(NONCE[cipher], "little")


def nonces_for(cipher: str, count: int) -> list[bytes]:
    return [nonce_for(cipher, number) for number in range(count)]


# ---- vectors ----

OURS = json.loads((Path(__file__).parent / "vectors" / "chacha20_poly1305.json").read_text())


def records(path: Path) -> Iterator[dict[str, bytes]]:
    """Yield the records of a .txt file, whose values are hex digits or quoted text."""
    for paragraph in re.split(r"\n\s*\n", path.read_text()):
        record = {}
        for name, text in re.findall(r"^(\w+) ?= ?(.*)$", paragraph, re.MULTILINE):
            quoted = text.startswith('"')
            failed = name == "Result"
            value = text.strip('"').encode() if quoted or failed or name == "COUNT" else bytes.fromhex(text)
            record[name.upper()] = value
        if "COUNT" in record:
            yield record


def aead_vectors(vectors: Path) -> list[tuple[bytes, bytes, bytes, bytes, bytes, bool]]:
    """Return key, nonce, associated data, plaintext, message and whether it is good, of OpenSSL and BoringSSL."""
    folder = vectors / "ciphers" / "ChaCha20Poly1305"
    names = {
        "openssl.txt": ("KEY", "IV", "AAD", "PLAINTEXT", "CIPHERTEXT"),
        "boringssl.txt": ("KEY", "NONCE", "AD", "IN", "CT"),
    }
    found = []
    for file, fields in names.items():
        for record in records(folder / file):
            key, nonce, aad, plain, ciphertext = (record.get(field, b"") for field in fields)
            found.append((key, nonce, aad, plain, ciphertext + record["TAG"], "RESULT" not in record))
    assert len(found) > 60
    assert sum(not good for *_, good in found) == 1
    return found


def check_good(
    acc: fa.Accelerator, cipher: str, key: bytes, nonce: bytes, aad: bytes, plain: bytes, message: bytes
) -> None:
    """Check the calls for one item."""
    options: dict[str, Any] = {"nonce": nonce, "aad": aad}
    assert acc.encrypt(plain, key, cipher, **options) == message
    assert acc.decrypt(message, key, cipher, **options) == plain
    out = bytearray(len(message))
    assert acc.encrypt_into(plain, out, key, cipher, **options) == len(message)
    assert out == message
    assert acc.decrypt_into(message, out, key, cipher, **options) == len(plain)
    assert out[: len(plain)] == plain
    assert acc.decrypt(nonce + message, key, cipher, aad=aad) == plain


def test_it_is_as_rfc_8439_and_openssl_say(acc: fa.Accelerator, vectors: Path) -> None:
    found = aead_vectors(vectors)
    keys, nonces, aads, plain, messages, good = (list(values) for values in zip(*found, strict=True))
    opened = acc.decrypt_many(messages, keys, CIPHERS[0], nonces=nonces, aads=aads, return_exceptions=True)
    for index, text in enumerate(opened):
        assert isinstance(text, fa.InvalidTag) if not good[index] else text == plain[index]
    kept = [index for index in range(len(found)) if good[index]]
    keys, nonces, aads, plain, messages = (
        [values[i] for i in kept] for values in (keys, nonces, aads, plain, messages)
    )
    assert acc.encrypt_many(plain, keys, CIPHERS[0], nonces=nonces, aads=aads) == messages
    batch = acc.encrypt_many(fa.Batch.from_items(plain), keys, CIPHERS[0], nonces=nonces, aads=aads)
    assert batch.to_list() == messages
    for index in (*range(6), *range(6, len(kept), 17)):
        check_good(acc, CIPHERS[0], keys[index], nonces[index], aads[index], plain[index], messages[index])


def test_it_is_as_the_draft_of_xchacha_says(acc: fa.Accelerator) -> None:
    (vector,) = OURS["xchacha20-poly1305"]
    key, nonce, aad, plain, ciphertext, tag = (
        bytes.fromhex(vector[name]) for name in ("key", "nonce", "aad", "plaintext", "ciphertext", "tag")
    )
    check_good(acc, CIPHERS[1], key, nonce, aad, plain, ciphertext + tag)
    sealed = acc.encrypt_many([plain] * 3, key, CIPHERS[1], nonces=[nonce] * 3, aads=[aad])
    assert sealed == [ciphertext + tag] * 3


def test_subkeys_are_as_the_draft_of_xchacha_says() -> None:
    (vector,) = OURS["hchacha20"]
    key, nonce, subkey = (bytes.fromhex(vector[name]) for name in ("key", "nonce", "subkey"))
    assert hchacha20(key, nonce) == subkey


def test_codes_are_as_rfc_8439_says(acc: fa.Accelerator, vectors: Path) -> None:
    found = [(each["KEY"], each["MSG"], each["TAG"]) for each in records(vectors / "poly1305" / "rfc7539.txt")]
    assert len(found) == 11
    found += [
        (bytes.fromhex(each["key"]), bytes.fromhex(each["message"]), bytes.fromhex(each["tag"]))
        for each in OURS["poly1305"]
    ]
    keys, messages, tags = (list(values) for values in zip(*found, strict=True))
    assert acc.mac_many(messages, keys, "poly1305") == tags
    assert acc.mac_many(fa.Batch.from_items(messages), keys, "poly1305").to_list() == tags
    for key, message, tag in found:
        assert acc.mac(message, key, "poly1305") == tag
        out = bytearray(20)
        assert acc.mac_into(message, out, key, "poly1305") == TAG
        assert out == tag + bytes(4)


# ---- against the libraries ----


@pytest.mark.parametrize("cipher", CIPHERS)
def test_every_size_is_as_the_library_has_it(acc: fa.Accelerator, cipher: str) -> None:
    plain = [periodic(size) for size in SIZES]
    nonces, aads = nonces_for(cipher, len(plain)), [periodic(3 * number) for number in range(len(plain))]
    triples = list(zip(nonces, plain, aads, strict=True))
    wanted = [reference(cipher, KEY, *triple) for triple in triples]
    assert acc.encrypt_many(plain, KEY, cipher, nonces=nonces, aads=aads) == wanted
    assert acc.decrypt_many(wanted, KEY, cipher, nonces=nonces, aads=aads) == plain
    for index in range(0, len(plain), 5):
        options: dict[str, Any] = {"nonce": nonces[index], "aad": aads[index]}
        assert acc.encrypt(plain[index], KEY, cipher, **options) == wanted[index]
        assert acc.decrypt(wanted[index], KEY, cipher, **options) == plain[index]


@pytest.mark.parametrize("cipher", CIPHERS)
def test_every_size_up_to_many_blocks_and_a_key_each(acc: fa.Accelerator, cipher: str) -> None:
    plain = [noise(size) for size in range(600)]
    nonces, keys = nonces_for(cipher, 600), [(number * 7919).to_bytes(32, "big") for number in range(600)]
    wanted = [reference(cipher, *each) for each in zip(keys, nonces, plain, strict=True)]
    assert acc.encrypt_many(plain, keys, cipher, nonces=nonces) == wanted
    assert acc.decrypt_many(wanted, keys, cipher, nonces=nonces) == plain


@pytest.mark.parametrize("cipher", CIPHERS)
def test_associated_data_of_every_size_is_authenticated(acc: fa.Accelerator, cipher: str) -> None:
    aads = [periodic(size) for size in (*range(150), 1023, 4096, 65_535, 65_536, 100_001, 1 << 20)]
    nonces = nonces_for(cipher, len(aads))
    for size in (0, 100):
        plain = [noise(size)] * len(aads)
        wanted = [reference(cipher, KEY, *each) for each in zip(nonces, plain, aads, strict=True)]
        assert acc.encrypt_many(plain, KEY, cipher, nonces=nonces, aads=aads) == wanted
        assert acc.decrypt_many(wanted, KEY, cipher, nonces=nonces, aads=aads) == plain


@pytest.mark.parametrize("cipher", CIPHERS)
def test_large_messages_and_unaligned_views(acc: fa.Accelerator, cipher: str) -> None:
    data = noise(700_001)
    wanted = reference(cipher, KEY, nonce_for(cipher, 1), data)
    nonce = nonce_for(cipher, 1)
    assert acc.encrypt(data, KEY, cipher, nonce=nonce) == wanted
    assert acc.decrypt(wanted, KEY, cipher, nonce=nonce) == data
    views = [memoryview(data)[start : start + 5000] for start in range(67)]
    nonces = nonces_for(cipher, len(views))
    sealed = acc.encrypt_many(views, KEY, cipher, nonces=nonces)
    assert sealed == [reference(cipher, KEY, *each) for each in zip(nonces, map(bytes, views), strict=True)]
    buffer = bytearray(1 + len(sealed[5]))
    assert acc.encrypt_into(views[5], memoryview(buffer)[1:], KEY, cipher, nonce=nonces[5]) == len(sealed[5])
    assert buffer[1:] == sealed[5]
    # In place.
    assert acc.decrypt_into(memoryview(buffer)[1:], memoryview(buffer)[1:], KEY, cipher, nonce=nonces[5]) == 5000
    assert buffer[1:5001] == views[5]
    assert acc.encrypt_into(memoryview(buffer)[1:5001], memoryview(buffer)[1:], KEY, cipher, nonce=nonces[5]) == 5016
    assert buffer[1:] == sealed[5]


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_random_nonce_stands_in_front(acc: fa.Accelerator, cipher: str) -> None:
    plain = [noise(size) for size in (0, 1, 300, 5000)]
    made = acc.encrypt_many(plain, KEY, cipher)
    made.append(acc.encrypt(plain[2], KEY, cipher, aad=b""))
    size = NONCE[cipher]
    assert len({message[:size] for message in made}) == len(made)
    for message, text in zip(made, (*plain, plain[2]), strict=True):
        assert message == message[:size] + reference(cipher, KEY, message[:size], text)
    assert acc.decrypt_many(made, KEY, cipher) == [*plain, plain[2]]


def test_codes_of_every_size_are_as_the_library_has_them(acc: fa.Accelerator) -> None:
    messages = [noise(size) for size in (*range(600), *SIZES, 300_003)]
    keys = [(number * 0x9E3779B97F4A7C15 << 64 | number).to_bytes(32, "little") for number in range(len(messages))]
    wanted = [Poly1305.generate_tag(key, message) for key, message in zip(keys, messages, strict=True)]
    assert acc.mac_many(messages, keys, "poly1305") == wanted
    assert acc.mac(memoryview(messages[500])[3:], keys[0], "poly1305") == Poly1305.generate_tag(
        keys[0], messages[500][3:]
    )


def test_codes_whose_sums_carry_all_the_way(acc: fa.Accelerator) -> None:
    most = bytes.fromhex("ffffff0ffcffff0ffcffff0ffcffff0f")
    halves = [most, b"\xff" * 16, bytes(16), b"\1" + bytes(15), b"\2" + bytes(15), b"\5" + bytes(15)]
    keys, messages = [], []
    for r in halves:
        for pad in (bytes(16), b"\xff" * 16, b"\1" + bytes(15)):
            for size in (*range(15, 19), *range(16, 40 * 16, 16), 17 * KIB):
                for fill in (b"\xff", b"\0"):
                    keys.append(r + pad)
                    messages.append(fill * size)
    # Sums from 2^130 - 10 to 2^130 + 5, around the modulus: with r = 1 the tag is the sum of the blocks.
    for last in range(256):
        keys.append(b"\1" + bytes(31))
        messages.append(b"\xfb" + b"\xff" * 15 + bytes([last]) + b"\xff" * 15 + b"\xff" * 16)
    wanted = [Poly1305.generate_tag(key, message) for key, message in zip(keys, messages, strict=True)]
    assert acc.mac_many(messages, keys, "poly1305") == wanted


@given(data=st.data())
@settings(max_examples=40)
def test_any_batch_is_as_the_library_has_it(acc: fa.Accelerator, data: st.DataObject) -> None:
    cipher = data.draw(st.sampled_from(CIPHERS))
    nonce = st.binary(min_size=NONCE[cipher], max_size=NONCE[cipher])
    item = st.tuples(st.sampled_from([KEY, OTHER]), nonce, st.integers(0, 3000), st.binary(max_size=100))
    keys, nonces, lengths, aads = map(list, zip(*data.draw(st.lists(item, min_size=1, max_size=40)), strict=True))
    plain = [noise(length) for length in lengths]
    wanted = [reference(cipher, *each) for each in zip(keys, nonces, plain, aads, strict=True)]
    assert acc.encrypt_many(plain, keys, cipher, nonces=nonces, aads=aads) == wanted
    assert acc.decrypt_many(wanted, keys, cipher, nonces=nonces, aads=aads) == plain
    tags = [Poly1305.generate_tag(key, text) for key, text in zip(keys, plain, strict=True)]
    assert acc.mac_many(plain, keys, "poly1305") == tags


def test_the_openssl_command_makes_the_same_key_stream(acc: fa.Accelerator, tmp_path: Path) -> None:
    command = required.openssl()
    nonce, data = os.urandom(12), noise(5000)
    (tmp_path / "plain").write_bytes(data)
    counter = (1).to_bytes(4, "little") + nonce
    options = ["-chacha20", "-K", KEY.hex(), "-iv", counter.hex(), "-in", str(tmp_path / "plain")]
    stream = subprocess.run([command, "enc", *options], capture_output=True, check=True).stdout
    assert acc.encrypt(data, KEY, CIPHERS[0], nonce=nonce)[:-TAG] == stream


# ---- what is wrong ----


@pytest.mark.parametrize("cipher", CIPHERS)
def test_nothing_of_a_forged_message_is_released(acc: fa.Accelerator, cipher: str) -> None:
    sizes = (0, 1, 64, 100, 1024, 5000)
    plain = [noise(size) for size in sizes]
    nonces = nonces_for(cipher, len(plain))
    wanted = [reference(cipher, KEY, *each, b"aad") for each in zip(nonces, plain, strict=True)]
    for index, message in enumerate(wanted):
        for place in {0, len(message) // 2, len(message) - 16, len(message) - 1}:
            bad = bytearray(message)
            bad[place] ^= 0x40
            messages = [*wanted[:index], bytes(bad), *wanted[index + 1 :]]
            opened = acc.decrypt_many(messages, KEY, cipher, nonces=nonces, aads=[b"aad"], return_exceptions=True)
            assert isinstance(opened[index], fa.InvalidTag)
            assert [*opened[:index], *opened[index + 1 :]] == [*plain[:index], *plain[index + 1 :]]
        out = bytearray(b"\xaa" * sizes[index])
        with pytest.raises(fa.InvalidTag):
            acc.decrypt_into(bytes(bad), out, KEY, cipher, nonce=nonces[index], aad=b"aad")
        assert not any(out)
        for options in ({"nonce": nonces[index], "aad": b"Aad"}, {"nonce": nonces[index - 1], "aad": b"aad"}):
            with pytest.raises(fa.InvalidTag):
                acc.decrypt(message, KEY, cipher, **options)
        with pytest.raises(fa.InvalidTag):
            acc.decrypt(message, OTHER, cipher, nonce=nonces[index], aad=b"aad")
    with pytest.raises(fa.InvalidTag):
        acc.decrypt(bytes(15), KEY, cipher, nonce=nonces[0])
    with pytest.raises(fa.InvalidTag):
        acc.decrypt(bytes(NONCE[cipher] + 15), KEY, cipher)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_bad_arguments(acc: fa.Accelerator, cipher: str) -> None:
    nonce = bytes(NONCE[cipher])
    for size in (0, 16, 31, 33):
        with pytest.raises(ValueError, match="32"):
            acc.encrypt(b"text", bytes(size), cipher, nonce=nonce)
    for size in (0, 8, NONCE[cipher] - 1, NONCE[cipher] + 1):
        with pytest.raises(ValueError, match=str(NONCE[cipher])):
            acc.encrypt(b"text", KEY, cipher, nonce=bytes(size))
    for bad in ({"nonce": "n" * NONCE[cipher]}, {"nonce": nonce, "aad": "text"}, {"nonce": nonce, "tag_length": 8}):
        with pytest.raises(TypeError):
            acc.encrypt(b"text", KEY, cipher, **bad)
    with pytest.raises(TypeError):
        acc.encrypt("text", KEY, cipher, nonce=nonce)
    with pytest.raises(fa.BufferTooSmallError) as failure:
        acc.encrypt_into(b"text", bytearray(19), KEY, cipher, nonce=nonce)
    assert failure.value.needed == 20


def test_bad_arguments_of_codes(acc: fa.Accelerator) -> None:
    for size in (0, 16, 31, 33):
        with pytest.raises(ValueError, match="32"):
            acc.mac(b"text", bytes(size), "poly1305")
    with pytest.raises(ValueError, match="nonce"):
        acc.mac(b"text", KEY, "poly1305", nonce=bytes(12))
    with pytest.raises(TypeError):
        acc.mac("text", KEY, "poly1305")


# ---- classes ----


@pytest.mark.parametrize("name", ["ChaCha20Poly1305", "XChaCha20Poly1305"])
def test_the_class_is_bound_to_its_key(acc: fa.Accelerator, name: str) -> None:
    made, algorithm = getattr(fa, name), name.replace("20P", "20-p").lower()
    cipher = made(KEY, accelerator=acc)
    for size in (0, 100, 5000, 300_000):
        data, nonce = noise(size), size.to_bytes(NONCE[algorithm], "big")
        wanted = reference(algorithm, KEY, nonce, data, b"aad")
        assert cipher.encrypt(nonce, data, b"aad") == wanted
        assert cipher.decrypt(nonce, wanted, b"aad") == data
        assert cipher.encrypt(memoryview(nonce), np.frombuffer(data, np.uint8), b"aad") == wanted
        out = bytearray(len(wanted) + 3)
        assert cipher.encrypt_into(nonce, data, b"aad", out) == len(wanted)
        assert out == wanted + bytes(3)
        assert cipher.decrypt_into(nonce, wanted, b"aad", out) == size
        assert out[:size] == data
        assert cipher.open(cipher.seal(data, b"aad"), b"aad") == data
        with pytest.raises(fa.InvalidTag):
            cipher.decrypt(nonce, wanted, b"Aad")
    nonces = nonces_for(algorithm, 3)
    assert cipher.decrypt_many(nonces, cipher.encrypt_many(nonces, [b"a", b"", b"c"])) == [b"a", b"", b"c"]
    assert len(made.generate_key()) == 32
    with pytest.raises(ValueError, match="32"):
        made(bytes(16))
    with pytest.raises(ValueError, match=r"12|24"):
        cipher.encrypt(bytes(13), b"text", None)


# ---- the CPU path of messages beyond one step of the library ----


@pytest.mark.parametrize("cipher", CIPHERS)
def test_long_messages_go_through_the_library_in_steps(monkeypatch: pytest.MonkeyPatch, cipher: str) -> None:
    monkeypatch.setattr(sealed, "_ONE_STEP", 1000)
    nonce, data = nonce_for(cipher, 1), noise(300_001)
    wanted = reference(cipher, KEY, nonce, data, b"aad")
    with fa.Accelerator("cpu") as acc:
        out = bytearray(len(wanted))
        acc.encrypt_into(data, out, KEY, cipher, nonce=nonce, aad=b"aad")
        assert out == wanted
        acc.decrypt_into(wanted, out, KEY, cipher, nonce=nonce, aad=b"aad")
        assert out[: len(data)] == data
        with pytest.raises(fa.InvalidTag):
            acc.decrypt_into(wanted, out, KEY, cipher, nonce=nonce, aad=b"Aad")
        assert not any(out[: len(data)])


# ---- kernels ----


def test_work_runs_on_the_backend_and_the_receipt_says_so(acc: fa.Accelerator, backend: Backend) -> None:
    for cipher in CIPHERS:
        acc.encrypt(noise(5000), KEY, cipher)
        receipt = acc.last_receipt
        assert receipt is not None
        assert (receipt.op, receipt.algorithm) == ("encrypt", cipher)
        assert receipt.backend == backend.path


def addresses(buffers: list[bytearray]) -> list[int]:
    return [np.frombuffer(each, np.uint8).ctypes.data for each in buffers]


@pytest.mark.kernels
def test_rows_that_cannot_be_done_are_refused_and_the_others_done(backend: Backend) -> None:
    texts = [noise(size) for size in (100, 32, 50, 16, 0, 1000, 2000)]
    opened = builds.shipped(backend.id, "chacha20_poly1305")
    for cipher in CIPHERS:
        nonces = nonces_for(cipher, len(texts))
        job = Job(Items.of(texts), CipherOptions([KEY], nonces), BytesSink(len(texts)))
        launch = first_launch(registry.find("encrypt", cipher), job)
        params = launch.params.copy()
        # Bytes of the key, bytes of the nonce, position and total of a record.
        for row, word in ((2, 1), (3, 3), (5, 6), (6, 8)):
            params[int(launch.table["param"][row]) :][: 4 * word + 4].view("<u4")[word] += 8
        launch.table["dst_capacity"][0] -= 1
        launch.params = params
        buffers = [bytearray(b"\xaa" * (len(text) + TAG + 8)) for text in texts]
        launch.table["dst"] = addresses(buffers)
        results = opened.start(launch).outcome(None).results
        assert results["status"].tolist() == [1, 0, 5, 5, 0, 5, 5]
        for index in (1, 4):
            assert buffers[index] == reference(cipher, KEY, nonces[index], texts[index]) + b"\xaa" * 8
        for index in (0, 2, 3, 5, 6):
            assert set(buffers[index]) == {0xAA}
    job = Job(Items.of(texts), CipherOptions([KEY]), BytesSink(len(texts)))
    launch = first_launch(registry.find("mac", "poly1305"), job)
    launch.table["dst_capacity"][:2] = [15, 16]
    results = opened.start(launch).outcome(None).results
    assert sorted(results["status"].tolist()) == [0] * (len(texts) - 1) + [1]


@pytest.mark.kernels
def test_rows_in_place(backend: Backend) -> None:
    opened = builds.shipped(backend.id, "chacha20_poly1305")
    texts = [noise(size) for size in (100, 64, 1024, 1500, 0, 40_000)]
    nonces = nonces_for(CIPHERS[0], len(texts))
    wanted = [reference(CIPHERS[0], KEY, *each) for each in zip(nonces, texts, strict=True)]
    for op, sources, result in (("encrypt", texts, wanted), ("decrypt", wanted, texts)):
        job = Job(Items.of(sources), CipherOptions([KEY], nonces), BytesSink(len(sources)))
        launch = first_launch(registry.find(op, CIPHERS[0]), job)
        buffers = [bytearray(message) + bytes(TAG) for message in sources]
        launch.table["src"] = launch.table["dst"] = addresses(buffers)
        results = opened.start(launch).outcome(None).results
        assert not results["status"].any()
        for buffer, output, message in zip(buffers, result, wanted, strict=True):
            assert buffer[: len(output)] == output, op
            assert bytes(results["partial"][wanted.index(message)]) == message[-TAG:]


VARIANTS = (
    Variant("ifma", "x86.cl", ("MODELLED=1",)),
    *(Variant("portable", "portable.cl", (f"LANES={lanes}",)) for lanes in (1, 8)),
    *(Variant("fpga", "fpga.cl", (f"POLY_WAYS={ways}",)) for ways in (1, 4)),
)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: "-".join((variant.name, *variant.defines)))
def test_other_variants_are_as_the_library_has_it(pocl: str, variant: Variant) -> None:
    with builds.on(builds.prepared(pocl, "chacha20_poly1305", variant)) as acc:
        for cipher in CIPHERS:
            test_every_size_is_as_the_library_has_it(acc, cipher)
            test_nothing_of_a_forged_message_is_released(acc, cipher)
        test_codes_of_every_size_are_as_the_library_has_them(acc)
        test_codes_whose_sums_carry_all_the_way(acc)
        receipt = acc.last_receipt
        assert receipt is not None
        assert receipt.variant == variant.name
