"""Equal modules of a Verilog text become one.

Amaranth writes a module for each instance, and Verilator puts each into the code around it. The AES pipeline has the
same tables 14 times: with one module for them its simulation is 1.2 instead of 4.3 MB of C++, and compiles in 6
instead of 40 seconds of a processor.
"""

from __future__ import annotations

import re
from collections import Counter

# Modules that are used several times and are longer than this stay out of the code around them. A call costs a
# simulation next to nothing; what is short is faster in place.
OUT_OF_LINE = 5_000

_MODULE = re.compile(r"^module (\S+) ?\((.*?^endmodule\n)", re.MULTILINE | re.DOTALL)
_INSTANCE = re.compile(r"^  (\S+)(?= +\S+ \($)", re.MULTILINE)
# Yosys numbers these through the whole text; each is used in its module only.
_NUMBERED = re.compile(r"\\\$auto\$verilog_backend\S+ ")


def with_shared_modules(text: str) -> str:
    r"""Return the same design with one module in place of equal ones.

    Parameters
    ----------
    text
        As Yosys writes it.

    Examples
    --------
    >>> pair = "module \\a (x);\n  input x;\nendmodule\nmodule \\b (x);\n  input x;\nendmodule\n"
    >>> with_shared_modules(pair + "module top(x);\n  \\b  one (\n    .x(x)\n  );\nendmodule\n")
    'module \\a (x);\n  input x;\nendmodule\nmodule top(x);\n  \\a  one (\n    .x(x)\n  );\nendmodule\n'
    """
    text = _NUMBERED.sub(lambda _: "\\$never ", text)
    uses: Counter[str] = Counter()
    while True:
        names: dict[str, str] = {}
        bodies: dict[str, str] = {}
        for name, body in _MODULE.findall(text):
            names[name] = bodies.setdefault(body, name)
        equal = {name: first for name, first in names.items() if name != first}
        if not equal:
            return _MODULE.sub(lambda found: _out_of_line(found, uses[found[1]]), text)
        for name, first in equal.items():
            uses[first] += 1 + uses[name]
        text = _merged(text, equal)


def _merged(text: str, equal: dict[str, str]) -> str:
    """Leave out the modules that `equal` maps to others, and name those where they are used."""
    text = _MODULE.sub(lambda found: "" if found[1] in equal else found[0], text)
    return _INSTANCE.sub(lambda found: f"  {equal.get(found[1], found[1])}", text)


def _out_of_line(module: re.Match[str], more_uses: int) -> str:
    if not more_uses or len(module[0]) < OUT_OF_LINE:
        return module[0]
    head, _, rest = module[0].partition(";\n")
    return f"{head}; /*verilator no_inline_module*/\n{rest}"
