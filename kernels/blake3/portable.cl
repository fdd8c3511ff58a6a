/* BLAKE3 for any device: one message, or one part of a message, a lane.
 *
 * | -D         | values         | meaning                                                     |
 * | ---------- | -------------- | ----------------------------------------------------------- |
 * | WORD_LANES | 1, 2, 4, 8, 16 | optional: messages side by side; by default what the CPU's  |
 * |            |                | registers hold                                              |
 * | UNALIGNED  | 0, 1           | optional: word access at any address, see blocks.h          |
 *
 * Tested: all of them.
 */
#include "blake3.h"
