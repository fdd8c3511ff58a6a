/* Decoding tables of prefix codes (RFC 1951, 3.2.2): one look-up in a main table by the next bits
 * of the stream, a second one in a subtable for longer codes. */
#ifndef INFLATE_TABLES_H
#define INFLATE_TABLES_H

#include "abi.h"
#include "bytes.h"

#define MAX_CODE_BITS 15u
#define MAX_SYMBOLS 288u
#define END_OF_BLOCK 256u

/* Bits that index the main tables: of symbols (literals, lengths, end), of distances and of code
 * lengths. README.md tells what other widths gave. */
#define SYMBOL_BITS 11u
#define DISTANCE_BITS 8u
#define LENGTH_BITS 7u
/* The most entries that any code of at most 15 bits makes of 288 symbols with 11 bits, and of 32
 * with 8: found by search over all codes, as zlib's `enough` does. */
#define SYMBOL_TABLE 2342u
#define DISTANCE_TABLE 402u
#define LENGTH_TABLE (1u << LENGTH_BITS)

/* An entry:
 *   bits 0-5    bits to take from the stream: codes and extra bits
 *   bits 8-11   bits of the (first) code; of a subtable: bits that index it
 *   bit 12      literal; then bits 16-23 hold it
 *   bit 13      two literals; then bits 24-31 hold the second
 *   bit 14      neither literal nor match; then bit 15 says that it is a subtable
 *   bits 16-31  the least length or distance, a code length, or where a subtable starts; of an
 * entry with bit 14 and without 15: 1 for the end of the block, 0 for what is no code */
#define LITERAL (1u << 12)
#define PAIR (1u << 13)
#define EXCEPTION (1u << 14)
#define SUBTABLE (1u << 15)
#define NO_CODE (EXCEPTION | 1u)
#define ENDS_BLOCK (EXCEPTION | 1u << 16)

INLINE uint entry_bits(uint entry) { return entry & 63; }
INLINE uint entry_code_bits(uint entry) { return entry >> 8 & 15; }
INLINE uint entry_value(uint entry) { return entry >> 16; }
INLINE uint low_bits(ulong bits, uint count) { return (uint)(bits & ((1UL << count) - 1)); }

enum { KIND_SYMBOLS, KIND_DISTANCES, KIND_LENGTHS };

/* 3.2.5. Of a pattern of bases and extra bits that double every `step` codes. */
INLINE uint extra_entry(uint code, uint shift, uint base) {
  uint extra = (code >> shift) - 1;
  uint low = code & ((1u << shift) - 1);
  return ((((1u << shift) + low) << extra) + base) << 16 | extra;
}

static uint symbol_entry(uint symbol) {
  if (symbol < END_OF_BLOCK)
    return LITERAL | symbol << 16;
  if (symbol == END_OF_BLOCK)
    return ENDS_BLOCK;
  if (symbol < 265)
    return (symbol - 254) << 16;
  if (symbol < 285)
    return extra_entry(symbol - 257, 2, 3);
  return symbol == 285 ? 258u << 16 : EXCEPTION;
}

static uint distance_entry(uint symbol) {
  if (symbol < 4)
    return (symbol + 1) << 16;
  return symbol < 30 ? extra_entry(symbol, 1, 1) : EXCEPTION;
}

/* The entry of a symbol whose code has so many bits. */
INLINE uint full_entry(int kind, uint symbol, uint code_bits) {
  uint entry = symbol << 16;
  if (kind == KIND_SYMBOLS)
    entry = symbol_entry(symbol);
  else if (kind == KIND_DISTANCES)
    entry = distance_entry(symbol);
  return entry + (code_bits | code_bits << 8);
}

/* Sorts symbols by the length of their codes. Returns the bits of the longest; 0: there are none;
 * MAX_CODE_BITS + 1: more codes than there can be, or fewer, which only one code of one bit may be
 * (and not of code lengths). */
static uint sort_symbols(const private uchar *lengths, uint count, private ushort *sorted,
                         private ushort *counts, int kind) {
  ushort starts[MAX_CODE_BITS + 1];
  for (uint bits = 0; bits <= MAX_CODE_BITS; bits++)
    counts[bits] = 0;
  for (uint symbol = 0; symbol < count; symbol++)
    counts[lengths[symbol]]++;
  uint longest = MAX_CODE_BITS, start = 0;
  while (longest && !counts[longest])
    longest--;
  int left = 1;
  for (uint bits = 1; bits <= longest; bits++) {
    left = 2 * left - counts[bits];
    if (left < 0)
      return MAX_CODE_BITS + 1;
    starts[bits] = (ushort)start;
    start += counts[bits];
  }
  if (longest && left && (longest > 1 || kind == KIND_LENGTHS))
    return MAX_CODE_BITS + 1;
  for (uint symbol = 0; symbol < count; symbol++)
    if (lengths[symbol])
      sorted[starts[lengths[symbol]]++] = (ushort)symbol;
  return longest;
}

/* The code that follows a code of so many bits, both with their bits reversed: addition of 1 from
 * the top. */
INLINE uint next_code(uint code, uint bits) {
  uint zeros = code ^ ((1u << bits) - 1);
  if (!zeros)
    return 0;
  uint bit = 1u << (31 - clz(zeros));
  return (code & (bit - 1)) | bit;
}

/* Entries of codes longer than the main table's index, in subtables behind it. */
static void build_subtables(private uint *table, uint main_bits, const private ushort *sorted,
                            private ushort *counts, uint code, uint bits, uint longest, int kind) {
  uint end = 1u << main_bits, start = 0, sub_bits = 0, prefix = ~0u;
  for (; bits <= longest; bits++) {
    for (; counts[bits]; counts[bits]--) {
      if (low_bits(code, main_bits) != prefix) {
        prefix = low_bits(code, main_bits);
        /* As wide as the codes that share the prefix need. */
        sub_bits = bits - main_bits;
        uint room = counts[bits];
        while (room < 1u << sub_bits && sub_bits + main_bits < longest) {
          sub_bits++;
          room = 2 * room + counts[main_bits + sub_bits];
        }
        start = end;
        end += 1u << sub_bits;
        table[prefix] = EXCEPTION | SUBTABLE | start << 16 | sub_bits << 8 | main_bits;
      }
      uint entry = full_entry(kind, *sorted++, bits);
      for (uint at = code >> main_bits; at < 1u << sub_bits; at += 1u << (bits - main_bits))
        table[start + at] = entry;
      code = next_code(code, bits);
    }
  }
}

/* Builds a table. Returns 0 where the lengths make no code that deflate allows. */
APART int build_table(private uint *table, uint main_bits, const private uchar *lengths, uint count,
                      int kind) {
  ushort sorted[MAX_SYMBOLS], counts[MAX_CODE_BITS + 1];
  uint longest = sort_symbols(lengths, count, sorted, counts, kind);
  if (longest > MAX_CODE_BITS)
    return 0;
  if (longest <= 1 && counts[1] < 2) {
    /* No code, or one of a bit: the other half of the table is none. */
    for (uint at = 0; at < 1u << main_bits; at++)
      table[at] = longest && !(at & 1) ? full_entry(kind, sorted[0], 1) : NO_CODE;
    return 1;
  }
  /* The part for codes of up to so many bits is doubled with every bit more. */
  uint code = 0, size = 2, bits = 1, taken = 0;
  for (;; bits++) {
    for (uint n = 0; n < counts[bits]; n++) {
      table[code] = full_entry(kind, sorted[taken++], bits);
      code = next_code(code, bits);
    }
    if (bits == main_bits)
      break;
    for (uint at = 0; at < size; at++)
      table[size + at] = table[at];
    size *= 2;
  }
  if (longest > main_bits)
    build_subtables(table, main_bits, sorted + taken, counts, code, bits + 1, longest, kind);
  return 1;
}

/* Lets entries of a literal hold the next one too, where the index has room for both codes. */
static void pair_literals(private uint *table) {
  /* From the end, as an entry is paired with one before it. */
  for (uint at = (1u << SYMBOL_BITS) - 1; at > 0; at--) {
    uint first = table[at], bits = entry_bits(first);
    uint second = table[at >> bits];
    uint both = bits + entry_bits(second);
    if ((first & second & LITERAL) && both <= SYMBOL_BITS)
      table[at] = (second & 0xFF0000) << 8 | (first & 0xFF0000) | PAIR | LITERAL | bits << 8 | both;
  }
}

#endif
