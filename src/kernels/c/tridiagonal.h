/**
 * Eigenvalues and eigenvectors of a Gram matrix G [r, r] in float64, by way of a tridiagonal matrix: some 2.5·r³ multiplications where
 * Jacobi's method (`jacobi.h`) takes 12·r³.
 *
 *   G = H·T·Hᵀ     H = Hᵣ₋₁···H₁, Householder's reflections: Hᵢ = I − τᵢ vᵢvᵢᵀ changes the first i rows
 *   T z = λ z      λ by bisection (`bisection.h`), many at a time, z by a twisted factorization of T − λ (Dhillon & Parlett 2004), whose
 *                  error is that of λ over the distance to the next eigenvalue
 *   u = H·z
 *
 * All of it is wrong by a few ε·λ_max. That is nothing to eigenvalues of this order, and everything to those of ε·λ_max, which Jacobi's
 * method finds. So `tridiagonal` answers whether what it found is what float32 can hold, and Jacobi's method does the others.
 *
 * Eigenvectors are columns of a panel, one in each lane: a reflection is a few numbers that meet whole rows of it, several reflections
 * pass it at once, and a panel stays in the first cache until they all have.
 */
#pragma once
#include "bisection.h"
#include "jacobi.h"

/**
 * Of λ_max: an eigenvalue that is less has, at some ten ε·λ_max, an error beyond float32's 6e-8 of itself; and eigenvectors
 * whose eigenvalues are nearer than this are not orthogonal to 6e-8.
 */
#define FLOAT32 5.9604644775390625e-8
/** A pivot that is 0 is replaced by this times λ_max. */
#define TINY 1e-40

/** Columns of a panel, and the reflections that pass it at once: their sums stay in registers. */
enum { VECTORS_OF_PANEL = 4, PANEL = VECTORS_OF_PANEL * L, TOGETHER = W == 8 ? 2 : 4 };

/** Rows that `tridiagonal` needs, and those of L numbers for each of r, and of PANEL. */
typedef struct {
  double *diagonal, *off, *taus, *squares, *v, *w, *p, *lower, *upper, *down, *up, *panel;
} Spare;

enum { SPARE_ROWS = 7 + 4 * L + PANEL };

INLINE Spare spare_of(double *from, int32_t wide) {
  double *lanes = from + 7 * wide;
  return (Spare){from, from + wide, from + 2 * wide, from + 3 * wide, from + 4 * wide, from + 5 * wide, from + 6 * wide,
                 lanes, lanes + L * wide, lanes + 2 * L * wide, lanes + 3 * L * wide, lanes + 4 * L * wide};
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

/** Rows of the leading block that are updated at once, no more than a vector has lanes. */
enum { MOST_ROWS = L < 4 ? L : 4 };

/**
 * Some rows of the leading block, from j on, a multiple of `rows`: A −= v·wᵀ + w·vᵀ, and with what they are then, p += A·x. `last`: 0 where the
 * last of them is none of the block's.
 */
INLINE void update_rows(int rows, double *a, int32_t wide, int32_t j, double last, const double *x, Spare at) {
  double va[MOST_ROWS], wa[MOST_ROWS], xa[MOST_ROWS];
  for (int n = 0; n < rows; n++) {
    const double present = n == rows - 1 ? last : 1;
    va[n] = at.v[j + n] * present;
    wa[n] = at.w[j + n] * present;
    xa[n] = x[j + n] * present;
  }
  const int32_t whole = j / L * L, rest = j - whole;
  dvec sums[MOST_ROWS] = {};
  for (int32_t k = 0; k < whole; k += L) {
    const dvec v = dload(at.v + k), w = dload(at.w + k), own = dload(x + k);
    dvec p = dload(at.p + k);
    for (int n = 0; n < rows; n++) {
      const dvec y = dload(a + n * wide + k) - va[n] * w - wa[n] * v;
      dstore(a + n * wide + k, y);
      sums[n] += y * own;
      p += xa[n] * y;
    }
    dstore(at.p + k, p);
  }
  // what lies beyond the diagonal stays 0, and what lies on it counts once
  const dvec v = dload(at.v + whole), w = dload(at.w + whole), own = dload(x + whole);
  dvec p = dload(at.p + whole);
  for (int n = 0; n < rows; n++) {
    const dvec y = dfirst(dload(a + n * wide + whole) - va[n] * w - wa[n] * v, rest + n + 1);
    dstore(a + n * wide + whole, y);
    sums[n] += y * own;
    p += xa[n] * dfirst(y, rest + n);
  }
  dstore(at.p + whole, p);
  for (int n = 0; n < rows; n++)
    if (n < rows - 1 || last != 0) at.p[j + n] += total64(sums[n]);
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
    int32_t j = 0;
    for (; j + MOST_ROWS <= i; j += MOST_ROWS) update_rows(MOST_ROWS, a + (size_t)j * wide, wide, j, 1, row, at);
    for (; j < i; j += 2) update_rows(2, a + (size_t)j * wide, wide, j, j + 1 < i, row, at);
    const double tau = at.taus[i], half = 0.5 * tau * tau * ddot(at.p, row, count);
    for (int32_t k = 0; k < count; k += L) {
      const dvec x = dload(row + k);
      dstore(at.v + k, x);
      dstore(at.w + k, tau * dload(at.p + k) - half * x);
    }
  }
  at.diagonal[0] = a[0] - 2 * at.v[0] * at.w[0];
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
  dstore(at.down + (r - 1) * L, (dvec){});
  dstore(at.up, (dvec){});
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

/** The eigenvectors z of L numbers λ, in lanes of rows of `PANEL` numbers. */
INLINE void vectors_of(dvec lambda, int32_t r, double *z, Spare at) {
  dvec nearest = dsplat(__builtin_inf());
  lvec twist = {};
  for (int32_t i = 0; i < r; i++) {
    const dvec gamma = dabs(dload(at.lower + i * L) + dload(at.upper + i * L) - (at.diagonal[i] - lambda));
    const lvec nearer = gamma < nearest;
    nearest = dselect(nearest, gamma, nearer);
    twist = lselect(twist, lsplat(i), nearer);
  }
  dvec above = {}, below = {}, square = {};
  for (int32_t i = r - 1; i >= 0; i--) {
    above = dselect(above * dload(at.down + i * L), dsplat(1), twist == i);
    square += above * above;
    dstore(z + (size_t)i * PANEL, above);
  }
  for (int32_t i = 0; i < r; i++) {
    const lvec here = twist == i;
    below = dselect(below * dload(at.up + i * L), dsplat(1), here);
    const dvec added = dselect(below, (dvec){}, here);
    square += added * added;
    dstore(z + (size_t)i * PANEL, dload(z + (size_t)i * PANEL) + added);
  }
  const dvec factor = 1 / __builtin_elementwise_sqrt(square);
  for (int32_t i = 0; i < r; i++) dstore(z + (size_t)i * PANEL, dload(z + (size_t)i * PANEL) * factor);
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

/**
 * Z ← Hᵢ₊ₙ₋₁···Hᵢ Z for n ≤ TOGETHER reflections and the columns of a panel, which are read twice for all of them:
 *
 *   S = Vᵀ·Z     Z −= V·F     Fₘ = τₘ (Sₘ − Σₖ vₘᵀvₖ Fₖ), k < m: what the reflections before have changed of Sₘ
 */
INLINE void reflect_panel(int n, const double *a, int32_t wide, int32_t i, const double *taus, double *z) {
  const int32_t count = i + n - 1;
  const double *v = a + (size_t)i * wide;
  dvec f[TOGETHER][VECTORS_OF_PANEL] = {};
  for (int32_t k = 0; k < count; k++) {
    const double *row = z + (size_t)k * PANEL;
    EACH(m, n)
      for (int c = 0; c < VECTORS_OF_PANEL; c++) f[m][c] += v[m * wide + k] * dload(row + c * L);
  }
  for (int m = 0; m < n; m++) {
    for (int before = 0; before < m; before++) {
      const double both = ddot(v + m * wide, v + before * wide, in_vectors(i + before));
      for (int c = 0; c < VECTORS_OF_PANEL; c++) f[m][c] -= both * f[before][c];
    }
    for (int c = 0; c < VECTORS_OF_PANEL; c++) f[m][c] *= taus[i + m];
  }
  for (int32_t k = 0; k < count; k++) {
    double *row = z + (size_t)k * PANEL;
    dvec own[VECTORS_OF_PANEL];
    for (int c = 0; c < VECTORS_OF_PANEL; c++) own[c] = dload(row + c * L);
    EACH(m, n)
      for (int c = 0; c < VECTORS_OF_PANEL; c++) own[c] -= v[m * wide + k] * f[m][c];
    for (int c = 0; c < VECTORS_OF_PANEL; c++) dstore(row + c * L, own[c]);
  }
}

/** Z ← Hᵣ₋₁···H₁ Z */
INLINE void transform_back(const double *a, int32_t r, double *z, const double *taus) {
  int32_t i = 2;
  for (; i + TOGETHER <= r; i += TOGETHER) reflect_panel(TOGETHER, a, in_rows(r), i, taus, z);
  for (; i < r; i++) reflect_panel(1, a, in_rows(r), i, taus, z);
}

/** Columns of a panel as rows of `vectors`, `count` of them. */
INLINE void write_rows(const double *z, int32_t r, int32_t count, double *vectors) {
  const int32_t wide = in_rows(r);
  for (int32_t j = 0; j < count; j++) {
    double *row = vectors + (size_t)j * wide;
    for (int32_t i = 0; i < r; i++) row[i] = z[(size_t)i * PANEL + j];
    dclear(row + r, wide - r);
  }
}

/** Eigenvalues of G and their eigenvectors of length √λ, in rows; 0 where they are not what float32 can hold. `a`: a matrix of scratch. */
static int tridiagonal(const double *gram, int32_t r, double *vectors, double *values, double *a, Spare at) {
  const int32_t wide = in_rows(r);
  for (int32_t i = 0; i < r; i++)
    for (int32_t j = 0; j < wide; j++) a[(size_t)i * wide + j] = j <= i ? gram[(size_t)i * wide + j] : 0;
  reduce(a, r, at);
  eigenvalues(at.diagonal, at.off, r, values, at.p, at.squares);
  const double largest = values[r - 1], near = FLOAT32 * largest;
  if (!(values[0] > near)) return 0;
  for (int32_t first = 0; first < r; first += PANEL) {
    for (int32_t j = 0; j < PANEL; j += L) {
      dvec lambda;
      for (int lane = 0; lane < L; lane++) lambda[lane] = values[least(first + j + lane, r - 1)];
      factorize(lambda, r, dsplat(TINY * largest), at);
      vectors_of(lambda, r, at.panel + j, at);
    }
    transform_back(a, r, at.panel, at.taus);
    write_rows(at.panel, r, least(PANEL, r - first), vectors + (size_t)first * wide);
  }
  for (int32_t j = 1; j < r; j++)
    if (!separate(vectors, values, j, r, near)) return 0;
  for (int32_t j = 0; j < r; j++) normalize(vectors + (size_t)j * wide, __builtin_sqrt(values[j]), wide);
  return 1;
}
