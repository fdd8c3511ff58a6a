"""Reads kernel folders: ``kernel.toml`` and the sources it names."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from fpga_accel.segments import ABI_VERSION

# Switches the simulator of all cores off.
RTL = "rtl"
# Every kernel is OpenCL C 1.2, which every device takes.
LANGUAGE = ("-cl-std=CL1.2",)
# Items of a channel in the emulator, which switches kernels when a channel is full or empty. With three kernels on two
# cores LZ4 compression makes 70 MB/s with 2,048 items, 92 to 125 with 16,384, 128 to 136 with these and hardly more
# with 262,144; AES-CTR 220, 550 to 790, 650 and 640. Cards have the source's own depth.
EMULATED_DEPTH = 65536

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([A-Za-z0-9_.]+)"[ \t]*$', re.MULTILINE)
# Modules of kernel folders that a core's source imports, as folder and module.
_IMPORT = re.compile(r"^\s*from fpga_accel\.kernels\.(\w+)\.(\w+) import ", re.MULTILINE)
# The shell is imported by no core and is around all.
_SHELL = ("common", "rtl_shell")


class Variant(NamedTuple):
    """One way to build a kernel folder."""

    name: str
    source: str
    defines: tuple[str, ...] = ()
    # Work-items a compute unit gets on a CPU; one more launch dimension than rows is never used.
    items_per_unit: int = 4
    # Rows that each of them has at least where a unit gets more than one.
    rows_per_item: int = 1
    # Kinds of devices it is written for; none means all.
    kinds: tuple[str, ...] = ()
    # The kernels that channels join into one entry, from the first that runs to the last.
    stages: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    @property
    def single(self) -> bool:
        """Whether its kernels are pipelines that one work-item walks the whole table with."""
        return bool(self.kinds)

    def serves(self, kind: str) -> bool:
        """Whether it is written for a kind of device."""
        return not self.kinds or kind in self.kinds

    def macros(self, kind: str) -> tuple[str, ...]:
        """Return the compiler's ``-D`` options for a kind of device."""
        deep = (f"CHANNEL_DEPTH={EMULATED_DEPTH}",) if self.stages and kind == "fpga-emulator" else ()
        return tuple(f"-D{define}" for define in (*self.defines, *deep))


# Where what a core answers goes: to dst, or to a field of the result row.
REPLIES = ("dst", "check", "partial")


class Core(NamedTuple):
    """An entry as an RTL core, which is simulated; no OpenCL device sees it.

    Attributes
    ----------
    name
        Name of the variant.
    entry
        The entry that it does.
    source, core
        Python file and class in it, with the signature ``CORE`` of common/rtl.py.
    parameters
        How the parameters of a row become beats: a name of ``runtime/simulation/parameters.py``.
    reply
        Where its answer goes, one of `REPLIES`.
    check_flag
        Rows with this flag have XXH32 of their answer as check, which is the host's work; 0 if no row has.
    arguments
        Of the class.
    """

    name: str
    entry: str
    source: str
    core: str
    parameters: str = "none"
    reply: str = "dst"
    check_flag: int = 0
    arguments: Mapping[str, int | str | bool] = MappingProxyType({})


class Manifest(NamedTuple):
    """A kernel folder: its entries, and its variants and RTL cores from best to plainest.

    `core_entries` are those of cores that no variant has.
    """

    folder: Path
    entries: tuple[str, ...]
    variants: tuple[Variant, ...] = ()
    cores: tuple[Core, ...] = ()
    core_entries: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    def source(self, variant: Variant) -> str:
        """Return the source of `variant` with its local includes put in place."""
        return _inlined(variant.source, (self.folder, kernels_dir() / "common"), set())

    def modules(self, cores: Iterable[Core]) -> dict[str, str]:
        """Return the sources of every module that cores are made from, as ``folder/module``.

        They import from any kernel folder with ``from fpga_accel.kernels.FOLDER.MODULE import``, and in no other way.
        """
        return modules_of(self.folder, (core.source for core in cores))


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
        cores = tuple(_core(row) for row in data.get("cores", []))
        core_entries = _names(data.get("core_entries", []))
        manifest = Manifest(folder, tuple(data["entries"]), variants, cores, core_entries)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: missing or wrong field {error}") from error
    for variant in variants:
        if not set(variant.stages) <= set(manifest.entries):
            raise ValueError(f"{path}: variant {variant.name} has stages of no entry")
        if not (folder / variant.source).is_file():
            raise ValueError(f"{path}: variant {variant.name} names {variant.source}, which is not there")
    if len({core.name for core in cores}) < len(cores):
        raise ValueError(f"{path}: two cores have one name")
    for core in cores:
        if core.entry not in (*manifest.entries, *core_entries):
            raise ValueError(f"{path}: core {core.name} is of no entry: {core.entry!r}")
        if not (folder / core.source).is_file():
            raise ValueError(f"{path}: core {core.name} names {core.source}, which is not there")
    return manifest


_VARIANT_KEYS = {"name", "source", "defines", "items_per_unit", "rows_per_item", "kinds", "stages"}


def _variant(row: dict[str, object]) -> Variant:
    unknown = set(row) - _VARIANT_KEYS
    if unknown:
        raise TypeError(f"unknown keys {sorted(unknown)}")
    items, rows, stages = row.get("items_per_unit", 4), row.get("rows_per_item", 1), row.get("stages", {})
    if not isinstance(items, int) or not isinstance(rows, int) or rows < 1 or not isinstance(stages, dict):
        raise TypeError("items_per_unit and rows_per_item must be whole numbers and stages a table")
    return Variant(
        name=str(row["name"]),
        source=str(row["source"]),
        defines=_names(row.get("defines", [])),
        items_per_unit=items,
        rows_per_item=rows,
        kinds=_names(row.get("kinds", [])),
        stages={str(entry): _names(kernels) for entry, kernels in stages.items()},
    )


_CORE_KEYS = {"name", "entry", "source", "core", "parameters", "reply", "check_flag", "arguments"}


def _core(row: dict[str, object]) -> Core:
    unknown = set(row) - _CORE_KEYS
    if unknown:
        raise TypeError(f"unknown keys {sorted(unknown)}")
    arguments, reply = row.get("arguments", {}), str(row.get("reply", "dst"))
    if not isinstance(arguments, dict):
        raise TypeError("arguments must be a table")
    if reply not in REPLIES:
        raise TypeError(f"reply {reply!r}: it must be one of {', '.join(REPLIES)}")
    name = str(row["name"])
    if name == RTL:
        raise TypeError(f"a core called {RTL!r} could not be switched off without the device")
    return Core(
        name=name,
        entry=str(row["entry"]),
        source=str(row["source"]),
        core=str(row["core"]),
        parameters=str(row.get("parameters", "none")),
        reply=reply,
        check_flag=int(str(row.get("check_flag", 0))),
        arguments=dict(arguments),
    )


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} must be a list of names")
    return tuple(str(name) for name in value)


@cache
def shipped(name: str) -> Manifest:
    """Return the shipped kernel folder called `name`."""
    return load(kernels_dir() / name)


@cache
def shipped_names() -> tuple[str, ...]:
    """Return the names of all shipped kernel folders."""
    return tuple(sorted(path.parent.name for path in kernels_dir().glob("*/kernel.toml")))


@cache
def digest() -> str:
    """Return a hash of all that shipped kernels are built from."""
    found = hashlib.sha256()
    for path in sorted(path for path in kernels_dir().rglob("*") if path.suffix in (".cl", ".h", ".toml")):
        found.update(f"{path.relative_to(kernels_dir())}\0".encode() + path.read_bytes())
    return found.hexdigest()


def modules_of(folder: Path, sources: Iterable[str]) -> dict[str, str]:
    """Do what `Manifest.modules` does, for sources in a folder."""
    seen = {_SHELL, *((folder.name, source.removesuffix(".py")) for source in sources)}
    waiting, found = sorted(seen), {}
    while waiting:
        kernel, module = waiting.pop()
        parent = folder if kernel == folder.name else kernels_dir() / kernel
        text = (parent / f"{module}.py").read_text(encoding="utf-8")
        found[f"{kernel}/{module}"] = text
        more = set(_IMPORT.findall(text)) - seen
        seen |= more
        waiting += sorted(more)
    return dict(sorted(found.items()))


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
