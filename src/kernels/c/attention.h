/**
 * What attention forward and backward have in common: a part's sizes, which keys a query attends, and products of blocks within a band.
 * Equations and shapes in `src/kernels/attention.ts`.
 *
 * A part is a head of keys and values of one sequence, with the query heads that share it, and some or all of the queries. Query i is at
 * t = i + (keys − queries), and attends keys t − back … t + ahead of its own segment.
 */
#pragma once
#include "declared.h"
#include "tiles.h"
#include "vectors.h"

/** Keys from … to − 1; may be empty. */
typedef struct {
  int32_t from, to;
} Keys;

typedef struct {
  int32_t queries, keys, heads, group, d, back, ahead;
  /** cap: 0 for none */
  float scale, cap;
  /** of the batch; of the parts; the first query head of the group; queries of the part, the first and one past the last */
  int32_t row, part, first_head, first, last;
  /** floats from token to token, and from the start of k or v to the part's head */
  size_t query_stride, key_stride, key_offset;
  const int32_t *query_segments;
  /** of the sequence's keys, with room for a vector after them */
  const int32_t *key_segments;
  /** how many of the first keys have the segment of the first one */
  int32_t lead;
  /** null: none */
  const float *bias;
  float *statistics, *kept;
  /** what is left of the scratch */
  float *scratch;
} Part;

/** Takes keys + 32 floats of the scratch. */
static inline Part open_part(uint8_t *heap, const Attention *args, int32_t unit, uint32_t scratch_at) {
  // later parts of a causal sequence attend more keys: they come first, so that no thread is left with one of them at the end
  const int32_t matrix = unit % args->matrices, part = args->parts - 1 - unit / args->matrices;
  const int32_t row = matrix / args->keyHeads, own = matrix % args->keyHeads;
  const int32_t group = args->heads / args->keyHeads, keys = args->keys, first = part * args->perPart;
  const size_t key_stride = (size_t)args->keyHeads * args->d;
  int32_t *segments = (int32_t *)FLOATS(scratch_at), lead = 0;
  const int32_t *from = (const int32_t *)FLOATS(args->keySegments) + (size_t)row * keys;
  for (int32_t j = 0; j < keys + W; j++) segments[j] = j < keys ? from[j] : -1;
  while (lead < keys && segments[lead] == segments[0]) lead++;
  return (Part){
    .queries = args->queries, .keys = keys, .heads = args->heads, .group = group, .d = args->d, .back = args->back, .ahead = args->ahead,
    .scale = args->scale, .cap = args->cap, .row = row, .part = part, .first_head = own * group, .first = first,
    .last = least(first + args->perPart, args->queries), .query_stride = (size_t)args->heads * args->d, .key_stride = key_stride,
    .key_offset = key_stride * row * keys + (size_t)own * args->d,
    .query_segments = (const int32_t *)FLOATS(args->querySegments) + (size_t)row * args->queries, .key_segments = segments, .lead = lead,
    .bias = args->bias == 0 ? NULL : FLOATS(args->bias), .statistics = args->statistics == 0 ? NULL : FLOATS(args->statistics),
    .kept = args->weights == 0 ? NULL : FLOATS(args->weights), .scratch = aligned((float *)segments + keys + W),
  };
}

/** From the start of q, O or their gradients to query i of head g of the group. */
INLINE size_t query_offset(const Part *p, int32_t g, int32_t i) {
  return p->query_stride * ((size_t)p->row * p->queries + i) + (size_t)(p->first_head + g) * p->d;
}

/** The number of P's row of query i of head g. */
INLINE size_t row_of(const Part *p, int32_t g, int32_t i) {
  return (size_t)(p->row * p->heads + p->first_head + g) * p->queries + i;
}

/** Biases of query i of head g; null: none. */
INLINE const float *bias_of(const Part *p, int32_t g, int32_t i) {
  return p->bias == NULL ? NULL : p->bias + ((size_t)(p->first_head + g) * p->queries + i) * p->keys;
}

/** The key at query i's own place. */
INLINE int32_t place(const Part *p, int32_t i) { return i + p->keys - p->queries; }

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
  int32_t from = most(after, place(p, i) - p->back), to = least(before, place(p, i + rows - 1) + p->ahead + 1);
  while (from < to && (segments[from] < lowest || segments[from] > highest)) from++;
  while (from < to && (segments[to - 1] < lowest || segments[to - 1] > highest)) to--;
  return (Keys){from, to};
}

/** Scores from products and biases. `cap`: 0 for none. */
INLINE vec score_of(vec s, float cap) {
  if (cap == 0) return s;
  // cap·tanh(s/cap) = cap − 2·cap/(exp(2·s/cap) + 1)
  return cap - 2 * cap / (exponential(s * (2 / cap)) + 1);
}

/** A query's segment, the keys that it may attend, and those among them that it attends whatever their segments are. */
typedef struct {
  int32_t segment;
  Keys keys, sure;
} Reach;

/** Of query i, within keys [after, before): empty where it attends none of them. */
INLINE Reach reach_of(const Part *p, int32_t i, int32_t after, int32_t before) {
  const int32_t segment = p->query_segments[i];
  const int32_t end = least(before, p->keys);
  const Keys near = {most(after, place(p, i) - p->back), least(end, place(p, i) + p->ahead + 1)};
  const Keys keys = segment < 0 || near.from >= near.to ? (Keys){after, after} : near;
  return (Reach){segment, keys, {keys.from, segment == p->key_segments[0] ? least(keys.to, p->lead) : keys.from}};
}

/** Does the query attend keys j … j + W − 1, whatever their segments are? */
INLINE int is_sure(const Reach *reach, int32_t j) { return j >= reach->sure.from && j + W <= reach->sure.to; }

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
 * C [rows, …] = A·panels, columns `from` … `to` − 1, multiples of COLUMNS. Row r attends columns r + reach − back … r + reach + ahead; what
 * else lies in C is left as it is, or nonsense.
 */
static inline void score_block(const Part *p, const float *a, int32_t rows, const float *panels, int32_t from, int32_t to, float *c,
                               size_t ldc, int32_t reach) {
  const int32_t tiles = (rows + ROWS - 1) / ROWS;
  for (int32_t j = from; j < to; j += COLUMNS)
    for (int32_t n = 0; n < tiles; n++) {
      const int32_t i = rows * n / tiles, next = rows * (n + 1) / tiles;
      if (j > next - 1 + reach + p->ahead || j + COLUMNS <= i + reach - p->back) continue;
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
