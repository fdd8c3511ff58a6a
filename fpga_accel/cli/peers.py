"""Stock libraries and commands that check our bytes: they share no code with this package's kernels."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import cryptography
import google_crc32c
import lz4
import lz4.frame
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_COMMAND_SECONDS = 300
_NONCE = 12


@dataclass(frozen=True, slots=True)
class Compressor:
    """Something that reads and writes a standard compressed format."""

    name: str
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes], bytes]


def lz4_compressors() -> list[Compressor]:
    """Return the lz4 library, and the lz4 command where PATH has one."""
    library = Compressor(
        f"lz4.frame {lz4.__version__} (liblz4 {lz4.library_version_string()})",
        lz4.frame.compress,
        lz4.frame.decompress,
    )
    command = lz4_command()
    return [library] if command is None else [library, command]


def lz4_command() -> Compressor | None:
    """Return the lz4 command, None where PATH has none."""
    path = shutil.which("lz4")
    if path is None:
        return None
    return Compressor(f"command {path}", _piped(path, "-z", "-c"), _piped(path, "-d", "-c"))


def _piped(*command: str) -> Callable[[bytes], bytes]:
    def run(data: bytes) -> bytes:
        done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=_COMMAND_SECONDS)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise OSError(f"{' '.join(command)} ended with {done.returncode}: {said}")
        return done.stdout

    return run


def crc32c(data: bytes) -> int:
    """Return the CRC-32C by google-crc32c."""
    return int(google_crc32c.value(data))


CRC32C_NAME = f"google-crc32c {metadata.version('google-crc32c')}"


class AesGcm:
    """AES-GCM of pyca/cryptography, with the nonce in front."""

    name = f"cryptography {cryptography.__version__} AESGCM"

    def __init__(self, key: bytes) -> None:
        self.key = key
        self._cipher = AESGCM(key)

    def encrypt(self, data: bytes, aad: bytes) -> bytes:
        """Return nonce, ciphertext and tag."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, data, aad)

    def decrypt(self, sealed: bytes, aad: bytes) -> bytes:
        """Return the plaintext of nonce, ciphertext and tag."""
        return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], aad)
