/* Blocks of AES-GCM-SIV as modes.h says: little-endian values. */
#ifndef FPGA_ACCEL_AES_GCM_SIV_BLOCKS_H
#define FPGA_ACCEL_AES_GCM_SIV_BLOCKS_H

#include "blocks.h"

/* Two halves of the authentication key and up to four of the other, in whole vectors. */
#define SIV_BLOCKS 8u

/* From and to the big-endian value of the same bytes. */
static inline block_t siv_reverse(block_t a) { return (block_t)(swap_bytes(a.y), swap_bytes(a.x)); }

#endif
