"""Counts of Accelerators as Prometheus metrics, through the extra ``metrics``.

Nothing here is imported or registered unless a program does so::

    import prometheus_client
    from fpga_accel.metrics import Collector

    prometheus_client.REGISTRY.register(Collector())
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector as _Collector

from fpga_accel.accelerator import Accelerator, default_accelerator

_PREFIX = "fpga_accel"

_HELP: Mapping[str, str] = MappingProxyType(
    {
        "calls": "Calls that ended with a receipt.",
        "items": "Items of these calls; a call for one buffer has one.",
        "bytes_in": "Bytes of their inputs.",
        "bytes_out": "Bytes of their results.",
        "segments": "Rows launched on devices.",
        "fallbacks": "Calls that ran on the CPU because the device could not do them.",
        "verified": "Calls whose output, or part of it, was compared with the CPU path.",
        "backend": "Calls by where they ran.",
        "reason": "Calls by why they ran there.",
        "failures": "Failures of devices by kind.",
        "calibrations": "Cases that were timed on the device and on the CPU.",
        "probes": "Calls that were done by the other candidate too, to compare.",
        "corrections": "Estimates that probes corrected.",
    }
)
# Counts whose names have two parts, such as "reason.faster": name of the metric, and of the label.
_LABELLED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "backend": ("calls_by_backend", "backend"),
        "reason": ("calls_by_reason", "reason"),
        "failures": ("failures", "kind"),
    }
)


class Collector(_Collector):
    """Hands `Accelerator.stats` to Prometheus when it is scraped; calls themselves cost nothing more.

    Parameters
    ----------
    accelerators
        Those to count, by the value of the label ``accelerator``; by default the one of the module-level functions,
        as ``"default"``. They must be counted by one Collector: a registry takes each name once.

    Examples
    --------
    >>> from prometheus_client import CollectorRegistry
    >>> registry, acc = CollectorRegistry(), Accelerator("cpu")
    >>> registry.register(Collector({"storage": acc}))
    >>> frame = acc.compress(b"text")
    >>> registry.get_sample_value("fpga_accel_bytes_in_total", {"accelerator": "storage"})
    4
    """

    def __init__(self, accelerators: Mapping[str, Accelerator] | None = None) -> None:
        self._accelerators = dict(accelerators or {"default": default_accelerator()})

    def describe(self) -> Iterable[CounterMetricFamily]:
        """Return the metrics that there always are, without values."""
        return [_family(name) for name in _HELP]

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield every count of every Accelerator."""
        families: dict[str, CounterMetricFamily] = {}
        for title, accelerator in self._accelerators.items():
            for key, value in sorted(accelerator.stats().items()):
                name, _, part = key.partition(".")
                family = families.setdefault(name, _family(name, labelled=bool(part)))
                family.add_metric([title, part] if part else [title], value)
        yield from families.values()


def _family(name: str, *, labelled: bool = False) -> CounterMetricFamily:
    metric, label = _LABELLED.get(name, (name, "kind"))
    labels = ["accelerator", label] if labelled or name in _LABELLED else ["accelerator"]
    return CounterMetricFamily(f"{_PREFIX}_{metric}", _HELP.get(name, f"Count of {name}."), labels=labels)
