/* 64-byte words: what the stages of the pipelines pass on, and their way from and to memory. */
#ifndef FPGA_ACCEL_FPGA_WORDS_H
#define FPGA_ACCEL_FPGA_WORDS_H

#include "bytes.h"

#ifndef CHUNK_WORDS
#define CHUNK_WORDS 1
#endif

#define WORD_BYTES 64u
#define WORD_PARTS (WORD_BYTES / 4)

typedef struct {
  uint part[WORD_PARTS];
} word_t;

/* 16 bytes into an array of the kernel's own, and out of it. */
INLINE void take16(private uchar *to, input_t from) {
  ((private unaligned16_t *)to)->value = ((global const unaligned16_t *)from)->value;
}
INLINE void give16(output_t to, private const uchar *from) {
  ((global unaligned16_t *)to)->value = ((private const unaligned16_t *)from)->value;
}

INLINE uint words_of(uint size) { return size / WORD_BYTES + (size % WORD_BYTES != 0); }

INLINE word_t empty_word(void) {
  word_t word;
#pragma unroll
  for (uint i = 0; i < WORD_PARTS; i++)
    word.part[i] = 0;
  return word;
}

/* The word at `from`, of which `size` bytes may be read; the rest is zeros. */
INLINE word_t load_word(input_t from, uint size) {
  word_t word = empty_word();
  if (size >= WORD_BYTES) {
#pragma unroll
    for (uint i = 0; i < WORD_PARTS; i++)
      word.part[i] = load4(from + 4 * i);
    return word;
  }
  for (uint i = 0; i < size; i++)
    word.part[i / 4] |= (uint)from[i] << 8 * (i % 4);
  return word;
}

/* What the compressor's reader passes on at once. */
#define CHUNK_BYTES (CHUNK_WORDS * WORD_BYTES)

typedef struct {
  word_t word[CHUNK_WORDS];
} chunk_t;

INLINE chunk_t load_chunk(input_t from, uint size) {
  chunk_t chunk;
#pragma unroll
  for (uint i = 0; i < CHUNK_WORDS; i++) {
    uint skipped = smaller(i * WORD_BYTES, size);
    chunk.word[i] = load_word(from + skipped, size - skipped);
  }
  return chunk;
}

/* The first `size` bytes of `word`. */
INLINE void store_word(output_t to, word_t word, uint size) {
  if (size >= WORD_BYTES) {
#pragma unroll
    for (uint i = 0; i < WORD_PARTS; i++)
      store4(to + 4 * i, word.part[i]);
    return;
  }
  for (uint i = 0; i < size; i++)
    to[i] = (uchar)(word.part[i / 4] >> 8 * (i % 4));
}

#endif
