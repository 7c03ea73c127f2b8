/** Packed numbers as floats. */
#include "declared.h"
#include "file-types.h"
#include "packing.h"

/** Stores that follow each other stay so: backwards they take JavaScriptCore two to three times as long. */
#ifdef __wasm__
#define IN_ORDER __asm__("" ::: "memory")
#else
#define IN_ORDER ((void)0)
#endif

/** All numbers of a block. Sixteen bytes have two numbers of four bits each, those of the second half in their high bits. */
INLINE void whole_block(int packing, const uint32_t *block, float *to) {
  const Head head = head_of(block);
  vec own[BLOCK / W];
  if (packing == Q8) EACH(i, BLOCK / RUN) of_run((const int8_t *)(block + 1) + i * RUN, own + i * RUN / W);
  else {
    const pairs both = *(const pairs *)(block + 1);
    of_sixteen((sixteen)(both & 15), own);
    of_sixteen((sixteen)(both >> 4), own + 16 / W);
  }
  EACH(i, BLOCK / W) store(to + i * W, packing == Q8 ? head.d * own[i] : head.d * own[i] + head.m);
}

INLINE void blocks(int packing, const uint32_t *row, int32_t first, int32_t count, float *to) {
  const int32_t words = packing == Q4 ? Q4_WORDS : Q8_WORDS;
  while (count > 0) {
    int32_t own = 1;
    if (count >= BLOCK && first % BLOCK == 0) whole_block(packing, row + first / BLOCK * words, to), own = BLOCK;
    else if (count >= W && first % W == 0) store(to, numbers(packing, row, first)), own = W;
    else *to = number(packing, row, first);
    first += own, count -= own, to += own;
  }
}
APART void q4_blocks(const uint32_t *row, int32_t first, int32_t count, float *to) { blocks(Q4, row, first, count, to); }
APART void q8_blocks(const uint32_t *row, int32_t first, int32_t count, float *to) { blocks(Q8, row, first, count, to); }

APART void halves(const half *from, int32_t count, float scale, float *to) {
  const float factor = scale * HALF_UNIT;
#ifdef __wasm__
  for (; count >= 8; count -= 8, from += 8, to += 8) {
    const v128_t x = wasm_v128_load(from);
    store(to, unscaled_halves((ivec)wasm_i32x4_extend_low_i16x8(x)) * factor);
    IN_ORDER;
    store(to + W, unscaled_halves((ivec)wasm_i32x4_extend_high_i16x8(x)) * factor);
  }
#endif
  for (; count >= W; count -= W, from += W, to += W) store(to, raw_halves(from) * factor);
  for (; count > 0; count--) *to++ = scale * of_half(*from++);
}

APART void bytes(const int8_t *from, int32_t count, float scale, float *to) {
  for (; count >= RUN; count -= RUN, from += RUN, to += RUN) {
    vec own[RUN / W];
    of_run(from, own);
    EACH(v, RUN / W) {
      store(to + v * W, scale * own[v]);
      IN_ORDER;
    }
  }
  for (; count >= W; count -= W, from += W, to += W) store(to, scale * of_bytes(from));
  for (; count > 0; count--) *to++ = scale * (float)*from++;
}

void dequantize_row(int32_t packing, const uint32_t *matrix, size_t length, size_t at, int32_t first, int32_t count, float scale, float *to) {
  const uint32_t *row = matrix + at * length;
  switch (packing) {
#ifndef __wasm__
  case MAPPED: return file_values(file_row(matrix, at), first, count, to);
#endif
  case HALVES: return halves((const half *)row + first, count, scale, to);
  case BYTES: return bytes((const int8_t *)row + first, count, scale, to);
  case Q4: return q4_blocks(row, first, count, to);
  case Q8: return q8_blocks(row, first, count, to);
  }
}

#ifdef __wasm__
#define BYTES_OF(x, y, n)                                                                                               \
  wasm_i8x16_shuffle(x, y, n, n + 16, n + 1, n + 17, n + 2, n + 18, n + 3, n + 19, n + 4, n + 20, n + 5, n + 21, n + 6, n + 22, n + 7, n + 23)
#define SHORTS_OF(x, y, n) wasm_i16x8_shuffle(x, y, n, n + 8, n + 1, n + 9, n + 2, n + 10, n + 3, n + 11)
#define WORDS_OF(x, y, n) wasm_i32x4_shuffle(x, y, n, n + 4, n + 1, n + 5)

/** Sixteen bytes of each row → sixteen rows of four numbers: d·x + m. */
INLINE void turn_bytes(const v128_t x[W], vec d, int with_m, vec m, float *to, size_t step) {
  const v128_t a = BYTES_OF(x[0], x[1], 0), b = BYTES_OF(x[2], x[3], 0), c = BYTES_OF(x[0], x[1], 8), e = BYTES_OF(x[2], x[3], 8);
  const v128_t turned[W] = {SHORTS_OF(a, b, 0), SHORTS_OF(a, b, 4), SHORTS_OF(c, e, 0), SHORTS_OF(c, e, 4)};
  EACH(i, W) {
    vec own[W];
    of_sixteen((sixteen)turned[i], own);
    EACH(j, W) store(to + (W * i + j) * step, with_m ? d * own[j] + m : d * own[j]);
  }
}

/** Eight halves of each row → eight rows of four numbers. */
INLINE void turn_halves(const v128_t x[W], vec factor, float *to, size_t step) {
  const v128_t a = SHORTS_OF(x[0], x[1], 0), b = SHORTS_OF(x[2], x[3], 0), c = SHORTS_OF(x[0], x[1], 4), e = SHORTS_OF(x[2], x[3], 4);
  const v128_t turned[W] = {WORDS_OF(a, b, 0), WORDS_OF(a, b, 2), WORDS_OF(c, e, 0), WORDS_OF(c, e, 2)};
  EACH(i, W) {
    store(to + 2 * i * step, factor * unscaled_halves((ivec)wasm_i32x4_extend_low_i16x8(turned[i])));
    store(to + (2 * i + 1) * step, factor * unscaled_halves((ivec)wasm_i32x4_extend_high_i16x8(turned[i])));
  }
}

int32_t turned_rows(int32_t packing, const uint32_t *const rows[W], int32_t first, int32_t k, vec scales, float *to, size_t step) {
  v128_t x[W], y[W];
  int32_t p = 0;
  if (packing == HALVES)
    for (; p + 8 <= k; p += 8) {
      EACH(i, W) x[i] = wasm_v128_load((const half *)rows[i] + first + p);
      turn_halves(x, scales * HALF_UNIT, to + p * step, step);
    }
  if (packing == BYTES)
    for (; p + 16 <= k; p += 16) {
      EACH(i, W) x[i] = wasm_v128_load((const int8_t *)rows[i] + first + p);
      turn_bytes(x, scales, 0, (vec){}, to + p * step, step);
    }
  if (packing < Q4 || first % BLOCK != 0) return p;
  const int is_q4 = packing == Q4;
  for (; p + BLOCK <= k; p += BLOCK) {
    vec d, m = {};
    EACH(i, W) {
      const uint32_t *block = rows[i] + (first + p) / BLOCK * (is_q4 ? Q4_WORDS : Q8_WORDS);
      const Head head = head_of(block);
      const v128_t own = wasm_v128_load(block + 1);
      d[i] = head.d, m[i] = head.m;
      x[i] = is_q4 ? (v128_t)((pairs)own & 15) : own;
      y[i] = is_q4 ? (v128_t)((pairs)own >> 4) : wasm_v128_load(block + 5);
    }
    turn_bytes(x, d, is_q4, m, to + p * step, step);
    turn_bytes(y, d, is_q4, m, to + (p + 16) * step, step);
  }
  return p;
}
#else
#endif

/** A matrix. A chunk is a range of rows. */
KERNEL(dequantize) {
  ARGUMENTS(Dequantize);
  const int32_t packing = args->packing, columns = args->columns;
  const int32_t end = least((chunk + 1) * args->perChunk, args->rows);
  for (int32_t i = chunk * args->perChunk; i < end; i++) {
    const float scale = packing >= Q4 ? 1 : FLOATS(args->scales)[i];
    dequantize_row(packing, AT(const uint32_t, args->packed), args->length, i, 0, columns, scale, FLOATS(args->whole) + (size_t)i * columns);
  }
}
