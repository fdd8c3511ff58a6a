"""Calls of the shared Accelerator that leave bad data to the library whose shape a drop-in has."""

from __future__ import annotations

from typing import Any

from fpga_accel.accelerator import default_accelerator
from fpga_accel.errors import FallbackDisabledError
from fpga_accel.operations.contract import DATA_ERRORS


def decompressed(data: Any, format: str, max_output: int | None = None) -> bytes | None:
    """Return the content of `data`; None of data that is bad, of which the library has to say what is wrong."""
    try:
        return default_accelerator().decompress(data, format, max_output=max_output)
    except FallbackDisabledError:
        # One kind of it is also an error of data.
        raise
    except DATA_ERRORS:
        return None
