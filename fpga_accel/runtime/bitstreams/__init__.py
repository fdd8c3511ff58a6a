"""Images for FPGAs and their emulator: reading headers, matching them with devices, catalogs, and builds.

`formats.read` tells the formats apart (`xclbin`, `aocx`, `ecp5`, `program`); `matching` compares an image with a
device; `catalog` keeps what is known of images; `loading` finds the one for a device; `recipes` builds them.
"""

from fpga_accel.runtime.bitstreams.catalog import Catalog
from fpga_accel.runtime.bitstreams.entries import Entry
from fpga_accel.runtime.bitstreams.formats import read
from fpga_accel.runtime.bitstreams.image import Image
from fpga_accel.runtime.bitstreams.loading import contents, find, image_for, images_for, usable
from fpga_accel.runtime.bitstreams.matching import matches, require_match

__all__ = [
    "Catalog",
    "Entry",
    "Image",
    "contents",
    "find",
    "image_for",
    "images_for",
    "matches",
    "read",
    "require_match",
    "usable",
]
