/* Unaligned little-endian loads, stores and copies. */
#ifndef FPGA_ACCEL_BYTES_H
#define FPGA_ACCEL_BYTES_H

#include "abi.h"

#define INLINE static inline __attribute__((always_inline))
/* For what is rare: inlined, it would take registers from the hot loops. */
#define APART static __attribute__((noinline))

typedef global const uchar *input_t;
typedef global uchar *output_t;

typedef struct __attribute__((packed)) {
  ulong value;
} unaligned8_t;
typedef struct __attribute__((packed)) {
  uint value;
} unaligned4_t;
typedef struct __attribute__((packed)) {
  ushort value;
} unaligned2_t;
typedef struct __attribute__((packed)) {
  ulong2 value;
} unaligned16_t;

INLINE ulong load8(input_t p) { return ((global const unaligned8_t *)p)->value; }
INLINE uint load4(input_t p) { return ((global const unaligned4_t *)p)->value; }
INLINE uint load2(input_t p) { return ((global const unaligned2_t *)p)->value; }
INLINE void store8(output_t p, ulong v) { ((global unaligned8_t *)p)->value = v; }
INLINE void store4(output_t p, uint v) { ((global unaligned4_t *)p)->value = v; }
INLINE void store2(output_t p, uint v) { ((global unaligned2_t *)p)->value = (ushort)v; }
INLINE void copy16(output_t to, input_t from) {
  ((global unaligned16_t *)to)->value = ((global const unaligned16_t *)from)->value;
}

/* Not OpenCL's min: PoCL 3.0 calls it as a function. */
INLINE uint smaller(uint a, uint b) { return a < b ? a : b; }

/* Zero bytes at the low and at the high end; x is not 0. */
#ifdef __clang__
INLINE uint low_zero_bytes(ulong x) { return (uint)__builtin_ctzl(x) >> 3; }
INLINE uint high_zero_bytes(ulong x) { return (uint)__builtin_clzl(x) >> 3; }
#else
INLINE uint low_zero_bytes(ulong x) { return (uint)popcount(~x & (x - 1)) >> 3; }
INLINE uint high_zero_bytes(ulong x) { return (uint)clz(x) >> 3; }
#endif

static void copy_bytes(output_t to, input_t from, uint size) {
  uint at = 0;
  for (; size - at >= 16; at += 16)
    copy16(to + at, from + at);
  for (; at < size; at++)
    to[at] = from[at];
}

static void put_result(global result_t *result, uint size, int status, uint check) {
  result->dst_size = status == STATUS_OK ? size : 0;
  result->status = status;
  result->check = check;
  for (uint i = 0; i < 16; i++)
    result->partial[i] = 0;
}

#endif
