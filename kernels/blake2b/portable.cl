/* BLAKE2b (RFC 7693) for any device, and HMAC over it: one message a lane.
 *
 * | -D         | values         | meaning                                                     |
 * | ---------- | -------------- | ----------------------------------------------------------- |
 * | WORD_LANES | 1, 2, 4, 8     | optional: messages side by side; by default what the CPU's  |
 * |            |                | registers hold                                              |
 * | UNALIGNED  | 0, 1           | optional: word access at any address, see blocks.h          |
 *
 * Tested: all of them. HMAC has no branch and no table look-up that depends on keys or data.
 */
#define WORD_BITS 64

#include "blake2.h"

BLAKE2_KERNELS(blake2b)
