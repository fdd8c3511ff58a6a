/* Compressors that make records of matches, as pipelines: the stages of fpga_core.h, and a writer.
 * A format brings before it is included what they want, and
 *
 *   is_refused(row)                  the content is taken as empty, with STATUS_BAD_PARAM
 *   start_output(encoder, row)       adds what is in front of a row's elements
 *   start_record(encoder, pending, record)
 *                                    nothing stays pending where the record does not fit
 *   step_record(encoder, pending)    adds its next piece
 *   ROW_CHECK(encoder, row, status)  the result's check, once the output is stored
 */
#ifndef FPGA_ACCEL_FPGA_COMPRESS_H
#define FPGA_ACCEL_FPGA_COMPRESS_H

#include "fpga_core.h"
#include "fpga_encoder.h"

/* Adds a record's next piece; true: its last one. */
INLINE int add_piece(private encoder_t *e, private pending_t *p, record_t record) {
  if (p->phase == NOTHING_PENDING)
    start_record(e, p, record);
  if (p->phase != NOTHING_PENDING)
    step_record(e, p);
  return p->phase == NOTHING_PENDING;
}

#if CHANNELS

TASK kernel void COMPRESS(_writer)(ARGUMENTS) {
  for (uint row = 0; row < count; row++) {
    segment_t segment = segments[row];
    encoder_t encoder;
    pending_t pending;
    batch_t batch;
    uint next = 0;
    start_encoder(&encoder, segment, src, dst);
    start_output(&encoder, segment);
    start_batch(&batch);
    pending.phase = NOTHING_PENDING;
    /* One loop for all, so that a piece may be added every clock. */
    while (!batch.last | (next < batch.count)) {
      if (next == batch.count) {
        TAKE(batch, compress_batches, row);
        next = 0;
      }
      next += add_piece(&encoder, &pending, batch.record[next]);
    }
    int status = end_encoder(&encoder, is_refused(segment));
    put_result(results + row, size_of(&encoder), status, ROW_CHECK(encoder, segment, status));
  }
}

#else

INLINE void add_batch(private encoder_t *e, private const batch_t *batch) {
  pending_t pending = {NOTHING_PENDING, 0, 0, 0, 0};
  for (uint next = 0; next < batch->count;)
    next += add_piece(e, &pending, batch->record[next]);
}

/* Without channels: the stages of a row in turns, a word at a time. */
SINGLE kernel void COMPRESS()(ARGUMENTS) {
  local slot_t table[1 << SLOT_BITS];
  local ulong window[WINDOW_WORDS];
  matcher_t matcher;
  reset_table(&matcher, table);
  for (uint row = 0; row < count; row++) {
    segment_t segment = segments[row];
    task_t task = task_of(segment);
    encoder_t encoder;
    batch_t batch;
    start_encoder(&encoder, segment, src, dst);
    start_output(&encoder, segment);
    start_batch(&batch);
    start_matcher(&matcher, table, task);
    for (uint at = 0; at < task.size; at += WORD_BYTES) {
      match_word(&matcher, table, window, load_word(src + segment.src + at, task.size - at),
                 &batch);
      add_batch(&encoder, &batch);
      start_batch(&batch);
    }
    end_row_batch(&matcher, task, &batch);
    add_batch(&encoder, &batch);
    int status = end_encoder(&encoder, is_refused(segment));
    put_result(results + row, size_of(&encoder), status, ROW_CHECK(encoder, segment, status));
  }
}

#endif
#endif
