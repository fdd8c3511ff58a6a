"""The cffi builder of fpga_accel._host: setup.py names its `ffibuilder`."""

from __future__ import annotations

import re
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).parent

SOURCES = [
    "abi.c",
    "pages.c",
    "wipe.c",
    "pause.c",
    "rows.c",
    "columns.c",
    "keyed_rows.c",
    "xts.c",
    "hchacha20.c",
    "base64.c",
    "xxh32.c",
    "lz4_frame.c",
    "lz4_batch.c",
    "lz4_plain.c",
    "zstd_scan.c",
    "zstd_frame.c",
    "deflate_frame.c",
    "gzip_scan.c",
    "snappy.c",
    "snappy_plain.c",
]

# -Werror stays out of users' builds, where a newer compiler may know new
# warnings. tests/test_host.py compiles every file here with it.
FLAGS = ["-O3", "-std=c11", "-Wall", "-Wextra"]

TYPES = """
#define ABI_VERSION ...
#define STATUS_OK ...
#define STATUS_DST_TOO_SMALL ...
#define STATUS_BAD_DATA ...
#define STATUS_TRUNCATED ...
#define STATUS_BAD_CHECKSUM ...
#define STATUS_BAD_PARAM ...
#define STATUS_NOT_RUN ...
#define FA_ABI_LAYOUT_LENGTH ...
#define FA_LZ4_BLOCK_LIMIT ...
#define FA_LZ4_TOO_LARGE ...
#define FA_LZ4_OTHER ...
#define FA_ZSTD_UNKNOWN ...
#define FA_ZSTD_KNOWN ...
#define FA_ZSTD_SKIPPABLE ...
#define FA_ZSTD_ABOUT ...
#define FA_ZSTD_OTHER ...
#define FA_ZSTD_TOO_LARGE ...
#define FA_ZSTD_WINDOW ...
#define FA_ZSTD_HEADER_MOST ...
#define FA_BGZF_END ...
#define FA_SNAPPY_SOUND ...
#define FA_SNAPPY_CUT ...
#define FA_SNAPPY_NO_IDENTIFIER ...
#define FA_SNAPPY_BAD_IDENTIFIER ...
#define FA_SNAPPY_RESERVED ...
#define FA_SNAPPY_BAD_SIZE ...
#define FA_SNAPPY_BAD_PREAMBLE ...
#define FA_SNAPPY_IMPLAUSIBLE ...
#define FA_SNAPPY_TOO_LONG ...
#define FA_SNAPPY_BAD_ELEMENTS ...
#define FA_SNAPPY_ELEMENTS_CUT ...
#define FA_SNAPPY_CHECKSUM ...
#define FA_SNAPPY_NOT_DONE ...
typedef struct {
  uint64_t src;
  uint64_t dst;
  uint32_t src_size;
  uint32_t dst_capacity;
  uint32_t param;
  uint32_t flags;
} segment_t;
typedef struct {
  uint32_t dst_size;
  int32_t status;
  uint64_t check;
  uint8_t partial[16];
} result_t;
typedef struct {
  uint64_t content;
  uint64_t rows;
  uint64_t position;
  uint64_t fault;
} fa_snappy_t;
"""

# Code that cffi generates does not compile without these warnings.
PREAMBLE = """
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wcast-function-type"
#include "host.h"
"""


def prototypes(header: str) -> str:
    """Return the prototypes that host.h declares, so that they are written down once."""
    code = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    found = re.findall(r"^[a-z][\w ]*\**\bfa_\w+\([^)]*\);", code, flags=re.MULTILINE)
    return "\n".join(found)


ffibuilder = FFI()
ffibuilder.cdef(TYPES)
ffibuilder.cdef(prototypes((HERE / "host.h").read_text(encoding="utf-8")))
ffibuilder.set_source(
    "fpga_accel._host",
    PREAMBLE,
    sources=[f"host/{name}" for name in SOURCES],
    include_dirs=["host", "kernels/common"],
    depends=[
        "host/host.h",
        "host/bgzf.h",
        "host/bytes.h",
        "host/huge.h",
        "host/number.h",
        "kernels/common/abi.h",
        "kernels/lz4/params.h",
        "kernels/snappy/params.h",
        "kernels/deflate/params.h",
        "kernels/zstd_compress/params.h",
        "kernels/common/keyed.h",
    ],
    extra_compile_args=FLAGS,
)
