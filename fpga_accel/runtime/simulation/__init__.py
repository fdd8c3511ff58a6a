"""Cycle-accurate simulations of RTL cores: Amaranth to Verilog to C++ to a shared object, and rows sent through it.

Nothing here imports Amaranth: a child process does, where a core is built.
"""
