"""The Accelerator that a command works with, and what the library says meanwhile."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fpga_accel import config
from fpga_accel.accelerator import Accelerator
from fpga_accel.cli.options import Where
from fpga_accel.errors import FallbackWarning

_LEVELS = ("debug", "info", "warning", "error", "critical")


@contextmanager
def accelerator(where: Where, *, as_json: bool) -> Iterator[Accelerator]:
    """Open the Accelerator of a command."""
    with (
        messages(as_json=as_json),
        Accelerator(
            where.device,
            fallback=where.fallback,
            verify=where.verify,
            threads=where.threads,
            timeout=where.timeout,
        ) as made,
    ):
        yield made


@contextmanager
def messages(*, as_json: bool) -> Iterator[None]:
    """Show fallback warnings, each once, and the log at the level that FPGA_ACCEL_LOG names."""
    logger = logging.getLogger("fpga_accel")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("fpga-accel: %(levelname)s: %(name)s: %(message)s"))
    level_before = logger.level
    logger.setLevel(_log_level())
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            _show_fallback_warnings(as_json)
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level_before)


def _log_level() -> int:
    found = config.setting("log")
    # Fallbacks are shown as warnings already, so by default the log is silent about them.
    name = found.value.lower() or "error"
    if name not in _LEVELS:
        raise ValueError(f"log={found.value!r} from {found.source}; legal values are {', '.join(_LEVELS)}")
    return int(getattr(logging, name.upper()))


def _show_fallback_warnings(as_json: bool) -> None:
    shown: set[str] = set()
    show_others = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if not issubclass(category, FallbackWarning):
            show_others(message, category, *where, **more)
            return
        text = " ".join(str(message).split())
        if text not in shown:
            shown.add(text)
            print(json.dumps({"warning": text}) if as_json else f"fpga-accel: warning: {text}", file=sys.stderr)

    warnings.simplefilter("always", FallbackWarning)
    warnings.showwarning = show
