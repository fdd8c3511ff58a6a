"""What all ciphers share: keys, nonces and associated data of a call, checked and laid out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import numpy as np

from fpga_accel._host import ffi, lib
from fpga_accel.batch import Batch, items_of, of_rows
from fpga_accel.errors import InvalidTag
from fpga_accel.operations.buffers import Flat, Items, flat
from fpga_accel.operations.contract import COPIED, Operation
from fpga_accel.segments import address_of

T = TypeVar("T")


class CipherOptions:
    """Keys, nonces and associated data of the items of a call.

    `keys` and `aads` have one entry for all items or one an item. `nonces` is None where each item carries its
    nonce in front (decrypt) or gets a random one there (encrypt). `own` are the options of the algorithm's own.
    """

    __slots__ = ("_nonce_items", "aads", "expanded", "keys", "nonces", "own")

    def __init__(
        self,
        keys: Sequence[Any],
        nonces: Sequence[Any] | None = None,
        aads: Sequence[Any] | None = None,
        own: Any = None,
    ) -> None:
        self.keys = keys
        self.nonces = nonces
        self.aads = aads
        self.own = own
        # CPU library objects by key position, so that a batch under one key expands it once.
        self.expanded: dict[int, Any] = {}
        self._nonce_items: Items | None = None

    def nonce_items(self) -> Items | None:
        """Return the nonces as a device takes them."""
        if self._nonce_items is None and self.nonces is not None:
            self._nonce_items = items_of(self.nonces)
        return self._nonce_items

    @property
    def is_plain(self) -> bool:
        """Whether the loop that users would write serves: one key, given nonces, no associated data."""
        return self.nonces is not None and len(self.keys) == 1 and not self.aads

    def listed_nonces(self, part: slice) -> Sequence[Any]:
        """Return the nonces of items `part`, which are given, as libraries take them fastest."""
        assert self.nonces is not None
        nonces = self.nonces[part]
        return nonces.to_list() if isinstance(nonces, Batch) else nonces

    def key_position(self, index: int) -> int:
        """Return which of `keys` an item has."""
        return index if len(self.keys) > 1 else 0

    def aad(self, index: int) -> Any:
        """Return the associated data of an item."""
        if not self.aads:
            return b""
        return self.aads[index if len(self.aads) > 1 else 0]

    def picked(self, indices: Sequence[int]) -> CipherOptions:
        """Return the options of some of the items."""
        return CipherOptions(
            keys=[self.keys[self.key_position(i)] for i in indices],
            nonces=None if self.nonces is None else [self.nonces[i] for i in indices],
            aads=[self.aad(i) for i in indices] if self.aads else None,
            own=self.own,
        )

    def sliced(self, part: slice) -> CipherOptions:
        """Return the options of items in a row."""
        aads = self.aads[part] if self.aads is not None and len(self.aads) > 1 else self.aads
        return CipherOptions(
            keys=self.keys[part] if len(self.keys) > 1 else self.keys,
            nonces=None if self.nonces is None else self.nonces[part],
            aads=aads,
            own=self.own,
        )


class KeysOperation(Operation[CipherOptions]):
    """What needs a key, and mostly a nonce."""

    # Legal sizes of a key: a few, or a range.
    key_sizes: ClassVar[tuple[int, ...] | range]
    # Bytes of nonces that callers may bring; ``range(0, 1)`` where it has none.
    nonce_sizes: ClassVar[range]
    # Whether associated data is authenticated.
    takes_aad: ClassVar[bool] = False

    def options(self, **given: Any) -> CipherOptions:
        """Check what a call is given.

        Parameters
        ----------
        given
            ``keys``, ``nonces``, ``aads``: sequences as in `CipherOptions`; ``count``: how many items there are, None
            where only the names are to be checked; options of the algorithm's own.

        Raises
        ------
        TypeError, ValueError
            With the legal sizes.
        """
        count = given.pop("count", None)
        nonces = given.pop("nonces", None)
        if isinstance(nonces, np.ndarray) and nonces.ndim == 2:
            nonces = of_rows(nonces)
        made = CipherOptions(given.pop("keys", ()), nonces, given.pop("aads", None), self.own(**given))
        if made.aads is not None and len(made.aads) and not self.takes_aad:
            raise ValueError(f"{self.algorithm} does not authenticate: it takes no associated data")
        if count is not None:
            self._check(made, count)
        return made

    def limits(self) -> dict[str, dict[str, Any]]:
        found = {"key_size": _limits(self.key_sizes)}
        if self.nonce_sizes != range(1):
            found["nonce_size"] = _limits(self.nonce_sizes)
        return found

    def own(self, **given: Any) -> Any:
        """Check the options of the algorithm's own and return them, None where it has none.

        Raises
        ------
        TypeError, ValueError
            There is no such option, or its value is illegal.
        """
        if given:
            raise TypeError(f"{self.algorithm} has no options {sorted(given)}")
        return None

    @cached_property
    def _own_defaults(self) -> Any:
        return self.own()

    def single(self, key: Any, nonce: Any, aad: Any, own: Mapping[str, Any] = MappingProxyType({})) -> CipherOptions:
        """Check what a call with one item is given; the same as `options`, in less time for plain `bytes`."""
        plain = type(key) is bytes and len(key) in self.key_sizes
        plain = plain and (nonce is None or (type(nonce) is bytes and len(nonce) in self.nonce_sizes))
        aads = None if aad is None or (type(aad) is bytes and not aad) else (aad,)
        if plain and not own and (aads is None or (type(aad) is bytes and self.takes_aad)):
            return CipherOptions((key,), None if nonce is None else (nonce,), aads, self._own_defaults)
        return self.options(keys=(key,), nonces=None if nonce is None else (nonce,), aads=aads, count=1, **own)

    def _check(self, options: CipherOptions, count: int) -> None:
        for name, values in (("key", options.keys), ("aad", options.aads)):
            if values is not None and len(values) not in (1, count):
                raise ValueError(f"{len(values)} {name}s for {count} items; give one for all or one an item")
        if options.nonces is not None and len(options.nonces) != count:
            raise ValueError(f"{len(options.nonces)} nonces for {count} items; every item needs its own")
        for key in options.keys:
            size = len(flat(key, "key"))
            if size not in self.key_sizes:
                legal = _told(self.key_sizes)
                raise ValueError(f"a key of {self.algorithm} has {legal} bytes, not {size}")
        nonces = _named("nonce", options.nonce_items)
        if nonces is not None:
            low, high = self.nonce_sizes[0], self.nonce_sizes[-1]
            sizes = ffi.cast("uint64_t *", address_of(nonces.sizes))
            wrong = lib.fa_sizes_first_outside(sizes, len(nonces), low, high)
            if wrong >= 0:
                legal = _told(self.nonce_sizes)
                found = f"nonce {wrong} has {nonces.sizes[wrong]}"
                raise ValueError(f"a nonce of {self.algorithm} has {legal} bytes; {found}")
            if not isinstance(options.nonces, Batch) and not nonces.keep.all_bytes():
                options.nonces = [flat(nonce, "nonce") for nonce in options.nonces or ()]
        if options.aads is not None and not isinstance(options.aads, Batch):
            options.aads = [flat(aad, "aad") for aad in options.aads]


class CipherOperation(KeysOperation):
    """A cipher in one direction. A result is ``[nonce ‖] ciphertext [‖ tag]``."""

    # Bytes of the nonce that encrypt makes.
    nonce_size: ClassVar[int]
    tag_size: ClassVar[int]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # What makes tags authenticates associated data too.
        cls.takes_aad = bool(getattr(cls, "tag_size", 0))

    def bound(self, key: bytes, own: Any) -> Any:
        """Return the CPU library's object for a key, in the shape of pyca's AEAD classes.

        It has ``encrypt(nonce, data, aad)`` and ``decrypt(nonce, data, aad)``, and perhaps ``encrypt_into`` and
        ``decrypt_into`` with a buffer behind these.
        """
        raise NotImplementedError(f"{self.algorithm} has no class")

    @property
    def into_limit(self) -> int:  # type: ignore[override]
        """What is copied from `library_call`; overridden where the library writes in place."""
        return min(self.small, COPIED)

    def copied_into(self, data: Flat, out: Any, *arguments: Any) -> int | None:
        """Do what `library_into` does with data that may share memory with the buffer, as `bytes` never do."""
        return super().library_into(data, out, *arguments) if len(data) < COPIED else None

    @property
    def encrypts(self) -> bool:
        """Whether this is the direction that makes nonces and tags."""
        return self.op == "encrypt"

    def overhead(self, options: CipherOptions) -> int:
        """Return how many bytes a sealed message has more than its plaintext."""
        return self.tag_size + (self.nonce_size if options.nonces is None else 0)

    def grown(self, options: CipherOptions) -> int:
        return self.overhead(options) if self.encrypts else -self.overhead(options)

    def opened(self, data: Flat, options: CipherOptions, index: int) -> tuple[Any, Flat]:
        """Split a sealed item into its nonce and the rest.

        Raises
        ------
        InvalidTag
            It is too short to be anything that encrypt made.
        """
        if len(data) < self.overhead(options):
            raise too_short(len(data), self.overhead(options))
        if options.nonces is not None:
            return options.nonces[index], data
        view = memoryview(data)
        return bytes(view[: self.nonce_size]), view[self.nonce_size :]

    def random_nonces(self, count: int) -> Items:
        """Return fresh nonces, from one system call."""
        pool = np.frombuffer(os.urandom(max(1, count * self.nonce_size)), np.uint8)
        return spaced(address_of(pool), count, self.nonce_size, self.nonce_size, pool)

    def in_front(self, items: Items) -> Items:
        """Return the nonces that items carry in front."""
        return Items(items.addresses, np.full(len(items), self.nonce_size, np.uint64), items.keep)


def _limits(sizes: tuple[int, ...] | range) -> dict[str, Any]:
    if isinstance(sizes, range) and len(sizes) > 1:
        return {"minimum": sizes[0], "maximum": sizes[-1]}
    return {"values": list(sizes)}


def _told(sizes: tuple[int, ...] | range) -> str:
    """Return legal sizes in words."""
    if isinstance(sizes, tuple) or len(sizes) == 1:
        return ", ".join(map(str, sizes))
    return f"{sizes[0]} to {sizes[-1]}"


def _named(name: str, look: Callable[[], T]) -> T:
    """Name what a buffer is for in the error that refuses it."""
    try:
        return look()
    except (TypeError, BufferError) as error:
        raise type(error)(f"{name}: {error}") from None


def spaced(address: int, count: int, step: int, size: int, keep: Any) -> Items:
    """Return items of one size that lie `step` bytes apart."""
    addresses = np.arange(count, dtype=np.uint64) * np.uint64(step) + np.uint64(address)
    return Items(addresses, np.full(count, size, np.uint64), keep)


def too_short(size: int, overhead: int) -> InvalidTag:
    """Return the error of a message that cannot hold nonce and tag."""
    return InvalidTag(f"{size} bytes are shorter than nonce and tag together ({overhead})")


def wrong_tag() -> InvalidTag:
    """Return the error of a tag that does not match."""
    return InvalidTag("the tag does not match: wrong key, nonce, data or associated data")


def as_key(key: Any) -> Flat:
    """Return a key as the CPU libraries take it."""
    return flat(key, "key")
