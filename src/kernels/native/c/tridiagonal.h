/** Eigenvalues and eigenvectors by way of a tridiagonal matrix; the method and when it answers are in `../../wasm/assembly/tridiagonal.ts`. */
#pragma once
#include "jacobi.h"

#define FLOAT32 5.9604644775390625e-8
#define TINY 1e-40
enum { MOST_STEPS = 40 };

/** Rows that `tridiagonal` needs, and those of L numbers for each of r. */
typedef struct {
  double *diagonal, *off, *taus, *squares, *v, *w, *p, *lower, *upper, *down, *up;
} Spare;

/** Of L lanes at once: `lower`, `upper`, `down` and `up`. */
enum { SPARE_ROWS = 7 + 4 * L };

INLINE Spare spare_of(double *from, int32_t wide) {
  double *lanes = from + 7 * wide;
  return (Spare){from, from + wide, from + 2 * wide, from + 3 * wide, from + 4 * wide, from + 5 * wide, from + 6 * wide,
                 lanes, lanes + L * wide, lanes + 2 * L * wide, lanes + 3 * L * wide};
}

/** Hᵢ, which leaves of the first i numbers of `row` only the last. */
INLINE void reflect(double *row, int32_t i, Spare at) {
  const int32_t count = in_vectors(i);
  const double last = row[i - 1];
  row[i - 1] = 0;
  const double rest = ddot(row, row, count);
  at.taus[i] = 0;
  at.off[i] = last;
  if (rest == 0) return;
  const double length = __builtin_sqrt(last * last + rest), beta = last >= 0 ? -length : length;
  at.taus[i] = (beta - last) / beta;
  at.off[i] = beta;
  dscale(row, 1 / (last - beta), count);
  row[i - 1] = 1;
}

/** Two rows of the leading block: A −= v·wᵀ + w·vᵀ, and with what they are then, p += A·x. `second`: 0 where there is only one. */
INLINE void update_two(double *a, double *b, int32_t j, double second, const double *x, Spare at) {
  const double va = at.v[j], wa = at.w[j], xa = x[j];
  const double vb = at.v[j + 1] * second, wb = at.w[j + 1] * second, xb = x[j + 1] * second;
  const int32_t whole = j / L * L, rest = j - whole;
  dvec sa = {}, sb = {};
  for (int32_t k = 0; k < whole; k += L) {
    const dvec v = dload(at.v + k), w = dload(at.w + k), own = dload(x + k);
    const dvec ak = dload(a + k) - va * w - wa * v, bk = dload(b + k) - vb * w - wb * v;
    dstore(a + k, ak);
    dstore(b + k, bk);
    sa += ak * own;
    sb += bk * own;
    dstore(at.p + k, dload(at.p + k) + xa * ak + xb * bk);
  }
  // what lies beyond the diagonal stays 0, and what lies on it counts once
  const dvec v = dload(at.v + whole), w = dload(at.w + whole), own = dload(x + whole);
  const dvec ak = dfirst(dload(a + whole) - va * w - wa * v, rest + 1), bk = dfirst(dload(b + whole) - vb * w - wb * v, rest + 2);
  dstore(a + whole, ak);
  dstore(b + whole, bk);
  dstore(at.p + whole, dload(at.p + whole) + xa * dfirst(ak, rest) + xb * dfirst(bk, rest + 1));
  at.p[j] += total64(sa + ak * own);
  if (second != 0) at.p[j + 1] += total64(sb + bk * own);
}

/** T from the lower half of `a`, whose row i then begins with vᵢ. */
static void reduce(double *a, int32_t r, Spare at) {
  const int32_t wide = in_rows(r);
  dclear(at.v, 2 * wide);
  for (int32_t i = r - 1; i > 0; i--) {
    double *row = a + (size_t)i * wide;
    const int32_t count = in_vectors(i + 1);
    dsubtract(row, at.w, at.v[i], count);
    dsubtract(row, at.v, at.w[i], count);
    at.diagonal[i] = row[i];
    for (int32_t k = i; k < count; k++) row[k] = 0;
    reflect(row, i, at);
    dclear(at.p, wide);
    for (int32_t j = 0; j < i; j += 2) {
      double *two = a + (size_t)j * wide;
      update_two(two, two + wide, j, j + 1 < i, row, at);
    }
    const double tau = at.taus[i], half = 0.5 * tau * tau * ddot(at.p, row, count);
    for (int32_t k = 0; k < count; k += L) {
      const dvec x = dload(row + k);
      dstore(at.v + k, x);
      dstore(at.w + k, tau * dload(at.p + k) - half * x);
    }
  }
  at.diagonal[0] = a[0] - 2 * at.v[0] * at.w[0];
}

/** One QL step on the rows l to m of T, with the squares of what lies beside its diagonal. */
INLINE void step_ql(double *values, double *squares, int32_t l, int32_t m) {
  const double first = values[l], root = __builtin_sqrt(squares[l]), half = (values[l + 1] - first) / (2 * root);
  const double length = __builtin_sqrt(half * half + 1), shift = first - root / (half + (half >= 0 ? length : -length));
  double c = 1, s = 0, gamma = values[m] - shift, p = gamma * gamma;
  for (int32_t i = m - 1; i >= l; i--) {
    const double square = squares[i], sum = p + square, before = c, old = gamma, alpha = values[i];
    if (i != m - 1) squares[i + 1] = s * sum;
    // 1/c beside c, not after it: each step waits for one division, not for two
    const double inverse = sum / p;
    c = p / sum;
    s = square / sum;
    gamma = c * (alpha - shift) - s * old;
    values[i + 1] = old + (alpha - gamma);
    p = c != 0 ? gamma * gamma * inverse : before * square;
  }
  squares[l] = s * p;
  values[l] = shift + gamma;
}

/** Eigenvalues of T, ascending. 0 where QL steps do not end. */
static int eigenvalues(double *values, int32_t r, Spare at) {
  double *squares = at.squares;
  for (int32_t i = 0; i < r; i++) values[i] = at.diagonal[i];
  for (int32_t i = 1; i < r; i++) squares[i - 1] = at.off[i] * at.off[i];
  for (int32_t l = 0; l < r; l++)
    for (int32_t steps = 0;; steps++) {
      int32_t m = l;
      while (m < r - 1 && squares[m] > EPSILON * EPSILON * __builtin_fabs(values[m] * values[m + 1])) m++;
      if (m == l) break;
      if (steps == MOST_STEPS) return 0;
      step_ql(values, squares, l, m);
    }
  for (int32_t i = 1; i < r; i++) {
    const double value = values[i];
    int32_t j = i;
    for (; j > 0 && values[j - 1] > value; j--) values[j] = values[j - 1];
    values[j] = value;
  }
  return 1;
}

/** x, or `least` where it cannot be divided by. */
INLINE dvec divisor(dvec x, dvec least) {
  const lvec small = __builtin_elementwise_abs(x) < least;
  return (dvec)((small & (lvec)least) | (~small & (lvec)x));
}

/** T − λ = L·D₊·Lᵀ from above and U·D₋·Uᵀ from below, for L numbers λ at a time. */
INLINE void factorize(dvec lambda, int32_t r, dvec tiny, Spare at) {
  dvec plus = divisor(at.diagonal[0] - lambda, tiny), minus = divisor(at.diagonal[r - 1] - lambda, tiny);
  dstore(at.lower, plus);
  dstore(at.upper + (r - 1) * L, minus);
  for (int32_t i = 1; i < r; i++) {
    const double e = at.off[i], f = at.off[r - i];
    const dvec l = e / plus, u = f / minus;
    plus = divisor(at.diagonal[i] - lambda - l * e, tiny);
    minus = divisor(at.diagonal[r - 1 - i] - lambda - u * f, tiny);
    dstore(at.lower + i * L, plus);
    dstore(at.upper + (r - 1 - i) * L, minus);
    dstore(at.down + (i - 1) * L, -l);
    dstore(at.up + (r - i) * L, -u);
  }
}

/** Of length `length`; answers the square of what it was. */
INLINE double normalize(double *z, double length, int32_t wide) {
  const double square = ddot(z, z, wide);
  dscale(z, length / __builtin_sqrt(square), wide);
  return square;
}

/** The eigenvector z of the λ in a lane. */
INLINE void vector_of(double lambda, int32_t lane, int32_t r, double *z, Spare at) {
  int32_t twist = 0;
  double nearest = __builtin_inf();
  for (int32_t i = 0; i < r; i++) {
    const double gamma = __builtin_fabs(at.lower[i * L + lane] + at.upper[i * L + lane] - (at.diagonal[i] - lambda));
    if (gamma < nearest) {
      nearest = gamma;
      twist = i;
    }
  }
  z[twist] = 1;
  for (int32_t i = twist - 1; i >= 0; i--) z[i] = z[i + 1] * at.down[i * L + lane];
  for (int32_t i = twist + 1; i < r; i++) z[i] = z[i - 1] * at.up[i * L + lane];
  dclear(z + r, in_rows(r) - r);
  normalize(z, 1, in_rows(r));
}

/** Makes z orthogonal to the vectors before it whose eigenvalues are near. 0 where it is one of them. */
INLINE int separate(double *vectors, const double *values, int32_t j, int32_t r, double near) {
  const int32_t wide = in_rows(r);
  double *z = vectors + (size_t)j * wide;
  int32_t i = j - 1;
  for (; i >= 0 && values[j] - values[i] < near; i--)
    dsubtract(z, vectors + (size_t)i * wide, ddot(z, vectors + (size_t)i * wide, wide), wide);
  return i == j - 1 || normalize(z, 1, wide) > 0.5;
}

enum { TOGETHER = 4 };

/** z ← Hᵣ₋₁···H₁ z for four z, which share what a reflection costs to load. */
INLINE void transform_back(const double *a, int32_t r, double *const z[TOGETHER], Spare at) {
  const int32_t wide = in_rows(r);
  for (int32_t i = 2; i < r; i++) {
    const double *row = a + (size_t)i * wide;
    const int32_t count = in_vectors(i);
    dvec sums[TOGETHER] = {};
    for (int32_t k = 0; k < count; k += L) {
      const dvec x = dload(row + k);
      for (int n = 0; n < TOGETHER; n++) sums[n] += x * dload(z[n] + k);
    }
    double f[TOGETHER];
    for (int n = 0; n < TOGETHER; n++) f[n] = at.taus[i] * total64(sums[n]);
    for (int32_t k = 0; k < count; k += L) {
      const dvec x = dload(row + k);
      for (int n = 0; n < TOGETHER; n++) dstore(z[n] + k, dload(z[n] + k) - f[n] * x);
    }
  }
}

/** Eigenvalues of G and their eigenvectors of length √λ, in rows; 0 where they are not what float32 can hold. `a`: a matrix of scratch. */
static int tridiagonal(const double *gram, int32_t r, double *vectors, double *values, double *a, Spare at) {
  const int32_t wide = in_rows(r);
  for (int32_t i = 0; i < r; i++)
    for (int32_t j = 0; j < wide; j++) a[(size_t)i * wide + j] = j <= i ? gram[(size_t)i * wide + j] : 0;
  reduce(a, r, at);
  if (!eigenvalues(values, r, at)) return 0;
  const double largest = values[r - 1], near = FLOAT32 * largest;
  if (!(values[0] > near)) return 0;
  for (int32_t j = 0; j < r; j += L) {
    dvec lambda;
    for (int lane = 0; lane < L; lane++) lambda[lane] = values[least(j + lane, r - 1)];
    factorize(lambda, r, dsplat(TINY * largest), at);
    for (int32_t lane = 0; lane < least(L, r - j); lane++)
      vector_of(values[j + lane], lane, r, vectors + (size_t)(j + lane) * wide, at);
  }
  for (int32_t j = 1; j < r; j++)
    if (!separate(vectors, values, j, r, near)) return 0;
  for (int32_t j = 0; j < r; j += TOGETHER) {
    double *z[TOGETHER];
    for (int n = 0; n < TOGETHER; n++) z[n] = j + n < r ? vectors + (size_t)(j + n) * wide : at.lower + n * wide;
    transform_back(a, r, z, at);
  }
  for (int32_t j = 0; j < r; j++) normalize(vectors + (size_t)j * wide, __builtin_sqrt(values[j]), wide);
  return 1;
}
