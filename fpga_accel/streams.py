"""File objects that compress and decompress: streams of any length, in bounded memory."""

from __future__ import annotations

import builtins
import errno
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from os import PathLike, fspath
from typing import IO, Any, TypeVar

from fpga_accel.accelerator import Accelerator, default_accelerator
from fpga_accel.errors import ConcurrentUseError, TruncatedError
from fpga_accel.operations import registry
from fpga_accel.operations.buffers import Flat, flat, flat_writable
from fpga_accel.operations.codecs import START, pass_skippable
from fpga_accel.operations.contract import Operation
from fpga_accel.runtime import forks
from fpga_accel.runtime.buffers import file_buffer

T = TypeVar("T")

# Bytes read from the file at once.
_CHUNK = 1 << 20
# Work below this is done sooner than a thread is started for it.
_SHORT = 256 << 10
# And copied at once.
_COPY = 4 << 20


def open(
    file: str | bytes | PathLike[Any] | IO[bytes] | io.RawIOBase,
    mode: str = "rb",
    format: str | None = None,
    *,
    accelerator: Accelerator | None = None,
    max_output: int | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    **options: Any,
) -> Any:
    """Open a compressed file.

    Parameters
    ----------
    file
        A path, or a binary file object, which stays open when the stream is closed.
    mode
        ``"r"``, ``"w"``, ``"x"`` or ``"a"``, with ``"b"`` (the default) or ``"t"``. ``"a"`` is not for zlib and
        deflate, whose readers take one stream.
    format
        None tells it by the first bytes on reading, and on writing by the name's ending, else lz4.
    accelerator
        Where the work runs; by default the shared one.
    max_output
        Most bytes to read.
    encoding, errors, newline
        Of text modes, as in `io.TextIOWrapper`.
    options
        Of the format on writing, such as ``level=``, ``block_size=``, ``content_checksum=``.

    Returns
    -------
    Reader, Writer or io.TextIOWrapper
        One thread at a time may use it.

    Raises
    ------
    ValueError
        Unknown mode, format or option, or ``"a"`` with a format that cannot be appended to.

    Examples
    --------
    >>> held = io.BytesIO()
    >>> with open(held, "wb", "lz4", accelerator=Accelerator("cpu")) as stream:
    ...     stream.write(b"line" * 1000)
    4000
    >>> with open(io.BytesIO(held.getvalue()), accelerator=Accelerator("cpu")) as stream:
    ...     stream.read(8)
    b'lineline'
    """
    direction, text = _parsed(mode)
    if not text and (encoding is not None or errors is not None or newline is not None):
        raise ValueError(f"encoding, errors and newline belong to text modes, not {mode!r}")
    acc = accelerator or default_accelerator()
    given = {name: value for name, value in options.items() if value is not None}
    if direction == "r" and given:
        raise ValueError(f"options {sorted(given)} are for writing")
    if direction != "r" and max_output is not None:
        raise ValueError("max_output is for reading")
    if direction != "r":
        # Checked before a file is made or emptied.
        name = format or format_by_name(file)
        joins = registry.streaming(name).joins
        if direction == "a" and not joins:
            raise ValueError(f"{name} streams cannot be joined, so mode 'a' would make a file that nobody reads")
        compress = registry.find("compress", name).settings(**given)
    opened, owned = _opened(file, direction)
    try:
        if direction == "r":
            stream: Reader | Writer = Reader(opened, format, acc, max_output, owned=owned)
        else:
            stream = Writer(opened, name, acc, compress, owned=owned)
    except BaseException:
        if owned:
            opened.close()
        raise
    return io.TextIOWrapper(stream, encoding, errors, newline) if text else stream


def write_whole(file: Any, data: bytes | memoryview) -> None:
    """Write all of a buffer to a file object.

    Raises
    ------
    BlockingIOError
        It is a raw file that does not block, and takes nothing now.
    """
    view = memoryview(data)
    while view:
        count = file.write(view)
        if count is None and isinstance(file, io.RawIOBase):
            raise BlockingIOError(errno.EAGAIN, "the file does not block, and takes nothing now", 0)
        # Raw files may take less than all; others take all and may say nothing.
        view = view[len(view) if count is None else count :]


def copied(source: Any, target: Any, advanced: Callable[[int], object] | None = None) -> int:
    """Copy all of a file object into another in bounded memory and return the bytes.

    `advanced` is told how many have been copied so far.
    """
    fill, count, buffer = filler_of(source), 0, file_buffer(_COPY)
    while size := fill(buffer):
        target.write(buffer[:size])
        count += size
        if advanced is not None:
            advanced(count)
    return count


def filler_of(source: Any) -> Callable[[memoryview], int]:
    """Return what puts bytes of a file object into a buffer and tells how many, 0 at the end."""
    readinto = getattr(source, "readinto", None)
    if readinto is not None:
        return lambda room: _there(readinto(room))
    read = source.read

    def fill(room: memoryview) -> int:
        data = _there(read(len(room)))
        room[: len(data)] = data
        return len(data)

    return fill


def _there(given: T | None) -> T:
    """Return what a file gave; None is not its end, but that it has nothing yet."""
    if given is None:
        raise BlockingIOError(errno.EAGAIN, "a file that does not block gives nothing yet; make it block")
    return given


def _parsed(mode: str) -> tuple[str, bool]:
    direction, kind = mode[:1], mode[1:]
    if direction not in ("r", "w", "x", "a") or kind not in ("", "b", "t"):
        raise ValueError(f"mode {mode!r}; legal ones are r, w, x and a, each with b or t")
    return direction, kind == "t"


def format_by_name(file: object) -> str:
    """Tell the format of a file to be written by its name's ending; lz4 where that tells nothing."""
    name = fspath(file) if isinstance(file, str | bytes | PathLike) else ""
    text = name.decode(errors="replace") if isinstance(name, bytes) else name
    return next((found for suffix, found in registry.SUFFIXES.items() if text.endswith(suffix)), "lz4")


def _opened(file: Any, direction: str) -> tuple[IO[bytes], bool]:
    if isinstance(file, str | bytes | PathLike):
        return builtins.open(file, f"{direction}b"), True
    if not hasattr(file, "read" if direction == "r" else "write"):
        raise TypeError(f"file must be a path or a binary file object, not {type(file).__name__}")
    return file, False


class _OneOwner:
    """Turns use by two threads at once into an error."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Hold the stream for one operation."""
        if not self._lock.acquire(blocking=False):
            raise ConcurrentUseError(
                "two threads use one stream at the same time", hint="give each thread its own, or lock around it"
            )
        try:
            yield
        finally:
            self._lock.release()


class Source:
    """Exact reads from a file object that may return less than was asked for."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._held = b""
        self._at = 0
        self.taken = 0

    def _fill(self, count: int) -> int:
        """Hold `count` bytes if there are so many; return how many are held."""
        held = len(self._held) - self._at
        if held >= count:
            return held
        parts = [self._held[self._at :]]
        while held < count:
            data = self._file.read(max(_CHUNK, count - held))
            if not data:
                break
            parts.append(bytes(data))
            held += len(data)
        self._held, self._at = b"".join(parts), 0
        return held

    def peek(self, count: int) -> bytes:
        """Return up to `count` bytes without taking them; fewer only at the end."""
        self._fill(count)
        return self._held[self._at : self._at + count]

    def take(self, count: int) -> bytes:
        """Return exactly `count` bytes.

        Raises
        ------
        TruncatedError
            There are fewer.
        """
        held = self._fill(count)
        if held < count:
            raise TruncatedError(f"the stream ends {count - held} bytes too early")
        taken = self._held[self._at : self._at + count]
        self._at += count
        self.taken += count
        return taken


class _Beside(forks.Resettable):
    """A thread that does the calls of a stream while its owner reads and writes the file."""

    def __init__(self, acc: Accelerator, operation: Operation[Any]) -> None:
        super().__init__()
        self._engine = acc.engine
        self._operation = operation
        self._pool: ThreadPoolExecutor | None = None

    def start(self, data: Flat, options: Any) -> Callable[[], bytes]:
        """Send a call on its way; what is returned waits for its result."""
        future = self._submitted(data, options) if len(data) >= _SHORT else None
        if future is None:
            made = self._engine.one(self._operation, options, data)
            return lambda: made

        def result() -> bytes:
            made, self._engine.ledger.local.last.value = future.result()
            return made

        return result

    def _submitted(self, data: Flat, options: Any) -> Future[tuple[bytes, Any]] | None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="fpga-accel-stream")
        try:
            return self._pool.submit(self._done, data, options)
        except RuntimeError:
            # The interpreter is ending: a stream that nobody closed is closed now.
            return None

    def _done(self, data: Flat, options: Any) -> tuple[bytes, Any]:
        return self._engine.one(self._operation, options, data), self._engine.ledger.local.last.value

    def close(self) -> None:
        """End the thread."""
        if self._pool is not None:
            self._pool.shutdown()

    def reset_after_fork(self) -> None:
        """Forget the parent's thread, which does not exist in a child."""
        self._pool = None


class Reader(io.BufferedIOBase):
    """Decompresses what it reads; made by `open`."""

    def __init__(
        self, file: IO[bytes], format: str | None, acc: Accelerator, max_output: int | None, *, owned: bool
    ) -> None:
        super().__init__()
        self._file = file
        self._owned = owned
        self._owner = _OneOwner()
        self._chunk = memoryview(b"")
        self._beside: _Beside | None = None
        self._source = Source(file)
        self._format = format
        if format is not None:
            registry.streaming(format)
        self._acc = acc
        self._max_output = max_output
        self._chunks: Iterator[bytes] | None = None
        # What ended the decoding, other than the end of the stream.
        self._failure: BaseException | None = None
        self._position = 0

    @property
    def format(self) -> str | None:
        """The format, once something has been read."""
        return self._format

    def readable(self) -> bool:
        """Return True."""
        self._check_open()
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes, all of the rest by default; b"" at the end."""
        with self._owner.owned():
            self._check_open()
            wanted = -1 if size is None else size
            parts: list[memoryview] = []
            while wanted and self._ready():
                part = self._chunk if wanted < 0 else self._chunk[:wanted]
                self._advance(len(part))
                wanted -= len(part) if wanted > 0 else 0
                parts.append(part)
            return b"".join(parts)

    def read1(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes of what is decoded already, decoding more only if there is nothing."""
        with self._owner.owned():
            self._check_open()
            if not size or not self._ready():
                return b""
            part = bytes(self._chunk if size < 0 else self._chunk[:size])
            self._advance(len(part))
            return part

    def readinto(self, buffer: Any, /) -> int:
        """Read into a writable buffer, as much as there is and fits."""
        with self._owner.owned():
            self._check_open()
            out = flat_writable(buffer)
            filled = 0
            while filled < len(out) and self._ready():
                part = self._chunk[: len(out) - filled]
                out[filled : filled + len(part)] = part
                self._advance(len(part))
                filled += len(part)
            return filled

    def peek(self, size: int = 0, /) -> bytes:
        """Return bytes without moving on; at least one unless at the end."""
        with self._owner.owned():
            self._check_open()
            return bytes(self._chunk[: max(size, 8192)]) if self._ready() else b""

    def tell(self) -> int:
        """Return how many bytes have been read."""
        self._check_open()
        return self._position

    def close(self) -> None:
        """Close the stream, and the file if it was opened by name."""
        if self.closed:
            return
        try:
            if self._owned:
                self._file.close()
        finally:
            self._chunk = memoryview(b"")
            self._chunks = None
            # Its traceback leads back to the stream.
            self._failure = None
            if self._beside is not None:
                self._beside.close()
            super().close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _ready(self) -> bool:
        """Have a chunk with bytes in it; False at the end."""
        while not len(self._chunk):
            chunk = self._next()
            if chunk is None:
                return False
            self._chunk = memoryview(chunk)
        return True

    def _next(self) -> bytes | None:
        # After a failure nothing comes from the decoder any more, which would look like the end.
        if isinstance(self._failure, Exception):
            raise self._failure
        if self._failure is not None:
            raise ValueError("an earlier read of this stream was broken off") from self._failure
        try:
            if self._chunks is None:
                self._chunks = self._decoding()
            return next(self._chunks, None)
        except BaseException as error:
            self._failure = error
            raise

    def _advance(self, count: int) -> None:
        self._chunk = self._chunk[count:]
        self._position += count

    def _decoding(self) -> Iterator[bytes]:
        if self._format is None:
            pass_skippable(self._source)
        start = self._source.peek(START)
        if not start and self._position == 0 and self._source.taken:
            # Nothing but skippable frames.
            return iter(())
        name = self._format or registry.format_of_start(start)
        if name is None:
            raise registry.unknown_start(start)
        self._format = name
        self._beside = _Beside(self._acc, registry.find("decompress", name))
        return registry.streaming(name).decoder(self._source, self._beside.start, self._max_output)


class Writer(io.BufferedIOBase):
    """Compresses what is written to it; made by `open`."""

    def __init__(self, file: IO[bytes], format: str, acc: Accelerator, options: Any, *, owned: bool) -> None:
        super().__init__()
        self._file = file
        self._owned = owned
        self._owner = _OneOwner()
        self._beside = _Beside(acc, registry.find("compress", format))
        self._encoder = registry.streaming(format).encoder(options, self._beside.start)
        # Waits for the blocks of the slab that is on its way.
        self._waiting: Callable[[], bytes | memoryview] | None = None
        self._pending = bytearray()
        self._position = 0
        self._begun = False
        # Content is missing from here on.
        self._failure: BaseException | None = None

    def writable(self) -> bool:
        """Return True."""
        self._check_open()
        return True

    def write(self, data: Any, /) -> int:
        """Take all of a buffer and return its size in bytes.

        Raises
        ------
        ValueError
            An earlier write or flush failed: content is missing, and the stream gets no end.
        """
        with self._owner.owned():
            self._check_open()
            view = memoryview(flat(data))
            with self._whole():
                self._take(view)
            return len(view)

    def _take(self, view: memoryview) -> None:
        slab, rest = self._encoder.slab, view
        if self._pending:
            missing = slab - len(self._pending)
            self._pending += view[:missing]
            rest = view[missing:]
            if len(self._pending) == slab:
                self._emit_pending()
        while len(rest) >= slab:
            # The caller's memory may change before the slab is done.
            self._emit(bytes(rest[:slab]))
            rest = rest[slab:]
        self._pending += rest
        self._position += len(view)

    def flush(self) -> None:
        """Compress and write what is pending; often, this costs ratio."""
        with self._owner.owned():
            self._check_open()
            with self._whole():
                self._emit_all()
            if hasattr(self._file, "flush"):
                self._file.flush()

    def tell(self) -> int:
        """Return how many bytes have been written to the stream."""
        self._check_open()
        return self._position

    def close(self) -> None:
        """End the frame, unless a write has failed, and close the file if it was opened by name."""
        if self.closed:
            return
        with self._owner.owned():
            try:
                # With an end, what lacks content would pass for the whole.
                if self._failure is None:
                    self._emit_all()
                    self._put(self._encoder.end())
            finally:
                self._beside.close()
                try:
                    if self._owned:
                        self._file.close()
                finally:
                    self._pending, self._waiting, self._failure = bytearray(), None, None
                    # Not IOBase.close, which would flush once more.
                    self._closed = True

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return getattr(self, "_closed", False)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Refuse to go on where content is missing, and remember a failure that loses some."""
        if self._failure is not None:
            raise ValueError("an earlier write to this stream failed: content is missing") from self._failure
        try:
            yield
        except BaseException as error:
            self._failure = error
            raise

    def _emit_all(self) -> None:
        if self._pending:
            self._emit_pending()
        self._settle()
        self._begin()

    def _emit_pending(self) -> None:
        content, self._pending = self._pending, bytearray()
        self._emit(memoryview(content))

    def _emit(self, content: Flat) -> None:
        self._begin()
        following = self._encoder.start(content)
        self._settle()
        self._waiting = following

    def _settle(self) -> None:
        """Write the slab that is on its way."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._put(waiting())

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._put(self._encoder.begin())

    def _put(self, data: bytes | memoryview) -> None:
        write_whole(self._file, data)
