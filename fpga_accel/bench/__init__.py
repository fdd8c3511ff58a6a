"""The benchmark suite: this package against the libraries that Python programs use today, side by side in one process.

Nothing else imports it but the command line. A run goes down this list:

========================  ==========================================================================================
`cases`                   which work, on which data, at which sizes: found through the registry of operations
`works`, `inputs`         one class an operation: our calls, and who judges the bytes; the data
`peers`                   the table of libraries that we are compared with
`contestants`             who runs: devices and peers, and in which form each gives its result
`measure`, `cold`         the loop of warm calls, all in turn; first calls, each in a new process
`growth`                  time a byte up to 1 GiB; peak memory of a file of that size
`results`, `environment`  rows, JSON; what the figures were measured on
`goals`, `comparison`     the worst rows of ``auto``; two runs against each other
`tables`, `readme`        what a terminal and the README show
`charts`, `page`          the report: one HTML file (needs the extra ``bench``)
========================  ==========================================================================================
"""
