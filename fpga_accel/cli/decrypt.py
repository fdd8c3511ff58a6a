"""``fpga-accel decrypt``."""

from __future__ import annotations

from pathlib import Path

from fpga_accel.cli import files, jobs, keys, session
from fpga_accel.cli.failures import UsageError
from fpga_accel.cli.options import (
    Aad,
    Cipher,
    Delivery,
    Device,
    Fallback,
    Files,
    Force,
    Json,
    KeyFd,
    KeyFile,
    Output,
    Quiet,
    Stdout,
    Threads,
    Timeout,
    Verify,
    Where,
)
from fpga_accel.cli.sealing import DEFAULT_CIPHER, Sealing, suffixes
from fpga_accel.operations import registry


def decrypt(
    sources: Files = None,
    *,
    cipher: Cipher = None,
    key_file: KeyFile = None,
    key_fd: KeyFd = None,
    aad: Aad = "",
    out: Output = None,
    stdout: Stdout = False,
    force: Force = False,
    quiet: Quiet = False,
    device: Device = None,
    fallback: Fallback = None,
    verify: Verify = None,
    threads: Threads = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Decrypt each FILE.aes-gcm into FILE; the file's ending, such as .aes-gcm or .sm4-ctr, tells the cipher.

    Nothing is written when the tag is wrong. The input is kept. With --json the report goes to standard output, or
    to standard error where the data goes to standard output.
    """
    delivery = Delivery.of(out, stdout, force=force, quiet=quiet, json=as_json)
    planned = jobs.planned(sources, delivery, _without_suffix, joinable=False)
    for job in planned:
        algorithm = _cipher_of(job.source, cipher)
        registry.find("decrypt", algorithm).settings(aads=(aad.encode(),) if aad else None)
    from_stdin = any(files.is_standard(job.source) for job in planned)
    where = Where(device, fallback, verify, threads, timeout)
    with (
        keys.opened_key(key_file, key_fd, data_from_stdin=from_stdin) as key,
        session.accelerator(where, as_json=as_json) as acc,
    ):
        sealing = Sealing("decrypt", key, aad.encode(), delivery)
        jobs.run(planned, sealing.work(acc, lambda job: _cipher_of(job.source, cipher)), acc, delivery)


def _cipher_of(name: str, wanted: str | None) -> str:
    by_suffix = suffixes().get(Path(name).suffix)
    if wanted and by_suffix and wanted != by_suffix:
        raise UsageError(f"{name} ends in .{by_suffix}, but --cipher is {wanted}")
    return wanted or by_suffix or DEFAULT_CIPHER


def _without_suffix(name: str) -> str:
    path = Path(name)
    if path.suffix in suffixes():
        return str(path.with_suffix(""))
    known = " or ".join(suffixes())
    raise UsageError(f"{name} does not end in {known}", hint="name the output with -o, or use -c")
