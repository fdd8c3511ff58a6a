"""Several equal cores side by side, each in a shell of its own, behind one stream each way.

A beat of the stream in goes to the engine whose bit of `valid` is set, as TDEST does it in AXI4-Stream: the host deals
rows out, and none waits for the text of one before it. Results carry the number of their engine; those of an engine
are in the order of its rows.
"""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.common.rtl import BEAT_BYTES
from fpga_accel.kernels.common.rtl_buffers import SkidBuffer

# As many as the simulator's shim has queues for.
MOST_ENGINES = 8


class Engines:
    """Cores that rows are dealt out to, in place of one core.

    Parameters
    ----------
    cores
        Up to `MOST_ENGINES`.
    """

    def __init__(self, cores):
        self.cores = tuple(cores)
        if not 1 <= len(self.cores) <= MOST_ENGINES:
            raise ValueError(f"{len(self.cores)} engines; there may be 1 to {MOST_ENGINES}")


class EngineReply(data.Struct):
    """A beat of an engine's stream out."""

    bytes: unsigned(8 * BEAT_BYTES)
    trailer: unsigned(1)
    engine: unsigned(3)


class Fan(wiring.Component):
    """The way to several shells and back.

    Parameters
    ----------
    shells
        One for each engine.
    """

    def __init__(self, shells):
        super().__init__(
            {
                "bits": In(8 * BEAT_BYTES),
                "valid": In(len(shells)),  # at most one bit
                "ready": Out(len(shells)),
                "replies": Out(stream.Signature(EngineReply)),
            }
        )
        self._shells = shells

    def elaborate(self, platform):
        """Buffer beats at each shell, as engines lie far apart, and let the shells answer a beat each in turn."""
        m = Module()
        m.submodules.joined = joined = SkidBuffer(EngineReply)
        wiring.connect(m, joined.given, wiring.flipped(self.replies))
        turn = Signal(range(len(self._shells)))
        m.d.sync += turn.eq(Mux(turn == len(self._shells) - 1, 0, turn + 1))
        for number, shell in enumerate(self._shells):
            m.submodules[f"engine_{number}"] = shell
            m.submodules[f"buffer_{number}"] = buffer = SkidBuffer(8 * BEAT_BYTES)
            wiring.connect(m, buffer.given, shell.source)
            m.d.comb += [
                buffer.taken.payload.eq(self.bits),
                buffer.taken.valid.eq(self.valid[number]),
                self.ready[number].eq(buffer.taken.ready),
            ]
            with m.If(turn == number):
                m.d.comb += [
                    joined.taken.valid.eq(shell.replies.valid),
                    joined.taken.payload.eq(Cat(shell.replies.payload, number)),
                    shell.replies.ready.eq(joined.taken.ready),
                ]
        return m
