/* CTR and GCM on vectors of whole blocks, for ctr_gcm.h.
 *
 * | -D        | values | meaning                                                                |
 * | --------- | ------ | ---------------------------------------------------------------------- |
 * | GROUP     | 4u ... | vectors in flight and to one GHASH reduction                           |
 * | STEP      | 2u ... | optional: the same in the last group of a row, default GROUP / 2       |
 * | LONG_STEP | 2u ... | optional: the same in a last group that is longer than STEP            |
 * | CTR_STEP  | 2u ... | optional: the same in the last group of CTR, default STEP              |
 * | LEAST     | 1u, 4u | optional: the cipher takes a multiple of so many vectors               |
 *
 * A variant includes this file after its cipher:
 *
 *   void cipher_encrypt(const cipher_key_t *key, vec_t *state, const uint count)
 *
 * where GROUP, STEP + 1, LONG_STEP + 1 and CTR_STEP are multiples of LEAST.
 */
#ifndef FPGA_ACCEL_X86_MODES_H
#define FPGA_ACCEL_X86_MODES_H

#include "gcm_row.h"
#include "x86_ghash.h"
#include "x86_vector.h"

/* The last group of a row goes by steps, so that short texts need not pay for a group. */
#ifndef STEP
#define STEP (GROUP / 2)
#endif
#ifndef LONG_STEP
#define LONG_STEP STEP
#endif
#ifndef CTR_STEP
#define CTR_STEP STEP
#endif
#ifndef LEAST
#define LEAST 1u
#endif
#define GROUP_BYTES (GROUP * V_BYTES)

typedef struct {
  cipher_key_t cipher;
  block_t h;
  powers_t powers;
} gcm_key_t;

static void gcm_set_key(private gcm_key_t *key) {
  vec_t zero[LEAST];
  UNROLL
  for (uint i = 0; i < LEAST; i++)
    zero[i] = (vec_t)(0);
  cipher_encrypt(&key->cipher, zero, LEAST);
  key->h = gf_store(as_ulong2(x_reverse(v_first_block(zero[0]))));
  powers_set(&key->powers, key->h);
}

/* ---- counters ---- */

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
static void ctr_tail(private const cipher_key_t *key, vec_t counter, global const uchar *src,
                     global uchar *dst, ulong size) {
  for (ulong done = 0; done < size; done += CTR_STEP * V_BYTES) {
    vec_t state[CTR_STEP];
    take_counters(&counter, state, CTR_STEP, false);
    cipher_encrypt(key, state, CTR_STEP);
    UNROLL
    for (uint i = 0; i < CTR_STEP; i++) {
      ulong at = done + i * V_BYTES;
      ulong part = v_part(size, at);
      v_store_part(dst + at, state[i] ^ v_load_part(src + at, part), part);
    }
  }
}

static void ctr_stream(private const cipher_key_t *key, block_t start, global const uchar *src,
                       global uchar *dst, ulong size) {
  vec_t counter = first_counters(start, false);
  for (; size >= GROUP_BYTES; size -= GROUP_BYTES, src += GROUP_BYTES, dst += GROUP_BYTES) {
    vec_t state[GROUP];
    x_prefetch(src, GROUP_BYTES);
    take_counters(&counter, state, GROUP, false);
    cipher_encrypt(key, state, GROUP);
    UNROLL
    for (uint i = 0; i < GROUP; i++)
      v_store(dst + i * V_BYTES, state[i] ^ v_load(src + i * V_BYTES));
  }
  ctr_tail(key, counter, src, dst, size);
}

/* ---- GCM ---- */

static block_t ghash_bytes(private const gcm_key_t *key, block_t hash, global const uchar *data,
                           ulong size) {
  return ghash_by_powers(&key->powers, hash, data, size);
}

/* What GHASH sees: dst when enciphering (all = ~0), src when deciphering (all = 0). */
static inline vec_t hash_input(vec_t text, vec_t keystream, vec_t all) {
  return text ^ (keystream & all);
}

/* The last group, which may be empty or whole: text, closing block and mask with one reduction. The
 * mask takes a register that would wait for the others anyway. */
__attribute__((always_inline)) static gcm_sums_t gcm_steps(private const gcm_key_t *key,
                                                           private const gcm_row_t *row,
                                                           block_t hash, vec_t counter, ulong done,
                                                           const uint step) {
  vec_t all = (vec_t)((long)row->decrypt - 1);
  vec_t before = v_in_first(as_long2(hash));
  uint power = POWERS - 1 - (uint)blocks_of(row->size - done);
  gcm_sums_t sums;
  product_t sum = {(vec_t)(0), (vec_t)(0), (vec_t)(0)};
  product_add(&sum, v_in_first(as_long2(row->closing)), powers_at(&key->powers, POWERS - 1));
  do {
    vec_t state[LONG_STEP + 1];
    take_counters(&counter, state, step, true);
    state[step] = v_reverse(v_in_first(as_long2(row->j0)));
    cipher_encrypt(&key->cipher, state, step + 1);
    sums.mask = as_ulong2(x_reverse(v_first_block(state[step])));
    UNROLL
    for (uint i = 0; i < step; i++) {
      ulong at = done + i * V_BYTES;
      ulong part = v_part(row->size, at);
      vec_t text = v_load_part(row->src + at, part);
      v_store_part(row->dst + at, text ^ state[i], part);
      vec_t x = v_reverse(v_keep(hash_input(text, state[i], all), part));
      product_add(&sum, x ^ before, powers_at(&key->powers, power + i * V_BLOCKS));
      before = (vec_t)(0);
    }
    power += step * V_BLOCKS;
    done += step * V_BYTES;
  } while (done < row->size);
  sums.hash = as_ulong2(v_sum_blocks(product_reduce(sum)));
  return sums;
}

static gcm_sums_t gcm_tail(private const gcm_key_t *key, private const gcm_row_t *row, block_t hash,
                           vec_t counter, ulong done) {
  if (LONG_STEP != STEP && row->size - done > STEP * V_BYTES)
    return gcm_steps(key, row, hash, counter, done, LONG_STEP);
  return gcm_steps(key, row, hash, counter, done, STEP);
}

static gcm_sums_t gcm_stream(private const gcm_key_t *key, private const gcm_row_t *row) {
  vec_t counter = first_counters(row->counter, true);
  vec_t all = (vec_t)((long)row->decrypt - 1);
  block_t hash = row->hash;
  ulong done = 0;
  for (; row->size - done > GROUP_BYTES; done += GROUP_BYTES) {
    vec_t state[GROUP];
    x_prefetch(row->src + done, GROUP_BYTES);
    take_counters(&counter, state, GROUP, true);
    cipher_encrypt(&key->cipher, state, GROUP);
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

#endif
