/* Rows one after the other. */
#ifndef ZSTD_ROWS_H
#define ZSTD_ROWS_H

#include "block.h"

/* The working memory of one row at a time. */
typedef struct {
  uint table[1 << HASH_BITS];
  sequences_t sequences;
  coder_t coder;
} work_t;

static void put_row(STORE work_t *w, segment_t row, global const uchar *src, global uchar *dst,
                    global result_t *result) {
  int status = row_status(row);
  if (status != STATUS_OK) {
    put_result(result, 0, status, 0);
    return;
  }
  row_t r;
  start_row(&r, w->table, row, src, dst);
  do {
    if (!start_block(&r, &w->sequences))
      continue;
    find_sequences(&r.search, &w->sequences, r.stop);
    end_block(&r, &w->coder, &w->sequences);
  } while (!is_ended(&r));
  put_result(result, (uint)(r.op - (dst + row.dst)), STATUS_OK, 0);
}

#endif
