"""``fpga-accel devices``."""

from __future__ import annotations

from dataclasses import asdict

import click

from fpga_accel.cli import options, output, session
from fpga_accel.runtime import discovery

_COLUMNS = (">index", "id", "name", "kind", "platform", "usable", "cause")


@click.command()
@options.as_json
def devices(as_json: bool) -> None:
    """List the OpenCL devices and the simulator of RTL cores.

    Each comes with the verdict of a real calculation on it.
    """
    with session.messages(as_json=as_json):
        found = discovery.devices()
    if as_json:
        output.show_json([{"index": index} | asdict(device) for index, device in enumerate(found)])
        return
    if all(device.kind == "rtl" for device in found):
        cause = discovery.listing_failure()
        output.say(f"fpga-accel: no OpenCL device is listed{': ' + cause if cause else ''} (see fpga-accel doctor)")
    rows = [
        (
            index,
            device.id,
            device.name,
            device.kind,
            device.platform,
            output.verdict(device.usable),
            device.reason,
        )
        for index, device in enumerate(found)
    ]
    output.show_table(_COLUMNS, rows)
