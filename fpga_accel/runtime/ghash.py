"""GHASH arithmetic (NIST SP 800-38D §6.3, §6.4) on Python integers: for checks, and for what cores take ready-made.

Slow, and its timing is that of Python's integers: no text goes through it.
"""

from __future__ import annotations

_REDUCTION = 0xE1 << 120
ONE = 1 << 127


def multiply(x: int, y: int) -> int:
    """Return the product of two field elements; bit 127 of the integers is the coefficient of x^0.

    Examples
    --------
    >>> multiply(ONE, 12345)
    12345
    """
    product = 0
    for shift in range(127, -1, -1):
        product ^= y & -((x >> shift) & 1)
        y = (y >> 1) ^ (_REDUCTION & -(y & 1))
    return product


def power(x: int, exponent: int) -> int:
    """Return ``x`` multiplied `exponent` times with itself."""
    result = ONE
    while exponent:
        if exponent & 1:
            result = multiply(result, x)
        x = multiply(x, x)
        exponent >>= 1
    return result


def ghash(h: int, blocks: bytes) -> int:
    """Return GHASH of whole 16-byte blocks under the hash key `h`."""
    state = 0
    for start in range(0, len(blocks), 16):
        state = multiply(state ^ int.from_bytes(blocks[start : start + 16], "big"), h)
    return state
