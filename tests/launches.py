"""Launches of shipped operations, for tests that hand them to a backend themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fpga_accel.operations import registry
from fpga_accel.operations.buffers import BytesSink, Items
from fpga_accel.operations.contract import Job
from fpga_accel.segments import Launch, Table


class _Captured(Exception):
    """Ends an operation once its launch is known."""


def launch_of(op: str, algorithm: str, data: bytes, **options: Any) -> tuple[Launch, BytesSink]:
    """Return the launch of an operation on one item, and the sink that its result goes to."""
    operation, sink = registry.find(op, algorithm), BytesSink(1)
    job = Job(Items.of([data]), operation.settings(**options), sink)
    found: list[Launch] = []

    def stop(launch: Launch) -> Table:
        found.append(launch)
        raise _Captured

    with pytest.raises(_Captured):
        operation.on_device(job, stop)
    found[0].keep = (found[0].keep, job)
    return found[0], sink


def captured(op: str, algorithm: str, rows: int = 1, **options: Any) -> Launch:
    """Return the launch of an operation on 256 KiB, its row repeated."""
    launch, _ = launch_of(op, algorithm, bytes(256 << 10), **options, count=1)
    launch.table = np.repeat(launch.table, rows)
    return launch
