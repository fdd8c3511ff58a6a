"""Images in place of source, on the vendor's FPGA emulator: built, catalogued, loaded, and refused."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import required
from children import run
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import fpga_accel as fa
from fpga_accel.backends.opencl import OpenClBackend
from fpga_accel.cli import checks, output
from fpga_accel.operations import registry
from fpga_accel.runtime import bitstreams, discovery, manifests
from fpga_accel.runtime.bitstreams import catalog, program
from fpga_accel.runtime.programs import Identity

pytestmark = pytest.mark.fpga

KEY, NONCE = bytes(range(32)), bytes(12)
# The folders whose images the tests make; that of every other folder is made the same way.
MADE = ["aes", "crc", "lz4"]
KERNELS = sorted({operation.kernel for operation in registry.OPERATIONS.values()})
BUILDING = "building a kernel"
IDENTITY = [field.name for field in fields(Identity) if field.name != "index"]

# Builds an image of each kernel folder that is named.
BUILD = """
    import sys
    from fpga_accel.cli.app import application
    for kernel in sys.argv[1:]:
        application(["bitstream", "build", kernel, "--target", "emulator"], standalone_mode=False)
"""
# Operations of the kernel folders that are named, checked against stock libraries; the log says what was built.
WORK = """
    import logging, sys
    import google_crc32c, lz4.frame
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    import fpga_accel as fa
    data = bytes(range(251)) * 1000
    acc = fa.Accelerator("fpga-emulator", fallback="never", verify="always")
    if "aes" in sys.argv:
        assert acc.encrypt(data, bytes(32), nonce=bytes(12)) == AESGCM(bytes(32)).encrypt(bytes(12), data, None)
    if "lz4" in sys.argv:
        assert lz4.frame.decompress(acc.compress(data)) == data
        assert acc.decompress(lz4.frame.compress(data)) == data
    if "crc" in sys.argv:
        assert acc.checksum(data) == google_crc32c.value(data)
    assert acc.last_receipt.variant == "fpga"
    print(*sorted(acc.engine.planner.backend.images()))
"""


@pytest.fixture(scope="module")
def built(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder whose catalog has images of some kernel folders, and CRC built from source; tests copy it."""
    folder = tmp_path_factory.mktemp("images") / "cache"
    run(WORK, "crc", FPGA_ACCEL_CACHE_DIR=str(folder))
    run(BUILD, *MADE, FPGA_ACCEL_CACHE_DIR=str(folder))
    return folder


@pytest.fixture
def cache(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the cache folder with images, which this process uses."""
    folder = tmp_path / "cache"
    shutil.copytree(built, folder)
    monkeypatch.setenv("FPGA_ACCEL_CACHE_DIR", str(folder))
    return folder


def test_this_run_takes_images(emulator: str) -> None:
    with fa.Accelerator(emulator, fallback="never") as acc:
        acc.warmup()
        backend: Any = acc.engine.planner.backend
        loaded = sorted(backend.images())
    if loaded != KERNELS:
        required.missing("images", f"the emulator runs images of {', '.join(loaded) or 'no kernel'} alone")


def test_images_are_loaded_in_place_of_source(cache: Path) -> None:
    shutil.rmtree(cache / "programs")
    out, err = run(WORK, *MADE, FPGA_ACCEL_CACHE_DIR=str(cache))
    assert out.split() == MADE
    # The kernel of the device's own trial.
    assert err.count(BUILDING) == 1


def test_every_entry_of_the_catalog_is_sound(cache: Path) -> None:
    users = catalog.users()
    assert sorted(entry.kernel for entry in users.images) == MADE
    assert [list(catalog.problems(users, entry)) for entry in users.images] == [[]] * len(MADE)


def entry_of(kernel: str) -> tuple[Path, bitstreams.Entry]:
    users = catalog.users()
    entry = next(each for each in users.images if each.kernel == kernel)
    return users.file_of(entry), entry


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flipped(content: bytes) -> bytes:
    return content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]


def _elf(content: bytes) -> bytes:
    return b"\x7fELF" + content


def _for_another_device(content: bytes) -> bytes:
    """The same program, sound in itself, for a device of another name."""
    image = bitstreams.read(content)
    stated = image.detail
    identity = Identity(**{name: stated["target"][name] for name in IDENTITY} | {"device": "Another Device"}, index=0)
    binary = content[stated["payload_offset"] :]
    return program.pack(identity, stated["kernel"], stated["variant"], image.entries, stated["source_sha256"], binary)


@pytest.mark.parametrize("damage", [_cut, _flipped, _elf, lambda content: b"", lambda content: content + bytes(10**6)])
@pytest.mark.parametrize("catalogued", [False, True], ids=["behind the catalog's back", "with its hash catalogued"])
def test_a_damaged_image_never_reaches_the_driver(
    cache: Path, damage: Callable[[bytes], bytes], catalogued: bool
) -> None:
    path, entry = entry_of("crc")
    content = damage(path.read_bytes())
    path.write_bytes(content)
    if catalogued:
        catalog.add(content, replace(entry, sha256=hashlib.sha256(content).hexdigest()))
    out, err = run(WORK, "crc", FPGA_ACCEL_CACHE_DIR=str(cache))
    assert out.split() == []
    assert "passed over" in err


def test_an_image_for_another_device_never_reaches_the_driver(cache: Path) -> None:
    path, entry = entry_of("crc")
    content = _for_another_device(path.read_bytes())
    image = bitstreams.read(content)
    catalog.add(content, replace(entry, sha256=image.sha256, target=image.target))
    assert all(not list(catalog.problems(catalog.users(), each)) for each in catalog.users().images)
    out, _ = run(WORK, "crc", FPGA_ACCEL_CACHE_DIR=str(cache))
    assert out.split() == []


def test_an_image_of_another_source_is_not_used(cache: Path) -> None:
    path, entry = entry_of("crc")
    catalog.add(path.read_bytes(), replace(entry, source_sha256="0" * 64))
    out, _ = run(WORK, *MADE, FPGA_ACCEL_CACHE_DIR=str(cache))
    assert out.split() == ["aes", "lz4"]


def test_a_damaged_catalog_costs_only_time(cache: Path) -> None:
    (cache / "images" / "catalog.toml").write_bytes(b"images = [{}]\n")
    out, err = run(WORK, "crc", FPGA_ACCEL_CACHE_DIR=str(cache))
    assert out.split() == []
    assert "passed over" in err


# ---- a card, played by the emulator ----


def card(device: str) -> OpenClBackend:
    """The emulator as a card: it runs nothing but images."""
    return OpenClBackend(discovery.listed(device)._replace(kind="fpga"), device)


@pytest.fixture
def as_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let images of the emulator's variants serve as a card's."""
    served = manifests.Variant.serves
    monkeypatch.setattr(
        manifests.Variant,
        "serves",
        lambda self, kind: served(self, "fpga-emulator" if kind == "fpga" else kind) and bool(self.kinds),
    )


def prepare(backend: Any, kernel: str) -> str:
    name: str = backend.prepare(manifests.shipped(kernel), [row.trial for row in registry.of_kernel(kernel)])
    return name


def test_a_card_without_an_image_is_not_usable(emulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FPGA_ACCEL_CACHE_DIR", str(tmp_path))
    with pytest.raises(fa.DeviceError, match="no image"):
        card(emulator)


def test_a_card_says_which_kernel_has_no_image(emulator: str, cache: Path, as_card: None) -> None:
    path, entry = entry_of("lz4")
    catalog.add(path.read_bytes(), replace(entry, source_sha256="0" * 64))
    backend = card(emulator)
    assert prepare(backend, "aes") == "fpga"
    with pytest.raises(fa.DeviceError, match="no image"):
        prepare(backend, "lz4")


def test_an_image_in_use_makes_way_only_where_that_is_allowed(emulator: str, cache: Path, as_card: None) -> None:
    backend = card(emulator)
    prepare(backend, "aes")
    with pytest.raises(fa.DeviceError, match="allow_reprogram=True") as refused:
        prepare(backend, "lz4")
    assert refused.value.code == "device_in_use"
    assert list(backend.images()) == ["aes"]
    backend.allow_reprogram = True
    prepare(backend, "lz4")
    assert list(backend.images()) == ["lz4"]
    opens = SimpleNamespace(open_backend=lambda: backend)
    with fa.Accelerator(opens, fallback="never", verify="always") as acc:
        assert acc.encrypt(b"text", KEY, nonce=NONCE) == AESGCM(KEY).encrypt(NONCE, b"text", None)


def test_an_image_for_something_else_is_refused_by_name(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, _ = entry_of("aes")
    pocl = [discovery.listed(device.id) for device in fa.devices() if device.kind == "cpu"]
    if not pocl:
        required.missing("pocl", "no CPU runtime is listed beside the emulator")
    with caplog.at_level(logging.WARNING), pytest.raises(fa.ImageMismatchError) as refused:
        bitstreams.contents(path, pocl[0].identity, [catalog.users()])
    assert "FPGA Emulation" in refused.value.image_target
    assert pocl[0].identity.platform in refused.value.device_target
    assert refused.value.usable == ()


def test_doctor_tells_mode_and_images(emulator: str, cache: Path) -> None:
    findings = {finding.subject: finding.detail for finding in checks.run() if finding.check == "images"}
    assert findings[f"{emulator} mode"].startswith("emulation: ")
    assert findings[f"{emulator} trial"] == "none, so it is built from source"
    for kernel in MADE:
        assert findings[f"{emulator} {kernel}"] == str(entry_of(kernel)[0])


def test_no_throughput_stands_without_its_tier(emulator: str) -> None:
    with fa.Accelerator(emulator, fallback="never") as acc:
        acc.checksum(bytes(1000))
        receipt = acc.last_receipt
    assert receipt is not None
    row = dict(zip(output.RECEIPT_COLUMNS, output.receipt_row(receipt), strict=True))
    assert row["tier"] == "vendor emulation"
