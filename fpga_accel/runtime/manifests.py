"""Reads kernel folders: ``kernel.toml`` and the sources it names."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fpga_accel.segments import ABI_VERSION

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([A-Za-z0-9_.]+)"[ \t]*$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to build a kernel folder."""

    name: str
    source: str
    defines: tuple[str, ...] = ()
    # Work-items a compute unit gets on a CPU; one more launch dimension than rows is never used.
    items_per_unit: int = 4


@dataclass(frozen=True, slots=True)
class Manifest:
    """A kernel folder: its entries, and its variants from best to plainest."""

    folder: Path
    entries: tuple[str, ...]
    variants: tuple[Variant, ...] = field(default=())

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    def source(self, variant: Variant) -> str:
        """Return the source of `variant` with its local includes put in place."""
        return _inlined(variant.source, (self.folder, kernels_dir() / "common"), set())


@cache
def kernels_dir() -> Path:
    """Return the folder of shipped kernels: inside a wheel, else beside the package in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "kernels", package.parent / "kernels"):
        if (candidate / "common" / "abi.h").is_file():
            return candidate
    raise FileNotFoundError(f"no kernels beside or inside {package}; the installation is incomplete")


def load(folder: Path) -> Manifest:
    """Read one kernel folder.

    Raises
    ------
    ValueError
        The manifest is malformed or for another ABI version.
    """
    path = folder / "kernel.toml"
    with path.open("rb") as file:
        data = tomllib.load(file)
    if data.get("abi") != ABI_VERSION:
        raise ValueError(f"{path}: abi is {data.get('abi')!r}, this package speaks {ABI_VERSION}")
    try:
        variants = tuple(_variant(row) for row in data["variants"])
        manifest = Manifest(folder, tuple(data["entries"]), variants)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: missing or wrong field {error}") from error
    for variant in variants:
        if not (folder / variant.source).is_file():
            raise ValueError(f"{path}: variant {variant.name} names {variant.source}, which is not there")
    return manifest


def _variant(row: dict[str, object]) -> Variant:
    unknown = set(row) - {"name", "source", "defines", "items_per_unit"}
    if unknown:
        raise TypeError(f"unknown keys {sorted(unknown)}")
    defines = row.get("defines", [])
    items = row.get("items_per_unit", 4)
    if not isinstance(defines, list) or not isinstance(items, int):
        raise TypeError("defines must be a list and items_per_unit a whole number")
    return Variant(str(row["name"]), str(row["source"]), tuple(str(define) for define in defines), items)


@cache
def shipped(name: str) -> Manifest:
    """Return the shipped kernel folder called `name`."""
    return load(kernels_dir() / name)


@cache
def shipped_names() -> tuple[str, ...]:
    """Return the names of all shipped kernel folders."""
    return tuple(sorted(path.parent.name for path in kernels_dir().glob("*/kernel.toml")))


def _inlined(name: str, folders: tuple[Path, ...], seen: set[str]) -> str:
    if name in seen:
        return ""
    seen.add(name)
    path = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if path is None:
        raise ValueError(f"include {name!r} is in none of {', '.join(str(folder) for folder in folders)}")
    text = path.read_text(encoding="utf-8")
    body = _INCLUDE.sub(lambda match: _inlined(match[1], folders, seen), text)
    return f'#line 1 "{name}"\n{body}\n'
