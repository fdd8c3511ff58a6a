/* The sequences of a block: their tables (RFC 8878, 3.1.1.3.2) and their execution (3.1.1.4). */
#ifndef ZSTD_SEQUENCES_H
#define ZSTD_SEQUENCES_H

#include "huffman.h"

#define BLOCK_LIMIT (128u << 10)
/* What copies of literals may read behind them. */
#define LITERALS_SLACK 32u

/* Room behind a sequence within which its copies may overshoot: 16 bytes less one, and two copies
 * at once. */
#define COPY_MARGIN 32u

typedef enum { PREDEFINED, SINGLE, DESCRIBED, REPEATED } mode_t;

/* A decoding table of a code of sequences. */
typedef struct {
  uint log;
  /* Whether a block of this frame has set it, and whether it is the predefined one, which then need
   * not be built again. */
  uchar set, predefined;
} table_t;

/* What blocks of a frame leave to later ones, and scratch memory. */
typedef struct {
  table_t lengths, offsets, matches;
  huffman_t huffman;
  uint recent[3];
  state_t length_states[1 << LENGTH_LOG];
  state_t offset_states[1 << OFFSET_LOG];
  state_t match_states[1 << MATCH_LOG];
  uchar literals[BLOCK_LIMIT + LITERALS_SLACK];
} context_t;

/* Where output goes: `room` bytes from `dst` on, of which `at` are written. */
typedef struct {
  output_t dst;
  uint at, room;
} content_t;

/* Sets the table of a code by its mode. Returns the bytes taken, -1 where they are malformed. */
APART int set_table(code_t code, uint mode, input_t p, uint size, private table_t *table,
                    private state_t *states) {
  const uint most_symbols = code == LENGTHS   ? LENGTH_CODES
                            : code == OFFSETS ? OFFSET_CODES
                                              : MATCH_CODES;
  if (mode == REPEATED)
    return table->set ? 0 : -1;
  table->set = 1;
  if (mode == PREDEFINED && table->predefined)
    return 0;
  table->predefined = mode == PREDEFINED;
  if (mode == SINGLE) {
    if (size == 0 || p[0] >= most_symbols)
      return -1;
    states[0] = meaning(code, p[0]);
    table->log = 0;
    return 1;
  }
  counts_t counts;
  uint taken = 0;
  if (mode == PREDEFINED) {
    default_counts(code, &counts);
  } else {
    taken = read_counts(p, size, code == OFFSETS ? OFFSET_LOG : LENGTH_LOG, most_symbols, &counts);
    if (taken == 0)
      return -1;
  }
  build_table(code, &counts, states);
  table->log = counts.log;
  return (int)taken;
}

/* A match whose copies would overlap, or near the end of the room. */
APART void copy_match(output_t to, uint offset, uint length) {
  for (uint i = 0; i < length; i++)
    to[i] = to[(long)i - offset];
}

/* May write 31 bytes behind the match. */
INLINE void copy_match_wide(output_t to, uint offset, uint length) {
  if (offset >= 16) {
    input_t from = to - offset;
    output_t end = to + length;
    copy16(to, from);
    if (length <= 16)
      return;
    do {
      to += 16;
      from += 16;
      copy16(to, from);
    } while (to + 16 < end);
    return;
  }
  if (offset < 8) {
    /* Repeats of a whole number of periods in 8 bytes or less. */
    ulong pattern = load8(to - offset) & ((1UL << 8 * offset) - 1);
    for (uint span = offset; span < 8; span *= 2)
      pattern |= pattern << 8 * span;
    uint stride = 8 - 8 % offset;
    for (uint i = 0; i < length; i += stride)
      store8(to + i, pattern);
    return;
  }
  for (uint i = 0; i < length; i += 8)
    store8(to + i, load8(to + i - offset));
}

INLINE void copy_literals_wide(output_t to, private const uchar *from, uint length) {
  give16(to, from);
  for (uint i = 16; i < length; i += 16)
    give16(to + i, from + i);
}

APART void copy_literals(output_t to, private const uchar *from, uint length) {
  uint i = 0;
  for (; length - i >= 16; i += 16)
    give16(to + i, from + i);
  for (; i < length; i++)
    to[i] = from[i];
}

/* Decodes and executes `count` sequences from their bitstream, and appends the literals that are
 * left. */
APART int execute(private context_t *c, input_t stream, uint size, uint count, uint literals,
                  private content_t *content) {
private
  const uchar *from = c->literals;
private
  const uchar *const literals_end = from + literals;
private
  const state_t *const lengths = c->length_states;
private
  const state_t *const offsets = c->offset_states;
private
  const state_t *const matches = c->match_states;
  output_t const dst = content->dst;
  const uint room = content->room;
  const uint fast = room > COPY_MARGIN ? room - COPY_MARGIN : 0;
  uint at = content->at;
  uint recent0 = c->recent[0], recent1 = c->recent[1], recent2 = c->recent[2];
  int left = stream_bits(stream, size);
  if (left < 0)
    return STATUS_BAD_DATA;
  ulong word = next_bits(stream, left);
  uint length_state = first_bits(word, c->lengths.log);
  word <<= c->lengths.log;
  uint offset_state = first_bits(word, c->offsets.log);
  word <<= c->offsets.log;
  uint match_state = first_bits(word, c->matches.log);
  left -= (int)(c->lengths.log + c->offsets.log + c->matches.log);
  for (;; count--) {
    /* Also the states of the sequence before may have taken too much. */
    if (left < 0)
      return STATUS_BAD_DATA;
    const state_t l = lengths[length_state], o = offsets[offset_state], m = matches[match_state];
    word = next_bits(stream, left);
    const uint value = o.base + first_bits(word, o.extra);
    word <<= o.extra;
    left -= o.extra;
    /* A word has 56 bits, of which the next states take up to 26. */
    const uint far = o.extra + m.extra + l.extra > 30;
    if (far) {
      if (left < 0)
        return STATUS_BAD_DATA;
      word = next_bits(stream, left);
    }
    const uint match = m.base + first_bits(word, m.extra);
    word <<= m.extra;
    const uint length = l.base + first_bits(word, l.extra);
    word <<= l.extra;
    left -= m.extra + l.extra;
    if (count > 1) {
      if (far) {
        if (left < 0)
          return STATUS_BAD_DATA;
        word = next_bits(stream, left);
      }
      length_state = l.next + first_bits(word, l.bits);
      word <<= l.bits;
      match_state = m.next + first_bits(word, m.bits);
      word <<= m.bits;
      offset_state = o.next + first_bits(word, o.bits);
      left -= l.bits + m.bits + o.bits;
    }
    uint offset;
    if (value > 3) {
      offset = value - 3;
      recent2 = recent1;
      recent1 = recent0;
      recent0 = offset;
    } else {
      const uint which = value + (length == 0);
      offset = which == 1 ? recent0 : which == 2 ? recent1 : which == 3 ? recent2 : recent0 - 1;
      recent2 = which > 2 ? recent1 : recent2;
      recent1 = which > 1 ? recent0 : recent1;
      recent0 = offset;
    }
    if (length > (uint)(literals_end - from))
      return STATUS_BAD_DATA;
    const uint match_at = at + length, end = match_at + match;
    if (offset - 1 >= match_at)
      return STATUS_BAD_DATA;
    if (end <= fast) {
      copy_literals_wide(dst + at, from, length);
      copy_match_wide(dst + match_at, offset, match);
    } else {
      if (end > room)
        return STATUS_DST_TOO_SMALL;
      copy_literals(dst + at, from, length);
      copy_match(dst + match_at, offset, match);
    }
    from += length;
    at = end;
    if (count == 1)
      break;
  }
  if (left != 0)
    return STATUS_BAD_DATA;
  const uint rest = (uint)(literals_end - from);
  if (rest > room - at)
    return STATUS_DST_TOO_SMALL;
  copy_literals(dst + at, from, rest);
  content->at = at + rest;
  c->recent[0] = recent0;
  c->recent[1] = recent1;
  c->recent[2] = recent2;
  return STATUS_OK;
}

/* The sequences section of a block: all of `size` bytes. */
APART int decode_sequences(private context_t *c, input_t p, uint size, uint literals,
                           private content_t *content) {
  if (size == 0)
    return STATUS_BAD_DATA;
  uint count = p[0], at = 1;
  if (count >= 128) {
    uint bytes = count == 255 ? 3 : 2;
    if (size < bytes)
      return STATUS_BAD_DATA;
    count = count == 255 ? load2(p + 1) + 0x7F00 : (count - 128) << 8 | p[1];
    at = bytes;
  }
  if (count == 0) {
    if (size != at)
      return STATUS_BAD_DATA;
    if (literals > content->room - content->at)
      return STATUS_DST_TOO_SMALL;
    copy_literals(content->dst + content->at, c->literals, literals);
    content->at += literals;
    return STATUS_OK;
  }
  if (size == at)
    return STATUS_BAD_DATA;
  const uint modes = p[at++];
  if (modes & 3)
    return STATUS_BAD_DATA;
  int taken = set_table(LENGTHS, modes >> 6, p + at, size - at, &c->lengths, c->length_states);
  if (taken < 0)
    return STATUS_BAD_DATA;
  at += taken;
  taken = set_table(OFFSETS, modes >> 4 & 3, p + at, size - at, &c->offsets, c->offset_states);
  if (taken < 0)
    return STATUS_BAD_DATA;
  at += taken;
  taken = set_table(MATCHES, modes >> 2 & 3, p + at, size - at, &c->matches, c->match_states);
  if (taken < 0)
    return STATUS_BAD_DATA;
  at += taken;
  return execute(c, p + at, size - at, count, literals, content);
}

#endif
