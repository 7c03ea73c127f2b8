/**
 * Rows that are copied, added and turned.
 *
 *   gather       out[i] = x[ids[i]]                             a chunk is a range of rows; every id is a row of x
 *   gatherRows   rows of a list, one behind another             one chunk
 *   placeRows    and back to their places, 0 in all others      one chunk; the list ascends
 *   segmentSum   out[s] = Σ over { i : ids[i] = s } of x[i]     a chunk is a range of columns, so that each sum has one order
 *   transpose    out[b, j, i] = x[b, i, j]                      a chunk is a band of rows of out
 *
 * The list of gatherRows and placeRows are the rows that count in `src/kernels/linear-cross-entropy.ts`.
 */
#include "declared.h"
#include "lanes.h"

KERNEL(gather) {
  ARGUMENTS(Gather);
  const size_t width = args->width;
  const int32_t *ids = (const int32_t *)FLOATS(args->ids);
  const int32_t end = least((chunk + 1) * args->perChunk, args->rows);
  for (int32_t i = chunk * args->perChunk; i < end; i++) copy(FLOATS(args->out) + i * width, FLOATS(args->x) + ids[i] * width, width);
}

KERNEL(gatherRows) {
  ARGUMENTS(GatherRows);
  const size_t width = args->width;
  const GatherRowsEntry *entries = entries_of_GatherRows(args);
  for (int32_t i = 0; i < args->entries; i++) copy(FLOATS(args->to) + i * width, FLOATS(args->from) + entries[i].row * width, width);
}

KERNEL(placeRows) {
  ARGUMENTS(PlaceRows);
  const size_t width = args->width;
  const PlaceRowsEntry *entries = entries_of_PlaceRows(args);
  float *to = FLOATS(args->to);
  int32_t next = args->first;
  for (int32_t i = 0; i < args->entries; i++) {
    const int32_t row = entries[i].row;
    clear(to + next * width, (row - next) * width);
    copy(to + row * width, FLOATS(args->from) + i * width, width);
    next = row + 1;
  }
  clear(to + next * width, (args->end - next) * width);
}

/** Rows whose id is no segment are dropped. */
KERNEL(segmentSum) {
  ARGUMENTS(SegmentSum);
  const size_t width = args->width, first = chunk * args->perChunk, columns = least(args->perChunk, args->width - first);
  const int32_t *ids = (const int32_t *)FLOATS(args->ids);
  const float *x = FLOATS(args->x) + first;
  float *out = FLOATS(args->out) + first;
  for (int32_t s = 0; s < args->segments; s++) clear(out + s * width, columns);
  for (int32_t i = 0; i < args->rows; i++)
    if ((uint32_t)ids[i] < (uint32_t)args->segments) add(out + ids[i] * width, x + i * width, columns);
}

/** Rows and columns that stay in the first cache. */
enum { TILE = 32 };

KERNEL(transpose) {
  ARGUMENTS(Transpose);
  const int32_t m = args->m, n = args->n, bands = (n + args->perChunk - 1) / args->perChunk;
  const int32_t first = chunk % bands * args->perChunk, last = least(first + args->perChunk, n);
  const size_t matrix = (size_t)m * n * (chunk / bands);
  const float *x = FLOATS(args->x) + matrix;
  float *out = FLOATS(args->out) + matrix;
  for (int32_t top = 0; top < m; top += TILE)
    for (int32_t left = first; left < last; left += TILE) {
      const int32_t bottom = least(top + TILE, m), right = least(left + TILE, last);
      for (int32_t j = left; j < right; j += W) {
        const int32_t columns = least(W, right - j);
        const float *from = x + (size_t)top * n + j;
        float *to = out + (size_t)j * m;
        int32_t i = top;
        if (columns == W)
          for (; i + W <= bottom; i += W, from += W * (size_t)n) transpose(from, n, to + i, m);
        for (; i < bottom; i += W, from += W * (size_t)n) transpose_part(from, n, least(W, bottom - i), columns, to + i, m, least(W, bottom - i));
      }
    }
}
