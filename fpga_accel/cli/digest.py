"""``fpga-accel digest``."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from fpga_accel.accelerator import Accelerator
from fpga_accel.cli import files, options, output, session
from fpga_accel.cli.failures import UsageError
from fpga_accel.cli.options import Where
from fpga_accel.operations import registry

_CHECKSUM = "checksum"
_DIGEST = "digest"


@click.command()
@options.sources
@click.option(
    "--algorithm",
    "-a",
    metavar="NAME",
    help="A hash such as sha256 (the default), sha3-256 or sm3, or a checksum such as crc32c.",
)
@click.option(
    "--length",
    metavar="N",
    type=click.IntRange(min=1),
    help="Bytes of the digest, where the hash lets one choose.",
)
@options.where()
@options.as_json
def digest(sources: Sequence[str], *, algorithm: str | None, length: int | None, where: Where, as_json: bool) -> None:
    """Print the hash or checksum of each FILE, as sha256sum does.

    A line has hex digits, two spaces and the name. Without FILE, or for -, standard input is read. Files are mapped,
    not read into memory; standard input is.
    """
    files.refuse_terminal_input(sources)
    name = algorithm or registry.DEFAULTS[_DIGEST]
    verb = _verb(name)
    if verb == _CHECKSUM and length is not None:
        raise UsageError(f"{name} has no --length")
    settings = {} if length is None else {"length": length}
    registry.find(verb, name).settings(**settings)
    with session.accelerator(where, as_json=as_json) as acc:
        for source in sources or [files.STANDARD]:
            _show(acc, source, name, verb, settings, as_json=as_json)


def _verb(name: str) -> str:
    """Return whether an algorithm is a hash or a checksum."""
    for verb in (_DIGEST, _CHECKSUM):
        if name in registry.algorithms(verb):
            return verb
    legal = ", ".join((*registry.algorithms(_DIGEST), *registry.algorithms(_CHECKSUM)))
    raise UsageError(f"unknown algorithm {name!r}; legal ones are {legal}")


def _show(acc: Accelerator, source: str, name: str, verb: str, settings: dict[str, int], *, as_json: bool) -> None:
    with _content(source) as data:
        text = _hex_digits(acc, data, name, verb, settings)
    if not as_json:
        print(_line(text, source))
        return
    receipt = acc.last_receipt
    calls = output.places([receipt] if receipt else [])
    output.show_json({"input": source, "algorithm": name, verb: text, "calls": calls})


def _line(text: str, source: str) -> str:
    """Return what sha256sum prints: a name that would break the line is escaped, and a backslash in front says so."""
    escaped = source.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "" if escaped == source else "\\"
    return f"{mark}{text}  {escaped}"


def _hex_digits(acc: Accelerator, data: Any, name: str, verb: str, settings: dict[str, int]) -> str:
    if verb == _DIGEST:
        return acc.digest(data, name, **settings).hex()
    return f"{acc.checksum(data, name):0{2 * registry.find(verb, name).number_size}x}"


@contextmanager
def _content(source: str) -> Iterator[Any]:
    """Open an input as one buffer."""
    with files.reading(source) as file:
        if not files.size_of(source):
            # A pipe, or an empty file, which cannot be mapped.
            yield file.read()
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
            if sys.platform == "linux":
                mapped.madvise(mmap.MADV_SEQUENTIAL)
            yield view
