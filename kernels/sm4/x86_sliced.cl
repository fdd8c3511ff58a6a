/* SM4 for x86 CPUs without GFNI: bit-sliced as in portable.cl, GHASH by carry-less multiply
 * instructions.
 *
 * | -D       | values     | meaning                                                               |
 * | -------- | ---------- | --------------------------------------------------------------------- |
 * | BLOCKS   | 4          | four blocks a register in GHASH: AVX-512 F and BW, VPCLMULQDQ         |
 * |          | 2          | two blocks a register: AVX2, VPCLMULQDQ                               |
 * |          | 1          | one block a register: PCLMULQDQ, SSSE3                                |
 * | MODELLED | 1          | optional: no VPCLMULQDQ needed, see x86_vector.h                      |
 * | LANES    | 1, 2, 4, 8 | optional: see portable.cl                                             |
 *
 * Tested: four and two blocks with MODELLED=1; one and two without, with the LANES of the CPU.
 */

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

#include "cbc.h"

#include "ecb.h"
