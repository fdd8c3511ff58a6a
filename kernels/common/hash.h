/* Which slot of a table the bytes at a position of a text belong to. */
#ifndef FPGA_ACCEL_HASH_H
#define FPGA_ACCEL_HASH_H

#include "abi.h"

/* Odd, near 2^64 divided by the golden ratio. */
#define GOLDEN 0x9E3779B185EBCA87UL
/* Shifted left, so that the high bits of its product with eight bytes depend on the first few. */
#define FACTOR_OF(bytes) (GOLDEN << (64 - 8 * (bytes)))

/* What is left of a product of 64 bits as the number of one of 2^bits slots. */
#define SHIFT_OF(bits) (64u - (bits))

INLINE uint slot_of(ulong x, ulong factor, uint shift) { return (uint)(x * factor >> shift); }

#endif
