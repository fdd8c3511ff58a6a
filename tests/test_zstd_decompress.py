"""Zstandard frames on every backend, against the zstandard library."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zstandard
from sizes import KIB, MIB, mixed, noise, text, zeros

import fpga_accel as fa
from fpga_accel import zstd_seekable
from fpga_accel.operations import zstd_stream
from fpga_accel.operations.codecs import DecompressOptions
from fpga_accel.streams import Source

SKIPPED = b"\x5e\x2a\x4d\x18\x03\x00\x00\x00abc"
CONTENTS = (b"", b"x", text(3000), text(300 * KIB), noise(5000), zeros(200 * KIB), mixed(500 * KIB))


def frame(data: bytes, level: int = 3, **options: Any) -> bytes:
    return zstandard.ZstdCompressor(level=level, **options).compress(data)


@pytest.mark.parametrize("level", [-5, 1, 3, 9, 19])
def test_frames_of_the_library_are_read(acc: fa.Accelerator, level: int) -> None:
    made, items = [], []
    for data in CONTENTS:
        for checked in (False, True):
            for sized in (False, True):
                made.append(frame(data, level, write_checksum=checked, write_content_size=sized))
                items.append(data)
    assert acc.decompress_many(made, "zstd") == items


def test_joined_and_skippable_frames_are_read(acc: fa.Accelerator) -> None:
    joined = SKIPPED + b"".join(frame(data) + SKIPPED for data in CONTENTS)
    assert acc.decompress(joined, "zstd") == b"".join(CONTENTS)
    with pytest.raises(fa.FormatError):
        acc.decompress(joined + b"garbage", "zstd")


def test_every_truncation_is_told(acc: fa.Accelerator) -> None:
    whole = frame(text(600), write_checksum=True)
    found = acc.decompress_many([whole[:end] for end in range(len(whole))], "zstd", return_exceptions=True)
    assert {type(error) for error in found} == {fa.TruncatedError}


@pytest.mark.parametrize("checked", [False, True])
def test_flipped_bits_give_the_content_or_an_error(acc: fa.Accelerator, checked: bool) -> None:
    data = text(1500)
    whole = frame(data, write_checksum=checked)
    flips = []
    for bit in range(0, 8 * len(whole), 3):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        flips.append(bytes(flipped))
    found = acc.decompress_many(flips, "zstd", return_exceptions=True, max_output=1 * MIB)
    for each in found:
        assert isinstance(each, fa.FpgaAccelError) or not checked or each == data


@pytest.mark.parametrize("sized", [False, True])
def test_the_limit_is_exact(acc: fa.Accelerator, sized: bool) -> None:
    for data in (b"x", text(3000), zeros(200 * KIB)):
        made = frame(data, write_content_size=sized)
        assert acc.decompress(made, "zstd", max_output=len(data)) == data
        with pytest.raises(fa.OutputLimitError):
            acc.decompress(made, "zstd", max_output=len(data) - 1)


def start(acc: fa.Accelerator) -> Callable[[Any, DecompressOptions], Callable[[], bytes]]:
    return lambda data, options: lambda: acc.decompress(data, "zstd", max_output=options.max_output)


def test_streams_are_read(acc: fa.Accelerator) -> None:
    contents = (*CONTENTS, mixed(9 * MIB), *CONTENTS)
    joined = b"".join(frame(data, write_checksum=True) + SKIPPED for data in contents)
    chunks: Iterator[bytes] = zstd_stream.decoded(Source(io.BytesIO(joined)), start(acc), None)
    assert b"".join(chunks) == b"".join(contents)
    with pytest.raises(fa.TruncatedError):
        list(zstd_stream.decoded(Source(io.BytesIO(joined[: len(joined) // 2])), start(acc), None))


def test_seekable_files_are_read_at_any_position(acc: fa.Accelerator) -> None:
    data, step = mixed(300 * KIB), 20 * KIB
    parts = [data[at : at + step] for at in range(0, len(data), step)]
    made = [frame(part) for part in parts]
    table = b"".join(struct.pack("<II", len(each), len(part)) for each, part in zip(made, parts, strict=True))
    table += struct.pack("<IBI", len(made), 0, 0x8F92EAB1)
    whole = b"".join(made) + struct.pack("<II", 0x184D2A5E, len(table)) + table
    with zstd_seekable.open(io.BytesIO(whole), accelerator=acc) as reader:
        assert reader.size == len(data)
        for at, size in ((0, 5), (step - 1, 2), (123_456, 70_000), (len(data) - 3, 10)):
            reader.seek(at)
            assert reader.read(size) == data[at : at + size]
        reader.seek(0)
        assert reader.read() == data
