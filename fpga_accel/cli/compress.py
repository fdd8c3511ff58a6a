"""``fpga-accel compress``."""

from __future__ import annotations

from typing import Annotated

import typer

from fpga_accel import streams
from fpga_accel.cli import files, jobs, session
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

Format = Annotated[
    str | None,
    typer.Option(
        help=f"One of: {', '.join(registry.streamed())}; by default told by the ending of OUT, else lz4.",
        show_default=False,
    ),
]
Level = Annotated[int | None, typer.Option(metavar="N", help="Effort, as the format defines it.", show_default=False)]
BlockSize = Annotated[
    int | None, typer.Option(metavar="BYTES", help="Block size, as the format defines it.", show_default=False)
]


def compress(
    sources: Files = None,
    *,
    format: Format = None,
    level: Level = None,
    block_size: BlockSize = None,
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
    """Compress each FILE into FILE.lz4, or with the ending of another format, which stock tools read.

    The input is kept. The output appears under its name once it is complete. With --json the report goes to
    standard output, or to standard error where the data goes to standard output.
    """
    delivery = Delivery.of(out, stdout, force=force, quiet=quiet, json=as_json)
    name = format or streams.format_by_name(delivery.output or "")
    # Refused before any file is opened.
    registry.streaming(name)
    _check_options(name, level=level, block_size=block_size)
    suffix = registry.FORMATS[name].suffixes[0]
    planned = jobs.planned(sources, delivery, lambda source: source + suffix, joinable=True)
    for job in planned:
        files.refuse_terminal_output(job.target, force=force)
    where = Where(device, fallback, verify, threads, timeout)
    with session.accelerator(where, as_json=as_json) as acc:

        def work(job: jobs.Job) -> jobs.Done:
            with jobs.opened(job, delivery) as (source, target, at):
                outlet = files.Outlet(target)
                frame = streams.open(outlet, "wb", name, accelerator=acc, level=level, block_size=block_size)
                with outlet.fed_by(frame):
                    read = files.copied(source, frame, at)
                return jobs.Done(read, outlet.written)

        jobs.run(planned, work, acc, delivery)


def _check_options(format: str, **given: int | None) -> None:
    """Refuse what a format does not have or take.

    Raises
    ------
    ValueError
        With the name of the option, or with what its legal values are.
    """
    operation = registry.find("compress", format)
    for option, value in given.items():
        try:
            operation.settings(**{option: value})
        except TypeError:
            raise UsageError(f"{format} has no --{option.replace('_', '-')}") from None
    operation.settings(**given)
