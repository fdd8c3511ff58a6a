"""Whole files through a cipher: what encrypt and decrypt share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from fpga_accel.accelerator import Accelerator
from fpga_accel.cli import files, jobs, keys, options, session
from fpga_accel.cli.failures import UsageError
from fpga_accel.cli.options import Delivery, Where
from fpga_accel.operations import registry

DEFAULT_CIPHER = "aes-gcm"
# Most bytes of plaintext. A file is one message with one tag, so all of it is held until the tag is checked.
LIMIT = 64 << 20
# Nonce and tag, which the limit does not count.
OVERHEAD = 64


@dataclass(frozen=True, slots=True)
class Given:
    """The options that say which cipher, and with what."""

    cipher: str | None
    key_file: str | None
    key_fd: int | None
    aad: str

    def check(self, op: str, cipher: str) -> None:
        """Refuse a cipher that there is not, or that takes no associated data."""
        registry.find(op, cipher).settings(aads=(self.aad.encode(),) if self.aad else None)


given = options.joined(
    "given",
    Given,
    {
        "cipher": click.option(
            "--cipher",
            metavar="NAME",
            help="aes-gcm (the default), aes-gcm-siv, aes-ccm, chacha20-poly1305, xchacha20-poly1305 and sm4-gcm "
            "detect changed data; aes-ctr, aes-cbc, sm4-ctr and others do not.",
        ),
        "key_file": click.option(
            "--key-file",
            metavar="PATH",
            help="Key of 16, 24, 32 or 64 raw bytes, as the cipher has it, or the same as hex digits.",
        ),
        "key_fd": click.option("--key-fd", metavar="N", type=int, help="The same, read from open descriptor N."),
        "aad": click.option(
            "--aad", metavar="TEXT", default="", help="Associated data of aes-gcm (UTF-8): checked, not stored."
        ),
    },
)


def run(
    op: str,
    planned: Sequence[jobs.Job],
    cipher_of: Callable[[jobs.Job], str],
    given: Given,
    delivery: Delivery,
    where: Where,
) -> None:
    """Do all files, each with its cipher, and report on them; errors as of `jobs.run` and `keys.opened_key`."""
    from_stdin = any(files.is_standard(job.source) for job in planned)
    with (
        keys.opened_key(given.key_file, given.key_fd, data_from_stdin=from_stdin) as key,
        session.accelerator(where, as_json=delivery.json) as acc,
    ):
        sealing = _Sealing(op, key, given.aad.encode(), delivery)
        jobs.run(planned, sealing.work(acc, cipher_of), acc, delivery)


@dataclass(frozen=True, slots=True)
class _Sealing:
    """One direction of a cipher over files."""

    op: str
    key: bytearray = field(repr=False)
    aad: bytes
    delivery: Delivery

    def work(self, acc: Accelerator, cipher_of: Callable[[jobs.Job], str]) -> jobs.Work:
        """Return what does one file."""
        call: Any = acc.encrypt if self.op == "encrypt" else acc.decrypt

        def work(job: jobs.Job) -> jobs.Done:
            with (
                files.reading(job.source) as source,
                files.writing(job.target, force=self.delivery.force, like=job.source) as target,
            ):
                data = self._whole(source, job.source)
                result = call(data, self.key, cipher_of(job), aad=self.aad)
                target.write(result)
                return jobs.Done(len(data), len(result))

        return work

    def _whole(self, source: Any, name: str) -> bytes:
        limit = LIMIT + (OVERHEAD if self.op == "decrypt" else 0)
        known = files.size_of(name) or 0
        data: bytes = b"" if known > limit else source.read(limit + 1)
        if max(known, len(data)) <= limit:
            return data
        size = f"{known} bytes" if known else f"more than {limit} bytes"
        subject = "standard input" if files.is_standard(name) else name
        raise UsageError(
            f"{subject} has {size}; {self.op} takes at most {LIMIT >> 20} MiB, because one tag covers the whole file, "
            "so nothing may be released before all of it is held and checked",
            hint="`fpga-accel seal` takes files of any size, in chunks that are safe against truncation",
        )


def suffixes() -> dict[str, str]:
    """Return the file name ending of each cipher's files, with the cipher."""
    return {f".{cipher}": cipher for cipher in registry.algorithms("encrypt")}
