/* CTR (SP 800-38A) and GCM (SP 800-38D) over rows, for any cipher with blocks of 16 bytes: all that
 * does not depend on how blocks are enciphered. A variant includes this file after it has defined
 *
 *   CTR_ENTRY, GCM_ENTRY   names of the two kernels
 *   KERNEL_ATTRIBUTES      optional
 *   cipher_key_t           an expanded key
 *   gcm_key_t              .cipher (cipher_key_t), .h (see gf128.h) and what the variant
 * precomputes
 *
 *   bool is_key_size(uint size)
 *   void load_key(cipher_key_t *key, params, key_id_t id)
 *       Expands the key of a row.
 *   void gcm_set_key(gcm_key_t *key)
 *       Fills in .h and powers from .cipher.
 *   block_t gf_mul(block_t a, block_t stored)
 *       Product in GF(2^128), one factor in the stored form of gf128.h.
 *   block_t ghash_bytes(const gcm_key_t *key, block_t hash, data, ulong size)
 *       GHASH over data padded with zeros to whole blocks, continuing from hash.
 *   void ctr_stream(const cipher_key_t *key, block_t counter, src, dst, ulong size)
 *       dst = src ^ keystream. The low 64 bits of the counter do not wrap on the way.
 *   gcm_sums_t gcm_stream(const gcm_key_t *key, const gcm_row_t *row)
 *       The row's text and its GHASH.
 *
 * and finds the two kernels defined.
 */
#ifndef FPGA_ACCEL_CTR_GCM_H
#define FPGA_ACCEL_CTR_GCM_H

#include "abi.h"
#include "blocks.h"
#include "gcm_row.h"
#include "gf128.h"
#include "keyed_rows.h"

#ifndef KERNEL_ATTRIBUTES
#define KERNEL_ATTRIBUTES
#endif

/* SP 800-38D section 5.2.1.1: at most 2^39 - 256 bits a message. */
#define GCM_MAX_BYTES 0xFFFFFFFE0UL

/* ---- CTR ---- */

static int ctr_check(global const segment_t *segment, global const keyed_params_t *record) {
  if (!is_key_size(record->key_size) || record->nonce_size != BLOCK_SIZE)
    return STATUS_BAD_PARAM;
  if (record->position % BLOCK_SIZE)
    return STATUS_BAD_PARAM;
  return segment->src_size <= segment->dst_capacity ? STATUS_OK : STATUS_DST_TOO_SMALL;
}

/* SP 800-38A appendix B.1 with m = 128: the carry runs through all 16 bytes. A row is cut where the
 * low half wraps, so that ctr_stream may add to that half alone. */
static void ctr_row(private const cipher_key_t *key, block_t nonce, ulong position,
                    global const uchar *src, global uchar *dst, ulong size) {
  ulong low = nonce.x + position / BLOCK_SIZE;
  block_t counter = (block_t)(low, nonce.y + (low < nonce.x));
  ulong before_wrap = 0 - low; /* blocks; 0 stands for 2^64 */
  if (before_wrap != 0 && blocks_of(size) > before_wrap) {
    ulong head = before_wrap * BLOCK_SIZE;
    ctr_stream(key, counter, src, dst, head);
    src += head;
    dst += head;
    size -= head;
    counter = (block_t)(0, counter.y + 1);
  }
  ctr_stream(key, counter, src, dst, size);
}

kernel KERNEL_ATTRIBUTES void CTR_ENTRY(global const uchar *src, global uchar *dst,
                                        global const segment_t *segments, global result_t *results,
                                        global const uchar *params, uint count) {
  cipher_key_t key;
  key_id_t id = {0, 0};
  uint end = abi_end(count);
  for (uint i = abi_first(count); i < end; i++) {
    global const segment_t *segment = segments + i;
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
    int status = ctr_check(segment, record);
    if (status == STATUS_OK) {
      if (key_changes(&id, record))
        load_key(&key, params, id);
      ctr_row(&key, block_load(params + record->nonce), record->position, src + segment->src,
              dst + segment->dst, segment->src_size);
    }
    write_result(results + i, status, status == STATUS_OK ? segment->src_size : 0, (block_t)(0));
  }
}

/* ---- GCM ---- */

/* SP 800-38D section 7.1 step 2. */
static block_t gcm_j0(private const gcm_key_t *key, global const uchar *nonce, uint size) {
  if (size == 12)
    return (block_t)((ulong)load_be32(nonce + 8) << 32 | 1, load_be64(nonce));
  block_t hash = ghash_bytes(key, (block_t)(0), nonce, size);
  hash.x ^= (ulong)size * 8;
  return gf_mul(hash, key->h);
}

/* inc32 of section 6.2, n times. */
static block_t gcm_counter(block_t j0, ulong n) {
  uint low = (uint)j0.x + (uint)n;
  return (block_t)((j0.x & 0xFFFFFFFF00000000UL) | low, j0.y);
}

static int gcm_check(global const segment_t *segment, global const keyed_params_t *record) {
  ulong end = record->position + segment->src_size;
  if (!is_key_size(record->key_size) || record->nonce_size == 0)
    return STATUS_BAD_PARAM;
  if (record->total > GCM_MAX_BYTES || record->position > record->total || end > record->total)
    return STATUS_BAD_PARAM;
  if (record->position % BLOCK_SIZE || (end != record->total && end % BLOCK_SIZE))
    return STATUS_BAD_PARAM;
  ulong room = segment->src_size;
  if (segment->flags & KEYED_TAG_IN_DST) {
    if (record->position != 0 || end != record->total)
      return STATUS_BAD_PARAM;
    room += segment->flags & KEYED_DECRYPT ? 0 : BLOCK_SIZE;
  }
  return room <= segment->dst_capacity ? STATUS_OK : STATUS_DST_TOO_SMALL;
}

/* Enciphers or deciphers the row and returns what it adds to the tag of its message. The tag is
 * linear in the blocks that GHASH runs over, so the sum over the rows is right when each row's part
 * is multiplied by H once for every block behind it. */
static block_t gcm_run(private const gcm_key_t *key, global const keyed_params_t *record,
                       global const uchar *params, global const uchar *src, global uchar *dst,
                       uint size, bool decrypt) {
  bool first = record->position == 0;
  ulong behind = blocks_of(record->total) - blocks_of(record->position + size);
  block_t lengths = (block_t)(record->total * 8, (ulong)record->aad_size * 8);
  block_t j0 = gcm_j0(key, params + record->nonce, record->nonce_size);

  gcm_row_t row;
  row.src = src;
  row.dst = dst;
  row.size = size;
  row.decrypt = decrypt;
  row.j0 = j0;
  row.counter = gcm_counter(j0, 1 + record->position / BLOCK_SIZE);
  row.hash = (block_t)(0);
  row.closing = first && behind == 0 ? lengths : (block_t)(0);
  if (first && record->aad_size)
    row.hash = ghash_bytes(key, row.hash, params + record->aad, record->aad_size);

  gcm_sums_t sums = gcm_stream(key, &row);
  if (behind) {
    sums.hash = gf_mul(sums.hash, gf_power(key->h, behind));
    if (first)
      sums.hash ^= gf_mul(lengths, key->h);
  }
  return first ? sums.hash ^ sums.mask : sums.hash;
}

static void gcm_segment(private const gcm_key_t *key, global const segment_t *segment,
                        global const keyed_params_t *record, global const uchar *params,
                        global const uchar *src, global uchar *dst, global result_t *result) {
  bool decrypt = (segment->flags & KEYED_DECRYPT) != 0;
  uint size = segment->src_size;
  block_t tag = gcm_run(key, record, params, src, dst, size, decrypt);
  uint written = size;
  if ((segment->flags & KEYED_TAG_IN_DST) && !decrypt) {
    block_store(dst + size, tag);
    written += BLOCK_SIZE;
  }
  write_result(result, STATUS_OK, written, tag);
}

kernel KERNEL_ATTRIBUTES void GCM_ENTRY(global const uchar *src, global uchar *dst,
                                        global const segment_t *segments, global result_t *results,
                                        global const uchar *params, uint count) {
  gcm_key_t key;
  key_id_t id = {0, 0};
  uint end = abi_end(count);
  for (uint i = abi_first(count); i < end; i++) {
    global const segment_t *segment = segments + i;
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
    int status = gcm_check(segment, record);
    if (status != STATUS_OK) {
      write_result(results + i, status, 0, (block_t)(0));
      continue;
    }
    if (key_changes(&id, record)) {
      load_key(&key.cipher, params, id);
      gcm_set_key(&key);
    }
    gcm_segment(&key, segment, record, params, src + segment->src, dst + segment->dst, results + i);
  }
}

#endif
