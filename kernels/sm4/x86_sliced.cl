/* SM4 for x86 CPUs without GFNI: bit-sliced as in portable.cl, GHASH by carry-less multiply
 * instructions.
 *
 * | -D    | values     | meaning | | ----- | ---------- |
 * ------------------------------------------------------------------------- | | LANES | 1, 2, 4, 8
 * | optional: see portable.cl                                                 |
 *
 * Tested: LANES of the CPU, and 2. CPUs that multiply four blocks at once have GFNI, too, so GHASH
 * is one block a register here.
 */
#if !defined(__PCLMUL__) || !defined(__SSSE3__)
#error "this variant needs PCLMULQDQ and SSSE3"
#endif

#define WIDE 0
/* Registers to one GHASH reduction. */
#define GROUP 8u

#include "bitslice.h"
#include "x86_ghash.h"

typedef struct {
  sm4_key_t cipher;
  block_t h;
  powers_t powers;
} gcm_key_t;

#include "sliced_modes.h"

static block_t ghash_bytes(private const gcm_key_t *key, block_t hash, global const uchar *data,
                           ulong size) {
  return ghash_by_powers(&key->powers, hash, data, size);
}

#include "ctr_gcm.h"
#include "ecb.h"
