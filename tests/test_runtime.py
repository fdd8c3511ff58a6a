"""Devices as processes meet them: caches that are damaged, forks, signals, memory strategies, runtimes that misbehave.

What needs a process of its own runs in one, with a time limit: a hang is a failure, not a hung test run.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import hmac
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lz4.frame
import numpy as np
import pytest
import required
import sizes
from children import all_ended, environment, finish, run, start
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from launches import captured

import fpga_accel as fa
from fpga_accel.backends import opencl
from fpga_accel.operations.keyed import SHORT_ROW
from fpga_accel.runtime import buffers, discovery, icd, manifests, platforms, programs, quirks, waits
from fpga_accel.runtime.buffers import PAGE, PagePool, size_class
from fpga_accel.runtime.opencl import cl
from fpga_accel.runtime.pipeline import WorkShape
from fpga_accel.runtime.programs import BuildRequest, Identity, WarmRow
from fpga_accel.segments import Launch

KEY, NONCE, COUNTER = bytes(range(32)), bytes(12), bytes(16)


# An operation on the device of the first argument, of a kernel that is built soon, checked against the library.
WORK = """
    import logging, sys, zlib
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    import fpga_accel as fa
    data = bytes(range(251)) * 1000
    acc = fa.Accelerator(sys.argv[1], fallback="never", verify="always")
    assert acc.checksum(data, "adler32") == zlib.adler32(data)
    assert acc.last_receipt.backend == "opencl"
    print("right", acc.last_receipt.variant)
"""
BUILDING = "building a kernel"


@pytest.fixture(scope="module")
def device() -> str:
    """Id of the quickest usable OpenCL device."""
    usable = sorted((each for each in fa.devices() if each.usable), key=lambda each: each.kind == "fpga-emulator")
    return usable[0].id if usable else required.missing("opencl", "no OpenCL device is usable")


@pytest.fixture(scope="module")
def warm_cache(device: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that holds what WORK needs of the device; tests copy it."""
    folder = tmp_path_factory.mktemp("warm") / "cache"
    out, err = run(WORK, device, FPGA_ACCEL_CACHE_DIR=str(folder))
    assert out.startswith("right")
    assert err.count(BUILDING) == len(program_files(folder)) >= 2
    return folder


@pytest.fixture
def own_cache(warm_cache: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(warm_cache, tmp_path / "cache"))


def program_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("programs/*/*.bin"))


# ---- the package and its loader ----


def test_importing_the_package_touches_no_opencl() -> None:
    code = """
        import sys
        import fpga_accel as fa
        with fa.Accelerator("cpu") as acc:
            assert acc.decompress(acc.compress(b"text")) == b"text"
        # Small work of the default Accelerator opens nothing either.
        assert fa.decrypt(fa.encrypt(b"text", bytes(32)), bytes(32)) == b"text"
        print(sorted(name for name in sys.modules if "opencl" in name and not name.startswith("fpga_accel.")))
        import fpga_accel.testing, fpga_accel.backends
        print("pyopencl" in sys.modules)
    """
    assert run(code)[0].split("\n") == ["[]", "False", ""]


def test_a_hash_imports_no_codec_and_a_cipher_no_hash() -> None:
    libraries = {"blake3", "cramjam", "google_crc32c", "isal", "lz4", "zlib_ng", "zstandard"}
    code = f"""
        import sys
        import fpga_accel as fa
        with fa.Accelerator("cpu") as acc:
            acc.digest(b"text")
            acc.encrypt(b"text", bytes(32))
            print(sorted({libraries} & set(sys.modules)))
            acc.compress(b"text")
            print("lz4" in sys.modules)
    """
    assert run(code)[0].split("\n") == ["[]", "True", ""]


def test_a_vendors_folder_of_the_user_is_left_alone(tmp_path: Path) -> None:
    code = """
        import os
        import fpga_accel as fa
        fa.devices()
        print(os.environ["OCL_ICD_VENDORS"])
    """
    assert run(code, OCL_ICD_VENDORS=str(tmp_path))[0].strip() == str(tmp_path)


def test_children_that_outlive_their_parent_still_see_every_runtime(tmp_path: Path) -> None:
    """A child inherits the environment, and its parent removes the private folder that the environment names."""
    listing = "import fpga_accel as fa; print([device.id for device in fa.devices()])"
    code = """
        import os
        import fpga_accel as fa
        fa.devices()
        print([os.environ.get(name, "") for name in ("OCL_ICD_VENDORS", "POCL_CACHE_DIR")])
    """
    vendors, pocl = json.loads(run(code)[0].replace("'", '"'))
    if not vendors:
        pytest.skip("no runtime is packaged in a way that needs a folder of the loader")
    assert not Path(vendors).exists()
    inherited = run(listing, OCL_ICD_VENDORS=vendors, POCL_CACHE_DIR=pocl)[0]
    assert inherited == run(listing)[0]


# Prints whether every core has threads that are bound to it, and the setting.
BOUND = """
    import os
    import sys
    from pathlib import Path
    import fpga_accel as fa
    os.sched_setaffinity(0, eval(sys.argv[1]) or os.sched_getaffinity(0))
    fa.devices()
    allowed = [
        line.split()[1]
        for status in Path("/proc/self/task").glob("*/status")
        for line in status.read_text().splitlines()
        if line.startswith("Cpus_allowed_list:")
    ]
    print({int(each) for each in allowed if each.isdigit()} == os.sched_getaffinity(0), os.environ.get("POCL_AFFINITY"))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are listed by Linux alone")
def test_threads_of_pocl_are_bound_to_a_core_each_where_it_has_all_of_them() -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or cores != list(range(os.cpu_count() or 0)):
        pytest.skip("this process may not use all cores, or there is one alone")
    if not any(device.id.startswith("pocl") for device in fa.devices()):
        pytest.skip("there is no PoCL")
    assert run(BOUND, "()", POCL_AFFINITY=None)[0].strip() == "True 1"
    # What the user says stands. Intel's runtime binds one of its threads.
    assert run(BOUND, "()", POCL_AFFINITY="0")[0].strip() == "False 0"
    assert run(BOUND, "()", POCL_AFFINITY=None, POCL_MAX_PTHREAD_COUNT="2")[0].strip() == "False None"
    # What a parent of this package has set is decided anew, and what a user has set stays.
    inherited = {"POCL_AFFINITY": "1", "FPGA_ACCEL_BOUND": "1"}
    assert run(BOUND, "()", **inherited)[0].strip() == "True 1"
    assert run(BOUND, "()", **inherited, POCL_MAX_PTHREAD_COUNT="2")[0].strip() == "False None"
    assert run(BOUND, "{0}", **inherited)[0].strip().endswith(" None")
    assert run(BOUND, "{0}", POCL_AFFINITY="1")[0].strip().endswith(" 1")


USING = """
    import sys
    import fpga_accel as fa
    from fpga_accel.runtime import scratch
    fa.devices()
    print(scratch.folder(), flush=True)
    sys.stdin.readline()
"""


def test_the_folder_of_a_killed_process_goes_with_the_next_one(tmp_path: Path) -> None:
    """That of one that lives stays, and what is no such folder."""
    other = tmp_path / "fpga-accel-other"
    other.mkdir()
    living, killed = start(USING, TMPDIR=str(tmp_path)), start(USING, TMPDIR=str(tmp_path))
    folders = [Path(child.stdout.readline().strip()) for child in (living, killed)]  # type: ignore[union-attr]
    with all_ended([living, killed]):
        killed.kill()
        killed.communicate()
        assert all(folder.is_dir() for folder in folders)
        out = run(USING, TMPDIR=str(tmp_path))[0]
        assert [folder.exists() for folder in folders] == [True, False]
        finish(living)
    assert not any(folder.exists() for folder in (*folders, Path(out.strip())))
    assert list(tmp_path.glob("fpga-accel-*")) == [other]


def test_packaged_runtimes_are_files_of_their_packages() -> None:
    found = icd.packaged_runtimes()
    for name, path in found.items():
        assert metadata.version(name)
        assert path.is_absolute()
        assert path.is_file()
        assert ".so" in path.name


def test_a_package_without_its_driver_is_no_runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = SimpleNamespace(name="libintelocl.so", locate=lambda: tmp_path / "libintelocl.so")
    monkeypatch.setattr(
        "fpga_accel.runtime.icd.metadata.files", lambda name: [gone] if name == "intel-opencl-rt" else None
    )
    assert icd.packaged_runtimes() == {}
    (tmp_path / "libintelocl.so").touch()
    assert icd.packaged_runtimes() == {"intel-opencl-rt": (tmp_path / "libintelocl.so").resolve()}

    def absent(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("fpga_accel.runtime.icd.metadata.files", absent)
    assert icd.packaged_runtimes() == {}


# ---- containers of programs ----

IDENTITY = Identity("platform", "1", "a device", "1", "1", "", 0)


def request_of(source: str) -> BuildRequest:
    return BuildRequest(IDENTITY, source, (), ())


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The container of ``request_of("a")``, in a cache of its own."""
    monkeypatch.setenv("FPGA_ACCEL_CACHE_DIR", str(tmp_path / "cache"))
    path = programs._path(request_of("a"))
    programs.write_container(path, request_of("a").key, b"program of a" * 50)
    programs.write_container(programs._path(request_of("b")), request_of("b").key, b"program of b" * 50)
    return path


def _flip(offset: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        # Containers of variants that were refused are short.
        data[offset % len(data)] ^= 1 << (offset % 8)
        path.write_bytes(data)

    return damage


def _cut(size: int) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(path.read_bytes()[:size])


def _become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _become_the_other(path: Path) -> None:
    path.write_bytes(programs._path(request_of("b")).read_bytes())


# Header: 21 bytes of magic, 32 of the key, 32 of the digest.
_OFFSETS = (0, 5, 20, 21, 37, 52, 53, 70, 84, 85, 300, -1)
DAMAGE: dict[str, Callable[[Path], object]] = {
    **{f"flip {offset}": _flip(offset) for offset in _OFFSETS},
    **{f"cut to {size}": _cut(size) for size in (0, 1, 20, 21, 53, 84, 85, 86, 300, -1)},
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "garbage": lambda path: path.write_bytes(os.urandom(700)),
    "another kernel's": _become_the_other,
    "a folder": _become_a_folder,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_container_is_never_used(container: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    key = request_of("a").key
    assert programs.read_container(container, key) == b"program of a" * 50
    DAMAGE[damage](container)
    with caplog.at_level(logging.WARNING):
        assert programs.read_container(container, key) is None
    assert [str(container) in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize("damage", [*DAMAGE, "deleted"])
def test_what_is_damaged_is_built_again(container: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    built: list[BuildRequest] = []

    def build(request: BuildRequest) -> bytes:
        built.append(request)
        return b"built anew"

    monkeypatch.setattr(programs, "_build_in_child", build)
    assert programs.binary(request_of("a")) == b"program of a" * 50
    (DAMAGE | {"deleted": Path.unlink})[damage](container)
    assert [programs.binary(request_of("a")) for _ in range(2)] == [b"built anew"] * 2
    # A folder in its place cannot be replaced: that costs time, nothing else.
    assert len(built) == (2 if damage == "a folder" else 1)
    assert programs.binary(request_of("b")) == b"program of b" * 50


def test_a_container_is_for_one_device_driver_source_and_set_of_options() -> None:
    keys = {
        BuildRequest(identity, source, options, ()).key
        for identity in (IDENTITY, *(Identity(*row) for row in _changed_identities()))
        for source in ("a", "b")
        for options in ((), ("-DX=1",), ("-DX", "=1"))
    }
    assert len(keys) == (1 + 6) * 2 * 3


def _changed_identities() -> Iterator[list[Any]]:
    fields = ["platform", "1", "a device", "1", "1", "", 0]
    for index in range(6):
        yield [*fields[:index], f"{fields[index]}x", *fields[index + 1 :]]


def test_writers_at_once_leave_one_whole_container(container: Path) -> None:
    key = request_of("a").key
    contents = [bytes([number]) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: programs.write_container(container, key, content), contents * 5))
    assert programs.read_container(container, key) in contents
    assert not list(container.parent.glob("*.tmp"))


@pytest.fixture
def absent(tmp_path: Path) -> Path:
    """Where a container is not yet."""
    return tmp_path / "programs" / "program.bin"


def test_one_builds_for_all_that_wait(absent: Path) -> None:
    built: list[int] = []

    def build() -> bytes:
        time.sleep(0.3)
        built.append(1)
        return b"program"

    key = request_of("a").key
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: programs.kept(absent, key, build, 60.0), range(8)))
    assert (found, built) == ([b"program"] * 8, [1])
    assert list(absent.parent.iterdir()) == [absent]


def test_who_waits_builds_at_last(absent: Path) -> None:
    key, lock = request_of("a").key, absent.with_suffix(".lock")
    with programs._turn(lock, 0.0):
        assert programs.kept(absent, key, lambda: b"program", 0.1) == b"program"
    assert programs.read_container(absent, key) == b"program"


def test_a_builder_that_fails_makes_way(absent: Path) -> None:
    def fail() -> bytes:
        time.sleep(0.2)
        raise programs.BuildFailed("it crashed")

    key = request_of("a").key
    with ThreadPoolExecutor(1) as pool:
        failing = pool.submit(programs.kept, absent, key, fail, 60.0)
        time.sleep(0.1)
        assert programs.kept(absent, key, lambda: b"program", 60.0) == b"program"
        with pytest.raises(programs.BuildFailed):
            failing.result()


def test_a_failed_build_is_remembered(container: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_build_in_child", lambda request: programs._FAILED + b"line 3: error: no such type")
    with pytest.raises(programs.BuildFailed, match="line 3"):
        programs.binary(request_of("c"))
    monkeypatch.setattr(programs, "_build_in_child", None)
    with pytest.raises(programs.BuildFailed, match="line 3"):
        programs.binary(request_of("c"))


def test_a_compiler_that_crashes_or_hangs_is_not_remembered(container: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*args: Any, **kwargs: Any) -> Any:
        return subprocess.CompletedProcess(args, -6, b"", b"unknown target CPU")

    def hang(*args: Any, **kwargs: Any) -> Any:
        raise subprocess.TimeoutExpired("compiler", 1)

    monkeypatch.setattr("subprocess.run", crash)
    with pytest.raises(programs.BuildFailed, match="ended with -6: unknown target CPU"):
        programs.binary(request_of("c"))
    monkeypatch.setattr("subprocess.run", hang)
    with pytest.raises(fa.DeviceTimeoutError, match="longer than"):
        programs.binary(request_of("c"))
    assert not programs._path(request_of("c")).exists()


@pytest.mark.parametrize("executable", [None, "", "/nonexistent", "/bin/echo"])
def test_a_python_that_is_no_program_of_its_own_builds_nothing(
    container: Path, monkeypatch: pytest.MonkeyPatch, executable: str | None
) -> None:
    monkeypatch.setattr("fpga_accel.runtime.programs.sys.executable", executable)
    with pytest.raises(programs.BuildFailed, match="compiler process"):
        programs.binary(request_of("c"))
    assert not programs._path(request_of("c")).exists()


def test_a_device_that_the_compiler_does_not_see_is_not_remembered_as_a_bad_kernel(container: Path) -> None:
    """The next process may see it: an environment that hides a runtime is no property of the source."""
    with pytest.raises(programs.BuildFailed, match="not there"):
        programs.binary(request_of("c"))
    assert not programs._path(request_of("c")).exists()


def test_a_first_launch_that_fails_is_not_remembered_as_a_bad_kernel(container: Path) -> None:
    """Memory of a GPU that other processes hold is free again later; what a compiler says before is no cause."""
    listed = next((device for device in platforms.listed() if device.kind == "cpu"), None)
    if listed is None:
        required.missing("pocl", "no CPU device of OpenCL is listed")
    row = WarmRow("absent", b"", b"", b"", 1, 1, 1)
    request = BuildRequest(listed.identity, "#warning a\nkernel void present(global int *p) { *p = 1; }", (), (row,))
    with pytest.raises(programs.BuildFailed, match="the compiler process ended with 1: ") as caught:
        programs.binary(request)
    assert "error: the first launch failed: " in opencl._first_error_line(str(caught.value))
    assert not programs._path(request).exists()


def test_forgetting_in_a_cache_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FPGA_ACCEL_CACHE_DIR", str(tmp_path / "file"))
    programs.forget(request_of("a"))


# ---- caches of whole processes ----


def test_a_fresh_process_builds_nothing_that_is_cached(own_cache: Path, device: str) -> None:
    before = {path: path.read_bytes() for path in program_files(own_cache)}
    out, err = run(WORK, device, FPGA_ACCEL_CACHE_DIR=str(own_cache))
    assert out.startswith("right")
    assert BUILDING not in err
    assert {path: path.read_bytes() for path in program_files(own_cache)} == before


def _flip_each(paths: list[Path]) -> None:
    for number, path in enumerate(paths):
        _flip(100 + 977 * number)(path)


def _rotate(paths: list[Path]) -> None:
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, contents[1:] + contents[:1], strict=True):
        path.write_bytes(content)


def _each(damage: Callable[[Path], object]) -> Callable[[list[Path]], object]:
    return lambda paths: [damage(path) for path in paths]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(_flip_each, id="a flipped bit in each"),
        pytest.param(_each(lambda path: os.truncate(path, path.stat().st_size // 2)), id="half of each"),
        pytest.param(_rotate, id="each another's"),
        pytest.param(_each(Path.unlink), id="deleted"),
    ],
)
def test_a_damaged_cache_costs_time_and_nothing_else(
    own_cache: Path, device: str, damage: Callable[[list[Path]], object]
) -> None:
    paths = program_files(own_cache)
    sound = [path.read_bytes()[: 21 + 32] for path in paths]
    damage(paths)
    out, err = run(WORK, device, FPGA_ACCEL_CACHE_DIR=str(own_cache))
    assert out.startswith("right")
    assert err.count(BUILDING) == len(paths)
    assert [path.read_bytes()[: 21 + 32] for path in paths] == sound


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_cache_that_cannot_be_written_works_with_a_warning(device: str, tmp_path: Path, place: str) -> None:
    # A file in the folder's place: permissions do not stop root.
    (tmp_path / "file").write_bytes(b"mine")
    out, err = run(WORK, device, FPGA_ACCEL_CACHE_DIR=str(tmp_path / place))
    assert out.startswith("right")
    assert "WARNING fpga_accel.runtime.programs cannot keep" in err
    assert "Traceback" not in err
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_no_child_outlives_a_failed_one() -> None:
    children = [start("raise SystemExit(3)"), start("input()"), start("input()")]
    with pytest.raises(AssertionError), all_ended(children):
        finish(children[0])
    assert [child.returncode for child in children] == [3, -signal.SIGKILL, -signal.SIGKILL]
    assert all(child.stdout is not None and child.stdout.closed for child in children)


def test_ten_processes_start_at_once_on_an_empty_cache(device: str, tmp_path: Path) -> None:
    folder = str(tmp_path / "cache")
    children = [start(WORK, device, FPGA_ACCEL_CACHE_DIR=folder) for _ in range(10)]
    with all_ended(children):
        outputs = [finish(child) for child in children]
    assert len({out for out, _ in outputs}) == 1
    assert outputs[0][0].startswith("right")
    kept = sorted(path for path in Path(folder).glob("programs/*/*") if path.is_file())
    assert kept == program_files(Path(folder))
    # The others wait for whoever is the first.
    assert sum(err.count(BUILDING) for _, err in outputs) == len(kept)
    assert BUILDING not in run(WORK, device, FPGA_ACCEL_CACHE_DIR=folder)[1]


# ---- forks ----

FORK = """
    import json, os, signal, sys, threading
    import lz4.frame
    import fpga_accel as fa
    device, data = sys.argv[1], bytes(range(251)) * 2000

    def in_child(work):
        # One that hangs is ended by the signal.
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)
            try:
                found = work()
            except BaseException as error:
                found = [each.__name__ for each in type(error).__mro__]
            os.write(writing, json.dumps(found).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            text = pipe.read()
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return json.loads(text) if text else f"ended with {ended}"

    def use(acc):
        frame = acc.compress(data)
        assert lz4.frame.decompress(frame) == data and acc.decompress(frame) == data
        assert acc.decrypt(acc.encrypt(data, bytes(32)), bytes(32)) == data
        receipt = acc.last_receipt
        return [receipt.backend, receipt.reason, receipt.fallback]
"""


def test_a_forked_child_of_a_parent_that_opened_devices(device: str) -> None:
    code = (
        FORK
        + """
    allowed = fa.Accelerator(device, fallback="allow")
    never = fa.Accelerator(device, fallback="never")
    auto = fa.Accelerator("auto", fallback="never")
    assert use(allowed)[0] == use(never)[0] == "opencl"
    use(auto)
    found = {
        "inherited allow": in_child(lambda: use(allowed)),
        "inherited never": in_child(lambda: use(never)),
        "inherited auto": in_child(lambda: use(auto)),
        "new opencl allow": in_child(lambda: use(fa.Accelerator("opencl", fallback="allow"))),
        "new opencl never": in_child(lambda: use(fa.Accelerator("opencl", fallback="never"))),
        "new id allow": in_child(lambda: use(fa.Accelerator(device, fallback="allow"))),
        "new id never": in_child(lambda: use(fa.Accelerator(device, fallback="never"))),
        "new auto": in_child(lambda: use(fa.Accelerator("auto", fallback="allow"))),
        "default": in_child(lambda: use(fa)),
        "grandchild": in_child(lambda: in_child(lambda: use(allowed))),
        "devices": in_child(lambda: [each.usable for each in fa.devices()]),
        "parent": use(never),
    }
    print(json.dumps(found))
    """.replace("use(fa))", "[fa.decompress(fa.compress(data)) == data])")
    )
    found = json.loads(run(code, device)[0])
    forked = ["cpu", "forked", True]
    assert found.pop("parent")[0] == "opencl"
    assert found.pop("devices") == [False] * len(fa.devices())
    assert found.pop("default") == [True]
    for name in ("inherited auto", "new auto"):
        assert found.pop(name)[0] == "cpu"
    for name in ("inherited allow", "new opencl allow", "new id allow", "grandchild"):
        assert found.pop(name) == forked, name
    for name in ("inherited never", "new opencl never", "new id never"):
        assert "ForkedContextError" in found[name], (name, found[name])
        assert "FallbackDisabledError" in found.pop(name)
    assert not found


def test_a_forked_child_of_a_parent_that_opened_none_has_the_device(device: str) -> None:
    code = (
        FORK
        + """
    assert fa.decompress(fa.compress(b"small")) == b"small"
    shared = fa.Accelerator("auto")
    print(json.dumps([
        in_child(lambda: use(fa.Accelerator(device, fallback="never"))),
        in_child(lambda: use(fa.Accelerator("opencl", fallback="never"))),
        in_child(lambda: shared.explain("compress", 1 << 24).reason),
    ]))
    """
    )
    by_id, by_class, auto = json.loads(run(code, device)[0])
    assert by_id[0] == by_class[0] == "opencl"
    assert auto == "faster"


LOCKS = ("acc.engine.planner._lock", "acc.engine.ledger._lock", "discovery._inventory.lock", "POOL._lock")


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("name", ["auto", "opencl"])
def test_a_lock_that_another_thread_held_at_the_fork_is_free_in_the_child(device: str, lock: str, name: str) -> None:
    code = f"""{FORK}
    from fpga_accel.runtime import discovery
    from fpga_accel.runtime.buffers import POOL
    acc = fa.Accelerator("{name}", fallback="allow")
    use(acc)
    ready, done = threading.Event(), threading.Event()

    def hold():
        with {lock}:
            ready.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    ready.wait()
    found = in_child(lambda: [use(acc), acc.stats()["calls"] > 0])
    done.set()
    thread.join()
    print(json.dumps(found))
    """
    found = json.loads(run(code, device)[0])
    assert isinstance(found, list), found
    (backend, *_), counted = found
    assert (backend, counted) == ("cpu", True)


POOLED = """
    import multiprocessing, sys
    import lz4.frame
    import fpga_accel as fa

    DATA = bytes(range(251)) * 2000

    def work(arguments):
        device, fallback = arguments
        try:
            with fa.Accelerator(device, fallback=fallback) as acc:
                assert lz4.frame.decompress(acc.compress(DATA)) == DATA
                return acc.last_receipt.backend
        except fa.ForkedContextError:
            return "ForkedContextError"

    if __name__ == "__main__":
        device, method = sys.argv[1:]
        assert work((device, "never")) == "opencl"
        with multiprocessing.get_context(method).Pool(2) as pool:
            jobs = [(device, "never"), (device, "allow"), ("opencl", "never"), ("auto", "allow")]
            print(pool.map_async(work, jobs).get(60))
"""


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("fork", ["ForkedContextError", "cpu", "ForkedContextError", "cpu"]),
        ("forkserver", ["opencl"] * 3),
        ("spawn", ["opencl"] * 3),
    ],
)
def test_children_of_multiprocessing(device: str, tmp_path: Path, method: str, expected: list[str]) -> None:
    script = tmp_path / "pooled.py"
    script.write_text(textwrap.dedent(POOLED))
    command = [sys.executable, str(script), device, method]
    child = subprocess.Popen(command, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    found = json.loads(finish(child)[0].replace("'", '"'))
    assert found[: len(expected)] == expected


# ---- switches ----


def variants(name: str) -> list[str]:
    return [variant.name for variant in manifests.shipped(name).variants]


SWITCHED = """
    import json, sys
    import fpga_accel as fa
    acc = fa.Accelerator(sys.argv[1], fallback="allow", verify="always")
    data = bytes(range(251)) * 100
    if sys.argv[2] == "aes":
        assert acc.decrypt(acc.encrypt(data, bytes(32)), bytes(32)) == data
    else:
        assert acc.decompress(acc.compress(data)) == data
    receipt = acc.last_receipt
    print(json.dumps([receipt.backend, receipt.variant, receipt.reason]))
"""


def test_disabled_variants_give_way_to_the_next(device: str) -> None:
    cases = [(name, count) for name in ("aes", "lz4") for count in range(len(variants(name)))]
    children = [
        start(SWITCHED, device, name, FPGA_ACCEL_DISABLE=",".join(variants(name)[:count])) for name, count in cases
    ]
    with all_ended(children):
        found = [json.loads(finish(child)[0]) for child in children]
    for (name, count), (backend, variant, reason) in zip(cases, found, strict=True):
        assert (backend, reason) == ("opencl", "asked")
        # This machine may lack what a variant needs; then it is one further down.
        assert variant in variants(name)[count:]
    plainest = {name: variant for (name, _), (_, variant, _) in zip(cases, found, strict=True)}
    assert plainest == {name: variants(name)[-1] for name in ("aes", "lz4")}


def test_with_every_variant_disabled_the_cpu_path_is_left(device: str) -> None:
    names = set(variants("aes")) | {"opencl"}
    out, _ = run(SWITCHED, "opencl", "aes", FPGA_ACCEL_DISABLE=",".join(names))
    assert json.loads(out) == ["cpu", "cryptography", "disabled"]
    # The trial kernel's only variant has a name of its own or this one: then no device is usable at all.
    code = SWITCHED.replace("sys.argv[1]", "'opencl'")
    out, _ = run(code, device, "aes", FPGA_ACCEL_DISABLE=",".join(variants("aes")))
    backend, _, reason = json.loads(out)
    assert backend == "cpu"
    assert reason in ("build_failed", "no_device")


def test_an_unknown_name_to_disable_is_an_error(device: str) -> None:
    code = """
        import fpga_accel as fa
        try:
            fa.Accelerator("opencl", fallback="allow")
        except ValueError as error:
            print(error)
    """
    out, _ = run(code, FPGA_ACCEL_DISABLE="vaes,no-such-thing")
    assert "no-such-thing" in out
    assert "portable" in out
    assert "opencl" in out


# ---- which device ----


# Id, kind and whether its trial passes, in the loader's order.
SEVERAL = (
    ("emulator-0", "fpga-emulator", True),
    ("pocl-0", "cpu", True),
    ("pocl-1", "cpu", False),
    ("card-0", "fpga", True),
)


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with the devices of `SEVERAL`."""

    def entry(name: str, kind: str) -> Any:
        return SimpleNamespace(
            kind=kind,
            identity=SimpleNamespace(device=f"Name of {name}", platform="A Platform", device_version="1.2"),
        )

    def open_backend(name: str) -> Any:
        if not {each: usable for each, _, usable in SEVERAL}[name]:
            raise fa.DeviceError("its trial failed", device=name)
        return SimpleNamespace(name="opencl", device_id=name)

    entries = {name: entry(name, kind) for name, kind, _ in SEVERAL}
    monkeypatch.setattr(discovery, "_listed", lambda: entries)
    monkeypatch.setattr(discovery, "open_backend", open_backend)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("opencl", "card-0"),
        ("fpga", "card-0"),
        ("fpga-emulator", "emulator-0"),
        ("pocl-0", "pocl-0"),
        ("POCL-0", "pocl-0"),
        ("name of card", "card-0"),
        (0, "emulator-0"),
        (3, "card-0"),
        ("1", "pocl-0"),
    ],
)
def test_a_device_is_chosen_by_class_index_id_or_part_of_its_name(several: None, wanted: str | int, found: str) -> None:
    assert discovery.select(wanted) == found


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ("no-such-card", "matches no usable device"),
        ("pocl-1", "matches no usable device"),
        ("pocl", "is ambiguous"),
        ("platform", "is ambiguous"),
        (4, "matches no usable device"),
        (-1, "matches no usable device"),
        ("99", "matches no usable device"),
        (2, "matches no usable device"),
    ],
)
def test_a_name_that_is_not_one_usable_device_is_an_error_that_lists_all(
    several: None, wanted: str | int, problem: str
) -> None:
    with pytest.raises(fa.DeviceNotFoundError, match=problem) as error:
        discovery.select(wanted)
    assert not error.value.absent_class
    for name, _, _ in SEVERAL:
        assert name in str(error.value)
    assert "rejected: its trial failed" in str(error.value)
    with pytest.raises(fa.DeviceNotFoundError):
        fa.Accelerator(wanted, fallback="allow")


@pytest.mark.parametrize("wanted", ["gpu", "rtl"])
def test_a_class_that_is_absent_is_told_apart(several: None, wanted: str) -> None:
    with pytest.raises(fa.DeviceNotFoundError, match=f"no usable {wanted} device") as error:
        discovery.select(wanted)
    assert error.value.absent_class
    with pytest.raises(fa.DeviceNotFoundError):
        fa.Accelerator(wanted, fallback="never")
    with fa.Accelerator(wanted, fallback="allow") as acc:
        acc.compress(b"text")
        receipt = acc.last_receipt
    assert receipt is not None
    assert (receipt.reason, receipt.fallback) == (fa.Reason.NO_DEVICE, True)


# ---- memory strategies ----


@cache
def batch() -> tuple[bytes, ...]:
    return tuple(sizes.mixed(size) for size in (*sizes.SMALL, *sizes.around(64 << 10), 300_000))


@cache
def large() -> bytes:
    # More than one piece of a gathered launch, of 32 MiB each.
    return sizes.mixed(80 << 20)


def ctr(data: bytes) -> bytes:
    return bytes(Cipher(algorithms.AES(KEY), modes.CTR(COUNTER)).encryptor().update(data))


@pytest.fixture(scope="module", params=["direct", "wrapped", "staged"])
def forced(request: pytest.FixtureRequest, device: str) -> Iterator[fa.Accelerator]:
    """An Accelerator whose backend reaches memory in one way, whatever is the best here."""
    from fpga_accel.backends.opencl import OpenClBackend
    from fpga_accel.runtime.pipeline import Strategy

    found = discovery.listed(device)
    if found.kind not in ("cpu", "fpga-emulator") and request.param != "staged":
        pytest.skip(f"{device} has memory of its own, so it is staged only")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenClBackend, "_choose_strategy", lambda self: Strategy(request.param))
        backend = OpenClBackend(found, device)
    opens = SimpleNamespace(open_backend=lambda: backend)
    with fa.Accelerator(opens, fallback="never", verify="never") as acc:
        yield acc
        assert acc.stats()["backend.opencl"] > 0
        assert backend.strategy.value == request.param


def test_every_strategy_encrypts_batches_of_many_sizes(forced: fa.Accelerator) -> None:
    items = list(batch())
    count = len(items)
    sealed = forced.encrypt_many(items, KEY, nonces=[NONCE] * count)
    assert sealed == [AESGCM(KEY).encrypt(NONCE, item, None) for item in items]
    assert forced.decrypt_many(sealed, KEY, nonces=[NONCE] * count) == items
    streamed = forced.encrypt_many(items, KEY, "aes-ctr", nonces=[COUNTER] * count)
    assert streamed == [ctr(item) for item in items]
    assert forced.decrypt_many(streamed, KEY, "aes-ctr", nonces=[COUNTER] * count) == items


def test_every_strategy_compresses_batches_of_many_sizes(forced: fa.Accelerator, device: str) -> None:
    items = list(batch())
    frames = forced.compress_many(items)
    assert [lz4.frame.decompress(frame) for frame in frames] == items
    with fa.Accelerator(device, fallback="never") as usual:
        assert usual.compress_many(items) == frames
    assert forced.decompress_many(frames) == items
    linked = lz4.frame.compress(items[-1], block_size=4, block_linked=True)
    assert forced.decompress(linked) == items[-1]


def test_every_strategy_takes_more_than_a_piece(forced: fa.Accelerator) -> None:
    data = large()
    out = bytearray(len(data) + 16)
    assert forced.encrypt_into(data, out, KEY, nonce=NONCE) == len(out)
    assert out == AESGCM(KEY).encrypt(NONCE, data, None)
    back = bytearray(len(data))
    assert forced.decrypt_into(out, back, KEY, nonce=NONCE) == len(data)
    assert back == data
    frame = forced.compress(data)
    assert lz4.frame.decompress(frame) == data
    assert forced.decompress(frame) == data


@pytest.mark.parametrize("size", [0, 1, 16, 200])
def test_every_strategy_takes_and_wipes_mac_keys_of_any_size(forced: fa.Accelerator, size: int) -> None:
    import pyopencl as cl

    items, key = (
        [b"", b"text", bytes(5000)],
        bytes(range(251, 251 - size, -1)),
    )
    assert forced.mac_many(items, key, "hmac-sha256") == [hmac.digest(key, item, "sha256") for item in items]
    backend: Any = forced.engine.planner.backend
    pipeline = backend._pipeline
    regions = [lane._regions["params"] for lane in pipeline._idle if "params" in lane._regions]
    assert regions or pipeline.strategy.value == "direct"
    for region in regions:
        held = np.empty(region.slab.size, np.uint8)
        cl.enqueue_copy(pipeline._idle[0].queue, held, region.buffer)
        assert size < 16 or key not in held.tobytes()
        assert size < 16 or key not in region.slab.array.tobytes()


@pytest.fixture
def rows(forced: fa.Accelerator, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each launch of a backend that is taken for a GPU, which works on thousands of rows at once."""
    from fpga_accel.backends.opencl import OpenClBackend

    found: list[int] = []
    start = OpenClBackend.start

    def counted(self: OpenClBackend, launch: Launch) -> Any:
        found.append(len(launch.table))
        return start(self, launch)

    monkeypatch.setattr(OpenClBackend, "wide", True)
    monkeypatch.setattr(OpenClBackend, "start", counted)
    return found


@pytest.mark.parametrize("cipher", ["aes-gcm", "aes-ctr", "aes-cbc", "sm4-gcm", "sm4-ctr", "sm4-cbc"])
def test_messages_become_short_rows_for_a_device_of_many(forced: fa.Accelerator, rows: list[int], cipher: str) -> None:
    numbers = [SHORT_ROW - 16, SHORT_ROW, SHORT_ROW + 16, 3 * SHORT_ROW, 9 * SHORT_ROW + 64, 16, 70 * SHORT_ROW]
    items = [large()[:size] for size in numbers]
    nonces = [NONCE if cipher.endswith("gcm") else COUNTER] * len(items)
    with fa.Accelerator("cpu") as cpu:
        expected = cpu.encrypt_many(items, KEY[:16], cipher, nonces=nonces)
    assert forced.encrypt_many(items, KEY[:16], cipher, nonces=nonces) == expected
    serial = cipher.endswith("cbc")
    short = sum(-(-size // SHORT_ROW) for size in numbers)
    assert sum(rows) == (len(items) if serial else short)
    rows.clear()
    assert forced.decrypt_many(expected, KEY[:16], cipher, nonces=nonces) == items
    assert sum(rows) >= short
    if cipher.endswith("gcm"):
        forged = bytearray(expected[4])
        forged[5 * SHORT_ROW] ^= 1
        with pytest.raises(fa.InvalidTag):
            forced.decrypt(forged, KEY[:16], cipher, nonce=NONCE)


def test_sectors_become_short_rows_for_a_device_of_many(forced: fa.Accelerator, rows: list[int]) -> None:
    data, key = large()[: 512 * 200], hashlib.sha512(b"two halves").digest()
    with fa.Accelerator("cpu") as cpu:
        expected = fa.AESXTS(key, accelerator=cpu).encrypt_sectors(data, 7, sector_size=512)
    cipher = fa.AESXTS(key, accelerator=forced)
    assert cipher.encrypt_sectors(data, 7, sector_size=512) == expected
    assert cipher.decrypt_sectors(expected, 7, sector_size=512) == data
    assert rows == [len(data) // SHORT_ROW] * 2


def test_every_strategy_serves_threads_at_once(forced: fa.Accelerator) -> None:
    items = batch()

    def work(number: int) -> bool:
        item = items[-1 - number % 5]
        return forced.encrypt(item, KEY, nonce=NONCE) == AESGCM(KEY).encrypt(NONCE, item, None)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(60)))


@pytest.mark.parametrize("kind", [fa.DeviceTimeoutError, fa.DeviceError])
def test_every_strategy_gives_a_launch_up_and_goes_on(
    forced: fa.Accelerator, monkeypatch: pytest.MonkeyPatch, kind: type[fa.DeviceError]
) -> None:
    backend: Any = forced.engine.planner.backend
    pipeline = backend._pipeline
    secret = hashlib.sha256(b"in no test data").digest()
    forced.encrypt(b"warm", KEY)
    abandoned = len(pipeline._abandoned)

    def fail(event: Any, deadline: float | None, device: str, *, unlikely: float = 0.0) -> None:
        raise kind("as told", device=device)

    with monkeypatch.context() as patch:
        patch.setattr(waits, "wait", fail)
        launch = captured("encrypt", "aes-gcm", keys=[secret], nonces=[NONCE])
        with pytest.raises(kind) as error:
            backend.start(launch).outcome(None)
    if isinstance(error.value, fa.DeviceTimeoutError):
        assert error.value.buffers_in_use == (backend.strategy.value == "direct")
    assert len(pipeline._abandoned) == abandoned + 1
    lanes, kept = pipeline._abandoned[-1]
    assert lanes
    assert kept is launch
    slabs = [region.slab for lane in lanes for region in lane._regions.values()]
    assert not {id(slab) for slab in slabs} & {id(slab) for slab in buffers.POOL.idle()}
    assert not set(map(id, lanes)) & set(map(id, pipeline._idle))
    if kind is fa.DeviceError:
        # A kernel that has ended needs no key any more; one that has not may read it yet.
        assert not any(secret in slab.array.tobytes() for slab in slabs)
    assert forced.decrypt(forced.encrypt(b"text", KEY), KEY) == b"text"


# ---- waits ----


class FakeEvent:
    """An event that goes through `statuses`; the last one stays."""

    def __init__(self, *statuses: int | BaseException) -> None:
        self.statuses = list(statuses)

    @property
    def command_execution_status(self) -> int:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(status, BaseException):
            raise status
        return status


@pytest.mark.parametrize(
    ("kind", "rows", "variant", "items"),
    [
        (cl.device_type.CPU, 1, manifests.Variant("v", "v.cl"), 1),
        (cl.device_type.CPU, 5, manifests.Variant("v", "v.cl"), 5),
        (cl.device_type.CPU, 1000, manifests.Variant("v", "v.cl"), 12),
        (cl.device_type.CPU, 1000, manifests.Variant("v", "v.cl", kinds=("fpga",)), 1),
        (cl.device_type.CPU, 1000, manifests.Variant("v", "v.cl", rows_per_item=16), 12),
        # Two and a half for each unit: two, as nobody is to wait for who gets a third.
        (cl.device_type.CPU, 120, manifests.Variant("v", "v.cl", rows_per_item=16), 6),
        (cl.device_type.CPU, 5, manifests.Variant("v", "v.cl", rows_per_item=16), 3),
        (cl.device_type.CPU, 2, manifests.Variant("v", "v.cl", rows_per_item=16), 2),
        (cl.device_type.GPU, 40, manifests.Variant("v", "v.cl", rows_per_item=16), 64),
        (cl.device_type.GPU, 5000, manifests.Variant("v", "v.cl", rows_per_item=16), 768),
    ],
)
def test_work_items_of_a_launch(kind: int, rows: int, variant: manifests.Variant, items: int) -> None:
    handle: Any = SimpleNamespace(type=kind, max_compute_units=3)
    assert WorkShape(handle).items(rows, variant) == items


@pytest.mark.parametrize("line", ['items_per_unit = "4"', "rows_per_item = 0", "rows_per_item = 1.5"])
def test_a_variant_that_is_described_wrongly_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "v.cl").write_text("")
    described = f'abi = 1\nentries = ["odd"]\n[[variants]]\nname = "v"\nsource = "v.cl"\n{line}\n'
    (tmp_path / "kernel.toml").write_text(described)
    with pytest.raises(ValueError, match="must be whole numbers"):
        manifests.load(tmp_path)


@pytest.mark.parametrize("deadline", [None, 1e12])
def test_a_wait_ends_when_the_event_is_complete(deadline: float | None) -> None:
    event = FakeEvent(3, 2, 1, 1, 0)
    waits.wait(event, deadline, "d")
    assert event.statuses == [0]


def test_little_is_looked_at_before_an_end_is_likely(monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses = [0.0], list[float]()

    def pause(nanoseconds: int) -> None:
        pauses.append(nanoseconds * 1e-9)
        now[0] += pauses[-1]

    monkeypatch.setattr(waits, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(waits, "lib", SimpleNamespace(fa_pause=pause))
    waits.wait(FakeEvent(*[1] * 13, 0), None, "d", unlikely=0.005)
    # What ends early is noticed soon, and what is likely to end as without an expectation.
    assert pauses[:6] == pytest.approx([0.25e-3] * 5 + [1.25e-3 / 4])
    assert sum(pauses[:-1]) == pytest.approx(0.005)
    assert pauses[-1] == pytest.approx(0.005 / 32)
    now[0] = 0.0
    with pytest.raises(fa.DeviceTimeoutError):
        waits.wait(FakeEvent(1), 0.003, "d", unlikely=1000.0)
    assert now[0] < 0.006


def test_the_fastest_of_late_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "time", SimpleNamespace(perf_counter=lambda: 100.0))
    pace = waits.Pace()
    assert pace.unlikely("kernel", 1 << 20, 100.0) == 0
    for seconds in (0.0, -1.0, 0.02, 0.01, 0.03):
        pace.took("kernel", 1 << 20, seconds)
    pace.took("kernel", 0, 0.001)
    assert 0.009 < pace.unlikely("kernel", 1 << 20, 100.0) < 0.01
    assert 0.004 < pace.unlikely("kernel", 1 << 20, 99.995) < 0.005
    assert pace.unlikely("another", 1 << 20, 100.0) == 0
    # Too short to gain.
    assert pace.unlikely("kernel", 1 << 10, 100.0) == 0
    for _ in range(50):
        pace.took("kernel", 1 << 20, 0.03)
    assert 0.027 < pace.unlikely("kernel", 1 << 20, 100.0) < 0.03


def test_a_wait_ends_at_its_deadline() -> None:
    with pytest.raises(fa.DeviceTimeoutError, match=r"no answer after 0\.\d+ s") as error:
        waits.wait(FakeEvent(1), time.monotonic() + 0.01, "the device")
    assert error.value.device == "the device"
    with pytest.raises(fa.DeviceTimeoutError):
        waits.wait(FakeEvent(1), 0.0, "d")
    # Complete is complete, however late it is looked at.
    waits.wait(FakeEvent(0), 0.0, "d")


def test_a_wait_tells_an_error_from_a_timeout() -> None:
    with pytest.raises(fa.DeviceError, match="OpenCL error -5") as error:
        waits.wait(FakeEvent(2, -5), None, "d")
    assert not isinstance(error.value, fa.DeviceTimeoutError)


def test_a_wait_lets_interrupts_through(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        waits.wait(FakeEvent(1, KeyboardInterrupt()), None, "d")

    def interrupted(nanoseconds: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(waits, "lib", SimpleNamespace(fa_pause=interrupted))
    with pytest.raises(KeyboardInterrupt):
        waits.wait(FakeEvent(1), None, "d")


SLOW_FAKE = """
    import fpga_accel as fa
    from fpga_accel.testing import FaultyDevice
    acc = fa.Accelerator(FaultyDevice("run", "slow", seconds=600))
    print("ready", flush=True)
    acc.compress(bytes(1000))
"""
SLOW_REAL = """
    import sys, time
    import numpy as np
    import fpga_accel as fa
    from fpga_accel.operations import registry
    from fpga_accel.operations.buffers import BytesSink, Items
    from fpga_accel.operations.contract import Job, first_launch
    from fpga_accel.runtime import discovery, manifests
    backend = discovery.open_backend(sys.argv[1])
    backend.prepare(manifests.shipped("aes"), [row.trial for row in registry.of_kernel("aes")])
    operation = registry.find("encrypt", "aes-ctr")
    options = operation.settings(keys=[bytes(32)], nonces=[bytes(16)], count=1)

    launch = first_launch(operation, Job(Items.of([bytes(256 << 10)]), options, BytesSink(1)))
    # Some minutes of work: the same row again and again.
    launch.table = np.repeat(launch.table, 4_000_000)
    print("ready", flush=True)
    backend.start(launch).outcome(time.monotonic() + float(sys.argv[2]))
"""


@pytest.mark.parametrize("code", [pytest.param(SLOW_FAKE, id="fake"), pytest.param(SLOW_REAL, id="real")])
def test_ctrl_c_ends_a_long_launch(code: str, request: pytest.FixtureRequest) -> None:
    arguments = [request.getfixturevalue("device"), "600"] if code is SLOW_REAL else []
    with start(code, *arguments) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        threading.Event().wait(1.0)
        assert child.poll() is None, child.communicate()[1]
        child.send_signal(signal.SIGINT)
        try:
            _, err = child.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            pytest.fail("the process still runs 15 s after SIGINT")
    assert "KeyboardInterrupt" in err
    assert child.returncode in (-signal.SIGINT, 128 + signal.SIGINT)


def test_a_launch_that_misses_its_deadline_does_not_keep_the_process(device: str) -> None:
    child = start(SLOW_REAL, device, "0.2")
    with child:
        try:
            _, err = child.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            pytest.fail("the process still runs 30 s after the deadline of its launch")
    assert child.returncode == 1, err
    assert "DeviceTimeoutError: no answer after 0." in err


# ---- quirks ----

POCL = "OpenCL 3.0 PoCL 3.0-rc2  Linux, RelWithDebInfo"


class FakeDevice:
    """A device of PoCL, as far as the quirk looks into it; its struct is real memory."""

    def __init__(self, cpu: str, *, version: str | None = None, platform: str = POCL, null: bool = False) -> None:
        self.version = f"OpenCL 3.0 pocl HSTR: pthread-x86_64-pc-linux-gnu-{version or cpu}"
        self.platform = SimpleNamespace(version=platform)
        self._text = ctypes.create_string_buffer(cpu.encode())
        self._struct = ctypes.create_string_buffer(1024)
        self.int_ptr = ctypes.addressof(self._struct)
        if not null:
            self._pointer.value = ctypes.addressof(self._text)

    @property
    def _pointer(self) -> ctypes.c_void_p:
        return ctypes.c_void_p.from_address(self.int_ptr + quirks._LLVM_CPU_OFFSET)

    @property
    def cpu(self) -> str:
        return ctypes.string_at(self._pointer.value or 0).decode() if self._pointer.value else ""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the CPU flags and the machine's name that the quirk sees."""
    monkeypatch.setattr(quirks, "_kept", {})

    def be(flags: frozenset[str] = quirks._ICELAKE, name: str = "x86_64") -> None:
        monkeypatch.setattr(quirks, "host_flags", lambda: flags)
        monkeypatch.setattr("fpga_accel.runtime.quirks.platform.machine", lambda: name)

    be()
    return be


def named(device: FakeDevice, *disabled: str) -> str | None:
    return quirks.name_pocl_cpu(device, frozenset(disabled))  # type: ignore[arg-type]


@pytest.mark.parametrize("current", ["generic", "x86-64", "haswell", "znver3", "skylake-avx512"])
def test_pocl_gets_a_better_cpu_name(machine: Callable[..., None], current: str) -> None:
    device = FakeDevice(current)
    assert named(device) == "icelake-server"
    assert device.cpu == "icelake-server"
    # A second listing finds the work done.
    assert named(device) == "icelake-server"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (frozenset(), "x86-64"),
        (quirks._AVX2, "haswell"),
        (quirks._SKYLAKE, "skylake"),
        (quirks._AVX512, "skylake-avx512"),
        (quirks._ZNVER3, "znver3"),
        (quirks._ICELAKE, "icelake-server"),
        (quirks._ICELAKE - {"gfni"}, "skylake-avx512"),
    ],
)
def test_no_name_promises_more_than_the_machine_has(
    machine: Callable[..., None], flags: frozenset[str], expected: str
) -> None:
    machine(flags)
    device = FakeDevice("generic")
    assert named(device) == device.cpu == expected == quirks.best_cpu_name(flags)


@pytest.mark.parametrize(
    "device",
    [
        pytest.param(lambda: FakeDevice("generic", platform="OpenCL 3.0 PoCL 3.1+debian"), id="another version"),
        pytest.param(lambda: FakeDevice("generic", platform="OpenCL 1.2 Intel"), id="another platform"),
        pytest.param(lambda: FakeDevice("generic", version="haswell"), id="another text at the pointer"),
        pytest.param(lambda: FakeDevice("generic2", version="generic"), id="a longer text at the pointer"),
        pytest.param(lambda: FakeDevice("generic", null=True), id="no pointer"),
    ],
)
def test_where_the_guard_does_not_hold_nothing_is_touched(
    machine: Callable[..., None], device: Callable[[], FakeDevice]
) -> None:
    made = device()
    before = made._struct.raw
    assert named(made) is None
    assert made._struct.raw == before


def test_other_machines_are_left_alone(machine: Callable[..., None]) -> None:
    machine(name="aarch64")
    device = FakeDevice("generic")
    assert named(device) is None
    assert device.cpu == "generic"


@pytest.mark.parametrize(
    ("current", "disabled"), [("generic", [quirks.POCL_CPU_NAME]), ("sapphirerapids", []), ("icelake-server", [])]
)
def test_the_quirk_can_be_switched_off_and_keeps_names_that_are_as_good(
    machine: Callable[..., None], current: str, disabled: list[str]
) -> None:
    device = FakeDevice(current)
    assert named(device, *disabled) == current
    assert device.cpu == current


@pytest.mark.parametrize(
    ("current", "flags", "expected"),
    [
        ("icelake-server", quirks._ICELAKE, "haswell"),
        ("cascadelake", quirks._AVX512, "haswell"),
        ("sapphirerapids", quirks._ICELAKE, "haswell"),
        ("generic", quirks._AVX512, "haswell"),
        ("skylake-avx512", quirks._AVX512 | quirks._SKYLAKE, "skylake"),
        ("znver4", quirks._ZNVER3 | quirks._ICELAKE, "znver3"),
        ("znver3", quirks._ZNVER3, "znver3"),
        ("skylake", quirks._AVX2, "skylake"),
    ],
)
def test_without_avx512_the_name_is_the_best_that_has_none(
    machine: Callable[..., None], current: str, flags: frozenset[str], expected: str
) -> None:
    machine(flags)
    device = FakeDevice(current)
    assert named(device, quirks.AVX512) == device.cpu == expected
    other = FakeDevice(current)
    assert named(other, quirks.AVX512, quirks.POCL_CPU_NAME) == other.cpu == current


def test_without_avx512_no_variant_has_it() -> None:
    """What PoCL builds for a kernel says which macros its compiler had."""
    flags = quirks.host_flags()
    if not {"avx512f", "avx512bw"} <= flags:
        pytest.skip("the CPU has no AVX-512")
    code = """
        import fpga_accel as fa
        from fpga_accel.runtime import platforms
        from fpga_accel.runtime.opencl import cl
        found = [each for each in platforms.listed() if each.identity.driver == "3.0-rc2"]
        if found:
            context = cl.Context([found[0].handle])
            for name in ("__AVX2__", "__AVX512F__"):
                source = f"#ifndef {name}\\n#error none\\n#endif\\nkernel void k(global int *a) {{ a[0] = 1; }}"
                try:
                    cl.Program(context, source).build(cache_dir=False)
                    print(name)
                except cl.RuntimeError:
                    print("no", name)
            with fa.Accelerator("pocl-0") as acc:
                data = bytes(100_000)
                sealed = acc.encrypt_many([data] * 4, bytes(32), nonces=[bytes(12)] * 4)
                assert acc.decrypt_many(sealed, bytes(32), nonces=[bytes(12)] * 4) == [data] * 4
                print(found[0].identity.cpu_name, acc.last_receipt.variant)
    """
    with_it = run(code)[0].split("\n")
    if with_it == [""]:
        pytest.skip("no PoCL 3.0-rc2")
    without = run(code, FPGA_ACCEL_DISABLE=quirks.AVX512)[0].split("\n")
    assert with_it[:2] == ["__AVX2__", "__AVX512F__"]
    assert without[:2] == ["__AVX2__", "no __AVX512F__"]
    name, variant = without[2].split()
    assert name == quirks.best_cpu_name(flags - {"avx512f"})
    # LLVM's haswell has no AES instructions, its znver3 has them for 32 bytes at once.
    assert variant == {"haswell": "portable", "znver3": "vaes-avx2"}.get(name, "aesni")
    assert with_it[2] != without[2]


@pytest.fixture
def pocl_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The cache of a PoCL that launched the first of a program's two kernels."""
    monkeypatch.setenv("POCL_CACHE_DIR", str(tmp_path))
    program = tmp_path / "AB" / "PROGRAM"
    launched = program / "launched" / "1-1-1-goffs0-smallgrid"
    launched.mkdir(parents=True)
    (launched / "launched.so").write_bytes(b"code")
    (program / "idle").mkdir()
    (program / "program.bc").touch()
    return program


def spared(*disabled: str, platform: str = POCL) -> int:
    return quirks.spare_pocl_generic(FakeDevice("znver3", platform=platform), frozenset(disabled))  # type: ignore[arg-type]


def test_kernels_that_ran_are_not_compiled_again(pocl_cache: Path) -> None:
    assert spared() == 1
    assert (pocl_cache / "launched" / "0-0-0" / "launched.so").read_bytes() == b"code"
    assert not list((pocl_cache / "idle").iterdir())
    assert spared() == 0


def test_another_pocl_compiles_what_it_likes(pocl_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spared(quirks.POCL_GENERIC) == 0
    assert spared(platform="OpenCL 3.0 PoCL 6.0  Linux, Release") == 0
    monkeypatch.delenv("POCL_CACHE_DIR")
    assert spared() == 0
    assert not (pocl_cache / "launched" / "0-0-0").exists()


NUMBERED = """
kernel void number(global const uchar *src, global uint *dst, global const uchar *segments, global uchar *results,
                   global const uchar *params, uint count) {
  const uint number = get_global_id(0);
  if (number + 4096 >= get_global_offset(0) + get_global_size(0))
    dst[number % 4096] = number + get_local_size(0);
}
"""


def test_a_binary_serves_launches_of_every_shape(container: Path) -> None:
    """PoCL compiles for those that differ from the launch in the compiler process, and never runs the stand-in."""
    known = quirks._POCL_VERSION_PREFIX
    listed = next((each for each in platforms.listed() if each.handle.platform.version.startswith(known)), None)
    if listed is None:
        required.missing("pocl", f"no platform is {known}")
    row = WarmRow("number", b"", b"", b"", 4 * 4096, 1, 1)
    binary = programs.binary(BuildRequest(listed.identity, NUMBERED, (), (row,)))
    # What was launched, and once more under the other name.
    code, again = binary.split(b"\x7fELF")[1:]
    assert code[:4096] == again[:4096]
    context = cl.Context([listed.handle])
    program = cl.Program(context, [listed.handle], [binary]).build()
    queue = cl.CommandQueue(context)
    unused = cl.Buffer(context, cl.mem_flags.READ_WRITE, size=4)
    into = cl.Buffer(context, cl.mem_flags.READ_WRITE, size=4 * 4096)
    kernel = cl.Kernel(program, "number")
    kernel.set_args(unused, into, unused, unused, unused, np.uint32(0))
    numbers = np.zeros(4096, np.uint32)
    for first, count, local in [(0, 4096, 1), (0, 4096, 64), (8192, 4096, 1), (0, 1 << 17, 1), (4096, 1 << 17, 32)]:
        cl.enqueue_nd_range_kernel(queue, kernel, (count,), (local,), (first,))
        cl.enqueue_copy(queue, numbers, into)
        last = first + count - 4096
        assert (numbers == np.arange(last, last + 4096) + local).all(), (first, count, local)


def test_host_flags_are_read_from_linux() -> None:
    if not Path("/proc/cpuinfo").exists():
        pytest.skip("no /proc/cpuinfo")
    flags = quirks.host_flags()
    assert all(flag and " " not in flag for flag in flags)


# ---- pages ----


@pytest.mark.parametrize(
    "size", [0, 1, 4096, 4097, 1 << 22, (1 << 22) + 1, 17 << 20, (1 << 24) + 1, 1 << 25, 3 * 10**9]
)
def test_a_slab_has_room_and_little_more(size: int) -> None:
    found = size_class(size)
    assert found >= max(size, PAGE)
    assert size_class(found) == found
    assert found % PAGE == 0
    assert found <= max(PAGE, 2 * size if size <= 4 << 20 else 1.3 * size)


def test_slabs_are_reused_by_size_class() -> None:
    pool = PagePool()
    first = pool.take(5000)
    assert (first.size, first.address % buffers.PAGE, len(first.array)) == (8192, 0, 8192)
    first.release()
    assert pool.idle() == [first]
    with pool.take(8192) as again:
        assert again is first
        assert pool.idle() == []
        with pool.take(8000) as other:
            assert other is not first
    with pool.take(1) as small:
        assert small.size == buffers.PAGE
    assert len(pool.idle()) == 3
    pool.trim()
    assert pool.idle() == []


def test_a_pool_keeps_no_more_than_its_limit() -> None:
    pool = PagePool(keep_limit=3 * 4096)
    slabs = [pool.take(4096) for _ in range(5)]
    for slab in slabs:
        slab.release()
    assert pool.idle() == slabs[2:], "those that came back last"
    large = pool.take(2 * 4096)
    large.release()
    assert set(pool.idle()) == {slabs[4], large}
    beyond = pool.take(4 * 4096)
    beyond.release()
    assert set(pool.idle()) == {slabs[4], large}
    pool.trim()


def test_secret_slabs_are_wiped_on_return() -> None:
    pool = PagePool()
    for secret in (True, False):
        slab = pool.take(4096)
        slab.array[:] = 7
        slab.secret = secret
        slab.release()
        assert slab.array.any() != secret
        assert not slab.secret
    pool.trim()


def _in_use() -> fa.DeviceTimeoutError:
    error = fa.DeviceTimeoutError()
    error.buffers_in_use = True
    return error


@pytest.mark.parametrize(
    ("error", "returned"),
    [
        (None, True),
        (ValueError(), True),
        (fa.DeviceError(), True),
        (fa.DeviceTimeoutError(), True),
        (_in_use(), False),
        (KeyboardInterrupt(), False),
        (SystemExit(), False),
    ],
)
def test_memory_that_a_device_may_still_write_is_never_lent_again(error: BaseException | None, returned: bool) -> None:
    pool = PagePool()
    with contextlib.suppress(BaseException), pool.take(4096) as slab:
        if error:
            raise error
    assert (slab in pool.idle()) == returned
    pool.trim()


def test_threads_share_a_pool() -> None:
    pool = PagePool()

    def work(number: int) -> bool:
        for _ in range(200):
            with pool.take(4096) as slab:
                slab.array[:] = number
                if not (slab.array == number).all():
                    return False
        return True

    with ThreadPoolExecutor(8) as executor:
        assert all(executor.map(work, range(8)))
    assert len(pool.idle()) <= 8
    pool.trim()


def test_a_slab_that_cannot_be_had_is_a_memory_error() -> None:
    with pytest.raises(MemoryError, match="bytes"):
        PagePool().take(1 << 62)
