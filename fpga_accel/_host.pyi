# host/host.h through cffi (host/build_host.py). A CData is a C pointer or array.
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, overload

from typing_extensions import Buffer

CData: TypeAlias = Any

class FFI(Protocol):
    NULL: CData
    def new(self, cdecl: str, init: Any = None) -> CData: ...
    def cast(self, cdecl: str, source: Any) -> CData: ...
    def buffer(self, cdata: CData, size: int = -1) -> Any: ...
    @overload
    def from_buffer(self, source: Buffer, /, require_writable: bool = False) -> CData: ...
    @overload
    def from_buffer(self, cdecl: str, source: Buffer, /, require_writable: bool = False) -> CData: ...
    def gc(self, cdata: CData, destructor: Callable[[Any], object] | None, size: int = 0) -> CData: ...
    def memmove(self, dest: Any, src: Any, n: int) -> None: ...
    def sizeof(self, cdecl: Any) -> int: ...
    def offsetof(self, cdecl: str, field: str) -> int: ...
    def addressof(self, cdata: CData, *fields: str | int) -> CData: ...

class Lib(Protocol):
    ABI_VERSION: int
    STATUS_OK: int
    STATUS_DST_TOO_SMALL: int
    STATUS_BAD_DATA: int
    STATUS_TRUNCATED: int
    STATUS_BAD_CHECKSUM: int
    STATUS_BAD_PARAM: int
    STATUS_NOT_RUN: int
    FA_ABI_LAYOUT_LENGTH: int
    FA_LZ4_BLOCK_LIMIT: int
    FA_LZ4_TOO_LARGE: int
    FA_LZ4_OTHER: int
    FA_ZSTD_UNKNOWN: int
    FA_ZSTD_KNOWN: int
    FA_ZSTD_SKIPPABLE: int
    FA_ZSTD_ABOUT: int
    FA_ZSTD_OTHER: int
    FA_ZSTD_TOO_LARGE: int
    FA_ZSTD_ROW: int
    FA_ZSTD_HEADER_MOST: int
    FA_BGZF_END: int
    FA_SNAPPY_SOUND: int
    FA_SNAPPY_CUT: int
    FA_SNAPPY_NO_IDENTIFIER: int
    FA_SNAPPY_BAD_IDENTIFIER: int
    FA_SNAPPY_RESERVED: int
    FA_SNAPPY_BAD_SIZE: int
    FA_SNAPPY_BAD_PREAMBLE: int
    FA_SNAPPY_IMPLAUSIBLE: int
    FA_SNAPPY_TOO_LONG: int
    FA_SNAPPY_BAD_ELEMENTS: int
    FA_SNAPPY_ELEMENTS_CUT: int
    FA_SNAPPY_CHECKSUM: int
    FA_SNAPPY_NOT_DONE: int

    def fa_abi_layout(self, out: CData, /) -> None: ...
    def fa_pages_alloc(self, size: int, /) -> CData: ...
    def fa_pages_free(self, pages: CData, size: int, /) -> int: ...
    def fa_hchacha20(self, key: bytes, nonce: bytes, subkey: CData, /) -> None: ...
    def fa_wipe(self, memory: CData, size: int, /) -> None: ...
    def fa_pause(self, nanoseconds: int, /) -> None: ...
    def fa_rows_fit(
        self,
        rows: CData,
        count: int,
        src_limit: int,
        dst_limit: int,
        align: int,
        src_bytes: CData,
        dst_bytes: CData,
        /,
    ) -> int: ...
    def fa_rows_gather(self, rows: CData, placed: CData, count: int, slab: CData, align: int, /) -> None: ...
    def fa_rows_scatter(self, rows: CData, placed: CData, results: CData, count: int, slab: CData, /) -> None: ...
    def fa_copy_many(self, sources: CData, targets: CData, sizes: CData, count: int, /) -> None: ...
    def fa_rows_fill(
        self, rows: CData, count: int, sources: CData, sizes: CData, targets: CData, room: int, flags: int, /
    ) -> None: ...
    def fa_rows_even(self, rows: CData, count: int, /) -> int: ...
    def fa_rows_bytes(self, rows: CData, count: int, /) -> int: ...
    def fa_rows_first_failed(self, results: CData, count: int, /) -> int: ...
    def fa_rows_first_impossible(self, rows: CData, results: CData, count: int, /) -> int: ...
    def fa_rows_compact(self, base: CData, results: CData, rows: CData, count: int, /) -> int: ...
    def fa_offsets_first_wrong(self, offsets: CData, count: int, limit: int, /) -> int: ...
    def fa_join(self, sources: CData, offsets: CData, count: int, out: CData, /) -> None: ...
    def fa_sizes_first_outside(self, sizes: CData, count: int, low: int, high: int, /) -> int: ...
    def fa_unset_bits(self, bits: CData, first: int, count: int, /) -> int: ...
    def fa_base64_lines(self, data: CData, lines: int, text: CData, /) -> None: ...
    def fa_base64_from_lines(
        self, text: CData, lines: int, line_end: bytes, line_end_size: int, data: CData, /
    ) -> int: ...
    def fa_keyed_rows(
        self,
        rows: CData,
        params: CData,
        count: int,
        sources: CData,
        targets: CData,
        sizes: CData,
        parts: CData,
        flags: int,
        room: int,
        /,
    ) -> int: ...
    def fa_sector_rows(
        self,
        rows: CData,
        params: CData,
        count: int,
        sources: CData,
        targets: CData,
        sizes: CData,
        numbers: CData,
        messages: int,
        keys: CData,
        sector: int,
        step: int,
        /,
    ) -> int: ...
    def fa_tags_wrong(self, tags: CData, step: int, texts: CData, sizes: CData, count: int, wrong: CData, /) -> int: ...
    def fa_xxh32(self, data: CData, size: int, seed: int, /) -> int: ...
    def fa_lz4_packed_size(self, rows: CData, results: CData, count: int, block_checksum: int, /) -> int: ...
    def fa_lz4_pack(
        self,
        out: CData,
        capacity: int,
        rows: CData,
        results: CData,
        count: int,
        block_checksum: int,
        /,
    ) -> int: ...
    def fa_lz4_scan(
        self,
        data: CData,
        size: int,
        position: CData,
        block_max: int,
        block_checksum: int,
        rows: CData,
        max_rows: int,
        ended: CData,
        checksums: CData,
        /,
    ) -> int: ...
    def fa_lz4_cut_count(self, sizes: CData, count: int, blocks: CData, /) -> int: ...
    def fa_lz4_cut(
        self,
        sources: CData,
        sizes: CData,
        count: int,
        blocks: CData,
        slots: int,
        param: int,
        row_flags: int,
        rows: CData,
        first_rows: CData,
        /,
    ) -> None: ...
    def fa_lz4_frame_sizes(
        self, rows: CData, results: CData, first_rows: CData, count: int, flags: int, frame_sizes: CData, /
    ) -> int: ...
    def fa_lz4_frames(
        self,
        rows: CData,
        results: CData,
        first_rows: CData,
        sources: CData,
        sizes: CData,
        count: int,
        blocks: CData,
        flags: int,
        targets: CData,
        frame_sizes: CData,
        /,
    ) -> int: ...
    def fa_lz4_look(
        self, sources: CData, sizes: CData, count: int, most: int, contents: CData, kinds: CData, /
    ) -> int: ...
    def fa_lz4_place(
        self,
        sources: CData,
        sizes: CData,
        contents: CData,
        count: int,
        kinds: CData,
        targets: CData,
        rows: CData,
        checksums: CData,
        /,
    ) -> None: ...
    def fa_lz4_check(
        self,
        sources: CData,
        sizes: CData,
        contents: CData,
        count: int,
        targets: CData,
        rows: CData,
        results: CData,
        checksums: CData,
        kinds: CData,
        /,
    ) -> int: ...
    def fa_snappy_cut_count(self, sizes: CData, count: int, /) -> int: ...
    def fa_snappy_cut(
        self,
        sources: CData,
        sizes: CData,
        count: int,
        slots: int,
        row_flags: int,
        rows: CData,
        first_rows: CData,
        /,
    ) -> None: ...
    def fa_snappy_packed_size(self, rows: CData, results: CData, count: int, framed: int, /) -> int: ...
    def fa_snappy_pack(
        self, out: CData, capacity: int, rows: CData, results: CData, count: int, framed: int, /
    ) -> int: ...
    def fa_snappy_head(self, out: CData, content: int, framed: int, /) -> int: ...
    def fa_snappy_stream_sizes(
        self,
        rows: CData,
        results: CData,
        first_rows: CData,
        sizes: CData,
        count: int,
        framed: int,
        stream_sizes: CData,
        /,
    ) -> int: ...
    def fa_snappy_streams(
        self,
        rows: CData,
        results: CData,
        first_rows: CData,
        sizes: CData,
        count: int,
        framed: int,
        targets: CData,
        stream_sizes: CData,
        /,
    ) -> int: ...
    def fa_snappy_preamble(self, stream: CData, size: int, content: CData, /) -> int: ...
    def fa_snappy_look(self, sources: CData, sizes: CData, count: int, framed: int, items: CData, /) -> int: ...
    def fa_snappy_place(
        self,
        sources: CData,
        sizes: CData,
        count: int,
        framed: int,
        items: CData,
        targets: CData,
        rows: CData,
        checks: CData,
        /,
    ) -> None: ...
    def fa_snappy_check(self, count: int, rows: CData, results: CData, checks: CData, items: CData, /) -> int: ...
    def fa_deflate_room(self, size: int, /) -> int: ...
    def fa_stored_copy(self, stream: CData, size: int, out: CData, room: int, /) -> int: ...
    def fa_gzip_starts(self, data: CData, size: int, position: int, starts: CData, room: int, /) -> int: ...
    def fa_deflate_cut_count(self, sizes: CData, count: int, block: int, linked: int, room: CData, /) -> int: ...
    def fa_deflate_cut(
        self,
        sources: CData,
        sizes: CData,
        count: int,
        block: int,
        history: int,
        linked: int,
        final: int,
        slots: int,
        row_flags: int,
        rows: CData,
        first_rows: CData,
        /,
    ) -> None: ...
    def fa_deflate_sizes(
        self, results: CData, first_rows: CData, count: int, each_item: int, each_row: int, sizes: CData, /
    ) -> None: ...
    def fa_deflate_join(
        self,
        rows: CData,
        results: CData,
        first_rows: CData,
        count: int,
        head: bytes,
        head_size: int,
        tails: bytes,
        tail_size: int,
        targets: CData,
        /,
    ) -> None: ...
    def fa_bgzf_join(
        self, rows: CData, results: CData, first_rows: CData, count: int, checks: CData, targets: CData, /
    ) -> None: ...
    def fa_zstd_cut_count(self, sizes: CData, count: int, /) -> int: ...
    def fa_zstd_cut(
        self,
        sources: CData,
        sizes: CData,
        count: int,
        begins: int,
        ends: int,
        slots: int,
        rows: CData,
        first_rows: CData,
        /,
    ) -> int: ...
    def fa_zstd_header(self, size: int, checksum: int, out: CData, /) -> int: ...
    def fa_zstd_joined_size(self, rows: CData, results: CData, count: int, /) -> int: ...
    def fa_zstd_join(self, rows: CData, results: CData, count: int, out: CData, /) -> int: ...
    def fa_zstd_frame_sizes(
        self,
        rows: CData,
        results: CData,
        first_rows: CData,
        sizes: CData,
        count: int,
        checksum: int,
        frame_sizes: CData,
        /,
    ) -> int: ...
    def fa_zstd_frames(
        self,
        rows: CData,
        results: CData,
        first_rows: CData,
        sizes: CData,
        count: int,
        checksum: int,
        checks: CData,
        targets: CData,
        /,
    ) -> None: ...
    def fa_zstd_frame(self, data: CData, size: int, about: CData, /) -> int: ...
    def fa_zstd_look(
        self, sources: CData, sizes: CData, count: int, most: int, contents: CData, frames: CData, /
    ) -> int: ...
    def fa_zstd_place(
        self,
        sources: CData,
        sizes: CData,
        contents: CData,
        count: int,
        frames: CData,
        targets: CData,
        rows: CData,
        /,
    ) -> None: ...
    def fa_zstd_check(self, count: int, rows: CData, results: CData, frames: CData, /) -> int: ...

ffi: FFI
lib: Lib
