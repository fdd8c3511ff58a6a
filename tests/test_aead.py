"""The cipher class, the functions of the module, and what they count."""

from __future__ import annotations

import ast
import gc
import importlib
import inspect
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import fpga_accel as fa

KEY, NONCE, AAD = bytes(range(32)), bytes(range(12)), b"header"
SIZES = (0, 1, 16, 4096, 300_000)


@pytest.fixture
def cipher(acc: fa.Accelerator) -> fa.AESGCM:
    return fa.AESGCM(KEY, acc)


@pytest.mark.parametrize("size", SIZES)
def test_it_does_what_the_library_does(cipher: fa.AESGCM, size: int) -> None:
    data, peer = os.urandom(size), AESGCM(KEY)
    sealed = peer.encrypt(NONCE, data, AAD)
    assert cipher.encrypt(NONCE, data, AAD) == sealed
    assert cipher.decrypt(NONCE, sealed, AAD) == data
    assert cipher.encrypt(NONCE, data) == peer.encrypt(NONCE, data, None)
    assert cipher.encrypt(NONCE, data, None) == cipher.encrypt(NONCE, memoryview(data), b"")
    buffer = bytearray(size + 20)
    assert cipher.encrypt_into(NONCE, data, AAD, buffer) == size + 16
    assert buffer == sealed + bytes(4)
    assert cipher.decrypt_into(NONCE, sealed, AAD, buffer) == size
    assert buffer[:size] == data
    assert cipher.open(cipher.seal(data, AAD), AAD) == data


def test_many(cipher: fa.AESGCM) -> None:
    items = [os.urandom(size) for size in SIZES]
    nonces = [bytes([i]) * 12 for i in range(len(items))]
    aads = [bytes(i) for i in range(len(items))]
    sealed = cipher.encrypt_many(nonces, items, aads)
    assert sealed == [AESGCM(KEY).encrypt(*each) for each in zip(nonces, items, aads, strict=True)]
    assert cipher.decrypt_many(nonces, sealed, aads) == items
    bad = [*sealed[:-1], sealed[-1][:-1] + bytes([sealed[-1][-1] ^ 1])]
    found = cipher.decrypt_many(nonces, bad, aads, return_exceptions=True)
    assert found[:-1] == items[:-1]
    assert isinstance(found[-1], fa.InvalidTag)


@pytest.mark.parametrize("items", [[b"text"], fa.Batch.from_items([b"text"])], ids=["list", "batch"])
def test_many_need_nonces(cipher: fa.AESGCM, items: Any) -> None:
    nothing: Any = None
    for call in (cipher.encrypt_many, cipher.decrypt_many):
        with pytest.raises(TypeError, match="seal and open"):
            call(nothing, items)


def test_associated_data_of_some_of_many(cipher: fa.AESGCM) -> None:
    items, nonces = [b"1", b"2", b"3"], [bytes([i]) * 12 for i in range(3)]
    for aads in ([None, b"aad", None], (None, None, b""), [None]):
        sealed = cipher.encrypt_many(nonces, items, aads)
        each = aads if len(aads) == 3 else aads * 3
        assert sealed == [AESGCM(KEY).encrypt(*one) for one in zip(nonces, items, each, strict=True)]
        assert cipher.decrypt_many(nonces, sealed, aads) == items


@pytest.mark.parametrize("size", [16, 300_000])
def test_a_wrong_tag(cipher: fa.AESGCM, size: int) -> None:
    sealed = bytearray(AESGCM(KEY).encrypt(NONCE, bytes(size), None))
    sealed[3] ^= 1
    with pytest.raises(fa.InvalidTag):
        cipher.decrypt(NONCE, bytes(sealed), None)
    with pytest.raises(InvalidTag):
        cipher.decrypt(NONCE, sealed, None)
    buffer = bytearray(b"\xff" * (size + 3))
    with pytest.raises(fa.InvalidTag):
        cipher.decrypt_into(NONCE, sealed, None, buffer)
    assert buffer == bytes(size) + b"\xff" * 3


@pytest.mark.parametrize("key", [b"", bytes(15), bytes(33), "x" * 16])
def test_bad_keys(key: bytes | str) -> None:
    with pytest.raises((ValueError, TypeError)):
        fa.AESGCM(key)


@pytest.mark.parametrize("nonce", [b"", bytes(7), bytes(129), None, "n" * 12])
@pytest.mark.parametrize("size", [10, 5_000_000])
def test_bad_nonces(cipher: fa.AESGCM, nonce: bytes | str | None, size: int) -> None:
    with pytest.raises((ValueError, TypeError)):
        cipher.encrypt(nonce, bytes(size), None)


def test_numpy_and_other_buffers(cipher: fa.AESGCM) -> None:
    array = np.arange(600, dtype="<u4").reshape(20, 30)
    assert cipher.encrypt(NONCE, array, None) == AESGCM(KEY).encrypt(NONCE, array.tobytes(), None)
    assert cipher.open(cipher.seal(b"x", array), array.tobytes()) == b"x"
    assert fa.AESGCM(bytearray(KEY), fa.Accelerator("cpu")).encrypt(NONCE, b"x") == cipher.encrypt(NONCE, b"x")


def test_no_key_in_the_repr(cipher: fa.AESGCM) -> None:
    assert KEY.hex() not in repr(cipher)
    assert repr(KEY) not in repr(cipher)
    assert len(fa.AESGCM.generate_key()) == 32
    assert len(fa.AESGCM.generate_key(128)) == 16


def test_small_calls_are_counted_on_every_thread_and_traced() -> None:
    with fa.Accelerator("cpu") as acc:
        cipher = fa.AESGCM(KEY, acc)

        def work() -> None:
            for _ in range(100):
                cipher.decrypt(NONCE, cipher.encrypt(NONCE, b"12345"))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        work()
        stats = acc.stats()
        assert stats["calls"] == stats["backend.cpu"] == stats["reason.asked"] == 1000
        assert (stats["bytes_in"], stats["bytes_out"]) == (500 * (5 + 21), 500 * (21 + 5))
        last = acc.last_receipt
        assert last is not None
        assert (last.op, last.bytes_in, last.bytes_out, last.backend) == ("decrypt", 21, 5, "cpu")
        with acc.trace() as trace:
            cipher.encrypt(NONCE, b"12345")
        assert [(each.op, each.bytes_in) for each in trace.receipts] == [("encrypt", 5)]
        assert trace.receipts[0].seconds["total"] > 0
        cipher.encrypt(NONCE, b"12345")
        assert len(trace.receipts) == 1
        assert acc.stats()["calls"] == 1002


def test_a_cipher_can_be_collected() -> None:
    with fa.Accelerator("cpu") as acc:
        cipher = fa.AESGCM(KEY, acc)
        cipher.encrypt(NONCE, b"x")
        gone = weakref.ref(cipher)
        del cipher
        gc.collect()
        assert gone() is None


def test_the_functions_of_the_module_share_one_accelerator() -> None:
    before = fa.stats().get("calls", 0)
    assert fa.decompress(fa.compress(b"x" * 1000)) == b"x" * 1000
    assert fa.decrypt(fa.encrypt(b"text", KEY), KEY) == b"text"
    assert fa.stats()["calls"] == before + 4
    assert fa.stats() == fa.default_accelerator().stats()
    assert fa.explain("compress", 1 << 20).backend in ("cpu", "opencl")
    assert set(fa.__all__) >= {"compress", "open", "AESGCM", "devices"}
    with pytest.raises(AttributeError):
        _ = fa.nonesuch


def test_importing_loads_nothing() -> None:
    code = """if True:
        import sys, fpga_accel
        assert not {"pyopencl", "numpy", "cryptography"} & set(sys.modules)
        assert set(fpga_accel.__all__) <= set(dir(fpga_accel))
        assert "compress" not in vars(fpga_accel)
        from fpga_accel import *
        assert compress is fpga_accel.compress is vars(fpga_accel)["compress"]
    """
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)


def test_every_public_name_is_what_the_type_checker_sees() -> None:
    checked = next(node for node in ast.parse(inspect.getsource(fa)).body if isinstance(node, ast.If))
    imported = {
        (node.module, name.name) for node in checked.body if isinstance(node, ast.ImportFrom) for name in node.names
    }
    bound = {
        target.id
        for node in checked.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert {name for _, name in imported} | bound - {"_acc"} == set(fa.__all__)
    for module, name in imported:
        assert module is not None
        assert getattr(fa, name) is getattr(importlib.import_module(module), name)
    for name in bound - {"_acc"}:
        assert getattr(fa, name) == getattr(fa.default_accelerator(), name)


@pytest.mark.parametrize("more", [0, 7])
@pytest.mark.parametrize("size", [0, 1, 16, 1000])
def test_small_messages_go_into_buffers_of_any_size(size: int, more: int) -> None:
    acc = fa.Accelerator("cpu")
    cipher, library, nonce = fa.AESGCM(bytes(32), acc), AESGCM(bytes(32)), bytes(12)
    data = bytes(range(251)) * 4
    text = data[:size]
    sealed = library.encrypt(nonce, text, b"aad")
    for source in (text, bytearray(text), memoryview(text)):
        out = bytearray(size + 16 + more)
        assert cipher.encrypt_into(nonce, source, b"aad", out) == size + 16
        assert out == sealed + bytes(more)
    assert acc.last_receipt is not None
    assert (acc.last_receipt.op, acc.last_receipt.bytes_out) == ("encrypt", size + 16)
    out = bytearray(b"x" * (size + more))
    assert cipher.decrypt_into(nonce, sealed, b"aad", out) == size
    assert out == text + b"x" * more
    assert acc.last_receipt.bytes_out == size
    out = bytearray(b"x" * (size + more))
    with pytest.raises(fa.InvalidTag):
        cipher.decrypt_into(nonce, sealed, b"other", out)
    assert out == bytes(size) + b"x" * more
    with pytest.raises(fa.BufferTooSmallError):
        cipher.encrypt_into(nonce, text, None, bytearray(size + 15))
    if size:
        with pytest.raises(fa.BufferTooSmallError):
            cipher.decrypt_into(nonce, sealed, b"aad", bytearray(size - 1))


def test_sealing_ends_before_random_nonces_may_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fa.AESGCM, "_MOST_SEALED", 2)
    cipher = fa.AESGCM(KEY, fa.Accelerator("cpu"))
    sealed = [cipher.seal(b"one"), cipher.seal(b"two")]
    with pytest.raises(OverflowError, match="2 messages"):
        cipher.seal(b"three")
    assert [cipher.open(each) for each in sealed] == [b"one", b"two"]


@pytest.mark.parametrize(
    "kind", [bytearray, lambda size: memoryview(bytearray(size)), lambda size: np.zeros(size, "u1")]
)
def test_small_calls_into_buffers(kind: Callable[[int], Any]) -> None:
    acc, data = fa.Accelerator("cpu"), bytes(range(200))
    out = kind(300)
    assert acc.encrypt_into(data, out, KEY, nonce=NONCE, aad=AAD) == 216
    sealed = bytes(out[:216])
    assert sealed == AESGCM(KEY).encrypt(NONCE, data, AAD)
    assert bytes(out[216:]) == bytes(84)
    text = kind(300)
    assert acc.decrypt_into(sealed, text, KEY, nonce=NONCE, aad=AAD) == 200
    assert bytes(text[:200]) == data
    with pytest.raises(fa.InvalidTag):
        acc.decrypt_into(sealed[:-1] + b"x", text, KEY, nonce=NONCE, aad=AAD)
    assert bytes(text[:200]) == bytes(200)
    with pytest.raises(fa.BufferTooSmallError) as failure:
        acc.encrypt_into(data, kind(215), KEY, nonce=NONCE)
    assert failure.value.needed == 216
    frame = kind(acc.compress_bound(200))
    size = acc.compress_into(data, frame)
    assert acc.decompress_into(bytes(frame[:size]), text) == 200
    assert bytes(text[:200]) == data


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_small_call_into_its_own_input(size: int) -> None:
    data = bytes(range(100)) * (size // 100)
    acc, buffer = fa.Accelerator("cpu"), bytearray(data) + bytes(16)
    assert acc.encrypt_into(memoryview(buffer)[:size], buffer, KEY, nonce=NONCE) == size + 16
    assert bytes(buffer) == AESGCM(KEY).encrypt(NONCE, data, None)
    assert acc.decrypt_into(memoryview(buffer), memoryview(buffer)[3 : size + 3], KEY, nonce=NONCE) == size
    assert bytes(buffer[3 : size + 3]) == data


@pytest.mark.parametrize("cipher", ["aes-gcm", "aes-gcm-siv", "chacha20-poly1305", "xchacha20-poly1305", "sm4-gcm"])
@pytest.mark.parametrize("size", [1, 200, 40_000, 200_000])
def test_small_calls_of_every_cipher_into_buffers(cipher: str, size: int) -> None:
    acc, data = fa.Accelerator("cpu"), bytes(range(200)) * 1000
    text, key = data[:size], KEY[: 16 if cipher == "sm4-gcm" else 32]
    sealed = acc.encrypt(text, key, cipher, aad=AAD)
    front = len(sealed) - size - 16
    nonce, rest = sealed[:front], sealed[front:]
    for more in (0, 5):
        out = bytearray(b"x" * (front + size + 16 + more))
        assert acc.encrypt_into(text, out, key, cipher, nonce=nonce, aad=AAD) == size + 16
        assert out == rest + b"x" * (front + more)
        assert acc.encrypt_into(text, out, key, cipher, aad=AAD) == front + size + 16
        assert out[front + size + 16 :] == b"x" * more
        assert acc.decrypt(out[: front + size + 16], key, cipher, aad=AAD) == text
        for source, given in ((rest, nonce), (sealed, None), (bytearray(rest), nonce)):
            back = bytearray(b"x" * (size + more))
            assert acc.decrypt_into(source, back, key, cipher, nonce=given, aad=AAD) == size
            assert back == text + b"x" * more
            with pytest.raises(fa.InvalidTag):
                acc.decrypt_into(source, back, key, cipher, nonce=given, aad=b"another")
            assert back == bytes(size) + b"x" * more
    receipt = acc.last_receipt
    assert receipt is not None
    assert (receipt.op, receipt.bytes_in) == ("decrypt", len(rest))
    with pytest.raises(fa.BufferTooSmallError):
        acc.encrypt_into(text, bytearray(size + 15), key, cipher, nonce=nonce)
    with pytest.raises(fa.BufferTooSmallError):
        acc.encrypt_into(text, bytearray(front + size + 15), key, cipher)
    with pytest.raises(fa.BufferTooSmallError):
        acc.decrypt_into(rest, bytearray(size - 1), key, cipher, nonce=nonce, aad=AAD)
    with pytest.raises(fa.InvalidTag):
        acc.decrypt_into(sealed[: front + 15], bytearray(10), key, cipher)


def test_methods_take_names_and_leave_subclasses_theirs() -> None:
    class Counting(fa.AESGCM):
        calls = 0

        def encrypt(self, nonce: Any, data: Any, associated_data: Any = None) -> bytes:
            self.calls += 1
            return super().encrypt(nonce, data, associated_data)

    own, usual = Counting(KEY), fa.AESGCM(KEY)
    nonce = bytes(12)
    sealed = own.encrypt(nonce, b"text", b"header")
    assert own.calls == 1
    assert sealed == usual.encrypt(nonce=nonce, data=b"text", associated_data=b"header")
    assert usual.decrypt(nonce, data=sealed, associated_data=b"header") == b"text"
    with pytest.raises(TypeError):
        usual.encrypt(nonce)  # type: ignore[call-arg]
    gone = weakref.ref(usual)
    gc.disable()
    try:
        del usual
        assert gone() is None, "no cycle keeps a key alive"
    finally:
        gc.enable()
