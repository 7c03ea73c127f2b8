/**
 * Packed numbers and the floats that they stand for: scale·stored, a scale for each row, or d·q + m, d and m for each block; types and
 * packing in `src/numbers/packing.ts`.
 *
 *   half, int8   one rounding; exact for halves where the scale is a power of two
 *   q4           d·q is exact, so a fused d·q + m is the same number as two operations
 *   q8           exact
 */
#pragma once
#include "heap.h"

/** How a matrix is packed; from Q4 on its rows consist of blocks of 32 numbers. */
enum { FLOAT32, HALVES, BYTES, Q4, Q8 };
/** Numbers of a block, and words. */
enum { BLOCK = 32, Q4_WORDS = 5, Q8_WORDS = 9 };

/**
 * Halves as they are stored. WebAssembly has none: there sign, exponent and fraction move to where a float has them, and a product with
 * 2¹¹² sets the exponent right, of subnormal numbers too. No weight is infinite.
 */
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

/** W bytes as numbers: with a sign as floats, without one as words. */
#ifdef __wasm__
INLINE vec of_bytes(const int8_t *p) {
  return __builtin_convertvector((ivec)wasm_i32x4_extend_low_i16x8(wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(p))), vec);
}
INLINE uvec words_of(const uint8_t *p) {
  return (uvec)wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(p)));
}
#else
typedef int8_t signed_bytes __attribute__((vector_size(W), aligned(1)));
typedef uint8_t unsigned_bytes __attribute__((vector_size(W), aligned(1)));
INLINE vec of_bytes(const int8_t *p) { return __builtin_convertvector(*(const signed_bytes *)p, vec); }
INLINE uvec words_of(const uint8_t *p) { return __builtin_convertvector(*(const unsigned_bytes *)p, uvec); }
#endif

/** d and m of a block. */
typedef struct {
  float d, m;
} Head;

INLINE Head head_of(const uint32_t *block) {
  const half *halves = (const half *)block;
  return (Head){of_half(halves[0]), of_half(halves[1])};
}

#define dequantize_row SUFFIX(dequantize_row)
/** Packed numbers of a row, from number `first` on, as floats. */
void dequantize_row(int32_t packing, const void *row, int32_t first, int32_t count, float scale, float *to);
