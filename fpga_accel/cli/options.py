"""Options that commands share, so that each is spelled and explained the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

_WHERE = "Where it runs"
_KEY = "Key"

Json = Annotated[bool, typer.Option("--json", help="Print JSON; messages on standard error become JSON lines.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing when all is well.")]

Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILE", help="Inputs; - or none is standard input.", show_default=False),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="OUT", help="Write there; - is standard output.", show_default=False),
]
Stdout = Annotated[bool, typer.Option("--stdout", "-c", help="Write to standard output.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite files; write binary data to a terminal.")]

Device = Annotated[
    str | None,
    typer.Option(
        metavar="DEVICE",
        help="auto, cpu, opencl, fpga, fpga-emulator, gpu, an index, id or part of a name from `devices`, or several "
        "of these with commas between.",
        rich_help_panel=_WHERE,
        show_default=False,
    ),
]
Fallback = Annotated[
    str | None,
    typer.Option(
        metavar="allow|warn|never",
        help="When the device cannot do it: use the CPU silently, with a warning, or fail with exit code 3.",
        rich_help_panel=_WHERE,
        show_default=False,
    ),
]
Verify = Annotated[
    str | None,
    typer.Option(
        metavar="never|sampled|always",
        help="How much of what a device writes is compared with the CPU's result.",
        rich_help_panel=_WHERE,
        show_default=False,
    ),
]
Threads = Annotated[
    int | None, typer.Option(metavar="N", help="Threads of the CPU path.", rich_help_panel=_WHERE, show_default=False)
]
Timeout = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Longest a launch may take.", rich_help_panel=_WHERE, show_default=False),
]

Cipher = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="aes-gcm (the default), aes-gcm-siv, aes-ccm, chacha20-poly1305, xchacha20-poly1305 and sm4-gcm detect "
        "changed data; aes-ctr, aes-cbc, sm4-ctr and others do not.",
        show_default=False,
    ),
]
KeyFile = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Key of 16, 24, 32 or 64 raw bytes, as the cipher has it, or the same as hex digits.",
        rich_help_panel=_KEY,
        show_default=False,
    ),
]
KeyFd = Annotated[
    int | None,
    typer.Option(metavar="N", help="The same, read from open descriptor N.", rich_help_panel=_KEY, show_default=False),
]
Aad = Annotated[
    str,
    typer.Option(metavar="TEXT", help="Associated data of aes-gcm (UTF-8): checked, not stored.", show_default=False),
]


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
    def of(cls, output: Path | None, stdout: bool, *, force: bool, quiet: bool, json: bool) -> Delivery:
        """Join ``-o`` and ``-c``, which say the same."""
        return cls("-" if stdout else None if output is None else str(output), force, quiet, json)
