"""Makes the OpenCL loader see runtimes that are shipped inside Python packages.

pyopencl's own loader finds PoCL's package by itself. Intel's packages put their libraries into the
environment's ``lib`` folder and name no ``.icd`` file there, so a private folder of ``.icd`` files is made, with
the system's entries linked beside them, and ``OCL_ICD_VENDORS`` names it. That must happen before pyopencl is
first imported, and never overrides a value that the user set.
"""

from __future__ import annotations

import os
import re
import sys
from importlib import metadata
from pathlib import Path

from fpga_accel.runtime import scratch

# (distribution, name of its OpenCL driver without the version)
_PACKAGED = (
    ("intel-opencl-rt", "libintelocl"),
    ("intel-opencl-fpga-emu-rt", "libintelocl_emu"),
    ("pocl-binary-distribution", "libpocl"),
)
_SYSTEM_VENDORS = Path("/etc/OpenCL/vendors")
# Tells children that it was not the user who had PoCL's threads bound.
_BOUND = "FPGA_ACCEL_BOUND"


def packaged_runtimes() -> dict[str, Path]:
    """Return the driver library of each OpenCL runtime installed as a Python package.

    Returns
    -------
    dict
        Distribution name to the absolute path of its driver.
    """
    found: dict[str, Path] = {}
    for distribution, stem in _PACKAGED:
        path = _driver_of(distribution, stem)
        if path is not None:
            found[distribution] = path
    return found


def _driver_of(distribution: str, stem: str) -> Path | None:
    # Wheels put a hash behind the stem, and debuggers' scripts behind the ending.
    driver = re.compile(rf"{stem}(-[0-9a-f]+)?\.so[0-9.]*")
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if not driver.fullmatch(file.name):
            continue
        path = Path(str(file.locate())).resolve()
        if path.is_file():
            return path
    return None


def prepare() -> None:
    """Set the environment of the OpenCL loader and of PoCL; without effect once pyopencl is imported."""
    if "pyopencl" in sys.modules:
        return
    # PoCL checks nothing it reads from its cache and crashes on a damaged file. It therefore gets an empty
    # folder a process, and compiled kernels travel in our own hashed containers (programs.py).
    for name in ("POCL_CACHE_DIR", "OCL_ICD_VENDORS"):
        # A parent's own folders, which end with it.
        if Path(os.environ.get(name, "")).parent.name.startswith(scratch.PREFIX):
            del os.environ[name]
    os.environ.setdefault("POCL_CACHE_DIR", str(scratch.folder() / "pocl"))
    _pin_workers()
    if "OCL_ICD_VENDORS" in os.environ:
        return
    runtimes = packaged_runtimes()
    if not any(name.startswith("intel") for name in runtimes):
        return
    folder = scratch.folder() / "vendors"
    folder.mkdir(exist_ok=True)
    for name, driver in runtimes.items():
        if "pyopencl" in driver.parts:
            # It lies inside pyopencl, whose own loader finds it whatever this folder says.
            continue
        (folder / f"{name}.icd").write_text(f"{driver}\n", encoding="utf-8")
    for entry in sorted(_SYSTEM_VENDORS.glob("*.icd")):
        link = folder / f"system-{entry.name}"
        if not link.exists():
            link.symlink_to(entry)
    os.environ["OCL_ICD_VENDORS"] = str(folder)


def _pin_workers() -> None:
    """Let PoCL bind each of its threads to one core, where it may use all of them.

    It wakes them all at once, and the system often puts two on one core, where they stay for the milliseconds that a
    launch takes: of two cores one did all the work in most launches of less than 1 ms.
    """
    if not hasattr(os, "sched_getaffinity"):
        return
    if os.environ.pop(_BOUND, None):
        # A parent's own, which may use other cores.
        os.environ.pop("POCL_AFFINITY", None)
    # Thread n goes to core n, which newer versions end the process for where it is refused. Not `os.cpu_count`, which
    # users can set.
    everywhere = os.sched_getaffinity(0) == set(range(os.sysconf("SC_NPROCESSORS_ONLN")))
    if everywhere and "POCL_AFFINITY" not in os.environ and "POCL_MAX_PTHREAD_COUNT" not in os.environ:
        os.environ |= {"POCL_AFFINITY": "1", _BOUND: "1"}
