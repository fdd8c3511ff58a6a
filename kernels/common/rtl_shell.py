"""The segment shell: rows of the segment table in and results out, over one 128-bit stream each way.

In, for each segment: a head beat (`Head`), its parameter beats, its text in beats of 16 bytes, the last one filled up
with zeros. An empty segment has no text beat. Out: the result in beats of 16 bytes, then a trailer (`Trailer`).

The head, the parameters and the text of the next segments are taken while earlier ones are still in the core; a queue
keeps their tags and start times. Every ready and valid signal at the edges is a register.
"""

from amaranth import Cat, ClockDomain, Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, fifo, stream, wiring
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.common.rtl import BEAT_BYTES, Head
from fpga_accel.kernels.common.rtl_buffers import SkidBuffer
from fpga_accel.kernels.common.rtl_engines import Engines, Fan

# Segments between their head and their trailer. AES-CTR has some 40 clocks from text to result, in which it takes up
# to 13 segments of 16 bytes at 3 beats each; the queue is one slice of LUT RAM deep.
IN_FLIGHT = 16


class Trailer(data.Struct):
    """The end of a segment's result: 128 bits."""

    length: unsigned(32)  # bytes of the result
    status: unsigned(8)  # STATUS_* of abi.h
    zero_1: unsigned(24)
    cycles: unsigned(32)  # clocks from the arrival of the head to the end of the result
    tag: unsigned(16)  # of the head
    zero_2: unsigned(16)


class Reply(data.Struct):
    """One beat of the stream out."""

    bytes: unsigned(128)
    trailer: unsigned(1)


class Kind(enum.Enum, shape=2):
    """What a beat of the stream in is."""

    HEAD = 0
    PARAMETERS = 1
    TEXT = 2
    EMPTY = 3  # stands for the text of an empty segment


class _Beat(data.Struct):
    """A beat of the stream in with what it is, for the core."""

    bytes: unsigned(128)
    kind: Kind
    count: unsigned(5)
    last: unsigned(1)


class _Ticket(data.Struct):
    """A segment on its way."""

    tag: unsigned(16)
    started: unsigned(32)


class Shell(wiring.Component):
    """A core with the protocol around it.

    Parameters
    ----------
    core
        A component with the signature `CORE`.
    """

    source: In(stream.Signature(unsigned(128)))
    replies: Out(stream.Signature(Reply))

    def __init__(self, core):
        super().__init__()
        self._core = core
        # Segments on their way, the beats before the core, and whether a trailer is due.
        self.tickets = fifo.SyncFIFO(width=_Ticket.as_shape().size, depth=IN_FLIGHT)
        self.buffer_in = SkidBuffer(_Beat)
        self.ending = Signal()

    def elaborate(self, platform):
        """Join the way in, the core and the way out."""
        m = Module()
        m.submodules.core = core = self._core
        m.submodules.tickets = tickets = self.tickets
        clock = Signal(32)
        m.d.sync += clock.eq(clock + 1)
        self._way_in(m, core, tickets, clock)
        self._way_out(m, core, tickets, clock)
        return m

    def _way_in(self, m, core, tickets, clock):
        """Tell the beats apart and hand them to the core in their order."""
        m.submodules.buffer_in = buffer = self.buffer_in
        beat, room = buffer.taken.payload, buffer.taken.ready
        head = data.View(Head, self.source.payload)

        kind = Signal(Kind)
        parameters_left = Signal(8)
        # Beats of text but the last, and the bytes of that one.
        beats_left, tail = Signal(28), Signal(5)
        empty = Signal()
        is_tail = Signal()
        m.d.comb += [
            is_tail.eq(beats_left == 0),
            beat.bytes.eq(self.source.payload),
            beat.kind.eq(kind),
            beat.count.eq(Mux(is_tail, tail, BEAT_BYTES)),
            beat.last.eq(is_tail),
        ]

        ticket = data.View(_Ticket, tickets.w_data)
        m.d.comb += [ticket.tag.eq(head.tag), ticket.started.eq(clock)]
        after_parameters = Mux(empty, Kind.EMPTY, Kind.TEXT)
        with m.Switch(kind):
            with m.Case(Kind.HEAD):
                m.d.comb += [
                    self.source.ready.eq(room & tickets.w_rdy),
                    buffer.taken.valid.eq(self.source.valid & tickets.w_rdy),
                    tickets.w_en.eq(self.source.valid & room),
                ]
                bytes_left = head.length - 1
                m.d.sync += [
                    parameters_left.eq(head.parameters - 1),
                    beats_left.eq(bytes_left[4:32]),
                    tail.eq(Cat(head.length[:4], head.length[:4] == 0)),
                    empty.eq(head.length == 0),
                ]
                with m.If(self.source.valid & self.source.ready):
                    with m.If(head.parameters != 0):
                        m.d.sync += kind.eq(Kind.PARAMETERS)
                    with m.Else():
                        m.d.sync += kind.eq(Mux(head.length == 0, Kind.EMPTY, Kind.TEXT))
            with m.Case(Kind.PARAMETERS):
                m.d.comb += [self.source.ready.eq(room), buffer.taken.valid.eq(self.source.valid)]
                with m.If(self.source.valid & room):
                    m.d.sync += parameters_left.eq(parameters_left - 1)
                    with m.If(parameters_left == 0):
                        m.d.sync += kind.eq(after_parameters)
            with m.Case(Kind.TEXT):
                m.d.comb += [self.source.ready.eq(room), buffer.taken.valid.eq(self.source.valid)]
                with m.If(self.source.valid & room):
                    m.d.sync += beats_left.eq(beats_left - 1)
                    with m.If(is_tail):
                        m.d.sync += kind.eq(Kind.HEAD)
            with m.Case(Kind.EMPTY):
                m.d.comb += [
                    buffer.taken.valid.eq(1),
                    beat.bytes.eq(0),
                    beat.count.eq(0),
                    beat.last.eq(1),
                ]
                with m.If(room):
                    m.d.sync += kind.eq(Kind.HEAD)

        given = buffer.given
        is_text = (given.payload.kind == Kind.TEXT) | (given.payload.kind == Kind.EMPTY)
        for sink, mine in (
            (core.head, given.payload.kind == Kind.HEAD),
            (core.parameters, given.payload.kind == Kind.PARAMETERS),
            (core.text, is_text),
        ):
            m.d.comb += sink.valid.eq(given.valid & mine)
            with m.If(mine):
                m.d.comb += given.ready.eq(sink.ready)
        m.d.comb += [
            core.head.payload.eq(given.payload.bytes),
            core.parameters.payload.eq(given.payload.bytes),
            core.text.payload.bytes.eq(given.payload.bytes),
            core.text.payload.count.eq(given.payload.count),
            core.text.payload.last.eq(given.payload.last),
        ]

    def _way_out(self, m, core, tickets, clock):
        """Pass results on, count them, and end each segment with its trailer."""
        m.submodules.buffer_out = buffer = SkidBuffer(Reply)
        reply, room = buffer.taken.payload, buffer.taken.ready
        wiring.connect(m, buffer.given, wiring.flipped(self.replies))
        result = core.result

        # All beats of a result but the last are full.
        full_beats, tail, status = Signal(28), Signal(4), Signal(4)
        ending = self.ending
        ticket = data.View(_Ticket, tickets.r_data)
        elapsed = Signal(32)
        m.d.sync += elapsed.eq(clock - ticket.started)

        trailer = Signal(Trailer)
        m.d.comb += [
            trailer.length.eq(Cat(tail, full_beats)),
            trailer.status.eq(status),
            trailer.cycles.eq(elapsed),
            trailer.tag.eq(ticket.tag),
        ]
        with m.If(ending):
            m.d.comb += [
                reply.bytes.eq(trailer),
                reply.trailer.eq(1),
                buffer.taken.valid.eq(1),
                tickets.r_en.eq(room),
            ]
            with m.If(room):
                m.d.sync += [ending.eq(0), full_beats.eq(0), tail.eq(0)]
        with m.Else():
            m.d.comb += [
                reply.bytes.eq(result.payload.bytes),
                buffer.taken.valid.eq(result.valid & (result.payload.count != 0)),
                result.ready.eq(room),
            ]
            with m.If(result.valid & room):
                m.d.sync += [
                    full_beats.eq(full_beats + result.payload.count[4]),
                    tail.eq(result.payload.count[:4]),
                    status.eq(result.payload.status),
                    ending.eq(result.payload.last),
                ]


class Pins(wiring.Component):
    """The shell with a flat port for each signal, as the harness of a bitstream drives it.

    Parameters
    ----------
    core
        A component with the signature `CORE`, or `Engines`.
    """

    def __init__(self, core):
        self._cores = core.cores if isinstance(core, Engines) else (core,)
        super().__init__(self._ports(len(self._cores)))

    def _ports(self, engines):
        return {
            "in_bits": In(128),
            "in_valid": In(engines),
            "in_ready": Out(engines),
            "out_bits": Out(128),
            "out_trailer": Out(1),
            "out_engine": Out(3),
            "out_valid": Out(1),
            "out_ready": In(1),
            "engines": Out(4),  # how many there are
        }

    def elaborate(self, platform):
        """Rename; several engines have their own way in and out."""
        m = Module()
        m.d.comb += self.engines.eq(len(self._cores))
        if len(self._cores) > 1:
            m.submodules.fan = fan = Fan([Shell(core) for core in self._cores])
            replies = fan.replies
            m.d.comb += [
                fan.bits.eq(self.in_bits),
                fan.valid.eq(self.in_valid),
                self.in_ready.eq(fan.ready),
                self.out_engine.eq(replies.payload.engine),
            ]
        else:
            m.submodules.shell = shell = Shell(*self._cores)
            replies = shell.replies
            m.d.comb += [
                shell.source.payload.eq(self.in_bits),
                shell.source.valid.eq(self.in_valid),
                self.in_ready.eq(shell.source.ready),
            ]
        m.d.comb += [
            self.out_bits.eq(replies.payload.bytes),
            self.out_trailer.eq(replies.payload.trailer),
            self.out_valid.eq(replies.valid),
            replies.ready.eq(self.out_ready),
        ]
        return m


class SimulatedPins(Pins):
    """`Pins` with the clock and a reset, as the simulator drives it.

    The reset is a register. From a pin, it would make the next state of every register follow from an input, and
    Verilator computes what follows from inputs at both edges of the clock and once more after the rising one.
    """

    def _ports(self, engines):
        return super()._ports(engines) | {"clk": In(1), "rst": In(1)}

    def elaborate(self, platform):
        """Make the clock domains."""
        m = super().elaborate(platform)
        m.domains.sync = sync = ClockDomain()
        m.domains.unreset = unreset = ClockDomain(reset_less=True)
        reset = Signal(init=1)
        m.d.unreset += reset.eq(self.rst)
        m.d.comb += [sync.clk.eq(self.clk), unreset.clk.eq(self.clk), sync.rst.eq(reset)]
        return m
