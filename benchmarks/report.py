"""What is shown and kept of a race: rows, a table, a summary for the README, JSON."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cryptography
import lz4
import numpy as np

import fpga_accel
from benchmarks import inputs
from benchmarks.cases import Case
from benchmarks.measure import Timed
from benchmarks.works import Work

COLUMNS = (
    "case",
    "data",
    "contestant",
    "result",
    ">ms",
    ">spread",
    ">MB/s",
    ">vs 1T",
    ">vs 2T",
    ">kernel ms",
    ">CPU ms",
    ">ratio",
    "ran on",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant on one case.

    Attributes
    ----------
    result
        ``"bytes"``, ``"list"`` or ``"into"``.
    samples
        Seconds a call, of each round.
    versus
        How many times as fast as the peer with so many threads: the peer's median by this one's.
    ratio
        Plaintext by output, where that says anything.
    ran
        Device or CPU path, variant and reason by the receipts; all of them where they differ.
    """

    case: str
    data: str
    contestant: str
    ours: bool
    result: str
    nbytes: int
    calls_a_sample: int
    samples: list[float]
    median: float
    spread: float
    cpu: float
    kernel: float
    versus: dict[int, float]
    ratio: float
    ran: str
    error: str

    @property
    def megabytes_a_second(self) -> float:
        """Plaintext in MB of 10^6 bytes a second."""
        return self.nbytes / self.median / 1e6


def rows(case: Case, work: Work, timed: Sequence[Timed]) -> list[Row]:
    """Compare what was timed on one case."""
    return [_row(case, work, one, _versus(one, timed)) for one in timed]


def _row(case: Case, work: Work, one: Timed, versus: dict[int, float]) -> Row:
    contestant = one.entry.contestant
    return Row(
        case=case.name,
        data=case.data,
        contestant=one.entry.label,
        ours=contestant.ours,
        result="into" if contestant.into else "bytes" if case.count == 1 else "list",
        nbytes=len(work.plain),
        calls_a_sample=one.calls,
        samples=one.wall,
        median=one.median,
        spread=one.spread,
        cpu=_median(one.cpu),
        kernel=_median(one.kernel),
        versus=versus,
        ratio=len(work.plain) / one.size if work.has_ratio and one.size else math.nan,
        ran=_ran(one),
        error=one.error,
    )


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else math.nan


def _versus(one: Timed, timed: Sequence[Timed]) -> dict[int, float]:
    """Compare with the peer's runs of the same form, or with its bytes where it has no other."""
    found: dict[int, float] = {}
    for into in (False, one.entry.contestant.into):
        for peer in timed:
            who = peer.entry.contestant
            if not who.ours and who.into is into and peer.wall and one.wall:
                found[who.threads] = peer.median / one.median
    return found


def _ran(one: Timed) -> str:
    if not one.entry.contestant.ours:
        return "library"
    if len(one.places) == 1:
        return next(iter(one.places))
    # "auto" may change its mind between two rounds.
    return ", ".join(f"{count} of {one.places.total()}: {place}" for place, count in one.places.most_common())


def cells(row: Row) -> tuple[str, ...]:
    """Return the cells of a row, for `COLUMNS`."""
    last = f"FAILED: {row.error}" if row.error else row.ran
    return (
        row.case,
        row.data,
        row.contestant,
        row.result,
        _number(row.median * 1e3, 4),
        _percent(row.spread),
        _number(row.megabytes_a_second, 3),
        _number(row.versus.get(1, math.nan), 3),
        _number(row.versus.get(2, math.nan), 3),
        _number(row.kernel * 1e3, 4),
        _number(row.cpu * 1e3, 4),
        _number(row.ratio, 4),
        last,
    )


def _number(value: float, digits: int) -> str:
    """Write a number with so many digits that count, without an exponent.

    Examples
    --------
    >>> _number(1234.56, 3), _number(0.012345, 3), _number(math.nan, 3)
    ('1235', '0.0123', '-')
    """
    if not math.isfinite(value):
        return "-"
    whole = math.floor(math.log10(value)) + 1 if value > 0 else 1
    return f"{value:.{max(0, digits - whole)}f}"


def _percent(value: float) -> str:
    return f"{value:.0%}" if math.isfinite(value) else "-"


def summary(found: Iterable[Row]) -> str:
    """Return a Markdown table, one line a case, of the figures that matter most."""
    lines = [
        "| case | data | peer 1T MB/s | opencl MB/s | x 1T, x 2T | opencl into | x 1T, x 2T | auto x 1T | ran on |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in found:
        groups.setdefault((row.case, row.data), []).append(row)
    lines += [_summary_line(case, data, group) for (case, data), group in groups.items()]
    return "\n".join(lines)


def _summary_line(case: str, data: str, group: list[Row]) -> str:
    by_name = {(row.contestant, row.result == "into"): row for row in group if not row.error}
    peer = next((row for (name, into), row in by_name.items() if name.endswith(" 1T") and not into), None)
    plain, into = by_name.get(("opencl", False)), by_name.get(("opencl", True))
    auto = by_name.get(("auto", False))
    speeds = [_speed(row) for row in (peer, plain, into)]
    versus = [_pair(row) for row in (plain, into)]
    auto_versus = _number(auto.versus.get(1, math.nan), 3) if auto else "-"
    columns = (case, data, speeds[0], speeds[1], versus[0], speeds[2], versus[1], auto_versus)
    return f"| {' | '.join(columns)} | {plain.ran if plain else '-'} |"


def _speed(row: Row | None) -> str:
    return _number(row.megabytes_a_second, 3) if row else "-"


def _pair(row: Row | None) -> str:
    return ", ".join(_number(row.versus.get(threads, math.nan), 3) for threads in (1, 2)) if row else "-"


def machine() -> dict[str, Any]:
    """Describe what the figures were measured on."""
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": platform.platform(),
        "fpga_accel": fpga_accel.__version__,
        "lz4": f"{lz4.__version__} (liblz4 {lz4.library_version_string()})",
        "cryptography": cryptography.__version__,
        "numpy": np.__version__,
        "devices": [asdict(device) for device in fpga_accel.devices()],
        "data": {name: inputs.origin(name) for name in inputs.names()},
    }


def _cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def document(found: Iterable[Row], settings: dict[str, Any]) -> dict[str, Any]:
    """Return all of a run as plain data; what was not measured is None."""
    return {"settings": settings, "machine": machine(), "rows": [_plain(asdict(row)) for row in found]}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
