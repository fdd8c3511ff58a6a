"""First calls: each in a new process, from an open interpreter with the library imported to the first result.

For ours that is: find and open the device, load the kernel from the cache on disk, read the calibration, make the
result's memory and touch it for the first time. For a peer it is its first call. ``python -m fpga_accel.bench.cold``
is the process that does one; it prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fpga_accel
from fpga_accel import Accelerator
from fpga_accel.bench import peers
from fpga_accel.bench.cases import Case, Phase
from fpga_accel.bench.contestants import Result
from fpga_accel.bench.measure import median, spread
from fpga_accel.bench.results import Row, compared, without_folders
from fpga_accel.bench.works import WORKS

# A kernel that is not in the cache yet is built meanwhile.
CHILD_SECONDS = 300


@dataclass(slots=True)
class _Starts:
    """What the processes of one contestant said."""

    name: str
    ours: bool
    said: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""


def rows(case: Case, devices: Sequence[str], rounds: int) -> list[Row]:
    """Time first calls of each device and of each peer on one thread, in turn."""
    found = [_Starts(device, ours=True) for device in devices]
    found += [_Starts(peer.name, ours=False) for peer in peers.of(case.kind.name) if peer.in_batches]
    # The first round fills caches on disk and is not kept.
    for number in range(rounds + 1):
        for one in random.Random(number).sample(found, len(found)):
            if not one.error:
                _start(case, one, kept=number > 0)
    return compared([_row(case, one) for one in found])


def _start(case: Case, one: _Starts, *, kept: bool) -> None:
    said = _asked(case, one.name, one.ours)
    one.error = said.get("error", "")
    if kept and not one.error:
        one.said.append(said)


def _asked(case: Case, name: str, ours: bool) -> dict[str, Any]:
    wanted = json.dumps({"work": case.kind.name, "data": case.data, "size": case.size, "name": name, "ours": ours})
    parent = str(Path(fpga_accel.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (parent, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "fpga_accel.bench.cold"]
    try:
        done = subprocess.run(
            command,
            input=wanted,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=CHILD_SECONDS,
        )
        found: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"error": f"the process did not end within {CHILD_SECONDS} s"}
    except ValueError:
        last = done.stderr.strip().splitlines()[-1:]
        return {"error": f"the process ended with {done.returncode}: {''.join(last)}"}
    return found


def _row(case: Case, one: _Starts) -> Row:
    def values(name: str) -> list[float]:
        return [said[name] for said in one.said if name in said]

    return Row(
        work=case.kind.name,
        size=case.size,
        count=case.count,
        data=case.data,
        contestant=one.name,
        ours=one.ours,
        result=Result.BYTES,
        phase=Phase.COLD,
        threads=0 if one.ours else 1,
        nbytes=case.size,
        rounds=len(one.said),
        samples=values("seconds"),
        median=median(values("seconds")),
        spread=spread(values("seconds")),
        cpu=median(values("cpu")),
        queue=median(values("queue")),
        transfer=median(values("transfer")),
        kernel=median(values("kernel")),
        ran=Counter(said["ran"] for said in one.said).most_common(1)[0][0] if one.said else "",
        error=without_folders(one.error),
    )


def first_call(work: str, data: str, size: int, name: str, *, ours: bool) -> dict[str, Any]:
    """Time the first call of this process, and judge what it made."""
    made = Case(WORKS[work], data, size).work()
    peer = None if ours else next(peer for peer in peers.of(work) if peer.name == name)
    cpu = time.process_time()
    wall = time.perf_counter()
    if peer is None:
        acc = Accelerator(name, fallback="never")
        call = made.one(acc)
    else:
        function, (arguments,) = peer.calls(made, made.fed, None)

        def call() -> Any:
            return function(*arguments)

    if call is None:
        return {"error": f"{work} has no call for one item"}
    returned = call()
    found: dict[str, Any] = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "ran": "library"}
    if not made.is_right(0, made.part(returned), made.items[0]):
        return {"error": f"the first output of {work} is not what it should be"}
    if peer is None:
        found |= _receipt(acc)
        acc.close()
    return found


def _receipt(acc: Accelerator) -> dict[str, Any]:
    receipt = acc.last_receipt
    if receipt is None:
        return {}
    ran = f"{receipt.device or receipt.backend}/{receipt.variant} ({receipt.reason.value})"
    spent = {name: receipt.seconds[name] for name in ("queue", "transfer", "kernel")}
    return {"ran": ran, **(spent if receipt.backend != "cpu" else {})}


def main() -> None:
    """Do what standard input asks for."""
    wanted = json.load(sys.stdin)
    try:
        found = first_call(**wanted)
    except Exception as error:
        found = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
