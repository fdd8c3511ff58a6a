"""Finds the image for a device in the catalogs, and hands out its bytes once everything agrees."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fpga_accel.errors import DeviceError, FormatError
from fpga_accel.runtime.bitstreams import catalog, program, sources
from fpga_accel.runtime.bitstreams.catalog import Catalog
from fpga_accel.runtime.bitstreams.entries import Entry
from fpga_accel.runtime.bitstreams.formats import read
from fpga_accel.runtime.bitstreams.image import Image
from fpga_accel.runtime.bitstreams.matching import matches, require_match
from fpga_accel.runtime.manifests import Manifest, Variant
from fpga_accel.runtime.programs import Identity
from fpga_accel.segments import ABI_VERSION

if TYPE_CHECKING:
    from fpga_accel.runtime.platforms import Listed

log = logging.getLogger(__name__)


def image_for(listed: Listed, manifest: Manifest, variant: Variant) -> tuple[Path, bytes] | None:
    """Return the catalogued image of a variant for a device, and what its driver takes; None where there is none."""
    catalogs = list(_readable_catalogs())
    source = sources.hash_of(manifest, variant)
    found = find(catalogs, listed.identity, manifest.name, variant.name, source)
    if found is None:
        return None
    path, sha256 = found
    return path, contents(path, listed.identity, catalogs, sha256)


def images_for(identity: Identity) -> list[str]:
    """Return the paths of all catalogued images that fit a device."""
    return usable(_readable_catalogs(), identity)


def _readable_catalogs() -> Iterator[Catalog]:
    for read_catalog in (catalog.shipped, catalog.users):
        try:
            yield read_catalog()
        except FormatError as error:
            log.warning("a catalog of images is passed over: %s", error)


def find(
    catalogs: Iterable[Catalog], identity: Identity, kernel: str, variant: str, source_sha256: str
) -> tuple[Path, str] | None:
    """Return the first image of a kernel that is sound, fits the device and has today's source, and its SHA-256.

    Parameters
    ----------
    catalogs
        Where to look, first choice first.
    identity
        The device.
    kernel, variant
        Kernel folder and variant.
    source_sha256
        As `sources.hash_of` gives it.
    """
    wanted = (kernel, variant, source_sha256, ABI_VERSION)
    for found_in, entry in _entries(catalogs):
        if (entry.kernel, entry.variant, entry.source_sha256, entry.abi) != wanted:
            continue
        image = _sound(found_in, entry)
        if image is not None and matches(image, identity):
            return found_in.file_of(entry), image.sha256
    return None


def usable(catalogs: Iterable[Catalog], identity: Identity) -> list[str]:
    """Return the paths of all images that fit a device."""
    found = []
    for found_in, entry in _entries(catalogs):
        image = _sound(found_in, entry)
        if image is not None and matches(image, identity):
            found.append(str(found_in.file_of(entry)))
    return found


def contents(path: Path, identity: Identity, catalogs: Iterable[Catalog] = (), sha256: str | None = None) -> bytes:
    """Return what the driver of a device takes: the program of a program image, else the whole file.

    Raises
    ------
    ImageMismatchError
        The image is for something else; the error names those of `catalogs` that fit.
    FormatError
        The image is malformed.
    DeviceError
        It is not the one with that SHA-256, which was found before.
    """
    # Read once, so that what is checked is what is handed over.
    data = path.read_bytes()
    image = read(data)
    if sha256 not in (None, image.sha256):
        raise DeviceError(f"image {path} was replaced while it was loaded", device=identity.device)
    if not matches(image, identity):
        require_match(image, identity, usable(catalogs, identity))
    return data[image.detail["payload_offset"] :] if image.format == program.FORMAT else data


def _entries(catalogs: Iterable[Catalog]) -> Iterator[tuple[Catalog, Entry]]:
    for each in catalogs:
        for entry in each.images:
            yield each, entry


def _sound(found_in: Catalog, entry: Entry) -> Image | None:
    """Return the image of an entry, None (with a log line) where its file is not what the entry says."""
    path = found_in.file_of(entry)
    try:
        image = read(path)
    except (FormatError, OSError) as error:
        log.warning("image %s is passed over: %s", path, error)
        return None
    if image.sha256 != entry.sha256:
        log.warning("image %s is passed over: its SHA-256 is not the one of %s", path, found_in.path)
        return None
    return image
