"""The key schedule of AES (FIPS 197 section 5.2) on the host, for cores that take round keys."""

from __future__ import annotations

KEY_SIZES = (16, 24, 32)


def _double(byte: int) -> int:
    """Multiply by x in GF(2^8), section 4.2.1."""
    return byte << 1 ^ (0x11B if byte & 0x80 else 0)


def _sbox() -> bytes:
    """Section 5.1.1: the inverse in GF(2^8), then the affine map. x + 1 generates the field without 0."""
    powers = [1]
    while len(powers) < 255:
        powers.append(powers[-1] ^ _double(powers[-1]))
    box = bytearray(b"\x63" * 256)
    for exponent, byte in enumerate(powers):
        twice = 0x101 * powers[-exponent % 255]
        box[byte] = 0x63 ^ (twice ^ twice >> 4 ^ twice >> 5 ^ twice >> 6 ^ twice >> 7) & 0xFF
    return bytes(box)


SBOX = _sbox()
DOUBLED_SBOX = bytes(_double(byte) for byte in SBOX)


def round_keys(key: bytes) -> bytes:
    """Expand a key of 16, 24 or 32 bytes to 11, 13 or 15 round keys of 16 bytes.

    Raises
    ------
    ValueError
        The key has another size.

    Examples
    --------
    >>> round_keys(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))[-16:].hex()  # appendix A.1
    'd014f9a8c9ee2589e13f0cc8b6630ca6'
    """
    size = len(key)
    if size not in KEY_SIZES:
        raise ValueError(f"keys of AES have 16, 24 or 32 bytes, not {size}")
    schedule = bytearray(key)
    constant = 1
    while len(schedule) < 4 * (size + 28):
        word = schedule[-4:]
        if len(schedule) % size == 0:
            word = (word[1:] + word[:1]).translate(SBOX)
            word[0] ^= constant
            constant = _double(constant)
        elif size == 32 and len(schedule) % size == 16:
            word = word.translate(SBOX)
        schedule += bytes(old ^ new for old, new in zip(schedule[-size:], word, strict=False))
    return bytes(schedule)
