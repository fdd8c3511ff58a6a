"""Encryption of storage in sectors, as a class that is bound once to its key."""

from __future__ import annotations

import os
from typing import Any

from fpga_accel.accelerator import Accelerator, default_accelerator
from fpga_accel.operations import registry
from fpga_accel.operations.aes_xts import SECTOR, as_int
from fpga_accel.operations.buffers import flat, flat_writable
from fpga_accel.operations.ciphers import CipherOperation, CipherOptions

_ALGORITHM = "aes-xts-sectors"
_NUMBERS = 1 << 128


class AESXTS:
    """AES-XTS (IEEE 1619, NIST SP 800-38E) of sectors; the tweak of a sector is its number, little-endian.

    All sectors of a call are one launch. Nothing is authenticated, as the results have no room for it. May be shared
    between threads.

    Parameters
    ----------
    key
        Two different keys of AES-128 or AES-256 behind each other: 32 or 64 bytes.
    accelerator
        Where larger work runs; by default the shared one of the module-level functions.

    Raises
    ------
    ValueError
        The key has another size, or its halves are equal.

    Examples
    --------
    >>> disk = AESXTS(bytes(range(64)), accelerator=Accelerator("cpu"))
    >>> sectors = disk.encrypt_sectors(bytes(8192), 7)
    >>> disk.decrypt_sectors(sectors[4096:], 8) == bytes(4096)
    True
    """

    def __init__(self, key: Any, accelerator: Accelerator | None = None) -> None:
        self._acc = accelerator or default_accelerator()
        self._encrypts = registry.cipher("encrypt", _ALGORITHM)
        self._decrypts = registry.cipher("decrypt", _ALGORITHM)
        # A copy of our own: the caller's buffer may change.
        self._key = bytes(flat(key, "key"))
        self._encrypts.single(self._key, None, None)
        both = {each.op: each.bound(self._key, None) for each in (self._encrypts, self._decrypts)}
        # By the direction: what the CPU path takes of a key, and the shortest way there.
        self._expanded = {op: {0: cipher} for op, cipher in both.items()}
        direct = self._acc.engine.planner.direct
        self._short = {each.op: direct(each, both[each.op].sectors, 0) for each in (self._encrypts, self._decrypts)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(accelerator={self._acc!r})"

    @staticmethod
    def generate_key(bit_length: int = 512) -> bytes:
        """Return a random key: 512 bits are two keys of AES-256, 256 bits two of AES-128."""
        if bit_length not in (256, 512):
            raise ValueError(f"bit_length={bit_length}; a key of AES-XTS has 256 or 512 bits")
        return os.urandom(bit_length // 8)

    def encrypt_sectors(self, data: Any, first_sector: int, sector_size: int = SECTOR) -> bytes:
        """Encrypt whole sectors that lie behind each other.

        Parameters
        ----------
        data
            A buffer of whole sectors.
        first_sector
            The number of the first, from 0 to 2^128 - 1.
        sector_size
            Bytes of a sector, from 16 to 2^24; where they are no multiple of 16, its last two blocks share bytes.

        Raises
        ------
        ValueError
            The data has a part of a sector, or a number is out of its range.
        """
        return self._one(self._encrypts, data, first_sector, sector_size)

    def decrypt_sectors(self, data: Any, first_sector: int, sector_size: int = SECTOR) -> bytes:
        """Decrypt what `encrypt_sectors` made; arguments as there."""
        return self._one(self._decrypts, data, first_sector, sector_size)

    def encrypt_sectors_into(self, data: Any, first_sector: int, buf: Any, sector_size: int = SECTOR) -> int:
        """Encrypt into a writable buffer, which may be larger, and return the bytes written."""
        return self._into(self._encrypts, data, first_sector, buf, sector_size)

    def decrypt_sectors_into(self, data: Any, first_sector: int, buf: Any, sector_size: int = SECTOR) -> int:
        """Decrypt into a writable buffer, which may be larger, and return the bytes written."""
        return self._into(self._decrypts, data, first_sector, buf, sector_size)

    def _one(self, operation: CipherOperation, data: Any, first_sector: int, sector_size: int) -> bytes:
        result: bytes | None = self._short[operation.op].run(data, first_sector, sector_size)
        if result is not None:
            return result
        return self._acc.engine.one(operation, self._options(operation, first_sector, sector_size), flat(data))

    def _into(self, operation: CipherOperation, data: Any, first_sector: int, buf: Any, sector_size: int) -> int:
        written: int | None = self._short[operation.op].run(data, first_sector, sector_size, buf)
        if written is not None:
            return written
        options = self._options(operation, first_sector, sector_size)
        return self._acc.engine.into(operation, options, flat(data), flat_writable(buf))

    def _options(self, operation: CipherOperation, first_sector: int, sector_size: int) -> CipherOptions:
        first_sector = as_int(first_sector, "first_sector")
        if not 0 <= first_sector < _NUMBERS:
            raise ValueError(f"first_sector={first_sector}; sectors have numbers from 0 to 2^128 - 1")
        own = operation.own(sector_size=sector_size)
        options = CipherOptions((self._key,), (first_sector.to_bytes(16, "little"),), None, own)
        # The key is expanded once.
        options.expanded = self._expanded[operation.op]
        return options
