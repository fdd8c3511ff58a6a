/* DEFLATE compression for FPGAs: single work-item kernels, their tables in local memory. One row is
 * one piece of a stream.
 *
 * -D parameters        values           tested
 * CHANNELS             1, 0             1: effort 1 as kernels joined by Intel channels; 0: the
 *                                       plain algorithm, one kernel
 * CHANNEL_DEPTH        64 (default), …  items in a channel; with CHANNELS=1: 64, 65536
 * CHUNK_WORDS          1 (default), 8   64-byte words in an item to the core; both
 * REPLICAS             1 (default), 2   engines; with CHANNELS=1: both
 *
 * The stages are deflate_compress_reader, _core, _counter and _writer; with REPLICAS=2 _core0,
 * _core1, _counter0 and so on: an engine is all but the reader.
 */
#define TABLES local
#include "abi.h"
#include "content.h"
#include "fpga_channels.h"
#include "rows.h"

#if CHANNELS
#include "fpga_search.h"

#include "fpga_stages.h"
#else

SINGLE kernel void deflate_compress(ARGUMENTS) {
  local coder_t coder;
  local sequence_t sequences[MOST_SEQUENCES];
  local ushort tables[TABLE_ENTRIES];
  for (uint row = 0; row < count; row++)
    compress_row(&coder, sequences, tables, segments[row], results + row, src, dst);
}
#endif
