/**
 * Eigenvalues of a symmetric tridiagonal matrix T with diagonal d and e beside it, many at a time.
 *
 *   p₀ = 1     pᵢ₊₁ = (dᵢ − x)·pᵢ − eᵢ²·pᵢ₋₁     the leading minors of T − x
 *
 * As many eigenvalues lie below x as the signs of p₀ … pᵣ change (Barth, Martin & Wilkinson 1967, Numer. Math. 9). Each lane has an interval
 * around its eigenvalue. It is halved until no other is inside; then it is cut where the line between pᵣ at both ends meets zero, and a little
 * further on, so that both ends come nearer (as in Oliveira & Takahashi 2020, ACM TOMS 47); and after a cut that took less than a quarter, it is
 * halved.
 * The minors of many x are made side by side, and none waits for a division, as the steps of QL do.
 */
#pragma once
#include "doubles.h"

/** CHAINS: vectors of x at a time. TERMS_BETWEEN: minors between two that are scaled, which 2⁻¹⁰⁰⁰ bounds. */
enum { CHAINS = 4, TERMS_BETWEEN = 16 };

INLINE dvec dselect(dvec a, dvec b, lvec condition) { return (dvec)((~condition & (lvec)a) | (condition & (lvec)b)); }
INLINE lvec lselect(lvec a, lvec b, lvec condition) { return (~condition & a) | (condition & b); }
INLINE dvec dabs(dvec x) { return __builtin_elementwise_abs(x); }
INLINE lvec lsplat(int64_t x) { return x - (lvec){}; }
/** 2ⁿ */
INLINE dvec power_of_two(lvec n) { return (dvec)((n + 1023) << 52); }

/** What is known of T at x: pᵣ = value·2^exponent, and how many eigenvalues lie below. */
typedef struct {
  dvec x, value;
  lvec exponent, below;
} Minor;

/** `squares` of e, of 1 at most as d is, and none of them 0. */
INLINE void minors(const double *d, const double *squares, int32_t r, Minor at[CHAINS]) {
  dvec p[CHAINS], before[CHAINS];
  lvec below[CHAINS] = {}, exponent[CHAINS] = {};
  for (int c = 0; c < CHAINS; c++) {
    before[c] = dsplat(1);
    p[c] = d[0] - at[c].x;
    below[c] = (lvec)p[c] >> 63;
  }
  for (int32_t i = 1; i < r;) {
    for (const int32_t end = least(i + TERMS_BETWEEN, r); i < end; i++)
      for (int c = 0; c < CHAINS; c++) {
        const dvec next = (d[i] - at[c].x) * p[c] - squares[i] * before[c];
        below[c] += ((lvec)next ^ (lvec)p[c]) >> 63;
        before[c] = p[c];
        p[c] = next;
      }
    for (int c = 0; c < CHAINS; c++) {
      const dvec large = dselect(dabs(p[c]), dabs(before[c]), dabs(p[c]) < dabs(before[c]));
      const lvec power = ((lvec)large >> 52) - 1023;
      p[c] *= power_of_two(-power);
      before[c] *= power_of_two(-power);
      exponent[c] += power;
    }
  }
  for (int c = 0; c < CHAINS; c++) {
    at[c].value = p[c];
    at[c].exponent = exponent[c];
    at[c].below = -below[c];
  }
}

/** Both ends of an interval; -1 and r + 1 eigenvalues lie below an end where no minor has been made. */
typedef struct {
  Minor low, high;
  /** its width when no other eigenvalue was left in it, and before */
  dvec begun;
  /** where it is still more than three quarters of what it was */
  lvec slow;
} Interval;

INLINE Minor mselect(Minor a, Minor b, lvec condition) {
  return (Minor){dselect(a.x, b.x, condition), dselect(a.value, b.value, condition), lselect(a.exponent, b.exponent, condition),
                 lselect(a.below, b.below, condition)};
}

/** Where to look next for eigenvalue j. */
INLINE dvec next_of(const Interval *in, lvec j) {
  const dvec width = in->high.x - in->low.x, middle = in->low.x + 0.5 * width;
  const lvec shift = in->high.exponent - in->low.exponent, most = lsplat(1000);
  const lvec bounded = lselect(lselect(shift, most, shift > most), -most, shift < -most);
  dvec cut = in->low.x + width / (1 - in->high.value / in->low.value * power_of_two(bounded));
  const lvec alone = (in->low.below == j) & (in->high.below == j + 1);
  const dvec beyond = width * width / in->begun;
  cut = dselect(dselect(cut + beyond, cut - beyond, cut > middle), middle, dabs(cut - middle) < beyond);
  const dvec x = dselect(middle, cut, alone & ~in->slow);
  // no nearer to an end than what an eigenvalue is wrong by: then the other end comes as near
  const dvec room = 0.5 * width - EPSILON;
  return dselect(middle + room, dselect(middle - room, x, x > middle - room), x < middle + room);
}

INLINE void narrow(Interval *in, Minor found, lvec j) {
  const lvec rises = found.below <= j;
  const dvec most = 0.75 * (in->high.x - in->low.x);
  in->low = mselect(in->low, found, rises);
  in->high = mselect(found, in->high, rises);
  const dvec width = in->high.x - in->low.x;
  const lvec alone = (in->low.below == j) & (in->high.below == j + 1);
  in->begun = dselect(width, in->begun, alone);
  in->slow = width > most;
}

/** Eigenvalues of T, ascending; off[i] lies between i − 1 and i. `d`, `squares`: rows of scratch. */
static void eigenvalues(const double *diagonal, const double *off, int32_t r, double *values, double *d, double *squares) {
  double bound = 0;
  for (int32_t i = 0; i < r; i++) {
    const double before = i > 0 ? __builtin_fabs(off[i]) : 0, after = i + 1 < r ? __builtin_fabs(off[i + 1]) : 0;
    const double own = __builtin_fabs(diagonal[i]) + before + after;
    if (own > bound) bound = own;
  }
  const double factor = bound > 0 ? 1 / bound : 0;
  for (int32_t i = 0; i < r; i++) {
    d[i] = diagonal[i] * factor;
    const double e = i > 0 ? off[i] * factor : 0;
    squares[i] = e * e > EPSILON * EPSILON ? e * e : EPSILON * EPSILON;
  }
  for (int32_t first = 0; first < r; first += CHAINS * L) {
    Interval in[CHAINS];
    Minor at[CHAINS];
    lvec j[CHAINS];
    for (int c = 0; c < CHAINS; c++) {
      j[c] = LANES + first + c * L;
      j[c] = lselect(j[c], lsplat(r - 1), j[c] > r - 1);
      in[c] = (Interval){.begun = dsplat(2), .low = {.x = dsplat(-1), .value = dsplat(1), .below = lsplat(-1)},
                         .high = {.x = dsplat(1), .value = dsplat(1), .below = lsplat(r + 1)}};
    }
    double widest;
    do {
      for (int c = 0; c < CHAINS; c++) at[c].x = next_of(in + c, j[c]);
      minors(d, squares, r, at);
      widest = 0;
      for (int c = 0; c < CHAINS; c++) {
        narrow(in + c, at[c], j[c]);
        const dvec width = in[c].high.x - in[c].low.x;
        for (int lane = 0; lane < L; lane++) widest = width[lane] > widest ? width[lane] : widest;
      }
    } while (widest > 4 * EPSILON);
    for (int c = 0; c < CHAINS; c++)
      for (int lane = 0; lane < L && first + c * L + lane < r; lane++)
        values[first + c * L + lane] = bound * 0.5 * (in[c].low.x[lane] + in[c].high.x[lane]);
  }
}
