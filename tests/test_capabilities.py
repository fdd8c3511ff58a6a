"""What devices can do, as plain data."""

from __future__ import annotations

import json

import pytest
from conftest import Backend

import fpga_accel
from fpga_accel.errors import DeviceNotFoundError
from fpga_accel.operations import registry
from fpga_accel.runtime import manifests


def test_the_cpu_path_has_every_operation_and_no_kernel() -> None:
    found = fpga_accel.capabilities("cpu")
    assert found["device"] is None
    assert list(found["operations"]) == list(registry.OPERATIONS)
    assert [row.name for row in registry.OPERATIONS.values()] == list(registry.OPERATIONS)
    assert [row.name for row in registry.FORMATS.values()] == list(registry.FORMATS)
    for kernel in {row.kernel for row in registry.OPERATIONS.values()}:
        assert registry.of_kernel(kernel) == [row for row in registry.OPERATIONS.values() if row.kernel == kernel]
    assert not any(row["variants"] for row in found["operations"].values())


def test_it_is_plain_data(backend: Backend) -> None:
    found = fpga_accel.capabilities(backend.id)
    assert json.loads(json.dumps(found)) == found


@pytest.mark.kernels
def test_a_device_has_variants_for_every_operation(backend: Backend) -> None:
    found = fpga_accel.capabilities(backend.id)
    assert found["device"]["id"] == backend.id
    for row in found["operations"].values():
        known = [variant.name for variant in manifests.shipped(row["kernel"]).variants]
        assert row["variants"]
        assert set(row["variants"]) <= set(known)


@pytest.mark.kernels
def test_variants_that_are_switched_off_are_left_out(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    row = fpga_accel.capabilities(backend.id)["operations"]["lz4.compress"]
    if len(row["variants"]) < 2:
        pytest.skip("one variant at most")
    monkeypatch.setenv("FPGA_ACCEL_DISABLE", row["variants"][0])
    left = fpga_accel.capabilities(backend.id)["operations"]["lz4.compress"]
    assert left["variants"] == row["variants"][1:]


@pytest.mark.parametrize("name", registry.FORMATS)
def test_the_limits_of_levels_are_those_that_calls_keep(name: str) -> None:
    operation = registry.find("compress", name)
    level = operation.limits().get("level")
    if level is None:
        pytest.skip(f"{name} has no levels")
    for legal in (level["minimum"], level["maximum"]):
        operation.settings(level=legal)
    for beyond in (level["minimum"] - 1, level["maximum"] + 1):
        with pytest.raises(ValueError, match=str(beyond)):
            operation.settings(level=beyond)
    on_device = level.get("on_device", level)
    served = on_device.get("values") or range(on_device["minimum"], on_device["maximum"] + 1)
    for chosen in {level["minimum"], *range(-20, 30), level["maximum"]}:
        if level["minimum"] <= chosen <= level["maximum"]:
            assert (operation.unsupported(operation.settings(level=chosen)) is None) == (chosen in served)


@pytest.mark.parametrize("name", [name for name, row in registry.OPERATIONS.items() if row.op == "encrypt"])
def test_ciphers_tell_their_keys(name: str) -> None:
    assert registry.OPERATIONS[name].limits()["key_size"]


def test_an_unknown_device_is_an_error() -> None:
    with pytest.raises(DeviceNotFoundError, match="no-such-device"):
        fpga_accel.capabilities("no-such-device")
