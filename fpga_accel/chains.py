"""Chains of operations: compress then encrypt, say, and back, as one call.

Examples
--------
>>> from fpga_accel import Accelerator
>>> acc = Accelerator("cpu")
>>> seal = acc.chain("lz4.compress", "aes-gcm.encrypt")
>>> page, key = b"a page of a database " * 200, bytes(32)
>>> sealed = seal(page, key=key)
>>> seal.inverse()(sealed, key=key) == page, acc.last_receipt.algorithm
(True, 'aes-gcm.decrypt+lz4.decompress')
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fpga_accel.batch import Batch
from fpga_accel.errors import BatchError
from fpga_accel.execution import Executor
from fpga_accel.operations.buffers import flat
from fpga_accel.operations.chain import CHECKSUM, ChainOperation, is_cipher, stage_of
from fpga_accel.operations.chain_linked import ChainOptions, Checksums
from fpga_accel.operations.ciphers import CipherOperation
from fpga_accel.operations.contract import Operation
from fpga_accel.routing import Plan

__all__ = ["Chain", "Chained"]

# Runs a batch: operation, items, options, return_exceptions.
Many = Callable[[Operation[Any], Sequence[Any], Any, bool], "list[Any] | Batch"]


class Chained(NamedTuple):
    """The result of a chain with checksum stages.

    Attributes
    ----------
    data
        What comes out of the last stage; of a Batch, a Batch.
    checksums
        One for each checksum stage, in the order of the stages; of a Batch, an array with a row an item.
    """

    data: bytes | Batch
    checksums: tuple[int, ...] | Checksums


class Chain:
    """Several operations one behind the other; made by `Accelerator.chain`.

    A device that can link launches takes a whole batch at once, and what is between the stages stays there. The bytes
    are those of the separate calls.

    Attributes
    ----------
    stages : tuple of str
        The names of the stages.
    """

    def __init__(
        self,
        engine: Executor,
        many: Many,
        operation: ChainOperation,
        options: Mapping[str, Any],
        *,
        verifies: bool = False,
    ) -> None:
        self._engine = engine
        self._many = many
        self._operation = operation
        self._given = {name: value for name, value in options.items() if value is not None}
        self._verifies = verifies
        self._ciphers = [stage for stage in operation.stages if is_cipher(stage)]
        self._settings = _settings(operation, self._given)
        self.stages = tuple(operation.algorithm.split("+"))

    def __repr__(self) -> str:
        return f"Chain({' -> '.join(self.stages)})"

    def __call__(
        self, data: Any, *, key: Any = None, nonce: Any = None, aad: Any = b"", checksums: Sequence[int] | None = None
    ) -> Any:
        """Run one buffer through the chain.

        Parameters
        ----------
        data
            Any C-contiguous buffer.
        key, nonce, aad
            For the cipher among the stages, as in `Accelerator.encrypt`: ``nonce=None`` makes a random one, in front of
            the result, and takes it from there on the way back. Where several stages are ciphers, mappings from their
            names.
        checksums
            On the way back of a chain with checksum stages: what the way there gave.

        Returns
        -------
        bytes or Chained
            `Chained` where the chain takes checksums.

        Raises
        ------
        IntegrityError
            A checksum differs.
        InvalidTag, FormatError, OutputLimitError
            As in the separate calls.
        """
        stages = [self._one(stage, found, key, nonce, aad) for stage, found in self._pairs(key)]
        expected = None if checksums is None else [checksums]
        options = self._options(tuple(stages), 1, expected)
        return self._wrapped(self._engine.one(self._operation, options, flat(data)), options, 0)

    def many(
        self,
        items: Sequence[Any],
        *,
        key: Any = None,
        nonces: Any = None,
        aads: Any = None,
        checksums: Sequence[Sequence[int]] | Checksums | None = None,
        return_exceptions: bool = False,
    ) -> Any:
        """Run each buffer through the chain, in few submissions.

        Parameters
        ----------
        items
            Buffers of any sizes, in a list or in a Batch.
        key
            One for all items, or a list of one an item.
        nonces, aads, checksums
            One an item; `aads` may have a single one for all.
        return_exceptions
            Whether an item that fails leaves its exception in its place. Otherwise `BatchError` is raised, which has
            the results of the others.

        Returns
        -------
        list of bytes or Chained
            Of a Batch, a Batch, or a `Chained` of one where the chain takes checksums.
        """
        count = len(items)
        stages = [self._batch(stage, found, count, key, nonces, aads) for stage, found in self._pairs(key)]
        options = self._options(tuple(stages), count, checksums)
        try:
            results = self._many(self._operation, items, options, return_exceptions)
        except BatchError as error:
            error.results[:] = self._wrapped_all(error.results, options)
            raise
        return self._wrapped_all(results, options)

    def inverse(self, **options: Any) -> Chain:
        """Return the chain that undoes this one: the inverse stages, in reverse order.

        Its calls take ``checksums=`` where the chain has checksum stages, and compare them.

        Parameters
        ----------
        options
            Such as ``max_output=``.
        """
        inverse = self._operation.inverse()
        return Chain(self._engine, self._many, inverse, {**self._given, **options}, verifies=not self._verifies)

    def explain(self, nbytes: int, *, count: int = 1) -> Plan:
        """Tell where a call of `count` items with so many bytes together would run, and why."""
        stages = tuple(found for _, found in self._pairs(b""))
        options = ChainOptions(stages, self._operation.no_checksums(count))
        return self._engine.planner.explain(self._operation, options, count, nbytes)

    def warmup(self) -> None:
        """Build, load and self-test the kernels of the stages now rather than at the first call."""
        self._engine.planner.warm(self._operation)

    # -- arguments ------------------------------------------------------------------------------------------------

    def _pairs(self, key: Any) -> list[tuple[Operation[Any], Any]]:
        if self._ciphers and key is None:
            raise TypeError(f"{self!r} needs key=")
        if key and not self._ciphers:
            raise TypeError(f"{self!r} takes no key: none of its stages is a cipher")
        return list(zip(self._operation.stages, self._settings, strict=True))

    def _one(self, stage: Operation[Any], found: Any, key: Any, nonce: Any, aad: Any) -> Any:
        if not isinstance(stage, CipherOperation):
            return found
        return stage.single(*(self._own(stage, name, value) for name, value in _named(key, nonce, aad)))

    def _batch(self, stage: Operation[Any], found: Any, count: int, key: Any, nonces: Any, aads: Any) -> Any:
        if not isinstance(stage, CipherOperation):
            return found
        keys, own_nonces, own_aads = (self._own(stage, name, value) for name, value in _named(key, nonces, aads))
        keys = keys if isinstance(keys, list | tuple) else (keys,)
        return stage.settings(keys=keys, nonces=own_nonces, aads=own_aads, count=count)

    def _own(self, stage: Operation[Any], name: str, value: Any) -> Any:
        """Return what an argument holds for one of several ciphers."""
        if isinstance(value, Mapping):
            if name == "key" and stage.name not in value:
                raise ValueError(f"key has none for {stage.name}")
            return value.get(stage.name)
        if len(self._ciphers) > 1 and value:
            names = ", ".join(cipher.name for cipher in self._ciphers)
            raise ValueError(f"{name} must be a mapping from {names}: one for all would use a key or a nonce twice")
        return value

    def _options(
        self, stages: tuple[Any, ...], count: int, checksums: Sequence[Sequence[int]] | Checksums | None
    ) -> ChainOptions:
        found = self._operation.no_checksums(count)
        if not self._verifies:
            if checksums is not None:
                raise TypeError("checksums= is for the inverse of a chain: this one takes them itself")
            return ChainOptions(stages, found)
        if not found.shape[1] and checksums is None:
            return ChainOptions(stages, found)
        return ChainOptions(stages, found, _expected(checksums, found))

    def _wrapped(self, result: Any, options: ChainOptions, index: int) -> Any:
        if self._verifies or not options.checksums.shape[1] or not isinstance(result, bytes):
            return result
        return Chained(result, tuple(options.checksums[index].tolist()))

    def _wrapped_all(self, results: list[Any] | Batch, options: ChainOptions) -> Any:
        if self._verifies or not options.checksums.shape[1]:
            return results
        if isinstance(results, Batch):
            return Chained(results, options.checksums)
        return [self._wrapped(result, options, index) for index, result in enumerate(results)]


def new_chain(engine: Executor, many: Many, names: Sequence[str], options: Mapping[str, Any]) -> Chain:
    """Return a chain of the stages of these names.

    Raises
    ------
    ValueError, TypeError
        There is no such stage, there is none at all, or an option is for none of them.
    """
    if not names:
        raise ValueError("a chain has one stage at least")
    stages = [stage_of(name) for name in names]
    ciphers = [stage.name for stage in stages if is_cipher(stage)]
    twice = {name for name in ciphers if ciphers.count(name) > 1}
    if twice:
        raise ValueError(f"{', '.join(sorted(twice))} is there more than once")
    return Chain(engine, many, ChainOperation(stages), options)


def _named(key: Any, nonce: Any, aad: Any) -> tuple[tuple[str, Any], ...]:
    return ("key", key), ("nonce", nonce), ("aad", aad)


def _settings(operation: ChainOperation, given: Mapping[str, Any]) -> list[Any]:
    """Give each option to the stages that have it.

    An option of the inverse's stages is legal too: a chain and its inverse are told all at once.
    """
    accepted = [_accepted(stage) for stage in operation.stages]
    behind = [_accepted(stage) for stage in operation.inverse().stages]
    legal = set().union(*accepted, *behind)
    unknown = set(given) - legal
    if unknown:
        names = ", ".join(sorted(legal)) or "none"
        raise TypeError(f"no stage has the options {', '.join(sorted(unknown))}; legal ones are {names}")
    pairs = zip(operation.stages, accepted, strict=True)
    return [stage.settings(**{name: given[name] for name in names & set(given)}) for stage, names in pairs]


def _accepted(stage: Operation[Any]) -> set[str]:
    """Return the options that callers may give to a stage when they make a chain."""
    if stage.op == CHECKSUM or is_cipher(stage):
        return set()
    return set(inspect.signature(type(stage.settings())).parameters) - {"by_buffer"}


def _expected(checksums: Sequence[Sequence[int]] | Checksums | None, room: Checksums) -> Checksums:
    """Return the checksums that a chain's inverse must find, in the order in which it does."""
    (count, columns), kind = room.shape, room.dtype
    if checksums is None:
        raise TypeError(f"checksums= is missing: the chain has {columns} checksum stages")
    wrong = len(checksums) != count or any(len(each) != columns for each in checksums)
    if wrong:
        raise ValueError(f"checksums= must have {columns} for each of {count} items, in the order of the stages")
    table = np.array([list(each) for each in checksums], np.uint64).reshape(count, columns)
    if (table > np.iinfo(kind).max).any():
        raise ValueError("a checksum of these stages has 32 bits")
    return table.astype(kind)[:, ::-1].copy()
