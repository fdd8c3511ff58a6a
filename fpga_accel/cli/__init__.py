"""The command ``fpga-accel``: one module per command, and what they share.

`app` holds the group of commands and the console entry. The commands are `devices`, `doctor`, `compress`,
`decompress`, `encrypt`, `decrypt`, `explain`, `selftest`, `demo` and the group `bitstream`. Shared are `options`
(command-line options), `session` (the Accelerator a command works with, its warnings and log), `jobs` (files one
after another), `files` (``-``, temporary names, the refusal to overwrite), `sealing` (whole files through a cipher),
`keys`, `output` (tables, JSON, progress), `failures` (exit codes and error messages) and `peers` (stock libraries
and commands that check results). Nothing outside this package imports it, so the library needs neither click nor
rich.
"""
