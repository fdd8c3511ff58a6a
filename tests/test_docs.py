"""The Markdown files: links lead to files that exist, and the README's example runs as it is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (".", "benchmarks", "bitstreams", "docs", "host", "kernels", "tests")
# [text](target), but no picture's title and nothing with a scheme.
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    found = {path for folder in FOLDERS for path in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")}
    assert found
    return sorted(found)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [target.partition("#")[0] for target in LINK.findall(text) if "://" not in target]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


def test_example_of_the_readme_runs(tmp_path: Path) -> None:
    examples = EXAMPLE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(examples) == 1
    done = subprocess.run(
        [sys.executable, "-c", examples[0]],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "FPGA_ACCEL_DEVICE"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{sum(len(f'row {number} of a table ') for number in range(50_000))} ")
    assert "Receipt(op='decompress'" in done.stdout
