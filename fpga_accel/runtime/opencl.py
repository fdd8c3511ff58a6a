"""pyopencl, imported once the loader's environment is ready: whoever wants it takes it from here."""

from fpga_accel.runtime import icd

icd.prepare()

import pyopencl as cl  # noqa: E402  # the loader reads its environment when it is imported

__all__ = ["cl"]
