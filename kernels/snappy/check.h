/* CRC-32C of content; a variant has its own way. */
#ifndef SNAPPY_CHECK_H
#define SNAPPY_CHECK_H

#include "bytes.h"

APART uint content_check(input_t content, uint size);

#endif
