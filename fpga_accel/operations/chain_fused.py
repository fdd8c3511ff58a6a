"""Chains that one RTL core does as a whole: pages compressed, framed and encrypted (kernels/chain/rtl.py)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import lz4.frame
import numpy as np

from fpga_accel.backends import Trial
from fpga_accel.batch import items_of
from fpga_accel.errors import DeviceError
from fpga_accel.operations.aes_gcm import GcmEncrypt
from fpga_accel.operations.buffers import Items
from fpga_accel.operations.ciphers import CipherOptions
from fpga_accel.operations.contract import Operation, RowInput, RowOutput, Run, output_of, row_of
from fpga_accel.operations.keyed import BLOCK, Record, Texts, keys_in
from fpga_accel.operations.links import HEADER, KERNEL, WORD
from fpga_accel.operations.lz4_compress import CompressOptions, Lz4Compress
from fpga_accel.operations.sealed import TAG
from fpga_accel.runtime.buffers import POOL
from fpga_accel.segments import (
    FRAME_FLAGS_AT,
    MOST_PAGE,
    MOST_PARAMETER_BEATS,
    Bytes,
    Launch,
    Status,
    Table,
    address_of,
    spread,
)

ENTRY = "lz4_aes_gcm"

# Of the beats of parameters, header, counter, lengths and round keys are 18.
MOST_AAD = BLOCK * (MOST_PARAMETER_BEATS - 18)
# A frame of one block: header, the block's size, EndMark.
_FRAMING = HEADER + 2 * WORD


def serves(stages: Sequence[Operation[Any]]) -> bool:
    """Whether there is an entry that is all of these stages."""
    return [type(stage) for stage in stages] == [Lz4Compress, GcmEncrypt]


def fitting(stages: Sequence[Any], sizes: Any) -> list[int]:
    """Return the items that the entry can do, by the options of both stages.

    Those are frames of one block without checksums, with associated data of at most `MOST_AAD` bytes.
    """
    compress, encrypt = stages
    assert isinstance(compress, CompressOptions)
    if compress.content_checksum or compress.block_checksum:
        return []
    fits = (sizes <= MOST_PAGE) & (items_of(encrypt.aads or (b"",)).sizes <= MOST_AAD)
    found: list[int] = np.flatnonzero(fits).tolist()
    return found


def sealed(stages: Sequence[Operation[Any]], options: Sequence[Any], items: Items, run: Run) -> Iterator[bytes]:
    """Yield the result of each item, from one launch."""
    launch, fronts = _launch(stages[1], options, items)
    results = run(launch)
    for row, front in zip(range(len(items)), fronts, strict=True):
        output = output_of(launch, results, row)
        if output.status != Status.OK:
            raise DeviceError(f"{ENTRY} ended row {row} of {len(items)} with status {output.status}")
        yield front + output.data


def _launch(cipher: Any, options: Sequence[Any], items: Items) -> tuple[Launch, list[bytes]]:
    """Return a launch, and what comes in front of each result: a nonce that was made here."""
    compress, encrypt = options
    assert isinstance(encrypt, CipherOptions)
    nonces, fronts = encrypt.nonce_items(), [b""] * len(items)
    if nonces is None:
        nonces = cipher.random_nonces(len(items))
        fronts = [bytes(nonces.view(index)) for index in range(len(items))]
    bounds = items.sizes + np.uint64(_FRAMING + TAG)
    places, nbytes = spread(bounds)
    room: Bytes = POOL.array(nbytes)
    targets = places + np.uint64(address_of(room))
    table, params = cipher.whole_rows(Texts(items.addresses, targets, items.sizes, nonces), encrypt)
    table["dst_capacity"] = bounds
    sizes, which = np.unique(items.sizes, return_inverse=True)
    table["flags"] |= np.array([_header_flags(compress, int(size)) for size in sizes], np.uint32)[which]
    return Launch(
        KERNEL, ENTRY, table, params, keep=(items, nonces, room, encrypt), keys=keys_in(table, params, encrypt)
    ), fronts


def _header_flags(options: CompressOptions, size: int) -> int:
    header = options.header(size).pack()
    flg, bd, hc = (byte << at for byte, at in zip((header[4], header[5], header[-1]), FRAME_FLAGS_AT, strict=True))
    return flg | bd | hc


def agrees(row: RowInput, output: RowOutput) -> bool:
    """Whether a sealed page is right: another compressor's block may be of other bytes."""
    if output.status != Status.OK:
        return False
    record = Record.of(row)
    try:
        frame = GcmEncrypt.library_class(record.key).decrypt(record.nonce, output.data, record.aad)
        content: bytes = lz4.frame.decompress(frame)
    except Exception:
        return False
    return content == row.src


def trial(stages: Sequence[Operation[Any]]) -> Trial:
    """Return a known-answer test of the entry."""
    text = b"".join(b"row %d of the known-answer test\n" % (number * number) for number in range(600))
    pages = [text, b"", b"a", bytes(range(251)) * 3, text[:4096], bytes(5000), text[7:1000]]
    encrypt = CipherOptions(
        keys=[bytes(range(32))] * 4 + [bytes(range(16))] * 3,
        nonces=[bytes([number]) * (12 if number % 3 else 16) for number in range(len(pages))],
        aads=[b"page %d" % number * number for number in range(len(pages))],
    )
    launch, _ = _launch(stages[1], (CompressOptions(), encrypt), Items.of(pages))

    def passed(results: Table) -> bool:
        rows = range(len(pages))
        return all(agrees(row_of(launch, row), output_of(launch, results, row)) for row in rows)

    return Trial(launch, passed)
