/* AES-CTR and AES-GCM with the AES and carry-less multiply instructions of x86 CPUs.
 *
 * | -D      | values | meaning                                                                  |
 * | ------- | ------ | ------------------------------------------------------------------------ |
 * | WIDE    | 1      | four blocks a register: AVX-512 F and BW, VAES, VPCLMULQDQ               |
 * |         | 0      | one block a register: AES, PCLMULQDQ, SSSE3                              |
 * | GROUP   | 4u, 8u | optional: registers in flight and to one GHASH reduction                 |
 * | STEP    | 2u, 4u | optional: the same in the last group of a row, default GROUP / 2         |
 *
 * Tested: both WIDE with both GROUP and default STEP; timed also GROUP=8u STEP=2u.
 */
#ifndef WIDE
#error "x86.cl needs -D WIDE=0 or -D WIDE=1"
#elif WIDE
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__VAES__) ||                       \
    !defined(__VPCLMULQDQ__)
#error "this variant needs AVX-512F, AVX-512BW, VAES and VPCLMULQDQ"
#endif
#elif !defined(__AES__) || !defined(__PCLMUL__) || !defined(__SSSE3__)
#error "this variant needs AES, PCLMULQDQ and SSSE3"
#endif

/* WIDE=1 with 8: the same for big messages, 10-15 % slower for 256 B and 4 KiB. WIDE=0 with 4: 40 %
 * slower for big messages. */
#ifndef GROUP
#if WIDE
#define GROUP 4u
#else
#define GROUP 8u
#endif
#endif

#include "abi.h"
#include "aes_x86.h"
#include "blocks.h"
#include "gcm_row.h"
#include "x86_ghash.h"
#include "x86_vector.h"

typedef struct {
  aes_key_t cipher;
  block_t h;
  powers_t powers;
} gcm_key_t;

static void gcm_set_key(private gcm_key_t *key) {
  vec_t zero = (vec_t)(0);
  aes_encrypt(&key->cipher, &zero, 1);
  key->h = gf_store(as_ulong2(v_sum_blocks(v_reverse(v_in_first(as_long2(zero.s01))))));
  powers_set(&key->powers, key->h);
}

/* ---- counters ---- */

/* The last group of a row goes by steps, so that short texts need not pay for a group. */
#ifndef STEP
#define STEP (GROUP / 2)
#endif
#define STEP_BYTES (STEP * V_BYTES)
#define GROUP_BYTES (GROUP * V_BYTES)

/* Blocks from the counter on, and the counter moved behind them. CTR adds in 64 bits, GCM in 32. */
__attribute__((always_inline)) static void
take_counters(private vec_t *counter, private vec_t *state, const uint count, const bool gcm) {
  const vec_t step = v_broadcast((long2)(V_BLOCKS, 0));
  UNROLL
  for (uint i = 0; i < count; i++) {
    state[i] = v_reverse(*counter);
    *counter = gcm ? v_add32(*counter, step) : *counter + step;
  }
}

static inline vec_t first_counters(block_t counter, const bool gcm) {
  vec_t all = v_broadcast(as_long2(counter));
  return gcm ? v_add32(all, v_lane_numbers()) : all + v_lane_numbers();
}

/* ---- CTR ---- */

/* What is left of a row: no whole group. */
static void ctr_tail(private const aes_key_t *key, vec_t counter, global const uchar *src,
                     global uchar *dst, ulong size) {
  for (ulong done = 0; done < size; done += STEP_BYTES) {
    vec_t state[STEP];
    take_counters(&counter, state, STEP, false);
    aes_encrypt(key, state, STEP);
    UNROLL
    for (uint i = 0; i < STEP; i++) {
      ulong at = done + i * V_BYTES;
      ulong part = v_part(size, at);
      v_store_part(dst + at, state[i] ^ v_load_part(src + at, part), part);
    }
  }
}

static void ctr_stream(private const aes_key_t *key, block_t start, global const uchar *src,
                       global uchar *dst, ulong size) {
  vec_t counter = first_counters(start, false);
  for (; size >= GROUP_BYTES; size -= GROUP_BYTES, src += GROUP_BYTES, dst += GROUP_BYTES) {
    vec_t state[GROUP];
    take_counters(&counter, state, GROUP, false);
    aes_encrypt(key, state, GROUP);
    UNROLL
    for (uint i = 0; i < GROUP; i++)
      v_store(dst + i * V_BYTES, state[i] ^ v_load(src + i * V_BYTES));
  }
  ctr_tail(key, counter, src, dst, size);
}

/* ---- GCM ---- */

static block_t ghash_bytes(private const gcm_key_t *key, block_t hash, global const uchar *data,
                           ulong size) {
  const powers_t *powers = &key->powers;
  vec_t x[GROUP];
  for (; size > GROUP_BYTES; size -= GROUP_BYTES, data += GROUP_BYTES) {
    UNROLL
    for (uint i = 0; i < GROUP; i++)
      x[i] = v_load(data + i * V_BYTES);
    hash = ghash_group(powers, hash, x);
  }
  if (size == 0)
    return hash;
  uint first = POWERS - (uint)blocks_of(size);
  uint vectors = (uint)((size + V_BYTES - 1) / V_BYTES);
  product_t sum = {(vec_t)(0), (vec_t)(0), (vec_t)(0)};
  vec_t before = v_in_first(as_long2(hash));
  for (uint i = 0; i < vectors; i++) {
    vec_t part = v_reverse(v_load_part(data + i * V_BYTES, v_part(size, (ulong)i * V_BYTES)));
    product_add(&sum, part ^ before, powers_at(powers, first + i * V_BLOCKS));
    before = (vec_t)(0);
  }
  return as_ulong2(v_sum_blocks(product_reduce(sum)));
}

/* What GHASH sees: dst when enciphering (all = ~0), src when deciphering (all = 0). */
static inline vec_t hash_input(vec_t text, vec_t keystream, vec_t all) {
  return text ^ (keystream & all);
}

/* The last group, which may be empty or whole: text, closing block and mask with one reduction. The
 * mask takes a register that would wait for the others anyway. */
static gcm_sums_t gcm_tail(private const gcm_key_t *key, private const gcm_row_t *row, block_t hash,
                           vec_t counter, ulong done) {
  vec_t all = (vec_t)((long)row->decrypt - 1);
  vec_t before = v_in_first(as_long2(hash));
  uint power = POWERS - 1 - (uint)blocks_of(row->size - done);
  gcm_sums_t sums;
  product_t sum = {(vec_t)(0), (vec_t)(0), (vec_t)(0)};
  product_add(&sum, v_in_first(as_long2(row->closing)), powers_at(&key->powers, POWERS - 1));
  do {
    vec_t state[STEP + 1];
    take_counters(&counter, state, STEP, true);
    state[STEP] = v_reverse(v_in_first(as_long2(row->j0)));
    aes_encrypt(&key->cipher, state, STEP + 1);
    sums.mask = as_ulong2(x_reverse(state[STEP].s01));
    UNROLL
    for (uint i = 0; i < STEP; i++) {
      ulong at = done + i * V_BYTES;
      ulong part = v_part(row->size, at);
      vec_t text = v_load_part(row->src + at, part);
      v_store_part(row->dst + at, text ^ state[i], part);
      vec_t x = v_reverse(v_keep(hash_input(text, state[i], all), part));
      product_add(&sum, x ^ before, powers_at(&key->powers, power + i * V_BLOCKS));
      before = (vec_t)(0);
    }
    power += STEP * V_BLOCKS;
    done += STEP_BYTES;
  } while (done < row->size);
  sums.hash = as_ulong2(v_sum_blocks(product_reduce(sum)));
  return sums;
}

static gcm_sums_t gcm_stream(private const gcm_key_t *key, private const gcm_row_t *row) {
  vec_t counter = first_counters(row->counter, true);
  vec_t all = (vec_t)((long)row->decrypt - 1);
  block_t hash = row->hash;
  ulong done = 0;
  for (; row->size - done > GROUP_BYTES; done += GROUP_BYTES) {
    vec_t state[GROUP];
    take_counters(&counter, state, GROUP, true);
    aes_encrypt(&key->cipher, state, GROUP);
    UNROLL
    for (uint i = 0; i < GROUP; i++) {
      vec_t text = v_load(row->src + done + i * V_BYTES);
      v_store(row->dst + done + i * V_BYTES, text ^ state[i]);
      state[i] = hash_input(text, state[i], all);
    }
    hash = ghash_group(&key->powers, hash, state);
  }
  return gcm_tail(key, row, hash, counter, done);
}

#include "cipher.h"
#include "ctr_gcm.h"
