"""``python -m benchmarks``: run the cases, print one table, keep the figures as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from benchmarks import contestants, report
from benchmarks.cases import Case, cases
from benchmarks.measure import race
from fpga_accel.cli import output

RESULTS = Path("benchmark-results")
# (rounds, seconds a case)
THOROUGH = (21, 20.0)
QUICK = (5, 3.0)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK[0]} rounds instead of {THOROUGH[0]}")
    parser.add_argument(
        "--only",
        metavar="SUBSTR",
        action="append",
        default=[],
        help='cases whose name and data hold this text, such as "gcm" or "64 MiB text"; may be given more than once',
    )
    parser.add_argument("--json", metavar="PATH", type=Path, help=f"by default a new file in {RESULTS}/")
    parser.add_argument("--markdown", action="store_true", help="also print a summary, one line a case, in Markdown")
    parser.add_argument("--list", action="store_true", help="list the cases and end")
    return parser.parse_args(given)


def chosen(only: Sequence[str]) -> list[Case]:
    """Return the cases that hold all of these texts."""
    return [case for case in cases() if all(text in f"{case.name} {case.data}" for text in only)]


def run(wanted: Sequence[Case], rounds: int, seconds: float) -> list[report.Row]:
    """Run cases, with a line about each on standard error."""
    found: list[report.Row] = []
    with contestants.opened() as field:
        for device, cause in field.absent.items():
            output.say(f"no {device}: {cause}")
        for number, case in enumerate(wanted, 1):
            output.say(f"[{number}/{len(wanted)}] {case.name}, {case.data}")
            work = case.work()
            found += report.rows(case, work, race(field.entries(work), work, rounds=rounds, seconds=seconds))
    return found


def main(given: Sequence[str] | None = None) -> int:
    """Run the command line; 1 where a contestant failed or made wrong bytes."""
    options = arguments(given)
    wanted = chosen(options.only)
    if not wanted:
        output.say(f"no case holds {' and '.join(options.only)}; --list shows all")
        return 2
    if options.list:
        print("\n".join(f"{case.name} {case.data}" for case in wanted))
        return 0
    rounds, seconds = QUICK if options.quick else THOROUGH
    started = datetime.now().astimezone()
    found = run(wanted, rounds, seconds)
    output.show_table(report.COLUMNS, [report.cells(row) for row in found])
    if options.markdown:
        print(f"\n{report.summary(found)}")
    path: Path = options.json or RESULTS / f"{started:%Y-%m-%d-%H%M%S}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = {"started": started.isoformat(timespec="seconds"), "rounds": rounds, "seconds": seconds}
    path.write_text(json.dumps(report.document(found, settings), indent=1) + "\n", encoding="utf-8")
    output.say(f"figures are in {path}")
    failed = [row for row in found if row.error]
    for row in failed:
        output.say(f"{row.case}, {row.data}, {row.contestant}: {row.error}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
