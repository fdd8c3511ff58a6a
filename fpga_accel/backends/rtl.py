"""Runs launches on RTL cores, simulated clock by clock: each entry of a kernel folder is a core of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xxhash

from fpga_accel._host import ffi
from fpga_accel.backends import Deferred, NoCore, Outcome, Pending, Trial
from fpga_accel.backends.cpu import available_cores
from fpga_accel.errors import DeviceError
from fpga_accel.runtime import forks, switches
from fpga_accel.runtime.buffers import wipe
from fpga_accel.runtime.manifests import Core, Manifest
from fpga_accel.runtime.programs import BuildFailed
from fpga_accel.runtime.simulation import building, toolchain
from fpga_accel.runtime.simulation.parameters import BEAT, TRANSLATORS
from fpga_accel.runtime.simulation.simulator import ROW, Rows, Simulator
from fpga_accel.runtime.simulation.tagged import TaggedRows
from fpga_accel.runtime.synthesis import figures
from fpga_accel.segments import (
    MAX_ROW,
    MOST_PARAMETER_BEATS,
    Bytes,
    Launch,
    Linked,
    Span,
    Status,
    Table,
    address_of,
    new_results,
)

log = logging.getLogger(__name__)

# Of all trials of an entry. A trial has some ten thousand bytes, and a simulated core does a million a second where
# it has a processor for itself.
TRIAL_SECONDS = 120.0
# Room for an answer that goes to a field of the result row.
_FIELD_BYTES = 16
# Of an instance's share of a launch: the clocks before its first row and behind its last one are few beside it.
_LEAST_SHARE = 256 << 10
# What a row costs beside its bytes: head, parameters and trailer.
_BESIDE = 64


@dataclass(frozen=True, slots=True)
class _Loaded:
    """An entry as this device runs it."""

    core: Core
    simulator: Simulator
    # Of the placed and routed core; 0 where there are no figures of it.
    clock_mhz: float


@dataclass(frozen=True, slots=True)
class _Ran:
    """What an instance did: its clocks, and when."""

    cycles: int
    started: float
    ended: float


class RtlBackend(forks.Resettable):
    """The simulator of RTL cores.

    Parameters
    ----------
    device_id
        Id of the device.

    Raises
    ------
    DeviceError
        A tool is missing that simulations are built with, or it is switched off.
    """

    name = "rtl"
    # Each core is a simulation of its own: none makes way for another.
    allow_reprogram = False
    wide = False
    direct = False
    links = False
    fuses = True
    apart = True

    def __init__(self, device_id: str) -> None:
        super().__init__()
        if switches.RTL in switches.disabled():
            raise DeviceError("disabled by FPGA_ACCEL_DISABLE", device=device_id)
        self._device_id = device_id
        self._tools = toolchain.found()
        # One for each core, so that the build of one keeps nobody from the others.
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._loaded: dict[tuple[str, str], _Loaded] = {}
        self._refused: dict[tuple[str, str], str] = {}
        # Why each core that came before the chosen one was passed over, by kernel folder and entry.
        self.skipped: dict[tuple[str, str], list[str]] = {}

    @property
    def device_id(self) -> str:
        """Id of the device."""
        return self._device_id

    def prepare(self, manifest: Manifest, trials: Sequence[Callable[[], Trial]], entry: str = "") -> str:
        """Build, load and try the core of an entry once; return its variant.

        Raises
        ------
        NoCore
            The kernel folder has no core for the entry.
        DeviceError
            None of its cores builds and passes its trials.
        """
        key = manifest.name, entry
        loaded = self._loaded.get(key)
        if loaded is None:
            with self._locks.setdefault(key, threading.Lock()):
                loaded = self._loaded.get(key) or self._prepare(manifest, entry, trials)
        return loaded.core.name

    def _prepare(self, manifest: Manifest, entry: str, trials: Sequence[Callable[[], Trial]]) -> _Loaded:
        key = manifest.name, entry
        cores = [core for core in manifest.cores if core.entry == entry]
        if not cores:
            raise NoCore(f"{manifest.name} has no RTL core for {entry or 'it'}", device=self._device_id)
        if key in self._refused:
            raise BuildFailed(self._refused[key], device=self._device_id)
        of_entry = [trial for trial in (make() for make in trials) if trial.launch.entry == entry]
        disabled = switches.disabled()
        skipped = self.skipped[key] = []
        for core in cores:
            if core.name in disabled:
                skipped.append(f"{core.name}: disabled by FPGA_ACCEL_DISABLE")
                continue
            try:
                loaded = self._load(manifest, core)
                self._try(loaded, of_entry)
            except DeviceError as error:
                log.info("%s: %s/%s is not used: %s", self._device_id, manifest.name, core.name, error)
                skipped.append(f"{core.name}: {error}")
                continue
            self._loaded[key] = loaded
            return loaded
        self._refused[key] = f"no core of {manifest.name} runs {entry}: {'; '.join(skipped)}"
        raise BuildFailed(self._refused[key], device=self._device_id)

    def _load(self, manifest: Manifest, core: Core) -> _Loaded:
        if core.parameters not in TRANSLATORS:
            raise BuildFailed(f"nothing makes beats of parameters {core.parameters!r}", device=self._device_id)
        content = building.shared_object(manifest, core, self._tools, self._device_id)
        simulator = Simulator(content, self._device_id, available_cores())
        return _Loaded(core, simulator, figures.clock_of(manifest, core))

    def _try(self, loaded: _Loaded, trials: Sequence[Trial]) -> None:
        for trial in trials:
            if not trial.passed(self._run(loaded, trial.launch, time.monotonic() + TRIAL_SECONDS).results):
                raise DeviceError(
                    f"wrong bytes in the known-answer test of {trial.launch.entry}", device=self._device_id
                )

    def start(self, launch: Launch) -> Pending:
        """Return a launch that runs when it is waited for."""
        loaded = self._loaded.get((launch.kernel, launch.entry))
        if loaded is None:
            raise NoCore(f"no core for {launch.entry} of {launch.kernel} is loaded", device=self._device_id)
        return Deferred(lambda deadline: self._run(loaded, launch, deadline))

    def start_linked(self, linked: Linked) -> Pending:
        """Refuse: each launch goes by way of the host."""
        raise NotImplementedError("it does not link launches")

    def stall(self, kernel: str, entry: str, seed: int) -> None:
        """Make both streams of a loaded core pause at random, or no more with a `seed` of 0."""
        self._loaded[kernel, entry].simulator.stall_seed = seed

    def _run(self, loaded: _Loaded, launch: Launch, deadline: float | None) -> Outcome:
        """Run a launch on as many instances as there are processors; its clocks are the sum of theirs."""
        began = time.perf_counter()
        table, results = launch.table, new_results(len(launch.table))
        if len(table) and int(table["src_size"].max()) > MAX_ROW:
            raise DeviceError(f"a row has more than {MAX_ROW} bytes", device=self._device_id)
        shares = _shares(table, loaded.simulator)
        ran = _beside_each_other(lambda share: self._run_share(loaded, launch, share, results[share], deadline), shares)
        started, ended = min(each.started for each in ran), max(each.ended for each in ran)
        transfer = started - began + time.perf_counter() - ended
        spans = (Span("kernel", started, ended - started),)
        cycles = sum(each.cycles for each in ran)
        return Outcome(
            results, loaded.core.name, transfer, ended - started, spans, cycles=cycles, clock_mhz=loaded.clock_mhz
        )

    def _run_share(self, loaded: _Loaded, launch: Launch, share: slice, results: Table, deadline: float | None) -> _Ran:
        table = launch.table[share]
        try:
            beats = TRANSLATORS[loaded.core.parameters](table, launch.params)
        except ValueError as error:
            raise DeviceError(f"{launch.entry}: {error}", device=self._device_id) from error
        tagged = None
        try:
            rows = _rows(table)
            if beats.tagging is not None:
                tagged = TaggedRows(table, launch.params, beats.tagging, rows)
            rows["parameters"] = np.uint64(address_of(beats.content)) + beats.first * np.uint64(BEAT)
            rows["parameter_beats"], rows["flags"], rows["extra"] = beats.count, beats.flags, beats.extra
            if len(rows) and int(beats.count.max()) > MOST_PARAMETER_BEATS:
                most = f"{MOST_PARAMETER_BEATS} parameter beats"
                raise DeviceError(f"a row has more than {most}", device=self._device_id)
            answers = _answers(loaded.core, rows)
            started = time.perf_counter()
            seconds = np.inf if deadline is None else max(0.0, deadline - time.monotonic())
            cycles = loaded.simulator.run(rows, seconds, share.start)
            ended = time.perf_counter()
            results["dst_size"], results["status"], results["check"] = rows["dst_size"], rows["status"], 0
            results["partial"] = 0
            if tagged is not None:
                tagged.take(results)
        finally:
            if launch.keys:
                wipe(address_of(beats.content), beats.content.nbytes)
                if tagged is not None:
                    tagged.wipe()
        _take_answers(loaded.core, answers, results)
        _fill_checks(loaded.core, table, results)
        return _Ran(cycles, started, ended)

    def reset_after_fork(self) -> None:
        """Make fresh locks."""
        self._locks = {}


def _shares(table: Table, simulator: Simulator) -> list[slice]:
    """Return the rows for each instance, about as many bytes for one as for another."""
    sizes = table["src_size"].astype(np.int64) + _BESIDE
    ends = np.cumsum(sizes)
    whole = int(sizes.sum())
    count = max(1, min(simulator.instances, len(table) // simulator.engines, whole // _LEAST_SHARE))
    # A row goes to the share that has its middle.
    cuts = np.searchsorted(ends - sizes // 2, [whole * part // count for part in range(1, count)])
    shares = [slice(first, end) for first, end in pairwise([0, *cuts.tolist(), len(table)]) if end > first]
    return shares or [slice(0, 0)]


def _beside_each_other(run: Callable[[slice], _Ran], shares: list[slice]) -> list[_Ran]:
    """Run all shares, the last on the calling thread; raise what the first that failed raised."""
    if len(shares) == 1:
        return [run(shares[0])]
    with ThreadPoolExecutor(len(shares) - 1, thread_name_prefix="fpga-accel-rtl") as pool:
        others = [_submitted(pool, run, share) for share in shares[:-1]]
        last = run(shares[-1])
    return [*(other.result() for other in others), last]


def _submitted(pool: ThreadPoolExecutor, run: Callable[[slice], _Ran], share: slice) -> Future[_Ran]:
    try:
        return pool.submit(run, share)
    except RuntimeError:
        # The interpreter is ending: no thread starts any more.
        done: Future[_Ran] = Future()
        done.set_result(run(share))
        return done


def _rows(table: Table) -> Rows:
    rows: Rows = np.zeros(len(table), ROW)
    for name in ("src", "dst", "src_size", "dst_capacity"):
        rows[name] = table[name]
    return rows


def _answers(core: Core, rows: Rows) -> Bytes:
    """Let answers that are not for dst be written where `_take_answers` finds them."""
    answers: Bytes = np.zeros((len(rows), _FIELD_BYTES), np.uint8)
    if core.reply != "dst" and len(rows):
        rows["dst"] = np.uint64(address_of(answers)) + np.arange(len(rows), dtype=np.uint64) * np.uint64(_FIELD_BYTES)
        rows["dst_capacity"] = 8 if core.reply == "check" else _FIELD_BYTES
    return answers


def _take_answers(core: Core, answers: Bytes, results: Table) -> None:
    if core.reply == "dst":
        return
    results["dst_size"] = 0
    if core.reply == "check":
        results["check"] = answers[:, :8].copy().view("<u8")[:, 0]
    else:
        results["partial"] = answers


def _fill_checks(core: Core, table: Table, results: Table) -> None:
    """Hash the answers whose rows ask for it."""
    wanted = (table["flags"] & core.check_flag != 0) & (results["status"] == Status.OK)
    for row in np.flatnonzero(wanted):
        answer = ffi.buffer(ffi.cast("char *", int(table["dst"][row])), int(results["dst_size"][row]))
        results["check"][row] = xxhash.xxh32_intdigest(answer)
