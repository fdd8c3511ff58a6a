/* The first half of a step of the searches for x86-64 CPUs. Before it is included, there are
 *
 *   PROBES   positions that a step probes
 *   STORES   of these, those that enter the table
 *   slot_of  the slot for the bytes at a position; hash.h has its factor and shift
 *   back_to  what an entry means at a position: minus the distance
 */
#ifndef FPGA_ACCEL_MATCH_PROBE_H
#define FPGA_ACCEL_MATCH_PROBE_H

#include "bytes.h"

/* Where a match starts, or the next step, and minus its distance, 0 or NO_MATCH where there is
 * none. */
typedef struct {
  input_t start;
  long back;
} probed_t;

/* The first half of a step: probes PROBES positions and keeps the first match. The stores come as
 * soon as they can: the CPU holds back later loads until it knows where stores go. */
INLINE probed_t probe(private ushort *table, ulong factor, uint shift, input_t pos) {
  uint slots[PROBES], heads[PROBES];
  long backs[PROBES];
  int same[PROBES];
#pragma unroll
  for (uint i = 0; i < PROBES; i++) {
    ulong x = load8(pos + i);
    slots[i] = slot_of(x, factor, shift);
    heads[i] = (uint)x;
  }
#pragma unroll
  for (uint i = 0; i < PROBES; i++)
    backs[i] = back_to(table[slots[i]], pos + i);
#pragma unroll
  for (uint i = 0; i < STORES; i++)
    table[slots[i]] = (ushort)(ulong)(pos + i);
#pragma unroll
  for (uint i = 0; i < PROBES; i++)
    same[i] = heads[i] == load4(pos + i + backs[i]);
  input_t start = pos + PROBES;
  long back = 0;
#pragma unroll
  for (int i = PROBES - 1; i >= 0; i--) {
    start = same[i] ? pos + i : start;
    back = same[i] ? backs[i] : back;
  }
  probed_t p = {start, back};
  return p;
}

#endif
