"""Counters and round keys of AES for its cores: what `CounterSource` needs to know, and keys that travel."""

from amaranth import Module, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import PureInterface
from fpga_accel.kernels.aes.rtl_rounds import BLOCK_BITS
from fpga_accel.kernels.common.rtl_ctr import CounterSource

# Round keys of 128, 192 and 256 bits.
KEY_BEATS = (11, 13, 15)


class KeyToken(data.Struct):
    """A round key on its way to the round that is `hops` further."""

    key: unsigned(BLOCK_BITS)
    hops: unsigned(4)
    rounds: unsigned(4)


def counter_source() -> CounterSource:
    """Return a source of AES keys and of counter blocks with round key 0 added.

    The last round's key is number 14 for every size of key, so the numbers from `rounds` to 13 are passed over.
    """
    return CounterSource(KEY_BEATS, whitens=True)


def connect_keys(m: Module, source: CounterSource, tokens: PureInterface) -> None:
    """Send the keys of a source on as a stream of `KeyToken`, the first of which is round 1's."""
    beat, token = source.keys.payload, tokens.payload
    m.d.comb += [
        tokens.valid.eq(source.keys.valid),
        token.key.eq(beat.bits),
        token.hops.eq(beat.number),
        token.rounds.eq(beat.extra),
    ]
