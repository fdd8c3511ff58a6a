/* Effort 1 as a pipeline: which rows it takes, and what the match finder is told of them. */
#ifndef DEFLATE_FPGA_SEARCH_H
#define DEFLATE_FPGA_SEARCH_H

#include "rows.h"

/* README.md has the ratios of others. */
#define MIN_MATCH MIN_FOUND
#define LAST_LITERALS 0u
#define MATCH_MARGIN MIN_MATCH
#define KEY_BYTES 6
#define WAYS 2u
#define MAX_DISTANCE DEFLATE_HISTORY

#include "fpga_match.h"

#define COMPRESS(stage) deflate_compress##stage

/* Content that is searched, not stored, and not by chains. The last stage makes the other rows by
 * the plain algorithm. */
INLINE int is_pipelined(segment_t row) {
  uint effort = row.flags >> DEFLATE_EFFORT_SHIFT & DEFLATE_EFFORT_MASK;
  return (effort - 1 < 2) & (row.param <= DEFLATE_HISTORY) & (row.param < row.src_size) &
         (row.src_size <= LONGEST);
}

INLINE task_t task_of(segment_t row) {
  task_t task = {row.src_size, row.param, 1}, none = {0, 0, 1};
  return is_pipelined(row) ? task : none;
}

#endif
