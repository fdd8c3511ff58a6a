"""``fpga-accel encrypt``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from fpga_accel.cli import files, jobs, keys, options, session
from fpga_accel.cli.options import Delivery, Where
from fpga_accel.cli.sealing import DEFAULT_CIPHER, Sealing
from fpga_accel.operations import registry


@click.command()
@options.sources
@options.cipher
@options.key_file
@options.key_fd
@options.aad
@options.delivery
@options.where()
def encrypt(
    sources: Sequence[str],
    *,
    cipher: str | None,
    key_file: str | None,
    key_fd: int | None,
    aad: str,
    delivery: Delivery,
    where: Where,
) -> None:
    """Encrypt each FILE into FILE.aes-gcm, or with another cipher.

    The ending is the cipher's name. The output is a fresh random nonce (of 12, 16 or 24 bytes), the ciphertext, and the
    16-byte tag of the ciphers that have one. Inputs have at most 64 MiB, because one tag covers the whole file; `seal`
    takes files of any size. Without FILE, or for -, standard input is read. The input is kept. With --json the report
    goes to standard output, or to standard error where the data goes to standard output.
    """
    algorithm = cipher or DEFAULT_CIPHER
    registry.find("encrypt", algorithm).settings(aads=(aad.encode(),) if aad else None)
    planned = jobs.planned(sources, delivery, lambda name: f"{name}.{algorithm}", joinable=False)
    for job in planned:
        files.refuse_terminal_output(job.target, force=delivery.force)
    from_stdin = any(files.is_standard(job.source) for job in planned)
    with (
        keys.opened_key(key_file, key_fd, data_from_stdin=from_stdin) as key,
        session.accelerator(where, as_json=delivery.json) as acc,
    ):
        sealing = Sealing("encrypt", key, aad.encode(), delivery)
        jobs.run(planned, sealing.work(acc, lambda job: algorithm), acc, delivery)
