"""What figures were measured on: hardware, versions, devices; no host name and no path."""

from __future__ import annotations

import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import lz4.frame

import fpga_accel
from fpga_accel.backends.cpu import available_cores
from fpga_accel.bench import inputs, peers

# Packages whose versions decide speeds.
PACKAGES = (
    "numpy",
    "pyopencl",
    "pocl-binary-distribution",
    "intel-opencl-rt",
    "intel-opencl-fpga-emu-rt",
    "lz4",
    "cryptography",
    "google-crc32c",
    "awscrt",
    "isal",
    "zlib-ng",
    "blake3",
    "cramjam",
)


def described() -> dict[str, Any]:
    """Describe the machine and what is installed."""
    return {
        "cpu": _cpu_name(),
        "cores": available_cores(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "fpga_accel": fpga_accel.__version__,
        "commit": _commit(Path(fpga_accel.__file__).resolve().parent.parent),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "liblz4": str(lz4.library_version_string()),
        "peers": dict(peers.versions()),
        "devices": [
            {"id": one.id, "name": one.name, "platform": one.platform, "kind": one.kind, "version": one.version}
            for one in fpga_accel.devices()
            if one.usable
        ],
        "data": {name: inputs.origin(name) for name in inputs.names()},
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def _commit(checkout: Path) -> str | None:
    """Return the commit of a checkout, with a + where files differ from it; None for an installed package."""
    # An installed package may lie inside of somebody else's repository.
    git = shutil.which("git") if (checkout / ".git").exists() else None
    if git is None:
        return None
    commit = _said(git, "-C", str(checkout), "rev-parse", "--short=12", "HEAD")
    changed = _said(git, "-C", str(checkout), "status", "--porcelain", "--untracked-files=no")
    return commit and f"{commit}{'+' if changed else ''}"


def _said(*command: str) -> str | None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return done.stdout.strip() if done.returncode == 0 else None
