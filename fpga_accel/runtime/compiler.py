"""The child process that builds one kernel: a `BuildRequest` on stdin, ``(ok, binary or log)`` on stdout."""

from __future__ import annotations

import os
import pickle
import sys
import warnings
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np

from fpga_accel.runtime import platforms, quirks, switches
from fpga_accel.runtime.opencl import cl
from fpga_accel.runtime.programs import BuildRequest, WarmRow
from fpga_accel.segments import RESULT, SEGMENT, new_results


def main() -> None:
    """Serve one request."""
    with os.fdopen(os.dup(1), "wb") as reply:
        # Compilers write to both streams; stdout belongs to the reply.
        os.dup2(2, 1)
        # The log of a build that failed is part of the error; that of one that did not interests nobody.
        warnings.simplefilter("ignore", cl.CompilerWarning)
        request: BuildRequest = pickle.load(sys.stdin.buffer)
        _answer(reply, *_build(request))


def _answer(reply: BinaryIO, ok: bool, payload: bytes | str) -> None:
    pickle.dump((ok, payload), reply)


def _build(request: BuildRequest) -> tuple[bool, bytes | str]:
    device = platforms.find(request.identity)
    if device is None:
        # An end of the process is not remembered, a failed build is: the next compiler may see the device.
        sys.exit(f"{request.identity.device} is not there in the compiler process")
    context = cl.Context([device])
    try:
        program = cl.Program(context, request.source).build(list(request.options))
    except cl.RuntimeError as error:
        return False, str(error)
    try:
        _warm(context, program, request.warm)
    except cl.Error as error:
        # Not remembered either: a GPU may lack the memory now that other processes hold.
        sys.exit(f"error: the first launch failed: {error}")
    quirks.spare_pocl_generic(device, switches.disabled())
    binaries = program.get_info(cl.program_info.BINARIES)
    return True, bytes(binaries[0])


def _warm(context: cl.Context, program: cl.Program, rows: Iterable[WarmRow]) -> None:
    queue = cl.CommandQueue(context)
    for row in rows:
        _launch(context, queue, program, row)


def _launch(context: cl.Context, queue: cl.CommandQueue, program: cl.Program, row: WarmRow) -> None:
    flags = cl.mem_flags
    count = len(row.table) // SEGMENT.itemsize
    results = new_results(count)
    assert results.dtype == RESULT

    def buffer(data: bytes) -> cl.Buffer:
        return cl.Buffer(context, flags.READ_WRITE | flags.COPY_HOST_PTR, hostbuf=bytearray(data or b"\0"))

    # A kernel does not hold on to its buffers: they must outlive the launch.
    data = (row.src, bytes(row.dst_size), row.table, results.tobytes(), row.params)
    buffers = [buffer(part) for part in data]
    kernel = cl.Kernel(program, row.entry)
    kernel.set_args(*buffers, np.uint32(count))
    cl.enqueue_nd_range_kernel(queue, kernel, (row.work_items,), (row.local_size,))
    queue.finish()


if __name__ == "__main__":
    main()
