/**
 * Sums in float64, in an order that the shape alone decides.
 *
 *   sumRows           out[o] = Σ_r x[o, r] / divisor                      a chunk is a range of rows, or a block of one long row
 *   sumColumns        out[o, i] = Σ_r x[o, r, i]·y[o, r, i] / divisor     a chunk is a range of columns of one o; y may be absent
 *   squaresOfBlocks   Σ x² of each block of a list of tensors             a chunk is a run of blocks
 *   squaredNorms      Σ x² of each tensor, of its blocks in their order
 */
#include "columns.h"
#include "declared.h"
#include "lists.h"

INLINE dvec term_of(dvec x, int squared) { return squared ? x * x : x; }

/** Σ x, or Σ x²: in two chains of each half, since one would wait for each of its additions. */
INLINE double sum_of(const float *x, int32_t count, int squared) {
  enum { HALVED = W / 2 };
  dvec a = {}, b = {}, c = {}, d = {};
  for (; count >= 2 * W; count -= 2 * W, x += 2 * W) {
    a += term_of(promoted(x), squared);
    b += term_of(promoted(x + HALVED), squared);
    c += term_of(promoted(x + 2 * HALVED), squared);
    d += term_of(promoted(x + 3 * HALVED), squared);
  }
  if (count >= W) {
    a += term_of(promoted(x), squared);
    b += term_of(promoted(x + HALVED), squared);
    count -= W, x += W;
  }
  if (count > 0) {
    const vec rest = load_part(x, count);
    c += term_of(low(rest), squared);
    d += term_of(high(rest), squared);
  }
  return total64(a + c + (b + d));
}

KERNEL(sumRows) {
  ARGUMENTS(SumRows);
  const int32_t reduced = args->reduced, block = args->block;
  const float *x = FLOATS(args->x);
  if (block != 0) {
    const int32_t blocks = (reduced + block - 1) / block, at = chunk % blocks * block;
    DOUBLES(args->parts)[chunk] = sum_of(x + (size_t)(chunk / blocks) * reduced + at, least(block, reduced - at), 0);
    return;
  }
  const int32_t first = chunk * args->perChunk, last = least(first + args->perChunk, args->outer);
  for (int32_t o = first; o < last; o++) FLOATS(args->out)[o] = sum_of(x + (size_t)o * reduced, reduced, 0) / args->divisor;
}

/** The sums of long rows from those of their blocks. One chunk. */
KERNEL(combineSums) {
  ARGUMENTS(CombineSums);
  const int32_t blocks = (args->reduced + args->block - 1) / args->block;
  const double *part = DOUBLES(args->parts);
  for (int32_t o = 0; o < args->outer; o++) {
    double sum = 0;
    for (int32_t b = 0; b < blocks; b++) sum += *part++;
    FLOATS(args->out)[o] = sum / args->divisor;
  }
}

KERNEL(sumColumns) {
  ARGUMENTS(SumColumns);
  const int32_t inner = args->inner, per_outer = (inner + args->perChunk - 1) / args->perChunk;
  const size_t outer = chunk / per_outer, offset = outer * inner * args->reduced;
  const int32_t first = chunk % per_outer * args->perChunk, last = least(first + args->perChunk, inner);
  const float *x = FLOATS(args->x) + offset, *y = FLOATS(args->y) + offset;
  float *out = FLOATS(args->out) + outer * inner;
  if (args->y == 0) column_sums(x, 0, 0, inner, args->reduced, first, last, args->divisor, out);
  else column_sums(x, y, 0, inner, args->reduced, first, last, args->divisor, out);
}

KERNEL(squaresOfBlocks) {
  ARGUMENTS(SquaresOfBlocks);
  const int32_t first = chunk * args->perChunk, end = first + args->perChunk;
  int32_t before = 0;
  for (int32_t i = 0; i < args->entries; i++) {
    const SquaresOfBlocksEntry *one = entries_of_SquaresOfBlocks(args) + i;
    const int32_t blocks = blocks_of(one->size);
    for (int32_t b = most(first - before, 0); b < least(end - before, blocks); b++)
      DOUBLES(args->parts)[before + b] = sum_of(FLOATS(one->x) + b * BLOCK, least(BLOCK, one->size - b * BLOCK), 1);
    before += blocks;
  }
}

/** One chunk. */
KERNEL(squaredNorms) {
  ARGUMENTS(SquaredNorms);
  const double *part = DOUBLES(args->parts);
  for (int32_t i = 0; i < args->entries; i++) {
    double sum = 0;
    for (int32_t b = blocks_of(entries_of_SquaredNorms(args)[i].size); b > 0; b--) sum += *part++;
    FLOATS(args->norms)[i] = sum;
  }
}
