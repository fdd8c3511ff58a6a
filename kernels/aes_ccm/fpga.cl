/* AES-CCM as one single work-item, for FPGAs.
 *
 * | -D        | values     | meaning                                                  |
 * | --------- | ---------- | -------------------------------------------------------- |
 * | LANES     | 1, 2, 4, 8 | optional: 4 * LANES chains side by side (lanes.h)        |
 * | UNALIGNED | 0, 1       | optional: see blocks.h; 0 for hardware                   |
 *
 * Tested: README.md.
 */
#define CCM_ATTRIBUTES __attribute__((reqd_work_group_size(1, 1, 1)))
#define CCM_FIRST(count) 0
#define CCM_END(count) (count)

#include "portable.cl"
