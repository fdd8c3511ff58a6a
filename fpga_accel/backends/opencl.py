"""Runs launches on one OpenCL device: picks variants, remembers programs, chooses the memory strategy."""

from __future__ import annotations

import logging
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fpga_accel._host import ffi, lib
from fpga_accel.backends import Deferred, Outcome, Pending, Trial
from fpga_accel.errors import DeviceError, DeviceTimeoutError, ForkedContextError
from fpga_accel.runtime import forks, manifests, programs, switches
from fpga_accel.runtime.linked import LinkedRun
from fpga_accel.runtime.manifests import Manifest, Variant
from fpga_accel.runtime.opencl import cl
from fpga_accel.runtime.pipeline import ROW_ALIGNMENT, Flight, Pipeline, Strategy
from fpga_accel.runtime.platforms import Listed
from fpga_accel.segments import SEGMENT, Bytes, Launch, Linked, Table, address_of, new_table, rows_at

log = logging.getLogger(__name__)

TRIAL_SECONDS = 20.0


class _Built(NamedTuple):
    """A kernel folder as this device runs it."""

    program: cl.Program
    variant: Variant
    # Channels belong to the program, so that launches of a channel pipeline take turns.
    turn: threading.Lock
    # None where it was built from source.
    image: Path | None = None


class _InUse(DeviceError):
    """Another image would have to make way."""

    code = "device_in_use"


class OpenClBackend(forks.Resettable):
    """One device of one OpenCL runtime."""

    name = "opencl"

    def __init__(self, listed: Listed, device_id: str) -> None:
        super().__init__()
        self._listed = listed
        self._device_id = device_id
        self._context = cl.Context([listed.handle])
        self._lock = threading.RLock()
        self._built: dict[str, _Built] = {}
        self._refused: dict[str, str] = {}
        # Why each variant that came before the chosen one was passed over, by kernel folder.
        self.skipped: dict[str, list[str]] = {}
        # Whether an image in use may make way for another one, on devices that hold one at a time.
        self.allow_reprogram = False
        self.strategy = self._choose_strategy()
        self._pipeline = self._new_pipeline(self.strategy)

    @property
    def device_id(self) -> str:
        """Id of the device."""
        return self._device_id

    def images(self) -> dict[str, Path]:
        """Return the images that are loaded, by kernel folder."""
        return {name: built.image for name, built in self._built.items() if built.image is not None}

    def _new_pipeline(self, strategy: Strategy) -> Pipeline:
        return Pipeline(self._context, self._listed.handle, strategy, self._device_id)

    def _choose_strategy(self) -> Strategy:
        """Prove the device with the trial kernel and find the cheapest strategy it is right under."""
        if self._listed.kind == "fpga":
            from fpga_accel.runtime import bitstreams  # FPGAs alone have images

            # A card runs what its image holds: the known-answer test after each load is the proof.
            if not bitstreams.images_for(self._listed.identity):
                raise DeviceError("the catalogs have no image for this device", device=self._device_id)
            return Strategy.STAGED
        manifest = manifests.shipped("trial")
        memory_is_ours = self._listed.kind in ("cpu", "fpga-emulator")
        legal = [Strategy.STAGED]
        if memory_is_ours and self._listed.handle.host_unified_memory:
            legal = [Strategy.DIRECT, Strategy.WRAPPED, Strategy.STAGED]
        causes = []
        for strategy in legal:
            self._pipeline = self._new_pipeline(strategy)
            try:
                self._prepare(manifest, [_strategy_trial()])
            except DeviceError as error:
                causes.append(f"{strategy.value}: {error}")
                self._refused.pop(manifest.name, None)
                continue
            return strategy
        raise DeviceError("; ".join(causes), device=self._device_id)

    def prepare(self, manifest: Manifest, trials: Sequence[Callable[[], Trial]], entry: str = "") -> str:
        """Build and try a kernel folder once; return the variant chosen."""
        self._refuse_after_fork()
        built = self._built.get(manifest.name)
        if built is None:
            with self._lock:
                built = self._built.get(manifest.name) or self._prepare(manifest, [make() for make in trials])
        return built.variant.name

    def _prepare(self, manifest: Manifest, trials: Sequence[Trial]) -> _Built:
        if manifest.name in self._refused:
            raise programs.BuildFailed(self._refused[manifest.name], device=self._device_id)
        disabled = switches.disabled()
        skipped = self.skipped[manifest.name] = []
        for variant in manifest.variants:
            if not variant.serves(self._listed.kind):
                continue
            if variant.name in disabled:
                skipped.append(f"{variant.name}: disabled by FPGA_ACCEL_DISABLE")
                continue
            try:
                built = self._built_or_loaded(manifest, variant, trials)
                self._try(built, trials)
            except _InUse:
                raise
            except (DeviceError, cl.Error) as error:
                log.info("%s: %s/%s is not used: %s", self._device_id, manifest.name, variant.name, error)
                skipped.append(f"{variant.name}: {_first_error_line(str(error))}")
                continue
            self._built[manifest.name] = built
            return built
        self._refused[manifest.name] = f"no variant of {manifest.name} runs here: {'; '.join(skipped)}"
        raise programs.BuildFailed(self._refused[manifest.name], device=self._device_id)

    def _built_or_loaded(self, manifest: Manifest, variant: Variant, trials: Sequence[Trial]) -> _Built:
        """Load a catalogued image; without one, build the source, which no card can do while somebody waits."""
        on_card = self._listed.kind == "fpga"
        if not variant.single and not on_card:
            return self._build(manifest, variant, trials)
        from fpga_accel.runtime import bitstreams

        found = bitstreams.image_for(self._listed, manifest, variant)
        if found is not None:
            return self._load_image(*found, variant)
        if on_card:
            raise programs.BuildFailed(
                "the catalogs have no image for this device",
                hint=f"build one with `fpga-accel bitstream build {manifest.name}`",
                device=self._device_id,
            )
        return self._build(manifest, variant, trials)

    def _load_image(self, path: Path, content: bytes, variant: Variant) -> _Built:
        if self._listed.kind == "fpga":
            self._reprogram(path)
        log.info("%s: loading the image %s", self._device_id, path)
        return _Built(self._loaded(content), variant, threading.Lock(), path)

    def _reprogram(self, path: Path) -> None:
        """Make way for another image on a card, which holds one at a time."""
        loaded = {built.image for built in self._built.values()} - {path, None}
        if not loaded:
            return
        if not self.allow_reprogram:
            raise _InUse(
                f"the device holds {', '.join(map(str, loaded))}, which is in use; loading {path} would replace it",
                hint="Accelerator(..., allow_reprogram=True) allows that",
                device=self._device_id,
            )
        self._built.clear()

    def _build(self, manifest: Manifest, variant: Variant, trials: Sequence[Trial]) -> _Built:
        request = programs.BuildRequest(
            identity=self._listed.identity,
            source=manifest.source(variant),
            options=(*manifests.LANGUAGE, *variant.macros(self._listed.kind)),
            warm=() if self._is_whole(variant) else tuple(self._warm_row(trial.launch, variant) for trial in trials),
        )
        for attempt in (1, 2):
            binary = programs.binary(request)
            try:
                program = self._loaded(binary)
            except cl.Error as error:
                # The container is sound, so the driver itself changed its mind (an update, say): build anew once.
                programs.forget(request)
                if attempt == 2:
                    raise programs.BuildFailed(str(error), device=self._device_id) from error
                log.info("%s refused a cached program (%s); rebuilding", self._device_id, error)
                continue
            break
        return _Built(program, variant, threading.Lock())

    def _is_whole(self, variant: Variant) -> bool:
        """Whether a first launch would specialise nothing: of an FPGA's pipelines, and on a GPU.

        There it would take private memory for all work-items that fit (2 KiB of it are 0.5 GB), beside this process.
        """
        return variant.single or self._listed.kind == "gpu"

    def _loaded(self, binary: bytes) -> cl.Program:
        with warnings.catch_warnings(record=True) as chatter:
            warnings.simplefilter("always", cl.CompilerWarning)
            program: cl.Program = cl.Program(self._context, [self._listed.handle], [binary]).build()
        for each in chatter:
            log.debug("%s: %s", self._device_id, each.message)
        return program

    def _warm_row(self, launch: Launch, variant: Variant) -> programs.WarmRow:
        table = launch.table
        sizes = ffi.new("size_t[2]")
        fits = lib.fa_rows_fit(
            rows_at(table),
            len(table),
            1 << 30,
            1 << 30,
            ROW_ALIGNMENT,
            sizes,
            sizes + 1,
        )
        assert fits == len(table), "trials are small"
        src: Bytes = np.zeros(max(1, int(sizes[0])), np.uint8)
        placed = np.empty(len(table), SEGMENT)
        lib.fa_rows_gather(
            rows_at(table),
            rows_at(placed),
            len(table),
            ffi.cast("uint8_t *", address_of(src)),
            ROW_ALIGNMENT,
        )
        return programs.WarmRow(
            entry=launch.entry,
            table=placed.tobytes(),
            params=launch.params.tobytes(),
            src=src.tobytes(),
            dst_size=max(1, int(sizes[1])),
            work_items=self._pipeline.shape.items(len(table), variant),
            local_size=self._pipeline.shape.local,
        )

    def _try(self, built: _Built, trials: Sequence[Trial]) -> None:
        for trial in trials:
            deadline = time.monotonic() + TRIAL_SECONDS
            flight = self._pipeline.start(built.program, trial.launch, built.variant)
            if not trial.passed(_Flying(self, (built.variant.name,), flight).outcome(deadline).results):
                raise DeviceError(
                    f"wrong bytes in the known-answer test of {trial.launch.entry}", device=self._device_id
                )

    def start(self, launch: Launch) -> Pending:
        """Send a launch of a prepared kernel on its way."""
        self._refuse_after_fork()
        built = self._built.get(launch.kernel)
        if built is None:
            raise DeviceError(f"{launch.kernel} is being loaded anew after a failure", device=self._device_id)
        if launch.entry in built.variant.stages:
            return Deferred(lambda deadline: self._in_turn(built, launch, deadline))
        return _Flying(self, (built.variant.name,), self._pipeline.start(built.program, launch, built.variant))

    fuses = False
    apart = False

    @property
    def wide(self) -> bool:
        """Whether it is a GPU."""
        return self._listed.kind == "gpu"

    @property
    def direct(self) -> bool:
        """Whether kernels work in the host's memory."""
        return self.strategy is Strategy.DIRECT

    @property
    def links(self) -> bool:
        """Whether it runs linked launches: pipelines for FPGAs have no kernel that links."""
        return not self._listed.kind.startswith("fpga")

    def start_linked(self, linked: Linked) -> Pending:
        """Send linked launches of prepared kernels on their way."""
        self._refuse_after_fork()
        built = {name: (found.program, found.variant) for name, found in self._built.items()}
        run = LinkedRun(self._pipeline, built, linked, self._device_id)
        run.start()
        return _Flying(self, run.variants, run)

    def _in_turn(self, built: _Built, launch: Launch, deadline: float | None) -> Outcome:
        """Run a launch of a channel pipeline, one at a time."""
        left = -1 if deadline is None else max(0.0, deadline - time.monotonic())
        if not built.turn.acquire(timeout=min(left, threading.TIMEOUT_MAX)):
            raise DeviceTimeoutError("other launches held the pipeline until the deadline", device=self._device_id)
        try:
            flight = self._pipeline.start(built.program, launch, built.variant)
            return _Flying(self, (built.variant.name,), flight).outcome(deadline)
        except BaseException:
            # What is left in its channels would be in front of the next launch, so the program is never used again.
            if self._built.get(launch.kernel) is built:
                del self._built[launch.kernel]
            raise
        finally:
            built.turn.release()

    def _refuse_after_fork(self) -> None:
        if forks.inherited():
            raise ForkedContextError(
                "this process was forked after its parent had opened OpenCL devices",
                hint="use the spawn or forkserver start method, or open devices only in the children",
                device=self._device_id,
            )

    def reset_after_fork(self) -> None:
        """Make fresh locks; the devices stay the parent's."""
        self._lock = threading.RLock()
        self._pipeline.reset_after_fork()


class _Flying(NamedTuple):
    """A launch, or linked ones, on their way on this device; `variants` has all that ran once they have ended."""

    backend: OpenClBackend
    variants: Iterable[str]
    flight: Flight | LinkedRun

    def outcome(self, deadline: float | None) -> Outcome:
        try:
            results, elapsed = self.flight.outcome(deadline)
        except DeviceTimeoutError as error:
            # The kernel may still write where the table points.
            error.buffers_in_use = self.backend.strategy is Strategy.DIRECT
            raise
        seconds, told = elapsed.seconds, "+".join(self.variants)
        return Outcome(results, told, seconds("transfer"), seconds("kernel"), tuple(elapsed.spans))

    def abandon(self) -> None:
        self.flight.abandon()


def _strategy_trial() -> Trial:
    size = 251
    source: Bytes = np.arange(size, dtype=np.uint8)
    target: Bytes = np.zeros(size, np.uint8)
    table: Table = new_table(1)
    table["src"], table["dst"] = address_of(source), address_of(target)
    table["src_size"] = table["dst_capacity"] = size
    table["flags"] = 7
    launch = Launch("trial", "trial", table, np.full(16, 0x5A, np.uint8), keep=(source, target))

    def passed(results: Table) -> bool:
        right = (target == (~source ^ 0x5A)).all() and results["dst_size"][0] == size
        return bool(right and results["check"][0] == 7 and results["partial"][0].tolist() == list(range(16)))

    return Trial(launch, passed)


def _first_error_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # Clang's "error:", "#error", and "ptxas error   :".
    telling = next((line for line in lines if re.search(r"error\s*:|#error", line)), lines[0] if lines else "")
    return telling[:300]
