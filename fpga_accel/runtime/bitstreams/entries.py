"""One image in a catalog: its fields, and the check of a TOML file against them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

from fpga_accel.errors import FormatError
from fpga_accel.runtime.bitstreams import program
from fpga_accel.runtime.bitstreams.formats import FORMATS
from fpga_accel.runtime.bitstreams.image import EMULATION, HARDWARE
from fpga_accel.segments import ABI_VERSION

BUILD_MODES = ("hw", "hw_emu", "sw_emu", "emulator", "simulator")


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``[[images]]`` table.

    Attributes
    ----------
    path
        The image's file, relative to the catalog.
    format, target, mode
        As the image's own header must state them.
    build_mode
        What the tool was told to build, for example ``"hw"`` or ``"emulator"``.
    abi
        Version of the kernel ABI.
    kernel, variant, entries
        The kernel folder, its variant and the kernel functions inside.
    sha256, source_sha256
        Of the file, and of the source it was built from.
    tested
        On what it was run, and how it was checked.
    clock_mhz, resources
        What the tool reports of hardware images; 0 and empty where there is nothing to report.
    """

    path: str
    format: str
    target: str
    mode: str
    build_mode: str
    abi: int
    kernel: str
    variant: str
    entries: tuple[str, ...]
    sha256: str
    source_sha256: str
    tested: str
    clock_mhz: float = 0.0
    resources: Mapping[str, int] = field(default_factory=dict)


def _is_abi(value: object) -> str:
    return "" if value == ABI_VERSION and type(value) is int else f"must be {ABI_VERSION}"


def _is_list(value: object) -> str:
    whole = isinstance(value, list) and all(isinstance(each, dict) for each in value)
    return "" if whole else "must be an array of tables"


def _is_whole(value: object) -> str:
    return "" if type(value) is int and value > 0 else "must be a whole number above 0"


def _is_text(value: object) -> str:
    return "" if isinstance(value, str) and value and value.isprintable() else "must be text of one line"


def _is_hash(value: object) -> str:
    return "" if program.is_sha256(value) else "must be a SHA-256 in 64 lower-case hex digits"


def _is_names(value: object) -> str:
    named = isinstance(value, list) and value and all(isinstance(each, str) and each for each in value)
    return "" if named else "must be an array of kernel names"


def _is_clock(value: object) -> str:
    return "" if type(value) in (int, float) and 0 < float(str(value)) < 10_000 else "must be MHz above 0, below 10000"


def _is_resources(value: object) -> str:
    counted = isinstance(value, dict) and all(type(each) is int and each >= 0 for each in value.values())
    return "" if counted else "must be a table of counts"


def _is_path(value: object) -> str:
    """Keep the files of a catalog in its folder or below."""
    if not isinstance(value, str) or not value or not value.isprintable():
        return "must be a path"
    path = PurePosixPath(value)
    return "must be relative to the catalog, without .." if path.is_absolute() or ".." in path.parts else ""


def _is_one_of(*legal: str) -> Callable[[object], str]:
    return lambda value: "" if value in legal else f"must be one of {', '.join(legal)}"


# Each returns what a value must be, nothing where it is that.
_REQUIRED: Mapping[str, Callable[[object], str]] = {
    "path": _is_path,
    "format": _is_one_of(*FORMATS),
    "target": _is_text,
    "mode": _is_one_of(HARDWARE, EMULATION),
    "build_mode": _is_one_of(*BUILD_MODES),
    "abi": _is_whole,
    "kernel": _is_text,
    "variant": _is_text,
    "entries": _is_names,
    "sha256": _is_hash,
    "source_sha256": _is_hash,
    "tested": _is_text,
}
_OPTIONAL: Mapping[str, Callable[[object], str]] = {"clock_mhz": _is_clock, "resources": _is_resources}


def parsed(data: Mapping[str, Any], where: str) -> Iterator[Entry]:
    """Check a whole catalog and yield its entries.

    Parameters
    ----------
    data
        The file, parsed.
    where
        Its name, for messages.

    Raises
    ------
    FormatError
        It breaks the schema; the message names the file, the image's number and the key.
    """
    _refuse_keys(data, {"abi": _is_abi, "images": _is_list}, set(), where)
    for index, row in enumerate(data["images"]):
        yield _entry(row, f"{where}: image {index}")


def _entry(row: dict[str, Any], where: str) -> Entry:
    _refuse_keys(row, {**_REQUIRED, **_OPTIONAL}, set(_OPTIONAL), where)
    return Entry(**row | {"entries": tuple(row["entries"])})


def _refuse_keys(
    table: Mapping[str, object], checks: Mapping[str, Callable[[object], str]], optional: set[str], where: str
) -> None:
    for name in sorted(set(table) - set(checks)):
        raise FormatError(f"{where}: unknown key {name!r}; legal ones are {', '.join(checks)}")
    for name, check in checks.items():
        if name not in table:
            if name not in optional:
                raise FormatError(f"{where}: key {name!r} is missing")
            continue
        wanted = check(table[name])
        if wanted:
            raise FormatError(f"{where}: {name} is {table[name]!r}, it {wanted}")


def as_toml(entry: Entry) -> dict[str, Any]:
    """Return the table of an entry, without optional keys that have no value."""
    row = asdict(entry)
    return {name: value for name, value in row.items() if value or name not in _OPTIONAL}
