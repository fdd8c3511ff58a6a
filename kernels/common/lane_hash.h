/* Hashes of the Merkle-Damgard kind and HMAC over them, many messages at once: one message a lane.
 *
 * A source defines, before it includes this file,
 *
 *   WORD_BITS     see word_lanes.h
 *   STATE_WORDS   words of the chaining value
 *   BLOCK_WORDS   16: words of a block
 *
 * and behind it
 *
 *   void compress(words_t *state, words_t *w)
 *       One block of every lane; w may be overwritten.
 *
 * and its kernels with HASH_KERNEL and HMAC_KERNEL. The padding is the one of FIPS 180-4
 * section 5.1: a bit 1, zeros, and the length in bits in the last two words, most significant
 * first.
 *
 * Rows come by size, so that the messages side by side end together. A group is WORD_LANES rows; a
 * work-item takes whole groups in sequence. Lanes beyond the last row repeat it.
 */
#ifndef FPGA_ACCEL_LANE_HASH_H
#define FPGA_ACCEL_LANE_HASH_H

#include "abi.h"
#include "keyed.h"
#include "word_lanes.h"

#define HASH_BLOCK (BLOCK_WORDS * WORD_BYTES)
/* The length takes two words. */
#define HASH_ROOM (HASH_BLOCK - 2 * WORD_BYTES)
#define BLOCK_PARTS (BLOCK_WORDS / WORD_LANES)

static void compress(private words_t *state, private words_t *w);

/* The messages of a group. */
typedef struct {
  ulong src[WORD_LANES];
  uint size[WORD_LANES];
  uint least;  /* whole blocks that every message has */
  uint most;   /* blocks of the longest, with its padding */
  uint before; /* bytes hashed in front of the messages */
  bool even;   /* all have one size, a multiple of the block */
} group_t;

static inline uint padded_blocks(uint size) {
  return size / HASH_BLOCK + 1 + (size % HASH_BLOCK >= HASH_ROOM);
}

/* Bits of a message with what comes before it; FIPS 180-4 allows more than 64 bits for SHA-512,
 * which no row needs. */
static inline ulong message_bits(private const group_t *group, uint lane) {
  return ((ulong)group->size[lane] + group->before) * 8;
}

/* ---- blocks ---- */

__attribute__((always_inline)) static inline void
load_whole(private const group_t *group, uint block, global const uchar *src, private words_t *w) {
#pragma unroll
  for (uint part = 0; part < BLOCK_PARTS; part++) {
    words_t row[WORD_LANES];
    ulong at = (ulong)block * HASH_BLOCK + part * sizeof(words_t);
#pragma unroll
    for (uint i = 0; i < WORD_LANES; i++)
      row[i] = words_load(src + group->src[i] + at);
    words_transpose(row);
#pragma unroll
    for (uint i = 0; i < WORD_LANES; i++)
      w[part * WORD_LANES + i] = words_swap(row[i]);
  }
}

/* The block behind a message that fills its last block: the padding alone. */
static inline void pad_even(private const group_t *group, private words_t *w) {
  ulong bits = message_bits(group, 0);
#pragma unroll
  for (uint i = 0; i < BLOCK_WORDS; i++)
    w[i] = (words_t)(0);
  w[0] = (words_t)((word_t)1 << (WORD_BITS - 1));
#if WORD_BITS == 32
  w[BLOCK_WORDS - 2] = (words_t)((uint)(bits >> 32));
#endif
  w[BLOCK_WORDS - 1] = (words_t)((word_t)bits);
}

/* One word of a text that goes on for so many bytes, with zeros behind its end. */
static inline word_t word_at(global const uchar *p, ulong bytes) {
  if (bytes >= WORD_BYTES)
    return word_load_be(p);
  word_t word = 0;
  for (uint i = 0; i < bytes; i++)
    word |= (word_t)p[i] << (WORD_BITS - 8 - 8 * i);
  return word;
}

/* Any block of any lane: text, padding, or nothing where the message has ended. */
static void load_any(private const group_t *group, uint block, global const uchar *src,
                     private words_t *w) {
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    uint size = group->size[lane];
    global const uchar *text = src + group->src[lane];
    bool last = block + 1 == padded_blocks(size);
    ulong bits = message_bits(group, lane);
    for (uint i = 0; i < BLOCK_WORDS; i++) {
      ulong at = (ulong)block * HASH_BLOCK + i * WORD_BYTES;
      word_t word = 0;
      if (at < size)
        word = word_at(text + at, size - at);
      if (size >= at && size - at < WORD_BYTES)
        word |= (word_t)0x80 << (WORD_BITS - 8 - 8 * (size - at));
      if (last && i == BLOCK_WORDS - 1)
        word = (word_t)bits;
#if WORD_BITS == 32
      if (last && i == BLOCK_WORDS - 2)
        word = (word_t)(bits >> 32);
#endif
      ((private word_t *)&w[i])[lane] = word;
    }
  }
}

/* ---- messages ---- */

static inline void states_set(private words_t *state, constant const word_t *initial) {
#pragma unroll
  for (uint i = 0; i < STATE_WORDS; i++)
    state[i] = (words_t)(initial[i]);
}

/* Every bit of a lane whose message has a block of that number. */
static inline words_t lanes_with(private const group_t *group, uint block) {
  words_t mask;
  for (uint lane = 0; lane < WORD_LANES; lane++)
    ((private word_t *)&mask)[lane] =
        block < padded_blocks(group->size[lane]) ? ~(word_t)0 : (word_t)0;
  return mask;
}

static void hash_group(private words_t *state, private const group_t *group,
                       global const uchar *src) {
  words_t w[BLOCK_WORDS];
  uint block = 0;
  for (; block < group->least; block++) {
    load_whole(group, block, src, w);
    compress(state, w);
  }
  if (group->even) {
    pad_even(group, w);
    compress(state, w);
    return;
  }
  for (; block < group->most; block++) {
    words_t next[STATE_WORDS], mask = lanes_with(group, block);
    for (uint i = 0; i < STATE_WORDS; i++)
      next[i] = state[i];
    load_any(group, block, src, w);
    compress(next, w);
    for (uint i = 0; i < STATE_WORDS; i++)
      state[i] = (next[i] & mask) | (state[i] & ~mask);
  }
}

/* ---- rows ---- */

static inline uint first_group(uint groups) {
  return (uint)((ulong)groups * get_global_id(0) / get_global_size(0));
}

static inline uint end_group(uint groups) {
  return (uint)((ulong)groups * (get_global_id(0) + 1) / get_global_size(0));
}

static inline uint row_of_lane(uint group, uint lane, uint count) {
  uint row = group * WORD_LANES + lane;
  return row < count ? row : count - 1;
}

/* Rows that cannot be done count as empty messages. */
static void take_group(private group_t *taken, uint number, global const segment_t *segments,
                       uint count, uint before) {
  taken->least = ~0u;
  taken->most = 0;
  taken->before = before;
  taken->even = true;
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    global const segment_t *segment = segments + row_of_lane(number, lane, count);
    uint size = segment->src_size;
    uint whole = size / HASH_BLOCK, blocks = padded_blocks(size);
    taken->src[lane] = segment->src;
    taken->size[lane] = size;
    taken->least = whole < taken->least ? whole : taken->least;
    taken->most = blocks > taken->most ? blocks : taken->most;
    taken->even = taken->even && size % HASH_BLOCK == 0 && size == taken->size[0];
  }
}

static void write_digest(private const words_t *state, uint lane, global uchar *dst, uint size) {
  for (uint i = 0; i < size / WORD_BYTES; i++)
    word_store_be(dst + i * WORD_BYTES, words_lane(state[i], lane));
}

static void write_digests(private const words_t *state, uint number,
                          global const segment_t *segments, global result_t *results,
                          global uchar *dst, uint count, uint size) {
  for (uint lane = 0; lane < WORD_LANES && number * WORD_LANES + lane < count; lane++) {
    global const segment_t *segment = segments + number * WORD_LANES + lane;
    global result_t *result = results + number * WORD_LANES + lane;
    bool fits = segment->dst_capacity >= size;
    if (fits)
      write_digest(state, lane, dst + segment->dst, size);
    result->dst_size = fits ? size : 0;
    result->status = fits ? STATUS_OK : STATUS_DST_TOO_SMALL;
    result->check = 0;
    for (uint i = 0; i < 16; i++)
      result->partial[i] = 0;
  }
}

static void hash_rows(constant const word_t *initial, uint size, global const uchar *src,
                      global uchar *dst, global const segment_t *segments, global result_t *results,
                      uint count) {
  uint groups = (count + WORD_LANES - 1) / WORD_LANES, end = end_group(groups);
  for (uint number = first_group(groups); number < end; number++) {
    group_t group;
    words_t state[STATE_WORDS];
    take_group(&group, number, segments, count, 0);
    states_set(state, initial);
    hash_group(state, &group, src);
    write_digests(state, number, segments, results, dst, count, size);
  }
}

/* ---- HMAC (RFC 2104): the hash of (key ^ opad, the hash of (key ^ ipad, message)) ---- */

/* The chaining values behind the two blocks of the key, for the keys of a group. */
typedef struct {
  uint key[WORD_LANES];
  uint size[WORD_LANES];
  bool known;
  words_t inner[STATE_WORDS];
  words_t outer[STATE_WORDS];
} hmac_keys_t;

static void pad_key(private const words_t *key, const uchar pad, constant const word_t *initial,
                    private words_t *state) {
  words_t w[BLOCK_WORDS];
  word_t all = (word_t)0x0101010101010101UL * pad;
  for (uint i = 0; i < BLOCK_WORDS; i++)
    w[i] = key[i] ^ (words_t)(all);
  states_set(state, initial);
  compress(state, w);
}

static void take_keys(private hmac_keys_t *keys, uint number, global const segment_t *segments,
                      global const uchar *params, uint count, constant const word_t *initial) {
  bool same = keys->known;
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    global const segment_t *segment = segments + row_of_lane(number, lane, count);
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
    /* A key that is longer than the block, which the host has to hash first, counts as none. */
    uint size = record->key_size <= HASH_BLOCK ? record->key_size : 0;
    same = same && keys->key[lane] == record->key && keys->size[lane] == size;
    keys->key[lane] = record->key;
    keys->size[lane] = size;
  }
  if (same)
    return;
  words_t key[BLOCK_WORDS];
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    global const uchar *bytes = params + keys->key[lane];
    uint size = keys->size[lane];
    for (uint i = 0; i < BLOCK_WORDS; i++) {
      uint at = i * WORD_BYTES;
      ((private word_t *)&key[i])[lane] = at < size ? word_at(bytes + at, size - at) : (word_t)0;
    }
  }
  pad_key(key, 0x36, initial, keys->inner);
  pad_key(key, 0x5c, initial, keys->outer);
  keys->known = true;
}

/* The outer hash: its message is one block and a digest, so one block with its padding is left. */
static void hmac_finish(private const hmac_keys_t *keys, private words_t *state, uint size) {
  words_t w[BLOCK_WORDS];
  uint words = size / WORD_BYTES;
  for (uint i = 0; i < BLOCK_WORDS; i++)
    w[i] = (words_t)(0);
  for (uint i = 0; i < words; i++)
    w[i] = state[i];
  w[words] = (words_t)((word_t)1 << (WORD_BITS - 1));
  w[BLOCK_WORDS - 1] = (words_t)((word_t)(8 * (HASH_BLOCK + size)));
  for (uint i = 0; i < STATE_WORDS; i++)
    state[i] = keys->outer[i];
  compress(state, w);
}

static void hmac_rows(constant const word_t *initial, uint size, global const uchar *src,
                      global uchar *dst, global const segment_t *segments, global result_t *results,
                      global const uchar *params, uint count) {
  hmac_keys_t keys;
  keys.known = false;
  uint groups = (count + WORD_LANES - 1) / WORD_LANES, end = end_group(groups);
  for (uint number = first_group(groups); number < end; number++) {
    group_t group;
    words_t state[STATE_WORDS];
    take_group(&group, number, segments, count, HASH_BLOCK);
    take_keys(&keys, number, segments, params, count, initial);
    for (uint i = 0; i < STATE_WORDS; i++)
      state[i] = keys.inner[i];
    hash_group(state, &group, src);
    hmac_finish(&keys, state, size);
    write_digests(state, number, segments, results, dst, count, size);
  }
}

#ifndef HASH_ATTRIBUTES
#define HASH_ATTRIBUTES
#endif

#define HASH_ARGUMENTS                                                                             \
  global const uchar *src, global uchar *dst, global const segment_t *segments,                    \
      global result_t *results, global const uchar *params, uint count

#define HASH_KERNEL(name, initial, size)                                                           \
  HASH_ATTRIBUTES kernel void name(HASH_ARGUMENTS) {                                               \
    hash_rows(initial, size, src, dst, segments, results, count);                                  \
  }

#define HMAC_KERNEL(name, initial, size)                                                           \
  HASH_ATTRIBUTES kernel void name(HASH_ARGUMENTS) {                                               \
    hmac_rows(initial, size, src, dst, segments, results, params, count);                          \
  }

#endif
