"""``fpga-accel bitstream``: list, show, verify, build."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from click.exceptions import Exit

from fpga_accel import config
from fpga_accel.cli import failures, options, output, session, synthesis
from fpga_accel.cli.failures import Failure, UsageError
from fpga_accel.errors import FormatError
from fpga_accel.runtime import discovery, switches
from fpga_accel.runtime.bitstreams import catalog, formats, recipes, sources
from fpga_accel.runtime.bitstreams.catalog import Catalog
from fpga_accel.runtime.bitstreams.entries import Entry
from fpga_accel.runtime.bitstreams.image import Image
from fpga_accel.runtime.manifests import Manifest, Variant
from fpga_accel.runtime.programs import BuildFailed
from fpga_accel.runtime.synthesis import figures, flow

_COLUMNS = ("kernel", "variant", "format", "build mode", ">MHz", "target", "file")
_SHOWN = ("entries", "target")
_UNTESTED = "built only; the known-answer test runs after each load"

_TARGETS = (*recipes.NAMES, *flow.PARTS)


@click.group(no_args_is_help=False)
def bitstream() -> None:
    """List, show, verify and build images for FPGAs."""


# -- list and show ---------------------------------------------------------------------------------------------------


@bitstream.command("list")
@options.as_json
def list_images(as_json: bool) -> None:
    """List the figures of RTL cores, and all images.

    The images are those of the shipped catalog and of your own.
    """
    listed, measured = list(_catalogued()), figures.shipped()
    if as_json:
        images = [asdict(entry) | {"file": str(found.file_of(entry))} for found, entry in listed]
        output.show_json([*map(synthesis.as_json, measured), *images])
        return
    if measured:
        synthesis.show_figures(measured)
    if not listed:
        output.say("fpga-accel: the catalogs have no image (see fpga-accel bitstream build)")
        return
    rows = [
        (
            entry.kernel,
            entry.variant,
            entry.format,
            entry.build_mode,
            entry.clock_mhz or None,
            entry.target,
            found.file_of(entry),
        )
        for found, entry in listed
    ]
    output.show_table(_COLUMNS, rows)


@bitstream.command()
@click.argument("file", type=options.PATH)
@options.as_json
def show(file: Path, as_json: bool) -> None:
    """Show what the header of an image states.

    FILE is an xclbin, aocx, ECP5 or program image.
    """
    image = _read(file)
    if as_json:
        output.show_json({"file": str(file)} | asdict(image))
        return
    rows = [
        ("format", image.format),
        ("target", image.target),
        ("mode", image.mode),
        ("id", image.id or None),
        ("entries", ", ".join(image.entries) or None),
        ("size", image.size),
        ("sha256", image.sha256),
        *((name.replace("_", " "), _words(value)) for name, value in image.detail.items() if name not in _SHOWN),
    ]
    output.show_table(("image", str(file)), rows)


def _words(value: Any) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{name}={each}" for name, each in value.items() if each) or None
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or None
    return value


def _read(file: Path) -> Image:
    try:
        return formats.read(file)
    except FormatError as error:
        raise type(error)(f"{file}: {error}") from error


def _catalogued() -> Iterator[tuple[Catalog, Entry]]:
    for found in (catalog.shipped(), catalog.users()):
        for entry in found.images:
            yield found, entry


# -- verify ----------------------------------------------------------------------------------------------------------


@bitstream.command()
@click.argument("files", metavar="[FILE]...", type=options.PATH, nargs=-1)
@click.option("--rebuild", is_flag=True, help="Build what has figures again, and compare: minutes a core.")
@options.as_json
def verify(files: Sequence[Path], *, rebuild: bool, as_json: bool) -> None:
    """Check images, and the figures of RTL cores.

    Of each image FILE, or of all figures and catalogs where none is given: the header, what a catalog says, and
    whether the source has changed.

    Exit codes: 0 all are good, 1 one is not.
    """
    if files and rebuild:
        raise UsageError("--rebuild is for all that has figures, not for files")
    listed = list(_catalogued())
    if files:
        found = {str(file): list(_problems_of(file, listed)) for file in files}
    else:
        found = {row.name: list(synthesis.problems(row, rebuild=rebuild)) for row in figures.shipped()}
        found |= {str(where.file_of(entry)): list(catalog.problems(where, entry)) for where, entry in listed}
    bad = sum(bool(problems) for problems in found.values())
    if as_json:
        rows = [{"file": file, "ok": not problems, "problems": problems} for file, problems in found.items()]
        output.show_json(rows)
    else:
        _report(found, bad)
    if bad:
        raise Exit(failures.FAILED)


def _problems_of(file: Path, listed: list[tuple[Catalog, Entry]]) -> Iterator[str]:
    """Yield what is wrong with a file, by its entries where a catalog lists it, else by its own header."""
    entries = [(where, entry) for where, entry in listed if where.file_of(entry).resolve() == file.resolve()]
    for where, entry in entries:
        yield from catalog.problems(where, entry)
    if entries:
        return
    try:
        image = formats.read(file)
    except FormatError as error:
        yield str(error)
    except OSError as error:
        yield error.strerror or str(error)
    else:
        yield from catalog.staleness_of(image)


def _report(found: dict[str, list[str]], bad: int) -> None:
    for file, problems in found.items():
        # One line a file, however much is wrong with it.
        if problems:
            Failure(failures.FAILED, "bad_image", f"{file}: {'; '.join(problems)}").show(as_json=False)
    print(f"{len(found)} {'image' if len(found) == 1 else 'images'} checked, {bad} bad")


# -- report ----------------------------------------------------------------------------------------------------------


@bitstream.command()
@click.option(
    "--write",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the page here.",
)
def report(write: Path | None) -> None:
    """Show the figures of RTL cores, or write a page with them.

    The page also tells what the cores would do behind a link. It is scaling.md, with a plot beside it, and needs the
    extra bench, and some seconds for the CPU path.
    """
    if write is None:
        synthesis.show_figures(figures.shipped())
        return
    synthesis.write_report(write, figures.shipped())


# -- build -----------------------------------------------------------------------------------------------------------


@bitstream.command()
@click.argument("kernel")
@click.option("--target", metavar="|".join(_TARGETS), required=True, help="What to build.")
@click.option("--board", metavar="BOARD", help="Board (aoc) or platform (v++).")
@click.option("--variant", metavar="NAME", help="Variant of the kernel; the best one if not given.")
@click.option(
    "--seed",
    metavar="N",
    type=int,
    default=flow.DEFAULT_SEED,
    show_default=True,
    help="Of placer and router (ecp5).",
)
@click.option("--report-only", is_flag=True, help="Show what is used and the clock, make no image (ecp5).")
@click.option(
    "--update-figures",
    is_flag=True,
    help="Measure clocks in simulation too, and write bitstreams/figures.toml.",
)
@click.option("--dry-run", is_flag=True, help="Print the exact commands and run nothing.")
@options.as_json
def build(
    kernel: str,
    *,
    target: str,
    board: str | None,
    variant: str | None,
    seed: int,
    report_only: bool,
    update_figures: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Build an image from a kernel folder, and list it.

    KERNEL is the folder, for example lz4; the list is your catalog. The target emulator needs nothing but the
    installed FPGA emulator. Those that begin with aoc need the Intel FPGA SDK for OpenCL, those that begin with vitis
    need AMD Vitis, and ecp5-85k needs the extra bitstream; there --variant names an RTL core, or is all.
    """
    if target not in _TARGETS:
        raise UsageError(f"unknown target {target!r}; legal ones are {', '.join(_TARGETS)}")
    manifest = sources.manifest_of(kernel)
    _refuse_options_of_others(
        target, board, {"seed": seed != flow.DEFAULT_SEED, "report-only": report_only, "update-figures": update_figures}
    )
    if target in flow.PARTS:
        if report_only and update_figures:
            raise UsageError("figures have the hash of the image, so --update-figures goes without --report-only")
        wishes = {"report_only": report_only, "update": update_figures, "as_json": as_json, "dry_run": dry_run}
        synthesis.build(manifest, variant, flow.PARTS[target], seed, **wishes)
        return
    with session.messages(as_json=as_json):
        if target == recipes.EMULATOR:
            _build_for_emulator(manifest, _candidates(manifest, variant, "fpga-emulator"), dry_run, as_json)
        else:
            wanted = recipes.TARGETS[target]
            chosen = _candidates(manifest, variant, wanted.kind, channels=wanted.tool is recipes.AOC)[0]
            _build_with_tool(wanted, manifest, chosen, board, dry_run=dry_run, as_json=as_json)


def _refuse_options_of_others(target: str, board: str | None, of_cores: dict[str, bool]) -> None:
    """Refuse what the target does not look at."""
    is_part = target in flow.PARTS
    if board and (is_part or target == recipes.EMULATOR):
        raise UsageError(f"the target {target} has no boards")
    given = [name for name, is_given in of_cores.items() if is_given]
    if given and not is_part:
        raise UsageError(f"--{given[0]} goes with {', '.join(flow.PARTS)} alone")


def _candidates(manifest: Manifest, wanted: str | None, kind: str, *, channels: bool = True) -> list[Variant]:
    if wanted is not None:
        return [sources.variant_of(manifest, wanted, kind)]
    return sources.variants_for(manifest, kind, channels=channels)


def _build_for_emulator(manifest: Manifest, candidates: list[Variant], dry_run: bool, as_json: bool) -> None:
    device_id = discovery.select("fpga-emulator")
    listed = discovery.listed(device_id)
    if dry_run:
        chosen = candidates[0]
        command = f"{manifest.name}/{chosen.name} ({chosen.source}) on {device_id}, {listed.identity.driver}"
        _show_commands([f"build in this process: {command}"], as_json)
        return
    content, chosen = _first_built(listed, manifest, candidates)
    image = formats.read(content)
    name = f"{manifest.name}-{chosen.name}-{hashlib.sha256(image.target.encode()).hexdigest()[:8]}.img"
    _add(content, image, name, manifest, chosen, as_json)


def _first_built(listed: Any, manifest: Manifest, candidates: list[Variant]) -> tuple[bytes, Variant]:
    disabled = switches.disabled()
    causes = []
    for variant in candidates:
        if variant.name in disabled:
            causes.append(f"{variant.name}: disabled by FPGA_ACCEL_DISABLE")
            continue
        try:
            return recipes.build_program(listed, manifest, variant), variant
        except BuildFailed as error:
            causes.append(f"{variant.name}: {error}")
            output.say(f"fpga-accel: {manifest.name}/{' '.join(causes[-1].split())}")
    raise BuildFailed(f"no variant of {manifest.name} builds: {'; '.join(causes)}", device=listed.identity.device)


def _build_with_tool(
    target: recipes.Target, manifest: Manifest, variant: Variant, board: str | None, *, dry_run: bool, as_json: bool
) -> None:
    made = recipes.recipe(target, manifest, variant, board, (config.cache_dir() / "images" / "work").absolute())
    if dry_run:
        _show_commands([shlex.join(command) for command in made.commands], as_json)
        return
    recipes.run(made)
    if target.format is None:
        _say_built(made.result, None, as_json)
        return
    content = made.result.read_bytes()
    _add(content, formats.read(content), made.result.name, manifest, variant, as_json)


def _add(content: bytes, image: Image, name: str, manifest: Manifest, variant: Variant, as_json: bool) -> None:
    source = sources.hash_of(manifest, variant)
    entry = catalog.entry_of(image, name, manifest.name, variant.name, source, tested=_UNTESTED)
    _say_built(catalog.add(content, entry), entry, as_json)


def _show_commands(commands: list[str], as_json: bool) -> None:
    if as_json:
        output.show_json({"commands": commands})
        return
    print("\n".join(commands))


def _say_built(file: Path, entry: Entry | None, as_json: bool) -> None:
    if as_json:
        output.show_json({"file": str(file)} | (asdict(entry) if entry else {}))
        return
    print(f"{file}: {entry.format} image for {entry.target}" if entry else f"{file}: report beside it")
