"""Tells the formats of images apart by their first bytes."""

from __future__ import annotations

import os
from types import ModuleType

from fpga_accel.errors import FormatError, TruncatedError
from fpga_accel.runtime.bitstreams import aocx, ecp5, program, xclbin
from fpga_accel.runtime.bitstreams.image import Header, Image
from fpga_accel.runtime.bitstreams.reading import Buffer, Reader, reading

_READERS: tuple[ModuleType, ...] = (xclbin, aocx, ecp5, program)
FORMATS = tuple(module.FORMAT for module in _READERS)


def read(source: str | os.PathLike[str] | Buffer) -> Image:
    """Read the header of an image, and hash it whole.

    Parameters
    ----------
    source
        A path, or the bytes themselves.

    Returns
    -------
    Image
        Its target, mode, identity, size and SHA-256.

    Raises
    ------
    FormatError
        The image is of no known format, or breaks it.
    TruncatedError
        The image ends before its header says it should.
    OSError
        The file cannot be read.
    """
    with reading(source) as reader:
        header = _header(reader)
        return Image(
            header.format,
            header.target,
            header.mode,
            header.id,
            header.entries,
            header.detail,
            sha256=reader.sha256(),
            size=reader.size,
        )


def _header(reader: Reader) -> Header:
    start = reader.start(max(len(module.MAGIC) for module in _READERS))
    for module in _READERS:
        if start.startswith(module.MAGIC):
            header: Header = module.read(reader)
            return header
    if any(module.MAGIC.startswith(start) for module in _READERS):
        raise TruncatedError(f"the image ends after {len(start)} bytes")
    raise FormatError(f"this is no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image: it starts with {start[:8]!r}")
