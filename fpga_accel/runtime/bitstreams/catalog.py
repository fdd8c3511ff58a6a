"""Catalogs of images: the shipped one, and the user's beside the images that were built here.

A catalog is a TOML file; bitstreams/README.md has the table of its fields. Nothing is loaded before its entry, its
hash and its header agree.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tomli_w

from fpga_accel import config
from fpga_accel.errors import FormatError
from fpga_accel.runtime import manifests
from fpga_accel.runtime.bitstreams import program
from fpga_accel.runtime.bitstreams.entries import Entry, as_toml, parsed
from fpga_accel.runtime.bitstreams.formats import read
from fpga_accel.runtime.bitstreams.image import Image
from fpga_accel.runtime.bitstreams.sources import kind_of, source_sha256
from fpga_accel.segments import ABI_VERSION

FILE_NAME = "catalog.toml"


@dataclass(frozen=True, slots=True)
class Catalog:
    """A catalog file and its entries."""

    path: Path
    images: tuple[Entry, ...] = ()

    def file_of(self, entry: Entry) -> Path:
        """Return where the file of an entry is."""
        return self.path.parent / entry.path


def load(path: Path) -> Catalog:
    """Read a catalog; one that is not there has no images.

    Raises
    ------
    FormatError
        It breaks the schema; the message names the file, the image's number and the key.
    """
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
    except FileNotFoundError:
        return Catalog(path)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"{path}: no TOML: {error}") from error
    return Catalog(path, tuple(parsed(data, str(path))))


def shipped() -> Catalog:
    """Return the catalog that came with the package."""
    return load(_shipped_path())


def users() -> Catalog:
    """Return the catalog of images that were built or added on this machine."""
    return load(config.cache_dir() / "images" / FILE_NAME)


@cache
def _shipped_path() -> Path:
    """Find the shipped catalog: inside a wheel, else beside the package in a checkout."""
    package = Path(__file__).resolve().parents[2]
    found = (package / "bitstreams" / FILE_NAME, package.parent / "bitstreams" / FILE_NAME)
    return next((path for path in found if path.is_file()), found[-1])


def add(content: bytes, entry: Entry) -> Path:
    """Write an image into the user's folder, and its entry in place of one with the same path.

    Both files appear whole or not at all, and several processes may add at once.
    """
    path = config.cache_dir() / "images" / FILE_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.with_suffix(".lock")):
        kept = [each for each in load(path).images if each.path != entry.path]
        target = path.parent / entry.path
        _write(target, content)
        rows = [as_toml(each) for each in (*kept, entry)]
        _write(path, tomli_w.dumps({"abi": ABI_VERSION, "images": rows}).encode())
    return target


def entry_of(image: Image, path: str, kernel: str, variant: str, source: str, *, tested: str) -> Entry:
    """Return the entry of an image that was just built.

    Parameters
    ----------
    image
        What its header states.
    path
        Its file name.
    kernel, variant
        What it was built from; the entries are the header's, or the kernel folder's where it names none.
    source
        SHA-256 of the source.
    tested
        How it was tested.
    """
    entries = image.entries or manifests.shipped(kernel).entries
    return Entry(
        path=path,
        format=image.format,
        target=image.target,
        mode=image.mode,
        build_mode=str(image.detail["build_mode"]),
        abi=ABI_VERSION,
        kernel=kernel,
        variant=variant,
        entries=entries,
        sha256=image.sha256,
        source_sha256=source,
        tested=tested,
    )


def problems(catalog: Catalog, entry: Entry) -> Iterator[str]:
    """Yield what is wrong with an entry: its file, hash, header, or a source that has changed since."""
    try:
        image = read(catalog.file_of(entry))
    except FormatError as error:
        yield str(error)
        return
    except OSError as error:
        yield error.strerror or str(error)
        return
    for name, value in _stated(image).items():
        if getattr(entry, name) != value:
            yield f"its {name} is {_short(value)}, the catalog says {_short(getattr(entry, name))}"
    absent = [name for name in entry.entries if image.entries and name not in image.entries]
    if absent:
        yield f"it has no kernel {', '.join(absent)}; it has {', '.join(image.entries)}"
    yield from _staleness(entry.abi, entry.kernel, entry.variant, entry.build_mode, entry.source_sha256)


def _stated(image: Image) -> dict[str, object]:
    """Return the fields of an entry that the image itself states."""
    stated = {name: getattr(image, name) for name in ("sha256", "format", "target", "mode")}
    named = ("abi", "kernel", "variant", "source_sha256") if image.format == program.FORMAT else ()
    return stated | {name: image.detail[name] for name in ("build_mode", *named)}


def staleness_of(image: Image) -> Iterator[str]:
    """Yield why an image is out of date, as far as its own header tells."""
    if image.format == program.FORMAT:
        names = ("abi", "kernel", "variant", "build_mode", "source_sha256")
        yield from _staleness(*(image.detail[name] for name in names))


def _staleness(abi: int, kernel: str, variant: str, build_mode: str, source: str) -> Iterator[str]:
    if abi != ABI_VERSION:
        yield f"stale: it has ABI {abi}, this package speaks {ABI_VERSION}"
    try:
        today = source_sha256(kernel, variant, kind_of(build_mode))
    except ValueError as error:
        yield f"stale: {error}"
        return
    if today != source:
        yield f"stale: the source of {kernel}/{variant} has changed since it was built"


def _short(value: object) -> str:
    text = str(value)
    return f"{text[:12]}…" if program.is_sha256(text) else repr(text)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
