"""How the parameters of a row become the parameter beats of a core: one function for each name in ``kernel.toml``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fpga_accel.segments import Bytes, Table

BEAT = 16


@dataclass(frozen=True, slots=True)
class Beats:
    """Parameter beats of the rows of a launch.

    Attributes
    ----------
    content
        The beats, 16 bytes each.
    first, count
        Of each row, its first beat and how many there are.
    flags, extra
        Of each row, what its head says; `extra` is one byte.
    """

    content: Bytes = field(repr=False)
    first: npt.NDArray[np.uint64]
    count: npt.NDArray[np.uint16]
    flags: npt.NDArray[np.uint32]
    extra: npt.NDArray[np.uint16]


Translator = Callable[[Table, Bytes], Beats]


def none(table: Table, params: Bytes) -> Beats:
    """Give a core nothing but the head, with the flags of the row."""
    rows = len(table)
    return Beats(
        content=np.zeros(BEAT, np.uint8),
        first=np.zeros(rows, np.uint64),
        count=np.zeros(rows, np.uint16),
        flags=table["flags"].astype(np.uint32),
        extra=np.zeros(rows, np.uint16),
    )


TRANSLATORS: Mapping[str, Translator] = {"none": none}
