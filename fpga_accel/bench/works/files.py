"""Whole files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

from fpga_accel import Accelerator
from fpga_accel.bench.works.work import KIB, MIB, Buffer, Call, Work


class Sealed(Work):
    """Age files for one recipient (c2sp.org/age)."""

    operations = ("chacha20-poly1305.encrypt",)
    # Smaller ones are X25519's time.
    sizes = (64 * KIB, MIB, 64 * MIB)
    batches = ()
    # That of the examples in the specification.
    identity = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
    recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

    @classmethod
    def missing(cls) -> str:
        absent = "" if find_spec("pyrage") else "pyrage, the judge, is not installed"
        return super().missing() or absent

    @abstractmethod
    def call(self, acc: Accelerator, item: Buffer) -> bytes:
        """Do one item."""

    def one(self, acc: Accelerator) -> Call:
        return partial(self.call, acc, self.fed[0])

    def many(self, acc: Accelerator, items: Any) -> Call:
        return lambda: [self.call(acc, item) for item in items]


class Seal(Sealed):
    """Contents are sealed."""

    name = "age.seal"

    def call(self, acc: Accelerator, item: Buffer) -> bytes:
        return acc.seal(item, recipients=self.recipient)

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        import pyrage

        return bool(pyrage.decrypt(bytes(part), [pyrage.x25519.Identity.from_str(self.identity)]) == item)


class Unseal(Sealed):
    """Files that the stock library made are opened."""

    name = "age.unseal"

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        import pyrage

        return [pyrage.encrypt(item, [pyrage.x25519.Recipient.from_str(self.recipient)]) for item in items]

    def call(self, acc: Accelerator, item: Buffer) -> bytes:
        return acc.unseal(item, identities=self.identity)

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        return bytes(part) == item
