/* Vectors of whole blocks: four with WIDE=1 (AVX-512), one with WIDE=0 (SSE), under the same names.
 *
 * Casts from ulong make private pointers of global ones, for the built-ins that take no address
 * space. CPU runtimes have one address space, and only they define the macros that x86.cl asks for.
 *
 * MODELLED=1 (optional, with WIDE=1): four times the instruction of one block stands for VAES and
 * VPCLMULQDQ, so that the code for CPUs that have these runs, and is tested, on any with AVX-512.
 */
#ifndef FPGA_ACCEL_X86_VECTOR_H
#define FPGA_ACCEL_X86_VECTOR_H

#include "blocks.h"

/* unroll(full) acts where a bound is known, so after inlining. A plain unroll acts before, on a
 * count not yet known, and leaves the state of most counts in memory, see README.md. */
#define UNROLL _Pragma("clang loop unroll(full)")

typedef char bytes16_t __attribute__((ext_vector_type(16)));
typedef long2 __attribute__((aligned(1))) unaligned_long2_t;

/* ---- one block ---- */

static inline long2 x_reverse(long2 a) {
  const bytes16_t order = {15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
  return as_long2(__builtin_ia32_pshufb128(__builtin_astype(a, bytes16_t), order));
}

#define X_CLMUL(a, b, halves) __builtin_ia32_pclmulqdq128(a, b, halves)

#if WIDE

/* ---- four blocks ---- */

#define V_BLOCKS 4u

typedef long8 vec_t;
typedef long8 __attribute__((aligned(1))) unaligned_vec_t;
typedef char bytes64_t __attribute__((ext_vector_type(64)));

#if MODELLED
#define FOUR_TIMES(name, instruction)                                                              \
  static inline vec_t name(vec_t a, vec_t b) {                                                     \
    long2 first = instruction(a.s01, b.s01), second = instruction(a.s23, b.s23);                   \
    long2 third = instruction(a.s45, b.s45), fourth = instruction(a.s67, b.s67);                   \
    return (vec_t)(first, second, third, fourth);                                                  \
  }
#define X_CLMUL_00(a, b) X_CLMUL(a, b, 0x00)
#define X_CLMUL_01(a, b) X_CLMUL(a, b, 0x01)
#define X_CLMUL_10(a, b) X_CLMUL(a, b, 0x10)
#define X_CLMUL_11(a, b) X_CLMUL(a, b, 0x11)
FOUR_TIMES(v_aesenc, __builtin_ia32_aesenc128)
FOUR_TIMES(v_aesenclast, __builtin_ia32_aesenclast128)
FOUR_TIMES(v_aesdec, __builtin_ia32_aesdec128)
FOUR_TIMES(v_aesdeclast, __builtin_ia32_aesdeclast128)
FOUR_TIMES(v_clmul_0x00, X_CLMUL_00)
FOUR_TIMES(v_clmul_0x01, X_CLMUL_01)
FOUR_TIMES(v_clmul_0x10, X_CLMUL_10)
FOUR_TIMES(v_clmul_0x11, X_CLMUL_11)
#define V_AESENC(a, key) v_aesenc(a, key)
#define V_AESENCLAST(a, key) v_aesenclast(a, key)
#define V_AESDEC(a, key) v_aesdec(a, key)
#define V_AESDECLAST(a, key) v_aesdeclast(a, key)
#define V_CLMUL(a, b, halves) v_clmul_##halves(a, b)
#else
#define V_AESENC(a, key) __builtin_ia32_aesenc512(a, key)
#define V_AESENCLAST(a, key) __builtin_ia32_aesenclast512(a, key)
#define V_AESDEC(a, key) __builtin_ia32_aesdec512(a, key)
#define V_AESDECLAST(a, key) __builtin_ia32_aesdeclast512(a, key)
#define V_CLMUL(a, b, halves) __builtin_ia32_pclmulqdq512(a, b, halves)
#endif

static inline vec_t v_broadcast(long2 a) { return (vec_t)(a, a, a, a); }

static inline vec_t v_in_first(long2 a) { return (vec_t)(a, 0, 0, 0, 0, 0, 0); }

static inline long2 v_sum_blocks(vec_t a) { return a.s01 ^ a.s23 ^ a.s45 ^ a.s67; }

static inline vec_t v_swap_halves(vec_t a) { return a.s10325476; }

static inline vec_t v_reverse(vec_t a) {
  const char16 order = (char16)(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  vec_t all = v_broadcast(as_long2(order));
  return __builtin_astype(
      __builtin_ia32_pshufb512(__builtin_astype(a, bytes64_t), __builtin_astype(all, bytes64_t)),
      vec_t);
}

/* Blocks' numbers for counters, and how far a vector of counters moves. */
static inline vec_t v_lane_numbers(void) { return (vec_t)(0, 0, 1, 0, 2, 0, 3, 0); }

static inline vec_t v_add32(vec_t a, vec_t b) { return as_long8(as_uint16(a) + as_uint16(b)); }

static inline ulong v_first_bytes(ulong size) { return size >= 64 ? ~0UL : (1UL << size) - 1; }

/* Bytes that the mask leaves out are not touched and cannot fault. */
static inline vec_t v_load_part(global const uchar *p, ulong size) {
  bytes64_t zero = __builtin_astype((vec_t)(0), bytes64_t);
  return __builtin_astype(__builtin_ia32_loaddquqi512_mask((const private bytes64_t *)(ulong)p,
                                                           zero, v_first_bytes(size)),
                          vec_t);
}

static inline void v_store_part(global uchar *p, vec_t a, ulong size) {
  __builtin_ia32_storedquqi512_mask((private bytes64_t *)(ulong)p, __builtin_astype(a, bytes64_t),
                                    v_first_bytes(size));
}

static inline vec_t v_keep(vec_t a, ulong size) {
  bytes64_t zero = __builtin_astype((vec_t)(0), bytes64_t);
  return __builtin_astype(
      __builtin_ia32_selectb_512(v_first_bytes(size), __builtin_astype(a, bytes64_t), zero), vec_t);
}

#else

#define V_BLOCKS 1u

typedef long2 vec_t;
typedef long2 __attribute__((aligned(1))) unaligned_vec_t;

#define V_AESENC(a, key) __builtin_ia32_aesenc128(a, key)
#define V_AESENCLAST(a, key) __builtin_ia32_aesenclast128(a, key)
#define V_AESDEC(a, key) __builtin_ia32_aesdec128(a, key)
#define V_AESDECLAST(a, key) __builtin_ia32_aesdeclast128(a, key)
#define V_CLMUL(a, b, halves) X_CLMUL(a, b, halves)

static inline vec_t v_broadcast(long2 a) { return a; }

static inline vec_t v_in_first(long2 a) { return a; }

static inline long2 v_sum_blocks(vec_t a) { return a; }

static inline vec_t v_swap_halves(vec_t a) { return a.yx; }

static inline vec_t v_reverse(vec_t a) { return x_reverse(a); }

static inline vec_t v_lane_numbers(void) { return (vec_t)(0); }

static inline vec_t v_add32(vec_t a, vec_t b) { return as_long2(as_uint4(a) + as_uint4(b)); }

static inline vec_t v_load_part(global const uchar *p, ulong size) {
  if (size >= BLOCK_SIZE)
    return *(global const unaligned_vec_t *)p;
  return x_reverse(as_long2(block_load_part(p, (uint)size)));
}

static inline void v_store_part(global uchar *p, vec_t a, ulong size) {
  if (size >= BLOCK_SIZE)
    *(global unaligned_vec_t *)p = a;
  else
    block_store_part(p, as_ulong2(x_reverse(a)), (uint)size);
}

static inline vec_t v_keep(vec_t a, ulong size) {
  if (size >= BLOCK_SIZE)
    return a;
  if (size == 0)
    return (vec_t)(0);
  return x_reverse(as_long2(block_keep(as_ulong2(x_reverse(a)), (uint)size)));
}

#endif

#define V_BYTES (V_BLOCKS * BLOCK_SIZE)

static inline vec_t v_load(global const uchar *p) { return *(global const unaligned_vec_t *)p; }

static inline void v_store(global uchar *p, vec_t a) { *(global unaligned_vec_t *)p = a; }

/* How many bytes the vector at an offset has of a text of size bytes. */
static inline ulong v_part(ulong size, ulong at) {
  ulong left = size > at ? size - at : 0;
  return left < V_BYTES ? left : V_BYTES;
}

#endif
