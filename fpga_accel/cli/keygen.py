"""``fpga-accel keygen``."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from fpga_accel import age
from fpga_accel.age.recipients import key_lines
from fpga_accel.cli import output, secrets
from fpga_accel.cli.failures import OutputExistsError

KeyOutput = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="OUT", help="Write there, for its owner alone.", show_default=False),
]
Convert = Annotated[
    str | None,
    typer.Option(
        "--public", "-y", metavar="PATH", help="Print the public keys of a file of keys instead.", show_default=False
    ),
]


def keygen(out: KeyOutput = None, convert: Convert = None) -> None:
    """Make a key for seal and unseal, in the file format of age-keygen; the public key is in its comment.

    Existing files are never overwritten. Without -o the key goes to standard output.
    """
    if convert is not None:
        for identity in key_lines(*secrets.texts([convert], data_from_stdin=False)):
            print(age.recipient_of(identity))
        return
    identity = age.new_identity()
    recipient = age.recipient_of(identity)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    text = f"# created: {created}\n# public key: {recipient}\n{identity}\n"
    if out is None:
        print(text, end="")
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise OutputExistsError(f"{out} exists", hint="a key is never overwritten") from None
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
    except BaseException:
        with suppress(OSError):
            out.unlink()
        raise
    output.say(f"Public key: {recipient}")
