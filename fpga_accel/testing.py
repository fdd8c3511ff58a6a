"""A device that fails on demand, to test how programs fare when an accelerator does.

`FaultyDevice` stands where a device's name would. It runs the CPU reference behind the interface of the OpenCL
backend, so receipts, fallback, verification and quarantine are those of a real device, on any machine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from types import MappingProxyType
from typing import Any, Literal, NoReturn, TypeVar, cast

import numpy as np

from fpga_accel.backends import Deferred, Outcome, Pending, Trial
from fpga_accel.errors import DeviceError, DeviceNotFoundError, DeviceTimeoutError
from fpga_accel.operations import links
from fpga_accel.operations.buffers import memory
from fpga_accel.operations.contract import row_of
from fpga_accel.reference import operation_of, write
from fpga_accel.runtime.discovery import OPEN_SECONDS
from fpga_accel.runtime.manifests import Manifest
from fpga_accel.runtime.placing import HostPlaces, Placed
from fpga_accel.runtime.programs import BUILD_SECONDS, BuildFailed
from fpga_accel.segments import Launch, Linked, Status, Table, new_results

__all__ = ["LEGAL", "FaultyDevice", "Mode", "Stage"]

Stage = Literal["open", "build", "copy", "run", "result"]
Mode = Literal["error", "timeout", "corrupt", "vanish", "slow"]

T = TypeVar("T", bound=str)

_ANYWHERE: tuple[Mode, ...] = ("error", "timeout", "corrupt", "vanish", "slow")
# What can happen at each stage; opening writes no bytes that could be wrong.
LEGAL: Mapping[str, tuple[Mode, ...]] = MappingProxyType(
    {
        "open": ("error", "timeout", "vanish", "slow"),
        "build": _ANYWHERE,
        "copy": _ANYWHERE,
        "run": _ANYWHERE,
        "result": _ANYWHERE,
    }
)

DEVICE_ID = "faulty-0"
VARIANT = "emulated"
_GONE = "the device is not there any more"


class FaultyDevice:
    """A device that fails where and how it is told; ``Accelerator(device=FaultyDevice(...))``.

    Parameters
    ----------
    fail_at
        The stage that fails, or several. ``"open"``: opening the device. ``"build"``: building and trying a kernel.
        Of a launch: ``"copy"`` (inputs go to the device), ``"run"`` (the kernel), ``"result"`` (results come back,
        when outputs are written already). None is a healthy device.
    mode
        ``"error"``: the stage raises. ``"timeout"``: it does not end before its deadline. ``"corrupt"``: it flips bits
        of an input, of the output or of a result, and at ``"build"`` the known-answer test fails. ``"vanish"``: the
        device is gone, and every later use of it fails; at ``"open"`` it was never there. ``"slow"``: the stage takes
        `seconds`. Of several modes failures take one after another.
    every
        The stage fails in every so many passes: 3 is the third, the sixth and so on.
    seconds
        How long ``"slow"`` takes; past the deadline it is a timeout. ``"timeout"`` waits no longer than this.
    probability
        The stage fails with this probability in each pass, in place of `every`.
    seed
        Of the random numbers for `probability`: the same seed, the same passes that fail.

    Attributes
    ----------
    passes : dict of str to int
        How often each stage was entered.
    failures : int
        How often the device did what it was told to do wrong.

    Raises
    ------
    ValueError
        The stage, the mode, their combination or a number is illegal.

    Examples
    --------
    >>> from fpga_accel import Accelerator
    >>> device = FaultyDevice(fail_at="run", mode="error", every=2)
    >>> with Accelerator(device, fallback="allow") as acc:
    ...     for _ in range(2):
    ...         _ = acc.encrypt(b"text", bytes(16))
    ...         receipt = acc.last_receipt
    ...         print(receipt.backend, receipt.reason, receipt.fallback)
    opencl asked False
    cpu device_failed True
    >>> device.passes["run"], device.failures
    (2, 1)
    """

    def __init__(
        self,
        fail_at: Stage | Sequence[Stage] | None = None,
        mode: Mode | Sequence[Mode] = "error",
        every: int = 1,
        seconds: float = 0.01,
        *,
        probability: float | None = None,
        seed: int = 0,
    ) -> None:
        _check_faults(_each(fail_at), _each(mode))
        if every < 1:
            raise ValueError(f"every={every}; it must be 1 or more")
        if seconds < 0:
            raise ValueError(f"seconds={seconds}; it must not be negative")
        if probability is not None and not 0 <= probability <= 1:
            raise ValueError(f"probability={probability}; it must be from 0 to 1")
        if probability is not None and every != 1:
            raise ValueError("every= and probability= exclude each other")
        self.fail_at = fail_at
        self.mode = mode
        self.every = every
        self.seconds = seconds
        self.probability = probability
        self.seed = seed
        self._random = Random(seed)
        self.passes: dict[str, int] = dict.fromkeys(LEGAL, 0)
        self.failures = 0
        self._gone = False
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        often = f"every={self.every}"
        if self.probability is not None:
            often = f"probability={self.probability}, seed={self.seed}"
        return f"FaultyDevice(fail_at={self.fail_at!r}, mode={self.mode!r}, {often})"

    def open_backend(self) -> _FaultyBackend:
        """Return a backend, as ``Accelerator`` asks for it.

        Raises
        ------
        DeviceError, DeviceNotFoundError
            As the device was told.
        """
        self.enter("open", time.monotonic() + OPEN_SECONDS)
        return _FaultyBackend(self)

    def heal(self) -> None:
        """Fail no more; a device that had vanished is back."""
        with self._lock:
            self.fail_at, self._gone = None, False

    def enter(self, stage: Stage, deadline: float | None) -> int | None:
        """Pass a stage: count it, and fail where that is due.

        Returns
        -------
        int or None
            The number of the failure where the stage is to be corrupted, else None.
        """
        with self._lock:
            self.passes[stage] += 1
            due = self._gone or (stage in _each(self.fail_at) and self._is_time(stage))
            modes = _each(self.mode)
            mode = modes[self.failures % len(modes)]
            self.failures += due
            self._gone = self._gone or (due and mode == "vanish")
            gone, seconds, number = self._gone, self.seconds, self.failures
        if not due:
            return None
        if gone:
            _vanished(stage)
        if mode == "corrupt":
            return number
        if mode == "error":
            kind = BuildFailed if stage == "build" else DeviceError
            raise kind(f"{stage} fails, as told", device=DEVICE_ID)
        self._wait(stage, mode, seconds, deadline)
        return None

    def _is_time(self, stage: Stage) -> bool:
        if self.probability is None:
            return self.passes[stage] % self.every == 0
        return self._random.random() < self.probability

    def _wait(self, stage: Stage, mode: Mode, seconds: float, deadline: float | None) -> None:
        left = seconds if deadline is None else max(0.0, deadline - time.monotonic())
        time.sleep(min(left, seconds))
        if mode == "timeout" or left < seconds:
            raise DeviceTimeoutError(f"{stage} did not end in time, as told", device=DEVICE_ID)


def _each(one_or_more: T | Sequence[T] | None) -> Sequence[T]:
    """Return what may be one name, several or none as several."""
    if one_or_more is None:
        return ()
    return one_or_more if isinstance(one_or_more, list | tuple) else (cast("T", one_or_more),)


def _check_faults(stages: Sequence[str], modes: Sequence[str]) -> None:
    for stage in stages:
        if stage not in LEGAL:
            raise ValueError(f"fail_at={stage!r}; legal ones are None, {', '.join(LEGAL)}")
    if not modes:
        raise ValueError(f"no mode; legal ones are {', '.join(_ANYWHERE)}")
    for legal, where in [(LEGAL[stage], f" at {stage!r}") for stage in stages] or [(_ANYWHERE, "")]:
        for mode in modes:
            if mode not in legal:
                raise ValueError(f"mode={mode!r}{where}; legal ones are {', '.join(legal)}")


def _vanished(stage: Stage) -> NoReturn:
    if stage != "open":
        raise DeviceError(_GONE, device=DEVICE_ID)
    error = DeviceNotFoundError(_GONE, device=DEVICE_ID)
    error.absent_class = True
    raise error


class _FaultyBackend:
    """What a `FaultyDevice` opens: `fpga_accel.backends.Backend` over the CPU reference."""

    name = "opencl"

    def __init__(self, device: FaultyDevice) -> None:
        self._device = device
        self._built: set[str] = set()

    @property
    def device_id(self) -> str:
        return DEVICE_ID

    def prepare(self, manifest: Manifest, trials: Sequence[Callable[[], Trial]], entry: str = "") -> str:
        if manifest.name not in self._built:
            failure = self._device.enter("build", time.monotonic() + BUILD_SECONDS)
            if failure is not None:
                self._fail_trials(manifest, trials, failure)
            self._built.add(manifest.name)
        return VARIANT

    def _fail_trials(self, manifest: Manifest, trials: Sequence[Callable[[], Trial]], failure: int) -> None:
        for make in trials:
            trial = make()
            launch = trial.launch
            if launch.kernel == links.KERNEL:
                results = links.emulated(launch.entry, launch.table, launch.params)
            else:
                results = _emulated(launch, None)
            _corrupt_output(trial.launch, results, failure)
            if not trial.passed(results):
                raise BuildFailed(
                    f"no variant of {manifest.name} runs here: {VARIANT}: wrong bytes in the known-answer test",
                    device=DEVICE_ID,
                )

    def start(self, launch: Launch) -> Pending:
        return Deferred(lambda deadline: self.run(launch, deadline))

    def run(self, launch: Launch, deadline: float | None) -> Outcome:
        began = time.perf_counter()
        bad_input = self._device.enter("copy", deadline)
        copied = time.perf_counter()
        bad_output = self._device.enter("run", deadline)
        results = _emulated(launch, bad_input)
        if bad_output is not None:
            _corrupt_output(launch, results, bad_output)
        ran = time.perf_counter()
        bad_result = self._device.enter("result", deadline)
        if bad_result is not None:
            _corrupt_result(results, bad_result)
        return Outcome(results, VARIANT, transfer=copied - began + time.perf_counter() - ran, kernel=ran - copied)

    wide = False
    direct = True
    fuses = False
    apart = False

    @property
    def links(self) -> bool:
        return True

    def start_linked(self, linked: Linked) -> Pending:
        return Deferred(lambda deadline: self._run_linked(linked, deadline))

    def _run_linked(self, linked: Linked, deadline: float | None) -> Outcome:
        began = time.perf_counter()
        bad_input = self._device.enter("copy", deadline)
        copied = time.perf_counter()
        bad_output = self._device.enter("run", deadline)
        places = HostPlaces(linked.scratch)
        launches, results = _emulated_phase(places, linked, bad_input)
        writer = _last_writer(launches, results)
        if bad_output is not None:
            _corrupt_output(_launch_of(launches[writer]), results[writer], bad_output)
        ran = time.perf_counter()
        bad_result = self._device.enter("result", deadline)
        if bad_result is not None:
            _corrupt_result(results[writer], bad_result)
        found, phase = list(results), linked
        while True:
            following = phase.then(results) if phase.then else None
            if phase.collect:
                phase.collect(results, places.output, True)
            if following is None:
                break
            phase = following
            _, results = _emulated_phase(places, phase, None)
            found += results
        return Outcome(
            np.concatenate(found), VARIANT, transfer=copied - began + time.perf_counter() - ran, kernel=ran - copied
        )


def _emulated_phase(places: HostPlaces, phase: Linked, bad_input: int | None) -> tuple[list[Placed], list[Table]]:
    """Do linked launches in turn, the first on a damaged input where `bad_input` numbers a failure."""
    launches = places.placed(phase)
    for number, placed in enumerate(launches):
        launch = _launch_of(placed)
        if launch.kernel == links.KERNEL:
            placed.results[:] = links.emulated(launch.entry, launch.table, launch.params)
        else:
            placed.results[:] = _emulated(launch, bad_input if number == 0 else None)
    return launches, [placed.results for placed in launches]


def _launch_of(placed: Placed) -> Launch:
    return Launch(placed.step.kernel, placed.step.entry, placed.table, placed.params)


def _last_writer(launches: list[Placed], results: list[Table]) -> int:
    """Return the last launch that wrote bytes of the data."""
    pairs = enumerate(zip(launches, results, strict=True))
    wrote = [i for i, (each, found) in pairs if each.step.kernel != links.KERNEL and found["dst_size"].any()]
    return wrote[-1] if wrote else 0


def _emulated(launch: Launch, bad_input: int | None) -> Table:
    """Do what the kernel does, on one row with a damaged input where `bad_input` numbers a failure."""
    operation, results = operation_of(launch), new_results(len(launch.table))
    damaged = None if bad_input is None else _chosen(launch.table["src_size"], bad_input)
    for index in range(len(launch.table)):
        row = row_of(launch, index)
        if index == damaged:
            source = bytearray(row.src)
            source[len(source) // 2] ^= 0x10
            row = replace(row, src=memoryview(source).toreadonly())
        write(launch, results, index, operation.emulate(row))
    if bad_input is not None and damaged is None:
        _corrupt_result(results, bad_input)
    return results


def _corrupt_output(launch: Launch, results: Table, failure: int) -> None:
    """Flip one bit of what was written."""
    row = _chosen(results["dst_size"], failure)
    if row is None:
        _corrupt_result(results, failure)
        return
    written = memory(int(launch.table["dst"][row]), int(results["dst_size"][row]))
    written[len(written) // 2] ^= 0x10


def _corrupt_result(results: Table, failure: int) -> None:
    """Make one row's size one smaller; where no row has written anything, make its status wrong."""
    row = _chosen(results["dst_size"], failure)
    if row is None:
        results["status"][failure % len(results)] = Status.BAD_PARAM
    else:
        results["dst_size"][row] -= 1


def _chosen(sizes: Any, failure: int) -> int | None:
    """Return a row of at least one byte, another one with each failure; None where there is none."""
    rows = sizes.nonzero()[0]
    return int(rows[failure % len(rows)]) if len(rows) else None
