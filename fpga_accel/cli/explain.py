"""``fpga-accel explain``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from fpga_accel.cli import options, output, session
from fpga_accel.cli.failures import UsageError
from fpga_accel.cli.options import Where
from fpga_accel.operations import registry
from fpga_accel.routing import Plan

_CIPHER_OPS = ("encrypt", "decrypt")
_NAMED_OPS = ("digest", "mac", "checksum")


@click.command()
@click.argument("op")
@click.argument("nbytes", type=click.IntRange(min=0))
@click.option("--format", metavar="NAME", help="Format of compress and decompress.")
@click.option("--cipher", metavar="NAME", help="Cipher of encrypt and decrypt.")
@click.option("--algorithm", metavar="NAME", help="Algorithm of digest, mac and checksum.")
@options.level
@options.block_size
@click.option("--count", metavar="N", type=click.IntRange(min=1), default=1, show_default=True, help="How many items.")
@options.where()
@options.as_json
def explain(
    op: str,
    nbytes: int,
    *,
    format: str | None,
    cipher: str | None,
    algorithm: str | None,
    level: int | None,
    block_size: int | None,
    count: int,
    where: Where,
    as_json: bool,
) -> None:
    """Tell where a call of this size would run, and why.

    Nothing is run. OP is compress, decompress, encrypt, decrypt, digest, mac or checksum; NBYTES is the bytes over all
    items.
    """
    chosen = _options(op, format, cipher, algorithm, {"level": level, "block_size": block_size})
    with session.accelerator(where, as_json=as_json) as acc:
        plan = acc.explain(op, nbytes, count=count, **chosen)
    if as_json:
        output.show_json(asdict(plan))
        return
    _show(plan)


def _options(
    op: str, format: str | None, cipher: str | None, algorithm: str | None, tuning: dict[str, int | None]
) -> dict[str, Any]:
    legal = sorted(registry.DEFAULTS)
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
    given: dict[str, Any] = {"format": format, "cipher": cipher, "algorithm": algorithm} | tuning
    return {name: value for name, value in given.items() if value is not None}


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
