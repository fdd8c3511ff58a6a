"""Input data by kind: files of the Silesia corpus where they are at hand, else what every installation brings along."""

from __future__ import annotations

import random
import sysconfig
import zipfile
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

# Beside the checkout; an installed package has none there.
CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
# Enough to be longer than every window; larger inputs repeat it.
SUBSTITUTE_BYTES = 8 << 20

RANDOM = "random"
# Kind of data and the corpus file it is.
FILES = MappingProxyType({"text": "dickens", "table": "nci", "binary": "osdb", "markup": "xml"})
# Where there is no corpus.
SUBSTITUTES = MappingProxyType(
    {
        "text": "Python's standard library: *.py",
        "table": "generated rows of a table",
        "binary": "numpy's extension modules",
    }
)


def names() -> list[str]:
    """Return the kinds of data that there are."""
    return [*(FILES if _has_corpus() else SUBSTITUTES), RANDOM]


def origin(name: str) -> str:
    """Tell where a kind of data comes from."""
    if name == RANDOM:
        return "random.Random(0).randbytes"
    return f"Silesia corpus: {FILES[name]}" if _has_corpus() else SUBSTITUTES[name]


def _has_corpus() -> bool:
    return all((CORPUS / f"{stem}.zip").is_file() for stem in FILES.values())


@cache
def content(name: str) -> bytes:
    """Return all there is of one kind of data."""
    if name == RANDOM:
        return random.Random(0).randbytes(SUBSTITUTE_BYTES)
    if not _has_corpus():
        return substitute(name)
    with zipfile.ZipFile(CORPUS / f"{FILES[name]}.zip") as archive:
        return archive.read(archive.namelist()[0])


def substitute(name: str) -> bytes:
    """Return data of one kind without the corpus.

    Raises
    ------
    FileNotFoundError
        The installation holds nothing to take.
    """
    if name == "table":
        return _table(SUBSTITUTE_BYTES)
    folder = Path(sysconfig.get_path("stdlib")) if name == "text" else Path(np.__file__).parent
    found = folder.rglob("*.py" if name == "text" else "*.so")
    data = b"".join(_up_to(SUBSTITUTE_BYTES, sorted(found)))
    if not data:
        raise FileNotFoundError(f"{folder} holds nothing to take as {name} data")
    return data


def _up_to(nbytes: int, paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        if nbytes <= 0:
            return
        if path.is_file():
            data = path.read_bytes()
            nbytes -= len(data)
            yield data


def _table(nbytes: int) -> bytes:
    """Return rows whose columns repeat as those of a measurement do."""
    rng = random.Random(0)
    rows: list[str] = []
    size = 0
    while size < nbytes:
        day, place = len(rows) // 9000 % 28 + 1, rng.randrange(40)
        state = rng.choice(("ok", "ok", "ok", "late"))
        rows.append(f"2026-01-{day:02},station-{place:03},{rng.gauss(20, 3):8.3f},{state}\n")
        size += len(rows[-1])
    return "".join(rows).encode("ascii")


# The last ones: a case follows another of the same data and size.
@lru_cache(maxsize=2)
def data(name: str, nbytes: int) -> bytes:
    """Return `nbytes` of one kind, from a third of the way in, past headers that are like nothing else."""
    source = content(name)
    start = len(source) // 3
    turned = source[start:] + source[:start]
    return (turned * -(-nbytes // len(turned)))[:nbytes]
