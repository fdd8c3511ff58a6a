"""The typer application: its commands, and how their failures become exit codes."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import fpga_accel
from fpga_accel.cli import bench, bitstream, failures
from fpga_accel.cli.calibrate import calibrate
from fpga_accel.cli.compress import compress
from fpga_accel.cli.decompress import decompress
from fpga_accel.cli.decrypt import decrypt
from fpga_accel.cli.demo import demo
from fpga_accel.cli.devices import devices
from fpga_accel.cli.digest import digest
from fpga_accel.cli.doctor import doctor
from fpga_accel.cli.encrypt import encrypt
from fpga_accel.cli.explain import explain
from fpga_accel.cli.keygen import keygen
from fpga_accel.cli.seal import seal
from fpga_accel.cli.selftest import selftest
from fpga_accel.cli.unseal import unseal

_AS_JSON = "fpga_accel.as_json"
_BITSTREAM = "bitstream"
_BENCH = "bench"


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


app = typer.Typer(
    name="fpga-accel",
    cls=_Commands,
    add_completion=False,
    # Joins the lines of a paragraph, which the other modes leave as they are in the docstring.
    rich_markup_mode="markdown",
    # Its tracebacks show local variables, and some of those are keys.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"fpga-accel {fpga_accel.__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
]


@app.callback(invoke_without_command=True)
def _root(ctx: typer.Context, version: Version = False) -> None:
    """Compression and encryption on OpenCL accelerators, with an honest CPU path.

    Exit codes: 0 done, 1 bad data or failed work, 2 wrong usage, 3 no device, or the fallback to the CPU refused.
    """
    if ctx.invoked_subcommand is None:
        names = ", ".join((*(command.__name__ for command in _COMMANDS), _BITSTREAM, _BENCH))
        raise failures.UsageError(f"no command is given; there are {names}", hint="see fpga-accel --help")


_COMMANDS = (
    *(compress, decompress, encrypt, decrypt, seal, unseal, keygen, digest),
    *(devices, explain, calibrate, doctor, selftest, demo),
)
for _command in _COMMANDS:
    app.command()(_command)
app.add_typer(bitstream.app, name=_BITSTREAM)
app.add_typer(bench.app, name=_BENCH)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """End in an exception, so that temporary files are removed."""
    sys.exit(128 + number)


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _terminate)
    app()
