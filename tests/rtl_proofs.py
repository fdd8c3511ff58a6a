"""Circuits whose assertions say what buffers, queues and the shell must do, whatever is around them."""

from __future__ import annotations

from typing import Any

from amaranth import Elaboratable, Module, Signal, Value
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from fpga_accel.kernels.common.rtl import CORE
from fpga_accel.kernels.common.rtl_buffers import SkidBuffer
from fpga_accel.kernels.common.rtl_ctr import Landing, Queue
from fpga_accel.kernels.common.rtl_shell import IN_FLIGHT, Kind, Shell

WIDTH = 8
# Bits of numbers of transfers, where there are fewer clocks than that many count.
NUMBER = 5


def stays(m: Module, kind: Any, valid: Any, ready: Any, payload: Any) -> None:
    """Say of a stream that what is offered stays until it is taken."""
    payload = Value.cast(payload)
    waiting, before = Signal(), Signal(len(payload))
    m.d.sync += [waiting.eq(valid & ~ready), before.eq(payload)]
    with m.If(waiting):
        m.d.comb += [kind(valid), kind(before == payload)]


class BufferProof(Elaboratable):
    """The buffer gives what it takes, all of it, once and in order, and never withdraws an offer."""

    def __init__(self) -> None:
        self.offered, self.valid, self.ready = Signal(WIDTH), Signal(), Signal()
        # The transfer that is followed, by its number; any will do, so it is an input that keeps still.
        self.chosen = Signal(WIDTH)
        self.ports = [self.offered, self.valid, self.ready, self.chosen]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.buffer = buffer = SkidBuffer(WIDTH)
        m.d.comb += [
            buffer.taken.payload.eq(self.offered),
            buffer.taken.valid.eq(self.valid),
            buffer.given.ready.eq(self.ready),
        ]
        began, chosen_before = Signal(), Signal(WIDTH)
        m.d.sync += [began.eq(1), chosen_before.eq(self.chosen)]
        m.d.comb += Assume(~began | (self.chosen == chosen_before))

        taken, given, kept = Signal(WIDTH), Signal(WIDTH), Signal(WIDTH)
        with m.If(buffer.taken.valid & buffer.taken.ready):
            m.d.sync += taken.eq(taken + 1)
            with m.If(taken == self.chosen):
                m.d.sync += kept.eq(self.offered)
        with m.If(buffer.given.valid & buffer.given.ready):
            m.d.sync += given.eq(given + 1)

        held = Signal(WIDTH)
        place = Signal(WIDTH)
        m.d.comb += [held.eq(taken - given), place.eq(self.chosen - given)]
        m.d.comb += Assert(held == buffer.given.valid + ~buffer.taken.ready)
        m.d.comb += Assert(buffer.given.valid | buffer.taken.ready)
        with m.If((held != 0) & (place == 0)):
            m.d.comb += Assert(buffer.given.payload == kept)
        with m.If((held == 2) & (place == 1)):
            m.d.comb += Assert(buffer.aside == kept)
        stays(m, Assert, buffer.given.valid, buffer.given.ready, buffer.given.payload)
        return m


class AnyCore(wiring.Component):
    """A core that takes and answers what and when it likes, as far as `CORE` lets it."""

    def __init__(self) -> None:
        super().__init__(CORE)
        self.takes = Signal(3)
        self.answers = Signal()
        self.answer = Signal(len(Value.cast(self.result.payload)))
        # Heads taken for which no last beat was given.
        self.owed = Signal(8)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [
            self.head.ready.eq(self.takes[0]),
            self.parameters.ready.eq(self.takes[1]),
            self.text.ready.eq(self.takes[2]),
            self.result.valid.eq(self.answers),
            self.result.payload.eq(self.answer),
        ]
        takes_head = self.head.valid & self.head.ready
        ends = self.result.valid & self.result.ready & self.result.payload.last
        m.d.sync += self.owed.eq(self.owed + takes_head - ends)
        with m.If(self.result.valid):
            m.d.comb += Assume(self.owed != 0)
        stays(m, Assume, self.result.valid, self.result.ready, self.result.payload)
        return m


class ShellProof(Elaboratable):
    """A ticket for each segment on its way, never one too many and never one too few, and replies that stay."""

    def __init__(self) -> None:
        self.core = AnyCore()
        self.shell = Shell(self.core)
        self.beat, self.valid, self.ready = Signal(128), Signal(), Signal()
        self.ports = [self.core.takes, self.core.answers, self.core.answer, self.beat, self.valid, self.ready]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.shell = shell = self.shell
        m.d.comb += [
            shell.source.payload.eq(self.beat),
            shell.source.valid.eq(self.valid),
            shell.replies.ready.eq(self.ready),
        ]
        tickets, buffer = shell.tickets, shell.buffer_in
        head_taken = buffer.taken.valid & buffer.taken.ready & (buffer.taken.payload.kind == Kind.HEAD)
        m.d.comb += [
            Assert(head_taken == (tickets.w_en & tickets.w_rdy)),
            Assert(~tickets.r_en | tickets.r_rdy),
            Assert(tickets.level <= IN_FLIGHT),
        ]
        # A segment is in the buffer before the core, in the core, or waits for its trailer.
        in_buffer = (buffer.given.valid & (buffer.given.payload.kind == Kind.HEAD)) + (
            ~buffer.taken.ready & (buffer.aside.kind == Kind.HEAD)
        )
        m.d.comb += Assert(tickets.level == in_buffer + self.core.owed + shell.ending)
        m.d.comb += Assert(buffer.given.valid | buffer.taken.ready)
        stays(m, Assert, shell.replies.valid, shell.replies.ready, shell.replies.payload)
        return m


class OrderProof(Elaboratable):
    """Trailers have the tags of the heads, in their order: of any one head that is followed."""

    def __init__(self) -> None:
        self.inner = ShellProof()
        self.chosen = Signal(3)
        self.ports = [*self.inner.ports, self.chosen]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.inner = inner = self.inner
        began, chosen_before = Signal(), Signal(3)
        m.d.sync += [began.eq(1), chosen_before.eq(self.chosen)]
        m.d.comb += Assume(~began | (self.chosen == chosen_before))
        shell = inner.shell
        heads, trailers, tag = Signal(8), Signal(8), Signal(16)
        with m.If(shell.tickets.w_en & shell.tickets.w_rdy):
            m.d.sync += heads.eq(heads + 1)
            with m.If(heads == self.chosen):
                m.d.sync += tag.eq(inner.beat[112:])
        replies = shell.replies
        with m.If(replies.valid & replies.ready & replies.payload.trailer):
            m.d.sync += trailers.eq(trailers + 1)
        with m.If(replies.valid & replies.payload.trailer):
            m.d.comb += Assert(trailers < heads)
            with m.If(trailers == self.chosen):
                m.d.comb += Assert(replies.payload.bytes[96:112] == tag)
        return m


class Followed(Elaboratable):
    """Any one transfer of a stream, by its number: what came in first goes out first, and nothing comes that did not.

    Parameters
    ----------
    put, item
        What enters: an item in a clock in which `put` is set.
    front
        The stream out.
    most
        Items that are within at most.
    """

    def __init__(self, put: Any, item: Any, front: Any, most: int) -> None:
        self._put, self._item, self._front, self._most = put, item, front, most
        self.chosen, self.within = Signal(NUMBER), Signal(NUMBER)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        front = self._front
        began, chosen_before = Signal(), Signal(NUMBER)
        m.d.sync += [began.eq(1), chosen_before.eq(self.chosen)]
        m.d.comb += Assume(~began | (self.chosen == chosen_before))
        taken, given, kept = Signal(NUMBER), Signal(NUMBER), Signal()
        with m.If(self._put):
            m.d.sync += taken.eq(taken + 1)
            with m.If(taken == self.chosen):
                m.d.sync += kept.eq(self._item)
        with m.If(front.valid & front.ready):
            m.d.sync += given.eq(given + 1)
        m.d.comb += [self.within.eq(taken - given), Assert(self.within <= self._most)]
        with m.If(front.valid):
            m.d.comb += Assert(self.within != 0)
            with m.If(given == self.chosen):
                m.d.comb += Assert(front.payload == kept)
        stays(m, Assert, front.valid, front.ready, front.payload)
        return m


class LandingProof(Elaboratable):
    """Items that entered a pipeline while there was room find their places, however long they are on their way."""

    DEPTH = 2

    def __init__(self) -> None:
        self.landing = Landing(1, self.DEPTH)
        self.enters, self.pushes, self.item, self.ready = (Signal() for _ in range(4))
        self.followed = Followed(self.landing.push, self.item, self.landing.front, self.DEPTH)
        self.ports = [self.enters, self.pushes, self.item, self.ready, self.followed.chosen]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.landing = landing = self.landing
        m.submodules.followed = self.followed
        on_the_way = Signal(NUMBER)
        m.d.comb += [
            landing.enter.eq(self.enters & landing.room),
            # It may land in the clock in which it enters.
            landing.push.eq(self.pushes & (landing.enter | (on_the_way != 0))),
            landing.item.eq(self.item),
            landing.front.ready.eq(self.ready),
        ]
        m.d.sync += on_the_way.eq(on_the_way + landing.enter - landing.push)
        return m


class QueueProof(Elaboratable):
    """The queue in block RAM gives what it takes, in order, though what it reads takes clocks to come."""

    DEPTH = 4
    # Of the short queue behind the RAM.
    BEHIND = 8

    def __init__(self) -> None:
        self.queue = queue = Queue(1, self.DEPTH)
        self.offered, self.valid, self.ready = (Signal() for _ in range(3))
        put = queue.items.valid & queue.items.ready
        self.followed = Followed(put, self.offered, queue.front, self.DEPTH + self.BEHIND)
        self.ports = [self.offered, self.valid, self.ready, self.followed.chosen]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = self.queue
        m.submodules.followed = self.followed
        m.d.comb += [
            queue.items.payload.eq(self.offered),
            queue.items.valid.eq(self.valid),
            queue.front.ready.eq(self.ready),
        ]
        return m
