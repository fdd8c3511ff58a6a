"""Chains: several operations one behind the other, as one operation.

On the CPU each item goes through all stages while it is in the cache. On a device that links launches
(`fpga_accel.operations.chain_linked`) or has one entry for all stages (`fpga_accel.operations.chain_fused`) what is
between the stages stays there; elsewhere the stages' own launches run in turn.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import IntegrityError
from fpga_accel.operations import chain_fused, chain_linked, links, registry
from fpga_accel.operations.buffers import BytesSink, Flat, Items, NumberSink
from fpga_accel.operations.chain_linked import ChainOptions, Checksums
from fpga_accel.operations.ciphers import CipherOperation, CipherOptions
from fpga_accel.operations.codecs import grouped
from fpga_accel.operations.contract import (
    ALONE,
    DATA_ERRORS,
    GROUP,
    Errors,
    Job,
    Linker,
    Operation,
    RowInput,
    RowOutput,
    Run,
    Work,
    kept,
    one_ahead,
)
from fpga_accel.segments import Launch

log = logging.getLogger(__name__)

INVERSE = {"compress": "decompress", "decompress": "compress", "encrypt": "decrypt", "decrypt": "encrypt"}
CHECKSUM = "checksum"

# On the CPU items of so many bytes together go through one stage before the next, as they stay in a core's cache.
_IN_CACHE = 128 << 10
# A loop over items one by one has so many: what is done again where one of them fails.
_A_LOOP = 64


class ChainOperation(Operation[ChainOptions]):
    """Stages one behind the other."""

    op = "chain"
    kernel = links.KERNEL
    entry = links.LINK
    small = 1 << 20

    def __init__(self, stages: Sequence[Operation[Any]]) -> None:
        self.algorithm = "+".join(_stage_name(stage) for stage in stages)
        self.library = "+".join(dict.fromkeys(stage.library for stage in stages))
        super().__init__()
        self.name = self.algorithm
        self.stages = tuple(stages)
        self._way = chain_linked.way_of(stages)
        self.fused_entry = chain_fused.ENTRY if chain_fused.serves(stages) else None
        # The rows of linked launches are nowhere to be compared.
        self.by_items = self._way is not None
        # The column of each checksum stage.
        checks = [number for number, stage in enumerate(stages) if stage.op == CHECKSUM]
        self.columns = {number: column for column, number in enumerate(checks)}
        self.data_stages = [stage for stage in stages if stage.op != CHECKSUM]
        # What holds the checksum of any stage.
        sizes = [stages[number].number_size for number in checks]
        self._sum_type: Any = np.uint64 if max(sizes, default=4) > 4 else np.uint32
        threads = [stage.threads_from for stage in self.data_stages if stage.threads_from is not None]
        self.threads_from = min(threads, default=None)

    def inverse(self) -> ChainOperation:
        """Return what undoes it: the inverse stages in reverse order."""
        return ChainOperation([_inverse(stage) for stage in reversed(self.stages)])

    @property
    def entries(self) -> tuple[tuple[str, str], ...]:
        """Those of the stages; the kernels that link are no condition."""
        return tuple(dict.fromkeys(each for stage in self.stages for each in stage.entries))

    def options(self, **given: Any) -> ChainOptions:
        if given:
            raise TypeError(f"a chain has no options {sorted(given)} of its own")
        return ChainOptions(tuple(stage.settings() for stage in self.stages), self.no_checksums(0))

    def fresh(self, options: ChainOptions) -> ChainOptions:
        return replace(options, checksums=options.checksums.copy())

    def no_checksums(self, count: int) -> Checksums:
        """Return room for the checksums of `count` items."""
        return np.zeros((count, len(self.columns)), self._sum_type)

    def unsupported(self, options: ChainOptions) -> str | None:
        pairs = zip(self.stages, options.stages, strict=True)
        return next((why for stage, each in pairs if (why := stage.unsupported(each))), None)

    def work(self, data: Flat) -> Work:
        return self.data_stages[0].work(data) if self.data_stages else Work(len(data))

    # -- the CPU --------------------------------------------------------------------------------------------------

    def on_cpu(self, data: Flat, options: ChainOptions, index: int, workers: Workers) -> bytes:
        value = data
        for number, stage in enumerate(self.stages):
            result = stage.on_cpu(value, options.stages[number], index, workers)
            if number in self.columns:
                self._take_checksum(options, number, index, int(result))
            else:
                value = result
        return bytes(value)

    def _take_checksum(self, options: ChainOptions, number: int, index: int, found: int) -> None:
        column = self.columns[number]
        options.checksums[index, column] = found
        if options.expected is not None and int(options.expected[index, column]) != found:
            raise chain_linked.wrong_checksum(self.stages[number].algorithm)

    def on_cpu_many(self, items: Sequence[Flat], options: ChainOptions, first: int) -> tuple[list[Any], Errors]:
        results: list[Any] = []
        errors: Errors = {}
        for start in range(0, len(items), _A_LOOP):
            few = items[start : start + _A_LOOP]
            found = self._each_on_cpu(few, options, first + start)
            if found is None:
                found, wrong = self._parts_on_cpu(few, options, first + start)
                errors.update(wrong)
            results += found
        return results, errors

    def _parts_on_cpu(self, items: Sequence[Flat], options: ChainOptions, first: int) -> tuple[list[Any], Errors]:
        results: list[Any] = []
        errors: Errors = {}
        for part in _parts(items):
            found = self._part_on_cpu(items[part], options, first + part.start)
            if found is None:
                found, wrong = super().on_cpu_many(items[part], options, first + part.start)
                errors.update(wrong)
            results += found
        return results, errors

    def _each_on_cpu(self, items: Sequence[Flat], options: ChainOptions, first: int) -> list[Any] | None:
        """Do item by item in a loop of the interpreter's own, None where stages have none or an item fails."""
        if self.columns:
            return None
        most = max(map(len, items), default=0)
        values: Iterable[Flat] = items
        for stage, each in zip(self.stages, options.stages, strict=True):
            following = stage.each_on_cpu(values, each, slice(first, first + len(items)), most)
            if following is None:
                return None
            values = following
            # No stage makes much more of what came in; what it does not take, it refuses.
            most = sys.maxsize
        try:
            return list(values)
        except Exception as error:
            log.debug("%s: doing %d items one by one: %s", self.name, len(items), type(error).__name__)
            return None

    def _part_on_cpu(self, items: Sequence[Flat], options: ChainOptions, first: int) -> list[Any] | None:
        """Do items stage by stage, None where one of them fails."""
        values = list(items)
        for number, stage in enumerate(self.stages):
            results, errors = stage.on_cpu_many(values, options.stages[number], first)
            if errors:
                return None
            if number not in self.columns:
                values = results
                continue
            column, rows = self.columns[number], slice(first, first + len(items))
            found = np.array(results, self._sum_type)
            options.checksums[rows, column] = found
            if options.expected is not None and (options.expected[rows, column] != found).any():
                return None
        return [value if type(value) is bytes else bytes(value) for value in values]

    # -- a device -------------------------------------------------------------------------------------------------

    def on_joining_device(self, job: Job[ChainOptions], run: Run, link: Linker | None, *, fuses: bool) -> Errors:
        if fuses:
            return self._fused(job, run)
        if link is None or self._way is None:
            return self.on_device(job, run)
        errors: Errors = {}
        apart: list[int] = []
        way = self._way

        def started(indices: range) -> Callable[[], chain_linked.Encoding | chain_linked.Decoding]:
            coded = way(self, job, indices)
            finish = link.start(coded.linked())

            def finished() -> chain_linked.Encoding | chain_linked.Decoding:
                finish()
                return coded

            return finished

        for coded in one_ahead(chain_linked.grouped(self.stages, job, way.most(job, link.direct), apart), started):
            errors.update(coded.errors)
            apart += coded.apart
        if apart:
            errors.update(self._by_stages(job, sorted(apart), run))
        return errors

    def _fused(self, job: Job[ChainOptions], run: Run) -> Errors:
        """Do the items that the entry for all stages can do by that, the others by the stages' own launches."""
        stages, sizes = job.options.stages, job.items.sizes
        chosen = chain_fused.fitting(stages, sizes)
        for part in grouped(sizes[chosen], GROUP):
            few = chosen[part.start : part.stop]
            options = [_picked(each, few, len(sizes)) for each in stages]
            found = chain_fused.sealed(self.stages, options, job.items.picked(few), run)
            for index, result in zip(few, found, strict=True):
                job.sink.put(index, result)
        rest = set(range(len(sizes))) - set(chosen)
        return self._by_stages(job, sorted(rest), run) if rest else {}

    def agrees(self, row: RowInput, output: RowOutput) -> bool:
        return chain_fused.agrees(row, output)

    def fused_trial(self) -> Trial:
        return chain_fused.trial(self.stages)

    def of_rows(self, launch: Launch) -> Operation[Any]:
        if launch.kernel == links.KERNEL:
            return self
        return next(stage for stage in self.stages if (stage.kernel, stage.entry) == (launch.kernel, launch.entry))

    def on_device(self, job: Job[ChainOptions], run: Run) -> Errors:
        return self._by_stages(job, list(range(len(job.items))), run)

    def _by_stages(self, job: Job[ChainOptions], indices: list[int], run: Run) -> Errors:
        """Do some items by the stages' own launches, each for all of them."""
        errors: Errors = {}
        alive, items, values = indices, job.items.picked(indices), [job.items.view(index) for index in indices]
        for number, stage in enumerate(self.stages):
            if not alive:
                break
            sink = NumberSink(stage.number_size) if number in self.columns else BytesSink(len(alive))
            found = stage.on_device(Job(items, _picked(job.options.stages[number], alive, len(job.items)), sink), run)
            if number in self.columns:
                found |= self._take_checksums(job.options, number, alive, list(sink.values))
            else:
                values = list(sink.values)
            for position, error in found.items():
                errors[alive[position]] = error
            if found:
                values = [value for position, value in enumerate(values) if position not in found]
                alive = [index for position, index in enumerate(alive) if position not in found]
            items = Items.of(values)
        for index, value in zip(alive, values, strict=True):
            job.sink.put(index, value)
        return errors

    def _take_checksums(self, options: ChainOptions, number: int, indices: list[int], found: Sequence[int]) -> Errors:
        errors: Errors = {}
        for position, (index, result) in enumerate(zip(indices, found, strict=True)):
            try:
                self._take_checksum(options, number, index, int(result))
            except IntegrityError as error:
                errors[position] = kept(error)
        return errors

    # -- checks ---------------------------------------------------------------------------------------------------

    def agrees_on(self, job: Job[ChainOptions], index: int) -> bool:
        result = job.sink.view(index)
        if self._way is chain_linked.Decoding:
            again = ChainOptions(job.options.stages, job.options.checksums.copy(), job.options.expected)
            content = self.on_cpu(job.items.view(index), again, index, ALONE)
            return content == result and bool((again.checksums[index] == job.options.checksums[index]).all())
        # Compressed bytes may differ from the library's, so the way back decides.
        back, columns = self.inverse(), slice(None, None, -1)
        sums = job.options.checksums[:, columns]
        options = tuple(
            each if isinstance(each, CipherOptions) else stage.settings()
            for stage, each in zip(back.stages, reversed(job.options.stages), strict=True)
        )
        try:
            content = back.on_cpu(result, ChainOptions(options, sums.copy(), sums), index, ALONE)
        except DATA_ERRORS:
            return False
        return content == job.items.view(index)

    def emulate(self, row: RowInput) -> RowOutput:
        raise NotImplementedError("a chain has no rows of its own")

    def trial(self) -> Trial:
        raise NotImplementedError("the trials of a chain are those of its kernels")

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], ChainOptions]:
        if not self.data_stages:
            return [b"\x55" * nbytes] * count, ChainOptions(self._sample_options(count), self.no_checksums(count))
        if {stage.op for stage in self.data_stages} <= {"decompress", "decrypt"}:
            return self._sealed_sample(count, nbytes, kind)
        data, _ = self.data_stages[0].sample(count, nbytes, kind)
        return data, ChainOptions(self._sample_options(count), self.no_checksums(count))

    def _sample_options(self, count: int) -> tuple[Any, ...]:
        return tuple(stage.sample(count, 1, "")[1] for stage in self.stages)

    def _sealed_sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], ChainOptions]:
        forward = self.inverse()
        # What is sealed was compressed to about half, and the work of opening it counts sealed bytes.
        shrinks = forward.data_stages[0].op == "compress" and len(forward.data_stages) > 1
        contents, options = forward.sample(count, 2 * nbytes if shrinks else nbytes, kind)
        sealed, _ = forward.on_cpu_many(contents, options, 0)
        expected = options.checksums[:, ::-1].copy()
        return sealed, ChainOptions(self._sample_options(count), expected.copy(), expected)


def _stage_name(stage: Operation[Any]) -> str:
    return stage.algorithm if stage.op == CHECKSUM else stage.name


def _inverse(stage: Operation[Any]) -> Operation[Any]:
    return stage if stage.op == CHECKSUM else registry.find(INVERSE[stage.op], stage.algorithm)


def stage_of(name: str) -> Operation[Any]:
    """Return the operation of a stage: ``algorithm.op``, or a checksum by its name alone.

    Raises
    ------
    ValueError
        There is none; the message lists the legal ones.
    """
    full = name if "." in name else f"{name}.{CHECKSUM}"
    found = registry.OPERATIONS.get(full) if isinstance(name, str) else None
    if found is None:
        legal = ", ".join(_stage_name(each) for each in registry.OPERATIONS.values())
        raise ValueError(f"unknown stage {name!r}; legal ones are {legal}")
    return found


def is_cipher(stage: Operation[Any]) -> bool:
    """Whether a stage takes key, nonce and associated data."""
    return isinstance(stage, CipherOperation)


def _parts(items: Sequence[Flat]) -> Iterator[slice]:
    """Yield items in a row that a core's cache holds."""
    count = len(items)
    each = max(1, _IN_CACHE * count // max(1, sum(map(len, items))))
    for start in range(0, count, each):
        yield slice(start, min(start + each, count))


def _picked(options: Any, indices: list[int], count: int) -> Any:
    """Return the options of some items of a call."""
    return options.picked(indices) if isinstance(options, CipherOptions) and len(indices) < count else options
