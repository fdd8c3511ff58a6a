"""``fpga-accel unseal``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from fpga_accel.age.recipients import Openers
from fpga_accel.age.streams import unseal_stream
from fpga_accel.cli import files, jobs, options, secrets, session
from fpga_accel.cli.failures import UsageError
from fpga_accel.cli.options import Delivery, Where
from fpga_accel.operations import registry

_SUFFIX = ".age"


@click.command()
@options.sources
@click.option("--identity", "-i", metavar="PATH", multiple=True, help="A file of secret keys; several are allowed.")
@secrets.passphrase
@click.option(
    "--decompress", metavar="FORMAT", help=f"Decompress as well: {', '.join(registry.algorithms('decompress'))}."
)
@options.max_output
@options.delivery
@options.where()
def unseal(
    sources: Sequence[str],
    *,
    identity: Sequence[str],
    passphrase: secrets.Source,
    decompress: str | None,
    max_output: int | None,
    delivery: Delivery,
    where: Where,
) -> None:
    """Decrypt each FILE.age, armored or not, into FILE.

    With --decompress lz4, FILE.lz4.age goes into FILE. The output appears under its name once all of it is verified;
    what goes to standard output is written in verified chunks of 64 KiB, and exit code 1 tells that it is not all.
    Without -i and a passphrase, one is asked for. Without FILE, or for -, standard input is read. The input is kept.
    With --json the report goes to standard output, or to standard error where the data goes to standard output.
    """
    if decompress is not None:
        registry.find("decompress", decompress)
    if max_output is not None and max_output < 0:
        raise UsageError(f"--max-output is {max_output}; it must not be negative")
    planned = jobs.planned(sources, delivery, lambda name: _without_suffix(name, decompress), joinable=True)
    from_stdin = any(files.is_standard(job.source) for job in planned)
    identities = secrets.texts(identity, data_from_stdin=from_stdin)
    if not identity and not passphrase.named:
        passphrase = secrets.Source(ask=True)
    with (
        passphrase.opened(twice=False, data_from_stdin=from_stdin) as secret,
        session.accelerator(where, as_json=delivery.json) as acc,
    ):
        # Refused before any file is opened.
        Openers.of(identities, secret).wipe()

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
