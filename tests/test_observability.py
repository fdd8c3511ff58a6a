"""What others see of calls: observers, Prometheus metrics, OpenTelemetry spans, and no output of our own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import children
import pytest

import fpga_accel as fa
from fpga_accel.testing import FaultyDevice

TEXT = b"".join(b"row %d of a table\n" % number for number in range(30_000))


@pytest.fixture
def cpu() -> Iterator[fa.Accelerator]:
    with fa.Accelerator("cpu") as acc:
        yield acc


# ---- observers ----


def test_an_observer_is_told_of_every_call_until_it_ends(cpu: fa.Accelerator) -> None:
    seen: list[fa.Receipt] = []
    cpu.compress(b"before")
    end = cpu.subscribe(seen.append)
    with cpu.trace() as trace:
        cpu.compress(b"small")
        cpu.compress(TEXT)
        cpu.compress_many([b"a", b"b"])
    cpu.checksum(b"behind the trace")
    end()
    cpu.compress(b"after")
    end()
    assert [(each.op, each.bytes_in, each.items) for each in seen] == [
        ("compress", 5, 1),
        ("compress", len(TEXT), 1),
        ("compress", 2, 2),
        ("checksum", 16, 1),
    ]
    assert trace.receipts == seen[:3]
    assert cpu.stats()["calls"] == 6


def test_an_observer_is_called_in_the_thread_of_the_call_and_may_call_back(cpu: fa.Accelerator) -> None:
    seen: list[tuple[int, int]] = []

    def observe(receipt: fa.Receipt) -> None:
        assert cpu.last_receipt == receipt
        assert cpu.stats()["calls"]
        seen.append((receipt.thread, threading.get_ident()))

    end = cpu.subscribe(observe)
    threads = [threading.Thread(target=cpu.compress, args=(b"text",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    end()
    assert len(seen) == 8
    assert all(stated == actual != threading.get_ident() for stated, actual in seen)


def test_an_observer_that_fails_is_logged_and_the_call_is_not(
    cpu: fa.Accelerator, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(receipt: fa.Receipt) -> None:
        raise ZeroDivisionError

    seen: list[fa.Receipt] = []
    for observer in (fail, seen.append):
        cpu.subscribe(observer)
    assert fa.decompress(cpu.compress(b"text")) == b"text"
    assert len(seen) == 1
    assert "an observer of receipts failed" in caplog.text


# ---- Prometheus ----


def test_metrics_are_the_stats() -> None:
    prometheus = pytest.importorskip("prometheus_client", reason="the extra metrics is not installed")
    from fpga_accel.metrics import Collector

    registry = prometheus.CollectorRegistry()
    with fa.Accelerator("cpu") as one, fa.Accelerator(FaultyDevice("run", every=2), fallback="allow") as two:
        registry.register(Collector({"one": one, "two": two}))
        with pytest.raises(ValueError, match="Duplicated"):
            registry.register(Collector({"three": one}))
        one.compress(b"text")
        for _ in range(4):
            two.encrypt(b"text", bytes(16))

        def value(name: str, **labels: str) -> float | None:
            found: float | None = registry.get_sample_value(f"fpga_accel_{name}_total", labels)
            return found

        assert value("bytes_in", accelerator="one") == 4
        assert value("calls", accelerator="two") == 4
        assert value("calls_by_backend", accelerator="two", backend="opencl") == 2
        assert value("calls_by_reason", accelerator="two", reason="device_failed") == 2
        assert value("failures", accelerator="two", kind="device_failed") == two.stats()["failures.device_failed"] == 2
        assert value("fallbacks", accelerator="two") == 2
        text = prometheus.generate_latest(registry).decode()
    assert text.count("# TYPE fpga_accel_calls_total counter") == 1
    assert 'fpga_accel_calls_by_backend_total{accelerator="one",backend="cpu"} 1.0' in text
    from prometheus_client.parser import text_string_to_metric_families

    parsed = list(text_string_to_metric_families(text))
    assert len({family.name for family in parsed}) == len(parsed)


# ---- OpenTelemetry ----


def test_a_span_for_each_call() -> None:
    pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from fpga_accel.integrations.otel import Spans

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    key = b"\xa5" * 32
    with fa.Accelerator("cpu") as cpu, fa.Accelerator(FaultyDevice()) as device:
        with Spans(cpu, provider), Spans(device, provider), provider.get_tracer("test").start_as_current_span("outer"):
            cpu.compress(b"small")
            device.encrypt(TEXT, key)
        cpu.compress(b"later")
    small, large, outer = exporter.get_finished_spans()
    assert (small.name, large.name, outer.name) == ("lz4.compress", "aes-gcm.encrypt", "outer")
    for span in (small, large):
        assert span.parent is not None
        assert span.parent.span_id == outer.context.span_id
        times = (outer.start_time, span.start_time, span.end_time, outer.end_time)
        began, started, ended, finished = (each or 0 for each in times)
        assert began - 1_000_000 < started <= ended < finished + 1_000_000
    attributes: dict[str, Any] = dict(large.attributes or {})
    receipt = device.last_receipt
    assert receipt is not None
    assert attributes["fpga_accel.bytes_in"] == len(TEXT)
    assert attributes["fpga_accel.device"] == receipt.device
    assert attributes["fpga_accel.seconds.total"] == receipt.seconds.total
    assert attributes["fpga_accel.reason"] == "asked"
    assert "fpga_accel.device" not in (small.attributes or {})
    assert key.hex() not in large.to_json()


# ---- nothing unasked ----


def test_importing_prints_nothing_sets_up_no_logging_and_loads_no_extra() -> None:
    out, err = children.run(
        """
        import logging, sys
        import fpga_accel as fa
        fa.decompress(fa.compress(b"text"))
        assert not logging.getLogger().handlers
        named = [name for name in logging.Logger.manager.loggerDict if name.startswith("fpga_accel")]
        assert named
        for name in named:
            assert not logging.getLogger(name).handlers and logging.getLogger(name).level == logging.NOTSET
        assert not [name for name in sys.modules if name.startswith(("opentelemetry", "prometheus"))]
        """
    )
    assert (out, err) == ("", "")
