"""What pyproject.toml cannot say: the C extensions, and data that lives outside the package folder."""

from __future__ import annotations

import sysconfig

from setuptools import Extension, find_namespace_packages, find_packages, setup

# Free-threaded builds have no limited API (up to 3.14): they get a version-specific wheel.
LIMITED_API = not sysconfig.get_config_var("Py_GIL_DISABLED")

# Top-level folders that a wheel carries as fpga_accel.<folder>. A checkout, and so
# an editable install, reads them where they are.
DATA_FOLDERS = ["kernels", "bitstreams"]
DATA = ["*.cl", "*.h", "*.cpp", "*.py", "*.toml", "*.md", "*.json", "*.txt"]


def data_packages(folder: str) -> list[str]:
    """Name a folder and all below it as packages, which is how setuptools takes them in."""
    return [f"fpga_accel.{name}" for name in (folder, *(f"{folder}.{sub}" for sub in find_namespace_packages(folder)))]


PYTHON = (
    "module",
    "objects",
    "arrays",
    "arrow",
    "direct",
    "direct_many",
    "frames",
    "lease",
    "loops",
    "sectors",
    "windows",
)
# What of the other C these call.
CALLED = ("columns", "gzip_scan", "lz4_plain", "snappy_plain", "xts", "zstd_scan")

data = [name for folder in DATA_FOLDERS for name in data_packages(folder)]

setup(
    packages=[*find_packages(include=["fpga_accel", "fpga_accel.*"]), *data],
    package_dir={f"fpga_accel.{folder}": folder for folder in DATA_FOLDERS},
    package_data={
        "fpga_accel": ["py.typed", "*.pyi"],
        "fpga_accel.bench": ["*.html"],
        "fpga_accel.runtime.synthesis": ["*.v"],
        **dict.fromkeys(data, DATA),
    },
    cffi_modules=["host/build_host.py:ffibuilder"],
    ext_modules=[
        Extension(
            "fpga_accel._objects",
            [f"host/{name}.c" for name in PYTHON + CALLED],
            depends=[
                "host/objects.h",
                "host/direct.h",
                "host/host.h",
                "host/bgzf.h",
                "host/bytes.h",
                "host/huge.h",
                "host/number.h",
                "kernels/common/abi.h",
            ],
            define_macros=[("Py_LIMITED_API", "0x030B0000")] if LIMITED_API else [],
            extra_compile_args=["-O3", "-std=c11", "-Wall", "-Wextra"],
            py_limited_api=LIMITED_API,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED_API else {},
    zip_safe=False,
)
