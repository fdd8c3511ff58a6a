"""A span of OpenTelemetry for each call, through the extra ``otel``.

Only programs that import this module pay for it. Spans are made of receipts, so they hold no key material and no data.
"""

from __future__ import annotations

import time
from types import TracebackType

from opentelemetry import trace
from opentelemetry.util.types import AttributeValue

import fpga_accel
from fpga_accel.accelerator import Accelerator, default_accelerator
from fpga_accel.receipts import Receipt

_PREFIX = "fpga_accel"


class Spans:
    """Makes spans of the calls of an Accelerator until it is closed; also a context manager.

    A span begins and ends with its call, under the span that is current in the calling thread. Its name is that of the
    operation, such as ``lz4.compress``; its attributes are the fields of the receipt, ``fpga_accel.backend`` and so on.
    A call that raises has no receipt, and so no span of its own. Small calls take some microseconds more.

    Parameters
    ----------
    accelerator
        By default the one of the module-level functions.
    tracer_provider
        By default the global one.

    Examples
    --------
    >>> acc = Accelerator("cpu")
    >>> with Spans(acc):
    ...     frame = acc.compress(b"text")
    """

    def __init__(
        self, accelerator: Accelerator | None = None, tracer_provider: trace.TracerProvider | None = None
    ) -> None:
        self._tracer = trace.get_tracer(_PREFIX, fpga_accel.__version__, tracer_provider)
        self._end = (accelerator or default_accelerator()).subscribe(self._add)

    def __enter__(self) -> Spans:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Make no more spans."""
        self._end()

    def _add(self, receipt: Receipt) -> None:
        began = time.time_ns() - int((time.perf_counter() - receipt.started) * 1e9)
        name = f"{receipt.algorithm}.{receipt.op}"
        span = self._tracer.start_span(name, start_time=began, attributes=_attributes(receipt))
        span.end(began + int(receipt.seconds.total * 1e9))


def _attributes(receipt: Receipt) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {
        f"{_PREFIX}.op": receipt.op,
        f"{_PREFIX}.algorithm": receipt.algorithm,
        f"{_PREFIX}.bytes_in": receipt.bytes_in,
        f"{_PREFIX}.bytes_out": receipt.bytes_out,
        f"{_PREFIX}.items": receipt.items,
        f"{_PREFIX}.backend": receipt.backend,
        f"{_PREFIX}.variant": receipt.variant,
        f"{_PREFIX}.reason": receipt.reason.value,
        f"{_PREFIX}.fallback": receipt.fallback,
        f"{_PREFIX}.verified": receipt.verified,
        f"{_PREFIX}.segments": receipt.segments,
    }
    if receipt.device is not None:
        found[f"{_PREFIX}.device"] = receipt.device
        found |= {f"{_PREFIX}.seconds.{stage}": seconds for stage, seconds in receipt.seconds.items()}
    return found
