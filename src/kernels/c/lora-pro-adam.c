/**
 * LoRA-Pro's full form with Adam inside, for a list of factor pairs.
 *
 *   open    L = s·[Q | b − Q Qᵀb] [out, 2r]    K = [a ; R] [2r, in], packed          (a chunk: pairs)
 *   move    g̃ = L·K    M' = β₁M + g̃    V' = β₂V + g̃²    u = M' / (√V'·c + e)
 *           b = u·Rᵀ for its rows, a part of s·Qᵀu                                    (a chunk: some rows of one pair)
 *   close   a = s⁻² Σ parts, b ← s⁻¹ b, pull back                                     (a chunk: pairs)
 *
 * What passes through memory is M, V, M' and V'. How rows are cut is a function of the shapes, and parts are added in their order:
 * the number of threads changes no bit.
 *
 * `left` holds Lᵀ [2r, outputs], `tall` bᵀ [r, outputs]; g̃ and u exist BAND rows at a time, in panels, which is what a part of s·Qᵀu
 * is made of.
 */
#include "expressions.h"
#include "lora-pro.h"

/** The fields of a pair come first. */
INLINE const LoraProEntry *pair_of(const LoraProAdamEntry *one) { return (const LoraProEntry *)one; }

INLINE void scale(float *x, float factor, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] *= factor;
}

/** Qᵀ and R, and of the gradients bᵀ and a. */
static void whitened(uint8_t *heap, const LoraProEntry *one, float *panels, float *q, float *R, float *b, float *a) {
  const int32_t r = one->r;
  flat_of_tall(FLOATS(one->TB), FLOATS(one->B), r, one->outputs, panels, q, FROM_ZERO);
  flat(FLOATS(one->TAt), 0, FLOATS(one->A), r, one->inputs, panels, R, FROM_ZERO);
  flat_of_tall(FLOATS(one->TAgrad), FLOATS(one->gB), r, one->outputs, panels, b, FROM_ZERO);
  flat(FLOATS(one->TBgrad), 0, FLOATS(one->gA), r, one->inputs, panels, a, FROM_ZERO);
}

/** dA and dB from the coordinates a = s⁻¹·Qᵀu and b = s⁻¹·uRᵀ of one u, so that a·Rᵀ is N; they are used up. f·q is Qᵀ. */
static void pull_back(uint8_t *heap, const LoraProEntry *one, int32_t x, float *a, float *b, const float *q, float f, const float *R,
                      Room room) {
  const int32_t r = one->r, inputs = one->inputs, outputs = one->outputs;
  const size_t square = (size_t)r * r;
  const float *s = FLOATS(one->S);
  float *n = room.n, *y = room.y, *panels = room.panels;
  overlap(q, b, r, outputs, panels, n);
  for (size_t i = 0; i < square; i++) {
    const float own = f * n[i];
    y[i] = x == SYLVESTER ? -s[i] * own : x == SYMMETRIC ? -0.5f * own : 0;
    n[i] = -f * (own + y[i]);
  }
  flat(n, 1, q, r, outputs, panels, b, FROM_THERE);
  if (x != ZERO) flat(y, 0, R, r, inputs, panels, a, FROM_THERE);
  flat(FLOATS(one->TB), 0, a, r, inputs, panels, FLOATS(one->dA), FROM_ZERO);
  tall_of_flat(b, FLOATS(one->TAt), r, outputs, panels, FLOATS(one->dB));
}

KERNEL(loraProAdamOpen) {
  ARGUMENTS(LoraProAdam);
  const int32_t end = least((chunk + 1) * args->perChunk, args->entries);
  for (int32_t i = chunk * args->perChunk; i < end; i++) {
    const LoraProAdamEntry *one = entries_of_LoraProAdam(args) + i;
    const Room room = room_of(pair_of(one), FLOATS(scratch_at));
    const int32_t r = one->r, inputs = one->inputs, outputs = one->outputs;
    float *q = FLOATS(one->left), *b = q + (size_t)r * outputs, *a = FLOATS(one->right), *R = a + (size_t)r * inputs;
    whitened(heap, pair_of(one), room.panels, q, R, b, a);
    overlap(q, b, r, outputs, room.panels, room.n);
    scale(room.n, -1, (size_t)r * r);
    flat(room.n, 1, q, r, outputs, room.panels, b, FROM_THERE);
    scale(q, one->scale, (size_t)2 * r * outputs);
    pack_all_columns(a, inputs, 2 * r, inputs, FLOATS(one->packed));
  }
}

/** Rows of g̃ at a time, as in `src/kernels/lora-pro-adam.ts`: each time K and a part's sum pass once. */
enum { BAND = 96 };

/** Floats between a moment that is read, or written, and the one that is asked for: rows of two matrices in turn hide where they lead. */
enum { READ_AHEAD = 512, WRITE_AHEAD = 256 };

INLINE void ask_to_read(const float *x) {
  for (int32_t i = 0; i < COLUMNS; i += 16) PREFETCH(x + READ_AHEAD + i, 0, 3);
}
INLINE void ask_to_write(const float *x) {
  for (int32_t i = 0; i < COLUMNS; i += 16) PREFETCH(x + WRITE_AHEAD + i, 1, 3);
}

/** u for some rows of g̃, `rows` ≤ BAND of them, as panels, and their moments. */
static void adam_rows(uint8_t *heap, const LoraProAdam *args, const LoraProAdamEntry *one, int32_t row, int32_t rows, float *u) {
  const int32_t r = one->r, inputs = one->inputs, outputs = one->outputs;
  const int32_t tiles = (rows + ROWS - 1) / ROWS;
  for (int32_t j = 0; j < inputs; j += COLUMNS)
    for (int32_t n = 0; n < tiles; n++) {
      const int32_t first = rows * n / tiles, next = rows * (n + 1) / tiles;
      const Tile t = {.a = {FLOATS(one->left) + row + first, 1, outputs}, .b = FLOATS(one->packed) + (size_t)j * 2 * r,
                      .step = COLUMNS, .k = 2 * r, .c = u + (size_t)j * rows + first * COLUMNS, .ldc = COLUMNS, .width = COLUMNS};
      run_tile(next - first, 0, &t);
    }
  for (int32_t i = 0; i < rows; i++) {
    const size_t at = (size_t)(row + i) * inputs;
    for (int32_t j = 0; j < inputs; j += COLUMNS) {
      float *g = u + (size_t)j * rows + i * COLUMNS;
      const float *m = FLOATS(one->M) + at + j, *v = FLOATS(one->V) + at + j;
      float *next_m = FLOATS(one->nextM) + at + j, *next_v = FLOATS(one->nextV) + at + j;
      ask_to_read(m), ask_to_read(v), ask_to_write(next_m), ask_to_write(next_v);
      adam_span(g, m, v, g, next_m, next_v, least(COLUMNS, inputs - j), args->b1, args->b2, args->c, args->e);
    }
  }
}

/** Ranks up to which sums along the rows of u take less time than a tile's, for which u has to be turned. */
enum { NARROW = 32 };

/** b [r, rows] = R·uᵀ, a few rows of either at a time. */
static void along_rows(const float *R, int32_t r, const float *u, int32_t rows, int32_t inputs, float *b, size_t ldb) {
  enum { OF_R = 4, OF_U = W / OF_R };
  for (int32_t i = 0; i < rows; i += OF_U)
    for (int32_t q = 0; q < r; q += OF_R) {
      vec sums[W] = {};
      for (int32_t j = 0; j < inputs; j += COLUMNS)
        for (int32_t l = 0; l < COLUMNS && j + l < inputs; l += W) {
          // of rows beyond the last, the last
          vec y[OF_R];
          EACH(n, OF_R) y[n] = load_up_to(R + (size_t)least(q + n, r - 1) * inputs + j + l, inputs - j - l);
          EACH(m, OF_U) {
            const vec x = load(u + (size_t)j * rows + least(i + m, rows - 1) * COLUMNS + l);
            EACH(n, OF_R) sums[m * OF_R + n] += x * y[n];
          }
        }
      const vec own = totals(sums);
      for (int m = 0; m < OF_U && i + m < rows; m++)
        for (int n = 0; n < OF_R && q + n < r; n++) b[(q + n) * ldb + i + m] = own[m * OF_R + n];
    }
}

static void move(uint8_t *heap, const LoraProAdam *args, const LoraProAdamEntry *one, int32_t part, float *scratch) {
  const int32_t r = one->r, inputs = one->inputs, outputs = one->outputs;
  const size_t size = (size_t)r * inputs;
  float *sum = FLOATS(one->parts) + part * size, *u = aligned(scratch), *turned = u + (size_t)BAND * padded(inputs);
  const float *R = FLOATS(one->right) + size;
  const int32_t from = part * one->perPart, to = least(from + one->perPart, outputs);
  for (int32_t row = from; row < to; row += BAND) {
    const int32_t rows = least(BAND, to - row);
    adam_rows(heap, args, one, row, rows, u);
    multiply(r, inputs, rows, 1, (Side){FLOATS(one->left) + row, outputs, 1}, u, sum, inputs, row == from ? FROM_ZERO : FROM_THERE);
    float *b = FLOATS(one->tall) + row;
    if (r <= NARROW) along_rows(R, r, u, rows, inputs, b, outputs);
    else for (int32_t i = 0; i < rows; i += COLUMNS) {
      const int32_t some = least(COLUMNS, rows - i);
      for (int32_t j = 0; j < inputs; j += COLUMNS)
        pack_rows(u + (size_t)j * rows + i * COLUMNS, COLUMNS, least(COLUMNS, inputs - j), some, turned + (size_t)j * COLUMNS);
      multiply(r, some, inputs, 1, (Side){R, inputs, 1}, turned, b + i, outputs, FROM_ZERO);
    }
  }
}

INLINE int32_t parts_of(const LoraProAdamEntry *one) { return (one->outputs + one->perPart - 1) / one->perPart; }

KERNEL(loraProAdamMove) {
  ARGUMENTS(LoraProAdam);
  const int32_t first = chunk * args->perChunk, end = first + args->perChunk;
  int32_t before = 0;
  for (int32_t i = 0; i < args->entries; i++) {
    const LoraProAdamEntry *one = entries_of_LoraProAdam(args) + i;
    const int32_t parts = parts_of(one);
    for (int32_t part = most(first - before, 0); part < least(end - before, parts); part++)
      move(heap, args, one, part, FLOATS(scratch_at));
    before += parts;
  }
}

KERNEL(loraProAdamClose) {
  ARGUMENTS(LoraProAdam);
  const int32_t end = least((chunk + 1) * args->perChunk, args->entries);
  for (int32_t i = chunk * args->perChunk; i < end; i++) {
    const LoraProAdamEntry *one = entries_of_LoraProAdam(args) + i;
    const size_t size = (size_t)one->r * one->inputs;
    const float inverse = 1 / one->scale, *parts = FLOATS(one->parts);
    float *a = FLOATS(one->right), *b = FLOATS(one->tall);
    for (size_t j = 0; j < size; j++) {
      float sum = parts[j];
      for (int32_t part = 1; part < parts_of(one); part++) sum += parts[part * size + j];
      a[j] = inverse * inverse * sum;
    }
    scale(b, inverse, (size_t)one->r * one->outputs);
    pull_back(heap, pair_of(one), args->x, a, b, FLOATS(one->left), inverse, a + size, room_of(pair_of(one), FLOATS(scratch_at)));
  }
}
