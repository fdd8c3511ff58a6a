/* SHA-3 and SHAKE (FIPS 202) for FPGAs, and HMAC over SHA-3: a single work-item that walks the
 * table, with WORD_LANES engines that hash a message each. An engine does one round a clock.
 *
 * | -D         | values     | meaning                                                          |
 * | ---------- | ---------- | ---------------------------------------------------------------- |
 * | WORD_LANES | 1, 2, 4, 8 | optional: engines, default 4                                     |
 * | UNALIGNED  | 0, 1       | optional: see blocks.h; 0 for hardware                           |
 *
 * Tested: the default, on the emulator.
 */
#ifndef WORD_LANES
#define WORD_LANES 4
#endif
#define ONE_WAY
#define LANES_ATTRIBUTES __attribute__((reqd_work_group_size(1, 1, 1)))

#include "keccak.h"
