"""Chaining values of BLAKE3, which its library does not give: what stands in for a kernel, and judges one at its trial.

All nodes of a level are done at once by numpy. Nothing here is on the way of data of a caller.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fpga_accel.operations.buffers import Flat

# Bytes of a chunk, of a chaining value, and of a block.
CHUNK, VALUE, _BLOCK = 1024, 32, 64
# Flags of a compression.
_START, _END, _PARENT, _ROOT = 1, 2, 4, 8

Words = npt.NDArray[np.uint32]

_INITIAL: Words = np.array(
    [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19], np.uint32
)
_ORDER = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
# The words of a column or diagonal of the state.
_MIXED = (
    ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11), (12, 13, 14, 15)),
    ((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)),
)


def chaining_value(data: Flat, first: int) -> bytes:
    """Return the chaining value of a subtree, of which chunk `first` of the message is the first."""
    return _tree(_chunks(bytes(data), first), 1).tobytes()


def joined(values: Flat, length: int) -> bytes:
    """Return the output of a root from the chaining values of the subtrees below it."""
    leaves = np.frombuffer(bytes(values), "<u4").reshape(-1, 8).astype(np.uint32)
    block = _tree(leaves, 2).reshape(1, 16)
    numbers = range(-(-length // _BLOCK))
    output = [_compressed(_INITIAL[None], block, number, _BLOCK, _PARENT | _ROOT).tobytes() for number in numbers]
    return b"".join(output)[:length]


def _tree(values: Words, most: int) -> Words:
    """Join chaining values, two by two, until there are `most`; what is left over at the end of a level moves up."""
    while len(values) > most:
        pairs = values[: len(values) // 2 * 2].reshape(-1, 16)
        parents = _compressed(_INITIAL[None], pairs, 0, _BLOCK, _PARENT)[:, :8]
        values = np.concatenate((parents, values[len(pairs) * 2 :]))
    return values


def _chunks(data: bytes, first: int) -> Words:
    """Return the chaining values of all chunks."""
    whole = len(data) // CHUNK
    blocks = np.frombuffer(data[: whole * CHUNK], "<u4").reshape(whole, 16, 16)
    values = np.repeat(_INITIAL[None], whole, axis=0)
    for number in range(16):
        flags = _START * (number == 0) | _END * (number == 15)
        values = _compressed(values, blocks[:, number], first + np.arange(whole), _BLOCK, flags)[:, :8]
    rest = data[whole * CHUNK :]
    if not rest:
        return values
    value = _INITIAL[None]
    for at in range(0, len(rest), _BLOCK):
        part = rest[at : at + _BLOCK]
        flags = _START * (at == 0) | _END * (at + _BLOCK >= len(rest))
        words = np.frombuffer(part.ljust(_BLOCK, b"\0"), "<u4").reshape(1, 16)
        value = _compressed(value, words, first + whole, len(part), flags)[:, :8]
    return np.concatenate((values, value))


def _compressed(values: Words, blocks: Words, number: Any, length: int, flags: int) -> Words:
    """Compress a block for each chaining value; all 16 words of output."""
    state = np.empty((16, len(blocks)), np.uint32)
    state[:8] = values.T
    state[8:12] = _INITIAL[:4, None]
    counter = np.asarray(number, np.uint64)
    state[12], state[13] = counter & np.uint64(0xFFFFFFFF), counter >> np.uint64(32)
    state[14], state[15] = length, flags
    words = blocks.T
    for _ in range(7):
        for half, (a, b, c, d) in enumerate(_MIXED):
            used = words[8 * half : 8 * half + 8]
            _mix(state, (list(a), list(b), list(c), list(d)), used[0::2], used[1::2])
        words = words[_ORDER]
    state[:8] ^= state[8:]
    state[8:] ^= values.T
    return np.ascontiguousarray(state.T)


def _mix(state: Words, which: tuple[list[int], ...], first: Words, second: Words) -> None:
    a, b, c, d = which
    for words, turn, other in ((first, 16, 12), (second, 8, 7)):
        state[a] += state[b] + words
        state[d] = _rotated(state[d] ^ state[a], turn)
        state[c] += state[d]
        state[b] = _rotated(state[b] ^ state[c], other)


def _rotated(words: Words, right: int) -> Words:
    return (words >> np.uint32(right)) | (words << np.uint32(32 - right))
