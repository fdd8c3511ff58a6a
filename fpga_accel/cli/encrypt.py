"""``fpga-accel encrypt``."""

from __future__ import annotations

from fpga_accel.cli import files, jobs, keys, session
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
from fpga_accel.cli.sealing import DEFAULT_CIPHER, Sealing
from fpga_accel.operations import registry


def encrypt(
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
    """Encrypt each FILE into FILE.aes-gcm, or what the cipher is called, under a fresh random nonce.

    The output is the nonce (of 12, 16 or 24 bytes), the ciphertext, and the 16-byte tag of the ciphers that have one.
    Inputs have at most 64 MiB, because one tag covers the whole file; `seal` takes files of any size. The input is
    kept. With --json the report goes to standard output, or to standard error where the data goes to standard output.
    """
    delivery = Delivery.of(out, stdout, force=force, quiet=quiet, json=as_json)
    algorithm = cipher or DEFAULT_CIPHER
    registry.find("encrypt", algorithm).settings(aads=(aad.encode(),) if aad else None)
    planned = jobs.planned(sources, delivery, lambda name: f"{name}.{algorithm}", joinable=False)
    for job in planned:
        files.refuse_terminal_output(job.target, force=force)
    from_stdin = any(files.is_standard(job.source) for job in planned)
    where = Where(device, fallback, verify, threads, timeout)
    with (
        keys.opened_key(key_file, key_fd, data_from_stdin=from_stdin) as key,
        session.accelerator(where, as_json=as_json) as acc,
    ):
        sealing = Sealing("encrypt", key, aad.encode(), delivery)
        jobs.run(planned, sealing.work(acc, lambda job: algorithm), acc, delivery)
