"""Reads AMD's xclbin (the ``axlf`` container of XRT's xclbin.h, little endian)."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from typing import NamedTuple

from fpga_accel.errors import FormatError, TruncatedError
from fpga_accel.runtime.bitstreams.image import EMULATION, HARDWARE, Header
from fpga_accel.runtime.bitstreams.reading import Reader, before_nul, text

MAGIC = b"xclbin2\0"
FORMAT = "xclbin"

# Byte offsets in struct axlf.
_LENGTH = 304
_SECTIONS = 456
# From 304 on: length, time stamp, that of the feature ROM, version (patch, major, minor), mode, actions, the ROM's
# UUID, target name (platformVBNV), UUID, name of a debug file, number of sections, padding.
_HEADER = struct.Struct("<QQQHBBHH16s64s16s16sI4x")
# Kind, name, offset, size.
_SECTION = struct.Struct("<I16s4xQQ")
# Type, properties, base address, name: after a count that is padded to 8 bytes.
_IP = struct.Struct("<IIQ64s")
_IP_COUNT = struct.Struct("<i4x")

# Platforms of today have under 100 sections.
_MOST_SECTIONS = 4096
_IP_LAYOUT = 8
_IP_KERNEL = 1
# XCLBIN_MODE.
_BUILD_MODES = ("hw", "hw", "hw", "hw", "hw_emu", "sw_emu", "hw_emu")


class _Section(NamedTuple):
    kind: int
    name: str
    offset: int
    size: int


def read(reader: Reader) -> Header:
    """Read the header, and the names of the kernels from the IP layout."""
    (length, time_stamp, _, patch, major, minor, mode, _, _, vbnv, identity, _, count) = _HEADER.unpack(
        reader.take(_LENGTH, _HEADER.size, "the xclbin header")
    )
    if length > reader.size:
        raise TruncatedError(f"the xclbin header states {length} bytes, the file has {reader.size}")
    if mode >= len(_BUILD_MODES):
        raise FormatError(f"xclbin mode {mode} is unknown; known are 0 to {len(_BUILD_MODES) - 1}")
    sections = list(_sections(reader, count, length))
    return Header(
        format=FORMAT,
        target=text(vbnv, "the platform name of the xclbin"),
        mode=HARDWARE if _BUILD_MODES[mode] == "hw" else EMULATION,
        id=str(uuid.UUID(bytes=identity)),
        entries=tuple(_kernels(reader, sections)),
        detail={
            "build_mode": _BUILD_MODES[mode],
            "built_at": time_stamp,
            "tool_version": f"{major}.{minor}.{patch}",
            "sections": {section.name or f"kind {section.kind}": section.size for section in sections},
        },
    )


def _sections(reader: Reader, count: int, length: int) -> Iterator[_Section]:
    if count > _MOST_SECTIONS:
        raise FormatError(f"the xclbin states {count} sections; more than {_MOST_SECTIONS} are refused")
    table = reader.take(_SECTIONS, count * _SECTION.size, f"the table of {count} xclbin sections")
    for index, (kind, name, offset, size) in enumerate(_SECTION.iter_unpack(table)):
        label = before_nul(name).decode("ascii", errors="backslashreplace")
        if offset + size > length:
            raise TruncatedError(
                f"xclbin section {index} ({label or kind}) ends at byte {offset + size}, the image at byte {length}"
            )
        yield _Section(kind, label, offset, size)


def _kernels(reader: Reader, sections: list[_Section]) -> Iterator[str]:
    """Yield each kernel once; its compute units are named ``kernel:unit``."""
    layout = next((section for section in sections if section.kind == _IP_LAYOUT), None)
    if layout is None:
        return
    if layout.size < _IP_COUNT.size:
        raise TruncatedError(f"the IP layout of the xclbin has {layout.size} bytes, its count takes {_IP_COUNT.size}")
    (count,) = _IP_COUNT.unpack(reader.take(layout.offset, _IP_COUNT.size, "the IP layout"))
    if not 0 <= count * _IP.size <= layout.size - _IP_COUNT.size:
        raise FormatError(f"the IP layout of the xclbin states {count} entries, its section has {layout.size} bytes")
    entries = reader.take(layout.offset + _IP_COUNT.size, count * _IP.size, "the IP layout")
    names = [
        text(name, "a name in the IP layout") for kind, _, _, name in _IP.iter_unpack(entries) if kind == _IP_KERNEL
    ]
    yield from dict.fromkeys(name.partition(":")[0] for name in names)
