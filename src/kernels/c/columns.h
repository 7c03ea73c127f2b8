/** Sums over the rows of matrices, in float64, each in the order of the rows. */
#pragma once
#include "vectors.h"

/** Columns at a time: as many as there are registers for, and no fewer than a line of the cache. */
enum { STRIPE = W == 4 ? 4 : 32 / W };

/** where tensors lie: 4 bytes apart */
typedef half_vec half_loose __attribute__((aligned(4)));

/** out[j] = Σᵢ x[i, j]·(y[i, j]·factor[i]) / divisor for the columns from `first` to `last` of n; y and factor may be absent. */
INLINE void column_sums(const float *x, const float *y, const float *factor, size_t n, int32_t rows, int32_t first,
                        int32_t last, double divisor, float *out) {
  int32_t j = first;
  for (; j + STRIPE * W <= last; j += STRIPE * W) {
    dvec sums[STRIPE][2] = {};
    for (int32_t i = 0; i < rows; i++) {
      const size_t at = i * n + j;
      const double f = factor ? factor[i] : 1;
      for (int v = 0; v < STRIPE; v++) {
        const vec a = load(x + at + v * W);
        dvec term[2] = {low(a), high(a)};
        if (y) {
          const vec b = load(y + at + v * W);
          term[0] *= factor ? low(b) * f : low(b);
          term[1] *= factor ? high(b) * f : high(b);
        }
        sums[v][0] += term[0];
        sums[v][1] += term[1];
      }
    }
    for (int v = 0; v < STRIPE; v++)
      for (int h = 0; h < 2; h++) *(half_loose *)(out + j + v * W + h * W / 2) = __builtin_convertvector(sums[v][h] / divisor, half_vec);
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
