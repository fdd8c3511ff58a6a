/* A group: the BATCH_BLOCKS blocks that an FPGA core takes each clock, in the word order of
 * aes_bitslice.h, and the text of a row cut into groups.
 */
#ifndef FPGA_ACCEL_AES_FPGA_GROUP_H
#define FPGA_ACCEL_AES_FPGA_GROUP_H

#include "aes_bitslice.h"
#include "blocks.h"

#define GROUP_BYTES (BATCH_BLOCKS * BLOCK_SIZE)

typedef struct {
  lanes_t w[8];
} group_t;

static inline block_t group_block(private const group_t *group, uint i) {
  const ulong *words = (private const ulong *)group->w;
  return (block_t)(words[BATCH_BLOCKS + i], words[i]);
}

static inline void group_set(private group_t *group, uint i, block_t block) {
  ulong *words = (private ulong *)group->w;
  words[i] = block.y;
  words[BATCH_BLOCKS + i] = block.x;
}

static inline group_t group_zero(void) {
  group_t zero;
#pragma unroll
  for (uint k = 0; k < 8; k++)
    zero.w[k] = (lanes_t)(0);
  return zero;
}

static inline group_t group_xor(group_t a, group_t b) {
#pragma unroll
  for (uint k = 0; k < 8; k++)
    a.w[k] ^= b.w[k];
  return a;
}

/* ---- the text of a row ---- */

/* Whole groups are one wide access each. What is left at the end moves byte by byte outside of the
 * loop over the groups, so that this loop has no other loop in it and nothing beyond the row is
 * touched. */
typedef struct {
  global const uchar *src;
  global uchar *dst;
  uint whole;  /* groups without the one that is not full */
  uint rest;   /* bytes of that one */
  uint groups; /* with it */
  group_t tail;
} text_t;

static inline text_t text_of(global const uchar *src, global uchar *dst, uint size) {
  text_t text;
  text.src = src;
  text.dst = dst;
  text.whole = size / GROUP_BYTES;
  text.rest = size % GROUP_BYTES;
  text.groups = text.whole + (text.rest != 0);
  text.tail = group_zero();
  return text;
}

static inline void text_load_tail(private text_t *text) {
  global const uchar *src = text->src + (ulong)text->whole * GROUP_BYTES;
  for (uint at = 0; at < text->rest; at += BLOCK_SIZE)
    group_set(&text->tail, at / BLOCK_SIZE, block_load_part(src + at, text->rest - at));
}

static inline group_t text_load(private const text_t *text, uint g) {
  if (g == text->whole)
    return text->tail;
  group_t group;
#pragma unroll
  for (uint i = 0; i < BATCH_BLOCKS; i++)
    group_set(&group, i, block_load(text->src + (ulong)g * GROUP_BYTES + i * BLOCK_SIZE));
  return group;
}

static inline void text_store(private text_t *text, uint g, group_t group) {
  if (g == text->whole) {
    text->tail = group;
    return;
  }
#pragma unroll
  for (uint i = 0; i < BATCH_BLOCKS; i++)
    block_store(text->dst + (ulong)g * GROUP_BYTES + i * BLOCK_SIZE, group_block(&group, i));
}

static inline void text_store_tail(private const text_t *text) {
  global uchar *dst = text->dst + (ulong)text->whole * GROUP_BYTES;
  for (uint at = 0; at < text->rest; at += BLOCK_SIZE)
    block_store_part(dst + at, group_block(&text->tail, at / BLOCK_SIZE), text->rest - at);
}

/* ---- the cipher ---- */

/* aes_encrypt as a pipeline: every round is hardware of its own and a group enters each clock.
 * Rounds 10 to 13 are passed by with shorter keys, so only the last round key is selected. */
static group_t group_encrypt(private const aes_key_t *key, group_t group) {
  lanes_t s[8];
#pragma unroll
  for (uint b = 0; b < 8; b++)
    s[b] = group.w[b];
  transpose(s);
  add_round_key(s, key, 0);
#pragma unroll
  for (uint round = 1; round < AES_MAX_ROUNDS; round++) {
    if (round >= key->rounds)
      continue;
    sub_planes(s);
#pragma unroll
    for (uint b = 0; b < 8; b++)
      s[b] = shift_rows(s[b]);
    mix_columns(s);
    add_round_key(s, key, round);
  }
  sub_planes(s);
#pragma unroll
  for (uint b = 0; b < 8; b++)
    s[b] = shift_rows(s[b]);
  add_round_key(s, key, key->rounds);
  transpose(s);
#pragma unroll
  for (uint b = 0; b < 8; b++)
    group.w[b] = s[b];
  return group;
}

/* One block, round after round on the hardware of one: for H and J0, outside of the pipeline. */
static block_t block_encrypt(private const aes_key_t *key, block_t block) {
  group_t group = group_zero();
  group_set(&group, 0, block);
  aes_encrypt(key, group.w);
  return group_block(&group, 0);
}

#endif
