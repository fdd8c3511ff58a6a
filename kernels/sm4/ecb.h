/* ECB (SP 800-38A section 6.1) over rows. A variant includes this file after it has defined
 *
 *   void ecb_row(const sm4_key_t *key, src, dst, uint size)
 *       Blocks after each other; the key is expanded for the direction.
 *
 * and what cipher.h wants, and finds the kernel defined.
 */
#ifndef FPGA_ACCEL_SM4_ECB_H
#define FPGA_ACCEL_SM4_ECB_H

#include "abi.h"
#include "cipher.h"

/* Flag of a row of ECB and CBC: KEYED_DECRYPT. A key that deciphers is another expansion. */
typedef struct {
  key_id_t id;
  bool decrypts;
  sm4_key_t key;
} block_key_t;

static int block_check(global const segment_t *segment, global const keyed_params_t *record,
                       uint nonce_size) {
  if (!is_key_size(record->key_size) || record->nonce_size != nonce_size)
    return STATUS_BAD_PARAM;
  if (segment->src_size % BLOCK_SIZE || record->position % BLOCK_SIZE)
    return STATUS_BAD_PARAM;
  return segment->src_size <= segment->dst_capacity ? STATUS_OK : STATUS_DST_TOO_SMALL;
}

static void take_key(private block_key_t *taken, global const keyed_params_t *record,
                     global const uchar *params, bool decrypt) {
  if (!key_changes(&taken->id, record) && taken->decrypts == decrypt)
    return;
  sm4_set_key(&taken->key, params + record->key, decrypt);
  taken->decrypts = decrypt;
}

kernel KERNEL_ATTRIBUTES void sm4_ecb(global const uchar *src, global uchar *dst,
                                      global const segment_t *segments, global result_t *results,
                                      global const uchar *params, uint count) {
  block_key_t taken;
  taken.id.size = 0;
  uint end = abi_end(count);
  for (uint i = abi_first(count); i < end; i++) {
    global const segment_t *segment = segments + i;
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
    int status = block_check(segment, record, 0);
    if (status == STATUS_OK) {
      take_key(&taken, record, params, (segment->flags & KEYED_DECRYPT) != 0);
      ecb_row(&taken.key, src + segment->src, dst + segment->dst, segment->src_size);
    }
    write_result(results + i, status, status == STATUS_OK ? segment->src_size : 0, (block_t)(0));
  }
}

#endif
