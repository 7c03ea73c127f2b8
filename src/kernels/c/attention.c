/**
 * Attention, a sequence's head at a time; equations and shapes in `src/kernels/attention.ts`.
 *
 * A head is a column range of [tokens, heads·d] and is read and written there. A tile's rows of queries go through everything: their scores,
 * softmax and output stay in the first cache, in the backward pass dS [length, padded length] in the second.
 *
 * Heads are independent, so which thread has which changes no bit.
 */
#include "declared.h"
#include "tiles.h"
#include "vectors.h"

/** Rows of a tile, in whole vectors. */
#define LANES ((ROWS + W - 1) / W * W)

/** Floats from the start of a tensor [tokens, heads·d] to a head. */
INLINE size_t head_at(int32_t matrix, int32_t length, int32_t heads, int32_t d) {
  return (size_t)(matrix / heads) * length * heads * d + (size_t)(matrix % heads) * d;
}

/**
 * s ← exp(scale·s + mask − largest), rows of scores; shares: 1/Σ of each. NaN in a score makes the sum NaN, and with it the row. Rows go
 * through each step together: their sums across a vector do not wait for one another.
 */
INLINE void weights(int32_t rows, float *s, const float *mask, float scale, int32_t wide, float *shares) {
  vec across[LANES] = {};
  for (int32_t r = 0; r < rows; r++) {
    float *row = s + r * wide;
    vec highest = splat(-__builtin_inff());
    for (int32_t j = 0; j < wide; j += W) {
      const vec x = load(row + j) * scale + load(mask + j);
      store(row + j, x);
      highest = pmax(highest, x);
    }
    across[r] = highest;
  }
  for (int32_t r = 0; r < rows; r += W) store(shares + r, maxima(across + r));
  for (int32_t r = 0; r < rows; r++) {
    float *row = s + r * wide;
    const vec top = splat(shares[r]);
    vec sum = {};
    for (int32_t j = 0; j < wide; j += W) {
      const vec e = exponential(load(row + j) - top);
      store(row + j, e);
      sum += e;
    }
    across[r] = sum;
  }
  for (int32_t r = 0; r < rows; r += W) store(shares + r, 1 / totals(across + r));
}

static void forward(uint8_t *heap, const Attention *args, int32_t matrix, float *scratch) {
  const int32_t length = args->length, heads = args->heads, d = args->d;
  const size_t at = head_at(matrix, length, heads, d), stride = (size_t)heads * d;
  const float *q = FLOATS(args->q) + at, *additive = FLOATS(args->mask) + (size_t)(matrix / heads) * length;
  float *o = FLOATS(args->o) + at, *p = FLOATS(args->p) + (size_t)matrix * length * length;
  const int32_t wide = padded(length);
  float *mask = scratch, *scores = mask + wide, *keys = scores + ROWS * wide, *values = keys + (size_t)wide * d;
  // columns that mean nothing get no weight
  for (int32_t j = 0; j < wide; j++) mask[j] = j < length ? additive[j] : -__builtin_inff();
  pack_all_rows(FLOATS(args->k) + at, stride, d, length, keys);
  pack_all_columns(FLOATS(args->v) + at, stride, length, d, values);
  const int32_t tiles = (length + ROWS - 1) / ROWS;
  for (int32_t tile = 0; tile < tiles; tile++) {
    const int32_t i = length * tile / tiles, rows = length * (tile + 1) / tiles - i;
    multiply(rows, wide, d, 1, (Side){q + i * stride, stride, 1}, keys, scores, wide, FROM_ZERO);
    float shares[LANES];
    weights(rows, scores, mask, args->scale, wide, shares);
    if (args->p != 0)
      for (int32_t r = 0; r < rows; r++) scaled(scores + r * wide, shares[r], p + (size_t)(i + r) * length, length);
    float *out = o + i * stride;
    multiply(rows, d, length, 1, (Side){scores, wide, 1}, values, out, stride, FROM_ZERO);
    for (int32_t r = 0; r < rows; r++) scaled(out + r * stride, shares[r], out + r * stride, d);
  }
}

KERNEL(attention) {
  ARGUMENTS(Attention);
  const int32_t end = least((chunk + 1) * args->perChunk, args->matrices);
  for (int32_t matrix = chunk * args->perChunk; matrix < end; matrix++) forward(heap, args, matrix, aligned(FLOATS(scratch_at)));
}

/** s ← scale·p∘(s − Σ s∘p), a row. */
INLINE void slope(float *s, const float *p, float scale, int32_t length) {
  const int32_t rest = length % W, whole = length - rest;
  vec sum = {};
  for (int32_t j = 0; j < whole; j += W) sum += load(s + j) * load(p + j);
  const vec last = load_part(p + whole, rest);
  if (rest > 0) sum += load(s + whole) * last;
  const vec mean = splat(total(sum));
  for (int32_t j = 0; j < whole; j += W) store(s + j, (load(s + j) - mean) * scale * load(p + j));
  if (rest > 0) store(s + whole, (load(s + whole) - mean) * scale * last);
}

static void backward(uint8_t *heap, const AttentionGradient *args, int32_t matrix, float *scratch) {
  const int32_t length = args->length, heads = args->heads, d = args->d;
  const size_t at = head_at(matrix, length, heads, d), stride = (size_t)heads * d;
  const float *dO = FLOATS(args->dO) + at, *p = FLOATS(args->p) + (size_t)matrix * length * length;
  const int32_t wide = padded(length), across = padded(d);
  const size_t values = (size_t)wide * d, keys = (size_t)length * across;
  float *dS = scratch, *first = dS + (size_t)length * wide, *second = first + (values > keys ? values : keys);
  pack_all_rows(FLOATS(args->v) + at, stride, d, length, first);
  pack_all_columns(FLOATS(args->k) + at, stride, length, d, second);
  const int32_t tiles = (length + ROWS - 1) / ROWS;
  for (int32_t tile = 0; tile < tiles; tile++) {
    const int32_t i = length * tile / tiles, rows = length * (tile + 1) / tiles - i;
    float *s = dS + (size_t)i * wide;
    multiply(rows, wide, d, 1, (Side){dO + i * stride, stride, 1}, first, s, wide, FROM_ZERO);
    for (int32_t r = 0; r < rows; r++) slope(s + r * wide, p + (size_t)(i + r) * length, args->scale, length);
    multiply(rows, d, length, 1, (Side){s, wide, 1}, second, FLOATS(args->dq) + at + i * stride, stride, FROM_ZERO);
  }
  pack_all_columns(dO, stride, length, d, first);
  multiply(length, d, length, 0, (Side){p, 1, length}, first, FLOATS(args->dv) + at, stride, FROM_ZERO);
  pack_all_columns(FLOATS(args->q) + at, stride, length, d, first);
  multiply(length, d, length, 0, (Side){dS, 1, wide}, first, FLOATS(args->dk) + at, stride, FROM_ZERO);
}

KERNEL(attentionGradient) {
  ARGUMENTS(AttentionGradient);
  const int32_t end = least((chunk + 1) * args->perChunk, args->matrices);
  for (int32_t matrix = chunk * args->perChunk; matrix < end; matrix++) backward(heap, args, matrix, aligned(FLOATS(scratch_at)));
}
