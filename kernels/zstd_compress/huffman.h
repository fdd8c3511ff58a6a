/* The literals section: raw, RLE or Huffman-coded (RFC 8878 sections 3.1.1.3.1 and 4.2). */
#ifndef ZSTD_HUFFMAN_H
#define ZSTD_HUFFMAN_H

#include "fse.h"

#define HUFFMAN_LOG 11u   /* the longest code that the format has */
#define WEIGHT_LOG 6u     /* the same of the tables for weights */
#define WEIGHTS 12u       /* 0 to 11 */
#define DIRECT_MOST 128u  /* weights in a description of 4 bits each */
#define HEADER_DIRECT 127 /* what the byte before such adds to their number */
#define STREAMS_FROM 256u /* literals that are worth four streams */
#define STREAMS 4u
#define JUMP_TABLE 6u
#define LITERALS_WORTH 32u /* fewer are never smaller with a table */

#define LITERALS_RAW 0u
#define LITERALS_RLE 1u
#define LITERALS_HUFFMAN 2u

typedef struct {
  uint counts[STREAMS][256]; /* of each stream; [0]: of all, where there is one */
  uint codes[256];           /* the code, and in the lowest 8 bits its length, 0: none */
  uint keys[256];            /* symbols that occur by their counts: count << 8 | symbol */
  uint weights[2 * 256];     /* of a tree's leaves, ascending, and inner nodes behind them */
  ushort parents[2 * 256];
  uint lengths[HUFFMAN_LOG + 1]; /* how many codes are of each length */
  uchar listed[256];             /* the weights of a description */
  uint weight_counts[WEIGHTS];
  short weight_normal[WEIGHTS];
  uint total, last, longest; /* symbols that occur, the highest one, and bits of the longest code */
} huffman_t;

/* Counts literals by the streams that they will be in. Returns the most frequent one's count. */
APART uint count_literals(STORE huffman_t *h, STORE const uchar *literals, uint size,
                          uint streams) {
  for (uint k = 0; k < STREAMS; k++)
    for (uint s = 0; s < 256; s++)
      h->counts[k][s] = 0;
  uint part = (size + streams - 1) / streams, most = 0;
  if (streams == 1) {
    for (uint i = 0; i < size; i++)
      h->counts[0][literals[i]]++;
  } else {
    uint rest = size - 3 * part; /* of the last stream, the shortest */
    for (uint i = 0; i < rest; i++)
#pragma unroll
      for (uint k = 0; k < STREAMS; k++)
        h->counts[k][literals[k * part + i]]++;
    for (uint i = rest; i < part; i++)
      for (uint k = 0; k < STREAMS - 1; k++)
        h->counts[k][literals[k * part + i]]++;
  }
  h->total = h->last = 0;
  for (uint s = 0; s < 256; s++) {
    uint n = h->counts[0][s] + h->counts[1][s] + h->counts[2][s] + h->counts[3][s];
    if (!n)
      continue;
    h->keys[h->total++] = n << 8 | s;
    h->last = s;
    most = n > most ? n : most;
  }
  return most;
}

/* One pass of a radix sort. */
static void sort_by_byte(STORE uint *to, STORE const uint *from, uint total, uint shift) {
  ushort starts[256];
  for (uint i = 0; i < 256; i++)
    starts[i] = 0;
  for (uint i = 0; i < total; i++)
    starts[from[i] >> shift & 255]++;
  uint sum = 0;
  for (uint i = 0; i < 256; i++) {
    uint n = starts[i];
    starts[i] = (ushort)sum;
    sum += n;
  }
  for (uint i = 0; i < total; i++)
    to[starts[from[i] >> shift & 255]++] = from[i];
}

/* Ascending; they come in the order of symbols, and counts are of 16 bits. */
static void sort_keys(STORE huffman_t *h) {
  sort_by_byte(h->weights, h->keys, h->total, 8);
  sort_by_byte(h->keys, h->weights, h->total, 16);
}

/* Huffman's tree by two ascending queues, leaves and inner nodes. Leaves how many codes have each
 * length in `lengths`, longer ones as of the longest. Returns by how much they exceed what there
 * is, in codes of the longest. */
static int count_lengths(STORE huffman_t *h) {
  uint total = h->total, leaf = 0, inner = total, nodes = 2 * total - 1;
  for (uint i = 0; i < total; i++)
    h->weights[i] = h->keys[i] >> 8;
  for (uint node = total; node < nodes; node++) {
    uint sum = 0;
    for (uint k = 0; k < 2; k++) {
      int from_leaves = leaf < total && (inner == node || h->weights[leaf] <= h->weights[inner]);
      uint child = from_leaves ? leaf++ : inner++;
      sum += h->weights[child];
      h->parents[child] = (ushort)node;
    }
    h->weights[node] = sum;
  }
  for (uint i = 0; i <= HUFFMAN_LOG; i++)
    h->lengths[i] = 0;
  int excess = -(1 << HUFFMAN_LOG);
  /* From here on weights are depths. */
  h->weights[nodes - 1] = 0;
  for (uint node = nodes - 1; node--;) {
    uint depth = h->weights[h->parents[node]] + 1;
    h->weights[node] = depth;
    if (node >= total)
      continue;
    depth = smaller(depth, HUFFMAN_LOG);
    h->lengths[depth]++;
    excess += 1 << (HUFFMAN_LOG - depth);
  }
  return excess;
}

/* Gives every symbol that occurs a code of at most HUFFMAN_LOG bits; there are two at least. */
APART void make_codes(STORE huffman_t *h) {
  sort_keys(h);
  /* A code one bit longer, whose place a code of the longest shares: one too many less. */
  for (int excess = count_lengths(h); excess > 0; excess--) {
    uint length = HUFFMAN_LOG - 1;
    while (!h->lengths[length])
      length--;
    h->lengths[length]--;
    h->lengths[length + 1] += 2;
    h->lengths[HUFFMAN_LOG]--;
  }
  for (uint s = 0; s < 256; s++)
    h->codes[s] = 0;
  uint next[HUFFMAN_LOG + 1], code = 0, at = 0;
  h->longest = 0;
  for (uint length = HUFFMAN_LOG; length; length--) {
    if (h->lengths[length] && !h->longest)
      h->longest = length;
    for (uint i = 0; i < h->lengths[length]; i++)
      h->codes[h->keys[at++] & 255] = length;
    next[length] = code;
    code = (code + h->lengths[length]) >> 1;
  }
  for (uint s = 0; s <= h->last; s++) {
    uint length = h->codes[s];
    if (length)
      h->codes[s] = next[length]++ << 8 | length;
  }
}

/* Weights by two states in turns, as decoders take them. Returns where they end. */
APART output_t put_weights(output_t op, STORE huffman_t *h, STORE fse_t *table, uint log) {
  bits_t b;
  build_fse(table, h->weight_normal, WEIGHTS, log);
  start_bits(&b, put_normal(op, h->weight_normal, log));
  uint states[2], at = h->last;
  for (uint k = 0; k < 2; k++) {
    at--;
    states[at & 1] = first_state(table, h->listed[at]);
  }
  while (at--) {
    states[at & 1] = put_symbol(&b, table, states[at & 1], h->listed[at]);
    flush_bits(&b);
  }
  add_bits(&b, states[1] & ((1u << log) - 1), log);
  add_bits(&b, states[0] & ((1u << log) - 1), log);
  return end_stream(&b);
}

/* The tree's description, at most 129 bytes. Returns where it ends, op where it has none. */
APART output_t put_tree(output_t op, STORE huffman_t *h, STORE fse_t *table) {
  uint kinds = 0, listed = h->last; /* the last weight follows from the others */
  for (uint w = 0; w < WEIGHTS; w++)
    h->weight_counts[w] = 0;
  for (uint s = 0; s < listed; s++) {
    uint length = h->codes[s] & 255;
    uchar weight = (uchar)(length ? h->longest + 1 - length : 0);
    h->listed[s] = weight;
    kinds += !h->weight_counts[weight]++;
  }
  if (kinds > 1 && listed > 2) {
    uint log = fse_log(listed, WEIGHTS, WEIGHT_LOG);
    normalise(h->weight_counts, WEIGHTS, listed, log, h->weight_normal);
    output_t end = put_weights(op + 1, h, table, log);
    uint size = (uint)(end - op) - 1;
    if (size < HEADER_DIRECT && (listed > DIRECT_MOST || size < (listed + 1) / 2)) {
      *op = (uchar)size;
      return end;
    }
  }
  if (listed > DIRECT_MOST)
    return op;
  *op++ = (uchar)(HEADER_DIRECT + listed);
  for (uint s = 0; s < listed; s += 2)
    *op++ = (uchar)(h->listed[s] << 4 | (s + 1 < listed ? h->listed[s + 1] : 0));
  return op;
}

/* Bytes of a stream, with the bit that ends it. */
static uint stream_bytes(STORE const huffman_t *h, STORE const uint *counts) {
  uint bits = 1;
  for (uint s = 0; s <= h->last; s++)
    bits += counts[s] * (h->codes[s] & 255);
  return (bits + 7) / 8;
}

INLINE void add_code(private bits_t *b, STORE const uint *codes, uchar literal) {
  uint code = codes[literal];
  add_bits(b, code >> 8, code & 255);
}

/* The last literal comes first. */
static output_t put_stream(output_t op, STORE const uint *codes, STORE const uchar *literals,
                           uint size) {
  bits_t b;
  start_bits(&b, op);
  for (; size >= 5; size -= 5) {
#pragma unroll
    for (uint k = 1; k <= 5; k++)
      add_code(&b, codes, literals[size - k]);
    flush_bits(&b);
  }
  while (size)
    add_code(&b, codes, literals[--size]);
  return end_stream(&b);
}

/* A header of literals that are not coded. */
static output_t put_plain_header(output_t op, uint type, uint size) {
  if (size < 32) {
    *op = (uchar)(type | size << 3);
    return op + 1;
  }
  if (size < 4096) {
    store2(op, type | 1u << 2 | size << 4);
    return op + 2;
  }
  store4(op, type | 3u << 2 | size << 4);
  return op + 3;
}

/* The header of coded ones takes 3 bytes for sizes of 10 bits, 4 for 14 and 5 for 18. */
INLINE uint coded_header_bytes(uint size) { return 3 + (size >> 10 != 0) + (size >> 14 != 0); }

static void put_coded_header(output_t op, uint streams, uint size, uint coded) {
  uint bytes = coded_header_bytes(size), width = 4 * bytes - 2;
  ulong format = bytes == 3 ? streams == STREAMS : bytes - 2;
  ulong header = LITERALS_HUFFMAN | format << 2 | (ulong)size << 4 | (ulong)coded << (4 + width);
  for (uint i = 0; i < bytes; i++)
    op[i] = (uchar)(header >> 8 * i);
}

/* Returns where the coded literals end; op where that would be no smaller than they are. */
static output_t put_coded(output_t op, STORE huffman_t *h, STORE fse_t *table,
                          STORE const uchar *literals, uint size, uint streams) {
  make_codes(h);
  output_t body = op + coded_header_bytes(size), tree = put_tree(body, h, table);
  uint bytes = (uint)(tree - op) + (streams == STREAMS ? JUMP_TABLE : 0), sizes[STREAMS];
  for (uint k = 0; k < streams; k++)
    bytes += sizes[k] = stream_bytes(h, h->counts[k]);
  if (tree == body || bytes >= size)
    return op;
  put_coded_header(op, streams, size, bytes - (uint)(body - op));
  op = tree;
  for (uint k = 0; streams == STREAMS && k < STREAMS - 1; k++, op += 2)
    store2(op, sizes[k]);
  uint part = (size + streams - 1) / streams;
  for (uint k = 0; k < streams; k++)
    op = put_stream(op, h->codes, literals + k * part, smaller(part, size - k * part));
  return op;
}

static void put_bytes(output_t op, STORE const uchar *from, uint size) {
  for (uint i = 0; i < size; i++)
    op[i] = from[i];
}

/* The literals section; returns where it ends. At most 3 bytes more than the literals. */
APART output_t put_literals(output_t op, STORE huffman_t *h, STORE fse_t *table,
                            STORE const uchar *literals, uint size) {
  uint streams = size < STREAMS_FROM ? 1 : STREAMS;
  if (size >= 4) {
    uint most = count_literals(h, literals, size, streams);
    if (most == size) {
      op = put_plain_header(op, LITERALS_RLE, size);
      *op = literals[0];
      return op + 1;
    }
    /* Nearly equal counts cannot be coded in less. */
    if (size >= LITERALS_WORTH && most > (size >> 7) + 4) {
      output_t end = put_coded(op, h, table, literals, size, streams);
      if (end != op)
        return end;
    }
  }
  op = put_plain_header(op, LITERALS_RAW, size);
  put_bytes(op, literals, size);
  return op + size;
}

#endif
