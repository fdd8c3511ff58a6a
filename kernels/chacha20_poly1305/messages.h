/* What rows of this folder are asked for, the same for all variants. */
#ifndef FPGA_ACCEL_CHACHA20_POLY1305_MESSAGES_H
#define FPGA_ACCEL_CHACHA20_POLY1305_MESSAGES_H

#include "abi.h"
#include "bytes.h"
#include "keyed.h"

#define KEY_SIZE 32u
#define KEY_WORDS 8
#define NONCE_SIZE 12u
#define NONCE_WORDS 3
#define LONG_NONCE_SIZE 24u
#define TAG_SIZE 16u
#define POLY_BLOCK 16u

/* What RFC 8439 section 2.5 clears of r, halves of 8 bytes. */
#define CLAMP_LOW 0x0FFFFFFC0FFFFFFFUL
#define CLAMP_HIGH 0x0FFFFFFC0FFFFFFCUL

static inline bool tag_goes_to_dst(global const segment_t *segment) {
  return (segment->flags & (KEYED_TAG_IN_DST | KEYED_DECRYPT)) == KEYED_TAG_IN_DST;
}

/* A row is a whole message. The counter of 32 bits outlasts every row, of less than 4 GiB. */
static int aead_check(global const segment_t *segment, global const keyed_params_t *record,
                      uint nonce_size) {
  if (record->key_size != KEY_SIZE || record->nonce_size != nonce_size)
    return STATUS_BAD_PARAM;
  if (record->position != 0 || record->total != segment->src_size)
    return STATUS_BAD_PARAM;
  ulong room = (ulong)segment->src_size + (tag_goes_to_dst(segment) ? TAG_SIZE : 0);
  return room <= segment->dst_capacity ? STATUS_OK : STATUS_DST_TOO_SMALL;
}

static int mac_check(global const segment_t *segment, global const keyed_params_t *record) {
  if (record->key_size != KEY_SIZE || record->nonce_size != 0)
    return STATUS_BAD_PARAM;
  return segment->dst_capacity >= TAG_SIZE ? STATUS_OK : STATUS_DST_TOO_SMALL;
}

/* Halves of 16 bytes, little-endian. */
static inline void store_tag(output_t p, ulong2 tag) {
  store8(p, tag.x);
  store8(p + 8, tag.y);
}

static void put_tag(global result_t *result, uint size, int status, ulong2 tag) {
  result->dst_size = size;
  result->status = status;
  result->check = 0;
  store_tag(result->partial, tag);
}

/* Modulo 2^128. */
static inline ulong2 add_halves(ulong2 a, ulong2 b) {
  ulong low = a.x + b.x;
  return (ulong2)(low, a.y + b.y + (low < a.x));
}

/* The last block, of 1 to 15 bytes. Of a message alone it ends in a bit of its own (closed), in
 * AEAD zeros fill it up. Returns the halves; the bit above them is !closed. */
static ulong2 part_block(input_t p, uint size, bool closed) {
  ulong low = 0, high = 0;
  for (uint i = 0; i < size && i < 8; i++)
    low |= (ulong)p[i] << 8 * i;
  for (uint i = 8; i < size; i++)
    high |= (ulong)p[i] << (8 * i - 64);
  if (closed) {
    ulong bit = 1UL << 8 * (size % 8);
    low |= size < 8 ? bit : 0;
    high |= size < 8 ? 0 : bit;
  }
  return (ulong2)(low, high);
}

#endif
