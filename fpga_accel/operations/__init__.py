"""What can be done: one module an algorithm, one row each in `registry`.

An operation knows its format and its limits: how options are validated, how work is cut into segments, how kernel
results become standard bytes, which library does the same on the CPU, and how a device proves that it can do it. It
knows nothing of OpenCL.
"""
