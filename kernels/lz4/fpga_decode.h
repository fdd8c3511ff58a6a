/* The decompressor's core: fields of sequences, and blocks of a row. */
#ifndef LZ4_FPGA_DECODE_H
#define LZ4_FPGA_DECODE_H

#include "compress.h"
#include "fpga_decoder.h"
#include "fpga_feed.h"

typedef enum { TOKEN = FIELDS, LITERAL_LENGTH, OFFSET, MATCH_LENGTH } phase_t;

/* After a failure the words of the row's other blocks are taken and dropped. */
INLINE void start_block_of_row(private decoder_t *d, head_t head) {
  d->at = 2 * WORD_BYTES;
  d->words = words_of(head.size);
  d->left = head.size;
  d->phase = head.kind == FEED_STORED ? LITERALS : TOKEN;
  d->run = head.size;
  if (d->status == STATUS_OK)
    d->status = STATUS_RUNNING;
}

/* Bytes of a length or of a sequence's fields. STATUS_OK: the run may be copied now. */
INLINE int read_fields(private decoder_t *d) {
  if (d->phase == LITERALS || d->phase == MATCH)
    return STATUS_OK;
  if (d->left < (d->phase == OFFSET ? 2 : 1))
    return STATUS_TRUNCATED;
  uint byte = input_byte(d, 0);
  if (d->phase == TOKEN) {
    d->run = byte >> 4;
    d->match = byte & 15;
    d->phase = d->run == 15 ? LITERAL_LENGTH : LITERALS;
    consume(d, 1);
    return d->run == 15 ? STATUS_RUNNING : STATUS_OK;
  }
  if (d->phase == OFFSET) {
    d->offset = byte | input_byte(d, 1) << 8;
    d->run = d->match + MIN_MATCH;
    d->phase = d->match == 15 ? MATCH_LENGTH : MATCH;
    consume(d, 2);
    if (d->offset > d->produced)
      return STATUS_BAD_DATA;
    return d->match == 15 ? STATUS_RUNNING : STATUS_OK;
  }
  d->run += byte;
  consume(d, 1);
  if (byte == 255)
    return STATUS_RUNNING;
  d->phase = d->phase == LITERAL_LENGTH ? LITERALS : MATCH;
  return STATUS_OK;
}

INLINE int check_run(private const decoder_t *d) {
  if (d->phase == LITERALS && d->run > d->left)
    return STATUS_TRUNCATED;
  return d->run > d->capacity - d->produced ? STATUS_DST_TOO_SMALL : STATUS_OK;
}

/* One step: at most one field and one copy. Offset 0 breaks the format; as in decode.h, it gives
 * zeros. */
INLINE void step_decode(private decoder_t *d, local uchar *history) {
  d->status = read_fields(d);
  if (d->status == STATUS_OK)
    d->status = check_run(d);
  if (d->status != STATUS_OK)
    return;
  int literals = d->phase == LITERALS;
  copy_run(d, history);
  if (!d->run)
    d->phase = literals ? OFFSET : TOKEN;
  /* A block ends behind literals. */
  if (d->run || !literals || d->left)
    d->status = STATUS_RUNNING;
}

/* `feed_status` is how the row's blocks ended for the reader. */
INLINE int final_status(private const decoder_t *d, int feed_status) {
  return d->status == STATUS_OK ? feed_status : d->status;
}

static void end_writer(private const writer_t *w, segment_t row, global const uchar *src,
                       global result_t *result) {
  uint check = row.flags & LZ4_CHECK ? xxh32(src + row.src, row.src_size) : 0;
  put_result(result, w->size, w->status, check);
}

#endif
