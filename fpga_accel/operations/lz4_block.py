"""The LZ4 block format in plain Python: the judge where a kernel takes a block that the library refuses.

Slow, and never on the data path. It asks for no more than decoding needs, so the format's rules for how a block
ends, which are for encoders, are not checked.
"""

from __future__ import annotations

_MIN_MATCH = 4
# A length nibble of 15 goes on in further bytes, as does a byte of 255.
_MORE = 15


def decoded(block: bytes, capacity: int, history: bytes = b"") -> bytes | None:
    """Return the content of a block, None where it is malformed or larger than `capacity`.

    `history` is what comes before a linked block; it is not in the result and does not count for `capacity`.

    Examples
    --------
    >>> decoded(bytes.fromhex("1f610100001062"), 100)
    b'aaaaaaaaaaaaaaaaaaaab'
    """
    out = bytearray(history)
    capacity += len(history)
    at = 0
    try:
        while len(out) <= capacity:
            token = block[at]
            literals, at = _length(block, at + 1, token >> 4)
            if at + literals > len(block):
                return None
            out += block[at : at + literals]
            at += literals
            if at == len(block):
                return bytes(out[len(history) :]) if len(out) <= capacity else None
            offset = block[at] | block[at + 1] << 8
            length, at = _length(block, at + 2, token & 15)
            length += _MIN_MATCH
            if offset > len(out) or len(out) + length > capacity:
                return None
            _copy_match(out, offset, length)
    except IndexError:
        return None
    return None


def _length(block: bytes, at: int, nibble: int) -> tuple[int, int]:
    length = nibble
    if nibble == _MORE:
        while True:
            length += block[at]
            at += 1
            if block[at - 1] != 255:
                break
    return length, at


def _copy_match(out: bytearray, offset: int, length: int) -> None:
    if not offset:
        # Breaks the format; the library decodes it to zeros.
        out += bytes(length)
        return
    start = len(out) - offset
    pattern = bytes(out[start : start + length])
    out += (pattern * (length // len(pattern) + 1))[:length]
