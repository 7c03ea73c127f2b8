/**
 * The part of LoRA-Pro's full form that goes through memory; equations and parts as in `../../wasm/assembly/lora-pro-adam.ts`. What comes
 * before and after it is wasm's: K and R are read where they lie as rows, in `right`, rather than in wasm's panels.
 */
#include "declared.h"
#include "expressions.h"
#include "thin.h"

/** Rows of g̃ at a time; a multiple of what a tile has, so that the cuts of `lora-pro-adam.ts` hold. */
enum { BAND = 24 };

/** What a row takes in panels of wasm's. */
INLINE int32_t whole_panels(int32_t n) { return (n + 11) / 12 * 12; }

/**
 * C [m, n] = or += A·B, whose rows B are `ldb` floats apart and may be read as far as a panel reaches. A's rows lie `row` floats apart, its terms
 * side by side or, where that is 1, `term`.
 */
static void by_tiles(Side a, int32_t m, const float *b, size_t ldb, int32_t n, int32_t k, float *c, size_t ldc, int32_t start) {
  const int32_t tiles = (m + ROWS - 1) / ROWS;
  for (int32_t j = 0; j < n; j += COLUMNS)
    for (int32_t i = 0; i < tiles; i++) {
      const int32_t first = m * i / tiles, next = m * (i + 1) / tiles;
      const Tile t = {.a = {a.at + first * a.row, a.row, a.term}, .b = b + j, .step = ldb, .k = k, .c = c + first * ldc + j,
                      .ldc = ldc, .width = least(COLUMNS, n - j), .start = start};
      run_tile(next - first, a.term == 1, &t);
    }
}

static void move_rows(uint8_t *heap, const LoraProAdam *args, const LoraProAdamEntry *one, int32_t row, int32_t count, float *sum,
                      float *u) {
  const int32_t r = one->r, columns = one->inputs, whole = whole_panels(columns), narrow = whole_panels(r);
  const float *K = FLOATS(one->right), *R = K + (size_t)r * whole;
  const float *left = FLOATS(one->left) + (size_t)row * 2 * r;
  by_tiles((Side){left, 2 * r, 1}, count, K, whole, columns, 2 * r, u, whole, FROM_ZERO);
  size_t at = (size_t)row * columns;
  for (int32_t i = 0; i < count; i++, at += columns) {
    float *g = u + (size_t)i * whole;
    adam_span(g, FLOATS(one->M) + at, FLOATS(one->V) + at, g, FLOATS(one->nextM) + at, FLOATS(one->nextV) + at, columns, args->b1,
              args->b2, args->c, args->e);
  }
  dots(u, whole, count, R, whole, r, columns, FLOATS(one->tall) + (size_t)row * narrow, narrow, FROM_ZERO, 0);
  by_tiles((Side){left, 1, 2 * r}, r, u, whole, columns, count, sum, whole, FROM_THERE);
}

KERNEL(loraProAdamMove) {
  ARGUMENTS(LoraProAdam);
  const int32_t first = chunk * args->perChunk, end = first + args->perChunk;
  int32_t before = 0;
  for (int32_t i = 0; i < args->entries; i++) {
    const LoraProAdamEntry *one = entries_of_LoraProAdam(args) + i;
    const int32_t parts = (one->outputs + one->perPart - 1) / one->perPart;
    for (int32_t part = most(first - before, 0); part < least(end - before, parts); part++) {
      const size_t size = (size_t)one->r * whole_panels(one->inputs);
      float *sum = FLOATS(one->parts) + part * size;
      for (size_t j = 0; j < size; j++) sum[j] = 0;
      const int32_t to = least((part + 1) * one->perPart, one->outputs);
      for (int32_t row = part * one->perPart; row < to; row += BAND)
        move_rows(heap, args, one, row, least(BAND, to - row), sum, FLOATS(scratch_at));
    }
    before += parts;
  }
}
