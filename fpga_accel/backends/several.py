"""Several devices as one: the rows of a launch go to whoever is free, in pieces by measured speed.

A device that fails hands its piece back, so the others do it; nothing is lost as long as one of them is left.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from fpga_accel.backends import Backend, NoCore, Outcome, Pending, Trial
from fpga_accel.errors import DeviceError, DeviceTimeoutError
from fpga_accel.runtime import forks
from fpga_accel.runtime.health import Health, State
from fpga_accel.runtime.manifests import Manifest
from fpga_accel.runtime.switches import RTL
from fpga_accel.segments import Launch, Linked, Span, Table, new_results

log = logging.getLogger(__name__)

# Bytes of the least piece: a launch of its own costs some 60 µs, a tenth of what this takes at 2 GB/s.
GRAIN = 1 << 20
# What a row weighs besides its bytes: short ones cost more than these say.
ROW_BYTES = 128
# Each piece is this part of what a member would do of the rest, so that all end at about the same time.
PART = 0.5
# Weight of the last piece in a member's speed.
NEWEST = 0.3


# Kernel folder and entry, the latter empty where a device has a folder as a whole.
_Entry = tuple[str, str]


@dataclass(slots=True, eq=False, repr=False)
class _Member:
    """One device, with its thread, the kernel entries it has, its health by these, and its bytes a second by entry."""

    backend: Backend
    pool: ThreadPoolExecutor
    entries: set[_Entry] = field(default_factory=set)
    health: dict[_Entry, Health] = field(default_factory=dict)
    speeds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, backend: Backend) -> _Member:
        return cls(backend, ThreadPoolExecutor(1, thread_name_prefix=f"fpga-accel-{backend.device_id}"))

    def renew(self) -> None:
        """Take a new thread and forget failures."""
        fresh = _Member.of(self.backend)
        self.pool, self.health = fresh.pool, fresh.health

    def key(self, kernel: str, entry: str) -> _Entry:
        return kernel, entry if self.backend.apart else ""

    def health_of(self, entry: _Entry) -> Health:
        return self.health.setdefault(entry, Health())

    def learn(self, entry: str, speed: float) -> float:
        known = self.speeds.get(entry)
        self.speeds[entry] = speed if known is None else known + NEWEST * (speed - known)
        return self.speeds[entry]


class SeveralBackend(forks.Resettable):
    """`fpga_accel.backends.Backend` over other ones.

    Parameters
    ----------
    backends
        The devices, at least one.
    on_failure
        Told of every failure of one of them.
    """

    def __init__(self, backends: Sequence[Backend], on_failure: Callable[[DeviceError], None]) -> None:
        super().__init__()
        # What receipts call it.
        self.name = RTL if all(backend.name == RTL for backend in backends) else "opencl"
        self._members = [_Member.of(each) for each in backends]
        self._on_failure = on_failure

    @property
    def device_id(self) -> str:
        """The ids of all, joined."""
        return "+".join(member.backend.device_id for member in self._members)

    def prepare(self, manifest: Manifest, trials: Sequence[Callable[[], Trial]], entry: str = "") -> str:
        """Build and try a kernel folder on each device; those that cannot are left out."""
        variants, causes = [], []
        for member in self._members:
            key = member.key(manifest.name, entry)
            try:
                variants.append(member.backend.prepare(manifest, trials, entry))
            except DeviceError as error:
                causes.append(error)
                member.entries.discard(key)
                if not isinstance(error, NoCore):
                    self._failed(member, key, error)
            else:
                member.entries.add(key)
        if not variants:
            raise causes[0]
        return "+".join(dict.fromkeys(variants))

    @property
    def wide(self) -> bool:
        """Whether all of them are."""
        return all(member.backend.wide for member in self._members)

    direct = False
    links = False
    fuses = False
    apart = False

    def start_linked(self, linked: Linked) -> Pending:
        """Refuse: each launch goes by way of the host."""
        raise NotImplementedError("it does not link launches")

    def start(self, launch: Launch) -> Pending:
        """Send the rows of a launch on their way to all devices that are well."""
        keyed = [(each, each.key(launch.kernel, launch.entry)) for each in self._members]
        members = [each for each, key in keyed if key in each.entries and each.health_of(key).open()]
        if not members:
            raise DeviceError("every device is in quarantine", device=self.device_id)
        members.sort(key=lambda each: -each.speeds.get(launch.entry, 0.0))
        share = _Share(launch, {id(each): each.speeds.get(launch.entry) for each in members})
        useful = share.useful()
        turns = [partial(self._turn, each, share) for each in members]
        return _Shared(share, [turn() for turn in turns[:useful]], turns[useful:], self.device_id)

    def _turn(self, member: _Member, share: _Share) -> Future[None]:
        """Let a member work on its thread, or here where there are no more threads: at the interpreter's end."""
        try:
            return member.pool.submit(self._work, member, share)
        except RuntimeError:
            done: Future[None] = Future()
        try:
            self._work(member, share)
        except Exception as error:
            done.set_exception(error)
        else:
            done.set_result(None)
        return done

    def _work(self, member: _Member, share: _Share) -> None:
        """Do piece after piece until none is left."""
        launch = share.launch
        key = member.key(launch.kernel, launch.entry)
        if not member.health_of(key).admitted():
            return
        while (piece := share.take(id(member))) is not None:
            first, end = piece
            part = replace(launch, table=launch.table[first:end])
            began = time.perf_counter()
            try:
                deadline = None if launch.seconds is None else time.monotonic() + launch.seconds
                outcome = member.backend.start(part).outcome(deadline)
            except DeviceError as error:
                self._failed(member, key, error)
                share.hand_back(piece, error)
                return
            except BaseException as error:
                share.hand_back(piece, error)
                raise
            member.health_of(key).succeeded()
            speed = member.learn(launch.entry, share.weight(piece) / max(time.perf_counter() - began, 1e-9))
            share.done(piece, outcome, member.backend.device_id, id(member), speed)

    def _failed(self, member: _Member, entry: _Entry, error: DeviceError) -> None:
        health = member.health_of(entry)
        level = logging.WARNING if health.state is State.OK else logging.INFO
        log.log(level, "%s failed, others do its part: %s", member.backend.device_id, error)
        health.failed(str(error), grave=isinstance(error, DeviceTimeoutError))
        self._on_failure(error)

    def close(self) -> None:
        """End the threads; later work is done by those that want it."""
        for member in self._members:
            member.pool.shutdown()

    def reset_after_fork(self) -> None:
        """Forget the parent's threads, which do not exist in a child."""
        for member in self._members:
            member.renew()


class _Share:
    """The rows of one launch and who has which."""

    def __init__(self, launch: Launch, speeds: dict[int, float | None]) -> None:
        self.launch = launch
        self.results: Table = new_results(len(launch.table))
        self.outcomes: list[tuple[Outcome, str]] = []
        self.error: BaseException | None = None
        self._speeds = speeds
        self._ends = np.cumsum(launch.table["src_size"].astype(np.int64) + ROW_BYTES)
        self._next = 0
        self._returned: list[tuple[int, int]] = []
        self._out = 0
        self.stopped = False
        self._changed = threading.Condition()

    def useful(self) -> int:
        """Return how many devices there are pieces for."""
        return max(1, min(len(self._speeds), self.weight((0, len(self._ends))) // GRAIN))

    def weight(self, piece: tuple[int, int]) -> int:
        """Return what the rows of a piece weigh, in bytes."""
        first, end = piece
        return int(self._ends[end - 1]) - (int(self._ends[first - 1]) if first else 0) if end > first else 0

    def take(self, member: int) -> tuple[int, int] | None:
        """Return rows to do, or None where none are left, and none can come back any more."""
        with self._changed:
            while True:
                piece = None if self.stopped else self._offered(member)
                if piece is not None:
                    self._out += 1
                    return piece
                if self.stopped or not self._out:
                    return None
                self._changed.wait()

    def _offered(self, member: int) -> tuple[int, int] | None:
        if self._returned:
            return self._returned.pop()
        first, count = self._next, len(self._ends)
        if first == count:
            return None
        own, others = self._speeds[member], [speed for key, speed in self._speeds.items() if key != member]
        known = sum(speed for speed in others if speed is not None)
        left = self.weight((first, count))
        # The others, one of whom is at it, are done with everything before this one is with a single piece.
        if own is not None and self._out and known * GRAIN > own * left:
            return None
        # A device of unknown speed starts with little.
        part = 0.0 if own is None else PART * own / (own + known)
        before = int(self._ends[first - 1]) if first else 0
        end = max(first + 1, int(np.searchsorted(self._ends, before + max(GRAIN, int(part * left)), side="right")))
        self._next = min(end, count)
        return first, self._next

    def done(self, piece: tuple[int, int], outcome: Outcome, device: str, member: int, speed: float) -> None:
        """Take the results of a piece, and how fast they came."""
        with self._changed:
            self.results[slice(*piece)] = outcome.results
            self.outcomes.append((outcome, device))
            self._speeds[member] = speed
            self._out -= 1
            self._changed.notify_all()

    def hand_back(self, piece: tuple[int, int], error: BaseException) -> None:
        """Let others do a piece whose device failed, unless it may still write there."""
        with self._changed:
            self.error = error
            self._out -= 1
            self.stopped |= not isinstance(error, DeviceError) or getattr(error, "buffers_in_use", False)
            self._returned.append(piece)
            self._changed.notify_all()

    def stop(self) -> None:
        """Hand out no more."""
        with self._changed:
            self.stopped = True
            self._changed.notify_all()

    @property
    def complete(self) -> bool:
        """Whether every row is done."""
        return not (self.stopped or self._returned or self._out) and self._next == len(self._ends)


class _Shared(NamedTuple):
    """A launch on its way over several devices."""

    share: _Share
    turns: list[Future[None]]
    # Devices that are asked only where the others failed.
    spare: Sequence[Callable[[], Future[None]]]
    device: str

    def outcome(self, deadline: float | None) -> Outcome:
        """Wait for all rows. Each device has deadlines of its own, so `deadline` is not looked at."""
        share = self.share
        try:
            wait(self.turns)
            for turn in self.spare:
                if share.complete or share.stopped:
                    break
                wait([turn()])
        except BaseException:
            # Ctrl-C: once the pieces at work are done, nobody writes into the caller's buffer any more.
            share.stop()
            wait(self.turns)
            raise
        if not share.complete:
            error = share.error
            raise error if error is not None else DeviceError("rows were left undone", device=self.device)
        outcomes = [outcome for outcome, _ in share.outcomes]
        spans: list[Span] = []
        for outcome, device in share.outcomes:
            spans += [span._replace(device=device) for span in outcome.spans]
        return Outcome(
            share.results,
            "+".join(dict.fromkeys(outcome.variant for outcome in outcomes)),
            sum(outcome.transfer for outcome in outcomes),
            sum(outcome.kernel for outcome in outcomes),
            tuple(spans),
            "+".join(dict.fromkeys(device for _, device in share.outcomes)),
            # Of bytes that no simulated core did there are no clocks.
            sum(outcome.cycles for outcome in outcomes) if all(outcome.cycles for outcome in outcomes) else 0,
            min((outcome.clock_mhz for outcome in outcomes), default=0.0),
        )

    def abandon(self) -> None:
        """Hand out no more; pieces on their way end by themselves, and their threads hold what they use."""
        self.share.stop()
