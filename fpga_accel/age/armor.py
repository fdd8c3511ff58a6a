"""The armor of age files: strict PEM (RFC 7468 §3). Whole lines go through host/base64.c, others through Python's."""

from __future__ import annotations

import binascii
from collections.abc import Callable

import numpy as np

from fpga_accel._host import ffi, lib
from fpga_accel.errors import FormatError, TruncatedError
from fpga_accel.operations.buffers import Flat, made

BEGIN = b"-----BEGIN AGE ENCRYPTED FILE-----"
END = b"-----END AGE ENCRYPTED FILE-----"
_COLUMNS = 64
_LINE_BYTES = 48
_LINE_ENDS = (b"\n", b"\r\n")
_SPACE = b" \t\r\n"
# Most bytes of white space in front, and behind.
_MOST_SPACE = 1024
# Bytes that tell whether a file is armored.
LOOK = _MOST_SPACE + 1
_LINE = _COLUMNS + 1
# Bytes of text done at once: what is made of them stays in a core's cache.
_BLOCK = 256 << 10

Read = Callable[[int], bytes]


class Encoder:
    """Turns bytes into armored text, part by part."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False

    def encode(self, data: Flat) -> bytes:
        """Return the text of all whole lines so far."""
        view, started = memoryview(data), self._rest
        if started:
            # The line that is begun.
            missing = _LINE_BYTES - len(started)
            started, view = started + bytes(view[:missing]), view[missing:]
        first = started if len(started) == _LINE_BYTES else b""
        whole = len(view) // _LINE_BYTES * _LINE_BYTES
        self._rest = bytes(view[whole:]) if first or not started else started
        front = self._front()
        ends = len(front), len(front) + len(first) // _LINE_BYTES * _LINE

        def write(out: memoryview) -> None:
            out[: ends[0]] = front
            _put_lines(first, out[ends[0] : ends[1]])
            _put_lines(view[:whole], out[ends[1] :])

        return made(ends[1] + whole // _LINE_BYTES * _LINE, write)

    def end(self) -> bytes:
        """Return the last lines."""
        return self._front() + _short_line(self._rest) + END + b"\n"

    def _front(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return BEGIN + b"\n"


def encoded(data: Flat) -> bytes:
    """Return the armored text of all of `data`."""
    whole = len(data) // _LINE_BYTES * _LINE_BYTES
    front, end = BEGIN + b"\n", _short_line(bytes(data[whole:])) + END + b"\n"
    lines = whole // _LINE_BYTES * _LINE

    def write(out: memoryview) -> None:
        out[: len(front)] = front
        _put_lines(data[:whole], out[len(front) : len(front) + lines])
        out[len(front) + lines :] = end

    return made(len(front) + lines + len(end), write)


def _short_line(data: bytes) -> bytes:
    return binascii.b2a_base64(data) if data else b""


def _put_lines(data: Flat, out: memoryview) -> None:
    """Write the text of whole lines."""
    if len(data):
        count = len(data) // _LINE_BYTES
        lib.fa_base64_lines(ffi.from_buffer("uint8_t[]", data), count, ffi.from_buffer("uint8_t[]", out))


def is_armored(start: bytes) -> bool:
    """Whether a file whose first `LOOK` bytes are these is armored: a binary one starts with a letter."""
    return start.lstrip(_SPACE).startswith(b"-")


class Decoder:
    """Reads armored text, and gives what is in it.

    Parameters
    ----------
    read
        Gives up to so many bytes, none at the end.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._held = b""
        self._all_read = False
        self._line_end = b""
        self._begun = False
        self._ended = False

    def decode(self) -> bytes:
        """Return the bytes of some more lines; b"" at the end, when all text behind them is known to be right.

        Raises
        ------
        FormatError, TruncatedError
            The text is no strict armor, or ends early.
        """
        if not self._begun:
            self._begin()
        while not self._ended:
            self._fill(_BLOCK)
            end = self._held.find(b"-")
            if end >= 0:
                data = self._last(end)
            elif self._all_read:
                raise TruncatedError("the armor has no last line: it is cut off")
            else:
                # A line that is held back may be the last one, with padding.
                data = self._whole(len(self._held) // self._step - 1)
            if data:
                return data
        return b""

    def _fill(self, size: int) -> None:
        """Hold so many bytes if there are."""
        parts, held = [self._held], len(self._held)
        while held < size and not self._all_read:
            part = self._read(size - held)
            self._all_read = not part
            parts.append(part)
            held += len(part)
        self._held = b"".join(parts)

    def _begin(self) -> None:
        self._begun = True
        self._fill(_MOST_SPACE + len(BEGIN) + 2)
        text = self._held.lstrip(_SPACE)
        if len(self._held) - len(text) > _MOST_SPACE:
            raise FormatError(f"more than {_MOST_SPACE} bytes of white space in front of the armor")
        for line_end in _LINE_ENDS:
            if text.startswith(BEGIN + line_end):
                self._line_end = line_end
                self._held = text[len(BEGIN) + len(line_end) :]
                return
        if (BEGIN + b"\r\n").startswith(text) or text == BEGIN:
            raise TruncatedError("the armor ends in its first line")
        raise FormatError("the armor does not start with the line BEGIN AGE ENCRYPTED FILE")

    @property
    def _step(self) -> int:
        return _COLUMNS + len(self._line_end)

    def _whole(self, count: int) -> bytes:
        """Take lines behind which others follow."""
        text = ffi.from_buffer("uint8_t[]", self._held)
        right = 0

        def write(out: memoryview) -> None:
            nonlocal right
            target = ffi.from_buffer("uint8_t[]", out)
            right = lib.fa_base64_from_lines(text, count, self._line_end, len(self._line_end), target)

        data = made(count * _LINE_BYTES, write)
        if right < count:
            return self._refused(count)
        self._held = self._held[count * self._step :]
        return data

    def _refused(self, count: int) -> bytes:
        """Tell what is wrong with one of so many lines."""
        text = self._columns(count)
        self._held = self._held[count * self._step :]
        if b"=" in text:
            raise FormatError("the armor has padding inside")
        return _from_base64(text)

    def _last(self, end: int) -> bytes:
        """Take the lines up to the one that starts at `end`, that one, and what is behind it."""
        count, rest = divmod(end, self._step)
        text, short = self._columns(count), self._held[end - rest : end]
        if rest:
            if not short.endswith(self._line_end) or rest <= len(self._line_end):
                raise FormatError("the armor has an empty line, or one that is cut off")
            text += short[: -len(self._line_end)]
        self._held = self._held[end:]
        self._check_end()
        self._ended = True
        return _from_base64(text)

    def _columns(self, count: int) -> bytes:
        """Return the characters of lines that must be of full length."""
        lines = np.frombuffer(self._held, np.uint8, count * self._step).reshape(count, self._step)
        if not (lines[:, _COLUMNS:] == np.frombuffer(self._line_end, np.uint8)).all():
            raise FormatError(f"the armor has a line that is not of {_COLUMNS} characters, and not the last one")
        return lines[:, :_COLUMNS].tobytes()

    def _check_end(self) -> None:
        self._fill(len(END) + len(b"\r\n") + _MOST_SPACE + 1)
        if not self._held.startswith(END):
            if END.startswith(self._held):
                raise TruncatedError("the armor ends in its last line")
            raise FormatError("the armor does not end with the line END AGE ENCRYPTED FILE")
        behind = self._held[len(END) :]
        if behind.strip(_SPACE) or len(behind) > len(b"\r\n") + _MOST_SPACE:
            raise FormatError("something other than a little white space is behind the armor")
        if behind and not behind.startswith(_LINE_ENDS):
            raise FormatError("the last line of the armor does not end with a line end")


def _from_base64(text: bytes) -> bytes:
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise FormatError(f"the armor holds no base64: {str(error).lower()}") from None
    padding = text[-2:].count(b"=")
    # Bits that mean nothing must be zeros.
    if padding and binascii.b2a_base64(data[padding - 3 :], newline=False) != text[-4:]:
        raise FormatError("the armor holds base64 that is not canonical")
    return data


def decoded(text: Flat) -> memoryview:
    """Return what a whole armored text holds; errors as in `Decoder.decode`."""
    rest = memoryview(text)

    def read(size: int) -> bytes:
        nonlocal rest
        part, rest = bytes(rest[:size]), rest[size:]
        return part

    decoder = Decoder(read)
    out, size = memoryview(bytearray(len(text) // 4 * 3)), 0
    while part := decoder.decode():
        out[size : size + len(part)] = part
        size += len(part)
    return out[:size]
