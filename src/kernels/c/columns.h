/** Sums over the rows of matrices, in float64, each in the order of the rows. */
#pragma once
#include "vectors.h"

/** Columns at a time: as many as there are registers for, and no fewer than a line of the cache. */
enum { STRIPE = W == 4 ? 4 : 32 / W };

/** out[j] = Σᵢ x[i, j]·(y[i, j]·factor[i]) / divisor for the columns from `first` to `last` of n; y and factor may be absent. */
INLINE void column_sums(const float *x, const float *y, const float *factor, size_t n, int32_t rows, int32_t first,
                        int32_t last, double divisor, float *out) {
  int32_t j = first;
  for (; j + STRIPE * W <= last; j += STRIPE * W) {
    dvec sums[2 * STRIPE] = {};
    const float *own = x + j, *other = y + j;
    for (int32_t i = 0; i < rows; i++, own += n, other += n) {
      const double f = factor ? factor[i] : 1;
      EACH(v, 2 * STRIPE) {
        dvec term = promoted(own + v * W / 2);
        if (y) term *= factor ? promoted(other + v * W / 2) * f : promoted(other + v * W / 2);
        sums[v] += term;
      }
    }
    EACH(v, 2 * STRIPE) store_demoted(out + j + v * W / 2, sums[v] / divisor);
  }
  for (; j < last; j++) {
    double sum = 0;
    for (int32_t i = 0; i < rows; i++) {
      const size_t at = i * n + j;
      double term = x[at];
      if (y) term *= factor ? (double)y[at] * factor[i] : y[at];
      sum += term;
    }
    out[j] = sum / divisor;
  }
}
