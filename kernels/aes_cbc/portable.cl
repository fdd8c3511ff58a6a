/* AES-CBC and CMAC for any device with OpenCL C 1.2: bit-sliced AES. No table look-up and no branch
 * depends on keys or data.
 *
 * | -D        | values     | meaning                                                            |
 * | --------- | ---------- | ------------------------------------------------------------------ |
 * | LANES     | 1, 2, 4, 8 | optional: 64-bit words a vector; by default as the CPU's registers |
 * | UNALIGNED | 0, 1       | optional: word access at any address, see blocks.h                 |
 *
 * Tested: all four LANES, both UNALIGNED.
 */
#include "abi.h"
#include "aes_inverse_bitslice.h"
#include "aes_rows.h"
#include "aes_streams_bitslice.h"
#include "blocks.h"
#include "cbc_bitslice.h"
#include "modes.h"
