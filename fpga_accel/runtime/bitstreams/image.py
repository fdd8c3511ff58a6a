"""What is known of an image from its own header."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HARDWARE = "hardware"
EMULATION = "emulation"


@dataclass(frozen=True, slots=True)
class Header:
    """What a format's reader finds.

    Attributes
    ----------
    format
        ``"xclbin"``, ``"aocx"``, ``"ecp5"`` or ``"program"``.
    target
        The board, shell, part or driver that the image was made for, as the header names it.
    mode
        ``"hardware"`` or ``"emulation"``.
    id
        The image's own identity: a UUID, hash or device id, in hex.
    entries
        Kernel functions, empty where the header names none.
    detail
        What else the format tells, JSON values only.
    """

    format: str
    target: str
    mode: str
    id: str
    entries: tuple[str, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Image(Header):
    """A header, with the hash and size of the file it came from."""

    sha256: str = ""
    size: int = 0
