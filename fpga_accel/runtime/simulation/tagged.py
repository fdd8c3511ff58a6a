"""Rows of cores whose text has associated data in front, and whose result has a tag behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fpga_accel.runtime.buffers import wipe
from fpga_accel.runtime.simulation.simulator import Rows
from fpga_accel.segments import RESULT, Bytes, Status, Table, address_of, copy_many

TAG = 16
_BLOCK = 16
_PARTIAL_AT = 16  # in a result row

Numbers = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Tagging:
    """What each row has beside its text.

    Attributes
    ----------
    aad, aad_size
        Associated data in the parameters, which goes in front of the text, filled up with zeros to whole blocks.
    in_dst
        Whether the tag is to follow the text in dst; it goes to ``partial`` of the result row always.
    """

    aad: Numbers
    aad_size: Numbers
    in_dst: npt.NDArray[np.bool_]


class TaggedRows:
    """The room that such rows need beside src and dst, while a launch runs.

    Parameters
    ----------
    table, params
        Of the launch.
    tagging
        Of its rows.
    rows
        What the core is given, changed here.
    """

    def __init__(self, table: Table, params: Bytes, tagging: Tagging, rows: Rows) -> None:
        self._table, self._in_dst, self._rows = table, tagging.in_dst, rows
        sizes = table["src_size"].astype(np.uint64)
        front = (tagging.aad_size + np.uint64(_BLOCK - 1)) & ~np.uint64(_BLOCK - 1)
        taken = np.where(front > 0, front + sizes, np.uint64(0))
        given = np.where(self._in_dst, np.uint64(0), sizes + np.uint64(TAG))
        ends = np.cumsum(np.concatenate((taken, given)))
        self._room: Bytes = np.zeros(max(1, int(ends[-1]) if len(ends) else 0), np.uint8)
        starts = ends - np.concatenate((taken, given)) + np.uint64(address_of(self._room))
        with_front = np.flatnonzero(front)
        texts, results = starts[: len(table)], starts[len(table) :]
        aad = tagging.aad + np.uint64(address_of(params))
        copy_many(aad[with_front], texts[with_front], tagging.aad_size[with_front])
        behind = texts[with_front] + front[with_front]
        copy_many(table["src"][with_front].copy(), behind, sizes[with_front])
        rows["src"][with_front] = texts[with_front]
        rows["src_size"] += front.astype(np.uint32)
        apart = ~self._in_dst
        rows["dst"][apart], rows["dst_capacity"][apart] = results[apart], given[apart]

    def take(self, results: Table) -> None:
        """Put texts and tags where they belong, and say how much of dst they are."""
        rows, sizes = self._rows, self._table["src_size"].astype(np.uint64)
        too_small = sizes + np.uint64(TAG) * self._in_dst > self._table["dst_capacity"]
        results["status"][too_small] = Status.DST_TOO_SMALL
        results["dst_size"] = 0
        done = results["status"] == Status.OK
        results["dst_size"][done] = sizes[done] + np.uint64(TAG) * self._in_dst[done]
        places = np.uint64(address_of(results) + _PARTIAL_AT) + np.arange(len(results), dtype=np.uint64) * np.uint64(
            RESULT.itemsize
        )
        whole = np.full(len(results), TAG, np.uint64)
        copy_many((rows["dst"] + sizes)[done], places[done], whole[done])
        apart = done & ~self._in_dst
        copy_many(rows["dst"][apart].copy(), self._table["dst"][apart].copy(), sizes[apart])

    def wipe(self) -> None:
        """Zero the room: texts were there."""
        wipe(address_of(self._room), self._room.nbytes)
