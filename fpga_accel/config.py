"""Settings and where each came from: argument > environment > config file > default."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

DEFAULTS: Mapping[str, str] = {
    "device": "auto",
    "fallback": "warn",
    "verify": "sampled",
    "routing": "auto",
    "timeout": "",
    "threads": "",
    "cache_dir": "",
    "log": "",
    "require": "",
    "disable": "",
}

FALLBACKS = ("allow", "warn", "never")
VERIFIES = ("never", "sampled", "always")
ROUTINGS = ("auto", "pinned")


class Setting(NamedTuple):
    """One value with its source: ``argument``, ``environment``, ``config file`` or ``default``."""

    name: str
    value: str
    source: str


def config_path() -> Path:
    """Return where the config file is looked for."""
    return Path(platformdirs.user_config_dir("fpga-accel", appauthor=False)) / "config.toml"


@cache
def _config_file() -> Mapping[str, Any]:
    path = config_path()
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        data = tomllib.load(file)
    unknown = sorted(set(data) - set(DEFAULTS))
    if unknown:
        raise ValueError(f"{path}: unknown settings {unknown}; legal ones are {sorted(DEFAULTS)}")
    return data


def setting(name: str) -> Setting:
    """Look one setting up in the environment, the config file and the defaults."""
    from_environment = os.environ.get(f"FPGA_ACCEL_{name.upper()}")
    if from_environment is not None:
        return Setting(name, from_environment, "environment")
    from_file = _config_file().get(name)
    if from_file is not None:
        return Setting(name, str(from_file), "config file")
    return Setting(name, DEFAULTS[name], "default")


def chosen(name: str, argument: object | None) -> Setting:
    """Return the argument where one was given, else what `setting` finds."""
    if argument is None:
        return setting(name)
    return Setting(name, str(argument), "argument")


def one_of(name: str, argument: object | None, legal: tuple[str, ...]) -> str:
    """Return a setting that must be one of `legal`."""
    found = chosen(name, argument)
    if found.value not in legal:
        raise ValueError(f"{name}={found.value!r} from {found.source}; legal values are {', '.join(legal)}")
    return found.value


def positive_number(name: str, argument: float | None) -> float | None:
    """Return a setting that is a number above 0, or None where it is not set."""
    found = chosen(name, argument)
    if found.value == "":
        return None
    try:
        number = float(found.value)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise ValueError(f"{name}={found.value!r} from {found.source}; it must be a number above 0")
    return number


def names(name: str) -> frozenset[str]:
    """Return a comma-separated setting as a set."""
    return frozenset(part.strip() for part in setting(name).value.split(",") if part.strip())


def cache_dir() -> Path:
    """Return the folder of cached programs and calibrations, without making it."""
    found = setting("cache_dir").value
    return Path(found) if found else Path(platformdirs.user_cache_dir("fpga-accel", appauthor=False))
