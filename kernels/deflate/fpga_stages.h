/* CHANNELS=1: the stages behind the core. */
#ifndef DEFLATE_FPGA_STAGES_H
#define DEFLATE_FPGA_STAGES_H

#include "fpga_core.h"
#include "fpga_put.h"

/* The sequences of a block wait until its codes are made. */
channel sequence_t compress_sequences[REPLICAS] __attribute__((depth(2 * MOST_SEQUENCES)));
channel block_t compress_blocks[REPLICAS] DEPTH;
channel uint compress_counts[REPLICAS] DEPTH;

/* A count that a step changes is not looked at in the next COUNTS - 1. */
#define COUNTER(name, core)                                                                        \
  TASK kernel void name(ARGUMENTS) {                                                               \
    local counts_t counts;                                                                         \
    for (uint row = core; row < count; row += REPLICAS) {                                          \
      counter_t counter;                                                                           \
      sequence_t sequence;                                                                         \
      batch_t batch;                                                                               \
      uint next = 0;                                                                               \
      start_batch(&batch);                                                                         \
      start_counter(&counter, segments[row], src);                                                 \
      while (!batch.last | (next < batch.count)) {                                                 \
        int full = 0;                                                                              \
        clear_counts(&counts);                                                                     \
        _Pragma("ivdep safelen(4)") while (!full & (!batch.last | (next < batch.count))) {         \
          if (next == batch.count) {                                                               \
            batch = read_channel_intel(compress_batches[core]);                                    \
            next = 0;                                                                              \
          }                                                                                        \
          if (wants_record(&counter))                                                              \
            give_record(&counter, batch.record[next]);                                             \
          if (!wants_record(&counter) && step_count(&counter, &counts, &sequence))                 \
            write_channel_intel(compress_sequences[core], sequence);                               \
          next += wants_record(&counter);                                                          \
          full = counter.block.size && is_full(&counter);                                          \
        }                                                                                          \
        if (!full)                                                                                 \
          break; /* behind the row's last byte */                                                  \
        if (counter.run) {                                                                         \
          sequence = next_sequence(&counter, 0);                                                   \
          write_channel_intel(compress_sequences[core], sequence);                                 \
        }                                                                                          \
        counter.block.last = counter.at == counter.end;                                            \
        write_channel_intel(compress_blocks[core], counter.block);                                 \
        for (uint i = 0; i < LITERAL_SYMBOLS; i++)                                                 \
          write_channel_intel(compress_counts[core], literal_count(&counts, i));                   \
        for (uint i = 0; i < DISTANCE_SYMBOLS; i++)                                                \
          write_channel_intel(compress_counts[core], distance_count(&counts, i));                  \
        start_block(&counter);                                                                     \
      }                                                                                            \
    }                                                                                              \
  }

/* Rows that are not pipelined have no block. */
#define WRITER(name, core)                                                                         \
  TASK kernel void name(ARGUMENTS) {                                                               \
    local coder_t coder;                                                                           \
    local sequence_t sequences[MOST_SEQUENCES];                                                    \
    local ushort tables[TABLE_ENTRIES];                                                            \
    for (uint row = core; row < count; row += REPLICAS) {                                          \
      segment_t segment = segments[row];                                                           \
      packer_t packer;                                                                             \
      block_t block;                                                                               \
      if (!is_pipelined(segment)) {                                                                \
        compress_row(&coder, sequences, tables, segment, results + row, src, dst);                 \
        continue;                                                                                  \
      }                                                                                            \
      start_packer(&packer, segment, src, dst);                                                    \
      do {                                                                                         \
        sequence_t sequence = {0, 0, 0};                                                           \
        block = read_channel_intel(compress_blocks[core]);                                         \
        for (uint i = 0; i < LITERAL_SYMBOLS; i++)                                                 \
          coder.literal_counts[i] = read_channel_intel(compress_counts[core]);                     \
        for (uint i = 0; i < DISTANCE_SYMBOLS; i++)                                                \
          coder.distance_counts[i] = read_channel_intel(compress_counts[core]);                    \
        uint final = block.last && segment.flags & DEFLATE_FINAL;                                  \
        int coded = begin_block(&packer, &coder, block, final);                                    \
        while (block.sequences | sequence.literals | sequence.length) {                            \
          if (!(sequence.literals | sequence.length)) {                                            \
            sequence = read_channel_intel(compress_sequences[core]);                               \
            block.sequences--;                                                                     \
          }                                                                                        \
          if (coded)                                                                               \
            pack_token(&packer, &coder, &sequence);                                                \
          else                                                                                     \
            sequence.literals = sequence.length = 0;                                               \
        }                                                                                          \
        if (coded)                                                                                 \
          pack_code(&packer, coder.literal_codes[END_OF_BLOCK]);                                   \
      } while (!block.last);                                                                       \
      end_packer(&packer, segment, results + row);                                                 \
    }                                                                                              \
  }

#if REPLICAS == 1
COUNTER(deflate_compress_counter, 0)
WRITER(deflate_compress_writer, 0)
#else
COUNTER(deflate_compress_counter0, 0)
COUNTER(deflate_compress_counter1, 1)
WRITER(deflate_compress_writer0, 0)
WRITER(deflate_compress_writer1, 1)
#endif

#endif
