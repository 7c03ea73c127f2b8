/** `nt` with one row of A, what a model that writes token by token asks for: it waits for memory, so B is read once, where it lies. */
#pragma once
#include "heap.h"
#include "declared.h"

#define one_row SUFFIX(one_row)
/** C[j] for `columns` columns from j0 on; `a`, `b`, `c` as the chunk's matrices begin, B packed so. Needs a scratch of k / 32 floats. */
void one_row(const uint8_t *heap, const Product *args, int32_t packing, const float *a, const float *b, size_t ldb, float *c, int32_t i,
             int32_t j0, int32_t columns, float *scratch);
