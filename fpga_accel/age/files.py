"""Age files in one piece (c2sp.org/age): sealed and opened in memory."""

from __future__ import annotations

from fpga_accel.age import armor, header
from fpga_accel.age.header import Header
from fpga_accel.age.payload import NONCE, Payload, content_size, sealed_size
from fpga_accel.age.recipients import FILE_KEY_SIZE, Closers, Openers
from fpga_accel.age.secret import random, wiped
from fpga_accel.errors import OutputLimitError, TruncatedError
from fpga_accel.execution import Executor
from fpga_accel.operations.buffers import Flat, made


def seal(engine: Executor, data: Flat, closers: Closers, *, armored: bool) -> bytes:
    """Return the age file of `data`."""
    front, payload = started(engine, closers)
    try:
        start, size = len(front), sealed_size(len(data))

        def write(out: memoryview) -> None:
            out[:start] = front
            payload.seal(data, out[start:], 0, final=True)

        sealed = made(start + size, write)
    finally:
        payload.wipe()
    return armor.encoded(sealed) if armored else sealed


def unseal(engine: Executor, data: Flat, openers: Openers, max_output: int | None) -> bytes:
    """Return the content of an age file, or raise; nothing is returned unless all of it is verified."""
    if armor.is_armored(bytes(data[: armor.LOOK])):
        data = armor.decoded(data)
    view = memoryview(data)
    found = header.read(lambda size: bytes(view[:size]))
    nonce = bytes(view[found.size : found.size + NONCE])
    payload = opened(engine, found, nonce, openers)
    try:
        sealed = view[found.size + NONCE :]
        size = content_size(len(sealed))
        require_room(size, max_output)
        error: list[Exception] = []

        def write(out: memoryview) -> None:
            done = payload.open(sealed, out, 0, final=True)
            if done.error is not None:
                out[: done.good] = bytes(done.good)
                error.append(done.error)

        content = made(size, write)
    finally:
        payload.wipe()
    if error:
        raise error.pop()
    return content


def started(engine: Executor, closers: Closers) -> tuple[bytes, Payload]:
    """Return what a new file starts with, header and nonce, and its payload."""
    with wiped(random(FILE_KEY_SIZE)) as file_key:
        front = header.packed(closers.stanzas(file_key), file_key)
        nonce = bytes(random(NONCE))
        return front + nonce, Payload(engine, file_key, nonce)


def opened(engine: Executor, found: Header, nonce: bytes, openers: Openers) -> Payload:
    """Return the payload of a file with this header and nonce.

    Raises
    ------
    FormatError, NoMatchError, InvalidTag
        As `Openers.file_key` says; the file ends in its nonce.
    """
    with wiped(openers.file_key(found)) as file_key:
        if len(nonce) < NONCE:
            raise TruncatedError(f"the age file ends in its nonce, of which {len(nonce)} bytes are there")
        return Payload(engine, file_key, nonce)


def require_room(size: int, max_output: int | None) -> None:
    """Refuse content that is larger than the caller allows.

    Raises
    ------
    OutputLimitError
        It is.
    """
    if max_output is not None and size > max_output:
        raise OutputLimitError(f"the age file holds {size} bytes; max_output is {max_output}")
