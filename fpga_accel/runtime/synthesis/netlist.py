"""Work on a synthesised netlist, as Yosys writes it in JSON: RAM output registers, and counts.

A block RAM of an ECP5 has a register behind each output port, without which it takes 5.8 ns from the clock to the data.
Yosys never uses it (YosysHQ/yosys issue 5814), so flip-flops that do its work are folded into it here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Names of the harness's registers in a netlist, by which they are told from the core's own.
FEED, SEEN, SIGNATURE, OUTPUT = "harness_feed", "harness_seen", "harness_misr", "harness_out"

RAM, FLIP_FLOP, LUT = "DP16KD", "TRELLIS_FF", "LUT4"
_BITS = 18
# What a flip-flop must be to do what a RAM's output register does: zero at the start, and never reset.
_PLAIN = {"CLKMUX": "CLK", "REGSET": "RESET"}

Module = dict[str, Any]
Cell = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Folded:
    """How many output ports were folded, and how many flip-flops that saved."""

    ports: int
    flip_flops: int


def top_of(netlist: Mapping[str, Any], top: str) -> Module:
    """Return the top module of a flattened netlist."""
    module: Module = netlist["modules"][top]
    return module


def fold_output_registers(module: Module) -> Folded:
    """Move flip-flops behind block RAMs into the RAMs, wherever all bits of an output port end in such.

    The module is changed. What it does, clock for clock, is not.
    """
    loads = _loads(module)
    ports = flip_flops = 0
    for ram in [cell for cell in module["cells"].values() if cell["type"] == RAM]:
        for halves in ("AB",) if _is_wide(ram) else ("A", "B"):
            registers = _registers_of(module, ram, halves, loads)
            enables = {str(_enable(module["cells"][name])) for name in registers.values()}
            if len(enables) != 1:
                continue
            enable = _enable(module["cells"][next(iter(registers.values()))])
            for pin, name in registers.items():
                ram["connections"][pin] = module["cells"].pop(name)["connections"]["Q"]
            for half in halves:
                ram["connections"][f"OCE{half}"] = enable
                ram["parameters"][f"REGMODE_{half}"] = "OUTREG"
            ports += 1
            flip_flops += len(registers)
    return Folded(ports, flip_flops)


def _is_wide(ram: Cell) -> bool:
    """Whether port A only writes and port B only reads, words of up to 36 bits of which each has a half of the pins."""
    return "36" in {_number(ram, "DATA_WIDTH_A"), _number(ram, "DATA_WIDTH_B")}


def _loads(module: Module) -> dict[Any, list[tuple[str, str]]]:
    """Map each net to the cell inputs on it; an output of the module counts as one."""
    loads: dict[Any, list[tuple[str, str]]] = defaultdict(list)
    for name, cell in module["cells"].items():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] != "output":
                for bit in bits:
                    loads[bit].append((name, pin))
    for name, port in module["ports"].items():
        if port["direction"] != "input":
            for bit in port["bits"]:
                loads[bit].append(("", name))
    return loads


def _registers_of(module: Module, ram: Cell, halves: str, loads: Mapping[Any, list[tuple[str, str]]]) -> dict[str, str]:
    """Return, by output pin, the flip-flops that are the output register of a port, both halves of a wide one.

    There are none if a pin has another load.
    """
    if not all(_foldable(ram, half) for half in halves):
        return {}
    # A wide port is read by the clock of B.
    clock = ram["connections"][f"CLK{halves[-1]}"]
    registers = {}
    for pin, bits in (each for half in halves for each in _outputs(ram, half)):
        used = loads.get(bits[0], [])
        if not used:
            continue
        name, where = used[0]
        if len(used) > 1 or where != "DI" or not _is_plain(module["cells"].get(name), clock):
            return {}
        registers[pin] = name
    return registers


def _outputs(ram: Cell, port: str) -> Iterator[tuple[str, list[Any]]]:
    for index in range(_BITS):
        pin = f"DO{port}{index}"
        if ram["connections"].get(pin):
            yield pin, ram["connections"][pin]


def _foldable(ram: Cell, port: str) -> bool:
    """Whether a port, or half of a wide one, has no register yet, nothing holds it, and nothing resets it."""
    pins = ram["connections"]
    wide = _is_wide(ram)
    # Port A of a wide one writes; what comes out of its pins is enabled by B, and Yosys ties this to zero.
    enabled = "B" if wide else port
    return (
        ram["parameters"][f"REGMODE_{port}"] == "NOREG"
        and ram["parameters"].get(f"CLK{port}MUX") == f"CLK{port}"
        and pins[f"OCE{enabled}"] == ["1"]
        and pins[f"RST{port}"] == ["0"]
        and (not wide or pins["CLKA"] == pins["CLKB"])
    )


def _number(cell: Cell, name: str) -> str:
    value = cell["parameters"][name]
    return str(int(value, 2)) if set(value) <= {"0", "1"} and len(value) == 32 else str(value)


def _is_plain(cell: Cell | None, clock: list[Any]) -> bool:
    if cell is None or cell["type"] != FLIP_FLOP or cell["connections"]["CLK"] != clock:
        return False
    never_reset = cell["connections"].get("LSR", ["0"]) == ["0"] and _text(cell, "LSRMUX", "LSR") == "LSR"
    enabled = _text(cell, "CEMUX", "1") in {"1", "CE"}
    return enabled and never_reset and all(_text(cell, name, value) == value for name, value in _PLAIN.items())


def _enable(cell: Cell) -> list[Any]:
    """Return the net that enables a plain flip-flop, a constant for one that always is."""
    return cell["connections"]["CE"] if _text(cell, "CEMUX", "1") == "CE" else ["1"]


def _text(cell: Cell, name: str, default: str) -> str:
    """Return a text parameter; Yosys puts a space behind one that would read as a number."""
    return str(cell["parameters"].get(name, default)).strip()


def counts(module: Module) -> Counter[str]:
    """Return how many cells of each type there are."""
    return Counter(cell["type"] for cell in module["cells"].values())


def of_the_harness(module: Module) -> Counter[str]:
    """Return how many flip-flops and LUTs are the harness's and not the core's."""
    registers = _nets(module, (FEED, SEEN, SIGNATURE, OUTPUT))
    summed = _nets(module, (SIGNATURE,))
    found: Counter[str] = Counter()
    behind = set()
    for cell in module["cells"].values():
        if cell["type"] != FLIP_FLOP or cell["connections"]["Q"][0] not in registers:
            continue
        found[FLIP_FLOP] += 1
        if cell["connections"]["Q"][0] in summed:
            behind.add(cell["connections"]["DI"][0])
    found[LUT] = sum(cell["type"] == LUT and cell["connections"]["Z"][0] in behind for cell in module["cells"].values())
    return found


def _nets(module: Module, names: Iterable[str]) -> set[Any]:
    return {bit for name in names if name in module["netnames"] for bit in module["netnames"][name]["bits"]}
