/* LZ4 blocks, both ways, in OpenCL C 1.2 for any device. One row is one block. */
#include "abi.h"
#include "params.h"

#ifndef LZ4_HASH_BITS
#define LZ4_HASH_BITS 14
#endif
#ifndef LZ4_HASH_BYTES
#define LZ4_HASH_BYTES 6
#endif
#ifndef LZ4_SKIP_SHIFT
#define LZ4_SKIP_SHIFT 6
#endif
#ifndef LZ4_BACKWARD
#define LZ4_BACKWARD 1
#endif
#ifndef LZ4_INSERT
#define LZ4_INSERT 1
#endif
#ifndef LZ4_TAG
#define LZ4_TAG 0
#endif
#ifndef LZ4_DEC32
#define LZ4_DEC32 0
#endif

#define MIN_MATCH 4u
#define LAST_LITERALS 5u
#define SEARCH_MARGIN 20u
#define MAX_SRC 0x7E000000u

#if LZ4_TAG
typedef uint slot_t;
#else
typedef ushort slot_t;
#endif

typedef struct __attribute__((packed)) {
  ulong value;
} unaligned8_t;
typedef struct __attribute__((packed)) {
  uint value;
} unaligned4_t;
typedef struct __attribute__((packed)) {
  ushort value;
} unaligned2_t;
typedef struct __attribute__((packed)) {
  ulong2 value;
} unaligned16_t;

static inline ulong load8(global const uchar *p) {
  return ((global const unaligned8_t *)p)->value;
}
static inline uint load4(global const uchar *p) {
  return ((global const unaligned4_t *)p)->value;
}
static inline uint load2(global const uchar *p) {
  return ((global const unaligned2_t *)p)->value;
}
static inline void store8(global uchar *p, ulong v) { ((global unaligned8_t *)p)->value = v; }
static inline void store2(global uchar *p, uint v) {
  ((global unaligned2_t *)p)->value = (ushort)v;
}
static inline void copy16(global uchar *to, global const uchar *from) {
  ((global unaligned16_t *)to)->value = ((global const unaligned16_t *)from)->value;
}
static inline uint smaller(uint a, uint b) { return a < b ? a : b; }
#ifdef __clang__
static inline uint low_zero_bytes(ulong x) { return (uint)__builtin_ctzl(x) >> 3; }
static inline uint high_zero_bytes(ulong x) { return (uint)__builtin_clzl(x) >> 3; }
#else
static inline uint low_zero_bytes(ulong x) { return (uint)popcount(~x & (x - 1)) >> 3; }
static inline uint high_zero_bytes(ulong x) { return (uint)clz(x) >> 3; }
#endif

/* ---- XXH32 ---- */
#define XXH_P1 0x9E3779B1u
#define XXH_P2 0x85EBCA77u
#define XXH_P3 0xC2B2AE3Du
#define XXH_P4 0x27D4EB2Fu
#define XXH_P5 0x165667B1u
static inline uint rotl(uint x, uint n) { return (x << n) | (x >> (32 - n)); }
static inline uint xxh_round(uint lane, uint word) {
  return rotl(lane + word * XXH_P2, 13) * XXH_P1;
}
static uint xxh32(global const uchar *src, uint size) {
  uint at = 0, hash;
  if (size >= 16) {
    uint a = XXH_P1 + XXH_P2, b = XXH_P2, c = 0, d = 0u - XXH_P1;
    for (; size - at >= 16; at += 16) {
      a = xxh_round(a, load4(src + at));
      b = xxh_round(b, load4(src + at + 4));
      c = xxh_round(c, load4(src + at + 8));
      d = xxh_round(d, load4(src + at + 12));
    }
    hash = rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18);
  } else {
    hash = XXH_P5;
  }
  hash += size;
  for (; size - at >= 4; at += 4)
    hash = rotl(hash + load4(src + at) * XXH_P3, 17) * XXH_P4;
  for (; at < size; at++)
    hash = rotl(hash + src[at] * XXH_P5, 11) * XXH_P1;
  hash = (hash ^ (hash >> 15)) * XXH_P2;
  hash = (hash ^ (hash >> 13)) * XXH_P3;
  return hash ^ (hash >> 16);
}

static void copy_bytes(global uchar *to, global const uchar *from, uint size) {
  uint at = 0;
  for (; size - at >= 16; at += 16)
    copy16(to + at, from + at);
  for (; at < size; at++)
    to[at] = from[at];
}

static void put_result(global result_t *result, uint size, int status, uint check) {
  result->dst_size = status == STATUS_OK ? size : 0;
  result->status = status;
  result->check = check;
  for (uint i = 0; i < 16; i++)
    result->partial[i] = 0;
}

/* ---- compression ---- */
static uint match_end(global const uchar *src, uint at, uint candidate, uint limit) {
  while (at + 8 <= limit) {
    ulong diff = load8(src + at) ^ load8(src + candidate);
    if (diff)
      return at + low_zero_bytes(diff);
    at += 8;
    candidate += 8;
  }
  while (at < limit && src[at] == src[candidate]) {
    at++;
    candidate++;
  }
  return at;
}

static uint length_bytes(uint length) { return length < 15 ? 0 : (length - 15) / 255 + 1; }

static uint put_length(global uchar *dst, uint op, uint length) {
  if (length < 15)
    return op;
  for (length -= 15; length >= 255; length -= 255)
    dst[op++] = 255;
  dst[op++] = (uchar)length;
  return op;
}

static inline ulong hash_of(ulong x) {
#if LZ4_HASH_BYTES < 8
  return (x << (64 - 8 * LZ4_HASH_BYTES)) * 0x9E3779B185EBCA87UL;
#else
  return x * 0x9E3779B185EBCA87UL;
#endif
}

/* Returns the size of the block, or 0 where it does not fit. */
static uint compress_block(global const uchar *src, uint size, global uchar *dst, uint capacity,
                           uint acceleration) {
  slot_t table[1 << LZ4_HASH_BITS];
  uint anchor = 0, op = 0;
  if (size > SEARCH_MARGIN) {
    uint bits = LZ4_HASH_BITS;
    while (bits > 8 && (1u << (bits - 1)) >= size)
      bits--;
    for (uint i = 0; i < (1u << bits); i++)
      table[i] = 0;
    uint shift = 64 - bits;
    uint search_end = size - SEARCH_MARGIN;
    uint limit = size - LAST_LITERALS;
    uint pos = 1;
    for (;;) {
      uint candidate;
      ulong diff;
      if (pos > search_end)
        break;
      int found;
      for (;;) {
        ulong x = load8(src + pos);
        ulong h = hash_of(x);
        uint index = (uint)(h >> shift);
        uint entry = table[index];
#if LZ4_TAG
        uint tag = (uint)(h >> (shift - 16)) << 16;
        table[index] = tag | (pos & 0xFFFF);
        candidate = pos - (ushort)(pos - entry);
        if (((entry ^ tag) >> 16) == 0 && candidate != pos) {
          diff = x ^ load8(src + candidate);
          found = !(uint)diff;
          if (found)
            break;
        }
#else
        table[index] = (slot_t)pos;
        candidate = pos - (ushort)(pos - entry);
        diff = x ^ load8(src + candidate);
        found = !(uint)diff & (candidate != pos);
        if (found)
          break;
#endif
        pos += acceleration + ((pos - anchor) >> LZ4_SKIP_SHIFT);
        if (pos > search_end)
          break;
      }
      if (pos > search_end)
        break;
      uint end;
      if (diff)
        end = pos + low_zero_bytes(diff);
      else
        end = match_end(src, pos + 8, candidate + 8, limit);
      uint offset = pos - candidate;
#if LZ4_BACKWARD
      if (candidate >= 8) {
        ulong before = load8(src + pos - 8) ^ load8(src + candidate - 8);
        uint back = before ? high_zero_bytes(before) : 8;
        back = smaller(back, pos - anchor);
        pos -= back;
      }
#endif
      uint literals = pos - anchor;
      uint length = end - pos - MIN_MATCH;
      if (op + literals + (literals >> 7) + (length >> 7) + 40 <= capacity) {
        uint token = op++;
        if (literals < 15) {
          dst[token] = (uchar)(literals << 4);
          copy16(dst + op, src + anchor);
        } else {
          dst[token] = 0xF0;
          op = put_length(dst, op, literals);
          for (uint i = 0; i < literals; i += 16)
            copy16(dst + op + i, src + anchor + i);
        }
        op += literals;
        store2(dst + op, offset);
        op += 2;
        if (length < 15) {
          dst[token] |= (uchar)length;
        } else {
          dst[token] |= 15;
          op = put_length(dst, op, length);
        }
      } else {
        uint need = 3 + length_bytes(literals) + literals + length_bytes(length);
        if (need > capacity - op)
          return 0;
        dst[op++] = (uchar)(smaller(literals, 15u) << 4 | smaller(length, 15u));
        op = put_length(dst, op, literals);
        copy_bytes(dst + op, src + anchor, literals);
        op += literals;
        dst[op++] = (uchar)offset;
        dst[op++] = (uchar)(offset >> 8);
        op = put_length(dst, op, length);
      }
      anchor = pos = end;
#if LZ4_INSERT
      if (pos <= search_end) {
        uint at = pos - 2;
        ulong h = hash_of(load8(src + at));
#if LZ4_TAG
        table[h >> shift] = (uint)(h >> (shift - 16)) << 16 | (at & 0xFFFF);
#else
        table[h >> shift] = (slot_t)at;
#endif
      }
#endif
    }
  }
  uint literals = size - anchor;
  if (1 + length_bytes(literals) + literals > capacity - op || op > capacity)
    return 0;
  dst[op++] = (uchar)(smaller(literals, 15u) << 4);
  op = put_length(dst, op, literals);
  copy_bytes(dst + op, src + anchor, literals);
  return op + literals;
}

kernel void lz4_compress(global const uchar *src, global uchar *dst,
                         global const segment_t *segments, global result_t *results,
                         global const uchar *params, uint count) {
  for (uint row = abi_first(count); row < abi_end(count); row++) {
    segment_t segment = segments[row];
    if (segment.src_size > MAX_SRC) {
      put_result(results + row, 0, STATUS_BAD_PARAM, 0);
      continue;
    }
    global uchar *block = dst + segment.dst;
    uint size = compress_block(src + segment.src, segment.src_size, block, segment.dst_capacity,
                               segment.param ? segment.param : 1);
    uint check = size && (segment.flags & LZ4_CHECK) ? xxh32(block, size) : 0;
    put_result(results + row, size, size ? STATUS_OK : STATUS_DST_TOO_SMALL, check);
  }
}

/* ---- decompression ---- */

static void copy_match(global uchar *dst, uint op, uint offset, uint length) {
  for (uint i = 0; i < length; i++)
    dst[op + i] = dst[op + i - offset];
}

/* May write up to 31 bytes past op + length. */
static inline void copy_match_wild(global uchar *dst, uint op, uint offset, uint length) {
  uint end = op + length;
  if (offset >= 16) {
    do {
      copy16(dst + op, dst + op - offset);
      op += 16;
    } while (op < end);
  } else if (offset >= 8) {
    do {
      store8(dst + op, load8(dst + op - offset));
      op += 8;
    } while (op < end);
  } else {
    ulong pattern = load8(dst + op - offset) & ((1UL << (8 * offset)) - 1);
    uint span = offset;
    while (span < 8) {
      pattern |= pattern << (8 * span);
      span *= 2;
    }
    uint stride = 8 - 8 % offset;
    do {
      store8(dst + op, pattern);
      op += stride;
    } while (op < end);
  }
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
    if (offset - 1 >= op)
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
    length += MIN_MATCH;
    if (length > capacity - op)
      return STATUS_DST_TOO_SMALL;
    if (op + length < fast_op)
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
