/* BLAKE2b (RFC 7693) for FPGAs, and HMAC over it: a single work-item that walks the table, with
 * WORD_LANES engines that hash a message each.
 *
 * | -D         | values         | meaning                                                     |
 * | ---------- | -------------- | ----------------------------------------------------------- |
 * | WORD_LANES | 1, 2, 4, 8     | optional: engines, default 4                                |
 * | UNALIGNED  | 0, 1           | optional: see blocks.h; 0 for hardware                      |
 *
 * Tested: the default, on the emulator.
 */
#define WORD_BITS 64
#ifndef WORD_LANES
#define WORD_LANES 4
#endif
#define ROLLED
#define LANES_ATTRIBUTES __attribute__((reqd_work_group_size(1, 1, 1)))

#include "blake2.h"

BLAKE2_KERNELS(blake2b)
