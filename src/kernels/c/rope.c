/** Rotary positions; equations in `src/kernels/rope.ts`. Chunks are ranges of tokens. */
#include "declared.h"
#include "heap.h"

/** A head of a token, turned; `half`: of its columns. */
INLINE void turn(const float *x, const float *cos, const float *sin, float sign, float *to, int32_t half) {
  for (int32_t j = 0; j < half; j += W) {
    const int32_t count = half - j, k = half + j;
    const vec x1 = load_up_to(x + j, count), x2 = load_up_to(x + k, count);
    const vec sin1 = load_up_to(sin + j, count) * sign, sin2 = load_up_to(sin + k, count) * sign;
    store_up_to(to + j, x1 * load_up_to(cos + j, count) - x2 * sin1, count);
    store_up_to(to + k, x2 * load_up_to(cos + k, count) + x1 * sin2, count);
  }
}

KERNEL(rope) {
  ARGUMENTS(Rope);
  const int32_t heads = args->heads, d = args->d, half = d / 2;
  const int32_t end = least((chunk + 1) * args->perChunk, args->tokens);
  for (int32_t t = chunk * args->perChunk; t < end; t++) {
    const float *cos = FLOATS(args->cos) + (size_t)t * d, *sin = FLOATS(args->sin) + (size_t)t * d;
    for (int32_t h = 0; h < heads; h++) {
      const size_t at = ((size_t)t * heads + h) * d;
      turn(FLOATS(args->x) + at, cos, sin, args->direction, FLOATS(args->out) + at, half);
    }
  }
}
