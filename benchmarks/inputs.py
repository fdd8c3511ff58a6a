"""Input data by name: files of the Silesia corpus where they are at hand, else what every Python brings along."""

from __future__ import annotations

import random
import sysconfig
import zipfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
# Enough to be longer than every window; larger inputs repeat it.
SUBSTITUTE_BYTES = 8 << 20

RANDOM = "random"
# Kind of data and the corpus file it is.
FILES = {"text": "dickens", "binary": "osdb", "table": "nci", "markup": "xml"}


def names() -> list[str]:
    """Return the kinds of data that there are."""
    return [*(FILES if CORPUS.is_dir() else ("text", "binary")), RANDOM]


def origin(name: str) -> str:
    """Tell where a kind of data comes from."""
    if name == RANDOM:
        return "random.Random(0).randbytes"
    if CORPUS.is_dir():
        return f"Silesia corpus: {FILES[name]}"
    return "Python's standard library: " + ("*.py" if name == "text" else "extension modules")


@cache
def content(name: str) -> bytes:
    """Return all there is of one kind of data."""
    if name == RANDOM:
        return random.Random(0).randbytes(SUBSTITUTE_BYTES)
    if CORPUS.is_dir():
        with zipfile.ZipFile(CORPUS / f"{FILES[name]}.zip") as archive:
            return archive.read(archive.namelist()[0])
    library = Path(sysconfig.get_path("stdlib"))
    found = library.rglob("*.py") if name == "text" else library.rglob("*.so")
    data = b"".join(_up_to(SUBSTITUTE_BYTES, sorted(found)))
    if not data:
        raise FileNotFoundError(f"{library} holds nothing to take as {name} data")
    return data


def _up_to(nbytes: int, paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        if nbytes <= 0:
            return
        if path.is_file():
            data = path.read_bytes()
            nbytes -= len(data)
            yield data


@cache
def data(name: str, nbytes: int) -> bytes:
    """Return `nbytes` of one kind, from a third of the way in, past headers that are like nothing else."""
    source = content(name)
    start = len(source) // 3
    turned = source[start:] + source[:start]
    return (turned * -(-nbytes // len(turned)))[:nbytes]
