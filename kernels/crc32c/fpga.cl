/* CRC-32C as a pipeline for FPGAs that takes a word of 64 bytes a clock.
 *
 * | -D            | values | meaning                                                            |
 * | ------------- | ------ | ------------------------------------------------------------------ |
 * | CHANNELS      | 1      | reader, core and writer kernels, joined by Intel's channels        |
 * |               | 0      | one kernel                                                         |
 * | CHANNEL_DEPTH | n      | optional, CHANNELS=1: items that a channel holds                   |
 * | REPLICAS      | 1      | optional: one core takes all that the reader can bring             |
 *
 * Tested: CHANNELS=1 with depths of 64, 16384 and 65536, CHANNELS=0. Rows are as rows.h has them.
 */
#ifndef CHANNELS
#error "fpga.cl needs -D CHANNELS=0 or -D CHANNELS=1"
#endif
#if defined(REPLICAS) && REPLICAS != 1
#error "there is one core, which is as fast as the reader"
#endif

#if CHANNELS
#pragma OPENCL EXTENSION cl_intel_channels : enable
#endif

#include "abi.h"

#define ARGUMENTS                                                                                  \
  global const uchar *restrict src, global uchar *restrict dst,                                    \
      global const segment_t *restrict segments, global result_t *restrict results,                \
      global const uchar *restrict params, uint count

#define WORD_BYTES 64u

/* ---- polynomials modulo P, reflected: bit 31 is x^0 ---- */

#define POLYNOMIAL 0x82f63b78u
/* x^512: one word further. */
#define POWER_WORD 0xb82be955u
/* x^512, x^480, ... x^32: from each lane of a word to the register behind it. */
#define POWERS_OF_LANES                                                                            \
  (uint16)(0xb82be955u, 0x4f256efcu, 0x52377a55u, 0x0e148e82u, 0xb2dea967u, 0xec1631edu,           \
           0x19e65ddeu, 0x9c25531du, 0x510ac59au, 0x5d27e147u, 0x9957c0a6u, 0x790606ffu,           \
           0x18b8ea18u, 0xa66805ebu, 0x6ea2d55cu, 0x82f63b78u)

/* With a constant power the unrolled loop is a matrix: each bit of the product is the exclusive or
 * of about half the bits of a. */
static inline uint product(uint a, uint power) {
  uint sum = 0;
#pragma unroll
  for (uint i = 0; i < 32; i++) {
    sum ^= power & (0u - ((a >> (31 - i)) & 1u));
    power = (power >> 1) ^ (POLYNOMIAL & (0u - (power & 1u)));
  }
  return sum;
}

/* The register behind a word, from a register of 0: products of all lanes at once. */
static inline uint crc_of_word(uint16 word) {
  uint16 sum = (uint16)(0), power = POWERS_OF_LANES;
#pragma unroll
  for (uint i = 0; i < 32; i++) {
    sum ^= power & (0u - ((word >> (31 - i)) & 1u));
    power = (power >> 1) ^ (POLYNOMIAL & (0u - (power & 1u)));
  }
  uint8 eight = sum.lo ^ sum.hi;
  uint4 four = eight.lo ^ eight.hi;
  return four.x ^ four.y ^ four.z ^ four.w;
}

/* One register is all that a word waits for. */
static inline uint crc_step(uint crc, uint16 word) {
  return product(crc, POWER_WORD) ^ crc_of_word(word);
}

/* The register as it was before the last `zeros` bytes, which were 0: times x^(-8 zeros). */
static inline uint crc_before(uint crc, uint zeros) {
  /* x^-8, x^-16, ... x^-512. */
  const uint powers[7] = {0xfde39562u, 0xbef0965eu, 0xd610d67eu, 0xe67cce65u,
                          0xa268b79eu, 0x134fb088u, 0x32998d96u};
#pragma unroll
  for (uint i = 0; i < 7; i++) {
    uint before = product(crc, powers[i]);
    crc = (zeros >> i) & 1u ? before : crc;
  }
  return crc;
}

/* ---- rows: words of 64 bytes, the last filled up with zeros; an empty row has one word ---- */

static inline uint words_of(uint size) {
  return size == 0 ? 1u : size / WORD_BYTES + (size % WORD_BYTES != 0);
}

static inline uint zeros_of(uint size) {
  uint part = size % WORD_BYTES;
  return size == 0 || part != 0 ? WORD_BYTES - part : 0;
}

static inline uint16 whole_word(global const uchar *p) {
  return (uint16)(as_uint4(vload16(0, p)), as_uint4(vload16(1, p)), as_uint4(vload16(2, p)),
                  as_uint4(vload16(3, p)));
}

/* A byte a clock, as nothing behind the row may be read. */
static inline uint16 part_word(global const uchar *p, uint size) {
  uchar bytes[WORD_BYTES];
#pragma unroll
  for (uint i = 0; i < WORD_BYTES; i++)
    bytes[i] = 0;
  for (uint i = 0; i < size; i++)
    bytes[i] = p[i];
  return (uint16)(as_uint4(vload16(0, bytes)), as_uint4(vload16(1, bytes)),
                  as_uint4(vload16(2, bytes)), as_uint4(vload16(3, bytes)));
}

/* The register before a row goes into the first four bytes of its first word. */
static inline uint16 word_of_row(global const uchar *p, segment_t segment, uint number) {
  uint left = segment.src_size - number * WORD_BYTES;
  uint16 word = left >= WORD_BYTES ? whole_word(p) : part_word(p, left);
  word.s0 ^= number == 0 ? ~segment.flags : 0u;
  return word;
}

static inline void write_result(global result_t *result, uint crc, uint size) {
  result->dst_size = 0;
  result->status = STATUS_OK;
  result->check = (uint)~crc_before(crc, zeros_of(size));
#pragma unroll
  for (uint i = 0; i < 16; i++)
    result->partial[i] = 0;
}

/* ---- kernels ---- */

#if CHANNELS

#define TASK __attribute__((max_global_work_dim(0))) __attribute__((reqd_work_group_size(1, 1, 1)))

#ifndef CHANNEL_DEPTH
#define CHANNEL_DEPTH 64
#endif

/* An array, as a vector would double the size. */
typedef struct {
  uint lanes[16];
  uint last; /* of its row */
} word_t;

channel word_t crc32c_words __attribute__((depth(CHANNEL_DEPTH)));
channel uint crc32c_registers __attribute__((depth(CHANNEL_DEPTH)));

TASK kernel void crc32c_reader(ARGUMENTS) {
  for (uint row = 0; row < count; row++) {
    const segment_t segment = segments[row];
    const uint words = words_of(segment.src_size);
    for (uint number = 0; number < words; number++) {
      word_t word;
      vstore16(word_of_row(src + segment.src + (ulong)number * WORD_BYTES, segment, number), 0,
               word.lanes);
      word.last = number + 1 == words;
      write_channel_intel(crc32c_words, word);
    }
  }
}

/* One loop over the words of all rows, so that the next row follows without a gap. */
TASK kernel void crc32c_core(ARGUMENTS) {
  uint crc = 0;
  for (uint row = 0; row < count;) {
    word_t word = read_channel_intel(crc32c_words);
    crc = crc_step(crc, vload16(0, word.lanes));
    if (word.last) {
      write_channel_intel(crc32c_registers, crc);
      crc = 0;
      row++;
    }
  }
}

TASK kernel void crc32c_writer(ARGUMENTS) {
  for (uint row = 0; row < count; row++) {
    const uint size = segments[row].src_size;
    write_result(results + row, read_channel_intel(crc32c_registers), size);
  }
}

#else

__attribute__((reqd_work_group_size(1, 1, 1))) kernel void crc32c(ARGUMENTS) {
  for (uint row = 0; row < count; row++) {
    const segment_t segment = segments[row];
    const uint words = words_of(segment.src_size);
    global const uchar *p = src + segment.src;
    uint crc = 0;
    for (uint number = 0; number < words; number++)
      crc = crc_step(crc, word_of_row(p + (ulong)number * WORD_BYTES, segment, number));
    write_result(results + row, crc, segment.src_size);
  }
}

#endif
