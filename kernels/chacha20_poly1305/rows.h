/* Rows of ChaCha20-Poly1305 (RFC 8439 section 2.8), XChaCha20-Poly1305
 * (draft-irtf-cfrg-xchacha-03) and Poly1305, and their kernels. A row is a whole message.
 *
 * WIDTH rows make a group. What each needs once is made for all of them side by side: subkeys,
 * one-time keys, powers of r. Then every row has its text enciphered WIDTH blocks at once; what is
 * left of the rows' texts, less than WIDTH blocks each, shares passes.
 */
#ifndef FPGA_ACCEL_CHACHA20_POLY1305_ROWS_H
#define FPGA_ACCEL_CHACHA20_POLY1305_ROWS_H

#include "chacha.h"
#include "messages.h"
#include "poly1305.h"

#define PASS_BYTES (CHACHA_BLOCK * WIDTH)
/* Text is enciphered and summed in turns of so many bytes, which stay in the first cache. */
#define TURN_BYTES (16u << 10)

typedef enum { REFUSED, ENCRYPT, DECRYPT } way_t;

typedef struct {
  input_t src;
  output_t dst;
  uint size;
  uint aad_size;
  input_t aad;
  way_t way;
  bool tag_in_dst;
} row_t;

/* Word k of the row in lane i is in lane i of vector k. */
typedef struct {
  words_t key[KEY_WORDS];
  words_t nonce[NONCE_WORDS];
  words_t once[KEY_WORDS]; /* the one-time keys of Poly1305 */
  row_t row[WIDTH];
  powers_t powers[WIDTH];
  uint count;
} group_t;

INLINE uint word_at(private const words_t *words, uint k, uint i) {
  return ((private const uint *)words)[k * WIDTH + i];
}

INLINE void set_word(private words_t *words, uint k, uint i, uint value) {
  ((private uint *)words)[k * WIDTH + i] = value;
}

INLINE void put_words(private words_t *words, uint i, input_t from, uint count) {
  for (uint k = 0; k < count; k++)
    set_word(words, k, i, load4(from + 4 * k));
}

/* ---- what rows need once ---- */

/* The 20 rounds over all rows: their blocks, less the input that RFC 8439 adds at the end. */
INLINE void group_rounds(private words_t *x, private const words_t *key) {
  chacha_constants(x);
  UNROLLED
  for (uint k = 0; k < KEY_WORDS; k++)
    x[4 + k] = key[k];
  chacha_rounds(x);
}

/* HChaCha20: the draft, section 2.2. first: the first four words of the nonces. */
static void group_subkeys(private group_t *group, private const words_t *first) {
  words_t x[CHACHA_WORDS];
  UNROLLED
  for (uint k = 0; k < 4; k++)
    x[12 + k] = first[k];
  group_rounds(x, group->key);
  UNROLLED
  for (uint k = 0; k < 4; k++) {
    group->key[k] = x[k];
    group->key[4 + k] = x[12 + k];
  }
}

/* RFC 8439 section 2.6: of block 0 the first half. */
static void group_once(private group_t *group) {
  words_t x[CHACHA_WORDS];
  x[12] = (words_t)(0);
  UNROLLED
  for (uint k = 0; k < NONCE_WORDS; k++)
    x[13 + k] = group->nonce[k];
  group_rounds(x, group->key);
  words_t first[4];
  chacha_constants(first);
  UNROLLED
  for (uint k = 0; k < 4; k++) {
    group->once[k] = x[k] + first[k];
    group->once[4 + k] = x[4 + k] + group->key[k];
  }
}

INLINE ulong once_at(private const group_t *group, uint k, uint i) {
  return word_at(group->once, 2 * k, i) | (ulong)word_at(group->once, 2 * k + 1, i) << 32;
}

static void group_powers(private group_t *group) {
  for (uint first = 0; first < group->count; first += LANES) {
    lanes_t low, high;
    for (uint i = 0; i < LANES; i++) {
      ((private ulong *)&low)[i] = once_at(group, 0, first + i);
      ((private ulong *)&high)[i] = once_at(group, 1, first + i);
    }
    powers_set(group->powers + first, low, high);
  }
}

/* ---- text ---- */

/* Whole passes of one row's text; block: the number of the first. */
APART void text_passes(private const group_t *group, uint i, uint block, input_t src, output_t dst,
                       uint passes) {
  words_t counter = (words_t)(1 + block) + lane_numbers();
  for (; passes; passes--, counter += WIDTH, src += PASS_BYTES, dst += PASS_BYTES) {
    words_t x[CHACHA_WORDS], first[4];
    chacha_constants(x);
    UNROLLED
    for (uint k = 0; k < KEY_WORDS; k++)
      x[4 + k] = (words_t)(word_at(group->key, k, i));
    x[12] = counter;
    UNROLLED
    for (uint k = 0; k < NONCE_WORDS; k++)
      x[13 + k] = (words_t)(word_at(group->nonce, k, i));
    chacha_rounds(x);
    chacha_constants(first);
    UNROLLED
    for (uint k = 0; k < 4; k++)
      x[k] += first[k];
    UNROLLED
    for (uint k = 0; k < KEY_WORDS; k++)
      x[4 + k] += (words_t)(word_at(group->key, k, i));
    x[12] += counter;
    UNROLLED
    for (uint k = 0; k < NONCE_WORDS; k++)
      x[13 + k] += (words_t)(word_at(group->nonce, k, i));
    to_blocks(x);
    UNROLLED
    for (uint k = 0; k < CHACHA_WORDS; k++)
      words_store(dst + 4 * WIDTH * k, x[k] ^ words_load(src + 4 * WIDTH * k));
  }
}

/* Blocks of several rows that share a pass. */
typedef struct {
  words_t x[CHACHA_WORDS]; /* the input, then the key stream, block behind block */
  uint row[WIDTH];
  uint at[WIDTH]; /* where the block is in its row's text */
  uint count;
} pass_t;

static void add_block(private pass_t *pass, private const group_t *group, uint i, uint at) {
  uint lane = pass->count++;
  pass->row[lane] = i;
  pass->at[lane] = at;
  UNROLLED
  for (uint k = 0; k < KEY_WORDS; k++)
    set_word(pass->x, 4 + k, lane, word_at(group->key, k, i));
  set_word(pass->x, 12, lane, 1 + at / CHACHA_BLOCK);
  UNROLLED
  for (uint k = 0; k < NONCE_WORDS; k++)
    set_word(pass->x, 13 + k, lane, word_at(group->nonce, k, i));
}

INLINE void xor_block(output_t dst, input_t src, private const words_t *key, uint size) {
  if (size == CHACHA_BLOCK) {
    UNROLLED
    for (uint k = 0; k < CHACHA_WORDS / WIDTH; k++)
      words_store(dst + 4 * WIDTH * k, key[k] ^ words_load(src + 4 * WIDTH * k));
    return;
  }
private
  const uchar *bytes = (private const uchar *)key;
  uint at = 0;
  for (; size - at >= 8; at += 8)
    store8(dst + at, load8(src + at) ^ *(private const ulong *)(bytes + at));
  for (; at < size; at++)
    dst[at] = src[at] ^ bytes[at];
}

static void finish_pass(private pass_t *pass, private const group_t *group) {
  words_t x[CHACHA_WORDS];
  chacha_constants(pass->x);
  UNROLLED
  for (uint k = 0; k < CHACHA_WORDS; k++)
    x[k] = pass->x[k];
  chacha_rounds(x);
  UNROLLED
  for (uint k = 0; k < CHACHA_WORDS; k++)
    x[k] += pass->x[k];
  to_blocks(x);
  UNROLLED
  for (uint k = 0; k < CHACHA_WORDS; k++)
    pass->x[k] = x[k];
  for (uint lane = 0; lane < pass->count; lane++) {
  private
    const row_t *row = group->row + pass->row[lane];
    uint at = pass->at[lane];
    xor_block(row->dst + at, row->src + at, pass->x + lane * (CHACHA_WORDS / WIDTH),
              smaller(row->size - at, CHACHA_BLOCK));
  }
  pass->count = 0;
}

/* What no whole pass has taken of the rows that go one way. */
static void group_rests(private const group_t *group, way_t way) {
  pass_t pass;
  pass.count = 0;
  for (uint i = 0; i < group->count; i++) {
  private
    const row_t *row = group->row + i;
    if (row->way != way)
      continue;
    for (uint at = row->size / PASS_BYTES * PASS_BYTES; at < row->size; at += CHACHA_BLOCK) {
      add_block(&pass, group, i, at);
      if (pass.count == WIDTH)
        finish_pass(&pass, group);
    }
  }
  if (pass.count)
    finish_pass(&pass, group);
}

/* ---- rows ---- */

INLINE ulong poly_blocks(ulong size) { return size / POLY_BLOCK + (size % POLY_BLOCK != 0); }

/* The text is summed as ciphertext: written, or read before a row in place is overwritten. */
static ulong2 row_tag(private const group_t *group, uint i) {
private
  const row_t *row = group->row + i;
private
  const powers_t *powers = group->powers + i;
  poly_t poly;
  poly_begin(&poly, powers, poly_blocks(row->aad_size) + poly_blocks(row->size) + 1);
  if (row->aad_size)
    poly_data(&poly, row->aad, row->aad_size, false);
  for (uint at = 0; at < row->size;) {
    uint part = smaller(row->size - at, TURN_BYTES), block = at / CHACHA_BLOCK;
    if (row->way == DECRYPT)
      poly_data(&poly, row->src + at, part, false);
    text_passes(group, i, block, row->src + at, row->dst + at, part / PASS_BYTES);
    if (row->way == ENCRYPT)
      poly_data(&poly, row->dst + at, part, false);
    at += part;
  }
  poly_block(&poly, row->aad_size, row->size, 1);
  return poly_tag(&poly, powers, (ulong2)(once_at(group, 2, i), once_at(group, 3, i)));
}

static void finish_row(private const group_t *group, uint i, global result_t *result) {
private
  const row_t *row = group->row + i;
  ulong2 tag = row_tag(group, i);
  uint written = row->size;
  if (row->tag_in_dst) {
    store_tag(row->dst + row->size, tag);
    written += TAG_SIZE;
  }
  put_tag(result, written, STATUS_OK, tag);
}

/* A row that is refused leaves its lane as it was: what is made of it is not used. */
INLINE void aead_group(input_t src, output_t dst, global const segment_t *segments,
                       global result_t *results, input_t params, uint count, bool extended) {
  group_t group;
  words_t first[4];
  uint nonce_size = extended ? LONG_NONCE_SIZE : NONCE_SIZE;
  group.count = count;
  UNROLLED
  for (uint k = 0; k < KEY_WORDS; k++)
    group.key[k] = (words_t)(0);
  UNROLLED
  for (uint k = 0; k < NONCE_WORDS; k++)
    group.nonce[k] = (words_t)(0);
  UNROLLED
  for (uint k = 0; k < 4; k++)
    first[k] = (words_t)(0);
  for (uint i = 0; i < count; i++) {
    global const segment_t *segment = segments + i;
    global const keyed_params_t *record = (global const keyed_params_t *)(params + segment->param);
  private
    row_t *row = group.row + i;
    int status = aead_check(segment, record, nonce_size);
    row->way = REFUSED;
    if (status != STATUS_OK) {
      put_tag(results + i, 0, status, (ulong2)(0));
      continue;
    }
    row->way = segment->flags & KEYED_DECRYPT ? DECRYPT : ENCRYPT;
    row->tag_in_dst = tag_goes_to_dst(segment);
    row->src = src + segment->src;
    row->dst = dst + segment->dst;
    row->size = segment->src_size;
    row->aad = params + record->aad;
    row->aad_size = record->aad_size;
    put_words(group.key, i, params + record->key, KEY_WORDS);
    if (extended) {
      /* Nonce: four zero bytes, then the last eight of the long one. */
      put_words(first, i, params + record->nonce, 4);
      put_words(group.nonce + 1, i, params + record->nonce + 16, 2);
    } else {
      put_words(group.nonce, i, params + record->nonce, NONCE_WORDS);
    }
  }
  if (extended)
    group_subkeys(&group, first);
  group_once(&group);
  group_powers(&group);
  group_rests(&group, ENCRYPT);
  for (uint i = 0; i < count; i++) {
    if (group.row[i].way != REFUSED)
      finish_row(&group, i, results + i);
  }
  group_rests(&group, DECRYPT);
}

INLINE void aead_rows(input_t src, output_t dst, global const segment_t *segments,
                      global result_t *results, input_t params, uint count, bool extended) {
  uint end = abi_end(count);
  for (uint i = abi_first(count); i < end; i += WIDTH)
    aead_group(src, dst, segments + i, results + i, params, smaller(end - i, WIDTH), extended);
}

kernel void chacha20_poly1305(global const uchar *src, global uchar *dst,
                              global const segment_t *segments, global result_t *results,
                              global const uchar *params, uint count) {
  aead_rows(src, dst, segments, results, params, count, false);
}

kernel void xchacha20_poly1305(global const uchar *src, global uchar *dst,
                               global const segment_t *segments, global result_t *results,
                               global const uchar *params, uint count) {
  aead_rows(src, dst, segments, results, params, count, true);
}

/* ---- Poly1305 alone ---- */

static void mac_row(private const powers_t *powers, input_t key, input_t src, output_t dst,
                    uint size) {
  ulong2 pad = (ulong2)(load8(key + 16), load8(key + 24)), tag = pad;
  if (size) {
    poly_t poly;
    poly_begin(&poly, powers, poly_blocks(size));
    poly_data(&poly, src, size, true);
    tag = poly_tag(&poly, powers, pad);
  }
  store_tag(dst, tag);
}

kernel void poly1305(global const uchar *src, global uchar *dst, global const segment_t *segments,
                     global result_t *results, global const uchar *params, uint count) {
  powers_t powers[LANES];
  uint end = abi_end(count);
  for (uint first = abi_first(count); first < end; first += LANES) {
    uint rows = smaller(end - first, LANES);
    lanes_t low = all_lanes(0), high = all_lanes(0);
    for (uint i = 0; i < rows; i++) {
      global const segment_t *segment = segments + first + i;
      global const keyed_params_t *record =
          (global const keyed_params_t *)(params + segment->param);
      if (mac_check(segment, record) != STATUS_OK)
        continue;
      ((private ulong *)&low)[i] = load8(params + record->key);
      ((private ulong *)&high)[i] = load8(params + record->key + 8);
    }
    powers_set(powers, low, high);
    for (uint i = 0; i < rows; i++) {
      global const segment_t *segment = segments + first + i;
      global const keyed_params_t *record =
          (global const keyed_params_t *)(params + segment->param);
      int status = mac_check(segment, record);
      if (status == STATUS_OK)
        mac_row(powers + i, params + record->key, src + segment->src, dst + segment->dst,
                segment->src_size);
      put_tag(results + first + i, status == STATUS_OK ? TAG_SIZE : 0, status, (ulong2)(0));
    }
  }
}

#endif
