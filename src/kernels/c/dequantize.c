/** Packed numbers as floats. */
#include "declared.h"
#include "packing.h"

/** A block as 32 floats. */
static void dequantize_block(int32_t packing, const uint32_t *block, float *to) {
  const Head head = head_of(block);
  const uint8_t *bytes = (const uint8_t *)(block + 1);
  if (packing == Q4)
    for (int32_t i = 0; i < 16; i++) {
      to[i] = head.d * (float)(bytes[i] & 15) + head.m;
      to[i + 16] = head.d * (float)(bytes[i] >> 4) + head.m;
    }
  else
    for (int32_t i = 0; i < BLOCK; i++) to[i] = head.d * (float)(int8_t)bytes[i];
}

static void blocks_of_row(int32_t packing, const uint32_t *row, int32_t first, int32_t count, float *to) {
  const int32_t words = packing == Q4 ? Q4_WORDS : Q8_WORDS, end = first + count;
  for (int32_t i = first; i < end;) {
    const int32_t place = i % BLOCK, own = least(BLOCK - place, end - i);
    const uint32_t *block = row + i / BLOCK * words;
    if (own == BLOCK) dequantize_block(packing, block, to);
    else {
      float whole[BLOCK];
      dequantize_block(packing, block, whole);
      for (int32_t j = 0; j < own; j++) to[j] = whole[place + j];
    }
    i += own;
    to += own;
  }
}

void dequantize_row(int32_t packing, const void *row, int32_t first, int32_t count, float scale, float *to) {
  if (packing >= Q4) {
    blocks_of_row(packing, row, first, count, to);
  } else if (packing == HALVES) {
    const half *from = (const half *)row + first;
    for (int32_t i = 0; i < count; i++) to[i] = scale * of_half(from[i]);
  } else {
    const int8_t *from = (const int8_t *)row + first;
    for (int32_t i = 0; i < count; i++) to[i] = scale * (float)from[i];
  }
}

/** A matrix. A chunk is a range of rows. */
KERNEL(dequantize) {
  ARGUMENTS(Dequantize);
  const int32_t packing = args->packing, columns = args->columns;
  const int32_t end = least((chunk + 1) * args->perChunk, args->rows);
  for (int32_t i = chunk * args->perChunk; i < end; i++) {
    const float scale = packing >= Q4 ? 1 : FLOATS(args->scales)[i];
    dequantize_row(packing, FLOATS(args->packed) + (size_t)i * args->length, 0, columns, scale, FLOATS(args->whole) + (size_t)i * columns);
  }
}
