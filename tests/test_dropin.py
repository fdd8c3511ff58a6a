"""Drop-ins beside what they stand in for: the standard's own tests, and both sides on the same data."""

from __future__ import annotations

import copy
import gzip as standard_gzip
import importlib
import importlib.util
import io
import json
import pickle
import subprocess
import sys
import zlib as standard_zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import children
import cramjam
import lz4.frame as stock_lz4
import pytest
import required
import sizes
from hypothesis import given
from hypothesis import strategies as st

import fpga_accel as fa
from fpga_accel.dropin import gzip, lz4_frame, slabs, snappy, zlib, zstd

standard_zstd: Any = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

TEXT = sizes.text(300_000)
# More than a slab of each stream.
LARGE = sizes.text(9 << 20)

# ---- the standard's own tests ----

# What cannot pass, with the reason; a pass of it is a failure too.
EXPECTED_FAILURES = {
    "test_gzip.TestGzip.test_prepend_error": "reaches into the private `_fp` of the standard's reader",
}

RUNNER = """
    import importlib, json, os, sys, unittest
    name = sys.argv[1]
    module = importlib.import_module("fpga_accel.dropin." + name)
    sys.modules[name] = module
    tests = importlib.import_module("test.test_" + name)

    def swapped(words):
        return tuple(module.__name__ if word == name else word for word in words)

    if name == "gzip":
        from test.support import script_helper
        popen, ok, failure = tests.Popen, script_helper.assert_python_ok, script_helper.assert_python_failure
        tests.Popen = lambda words, **options: popen(swapped(words), **options)
        # With a variable that is named, the children are not cut off from the environment.
        seen = {"__isolated": False, "PYTHONPATH": os.environ["PYTHONPATH"]}
        tests.assert_python_ok = lambda *words: ok(*swapped(words), **seen)
        tests.assert_python_failure = lambda *words: failure(*swapped(words), **seen)

    class Result(unittest.TestResult):
        passed = ()
        def addSuccess(self, test):
            self.passed += (test.id(),)

    result = Result()
    unittest.defaultTestLoader.loadTestsFromModule(tests).run(result)
    failed = {test.id(): text for test, text in result.failures + result.errors}
    print(json.dumps({"run": result.testsRun, "passed": result.passed, "failed": failed}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gzip", "zlib"])
def test_the_standards_own_tests_pass(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("test") is None or importlib.util.find_spec(f"test.test_{name}") is None:
        required.missing("python-tests", f"this Python has no test.test_{name}")
    # They make files in their folder.
    monkeypatch.chdir(tmp_path)
    out, _ = children.run(RUNNER, name, FPGA_ACCEL_DEVICE="cpu")
    told = json.loads(out.splitlines()[-1])
    short = {test.removeprefix("test."): text for test, text in told["failed"].items()}
    unexpected = {test: text for test, text in short.items() if test not in EXPECTED_FAILURES}
    assert not unexpected, "\n".join(unexpected.values())
    passed = {test.removeprefix("test.") for test in told["passed"]}
    assert passed.isdisjoint(EXPECTED_FAILURES)
    assert {test for test in EXPECTED_FAILURES if test.startswith(f"test_{name}.")} <= set(short)
    assert told["run"] >= 60


# ---- both sides on the same data ----


def outcome(call: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[Any, ...]:
    """What a call returns, or the class of what it raises."""
    try:
        return ("returned", call(*arguments, **options))
    except Exception as error:
        return ("raised", type(error))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in pieces, some of which may be empty."""
    ends = sorted(place % (len(data) + 1) for place in places)
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


CONTENT = st.binary(max_size=300) | st.builds(lambda size: TEXT[:size], st.integers(0, 20_000))
PLACES = st.lists(st.integers(0, 1 << 20), max_size=6)
FLUSHES = st.lists(
    st.sampled_from([None, zlib.Z_NO_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_PARTIAL_FLUSH]), max_size=7
)


@given(CONTENT, PLACES, FLUSHES, st.integers(-1, 9), st.sampled_from([-15, -9, 9, 15, 25, 31]))
def test_compressobj_in_pieces(
    content: bytes, places: list[int], flushes: list[int | None], level: int, wbits: int
) -> None:
    made = zlib.compressobj(level, wbits=wbits)
    parts = []
    for number, piece in enumerate(cut(content, places)):
        parts.append(made.compress(piece))
        flush = flushes[number] if number < len(flushes) else None
        if flush is not None:
            parts.append(made.flush(flush))
            if flush in (zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH):
                sofar = standard_zlib.decompressobj(wbits).decompress(b"".join(parts))
                assert content.startswith(sofar)
                assert len(sofar) == sum(map(len, cut(content, places)[: number + 1]))
    parts.append(made.flush())
    assert standard_zlib.decompress(b"".join(parts), wbits) == content


@given(CONTENT, PLACES, st.integers(0, 400), st.sampled_from([-15, 15, 31, 47]), st.binary(max_size=20))
def test_decompressobj_in_pieces(content: bytes, places: list[int], most: int, wbits: int, behind: bytes) -> None:
    packing = standard_zlib.compressobj(6, wbits=15 if wbits == 47 else wbits)
    data = packing.compress(content) + packing.flush() + behind
    ours, theirs = zlib.decompressobj(wbits), standard_zlib.decompressobj(wbits)
    got, expected = b"", b""
    for piece in cut(data, places):
        got += ours.decompress(ours.unconsumed_tail + piece, most)
        expected += theirs.decompress(theirs.unconsumed_tail + piece, most)
    got += ours.flush()
    expected += theirs.flush()
    assert got == expected == content
    assert (ours.eof, ours.unused_data, ours.unconsumed_tail) == (
        theirs.eof,
        theirs.unused_data,
        theirs.unconsumed_tail,
    )


@given(st.binary(max_size=80), st.sampled_from([-15, 15, 31, 47, 12, 0, 100]))
def test_bad_data_raises_what_the_standard_raises(data: bytes, wbits: int) -> None:
    assert outcome(zlib.decompress, data, wbits) == outcome(standard_zlib.decompress, data, wbits)
    assert outcome(gzip.decompress, data) == outcome(standard_gzip.decompress, data)


@pytest.mark.parametrize("wbits", [-15, 15, 31])
def test_every_cut_and_flip_is_an_error_of_the_standards(wbits: int) -> None:
    data = zlib.compress(TEXT[:200], 6, wbits)
    for end in range(len(data)):
        with pytest.raises(standard_zlib.error, match=r"Error -5|incomplete"):
            zlib.decompress(data[:end], wbits)
        flipped = bytearray(data)
        flipped[end] ^= 0x10
        assert outcome(zlib.decompress, flipped, wbits) == outcome(standard_zlib.decompress, flipped, wbits)
        if wbits == 31:
            assert outcome(gzip.decompress, flipped) == outcome(standard_gzip.decompress, flipped)
            assert outcome(read_gzip, gzip, bytes(flipped)) == outcome(read_gzip, standard_gzip, bytes(flipped))
            assert outcome(gzip.decompress, data[:end]) == outcome(standard_gzip.decompress, data[:end])


def read_gzip(module: Any, data: bytes) -> bytes:
    with module.open(io.BytesIO(data)) as stream:
        content: bytes = stream.read()
    return content


@pytest.mark.parametrize("level", [-1, 0, 1, 4, 6, 9])
def test_one_call_each_way(level: int) -> None:
    for data in (b"", b"a", TEXT, bytearray(TEXT), memoryview(TEXT), LARGE):
        for wbits in (-15, 15, 31):
            made = zlib.compress(data, level, wbits)
            assert standard_zlib.decompress(made, wbits) == data
            assert zlib.decompress(made, wbits) == data
        made = gzip.compress(data, level, mtime=5)
        assert made[4:8] == b"\x05\0\0\0"
        assert standard_gzip.decompress(made) == gzip.decompress(made) == data


@pytest.mark.parametrize("call", ["compress", "compressobj"])
def test_illegal_levels(call: str) -> None:
    arguments = (b"",) if call == "compress" else ()
    for level in (-2, 10, 2**40, "1"):
        assert outcome(getattr(zlib, call), *arguments, level) == outcome(
            getattr(standard_zlib, call), *arguments, level
        )


@given(CONTENT, st.integers(-(2**33), 2**33))
def test_checksums_go_on_from_any_number(content: bytes, value: int) -> None:
    assert zlib.crc32(content, value) == standard_zlib.crc32(content, value)
    masked = value & 0xFFFFFFFF
    start = standard_zlib.adler32(b"x", masked % 65521)
    assert zlib.adler32(content, start) == standard_zlib.adler32(content, start)


def test_large_checksums() -> None:
    assert zlib.crc32(LARGE) == standard_zlib.crc32(LARGE)
    assert zlib.crc32(LARGE, -5) == standard_zlib.crc32(LARGE, -5)
    assert zlib.adler32(LARGE, 77) == standard_zlib.adler32(LARGE, 77)
    assert fa.default_accelerator().last_receipt is not None


@pytest.mark.parametrize("value", [-1, 0xFFFF, 0xFFF1, 0xFFF10000, 2**32 + 0xFFF2])
def test_large_checksums_go_on_from_what_is_no_checksum(value: int) -> None:
    assert zlib.adler32(LARGE, value) == standard_zlib.adler32(LARGE, value)


def test_what_is_missing_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def failed(*_: object) -> bytes:
        raise fa.DeviceError("the device is gone")

    stream = slabs.Slabs("lz4")
    stream.compress(TEXT)
    with monkeypatch.context() as patch:
        patch.setattr(fa.default_accelerator().engine, "one", failed)
        with pytest.raises(fa.DeviceError):
            stream.flush()
    with pytest.raises(ValueError, match="earlier write"):
        stream.finish()


def test_objects_copy_and_do_not_pickle() -> None:
    first = zlib.compressobj()
    started = first.compress(TEXT)
    second = copy.copy(first)
    assert standard_zlib.decompress(started + first.flush()) == TEXT
    assert standard_zlib.decompress(started + second.compress(b"more") + second.flush()) == TEXT + b"more"
    for made in (zlib.compressobj(), zlib.decompressobj()):
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(made)
        with pytest.raises(TypeError, match="cannot create"):
            type(made)()
    with pytest.raises(standard_zlib.error):
        first.flush()


def test_public_names_are_the_standards() -> None:
    assert {name for name in dir(standard_zlib) if not name.startswith("_")} <= {*zlib.__all__, *dir(standard_zlib)}
    assert zlib.error is standard_zlib.error
    assert gzip.BadGzipFile is standard_gzip.BadGzipFile
    assert set(standard_gzip.__all__) == set(gzip.__all__)
    assert issubclass(gzip.GzipFile, standard_gzip.GzipFile)
    assert issubclass(lz4_frame.LZ4FrameFile, stock_lz4.LZ4FrameFile)
    for module, dropin in ((stock_lz4, lz4_frame), (standard_zstd, zstd)):
        assert {name for name in getattr(module, "__all__", ()) if name != "register_shutil"} <= set(dropin.__all__)


# ---- files ----


@pytest.mark.parametrize(("ours", "theirs"), [(gzip, standard_gzip), (lz4_frame, stock_lz4), (zstd, standard_zstd)])
def test_files_are_read_by_either_side(ours: Any, theirs: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    with ours.open(path, "wb") as stream:
        assert stream.write(LARGE) == len(LARGE)
        stream.flush()
        stream.write(TEXT)
        assert stream.tell() == len(LARGE) + len(TEXT)
    with ours.open(path, "ab") as stream:
        stream.write(b"appended\n")
    content = LARGE + TEXT + b"appended\n"
    for module in (ours, theirs):
        with module.open(path) as stream:
            assert stream.read() == content
            assert stream.read() == b""
    with ours.open(path) as stream:
        assert stream.peek(1)[:1] == content[:1]
        assert stream.read(10) == content[:10]
        assert stream.seek(len(LARGE)) == len(LARGE)
        assert stream.read1(5) == TEXT[:5]
        assert stream.seek(-9, io.SEEK_END) == len(content) - 9
        assert stream.readline() == b"appended\n"
        assert stream.seek(3) == stream.tell() == 3
        buffer = bytearray(100)
        assert stream.readinto(buffer) == 100
        assert buffer == content[3:103]
        assert stream.read() == content[103:]


@given(CONTENT, PLACES, st.integers(1, 5000), st.integers(0, 30))
def test_gzip_members_in_pieces(content: bytes, places: list[int], size: int, padding: int) -> None:
    data = b"".join(standard_gzip.compress(piece, mtime=7) + bytes(padding) for piece in cut(content, places))
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        parts = list(iter(lambda: stream.read(size), b""))
        assert b"".join(parts) == content
        assert stream.mtime == 7
    assert gzip.decompress(data) == content


@pytest.mark.parametrize("module", [gzip, lz4_frame, zstd])
def test_truncated_files_end_in_eoferror(module: Any) -> None:
    held = io.BytesIO()
    with module.open(held, "wb") as stream:
        stream.write(TEXT[:3000])
    data = held.getvalue()
    for end in range(12, len(data), 7):
        with module.open(io.BytesIO(data[:end])) as stream, pytest.raises(EOFError):
            stream.read()
        with module.open(io.BytesIO(data[:end])) as stream, pytest.raises(EOFError):
            list(iter(lambda: stream.read(100), b""))


@pytest.mark.parametrize("module", [gzip, standard_gzip])
def test_an_empty_gzip_file_has_no_content(module: Any) -> None:
    uses: tuple[Callable[[Any], Any], ...] = (
        lambda stream: stream.readline(),
        lambda stream: stream.read(10),
        lambda stream: stream.read1(10),
        lambda stream: stream.peek(10),
        b"".join,
        lambda stream: stream.read(),
    )
    for use in uses:
        with module.open(io.BytesIO()) as stream:
            assert use(stream) == b""
            assert use(stream) == b""
            assert stream.seek(5) == 0
            assert stream.seek(0) == 0
            assert use(stream) == b""
    with module.open(io.BytesIO(), "rt", encoding="utf-8") as text:
        assert list(text) == []


def test_text_files(tmp_path: Path) -> None:
    for module in (gzip, lz4_frame, zstd):
        path = tmp_path / module.__name__
        with module.open(path, "wt", encoding="utf-8", newline="\n") as stream:
            stream.write("één\ntwee\n")
        with module.open(path, "rt", encoding="utf-8") as stream:
            assert stream.readlines() == ["één\n", "twee\n"]
        with pytest.raises(ValueError, match="encoding"):
            module.open(path, "rb", encoding="utf-8")


def test_gzip_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(TEXT)
    command = [sys.executable, "-m", "fpga_accel.dropin.gzip"]
    environment = children.environment(FPGA_ACCEL_DEVICE="cpu")
    subprocess.run([*command, "--best", str(path)], check=True, env=environment, timeout=children.CHILD_SECONDS)
    made = path.with_suffix(".gz").read_bytes()
    assert standard_gzip.decompress(made) == TEXT
    piped = subprocess.run(
        [*command, "-d"], input=made, capture_output=True, check=True, env=environment, timeout=children.CHILD_SECONDS
    )
    assert piped.stdout == TEXT


# ---- lz4.frame ----


@given(
    CONTENT,
    st.sampled_from([0, 4, 5, 6, 7]),
    st.integers(-5, 20),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.binary(max_size=9),
)
def test_lz4_frames(
    content: bytes, block_size: int, level: int, linked: bool, checked: bool, size: bool, behind: bytes
) -> None:
    options = {
        "block_size": block_size,
        "compression_level": level,
        "block_linked": linked,
        "content_checksum": checked,
        "block_checksum": checked,
        "store_size": size,
    }
    made, theirs = outcome(lz4_frame.compress, content, **options), outcome(stock_lz4.compress, content, **options)
    assert made[0] == theirs[0]
    if made[0] == "raised":
        assert made == theirs
        return
    for frame in (made[1], theirs[1]):
        for data in (frame, frame + behind, frame + frame, frame[:-1]):
            assert outcome(lz4_frame.decompress, data) == outcome(stock_lz4.decompress, data)
    assert lz4_frame.decompress(made[1], return_bytes_read=True) == (content, len(made[1]))
    assert type(lz4_frame.compress(content, return_bytearray=True)) is bytearray


def test_large_lz4_goes_through_the_accelerator() -> None:
    frame = lz4_frame.compress(LARGE)
    receipt = fa.default_accelerator().last_receipt
    assert receipt is not None
    assert (receipt.algorithm, receipt.op, receipt.bytes_in) == ("lz4", "compress", len(LARGE))
    assert stock_lz4.decompress(frame) == LARGE


# ---- snappy ----


@given(CONTENT, PLACES, PLACES)
def test_snappy_in_pieces(content: bytes, places: list[int], cuts: list[int]) -> None:
    raw = snappy.compress(content)
    assert bytes(cramjam.snappy.decompress_raw(raw)) == snappy.uncompress(raw) == content
    compressor, reader = snappy.StreamCompressor(), snappy.StreamDecompressor()
    framed = b"".join(map(compressor.add_chunk, cut(content, places)))
    assert bytes(cramjam.snappy.decompress(framed)) == content
    assert b"".join(map(reader.decompress, cut(framed, cuts))) == content
    assert reader.flush() == b""


def test_snappy_streams_and_what_is_refused() -> None:
    made, back = io.BytesIO(), io.BytesIO()
    snappy.stream_compress(io.BytesIO(LARGE), made)
    snappy.stream_decompress(io.BytesIO(made.getvalue()[16:]), back, start_chunk=made.getvalue()[:16])
    assert back.getvalue() == LARGE
    assert snappy.StreamDecompressor.check_format(io.BytesIO(made.getvalue()))
    with pytest.raises(snappy.UncompressError):
        snappy.stream_decompress(io.BytesIO(made.getvalue()[:-1]), io.BytesIO())
    with pytest.raises(snappy.UncompressError):
        snappy.StreamDecompressor().decompress(b"no stream at all")
    assert snappy.uncompress(snappy.compress("één"), "utf-8") == "één"
    assert snappy.isValidCompressed(snappy.compress(TEXT))
    assert not snappy.isValidCompressed(snappy.compress(TEXT)[:-1])
    with pytest.raises(snappy.UncompressError):
        snappy.uncompress("text")


# ---- zstd ----


@given(CONTENT, st.integers(-7, 12), st.binary(max_size=9))
def test_zstd_frames(content: bytes, level: int, behind: bytes) -> None:
    frame = zstd.compress(content, level)
    assert standard_zstd.decompress(frame) == zstd.decompress(frame + frame)[: len(content)] == content
    assert outcome(zstd.decompress, frame + behind) == outcome(standard_zstd.decompress, frame + behind)
    assert outcome(zstd.decompress, frame[:-1]) == ("raised", zstd.ZstdError)
    assert zstd.get_frame_info(frame).decompressed_size == len(content)
    assert zstd.get_frame_size(frame) == len(frame)
