"""What a test needs from its machine: absent, it is skipped with the reason, or fails where it was required."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

VARIABLE = "FPGA_ACCEL_REQUIRE"
# Words of FPGA_ACCEL_REQUIRE that name no backend.
TOOLS = frozenset(
    {
        *("age", "bgzip", "browser", "corpus", "gzip", "images", "lz4", "openssl", "pigz", "pyarrow", "python-tests"),
        *("rtl", "sanitizers", "synthesis", "vectors", "zstd"),
    }
)


def words() -> frozenset[str]:
    """What FPGA_ACCEL_REQUIRE lists, for example ``pocl,lz4,corpus``."""
    return frozenset(word.strip() for word in os.environ.get(VARIABLE, "").split(",") if word.strip())


def openssl() -> str:
    """Return the path of the ``openssl`` command."""
    return shutil.which("openssl") or missing("openssl", "PATH has no openssl command")


def missing(word: str, reason: str) -> NoReturn:
    """Skip the test, or fail it where `word` is required."""
    if word in words():
        pytest.fail(f"{VARIABLE} has {word!r}, but {reason}")
    pytest.skip(reason)
