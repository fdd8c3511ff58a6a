"""The SDK's own image of an OpenCL program binary, for the FPGA emulator.

One line of magic, one line of JSON in its canonical form (sorted keys, no spaces), the SHA-256 of these two lines
and the binary, then the binary. Drivers check nothing, so everything a mismatch could depend on is in the line.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any

from fpga_accel.errors import FormatError, TruncatedError
from fpga_accel.runtime import quirks
from fpga_accel.runtime.bitstreams.image import EMULATION, Header
from fpga_accel.runtime.bitstreams.reading import Reader
from fpga_accel.runtime.programs import Identity
from fpga_accel.segments import ABI_VERSION

MAGIC = b"fpga-accel image 1\n"
FORMAT = "program"
BUILD_MODE = "emulator"

_DIGEST = hashlib.sha256().digest_size
# A line has some hundred bytes.
_LINE_LIMIT = 16 << 10
_HASH_DIGITS = 64
_NAME = re.compile("[A-Za-z0-9_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Description:
    """The JSON line."""

    abi: int
    build_mode: str
    entries: tuple[str, ...]
    kernel: str
    source_sha256: str
    target: dict[str, str]
    variant: str


# The position of a device in the list is no part of what it is.
_IDENTITY = tuple(field.name for field in fields(Identity) if field.name != "index")
_HOST_CPU = "host_cpu"
_TARGET = (*_IDENTITY, _HOST_CPU)
_INSTRUCTIONS = re.compile("sse|ssse|avx|amx|fma|f16c|bmi|abm|adx|movbe|popcnt|aes|vaes|sha|gfni|pclmul|vpclmul")


def target_of(identity: Identity) -> dict[str, str]:
    """Return what a program binary is bound to: the device, its driver, and the CPU that runs the emulator."""
    return {name: str(getattr(identity, name)) for name in _IDENTITY} | {_HOST_CPU: _host_cpu()}


@cache
def _host_cpu() -> str:
    """Return a short name of this CPU's instruction set: a binary holds machine code for it."""
    flags = sorted(flag for flag in quirks.host_flags() if _INSTRUCTIONS.match(flag))
    return hashlib.sha256(" ".join(flags).encode()).hexdigest()[:12]


def target_text(target: dict[str, str]) -> str:
    """Write a target on one line.

    Examples
    --------
    >>> target_text({"platform": "P", "driver": "1.2", "device": "D"})
    'platform P, device D, driver 1.2'
    """
    return ", ".join(f"{name.replace('_', ' ')} {target[name]}" for name in _TARGET if target.get(name))


def pack(
    identity: Identity, kernel: str, variant: str, entries: tuple[str, ...], source_sha256: str, binary: bytes
) -> bytes:
    """Return the image of a program binary."""
    description = Description(ABI_VERSION, BUILD_MODE, entries, kernel, source_sha256, target_of(identity), variant)
    head = MAGIC + _canonical(asdict(description)) + b"\n"
    return head + hashlib.sha256(head + binary).digest() + binary


def read(reader: Reader) -> Header:
    """Check the hash and read the description."""
    start = reader.start(len(MAGIC) + _LINE_LIMIT)
    line = _line(start)
    head = len(MAGIC) + len(line) + 1
    stated = reader.take(head, _DIGEST, "the hash of the program image").hex()
    found = reader.sha256((0, head), (head + _DIGEST, reader.size))
    if stated != found:
        raise FormatError(f"the program image is damaged: its SHA-256 is {found[:12]}…, the header says {stated[:12]}…")
    description = _description(line)
    return Header(
        format=FORMAT,
        target=target_text(description.target),
        mode=EMULATION,
        id=stated,
        entries=description.entries,
        detail=asdict(description) | {"payload_offset": head + _DIGEST},
    )


def _line(start: bytes) -> bytes:
    line, end, _ = start[len(MAGIC) :].partition(b"\n")
    if end:
        return line
    if len(line) < _LINE_LIMIT:
        raise TruncatedError(f"the program image ends within its header, after {len(start)} bytes")
    raise FormatError(f"the header of the program image is longer than {_LINE_LIMIT} bytes")


def _canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def _description(line: bytes) -> Description:
    try:
        value = json.loads(line)
        canonical = isinstance(value, dict) and _canonical(value) == line
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the header of the program image is no JSON: {error}") from error
    if not canonical:
        raise FormatError("the header of the program image is no JSON object in canonical form")
    names = {field.name for field in fields(Description)}
    if set(value) != names:
        raise FormatError(f"the header of the program image has keys {sorted(value)}, it must have {sorted(names)}")
    wrong = [name for name, right in _checks(value) if not right]
    if wrong:
        raise FormatError(f"the header of the program image has a wrong {', '.join(wrong)}")
    return Description(**value | {"entries": tuple(value["entries"])})


def _checks(value: dict[str, Any]) -> tuple[tuple[str, bool], ...]:
    target, entries, digest = value["target"], value["entries"], value["source_sha256"]
    return (
        ("abi", type(value["abi"]) is int),
        ("build_mode", value["build_mode"] == BUILD_MODE),
        ("entries", isinstance(entries, list) and bool(entries) and all(map(_is_name, entries))),
        ("kernel", _is_name(value["kernel"])),
        ("variant", _is_name(value["variant"])),
        ("source_sha256", is_sha256(digest)),
        ("target", isinstance(target, dict) and set(target) == set(_TARGET) and all(map(_is_text, target.values()))),
    )


def is_sha256(value: object) -> bool:
    """Whether a value is a SHA-256 in lower-case hex."""
    return isinstance(value, str) and len(value) == _HASH_DIGITS and set(value) <= set("0123456789abcdef")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()
