/* ChaCha20-Poly1305, XChaCha20-Poly1305 and Poly1305 for any device with OpenCL C 1.2. No table
 * look-up and no branch depends on keys or data.
 *
 * | -D    | values     | meaning                                                            |
 * | ----- | ---------- | ------------------------------------------------------------------ |
 * | LANES | 1, 2, 4, 8 | optional: 64-bit words a vector; by default as the CPU's registers |
 *
 * Tested: 1, 8 and the LANES of the CPU, on PoCL.
 */
#include "limbs26.h"
#include "rows.h"
