"""``fpga-accel selftest``."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import click
from click.exceptions import Exit

from fpga_accel.accelerator import Accelerator
from fpga_accel.cli import failures, options, output, peers, places, session
from fpga_accel.cli.options import Where
from fpga_accel.errors import InvalidTag
from fpga_accel.operations import registry
from fpga_accel.operations.ciphers import CipherOperation, CipherOptions
from fpga_accel.operations.contract import Operation

_COLUMNS = ("device", "operation", "variant", ">prepare ms", ">calls", ">ms", "result")
# One byte; a smallest block of LZ4, and one byte more; several blocks of LZ4 and rows of AES with an odd rest.
_SIZES = (1, 64 << 10, (64 << 10) + 1, (1 << 20) + 13)
_KEY = bytes(range(32))


@dataclass(slots=True)
class Row:
    """What one operation did on one device."""

    device: str
    operation: str
    variant: str = "-"
    prepare_seconds: float = 0.0
    calls: int = 0
    seconds: float = 0.0
    passed: bool = False
    cause: str = ""


class _WrongResultError(Exception):
    """A call gave something else than it should."""


@click.command()
@options.where("device", "threads", "timeout")
@options.as_json
def selftest(where: Where, as_json: bool) -> None:
    """Build and try every kernel on every usable device.

    Every byte that a device writes is compared with the CPU path's, and nothing falls back. The CPU path is tried
    alone, last.
    """
    with session.messages(as_json=as_json):
        found = places.found(where.device, as_json=as_json)
    rows = [row for place in found.names for row in _tried(place, where)]
    if as_json:
        output.show_json([asdict(row) for row in rows])
    else:
        _show(rows)
    if not all(row.passed for row in rows):
        raise Exit(failures.FAILED)
    if found.missing:
        failures.Failure(failures.NO_DEVICE, "device_not_found", found.missing).show(as_json=as_json)
        raise Exit(failures.NO_DEVICE)


def _tried(place: str, where: Where) -> Iterator[Row]:
    there = replace(where, device=place, fallback="never", verify="always")
    with session.accelerator(there, as_json=False) as acc, Accelerator("cpu") as cpu:
        for operation in registry.OPERATIONS.values():
            row = Row(place, operation.name)
            try:
                _try(operation, acc, cpu, row)
                row.passed = True
            except Exception as error:
                # A self-test reports whatever goes wrong, and goes on with the next kernel.
                row.cause = " ".join(f"{type(error).__name__.lstrip('_')}: {error}".split())
            yield row


def _try(operation: Operation[Any], acc: Accelerator, cpu: Accelerator, row: Row) -> None:
    started = time.perf_counter()
    _, options = operation.sample(1, _SIZES[-1], "")
    plan = acc.engine.planner.explain(operation, options, 1, _SIZES[-1])
    row.prepare_seconds = time.perf_counter() - started
    row.variant = plan.variant
    if row.device != places.CPU and plan.backend == places.CPU:
        raise _WrongResultError(f"{plan.reason.value}: {plan.detail}")
    started = time.perf_counter()
    for call in _calls(operation, acc, cpu):
        call()
        row.calls += 1
    row.seconds = time.perf_counter() - started


def _calls(operation: Operation[Any], acc: Accelerator, cpu: Accelerator) -> Iterator[Callable[[], None]]:
    """Yield calls that raise where the device and the CPU path do not understand each other."""
    for size in _SIZES:
        if isinstance(operation, CipherOperation):
            yield from (partial(_encryption, acc, cpu, operation, size, key) for key in operation.key_sizes)
        elif operation.op in ("compress", "decompress"):
            writer, reader = (acc, cpu) if operation.op == "compress" else (cpu, acc)
            yield partial(_compression, writer, reader, operation.algorithm, _content(size))
        else:
            yield partial(_reduction, acc, cpu, operation, _content(size))
    if operation.name == "aes-gcm.decrypt":
        yield partial(_tampering, acc, cpu)
    if operation.name == "lz4.decompress":
        yield from (partial(_foreign_frame, acc, peer) for peer in peers.lz4_compressors())


def _compression(writer: Accelerator, reader: Accelerator, format: str, data: bytes) -> None:
    if reader.decompress(writer.compress(data, format), format) != data:
        raise _WrongResultError(f"wrong result for {len(data)} bytes")


def _encryption(acc: Accelerator, cpu: Accelerator, operation: CipherOperation, size: int, key_size: int) -> None:
    (like,), options = operation.sample(1, size, "")
    options = CipherOptions([bytes(range(key_size))], options.nonces, own=options.own)
    encrypt = registry.cipher("encrypt", operation.algorithm)
    data = _content(len(like) - (0 if operation.encrypts else operation.overhead(options)))
    sealed = cpu.engine.one(encrypt, options, data)
    given, wanted = (data, sealed) if operation.encrypts else (sealed, data)
    if acc.engine.one(operation, options, given) != wanted:
        raise _WrongResultError(f"wrong result for {len(data)} bytes under a key of {key_size}")


def _reduction(acc: Accelerator, cpu: Accelerator, operation: Operation[Any], data: bytes) -> None:
    """Try a hash, a code or a checksum."""
    _, options = operation.sample(1, len(data), "")
    if acc.engine.one(operation, options, data) != cpu.engine.one(operation, options, data):
        raise _WrongResultError(f"wrong result for {len(data)} bytes")


def _tampering(acc: Accelerator, cpu: Accelerator) -> None:
    sealed = bytearray(cpu.encrypt(_content(_SIZES[-1]), _KEY))
    sealed[len(sealed) // 2] ^= 1
    try:
        acc.decrypt(sealed, _KEY)
    except InvalidTag:
        return
    raise _WrongResultError("changed ciphertext was accepted")


def _foreign_frame(acc: Accelerator, peer: peers.Compressor) -> None:
    """Decode what others write by default: blocks that refer to the one before."""
    data = _content(_SIZES[-1])
    if acc.decompress(peer.compress(data), "lz4") != data:
        raise _WrongResultError(f"wrong result for a frame by {peer.name}")


def _content(size: int) -> bytes:
    """Return half text, half noise, the same on every run."""
    lines = (b"line %d of %d bytes of a self-test\n" % (number, size) for number in range(size // 20 + 1))
    text = b"".join(lines)[: size - size // 2]
    return text + random.Random(size).randbytes(size - len(text))


def _show(rows: list[Row]) -> None:
    output.show_table(_COLUMNS, [_cells(row) for row in rows])
    for row in rows:
        if not row.passed:
            output.say(f"fpga-accel: {row.operation} on {row.device}: {row.cause}")


def _cells(row: Row) -> tuple[object, ...]:
    return (
        row.device,
        row.operation,
        row.variant,
        f"{row.prepare_seconds * 1e3:.1f}",
        row.calls,
        f"{row.seconds * 1e3:.1f}",
        output.verdict(row.passed),
    )
