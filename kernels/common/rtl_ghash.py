"""GHASH (SP 800-38D section 6.4): products in GF(2^128), some bits of one factor a clock.

A polynomial is 128 bits with the coefficient of x^i at bit i; a block has them in the order of section 6.3, from the
high bit of its first byte on.
"""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

BLOCK_BITS = 128
# Bits of a factor that are multiplied in a clock.
DIGIT = 16
_DIGITS = BLOCK_BITS // DIGIT
# From the start of a product until the next may start: its digits, one more for the register behind the partial
# product, one for the sum with the next block.
PRODUCT_CLOCKS = _DIGITS + 2


def polynomial(block: Value) -> Value:
    """Turn a block in memory order into a polynomial, or back."""
    return Cat(block[8 * (i // 8) + 7 - i % 8] for i in range(BLOCK_BITS))


def folded(high: Value) -> Value:
    """Reduce coefficients of x^128 and above, at most 121 of them: x^128 is x^7 + x^2 + x + 1."""
    return (high ^ (high << 1) ^ (high << 2) ^ (high << 7))[:BLOCK_BITS]


def _partial_product(digit: Value, factor: Value) -> Value:
    product = Const(0, BLOCK_BITS + DIGIT - 1)
    for i in range(DIGIT):
        product = product ^ (Mux(digit[i], factor, 0) << i)
    return product[: BLOCK_BITS + DIGIT - 1]


class Ghash(wiring.Component):
    """The sum so far: each block that is taken is added to it, then it is multiplied by the factor.

    `clear` and a change of `factor` are legal while `ready`; `sum` is that of all blocks then.
    """

    factor: In(BLOCK_BITS)  # a polynomial, held until `ready`
    clear: In(1)
    start: In(1)
    block: In(BLOCK_BITS)  # in memory order
    ready: Out(1)
    sum: Out(BLOCK_BITS)  # in memory order

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rest, total = Signal(BLOCK_BITS, reset_less=True), Signal(BLOCK_BITS)
        partial = Signal(BLOCK_BITS + DIGIT - 1, reset_less=True)
        ready, left, arrives = Signal(init=1), Signal(range(_DIGITS + 1)), Signal()
        m.d.comb += [self.ready.eq(ready), self.sum.eq(polynomial(total))]
        # Digits go from the highest power down, so what is there is multiplied by x^DIGIT for each.
        raised = Cat(Const(0, DIGIT), total)
        m.d.sync += [
            partial.eq(_partial_product(rest[-DIGIT:], self.factor)),
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
        with m.If(self.clear):
            m.d.sync += total.eq(0)
        return m
