"""Builds simulations and keeps them in the hashed containers of the program cache.

A simulation is found by the hash of what it is made from: the Python sources of the core and of the shell, the shim,
the passes over the Verilog, the compiler's flags and the versions of the tools. So a start from the cache runs no tool,
and nothing is loaded whose hash is not right.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from fpga_accel import config
from fpga_accel.errors import DeviceTimeoutError
from fpga_accel.runtime import programs
from fpga_accel.runtime.manifests import Core, Manifest, kernels_dir
from fpga_accel.runtime.programs import BuildFailed
from fpga_accel.runtime.simulation.edges import at_both_edges
from fpga_accel.runtime.simulation.elaborate import TOP
from fpga_accel.runtime.simulation.toolchain import Toolchain
from fpga_accel.segments import ABI_VERSION

log = logging.getLogger(__name__)

# The AES pipeline takes two minutes of one core, more where others are at work too.
BUILD_SECONDS = 1200.0
VERILATOR_FLAGS = (
    *("--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert"),
    # Yosys' Verilog is full of widths that are implied; a latch is a mistake of ours.
    *("-Wno-fatal", "-Wno-lint", "-Wwarn-LATCH", "-Werror-LATCH"),
    *("--top-module", TOP, "--prefix", "Vtop"),
)
COMPILER_FLAGS = ("-std=c++20", "-O2", "-fPIC", "-fvisibility=hidden", "-pthread", "-w")
# Runs once, at reset: optimising it took half of the compiler's time for the AES pipeline.
SLOW_FLAGS = (*COMPILER_FLAGS, "-O0")
_SLOW = "__Slow"
# Files are compiled together, so many bytes or more, in no more units than there are cores: the headers alone take the
# compiler 1.3 s.
UNIT_BYTES = 200_000
RUNTIME_SOURCES = ("verilated.cpp", "verilated_threads.cpp")
SHIM = "rtl_shim.cpp"
# Beside this file: what Verilog goes through.
TEXT_PASSES = ("edges.py", "elaborate.py", "sharing.py")


def shared_object(manifest: Manifest, core: Core, tools: Toolchain, device: str) -> bytes:
    """Return the shared object of a core's simulation, from the cache or from a build.

    Raises
    ------
    BuildFailed
        The core does not build.
    DeviceTimeoutError
        The build took longer than `BUILD_SECONDS`.
    """
    sources = _sources(manifest, core)
    key = _key("simulation", tools, [manifest.name, core.source, core.core, sorted(core.arguments.items()), sources])
    path = config.cache_dir() / "programs" / "rtl" / f"{key[:32]}.so"

    def build() -> bytes:
        log.info("%s: building a simulation of %s/%s", device, manifest.name, core.name)
        made = _Build(tools, device)
        return made.simulation(made.verilog(manifest, core))

    return programs.kept(path, key, build, BUILD_SECONDS)


def verilog_of(manifest: Manifest, core: Core, tools: Toolchain, device: str) -> bytes:
    """Return the Verilog of a core in its shell.

    Raises
    ------
    BuildFailed
        It does not elaborate.
    """
    return _Build(tools, device).verilog(manifest, core)


def of_verilog(verilog: bytes, tools: Toolchain, device: str, flags: Sequence[str] = COMPILER_FLAGS) -> bytes:
    """Return the shared object of a simulation of Verilog with the ports of ``SimulatedPins``, not cached.

    Parameters
    ----------
    verilog
        The design.
    tools
        What builds it.
    device
        The device of errors.
    flags
        The compiler's; `SLOW_FLAGS` are right where little is simulated.

    Raises
    ------
    BuildFailed
        It does not build.
    DeviceTimeoutError
        The build took longer than `BUILD_SECONDS`.
    """
    return _Build(tools, device).simulation(verilog, flags)


def _sources(manifest: Manifest, core: Core) -> dict[str, str]:
    """Return the hash of each source that a simulation of a core is made from."""
    paths = [kernels_dir() / "common" / SHIM, *(Path(__file__).with_name(name) for name in TEXT_PASSES)]
    found = {f"{path.parent.name}/{path.name}": path.read_text(encoding="utf-8") for path in paths}
    found |= manifest.modules([core])
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in found.items()}


def _key(what: str, tools: Toolchain, parts: object) -> str:
    flags = (VERILATOR_FLAGS, COMPILER_FLAGS, SLOW_FLAGS)
    whole = (what, ABI_VERSION, os.uname().machine, tools.versions, flags, parts)
    return hashlib.sha256(repr(whole).encode()).hexdigest()


def _cores() -> int:
    return os.cpu_count() or 1


def _units(sources: Sequence[Path], folder: Path) -> Iterator[Path]:
    """Put files that are compiled alike together; yield the files to compile, the longest work first."""
    for suffix in ("", _SLOW):
        sizes = {path: path.stat().st_size for path in sources if path.stem.endswith(_SLOW) == bool(suffix)}
        count = max(1, min(_cores(), sum(sizes.values()) // UNIT_BYTES))
        units: list[list[Path]] = [[] for _ in range(count)]
        for path in sorted(sizes, key=sizes.__getitem__, reverse=True):
            min(units, key=lambda unit: sum(map(sizes.__getitem__, unit))).append(path)
        for number, unit in enumerate(filter(None, units)):
            joined = folder / f"unit_{number}{suffix}.cpp"
            joined.write_text("".join(f'#include "{path}"\n' for path in unit), encoding="utf-8")
            yield joined


class _Build:
    """One build, with one deadline for all its tools."""

    def __init__(self, tools: Toolchain, device: str) -> None:
        self._tools = tools
        self._device = device
        self._ends = time.monotonic() + BUILD_SECONDS

    def simulation(self, verilog: bytes, flags: Sequence[str] = COMPILER_FLAGS) -> bytes:
        with self._folder() as folder:
            # Compiled beside the core's own files where it is not there yet.
            runtime = self._runtime()
            (folder / "runtime.o").write_bytes(runtime)
            top = folder / "top.v"
            top.write_bytes(self._simulated(verilog))
            self._run([str(self._verilator), *VERILATOR_FLAGS, "--Mdir", str(folder), str(top)], "verilator")
            shim = kernels_dir() / "common" / SHIM
            objects = self._compiled(list(_units([*sorted(folder.glob("*.cpp")), shim], folder)), folder, flags)
            library = folder / "simulation.so"
            self._compile(["-shared", "-o", str(library), *map(str, objects), str(folder / "runtime.o"), "-pthread"])
            return library.read_bytes()

    def _simulated(self, verilog: bytes) -> bytes:
        try:
            return at_both_edges(verilog)
        except ValueError as error:
            raise BuildFailed(str(error), device=self._device) from error

    def verilog(self, manifest: Manifest, core: Core) -> bytes:
        module = "fpga_accel.runtime.simulation.elaborate"
        arguments = [str(manifest.folder), core.source, core.core, json.dumps(dict(core.arguments))]
        return self._run([sys.executable, "-m", module, *arguments], f"{manifest.name}/{core.source}")

    def _runtime(self) -> bytes:
        """Return Verilator's own part of every simulation as one object."""
        key = _key("runtime", self._tools, RUNTIME_SOURCES)
        path = config.cache_dir() / "programs" / "rtl" / f"{key[:32]}.o"

        def build() -> bytes:
            include = self._tools.verilator / "include"
            with self._folder() as folder:
                objects = self._compiled([include / name for name in RUNTIME_SOURCES], folder)
                joined = folder / "joined.o"
                self._compile(["-r", "-nostdlib", "-o", str(joined), *map(str, objects)])
                return joined.read_bytes()

        return programs.kept(path, key, build, max(0.0, self._ends - time.monotonic()))

    def _compiled(self, sources: Sequence[Path], folder: Path, flags: Sequence[str] = COMPILER_FLAGS) -> list[Path]:
        """Compile files in this order, as many at a time as there are cores."""
        include = self._tools.verilator / "include"
        includes = [f"-I{path}" for path in (folder, include, include / "vltstd")]

        def compiled(source: Path) -> Path:
            own = SLOW_FLAGS if source.stem.endswith(_SLOW) else flags
            target = folder / f"{source.stem}.o"
            self._compile([*own, *includes, "-c", str(source), "-o", str(target)])
            return target

        with ThreadPoolExecutor(_cores()) as pool:
            return list(pool.map(compiled, sources))

    @property
    def _verilator(self) -> Path:
        return self._tools.verilator / "bin" / "verilator_bin"

    def _compile(self, arguments: Sequence[str]) -> None:
        self._run([self._tools.compiler, *arguments], Path(self._tools.compiler).name)

    def _run(self, command: Sequence[str], what: str) -> bytes:
        environment = programs.child_environment() | {"VERILATOR_ROOT": str(self._tools.verilator)}
        left = max(0.0, self._ends - time.monotonic())
        try:
            done = subprocess.run(command, capture_output=True, timeout=left, env=environment, check=False)
        except subprocess.TimeoutExpired as error:
            raise DeviceTimeoutError(
                f"building a simulation took longer than {BUILD_SECONDS:.0f} s", device=self._device
            ) from error
        except OSError as error:
            raise BuildFailed(f"{what}: {error}", device=self._device) from error
        chatter = done.stderr.decode(errors="replace").strip()
        if chatter:
            log.debug("%s: %s", what, chatter)
        if done.returncode != 0:
            raise BuildFailed(f"{what} ended with {done.returncode}: {chatter[-2000:]}", device=self._device)
        return done.stdout

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="fpga-accel-rtl-") as folder:
            yield Path(folder)
