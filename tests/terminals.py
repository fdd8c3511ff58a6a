"""Commands that ask on their terminal, for tests."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Sequence

import pytest

needs_terminal = pytest.mark.skipif(sys.platform != "linux", reason="terminals are driven as Linux has them")


def run(command: Sequence[str], answers: Sequence[bytes]) -> tuple[int, bytes]:
    """Answer each question, which ends with a colon and a space; return the exit code and all that was shown."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(command[0], list(command))
    seen = b""
    try:
        for answer in answers:
            asked = b""
            while b": " not in asked and (part := _shown(terminal)):
                asked += part
            seen += asked
            os.write(terminal, answer + b"\n")
        while part := _shown(terminal):
            seen += part
    finally:
        os.close(terminal)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), seen


def _shown(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1024)
    except OSError:
        # What Linux says of a terminal whose other side is closed.
        return b""
