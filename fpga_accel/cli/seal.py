"""``fpga-accel seal``."""

from __future__ import annotations

from typing import Annotated

import typer

from fpga_accel.age.recipients import WORK_FACTOR, Closers
from fpga_accel.age.streams import seal_stream
from fpga_accel.cli import files, jobs, secrets, session
from fpga_accel.cli.options import (
    Delivery,
    Device,
    Fallback,
    Files,
    Force,
    Json,
    Output,
    Quiet,
    Stdout,
    Threads,
    Timeout,
    Verify,
    Where,
)
from fpga_accel.operations import registry

Recipients = Annotated[
    list[str] | None,
    typer.Option(
        "--recipient", "-r", metavar="KEY", help="A public key, age1...; several are allowed.", show_default=False
    ),
]
RecipientsFile = Annotated[
    list[str] | None,
    typer.Option("--recipients-file", "-R", metavar="PATH", help="A file of public keys.", show_default=False),
]
Compress = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help=f"Compress first: {', '.join(registry.algorithms('compress'))}.",
        show_default=False,
    ),
]
Armor = Annotated[bool, typer.Option("--armor", "-a", help="Write ASCII text.")]


def seal(
    sources: Files = None,
    *,
    recipient: Recipients = None,
    recipients_file: RecipientsFile = None,
    passphrase: secrets.Ask = False,
    passphrase_file: secrets.PassphraseFile = None,
    passphrase_fd: secrets.PassphraseFd = None,
    compress: Compress = None,
    armor: Armor = False,
    out: Output = None,
    stdout: Stdout = False,
    force: Force = False,
    quiet: Quiet = False,
    device: Device = None,
    fallback: Fallback = None,
    verify: Verify = None,
    threads: Threads = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Encrypt each FILE into FILE.age, for recipients or with a passphrase, as the age command does.

    Files of any size, in bounded memory. With --compress lz4 the output is FILE.lz4.age. The input is kept. With --json
    the report goes to standard output, or to standard error where the data goes to standard output.
    """
    delivery = Delivery.of(out, stdout, force=force, quiet=quiet, json=as_json)
    suffix = ".age"
    if compress is not None:
        registry.find("compress", compress)
        suffix = next(found for found, name in registry.SUFFIXES.items() if name == compress) + suffix
    planned = jobs.planned(sources, delivery, lambda name: name + suffix, joinable=False)
    for job in planned if not armor else ():
        files.refuse_terminal_output(job.target, force=force)
    from_stdin = any(files.is_standard(job.source) for job in planned)
    recipients = [*(recipient or ()), *secrets.texts(recipients_file or (), data_from_stdin=from_stdin)]
    source = secrets.Source(passphrase, passphrase_file, passphrase_fd)
    where = Where(device, fallback, verify, threads, timeout)
    with (
        source.opened(twice=True, data_from_stdin=from_stdin) as secret,
        session.accelerator(where, as_json=as_json) as acc,
    ):
        # Refused before any file is opened.
        Closers.of(recipients, secret, WORK_FACTOR).wipe()

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
