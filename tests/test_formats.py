"""What holds for every compression format: its row, streams, and the command line."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import fpga_accel as fa
from fpga_accel.backends.cpu import Workers
from fpga_accel.cli.app import application
from fpga_accel.operations import registry
from fpga_accel.operations.codecs import START

STREAMED = registry.streamed()
TOLD = [row.name for row in registry.FORMATS.values() if row.starts is not None]
LINES = b"".join(b"row %d of many that look the same\n" % number for number in range(40_000))
SKIPPABLE = bytes.fromhex("5a2a4d1803000000") + b"abc"


def written(content: bytes, format: str, acc: fa.Accelerator, cuts: list[int], *, flush: bool = False) -> bytes:
    held = io.BytesIO()
    with fa.open(held, "wb", format, accelerator=acc) as stream:
        for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
            stream.write(content[start:end])
            if flush:
                stream.flush()
    return held.getvalue()


@pytest.mark.parametrize("name", registry.FORMATS)
def test_every_format_has_both_directions(acc: fa.Accelerator, name: str) -> None:
    for content in (b"", b"x", LINES[:70_000], random.Random(1).randbytes(70_000)):
        made = acc.compress(content, name)
        assert len(made) <= acc.compress_bound(len(content), name)
        assert acc.decompress(made, name) == content


@pytest.mark.parametrize("name", ["deflate", "zlib", "gzip", "zstd"])
@pytest.mark.parametrize("size", [0, 100, 5000, 200_000])
def test_a_level_goes_the_short_way_to_the_same_bytes(name: str, size: int) -> None:
    content, operation = LINES[:size], registry.find("compress", name)
    with fa.Accelerator("cpu") as acc:
        levels: tuple[Any, ...] = (1, 2, 6, 9, np.int64(6))
        for level in levels:
            planned = operation.on_cpu(content, operation.settings(level=int(level)), 0, Workers(1))
            assert acc.compress(content, name, level=level) == planned
            assert acc.last_receipt is not None
            assert (acc.last_receipt.bytes_in, acc.last_receipt.bytes_out) == (size, len(planned))
            out = bytearray(len(planned) + 3)
            assert acc.compress_into(content, out, name, level=level) == len(planned)
            assert out == planned + bytes(3)
            with pytest.raises(fa.BufferTooSmallError):
                acc.compress_into(content, bytearray(len(planned) - 1), name, level=level)
        for wrong in (99, -(1 << 40)):
            with pytest.raises(ValueError, match=f"level {wrong}"):
                acc.compress(content, name, level=wrong)
            with pytest.raises(ValueError, match=f"level {wrong}"):
                acc.compress_into(content, bytearray(9), name, level=wrong)


@pytest.mark.parametrize("name", registry.FORMATS)
@pytest.mark.parametrize("threads", [1, 3])
def test_threads_of_the_cpu_path_put_parts_together(name: str, threads: int) -> None:
    # Parts of 1 MiB, of which the last is short, and results of more than that.
    content = LINES[: 1 << 20] + random.Random(2).randbytes((5 << 19) + 7) + LINES
    with fa.Accelerator("cpu", threads=threads) as acc:
        # A head and a body.
        assert acc.decompress(acc.compress(content[1 << 20 : 5 << 19], name), name) == content[1 << 20 : 5 << 19]
        made = acc.compress(content, name)
        assert acc.decompress(made, name) == content
        out = bytearray(acc.compress_bound(len(content), name))
        size = acc.compress_into(content, out, name)
        assert acc.decompress(out[:size], name) == content
        assert not any(out[size:])
        with pytest.raises(fa.BufferTooSmallError):
            acc.compress_into(content, memoryview(out)[: size // 2], name)
        back = bytearray(len(content) + 5)
        assert acc.decompress_into(made, back, name) == len(content)
        assert back == content + bytes(5)
        with pytest.raises(fa.BufferTooSmallError):
            acc.decompress_into(made, memoryview(back)[: len(content) - 1], name)
        if name in ("gzip", "zlib", "bgzf", "snappy"):
            damaged = bytearray(made)
            damaged[len(made) // 2] ^= 0x55
            with pytest.raises((fa.FormatError, fa.IntegrityError)):
                acc.decompress_into(damaged, back, name)


@pytest.mark.parametrize("name", registry.FORMATS)
def test_every_format_goes_into_chains(acc: fa.Accelerator, name: str) -> None:
    seal, key = acc.chain(f"{name}.compress", "aes-gcm.encrypt"), bytes(32)
    pages = [LINES[:5000], b"", LINES[:90_000]]
    sealed = seal.many(pages, key=key)
    assert [acc.decompress(acc.decrypt(each, key), name) for each in sealed] == pages
    assert seal.inverse().many(sealed, key=key) == pages


@pytest.mark.parametrize("name", TOLD)
def test_formats_are_told_by_their_first_bytes(acc: fa.Accelerator, name: str) -> None:
    for content in (b"", b"x", LINES[:70_000]):
        made = acc.compress(content, name)
        assert registry.format_of(made) == registry.format_of_start(made[:START]) == name
        assert acc.decompress(made) == content


@pytest.mark.parametrize("name", ["lz4", "zstd"])
def test_skippable_frames_in_front_are_passed_over(acc: fa.Accelerator, name: str) -> None:
    made = SKIPPABLE * 2 + acc.compress(LINES[:5000], name)
    assert acc.decompress(made) == LINES[:5000]
    with fa.open(io.BytesIO(made), accelerator=acc) as stream:
        assert stream.read() == LINES[:5000]
        assert stream.format == name


def test_nothing_but_skippable_frames_is_no_content() -> None:
    with fa.open(io.BytesIO(SKIPPABLE), accelerator=fa.Accelerator("cpu")) as stream:
        assert stream.read() == b""


@pytest.mark.parametrize("name", STREAMED)
@pytest.mark.parametrize("flush", [False, True])
def test_streams_do_not_depend_on_how_they_are_cut(acc: fa.Accelerator, name: str, flush: bool) -> None:
    chance = random.Random(7)
    for content in (b"", b"y", LINES):
        cuts = sorted(chance.randrange(len(content) + 1) for _ in range(6))
        made = written(content, name, acc, cuts, flush=flush)
        assert acc.decompress(made, name) == content
        with fa.open(io.BytesIO(made), "rb", name, accelerator=acc) as stream:
            read = []
            while part := stream.read(chance.randrange(1, 300_000)):
                read.append(part)
        assert b"".join(read) == content


@pytest.mark.parametrize("name", STREAMED)
def test_streams_of_several_slabs(acc: fa.Accelerator, name: str) -> None:
    content = (LINES * 8)[: (9 << 20) + 11]
    made = written(content, name, acc, [5 << 20])
    assert acc.decompress(made, name) == content
    with fa.open(io.BytesIO(made), "rb", name, accelerator=acc) as stream:
        assert stream.read() == content


@pytest.mark.parametrize("name", STREAMED)
def test_a_stream_that_is_cut_short_is_truncated(acc: fa.Accelerator, name: str) -> None:
    made = acc.compress(LINES[:3000], name)
    for size in {1, 2, 5, len(made) // 2, len(made) - 1}:
        stream = fa.open(io.BytesIO(made[:size]), "rb", name, accelerator=acc)
        with stream, pytest.raises(fa.TruncatedError):
            stream.read()


@pytest.mark.parametrize("name", STREAMED)
def test_streams_keep_to_max_output(acc: fa.Accelerator, name: str) -> None:
    made = acc.compress(bytes(20 << 20), name)
    stream = fa.open(io.BytesIO(made), "rb", name, accelerator=acc, max_output=1000)
    with stream, pytest.raises(fa.OutputLimitError):
        stream.read()


def test_a_format_without_streams_says_which_have_them() -> None:
    with pytest.raises(ValueError, match=r"snappy-raw .* gzip"):
        fa.open(io.BytesIO(), "wb", "snappy-raw")


@pytest.mark.parametrize("name", STREAMED)
def test_the_command_line_packs_tests_lists_and_unpacks(tmp_path: Path, name: str) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(LINES[:200_000])
    packed = tmp_path / f"plain{registry.FORMATS[name].suffixes[0]}"
    run = CliRunner().invoke
    assert run(application, ["compress", "--device", "cpu", "--format", name, str(plain)]).exit_code == 0
    told = [] if name in TOLD else ["--format", name]
    assert run(application, ["decompress", "--device", "cpu", "-t", *told, str(packed)]).exit_code == 0
    listed = run(application, ["decompress", "--device", "cpu", "-l", "--json", *told, str(packed)])
    (report,) = json.loads(listed.stdout)["files"]
    assert (report["format"], report["bytes_in"], report["bytes_out"]) == (name, packed.stat().st_size, 200_000)
    plain.unlink()
    assert run(application, ["decompress", "--device", "cpu", *told, str(packed)]).exit_code == 0
    assert plain.read_bytes() == LINES[:200_000]
    packed.write_bytes(packed.read_bytes()[:-30])
    bad = run(application, ["decompress", "--device", "cpu", "-t", *told, str(packed)])
    assert bad.exit_code == 1
    assert packed.name in bad.output


def test_the_listing_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(fa.compress(LINES, "gzip"))
    (tmp_path / "b.zst").write_bytes(fa.compress(LINES, "zstd"))
    listed = CliRunner().invoke(
        application, ["decompress", "--device", "cpu", "-l", *map(str, sorted(tmp_path.iterdir()))]
    )
    rows = [line.split() for line in listed.stdout.splitlines()]
    assert rows[0] == ["file", "format", "compressed", "content", "ratio"]
    assert [row[1] for row in rows[1:]] == ["gzip", "zstd"]
    assert [int(row[3]) for row in rows[1:]] == [len(LINES)] * 2


def test_test_and_list_take_no_output(tmp_path: Path) -> None:
    done = CliRunner().invoke(application, ["decompress", "-t", "-c", "x.gz"])
    assert done.exit_code == 2


def test_compress_tells_the_format_by_the_name_of_the_output(tmp_path: Path) -> None:
    plain, target = tmp_path / "plain", tmp_path / "out.zst"
    plain.write_bytes(LINES[:9000])
    assert (
        CliRunner().invoke(application, ["compress", "--device", "cpu", str(plain), "-o", str(target)]).exit_code == 0
    )
    assert registry.format_of(target.read_bytes()) == "zstd"
