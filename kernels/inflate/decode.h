/* One raw deflate stream (RFC 1951). */
#ifndef INFLATE_DECODE_H
#define INFLATE_DECODE_H

#include "abi.h"
#include "bytes.h"
#include "tables.h"

#define MAX_CODES 316u /* 286 of symbols and 30 of distances */

/* Bytes that one turn of the fast loop may read: three times up to 8, each up to 7 behind the last;
 * and may write: three pairs of literals, a match of 258 and 31 bytes that its copy overshoots. */
#define FAST_INPUT 24u
#define FAST_ROOM 304u

typedef struct {
  input_t src;
  output_t dst;
  uint ip, size;     /* bytes of src that `bits` has or had, and all */
  uint op, capacity; /* bytes of dst */
  ulong bits;        /* the next bits of the stream; above `held` ones are right or 0 */
  uint held;
  uint is_fixed; /* the tables are those of the fixed codes */
private
  uint *symbols;
private
  uint *distances;
} stream_t;

static void start_stream(private stream_t *s, segment_t row, input_t src, output_t dst) {
  s->src = src + row.src;
  s->dst = dst + row.dst;
  s->size = row.src_size;
  s->capacity = row.dst_capacity;
  s->ip = s->op = s->held = 0;
  s->bits = 0;
}

/* Holds 56 bits, or all that there are. */
INLINE void refill(private stream_t *s) {
  while (s->held < 56 && s->ip < s->size) {
    s->bits |= (ulong)s->src[s->ip++] << s->held;
    s->held += 8;
  }
}

INLINE void take(private stream_t *s, uint count) {
  s->bits >>= count;
  s->held -= count;
}

/* Gives whole bytes back. */
INLINE void align_stream(private stream_t *s) {
  s->ip -= s->held >> 3;
  s->held = 0;
  s->bits = 0;
}

/* 3.2.4 */
APART int decode_stored(private stream_t *s) {
  align_stream(s);
  if (s->size - s->ip < 4)
    return STATUS_TRUNCATED;
  uint length = load2(s->src + s->ip);
  if ((length ^ 0xFFFF) != load2(s->src + s->ip + 2))
    return STATUS_BAD_DATA;
  s->ip += 4;
  if (length > s->size - s->ip)
    return STATUS_TRUNCATED;
  if (length > s->capacity - s->op)
    return STATUS_DST_TOO_SMALL;
  copy_bytes(s->dst + s->op, s->src + s->ip, length);
  s->ip += length;
  s->op += length;
  return STATUS_OK;
}

/* 3.2.6 */
APART void build_fixed(private stream_t *s) {
  uchar lengths[MAX_SYMBOLS];
  if (s->is_fixed)
    return;
  for (uint symbol = 0; symbol < MAX_SYMBOLS; symbol++)
    lengths[symbol] = symbol < 144 || symbol >= 280 ? 8 : symbol < 256 ? 9 : 7;
  build_table(s->symbols, SYMBOL_BITS, lengths, MAX_SYMBOLS, KIND_SYMBOLS);
  pair_literals(s->symbols);
  for (uint symbol = 0; symbol < 32; symbol++)
    lengths[symbol] = 5;
  build_table(s->distances, DISTANCE_BITS, lengths, 32, KIND_DISTANCES);
  s->is_fixed = 1;
}

/* Reads the code lengths of a block (3.2.7). */
static int read_lengths(private stream_t *s, private uchar *lengths, const private uint *table,
                        uint count) {
  uint done = 0;
  while (done < count) {
    refill(s);
    uint entry = table[low_bits(s->bits, LENGTH_BITS)];
    uint bits = entry_bits(entry), length = entry_value(entry), repeats = 1;
    if (entry & EXCEPTION)
      return STATUS_BAD_DATA;
    if (length >= 16) {
      uint extra = length == 16 ? 2 : length == 17 ? 3 : 7;
      if (bits + extra > s->held)
        return STATUS_TRUNCATED;
      if (length == 16 && !done)
        return STATUS_BAD_DATA;
      repeats = low_bits(s->bits >> bits, extra) + (length == 18 ? 11 : 3);
      length = length == 16 ? lengths[done - 1] : 0;
      bits += extra;
    }
    if (bits > s->held)
      return STATUS_TRUNCATED;
    if (repeats > count - done)
      return STATUS_BAD_DATA;
    take(s, bits);
    for (; repeats; repeats--)
      lengths[done++] = (uchar)length;
  }
  return STATUS_OK;
}

constant uchar LENGTHS_ORDER[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                    11, 4,  12, 3, 13, 2, 14, 1, 15};

/* 3.2.7 */
APART int read_codes(private stream_t *s) {
  uchar lengths[MAX_CODES];
  uint table[LENGTH_TABLE];
  s->is_fixed = 0;
  refill(s);
  if (s->held < 14)
    return STATUS_TRUNCATED;
  uint symbols = low_bits(s->bits, 5) + 257, distances = low_bits(s->bits >> 5, 5) + 1;
  uint sorts = low_bits(s->bits >> 10, 4) + 4;
  take(s, 14);
  if (symbols > 286 || distances > 30)
    return STATUS_BAD_DATA;
  for (uint n = 0; n < 19; n++) {
    refill(s);
    if (n < sorts && s->held < 3)
      return STATUS_TRUNCATED;
    lengths[LENGTHS_ORDER[n]] = n < sorts ? (uchar)low_bits(s->bits, 3) : 0;
    take(s, n < sorts ? 3 : 0);
  }
  if (!build_table(table, LENGTH_BITS, lengths, 19, KIND_LENGTHS))
    return STATUS_BAD_DATA;
  int status = read_lengths(s, lengths, table, symbols + distances);
  if (status != STATUS_OK)
    return status;
  if (!lengths[END_OF_BLOCK] ||
      !build_table(s->symbols, SYMBOL_BITS, lengths, symbols, KIND_SYMBOLS) ||
      !build_table(s->distances, DISTANCE_BITS, lengths + symbols, distances, KIND_DISTANCES))
    return STATUS_BAD_DATA;
  pair_literals(s->symbols);
  return STATUS_OK;
}

/* The entry of the next code. */
INLINE uint look_up(const private uint *table, uint main_bits, ulong bits) {
  uint entry = table[low_bits(bits, main_bits)];
  if (entry & SUBTABLE)
    entry = table[entry_value(entry) + low_bits(bits >> main_bits, entry_code_bits(entry))];
  return entry;
}

/* The length or distance that an entry and its extra bits make. */
INLINE uint value_of(uint entry, ulong bits) {
  return entry_value(entry) + (low_bits(bits, entry_bits(entry)) >> entry_code_bits(entry));
}

/* May write up to 31 bytes past op + length. */
INLINE void copy_match(output_t dst, uint op, uint distance, uint length) {
  uint end = op + length;
  if (distance >= 16) {
    do {
      copy16(dst + op, dst + op - distance);
      op += 16;
    } while (op < end);
  } else if (distance >= 8) {
    do {
      store8(dst + op, load8(dst + op - distance));
      op += 8;
    } while (op < end);
  } else {
    ulong pattern = 0;
    for (uint at = 0; at < 8; at++)
      pattern |= (ulong)dst[op - distance + at % distance] << (8 * at);
    uint stride = 8 - 8 % distance;
    do {
      store8(dst + op, pattern);
      op += stride;
    } while (op < end);
  }
}

#define FAST_REFILL                                                                                \
  do {                                                                                             \
    bits |= load8(src + ip) << held;                                                               \
    ip += (63 - held) >> 3;                                                                        \
    held |= 56;                                                                                    \
  } while (0)
#define FAST_TAKE(count)                                                                           \
  do {                                                                                             \
    uint taken = (count);                                                                          \
    bits >>= taken;                                                                                \
    held -= taken;                                                                                 \
  } while (0)
#define FAST_LITERAL                                                                               \
  do {                                                                                             \
    store2(dst + op, entry_value(entry));                                                          \
    op += 1 + (entry >> 13 & 1);                                                                   \
    FAST_TAKE(entry_bits(entry));                                                                  \
    entry = symbols[low_bits(bits, SYMBOL_BITS)];                                                  \
  } while (0)

/* Decodes as long as no bound is near. *ended: the block has come to its end. */
static int decode_fast(private stream_t *s, private int *ended) {
  const private uint *symbols = s->symbols, *distances = s->distances;
  input_t src = s->src;
  output_t dst = s->dst;
  uint ip = s->ip, op = s->op, held = s->held;
  ulong bits = s->bits;
  uint ip_end = s->size > FAST_INPUT ? s->size - FAST_INPUT : 0;
  uint op_end = s->capacity > FAST_ROOM ? s->capacity - FAST_ROOM : 0;
  int status = STATUS_OK;
  if (ip >= ip_end || op >= op_end)
    return status;
  FAST_REFILL;
  uint entry = symbols[low_bits(bits, SYMBOL_BITS)];
  while (ip < ip_end && op < op_end) {
    /* 56 bits are held. Literals of the main table take at most 11 each. */
    if (entry & LITERAL) {
      FAST_LITERAL;
      if (entry & LITERAL) {
        FAST_LITERAL;
        if (entry & LITERAL)
          FAST_LITERAL;
      }
      FAST_REFILL;
      if (entry & LITERAL)
        continue;
    }
    if (entry & EXCEPTION) {
      if (entry & SUBTABLE)
        entry = look_up(symbols, SYMBOL_BITS, bits);
      if (entry & LITERAL) {
        FAST_LITERAL;
        FAST_REFILL;
        continue;
      }
      if (entry & EXCEPTION) {
        *ended = entry_value(entry);
        status = *ended ? STATUS_OK : STATUS_BAD_DATA;
        FAST_TAKE(entry_bits(entry));
        break;
      }
    }
    uint length = value_of(entry, bits);
    FAST_TAKE(entry_bits(entry));
    entry = distances[low_bits(bits, DISTANCE_BITS)];
    if (entry & EXCEPTION) {
      entry = look_up(distances, DISTANCE_BITS, bits);
      if (entry & EXCEPTION) {
        status = STATUS_BAD_DATA;
        break;
      }
    }
    uint distance = value_of(entry, bits);
    FAST_TAKE(entry_bits(entry));
    FAST_REFILL;
    entry = symbols[low_bits(bits, SYMBOL_BITS)];
    if (distance > op) {
      status = STATUS_BAD_DATA;
      break;
    }
    copy_match(dst, op, distance, length);
    op += length;
  }
  s->ip = ip;
  s->op = op;
  s->held = held;
  s->bits = bits;
  return status;
}

/* Decodes the distance of a match and copies it. */
static int decode_match(private stream_t *s, uint length) {
  refill(s);
  uint entry = look_up(s->distances, DISTANCE_BITS, s->bits);
  if (entry_bits(entry) > s->held)
    return STATUS_TRUNCATED;
  uint distance = value_of(entry, s->bits);
  if ((entry & EXCEPTION) || distance > s->op)
    return STATUS_BAD_DATA;
  if (length > s->capacity - s->op)
    return STATUS_DST_TOO_SMALL;
  take(s, entry_bits(entry));
  for (uint end = s->op + length; s->op < end; s->op++)
    s->dst[s->op] = s->dst[s->op - distance];
  return STATUS_OK;
}

/* Decodes one symbol. */
static int decode_symbol(private stream_t *s, private int *ended) {
  refill(s);
  uint entry = look_up(s->symbols, SYMBOL_BITS, s->bits);
  /* Of a pair, the first. */
  uint bits = entry & LITERAL ? entry_code_bits(entry) : entry_bits(entry);
  if (bits > s->held)
    return STATUS_TRUNCATED;
  if (entry & LITERAL) {
    if (s->op == s->capacity)
      return STATUS_DST_TOO_SMALL;
    s->dst[s->op++] = (uchar)entry_value(entry);
  } else if (entry & EXCEPTION) {
    *ended = entry_value(entry);
    if (!*ended)
      return STATUS_BAD_DATA;
  }
  uint length = value_of(entry, s->bits);
  take(s, bits);
  return entry & (LITERAL | EXCEPTION) ? STATUS_OK : decode_match(s, length);
}

APART int decode_block(private stream_t *s) {
  int ended = 0, status = decode_fast(s, &ended);
  while (!ended && status == STATUS_OK)
    status = decode_symbol(s, &ended);
  return status;
}

static int decode_stream(private stream_t *s) {
  for (;;) {
    refill(s);
    if (s->held < 3)
      return STATUS_TRUNCATED;
    uint header = low_bits(s->bits, 3);
    take(s, 3);
    int status = STATUS_OK;
    if (header >> 1 == 0)
      status = decode_stored(s);
    else if (header >> 1 == 3)
      status = STATUS_BAD_DATA;
    else if (header >> 1 == 1)
      build_fixed(s);
    else
      status = read_codes(s);
    if (status == STATUS_OK && header >> 1 != 0)
      status = decode_block(s);
    if (status != STATUS_OK)
      return status;
    if (header & 1)
      break;
  }
  align_stream(s);
  return STATUS_OK;
}

#endif
