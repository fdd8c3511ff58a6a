"""Keys stay where they belong: nothing of them is left in pools of memory, in accounts, in messages or on the disk.

Every operation with a key is found through the registry.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Backend

import fpga_accel as fa
from fpga_accel import age
from fpga_accel.aead import Aead
from fpga_accel.age import files, payload, recipients
from fpga_accel.errors import FpgaAccelError
from fpga_accel.operations import registry
from fpga_accel.operations.buffers import BytesSink, Items
from fpga_accel.operations.ciphers import CipherOperation, CipherOptions, KeysOperation
from fpga_accel.operations.contract import Job, first_launch
from fpga_accel.operations.keyed import Record
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import SEGMENT, Launch

# Whole blocks of every cipher, and one item a batch has to do on a device.
SIZE = 4096
COUNT = 3
# So many bytes of a key in a row count as it.
TRACE = 12
KEYED = sorted(name for name, row in registry.OPERATIONS.items() if isinstance(row, KeysOperation))


def key_for(name: str, size: int) -> bytes:
    """A key that is nowhere else."""
    return hashlib.shake_256(b"a key that is in no other test: " + name.encode()).digest(size)


def forms(key: bytes) -> Iterator[bytes]:
    """How bytes of a key could show."""
    for start in range(0, len(key) - TRACE + 1, TRACE):
        part = key[start : start + TRACE]
        yield part
        yield part[::-1]
        yield part.hex().encode()
        yield part.hex().upper().encode()
        yield repr(part)[2:-1].encode()
        yield str(list(part))[1:-1].encode()
        yield " ".join(map(str, part)).encode()
        # Of a key that is encoded from its start.
        yield base64.b64encode(key)[start * 4 // 3 : (start + TRACE) * 4 // 3]


def shows(content: bytes, key: bytes) -> list[bytes]:
    return [form for form in forms(key) if form in content]


def test_what_shows_is_found() -> None:
    key = key_for("this test", 32)
    for told in (key, key.hex().encode(), repr(key).encode(), repr(list(key)).encode(), base64.b64encode(key)):
        assert shows(b"... " + told, key)
    assert not shows(repr(bytes(1000)).encode() + bytes(1000), key)


def options_of(operation: KeysOperation, key: bytes) -> CipherOptions:
    """Options of so many items under one key."""
    _, sample = operation.sample(COUNT, SIZE, operation.kinds[0])
    return CipherOptions([key], sample.nonces, sample.aads, sample.own)


class Calls:
    """The calls of one operation under a key that is nowhere else: what is right, and what is not."""

    def __init__(self, acc: fa.Accelerator, name: str) -> None:
        self._acc = acc
        self.operation: Any = registry.OPERATIONS[name]
        data, sample = self.operation.sample(COUNT, SIZE, self.operation.kinds[0])
        self.key = key_for(name, len(sample.keys[0]))
        self.data = [bytes(each) for each in data]
        self.told: list[str] = []

    def run(self) -> None:
        """Run all of them."""
        if self.operation.op == "decrypt":
            encrypt = registry.find("encrypt", self.operation.algorithm)
            assert isinstance(encrypt, CipherOperation)
            plain, _ = encrypt.sample(COUNT, SIZE, encrypt.kinds[0])
            made = self._acc.engine.many(encrypt, options_of(encrypt, self.key), [bytes(each) for each in plain])
            sealed = made.results
            assert self._many(sealed) == [bytes(each) for each in plain]
            for damaged in (sealed[0][:-1] + bytes([sealed[0][-1] ^ 1]), sealed[0][: SIZE // 2]):
                self._many([damaged, *sealed[1:]])
        else:
            self._many(self.data)
            self._many(fa.Batch.from_items(self.data))
        self._one()
        self._refused()

    def _many(self, items: Any) -> Any:
        options = options_of(self.operation, self.key)
        call = self._acc.engine.many(self.operation, options, items)
        self._tell(options, call, *call.errors.values())
        return call.results

    def _one(self) -> None:
        options = options_of(self.operation, self.key)
        single = CipherOptions([self.key], None if options.nonces is None else options.nonces[:1], None, options.own)
        try:
            self._acc.engine.one(self.operation, single, self.data[0])
        except FpgaAccelError as error:
            self._tell(error)
        self._tell(single)

    def _refused(self) -> None:
        """Keys and nonces of sizes that are none."""
        sample = options_of(self.operation, self.key)
        for keys, nonces in (([self.key * 5], sample.nonces), ([self.key], [self.key * 9] * COUNT)):
            try:
                self.operation.options(keys=keys, nonces=nonces, count=COUNT)
            except (TypeError, ValueError) as error:
                self._tell(error)

    def _tell(self, *found: Any) -> None:
        for each in found:
            self.told.append(repr(each))
            if isinstance(each, BaseException):
                self.told += [str(each), "".join(traceback.format_exception(each)), repr(vars(each))]


@pytest.mark.parametrize("name", KEYED)
def test_no_key_is_left_in_pools(acc: fa.Accelerator, backend: Backend, name: str) -> None:
    # Megabytes that other tests left have nothing of this key.
    POOL.trim()
    calls = Calls(acc, name)
    calls.run()
    slabs = POOL.idle()
    pipeline = getattr(acc.engine.planner.backend, "_pipeline", None)
    if backend.is_device:
        assert pipeline is not None
        slabs += [region.slab for lane in pipeline._idle for region in lane._regions.values()]
        assert slabs
    for slab in slabs:
        assert not shows(slab.array.tobytes(), calls.key)


@pytest.mark.parametrize("keys", [1, COUNT], ids=["a key for all", "a key each"])
@pytest.mark.parametrize("name", [name for name in KEYED if registry.OPERATIONS[name].entries])
def test_the_keys_of_a_launch_are_where_it_says(name: str, keys: int) -> None:
    operation: Any = registry.OPERATIONS[name]
    sources = operation if operation.op != "decrypt" else registry.find("encrypt", operation.algorithm)
    data, sample = sources.sample(COUNT, SIZE, sources.kinds[0])
    given = [key_for(f"{name} {number}", len(sample.keys[0])) for number in range(keys)]
    options = CipherOptions(given, sample.nonces, sample.aads, sample.own)
    items = [bytes(each) for each in data]
    if sources is not operation:
        with fa.Accelerator("cpu") as cpu:
            items = cpu.engine.many(sources, options, items).results
    launch = first_launch(operation, Job(Items.of(items), options, BytesSink(COUNT)))
    assert launch.keys is not None
    params = bytearray(launch.params.tobytes())
    assert all(key in params for key in given)
    params[launch.keys] = bytes(len(params[launch.keys]))
    assert not any(shows(bytes(params), key) for key in given)


@pytest.mark.parametrize("name", KEYED)
def test_no_key_in_accounts_messages_logs_and_files(
    acc: fa.Accelerator, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    calls = Calls(acc, name)
    with caplog.at_level(logging.DEBUG), acc.trace() as trace:
        calls.run()
    trace.save_chrome_trace(tmp_path / "trace.json")
    launch = Launch("kernel", "entry", *_launched(calls), keys=slice(0, None))
    told = [*calls.told, repr(trace.receipts), repr(acc), repr(acc.stats()), repr(launch), caplog.text]
    told.append((tmp_path / "trace.json").read_text())
    assert trace.receipts
    for text in told:
        assert not shows(text.encode(), calls.key), text[:200]
    for path in Path(os.environ["FPGA_ACCEL_CACHE_DIR"]).rglob("*"):
        if path.is_file():
            assert not shows(path.read_bytes(), calls.key), path


def _launched(calls: Calls) -> tuple[Any, Any]:
    """A table and parameters that hold the key."""
    return np.zeros(1, SEGMENT), np.frombuffer(calls.key * 2, np.uint8)


# They are there once somebody asks for them.
NAMED: list[Any] = [getattr(fa, name) for name in fa._MODULE_OF]
CLASSES: list[Any] = [each for each in NAMED if isinstance(each, type) and issubclass(each, Aead)]
assert CLASSES, "without one, pytest would skip the tests of them"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_no_key_in_cipher_objects_and_their_errors(kind: Any) -> None:
    encrypts: Any = registry.find("encrypt", kind._ALGORITHM)
    key = key_for(kind.__name__, max(encrypts.key_sizes))
    with fa.Accelerator("cpu") as acc:
        cipher = kind(key, accelerator=acc)
        sealed = cipher.seal(b"text", b"header")
        told = [repr(cipher), str(cipher)]
        calls: tuple[Callable[[], Any], ...] = (
            lambda: cipher.open(sealed, b"another"),
            lambda: cipher.open(sealed[:5], b"header"),
            lambda: cipher.encrypt(key * 20, b"text", None),
            lambda: cipher.encrypt(key[:1], "text", None),
            lambda: kind(key + b"x", accelerator=acc),
        )
        for call in calls:
            with pytest.raises((FpgaAccelError, TypeError, ValueError)) as caught:
                call()
            told += [str(caught.value), repr(caught.value), "".join(traceback.format_exception(caught.value))]
        told.append(repr(acc.last_receipt))
    assert not shows("\n".join(told).encode(), key)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, bytes.hex])
def test_a_key_in_the_place_of_a_name_is_not_shown(kind: Any) -> None:
    key = key_for("misplaced", 32)
    given = kind(key)
    with fa.Accelerator("cpu") as acc:
        calls: tuple[Callable[[], Any], ...] = (
            lambda: acc.encrypt(b"text", bytes(32), given),
            lambda: acc.encrypt_many([b"text"], bytes(32), given),
            lambda: acc.decrypt_into(b"text", bytearray(9), bytes(32), given),
            lambda: acc.mac(b"text", bytes(32), given),
            lambda: acc.digest(b"text", given),
            lambda: acc.compress(b"text", given),
            lambda: acc.explain("encrypt", 5, cipher=given),
            lambda: acc.submit(given, b"text"),
        )
        for call in calls:
            with pytest.raises((TypeError, ValueError)) as caught:
                call()
            told = "".join(traceback.format_exception(caught.value))
            # Of a string its start is shown.
            assert not shows(told.encode(), key[12:])
        with pytest.raises(TypeError, match="algorithm must be a str, not bytes"):
            acc.encrypt(b"text", bytes(32), key)  # type: ignore[arg-type]


def test_no_secret_of_an_age_file_in_accounts_messages_and_pools(
    acc: fa.Accelerator, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    POOL.trim()
    seen: list[bytes] = []
    held: list[bytearray] = []

    def noted(size: int) -> bytearray:
        seen.append(os.urandom(size))
        held.append(bytearray(seen[-1]))
        return held[-1]

    class Noted(payload.Payload):
        def __init__(self, engine: Any, file_key: bytearray, nonce: bytes) -> None:
            super().__init__(engine, file_key, nonce)
            seen.append(bytes(self._key))
            held.append(self._key)

    monkeypatch.setattr(files, "random", noted)
    monkeypatch.setattr(files, "Payload", Noted)
    identity = age.new_identity()
    scalar = bytes(recipients.Identity.parse(identity)._key.private_bytes_raw())
    content = bytes(5 * payload.CHUNK)
    told = []
    with caplog.at_level(logging.DEBUG), acc.trace() as trace:
        sealed = acc.seal(content, recipients=[age.recipient_of(identity)])
        assert acc.unseal(sealed, identities=identity) == content
        for damaged in (sealed[:-1], sealed[:100], sealed[:-20] + bytes(20)):
            with pytest.raises(FpgaAccelError) as caught:
                acc.unseal(damaged, identities=identity)
            told += [str(caught.value), repr(caught.value), "".join(traceback.format_exception(caught.value))]
    # The nonce of the file is no secret.
    nonce = sealed[-len(content) - 5 * 16 - 16 : -len(content) - 5 * 16]
    secrets = [scalar, *(one for one in seen if one != nonce)]
    assert len(secrets) > 3
    assert not any(any(one) for one in held if bytes(one) != nonce)
    trace.save_chrome_trace(tmp_path / "trace.json")
    told += [repr(trace.receipts), caplog.text, (tmp_path / "trace.json").read_text()]
    for secret in secrets:
        assert not shows("\n".join(told).encode(), secret)
        assert not any(shows(slab.array.tobytes(), secret) for slab in POOL.idle())
    assert identity[16:] not in "\n".join(told)


def test_options_and_records_do_not_show_keys() -> None:
    key = key_for("options", 32)
    made = CipherOptions([key], [bytes(12)])
    assert not shows(repr((made, Record(key, bytes(12), b"", 0, 0))).encode(), key)
