/**
 * Causal attention, backward: P is made again from its statistics, a block of keys against a block of queries at a time, so that all that a
 * block needs stays in the second cache, whatever the length is.
 *
 * dK and dV of a block of keys are sums over the queries of the chunk's part, and over the heads of its group. Where there are several
 * parts, each writes its own sums, which the host adds.
 */
#include "causal.h"

/** Queries and keys of a block. */
#define BLOCK 48
#define BREADTH 96

/** Places in the scratch. */
typedef struct {
  /** Σ dO∘O of each query */
  float *sums;
  float *key_columns, *value_columns, *key_rows;
  /** S, then P; dP, then dS */
  float *weights, *slopes;
  float *panels;
} Places;

/** 1 − (c/cap)² */
INLINE vec cap_slope(const Part *p, vec c) { return p->cap == 0 ? splat(1) : 1 - (c / p->cap) * (c / p->cap); }

/** P and scale·dS of query i and the keys j … j + columns − 1, in place; 0 for keys that it does not attend. `mean`: Σ dO∘O. */
static void slope(const Part *p, const float statistics[2], float mean, int32_t i, int32_t j, int32_t columns, float *weights, float *slopes) {
  float *own = weights - j, *ds = slopes - j;
  const int32_t end = j + (columns + W - 1) / W * W;
  const Reach reach = reach_of(p, i, j, j + columns);
  const int none = statistics[1] == 0 || reach.keys.from >= reach.keys.to;
  // blocks begin at multiples of W
  const int32_t start = none ? end : reach.keys.from / W * W, stop = none ? end : (reach.keys.to + W - 1) / W * W;
  zeros(own, j, start);
  zeros(own, stop, end);
  zeros(ds, j, start);
  zeros(ds, stop, end);
  for (int32_t at = start; at < stop; at += W) {
    const ivec mask = attended(p, &reach, at);
    const vec c = score_of(p, load(own + at));
    const vec weight = select((vec){}, exponential(c - statistics[0]) * statistics[1], mask);
    const vec change = (load(ds + at) - mean) * p->scale * weight * cap_slope(p, c);
    store(own + at, weight);
    store(ds + at, select((vec){}, change, mask));
  }
}

/** What queries i … of head g and a block of keys give each other. */
static void backward_block(uint8_t *heap, const CausalAttention *args, const Part *p, const Places *to, int32_t g, int32_t i, int32_t rows,
                           int32_t j, int32_t columns, float *dk, float *dv) {
  const size_t at = query_offset(p, g, i);
  const float *q = FLOATS(args->q) + at, *dO = FLOATS(args->dO) + at;
  const int32_t reach = place(p, i) - j, low = reach - p->window + 1;
  score_block(p, q, rows, to->key_columns, 0, padded(columns), to->weights, BREADTH, reach);
  score_block(p, dO, rows, to->value_columns, 0, padded(columns), to->slopes, BREADTH, reach);
  for (int32_t r = 0; r < rows; r++)
    slope(p, statistics_of(p, g, i + r), to->sums[g * (p->last - p->first) + i + r - p->first], i + r, j, columns,
          to->weights + r * BREADTH, to->slopes + r * BREADTH);
  const Keys all_keys = {0, columns}, all_queries = {0, rows};
  const Side dS = {to->slopes, BREADTH, 1}, dS_columns = {to->slopes, 1, BREADTH}, P_columns = {to->weights, 1, BREADTH};
  add_block(p, rows, 1, dS, to->key_rows, columns, FLOATS(args->dq) + at, p->query_stride, FROM_THERE, all_keys, low, reach);
  pack_all_columns(dO, p->query_stride, rows, p->d, to->panels);
  add_block(p, columns, 0, P_columns, to->panels, rows, dv, p->key_stride, FROM_THERE, all_queries, -reach, -low);
  pack_all_columns(q, p->query_stride, rows, p->d, to->panels);
  add_block(p, columns, 0, dS_columns, to->panels, rows, dk, p->key_stride, FROM_THERE, all_queries, -reach, -low);
}

/** Everything of keys j … j + columns − 1. */
static void for_keys(uint8_t *heap, const CausalAttention *args, const Part *p, const Places *to, int32_t j, int32_t columns) {
  const size_t at = p->key_offset + j * p->key_stride, own = (size_t)args->matrices * p->keys * p->d * p->part + at;
  float *dk = FLOATS(args->dk) + own, *dv = FLOATS(args->dv) + own;
  for (int32_t r = 0; r < columns; r++) {
    zeros(dk + r * p->key_stride, 0, p->d);
    zeros(dv + r * p->key_stride, 0, p->d);
  }
  const Keys all = find_keys(p, p->first, p->last - p->first, j, j + columns);
  if (all.from >= all.to) return;
  pack_all_rows(FLOATS(args->k) + at, p->key_stride, p->d, columns, to->key_columns);
  pack_all_rows(FLOATS(args->v) + at, p->key_stride, p->d, columns, to->value_columns);
  pack_all_columns(FLOATS(args->k) + at, p->key_stride, columns, p->d, to->key_rows);
  for (int32_t g = 0; g < p->group; g++)
    for (int32_t i = p->first; i < p->last; i += BLOCK) {
      const int32_t rows = least(BLOCK, p->last - i);
      const Keys found = find_keys(p, i, rows, j, j + columns);
      if (found.from < found.to) backward_block(heap, args, p, to, g, i, rows, j, columns, dk, dv);
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

/**
 * Needs a scratch of keys + 32 floats, group·(queries of a part), two panels of BREADTH·d, (BREADTH + BLOCK)·padded(d), and two blocks of
 * BLOCK × BREADTH.
 */
KERNEL(causalAttentionGradient) {
  ARGUMENTS(CausalAttention);
  const Part part = open_part(heap, args, chunk, scratch_at), *p = &part;
  const int32_t count = p->last - p->first, across = padded(p->d);
  Places to = {.weights = p->scratch};
  to.slopes = to.weights + BLOCK * BREADTH;
  to.key_columns = to.slopes + BLOCK * BREADTH;
  to.value_columns = to.key_columns + BREADTH * p->d;
  to.key_rows = to.value_columns + BREADTH * p->d;
  to.panels = to.key_rows + BREADTH * across;
  to.sums = to.panels + BLOCK * across;
  for (int32_t g = 0; g < p->group; g++)
    for (int32_t i = p->first; i < p->last; i++) {
      const size_t at = query_offset(p, g, i);
      to.sums[g * count + i - p->first] = dot(FLOATS(args->dO) + at, FLOATS(args->o) + at, p->d);
      zeros(FLOATS(args->dq) + at, 0, p->d);
    }
  for (int32_t j = 0; j < p->keys; j += BREADTH) for_keys(heap, args, p, &to, j, least(BREADTH, p->keys - j));
}
