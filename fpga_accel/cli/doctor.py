"""``fpga-accel doctor``."""

from __future__ import annotations

from dataclasses import asdict

import click
from click.exceptions import Exit

from fpga_accel.cli import checks, failures, options, output


@click.command()
@options.as_json
def doctor(as_json: bool) -> None:
    """Check the installation, and show every setting.

    Checked are the OpenCL loader, its runtimes and devices, too; settings are shown with their sources.

    Exit codes: 0 all is well, 3 there is no usable device, 1 anything else failed.
    """
    findings = list(checks.run())
    usable = any(finding.check == checks.DEVICE and finding.result == checks.PASS for finding in findings)
    failed = any(finding.result == checks.FAIL for finding in findings)
    exit_code = failures.FAILED if failed else 0
    if not usable:
        exit_code = failures.NO_DEVICE
    if as_json:
        output.show_json({"ok": exit_code == 0, "findings": [asdict(finding) for finding in findings]})
    else:
        _show(findings)
    if exit_code:
        raise Exit(exit_code)


def _show(findings: list[checks.Finding]) -> None:
    rows = [(finding.check, finding.result, finding.subject, finding.detail) for finding in findings]
    output.show_table(("check", "result", "subject", "detail"), rows)
    fixes = dict.fromkeys(f"{finding.subject}: {finding.fix}" for finding in findings if finding.fix)
    if fixes:
        print("\nTo fix:")
        for fix in fixes:
            print(f"  {fix}")
