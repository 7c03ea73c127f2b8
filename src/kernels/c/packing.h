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

/** How a matrix is packed; from Q4 on its rows consist of blocks of 32 numbers. MAPPED: it stays in its file (`file-types.h`), natively. */
enum { FLOAT32, HALVES, BYTES, Q4, Q8, MAPPED };
/** Numbers of a block, and words. */
enum { BLOCK = 32, Q4_WORDS = 5, Q8_WORDS = 9 };

/**
 * Halves as they are stored. WebAssembly has none: there sign, exponent and fraction move to where a float has them, and a product with
 * 2¹¹² sets the exponent right, of subnormal numbers too. No weight is infinite.
 */
#ifdef __wasm__
typedef int16_t half;
typedef half half_numbers __attribute__((vector_size(2 * W), aligned(2)));
#define HALF_UNIT 0x1p112f
/** Halves that their unit is still missing from: a factor of theirs may bring it along. */
INLINE vec unscaled_halves(ivec x) { return (vec)(x << 13 & (int32_t)0x8fffe000); }
INLINE vec raw_halves(const half *p) { return unscaled_halves(__builtin_convertvector(*(const half_numbers *)p, ivec)); }
INLINE float of_half(half x) {
  union { uint32_t bits; float number; } own = {(uint32_t)x << 13 & 0x8fffe000};
  return own.number * HALF_UNIT;
}
#else
typedef _Float16 half;
typedef half half_numbers __attribute__((vector_size(2 * W), aligned(2)));
#define HALF_UNIT 1
INLINE vec raw_halves(const half *p) { return __builtin_convertvector(*(const half_numbers *)p, vec); }
INLINE float of_half(half x) { return (float)x; }
#endif
INLINE vec of_halves(const half *p) { return raw_halves(p) * HALF_UNIT; }

/** Bytes as they are stored, and pairs of numbers of four bits each. */
typedef int8_t sixteen __attribute__((vector_size(16), aligned(1)));
typedef uint8_t pairs __attribute__((vector_size(16), aligned(1)));

/** W bytes with a sign as floats, without one as words; sixteen with a sign as floats. */
#ifdef __wasm__
INLINE vec of_bytes(const int8_t *p) {
  return __builtin_convertvector((ivec)wasm_i32x4_extend_low_i16x8(wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(p))), vec);
}
INLINE uvec words_of(const uint8_t *p) {
  return (uvec)wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(p)));
}
/** Bytes that are read at once. */
enum { RUN = 8 };
INLINE void of_run(const int8_t *p, vec to[RUN / W]) {
  const v128_t x = wasm_i16x8_load8x8(p);
  to[0] = (vec)wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(x));
  to[1] = (vec)wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(x));
}
INLINE void of_sixteen(sixteen x, vec to[16 / W]) {
  const v128_t low = wasm_i16x8_extend_low_i8x16((v128_t)x), high = wasm_i16x8_extend_high_i8x16((v128_t)x);
  to[0] = (vec)wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(low));
  to[1] = (vec)wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(low));
  to[2] = (vec)wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(high));
  to[3] = (vec)wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(high));
}
#else
typedef int8_t signed_bytes __attribute__((vector_size(W), aligned(1)));
typedef uint8_t unsigned_bytes __attribute__((vector_size(W), aligned(1)));
INLINE vec of_bytes(const int8_t *p) { return __builtin_convertvector(*(const signed_bytes *)p, vec); }
INLINE uvec words_of(const uint8_t *p) { return __builtin_convertvector(*(const unsigned_bytes *)p, uvec); }
enum { RUN = W };
INLINE void of_run(const int8_t *p, vec to[RUN / W]) { to[0] = of_bytes(p); }
INLINE void of_sixteen(sixteen x, vec to[16 / W]) {
  EACH(i, 16 / W) to[i] = of_bytes((const int8_t *)&x + i * W);
}
#endif

/** d and m of a block. */
typedef struct {
  float d, m;
} Head;

INLINE Head head_of(const uint32_t *block) {
  const half *halves = (const half *)block;
  return (Head){of_half(halves[0]), of_half(halves[1])};
}

/** Number p of a packed row, without what its row shares. */
INLINE float number(int packing, const uint32_t *row, int32_t p) {
  if (packing == FLOAT32) return ((const float *)row)[p];
  if (packing == HALVES) return of_half(((const half *)row)[p]);
  if (packing == BYTES) return (float)((const int8_t *)row)[p];
  const uint32_t *block = row + p / BLOCK * (packing == Q4 ? Q4_WORDS : Q8_WORDS);
  const uint8_t *bytes = (const uint8_t *)(block + 1);
  const Head head = head_of(block);
  const int32_t place = p % BLOCK;
  if (packing == Q8) return head.d * (float)(int8_t)bytes[place];
  return head.d * (float)(place < 16 ? bytes[place] & 15 : bytes[place - 16] >> 4) + head.m;
}

/** W numbers, from number p on, a multiple of W. */
INLINE vec numbers(int packing, const uint32_t *row, int32_t p) {
  if (packing == HALVES) return of_halves((const half *)row + p);
  if (packing == BYTES) return of_bytes((const int8_t *)row + p);
  const uint32_t *block = row + p / BLOCK * (packing == Q4 ? Q4_WORDS : Q8_WORDS);
  const Head head = head_of(block);
  const int32_t place = p % BLOCK;
  if (packing == Q8) return head.d * of_bytes((const int8_t *)(block + 1) + place);
  const uvec both = words_of((const uint8_t *)(block + 1) + place % 16);
  return head.d * __builtin_convertvector((ivec)(place < 16 ? both & 15 : both >> 4), vec) + head.m;
}

#define dequantize_row SUFFIX(dequantize_row)
/** Numbers of row `row` of a packed matrix, from number `first` on, as floats; `length`: 32-bit words of a row. */
void dequantize_row(int32_t packing, const uint32_t *matrix, size_t length, size_t row, int32_t first, int32_t count, float scale, float *to);

/** Numbers of W packed rows → rows of W numbers, `step` floats apart: of k terms those that lie in whole vectors or blocks. Returns their number. */
#ifdef __wasm__
int32_t turned_rows(int32_t packing, const uint32_t *const rows[W], int32_t first, int32_t k, vec scales, float *to, size_t step);
#else
#define turned_rows(...) 0
#endif
