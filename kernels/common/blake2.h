/* BLAKE2b and BLAKE2s (RFC 7693) without a key and with full digests, over lanes of messages, and
 * HMAC over them.
 *
 * A source defines WORD_BITS: 64 for BLAKE2b, 32 for BLAKE2s.
 */
#ifndef FPGA_ACCEL_BLAKE2_H
#define FPGA_ACCEL_BLAKE2_H

#include "lane_texts.h"

#define STATE_WORDS 8
#define BLOCK_WORDS 16
#define BLOCK_BYTES (BLOCK_WORDS * WORD_BYTES)
#define DIGEST_BYTES (STATE_WORDS * WORD_BYTES)

/* The initial values are those of SHA-512 and SHA-256 (section 2.6), the rotations those of
 * section 2.1. */
#if WORD_BITS == 64
constant const word_t INITIAL[STATE_WORDS] = {
    0x6A09E667F3BCC908UL, 0xBB67AE8584CAA73BUL, 0x3C6EF372FE94F82BUL, 0xA54FF53A5F1D36F1UL,
    0x510E527FADE682D1UL, 0x9B05688C2B3E6C1FUL, 0x1F83D9ABFB41BD6BUL, 0x5BE0CD19137E2179UL};
#define ROUNDS 12
#define R1 32
#define R2 24
#define R3 16
#define R4 63
#else
constant const word_t INITIAL[STATE_WORDS] = {0x6A09E667U, 0xBB67AE85U, 0x3C6EF372U, 0xA54FF53AU,
                                              0x510E527FU, 0x9B05688CU, 0x1F83D9ABU, 0x5BE0CD19U};
#define ROUNDS 10
#define R1 16
#define R2 12
#define R3 8
#define R4 7
#endif

/* The parameter block (section 2.5), of which the first word is not zero: fanout and depth of 1, no
 * key, a full digest. */
#define PARAMETERS (0x01010000U ^ DIGEST_BYTES)

/* Rounds are written out, so that words of a block have known places; ROLLED makes them a loop, for
 * compilers that put functions into their callers and then take long. */
#ifdef ROLLED
/* Section 2.7. */
constant const uchar SCHEDULE[10][BLOCK_WORDS] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};
#endif

/* Section 3.1; what is added comes first where it is known first. */
#define MIX(w, a, b, c, d, x, y)                                                                   \
  v##a = v##a + w[x] + v##b;                                                                       \
  v##d = rotate_right(v##d ^ v##a, R1);                                                            \
  v##c += v##d;                                                                                    \
  v##b = rotate_right(v##b ^ v##c, R2);                                                            \
  v##a = v##a + w[y] + v##b;                                                                       \
  v##d = rotate_right(v##d ^ v##a, R3);                                                            \
  v##c += v##d;                                                                                    \
  v##b = rotate_right(v##b ^ v##c, R4);

/* Section 3.2, with a line of the message schedule of section 2.7. */
#define ROUND(w, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15)             \
  MIX(w, 0, 4, 8, 12, s0, s1)                                                                      \
  MIX(w, 1, 5, 9, 13, s2, s3)                                                                      \
  MIX(w, 2, 6, 10, 14, s4, s5)                                                                     \
  MIX(w, 3, 7, 11, 15, s6, s7)                                                                     \
  MIX(w, 0, 5, 10, 15, s8, s9)                                                                     \
  MIX(w, 1, 6, 11, 12, s10, s11)                                                                   \
  MIX(w, 2, 7, 8, 13, s12, s13)                                                                    \
  MIX(w, 3, 4, 9, 14, s14, s15)

#define START(i) words_t v##i = state[i];
#define START_CONSTANT(i, from) words_t v##i = (words_t)(INITIAL[from]);
#define FINISH(i, other) state[i] ^= v##i ^ v##other;

/* One block of every lane: `low` and `high` are the bytes up to its end, `last` all ones where it
 * is the last of its message. */
APART void compress(private words_t *state, private const words_t *w, words_t low, words_t high,
                    words_t last) {
  START(0)
  START(1)
  START(2)
  START(3)
  START(4)
  START(5)
  START(6)
  START(7)
  START_CONSTANT(8, 0)
  START_CONSTANT(9, 1)
  START_CONSTANT(10, 2)
  START_CONSTANT(11, 3)
  words_t v12 = low ^ (words_t)(INITIAL[4]);
  words_t v13 = high ^ (words_t)(INITIAL[5]);
  words_t v14 = last ^ (words_t)(INITIAL[6]);
  START_CONSTANT(15, 7)
#ifdef ROLLED
#pragma unroll 1
  for (uint round = 0; round < ROUNDS; round++) {
    words_t m[BLOCK_WORDS];
    for (uint i = 0; i < BLOCK_WORDS; i++)
      m[i] = w[SCHEDULE[round % 10][i]];
    ROUND(m, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  }
#else
  ROUND(w, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  ROUND(w, 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
  ROUND(w, 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4)
  ROUND(w, 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8)
  ROUND(w, 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13)
  ROUND(w, 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9)
  ROUND(w, 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11)
  ROUND(w, 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10)
  ROUND(w, 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5)
  ROUND(w, 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0)
#if WORD_BITS == 64
  ROUND(w, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  ROUND(w, 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
#endif
#endif
  FINISH(0, 8)
  FINISH(1, 9)
  FINISH(2, 10)
  FINISH(3, 11)
  FINISH(4, 12)
  FINISH(5, 13)
  FINISH(6, 14)
  FINISH(7, 15)
}

/* ---- messages ---- */

/* The bytes up to the end of a block as two words, the same for all lanes. */
#if WORD_BITS == 64
#define LOW(bytes) (words_t)((word_t)(bytes))
#define HIGH(bytes) (words_t)(0)
#else
#define LOW(bytes) (words_t)((word_t)(bytes))
#define HIGH(bytes) (words_t)((word_t)((bytes) >> 32))
#endif
#define NOT_LAST (words_t)(0)
#define LAST ~(words_t)(0)

INLINE void state_begin(private words_t *state) {
  UNROLL
  for (uint i = 0; i < STATE_WORDS; i++)
    state[i] = (words_t)(INITIAL[i]);
  state[0] ^= (words_t)((word_t)PARAMETERS);
}

/* The block at `at`, which is the last of some messages, and which others may not have. */
static void take_end(private words_t *state, private const texts_t *texts, global const uchar *src,
                     ulong at, uint before) {
  words_t w[BLOCK_WORDS], next[STATE_WORDS], low, high, last, mask;
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    uint size = texts->size[lane];
    bool ends = size <= at + BLOCK_BYTES;
    /* An empty message is one block of zeros, unless a key stands before it. */
    bool there = at < size || (at == 0 && before == 0);
    ulong bytes = (ends ? size : at + BLOCK_BYTES) + before;
    set_lane(&low, lane, (word_t)bytes);
    set_lane(&high, lane, WORD_BITS == 64 ? 0 : (word_t)(bytes >> 32));
    set_lane(&last, lane, ends ? ~(word_t)0 : (word_t)0);
    set_lane(&mask, lane, there ? ~(word_t)0 : (word_t)0);
  }
  for (uint i = 0; i < STATE_WORDS; i++)
    next[i] = state[i];
  if (at + BLOCK_BYTES <= texts->least)
    load_whole(texts, src, at, BLOCK_WORDS, w);
  else
    load_any(texts, src, at, BLOCK_WORDS, w);
  compress(next, w, low, high, last);
  for (uint i = 0; i < STATE_WORDS; i++)
    state[i] = words_choose(mask, next[i], state[i]);
}

/* Takes the messages of a group in, behind `before` bytes of key. */
static inline void take_texts(private words_t *state, private const texts_t *texts,
                              global const uchar *src, uint before) {
  words_t w[BLOCK_WORDS];
  ulong at = 0;
  for (; at + BLOCK_BYTES < texts->least; at += BLOCK_BYTES) {
    ulong bytes = at + BLOCK_BYTES + before;
    load_whole(texts, src, at, BLOCK_WORDS, w);
    compress(state, w, LOW(bytes), HIGH(bytes), NOT_LAST);
  }
  do {
    take_end(state, texts, src, at, before);
    at += BLOCK_BYTES;
  } while (at < texts->most);
}

/* ---- rows ---- */

static inline void hash_rows(global const uchar *src, global uchar *dst,
                             global const segment_t *segments, global result_t *results,
                             uint count) {
  uint groups = groups_of(count), end = groups_end(groups);
  for (uint group = groups_first(groups); group < end; group++) {
    texts_t texts;
    words_t state[STATE_WORDS];
    texts_take(&texts, group, segments, count);
    state_begin(state);
    take_texts(state, &texts, src, 0);
    write_digests(state, group, segments, results, dst, count, DIGEST_BYTES);
  }
}

/* ---- HMAC ---- */

/* The chaining values behind the blocks of the keys of a group; `alone` is that of the inner hash
 * of an empty message, of which the key is the last block. */
typedef struct {
  key_names_t names;
  words_t inner[STATE_WORDS];
  words_t alone[STATE_WORDS];
  words_t outer[STATE_WORDS];
} hmac_keys_t;

static void pad_keys(private hmac_keys_t *keys, global const uchar *params) {
  words_t w[BLOCK_WORDS];
  load_keys(&keys->names, params, BLOCK_WORDS, 0x36, w);
  state_begin(keys->inner);
  state_begin(keys->alone);
  compress(keys->inner, w, LOW(BLOCK_BYTES), (words_t)(0), NOT_LAST);
  compress(keys->alone, w, LOW(BLOCK_BYTES), (words_t)(0), LAST);
  load_keys(&keys->names, params, BLOCK_WORDS, 0x5c, w);
  state_begin(keys->outer);
  compress(keys->outer, w, LOW(BLOCK_BYTES), (words_t)(0), NOT_LAST);
}

/* The outer hash: one more block, of the digest. */
static inline void hmac_finish(private const hmac_keys_t *keys, private words_t *state) {
  words_t w[BLOCK_WORDS];
  for (uint i = 0; i < BLOCK_WORDS; i++)
    w[i] = i < STATE_WORDS ? state[i % STATE_WORDS] : (words_t)(0);
  for (uint i = 0; i < STATE_WORDS; i++)
    state[i] = keys->outer[i];
  compress(state, w, LOW(BLOCK_BYTES + DIGEST_BYTES), (words_t)(0), LAST);
}

static inline void hmac_rows(global const uchar *src, global uchar *dst,
                             global const segment_t *segments, global result_t *results,
                             global const uchar *params, uint count) {
  hmac_keys_t keys;
  keys.names.known = false;
  uint groups = groups_of(count), end = groups_end(groups);
  for (uint group = groups_first(groups); group < end; group++) {
    texts_t texts;
    words_t state[STATE_WORDS], empty;
    texts_take(&texts, group, segments, count);
    if (keys_change(&keys.names, group, segments, params, count, BLOCK_BYTES))
      pad_keys(&keys, params);
    for (uint lane = 0; lane < WORD_LANES; lane++)
      set_lane(&empty, lane, texts.size[lane] == 0 ? ~(word_t)0 : (word_t)0);
    for (uint i = 0; i < STATE_WORDS; i++)
      state[i] = words_choose(empty, keys.alone[i], keys.inner[i]);
    if (texts.most > 0)
      take_texts(state, &texts, src, BLOCK_BYTES);
    hmac_finish(&keys, state);
    write_tags(state, group, segments, results, params, dst, count, BLOCK_BYTES, DIGEST_BYTES);
  }
}

#define BLAKE2_KERNELS(name)                                                                       \
  LANES_ATTRIBUTES kernel void name(LANES_ARGUMENTS) {                                             \
    hash_rows(src, dst, segments, results, count);                                                 \
  }                                                                                                \
  LANES_ATTRIBUTES kernel void hmac_##name(LANES_ARGUMENTS) {                                      \
    hmac_rows(src, dst, segments, results, params, count);                                         \
  }

#endif
