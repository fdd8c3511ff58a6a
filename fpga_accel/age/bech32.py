"""Bech32 (BIP 173) without its limit of 90 characters, as age writes keys: the text is of one case, and checked."""

from __future__ import annotations

from functools import reduce
from operator import xor

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
# What the generator makes of the five bits that are shifted out, and the bits below them.
_STEPS = [reduce(xor, (term for bit, term in enumerate(_GENERATOR) if top >> bit & 1), 0) for top in range(32)]
_REST = (1 << 25) - 1
_CHECKSUM = 6
_SEPARATOR = "1"


def encode(prefix: str, data: bytes | bytearray) -> str:
    """Return the text, in the case of the prefix."""
    lower = prefix.lower()
    values = _regrouped(data, 8, 5, pad=True)
    state = _checksum_of([*_expanded(lower), *values, *[0] * _CHECKSUM]) ^ 1
    check = [state >> 5 * (_CHECKSUM - 1 - index) & 31 for index in range(_CHECKSUM)]
    text = lower + _SEPARATOR + "".join(_ALPHABET[value] for value in [*values, *check])
    return text if lower == prefix else text.upper()


def decode(text: str) -> tuple[str, bytearray]:
    """Return the prefix as it is written, and the data.

    Raises
    ------
    ValueError
        The text breaks the format. The message never shows it: it may be a secret.
    """
    # Other letters may have one of these as their lower case: the Kelvin sign is k then.
    if not text.isascii():
        raise ValueError("it has characters that Bech32 has not")
    if text not in (text.lower(), text.upper()):
        raise ValueError("it mixes upper and lower case")
    prefix, separator, rest = text.rpartition(_SEPARATOR)
    if not separator or not prefix or len(rest) < _CHECKSUM:
        raise ValueError("it is too short")
    if not all("!" <= letter <= "~" for letter in prefix):
        raise ValueError("its prefix has characters that none has")
    values = [_VALUES.get(letter, -1) for letter in rest.lower()]
    if -1 in values:
        raise ValueError("it has characters that Bech32 has not")
    if _checksum_of([*_expanded(prefix.lower()), *values]) != 1:
        raise ValueError("its checksum is wrong, so a character of it is")
    return prefix, bytearray(_regrouped(values[:-_CHECKSUM], 5, 8, pad=False))


def _expanded(prefix: str) -> list[int]:
    codes = prefix.encode("ascii")
    return [*(code >> 5 for code in codes), 0, *(code & 31 for code in codes)]


def _checksum_of(values: list[int]) -> int:
    state = 1
    for value in values:
        state = (state & _REST) << 5 ^ value ^ _STEPS[state >> 25]
    return state


def _regrouped(values: bytes | bytearray | list[int], width: int, to: int, *, pad: bool) -> list[int]:
    """Cut a string of bits anew; what is left over is filled up with zeros, or must be less than a group of zeros."""
    held, bits, groups = 0, 0, []
    for value in values:
        held = (held << width | value) & (1 << width + to) - 1
        bits += width
        while bits >= to:
            bits -= to
            groups.append(held >> bits & (1 << to) - 1)
    rest = held & (1 << bits) - 1
    if pad and bits:
        groups.append(rest << to - bits)
    elif not pad and (bits >= width or rest):
        raise ValueError("it is not a whole number of bytes, or padded with ones")
    return groups
