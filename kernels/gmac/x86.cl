/* GMAC with the AES and carry-less multiply instructions of x86 CPUs.
 *
 * | -D       | values | meaning                                                    |
 * | -------- | ------ | ---------------------------------------------------------- |
 * | BLOCKS   | 4      | four blocks a register: AVX-512 F and BW, VAES, VPCLMULQDQ |
 * |          | 2      | two blocks a register: AVX2, VAES, VPCLMULQDQ              |
 * |          | 1      | one block a register: AES, PCLMULQDQ, SSSE3                |
 * | MODELLED | 1      | optional: no VAES and VPCLMULQDQ needed, see x86_vector.h  |
 *
 * Tested: one and two; two and four with MODELLED=1.
 */

/* Registers to one reduction; short messages pay for the powers of a key alone. */
#define GROUP 8u

#include "abi.h"
#include "aes_x86.h"
#include "blocks.h"
#include "x86_ghash.h"
#include "x86_vector.h"

typedef struct {
  aes_key_t aes;
  block_t h;
  powers_t powers;
} gmac_key_t;

static block_t gmac_cipher(private const gmac_key_t *key, block_t block) {
  vec_t state = v_in_first(x_reverse(as_long2(block)));
  aes_encrypt(&key->aes, &state, 1);
  return as_ulong2(x_reverse(v_first_block(state)));
}

static void gmac_set_key(private gmac_key_t *key) {
  key->h = gf_store(gmac_cipher(key, (block_t)(0)));
  powers_set(&key->powers, key->h);
}

static block_t ghash_bytes(private const gmac_key_t *key, block_t hash, global const uchar *data,
                           ulong size) {
  return ghash_by_powers(&key->powers, hash, data, size);
}

#include "modes.h"
