/* Many AES chains side by side on bit planes: one in each of the BATCH_BLOCKS places of a batch,
 * with a key of its own. See aes_streams.h.
 */
#ifndef FPGA_ACCEL_AES_STREAMS_BITSLICE_H
#define FPGA_ACCEL_AES_STREAMS_BITSLICE_H

#include "aes_bitslice.h"

#define STREAMS BATCH_BLOCKS

/* The bits of block n of a word of a plane, see aes_bitslice.h. */
#define BLOCK_BITS 0x1111111111111111UL

/* Where texts are. */
typedef global const uchar *source_t;
typedef global uchar *target_t;

typedef struct {
  lanes_t round[AES_MAX_ROUNDS + 1][8];
  lanes_t w[8]; /* the states: first halves, then second halves, as in block_t */
  uint rounds;  /* of the keys of all */
} streams_t;

/* transpose takes its words four blocks apart: block i is in word i % LANES of vector i / LANES. */
static void streams_key(private streams_t *streams, uint lane, private const uint *words) {
  ulong mask = BLOCK_BITS << (lane / LANES);
  for (uint round = 0; round <= streams->rounds; round++, words += 4) {
    lanes_t w[8];
#pragma unroll
    for (uint b = 0; b < 8; b++)
      w[b] = (lanes_t)(b < 4 ? key_half(words[0], words[1]) : key_half(words[2], words[3]));
    transpose(w);
    for (uint b = 0; b < 8; b++) {
      ulong missing = round && (SBOX_CONSTANT >> b & 1) ? ~0UL : 0;
    private
      ulong *plane = (private ulong *)&streams->round[round][b] + lane % LANES;
      *plane = (*plane & ~mask) | ((((private const ulong *)&w[b])[0] ^ missing) & mask);
    }
  }
}

static inline block_t streams_get(private const streams_t *streams, uint lane) {
  const ulong *words = (private const ulong *)streams->w;
  return (block_t)(words[STREAMS + lane], words[lane]);
}

static inline void streams_set(private streams_t *streams, uint lane, block_t block) {
  ulong *words = (private ulong *)streams->w;
  words[lane] = block.y;
  words[STREAMS + lane] = block.x;
}

static inline void streams_add_key(private lanes_t *s, private const streams_t *streams,
                                   uint round) {
#pragma unroll
  for (uint b = 0; b < 8; b++)
    s[b] ^= streams->round[round][b];
}

/* Enciphers the state of every stream. */
static void streams_encrypt(private streams_t *streams) {
  lanes_t s[8];
#pragma unroll
  for (uint b = 0; b < 8; b++)
    s[b] = streams->w[b];
  transpose(s);
  streams_add_key(s, streams, 0);
  for (uint round = 1;; round++) {
    sub_planes(s);
#pragma unroll
    for (uint b = 0; b < 8; b++)
      s[b] = shift_rows(s[b]);
    if (round == streams->rounds)
      break;
    mix_columns(s);
    streams_add_key(s, streams, round);
  }
  streams_add_key(s, streams, streams->rounds);
  transpose(s);
#pragma unroll
  for (uint b = 0; b < 8; b++)
    streams->w[b] = s[b];
}

/* Chains so many blocks of text into every stream; with stores, what comes out goes to dst. */
static inline void streams_run(private streams_t *streams, private const source_t *src,
                               private const target_t *dst, uint blocks, const bool stores) {
  ulong *words = (private ulong *)streams->w;
  for (uint n = 0; n < blocks; n++) {
    ulong at = (ulong)n * BLOCK_SIZE;
    for (uint i = 0; i < STREAMS; i++) {
      words[i] ^= load_be64(src[i] + at);
      words[STREAMS + i] ^= load_be64(src[i] + at + 8);
    }
    streams_encrypt(streams);
    if (stores) {
      for (uint i = 0; i < STREAMS; i++)
        block_store(dst[i] + at, streams_get(streams, i));
    }
  }
}

#endif
