"""Runs linked sequences on one OpenCL device: every launch of one on one in-order queue, one wait behind the last.

The memory strategies are those of `fpga_accel.runtime.pipeline`. Under the direct one every space is host memory; under
the others each is a buffer of the lane, and only inputs, outputs, tables, parameters and results are copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fpga_accel.runtime import waits
from fpga_accel.runtime.buffers import wipe
from fpga_accel.runtime.manifests import Variant
from fpga_accel.runtime.opencl import cl
from fpga_accel.runtime.pipeline import Command, Elapsed, Lane, Pipeline, Strategy, _Region, span_of
from fpga_accel.runtime.placing import HostPlaces
from fpga_accel.segments import (
    LINKING,
    RESULT,
    SEGMENT,
    Bytes,
    Linked,
    Place,
    Scattered,
    Space,
    Status,
    Table,
    address_of,
    copy_many,
)

Programs = Mapping[str, tuple[cl.Program, Variant]]


class LinkedRun:
    """One sequence on one lane of a pipeline."""

    def __init__(self, pipeline: Pipeline, programs: Programs, linked: Linked, device_id: str) -> None:
        self._pipeline = pipeline
        self._programs = programs
        self._linked = linked
        self._device_id = device_id
        self.lanes: list[Lane] = []
        self._in_flight = False
        self._elapsed = Elapsed()
        # The variants of the stages' kernels, each once.
        self.variants: dict[str, None] = {}

    def start(self) -> None:
        """Send the first phase on its way."""
        kind = _Direct if self._pipeline.strategy is Strategy.DIRECT else _Gathered
        with self._pipeline.giving_up(self):
            self._memory = kind(self._pipeline, self._pipeline.borrow(self.lanes), self._linked)
            self._sent = self._send(self._linked)

    def outcome(self, deadline: float | None) -> tuple[Table, Elapsed]:
        """Go on to the end; return the results of all launches, one behind the other.

        Raises
        ------
        DeviceTimeoutError, DeviceError
            With ``buffers_in_use`` true where the device may still write to the sequence's memory.
        """
        with self._pipeline.giving_up(self):
            results = self._phases(deadline)
        self._give_back()
        return np.concatenate(results), self._elapsed

    def _phases(self, deadline: float | None) -> list[Table]:
        found: list[Table] = []
        phase = self._linked
        try:
            while True:
                results = self._await(phase, deadline)
                found += results
                following = phase.then(results) if phase.then else None
                if phase.collect:
                    phase.collect(results, self._memory.output(), self._memory.lets_go)
                if following is None:
                    return found
                phase = following
                self._sent = self._send(phase)
        finally:
            if self._linked.private and not self._in_flight:
                self._memory.wipe()

    def _send(self, phase: Linked) -> tuple[list[Command], cl.Event]:
        """Put the launches of a phase on the queue; return them, and what ends behind the last."""
        self._in_flight = True
        memory = self._memory
        launches = memory.place(phase)
        commands: list[Command] = []
        for step, arguments in zip(phase.steps, launches, strict=True):
            if len(step.table):
                program, variant = self._programs[step.kernel]
                if step.kernel != LINKING:
                    self.variants[variant.name] = None
                commands += self._pipeline.enqueue(memory.lane, program, step.entry, variant, arguments)
        return commands, memory.send_back(phase)

    def _await(self, phase: Linked, deadline: float | None) -> list[Table]:
        commands, done = self._sent
        pace, entries, nbytes = self._pipeline.pace, "+".join(step.entry for step in phase.steps), phase.inputs.nbytes
        unlikely = pace.unlikely(entries, nbytes, commands[0].queued) if commands else 0.0
        waits.wait(done, deadline, self._device_id, unlikely=unlikely)
        # All have ended; each says whether it failed.
        for command in commands:
            waits.wait(command.event, deadline, self._device_id)
        self._in_flight = False
        if commands:
            span = span_of("kernel", commands)
            pace.took(entries, nbytes, span.seconds)
            self._elapsed.spans.append(span)
        self._elapsed.spans += self._memory.lane.take_copies()
        return self._memory.results(phase)

    def _give_back(self) -> None:
        # From now on they may be somebody else's.
        lanes, self.lanes = self.lanes, []
        self._pipeline.give_back(lanes)

    def abandon(self) -> None:
        """Never use or free again what the device may still use."""
        if self._in_flight:
            self._pipeline.abandon(self.lanes, self._linked)
        else:
            # What failed was the host's part, or came before the first launch.
            self._give_back()


class _Direct:
    """Every space is memory of this process."""

    # Whether an output may be kept.
    lets_go = True

    def __init__(self, pipeline: Pipeline, lane: Lane, linked: Linked) -> None:
        self.lane = lane
        self._pipeline = pipeline
        self._places = HostPlaces(linked.scratch)
        self._results: list[Table] = []

    def place(self, phase: Linked) -> list[tuple[Any, ...]]:
        launches = self._places.placed(phase)
        self._results = [each.results for each in launches]
        # An abandoned lane holds them.
        self.lane.held += [self._places.scratch, self._places.output]
        wrapped = self._pipeline.wrapped
        arguments = []
        for each in launches:
            self.lane.held += [each.table, each.results, each.params]
            count = np.uint32(len(each.table))
            buffers = (wrapped(each.table), wrapped(each.results), wrapped(each.params))
            arguments.append((None, None, *buffers, count))
        return arguments

    def send_back(self, phase: Linked) -> cl.Event:
        done = cl.enqueue_marker(self.lane.queue)
        self.lane.queue.flush()
        return done

    def results(self, phase: Linked) -> list[Table]:
        return self._results

    def output(self) -> Bytes:
        return self._places.output

    def wipe(self) -> None:
        scratch = self._places.scratch
        wipe(address_of(scratch), scratch.nbytes)


class _Gathered:
    """Every space is a buffer of the lane."""

    lets_go = False

    def __init__(self, pipeline: Pipeline, lane: Lane, linked: Linked) -> None:
        self.lane = lane
        self._staged = pipeline.strategy is Strategy.STAGED
        self._scratch = lane.region("scratch", linked.scratch)
        self._scratch_size = linked.scratch
        self._output_size = 0

    def place(self, phase: Linked) -> list[tuple[Any, ...]]:
        lane = self.lane
        source = lane.region("src", phase.inputs.nbytes)
        copy_many(phase.inputs.addresses, phase.inputs.starts + np.uint64(source.slab.address), phase.inputs.sizes)
        lane.push(source, phase.inputs.nbytes)
        outputs = phase.outputs
        size = outputs.nbytes if isinstance(outputs, Scattered) else outputs
        self._output_size = max(self._output_size, size)
        regions = {
            Space.INPUT: source.buffer,
            Space.SCRATCH: self._scratch.buffer,
            Space.OUTPUT: lane.region("dst", size).buffer,
        }
        pieces = [self._pieces(phase, number) for number in range(len(phase.steps))]

        def buffer(place: Place) -> cl.Buffer:
            found = regions.get(place.space)
            return pieces[place.step][place.space].buffer if found is None else found

        arguments = []
        for step, own in zip(phase.steps, pieces, strict=True):
            params = buffer(step.params) if isinstance(step.params, Place) else own[Space.PARAMS].buffer
            tables = (own[Space.TABLE].buffer, own[Space.RESULTS].buffer, params)
            arguments.append((buffer(step.src), buffer(step.dst), *tables, np.uint32(len(step.table))))
        return arguments

    def _pieces(self, phase: Linked, number: int) -> dict[Space, _Region]:
        """Fill the table, the results and the parameters of one step, and send them on their way."""
        lane, step = self.lane, phase.steps[number]
        count = len(step.table)
        table = lane.region(f"table{number}", count * SEGMENT.itemsize)
        table.slab.array[: count * SEGMENT.itemsize] = step.table.view(np.uint8)
        lane.push(table, count * SEGMENT.itemsize)
        results = lane.region(f"results{number}", count * RESULT.itemsize)
        self._view(results, count)["status"] = Status.NOT_RUN
        lane.push(results, count * RESULT.itemsize)
        pieces = {Space.TABLE: table, Space.RESULTS: results}
        if not isinstance(step.params, Place):
            # Of the one name that a lane wipes: no sequence has two launches with keys.
            params = lane.region("params" if step.keys else f"params{number}", len(step.params))
            params.slab.array[: len(step.params)] = step.params
            params.slab.secret |= step.keys is not None
            lane.push(params, len(step.params))
            pieces[Space.PARAMS] = params
        return pieces

    @staticmethod
    def _view(region: _Region, count: int) -> Table:
        view: Table = region.slab.array[: count * RESULT.itemsize].view(RESULT)
        return view

    def send_back(self, phase: Linked) -> cl.Event:
        for number, step in enumerate(phase.steps):
            self.lane.pull(self.lane.region(f"results{number}", 0), len(step.table) * RESULT.itemsize)
        outputs = phase.outputs
        self.lane.pull(self.lane.region("dst", 0), outputs.nbytes if isinstance(outputs, Scattered) else outputs)
        done = cl.enqueue_marker(self.lane.queue)
        self.lane.queue.flush()
        return done

    def results(self, phase: Linked) -> list[Table]:
        if isinstance(phase.outputs, Scattered):
            places = phase.outputs.starts + np.uint64(address_of(self.output()))
            copy_many(places, phase.outputs.addresses, phase.outputs.sizes)
        for step in phase.steps:
            if step.keys:
                self.lane.wipe_keys(step.keys)
        # The lane's memory serves the next phase.
        return [
            self._view(self.lane.region(f"results{number}", 0), len(step.table)).copy()
            for number, step in enumerate(phase.steps)
        ]

    def output(self) -> Bytes:
        return self.lane.region("dst", 0).slab.array

    def wipe(self) -> None:
        for region, size in ((self._scratch, self._scratch_size), (self.lane.region("dst", 0), self._output_size)):
            wipe(region.slab.address, size)
            if self._staged and size:
                cl.enqueue_copy(self.lane.queue, region.buffer, region.slab.array[:size], is_blocking=True)
