/* AES-CBC and CMAC as one single work-item an entry, for FPGAs.
 *
 * | -D        | values     | meaning                                                  |
 * | --------- | ---------- | -------------------------------------------------------- |
 * | LANES     | 1, 2, 4, 8 | optional: 4 * LANES chains side by side (lanes.h)        |
 * | UNALIGNED | 0, 1       | optional: see blocks.h; 0 for hardware                   |
 *
 * Tested: README.md. A chain waits for its own cipher, so its stages are filled by other rows: what
 * the rounds of aes_streams_bitslice.h are to a CPU's registers, they are here to a pipeline.
 */
#define CBC_ATTRIBUTES __attribute__((reqd_work_group_size(1, 1, 1)))
#define CBC_FIRST_STREAM(count) 0
#define CBC_END_STREAM(count) (count)
#define CBC_FIRST(count) 0
#define CBC_END(count) (count)

#include "portable.cl"
