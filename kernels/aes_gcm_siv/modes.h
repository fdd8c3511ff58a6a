/* AES-GCM-SIV (RFC 8452) over rows, each a whole message. The tag is made of the plaintext and
 * starts the counters, so a message is gone through twice where it is enciphered, and once where it
 * is deciphered.
 *
 * A block here is the little-endian value of its bytes, .x of the first eight: as such POLYVAL is
 * the arithmetic of gf128.h, and its key is in the stored form as it stands. (Appendix A of the
 * RFC: POLYVAL is GHASH of reversed blocks with a key times x, and storing divides by x.)
 *
 * Before this file a variant defines aes_key_t and
 *
 *   siv_key_t    .root, .aes (aes_key_t): of the record and of a message; .h, and what else the
 *                variant precomputes
 *   void siv_set_powers(siv_key_t *key)
 *       Fills in what it precomputes from .h.
 *   void siv_cipher(const aes_key_t *key, block_t *blocks)
 *       Enciphers SIV_BLOCKS blocks.
 *   block_t gf_mul(block_t a, block_t stored)
 *   block_t polyval_bytes(const siv_key_t *key, block_t sum, data, ulong size)
 *       POLYVAL over data padded with zeros to whole blocks, continuing from sum.
 *   block_t siv_text(const siv_key_t *key, block_t counter, block_t sum, src, dst, uint size, sums)
 *       dst = src ^ keystream; with sums, POLYVAL over dst as well.
 */
#ifndef FPGA_ACCEL_AES_GCM_SIV_MODES_H
#define FPGA_ACCEL_AES_GCM_SIV_MODES_H

#include "aes_rows.h"
#include "gf128.h"
#include "siv_blocks.h"

#define SIV_NONCE 12u

static int siv_check(global const segment_t *segment, global const keyed_params_t *record) {
  uint size = segment->src_size;
  if (!aes_is_key_size(record->key_size) || record->nonce_size != SIV_NONCE)
    return STATUS_BAD_PARAM;
  if (segment->flags & KEYED_DECRYPT) {
    if (size < BLOCK_SIZE)
      return STATUS_TRUNCATED;
    return size - BLOCK_SIZE <= segment->dst_capacity ? STATUS_OK : STATUS_DST_TOO_SMALL;
  }
  return (ulong)size + BLOCK_SIZE <= segment->dst_capacity ? STATUS_OK : STATUS_DST_TOO_SMALL;
}

static inline block_t siv_nonce(global const uchar *nonce) {
  return (block_t)((ulong)load_le32(nonce + 4) << 32 | load_le32(nonce), load_le32(nonce + 8));
}

/* The keys of a message (section 4): halves of the enciphered blocks of a number and the nonce. */
static void siv_derive(private siv_key_t *key, block_t nonce, uint key_size) {
  block_t blocks[SIV_BLOCKS];
  for (uint i = 0; i < SIV_BLOCKS; i++)
    blocks[i] = (block_t)(nonce.x << 32 | i, nonce.y << 32 | nonce.x >> 32);
  siv_cipher(&key->root, blocks);
  key->h = (block_t)(blocks[0].x, blocks[1].x);
  siv_set_powers(key);
  uint words[AES_MAX_WORDS];
  for (uint i = 0; i < key_size / 8; i++) {
    words[2 * i] = (uint)blocks[2 + i].x;
    words[2 * i + 1] = (uint)(blocks[2 + i].x >> 32);
  }
  uint rounds = aes_schedule(words, key_size);
  aes_set_key(&key->aes, words, rounds);
}

/* The tag from POLYVAL of everything before the block of lengths. */
static block_t siv_tag(private const siv_key_t *key, block_t sum, block_t nonce, uint aad_size,
                       uint size) {
  block_t lengths = (block_t)((ulong)aad_size * 8, (ulong)size * 8);
  block_t blocks[SIV_BLOCKS];
  for (uint i = 1; i < SIV_BLOCKS; i++)
    blocks[i] = (block_t)(0);
  blocks[0] = gf_mul(sum ^ lengths, key->h) ^ nonce;
  blocks[0].y &= ~0UL >> 1;
  siv_cipher(&key->aes, blocks);
  return blocks[0];
}

static inline block_t siv_first_counter(block_t tag) { return (block_t)(tag.x, tag.y | 1UL << 63); }

static void siv_row(private const siv_key_t *key, global const segment_t *segment,
                    global const keyed_params_t *record, global const uchar *params, block_t nonce,
                    global const uchar *src, global uchar *dst, global result_t *result) {
  uint size = segment->src_size, aad_size = record->aad_size;
  block_t sum = polyval_bytes(key, (block_t)(0), params + record->aad, aad_size);
  if (segment->flags & KEYED_DECRYPT) {
    size -= BLOCK_SIZE;
    block_t given = siv_reverse(block_load(src + size));
    sum = siv_text(key, siv_first_counter(given), sum, src, dst, size, true);
    block_t tag = siv_tag(key, sum, nonce, aad_size, size);
    write_result(result, STATUS_OK, size, siv_reverse(tag));
    return;
  }
  sum = polyval_bytes(key, sum, src, size);
  block_t tag = siv_tag(key, sum, nonce, aad_size, size);
  siv_text(key, siv_first_counter(tag), sum, src, dst, size, false);
  block_store(dst + size, siv_reverse(tag));
  write_result(result, STATUS_OK, size + BLOCK_SIZE, (block_t)(0));
}

#ifndef SIV_ATTRIBUTES
#define SIV_ATTRIBUTES
#define SIV_FIRST(count) abi_first(count)
#define SIV_END(count) abi_end(count)
#endif

SIV_ATTRIBUTES kernel void aes_gcm_siv(global const uchar *src, global uchar *dst,
                                       global const segment_t *segments, global result_t *results,
                                       global const uchar *params, uint count) {
  siv_key_t key;
  key_id_t id = {0, 0};
  uint end = SIV_END(count);
  for (uint i = SIV_FIRST(count); i < end; i++) {
    global const segment_t *segment = segments + i;
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
    int status = siv_check(segment, record);
    if (status != STATUS_OK) {
      write_result(results + i, status, 0, (block_t)(0));
      continue;
    }
    if (key_changes(&id, record))
      aes_load_key(&key.root, params + id.offset, id.size);
    block_t nonce = siv_nonce(params + record->nonce);
    siv_derive(&key, nonce, id.size);
    siv_row(&key, segment, record, params, nonce, src + segment->src, dst + segment->dst,
            results + i);
  }
}

#endif
