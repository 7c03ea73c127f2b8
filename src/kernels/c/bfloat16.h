/**
 * Products whose operands are rounded to bfloat16 (to nearest, ties to even) and whose sums are float32: `nt` and `nn` of `product.c` where
 * a processor has instructions for them.
 *
 *   DOTS    x64: AVX512-BF16 (vdpbf16ps)    arm64: bfdot    sums of pairs of terms, one after the other
 *   TILES   x64: AMX (tdpbf16ps)                            of 32 terms, the even ones and the odd ones, then both
 *
 * Numbers below float32's normal ones are 0, as these instructions have it. A chunk rounds its rows of A once and each panel of B as it comes
 * to it; terms beyond k are zeros. The order of a sum is that of its terms, whatever the chunk is and whichever other rows it has. The second
 * pair (a low-rank adapter's) stays float32 and comes first: C = start + A₂·B₂ + A·B.
 */
#pragma once
#include "heap.h"
#include "declared.h"

/** Rounding of the operands: none, or for these instructions; numbered as in `../native/library.ts`. */
enum { WHOLE, DOTS, TILES };

#define bfloat16_product SUFFIX(bfloat16_product)
/** A chunk of `nt`, or of `nn`. */
void bfloat16_product(int is_nt, uint8_t *heap, const Product *args, int32_t chunk, float *scratch);
