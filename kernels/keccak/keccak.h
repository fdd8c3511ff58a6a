/* SHA-3 and SHAKE (FIPS 202) over lanes of messages, HMAC over SHA-3, and their kernels. */
#ifndef FPGA_ACCEL_KECCAK_H
#define FPGA_ACCEL_KECCAK_H

#define WORD_BITS 64
#include "lane_texts.h"

#define STATE_WORDS 25
#define ROUNDS 24

/* Words of a block: 1600 bits less twice the security strength (FIPS 202 section 6). */
#define RATE_SHAKE128 21
#define RATE_224 18
#define RATE_256 17
#define RATE_384 13
#define RATE_512 9

/* What follows the message, with the first bit of the padding (section 6.1, 6.2, B.2). */
#define SUFFIX_HASH 0x06
#define SUFFIX_XOF 0x1F
/* The last bit of the padding, in the last word of a block. */
#define LAST_BIT 0x8000000000000000UL

/* Section 3.2.5, as the shift register there gives them. */
constant const ulong ROUND_CONSTANTS[ROUNDS] = {
    0x0000000000000001UL, 0x0000000000008082UL, 0x800000000000808AUL, 0x8000000080008000UL,
    0x000000000000808BUL, 0x0000000080000001UL, 0x8000000080008081UL, 0x8000000000008009UL,
    0x000000000000008AUL, 0x0000000000000088UL, 0x0000000080008009UL, 0x000000008000000AUL,
    0x000000008000808BUL, 0x800000000000008BUL, 0x8000000000008089UL, 0x8000000000008003UL,
    0x8000000000008002UL, 0x8000000000000080UL, 0x000000000000800AUL, 0x800000008000000AUL,
    0x8000000080008081UL, 0x8000000000008080UL, 0x0000000080000001UL, 0x8000000080008008UL};

/* The sum of a column, and what theta adds to column x (section 3.2.1). */
#define COLUMN(x) words_t c##x = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
#define THETA(x, before, behind) words_t d##x = c##before ^ rotate_left(c##behind, 1);
/* The rest of theta, rho and pi (sections 3.2.2, 3.2.3): word `from` goes to `to`, by section
 * 3.2.2's table of offsets. */
#define MOVE(to, from, x, offset) words_t b##to = rotate_left(a[from] ^ d##x, offset);
/* Chi on a row of five (section 3.2.4). */
#define CHI(r0, r1, r2, r3, r4)                                                                    \
  a[r0] = b##r0 ^ (~b##r1 & b##r2);                                                                \
  a[r1] = b##r1 ^ (~b##r2 & b##r3);                                                                \
  a[r2] = b##r2 ^ (~b##r3 & b##r4);                                                                \
  a[r3] = b##r3 ^ (~b##r4 & b##r0);                                                                \
  a[r4] = b##r4 ^ (~b##r0 & b##r1);

/* Keccak-f[1600]: word x + 5 y is the lane (x, y) of the standard. */
APART void permute(private words_t *state) {
  words_t a[STATE_WORDS];
  UNROLL
  for (uint i = 0; i < STATE_WORDS; i++)
    a[i] = state[i];
#pragma unroll 1
  for (uint round = 0; round < ROUNDS; round++) {
    COLUMN(0)
    COLUMN(1)
    COLUMN(2)
    COLUMN(3)
    COLUMN(4)
    THETA(0, 4, 1)
    THETA(1, 0, 2)
    THETA(2, 1, 3)
    THETA(3, 2, 4)
    THETA(4, 3, 0)
    words_t b0 = a[0] ^ d0;
    MOVE(10, 1, 1, 1)
    MOVE(20, 2, 2, 62)
    MOVE(5, 3, 3, 28)
    MOVE(15, 4, 4, 27)
    MOVE(16, 5, 0, 36)
    MOVE(1, 6, 1, 44)
    MOVE(11, 7, 2, 6)
    MOVE(21, 8, 3, 55)
    MOVE(6, 9, 4, 20)
    MOVE(7, 10, 0, 3)
    MOVE(17, 11, 1, 10)
    MOVE(2, 12, 2, 43)
    MOVE(12, 13, 3, 25)
    MOVE(22, 14, 4, 39)
    MOVE(23, 15, 0, 41)
    MOVE(8, 16, 1, 45)
    MOVE(18, 17, 2, 15)
    MOVE(3, 18, 3, 21)
    MOVE(13, 19, 4, 8)
    MOVE(14, 20, 0, 18)
    MOVE(24, 21, 1, 2)
    MOVE(9, 22, 2, 61)
    MOVE(19, 23, 3, 56)
    MOVE(4, 24, 4, 14)
    CHI(0, 1, 2, 3, 4)
    CHI(5, 6, 7, 8, 9)
    CHI(10, 11, 12, 13, 14)
    CHI(15, 16, 17, 18, 19)
    CHI(20, 21, 22, 23, 24)
    a[0] ^= (words_t)(ROUND_CONSTANTS[round]);
  }
  UNROLL
  for (uint i = 0; i < STATE_WORDS; i++)
    state[i] = a[i];
}

/* ---- messages ---- */

INLINE void state_clear(private words_t *state) {
  UNROLL
  for (uint i = 0; i < STATE_WORDS; i++)
    state[i] = (words_t)(0);
}

static inline void state_add(private words_t *state, private const words_t *w, uint rate) {
  for (uint i = 0; i < rate; i++)
    state[i] ^= w[i];
}

/* Adds a block that every message has whole. What fills no square is read as part of one that ends
 * where the block ends; a block has more words than there are lanes. */
static inline void add_whole(private words_t *state, private const texts_t *texts,
                             global const uchar *src, ulong at, uint rate) {
  for (uint first = 0; first < rate; first += WORD_LANES) {
    uint start = first + WORD_LANES <= rate ? first : rate - WORD_LANES;
    words_t row[WORD_LANES];
    load_square(texts, src, at + start * WORD_BYTES, row);
    UNROLL
    for (uint i = 0; i < WORD_LANES; i++)
      if (start + i >= first)
        state[start + i] ^= row[i];
  }
}

/* The block at which messages end, with the padding of those that end there. */
static inline void load_end(private const texts_t *texts, global const uchar *src, ulong at,
                            uint rate, uchar suffix, private words_t *w) {
  load_any(texts, src, at, rate, w);
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    uint size = texts->size[lane];
    if (size < at || size - at >= rate * WORD_BYTES)
      continue;
    uint end = size - (uint)at;
    WORDS_OF(w[end / WORD_BYTES])[lane] ^= (word_t)suffix << (end % WORD_BYTES * 8);
    WORDS_OF(w[rate - 1])[lane] ^= LAST_BIT;
  }
}

/* Takes the messages of a group in; `state` may have taken in whole blocks before. */
static void absorb(private words_t *state, private const texts_t *texts, global const uchar *src,
                   uint rate, uchar suffix) {
  words_t w[STATE_WORDS];
  uint block = rate * WORD_BYTES;
  uint number = 0, whole = texts->least / block, last = texts->most / block;
  for (; number < whole; number++) {
    add_whole(state, texts, src, (ulong)number * block, rate);
    permute(state);
  }
  for (; number <= last; number++) {
    words_t mask, kept[STATE_WORDS];
    for (uint lane = 0; lane < WORD_LANES; lane++)
      set_lane(&mask, lane, number <= texts->size[lane] / block ? ~(word_t)0 : (word_t)0);
    for (uint i = 0; i < STATE_WORDS; i++)
      kept[i] = state[i];
    load_end(texts, src, (ulong)number * block, rate, suffix, w);
    state_add(state, w, rate);
    permute(state);
    for (uint i = 0; i < STATE_WORDS; i++)
      state[i] = words_choose(mask, state[i], kept[i]);
  }
}

/* ---- rows ---- */

APART void hash_rows(uint rate, uint size, global const uchar *src, global uchar *dst,
                     global const segment_t *segments, global result_t *results, uint count) {
  uint groups = groups_of(count), end = groups_end(groups);
  for (uint group = groups_first(groups); group < end; group++) {
    texts_t texts;
    words_t state[STATE_WORDS];
    texts_take(&texts, group, segments, count);
    state_clear(state);
    absorb(state, &texts, src, rate, SUFFIX_HASH);
    write_digests(state, group, segments, results, dst, count, size);
  }
}

/* ---- SHAKE: the flags of a row are the bytes wanted ---- */

/* Writes the part of the outputs that begins at `at`, a block at most; tells whether any goes on.
 */
static inline bool squeeze(private const words_t *state, uint group,
                           global const segment_t *segments, global uchar *dst, uint count,
                           ulong at, uint block) {
  bool more = false;
  for (uint lane = 0; lane < WORD_LANES && group * WORD_LANES + lane < count; lane++) {
    global const segment_t *segment = segments + group * WORD_LANES + lane;
    uint wanted = segment->flags;
    if (row_status(segment, wanted) != STATUS_OK || wanted <= at)
      continue;
    ulong left = wanted - at;
    write_words(state, lane, dst + segment->dst + at, left < block ? (uint)left : block);
    more = more || left > block;
  }
  return more;
}

APART void shake_rows(uint rate, global const uchar *src, global uchar *dst,
                      global const segment_t *segments, global result_t *results, uint count) {
  uint block = rate * WORD_BYTES;
  uint groups = groups_of(count), end = groups_end(groups);
  for (uint group = groups_first(groups); group < end; group++) {
    texts_t texts;
    words_t state[STATE_WORDS];
    texts_take(&texts, group, segments, count);
    state_clear(state);
    absorb(state, &texts, src, rate, SUFFIX_XOF);
    for (ulong at = 0; squeeze(state, group, segments, dst, count, at, block); at += block)
      permute(state);
    for (uint lane = 0; lane < WORD_LANES && group * WORD_LANES + lane < count; lane++) {
      uint row = group * WORD_LANES + lane, wanted = segments[row].flags;
      write_status(results + row, row_status(segments + row, wanted), wanted);
    }
  }
}

/* ---- HMAC ---- */

/* The states behind the blocks of the keys of a group. */
typedef struct {
  key_names_t names;
  words_t inner[STATE_WORDS];
  words_t outer[STATE_WORDS];
} hmac_keys_t;

static inline void pad_keys(private const key_names_t *names, global const uchar *params, uint rate,
                            uchar pad, private words_t *state) {
  words_t w[STATE_WORDS];
  load_keys(names, params, rate, pad, w);
  for (uint i = 0; i < STATE_WORDS; i++)
    state[i] = i < rate ? w[i] : (words_t)(0);
  permute(state);
}

/* The outer hash: one more block, of the digest and the padding; size is a multiple of 4. */
static inline void hmac_finish(private const hmac_keys_t *keys, private words_t *state, uint rate,
                               uint size) {
  words_t digest[STATE_WORDS];
  for (uint i = 0; i < STATE_WORDS; i++)
    digest[i] = i * WORD_BYTES < size ? state[i] : (words_t)(0);
  uint last = size / WORD_BYTES, bits = size % WORD_BYTES * 8;
  if (bits != 0)
    digest[last] &= (words_t)(((word_t)1 << bits) - 1);
  digest[last] ^= (words_t)((word_t)SUFFIX_HASH << bits);
  digest[rate - 1] ^= (words_t)(LAST_BIT);
  for (uint i = 0; i < STATE_WORDS; i++)
    state[i] = keys->outer[i] ^ digest[i];
  permute(state);
}

APART void hmac_rows(uint rate, uint size, global const uchar *src, global uchar *dst,
                     global const segment_t *segments, global result_t *results,
                     global const uchar *params, uint count) {
  uint block = rate * WORD_BYTES;
  hmac_keys_t keys;
  keys.names.known = false;
  uint groups = groups_of(count), end = groups_end(groups);
  for (uint group = groups_first(groups); group < end; group++) {
    texts_t texts;
    words_t state[STATE_WORDS];
    texts_take(&texts, group, segments, count);
    if (keys_change(&keys.names, group, segments, params, count, block)) {
      pad_keys(&keys.names, params, rate, 0x36, keys.inner);
      pad_keys(&keys.names, params, rate, 0x5c, keys.outer);
    }
    for (uint i = 0; i < STATE_WORDS; i++)
      state[i] = keys.inner[i];
    absorb(state, &texts, src, rate, SUFFIX_HASH);
    hmac_finish(&keys, state, rate, size);
    write_tags(state, group, segments, results, params, dst, count, block, size);
  }
}

#define HASH_KERNEL(name, rate, size)                                                              \
  LANES_ATTRIBUTES kernel void name(LANES_ARGUMENTS) {                                             \
    hash_rows(rate, size, src, dst, segments, results, count);                                     \
  }                                                                                                \
  LANES_ATTRIBUTES kernel void hmac_##name(LANES_ARGUMENTS) {                                      \
    hmac_rows(rate, size, src, dst, segments, results, params, count);                             \
  }

#define SHAKE_KERNEL(name, rate)                                                                   \
  LANES_ATTRIBUTES kernel void name(LANES_ARGUMENTS) {                                             \
    shake_rows(rate, src, dst, segments, results, count);                                          \
  }

HASH_KERNEL(sha3_224, RATE_224, 28)
HASH_KERNEL(sha3_256, RATE_256, 32)
HASH_KERNEL(sha3_384, RATE_384, 48)
HASH_KERNEL(sha3_512, RATE_512, 64)
SHAKE_KERNEL(shake128, RATE_SHAKE128)
SHAKE_KERNEL(shake256, RATE_256)

#endif
