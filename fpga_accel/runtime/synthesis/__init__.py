"""RTL cores on a Lattice ECP5, by the open tools: Verilog, netlist, place and route, bitstream, and what they reach.

`flow.build` does it all for one core. `harness` is what a core is measured in, `netlist` folds RAM output registers,
`tools` runs Yosys, nextpnr and ecppack, `report` reads what nextpnr reports, `figures` keeps what is committed, and
`clocks` measures in simulation.
"""
