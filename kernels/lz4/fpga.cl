/* LZ4 blocks for FPGAs: single work-item kernels. One row is one block, or linked blocks.
 *
 * -D parameters        values           tested
 * CHANNELS             1, 0             1: kernels joined by Intel channels; 0: one kernel an entry
 * CHANNEL_DEPTH        64 (default), …  items in a channel; with CHANNELS=1: 64, 4096, 16384, 65536
 * CHUNK_WORDS          1 (default), 8   64-byte words in an item to the compressor; both
 * REPLICAS             1 (default), 2   cores an entry; with CHANNELS=1: both
 *
 * The stages of entry E are E_reader, E_core and E_writer; with REPLICAS=2 E_reader, E_core0,
 * E_core1 and E_writer.
 */
#include "abi.h"
#include "fpga_channels.h"
#include "fpga_decode.h"
#include "fpga_encode.h"
#include "fpga_feed.h"

#include "fpga_compress.h"

#if CHANNELS
#include "fpga_stages.h"
#else

/* Without channels: the stages of a row in turns. */
SINGLE kernel void lz4_decompress(ARGUMENTS) {
  local uchar history[HISTORY_BYTES] __attribute__((aligned(64)));
  for (uint row = 0; row < count; row++) {
    segment_t segment = segments[row];
    feed_t feed;
    decoder_t decoder;
    writer_t writer;
    head_t head;
    start_feed(&feed, segment, src);
    start_decoder(&decoder, segment.dst_capacity);
    start_writer(&writer, segment, dst);
    for (head = next_head(&feed); head.kind != FEED_END; head = next_head(&feed)) {
      start_block_of_row(&decoder, head);
      while (is_busy(&decoder)) {
        uint before = decoder.produced;
        if (wants_word(&decoder))
          give_word(&decoder, next_word(&feed));
        else
          step_decode(&decoder, history);
        if (fills_word(&decoder, before))
          write_content(&writer, full_content(&decoder, history));
      }
    }
    write_content(&writer, last_content(&decoder, history, final_status(&decoder, head.status)));
    end_writer(&writer, segment, src, results + row);
  }
}
#endif
