"""Reads Lattice ECP5 bitstreams: the comment block, then commands up to VERIFY_ID (Lattice FPGA-TN-02039)."""

from __future__ import annotations

from fpga_accel.errors import FormatError, TruncatedError
from fpga_accel.runtime.bitstreams.image import HARDWARE, Header
from fpga_accel.runtime.bitstreams.reading import Reader, text

MAGIC = b"\xff\x00"
FORMAT = "ecp5"

_PREAMBLE = b"\xff\xff\xbd\xb3"
# Comments are some lines of text; VERIFY_ID comes within a few commands of the preamble.
_COMMENT_LIMIT = 64 << 10
_COMMAND_LIMIT = 4 << 10
# Padding after the last command, in bytes.
_PADDING_LIMIT = 64 << 10
_PART = b"Part:"

_DUMMY = 0xFF
_VERIFY_ID = 0xE2
# Bytes of payload after command and 3 bytes of information, for what may come before VERIFY_ID: LSC_RESET_CRC,
# SPI_MODE, LSC_INIT_ADDRESS, LSC_PROG_CNTRL0.
_PAYLOADS = {0x3B: 0, 0x79: 0, 0x46: 0, 0x22: 4}
_CRC_FOLLOWS = 0x80
# ISC_PROGRAM_DONE, the last command.
_DONE = b"\x5e\0\0\0"

DEVICE_IDS = {
    "LFE5U-12F": 0x21111043,
    "LFE5U-25F": 0x41111043,
    "LFE5U-45F": 0x41112043,
    "LFE5U-85F": 0x41113043,
    "LFE5UM-25F": 0x01111043,
    "LFE5UM-45F": 0x01112043,
    "LFE5UM-85F": 0x01113043,
    "LFE5UM5G-25F": 0x81111043,
    "LFE5UM5G-45F": 0x81112043,
    "LFE5UM5G-85F": 0x81113043,
}


def read(reader: Reader) -> Header:
    """Read the part from the comment and the device id from the commands; both must name one device."""
    start = reader.start(_COMMENT_LIMIT + _COMMAND_LIMIT)
    end = start.find(_PREAMBLE, len(MAGIC))
    if end < 0:
        raise TruncatedError(f"no ECP5 preamble (FF FF BD B3) in the first {len(start)} bytes")
    comments = [line for line in start[len(MAGIC) : end].rstrip(b"\xff").split(b"\0") if line.strip()]
    part = _part(comments)
    device_id = _verify_id(start[end + len(_PREAMBLE) :])
    device = device_of(part)
    if DEVICE_IDS[device] != device_id:
        raise FormatError(
            f"the ECP5 comment names part {part} (device id 0x{DEVICE_IDS[device]:08x}), "
            f"but VERIFY_ID checks for 0x{device_id:08x}{_owner(device_id)}"
        )
    _require_end(reader)
    return Header(
        format=FORMAT,
        target=part,
        mode=HARDWARE,
        id=f"{device_id:08x}",
        detail={
            "build_mode": "hw",
            "device": device,
            "comments": [line.decode("ascii", errors="backslashreplace") for line in comments],
        },
    )


def device_of(part: str) -> str:
    """Return the device that a part is: its name without speed grade and package.

    Examples
    --------
    >>> device_of("LFE5U-85F-6CABGA381")
    'LFE5U-85F'
    """
    device = "-".join(part.split("-")[:2])
    if device not in DEVICE_IDS:
        raise FormatError(f"part {part} is no known ECP5 device; known are {', '.join(DEVICE_IDS)}")
    return device


def _part(comments: list[bytes]) -> str:
    named = [line for line in comments if line.startswith(_PART)]
    if len(named) != 1:
        raise FormatError(f"the ECP5 comment block has {len(named)} lines 'Part:', it must have one")
    return text(named[0][len(_PART) :], "the part in the ECP5 comment")


def _verify_id(commands: bytes) -> int:
    """Walk the commands up to VERIFY_ID and return its device id."""
    at = 0
    while at < len(commands):
        command = commands[at]
        if command == _DUMMY:
            at += 1
            continue
        if command == _VERIFY_ID:
            if at + 8 > len(commands):
                break
            return int.from_bytes(commands[at + 4 : at + 8])
        if command not in _PAYLOADS:
            raise FormatError(f"ECP5 command 0x{command:02x} comes before VERIFY_ID")
        has_crc = commands[at + 1 : at + 2] >= bytes([_CRC_FOLLOWS])
        at += 4 + _PAYLOADS[command] + 2 * has_crc
    raise TruncatedError("the ECP5 commands end before VERIFY_ID")


def _require_end(reader: Reader) -> None:
    """Refuse an image that was cut: the format states no length, but its last command is known."""
    count = min(_PADDING_LIMIT, reader.size)
    tail = reader.take(reader.size - count, count, "the end")
    if not tail.rstrip(bytes([_DUMMY])).endswith(_DONE):
        raise TruncatedError("the ECP5 image does not end with ISC_PROGRAM_DONE: it was cut")


def _owner(device_id: int) -> str:
    return next((f" ({name})" for name, known in DEVICE_IDS.items() if known == device_id), "")
