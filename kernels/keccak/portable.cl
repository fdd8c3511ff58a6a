/* SHA-3 and SHAKE (FIPS 202) for any device, and HMAC over SHA-3: one message a lane.
 *
 * | -D         | values     | meaning                                                          |
 * | ---------- | ---------- | ---------------------------------------------------------------- |
 * | WORD_LANES | 1, 2, 4, 8 | optional: messages side by side; by default what the CPU's       |
 * |            |            | registers hold                                                   |
 * | UNALIGNED  | 0, 1       | optional: word access at any address, see blocks.h               |
 *
 * Tested: 1 and the messages of the CPU, on PoCL. HMAC has no branch and no table look-up that
 * depends on keys or data.
 */
#include "keccak.h"
