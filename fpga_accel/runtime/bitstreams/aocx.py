"""Reads the aocx of Intel's FPGA SDK for OpenCL: an ELF file whose sections ``.acl.*`` are text or data."""

from __future__ import annotations

import struct
from typing import NamedTuple

from fpga_accel.errors import FormatError, TruncatedError
from fpga_accel.runtime.bitstreams.image import EMULATION, HARDWARE, Header
from fpga_accel.runtime.bitstreams.reading import Reader, before_nul, text

MAGIC = b"\x7fELF"
FORMAT = "aocx"

_BOARD = ".acl.board"
_WANTED = (_BOARD, ".acl.target", ".acl.version", ".acl.rand_hash")
# Each is a name, a version or a hash of some tens of bytes.
_MOST_TEXT = 4096
_BUILD_MODES = {"EmulatorDevice": "emulator", "SimulatorDevice": "simulator"}


class _Layout(NamedTuple):
    """Field formats of one ELF class, without the byte order."""

    # After the 16 identification bytes: section table offset, entry size, count, index of the names.
    header: str
    # Name, offset, size, of which the last two are addresses wide.
    section: str


# ELF specification, figures "ELF Header" and "Section Header", 32 and 64 bit.
_LAYOUTS = {1: _Layout("16x I 10x HHH", "I 12x II 16x"), 2: _Layout("24x Q 10x HHH", "I 20x QQ 24x")}
_BYTE_ORDERS = {1: "<", 2: ">"}


class _Section(NamedTuple):
    name: int
    offset: int
    size: int


def read(reader: Reader) -> Header:
    """Read the board, target, version and hash of an aocx."""
    found = {name: _text(reader, name, section) for name, section in _sections(reader).items()}
    if _BOARD not in found:
        raise FormatError(f"the ELF file has no section {_BOARD}, so it is no aocx")
    board = found[_BOARD]
    build_mode = _BUILD_MODES.get(board, "hw")
    return Header(
        format=FORMAT,
        target=board,
        mode=HARDWARE if build_mode == "hw" else EMULATION,
        id=found.get(".acl.rand_hash", ""),
        detail={
            "build_mode": build_mode,
            "acl_target": found.get(".acl.target"),
            "acl_version": found.get(".acl.version"),
        },
    )


def _sections(reader: Reader) -> dict[str, _Section]:
    """Return the sections that are wanted, by name."""
    ident = reader.take(0, 16, "the ELF identification")
    layout, order = _LAYOUTS.get(ident[4]), _BYTE_ORDERS.get(ident[5])
    if layout is None or order is None:
        raise FormatError(f"ELF class {ident[4]} with byte order {ident[5]} is unknown")
    header = struct.Struct(order + layout.header)
    section = struct.Struct(order + layout.section)
    offset, entry_size, count, names_index = header.unpack(reader.take(16, header.size, "the ELF header"))
    if entry_size != section.size:
        raise FormatError(f"the ELF header states section headers of {entry_size} bytes, they have {section.size}")
    if names_index >= count:
        raise FormatError(f"the ELF header names section {names_index} of {count} for the section names")
    table = reader.take(offset, count * entry_size, f"the table of {count} ELF sections")
    sections = [_Section(*fields) for fields in section.iter_unpack(table)]
    names = reader.take(sections[names_index].offset, sections[names_index].size, "the ELF section names")
    return _named(sections, names)


def _named(sections: list[_Section], names: bytes) -> dict[str, _Section]:
    wanted = {name.encode(): name for name in _WANTED}
    found: dict[str, _Section] = {}
    for section in sections:
        end = names.find(b"\0", section.name)
        if section.name >= len(names) or end < 0:
            raise TruncatedError(f"an ELF section name starts at byte {section.name} of {len(names)} and has no end")
        name = wanted.get(names[section.name : end])
        if name in found:
            raise FormatError(f"the ELF file has two sections {name}")
        if name is not None:
            found[name] = section
    return found


def _text(reader: Reader, name: str, section: _Section) -> str:
    if section.size > _MOST_TEXT:
        raise FormatError(f"section {name} states {section.size} bytes; more than {_MOST_TEXT} are refused")
    data = reader.take(section.offset, section.size, f"section {name}")
    return text(data, f"section {name}") if name == _BOARD or before_nul(data) else ""
