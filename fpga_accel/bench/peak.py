"""``python -m fpga_accel.bench.peak COMMAND ...``: run one command of fpga-accel and print its peak memory as JSON."""

from __future__ import annotations

import json
import re
import resource
import sys
from pathlib import Path

from fpga_accel.cli.app import main


def peak() -> int:
    """Return the most memory that this process has had resident, in bytes."""
    status = Path("/proc/self/status")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(encoding="ascii"), re.M) if status.is_file() else None
    # Linux lets ru_maxrss begin with what the parent had at the fork, which is gigabytes in a benchmark.
    return 1024 * (int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise
    print(json.dumps({"peak": peak()}))
    sys.exit(0)
