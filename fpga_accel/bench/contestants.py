"""Who runs: our devices and the peers, in which form each gives its result, and what each calls for a work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import chain, starmap
from typing import Any

import fpga_accel
from fpga_accel import Accelerator, FpgaAccelError
from fpga_accel.backends.cpu import available_cores
from fpga_accel.bench import peers
from fpga_accel.bench.peers import Peer
from fpga_accel.bench.works.work import Buffer, Call, Work
from fpga_accel.runtime import discovery

DEVICES = ("opencl", "auto", "cpu")
# Whose methods of cipher classes run besides those of the Accelerator: what is bound once is routed as "auto" is.
BOUND = "auto"
# A smaller single input is not worth handing to threads, whose pool alone takes some 30 µs.
THREADS_FROM = 64 << 10


class Result(StrEnum):
    """In which form a result comes."""

    BYTES = "bytes"
    INTO = "into"
    LIST = "list"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who runs, and in which form the result comes.

    Parameters
    ----------
    name
        A device of ours, or the peer's name.
    ours
        Whether it is this package.
    result
        New bytes, a buffer that is used again and again, a list of new bytes, or a `Batch`.
    threads
        Threads of a peer; 0 for ours, which take what the device or the CPU path has.
    bound
        True for the method of a cipher object, which holds its key, False for the Accelerator's.
    """

    name: str
    ours: bool
    result: Result
    threads: int = 0
    bound: bool = False

    @property
    def label(self) -> str:
        """Return the name in tables."""
        if not self.ours:
            return f"{self.name} {self.threads}T"
        return f"{self.name}, class" if self.bound else self.name


@dataclass(frozen=True, slots=True)
class Entry:
    """A contestant at the start.

    Attributes
    ----------
    call
        What is timed.
    parts
        Reads the outputs from what the call returned.
    items
        The plaintext of each output.
    out
        The memory that the call writes into, if any.
    """

    contestant: Contestant
    work: Work
    call: Call
    parts: Callable[[Any], Sequence[Buffer]]
    items: Sequence[bytes]
    out: memoryview | None = None
    acc: Accelerator | None = None


@dataclass(slots=True)
class Field:
    """What contestants run with.

    Attributes
    ----------
    accelerators
        One a device.
    absent
        Why a device has none.
    cores
        The most threads that a peer gets.
    """

    accelerators: Mapping[str, Accelerator]
    pool: ThreadPoolExecutor
    cores: int
    absent: Mapping[str, str] = field(default_factory=dict)
    _memory: memoryview = field(default_factory=lambda: memoryview(bytearray()), repr=False)

    def entries(self, work: Work) -> list[Entry]:
        """Return everybody who can do this work."""
        ours = (self._ours(device, acc, work) for device, acc in self.accelerators.items())
        theirs = (self._peer(peer, work) for peer in peers.of(work.name))
        return list(chain.from_iterable((*ours, *theirs)))

    def memory(self, nbytes: int) -> memoryview:
        """Return memory that all contestants write into in turn."""
        if len(self._memory) < nbytes:
            self._memory = memoryview(bytearray(nbytes))
        return self._memory[:nbytes]

    def _ours(self, device: str, acc: Accelerator, work: Work) -> Iterator[Entry]:
        if len(work.items) > 1:
            yield from _batches(device, acc, work)
            return
        out = self.memory(work.room(work.nbytes))
        forms = [(Result.BYTES, False, work.one(acc)), (Result.INTO, False, work.into(acc, out))]
        if device == BOUND:
            forms += [(Result.BYTES, True, work.bound(acc)), (Result.INTO, True, work.bound_into(acc, out))]
        for result, bound, call in forms:
            if call is None:
                continue
            contestant = Contestant(device, True, result, bound=bound)
            if result is Result.INTO:
                yield Entry(contestant, work, call, lambda size: [out[:size]], work.items, out, acc)
            else:
                yield Entry(contestant, work, call, lambda value: [work.part(value)], work.items, acc=acc)

    def _peer(self, peer: Peer, work: Work) -> Iterator[Entry]:
        single = len(work.items) == 1
        if not single and not peer.in_batches:
            return
        for threads in dict.fromkeys((1, self.cores)):
            if threads > 1 and single and work.nbytes < THREADS_FROM:
                continue
            # A single input is cut, which gives a frame or a message a thread; nobody joins them.
            items = _cut(work.items[0], threads) if single else work.items
            fed = work.fed if len(items) == len(work.fed) else work.feed(items)
            yield self._peer_entry(peer, work, items, fed, threads, single, outs=None)
            if peer.into is not None and single:
                outs = _slices(self.memory(sum(map(work.room, map(len, items)))), [work.room(len(i)) for i in items])
                yield self._peer_entry(peer, work, items, fed, threads, single, outs=outs)

    def _peer_entry(
        self,
        peer: Peer,
        work: Work,
        items: Sequence[bytes],
        fed: Sequence[bytes],
        threads: int,
        single: bool,
        outs: Sequence[memoryview] | None,
    ) -> Entry:
        maker = peer.calls if outs is None or peer.into is None else peer.into
        call, flat = self._threaded(*maker(work, fed, outs), threads)
        result = Result.INTO if outs is not None else Result.BYTES if single else Result.LIST

        def parts(returned: Any) -> Sequence[Buffer]:
            if outs is None:
                return [work.part(value) for value in flat(returned)]
            return [out[:size] for out, size in zip(outs, flat(returned), strict=True)]

        memory = None if outs is None else self.memory(sum(map(len, outs)))
        return Entry(Contestant(peer.name, False, result, threads), work, call, parts, items, memory)

    def _threaded(
        self, function: Callable[..., Any], arguments: list[tuple[Any, ...]], threads: int
    ) -> tuple[Call, Callable[[Any], list[Any]]]:
        """Return one call for all of these, and what lists its results."""
        if threads == 1 and len(arguments) == 1:
            return partial(function, *arguments[0]), lambda returned: [returned]
        if threads == 1:
            return lambda: list(starmap(function, arguments)), list
        share = -(-len(arguments) // threads)
        turns = [arguments[at : at + share] for at in range(0, len(arguments), share)]

        def turn(mine: list[tuple[Any, ...]]) -> list[Any]:
            return list(starmap(function, mine))

        return lambda: list(self.pool.map(turn, turns)), lambda returned: list(chain.from_iterable(returned))


def _batches(device: str, acc: Accelerator, work: Work) -> Iterator[Entry]:
    call = work.many(acc, work.fed)
    if call is not None:
        yield Entry(Contestant(device, True, Result.LIST), work, call, work.parts, work.items, acc=acc)
    if call is None:
        return
    call = work.many(acc, fpga_accel.Batch.from_items(work.fed))
    if call is not None:
        yield Entry(Contestant(device, True, Result.BATCH), work, call, work.parts, work.items, acc=acc)


def _cut(item: bytes, count: int) -> list[bytes]:
    """Cut into as many parts of about one size, or fewer where there are too few bytes."""
    share = max(1, -(-len(item) // count))
    return [item[at : at + share] for at in range(0, max(1, len(item)), share)]


def _slices(memory: memoryview, sizes: Sequence[int]) -> list[memoryview]:
    found, at = [], 0
    for size in sizes:
        found.append(memory[at : at + size])
        at += size
    return found


def usable_devices() -> list[str]:
    """Return the id of every device that can be used and whose time says something, then "auto" and "cpu"."""
    return [*(device.id for device in discovery.opencl_devices() if device.usable), "auto", "cpu"]


@contextmanager
def opened(devices: Sequence[str] = DEVICES, cores: int | None = None) -> Iterator[Field]:
    """Open an Accelerator for each device; none of them may fall back."""
    accelerators: dict[str, Accelerator] = {}
    absent: dict[str, str] = {}
    cores = cores or available_cores()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(cores))
        for device in dict.fromkeys(devices):
            try:
                accelerators[device] = stack.enter_context(Accelerator(device, fallback="never"))
            except FpgaAccelError as error:
                absent[device] = str(error)
        yield Field(accelerators, pool, cores, absent)
