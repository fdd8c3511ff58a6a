"""Sizes at which code changes its way, each with its neighbours, and contents that show what went wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

KIB, MIB = 1 << 10, 1 << 20

# fpga_accel cuts AES messages into rows, and LZ4 content into blocks and groups, of these sizes.
AES_ROW = 256 * KIB
LZ4_BLOCKS = (64 * KIB, 256 * KIB, 1 * MIB, 4 * MIB)
LZ4_GROUP = 16 * MIB


def around(*edges: int) -> tuple[int, ...]:
    """Return the edges with one less and one more."""
    return tuple(sorted({size for edge in edges for size in (edge - 1, edge, edge + 1) if size >= 0}))


# 16: an AES block, and the widest copy of a kernel. 64, 256, 512: vectors of 4, 16 and 32 blocks. 1024: more than a
# vector of each width. 4096: a page.
SMALL = around(0, 16, 64, 256, 512, 1024, 4096)
# Where the LZ4 kernel's fast loops begin and end (20, 40 and 80 bytes from the end of a block), and where its
# lengths need one more byte (15, 15 + 255 literals; 19, 19 + 255 bytes of a match).
LZ4_EDGES = around(5, 12, 15, 19, 20, 40, 80, 270, 274)
# Where the tables of its search become larger.
LZ4_TABLES = around(512, 1024, 2048, 4096, 8192, 16384)
LZ4 = tuple(sorted({*SMALL, *LZ4_EDGES, *LZ4_TABLES, *around(*LZ4_BLOCKS)}))
AES = tuple(sorted({*SMALL, *around(AES_ROW, 2 * AES_ROW, 3 * AES_ROW)}))
GROUPS = around(LZ4_GROUP)

PERIOD = 251


def periodic(nbytes: int) -> bytes:
    """Return bytes of a prime period, so that swapped or repeated blocks show."""
    return (bytes(range(PERIOD)) * (nbytes // PERIOD + 1))[:nbytes]


def zeros(nbytes: int) -> bytes:
    """Return what compresses best."""
    return bytes(nbytes)


def text(nbytes: int) -> bytes:
    """Return sentences of repeated words, which compress about as prose does."""
    return (_sentences() * (nbytes // len(_sentences()) + 1))[:nbytes]


def noise(nbytes: int) -> bytes:
    """Return what does not compress, the same on every run."""
    return np.random.default_rng(251).bytes(nbytes)


def sparse(nbytes: int) -> bytes:
    """Return noise of 100 bytes, matches of 8 with little between them, and then with none, in turns."""
    chance = random.Random(251)
    fragments = [chance.randbytes(8) for _ in range(64)]
    parts, size = [*fragments], 8 * len(fragments)
    while size < nbytes:
        apart = [
            part for _ in range(34) for part in (chance.choice(fragments), chance.randbytes(chance.randint(0, 14)))
        ]
        parts += [chance.randbytes(100), *apart, *chance.choices(fragments, k=130)]
        size = sum(map(len, parts))
    return b"".join(parts)[:nbytes]


def beside_each_other() -> list[bytes]:
    """Return contents of many sizes and kinds, whose results must not depend on what is compressed beside them."""
    edges = (1, 90, *around(512, 4096, 16384), 40_000, 65_536)
    return [kind(size) for size in edges for kind in (text, sparse, noise, zeros)]


@cache
def _sentences() -> bytes:
    chance = random.Random(1)
    letters = "etaoinshrdlucmfwypvbgk"
    weights = range(len(letters), 0, -1)
    words = ["".join(chance.choices(letters, weights, k=chance.randint(2, 9))) for _ in range(2000)]
    ranks = [1 / (rank + 1) for rank in range(len(words))]
    # A prime number of words: the period of the text is no multiple of a block.
    return " ".join(chance.choices(words, ranks, k=100_003)).encode()


PATTERNS: Mapping[str, Callable[[int], bytes]] = {"periodic": periodic, "zeros": zeros, "text": text, "noise": noise}


def mixed(nbytes: int) -> bytes:
    """Return 37 KiB pieces of every pattern in turn."""
    piece, makers = 37 * KIB, list(PATTERNS.values())
    parts = [makers[number % len(makers)](piece) for number in range(nbytes // piece + 1)]
    return b"".join(parts)[:nbytes]
