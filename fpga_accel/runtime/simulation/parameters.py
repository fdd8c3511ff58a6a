"""How the parameters of a row become the parameter beats of a core: one function for each name in ``kernel.toml``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from fpga_accel.runtime import ghash
from fpga_accel.runtime.buffers import wipe
from fpga_accel.runtime.simulation.tagged import Tagging
from fpga_accel.segments import FRAME_FLAGS_AT, MAX_ROW, MOST_PAGE, RECORD, Bytes, Table, address_of, copy_many

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
    tagging
        Of ciphers with tags, what rows have beside their text.
    """

    content: Bytes = field(repr=False)
    first: npt.NDArray[np.uint64]
    count: npt.NDArray[np.uint16]
    flags: npt.NDArray[np.uint32]
    extra: npt.NDArray[np.uint16]
    tagging: Tagging | None = None


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


# Flags of the head of a GCM core: Plan of kernels/aes/rtl_gcm.py. The first is KEYED_DECRYPT of the row.
_DECRYPT = np.uint32(1)
_AAD_BLOCKS_AT = np.uint32(1)
_MASKED = np.uint32(1 << 28)
_FACTORED = np.uint32(1 << 29)
# KEYED_TAG_IN_DST.
_TAG_IN_DST = np.uint32(2)
_NONCE = 12


def aes_gcm(table: Table, params: Bytes) -> Beats:
    """Give a core of AES-GCM what a row's text, its place in the message and its key need.

    Raises
    ------
    ValueError
        A record points outside of the parameters, or says what no core can serve.
    """
    records = _message_records(table, params)
    first = records["position"] == 0
    ends = records["position"] + table["src_size"]
    behind = _blocks(records["total"]) - _blocks(ends)
    factored = bool(behind.any())
    keys = _HashKeys(params)
    counters = _gcm_counters(records, params, keys)
    lengths = np.stack((records["aad_size"].astype(np.uint64) * 8, records["total"] * 8), axis=1).astype(">u8")
    closing = np.where((first & (behind == 0))[:, None], lengths, np.zeros(2, ">u8")).astype(">u8").view(np.uint8)
    front = [counters, closing]
    if factored:
        front = [counters, keys.powers(records, behind), closing, keys.added(records, lengths, first & (behind > 0))]
    beats = with_keys(table, params, records, np.concatenate(front, axis=1), _aes_schedule)
    aad_size = np.where(first, records["aad_size"], 0).astype(np.uint64)
    flags = (
        (table["flags"] & _DECRYPT)
        | (_blocks(aad_size).astype(np.uint32) << _AAD_BLOCKS_AT)
        | (_MASKED * first)
        | (_FACTORED * np.uint32(factored))
        | (beats.flags & KEY_HELD)
    )
    in_dst = table["flags"] & (_TAG_IN_DST | _DECRYPT) == _TAG_IN_DST
    tagging = Tagging(records["aad"].astype(np.uint64), aad_size, in_dst)
    return replace(beats, flags=flags.astype(np.uint32), tagging=tagging)


# ---- a page's frame and message: kernels/chain/rtl.py ----

_FRAME_MAGIC = 0x184D2204


def lz4_aes_gcm(table: Table, params: Bytes) -> Beats:
    """Give a core the header of a page's frame, and what AES-GCM needs for a whole message.

    Raises
    ------
    ValueError
        A record points outside of the parameters, or says what no core can serve.
    """
    records = _message_records(table, params)
    if len(table) and int(table["src_size"].max()) > MOST_PAGE:
        raise ValueError(f"a page has more than {MOST_PAGE} bytes")
    # The core adds that of the ciphertext.
    lengths = np.zeros((len(table), 2), ">u8")
    lengths[:, 0] = records["aad_size"].astype(np.uint64) * 8
    counters = _gcm_counters(records, params, _HashKeys(params))
    front = np.concatenate((_frame_headers(table), counters, lengths.view(np.uint8)), axis=1)
    beats = _with_aad(with_keys(table, params, records, front, _aes_schedule), params, records)
    aad_blocks = _blocks(records["aad_size"].astype(np.uint64)).astype(np.uint32)
    flags = (aad_blocks << _AAD_BLOCKS_AT) | _MASKED | (beats.flags & KEY_HELD)
    return replace(beats, flags=flags)


def _frame_headers(table: Table) -> Bytes:
    """Return headers of LZ4 frames that declare their content's size (frame format 1.6), a beat each."""
    headers = np.zeros((len(table), BEAT), np.uint8)
    headers[:, :4] = np.frombuffer(_FRAME_MAGIC.to_bytes(4, "little"), np.uint8)
    headers[:, 6:10] = table["src_size"].astype("<u4").view(np.uint8).reshape(-1, 4)
    for byte, at in zip((4, 5, 14), FRAME_FLAGS_AT, strict=True):
        headers[:, byte] = table["flags"] >> np.uint32(at) & np.uint32(0xFF)
    return headers


def _with_aad(beats: Beats, params: Bytes, records: Table) -> Beats:
    """Put the associated data of each row behind its beats, filled up with zeros to whole blocks."""
    sizes, before = records["aad_size"].astype(np.uint64), beats.count.astype(np.uint64) * np.uint64(BEAT)
    rooms = before + _blocks(sizes) * np.uint64(BEAT)
    starts = np.cumsum(rooms, dtype=np.uint64) - rooms
    content: Bytes = np.zeros(max(BEAT, int(rooms.sum())), np.uint8)
    targets = starts + np.uint64(address_of(content))
    copy_many(beats.first * np.uint64(BEAT) + np.uint64(address_of(beats.content)), targets, before)
    copy_many(records["aad"].astype(np.uint64) + np.uint64(address_of(params)), targets + before, sizes)
    wipe(address_of(beats.content), beats.content.nbytes)
    # Whoever gives a core its beats refuses so many.
    count = np.minimum(rooms // np.uint64(BEAT), np.uint64(0xFFFF)).astype(np.uint16)
    return replace(beats, content=content, first=starts // np.uint64(BEAT), count=count)


def _blocks(sizes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    return (sizes + np.uint64(BEAT - 1)) // np.uint64(BEAT)


def _message_records(table: Table, params: Bytes) -> Table:
    """Return the record of each row, whose place in its message is checked."""
    records = keyed_records(table, params)
    ends = records["position"] + table["src_size"]
    if (records["position"] % BEAT).any() or (ends > records["total"]).any():
        raise ValueError(f"rows start at multiples of {BEAT} bytes and end within their message")
    if ((ends < records["total"]) & (ends % BEAT != 0)).any():
        raise ValueError("a row before the end of its message ends within a block")
    if (records["nonce_size"] == 0).any():
        raise ValueError("a nonce is empty")
    if (records["aad"] + records["aad_size"].astype(np.uint64) > len(params)).any():
        raise ValueError(f"associated data ends behind the {len(params)} bytes of parameters there are")
    if (records["aad_size"] + table["src_size"].astype(np.uint64) > MAX_ROW - BEAT).any():
        raise ValueError(f"a row and its associated data have more than {MAX_ROW - BEAT} bytes")
    return records


class _HashKeys:
    """H of keys (SP 800-38D section 7.1), for what a core takes ready-made."""

    def __init__(self, params: Bytes) -> None:
        self._params = params
        self._found: dict[tuple[int, int], int] = {}
        self._powers: dict[tuple[int, int], int] = {}

    def of(self, record: np.void) -> int:
        at = int(record["key"]), int(record["key_size"])
        if at not in self._found:
            key = gathered(self._params, np.array(at[:1], np.uint32), at[1])[0].tobytes()
            encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
            self._found[at] = int.from_bytes(encryptor.update(bytes(BEAT)), "big")
        return self._found[at]

    def powers(self, records: Table, behind: npt.NDArray[np.uint64]) -> Bytes:
        """Return H to the blocks that are hashed behind each row, that of the lengths with them."""
        found = []
        for record, blocks in zip(records, behind, strict=True):
            power = self.of(record), int(blocks) + 1
            if power not in self._powers:
                self._powers[power] = ghash.power(*power)
            found.append(self._powers[power])
        return _as_beats(found)

    def added(self, records: Table, lengths: npt.NDArray[np.uint64], chosen: npt.NDArray[np.bool_]) -> Bytes:
        """Return the share of the lengths in the tag, for rows that do not hash them."""
        pairs = zip(records, lengths, chosen, strict=True)
        return _as_beats(
            [
                ghash.multiply(int.from_bytes(block.tobytes(), "big"), self.of(record)) if wanted else 0
                for record, block, wanted in pairs
            ]
        )


def _as_beats(numbers: list[int]) -> Bytes:
    joined = b"".join(number.to_bytes(BEAT, "big") for number in numbers)
    return np.frombuffer(joined, np.uint8).reshape(-1, BEAT)


def _gcm_counters(records: Table, params: Bytes, keys: _HashKeys) -> Bytes:
    """Return the counter block in front of each row's first: J0 of section 7.1, counted on."""
    j0 = np.zeros((len(records), BEAT), np.uint8)
    short = records["nonce_size"] == _NONCE
    j0[short, :_NONCE] = gathered(params, records["nonce"][short], _NONCE)
    j0[short, BEAT - 1] = 1
    for row in np.flatnonzero(~short):
        size = int(records["nonce_size"][row])
        nonce = gathered(params, records["nonce"][row : row + 1], size)[0].tobytes()
        hashed = nonce + bytes(-size % BEAT) + (8 * size).to_bytes(BEAT, "big")
        j0[row] = np.frombuffer(ghash.ghash(keys.of(records[row]), hashed).to_bytes(BEAT, "big"), np.uint8)
    words = j0.view(">u4")
    words[:, 3] = (words[:, 3] + records["position"] // np.uint64(BEAT)) % np.uint64(2**32)
    return j0


def sm4_ctr(table: Table, params: Bytes) -> Beats:
    """Give a core counter blocks and round keys of SM4."""
    return counter_mode(table, params, _sm4_schedule)


def _sm4_schedule(key: bytes) -> tuple[bytes, int]:
    return importlib.import_module("fpga_accel.kernels.sm4.rtl_schedule").round_keys(key), 0


TRANSLATORS: Mapping[str, Translator] = {
    "none": none,
    "aes-ctr": aes_ctr,
    "aes-gcm": aes_gcm,
    "lz4-aes-gcm": lz4_aes_gcm,
    "sm4-ctr": sm4_ctr,
}
