/* What vectors of lanes.h need here besides. */
#ifndef FPGA_ACCEL_CHACHA20_POLY1305_VECTORS_H
#define FPGA_ACCEL_CHACHA20_POLY1305_VECTORS_H

#include "lanes.h"

/* unroll(full) acts after inlining, where bounds are known: what stays in a loop stays in memory. */
#define UNROLLED _Pragma("clang loop unroll(full)")

static inline ulong lanes_total(lanes_t a) {
  ulong sum = 0;
  UNROLLED
  for (uint i = 0; i < LANES; i++)
    sum += lane(a, i);
  return sum;
}

#endif
