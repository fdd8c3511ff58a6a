"""What doctor looks at: each check yields findings, and none of them changes anything."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import fpga_accel
from fpga_accel import config
from fpga_accel.runtime import bitstreams, discovery, icd, manifests, switches
from fpga_accel.runtime.simulation import toolchain
from fpga_accel.runtime.switches import RTL

PASS, FAIL, INFO = "PASS", "FAIL", "info"
DEVICE = "device"

_PACKAGES = (
    "numpy",
    "pyopencl",
    "lz4",
    "cryptography",
    "google-crc32c",
    "awscrt",
    "isal",
    "zlib-ng",
    "xxhash",
    "cffi",
    "platformdirs",
    "tomli-w",
    "click",
    "rich",
)
_MODES = {
    "fpga-emulator": "emulation: shows that kernels keep to the FPGA compiler's language, and that bytes and channels "
    "are right; not timing, clock or area",
    "fpga": "hardware: shows what an image does at its clock on this board",
}
_SYSTEM_VENDORS = Path("/etc/OpenCL/vendors")
_VENDORS_VARIABLE = "OCL_ICD_VENDORS"
_INSTALL_RUNTIME = 'pip install "fpga-accel[pocl]"'


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report; `fix` says what to do about a failure."""

    check: str
    result: str
    subject: str
    detail: str
    fix: str = ""


def run() -> Iterator[Finding]:
    """Do every check; what a check cannot cope with is a finding too."""
    # Before the loader is imported, which may set it.
    vendors = os.environ.get(_VENDORS_VARIABLE)
    parts: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("version", _versions),
        ("setting", _settings),
        ("cache", _cache),
        ("kernels", _kernels),
        ("loader", _import_of_loader),
        ("loader", lambda: _vendors(vendors)),
        ("runtime", _runtimes),
        ("linker", _linker),
        (DEVICE, _devices),
        ("images", _images),
        ("rtl", _simulator),
    )
    for name, part in parts:
        try:
            yield from part()
        except (OSError, ValueError, ImportError) as error:
            yield Finding(name, FAIL, name, _line(error), "put right what the detail names")


def _versions() -> Iterator[Finding]:
    yield Finding("version", INFO, "fpga-accel", f"{fpga_accel.__version__} in {Path(fpga_accel.__file__).parent}")
    yield Finding("version", INFO, "python", f"{platform.python_version()} {sys.executable}")
    yield Finding("version", INFO, "system", f"{platform.platform()}, {os.cpu_count()} cores")
    for name in _PACKAGES:
        try:
            yield Finding("version", INFO, name, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding("version", FAIL, name, "is not installed", f"pip install {name}")


def _settings() -> Iterator[Finding]:
    yield Finding("setting", INFO, "config file", _presence(config.config_path()))
    for name in config.DEFAULTS:
        found = config.setting(name)
        problem = _problem_with(name)
        fix = f"correct {name}, which comes from {found.source}" if problem else ""
        detail = problem or f"{found.value or '(not set)'} [{found.source}]"
        yield Finding("setting", FAIL if problem else INFO, name, detail, fix)


def _problem_with(name: str) -> str:
    """Return what is wrong with the value of a setting, or nothing."""
    try:
        if name == "fallback":
            config.one_of(name, None, config.FALLBACKS)
        elif name == "verify":
            config.one_of(name, None, config.VERIFIES)
        elif name == "routing":
            config.one_of(name, None, config.ROUTINGS)
        elif name in ("timeout", "threads"):
            config.positive_number(name, None)
        elif name == "disable":
            switches.disabled()
    except ValueError as error:
        return _line(error)
    return ""


def _cache() -> Iterator[Finding]:
    folder = config.cache_dir()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        yield Finding(
            "cache", FAIL, str(folder), f"{existing} is not writable", "make it writable or set FPGA_ACCEL_CACHE_DIR"
        )
        return
    entries = [path for path in folder.rglob("*") if path.is_file()]
    nbytes = sum(path.stat().st_size for path in entries)
    yield Finding("cache", PASS, str(folder), f"writable, {len(entries)} files, {nbytes / 1e6:.1f} MB")


def _kernels() -> Iterator[Finding]:
    try:
        folder = manifests.kernels_dir()
    except FileNotFoundError as error:
        yield Finding("kernels", FAIL, "kernels", _line(error), "install fpga-accel again")
        return
    yield Finding("kernels", PASS, str(folder), ", ".join(manifests.shipped_names()))


def _import_of_loader() -> Iterator[Finding]:
    try:
        # The loader reads its environment when it is imported.
        icd.prepare()
        import pyopencl
    except (ImportError, OSError) as error:
        yield Finding("loader", FAIL, "pyopencl", _line(error), "pip install pyopencl")
        return
    yield Finding("loader", PASS, "pyopencl", f"{pyopencl.VERSION_TEXT} loads")


def _vendors(at_start: str | None) -> Iterator[Finding]:
    now = os.environ.get(_VENDORS_VARIABLE)
    if at_start is None:
        detail = f"{now} (made by fpga-accel)" if now else f"not set: the loader's own folders and {_SYSTEM_VENDORS}"
        yield Finding("loader", INFO, _VENDORS_VARIABLE, detail)
        return
    there = Path(at_start).exists()
    fix = "" if there else f"unset {_VENDORS_VARIABLE} or point it at a folder of .icd files"
    detail = f"{at_start} (set outside){'' if there else ', which does not exist'}"
    yield Finding("loader", INFO if there else FAIL, _VENDORS_VARIABLE, detail, fix)


def _system_entries() -> dict[str, str]:
    """Return the system's OpenCL runtimes: file name of each entry, and the library it names."""
    return {
        path.name: path.read_text(encoding="utf-8", errors="replace").strip()
        for path in sorted(_SYSTEM_VENDORS.glob("*.icd"))
    }


def _runtimes() -> Iterator[Finding]:
    packaged, system = icd.packaged_runtimes(), _system_entries()
    for distribution, driver in packaged.items():
        yield Finding("runtime", PASS, f"{distribution} {metadata.version(distribution)}", str(driver))
    for name, driver_name in system.items():
        yield Finding("runtime", PASS, str(_SYSTEM_VENDORS / name), driver_name)
    if not packaged and not system:
        detail = f"no OpenCL runtime among the Python packages and none in {_SYSTEM_VENDORS}"
        yield Finding("runtime", FAIL, "OpenCL runtime", detail, _INSTALL_RUNTIME)


def _linker() -> Iterator[Finding]:
    path = shutil.which("ld")
    if path:
        yield Finding("linker", PASS, "ld", f"{path} (PATH was searched)")
        return
    drivers = (*icd.packaged_runtimes(), *_system_entries().values())
    needed = any("pocl" in driver for driver in drivers)
    detail = f"not found; PATH was searched: {os.environ.get('PATH', '(not set)')}"
    fix = "install binutils (Debian: apt install binutils); PoCL links every kernel with ld" if needed else ""
    yield Finding("linker", FAIL if needed else INFO, "ld", detail, fix)


def _devices() -> Iterator[Finding]:
    found = discovery.opencl_devices()
    for device in found:
        subject = f"{device.id} ({device.kind})"
        detail = f"{device.name}, {device.platform}, {device.version}"
        if device.usable:
            yield Finding(DEVICE, PASS, subject, detail)
        else:
            fix = "see the cause above; FPGA_ACCEL_LOG=debug fpga-accel selftest shows the compiler's words"
            yield Finding(DEVICE, FAIL, subject, f"{detail}: {_line(device.reason)}", fix)
    if not found:
        cause = discovery.listing_failure() or "the loader lists no platform"
        fix = "remove opencl from FPGA_ACCEL_DISABLE" if discovery.disabled() else _INSTALL_RUNTIME
        yield Finding(DEVICE, FAIL, "OpenCL devices", f"none: {cause}", fix)


def _simulator() -> Iterator[Finding]:
    """Tell whether RTL cores can be built; without that nothing is lost but ``device="rtl"``."""
    for name, module in toolchain.PACKAGES.items():
        there = find_spec(module) is not None
        detail = metadata.version(name) if there else "is not installed, so device='rtl' is not usable"
        yield Finding("rtl", PASS if there else INFO, name, detail, "" if there else toolchain.INSTALL)
    compiler = toolchain.compiler_path()
    detail = compiler or f"not found; PATH was searched: {os.environ.get('PATH', '(not set)')}"
    yield Finding(
        "rtl", PASS if compiler else INFO, "C++ compiler", detail, "" if compiler else toolchain.INSTALL_COMPILER
    )
    device = next((each for each in discovery.devices() if each.kind == RTL), None)
    if device is not None:
        detail = f"{device.name}, {device.platform}, {device.version}"
        usable = detail if device.usable else f"{detail}: not usable: {_line(device.reason)}"
        yield Finding("rtl", PASS if device.usable else INFO, f"{device.id} ({device.kind})", usable)


def _images() -> Iterator[Finding]:
    """Tell for each FPGA device its mode, what that proves, and the image of each kernel."""
    for device in discovery.devices():
        mode = _MODES.get(device.kind)
        if mode is None:
            continue
        yield Finding("images", INFO, f"{device.id} mode", mode)
        without = (
            "none, so it is built from source" if device.kind == "fpga-emulator" else "none, so it runs on the CPU"
        )
        for name, path in _image_of_each_kernel(device).items():
            yield Finding("images", INFO, f"{device.id} {name}", str(path or without))


def _image_of_each_kernel(device: discovery.Device) -> dict[str, Path | None]:
    listed = discovery.listed(device.id)
    found: dict[str, Path | None] = {}
    for name in manifests.shipped_names():
        manifest = manifests.shipped(name)
        images = (
            bitstreams.image_for(listed, manifest, each) for each in manifest.variants if each.serves(device.kind)
        )
        found[name] = next((image[0] for image in images if image), None)
    return found


def _presence(path: Path) -> str:
    return f"{path}{'' if path.is_file() else ' (not there)'}"


def _line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__
