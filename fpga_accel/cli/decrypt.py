"""``fpga-accel decrypt``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from fpga_accel.cli import jobs, options, sealing
from fpga_accel.cli.failures import UsageError
from fpga_accel.cli.options import Delivery, Where


@click.command()
@options.sources
@sealing.given
@options.delivery
@options.where()
def decrypt(
    sources: Sequence[str],
    *,
    given: sealing.Given,
    delivery: Delivery,
    where: Where,
) -> None:
    """Decrypt each FILE.aes-gcm, or of another cipher, into FILE.

    The file's ending, such as .aes-gcm or .sm4-ctr, tells the cipher. Nothing is written when the tag is wrong.
    Without FILE, or for -, standard input is read. The input is kept. With --json the report goes to standard output,
    or to standard error where the data goes to standard output.
    """
    planned = jobs.planned(sources, delivery, _without_suffix, joinable=False)
    for job in planned:
        given.check("decrypt", _cipher_of(job.source, given.cipher))
    sealing.run("decrypt", planned, lambda job: _cipher_of(job.source, given.cipher), given, delivery, where)


def _cipher_of(name: str, wanted: str | None) -> str:
    by_suffix = sealing.suffixes().get(Path(name).suffix)
    if wanted and by_suffix and wanted != by_suffix:
        raise UsageError(f"{name} ends in .{by_suffix}, but --cipher is {wanted}")
    return wanted or by_suffix or sealing.DEFAULT_CIPHER


def _without_suffix(name: str) -> str:
    path = Path(name)
    if path.suffix in sealing.suffixes():
        return str(path.with_suffix(""))
    known = " or ".join(sealing.suffixes())
    raise UsageError(f"{name} does not end in {known}", hint="name the output with -o, or use -c")
