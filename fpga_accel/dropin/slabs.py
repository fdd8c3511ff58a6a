"""Compression in pieces by the shared Accelerator: a slab at a time, the next while one is compressed."""

from __future__ import annotations

from typing import Any

from fpga_accel.accelerator import default_accelerator
from fpga_accel.operations import registry
from fpga_accel.streams import Writer


class _Made:
    """A file that keeps what is written to it until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class Slabs:
    """One stream of a format, made in slabs.

    Parameters
    ----------
    format
        A format that has streams.
    options
        Of the format.
    """

    def __init__(self, format: str, **options: Any) -> None:
        self._made = _Made()
        settings = registry.find("compress", format).settings(**options)
        self._writer = Writer(self._made, format, default_accelerator(), settings, owned=False)  # type: ignore[arg-type]

    def compress(self, data: Any) -> bytes:
        """Take `data` and return what is compressed so far."""
        self._writer.write(data)
        return self._made.taken()

    def flush(self) -> bytes:
        """Return all that is pending."""
        self._writer.flush()
        return self._made.taken()

    def finish(self) -> bytes:
        """Return the rest and the stream's end."""
        # Unlike `close`, this fails where a write has failed.
        self._writer.flush()
        self._writer.close()
        return self._made.taken()
