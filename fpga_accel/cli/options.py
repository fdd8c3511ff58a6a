"""Options that commands share, so that each is spelled and explained the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

Function = Callable[..., Any]
Decorator = Callable[[Function], Function]

PATH = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class Where:
    """The options that say where work runs; None leaves a setting to the environment and the config file."""

    device: str | None = None
    fallback: str | None = None
    verify: str | None = None
    threads: int | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """The options that say where results go and what is said about them."""

    output: str | None = None
    force: bool = False
    quiet: bool = False
    json: bool = False

    @classmethod
    def of(cls, output: Path | None, stdout: bool, *, force: bool, quiet: bool, as_json: bool) -> Delivery:
        """Join ``-o`` and ``-c``, which say the same."""
        return cls("-" if stdout else None if output is None else str(output), force, quiet, as_json)


def joined(name: str, kind: Callable[..., object], parts: dict[str, Decorator]) -> Decorator:
    """Return a decorator that adds options to a command and hands over what `kind` makes of them, as `name`.

    Parameters
    ----------
    name
        Parameter of the command.
    kind
        Takes each option by its name.
    parts
        The options by their names, in the order in which help lists them.
    """

    def add(function: Function) -> Function:
        @wraps(function)
        def command(*args: Any, **given: Any) -> Any:
            given[name] = kind(**{part: given.pop(part) for part in parts})
            return function(*args, **given)

        made: Function = command
        # As of decorators that stand above each other, the last is applied first.
        for option in reversed(parts.values()):
            made = option(made)
        return made

    return add


as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON; messages on standard error become JSON lines."
)
sources = click.argument("sources", metavar="[FILE]...", nargs=-1)
delivery = joined(
    "delivery",
    Delivery.of,
    {
        "output": click.option("--output", "-o", metavar="OUT", type=PATH, help="Write there; - is standard output."),
        "stdout": click.option("--stdout", "-c", is_flag=True, help="Write to standard output."),
        "force": click.option("--force", "-f", is_flag=True, help="Overwrite files; write binary data to a terminal."),
        "quiet": click.option("--quiet", "-q", is_flag=True, help="Say nothing when all is well."),
        "as_json": as_json,
    },
)

_WHERE: dict[str, Decorator] = {
    "device": click.option(
        "--device",
        metavar="DEVICE",
        help="auto, cpu, opencl, fpga, fpga-emulator, gpu, an index, id or part of a name from `devices`, or several "
        "of these with commas between.",
    ),
    "fallback": click.option(
        "--fallback",
        metavar="allow|warn|never",
        help="When the device cannot do it: use the CPU silently, with a warning, or fail with exit code 3.",
    ),
    "verify": click.option(
        "--verify",
        metavar="never|sampled|always",
        help="How much of what a device writes is compared with the CPU's result.",
    ),
    "threads": click.option("--threads", metavar="N", type=int, help="Threads of the CPU path."),
    "timeout": click.option("--timeout", metavar="SECONDS", type=float, help="Longest a launch may take."),
}


def where(*names: str) -> Decorator:
    """Return a decorator that adds the options that say where work runs, or those named, and hands over a `Where`."""
    return joined("where", Where, {name: _WHERE[name] for name in names or _WHERE})


level = click.option("--level", metavar="N", type=int, help="Effort, as the format defines it.")
block_size = click.option("--block-size", metavar="BYTES", type=int, help="Block size, as the format defines it.")
max_output = click.option("--max-output", metavar="BYTES", type=int, help="Fail beyond so many bytes a file.")
