"""Whole files through a cipher: what encrypt and decrypt share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fpga_accel.accelerator import Accelerator
from fpga_accel.cli import files, jobs
from fpga_accel.cli.failures import UsageError
from fpga_accel.cli.options import Delivery
from fpga_accel.operations import registry

DEFAULT_CIPHER = "aes-gcm"
# Most bytes of plaintext. A file is one message with one tag, so all of it is held until the tag is checked.
LIMIT = 64 << 20
# Nonce and tag, which the limit does not count.
OVERHEAD = 64


@dataclass(frozen=True, slots=True)
class Sealing:
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
