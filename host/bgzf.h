/* BGZF (SAM format specification, section 4.1): members of gzip that tell their size. */
#ifndef FPGA_ACCEL_BGZF_H
#define FPGA_ACCEL_BGZF_H

#include "host.h"

/* A header of 12 bytes and the subfield of the size; CRC-32 and size of the content. */
#define BGZF_HEAD 18u
#define BGZF_TAIL 8u
#define BGZF_MOST_CONTENT (64u << 10)

/* The empty member behind the last one. */
static const uint8_t BGZF_END[FA_BGZF_END] = {0x1F, 0x8B, 8,   4,   0, 0, 0,  0, 0, 0xFF,
                                              6,    0,    'B', 'C', 2, 0, 27, 0, 3, 0,
                                              0,    0,    0,   0,   0, 0, 0,  0};

#endif
