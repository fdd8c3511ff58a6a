"""Launches of shipped operations, for tests that hand them to a backend themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from fpga_accel.operations import registry
from fpga_accel.operations.buffers import BytesSink, Items
from fpga_accel.operations.contract import Job, first_launch
from fpga_accel.segments import Launch


def launch_of(op: str, algorithm: str, data: bytes, **options: Any) -> tuple[Launch, BytesSink]:
    """Return the launch of an operation on one item, and the sink that its result goes to."""
    operation, sink = registry.find(op, algorithm), BytesSink(1)
    return first_launch(operation, Job(Items.of([data]), operation.settings(**options), sink)), sink


def captured(op: str, algorithm: str, rows: int = 1, **options: Any) -> Launch:
    """Return the launch of an operation on 256 KiB, its row repeated."""
    launch, _ = launch_of(op, algorithm, bytes(256 << 10), **options, count=1)
    launch.table = np.repeat(launch.table, rows)
    return launch
