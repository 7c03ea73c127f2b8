/**
 * Products with few columns, such as those with a low rank's factors: a tile of `tiles.h` would be wasted on them, and a panel costs more than
 * the product.
 *
 *   dots         C [m, n] of rows of A and rows of B: sums over vectors of terms
 *   turned       C [m, n] = Aᵀ·B as Cᵀ = Bᵀ·A, whose columns are many; A is read where it is
 */
#pragma once
#include "tiles.h"

/** Columns of a thin product: half of a tile's. */
enum { THIN = COLUMNS / 2 };

#define dots SUFFIX(dots)
/** C [m, n] from rows of A [m, k] and rows of B [n, k]. */
void dots(const float *a, size_t lda, int32_t m, const float *b, size_t ldb, int32_t n, int32_t k, float *c, size_t ldc, int32_t start,
          const float *bias);

#define columns_as_rows SUFFIX(columns_as_rows)
/** Columns of B [k, n] as rows [n, k]. */
void columns_as_rows(const float *b, size_t ldb, int32_t k, int32_t n, float *to);

#define turned SUFFIX(turned)
/** C [m, n ≤ THIN] from columns of A [k, m] and of B [k, n]. `panel`: k·COLUMNS floats. */
void turned(const float *a, size_t lda, int32_t m, const float *b, size_t ldb, int32_t n, int32_t k, float *c, size_t ldc, int32_t start,
            const float *bias, float *panel);
