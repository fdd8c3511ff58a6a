"""``fpga-accel encrypt``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from fpga_accel.cli import files, jobs, options, sealing
from fpga_accel.cli.options import Delivery, Where


@click.command()
@options.sources
@sealing.given
@options.delivery
@options.where()
def encrypt(
    sources: Sequence[str],
    *,
    given: sealing.Given,
    delivery: Delivery,
    where: Where,
) -> None:
    """Encrypt each FILE into FILE.aes-gcm, or with another cipher.

    The ending is the cipher's name. The output is a fresh random nonce (of 12, 16 or 24 bytes), the ciphertext, and the
    16-byte tag of the ciphers that have one. Inputs have at most 64 MiB, because one tag covers the whole file; `seal`
    takes files of any size. Without FILE, or for -, standard input is read. The input is kept. With --json the report
    goes to standard output, or to standard error where the data goes to standard output.
    """
    algorithm = given.cipher or sealing.DEFAULT_CIPHER
    given.check("encrypt", algorithm)
    planned = jobs.planned(sources, delivery, lambda name: f"{name}.{algorithm}", joinable=False)
    for job in planned:
        files.refuse_terminal_output(job.target, force=delivery.force)
    sealing.run("encrypt", planned, lambda job: algorithm, given, delivery, where)
