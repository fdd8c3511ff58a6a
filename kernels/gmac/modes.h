/* GMAC (SP 800-38D sections 3 and 7.1) over rows: the tag of GCM for a message that is all
 * associated data. Before this file a variant defines aes_key_t and
 *
 *   gmac_key_t    .aes (aes_key_t), .h (see gf128.h) and what else the variant precomputes
 *   void gmac_set_key(gmac_key_t *key)
 *       Fills in .h and powers from .aes.
 *   block_t gmac_cipher(const gmac_key_t *key, block_t block)
 *   block_t gf_mul(block_t a, block_t stored)
 *   block_t ghash_bytes(const gmac_key_t *key, block_t hash, data, ulong size)
 *       GHASH over data padded with zeros to whole blocks, continuing from hash.
 */
#ifndef FPGA_ACCEL_GMAC_MODES_H
#define FPGA_ACCEL_GMAC_MODES_H

#include "aes_rows.h"
#include "gf128.h"

#define GMAC_BYTES 16u

static int gmac_check(global const segment_t *segment, global const keyed_params_t *record) {
  if (!aes_is_key_size(record->key_size) || record->nonce_size == 0)
    return STATUS_BAD_PARAM;
  return segment->dst_capacity >= GMAC_BYTES ? STATUS_OK : STATUS_DST_TOO_SMALL;
}

/* The pre-counter block (section 7.1 step 2). */
static block_t gmac_j0(private const gmac_key_t *key, global const uchar *nonce, uint size) {
  if (size == 12)
    return block_load_part(nonce, 12) | (block_t)(1, 0);
  block_t hash = ghash_bytes(key, (block_t)(0), nonce, size);
  return gf_mul(hash ^ (block_t)((ulong)size * 8, 0), key->h);
}

static block_t gmac_tag(private const gmac_key_t *key, global const keyed_params_t *record,
                        global const uchar *params, global const uchar *src, uint size) {
  block_t hash = ghash_bytes(key, (block_t)(0), src, size);
  hash = gf_mul(hash ^ (block_t)(0, (ulong)size * 8), key->h);
  return hash ^ gmac_cipher(key, gmac_j0(key, params + record->nonce, record->nonce_size));
}

#ifndef GMAC_ATTRIBUTES
#define GMAC_ATTRIBUTES
#define GMAC_FIRST(count) abi_first(count)
#define GMAC_END(count) abi_end(count)
#endif

GMAC_ATTRIBUTES kernel void gmac(global const uchar *src, global uchar *dst,
                                 global const segment_t *segments, global result_t *results,
                                 global const uchar *params, uint count) {
  gmac_key_t key;
  key_id_t id = {0, 0};
  uint end = GMAC_END(count);
  for (uint i = GMAC_FIRST(count); i < end; i++) {
    global const segment_t *segment = segments + i;
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
    int status = gmac_check(segment, record);
    if (status == STATUS_OK) {
      if (key_changes(&id, record)) {
        aes_load_key(&key.aes, params + id.offset, id.size);
        gmac_set_key(&key);
      }
      block_store(dst + segment->dst,
                  gmac_tag(&key, record, params, src + segment->src, segment->src_size));
    }
    write_result(results + i, status, status == STATUS_OK ? GMAC_BYTES : 0, (block_t)(0));
  }
}

#endif
