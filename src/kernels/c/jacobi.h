/**
 * Eigenvalues and eigenvectors of a Gram matrix G [r, r] in float64: G = L·Lᵀ by Cholesky's method with pivots, then one-sided Jacobi
 * on the columns of L (Veselić & Hari 1989), which makes them orthogonal by rotating two at a time.
 *
 *   L·V = U·√Λ     G = U·Λ·Uᵀ
 *
 * Why not two-sided Jacobi: here the eigenvectors are the columns themselves and nothing else is turned, and pivoting leaves so little to
 * turn that five sweeps do. Small eigenvalues of a graded matrix keep their digits, as there. For large matrices `tridiagonal.h` is
 * faster.
 *
 * A pivot that is no more than the round-off of its diagonal entry ends the factorization: what is left is a direction that the
 * rows of M do not have. It gets no column.
 */
#pragma once
#include "doubles.h"

/**
 * The square of a cosine that counts as 0. What is made of the vectors is rounded to float32, 6e-8; this is relative to the two lengths,
 * so small eigenvalues lose nothing by it.
 */
#define ORTHOGONAL 1e-20
enum { MAX_SWEEPS = 40 };

/** The row with the largest rest; −1 where all that is left is round-off. */
static int32_t next_pivot(const double *gram, int32_t r, const double *left) {
  const size_t wide = in_rows(r);
  int32_t best = -1;
  double largest = 0;
  for (int32_t i = 0; i < r; i++)
    if (left[i] > largest && left[i] > r * EPSILON * gram[i * wide + i]) {
      largest = left[i];
      best = i;
    }
  return best;
}

/** Columns of L as rows of `columns`, by descending pivot; answers how many. */
static int32_t cholesky(const double *gram, int32_t r, double *columns, double *left) {
  const int32_t wide = in_rows(r);
  for (int32_t i = 0; i < r; i++) left[i] = gram[(size_t)i * wide + i];
  for (int32_t k = 0; k < r; k++) {
    const int32_t pivot = next_pivot(gram, r, left);
    if (pivot < 0) return k;
    double *column = columns + (size_t)k * wide;
    for (int32_t i = 0; i < wide; i++) column[i] = i < r ? gram[(size_t)pivot * wide + i] : 0;
    for (int32_t j = 0; j < k; j++) dsubtract(column, columns + (size_t)j * wide, columns[(size_t)j * wide + pivot], wide);
    const double root = __builtin_sqrt(left[pivot]);
    left[pivot] = -1; // taken
    for (int32_t i = 0; i < r; i++) {
      column[i] = i == pivot ? root : left[i] < 0 ? 0 : column[i] / root;
      const double rest = left[i] - column[i] * column[i];
      if (left[i] >= 0) left[i] = rest > 0 ? rest : 0;
    }
  }
  return r;
}

/** Makes two rows orthogonal; `xx` and `yy`: their squared lengths. */
INLINE int orthogonalize_two(double *x, double *y, int32_t wide, double *xx, double *yy) {
  const double a = *xx, b = *yy, g = ddot(x, y, wide);
  if (g * g <= ORTHOGONAL * a * b) return 0;
  const double tau = (b - a) / (2 * g);
  const double t = (tau >= 0 ? 1 : -1) / (__builtin_fabs(tau) + __builtin_sqrt(1 + tau * tau));
  const double c = 1 / __builtin_sqrt(1 + t * t), s = t * c;
  for (int32_t i = 0; i < wide; i += L) {
    const dvec p = dload(x + i), q = dload(y + i);
    dstore(x + i, c * p - s * q);
    dstore(y + i, s * p + c * q);
  }
  *xx = a - t * g;
  *yy = b + t * g;
  return 1;
}

/** Makes `rank` rows orthogonal; `squares` gets their squared lengths, the eigenvalues. */
static void orthogonalize(double *columns, int32_t rank, int32_t r, double *squares) {
  const int32_t wide = in_rows(r);
  for (int32_t sweep = 0, turned = 1; turned && sweep < MAX_SWEEPS; sweep++) {
    turned = 0;
    for (int32_t i = 0; i < rank; i++) squares[i] = ddot(columns + (size_t)i * wide, columns + (size_t)i * wide, wide);
    for (int32_t i = 0; i < rank - 1; i++)
      for (int32_t j = i + 1; j < rank; j++)
        turned |= orthogonalize_two(columns + (size_t)i * wide, columns + (size_t)j * wide, wide, squares + i, squares + j);
  }
}
