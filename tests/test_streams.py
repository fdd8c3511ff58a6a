"""File objects of `fpga_accel.open`: round trips, foreign streams, bounded memory, damage, and one owner."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import frames
import lz4.frame
import pytest
import sizes

import fpga_accel as fa
from fpga_accel.operations import lz4_stream

TEXT = sizes.text(700_000)
# Several slabs of blocks, so that history and hashes are carried from one to the next.
SLAB = 1 << 18


@pytest.fixture(autouse=True)
def small_slabs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lz4_stream, "SLAB", SLAB)
    monkeypatch.setattr(lz4_stream, "_BLOCKS", 1)


def written(acc: fa.Accelerator, *parts: bytes, **options: Any) -> bytes:
    held = io.BytesIO()
    with fa.open(held, "wb", accelerator=acc, **options) as stream:
        for part in parts:
            assert stream.write(part) == len(part)
        assert stream.tell() == sum(map(len, parts))
    assert not held.closed
    return held.getvalue()


def read(acc: fa.Accelerator, data: bytes, **options: Any) -> bytes:
    with fa.open(io.BytesIO(data), accelerator=acc, **options) as stream:
        content: bytes = stream.read()
        assert stream.tell() == len(content)
        assert stream.read() == b""
    return content


@pytest.mark.parametrize("size", [0, 1, SLAB - 1, SLAB, SLAB + 1, len(TEXT)])
@pytest.mark.parametrize("options", [{}, {"content_checksum": True, "block_checksum": True, "block_size": 64 << 10}])
def test_what_is_written_is_standard_and_comes_back(acc: fa.Accelerator, size: int, options: dict[str, Any]) -> None:
    frame = written(acc, TEXT[:size], **options)
    assert lz4.frame.decompress(frame) == TEXT[:size]
    assert read(acc, frame) == TEXT[:size]


def test_parts_and_flushes_do_not_change_the_content(acc: fa.Accelerator) -> None:
    held = io.BytesIO()
    with fa.open(held, "wb", accelerator=acc) as stream:
        for start in range(0, len(TEXT), 99_991):
            stream.write(memoryview(TEXT)[start : start + 99_991])
            stream.flush()
            assert len(held.getvalue()) > 7
    assert lz4.frame.decompress(held.getvalue()) == TEXT


@pytest.mark.parametrize("linked", [False, True], ids=["independent", "linked"])
@pytest.mark.parametrize("checked", [False, True], ids=["unchecked", "checked"])
@pytest.mark.parametrize("sized", [False, True], ids=["unsized", "sized"])
def test_frames_of_the_library_are_read(acc: fa.Accelerator, linked: bool, checked: bool, sized: bool) -> None:
    options = {"block_linked": linked, "content_checksum": checked, "block_checksum": checked, "store_size": sized}
    first, second = (lz4.frame.compress(part, block_size=4, **options) for part in (TEXT, b"the second frame"))
    skippable = frames.skippable(b"passed over" * 1000)
    assert read(acc, skippable + first + skippable + second + skippable) == TEXT + b"the second frame"


def test_legacy_frames_are_read(acc: fa.Accelerator) -> None:
    legacy = frames.legacy(TEXT[:300_000])
    assert read(acc, legacy + lz4.frame.compress(b"after it")) == TEXT[:300_000] + b"after it"


def test_all_ways_of_reading_agree(acc: fa.Accelerator) -> None:
    frame = written(acc, TEXT)

    def opened() -> Any:
        return fa.open(io.BytesIO(frame), accelerator=acc)

    with opened() as stream:
        assert stream.readable()
        assert not stream.seekable()
        assert stream.peek(10).startswith(TEXT[:10])
        head = stream.read(7) + stream.read1(5) + stream.read(0)
        buffer = bytearray(300_000)
        count = stream.readinto(buffer)
        assert head + buffer[:count] + stream.read() == TEXT
    with opened() as stream:
        assert b"".join(iter(lambda: stream.read(65_537), b"")) == TEXT
    with opened() as stream:
        assert b"".join(stream) == TEXT
    with fa.open(io.BytesIO(frame), "rt", accelerator=acc, encoding="latin-1", newline="") as text:
        assert text.read() == TEXT.decode("latin-1")


def test_paths_modes_and_suffixes(acc: fa.Accelerator, tmp_path: Path) -> None:
    path = tmp_path / "file.lz4"
    with fa.open(path, "xt", accelerator=acc, encoding="utf-8") as stream:
        stream.write("zeile äöü\n")
    with fa.open(str(path), "ab", accelerator=acc) as stream:
        stream.write(b"a second frame")
    with fa.open(path, accelerator=acc) as stream:
        assert stream.read() == "zeile äöü\n".encode() + b"a second frame"
    with pytest.raises(FileExistsError):
        fa.open(path, "x", accelerator=acc)
    kept = path.read_bytes()
    with pytest.raises(ValueError, match="block_size"):
        fa.open(path, "wb", accelerator=acc, block_size=5)
    assert path.read_bytes() == kept, "refused before the file is emptied"


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("r+",), {}),
        (("rbt",), {}),
        (("",), {}),
        (("rb",), {"level": 1}),
        (("wb",), {"max_output": 5}),
        (("rb",), {"encoding": "utf-8"}),
        (("rb", "nonesuch"), {}),
        (("wb", "nonesuch"), {}),
        (("ab", "zlib"), {}),
        (("ab", "deflate"), {}),
    ],
)
def test_illegal_arguments_are_refused(arguments: tuple[str, ...], options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        fa.open(io.BytesIO(), *arguments, **options)


def test_no_file_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="path or a binary file object"):
        fa.open(5)  # type: ignore[arg-type]


def test_damage_is_a_typed_error_at_every_offset(acc: fa.Accelerator) -> None:
    content = sizes.text(3000)
    frame = lz4.frame.compress(content, content_checksum=True, block_size=4)
    for end in range(len(frame)):
        with pytest.raises((fa.TruncatedError, fa.FormatError)):
            read(acc, frame[:end], format="lz4")
    for offset in range(0, len(frame), 7):
        changed = bytearray(frame)
        changed[offset] ^= 0x55
        with pytest.raises((fa.FormatError, fa.IntegrityError)):
            read(acc, bytes(changed), format="lz4")


def test_max_output_holds_over_frames(acc: fa.Accelerator) -> None:
    two = written(acc, TEXT) + written(acc, TEXT)
    assert read(acc, two, max_output=2 * len(TEXT)) == TEXT * 2
    with pytest.raises(fa.OutputLimitError):
        read(acc, two, max_output=2 * len(TEXT) - 1)


@pytest.mark.parametrize("format", ["lz4", "snappy", "zstd", "gzip", "bgzf", "zlib"])
def test_an_error_does_not_turn_into_the_end(acc: fa.Accelerator, format: str) -> None:
    cut = written(acc, TEXT, format=format)[:-9]
    with fa.open(io.BytesIO(cut), format=format, accelerator=acc) as stream:
        uses = (stream.read, stream.read1, stream.peek, lambda: stream.readinto(bytearray(5)), stream.readline)
        # What is decoded already may be read first.
        with pytest.raises(fa.TruncatedError):
            list(iter(lambda: stream.read(1000), b""))
        for use in uses:
            with pytest.raises(fa.TruncatedError, match=r"\w"):
                use()
    limited = fa.open(io.BytesIO(written(acc, TEXT, format=format)), accelerator=acc, format=format, max_output=9)
    for _ in range(3):
        with pytest.raises(fa.OutputLimitError):
            limited.read()
    limited.close()
    with fa.open(io.BytesIO(b"nonsense"), accelerator=acc) as stream:
        for _ in range(2):
            with pytest.raises(fa.FormatError):
                stream.read()


def test_a_read_that_is_interrupted_does_not_turn_into_the_end(acc: fa.Accelerator) -> None:
    class Interrupted(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise SystemExit
            return super().read(10)

    stream = fa.open(Interrupted(written(acc, TEXT)), accelerator=acc)
    with pytest.raises(SystemExit):
        stream.read()
    with pytest.raises(ValueError, match="broken off"):
        stream.read()
    stream.close()


class Failing(io.RawIOBase):
    """A file whose write number `at` fails: it raises, or says that it would block."""

    def __init__(self, at: int, *, blocks: bool) -> None:
        super().__init__()
        self.data, self.writes = b"", 0
        self._at, self._blocks = at, blocks

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int | None:
        self.writes += 1
        if self.writes == self._at:
            if self._blocks:
                return None
            raise OSError("no room")
        self.data += bytes(data)
        return len(data)


def flushed(stream: Any) -> None:
    for _ in range(4):
        stream.write(TEXT)
        stream.flush()


@pytest.mark.parametrize("format", ["lz4", "snappy", "zstd", "gzip", "bgzf"])
@pytest.mark.parametrize("blocks", [False, True], ids=["raises", "would block"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_nothing_follows_a_write_that_failed(acc: fa.Accelerator, format: str, blocks: bool, at: int) -> None:
    target = Failing(at, blocks=blocks)
    stream = fa.open(target, "wb", format, accelerator=acc)
    with pytest.raises(OSError, match="takes nothing" if blocks else "no room"):
        flushed(stream)
    kept = target.data
    for use in (lambda: stream.write(b"more"), stream.flush):
        with pytest.raises(ValueError, match="earlier write") as refused:
            use()
        assert isinstance(refused.value.__cause__, OSError)
    stream.close()
    assert stream.closed
    assert target.data == kept, "neither content nor an end"


def test_work_that_failed_leaves_a_file_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.lz4"
    with fa.Accelerator("cpu") as acc:
        stream = fa.open(path, "wb", accelerator=acc)
        stream.write(TEXT)
        with monkeypatch.context() as patch:
            patch.setattr(acc.engine, "one", failed)
            with pytest.raises(fa.DeviceError):
                stream.flush()
        with pytest.raises(ValueError, match="earlier write"):
            stream.write(TEXT)
        stream.close()
    with pytest.raises(fa.TruncatedError), fa.open(path) as reader:
        reader.read()


def failed(*_: object) -> bytes:
    raise fa.DeviceError("the device is gone")


def test_data_of_a_wrong_type_breaks_nothing(acc: fa.Accelerator) -> None:
    held = io.BytesIO()
    with fa.open(held, "wb", accelerator=acc) as stream:
        with pytest.raises(TypeError):
            stream.write("text")
        stream.write(b"bytes")
    assert lz4.frame.decompress(held.getvalue()) == b"bytes"


class Endless(io.RawIOBase):
    """A file that counts what is asked of it."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = io.BytesIO(data)
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        count = self.data.readinto(memoryview(buffer)[:50_000])
        self.taken += count
        return count


def test_reading_takes_no_more_than_it_needs(acc: fa.Accelerator) -> None:
    frame = written(acc, *([sizes.noise(SLAB)] * 40))
    source = Endless(frame)
    with fa.open(source, accelerator=acc) as stream:
        assert len(stream.read(1000)) == 1000
        assert source.taken < len(frame) / 3


def test_a_closed_stream_says_so(acc: fa.Accelerator) -> None:
    writer = fa.open(io.BytesIO(), "wb", accelerator=acc)
    writer.close()
    writer.close()
    reader = fa.open(io.BytesIO(written(acc, b"x")), accelerator=acc)
    reader.close()
    uses: list[Callable[[], Any]] = [lambda: writer.write(b"x"), writer.flush, reader.read, reader.peek]
    for use in uses:
        with pytest.raises(ValueError, match="closed file"):
            use()


def test_two_threads_at_once_are_an_error() -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def write(self, data: Any, /) -> int:
            entered.set()
            leave.wait(10)
            return super().write(data)

    with fa.Accelerator("cpu") as acc:
        stream = fa.open(Slow(), "wb", accelerator=acc)
        thread = threading.Thread(target=stream.write, args=(TEXT,))
        thread.start()
        assert entered.wait(10)
        with pytest.raises(fa.ConcurrentUseError):
            stream.write(b"x")
        leave.set()
        thread.join()
        stream.close()


def test_a_stream_that_nobody_closed_is_closed_at_the_end_of_the_interpreter(tmp_path: Path) -> None:
    code = """
import sys
import fpga_accel as fa
stream = fa.open(sys.argv[1], "wb", accelerator=fa.Accelerator("cpu"))
stream.write(b"line of text " * 300_000)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "left.lz4")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert lz4.frame.decompress((tmp_path / "left.lz4").read_bytes()) == b"line of text " * 300_000
