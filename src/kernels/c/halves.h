/**
 * Numbers of 16 bits as they are stored. WebAssembly has none: there sign, exponent and fraction move to where a float has them, and a
 * product with 2¹¹² sets the exponent right, of subnormal numbers too. No weight is infinite.
 */
#pragma once
#include "heap.h"

#ifdef __wasm__
typedef int16_t half;
typedef half half_numbers __attribute__((vector_size(2 * W), aligned(2)));
INLINE vec of_halves(const half *p) {
  const ivec bits = __builtin_convertvector(*(const half_numbers *)p, ivec) << 13 & (int32_t)0x8fffe000;
  return (vec)bits * 0x1p112f;
}
INLINE float of_half(half x) {
  union { uint32_t bits; float number; } own = {(uint32_t)x << 13 & 0x8fffe000};
  return own.number * 0x1p112f;
}
#else
typedef _Float16 half;
typedef half half_numbers __attribute__((vector_size(2 * W), aligned(2)));
INLINE vec of_halves(const half *p) { return __builtin_convertvector(*(const half_numbers *)p, vec); }
INLINE float of_half(half x) { return (float)x; }
#endif
