/* The stages of decompression. Reader and writer take the rows in their order. */
#ifndef LZ4_FPGA_STAGES_H
#define LZ4_FPGA_STAGES_H

#include "fpga_channels.h"
#include "fpga_decode.h"
#include "fpga_feed.h"

channel head_t decompress_heads[REPLICAS] DEPTH;
channel word_t decompress_words[REPLICAS] DEPTH;
channel content_t decompress_content[REPLICAS] DEPTH;

TASK kernel void lz4_decompress_reader(ARGUMENTS) {
  for (uint row = 0; row < count; row++) {
    feed_t feed;
    head_t head;
    start_feed(&feed, segments[row], src);
    do {
      head = next_head(&feed);
      SEND(decompress_heads, row, head);
      for (uint words = words_of(head.size); words; words--) {
        word_t word = next_word(&feed);
        SEND(decompress_words, row, word);
      }
    } while (head.kind != FEED_END);
  }
}

#define DECOMPRESS_CORE(name, core)                                                                \
  TASK kernel void name(ARGUMENTS) {                                                               \
    local uchar history[HISTORY_BYTES] __attribute__((aligned(64)));                               \
    for (uint row = core; row < count; row += REPLICAS) {                                          \
      decoder_t decoder;                                                                           \
      start_decoder(&decoder, segments[row].dst_capacity);                                         \
      head_t head = read_channel_intel(decompress_heads[core]);                                    \
      for (; head.kind != FEED_END; head = read_channel_intel(decompress_heads[core])) {           \
        start_block_of_row(&decoder, head);                                                        \
        while (is_busy(&decoder)) {                                                                \
          uint before = decoder.produced;                                                          \
          if (!wants_word(&decoder))                                                               \
            step_decode(&decoder, history);                                                        \
          else if (decoder.words)                                                                  \
            give_word(&decoder, read_channel_intel(decompress_words[core]));                       \
          else                                                                                     \
            give_word(&decoder, empty_word());                                                     \
          if (fills_word(&decoder, before))                                                        \
            write_channel_intel(decompress_content[core], full_content(&decoder, history));        \
        }                                                                                          \
      }                                                                                            \
      write_channel_intel(decompress_content[core],                                                \
                          last_content(&decoder, history, final_status(&decoder, head.status)));   \
    }                                                                                              \
  }

TASK kernel void lz4_decompress_writer(ARGUMENTS) {
  for (uint row = 0; row < count; row++) {
    segment_t segment = segments[row];
    writer_t writer;
    content_t content;
    start_writer(&writer, segment, dst);
    do {
      TAKE(content, decompress_content, row);
      write_content(&writer, content);
    } while (content.status == STATUS_RUNNING);
    end_writer(&writer, segment, src, results + row);
  }
}

#if REPLICAS == 1
DECOMPRESS_CORE(lz4_decompress_core, 0)
#else
DECOMPRESS_CORE(lz4_decompress_core0, 0)
DECOMPRESS_CORE(lz4_decompress_core1, 1)
#endif

#endif
