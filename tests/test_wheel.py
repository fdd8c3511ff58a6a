"""A wheel, installed outside the checkout: it holds what it needs and works from an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
import required
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
# What a build takes from a checkout; outputs of earlier builds stay behind.
SOURCES = ("fpga_accel", "kernels", "host", "bitstreams")
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
OUTPUTS = shutil.ignore_patterns("*.so", "*.o", "__pycache__", "*.egg-info", "build")

pytestmark = pytest.mark.slow

# Runs in the new environment; prints what the test compares.
PROGRAM = """
import json, tomllib
from importlib import resources
import fpga_accel as fa
data = b"".join(b"row %d of a table\\n" % number for number in range(20_000))
key = bytes(32)
ran = {}
usable = [device.id for device in fa.devices() if device.usable and device.kind != "rtl"]
for device in ["cpu", *usable[:1]]:
    with fa.Accelerator(device, fallback="never", verify="always") as acc:
        frame = acc.compress(data)
        assert acc.decompress(frame) == data
        ran[device] = acc.last_receipt.backend
with fa.Accelerator("cpu") as acc:
    assert acc.decrypt(acc.encrypt(data, key), key) == data
catalog = tomllib.loads((resources.files(fa) / "bitstreams" / "catalog.toml").read_text(encoding="utf-8"))
print(json.dumps({"file": fa.__file__, "ran": ran, "catalog": sorted(catalog), "rejected":
                  {device.id: device.reason for device in fa.devices() if not device.usable}}))
"""


def run(*command: str | Path, cwd: Path, cache: Path) -> str:
    """Run a command without this process's Python settings and return its standard output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_TARGET"))}
    environment["FPGA_ACCEL_CACHE_DIR"] = str(cache)
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def build_needs_are_here() -> bool:
    """Whether this environment has what pyproject.toml says a build requires."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    for requirement in map(Requirement, wanted):
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            return False
        if not requirement.specifier.contains(version):
            return False
    return True


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel from a copy of the sources."""
    base = tmp_path_factory.mktemp("wheel")
    source = base / "source"
    source.mkdir()
    for name in SOURCES:
        shutil.copytree(ROOT / name, source / name, ignore=OUTPUTS)
    for name in FILES:
        shutil.copy(ROOT / name, source)
    isolation = ["--no-isolation"] if build_needs_are_here() else []
    run(sys.executable, "-m", "build", "--wheel", *isolation, "--outdir", base, cwd=source, cache=base / "cache")
    (found,) = base.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment that borrows the other packages of this one."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    base = folder.parent
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=base, cache=base / "cache")
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install")
    run(*pip, "--quiet", "--no-deps", "--no-index", wheel, cwd=base, cache=base / "cache")
    # Only now, else pip would see the editable install. A path in a .pth file is searched, its own .pth files are
    # not read, so the editable install stays out of sight.
    (site,) = (folder / "lib").glob("python*/site-packages")
    borrowed = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    (site / "borrowed.pth").write_text("".join(f"{path}\n" for path in borrowed), encoding="utf-8")
    return folder


def kernel_files() -> list[str]:
    found = [path for path in (ROOT / "kernels").rglob("*") if path.suffix in (".cl", ".h", ".toml", ".py", ".cpp")]
    assert found
    return [f"fpga_accel/{path.relative_to(ROOT).as_posix()}" for path in found]


def test_wheel_holds_kernels_data_and_libraries(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = [*kernel_files(), "fpga_accel/bitstreams/catalog.toml", "fpga_accel/py.typed"]
    expected.append("fpga_accel/bench/page.html")
    assert [name for name in expected if name not in names] == []
    libraries = {Path(name).name.partition(".")[0] for name in names if name.endswith(".so")}
    assert libraries == {"_host", "_objects"}
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"fpga_accel"}


def test_wheel_works_in_another_environment(environment: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    said = run(environment / "bin" / "python", "-I", "-c", PROGRAM, cwd=empty, cache=tmp_path / "cache")
    found = json.loads(said)
    assert Path(found["file"]).is_relative_to(environment)
    assert found["catalog"] == ["abi", "images"]
    assert found["ran"].pop("cpu") == "cpu"
    if not found["ran"]:
        required.missing("pocl", f"no usable OpenCL device, so only the CPU path was tried: {found['rejected']}")
    assert set(found["ran"].values()) == {"opencl"}
    assert not list(empty.iterdir())


def test_cores_of_the_wheel(environment: Path, tmp_path: Path) -> None:
    if find_spec("amaranth") is None:
        required.missing("rtl", "amaranth is not installed")
    program = "import fpga_accel.kernels.sha256.rtl as core, fpga_accel as fa; print(core.__file__, fa.__file__)"
    said = run(environment / "bin" / "python", "-I", "-c", program, cwd=tmp_path, cache=tmp_path / "cache")
    core, package = map(Path, said.split())
    assert core.parent == package.parent / "kernels" / "sha256"
    assert package.is_relative_to(environment)


def test_command_of_the_wheel(environment: Path, tmp_path: Path) -> None:
    said = run(environment / "bin" / "fpga-accel", "--version", cwd=tmp_path, cache=tmp_path / "cache")
    assert said.strip() == f"fpga-accel {metadata.version('fpga-accel')}"


def test_benchmarks_of_the_wheel(environment: Path, tmp_path: Path) -> None:
    chosen = ("--quick", "--device", "cpu", "--op", "crc32c", "--size", "64B")
    files = ("--output", tmp_path / "x.json", "--html", tmp_path / "x.html")
    run(environment / "bin" / "fpga-accel", "bench", *chosen, *files, cwd=tmp_path, cache=tmp_path / "cache")
    found = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert found["environment"]["commit"] is None
    assert {row["contestant"] for row in found["rows"]} == {"cpu", "google-crc32c", "awscrt"}
    assert "<svg" in (tmp_path / "x.html").read_text(encoding="utf-8")
