"""Runs the work of a command over its files: one report each, and the exit code of the worst."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from click.exceptions import Exit

from fpga_accel.accelerator import Accelerator
from fpga_accel.cli import files, output
from fpga_accel.cli.failures import FAILED, UsageError, failure_of
from fpga_accel.cli.options import Delivery


@dataclass(frozen=True, slots=True)
class Job:
    """One input and where its result goes."""

    source: str
    target: str

    @property
    def kept(self) -> bool:
        """Whether there is a result at all: inputs that are only tested have none."""
        return self.target != os.devnull


class Done(NamedTuple):
    """The bytes that a job read and wrote, and the format that was found on reading."""

    bytes_in: int
    bytes_out: int
    format: str | None = None


Work = Callable[[Job], Done]


@contextmanager
def opened(job: Job, delivery: Delivery) -> Iterator[tuple[BinaryIO, BinaryIO, Callable[[int], None]]]:
    """Open input and output of a job, and show how far the input has been read where that is wanted.

    Yields
    ------
    tuple
        Input, output, and what is to be told the position in the input.
    """
    shown = not (delivery.quiet or delivery.json)
    with (
        files.reading(job.source) as source,
        files.writing(job.target, force=delivery.force, like=job.source) as target,
        output.progress(job.source, files.size_of(job.source), shown=shown) as at,
    ):
        yield source, target, at


def planned(sources: Sequence[str], delivery: Delivery, rename: Callable[[str], str], *, joinable: bool) -> list[Job]:
    """Pair inputs with outputs.

    Parameters
    ----------
    sources
        Inputs as given; none means standard input.
    delivery
        Holds the output that was asked for, if any.
    rename
        Makes the output's name from the input's.
    joinable
        Whether the results of several inputs may follow each other on standard output.

    Raises
    ------
    UsageError
        Several inputs for one output, or an output that is its own input.
    """
    files.refuse_terminal_input(sources)
    wanted = delivery.output
    names = list(sources or (files.STANDARD,))
    if wanted is not None and len(names) > 1 and not (joinable and files.is_standard(wanted)):
        raise UsageError(f"{len(names)} inputs cannot go into the one output {wanted}")
    if names.count(files.STANDARD) > 1:
        raise UsageError("- is given more than once")
    jobs = [Job(name, wanted or _renamed(name, rename)) for name in names]
    for job in jobs:
        _refuse_same_file(job)
    return jobs


def tested(sources: Sequence[str]) -> list[Job]:
    """Return the jobs of inputs that are read and nothing more."""
    files.refuse_terminal_input(sources)
    return [Job(name, os.devnull) for name in sources or (files.STANDARD,)]


def _renamed(name: str, rename: Callable[[str], str]) -> str:
    return name if files.is_standard(name) else rename(name)


def _refuse_same_file(job: Job) -> None:
    if files.STANDARD in (job.source, job.target):
        return
    source, target = Path(job.source), Path(job.target)
    if source.exists() and target.exists() and source.samefile(target):
        raise UsageError(f"{job.source} is both input and output")


def run(jobs: Sequence[Job], work: Work, acc: Accelerator, delivery: Delivery) -> None:
    """Do all jobs and report on them.

    A file that fails leaves the others to be done; wrong usage and a missing device end the run.

    Raises
    ------
    Exit
        With 1, where a file failed.
    """
    reports = []
    for job in jobs:
        try:
            reports.append(_done(job, work, acc, delivery))
        except BrokenPipeError:
            raise
        except (Exception, KeyboardInterrupt) as error:
            reports.append(_failed(job, error, delivery))
    if delivery.json:
        to_stderr = any(files.is_standard(job.target) for job in jobs)
        output.show_json({"files": reports}, to_stderr=to_stderr)
    if any("error" in report for report in reports):
        raise Exit(FAILED)


def _done(job: Job, work: Work, acc: Accelerator, delivery: Delivery) -> dict[str, Any]:
    started = time.perf_counter()
    with acc.trace() as trace:
        done = work(job)
    seconds = time.perf_counter() - started
    calls = output.places(trace.receipts)
    if not (delivery.quiet or delivery.json or files.is_standard(job.target)):
        output.say(_summary(job, done, seconds, calls))
    report = {
        "input": job.source,
        "output": job.target if job.kept else None,
        "bytes_in": done.bytes_in,
        "bytes_out": done.bytes_out,
    }
    if done.format is not None:
        report["format"] = done.format
    return report | {"seconds": seconds, "calls": calls}


def _summary(job: Job, done: Done, seconds: float, calls: list[dict[str, Any]]) -> str:
    where = dict.fromkeys(f"{call['device'] or 'cpu'}/{call['variant']} ({call['reason']})" for call in calls)
    sizes = f"{done.bytes_in:,} -> {done.bytes_out:,} bytes"
    target = job.target if job.kept else "good"
    return f"{job.source} -> {target}: {sizes}, {seconds:.3f} s, {', '.join(where) or 'nothing to do'}"


def _failed(job: Job, error: BaseException, delivery: Delivery) -> dict[str, Any]:
    failure = failure_of(error)
    if failure is None or failure.exit_code != FAILED:
        raise error
    about = failure.about("standard input" if files.is_standard(job.source) else job.source)
    about.show(as_json=delivery.json)
    return {"input": job.source, **about.as_dict()}
