"""The one table of operations. Adding an algorithm adds its rows here, and nothing else upstream changes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fpga_accel.errors import FormatError
from fpga_accel.operations import aes, lz4, lz4_frame
from fpga_accel.operations.contract import Operation

_ROWS: tuple[Operation[Any], ...] = (
    lz4.Lz4Compress(),
    lz4.Lz4Decompress(),
    aes.GcmEncrypt(),
    aes.GcmDecrypt(),
    aes.CtrEncrypt(),
    aes.CtrDecrypt(),
)

OPERATIONS: Mapping[str, Operation[Any]] = MappingProxyType({row.name: row for row in _ROWS})

# First bytes of each self-describing format; a range of magic numbers is several rows.
_MAGICS: tuple[tuple[bytes, str], ...] = (
    (lz4_frame.MAGIC.to_bytes(4, "little"), "lz4"),
    (lz4_frame.LEGACY_MAGIC.to_bytes(4, "little"), "lz4"),
)

COMPRESS_BOUNDS = MappingProxyType({"lz4": lz4.compress_bound})

# File name endings of compressed formats.
SUFFIXES = MappingProxyType({".lz4": "lz4"})


def find(op: str, algorithm: str) -> Operation[Any]:
    """Return an operation.

    Raises
    ------
    ValueError
        There is none of that name; the message lists the legal ones.
    """
    operation = OPERATIONS.get(f"{algorithm}.{op}")
    if operation is None:
        raise ValueError(f"unknown algorithm {algorithm!r} for {op}; legal ones are {', '.join(algorithms(op))}")
    return operation


def algorithms(op: str) -> list[str]:
    """List what can be done for one verb, for example ``"compress"``."""
    return sorted(operation.algorithm for operation in OPERATIONS.values() if operation.op == op)


def of_kernel(kernel: str) -> list[Operation[Any]]:
    """List the operations that a kernel folder serves."""
    return [operation for operation in OPERATIONS.values() if operation.kernel == kernel]


def format_of(data: memoryview) -> str:
    """Tell the format by its magic number, past leading skippable frames.

    Raises
    ------
    FormatError
        No known format starts so.
    """
    position = 0
    while position + 8 <= len(data) and lz4_frame.word_at(data, position) in lz4_frame.SKIPPABLE:
        position = min(lz4_frame.skip(data, position), len(data))
        if position == len(data):
            # Nothing but skippable frames: LZ4 decodes that to nothing.
            return "lz4"
    start = bytes(data[position : position + 4])
    for magic, name in _MAGICS:
        if start == magic:
            return name
    raise FormatError(f"no known format starts with {start.hex() or 'nothing'}", hint="name it with format=...")
