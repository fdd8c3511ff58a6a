/* The first stages of compressors that make records of matches: reader and core. A format brings
 * before it is included what fpga_match.h wants, and
 *
 *   COMPRESS(stage)  a kernel's name: the entry's, with `stage` behind it
 *   task_of(row)     a task_t
 *
 * Compilers want to see for each channel one kernel that reads and one that writes, before they
 * inline; so what there is of each core is made by macros, and only kernels name channels. */
#ifndef FPGA_ACCEL_FPGA_CORE_H
#define FPGA_ACCEL_FPGA_CORE_H

#include "fpga_channels.h"
#include "fpga_match.h"

#if CHANNELS

channel chunk_t compress_chunks[REPLICAS] DEPTH;
channel batch_t compress_batches[REPLICAS] DEPTH;

TASK kernel void COMPRESS(_reader)(ARGUMENTS) {
  for (uint row = 0; row < count; row++) {
    segment_t segment = segments[row];
    uint size = task_of(segment).size;
    for (uint at = 0; at < size; at += CHUNK_BYTES) {
      chunk_t chunk = load_chunk(src + segment.src + at, size - at);
      SEND(compress_chunks, row, chunk);
    }
  }
}

#define COMPRESS_CORE(name, core)                                                                  \
  TASK kernel void name(ARGUMENTS) {                                                               \
    local slot_t table[1 << SLOT_BITS];                                                            \
    local ulong window[WINDOW_WORDS];                                                              \
    matcher_t matcher;                                                                             \
    chunk_t chunk;                                                                                 \
    batch_t batch;                                                                                 \
    reset_table(&matcher, table);                                                                  \
    for (uint row = core; row < count; row += REPLICAS) {                                          \
      task_t task = task_of(segments[row]);                                                        \
      start_batch(&batch);                                                                         \
      start_matcher(&matcher, table, task);                                                        \
      for (uint at = 0; at < task.size; at += WORD_BYTES) {                                        \
        if (at % CHUNK_BYTES == 0)                                                                 \
          chunk = read_channel_intel(compress_chunks[core]);                                       \
        match_word(&matcher, table, window, chunk.word[at % CHUNK_BYTES / WORD_BYTES], &batch);    \
        if (batch.count >= FULL_BATCH) {                                                           \
          write_channel_intel(compress_batches[core], batch);                                      \
          start_batch(&batch);                                                                     \
        }                                                                                          \
      }                                                                                            \
      end_row_batch(&matcher, task, &batch);                                                       \
      write_channel_intel(compress_batches[core], batch);                                          \
    }                                                                                              \
  }

#if REPLICAS == 1
COMPRESS_CORE(COMPRESS(_core), 0)
#else
COMPRESS_CORE(COMPRESS(_core0), 0)
COMPRESS_CORE(COMPRESS(_core1), 1)
#endif

#endif
#endif
