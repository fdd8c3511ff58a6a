"""Age files of any length, in bounded memory: while one group of chunks is worked on, others are read and written."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any, TypeVar

from fpga_accel import streams
from fpga_accel.accelerator import Accelerator, default_accelerator
from fpga_accel.age import armor, header
from fpga_accel.age.files import opened, require_room, started
from fpga_accel.age.payload import CHUNK, NONCE, SEALED_CHUNK, Opened, Payload
from fpga_accel.age.recipients import Closers, Openers
from fpga_accel.execution import Executor
from fpga_accel.operations import registry
from fpga_accel.operations.buffers import flat
from fpga_accel.operations.contract import one_ahead
from fpga_accel.runtime import forks
from fpga_accel.runtime.buffers import file_buffer

# Chunks of a call: 1.5 MiB, enough that what a call costs hardly shows, and few enough that the groups which a stream
# holds stay in the cache. Of 8, 16, 24, 32 and 64 chunks this was the fastest with two cores, 32 by a third slower in
# opening.
GROUP = 24
# Groups on their way: enough for the thread beside to have work while the owner reads, writes and does one itself.
_AT_WORK = 5

T = TypeVar("T")


def seal_stream(
    source: Any,
    target: Any,
    *,
    recipients: Sequence[str] | str = (),
    passphrase: str | bytes | bytearray | None = None,
    compress: str | None = None,
    armor: bool = False,
    work_factor: int | None = None,
    accelerator: Accelerator | None = None,
) -> int:
    """Encrypt one binary file object into another, as an age file, and return the bytes read.

    Parameters
    ----------
    source, target
        Have ``read`` (better also ``readinto``) and ``write``. They stay open.
    recipients, passphrase, compress, armor, work_factor
        As in `Accelerator.seal`.
    accelerator
        Where the work runs; by default the shared one.

    Examples
    --------
    >>> import io
    >>> from fpga_accel import age
    >>> identity, sealed, text = age.new_identity(), io.BytesIO(), io.BytesIO()
    >>> seal_stream(io.BytesIO(b"line" * 1000), sealed, recipients=age.recipient_of(identity), compress="lz4")
    4000
    >>> unseal_stream(io.BytesIO(sealed.getvalue()), text, identities=identity, decompress="lz4")
    4000
    """
    acc = accelerator or default_accelerator()
    settings = None if compress is None else registry.find("compress", compress).settings()
    closers = Closers.of(recipients, passphrase, work_factor)
    with ExitStack() as stack:
        stack.callback(closers.wipe)
        outlet: Any = _Armored(target) if armor else _Plain(target)
        front, payload = started(acc.engine, closers)
        stack.callback(payload.wipe)
        sealing = stack.enter_context(closing(Sealing(acc.engine, payload, outlet)))
        outlet.write(front)
        if compress is None:
            count = sealing.take(source)
        else:
            frame = streams.Writer(sealing, compress, acc, settings, owned=False)  # type: ignore[arg-type]
            count = _compressed(source, frame, sealing)
        sealing.finish()
        outlet.finish()
        return count


def _compressed(source: Any, frame: streams.Writer, sealing: Sealing) -> int:
    """Copy a file object through a frame; if that fails, the frame's end is not written."""
    with closing(frame):
        try:
            return streams.copied(source, frame)
        except BaseException:
            sealing.close()
            raise


def unseal_stream(
    source: Any,
    target: Any,
    *,
    identities: Sequence[str] | str = (),
    passphrase: str | bytes | bytearray | None = None,
    decompress: str | None = None,
    max_output: int | None = None,
    max_work_factor: int | None = None,
    accelerator: Accelerator | None = None,
) -> int:
    """Write the content of an age file, armored or not, to a binary file object and return its bytes.

    Only verified chunks are written. Whatever is raised, what has been written is then a part of the content that
    nobody knows the end of: throw it away.

    Parameters
    ----------
    source, target
        Have ``read`` (better also ``readinto``) and ``write``. They stay open.
    identities, passphrase, decompress, max_output, max_work_factor
        As in `Accelerator.unseal`, and so are the errors.
    accelerator
        Where the work runs; by default the shared one.
    """
    acc = accelerator or default_accelerator()
    if decompress is not None:
        registry.find("decompress", decompress)
    openers = Openers.of(identities, passphrase, max_work_factor)
    outlet = _Plain(target)
    with ExitStack() as stack:
        stack.callback(openers.wipe)
        unsealing = stack.enter_context(closing(Unsealing(acc.engine, source, openers)))
        if decompress is not None:
            content = streams.Reader(unsealing, decompress, acc, max_output, owned=False)  # type: ignore[arg-type]
            return streams.copied(stack.enter_context(closing(content)), outlet)
        count = 0
        for part in unsealing.parts():
            require_room(count + len(part), max_output)
            outlet.write(part)
            count += len(part)
        return count


class Sealing:
    """Takes content and writes the chunks of an age file.

    `finish` writes what is left, the last chunk among it. Without that, as after a failure, the file shows that it is
    cut off.
    """

    def __init__(self, engine: Executor, payload: Payload, target: Any) -> None:
        self._payload = payload
        # The thread that reads and writes.
        self._payload.beside = 1
        self._target = target
        self._beside = _Beside(engine)
        # One group is filled, one may be full, of which it is not known yet whether it is the last.
        self._contents = _buffers(GROUP * CHUNK, _AT_WORK + 2)
        self._outs = _buffers(GROUP * SEALED_CHUNK, _AT_WORK)
        self._current = next(self._contents)
        self._filled = 0
        self._full: memoryview | None = None
        self._first = 0
        self._waiting: deque[Callable[[], memoryview]] = deque()
        self._closed = False

    def take(self, source: Any) -> int:
        """Take all of a file object and return its bytes."""
        read, count = streams.filler_of(source), 0
        while size := read(self._room()):
            self._advance(size)
            count += size
        return count

    def write(self, data: Any, /) -> int:
        """Take all of a buffer; nothing once it is closed, so that a frame's end does not hide a failure."""
        view = memoryview(flat(data))
        size = len(view)
        while view and not self._closed:
            room = self._room()
            part = view[: len(room)]
            room[: len(part)] = part
            self._advance(len(part))
            view = view[len(part) :]
        return size

    def finish(self) -> None:
        """Write the rest of the file."""
        if self._full is not None and not self._filled:
            self._emit(self._full, final=True)
        else:
            self._emit(self._current[: self._filled], final=True)
        self._settle(0)

    def close(self) -> None:
        """Take and write nothing any more."""
        self._closed = True
        self._beside.close()

    def _room(self) -> memoryview:
        if self._filled == len(self._current):
            self._full, self._current, self._filled = self._current, next(self._contents), 0
        return self._current[self._filled :]

    def _advance(self, size: int) -> None:
        self._filled += size
        if self._full is not None:
            full, self._full = self._full, None
            self._emit(full, final=False)

    def _emit(self, content: memoryview, *, final: bool) -> None:
        first, out = self._first, next(self._outs)
        self._first += GROUP

        def work() -> memoryview:
            return out[: self._payload.seal(content, out, first, final=final)]

        self._waiting.append(self._beside.start(work))
        self._settle(_AT_WORK - 1)

    def _settle(self, left: int) -> None:
        """Write groups that are on their way, in order, until so many are left."""
        while len(self._waiting) > left:
            self._target.write(self._waiting.popleft()())


class Unsealing:
    """Reads an age file and gives its content, verified chunks only.

    Raises
    ------
    FormatError, TruncatedError, NoMatchError, InvalidTag
        The header is malformed or was changed, or nothing opens it.
    """

    def __init__(self, engine: Executor, source: Any, openers: Openers) -> None:
        self._inlet = _inlet_of(source)
        found = header.read(self._inlet.peek)
        nonce = self._inlet.peek(found.size + NONCE)[found.size :]
        self._payload = opened(engine, found, nonce, openers)
        self._payload.beside = 1
        self._inlet.skip(found.size + NONCE)
        self._beside = _Beside(engine)
        # One group is read ahead, as the one before may be the last.
        self._sealed = _buffers(GROUP * SEALED_CHUNK, _AT_WORK + 1)
        self._outs = _buffers(GROUP * CHUNK, _AT_WORK)
        self._parts: Iterator[memoryview] | None = None
        self._part = memoryview(b"")

    def parts(self) -> Iterator[memoryview]:
        """Yield the content; each part is overwritten once the next is asked for."""
        for done, out in one_ahead(self._groups(), self._start, _AT_WORK - 1):
            if done.good:
                yield out[: done.good]
            if done.error is not None:
                raise done.error

    def read(self, size: int) -> bytes:
        """Return up to so many bytes; none at the end, when all of the file is verified."""
        if self._parts is None:
            self._parts = self.parts()
        while not self._part:
            part = next(self._parts, None)
            if part is None:
                return b""
            self._part = part
        taken, self._part = self._part[:size], self._part[size:]
        return bytes(taken)

    def close(self) -> None:
        """Forget the key."""
        self._beside.close()
        self._payload.wipe()

    def _groups(self) -> Iterator[tuple[memoryview, int, bool]]:
        """Yield chunks, the number of the first of them, and whether they are the last."""
        group = next(self._sealed)
        filled = self._inlet.fill(group)
        for first in itertools.count(0, GROUP):
            following = next(self._sealed)
            ahead = self._inlet.fill(following) if filled == len(group) else 0
            yield group[:filled], first, not ahead
            if not ahead:
                return
            group, filled = following, ahead

    def _start(self, group: tuple[memoryview, int, bool]) -> Callable[[], tuple[Opened, memoryview]]:
        sealed, first, final = group
        out = next(self._outs)

        def work() -> tuple[Opened, memoryview]:
            return self._payload.open(sealed, out, first, final=final), out

        return self._beside.start(work)


class _Task(Future[T]):
    """Work for whoever comes first, the thread beside or the owner."""

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__()
        self._work = work
        self._begun = threading.Lock()

    def do(self) -> bool:
        """Do it and return True, unless somebody has begun."""
        if not self._begun.acquire(blocking=False):
            return False
        try:
            self.set_result(self._work())
        except BaseException as error:
            # Raised where the result is asked for, Ctrl-C in the owner's share too.
            self.set_exception(error)
        return True


class _Beside(forks.Resettable):
    """A thread that has the cipher's work done while its owner reads and writes.

    The owner does of it what nobody has begun while it would wait, where the engine may use more threads than one.
    """

    def __init__(self, engine: Executor) -> None:
        super().__init__()
        self._ledger = engine.ledger
        self._owner_helps = engine.threads > 1
        self._pool: ThreadPoolExecutor | None = None
        self._tasks: deque[_Task[Any]] = deque()

    def start(self, work: Callable[[], T]) -> Callable[[], T]:
        """Send work on its way; what is returned waits for its result. Results are asked for in order."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="fpga-accel-age")
        task = _Task(lambda: (work(), self._ledger.local.last.value))
        self._tasks.append(task)
        self._pool.submit(task.do)

        def result() -> T:
            self._tasks.popleft()
            while self._owner_helps and not task.done() and any(other.do() for other in reversed(self._tasks)):
                pass
            made, self._ledger.local.last.value = task.result()
            return made

        return result

    def close(self) -> None:
        """End the thread, once it has done what it has begun."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def reset_after_fork(self) -> None:
        """Forget the parent's thread, which does not exist in a child."""
        self._pool = None


class _Plain:
    """Writes whole parts to a file object, of which raw ones may take less at once."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def write(self, data: bytes | memoryview) -> None:
        """Write all of it."""
        streams.write_whole(self._target, data)

    def finish(self) -> None:
        """Write what is behind the file: nothing."""


class _Armored(_Plain):
    """The same as armored text."""

    def __init__(self, target: Any) -> None:
        super().__init__(target)
        self._encoder = armor.Encoder()

    def write(self, data: bytes | memoryview) -> None:
        super().write(self._encoder.encode(data))

    def finish(self) -> None:
        super().write(self._encoder.end())


class _Inlet:
    """Reads from a file object that may give less than was asked for, and looks ahead."""

    def __init__(self, source: Any) -> None:
        self._read = streams.filler_of(source)
        self._held = memoryview(b"")

    def peek(self, size: int) -> bytes:
        """Return up to so many bytes without taking them, fewer only at the end."""
        while len(self._held) < size:
            room = memoryview(bytearray(size - len(self._held)))
            count = self._read(room)
            if not count:
                break
            self._held = memoryview(b"".join((self._held, room[:count])))
        return bytes(self._held[:size])

    def skip(self, size: int) -> None:
        """Take bytes that have been looked at."""
        self._held = self._held[size:]

    def read(self, size: int) -> bytes:
        """Return up to so many bytes, none at the end."""
        room = memoryview(bytearray(size))
        return bytes(room[: self.readinto(room)])

    def readinto(self, room: memoryview) -> int:
        """Put bytes into a buffer and return how many, none at the end."""
        if not self._held:
            return self._read(room)
        part = self._held[: len(room)]
        room[: len(part)] = part
        self._held = self._held[len(part) :]
        return len(part)

    def fill(self, room: memoryview) -> int:
        """Fill a buffer and return its bytes, fewer only at the end."""
        filled = 0
        while filled < len(room) and (count := self.readinto(room[filled:])):
            filled += count
        return filled


class _Dearmored:
    """Gives what armored text holds."""

    def __init__(self, source: _Inlet) -> None:
        self._decoder = armor.Decoder(source.read)
        self._part = memoryview(b"")

    def readinto(self, room: memoryview) -> int:
        """Put bytes into a buffer and return how many, none at the end."""
        if not self._part:
            self._part = memoryview(self._decoder.decode())
        part = self._part[: len(room)]
        room[: len(part)] = part
        self._part = self._part[len(part) :]
        return len(part)


def _inlet_of(source: Any) -> _Inlet:
    inlet = _Inlet(source)
    return _Inlet(_Dearmored(inlet)) if armor.is_armored(inlet.peek(armor.LOOK)) else inlet


def _buffers(size: int, count: int) -> Iterator[memoryview]:
    """Return buffers in turn, each made when it is first needed."""
    made = []
    for _ in range(count):
        made.append(file_buffer(size))
        yield made[-1]
    yield from itertools.cycle(made)
