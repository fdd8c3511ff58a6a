"""Random access to BGZF files."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
from pathlib import Path

import pytest
import required

import fpga_accel as fa
from fpga_accel import bgzf

CONTENT = b"".join(b"line %d of a file with an index\n" % number for number in range(30_000))


def tool(*args: object) -> None:
    if not shutil.which("bgzip"):
        required.missing("bgzip", "no bgzip command is on PATH")
    subprocess.run(["bgzip", *map(str, args)], check=True)


def test_any_position_is_read(acc: fa.Accelerator) -> None:
    chance = random.Random(5)
    with bgzf.open(io.BytesIO(acc.compress(CONTENT, "bgzf")), accelerator=acc) as reader:
        assert reader.size == len(CONTENT)
        for _ in range(40):
            start, size = chance.randrange(len(CONTENT) + 1), chance.randrange(150_000)
            assert reader.seek(start) == start
            assert reader.read(size) == CONTENT[start : start + size]
        reader.seek(-5, io.SEEK_END)
        assert reader.read() == CONTENT[-5:]


def test_virtual_offsets_lead_back(acc: fa.Accelerator) -> None:
    with bgzf.open(io.BytesIO(acc.compress(CONTENT, "bgzf")), accelerator=acc) as reader:
        for start in (0, 1, 65279, 65280, 65281, 500_000, len(CONTENT)):
            reader.seek(start)
            virtual = reader.tell_virtual()
            reader.seek(0)
            assert reader.seek_virtual(virtual) == start
            assert reader.read(10) == CONTENT[start : start + 10]
        for wrong in (1 << 16, -1, 65281):
            with pytest.raises(ValueError, match="BGZF block"):
                reader.seek_virtual(wrong)


def test_the_index_of_bgzip_is_read_and_ours_by_it(tmp_path: Path) -> None:
    plain, packed, index = tmp_path / "plain", tmp_path / "plain.gz", tmp_path / "plain.gz.gzi"
    plain.write_bytes(CONTENT)
    tool("-k", "-i", plain)
    with bgzf.open(packed, index) as reader:
        reader.seek(700_000)
        assert reader.read(100) == CONTENT[700_000:700_100]
    with packed.open("rb") as file:
        walked, theirs = bgzf.Index.of(file), bgzf.Index.read(index, file)
        assert walked == theirs
        held = io.BytesIO()
        walked.write(held)
    assert held.getvalue() == index.read_bytes()
    index.write_bytes(held.getvalue())
    found = subprocess.run(["bgzip", "-c", "-b", "700000", "-s", "100", packed], check=True, capture_output=True)
    assert found.stdout == CONTENT[700_000:700_100]


@pytest.mark.parametrize("damage", ["cut", "count", "order", "block", "behind", "far", "content", "content order"])
def test_a_wrong_index_is_refused(damage: str) -> None:
    data = fa.compress(CONTENT, "bgzf")
    held = io.BytesIO()
    bgzf.Index.of(io.BytesIO(data)).write(held)
    index = bytearray(held.getvalue())
    if damage == "cut":
        del index[-1:]
    elif damage == "count":
        index[0] += 1
    elif damage == "order":
        index[8:16], index[24:32] = index[24:32], index[8:16]
    elif damage == "behind":
        index[-16:-8] = (len(data) + 1).to_bytes(8, "little")
    elif damage == "far":
        index[-16:-8] = (1 << 63).to_bytes(8, "little")
    elif damage == "content":
        index[-8:] = (1 << 63).to_bytes(8, "little")
    elif damage == "content order":
        index[16:24], index[32:40] = index[32:40], index[16:24]
    else:
        index[-16] ^= 1
    with pytest.raises(fa.FormatError):
        bgzf.open(io.BytesIO(data), io.BytesIO(index))


def test_what_is_no_bgzf_is_refused() -> None:
    for data in (fa.compress(CONTENT, "gzip"), b"plain text that is no gzip at all"):
        with pytest.raises(fa.FormatError):
            bgzf.open(io.BytesIO(data))
    with pytest.raises(fa.TruncatedError):
        bgzf.open(io.BytesIO(fa.compress(CONTENT, "bgzf")[:-3]))


@pytest.mark.parametrize("size", [1, 2, 8, 18, 25])
def test_a_block_that_is_too_short_for_its_header_is_refused(size: int, tmp_path: Path) -> None:
    path = tmp_path / "file.bgz"
    data = bytearray(fa.compress(CONTENT, "bgzf"))
    data[16:18] = (size - 1).to_bytes(2, "little")
    path.write_bytes(data)
    with pytest.raises(fa.FormatError, match="at byte 0"):
        bgzf.open(path)
    # The same with a field in front of BC.
    data[10:12] = (10).to_bytes(2, "little")
    data[12:12] = b"XY\0\0"
    path.write_bytes(data)
    with pytest.raises(fa.FormatError, match=r"\w"):
        bgzf.open(path)
