/* The host library: plain C11, no Python, no state, safe to call from any
 * number of threads. fpga_accel calls it through cffi, which drops the GIL.
 *
 * A row of a segment table is "absolute" when src and dst hold host addresses
 * and "placed" when they are byte offsets into a slab. Every function says
 * which it takes. Sizes and offsets are 64-bit and never wrap.
 */
#ifndef FPGA_ACCEL_HOST_H
#define FPGA_ACCEL_HOST_H

#include "../kernels/common/abi.h"

#include <stddef.h>
#include <stdint.h>

_Static_assert(sizeof(void *) == 8, "a row holds an address in 64 bits");
_Static_assert(sizeof(segment_t) == 32 && sizeof(result_t) == 32, "see abi.h");

/* ---- abi.c ---- */

/* How many values fa_abi_layout writes to out. */
#define FA_ABI_LAYOUT_LENGTH 13

/* ABI_VERSION; the size of segment_t and the offset of each field; the same of
 * result_t: so that a test can compare them with the numpy dtypes. */
void fa_abi_layout(uint32_t *out);

/* ---- pages.c ---- */

/* Zeroed memory of its own pages, or NULL. From 4 MiB on it starts at a huge
 * page (2 MiB) and asks the system for huge pages. */
void *fa_pages_alloc(size_t size);

/* Gives it back; size is the one asked for. 0, or an errno. NULL is fine. */
int fa_pages_free(void *pages, size_t size);

/* ---- wipe.c ---- */

/* Writes zeros that no optimiser drops. */
void fa_wipe(void *memory, size_t size);

/* ---- pause.c ---- */

/* Sleeps so long, and little longer; less where a signal comes. */
void fa_pause(uint64_t nanoseconds);

/* ---- rows.c ---- */

/* How many leading rows fit a pair of slabs when each row's source and
 * destination start at a multiple of align, and how many bytes of the slabs
 * they take. 0 if the first row does not fit. align: a power of two, or
 * nothing fits. */
size_t fa_rows_fit(const segment_t *rows, size_t count, size_t src_limit, size_t dst_limit,
                   size_t align, size_t *src_bytes, size_t *dst_bytes);

/* Copies the sources of absolute rows into the slab as fa_rows_fit laid them
 * out, and writes the placed rows. placed may be rows itself. */
void fa_rows_gather(const segment_t *rows, segment_t *placed, size_t count, uint8_t *slab,
                    size_t align);

/* Copies the outputs of the rows that are STATUS_OK from the slab to the
 * absolute dst: at most dst_capacity bytes each, whatever a device reports. */
void fa_rows_scatter(const segment_t *rows, const segment_t *placed, const result_t *results,
                     size_t count, const uint8_t *slab);

/* sizes[i] bytes from address sources[i] to address targets[i], which may overlap. */
void fa_copy_many(const uint64_t *sources, const uint64_t *targets, const uint64_t *sizes,
                  size_t count);

/* A row for each of `count` texts: what is at sources[i], to targets[i] where `room` bytes are. */
void fa_rows_fill(segment_t *rows, size_t count, const uint64_t *sources, const uint64_t *sizes,
                  const uint64_t *targets, uint32_t room, uint32_t flags);

/* Whether all rows read as many bytes as the first. */
int fa_rows_even(const segment_t *rows, size_t count);

/* The bytes that rows read. */
uint64_t fa_rows_bytes(const segment_t *rows, size_t count);

/* The first row that is not STATUS_OK, or -1. */
int64_t fa_rows_first_failed(const result_t *results, size_t count);

/* The first row that reports more than its capacity or a status that no kernel ends with, or -1. */
int64_t fa_rows_first_impossible(const segment_t *rows, const result_t *results, size_t count);

/* Moves the outputs at base + dst together, behind the first row's, and writes
 * each row's new dst. base is NULL where the rows are absolute. Slots must
 * ascend. Returns the total size; -1 - i, with nothing moved, if row i failed,
 * reports more than its capacity, or overlaps the row before. */
int64_t fa_rows_compact(uint8_t *base, const result_t *results, segment_t *rows, size_t count);

/* ---- columns.c: items behind each other in one buffer, and the count + 1 offsets of their ends
 * ---- */

/* The first offset that is negative, less than the one before or more than limit, or -1. */
int64_t fa_offsets_first_wrong(const int64_t *offsets, size_t count, uint64_t limit);

/* Copies item i from address sources[i] to out + offsets[i], where its bytes end at offsets[i + 1].
 */
void fa_join(const uint64_t *sources, const int64_t *offsets, size_t count, uint8_t *out);

/* Writes the count + 1 offsets of items of these sizes; returns their bytes. */
uint64_t fa_offsets(const uint64_t *sizes, size_t count, int64_t *offsets);

/* Writes the count + 1 offsets of items that are each `change` bytes longer than those between the
 * given offsets; returns their bytes, -1 where one would have less than none. */
int64_t fa_offsets_grown(const int64_t *offsets, size_t count, int64_t change, int64_t *grown);

/* Where the items are whose first would be at an address if its offset were 0, and their sizes. */
void fa_spans(const int64_t *offsets, size_t count, uint64_t address, uint64_t *addresses,
              uint64_t *sizes);

/* The largest size; 0 of none. */
uint64_t fa_sizes_largest(const uint64_t *sizes, size_t count);

/* The bytes of all, each up to a multiple of 16. */
uint64_t fa_sizes_padded(const uint64_t *sizes, size_t count);

/* The first size that is less than low or more than high, or -1. */
int64_t fa_sizes_first_outside(const uint64_t *sizes, size_t count, uint64_t low, uint64_t high);

/* How many of count bits are 0; bit 0 of a byte comes first. */
uint64_t fa_unset_bits(const uint8_t *bits, uint64_t first, uint64_t count);

/* ---- keyed_rows.c ---- */

/* One row and one record (kernels/common/keyed.h) for each of `count` messages that are one row
 * each. Records start params, row i names record i. parts: for keys, nonces and associated data in
 * turn, the addresses of two arrays, of addresses and of sizes, and how many there are: one for all
 * messages, or `count`. They are copied behind the records, each to a multiple of 16. room: bytes
 * of each result behind its text. All offsets are from params, below 4 GiB. Returns the offset
 * behind the last part. */
uint64_t fa_keyed_rows(segment_t *rows, uint8_t *params, size_t count, const uint64_t *sources,
                       const uint64_t *targets, const uint64_t *sizes, const uint64_t *parts,
                       uint32_t flags, uint32_t room);

/* The same for sectors of sector bytes that count up, cut into rows of at most step bytes, which is
 * a multiple of sector: sizes[i] bytes of whole sectors from sources[i] on, the first of which has
 * the number at numbers[i], 16 bytes, little-endian, which wraps. keys: as a part above. Each row
 * gets the number of its first sector as nonce, and sector as `reserved`. */
uint64_t fa_sector_rows(segment_t *rows, uint8_t *params, size_t count, const uint64_t *sources,
                        const uint64_t *targets, const uint64_t *sizes, const uint64_t *numbers,
                        size_t messages, const uint64_t *keys, uint64_t sector, uint64_t step);

/* Compares count tags of 16 bytes, which lie step bytes apart, with those behind the texts at
 * address texts[i], in a time that depends on none. wrong[i] gets 1 where they differ, else 0.
 * Returns how many do. */
size_t fa_tags_wrong(const uint8_t *tags, size_t step, const uint64_t *texts, const uint64_t *sizes,
                     size_t count, uint8_t *wrong);

/* ---- xts.c ---- */

/* Writes count numbers of 16 bytes, little-endian, that count up from the one at first plus skip.
 */
void fa_xts_numbers(const uint8_t *first, uint64_t skip, size_t count, uint8_t *numbers);

/* The exclusive or of a text and its tweaks: of `units` data units of unit bytes each, whole blocks
 * of 16, the tweaks of whose first blocks are at firsts, 16 bytes each. result may be text. */
void fa_xts_combine(const uint8_t *text, const uint8_t *firsts, size_t units, size_t unit,
                    uint8_t *result);

/* ---- hchacha20.c ---- */

/* The subkey of 32 bytes for a key of 32 and the first 16 bytes of a nonce. */
void fa_hchacha20(const uint8_t *key, const uint8_t *nonce, uint8_t *subkey);

/* ---- base64.c ---- */

/* Writes lines of 64 characters and a line feed, 65 bytes each, for 48 bytes of data each. */
void fa_base64_lines(const uint8_t *data, size_t lines, uint8_t *text);

/* The reverse for lines that end in line_end: 48 bytes each. Returns how many lines in front of the
 * first that is wrong: with a character that is none of base64, padding included, or another end.
 */
size_t fa_base64_from_lines(const uint8_t *text, size_t lines, const uint8_t *line_end,
                            size_t line_end_size, uint8_t *data);

/* ---- xxh32.c ---- */

uint32_t fa_xxh32(const void *data, size_t size, uint32_t seed);

/* ---- lz4_frame.c: LZ4 frame format 1.6, the blocks only ---- */

/* All negative results are -STATUS_*. Frame header, EndMark and content
 * checksum are the caller's, who has the frame's options. */

#define FA_LZ4_BLOCK_LIMIT (4u << 20) /* the largest block the format has */

/* The size of the blocks that fa_lz4_pack writes, or
 * -STATUS_BAD_PARAM: a source is larger than a block can be;
 * -STATUS_BAD_DATA:  a row has neither output nor STATUS_DST_TOO_SMALL. */
int64_t fa_lz4_packed_size(const segment_t *rows, const result_t *results, size_t count,
                           int block_checksum);

/* Writes each absolute row as one block: header, payload, and the payload's
 * XXH32 if asked for. A row is stored raw where compressing it did not help
 * (STATUS_DST_TOO_SMALL, or no smaller). A compressed block's checksum is
 * result.check, from LZ4_CHECK; a stored block's is computed here. An empty row
 * writes nothing, for its header would be the EndMark. out overlaps no row.
 * Returns the size, an error of fa_lz4_packed_size, or
 * -STATUS_DST_TOO_SMALL: the blocks do not fit capacity. */
int64_t fa_lz4_pack(uint8_t *out, uint64_t capacity, const segment_t *rows, const result_t *results,
                    size_t count, int block_checksum);

/* Reads block headers from *position on and fills one absolute row a block:
 * src, src_size, dst_capacity = block_max, param = 1, flags (LZ4_STORED,
 * LZ4_CHECK); dst is 0. checksums, if not NULL, gets what the frame says of
 * each block (0 without block_checksum). *position moves behind the last whole
 * block, or behind the EndMark, which sets *ended to 1 (else 0).
 * Returns the number of rows. A block that is cut off or bad ends the walk in
 * front of it, and only a walk that starts there reports it:
 * -STATUS_TRUNCATED: more bytes are needed (or the data is cut short);
 * -STATUS_BAD_DATA:  a block is larger than block_max. */
int64_t fa_lz4_scan(const uint8_t *data, uint64_t size, uint64_t *position, uint32_t block_max,
                    int block_checksum, segment_t *rows, size_t max_rows, int *ended,
                    uint32_t *checksums);

/* ---- lz4_batch.c: many whole frames ---- */

/* blocks: the block sizes of content that fits the first, and of larger content. flags: bits of the
 * frame's FLG byte, for checksums of blocks (0x10) and of the content (0x04). */

/* How many rows fa_lz4_cut makes. */
uint64_t fa_lz4_cut_count(const uint64_t *sizes, size_t count, const uint64_t *blocks);

/* Cuts contents at absolute addresses into rows of a block each. Each row's dst is a slot of its
 * src_size from the address `slots` on, of which it may fill all but one byte. first_rows gets the
 * first row of each content, and one entry more. */
void fa_lz4_cut(const uint64_t *sources, const uint64_t *sizes, size_t count,
                const uint64_t *blocks, uint64_t slots, uint32_t param, uint32_t row_flags,
                segment_t *rows, uint64_t *first_rows);

/* The size of the frame of each content. Returns 0 or an error of fa_lz4_packed_size. */
int64_t fa_lz4_frame_sizes(const segment_t *rows, const result_t *results,
                           const uint64_t *first_rows, size_t count, uint32_t flags,
                           uint64_t *frame_sizes);

/* Writes the frames, which declare their content size, to the addresses `targets`. Returns 0 or an
 * error of fa_lz4_pack. */
int64_t fa_lz4_frames(const segment_t *rows, const result_t *results, const uint64_t *first_rows,
                      const uint64_t *sources, const uint64_t *sizes, size_t count,
                      const uint64_t *blocks, uint32_t flags, const uint64_t *targets,
                      const uint64_t *frame_sizes);

/* Kinds of compressed items. Others are regular: one frame of independent blocks and nothing else,
 * which declares its size and whose blocks are all there; the kind says what its header does. */
#define FA_LZ4_OTHER 0
#define FA_LZ4_TOO_LARGE 1 /* its header declares more than was allowed */

/* Writes the kind of each item, and what it declares to hold (0: FA_LZ4_OTHER). Returns the blocks
 * of all regular ones. */
uint64_t fa_lz4_look(const uint64_t *sources, const uint64_t *sizes, size_t count, uint64_t most,
                     uint64_t *contents, uint16_t *kinds);

/* Writes a row for each block of each regular item, which goes to where it belongs in the content
 * at the address targets[i]; and the checksums that frames have of blocks. */
void fa_lz4_place(const uint64_t *sources, const uint64_t *sizes, const uint64_t *contents,
                  size_t count, const uint16_t *kinds, const uint64_t *targets, segment_t *rows,
                  uint32_t *checksums);

/* Compares sizes and checksums of blocks and contents. An item that is not right, or has a failed
 * row, becomes FA_LZ4_OTHER. Returns how many do. */
uint64_t fa_lz4_check(const uint64_t *sources, const uint64_t *sizes, const uint64_t *contents,
                      size_t count, const uint64_t *targets, const segment_t *rows,
                      const result_t *results, const uint32_t *checksums, uint16_t *kinds);

/* ---- lz4_plain.c ---- */

/* The size of the frame with content, and without a dictionary, that data starts with; 0 where
 * there is none, or it declares a size it cannot have. *content gets what it declares to hold or,
 * where it does not, the most that its blocks can. What the blocks hold is not looked at. */
uint64_t fa_lz4_plain_frame(const uint8_t *data, uint64_t size, uint64_t *content, int *declared);

/* The content of `size` bytes that are one such frame and nothing else: what it declares, and 0
 * where it does not; or the most that it can have. 0 for all others. */
uint64_t fa_lz4_plain_size(const uint8_t *frame, uint64_t size);
uint64_t fa_lz4_plain_most(const uint8_t *frame, uint64_t size);

/* ---- snappy_plain.c ---- */

/* The most that so many bytes of elements become: one of 3 bytes stands for 64. */
#define FA_SNAPPY_MOST(count) ((count) * 64 / 3)

/* Reads a raw stream's size of its content. Returns its bytes; 0 where there is no varint of at
 * most 5 bytes and 32 bits. */
uint32_t fa_snappy_preamble(const uint8_t *stream, uint64_t size, uint64_t *content);

/* The content size that a raw stream declares and can have; 0 for all others. Its elements are not
 * looked at. */
uint64_t fa_snappy_plain_size(const uint8_t *stream, uint64_t size);

/* ---- snappy.c: raw streams, and streams of the framing format, which are `framed` ---- */

/* How many rows fa_snappy_cut makes. */
uint64_t fa_snappy_cut_count(const uint64_t *sizes, size_t count);

/* Cuts contents at absolute addresses into rows of 64 KiB each, as fa_lz4_cut does. */
void fa_snappy_cut(const uint64_t *sources, const uint64_t *sizes, size_t count, uint64_t slots,
                   uint32_t row_flags, segment_t *rows, uint64_t *first_rows);

/* The size of what fa_snappy_pack writes, or
 * -STATUS_BAD_PARAM: a source is empty or larger than a block;
 * -STATUS_BAD_DATA:  a row has neither output nor STATUS_DST_TOO_SMALL. */
int64_t fa_snappy_packed_size(const segment_t *rows, const result_t *results, size_t count,
                              int framed);

/* Writes each absolute row as a chunk, whose checksum is result.check, or as a fragment. A row is
 * stored, in a raw stream as a literal, where compressing it did not help. Returns the size, an
 * error of fa_snappy_packed_size, or -STATUS_DST_TOO_SMALL. */
int64_t fa_snappy_pack(uint8_t *out, uint64_t capacity, const segment_t *rows,
                       const result_t *results, size_t count, int framed);

/* Writes what is in front of chunks or fragments: at most 10 bytes. Returns how many. */
uint32_t fa_snappy_head(uint8_t *out, uint64_t content, int framed);

/* The size of the stream of each content. Returns 0 or an error of fa_snappy_packed_size. */
int64_t fa_snappy_stream_sizes(const segment_t *rows, const result_t *results,
                               const uint64_t *first_rows, const uint64_t *sizes, size_t count,
                               int framed, uint64_t *stream_sizes);

/* Writes the streams to the addresses `targets`. Returns 0 or an error of fa_snappy_pack. */
int64_t fa_snappy_streams(const segment_t *rows, const result_t *results,
                          const uint64_t *first_rows, const uint64_t *sizes, size_t count,
                          int framed, const uint64_t *targets, const uint64_t *stream_sizes);

/* What is wrong with a compressed item. */
#define FA_SNAPPY_SOUND 0
#define FA_SNAPPY_CUT 1            /* it ends inside a chunk, or before its preamble does */
#define FA_SNAPPY_NO_IDENTIFIER 2  /* it does not begin with a stream identifier */
#define FA_SNAPPY_BAD_IDENTIFIER 3 /* another stream identifier is none */
#define FA_SNAPPY_RESERVED 4       /* a chunk that must not be skipped */
#define FA_SNAPPY_BAD_SIZE 5       /* a chunk that cannot hold the content that it declares */
#define FA_SNAPPY_BAD_PREAMBLE 6
#define FA_SNAPPY_IMPLAUSIBLE 7 /* a raw stream declares more than its bytes can hold */
#define FA_SNAPPY_TOO_LONG 8    /* a raw stream is larger than a row can be */
#define FA_SNAPPY_BAD_ELEMENTS 9
#define FA_SNAPPY_ELEMENTS_CUT 10
#define FA_SNAPPY_CHECKSUM 11
#define FA_SNAPPY_NOT_DONE 12 /* a row's status is none of its input */

typedef struct {
  uint64_t content;  /* bytes that it declares */
  uint64_t rows;     /* to decode it by */
  uint64_t position; /* of the chunk with the fault, then of the row */
  uint64_t fault;
} fa_snappy_t;

/* Looks at compressed items, without the elements. Returns the rows of all without a fault. */
uint64_t fa_snappy_look(const uint64_t *sources, const uint64_t *sizes, size_t count, int framed,
                        fa_snappy_t *items);

/* Writes the rows of the items without a fault, which go to where they belong in the content at the
 * address targets[i], and what their checksums have to be. */
void fa_snappy_place(const uint64_t *sources, const uint64_t *sizes, size_t count, int framed,
                     const fa_snappy_t *items, const uint64_t *targets, segment_t *rows,
                     uint32_t *checks);

/* Compares sizes and checksums; what is wrong becomes the item's fault. Returns how many have one
 * now. */
uint64_t fa_snappy_check(size_t count, const segment_t *rows, const result_t *results,
                         const uint32_t *checks, fa_snappy_t *items);

/* ---- gzip_scan.c ---- */

/* Finds from `position` on where gzip members may start: their magic number, deflate as the method,
 * and flags that are not reserved. Returns how many, at most `room`. */
uint64_t fa_gzip_starts(const uint8_t *data, uint64_t size, uint64_t position, uint64_t *starts,
                        uint64_t room);

/* Copies the content of a deflate stream that is nothing but stored blocks, and has just as many
 * bytes as there is room for. 0 for all others, of which some may have been copied. */
int fa_stored_copy(const uint8_t *stream, uint64_t size, uint8_t *out, uint64_t room);

/* What the last 4 bytes declare of data that starts as a gzip member does whose header a library
 * looks at all of; 0 for all others. */
uint64_t fa_gzip_plain_size(const uint8_t *data, uint64_t size);

/* Whether data starts as a zlib stream does of whose header a library looks at all. */
uint64_t fa_zlib_is_plain(const uint8_t *data, uint64_t size);

/* The content size of what is one BGZF block and perhaps the empty last block, as the first
 * declares it; 0 for all others. What is compressed is not looked at. */
uint64_t fa_bgzf_plain_size(const uint8_t *data, uint64_t size);

/* ---- deflate_frame.c: what the rows of deflate_compress become ---- */

#define FA_BGZF_END 28 /* bytes of the empty member that ends a BGZF file */

/* The room that a row of `size` bytes of content needs. */
uint64_t fa_deflate_room(uint64_t size);

/* How many rows fa_deflate_cut makes; *room: bytes of all their slots. */
uint64_t fa_deflate_cut_count(const uint64_t *sizes, size_t count, uint32_t block, int linked,
                              uint64_t *room);

/* Cuts contents at absolute addresses into rows of at most `block` bytes; slots from the address
 * `slots` on. linked: a row may look back into the content before it and into `history` bytes
 * before the content, and only the last row of a content is final, if `final` is set; empty content
 * is one row. Else each row is a stream of its own, and empty content none. first_rows gets the
 * first row of each content, and one entry more. */
void fa_deflate_cut(const uint64_t *sources, const uint64_t *sizes, size_t count, uint32_t block,
                    uint32_t history, int linked, int final, uint64_t slots, uint32_t row_flags,
                    segment_t *rows, uint64_t *first_rows);

/* The size of each content's result, with so many bytes more for each content and each row. */
void fa_deflate_sizes(const result_t *results, const uint64_t *first_rows, size_t count,
                      uint64_t each_item, uint64_t each_row, uint64_t *sizes);

/* Writes head, outputs of the rows, and tail of each content to targets[i]. */
void fa_deflate_join(const segment_t *rows, const result_t *results, const uint64_t *first_rows,
                     size_t count, const uint8_t *head, size_t head_size, const uint8_t *tails,
                     size_t tail_size, const uint64_t *targets);

/* The same as BGZF: each row a member with its CRC-32, checks[k], and an empty member behind. A row
 * gives at most 65,510 bytes. */
void fa_bgzf_join(const segment_t *rows, const result_t *results, const uint64_t *first_rows,
                  size_t count, const uint32_t *checks, const uint64_t *targets);

/* ---- zstd_frame.c: Zstandard frames (RFC 8878) of blocks that a device made ---- */

/* What a row reads at most, history and content, and so the window of larger frames; and the most
 * history of a row. Content of up to FA_ZSTD_WHOLE is one row. */
#define FA_ZSTD_WINDOW (1u << 20)
#define FA_ZSTD_HISTORY (256u << 10)
#define FA_ZSTD_WHOLE (256u << 10)
#define FA_ZSTD_HEADER_MOST 14

/* How many rows fa_zstd_cut makes: one at least for each content. */
uint64_t fa_zstd_cut_count(const uint64_t *sizes, size_t count);

/* Cuts contents at absolute addresses into rows, whose slots follow each other from the address
 * `slots` on. begins, ends: whether each starts its frame with the first row, and ends it with the
 * last. first_rows gets the first row of each content, and one entry more. rows may be NULL.
 * Returns the bytes of all slots. */
uint64_t fa_zstd_cut(const uint64_t *sources, const uint64_t *sizes, size_t count, int begins,
                     int ends, uint64_t slots, segment_t *rows, uint64_t *first_rows);

/* Writes the header of a frame that declares `size` bytes of content; returns its size. */
uint32_t fa_zstd_header(uint64_t size, int checksum, uint8_t *out);

/* Bytes of the rows' blocks, or -STATUS_BAD_DATA where a row has none. */
int64_t fa_zstd_joined_size(const segment_t *rows, const result_t *results, size_t count);

/* Copies the rows' blocks behind each other; returns their bytes. */
uint64_t fa_zstd_join(const segment_t *rows, const result_t *results, size_t count, uint8_t *out);

/* The size of the frame of each content. Returns 0 or -STATUS_BAD_DATA. */
int64_t fa_zstd_frame_sizes(const segment_t *rows, const result_t *results,
                            const uint64_t *first_rows, const uint64_t *sizes, size_t count,
                            int checksum, uint64_t *frame_sizes);

/* Writes the frames to the addresses `targets`; with `checksum` each ends with the low half of its
 * entry in checks. */
void fa_zstd_frames(const segment_t *rows, const result_t *results, const uint64_t *first_rows,
                    const uint64_t *sizes, size_t count, int checksum, const uint64_t *checks,
                    const uint64_t *targets);

/* ---- zstd_scan.c: Zstandard frames (RFC 8878), by their headers alone ---- */

/* Kinds of frames. */
#define FA_ZSTD_UNKNOWN 0 /* its header does not say how much it holds */
#define FA_ZSTD_KNOWN 1
#define FA_ZSTD_SKIPPABLE 2

#define FA_ZSTD_ABOUT 3

/* The size of the frame that data starts with, or
 * -STATUS_TRUNCATED: it is longer than data;
 * -STATUS_BAD_DATA:  its headers break the format, or its blocks cannot hold what it declares;
 * -STATUS_BAD_PARAM: it needs a dictionary.
 * about gets what it declares to hold, or the most that its blocks can hold; the size of its
 * window; and its kind. */
int64_t fa_zstd_frame(const uint8_t *data, uint64_t size, uint64_t *about);

/* The content of `size` bytes that are one frame and nothing else, without a dictionary: what it
 * declares and can have, and 0 where it does not declare it; or the most that its blocks can hold.
 * 0 for all others. What the blocks hold is not looked at. */
uint64_t fa_zstd_plain_size(const uint8_t *frame, uint64_t size);
uint64_t fa_zstd_plain_most(const uint8_t *frame, uint64_t size);

/* Frames of an item. Regular ones are joined frames, one at least with content, all of which
 * declare their size; skippable ones may lie between them. */
#define FA_ZSTD_OTHER 0
#define FA_ZSTD_TOO_LARGE 0xFFFFFFFF /* they declare more than was allowed */

/* Writes how many frames with content each item has, or FA_ZSTD_*, and what they declare to hold
 * together (0: FA_ZSTD_OTHER). Returns the frames of all regular ones. */
uint64_t fa_zstd_look(const uint64_t *sources, const uint64_t *sizes, size_t count, uint64_t most,
                      uint64_t *contents, uint32_t *frames);

/* Writes a row for each frame of each regular item, which goes to where it belongs in the content
 * at the address targets[i]. */
void fa_zstd_place(const uint64_t *sources, const uint64_t *sizes, const uint64_t *contents,
                   size_t count, const uint32_t *frames, const uint64_t *targets, segment_t *rows);

/* An item with a row that failed or has another size than declared becomes FA_ZSTD_OTHER. Returns
 * how many do. */
uint64_t fa_zstd_check(size_t count, const segment_t *rows, const result_t *results,
                       uint32_t *frames);

#endif
