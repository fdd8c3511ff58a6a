"""Benchmarks: this package against the libraries that Python programs use today, side by side in one process."""
