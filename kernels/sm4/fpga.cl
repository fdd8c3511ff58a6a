/* SM4 as one single work-item an entry, for FPGAs.
 *
 * | -D        | values     | meaning                                                            |
 * | --------- | ---------- | ------------------------------------------------------------------ |
 * | LANES     | 1, 2, 4, 8 | optional: 16 * LANES blocks at once (lanes.h)                      |
 * | UNALIGNED | 0, 1       | optional: see blocks.h; 0 for hardware                             |
 *
 * Tested: the default, on the emulator.
 *
 * A round is 124 gates a plane bit and no table: what the rounds of a batch are to a CPU's
 * registers, they are here to a pipeline.
 */
#define KERNEL_ATTRIBUTES __attribute__((reqd_work_group_size(1, 1, 1)))

#include "portable.cl"
