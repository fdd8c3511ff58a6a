"""Images: headers of all formats, mutations of them, catalogs, matching with devices, and the command line."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import struct
import threading
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import required
import tomli_w
from click.testing import CliRunner, Result

import fpga_accel as fa
from fpga_accel.cli.app import application
from fpga_accel.errors import FormatError, ImageMismatchError, TruncatedError
from fpga_accel.runtime import bitstreams, manifests
from fpga_accel.runtime.bitstreams import Catalog, Entry, catalog, ecp5, program, reading, recipes, sources
from fpga_accel.runtime.programs import BuildRequest, Identity
from fpga_accel.runtime.synthesis import figures
from fpga_accel.segments import new_results, new_table

MUTATIONS = 50_000

VBNV = "xilinx_u250_gen3x16_xdma_4_1_202210_1"
UUID = uuid.UUID("12345678-9abc-def0-1122-334455667788")
BOARD = "pac_a10"
PART = "LFE5U-85F-6CABGA381"
BINARY = bytes(range(64))

EMULATOR = Identity(
    platform="Intel(R) FPGA Emulation Platform for OpenCL(TM)",
    platform_version="OpenCL 1.2",
    device="Intel(R) FPGA Emulation Device",
    device_version="OpenCL 1.2",
    driver="2024.18.12",
    cpu_name="",
    index=1,
)
INTEL_CARD = replace(EMULATOR, platform="Intel(R) FPGA SDK for OpenCL(TM)", device="pac_a10 : Intel PAC (pac_0)")
AMD_CARD = replace(EMULATOR, platform="Xilinx", device="xilinx_u250_gen3x16_xdma_shell_4_1")
ECP5_BOARD = replace(EMULATOR, platform="boards", device="ButterStick LFE5U-85F")

Invoke = Callable[..., Result]


# -- samples ---------------------------------------------------------------------------------------------------------


def xclbin(
    *, vbnv: str = VBNV, mode: int = 0, kernels: Sequence[str] = ("lz4_compress:cu_1", "lz4_compress:cu_2")
) -> bytes:
    """An xclbin with a bitstream, an IP layout and a clock table."""
    rows = [struct.pack("<IIQ64s", 1, 0, 0x1000 * number, name.encode()) for number, name in enumerate(kernels)]
    rows.append(struct.pack("<IIQ64s", 3, 0, 0, b"ddr"))
    bodies = [
        (0, b"bitstream", bytes(range(64))),
        (8, b"ip_layout", struct.pack("<i4x", len(rows)) + b"".join(rows)),
        (11, b"clocks", bytes(16)),
    ]
    offset = 456 + 40 * len(bodies)
    table, data = b"", b""
    for kind, name, body in bodies:
        table += struct.pack("<I16s4xQQ", kind, name, offset + len(data), len(body))
        data += body
    length = offset + len(data)
    header = struct.pack("<QQQHBBHH", length, 1_700_000_000, 0, 0, 2, 1, mode, 0) + bytes(16)
    header += struct.pack("<64s16s16sI4x", vbnv.encode(), UUID.bytes, b"", len(bodies))
    return b"xclbin2\0" + bytes(296) + header + table + data


def aocx(
    sections: Mapping[str, bytes] | None = None, *, bits: int = 64, order: str = "<", board: bytes = b"pac_a10\0"
) -> bytes:
    """An aocx: ELF with the given sections, the default ones if None."""
    if sections is None:
        sections = {
            ".acl.board": board,
            ".acl.target": b"fpga",
            ".acl.version": b"22.4.0.94",
            ".acl.rand_hash": b"0123456789abcdef",
            ".acl.fpga.bin": bytes(range(64)),
        }
    wide = bits == 64
    header_size, entry = (64, "IIQQQQIIQQ") if wide else (52, "IIIIIIIIII")
    names = b"\0" + b"".join(name.encode() + b"\0" for name in sections) + b".shstrtab\0"
    data, rows, name_at = b"", [struct.pack(order + entry, *(0,) * 10)], 1
    for name, body in [*sections.items(), (".shstrtab", names)]:
        rows.append(struct.pack(order + entry, name_at, 1, 0, 0, header_size + len(data), len(body), 0, 0, 1, 0))
        data += body
        name_at += len(name) + 1
    table_at = header_size + len(data)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    address = "Q" if wide else "I"
    fields = (2, 0, 1, 0, 0, table_at, 0, header_size, 0, 0, len(rows[0]), len(rows), len(rows) - 1)
    return ident + struct.pack(f"{order}HHI{address * 3}I6H", *fields) + data + b"".join(rows)


def ecp5_bit(
    *, part: str = PART, device_id: int | None = None, before: bytes = b"", end: bytes = b"\x5e\0\0\0"
) -> bytes:
    """An ECP5 bitstream with an empty payload."""
    found = ecp5.DEVICE_IDS[ecp5.device_of(part)] if device_id is None else device_id
    comment = b"\xff\0Part: " + part.encode() + b"\0Rows: 1\0\xff"
    commands = b"\xff" * 4 + before + b"\x3b\0\0\0\xe2\0\0\0" + found.to_bytes(4) + b"\x22\0\0\0\x40\0\0\0\x46\0\0\0"
    return comment + b"\xff\xff\xbd\xb3" + commands + b"\x82\x91\x1d\x8a" + bytes(64) + b"\x5e\0\0\0" + b"\xff" * 4


def program_image(*, source: str | None = None, binary: bytes = BINARY) -> bytes:
    """The image of a program for the emulator, of today's source if not said otherwise."""
    digest = sources.source_sha256("trial", "portable", "fpga") if source is None else source
    return program.pack(EMULATOR, "trial", "portable", ("trial",), digest, binary)


def resigned(image: bytes) -> bytes:
    """Put the right hash into a program image whose header was changed."""
    end = image.find(b"\n", len(program.MAGIC)) + 1
    body = image[end + 32 :]
    return image[:end] + hashlib.sha256(image[:end] + body).digest() + body


SAMPLES: Mapping[str, Callable[[], bytes]] = {
    "xclbin": xclbin,
    "aocx": aocx,
    "aocx-32": lambda: aocx(bits=32, order=">"),
    "ecp5": ecp5_bit,
    "program": program_image,
}


# -- headers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "build_mode"),
    list(enumerate(("hw", "hw", "hw", "hw", "hw_emu", "sw_emu", "hw_emu"))),
)
def test_xclbin(mode: int, build_mode: str) -> None:
    data = xclbin(mode=mode)
    image = bitstreams.read(data)
    assert (image.format, image.target, image.id) == ("xclbin", VBNV, str(UUID))
    assert image.mode == ("hardware" if build_mode == "hw" else "emulation")
    assert image.entries == ("lz4_compress",)
    assert image.detail == {
        "build_mode": build_mode,
        "built_at": 1_700_000_000,
        "tool_version": "2.1.0",
        "sections": {"bitstream": 64, "ip_layout": 8 + 3 * 80, "clocks": 16},
    }
    assert (image.size, image.sha256) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [32, 64])
def test_aocx(bits: int, order: str) -> None:
    image = bitstreams.read(aocx(bits=bits, order=order))
    assert (image.format, image.target, image.mode, image.id) == ("aocx", BOARD, "hardware", "0123456789abcdef")
    assert image.detail == {"build_mode": "hw", "acl_target": "fpga", "acl_version": "22.4.0.94"}


@pytest.mark.parametrize(("board", "build_mode"), [(b"EmulatorDevice", "emulator"), (b"SimulatorDevice", "simulator")])
def test_aocx_of_the_emulator(board: bytes, build_mode: str) -> None:
    image = bitstreams.read(aocx(board=board))
    assert (image.mode, image.detail["build_mode"]) == ("emulation", build_mode)


def test_elf_files_that_are_no_aocx() -> None:
    with pytest.raises(FormatError, match=r"no section \.acl\.board"):
        bitstreams.read(aocx({".text": b"code"}))
    with pytest.raises(FormatError, match=r"\.acl\.board is empty"):
        bitstreams.read(aocx(board=b"\0\0"))


@pytest.mark.parametrize(("device", "device_id"), list(ecp5.DEVICE_IDS.items()))
def test_ecp5(device: str, device_id: int) -> None:
    image = bitstreams.read(ecp5_bit(part=f"{device}-8BG381C"))
    assert (image.format, image.target, image.mode) == ("ecp5", f"{device}-8BG381C", "hardware")
    assert (image.id, image.detail["device"]) == (f"{device_id:08x}", device)


def test_ecp5_commands_before_the_device_id() -> None:
    with_crc = b"\x22\x80\0\0\x40\0\0\0\xab\xcd"
    assert bitstreams.read(ecp5_bit(before=b"\x79\x59\0\0" + with_crc)).target == PART
    with pytest.raises(FormatError, match="command 0x82 comes before VERIFY_ID"):
        bitstreams.read(ecp5_bit(before=b"\x82\0\0\0"))


def test_ecp5_for_another_device_than_it_says() -> None:
    with pytest.raises(FormatError, match=r"part LFE5U-85F-6CABGA381 .*0x41111043 \(LFE5U-25F\)"):
        bitstreams.read(ecp5_bit(device_id=0x41111043))


def test_program() -> None:
    image = bitstreams.read(program_image())
    assert (image.format, image.mode, image.entries) == ("program", "emulation", ("trial",))
    assert image.detail["target"]["driver"] == EMULATOR.driver
    assert set(image.detail["target"]) == {"host_cpu", *(name for name in EMULATOR.__slots__ if name != "index")}
    assert program_image()[image.detail["payload_offset"] :] == BINARY


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'"abi":1', b'"abi":"1"', "wrong abi"),
        (b'"abi":1', b'"abi":true', "wrong abi"),
        (b'"abi":1', b'"abi": 1', "canonical"),
        (b'"abi":1', b'"abi":1,"abi":1', "canonical"),
        (b'"abi":1', b'"abi":1,"age":1', "has keys"),
        (b'"entries":["trial"]', b'"entries":[]', "wrong entries"),
        (b'"kernel":"trial"', b'"kernel":"../up"', "wrong kernel"),
        (b'"build_mode":"emulator"', b'"build_mode":"hw"', "wrong build_mode"),
        (b'"source_sha256":"', b'"source_sha256":"0', "wrong source_sha256"),
        (b'"driver":', b'"drivel":', "wrong target"),
        (b'{"abi', b'{{"abi', "no JSON"),
    ],
)
def test_program_header_is_strict(old: bytes, new: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        bitstreams.read(resigned(program_image().replace(old, new)))


def test_files_and_buffers_read_alike(tmp_path: Path) -> None:
    for name, sample in SAMPLES.items():
        path = tmp_path / name
        path.write_bytes(sample())
        image = bitstreams.read(path)
        assert image == bitstreams.read(sample()) == bitstreams.read(bytearray(sample())) == bitstreams.read(str(path))


@pytest.mark.parametrize("data", [b"not an image", b"\x00\x09\x0f\xf0\x0f\xf0\x0f\xf0", b"xclbin1\0" + bytes(500)])
def test_other_formats(data: bytes) -> None:
    with pytest.raises(FormatError, match="this is no xclbin, aocx, ecp5 or program image") as caught:
        bitstreams.read(data)
    assert type(caught.value) is FormatError


# -- malformed -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_every_truncation_is_refused(name: str) -> None:
    whole = SAMPLES[name]()
    kinds = set()
    # The last four bytes of an ECP5 image are padding.
    for size in range(len(whole) - 4 if name == "ecp5" else len(whole)):
        with pytest.raises(FormatError) as caught:
            bitstreams.read(whole[:size])
        kinds.add(type(caught.value))
    # A program image that lost some of its binary just has a wrong hash.
    assert kinds == ({TruncatedError, FormatError} if name == "program" else {TruncatedError})


def mutated(sample: bytes, dice: random.Random) -> bytes:
    """Change bytes, sizes or the length, at one to three places."""
    data = bytearray(sample)
    for _ in range(dice.choice((1, 1, 2, 3))):
        at = dice.randrange(len(data) + 1)
        kind = dice.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:at] = dice.randbytes(dice.choice((1, 2, 4, 8, 40)))
        elif kind == 3:
            del data[at : at + dice.choice((1, 2, 4, 8, 40))]
        elif kind == 4:
            width = dice.choice((1, 2, 4, 8))
            extreme = dice.choice((0, 1, (1 << 8 * width) - 1, 1 << 8 * width - 1, (1 << 8 * width - 1) - 1, len(data)))
            at -= at % width
            data[at : at + width] = (extreme % (1 << 8 * width)).to_bytes(width, dice.choice(("little", "big")))
        else:
            source = dice.randrange(len(data) + 1)
            data[at:at] = data[source : source + dice.randrange(1, 64)]
    return bytes(data)


@pytest.mark.parametrize("name", ["xclbin", "aocx", "ecp5", "program"])
def test_mutations_raise_format_errors_only(name: str) -> None:
    samples = [sample() for each, sample in SAMPLES.items() if each.startswith(name)]
    dice = random.Random(name)
    outcomes = {"read": 0, "refused": 0}
    for number in range(MUTATIONS):
        data = mutated(samples[number % len(samples)], dice)
        if name == "program" and number % 2:
            # Past the hash, so that the description is what is tried.
            data = resigned(data)
        # Anything but a FormatError ends the test.
        try:
            image = bitstreams.read(data)
        except FormatError:
            outcomes["refused"] += 1
            continue
        assert image.target
        assert json.dumps(image.detail)
        outcomes["read"] += 1
    # Both happen: a bitstream's own bytes are not the reader's to judge.
    assert min(outcomes.values()) > MUTATIONS // 1000, outcomes


class _Counting:
    """Content that notes how much is asked of it at once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)
        self.largest = 0

    def at(self, offset: int, count: int) -> bytes:
        self.largest = max(self.largest, count)
        return self._data[offset : offset + count]


# Where the sample's section headers start: the first is empty, then the board's.
AOCX_TABLE = len(aocx()) - 7 * 64

# Byte offset and width of every size and count.
SIZE_FIELDS = {
    "xclbin": [(304, 8), (448, 4), (456 + 24, 8), (456 + 32, 8), (496 + 24, 8), (496 + 32, 8), (456 + 120 + 64, 4)],
    "aocx": [(40, 8), (58, 2), (60, 2), (62, 2), *((AOCX_TABLE + 64 + at, 8) for at in (24, 32))],
}


@pytest.mark.parametrize("name", SIZE_FIELDS)
def test_size_fields_are_never_believed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for at, width in SIZE_FIELDS[name]:
        for extreme in ((1 << 8 * width) - 1, (1 << 8 * width - 1) - 1, 1 << 8 * width - 1):
            data = bytearray(SAMPLES[name]())
            data[at : at + width] = extreme.to_bytes(width, "little")
            content = _Counting(bytes(data))
            monkeypatch.setattr(reading, "_Buffer", lambda _, content=content: content)
            with pytest.raises(FormatError):
                bitstreams.read(bytes(data))
            assert content.largest <= len(data)


def patched(data: bytes, layout: str, at: int, value: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(layout, changed, at, value)
    return bytes(changed)


MALFORMED: Sequence[tuple[bytes, str]] = (
    (patched(xclbin(), "<i", 640, -1), "states -1 entries, its section has 248 bytes"),
    (patched(xclbin(), "<i", 640, 4), "states 4 entries, its section has 248 bytes"),
    (patched(xclbin(), "<Q", 496 + 32, 7), "the IP layout of the xclbin has 7 bytes"),
    (patched(xclbin() + bytes(1 << 20), "<I", 448, 4097), "4097 sections; more than 4096 are refused"),
    (xclbin(vbnv=""), "the platform name of the xclbin is empty"),
    (xclbin(vbnv="\x1b[2J"), "the platform name of the xclbin is no printable ASCII"),
    (patched(aocx(), "<I", AOCX_TABLE + 64, 5000), "name starts at byte 5000 of"),
    (patched(aocx(), "<I", AOCX_TABLE + 128, 1), r"two sections \.acl\.board"),
    (patched(aocx(), "<Q", AOCX_TABLE + 64 + 24, 5000), r"\.acl\.board takes 8 bytes .* but the image ends at byte"),
    (patched(aocx(), "<B", 4, 3), "ELF class 3 with byte order 1 is unknown"),
    (patched(aocx(), "<H", 58, 40), "section headers of 40 bytes, they have 64"),
    (ecp5_bit(part=f"{PART}\0Part: {PART}"), "has 2 lines 'Part:'"),
    (ecp5_bit().replace(b"LFE5U-85F", b"LFE5U-99F"), "LFE5U-99F-6CABGA381 is no known ECP5 device"),
    (program.MAGIC + bytes(20_000), "longer than 16384 bytes"),
    (program_image()[:100], "ends within its header, after 100 bytes"),
)


@pytest.mark.parametrize(("data", "message"), MALFORMED, ids=[message for _, message in MALFORMED])
def test_malformed_fields(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        bitstreams.read(data)


def test_a_file_that_shrinks_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    content = _Counting(patched(aocx(), "<Q", 40, len(aocx())))
    content.size += 4 << 10
    monkeypatch.setattr(reading, "_Buffer", lambda _: content)
    with pytest.raises(TruncatedError, match="the table of 7 ELF sections ends after 0 of 448 bytes"):
        bitstreams.read(b"")


def test_headers_are_read_up_to_a_limit() -> None:
    # A file large enough for its 65,535 section headers, which are 4 MiB.
    data = bytearray(aocx() + bytes(5 << 20))
    struct.pack_into("<H", data, 60, 0xFFFF)
    with pytest.raises(FormatError, match="headers are read up to 1048576 bytes"):
        bitstreams.read(data)
    with pytest.raises(FormatError, match=r"\.acl\.target states 5000 bytes"):
        bitstreams.read(aocx({".acl.board": b"b", ".acl.target": bytes(5000)}))


# -- catalogs --------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own, without images."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FPGA_ACCEL_CACHE_DIR", str(folder))
    return folder


def entry_for(data: bytes, path: str) -> Entry:
    """The right entry for an image of the trial kernel."""
    source = sources.source_sha256("trial", "portable", "fpga")
    return catalog.entry_of(bitstreams.read(data), path, "trial", "portable", source, tested="not at all")


def added(data: bytes, path: str, **changes: Any) -> Path:
    """Add an image to the user's catalog, with an entry that may be wrong."""
    return catalog.add(data, replace(entry_for(data, path), **changes))


def problems() -> list[str]:
    users = catalog.users()
    return [problem for entry in users.images for problem in catalog.problems(users, entry)]


def test_shipped_catalog_is_sound() -> None:
    shipped = catalog.shipped()
    assert shipped.path.is_file()
    assert [problem for entry in shipped.images for problem in catalog.problems(shipped, entry)] == []


def test_catalog_round_trip(cache: Path) -> None:
    assert catalog.users() == Catalog(cache / "images" / "catalog.toml")
    first = replace(entry_for(program_image(), "a.img"), clock_mhz=109.5, resources={"lut": 2443, "bram": 25})
    second = entry_for(aocx(), "b.aocx")
    for data, entry in ((program_image(), first), (aocx(), second)):
        assert catalog.add(data, entry).read_bytes() == data
    assert catalog.users().images == (first, second)
    catalog.add(program_image(), replace(first, tested="again"))
    assert [entry.tested for entry in catalog.users().images] == ["not at all", "again"]
    assert sorted(path.name for path in (cache / "images").iterdir()) == [
        "a.img",
        "b.aocx",
        "catalog.lock",
        "catalog.toml",
    ]


def test_images_added_at_once_are_all_kept() -> None:
    data = program_image()
    names = {f"{number}.img" for number in range(12)}
    threads = [threading.Thread(target=added, args=(data, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {entry.path for entry in catalog.users().images} == names


def row(**changes: object) -> dict[str, Any]:
    """A right table, with changes; None takes a key away."""
    right: dict[str, object] = {
        "path": "a.img",
        "format": "xclbin",
        "target": VBNV,
        "mode": "hardware",
        "build_mode": "hw",
        "abi": 1,
        "kernel": "trial",
        "variant": "portable",
        "entries": ["trial"],
        "sha256": "0" * 64,
        "source_sha256": "1" * 64,
        "tested": "never",
        "clock_mhz": 300,
        "resources": {"lut": 1},
    }
    return {name: value for name, value in (right | changes).items() if value is not None}


def test_right_table_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(tomli_w.dumps({"abi": 1, "images": [row(), row(clock_mhz=None, resources=None)]}))
    first, second = catalog.load(path).images
    assert (first.clock_mhz, first.resources, second.clock_mhz, second.resources) == (300, {"lut": 1}, 0, {})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"sha256": None}, "key 'sha256' is missing"),
        ({"tested": None}, "key 'tested' is missing"),
        ({"path": "/etc/passwd"}, "path is '/etc/passwd', it must be relative"),
        ({"path": "../a.img"}, r"path is '\.\./a\.img', it must be relative"),
        ({"path": 5}, "path is 5, it must be a path"),
        ({"format": "elf"}, "format is 'elf', it must be one of xclbin, aocx, ecp5, program"),
        ({"mode": "hw"}, "mode is 'hw', it must be one of hardware, emulation"),
        ({"build_mode": "fast"}, "build_mode is 'fast'"),
        ({"target": ""}, "target is ''"),
        ({"abi": True}, "abi is True, it must be a whole number"),
        ({"abi": "1"}, "abi is '1'"),
        ({"entries": []}, r"entries is \[\]"),
        ({"entries": ["a", 1]}, "must be an array of kernel names"),
        ({"sha256": "0" * 63}, "must be a SHA-256"),
        ({"source_sha256": "G" * 64}, "must be a SHA-256"),
        ({"clock_mhz": -1}, "clock_mhz is -1"),
        ({"clock_mhz": "300"}, "clock_mhz is '300'"),
        ({"clock_mhz": float("nan")}, "clock_mhz is nan"),
        ({"resources": {"lut": "many"}}, "resources is"),
        ({"resources": 5}, "resources is 5, it must be a table of counts"),
        ({"tested": "two\nlines"}, "tested is"),
    ],
)
def test_schema_errors_name_file_image_and_key(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(tomli_w.dumps({"abi": 1, "images": [row(), row(**changes)]}))
    with pytest.raises(FormatError, match=message) as caught:
        catalog.load(path)
    assert str(caught.value).startswith(f"{path}: image 1: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abi = 1", "key 'images' is missing"),
        ("images = []", "key 'abi' is missing"),
        ("abi = 2\nimages = []", "abi is 2, it must be 1"),
        ("abi = 1\nimages = [1]", "must be an array of tables"),
        ("abi = 1\nimages = []\nmore = 1", "unknown key 'more'"),
        ("abi =", "no TOML"),
        ("abi = " + "[" * 5000, "no TOML"),
    ],
)
def test_broken_catalogs(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        catalog.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    path.write_bytes(b"abi = \xff")
    with pytest.raises(FormatError, match="no TOML"):
        catalog.load(path)


@pytest.mark.parametrize("sample", [xclbin, aocx, program_image])
def test_sound_entries(sample: Callable[[], bytes]) -> None:
    data = sample()
    entries = ("lz4_compress",) if sample is xclbin else ("trial",)
    added(data, "a.img", entries=entries)
    assert problems() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "0" * 64}, "its sha256 is"),
        ({"format": "aocx"}, "its format is 'xclbin', the catalog says 'aocx'"),
        ({"target": "other"}, f"its target is '{VBNV}', the catalog says 'other'"),
        ({"mode": "emulation"}, "its mode is 'hardware', the catalog says 'emulation'"),
        ({"build_mode": "hw_emu"}, "its build_mode is 'hw', the catalog says 'hw_emu'"),
        ({"entries": ("lz4_compress", "more")}, "it has no kernel more; it has lz4_compress"),
        ({"abi": 2}, "stale: it has ABI 2, this package speaks 1"),
        ({"source_sha256": "0" * 64}, "stale: the source of trial/portable has changed"),
        ({"kernel": "gone"}, "stale: there is no kernel 'gone'"),
        ({"variant": "gone"}, "stale: kernel trial has no variant 'gone' for fpga; there are portable"),
        ({"variant": "rtl"}, "stale: kernel trial has no variant 'rtl'"),
    ],
)
def test_wrong_entries(changes: dict[str, Any], message: str) -> None:
    added(xclbin(), "a.xclbin", **changes)
    found = problems()
    assert len(found) == 1
    assert found[0].startswith(message.replace("\\", ""))


def test_a_file_that_is_not_there() -> None:
    added(xclbin(), "a.xclbin").unlink()
    assert problems() == ["No such file or directory"]


# -- matching --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vbnv", "device", "fits"),
    [
        (VBNV, "xilinx_u250_gen3x16_xdma_shell_4_1", True),
        (VBNV, "xilinx_u250_gen3x16_xdma_shell_3_1", False),
        (VBNV, "xilinx_u280_gen3x16_xdma_shell_4_1", False),
        (VBNV, "xilinx_u250", False),
        ("xilinx:u200:xdma:201830.2", "xilinx_u200_xdma_201830_2", True),
        ("xilinx_u200_xdma_201830_2", "xilinx_u200_xdma_201830_1", False),
    ],
)
def test_xclbin_fits_its_shell(vbnv: str, device: str, fits: bool) -> None:
    assert bitstreams.matches(bitstreams.read(xclbin(vbnv=vbnv)), replace(AMD_CARD, device=device)) is fits


def test_xclbin_fits_its_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    hardware, hw_emu, sw_emu = (bitstreams.read(xclbin(mode=mode)) for mode in (0, 4, 5))
    for emulated, fitting in (("", hardware), ("hw_emu", hw_emu), ("sw_emu", sw_emu)):
        monkeypatch.setenv("XCL_EMULATION_MODE", emulated)
        found = [image for image in (hardware, hw_emu, sw_emu) if bitstreams.matches(image, AMD_CARD)]
        assert found == [fitting]
    assert not bitstreams.matches(sw_emu, replace(AMD_CARD, platform="Portable Computing Language"))


def test_aocx_fits_its_board() -> None:
    image, emulator = bitstreams.read(aocx()), bitstreams.read(aocx(board=b"EmulatorDevice"))
    assert bitstreams.matches(image, INTEL_CARD)
    assert not bitstreams.matches(image, replace(INTEL_CARD, device="pac_a10_more : Intel PAC (pac_0)"))
    assert not bitstreams.matches(image, EMULATOR)
    assert not bitstreams.matches(image, AMD_CARD)
    assert bitstreams.matches(emulator, EMULATOR)
    assert not bitstreams.matches(emulator, INTEL_CARD)


def test_ecp5_fits_its_part() -> None:
    image = bitstreams.read(ecp5_bit())
    assert bitstreams.matches(image, ECP5_BOARD)
    assert not bitstreams.matches(image, replace(ECP5_BOARD, device="ButterStick LFE5U-25F"))


@pytest.mark.parametrize("name", [name for name in EMULATOR.__slots__ if name != "index"])
def test_program_fits_only_what_it_was_built_for(name: str) -> None:
    image = bitstreams.read(program_image())
    assert bitstreams.matches(image, replace(EMULATOR, index=7))
    other: dict[str, Any] = {name: "other"}
    assert not bitstreams.matches(image, replace(EMULATOR, **other))


def test_program_fits_only_its_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    image = bitstreams.read(program_image())
    monkeypatch.setattr(program, "_host_cpu", lambda: "another")
    assert not bitstreams.matches(image, EMULATOR)


def test_mismatch_says_what_would_fit(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.xclbin"
    foreign.write_bytes(xclbin())
    with pytest.raises(ImageMismatchError) as caught:
        bitstreams.contents(foreign, INTEL_CARD)
    assert "have no image that fits" in str(caught.value)
    fitting = added(aocx(), "right.aocx")
    added(program_image(), "other.img")
    with pytest.raises(ImageMismatchError) as caught:
        bitstreams.contents(foreign, INTEL_CARD, [catalog.users()])
    error = caught.value
    assert (error.image_target, error.usable) == (VBNV, (str(fitting),))
    assert error.device_target == "pac_a10 : Intel PAC (pac_0) on Intel(R) FPGA SDK for OpenCL(TM)"
    assert all(part in str(error) for part in (error.image_target, error.device_target, str(fitting)))


def test_contents_are_what_the_driver_takes(tmp_path: Path) -> None:
    card, emulated = added(aocx(), "a.aocx"), added(program_image(binary=b"binary"), "b.img")
    assert bitstreams.contents(card, INTEL_CARD) == aocx()
    assert bitstreams.contents(emulated, EMULATOR) == b"binary"
    emulated.write_bytes(program_image(binary=b"binary")[:-1])
    with pytest.raises(FormatError, match="damaged"):
        bitstreams.contents(emulated, EMULATOR)


def test_an_image_that_is_replaced_after_it_was_found_is_not_handed_over(tmp_path: Path) -> None:
    path = tmp_path / "one.img"
    path.write_bytes(program_image(binary=b"binary"))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert bitstreams.contents(path, EMULATOR, (), found) == b"binary"
    path.write_bytes(program_image(binary=b"of another source"))
    with pytest.raises(fa.DeviceError, match="was replaced"):
        bitstreams.contents(path, EMULATOR, (), found)


def test_find(caplog: pytest.LogCaptureFixture) -> None:
    today = sources.source_sha256("trial", "portable", "fpga")

    def found(identity: Identity = EMULATOR, variant: str = "portable", source: str = today) -> Path | None:
        image = bitstreams.find([catalog.shipped(), catalog.users()], identity, "trial", variant, source)
        return image[0] if image else None

    assert found() is None
    right = added(program_image(), "right.img")
    assert found() == right
    assert found(replace(EMULATOR, driver="other")) is None
    assert found(variant="fpga") is None
    assert found(source="0" * 64) is None
    with caplog.at_level(logging.WARNING):
        right.write_bytes(program_image(binary=b"other"))
        assert found() is None
        right.write_bytes(program_image()[:-1])
        assert found() is None
    assert "its SHA-256 is not the one" in caplog.text
    assert "damaged" in caplog.text


def test_source_hash_covers_includes_and_macros() -> None:
    manifest = manifests.shipped("aes")
    hashes = {sources.hash_of(manifest, variant) for variant in manifest.variants}
    assert len(hashes) == len(manifest.variants)
    first = manifest.variants[0]
    assert sources.hash_of(manifest, first._replace(defines=("OTHER=1",))) not in hashes


def test_one_name_may_mean_another_source_for_each_kind() -> None:
    manifest = manifests.shipped("trial")
    card, emulated = CHANNELS._replace(kinds=("fpga",)), CHANNELS._replace(kinds=("fpga-emulator",), defines=())
    made = manifest._replace(variants=(card, emulated, *manifest.variants))
    assert sources.variant_of(made, "fpga", sources.kind_of("hw")) is card
    assert sources.variant_of(made, "fpga", sources.kind_of("emulator")) is emulated
    with pytest.raises(ValueError, match="no variant 'fpga-plain' for fpga; there are fpga, portable"):
        sources.variant_of(made, "fpga-plain", "fpga")


@pytest.mark.parametrize("kernel", manifests.shipped_names())
@pytest.mark.parametrize("kind", ["fpga", "fpga-emulator"])
def test_every_variant_to_build_is_found_again_by_name(kernel: str, kind: str) -> None:
    manifest = manifests.shipped(kernel)
    for variant in sources.variants_for(manifest, kind):
        assert sources.source_sha256(kernel, variant.name, kind) == sources.hash_of(manifest, variant)


CHANNELS = manifests.Variant(
    "fpga",
    "fpga.cl",
    ("CHANNELS=1",),
    kinds=("fpga", "fpga-emulator"),
    stages={"trial": ("trial_reader", "trial_core")},
)
PLAIN = manifests.Variant("fpga-plain", "fpga.cl", ("CHANNELS=0",), kinds=("fpga",))


def test_variants_for_a_kind_of_device() -> None:
    manifest = manifests.shipped("trial")
    (portable,) = manifest.variants
    assert sources.variants_for(manifest, "fpga") == [portable]
    made = manifest._replace(variants=(CHANNELS, PLAIN, portable))
    assert sources.variants_for(made, "fpga") == [CHANNELS, PLAIN]
    assert sources.variants_for(made, "fpga", channels=False) == [PLAIN]
    assert sources.variants_for(made, "fpga-emulator") == [CHANNELS]
    assert sources.variants_for(made, "fpga-emulator", channels=False) == [portable]


# -- command line ----------------------------------------------------------------------------------------------------


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    """Run ``fpga-accel bitstream`` in this process, without the figures of RTL cores: tests/test_rtl_synthesis.py."""
    monkeypatch.setattr(figures, "shipped_path", lambda: tmp_path / "figures.toml")
    runner = CliRunner()

    def run(*args: object) -> Result:
        result = runner.invoke(application, ["bitstream", *(str(arg) for arg in args)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def test_list(invoke: Invoke) -> None:
    if not catalog.shipped().images:
        nothing = invoke("list")
        assert (nothing.exit_code, nothing.stdout) == (0, "")
        assert "no image" in nothing.stderr
        assert json.loads(invoke("list", "--json").stdout) == []
    path = added(program_image(), "a.img")
    shown = invoke("list")
    assert "trial" in shown.stdout
    assert "a.img" in shown.stdout
    last = json.loads(invoke("list", "--json").stdout)[-1]
    assert last["file"] == str(path)
    assert set(last) == {"file", *Entry.__slots__}
    assert (last["kernel"], last["entries"], last["format"]) == ("trial", ["trial"], "program")


@pytest.mark.parametrize(("name", "target"), [("xclbin", VBNV), ("aocx", BOARD), ("ecp5", PART)])
def test_show(invoke: Invoke, tmp_path: Path, name: str, target: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(SAMPLES[name]())
    shown = invoke("show", path)
    assert shown.exit_code == 0
    assert target in shown.stdout
    found = json.loads(invoke("show", "--json", path).stdout)
    assert (found["format"], found["target"], found["file"]) == (name, target, str(path))
    assert found["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_show_refuses(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(xclbin()[:-1])
    refused = invoke("show", path, "--json")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert json.loads(refused.stderr)["error"] == "truncated"
    assert json.loads(refused.stderr)["message"].startswith(f"{path}: ")
    absent = invoke("show", tmp_path / "absent")
    assert absent.stderr == f"fpga-accel: {tmp_path / 'absent'}: No such file or directory\n"
    assert invoke("show").exit_code == 2
    assert invoke("nonesuch").exit_code == 2
    assert invoke().exit_code == 2
    assert all(name in invoke("-h").stdout for name in ("list", "show", "verify", "build"))


def oversized() -> bytes:
    """An aocx whose first section says it has 2^60 bytes."""
    return patched(aocx(), "<Q", AOCX_TABLE + 64 + 32, 1 << 60)


def flipped() -> bytes:
    data = bytearray(program_image())
    data[-5] ^= 4
    return bytes(data)


BAD_FILES: Sequence[tuple[str, Callable[[], bytes], str]] = (
    ("truncated", lambda: xclbin()[:-100], f"the xclbin header states {len(xclbin())} bytes, the file has"),
    ("flipped", flipped, "the program image is damaged: its SHA-256 is"),
    ("wrong vendor", lambda: b"\x00\x09\x0f\xf0\x0f\xf0" + bytes(99), "this is no xclbin, aocx, ecp5 or program image"),
    ("wrong device", lambda: ecp5_bit(device_id=0x41111043), f"the ECP5 comment names part {PART}"),
    ("oversized field", oversized, f"section .acl.board states {1 << 60} bytes"),
    ("stale source", lambda: program_image(source="0" * 64), "stale: the source of trial/portable has changed"),
)


@pytest.mark.parametrize(("name", "make", "message"), BAD_FILES, ids=[name for name, _, _ in BAD_FILES])
def test_verify_says_what_is_wrong_in_one_line(
    invoke: Invoke, tmp_path: Path, name: str, make: Callable[[], bytes], message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(make())
    result = invoke("verify", path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"fpga-accel: {path}: {message}")
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == "1 image checked, 1 bad\n"
    (found,) = json.loads(invoke("verify", "--json", path).stdout)
    assert (found["file"], found["ok"]) == (str(path), False)
    assert found["problems"][0].startswith(message)


def test_verify_several(invoke: Invoke, tmp_path: Path) -> None:
    for name, make, _ in BAD_FILES:
        (tmp_path / name).write_bytes(make())
    for name, sample in SAMPLES.items():
        (tmp_path / f"good-{name}").write_bytes(sample())
    paths = [path for path in sorted(tmp_path.iterdir()) if path.is_file()]
    result = invoke("verify", *paths, tmp_path / "absent", tmp_path)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == len(BAD_FILES) + 2
    assert result.stdout == f"{len(paths) + 2} images checked, {len(BAD_FILES) + 2} bad\n"


def test_verify_the_catalogs(invoke: Invoke, cache: Path) -> None:
    assert invoke("verify").exit_code == 0
    good, other = added(program_image(), "good.img"), added(aocx(), "other.aocx")
    shipped = len(catalog.shipped().images)
    assert invoke("verify").stdout == f"{shipped + 2} images checked, 0 bad\n"
    # Sound in itself, but not what its entry says.
    other.write_bytes(xclbin())
    assert invoke("verify", good).exit_code == 0
    for result in (invoke("verify"), invoke("verify", other)):
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1
        assert "its format is 'xclbin', the catalog says 'aocx'" in result.stderr
    (cache / "images" / "catalog.toml").write_text("abi = 1\nimages = [{}]\n")
    broken = invoke("verify")
    assert broken.exit_code == 1
    assert broken.stderr == f"fpga-accel: {cache}/images/catalog.toml: image 0: key 'path' is missing\n"


def tool(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a stand-in for a vendor's tool on PATH."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")


def commands(invoke: Invoke, *args: object) -> list[list[str]]:
    result = invoke("build", "trial", "--dry-run", *args)
    assert result.exit_code == 0, result.stderr
    lines: list[str] = json.loads(invoke("build", "trial", "--dry-run", "--json", *args).stdout)["commands"]
    assert result.stdout.splitlines() == lines
    return [line.split() for line in lines]


def test_recipes(invoke: Invoke, cache: Path) -> None:
    kernels = manifests.kernels_dir()
    source = [f"-I{kernels / 'trial'}", f"-I{kernels / 'common'}", str(kernels / "trial" / "portable.cl")]
    work = f"{cache}/images/work/trial-portable"

    assert commands(invoke, "--target", "aoc-emulator") == [
        ["aoc", "-march=emulator", *source, "-o", f"{work}-aoc-emulator.aocx"]
    ]
    assert commands(invoke, "--target", "aoc-report", "--board", "a10gx") == [
        ["aoc", "-rtl", "-report", "-board=a10gx", *source, "-o", f"{work}-aoc-report-a10gx.aocr"]
    ]
    assert commands(invoke, "--target", "aoc-hardware", "--board", "a10gx") == [
        ["aoc", "-report", "-board=a10gx", *source, "-o", f"{work}-aoc-hardware-a10gx.aocx"]
    ]
    for target, mode in (("vitis-hw-emu", "hw_emu"), ("vitis-hw", "hw")):
        common = ["-t", mode, "--platform", VBNV]
        made, linked = f"{work}-{target}-{VBNV}-trial.xo", f"{work}-{target}-{VBNV}.xclbin"
        assert commands(invoke, "--target", target, "--board", VBNV) == [
            ["v++", "-c", *common, "-k", "trial", *source, "-o", made],
            ["v++", "-l", *common, made, "-o", linked],
        ]
    assert not cache.exists()


def test_recipe_of_several_entries_and_macros(tmp_path: Path) -> None:
    manifest = manifests.shipped("aes")
    variant = manifest.variants[-1]._replace(defines=("CHANNELS=0", "REPLICAS=2"))
    made = recipes.recipe(recipes.TARGETS["vitis-hw"], manifest, variant, "/opt/u250 x.xpfm", tmp_path)
    *compiled, linked = made.commands
    assert [command[command.index("-k") + 1] for command in compiled] == list(manifest.entries)
    assert all({"-DCHANNELS=0", "-DREPLICAS=2"} <= set(command) for command in compiled)
    assert [command[-1] for command in compiled] == [part for part in linked if part.endswith(".xo")]
    assert made.result == tmp_path / f"aes-{variant.name}-vitis-hw-_opt_u250_x_xpfm.xclbin"


def test_recipes_for_cards_keep_the_depth_of_the_source(tmp_path: Path) -> None:
    manifest = manifests.shipped("trial")
    for target, deep in (("aoc-emulator", True), ("aoc-hardware", False), ("aoc-report", False)):
        made = recipes.recipe(recipes.TARGETS[target], manifest, CHANNELS, BOARD, tmp_path)
        assert (f"-DCHANNEL_DEPTH={manifests.EMULATED_DEPTH}" in made.commands[0]) is deep


@pytest.mark.parametrize(
    ("target", "name", "release"),
    [("aoc-hardware", "aoc", "Intel FPGA SDK for OpenCL 22.4"), ("vitis-hw", "v++", "AMD Vitis 2024.x")],
)
def test_a_tool_that_is_absent(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, target: str, name: str, release: str
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    result = invoke("build", "trial", "--target", target, "--board", "b")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert all(part in result.stderr for part in (f"{name} is not installed", "PATH was searched", release))


def test_a_tool_builds(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = tmp_path / "sample"
    sample.write_bytes(aocx())
    copy = f'for last in "$@"; do :; done; cp {sample} "$last"; echo chatter'
    tool(tmp_path, "aoc", copy, monkeypatch)
    result = invoke("build", "trial", "--target", "aoc-hardware", "--board", BOARD, "--json")
    assert result.exit_code == 0, result.stderr
    built = json.loads(result.stdout)
    assert Path(built["file"]).read_bytes() == aocx()
    assert (built["format"], built["target"], built["kernel"]) == ("aocx", BOARD, "trial")
    assert [entry.path for entry in catalog.users().images] == ["trial-portable-aoc-hardware-pac_a10.aocx"]
    assert invoke("verify").exit_code == 0
    report = invoke("build", "trial", "--target", "aoc-report")
    assert (report.exit_code, len(catalog.users().images)) == (0, 1)
    assert report.stdout.endswith(".aocr: report beside it\n")


@pytest.mark.parametrize(
    ("script", "message"), [("exit 3", "ended with 3"), ("exit 0", "left no"), ("echo x > $6", "this is no xclbin")]
)
def test_a_tool_that_fails(
    invoke: Invoke, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    tool(tmp_path, "aoc", script, monkeypatch)
    earlier = cache / "images" / "work" / "trial-portable-aoc-emulator.aocx"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(aocx())
    result = invoke("build", "trial", "--target", "aoc-emulator")
    assert result.exit_code == 1
    assert message in result.stderr
    assert catalog.users().images == ()


@pytest.mark.parametrize(
    "args",
    [
        ("trial",),
        ("trial", "--target", "nonesuch"),
        ("nonesuch", "--target", "emulator"),
        ("trial", "--target", "vitis-hw"),
        ("trial", "--target", "emulator", "--board", "a10gx"),
        ("trial", "--target", "aoc-emulator", "--variant", "nonesuch", "--dry-run"),
    ],
)
def test_build_usage(invoke: Invoke, args: Sequence[str]) -> None:
    result = invoke("build", *args)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)


def test_build_without_an_emulator(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(wanted: str) -> str:
        raise fa.DeviceNotFoundError(f"no usable {wanted} device")

    monkeypatch.setattr("fpga_accel.runtime.discovery.select", nothing)
    result = invoke("build", "trial", "--target", "emulator")
    assert (result.exit_code, result.stderr) == (3, "fpga-accel: no usable fpga-emulator device\n")


# -- the emulator ----------------------------------------------------------------------------------------------------


@pytest.fixture
def emulator() -> Any:
    """The installed FPGA emulator, as its runtime lists it."""
    if not any(device.kind == "fpga-emulator" and device.usable for device in fa.devices()):
        required.missing("fpga-emulator", "there is no usable FPGA emulator")
    from fpga_accel.runtime import platforms

    return next(listed for listed in platforms.listed() if listed.kind == "fpga-emulator")


def test_image_built_for_the_emulator_runs_there(invoke: Invoke, emulator: Any) -> None:
    import pyopencl as cl

    planned = invoke("build", "trial", "--target", "emulator", "--dry-run")
    assert "trial/portable" in planned.stdout
    assert catalog.users().images == ()
    result = invoke("build", "trial", "--target", "emulator", "--json")
    assert result.exit_code == 0, result.stderr
    built = Path(json.loads(result.stdout)["file"])
    assert invoke("verify").exit_code == 0
    today = sources.source_sha256("trial", "portable", "fpga")
    content = built.read_bytes()
    listed = bitstreams.find([catalog.users()], emulator.identity, "trial", "portable", today)
    assert listed == (built, hashlib.sha256(content).hexdigest())

    context = cl.Context([emulator.handle])
    binary = bitstreams.contents(built, emulator.identity)
    with warnings.catch_warnings():
        # The runtime talks while it loads a binary.
        warnings.simplefilter("ignore", cl.CompilerWarning)
        kernel = cl.Kernel(cl.Program(context, [emulator.handle], [binary]).build(), "trial")
    source, params = np.arange(251, dtype=np.uint8), np.full(16, 0x5A, np.uint8)
    target, results, table = np.zeros_like(source), new_results(1), new_table(1)
    table["src_size"] = table["dst_capacity"] = source.size
    flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
    buffers = [cl.Buffer(context, flags, hostbuf=array) for array in (source, target, table, results, params)]
    queue = cl.CommandQueue(context)
    kernel.set_args(*buffers, np.uint32(1))
    cl.enqueue_nd_range_kernel(queue, kernel, (1,), (1,))
    cl.enqueue_copy(queue, target, buffers[1])
    assert (target == (~source ^ 0x5A)).all()


def test_channels_are_deep_in_the_emulator(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def binary(request: BuildRequest) -> bytes:
        asked.append(request.options)
        return b"binary"

    monkeypatch.setattr("fpga_accel.runtime.programs.binary", binary)
    manifest = manifests.shipped("trial")
    for variant in (manifest.variants[-1], CHANNELS._replace(source="portable.cl")):
        assert bitstreams.read(recipes.build_program(emulator, manifest, variant)).detail["variant"] == variant.name
    assert asked == [
        ("-cl-std=CL1.2",),
        ("-cl-std=CL1.2", "-DCHANNELS=1", f"-DCHANNEL_DEPTH={manifests.EMULATED_DEPTH}"),
    ]


def test_a_variant_that_does_not_build(invoke: Invoke, emulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = manifests.shipped("trial").variants[0]._replace(defines=("uint=syntax error",))
    monkeypatch.setattr(sources, "variants_for", lambda *_, **__: [broken])
    result = invoke("build", "trial", "--target", "emulator")
    assert result.exit_code == 1
    assert "no variant of trial builds: portable:" in result.stderr
    assert catalog.users().images == ()


def test_program_images_are_for_the_emulator_only(emulator: Any) -> None:
    manifest = manifests.shipped("trial")
    with pytest.raises(fa.DeviceError, match="program images are for the FPGA emulator"):
        recipes.build_program(emulator._replace(kind="cpu"), manifest, manifest.variants[0])
