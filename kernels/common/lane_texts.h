/* Messages side by side, one a lane, read as little-endian words: what sponges, BLAKE2 and BLAKE3
 * share.
 *
 * A source defines WORD_BITS (word_lanes.h) before it includes this file. Rows come by size, so
 * that messages side by side end together. A group is WORD_LANES rows; a work-item takes whole
 * groups in sequence. Lanes beyond the last row repeat it.
 */
#ifndef FPGA_ACCEL_LANE_TEXTS_H
#define FPGA_ACCEL_LANE_TEXTS_H

#include "abi.h"
#include "keyed.h"
#include "word_lanes.h"

/* unroll(full) acts where a count is known, so after inlining. */
#ifndef UNROLL
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("unroll")
#endif
#endif
#ifndef INLINE
#define INLINE static inline __attribute__((always_inline))
#endif
/* For what many callers share and would not fit the instruction cache inlined. */
#ifndef APART
#define APART static __attribute__((noinline))
#endif

/* ---- little-endian words in bytes ---- */

#if UNALIGNED
INLINE word_t word_load_le(global const uchar *p) { return *(global const unaligned_word_t *)p; }

INLINE void word_store_le(global uchar *p, word_t word) { *(global unaligned_word_t *)p = word; }
#else
INLINE word_t word_load_le(global const uchar *p) {
  word_t word = 0;
  for (uint i = 0; i < WORD_BYTES; i++)
    word |= (word_t)p[i] << (8 * i);
  return word;
}

INLINE void word_store_le(global uchar *p, word_t word) {
  for (uint i = 0; i < WORD_BYTES; i++)
    p[i] = (uchar)(word >> (8 * i));
}
#endif

/* The first bytes of a word, fewer than it has; zeros behind them. */
static inline word_t word_load_part(global const uchar *p, uint bytes) {
  word_t word = 0;
  for (uint i = 0; i < bytes; i++)
    word |= (word_t)p[i] << (8 * i);
  return word;
}

INLINE void set_lane(private words_t *words, uint lane, word_t word) {
  WORDS_OF(*words)[lane] = word;
}

INLINE words_t words_choose(words_t mask, words_t yes, words_t no) {
  return (yes & mask) | (no & ~mask);
}

/* ---- groups of rows ---- */

typedef struct {
  ulong src[WORD_LANES];
  uint size[WORD_LANES];
  uint least; /* of the sizes */
  uint most;
} texts_t;

static inline uint groups_of(uint count) { return (count + WORD_LANES - 1) / WORD_LANES; }

static inline uint groups_first(uint groups) {
  return (uint)((ulong)groups * get_global_id(0) / get_global_size(0));
}

static inline uint groups_end(uint groups) {
  return (uint)((ulong)groups * (get_global_id(0) + 1) / get_global_size(0));
}

static inline uint row_in_group(uint group, uint lane, uint count) {
  uint row = group * WORD_LANES + lane;
  return row < count ? row : count - 1;
}

static inline void texts_take(private texts_t *texts, uint group, global const segment_t *segments,
                              uint count) {
  texts->least = ~0u;
  texts->most = 0;
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    global const segment_t *segment = segments + row_in_group(group, lane, count);
    uint size = segment->src_size;
    texts->src[lane] = segment->src;
    texts->size[lane] = size;
    texts->least = size < texts->least ? size : texts->least;
    texts->most = size > texts->most ? size : texts->most;
  }
}

/* ---- blocks ---- */

/* WORD_LANES words of each message, which every message has. */
INLINE void load_square(private const texts_t *texts, global const uchar *src, ulong at,
                        private words_t *row) {
  UNROLL
  for (uint i = 0; i < WORD_LANES; i++)
    row[i] = words_load(src + texts->src[i] + at);
  words_transpose(row);
}

/* A block of `words` words, a multiple of WORD_LANES, that every message has whole. */
INLINE void load_whole(private const texts_t *texts, global const uchar *src, ulong at,
                       const uint words, private words_t *w) {
  UNROLL
  for (uint first = 0; first < words; first += WORD_LANES) {
    words_t row[WORD_LANES];
    load_square(texts, src, at + first * WORD_BYTES, row);
    UNROLL
    for (uint i = 0; i < WORD_LANES; i++)
      w[first + i] = row[i];
  }
}

/* Any block of any message, with zeros behind its end. */
static inline void load_any(private const texts_t *texts, global const uchar *src, ulong at,
                            const uint words, private words_t *w) {
  for (uint i = 0; i < words; i++)
    w[i] = (words_t)(0);
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    uint size = texts->size[lane];
    if (size <= at)
      continue;
    ulong left = size - at;
    global const uchar *text = src + texts->src[lane] + at;
    uint whole = left / WORD_BYTES < words ? (uint)(left / WORD_BYTES) : words;
    for (uint i = 0; i < whole; i++)
      set_lane(w + i, lane, word_load_le(text + i * WORD_BYTES));
    if (whole < words)
      set_lane(w + whole, lane, word_load_part(text + whole * WORD_BYTES, (uint)left % WORD_BYTES));
  }
}

/* ---- results ---- */

/* The first `size` bytes of the words of a lane. */
static inline void write_words(private const words_t *words, uint lane, global uchar *dst,
                               uint size) {
  uint whole = size / WORD_BYTES;
  for (uint i = 0; i < whole; i++)
    word_store_le(dst + i * WORD_BYTES, WORDS_OF(words[i])[lane]);
  for (uint i = 0; i < size % WORD_BYTES; i++)
    dst[whole * WORD_BYTES + i] = (uchar)(WORDS_OF(words[whole])[lane] >> (8 * i));
}

static inline int row_status(global const segment_t *segment, uint size) {
  return segment->dst_capacity >= size ? STATUS_OK : STATUS_DST_TOO_SMALL;
}

static inline void write_status(global result_t *result, int status, uint size) {
  result->dst_size = status == STATUS_OK ? size : 0;
  result->status = status;
  result->check = 0;
  for (uint i = 0; i < 16; i++)
    result->partial[i] = 0;
}

/* Writes digests of `size` bytes, which the first words of a lane are. */
static inline void write_digests(private const words_t *words, uint group,
                                 global const segment_t *segments, global result_t *results,
                                 global uchar *dst, uint count, uint size) {
  for (uint lane = 0; lane < WORD_LANES && group * WORD_LANES + lane < count; lane++) {
    uint row = group * WORD_LANES + lane;
    int status = row_status(segments + row, size);
    if (status == STATUS_OK)
      write_words(words, lane, dst + segments[row].dst, size);
    write_status(results + row, status, size);
  }
}

/* ---- HMAC (RFC 2104): the hash of (key ^ opad, the hash of (key ^ ipad, message)) ---- */

typedef struct {
  uint offset[WORD_LANES];
  uint size[WORD_LANES];
  bool known;
} key_names_t;

/* A key that is longer than a block has to be hashed by the host first. */
static inline int key_status(global const keyed_params_t *record, uint block) {
  return record->key_size <= block ? STATUS_OK : STATUS_BAD_PARAM;
}

/* Whether a group has other keys than names says, which then says these. A key that is refused
 * counts as none. */
static inline bool keys_change(private key_names_t *names, uint group,
                               global const segment_t *segments, global const uchar *params,
                               uint count, uint block) {
  bool same = names->known;
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    global const segment_t *segment = segments + row_in_group(group, lane, count);
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
    uint size = key_status(record, block) == STATUS_OK ? record->key_size : 0;
    same = same && names->offset[lane] == record->key && names->size[lane] == size;
    names->offset[lane] = record->key;
    names->size[lane] = size;
  }
  names->known = true;
  return !same;
}

static inline void write_tags(private const words_t *words, uint group,
                              global const segment_t *segments, global result_t *results,
                              global const uchar *params, global uchar *dst, uint count, uint block,
                              uint size) {
  for (uint lane = 0; lane < WORD_LANES && group * WORD_LANES + lane < count; lane++) {
    global const segment_t *segment = segments + group * WORD_LANES + lane;
    int status = key_status((global const keyed_params_t *)(params + segment->param), block);
    if (status == STATUS_OK)
      status = row_status(segment, size);
    if (status == STATUS_OK)
      write_words(words, lane, dst + segment->dst, size);
    write_status(results + group * WORD_LANES + lane, status, size);
  }
}

/* The keys as blocks, each byte added to `pad`. */
static inline void load_keys(private const key_names_t *names, global const uchar *params,
                             uint words, uchar pad, private words_t *w) {
  texts_t keys;
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    keys.src[lane] = names->offset[lane];
    keys.size[lane] = names->size[lane];
  }
  load_any(&keys, params, 0, words, w);
  for (uint i = 0; i < words; i++)
    w[i] ^= (words_t)((word_t)0x0101010101010101UL * pad);
}

/* ---- kernels ---- */

#ifndef LANES_ATTRIBUTES
#define LANES_ATTRIBUTES
#endif

#define LANES_ARGUMENTS                                                                            \
  global const uchar *src, global uchar *dst, global const segment_t *segments,                    \
      global result_t *results, global const uchar *params, uint count

#endif
