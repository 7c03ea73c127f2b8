/**
 * LoRA-Pro's theorem on one factor pair, in whitened coordinates (the equations are in `src/kernels/lora-pro-theorem.ts`):
 *
 *   bases         Q = B·T_B [out, r]             R = T_Aᵀ·A [r, in]
 *   coordinates   a = s⁻² T_Bᵀ·gA [r, in]        b = s⁻² gB·T_A [out, r]
 *   pull back     N = Qᵀ b    Y = S ⊙ (a Rᵀ)     dA = T_B (a − Y R)    dB = (b + Q (Y − N)) T_Aᵀ
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
  const size_t r = one->r, longest = most(r, most(one->inputs, one->outputs)), widest = padded(longest), wide = padded(r);
  const size_t rows = r * widest, columns = longest * wide;
  float *n = aligned(scratch), *y = n + r * r, *panels = aligned(y + r * r);
  return (Room){n, y, panels, panels + (rows > columns ? rows : columns)};
}

/** C [r, n] = T·M, or Tᵀ·M, or C + T·M, for T [r, r] and M [r, n]. */
INLINE void flat(const float *t, int transposed, const float *m, int32_t r, int32_t n, float *panels, float *c, int32_t start) {
  pack_all_columns(m, n, r, n, panels);
  multiply(r, n, r, !transposed, transposed ? (Side){t, 1, r} : (Side){t, r, 1}, panels, c, n, start);
}

/** C [r, n] = Tᵀ·Mᵀ, or C + Tᵀ·Mᵀ, for T [r, r] and M [n, r]. */
INLINE void flat_of_tall(const float *t, const float *m, int32_t r, int32_t n, float *panels, float *c, int32_t start) {
  pack_all_rows(m, r, r, n, panels);
  multiply(r, n, r, 0, (Side){t, 1, r}, panels, c, n, start);
}

/** C [n, r] = Mᵀ·T for M [r, n] and T [r, r]; M is used up. */
INLINE void tall_of_flat(float *m, const float *t, int32_t r, int32_t n, float *panels, float *c) {
  if (r >= COLUMNS) {
    pack_all_columns(t, r, r, r, panels);
    multiply(n, r, r, 0, (Side){m, 1, n}, panels, c, r, FROM_ZERO);
    return;
  }
  // tiles of so few columns would be edges
  flat(t, 1, m, r, n, panels, m, FROM_ZERO);
  for (int32_t j = 0; j < n; j += W)
    for (int32_t i = 0; i < r; i += W) {
      const int32_t rows = least(W, r - i);
      transpose_part(m + (size_t)i * n + j, n, rows, least(W, n - j), c + (size_t)j * r + i, r, rows);
    }
}

/** C [r, r] = X·Yᵀ for X, Y [r, n]. */
INLINE void overlap(const float *x, const float *y, int32_t r, int32_t n, float *panels, float *c) {
  pack_all_rows(y, n, n, r, panels);
  multiply(r, r, n, 1, (Side){x, n, 1}, panels, c, r, FROM_ZERO);
}

/** C [r, r] = X·M for X [r, n] and M [n, r]. */
INLINE void overlap_with_tall(const float *x, const float *m, int32_t r, int32_t n, float *panels, float *c) {
  pack_all_columns(m, r, n, r, panels);
  multiply(r, r, n, 1, (Side){x, n, 1}, panels, c, r, FROM_ZERO);
}
