"""Tables, JSON and progress: data goes to standard output, everything else to standard error.

Rich is imported where it draws: most commands print a line, and start in less time without it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from fpga_accel.receipts import Receipt
from fpga_accel.runtime import discovery

if TYPE_CHECKING:
    from rich.text import Text

# Columns of a table that no terminal limits.
_WIDTH_WITHOUT_TERMINAL = 200
_STYLES = {"PASS": "green", "FAIL": "bold red", "info": "dim"}

RECEIPT_COLUMNS = (
    "operation",
    "backend",
    "device",
    "tier",
    "variant",
    "reason",
    "fallback",
    "verified",
    ">in MB",
    ">out MB",
    ">ms",
    ">MB/s",
)


def show_json(value: Any, *, to_stderr: bool = False) -> None:
    """Print one JSON document on one line."""
    print(json.dumps(value), file=sys.stderr if to_stderr else sys.stdout)


def say(text: str) -> None:
    """Write a message for people."""
    print(text, file=sys.stderr)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Print a table; a column whose name starts with ``>`` is aligned to the right."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.startswith(">") else "left"
        table.add_column(column.lstrip(">"), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    width = None if sys.stdout is not None and sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    # Names of devices and files may hold brackets, which are no markup.
    console = Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _cell(value: object) -> Text:
    from rich.text import Text

    text = {True: "yes", False: "no", None: "-"}[value] if value is None or isinstance(value, bool) else str(value)
    return Text(text, style=_STYLES.get(text, ""))


def verdict(passed: bool) -> str:
    """Return PASS or FAIL."""
    return "PASS" if passed else "FAIL"


def megabytes(nbytes: int) -> str:
    """Write a size in MB of 10^6 bytes.

    Examples
    --------
    >>> megabytes(1_234_567), megabytes(999)
    ('1.235', '0.001')
    """
    return f"{nbytes / 1e6:.3f}"


def receipt_row(receipt: Receipt) -> tuple[object, ...]:
    """Return the cells of a receipt, for `RECEIPT_COLUMNS`."""
    total = receipt.seconds.total
    plain = receipt.bytes_out if receipt.op in ("decompress", "decrypt") else receipt.bytes_in
    return (
        f"{receipt.algorithm}.{receipt.op}",
        receipt.backend,
        receipt.device,
        # No throughput stands without what it was measured on: an emulator's says nothing of a card's.
        discovery.tier(receipt.device),
        receipt.variant,
        receipt.reason.value,
        receipt.fallback,
        receipt.verified,
        megabytes(receipt.bytes_in),
        megabytes(receipt.bytes_out),
        f"{total * 1e3:.2f}",
        f"{plain / total / 1e6:.0f}" if total else "-",
    )


def places(receipts: Iterable[Receipt]) -> list[dict[str, Any]]:
    """Sum receipts up by where the calls ran and why."""
    calls: Counter[tuple[Any, ...]] = Counter()
    sums: dict[tuple[Any, ...], list[float]] = {}
    for receipt in receipts:
        key = (
            f"{receipt.algorithm}.{receipt.op}",
            receipt.backend,
            receipt.device,
            receipt.variant,
            receipt.reason.value,
            receipt.fallback,
            receipt.verified,
        )
        calls[key] += 1
        total = sums.setdefault(key, [0, 0, 0.0])
        total[0] += receipt.bytes_in
        total[1] += receipt.bytes_out
        total[2] += receipt.seconds.total
    names = ("operation", "backend", "device", "variant", "reason", "fallback", "verified")
    return [
        dict(zip(names, key, strict=True))
        | {"calls": calls[key], "bytes_in": total[0], "bytes_out": total[1], "seconds": total[2]}
        for key, total in sums.items()
    ]


@contextmanager
def progress(title: str, total: int | None, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Show how far a file has been read, where standard error is a terminal and the size is known.

    Yields
    ------
    callable
        To be told the position in the file.
    """
    if not shown or total is None or not sys.stderr.isatty():
        yield lambda position: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)

        def at(position: int) -> None:
            bar.update(task, completed=position)

        yield at
