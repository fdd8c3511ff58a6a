"""``fpga-accel demo``."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.exceptions import Exit

from fpga_accel.accelerator import Accelerator
from fpga_accel.cli import failures, files, options, output, peers, places, session
from fpga_accel.cli.options import Where
from fpga_accel.receipts import Receipt

# Enough that every device has work for some milliseconds, little enough for an emulator.
SAMPLE_SIZE = 16 << 20
# The file is held in memory several times over.
LARGEST = 1 << 30
_AAD = b"fpga-accel demo"


@dataclass(frozen=True, slots=True)
class Check:
    """One result compared with what a stock library or command makes of it."""

    device: str
    what: str
    by: str
    passed: bool
    cause: str = ""


# What is checked, by whom, what makes the bytes, and what they should be.
Comparison = tuple[str, str, Callable[[], bytes], bytes]


@dataclass(frozen=True, slots=True)
class Stock:
    """The libraries and commands that check."""

    compressors: list[peers.Compressor]
    cipher: peers.AesGcm


@dataclass(slots=True)
class Round:
    """The main job on one device."""

    device: str
    receipts: list[Receipt] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)


@click.command()
@click.argument("file", metavar="[FILE]", type=options.PATH, required=False)
@options.where("device", "verify", "threads", "timeout")
@options.as_json
def demo(file: Path | None, *, where: Where, as_json: bool) -> None:
    """Compress and encrypt a file, and back, on every device.

    The devices are the usable ones and the CPU. Without FILE, the input is sources of Python's library. Each result is
    checked against stock libraries, and against the lz4 command where there is one. Nothing falls back: what a device
    cannot do is a failure here.
    """
    name, data = _sample() if file is None else _content(str(file))
    with session.messages(as_json=as_json):
        found = places.found(where.device, as_json=as_json)
    stock = Stock(peers.lz4_compressors(), peers.AesGcm(os.urandom(32)))
    if not as_json:
        # File names may hold bytes that are no text.
        shown = name.encode(errors="replace").decode()
        print(f"input: {shown}, {output.megabytes(len(data))} MB")
    rounds = []
    for place in found.names:
        there = replace(where, device=place, fallback="never")
        with session.accelerator(there, as_json=as_json) as acc:
            rounds.append(_round(acc, place, data, stock))
    if as_json:
        _show_json(name, data, rounds, found.missing)
    else:
        _show(rounds, found.missing)
    if not all(check.passed for one in rounds for check in one.checks):
        raise Exit(failures.FAILED)
    if found.missing:
        raise Exit(failures.NO_DEVICE)


def _sample() -> tuple[str, bytes]:
    """Join source files of the standard library, in the order of their names."""
    folder = Path(sysconfig.get_path("stdlib"))
    gathered = bytearray()
    count = 0
    for path in sorted(folder.rglob("*.py")):
        if "site-packages" in path.parts or not path.is_file():
            continue
        gathered += path.read_bytes()
        count += 1
        if len(gathered) >= SAMPLE_SIZE:
            break
    if not gathered:
        raise failures.UsageError(f"{folder} holds no Python sources to take as input", hint="name a FILE")
    return f"{count} source files of {folder}", bytes(gathered[:SAMPLE_SIZE])


def _content(name: str) -> tuple[str, bytes]:
    with files.reading(name) as source:
        data = source.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise failures.UsageError(f"{name} has more than {LARGEST >> 20} MiB, and demo holds its input in memory")
    return name, data


def _round(acc: Accelerator, place: str, data: bytes, stock: Stock) -> Round:
    """Do the main job, then let others read its results and it theirs."""
    done = Round(place)
    acc.warmup("lz4.compress", "lz4.decompress", "aes-gcm.encrypt", "aes-gcm.decrypt", "crc32c.checksum")
    key = stock.cipher.key
    made: list[bytes] = []

    def main_job() -> bytes:
        packed = acc.compress(data, "lz4")
        sealed = acc.encrypt(packed, key, "aes-gcm", aad=_AAD)
        opened = acc.decrypt(sealed, key, "aes-gcm", aad=_AAD)
        made.extend((packed, sealed))
        return acc.decompress(opened, "lz4")

    with acc.trace() as trace:
        done.checks.append(_check(place, ("round trip gives the input", "comparison", main_job, data)))
    done.receipts = trace.receipts
    if done.checks[0].passed:
        packed, sealed = made
        done.checks += [_check(place, comparison) for comparison in _comparisons(acc, data, packed, sealed, stock)]
    return done


def _comparisons(
    acc: Accelerator,
    data: bytes,
    packed: bytes,
    sealed: bytes,
    stock: Stock,
) -> Iterator[Comparison]:
    for peer in stock.compressors:
        yield "it decompresses ours", peer.name, partial(peer.decompress, packed), data
        yield "we decompress its", peer.name, partial(_decompressed, acc, peer, data), data
    yield "it decrypts ours", stock.cipher.name, partial(stock.cipher.decrypt, sealed, _AAD), packed
    yield "we decrypt its", stock.cipher.name, partial(_decrypted, acc, stock.cipher, packed), packed
    yield "CRC-32C is its", peers.CRC32C_NAME, partial(_checksum, acc, data), peers.crc32c(data).to_bytes(4, "big")


def _decompressed(acc: Accelerator, peer: peers.Compressor, data: bytes) -> bytes:
    return acc.decompress(peer.compress(data))


def _decrypted(acc: Accelerator, cipher: peers.AesGcm, data: bytes) -> bytes:
    return acc.decrypt(cipher.encrypt(data, _AAD), cipher.key, aad=_AAD)


def _checksum(acc: Accelerator, data: bytes) -> bytes:
    return acc.checksum(data, "crc32c").to_bytes(4, "big")


def _check(place: str, comparison: Comparison) -> Check:
    what, by, make, wanted = comparison
    # Whatever a peer or a device raises is a failed check, and the others still run.
    try:
        passed = make() == wanted
    except Exception as error:
        return Check(place, what, by, False, " ".join(f"{type(error).__name__}: {error}".split()))
    return Check(place, what, by, passed, "" if passed else "the bytes differ")


def _show(rounds: list[Round], missing: str) -> None:
    print()
    receipts = [output.receipt_row(receipt) for one in rounds for receipt in one.receipts]
    output.show_table(output.RECEIPT_COLUMNS, receipts)
    print()
    checks = [check for one in rounds for check in one.checks]
    rows = [(check.device, check.what, check.by, output.verdict(check.passed), check.cause) for check in checks]
    output.show_table(("on", "check", "by", "result", "cause"), rows)
    failed = sum(not check.passed for check in checks)
    print()
    print(f"{len(checks) - failed} of {len(checks)} checks passed.")
    if peers.lz4_command() is None:
        output.say("fpga-accel: PATH has no lz4 command, so only the libraries checked the frames")
    if missing:
        output.say(f"fpga-accel: {missing}; only the CPU path ran")


def _show_json(name: str, data: bytes, rounds: list[Round], missing: str) -> None:
    checks = [check for one in rounds for check in one.checks]
    document: dict[str, Any] = {
        "input": name,
        "bytes": len(data),
        "ok": all(check.passed for check in checks),
        "missing": missing or None,
        "receipts": [receipt.as_dict() for one in rounds for receipt in one.receipts],
        "checks": [asdict(check) for check in checks],
    }
    output.show_json(document)
