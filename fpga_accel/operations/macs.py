"""What all message authentication codes share: one row an item with its key, and the tag as its result."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from fpga_accel.backends import Trial
from fpga_accel.backends.cpu import Workers
from fpga_accel.operations.buffers import BytesSink, Flat, Items
from fpga_accel.operations.ciphers import CipherOptions, KeysOperation, spaced
from fpga_accel.operations.contract import Errors, Job, RowInput, RowOutput, Run, periodic, require_success, trial_of
from fpga_accel.operations.digests import ordered
from fpga_accel.operations.keyed import Record, Texts, keyed_launch, require_rows, rows_of_whole


class MacOperation(KeysOperation):
    """A message authentication code."""

    op = "mac"
    library = "cryptography"
    # One message is serial: a device wins with many of them, never with one.
    small = 1 << 62
    nonce_sizes = range(1)
    # Bytes of the tag.
    size: ClassVar[int]
    # Bytes that one step takes.
    block: ClassVar[int]

    @abstractmethod
    def tagged(self, data: Flat, key: Any, nonce: Any) -> bytes:
        """Return the tag of `data` by the CPU library; `nonce` is None where it takes none."""

    @property
    def takes_nonce(self) -> bool:
        """Whether every message needs a nonce."""
        return self.nonce_sizes[-1] > 0

    def result_size(self, options: CipherOptions) -> int:
        return self.size

    def single(self, key: Any, nonce: Any, aad: Any, own: Mapping[str, Any] = MappingProxyType({})) -> CipherOptions:
        made = super().single(key, nonce, aad, own)
        self._require_nonces(made)
        return made

    def _require_nonces(self, options: CipherOptions) -> None:
        if options.nonces is None and self.takes_nonce:
            raise ValueError(f"{self.algorithm} needs a nonce for every message")

    def _check(self, options: CipherOptions, count: int) -> None:
        self._require_nonces(options)
        if options.nonces is not None and not self.takes_nonce:
            raise ValueError(f"{self.algorithm} takes no nonce")
        super()._check(options, count)

    def on_cpu(self, data: Flat, options: CipherOptions, index: int, workers: Workers) -> bytes:
        nonce = None if options.nonces is None else options.nonces[index]
        return self.tagged(data, options.keys[options.key_position(index)], nonce)

    def library_call(self, data: Flat, *arguments: Any) -> bytes | None:
        key, nonce = arguments
        if type(key) is not bytes or len(key) not in self.key_sizes or (nonce is None) == self.takes_nonce:
            return None
        try:
            return self.tagged(data, key, nonce)
        except (TypeError, ValueError, BufferError):
            return None

    def on_device(self, job: Job[CipherOptions], run: Run) -> Errors:
        items, options = job.items, job.options
        require_rows(items.sizes)
        count = len(items)
        nonces = options.nonce_items() or spaced(0, min(1, count), 0, 0, None)
        targets = job.sink.allocate(np.full(count, self.size, np.uint64))
        table, params = rows_of_whole(Texts(items.addresses, targets, items.sizes, nonces), options, 0, 0)
        table["dst_capacity"] = self.size
        require_success(self, run(keyed_launch(self, ordered(table), params, options, (job, nonces))))
        return {}

    def emulate(self, row: RowInput) -> RowOutput:
        record = Record.of(row)
        return RowOutput(self.tagged(row.src, record.key, record.nonce if self.takes_nonce else None))

    def trial(self) -> Trial:
        block, legal = self.block, self.key_sizes
        sizes = sorted({0, 1, *(n * block + more for n in (1, 2, 4) for more in range(-20, 2)), 16 * block + 3, 4096})
        texts: Sequence[bytes] = [periodic(size) for size in sizes if size >= 0]
        lengths = legal if isinstance(legal, tuple) else [n for n in (0, 1, block - 1, block, block + 1) if n in legal]
        keys = [(bytes(range(i, 251)) * 9)[: lengths[i % len(lengths)]] for i in range(len(texts))]
        nonces = [bytes([i]) * self.nonce_sizes[-1] for i in range(len(texts))] if self.takes_nonce else None
        return trial_of(self, Job(Items.of(texts), CipherOptions(keys, nonces), BytesSink(len(texts))))

    def sample(self, count: int, nbytes: int, kind: str) -> tuple[list[bytes], CipherOptions]:
        key = bytes(self.key_sizes[-1] if isinstance(self.key_sizes, tuple) else 32)
        nonces = [bytes(self.nonce_sizes[-1])] * count if self.takes_nonce else None
        return [b"\x55" * nbytes] * count, CipherOptions([key], nonces)
