"""``fpga-accel decompress``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click

from fpga_accel import streams
from fpga_accel.cli import files, jobs, options, output, session
from fpga_accel.cli.failures import UsageError
from fpga_accel.cli.options import Delivery, Where
from fpga_accel.operations import registry


@click.command()
@options.sources
@click.option(
    "--format",
    metavar="NAME",
    help=f"One of: {', '.join(registry.streamed())}; told by the first bytes if not given.",
)
@options.max_output
@click.option("--test", "-t", is_flag=True, help="Decompress, write nothing, and say which files are bad.")
@click.option(
    "--list",
    "-l",
    "listing",
    is_flag=True,
    help="Test, and list each file's format, sizes and ratio: writes nothing else.",
)
@options.delivery
@options.where()
def decompress(
    sources: Sequence[str],
    *,
    format: str | None,
    max_output: int | None,
    test: bool,
    listing: bool,
    delivery: Delivery,
    where: Where,
) -> None:
    """Decompress each FILE.lz4, or of another format, into FILE.

    Joined frames are all decoded. Without FILE, or for -, standard input is read. The input is kept. The output
    appears under its name once all of it is good; what goes to standard output is written as it is decoded. With
    --json the report goes to standard output, or to standard error where the data goes to standard output.
    """
    delivery = replace(delivery, quiet=delivery.quiet or listing)
    if format is not None:
        registry.streaming(format)
    if max_output is not None and max_output < 0:
        raise UsageError(f"--max-output is {max_output}; it must not be negative")
    if (test or listing) and delivery.output is not None:
        raise UsageError("--test and --list write no data", hint="leave -o and -c out")
    unwritten = test or listing
    planned = jobs.tested(sources) if unwritten else jobs.planned(sources, delivery, _without_suffix, joinable=True)
    rows: list[tuple[object, ...]] = []
    with session.accelerator(where, as_json=delivery.json) as acc:

        def work(job: jobs.Job) -> jobs.Done:
            with jobs.opened(job, delivery) as (source, target, at):
                inlet = files.Inlet(source)
                content = streams.open(inlet, "rb", format, accelerator=acc, max_output=max_output)
                with closing(content):
                    written = streams.copied(content, target, lambda _: at(inlet.taken))
                done = jobs.Done(inlet.taken, written, content.format)
                rows.append((job.source, done.format, done.bytes_in, done.bytes_out, _ratio(done)))
                return done

        try:
            jobs.run(planned, work, acc, delivery)
        finally:
            if listing and rows and not delivery.json:
                output.show_table(("file", "format", ">compressed", ">content", ">ratio"), rows)


def _ratio(done: jobs.Done) -> str:
    return f"{done.bytes_out / done.bytes_in:.3f}" if done.bytes_in else "-"


def _without_suffix(name: str) -> str:
    path = Path(name)
    if path.suffix in registry.SUFFIXES:
        return str(path.with_suffix(""))
    known = ", ".join(registry.SUFFIXES)
    raise UsageError(f"{name} does not end in {known}", hint="name the output with -o, or use -c")
