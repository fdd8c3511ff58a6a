"""Several operations as one."""

from __future__ import annotations

from functools import partial
from typing import Any

import lz4.frame
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fpga_accel import Accelerator
from fpga_accel.bench.works.work import KEY, KIB, Buffer, Call, Work


class CompressEncrypt(Work):
    """LZ4 frames, each encrypted with AES-256-GCM, in one chain."""

    name = "lz4.compress > aes-gcm.encrypt"
    operations = ("lz4.compress", "aes-gcm.encrypt")
    kinds = ("text", "binary")
    batches_of_all_kinds = True
    sizes = ()
    batches = ((4096, 16 * KIB),)
    has_ratio = True

    def many(self, acc: Accelerator, items: Any) -> Call | None:
        plan = acc.chain(*self.operations)
        return partial(plan.many, items, key=KEY, nonces=self.nonces_for(items))

    def is_right(self, index: int, part: Buffer, item: bytes) -> bool:
        frame = AESGCM(KEY).decrypt(self.nonce(index), part, None)
        return bool(lz4.frame.decompress(frame) == item)
