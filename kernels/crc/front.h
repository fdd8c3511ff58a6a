/* The checksum in front of a row, see rows.h, and what a register is inverted with. */
#ifndef FPGA_ACCEL_CRC_FRONT_H
#define FPGA_ACCEL_CRC_FRONT_H

#include "bytes.h"

#define FRONT_IN_FLAGS(segment, params) ((ulong)(segment).flags)
#define FRONT_IN_PARAMS(segment, params) load8((params) + (segment).param)

#define ONES_32 0xffffffffUL
#define ONES_64 (~0UL)

#endif
