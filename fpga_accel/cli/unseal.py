"""``fpga-accel unseal``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fpga_accel.age.recipients import MOST_WORK_FACTOR, Openers
from fpga_accel.age.streams import unseal_stream
from fpga_accel.cli import files, jobs, secrets, session
from fpga_accel.cli.decompress import MaxOutput
from fpga_accel.cli.failures import UsageError
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

_SUFFIX = ".age"

IdentityFile = Annotated[
    list[str] | None,
    typer.Option(
        "--identity", "-i", metavar="PATH", help="A file of secret keys; several are allowed.", show_default=False
    ),
]
Decompress = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help=f"Decompress as well: {', '.join(registry.algorithms('decompress'))}.",
        show_default=False,
    ),
]


def unseal(
    sources: Files = None,
    *,
    identity: IdentityFile = None,
    passphrase: secrets.Ask = False,
    passphrase_file: secrets.PassphraseFile = None,
    passphrase_fd: secrets.PassphraseFd = None,
    decompress: Decompress = None,
    max_output: MaxOutput = None,
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
    """Decrypt each FILE.age, armored or not, into FILE; with --decompress lz4, FILE.lz4.age into FILE.

    The output appears under its name once all of it is verified; what goes to standard output is written in verified
    chunks of 64 KiB, and exit code 1 tells that it is not all. Without -i and a passphrase, one is asked for. The
    input is kept. With --json the report goes to standard output, or to standard error where the data goes to standard
    output.
    """
    delivery = Delivery.of(out, stdout, force=force, quiet=quiet, json=as_json)
    if decompress is not None:
        registry.find("decompress", decompress)
    if max_output is not None and max_output < 0:
        raise UsageError(f"--max-output is {max_output}; it must not be negative")
    planned = jobs.planned(sources, delivery, lambda name: _without_suffix(name, decompress), joinable=True)
    from_stdin = any(files.is_standard(job.source) for job in planned)
    identities = secrets.texts(identity or (), data_from_stdin=from_stdin)
    source = secrets.Source(passphrase, passphrase_file, passphrase_fd)
    if not identity and not source.named:
        source = secrets.Source(ask=True)
    where = Where(device, fallback, verify, threads, timeout)
    with (
        source.opened(twice=False, data_from_stdin=from_stdin) as secret,
        session.accelerator(where, as_json=as_json) as acc,
    ):
        # Refused before any file is opened.
        Openers.of(identities, secret, MOST_WORK_FACTOR).wipe()

        def work(job: jobs.Job) -> jobs.Done:
            with jobs.opened(job, delivery) as (opened, target, at):
                inlet = files.Inlet(opened, at)
                written = unseal_stream(
                    inlet,
                    target,
                    identities=identities,
                    passphrase=secret,
                    decompress=decompress,
                    max_output=max_output,
                    accelerator=acc,
                )
                return jobs.Done(inlet.taken, written)

        jobs.run(planned, work, acc, delivery)


def _without_suffix(name: str, decompress: str | None) -> str:
    path, wanted = Path(name), [_SUFFIX]
    if decompress is not None:
        wanted = [suffix + _SUFFIX for suffix, format in registry.SUFFIXES.items() if format == decompress]
    for suffix in wanted:
        if path.name.endswith(suffix) and path.name != suffix:
            return name[: -len(suffix)]
    raise UsageError(f"{name} does not end in {' or '.join(wanted)}", hint="name the output with -o, or use -c")
