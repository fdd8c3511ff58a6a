"""``fpga-accel keygen``."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click

from fpga_accel import age
from fpga_accel.age.recipients import key_lines
from fpga_accel.cli import options, output, secrets
from fpga_accel.cli.failures import OutputExistsError


@click.command()
@click.option("--output", "-o", "out", metavar="OUT", type=options.PATH, help="Write there, for its owner alone.")
@click.option("--public", "-y", "convert", metavar="PATH", help="Print the public keys of a file of keys instead.")
def keygen(out: Path | None, convert: str | None) -> None:
    """Make a key for seal and unseal, as age-keygen does.

    The file format is that of age-keygen; the public key is in its comment. Existing files are never overwritten.
    Without -o the key goes to standard output.
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
