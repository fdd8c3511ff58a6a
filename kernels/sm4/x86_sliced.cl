/* SM4 for x86 CPUs without GFNI: bit-sliced as in portable.cl, GHASH by carry-less multiply
 * instructions.
 *
 * | -D       | values     | meaning | | -------- | ---------- |
 * ---------------------------------------------------------------------- | | WIDE     | 1 | four
 * blocks a register in GHASH: AVX-512 F and BW, VPCLMULQDQ          | |          | 0          | one
 * block a register: PCLMULQDQ, SSSE3                                 | | MODELLED | 1          |
 * optional, with WIDE=1: no VPCLMULQDQ needed, see x86_vector.h          | | LANES    | 1, 2, 4, 8
 * | optional: see portable.cl                                              |
 *
 * Tested: WIDE=1 with MODELLED=1; WIDE=0 with the LANES of the CPU, and with 2.
 */
#ifndef WIDE
#error "x86_sliced.cl needs -D WIDE=0 or -D WIDE=1"
#elif WIDE
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || (!defined(__VPCLMULQDQ__) && !MODELLED)
#error "this variant needs AVX-512F, AVX-512BW and VPCLMULQDQ"
#endif
#endif
#if !defined(__PCLMUL__) || !defined(__SSSE3__)
#error "this variant needs PCLMULQDQ and SSSE3"
#endif

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
