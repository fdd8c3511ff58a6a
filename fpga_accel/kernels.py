"""The kernel folders as a package, so that cores import as ``fpga_accel.kernels.<name>.rtl`` from a checkout too.

In a wheel the folders lie beside this file, in a checkout beside the package.
"""

from fpga_accel.runtime.manifests import kernels_dir

__path__ = [str(kernels_dir())]
