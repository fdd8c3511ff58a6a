/* CRC-32C with the CRC and carry-less multiply instructions of x86 CPUs.
 *
 * | -D   | values | meaning                                                      |
 * | ---- | ------ | ------------------------------------------------------------ |
 * | FOLD | 1      | vectors of 64 bytes are folded: AVX-512F, VPCLMULQDQ, SSE4.2 |
 * |      | 0      | the crc32 instruction on four streams: SSE4.2                |
 *
 * Tested: both.
 */
#ifndef FOLD
#error "x86.cl needs -D FOLD=0 or -D FOLD=1"
#elif !defined(__x86_64__) || !defined(__SSE4_2__)
#error "this variant needs a 64-bit x86 CPU with SSE4.2"
#elif FOLD && (!defined(__AVX512F__) || !defined(__VPCLMULQDQ__))
#error "this variant needs AVX-512F and VPCLMULQDQ"
#endif

#define UNROLL _Pragma("clang loop unroll(full)")

typedef ulong __attribute__((aligned(1))) unaligned_ulong;

static inline ulong word_at(global const uchar *p) { return *(global const unaligned_ulong *)p; }

static inline uint crc_word(uint crc, ulong word) {
  return (uint)__builtin_ia32_crc32di(crc, word);
}

static uint crc_by_words(uint crc, global const uchar *p, ulong size) {
  for (; size >= 8; size -= 8, p += 8)
    crc = crc_word(crc, word_at(p));
  for (ulong i = 0; i < size; i++)
    crc = __builtin_ia32_crc32qi(crc, p[i]);
  return crc;
}

#if FOLD

typedef long8 vec_t;
typedef long8 __attribute__((aligned(1))) unaligned_vec_t;

#define V_BYTES 64u
/* 8 in flight are as fast. */
#define GROUP 4u
#define GROUP_BYTES (GROUP * V_BYTES)

/* Moving a block of 128 bits D bits to the front multiplies its first half by x^(D + 64) and its
 * second by x^D. PAIR_D is x^(D + 32) and x^(D - 32) modulo P, reflected and shifted left by one:
 * README.md has the derivation. */
#define PAIR_128 0x0f20c0dfeL, 0x14cd00bd6L
#define PAIR_256 0x1384aa63aL, 0x0ba4fc28eL
#define PAIR_384 0x01c291d04L, 0x1d82c63daL
#define PAIR_512 0x0740eef02L, 0x09e4addf8L
#define PAIR_2048 0x0dcb17aa4L, 0x0b9e02b86L

static inline vec_t v_load(global const uchar *p) { return *(global const unaligned_vec_t *)p; }

static inline vec_t v_moved(vec_t a, vec_t pairs) {
  return __builtin_ia32_pclmulqdq512(a, pairs, 0x00) ^ __builtin_ia32_pclmulqdq512(a, pairs, 0x11);
}

/* The register behind the four blocks of a vector; the instruction does the last reduction. */
static inline uint v_crc(vec_t a) {
  vec_t moved = v_moved(a, (vec_t)(PAIR_384, PAIR_256, PAIR_128, 0, 0));
  long2 block = moved.s01 ^ moved.s23 ^ moved.s45 ^ a.s67;
  return crc_word(crc_word(0, (ulong)block.x), (ulong)block.y);
}

/* The sum over whole groups, of which the first vector is given. */
static inline vec_t v_sum_of_groups(vec_t first, global const uchar *p, ulong groups) {
  const vec_t vector = (vec_t)(PAIR_512, PAIR_512, PAIR_512, PAIR_512);
  const vec_t group = (vec_t)(PAIR_2048, PAIR_2048, PAIR_2048, PAIR_2048);
  vec_t sums[GROUP];
  sums[0] = first;
  UNROLL
  for (uint i = 1; i < GROUP; i++)
    sums[i] = v_load(p + i * V_BYTES);
  for (ulong n = 1; n < groups; n++) {
    p += GROUP_BYTES;
    UNROLL
    for (uint i = 0; i < GROUP; i++)
      sums[i] = v_moved(sums[i], group) ^ v_load(p + i * V_BYTES);
  }
  UNROLL
  for (uint i = 1; i < GROUP; i++)
    sums[i] ^= v_moved(sums[i - 1], vector);
  return sums[GROUP - 1];
}

/* The register goes into the first four bytes. */
static uint crc_of(uint crc, global const uchar *p, ulong size) {
  if (size < V_BYTES)
    return crc_by_words(crc, p, size);
  const vec_t vector = (vec_t)(PAIR_512, PAIR_512, PAIR_512, PAIR_512);
  vec_t sum = v_load(p) ^ (vec_t)((long)crc, 0, 0, 0, 0, 0, 0, 0);
  ulong groups = size / GROUP_BYTES, done = V_BYTES;
  if (groups > 1) {
    sum = v_sum_of_groups(sum, p, groups);
    done = groups * GROUP_BYTES;
  }
  for (; size - done >= V_BYTES; done += V_BYTES)
    sum = v_moved(sum, vector) ^ v_load(p + done);
  return crc_by_words(v_crc(sum), p + done, size - done);
}

#else

#include "table.h"

/* 128 bytes a stream are 15 % slower: the sums of the streams cost more. */
#define STREAM 256u
#define GROUP_BYTES (4 * STREAM)

/* past_stream[j][n]: the register n << 8 j after STREAM zero bytes. A register's bit i is the power
 * 31 - i of x, and 2048 lie behind it: so the constants are, read from the last to the first,
 * x^2048, x^2049, ... x^2079 modulo P. */
constant uint past_stream[4][256] = {
    TABLE(0xdcb17aa4u, 0xbc8e83b9u, 0x7cf17183u, 0xf9e2e306u, 0xf629b0fdu, 0xe9bf170bu, 0xd69258e7u,
          0xa8c8c73fu),
    TABLE(0x547df88fu, 0xa8fbf11eu, 0x541b94cdu, 0xa837299au, 0x558225c5u, 0xab044b8au, 0x53e4e1e5u,
          0xa7c9c3cau),
    TABLE(0x4a7ff165u, 0x94ffe2cau, 0x2c13b365u, 0x582766cau, 0xb04ecd94u, 0x6571edd9u, 0xcae3dbb2u,
          0x902bc195u),
    TABLE(0x25bbf5dbu, 0x4b77ebb6u, 0x96efd76cu, 0x2833d829u, 0x5067b052u, 0xa0cf60a4u, 0x4472b7b9u,
          0x88e56f72u),
};

static inline uint crc_past_stream(uint crc) {
  return past_stream[0][crc & 0xff] ^ past_stream[1][(crc >> 8) & 0xff] ^
         past_stream[2][(crc >> 16) & 0xff] ^ past_stream[3][crc >> 24];
}

/* The instruction takes three clocks and starts every clock, so one stream would wait for itself. A
 * loop that is not unrolled is three times slower. */
static uint crc_of_group(uint crc, global const uchar *p) {
  uint a = crc, b = 0, c = 0, d = 0;
  UNROLL
  for (uint i = 0; i < STREAM; i += 8) {
    a = crc_word(a, word_at(p + i));
    b = crc_word(b, word_at(p + STREAM + i));
    c = crc_word(c, word_at(p + 2 * STREAM + i));
    d = crc_word(d, word_at(p + 3 * STREAM + i));
  }
  return crc_past_stream(crc_past_stream(crc_past_stream(a) ^ b) ^ c) ^ d;
}

static uint crc_of(uint crc, global const uchar *p, ulong size) {
  for (; size >= GROUP_BYTES; size -= GROUP_BYTES, p += GROUP_BYTES)
    crc = crc_of_group(crc, p);
  return crc_by_words(crc, p, size);
}

#endif

#include "rows.h"
