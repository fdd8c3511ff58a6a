"""The spaces of a linked sequence as memory of this process, so that its rows hold host addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fpga_accel.runtime.buffers import POOL, pooled
from fpga_accel.segments import (
    RESULT,
    Addresses,
    Bytes,
    Linked,
    Place,
    Scattered,
    Space,
    Status,
    Step,
    Table,
    address_of,
)


@dataclass(slots=True, eq=False, repr=False)
class Placed:
    """One launch of a sequence, its rows as a device takes them."""

    step: Step
    table: Table
    results: Table
    params: Bytes


class HostPlaces:
    """Memory of the page pool for one sequence and what goes on from it."""

    def __init__(self, scratch: int) -> None:
        self.scratch: Bytes = POOL.array(max(scratch, 1))
        # The output of the last phase that asked for bytes.
        self.output: Bytes = np.zeros(0, np.uint8)

    def placed(self, phase: Linked) -> list[Placed]:
        """Return the launches of a phase, with addresses where the rows had offsets."""
        if not isinstance(phase.outputs, Scattered):
            self.output = POOL.array(max(phase.outputs, 1))
        launches = [_placed(step) for step in phase.steps]
        for each in launches:
            if isinstance(each.step.params, Place):
                each.params = self._memory(each.step.params, launches).view(np.uint8)
        for each in launches:
            each.table["src"] = self._addresses(each.table["src"], each.step.src, phase, launches)
            each.table["dst"] = self._addresses(each.table["dst"], each.step.dst, phase, launches)
        return launches

    def _addresses(self, offsets: Addresses, place: Place, phase: Linked, launches: list[Placed]) -> Addresses:
        if place.space is Space.INPUT:
            return phase.inputs.absolute(offsets)
        if place.space is Space.OUTPUT and isinstance(phase.outputs, Scattered):
            return phase.outputs.absolute(offsets)
        return offsets + np.uint64(address_of(self._memory(place, launches)))

    def _memory(self, place: Place, launches: list[Placed]) -> Any:
        other = launches[place.step]
        return {
            Space.SCRATCH: self.scratch,
            Space.OUTPUT: self.output,
            Space.TABLE: other.table,
            Space.RESULTS: other.results,
            Space.PARAMS: other.params,
        }[place.space]


def _placed(step: Step) -> Placed:
    results: Table = POOL.array(max(len(step.table), 1), RESULT)[: len(step.table)]
    results["status"] = Status.NOT_RUN
    params = (
        np.zeros(0, np.uint8) if isinstance(step.params, Place) else pooled(step.params, secret=step.keys is not None)
    )
    return Placed(step, pooled(step.table), results, params)
