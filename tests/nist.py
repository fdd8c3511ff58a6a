"""Reader of NIST's vector files (.rsp, .txt) of the `cryptography_vectors` package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

Record = dict[str, str]

_FIELD = re.compile(r"(\w+)\s*=\s*(\w*)")


def records(path: Path) -> Iterator[Record]:
    """Yield each record with what stands above it for several; names are upper case, SECTION is ENCRYPT or DECRYPT."""
    shared: Record = {}
    own: Record = {}
    for line in [*path.read_text().splitlines(), ""]:
        text = line.strip()
        if text.startswith("#"):
            continue
        if not text:
            if own:
                yield shared | own
            own = {}
        elif text in ("[ENCRYPT]", "[DECRYPT]"):
            shared["SECTION"] = text[1:-1]
        else:
            found = {name.upper(): value for name, value in _FIELD.findall(text)}
            if "COUNT" in found or own:
                own |= found
            else:
                shared |= found


def files(folder: Path, pattern: str, count: int) -> list[Path]:
    """Return the files that a pattern finds, which must be so many."""
    found = sorted(folder.glob(pattern))
    assert len(found) == count, f"{pattern} finds {[path.name for path in found]} in {folder}"
    return found
