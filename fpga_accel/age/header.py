"""The text in front of an age file: version, recipient stanzas and their MAC (c2sp.org/age, "Header")."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fpga_accel.age.secret import derived, wiped
from fpga_accel.errors import FormatError, InvalidTag, TruncatedError

VERSION_LINE = b"age-encryption.org/v1\n"
# Most bytes of a header: 2,600 X25519 recipients. Each costs a scalar multiplication (about 50 µs) an identity before
# anything is authenticated, so a header of any length would be work of any length.
LIMIT = 256 << 10
_VERSION_START = b"age-encryption.org/"
_STANZA = b"-> "
_END = b"---"
_COLUMNS = 64
_LINE_BYTES = 48
_MAC_SIZE = 32
# Bytes looked at first: a header of 40 recipients.
_WINDOW = 4 << 10

# Up to so many of the file's first bytes, fewer only where it has no more.
Window = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Stanza:
    """The file key as one recipient can read it; the first argument is the recipient's type."""

    arguments: tuple[str, ...]
    body: bytes

    @property
    def kind(self) -> str:
        """The recipient's type."""
        return self.arguments[0]

    def pack(self) -> bytes:
        """Return its lines."""
        # The last line is shorter than the others, and empty where they hold all.
        starts = range(0, len(self.body) + 1, _LINE_BYTES)
        rows = [encoded(self.body[start : start + _LINE_BYTES]) for start in starts]
        return "\n".join((" ".join(("->", *self.arguments)), *rows, "")).encode("ascii")


@dataclass(frozen=True, slots=True)
class Header:
    """A header.

    Attributes
    ----------
    size
        Bytes of it; the payload starts behind them.
    covered
        What the MAC is of.
    """

    stanzas: tuple[Stanza, ...]
    mac: bytes
    size: int
    covered: bytes

    def check(self, file_key: bytearray) -> None:
        """Check the MAC.

        Raises
        ------
        InvalidTag
            The header was changed.
        """
        if not hmac.compare_digest(self.mac, _mac(file_key, self.covered)):
            raise InvalidTag("the MAC of the age header does not match: it was changed, or its file key is another's")


def packed(stanzas: Sequence[Stanza], file_key: bytearray) -> bytes:
    """Return the header of these stanzas.

    Raises
    ------
    ValueError
        It is larger than readers take.
    """
    covered = b"".join((VERSION_LINE, *(stanza.pack() for stanza in stanzas), _END))
    made = covered + b" " + encoded(_mac(file_key, covered)).encode("ascii") + b"\n"
    if len(made) > LIMIT:
        raise ValueError(f"{len(stanzas)} recipients make a header of {len(made)} bytes; {LIMIT} is the most")
    return made


def read(window: Window) -> Header:
    """Read a header.

    Raises
    ------
    FormatError, TruncatedError
        It breaks the format, or ends early.
    """
    size = _WINDOW
    while True:
        start = window(size)
        _check_version(start)
        # No line of base64 has a "-", nor have others at their start.
        mark = start.find(b"\n" + _END)
        end = start.find(b"\n", mark + 1) if mark >= 0 else -1
        if end >= 0:
            return _parsed(start[: end + 1], mark + 1)
        if len(start) < size:
            _parse_stanzas(start[len(VERSION_LINE) : mark + 1 if mark >= 0 else start.rfind(b"\n") + 1], whole=False)
            raise TruncatedError("the age header has no end: it is cut off, or this is no age file")
        if size >= LIMIT:
            raise FormatError(f"the age header does not end within {LIMIT} bytes")
        size *= 4


def _check_version(start: bytes) -> None:
    if start.startswith(VERSION_LINE):
        return
    if VERSION_LINE.startswith(start):
        raise TruncatedError(f"{len(start)} bytes are no whole age file")
    if start.startswith(_VERSION_START):
        raise FormatError("an age file of another version than v1, or with other line ends than it wrote")
    raise FormatError("this is no age file: it does not start with the line of age-encryption.org/v1")


def _parsed(text: bytes, end: int) -> Header:
    stanzas = _parse_stanzas(text[len(VERSION_LINE) : end])
    if not stanzas:
        raise FormatError("the age header has no recipients")
    last = text[end:-1]
    if not last.startswith(_END + b" "):
        raise FormatError("the last line of the age header is no MAC")
    mac = decoded(last[len(_END) + 1 :], "the MAC of the age header")
    if len(mac) != _MAC_SIZE:
        raise FormatError(f"the MAC of the age header has {len(mac)} bytes, not {_MAC_SIZE}")
    return Header(tuple(stanzas), mac, len(text), text[: end + len(_END)])


def _parse_stanzas(text: bytes, *, whole: bool = True) -> list[Stanza]:
    """Parse what is between the first line and the last; of a part, up to where it ends."""
    found: list[Stanza] = []
    lines = iter(text.split(b"\n")[:-1])
    for line in lines:
        if not line.startswith(_STANZA):
            raise FormatError(f"the line behind stanza {len(found)} of the age header starts none")
        arguments = line[len(_STANZA) :].split(b" ")
        if not all(argument and all(0x21 <= code <= 0x7E for code in argument) for argument in arguments):
            raise FormatError(f"stanza {len(found) + 1} of the age header has an argument that is empty or no ASCII")
        body = bytearray()
        for row in lines:
            if len(row) > _COLUMNS:
                raise FormatError(f"stanza {len(found) + 1} of the age header has a line of {len(row)} characters")
            body += decoded(row, f"the body of stanza {len(found) + 1} of the age header")
            if len(row) < _COLUMNS:
                break
        else:
            if not whole:
                return found
            raise FormatError(f"stanza {len(found) + 1} of the age header has no last line")
        found.append(Stanza(tuple(argument.decode("ascii") for argument in arguments), bytes(body)))
    return found


def encoded(data: bytes) -> str:
    """Return base64 without padding (RFC 4648 §4)."""
    return base64.b64encode(data).decode("ascii").rstrip("=")


def decoded(text: bytes, what: str) -> bytes:
    """Return what canonical base64 without padding holds.

    Raises
    ------
    FormatError
        It is something else; `what` is in the message.
    """
    try:
        data = binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except binascii.Error:
        data = None
    if data is None or encoded(data).encode("ascii") != text:
        raise FormatError(f"{what} is no canonical base64")
    return data


def _mac(file_key: bytearray, covered: bytes) -> bytes:
    with wiped(derived(file_key, b"", b"header")) as key:
        return hmac.digest(key, covered, "sha256")
