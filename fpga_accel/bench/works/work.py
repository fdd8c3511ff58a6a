"""What all works are: a list of plaintexts, our calls for them, and how an output is judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag

from fpga_accel import Accelerator
from fpga_accel.bench import inputs
from fpga_accel.operations import registry

# What a library takes and gives: bytes, a memoryview, or a buffer type of its own.
Buffer = Any
Call = Callable[[], Any]
KIB, MIB = 1 << 10, 1 << 20
TAG = 16
KEY = bytes(range(32))
# What the judges raise on bytes that they cannot decode.
UNDECODABLE = (RuntimeError, InvalidTag, ValueError)


class Work(ABC):
    """One operation on a list of plaintexts; a list of one is a single call.

    A call that this operation does not have is None.

    Parameters
    ----------
    items
        Plaintexts.
    """

    # As cases and peers name it; that of the registry, or one of several works of the same operation.
    name: ClassVar[str]
    # The operations of the registry that it needs.
    operations: ClassVar[tuple[str, ...]]
    # Kinds of data that differ in speed; others are not worth a case.
    kinds: ClassVar[tuple[str, ...]] = (inputs.RANDOM,)
    # Sizes of single inputs; items and their size of batches.
    sizes: ClassVar[tuple[int, ...]] = (64, KIB, 4 * KIB, 64 * KIB, MIB, 64 * MIB, 256 * MIB)
    batches: ClassVar[tuple[tuple[int, int], ...]] = ((100, 256), (100, 4 * KIB), (10_000, 256), (10_000, 4 * KIB))
    # Whether batches are of every kind of data too, not of the first alone.
    batches_of_all_kinds: ClassVar[bool] = False
    # Whether time a byte is followed up to the largest inputs.
    grows: ClassVar[bool] = False
    # Whether a compression ratio says anything.
    has_ratio: ClassVar[bool] = False
    nonce_size: ClassVar[int] = 12

    def __init__(self, items: Sequence[bytes]) -> None:
        self.items = list(items)
        self.nbytes = sum(map(len, self.items))
        self.fed = self.feed(self.items)

    @classmethod
    def missing(cls) -> str:
        """Tell why this package cannot do it, "" where it can."""
        absent = [name for name in cls.operations if name not in registry.OPERATIONS]
        return f"there is no operation {absent[0]}" if absent else ""

    @classmethod
    def is_main(cls) -> bool:
        """Whether it is the usual work of its operations, not a special one."""
        return cls.name == " > ".join(cls.operations)

    def nonce(self, index: int) -> bytes:
        """Return the nonce of the message at `index`."""
        return index.to_bytes(self.nonce_size, "little")

    def nonces(self, count: int) -> list[bytes]:
        """Return the nonces of so many messages."""
        return [self.nonce(index) for index in range(count)]

    def nonces_for(self, items: Any) -> list[bytes] | npt.NDArray[np.uint8]:
        """Return the nonces of a call for all items: a list for a list, the rows of an array for a `Batch`."""
        nonces = self.nonces(len(items))
        if isinstance(items, list):
            return nonces
        return np.frombuffer(b"".join(nonces), np.uint8).reshape(len(nonces), self.nonce_size)

    def feed(self, items: Sequence[bytes]) -> list[bytes]:
        """Return what the operation takes for these plaintexts."""
        return list(items)

    def room(self, nbytes: int) -> int:
        """Return how large an output for `nbytes` of plaintext may be."""
        return nbytes

    def one(self, acc: Accelerator) -> Call | None:
        """Return our call for one item, that gives new bytes."""
        return None

    def into(self, acc: Accelerator, out: memoryview) -> Call | None:
        """Return our call for one item that writes into `out`."""
        return None

    def bound(self, acc: Accelerator) -> Call | None:
        """Return `one` of an object that was bound to its key before."""
        return None

    def bound_into(self, acc: Accelerator, out: memoryview) -> Call | None:
        """Return `into` of an object that was bound to its key before."""
        return None

    @abstractmethod
    def many(self, acc: Accelerator, items: Any) -> Call | None:
        """Return our call for all items, given as a list or as a `Batch`."""

    def parts(self, returned: Any) -> Sequence[Buffer]:
        """Return the outputs that a call for many items returned."""
        return list(returned)

    def part(self, returned: Any) -> Buffer:
        """Return the output that a call for one item returned."""
        return returned

    @abstractmethod
    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        """Whether a stock library makes `item` of the output for the item at `index`, or the reverse.

        Raises
        ------
        UNDECODABLE
            It cannot.
        """
