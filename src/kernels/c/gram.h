/**
 * The Gram matrix of the rows of a thin float32 matrix, or of its columns, in float64: a float32 one would be wrong by 1e-7·λ_max, which
 * is more than LoRA-Pro's damping.
 *
 * TERMS of its sums are converted at a time, into panels of W columns; tiles of HIGH × W sums run over two panels, on and above the
 * diagonal.
 */
#pragma once
#include "doubles.h"
#include "tiles.h"

enum { TERMS = 64, HIGH = W == 16 ? 8 : 4 };

INLINE void gram_tile(const double *a, const double *b, int32_t terms, double *c, int32_t stride) {
  dvec sums[HIGH][2] = {};
  for (int32_t p = 0; p < terms; p++) {
    const dvec y0 = dload(b + p * W), y1 = dload(b + p * W + L);
    EACH(i, HIGH) {
      const double x = a[p * W + i];
      sums[i][0] += x * y0;
      sums[i][1] += x * y1;
    }
  }
  for (int i = 0; i < HIGH; i++)
    for (int v = 0; v < 2; v++) dstore(c + i * stride + v * L, dload(c + i * stride + v * L) + sums[i][v]);
}

/**
 * G [r, r] in rows of `in_rows(r)` numbers, and as many rows. m[term·step + i·row] is number i of a term, of which there are n. `panels`: TERMS·in_rows(r).
 */
static void gram_of(const float *m, int32_t r, int32_t n, size_t row, size_t step, double *gram, double *panels) {
  const int32_t wide = in_rows(r);
  dclear(gram, (size_t)wide * wide);
  for (int32_t from = 0; from < n; from += TERMS) {
    const int32_t terms = least(TERMS, n - from);
    for (int32_t j = 0; j < wide; j += W) {
      double *to = panels + (size_t)j * TERMS;
      const float *at = m + from * step + j * row;
      const int32_t width = least(W, r - j);
      if (width < W) dclear(to, (size_t)terms * W);
      if (row == 1 && width == W)
        for (int32_t p = 0; p < terms; p++) {
          const vec x = load(at + p * step);
          dstore(to + p * W, low(x));
          dstore(to + p * W + L, high(x));
        }
      else if (step == 1 && width == W && terms % W == 0)
        for (int32_t p = 0; p < terms; p += W) {
          float turned[W * W];
          transpose(at + p, row, turned, W);
          for (int32_t i = 0; i < W; i++) {
            const vec x = load(turned + i * W);
            dstore(to + (p + i) * W, low(x));
            dstore(to + (p + i) * W + L, high(x));
          }
        }
      else
        for (int32_t i = 0; i < width; i++)
          for (int32_t p = 0; p < terms; p++) to[p * W + i] = at[i * row + p * step];
    }
    for (int32_t j = 0; j < wide; j += W)
      for (int32_t i = 0; i <= j; i += W)
        for (int32_t k = 0; k < W; k += HIGH)
          gram_tile(panels + (size_t)i * TERMS + k, panels + (size_t)j * TERMS, terms, gram + (size_t)(i + k) * wide + j, wide);
  }
  for (int32_t i = 1; i < r; i++)
    for (int32_t j = 0; j < i; j++) gram[(size_t)i * wide + j] = gram[(size_t)j * wide + i];
}
