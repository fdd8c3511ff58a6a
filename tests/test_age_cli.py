"""The commands seal, unseal and keygen: files, keys, passphrases, refusals, and what is left behind."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import age_reference as reference
import lz4.frame
import pytest
import required
import terminals
from age_reference import CHUNK, IDENTITY, RECIPIENT
from click.testing import CliRunner, Result

from fpga_accel import age
from fpga_accel.age import armor
from fpga_accel.cli.app import application

CPU = ("--device", "cpu")
TEXT = b"".join(b"row %d, of which there are many\n" % number for number in range(30_000))
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
    path = tmp_path / "f.txt"
    path.write_bytes(TEXT)
    return path


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    path = tmp_path / "key.txt"
    path.write_text(f"# created: some day\n# public key: {RECIPIENT}\n{IDENTITY}\n")
    return path


def cheap_passphrase_file(path: Path, content: bytes, passphrase: bytes) -> Path:
    """A file that opens sooner than one of ours."""
    path.write_bytes(reference.sealed(content, reference.scrypt_stanza(passphrase, 2)))
    return path


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# ---- files ----


@pytest.mark.parametrize("armored", [False, True])
def test_files_round_trip(invoke: Invoke, plain: Path, identity: Path, tmp_path: Path, armored: bool) -> None:
    plain.chmod(0o640)
    result = invoke("seal", "-r", RECIPIENT, *(["-a"] if armored else []), plain, *CPU)
    assert result.exit_code == 0, result.stderr
    sealed = tmp_path / "f.txt.age"
    assert sealed.read_bytes().startswith(armor.BEGIN if armored else reference.VERSION)
    assert stat.S_IMODE(sealed.stat().st_mode) == 0o640
    assert invoke("unseal", "-i", identity, sealed, *CPU).exit_code == 1
    plain.unlink()
    assert invoke("unseal", "-i", identity, sealed, *CPU).exit_code == 0
    assert plain.read_bytes() == TEXT
    assert left(tmp_path) == {"f.txt", "f.txt.age", "key.txt"}


def test_compressed_files(invoke: Invoke, plain: Path, identity: Path, tmp_path: Path) -> None:
    assert invoke("seal", "-r", RECIPIENT, "--compress", "lz4", plain, *CPU).exit_code == 0
    sealed = tmp_path / "f.txt.lz4.age"
    assert sealed.stat().st_size < len(TEXT) / 2
    assert invoke("unseal", "-i", identity, sealed, *CPU).exit_code == 0
    assert lz4.frame.decompress((tmp_path / "f.txt.lz4").read_bytes()) == TEXT
    plain.unlink()
    assert invoke("unseal", "-i", identity, "--decompress", "lz4", sealed, *CPU).exit_code == 0
    assert plain.read_bytes() == TEXT
    plain.unlink()
    limited = invoke("unseal", "-i", identity, "--decompress", "lz4", "--max-output", 1000, "--json", sealed, *CPU)
    assert limited.exit_code == 1
    assert json.loads(limited.stderr.splitlines()[-1])["error"] == "output_limit"
    assert not plain.exists()


def test_standard_streams_and_several_files(invoke: Invoke, plain: Path, identity: Path, tmp_path: Path) -> None:
    sealed = invoke("seal", "-r", RECIPIENT, *CPU, stdin=TEXT)
    assert sealed.exit_code == 0
    assert invoke("unseal", "-i", identity, *CPU, stdin=sealed.stdout_bytes).stdout_bytes == TEXT
    other = tmp_path / "g.txt"
    other.write_bytes(b"second")
    done = invoke("seal", "-r", RECIPIENT, "--json", plain, other, *CPU)
    report = json.loads(done.stdout)["files"]
    assert [each["bytes_in"] for each in report] == [len(TEXT), 6]
    assert {call["operation"] for each in report for call in each["calls"]} == {"chacha20-poly1305.encrypt"}
    joined = invoke("unseal", "-c", "-i", identity, f"{plain}.age", f"{other}.age", *CPU)
    assert joined.stdout_bytes == TEXT + b"second"


def test_recipients_in_files(invoke: Invoke, plain: Path, identity: Path, tmp_path: Path) -> None:
    others = [age.new_identity() for _ in range(2)]
    (tmp_path / "team").write_text("# the team\n\n" + "\n".join(map(age.recipient_of, others)))
    sealed = invoke("seal", "-R", tmp_path / "team", "-r", RECIPIENT, "-c", plain, *CPU).stdout_bytes
    assert sealed.count(b"-> X25519 ") == 3
    for key in (IDENTITY, *others):
        identity.write_text(key)
        assert invoke("unseal", "-i", identity, *CPU, stdin=sealed).stdout_bytes == TEXT
    sealed = invoke("seal", "-R", "-", "-c", plain, *CPU, stdin=RECIPIENT.encode()).stdout_bytes
    (tmp_path / "sealed.age").write_bytes(sealed)
    opened = invoke("unseal", "-i", "-", "-c", tmp_path / "sealed.age", *CPU, stdin=IDENTITY.encode())
    assert opened.stdout_bytes == TEXT


# ---- damage ----


@pytest.mark.parametrize("at", [40, 120, -1])
def test_what_is_damaged_leaves_nothing(invoke: Invoke, identity: Path, tmp_path: Path, at: int) -> None:
    changed = bytearray(reference.sealed(bytes(3 * CHUNK)))
    changed[at] ^= 1
    path = tmp_path / "f.age"
    path.write_bytes(changed)
    result = invoke("unseal", "-i", identity, path, *CPU)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"fpga-accel: {path}: ")
    assert left(tmp_path) == {"f.age", "key.txt"}


def test_a_cut_file_is_told_and_its_verified_part_is_written_to_a_pipe(invoke: Invoke, identity: Path) -> None:
    sealed = reference.sealed(bytes(3 * CHUNK))
    result = invoke("unseal", "-i", identity, "--json", *CPU, stdin=sealed[: -CHUNK - 16])
    assert result.exit_code == 1
    assert result.stdout_bytes == bytes(2 * CHUNK)
    assert '"error": "truncated"' in result.stderr


def test_another_key(invoke: Invoke, identity: Path, tmp_path: Path) -> None:
    identity.write_text(age.new_identity())
    result = invoke("unseal", "-i", identity, "--json", *CPU, stdin=reference.sealed(b"text"))
    assert result.exit_code == 1
    assert result.stdout_bytes == b""
    assert '"error": "no_match"' in result.stderr


# ---- passphrases ----


def test_a_passphrase_from_a_file(invoke: Invoke, plain: Path, tmp_path: Path) -> None:
    (tmp_path / "word").write_bytes("ein paar Wörter\r\n".encode())
    sealed = invoke("seal", "--passphrase-file", tmp_path / "word", "-c", plain, *CPU)
    assert sealed.exit_code == 0
    assert b"-> scrypt " in sealed.stdout_bytes
    assert b" 18\n" in sealed.stdout_bytes
    (tmp_path / "word").write_bytes("ein paar Wörter".encode())
    opened = invoke("unseal", "--passphrase-file", tmp_path / "word", *CPU, stdin=sealed.stdout_bytes)
    assert opened.stdout_bytes == TEXT


def test_a_passphrase_from_a_descriptor(invoke: Invoke, tmp_path: Path) -> None:
    path = cheap_passphrase_file(tmp_path / "f.age", b"text", b"word")
    for answer, code in ((b"word\n", 0), (b"ward\n", 1)):
        reader, writer = os.pipe()
        os.write(writer, answer)
        os.close(writer)
        result = invoke("unseal", "--passphrase-fd", reader, "-f", path, *CPU)
        os.close(reader)
        assert result.exit_code == code
        assert (tmp_path / "f").read_bytes() == b"text"


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"x" * 5000])
def test_what_is_no_passphrase(invoke: Invoke, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "word").write_bytes(content)
    for command in ("seal", "unseal"):
        result = invoke(command, "--passphrase-file", tmp_path / "word", "-", *CPU, stdin=b"")
        assert result.exit_code == 2
        assert "passphrase" in result.stderr
        assert "two" not in result.stderr
        assert "xxxx" not in result.stderr


@terminals.needs_terminal
def test_a_passphrase_from_the_terminal(tmp_path: Path) -> None:
    cheap_passphrase_file(tmp_path / "f.age", b"text", b"word")
    command = [sys.executable, "-m", "fpga_accel.cli", "unseal", "--device", "cpu", str(tmp_path / "f.age")]
    code, shown = terminals.run(command, [b"word"])
    assert code == 0
    assert (tmp_path / "f").read_bytes() == b"text"
    assert b"word" not in shown


@terminals.needs_terminal
def test_a_new_passphrase_is_asked_for_twice(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"text")
    command = [sys.executable, "-m", "fpga_accel.cli", "seal", "-p", "--device", "cpu", str(tmp_path / "f")]
    code, shown = terminals.run(command, [b"word", b"ward"])
    assert code == 2
    assert b"differ" in shown
    assert left(tmp_path) == {"f"}


# ---- wrong usage ----


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["seal"], "nobody could open the file"),
        (["seal", "-r", "age1wrong"], "no age recipient"),
        (["seal", "-r", IDENTITY], "a secret key is no recipient"),
        (["seal", "-r", RECIPIENT, "--passphrase-file", "WORD"], "a passphrase alone"),
        (["seal", "-p", "--passphrase-file", "WORD"], "one of -p"),
        (["seal", "--passphrase-fd", "0"], "cannot both come from standard input"),
        (["seal", "-R", "-"], "cannot both come from standard input"),
        (["seal", "-r", RECIPIENT, "--compress", "zip"], "unknown algorithm 'zip'"),
        (["unseal", "-i", "WORD"], "identity cannot be read"),
        (["unseal", "-i", "BINARY"], "is no text"),
        (["unseal", "-i", "EMPTY"], "nothing to open the file with"),
        (["unseal", "-i", "KEY", "--max-output", "-1"], "must not be negative"),
        (["unseal", "-i", "KEY", "--decompress", "zip"], "unknown algorithm 'zip'"),
        (["unseal", "-i", "KEY", "f.txt"], "does not end in .age"),
        (["unseal", "-i", "KEY", "--decompress", "lz4", "f.age"], "does not end in .lz4.age"),
    ],
)
def test_wrong_usage(invoke: Invoke, identity: Path, tmp_path: Path, arguments: list[str], told: str) -> None:
    (tmp_path / "word").write_text("word\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_bytes(b"# nothing\n")
    paths = {"WORD": "word", "BINARY": "binary", "EMPTY": "empty", "KEY": "key.txt"}
    named = [str(tmp_path / paths[each]) if each in paths else each for each in arguments]
    result = invoke(*named, *CPU, stdin=b"text")
    assert result.exit_code == 2
    assert result.stdout_bytes == b""
    assert told in result.stderr
    assert IDENTITY[16:] not in result.stderr


def test_a_missing_key_file(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("unseal", "-i", tmp_path / "none", *CPU, stdin=b"")
    assert result.exit_code == 1
    assert "none: No such file" in result.stderr


def test_no_terminal_to_ask() -> None:
    command = [sys.executable, "-m", "fpga_accel.cli", "unseal", "--device", "cpu"]
    done = subprocess.run(command, input=b"", capture_output=True, start_new_session=True, check=False)
    assert done.returncode == 2
    assert b"no terminal" in done.stderr


# ---- keys ----


def test_keygen(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "key.txt"
    before = os.umask(0)
    try:
        made = invoke("keygen", "-o", path)
    finally:
        os.umask(before)
    assert made.exit_code == 0
    assert made.stdout_bytes == b""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    created, public, key = path.read_text().splitlines()
    assert created.startswith("# created: 20")
    assert public == f"# public key: {age.recipient_of(key)}"
    assert made.stderr == f"Public key: {age.recipient_of(key)}\n"
    again = invoke("keygen", "-o", path)
    assert (again.exit_code, path.read_text().splitlines()[2]) == (1, key)
    assert invoke("keygen", "-y", path).stdout == f"{age.recipient_of(key)}\n"
    assert invoke("keygen").stdout.splitlines()[2].startswith("AGE-SECRET-KEY-1")


def test_public_keys_are_those_of_whole_lines(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    path.write_bytes(f"# old\v{age.new_identity()}\n# other\u2028{age.new_identity()}\n\t{IDENTITY}\r\n".encode())
    assert invoke("keygen", "-y", path).stdout == f"{RECIPIENT}\n"


def test_the_age_tools_take_our_keys(invoke: Invoke, plain: Path, tmp_path: Path) -> None:
    tool = shutil.which("age") or required.missing("age", "PATH has no age command")
    keygen = shutil.which("age-keygen") or required.missing("age", "PATH has no age-keygen command")
    invoke("keygen", "-o", tmp_path / "ours")
    public = subprocess.run(
        [keygen, "-y", tmp_path / "ours"], capture_output=True, check=True, text=True
    ).stdout.strip()
    sealed = invoke("seal", "-r", public, "-c", plain, *CPU).stdout_bytes
    read = subprocess.run([tool, "-d", "-i", tmp_path / "ours"], input=sealed, capture_output=True, check=True)
    assert read.stdout == TEXT
    subprocess.run([keygen, "-o", tmp_path / "theirs"], capture_output=True, check=True)
    recipient = invoke("keygen", "-y", tmp_path / "theirs").stdout.strip()
    written = subprocess.run([tool, "-r", recipient], input=TEXT, capture_output=True, check=True).stdout
    assert invoke("unseal", "-i", tmp_path / "theirs", *CPU, stdin=written).stdout_bytes == TEXT
