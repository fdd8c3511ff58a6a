"""``fpga-accel explain``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from fpga_accel.cli import output, session
from fpga_accel.cli.compress import BlockSize, Level
from fpga_accel.cli.failures import UsageError
from fpga_accel.cli.options import Device, Fallback, Json, Threads, Timeout, Verify, Where
from fpga_accel.operations import registry
from fpga_accel.routing import Plan

_CIPHER_OPS = ("encrypt", "decrypt")
_NAMED_OPS = ("digest", "mac", "checksum")

Op = Annotated[
    str, typer.Argument(metavar="OP", help="compress, decompress, encrypt, decrypt, digest, mac or checksum.")
]
Nbytes = Annotated[int, typer.Argument(metavar="NBYTES", min=0, help="Bytes over all items.")]
Count = Annotated[int, typer.Option(metavar="N", min=1, help="How many items.")]
Format = Annotated[str | None, typer.Option(help="Format of compress and decompress.", show_default=False)]
Cipher = Annotated[str | None, typer.Option(help="Cipher of encrypt and decrypt.", show_default=False)]
Algorithm = Annotated[str | None, typer.Option(help="Algorithm of digest, mac and checksum.", show_default=False)]


def explain(
    op: Op,
    nbytes: Nbytes,
    *,
    format: Format = None,
    cipher: Cipher = None,
    algorithm: Algorithm = None,
    level: Level = None,
    block_size: BlockSize = None,
    count: Count = 1,
    device: Device = None,
    fallback: Fallback = None,
    verify: Verify = None,
    threads: Threads = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Tell where a call of this size would run, and why, without running it."""
    options = _options(op, format, cipher, algorithm, {"level": level, "block_size": block_size})
    where = Where(device, fallback, verify, threads, timeout)
    with session.accelerator(where, as_json=as_json) as acc:
        plan = acc.explain(op, nbytes, count=count, **options)
    if as_json:
        output.show_json(asdict(plan))
        return
    _show(plan)


def _options(
    op: str, format: str | None, cipher: str | None, algorithm: str | None, tuning: dict[str, int | None]
) -> dict[str, Any]:
    legal = sorted({operation.op for operation in registry.OPERATIONS.values()})
    if op not in legal:
        raise UsageError(f"unknown operation {op!r}; legal ones are {', '.join(legal)}")
    if op in _CIPHER_OPS and format:
        raise UsageError(f"{op} has no --format", hint="name the cipher with --cipher")
    if op not in _CIPHER_OPS and cipher:
        raise UsageError(f"{op} has no --cipher", hint="name the format with --format")
    if op in _NAMED_OPS and format:
        raise UsageError(f"{op} has no --format", hint="name it with --algorithm")
    if op not in _NAMED_OPS and algorithm:
        raise UsageError(f"{op} has no --algorithm", hint="there are --format and --cipher")
    if op != "compress" and any(value is not None for value in tuning.values()):
        raise UsageError(f"{op} has no --level and no --block-size")
    options: dict[str, Any] = {"format": format, "cipher": cipher, "algorithm": algorithm} | tuning
    return {name: value for name, value in options.items() if value is not None}


def _show(plan: Plan) -> None:
    rows = [
        ("backend", plan.backend),
        ("device", plan.device),
        ("variant", plan.variant),
        ("reason", plan.reason.value),
        ("detail", plan.detail or None),
        ("margin", plan.margin),
    ]
    output.show_table(("plan", ""), rows)
    if plan.candidates:
        print()
        candidates = [
            (each.name, f"{each.seconds * 1e3:.3f}", each.source.value, each.usable, each.note or None)
            for each in plan.candidates
        ]
        output.show_table(("candidate", ">estimated ms", "from", "usable", "note"), candidates)
