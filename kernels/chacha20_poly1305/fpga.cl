/* ChaCha20-Poly1305, XChaCha20-Poly1305 and Poly1305 for FPGAs: a single work-item that walks the
 * table and takes 64 bytes of a row's text a clock.
 *
 * | -D        | values     | meaning                                                            |
 * | --------- | ---------- | ------------------------------------------------------------------ |
 * | POLY_WAYS | 1, 2, 4, 8 | optional: sums of Poly1305 that take turns, one a clock; default 8 |
 *
 * Tested: README.md, "FPGA variant".
 */
#define LANES 1
#define WIDTH 1

#include "chacha.h"
#include "limbs26.h"
#include "messages.h"

#ifndef POLY_WAYS
#define POLY_WAYS 8
#endif
/* Blocks of Poly1305 in one of ChaCha20. */
#define GROUP_BLOCKS 4

#define SINGLE_WORK_ITEM __attribute__((reqd_work_group_size(1, 1, 1)))
#define ARGUMENTS                                                                                  \
  global const uchar *restrict src, global uchar *restrict dst,                                    \
      global const segment_t *restrict segments, global result_t *restrict results,                \
      global const uchar *restrict params, uint count

typedef struct {
  uint key[KEY_WORDS];
  uint nonce[NONCE_WORDS];
} cipher_t;

typedef struct {
  uint w[CHACHA_WORDS];
} words16_t;

/* ---- ChaCha20 ---- */

static inline words16_t chacha_input(private const cipher_t *cipher, uint counter) {
  words16_t x;
  chacha_constants(x.w);
#pragma unroll
  for (uint k = 0; k < KEY_WORDS; k++)
    x.w[4 + k] = cipher->key[k];
  x.w[12] = counter;
#pragma unroll
  for (uint k = 0; k < NONCE_WORDS; k++)
    x.w[13 + k] = cipher->nonce[k];
  return x;
}

/* On the hardware of one double round. */
static words16_t block_in_steps(private const cipher_t *cipher, uint counter) {
  words16_t x = chacha_input(cipher, counter), input = x;
#pragma unroll 1
  for (uint round = 0; round < CHACHA_ROUNDS; round += 2)
    double_round(x.w);
#pragma unroll
  for (uint k = 0; k < CHACHA_WORDS; k++)
    x.w[k] += input.w[k];
  return x;
}

/* As a pipeline: a block enters each clock. */
static inline words16_t block_a_clock(private const cipher_t *cipher, uint counter) {
  words16_t x = chacha_input(cipher, counter), input = x;
#pragma unroll
  for (uint round = 0; round < CHACHA_ROUNDS; round += 2)
    double_round(x.w);
#pragma unroll
  for (uint k = 0; k < CHACHA_WORDS; k++)
    x.w[k] += input.w[k];
  return x;
}

/* HChaCha20: the draft, section 2.2, and the nonce for what follows, section 2.3. */
static void set_subkey(private cipher_t *cipher, input_t nonce) {
  words16_t x;
  chacha_constants(x.w);
#pragma unroll
  for (uint k = 0; k < KEY_WORDS; k++)
    x.w[4 + k] = cipher->key[k];
#pragma unroll
  for (uint k = 0; k < 4; k++)
    x.w[12 + k] = load4(nonce + 4 * k);
#pragma unroll 1
  for (uint round = 0; round < CHACHA_ROUNDS; round += 2)
    double_round(x.w);
#pragma unroll
  for (uint k = 0; k < 4; k++) {
    cipher->key[k] = x.w[k];
    cipher->key[4 + k] = x.w[12 + k];
  }
  cipher->nonce[0] = 0;
  cipher->nonce[1] = load4(nonce + 16);
  cipher->nonce[2] = load4(nonce + 20);
}

/* ---- Poly1305 ---- */

typedef struct {
  factor_t power[GROUP_BLOCKS]; /* r^4, r^3, r^2, r */
  factor_t step;                /* r^(4 POLY_WAYS) */
  ulong2 pad;
} hash_key_t;

static number_t number_times(number_t a, private const factor_t *by) {
  product_t product = product_zero();
  product_add(&product, a, by);
  return product_reduce(product);
}

static void set_hash_key(private hash_key_t *key, ulong2 r, ulong2 pad) {
  number_t power = number_of(r.x & CLAMP_LOW, r.y & CLAMP_HIGH, 0);
  key->power[GROUP_BLOCKS - 1] = factor_of(power);
#pragma unroll 1
  for (uint i = GROUP_BLOCKS - 1; i > 0; i--) {
    power = number_times(power, &key->power[GROUP_BLOCKS - 1]);
    key->power[i - 1] = factor_of(power);
  }
  key->step = key->power[0];
#pragma unroll 1
  for (uint ways = 1; ways < POLY_WAYS; ways *= 2) {
    power = number_times(power, &key->step);
    key->step = factor_of(power);
  }
  key->pad = pad;
}

static number_t sum_block(private const hash_key_t *key, number_t sum, ulong2 block, ulong top) {
  number_t a = number_add(sum, number_of(block.x, block.y, top));
  return number_times(a, &key->power[GROUP_BLOCKS - 1]);
}

/* Blocks one after the other: the next waits for the product of the one before. */
static number_t sum_in_steps(private const hash_key_t *key, number_t sum, input_t p, uint size,
                             bool closed) {
#pragma unroll 1
  for (; size >= POLY_BLOCK; p += POLY_BLOCK, size -= POLY_BLOCK)
    sum = sum_block(key, sum, (ulong2)(load8(p), load8(p + 8)), 1);
  return size ? sum_block(key, sum, part_block(p, size, closed), !closed) : sum;
}

static inline number_t block_of_words(private const words16_t *x, uint block) {
private
  const uint *w = x->w + 4 * block;
  return number_of(w[0] | (ulong)w[1] << 32, w[2] | (ulong)w[3] << 32, 1);
}

/* before: the sum of what is in front of the first group, else 0. */
static inline number_t sum_of_group(private const hash_key_t *key, number_t before,
                                    private const words16_t *x) {
  product_t product = product_zero();
#pragma unroll
  for (uint i = 0; i < GROUP_BLOCKS; i++) {
    number_t block = block_of_words(x, i);
    product_add(&product, i == 0 ? number_add(block, before) : block, &key->power[i]);
  }
  return product_reduce(product);
}

/* Sums that take turns: group g goes to way (g + waits) mod POLY_WAYS, so that the last group goes
 * to the last way. */
typedef struct {
  number_t way[POLY_WAYS];
  number_t before;
  uint next;
} ways_t;

static inline void ways_begin(private ways_t *ways, number_t before, uint groups) {
#pragma unroll
  for (uint i = 0; i < POLY_WAYS; i++)
    ways->way[i] = number_zero();
  ways->before = before;
  ways->next = (POLY_WAYS - groups % POLY_WAYS) % POLY_WAYS;
}

static inline void ways_add(private ways_t *ways, private const hash_key_t *key,
                            private const words16_t *x) {
  number_t sum = number_times(ways->way[ways->next], &key->step);
  ways->way[ways->next] = number_add(sum, sum_of_group(key, ways->before, x));
  ways->before = number_zero();
  ways->next = (ways->next + 1) % POLY_WAYS;
}

/* By Horner's rule with r^4, which is power[0]. */
static number_t ways_end(private const ways_t *ways, private const hash_key_t *key, uint groups) {
  if (groups == 0)
    return ways->before;
  number_t sum = ways->way[0];
#pragma unroll 1
  for (uint i = 1; i < POLY_WAYS; i++)
    sum = number_add(number_times(sum, &key->power[0]), ways->way[i]);
  product_t one = product_zero();
#pragma unroll
  for (uint i = 0; i < LIMBS; i++)
    one.limb[i] = sum.limb[i];
  return product_reduce(one);
}

static ulong2 tag_of(private const hash_key_t *key, number_t sum) {
  return add_halves(number_sum(&sum), key->pad);
}

/* ---- rows ---- */

static inline words16_t group_load(input_t p) {
  words16_t x;
#pragma unroll
  for (uint k = 0; k < CHACHA_WORDS; k++)
    x.w[k] = load4(p + 4 * k);
  return x;
}

static inline void group_store(output_t p, words16_t x) {
#pragma unroll
  for (uint k = 0; k < CHACHA_WORDS; k++)
    store4(p + 4 * k, x.w[k]);
}

static inline words16_t group_xor(words16_t a, words16_t b) {
#pragma unroll
  for (uint k = 0; k < CHACHA_WORDS; k++)
    a.w[k] ^= b.w[k];
  return a;
}

/* The text behind the last whole group, a byte a clock. */
static void tail_text(private const cipher_t *cipher, uint counter, input_t src, output_t dst,
                      uint size) {
  words16_t stream = block_in_steps(cipher, counter);
  for (uint i = 0; i < size; i++)
    dst[i] = src[i] ^ (uchar)(stream.w[i / 4] >> 8 * (i % 4));
}

static ulong2 aead_row(private const cipher_t *cipher, input_t src, output_t dst, uint size,
                       input_t aad, uint aad_size, bool decrypt) {
  hash_key_t key;
  words16_t once = block_in_steps(cipher, 0);
  set_hash_key(&key,
               (ulong2)(once.w[0] | (ulong)once.w[1] << 32, once.w[2] | (ulong)once.w[3] << 32),
               (ulong2)(once.w[4] | (ulong)once.w[5] << 32, once.w[6] | (ulong)once.w[7] << 32));
  uint groups = size / CHACHA_BLOCK, rest = size % CHACHA_BLOCK;
  ways_t ways;
  ways_begin(&ways, sum_in_steps(&key, number_zero(), aad, aad_size, false), groups);
  for (uint g = 0; g < groups; g++) {
    ulong at = (ulong)g * CHACHA_BLOCK;
    words16_t in = group_load(src + at), out = group_xor(in, block_a_clock(cipher, 1 + g));
    group_store(dst + at, out);
    words16_t sealed = decrypt ? in : out;
    ways_add(&ways, &key, &sealed);
  }
  number_t sum = ways_end(&ways, &key, groups);
  if (rest) {
    src += size - rest;
    dst += size - rest;
    if (decrypt)
      sum = sum_in_steps(&key, sum, src, rest, false);
    tail_text(cipher, 1 + groups, src, dst, rest);
    if (!decrypt)
      sum = sum_in_steps(&key, sum, dst, rest, false);
  }
  return tag_of(&key, sum_block(&key, sum, (ulong2)(aad_size, size), 1));
}

static inline void aead_rows(ARGUMENTS, bool extended) {
  for (uint i = 0; i < count; i++) {
    global const segment_t *segment = segments + i;
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
    int status = aead_check(segment, record, extended ? LONG_NONCE_SIZE : NONCE_SIZE);
    if (status != STATUS_OK) {
      put_tag(results + i, 0, status, (ulong2)(0));
      continue;
    }
    cipher_t cipher;
    for (uint k = 0; k < KEY_WORDS; k++)
      cipher.key[k] = load4(params + record->key + 4 * k);
    if (extended) {
      set_subkey(&cipher, params + record->nonce);
    } else {
      for (uint k = 0; k < NONCE_WORDS; k++)
        cipher.nonce[k] = load4(params + record->nonce + 4 * k);
    }
    uint size = segment->src_size;
    output_t out = dst + segment->dst;
    ulong2 tag = aead_row(&cipher, src + segment->src, out, size, params + record->aad,
                          record->aad_size, (segment->flags & KEYED_DECRYPT) != 0);
    bool behind = tag_goes_to_dst(segment);
    if (behind)
      store_tag(out + size, tag);
    put_tag(results + i, size + (behind ? TAG_SIZE : 0), STATUS_OK, tag);
  }
}

SINGLE_WORK_ITEM kernel void chacha20_poly1305(ARGUMENTS) {
  aead_rows(src, dst, segments, results, params, count, false);
}

SINGLE_WORK_ITEM kernel void xchacha20_poly1305(ARGUMENTS) {
  aead_rows(src, dst, segments, results, params, count, true);
}

static ulong2 mac_row(input_t bytes, input_t src, uint size) {
  hash_key_t key;
  set_hash_key(&key, (ulong2)(load8(bytes), load8(bytes + 8)),
               (ulong2)(load8(bytes + 16), load8(bytes + 24)));
  uint groups = size / CHACHA_BLOCK;
  ways_t ways;
  ways_begin(&ways, number_zero(), groups);
  for (uint g = 0; g < groups; g++) {
    words16_t text = group_load(src + (ulong)g * CHACHA_BLOCK);
    ways_add(&ways, &key, &text);
  }
  number_t sum = ways_end(&ways, &key, groups);
  uint rest = size % CHACHA_BLOCK;
  return tag_of(&key, sum_in_steps(&key, sum, src + size - rest, rest, true));
}

SINGLE_WORK_ITEM kernel void poly1305(ARGUMENTS) {
  for (uint i = 0; i < count; i++) {
    global const segment_t *segment = segments + i;
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
    int status = mac_check(segment, record);
    if (status == STATUS_OK)
      store_tag(dst + segment->dst,
                mac_row(params + record->key, src + segment->src, segment->src_size));
    put_tag(results + i, status == STATUS_OK ? TAG_SIZE : 0, status, (ulong2)(0));
  }
}
