/** What expressions are made of, beside the operators of vectors; with WebAssembly's meaning where a number is NaN or 0. */
#pragma once
#include "heap.h"

typedef double dvec __attribute__((vector_size(4 * W)));
typedef float half_vec __attribute__((vector_size(2 * W)));

#if W == 16
#define HALF(x, from)                                                                                                   \
  __builtin_shufflevector(x, x, from, from + 1, from + 2, from + 3, from + 4, from + 5, from + 6, from + 7)
#elif W == 8
#define HALF(x, from) __builtin_shufflevector(x, x, from, from + 1, from + 2, from + 3)
#else
#define HALF(x, from) __builtin_shufflevector(x, x, from, from + 1)
#endif

INLINE int32_t most(int32_t a, int32_t b) { return a > b ? a : b; }

/** where tensors lie: 4 bytes apart */
typedef half_vec half_loose __attribute__((aligned(4)));

/** W / 2 floats at p as float64, and back. */
INLINE dvec promoted(const float *p) { return __builtin_convertvector(*(const half_loose *)p, dvec); }
INLINE void store_demoted(float *p, dvec x) { *(half_loose *)p = __builtin_convertvector(x, half_vec); }
/** The first and the last W / 2 floats as float64. */
INLINE dvec low(vec x) { return __builtin_convertvector(HALF(x, 0), dvec); }
INLINE dvec high(vec x) { return __builtin_convertvector(HALF(x, W / 2), dvec); }
INLINE double total64(dvec x) {
  double sum = 0;
  for (int i = 0; i < W / 2; i++) sum += x[i];
  return sum;
}

/** What the compiler knows nothing about: it would carry a selection of 0 through what follows, where it costs three operations for one. */
#ifdef __wasm__
#define HIDDEN(x) __asm__("" : "+r"(x))
#else
#define HIDDEN(x) ((void)0)
#endif

/** b where the condition holds, else a. */
INLINE vec select(vec a, vec b, ivec condition) { return (vec)((~condition & (ivec)a) | (condition & (ivec)b)); }
/** The first `count` numbers; the others are 0. */
INLINE vec first_of(vec x, int32_t count) { return select(splat(0), x, PLACES < splat_word(count)); }
/** b where a < b, or b < a, else a: NaN where a is. */
#ifdef __wasm__
INLINE vec pmax(vec a, vec b) { return __builtin_wasm_pmax_f32x4(a, b); }
INLINE vec pmin(vec a, vec b) { return __builtin_wasm_pmin_f32x4(a, b); }
#else
INLINE vec pmax(vec a, vec b) { return select(a, b, a < b); }
INLINE vec pmin(vec a, vec b) { return select(a, b, b < a); }
#endif
INLINE vec magnitude(vec x) { return __builtin_elementwise_abs(x); }
INLINE vec root(vec x) { return __builtin_elementwise_sqrt(x); }

/**
 * eˣ within 1.5 units in the last place; ∞ above 88.37, 0 below −87.3 (no denormal numbers), NaN for NaN.
 *
 *   x = n·ln 2 + r, |r| ≤ ½ ln 2      eˣ = 2ⁿ·eʳ      eʳ = 1 + r + r²·P(r), P of degree 5 from Cephes' expf
 *
 * n comes from an addition of 1.5·2²³, whose last bits it then is: this costs less than rounding and converting. ln 2 is
 * subtracted in two parts, of which the first has so few digits that n times it is exact. A second factor for 2ⁿ would carry the range
 * to where float32 ends, for a fifth more time, and no caller needs it: their sums hold a term near 1.
 */
INLINE vec exponential(vec x) {
  const float ROUNDING = 12582912; // 1.5·2²³
  const vec y = pmin(x, splat(89));
  const vec shifted = y * splat(1.44269504088896341f) + splat(ROUNDING);
  const vec n = shifted - splat(ROUNDING);
  const vec r = n * splat(2.12194440e-4f) + (n * splat(-0.693359375f) + y);
  vec p = splat(1.9875691500e-4f);
  p = p * r + splat(1.3981999507e-3f);
  p = p * r + splat(8.3334519073e-3f);
  p = p * r + splat(4.1665795894e-2f);
  p = p * r + splat(1.6666665459e-1f);
  p = p * r + splat(5.0000001201e-1f);
  p = p * (r * r) + r + splat(1);
  const uvec power = ((uvec)shifted + splat_word(127 - 0x4b400000)) << 23;
  // for an x far below the value here is meaningless
  ivec low = x < splat(-87.3f);
  HIDDEN(low);
  return (vec)(~low & (ivec)(p * (vec)power));
}

INLINE vec sigmoid(vec x) { return splat(1) / (splat(1) + exponential(-x)); }
