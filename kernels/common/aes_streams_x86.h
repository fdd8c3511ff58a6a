/* Many AES chains side by side with the instructions of x86 CPUs: STREAMS of them, each with a key
 * of its own, STREAM_GROUP registers in flight. See aes_streams.h.
 */
#ifndef FPGA_ACCEL_AES_STREAMS_X86_H
#define FPGA_ACCEL_AES_STREAMS_X86_H

#include "aes_x86.h"

/* An AES instruction takes 3 to 5 clocks and one or two start in each: eight of one block hide it.
 * Of wider ones four do: more streams have more places in memory than caches follow (README.md of
 * aes_cbc). */
#ifndef STREAM_GROUP
#define STREAM_GROUP (BLOCKS == 1 ? 8u : 4u)
#endif
#define STREAMS (STREAM_GROUP * V_BLOCKS)

/* Where texts are. */
typedef global const uchar *source_t;
typedef global uchar *target_t;

typedef struct {
  vec_t round[AES_MAX_ROUNDS + 1][STREAM_GROUP];
  vec_t state[STREAM_GROUP];
  uint rounds; /* of the keys of all */
} streams_t;

static void streams_key(private streams_t *streams, uint lane, private const uint *words) {
  for (uint i = 0; i <= streams->rounds; i++)
    ((private uint4 *)streams->round[i])[lane] =
        (uint4)(words[4 * i], words[4 * i + 1], words[4 * i + 2], words[4 * i + 3]);
}

static inline block_t streams_get(private const streams_t *streams, uint lane) {
  return as_ulong2(x_reverse(((private const long2 *)streams->state)[lane]));
}

static inline void streams_set(private streams_t *streams, uint lane, block_t block) {
  ((private long2 *)streams->state)[lane] = x_reverse(as_long2(block));
}

/* Volatile, or else the compiler keeps what it has loaded for the blocks that follow, which takes a
 * store for each instruction. */
__attribute__((always_inline)) static void streams_rounds(private const streams_t *streams,
                                                          private vec_t *state, const uint from,
                                                          const uint to) {
  UNROLL
  for (uint r = from; r < to; r++) {
    UNROLL
    for (uint i = 0; i < STREAM_GROUP; i++)
      state[i] = V_AESENC(state[i], *(private const volatile vec_t *)&streams->round[r][i]);
  }
}

__attribute__((always_inline)) static void streams_cipher(private const streams_t *streams,
                                                          private vec_t *state) {
  UNROLL
  for (uint i = 0; i < STREAM_GROUP; i++)
    state[i] ^= streams->round[0][i];
  streams_rounds(streams, state, 1, 10);
  if (streams->rounds > 10) {
    streams_rounds(streams, state, 10, 12);
    if (streams->rounds > 12)
      streams_rounds(streams, state, 12, 14);
  }
  UNROLL
  for (uint i = 0; i < STREAM_GROUP; i++)
    state[i] = V_AESENCLAST(state[i], streams->round[streams->rounds][i]);
}

/* Enciphers the state of every stream. */
static void streams_encrypt(private streams_t *streams) {
  vec_t state[STREAM_GROUP];
  UNROLL
  for (uint i = 0; i < STREAM_GROUP; i++)
    state[i] = streams->state[i];
  streams_cipher(streams, state);
  UNROLL
  for (uint i = 0; i < STREAM_GROUP; i++)
    streams->state[i] = state[i];
}

/* The blocks at one offset of V_BLOCKS texts. */
static inline vec_t streams_load(private const source_t *src, ulong at) {
#if BLOCKS == 4
  vec_t all;
  all.s01 = *(global const unaligned_long2_t *)(src[0] + at);
  all.s23 = *(global const unaligned_long2_t *)(src[1] + at);
  all.s45 = *(global const unaligned_long2_t *)(src[2] + at);
  all.s67 = *(global const unaligned_long2_t *)(src[3] + at);
  return all;
#elif BLOCKS == 2
  return (vec_t)(*(global const unaligned_long2_t *)(src[0] + at),
                 *(global const unaligned_long2_t *)(src[1] + at));
#else
  return v_load(src[0] + at);
#endif
}

static inline void streams_store(private const target_t *dst, ulong at, vec_t all) {
#if BLOCKS == 4
  *(global unaligned_long2_t *)(dst[0] + at) = all.s01;
  *(global unaligned_long2_t *)(dst[1] + at) = all.s23;
  *(global unaligned_long2_t *)(dst[2] + at) = all.s45;
  *(global unaligned_long2_t *)(dst[3] + at) = all.s67;
#elif BLOCKS == 2
  *(global unaligned_long2_t *)(dst[0] + at) = all.lo;
  *(global unaligned_long2_t *)(dst[1] + at) = all.hi;
#else
  v_store(dst[0] + at, all);
#endif
}

#if BLOCKS > 1
/* Exchanges vectors of messages for vectors of blocks, and back. */
__attribute__((always_inline)) static void streams_transpose(private vec_t *v) {
#if BLOCKS == 2
  vec_t first = (vec_t)(v[0].lo, v[1].lo);
  v[1] = (vec_t)(v[0].hi, v[1].hi);
  v[0] = first;
#else
  vec_t a = __builtin_shufflevector(v[0], v[1], 0, 1, 8, 9, 4, 5, 12, 13);
  vec_t b = __builtin_shufflevector(v[0], v[1], 2, 3, 10, 11, 6, 7, 14, 15);
  vec_t c = __builtin_shufflevector(v[2], v[3], 0, 1, 8, 9, 4, 5, 12, 13);
  vec_t d = __builtin_shufflevector(v[2], v[3], 2, 3, 10, 11, 6, 7, 14, 15);
  v[0] = __builtin_shufflevector(a, c, 0, 1, 2, 3, 8, 9, 10, 11);
  v[1] = __builtin_shufflevector(b, d, 0, 1, 2, 3, 8, 9, 10, 11);
  v[2] = __builtin_shufflevector(a, c, 4, 5, 6, 7, 12, 13, 14, 15);
  v[3] = __builtin_shufflevector(b, d, 4, 5, 6, 7, 12, 13, 14, 15);
#endif
}

/* A register of blocks of every stream from one load each. */
__attribute__((always_inline)) static void
streams_vectors(private const streams_t *streams, private vec_t *state, private const source_t *src,
                private const target_t *dst, ulong at, const bool stores) {
  vec_t text[STREAM_GROUP][V_BLOCKS];
  UNROLL
  for (uint i = 0; i < STREAM_GROUP; i++) {
    UNROLL
    for (uint k = 0; k < V_BLOCKS; k++)
      text[i][k] = v_load(src[V_BLOCKS * i + k] + at);
    streams_transpose(text[i]);
  }
  UNROLL
  for (uint k = 0; k < V_BLOCKS; k++) {
    UNROLL
    for (uint i = 0; i < STREAM_GROUP; i++)
      state[i] ^= text[i][k];
    streams_cipher(streams, state);
    UNROLL
    for (uint i = 0; i < STREAM_GROUP; i++)
      text[i][k] = state[i];
  }
  if (!stores)
    return;
  UNROLL
  for (uint i = 0; i < STREAM_GROUP; i++) {
    streams_transpose(text[i]);
    UNROLL
    for (uint k = 0; k < V_BLOCKS; k++)
      v_store(dst[V_BLOCKS * i + k] + at, text[i][k]);
  }
}
#endif

/* Chains so many blocks of text into every stream; with stores, what comes out goes to dst. */
__attribute__((always_inline)) static void streams_run(private streams_t *streams,
                                                       private const source_t *src,
                                                       private const target_t *dst, uint blocks,
                                                       const bool stores) {
  vec_t state[STREAM_GROUP];
  UNROLL
  for (uint i = 0; i < STREAM_GROUP; i++)
    state[i] = streams->state[i];
  ulong at = 0, end = (ulong)blocks * BLOCK_SIZE;
#if BLOCKS > 1
  for (; end - at >= V_BYTES; at += V_BYTES)
    streams_vectors(streams, state, src, dst, at, stores);
#endif
  for (; at < end; at += BLOCK_SIZE) {
    UNROLL
    for (uint i = 0; i < STREAM_GROUP; i++)
      state[i] ^= streams_load(src + i * V_BLOCKS, at);
    streams_cipher(streams, state);
    if (stores) {
      UNROLL
      for (uint i = 0; i < STREAM_GROUP; i++)
        streams_store(dst + i * V_BLOCKS, at, state[i]);
    }
  }
  UNROLL
  for (uint i = 0; i < STREAM_GROUP; i++)
    streams->state[i] = state[i];
}

#endif
