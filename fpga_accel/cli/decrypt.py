"""``fpga-accel decrypt``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from fpga_accel.cli import files, jobs, keys, options, session
from fpga_accel.cli.failures import UsageError
from fpga_accel.cli.options import Delivery, Where
from fpga_accel.cli.sealing import DEFAULT_CIPHER, Sealing, suffixes
from fpga_accel.operations import registry


@click.command()
@options.sources
@options.cipher
@options.key_file
@options.key_fd
@options.aad
@options.delivery
@options.where()
def decrypt(
    sources: Sequence[str],
    *,
    cipher: str | None,
    key_file: str | None,
    key_fd: int | None,
    aad: str,
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
        algorithm = _cipher_of(job.source, cipher)
        registry.find("decrypt", algorithm).settings(aads=(aad.encode(),) if aad else None)
    from_stdin = any(files.is_standard(job.source) for job in planned)
    with (
        keys.opened_key(key_file, key_fd, data_from_stdin=from_stdin) as key,
        session.accelerator(where, as_json=delivery.json) as acc,
    ):
        sealing = Sealing("decrypt", key, aad.encode(), delivery)
        jobs.run(planned, sealing.work(acc, lambda job: _cipher_of(job.source, cipher)), acc, delivery)


def _cipher_of(name: str, wanted: str | None) -> str:
    by_suffix = suffixes().get(Path(name).suffix)
    if wanted and by_suffix and wanted != by_suffix:
        raise UsageError(f"{name} ends in .{by_suffix}, but --cipher is {wanted}")
    return wanted or by_suffix or DEFAULT_CIPHER


def _without_suffix(name: str) -> str:
    path = Path(name)
    if path.suffix in suffixes():
        return str(path.with_suffix(""))
    known = " or ".join(suffixes())
    raise UsageError(f"{name} does not end in {known}", hint="name the output with -o, or use -c")
