/* AES-GCM-SIV as one single work-item, for FPGAs.
 *
 * | -D        | values     | meaning                                                  |
 * | --------- | ---------- | -------------------------------------------------------- |
 * | LANES     | 1, 2, 4, 8 | optional: 4 * LANES blocks side by side (lanes.h)        |
 * | UNALIGNED | 0, 1       | optional: see blocks.h; 0 for hardware                   |
 *
 * Tested: README.md.
 */
#define SIV_ATTRIBUTES __attribute__((reqd_work_group_size(1, 1, 1)))
#define SIV_FIRST(count) 0
#define SIV_END(count) (count)

#include "portable.cl"
