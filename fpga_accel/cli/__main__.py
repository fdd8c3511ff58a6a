"""Lets ``python -m fpga_accel.cli`` do what ``fpga-accel`` does."""

from fpga_accel.cli.app import main

main()
