/** Rows of float64, each of whole vectors: what lies beyond the last number of a row is 0. */
#pragma once
#include "vectors.h"

#define EPSILON 2.220446049250313e-16

/** float64 in a vector */
enum { L = W / 2 };

typedef dvec dloose __attribute__((aligned(8)));
typedef int64_t lvec __attribute__((vector_size(4 * W)));

/** The number of each lane. */
#if W == 16
#define LANES ((lvec){0, 1, 2, 3, 4, 5, 6, 7})
#elif W == 8
#define LANES ((lvec){0, 1, 2, 3})
#else
#define LANES ((lvec){0, 1})
#endif

INLINE dvec dload(const double *p) { return *(const dloose *)p; }
INLINE void dstore(double *p, dvec x) { *(dloose *)p = x; }
INLINE dvec dsplat(double x) { return x - (dvec){}; }
/** The first `count` lanes; the others are 0. */
INLINE dvec dfirst(dvec x, int64_t count) { return (dvec)((lvec)x & (LANES < count - (lvec){})); }
/** n numbers in whole vectors of two lengths, those of float32 too. */
INLINE int32_t in_rows(int32_t n) { return (n + W - 1) / W * W; }
/** n numbers in whole vectors. */
INLINE int32_t in_vectors(int32_t n) { return (n + L - 1) / L * L; }

/** Over `count` numbers, whole vectors. */
INLINE double ddot(const double *x, const double *y, int32_t count) {
  dvec s0 = {}, s1 = {};
  int32_t i = 0;
  for (; i + 2 * L <= count; i += 2 * L) {
    s0 += dload(x + i) * dload(y + i);
    s1 += dload(x + i + L) * dload(y + i + L);
  }
  if (i < count) s0 += dload(x + i) * dload(y + i);
  return total64(s0 + s1);
}

/** y −= f·x */
INLINE void dsubtract(double *y, const double *x, double f, int32_t count) {
  for (int32_t i = 0; i < count; i += L) dstore(y + i, dload(y + i) - f * dload(x + i));
}

INLINE void dscale(double *x, double f, int32_t count) {
  for (int32_t i = 0; i < count; i += L) dstore(x + i, dload(x + i) * f);
}

INLINE void dclear(double *x, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] = 0;
}
