/* The writer: codes of a block, and its tokens as bits. */
#ifndef DEFLATE_FPGA_PUT_H
#define DEFLATE_FPGA_PUT_H

#include "fpga_count.h"
#include "fpga_encoder.h"

typedef struct {
  encoder_t bytes;
  ulong bits; /* what waits for a whole byte, the first bit lowest */
  uint bit_count;
} packer_t;

static void start_packer(private packer_t *p, segment_t row, global const uchar *src,
                         global uchar *dst) {
  start_encoder(&p->bytes, row, src, dst);
  p->bytes.literals += row.param;
  p->bits = 0;
  p->bit_count = 0;
}

/* Adds the whole bytes of at most 56 bits; at most 7 bits stay. */
INLINE void add_whole_bytes(private packer_t *p) {
  encoder_t *e = &p->bytes;
  ((private unaligned8_t *)(e->bytes + e->fill))->value = p->bits;
  add(e, p->bit_count >> 3);
  p->bits >>= p->bit_count & 56;
  p->bit_count &= 7;
}

INLINE void pack_bits(private packer_t *p, uint value, uint count) {
  p->bits |= (ulong)value << p->bit_count;
  p->bit_count += count;
  add_whole_bytes(p);
}

INLINE void pack_code(private packer_t *p, uint code) {
  add_code(&p->bits, &p->bit_count, code);
  add_whole_bytes(p);
}

INLINE void pack_to_byte(private packer_t *p) { pack_bits(p, 0, (8 - p->bit_count) % 8); }

/* The next `size` bytes of content. */
static void pack_stored(private packer_t *p, uint size, uint final) {
  do {
    uint part = smaller(size, STORED_MOST);
    size -= part;
    pack_bits(p, (size ? 0 : final) | TYPE_STORED << 1, 3);
    pack_to_byte(p);
    pack_bits(p, part | (part ^ 0xFFFFu) << 16, 32);
    while (part)
      part = add_some_literals(&p->bytes, part);
  } while (size);
}

static void pack_dynamic_header(private packer_t *p, local coder_t *c) {
  uint pieces = header_pieces(c);
  for (uint i = 0; i < pieces; i++) {
    piece_t piece = header_piece(c, i, pieces);
    pack_bits(p, (uint)piece.bits, piece.count);
  }
}

/* Writes what is in front of a block's codes; true. A block that is smaller stored is written as
 * that, and one that does not fit not at all; false. */
static int begin_block(private packer_t *p, local coder_t *c, block_t block, uint final) {
  ulong header = make_dynamic(c);
  ulong2 coded = coded_bits(c);
  ulong own = header + coded.x, stored = stored_bytes(block.size), room = room_of(&p->bytes);
  uint dynamic = own < coded.y;
  ulong bytes = (p->bit_count + 3 + (dynamic ? own : coded.y) + block.extra + 7) / 8;
  if (!p->bytes.fits)
    return 0;
  if ((bytes >= stored) | (bytes > room)) {
    p->bytes.fits = stored <= room;
    if (p->bytes.fits)
      pack_stored(p, block.size, final);
    return 0;
  }
  pack_bits(p, final | (dynamic ? TYPE_DYNAMIC : TYPE_FIXED) << 1, 3);
  if (dynamic)
    pack_dynamic_header(p, c);
  else
    set_fixed_lengths(c);
  make_all_codes(c);
  return 1;
}

/* The next literal of a sequence, or its match. */
INLINE void pack_token(private packer_t *p, local const coder_t *c, private sequence_t *s) {
  if (s->literals) {
    add_code(&p->bits, &p->bit_count, c->literal_codes[*p->bytes.literals]);
    p->bytes.literals++;
    s->literals--;
  } else {
    uint extra = distance_extra(s->distance), low = s->distance & ((1u << extra) - 1);
    add_code(&p->bits, &p->bit_count, c->match_codes[s->length - MIN_LENGTH]);
    add_code(&p->bits, &p->bit_count, c->distance_codes[distance_symbol(s->distance)]);
    p->bits |= (ulong)low << p->bit_count;
    p->bit_count += extra;
    p->bytes.literals += s->length;
    s->length = 0;
  }
  add_whole_bytes(p);
}

/* Ends the row at a byte. */
static void end_packer(private packer_t *p, segment_t row, global result_t *result) {
  encoder_t *e = &p->bytes;
  uint final = row.flags & DEFLATE_FINAL;
  uint needed = final ? p->bit_count != 0 : STORED_HEADER + 1 + (p->bit_count > 5);
  e->fits = e->fits && needed <= room_of(e);
  if (e->fits && !final)
    pack_stored(p, 0, 0);
  if (e->fits)
    pack_to_byte(p);
  int status = end_encoder(e, 0);
  put_result(result, size_of(e), status, 0);
}

#endif
