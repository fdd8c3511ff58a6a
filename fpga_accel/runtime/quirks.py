"""Work-arounds for single runtimes, each with its guard and its switch.

Switch: put the quirk's name into ``FPGA_ACCEL_DISABLE``.
"""

from __future__ import annotations

import ctypes
import logging
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyopencl as cl

log = logging.getLogger(__name__)

POCL_CPU_NAME = "pocl-cpu-name"
# With it PoCL takes this CPU for one without AVX-512, so that what a CPU of AVX2 runs is built and tested here.
AVX512 = "avx512"
POCL_GENERIC = "pocl-generic"
NAMES = frozenset({POCL_CPU_NAME, AVX512, POCL_GENERIC})

_POCL_VERSION_PREFIX = "OpenCL 3.0 PoCL 3.0-rc2"
# Byte offset of `char *llvm_cpu` in PoCL 3.0-rc2's struct _cl_device_id on x86-64.
_LLVM_CPU_OFFSET = 640
# The folder of code for work-groups of any size.
_POCL_ANY_SIZE = "0-0-0"

_AVX2 = frozenset({"avx2", "bmi1", "bmi2", "fma", "f16c", "movbe", "abm"})
# LLVM's haswell has no AES instructions, its skylake has.
_SKYLAKE = _AVX2 | {"aes", "pclmulqdq", "adx", "rdseed", "clflushopt", "xsavec", "xsaves", "3dnowprefetch", "fsgsbase"}
_AVX512 = _AVX2 | {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl", "adx", "clflushopt", "clwb"}
_ICELAKE = _AVX512 | {
    *("avx512ifma", "avx512vbmi", "avx512_vbmi2", "avx512_vnni", "avx512_bitalg", "avx512_vpopcntdq"),
    *("gfni", "vaes", "vpclmulqdq", "sha_ni", "rdpid"),
}
_ZNVER3 = _AVX2 | {"aes", "pclmulqdq", "vaes", "vpclmulqdq", "sha_ni", "rdpid", "clwb", "clzero", "sse4a"}

# CPU names that LLVM 14 knows, best first, with the host flags their code may use.
_CANDIDATES: tuple[tuple[str, frozenset[str]], ...] = (
    ("icelake-server", _ICELAKE),
    ("znver3", _ZNVER3),
    ("skylake-avx512", _AVX512),
    ("skylake", _SKYLAKE),
    ("haswell", _AVX2),
    ("x86-64", frozenset()),
)
# Names PoCL may have chosen itself, and how they compare; a name that is not here is left alone.
_RANK: Mapping[str, int] = {
    "generic": 0,
    "x86-64": 1,
    "haswell": 2,
    "broadwell": 2,
    "skylake": 3,
    "znver1": 3,
    "znver2": 3,
    "skylake-avx512": 4,
    "cascadelake": 4,
    "znver3": 5,
    "icelake-server": 6,
}

# Above all of them.
_UNKNOWN = 99
_WITH_AVX512 = frozenset({"skylake-avx512", "cascadelake", "icelake-server"})

# The names handed to PoCL must outlive its device.
_kept: dict[int, ctypes.Array[ctypes.c_char]] = {}


def host_flags() -> frozenset[str]:
    """Return the CPU flags that Linux reports; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def best_cpu_name(flags: frozenset[str]) -> str:
    """Return the best CPU name LLVM 14 knows whose features are all among `flags`.

    Examples
    --------
    >>> best_cpu_name(frozenset())
    'x86-64'
    """
    return next(name for name, needed in _CANDIDATES if needed <= flags)


def name_pocl_cpu(device: cl.Device, disabled: frozenset[str]) -> str | None:
    """Give PoCL 3.0-rc2 the right CPU name before its first build.

    On CPUs newer than LLVM 14, PoCL names an older CPU, so wide instructions stay unused, or "generic", and then
    every build fails with "unknown target CPU 'generic'" (pocl issue 1117 shows the message). No option changes
    it, so the pointer in its device struct is replaced.

    Parameters
    ----------
    device
        The OpenCL device.
    disabled
        Names from ``FPGA_ACCEL_DISABLE``.

    With ``avx512`` among `disabled` the name is one without AVX-512, even where PoCL's own is right or newer than
    LLVM 14 knows; ``pocl-cpu-name`` still leaves PoCL's own alone.

    Returns
    -------
    str or None
        The name now in force, None where this is not that PoCL or the guard did not hold.
    """
    version = device.version.strip()
    if platform.machine() != "x86_64" or not device.platform.version.startswith(_POCL_VERSION_PREFIX):
        return None
    pointer = ctypes.c_void_p.from_address(device.int_ptr + _LLVM_CPU_OFFSET)
    current = version.rpartition("-")[2]
    # CPU names may hold dashes themselves ("icelake-server"): take the longest known ending.
    current = max((name for name in _RANK if version.endswith("-" + name)), key=len, default=current)
    if device.int_ptr in _kept:
        return _kept[device.int_ptr].value.decode()
    if not pointer.value or ctypes.string_at(pointer.value, len(current) + 1) != current.encode() + b"\0":
        log.info("PoCL's CPU name is not where 3.0-rc2 keeps it; left alone")
        return None
    best = _wanted(current, disabled)
    if best == current:
        return current
    name = ctypes.create_string_buffer(best.encode())
    _kept[device.int_ptr] = name
    pointer.value = ctypes.addressof(name)
    log.info("PoCL names this CPU %s; using %s", current, best)
    return best


def _wanted(current: str, disabled: frozenset[str]) -> str:
    """Return the name that PoCL should use in place of its own, or its own."""
    if POCL_CPU_NAME in disabled:
        return current
    flags, own = host_flags(), _RANK.get(current, _UNKNOWN)
    if AVX512 in disabled:
        flags = frozenset(flag for flag in flags if not flag.startswith("avx512"))
        own = -1 if current in _WITH_AVX512 or own == _UNKNOWN else own
    best = best_cpu_name(flags)
    return best if own < _RANK[best] else current


def spare_pocl_generic(device: cl.Device, disabled: frozenset[str]) -> int:
    """Keep PoCL 3.0-rc2 from compiling what no launch uses, once the kernels of a program have run.

    Asked for a program's binary, it compiles each kernel again, for work-groups of any size, unless a file of that
    name is in its cache: about half of the time of a build. It runs that code only where a binary lacks bitcode, and
    its own never do, so a link to what the launches had compiled takes its place.

    Parameters
    ----------
    device
        The OpenCL device, in a process whose PoCL cache (``POCL_CACHE_DIR``) holds this one program.
    disabled
        Names from ``FPGA_ACCEL_DISABLE``.

    Returns
    -------
    int
        The number of kernels that are not compiled again.
    """
    folder = os.environ.get("POCL_CACHE_DIR")
    if not folder or POCL_GENERIC in disabled or not device.platform.version.startswith(_POCL_VERSION_PREFIX):
        return 0
    spared = 0
    # <folder>/<two letters>/<program>/<kernel>/<local size and what it was compiled for>/<kernel>.so
    for kernel in Path(folder).glob("*/*/*/"):
        compiled = next(kernel.glob(f"*-goffs0*/{kernel.name}.so"), None)
        generic = kernel / _POCL_ANY_SIZE
        if compiled is None or generic.exists():
            continue
        generic.mkdir()
        (generic / compiled.name).symlink_to(compiled)
        spared += 1
    return spared
