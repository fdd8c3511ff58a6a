/* SHA-1 (FIPS 180-4 section 6.1) for FPGAs, and HMAC over it: a single work-item that walks the
 * table, with WORD_LANES engines that hash a message each. An engine does one step a clock.
 *
 * | -D         | values          | meaning                                                       |
 * | ---------- | --------------- | ------------------------------------------------------------- |
 * | WORD_LANES | 1, 2, 4, 8, 16  | optional: engines, default 8                                 |
 * | UNALIGNED  | 0, 1            | optional: see blocks.h; 0 for hardware                        |
 *
 * Tested: the default, on the emulator.
 */
#ifndef WORD_LANES
#define WORD_LANES 8
#endif
#define STEPS_UNROLL _Pragma("unroll 1")
#define HASH_ATTRIBUTES __attribute__((reqd_work_group_size(1, 1, 1)))

#include "sha1.h"
