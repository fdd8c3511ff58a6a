"""Timings in the cache: one file a device and machine.

The name of a file, and its content, tell the machine (CPU model, cores and threads) and the kernels. A cache folder
that moved to another machine, or that machines share, is thus not believed, nor are timings of kernels as they were
before an upgrade.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import platform
import re
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fpga_accel import config
from fpga_accel.routing.costs import Shape
from fpga_accel.routing.timing import Timings
from fpga_accel.runtime import manifests

log = logging.getLogger(__name__)

_FORMAT = 4
_MOST_SHAPES = 64
_LONGEST_SECONDS = 3600.0
# Of items and of bytes, for a timing to be one.
_MOST = 1 << 48


@cache
def cpu_model() -> str:
    """Return the CPU's name."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def machine(cores: int, threads: int) -> dict[str, str | int]:
    """Return what timings depend on besides the device."""
    return {"cpu": cpu_model(), "cores": cores, "threads": threads, "kernels": manifests.digest()[:16]}


class CalibrationFile:
    """The timings of one device on one machine, by case and candidate."""

    def __init__(self, device_key: str, machine: Mapping[str, str | int]) -> None:
        self._machine = dict(machine)
        digest = hashlib.sha256(json.dumps(self._machine, sort_keys=True).encode()).hexdigest()[:12]
        self.path = config.cache_dir() / "calibration" / f"{device_key}-{digest}.json"

    def load(self) -> dict[str, Timings]:
        """Read the timings; a missing or damaged file holds none."""
        try:
            data: Any = json.loads(self.path.read_text(encoding="utf-8"))
            if data["format"] != _FORMAT or data["machine"] != self._machine:
                return {}
            return {str(key): _timings(each) for key, each in data["timings"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            log.warning("the calibration %s is damaged (%s); measuring again", self.path, error)
            return {}

    def add(self, timings: Mapping[str, Timings]) -> None:
        """Write timings beside those that other processes wrote meanwhile."""
        merged = self.load() | dict(timings)
        data = {
            "format": _FORMAT,
            "machine": self._machine,
            "timings": {key: {"cpu": _flat(each.cpu), "device": _flat(each.device)} for key, each in merged.items()},
        }
        temporary = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.path.parent, suffix=".tmp")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(data, file)
            os.replace(temporary, self.path)
        except OSError as error:
            log.warning("cannot keep the calibration %s: %s", self.path, error)
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)


def _flat(timings: Mapping[Shape, float]) -> list[tuple[int, int, float]]:
    return [(count, nbytes, seconds) for (count, nbytes), seconds in timings.items()]


def _timings(data: Any) -> Timings:
    made = Timings(_by_shape(data["cpu"]), _by_shape(data["device"]))
    if not made.cpu or made.cpu.keys() != made.device.keys():
        raise ValueError("the candidates were not timed at the same shapes")
    return made


def _by_shape(points: Any) -> dict[Shape, float]:
    if len(points) > _MOST_SHAPES:
        raise ValueError(f"{len(points)} shapes")
    found: dict[Shape, float] = {}
    for count, nbytes, seconds in points:
        sound = type(count) is int and type(nbytes) is int and isinstance(seconds, int | float)
        sound = sound and 0 < count < _MOST and 0 < nbytes < _MOST
        if not (sound and math.isfinite(seconds) and 0 < seconds < _LONGEST_SECONDS):
            raise ValueError(f"implausible timing {count, nbytes, seconds}")
        found[count, nbytes] = float(seconds)
    return found
