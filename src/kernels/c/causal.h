/**
 * What causal attention forward and backward have in common: a chunk's sizes, which keys a query attends, and products of blocks under a
 * diagonal. Equations and shapes in `src/kernels/causal-attention.ts`.
 *
 * A chunk is a head of keys and values of one row of the batch, with the query heads that share it, and a part of the queries. Query
 * i is at t = i + (keys − queries), its token among the keys.
 */
#pragma once
#include "declared.h"
#include "tiles.h"
#include "vectors.h"

typedef struct {
  int32_t queries, keys, heads, group, d, window;
  /** cap: 0 for none */
  float scale, cap;
  /** of the batch; of the chunks; the first query head of the group; queries of the part, the first and one past the last */
  int32_t row, part, first_head, first, last;
  /** floats from token to token, and from the start of k or v to the chunk's head */
  size_t query_stride, key_stride, key_offset;
  const int32_t *query_segments;
  /** of the row's keys, with room for a vector after them */
  const int32_t *key_segments;
  float *statistics;
  /** what is left of the scratch */
  float *scratch;
} Part;

/** Takes keys + 32 floats of the scratch. */
static inline Part open_part(uint8_t *heap, const CausalAttention *args, int32_t chunk, uint32_t scratch_at) {
  // later parts attend more keys: they come first, so that no thread is left with one of them at the end
  const int32_t matrix = chunk % args->matrices, part = args->parts - 1 - chunk / args->matrices;
  const int32_t row = matrix / args->keyValueHeads, own = matrix % args->keyValueHeads;
  const int32_t group = args->heads / args->keyValueHeads, keys = args->keys, first = part * args->perPart;
  const size_t key_stride = (size_t)args->keyValueHeads * args->d;
  int32_t *segments = (int32_t *)FLOATS(scratch_at);
  const int32_t *from = (const int32_t *)FLOATS(args->keySegments) + (size_t)row * keys;
  for (int32_t j = 0; j < keys + W; j++) segments[j] = j < keys ? from[j] : -1;
  return (Part){
    .queries = args->queries, .keys = keys, .heads = args->heads, .group = group, .d = args->d, .window = args->window,
    .scale = args->scale, .cap = args->cap, .row = row, .part = part, .first_head = own * group, .first = first,
    .last = least(first + args->perPart, args->queries), .query_stride = (size_t)args->heads * args->d, .key_stride = key_stride,
    .key_offset = key_stride * row * keys + (size_t)own * args->d,
    .query_segments = (const int32_t *)FLOATS(args->querySegments) + (size_t)row * args->queries, .key_segments = segments,
    .statistics = FLOATS(args->statistics), .scratch = aligned((float *)segments + keys + W),
  };
}

/** From the start of q, O or their gradients to query i of head g of the group. */
INLINE size_t query_offset(const Part *p, int32_t g, int32_t i) {
  return p->query_stride * ((size_t)p->row * p->queries + i) + (size_t)(p->first_head + g) * p->d;
}

/** The two statistics of query i of head g. */
INLINE float *statistics_of(const Part *p, int32_t g, int32_t i) {
  return p->statistics + 2 * ((size_t)(p->row * p->heads + p->first_head + g) * p->queries + i);
}

/** The key at query i's own token. */
INLINE int32_t place(const Part *p, int32_t i) { return i + p->keys - p->queries; }

/** Keys from … to − 1; may be empty. */
typedef struct {
  int32_t from, to;
} Keys;

/** All keys that queries i … i + rows − 1 attend within [after, before) lie in what is returned. */
static inline Keys find_keys(const Part *p, int32_t i, int32_t rows, int32_t after, int32_t before) {
  int32_t lowest = INT32_MAX, highest = -1;
  for (int32_t r = i; r < i + rows; r++) {
    const int32_t segment = p->query_segments[r];
    if (segment < 0) continue;
    lowest = least(lowest, segment);
    highest = most(highest, segment);
  }
  const int32_t *segments = p->key_segments;
  int32_t from = most(after, place(p, i) - p->window + 1), to = least(before, place(p, i + rows - 1) + 1);
  while (from < to && (segments[from] < lowest || segments[from] > highest)) from++;
  while (from < to && (segments[to - 1] < lowest || segments[to - 1] > highest)) to--;
  return (Keys){from, to};
}

/** Scores from products. */
INLINE vec score_of(const Part *p, vec product) {
  const vec s = product * p->scale;
  if (p->cap == 0) return s;
  // cap·tanh(s/cap) = cap − 2·cap/(exp(2·s/cap) + 1)
  return p->cap - 2 * p->cap / (exponential(s * (2 / p->cap)) + 1);
}

/** A query's segment, and the keys that it may attend. */
typedef struct {
  int32_t segment;
  Keys keys;
} Reach;

/** Of query i, within keys [after, before): empty where it attends none of them, whatever their segments are. */
INLINE Reach reach_of(const Part *p, int32_t i, int32_t after, int32_t before) {
  const int32_t segment = p->query_segments[i];
  const Keys keys = {most(after, place(p, i) - p->window + 1), least(before, place(p, i) + 1)};
  return (Reach){segment, segment < 0 ? (Keys){after, after} : keys};
}

/** Which of the keys j … j + W − 1 the query attends. */
INLINE ivec attended(const Part *p, const Reach *reach, int32_t j) {
  const ivec index = (ivec)PLACES + j, own = (ivec)load((const float *)p->key_segments + j);
  return (index >= reach->keys.from) & (index < reach->keys.to) & (own == reach->segment);
}

/** Keys [after, before) of a row get 0. */
INLINE void zeros(float *s, int32_t after, int32_t before) {
  for (int32_t j = after; j < before; j++) s[j] = 0;
}

/**
 * exp(score − largest) from products, in place, for query i and keys [after, before), multiples of W; 0 for keys that it does not attend.
 * The statistics get the largest score and 1/Σ, both 0 where the query attends none.
 */
static inline void exponentials(const Part *p, float *s, int32_t i, int32_t after, int32_t before, float statistics[2]) {
  statistics[0] = statistics[1] = 0;
  const Reach reach = reach_of(p, i, after, before);
  if (reach.keys.from >= reach.keys.to) return zeros(s, after, before);
  const int32_t start = reach.keys.from / W * W, end = (reach.keys.to + W - 1) / W * W;
  zeros(s, after, start);
  zeros(s, end, before);
  vec highest = splat(-__builtin_inff());
  ivec any = {};
  for (int32_t j = start; j < end; j += W) {
    const ivec own = attended(p, &reach, j);
    const vec x = select(splat(-__builtin_inff()), score_of(p, load(s + j)), own);
    store(s + j, x);
    highest = pmax(highest, x);
    any |= own;
  }
  if (!__builtin_reduce_or(any)) return zeros(s, start, end);
  const vec top = splat(largest(highest));
  vec sum = {};
  for (int32_t j = start; j < end; j += W) {
    const vec e = exponential(load(s + j) - top);
    store(s + j, e);
    sum += e;
  }
  statistics[0] = top[0];
  statistics[1] = 1 / total(sum);
}

/**
 * C [rows, …] = A·panels, columns `from` … `to` − 1, multiples of COLUMNS. Row r attends columns r + reach − window + 1 … r + reach; what else
 * lies in C is left as it is, or nonsense.
 */
static inline void score_block(const Part *p, const float *a, int32_t rows, const float *panels, int32_t from, int32_t to, float *c,
                               size_t ldc, int32_t reach) {
  const int32_t tiles = (rows + ROWS - 1) / ROWS;
  for (int32_t j = from; j < to; j += COLUMNS)
    for (int32_t n = 0; n < tiles; n++) {
      const int32_t i = rows * n / tiles, next = rows * (n + 1) / tiles;
      if (j > next - 1 + reach || j + COLUMNS <= i + reach - p->window + 1) continue;
      const Tile t = {.a = {a + i * p->query_stride, p->query_stride, 1}, .b = panels + (size_t)j * p->d, .step = COLUMNS, .k = p->d,
                      .c = c + i * ldc + j, .ldc = ldc, .width = COLUMNS, .start = FROM_ZERO};
      run_tile(next - i, 1, &t);
    }
}

/**
 * C [m, d] (+)= A·B, B [depth, d] in panels. Row i of C is the sum of the terms i + low … i + high that lie within `terms`; a term outside a
 * row's own range is 0 in A.
 */
static inline void add_block(const Part *p, int32_t m, int contiguous, Side a, const float *panels, int32_t depth, float *c, size_t ldc,
                             int32_t start, Keys terms, int32_t low, int32_t high) {
  const int32_t tiles = (m + ROWS - 1) / ROWS;
  for (int32_t j = 0; j < p->d; j += COLUMNS)
    for (int32_t n = 0; n < tiles; n++) {
      const int32_t i = m * n / tiles, next = m * (n + 1) / tiles;
      const int32_t from = most(terms.from, i + low), count = most(0, least(terms.to, next + high) - from);
      if (count == 0 && start == FROM_THERE) continue;
      const Tile t = {.a = {a.at + i * a.row + (count > 0 ? from * a.term : 0), a.row, a.term},
                      .b = panels + (size_t)j * depth + (count > 0 ? (size_t)from * COLUMNS : 0), .step = COLUMNS, .k = count,
                      .c = c + i * ldc + j, .ldc = ldc, .width = least(COLUMNS, p->d - j), .start = start};
      run_tile(next - i, contiguous, &t);
    }
}
