/* XTS (IEEE 1619, SP 800-38E) over rows. A row is one data unit or several of one size, whose
 * tweaks are little-endian numbers that count up. Before this file a variant defines aes_key_t and
 *
 *   xts_key_t     the expanded keys
 *   void xts_set_key(xts_key_t *key, global const uchar *bytes, uint size, decrypt)
 *       size is that of both keys together, the one for data first.
 *   void xts_tweaks(const xts_key_t *key, private ulong2 *tweaks)
 *       Enciphers XTS_TWEAKS blocks.
 *   block_t xts_block(const xts_key_t *key, block_t block, decrypt)
 *       The block cipher of the data.
 *   ulong2 xts_text(const xts_key_t *key, ulong2 tweak, src, dst, uint size, decrypt)
 *       Whole blocks, the first with this tweak; returns the tweak behind them.
 *
 * A tweak is an element of GF(2^128) whose coefficient of x^0 is its lowest bit: .x has its first
 * eight bytes, little-endian.
 */
#ifndef FPGA_ACCEL_AES_XTS_MODES_H
#define FPGA_ACCEL_AES_XTS_MODES_H

#include "aes_rows.h"
#include "blocks.h"
#include "keyed_rows.h"

/* SP 800-38E section 4: blocks of a data unit. */
#define XTS_MAX_BYTES (BLOCK_SIZE << 20)

static inline block_t tweak_block(ulong2 tweak) {
  return (block_t)(swap_bytes(tweak.y), swap_bytes(tweak.x));
}

/* Bytes of a data unit; 0: the row is one. */
static inline uint xts_unit_bytes(global const segment_t *segment,
                                  global const keyed_params_t *record) {
  ulong unit = record->reserved ? record->reserved : segment->src_size;
  return unit > XTS_MAX_BYTES ? 0 : (uint)unit;
}

static int xts_check(global const segment_t *segment, global const keyed_params_t *record) {
  uint size = segment->src_size, unit = xts_unit_bytes(segment, record);
  if ((record->key_size != 32 && record->key_size != 64) || record->nonce_size != BLOCK_SIZE)
    return STATUS_BAD_PARAM;
  if (unit < BLOCK_SIZE || size % unit)
    return STATUS_BAD_PARAM;
  return size <= segment->dst_capacity ? STATUS_OK : STATUS_DST_TOO_SMALL;
}

/* The tweak of a data unit behind the first of a row. */
static inline ulong2 tweak_add(ulong2 tweak, uint n) {
  ulong low = tweak.x + n;
  return (ulong2)(low, tweak.y + (low < n));
}

/* Two steps with a whole block and the rest behind it (IEEE 1619 sections 5.3.2 and 5.4.2): the
 * rest takes what it lacks from the first step's result. Deciphering uses the tweaks the other way
 * round. */
__attribute__((always_inline)) static void xts_steal(private const xts_key_t *key, ulong2 tweak,
                                                     global const uchar *src, global uchar *dst,
                                                     uint rest, const bool decrypt) {
  block_t here = tweak_block(tweak), next = tweak_block(xts_double(tweak));
  block_t first = decrypt ? next : here, second = decrypt ? here : next;
  block_t stolen = xts_block(key, block_load(src) ^ first, decrypt) ^ first;
  block_t last = block_load_part(src + BLOCK_SIZE, rest);
  block_store_part(dst + BLOCK_SIZE, stolen, rest);
  last ^= stolen ^ block_keep(stolen, rest);
  block_store(dst, xts_block(key, last ^ second, decrypt) ^ second);
}

__attribute__((always_inline)) static void xts_unit(private const xts_key_t *key, ulong2 tweak,
                                                    global const uchar *src, global uchar *dst,
                                                    uint size, const bool decrypt) {
  uint rest = size % BLOCK_SIZE;
  uint whole = size - rest - (rest ? BLOCK_SIZE : 0);
  ulong2 behind = xts_text(key, tweak, src, dst, whole, decrypt);
  if (rest)
    xts_steal(key, behind, src + whole, dst + whole, rest, decrypt);
}

__attribute__((always_inline)) static void xts_row(private const xts_key_t *key, ulong2 number,
                                                   global const uchar *src, global uchar *dst,
                                                   uint size, uint unit, const bool decrypt) {
  uint units = size / unit;
  for (uint first = 0; first < units; first += XTS_TWEAKS) {
    ulong2 tweaks[XTS_TWEAKS];
    for (uint i = 0; i < XTS_TWEAKS; i++)
      tweaks[i] = tweak_add(number, first + i);
    xts_tweaks(key, tweaks);
    uint end = units - first < XTS_TWEAKS ? units - first : XTS_TWEAKS;
    for (uint i = 0; i < end; i++) {
      ulong at = (ulong)(first + i) * unit;
      xts_unit(key, tweaks[i], src + at, dst + at, unit, decrypt);
    }
  }
}

__attribute__((always_inline)) static void xts_rows(global const uchar *src, global uchar *dst,
                                                    global const segment_t *segments,
                                                    global result_t *results,
                                                    global const uchar *params, uint first,
                                                    uint end, const bool decrypt) {
  xts_key_t key;
  key_id_t id = {0, 0};
  for (uint i = first; i < end; i++) {
    global const segment_t *segment = segments + i;
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
    int status = xts_check(segment, record);
    uint size = segment->src_size;
    if (status == STATUS_OK) {
      if (key_changes(&id, record))
        xts_set_key(&key, params + id.offset, id.size, decrypt);
      block_t nonce = block_load(params + record->nonce);
      xts_row(&key, (ulong2)(swap_bytes(nonce.y), swap_bytes(nonce.x)), src + segment->src,
              dst + segment->dst, size, xts_unit_bytes(segment, record), decrypt);
    }
    write_result(results + i, status, status == STATUS_OK ? size : 0, (block_t)(0));
  }
}

#ifndef XTS_ATTRIBUTES
#define XTS_ATTRIBUTES
#define XTS_FIRST(count) abi_first(count)
#define XTS_END(count) abi_end(count)
#endif

XTS_ATTRIBUTES kernel void aes_xts_encrypt(global const uchar *src, global uchar *dst,
                                           global const segment_t *segments,
                                           global result_t *results, global const uchar *params,
                                           uint count) {
  xts_rows(src, dst, segments, results, params, XTS_FIRST(count), XTS_END(count), false);
}

XTS_ATTRIBUTES kernel void aes_xts_decrypt(global const uchar *src, global uchar *dst,
                                           global const segment_t *segments,
                                           global result_t *results, global const uchar *params,
                                           uint count) {
  xts_rows(src, dst, segments, results, params, XTS_FIRST(count), XTS_END(count), true);
}

#endif
