"""The command line: round trips, refusals, exit codes, JSON, and what is left behind."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pty
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import children
import lz4.frame
import pytest
from click.testing import CliRunner, Result
from conftest import Backend
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import fpga_accel
from fpga_accel.cli import failures, files, keys, output, peers
from fpga_accel.cli.app import application
from fpga_accel.errors import (
    DeviceNotFoundError,
    DeviceTimeoutError,
    FallbackDisabledError,
    FormatError,
    InvalidTag,
)
from fpga_accel.operations import registry
from fpga_accel.receipts import Reason, Receipt, Seconds
from fpga_accel.runtime import discovery

CPU = ("--device", "cpu")
KEY = bytes(range(32))
TEXT = b"".join(b"row %d, of which there are many\n" % number for number in range(30_000))
WORKING = ("compress", "decompress", "encrypt", "decrypt")
COMMANDS = (*WORKING, "digest", "devices", "doctor", "selftest", "demo", "explain", "calibrate")

Invoke = Callable[..., Result]


@pytest.fixture
def invoke() -> Invoke:
    """Run a command in this process."""
    runner = CliRunner()

    def run(*args: object, stdin: bytes | None = None) -> Result:
        result = runner.invoke(application, [str(arg) for arg in args], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.txt"
    path.write_bytes(TEXT)
    return path


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(KEY)
    return path


def spawn(*args: object, stdin: bytes = b"", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(*args), input=stdin, capture_output=True, env=os.environ | (env or {}), timeout=120, check=False
    )


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "fpga_accel.cli", *(str(arg) for arg in args)]


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]


def error_of(result: Result) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(result.stderr.splitlines()[-1])
    assert set(value) == {"error", "message", "hint"}
    return value


# -- compress and decompress ---------------------------------------------------------------------------------------


def test_files_round_trip_and_are_standard(invoke: Invoke, plain: Path, tmp_path: Path) -> None:
    assert invoke("compress", plain, *CPU).exit_code == 0
    packed = tmp_path / "plain.txt.lz4"
    assert plain.read_bytes() == TEXT
    assert len(packed.read_bytes()) < len(TEXT)
    assert lz4.frame.decompress(packed.read_bytes()) == TEXT
    plain.unlink()
    assert invoke("decompress", packed, *CPU).exit_code == 0
    assert plain.read_bytes() == TEXT
    assert packed.exists()
    assert leftovers(tmp_path) == []


def test_foreign_frames_and_joined_frames(invoke: Invoke, tmp_path: Path) -> None:
    packed = tmp_path / "f.lz4"
    packed.write_bytes(lz4.frame.compress(TEXT) + lz4.frame.compress(b"second"))
    assert invoke("decompress", packed, *CPU).exit_code == 0
    assert (tmp_path / "f").read_bytes() == TEXT + b"second"


def test_files_joined_on_standard_output(invoke: Invoke, plain: Path) -> None:
    packed = invoke("compress", "-c", plain, plain, *CPU)
    assert packed.exit_code == 0
    restored = invoke("decompress", *CPU, stdin=packed.stdout_bytes)
    assert restored.stdout_bytes == TEXT + TEXT


def test_odd_file_names(tmp_path: Path) -> None:
    path = tmp_path / "--level [bold] \udcff.txt"
    path.write_bytes(TEXT)
    for options in ((), ("--json", "-f")):
        done = spawn("compress", *CPU, *options, path)
        assert done.returncode == 0, done.stderr
    assert lz4.frame.decompress(Path(f"{path}.lz4").read_bytes()) == TEXT
    assert spawn("demo", *CPU, path).returncode == 0
    assert spawn("decompress", *CPU, path).returncode == 2


def test_closed_standard_output(plain: Path) -> None:
    line = f"exec {shlex.join(command('compress', '-c', plain, *CPU))} >&-"
    done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == f"fpga-accel: {plain}: standard output is closed\n".encode()
    done = subprocess.run(["sh", "-c", f"exec {shlex.join(command('doctor'))} >&-"], capture_output=True, check=False)
    assert done.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("args", [("compress", "-c", __file__, *CPU), ("explain", "compress", "5", *CPU)])
def test_full_standard_output(args: Sequence[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command(*args), stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(b"No space left on device\n")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(shutil.which("lz4") is None, reason="PATH has no lz4 command")
def test_the_lz4_command_reads_it(invoke: Invoke, plain: Path) -> None:
    assert invoke("compress", plain, *CPU).exit_code == 0
    done = subprocess.run(["lz4", "-dc", f"{plain}.lz4"], capture_output=True, check=True)
    assert done.stdout == TEXT


@pytest.mark.parametrize("names", [("-",), ()])
def test_pipes(invoke: Invoke, names: Sequence[str]) -> None:
    packed = invoke("compress", *names, *CPU, stdin=TEXT)
    assert packed.exit_code == 0
    assert packed.stderr == ""
    restored = invoke("decompress", *names, *CPU, stdin=packed.stdout_bytes)
    assert restored.exit_code == 0
    assert restored.stdout_bytes == TEXT


def test_real_pipe_between_two_processes(plain: Path) -> None:
    with subprocess.Popen(command("compress", "-c", plain, *CPU), stdout=subprocess.PIPE) as first:
        second = subprocess.run(
            command("decompress", "-", *CPU), stdin=first.stdout, capture_output=True, timeout=60, check=False
        )
    assert first.returncode == 0
    assert second.returncode == 0
    assert second.stdout == TEXT


def test_empty_input(invoke: Invoke) -> None:
    packed = invoke("compress", "-", *CPU, stdin=b"")
    assert lz4.frame.decompress(packed.stdout_bytes) == b""
    assert invoke("decompress", "-", *CPU, stdin=packed.stdout_bytes).stdout_bytes == b""


def test_level_and_block_size_reach_the_format(invoke: Invoke, plain: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert invoke("compress", plain, "-o", out, "--level", 9, "--block-size", 1 << 20, *CPU).exit_code == 0
    assert lz4.frame.get_frame_info(out.read_bytes())["block_size"] == 1 << 20
    assert lz4.frame.decompress(out.read_bytes()) == TEXT


@pytest.mark.parametrize(
    "options",
    [("--level", "99"), ("--block-size", "1000"), ("--format", "nonesuch"), ("--fallback", "perhaps"), ("--bogus",)],
)
def test_illegal_options_are_usage_errors(invoke: Invoke, plain: Path, options: Sequence[str]) -> None:
    result = invoke("compress", plain, *CPU, *options)
    assert result.exit_code == 2
    assert result.stderr.startswith("fpga-accel: ")
    assert len(result.stderr.splitlines()) == 1
    assert not Path(f"{plain}.lz4").exists()


@pytest.mark.parametrize(("format", "option"), [("snappy", "--level"), ("zstd", "--block-size")])
def test_options_that_a_format_lacks_are_usage_errors(invoke: Invoke, plain: Path, format: str, option: str) -> None:
    args = ("compress", plain, "--format", format, option, "65536", *CPU)
    result = invoke(*args)
    assert result.exit_code == 2
    assert result.stderr == f"fpga-accel: {format} has no {option}\n"
    result = invoke(*args, "--json")
    assert result.exit_code == 2
    assert error_of(result)["error"] == "usage"
    assert len(result.stderr.splitlines()) == 1


def test_several_files_and_one_of_them_bad(invoke: Invoke, tmp_path: Path) -> None:
    good, bad, absent = tmp_path / "good.lz4", tmp_path / "bad.lz4", tmp_path / "absent.lz4"
    good.write_bytes(lz4.frame.compress(TEXT))
    bad.write_bytes(b"this is no frame at all")
    result = invoke("decompress", absent, bad, good, *CPU)
    assert result.exit_code == 1
    assert (tmp_path / "good").read_bytes() == TEXT
    assert not (tmp_path / "bad").exists()
    assert f"{bad}: " in result.stderr
    assert f"{absent}: No such file or directory" in result.stderr
    assert leftovers(tmp_path) == []


def test_truncated_input_leaves_nothing(invoke: Invoke, tmp_path: Path) -> None:
    cut = tmp_path / "cut.lz4"
    cut.write_bytes(lz4.frame.compress(os.urandom(1 << 20))[:-1000])
    result = invoke("decompress", cut, *CPU)
    assert result.exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["cut.lz4"]


def test_max_output(invoke: Invoke, tmp_path: Path) -> None:
    packed = tmp_path / "f.lz4"
    packed.write_bytes(lz4.frame.compress(TEXT))
    assert invoke("decompress", packed, "--max-output", len(TEXT) - 1, *CPU).exit_code == 1
    assert not (tmp_path / "f").exists()
    assert invoke("decompress", packed, "--max-output", len(TEXT), *CPU).exit_code == 0
    assert invoke("decompress", packed, "-f", "--max-output", -1, *CPU).exit_code == 2


def test_unknown_suffix_needs_an_output(invoke: Invoke, tmp_path: Path) -> None:
    packed = tmp_path / "f.bin"
    packed.write_bytes(lz4.frame.compress(TEXT))
    result = invoke("decompress", packed, *CPU)
    assert result.exit_code == 2
    assert ".lz4" in result.stderr
    assert invoke("decompress", "-c", packed, *CPU).stdout_bytes == TEXT
    assert invoke("decompress", packed, "-o", tmp_path / "out", *CPU).exit_code == 0


# -- outputs -----------------------------------------------------------------------------------------------------


def test_overwriting_needs_force(invoke: Invoke, plain: Path) -> None:
    target = Path(f"{plain}.lz4")
    target.write_bytes(b"precious")
    result = invoke("compress", plain, *CPU)
    assert result.exit_code == 1
    assert "exists" in result.stderr
    assert "-f" in result.stderr
    assert target.read_bytes() == b"precious"
    assert invoke("compress", plain, "-f", *CPU).exit_code == 0
    assert lz4.frame.decompress(target.read_bytes()) == TEXT


def test_failed_work_keeps_what_force_would_have_replaced(invoke: Invoke, tmp_path: Path) -> None:
    bad = tmp_path / "f.lz4"
    bad.write_bytes(b"this is no frame at all")
    (tmp_path / "f").write_bytes(b"precious")
    assert invoke("decompress", bad, "-f", *CPU).exit_code == 1
    assert (tmp_path / "f").read_bytes() == b"precious"
    assert leftovers(tmp_path) == []


def test_output_gets_the_permissions_of_the_input(invoke: Invoke, plain: Path) -> None:
    plain.chmod(0o640)
    assert invoke("compress", plain, *CPU).exit_code == 0
    assert stat.S_IMODE(Path(f"{plain}.lz4").stat().st_mode) == 0o640


def test_special_bits_and_modes_of_devices_are_not_copied(invoke: Invoke, plain: Path, tmp_path: Path) -> None:
    plain.chmod(0o6755)
    out = tmp_path / "out"
    old = os.umask(0o027)
    try:
        assert invoke("compress", plain, "-o", out, *CPU).exit_code == 0
        assert stat.S_IMODE(out.stat().st_mode) == 0o755
        for source in ("/dev/null", "-"):
            assert invoke("compress", source, "-f", "-o", out, *CPU, stdin=b"").exit_code == 0
            assert stat.S_IMODE(out.stat().st_mode) == 0o640
    finally:
        os.umask(old)


def test_nobody_else_reads_an_output_while_it_is_written(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"secret")
    source.chmod(0o644)
    with files.writing(str(tmp_path / "out"), force=False, like=str(source)) as file:
        file.write(b"secret")
        (temporary,) = leftovers(tmp_path)
        assert stat.S_IMODE((tmp_path / temporary).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o644


def test_devices_and_links_as_outputs_stay_what_they_are(invoke: Invoke, plain: Path, tmp_path: Path) -> None:
    assert invoke("compress", plain, "-o", "/dev/null", *CPU).exit_code == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    assert invoke("compress", plain, "-f", "-o", link, *CPU).exit_code == 0
    assert link.is_symlink()
    assert lz4.frame.decompress(target.read_bytes()) == TEXT


def test_a_pipe_that_has_a_name_as_output(plain: Path) -> None:
    done = spawn("compress", plain, "-q", "-o", "/dev/stdout", *CPU)
    assert done.returncode == 0, done.stderr
    assert lz4.frame.decompress(done.stdout) == TEXT
    reads, writes = os.pipe()
    with open(reads, "rb") as pipe:
        words = command("compress", plain, "-q", "-o", f"/dev/fd/{writes}", *CPU)
        with subprocess.Popen(words, pass_fds=[writes]) as process:
            os.close(writes)
            assert lz4.frame.decompress(pipe.read()) == TEXT
    assert process.returncode == 0


def test_a_link_that_leads_nowhere_needs_force(invoke: Invoke, plain: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("target")
    result = invoke("compress", plain, "-o", link, *CPU)
    assert result.exit_code == 1
    assert "exists" in result.stderr
    assert not (tmp_path / "target").exists()
    assert invoke("compress", plain, "-f", "-o", link, *CPU).exit_code == 0
    assert lz4.frame.decompress((tmp_path / "target").read_bytes()) == TEXT


@pytest.mark.parametrize(
    "args",
    [("a", "a", "-o", "out"), ("a", "-o", "a", "-f"), ("-", "-", "-c"), ("a", "--level")],
)
def test_outputs_that_make_no_sense(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: Sequence[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").write_bytes(TEXT)
    assert invoke("compress", *args, *CPU).exit_code == 2
    assert Path("a").read_bytes() == TEXT


def test_missing_folder_names_the_output(invoke: Invoke, plain: Path, tmp_path: Path) -> None:
    target = tmp_path / "no" / "out"
    result = invoke("compress", plain, "-o", target, *CPU)
    assert result.exit_code == 1
    assert str(target) in result.stderr
    assert ".tmp" not in result.stderr


def on_terminal(*args: object, stdin_too: bool = False) -> tuple[int, str]:
    """Run a command whose standard output and error are a terminal; return exit code and what it showed."""
    controller, terminal = pty.openpty()
    stdin = terminal if stdin_too else subprocess.DEVNULL
    with subprocess.Popen(command(*args), stdin=stdin, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        try:
            while part := os.read(controller, 1 << 16):
                shown += part
        except OSError:
            # Linux ends a terminal without writers so.
            pass
        process.wait(60)
    os.close(controller)
    return process.returncode, shown.decode(errors="replace")


def test_terminals(plain: Path) -> None:
    code, shown = on_terminal("compress", "-c", plain, *CPU)
    assert code == 2
    assert "terminal" in shown
    code, shown = on_terminal("compress", *CPU, stdin_too=True)
    assert code == 2
    assert "no FILE" in shown
    code, shown = on_terminal("compress", plain, *CPU)
    assert code == 0
    assert Path(f"{plain}.lz4").exists()
    code, shown = on_terminal("compress", "-fc", plain, *CPU)
    assert code == 0


def test_broken_pipe_is_quiet(tmp_path: Path) -> None:
    packed = tmp_path / "zeros.lz4"
    packed.write_bytes(lz4.frame.compress(bytes(32 << 20)))
    with subprocess.Popen(
        command("decompress", "-c", packed, *CPU), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(10) == bytes(10)
        process.stdout.close()
        said = process.stderr.read()
        process.wait(60)
    assert said == b""
    assert process.returncode == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_interrupted_work_leaves_nothing(tmp_path: Path, number: signal.Signals, code: int) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored here, as under nohup")
    out = tmp_path / "out.lz4"
    with subprocess.Popen(
        command("compress", "-", "-o", out, *CPU), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(os.urandom(1 << 16))
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while not leftovers(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # A signal between the interpreter's last look and the read that waits is seen after the next one.
        while process.poll() is None and time.monotonic() < deadline:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        process.wait(1)
        said = process.stderr.read()
    assert process.returncode == code
    assert list(tmp_path.iterdir()) == []
    assert said in (b"", b"fpga-accel: interrupted\n")


def test_a_hangup_that_is_ignored_ends_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.lz4"
    ignoring = ["/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *command("compress", "-", "-q", "-o", out, *CPU)]
    with subprocess.Popen(ignoring, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        deadline = time.monotonic() + 60
        while not leftovers(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGHUP)
        process.stdin.write(TEXT)
        process.stdin.close()
        assert process.wait(60) == 0
    assert lz4.frame.decompress(out.read_bytes()) == TEXT


def test_a_failure_does_not_end_the_frame_on_a_pipe(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("compress", "-", *CPU), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        feeder = threading.Thread(target=feed, args=(process.stdin, os.urandom(48 << 20)))
        feeder.start()
        cut = process.stdout.read(1 << 20)
        process.send_signal(signal.SIGINT)
        cut += process.stdout.read()
        feeder.join()
        process.wait(60)
    assert process.returncode == 130
    # A frame that every reader refuses as cut off.
    with pytest.raises((RuntimeError, EOFError)):
        lz4.frame.decompress(cut)


def feed(pipe: Any, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):
        pipe.write(data)
        pipe.flush()


# -- encrypt and decrypt -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cipher", ["aes-gcm", "aes-ctr"])
def test_encrypted_files_round_trip(invoke: Invoke, plain: Path, key_file: Path, cipher: str) -> None:
    key = ("--key-file", key_file)
    assert invoke("encrypt", plain, "--cipher", cipher, *key, *CPU).exit_code == 0
    sealed = Path(f"{plain}.{cipher}")
    assert plain.read_bytes() == TEXT
    plain.unlink()
    assert invoke("decrypt", sealed, *key, *CPU).exit_code == 0
    assert plain.read_bytes() == TEXT
    assert sealed.exists()


def test_encryption_is_standard_both_ways(invoke: Invoke, key_file: Path) -> None:
    options = ("--key-file", key_file, "--aad", "héader", *CPU)
    sealed = invoke("encrypt", "-", *options, stdin=TEXT).stdout_bytes
    stock = AESGCM(KEY)
    assert stock.decrypt(sealed[:12], sealed[12:], "héader".encode()) == TEXT
    theirs = bytes(12) + stock.encrypt(bytes(12), TEXT, "héader".encode())
    assert invoke("decrypt", "-", *options, stdin=theirs).stdout_bytes == TEXT


@pytest.mark.parametrize("size", keys.SIZES)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_key_in_hex(invoke: Invoke, tmp_path: Path, size: int, end: str) -> None:
    path = tmp_path / "hex"
    path.write_bytes((KEY[:size].hex().upper() + end).encode())
    sealed = invoke("encrypt", "-", "--key-file", path, *CPU, stdin=b"text").stdout_bytes
    assert AESGCM(KEY[:size]).decrypt(sealed[:12], sealed[12:], b"") == b"text"


def test_raw_key_that_ends_in_a_newline(tmp_path: Path) -> None:
    raw = bytes(31) + b"\n"
    path = tmp_path / "key"
    path.write_bytes(raw)
    with keys.opened_key(str(path), None, data_from_stdin=False) as key:
        assert key == raw
    assert key == bytes(32)


@pytest.mark.parametrize("content", [b"", b"secret-phrase", b"zz" * 16 + b"!", bytes(range(200, 233)), bytes(5000)])
def test_what_is_no_key_is_refused_without_being_shown(invoke: Invoke, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    result = invoke("encrypt", "-", "--key-file", path, *CPU, stdin=TEXT)
    assert result.exit_code == 2
    assert result.stdout_bytes == b""
    assert "16, 24, 32 or 64" in result.stderr
    assert b"secret" not in result.stderr_bytes
    assert "zzzz" not in result.stderr


def test_key_from_a_descriptor(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, KEY)
    os.close(writer)
    done = subprocess.run(
        command("encrypt", "-", "--key-fd", reader, *CPU),
        input=TEXT,
        capture_output=True,
        pass_fds=(reader,),
        check=True,
        timeout=60,
    )
    os.close(reader)
    assert AESGCM(KEY).decrypt(done.stdout[:12], done.stdout[12:], b"") == TEXT


def test_key_options(invoke: Invoke, key_file: Path, tmp_path: Path) -> None:
    assert invoke("encrypt", "-", *CPU, stdin=TEXT).exit_code == 2
    assert invoke("encrypt", "-", "--key-file", key_file, "--key-fd", 5, *CPU, stdin=TEXT).exit_code == 2
    assert invoke("encrypt", "-", "--key-fd", 0, *CPU, stdin=TEXT).exit_code == 2
    absent = invoke("encrypt", "-", "--key-file", tmp_path / "absent", *CPU, stdin=TEXT)
    assert absent.exit_code == 1
    assert str(tmp_path / "absent") in absent.stderr
    closed = invoke("encrypt", "-", "--key-fd", 987, *CPU, stdin=TEXT)
    assert closed.exit_code == 1
    assert "--key-fd 987" in closed.stderr


def test_wrong_key_writes_nothing(invoke: Invoke, plain: Path, key_file: Path, tmp_path: Path) -> None:
    assert invoke("encrypt", plain, "--key-file", key_file, *CPU).exit_code == 0
    sealed = Path(f"{plain}.aes-gcm")
    plain.unlink()
    key_file.write_bytes(bytes(32))
    result = invoke("decrypt", sealed, "--key-file", key_file, *CPU)
    assert result.exit_code == 1
    assert not plain.exists()
    assert leftovers(tmp_path) == []
    piped = invoke("decrypt", "-", "--key-file", key_file, *CPU, stdin=sealed.read_bytes())
    assert piped.exit_code == 1
    assert piped.stdout_bytes == b""
    assert len(piped.stderr.splitlines()) == 1


def test_more_than_64_mib_is_refused(invoke: Invoke, key_file: Path, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate((64 << 20) + 1)
    result = invoke("encrypt", large, "--key-file", key_file, *CPU)
    assert result.exit_code == 2
    assert "64 MiB" in result.stderr
    assert "tag" in result.stderr
    assert not Path(f"{large}.aes-gcm").exists()
    assert leftovers(tmp_path) == []


def test_exactly_64_mib_is_taken(invoke: Invoke, key_file: Path, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(64 << 20)
    key = ("--key-file", key_file)
    assert invoke("encrypt", large, *key, *CPU).exit_code == 0
    assert invoke("decrypt", f"{large}.aes-gcm", "-f", *key, *CPU).exit_code == 0
    assert large.stat().st_size == 64 << 20


def test_a_long_pipe_is_refused_without_reading_it_all(invoke: Invoke, key_file: Path) -> None:
    result = invoke("encrypt", "-", "--key-file", key_file, *CPU, stdin=bytes((64 << 20) + 5))
    assert result.exit_code == 2
    assert "standard input" in result.stderr
    assert result.stdout_bytes == b""


def test_cipher_options_that_make_no_sense(invoke: Invoke, plain: Path, key_file: Path) -> None:
    key = ("--key-file", key_file)
    assert invoke("encrypt", plain, "--cipher", "rot13", *key, *CPU).exit_code == 2
    assert invoke("encrypt", plain, "--cipher", "aes-ctr", "--aad", "x", *key, *CPU).exit_code == 2
    assert invoke("decrypt", plain, *key, *CPU).exit_code == 2
    assert invoke("decrypt", "x.aes-gcm", "--cipher", "aes-ctr", *key, *CPU).exit_code == 2


# -- devices, failures and JSON ------------------------------------------------------------------------------------


def test_nothing_but_the_command_line_needs_click() -> None:
    script = "import fpga_accel, sys; sys.exit(any(name in sys.modules for name in ('click', 'rich')))"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_version_and_help(invoke: Invoke) -> None:
    assert invoke("--version").stdout == f"fpga-accel {fpga_accel.__version__}\n"
    for name in COMMANDS:
        result = invoke(name, "--help")
        assert result.exit_code == 0
        assert "--json" in result.stdout
    nothing = invoke()
    assert nothing.exit_code == 2
    assert all(name in nothing.stderr for name in (*COMMANDS, "bitstream"))
    assert "--help" in nothing.stderr
    unknown = invoke("nonesuch", "--json")
    assert unknown.exit_code == 2
    assert error_of(unknown)["error"] == "usage"


def test_reports_in_json(invoke: Invoke, plain: Path, key_file: Path) -> None:
    key = ("--key-file", key_file)
    calls: list[tuple[str, Path, Sequence[object]]] = [
        ("compress", plain, ()),
        ("decompress", Path(f"{plain}.lz4"), ()),
        ("encrypt", plain, key),
        ("decrypt", Path(f"{plain}.aes-gcm"), key),
    ]
    for name, path, options in calls:
        result = invoke(name, path, "--json", "-f", *options, *CPU)
        assert result.exit_code == 0, result.stderr
        assert result.stderr == ""
        (report,) = json.loads(result.stdout)["files"]
        assert report["input"] == str(path)
        assert report["bytes_in"] == path.stat().st_size
        assert report["bytes_out"] == Path(report["output"]).stat().st_size
        assert {call["backend"] for call in report["calls"]} == {"cpu"}
        assert {call["reason"] for call in report["calls"]} == {"asked"}
        assert sum(call["calls"] for call in report["calls"]) >= 1


def test_report_goes_to_stderr_where_data_goes_to_stdout(invoke: Invoke) -> None:
    result = invoke("compress", "-", "--json", *CPU, stdin=TEXT)
    assert lz4.frame.decompress(result.stdout_bytes) == TEXT
    (report,) = json.loads(result.stderr)["files"]
    assert report["output"] == "-"
    assert report["bytes_in"] == len(TEXT)
    assert report["bytes_out"] == len(result.stdout_bytes)


def test_errors_in_json(invoke: Invoke, tmp_path: Path) -> None:
    bad = tmp_path / "bad.lz4"
    bad.write_bytes(b"this is no frame at all")
    result = invoke("decompress", bad, "--json", *CPU)
    assert result.exit_code == 1
    error = error_of(result)
    assert error["error"] == "bad_format"
    (report,) = json.loads(result.stdout)["files"]
    assert report == {"input": str(bad), **error}
    usage = invoke("compress", bad, "--json", "--level", "99", *CPU)
    assert usage.exit_code == 2
    assert error_of(usage)["error"] == "usage"
    assert error_of(invoke("explain", "compress", "-5", "--json"))["error"] == "usage"
    assert error_of(invoke("compress", bad, "--json", "--device", "no such thing"))["error"] == "device_not_found"


def test_quiet_and_summary(invoke: Invoke, plain: Path) -> None:
    said = invoke("compress", plain, *CPU)
    assert said.stdout == ""
    assert f"{plain} -> {plain}.lz4" in said.stderr
    assert "cpu/lz4 (asked)" in said.stderr
    assert invoke("compress", plain, "-fq", *CPU).stderr == ""


NO_OPENCL = {"FPGA_ACCEL_DISABLE": "opencl"}


@pytest.mark.parametrize("name", ["compress", "encrypt"])
def test_without_a_device(plain: Path, key_file: Path, name: str) -> None:
    key = ("--key-file", key_file) if name == "encrypt" else ()
    args = (name, plain, *key, "--device", "opencl")
    refused = spawn(*args, "--fallback", "never", env=NO_OPENCL)
    assert refused.returncode == 3
    assert len(refused.stderr.splitlines()) == 1
    assert [path.name for path in plain.parent.iterdir() if path.name.startswith("plain.txt.")] == []
    warned = spawn(*args, env=NO_OPENCL)
    assert warned.returncode == 0
    assert b"fpga-accel: warning: " in warned.stderr
    silent = spawn(*args, "-f", "-q", "--fallback", "allow", env=NO_OPENCL)
    assert silent.returncode == 0
    assert silent.stderr == b""


def test_warnings_in_json(plain: Path) -> None:
    done = spawn("compress", plain, "--device", "opencl", "--json", env=NO_OPENCL)
    assert done.returncode == 0
    assert "warning" in json.loads(done.stderr)
    (report,) = json.loads(done.stdout)["files"]
    assert report["calls"][0]["fallback"] is True


def test_overviews_without_a_device() -> None:
    listed = spawn("devices", "--json", env=NO_OPENCL)
    assert listed.returncode == 0
    assert [device["kind"] for device in json.loads(listed.stdout)] == ["rtl"]
    assert b"FPGA_ACCEL_DISABLE" in spawn("devices", env=NO_OPENCL).stderr
    tested = spawn("selftest", "--json", env=NO_OPENCL)
    assert tested.returncode == 3
    assert all(row["passed"] and row["device"] == "cpu" for row in json.loads(tested.stdout))
    examined = spawn("doctor", env=NO_OPENCL)
    assert examined.returncode == 3
    assert b"To fix:" in examined.stdout


def test_demo_without_a_device(plain: Path) -> None:
    done = spawn("demo", plain, "--json", env=NO_OPENCL)
    assert done.returncode == 3
    document = json.loads(done.stdout)
    assert document["ok"]
    assert "disabled" in document["missing"]
    assert {receipt["backend"] for receipt in document["receipts"]} == {"cpu"}
    said = spawn("demo", plain, env=NO_OPENCL)
    assert said.returncode == 3
    assert b"only the CPU path ran" in said.stderr


def test_log_level(plain: Path) -> None:
    done = spawn("compress", plain, "--device", "opencl", env=NO_OPENCL | {"FPGA_ACCEL_LOG": "warning"})
    assert b"fpga-accel: WARNING: " in done.stderr
    bad = spawn("compress", plain, *CPU, env={"FPGA_ACCEL_LOG": "loud"})
    assert bad.returncode == 2
    assert b"legal values are debug" in bad.stderr


def test_devices(invoke: Invoke) -> None:
    found = json.loads(invoke("devices", "--json").stdout)
    assert [entry["index"] for entry in found] == list(range(len(found)))
    shown = invoke("devices")
    assert shown.exit_code == 0
    assert all(entry["id"] in shown.stdout for entry in found)


def test_selftest(invoke: Invoke) -> None:
    result = invoke("selftest", "--device", "cpu", "--json")
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert [row["operation"] for row in rows] == list(registry.OPERATIONS)
    assert all(row["passed"] and row["calls"] for row in rows)
    assert "PASS" in invoke("selftest", "--device", "cpu").stdout


@pytest.mark.slow
def test_selftest_and_demo_on_every_device(invoke: Invoke) -> None:
    if not any(device.usable for device in discovery.devices()):
        pytest.skip("no usable OpenCL device")
    tested = invoke("selftest", "--json")
    assert tested.exit_code == 0, tested.stderr
    shown = invoke("demo")
    assert shown.exit_code == 0, shown.stdout
    assert "FAIL" not in shown.stdout


def test_demo(invoke: Invoke, plain: Path) -> None:
    result = invoke("demo", plain, "--device", "cpu", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["bytes"] == len(TEXT)
    assert [receipt["op"] for receipt in document["receipts"]] == ["compress", "encrypt", "decrypt", "decompress"]
    by = {check["by"] for check in document["checks"]}
    assert {peer.name for peer in peers.lz4_compressors()} <= by
    assert peers.AesGcm.name in by
    shown = invoke("demo", plain, "--device", "cpu")
    assert shown.exit_code == 0
    assert peers.AesGcm.name in shown.stdout


def test_demo_fails_where_a_check_fails(invoke: Invoke, plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    liar = peers.Compressor("liar", lz4.frame.compress, lambda data: b"something else")
    broken = peers.Compressor("broken", lz4.frame.compress, lambda data: lz4.frame.decompress(b""))
    monkeypatch.setattr(peers, "lz4_compressors", lambda: [liar, broken])
    result = invoke("demo", plain, "--device", "cpu", "--json")
    assert result.exit_code == 1
    failed = [check for check in json.loads(result.stdout)["checks"] if not check["passed"]]
    assert {check["by"] for check in failed} == {"liar", "broken"}
    assert {check["cause"] for check in failed if check["by"] == "liar"} == {"the bytes differ"}


def test_explain(invoke: Invoke) -> None:
    for op, option in (("compress", "--format=lz4"), ("decompress", "--format=lz4"), ("encrypt", "--cipher=aes-ctr")):
        plan = json.loads(invoke("explain", op, 1 << 20, option, *CPU, "--json").stdout)
        assert plan["backend"] == "cpu"
        assert plan["reason"] == "asked"
    small = invoke("explain", "compress", 100)
    assert small.exit_code == 0
    assert "faster" in small.stdout
    for wrong in (
        ("shrink", 100),
        ("compress", 100, "--cipher", "aes-gcm"),
        ("encrypt", 100, "--format", "lz4"),
        ("decompress", 100, "--level", 3),
        ("compress", "many"),
    ):
        assert invoke("explain", *wrong).exit_code == 2


def test_explain_shows_every_candidate(invoke: Invoke, backend: Backend) -> None:
    plan = json.loads(invoke("explain", "checksum", 1 << 24, "--device", backend.id, "--json").stdout)
    assert [each["name"].partition("/")[0] for each in plan["candidates"]] == ["cpu", backend.id][
        : 1 + backend.is_device
    ]
    assert all(each["seconds"] > 0 and each["source"] in ("prior", "calibrated") for each in plan["candidates"])
    shown = invoke("explain", "checksum", 1 << 24, "--device", backend.id).stdout
    assert all(each["name"] in shown for each in plan["candidates"])


def test_a_command_imports_itself_alone() -> None:
    code = """
        import sys
        from fpga_accel.cli.app import main
        sys.argv = ["fpga-accel", *sys.argv[1:]]
        try:
            main()
        finally:
            print(*sys.modules)
    """
    alone, _ = children.run(code, "digest", "--help")
    every, _ = children.run(code, "--help")
    assert "fpga_accel.cli.digest" in alone.split()
    assert not {"fpga_accel.cli.demo", "fpga_accel.cli.bench", "fpga_accel.cli.seal"} & set(alone.split())
    assert not {"typer", "pydantic"} & set(every.split())
    assert {"fpga_accel.cli.digest", "fpga_accel.cli.demo", "fpga_accel.cli.bench"} <= set(every.split())


def test_calibrate(invoke: Invoke, backend: Backend) -> None:
    args = ("calibrate", "crc32c.checksum", "--device", backend.id, "--seconds", 0.3)
    if not backend.is_device:
        assert invoke(*args).exit_code == 2
        return
    result = invoke(*args, "--json")
    assert result.exit_code == 0
    assert result.stderr == ""
    cases = json.loads(result.stdout)
    assert len(cases) == 3
    for case in cases:
        assert case["operation"] == "crc32c.checksum"
        assert case["candidate"].startswith(f"{backend.id}/")
        assert all(each["cpu"] > 0 and each["device"] > 0 for each in case["timings"])
    shown = invoke(*args)
    assert shown.stdout.count("crc32c.checksum") == 3
    plan = json.loads(invoke("explain", "checksum", 1 << 23, "--device", backend.id, "--json").stdout)
    assert {each["source"] for each in plan["candidates"]} == {"calibrated"}


def test_calibrate_refuses_what_it_cannot_do(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    assert invoke("calibrate", "lz4.digest").exit_code == 2
    assert invoke("calibrate", "--seconds", 0).exit_code == 2
    monkeypatch.setattr(discovery, "_inventory", discovery._Inventory())
    monkeypatch.setenv("FPGA_ACCEL_DISABLE", "opencl")
    for device in ("auto", "opencl"):
        absent = invoke("calibrate", "--device", device, "--json")
        assert absent.exit_code == 3
        assert "FPGA_ACCEL_DISABLE" in absent.stderr


def test_doctor(invoke: Invoke) -> None:
    result = invoke("doctor", "--json")
    document = json.loads(result.stdout)
    findings = document["findings"]
    failed = [finding for finding in findings if finding["result"] == "FAIL"]
    assert all(finding["fix"] for finding in failed)
    assert document["ok"] == (result.exit_code == 0)
    checks = {finding["check"] for finding in findings}
    assert {"version", "setting", "cache", "kernels", "loader", "runtime", "linker", "device"} <= checks


def test_doctor_finds_what_is_wrong(tmp_path: Path) -> None:
    env = {
        "FPGA_ACCEL_DISABLE": "nonesuch",
        "FPGA_ACCEL_VERIFY": "perhaps",
        "FPGA_ACCEL_THREADS": "-1",
        "OCL_ICD_VENDORS": str(tmp_path / "absent"),
        "PATH": "",
    }
    done = spawn("doctor", "--json", env=env)
    assert done.returncode in (1, 3)
    failed = {finding["subject"] for finding in json.loads(done.stdout)["findings"] if finding["result"] == "FAIL"}
    assert {"disable", "verify", "threads", "OCL_ICD_VENDORS"} <= failed


def test_doctor_survives_a_broken_config_file(tmp_path: Path) -> None:
    folder = tmp_path / "fpga-accel"
    folder.mkdir()
    (folder / "config.toml").write_text("this is = = not TOML")
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    done = spawn("doctor", "--json", env=env)
    assert done.returncode in (1, 3)
    assert b"Traceback" not in done.stderr
    json.loads(done.stdout)
    assert spawn("compress", "-", *CPU, env=env).returncode == 2


# -- parts -------------------------------------------------------------------------------------------------------


def test_failures_are_told_apart() -> None:
    assert failures.failure_of(RuntimeError("a bug")) is None
    assert failures.failure_of(TypeError("a bug")) is None
    expected: list[tuple[BaseException, int, str]] = [
        (FormatError("bad"), 1, "bad_format"),
        (InvalidTag(), 1, "invalid_tag"),
        (DeviceNotFoundError("none"), 3, "device_not_found"),
        (FallbackDisabledError("no"), 3, "fallback_disabled"),
        (DeviceTimeoutError("slow"), 1, "device_timeout"),
        (PermissionError(13, "Permission denied", "f"), 1, "eacces"),
        (MemoryError(), 1, "no_memory"),
        (ValueError("illegal"), 2, "usage"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ]
    for error, exit_code, code in expected:
        failure = failures.failure_of(error)
        assert failure is not None
        assert (failure.exit_code, failure.code) == (exit_code, code)
        assert failure.message


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    failure = failures.failure_of(FormatError("first\n  second", hint="do this"))
    assert failure is not None
    failure.about("f.lz4").show(as_json=False)
    assert capsys.readouterr().err == "fpga-accel: f.lz4: first second (do this)\n"


def test_table_shows_brackets_and_keeps_every_word(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    output.show_table(("name", ">n", "ok"), [("[bold]x[/bold] :smile:", 5, True), ("word " * 60, None, False)])
    text = stream.getvalue()
    assert "[bold]x[/bold] :smile:" in text
    assert text.count("word") == 60
    assert "yes" in text
    assert "no" in text


def test_receipts_of_a_file_are_summed_up() -> None:
    one = Receipt("compress", "lz4", 10, 5, "opencl", "pocl-0", "x86", Reason.ASKED, seconds=Seconds(total=0.5))
    other = Receipt("compress", "lz4", 1, 1, "cpu", None, "lz4", Reason.TIMEOUT, fallback=True)
    first, second = output.places([one, one, other])
    assert (first["calls"], first["bytes_in"], first["bytes_out"], first["seconds"]) == (2, 20, 10, 1.0)
    assert (second["backend"], second["reason"], second["fallback"]) == ("cpu", "timeout", True)


# -- digest ------------------------------------------------------------------------------------------------------------


def test_digest_prints_what_sha256sum_prints(invoke: Invoke, plain: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    shown = invoke("digest", plain, empty, *CPU).stdout
    assert shown == "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}\n" for path in (plain, empty))


def test_digest_escapes_names_as_sha256sum_does(invoke: Invoke, tmp_path: Path) -> None:
    digits, written = hashlib.sha256(TEXT).hexdigest(), tmp_path / "sums"
    paths = [tmp_path / name for name in ("plain name", "two\nlines", "back\\slash", "return\rn", "a\\n\n\r\\")]
    for path in paths:
        path.write_bytes(TEXT)
    shown = invoke("digest", *paths, *CPU).stdout
    ends = ("plain name", r"two\nlines", r"back\\slash", r"return\rn", r"a\\n\n\r\\")
    lines = [f"{digits}  {tmp_path}/{end}" for end in ends]
    assert shown.split("\n") == [lines[0], *("\\" + line for line in lines[1:]), ""]
    if shutil.which("sha256sum"):
        written.write_text(shown)
        subprocess.run(["sha256sum", "--check", "--strict", written], check=True, capture_output=True)


@pytest.mark.parametrize("algorithm", registry.algorithms("digest"))
def test_digest_of_standard_input(invoke: Invoke, algorithm: str) -> None:
    length = 32 if algorithm.startswith("shake") else None
    chosen = () if length is None else ("--length", length)
    shown = invoke("digest", "-a", algorithm, *chosen, *CPU, stdin=TEXT).stdout
    assert shown == f"{fpga_accel.Accelerator('cpu').digest(TEXT, algorithm, length=length).hex()}  -\n"


@pytest.mark.parametrize("algorithm", registry.algorithms("checksum"))
def test_digest_of_checksums(invoke: Invoke, algorithm: str, plain: Path) -> None:
    report = json.loads(invoke("digest", "-a", algorithm, plain, *CPU, "--json").stdout)
    digits = 2 * registry.find("checksum", algorithm).number_size
    assert report["checksum"] == f"{fpga_accel.Accelerator('cpu').checksum(TEXT, algorithm):0{digits}x}"
    assert report["input"] == str(plain)
    assert report["calls"][0]["operation"] == f"{algorithm}.checksum"


def test_digest_refuses(invoke: Invoke, plain: Path, tmp_path: Path) -> None:
    unknown = error_of(invoke("digest", "-a", "md4", plain, *CPU, "--json"))
    assert unknown["error"] == "usage"
    assert "sha256" in unknown["message"]
    assert "crc32c" in unknown["message"]
    assert invoke("digest", "-a", "sha256", "--length", 8, plain, *CPU).exit_code == 2
    assert invoke("digest", "-a", "crc32c", "--length", 4, plain, *CPU).exit_code == 2
    assert invoke("digest", tmp_path / "absent", *CPU).exit_code == 1


def test_explain_of_hashes_and_codes(invoke: Invoke) -> None:
    for op, algorithm in (("digest", "sha256"), ("mac", "hmac-sha256"), ("checksum", "crc32c")):
        plan = json.loads(invoke("explain", op, 1 << 20, "--algorithm", algorithm, *CPU, "--json").stdout)
        assert plan["backend"] == "cpu"
        assert invoke("explain", op, 5, "--format", "lz4", *CPU).exit_code == 2
    assert invoke("explain", "compress", 5, "--algorithm", "sha256", *CPU).exit_code == 2
