/** Rotary positions; equations in `src/kernels/rope.ts`. Chunks are ranges of tokens. */
#include "declared.h"
#include "heap.h"

/** `count` columns of either half of a head, W at most. */
INLINE void turn_some(const float *x, const float *cos, const float *sin, float sign, float *to, int32_t half, int32_t count) {
  const vec x1 = load_up_to(x, count), x2 = load_up_to(x + half, count);
  const vec sin1 = load_up_to(sin, count) * sign, sin2 = load_up_to(sin + half, count) * sign;
  store_up_to(to, x1 * load_up_to(cos, count) - x2 * sin1, count);
  store_up_to(to + half, x2 * load_up_to(cos + half, count) + x1 * sin2, count);
}

/** A head of a token, turned; `half`: of its columns. */
INLINE void turn(const float *x, const float *cos, const float *sin, float sign, float *to, int32_t half) {
  const int32_t whole = half / W * W;
  for (int32_t j = 0; j < whole; j += W) turn_some(x + j, cos + j, sin + j, sign, to + j, half, W);
  if (whole < half) turn_some(x + whole, cos + whole, sin + whole, sign, to + whole, half, half - whole);
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
