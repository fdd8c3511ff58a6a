"""Runs every conformance test on the CPU path and on each usable device, and says how many ran where.

A test that takes `acc` (an Accelerator) or `backend` runs once a backend. FPGA_ACCEL_TEST_DEVICES picks the devices:
ids or kinds, or ``all``; without it the FPGA emulator and the simulator of RTL cores are left out, which are slow.
With the word ``no-cpu-path`` among them, devices alone are tested, where the CPU path was before. The simulator runs
what takes `acc` alone, the rest being about OpenCL, and is not marked ``bulk``. FPGA_ACCEL_REQUIRE lists what must be
there (tests/required.py): ``cpu`` aside, any word that is no tool is an id, a kind or ``opencl``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import required

import fpga_accel as fa
from fpga_accel.operations.contract import Operation
from fpga_accel.receipts import Reason
from fpga_accel.routing import Plan

CORPUS = Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"
CACHE_DIR = "FPGA_ACCEL_CACHE_DIR"
OUTCOMES = ("passed", "failed", "skipped")
RTL = "rtl"

# The handle that `acc` is does not change from one example to the next.
hypothesis.settings.register_profile(
    "fpga-accel", deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
hypothesis.settings.load_profile("fpga-accel")


# ---- one cache folder a session ----


def pytest_configure(config: pytest.Config) -> None:
    # Workers of pytest-xdist inherit it, so kernels are built once.
    if CACHE_DIR not in os.environ:
        os.environ[CACHE_DIR] = tempfile.mkdtemp(prefix="fpga-accel-tests-")
        config.add_cleanup(_remove_cache)


def _remove_cache() -> None:
    shutil.rmtree(os.environ.pop(CACHE_DIR), ignore_errors=True)


# ---- backends ----


@dataclass(frozen=True, slots=True)
class Backend:
    """The CPU path, a device, or (with a reason) a device that is not there.

    Attributes
    ----------
    id
        What ``Accelerator(device=...)`` takes.
    """

    id: str
    kind: str = "cpu"
    is_device: bool = False
    absent: str = ""

    @property
    def path(self) -> str:
        """What receipts call the way of its work."""
        if not self.is_device:
            return "cpu"
        return RTL if self.kind == RTL else "opencl"


def _matches(word: str, backend: Backend) -> bool:
    opencl = "" if backend.kind == RTL else "opencl"
    return word in (backend.id, backend.kind, opencl) or backend.id.startswith(f"{word}-")


# Of FPGA_ACCEL_TEST_DEVICES.
NO_CPU_PATH = "no-cpu-path"


def _chosen() -> set[str]:
    return {word.strip() for word in os.environ.get("FPGA_ACCEL_TEST_DEVICES", "").split(",")} - {""}


def _wanted(backend: Backend) -> bool:
    chosen = _chosen() - {NO_CPU_PATH}
    if chosen == {"all"}:
        return True
    if chosen:
        return any(_matches(word, backend) for word in chosen)
    slow = backend.kind in ("fpga-emulator", RTL)
    return not slow or any(_matches(word, backend) for word in required.words() - {"opencl", RTL})


@cache
def _backends() -> tuple[Backend, ...]:
    """Every backend to test, and one that is absent for each that is required and not there."""
    listed = [
        Backend(device.id, device.kind, True, "" if device.usable else f"{device.id} is not usable: {device.reason}")
        for device in fa.devices()
    ]
    found = [device for device in listed if _wanted(device)]
    devices = required.words() - required.TOOLS - {"cpu"}
    for word in sorted(devices | set() if any(not device.absent for device in found) else devices | {"opencl"}):
        if not any(_matches(word, device) for device in found):
            there = ", ".join(device.id for device in listed) or "none"
            found.append(Backend(word, word, True, f"no device {word!r} is listed and selected; there are: {there}"))
    return tuple(found) if NO_CPU_PATH in _chosen() else (Backend("cpu"), *found)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "backend" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.backend)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        # What takes a backend of its own opens it as an OpenCL device.
        of_opencl = "acc" not in metafunc.fixturenames or metafunc.definition.get_closest_marker("bulk") is not None
        of_kernels = metafunc.definition.get_closest_marker("kernels") is not None
        backends = [
            each for each in _backends() if not (of_opencl and each.kind == RTL) and (each.is_device or not of_kernels)
        ]
        metafunc.parametrize("backend", backends, indirect=True, ids=lambda backend: backend.id)
    if "corpus_file" in metafunc.fixturenames:
        # The stem of each archive; none is a test that is skipped, or fails where the corpus is required.
        stems = sorted(path.stem for path in CORPUS.glob("*.zip")) or [""]
        metafunc.parametrize("corpus_file", stems, indirect=True, ids=lambda stem: stem or "no corpus")


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> Backend:
    """Where the test runs."""
    found: Backend = request.param
    if found.absent:
        named = [word for word in sorted(required.words()) if _matches(word, found)]
        required.missing(named[0] if named else found.id, found.absent)
    return found


_open: dict[str, fa.Accelerator] = {}


@pytest.fixture
def acc(backend: Backend) -> Iterator[fa.Accelerator]:
    """An Accelerator on the backend: one for all tests, all of whose work must run there and be verified."""
    if backend.id not in _open:
        _open[backend.id] = fa.Accelerator(backend.id, fallback="never", verify="always")
        if backend.kind == RTL:
            _skip_what_has_no_core(_open[backend.id])
    opened = _open[backend.id]
    before = Counter(opened.stats())
    yield opened
    done = Counter(opened.stats())
    done.subtract(before)
    assert not done["fallbacks"]
    if backend.is_device:
        assert done["backend.cpu"] == done["reason.empty"], "work of a device ran on the CPU path"
    else:
        assert not done["backend.opencl"] + done["backend.rtl"], "work of the CPU path ran on a device"


def _skip_what_has_no_core(opened: fa.Accelerator) -> None:
    """Skip each test of an operation that the simulator has no core for, which is most of them."""
    planner = opened._executor.planner
    device_plan = planner._device_plan

    def plan(operation: Operation[Any]) -> Plan:
        found = device_plan(operation)
        if found.reason is Reason.UNSUPPORTED:
            pytest.skip(found.detail)
        return found

    planner._device_plan = plan  # type: ignore[method-assign]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report: pytest.TestReport = yield
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get("backend") if callspec else None
    if found is not None:
        if not any(name == "backend" for name, _ in item.user_properties):
            item.user_properties.append(("backend", found.id))
        report.user_properties = list(item.user_properties)
        if report.failed and found.id in _open:
            # A failure can put a device into quarantine; the next test starts anew.
            _open.pop(found.id).close()
    return report


def pytest_sessionfinish() -> None:
    while _open:
        _open.popitem()[1].close()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    names: dict[str, None] = {}
    for outcome, reports in terminalreporter.stats.items():
        kind = "failed" if outcome == "error" else outcome
        for report in reports if kind in OUTCOMES else ():
            for name, value in getattr(report, "user_properties", ()):
                if name == "backend":
                    names[value] = None
                    counts[value, kind] += 1
    if names:
        terminalreporter.section("tests per backend")
        width = max(len("backend"), *map(len, names))
        terminalreporter.write_line(f"{'backend':{width}}" + "".join(f"{kind:>10}" for kind in OUTCOMES))
        for name in names:
            row = "".join(f"{counts[name, kind]:>10}" for kind in OUTCOMES)
            terminalreporter.write_line(f"{name:{width}}{row}")


@pytest.fixture(scope="session")
def emulator() -> str:
    """Id of the FPGA emulator."""
    found = [device.id for device in fa.devices() if device.kind == "fpga-emulator" and device.usable]
    return found[0] if found else required.missing("fpga-emulator", "no FPGA emulator is usable")


@pytest.fixture(scope="session")
def pocl() -> str:
    """Id of PoCL's CPU, which builds any variant in a moment."""
    found = [device.id for device in fa.devices() if device.id.startswith("pocl") and device.usable]
    return found[0] if found else required.missing("pocl", "PoCL is not usable")


# ---- tools and data ----


@pytest.fixture(scope="session")
def lz4_command() -> str:
    """Path of the `lz4` command."""
    return shutil.which("lz4") or required.missing("lz4", "PATH has no lz4 command")


@pytest.fixture
def corpus_file(request: pytest.FixtureRequest) -> bytes:
    """The content of one archive of the corpus."""
    if not request.param:
        required.missing("corpus", f"{CORPUS} has no .zip files")
    return _unzipped(CORPUS / f"{request.param}.zip")


@cache
def _unzipped(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return b"".join(archive.read(name) for name in sorted(archive.namelist()))


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of the `cryptography_vectors` package."""
    try:
        import cryptography_vectors
    except ImportError:
        required.missing("vectors", "cryptography_vectors is not installed")
    return Path(cryptography_vectors.__file__).parent
