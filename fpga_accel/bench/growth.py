"""Whether time a byte stays as inputs grow, and how much memory a large file takes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fpga_accel
from fpga_accel.bench import inputs, peers, results
from fpga_accel.bench.cases import Case, Phase
from fpga_accel.bench.contestants import Entry, Field, Result
from fpga_accel.bench.measure import Effort, Race
from fpga_accel.bench.results import Row, without_folders

# Most time a byte of all sizes by the least.
GOAL = 1.15
# Peak memory of a file of any size.
MEMORY_GOAL = 300_000_000
EFFORT = Effort(rounds=5, seconds=60.0)
# Input, output, a result that is new bytes and what the judge makes of it, besides all smaller inputs.
_COPIES = 7
_CHUNK = 16 << 20
# An emulator needs this long for a large file.
_FILE_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Growth:
    """Time a byte of one contestant over the sizes of one work, the least of its samples at each.

    Attributes
    ----------
    points
        Size and seconds a byte.
    """

    work: str
    label: str
    result: str
    ours: bool
    points: tuple[tuple[int, float], ...]

    @property
    def factor(self) -> float:
        """The most time a byte by the least."""
        times = [seconds for _, seconds in self.points]
        return max(times) / min(times)


def rows(cases: Sequence[Case], field: Field, say: Callable[[str], None], effort: Effort = EFFORT) -> list[Row]:
    """Time the sizes of one work in turn, so that all of them meet the same moments of the machine."""
    memory = _available_memory()
    wanted = [case for case in cases if _COPIES * case.size <= memory]
    if len(wanted) < len(cases):
        say(f"{len(cases) - len(wanted)} sizes are left out: {memory / 1e9:.1f} GB of memory are not enough for them")
    works = [(case, case.work()) for case in wanted]
    entries = [entry for _, work in reversed(works) for entry in field.entries(work) if _counts(entry)]
    timed = Race(effort).run(entries)
    found: list[Row] = []
    for case, work in works:
        found += results.rows(case, [one for one in timed if one.entry.work is work])
    return found


def _counts(entry: Entry) -> bool:
    who = entry.contestant
    if who.ours:
        return not who.bound
    return who.threads == 1 and who.result is Result.BYTES and who.name == peers.of(entry.work.name)[0].name


def _available_memory() -> float:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return float("inf")
    lines = (line.split() for line in text.splitlines())
    return next((int(line[1]) * 1024.0 for line in lines if line[0] == "MemAvailable:"), float("inf"))


def growths(found: Iterable[Row]) -> list[Growth]:
    """Gather the time a byte of each contestant."""
    groups: dict[tuple[str, str, str, bool], list[tuple[int, float]]] = {}
    for row in found:
        if row.phase == Phase.GROWTH and not row.error and row.median > 0:
            key = (row.work, row.label, row.result, row.ours)
            # The least, not the median: what neighbours add says nothing of growth, and they never take away.
            groups.setdefault(key, []).append((row.nbytes, min(row.samples, default=row.median) / row.nbytes))
    return [Growth(*key, tuple(sorted(points))) for key, points in groups.items() if len(points) > 1]


def peak(device: str, nbytes: int) -> dict[str, Any]:
    """Compress a file of so many bytes in a process of its own, and return its peak memory.

    Returns
    -------
    dict
        ``device``, ``nbytes``, and ``peak`` in bytes, or ``error``.
    """
    found: dict[str, Any] = {"command": "compress", "device": device, "nbytes": nbytes}
    with tempfile.TemporaryDirectory(prefix="fpga-accel-bench-") as folder:
        if shutil.disk_usage(folder).free < 3 * nbytes:
            return found | {"error": f"the folder for temporary files has no {3 * nbytes / 1e9:.1f} GB left"}
        source = Path(folder) / "input"
        _fill(source, nbytes)
        return found | _compressed(source, device)


def _fill(path: Path, nbytes: int) -> None:
    chunk = memoryview(inputs.data("text", _CHUNK))
    with path.open("wb") as file:
        for at in range(0, nbytes, _CHUNK):
            file.write(chunk[: nbytes - at])


def _compressed(source: Path, device: str) -> dict[str, Any]:
    parent = str(Path(fpga_accel.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (parent, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "fpga_accel.bench.peak", "compress", str(source), "--device", device]
    try:
        done = subprocess.run(
            [*command, "--fallback", "never", "--quiet"],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=_FILE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"it did not end within {_FILE_SECONDS} s"}
    if done.returncode:
        return {"error": without_folders(done.stderr.strip())}
    return {"peak": json.loads(done.stdout)["peak"]}
