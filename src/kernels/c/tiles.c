/** Tiles and panels; what they are in `tiles.h`. */
#include "tiles.h"

/** One segment of a tile's terms: sums += A·panel. */
INLINE void accumulate(int rows, vec to[ROWS][VECTORS], const float *a, size_t row, size_t term, const float *b, size_t step, int32_t k, Ahead ahead [[gnu::unused]]) {
  // a copy that nothing points at stays in registers
  vec sums[ROWS][VECTORS];
  EACH(i, rows) EACH(v, VECTORS) sums[i][v] = to[i][v];
  for (int32_t p = 0; p < k;) {
    for (int32_t i = 0; i < ahead.count; i++) PREFETCH(ahead.at + (i >> 1) * ahead.pair + (i & 1) * ahead.other, 0, 2);
    ahead.at += ahead.next;
    for (const int32_t end = least(p + TERMS_AHEAD, k); p < end; p++) {
      vec y[VECTORS];
      EACH(v, VECTORS) y[v] = load(b + v * W);
      EACH(i, rows) {
        const vec x = splat(a[i * row]);
        EACH(v, VECTORS) sums[i][v] += x * y[v];
      }
      a += term;
      b += step;
    }
  }
  EACH(i, rows) EACH(v, VECTORS) to[i][v] = sums[i][v];
}

/** Of COLUMNS columns. */
INLINE void tile(int rows, int contiguous, const Tile *t) {
  vec sums[ROWS][VECTORS];
  if (t->start == FROM_ZERO) EACH(i, rows) EACH(v, VECTORS) {
    sums[i][v] = (vec){};
    // on its way while the sums are made
    PREFETCH(t->c + i * t->ldc + v * W, 1, 3);
  }
  else if (t->start == FROM_BIAS) EACH(i, rows) EACH(v, VECTORS) sums[i][v] = load(t->bias + v * W);
  else EACH(i, rows) EACH(v, VECTORS) sums[i][v] = load(t->c + i * t->ldc + v * W);
  if (contiguous) {
    accumulate(rows, sums, t->a.at, t->a.row, 1, t->b, t->step, t->k, t->ahead);
    if (t->k2 > 0) accumulate(rows, sums, t->a2.at, t->a2.row, 1, t->b2, t->step2, t->k2, (Ahead){});
  } else accumulate(rows, sums, t->a.at, 1, t->a.term, t->b, t->step, t->k, t->ahead);
  EACH(i, rows) EACH(v, VECTORS) store(t->c + i * t->ldc + v * W, sums[i][v]);
}

#define EACH_HEIGHT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#define HEIGHT(r)                                                                                                       \
  case r:                                                                                                               \
    if (r <= ROWS) {                                                                                                    \
      if (contiguous) tile(r <= ROWS ? r : 1, 1, t);                                                                    \
      else tile(r <= ROWS ? r : 1, 0, t);                                                                               \
    }                                                                                                                   \
    break;

static void whole_tile(int32_t rows, int contiguous, const Tile *t) {
  switch (rows) { EACH_HEIGHT(HEIGHT) }
}

/** `width` floats and zeros. */
INLINE void widened(const float *from, int32_t width, float *to) {
  for (int32_t j = 0; j < COLUMNS; j++) to[j] = j < width ? from[j] : 0;
}

/** Of fewer columns, in a place that has them all. */
static void edge_tile(int32_t rows, int contiguous, const Tile *t) {
  float c[ROWS * COLUMNS], bias[COLUMNS];
  Tile own = *t;
  own.c = c;
  own.ldc = COLUMNS;
  own.bias = bias;
  if (t->start == FROM_BIAS) widened(t->bias, t->width, bias);
  if (t->start == FROM_THERE)
    for (int32_t i = 0; i < rows; i++) widened(t->c + i * t->ldc, t->width, c + i * COLUMNS);
  whole_tile(rows, contiguous, &own);
  for (int32_t i = 0; i < rows; i++)
    for (int32_t j = 0; j < t->width; j++) t->c[i * t->ldc + j] = c[i * COLUMNS + j];
}

void run_tile(int32_t rows, int contiguous, const Tile *t) {
  if (t->width == COLUMNS) whole_tile(rows, contiguous, t);
  else edge_tile(rows, contiguous, t);
}

void pack_rows(const float *b, size_t ldb, int32_t k, int32_t width, float *to) {
  for (int32_t j = 0; j < COLUMNS; j += W) {
    const int32_t rows = least(W, width - j);
    int32_t p = 0;
    if (rows == W)
      for (; p + W <= k; p += W) transpose(b + j * ldb + p, ldb, to + p * COLUMNS + j, COLUMNS);
    for (; p < k; p += W) transpose_part(b + j * ldb + p, ldb, rows, least(W, k - p), to + p * COLUMNS + j, COLUMNS, W);
  }
}

void pack_columns(const float *b, size_t ldb, int32_t k, int32_t width, float *to) {
  for (int32_t p = 0; p < k; p++, b += ldb, to += COLUMNS) {
    if (width == COLUMNS)
      for (int v = 0; v < VECTORS; v++) store(to + v * W, load(b + v * W));
    else
      for (int32_t i = 0; i < COLUMNS; i++) to[i] = i < width ? b[i] : 0;
  }
}

void pack_all_rows(const float *b, size_t ldb, int32_t k, int32_t n, float *to) {
  for (int32_t j = 0; j < n; j += COLUMNS) pack_rows(b + j * ldb, ldb, k, least(COLUMNS, n - j), to + (size_t)j * k);
}

void pack_all_columns(const float *b, size_t ldb, int32_t k, int32_t n, float *to) {
  for (int32_t j = 0; j < n; j += COLUMNS) pack_columns(b + j, ldb, k, least(COLUMNS, n - j), to + (size_t)j * k);
}

void multiply(int32_t m, int32_t n, int32_t k, int contiguous, Side a, const float *panels, float *c, size_t ldc, int32_t start) {
  const int32_t tiles = (m + ROWS - 1) / ROWS;
  for (int32_t j = 0; j < n; j += COLUMNS)
    for (int32_t i = 0; i < tiles; i++) {
      const int32_t first = m * i / tiles, next = m * (i + 1) / tiles;
      const Tile t = {.a = {a.at + first * a.row, a.row, a.term}, .b = panels + (size_t)j * k, .step = COLUMNS, .k = k,
                      .c = c + first * ldc + j, .ldc = ldc, .width = least(COLUMNS, n - j), .start = start};
      run_tile(next - first, contiguous, &t);
    }
}
