"""GHASH (SP 800-38D section 6.4): products in GF(2^128), some bits of one factor a clock or a whole product a clock.

A polynomial is 128 bits with the coefficient of x^i at bit i; a block has them in the order of section 6.3, from the
high bit of its first byte on.
"""

from collections.abc import Sequence

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from fpga_accel.kernels.common.rtl_ctr import Landing

BLOCK_BITS = 128
# Bits of a factor that are multiplied in a clock.
DIGIT = 16
_DIGITS = BLOCK_BITS // DIGIT
# Bits of the factors that Karatsuba's method ends at.
_SMALLEST = 16
# From the start of a product until the next may start: its digits, one more for the register behind the partial
# product, one for the sum with the next block.
PRODUCT_CLOCKS = _DIGITS + 2


def polynomial(block: Value) -> Value:
    """Turn a block in memory order into a polynomial, or back."""
    return Cat(block[8 * (i // 8) + 7 - i % 8] for i in range(BLOCK_BITS))


def folded(high: Value) -> Value:
    """Reduce coefficients of x^128 and above: x^128 is x^7 + x^2 + x + 1."""
    spread = high ^ (high << 1) ^ (high << 2) ^ (high << 7)
    if len(spread) <= BLOCK_BITS:
        return spread
    return spread[:BLOCK_BITS] ^ folded(spread[BLOCK_BITS:])


def product_of(digit: Value, factor: Value) -> Value:
    """Return the product of polynomials, not reduced."""
    product = Const(0, 1)
    for i in range(len(digit)):
        product = product ^ (Mux(digit[i], factor, 0) << i)
    return product[: len(digit) + len(factor) - 1]


class Products(wiring.Component):
    """What hashes blocks. A key and a factor may change while all is `done`, and `sum` is that of all blocks then.

    `closing` marks a block that is added to the sum of those before, and whose product is with `factor` where that was
    given since the last `clear`, else with the key, as all others are.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "key": In(BLOCK_BITS),  # in memory order, as all blocks
                "new_key": In(1),
                "factor": In(BLOCK_BITS),
                "new_factor": In(1),
                "blocks": In(28),  # how many follow before the closing one, with `clear`
                "clear": In(1),
                "block": In(BLOCK_BITS),
                "closing": In(1),
                "start": In(1),
                "ready": Out(1),
                "done": Out(1),
                "sum": Out(BLOCK_BITS),
            }
        )


class Ghash(Products):
    """One product after the other: `PRODUCT_CLOCKS` for a block."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rest, total = Signal(BLOCK_BITS, reset_less=True), Signal(BLOCK_BITS)
        key, factor = Signal(BLOCK_BITS, reset_less=True), Signal(BLOCK_BITS, reset_less=True)
        partial = Signal(BLOCK_BITS + DIGIT - 1, reset_less=True)
        ready, left, arrives = Signal(init=1), Signal(range(_DIGITS + 1)), Signal()
        m.d.comb += [self.ready.eq(ready), self.done.eq(ready), self.sum.eq(polynomial(total))]
        # Digits go from the highest power down, so what is there is multiplied by x^DIGIT for each.
        raised = Cat(Const(0, DIGIT), total)
        m.d.sync += [
            partial.eq(product_of(rest[-DIGIT:], factor)),
            rest.eq(rest << DIGIT),
            arrives.eq(left != 0),
        ]
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.If(arrives):
            high = raised[BLOCK_BITS:] ^ partial[BLOCK_BITS:]
            m.d.sync += [total.eq(raised[:BLOCK_BITS] ^ partial[:BLOCK_BITS] ^ folded(high)), ready.eq(left == 0)]
        with m.If(self.start & ready):
            m.d.sync += [
                rest.eq(total ^ polynomial(self.block)),
                total.eq(0),
                left.eq(_DIGITS),
                ready.eq(0),
            ]
        with m.If(self.new_key):
            m.d.sync += key.eq(polynomial(self.key))
        with m.If(self.clear):
            m.d.sync += [total.eq(0), factor.eq(key)]
        with m.If(self.new_factor):
            m.d.sync += factor.eq(polynomial(self.factor))
        return m


def _split(factor: Value) -> list[Value]:
    """Return the 27 factors of 16 bits that a factor of 128 bits is cut into (Karatsuba, three times)."""
    if len(factor) == _SMALLEST:
        return [factor]
    half = len(factor) // 2
    low, high = factor[:half], factor[half:]
    return [part for each in (low, high, low ^ high) for part in _split(each)]


def _joined(low: Value, high: Value, both: Value) -> Value:
    """Return a product from those of the lower halves, of the upper halves, and of the sums of both."""
    size = (len(low) + 1) // 2
    width = 4 * size - 1
    return (low ^ ((low ^ high ^ both) << size) ^ (high << 2 * size))[:width]


def _joined_by_threes(products: Sequence[Value]) -> list[Value]:
    return [_joined(*products[i : i + 3]) for i in range(0, len(products), 3)]


class Multiplier(Elaboratable):
    """A product each clock, `CLOCKS` after its factors."""

    CLOCKS = 4

    def __init__(self) -> None:
        self.first, self.second = Signal(BLOCK_BITS), Signal(BLOCK_BITS)
        self.product = Signal(BLOCK_BITS)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        products = []
        for i, pair in enumerate(zip(_split(self.first), _split(self.second), strict=True)):
            factors = [self._register(m, part, f"factor_{i}_{side}") for side, part in enumerate(pair)]
            products.append(self._register(m, product_of(*factors), f"product_{i}"))
        quarters = _joined_by_threes(_joined_by_threes(products))
        halves = [self._register(m, half, f"half_{i}") for i, half in enumerate(quarters)]
        whole = _joined(*halves)
        reduced = whole[:BLOCK_BITS] ^ folded(whole[BLOCK_BITS:])
        m.d.comb += self.product.eq(self._register(m, reduced, "reduced"))
        return m

    def _register(self, m: Module, value: Value, name: str) -> Signal:
        register = Signal(len(value), name=name, reset_less=True)
        m.d.sync += register.eq(value)
        return register


# Sums that take turns: a product is there for the block that is so many behind. It passes the multiplier, the register
# in front of it and the queue behind.
LANES = Multiplier.CLOCKS + 2


class GhashPipeline(Products):
    """A block a clock.

    Each of `LANES` sums is multiplied by H^LANES; the last blocks are multiplied by H^LANES to H, which makes one sum
    of all. The powers follow from a new key, one after the other.
    """

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.multiplier = multiplier = Multiplier()
        m.submodules.feedback = feedback = Landing(unsigned(BLOCK_BITS), 8)
        m.submodules.powers = powers = Memory(shape=BLOCK_BITS, depth=8, init=[])
        writer, reader = powers.write_port(), powers.read_port(domain="comb")
        first, second, total, power = (Signal(BLOCK_BITS, reset_less=True) for _ in range(4))
        left, number, is_last, index = Signal(28), Signal(3), Signal(), Signal(3)
        # The power that is being made; 0 where all are there.
        making, again, own_factor = Signal(3), Signal(), Signal()
        # Of each step of the multiplier, whether there is a product, and whether it goes into the sum.
        valid, summed = Signal(Multiplier.CLOCKS + 1), Signal(Multiplier.CLOCKS + 1)
        warm = number == LANES
        issue = self.start & self.ready
        next_block = issue & ~self.closing
        arrived = multiplier.product
        m.d.comb += [
            multiplier.first.eq(first),
            multiplier.second.eq(second),
            self.ready.eq((making == 0) & (~warm | feedback.front.valid | self.closing)),
            self.done.eq((valid == 0) & (making == 0)),
            self.sum.eq(polynomial(total)),
            feedback.front.ready.eq(next_block & warm),
            feedback.item.eq(arrived),
            feedback.push.eq(valid[-1] & ~summed[-1] & (making == 0)),
            feedback.enter.eq(feedback.push),
            reader.addr.eq(Mux(making != 0, 1, Mux(self.closing, ~own_factor, index))),
        ]
        sums = Mux(self.closing, total, Mux(warm, feedback.front.payload, 0))
        m.d.sync += [
            first.eq(Mux(making != 0, power, polynomial(self.block) ^ sums)),
            second.eq(reader.data),
            valid.eq(Cat(issue | again, valid)),
            summed.eq(Cat(is_last | self.closing, summed)),
            again.eq(0),
        ]
        with m.If(valid[-1] & summed[-1] & (making == 0)):
            m.d.sync += total.eq(total ^ arrived)
        with m.If(next_block):
            m.d.sync += [left.eq(left - 1), is_last.eq(left <= LANES + 1), number.eq(Mux(warm, LANES, number + 1))]
            with m.If(is_last):
                m.d.sync += index.eq(index - 1)
        with m.If(issue & self.closing):
            m.d.sync += total.eq(0)
        with m.If(self.clear):
            few = self.blocks <= LANES
            m.d.sync += [
                *(left.eq(self.blocks), number.eq(0), is_last.eq(few), index.eq(Mux(few, self.blocks, LANES))),
                *(total.eq(0), own_factor.eq(0)),
            ]
        self._write_powers(m, writer, arrived, valid[-1], (making, again, own_factor, power))
        return m

    def _write_powers(self, m, writer, arrived, valid, state) -> None:
        making, again, own_factor, power = state
        with m.If(self.new_key):
            key = polynomial(self.key)
            m.d.comb += [writer.en.eq(1), writer.addr.eq(1), writer.data.eq(key)]
            m.d.sync += [power.eq(key), making.eq(2), again.eq(1)]
        with m.Elif(self.new_factor):
            m.d.comb += [writer.en.eq(1), writer.addr.eq(0), writer.data.eq(polynomial(self.factor))]
            m.d.sync += own_factor.eq(1)
        with m.Elif(valid & (making != 0)):
            m.d.comb += [writer.en.eq(1), writer.addr.eq(making), writer.data.eq(arrived)]
            m.d.sync += [power.eq(arrived), making.eq(making + 1), again.eq(1)]
            with m.If(making == LANES):
                m.d.sync += [making.eq(0), again.eq(0)]
