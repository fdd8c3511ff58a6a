/* BLAKE3 (hash mode) over lanes of messages, and its kernel. Section numbers are those of the
 * BLAKE3 paper, version 2020-01-09. */
#ifndef FPGA_ACCEL_BLAKE3_H
#define FPGA_ACCEL_BLAKE3_H

#define WORD_BITS 32
#include "lane_texts.h"
#include "params.h"

#define CV_WORDS 8 /* of a chaining value */
#define CV_BYTES (CV_WORDS * WORD_BYTES)
#define STATE_WORDS 16
#define BLOCK_WORDS 16
#define BLOCK_BYTES (BLOCK_WORDS * WORD_BYTES)
#define CHUNK_BYTES 1024
/* Chaining values that wait for their right neighbour: rows have less than 2^32 bytes, so less than
 * 2^27 chaining values to join. */
#define LEVELS 27

/* Section 2.2, tables 1 and 3. */
constant const word_t INITIAL[CV_WORDS] = {0x6A09E667U, 0xBB67AE85U, 0x3C6EF372U, 0xA54FF53AU,
                                           0x510E527FU, 0x9B05688CU, 0x1F83D9ABU, 0x5BE0CD19U};
/* Table 2. Rounds are written out, so that words of a block have known places; ROLLED makes them a
 * loop, for compilers that put functions into their callers and then take long. */
constant const uchar ORDER[BLOCK_WORDS] = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};
#define CHUNK_START 1u
#define CHUNK_END 2u
#define PARENT 4u
#define ROOT 8u

#define MIX(w, a, b, c, d, x, y)                                                                   \
  v##a = v##a + w[x] + v##b;                                                                       \
  v##d = rotate_right(v##d ^ v##a, 16);                                                            \
  v##c += v##d;                                                                                    \
  v##b = rotate_right(v##b ^ v##c, 12);                                                            \
  v##a = v##a + w[y] + v##b;                                                                       \
  v##d = rotate_right(v##d ^ v##a, 8);                                                             \
  v##c += v##d;                                                                                    \
  v##b = rotate_right(v##b ^ v##c, 7);

/* The words of a block in the order of a round: table 2, applied once more each round. */
#define ROUND(w, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15)             \
  MIX(w, 0, 4, 8, 12, s0, s1)                                                                      \
  MIX(w, 1, 5, 9, 13, s2, s3)                                                                      \
  MIX(w, 2, 6, 10, 14, s4, s5)                                                                     \
  MIX(w, 3, 7, 11, 15, s6, s7)                                                                     \
  MIX(w, 0, 5, 10, 15, s8, s9)                                                                     \
  MIX(w, 1, 6, 11, 12, s10, s11)                                                                   \
  MIX(w, 2, 7, 8, 13, s12, s13)                                                                    \
  MIX(w, 3, 4, 9, 14, s14, s15)

#define START(i) words_t v##i = state[i];
#define START_CONSTANT(i, from) words_t v##i = (words_t)(INITIAL[from]);
/* The second half, which only the root's output has, uses the first before that is replaced. */
#define FINISH(i, other)                                                                           \
  state[other] = v##other ^ state[i];                                                              \
  state[i] = v##i ^ v##other;

/* What distinguishes one compression from the next, besides its block. */
typedef struct {
  words_t low; /* number of the chunk, or of the block of output */
  words_t high;
  words_t length; /* bytes of the block */
  words_t flags;
} place_t;

/* One block of every lane; `state` begins with the chaining values and holds 16 words after. */
APART void compress(private words_t *state, private const words_t *w,
                    private const place_t *place) {
  START(0)
  START(1)
  START(2)
  START(3)
  START(4)
  START(5)
  START(6)
  START(7)
  START_CONSTANT(8, 0)
  START_CONSTANT(9, 1)
  START_CONSTANT(10, 2)
  START_CONSTANT(11, 3)
  words_t v12 = place->low, v13 = place->high, v14 = place->length, v15 = place->flags;
#ifdef ROLLED
  words_t m[BLOCK_WORDS];
  for (uint i = 0; i < BLOCK_WORDS; i++)
    m[i] = w[i];
#pragma unroll 1
  for (uint round = 0; round < 7; round++) {
    words_t before[BLOCK_WORDS];
    ROUND(m, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    for (uint i = 0; i < BLOCK_WORDS; i++)
      before[i] = m[i];
    for (uint i = 0; i < BLOCK_WORDS; i++)
      m[i] = before[ORDER[i]];
  }
#else
  ROUND(w, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  ROUND(w, 2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
  ROUND(w, 3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1)
  ROUND(w, 10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6)
  ROUND(w, 12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4)
  ROUND(w, 9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7)
  ROUND(w, 11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13)
#endif
  FINISH(0, 8)
  FINISH(1, 9)
  FINISH(2, 10)
  FINISH(3, 11)
  FINISH(4, 12)
  FINISH(5, 13)
  FINISH(6, 14)
  FINISH(7, 15)
}

#define SAME(word) (words_t)((word_t)(word))

INLINE void copy_words(private words_t *to, private const words_t *from, const uint count) {
  UNROLL
  for (uint i = 0; i < count; i++)
    to[i] = from[i];
}

INLINE void state_begin(private words_t *state) {
  UNROLL
  for (uint i = 0; i < CV_WORDS; i++)
    state[i] = SAME(INITIAL[i]);
}

/* ---- trees ---- */

/* A node of which the compression is put off, as only that of the root sets the flag ROOT. */
typedef struct {
  words_t state[STATE_WORDS];
  words_t w[BLOCK_WORDS];
  place_t place;
} node_t;

/* The rows of a group as they are worked on. `stack` has the roots of whole subtrees, each larger
 * than the next; it is the same for all lanes that have not ended, as it depends on the number of
 * chunks alone. */
typedef struct {
  texts_t texts;
  words_t low; /* number of the first chunk */
  words_t high;
  bool active[WORD_LANES]; /* its output is to be written */
  bool is_root[WORD_LANES];
  uint wanted[WORD_LANES]; /* bytes of output */
  ulong dst[WORD_LANES];
  uint depth;
  words_t stack[LEVELS][CV_WORDS];
} tree_t;

static inline void make_parent(private node_t *node, private const words_t *left,
                               private const words_t *right) {
  words_t kept[CV_WORDS]; /* right may lie in the node */
  copy_words(kept, right, CV_WORDS);
  copy_words(node->w, left, CV_WORDS);
  copy_words(node->w + CV_WORDS, kept, CV_WORDS);
  state_begin(node->state);
  node->place.low = SAME(0);
  node->place.high = SAME(0);
  node->place.length = SAME(BLOCK_BYTES);
  node->place.flags = SAME(PARENT);
}

/* Adds the chaining values of leaf `number`, behind which another leaf follows. */
static void push(private tree_t *tree, uint number, private const words_t *value) {
  node_t node;
  copy_words(node.state, value, CV_WORDS);
  for (uint rest = number; rest & 1; rest >>= 1) {
    tree->depth--;
    make_parent(&node, tree->stack[tree->depth], node.state);
    compress(node.state, node.w, &node.place);
  }
  copy_words(tree->stack[tree->depth], node.state, CV_WORDS);
  tree->depth++;
}

/* Ends the trees of the lanes of `ends` whose last node is `node`: joins it with what waits, and
 * writes the output of the root, or the chaining value of a subtree. */
static void finish(private const tree_t *tree, private node_t *node, private const bool *ends,
                   global uchar *dst) {
  for (uint level = tree->depth; level > 0; level--) {
    compress(node->state, node->w, &node->place);
    make_parent(node, tree->stack[level - 1], node->state);
  }
  words_t root;
  for (uint lane = 0; lane < WORD_LANES; lane++)
    set_lane(&root, lane, tree->is_root[lane] ? ~(word_t)0 : (word_t)0);
  place_t place = node->place;
  place.flags |= root & ROOT;
  bool more = true;
  for (ulong at = 0; more; at += BLOCK_BYTES) {
    words_t output[STATE_WORDS];
    ulong number = at / BLOCK_BYTES;
    place.low = words_choose(root, SAME(number), node->place.low);
    place.high = words_choose(root, SAME(number >> 32), node->place.high);
    copy_words(output, node->state, CV_WORDS);
    compress(output, node->w, &place);
    more = false;
    for (uint lane = 0; lane < WORD_LANES; lane++) {
      uint wanted = tree->wanted[lane];
      if (!ends[lane] || !tree->active[lane] || wanted <= at)
        continue;
      ulong left = wanted - at;
      write_words(output, lane, dst + tree->dst[lane] + at,
                  left < BLOCK_BYTES ? (uint)left : BLOCK_BYTES);
      more = more || left > BLOCK_BYTES;
    }
  }
}

/* ---- chunks ---- */

static inline void place_chunk(private const tree_t *tree, uint chunk, private place_t *place) {
  place->low = tree->low + SAME(chunk);
  place->high = tree->high;
  place->length = SAME(BLOCK_BYTES);
  place->flags = SAME(0);
}

/* A chunk that no message ends with. */
static inline void take_chunk(private tree_t *tree, global const uchar *src, uint chunk) {
  words_t w[BLOCK_WORDS], state[STATE_WORDS];
  place_t place;
  place_chunk(tree, chunk, &place);
  state_begin(state);
  for (uint at = 0; at < CHUNK_BYTES; at += BLOCK_BYTES) {
    load_whole(&tree->texts, src, (ulong)chunk * CHUNK_BYTES + at, BLOCK_WORDS, w);
    place.flags =
        SAME((at == 0 ? CHUNK_START : 0) | (at + BLOCK_BYTES == CHUNK_BYTES ? CHUNK_END : 0));
    compress(state, w, &place);
  }
  push(tree, chunk, state);
}

/* Bytes that a message of `size` has of a chunk. */
static inline uint chunk_part(uint size, uint chunk) {
  ulong at = (ulong)chunk * CHUNK_BYTES;
  ulong left = size > at ? size - at : 0;
  return left < CHUNK_BYTES ? (uint)left : CHUNK_BYTES;
}

/* The chunk that is the last of some messages, and which others may not have. */
static void take_last_chunk(private tree_t *tree, global const uchar *src, global uchar *dst,
                            uint chunk) {
  node_t node;
  words_t w[BLOCK_WORDS];
  bool ends[WORD_LANES], any_ends = false, any_more = false;
  uint last[WORD_LANES], most = 0;
  place_t place;
  place_chunk(tree, chunk, &place);
  node.place = place;
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    uint size = tree->texts.size[lane], part = chunk_part(size, chunk);
    bool begun = chunk == 0 || part > 0;
    bool more = size > ((ulong)chunk + 1) * CHUNK_BYTES;
    ends[lane] = begun && !more;
    any_ends = any_ends || ends[lane];
    any_more = any_more || more;
    last[lane] = part > 0 ? (part - 1) / BLOCK_BYTES : 0;
    most = last[lane] > most ? last[lane] : most;
    set_lane(&node.place.length, lane, part - last[lane] * BLOCK_BYTES);
    set_lane(&node.place.flags, lane, (last[lane] == 0 ? CHUNK_START : 0) | CHUNK_END);
  }
  state_begin(node.state);
  for (uint block = 0; block <= most; block++) {
    ulong at = (ulong)chunk * CHUNK_BYTES + block * BLOCK_BYTES;
    words_t is_last, before;
    bool any_last = false, any_before = false, all_before = true;
    for (uint lane = 0; lane < WORD_LANES; lane++) {
      set_lane(&is_last, lane, block == last[lane] ? ~(word_t)0 : (word_t)0);
      set_lane(&before, lane, block < last[lane] ? ~(word_t)0 : (word_t)0);
      any_last = any_last || block == last[lane];
      any_before = any_before || block < last[lane];
      all_before = all_before && block < last[lane];
    }
    if (at + BLOCK_BYTES <= tree->texts.least)
      load_whole(&tree->texts, src, at, BLOCK_WORDS, w);
    else
      load_any(&tree->texts, src, at, BLOCK_WORDS, w);
    if (any_last)
      for (uint i = 0; i < BLOCK_WORDS; i++)
        node.w[i] = words_choose(is_last, w[i], node.w[i]);
    place.flags = SAME(block == 0 ? CHUNK_START : 0);
    if (all_before) {
      compress(node.state, w, &place);
    } else if (any_before) {
      words_t next[STATE_WORDS];
      copy_words(next, node.state, CV_WORDS);
      compress(next, w, &place);
      for (uint i = 0; i < CV_WORDS; i++)
        node.state[i] = words_choose(before, next[i], node.state[i]);
    }
  }
  node_t kept = node;
  if (any_ends)
    finish(tree, &node, ends, dst);
  if (any_more) {
    compress(kept.state, kept.w, &kept.place);
    push(tree, chunk, kept.state);
  }
}

static inline void hash_group(private tree_t *tree, global const uchar *src, global uchar *dst) {
  uint least = tree->texts.least, most = tree->texts.most, chunk = 0;
  uint whole = least > 0 ? (least - 1) / CHUNK_BYTES : 0;
  uint last = most > 0 ? (most - 1) / CHUNK_BYTES : 0;
  tree->depth = 0;
  for (; chunk < whole; chunk++)
    take_chunk(tree, src, chunk);
  for (; chunk <= last; chunk++)
    take_last_chunk(tree, src, dst, chunk);
}

/* ---- chaining values of rows before ---- */

static inline void join_group(private tree_t *tree, global const uchar *src, global uchar *dst) {
  uint leaves = tree->texts.most / CV_BYTES;
  tree->depth = 0;
  for (uint leaf = 0; leaf < leaves; leaf++) {
    words_t value[CV_WORDS];
    bool ends[WORD_LANES], any_ends = false;
    for (uint lane = 0; lane < WORD_LANES; lane++) {
      ends[lane] = leaf + 1 == tree->texts.size[lane] / CV_BYTES;
      any_ends = any_ends || ends[lane];
    }
    load_any(&tree->texts, src, (ulong)leaf * CV_BYTES, CV_WORDS, value);
    if (any_ends) {
      node_t node;
      /* There are two values at least, so one waits; it is put back for lanes that go on. */
      tree->depth--;
      make_parent(&node, tree->stack[tree->depth], value);
      finish(tree, &node, ends, dst);
      tree->depth++;
    }
    if (leaf + 1 < leaves)
      push(tree, leaf, value);
  }
}

/* ---- rows ---- */

static inline int tree_status(global const segment_t *segment,
                              global const blake3_params_t *record) {
  uint size = segment->src_size;
  if (record->kind > BLAKE3_JOIN)
    return STATUS_BAD_PARAM;
  if (record->kind == BLAKE3_SUBTREE) {
    /* The numbers of its chunks do not pass 2^32; it is no empty one, and gives a chaining value.
     */
    bool passes = ~(uint)record->first < size / CHUNK_BYTES;
    if (passes || size == 0 || segment->flags != CV_BYTES)
      return STATUS_BAD_PARAM;
  }
  if (record->kind == BLAKE3_JOIN && (size % CV_BYTES != 0 || size < 2 * CV_BYTES))
    return STATUS_BAD_DATA;
  return row_status(segment, segment->flags);
}

/* Takes the rows of a group that are of the kind, or are not, to be joined. The other lanes repeat
 * one of them. Tells whether there is any. */
static bool take_rows(private tree_t *tree, bool joined, uint group,
                      global const segment_t *segments, global const uchar *params, uint count) {
  bool mine[WORD_LANES];
  uint some = WORD_LANES;
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    global const segment_t *segment = segments + row_in_group(group, lane, count);
    global const blake3_params_t *record =
        (global const blake3_params_t *)(params + segment->param);
    mine[lane] =
        (record->kind == BLAKE3_JOIN) == joined && tree_status(segment, record) == STATUS_OK;
    some = mine[lane] ? lane : some;
  }
  if (some == WORD_LANES)
    return false;
private
  texts_t *texts = &tree->texts;
  texts->least = ~0u;
  texts->most = 0;
  for (uint lane = 0; lane < WORD_LANES; lane++) {
    uint from = mine[lane] ? lane : some;
    global const segment_t *segment = segments + row_in_group(group, from, count);
    global const blake3_params_t *record =
        (global const blake3_params_t *)(params + segment->param);
    uint size = segment->src_size;
    texts->src[lane] = segment->src;
    texts->size[lane] = size;
    texts->least = size < texts->least ? size : texts->least;
    texts->most = size > texts->most ? size : texts->most;
    ulong first = record->kind == BLAKE3_SUBTREE ? record->first : 0;
    set_lane(&tree->low, lane, (word_t)first);
    set_lane(&tree->high, lane, (word_t)(first >> 32));
    tree->is_root[lane] = record->kind != BLAKE3_SUBTREE;
    tree->active[lane] = mine[lane] && group * WORD_LANES + lane < count;
    tree->wanted[lane] = segment->flags;
    tree->dst[lane] = segment->dst;
  }
  return true;
}

LANES_ATTRIBUTES kernel void blake3(LANES_ARGUMENTS) {
  uint groups = groups_of(count), end = groups_end(groups);
  for (uint group = groups_first(groups); group < end; group++) {
    tree_t tree;
    if (take_rows(&tree, false, group, segments, params, count))
      hash_group(&tree, src, dst);
    if (take_rows(&tree, true, group, segments, params, count))
      join_group(&tree, src, dst);
    for (uint lane = 0; lane < WORD_LANES && group * WORD_LANES + lane < count; lane++) {
      uint row = group * WORD_LANES + lane;
      global const segment_t *segment = segments + row;
      int status = tree_status(segment, (global const blake3_params_t *)(params + segment->param));
      write_status(results + row, status, segment->flags);
    }
  }
}

#endif
