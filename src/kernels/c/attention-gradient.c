/**
 * Attention, backward. Where P was kept, all keys are one block. Else P is made again from its statistics, a block of keys against a block
 * of queries at a time, so that all that a block needs stays in the second cache, whatever the length is.
 *
 * dK and dV of a block of keys are sums over the part's queries, and over the heads of its group. Where there are several parts, each
 * writes its own sums, which the host adds.
 */
#include "attention.h"

/** Queries and keys of a block where P was not kept. */
#define BLOCK 48
#define BREADTH 96

/** The sizes of a block, and places in the scratch. */
typedef struct {
  int32_t rows, breadth;
  /** floats from row to row of S and dP */
  size_t wide;
  /** Σ dO∘O of each query, where P was not kept */
  float *sums;
  float *key_columns, *value_columns, *key_rows;
  /** S, then P; dP, then dS */
  float *weights, *slopes;
  float *panels;
} Places;

static Places open_places(const Part *p) {
  const int kept = p->kept != NULL;
  const int32_t rows = kept ? p->last - p->first : BLOCK, breadth = kept ? p->keys : BREADTH, across = padded(p->d);
  const size_t wide = padded(breadth);
  Places to = {.rows = rows, .breadth = breadth, .wide = wide, .slopes = p->scratch};
  to.value_columns = to.slopes + rows * wide;
  to.key_rows = to.value_columns + wide * p->d;
  to.panels = to.key_rows + (size_t)breadth * across;
  to.weights = to.panels + (size_t)rows * across;
  to.key_columns = to.weights + rows * wide;
  to.sums = to.key_columns + wide * p->d;
  return to;
}

/** 1 − (c/cap)² */
INLINE vec cap_slope(float cap, vec c) { return cap == 0 ? splat(1) : 1 - (c / cap) * (c / cap); }

/** P and scale·dS of query i of head g and the keys j … j + columns − 1, in place; 0 for keys that it does not attend. `mean`: Σ dO∘O. */
static void slope(const Part *p, float mean, int32_t g, int32_t i, int32_t j, int32_t columns, float *weights, float *slopes) {
  float *own = weights - j, *ds = slopes - j;
  const float top = p->statistics[2 * row_of(p, g, i)], share = p->statistics[2 * row_of(p, g, i) + 1];
  const float scale = p->scale, cap = p->cap, *bias = bias_of(p, g, i);
  const int32_t end = j + (columns + W - 1) / W * W;
  const Reach reach = reach_of(p, i, j, j + columns);
  const int none = share == 0 || reach.keys.from >= reach.keys.to;
  // blocks begin at multiples of W
  const int32_t start = none ? end : reach.keys.from / W * W, stop = none ? end : (reach.keys.to + W - 1) / W * W;
  zeros(own, j, start);
  zeros(own, stop, end);
  zeros(ds, j, start);
  zeros(ds, stop, end);
  for (int32_t at = start; at < stop; at += W) {
    vec s = load(own + at) * scale;
    if (bias != NULL) s += load_up_to(bias + at, p->keys - at);
    const vec c = score_of(s, cap);
    vec weight = exponential(c - top) * share;
    vec change = (load(ds + at) - mean) * scale * weight * cap_slope(cap, c);
    if (!is_sure(&reach, at)) {
      const ivec mask = attended(p, &reach, at);
      weight = select((vec){}, weight, mask);
      change = select((vec){}, change, mask);
    }
    store(own + at, weight);
    store(ds + at, change);
  }
}

/** s ← scale·w∘(s − Σ s∘w), a row with all its keys. */
INLINE void slope_of_kept(float *s, const float *w, float scale, int32_t keys) {
  const int32_t rest = keys % W, whole = keys - rest;
  vec sum = {};
  for (int32_t j = 0; j < whole; j += W) sum += load(s + j) * load(w + j);
  const vec last = load_part(w + whole, rest);
  if (rest > 0) sum += load(s + whole) * last;
  const vec mean = splat(total(sum));
  for (int32_t j = 0; j < whole; j += W) store(s + j, (load(s + j) - mean) * scale * load(w + j));
  if (rest > 0) store(s + whole, (load(s + whole) - mean) * scale * last);
}

/** What queries i … of head g and a block of keys give each other; `start`: whether dk and dv have begun. */
static void backward_block(uint8_t *heap, const Attention *args, const Part *p, const Places *to, int32_t g, int32_t i, int32_t rows,
                           int32_t j, int32_t columns, float *dk, float *dv, int32_t start) {
  const size_t at = query_offset(p, g, i), wide = to->wide;
  const float *q = FLOATS(args->q) + at, *dO = FLOATS(args->dO) + at;
  const int32_t reach = place(p, i) - j, low = reach - p->back, high = reach + p->ahead;
  const float *weights = p->kept == NULL ? to->weights : p->kept + row_of(p, g, i) * p->keys;
  const size_t weights_stride = p->kept == NULL ? wide : (size_t)p->keys;
  // a tile's rows go through everything while they are in the first cache
  const int32_t tiles = (rows + ROWS - 1) / ROWS;
  for (int32_t n = 0; n < tiles; n++) {
    const int32_t first = rows * n / tiles, count = rows * (n + 1) / tiles - first;
    const size_t own = first * p->query_stride;
    float *slopes = to->slopes + first * wide;
    score_block(p, dO + own, count, to->value_columns, 0, padded(columns), slopes, wide, reach + first);
    if (p->kept == NULL) score_block(p, q + own, count, to->key_columns, 0, padded(columns), to->weights + first * wide, wide, reach + first);
    for (int32_t r = first; r < first + count; r++)
      if (p->kept == NULL)
        slope(p, to->sums[g * (p->last - p->first) + i + r - p->first], g, i + r, j, columns, to->weights + r * wide, to->slopes + r * wide);
      else slope_of_kept(to->slopes + r * wide, weights + r * weights_stride, p->scale, columns);
    add_block(p, count, 1, (Side){slopes, wide, 1}, to->key_rows, columns, FLOATS(args->dq) + at + own, p->query_stride, j == 0 ? FROM_ZERO : FROM_THERE,
              (Keys){0, columns}, low + first, high + first);
  }
  const Keys all = {0, rows};
  pack_all_columns(dO, p->query_stride, rows, p->d, to->panels);
  add_block(p, columns, 0, (Side){weights, 1, weights_stride}, to->panels, rows, dv, p->key_stride, start, all, -high, -low);
  pack_all_columns(q, p->query_stride, rows, p->d, to->panels);
  add_block(p, columns, 0, (Side){to->slopes, 1, wide}, to->panels, rows, dk, p->key_stride, start, all, -high, -low);
}

/** Everything of keys j … j + columns − 1. */
static void for_keys(uint8_t *heap, const Attention *args, const Part *p, const Places *to, int32_t j, int32_t columns) {
  const size_t at = p->key_offset + j * p->key_stride, own = (size_t)args->matrices * p->keys * p->d * p->part + at;
  float *dk = FLOATS(args->dk) + own, *dv = FLOATS(args->dv) + own;
  int32_t start = FROM_ZERO;
  const Keys all = find_keys(p, p->first, p->last - p->first, j, j + columns);
  if (all.from < all.to) {
    if (p->kept == NULL) pack_all_rows(FLOATS(args->k) + at, p->key_stride, p->d, columns, to->key_columns);
    pack_all_rows(FLOATS(args->v) + at, p->key_stride, p->d, columns, to->value_columns);
    pack_all_columns(FLOATS(args->k) + at, p->key_stride, columns, p->d, to->key_rows);
  }
  for (int32_t g = 0; g < p->group; g++)
    for (int32_t i = p->first; i < p->last; i += to->rows) {
      const int32_t rows = least(to->rows, p->last - i);
      const Keys found = find_keys(p, i, rows, j, j + columns);
      if (found.from < found.to) {
        backward_block(heap, args, p, to, g, i, rows, j, columns, dk, dv, start);
        start = FROM_THERE;
      } else if (j == 0)
        for (int32_t r = 0; r < rows; r++) zeros(FLOATS(args->dq) + query_offset(p, g, i + r), 0, p->d);
    }
  for (int32_t r = 0; start == FROM_ZERO && r < columns; r++) {
    zeros(dk + r * p->key_stride, 0, p->d);
    zeros(dv + r * p->key_stride, 0, p->d);
  }
}

/** Σ x∘y of d floats; on wasm in the order of the tiles, so that the slope of a single key's score is 0. */
INLINE float dot(const float *x, const float *y, int32_t d) {
#ifdef __wasm__
  float one_by_one = 0;
  for (int32_t c = 0; c < d; c++) one_by_one += x[c] * y[c];
  return one_by_one;
#endif
  vec sum = {};
  int32_t c = 0;
  for (; c + W <= d; c += W) sum += load(x + c) * load(y + c);
  if (c < d) sum += load_part(x + c, d - c) * load_part(y + c, d - c);
  return total(sum);
}

/** Needs a scratch of keys + 32 floats and what `open_places` takes; `attention.ts` has the sum. */
KERNEL(attentionGradient) {
  ARGUMENTS(Attention);
  const int32_t units = least((chunk + 1) * args->perChunk, args->matrices * args->parts);
  for (int32_t unit = chunk * args->perChunk; unit < units; unit++) {
    const Part part = open_part(heap, args, unit, scratch_at), *p = &part;
    const Places to = open_places(p);
    for (int32_t g = 0; p->kept == NULL && g < p->group; g++)
      for (int32_t i = p->first; i < p->last; i++) {
        const size_t at = query_offset(p, g, i);
        to.sums[g * (p->last - p->first) + i - p->first] = dot(FLOATS(args->dO) + at, FLOATS(args->o) + at, p->d);
      }
    for (int32_t j = 0; j < p->keys; j += to.breadth) for_keys(heap, args, p, &to, j, least(to.breadth, p->keys - j));
  }
}
