"""``fpga-accel compress``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from fpga_accel import streams
from fpga_accel.cli import files, jobs, options, session
from fpga_accel.cli.failures import UsageError
from fpga_accel.cli.options import Delivery, Where
from fpga_accel.operations import registry


@click.command()
@options.sources
@click.option(
    "--format",
    metavar="NAME",
    help=f"One of: {', '.join(registry.streamed())}; by default told by the ending of OUT, else lz4.",
)
@options.level
@options.block_size
@options.delivery
@options.where()
def compress(
    sources: Sequence[str],
    *,
    format: str | None,
    level: int | None,
    block_size: int | None,
    delivery: Delivery,
    where: Where,
) -> None:
    """Compress each FILE into FILE.lz4, or into another format.

    Stock tools read the output, whose ending tells the format. Without FILE, or for -, standard input is read. The
    input is kept. The output appears under its name once it is complete. With --json the report goes to standard
    output, or to standard error where the data goes to standard output.
    """
    name = format or streams.format_by_name(delivery.output or "")
    # Refused before any file is opened.
    registry.streaming(name)
    _check_options(name, level=level, block_size=block_size)
    suffix = registry.FORMATS[name].suffixes[0]
    planned = jobs.planned(sources, delivery, lambda source: source + suffix, joinable=True)
    for job in planned:
        files.refuse_terminal_output(job.target, force=delivery.force)
    with session.accelerator(where, as_json=delivery.json) as acc:

        def work(job: jobs.Job) -> jobs.Done:
            with jobs.opened(job, delivery) as (source, target, at):
                outlet = files.Outlet(target)
                frame = streams.open(outlet, "wb", name, accelerator=acc, level=level, block_size=block_size)
                with outlet.fed_by(frame):
                    read = streams.copied(source, frame, at)
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
