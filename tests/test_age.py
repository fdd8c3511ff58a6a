"""Age files: the test kit, stock tools both ways, damage of every kind, limits, streams."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import age_reference as reference
import children
import lz4.frame
import pytest
import required
import terminals
from age_reference import CHUNK, FILE_KEY, IDENTITY, NONCE, RECIPIENT, SCALAR, Vector
from hypothesis import given, settings
from hypothesis import strategies as st

import fpga_accel as fa
from fpga_accel import age
from fpga_accel.age import armor, bech32, header, recipients, streams
from fpga_accel.age.payload import Payload
from fpga_accel.planning import Planner

GROUP = streams.GROUP * CHUNK
HEADER = reference.header(reference.x25519_stanza())
KIT = reference.kit()
# What the test kit calls ends, as classes.
EXPECTED: dict[str, type[Exception]] = {
    "header failure": fa.FormatError,
    "armor failure": fa.FormatError,
    "HMAC failure": fa.InvalidTag,
    "no match": fa.NoMatchError,
}
BAD = (fa.FormatError, fa.InvalidTag)
SIZES = (0, 1, 15, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7)


def content_of(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


class Trickle(io.RawIOBase):
    """Gives a few bytes at a time, and takes a few."""

    def __init__(self, data: bytes = b"", most: int = 1000) -> None:
        super().__init__()
        self._data = memoryview(data)
        self._most = most
        self.taken = bytearray()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        part = self._data[: min(len(buffer), self._most)]
        buffer[: len(part)] = part
        self._data = self._data[len(part) :]
        return len(part)

    def write(self, data: Any, /) -> int:
        part = memoryview(data)[: self._most]
        self.taken += part
        return len(part)


def streamed(acc: fa.Accelerator, sealed: bytes, **options: Any) -> tuple[bytes, Exception | None]:
    """Return what is released, and the error behind it."""
    target = io.BytesIO()
    try:
        count = fa.unseal_stream(io.BytesIO(sealed), target, accelerator=acc, **options)
    except (fa.FpgaAccelError, ValueError) as error:
        return target.getvalue(), error
    assert count == len(target.getvalue())
    return target.getvalue(), None


@pytest.fixture(scope="module")
def age_command() -> str:
    """Path of the `age` command."""
    return shutil.which("age") or required.missing("age", "PATH has no age command")


@pytest.fixture(scope="module")
def cpu() -> Any:
    with fa.Accelerator("cpu") as acc:
        yield acc


@pytest.fixture(scope="module")
def pyrage() -> Any:
    return pytest.importorskip("pyrage")


# ---- the test kit ----


def test_the_test_kit_is_whole() -> None:
    assert len(KIT) == 143
    assert sum(vector.is_hybrid for vector in KIT) == 19
    kinds = {vector.expect for vector in KIT}
    assert kinds == {*EXPECTED, "success", "payload failure"}


@pytest.mark.parametrize("vector", [v for v in KIT if not v.is_hybrid], ids=lambda vector: vector.name)
def test_kit(acc: fa.Accelerator, vector: Vector) -> None:
    options: dict[str, Any] = {"identities": vector.identities or (IDENTITY if not vector.passphrases else ())}
    for passphrase in vector.passphrases or (None,):
        options["passphrase"] = passphrase
        released, error = streamed(acc, vector.data, **options)
        if vector.expect == "success":
            content = acc.unseal(vector.data, **options)
            assert error is None
            assert released == content
            assert hashlib.sha256(content).hexdigest() == vector.digest
            continue
        kind = EXPECTED.get(vector.expect)
        if vector.expect == "payload failure":
            assert hashlib.sha256(released).hexdigest() == vector.digest
        else:
            assert released == b""
        with pytest.raises(BAD) as caught:
            acc.unseal(vector.data, **options)
        for found in (error, caught.value):
            assert isinstance(found, kind or BAD), found
            assert isinstance(found, fa.NoMatchError) == (vector.expect == "no match")


@pytest.mark.parametrize("vector", [v for v in KIT if v.is_hybrid], ids=lambda vector: vector.name)
def test_hybrid_identities_are_refused_and_their_files_are_strangers(cpu: fa.Accelerator, vector: Vector) -> None:
    with pytest.raises(ValueError, match="of another type, which is not supported") as caught:
        cpu.unseal(vector.data, identities=[name for name in vector.identities if "-PQ-" in name])
    assert vector.identities[0] not in str(caught.value)
    with pytest.raises((fa.NoMatchError, fa.FormatError)):
        cpu.unseal(vector.data, identities=IDENTITY)


# ---- our own reference, and round trips ----


@pytest.mark.parametrize("size", SIZES)
def test_we_read_what_the_reference_writes(acc: fa.Accelerator, size: int) -> None:
    content = content_of(size)
    sealed = reference.sealed(content)
    for data in (sealed, bytearray(sealed), memoryview(b"x" + sealed)[1:], reference.armored(sealed)):
        assert acc.unseal(data, identities=IDENTITY) == content
        assert streamed(acc, bytes(data), identities=IDENTITY) == (content, None)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("armored", [False, True])
def test_round_trips(acc: fa.Accelerator, size: int, armored: bool) -> None:
    content = content_of(size)
    sealed = acc.seal(content, recipients=[RECIPIENT], armor=armored)
    assert armored == sealed.startswith(armor.BEGIN)
    assert acc.unseal(sealed, identities=[IDENTITY]) == content
    target = io.BytesIO()
    assert fa.seal_stream(io.BytesIO(content), target, recipients=RECIPIENT, armor=armored, accelerator=acc) == size
    assert len(target.getvalue()) == len(sealed)
    assert acc.unseal(target.getvalue(), identities=[IDENTITY]) == content


def test_every_file_differs(cpu: fa.Accelerator) -> None:
    files = {cpu.seal(b"same", recipients=RECIPIENT) for _ in range(20)}
    assert len({file[-36:-20] for file in files}) == len({file[31:74] for file in files}) == 20


def test_one_call_for_all_chunks(acc: fa.Accelerator) -> None:
    content = content_of(20 * CHUNK)
    with acc.trace() as trace:
        sealed = acc.seal(content, recipients=RECIPIENT)
        acc.unseal(sealed, identities=IDENTITY)
    found = [(each.algorithm, each.op, each.items) for each in trace.receipts]
    assert found == [("chacha20-poly1305", "encrypt", 20), ("chacha20-poly1305", "decrypt", 20)]
    assert trace.receipts[0].bytes_out == len(sealed) - len(HEADER) - len(NONCE)


@settings(max_examples=25)
@given(size=st.integers(0, 2 * CHUNK), armored=st.booleans(), compress=st.sampled_from([None, "lz4"]))
def test_any_content(cpu: fa.Accelerator, size: int, armored: bool, compress: str | None) -> None:
    content = content_of(size)
    sealed = cpu.seal(content, recipients=RECIPIENT, armor=armored, compress=compress)
    assert cpu.unseal(sealed, identities=IDENTITY, decompress=compress) == content


def test_jobs(cpu: fa.Accelerator) -> None:
    sealed = cpu.submit("seal", b"text", recipients=RECIPIENT).result()
    assert cpu.submit("unseal", sealed, identities=IDENTITY).result() == b"text"


# ---- keys ----


def test_the_keys_of_the_specification() -> None:
    assert age.recipient_of(IDENTITY) == RECIPIENT
    assert bech32.decode(IDENTITY) == ("AGE-SECRET-KEY-", bytearray(SCALAR))


def test_new_identities_differ_and_are_as_age_writes_them() -> None:
    made = {age.new_identity() for _ in range(20)}
    assert len(made) == 20
    assert {(len(text), text[:16], text.upper() == text) for text in made} == {(74, "AGE-SECRET-KEY-1", True)}
    assert {len(age.recipient_of(text)) for text in made} == {62}


# BIP 173, "Test vectors", without those about the length of the whole.
BECH32 = (
    "a12uel5l",
    "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
    "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
    "11qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqc8247j",
    "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
    "?1ezyfcl",
)
NOT_BECH32 = (
    "\x201nwldj5",
    "\x7f1axkwrx",
    "\x801eym55h",
    "pzry9x0s0muk",
    "1pzry9x0s0muk",
    "x1b4n0q5v",
    "li1dgmt3",
    "de1lg7wt\xff",
    "A1G7SGD8",
    "10a06t8",
    "1qzzfhee",
    "A12UEl5L",
    "",
)


@pytest.mark.parametrize("text", BECH32)
def test_bech32(text: str) -> None:
    prefix, data = bech32.decode(text)
    assert bech32.encode(prefix, data) == text
    assert bech32.decode(text.upper()) == (prefix.upper(), data)
    if prefix.upper() != prefix:
        assert bech32.encode(prefix.upper(), data) == text.upper()


@pytest.mark.parametrize("text", NOT_BECH32)
def test_what_is_no_bech32(text: str) -> None:
    with pytest.raises(ValueError, match=r"^it"):
        bech32.decode(text)


def test_bech32_has_no_letters_that_only_look_like_its_own() -> None:
    text = next(text for text in BECH32 if "k" in text.lower()).upper()
    assert text.replace("K", "\u212a").lower() == text.lower()
    with pytest.raises(ValueError, match="has characters that"):
        bech32.decode(text.replace("K", "\u212a"))


@given(st.binary(max_size=80))
def test_bech32_of_anything(data: bytes) -> None:
    assert bech32.decode(bech32.encode("age", data)) == ("age", bytearray(data))


@given(at=st.integers(0, 73), letter=st.sampled_from("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L1BIO-a"))
def test_a_changed_letter_of_a_key_is_found(at: int, letter: str) -> None:
    changed = IDENTITY[:at] + letter + IDENTITY[at + 1 :]
    if changed != IDENTITY:
        with pytest.raises(ValueError, match="identity") as caught:
            age.recipient_of(changed)
        assert changed[16:] not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (IDENTITY, "a secret key is no recipient"),
        (RECIPIENT.upper(), "no X25519 recipient"),
        (RECIPIENT[:-1], "no age recipient"),
        ("age1" + RECIPIENT, "no age recipient"),
        (bech32.encode("age", bytes(31)), "holds 31 bytes"),
        (bech32.encode("age1tag", bytes(33)), "it starts with 'age1tag'"),
        ("ssh-ed25519 AAAA", "no age recipient"),
        (bech32.encode("age", bytes(32)), "point of low order"),
        ("", "nobody could open the file"),
        ([], "nobody could open the file"),
        (["# only a comment", "\n \n"], "nobody could open the file"),
    ],
)
def test_bad_recipients(cpu: fa.Accelerator, text: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        cpu.seal(b"", recipients=text)
    assert IDENTITY[16:] not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (IDENTITY.lower(), "of another type|none of age"),
        (RECIPIENT, "none of age"),
        (IDENTITY[:-1], "checksum"),
        (bech32.encode("AGE-SECRET-KEY-", bytes(33)), "holds 33 bytes"),
        (bech32.encode("AGE-PLUGIN-YUBIKEY-", bytes(33)), "of another type"),
        ([], "nothing to open the file with"),
        ("# only a comment\n", "nothing to open the file with"),
    ],
)
def test_bad_identities(cpu: fa.Accelerator, text: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        cpu.unseal(reference.sealed(b""), identities=text)
    assert not text or text[8:] not in str(caught.value)


def test_texts_of_key_files_are_taken(cpu: fa.Accelerator) -> None:
    others = [age.new_identity() for _ in range(3)]
    text = f"# created: today\r\n\n# public key: {RECIPIENT}\n  {IDENTITY}  \n"
    sealed = cpu.seal(b"text", recipients=[f"{age.recipient_of(others[0])}\n# mine\n{RECIPIENT}\n"])
    assert sealed.count(b"-> X25519 ") == 2
    assert cpu.unseal(sealed, identities=[*others[1:], text]) == b"text"
    assert cpu.unseal(sealed, identities=others) == b"text"
    with pytest.raises(fa.NoMatchError, match="none of 2 identities"):
        cpu.unseal(sealed, identities=others[1:])


@pytest.mark.parametrize("separator", [*"\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"])
def test_lines_of_keys_end_where_age_ends_them(cpu: fa.Accelerator, separator: str) -> None:
    hidden = age.new_identity()
    sealed = cpu.seal(b"text", recipients=f"{RECIPIENT}\n# mine{separator}{age.recipient_of(hidden)}\n")
    assert sealed.count(b"-> X25519 ") == 1
    with pytest.raises(ValueError, match="nothing to open"):
        cpu.unseal(sealed, identities=f"# old{separator}{IDENTITY}")


def test_arguments_of_other_types(cpu: fa.Accelerator) -> None:
    with pytest.raises(TypeError, match="bytes-like"):
        cpu.seal("text", recipients=RECIPIENT)
    with pytest.raises(TypeError, match="bytes-like"):
        cpu.unseal("text", identities=IDENTITY)
    with pytest.raises(TypeError, match="must be strings, not bytes"):
        cpu.seal(b"", recipients=[RECIPIENT.encode()])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="passphrase must be a bytes-like"):
        cpu.seal(b"", passphrase=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown algorithm 'zip'"):
        cpu.seal(b"", recipients=RECIPIENT, compress="zip")
    for call in (fa.seal_stream, fa.unseal_stream):
        with pytest.raises(ValueError, match="give"):
            call(io.BytesIO(), io.BytesIO(), accelerator=cpu)


# ---- passphrases ----


def test_passphrases(acc: fa.Accelerator) -> None:
    for passphrase in ("pässword", "pässword".encode(), bytearray("pässword".encode())):
        sealed = acc.seal(b"text", passphrase=passphrase, work_factor=4)
        assert b"-> scrypt " in sealed
        assert acc.unseal(sealed, passphrase="pässword") == b"text"
        assert acc.unseal(sealed, passphrase="pässword", identities=IDENTITY) == b"text"
        with pytest.raises(fa.NoMatchError, match="the passphrase is wrong"):
            acc.unseal(sealed, passphrase="passwort")
        with pytest.raises(fa.NoMatchError, match="sealed with a passphrase"):
            acc.unseal(sealed, identities=IDENTITY)
    with pytest.raises(fa.NoMatchError, match="sealed for recipients"):
        acc.unseal(acc.seal(b"text", recipients=RECIPIENT), passphrase="pässword")


def test_a_passphrase_stays_alone(cpu: fa.Accelerator) -> None:
    with pytest.raises(ValueError, match="allows a passphrase alone"):
        cpu.seal(b"", recipients=RECIPIENT, passphrase="word")
    for stanzas in itertools.permutations([reference.scrypt_stanza(b"word", 2), reference.x25519_stanza()]):
        with pytest.raises(fa.FormatError, match="not alone"):
            cpu.unseal(reference.sealed(b"", b"".join(stanzas)), passphrase="word", identities=IDENTITY)
    with pytest.raises(fa.FormatError, match="not alone"):
        cpu.unseal(reference.sealed(b"", 2 * reference.scrypt_stanza(b"word", 2)), passphrase="word")


@pytest.mark.parametrize("factor", [0, -1, 23, 64])
def test_work_factors_of_sealing(cpu: fa.Accelerator, factor: int) -> None:
    with pytest.raises(ValueError, match="work_factor="):
        cpu.seal(b"", passphrase="word", work_factor=factor)


def test_work_factors_of_opening(cpu: fa.Accelerator) -> None:
    sealed = reference.sealed(b"text", reference.scrypt_stanza(b"word", 5))
    assert cpu.unseal(sealed, passphrase="word", max_work_factor=5) == b"text"
    with pytest.raises(fa.FormatError, match=r"work factor of 2\^5"):
        cpu.unseal(sealed, passphrase="word", max_work_factor=4)
    with pytest.raises(ValueError, match="max_work_factor=0"):
        cpu.unseal(sealed, passphrase="word", max_work_factor=0)
    for written in (b"23", b"99"):
        with pytest.raises(fa.FormatError, match=r"the most is 2\^22"):
            cpu.unseal(sealed.replace(b" 5\n", b" %s\n" % written), passphrase="word")
    for written in (b"0", b"05", b"+5", b"5.", b"100", b"9" * 5000, b"0x5"):
        with pytest.raises(fa.FormatError, match="no number from 1 to 99"):
            cpu.unseal(sealed.replace(b" 5\n", b" %s\n" % written), passphrase="word")


@pytest.mark.parametrize("empty", ["", b"", bytearray()])
def test_an_empty_passphrase(cpu: fa.Accelerator, empty: Any) -> None:
    with pytest.raises(ValueError, match="is empty"):
        cpu.seal(b"", passphrase=empty)
    with pytest.raises(ValueError, match="is empty"):
        cpu.unseal(reference.sealed(b""), passphrase=empty)


def test_the_default_work_factor(cpu: fa.Accelerator) -> None:
    assert b" 18\n" in cpu.seal(b"", passphrase="word")


# ---- headers ----


def test_unknown_stanzas_are_passed_over(cpu: fa.Accelerator) -> None:
    grease = b"-> \x21-grease ~ \x7e 1\n" + reference.body_lines(bytes(range(96))) + b"-> x\n\n"
    for stanzas in (grease + reference.x25519_stanza(), reference.x25519_stanza() + grease):
        assert cpu.unseal(reference.sealed(b"text", stanzas), identities=IDENTITY) == b"text"
    with pytest.raises(fa.NoMatchError, match="recipients are of !-grease, x"):
        cpu.unseal(reference.sealed(b"text", grease), identities=IDENTITY)


def test_a_malformed_stanza_of_a_known_type_fails_wherever_it_is(cpu: fa.Accelerator) -> None:
    good, bad = reference.x25519_stanza(), reference.x25519_stanza().replace(b"X25519 ", b"X25519 more ")
    for stanzas in (bad, good + bad, bad + good):
        with pytest.raises(fa.FormatError, match="has 3 arguments, not 2"):
            cpu.unseal(reference.sealed(b"", stanzas), identities=IDENTITY)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"", fa.TruncatedError),
        (b"age-encryption.org/", fa.TruncatedError),
        (b"age-encryption.org/v2\n-> X\n\n--- \n", fa.FormatError),
        (b"age-encryption.org/v1\r\n", fa.FormatError),
        (b"PK\x03\x04", fa.FormatError),
        (reference.VERSION, fa.TruncatedError),
        (reference.header(b""), fa.FormatError),
        (reference.VERSION + b"-> X\n" + b"A" * 64 + b"\n", fa.TruncatedError),
        (reference.VERSION + b"-> X\n" + b"A" * 65 + b"\n", fa.FormatError),
        (reference.VERSION + b"->X\n\n", fa.FormatError),
        (reference.VERSION + b"-> \n\n" + HEADER, fa.FormatError),
        (reference.VERSION + b"-> a  b\n\n", fa.FormatError),
        (reference.VERSION + b"-> \xc3\xa4\n\n", fa.FormatError),
        (reference.VERSION + b"-> X\n\n---\n", fa.FormatError),
        (reference.VERSION + b"-> X\n\n----" + bytes(40) + b"\n", fa.FormatError),
        (reference.VERSION + b"-> X\n" + (b"A" * 64 + b"\n") * 5000, fa.FormatError),
    ],
)
def test_malformed_headers(cpu: fa.Accelerator, text: bytes, kind: type[Exception]) -> None:
    for data in (text, reference.armored(text)):
        with pytest.raises(fa.FormatError) as caught:
            cpu.unseal(data, identities=IDENTITY)
        assert type(caught.value) is kind, caught.value
        released, error = streamed(cpu, data, identities=IDENTITY)
        assert (released, type(error)) == (b"", kind)


def test_headers_have_a_limit(cpu: fa.Accelerator) -> None:
    many = [RECIPIENT] * 2700
    with pytest.raises(ValueError, match="2700 recipients make a header of"):
        cpu.seal(b"", recipients=many)
    sealed = cpu.seal(b"text", recipients=many[:2600])
    assert len(sealed) < header.LIMIT
    assert cpu.unseal(sealed, identities=IDENTITY) == b"text"
    assert streamed(cpu, sealed, identities=IDENTITY) == (b"text", None)


@given(
    st.lists(st.tuples(st.lists(st.text("!~aZ09+/=-", min_size=1, max_size=9), min_size=1), st.binary(max_size=200)))
)
def test_headers_are_read_as_they_are_written(stanzas: list[tuple[list[str], bytes]]) -> None:
    written = [header.Stanza(tuple(arguments), body) for arguments, body in stanzas]
    written.append(header.Stanza(("last",), b""))
    text = header.packed(written, bytearray(FILE_KEY)) + b"payload"
    found = header.read(lambda size: text[:size])
    assert found.stanzas == tuple(written)
    assert text[found.size :] == b"payload"
    found.check(bytearray(FILE_KEY))
    with pytest.raises(fa.InvalidTag, match="MAC"):
        found.check(bytearray(16))


def test_the_file_key_of_another_header(cpu: fa.Accelerator) -> None:
    sealed = reference.header(reference.x25519_stanza(bytes(16))) + reference.sealed(b"text")[len(HEADER) :]
    with pytest.raises(fa.InvalidTag, match="MAC of the age header"):
        cpu.unseal(sealed, identities=IDENTITY)
    sealed = reference.header(reference.x25519_stanza(bytes(16)), bytes(16)) + reference.sealed(b"text")[len(HEADER) :]
    with pytest.raises(fa.InvalidTag, match="chunk 0"):
        cpu.unseal(sealed, identities=IDENTITY)


# ---- payloads ----


@cache
def three_chunks() -> tuple[bytes, list[bytes]]:
    content = content_of(2 * CHUNK + 100)
    return content, reference.chunks(content)


DAMAGE: dict[str, tuple[Callable[[list[bytes]], Sequence[bytes]], type[Exception], int]] = {
    # How the chunks are damaged, the error, and how many of them are content of the file where they stand.
    "last missing": (lambda c: c[:2], fa.TruncatedError, 2),
    "two missing": (lambda c: c[:1], fa.TruncatedError, 1),
    "all missing": (lambda c: [], fa.TruncatedError, 0),
    "swapped": (lambda c: [c[1], c[0], c[2]], fa.InvalidTag, 0),
    "one left out": (lambda c: [c[0], c[2]], fa.InvalidTag, 1),
    "one twice": (lambda c: [c[0], c[0], c[1], c[2]], fa.InvalidTag, 1),
    "last twice": (lambda c: [*c, c[2]], fa.InvalidTag, 2),
    "a byte more": (lambda c: [*c, b"x"], fa.InvalidTag, 2),
    "a byte behind a full last one": (lambda c: [c[0], last(c[1]), b"x"], fa.FormatError, 2),
    "a chunk behind a full last one": (lambda c: [c[0], last(c[1]), c[2]], fa.FormatError, 2),
    "an empty last one": (lambda c: [*c[:2], reference.chunk(b"", 2, True)], fa.FormatError, 2),
    "a part of a tag": (lambda c: [*c[:2], c[2][:15]], fa.TruncatedError, 2),
    "cut inside a chunk": (lambda c: [*c[:2], c[2][:-1]], fa.InvalidTag, 2),
    "another file's chunk": (lambda c: [c[0], other_file(), c[2]], fa.InvalidTag, 1),
    "short inside": (lambda c: [c[0], reference.chunk(b"short", 1, False), c[2]], fa.InvalidTag, 1),
}


def last(sealed: bytes) -> bytes:
    """The second chunk, made the last."""
    content, chunks = three_chunks()
    assert sealed == chunks[1]
    return reference.chunk(content[CHUNK : 2 * CHUNK], 1, True)


def other_file() -> bytes:
    return reference.chunk(three_chunks()[0][CHUNK : 2 * CHUNK], 1, False, nonce=bytes(16))


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_chunks(acc: fa.Accelerator, damage: str) -> None:
    content, chunks = three_chunks()
    change, kind, good = DAMAGE[damage]
    sealed = HEADER + NONCE + b"".join(change(list(chunks)))
    with pytest.raises(BAD) as caught:
        acc.unseal(sealed, identities=IDENTITY)
    assert type(caught.value) is kind, caught.value
    released, error = streamed(acc, sealed, identities=IDENTITY)
    assert type(error) is kind
    assert released == content[: good * CHUNK]


def test_damage_behind_a_group_of_chunks(acc: fa.Accelerator) -> None:
    content = content_of(GROUP + 2 * CHUNK + 5)
    sealed = reference.sealed(content)
    start = len(HEADER) + len(NONCE)
    assert streamed(acc, sealed, identities=IDENTITY) == (content, None)
    for at, good in ((start + (streams.GROUP + 1) * (CHUNK + 16), GROUP + CHUNK), (len(sealed) - 1, GROUP + 2 * CHUNK)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        released, error = streamed(acc, bytes(changed), identities=IDENTITY)
        assert type(error) is fa.InvalidTag
        assert released == content[:good]
        with pytest.raises(fa.InvalidTag):
            acc.unseal(changed, identities=IDENTITY)
    released, error = streamed(acc, sealed[: start + streams.GROUP * (CHUNK + 16)], identities=IDENTITY)
    assert type(error) is fa.TruncatedError
    assert released == content[:GROUP]


def everywhere(sealed: bytes) -> Sequence[bytes]:
    """A file cut at each byte, and with each byte changed."""
    cut = [sealed[:size] for size in range(len(sealed))]
    flips = itertools.product(range(len(sealed)), (1, 128))
    flipped = [sealed[:at] + bytes([sealed[at] ^ flip]) + sealed[at + 1 :] for at, flip in flips]
    return cut + flipped


@pytest.mark.parametrize("wrap", [bytes, reference.armored], ids=["binary", "armored"])
def test_no_byte_may_change_or_be_missing(acc: fa.Accelerator, wrap: Callable[[bytes], bytes]) -> None:
    sealed = wrap(reference.sealed(b"some text"))
    for data in everywhere(sealed):
        # The last line end of armor may be missing.
        if wrap is reference.armored and data == sealed[:-1]:
            continue
        with pytest.raises(BAD):
            acc.unseal(data, identities=IDENTITY)


def test_no_byte_of_a_stream_may_change_or_be_missing(cpu: fa.Accelerator) -> None:
    for data in everywhere(reference.sealed(b"some text")):
        released, error = streamed(cpu, data, identities=IDENTITY)
        assert released == b""
        assert isinstance(error, BAD)


def test_no_byte_of_a_passphrase_file_may_change_or_be_missing(cpu: fa.Accelerator) -> None:
    sealed = reference.sealed(b"some text", reference.scrypt_stanza(b"word", 1))
    for data in everywhere(sealed):
        with pytest.raises(BAD):
            cpu.unseal(data, passphrase="word", max_work_factor=3)


@settings(max_examples=200)
@given(st.binary(max_size=300), st.sampled_from([b"", reference.VERSION, HEADER, HEADER + NONCE, armor.BEGIN + b"\n"]))
def test_anything_else_is_refused(cpu: fa.Accelerator, data: bytes, front: bytes) -> None:
    with pytest.raises(BAD):
        cpu.unseal(front + data, identities=IDENTITY)
    released, error = streamed(cpu, front + data, identities=IDENTITY)
    assert released == b""
    assert isinstance(error, BAD)


# ---- armor ----


@pytest.mark.parametrize("size", [0, 1, 2, 3, 47, 48, 49, 96, 4 << 10, 48 * (4 << 10), 48 * (4 << 10) + 1, 1 << 20])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_armor(size: int, line_end: bytes) -> None:
    data = content_of(size)
    text = reference.armored(data, line_end)
    if line_end == b"\n":
        assert armor.encoded(data) == text
        for step in (1 << 20, 777) if size > 777 else (1 << 20, 1, 7):
            encoder = armor.Encoder()
            parts = [encoder.encode(data[at : at + step]) for at in range(0, size, step)]
            assert b"".join((*parts, encoder.end())) == text
    for good in (text, text[: -len(line_end)], b" \r\n\t" + text + b"\n \t"):
        assert armor.decoded(good) == data
        decoder = armor.Decoder(io.BytesIO(good).read)
        assert b"".join(iter(decoder.decode, b"")) == data


def test_armor_of_any_step(cpu: fa.Accelerator) -> None:
    data = content_of(3000)
    text = memoryview(reference.armored(data))
    for step in (1, 2, 63, 64, 65, 66, 1000):
        parts = iter([bytes(text[at : at + step]) for at in range(0, len(text), step)])
        decoder = armor.Decoder(lambda size, parts=parts: next(parts, b""))  # type: ignore[misc]
        assert b"".join(iter(decoder.decode, b"")) == data


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_armor_that_is_long_has_no_wrong_character_in_any_place(line_end: bytes) -> None:
    """Long enough that whole lines go the fast way; all bytes are tried in all places of a group and of a line end."""
    text = reference.armored(content_of(300_000), line_end)
    alphabet = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    line = 2000 * (64 + len(line_end)) + len(armor.BEGIN + line_end)
    for at in (*range(line, line + 4), line + 63, *range(line + 64, line + 64 + len(line_end))):
        for wrong in set(range(256)) - (alphabet if at < line + 64 else {text[at]}) - {ord("-")}:
            damaged = text[:at] + bytes([wrong]) + text[at + 1 :]
            with pytest.raises(fa.FormatError):
                armor.decoded(damaged)


ARMORED = reference.armored(content_of(100))
LINES = ARMORED.splitlines(keepends=True)
BAD_ARMOR = {
    "a blank line behind the first": LINES[0] + b"\n" + b"".join(LINES[1:]),
    "a blank line in front of the last": b"".join((*LINES[:-1], b"\n", LINES[-1])),
    "a blank inside": ARMORED.replace(LINES[1], LINES[1].replace(b"\n", b" \n")),
    "mixed line ends": ARMORED.replace(LINES[1], LINES[1].replace(b"\n", b"\r\n")),
    "no padding": ARMORED.replace(b"=", b""),
    "padding inside": ARMORED.replace(LINES[1], LINES[1][:-3] + b"==\n"),
    # 100 bytes end in one byte, in two letters and "==".
    "bits that mean nothing": ARMORED.replace(LINES[3], LINES[3][:-4] + bytes([LINES[3][-4] + 1]) + b"==\n"),
    "another label": ARMORED.replace(b"AGE ", b"PGP "),
    "headers": LINES[0] + b"Version: 1\n\n" + b"".join(LINES[1:]),
    "a checksum": b"".join((*LINES[:-1], b"=abcd\n", LINES[-1])),
    "text behind": ARMORED + b"x",
    "text in front": b"x" + ARMORED,
    "a second armor": ARMORED + ARMORED,
    "much space behind": ARMORED + b" " * 2000,
    "much space in front": b" " * 2000 + ARMORED,
    "a space behind the last line": ARMORED[:-1] + b" \n",
    "a line that is cut": LINES[0] + LINES[1][:40] + b"\n" + b"".join(LINES[2:]),
    "lines joined": LINES[0] + LINES[1][:-1] + b"".join(LINES[2:]),
}


@pytest.mark.parametrize("name", BAD_ARMOR)
def test_malformed_armor(name: str) -> None:
    assert BAD_ARMOR[name] != ARMORED
    with pytest.raises(fa.FormatError):
        armor.decoded(BAD_ARMOR[name])
    decoder = armor.Decoder(io.BytesIO(BAD_ARMOR[name]).read)
    with pytest.raises(fa.FormatError):
        list(iter(decoder.decode, b""))


# ---- compression and limits ----


@pytest.mark.parametrize("size", [0, 1, 5 * CHUNK])
def test_compressed_content_is_a_standard_frame(acc: fa.Accelerator, size: int) -> None:
    content = b"a line of a log\n" * (size // 16)
    sealed = acc.seal(content, recipients=RECIPIENT, compress="lz4")
    assert lz4.frame.decompress(acc.unseal(sealed, identities=IDENTITY)) == content
    assert acc.unseal(sealed, identities=IDENTITY, decompress="lz4") == content
    target = io.BytesIO()
    fa.seal_stream(io.BytesIO(content), target, recipients=RECIPIENT, compress="lz4", accelerator=acc)
    assert lz4.frame.decompress(acc.unseal(target.getvalue(), identities=IDENTITY)) == content
    assert streamed(acc, target.getvalue(), identities=IDENTITY, decompress="lz4") == (content, None)


def test_content_that_is_no_frame(cpu: fa.Accelerator) -> None:
    sealed = cpu.seal(b"no frame at all", recipients=RECIPIENT)
    with pytest.raises(fa.FormatError):
        cpu.unseal(sealed, identities=IDENTITY, decompress="lz4")
    released, error = streamed(cpu, sealed, identities=IDENTITY, decompress="lz4")
    assert (released, isinstance(error, fa.FormatError)) == (b"", True)


def test_limits(acc: fa.Accelerator) -> None:
    content = b"0123456789" * 20_000
    for compress in (None, "lz4"):
        sealed = acc.seal(content, recipients=RECIPIENT, compress=compress)
        options: dict[str, Any] = {"identities": IDENTITY, "decompress": compress}
        assert acc.unseal(sealed, max_output=len(content), **options) == content
        assert streamed(acc, sealed, max_output=len(content), **options) == (content, None)
        for limit in (0, len(content) - 1):
            with pytest.raises(fa.OutputLimitError):
                acc.unseal(sealed, max_output=limit, **options)
            released, error = streamed(acc, sealed, max_output=limit, **options)
            assert len(released) <= limit
            assert isinstance(error, fa.OutputLimitError)


# ---- streams ----


@pytest.mark.parametrize("size", [0, 1, GROUP - 1, GROUP, GROUP + 1, 2 * GROUP])
def test_streams_over_groups(acc: fa.Accelerator, size: int) -> None:
    content = content_of(size)
    target = io.BytesIO()
    assert fa.seal_stream(io.BytesIO(content), target, recipients=RECIPIENT, accelerator=acc) == size
    sealed = target.getvalue()
    chunks = max(1, -(-size // CHUNK))
    assert len(sealed) == len(HEADER) + len(NONCE) + size + 16 * chunks
    assert acc.unseal(sealed, identities=IDENTITY) == content
    assert streamed(acc, sealed, identities=IDENTITY) == (content, None)


def test_streams_of_files_that_give_and_take_little(cpu: fa.Accelerator) -> None:
    content, sealed, opened = content_of(3 * CHUNK), Trickle(most=777), Trickle(most=777)
    fa.seal_stream(Trickle(content), sealed, recipients=RECIPIENT, armor=True, accelerator=cpu)
    fa.unseal_stream(Trickle(bytes(sealed.taken), 99), opened, identities=IDENTITY, accelerator=cpu)
    assert opened.taken == content


def test_streams_of_objects_with_read_and_write_alone(cpu: fa.Accelerator) -> None:
    class Reads:
        def __init__(self, data: bytes) -> None:
            self.read = io.BytesIO(data).read

    class Writes:
        def __init__(self) -> None:
            self.parts: list[bytes] = []

        def write(self, data: Any) -> None:
            self.parts.append(bytes(data))

    content, sealed, opened = content_of(100_000), Writes(), Writes()
    fa.seal_stream(Reads(content), sealed, recipients=RECIPIENT, accelerator=cpu)
    fa.unseal_stream(Reads(b"".join(sealed.parts)), opened, identities=IDENTITY, accelerator=cpu)
    assert b"".join(opened.parts) == content


class Waits(Trickle):
    """Has nothing more, and takes no more, until later: as a file that does not block."""

    def readinto(self, buffer: Any, /) -> Any:
        return super().readinto(buffer) or None

    def write(self, data: Any, /) -> Any:
        return super().write(data) if len(self.taken) < 5000 else None


def test_files_that_do_not_block_are_never_cut_short(cpu: fa.Accelerator) -> None:
    class Reads:
        def __init__(self, data: bytes) -> None:
            self.read = Waits(data).read

    content = content_of(20_000)
    sealed = cpu.seal(content, recipients=RECIPIENT)
    for kind in (Waits, Reads):
        with pytest.raises(BlockingIOError):
            fa.seal_stream(kind(content), io.BytesIO(), recipients=RECIPIENT, accelerator=cpu)
        with pytest.raises(BlockingIOError):
            fa.unseal_stream(kind(sealed[:-50]), io.BytesIO(), identities=IDENTITY, accelerator=cpu)
    with pytest.raises(BlockingIOError):
        fa.seal_stream(io.BytesIO(content), Waits(), recipients=RECIPIENT, accelerator=cpu)
    with pytest.raises(BlockingIOError):
        fa.unseal_stream(io.BytesIO(sealed), Waits(), identities=IDENTITY, accelerator=cpu)


STREAM_THREADS = ("fpga-accel-age", "fpga-accel-stream")


@pytest.mark.parametrize("compress", [None, "lz4"])
def test_a_failing_source_or_target_leaves_a_file_that_shows_it(cpu: fa.Accelerator, compress: str | None) -> None:
    class Breaks(Trickle):
        def readinto(self, buffer: Any, /) -> int:
            return super().readinto(buffer) or self._fail()

        def _fail(self) -> int:
            raise OSError("the disk is gone")

    target = io.BytesIO()
    with pytest.raises(OSError, match="the disk is gone"):
        fa.seal_stream(
            Breaks(os.urandom(GROUP + 10), CHUNK), target, recipients=RECIPIENT, compress=compress, accelerator=cpu
        )
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(STREAM_THREADS)]
    with pytest.raises(BAD):
        cpu.unseal(target.getvalue(), identities=IDENTITY)

    class Full(Trickle):
        def write(self, data: Any, /) -> int:
            raise OSError("no space is left")

    with pytest.raises(OSError, match="no space is left"):
        fa.seal_stream(io.BytesIO(b"text"), Full(), recipients=RECIPIENT, compress=compress, accelerator=cpu)
    with pytest.raises(OSError, match="no space is left"):
        fa.unseal_stream(io.BytesIO(reference.sealed(b"text")), Full(), identities=IDENTITY, accelerator=cpu)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(STREAM_THREADS)]


@pytest.mark.parametrize("threads", [1, 2])
def test_the_owner_of_a_stream_helps_where_threads_are_free(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    here, helped = threading.get_ident(), threading.Event()
    by_owner: list[bool] = []
    real = Payload.seal

    def seal(payload: Payload, *arguments: Any, **options: Any) -> int:
        by_owner.append(threading.get_ident() == here)
        if by_owner[-1]:
            helped.set()
        elif threads > 1:
            # So slow that the owner would have to wait.
            assert helped.wait(60)
        return real(payload, *arguments, **options)

    monkeypatch.setattr(Payload, "seal", seal)
    content, target = content_of(3 * GROUP + 1), io.BytesIO()
    with fa.Accelerator("cpu", threads=threads) as acc:
        fa.seal_stream(io.BytesIO(content), target, recipients=RECIPIENT, accelerator=acc)
        assert acc.unseal(target.getvalue(), identities=IDENTITY) == content
    assert len(by_owner) == 4
    assert any(by_owner) == (threads > 1)


def test_auto_leaves_the_cores_to_who_reads_and_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = Planner._auto_plan

    def plan(planner: Planner, operation: Any, count: int, *arguments: Any, **options: Any) -> Any:
        asked.append(count)
        return real(planner, operation, count, *arguments, **options)

    monkeypatch.setattr(Planner, "_auto_plan", plan)
    content, sealed, opened = content_of(2 * GROUP), io.BytesIO(), io.BytesIO()
    with fa.Accelerator() as acc:
        fa.seal_stream(io.BytesIO(content), sealed, recipients=RECIPIENT, accelerator=acc)
        fa.unseal_stream(io.BytesIO(sealed.getvalue()), opened, identities=IDENTITY, accelerator=acc)
        assert not asked
        assert acc.last_receipt is not None
        assert (acc.last_receipt.backend, acc.last_receipt.reason) == ("cpu", fa.Reason.FASTER)
        acc.seal(content, recipients=RECIPIENT)
        assert asked == [2 * streams.GROUP]
    assert opened.getvalue() == content


@pytest.mark.parametrize("group", [0, 1, 6])
def test_what_a_group_raises_is_raised_in_its_turn(monkeypatch: pytest.MonkeyPatch, group: int) -> None:
    real = Payload.seal

    def seal(payload: Payload, content: Any, out: memoryview, first: int, *, final: bool) -> int:
        if first == group * streams.GROUP:
            raise KeyboardInterrupt
        return real(payload, content, out, first, final=final)

    monkeypatch.setattr(Payload, "seal", seal)
    target = io.BytesIO()
    with fa.Accelerator("cpu", threads=2) as acc, pytest.raises(KeyboardInterrupt):
        fa.seal_stream(io.BytesIO(content_of(8 * GROUP)), target, recipients=RECIPIENT, accelerator=acc)
    written = len(target.getvalue()) - len(HEADER) - len(NONCE)
    assert written == group * streams.GROUP * (CHUNK + 16)


def test_the_last_receipt_is_that_of_the_stream(cpu: fa.Accelerator) -> None:
    fa.seal_stream(io.BytesIO(bytes(1000)), io.BytesIO(), recipients=RECIPIENT, accelerator=cpu)
    receipt = cpu.last_receipt
    assert receipt is not None
    assert (receipt.op, receipt.algorithm, receipt.bytes_in) == ("encrypt", "chacha20-poly1305", 1000)


MEMORY = """
    import io, sys
    import fpga_accel as fa
    from fpga_accel import age

    class Zeros:
        left = int(sys.argv[1])
        def readinto(self, view):
            size = min(len(view), self.left)
            view[:size] = bytes(size)
            self.left -= size
            return size

    compress = sys.argv[2] or None
    path = sys.argv[3]
    identity = age.new_identity()
    with fa.Accelerator("cpu") as acc:
        with open(path, "wb") as sealed:
            fa.seal_stream(Zeros(), sealed, recipients=age.recipient_of(identity), compress=compress, accelerator=acc)
        class Counts:
            size = 0
            def write(self, data):
                self.size += len(data)
        counts = Counts()
        with open(path, "rb") as sealed:
            fa.unseal_stream(sealed, counts, identities=identity, decompress=compress, accelerator=acc)
    assert counts.size == int(sys.argv[1])
    from fpga_accel.bench.peak import peak
    print(peak())
"""


@pytest.mark.slow
@pytest.mark.parametrize("compress", ["", "lz4"])
def test_memory_is_bounded(tmp_path: Path, compress: str) -> None:
    out, _ = children.run(MEMORY, str(1 << 30), compress, str(tmp_path / "sealed"))
    assert int(out) < 300_000_000


# ---- stock tools ----


@pytest.mark.parametrize("size", [0, 1, CHUNK, 200_000])
@pytest.mark.parametrize("armored", [False, True])
def test_pyrage_reads_ours_and_we_read_its(acc: fa.Accelerator, pyrage: Any, size: int, armored: bool) -> None:
    content = content_of(size)
    identities = [pyrage.x25519.Identity.generate() for _ in range(3)]
    names = [str(identity.to_public()) for identity in identities]
    assert [age.recipient_of(str(identity)) for identity in identities] == names
    ours = acc.seal(content, recipients=names, armor=armored)
    theirs = pyrage.encrypt(content, [identity.to_public() for identity in identities], armored)
    for identity in identities:
        assert pyrage.decrypt(ours, [identity]) == content
        assert acc.unseal(theirs, identities=str(identity)) == content
    target = io.BytesIO()
    fa.seal_stream(io.BytesIO(content), target, recipients=names, armor=armored, accelerator=acc)
    assert pyrage.decrypt(target.getvalue(), identities[1:2]) == content


def test_pyrage_and_passphrases(cpu: fa.Accelerator, pyrage: Any) -> None:
    assert pyrage.passphrase.decrypt(cpu.seal(b"text", passphrase="word", work_factor=10), "word") == b"text"


@pytest.mark.slow
def test_we_read_pyrage_files_with_passphrases(cpu: fa.Accelerator, pyrage: Any) -> None:
    assert cpu.unseal(pyrage.passphrase.encrypt(b"text", "word"), passphrase="word") == b"text"


@pytest.mark.parametrize("armored", [False, True])
def test_the_age_command_reads_ours_and_we_read_its(
    acc: fa.Accelerator, age_command: str, tmp_path: Path, armored: bool
) -> None:
    content = content_of(200_000)
    keys = tmp_path / "keys.txt"
    keys.write_text(f"# a comment\n{IDENTITY}\n")
    other = age.recipient_of(age.new_identity())
    sealed = acc.seal(content, recipients=[other, RECIPIENT], armor=armored)
    read = subprocess.run([age_command, "-d", "-i", keys], input=sealed, capture_output=True, check=True)
    assert read.stdout == content
    command = [age_command, "-r", other, "-r", RECIPIENT, *(["-a"] if armored else [])]
    written = subprocess.run(command, input=content, capture_output=True, check=True).stdout
    assert acc.unseal(written, identities=keys.read_text()) == content
    assert streamed(acc, written, identities=IDENTITY) == (content, None)


@terminals.needs_terminal
def test_the_age_command_opens_our_passphrase_files(cpu: fa.Accelerator, age_command: str, tmp_path: Path) -> None:
    sealed, out = tmp_path / "sealed.age", tmp_path / "out"
    sealed.write_bytes(cpu.seal(b"text", passphrase="word", work_factor=10))
    code, _ = terminals.run([age_command, "-d", "-o", str(out), str(sealed)], [b"word"])
    assert code == 0
    assert out.read_bytes() == b"text"


@pytest.mark.slow
@terminals.needs_terminal
def test_we_open_passphrase_files_of_the_age_command(cpu: fa.Accelerator, age_command: str, tmp_path: Path) -> None:
    plain, sealed = tmp_path / "plain", tmp_path / "sealed.age"
    plain.write_bytes(b"text")
    code, _ = terminals.run([age_command, "-p", "-o", str(sealed), str(plain)], [b"word", b"word"])
    assert code == 0
    assert cpu.unseal(sealed.read_bytes(), passphrase="word") == b"text"


# ---- secrets ----


def test_no_secret_in_a_repr() -> None:
    identity = recipients.Identity.parse(IDENTITY)
    passphrase = recipients.Passphrase("hunter2")
    shown = repr(
        (
            identity,
            passphrase,
            recipients.Openers((identity,), passphrase, recipients.MOST_WORK_FACTOR),
            recipients.Closers((identity.recipient,), passphrase, recipients.WORK_FACTOR),
        )
    )
    assert RECIPIENT in shown
    for secret in (IDENTITY[16:], "hunter2", repr(SCALAR), SCALAR.hex()):
        assert secret not in shown


def test_passphrases_are_wiped() -> None:
    passphrase = recipients.Passphrase(b"hunter2")
    passphrase.wipe()
    assert not any(passphrase._secret)
