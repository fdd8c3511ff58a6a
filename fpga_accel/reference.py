"""The CPU libraries as a device: what kernels do, row by row, beside devices or in place of one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fpga_accel.backends import Deferred, Outcome, Pending, Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.operations import registry
from fpga_accel.operations.buffers import memory
from fpga_accel.operations.contract import Operation, RowOutput, row_of
from fpga_accel.runtime.manifests import Manifest
from fpga_accel.segments import Launch, Linked, Span, Table, new_results

VARIANT = "libraries"


class ReferenceBackend:
    """`fpga_accel.backends.Backend` over the CPU libraries, on the threads of an Accelerator."""

    name = "cpu"
    device_id = "cpu"

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def prepare(self, manifest: Manifest, trials: Sequence[Callable[[], Trial]], entry: str = "") -> str:
        """Return the variant; there is nothing to build."""
        return VARIANT

    wide = False
    direct = False
    links = False
    fuses = False
    apart = False

    def start_linked(self, linked: Linked) -> Pending:
        """Refuse: each launch goes by way of the host."""
        raise NotImplementedError("it does not link launches")

    def start(self, launch: Launch) -> Pending:
        """Return a launch that runs when it is waited for."""
        return Deferred(lambda _: self._run(launch))

    def _run(self, launch: Launch) -> Outcome:
        began = time.perf_counter()
        operation, results = operation_of(launch), new_results(len(launch.table))
        parts = np.array_split(np.arange(len(results)), self._workers.count)

        def work(rows: Any) -> None:
            for row in rows:
                write(launch, results, int(row), operation.emulate(row_of(launch, int(row))))

        self._workers.map(work, [part for part in parts if len(part)])
        seconds = time.perf_counter() - began
        return Outcome(results, VARIANT, 0.0, seconds, (Span("kernel", began, seconds),))


def operation_of(launch: Launch) -> Operation[Any]:
    """Return the operation whose kernel a launch runs."""
    return next(each for each in registry.of_kernel(launch.kernel) if each.entry == launch.entry)


def write(launch: Launch, results: Table, row: int, output: RowOutput) -> None:
    """Put what a kernel would write for a row where it would."""
    memory(int(launch.table["dst"][row]), len(output.data))[:] = output.data
    results[row] = (len(output.data), output.status, output.check, list(output.partial))
