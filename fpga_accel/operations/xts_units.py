"""AES-XTS of many short data units by the CPU library: its block cipher over all of them, tweaks beside it.

For its own XTS the library wants an object a data unit, and making one takes four times as long as what it does to
4 KiB. What XTS has besides the block cipher (IEEE 1619 section 5.3) is in ``host/xts.c``.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from fpga_accel import _objects
from fpga_accel.operations.buffers import Flat, made
from fpga_accel.operations.keyed import BLOCK

# Larger data units go to the library's own XTS: what an object takes is little beside them.
LARGEST = 16 << 10
# So many data units are worth expanding a key as two, which takes 20 µs.
_FEW = 4
# Bytes at a time, few enough that they stay in a core's own caches.
_CHUNK = 32 << 10
# Data units whose first tweaks are made at once.
_GROUP = 512
# The library wants room for a block less one byte more than what it writes.
SPARE = BLOCK - 1
_ZEROS = memoryview(bytes(_CHUNK))


class _Bench:
    """The ciphers of both keys and their scratch memory, for one caller at a time."""

    def __init__(self, data: Any, tweak: Any) -> None:
        self.data = data.update_into
        self.tweak = tweak.update_into
        self.texts = memoryview(bytearray(_CHUNK + SPARE))
        self.firsts = memoryview(bytearray(_GROUP * BLOCK + SPARE))
        # A bytearray that memoryviews are taken of stays where it is.
        self.texts_at = _objects.address(self.texts)[0]
        self.firsts_at = _objects.address(self.firsts)[0]

    def clear(self, texts: int, firsts: int) -> None:
        """Zero so many bytes of what was used."""
        self.texts[:texts], self.firsts[:firsts] = _ZEROS[:texts], _ZEROS[:firsts]


class UnitsCipher:
    """One direction of AES-XTS under a key. May be shared between threads.

    Parameters
    ----------
    key
        Two keys of AES behind each other.
    encrypts
        The direction.
    """

    def __init__(self, key: Flat, *, encrypts: bool) -> None:
        self._key = key
        self._library_key = algorithms.AES(key)
        self.encrypts = encrypts
        self._idle: list[_Bench] = []

    def stream(self, tweak: Any) -> Any:
        """Return the library's object for one data unit."""
        both = Cipher(self._library_key, modes.XTS(tweak))
        return both.encryptor() if self.encrypts else both.decryptor()

    def serves(self, unit: int, units: int) -> bool:
        """Whether `fill` takes such data units, and so many of them are faster than by an object each."""
        return not unit % BLOCK and unit <= LARGEST and (units >= _FEW or bool(self._idle))

    def fill(self, number: Any, text: Flat, unit: int, out: memoryview) -> None:
        """Write the results of data units of `unit` bytes, whose tweaks count up from `number`."""
        source, size, text_held = _objects.address(text)
        target, _, out_held = _objects.address(out, True)
        first_number, _, number_held = _objects.address(number)
        bench = self._taken()
        units, step = size // unit, _CHUNK // unit
        with text_held, out_held, number_held:
            for start in range(0, units, _GROUP):
                group = min(_GROUP, units - start)
                _objects.xts_numbers(first_number, start, group, bench.firsts_at)
                bench.tweak(bench.firsts[: group * BLOCK], bench.firsts[: group * BLOCK + SPARE])
                for done in range(0, group, step):
                    at = (start + done) * unit
                    _chunk(bench, done, min(step, group - done), unit, source + at, target + at)
        bench.clear(min(size, _CHUNK), min(units, _GROUP) * BLOCK)
        self._idle.append(bench)

    def sectors(self, data: Any, first: Any, unit: Any, buf: Any = None) -> Any:
        """Return the results of sectors that count up from `first`, or write them to a buffer and return their bytes.

        None for whatever is not plain: it takes the way on which that is checked.
        """
        if not _is_plain(data, first, unit):
            return None
        number, size = first.to_bytes(BLOCK, "little"), len(data)
        if buf is None:
            return made(size, lambda out: self.fill(number, data, unit, out))
        out = memoryview(buf) if type(buf) is bytearray else buf
        if not _takes(out, size):
            return None
        self.fill(number, data, unit, out)
        return size

    def _taken(self) -> _Bench:
        try:
            return self._idle.pop()
        except IndexError:
            half = len(self._key) // 2
            data, tweak = (Cipher(algorithms.AES(key), modes.ECB()) for key in (self._key[:half], self._key[half:]))
            return _Bench(data.encryptor() if self.encrypts else data.decryptor(), tweak.encryptor())


def _chunk(bench: _Bench, first: int, units: int, unit: int, source: int, target: int) -> None:
    """Do data units that lie behind each other; `first` is the place of the first one's tweak."""
    tweaks, size = bench.firsts_at + first * BLOCK, units * unit
    _objects.xts_combine(source, tweaks, units, unit, bench.texts_at)
    bench.data(bench.texts[:size], bench.texts[: size + SPARE])
    _objects.xts_combine(bench.texts_at, tweaks, units, unit, target)


def _is_plain(data: Any, first: Any, unit: Any) -> bool:
    """Whether these are whole sectors of whole blocks, with numbers that tweaks can be."""
    if type(data) is not bytes or type(first) is not int or type(unit) is not int:
        return False
    return 0 <= first < 1 << 128 and BLOCK <= unit <= LARGEST and not (unit % BLOCK or len(data) % unit)


def _takes(out: Any, size: int) -> bool:
    """Whether so many bytes can be written to a view as it is."""
    plain = type(out) is memoryview and out.format == "B" and out.ndim == 1 and out.c_contiguous and not out.readonly
    return plain and len(out) >= size
