"""The command ``fpga-accel``: its commands, and how their failures become exit codes."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import click

import fpga_accel
from fpga_accel.cli import failures

_AS_JSON = "fpga_accel.as_json"
# Each is a module with a command, or a group of commands, of the same name.
_COMMANDS = (
    *("compress", "decompress", "encrypt", "decrypt", "seal", "unseal", "keygen", "digest"),
    *("devices", "explain", "calibrate", "doctor", "selftest", "demo", "bitstream", "bench"),
)


class _Commands(click.Group):
    """Imports the command that is named, and reports every failure the same way, those of the parser included."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        # With all of them, one of some milliseconds takes a fifth longer. An unknown name may be like one of any.
        for name in {cmd_name}.intersection(_COMMANDS) or _COMMANDS:
            self.add_command(getattr(import_module(f"fpga_accel.cli.{name}"), name))
        return super().get_command(ctx, cmd_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_AS_JSON] = "--json" in args
        with failures.reported(as_json=ctx.meta[_AS_JSON]):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with failures.reported(as_json=ctx.meta[_AS_JSON]):
            return super().invoke(ctx)


@click.group(
    name="fpga-accel",
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(fpga_accel.__version__, message="fpga-accel %(version)s", help="Print the version and exit.")
@click.pass_context
def application(ctx: click.Context) -> None:
    """Compression and encryption on OpenCL accelerators, with an honest CPU path.

    Exit codes: 0 done, 1 bad data or failed work, 2 wrong usage, 3 no device, or the fallback to the CPU refused.
    """
    if ctx.invoked_subcommand is None:
        names = ", ".join(_COMMANDS)
        raise failures.UsageError(f"no command is given; there are {names}", hint="see fpga-accel --help")


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """End in an exception, so that temporary files are removed."""
    sys.exit(128 + number)


def main() -> None:
    """Run the command line."""
    # Nothing here needs NumPy's BLAS, whose threads, started at its import, spin for 0.1 s of a core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, _terminate)
    # It is ignored under nohup.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _terminate)
    application()
