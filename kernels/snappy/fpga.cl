/* Snappy for FPGAs: single work-item kernels. One row is one block, or one stream.
 *
 * -D parameters        values           tested
 * CHANNELS             1, 0             1: kernels joined by Intel channels; 0: one kernel an
 * entry, decompression by the plain algorithm CHANNEL_DEPTH        64 (default), …  items in a
 * channel; with CHANNELS=1: 64, 65536 CHUNK_WORDS          1 (default), 8   64-byte words in an
 * item to the compressor; both REPLICAS             1 (default), 2   cores an entry; with
 * CHANNELS=1: both
 *
 * The stages of snappy_compress are _reader, _core, _check and _writer, those of snappy_decompress
 * _reader, _core and _writer; with REPLICAS=2 _core0 and _core1 in place of _core.
 */
#include "abi.h"
#include "fpga_channels.h"
#include "fpga_encode.h"
#include "table_check.h"

#if CHANNELS
channel uint compress_checks DEPTH;

TASK kernel void snappy_compress_check(ARGUMENTS) {
  for (uint row = 0; row < count; row++)
    write_channel_intel(compress_checks, row_check(segments[row], src));
}

#define ROW_CHECK(encoder, row, status) read_channel_intel(compress_checks)
#else
#define ROW_CHECK(encoder, row, status) row_check(row, src)
#endif

#include "fpga_compress.h"

#include "fpga_decode.h"

#if CHANNELS
#include "fpga_stages.h"
#else
/* One work-item is launched, so the range of rows that it gives itself is the whole table. */
#include "decode_rows.h"
#endif
