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
 * A group is WORD_LANES rows, of about one size as the host orders them; a work-item takes whole
 * groups in sequence. Lanes whose message has ended, that are behind the last row, or whose row
 * cannot be done, go on with a message of their own that nobody reads.
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

/* Brings the next word of a schedule that is kept for 16 steps. In unrolled steps nothing moves,
 * and in hardware no step has to choose among words. */
static inline void words_shift(private words_t *w, words_t word) {
#pragma unroll
  for (uint i = 0; i + 1 < BLOCK_WORDS; i++)
    w[i] = w[i + 1];
  w[BLOCK_WORDS - 1] = word;
}

/* The messages of a group. */
typedef struct {
  ulong src[WORD_LANES];
  uint size[WORD_LANES];
  int status[WORD_LANES];
  words_t sizes;  /* as above */
  words_t blocks; /* of each message with its padding */
  uint whole;     /* blocks of text that every message has whole */
  uint most;      /* blocks of the longest message */
  uint before;    /* bytes hashed in front of the messages: of HMAC's key */
  bool even;      /* all have one size, a multiple of the block */
} group_t;

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

/* The length of each message in bits, with what comes before it, into the lanes of a mask. Rows
 * have less than 2^32 bytes, so the sum of 32-bit words can pass 2^32 once. */
static inline void add_length(private const group_t *group, words_t mask, private words_t *w) {
  words_t bytes = group->sizes + (words_t)((word_t)group->before);
  w[BLOCK_WORDS - 1] |= bytes << 3 & mask;
#if WORD_BITS == 32
  words_t over = WORDS_WHERE(bytes < group->sizes) & 8;
  w[BLOCK_WORDS - 2] |= (bytes >> 29 | over) & mask;
#endif
}

/* The block behind messages that fill their last block: the padding alone. */
static inline void pad_even(private const group_t *group, private words_t *w) {
#pragma unroll
  for (uint i = 0; i < BLOCK_WORDS; i++)
    w[i] = (words_t)(0);
  w[0] = (words_t)((word_t)1 << (WORD_BITS - 1));
  add_length(group, ~(words_t)(0), w);
}

#if UNALIGNED
typedef ulong2 __attribute__((aligned(1))) unaligned_16_t;
typedef ulong __attribute__((aligned(1))) unaligned_8_t;
typedef uint __attribute__((aligned(1))) unaligned_4_t;

/* The first and the last `type` of a text, which overlap where it is shorter than two. */
#define COPY_ENDS(type)                                                                            \
  {                                                                                                \
    *(private type *)to = *(global const type *)from;                                              \
    *(private type *)(to + size - sizeof(type)) =                                                  \
        *(global const type *)(from + size - sizeof(type));                                        \
    return;                                                                                        \
  }

static inline void copy_private(private uchar *to, global const uchar *from, uint size) {
  if (size >= 16) {
    for (uint at = 16; at + 16 < size; at += 16)
      *(private unaligned_16_t *)(to + at) = *(global const unaligned_16_t *)(from + at);
    COPY_ENDS(unaligned_16_t)
  }
  if (size >= 8)
    COPY_ENDS(unaligned_8_t)
  if (size >= 4)
    COPY_ENDS(unaligned_4_t)
  for (uint i = 0; i < size; i++)
    to[i] = from[i];
}
#else
static inline void copy_private(private uchar *to, global const uchar *from, uint size) {
  for (uint i = 0; i < size; i++)
    to[i] = from[i];
}
#endif

/* Blocks of all lanes in memory, one behind the other. */
typedef union {
  words_t vectors[BLOCK_WORDS];
  uchar bytes[BLOCK_WORDS * sizeof(words_t)];
} rows_t;

/* Up to a block of text into the block of a lane, with zeros behind it. */
static inline void put_text(private rows_t *rows, uint lane, global const uchar *text, uint size) {
#pragma unroll
  for (uint part = 0; part < BLOCK_PARTS; part++)
    rows->vectors[lane * BLOCK_PARTS + part] = (words_t)(0);
  copy_private(rows->bytes + lane * HASH_BLOCK, text, size);
}

/* As load_whole does it, but rarely: a function of its own, as compilers take long for it. */
__attribute__((noinline)) static void take_rows(private const rows_t *rows, private words_t *w) {
#pragma unroll
  for (uint part = 0; part < BLOCK_PARTS; part++) {
    words_t row[WORD_LANES];
#pragma unroll
    for (uint i = 0; i < WORD_LANES; i++)
      row[i] = rows->vectors[i * BLOCK_PARTS + part];
    words_transpose(row);
#pragma unroll
    for (uint i = 0; i < WORD_LANES; i++)
      w[part * WORD_LANES + i] = words_swap(row[i]);
  }
}

/* Any block of each lane: text, the bit behind it, the length, or nothing behind its end. */
static void load_any(private const group_t *group, uint block, global const uchar *src,
                     private words_t *w) {
  rows_t rows;
  ulong at = (ulong)block * HASH_BLOCK;
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    ulong size = group->size[lane];
    uint left = size <= at ? 0 : size - at < HASH_BLOCK ? (uint)(size - at) : HASH_BLOCK;
    put_text(&rows, lane, src + group->src[lane] + at, left);
    if (size >= at && left < HASH_BLOCK)
      rows.bytes[lane * HASH_BLOCK + left] = 0x80;
  }
  take_rows(&rows, w);
  add_length(group, WORDS_WHERE(group->blocks == (words_t)((word_t)(block + 1))), w);
}

/* ---- messages ---- */

static inline void states_set(private words_t *state, constant const word_t *initial) {
#pragma unroll
  for (uint i = 0; i < STATE_WORDS; i++)
    state[i] = (words_t)(initial[i]);
}

static void hash_group(private words_t *state, private const group_t *group,
                       global const uchar *src) {
  words_t w[BLOCK_WORDS];
  uint block = 0;
  for (; block < group->whole; block++) {
    load_whole(group, block, src, w);
    compress(state, w);
  }
  if (group->even) {
    pad_even(group, w);
    compress(state, w);
    return;
  }
  for (; block < group->most; block++) {
    words_t next[STATE_WORDS], mask = WORDS_WHERE(group->blocks > (words_t)((word_t)block));
    for (uint i = 0; i < STATE_WORDS; i++)
      next[i] = state[i];
    load_any(group, block, src, w);
    compress(next, w);
    for (uint i = 0; i < STATE_WORDS; i++)
      state[i] = (next[i] & mask) | (state[i] & ~mask);
  }
}

/* ---- rows ---- */

static inline uint groups_of(uint count) { return count / WORD_LANES + (count % WORD_LANES != 0); }

static inline uint first_group(uint groups) {
  return (uint)((ulong)groups * get_global_id(0) / get_global_size(0));
}

static inline uint end_group(uint groups) {
  return (uint)((ulong)groups * (get_global_id(0) + 1) / get_global_size(0));
}

/* Lanes behind the last row repeat it. */
static inline uint row_of_lane(uint group, uint lane, uint count) {
  uint row = group * WORD_LANES + lane;
  return row < count ? row : count - 1;
}

/* The rows of a group. One whose digest does not fit is an empty message. */
static inline void take_group(private group_t *group, uint number, global const segment_t *segments,
                              uint count, uint digest) {
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    global const segment_t *segment = segments + row_of_lane(number, lane, count);
    bool fits = segment->dst_capacity >= digest;
    group->src[lane] = segment->src;
    group->size[lane] = fits ? segment->src_size : 0;
    group->status[lane] = fits ? STATUS_OK : STATUS_DST_TOO_SMALL;
  }
}

/* What follows from the sizes. */
static inline void measure_group(private group_t *group, uint before) {
  uint least = ~0u, most = 0;
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    uint size = group->size[lane];
    WORDS_OF(group->sizes)[lane] = size;
    least = size < least ? size : least;
    most = size > most ? size : most;
  }
  words_t rest = group->sizes & (HASH_BLOCK - 1);
  words_t more = WORDS_WHERE(rest >= (words_t)((word_t)HASH_ROOM)) & 1;
  group->blocks = group->sizes / HASH_BLOCK + 1 + more;
  group->whole = least / HASH_BLOCK;
  group->most = most / HASH_BLOCK + 1 + (most % HASH_BLOCK >= HASH_ROOM);
  group->before = before;
  group->even = least == most && least % HASH_BLOCK == 0;
}

static void write_digests(private const words_t *state, private const group_t *group, uint number,
                          global const segment_t *segments, global result_t *results,
                          global uchar *dst, uint count, uint digest) {
  words_t swapped[STATE_WORDS];
#pragma unroll
  for (uint i = 0; i < STATE_WORDS; i++)
    swapped[i] = words_swap(state[i]);
  uint first = number * WORD_LANES;
  for (uint lane = 0; lane < WORD_LANES && first + lane < count; lane++) {
    global result_t *result = results + first + lane;
    bool done = group->status[lane] == STATUS_OK;
    global uchar *to = dst + segments[first + lane].dst;
    for (uint i = 0; done && i < digest / WORD_BYTES; i++)
      word_store(to + i * WORD_BYTES, WORDS_OF(swapped[i])[lane]);
    result->dst_size = done ? digest : 0;
    result->status = group->status[lane];
    result->check = 0;
    for (uint i = 0; i < 16; i++)
      result->partial[i] = 0;
  }
}

__attribute__((always_inline)) static inline void
hash_rows(constant const word_t *initial, uint digest, global const uchar *src, global uchar *dst,
          global const segment_t *segments, global result_t *results, uint count) {
  uint groups = groups_of(count), end = end_group(groups);
  for (uint number = first_group(groups); number < end; number++) {
    group_t group;
    words_t state[STATE_WORDS];
    take_group(&group, number, segments, count, digest);
    measure_group(&group, 0);
    states_set(state, initial);
    hash_group(state, &group, src);
    write_digests(state, &group, number, segments, results, dst, count, digest);
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

/* Keys of all lanes, taken in anew where they are not those of the group before. The host hashes
 * keys that are longer than the block: a row with one is refused, and is an empty message under
 * no key. */
static void take_keys(private hmac_keys_t *keys, private group_t *group, uint number,
                      global const segment_t *segments, global const uchar *params, uint count,
                      constant const word_t *initial) {
  bool same = keys->known;
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    global const segment_t *segment = segments + row_of_lane(number, lane, count);
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
    uint size = record->key_size;
    if (size > HASH_BLOCK) {
      group->status[lane] = STATUS_BAD_PARAM;
      group->size[lane] = size = 0;
    }
    same = same && keys->key[lane] == record->key && keys->size[lane] == size;
    keys->key[lane] = record->key;
    keys->size[lane] = size;
  }
  if (same)
    return;
  rows_t rows;
  words_t key[BLOCK_WORDS];
  for (uint lane = 0; lane < WORD_LANES; lane++)
    put_text(&rows, lane, params + keys->key[lane], keys->size[lane]);
  take_rows(&rows, key);
  pad_key(key, 0x36, initial, keys->inner);
  pad_key(key, 0x5c, initial, keys->outer);
  keys->known = true;
}

/* The outer hash: its message is one block and a digest, so one block with its padding is left. */
static void hmac_finish(private const hmac_keys_t *keys, private words_t *state, uint digest) {
  words_t w[BLOCK_WORDS];
  uint words = digest / WORD_BYTES;
  for (uint i = 0; i < BLOCK_WORDS; i++)
    w[i] = (words_t)(0);
  for (uint i = 0; i < words; i++)
    w[i] = state[i];
  w[words] = (words_t)((word_t)1 << (WORD_BITS - 1));
  w[BLOCK_WORDS - 1] = (words_t)((word_t)(8 * (HASH_BLOCK + digest)));
  for (uint i = 0; i < STATE_WORDS; i++)
    state[i] = keys->outer[i];
  compress(state, w);
}

__attribute__((always_inline)) static inline void
hmac_rows(constant const word_t *initial, uint digest, global const uchar *src, global uchar *dst,
          global const segment_t *segments, global result_t *results, global const uchar *params,
          uint count) {
  hmac_keys_t keys;
  keys.known = false;
  uint groups = groups_of(count), end = end_group(groups);
  for (uint number = first_group(groups); number < end; number++) {
    group_t group;
    words_t state[STATE_WORDS];
    take_group(&group, number, segments, count, digest);
    take_keys(&keys, &group, number, segments, params, count, initial);
    measure_group(&group, HASH_BLOCK);
    for (uint i = 0; i < STATE_WORDS; i++)
      state[i] = keys.inner[i];
    hash_group(state, &group, src);
    hmac_finish(&keys, state, digest);
    write_digests(state, &group, number, segments, results, dst, count, digest);
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
