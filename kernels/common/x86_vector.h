/* Vectors of whole blocks under the same names: BLOCKS=4 (AVX-512), 2 (AVX2) or 1 (SSE) a register.
 *
 * Casts from ulong make private pointers of global ones, for the built-ins that take no address
 * space. CPU runtimes have one address space, and only they define the macros that x86.cl asks for.
 *
 * MODELLED=1 (optional, with 4 or 2): as many times the instruction of one block stands for VAES
 * and VPCLMULQDQ, so that the code for CPUs that have these runs, and is tested, on any whose
 * registers are that wide.
 */
#ifndef FPGA_ACCEL_X86_VECTOR_H
#define FPGA_ACCEL_X86_VECTOR_H

#if BLOCKS == 4 && (!defined(__AVX512F__) || !defined(__AVX512BW__))
#error "this variant needs AVX-512F and AVX-512BW"
#elif BLOCKS == 2 && !defined(__AVX2__)
#error "this variant needs AVX2"
#elif BLOCKS == 1 && !defined(__SSSE3__)
#error "this variant needs SSSE3"
#elif BLOCKS != 4 && BLOCKS != 2 && BLOCKS != 1
#error "this file needs -D BLOCKS=1, -D BLOCKS=2 or -D BLOCKS=4"
#endif

#include "blocks.h"
#include "x86_prefetch.h"

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

#if BLOCKS == 4
typedef long8 vec_t;
#elif BLOCKS == 2
typedef long4 vec_t;
#else
typedef long2 vec_t;
#endif
typedef vec_t __attribute__((aligned(1))) unaligned_vec_t;

#if MODELLED
#if BLOCKS == 4
#define OF_EACH(instruction, a, b)                                                                 \
  (instruction((a).s01, (b).s01), instruction((a).s23, (b).s23), instruction((a).s45, (b).s45),    \
   instruction((a).s67, (b).s67))
#else
#define OF_EACH(instruction, a, b) (instruction((a).s01, (b).s01), instruction((a).s23, (b).s23))
#endif
#define FOR_EACH_BLOCK(name, instruction)                                                          \
  static inline vec_t name(vec_t a, vec_t b) { return (vec_t)OF_EACH(instruction, a, b); }
#define X_CLMUL_00(a, b) X_CLMUL(a, b, 0x00)
#define X_CLMUL_01(a, b) X_CLMUL(a, b, 0x01)
#define X_CLMUL_10(a, b) X_CLMUL(a, b, 0x10)
#define X_CLMUL_11(a, b) X_CLMUL(a, b, 0x11)
FOR_EACH_BLOCK(v_aesenc, __builtin_ia32_aesenc128)
FOR_EACH_BLOCK(v_aesenclast, __builtin_ia32_aesenclast128)
FOR_EACH_BLOCK(v_aesdec, __builtin_ia32_aesdec128)
FOR_EACH_BLOCK(v_aesdeclast, __builtin_ia32_aesdeclast128)
FOR_EACH_BLOCK(v_clmul_0x00, X_CLMUL_00)
FOR_EACH_BLOCK(v_clmul_0x01, X_CLMUL_01)
FOR_EACH_BLOCK(v_clmul_0x10, X_CLMUL_10)
FOR_EACH_BLOCK(v_clmul_0x11, X_CLMUL_11)
#define V_AESENC(a, key) v_aesenc(a, key)
#define V_AESENCLAST(a, key) v_aesenclast(a, key)
#define V_AESDEC(a, key) v_aesdec(a, key)
#define V_AESDECLAST(a, key) v_aesdeclast(a, key)
#define V_CLMUL(a, b, halves) v_clmul_##halves(a, b)
#elif BLOCKS == 4
#define V_AESENC(a, key) __builtin_ia32_aesenc512(a, key)
#define V_AESENCLAST(a, key) __builtin_ia32_aesenclast512(a, key)
#define V_AESDEC(a, key) __builtin_ia32_aesdec512(a, key)
#define V_AESDECLAST(a, key) __builtin_ia32_aesdeclast512(a, key)
#define V_CLMUL(a, b, halves) __builtin_ia32_pclmulqdq512(a, b, halves)
#elif BLOCKS == 2
#define V_AESENC(a, key) __builtin_ia32_aesenc256(a, key)
#define V_AESENCLAST(a, key) __builtin_ia32_aesenclast256(a, key)
#define V_AESDEC(a, key) __builtin_ia32_aesdec256(a, key)
#define V_AESDECLAST(a, key) __builtin_ia32_aesdeclast256(a, key)
#define V_CLMUL(a, b, halves) __builtin_ia32_pclmulqdq256(a, b, halves)
#else
#define V_AESENC(a, key) __builtin_ia32_aesenc128(a, key)
#define V_AESENCLAST(a, key) __builtin_ia32_aesenclast128(a, key)
#define V_AESDEC(a, key) __builtin_ia32_aesdec128(a, key)
#define V_AESDECLAST(a, key) __builtin_ia32_aesdeclast128(a, key)
#define V_CLMUL(a, b, halves) X_CLMUL(a, b, halves)
#endif

#if BLOCKS == 4

/* ---- four blocks ---- */

#define V_BLOCKS 4u

typedef char bytes64_t __attribute__((ext_vector_type(64)));

static inline vec_t v_broadcast(long2 a) { return (vec_t)(a, a, a, a); }

static inline vec_t v_in_first(long2 a) { return (vec_t)(a, 0, 0, 0, 0, 0, 0); }

static inline long2 v_first_block(vec_t a) { return a.s01; }

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

/* ---- a block, which without masks is loaded and stored in part byte by byte ---- */

static inline long2 x_load_part(global const uchar *p, ulong size) {
  if (size >= BLOCK_SIZE)
    return *(global const unaligned_long2_t *)p;
  return x_reverse(as_long2(block_load_part(p, (uint)size)));
}

static inline void x_store_part(global uchar *p, long2 a, ulong size) {
  if (size >= BLOCK_SIZE)
    *(global unaligned_long2_t *)p = a;
  else
    block_store_part(p, as_ulong2(x_reverse(a)), (uint)size);
}

static inline long2 x_keep(long2 a, ulong size) {
  if (size >= BLOCK_SIZE)
    return a;
  if (size == 0)
    return (long2)(0);
  return x_reverse(as_long2(block_keep(as_ulong2(x_reverse(a)), (uint)size)));
}

#if BLOCKS == 2

/* ---- two blocks ---- */

#define V_BLOCKS 2u

typedef char bytes32_t __attribute__((ext_vector_type(32)));

static inline vec_t v_broadcast(long2 a) { return (vec_t)(a, a); }

static inline vec_t v_in_first(long2 a) { return (vec_t)(a, 0, 0); }

static inline long2 v_first_block(vec_t a) { return a.lo; }

static inline long2 v_sum_blocks(vec_t a) { return a.lo ^ a.hi; }

static inline vec_t v_swap_halves(vec_t a) { return a.s1032; }

static inline vec_t v_reverse(vec_t a) {
  const char16 order = (char16)(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  vec_t all = v_broadcast(as_long2(order));
  return __builtin_astype(
      __builtin_ia32_pshufb256(__builtin_astype(a, bytes32_t), __builtin_astype(all, bytes32_t)),
      vec_t);
}

static inline vec_t v_lane_numbers(void) { return (vec_t)(0, 0, 1, 0); }

static inline vec_t v_add32(vec_t a, vec_t b) { return as_long4(as_uint8(a) + as_uint8(b)); }

/* Bytes of the second block where there are so many of both. */
static inline ulong x_behind(ulong size) { return size > BLOCK_SIZE ? size - BLOCK_SIZE : 0; }

static inline vec_t v_load_part(global const uchar *p, ulong size) {
  if (size >= 2 * BLOCK_SIZE)
    return *(global const unaligned_vec_t *)p;
  if (size <= BLOCK_SIZE)
    return v_in_first(x_load_part(p, size));
  return (vec_t)(x_load_part(p, BLOCK_SIZE), x_load_part(p + BLOCK_SIZE, x_behind(size)));
}

static inline void v_store_part(global uchar *p, vec_t a, ulong size) {
  if (size >= 2 * BLOCK_SIZE) {
    *(global unaligned_vec_t *)p = a;
    return;
  }
  x_store_part(p, a.lo, size);
  if (size > BLOCK_SIZE)
    x_store_part(p + BLOCK_SIZE, a.hi, x_behind(size));
}

static inline vec_t v_keep(vec_t a, ulong size) {
  if (size >= 2 * BLOCK_SIZE)
    return a;
  return (vec_t)(x_keep(a.lo, size), x_keep(a.hi, x_behind(size)));
}

#else

/* ---- one block ---- */

#define V_BLOCKS 1u

static inline vec_t v_broadcast(long2 a) { return a; }

static inline vec_t v_in_first(long2 a) { return a; }

static inline long2 v_first_block(vec_t a) { return a; }

static inline long2 v_sum_blocks(vec_t a) { return a; }

static inline vec_t v_swap_halves(vec_t a) { return a.yx; }

static inline vec_t v_reverse(vec_t a) { return x_reverse(a); }

static inline vec_t v_lane_numbers(void) { return (vec_t)(0); }

static inline vec_t v_add32(vec_t a, vec_t b) { return as_long2(as_uint4(a) + as_uint4(b)); }

static inline vec_t v_load_part(global const uchar *p, ulong size) { return x_load_part(p, size); }

static inline void v_store_part(global uchar *p, vec_t a, ulong size) { x_store_part(p, a, size); }

static inline vec_t v_keep(vec_t a, ulong size) { return x_keep(a, size); }

#endif

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
