/* CRCs as pipelines for FPGAs that take a word of 64 bytes a clock: one each for CRC-32C, CRC-32
 * and CRC-64/NVME.
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

#include "crc_constants.h"
#include "front.h"

#define ARGUMENTS                                                                                  \
  global const uchar *restrict src, global uchar *restrict dst,                                    \
      global const segment_t *restrict segments, global result_t *restrict results,                \
      global const uchar *restrict params, uint count

#define WORD_BYTES 64u

/* ---- polynomials modulo P, reflected: the highest bit is x^0 ---- */

/* With constant powers the unrolled loops are matrices: each bit of a product is the exclusive or
 * of about half the bits of a. lanes_t holds a word of 64 bytes as registers. */
#define PRODUCTS(BITS, register_t, lanes_t)                                                        \
  static inline register_t product_##BITS(register_t a, register_t power,                          \
                                          const register_t polynomial) {                           \
    register_t sum = 0;                                                                            \
    _Pragma("unroll") for (uint i = 0; i < BITS; i++) {                                            \
      sum ^= power & ((register_t)0 - ((a >> (BITS - 1 - i)) & 1));                                \
      power = (power >> 1) ^ (polynomial & ((register_t)0 - (power & 1)));                         \
    }                                                                                              \
    return sum;                                                                                    \
  }                                                                                                \
                                                                                                   \
  static inline lanes_t products_##BITS(lanes_t a, lanes_t power, const register_t polynomial) {   \
    lanes_t sum = (lanes_t)(0);                                                                    \
    _Pragma("unroll") for (uint i = 0; i < BITS; i++) {                                            \
      sum ^= power & ((lanes_t)(0) - ((a >> (BITS - 1 - i)) & 1));                                 \
      power = (power >> 1) ^ (polynomial & ((lanes_t)(0) - (power & 1)));                          \
    }                                                                                              \
    return sum;                                                                                    \
  }

PRODUCTS(32, uint, uint16)
PRODUCTS(64, ulong, ulong8)

static inline uint sum_of_lanes_32(uint16 sum) {
  uint8 eight = sum.lo ^ sum.hi;
  uint4 four = eight.lo ^ eight.hi;
  return four.x ^ four.y ^ four.z ^ four.w;
}

static inline ulong sum_of_lanes_64(ulong8 sum) {
  ulong4 four = sum.lo ^ sum.hi;
  return four.x ^ four.y ^ four.z ^ four.w;
}

/* ---- rows: words of 64 bytes, the last filled up with zeros; an empty row has one word ---- */

static inline uint words_of(uint size) {
  return size == 0 ? 1u : size / WORD_BYTES + (size % WORD_BYTES != 0);
}

static inline uint zeros_of(uint size) {
  uint part = size % WORD_BYTES;
  return size == 0 || part != 0 ? WORD_BYTES - part : 0;
}

static inline ulong8 whole_word(global const uchar *p) {
  return (ulong8)(as_ulong2(vload16(0, p)), as_ulong2(vload16(1, p)), as_ulong2(vload16(2, p)),
                  as_ulong2(vload16(3, p)));
}

/* A byte a clock, as nothing behind the row may be read. */
static inline ulong8 part_word(global const uchar *p, uint size) {
  uchar bytes[WORD_BYTES];
#pragma unroll
  for (uint i = 0; i < WORD_BYTES; i++)
    bytes[i] = 0;
  for (uint i = 0; i < size; i++)
    bytes[i] = p[i];
  return (ulong8)(as_ulong2(vload16(0, bytes)), as_ulong2(vload16(1, bytes)),
                  as_ulong2(vload16(2, bytes)), as_ulong2(vload16(3, bytes)));
}

/* The register before a row goes into the first bytes of its first word. */
static inline ulong8 word_of_row(global const uchar *p, uint size, uint number, ulong crc) {
  uint left = size - number * WORD_BYTES;
  ulong8 word = left >= WORD_BYTES ? whole_word(p) : part_word(p, left);
  word.s0 ^= number == 0 ? crc : 0;
  return word;
}

static inline void write_result(global result_t *result, ulong check) {
  result->dst_size = 0;
  result->status = STATUS_OK;
  result->check = check;
#pragma unroll
  for (uint i = 0; i < 16; i++)
    result->partial[i] = 0;
}

/* ---- what the pipelines do ---- */

/* name_step: the register behind a word. One register is all that a word waits for.
 * name_before: the register as it was before the last `zeros` bytes, which were 0. */
#define STEPS_OF(name, CRC, BITS, register_t, lanes_t)                                             \
  static inline register_t name##_step(register_t crc, lanes_t word) {                             \
    const lanes_t powers = (lanes_t)(CRC##_POWERS_OF_LANES);                                       \
    return product_##BITS(crc, CRC##_POWER_WORD, CRC##_POLYNOMIAL) ^                               \
           sum_of_lanes_##BITS(products_##BITS(word, powers, CRC##_POLYNOMIAL));                   \
  }                                                                                                \
                                                                                                   \
  static inline register_t name##_before(register_t crc, uint zeros) {                             \
    const register_t powers[7] = {CRC##_POWERS_BEFORE};                                            \
    _Pragma("unroll") for (uint i = 0; i < 7; i++) {                                               \
      register_t before = product_##BITS(crc, powers[i], CRC##_POLYNOMIAL);                        \
      crc = (zeros >> i) & 1u ? before : crc;                                                      \
    }                                                                                              \
    return crc;                                                                                    \
  }

#if CHANNELS

#define TASK __attribute__((max_global_work_dim(0))) __attribute__((reqd_work_group_size(1, 1, 1)))

#ifndef CHANNEL_DEPTH
#define CHANNEL_DEPTH 64
#endif

/* An array, as a vector would double the size. */
typedef struct {
  ulong lanes[8];
  uint last; /* of its row */
} word_t;

/* The core is one loop over the words of all rows, so that the next row follows without a gap. */
#define PIPELINE(name, CRC, BITS, register_t, lanes_t, FRONT, ONES)                                \
  STEPS_OF(name, CRC, BITS, register_t, lanes_t)                                                   \
  channel word_t name##_words __attribute__((depth(CHANNEL_DEPTH)));                               \
  channel register_t name##_registers __attribute__((depth(CHANNEL_DEPTH)));                       \
                                                                                                   \
  TASK kernel void name##_reader(ARGUMENTS) {                                                      \
    for (uint row = 0; row < count; row++) {                                                       \
      const segment_t segment = segments[row];                                                     \
      const uint words = words_of(segment.src_size);                                               \
      const ulong crc = FRONT(segment, params) ^ ONES;                                             \
      for (uint number = 0; number < words; number++) {                                            \
        word_t word;                                                                               \
        vstore8(word_of_row(src + segment.src + (ulong)number * WORD_BYTES, segment.src_size,      \
                            number, crc),                                                          \
                0, word.lanes);                                                                    \
        word.last = number + 1 == words;                                                           \
        write_channel_intel(name##_words, word);                                                   \
      }                                                                                            \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  TASK kernel void name##_core(ARGUMENTS) {                                                        \
    register_t crc = 0;                                                                            \
    for (uint row = 0; row < count;) {                                                             \
      word_t word = read_channel_intel(name##_words);                                              \
      crc = name##_step(crc, as_##lanes_t(vload8(0, word.lanes)));                                 \
      if (word.last) {                                                                             \
        write_channel_intel(name##_registers, crc);                                                \
        crc = 0;                                                                                   \
        row++;                                                                                     \
      }                                                                                            \
    }                                                                                              \
  }                                                                                                \
                                                                                                   \
  TASK kernel void name##_writer(ARGUMENTS) {                                                      \
    for (uint row = 0; row < count; row++) {                                                       \
      const uint zeros = zeros_of(segments[row].src_size);                                         \
      const ulong crc = name##_before(read_channel_intel(name##_registers), zeros);                \
      write_result(results + row, crc ^ ONES);                                                     \
    }                                                                                              \
  }

#else

#define PIPELINE(name, CRC, BITS, register_t, lanes_t, FRONT, ONES)                                \
  STEPS_OF(name, CRC, BITS, register_t, lanes_t)                                                   \
                                                                                                   \
  __attribute__((reqd_work_group_size(1, 1, 1))) kernel void name(ARGUMENTS) {                     \
    for (uint row = 0; row < count; row++) {                                                       \
      const segment_t segment = segments[row];                                                     \
      const uint words = words_of(segment.src_size);                                               \
      const ulong before = FRONT(segment, params) ^ ONES;                                          \
      register_t crc = 0;                                                                          \
      for (uint number = 0; number < words; number++) {                                            \
        global const uchar *p = src + segment.src + (ulong)number * WORD_BYTES;                    \
        crc = name##_step(crc, as_##lanes_t(word_of_row(p, segment.src_size, number, before)));    \
      }                                                                                            \
      const ulong behind = name##_before(crc, zeros_of(segment.src_size));                         \
      write_result(results + row, behind ^ ONES);                                                  \
    }                                                                                              \
  }

#endif

PIPELINE(crc32c, CRC32C, 32, uint, uint16, FRONT_IN_FLAGS, ONES_32)
PIPELINE(crc32, CRC32, 32, uint, uint16, FRONT_IN_FLAGS, ONES_32)
PIPELINE(crc64_nvme, CRC64_NVME, 64, ulong, ulong8, FRONT_IN_PARAMS, ONES_64)
