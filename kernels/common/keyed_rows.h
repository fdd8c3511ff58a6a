/* What kernels with keys have in common: whether a row has the key of the row before, and the
 * result of a row.
 */
#ifndef FPGA_ACCEL_KEYED_ROWS_H
#define FPGA_ACCEL_KEYED_ROWS_H

#include "abi.h"
#include "blocks.h"
#include "keyed.h"

typedef struct {
  uint offset;
  uint size; /* 0: no key yet */
} key_id_t;

/* Whether the row needs another key than id, which then becomes the row's. */
static inline bool key_changes(private key_id_t *id, global const keyed_params_t *record) {
  if (id->size == record->key_size && id->offset == record->key)
    return false;
  id->offset = record->key;
  id->size = record->key_size;
  return true;
}

static inline void write_result(global result_t *result, int status, uint dst_size,
                                block_t partial) {
  result->dst_size = dst_size;
  result->status = status;
  result->check = 0;
  block_store(result->partial, partial);
}

#endif
