/**
 * Causal attention, forward: a block of queries of one head at a time. Their scores against all keys that one of them attends stay in
 * the second cache; each panel of keys and of values passes the block once. Few queries, as a model that writes has them, read keys and
 * values as they lie: packing would cost more than the products.
 */
#include "causal.h"

/** Queries of a block. */
#define BLOCK 24
/** Fewer queries than this are not worth packing for. */
#define FEW 4
/** Heads of a group that go through few queries' keys together. */
#define TOGETHER (ROWS < 6 ? ROWS : 6)

static void forward_block(uint8_t *heap, const CausalAttention *args, const Part *p, int32_t g, int32_t i, int32_t end, const float *keys,
                          const float *values, float *scores) {
  const int32_t rows = least(BLOCK, p->last - i), reach = place(p, i);
  const size_t wide = padded(p->keys), at = query_offset(p, g, i);
  const Keys found = find_keys(p, i, rows, 0, end);
  const int32_t from = most(0, found.from) / COLUMNS * COLUMNS, to = found.from < found.to ? padded(found.to) : from;
  score_block(p, FLOATS(args->q) + at, rows, keys, from, to, scores, wide, reach);
  for (int32_t r = 0; r < rows; r++) exponentials(p, scores + r * wide, i + r, from, to, statistics_of(p, g, i + r));
  float *o = FLOATS(args->o) + at;
  const Side side = {scores, wide, 1};
  add_block(p, rows, 1, side, values, end, o, p->query_stride, FROM_ZERO, (Keys){from, least(end, to)}, reach - p->window + 1, reach);
  for (int32_t r = 0; r < rows; r++) {
    float *row = o + r * p->query_stride;
    scaled(row, statistics_of(p, g, i + r)[1], row, p->d);
  }
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

/** The chunk's queries. Needs a scratch of TOGETHER padded rows of keys, and of a panel of all keys. */
static void few_queries(uint8_t *heap, const CausalAttention *args, const Part *p) {
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
      for (int32_t h = 0; h < heads; h++) exponentials(p, scores + h * wide, i, after, before, statistics_of(p, g + h, i));
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
      for (int32_t h = 0; h < heads; h++) scaled(o + h * p->d, statistics_of(p, g + h, i)[1], o + h * p->d, p->d);
    }
  }
}

/** Needs a scratch of keys + 32 floats, panels of keys and values, padded(keys)·d and keys·padded(d), and BLOCK padded rows of keys. */
KERNEL(causalAttention) {
  ARGUMENTS(CausalAttention);
  const Part part = open_part(heap, args, chunk, scratch_at), *p = &part;
  if (p->queries < FEW) return few_queries(heap, args, p);
  const int32_t end = most(0, least(p->keys, place(p, p->last - 1) + 1));
  float *keys = p->scratch, *values = keys + (size_t)padded(end) * p->d, *scores = values + (size_t)end * padded(p->d);
  pack_all_rows(FLOATS(args->k) + p->key_offset, p->key_stride, p->d, end, keys);
  pack_all_columns(FLOATS(args->v) + p->key_offset, p->key_stride, end, p->d, values);
  for (int32_t g = 0; g < p->group; g++)
    for (int32_t i = p->first; i < p->last; i += BLOCK) forward_block(heap, args, p, g, i, end, keys, values, scores);
}
