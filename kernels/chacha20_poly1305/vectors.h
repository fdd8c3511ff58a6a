/* What vectors of lanes.h need here besides. */
#ifndef FPGA_ACCEL_CHACHA20_POLY1305_VECTORS_H
#define FPGA_ACCEL_CHACHA20_POLY1305_VECTORS_H

#include "lanes.h"

/* unroll(full) acts after inlining, where bounds are known: what stays in a loop stays in memory.
 */
#define UNROLLED _Pragma("clang loop unroll(full)")

/* The even, and the odd, elements of a and then those of b. Spelled out they become one instruction
 * each; (a.even, b.even) becomes three. */
#if LANES == 8
#define EVEN_WORDS(a, b)                                                                           \
  (uint16)((a).s0, (a).s2, (a).s4, (a).s6, (a).s8, (a).sa, (a).sc, (a).se, (b).s0, (b).s2, (b).s4, \
           (b).s6, (b).s8, (b).sa, (b).sc, (b).se)
#define ODD_WORDS(a, b)                                                                            \
  (uint16)((a).s1, (a).s3, (a).s5, (a).s7, (a).s9, (a).sb, (a).sd, (a).sf, (b).s1, (b).s3, (b).s5, \
           (b).s7, (b).s9, (b).sb, (b).sd, (b).sf)
#define EVEN_LANES(a, b) (ulong8)((a).s0, (a).s2, (a).s4, (a).s6, (b).s0, (b).s2, (b).s4, (b).s6)
#define ODD_LANES(a, b) (ulong8)((a).s1, (a).s3, (a).s5, (a).s7, (b).s1, (b).s3, (b).s5, (b).s7)
#elif LANES == 4
#define EVEN_WORDS(a, b) (uint8)((a).s0, (a).s2, (a).s4, (a).s6, (b).s0, (b).s2, (b).s4, (b).s6)
#define ODD_WORDS(a, b) (uint8)((a).s1, (a).s3, (a).s5, (a).s7, (b).s1, (b).s3, (b).s5, (b).s7)
#define EVEN_LANES(a, b) (ulong4)((a).s0, (a).s2, (b).s0, (b).s2)
#define ODD_LANES(a, b) (ulong4)((a).s1, (a).s3, (b).s1, (b).s3)
#elif LANES == 2
#define EVEN_WORDS(a, b) (uint4)((a).s0, (a).s2, (b).s0, (b).s2)
#define ODD_WORDS(a, b) (uint4)((a).s1, (a).s3, (b).s1, (b).s3)
#define EVEN_LANES(a, b) (ulong2)((a).s0, (b).s0)
#define ODD_LANES(a, b) (ulong2)((a).s1, (b).s1)
#elif LANES == 1
#define EVEN_WORDS(a, b) (uint2)((a).s0, (b).s0)
#define ODD_WORDS(a, b) (uint2)((a).s1, (b).s1)
#endif

static inline ulong lanes_total(lanes_t a) {
  ulong sum = 0;
  UNROLLED
  for (uint i = 0; i < LANES; i++)
    sum += lane(a, i);
  return sum;
}

#endif
