"""RTL cores of ciphers in counter mode on Amaranth's simulator, between a source and a sink that may pause."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.sim import Simulator
from cryptography.hazmat.primitives.ciphers import Cipher, CipherAlgorithm, modes

BLOCK = 16
CLOCK_LIMIT = 20_000
KEY_HELD = 1 << 31


@dataclass(frozen=True)
class Segment:
    """A text with its key and first counter block."""

    key: bytes
    counter: bytes
    text: bytes


@dataclass(frozen=True)
class Algorithm:
    """A block cipher: the stock one, its round keys as a core takes them, and `extra` of the head."""

    stock: Callable[[bytes], CipherAlgorithm]
    round_keys: Callable[[bytes], bytes]
    extra: Callable[[bytes], int]

    def expected(self, segment: Segment) -> bytes:
        return Cipher(self.stock(segment.key), modes.CTR(segment.counter)).encryptor().update(segment.text)

    def heads(self, segments: Sequence[Any]) -> Iterator[tuple[dict[str, int], list[bytes]]]:
        """For each segment its head and its parameter beats; a key that the segment before had is left out."""
        held = b""
        for segment in segments:
            keys = b"" if segment.key == held else self.round_keys(segment.key)
            held = segment.key
            parameters = beats(self.parameters(segment, keys))
            yield (
                {
                    "length": len(segment.text),
                    "capacity": len(segment.text),
                    "flags": self.flags(segment) | (0 if keys else KEY_HELD),
                    "parameters": len(parameters),
                    "extra": self.extra(held),
                    "tag": 0,
                },
                parameters,
            )

    def parameters(self, segment: Any, keys: bytes) -> bytes:
        """What goes in front of a segment's text."""
        return bytes(segment.counter + keys)

    def flags(self, segment: Any) -> int:
        """Flags of a segment's head, but for `KEY_HELD`."""
        return 0


def beats(data: bytes) -> list[bytes]:
    return [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)]


def wire(block: bytes) -> int:
    """A beat, with rubbish behind a short one."""
    return int.from_bytes(block.ljust(BLOCK, b"\xee"), "little")


class Bench:
    """A core between a source and a sink; each waits with probability `stalls` before a beat."""

    def __init__(self, core: Any, algorithm: Algorithm, segments: Sequence[Any], stalls: float) -> None:
        self.core, self.algorithm = core, algorithm
        self.segments, self.stalls = segments, stalls
        self.rng = random.Random(5)
        self.results: list[bytes] = []
        self.ends: list[int] = []  # the clock of each segment's last beat

    def run(self) -> None:
        simulator = Simulator(self.core)
        simulator.add_clock(1e-8)
        simulator.add_process(self.feed)
        simulator.add_testbench(self.drain)
        simulator.run()

    async def send(self, context: Any, port: Any, payload: Any) -> None:
        while self.rng.random() < self.stalls:
            await context.tick()
        context.set(port.valid, 1)
        context.set(port.payload, payload)
        await context.tick().until(port.ready)
        context.set(port.valid, 0)

    async def feed(self, context: Any) -> None:
        for segment, (head, parameters) in zip(self.segments, self.algorithm.heads(self.segments), strict=True):
            await self.send(context, self.core.head, head)
            for beat in parameters:
                await self.send(context, self.core.parameters, wire(beat))
            text = beats(segment.text) or [b""]
            for left, beat in zip(reversed(range(len(text))), text, strict=True):
                payload = {"bytes": wire(beat), "count": len(beat), "last": left == 0}
                await self.send(context, self.core.text, payload)

    async def drain(self, context: Any) -> None:
        text = b""
        result = self.core.result
        for clock in range(CLOCK_LIMIT):
            ready = self.rng.random() >= self.stalls
            context.set(result.ready, ready)
            _, _, valid, beat = await context.tick().sample(result.valid, result.payload)
            if not (valid and ready):
                continue
            block = beat.bytes.to_bytes(BLOCK, "little")
            assert not any(block[beat.count :]), "keystream behind the text"
            assert beat.status == 0
            text += block[: beat.count]
            if beat.last:
                self.results.append(text)
                self.ends.append(clock)
                text = b""
            if len(self.results) == len(self.segments):
                return
