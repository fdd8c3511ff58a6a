"""Pipelines of kernels that channels join, on the vendor's FPGA emulator: turns, aborted runs, processes at once."""

from __future__ import annotations

import gzip
import itertools
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cramjam
import lz4.frame
import pytest
import sizes
from children import all_ended, finish, run, start
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from launches import captured, launch_of

import fpga_accel as fa
from fpga_accel.operations import registry
from fpga_accel.runtime import discovery, manifests
from fpga_accel.runtime.manifests import Manifest, Variant

pytestmark = pytest.mark.fpga

KEY, NONCE = bytes(range(32)), bytes(12)
_HERE = str(Path(__file__).parent)


# ---- manifests ----


def test_every_kernel_folder_has_a_pipeline_for_fpgas_and_for_the_emulator() -> None:
    for operation in registry.OPERATIONS.values():
        manifest = manifests.shipped(operation.kernel)
        for kind in ("fpga", "fpga-emulator"):
            serving = [variant for variant in manifest.variants if variant.serves(kind)]
            assert serving[0].name == "fpga", f"{operation.name} on {kind}"
            assert serving[0].single
        assert not any(variant.kinds for variant in manifest.variants if variant.serves("cpu"))


# ---- the emulator ----


def opened(device: str, strategy: str | None = None) -> Any:
    """A backend of its own, so that what a test does to it meets no other."""
    from fpga_accel.backends.opencl import OpenClBackend
    from fpga_accel.runtime.pipeline import Strategy

    with pytest.MonkeyPatch.context() as patch:
        if strategy:
            patch.setattr(OpenClBackend, "_choose_strategy", lambda self: Strategy(strategy))
        return OpenClBackend(discovery.listed(device), device)


@pytest.fixture(scope="module", params=["direct", "wrapped", "staged"])
def acc(request: pytest.FixtureRequest, emulator: str) -> Iterator[fa.Accelerator]:
    """An Accelerator that reaches memory in one way."""
    backend = opened(emulator, request.param)
    with fa.Accelerator(SimpleNamespace(open_backend=lambda: backend), fallback="never", verify="never") as found:
        with found.trace() as trace:
            yield found
        assert {(receipt.backend, receipt.variant) for receipt in trace.receipts} == {("opencl", "fpga")}


def test_pipelines_are_right_under_every_memory_strategy(acc: fa.Accelerator) -> None:
    items = [sizes.mixed(size) for size in (*sizes.SMALL, *sizes.around(64 << 10), 300_000)]
    nonces = [NONCE] * len(items)
    sealed = acc.encrypt_many(items, KEY, nonces=nonces)
    assert sealed == [AESGCM(KEY).encrypt(NONCE, item, None) for item in items]
    assert acc.decrypt_many(sealed, KEY, nonces=nonces) == items
    frames = acc.compress_many(items)
    assert [lz4.frame.decompress(frame) for frame in frames] == items
    assert acc.decompress_many(frames) == items


def test_pipelines_take_more_than_a_piece(acc: fa.Accelerator) -> None:
    data = sizes.mixed(80 << 20)
    assert acc.encrypt(data, KEY, nonce=NONCE) == AESGCM(KEY).encrypt(NONCE, data, None)


def test_threads_take_turns(acc: fa.Accelerator) -> None:
    items = [sizes.mixed(size) for size in (1000, 70_000, 300_000)]
    expected = [AESGCM(KEY).encrypt(NONCE, item, None) for item in items]

    def work(number: int) -> bool:
        turn = number % len(items)
        return acc.encrypt(items[turn], KEY, nonce=NONCE) == expected[turn]

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(60)))


def doubled(variant: Variant, engine: tuple[str, ...]) -> Variant:
    """Return the variant with two engines: of the stages with these endings there are two."""
    stages = {}
    for entry, names in variant.stages.items():
        kernels = [(f"{name}0", f"{name}1") if name.endswith(engine) else (name,) for name in names]
        stages[entry] = tuple(itertools.chain.from_iterable(kernels))
    return variant._replace(defines=(*variant.defines, "REPLICAS=2"), stages=stages)


# By format: the kernel and what of its pipeline there can be two of; how the library makes many rows, and decodes.
REPLICATED: dict[str, tuple[str, tuple[str, ...], Any, Any]] = {
    "lz4": ("lz4", ("_core",), partial(lz4.frame.compress, block_linked=False), lz4.frame.decompress),
    "snappy": ("snappy", ("_core",), cramjam.snappy.compress, cramjam.snappy.decompress),
    "gzip": ("deflate", ("_core", "_counter", "_writer"), gzip.compress, gzip.decompress),
}


@pytest.mark.parametrize("format", REPLICATED)
def test_two_engines_share_a_launch(emulator: str, format: str) -> None:
    kernel, engine, compress, decompress = REPLICATED[format]
    backend, manifest = opened(emulator), manifests.shipped(kernel)
    double = doubled(next(variant for variant in manifest.variants if variant.serves("fpga-emulator")), engine)
    backend.prepare(manifest._replace(variants=(double,)), [row.trial for row in registry.of_kernel(kernel)])
    data = sizes.mixed(3 << 20)
    options = {"block_size": 64 << 10} if format == "lz4" else {}
    with fa.Accelerator(SimpleNamespace(open_backend=lambda: backend), fallback="never", verify="always") as found:
        assert bytes(decompress(found.compress(data, format, **options))) == data
        assert found.decompress(bytes(compress(data)), format) == data
    assert backend._built[kernel].variant is double


# ---- runs that do not end ----


OPTIONS = {"keys": [KEY], "nonces": [bytes(16)], "count": 1}


def encrypted(backend: Any, data: bytes) -> bytes:
    backend.prepare(manifests.shipped("aes"), [row.trial for row in registry.of_kernel("aes")])
    launch, sink = launch_of("encrypt", "aes-ctr", data, **OPTIONS)
    backend.start(launch).outcome(time.monotonic() + 60)
    result: bytes = sink.values[0]
    return result


def test_after_a_run_that_was_given_up_the_next_is_right(emulator: str) -> None:
    backend = opened(emulator)
    data = sizes.mixed(100_000)
    expected = encrypted(backend, data)
    built = backend._built["aes"]
    # Some seconds of work, so that every channel is full when it is given up.
    long = captured("encrypt", "aes-ctr", 10_000, keys=[KEY], nonces=[bytes(16)])
    started = time.monotonic()
    with pytest.raises(fa.DeviceTimeoutError):
        backend.start(long).outcome(started + 0.2)
    assert time.monotonic() - started < 2.0
    with pytest.raises(fa.DeviceError, match="loaded anew"):
        backend.start(captured("encrypt", "aes-ctr", keys=[KEY], nonces=[bytes(16)])).outcome(None)
    assert encrypted(backend, data) == expected
    assert backend._built["aes"] is not built


def without_reader(manifest: Manifest) -> Manifest:
    """The same kernels, of which the first stage is never started: a deadlock."""
    variant = next(each for each in manifest.variants if each.serves("fpga-emulator"))
    stages = {entry: names[1:] for entry, names in variant.stages.items()}
    return manifest._replace(variants=(variant._replace(stages=stages),))


DEADLOCK = """
    import sys, time
    sys.path.insert(0, sys.argv[3])
    from launches import captured
    from test_channels import without_reader
    from fpga_accel.runtime import discovery, manifests
    backend = discovery.open_backend(sys.argv[1])
    backend.prepare(without_reader(manifests.shipped("aes")), [])
    launch = captured("encrypt", "aes-ctr", keys=[bytes(32)], nonces=[bytes(16)])
    print("ready", flush=True)
    backend.start(launch).outcome(time.monotonic() + float(sys.argv[2]))
"""


def deadlock(device: str, seconds: float) -> Any:
    return start(DEADLOCK, device, str(seconds), _HERE)


def test_a_deadlock_ends_at_the_deadline_and_lets_the_process_end(emulator: str) -> None:
    with deadlock(emulator, 0.5) as child:
        _, err = child.communicate(timeout=60)
    assert child.returncode == 1, err
    assert "DeviceTimeoutError: no answer after 0." in err


def test_ctrl_c_ends_a_deadlock(emulator: str) -> None:
    with deadlock(emulator, 600) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        threading.Event().wait(1.0)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
    assert "KeyboardInterrupt" in err
    assert child.returncode in (-signal.SIGINT, 128 + signal.SIGINT)


# Deadlocked kernels hold the emulator's threads until their process ends, so each has a process of its own.
QUARANTINE = """
    import sys
    from types import SimpleNamespace
    sys.path.insert(0, sys.argv[2])
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    import fpga_accel as fa
    from fpga_accel.runtime import discovery, manifests
    from test_channels import without_reader
    backend = discovery.open_backend(sys.argv[1])
    backend.prepare(without_reader(manifests.shipped("aes")), [])
    with fa.Accelerator(SimpleNamespace(open_backend=lambda: backend), fallback="allow", timeout=0.3) as acc:
        for _ in range(2):
            right = AESGCM(bytes(32)).encrypt(bytes(12), b"text", None)
            assert acc.encrypt(b"text", bytes(32), nonce=bytes(12)) == right
            print(acc.last_receipt.backend, acc.last_receipt.reason.value)
"""


def test_a_deadlock_quarantines_the_device(emulator: str) -> None:
    out, _ = run(QUARANTINE, emulator, _HERE)
    assert out.splitlines() == ["cpu timeout", "cpu quarantined"]


# ---- two processes ----

WORK = """
    import sys
    import lz4.frame
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    import fpga_accel as fa
    data = bytes(range(251)) * 4000
    acc = fa.Accelerator(sys.argv[1], fallback="never", verify="always")
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(5):
        assert acc.encrypt(data, bytes(32), nonce=bytes(12)) == AESGCM(bytes(32)).encrypt(bytes(12), data, None)
        assert lz4.frame.decompress(acc.compress(data)) == data
    assert acc.last_receipt.variant == "fpga"
"""


def test_two_processes_use_the_emulator_at_once(emulator: str) -> None:
    children = [start(WORK, emulator) for _ in range(2)]
    with all_ended(children):
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        for child in children:
            finish(child)
