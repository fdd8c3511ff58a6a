"""Lets ``pytest benchmarks --benchmark-only`` do what it says: the project's settings disable benchmarks elsewhere."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.option.benchmark_only:
        config.option.benchmark_disable = False
