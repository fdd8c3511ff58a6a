/* Copies of a match within the output, which may overlap itself. */
#ifndef FPGA_ACCEL_MATCH_COPY_H
#define FPGA_ACCEL_MATCH_COPY_H

#include "bytes.h"

/* May write up to 31 bytes past op + length. */
static inline void copy_match_wild(global uchar *dst, uint op, uint offset, uint length) {
  uint end = op + length;
  if (offset >= 16) {
    do {
      copy16(dst + op, dst + op - offset);
      op += 16;
    } while (op < end);
  } else if (offset >= 8) {
    do {
      store8(dst + op, load8(dst + op - offset));
      op += 8;
    } while (op < end);
  } else {
    ulong pattern = load8(dst + op - offset) & ((1UL << (8 * offset)) - 1);
    uint span = offset;
    while (span < 8) {
      pattern |= pattern << (8 * span);
      span *= 2;
    }
    uint stride = 8 - 8 % offset;
    do {
      store8(dst + op, pattern);
      op += stride;
    } while (op < end);
  }
}

#endif
