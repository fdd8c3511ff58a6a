"""Runs the suite: cases in their order, contestants in turn, everything into one `Run`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from fpga_accel.bench import cold, environment, growth, peers, results
from fpga_accel.bench.cases import GIB, Case, Phase
from fpga_accel.bench.contestants import DEVICES, Field, opened
from fpga_accel.bench.measure import Effort, Race
from fpga_accel.bench.results import Row, Run
from fpga_accel.bench.works import WORKS

THOROUGH = Effort(rounds=15, seconds=10.0)
QUICK = Effort(rounds=5, seconds=1.0)
# What a run may take, growth aside: cases get less time where those before them took more than their share.
THOROUGH_SECONDS = 2400.0
QUICK_SECONDS = 150.0
COLD_ROUNDS = 3
QUICK_COLD_ROUNDS = 1

Say = Callable[[str], None]


def run(
    wanted: Sequence[Case], devices: Sequence[str] = DEVICES, *, quick: bool = False, say: Say = lambda text: None
) -> Run:
    """Run cases.

    Parameters
    ----------
    wanted
        From `cases.cases`.
    devices
        What ``Accelerator(device=...)`` takes; one that is not there is left out, and said.
    quick
        Fewer rounds.
    say
        Is told what goes on, a line at a time.
    """
    settings: dict[str, Any] = {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "devices": list(devices),
        "quick": quick,
    }
    effort, total = (QUICK, QUICK_SECONDS) if quick else (THOROUGH, THOROUGH_SECONDS)
    deadline = time.monotonic() + total
    with opened(devices) as field:
        settings["absent"] = {name: results.without_folders(cause) for name, cause in field.absent.items()}
        _say_absent(field, say)
        found: list[Row] = []
        for number, (case, group) in enumerate(turns := _turns(wanted), 1):
            say(f"[{number}/{len(turns)}] {case.name}, {case.data}")
            share = max(0.0, (deadline - time.monotonic()) / (len(turns) - number + 1))
            hasty = replace(effort, seconds=min(effort.seconds, share))
            found += _timed(case, group, field, hasty, quick, say)
        memory = _memory(wanted, field, quick, say)
    return Run(settings, environment.described(), found, memory)


def _say_absent(field: Field, say: Say) -> None:
    for device, cause in field.absent.items():
        say(f"no {device}: {cause}")
    for name, version in peers.versions().items():
        if version is None:
            say(f"no {name}: it is not installed (the extra fpga-accel[bench] has all peers)")
    for work in WORKS.values():
        if work.missing():
            say(f"no {work.name}: {work.missing()}")


def _turns(wanted: Sequence[Case]) -> list[tuple[Case, list[Case]]]:
    """Return cases one by one, but those of one work's growth, which run together."""
    found: dict[tuple[object, ...], list[Case]] = {}
    for case in wanted:
        key = (case.kind, case.phase) if case.phase is Phase.GROWTH else (case,)
        found.setdefault(key, []).append(case)
    return [(group[-1], group) for group in found.values()]


def _timed(case: Case, group: Sequence[Case], field: Field, effort: Effort, quick: bool, say: Say) -> list[Row]:
    if case.phase is Phase.GROWTH:
        return growth.rows(group, field, say)
    if case.phase is Phase.COLD:
        return cold.rows(case, list(field.accelerators), QUICK_COLD_ROUNDS if quick else COLD_ROUNDS)
    work = case.work()
    return results.rows(case, Race(effort).run(field.entries(work)))


def _memory(wanted: Sequence[Case], field: Field, quick: bool, say: Say) -> list[dict[str, Any]]:
    if not any(case.phase is Phase.GROWTH for case in wanted):
        return []
    nbytes = GIB // 4 if quick else GIB
    say("[memory] compress, file to file")
    return [growth.peak(device, nbytes) for device in field.accelerators]
