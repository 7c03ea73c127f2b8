/**
 * LoRA-Pro's theorem on one factor pair; the equations are in `src/kernels/lora-pro-theorem.ts`, what kernels do with it in
 * `../../wasm/assembly/lora-pro.ts`.
 *
 * What belongs to B lies transposed here, as what belongs to A does: Qᵀ and bᵀ [r, outputs] beside R and a [r, inputs]. Then nearly every
 * product is [r, r]·[r, n] or [r, n]·[n, r], whose tiles are whole whatever r is.
 */
#pragma once
#include "declared.h"
#include "tiles.h"
#include "vectors.h"

/** The choices of X. */
enum { SYLVESTER, ZERO, SYMMETRIC };

/** A pair's scratch: two matrices [r, r], panels of any operand, and what lies behind. */
typedef struct {
  float *n, *y, *panels, *behind;
} Room;

INLINE Room room_of(const LoraProEntry *one, float *scratch) {
  const size_t r = one->r, longest = most(one->inputs, one->outputs), widest = padded(longest), wide = padded(r);
  const size_t rows = r * widest, columns = longest * wide;
  float *n = aligned(scratch), *y = n + r * r, *panels = aligned(y + r * r);
  return (Room){n, y, panels, panels + (rows > columns ? rows : columns)};
}

/** C [r, n] = T·M, or Tᵀ·M, or C + T·M, for T [r, r] and M [r, n]. */
INLINE void flat(const float *t, int transposed, const float *m, int32_t r, int32_t n, float *panels, float *c, int32_t start) {
  pack_all_columns(m, n, r, n, panels);
  multiply(r, n, r, !transposed, transposed ? (Side){t, 1, r} : (Side){t, r, 1}, panels, c, n, start);
}

/** C [r, n] = Tᵀ·Mᵀ for T [r, r] and M [n, r]. */
INLINE void flat_of_tall(const float *t, const float *m, int32_t r, int32_t n, float *panels, float *c) {
  pack_all_rows(m, r, r, n, panels);
  multiply(r, n, r, 0, (Side){t, 1, r}, panels, c, n, FROM_ZERO);
}

/** C [r, r] = X·Yᵀ for X, Y [r, n]. */
INLINE void overlap(const float *x, const float *y, int32_t r, int32_t n, float *panels, float *c) {
  pack_all_rows(y, n, n, r, panels);
  multiply(r, r, n, 1, (Side){x, n, 1}, panels, c, r, FROM_ZERO);
}

INLINE void scale(float *x, float factor, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] *= factor;
}

/** Qᵀ and R, and of the gradients bᵀ and a. */
static void whitened(uint8_t *heap, const LoraProEntry *one, float *panels, float *q, float *R, float *b, float *a) {
  const int32_t r = one->r;
  flat_of_tall(FLOATS(one->TB), FLOATS(one->B), r, one->outputs, panels, q);
  flat(FLOATS(one->TAt), 0, FLOATS(one->A), r, one->inputs, panels, R, FROM_ZERO);
  flat_of_tall(FLOATS(one->TAgrad), FLOATS(one->gB), r, one->outputs, panels, b);
  flat(FLOATS(one->TBgrad), 0, FLOATS(one->gA), r, one->inputs, panels, a, FROM_ZERO);
}

/** dA and dB from coordinates, which are used up. f·q is Qᵀ. */
static void pull_back(uint8_t *heap, const LoraProEntry *one, int32_t x, float *a, float *b, const float *q, float f, const float *R,
                      Room room) {
  const int32_t r = one->r, inputs = one->inputs, outputs = one->outputs;
  const size_t square = (size_t)r * r;
  const float *s = FLOATS(one->S);
  float *n = room.n, *y = room.y, *panels = room.panels;
  overlap(q, b, r, outputs, panels, n);
  if (x == SYLVESTER) overlap(a, R, r, inputs, panels, y);
  for (size_t i = 0; i < square; i++) {
    const float own = f * n[i];
    y[i] = x == SYLVESTER ? -s[i] * y[i] : x == SYMMETRIC ? -0.5f * own : 0;
    n[i] = -f * (own + y[i]);
  }
  flat(n, 1, q, r, outputs, panels, b, FROM_THERE);
  if (x != ZERO) flat(y, 0, R, r, inputs, panels, a, FROM_THERE);
  flat(FLOATS(one->TB), 0, a, r, inputs, panels, FLOATS(one->dA), FROM_ZERO);
  pack_all_columns(FLOATS(one->TAt), r, r, r, panels);
  multiply(outputs, r, r, 0, (Side){b, 1, outputs}, panels, FLOATS(one->dB), r, FROM_ZERO);
}
