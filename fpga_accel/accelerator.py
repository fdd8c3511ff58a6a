"""The Accelerator: the public calls. It validates arguments and hands each call to the executor."""

from __future__ import annotations

import operator
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache, partial
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from fpga_accel import config, jobs
from fpga_accel._objects import Direct, DirectMany
from fpga_accel.batch import Batch
from fpga_accel.errors import BatchError, InvalidTag
from fpga_accel.execution import Executor, few_of_batch, listed
from fpga_accel.operations import registry
from fpga_accel.operations.buffers import flat, flat_writable
from fpga_accel.operations.contract import Operation
from fpga_accel.planning import Wanted
from fpga_accel.receipts import Receipt, Trace
from fpga_accel.routing import Calibration, Plan

if TYPE_CHECKING:
    from fpga_accel.chains import Chain


class Accelerator:
    """Runs compression and encryption on a device or on the CPU, and says which.

    Parameters
    ----------
    device
        ``"auto"``, ``"cpu"``, a class (``"opencl"``, ``"fpga"``, ``"fpga-emulator"``, ``"gpu"``, ``"rtl"``), an
        index, an id or a part of a name from `fpga_accel.devices`, or an object with ``open_backend()``. A list of
        these (or names with commas between) is worked on by all of them at once, each as fast as it is; ``"cpu"`` in
        it adds the CPU libraries.
    fallback
        What happens when the device that was chosen or asked for cannot do the work: ``"allow"`` runs on the CPU,
        ``"warn"`` also warns, ``"never"`` raises `FallbackDisabledError`.
    verify
        ``"always"`` compares everything a device wrote with the CPU path, ``"sampled"`` some of it in at most 2 %
        of the time, ``"never"`` nothing.
    timeout
        Seconds a launch may take; by default 120 s and more for large work.
    threads
        Threads of the CPU path; by default one a core. Jobs add none: those of them that the CPU does take turns, so
        that no more than so many threads work on jobs and on parts of large calls.
    allow_reprogram
        Whether an FPGA card may be loaded with another image while this process uses the one it holds.
    routing
        How ``device="auto"`` chooses. ``"auto"`` times both candidates once there is enough work, keeps the timings in
        the cache, and probes whether they still hold. ``"pinned"`` takes what is in the cache, or the CPU for what has
        not been timed: it times nothing, so that the same calls run at the same place every time.
    queue_depth
        Jobs that may wait; `submit` blocks while there are so many.

    Raises
    ------
    DeviceNotFoundError
        The device is unknown or ambiguous, or its class is absent under ``fallback="never"``.

    Examples
    --------
    >>> with Accelerator("cpu") as acc:
    ...     frame = acc.compress(b"abc" * 1000)
    ...     acc.decompress(frame) == b"abc" * 1000, acc.last_receipt.backend
    (True, 'cpu')
    """

    def __init__(
        self,
        device: Wanted | Sequence[Wanted] | None = None,
        *,
        fallback: str | None = None,
        verify: str | None = None,
        timeout: float | None = None,
        threads: int | None = None,
        allow_reprogram: bool = False,
        routing: str | None = None,
        queue_depth: int = jobs.QUEUE_DEPTH,
    ) -> None:
        if queue_depth < 1:
            raise ValueError(f"queue_depth={queue_depth}; it must be 1 or more")
        wanted_threads = config.positive_number("threads", threads)
        self._executor = Executor(
            _device_setting(device),
            fallback=config.one_of("fallback", fallback, config.FALLBACKS),
            verify=config.one_of("verify", verify, config.VERIFIES),
            timeout=config.positive_number("timeout", timeout),
            threads=int(wanted_threads) if wanted_threads else None,
            allow_reprogram=allow_reprogram,
            routing=config.one_of("routing", routing, config.ROUTINGS),
        )
        # The short ways to the libraries: every call of one item tries its own first.
        self._compresses = _Direct(self._executor, "compress")
        self._compresses_at_level = _DirectAtLevel(self._executor, "compress")
        self._decompresses = _Direct(self._executor, "decompress")
        self._encrypts = _Direct(self._executor, "encrypt")
        self._decrypts = _Direct(self._executor, "decrypt")
        self._checksums = _Direct(self._executor, "checksum")
        self._digests = _Direct(self._executor, "digest")
        self._macs = _Direct(self._executor, "mac")
        # The same for many items.
        self._compresses_many = _DirectMany(self._executor, "compress")
        self._decompresses_many = _DirectMany(self._executor, "decompress")
        self._encrypts_many = _DirectMany(self._executor, "encrypt")
        self._decrypts_many = _DirectMany(self._executor, "decrypt")
        self._checksums_many = _DirectMany(self._executor, "checksum")
        self._digests_many = _DirectMany(self._executor, "digest")
        self._macs_many = _DirectMany(self._executor, "mac")
        self._compresses_into = _DirectInto(self._executor, "compress")
        self._compresses_into_at_level = _DirectIntoAtLevel(self._executor, "compress")
        self._decompresses_into = _DirectInto(self._executor, "decompress")
        self._encrypts_into = _DirectInto(self._executor, "encrypt")
        self._decrypts_into = _DirectInto(self._executor, "decrypt")
        self._digests_into = _DirectInto(self._executor, "digest")
        self._macs_into = _DirectInto(self._executor, "mac")
        job_threads = self._executor.threads + jobs.DEVICE_WAITERS * self._executor.planner.uses_devices
        self._jobs = jobs.Jobs(self._executor.ledger, job_threads, queue_depth)

    # -- life ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self, *, cancel_jobs: bool = False) -> None:
        """Finish all jobs, or cancel those that wait, and end the threads; from then on `submit` is an error.

        Devices stay open for other Accelerators of the process.
        """
        self._jobs.close(cancel=cancel_jobs)
        self._executor.close()

    def __repr__(self) -> str:
        return f"Accelerator({self._executor.describe()})"

    # -- compression ----------------------------------------------------------------------------------------------

    def compress(
        self,
        data: Any,
        format: str = "lz4",
        *,
        level: int | None = None,
        block_size: int | None = None,
        **options: Any,
    ) -> bytes:
        """Compress one buffer into a standard frame.

        Parameters
        ----------
        data
            Any C-contiguous buffer, counted in bytes.
        format
            A format of ``registry.algorithms("compress")``.
        level, block_size, options
            What the format offers: `fpga_accel.capabilities` tells the limits of each.

        Returns
        -------
        bytes

        Raises
        ------
        ValueError
            Unknown format, or an illegal level or block size; the message lists the legal ones.
        TypeError, BufferError
            `data` is a `str`, no buffer, or not contiguous.
        """
        if block_size is None and not options:
            told = () if level is None else (level,)
            ways = self._compresses_at_level if told else self._compresses
            result: bytes | None = ways[format](data, *told)
            if result is not None:
                return result
        operation = registry.find("compress", format)
        settings = operation.settings(level=level, block_size=block_size, **options)
        return self._executor.one(operation, settings, flat(data))

    def compress_into(
        self,
        data: Any,
        out: Any,
        format: str = "lz4",
        *,
        level: int | None = None,
        block_size: int | None = None,
        **options: Any,
    ) -> int:
        """Compress into a writable buffer and return the bytes written.

        Raises
        ------
        BufferTooSmallError
            ``.needed`` bytes would do; `compress_bound` always does.
        """
        if block_size is None and not options:
            told = () if level is None else (level,)
            ways = self._compresses_into_at_level if told else self._compresses_into
            written = ways[format](data, out, *told)
            if written is not None:
                return int(written)
        operation = registry.find("compress", format)
        settings = operation.settings(level=level, block_size=block_size, **options)
        return self._executor.into(operation, settings, flat(data), flat_writable(out))

    @overload
    def compress_many(
        self,
        items: Batch,
        format: str = "lz4",
        *,
        level: int | None = None,
        block_size: int | None = None,
        return_exceptions: bool = False,
        **options: Any,
    ) -> Batch: ...
    @overload
    def compress_many(
        self,
        items: Sequence[Any],
        format: str = "lz4",
        *,
        level: int | None = None,
        block_size: int | None = None,
        return_exceptions: bool = False,
        **options: Any,
    ) -> list[Any]: ...
    def compress_many(
        self,
        items: Sequence[Any],
        format: str = "lz4",
        *,
        level: int | None = None,
        block_size: int | None = None,
        return_exceptions: bool = False,
        **options: Any,
    ) -> list[Any] | Batch:
        """Compress each buffer into a frame of its own, in one launch; a Batch to a Batch."""
        if level is None and block_size is None and not options:
            results: list[Any] | Batch | None = self._compresses_many[format](items)
            if results is not None:
                return results
        operation = registry.find("compress", format)
        settings = operation.settings(level=level, block_size=block_size, **options)
        return self._many(operation, items, settings, return_exceptions)

    def compress_bound(self, nbytes: int, format: str = "lz4") -> int:
        """Return a size that every result of `compress` for `nbytes` bytes fits into."""
        registry.find("compress", format)
        if nbytes < 0:
            raise ValueError(f"nbytes is {nbytes}; it must not be negative")
        return registry.FORMATS[format].bound(nbytes)

    def decompress(self, data: Any, format: str | None = None, *, max_output: int | None = None) -> bytes:
        """Decompress all joined frames of one buffer.

        Parameters
        ----------
        data
            Any C-contiguous buffer.
        format
            None tells it by the magic number.
        max_output
            Most bytes to produce.

        Raises
        ------
        FormatError, TruncatedError, IntegrityError
            Malformed input, input that ends early, a wrong checksum.
        OutputLimitError
            The content is larger than `max_output`.
        """
        format = format or _format_of(data)
        if max_output is None:
            result: bytes | None = self._decompresses[format](data)
            if result is not None:
                return result
        operation = registry.find("decompress", format)
        return self._executor.one(operation, operation.settings(max_output=max_output), flat(data))

    def decompress_into(self, data: Any, out: Any, format: str | None = None, *, max_output: int | None = None) -> int:
        """Decompress into a writable buffer and return the bytes written."""
        format = format or _format_of(data)
        if max_output is None:
            written = self._decompresses_into[format](data, out)
            if written is not None:
                return int(written)
        operation = registry.find("decompress", format)
        return self._executor.into(operation, operation.settings(max_output=max_output), flat(data), flat_writable(out))

    @overload
    def decompress_many(
        self,
        items: Batch,
        format: str | None = None,
        *,
        max_output: int | None = None,
        return_exceptions: bool = False,
    ) -> Batch: ...
    @overload
    def decompress_many(
        self,
        items: Sequence[Any],
        format: str | None = None,
        *,
        max_output: int | None = None,
        return_exceptions: bool = False,
    ) -> list[Any]: ...
    def decompress_many(
        self,
        items: Sequence[Any],
        format: str | None = None,
        *,
        max_output: int | None = None,
        return_exceptions: bool = False,
    ) -> list[Any] | Batch:
        """Decompress each buffer, a Batch to a Batch; `max_output` counts for each.

        One format for all: None takes the first's.
        """
        if format is None:
            format = _format_of(items[0]) if len(items) else "lz4"
        if max_output is None:
            results: list[Any] | Batch | None = self._decompresses_many[format](items)
            if results is not None:
                return results
        operation = registry.find("decompress", format)
        return self._many(operation, items, operation.settings(max_output=max_output), return_exceptions)

    # -- encryption -----------------------------------------------------------------------------------------------

    def encrypt(
        self, data: Any, key: Any, cipher: str = "aes-gcm", *, nonce: Any = None, aad: Any = b"", **options: Any
    ) -> bytes:
        """Encrypt one buffer.

        Parameters
        ----------
        data, key
            Buffers; the key's size picks AES-128, 192 or 256.
        cipher
            ``"aes-gcm"`` or ``"aes-ctr"``.
        nonce
            GCM: 8 to 128 bytes; CTR: the 16-byte initial counter block. It is used and is not in the result.
            None makes a random one, in front of the result.
        aad
            Associated data of GCM.
        options
            What the cipher offers beside these, such as ``padding=None`` of aes-cbc.

        Returns
        -------
        bytes
            [nonce ‖] ciphertext [‖ 16-byte tag].

        Examples
        --------
        >>> acc = Accelerator("cpu")
        >>> sealed = acc.encrypt(b"text", bytes(32), aad=b"header")
        >>> acc.decrypt(sealed, bytes(32), aad=b"header")
        b'text'
        """
        if not options:
            result: bytes | None = self._encrypts[cipher](data, key, nonce, aad)
            if result is not None:
                return result
        operation = registry.cipher("encrypt", cipher)
        return self._executor.one(operation, operation.single(key, nonce, aad, options), flat(data))

    def decrypt(
        self, data: Any, key: Any, cipher: str = "aes-gcm", *, nonce: Any = None, aad: Any = b"", **options: Any
    ) -> bytes:
        """Decrypt what `encrypt` made; nothing is released before the tag is checked.

        Raises
        ------
        InvalidTag
            Wrong key, nonce, associated data or ciphertext.
        """
        if not options:
            result: bytes | None = self._decrypts[cipher](data, key, nonce, aad)
            if result is not None:
                return result
        operation = registry.cipher("decrypt", cipher)
        return self._executor.one(operation, operation.single(key, nonce, aad, options), flat(data))

    def encrypt_into(
        self,
        data: Any,
        out: Any,
        key: Any,
        cipher: str = "aes-gcm",
        *,
        nonce: Any = None,
        aad: Any = b"",
        **options: Any,
    ) -> int:
        """Encrypt into a writable buffer and return the bytes written; arguments as in `encrypt`."""
        if not options:
            written = self._encrypts_into[cipher](data, out, key, nonce, aad)
            if written is not None:
                return int(written)
        operation = registry.cipher("encrypt", cipher)
        settings = operation.single(key, nonce, aad, options)
        return self._executor.into(operation, settings, flat(data), flat_writable(out))

    def decrypt_into(
        self,
        data: Any,
        out: Any,
        key: Any,
        cipher: str = "aes-gcm",
        *,
        nonce: Any = None,
        aad: Any = b"",
        **options: Any,
    ) -> int:
        """Decrypt into a writable buffer, which is wiped when the tag is wrong."""
        if not options:
            try:
                written = self._decrypts_into[cipher](data, out, key, nonce, aad)
            except InvalidTag:
                # The planned way finds it once more, and wipes the buffer.
                written = None
            if written is not None:
                return int(written)
        operation = registry.cipher("decrypt", cipher)
        settings = operation.single(key, nonce, aad, options)
        return self._executor.into(operation, settings, flat(data), flat_writable(out))

    @overload
    def encrypt_many(
        self,
        items: Batch,
        key: Any,
        cipher: str = "aes-gcm",
        *,
        nonces: Sequence[Any] | npt.NDArray[Any] | None = None,
        aads: Sequence[Any] | None = None,
        return_exceptions: bool = False,
        **options: Any,
    ) -> Batch: ...
    @overload
    def encrypt_many(
        self,
        items: Sequence[Any],
        key: Any,
        cipher: str = "aes-gcm",
        *,
        nonces: Sequence[Any] | npt.NDArray[Any] | None = None,
        aads: Sequence[Any] | None = None,
        return_exceptions: bool = False,
        **options: Any,
    ) -> list[Any]: ...
    def encrypt_many(
        self,
        items: Sequence[Any],
        key: Any,
        cipher: str = "aes-gcm",
        *,
        nonces: Sequence[Any] | npt.NDArray[Any] | None = None,
        aads: Sequence[Any] | None = None,
        return_exceptions: bool = False,
        **options: Any,
    ) -> list[Any] | Batch:
        """Encrypt each buffer in one launch; a Batch to a Batch.

        Parameters
        ----------
        items
            A list of buffers, or a Batch.
        key
            One for all, or a list.
        nonces, aads
            A list or a Batch with one an item; nonces may be the rows of a two-dimensional array, and one of `aads`
            may be for all.
        return_exceptions
            Whether errors of single items are returned: in the list, or as `Batch.errors`.

        Examples
        --------
        >>> acc, batch = Accelerator("cpu"), Batch(b"onetwo", [0, 3, 6])
        >>> sealed = acc.encrypt_many(batch, bytes(32), nonces=np.arange(24, dtype=np.uint8).reshape(2, 12))
        >>> sealed
        Batch(2 items, 38 bytes)
        """
        if aads is None and not options:
            results: list[Any] | Batch | None = self._encrypts_many[cipher](items, listed(key), listed(nonces))
            if results is not None:
                return results
        operation = registry.find("encrypt", cipher)
        settings = _batch_options(operation, len(items), key, nonces, aads, options)
        return self._many(operation, items, settings, return_exceptions)

    @overload
    def decrypt_many(
        self,
        items: Batch,
        key: Any,
        cipher: str = "aes-gcm",
        *,
        nonces: Sequence[Any] | npt.NDArray[Any] | None = None,
        aads: Sequence[Any] | None = None,
        return_exceptions: bool = False,
        **options: Any,
    ) -> Batch: ...
    @overload
    def decrypt_many(
        self,
        items: Sequence[Any],
        key: Any,
        cipher: str = "aes-gcm",
        *,
        nonces: Sequence[Any] | npt.NDArray[Any] | None = None,
        aads: Sequence[Any] | None = None,
        return_exceptions: bool = False,
        **options: Any,
    ) -> list[Any]: ...
    def decrypt_many(
        self,
        items: Sequence[Any],
        key: Any,
        cipher: str = "aes-gcm",
        *,
        nonces: Sequence[Any] | npt.NDArray[Any] | None = None,
        aads: Sequence[Any] | None = None,
        return_exceptions: bool = False,
        **options: Any,
    ) -> list[Any] | Batch:
        """Decrypt each buffer, a Batch to a Batch; a wrong tag loses that item alone."""
        if aads is None and not options:
            results: list[Any] | Batch | None = self._decrypts_many[cipher](items, listed(key), listed(nonces))
            if results is not None:
                return results
        operation = registry.find("decrypt", cipher)
        settings = _batch_options(operation, len(items), key, nonces, aads, options)
        return self._many(operation, items, settings, return_exceptions)

    # -- sealed files ---------------------------------------------------------------------------------------------

    def seal(
        self,
        data: Any,
        *,
        recipients: Sequence[str] | str = (),
        passphrase: str | bytes | bytearray | None = None,
        compress: str | None = None,
        armor: bool = False,
        work_factor: int | None = None,
    ) -> bytes:
        """Encrypt one buffer into an age file (c2sp.org/age).

        Parameters
        ----------
        data
            Any C-contiguous buffer.
        recipients
            Public keys, ``age1...``, each of which can open the file; see `fpga_accel.age`.
        passphrase
            Instead of recipients.
        compress
            A format such as ``"lz4"``, whose standard frame is then what is encrypted.
        armor
            Whether to return ASCII text.
        work_factor
            log2 of what a guess at the passphrase costs, by default 18: it takes 256 MiB and about a second.

        Raises
        ------
        ValueError
            Nobody could open it, or recipients and a passphrase, or a recipient cannot be read.

        Examples
        --------
        >>> acc = Accelerator("cpu")
        >>> sealed = acc.seal(b"text", passphrase="a few random words", work_factor=10)
        >>> acc.unseal(sealed, passphrase="a few random words")
        b'text'
        """
        from fpga_accel.age import files  # as late as a file is sealed
        from fpga_accel.age.recipients import Closers

        content = flat(data)
        closers = Closers.of(recipients, passphrase, work_factor)
        try:
            if compress is not None:
                content = self.compress(content, compress)
            return files.seal(self._executor, content, closers, armored=armor)
        finally:
            closers.wipe()

    def unseal(
        self,
        data: Any,
        *,
        identities: Sequence[str] | str = (),
        passphrase: str | bytes | bytearray | None = None,
        decompress: str | None = None,
        max_output: int | None = None,
        max_work_factor: int | None = None,
    ) -> bytes:
        """Return the content of an age file, armored or not; nothing of it unless all is verified.

        Parameters
        ----------
        data
            Any C-contiguous buffer.
        identities
            Secret keys, ``AGE-SECRET-KEY-1...``, or texts of files with such.
        passphrase
            Opens what was sealed with it; both may be given.
        decompress
            A format such as ``"lz4"``, of which the content is a frame.
        max_output
            Most bytes to return.
        max_work_factor
            The highest scrypt work factor to take, as log2, by default 22: it takes 4 GiB of memory.

        Raises
        ------
        FormatError, TruncatedError
            Malformed input, or input that ends early.
        NoMatchError
            Nothing that was given opens it. It is an `InvalidTag`.
        InvalidTag
            The header or a chunk was changed.
        OutputLimitError
            The content is larger than `max_output`.
        """
        from fpga_accel.age import files
        from fpga_accel.age.recipients import Openers

        sealed = flat(data)
        openers = Openers.of(identities, passphrase, max_work_factor)
        try:
            content = files.unseal(self._executor, sealed, openers, None if decompress else max_output)
        finally:
            openers.wipe()
        return self.decompress(content, decompress, max_output=max_output) if decompress else content

    # -- hashes and message authentication codes ------------------------------------------------------------------

    def digest(self, data: Any, algorithm: str = "sha256", *, length: int | None = None) -> bytes:
        """Return the hash of one buffer.

        Parameters
        ----------
        data
            Any C-contiguous buffer.
        algorithm
            Such as ``"sha256"`` (FIPS 180-4), ``"sha3-256"`` (FIPS 202) or ``"sm3"`` (GB/T 32905).
        length
            Bytes of the digest, where the algorithm lets one choose.

        Examples
        --------
        >>> Accelerator("cpu").digest(b"abc", "sha256").hex()[:16]
        'ba7816bf8f01cfea'
        """
        result: bytes | None = self._digests[algorithm](data, length)
        if result is not None:
            return result
        operation = registry.find("digest", algorithm)
        return self._executor.one(operation, operation.settings(length=length), flat(data))

    def digest_into(self, data: Any, out: Any, algorithm: str = "sha256", *, length: int | None = None) -> int:
        """Write the hash into a writable buffer and return the bytes written."""
        written = self._digests_into[algorithm](data, out, length)
        if written is not None:
            return int(written)
        operation = registry.find("digest", algorithm)
        return self._executor.into(operation, operation.settings(length=length), flat(data), flat_writable(out))

    @overload
    def digest_many(self, items: Batch, algorithm: str = "sha256", *, length: int | None = None) -> Batch: ...
    @overload
    def digest_many(
        self, items: Sequence[Any], algorithm: str = "sha256", *, length: int | None = None
    ) -> list[Any]: ...
    def digest_many(
        self, items: Sequence[Any], algorithm: str = "sha256", *, length: int | None = None
    ) -> list[Any] | Batch:
        """Return the hash of each buffer, in one launch where that is faster; of a Batch, as a Batch.

        Examples
        --------
        >>> [digest.hex()[:8] for digest in Accelerator("cpu").digest_many([b"abc", b""])]
        ['ba7816bf', 'e3b0c442']
        """
        results: list[Any] | Batch | None = self._digests_many[algorithm](items, length)
        if results is not None:
            return results
        operation = registry.find("digest", algorithm)
        return self._many(operation, items, operation.settings(length=length), False)

    def mac(self, data: Any, key: Any, algorithm: str = "hmac-sha256", *, nonce: Any = None) -> bytes:
        """Return the message authentication code of one buffer.

        Parameters
        ----------
        data, key
            Buffers.
        algorithm
            Such as ``"hmac-sha256"`` (RFC 2104), ``"cmac-aes"`` (RFC 4493), ``"gmac"`` or ``"poly1305"``, whose key
            serves for one message alone.
        nonce
            For those that take one.

        Examples
        --------
        >>> Accelerator("cpu").mac(b"what do ya want for nothing?", b"Jefe").hex()[:16]
        '5bdcc146bf60754e'
        """
        result: bytes | None = self._macs[algorithm](data, key, nonce)
        if result is not None:
            return result
        operation = registry.keyed("mac", algorithm)
        return self._executor.one(operation, operation.single(key, nonce, None), flat(data))

    def mac_into(self, data: Any, out: Any, key: Any, algorithm: str = "hmac-sha256", *, nonce: Any = None) -> int:
        """Write the message authentication code into a writable buffer and return the bytes written."""
        written = self._macs_into[algorithm](data, out, key, nonce)
        if written is not None:
            return int(written)
        operation = registry.keyed("mac", algorithm)
        return self._executor.into(operation, operation.single(key, nonce, None), flat(data), flat_writable(out))

    @overload
    def mac_many(
        self,
        items: Batch,
        key: Any,
        algorithm: str = "hmac-sha256",
        *,
        nonces: Sequence[Any] | npt.NDArray[Any] | None = None,
    ) -> Batch: ...
    @overload
    def mac_many(
        self,
        items: Sequence[Any],
        key: Any,
        algorithm: str = "hmac-sha256",
        *,
        nonces: Sequence[Any] | npt.NDArray[Any] | None = None,
    ) -> list[Any]: ...
    def mac_many(
        self,
        items: Sequence[Any],
        key: Any,
        algorithm: str = "hmac-sha256",
        *,
        nonces: Sequence[Any] | npt.NDArray[Any] | None = None,
    ) -> list[Any] | Batch:
        """Return the code of each buffer; `key` is one for all, or a list."""
        results: list[Any] | Batch | None = self._macs_many[algorithm](items, listed(key), listed(nonces))
        if results is not None:
            return results
        operation = registry.find("mac", algorithm)
        return self._many(operation, items, _batch_options(operation, len(items), key, nonces, None), False)

    # -- checksums ------------------------------------------------------------------------------------------------

    def checksum(
        self, data: Any, algorithm: str = "crc32c", *, value: int | None = None, seed: int | None = None
    ) -> int:
        """Return the checksum of one buffer.

        Parameters
        ----------
        data
            Any C-contiguous buffer.
        algorithm
            ``"crc32c"`` (RFC 3720), ``"crc32"`` (IEEE 802.3, that of gzip), ``"crc64-nvme"``, ``"adler32"`` (RFC 1950),
            or of the xxHash family ``"xxh32"``, ``"xxh64"``, ``"xxh3-64"``.
        value
            The checksum of what comes in front, to go on from. None stands for nothing in front, which is 0 for a CRC
            and 1 for Adler-32. xxHash cannot go on from a result.
        seed
            Of the xxHash family: with another seed it is another function.

        Examples
        --------
        >>> acc = Accelerator("cpu")
        >>> hex(acc.checksum(b"123456789")), acc.checksum(b"6789", value=acc.checksum(b"12345")) == 0xE3069283
        ('0xe3069283', True)
        >>> hex(acc.checksum(b"123456789", "crc32")), hex(acc.checksum(b"123456789", "xxh3-64", seed=7))
        ('0xcbf43926', '0xd44565a47e51d7cd')
        """
        if value is None and seed is None:
            result: Any = self._checksums[algorithm](data)
            if result is not None:
                return int(result)
        operation = registry.find("checksum", algorithm)
        return self._executor.number(operation, operation.settings(value=value, seed=seed), flat(data))

    @overload
    def checksum_many(
        self, items: Batch, algorithm: str = "crc32c", *, value: int | None = None, seed: int | None = None
    ) -> npt.NDArray[np.uint32] | npt.NDArray[np.uint64]: ...
    @overload
    def checksum_many(
        self, items: Sequence[Any], algorithm: str = "crc32c", *, value: int | None = None, seed: int | None = None
    ) -> list[int]: ...
    def checksum_many(
        self, items: Sequence[Any], algorithm: str = "crc32c", *, value: int | None = None, seed: int | None = None
    ) -> list[int] | npt.NDArray[np.uint32] | npt.NDArray[np.uint64]:
        """Return the checksum of each buffer, in one launch where that is faster; of a Batch, as an array.

        The array has numbers of the checksum's size: ``uint32`` or ``uint64``.

        Examples
        --------
        >>> Accelerator("cpu").checksum_many(Batch(b"123456789", [0, 9]))
        array([3808858755], dtype=uint32)
        """
        if value is None and seed is None:
            few: list[int] | npt.NDArray[np.uint32] | npt.NDArray[np.uint64] | None
            few = self._checksums_many[algorithm](items)
            if few is not None:
                return few
        operation = registry.find("checksum", algorithm)
        options = operation.settings(value=value, seed=seed)
        found: list[int] = self._executor.many(operation, options, items).results
        return found

    def checksum_combine(self, first: int, second: int, nbytes: int, algorithm: str = "crc32c") -> int:
        """Return the checksum of two parts behind each other from those of the parts.

        Parameters
        ----------
        first, second
            The checksums of the parts, each on its own.
        nbytes
            How many bytes the second part has.
        algorithm
            A CRC or ``"adler32"``; xxHash cannot be combined.

        Raises
        ------
        ValueError
            The algorithm cannot be combined, a number is no checksum, or `nbytes` is negative.

        Examples
        --------
        >>> acc = Accelerator("cpu")
        >>> hex(acc.checksum_combine(acc.checksum(b"12345"), acc.checksum(b"6789"), nbytes=4))
        '0xe3069283'
        """
        operation = registry.combining(algorithm)
        nbytes = operator.index(nbytes)
        if nbytes < 0:
            raise ValueError(f"nbytes is {nbytes}; a part has 0 bytes or more")
        return operation.combined(operation.number("first", first), operation.number("second", second), nbytes)

    # -- jobs -----------------------------------------------------------------------------------------------------

    def submit(self, verb: str | Callable[..., Any], /, *args: Any, **options: Any) -> jobs.Job:
        """Make a call on another thread.

        Blocks while `queue_depth` jobs wait, but not in a job's callback or in a callable that a job runs. A job must
        not wait for another one, for which there may be no thread.

        Parameters
        ----------
        verb
            The name of a method: a verb alone or with ``_into`` or ``_many``, such as ``"compress_into"``. Or a
            callable, such as a plan; what it does besides calls of Accelerators is not bounded by `threads`.
        args, options
            What the method takes. Buffers among them, and in lists, are held and must not be changed until the job is
            done. What is wrong with them is raised by the job, not here.

        Returns
        -------
        Job
            A `concurrent.futures.Future` with ``.receipt``, which can also be awaited.

        Raises
        ------
        ValueError
            Unknown verb; the message lists the legal ones.
        RuntimeError
            The Accelerator is closed, or the interpreter is ending.

        Examples
        --------
        >>> with Accelerator("cpu") as acc:
        ...     sealing = acc.submit("encrypt", b"text", bytes(32))
        ...     acc.decrypt(sealing.result(), bytes(32))
        b'text'
        """
        return self._put(self._call_of(verb), args, options)

    def stream(
        self, verb: str | Callable[..., Any], iterable: Iterable[Any], in_flight: int = 8, **options: Any
    ) -> Generator[Any, None, None]:
        """Make a call for each of `iterable`, on other threads, and yield the results in order.

        Takes at most `in_flight` inputs ahead of the result that is yielded, however many `queue_depth` allows, and
        keeps no input longer than its call. The first error, of a call or of `iterable`, is raised in its place.
        Where the generator ends early, calls that have not started are cancelled and the others waited for.

        Parameters
        ----------
        verb, options
            As `submit` takes them; the input is the first argument.

        Examples
        --------
        >>> with Accelerator("cpu") as acc:
        ...     frames = acc.stream("compress", (b"page %d" % number for number in range(100)), format="lz4")
        ...     sum(len(acc.decompress(frame)) for frame in frames)
        690
        """
        return jobs.stream(self._submit_of(verb, in_flight, options), iterable, in_flight)

    def astream(
        self,
        verb: str | Callable[..., Any],
        iterable: Iterable[Any] | AsyncIterable[Any],
        in_flight: int = 8,
        **options: Any,
    ) -> AsyncGenerator[Any, None]:
        """Do the same as `stream` for ``async for``; `iterable` may be asynchronous."""
        return jobs.astream(self._submit_of(verb, in_flight, options), iterable, in_flight)

    def _submit_of(
        self, verb: str | Callable[..., Any], in_flight: int, options: dict[str, Any]
    ) -> Callable[[Any], jobs.Job]:
        if in_flight < 1:
            raise ValueError(f"in_flight={in_flight}; it must be 1 or more")
        call = self._call_of(verb)
        return lambda data: self._put(call, (data,), options, bounded=False)

    def _put(
        self, call: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any], *, bounded: bool = True
    ) -> jobs.Job:
        job = jobs.Job(self._jobs, call, args, options)
        self._jobs.put(job, bounded=bounded)
        return job

    def _call_of(self, verb: str | Callable[..., Any]) -> Callable[..., Any]:
        if callable(verb):
            return verb
        if not isinstance(verb, str):
            raise TypeError(f"verb must be a str or callable, not {type(verb).__name__}")
        if verb not in _VERBS:
            raise ValueError(f"unknown verb {registry.shown(verb)}; legal ones are {', '.join(_VERBS)}")
        call: Callable[..., Any] = getattr(self, verb)
        return call

    # -- chains ---------------------------------------------------------------------------------------------------

    def chain(self, *stages: str, **options: Any) -> Chain:
        """Return several operations as one, such as ``chain("lz4.compress", "aes-gcm.encrypt")``.

        Parameters
        ----------
        stages
            ``algorithm.op``, such as ``"lz4.compress"``, or a checksum such as ``"crc32c"``, which is of the bytes at
            that point and changes nothing.
        options
            Such as ``level=``, ``block_size=`` and ``max_output=``, for the stages that have them.

        Raises
        ------
        ValueError, TypeError
            There is no such stage or option.

        Examples
        --------
        >>> acc = Accelerator("cpu")
        >>> seal = acc.chain("crc32c", "lz4.compress", "aes-gcm.encrypt", level=-1)
        >>> pages, key = [b"one " * 1000, b"two " * 1000], bytes(32)
        >>> sealed = seal.many(pages, key=key)
        >>> data, checksums = zip(*sealed)
        >>> seal.inverse().many(data, key=key, checksums=checksums) == pages
        True
        """
        # With the codecs and ciphers that chains are made of, it takes long to import.
        from fpga_accel.chains import new_chain

        return new_chain(self._executor, self._many, stages, options)

    # -- what happened, and what would ----------------------------------------------------------------------------

    @property
    def last_receipt(self) -> Receipt | None:
        """The calling thread's last receipt."""
        return self._executor.ledger.last

    def stats(self) -> dict[str, int]:
        """Return counts of calls, bytes, backends, reasons, fallbacks and mismatches."""
        return self._executor.ledger.stats()

    def trace(self) -> AbstractContextManager[Trace]:
        """Gather the receipts of every thread inside a ``with`` block."""
        return self._executor.ledger.trace()

    def subscribe(self, observer: Callable[[Receipt], None]) -> Callable[[], None]:
        """Let `observer` be called with the receipt of every call from now on; return a function that ends that.

        It is called in the thread of the call, before that returns, so it should be quick. What it raises is logged.
        Small calls take some microseconds more while there is an observer.

        Examples
        --------
        >>> acc = Accelerator("cpu")
        >>> end = acc.subscribe(lambda receipt: print(receipt.op, receipt.bytes_in))
        >>> frame = acc.compress(b"text")
        compress 4
        >>> end()
        """
        return self._executor.ledger.subscribe(observer)

    def explain(self, op: str, nbytes: int, *, count: int = 1, **options: Any) -> Plan:
        """Tell where a call of this size would run, and why, without running it.

        Parameters
        ----------
        op
            ``"compress"``, ``"decompress"``, ``"encrypt"``, ``"decrypt"``, ``"digest"``, ``"mac"`` or ``"checksum"``.
        nbytes, count
            Bytes over all items, and how many items.
        options
            ``format=``, ``cipher=`` or ``algorithm=``, and options of the format such as ``level=``.
        """
        named = options.pop("format", None) or options.pop("cipher", None) or options.pop("algorithm", None)
        operation = registry.find(op, named or registry.DEFAULTS.get(op, ""))
        return self._executor.planner.explain(operation, operation.settings(**options), count, nbytes)

    def warmup(self, *names: str) -> None:
        """Build, load and self-test kernels now rather than at the first call.

        Parameters
        ----------
        names
            Such as ``"lz4.compress"``; none means all.
        """
        for name in names or tuple(registry.OPERATIONS):
            self._executor.planner.warm(_operation(name))

    def calibrate(
        self, *names: str, seconds: float = 30.0, progress: Callable[[str], None] | None = None
    ) -> list[Calibration]:
        """Time operations on the device and on the CPU now, and keep that in the cache for ``device="auto"``.

        Parameters
        ----------
        names
            Such as ``"lz4.compress"``; none means all.
        seconds
            How long the timing may take; a little more where a first one is longer than its share. Building kernels
            that the cache does not have comes before that.
        progress
            Told what is timed next.

        Raises
        ------
        ValueError
            There is no device to time, as ``device="cpu"`` was asked for, or a name is unknown.
        DeviceError, DeviceNotFoundError
            The device cannot do one of the operations, or there is none.
        """
        operations = [_operation(name) for name in names or tuple(registry.OPERATIONS)]
        tell = progress or (lambda case: None)
        done = self._executor.planner.calibrate(operations, seconds, lambda case: tell(str(case)))
        return [Calibration(*each) for each in done]

    @property
    def engine(self) -> Executor:
        """What runs the calls, for streams and cipher classes, which are bound to an Accelerator."""
        return self._executor

    def _many(
        self, operation: Operation[Any], buffers: Sequence[Any], options: Any, return_exceptions: bool
    ) -> list[Any] | Batch:
        call = self._executor.many(operation, options, buffers)
        if call.errors and not return_exceptions:
            first = min(call.errors)
            raise BatchError(
                f"{len(call.errors)} of {call.count} items failed; item {first}: {call.errors[first]}",
                results=_told(call.results, call.errors),
            ) from call.errors[first]
        results: list[Any] | Batch = call.results
        return results


class _Direct(dict[str, Callable[..., Any]]):
    """The short ways to the libraries for one verb, by algorithm, each made at its first use."""

    def __init__(self, engine: Executor, op: str) -> None:
        super().__init__()
        self._engine = engine
        self._op = op

    def __missing__(self, algorithm: str) -> Callable[..., Any]:
        run = self[algorithm] = self._way(registry.find(self._op, algorithm)).run
        return run

    def _way(self, operation: Operation[Any]) -> Direct | DirectMany:
        return self._engine.planner.direct(operation, operation.library_call, 0)


class _DirectAtLevel(_Direct):
    """The same, to what compresses at a level."""

    def _way(self, operation: Operation[Any]) -> Direct:
        return self._engine.planner.direct(operation, operation.level_call, 0)


class _DirectMany(_Direct):
    """The same for many items."""

    def _way(self, operation: Operation[Any]) -> DirectMany:
        engine = self._engine
        return engine.planner.direct_many(operation, partial(few_of_batch, operation), partial(engine.few, operation))


class _DirectInto(_Direct):
    """The same into buffers."""

    def _way(self, operation: Operation[Any]) -> Direct:
        direct = self._engine.planner.direct
        if type(operation).library_into is Operation.library_into:
            # The same as that does, without a step in Python.
            return direct(operation, operation.library_call, 0, operation.into_limit, target=1)
        return direct(operation, operation.library_into, 0, operation.into_limit)


class _DirectIntoAtLevel(_Direct):
    """The same at a level into buffers."""

    def _way(self, operation: Operation[Any]) -> Direct:
        return self._engine.planner.direct(operation, operation.level_call, 0, operation.into_limit, target=1)


_VERBS = tuple(
    name
    for verb in (*registry.DEFAULTS, "seal", "unseal")
    for form in ("", "_into", "_many")
    if hasattr(Accelerator, name := verb + form)
)


@cache
def default_accelerator() -> Accelerator:
    """Return the Accelerator that the module-level functions share, made at its first use."""
    return Accelerator()


def _device_setting(device: Wanted | Sequence[Wanted] | None) -> Wanted | tuple[Wanted, ...]:
    if isinstance(device, list | tuple):
        if not device:
            raise ValueError("an empty list of devices; name at least one")
        return tuple(device)
    if isinstance(device, Sequence) and not isinstance(device, str):
        raise TypeError(f"several devices are a list or a tuple, not {type(device).__name__}")
    if device is not None and not isinstance(device, str):
        return device
    named = str(config.chosen("device", device).value).split(",")
    return named[0] if len(named) == 1 else tuple(name.strip() for name in named)


def _operation(name: str) -> Operation[Any]:
    algorithm, _, op = name.rpartition(".")
    return registry.find(op, algorithm)


def _format_of(data: Any) -> str:
    return registry.format_of(data if type(data) is bytes else flat(data))


def _told(results: list[Any] | Batch, errors: Mapping[int, Exception]) -> list[Any]:
    """Return the results of a batch as a list, with errors where items failed."""
    if not isinstance(results, Batch):
        return results
    listed: list[Any] = results.to_list()
    for index, error in errors.items():
        listed[index] = error
    return listed


def _batch_options(
    operation: Operation[Any],
    count: int,
    key: Any,
    nonces: Any,
    aads: Sequence[Any] | None,
    own: Mapping[str, Any] = MappingProxyType({}),
) -> Any:
    keys = key if isinstance(key, list | tuple) else (key,)
    return operation.options(keys=keys, nonces=nonces, aads=aads, count=count, **own)
