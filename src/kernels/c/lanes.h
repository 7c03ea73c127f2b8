/** Vectors beside each other: transposition, and sums across each of several vectors at once. */
#pragma once
#include "vectors.h"

/**
 * Gives b's lanes without bit d in their number for a's lanes with it.
 *
 *   d = 1      a₀ a₁ a₂ a₃, b₀ b₁ b₂ b₃  →  a₀ b₀ a₂ b₂, a₁ b₁ a₃ b₃
 */
INLINE void exchange(int d, vec *a, vec *b) {
  const vec x = *a, y = *b;
#if W == 16
  if (d == 1) {
    *a = __builtin_shufflevector(x, y, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
    *b = __builtin_shufflevector(x, y, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
  } else if (d == 2) {
    *a = __builtin_shufflevector(x, y, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    *b = __builtin_shufflevector(x, y, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  } else if (d == 4) {
    *a = __builtin_shufflevector(x, y, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
    *b = __builtin_shufflevector(x, y, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
  } else {
    *a = __builtin_shufflevector(x, y, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    *b = __builtin_shufflevector(x, y, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  }
#elif W == 8
  if (d == 1) {
    *a = __builtin_shufflevector(x, y, 0, 8, 2, 10, 4, 12, 6, 14);
    *b = __builtin_shufflevector(x, y, 1, 9, 3, 11, 5, 13, 7, 15);
  } else if (d == 2) {
    *a = __builtin_shufflevector(x, y, 0, 1, 8, 9, 4, 5, 12, 13);
    *b = __builtin_shufflevector(x, y, 2, 3, 10, 11, 6, 7, 14, 15);
  } else {
    *a = __builtin_shufflevector(x, y, 0, 1, 2, 3, 8, 9, 10, 11);
    *b = __builtin_shufflevector(x, y, 4, 5, 6, 7, 12, 13, 14, 15);
  }
#else
  if (d == 1) {
    *a = __builtin_shufflevector(x, y, 0, 4, 2, 6);
    *b = __builtin_shufflevector(x, y, 1, 5, 3, 7);
  } else {
    *a = __builtin_shufflevector(x, y, 0, 1, 4, 5);
    *b = __builtin_shufflevector(x, y, 2, 3, 6, 7);
  }
#endif
}

/** Lane j of x[i] ↔ lane i of x[j], in registers: as loops it would go through memory at each exchange. */
INLINE void turn(vec x[W]) {
#ifdef __wasm__
  // x64 has an instruction for each of these shuffles
  const vec a = __builtin_shufflevector(x[0], x[1], 0, 4, 1, 5), b = __builtin_shufflevector(x[2], x[3], 0, 4, 1, 5);
  const vec c = __builtin_shufflevector(x[0], x[1], 2, 6, 3, 7), d = __builtin_shufflevector(x[2], x[3], 2, 6, 3, 7);
  x[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
  x[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
  x[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
  x[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
#else
#pragma clang loop unroll(full)
  for (int d = 1; d < W; d *= 2)
    EACH(i, W)
      if (!(i & d)) exchange(d, &x[i], &x[i + d]);
#endif
}

/** W numbers of each of W rows → W rows of as many numbers. */
INLINE void transpose(const float *from, size_t stride, float *to, size_t step) {
  vec x[W];
  EACH(i, W) x[i] = load(from + i * stride);
  turn(x);
  EACH(i, W) store(to + i * step, x[i]);
}

/** The first `columns` numbers of each of `rows` rows, W of either at most → rows of `width` numbers, those beyond `rows` 0. */
INLINE void transpose_part(const float *from, size_t stride, int32_t rows, int32_t columns, float *to, size_t step, int32_t width) {
  vec x[W];
  EACH(i, W) x[i] = i < rows ? load_up_to(from + i * stride, columns) : (vec){};
  turn(x);
  EACH(i, W)
    if (i < columns) store_up_to(to + i * step, x[i], width);
}

/** The sum of x[i] in lane i, and so on; x is used up. */
INLINE vec totals(vec x[W]) {
#pragma clang loop unroll(full)
  for (int d = 1; d < W; d *= 2)
#pragma clang loop unroll(full)
    for (int i = 0; i < W; i += 2 * d) {
      exchange(d, &x[i], &x[i + d]);
      x[i] += x[i + d];
    }
  return x[0];
}
INLINE vec maxima(vec x[W]) {
#pragma clang loop unroll(full)
  for (int d = 1; d < W; d *= 2)
#pragma clang loop unroll(full)
    for (int i = 0; i < W; i += 2 * d) {
      exchange(d, &x[i], &x[i + d]);
      x[i] = pmax(x[i], x[i + d]);
    }
  return x[0];
}
