/* CHANNELS=1: the stages of decompression. Reader and writer take the rows in their order. */
#ifndef SNAPPY_FPGA_STAGES_H
#define SNAPPY_FPGA_STAGES_H

#include "fpga_channels.h"
#include "fpga_decode.h"

channel head_t decompress_heads[REPLICAS] DEPTH;
channel word_t decompress_words[REPLICAS] DEPTH;
channel content_t decompress_content[REPLICAS] DEPTH;

TASK kernel void snappy_decompress_reader(ARGUMENTS) {
  for (uint row = 0; row < count; row++) {
    segment_t segment = segments[row];
    head_t head = head_of(segment, src);
    SEND(decompress_heads, row, head);
    if (!is_for_core(head))
      continue;
    for (uint at = head.at; at < head.end; at += WORD_BYTES) {
      word_t word = load_word(src + segment.src + at, head.end - at);
      SEND(decompress_words, row, word);
    }
  }
}

#define DECOMPRESS_CORE(name, core)                                                                \
  TASK kernel void name(ARGUMENTS) {                                                               \
    local uchar history[HISTORY_BYTES] __attribute__((aligned(64)));                               \
    for (uint row = core; row < count; row += REPLICAS) {                                          \
      decoder_t decoder;                                                                           \
      head_t head = read_channel_intel(decompress_heads[core]);                                    \
      if (!is_for_core(head))                                                                      \
        continue;                                                                                  \
      start_elements(&decoder, head);                                                              \
      while (is_busy(&decoder)) {                                                                  \
        uint before = decoder.produced;                                                            \
        if (!wants_word(&decoder))                                                                 \
          step_elements(&decoder, history);                                                        \
        else if (decoder.words)                                                                    \
          give_word(&decoder, read_channel_intel(decompress_words[core]));                         \
        else                                                                                       \
          give_word(&decoder, empty_word());                                                       \
        if (fills_word(&decoder, before))                                                          \
          write_channel_intel(decompress_content[core], full_content(&decoder, history));          \
      }                                                                                            \
      write_channel_intel(decompress_content[core],                                                \
                          last_content(&decoder, history, decoder.status));                        \
    }                                                                                              \
  }

#if REPLICAS == 1
DECOMPRESS_CORE(snappy_decompress_core, 0)
#else
DECOMPRESS_CORE(snappy_decompress_core0, 0)
DECOMPRESS_CORE(snappy_decompress_core1, 1)
#endif

TASK kernel void snappy_decompress_writer(ARGUMENTS) {
  for (uint row = 0; row < count; row++) {
    segment_t segment = segments[row];
    head_t head = head_of(segment, src);
    if (head.kind == ROW_REFUSED) {
      put_result(results + row, 0, head.status, 0);
      continue;
    }
    if (head.kind == ROW_APART) {
      decode_row(segment, src, dst, results + row);
      continue;
    }
    writer_t writer;
    content_t content;
    start_writer(&writer, segment, dst);
    do {
      TAKE(content, decompress_content, row);
      write_content(&writer, content);
    } while (content.status == STATUS_RUNNING);
    end_content(&writer, segment, results + row);
  }
}

#endif
