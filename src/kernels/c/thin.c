/** Products with few columns; what they are in `thin.h`. */
#include "thin.h"

/** A tile's sums stay in registers, beside its rows of A. */
#if W == 16
enum { DOT_ROWS = 3, DOT_COLUMNS = 8 };
#elif W == 8
enum { DOT_ROWS = 3, DOT_COLUMNS = 4 };
#else
enum { DOT_ROWS = 4, DOT_COLUMNS = 4 };
#endif

/** Where a sum begins. */
INLINE float begin_of(int32_t start, const float *bias, const float *c, int32_t j) {
  return start == FROM_ZERO ? 0 : start == FROM_BIAS ? bias[j] : c[j];
}

INLINE void dot_tile(int rows, int columns, const float *a, size_t lda, const float *b, size_t ldb, int32_t k, float *c, size_t ldc,
                     int32_t start, const float *bias) {
  vec sums[DOT_ROWS][DOT_COLUMNS] = {};
  int32_t p = 0;
  for (; p + W <= k; p += W) {
    vec x[DOT_ROWS];
    for (int i = 0; i < rows; i++) x[i] = load(a + i * lda + p);
    EACH(j, columns) {
      const vec y = load(b + j * ldb + p);
      for (int i = 0; i < rows; i++) sums[i][j] += x[i] * y;
    }
  }
  if (p < k) {
    vec x[DOT_ROWS];
    for (int i = 0; i < rows; i++) x[i] = load_part(a + i * lda + p, k - p);
    EACH(j, columns) {
      const vec y = load_part(b + j * ldb + p, k - p);
      for (int i = 0; i < rows; i++) sums[i][j] += x[i] * y;
    }
  }
  EACH(i, rows)
    EACH(j, columns) c[i * ldc + j] = begin_of(start, bias, c + i * ldc, j) + total(sums[i][j]);
}

INLINE void dot_columns(int columns, const float *a, size_t lda, int32_t m, const float *b, size_t ldb, int32_t k, float *c, size_t ldc,
                        int32_t start, const float *bias) {
  int32_t i = 0;
  for (; i + DOT_ROWS <= m; i += DOT_ROWS) dot_tile(DOT_ROWS, columns, a + i * lda, lda, b, ldb, k, c + i * ldc, ldc, start, bias);
  for (; i < m; i++) dot_tile(1, columns, a + i * lda, lda, b, ldb, k, c + i * ldc, ldc, start, bias);
}

void dots(const float *a, size_t lda, int32_t m, const float *b, size_t ldb, int32_t n, int32_t k, float *c, size_t ldc,
                 int32_t start, const float *bias) {
  int32_t j = 0;
#define COLUMNS_OF(count)                                                                                               \
  for (; j + count <= n && count <= DOT_COLUMNS; j += count)                                                            \
    dot_columns(count <= DOT_COLUMNS ? count : 1, a, lda, m, b + j * ldb, ldb, k, c + j, ldc, start, bias + j);
  COLUMNS_OF(8)
  COLUMNS_OF(4)
  COLUMNS_OF(1)
#undef COLUMNS_OF
}

void columns_as_rows(const float *b, size_t ldb, int32_t k, int32_t n, float *to) {
  for (int32_t p = 0; p < k; p++)
    for (int32_t j = 0; j < n; j++) to[(size_t)j * k + p] = b[p * ldb + j];
}

void turned(const float *a, size_t lda, int32_t m, const float *b, size_t ldb, int32_t n, int32_t k, float *c, size_t ldc,
                   int32_t start, const float *bias, float *panel) {
  float rows[THIN * COLUMNS];
  for (int32_t i = 0; i < m; i += COLUMNS) {
    const int32_t width = least(COLUMNS, m - i);
    if (width < COLUMNS) pack_columns(a + i, lda, k, width, panel);
    for (int32_t j = 0; j < n; j += ROWS) {
      const Tile t = {.a = {b + j, 1, ldb}, .b = width < COLUMNS ? panel : a + i, .step = width < COLUMNS ? COLUMNS : lda, .k = k,
                      .c = rows + j * COLUMNS, .ldc = COLUMNS, .width = COLUMNS, .start = FROM_ZERO};
      run_tile(least(ROWS, n - j), 0, &t);
    }
    for (int32_t q = 0; q < width; q++)
      for (int32_t j = 0; j < n; j++) {
        float *to = c + (i + q) * ldc;
        to[j] = begin_of(start, bias, to, j) + rows[j * COLUMNS + q];
      }
  }
}
