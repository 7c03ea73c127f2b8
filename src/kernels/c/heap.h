/**
 * What every kernel builds on: vectors of the width of the instruction set that a copy of the sources is compiled for, the heap, and the
 * declaration of a kernel.
 *
 * A kernel is a function of the byte address of its arguments, a chunk and the byte address of a scratch, all in tfjs's wasm memory. To
 * the wasm module that is its memory; a native library gets the address where it begins, `heap`, as a further argument. `declared.h` has
 * the arguments as structures, made from the declarations by `scripts/kernels.ts`.
 *
 * Of the C library memcpy and memset alone are used: nothing here allocates, prints or calls the system. Nor is there data of the module's
 * own, since its memory is tfjs's: no table, no `static` variable (the build refuses one). What stands on the stack lies where the device
 * has put it (`../wasm/work.ts`).
 */
#pragma once
#include <stdint.h>
#include <stddef.h>
#ifdef __wasm__
#include <wasm_simd128.h>
#endif

#if defined(__AVX512F__)
/** floats in a vector */
#define W 16
#define SUFFIX(name) name##_avx512
#elif defined(__AVX2__)
#define W 8
#define SUFFIX(name) name##_avx2
#elif defined(__wasm__)
#define W 4
#define SUFFIX(name) name##_wasm
#else
#define W 4
#define SUFFIX(name) name##_neon
#endif

#ifdef _WIN32
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

/** KERNEL: its head. AT: what lies at a byte address. */
#ifdef __wasm__
#define KERNEL(name)                                                                                                    \
  __attribute__((export_name(#name))) void SUFFIX(name)(uint32_t at, int32_t chunk [[gnu::unused]], uint32_t scratch_at [[gnu::unused]])
#define AT(Type, address) ((Type *)(uintptr_t)(address))
static uint8_t *const heap [[gnu::unused]] = 0;
#else
#define KERNEL(name)                                                                                                    \
  EXPORTED void SUFFIX(name)(uint8_t *heap, uint32_t at, int32_t chunk [[gnu::unused]], uint32_t scratch_at [[gnu::unused]])
#define AT(Type, address) ((Type *)(heap + (address)))
#endif
/** Its arguments. */
#define ARGUMENTS(Type) const Type *args = AT(const Type, at)
#define FLOATS(address) AT(float, address)
/** Of a multiple of 8. */
#define DOUBLES(address) AT(double, address)

#define INLINE static inline __attribute__((always_inline))
/** A function with a loop of its own, which JavaScriptCore compiles worse as a part of another. */
#define APART static __attribute__((noinline))

/** Asks for memory that will be read or written; WebAssembly has no way to. */
#ifdef __wasm__
#define PREFETCH(...) ((void)0)
#else
#define PREFETCH(...) __builtin_prefetch(__VA_ARGS__)
#endif

/** Over `count` numbers that the compiler knows, unrolled: an array of vectors is registers then, and nothing of it goes through memory. */
#define EACH(i, count) _Pragma("clang loop unroll(full)") for (int i = 0; i < (count); i++)

typedef float vec __attribute__((vector_size(4 * W)));
typedef int32_t ivec __attribute__((vector_size(4 * W)));
typedef uint32_t uvec __attribute__((vector_size(4 * W)));
/** as the compiler's masked loads and stores want them */
typedef float masked __attribute__((ext_vector_type(W)));
typedef _Bool mask __attribute__((ext_vector_type(W)));
/** where tensors lie: 4 bytes apart */
typedef vec loose __attribute__((aligned(4)));

/** The number of each lane. */
#if W == 16
#define PLACES ((uvec){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
#elif W == 8
#define PLACES ((uvec){0, 1, 2, 3, 4, 5, 6, 7})
#else
#define PLACES ((uvec){0, 1, 2, 3})
#endif

INLINE vec load(const float *p) { return *(const loose *)p; }
INLINE void store(float *p, vec x) { *(loose *)p = x; }
INLINE vec splat(float x) { return x - (vec){}; }
INLINE int32_t least(int32_t a, int32_t b) { return a < b ? a : b; }
/** The next address that vectors of every width may lie at. */
INLINE float *aligned(float *p) { return (float *)(((uintptr_t)p + 63) & ~(uintptr_t)63); }

INLINE uvec splat_word(uint32_t x) { return x - (uvec){}; }

#ifdef __wasm__
/** The first `count` < W floats at p; the other lanes are 0. WebAssembly has no masks: they are one, two or three. */
INLINE vec load_part(const float *p, int32_t count) {
  if (count <= 0) return (vec){};
  if (count == 1) return (vec)wasm_v128_load32_zero(p);
  const v128_t two = wasm_v128_load64_zero(p);
  return (vec)(count == 2 ? two : wasm_v128_load32_lane(p + 2, two, 2));
}
INLINE void store_part(float *p, vec x, int32_t count) {
  if (count == 1) wasm_v128_store32_lane(p, (v128_t)x, 0);
  if (count < 2) return;
  wasm_v128_store64_lane(p, (v128_t)x, 0);
  if (count == 3) wasm_v128_store32_lane(p + 2, (v128_t)x, 2);
}
#else
/** The first `count` lanes, at most W. */
INLINE mask lanes(int32_t count) { return __builtin_convertvector(PLACES < splat_word(count), mask); }
INLINE vec load_part(const float *p, int32_t count) { return (vec)__builtin_masked_load(lanes(count), p); }
INLINE void store_part(float *p, vec x, int32_t count) { __builtin_masked_store(lanes(count), (masked)x, p); }
#endif
/** `count` floats, W at most. */
INLINE vec load_up_to(const float *p, int32_t count) { return count < W ? load_part(p, count) : load(p); }
INLINE void store_up_to(float *p, vec x, int32_t count) {
  if (count < W) store_part(p, x, count);
  else store(p, x);
}
INLINE float total(vec x) {
  float part[W];
  store(part, x);
  for (int32_t half = W / 2; half > 0; half /= 2)
    for (int32_t i = 0; i < half; i++) part[i] += part[i + half];
  return part[0];
}
INLINE float largest(vec x) {
  float part[W];
  store(part, x);
  for (int32_t half = W / 2; half > 0; half /= 2)
    for (int32_t i = 0; i < half; i++) part[i] = part[i] < part[i + half] ? part[i + half] : part[i];
  return part[0];
}
/** to ← x·factor; the same row, or another. */
INLINE void scaled(const float *x, float factor, float *to, int32_t count) {
  for (int32_t j = 0; j < count; j += W) store_up_to(to + j, load_up_to(x + j, count - j) * factor, count - j);
}
/** Numbers that are copied or cleared in a loop: a call costs more. */
enum { SHORT = 64 };

/** to ← x */
INLINE void copy(float *to, const float *x, size_t count) {
  if (count > SHORT) {
    __builtin_memcpy(to, x, 4 * count);
    return;
  }
  for (; count >= W; count -= W, to += W, x += W) store(to, load(x));
  if (count > 0) store_part(to, load_part(x, count), count);
}
/** to ← 0 */
INLINE void clear(float *to, size_t count) {
  if (count > SHORT) {
    __builtin_memset(to, 0, 4 * count);
    return;
  }
  for (; count >= W; count -= W, to += W) store(to, (vec){});
  if (count > 0) store_part(to, (vec){}, count);
}
/** to += x */
INLINE void add(float *to, const float *x, size_t count) {
  for (; count >= W; count -= W, to += W, x += W) store(to, load(to) + load(x));
  if (count > 0) store_part(to, load_part(to, count) + load_part(x, count), count);
}
