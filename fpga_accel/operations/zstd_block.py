"""Huffman-coded literals (RFC 8878, 3.1.1.3.1 and 4.2) in plain Python: the judge of what the library takes.

The library's fast decoder of four streams does not look whether they end with their last symbols, and it takes codes
of 12 bits. Kernels refuse both, as the format asks. Slow, and never on the data path: one block is looked at.
"""

from __future__ import annotations

from fpga_accel.errors import FormatError
from fpga_accel.operations import zstd_frame
from fpga_accel.operations.buffers import Flat

_MOST_BITS = 11
_COMPRESSED, _TREELESS = 2, 3
_JUMP_TABLE = 6

# Cells of a Huffman table by the next bits of a stream: the symbol, and the bits of its code.
_Table = tuple[int, list[tuple[int, int]]]


class BlockError(FormatError):
    """A kernel refuses the block at offset `block` of the frame at offset `frame`."""

    def __init__(self, frame: int, block: int) -> None:
        super().__init__(f"malformed Zstandard block at byte {frame + block}")
        self.frame = frame
        self.block = block


def forbidden(frame: Flat, block: int) -> str | None:
    """Say what the format forbids in the literals of the block at offset `block` of a frame that the library decodes.

    None where nothing is wrong with them.
    """
    data = memoryview(frame)
    position, tree = zstd_frame.parse_header(data).size, b""
    while position <= block:
        head = int.from_bytes(data[position : position + zstd_frame.BLOCK_HEADER], "little")
        kind, size, start = head >> 1 & 3, head >> 3, position + zstd_frame.BLOCK_HEADER
        if kind == zstd_frame.COMPRESSED_BLOCK:
            literals = _Literals(data[start : start + size])
            tree = bytes(literals.coded) if literals.kind == _COMPRESSED else tree
            if position == block and literals.kind in (_COMPRESSED, _TREELESS):
                return _judged(literals, tree)
        position = start + (1 if kind == zstd_frame.RLE_BLOCK else size)
        if head & 1:
            break
    return None


class _Literals:
    """A literals section.

    Attributes
    ----------
    kind, count
        The type, and how many literals there are.
    streams
        1 or 4.
    coded
        Tree description and streams.
    """

    def __init__(self, block: memoryview) -> None:
        self.kind, form = block[0] & 3, block[0] >> 2 & 3
        bits, size = ((10, 3), (10, 3), (14, 4), (18, 5))[form]
        head = int.from_bytes(block[:size], "little") >> 4
        mask = (1 << bits) - 1
        self.count, length = head & mask, head >> bits & mask
        self.streams = 4 if form else 1
        self.coded = block[size : size + length] if self.kind in (_COMPRESSED, _TREELESS) else block[:0]


def _judged(literals: _Literals, tree: bytes) -> str | None:
    size, (log, cells) = _tree(tree)
    if log > _MOST_BITS:
        return f"a Huffman code of {log} bits"
    coded = literals.coded[size if literals.kind == _COMPRESSED else 0 :]
    if literals.streams == 1:
        return None if _ends_right(coded, literals.count, log, cells) else "a Huffman stream with bits left or missing"
    part, start = (literals.count + 3) // 4, _JUMP_TABLE
    for number in range(4):
        size = int.from_bytes(coded[2 * number : 2 * number + 2], "little") if number < 3 else len(coded) - start
        count = part if number < 3 else literals.count - 3 * part
        if not _ends_right(coded[start : start + size], count, log, cells):
            return f"bits left or missing in Huffman stream {number + 1}"
        start += size
    return None


def _ends_right(stream: memoryview, count: int, log: int, cells: list[tuple[int, int]]) -> bool:
    """Whether a stream ends with its last symbol."""
    bits = _Backward(stream)
    for _ in range(count):
        _, used = cells[bits.peek(log)]
        bits.left -= used
    return bits.left == 0


class _Backward:
    """Reads a bitstream from its last byte to its first; behind its end are zeros."""

    def __init__(self, stream: memoryview) -> None:
        self._stream = stream
        self.left = 8 * (len(stream) - 1) + stream[-1].bit_length() - 1

    def peek(self, count: int) -> int:
        """Return the next bits."""
        low = self.left - count
        first = max(low, 0) >> 3
        word = int.from_bytes(self._stream[first : first + 4], "little") if self.left > 0 else 0
        word &= (1 << max(self.left - 8 * first, 0)) - 1
        shift = low - 8 * first
        return word >> shift if shift >= 0 else word << -shift

    def take(self, count: int) -> int:
        """Take the next bits."""
        value = self.peek(count)
        self.left -= count
        return value


def _tree(description: bytes) -> tuple[int, _Table]:
    """Return the size of a tree description that the library takes, and its table."""
    head = description[0]
    if head < 128:
        size, weights = 1 + head, _coded_weights(description[1 : 1 + head])
    else:
        count = head - 127
        size = 1 + (count + 1) // 2
        weights = [nibble for byte in description[1:size] for nibble in (byte >> 4, byte & 15)][:count]
    total = sum(1 << weight >> 1 for weight in weights)
    log = total.bit_length()
    weights.append(((1 << log) - total).bit_length())
    cells: list[tuple[int, int]] = []
    for weight in range(1, log + 1):
        for symbol, found in enumerate(weights):
            if found == weight:
                cells += [(symbol, log + 1 - weight)] * (1 << weight >> 1)
    return size, (log, cells)


def _coded_weights(data: bytes) -> list[int]:
    size, log, counts = _counts(data)
    cells = _fse_cells(log, counts)
    bits = _Backward(memoryview(data)[size:])
    states = [bits.take(log), bits.take(log)]
    weights: list[int] = []
    while True:
        symbol, used, base = cells[states[0]]
        weights.append(symbol)
        if used > bits.left:
            weights.append(cells[states[1]][0])
            return weights
        states = [states[1], base + bits.take(used)]


def _counts(data: bytes) -> tuple[int, int, list[int]]:
    """Read a table description (4.1.1): its size, its accuracy log, and the cells of each symbol."""
    word, at = int.from_bytes(data, "little"), 4
    log = (word & 15) + 5
    left, counts = 1 << log, list[int]()
    while left > 0:
        bits = (left + 1).bit_length()
        fewer = (1 << bits) - left - 2
        value = word >> at & ((1 << bits) - 1)
        if value & ((1 << (bits - 1)) - 1) < fewer:
            value &= (1 << (bits - 1)) - 1
            at += bits - 1
        else:
            value -= fewer if value >> (bits - 1) else 0
            at += bits
        counts.append(value - 1)
        left -= abs(value - 1)
        repeated = 3 if value == 1 else 0
        while repeated == 3:
            repeated = word >> at & 3
            at += 2
            counts += [0] * repeated
    return (at + 7) // 8, log, counts


def _fse_cells(log: int, counts: list[int]) -> list[tuple[int, int, int]]:
    """Return symbol, bits and baseline of each state (4.1.2)."""
    size = 1 << log
    rare = [symbol for symbol, count in enumerate(counts) if count < 0]
    symbols = [0] * (size - len(rare)) + rare[::-1]
    at = 0
    for symbol, count in enumerate(counts):
        for _ in range(count):
            symbols[at] = symbol
            at = (at + (size >> 1) + (size >> 3) + 3) % size
            while at >= size - len(rare):
                at = (at + (size >> 1) + (size >> 3) + 3) % size
    numbers = [max(count, 1) for count in counts]
    cells = []
    for symbol in symbols:
        used = log + 1 - numbers[symbol].bit_length()
        cells.append((symbol, used, (numbers[symbol] << used) - size))
        numbers[symbol] += 1
    return cells
