/* One row: by its effort, from its first block to its last byte. */
#ifndef DEFLATE_ROWS_H
#define DEFLATE_ROWS_H

#include "chains.h"

static void store_content(private writer_t *w, uint final) {
  uint size = (uint)(w->end - w->begin);
  w->fits = w->fits && stored_bytes(size) <= (ulong)(w->dst_end - w->op);
  if (w->fits)
    put_stored(w, w->begin, size, final);
}

static void compress_row(TABLES coder_t *c, TABLES sequence_t *sequences, TABLES ushort *tables,
                         segment_t row, global result_t *result, global const uchar *src,
                         global uchar *dst) {
  writer_t w;
  uint effort = row.flags >> DEFLATE_EFFORT_SHIFT & DEFLATE_EFFORT_MASK;
  uint final = row.flags & DEFLATE_FINAL;
  start_writer(&w, row, src, dst);
  if (!w.fits || (w.begin == w.end && !final))
    ;
  else if (effort == 0)
    store_content(&w, final);
  else if (w.begin == w.end)
    put_block(c, &w, sequences, w.end, final);
  else if (effort < 3)
    compress_greedily(&w, c, sequences, tables, row, src);
  else
    compress_by_chains(&w, c, sequences, tables, row, src);
  end_writer(&w, row, result);
}

#endif
