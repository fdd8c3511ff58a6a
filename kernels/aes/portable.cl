/* AES-CTR and AES-GCM for any device with OpenCL C 1.2: bit-sliced AES, GHASH by integer products.
 * No table look-up and no branch depends on keys or data.
 *
 * | -D        | values     | meaning                                                            |
 * | --------- | ---------- | ------------------------------------------------------------------ |
 * | LANES     | 1, 2, 4, 8 | optional: 64-bit words a vector; by default as the CPU's registers |
 * | UNALIGNED | 0, 1       | optional: word access at any address, see blocks.h                 |
 *
 * Tested: all four LANES, both UNALIGNED.
 */
#include "aes_bitslice.h"
#include "cipher.h"
#include "lanes_modes.h"

#include "ctr_gcm.h"
