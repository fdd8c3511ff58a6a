/* One row of snappy_decompress: a preamble and elements, or content that is stored. */
#ifndef SNAPPY_DECODE_H
#define SNAPPY_DECODE_H

#include "abi.h"
#include "bytes.h"
#include "check.h"
#include "match_copy.h"
#include "params.h"

/* The size of the content as a varint of at most 32 bits; returns its bytes, 0 where it is none. */
static uint read_preamble(input_t src, uint size, uint *content) {
  ulong value = 0;
  for (uint i = 0; i < smaller(size, 5); i++) {
    value |= (ulong)(src[i] & 0x7F) << 7 * i;
    if (src[i] < 0x80) {
      *content = (uint)value;
      return value >> 32 ? 0 : i + 1;
    }
  }
  return 0;
}

static void copy_match(output_t dst, uint op, uint offset, uint length) {
  for (uint i = 0; i < length; i++)
    dst[op + i] = dst[op + i - offset];
}

/* Far from both ends an element is read, and up to 64 bytes and what a copy overshoots are written,
 * without a look. */
#define FAST_SRC 80u
#define FAST_DST 128u

/* dst has room for `content` bytes, which the elements have to make, all of them. */
static int decode_elements(input_t src, uint size, uint ip, output_t dst, uint content) {
  uint op = 0;
  uint fast_ip = size > FAST_SRC ? size - FAST_SRC : 0;
  uint fast_op = content > FAST_DST ? content - FAST_DST : 0;
  while (ip < size) {
    uint tag = src[ip++], fast = (ip < fast_ip) & (op < fast_op);
    uint offset, kind = tag & 3;
    ulong length = (tag >> 2) + 1;
    if (!kind) {
      if (fast & (length <= 60)) {
        copy16(dst + op, src + ip);
        if (length > 16)
          for (uint i = 16; i < 64; i += 16)
            copy16(dst + op + i, src + ip + i);
        op += (uint)length;
        ip += (uint)length;
        continue;
      }
      if (length > 60) {
        uint bytes = (uint)length - 60;
        if (size - ip < bytes)
          return STATUS_TRUNCATED;
        length = 1;
        for (uint i = 0; i < bytes; i++)
          length += (ulong)src[ip++] << 8 * i;
      }
      if (length > size - ip)
        return STATUS_TRUNCATED;
      if (length > content - op)
        return STATUS_BAD_DATA;
      copy_bytes(dst + op, src + ip, (uint)length);
      op += (uint)length;
      ip += (uint)length;
      continue;
    }
    if (fast) {
      uint word = load4(src + ip), near = kind == 1;
      offset = near ? tag >> 5 << 8 | (word & 0xFF) : kind == 2 ? word & 0xFFFF : word;
      ip += kind == 3 ? 4 : kind;
    } else {
      uint bytes = kind == 3 ? 4 : kind;
      if (size - ip < bytes)
        return STATUS_TRUNCATED;
      offset = kind == 1 ? tag >> 5 << 8 : 0;
      for (uint i = 0; i < bytes; i++)
        offset |= (uint)src[ip++] << 8 * i;
    }
    if (kind == 1)
      length = (tag >> 2 & 7) + 4;
    if (offset - 1 >= op) /* 0, too */
      return STATUS_BAD_DATA;
    if (fast & (offset >= 16)) {
      copy16(dst + op, dst + op - offset);
      if (length > 16)
        for (uint i = 16; i < 64; i += 16)
          copy16(dst + op + i, dst + op + i - offset);
    } else if (fast) {
      copy_match_wild(dst, op, offset, (uint)length);
    } else if (length > content - op) {
      return STATUS_BAD_DATA;
    } else {
      copy_match(dst, op, offset, (uint)length);
    }
    op += (uint)length;
  }
  return op == content ? STATUS_OK : STATUS_TRUNCATED;
}

static int decode_stored(input_t src, uint size, output_t dst, uint *content, uint capacity) {
  if (size > capacity)
    return STATUS_DST_TOO_SMALL;
  copy_bytes(dst, src, size);
  *content = size;
  return STATUS_OK;
}

/* What a preamble that is none is. */
INLINE int preamble_status(uint size) { return size < 5 ? STATUS_TRUNCATED : STATUS_BAD_DATA; }

static int decode_stream(input_t src, uint size, output_t dst, uint *content, uint capacity) {
  uint preamble = read_preamble(src, size, content);
  if (!preamble)
    return preamble_status(size);
  if (*content > capacity)
    return STATUS_DST_TOO_SMALL;
  return decode_elements(src, size, preamble, dst, *content);
}

static void decode_row(segment_t row, global const uchar *src, global uchar *dst,
                       global result_t *result) {
  input_t from = src + row.src;
  output_t to = dst + row.dst;
  uint content = 0;
  int status = row.flags & SNAPPY_STORED
                   ? decode_stored(from, row.src_size, to, &content, row.dst_capacity)
                   : decode_stream(from, row.src_size, to, &content, row.dst_capacity);
  uint wanted = status == STATUS_OK ? row.flags & SNAPPY_CHECK : 0;
  put_result(result, content, status, wanted ? content_check(to, content) : 0);
}

#endif
