"""What is kept of a race: one row a contestant and case, and a whole run as JSON."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from fpga_accel.bench.cases import Case, Phase, case_name
from fpga_accel.bench.contestants import Result
from fpga_accel.bench.measure import Timed, median, spread
from fpga_accel.bench.peers import KEYED

FORMAT = 1
# What a result of ours is compared with where the peer has none of the same form.
_SUBSTITUTES: Mapping[str, str] = {Result.INTO: Result.BYTES, Result.BATCH: Result.LIST}
# Folders in messages of errors say nothing about the figures, but much about the machine.
_FOLDERS = re.compile(r"(?:/[\w.@+-]+)+/")


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant on one case. What was not measured is NaN.

    Attributes
    ----------
    work, size, count, phase, data
        The case.
    contestant, ours, threads, bound, result
        Who ran, as in `contestants.Contestant`; `result` is the form of the result.
    nbytes
        Plaintext of one call.
    calls, rounds
        Calls a sample, and how many samples there were.
    samples
        Seconds a call, of each round; a summary has none.
    median, spread
        Of the samples; the spread is the distance of their quartiles as a share of the median.
    cpu
        Seconds of processor time a call, of all threads.
    queue, transfer, kernel
        Seconds a call by its receipts, where a device did it: host work and waiting, copies, kernels.
    ratio
        Plaintext by output, where that says anything.
    versus
        How many times as fast as each peer, by the peer's threads and name: the peer's median by this one's.
    against
        The fastest of the peers that it stands against: its threads and name.
    ran
        Device or CPU path, variant and reason by the receipts; all of them where they differ.
    error
        Why it has no figures.
    """

    work: str
    size: int
    count: int
    data: str
    contestant: str
    ours: bool
    result: str
    phase: str = Phase.WARM
    threads: int = 0
    bound: bool = False
    nbytes: int = 0
    calls: int = 1
    rounds: int = 0
    samples: list[float] = field(default_factory=list)
    median: float = math.nan
    spread: float = math.nan
    cpu: float = math.nan
    queue: float = math.nan
    transfer: float = math.nan
    kernel: float = math.nan
    ratio: float = math.nan
    versus: dict[int, dict[str, float]] = field(default_factory=dict)
    against: tuple[int, str] | None = None
    ran: str = ""
    error: str = ""

    @property
    def case(self) -> str:
        """Return the name of the case."""
        return case_name(self.work, self.size, self.count, self.phase)

    @property
    def label(self) -> str:
        """Return the contestant as tables name it."""
        if not self.ours:
            return peer_label(self.threads, self.contestant)
        return f"{self.contestant}, class" if self.bound else self.contestant

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Return what names the row in every run."""
        return self.case, self.data, self.label, self.result

    @property
    def megabytes_a_second(self) -> float:
        """Plaintext in MB of 10^6 bytes a second."""
        return self.nbytes / self.median / 1e6 if self.median else math.nan

    @property
    def speedup(self) -> float:
        """How many times as fast as the peer that it stands against."""
        if self.against is None:
            return math.nan
        threads, name = self.against
        return self.versus.get(threads, {}).get(name, math.nan)

    @property
    def kernel_speedup(self) -> float:
        """The same for the kernels alone."""
        return self.speedup * self.median / self.kernel if self.kernel else math.nan

    @property
    def transfer_share(self) -> float:
        """Copies to and from the device as a share of a call."""
        return self.transfer / self.median if self.median else math.nan

    def best(self, threads: int) -> float:
        """Return the least of its ratios to peers with so many threads."""
        return min(self.versus.get(threads, {}).values(), default=math.nan)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, without what was not measured."""
        plain = asdict(self)
        return {name: value for name, value in plain.items() if not _is_nan(value)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Row:
        """Read what `as_dict` gave."""
        given = {name: value for name, value in plain.items() if name in _FIELDS}
        given["versus"] = {int(threads): dict(found) for threads, found in given.get("versus", {}).items()}
        if given.get("against") is not None:
            threads, name = given["against"]
            given["against"] = (int(threads), str(name))
        return cls(**given)


_FIELDS = frozenset(one.name for one in fields(Row))


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def peer_label(threads: int, name: str) -> str:
    """Name a peer that runs on so many threads.

    Examples
    --------
    >>> peer_label(2, "lz4.frame")
    'lz4.frame 2T'
    """
    return f"{name} {threads}T"


def without_folders(text: str) -> str:
    """Return a message without the folders of its paths.

    Examples
    --------
    >>> without_folders("cannot open /home/somebody/cache/x.bin: 12 MB/s")
    'cannot open x.bin: 12 MB/s'
    """
    return _FOLDERS.sub("", text)


def rows(case: Case, timed: Iterable[Timed]) -> list[Row]:
    """Make rows of what was timed on one case, each with its ratios."""
    return compared([_row(case, one) for one in timed])


def _row(case: Case, one: Timed) -> Row:
    who = one.entry.contestant
    nbytes = one.entry.work.nbytes
    launched = [receipt.seconds for receipt in one.receipts if receipt.backend != "cpu"]
    return Row(
        work=case.kind.name,
        size=case.size,
        count=case.count,
        data=case.data,
        contestant=who.name,
        ours=who.ours,
        result=who.result,
        phase=case.phase,
        threads=who.threads,
        bound=who.bound,
        nbytes=nbytes,
        calls=one.calls,
        rounds=len(one.wall),
        samples=list(one.wall),
        median=median(one.wall),
        spread=spread(one.wall),
        cpu=median(one.cpu),
        queue=median(seconds.queue for seconds in launched),
        transfer=median(seconds.transfer for seconds in launched),
        kernel=median(seconds.kernel for seconds in launched),
        ratio=nbytes / one.size if case.kind.has_ratio and one.size else math.nan,
        ran=_ran(one),
        error=without_folders(one.error),
    )


def _ran(one: Timed) -> str:
    if not one.entry.contestant.ours:
        return "library"
    if len(one.places) == 1:
        return next(iter(one.places))
    # "auto" may change its mind between two rounds.
    return ", ".join(f"{count} of {one.places.total()}: {place}" for place, count in one.places.most_common())


def compared(found: Sequence[Row]) -> list[Row]:
    """Compare the rows of one case with its peers."""
    peers = [row for row in found if not row.ours and not row.error and row.median > 0]
    return [_compared(row, peers) for row in found]


def _compared(row: Row, peers: Sequence[Row]) -> Row:
    if row.error or not row.median > 0:
        return row
    alike = [peer for peer in peers if peer.result == row.result]
    # A peer without a call of this form stands with the form that it has.
    named = {(peer.threads, peer.contestant) for peer in alike}
    other = _SUBSTITUTES.get(row.result)
    alike += [peer for peer in peers if peer.result == other and (peer.threads, peer.contestant) not in named]
    versus: dict[int, dict[str, float]] = {}
    for peer in alike:
        versus.setdefault(peer.threads, {})[peer.contestant] = peer.median / row.median
    return replace(row, versus=versus, against=_fastest(row, alike))


def _fastest(row: Row, peers: Sequence[Row]) -> tuple[int, str] | None:
    """Return the fastest that stands against a row: of one thread for a single call, of any for a batch.

    It gives the same form of result, where any peer does; and of single calls, it begins with the key where the row
    does.
    """
    counted = list(peers)
    if row.count == 1:
        alone = [peer for peer in peers if peer.threads == 1]
        keyed = [] if row.bound else [peer for peer in alone if peer.contestant in KEYED]
        counted = keyed or [peer for peer in alone if peer.contestant not in KEYED]
    if not counted:
        return None
    alike = [peer for peer in counted if peer.result == row.result]
    best = min(alike or counted, key=lambda peer: peer.median)
    return best.threads, best.contestant


@dataclass(frozen=True, slots=True)
class Run:
    """All of one run of the suite.

    Attributes
    ----------
    settings
        When, and with which options.
    environment
        What the figures were measured on; see `environment.described`.
    memory
        Peak memory of whole-file work, where it was measured.
    """

    settings: dict[str, Any]
    environment: dict[str, Any]
    rows: list[Row]
    memory: list[dict[str, Any]] = field(default_factory=list)

    def dumped(self) -> str:
        """Return JSON, one row a line."""
        head = {"format": FORMAT, "settings": self.settings, "environment": self.environment, "memory": self.memory}
        lines = ",\n".join(json.dumps(_rounded(row.as_dict())) for row in self.rows)
        return f'{json.dumps(head, indent=1)[:-2]},\n "rows": [\n{lines}\n]}}\n'

    @classmethod
    def loaded(cls, text: str) -> Run:
        """Read what `dumped` gave.

        Raises
        ------
        ValueError
            It is something else.
        """
        plain = json.loads(text)
        if not isinstance(plain, dict) or plain.get("format") != FORMAT:
            raise ValueError(f"this is no result of fpga-accel bench in format {FORMAT}")
        try:
            found = [Row.from_dict(row) for row in plain["rows"]]
            return cls(plain["settings"], plain["environment"], found, plain.get("memory", []))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"a result of fpga-accel bench is damaged: {type(error).__name__}: {error}") from error

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Run:
        """Read a file; errors as in `loaded`."""
        text = Path(path).read_text(encoding="utf-8")
        try:
            return cls.loaded(text)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _rounded(value: Any) -> Any:
    """Cut floats to six digits, which is more than any clock knows here."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value
