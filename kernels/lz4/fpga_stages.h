/* CHANNELS=1: the stages. Reader and writer take the rows in their order; core c has the rows r
 * with r % REPLICAS == c. Compilers want to see for each channel one kernel that reads and one that
 * writes, before they inline; so cores are made by macros, and only the cores' kernels and readers
 * and writers name channels. */
#ifndef LZ4_FPGA_STAGES_H
#define LZ4_FPGA_STAGES_H

#pragma OPENCL EXTENSION cl_intel_channels : enable

#define DEPTH __attribute__((depth(CHANNEL_DEPTH)))
channel chunk_t compress_chunks[REPLICAS] DEPTH;
channel batch_t compress_batches[REPLICAS] DEPTH;
channel head_t decompress_heads[REPLICAS] DEPTH;
channel word_t decompress_words[REPLICAS] DEPTH;
channel content_t decompress_content[REPLICAS] DEPTH;

/* For readers and writers, which serve every core: a channel's index must be a constant. */
#if REPLICAS == 1
#define SEND(channels, row, item) write_channel_intel(channels[0], item)
#define TAKE(item, channels, row) item = read_channel_intel(channels[0])
#else
#define SEND(channels, row, item)                                                                  \
  do {                                                                                             \
    if ((row) % REPLICAS)                                                                          \
      write_channel_intel(channels[1], item);                                                      \
    else                                                                                           \
      write_channel_intel(channels[0], item);                                                      \
  } while (0)
#define TAKE(item, channels, row)                                                                  \
  do {                                                                                             \
    if ((row) % REPLICAS)                                                                          \
      item = read_channel_intel(channels[1]);                                                      \
    else                                                                                           \
      item = read_channel_intel(channels[0]);                                                      \
  } while (0)
#endif

TASK kernel void lz4_compress_reader(ARGUMENTS) {
  for (uint row = 0; row < count; row++) {
    segment_t segment = segments[row];
    uint size = content_size(segment);
    for (uint at = 0; at < size; at += CHUNK_BYTES) {
      chunk_t chunk = load_chunk(src + segment.src + at, size - at);
      SEND(compress_chunks, row, chunk);
    }
  }
}

#define COMPRESS_CORE(name, core)                                                                  \
  TASK kernel void name(ARGUMENTS) {                                                               \
    local entry_t table[1 << SLOT_BITS];                                                           \
    local ulong window[WINDOW_WORDS];                                                              \
    matcher_t matcher;                                                                             \
    chunk_t chunk;                                                                                 \
    batch_t batch;                                                                                 \
    start_table(&matcher, table);                                                                  \
    for (uint row = core; row < count; row += REPLICAS) {                                          \
      uint size = content_size(segments[row]);                                                     \
      start_batch(&batch);                                                                         \
      start_row(&matcher, table, size, segments[row].param);                                       \
      for (uint at = 0; at < size; at += WORD_BYTES) {                                             \
        if (at % CHUNK_BYTES == 0)                                                                 \
          chunk = read_channel_intel(compress_chunks[core]);                                       \
        match_word(&matcher, table, window, chunk.word[at % CHUNK_BYTES / WORD_BYTES], &batch);    \
        if (batch.count >= FULL_BATCH) {                                                           \
          write_channel_intel(compress_batches[core], batch);                                      \
          start_batch(&batch);                                                                     \
        }                                                                                          \
      }                                                                                            \
      end_row_batch(&matcher, size, &batch);                                                       \
      write_channel_intel(compress_batches[core], batch);                                          \
    }                                                                                              \
  }

TASK kernel void lz4_compress_writer(ARGUMENTS) {
  for (uint row = 0; row < count; row++) {
    segment_t segment = segments[row];
    encoder_t encoder;
    batch_t batch;
    start_encoder(&encoder, segment, src, dst);
    do {
      TAKE(batch, compress_batches, row);
      add_batch(&encoder, &batch);
    } while (!batch.last);
    end_encoder(&encoder, segment, results + row);
  }
}

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
      write_channel_intel(decompress_content[core], last_content(&decoder, history, head.status)); \
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
COMPRESS_CORE(lz4_compress_core, 0)
DECOMPRESS_CORE(lz4_decompress_core, 0)
#else
COMPRESS_CORE(lz4_compress_core0, 0)
COMPRESS_CORE(lz4_compress_core1, 1)
DECOMPRESS_CORE(lz4_decompress_core0, 0)
DECOMPRESS_CORE(lz4_decompress_core1, 1)
#endif

#endif
