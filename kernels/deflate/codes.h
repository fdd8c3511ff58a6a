/* Huffman codes of limited length (RFC 1951, section 3.2.2). */
#ifndef DEFLATE_CODES_H
#define DEFLATE_CODES_H

#include "bytes.h"

/* Where tables lie: private memory on CPUs, local memory in FPGAs. */
#ifndef TABLES
#define TABLES private
#endif

#define LITERAL_SYMBOLS                                                                            \
  288u /* 256: end of block; from 257: lengths; the last two are never used                        \
        */
#define DISTANCE_SYMBOLS 30u
#define LENGTH_SYMBOLS 19u
#define END_OF_BLOCK 256u

/* The format allows 15. With 14, four literals fit in 64 bits behind 7 that wait. */
#define LONGEST_CODE 14u
#define LONGEST_LENGTH_CODE 7u

/* A key is a frequency and its symbol. A block has less than 2^18 symbols (see MOST_CONTENT). */
#define SYMBOL_BITS 9
#define DIGIT_BITS 6
#define DIGITS 3

typedef struct {
  uint keys[LITERAL_SYMBOLS], spare[LITERAL_SYMBOLS];
  uint starts[1 << DIGIT_BITS];
  uint of_length[LONGEST_CODE + 2];
} sorting_t;

static void sort_by_digit(TABLES const uint *from, TABLES uint *to, TABLES uint *starts, uint count,
                          uint shift) {
  for (uint i = 0; i < 1u << DIGIT_BITS; i++)
    starts[i] = 0;
  for (uint i = 0; i < count; i++)
    starts[from[i] >> shift & ((1u << DIGIT_BITS) - 1)]++;
  uint total = 0;
  for (uint i = 0; i < 1u << DIGIT_BITS; i++) {
    uint here = starts[i];
    starts[i] = total;
    total += here;
  }
  for (uint i = 0; i < count; i++) {
    uint digit = from[i] >> shift & ((1u << DIGIT_BITS) - 1);
    to[starts[digit]] = from[i];
    starts[digit]++;
  }
}

/* Collects the symbols that occur, the rarest first. At least two: some decoders refuse a code of
 * one symbol. Returns how many. */
static uint sort_symbols(TABLES sorting_t *s, TABLES const uint *counts, uint symbols) {
  uint used = 0;
  for (uint i = 0; i < symbols; i++)
    if (counts[i]) {
      s->spare[used] = counts[i] << SYMBOL_BITS | i;
      used++;
    }
  for (uint i = 0; used < 2; i++)
    if (!counts[i]) {
      s->spare[used] = 1u << SYMBOL_BITS | i;
      used++;
    }
  sort_by_digit(s->spare, s->keys, s->starts, used, SYMBOL_BITS);
  sort_by_digit(s->keys, s->spare, s->starts, used, SYMBOL_BITS + DIGIT_BITS);
  sort_by_digit(s->spare, s->keys, s->starts, used, SYMBOL_BITS + 2 * DIGIT_BITS);
  return used;
}

/* The smaller of the next leaf and the next inner node joins node `to`. */
static void take_smaller(TABLES uint *nodes, uint count, uint to, uint first, private uint *leaf,
                         private uint *inner) {
  int of_leaf = *leaf < count && (*inner >= to || nodes[*leaf] <= nodes[*inner]);
  uint weight = of_leaf ? nodes[*leaf] : nodes[*inner];
  if (of_leaf)
    (*leaf)++;
  else {
    nodes[*inner] = to; /* its parent, in place of its weight, which nobody wants any more */
    (*inner)++;
  }
  nodes[to] = first ? weight : nodes[to] + weight;
}

/* How many symbols get each length, by the minimum-redundancy tree of `count` ascending weights,
 * which it is built over in place (Moffat and Katajainen, 1995). Lengths above `longest` count as
 * `longest`. */
static void count_lengths(TABLES uint *nodes, TABLES uint *of_length, uint count, uint longest) {
  uint leaf = 0, inner = 0;
  for (uint to = 0; to + 1 < count; to++) {
    take_smaller(nodes, count, to, 1, &leaf, &inner);
    take_smaller(nodes, count, to, 0, &leaf, &inner);
  }
  for (uint i = 0; i <= longest; i++)
    of_length[i] = 0;
  /* The root is the last node. From there: the depth of each, and how many places are left at each
   * depth for leaves once the inner nodes have theirs. */
  uint root = count - 2;
  nodes[root] = 0;
  for (uint i = root; i-- > 0;)
    nodes[i] = nodes[nodes[i]] + 1;
  uint places = 1, depth = 0, left = count;
  int next = (int)root;
  while (left) {
    uint inners = 0;
    for (; next >= 0 && nodes[next] == depth; next--)
      inners++;
    of_length[smaller(depth, longest)] += places - inners;
    left -= places - inners;
    places = 2 * inners;
    depth++;
  }
}

/* Lengths cut to `longest` claim more than there are codes. In each turn one of the longest joins
 * another leaf one step below that one's place, which frees one code. */
static void fit_lengths(TABLES uint *of_length, uint longest) {
  uint claimed = 0;
  for (uint i = 1; i <= longest; i++)
    claimed += of_length[i] << (longest - i);
  for (; claimed > 1u << longest; claimed--) {
    uint i = longest - 1;
    while (!of_length[i])
      i--;
    of_length[i]--;
    of_length[i + 1] += 2;
    of_length[longest]--;
  }
}

/* Fills in the length of each symbol's code, 0 where it does not occur. */
APART void make_lengths(TABLES sorting_t *s, TABLES const uint *counts, uint symbols, uint longest,
                        TABLES uchar *lengths) {
  uint used = sort_symbols(s, counts, symbols);
  for (uint i = 0; i < symbols; i++)
    lengths[i] = 0;
  for (uint i = 0; i < used; i++)
    s->spare[i] = s->keys[i] >> SYMBOL_BITS;
  count_lengths(s->spare, s->of_length, used, longest);
  fit_lengths(s->of_length, longest);
  uint at = 0;
  for (uint length = longest; length > 0; length--)
    for (uint i = 0; i < s->of_length[length]; i++) {
      lengths[s->keys[at] & ((1u << SYMBOL_BITS) - 1)] = (uchar)length;
      at++;
    }
}

/* The low `length` bits in reverse: codes go into the stream with their first bit lowest. */
INLINE uint reversed(uint code, uint length) {
  code = (code & 0x5555u) << 1 | (code >> 1 & 0x5555u);
  code = (code & 0x3333u) << 2 | (code >> 2 & 0x3333u);
  code = (code & 0x0F0Fu) << 4 | (code >> 4 & 0x0F0Fu);
  code = (code & 0x00FFu) << 8 | (code >> 8 & 0x00FFu);
  return code >> (16 - length);
}

/* A code, and in the low byte its length. */
#define CODE_SHIFT 8
#define CODE_LENGTH 255u

APART void make_codes(TABLES sorting_t *s, TABLES const uchar *lengths, uint symbols,
                      TABLES uint *codes) {
  for (uint i = 0; i <= LONGEST_CODE; i++)
    s->of_length[i] = 0;
  for (uint i = 0; i < symbols; i++)
    s->of_length[lengths[i]]++;
  s->of_length[0] = 0;
  uint code = 0;
  for (uint i = 1; i <= LONGEST_CODE; i++) {
    uint here = s->of_length[i];
    s->starts[i] = code;
    code = (code + here) << 1;
  }
  for (uint i = 0; i < symbols; i++) {
    uint length = lengths[i];
    codes[i] = length ? reversed(s->starts[length], length) << CODE_SHIFT | length : 0;
    s->starts[length]++;
  }
}

#endif
