/** Packed numbers as floats. */
#include "declared.h"
#include "packing.h"

/** Numbers of a block from `place` on. Sixteen bytes have two numbers of four bits each, those of the second half in their high bits. */
static void part_of_block(int32_t packing, const uint32_t *block, int32_t place, int32_t count, float *to) {
  const Head head = head_of(block);
  const uint8_t *bytes = (const uint8_t *)(block + 1);
  for (int32_t i = 0; i < count;) {
    const int32_t at = place + i, low = at & 15, high = at & 16;
    if (count - i >= W && low + W <= 16) {
      const uvec q = packing == Q4 ? words_of(bytes + low) : (uvec){};
      store(to + i, packing == Q8 ? head.d * of_bytes((const int8_t *)bytes + at)
                                  : head.d * __builtin_convertvector((ivec)(high ? q >> 4 : q & 15), vec) + head.m);
      i += W;
    } else {
      const int32_t q = high ? bytes[low] >> 4 : bytes[low] & 15;
      to[i] = packing == Q8 ? head.d * (float)(int8_t)bytes[at] : head.d * (float)q + head.m;
      i++;
    }
  }
}

/** All numbers of a block. */
static void whole_block(int32_t packing, const uint32_t *block, float *to) {
  const Head head = head_of(block);
  const uint8_t *bytes = (const uint8_t *)(block + 1);
  if (packing == Q8)
    EACH(i, BLOCK / W) store(to + i * W, head.d * of_bytes((const int8_t *)bytes + i * W));
  else
    EACH(i, 16 / W) {
      const uvec q = words_of(bytes + i * W);
      store(to + i * W, head.d * __builtin_convertvector((ivec)(q & 15), vec) + head.m);
      store(to + i * W + 16, head.d * __builtin_convertvector((ivec)(q >> 4), vec) + head.m);
    }
}

void dequantize_row(int32_t packing, const void *row, int32_t first, int32_t count, float scale, float *to) {
  int32_t i = 0;
  if (packing >= Q4) {
    const int32_t words = packing == Q4 ? Q4_WORDS : Q8_WORDS, end = first + count;
    for (int32_t at = first, own; at < end; at += own, to += own) {
      own = least(BLOCK - at % BLOCK, end - at);
      const uint32_t *block = (const uint32_t *)row + at / BLOCK * words;
      if (own == BLOCK) whole_block(packing, block, to);
      else part_of_block(packing, block, at % BLOCK, own, to);
    }
  } else if (packing == HALVES) {
    const half *from = (const half *)row + first;
    for (; i + W <= count; i += W) store(to + i, scale * of_halves(from + i));
    for (; i < count; i++) to[i] = scale * of_half(from[i]);
  } else {
    const int8_t *from = (const int8_t *)row + first;
    for (; i + W <= count; i += W) store(to + i, scale * of_bytes(from + i));
    for (; i < count; i++) to[i] = scale * (float)from[i];
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
