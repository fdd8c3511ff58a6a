/* One row of lz4_decompress: a block, a stored block, or linked blocks of a frame. */
#ifndef LZ4_DECODE_H
#define LZ4_DECODE_H

#include "abi.h"
#include "bytes.h"
#include "match_copy.h"
#include "params.h"
#include "xxh32.h"

/* Offset 0 breaks the format; the LZ4 library decodes it to zeros, and so every backend does. */
static void copy_match(global uchar *dst, uint op, uint offset, uint length) {
  for (uint i = 0; i < length; i++)
    dst[op + i] = offset ? dst[op + i - offset] : 0;
}

static int decode_block(global const uchar *src, uint size, global uchar *dst, uint *produced,
                        uint capacity) {
  uint ip = 0, op = *produced;
  uint fast_ip = size > 40 ? size - 40 : 0;
  uint fast_op = capacity > 80 ? capacity - 80 : 0;
  for (;;) {
    if (ip >= size)
      return STATUS_TRUNCATED;
    uint token = src[ip++];
    uint match = token & 15;
    uint offset;
    if (((token >> 4) != 15) & (ip < fast_ip) & (op < fast_op)) {
      copy16(dst + op, src + ip);
      op += token >> 4;
      ip += token >> 4;
      offset = load2(src + ip);
      ip += 2;
      if ((match != 15) & (offset >= 16) & (offset <= op)) {
        copy16(dst + op, dst + op - offset);
        copy16(dst + op + 16, dst + op - offset + 16);
        op += match + 4;
        continue;
      }
    } else {
      ulong literals = token >> 4;
      if (literals == 15) {
        uint byte;
        do {
          if (ip >= size)
            return STATUS_TRUNCATED;
          byte = src[ip++];
          literals += byte;
        } while (byte == 255);
      }
      if (literals > size - ip)
        return STATUS_TRUNCATED;
      if (literals > capacity - op)
        return STATUS_DST_TOO_SMALL;
      if ((ip + literals < fast_ip) & (op + literals < fast_op)) {
        for (uint i = 0; i < literals; i += 16)
          copy16(dst + op + i, src + ip + i);
      } else {
        copy_bytes(dst + op, src + ip, (uint)literals);
      }
      op += (uint)literals;
      ip += (uint)literals;
      if (ip == size)
        break;
      if (size - ip < 2)
        return STATUS_TRUNCATED;
      offset = src[ip] | (uint)src[ip + 1] << 8;
      ip += 2;
    }
    if (offset > op)
      return STATUS_BAD_DATA;
    ulong length = match;
    if (match == 15) {
      uint byte;
      do {
        if (ip >= size)
          return STATUS_TRUNCATED;
        byte = src[ip++];
        length += byte;
      } while (byte == 255);
    }
    length += 4;
    if (length > capacity - op)
      return STATUS_DST_TOO_SMALL;
    if ((op + length < fast_op) & (offset != 0))
      copy_match_wild(dst, op, offset, (uint)length);
    else
      copy_match(dst, op, offset, (uint)length);
    op += (uint)length;
  }
  *produced = op;
  return STATUS_OK;
}

static int decode_stored(global const uchar *src, uint size, global uchar *dst, uint *produced,
                         uint capacity) {
  if (size > capacity - *produced)
    return STATUS_DST_TOO_SMALL;
  copy_bytes(dst + *produced, src, size);
  *produced += size;
  return STATUS_OK;
}

static int decode_linked(global const uchar *src, uint size, global uchar *dst, uint *produced,
                         uint capacity, uint history, uint check) {
  if (history > 65536 || history > size)
    return STATUS_BAD_PARAM;
  int status = decode_stored(src, history, dst, produced, capacity);
  uint ip = history;
  while (status == STATUS_OK && ip < size) {
    if (size - ip < 4)
      return STATUS_TRUNCATED;
    uint header = load4(src + ip);
    ip += 4;
    if (header == 0)
      return ip == size ? STATUS_OK : STATUS_BAD_DATA;
    uint payload = header & 0x7FFFFFFF;
    if (payload > size - ip || (check && size - ip - payload < 4))
      return STATUS_TRUNCATED;
    if (check && xxh32(src + ip, payload) != load4(src + ip + payload))
      return STATUS_BAD_CHECKSUM;
    if (header >> 31)
      status = decode_stored(src + ip, payload, dst, produced, capacity);
    else
      status = decode_block(src + ip, payload, dst, produced, capacity);
    ip += payload + (check ? 4 : 0);
  }
  return status;
}

kernel void lz4_decompress(global const uchar *src, global uchar *dst,
                           global const segment_t *segments, global result_t *results,
                           global const uchar *params, uint count) {
  for (uint row = abi_first(count); row < abi_end(count); row++) {
    segment_t segment = segments[row];
    global const uchar *block = src + segment.src;
    global uchar *out = dst + segment.dst;
    uint produced = 0;
    int status;
    if (segment.flags & LZ4_LINKED)
      status = decode_linked(block, segment.src_size, out, &produced, segment.dst_capacity,
                             segment.param, segment.flags & LZ4_LINKED_CHECK);
    else if (segment.flags & LZ4_STORED)
      status = decode_stored(block, segment.src_size, out, &produced, segment.dst_capacity);
    else
      status = decode_block(block, segment.src_size, out, &produced, segment.dst_capacity);
    uint check = segment.flags & LZ4_CHECK ? xxh32(block, segment.src_size) : 0;
    put_result(results + row, produced, status, check);
  }
}

#endif
