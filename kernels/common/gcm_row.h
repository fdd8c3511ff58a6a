/* What gcm_stream of a variant is given and gives back. */
#ifndef FPGA_ACCEL_GCM_ROW_H
#define FPGA_ACCEL_GCM_ROW_H

#include "blocks.h"

typedef struct {
  global const uchar *src;
  global uchar *dst;
  uint size;
  bool decrypt;    /* GHASH runs over src; else over dst */
  block_t counter; /* of the row's first block */
  block_t j0;      /* its cipher is the mask of the tag */
  block_t hash;    /* GHASH of what comes before the row */
  block_t closing; /* one more block for GHASH behind the row: the lengths, or 0 */
} gcm_row_t;

typedef struct {
  block_t hash; /* GHASH of (hash so far, the row padded with zeros, closing) */
  block_t mask; /* the enciphered j0 */
} gcm_sums_t;

#endif
