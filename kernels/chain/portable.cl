/* What joins the launches of a chain on the device, so that no byte and no size goes by way of the
 * host, in OpenCL C 1.2 for any device. No -D parameters. README.md has the rows.
 */
#include "abi.h"
#include "bytes.h"
#include "frame.h"
#include "params.h"
#include "xxh32.h"

/* ---- sizes ---- */

/* A row that failed is of no use to the next stage: the host sees its status. */
static uint size_of(global const result_t *done) {
  return done->status == STATUS_OK ? done->dst_size : 0;
}

kernel void link(global const uchar *src, global uchar *dst, global const segment_t *segments,
                 global result_t *results, global const uchar *params, uint count) {
  const uint end = abi_end(count);
  for (uint row = abi_first(count); row < end; row++) {
    const segment_t segment = segments[row];
    global uint *out = (global uint *)(dst + segment.dst);
    uint size = size_of((global const result_t *)(src + segment.src));
    out[0] = size;
    out[1] = segment.flags & LINK_TOTAL ? 0 : size + segment.flags;
    put_result(results + row, 8, STATUS_OK, 0);
  }
}

/* Every work-item adds up the rows in front of its own. params may be dst. */
kernel void pack(global const uchar *src, global uchar *dst, global const segment_t *segments,
                 global result_t *results, global const uchar *params, uint count) {
  const uint first = abi_first(count), end = abi_end(count);
  ulong before = 0;
  for (uint row = 0; row < end; row++) {
    const segment_t segment = segments[row];
    if (row >= first) {
      *(global ulong *)(dst + segment.dst) =
          *(global const ulong *)(params + segment.param) + before;
      put_result(results + row, 8, STATUS_OK, 0);
    }
    before += size_of((global const result_t *)(src + segment.src)) + (ulong)segment.flags;
  }
}

/* ---- compression: blocks that lie in a frame's place become a frame ---- */

static uint put_header(output_t out, uint descriptor, uint size) {
  store4(out, FRAME_MAGIC);
  store2(out + 4, descriptor);
  store4(out + 6, size);
  store4(out + 10, 0);
  out[14] = header_check(out + 4, 10);
  return FRAME_HEADER;
}

/* Blocks lie as far apart as they could be long; each moves down to where the one before it ends.
 * copy_bytes reads 16 bytes before it writes them, so it may copy to lower places. */
static int put_frame(segment_t row, input_t src, output_t slot, global const result_t *blocks,
                     private uint *written) {
  const uint descriptor = row.flags, most = block_most(descriptor);
  const uint check = has_block_checks(descriptor) ? 4 : 0;
  uint end = put_header(slot, descriptor, row.src_size), place = FRAME_HEADER;
  for (uint at = 0; at < row.src_size; at += most, blocks++) {
    uint content = smaller(row.src_size - at, most), size = blocks->dst_size;
    int stored = blocks->status == STATUS_DST_TOO_SMALL;
    if (!stored && (blocks->status != STATUS_OK || size >= content))
      return STATUS_BAD_DATA;
    if (stored) {
      size = content;
      copy_bytes(slot + end + 4, src + at, size);
    } else if (place != end) {
      copy_bytes(slot + end + 4, slot + place + 4, size);
    }
    store4(slot + end, stored ? size | BLOCK_STORED : size);
    if (check)
      store4(slot + end + 4 + size, stored ? xxh32(src + at, size) : (uint)blocks->check);
    end += 4 + size + check;
    place += 4 + content + check;
  }
  store4(slot + end, 0);
  end += 4;
  if (has_content_check(descriptor)) {
    store4(slot + end, xxh32(src, row.src_size));
    end += 4;
  }
  *written = end;
  return STATUS_OK;
}

static uint frame_bound(uint descriptor, uint size) {
  uint most = block_most(descriptor);
  uint blocks = size / most + (size % most != 0);
  uint overhead = 4 + (has_block_checks(descriptor) ? 4 : 0);
  return FRAME_HEADER + size + blocks * overhead + 4 + (has_content_check(descriptor) ? 4 : 0);
}

kernel void lz4_frames(global const uchar *src, global uchar *dst, global const segment_t *segments,
                       global result_t *results, global const uchar *params, uint count) {
  const uint end = abi_end(count);
  for (uint row = abi_first(count); row < end; row++) {
    const segment_t segment = segments[row];
    global const result_t *blocks = (global const result_t *)(params + segment.param);
    uint written = 0;
    int status = STATUS_BAD_PARAM;
    if (is_descriptor(segment.flags) && segment.src_size <= FRAME_MOST_CONTENT)
      status = frame_bound(segment.flags, segment.src_size) > segment.dst_capacity
                   ? STATUS_DST_TOO_SMALL
                   : put_frame(segment, src + segment.src, dst + segment.dst, blocks, &written);
    put_result(results + row, written, status, 0);
  }
}

/* ---- decompression: a plain frame becomes rows ---- */

kernel void lz4_measure(global const uchar *src, global uchar *dst,
                        global const segment_t *segments, global result_t *results,
                        global const uchar *params, uint count) {
  const uint end = abi_end(count);
  for (uint row = abi_first(count); row < end; row++) {
    const segment_t segment = segments[row];
    frame_t frame;
    int plain = frame_open(&frame, src + segment.src, segment.src_size);
    uint blocks = 0;
    block_at_t block;
    while (plain && (plain = frame_next(&frame, &block)) && block.size) {
      plain = !frame.block_checks || xxh32(frame.src + block.at, block.size) == block.check;
      blocks++;
    }
    uint whole = frame.content / frame.most + (frame.content % frame.most != 0);
    plain = plain && blocks == whole && frame_close(&frame);
    put_result(results + row, 0, plain ? STATUS_OK : STATUS_BAD_DATA, plain && frame.has_check);
    global uint *said = (global uint *)results[row].partial;
    said[0] = plain ? frame.content : 0;
    said[1] = plain ? blocks : 0;
    said[2] = plain ? frame.most : 0;
    said[3] = plain ? frame.check : 0;
  }
}

kernel void lz4_rows(global const uchar *src, global uchar *dst, global const segment_t *segments,
                     global result_t *results, global const uchar *params, uint count) {
  const uint end = abi_end(count);
  for (uint row = abi_first(count); row < end; row++) {
    const segment_t segment = segments[row];
    global segment_t *out = (global segment_t *)(dst + segment.dst);
    const uint room = segment.dst_capacity / sizeof(segment_t);
    frame_t frame;
    int plain = frame_open(&frame, src + segment.src, segment.src_size);
    uint blocks = 0;
    block_at_t block;
    while (plain && (plain = frame_next(&frame, &block)) && block.size) {
      if (blocks == room) {
        plain = 0;
        break;
      }
      out[blocks].src = segment.src + block.at;
      out[blocks].src_size = block.size;
      out[blocks].flags = block.stored ? LZ4_STORED : 0;
      blocks++;
    }
    plain = plain && blocks == room;
    put_result(results + row, plain ? blocks * sizeof(segment_t) : 0,
               plain ? STATUS_OK : STATUS_BAD_DATA, 0);
  }
}
