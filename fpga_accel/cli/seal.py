"""``fpga-accel seal``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from fpga_accel.age.recipients import Closers
from fpga_accel.age.streams import seal_stream
from fpga_accel.cli import files, jobs, options, secrets, session
from fpga_accel.cli.options import Delivery, Where
from fpga_accel.operations import registry


@click.command()
@options.sources
@click.option("--recipient", "-r", metavar="KEY", multiple=True, help="A public key, age1...; several are allowed.")
@click.option("--recipients-file", "-R", metavar="PATH", multiple=True, help="A file of public keys.")
@secrets.passphrase
@click.option("--compress", metavar="FORMAT", help=f"Compress first: {', '.join(registry.algorithms('compress'))}.")
@click.option("--armor", "-a", is_flag=True, help="Write ASCII text.")
@options.delivery
@options.where()
def seal(
    sources: Sequence[str],
    *,
    recipient: Sequence[str],
    recipients_file: Sequence[str],
    passphrase: secrets.Source,
    compress: str | None,
    armor: bool,
    delivery: Delivery,
    where: Where,
) -> None:
    """Encrypt each FILE into FILE.age, as the age command does.

    The file is for recipients, or has a passphrase. Files of any size, in bounded memory. With --compress lz4 the
    output is FILE.lz4.age. Without FILE, or for -, standard input is read. The input is kept. With --json the report
    goes to standard output, or to standard error where the data goes to standard output.
    """
    suffix = ".age"
    if compress is not None:
        registry.find("compress", compress)
        suffix = next(found for found, name in registry.SUFFIXES.items() if name == compress) + suffix
    planned = jobs.planned(sources, delivery, lambda name: name + suffix, joinable=False)
    for job in planned if not armor else ():
        files.refuse_terminal_output(job.target, force=delivery.force)
    from_stdin = any(files.is_standard(job.source) for job in planned)
    recipients = [*recipient, *secrets.texts(recipients_file, data_from_stdin=from_stdin)]
    with (
        passphrase.opened(twice=True, data_from_stdin=from_stdin) as secret,
        session.accelerator(where, as_json=delivery.json) as acc,
    ):
        # Refused before any file is opened.
        Closers.of(recipients, secret).wipe()

        def work(job: jobs.Job) -> jobs.Done:
            with jobs.opened(job, delivery) as (opened, target, at):
                outlet = files.Outlet(target)
                read = seal_stream(
                    files.Inlet(opened, at),
                    outlet,
                    recipients=recipients,
                    passphrase=secret,
                    compress=compress,
                    armor=armor,
                    accelerator=acc,
                )
                return jobs.Done(read, outlet.written)

        jobs.run(planned, work, acc, delivery)
