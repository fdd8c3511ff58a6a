"""The typer application: its commands, and how their failures become exit codes.

A command that is named first on the command line is the only one that is imported and set up: with all of them, one
of some milliseconds takes a fifth longer.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import fpga_accel
from fpga_accel.cli import failures

_AS_JSON = "fpga_accel.as_json"
# Each is a module with a function of the same name, or, for a group, with an `app`.
_COMMANDS = (
    *("compress", "decompress", "encrypt", "decrypt", "seal", "unseal", "keygen", "digest"),
    *("devices", "explain", "calibrate", "doctor", "selftest", "demo"),
)
_GROUPS = ("bitstream", "bench")
_ALL = (*_COMMANDS, *_GROUPS)


class _Commands(TyperGroup):
    """Reports every failure the same way, those of the command-line parser included."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the part in front of the command."""
        ctx.meta[_AS_JSON] = "--json" in args
        with failures.reported(as_json=ctx.meta[_AS_JSON]):
            rest: list[str] = super().parse_args(ctx, args)
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Parse and run the command."""
        with failures.reported(as_json=ctx.meta[_AS_JSON]):
            return super().invoke(ctx)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"fpga-accel {fpga_accel.__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
]


def _root(ctx: typer.Context, version: Version = False) -> None:
    """Compression and encryption on OpenCL accelerators, with an honest CPU path.

    Exit codes: 0 done, 1 bad data or failed work, 2 wrong usage, 3 no device, or the fallback to the CPU refused.
    """
    if ctx.invoked_subcommand is None:
        raise failures.UsageError(f"no command is given; there are {', '.join(_ALL)}", hint="see fpga-accel --help")


def _application(names: Iterable[str]) -> typer.Typer:
    """Return the application with some of its commands."""
    made = typer.Typer(
        name="fpga-accel",
        cls=_Commands,
        add_completion=False,
        # Joins the lines of a paragraph, which the other modes leave as they are in the docstring.
        rich_markup_mode="markdown",
        # Its tracebacks show local variables, and some of those are keys.
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback(invoke_without_command=True)(_root)
    for name in names:
        module = import_module(f"fpga_accel.cli.{name}")
        if name in _GROUPS:
            made.add_typer(module.app, name=name)
        else:
            made.command()(getattr(module, name))
    return made


@cache
def application() -> typer.Typer:
    """Return the application with all of its commands."""
    return _application(_ALL)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """End in an exception, so that temporary files are removed."""
    sys.exit(128 + number)


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _terminate)
    # It is ignored under nohup.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _terminate)
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    made = _application((first,)) if first in _ALL else application()
    made()
