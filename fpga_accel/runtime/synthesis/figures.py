"""Figures of placed and routed cores: ``bitstreams/figures.toml``, one table for each core and target.

A row says what a core takes and how fast it is on a target, with which tools that was found, and from which source:
so it tells when it is out of date, and building again with the same tools gives the same image.
"""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

import tomli_w

from fpga_accel.errors import FormatError
from fpga_accel.runtime import manifests
from fpga_accel.runtime.bitstreams import catalog, program, sources
from fpga_accel.runtime.manifests import Core, Manifest

log = logging.getLogger(__name__)

FILE_NAME = "figures.toml"


@dataclass(frozen=True, slots=True)
class Figures:
    """One core on one target.

    Attributes
    ----------
    kernel, variant, operation
        The kernel folder, the core in it, and the entry that it does.
    target
        As ``--target`` takes it.
    lut, ff, bram
        LUTs (TRELLIS_COMB), flip-flops and block RAMs (DP16KD) of the core in its shell.
    fmax_mhz
        The fastest clock after routing.
    bytes_per_clock, segment_clocks
        Clocks of a segment, measured in simulation: its bytes by the first, and the second.
    seed
        Of placer and router.
    tools
        Versions of the tools.
    source_sha256
        Of the core's source and all that it imports from kernel folders.
    sha256, size
        Of the image, harness included.
    """

    kernel: str
    variant: str
    operation: str
    target: str
    lut: int
    ff: int
    bram: int
    fmax_mhz: float
    bytes_per_clock: float
    segment_clocks: float
    seed: int
    tools: Mapping[str, str]
    source_sha256: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """Return what tells it from others."""
        return f"{self.operation}/{self.variant}@{self.target}"

    @property
    def megabytes_per_second(self) -> float:
        """Return MB (10^6 bytes) a second of long segments, at `fmax_mhz`."""
        return self.bytes_per_clock * self.fmax_mhz


_KINDS: Mapping[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}


def shipped_path() -> Path:
    """Return where the shipped figures are, beside the catalog of images."""
    return catalog.shipped().path.with_name(FILE_NAME)


def shipped() -> list[Figures]:
    """Return the shipped figures."""
    return load(shipped_path())


def load(path: Path) -> list[Figures]:
    """Read a file of figures; one that is not there has none.

    Raises
    ------
    FormatError
        It breaks the schema.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: no TOML: {error}") from error
    rows = data.get("figures")
    if not isinstance(rows, list) or set(data) != {"figures"}:
        raise FormatError(f"{path}: it must have an array of tables 'figures' and nothing else")
    return [_parsed(row, f"{path}: row {index}") for index, row in enumerate(rows)]


def _parsed(row: Any, where: str) -> Figures:
    if not isinstance(row, dict):
        raise FormatError(f"{where} is no table")
    wanted = {each.name: str(each.type) for each in fields(Figures)}
    if set(row) != set(wanted):
        raise FormatError(f"{where}: its keys are {', '.join(sorted(row))}; they must be {', '.join(sorted(wanted))}")
    for name, kind in wanted.items():
        value = row[name]
        if kind in _KINDS and not _is(value, kind):
            raise FormatError(f"{where}: {name} is {value!r}, it must be a {kind}")
    for name in ("source_sha256", "sha256"):
        if not program.is_sha256(row[name]):
            raise FormatError(f"{where}: {name} must be a SHA-256 in 64 lower-case hex digits")
    tools = row["tools"]
    if not isinstance(tools, dict) or not all(isinstance(each, str) for each in tools.values()):
        raise FormatError(f"{where}: tools must be a table of versions")
    return Figures(**row)


def _is(value: object, kind: str) -> bool:
    if kind == "str":
        return isinstance(value, str) and value != ""
    return type(value) in _KINDS[kind] and isfinite(float(str(value))) and float(str(value)) >= 0


def save(path: Path, rows: list[Figures]) -> None:
    """Write figures in the order of their names."""
    tables = [asdict(row) for row in sorted(rows, key=lambda row: row.name)]
    path.write_text(tomli_w.dumps({"figures": tables}), encoding="utf-8")


def put(path: Path, row: Figures) -> None:
    """Write one row into a file, in place of the one of the same core and target."""
    save(path, [*(each for each in load(path) if each.name != row.name), row])


def clock_of(manifest: Manifest, core: Core) -> float:
    """Return the clock in MHz that a shipped core reaches on the slowest target of its figures; 0 without such.

    Figures of another source are of another core.
    """
    try:
        rows = [row for row in shipped() if (row.operation, row.variant) == (core.entry, core.name)]
    except FormatError as error:
        log.warning("figures of cores are passed over: %s", error)
        return 0.0
    clocks = [row.fmax_mhz for row in rows if row.source_sha256 == sources.hash_of_core(manifest, core)]
    return min(clocks, default=0.0)


def problems(row: Figures) -> Iterator[str]:
    """Yield why figures are out of date."""
    if row.kernel not in manifests.shipped_names():
        yield f"stale: there is no kernel {row.kernel}"
        return
    manifest = manifests.shipped(row.kernel)
    core = next((core for core in manifest.cores if (core.entry, core.name) == (row.operation, row.variant)), None)
    if core is None:
        yield f"stale: kernel {row.kernel} has no core {row.variant} of {row.operation}"
    elif sources.hash_of_core(manifest, core) != row.source_sha256:
        yield f"stale: the source of {row.kernel}/{row.variant} has changed since it was built"
