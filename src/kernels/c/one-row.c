/**
 * One row of A times four rows of B at a time. What is packed is converted in registers, and multiplied by what rows or blocks share once
 * it is summed:
 *
 *   f16, int8   c = scale·Σ a·stored
 *   q8          c = Σ over blocks d·Σ a·q
 *   q4          c = Σ over blocks (d·Σ a·q + m·Σ a)           Σ a of each block is made once for all rows of B;
 *               c = Σ a·(d·q + m)                             where a vector has room for the sixteen numbers that a block is made of
 */
#include "one-row.h"
#include "file-types.h"
#include "packing.h"
#include "tiles.h"

/** Rows of B at a time. */
#define FOUR 4
/** Bytes of a line of the cache. */
#define LINE 64
/** What is read is asked for so many rows of B before: packed rows are too short for the processor to see where they lead. */
#define ROWS_AHEAD 12

#if W == 16
typedef uint32_t half_words __attribute__((vector_size(2 * W)));

/** sum + Σ a·(d·q + m) over a block. */
INLINE vec plus_q4(vec sum, const float *a, const uint32_t *block, float of_a [[gnu::unused]], float *rest [[gnu::unused]]) {
  const vec head = __builtin_convertvector((half_numbers)(*block - (half_words){}), vec);
  const vec d = __builtin_shufflevector(head, head, 0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14);
  const vec m = __builtin_shufflevector(head, head, 1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 13, 13, 15, 15);
  const vec numbers = d * __builtin_convertvector(PLACES, vec) + m;
  // which of the numbers: the last four bits of a lane say it
  const uvec both = __builtin_convertvector(*(const pairs *)(block + 1), uvec);
  sum += load(a) * __builtin_ia32_permvarsf512(numbers, (ivec)both);
  return sum + load(a + 16) * __builtin_ia32_permvarsf512(numbers, (ivec)(both >> 4));
}
#else
/** sum + Σ a·x over sixteen bytes */
INLINE vec plus_sixteen(vec sum, const float *a, pairs x) {
  vec own[16 / W];
  of_sixteen((sixteen)x, own);
  EACH(i, 16 / W) sum += load(a + i * W) * own[i];
  return sum;
}

/** sum + d·Σ a·q over a block, whose m·Σ a is added to `rest`. */
INLINE vec plus_q4(vec sum, const float *a, const uint32_t *block, float of_a, float *rest) {
  const Head head = head_of(block);
  const pairs both = *(const pairs *)(block + 1);
  *rest += head.m * of_a;
  return sum + plus_sixteen(plus_sixteen((vec){}, a, both & 15), a + 16, both >> 4) * splat(head.d);
}
#endif

/** sum + d·Σ a·q over a block. */
INLINE vec plus_q8(vec sum, const float *a, const uint32_t *block) {
  vec part = {};
  for (int32_t q = 0; q < BLOCK; q += W) part += load(a + q) * of_bytes((const int8_t *)(block + 1) + q);
  return sum + part * splat(head_of(block).d);
}

/** Asks for bytes that will be read; beyond the end of the memory it does nothing. */
INLINE void ask_for(const void *row, size_t bytes) {
  for (size_t at = 0; at < bytes; at += LINE) PREFETCH((const uint8_t *)row + at, 0, 3);
}

/** Σ a·b over k numbers for four rows of B, `packing` known to the compiler. */
INLINE void sums(int packing, const float *a, const uint32_t *const rows[FOUR], int32_t k, const float *block_sums, float out[FOUR]) {
  vec sum[FOUR] = {};
  float rest[FOUR] = {};
  int32_t p = 0;
  if (packing >= Q4) {
    for (; p + BLOCK <= k; p += BLOCK)
      for (int r = 0; r < FOUR; r++) {
        const uint32_t *block = rows[r] + p / BLOCK * (packing == Q4 ? Q4_WORDS : Q8_WORDS);
        sum[r] = packing == Q4 ? plus_q4(sum[r], a + p, block, block_sums[p / BLOCK], &rest[r]) : plus_q8(sum[r], a + p, block);
      }
  } else {
    for (; p + W <= k; p += W) {
      const vec x = load(a + p);
      for (int r = 0; r < FOUR; r++) {
        const vec y = packing == FLOAT32   ? load((const float *)rows[r] + p)
                      : packing == HALVES ? of_halves((const half *)rows[r] + p)
                                          : of_bytes((const int8_t *)rows[r] + p);
        sum[r] += x * y;
      }
    }
  }
  for (; p < k; p++)
    for (int r = 0; r < FOUR; r++) rest[r] += a[p] * number(packing, rows[r], p);
  for (int r = 0; r < FOUR; r++) out[r] = total(sum[r]) + rest[r];
}

#ifndef __wasm__
/** Σ a·b over k numbers for four rows of a file, `type` known to the compiler: the sums of float32. */
INLINE void sums_of_file(int type, const float *a, const uint8_t *const rows[FOUR], int32_t k, float out[FOUR]) {
  vec sum[FOUR] = {};
  float rest[FOUR] = {};
  int32_t p = 0;
  for (; p + SIXTEEN <= k; p += SIXTEEN)
    for (int r = 0; r < FOUR; r++) {
      vec y[SIXTEEN / W];
      sixteen_of(type, rows[r], p, y);
      EACH(i, SIXTEEN / W) sum[r] += load(a + p + i * W) * y[i];
    }
  if (type == FILE_F16 || type == FILE_BF16) {
    for (; p + W <= k; p += W)
      for (int r = 0; r < FOUR; r++) {
        vec y = {};
        EACH(i, W) y[i] = one_of(type, rows[r], p + i);
        sum[r] += load(a + p) * y;
      }
    for (; p < k; p++)
      for (int r = 0; r < FOUR; r++) rest[r] += a[p] * one_of(type, rows[r], p);
  }
  for (int r = 0; r < FOUR; r++) out[r] = total(sum[r]) + rest[r];
}

#define SUMS_OF(type) APART void sums_of_##type(const float *a, const uint8_t *const rows[FOUR], int32_t k, float *out) { sums_of_file(type, a, rows, k, out); }
EACH_FILE_TYPE(SUMS_OF)

/** Of rows of a table; those of float32 do not follow each other. */
static void sums_of_rows(int type, const float *a, const uint8_t *const rows[FOUR], int32_t k, float *out) {
  switch (type) {
#define CASE(type)                                                                                                        case type: return sums_of_##type(a, rows, k, out);
    EACH_FILE_TYPE(CASE)
  }
  sums(FLOAT32, a, (const uint32_t *const *)rows, k, NULL, out);
}
#endif

INLINE void columns_of(int packing, const uint8_t *heap, const Product *args, const float *a, const float *b, size_t ldb, float *c,
                       int32_t i, int32_t j0, int32_t columns, const float *block_sums) {
  const float *scales = FLOATS(args->scales), *bias = FLOATS(args->bias);
  const float *a2 = FLOATS(args->a2) + (size_t)i * args->lda2, *b2 = FLOATS(args->b2);
  for (int32_t j = 0; j < columns; j += FOUR) {
    const uint32_t *rows[FOUR], *rows2[FOUR];
    float own[FOUR], second[FOUR] = {};
    for (int r = 0; r < FOUR; r++) {
      const size_t row = j0 + least(j + r, columns - 1);
      rows2[r] = (const uint32_t *)b2 + row * args->ldb2;
#ifndef __wasm__
      if (packing == MAPPED) {
        rows[r] = (const uint32_t *)file_row(b, row).at;
        ask_for(file_row(b, least(row + ROWS_AHEAD, args->n - 1)).at, file_bytes(file_row(b, row).type, args->k));
        continue;
      }
#endif
      rows[r] = (const uint32_t *)b + row * ldb;
      ask_for(rows[r] + (size_t)ROWS_AHEAD * ldb, ldb * sizeof(uint32_t));
    }
#ifndef __wasm__
    if (packing == MAPPED) sums_of_rows(file_row(b, j0).type, a, (const uint8_t *const *)rows, args->k, own);
    else
#endif
    sums(packing, a, rows, args->k, block_sums, own);
    if (args->k2 > 0) sums(FLOAT32, a2, rows2, args->k2, block_sums, second);
    for (int r = 0; r < FOUR && j + r < columns; r++) {
      const int32_t column = j0 + j + r;
      const float start = args->start == FROM_ZERO ? 0 : args->start == FROM_BIAS ? bias[column] : c[column];
      const float scale = packing == HALVES || packing == BYTES ? scales[column] : 1;
      c[column] = start + scale * own[r] + second[r];
    }
  }
}

void one_row(const uint8_t *heap, const Product *args, int32_t packing, const float *a, const float *b, size_t ldb, float *c, int32_t i,
             int32_t j0, int32_t columns, float *scratch) {
  a += (size_t)i * args->lda;
  c += (size_t)i * args->ldc;
  switch (packing) {
  case FLOAT32: return columns_of(FLOAT32, heap, args, a, b, ldb, c, i, j0, columns, scratch);
  case HALVES: return columns_of(HALVES, heap, args, a, b, ldb, c, i, j0, columns, scratch);
  case BYTES: return columns_of(BYTES, heap, args, a, b, ldb, c, i, j0, columns, scratch);
#ifndef __wasm__
  case MAPPED: return columns_of(MAPPED, heap, args, a, b, ldb, c, i, j0, columns, scratch);
#endif
  case Q8: return columns_of(Q8, heap, args, a, b, ldb, c, i, j0, columns, scratch);
  }
#if W < 16
  for (int32_t block = 0; block < args->k / BLOCK; block++) {
    vec sum = {};
    for (int32_t q = 0; q < BLOCK; q += W) sum += load(a + block * BLOCK + q);
    scratch[block] = total(sum);
  }
#endif
  columns_of(Q4, heap, args, a, b, ldb, c, i, j0, columns, scratch);
}
