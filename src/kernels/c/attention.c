/**
 * Attention, forward: a block of queries of one head at a time. Their scores against all keys that one of them attends stay in the second
 * cache; each panel of keys and of values passes the block once. Few queries, as a model that writes has them, read keys and values as they
 * lie: packing would cost more than the products.
 */
#include "attention.h"

/** Queries of a block, of whole tiles: their scores stay in the first cache, or near. */
#define BLOCK 12
/** Fewer queries than this, of more keys, are not worth packing for. */
#define FEW 4
/** Heads of a group that go through few queries' keys together: a tile of them at most. */
#define TOGETHER (ROWS < 6 ? ROWS : 6)
/** Rows of scores that are weighed together, in whole vectors. */
#define LANES ((BLOCK + W - 1) / W * W)

/** Rows of scores: of queries i, i + 1, … of a head, or of query i of heads g, g + 1, … */
typedef struct {
  int32_t g, i, count, across_heads;
} Rows;

/** Does query i attend none of the keys, multiples of W? */
static int attends_none(const Part *p, int32_t i, Keys keys) {
  const Reach reach = reach_of(p, i, keys.from, keys.to);
  ivec any = {};
  for (int32_t j = keys.from; j < keys.to; j += W) any |= attended(p, &reach, j);
  return !__builtin_reduce_or(any);
}

/**
 * exp(score − largest) from products, in place, for keys [after, before), multiples of W; 0 for keys that a row does not attend. `shares`
 * gets 1/Σ, 0 of a row that attends none. Rows go through each step together: their sums across a vector do not wait for one another. NaN
 * in a score makes the sum NaN, and with it the row.
 */
static void weigh(const Part *p, Rows rows, float *scores, size_t wide, int32_t after, int32_t before, float shares[LANES]) {
  const float scale = p->scale, cap = p->cap;
  vec across[LANES] = {};
  Keys ranges[LANES];
  float tops[LANES];
  for (int32_t r = 0; r < rows.count; r++) {
    float *s = scores + r * wide;
    const int32_t i = rows.across_heads ? rows.i : rows.i + r, g = rows.across_heads ? rows.g + r : rows.g;
    const Reach reach = reach_of(p, i, after, before);
    const float *bias = bias_of(p, g, i);
    const int32_t some = reach.keys.from < reach.keys.to;
    const int32_t start = some ? reach.keys.from / W * W : before, end = some ? (reach.keys.to + W - 1) / W * W : before;
    zeros(s, after, start);
    zeros(s, end, before);
    vec highest = splat(-__builtin_inff());
    for (int32_t j = start; j < end; j += W) {
      vec x = load(s + j) * scale;
      if (bias != NULL) x += load_up_to(bias + j, p->keys - j);
      x = score_of(x, cap);
      if (!is_sure(&reach, j)) x = select(splat(-__builtin_inff()), x, attended(p, &reach, j));
      store(s + j, x);
      highest = pmax(highest, x);
    }
    ranges[r] = (Keys){start, end};
    across[r] = highest;
  }
  for (int32_t r = 0; r < rows.count; r += W) store(tops + r, maxima(across + r));
  for (int32_t r = 0; r < rows.count; r++) {
    float *s = scores + r * wide;
    // nothing is attended, or all of it is −∞, which has no softmax
    if (tops[r] == -__builtin_inff() && attends_none(p, rows.across_heads ? rows.i : rows.i + r, ranges[r])) {
      zeros(s, ranges[r].from, ranges[r].to);
      ranges[r].to = ranges[r].from;
    }
    const vec top = splat(tops[r]);
    vec sum = {};
    for (int32_t j = ranges[r].from; j < ranges[r].to; j += W) {
      const vec e = exponential(load(s + j) - top);
      store(s + j, e);
      sum += e;
    }
    across[r] = sum;
  }
  for (int32_t r = 0; r < rows.count; r += W) store(shares + r, 1 / totals(across + r));
  for (int32_t r = 0; r < rows.count; r++) {
    const int32_t none = ranges[r].from == ranges[r].to;
    if (none) shares[r] = 0;
    if (p->statistics == NULL) continue;
    float *own = p->statistics + 2 * row_of(p, rows.across_heads ? rows.g + r : rows.g, rows.across_heads ? rows.i : rows.i + r);
    own[0] = none ? 0 : tops[r];
    own[1] = shares[r];
  }
}

static void forward_block(uint8_t *heap, const Attention *args, const Part *p, int32_t g, int32_t i, int32_t end, const float *keys,
                          const float *values, float *scores) {
  const int32_t rows = least(BLOCK, p->last - i), reach = place(p, i);
  const size_t wide = padded(p->keys), at = query_offset(p, g, i);
  const Keys found = find_keys(p, i, rows, 0, end);
  const int32_t from = most(0, found.from) / COLUMNS * COLUMNS, to = found.from < found.to ? padded(found.to) : from;
  score_block(p, FLOATS(args->q) + at, rows, keys, from, to, scores, wide, reach);
  float shares[LANES];
  // all of a row that is kept
  const int kept = p->kept != NULL;
  weigh(p, (Rows){g, i, rows, 0}, scores, wide, kept ? 0 : from, kept ? (int32_t)wide : to, shares);
  for (int32_t r = 0; kept && r < rows; r++) scaled(scores + r * wide, shares[r], p->kept + row_of(p, g, i + r) * p->keys, p->keys);
  float *o = FLOATS(args->o) + at;
  const Side side = {scores, wide, 1};
  add_block(p, rows, 1, side, values, end, o, p->query_stride, FROM_ZERO, (Keys){from, least(end, to)}, reach - p->back, reach + p->ahead);
  for (int32_t r = 0; r < rows; r++) scaled(o + r * p->query_stride, shares[r], o + r * p->query_stride, p->d);
}

/** Products of `heads` queries, d floats apart, with keys `from` … `to` − 1, a multiple of W at a time. */
static void few_scores(const Part *p, const float *q, int32_t heads, const float *k, Keys found, float *scores, size_t wide) {
  const int32_t d = p->d, rest = d % W, whole = d - rest;
  for (int32_t j = found.from / W * W; j < found.to; j += W)
    for (int32_t g = 0; g < heads; g++) {
      vec sums[W] = {};
      for (int32_t c = 0; c < whole; c += W) {
        const vec x = load(q + g * d + c);
        // of keys beyond the last, the last: they mean nothing
        EACH(l, W) sums[l] += x * load(k + least(j + l, p->keys - 1) * p->key_stride + c);
      }
      if (rest > 0) {
        const vec x = load_part(q + g * d + whole, rest);
        EACH(l, W) sums[l] += x * load_part(k + least(j + l, p->keys - 1) * p->key_stride + whole, rest);
      }
      store(scores + g * wide + j, totals(sums));
    }
}

/** The part's queries. Needs a scratch of TOGETHER padded rows of keys, and of a panel of all keys. */
static void few_queries(uint8_t *heap, const Attention *args, const Part *p) {
  const size_t wide = padded(p->keys);
  float *scores = p->scratch, *panel = scores + TOGETHER * wide;
  const float *k = FLOATS(args->k) + p->key_offset, *v = FLOATS(args->v) + p->key_offset;
  for (int32_t i = p->first; i < p->last; i++) {
    const Keys found = find_keys(p, i, 1, 0, p->keys);
    const int32_t from = most(0, found.from), count = most(0, found.to - from);
    for (int32_t g = 0; g < p->group; g += TOGETHER) {
      const int32_t heads = least(TOGETHER, p->group - g);
      const size_t at = query_offset(p, g, i);
      const int32_t after = from / W * W, before = count > 0 ? (found.to + W - 1) / W * W : after;
      few_scores(p, FLOATS(args->q) + at, heads, k, (Keys){from, from + count}, scores, wide);
      float shares[LANES];
      weigh(p, (Rows){g, i, heads, 1}, scores, wide, after, before, shares);
      float *o = FLOATS(args->o) + at;
      for (int32_t j = 0; j < p->d; j += COLUMNS) {
        const int32_t width = least(COLUMNS, p->d - j);
        const float *own = v + from * p->key_stride + j;
        Tile t = {.a = {scores + from, wide, 1}, .b = own, .step = p->key_stride, .k = count, .c = o + j, .ldc = p->d, .width = width,
                  .start = FROM_ZERO};
        if (width < COLUMNS) {
          pack_columns(own, p->key_stride, count, width, panel);
          t.b = panel, t.step = COLUMNS;
        }
        run_tile(heads, 1, &t);
      }
      for (int32_t h = 0; h < heads; h++) scaled(o + h * p->d, shares[h], o + h * p->d, p->d);
    }
  }
}

/** Needs a scratch of keys + 32 floats, panels of keys and values, padded(keys)·d and keys·padded(d), and BLOCK padded rows of keys. */
KERNEL(attention) {
  ARGUMENTS(Attention);
  const int32_t units = least((chunk + 1) * args->perChunk, args->matrices * args->parts);
  for (int32_t unit = chunk * args->perChunk; unit < units; unit++) {
    const Part part = open_part(heap, args, unit, scratch_at), *p = &part;
    if (p->queries < FEW && p->keys > p->queries) {
      few_queries(heap, args, p);
      continue;
    }
    const int32_t end = most(0, least(p->keys, place(p, p->last - 1) + p->ahead + 1));
    float *keys = p->scratch, *values = keys + (size_t)padded(end) * p->d, *scores = values + (size_t)end * padded(p->d);
    pack_all_rows(FLOATS(args->k) + p->key_offset, p->key_stride, p->d, end, keys);
    pack_all_columns(FLOATS(args->v) + p->key_offset, p->key_stride, end, p->d, values);
    for (int32_t g = 0; g < p->group; g++)
      for (int32_t i = p->first; i < p->last; i += BLOCK) forward_block(heap, args, p, g, i, end, keys, values, scores);
  }
}
