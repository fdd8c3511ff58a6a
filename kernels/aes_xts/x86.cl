/* AES-XTS with the AES and carry-less multiply instructions of x86 CPUs.
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

#include "abi.h"
#include "aes_inverse_x86.h"
#include "aes_rows.h"
#include "blocks.h"
#include "tweak.h"
#include "x86_vector.h"

#if !defined(__PCLMUL__) || (BLOCKS > 1 && !defined(__VPCLMULQDQ__) && !MODELLED)
#error "this variant needs PCLMULQDQ, and VPCLMULQDQ with more than one block a register"
#endif

#define GROUP 8u
#define GROUP_BLOCKS (GROUP * V_BLOCKS)
#define GROUP_BYTES (GROUP * V_BYTES)
#define XTS_TWEAKS GROUP_BLOCKS

typedef struct {
  aes_key_t data;
  aes_inverse_t inverse; /* the other direction's key is not made */
  aes_key_t tweak;
} xts_key_t;

static void xts_set_key(private xts_key_t *key, global const uchar *bytes, uint size,
                        bool decrypt) {
  aes_load_key(&key->data, bytes, size / 2);
  aes_load_key(&key->tweak, bytes + size / 2, size / 2);
  if (decrypt)
    aes_set_inverse(&key->inverse, &key->data);
}

__attribute__((always_inline)) static void xts_cipher(private const xts_key_t *key,
                                                      private vec_t *state, const uint count,
                                                      const bool decrypt) {
  if (decrypt)
    aes_decrypt(&key->inverse, state, count);
  else
    aes_encrypt(&key->data, state, count);
}

static void xts_tweaks(private const xts_key_t *key, private ulong2 *tweaks) {
  vec_t state[GROUP];
private
  unaligned_vec_t *memory = (private unaligned_vec_t *)tweaks;
  UNROLL
  for (uint i = 0; i < GROUP; i++)
    state[i] = memory[i];
  aes_encrypt(&key->tweak, state, GROUP);
  UNROLL
  for (uint i = 0; i < GROUP; i++)
    memory[i] = state[i];
}

__attribute__((always_inline)) static block_t xts_block(private const xts_key_t *key, block_t block,
                                                        const bool decrypt) {
  vec_t state = v_in_first(x_reverse(as_long2(block)));
  xts_cipher(key, &state, 1, decrypt);
  return as_ulong2(x_reverse(v_first_block(state)));
}

#if BLOCKS == 4
#define AS_ULONGS(a) as_ulong8(a)
#define AS_LONGS(a) as_long8(a)
#define TWEAKS_UP_64(a) __builtin_ia32_pslldqi512_byteshift(a, 8)
#elif BLOCKS == 2
#define AS_ULONGS(a) as_ulong4(a)
#define AS_LONGS(a) as_long4(a)
#define TWEAKS_UP_64(a) __builtin_ia32_pslldqi256_byteshift(a, 8)
#else
#define AS_ULONGS(a) as_ulong2(a)
#define AS_LONGS(a) as_long2(a)
#define TWEAKS_UP_64(a) __builtin_ia32_pslldqi128_byteshift(a, 8)
#endif

/* Times x^GROUP_BLOCKS: that many bits up, and what leaves at the top comes back times 0x87. Both
 * shifts are of whole bytes, V_BLOCKS of them. */
static inline vec_t tweaks_next(vec_t tweaks) {
  const vec_t poly = v_broadcast((long2)((long)XTS_POLY, 0));
#if BLOCKS == 4
  vec_t up = __builtin_ia32_pslldqi512_byteshift(tweaks, 4);
  vec_t carried = __builtin_ia32_psrldqi512_byteshift(tweaks, 12);
#elif BLOCKS == 2
  vec_t up = __builtin_ia32_pslldqi256_byteshift(tweaks, 2);
  vec_t carried = __builtin_ia32_psrldqi256_byteshift(tweaks, 14);
#else
  vec_t up = __builtin_ia32_pslldqi128_byteshift(tweaks, 1);
  vec_t carried = __builtin_ia32_psrldqi128_byteshift(tweaks, 15);
#endif
  return up ^ V_CLMUL(carried, poly, 0x00);
}

/* Times x^n, of each block: n is less than 57, so what leaves at the top comes back within 64 bits.
 */
static inline vec_t tweaks_times(vec_t tweaks, const uint n) {
  const vec_t poly = v_broadcast((long2)((long)XTS_POLY, 0));
  if (n == 0)
    return tweaks;
  vec_t carried = AS_LONGS(AS_ULONGS(tweaks) >> (64 - n));
  return tweaks << n ^ TWEAKS_UP_64(carried) ^ V_CLMUL(carried, poly, 0x01);
}

/* The tweaks of a group, from registers alone: a load of what smaller stores have left waits until
 * they, and all those of the text before, are in the cache. */
__attribute__((always_inline)) static void tweaks_first(private vec_t *tweaks, ulong2 tweak) {
  ulong2 second = xts_double(tweak);
#if BLOCKS == 4
  ulong2 third = xts_double(second);
  vec_t first =
      (vec_t)(as_long2(tweak), as_long2(second), as_long2(third), as_long2(xts_double(third)));
#elif BLOCKS == 2
  vec_t first = (vec_t)(as_long2(tweak), as_long2(second));
#else
  vec_t first = as_long2(tweak);
#endif
  UNROLL
  for (uint i = 0; i < GROUP; i++)
    tweaks[i] = tweaks_times(first, i * V_BLOCKS);
}

__attribute__((always_inline)) static ulong2 xts_text(private const xts_key_t *key, ulong2 first,
                                                      global const uchar *src, global uchar *dst,
                                                      uint size, const bool decrypt) {
  vec_t made[GROUP], tweaks[GROUP], state[GROUP];
  tweaks_first(tweaks, first);
  for (; size >= GROUP_BYTES; size -= GROUP_BYTES, src += GROUP_BYTES, dst += GROUP_BYTES) {
    x_prefetch(src, GROUP_BYTES);
    UNROLL
    for (uint i = 0; i < GROUP; i++)
      state[i] = v_load(src + i * V_BYTES) ^ tweaks[i];
    xts_cipher(key, state, GROUP, decrypt);
    UNROLL
    for (uint i = 0; i < GROUP; i++) {
      v_store(dst + i * V_BYTES, state[i] ^ tweaks[i]);
      tweaks[i] = tweaks_next(tweaks[i]);
    }
  }
  if (size) {
    UNROLL
    for (uint i = 0; i < GROUP; i++) {
      ulong part = v_part(size, (ulong)i * V_BYTES);
      vec_t text = part ? v_load_part(src + i * V_BYTES, part) : (vec_t)(0);
      state[i] = text ^ tweaks[i];
    }
    xts_cipher(key, state, GROUP, decrypt);
    UNROLL
    for (uint i = 0; i < GROUP; i++) {
      ulong part = v_part(size, (ulong)i * V_BYTES);
      if (part)
        v_store_part(dst + i * V_BYTES, state[i] ^ tweaks[i], part);
    }
  }
  UNROLL
  for (uint i = 0; i < GROUP; i++)
    made[i] = tweaks[i];
  return ((private const ulong2 *)made)[size / BLOCK_SIZE];
}

#include "modes.h"
