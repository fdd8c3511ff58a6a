"""What every RTL core is to the segment shell: one head, parameter beats and text beats in, result beats out.

A core is a class in ``kernels/<algorithm>/rtl.py`` with `CORE` as its signature. Bytes of a 128-bit beat lie in memory
order: bits 7:0 are the byte at the lowest address.
"""

from amaranth import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

BEAT_BYTES = 16


class Head(data.Struct):
    """One row of the segment table, as the first beat of a segment: 128 bits."""

    length: unsigned(32)  # bytes of text
    capacity: unsigned(32)  # room for the result in bytes
    flags: unsigned(32)  # the row's, the algorithm's own
    parameters: unsigned(8)  # parameter beats that follow
    extra: unsigned(8)  # the core's own, for example the bytes of the key
    tag: unsigned(16)  # the shell's


class TextBeat(data.Struct):
    """Up to 16 bytes of a segment. All beats but the last are full; an empty segment is one beat of count 0."""

    bytes: unsigned(128)
    count: unsigned(5)
    last: unsigned(1)


class ResultBeat(data.Struct):
    """Up to 16 bytes of a result. All beats but the last are full; a segment ends with one `last`, of count 0 to 16."""

    bytes: unsigned(128)
    count: unsigned(5)
    last: unsigned(1)
    status: unsigned(4)  # STATUS_* of abi.h, with the last beat


# For each segment the shell offers its head, then its parameter beats, then its text, and goes on with the next head
# at once: a core that is not ready for one keeps `head.ready` low. Results leave in the order of the segments. As with
# every Amaranth stream, valid never waits for ready and a payload offered stays until it is taken.
CORE = wiring.Signature(
    {
        "head": In(stream.Signature(Head)),
        "parameters": In(stream.Signature(unsigned(128))),
        "text": In(stream.Signature(TextBeat)),
        "result": Out(stream.Signature(ResultBeat)),
    }
)
