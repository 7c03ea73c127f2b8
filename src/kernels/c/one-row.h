/** `nt` with one row of A, what a model that writes token by token asks for: it waits for memory, so B is read once, where it lies. */
#pragma once
#include "halves.h"
#include "declared.h"

/** How B is packed; from Q4 on its rows consist of blocks of 32 numbers. */
enum { FLOAT32, HALVES, BYTES, Q4, Q8 };
/** Numbers of a block, and words. */
enum { BLOCK = 32, Q4_WORDS = 5, Q8_WORDS = 9 };

/** d and m of a block. */
typedef struct {
  float d, m;
} Head;

INLINE Head head_of(const uint32_t *block) {
  const half *halves = (const half *)block;
  return (Head){of_half(halves[0]), of_half(halves[1])};
}

#define one_row SUFFIX(one_row)
/** C[j] for `columns` columns from j0 on; `a`, `b`, `c` as the chunk's matrices begin. Needs a scratch of k / 32 floats. */
void one_row(const uint8_t *heap, const Product *args, const float *a, const float *b, float *c, int32_t i, int32_t j0,
             int32_t columns, float *scratch);
