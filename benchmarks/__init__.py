"""Calls of the suite for developers, and the results that the README quotes; the suite is `fpga_accel.bench`."""
