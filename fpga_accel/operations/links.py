"""What joins the launches of a chain (kernels/chain): rows of those kernels, and what they do in plain Python."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import xxhash

from fpga_accel.backends import Trial
from fpga_accel.errors import FormatError
from fpga_accel.operations import lz4_frame
from fpga_accel.operations.buffers import memory
from fpga_accel.operations.lz4_frame import HAS_CONTENT_SIZE, ROW_STORED, FrameHeader
from fpga_accel.segments import (
    LINKING,
    RECORD,
    RESULT,
    SEGMENT,
    Addresses,
    Bytes,
    Launch,
    Place,
    Space,
    Status,
    Step,
    Table,
    address_of,
    new_results,
    new_table,
)

KERNEL = LINKING
LINK, PACK, FRAMES, MEASURE, ROWS = "link", "pack", "lz4_frames", "lz4_measure", "lz4_rows"

# As in kernels/chain/params.h.
TOTAL = 0x80000000

HEADER = FrameHeader(64 << 10, content_size=0).packed_size
WORD = 4
# Larger content is never a plain frame to the kernels.
MOST_CONTENT = 0x70000000
_NO_PARAMS = 16

# What `lz4_measure` says of a frame, in a result's `partial`.
MEASURED = np.dtype([("content", "<u4"), ("blocks", "<u4"), ("block_size", "<u4"), ("checksum", "<u4")])


def _at(dtype: Any, field: str) -> int:
    offset: int = dtype.fields[field][1]
    return offset


def sizes_to_rows(count: int, done: int, following: int, room: int) -> Step:
    """Give rows the sizes that earlier rows wrote, and capacity for `room` bytes more than that."""
    return _link(count, done, Place(Space.TABLE, following), _at(SEGMENT, "src_size"), SEGMENT.itemsize, room)


def sizes_to_records(count: int, done: int, following: int) -> Step:
    """Give the parameter records of rows, which come first in the parameters, the same sizes as totals."""
    return _link(count, done, Place(Space.PARAMS, following), _at(RECORD, "total"), RECORD.itemsize, TOTAL)


def places_behind(count: int, done: int, following: int, more: int, field: str) -> Step:
    """Add to the places of rows the sizes that the rows before them wrote earlier, each with `more` bytes.

    `field` is "src" or "dst".
    """
    rows = Place(Space.TABLE, following)
    step = _link(count, done, rows, _at(SEGMENT, field), SEGMENT.itemsize, more)
    step.table["param"] = step.table["dst"]
    return replace(step, entry=PACK, params=rows)


def _link(count: int, done: int, target: Place, offset: int, stride: int, flags: int) -> Step:
    table = new_table(count)
    each = np.arange(count, dtype=np.uint64)
    table["src"] = each * np.uint64(RESULT.itemsize)
    table["dst"] = each * np.uint64(stride) + np.uint64(offset)
    table["src_size"], table["dst_capacity"] = RESULT.itemsize, 8
    table["flags"] = flags
    return Step(KERNEL, LINK, table, np.zeros(_NO_PARAMS, np.uint8), Place(Space.RESULTS, done), target)


def descriptor(header: FrameHeader) -> int:
    """Return the flag and block size bytes of a header, as the kernels take them."""
    return int.from_bytes(header.pack()[4:6], "little")


def frame_bounds(sizes: Any, blocks: Any, header: FrameHeader) -> Any:
    """Return the largest frames that contents of these sizes can become, and where their first payloads then lie."""
    overhead = WORD * (1 + header.block_checksum)
    return HEADER + sizes + -(-sizes // blocks) * overhead + WORD * (1 + header.content_checksum)


def measured(results: Table) -> Any:
    """Return what `lz4_measure` says of frames."""
    return np.ascontiguousarray(results["partial"]).view(MEASURED).reshape(len(results))


# ---- the same in Python, for devices that are made of it ----


def emulated(entry: str, table: Table, params: Bytes) -> Table:
    """Do what a kernel does, on rows with host addresses."""
    if entry == PACK:
        return _emulate_pack(table, params)
    results = new_results(len(table))
    work = {LINK: _emulate_link, FRAMES: _emulate_frame, MEASURE: _emulate_measure, ROWS: _emulate_rows}[entry]
    for index, row in enumerate(table):
        values = {name: int(row[name]) for name in SEGMENT.names or ()}
        results[index] = work(values, params)
    return results


Outcome = tuple[int, int, int, list[int]]
_BAD: Outcome = (0, Status.BAD_DATA, 0, [0] * 16)


def _size_at(address: int) -> int:
    done = np.frombuffer(memory(address, RESULT.itemsize), RESULT)[0]
    return int(done["dst_size"]) if done["status"] == Status.OK else 0


def _emulate_pack(table: Table, params: Bytes) -> Table:
    results, before = new_results(len(table)), 0
    for row, result in zip(table, results, strict=True):
        place = params[row["param"] :][:8].view("<u8") + np.uint64(before)
        memory(int(row["dst"]), 8)[:] = place.tobytes()
        before += _size_at(int(row["src"])) + int(row["flags"])
        result["dst_size"], result["status"] = 8, Status.OK
    return results


def _emulate_link(row: dict[str, int], params: Bytes) -> Outcome:
    size = _size_at(row["src"])
    room = 0 if row["flags"] & TOTAL else size + row["flags"]
    memory(row["dst"], 8)[:] = np.array([size, room], "<u4").tobytes()
    return 8, Status.OK, 0, [0] * 16


def _emulate_frame(row: dict[str, int], params: Bytes) -> Outcome:
    header = lz4_frame.parse_header(_header_of(row["flags"], row["src_size"]), plausible=False)
    content = bytes(memory(row["src"], row["src_size"]))
    if int(frame_bounds(np.int64(len(content)), header.block_size, header)) > row["dst_capacity"]:
        return 0, Status.DST_TOO_SMALL, 0, [0] * 16
    done = params[row["param"] :].view(RESULT)
    parts, place = [_header_of(row["flags"], len(content))], row["dst"] + HEADER
    for number, start in enumerate(range(0, len(content), header.block_size)):
        block = content[start : start + header.block_size]
        payload, word = bytes(memory(place + WORD, int(done["dst_size"][number]))), int(done["dst_size"][number])
        if done["status"][number] == Status.DST_TOO_SMALL:
            payload, word = block, len(block) | 1 << 31
        elif done["status"][number] != Status.OK or len(payload) >= len(block):
            return _BAD
        parts += [word.to_bytes(WORD, "little"), payload]
        parts += [xxhash.xxh32(payload).digest()[::-1]] * header.block_checksum
        place += WORD * (1 + header.block_checksum) + len(block)
    parts += [lz4_frame.END_MARK, *[xxhash.xxh32(content).digest()[::-1]] * header.content_checksum]
    frame = b"".join(parts)
    memory(row["dst"], len(frame))[:] = frame
    return len(frame), Status.OK, 0, [0] * 16


def _header_of(flags: int, size: int) -> bytes:
    code = flags >> 12
    return FrameHeader(
        block_size=1 << (8 + 2 * code),
        block_checksum=bool(flags & 0x10),
        content_checksum=bool(flags & 0x04),
        content_size=size,
    ).pack()


class _Block(NamedTuple):
    at: int
    size: int
    stored: bool


def _plain(frame: bytes) -> tuple[FrameHeader, list[_Block], bytes] | None:
    """Return header, blocks and content checksum of a plain frame, None for anything else."""
    try:
        header = lz4_frame.parse_header(frame, plausible=False)
    except FormatError:
        return None
    # A declared size of 0 reads as None, as does none; without a block it is 0 either way.
    sized = not header.legacy and frame[4] & HAS_CONTENT_SIZE
    if not sized or not header.independent or (header.content_size or 0) > MOST_CONTENT:
        return None
    return _blocks_of(frame, header)


def _blocks_of(frame: bytes, header: FrameHeader) -> tuple[FrameHeader, list[_Block], bytes] | None:
    blocks, at, checks = [], header.size, WORD * header.block_checksum
    while (word := frame[at : at + WORD]) != lz4_frame.END_MARK:
        size = int.from_bytes(word, "little") & 0x7FFFFFFF
        at += WORD
        end = at + size + checks
        if len(word) < WORD or not 0 < size <= header.block_size or end > len(frame):
            return None
        if checks and xxhash.xxh32(frame[at : at + size]).digest()[::-1] != frame[at + size : end]:
            return None
        blocks.append(_Block(at, size, bool(word[3] >> 7)))
        at = end
    tail = frame[at + WORD :]
    whole = -(-(header.content_size or 0) // header.block_size)
    if len(blocks) != whole or len(tail) != WORD * header.content_checksum:
        return None
    return header, blocks, tail


def _emulate_measure(row: dict[str, int], params: Bytes) -> Outcome:
    found = _plain(bytes(memory(row["src"], row["src_size"])))
    if found is None:
        return _BAD
    header, blocks, tail = found
    said = (header.content_size or 0, len(blocks), header.block_size, int.from_bytes(tail, "little"))
    return 0, Status.OK, int(header.content_checksum), list(np.array([said], MEASURED).tobytes())


def _emulate_rows(row: dict[str, int], params: Bytes) -> Outcome:
    found = _plain(bytes(memory(row["src"], row["src_size"])))
    if found is None or len(found[1]) * SEGMENT.itemsize != row["dst_capacity"]:
        return _BAD
    out = np.frombuffer(memory(row["dst"], row["dst_capacity"]), SEGMENT)
    for place, block in zip(out, found[1], strict=True):
        place["src"], place["src_size"] = row["src"] + block.at, block.size
        place["flags"] = ROW_STORED if block.stored else 0
    return row["dst_capacity"], Status.OK, 0, [0] * 16


# ---- known answers ----


def trials() -> list[Any]:
    """Return what makes the known-answer tests of the kernels."""
    return [_link_trial, _pack_trial, _frames_trial, _measure_trial, _rows_trial]


def _link_trial() -> Trial:
    done, out = new_results(2), np.zeros(2, "<u8")
    done["dst_size"], done["status"] = (1000, 70), (Status.OK, Status.BAD_DATA)
    step = _link(2, 0, Place(Space.TABLE), 0, 8, 16)
    step.table["src"] += np.uint64(address_of(done))
    step.table["dst"] += np.uint64(address_of(out))
    launch = Launch(KERNEL, LINK, step.table, np.zeros(_NO_PARAMS, np.uint8), keep=(done, out))

    def passed(results: Table) -> bool:
        return bool((results["dst_size"] == 8).all()) and out.tolist() == [1000 | 1016 << 32, 16 << 32]

    return Trial(launch, passed)


def _pack_trial() -> Trial:
    done, out, places = new_results(40), np.zeros(40, "<u8"), np.arange(40, dtype="<u8") << np.uint64(32)
    done["dst_size"], done["status"] = np.arange(40) * 1000, Status.OK
    done["status"][7] = Status.BAD_DATA
    step = places_behind(40, 0, 0, 28, "dst")
    step.table["src"] += np.uint64(address_of(done))
    step.table["dst"] = np.uint64(address_of(out)) + np.arange(40, dtype=np.uint64) * np.uint64(8)
    step.table["param"] = np.arange(40) * 8
    launch = Launch(KERNEL, PACK, step.table, places.view(np.uint8), keep=(done, out))
    sizes = [0 if row == 7 else 1000 * row for row in range(40)]
    expected = [(row << 32) + 28 * row + sum(sizes[:row]) for row in range(40)]

    def passed(results: Table) -> bool:
        return bool((results["dst_size"] == 8).all()) and out.tolist() == expected

    return Trial(launch, passed)


# Two blocks, the second short; stored, as a trial has no place for what was compressed before.
_CONTENT = bytes(range(251)) * 400
_CHECKED = FrameHeader(64 << 10, block_checksum=True, content_checksum=True, content_size=len(_CONTENT))


def _known_frame() -> bytes:
    parts = [_CHECKED.pack()]
    for block in (_CONTENT[: 64 << 10], _CONTENT[64 << 10 :]):
        parts += [(len(block) | 1 << 31).to_bytes(WORD, "little"), block, xxhash.xxh32(block).digest()[::-1]]
    return b"".join((*parts, lz4_frame.END_MARK, xxhash.xxh32(_CONTENT).digest()[::-1]))


def _one_row(entry: str, source: bytes, size: int, flags: int, params: Bytes) -> tuple[Launch, Bytes]:
    target: Bytes = np.zeros(size, np.uint8)
    data: Bytes = np.frombuffer(source, np.uint8)
    table = new_table(1)
    table[0] = (address_of(data), address_of(target), len(data), size, 0, flags)
    return Launch(KERNEL, entry, table, params, keep=(data, target)), target


def _frames_trial() -> Trial:
    blocks, frame = new_results(2), _known_frame()
    blocks["status"], blocks["dst_size"] = Status.DST_TOO_SMALL, 0
    launch, target = _one_row(FRAMES, _CONTENT, len(frame), descriptor(_CHECKED), blocks.view(np.uint8))
    return Trial(launch, lambda results: results["status"][0] == Status.OK and target.tobytes() == frame)


def _measure_trial() -> Trial:
    launch, _ = _one_row(MEASURE, _known_frame(), 16, 0, np.zeros(_NO_PARAMS, np.uint8))
    expected = (len(_CONTENT), 2, 64 << 10, xxhash.xxh32_intdigest(_CONTENT))
    return Trial(launch, lambda results: results["check"][0] == 1 and tuple(measured(results)[0]) == expected)


def _rows_trial() -> Trial:
    launch, target = _one_row(ROWS, _known_frame(), 2 * SEGMENT.itemsize, 0, np.zeros(_NO_PARAMS, np.uint8))

    def passed(results: Table) -> bool:
        rows = target.view(SEGMENT)
        sizes = [64 << 10, len(_CONTENT) - (64 << 10)]
        # `src` itself depends on where the frame is for the device.
        apart = int(rows["src"][1]) - int(rows["src"][0])
        return rows["src_size"].tolist() == sizes and apart == sizes[0] + 2 * WORD and (rows["flags"] == 1).all()

    return Trial(launch, passed)


def positions(sizes: Any) -> Addresses:
    """Return where runs of these lengths start, one behind the other."""
    ends = np.cumsum(sizes, dtype=np.uint64)
    starts: Addresses = ends - np.asarray(sizes, np.uint64)
    return starts
