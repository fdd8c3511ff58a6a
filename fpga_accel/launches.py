"""The launches of one call: started, awaited, compared with the CPU path, and added up."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from fpga_accel.backends import Backend, NoCore, Outcome, Pending, Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.errors import DeviceError, DeviceTimeoutError
from fpga_accel.operations import links
from fpga_accel.operations.contract import Errors, Job, Linker, Operation, output_of, row_of
from fpga_accel.receipts import Ran
from fpga_accel.runtime import manifests
from fpga_accel.runtime.buffers import wipe
from fpga_accel.runtime.programs import BuildFailed
from fpga_accel.segments import Launch, Linked, Place, Status, Step, Table, address_of, first_impossible

log = logging.getLogger(__name__)

# Without a timeout a launch gets this long, and a second more for so many bytes: emulators are slow.
DEFAULT_SECONDS = 120.0
SLOWEST_BYTES_PER_SECOND = 1 << 20

# verify="sampled" spends this share of the device's time and saves up no more than so many seconds of it.
SAMPLED_SHARE = 0.02
SAMPLED_CREDIT = 0.25
# What checking one row is expected to cost before it is done.
CHECK_SECONDS = 200e-6
CHECK_BYTES_PER_SECOND = 300e6


# Launches that were given up while their device may still write to their memory, which is never used again.
_forsaken: list[Launch] = []


class Mismatch(DeviceError):
    """What a device wrote differs from the CPU path."""

    code = "mismatch"


class Sampler:
    """Chooses the rows of a launch that are compared with the CPU path."""

    def __init__(self, policy: str) -> None:
        self.policy = policy
        self._credit = 0.0
        self._next = 0

    def rows(self, launch: Launch, seconds: float) -> Iterable[int]:
        """Return the rows to compare of a launch that took `seconds`."""
        return self.chosen(launch.table["src_size"], seconds)

    def chosen(self, sizes: Any, seconds: float) -> Iterable[int]:
        """Choose among rows or items of these sizes, after so many seconds of a device's work."""
        count = len(sizes)
        if self.policy == "always":
            return range(count)
        if self.policy == "never":
            return ()
        self._credit = min(self._credit + SAMPLED_SHARE * seconds, SAMPLED_CREDIT)
        # A stride that is prime to most counts visits all rows in time.
        row = self._next = (self._next + 7919) % count
        size = int(sizes[row])
        expected = CHECK_SECONDS + size / CHECK_BYTES_PER_SECOND
        return (row,) if self._credit >= expected else ()

    def spent(self, seconds: float) -> None:
        """Account for time spent comparing; a debt is paid off by later launches."""
        if self.policy == "sampled":
            self._credit -= seconds


class Launches:
    """What an operation sends its launches through (`fpga_accel.operations.contract.Run`).

    Attributes
    ----------
    ran
        What they were and took, for the receipt.
    """

    def __init__(
        self,
        operation: Operation[Any],
        backend: Backend,
        sampler: Sampler,
        timeout: float | None,
        workers: Workers,
    ) -> None:
        self._operation = operation
        self._backend = backend
        self._sampler = sampler
        self._timeout = timeout
        self._workers = workers
        # What is on its way, and what waits for it, given since when its time counts.
        self._pending: dict[int, tuple[Pending, Callable[[float], object]]] = {}
        self._last_end = 0.0
        self.ran = Ran()

    def __call__(self, launch: Launch) -> Table:
        """Run a launch to its end and return the results of its rows."""
        return self.start(launch)()

    def start(self, launch: Launch) -> Callable[[], Table]:
        """Send a launch on its way; what is returned waits for its results."""
        began = time.monotonic()
        launch.workers = self._workers
        launch.seconds = self._timeout or DEFAULT_SECONDS + launch.nbytes / SLOWEST_BYTES_PER_SECOND
        try:
            pending = self._backend.start(launch)
        except BaseException:
            _wipe_keys(launch)
            raise
        finish = partial(self._finished, launch, pending)
        self._pending[id(pending)] = pending, finish
        return partial(finish, began)

    @property
    def wide(self) -> bool:
        """Whether the device works on thousands of rows at once."""
        return self._backend.wide

    def _finished(self, launch: Launch, pending: Pending, since: float) -> Table:
        assert launch.seconds is not None
        try:
            outcome, seconds = self._awaited(pending, since, launch.seconds)
            _refuse_impossible(launch, outcome.results, self._backend.device_id)
            rows = self._sampler.rows(launch, max(seconds, outcome.kernel))
            self._compare(launch, outcome.results, rows)
            if self._operation.kernel == links.KERNEL:
                self.ran.joined["fused" if launch.kernel == links.KERNEL else "by stages"] = None
        except DeviceTimeoutError as error:
            if error.buffers_in_use:
                _forsaken.append(launch)
            raise
        finally:
            _wipe_keys(launch)
        return outcome.results

    def _awaited(self, pending: Pending, since: float, seconds: float) -> tuple[Outcome, float]:
        """Wait for what is on its way; return what it gave, and how long that was waited for."""
        del self._pending[id(pending)]
        # Behind another launch it has no turn yet.
        deadline = max(since, self._last_end) + seconds
        waited_from = time.perf_counter()
        outcome = pending.outcome(deadline)
        waited = time.perf_counter() - waited_from
        self._last_end = time.monotonic()
        self._add(outcome, waited)
        return outcome, waited

    def _add(self, outcome: Outcome, waited: float) -> None:
        ran = self.ran
        ran.transfer += outcome.transfer
        ran.kernel += outcome.kernel
        ran.waited += waited
        ran.rows += len(outcome.results)
        ran.variants |= dict.fromkeys(outcome.variant.split("+"))
        ran.devices |= dict.fromkeys(filter(None, outcome.device.split("+")))
        ran.spans += outcome.spans
        if outcome.cycles:
            ran.clock_mhz = min(ran.clock_mhz, outcome.clock_mhz) if ran.cycles else outcome.clock_mhz
            ran.cycles += outcome.cycles

    def _compare(self, launch: Launch, results: Table, rows: Iterable[int]) -> None:
        began, operation = time.perf_counter(), self._operation.of_rows(launch)
        with self._workers.turn():
            for row in rows:
                self.ran.checked = True
                if not operation.agrees(row_of(launch, row), output_of(launch, results, row)):
                    raise Mismatch(f"{launch.entry} gave wrong bytes in row {row} of {len(results)}")
        self._sampler.spent(time.perf_counter() - began)

    # -- launches that a device links by itself, or has one entry for ---------------------------------------------

    def linker(self) -> Linker | None:
        """Return what starts linked launches; None where there are none, or no kernels on the device that link."""
        if self._operation.kernel != links.KERNEL or not self._backend.links:
            return None
        return Linker(self._start_linked, self._backend.direct) if self._prepares(links.trials()) else None

    def fuses(self) -> bool:
        """Whether the device has an entry that is all of the operation."""
        entry = self._operation.fused_entry
        if entry is None or not self._backend.fuses:
            return False
        return self._prepares([self._operation.fused_trial], entry)

    def _prepares(self, trials: Sequence[Callable[[], Trial]], entry: str = "") -> bool:
        """Whether the device has what joins launches; without it they are joined on the host."""
        try:
            self._backend.prepare(manifests.shipped(links.KERNEL), trials, entry)
        except (BuildFailed, NoCore) as error:
            log.info("%s: launches are joined on the host: %s", self._operation.name, error)
            return False
        return True

    def _start_linked(self, linked: Linked) -> Callable[[], None]:
        began = time.monotonic()
        seconds = self._timeout or DEFAULT_SECONDS + linked.nbytes / SLOWEST_BYTES_PER_SECOND
        try:
            pending = self._backend.start_linked(linked)
        except BaseException:
            _wipe_linked(linked)
            raise
        finish = partial(self._finished_linked, linked, pending, seconds)
        self._pending[id(pending)] = pending, finish
        return partial(finish, began)

    def _finished_linked(self, linked: Linked, pending: Pending, seconds: float, since: float) -> None:
        try:
            self._awaited(pending, since, seconds)
        finally:
            _wipe_linked(linked)
        self.ran.joined["linked"] = None

    def compare_items(self, job: Job[Any], errors: Errors) -> None:
        """Compare items whose rows were nowhere to be compared."""
        began = time.perf_counter()
        with self._workers.turn():
            for index in self._sampler.chosen(job.items.sizes, self.ran.transfer + self.ran.kernel):
                if index in errors:
                    continue
                self.ran.checked = True
                if not self._operation.agrees_on(job, index):
                    raise Mismatch(f"{self._operation.name} gave wrong bytes for item {index} of {len(job.items)}")
        self._sampler.spent(time.perf_counter() - began)

    # -- failures -------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Wait for what is still on its way when its operation, or an item of it, has failed.

        It writes where others may read soon.
        """
        for _, finish in list(self._pending.values()):
            try:
                finish(time.monotonic())
            except DeviceTimeoutError:
                self.abandon()
                raise
            except DeviceError as error:
                log.info("a launch beside one that failed, failed too: %s", error)

    def abandon(self) -> None:
        """Give up what is on its way without waiting."""
        for pending, _ in self._pending.values():
            pending.abandon()
        self._pending.clear()


def _wipe_keys(work: Launch | Step) -> None:
    if work.keys and not isinstance(work.params, Place):
        part = work.params[work.keys]
        wipe(address_of(part), len(part))


def _wipe_linked(linked: Linked) -> None:
    for step in linked.steps:
        _wipe_keys(step)


def _refuse_impossible(work: Launch, results: Table, device: str) -> None:
    """Refuse sizes and states that no kernel may report: what reads them next trusts them with memory."""
    row = first_impossible(work.table, results)
    if row is None:
        return
    size, status = int(results["dst_size"][row]), int(results["status"][row])
    if status == Status.NOT_RUN:
        raise DeviceError("the launch ended and left rows undone", device=device)
    if size > int(work.table["dst_capacity"][row]):
        raise DeviceError(f"{work.entry} claims to have written more than there is room for", device=device)
    raise DeviceError(f"{work.entry} ended a row with a status that has no meaning", device=device)
