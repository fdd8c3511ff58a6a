"""The S-box and the key schedule of SM4 (GB/T 32907-2016 sections 6.2 and 7.3) on the host, for cores."""

from __future__ import annotations

ROUNDS = 32
KEY_SIZE = 16
_SYSTEM = (0xA3B1BAC6, 0x56AA3350, 0x677D9197, 0xB27022DC)
_WORD = 0xFFFFFFFF
# The S-box is an affine map, the inverse in GF(2^8) with this polynomial, and the same affine map again.
_POLYNOMIAL = 0x1F5
_ROW, _CONSTANT = 0xA7, 0xD3


def _product(x: int, y: int) -> int:
    result = 0
    while y:
        result ^= x if y & 1 else 0
        x <<= 1
        x ^= _POLYNOMIAL if x & 0x100 else 0
        y >>= 1
    return result


def _inverse(x: int) -> int:
    """Return x to the power of 254, which is 0 for 0."""
    result = 1
    for _ in range(7):
        x = _product(x, x)
        result = _product(result, x)
    return result


def _affine(x: int) -> int:
    """Multiply by the circulant matrix whose row 0 is `_ROW`, and add the constant."""
    rows = (_ROW << row | _ROW >> 8 - row for row in range(8))
    return sum(((row & x).bit_count() & 1) << bit for bit, row in enumerate(rows)) ^ _CONSTANT


SBOX = bytes(_affine(_inverse(_affine(x))) for x in range(256))


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & _WORD


def _fixed(index: int) -> int:
    """Return CK of a round: byte j is 7 (4i + j) modulo 256."""
    return int.from_bytes(bytes(7 * (4 * index + byte) % 256 for byte in range(4)), "big")


def round_keys(key: bytes) -> bytes:
    """Expand a key of 16 bytes to the 32 round keys, big-endian words.

    Raises
    ------
    ValueError
        The key has another size.

    Examples
    --------
    >>> round_keys(bytes.fromhex("0123456789abcdeffedcba9876543210"))[-4:].hex()  # appendix A.1
    '9124a012'
    """
    if len(key) != KEY_SIZE:
        raise ValueError(f"keys of SM4 have {KEY_SIZE} bytes, not {len(key)}")
    words = [int.from_bytes(key[4 * i : 4 * i + 4], "big") ^ system for i, system in enumerate(_SYSTEM)]
    for index in range(ROUNDS):
        mixed = words[-3] ^ words[-2] ^ words[-1] ^ _fixed(index)
        taken = int.from_bytes(mixed.to_bytes(4, "big").translate(SBOX), "big")
        words.append(words[-4] ^ taken ^ _turned(taken, 13) ^ _turned(taken, 23))
    return b"".join(word.to_bytes(4, "big") for word in words[4:])
