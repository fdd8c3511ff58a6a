"""Verilog of Amaranth components, as the synthesis takes it."""

from __future__ import annotations

import re
from typing import Any

TOP = "top"
# A memory's initial block holds a line a word. Zeros are what an ECP5 starts with, and 64 Ki lines of them take Yosys
# minutes. Only such blocks are touched: elsewhere the same text is an assignment that means something.
_INITIAL = re.compile(r"^(\s*)initial begin\n(?:.*\n)*?\1end\n", re.MULTILINE)
_ZERO_WORD = re.compile(r"^\s*\S+\s*\[\d+\] = \d+'h0+;\n", re.MULTILINE)


def of(component: Any) -> str:
    """Return the Verilog of a component, its top module called `TOP`."""
    from amaranth.back import verilog

    text: str = verilog.convert(component, name=TOP, strip_internal_attrs=True)
    return without_zero_words(text)


def without_zero_words(text: str) -> str:
    r"""Leave out the zero words of memories' initial blocks.

    Examples
    --------
    >>> without_zero_words("  initial begin\n    mem[0] = 8'h00;\n    mem[1] = 8'h0a;\n  end\n")
    "  initial begin\n    mem[1] = 8'h0a;\n  end\n"
    """
    return _INITIAL.sub(lambda block: _ZERO_WORD.sub("", block[0]), text)
