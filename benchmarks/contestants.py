"""The one list of contestants with their options, and what each of them calls for a piece of work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, starmap
from typing import Any

from benchmarks.works import Buffer, Work
from fpga_accel import Accelerator, FpgaAccelError

PEER_THREADS = 2


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who runs, and in which form the result comes.

    Parameters
    ----------
    device
        Device of our Accelerator; None is the peer library.
    threads
        Threads of the peer.
    into
        True where the result goes into a buffer that is used again and again, False where it is new bytes.
    bound
        True for the method of a cipher object, which holds its key, False for the Accelerator's.
    """

    device: str | None = None
    threads: int = 1
    into: bool = False
    bound: bool = False

    @property
    def ours(self) -> bool:
        """Whether this is our package."""
        return self.device is not None

    def label(self, peer_name: str) -> str:
        """Return the name in the table."""
        if self.device is None:
            return f"{peer_name} {self.threads}T"
        return f"{self.device}, class" if self.bound else self.device


CONTESTANTS = (
    Contestant(device="opencl"),
    Contestant(device="auto"),
    Contestant(device="auto", bound=True),
    Contestant(threads=1),
    Contestant(threads=2),
    Contestant(device="opencl", into=True),
    Contestant(device="auto", into=True),
    Contestant(threads=1, into=True),
    Contestant(threads=2, into=True),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A contestant at the start: what it calls, and how its output is read from what the call returns."""

    contestant: Contestant
    label: str
    call: Callable[[], Any]
    parts: Callable[[Any], Sequence[Buffer]]
    buffer: bytearray | None = None
    acc: Accelerator | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """What contestants run with: an open Accelerator a device, or why there is none, and the peer's threads."""

    accelerators: Mapping[str, Accelerator]
    pool: ThreadPoolExecutor
    absent: Mapping[str, str] = field(default_factory=dict)

    def entries(self, work: Work) -> list[Entry]:
        """Return everybody who can do this work."""
        found = (self._entry(contestant, work) for contestant in CONTESTANTS)
        return [entry for entry in found if entry is not None]

    def _entry(self, contestant: Contestant, work: Work) -> Entry | None:
        if contestant.into and (len(work.items) > 1 or not work.has_into):
            # There is no batch into one buffer yet.
            return None
        if contestant.device is None:
            return self._peer(contestant, work) if work.peer_into or not contestant.into else None
        acc = self.accelerators.get(contestant.device)
        if acc is None:
            return None
        return _bound(contestant, work, acc) if contestant.bound else _ours(contestant, work, acc)

    def _peer(self, contestant: Contestant, work: Work) -> Entry:
        split = contestant.threads > 1 and len(work.items) == 1
        items = _halves(work.items[0]) if split else work.items
        fed = work.feed(items) if split else work.fed
        buffer = bytearray(sum(work.room(len(item)) for item in items)) if contestant.into else None
        outs = _slices(buffer, [work.room(len(item)) for item in items]) if buffer is not None else None
        function, arguments = work.peer(fed, outs)
        call, flat = self._peer_call(function, arguments, contestant.threads)

        def parts(returned: Any) -> Sequence[Buffer]:
            results = flat(returned)
            return [out[:size] for out, size in zip(outs, results, strict=True)] if outs is not None else results

        return Entry(contestant, contestant.label(work.peer_name), call, parts, buffer)

    def _peer_call(
        self, function: Callable[..., Any], arguments: list[tuple[Any, ...]], threads: int
    ) -> tuple[Callable[[], Any], Callable[[Any], list[Any]]]:
        if threads == 1 and len(arguments) == 1:
            return partial(function, *arguments[0]), lambda returned: [returned]
        if threads == 1:
            return lambda: list(starmap(function, arguments)), list
        middle = len(arguments) // 2
        turns = (arguments[:middle], arguments[middle:])

        def turn(mine: list[tuple[Any, ...]]) -> list[Any]:
            return list(starmap(function, mine))

        return lambda: list(self.pool.map(turn, turns)), lambda returned: list(chain.from_iterable(returned))


def _ours(contestant: Contestant, work: Work, acc: Accelerator) -> Entry:
    label = contestant.label(work.peer_name)
    if len(work.items) > 1:
        return Entry(contestant, label, work.many(acc), list, acc=acc)
    if not contestant.into:
        return Entry(contestant, label, work.one(acc), lambda returned: [returned], acc=acc)
    buffer = bytearray(work.room(len(work.plain)))
    view = memoryview(buffer)
    return Entry(contestant, label, work.into(acc, buffer), lambda size: [view[:size]], buffer, acc)


def _bound(contestant: Contestant, work: Work, acc: Accelerator) -> Entry | None:
    call = work.bound(acc) if len(work.items) == 1 else None
    if call is None:
        return None
    return Entry(contestant, contestant.label(work.peer_name), call, lambda returned: [returned], acc=acc)


def _halves(item: bytes) -> list[bytes]:
    middle = len(item) // 2
    return [item[:middle], item[middle:]]


def _slices(buffer: bytearray, sizes: Sequence[int]) -> list[memoryview]:
    view = memoryview(buffer)
    ends = [sum(sizes[: index + 1]) for index in range(len(sizes))]
    return [view[end - size : end] for end, size in zip(ends, sizes, strict=True)]


@contextmanager
def opened() -> Iterator[Field]:
    """Open an Accelerator for each device among the contestants; none of them may fall back."""
    accelerators: dict[str, Accelerator] = {}
    absent: dict[str, str] = {}
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(PEER_THREADS))
        for device in dict.fromkeys(one.device for one in CONTESTANTS if one.device is not None):
            try:
                accelerators[device] = stack.enter_context(Accelerator(device, fallback="never"))
            except FpgaAccelError as error:
                absent[device] = str(error)
        yield Field(accelerators, pool, absent)
