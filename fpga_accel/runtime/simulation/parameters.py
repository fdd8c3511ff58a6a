"""How the parameters of a row become the parameter beats of a core: one function for each name in ``kernel.toml``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fpga_accel.segments import RECORD, Bytes, Table

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


# ---- keys and counters: records of kernels/common/keyed.h ----

# In the flags of a head: no key beats follow, the key of the segment before still holds.
KEY_HELD = np.uint32(1 << 31)

# Turns the bytes of a key into its beats and the `extra` of the head.
Schedule = Callable[[bytes], tuple[bytes, int]]


def counter_mode(table: Table, params: Bytes, schedule: Schedule) -> Beats:
    """Give a core the first counter block of each row and, where it changes, the key: for CTR.

    Parameters
    ----------
    table, params
        Of the launch; each row points at a `RECORD`.
    schedule
        Of the cipher.

    Raises
    ------
    ValueError
        A record points outside of the parameters, or says what no core can serve.
    """
    records = keyed_records(table, params)
    return with_keys(table, params, records, counter_blocks(records, params), schedule)


def keyed_records(table: Table, params: Bytes) -> Table:
    """Return the record of each row."""
    records: Table = gathered(params, table["param"], RECORD.itemsize).view(RECORD)[:, 0]
    return records


def gathered(params: Bytes, offsets: npt.NDArray[np.uint32], size: int) -> Bytes:
    """Return `size` bytes from each offset of the parameters, one row each."""
    at = offsets.astype(np.int64)
    if len(at) and int(at.max()) + size > len(params):
        raise ValueError(f"a parameter of {size} bytes ends behind the {len(params)} bytes there are")
    found: Bytes = params[at[:, None] + np.arange(size)]
    return found


def counter_blocks(records: Table, params: Bytes) -> Bytes:
    """Return the counter block of each row's first bytes: SP 800-38A appendix B.1, all 128 bits count."""
    if (records["nonce_size"] != BEAT).any() or (records["position"] % BEAT).any():
        raise ValueError(f"counter blocks have {BEAT} bytes, and rows start at multiples of that")
    start = gathered(params, records["nonce"], BEAT).view(">u8").astype(np.uint64)
    low = start[:, 1] + records["position"] // np.uint64(BEAT)
    high = start[:, 0] + (low < start[:, 1])
    blocks: Bytes = np.stack((high, low), axis=1).astype(">u8").view(np.uint8)
    return blocks


def with_keys(table: Table, params: Bytes, records: Table, front: Bytes, schedule: Schedule) -> Beats:
    """Return beats of `front` (whole beats for each row) and behind them those of the key, where it is another one."""
    rows = len(table)
    keys, sizes = records["key"], records["key_size"]
    fresh = np.ones(rows, bool)
    fresh[1:] = (keys[1:] != keys[:-1]) | (sizes[1:] != sizes[:-1])
    count = np.full(rows, front.shape[1] // BEAT if rows else 0, np.int64)
    extra = np.zeros(rows, np.uint16)
    schedules: dict[int, Bytes] = {}
    for row in np.flatnonzero(fresh):
        key = gathered(params, keys[row : row + 1], int(sizes[row]))[0].tobytes()
        beats, extra[row] = schedule(key)
        schedules[int(row)] = np.frombuffer(beats, np.uint8)
        count[row] += len(beats) // BEAT
    # A row that holds its key has the head of the one that brought it.
    if rows:
        extra = extra[np.maximum.accumulate(np.where(fresh, np.arange(rows), 0))]
    first = np.cumsum(count) - count
    content = np.zeros(max(1, int(count.sum())) * BEAT, np.uint8)
    if rows:
        content[(first * BEAT)[:, None] + np.arange(front.shape[1])] = front
    for fresh_row, beats_of_key in schedules.items():
        at = int(first[fresh_row]) * BEAT + front.shape[1]
        content[at : at + len(beats_of_key)] = beats_of_key
    flags = table["flags"].astype(np.uint32) | np.where(fresh, np.uint32(0), KEY_HELD)
    return Beats(content, first.astype(np.uint64), count.astype(np.uint16), flags, extra)


def aes_ctr(table: Table, params: Bytes) -> Beats:
    """Give a core counter blocks and round keys of AES; `extra` is the number of rounds."""
    return counter_mode(table, params, _aes_schedule)


def _aes_schedule(key: bytes) -> tuple[bytes, int]:
    beats: bytes = importlib.import_module("fpga_accel.kernels.aes.rtl_schedule").round_keys(key)
    return beats, len(beats) // BEAT - 1


def sm4_ctr(table: Table, params: Bytes) -> Beats:
    """Give a core counter blocks and round keys of SM4."""
    return counter_mode(table, params, _sm4_schedule)


def _sm4_schedule(key: bytes) -> tuple[bytes, int]:
    return importlib.import_module("fpga_accel.kernels.sm4.rtl_schedule").round_keys(key), 0


TRANSLATORS: Mapping[str, Translator] = {"none": none, "aes-ctr": aes_ctr, "sm4-ctr": sm4_ctr}
